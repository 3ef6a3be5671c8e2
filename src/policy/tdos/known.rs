//! Callers who are known: who talked with this site for a while, or was called by it.
//!
//! Owns who is remembered for how long, and the rows of them. Refuses to know numbers: keyed hashes stand for them, in memory and
//! in the store. Read first: spec/limits.md, "TDoS", L2; `policy/kept.rs`.

use std::time::Duration;

use super::slots::Slots;
use crate::clock::{Now, Wall};
use crate::policy::kept::{self, Changed, Kept};

/// The callers, and what has changed of them.
#[derive(Debug, Default)]
pub struct Known {
    last: Slots,
    changed: Changed<u64>,
}

fn micros(wall: Wall) -> u64 {
    u64::try_from(wall.micros()).unwrap_or(0)
}

impl Known {
    /// A caller is known from now on. Of more than there is room for, who was known the longest ago is forgotten.
    pub fn note(&mut self, now: Wall, caller: u64) {
        let gone = self.last.put(caller, micros(now));
        gone.into_iter().for_each(|gone| self.changed.note(gone));
        self.changed.note(caller);
    }

    /// Whether a caller is known and was so within this time.
    #[must_use]
    pub fn knows(&self, now: Wall, caller: u64, within: Duration) -> bool {
        let since =
            self.last.find(caller).map(|last| Duration::from_micros(micros(now).saturating_sub(last)));
        since.is_some_and(|since| since <= within)
    }

    /// Whether rows are to be written.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The rows of those that have changed.
    pub fn rows(&mut self) -> Vec<Kept> {
        let row = |caller: u64| {
            let key = format!("{caller:016x}");
            match self.last.find(caller) {
                Some(last) => Kept::row(kept::KNOWN_CALLER, key, last.to_string()),
                None => Kept::gone(kept::KNOWN_CALLER, key),
            }
        };
        self.changed.take().map(row).collect()
    }

    /// A row of before; false where it is of no use any more.
    pub fn recall(&mut self, now: Now, row: &Kept, within: Duration) -> bool {
        let caller = u64::from_str_radix(&row.key, 16).ok();
        let last = row.value.as_deref().and_then(|value| value.parse::<u64>().ok());
        let Some((caller, last)) = caller.zip(last) else { return false };
        // A clock that was set back makes nobody known for longer than others are.
        let last = last.min(micros(now.wall));
        if Duration::from_micros(micros(now.wall).saturating_sub(last)) > within {
            return false;
        }
        if let Some(gone) = self.last.put(caller, last) {
            self.changed.note(gone);
        }
        true
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.last.count()
    }

    /// Octets that they hold.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.last.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Tick;

    const DAYS: Duration = Duration::from_secs(90 * 86_400);

    fn now(day: i64) -> Now {
        let micros = day * 86_400_000_000;
        Now { tick: Tick::from_micros(u64::try_from(micros).unwrap()), wall: Wall::from_micros(micros) }
    }

    #[test]
    fn f7_a_caller_is_known_for_ninety_days_and_after_a_restart() {
        let mut known = Known::default();
        known.note(now(1).wall, 7);
        assert!(known.knows(now(91).wall, 7, DAYS) && !known.knows(now(92).wall, 7, DAYS));
        assert!(!known.knows(now(1).wall, 8, DAYS));
        let rows = known.rows();
        assert_eq!((rows.len(), known.has_changed()), (1, false));
        let mut again = Known::default();
        assert!(again.recall(now(50), &rows[0], DAYS) && !again.has_changed());
        assert!(again.knows(now(91).wall, 7, DAYS) && !again.knows(now(92).wall, 7, DAYS));
        assert!(!Known::default().recall(now(92), &rows[0], DAYS), "too long ago");
        let odd = Kept::row(kept::KNOWN_CALLER, "x", "1");
        assert!(!Known::default().recall(now(1), &odd, DAYS));
    }

    #[test]
    fn who_made_room_leaves_the_store_too() {
        let mut known = Known::default();
        (0..9_u64).for_each(|n| known.note(now(1).wall, 1 + n * 8_192));
        let gone = known.rows().into_iter().filter(|row| row.value.is_none());
        let keys: std::collections::BTreeSet<_> = gone.map(|row| row.key).collect();
        assert_eq!((keys.len(), known.count()), (1, 8));
    }
}
