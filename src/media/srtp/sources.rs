//! The windows of the sources that one key serves, within a bound.
//!
//! Owns the table; a source stands in it only after a packet of its own has authenticated, or because the caller set
//! its roll-over counter. Read first: RFC 3711 §3.2.3.

use super::Refused;
use super::window::Window;

/// Sources that one key serves in one direction at most. None is forgotten: what was recorded of a forgotten source
/// could be replayed. A far side that takes another SSRC at each hold uses them up: the session then says
/// [`Refused::Sources`], and the caller agrees on a new key, under which all places are free (`rekey`).
pub const SOURCES_MAX: usize = 64;

/// Windows by SSRC.
#[derive(Debug, Default)]
pub(super) struct Sources {
    windows: Vec<(u32, Window)>,
    /// Where the last one was found: a stream's packets follow one another.
    last: usize,
}

impl Sources {
    /// The window of a source; `None` for one that is not known.
    pub(super) fn find(&mut self, ssrc: u32) -> Option<&mut Window> {
        if self.windows.get(self.last).is_none_or(|(known, _)| *known != ssrc) {
            self.last = self.windows.iter().position(|(known, _)| *known == ssrc)?;
        }
        self.windows.get_mut(self.last).map(|(_, window)| window)
    }

    /// A copy of the window of a source.
    pub(super) fn peek(&self, ssrc: u32) -> Option<Window> {
        self.windows.iter().find(|(known, _)| *known == ssrc).map(|(_, window)| *window)
    }

    /// Whether a source may still be entered, or is there.
    pub(super) fn takes(&mut self, ssrc: u32) -> bool {
        self.windows.len() < SOURCES_MAX || self.find(ssrc).is_some()
    }

    /// Remembers an index of a packet that authenticated.
    ///
    /// # Errors
    /// [`Refused::Sources`] when the source is one too many.
    pub(super) fn accept(&mut self, ssrc: u32, index: u64) -> Result<(), Refused> {
        self.enter(ssrc)?.accept(index);
        Ok(())
    }

    /// Has a source stand as this window says.
    ///
    /// # Errors
    /// [`Refused::Sources`] when the source is one too many.
    pub(super) fn put(&mut self, ssrc: u32, window: Window) -> Result<(), Refused> {
        *self.enter(ssrc)? = window;
        Ok(())
    }

    /// Whether no source is known.
    pub(super) const fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Says which roll-over counter a source has from its next packet on.
    ///
    /// # Errors
    /// [`Refused::Behind`] when it would go back, [`Refused::Sources`] when the source is one too many.
    pub(super) fn set_roll_over(&mut self, ssrc: u32, roll_over: u32) -> Result<(), Refused> {
        let window = self.enter(ssrc)?;
        if roll_over == window.roll_over() {
            return Ok(());
        }
        // Indices that were there would be there again: to a sender two packets under one key stream, to a receiver replays.
        if roll_over < window.roll_over() {
            return Err(Refused::Behind);
        }
        window.begin(roll_over);
        Ok(())
    }

    /// Forgets one source, when another table has it.
    pub(super) fn remove(&mut self, ssrc: u32) {
        self.windows.retain(|(known, _)| *known != ssrc);
    }

    /// How many sources are known.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.windows.len()
    }

    /// Takes over the windows of sources that are not known here, as far as there is room.
    pub(super) fn inherit(&mut self, other: Self) {
        for (ssrc, window) in other.windows {
            if self.windows.len() < SOURCES_MAX && self.find(ssrc).is_none() {
                self.windows.push((ssrc, window));
            }
        }
    }

    fn enter(&mut self, ssrc: u32) -> Result<&mut Window, Refused> {
        if self.find(ssrc).is_none() {
            if self.windows.len() >= SOURCES_MAX {
                return Err(Refused::Sources);
            }
            self.last = self.windows.len();
            if self.windows.is_empty() {
                // Nearly every key serves one source all its time.
                self.windows.reserve_exact(1);
            }
            self.windows.push((ssrc, Window::default()));
        }
        self.windows.get_mut(self.last).map(|(_, window)| window).ok_or(Refused::Sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_bounded_and_none_is_forgotten() {
        let mut sources = Sources::default();
        for ssrc in 0..SOURCES_MAX as u32 {
            assert!(sources.takes(ssrc) && sources.find(ssrc).is_none() && sources.peek(ssrc).is_none());
            assert_eq!(sources.accept(ssrc, 5), Ok(()));
        }
        assert!(!sources.takes(1_000) && sources.takes(3));
        assert_eq!(sources.accept(1_000, 5), Err(Refused::Sources));
        assert_eq!(sources.set_roll_over(1_000, 5), Err(Refused::Sources));
        for ssrc in (0..SOURCES_MAX as u32).rev() {
            assert_eq!(sources.find(ssrc).map(|window| window.judge(5)), Some(Err(Refused::Replayed)));
            assert_eq!(sources.peek(ssrc).map(|window| window.judge(6)), Some(Ok(())));
        }
        let mut other = Sources::default();
        assert_eq!(other.accept(2_000, 9), Ok(()));
        sources.inherit(other);
        assert!(sources.peek(2_000).is_none(), "a full table inherits nothing");
        sources.remove(7);
        assert_eq!(sources.accept(1_000, 5), Ok(()));
        assert!(sources.peek(7).is_none());
        let mut heir = Sources::default();
        assert_eq!(heir.accept(8, 4), Ok(()));
        heir.inherit(sources);
        assert_eq!(heir.peek(8).map(|window| window.judge(5)), Some(Ok(())), "what is known stays");
        assert_eq!(heir.peek(9).map(|window| window.judge(5)), Some(Err(Refused::Replayed)));
    }

    #[test]
    fn a_roll_over_counter_is_set_ahead_and_never_back() {
        let mut sources = Sources::default();
        assert_eq!(sources.set_roll_over(1, 3), Ok(()));
        assert_eq!(sources.peek(1).map(|window| window.estimate(65_535)), Some(Ok(0x3_ffff)));
        assert_eq!(sources.accept(1, 0x3_ffff), Ok(()));
        assert_eq!(sources.set_roll_over(1, 2), Err(Refused::Behind));
        assert_eq!(sources.set_roll_over(1, 3), Ok(()));
        assert_eq!(sources.peek(1).map(|window| window.judge(0x3_ffff)), Some(Err(Refused::Replayed)));
        assert_eq!(sources.set_roll_over(1, 4), Ok(()));
        assert_eq!(sources.peek(1).map(|window| window.estimate(65_535)), Some(Ok(0x4_ffff)));
        assert_eq!(sources.set_roll_over(1, 3), Err(Refused::Behind), "packets of 3 were there");
    }
}
