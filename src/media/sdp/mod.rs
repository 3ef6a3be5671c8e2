//! Session descriptions: read strictly, held as values, written anew.
//!
//! Owns what a description says of media and how it is written. What is not known here is not kept, so it cannot cross.
//! Refuses to know offers, answers, policy and whose description it is.
//! Read first: RFC 8866 §5, §6, §9; RFC 3264 §5; RFC 4568 §4; RFC 5761 §5; RFC 8122 §5.

mod attribute;
mod fault;
mod format;
mod read;
mod word;
mod write;

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

pub use fault::Fault;
pub use format::{Codec, Format, PARAMETERS_BYTES_MAX};
pub use read::read;
pub use word::{WORD_BYTES_MAX, Word};
pub use write::Origin;

use super::order::Fingerprint;
use super::srtp::sdes::{Crypto, Unusable};

/// Octets of a description at most.
pub const DESCRIPTION_BYTES_MAX: usize = 16_384;
/// Lines of a description at most.
pub const LINES_MAX: usize = 512;
/// Octets of a line at most, without its end.
pub const LINE_BYTES_MAX: usize = 1_024;
/// `m=` lines at most.
pub const MEDIA_LINES_MAX: usize = 16;
/// Formats of one `m=` line at most.
pub const FORMATS_MAX: usize = 64;
/// `a=crypto` lines of one stream at most.
pub const CRYPTO_LINES_MAX: usize = 16;

/// What a description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Start and stop of its `t=` line; an answer repeats those of its offer.
    pub time: (u64, u64),
    /// Its `m=` lines, in their order.
    pub streams: Vec<Stream>,
}

/// One `m=` line with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What is heard or seen.
    pub kind: Kind,
    /// How it is carried.
    pub protocol: Protocol,
    /// Where it is received; 0 for a stream that is off.
    pub port: u16,
    /// The address beside it, its own or the session's.
    pub address: Option<IpAddr>,
    /// Where RTCP is received, if it is said (RFC 3605): a port, and an address where it is another one.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// Whether RTCP may share the port (RFC 5761).
    pub mux: bool,
    /// Which way it flows, as its sender sees it.
    pub direction: Direction,
    /// Its RTP formats that can be named, the preferred one first.
    pub formats: SmallVec<[Format; 4]>,
    /// The first word of its formats as it stood: an `m=` line that is refused repeats one.
    pub first: Word,
    /// Milliseconds of media that a packet should have.
    pub ptime: Option<u16>,
    /// Milliseconds of media that a packet may have.
    pub maxptime: Option<u16>,
    /// The usable keys, in their order.
    pub crypto: SmallVec<[Crypto; 1]>,
    /// Why the first unusable line of `a=crypto` is not, where there is one.
    pub unusable: Option<Unusable>,
    /// The strongest hash of the certificate for DTLS that is known here, its own or the session's.
    pub fingerprint: Option<Fingerprint>,
    /// Who opens the DTLS handshake.
    pub setup: Option<Setup>,
}

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Speech.
    Audio,
    /// Pictures.
    Video,
    /// Fax (T.38).
    Image,
    /// What nobody here knows.
    Other(Word),
}

/// How a stream is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// As RTP.
    Rtp(Profile),
    /// As what nobody here relays.
    Other(Word),
}

/// An RTP profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// How it is protected.
    pub security: Security,
    /// Whether it is one with early feedback (RFC 4585, RFC 5124).
    pub feedback: bool,
}

/// What a profile says of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Nothing: RTP/AVP, RTP/AVPF.
    Clear,
    /// SRTP under keys that stand in the description: RTP/SAVP, RTP/SAVPF.
    Sdes,
    /// SRTP under keys of a DTLS handshake: UDP/TLS/RTP/SAVP, UDP/TLS/RTP/SAVPF.
    Dtls,
}

impl Profile {
    /// Every profile and its name.
    const NAMES: [(Security, bool, &'static str); 6] = [
        (Security::Clear, false, "RTP/AVP"),
        (Security::Clear, true, "RTP/AVPF"),
        (Security::Sdes, false, "RTP/SAVP"),
        (Security::Sdes, true, "RTP/SAVPF"),
        (Security::Dtls, false, "UDP/TLS/RTP/SAVP"),
        (Security::Dtls, true, "UDP/TLS/RTP/SAVPF"),
    ];

    /// The name on the `m=` line.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match (self.security, self.feedback) {
            (Security::Clear, false) => "RTP/AVP",
            (Security::Clear, true) => "RTP/AVPF",
            (Security::Sdes, false) => "RTP/SAVP",
            (Security::Sdes, true) => "RTP/SAVPF",
            (Security::Dtls, false) => "UDP/TLS/RTP/SAVP",
            (Security::Dtls, true) => "UDP/TLS/RTP/SAVPF",
        }
    }

    fn read(token: &[u8]) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        let (security, feedback, _) = names.find(|(_, _, name)| name.as_bytes() == token)?;
        Some(Self { security, feedback })
    }
}

/// Which way a stream flows, as the sender of the description sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// It sends and receives.
    #[default]
    Both,
    /// It sends: hold.
    Send,
    /// It receives.
    Receive,
    /// Neither; RTCP flows.
    Neither,
}

impl Direction {
    /// From its two halves.
    #[must_use]
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::Both,
            (true, false) => Self::Send,
            (false, true) => Self::Receive,
            (false, false) => Self::Neither,
        }
    }

    /// Whether its sender sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::Both | Self::Send)
    }

    /// Whether its sender receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::Both | Self::Receive)
    }

    /// What of it is possible with a peer that says the other (RFC 3264 §6.1).
    #[must_use]
    pub const fn with(self, peer: Self) -> Self {
        Self::of(self.sends() && peer.receives(), self.receives() && peer.sends())
    }

    /// The attribute's name.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Both => "sendrecv",
            Self::Send => "sendonly",
            Self::Receive => "recvonly",
            Self::Neither => "inactive",
        }
    }

    fn read(name: &[u8]) -> Option<Self> {
        let all = [Self::Both, Self::Send, Self::Receive, Self::Neither];
        all.into_iter().find(|direction| direction.token().as_bytes() == name)
    }
}

/// Who opens a DTLS handshake (RFC 4145 §4, RFC 5763 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// The sender of the description.
    Active,
    /// Its receiver.
    Passive,
    /// The receiver chooses.
    Either,
    /// Nobody, for now.
    Hold,
}

impl Setup {
    /// The attribute's value.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Either => "actpass",
            Self::Hold => "holdconn",
        }
    }

    fn read(value: &[u8]) -> Option<Self> {
        let all = [Self::Active, Self::Passive, Self::Either, Self::Hold];
        all.into_iter().find(|setup| setup.token().as_bytes() == value)
    }
}

impl Stream {
    /// The profile of an RTP stream.
    #[must_use]
    pub const fn profile(&self) -> Option<Profile> {
        match self.protocol {
            Protocol::Rtp(profile) => Some(profile),
            Protocol::Other(_) => None,
        }
    }

    /// Where RTP is received; `None` where the stream is off.
    #[must_use]
    pub fn place(&self) -> Option<SocketAddr> {
        self.address.filter(|_| self.port != 0).map(|address| SocketAddr::new(address, self.port))
    }

    /// Where RTCP is received where it has a port of its own; `None` where there is none to have.
    #[must_use]
    pub fn rtcp_place(&self) -> Option<SocketAddr> {
        let place = self.place()?;
        match self.rtcp {
            Some((port, address)) => Some(SocketAddr::new(address.unwrap_or(place.ip()), port)),
            // RFC 3550 §11: the next port, where nothing else is said.
            None => Some(SocketAddr::new(place.ip(), place.port().checked_add(1)?)),
        }
    }

    /// The same line refused: as it was, with port 0 (RFC 3264 §6).
    #[must_use]
    pub fn off(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            protocol: self.protocol.clone(),
            port: 0,
            address: None,
            rtcp: None,
            mux: false,
            direction: Direction::Neither,
            formats: SmallVec::new(),
            first: self.first.clone(),
            ptime: None,
            maxptime: None,
            crypto: SmallVec::new(),
            unusable: None,
            fingerprint: None,
            setup: None,
        }
    }
}

#[cfg(test)]
mod tests;
