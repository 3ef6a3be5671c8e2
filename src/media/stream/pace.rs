//! How many packets a second one peer may send.
//!
//! Owns the one number that this takes: when the next packet would be due at the highest rate.
//! Read first: the virtual scheduling form of the leaky bucket (ITU-T I.371 annex A).

use crate::clock::Tick;

/// A second, in microseconds: how much may come at once after a pause, and what a rate counts by.
const SECOND: u64 = 1_000_000;

/// So many packets a second, and after a pause as many at once as a second may have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    due: u64,
}

impl Pace {
    /// Whether a packet that comes now is within the rate; one that is not takes no place.
    pub(super) fn admits(&mut self, now: Tick, packets_per_second_max: u32) -> bool {
        let Some(apart) = SECOND.checked_div(u64::from(packets_per_second_max)) else { return false };
        let due = self.due.max(now.micros());
        if due + apart.max(1) > now.micros().saturating_add(SECOND) {
            return false;
        }
        self.due = due + apart.max(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_may_hold_as_many_as_the_rate_says_and_not_one_more() {
        for rate in [1, 2, 50, 100, 250, 1_000] {
            let mut pace = Pace::default();
            let start = Tick::from_micros(5_000_000);
            let at_once = (0..3 * rate).filter(|_| pace.admits(start, rate)).count();
            assert_eq!(at_once, rate as usize, "at once");
            let later = start.after(Duration::from_secs(10));
            let spread = (0..10 * u64::from(rate))
                .filter(|n| {
                    pace.admits(later.after(Duration::from_micros(n * SECOND / u64::from(rate))), rate)
                })
                .count();
            assert_eq!(spread, 10 * rate as usize, "just the rate for ten seconds");
        }
    }

    #[test]
    fn nothing_passes_where_the_rate_is_zero_and_time_ends_without_a_panic() {
        assert!(!Pace::default().admits(Tick::ZERO, 0));
        let mut pace = Pace::default();
        assert!(pace.admits(Tick::from_micros(u64::MAX - 2 * SECOND), u32::MAX));
    }
}
