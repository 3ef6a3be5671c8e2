//! A few values with their times, the newest last.
//!
//! Owns their number. Refuses to know what they are. Read first: `mod.rs`.

use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Tick;

/// Values that are remembered of one key; the oldest makes room. No limit of a rule may be higher.
pub const RECENT_MAX: usize = 16;

/// What came lately, each value once.
#[derive(Debug, Default)]
pub struct Recent(SmallVec<[(u64, Tick); 2]>);

impl Recent {
    /// Remembers a value; one that is known moves to the end.
    pub fn note(&mut self, value: u64, at: Tick) {
        self.0.retain(|(known, _)| *known != value);
        if self.0.len() >= RECENT_MAX {
            self.0.remove(0);
        }
        self.0.push((value, at));
    }

    /// The values of a window that ends now.
    pub fn within(&self, now: Tick, window: Duration) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().filter(move |(_, at)| now < at.after(window)).map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_value_counts_once_until_its_window_ends_and_the_oldest_makes_room() {
        let mut recent = Recent::default();
        let window = Duration::from_secs(60);
        recent.note(7, at(0));
        recent.note(8, at(10));
        recent.note(7, at(20));
        assert_eq!(recent.within(at(69), window).collect::<Vec<_>>(), [8, 7]);
        assert_eq!(recent.within(at(70), window).collect::<Vec<_>>(), [7]);
        assert_eq!(recent.within(at(80), window).count(), 0);
        for value in 100..130 {
            recent.note(value, at(80));
        }
        assert_eq!(recent.within(at(80), window).collect::<Vec<_>>(), (114..130).collect::<Vec<_>>());
    }
}
