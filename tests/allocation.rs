//! What costs memory and what does not, by the allocator's own count: a dropped packet none, a held call little.
//!
//! Owns the list of packets that an outsider can send as many of as he likes, and the bound of DESIGN.md §7.

#![allow(clippy::print_stderr, reason = "a measurement says what it measured")]

#[path = "../benches/site/mod.rs"]
mod site;

use std::time::Duration;

use ringfence::clock::Tick;
use ringfence::media::order::{Learning, MediaId, MediaLeg, Protection, Spot, Terms};
use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};
use ringfence::media::stream::{Arrival, Port, Session, Verdict};
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
        let mut session = Box::new(Session::new(MediaId(1)));
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

/// DESIGN.md §7. Both peers know neither session timers nor UPDATE, so that both session descriptions are kept.
#[test]
fn a_held_call_keeps_less_than_six_kilobytes() {
    const CALLS: u64 = 10_000;
    let mut site = Site::new();
    site.call();
    site.pass(Duration::from_secs(40));
    let before = live();
    (0..CALLS).for_each(|_| site.hold());
    site.pass(Duration::from_secs(40));
    let each = (live() - before) / CALLS;
    eprintln!("a held call: {each} bytes");
    assert!(each <= 6_000, "{each} bytes");
}
