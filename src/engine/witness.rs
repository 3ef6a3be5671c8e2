//! What calls bear witness of against a target: that it asked for a pause, did not serve them, or was silent.
//!
//! Owns when it is more than one caller's and one number's trouble. Refuses to know targets, and what follows (`peers`).
//! Read first: DESIGN.md law 9; RFC 3261 §21.5.4.

use std::time::Duration;

use crate::clock::Tick;
use crate::policy::Parties;

/// For so long a witness is remembered.
const LASTS: Duration = Duration::from_secs(600);

/// What one call met at a target.
#[derive(Debug, Clone, Copy)]
struct Wish {
    at: Tick,
    /// The destination block that was called.
    block: u64,
    /// Who called.
    caller: u64,
    /// Another call was answered as by one that works since.
    served: bool,
}

/// Whose trouble it is that a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The same destination's as before: nothing new is known.
    Known,
    /// Perhaps one destination's, or one caller's.
    One,
    /// The target's: two callers met it at two destinations, and nobody was served between.
    Target,
}

/// The witness that is waited for another one to join.
#[derive(Debug, Clone, Copy, Default)]
pub struct Witness(Option<Wish>);

impl Witness {
    /// One more call met it. Two that make it the target's are forgotten: to say so again takes two others.
    pub fn hear(&mut self, now: Tick, parties: &Parties) -> Whose {
        let heard = Wish { at: now, block: parties.block, caller: parties.witness, served: false };
        match self.0.filter(|wish| now.since(wish.at) <= LASTS) {
            Some(wish) if wish.block == heard.block => Whose::Known,
            // Whoever has found many numbers that are answered so is one witness with all of them.
            Some(wish) if wish.caller == heard.caller => Whose::One,
            Some(wish) if !wish.served => {
                self.0 = None;
                Whose::Target
            }
            Some(_) | None => {
                self.0 = Some(heard);
                Whose::One
            }
        }
    }

    /// A call was answered as by one that works.
    pub const fn served(&mut self) {
        if let Some(wish) = &mut self.0 {
            wish.served = true;
        }
    }

    /// Whether one was heard that nobody was served after, however long ago.
    pub fn stands(&self) -> bool {
        self.0.is_some_and(|wish| !wish.served)
    }

    /// Whether one is remembered that nobody was served after.
    pub fn stands_at(&self, now: Tick) -> bool {
        self.stands() && self.0.is_some_and(|wish| now.since(wish.at) <= LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call by its caller and block, or one that is served.
    type Heard = Option<(u64, u64)>;

    /// Hears calls one after the other, each a second later.
    fn heard(calls: &[Heard]) -> Vec<Whose> {
        let (mut witness, mut at) = (Witness::default(), Tick::ZERO);
        let mut found = Vec::new();
        for call in calls {
            at = at.after(Duration::from_secs(1));
            match *call {
                Some((caller, block)) => {
                    let parties = Parties { witness: caller, block, ..Parties::default() };
                    found.push(witness.hear(at, &parties));
                }
                None => witness.served(),
            }
        }
        found
    }

    #[test]
    fn c8_two_callers_and_two_numbers_make_a_target_s_trouble_and_nothing_less_does() {
        use Whose::{Known, One, Target};
        let table: &[(&[Heard], &[Whose])] = &[
            (&[Some((1, 1)), Some((1, 1))], &[One, Known]),
            (&[Some((1, 1)), Some((2, 1)), Some((3, 1))], &[One, Known, Known]),
            (&[Some((1, 1)), Some((1, 2)), Some((1, 3))], &[One, One, One]),
            (&[Some((1, 1)), Some((2, 2))], &[One, Target]),
            (&[Some((1, 1)), Some((1, 2)), Some((2, 2))], &[One, One, Target]),
            // Each time it takes two that were not counted yet.
            (&[Some((1, 1)), Some((2, 2)), Some((1, 1)), Some((2, 2))], &[One, Target, One, Target]),
            (&[Some((1, 1)), None, Some((2, 2)), Some((3, 3))], &[One, One, Target]),
            (&[Some((1, 1)), None, Some((1, 2)), Some((2, 2)), None, Some((3, 3))], &[One, One, One, One]),
        ];
        for (calls, whose) in table {
            assert_eq!(heard(calls), *whose, "{calls:?}");
        }
    }

    #[test]
    fn a_witness_is_remembered_for_ten_minutes() {
        for (seconds, whose) in [(599, Whose::Target), (600, Whose::Target), (601, Whose::One)] {
            let mut witness = Witness::default();
            let parties = |nth| Parties { witness: nth, block: nth, ..Parties::default() };
            assert_eq!(witness.hear(Tick::ZERO, &parties(1)), Whose::One);
            assert_eq!(witness.hear(Tick::ZERO.after(Duration::from_secs(seconds)), &parties(2)), whose);
        }
    }
}
