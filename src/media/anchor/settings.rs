//! What one leg has and may: where it receives, what must be encrypted, which codecs, where its peer may be.
//!
//! Owns the values alone; who composes them is the caller's. Read first: RFC 4568 §6.2; RFC 3551 §6.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::media::order::Fingerprint;
use crate::media::ports::PoolId;
use crate::media::reach::{Misplaced, Reach};
use crate::media::sdp::Codec;
use crate::media::srtp::Suite;

/// Suites that are offered where nothing else is said, the first one first: every peer has that one.
pub const SUITES: [Suite; 6] = [
    Suite::AesCm128HmacSha1T80,
    Suite::AeadAes256Gcm,
    Suite::AeadAes128Gcm,
    Suite::AesCm256HmacSha1T80,
    Suite::AesCm128HmacSha1T32,
    Suite::AesCm256HmacSha1T32,
];

const V4_ANY: Ipv4Net = Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0);
const V6_ANY: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0);

/// Codecs that cross where nothing else is said. RFC 4733 events cross whatever is listed.
pub const CODECS: [&str; 25] = [
    "PCMU", "PCMA", "G722", "opus", "G729", "G723", "G726-16", "G726-24", "G726-32", "G726-40", "GSM",
    "iLBC", "speex", "SILK", "AMR", "AMR-WB", "EVS", "L16", "CN", "H264", "H265", "VP8", "VP9", "AV1",
    "H263",
];

/// What one leg of a call has and may.
#[derive(Debug, Clone)]
pub struct LegSettings {
    /// The ports it takes, and with them the address it binds.
    pub pool: PoolId,
    /// The address that is told to its peer; of the family that is bound.
    pub advertise: IpAddr,
    /// What must be encrypted.
    pub demand: Demand,
    /// Whether the call is for help in danger to life (DESIGN.md law 3): what is amiss with a description costs it quality, and
    /// not the call.
    pub help: bool,
    /// Whether its signalling is encrypted: keys are told on such a leg alone.
    pub private: bool,
    /// How SRTP is offered.
    pub keying: Keying,
    /// The hash of our certificate; without one DTLS is neither offered nor accepted.
    pub fingerprint: Option<Fingerprint>,
    /// Suites that are offered in this order; no other is accepted.
    pub suites: Arc<[Suite]>,
    /// Codecs that may cross, by name.
    pub codecs: Arc<[Box<str>]>,
    /// Whether pictures may.
    pub video: bool,
    /// Where its peer may receive media.
    pub networks: Arc<[IpNet]>,
    /// Whether that may be this machine: a lab.
    pub loopback: bool,
    /// Where we ourselves receive: no peer does.
    pub own: Arc<[(IpAddr, RangeInclusive<u16>)]>,
    /// Whether its peer may be elsewhere than it says: behind NAT.
    pub behind_nat: bool,
    /// The DSCP of packets to its peer.
    pub dscp: u8,
    /// Packets a second of one stream from its peer at most.
    pub packets_per_second_max: u32,
    /// For how long its peer may be silent while it may send.
    pub silence: Option<Duration>,
}

/// What must be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// All of it.
    Required,
    /// Nothing: the peer is trusted with RTP by name. SRTP that it offers is taken, and stays.
    Plain,
    /// An emergency call: SRTP first, and RTP rather than none.
    Emergency,
}

/// How SRTP is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keying {
    /// Keys in the description (RFC 4568).
    Sdes,
    /// A handshake on the media's own path (RFC 5763).
    Dtls,
}

impl LegSettings {
    /// Whether a codec may cross.
    pub(super) fn lets(&self, codec: &Codec) -> bool {
        self.help || codec.is_events() || self.codecs.iter().any(|name| codec.is(name.as_bytes()))
    }

    /// Whether its peer may receive media there (attack row E7).
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, place: SocketAddr) -> Result<(), Misplaced> {
        self.reach().judge(place)
    }

    /// Whether it may for an emergency: outside its networks alone, too. The one who names it is a listed peer, and sends its
    /// speech from there; to ask for the network that an admin forgot to list would cost the call. What is reached wherever it
    /// is named (this machine, the link, a group, ourselves) is never sent to, whoever calls.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn judge_for_help(&self, place: SocketAddr) -> Result<(), Misplaced> {
        let anywhere = if place.is_ipv4() { IpNet::from(V4_ANY) } else { IpNet::from(V6_ANY) };
        Reach { networks: Arc::from([anywhere]), ..self.reach() }.judge(place)
    }

    /// Where its peer may be, for the relay to hold what it learns against.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach {
            is_ipv4: self.advertise.is_ipv4(),
            networks: Arc::clone(&self.networks),
            loopback: self.loopback,
            own: Arc::clone(&self.own),
        }
    }
}
