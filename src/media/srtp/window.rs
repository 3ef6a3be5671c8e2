//! One source's indices: which roll-over a sequence number belongs to, and which indices were there.
//!
//! Owns the estimate and the replay window. Nothing here changes before [`Window::accept`].
//! Read first: RFC 3711 §3.3.1, §3.3.2, appendix A.

use super::Refused;

/// Packets that the replay window remembers, the newest included (RFC 3711 §3.3.2 wants 64 at least).
pub const WINDOW_PACKETS: u32 = u128::BITS;

/// The highest index of a source, and the packets behind it. An SRTP index is the roll-over counter and sixteen bits of
/// sequence number, an SRTCP index 31 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    highest: u64,
    /// Bit n: the packet n below the highest was there; none set means that no packet was since the counter was set.
    seen: u128,
    /// Whatever is below was forgotten when the counter was set, and may have been there.
    floor: u64,
}

impl Window {
    /// Has the next packet begin at this roll-over counter, which is ahead of the one there was. Once packets were
    /// there, nothing before it comes any more: which of those indices are free is forgotten.
    pub(super) const fn begin(&mut self, roll_over: u32) {
        let highest = (roll_over as u64) << 16;
        let floor = if self.is_used() { highest } else { self.floor };
        *self = Self { highest, seen: 0, floor };
    }

    /// The roll-over counter of the highest index.
    pub(super) const fn roll_over(&self) -> u32 {
        // An index has 48 bits.
        (self.highest >> 16) as u32
    }

    /// Whether a packet was accepted since the counter was set.
    pub(super) const fn is_used(&self) -> bool {
        self.seen != 0
    }

    /// The index that a sequence number most likely means.
    ///
    /// # Errors
    /// [`Refused::Exhausted`] behind the last roll-over.
    pub(super) fn estimate(&self, sequence: u16) -> Result<u64, Refused> {
        let (roll_over, last) = (self.roll_over(), self.highest as u16);
        let roll_over = if !self.is_used() {
            roll_over
        } else if last < 0x8000 {
            // RFC 3711 appendix A: if SEQ - s_l > 32768 then v = ROC - 1. Before roll-over 0 there is none, and a
            // sender that skipped half the numbers is more likely than index 2^48 - 1.
            if sequence.saturating_sub(last) > 0x8000 { roll_over.saturating_sub(1) } else { roll_over }
        } else if last - 0x8000 > sequence {
            // RFC 3711 §9.2: behind index 2^48 - 1 the key has served.
            roll_over.checked_add(1).ok_or(Refused::Exhausted)?
        } else {
            roll_over
        };
        Ok(u64::from(roll_over) << 16 | u64::from(sequence))
    }

    /// The index that a sequence number means to a sender who relays what comes in disorder.
    ///
    /// # Errors
    /// [`Refused::Late`] before the first roll-over, [`Refused::Exhausted`] behind the last.
    pub(super) fn place(&self, sequence: u16) -> Result<u64, Refused> {
        // RFC 3711 §3.3.1: v = -1 is no counter. A receiver may take such a packet for one far ahead; a sender who did
        // would count a round that was none, and who lost that one packet could open none of the next.
        let last = self.highest as u16;
        if self.is_used() && self.roll_over() == 0 && last < 0x8000 && sequence.saturating_sub(last) > 0x8000
        {
            return Err(Refused::Late);
        }
        self.estimate(sequence)
    }

    /// Whether a packet of this index may still come.
    ///
    /// # Errors
    /// [`Refused::Replayed`] and [`Refused::Late`].
    pub(super) fn judge(&self, index: u64) -> Result<(), Refused> {
        if index < self.floor {
            return Err(Refused::Late);
        }
        if !self.is_used() || index > self.highest {
            return Ok(());
        }
        let back = self.highest - index;
        if back >= u64::from(WINDOW_PACKETS) {
            Err(Refused::Late)
        } else if self.seen >> back & 1 == 1 {
            Err(Refused::Replayed)
        } else {
            Ok(())
        }
    }

    /// Remembers an index that was judged, after its packet has authenticated.
    pub(super) fn accept(&mut self, index: u64) {
        if !self.is_used() {
            (self.highest, self.seen) = (index, 1);
        } else if index > self.highest {
            let ahead = u32::try_from(index - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
        } else {
            let back = u32::try_from(self.highest - index).unwrap_or(u32::MAX);
            self.seen |= 1_u128.checked_shl(back).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(roll_over: u64, sequence: u64) -> Window {
        let mut window = Window::default();
        window.accept(roll_over << 16 | sequence);
        window
    }

    // RFC 3711 appendix A, at every border.
    #[test]
    fn a_sequence_number_is_placed_in_the_nearest_roll_over() {
        let last = u64::from(u32::MAX);
        let rows: [(u64, u64, u16, Result<u64, Refused>); 28] = [
            (0, 0, 0, Ok(0)),
            (0, 0, 0x8000, Ok(0)),
            (0, 0, 0x8001, Ok(0)),
            (0, 0, 0xffff, Ok(0)),
            (0, 0x7fff, 0xffff, Ok(0)),
            (0, 0x8000, 0, Ok(0)),
            (0, 0x8001, 0, Ok(1)),
            (0, 0x8001, 1, Ok(0)),
            (0, 0xffff, 0, Ok(1)),
            (0, 0xffff, 0x7ffe, Ok(1)),
            (0, 0xffff, 0x7fff, Ok(0)),
            (0, 0xffff, 0x8000, Ok(0)),
            (1, 0, 0xffff, Ok(0)),
            (1, 0, 0x8001, Ok(0)),
            (1, 0, 0x8000, Ok(1)),
            (1, 1, 0x8001, Ok(1)),
            (1, 1, 0x8002, Ok(0)),
            (1, 0x7ffe, 0xffff, Ok(0)),
            (1, 0x7fff, 0xffff, Ok(1)),
            (1, 0x8000, 0xffff, Ok(1)),
            (1, 0x8000, 0, Ok(1)),
            (1, 0x8001, 0, Ok(2)),
            (last, 0, 0xffff, Ok(last - 1)),
            (last, 0x7fff, 0xffff, Ok(last)),
            (last, 0xffff, 0xffff, Ok(last)),
            (last, 0xffff, 0x7fff, Ok(last)),
            (last, 0xffff, 0x7ffe, Err(Refused::Exhausted)),
            (last, 0x8001, 0, Err(Refused::Exhausted)),
        ];
        for (roll_over, last, sequence, expected) in rows {
            let expected = expected.map(|roll_over| roll_over << 16 | u64::from(sequence));
            let found = at(roll_over, last).estimate(sequence);
            assert_eq!(found, expected, "{roll_over}:{last:#x} then {sequence:#x}");
        }
    }

    #[test]
    fn a_window_that_begins_takes_any_sequence_number_in_its_roll_over() {
        for roll_over in [0, 1, 7, u32::MAX] {
            for sequence in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let mut window = Window::default();
                window.begin(roll_over);
                let index = window.estimate(sequence).unwrap();
                assert_eq!(index, u64::from(roll_over) << 16 | u64::from(sequence));
                assert_eq!(window.judge(index), Ok(()));
                assert_eq!((window.roll_over(), window.is_used()), (roll_over, false));
            }
        }
    }

    #[test]
    fn a_counter_that_is_set_leaves_a_floor_where_packets_were() {
        // Accepted before, counters set, and the index below which nothing comes any more.
        let rows: [(Option<u64>, &[u32], u64); 6] = [
            (None, &[1], 0),
            (None, &[1, 9], 0),
            (Some(0xfff0), &[1], 0x1_0000),
            (Some(0xfff0), &[1, 2], 0x1_0000),
            (Some(5), &[3], 0x3_0000),
            (Some(0x7_0000), &[8, u32::MAX], 0x8_0000),
        ];
        for (used, sets, floor) in rows {
            let mut window = Window::default();
            if let Some(index) = used {
                window.accept(index);
            }
            sets.iter().for_each(|roll_over| window.begin(*roll_over));
            for round in [0, 1] {
                assert_eq!(window.judge(floor), Ok(()), "{used:x?} {sets:?} {round}");
                let below = floor.checked_sub(1).map(|index| window.judge(index));
                assert_eq!(below, (floor > 0).then_some(Err(Refused::Late)), "{used:x?} {sets:?} {round}");
                // Packets since then move no floor.
                window.accept(floor + 1);
            }
        }
    }

    #[test]
    fn the_window_remembers_128_packets_across_every_border() {
        for highest in [127, 128, 200, 0xffff, 0x1_0000, 0x1_0040, (1 << 31) - 1, (1 << 48) - 1_u64] {
            let mut window = Window::default();
            window.accept(highest);
            for back in 0..140.min(highest + 1) {
                let expected = match back {
                    0 => Err(Refused::Replayed),
                    1..128 => Ok(()),
                    _ => Err(Refused::Late),
                };
                assert_eq!(window.judge(highest - back), expected, "{highest} less {back}");
            }
            window.accept(highest - 127);
            assert_eq!(window.judge(highest - 127), Err(Refused::Replayed));
            for ahead in [1, 126, 127, 128, 129, 1 << 20, 1 << 40] {
                let mut moved = window;
                assert_eq!(moved.judge(highest + ahead), Ok(()));
                moved.accept(highest + ahead);
                let expected = if ahead < 128 { Err(Refused::Replayed) } else { Err(Refused::Late) };
                assert_eq!(moved.judge(highest), expected, "{highest} and {ahead}");
                assert_eq!(moved.judge(highest + ahead), Err(Refused::Replayed));
            }
        }
    }

    proptest! {
        // Against a plain set of all that was there, with steps that cross the wrap and jump out of the window.
        #[test]
        fn the_window_agrees_with_a_set(start in 0_u64..0x3_0000, steps in prop::collection::vec(-160_i64..160, 1..300)) {
            let (mut window, mut seen, mut highest) = (Window::default(), BTreeSet::new(), None::<u64>);
            let mut index = start + 1_000;
            for step in steps {
                index = index.saturating_add_signed(step);
                let expected = match highest {
                    Some(highest) if index + 128 <= highest => Err(Refused::Late),
                    _ if seen.contains(&index) => Err(Refused::Replayed),
                    _ => Ok(()),
                };
                prop_assert_eq!(window.judge(index), expected);
                if expected.is_ok() {
                    // The sequence number alone leads back to the index.
                    prop_assert_eq!(window.estimate(index as u16), match highest {
                        Some(_) => Ok(index),
                        None => Ok(index & 0xffff),
                    });
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(Some(index));
                }
                prop_assert_eq!(u64::from(window.roll_over()), highest.unwrap_or(0) >> 16);
            }
        }
    }
}
