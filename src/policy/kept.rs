//! What outlives the process, as rows: a kind, a key, and a value that its owner alone reads.
//!
//! Owns the row's shape, the kinds there are, and the notes of what has changed. Refuses to know files, and what a value means.
//! Read first: DESIGN.md §1, laws 6 and 11; `engine/kept.rs`, which collects rows and gives them back.

use std::time::Duration;

use crate::clock::{Now, Tick};

/// A ban of a stranger's source (`sources/bans.rs`).
pub const BAN: &str = "ban";
/// A lock of who guesses passwords (`lockout.rs`).
pub const LOCK: &str = "lock";
/// A call that is up: what its record and a BYE on each leg need (`call/kept.rs`).
pub const DIALOG: &str = "dialog";
/// What is suspended by order (`engine/suspending.rs`).
pub const SUSPENSION: &str = "suspension";
/// What is used of a cap, and by whom (`ledger.rs`).
pub const ACCOUNT: &str = "account";
/// What makes the keys of accounts.
pub const SEED: &str = "seed";
/// A caller who is known to a site (`tdos/known.rs`).
pub const KNOWN_CALLER: &str = "known_caller";
/// What the store itself has to say at the start; never written. The key is [`LOST`].
pub const STORE: &str = "store";

/// The key of the row of kind [`STORE`] which says that nothing of before is known: limits start closed for what they
/// cannot know.
pub const LOST: &str = "lost";

/// Every kind that somebody here takes back. Rows of other kinds stay in the file and are not read.
pub const KINDS: [&str; 7] = [BAN, LOCK, DIALOG, SUSPENSION, ACCOUNT, SEED, KNOWN_CALLER];

/// One row. Times in values are wall-clock RFC 3339 or microseconds since 1970, never ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose: one of [`KINDS`].
    pub kind: &'static str,
    /// Which of its kind.
    pub key: Box<str>,
    /// JSON; None takes the row away.
    pub value: Option<Box<str>>,
}

impl Kept {
    /// A row to write; `value` is JSON.
    #[must_use]
    pub fn row(kind: &'static str, key: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Self { kind, key: key.into(), value: Some(value.into()) }
    }

    /// A row to take away.
    #[must_use]
    pub fn gone(kind: &'static str, key: impl Into<Box<str>>) -> Self {
        Self { kind, key: key.into(), value: None }
    }

    /// The kind of this name; `None` where nobody here takes it back.
    #[must_use]
    pub fn kind(name: &str) -> Option<&'static str> {
        KINDS.into_iter().find(|kind| *kind == name)
    }
}

/// A tick as microseconds since 1970.
#[must_use]
pub fn wall_of(now: Now, tick: Tick) -> i64 {
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let ahead = now.wall.micros().saturating_add(micros(tick.since(now.tick)));
    ahead.saturating_sub(micros(now.tick.since(tick)))
}

/// Microseconds since 1970 as a tick; now, where they lie behind. No further ahead than `most`: a clock that was set back makes
/// nothing last longer than it can.
#[must_use]
pub fn tick_of(now: Now, micros: i64, most: Duration) -> Tick {
    let left = u64::try_from(micros.saturating_sub(now.wall.micros())).unwrap_or(0);
    now.tick.after(Duration::from_micros(left).min(most))
}

/// Keys noted at once. Past it the oldest note is dropped: what it stood for is written when it changes again.
pub const CHANGED_MAX: usize = 4_096;

/// Which keys of an owner have changed since they were collected last. Bounded, so that an edge that keeps nothing may leave
/// them where they are.
#[derive(Debug, Clone)]
pub struct Changed<K>(std::collections::VecDeque<K>);

impl<K> Default for Changed<K> {
    fn default() -> Self {
        Self(std::collections::VecDeque::new())
    }
}

impl<K: PartialEq> Changed<K> {
    /// One has.
    pub fn note(&mut self, key: K) {
        // The same one often changes several times in a row.
        if self.0.back() == Some(&key) {
            return;
        }
        if self.0.len() >= CHANGED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(key);
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes them, the oldest first; one that changed several times may stand several times.
    pub fn take(&mut self) -> impl Iterator<Item = K> {
        std::mem::take(&mut self.0).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_what_changed_never_grow_past_their_bound() {
        let mut changed = Changed::default();
        assert!(changed.is_empty());
        for key in 0..2 * CHANGED_MAX {
            changed.note(key);
            changed.note(key);
        }
        assert_eq!(changed.0.len(), CHANGED_MAX);
        assert_eq!(changed.take().next(), Some(CHANGED_MAX), "the newest stay");
        assert!(changed.is_empty());
    }

    #[test]
    fn times_are_the_same_by_both_clocks() {
        let now = Now {
            tick: Tick::from_micros(5_000_000),
            wall: crate::clock::Wall::from_micros(1_800_000_000_000_000),
        };
        let hour = Duration::from_secs(3600);
        for (tick, wall) in [(5_000_000, 0), (6_000_000, 1_000_000), (4_000_000, -1_000_000)] {
            assert_eq!(wall_of(now, Tick::from_micros(tick)), now.wall.micros() + wall);
            let back = tick_of(now, now.wall.micros() + wall, hour);
            assert_eq!(back, Tick::from_micros(tick).max(now.tick), "what is behind is now");
        }
        assert_eq!(tick_of(now, i64::MAX, hour), now.tick.after(hour));
    }

    #[test]
    fn kinds_are_known_by_their_names_alone() {
        assert_eq!(Kept::kind("ban"), Some(BAN));
        assert_eq!(Kept::kind("budget of another version"), None);
        assert_eq!(Kept::kind(STORE), None, "what the store says is no row of its file");
    }
}
