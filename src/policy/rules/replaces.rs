//! A new call may not take over or join another one: an INVITE outside a dialog with Replaces or Join is refused (32218).
//!
//! Read first: RFC 3891 §3; RFC 3911 §4.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::verdict::Saw;

/// Asks the rule.
pub(super) fn judge(question: &Question<'_>) -> Opinion {
    if !question.facts.replaces || !question.facts.opens_dialog() {
        return Opinion::pass(Saw::Nothing);
    }
    let text = format!(
        "{} sent a call that wants to take over another one (Replaces or Join); attended transfers stay inside the PBX.",
        named(question)
    );
    let told = "Replaces and Join are not served here".to_owned();
    Opinion::refuse(Saw::Word("Replaces or Join"), Objection::new(code::TRANSFER_REFUSED, told, text))
}
