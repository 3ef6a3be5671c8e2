//! A call's streams under any orders and packets: nothing goes to a place that no terms named or taught, and nothing crosses
//! from a source that none allowed.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use ringfence::clock::{Clock, Tick};
use ringfence::media::dtls::{Identity, PROFILES};
use ringfence::media::order::{Fingerprint, Learning, MediaId, MediaLeg, News, Protection, Spot, Terms};
use ringfence::media::reach::Reach;
use ringfence::media::rtp::PACKET_OCTETS_MAX;
use ringfence::media::srtp::{MasterKey, Mki, SRTP_PACKETS_MAX, Suite, TRAILER_OCTETS_MAX};
use ringfence::media::stream::{Arrival, Departure, Port, Session, Verdict};
use ringfence::net::relay::certificate;

/// Signalled, beside it in its network, its port for RTCP, and somebody: of A and of B.
const PLACES: [&str; 8] = [
    "192.0.2.1:4000",
    "192.0.2.9:4000",
    "192.0.2.1:4001",
    "203.0.113.9:4000",
    "198.51.100.1:4000",
    "198.51.100.9:4000",
    "198.51.100.1:4001",
    "203.0.113.9:4001",
];

/// Who we are in handshakes.
static IDENTITY: LazyLock<Arc<Identity>> =
    LazyLock::new(|| Arc::new(certificate(Clock::start()).expect("a certificate")));

fn place(leg: MediaLeg, at: u8) -> SocketAddr {
    let first = if leg == MediaLeg::A { 0 } else { 4 };
    PLACES[first + usize::from(at % 4)].parse().expect("an address")
}

fn spot(leg: MediaLeg) -> Spot {
    Spot { media: MediaId(1), leg, stream: 0 }
}

/// Terms by the bits of two octets: protection and keys, learning, directions.
fn terms(leg: MediaLeg, first: u8, second: u8) -> Terms {
    let key = |n: u8| MasterKey::new(Suite::AeadAes128Gcm, &[n; 28]).expect("the suite's length");
    let protection = match first & 3 {
        0 | 1 => Protection::Plain,
        // Nobody has a certificate of this hash: a handshake never ends with keys.
        2 => Protection::Dtls {
            active: second & 1 == 1,
            fingerprint: Fingerprint { hash: "sha-256".into(), octets: [second & 3; 32][..].into() },
            suites: PROFILES[..].into(),
        },
        _ => Protection::Srtp {
            inbound: key(second & 7),
            mki: Mki::NONE,
            outbound: key(8 + (second >> 3 & 7)),
            lifetime: if first & 4 == 0 { SRTP_PACKETS_MAX } else { 2 },
        },
    };
    let networks = if leg == MediaLeg::A { "192.0.2.0/24" } else { "198.51.100.0/24" };
    let reach = Reach {
        is_ipv4: true,
        networks: Arc::new([networks.parse().expect("a network")]),
        loopback: false,
        own: Arc::new([]),
    };
    let learning = match first >> 3 & 3 {
        0 | 1 => Learning::Signalled,
        2 => Learning::Authenticated(reach),
        _ => Learning::Networks(reach),
    };
    Terms {
        remote: (first & 0x20 == 0).then(|| place(leg, 0)),
        remote_rtcp: Some(place(leg, 2)),
        receives: second & 0x40 == 0,
        sends: second & 0x80 == 0,
        protection,
        early: first & 0x80 == 0,
        learning,
        formats: [0, 8, 101].into_iter().collect(),
        events: Some(101),
        clock_rate: 8_000,
        packets_per_second_max: 50,
        dscp: 0,
        silence: (first & 0x40 == 0).then(|| std::time::Duration::from_secs(3)),
    }
}

/// The input is steps: an octet that says what, one or two more, and for a packet its length and octets.
pub fn entry(data: &[u8]) {
    let mut session = Session::new(MediaId(1), Some(Arc::clone(&IDENTITY)));
    let mut now = Tick::from_micros(1_000_000);
    let mut buffer = vec![0; PACKET_OCTETS_MAX + TRAILER_OCTETS_MAX + 64];
    let mut rest = data;
    while let [what, first, second, more @ ..] = rest {
        rest = more;
        let leg = if what & 1 == 0 { MediaLeg::A } else { MediaLeg::B };
        match what >> 1 & 7 {
            0 => session.open(leg, 0, first & 1 == 1),
            1 => session.shut(leg, 0),
            2 => drop(session.set(now, spot(leg), terms(leg, *first, *second))),
            3 => {
                now = now.after(std::time::Duration::from_millis(u64::from(*first) * 50));
                session.tell(now, |news| {
                    assert!(!matches!(
                        news,
                        News::Report { .. } | News::Failed { .. } | News::Unproven { .. }
                    ))
                });
            }
            _ => {
                let octets = usize::from(*second).min(more.len());
                let (packet, behind) = more.split_at(octets);
                rest = behind;
                buffer[..octets].copy_from_slice(packet);
                let port = if first & 1 == 0 { Port::Rtp } else { Port::Rtcp };
                let source = place(leg, first >> 1);
                pass(&mut session, now, Arrival { stream: 0, leg, port, source }, &mut buffer, octets);
            }
        }
        shake(&mut session, now, &mut buffer);
    }
    let News::Report { streams, .. } = session.report() else { panic!("a report") };
    assert!(streams.iter().all(|stream| stream.opinion.is_none_or(|opinion| (1.0..=4.5).contains(&opinion))));
}

fn pass(session: &mut Session, now: Tick, arrival: Arrival, buffer: &mut [u8], octets: usize) {
    let Verdict::Send(departure) = session.packet(now, arrival, buffer, octets) else { return };
    let other = arrival.leg.other();
    assert_eq!(departure.leg, other);
    assert!(departure.octets > 0 && departure.octets <= octets + TRAILER_OCTETS_MAX);
    // The fourth place of either is no network's, and no key is known to who aims at this.
    assert_ne!(arrival.source, place(arrival.leg, 3));
    assert!([0, 1, 2].map(|at| place(other, at)).contains(&departure.to), "{}", departure.to);
}

/// What handshakes say goes to a place that terms name or let try, is of a handshake, and comes to an end.
fn shake(session: &mut Session, now: Tick, buffer: &mut [u8]) {
    let mut said = 0;
    let send = |stream: u8, departure: Departure, packet: &[u8]| {
        said += 1;
        assert!(stream == 0 && packet.len() == departure.octets && matches!(packet, [20..=63, ..]));
        assert!([0, 1, 2].map(|at| place(departure.leg, at)).contains(&departure.to), "{}", departure.to);
    };
    let again = session.shake(now, buffer, send, |news| assert!(matches!(news, News::Unproven { .. })));
    assert!(again.is_none_or(|again| again > now), "it wants to be asked again at once");
    assert!(said <= 64, "{said} datagrams at once");
}
