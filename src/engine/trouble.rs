//! Which peers fail their calls: the last ones of each, and whether half of them failed.
//!
//! Owns the sliding window, and whose failures are the peer's: those of one number or of one caller are not. Refuses to
//! know targets and probes (`peers`), and in what order a call tries. Read first: DESIGN.md law 9.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Tick;
use crate::policy::{Parties, PeerId};

/// Calls that are looked at, the last ones.
const CALLS_MAX: usize = 20;

/// From so many places on, a caller gives up one of its own for a further call.
const SHARE: usize = CALLS_MAX / 4;

/// Of fewer failures nothing follows. Each is of another destination block.
const FAILURES_MIN: usize = 5;

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

/// How one call ended its setup.
#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Tick,
    parties: Parties,
    failed: bool,
}

#[derive(Debug, Clone, Default)]
struct Calls {
    /// The newest last. A destination block stands there with its newest failure alone.
    last: VecDeque<Ended>,
    troubled: bool,
}

/// The last calls of every peer, by its number.
#[derive(Debug, Default)]
pub struct Troubles(Vec<Calls>);

impl Calls {
    fn note(&mut self, ended: Ended) -> Turn {
        // Whoever calls a number that always fails, again and again, adds nothing to what is known of the trunk.
        let same = |older: &Ended| older.failed && older.parties.block == ended.parties.block;
        if ended.failed
            && let Some(older) = self.last.iter().position(same)
        {
            self.last.remove(older);
        }
        if self.last.len() >= CALLS_MAX {
            self.last.remove(self.spared(ended.parties.caller));
        }
        self.last.reserve_exact(CALLS_MAX - self.last.len());
        self.last.push_back(ended);
        self.forget_old(ended.at);
        self.judge()
    }

    fn look(&mut self, now: Tick) -> Turn {
        if self.forget_old(now) { self.judge() } else { Turn::Same }
    }

    /// The place that is given up for a call of this caller: its own oldest, where it has many, so that it cannot push
    /// out what others heard.
    fn spared(&self, caller: u64) -> usize {
        let own = |ended: &Ended| ended.parties.caller == caller;
        let many = self.last.iter().filter(|ended| own(ended)).count() >= SHARE;
        if many { self.last.iter().position(own).unwrap_or(0) } else { 0 }
    }

    /// Whether there was anything to forget.
    fn forget_old(&mut self, now: Tick) -> bool {
        let before = self.last.len();
        while self.last.front().is_some_and(|ended| now.since(ended.at) > WINDOW) {
            self.last.pop_front();
        }
        before != self.last.len()
    }

    fn judge(&mut self) -> Turn {
        let failed = self.last.iter().filter(|ended| ended.failed).count();
        let half = failed >= FAILURES_MIN && failed * 2 >= self.last.len();
        let troubled = half && self.is_everybodys();
        match (std::mem::replace(&mut self.troubled, troubled), troubled) {
            (false, true) => Turn::Worse,
            (true, false) => Turn::Better,
            (false, false) | (true, true) => Turn::Same,
        }
    }

    /// Whether more than half of the callers see half of their calls fail: of a hundred numbers that one of them has
    /// found to fail, nothing follows for the others. A site that shows one number for all is one caller.
    fn is_everybodys(&self) -> bool {
        let (mut callers, mut failing) = (0, 0);
        for (place, ended) in self.last.iter().enumerate() {
            let caller = ended.parties.caller;
            if self.last.iter().take(place).any(|older| older.parties.caller == caller) {
                continue;
            }
            let own = self.last.iter().skip(place).filter(|other| other.parties.caller == caller);
            let (calls, failed) =
                own.fold((0, 0), |(calls, failed), call| (calls + 1, failed + usize::from(call.failed)));
            callers += 1;
            failing += usize::from(failed * 2 >= calls);
        }
        failing * 2 > callers
    }
}

impl Troubles {
    /// One more call was answered by a peer, or failed there.
    pub fn note(&mut self, now: Tick, peer: PeerId, parties: Parties, failed: bool) -> Turn {
        let place = usize::from(peer.0);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Calls::default);
        }
        let Some(calls) = self.0.get_mut(place) else { return Turn::Same };
        calls.note(Ended { at: now, parties, failed })
    }

    /// Whether a peer is tried last, by what was known of it when it was last called.
    pub fn is_troubled(&self, now: Tick, peer: PeerId) -> bool {
        let fresh = |calls: &Calls| calls.last.back().is_some_and(|ended| now.since(ended.at) <= WINDOW);
        self.0.get(usize::from(peer.0)).is_some_and(|calls| calls.troubled && fresh(calls))
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

    /// A caller and a destination block.
    fn parties(caller: u64, block: u64) -> Parties {
        Parties { caller, block, ..Parties::default() }
    }

    /// Each call by another caller to another block, so far as `of` does not say otherwise.
    fn noted_of(calls: &[bool], of: impl Fn(u64) -> Parties) -> (Troubles, Vec<Turn>) {
        let mut troubles = Troubles::default();
        let turns =
            (0..).zip(calls).map(|(nth, failed)| troubles.note(Tick::ZERO, PEER, of(nth), *failed)).collect();
        (troubles, turns)
    }

    fn noted(calls: &[bool]) -> (Troubles, Vec<Turn>) {
        noted_of(calls, |nth| parties(nth, nth))
    }

    #[test]
    fn five_failures_are_the_least_that_counts_and_half_of_all() {
        for (calls, failures, troubled) in [
            (4, 4, false),
            (5, 4, false),
            (5, 5, true),
            (6, 5, true),
            (10, 4, false),
            (10, 6, true),
            (12, 5, false),
            (20, 9, false),
            (20, 11, true),
            (20, 20, true),
        ] {
            let last: Vec<bool> = (0..calls).map(|call| call >= calls - failures).collect();
            let (mut troubles, turns) = noted(&last);
            assert_eq!(troubles.look(Tick::ZERO, PEER), (troubled, Turn::Same), "{failures} of {calls}");
            let told = turns.iter().filter(|turn| **turn == Turn::Worse).count();
            assert_eq!(told, usize::from(troubled), "{failures} of {calls} is told once");
            // A site that shows one number for all of its calls.
            let (mut troubles, _) = noted_of(&last, |nth| parties(1, nth));
            assert_eq!(troubles.look(Tick::ZERO, PEER).0, troubled, "{failures} of {calls}, one caller");
        }
        let (mut troubles, _) = noted_of(&[false, false, true, true].repeat(5), |nth| parties(1, nth));
        assert!(troubles.look(Tick::ZERO, PEER).0, "ten of twenty, of one caller");
    }

    #[test]
    fn c8_one_number_that_fails_is_not_the_trunks_failure_however_often_it_is_called() {
        let (mut troubles, turns) = noted_of(&[true; 100], |nth| parties(nth, 7));
        assert!(!troubles.look(Tick::ZERO, PEER).0, "a hundred callers of one block");
        assert!(turns.iter().all(|turn| *turn == Turn::Same));
        for (blocks, troubled) in [(4, false), (5, true), (6, true)] {
            let (mut troubles, _) = noted_of(&[true; 60], |nth| parties(nth, nth % blocks));
            assert_eq!(troubles.look(Tick::ZERO, PEER).0, troubled, "{blocks} blocks");
        }
        // Nor does it push out what others heard.
        let mut troubles = Troubles::default();
        for nth in 0..9 {
            troubles.note(Tick::ZERO, PEER, parties(nth, nth), false);
        }
        for _ in 0..100 {
            assert_eq!(troubles.note(Tick::ZERO, PEER, parties(99, 99), true), Turn::Same);
        }
        assert_eq!(troubles.0[3].last.len(), 10);
    }

    #[test]
    fn c8_one_caller_of_several_moves_no_trunk_by_numbers_that_fail() {
        // How many others call, and how many of them see every call fail.
        for (others, failing, troubled) in [
            (0, 0, true),
            (1, 0, false),
            (1, 1, true),
            (2, 0, false),
            (2, 1, true),
            (3, 1, false),
            (3, 2, true),
        ] {
            let mut troubles = Troubles::default();
            for nth in 0..others {
                troubles.note(Tick::ZERO, PEER, parties(1 + nth, 1_000 + nth), nth < failing);
            }
            for nth in 0..15 {
                troubles.note(Tick::ZERO, PEER, parties(0, nth), true);
            }
            assert_eq!(troubles.look(Tick::ZERO, PEER).0, troubled, "{failing} of {others} others");
        }
        let mut troubles = Troubles::default();
        troubles.note(Tick::ZERO, PEER, parties(1, 1_000), false);
        for nth in 0..500 {
            assert_eq!(troubles.note(Tick::ZERO, PEER, parties(0, nth), true), Turn::Same, "call {nth}");
        }
        assert_eq!(troubles.0[3].last.len(), CALLS_MAX);
    }

    #[test]
    fn only_the_last_twenty_count_and_a_peer_recovers() {
        let (mut troubles, _) = noted(&[true; 20]);
        let turns: Vec<Turn> =
            (0..20).map(|nth| troubles.note(Tick::ZERO, PEER, parties(nth, nth), false)).collect();
        let better = turns.iter().position(|turn| *turn == Turn::Better);
        assert_eq!(better, Some(9), "half of the callers are served");
        assert_eq!(turns.iter().filter(|turn| **turn != Turn::Same).count(), 1);
        assert_eq!(troubles.look(Tick::ZERO, PEER), (false, Turn::Same));
        assert_eq!(troubles.0[3].last.len(), CALLS_MAX);
        assert_eq!(troubles.0[3].last.capacity(), CALLS_MAX, "asked for once, and never more");
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
