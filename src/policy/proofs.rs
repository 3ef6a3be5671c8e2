//! Who has proven which user's password, from where: the guesses of strangers lock none of those out.
//!
//! Owns what is remembered of roaming users' proofs. Refuses to know passwords and locks.
//! Read first: `lockout.rs`; attack rows A4, A5.

use std::net::IpAddr;
use std::time::Duration;

use super::table::{Key, Secret, Table};
use crate::clock::Tick;
use crate::sip::ListenerId;

/// Proofs that are remembered at once (32 octets each), and as many sources that they came from. At the limit the oldest of one set makes room, one of the same user
/// first. Nobody but who proves a password takes any.
pub const PROOFS_MAX: usize = 16_384;

/// How long a proof is remembered; each further one from there renews it. A phone that was off over the holidays is known still.
pub const PROOF_LASTS: Duration = Duration::from_secs(14 * 24 * 3_600);

#[derive(Debug, Clone, Copy, Default)]
struct Proven {
    last: Tick,
    /// Of which user, by a keyed hash; 0 for what is forgotten.
    whose: u32,
}

impl Proven {
    fn holds(self, now: Tick) -> bool {
        self.whose != 0 && now <= self.last.after(PROOF_LASTS)
    }
}

/// Of which user of whoever roams at a listener, and from where; an IPv6 source is its /64.
#[derive(Debug, Clone, Copy)]
pub struct Whence<'a> {
    /// Where it was met: no two that roam at one listener have a user of one name.
    pub listener: ListenerId,
    /// The user.
    pub user: &'a [u8],
    /// From where.
    pub source: IpAddr,
}

/// What is remembered.
#[derive(Debug)]
pub struct Proofs {
    secret: Secret,
    table: Table<Proven>,
    /// Where any of them came from.
    sources: Table<Proven>,
}

impl Proofs {
    /// None yet. `seed` is secret to the process; at most `limit` are remembered.
    #[must_use]
    pub fn new(seed: [u8; 32], limit: usize) -> Self {
        Self { secret: Secret::new(seed), table: Table::new(limit), sources: Table::new(limit) }
    }

    /// A password was proven.
    pub fn insert(&mut self, now: Tick, whence: &Whence<'_>) {
        let whose = self.tag(whence.user);
        // One user that comes from everywhere pushes out its own proofs before those of others.
        let rank = |proven: &Proven| u64::from(proven.whose != whose) << 63 | proven.last.micros() >> 1;
        let (place, source) = (self.place(whence), self.source(whence.listener, whence.source));
        for (table, (hash, key)) in [(&mut self.table, place), (&mut self.sources, source)] {
            if let Some((proven, _)) = table.entry(hash, key, rank) {
                *proven = Proven { last: now, whose };
            }
        }
    }

    /// Whether a password was proven from there lately, whoever's. It says that somebody rightful is there, and not that nobody
    /// else is.
    #[must_use]
    pub fn know_source(&self, now: Tick, listener: ListenerId, source: IpAddr) -> bool {
        let (hash, key) = self.source(listener, source);
        self.sources.find(hash, key).is_some_and(|proven| proven.holds(now))
    }

    /// Whether it was, lately.
    #[must_use]
    pub fn know(&self, now: Tick, whence: &Whence<'_>) -> bool {
        let (hash, key) = self.place(whence);
        self.table.find(hash, key).is_some_and(|proven| proven.holds(now))
    }

    /// The user's password is another one by now, or the user is no more: what was proven before is worth nothing.
    pub fn forget(&mut self, user: &[u8]) {
        let whose = self.tag(user);
        for slot in
            self.table.iter_mut().chain(self.sources.iter_mut()).filter(|slot| slot.value.whose == whose)
        {
            slot.value = Proven::default();
        }
    }

    fn place(&self, whence: &Whence<'_>) -> (u64, Key) {
        let Whence { listener, user, source } = whence;
        self.secret.mixed(Some(listener.0), Some(Key::of(*source)), Some(user))
    }

    fn source(&self, listener: ListenerId, source: IpAddr) -> (u64, Key) {
        self.secret.mixed(Some(listener.0), Some(Key::of(source)), None)
    }

    /// A user in 32 bits that nobody can foretell, never 0.
    fn tag(&self, user: &[u8]) -> u32 {
        let (hash, _) = self.secret.mixed(None, None, Some(user));
        u32::try_from(hash >> 32).unwrap_or(0) | 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Slot;
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn whence(listener: u16, user: &'static str, source: &str) -> Whence<'static> {
        Whence { listener: ListenerId(listener), user: user.as_bytes(), source: source.parse().unwrap() }
    }

    #[test]
    fn a_source_is_known_while_any_proof_from_there_holds() {
        let mut proofs = Proofs::new([5; 32], PROOFS_MAX);
        let known = |proofs: &Proofs, seconds, listener, source: &str| {
            proofs.know_source(at(seconds), ListenerId(listener), source.parse().unwrap())
        };
        proofs.insert(at(1), &whence(1, "phone", "2001:db8::1"));
        proofs.insert(at(9), &whence(1, "other", "2001:db8::7"));
        let lasts = PROOF_LASTS.as_secs();
        for (seconds, listener, source, wanted) in [
            (9, 1, "2001:db8::2", true),
            (9 + lasts, 1, "2001:db8::2", true),
            (10 + lasts, 1, "2001:db8::2", false),
            (9, 2, "2001:db8::1", false),
            (9, 1, "2001:db8:0:1::1", false),
        ] {
            assert_eq!(known(&proofs, seconds, listener, source), wanted, "{seconds} {listener} {source}");
        }
        proofs.forget(b"phone");
        assert!(known(&proofs, 9, 1, "2001:db8::1"), "another proved one there since");
        proofs.forget(b"other");
        assert!(!known(&proofs, 9, 1, "2001:db8::1"));
    }

    #[test]
    fn a_proof_holds_for_its_listener_user_and_source_and_ends_unless_it_is_renewed() {
        let mut proofs = Proofs::new([5; 32], PROOFS_MAX);
        let phone = whence(1, "phone", "2001:db8::1");
        assert!(!proofs.know(at(1), &phone));
        proofs.insert(at(1), &phone);
        for (other, known) in [
            (whence(1, "phone", "2001:db8::2"), true),
            (whence(1, "phone", "2001:db8:0:1::1"), false),
            (whence(2, "phone", "2001:db8::1"), false),
            (whence(1, "other", "2001:db8::1"), false),
        ] {
            assert_eq!(proofs.know(at(1), &other), known, "{other:?}");
        }
        let lasts = PROOF_LASTS.as_secs();
        assert!(proofs.know(at(1 + lasts), &phone) && !proofs.know(at(2 + lasts), &phone));
        proofs.insert(at(lasts), &phone);
        assert!(proofs.know(at(2 * lasts), &phone) && !proofs.know(at(1 + 2 * lasts), &phone));
        proofs.insert(at(1), &whence(1, "other", "192.0.2.1"));
        proofs.forget(b"phone");
        assert!(!proofs.know(at(1), &phone), "its password is another one");
        assert!(proofs.know(at(1), &whence(1, "other", "192.0.2.1")));
    }

    #[test]
    fn proofs_are_bounded_and_one_user_that_comes_from_everywhere_hardly_displaces_others() {
        assert_eq!(size_of::<Slot<Proven>>(), 32);
        let mut proofs = Proofs::new([5; 32], 1_024);
        let from = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + n));
        let one = whence(1, "phone", "192.0.2.1");
        let names: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
        for (n, user) in (0_u32..).zip(&names) {
            proofs.insert(at(1), &Whence { user: user.as_bytes(), source: from(n), ..one });
        }
        for n in 0..100_000 {
            proofs.insert(at(2), &Whence { source: from(1_000 + n), ..one });
        }
        assert_eq!(proofs.table.iter().count(), 1_024, "full, and no larger");
        let known = (0_u32..).zip(&names).filter(|(n, user)| {
            proofs.know(at(3), &Whence { user: user.as_bytes(), source: from(*n), ..one })
        });
        assert_eq!(known.count(), 100, "no set was full of others");
    }
}
