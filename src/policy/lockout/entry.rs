//! What is counted of one pair, source or user: when it was wrong, and how long it is locked.
//!
//! Owns one entry of the table. Refuses to know whose it is. Read first: `lockout.rs`.

use std::time::Duration;

use super::super::table::Rate;
use super::{WRONG_MAX, WRONG_WINDOW};
use crate::clock::Tick;

/// Of a pair, a source as a whole, or a user from anywhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// When the last wrong ones came; an empty place is `Tick::default()`.
    pub(super) times: [Tick; WRONG_MAX - 1],
    /// For a user guessed at from anywhere, and a source that guesses at anybody.
    pub(super) arrival: u64,
    pub(super) until: Tick,
    pub(super) nth: u32,
    /// Whether streams earned it.
    pub(super) streams: bool,
    /// Of which user, by a keyed hash; 0 for a source as a whole.
    pub(super) whose: u32,
    /// From which source, by a keyed hash; 0 for a user from anywhere.
    pub(super) home: u32,
    /// For a pair: when the crowd of its source ends in which its one guess was spent.
    pub(super) spent: Tick,
    pub(super) last: Tick,
}

impl Entry {
    /// Notes a wrong one; whether it is one too many.
    pub(super) fn is_full(&mut self, now: Tick) -> bool {
        let [oldest, newer @ ..] = self.times;
        let full = oldest != Tick::default() && now <= oldest.after(WRONG_WINDOW);
        let [a, b, c] = newer;
        self.times = if full { Default::default() } else { [a, b, c, now] };
        full
    }

    pub(super) fn is_full_by_rate(&mut self, now: Tick, most: u32) -> bool {
        let rate = Rate::new(most, WRONG_WINDOW, most - 1);
        match rate.next(self.arrival, now) {
            Some(next) => {
                self.arrival = next;
                false
            }
            None => {
                self.arrival = 0;
                true
            }
        }
    }

    pub(super) fn lock(&mut self, now: Tick, (first, most): (Duration, Duration)) -> (Duration, u32) {
        // Who was quiet for the longest lock begins anew.
        let forgotten = self.until.after(most) < now;
        self.nth = if forgotten { 1 } else { self.nth.saturating_add(1) };
        let doublings = 1_u32.checked_shl(self.nth.saturating_sub(1)).unwrap_or(u32::MAX);
        let lasts = first.saturating_mul(doublings).min(most);
        self.until = now.after(lasts);
        (lasts, self.nth)
    }
}
