//! Ways to dial the same number, one after another: 39311. Who has got at a phone does not know its dial plan, and tries `00`,
//! `9011`, `810` until a call leaves.
//!
//! Owns what a variant is. What is refused counts, too: the engine enters it. Read first: spec/limits.md, "Defaults"; `detectors.rs`.

use std::time::Duration;

use super::detectors::{Case, Steps};
use super::{Opinion, Question, code};
use crate::clock::Tick;
use crate::policy::alert::shortened;
use crate::policy::counters::Counters;
use crate::policy::detect::{Kind, Note, SUFFIX_DIGITS, variant, who};
use crate::policy::keyed::{Key, Keyed, Scope};
use crate::policy::peer::{PeerId, PeerSide};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialPlanGuessing {
    /// Variants of one number, and the time for which the caller or credential is barred.
    pub steps: Steps,
}

impl Default for DialPlanGuessing {
    fn default() -> Self {
        let (window, bar) = (Duration::from_secs(60), Duration::from_secs(3_600));
        Self { steps: Steps { warn: 5, block: 10, window, bar } }
    }
}

/// Who guesses, as it is barred: the credential, else the caller.
#[must_use]
pub fn guesser(keyed: &Keyed, peer: PeerId, credential: Option<&str>, caller: &str) -> Key {
    who(keyed, Scope::Guesser, peer, (credential, &shortened(caller)), "")
}

/// What is remembered of an attempt; `None` where it is no variant of a number.
#[must_use]
pub fn note(
    keyed: &Keyed,
    peer: PeerId,
    (credential, caller): (Option<&str>, &str),
    dialled: &str,
    at: Tick,
) -> Option<Note> {
    let (before, suffix) = variant(&shortened(dialled))?;
    let key = who(keyed, Scope::Variant, peer, (credential, &shortened(caller)), &suffix);
    let value = keyed.key(Scope::Variant, peer, &[&before]).bits();
    Some(Note { kind: Kind::Variant, key, value, at })
}

impl DialPlanGuessing {
    /// How many variants there were, with this one.
    #[must_use]
    pub fn count(&self, counters: &Counters, note: &Note) -> u32 {
        let known = counters.detect.recent(Kind::Variant, note.key);
        let others = known.into_iter().flat_map(|known| known.within(note.at, self.steps.window));
        let others = others.filter(|value| *value != note.value).count();
        u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn judge(self, question: &Question<'_>, counters: &Counters) -> Option<Opinion> {
        let facts = question.facts;
        if question.peer.side != PeerSide::Inside {
            return None;
        }
        let from = (facts.credential, facts.caller_sent);
        let note = note(&counters.keyed, question.peer.id, from, facts.dialled, facts.now.tick);
        let value = note.as_ref().map_or(0, |note| self.count(counters, note));
        let case = Case {
            code: code::DIAL_PLAN_GUESSING,
            bar: guesser(&counters.keyed, question.peer.id, from.0, from.1),
            value,
            note,
            what: "one number in one way after another",
            cure: CURE,
        };
        Some(self.steps.judge(question, counters, case))
    }

    pub(super) fn describe(self) -> String {
        format!(
            "ways of one caller or credential to dial the same last {SUFFIX_DIGITS} digits: {} (39311)",
            self.steps.describe()
        )
    }
}

/// What it may mean.
pub const CURE: &str =
    "Somebody at that phone does not know the dial plan: change its password, and look who uses it.";
