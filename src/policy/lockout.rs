//! Wrong passwords, counted: who guesses is locked out, and nobody else.
//!
//! Owns what is counted of each peer (a source with a user, a source that guesses at many users), strangers' sources, users
//! that strangers guess at, and which of it is locked now. Refuses to know passwords.
//! Read first: attack rows A4, A5; RFC 7616 §5.5, §5.8.

use std::net::IpAddr;
use std::time::Duration;

use super::alert::shortened;
use super::peer::PeerId;
use super::table::{Key, Rate, Secret, Table};
use crate::clock::Tick;
use crate::sip::ListenerId;

/// Wrong ones within the window that lock: a pair of source and user, or a stranger's source whatever the user.
pub const WRONG_MAX: usize = 5;

/// Wrong ones for one user of a listener within the window, from strangers anywhere, that lock it for strangers.
pub const WRONG_FROM_ANYWHERE_MAX: u32 = 50;

/// Wrong ones from one source of a peer within the window, whoever it says it is; from then on it has one guess at each user.
pub const WRONG_FROM_SOURCE_MAX: u32 = 20;

/// The window.
pub const WRONG_WINDOW: Duration = Duration::from_secs(600);

/// Pairs, sources and users that are counted at once (96 octets each); one that is not locked makes room first.
pub const LOCKS_MAX: usize = 16_384;

/// Locks that are told by name; of more, those that end last.
pub const LOCKS_TOLD_MAX: usize = 256;

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// Which peer's user it says it is; `None` for whoever roams. Two peers behind one address share no lock.
    pub peer: Option<PeerId>,
    /// Where it tries: a namesake at another listener is somebody else.
    pub listener: ListenerId,
    /// From where. An IPv6 source counts by its /64.
    pub source: IpAddr,
    /// As whom, whether or not there is such a user.
    pub user: &'a [u8],
    /// Whether a peer lists the source, or somebody there proved a password lately. Such a source is never locked as
    /// a whole: a spoofer would lock its rightful user out.
    pub trusted: bool,
    /// Whether this user's password was proven from this source lately (`proofs.rs`). What strangers elsewhere guess locks it
    /// out of nothing; what is guessed from its own source does.
    pub known: bool,
    /// Whether there is such a user. Nothing that an outsider hears depends on it.
    pub exists: bool,
}

/// Whether somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// It may.
    Open,
    /// It may not.
    Locked,
    /// It may not, and its source is known to guess at many: nothing more is told of it.
    Quiet,
}

/// A lock, as an admin is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Of which peer; `None` for strangers, where somebody may roam.
    pub peer: Option<PeerId>,
    /// From where; `None`: from anywhere, but for listed sources.
    pub source: Option<IpAddr>,
    /// As whom; `None`: whoever it says it is.
    pub user: Option<String>,
    /// How long still.
    pub left: Duration,
    /// Which time.
    pub nth: u32,
}

/// Whose locks are lifted. At least one of the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct Freed<'a> {
    /// Of this user alone.
    pub user: Option<&'a [u8]>,
    /// From this source alone.
    pub source: Option<IpAddr>,
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
    /// A source of a peer guesses too much, whoever it says it is: for so long it has one guess at each user.
    Crowded {
        /// How long.
        lasts: Duration,
        /// Which time.
        nth: u32,
    },
    /// One more of such a source: not told, and not asked again.
    Quiet,
    /// A copy of one that was borne: UDP repeats a request until it is answered.
    Copied,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// When the last wrong ones came; an empty place is `Tick::default()`.
    times: [Tick; WRONG_MAX - 1],
    /// For a user guessed at from anywhere, and a source that guesses at anybody.
    arrival: u64,
    until: Tick,
    nth: u32,
    /// Of which user, by a keyed hash; 0 for a source as a whole.
    whose: u32,
    /// From which source, by a keyed hash; 0 for a user from anywhere.
    home: u32,
    /// For a pair: when the crowd of its source ends in which its one guess was spent.
    spent: Tick,
    last: Tick,
}

/// What a name stands for in the table.
#[derive(Debug, Clone)]
struct Name {
    place: (u64, Key),
    peer: Option<PeerId>,
    source: Option<Key>,
    user: Option<String>,
    until: Tick,
}

/// What is remembered of wrong passwords. The engine owns one.
#[derive(Debug)]
pub struct Lockouts {
    secret: Secret,
    /// For the sources of strangers.
    strangers: Secret,
    table: Table<Entry>,
    /// What is locked, by name: the table itself keeps none.
    names: Vec<Name>,
    /// The first lock, and the longest.
    lasts: (Duration, Duration),
}

impl Lockouts {
    /// Nothing seen yet. `seed` is secret to the process; at most `limit` are counted. A lock lasts `first`, each further
    /// one twice as long, `most` at most.
    #[must_use]
    pub fn new(seed: [u8; 32], limit: usize, first: Duration, most: Duration) -> Self {
        Self {
            secret: Secret::new(seed),
            strangers: Secret::new(seed.map(|octet| !octet)),
            table: Table::new(limit),
            names: Vec::new(),
            lasts: (first, most),
        }
    }

    /// Other durations from now on.
    pub fn set(&mut self, first: Duration, most: Duration) {
        self.lasts = (first, most);
    }

    /// Whether this one may try.
    #[must_use]
    pub fn lock_of(&self, now: Tick, who: &Try<'_>) -> Lock {
        let until = |place| self.find(place).map(|entry| entry.until).filter(|until| now < *until);
        let source = until(self.source_of(who));
        if !who.trusted {
            let held = source.is_some() || (!who.known && until(self.anywhere(who)).is_some());
            return if held { Lock::Locked } else { Lock::Open };
        }
        let pair = self.find(self.pair(who));
        let locked = pair.is_some_and(|pair| now < pair.until);
        match source {
            Some(crowd) if locked || pair.is_some_and(|pair| pair.spent == crowd) => Lock::Quiet,
            None if locked => Lock::Locked,
            Some(_) | None => Lock::Open,
        }
    }

    /// One of those that are locked tried again: a source that does so all the time is told once, and no more.
    pub fn pressed(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        if who.trusted { self.crowd(now, who) } else { Wrong::Borne }
    }

    /// A copy of a wrong one that was counted.
    #[must_use]
    pub fn repeated(&self, now: Tick, who: &Try<'_>) -> Wrong {
        let crowded = self.find(self.source_of(who)).is_some_and(|entry| now < entry.until);
        if who.trusted && crowded { Wrong::Quiet } else { Wrong::Copied }
    }

    /// A wrong one.
    pub fn wrong(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        if who.trusted { self.wrong_of_peer(now, who) } else { self.wrong_of_stranger(now, who) }
    }

    /// From a source of the peer: the pair is locked, never the source, for its other users are not to blame.
    fn wrong_of_peer(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        let crowd = self.crowd(now, who);
        if crowd == Wrong::Quiet {
            self.spend(now, who);
            return crowd;
        }
        let pair = self.pair(who);
        let (whose, home, lasts) = (self.tag(who.user), self.home(who.source), self.lasts);
        let Some(entry) = self.entry(now, pair) else { return crowd };
        (entry.whose, entry.home) = (whose, home);
        if !entry.is_full(now) {
            return crowd;
        }
        let (lasts, nth) = entry.lock(now, lasts);
        self.name(now, pair, who.peer, Some(who.source), Some(who.user), lasts);
        match crowd {
            Wrong::Crowded { .. } | Wrong::Quiet => crowd,
            Wrong::Borne | Wrong::Copied | Wrong::Locked { .. } | Wrong::Guessed { .. } => {
                Wrong::Locked { lasts, nth }
            }
        }
    }

    /// Whoever guesses at many has one guess at each, and those that there are not take no room. The mark ends with the
    /// crowd and changes nothing else: an hour later nothing tells a user that there is from one that there is not.
    fn spend(&mut self, now: Tick, who: &Try<'_>) {
        let Some(crowd) = self.find(self.source_of(who)).map(|crowd| crowd.until).filter(|_| who.exists)
        else {
            return;
        };
        let (pair, whose, home) = (self.pair(who), self.tag(who.user), self.home(who.source));
        if let Some(entry) = self.entry(now, pair) {
            (entry.whose, entry.home, entry.spent) = (whose, home, crowd);
        }
    }

    /// Counts against a source of a peer, whoever it says it is.
    fn crowd(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        let (place, home, lasts) = (self.source_of(who), self.home(who.source), self.lasts);
        let Some(entry) = self.entry(now, place) else { return Wrong::Borne };
        entry.home = home;
        if now < entry.until {
            return Wrong::Quiet;
        }
        if !entry.is_full_by_rate(now, WRONG_FROM_SOURCE_MAX) {
            return Wrong::Borne;
        }
        let (lasts, nth) = entry.lock(now, lasts);
        self.name(now, place, who.peer, Some(who.source), None, lasts);
        Wrong::Crowded { lasts, nth }
    }

    /// From nobody's source: it is locked as a whole, and a user that many guess at is locked for strangers.
    fn wrong_of_stranger(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        let (source, anywhere) = (self.source_of(who), self.anywhere(who));
        let (whose, home, lasts) = (self.tag(who.user), self.home(who.source), self.lasts);
        let mut worst = Wrong::Borne;
        if let Some(entry) = self.entry(now, source) {
            entry.home = home;
            if entry.is_full(now) {
                let (lasts, nth) = entry.lock(now, lasts);
                self.name(now, source, who.peer, Some(who.source), None, lasts);
                worst = Wrong::Locked { lasts, nth };
            }
        }
        // It is held to what its own source may guess, and its slips lock no others out.
        if who.known {
            return worst;
        }
        if let Some(entry) = self.entry(now, anywhere) {
            entry.whose = whose;
            if entry.is_full_by_rate(now, WRONG_FROM_ANYWHERE_MAX) {
                let (lasts, nth) = entry.lock(now, lasts);
                self.name(now, anywhere, who.peer, None, Some(who.user), lasts);
                if worst == Wrong::Borne {
                    worst = Wrong::Guessed { lasts, nth };
                }
            }
        }
        worst
    }

    /// A right one: the wrong ones before it were slips.
    pub fn right(&mut self, who: &Try<'_>) {
        // Of its own pair alone: whoever knows one password gets no more guesses at the others.
        let (hash, key) = self.pair(who);
        if let Some(entry) = self.table.find_mut(hash, key) {
            entry.times = Default::default();
        }
    }

    /// The user's password is another one by now: what was tried against the old one counts no more. A stranger's source
    /// stays locked.
    pub fn forgive(&mut self, user: &[u8]) {
        let user = self.tag(user);
        self.clear(|entry| entry.whose == user);
    }

    /// Lifts locks, whichever peer's; how many.
    pub fn free(&mut self, now: Tick, freed: &Freed<'_>) -> usize {
        let before = self.locked(now);
        let user = freed.user.map(|user| self.tag(user));
        match (user, freed.source.map(|source| self.home(source))) {
            (None, None) => {}
            (Some(user), None) => self.clear(|entry| entry.whose == user),
            // The source itself, too: what it is locked for as a whole holds for this user as for any.
            (Some(user), Some(home)) => {
                self.clear(|entry| entry.home == home && (entry.whose == user || entry.whose == 0));
            }
            (None, Some(home)) => self.clear(|entry| entry.home == home),
        }
        before - self.locked(now)
    }

    fn clear(&mut self, which: impl Fn(&Entry) -> bool) {
        for slot in self.table.iter_mut().filter(|slot| which(&slot.value)) {
            slot.value = Entry::default();
        }
    }

    /// What is locked now, by name.
    pub fn told(&self, now: Tick) -> impl Iterator<Item = Told> {
        self.names.iter().filter_map(move |name| {
            let entry = self.find(name.place).filter(|entry| now < entry.until)?;
            Some(Told {
                peer: name.peer,
                source: name.source.map(Key::address),
                user: name.user.clone(),
                left: entry.until.since(now),
                nth: entry.nth,
            })
        })
    }

    /// Keeps the name of what is locked, in place of one that is locked no more or ends first.
    fn name(
        &mut self,
        now: Tick,
        place: (u64, Key),
        peer: Option<PeerId>,
        source: Option<IpAddr>,
        user: Option<&[u8]>,
        lasts: Duration,
    ) {
        let user = user.map(|user| shortened(&user.escape_ascii().to_string()));
        let name = Name { place, peer, source: source.map(Key::of), user, until: now.after(lasts) };
        let table = &self.table;
        // A lock that was lifted keeps no new one from being told.
        self.names.retain(|known| {
            let (hash, key) = known.place;
            known.place != place && table.find(hash, key).is_some_and(|entry| now < entry.until)
        });
        if self.names.len() < LOCKS_TOLD_MAX {
            return self.names.push(name);
        }
        if let Some(first) = self.names.iter_mut().min_by_key(|known| known.until)
            && first.until < name.until
        {
            *first = name;
        }
    }

    /// A user in 32 bits that nobody can foretell, never 0.
    fn tag(&self, user: &[u8]) -> u32 {
        let (hash, _) = self.secret.mixed(None, None, Some(user));
        u32::try_from(hash >> 32).unwrap_or(0) | 1
    }

    /// A source in 32 bits, in the same way.
    fn home(&self, source: IpAddr) -> u32 {
        let hash = self.secret.hash(Key::of(source));
        u32::try_from(hash >> 32).unwrap_or(0) | 1
    }

    /// How many are locked now.
    #[must_use]
    pub fn locked(&self, now: Tick) -> usize {
        self.table.iter().filter(|slot| now < slot.value.until).count()
    }

    fn find(&self, (hash, key): (u64, Key)) -> Option<&Entry> {
        self.table.find(hash, key)
    }

    /// The entry of a place, touched. Whoever was wrong longest ago makes room, of those that are not locked.
    fn entry(&mut self, now: Tick, (hash, key): (u64, Key)) -> Option<&mut Entry> {
        let rank =
            |entry: &Entry| u64::from(now < entry.until.max(entry.spent)) << 63 | entry.last.micros() >> 1;
        let (entry, _) = self.table.entry(hash, key, rank)?;
        entry.last = now;
        Some(entry)
    }

    /// A source with a user of a peer.
    fn pair(&self, who: &Try<'_>) -> (u64, Key) {
        self.secret.mixed(who.peer.map(|peer| peer.0), Some(Key::of(who.source)), Some(who.user))
    }

    /// A source, whoever it says it is. Who has proven a password there and who has not share one where peers roam, and are
    /// not to blame for each other.
    fn source_of(&self, who: &Try<'_>) -> (u64, Key) {
        let secret = if who.trusted { &self.secret } else { &self.strangers };
        secret.mixed(who.peer.map(|peer| peer.0), Some(Key::of(who.source)), None)
    }

    /// A user of whoever roams at a listener, from anywhere. The listener stands for the peer: no two that roam there have a user
    /// of one name, and who asks for a user that there is not learns nothing by it.
    fn anywhere(&self, who: &Try<'_>) -> (u64, Key) {
        self.strangers.mixed(Some(who.listener.0), None, Some(who.user))
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

    fn is_full_by_rate(&mut self, now: Tick, most: u32) -> bool {
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
#[path = "lockout_tests.rs"]
mod tests;
