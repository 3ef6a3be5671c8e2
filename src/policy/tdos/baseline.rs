//! How many calls a number or a trunk is used to, by the hour of the week.
//!
//! Owns the learning, which stops while a flood is met. Refuses to judge. Read first: spec/limits.md, "Detectors", baselines.

use crate::clock::Wall;

/// Hours of a week.
const WEEK: usize = 168;
/// Hours of a day.
const DAY: usize = 24;
/// Calls a minute stand in sixteenths.
const PARTS: u32 = 16;
/// The newest week counts for one part in so many.
const MEMORY: i32 = 4;

/// What is learnt: 336 octets, once an hour has ended.
#[derive(Debug, Clone, Default)]
pub struct Baseline {
    hours: Option<Box<[u16; WEEK]>>,
    /// Since 1970.
    hour: i64,
    calls: u32,
    /// A flood was met within this hour: nothing is learnt of it.
    spoilt: bool,
}

fn hour_of(now: Wall) -> i64 {
    now.micros().div_euclid(3_600_000_000)
}

fn place(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(WEEK as i64)).unwrap_or(0)
}

impl Baseline {
    /// One call; `spoilt` where a flood is met.
    pub fn count(&mut self, now: Wall, spoilt: bool) {
        let hour = hour_of(now);
        if hour != self.hour {
            self.learn();
            (self.hour, self.calls, self.spoilt) = (hour, 0, false);
        }
        self.calls = self.calls.saturating_add(1);
        self.spoilt |= spoilt;
    }

    fn learn(&mut self) {
        if self.calls == 0 || self.spoilt {
            return;
        }
        let mean = u16::try_from((self.calls.saturating_mul(PARTS) / 60).max(1)).unwrap_or(u16::MAX);
        let hours = self.hours.get_or_insert_with(|| Box::new([0; WEEK]));
        if let Some(known) = hours.get_mut(place(self.hour)) {
            let moved = i32::from(*known) + (i32::from(mean) - i32::from(*known)) / MEMORY;
            *known = if *known == 0 { mean } else { u16::try_from(moved).unwrap_or(mean) };
        }
    }

    /// Calls a minute that this hour is used to, in sixteenths: of the same hour last weeks, else of any day.
    #[must_use]
    pub fn sixteenths(&self, now: Wall) -> u32 {
        let Some(hours) = &self.hours else { return 0 };
        let here = place(hour_of(now));
        match hours.get(here) {
            Some(known) if *known > 0 => u32::from(*known),
            _ => hours.iter().skip(here % DAY).step_by(DAY).copied().max().map_or(0, u32::from),
        }
    }

    /// The most calls within a minute that are no flood.
    #[must_use]
    pub fn limit(&self, now: Wall, least: u32, times: u32) -> u32 {
        least.max(self.sixteenths(now).saturating_mul(times) / PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Wall {
        Wall::from_micros(hour * 3_600_000_000)
    }

    #[test]
    fn f7_a_busy_hour_raises_its_own_limit_and_a_flood_none() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.limit(at(9), 10, 4), 10);
        // Ten a minute from nine to ten.
        (0..600).for_each(|_| baseline.count(at(9), false));
        baseline.count(at(10), false);
        assert_eq!(baseline.limit(at(9 + 168), 10, 4), 40);
        assert_eq!(
            baseline.limit(at(9 + 24), 10, 4),
            40,
            "the same hour of another day, before that has its own"
        );
        assert_eq!(baseline.limit(at(11), 10, 4), 10);
        // A flood in the next week's hour teaches nothing.
        (0..60_000).for_each(|call| baseline.count(at(9 + 168), call > 100));
        baseline.count(at(10 + 168), false);
        assert_eq!(baseline.limit(at(9 + 336), 10, 4), 40);
        // What grows slowly is followed slowly.
        (0..1_200).for_each(|_| baseline.count(at(9 + 336), false));
        baseline.count(at(10 + 336), false);
        assert_eq!(baseline.limit(at(9 + 504), 10, 4), 50);
    }
}
