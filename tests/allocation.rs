//! What costs memory and what does not, by the allocator's own count: a dropped packet none, a held call little.
//!
//! Owns the list of packets that an outsider can send as many of as he likes, and the bound of DESIGN.md §7.

#![allow(clippy::print_stderr, reason = "a measurement says what it measured")]

#[path = "../benches/site/mod.rs"]
mod site;

use std::time::Duration;

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
