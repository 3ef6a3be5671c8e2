//! A request that has passed here before is a loop: 482 (39104).
//!
//! The engine sees our own marks in Via and History-Info; this rule only says what follows.
//! Read first: RFC 3261 §16.3 step 4; RFC 5393 §4.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::verdict::Saw;

/// Asks the rule.
pub(super) fn judge(question: &Question<'_>) -> Opinion {
    if !question.facts.passed_before {
        return Opinion::pass(Saw::Nothing);
    }
    let text = format!(
        "A request of {} to {} has been here before: that peer sends calls back that were sent to it. Look at the route \
         of this number there, and at `routes` here.",
        named(question),
        question.facts.called
    );
    let told = "this request has been here before".to_owned();
    Opinion::refuse(Saw::Word("own mark"), Objection::new(code::LOOP_DETECTED, told, text))
}
