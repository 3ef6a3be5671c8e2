//! Calls at once of the calling peer, in one direction's list (10004).
//!
//! Counts what the peer holds in both directions; the peer's own cap, its target's and the site's channels stand beside
//! it in `stage.rs`. Read first: RFC 3261 §21.4.18; RFC 5853 §3.5.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::counters::{Charge, Full};
use crate::policy::verdict::Saw;

/// Seconds after which a capped caller may try again.
pub const RETRY_AFTER_SECONDS: u32 = 10;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrentCalls {
    /// Calls at once of the calling peer.
    pub calls_max: u32,
}

impl ConcurrentCalls {
    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let Some(counters) = question.counters.filter(|_| question.facts.takes_place()) else {
            return Opinion::pass(Saw::Nothing);
        };
        match counters.fits(Charge::Call(question.peer.id), self.calls_max) {
            Ok(()) => {
                let value = counters.held(Charge::Call(question.peer.id));
                Opinion::pass(Saw::Count { value: value.into(), limit: self.calls_max.into() })
            }
            Err(full) => {
                let saw = Saw::Count { value: full.value.into(), limit: full.limit.into() };
                Opinion::refuse(saw, objection(full, &named(question)))
            }
        }
    }

    pub(super) fn describe(self) -> String {
        format!("at most {} calls at once of each calling peer", self.calls_max)
    }
}

/// What is said when a gauge is full; `who` holds the calls.
pub(crate) fn objection(full: Full, who: &str) -> Box<Objection> {
    let told = format!("{} of {} calls at once", full.value, full.limit);
    let text = format!(
        "{who} already holds {} of {} calls at once; the next one was refused. Raise the cap only if that many calls are \
         normal here.",
        full.value, full.limit
    );
    let mut objection = Objection::new(code::CONCURRENCY_EXCEEDED, told, text);
    objection.retry_after = Some(RETRY_AFTER_SECONDS);
    objection
}
