//! The timers of one transaction, and what an event has at hand while it is worked on.
//!
//! Owns the tie between a machine's timers and the wheel. Refuses to know what the machines do with them.
//! Read first: RFC 3261 table 4.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::Tick;
use crate::engine::timers::{TimerId, Wheel};
use crate::transaction::{Lettered, Terms, Timing, client, invite_client, invite_server, server};

use super::Outcome;

/// Timers that send nothing end a wait of seconds. They fire together, up to so many microseconds late: at a thousand
/// calls a second each would else wake the loop by itself.
const END_STEP: NonZeroU64 = NonZeroU64::new(1 << 15).expect("not zero");

/// What the wheel keeps: the slot of a transaction and which of its timers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    InviteServer(u32, invite_server::Timer),
    Server(u32, server::Timer),
    InviteClient(u32, invite_client::Timer),
    Client(u32, client::Timer),
}

/// What one event is worked on with.
pub(super) struct Work<'a> {
    pub now: Tick,
    pub timing: &'a Timing,
    pub wheel: &'a mut Wheel<Due>,
    pub out: &'a mut Vec<Outcome>,
}

impl<'a> Work<'a> {
    /// What a machine has to know.
    pub fn terms(&self, reliable: bool) -> Terms<'a> {
        Terms { timing: self.timing, reliable }
    }
}

/// A transaction's timers in the wheel: no state of any machine has more than one that sends again and one that ends it.
#[derive(Debug, Default)]
pub(super) struct Armed {
    again: Option<TimerId>,
    end: Option<TimerId>,
}

impl Armed {
    fn place(&mut self, timer: impl Lettered) -> &mut Option<TimerId> {
        if timer.retransmits() { &mut self.again } else { &mut self.end }
    }

    /// Arms a timer; one left in its place would be a timer without an owner, so it goes.
    pub fn arm(&mut self, timer: impl Lettered, after: Duration, due: Due, work: &mut Work<'_>) {
        self.disarm(timer, work.wheel);
        let at = work.now.after(after);
        let at = if timer.sends() { at } else { at.up_to(END_STEP) };
        *self.place(timer) = Some(work.wheel.insert(at, due));
    }

    /// Disarms a timer, where it is armed.
    pub fn disarm(&mut self, timer: impl Lettered, wheel: &mut Wheel<Due>) {
        if let Some(id) = self.place(timer).take() {
            wheel.cancel(id);
        }
    }

    /// Disarms both.
    pub fn clear(&mut self, wheel: &mut Wheel<Due>) {
        for id in [self.again.take(), self.end.take()].into_iter().flatten() {
            wheel.cancel(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_wheel_keeps_is_eight_octets() {
        assert_eq!(size_of::<Due>(), 8);
        assert_eq!(size_of::<Armed>(), 16);
    }
}
