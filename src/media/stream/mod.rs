//! One call's streams between its two legs: what is taken from whom, and where it goes on.
//!
//! Owns the way of a packet from one leg to the other in the caller's buffer, what is counted on it, and what is told
//! of it. Refuses to know sockets, calls and clocks: `now` is an argument. Nothing is remembered of a packet that its leg's terms do not
//! allow but its count. Read first: `order.rs`; RFC 3550 §11; RFC 3711 §3; RFC 5761 §4; RFC 5764 §5.

mod course;
mod guard;
mod opinion;
mod pace;
mod press;
mod reports;
mod session;
mod shaking;
mod side;
#[cfg(test)]
mod tests;
mod watch;

use std::net::SocketAddr;

pub use session::Session;

use super::order::MediaLeg;
use super::rtp::BadPacket;

/// Which of a stream's sockets on one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// The one for RTP, and for RTCP where they share it.
    Rtp,
    /// The one for RTCP alone.
    Rtcp,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The stream.
    pub stream: u8,
    /// On which leg.
    pub leg: MediaLeg,
    /// On which of its sockets.
    pub port: Port,
    /// From where.
    pub source: SocketAddr,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, on the other leg.
    Send(Departure),
    /// It was of a handshake, and is taken: [`Session::shake`] is to be asked what there is to say.
    Shake,
    /// It ends here, and was counted.
    Drop(Cause),
}

/// How a packet goes on, or one of ours leaves: the first `octets` of the buffer it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// On which leg.
    pub leg: MediaLeg,
    /// From which socket.
    pub port: Port,
    /// Where to.
    pub to: SocketAddr,
    /// How much.
    pub octets: usize,
}

/// Why a packet does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its leg has no terms yet, or no more.
    Early,
    /// Its source is none that the terms allow.
    Foreign,
    /// It comes from where the peer was until a moment ago.
    Moved,
    /// STUN: there is no ICE here, and nobody is answered.
    Stun,
    /// DTLS, where keys were agreed on otherwise, nobody waits for it, or it is none that begins one.
    Handshake,
    /// Nothing that this socket takes.
    Alien,
    /// No RTP or RTCP.
    Malformed(BadPacket),
    /// Its tag is not what the peer's key makes of it, or it says another key.
    Unauthentic,
    /// It was there before.
    Replayed,
    /// It is older than the replay window, or so far from the one before that another must follow it first.
    Late,
    /// The key has served: another must be agreed on.
    Worn,
    /// A format that was not negotiated.
    Format,
    /// The peer may not send just now.
    Muted,
    /// More packets than its terms allow.
    Pace,
    /// The peer of the other leg does not want to hear.
    Unheard,
    /// The other leg has no terms or no address for it.
    Nowhere,
}
