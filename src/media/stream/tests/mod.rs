//! What the tables of streams share: a call of two peers, what they send, what becomes of it.

mod attacks;
mod handshakes;
mod terms;

use std::net::SocketAddr;

use smallvec::smallvec;

use super::*;
use crate::clock::Tick;
use crate::media::order::{Learning, MediaId, News, Protection, Spot, StreamReport, Terms};
use crate::media::reach::Reach;
use crate::media::srtp::{MasterKey, Mki, Outbound, Suite};

pub(super) const A: &str = "192.0.2.1:4000";
pub(super) const A_RTCP: &str = "192.0.2.1:4001";
pub(super) const B: &str = "198.51.100.2:6000";
pub(super) const ATTACKER: &str = "203.0.113.66:4000";
/// A port of ours, in the network of A.
pub(super) const OWN: &str = "192.0.2.250:20000";
pub(super) const ROOM: usize = 2_100;

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn second(n: u64) -> Tick {
    Tick::from_micros(n * 1_000_000)
}

pub(super) fn key(first: u8) -> MasterKey {
    MasterKey::new(Suite::AesCm128HmacSha1T80, &[first; 30]).unwrap()
}

/// These networks of a peer, and all that no peer may be.
pub(super) fn reach(networks: &[&str]) -> Reach {
    Reach {
        is_ipv4: true,
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        loopback: false,
        own: [(at(OWN).ip(), 20_000..=20_999)].into(),
    }
}

pub(super) fn plain(remote: &str) -> Terms {
    let remote = at(remote);
    Terms {
        remote: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        receives: true,
        sends: true,
        protection: Protection::Plain,
        early: false,
        learning: Learning::Signalled,
        formats: smallvec![8, 101],
        events: Some(101),
        clock_rate: 8_000,
        packets_per_second_max: 200,
        dscp: 46,
        silence: None,
    }
}

/// The peer sends under `theirs` and opens with `ours`.
pub(super) fn srtp(remote: &str, theirs: u8, ours: u8) -> Terms {
    let protection =
        Protection::Srtp { inbound: key(theirs), mki: Mki::NONE, outbound: key(ours), lifetime: 1 << 31 };
    Terms { protection, ..plain(remote) }
}

pub(super) fn spot(leg: MediaLeg) -> Spot {
    Spot { media: MediaId(7), leg, stream: 0 }
}

pub(super) fn call(a: Terms, b: Terms) -> Session {
    let mut session = Session::new(MediaId(7), None);
    for (leg, terms) in [(MediaLeg::A, a), (MediaLeg::B, b)] {
        session.open(leg, 0, false);
        assert!(session.set(second(1), spot(leg), terms).is_none());
    }
    session
}

pub(super) fn rtp(sequence: u16) -> Vec<u8> {
    rtp_of(0xcafe_babe, 8, sequence)
}

pub(super) fn rtp_of(ssrc: u32, format: u8, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, format];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(160 * u32::from(sequence)).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0xd5; 160]);
    packet
}

pub(super) const RTCP: [u8; 16] =
    [0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0x81, 203, 0, 1, 0xca, 0xfe, 0xba, 0xbe];

/// What a peer with this key sends.
pub(super) struct Phone(pub(super) Outbound);

impl Phone {
    pub(super) fn new(first: u8) -> Self {
        Self(Outbound::new(&key(first), u64::MAX))
    }

    pub(super) fn rtp(&mut self, sequence: u16) -> Vec<u8> {
        let mut packet = rtp(sequence);
        packet.resize(ROOM, 0);
        let octets = self.0.protect_rtp(&mut packet, 172).unwrap();
        packet.truncate(octets);
        packet
    }

    pub(super) fn rtcp(&mut self) -> Vec<u8> {
        let mut packet = RTCP.to_vec();
        packet.resize(ROOM, 0);
        let octets = self.0.protect_rtcp(&mut packet, RTCP.len()).unwrap();
        packet.truncate(octets);
        packet
    }
}

/// The verdict, and what then stands in the buffer.
pub(super) fn pass(
    session: &mut Session,
    now: Tick,
    leg: MediaLeg,
    port: Port,
    source: &str,
    packet: &[u8],
) -> (Verdict, Vec<u8>) {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len().max(ROOM), 0);
    let arrival = Arrival { stream: 0, leg, port, source: at(source) };
    let verdict = session.packet(now, arrival, &mut buffer, packet.len());
    if let Verdict::Send(departure) = verdict {
        buffer.truncate(departure.octets);
    }
    (verdict, buffer)
}

pub(super) fn from_a(session: &mut Session, source: &str, packet: &[u8]) -> Verdict {
    pass(session, second(2), MediaLeg::A, Port::Rtp, source, packet).0
}

pub(super) fn to(leg: MediaLeg, to: &str, octets: usize) -> Verdict {
    Verdict::Send(Departure { leg, port: Port::Rtp, to: at(to), octets })
}

pub(super) fn reports(session: &Session) -> Vec<StreamReport> {
    match session.report() {
        News::Report { streams, .. } => streams,
        News::Failed { .. }
        | News::Unproven { .. }
        | News::Silent { .. }
        | News::Heard { .. }
        | News::Exhausted { .. }
        | News::Intruder { .. } => {
            panic!("a report")
        }
    }
}

pub(super) fn told(session: &mut Session, now: Tick) -> Vec<String> {
    let mut all = Vec::new();
    session.tell(now, |news| {
        all.push(match news {
            News::Silent { spot, alone: true } => format!("silent {:?}", spot.leg),
            News::Silent { spot, alone: false } => format!("silent {:?} as the other", spot.leg),
            News::Heard { spot } => format!("heard {:?}", spot.leg),
            News::Exhausted { spot } => format!("exhausted {:?}", spot.leg),
            News::Intruder { spot, source, packets } => format!("intruder {:?} {source} {packets}", spot.leg),
            News::Failed { why, .. } | News::Unproven { why, .. } => why,
            News::Report { .. } => "report".to_owned(),
        });
    });
    all
}
