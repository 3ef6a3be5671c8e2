//! What a call asks of the relay, and what the relay tells of it.
//!
//! Owns the words between the two. Refuses to know sockets, SDP and calls: a session is a number here, a leg one of two.
//! Read first: RFC 3550 §11; RFC 5761; RFC 4568; RFC 5763.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::reach::Reach;
use super::srtp::{MasterKey, Mki, Suite};

/// Streams of one call at most.
pub const STREAMS_MAX: usize = 4;

/// The media of one call. Never used twice in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u64);

/// One of the two legs that a stream crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaLeg {
    /// The caller's.
    A,
    /// The callee's.
    B,
}

impl MediaLeg {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Where a stream of one leg stands: call, leg and place among the `m=` lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The call's media.
    pub media: MediaId,
    /// The leg.
    pub leg: MediaLeg,
    /// The stream, from 0, below [`STREAMS_MAX`].
    pub stream: u8,
}

/// What is asked. The relay never answers but by [`News`]; an order for what it does not have is ignored.
#[derive(Debug)]
pub enum Order {
    /// Open the sockets of a stream on one leg; what they had before on this spot is closed.
    Open {
        /// Which.
        spot: Spot,
        /// Where.
        local: Local,
    },
    /// From now on these terms hold for the spot. Nothing crosses before both legs have theirs.
    Set {
        /// Which.
        spot: Spot,
        /// The terms.
        terms: Box<Terms>,
    },
    /// Close the sockets of one spot.
    Shut {
        /// Which.
        spot: Spot,
    },
    /// The call is over: close everything of it and tell what was counted.
    Close {
        /// Which.
        media: MediaId,
    },
}

/// Our own end of a stream on one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The address to bind.
    pub bind: IpAddr,
    /// The port for RTP.
    pub rtp: u16,
    /// The port for RTCP; `None` where it shares the one for RTP (RFC 5761).
    pub rtcp: Option<u16>,
}

/// What holds between us and the peer of one leg for one stream.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where the peer wants RTP; `None` where the stream is off.
    pub remote: Option<SocketAddr>,
    /// Where it wants RTCP: the same as `remote` where they share a port.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether the peer may send, as negotiated; RTCP flows whatever it says.
    pub receives: bool,
    /// Whether the peer wants to hear.
    pub sends: bool,
    /// How packets of this leg are protected.
    pub protection: Protection,
    /// Whether no early dialog has won yet: then they take turns, and a key that comes back is no old one.
    pub early: bool,
    /// From where packets are taken.
    pub learning: Learning,
    /// Payload types that the peer may send; others are dropped and counted.
    pub formats: SmallVec<[u8; 8]>,
    /// Among them, the one that carries RFC 4733 events.
    pub events: Option<u8>,
    /// Clock rate of the first format, in Hz: jitter is told in time.
    pub clock_rate: u32,
    /// Packets a second from the peer at most; others are dropped and counted.
    pub packets_per_second_max: u32,
    /// The DSCP of packets to the peer, 0 to 63.
    pub dscp: u8,
    /// No packet, RTP or RTCP, from the peer for so long while it may send is told once; `None` never.
    pub silence: Option<Duration>,
}

/// Protection of one leg.
#[derive(Debug, Clone)]
pub enum Protection {
    /// RTP as it is.
    Plain,
    /// SRTP under keys of SDES. A key that stays, stays with its windows (RFC 4568 §7.1.4).
    Srtp {
        /// The peer's key.
        inbound: MasterKey,
        /// What its packets carry.
        mki: Mki,
        /// Ours.
        outbound: MasterKey,
        /// Packets that the peer's key serves at most: the lifetime on its line is that of its own key (RFC 4568 §6.1).
        lifetime: u64,
    },
    /// Keys come from a handshake on the stream's own path (RFC 5763, 5764).
    Dtls {
        /// Whether we open the handshake.
        active: bool,
        /// What the peer's certificate must hash to.
        fingerprint: Fingerprint,
        /// Suites that may come of it; no other does.
        suites: Arc<[Suite]>,
    },
}

/// A certificate's hash as SDP says it (RFC 8122 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash's name, in lower case: `sha-256`, `sha-384`, `sha-512`.
    pub hash: Arc<str>,
    /// Its octets.
    pub octets: SmallVec<[u8; 64]>,
}

/// From where a leg's packets are taken. Nothing is ever sent to a place that this does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learning {
    /// The signalled address and port alone.
    Signalled,
    /// A packet that authenticates says where the peer is, and a later one that it has moved, within these bounds: who
    /// has a key is no master of the source that it writes (SRTP alone).
    Authenticated(Reach),
    /// The first packet from within these bounds says it (RTP, for a peer behind NAT whose policy says so).
    Networks(Reach),
    /// The same of an emergency's peer that named no place which may be sent to: it is looked for, with a key or without.
    Sought(Reach),
}

/// What the relay tells.
#[derive(Debug)]
pub enum News {
    /// A socket could not be opened: this call has no media there.
    Failed {
        /// Which.
        spot: Spot,
        /// What the system said.
        why: String,
    },
    /// A handshake of DTLS has proven nobody in its time: this call has no media there.
    Unproven {
        /// Which.
        spot: Spot,
        /// What its last word was.
        why: String,
    },
    /// Nothing came from the peer for as long as its terms say; told again only after something came.
    Silent {
        /// Which.
        spot: Spot,
        /// The peer of the other leg was heard a moment ago: it is this one alone that is not heard, and not both since the same time.
        alone: bool,
    },
    /// Something came again after [`News::Silent`], or other terms have the silence begin anew or count no more.
    Heard {
        /// Which.
        spot: Spot,
    },
    /// A key of ours or of the peer's has served its lifetime: another must be agreed.
    Exhausted {
        /// Which.
        spot: Spot,
    },
    /// Packets that no term allows came: unknown sources, wrong tags. Told with the count at most once in ten seconds a call.
    Intruder {
        /// Which.
        spot: Spot,
        /// Where the last came from.
        source: SocketAddr,
        /// How many since it was told last.
        packets: u64,
    },
    /// What was counted, at the end of a call: two entries for each stream that had both legs, in the order of the streams.
    Report {
        /// Which.
        media: MediaId,
        /// What.
        streams: Vec<StreamReport>,
    },
}

/// What came from one peer on one stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamReport {
    /// Which leg's peer sent it, and which stream.
    pub spot: Spot,
    /// RTP packets taken.
    pub packets: u64,
    /// Their payload octets.
    pub octets: u64,
    /// Packets that never came, by sequence numbers (RFC 3550 §A.3).
    pub lost: u64,
    /// Interarrival jitter at the end (RFC 3550 §A.8).
    pub jitter: Duration,
    /// Older than the replay window remembers, or far from the sequence with none behind it (RFC 3550 A.1).
    pub late: u64,
    /// There before.
    pub replayed: u64,
    /// Wrong tag.
    pub unauthentic: u64,
    /// From a source that the terms do not allow.
    pub foreign: u64,
    /// No RTP, a format that was not negotiated, too large, over the rate, or while the peer may not send.
    pub refused: u64,
    /// RFC 4733 events heard: how often a key was pressed.
    pub events: u32,
    /// What a listener would say, 1.0 to 4.5 (ITU-T G.107, from loss and jitter), where at least one packet came.
    pub opinion: Option<f32>,
}
