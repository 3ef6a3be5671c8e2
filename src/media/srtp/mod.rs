//! SRTP and SRTCP: packets protected and opened in the caller's buffer, and the keys in SDP.
//!
//! Owns ciphers, tags, roll-over, replay, lifetimes and re-keying. Refuses to know where a packet came from and whose
//! call it is. A packet that does not authenticate leaves nothing behind: no state, no allocation.
//! Read first: RFC 3711 §3, §4, §9; RFC 6188; RFC 7714; RFC 4568.

mod counter;
mod derive;
mod history;
mod inbound;
mod key;
mod mac;
mod outbound;
pub mod sdes;
mod sources;
mod suite;
mod transform;
mod window;

use std::fmt;

pub use history::{KEYS_MAX, Rekeyed};
pub use inbound::Inbound;
pub use key::{KeyLength, MasterKey, Mki};
pub use outbound::{Outbound, RollOver};
pub use sources::SOURCES_MAX;
pub use suite::Suite;
pub use window::WINDOW_PACKETS;

use super::rtp::BadPacket;

/// SRTP packets that one master key protects at most (RFC 3711 §9.2).
pub const SRTP_PACKETS_MAX: u64 = 1 << 48;
/// SRTCP packets that one master key protects at most (RFC 3711 §9.2).
pub const SRTCP_PACKETS_MAX: u64 = 1 << 31;
/// Octets that protection adds to a packet at most, RTP or RTCP, without MKI: what the caller's buffer has room for.
pub const TRAILER_OCTETS_MAX: usize = 20;

/// Why a packet was neither protected nor opened. What stands in the buffer then is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It is no RTP or RTCP, or too short for its trailer.
    Packet(BadPacket),
    /// Its tag is not what the key makes of it.
    Unauthentic,
    /// It carries another master key identifier than was agreed.
    Mki,
    /// An SRTCP packet without the E bit, where encryption was agreed.
    Unencrypted,
    /// Its index was there before.
    Replayed,
    /// Its index is further back than the window remembers.
    Late,
    /// Ours, or authentic, but of one source more than [`SOURCES_MAX`]: until the key changes, the source is mute.
    Sources,
    /// The key has served all the packets it may; a new one is needed.
    Exhausted,
    /// The buffer has no room for the trailer, or the packet would be longer than a media packet may be.
    Room,
    /// A roll-over counter was to be set back.
    Behind,
    /// The key that was given was in use before.
    Retired,
    /// The session had [`KEYS_MAX`] keys.
    Keys,
}

impl Refused {
    /// Whether a key that the session never had is the cure: the caller agrees on one with the peer.
    #[must_use]
    pub const fn wants_key(self) -> bool {
        match self {
            Self::Sources | Self::Exhausted | Self::Retired => true,
            Self::Packet(_)
            | Self::Unauthentic
            | Self::Mki
            | Self::Unencrypted
            | Self::Replayed
            | Self::Late
            | Self::Room
            | Self::Behind
            | Self::Keys => false,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Packet(cause) => return cause.fmt(f),
            Self::Unauthentic => "tag does not match",
            Self::Mki => "master key identifier does not match",
            Self::Unencrypted => "SRTCP packet is not encrypted",
            Self::Replayed => "packet was there before",
            Self::Late => "packet is older than the replay window",
            Self::Sources => "key serves as many sources as it may; a new key makes room",
            Self::Exhausted => "key has served its lifetime",
            Self::Room => "no room for the trailer",
            Self::Behind => "roll-over counter cannot be set back",
            Self::Retired => "key was in use before; a new one is needed",
            Self::Keys => "session had as many keys as it may; a new session is needed",
        })
    }
}

impl std::error::Error for Refused {}

impl From<BadPacket> for Refused {
    fn from(cause: BadPacket) -> Self {
        Self::Packet(cause)
    }
}
