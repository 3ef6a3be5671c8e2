//! What costs memory and what does not, by the allocator's own count: a dropped packet none, a held call little.
//!
//! Owns the list of packets that an outsider can send as many of as he likes, and the bound of DESIGN.md §7.

#![allow(clippy::print_stderr, reason = "a measurement says what it measured")]

#[path = "../benches/site/mod.rs"]
mod site;

use std::time::Duration;

use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};
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
