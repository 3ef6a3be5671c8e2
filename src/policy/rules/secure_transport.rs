//! Signalling is encrypted from the first message to the last, or refused (32209).
//!
//! A peer of a trusted LAN may be excepted by name. Read first: DESIGN.md §1, law 2; RFC 3261 §26.2.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::verdict::Saw;

/// Asks the rule.
pub(super) fn judge(question: &Question<'_>) -> Opinion {
    let transport = question.facts.transport;
    let saw = Saw::Word(transport.name());
    if transport.is_encrypted() || question.peer.plain_signalling {
        return Opinion::pass(saw);
    }
    let told = format!("{} is not encrypted: use TLS", transport.name());
    let text = format!(
        "{} spoke over {}, which anyone on the way can read; let it use TLS, or set `plain_signalling: allow` of this \
         peer if the network between is trusted.",
        named(question),
        transport.name()
    );
    Opinion::refuse(saw, Objection::new(code::SECURE_TRANSPORT_REQUIRED, told, text))
}
