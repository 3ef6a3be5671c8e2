//! What was counted within the last while: a window that slides, in slices.
//!
//! Owns the arithmetic of slices. Refuses to know what is counted, and of whom. Read first: spec/limits.md, "all windows slide".

use std::time::Duration;

/// Slices of a window. One more than its length is cut into, so that none is shorter than it says: a window never lets more
/// through than its limit, wherever it begins.
const SLICES: usize = 13;

/// Amounts of the last while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The number of the newest slice.
    newest: u64,
    amounts: [u64; SLICES],
}

/// The slice that a moment is in, of a window so long. Each is a twelfth of it.
#[must_use]
pub fn slice(micros: u64, span: Duration) -> u64 {
    let twelfth = span / 12;
    micros / u64::try_from(twelfth.as_micros()).unwrap_or(u64::MAX).max(1)
}

impl Window {
    /// Nothing was counted by this slice.
    #[must_use]
    pub const fn new(slice: u64) -> Self {
        Self { newest: slice, amounts: [0; SLICES] }
    }

    /// What was counted in the window that ends in this slice.
    #[must_use]
    pub fn sum(&self, slice: u64) -> u64 {
        let age = slice.saturating_sub(self.newest);
        let kept = (SLICES as u64).saturating_sub(age);
        let kept = usize::try_from(kept).unwrap_or(SLICES);
        let newest = usize::try_from(self.newest % SLICES as u64).unwrap_or(0);
        (0..kept)
            .filter_map(|back| self.amounts.get((newest + SLICES - back) % SLICES))
            .fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    /// Counts so much more in this slice; what an older one is asked for goes into the newest.
    pub fn add(&mut self, slice: u64, amount: u64) {
        let gone = usize::try_from(slice.saturating_sub(self.newest)).unwrap_or(SLICES).min(SLICES);
        self.newest = self.newest.max(slice);
        let newest = usize::try_from(self.newest % SLICES as u64).unwrap_or(0);
        for back in 0..gone {
            if let Some(amount) = self.amounts.get_mut((newest + SLICES - back) % SLICES) {
                *amount = 0;
            }
        }
        if let Some(held) = self.amounts.get_mut(newest) {
            *held = held.saturating_add(amount);
        }
    }

    /// The newest slice that something was counted in.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    /// Its slices, the newest first.
    pub fn amounts(&self) -> impl Iterator<Item = u64> {
        let newest = usize::try_from(self.newest % SLICES as u64).unwrap_or(0);
        (0..SLICES).filter_map(move |back| self.amounts.get((newest + SLICES - back) % SLICES).copied())
    }

    /// A window from its slices, the newest first; more of them than it has are counted with the oldest.
    #[must_use]
    pub fn of(newest: u64, amounts: impl IntoIterator<Item = u64>) -> Self {
        let mut window = Self::new(newest);
        let at = usize::try_from(newest % SLICES as u64).unwrap_or(0);
        for (back, amount) in amounts.into_iter().enumerate() {
            let place = (at + SLICES - back.min(SLICES - 1)) % SLICES;
            if let Some(held) = window.amounts.get_mut(place) {
                *held = held.saturating_add(amount);
            }
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_window_is_read_again_as_it_was() {
        let mut window = Window::new(7);
        (7..30).for_each(|slice| window.add(slice, slice));
        let again = Window::of(window.newest(), window.amounts());
        assert_eq!(again, window);
        assert_eq!(again.sum(31), window.sum(31));
    }

    proptest! {
        /// Whatever was counted within the span before a moment is in the sum; what is older than one slice more is not.
        #[test]
        fn nothing_is_forgotten_too_early(gaps in prop::collection::vec(0_u64..2_000_000_000, 1..60)) {
            let (mut at, mut window, mut all) = (1 << 40, Window::new(slice(1 << 40, HOUR)), Vec::new());
            for gap in gaps {
                at += gap;
                window.add(slice(at, HOUR), 1);
                all.push(at);
                let (hour, slack) = (3_600_000_000_u64, 300_000_000);
                let within = |span: u64| all.iter().filter(|one| **one + span > at).count() as u64;
                let sum = window.sum(slice(at, HOUR));
                prop_assert!(within(hour) <= sum && sum <= within(hour + slack));
            }
        }
    }
}
