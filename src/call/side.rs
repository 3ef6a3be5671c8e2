//! A leg's side, and what goes by the side of a leg: its timers, who is there, where its media runs.
//!
//! Owns these words. Refuses to know what a leg does.

use super::record::EndedBy;
use super::{Side, Timer};
use crate::media::order::MediaLeg;

impl Side {
    /// The other leg.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(super) const fn retransmit(self) -> Timer {
        match self {
            Self::A => Timer::Retransmit2xxA,
            Self::B => Timer::Retransmit2xxB,
        }
    }

    pub(super) const fn ack(self) -> Timer {
        match self {
            Self::A => Timer::AckA,
            Self::B => Timer::AckB,
        }
    }

    pub(super) const fn session(self) -> Timer {
        match self {
            Self::A => Timer::SessionA,
            Self::B => Timer::SessionB,
        }
    }

    /// Whose doing something is that comes from there.
    pub(super) const fn party(self) -> EndedBy {
        match self {
            Self::A => EndedBy::Caller,
            Self::B => EndedBy::Callee,
        }
    }

    pub(super) const fn media(self) -> MediaLeg {
        match self {
            Self::A => MediaLeg::A,
            Self::B => MediaLeg::B,
        }
    }
}
