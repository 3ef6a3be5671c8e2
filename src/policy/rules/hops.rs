//! The way has an end: Max-Forwards 0 and too long a way are answered 483 (32006).
//!
//! A missing Max-Forwards counts as 70 (RFC 3261 §16.6 step 3); one above 255 is refused by the reader.
//! Read first: RFC 3261 §8.1.1.6, §16.3; RFC 7332.

use super::{Objection, Opinion, Question, code, named};
use crate::policy::verdict::Saw;
use crate::sip::Method;

/// What a missing Max-Forwards counts as.
pub const MAX_FORWARDS_DEFAULT: u8 = 70;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hops {
    /// Via values a request may bring; more is a way that is too long.
    pub vias_max: usize,
}

impl Default for Hops {
    fn default() -> Self {
        Self { vias_max: 70 }
    }
}

impl Hops {
    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let facts = question.facts;
        let left = facts.max_forwards.unwrap_or(MAX_FORWARDS_DEFAULT);
        let saw = Saw::Count { value: facts.via_count as u64, limit: self.vias_max as u64 };
        if ends_here(facts.method) {
            return Opinion::pass(saw);
        }
        let vias = facts.via_count;
        // RFC 3261 §16.3 step 3: 0 may not be forwarded, and a call that enters is a call that leaves.
        let what = if left == 0 {
            "Max-Forwards is 0".to_owned()
        } else if vias > self.vias_max {
            format!("{vias} Via values")
        } else {
            return Opinion::pass(saw);
        };
        let text = format!(
            "A request of {} has come too long a way ({what}): two machines are probably sending it to each other; look \
             at the route of the dialled number on both.",
            named(question)
        );
        Opinion::refuse(saw, Objection::new(code::TOO_MANY_HOPS, what, text))
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "a request whose Max-Forwards has run out, or with more than {} Via values, is refused",
            self.vias_max
        )
    }
}

/// RFC 3261 §11.2, §15: these are answered by the edge itself or end what it holds; how far they came does not matter.
const fn ends_here(method: &Method) -> bool {
    match method {
        Method::Ack | Method::Bye | Method::Cancel | Method::Options | Method::Register => true,
        Method::Invite
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Message
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Publish
        | Method::Other(_) => false,
    }
}
