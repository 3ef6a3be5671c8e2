//! How fast calls go to a peer, and the line of those that wait for their turn.
//!
//! Owns the rate of one peer (the generic cell rate algorithm), the order of its line, and that no caller keeps the others
//! out of it. Refuses to know targets, and what a call does while it waits. Read first: DESIGN.md §1, laws 6 and 9;
//! ITU-T I.371 annex A (the algorithm).

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::Tick;

/// Who waits looks again after this at the earliest.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A caller that holds more than one of so many places of a full line gives one up to a caller that holds fewer.
const SHARES: u32 = 4;

/// Places given up, and callers gone, that are swept out only when they are so many more than those that stay.
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

    /// Places that one caller may hold whatever others want: a quarter of those that come to their turn in time.
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
    /// Those of the whole line, and those of one caller.
    counts: [Arc<AtomicU32>; 2],
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
    /// Whether it had to be given up to another caller.
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

/// The places of one caller.
#[derive(Debug, Default)]
struct Caller {
    held: Arc<AtomicU32>,
    /// The newest last; some may be given up.
    seats: Vec<Arc<Seat>>,
}

impl Caller {
    fn held(&self) -> u32 {
        self.held.load(Relaxed)
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
    callers: HashMap<u64, Caller>,
    /// Callers that hold more than their share, or did: no more than three can.
    greedy: SmallVec<[u64; SHARES as usize]>,
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

    /// Enters the line for a turn at `turn`. Where that is too late, or the line as long as it may be, a caller that holds
    /// less than its share takes over the newest place of one that holds more: nobody fills the line for all.
    pub fn join(&mut self, now: Tick, pace: &Pace, turn: Tick, caller: u64) -> Result<Place, NoPlace> {
        self.sweep();
        let late = now.after(pace.wait_max);
        let no = if self.count.load(Relaxed) >= pace.queue_max {
            NoPlace::Full
        } else if turn > late {
            NoPlace::Late
        } else {
            let number = self.next;
            self.next += 1;
            let seat = self.seat(number, caller, pace);
            self.waiting.push_back(Arc::clone(&seat));
            return Ok(Place(seat));
        };
        let share = pace.share();
        // Who comes too late for another reason than the line, a pause, gains nothing by a place in it.
        let held_back = turn > self::turn(now, pace, self.first(pace), self.count.load(Relaxed));
        if held_back || self.callers.get(&caller).map_or(0, Caller::held) >= share {
            return Err(no);
        }
        let Some(number) = self.take_over(share) else { return Err(no) };
        let seat = self.seat(number, caller, pace);
        // The numbers only grow along the line.
        if let Ok(at) = self.waiting.binary_search_by_key(&number, |seat| seat.number)
            && let Some(given_up) = self.waiting.get_mut(at)
        {
            *given_up = Arc::clone(&seat);
        }
        Ok(Place(seat))
    }

    fn seat(&mut self, number: u64, caller: u64, pace: &Pace) -> Arc<Seat> {
        let own = self.callers.entry(caller).or_default();
        let counts = [Arc::clone(&self.count), Arc::clone(&own.held)];
        counts.iter().for_each(|count| {
            count.fetch_add(1, Relaxed);
        });
        let seat = Arc::new(Seat { number, taken: AtomicBool::new(true), counts });
        own.seats.push(Arc::clone(&seat));
        let held = own.held();
        if own.seats.len() > 2 * held as usize + SWEPT_FROM {
            own.seats.retain(|seat| seat.is_taken());
        }
        if held > pace.share() && !self.greedy.contains(&caller) {
            // Whoever holds no more than its share by now makes room for it.
            let callers = &self.callers;
            self.greedy.retain(|other| callers.get(other).is_some_and(|own| own.held() > pace.share()));
            self.greedy.push(caller);
        }
        seat
    }

    /// The number of the place that a caller with more than its share gives up.
    fn take_over(&mut self, share: u32) -> Option<u64> {
        while let Some(caller) = self.greedy.last() {
            let Some(own) = self.callers.get_mut(caller).filter(|own| own.held() > share) else {
                self.greedy.pop();
                continue;
            };
            while let Some(seat) = own.seats.pop() {
                #[cfg(test)]
                {
                    self.looked += 1;
                }
                if seat.is_taken() {
                    seat.give_up();
                    return Some(seat.number);
                }
            }
            self.greedy.pop();
        }
        None
    }

    /// Forgets places that were given up: those before the first that is taken at once, others when they are more than
    /// half, so that each is looked at as often as it was taken and no more.
    fn sweep(&mut self) {
        while self.waiting.front().is_some_and(|seat| !seat.is_taken()) {
            self.waiting.pop_front();
            #[cfg(test)]
            {
                self.looked += 1;
            }
        }
        let most = 2 * self.count.load(Relaxed) as usize + SWEPT_FROM;
        if self.waiting.len() > most {
            #[cfg(test)]
            {
                self.looked += self.waiting.len();
            }
            self.waiting.retain(|seat| seat.is_taken());
        }
        if self.callers.len() > most {
            #[cfg(test)]
            {
                self.looked += self.callers.len();
            }
            self.callers.retain(|_, own| own.held() > 0);
        }
        // What a crowd made it grow by is given back.
        if self.waiting.is_empty() && self.waiting.capacity() > SWEPT_FROM {
            self.waiting = VecDeque::new();
            self.callers = HashMap::new();
            self.greedy.clear();
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
