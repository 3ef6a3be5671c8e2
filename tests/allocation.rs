//! What costs memory and what does not, by the allocator's own count: a dropped packet none, a held call little.
//!
//! Owns the list of packets that an outsider can send as many of as he likes, and the bound of DESIGN.md §7.

#![allow(
    clippy::print_stderr,
    clippy::panic,
    reason = "a measurement says what it measured, and why it could not"
)]

#[path = "../benches/site/mod.rs"]
mod site;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringfence::clock::{Clock, Tick};
use ringfence::media::dtls::{Handshake, PROFILES, Step};
use ringfence::media::order::{Learning, MediaId, MediaLeg, Protection, Spot, Terms};
use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};
use ringfence::media::stream::{Arrival, Port, Session, Verdict};
use ringfence::net::relay::certificate;
use site::{Site, flow};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes this thread ever allocated.
fn allocated() -> u64 {
    tikv_jemalloc_ctl::thread::allocatedp::read().expect("the allocator keeps statistics").get()
}

#[test]
fn c1_a_dropped_packet_allocates_nothing() {
    let mut site = Site::new();
    let (stranger, trunk) = (flow(true, "198.18.0.9:5060"), flow(false, "203.0.113.10:5060"));
    let knock = site.invite("+12125550142");
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0123456789abcdef\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:c@d>;tag=2\r\nCall-ID: none\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    let garbage = [0xa5_u8; 400];
    for (what, from, bytes) in [
        ("an INVITE of a stranger", stranger, knock.as_bytes()),
        ("garbage of a stranger", stranger, garbage.as_slice()),
        ("nothing at all", stranger, b"".as_slice()),
        ("a keep-alive of a peer", trunk, b"\r\n\r\n".as_slice()),
        ("a response of a stranger", stranger, stray.as_bytes()),
    ] {
        // The first ones may be sampled, counted into a fresh entry, or begin an alert.
        (0..2_000).for_each(|_| site.frame(from, bytes));
        let before = allocated();
        (0..1_000).for_each(|_| site.frame(from, bytes));
        let each = (allocated() - before) / 1_000;
        // Folded alerts leave about once a second, whatever comes in: less than a byte for each packet.
        assert_eq!(each, 0, "{what} costs {each} bytes");
    }
}

/// Row E10: forged packets of ever new sources, beside those of a call; nothing is allocated for either, and a pair of
/// sessions is small. AWS-LC's contexts are not the allocator's and stand beside it, four for a pair under GCM.
#[test]
fn e10_a_media_packet_allocates_nothing_and_a_forged_one_leaves_nothing() {
    for suite in Suite::ALL {
        let key = MasterKey::new(suite, &vec![7; suite.master_octets()]).expect("its length");
        let before = live();
        let (mut sender, mut receiver) =
            (Box::new(Outbound::new(&key, u64::MAX)), Box::new(Inbound::new(&key, Mki::NONE)));
        let (mut packet, mut forged) = ([0x5a; 192], [0xa5; 192]);
        let mut pass = |sequence: u16| {
            packet[..4].copy_from_slice(&[0x80, 8, sequence.to_be_bytes()[0], sequence.to_be_bytes()[1]]);
            let length = sender.protect_rtp(&mut packet, 172).expect("a new index");
            assert_eq!(receiver.unprotect_rtp(&mut packet[..length]), Ok(172));
            forged[..2].copy_from_slice(&[0x80, 8]);
            forged[8..10].copy_from_slice(&sequence.to_be_bytes());
            assert!(receiver.unprotect_rtp(&mut forged).is_err());
            forged[1] = 201;
            assert!(receiver.unprotect_rtcp(&mut forged).is_err());
        };
        pass(0);
        let held = live() - before;
        let before = allocated();
        (1..=1_000).for_each(&mut pass);
        assert_eq!(allocated(), before, "{suite:?}");
        eprintln!("{}: a session both ways holds {held} bytes", suite.token());
        assert!(held < 4_000, "{suite:?}: {held}");
    }
}

/// What one leg agreed on, one stream of G.711.
fn terms(remote: &str, protection: Protection) -> Terms {
    let remote = Some(remote.parse().expect("an address"));
    Terms {
        remote,
        remote_rtcp: remote,
        receives: true,
        sends: true,
        protection,
        early: false,
        learning: Learning::Signalled,
        formats: [8].into_iter().collect(),
        events: None,
        clock_rate: 8_000,
        packets_per_second_max: 250,
        dscp: 46,
        silence: None,
    }
}

/// Row E8: packets of strangers at a call's port, beside those of its peer; and what an anchored call holds beside its
/// sockets, under the bound of DESIGN.md §7.
#[test]
fn e8_a_relayed_packet_allocates_nothing_whoever_sent_it() {
    let key = |n: u8| MasterKey::new(Suite::AesCm128HmacSha1T80, &[n; 30]).expect("its length");
    let keys =
        |n| Protection::Srtp { inbound: key(n), mki: Mki::NONE, outbound: key(n + 1), lifetime: 1 << 31 };
    let spot = |leg| Spot { media: MediaId(1), leg, stream: 0 };
    for (name, a, b) in
        [("RTP to RTP", Protection::Plain, Protection::Plain), ("SRTP to SRTP", keys(1), keys(3))]
    {
        let mut phone = matches!(a, Protection::Srtp { .. }).then(|| Outbound::new(&key(1), u64::MAX));
        let before = live();
        let mut session = Box::new(Session::new(MediaId(1), None));
        for (leg, remote, protection) in
            [(MediaLeg::A, "192.0.2.1:4000", a), (MediaLeg::B, "198.51.100.2:6000", b)]
        {
            session.open(leg, 0, true);
            assert!(session.set(Tick::ZERO, spot(leg), terms(remote, protection)).is_none());
        }
        let mut buffer = [0x5a; 2_048];
        let mut send = |sequence: u16, source: &str| {
            buffer[..2].copy_from_slice(&[0x80, 8]);
            buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
            buffer[8..12].copy_from_slice(&[7; 4]);
            let protect = |phone: &mut Outbound| phone.protect_rtp(&mut buffer, 172).expect("a new index");
            let octets = phone.as_mut().map_or(172, protect);
            let arrival = Arrival {
                stream: 0,
                leg: MediaLeg::A,
                port: Port::Rtp,
                source: source.parse().expect("an address"),
            };
            session.packet(Tick::from_micros(u64::from(sequence) * 20_000), arrival, &mut buffer, octets)
        };
        assert!(matches!(send(0, "192.0.2.1:4000"), Verdict::Send(_)));
        let (held, before) = (live() - before, allocated());
        for sequence in 1..=1_000 {
            assert!(matches!(send(2 * sequence, "192.0.2.1:4000"), Verdict::Send(_)));
            assert!(matches!(send(2 * sequence + 1, "203.0.113.9:4000"), Verdict::Drop(_)));
        }
        assert_eq!(allocated(), before, "{name}");
        eprintln!("{name}: the media of a call holds {held} bytes beside its sockets");
        assert!(held < 8_000, "{name}: {held}");
    }
}

/// Bytes this thread holds.
fn live() -> u64 {
    let freed =
        tikv_jemalloc_ctl::thread::deallocatedp::read().expect("the allocator keeps statistics").get();
    allocated() - freed
}

/// Bytes that each of so many calls keeps, once nothing of its setting up is left.
fn kept_by_a_held_call(mut site: Site, calls: u64) -> u64 {
    site.call();
    site.pass(Duration::from_secs(40));
    let before = live();
    (0..calls).for_each(|_| site.hold());
    site.pass(Duration::from_secs(40));
    (live() - before) / calls
}

/// DESIGN.md §7: what the engine keeps of a call whose media is anchored. What the relay keeps of it stands in
/// `e8_a_relayed_packet_allocates_nothing_whoever_sent_it`, and the two are one call's.
#[test]
fn a_held_call_whose_media_is_anchored_keeps_less_than_eight_kilobytes() {
    let each = kept_by_a_held_call(Site::anchored(), 5_000);
    eprintln!("a held call with anchored media: {each} bytes");
    assert!(each <= 8_000, "{each} bytes");
}

/// DESIGN.md §7. Both peers know neither session timers nor UPDATE, so that both session descriptions are kept.
#[test]
fn a_held_call_keeps_less_than_six_kilobytes() {
    let each = kept_by_a_held_call(Site::new(), 10_000);
    eprintln!("a held call: {each} bytes");
    assert!(each <= 6_000, "{each} bytes");
}

/// What a call holds whose one leg has its keys from handshakes: until both have keys, while the last flight may be asked for
/// again, and then.
#[test]
fn a_call_with_dtls_holds_little_once_nobody_asks_for_its_last_flight() {
    let clock = Clock::start();
    let somebody = || Arc::new(certificate(clock).expect("a certificate"));
    let (edge, peer, suites): (_, _, Arc<[Suite]>) = (somebody(), somebody(), PROFILES[..].into());
    let source: SocketAddr = "192.0.2.1:4000".parse().expect("an address");
    let spot = Spot { media: MediaId(1), leg: MediaLeg::A, stream: 0 };
    let started = std::time::Instant::now();
    let mut shaken = |_| {
        let before = live();
        let mut session = Box::new(Session::new(MediaId(1), Some(Arc::clone(&edge))));
        session.open(MediaLeg::A, 0, true);
        let (fingerprint, suites) = (peer.fingerprint().clone(), Arc::clone(&suites));
        let dtls = Protection::Dtls { active: false, fingerprint, suites: Arc::clone(&suites) };
        assert!(session.set(Tick::ZERO, spot, terms("192.0.2.1:4000", dtls)).is_none());
        let mut phone = Handshake::new(&peer, (edge.fingerprint(), &suites), true, Tick::ZERO);
        let (mut buffer, mut most, mut flight) = (vec![0; 4_096], 0, Vec::new());
        loop {
            match phone.step(&mut buffer) {
                Step::Send(octets) => {
                    let arrival = Arrival { stream: 0, leg: MediaLeg::A, port: Port::Rtp, source };
                    session.packet(Tick::ZERO, arrival, &mut buffer, octets);
                }
                Step::Wait(_) => {
                    session.shake(
                        Tick::ZERO,
                        &mut buffer,
                        |_, _, packet| flight.push(packet.to_vec()),
                        |news| panic!("{news:?}"),
                    );
                    most = most.max(live() - before);
                    if flight.is_empty() {
                        break;
                    }
                    flight.drain(..).for_each(|packet| phone.take(Tick::ZERO, &packet));
                }
                Step::Keys(_) => {}
                Step::Broken(broken) => panic!("{broken}"),
            }
        }
        drop((phone, buffer, flight));
        let held = live() - before;
        let nothing = |_, _, _: &[u8]| panic!("nothing is said");
        let later = Tick::ZERO.after(Duration::from_secs(30));
        let wakes = session.shake(later, &mut [0; 2_048], nothing, |news| panic!("{news:?}"));
        assert_eq!(wakes, None);
        let rest = live() - before;
        drop(session);
        (most, held, rest)
    };
    (0..20).map(&mut shaken).for_each(drop);
    let each = started.elapsed() / 20;
    let (most, held, rest) = shaken(0);
    eprintln!(
        "a leg with DTLS: {most} bytes amid the handshake with the phone's, {held} behind it, {rest} in the end"
    );
    eprintln!("a handshake of both sides: {each:?}");
    assert!(held < 40_000 && rest < 8_000, "{held} {rest}");
}
