//! Wrong passwords, counted: who guesses is locked out, and nobody else.
//!
//! Owns what is counted of each peer (a source with a user, a source that guesses at many users), strangers' sources, users
//! that strangers guess at, and which of it is locked now. Refuses to know passwords.
//! Read first: attack rows A4, A5; RFC 7616 §5.5, §5.8.

mod entry;

use std::net::IpAddr;
use std::time::Duration;

use entry::Entry;

use super::alert::shortened;
use super::peer::PeerId;
use super::table::{Key, Medium, Secret, Slot, Table};
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
    /// How it is heard. Guesses by datagrams, which anybody there may forge, lock datagrams alone; those by streams lock both.
    pub medium: Medium,
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
    /// What earned it: that is also what it holds for.
    pub medium: Medium,
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

/// What a name stands for in the table.
#[derive(Debug, Clone)]
struct Name {
    place: (u64, Key),
    peer: Option<PeerId>,
    medium: Medium,
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
        let held = |place| self.find(place).is_some_and(|entry| now < entry.until);
        if !who.trusted {
            let mut tries = Self::held_by(who);
            let held =
                tries.any(|who| held(self.source_of(&who)) || (!who.known && held(self.anywhere(&who))));
            return if held { Lock::Locked } else { Lock::Open };
        }
        let locked = Self::held_by(who).any(|who| held(self.pair(&who)));
        let spent = |crowd: Tick| {
            let mut pairs = Self::held_by(who).filter_map(|who| self.find(self.pair(&who)));
            pairs.any(|pair| pair.spent == crowd)
        };
        let crowded = self.crowds(now, who).next().is_some();
        match locked || self.crowds(now, who).any(spent) {
            true if crowded => Lock::Quiet,
            true => Lock::Locked,
            false => Lock::Open,
        }
    }

    /// One of those that are locked tried again: a source that does so all the time is told once, and no more.
    pub fn pressed(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        if who.trusted { self.crowd(now, who) } else { Wrong::Borne }
    }

    /// A copy of a wrong one that was counted.
    #[must_use]
    pub fn repeated(&self, now: Tick, who: &Try<'_>) -> Wrong {
        let crowded = self.crowds(now, who).next().is_some();
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
        self.name(now, pair, who, Some(who.source), Some(who.user), lasts);
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
        let Some(crowd) = self.crowds(now, who).max().filter(|_| who.exists) else { return };
        let (pair, whose, home) = (self.pair(who), self.tag(who.user), self.home(who.source));
        if let Some(entry) = self.entry(now, pair) {
            (entry.whose, entry.home, entry.spent) = (whose, home, crowd);
        }
    }

    /// Counts against a source of a peer, whoever it says it is.
    fn crowd(&mut self, now: Tick, who: &Try<'_>) -> Wrong {
        if self.crowds(now, who).next().is_some() {
            return Wrong::Quiet;
        }
        let (place, home, lasts) = (self.source_of(who), self.home(who.source), self.lasts);
        let Some(entry) = self.entry(now, place) else { return Wrong::Borne };
        entry.home = home;
        if !entry.is_full_by_rate(now, WRONG_FROM_SOURCE_MAX) {
            return Wrong::Borne;
        }
        let (lasts, nth) = entry.lock(now, lasts);
        self.name(now, place, who, Some(who.source), None, lasts);
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
                self.name(now, source, who, Some(who.source), None, lasts);
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
                self.name(now, anywhere, who, None, Some(who.user), lasts);
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

    /// Lifts locks, whichever peer's and whatever they hold for; how many of each kind.
    pub fn free(&mut self, now: Tick, freed: &Freed<'_>) -> Vec<(Medium, usize)> {
        let before = self.locked_by(now);
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
        let after = self.locked_by(now);
        let lifted =
            before.into_iter().zip(after).map(|((medium, before), (_, after))| (medium, before - after));
        lifted.filter(|(_, lifted)| *lifted > 0).collect()
    }

    fn locked_by(&self, now: Tick) -> [(Medium, usize); 2] {
        [Medium::Datagrams, Medium::Streams].map(|medium| {
            let streams = medium == Medium::Streams;
            let locked = |slot: &&Slot<Entry>| now < slot.value.until && slot.value.streams == streams;
            (medium, self.table.iter().filter(locked).count())
        })
    }

    /// A try as those that count against it: by datagrams it is held by what streams earned, too.
    fn held_by<'a>(who: &Try<'a>) -> impl Iterator<Item = Try<'a>> + use<'a> {
        let who = *who;
        who.medium.held_by().iter().map(move |medium| Try { medium: *medium, ..who })
    }

    /// Until when a source of a peer is known to guess at many.
    fn crowds(&self, now: Tick, who: &Try<'_>) -> impl Iterator<Item = Tick> {
        let crowds = Self::held_by(who).filter_map(|who| self.find(self.source_of(&who)));
        crowds.map(|crowd| crowd.until).filter(move |until| now < *until)
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
                medium: name.medium,
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
        who: &Try<'_>,
        source: Option<IpAddr>,
        user: Option<&[u8]>,
        lasts: Duration,
    ) {
        let user = user.map(|user| shortened(&user.escape_ascii().to_string()));
        let (peer, medium) = (who.peer, who.medium);
        let name = Name { place, peer, medium, source: source.map(Key::of), user, until: now.after(lasts) };
        if let Some(entry) = self.table.find_mut(place.0, place.1) {
            entry.streams = medium == Medium::Streams;
        }
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
        self.secret.mixed(who.peer.map(|peer| peer.0), Some(Key::by(who.medium, who.source)), Some(who.user))
    }

    /// A source, whoever it says it is. Who has proven a password there and who has not share one where peers roam, and are
    /// not to blame for each other.
    fn source_of(&self, who: &Try<'_>) -> (u64, Key) {
        let source = Some(Key::by(who.medium, who.source));
        match (who.trusted, who.medium) {
            (true, _) => self.secret.mixed(who.peer.map(|peer| peer.0), source, None),
            // What may be forged at one listener shuts nobody out of another.
            (false, Medium::Datagrams) => self.strangers.mixed(Some(who.listener.0), source, None),
            (false, Medium::Streams) => self.strangers.mixed(None, source, None),
        }
    }

    /// A user of whoever roams at a listener, from anywhere. The listener stands for the peer: no two that roam there have a user
    /// of one name, and who asks for a user that there is not learns nothing by it.
    fn anywhere(&self, who: &Try<'_>) -> (u64, Key) {
        // No datagram comes from there: it stands for anywhere.
        let anywhere = Key::by(who.medium, IpAddr::from([0; 16]));
        self.strangers.mixed(Some(who.listener.0), Some(anywhere), Some(who.user))
    }
}

#[cfg(test)]
#[path = "lockout_tests.rs"]
mod tests;
