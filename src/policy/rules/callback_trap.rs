//! Calls back to a block of numbers that rang here shortly and hung up: 39310 (wangiri). The one ring costs nothing; the call back
//! pays who rang.
//!
//! Owns who may be called back. What rang is learnt by the engine. Read first: spec/limits.md, "Detectors"; attack row C9.

use std::time::Duration;

use super::destination::{is_home, number, place};
use super::{Objection, Opinion, Question, code, named};
use crate::clock::time_text;
use crate::policy::compare::{longer, shorter};
use crate::policy::counters::{Charge, Counters};
use crate::policy::detect::{block, site_key};
use crate::policy::keyed::Scope;
use crate::policy::number::{Dialling, E164, RiskTier};
use crate::policy::verdict::Saw;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackTrap {
    /// An unanswered call that rang for less opens a watch.
    pub ring: Duration,
    /// For how long the block of its caller is watched.
    pub watch: Duration,
    /// Longest time from answer of the one call to it.
    pub call_max: Duration,
    /// Numbers of ours that one block rang within an hour, at which an alert is raised.
    pub dids: u32,
}

impl Default for CallbackTrap {
    fn default() -> Self {
        Self {
            ring: Duration::from_secs(6),
            watch: Duration::from_secs(72 * 3_600),
            call_max: Duration::from_secs(60),
            dids: 3,
        }
    }
}

/// Whether nobody should be lured into calling this number, seen from a plan's home: it is abroad, or of risk.
#[must_use]
pub fn lures(digits: &str, dialling: &Dialling) -> bool {
    E164::of(digits, &dialling.world).is_some_and(|number| {
        let risk = dialling.world.risk(&number, &dialling.plan.country_code);
        !is_home(&number, dialling) || risk.tier >= RiskTier::Watch
    })
}

impl CallbackTrap {
    pub(super) fn judge(self, question: &Question<'_>, counters: &Counters) -> Option<Opinion> {
        let (number, dialling) = number(question)?;
        let (block, _) = block(number.digits.as_str())?;
        let key = site_key(&counters.keyed, Scope::Rang, question.peer, block);
        let watch = counters.detect.watches.find(key)?;
        if !watch.watches(question.facts.now.tick) {
            return None;
        }
        let tier = dialling.world.risk(number, &dialling.plan.country_code).tier;
        let place = place(number, dialling);
        let why = if tier >= RiskTier::High {
            format!("numbers of risk {} are not called back", tier.name())
        } else if watch.was_answered() || counters.keyed.held(key) > 0 {
            "it may be called back once".to_owned()
        } else {
            return Some(Opinion {
                duration_max: Some(self.call_max),
                charges: [Charge::Held(key)].into_iter().collect(),
                ..Opinion::pass(Saw::Word("watched"))
            });
        };
        let text = format!(
            "{} calls back to +{block}xxxx in {place}, which rang here shortly and hung up: {why}. A call back pays who rang. If \
             the number is known, name it in an allowlist.",
            named(question)
        );
        let told =
            format!("+{block}xxxx rang and hung up, which is how callers are lured to dear numbers: {why}");
        Some(Opinion::refuse(Saw::Text(why.into()), Objection::new(code::CALLBACK_TRAP, told, text)))
    }

    pub(super) fn describe(self) -> String {
        format!(
            "a number abroad or of risk that rang here for less than {} has its block watched for {}: of risk high it is not called \
             back, else once, for {}; an alert when it rang {} numbers within an hour (39310)",
            time_text(self.ring),
            time_text(self.watch),
            time_text(self.call_max),
            self.dids
        )
    }

    pub(super) fn beyond(self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        shorter(&format!("the ringing that {path} takes for short"), older.ring, self.ring, weaker);
        shorter(&format!("the time for which {path} watches"), older.watch, self.watch, weaker);
        longer(&format!("the call back that {path} lets through"), older.call_max, self.call_max, weaker);
    }
}
