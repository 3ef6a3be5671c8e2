//! Short answered calls of one caller to the same number: 39305. So does who tries whether a number pays, before the weekend.
//!
//! Owns what a short call is. Read first: spec/limits.md, "Defaults"; attack row C9; `detectors.rs`.

use std::time::Duration;

use super::detectors::{Case, Steps};
use super::{Opinion, Question, code};
use crate::clock::time_text;
use crate::policy::alert::shortened;
use crate::policy::compare::shorter;
use crate::policy::counters::Counters;
use crate::policy::detect::{Kind, who};
use crate::policy::keyed::{Key, Keyed, Scope};
use crate::policy::peer::PeerId;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCalls {
    /// A call that lasts less from its answer is short.
    pub short: Duration,
    /// Short calls that have ended, and the time for which the number is barred to that caller.
    pub steps: Steps,
}

impl Default for TestCalls {
    fn default() -> Self {
        let (window, bar) = (Duration::from_secs(300), Duration::from_secs(86_400));
        Self { short: Duration::from_secs(10), steps: Steps { warn: 3, block: 6, window, bar } }
    }
}

/// Of whom short calls to a number are counted.
#[must_use]
pub fn key(keyed: &Keyed, peer: PeerId, credential: Option<&str>, caller: &str, called: &str) -> Key {
    who(keyed, Scope::Short, peer, (credential, &shortened(caller)), &shortened(called))
}

impl TestCalls {
    pub(super) fn judge(self, question: &Question<'_>, counters: &Counters) -> Option<Opinion> {
        let facts = question.facts;
        let key = key(&counters.keyed, question.peer.id, facts.credential, facts.caller, facts.called);
        let known = counters.detect.recent(Kind::Short, key);
        let value = known.map_or(0, |known| known.within(facts.now.tick, self.steps.window).count());
        let what = format!("{} in calls shorter than {}", shortened(facts.called), time_text(self.short));
        let case = Case {
            code: code::TEST_CALL_PATTERN,
            bar: key,
            value: u32::try_from(value).unwrap_or(u32::MAX),
            note: None,
            what: &what,
            cure: "So are numbers tried that pay who calls them. If a machine of yours reports there, name the number in an \
                   allowlist.",
        };
        Some(self.steps.judge(question, counters, case))
    }

    pub(super) fn describe(self) -> String {
        format!(
            "answered calls shorter than {} of one caller to the same number: {} to that caller (39305)",
            time_text(self.short),
            self.steps.describe()
        )
    }

    pub(super) fn beyond(self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        self.steps.beyond(&older.steps, path, weaker);
        shorter(&format!("what {path} takes for a short call"), older.short, self.short, weaker);
    }
}
