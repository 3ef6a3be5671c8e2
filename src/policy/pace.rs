//! How fast calls go to a peer, and the line of those that wait for their turn.
//!
//! Owns the rate of one peer (the generic cell rate algorithm) and the order of its line. Refuses to know targets, and
//! what a call does while it waits. Read first: DESIGN.md §1, laws 6 and 9; ITU-T I.371 annex A (the algorithm).

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Tick;

/// Who waits looks again after this at the earliest.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

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
}

/// A place in a line; dropping it leaves the line.
#[derive(Debug)]
pub struct Place(Arc<()>);

/// The rate and the line of one peer.
#[derive(Debug, Default)]
pub struct Line {
    /// When the next call would leave if all left evenly.
    due: Tick,
    /// Those that wait, first come first; one whose place was dropped waits no more.
    waiting: VecDeque<Weak<()>>,
}

impl Line {
    /// Whether a call may leave now: the holder of a place, or one that has just come and finds nobody waiting. Else when
    /// its turn would come, should those before it all take theirs.
    pub fn ready(&mut self, now: Tick, pace: &Pace, place: Option<&Place>) -> Result<(), Tick> {
        self.waiting.retain(|waiter| waiter.strong_count() > 0);
        let own =
            |waiter: &Weak<()>| place.is_some_and(|place| Weak::as_ptr(waiter) == Arc::as_ptr(&place.0));
        let ahead = self.waiting.iter().position(own).unwrap_or(self.waiting.len());
        let spared = pace.interval().saturating_mul(pace.burst.saturating_sub(1));
        let spared = u64::try_from(spared.as_micros()).unwrap_or(u64::MAX);
        let first = Tick::from_micros(self.due.micros().saturating_sub(spared));
        if ahead == 0 && first <= now {
            return Ok(());
        }
        let before = u32::try_from(ahead).unwrap_or(u32::MAX);
        let turn = first.max(now).after(pace.interval().saturating_mul(before));
        Err(turn.max(now.after(LOOK_AGAIN)))
    }

    /// Counts a call that leaves now; the place it had is given up.
    pub fn leave(&mut self, now: Tick, pace: &Pace, place: Option<&Place>) {
        if let Some(place) = place {
            self.waiting.retain(|waiter| Weak::as_ptr(waiter) != Arc::as_ptr(&place.0));
        }
        self.due = self.due.max(now).after(pace.interval());
        if self.waiting.is_empty() {
            self.waiting.shrink_to(0);
        }
    }

    /// Enters the line for a turn at `turn`; `None` when that is too late, or the line is as long as it may be.
    pub fn join(&mut self, now: Tick, pace: &Pace, turn: Tick) -> Option<Place> {
        let full = self.waiting.len() >= usize::try_from(pace.queue_max).unwrap_or(usize::MAX);
        if full || turn > now.after(pace.wait_max) {
            return None;
        }
        let place = Arc::new(());
        self.waiting.push_back(Arc::downgrade(&place));
        Some(Place(place))
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.iter().filter(|waiter| waiter.strong_count() > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(calls: u32, burst: u32, queue_max: u32) -> Pace {
        Pace { per_second: NonZeroU32::new(calls), burst, queue_max, ..Pace::default() }
    }

    fn ms(millis: u64) -> Tick {
        Tick::from_micros(millis * 1_000)
    }

    /// A call that finds the line so at this time; whether it left.
    fn call(line: &mut Line, now: Tick, pace: &Pace) -> bool {
        let ready = line.ready(now, pace, None).is_ok();
        if ready {
            line.leave(now, pace, None);
        }
        ready
    }

    #[test]
    fn a_rate_lets_one_call_through_each_interval_and_a_burst_after_a_pause() {
        for (calls, burst, at, leave) in [
            (1, 1, vec![0, 999, 1_000, 1_001, 2_000], vec![true, false, true, false, true]),
            (2, 1, vec![0, 499, 500, 999, 1_000], vec![true, false, true, false, true]),
            (1, 2, vec![0, 0, 0, 999, 1_000], vec![true, true, false, false, true]),
            (
                1,
                3,
                vec![0, 0, 0, 0, 3_000, 3_000, 3_000, 3_000],
                vec![true, true, true, false, true, true, true, false],
            ),
        ] {
            let (mut line, pace) = (Line::default(), pace(calls, burst, 9));
            let left: Vec<bool> = at.iter().map(|at| call(&mut line, ms(5_000 + at), &pace)).collect();
            assert_eq!(left, leave, "{calls} a second, burst {burst}: {at:?}");
        }
    }

    #[test]
    fn without_a_rate_every_call_leaves() {
        let (mut line, pace) = (Line::default(), Pace::default());
        assert!((0..1_000).all(|_| call(&mut line, ms(1), &pace)));
    }

    /// Comes to a line; its place if it waits.
    fn come(line: &mut Line, now: Tick, pace: &Pace) -> Option<Place> {
        let turn = line.ready(now, pace, None).expect_err("the rate is used up");
        line.join(now, pace, turn)
    }

    #[test]
    fn a_line_is_as_long_as_it_may_be_and_no_longer() {
        for limit in [0, 1, 2, 5] {
            let (mut line, pace) = (Line::default(), pace(10, 1, limit));
            assert!(call(&mut line, ms(0), &pace));
            let places: Vec<Place> = (0..limit).filter_map(|_| come(&mut line, ms(0), &pace)).collect();
            assert_eq!((places.len() as u32, line.waiting() as u32), (limit, limit));
            assert!(come(&mut line, ms(0), &pace).is_none(), "limit + 1 at {limit}");
            drop(places);
            assert_eq!(line.waiting(), 0, "who goes leaves the line");
        }
    }

    #[test]
    fn who_would_wait_longer_than_two_seconds_does_not_wait_at_all() {
        let (mut line, pace) = (Line::default(), pace(1, 1, 100));
        assert!(call(&mut line, ms(0), &pace));
        let places: Vec<Option<Place>> = (0..3).map(|_| come(&mut line, ms(0), &pace)).collect();
        let waits: Vec<bool> = places.iter().map(Option::is_some).collect();
        assert_eq!(waits, [true, true, false], "turns at 1 s, 2 s and 3 s");
    }

    #[test]
    fn first_come_first_served_and_a_place_given_up_moves_the_rest_on() {
        let (mut line, pace) = (Line::default(), pace(1, 1, 100));
        assert!(call(&mut line, ms(0), &pace));
        let first = come(&mut line, ms(10), &pace).expect("a place");
        let second = come(&mut line, ms(20), &pace).expect("a place");
        assert_eq!(line.ready(ms(900), &pace, Some(&first)), Err(ms(1_000)));
        assert_eq!(line.ready(ms(1_000), &pace, Some(&second)), Err(ms(2_000)), "one is before it");
        assert_eq!(line.ready(ms(1_000), &pace, None), Err(ms(3_000)), "nobody overtakes those that wait");
        drop(first);
        assert_eq!(line.ready(ms(1_000), &pace, Some(&second)), Ok(()));
        line.leave(ms(1_000), &pace, Some(&second));
        assert_eq!(line.waiting(), 0);
        assert_eq!(line.ready(ms(1_999), &pace, None), Err(ms(2_001)));
        assert!(call(&mut line, ms(2_000), &pace));
    }
}
