//! What the owner says of media: where it is received, and what each peer may.
//!
//! Owns words alone; `call/media.rs` says what they are for an anchor. Refuses to know SDP and keys.
//! Read first: RFC 3550 §11; RFC 4568 §6.2; RFC 2474.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::PeerSide;

/// Where media is received. A policy without it carries descriptions as they come, and sees no media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteMedia {
    /// Towards inside peers.
    pub inside: Place,
    /// Towards outside peers.
    pub outside: Place,
    /// For how long a port rests that came back.
    pub rest: Duration,
    /// Whether a peer may receive on this machine: a lab.
    pub loopback: bool,
}

impl SiteMedia {
    /// The ports that streams of both sides can take.
    #[must_use]
    pub fn ports_max(&self) -> usize {
        2 * (self.inside.streams() as usize + self.outside.streams() as usize)
    }

    /// The place towards the peers of a side.
    #[must_use]
    pub const fn place(&self, side: PeerSide) -> &Place {
        match side {
            PeerSide::Inside => &self.inside,
            PeerSide::Outside => &self.outside,
        }
    }
}

/// Where media of one side is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address that is bound.
    pub address: IpAddr,
    /// The address that is told.
    pub advertise: IpAddr,
    /// The ports.
    pub ports: RangeInclusive<u16>,
}

impl Place {
    /// How many streams its ports carry: each takes an even one and the next (RFC 3550 §11).
    #[must_use]
    pub fn streams(&self) -> u32 {
        let (first, last) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        last.div_ceil(2).saturating_sub(first.div_ceil(2))
    }
}

/// How a peer is offered the keys of SRTP; it may always offer the other way itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keying {
    /// In the description (RFC 4568).
    #[default]
    Sdes,
    /// By a handshake on the media's own path (RFC 5763).
    Dtls,
}

/// What a peer's media may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMedia {
    /// Where it may receive.
    pub networks: Arc<[IpNet]>,
    /// Codecs that may cross, by name; `None` for all that are known.
    pub codecs: Option<Arc<[Box<str>]>>,
    /// Suites of SRTP by their names in SDP, the first one first; `None` for all that are known.
    pub suites: Option<Arc<[Box<str>]>>,
    /// How it is offered keys.
    pub keying: Keying,
    /// Whether pictures may cross.
    pub video: bool,
    /// Whether it may be elsewhere than it says.
    pub behind_nat: bool,
    /// The DSCP of packets to it, 0 to 63.
    pub dscp: u8,
    /// Packets a second of one stream at most.
    pub packets_per_second_max: u32,
    /// For how long it may be silent while it may send.
    pub silence: Option<Duration>,
}

impl PeerMedia {
    /// What holds where nothing but its networks is said: speech, marked as such (RFC 4594 §4.1: EF), a minute of silence.
    #[must_use]
    pub fn of(networks: Arc<[IpNet]>) -> Self {
        Self {
            networks,
            codecs: None,
            suites: None,
            keying: Keying::default(),
            video: false,
            behind_nat: false,
            dscp: 46,
            packets_per_second_max: 500,
            silence: Some(Duration::from_mins(1)),
        }
    }
}

impl PeerMedia {
    /// What a peer's media may now and might not before, one sentence each.
    pub fn weaker_than(&self, before: &Self, name: &str, weaker: &mut Vec<String>) {
        for network in self.networks.iter() {
            if !before.networks.iter().any(|old| old.contains(network)) {
                weaker.push(format!("media of peer {name} may go to {network}"));
            }
        }
        let more = |old: &Option<Arc<[Box<str>]>>, new: &Option<Arc<[Box<str>]>>| match (old, new) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(old), Some(new)) => new.iter().any(|name| !old.contains(name)),
        };
        let opened = [
            (more(&before.codecs, &self.codecs), "may be of more codecs"),
            (more(&before.suites, &self.suites), "may be encrypted by more suites"),
            (self.video && !before.video, "may be pictures"),
            (self.behind_nat && !before.behind_nat, "may be elsewhere than it says"),
            (self.packets_per_second_max > before.packets_per_second_max, "may be more packets a second"),
            (
                self.silence.unwrap_or(Duration::MAX) > before.silence.unwrap_or(Duration::MAX),
                "may be silent for longer",
            ),
        ];
        let opened = opened.into_iter().filter(|(opened, _)| *opened);
        weaker.extend(opened.map(|(_, what)| format!("media of peer {name} {what}")));
    }
}
