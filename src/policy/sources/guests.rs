//! How many frames of unlisted machines are read, where somebody may roam.
//!
//! Owns the budgets that all of them share: one for each listener and kind of transport, so that datagrams, which anybody can
//! forge, take nothing of what streams have. Refuses to know what one machine may send. Read first: attack rows A10, F1.

use std::time::Duration;

use super::super::table::{Medium, Rate};
use crate::clock::Tick;
use crate::sip::{Flow, ListenerId};

/// Frames of one source that may hold a roaming peer are borne in `ban_window` so many times `ban_after`.
pub const GUEST_SHARE: u32 = 10;

/// Frames a second of all guests of one listener and kind of transport that are read; above it they are dropped unread.
pub const GUESTS_PER_SECOND_MAX: u32 = 500;

/// What becomes of a guest's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    /// It is read.
    Read,
    /// It is dropped unread, for all guests there together send too much: that is no fault of this one.
    Unread,
    /// Its source sends too much.
    Excess,
}

/// Theoretical arrival times; one for each listener and kind of transport where guests were heard.
#[derive(Debug, Default)]
pub(super) struct Budgets(Vec<(ListenerId, Medium, u64)>);

impl Budgets {
    /// Whether one more frame is read.
    pub(super) fn take(&mut self, now: Tick, flow: &Flow) -> bool {
        let (listener, medium) = (flow.listener, Medium::of(flow));
        let known = self.0.iter().position(|known| (known.0, known.1) == (listener, medium));
        let place = known.unwrap_or_else(|| {
            self.0.push((listener, medium, 0));
            self.0.len() - 1
        });
        let Some((_, _, arrival)) = self.0.get_mut(place) else { return false };
        let rate = Rate::new(GUESTS_PER_SECOND_MAX, Duration::from_secs(1), GUESTS_PER_SECOND_MAX);
        let Some(next) = rate.next(*arrival, now) else { return false };
        *arrival = next;
        true
    }
}
