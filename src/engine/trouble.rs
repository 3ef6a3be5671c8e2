//! Which peers fail their calls: the last ones of each, and whether half of them failed.
//!
//! Owns the sliding window. Refuses to know targets and probes (`peers`), and in what order a call tries.
//! Read first: DESIGN.md law 9.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;
use crate::policy::PeerId;

/// Calls that are looked at, the last ones.
const CALLS_MAX: usize = 20;

/// Of fewer nothing follows.
const CALLS_MIN: usize = 10;

/// Older ones count no more.
const WINDOW: Duration = Duration::from_secs(600);

/// What became of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As it was.
    Same,
    /// Half of its last calls failed.
    Worse,
    /// It fails less than half again, or its failures are long ago.
    Better,
}

#[derive(Debug, Clone, Default)]
struct Calls {
    /// When each ended its setup, and whether it failed.
    last: VecDeque<(Tick, bool)>,
    troubled: bool,
}

/// The last calls of every peer, by its number.
#[derive(Debug, Default)]
pub struct Troubles(Vec<Calls>);

impl Calls {
    fn look(&mut self, now: Tick) -> Turn {
        while self.last.front().is_some_and(|(at, _)| now.since(*at) > WINDOW) {
            self.last.pop_front();
        }
        let failed = self.last.iter().filter(|(_, failed)| *failed).count();
        let troubled = self.last.len() >= CALLS_MIN && failed * 2 >= self.last.len();
        match (std::mem::replace(&mut self.troubled, troubled), troubled) {
            (false, true) => Turn::Worse,
            (true, false) => Turn::Better,
            (false, false) | (true, true) => Turn::Same,
        }
    }
}

impl Troubles {
    /// One more call was answered by a peer, or failed there.
    pub fn note(&mut self, now: Tick, peer: PeerId, failed: bool) -> Turn {
        let place = usize::from(peer.0);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Calls::default);
        }
        let Some(calls) = self.0.get_mut(place) else { return Turn::Same };
        if calls.last.len() >= CALLS_MAX {
            calls.last.pop_front();
        }
        calls.last.push_back((now, failed));
        calls.look(now)
    }

    /// Whether a peer is tried last, and whether that has changed by time alone.
    pub fn look(&mut self, now: Tick, peer: PeerId) -> (bool, Turn) {
        let Some(calls) = self.0.get_mut(usize::from(peer.0)) else { return (false, Turn::Same) };
        let turn = calls.look(now);
        (calls.troubled, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(3);

    fn noted(calls: &[bool]) -> (Troubles, Vec<Turn>) {
        let mut troubles = Troubles::default();
        let turns = calls.iter().map(|failed| troubles.note(Tick::ZERO, PEER, *failed)).collect();
        (troubles, turns)
    }

    #[test]
    fn half_of_ten_is_the_least_that_counts() {
        for (calls, failures, troubled) in [
            (9, 9, false),
            (10, 4, false),
            (10, 5, true),
            (10, 10, true),
            (20, 9, false),
            (20, 10, true),
            (20, 11, true),
        ] {
            let last: Vec<bool> = (0..calls).map(|call| call >= calls - failures).collect();
            let (mut troubles, turns) = noted(&last);
            assert_eq!(troubles.look(Tick::ZERO, PEER), (troubled, Turn::Same), "{failures} of {calls}");
            let told = turns.iter().filter(|turn| **turn == Turn::Worse).count();
            assert_eq!(told, usize::from(troubled), "{failures} of {calls} is told once");
        }
    }

    #[test]
    fn only_the_last_twenty_count_and_a_peer_recovers() {
        let (mut troubles, _) = noted(&[true; 20]);
        let turns: Vec<Turn> = (0..20).map(|_| troubles.note(Tick::ZERO, PEER, false)).collect();
        assert_eq!(turns.iter().position(|turn| *turn == Turn::Better), Some(10), "11 of 20 went well");
        assert_eq!(turns.iter().filter(|turn| **turn != Turn::Same).count(), 1);
        assert_eq!(troubles.look(Tick::ZERO, PEER), (false, Turn::Same));
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let (mut troubles, _) = noted(&[true; 10]);
        let at = Tick::ZERO.after(WINDOW);
        assert_eq!(troubles.look(at, PEER), (true, Turn::Same));
        let later = at.after(Duration::from_millis(1));
        assert_eq!(troubles.look(later, PEER), (false, Turn::Better));
        assert_eq!(troubles.look(later, PEER), (false, Turn::Same));
        assert_eq!(troubles.look(later, PeerId(9)), (false, Turn::Same), "a peer nobody called");
    }
}
