//! What a call holds in memory while it is set up: forks, responses that wait for a PRACK, requests that wait for an answer.
//!
//! Owns the bound on all of it together; each table has a bound of its own besides. Refuses to know what is held for what.
//! Read first: DESIGN.md law 9.

use super::Setup;
use crate::call::Context;
use crate::call::core::Core;
use crate::policy::code;
use crate::sip::{Message, Method};

/// Bytes of peers' messages and dialogs that one call keeps until its final answer, beside the INVITE itself and a 2xx
/// that waits. Above it a provisional response does not cross (unacknowledged, so its sender says it again), and a request
/// in an early dialog is told to come again (500 with Retry-After). A PRACK is always taken: it is what makes room.
pub const SETUP_BYTES_MAX: usize = 128 * 1024;

const TOO_MUCH: &str = "a far side says more and more before it answers one call; what is beyond the bound does not cross. \
     Look at what forks or rings behind it";

const fn fits(held: usize, more: usize) -> bool {
    held.saturating_add(more) <= SETUP_BYTES_MAX
}

impl Setup {
    /// What is held now.
    fn bytes(&self) -> usize {
        self.forks.bytes() + self.relays.bytes()
    }

    /// Whether a provisional response may be kept; if not, it is told once.
    pub(in crate::call) fn keeps_response(
        &mut self,
        core: &Core,
        message: &Message,
        context: &mut Context<'_>,
    ) -> bool {
        let keeps = fits(self.bytes(), message.bytes().len());
        if !keeps && !std::mem::replace(&mut self.told_full, true) {
            core.alert(code::AMPLIFICATION_REFUSED, TOO_MUCH, None, context);
        }
        keeps
    }

    /// Whether a request in an early dialog may be kept until it is answered.
    pub(in crate::call) fn keeps_request(&self, message: &Message) -> bool {
        let is_bounded = matches!(message.method(), Method::Prack | Method::Bye | Method::Options);
        is_bounded || fits(self.bytes(), message.bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_holds_is_bounded_at_its_limit() {
        for (held, more, expected) in [
            (0, 0, true),
            (0, SETUP_BYTES_MAX - 1, true),
            (SETUP_BYTES_MAX - 1, 1, true),
            (SETUP_BYTES_MAX, 0, true),
            (SETUP_BYTES_MAX, 1, false),
            (1, SETUP_BYTES_MAX, false),
            (usize::MAX, 1, false),
        ] {
            assert_eq!(fits(held, more), expected, "{held} {more}");
        }
    }
}
