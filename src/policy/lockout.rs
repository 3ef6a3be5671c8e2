//! Wrong passwords, counted: who guesses is locked out, and nobody else.
//!
//! Owns the pairs of source and user, strangers' sources, and users that strangers guess at. Refuses to know passwords.
//! Read first: attack rows A4, A5; RFC 7616 §5.5, §5.8.

use std::net::IpAddr;
use std::time::Duration;

use super::table::{Key, Rate, Secret, Table};
use crate::clock::Tick;

/// Wrong ones within the window that lock: a pair of source and user, or a stranger's source whatever the user.
pub const WRONG_MAX: usize = 5;

/// Wrong ones for one user within the window, from strangers anywhere, that lock it for strangers.
pub const WRONG_FROM_ANYWHERE_MAX: u32 = 50;

/// The window.
pub const WRONG_WINDOW: Duration = Duration::from_secs(600);

/// Pairs, sources and users that are counted at once (80 octets each); one that is not locked makes room first.
pub const LOCKS_MAX: usize = 16_384;

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// From where.
    pub source: IpAddr,
    /// As whom, whether or not there is such a user.
    pub user: &'a [u8],
    /// Whether a peer lists the source, or somebody there proved a password lately. Such a source is never locked as
    /// a whole: a spoofer would lock its rightful user out.
    pub trusted: bool,
}

/// What followed from a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is borne.
    Borne,
    /// One too many: locked for so long, for the nth time.
    Locked {
        /// How long.
        lasts: Duration,
        /// Which time.
        nth: u32,
    },
    /// The user is guessed at from too many places: locked for strangers for so long, for the nth time.
    Guessed {
        /// How long.
        lasts: Duration,
        /// Which time.
        nth: u32,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// When the last wrong ones came; an empty place is `Tick::default()`.
    times: [Tick; WRONG_MAX - 1],
    /// For a user guessed at from anywhere.
    arrival: u64,
    until: Tick,
    nth: u32,
    /// Of which user, by a keyed hash; 0 for a source as a whole.
    whose: u32,
    last: Tick,
}

/// What is remembered of wrong passwords. The engine owns one.
#[derive(Debug)]
pub struct Lockouts {
    secret: Secret,
    table: Table<Entry>,
    /// The first lock, and the longest.
    lasts: (Duration, Duration),
}

impl Lockouts {
    /// Nothing seen yet. `seed` is secret to the process; at most `limit` are counted. A lock lasts `first`, each further
    /// one twice as long, `most` at most.
    #[must_use]
    pub fn new(seed: [u8; 32], limit: usize, first: Duration, most: Duration) -> Self {
        Self { secret: Secret::new(seed), table: Table::new(limit), lasts: (first, most) }
    }

    /// Other durations from now on.
    pub fn set(&mut self, first: Duration, most: Duration) {
        self.lasts = (first, most);
    }

    /// Whether this one is locked.
    #[must_use]
    pub fn is_locked(&self, now: Tick, who: &Try<'_>) -> bool {
        self.keys(who)
            .into_iter()
            .flatten()
            .any(|(hash, key)| self.table.find(hash, key).is_some_and(|entry| now < entry.until))
    }

    /// A wrong one.
    pub fn wrong(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        let [pair, anywhere] = self.keys(who);
        let user = self.tag(who.user);
        let mut worst = Wrong::Borne;
        for (at, (hash, key)) in
            [pair, anywhere].into_iter().enumerate().filter_map(|(at, key)| Some((at, key?)))
        {
            // Whoever was wrong longest ago makes room, of those that are not locked.
            let rank = |entry: &Entry| {
                let locked = u64::from(now < entry.until) << 63;
                locked | entry.last.micros() >> 1
            };
            let Some((entry, _)) = self.table.entry(hash, key, rank) else { continue };
            let full = if at == 0 { entry.is_full(now) } else { entry.is_full_from_anywhere(now) };
            entry.last = now;
            // A stranger's source is counted whatever user it names.
            entry.whose = if at == 0 && !who.trusted { 0 } else { user };
            if full {
                let (lasts, nth) = entry.lock(now, self.lasts);
                worst = match worst {
                    Wrong::Borne if at > 0 => Wrong::Guessed { lasts, nth },
                    Wrong::Borne => Wrong::Locked { lasts, nth },
                    Wrong::Locked { .. } | Wrong::Guessed { .. } => worst,
                };
            }
        }
        worst
    }

    /// A right one: the wrong ones before it were slips.
    pub fn right(&mut self, who: &Try<'_>) {
        // Of its own pair alone: whoever knows one password gets no more guesses at the others.
        let (hash, key) = self.key(who.source, Some(who.user));
        if let Some(entry) = self.table.find_mut(hash, key) {
            entry.times = Default::default();
        }
    }

    /// The user's password is another one by now: what was tried against the old one counts no more. A stranger's source
    /// stays locked.
    pub fn forgive(&mut self, user: &[u8]) {
        let user = self.tag(user);
        for slot in self.table.iter_mut().filter(|slot| slot.value.whose == user) {
            slot.value = Entry::default();
        }
    }

    /// A user in 32 bits that nobody can foretell, never 0.
    fn tag(&self, user: &[u8]) -> u32 {
        let (hash, _) = self.secret.mixed(None, Some(user));
        u32::try_from(hash >> 32).unwrap_or(0) | 1
    }

    /// How many are locked now.
    #[must_use]
    pub fn locked(&self, now: Tick) -> usize {
        self.table.iter().filter(|slot| now < slot.value.until).count()
    }

    /// What is counted of a try: the pair, or the stranger's source; and the user that strangers guess at.
    fn keys(&self, who: &Try<'_>) -> [Option<(u64, Key)>; 2] {
        if who.trusted {
            [Some(self.key(who.source, Some(who.user))), None]
        } else {
            [Some(self.key(who.source, None)), Some(self.secret.mixed(None, Some(who.user)))]
        }
    }

    fn key(&self, source: IpAddr, user: Option<&[u8]>) -> (u64, Key) {
        self.secret.mixed(Some(Key::of(source)), user)
    }
}

impl Entry {
    /// Notes a wrong one; whether it is one too many.
    fn is_full(&mut self, now: Tick) -> bool {
        let [oldest, newer @ ..] = self.times;
        let full = oldest != Tick::default() && now <= oldest.after(WRONG_WINDOW);
        let [a, b, c] = newer;
        self.times = if full { Default::default() } else { [a, b, c, now] };
        full
    }

    fn is_full_from_anywhere(&mut self, now: Tick) -> bool {
        let rate = Rate::new(WRONG_FROM_ANYWHERE_MAX, WRONG_WINDOW, WRONG_FROM_ANYWHERE_MAX - 1);
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

    fn lock(&mut self, now: Tick, (first, most): (Duration, Duration)) -> (Duration, u32) {
        // Who was quiet for the longest lock begins anew.
        let forgotten = self.until.after(most) < now;
        self.nth = if forgotten { 1 } else { self.nth.saturating_add(1) };
        let doublings = 1_u32.checked_shl(self.nth.saturating_sub(1)).unwrap_or(u32::MAX);
        let lasts = first.saturating_mul(doublings).min(most);
        self.until = now.after(lasts);
        (lasts, self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(900);
    const MOST: Duration = Duration::from_secs(86_400);

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn lockouts() -> Lockouts {
        Lockouts::new([3; 32], 64, FIRST, MOST)
    }

    fn who(source: &str, user: &'static str, trusted: bool) -> Try<'static> {
        Try { source: source.parse().unwrap(), user: user.as_bytes(), trusted }
    }

    #[test]
    fn a4_five_wrong_in_ten_minutes_lock_the_pair_and_nobody_else() {
        let mut lockouts = lockouts();
        let guesser = who("192.0.2.1", "office", true);
        for (n, expected) in [(1, false), (2, false), (3, false), (4, false), (5, true)] {
            let wrong = lockouts.wrong(at(n), &guesser);
            assert_eq!(wrong == Wrong::Locked { lasts: FIRST, nth: 1 }, expected, "{n}");
            assert_eq!(lockouts.is_locked(at(n), &guesser), expected, "{n}");
        }
        assert!(!lockouts.is_locked(at(5), &who("192.0.2.2", "office", true)), "from elsewhere");
        assert!(!lockouts.is_locked(at(5), &who("192.0.2.1", "other", true)), "another user");
        assert!(lockouts.is_locked(at(904), &guesser));
        assert!(!lockouts.is_locked(at(905), &guesser));
        // The second lock is twice as long; the window slides.
        for n in 0..4 {
            assert_eq!(lockouts.wrong(at(1_000 + n), &guesser), Wrong::Borne);
        }
        assert_eq!(lockouts.wrong(at(1_601), &guesser), Wrong::Borne, "the first is 601 s ago");
        assert_eq!(lockouts.wrong(at(1_601), &guesser), Wrong::Locked { lasts: FIRST * 2, nth: 2 });
        assert_eq!(lockouts.locked(at(1_602)), 1);
    }

    #[test]
    fn a_right_one_forgives_the_slips_of_its_pair() {
        let mut lockouts = lockouts();
        let phone = who("192.0.2.1", "office", true);
        for round in 0..5 {
            for n in 0..4 {
                assert_eq!(lockouts.wrong(at(round * 10 + n), &phone), Wrong::Borne);
            }
            lockouts.right(&phone);
        }
    }

    #[test]
    fn a4_a_strangers_source_is_locked_whatever_user_it_names() {
        let mut lockouts = lockouts();
        let users = ["a", "b", "c", "d", "e"];
        for (n, user) in users.into_iter().enumerate() {
            let wrong = lockouts.wrong(at(1), &who("192.0.2.9", user, false));
            assert_eq!(wrong != Wrong::Borne, n == 4, "{user}");
        }
        assert!(lockouts.is_locked(at(1), &who("192.0.2.9", "f", false)));
    }

    #[test]
    fn a4_a_user_that_a_thousand_strangers_guess_at_is_locked_for_strangers_alone() {
        let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
        let locked = (0..1_000_u32).filter(|n| {
            let source = IpAddr::V4(std::net::Ipv4Addr::from(0xc612_0000 + n));
            lockouts.wrong(at(1), &Try { source, user: b"office", trusted: false }) != Wrong::Borne
        });
        assert_eq!(locked.count(), 20, "at the 50th, and each 50th after");
        assert!(lockouts.is_locked(at(2), &who("203.0.113.77", "office", false)));
        assert!(!lockouts.is_locked(at(2), &who("203.0.113.77", "other", false)));
        assert!(!lockouts.is_locked(at(2), &who("10.0.0.5", "office", true)), "the rightful user gets in");
    }

    #[test]
    fn another_password_forgives_its_user_everywhere_and_no_stranger() {
        let mut lockouts = Lockouts::new([3; 32], LOCKS_MAX, FIRST, MOST);
        let (office, other, stranger) = (
            who("192.0.2.1", "office", true),
            who("192.0.2.1", "other", true),
            who("192.0.2.9", "office", false),
        );
        for who in [office, other, stranger] {
            (0..5).for_each(|_| {
                lockouts.wrong(at(1), &who);
            });
            assert!(lockouts.is_locked(at(2), &who));
        }
        for n in 0..50_u32 {
            let source = IpAddr::V4(std::net::Ipv4Addr::from(0xc612_0000 + n));
            lockouts.wrong(at(1), &Try { source, user: b"office", trusted: false });
        }
        let fresh = who("203.0.113.77", "office", false);
        assert!(lockouts.is_locked(at(2), &fresh), "guessed at from anywhere");
        lockouts.forgive(b"office");
        assert!(!lockouts.is_locked(at(2), &office) && !lockouts.is_locked(at(2), &fresh));
        assert!(lockouts.is_locked(at(2), &other), "another user's");
        assert!(lockouts.is_locked(at(2), &stranger), "whoever guessed is a guesser still");
        assert_eq!(lockouts.wrong(at(3), &office), Wrong::Borne, "it begins anew");
    }

    #[test]
    fn an_entry_has_the_size_that_is_told() {
        assert_eq!(size_of::<super::super::table::Slot<Entry>>(), 80);
    }

    #[test]
    fn the_table_is_bounded_and_locks_outlive_slips() {
        let mut lockouts = Lockouts::new([3; 32], 4, FIRST, MOST);
        let guesser = who("192.0.2.1", "office", true);
        (0..5).for_each(|_| {
            lockouts.wrong(at(1), &guesser);
        });
        for n in 0..1_000_u32 {
            let source = IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n));
            lockouts.wrong(at(2), &Try { source, user: b"x", trusted: true });
        }
        assert!(lockouts.is_locked(at(2), &guesser));
        assert_eq!(lockouts.table.iter().count(), 4);
    }
}
