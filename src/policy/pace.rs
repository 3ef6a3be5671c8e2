//! How fast calls go to a peer, and the line of those that wait for their turn.
//!
//! Owns the rate of one peer (the generic cell rate algorithm), the order of its line, and that no source and no caller
//! keeps the others out of it. Refuses to know targets, and what a call does while it waits. Read first: DESIGN.md §1, laws 6 and 9;
//! ITU-T I.371 annex A (the algorithm).

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use smallvec::SmallVec;

use super::parties::Parties;
use crate::clock::Tick;

/// Who waits looks again after this at the earliest.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Who holds more than one of so many places of a full line gives one up to who holds fewer.
const SHARES: u32 = 4;

/// Places given up, and holders gone, that are swept out only when they are so many more than those that stay.
const SWEPT_FROM: usize = 16;

/// How fast calls may be sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Calls a second; `None` sends each at once.
    pub per_second: Option<NonZeroU32>,
    /// Calls that may leave together after a pause.
    pub burst: u32,
    /// Calls that wait for their turn at once.
    pub queue_max: u32,
    /// The longest wait of one call.
    pub wait_max: Duration,
    /// For how long a target can keep calls away by Retry-After.
    pub hold_max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            per_second: None,
            burst: 1,
            queue_max: 100,
            wait_max: Duration::from_secs(2),
            hold_max: Duration::from_secs(32),
        }
    }
}

impl Pace {
    /// The time between two calls.
    fn interval(&self) -> Duration {
        let second = Duration::from_secs(1);
        self.per_second.map_or(Duration::ZERO, |calls| second.checked_div(calls.get()).unwrap_or(second))
    }

    /// Places that one source, or one caller, may hold whatever others want: a quarter of those that come to their turn in time.
    fn share(&self) -> u32 {
        let interval = self.interval().as_micros();
        let in_time = self.wait_max.as_micros().checked_div(interval);
        let in_time = in_time.map_or(u32::MAX, |calls| u32::try_from(calls).unwrap_or(u32::MAX));
        (self.queue_max.min(in_time) / SHARES).max(1)
    }
}

/// A place in a line; dropping it leaves the line.
#[derive(Debug)]
pub struct Place(Arc<Seat>);

#[derive(Debug)]
struct Seat {
    /// Places of the line in their order; who takes over another's has its number.
    number: u64,
    /// Whether anybody waits here.
    taken: AtomicBool,
    /// Those of the whole line, those of one source, and those of one caller.
    counts: [Arc<AtomicU32>; 3],
}

impl Seat {
    fn is_taken(&self) -> bool {
        self.taken.load(Relaxed)
    }

    fn give_up(&self) {
        if self.taken.swap(false, Relaxed) {
            for count in &self.counts {
                count.fetch_sub(1, Relaxed);
            }
        }
    }
}

impl Place {
    /// Whether it had to be given up to somebody else.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.0.is_taken()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Why nobody may stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// Its turn would come after `wait_max`.
    Late,
    /// `queue_max` wait already.
    Full,
}

/// The places of one source, or of one caller.
#[derive(Debug, Default)]
struct Holder {
    /// Where he calls from; a source's is itself.
    source: u64,
    held: Arc<AtomicU32>,
    /// The newest last; some may be given up.
    seats: Vec<Arc<Seat>>,
}

impl Holder {
    fn held(&self) -> u32 {
        self.held.load(Relaxed)
    }
}

/// All sources, or all callers, of one line.
#[derive(Debug, Default)]
struct Holders {
    known: HashMap<u64, Holder>,
    /// Who holds more than its share, or did: no more than three can.
    greedy: SmallVec<[u64; SHARES as usize]>,
}

impl Holders {
    fn held(&self, key: u64) -> u32 {
        self.known.get(&key).map_or(0, Holder::held)
    }

    /// The count of its places, to be raised by one more.
    fn count(&mut self, key: u64, source: u64) -> Arc<AtomicU32> {
        let own = self.known.entry(key).or_default();
        own.source = source;
        Arc::clone(&own.held)
    }

    /// Notes a place that is counted already.
    fn add(&mut self, key: u64, seat: &Arc<Seat>, share: u32) {
        let own = self.known.entry(key).or_default();
        own.seats.push(Arc::clone(seat));
        let held = own.held();
        if own.seats.len() > 2 * held as usize + SWEPT_FROM {
            own.seats.retain(|seat| seat.is_taken());
        }
        if held > share && !self.greedy.contains(&key) {
            // Whoever holds no more than its share by now makes room for it.
            let known = &self.known;
            self.greedy.retain(|other| known.get(other).is_some_and(|own| own.held() > share));
            self.greedy.push(key);
        }
    }

    /// The newest of those who hold more than their share.
    fn over(&self, share: u32, fits: impl Fn(&Holder) -> bool) -> Option<u64> {
        let over = |key: &&u64| self.known.get(key).is_some_and(|own| own.held() > share && fits(own));
        self.greedy.iter().rev().find(over).copied()
    }

    /// The newest place of one, and how many had to be looked at.
    fn newest(&mut self, key: u64) -> (Option<Arc<Seat>>, usize) {
        let mut looked = 0;
        while let Some(seat) = self.known.get_mut(&key).and_then(|own| own.seats.pop()) {
            looked += 1;
            if seat.is_taken() {
                return (Some(seat), looked);
            }
        }
        (None, looked)
    }
}

/// The rate and the line of one peer.
#[derive(Debug, Default)]
pub struct Line {
    /// When the next call would leave if all left evenly.
    due: Tick,
    /// Those that wait, first come first; some may be given up, never the first.
    waiting: VecDeque<Arc<Seat>>,
    /// How many of them wait.
    count: Arc<AtomicU32>,
    /// The number of the next place.
    next: u64,
    sources: Holders,
    callers: Holders,
    /// Places looked at, to prove that a long line costs no more than a short one.
    #[cfg(test)]
    looked: usize,
}

impl Line {
    /// Whether a call may leave now: the holder of a place, or one that has just come and finds nobody waiting. Else when
    /// its turn would come, should those before it all take theirs.
    pub fn ready(&mut self, now: Tick, pace: &Pace, place: Option<&Place>) -> Result<(), Tick> {
        self.sweep();
        let ahead = self.ahead(place);
        let first = self.first(pace);
        if ahead == 0 && first <= now {
            return Ok(());
        }
        Err(turn(now, pace, first, ahead))
    }

    /// When the first of the line may leave.
    fn first(&self, pace: &Pace) -> Tick {
        let spared = pace.interval().saturating_mul(pace.burst.saturating_sub(1));
        let spared = u64::try_from(spared.as_micros()).unwrap_or(u64::MAX);
        Tick::from_micros(self.due.micros().saturating_sub(spared))
    }

    /// How many leave before, at most: of those in the middle that gave up, some still count.
    fn ahead(&self, place: Option<&Place>) -> u32 {
        match (place, self.waiting.front()) {
            (Some(place), Some(front)) => {
                let before = place.0.number.saturating_sub(front.number);
                let others = self.count.load(Relaxed).saturating_sub(1);
                u32::try_from(before).unwrap_or(u32::MAX).min(others)
            }
            (Some(_) | None, _) => self.count.load(Relaxed),
        }
    }

    /// Counts a call that leaves now; the place it had is given up.
    pub fn leave(&mut self, now: Tick, pace: &Pace, place: Option<&Place>) {
        if let Some(place) = place {
            place.0.give_up();
            self.sweep();
        }
        self.due = self.due.max(now).after(pace.interval());
    }

    /// Enters the line for a turn at `turn`. Where that is too late, or the line as long as it may be, who holds less than
    /// its share takes over the newest place of one that holds more: nobody fills the line for all.
    pub fn join(&mut self, now: Tick, pace: &Pace, turn: Tick, who: &Parties) -> Result<Place, NoPlace> {
        self.sweep();
        let late = now.after(pace.wait_max);
        let no = if self.count.load(Relaxed) >= pace.queue_max {
            NoPlace::Full
        } else if turn > late {
            NoPlace::Late
        } else {
            let number = self.next;
            self.next += 1;
            let seat = self.seat(number, who, pace);
            self.waiting.push_back(Arc::clone(&seat));
            return Ok(Place(seat));
        };
        let share = pace.share();
        // Who comes too late for another reason than the line, a pause, gains nothing by a place in it.
        let held_back = turn > self::turn(now, pace, self.first(pace), self.count.load(Relaxed));
        if held_back {
            return Err(no);
        }
        let Some(number) = self.take_over(who, share) else { return Err(no) };
        let seat = self.seat(number, who, pace);
        // The numbers only grow along the line.
        if let Ok(at) = self.waiting.binary_search_by_key(&number, |seat| seat.number)
            && let Some(given_up) = self.waiting.get_mut(at)
        {
            *given_up = Arc::clone(&seat);
        }
        Ok(Place(seat))
    }

    fn seat(&mut self, number: u64, who: &Parties, pace: &Pace) -> Arc<Seat> {
        let source = self.sources.count(who.source, who.source);
        let caller = self.callers.count(who.caller, who.source);
        let counts = [Arc::clone(&self.count), source, caller];
        counts.iter().for_each(|count| {
            count.fetch_add(1, Relaxed);
        });
        let seat = Arc::new(Seat { number, taken: AtomicBool::new(true), counts });
        self.sources.add(who.source, &seat, pace.share());
        self.callers.add(who.caller, &seat, pace.share());
        seat
    }

    /// The number of the place that somebody with more than its share gives up. A source that holds less than its share
    /// takes one of another source, of a caller there that holds too many if there is one: who writes a new number into
    /// From for every call stays one source. Within its own source, a caller takes one of another caller.
    fn take_over(&mut self, who: &Parties, share: u32) -> Option<u64> {
        let (seat, looked) = if self.sources.held(who.source) < share {
            let source = self.sources.over(share, |_| true)?;
            match self.callers.over(share, |caller| caller.source == source) {
                Some(caller) => self.callers.newest(caller),
                None => self.sources.newest(source),
            }
        } else if self.callers.held(who.caller) < share {
            let caller = self.callers.over(share, |caller| caller.source == who.source)?;
            self.callers.newest(caller)
        } else {
            return None;
        };
        self.note_looked(looked);
        let seat = seat?;
        seat.give_up();
        Some(seat.number)
    }

    /// Counted for the proof alone.
    #[cfg_attr(not(test), allow(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "see above"))]
    const fn note_looked(&mut self, places: usize) {
        #[cfg(test)]
        {
            self.looked += places;
        }
        #[cfg(not(test))]
        let _nothing = places;
    }

    /// Forgets places that were given up: those before the first that is taken at once, others when they are more than
    /// half, so that each is looked at as often as it was taken and no more.
    fn sweep(&mut self) {
        while self.waiting.front().is_some_and(|seat| !seat.is_taken()) {
            self.waiting.pop_front();
            self.note_looked(1);
        }
        let most = 2 * self.count.load(Relaxed) as usize + SWEPT_FROM;
        if self.waiting.len() > most {
            self.note_looked(self.waiting.len());
            self.waiting.retain(|seat| seat.is_taken());
        }
        let crowds = [self.sources.known.len(), self.callers.known.len()];
        self.note_looked(crowds.into_iter().filter(|holders| *holders > most).sum());
        for holders in [&mut self.sources, &mut self.callers] {
            if holders.known.len() > most {
                holders.known.retain(|_, own| own.held() > 0);
            }
        }
        // What a crowd made it grow by is given back.
        if self.waiting.is_empty() && self.waiting.capacity() > SWEPT_FROM {
            self.waiting = VecDeque::new();
            (self.sources, self.callers) = (Holders::default(), Holders::default());
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.count.load(Relaxed)
    }
}

/// The turn of one that has so many before it.
fn turn(now: Tick, pace: &Pace, first: Tick, ahead: u32) -> Tick {
    let turn = first.max(now).after(pace.interval().saturating_mul(ahead));
    turn.max(now.after(LOOK_AGAIN))
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
