//! Handshakes in the streams of a call: who may try, what passes before and after, and how it ends without keys.
//! Rows E8 to E11 of the attacks, where keys come from DTLS.

use std::sync::Arc;

use super::*;
use crate::media::dtls::tests::identity;
use crate::media::dtls::{Broken, Handshake, Identity, Keys, PROFILES, Step};
use crate::media::srtp::Inbound;

/// A phone that speaks DTLS, on one socket.
struct Shaker {
    identity: Arc<Identity>,
    handshake: Option<Handshake>,
    source: String,
    port: Port,
    keys: Option<(Outbound, Inbound)>,
    broken: Option<Broken>,
    /// Everything that it sent.
    sent: Vec<Vec<u8>>,
}

impl Shaker {
    fn new(source: &str, port: Port) -> Self {
        let (source, identity) = (source.to_owned(), identity());
        Self { identity, handshake: None, source, port, keys: None, broken: None, sent: Vec::new() }
    }

    fn begin(&mut self, edge: &Identity, active: bool, now: Tick) {
        let expected = (edge.fingerprint(), &PROFILES[..].into());
        self.handshake = Some(Handshake::new(&self.identity, expected, active, now));
        (self.keys, self.broken) = (None, None);
    }

    fn says(&mut self, now: Tick) -> Vec<Vec<u8>> {
        let (mut said, mut buffer) = (Vec::new(), [0; ROOM]);
        let Some(handshake) = &mut self.handshake else { return said };
        handshake.pass(now);
        loop {
            match handshake.step(&mut buffer) {
                Step::Send(octets) => said.push(buffer[..octets].to_vec()),
                Step::Keys(keys) => {
                    let Keys { inbound, outbound } = *keys;
                    self.keys = Some((Outbound::new(&outbound, u64::MAX), Inbound::new(&inbound, Mki::NONE)));
                }
                Step::Wait(_) => break,
                Step::Broken(broken) => {
                    self.broken = Some(broken);
                    break;
                }
            }
        }
        self.sent.extend_from_slice(&said);
        said
    }

    fn rtp(&mut self, sequence: u16) -> Vec<u8> {
        let mut packet = rtp(sequence);
        packet.resize(ROOM, 0);
        let octets = self.keys.as_mut().expect("keys").0.protect_rtp(&mut packet, 172).unwrap();
        packet.truncate(octets);
        packet
    }

    fn rtcp(&mut self) -> Vec<u8> {
        let mut packet = RTCP.to_vec();
        packet.resize(ROOM, 0);
        let octets = self.keys.as_mut().expect("keys").0.protect_rtcp(&mut packet, RTCP.len()).unwrap();
        packet.truncate(octets);
        packet
    }

    fn opens(&mut self, packet: &mut [u8]) -> usize {
        self.keys.as_mut().expect("keys").1.unprotect_rtp(packet).unwrap()
    }
}

/// The terms of a peer who is known by this certificate.
fn terms(remote: &str, active: bool, identity: &Identity) -> Terms {
    let (fingerprint, suites) = (identity.fingerprint().clone(), PROFILES[..].into());
    Terms { protection: Protection::Dtls { active, fingerprint, suites }, ..plain(remote) }
}

/// A call whose leg A speaks DTLS.
fn call_of(edge: &Arc<Identity>, a: Terms, shares_port: bool) -> Session {
    let mut session = Session::new(MediaId(7), Some(Arc::clone(edge)));
    session.open(MediaLeg::A, 0, shares_port);
    session.open(MediaLeg::B, 0, false);
    assert!(session.set(second(1), spot(MediaLeg::A), a).is_none());
    assert!(session.set(second(1), spot(MediaLeg::B), plain(B)).is_none());
    session
}

/// A datagram of the edge: from which socket, where to, and what.
type Said = (Port, SocketAddr, Vec<u8>);

/// What the edge has to say, and what it tells.
fn edge_says(session: &mut Session, now: Tick) -> (Vec<Said>, Vec<String>) {
    let (mut said, mut news, mut buffer) = (Vec::new(), Vec::new(), [0; ROOM]);
    let send = |stream: u8, departure: Departure, packet: &[u8]| {
        assert_eq!((stream, departure.leg, departure.octets), (0, MediaLeg::A, packet.len()));
        said.push((departure.port, departure.to, packet.to_vec()));
    };
    session.shake(now, &mut buffer, send, |told| {
        let News::Unproven { why, .. } = told else { panic!("{told:?}") };
        news.push(why);
    });
    (said, news)
}

/// Lets the edge and some phones talk for a second, a tenth at a time; what was told.
fn talk(session: &mut Session, from: u64, shakers: &mut [&mut Shaker]) -> Vec<String> {
    let mut news = Vec::new();
    for tenth in 0..10 {
        let now = Tick::from_micros(from * 1_000_000 + tenth * 100_000);
        for shaker in shakers.iter_mut() {
            for datagram in shaker.says(now) {
                pass(session, now, MediaLeg::A, shaker.port, &shaker.source, &datagram);
            }
        }
        let (said, told) = edge_says(session, now);
        news.extend(told);
        for (port, to, datagram) in said {
            let shaker = shakers.iter_mut().find(|shaker| shaker.port == port && at(&shaker.source) == to);
            let shaker = shaker.expect("nobody else hears anything");
            if let Some(handshake) = &mut shaker.handshake {
                handshake.take(now, &datagram);
            }
        }
    }
    news
}

/// A call with one phone on leg A that has keys.
fn shaken(active: bool) -> (Session, Shaker, Arc<Identity>) {
    let (edge, mut phone) = (identity(), Shaker::new(A, Port::Rtp));
    let mut session = call_of(&edge, terms(A, active, &phone.identity), true);
    phone.begin(&edge, !active, second(2));
    assert_eq!(talk(&mut session, 2, &mut [&mut phone]), [""; 0]);
    assert!(phone.keys.is_some());
    (session, phone, edge)
}

#[test]
fn nothing_passes_before_the_handshake_and_both_ways_after_it() {
    for (active, shares) in [(true, true), (true, false), (false, true), (false, false)] {
        let (edge, mut phone) = (identity(), Shaker::new(A, Port::Rtp));
        let mut second_one =
            Shaker { identity: Arc::clone(&phone.identity), ..Shaker::new(A_RTCP, Port::Rtcp) };
        let mut session = call_of(&edge, terms(A, active, &phone.identity), shares);
        assert_eq!(from_a(&mut session, A, &rtp(1)), Verdict::Drop(Cause::Early));
        let back = |session: &mut Session, n| pass(session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(n));
        assert_eq!(back(&mut session, 1).0, Verdict::Drop(Cause::Nowhere));
        phone.begin(&edge, !active, second(2));
        second_one.begin(&edge, !active, second(2));
        let mut both = if shares { vec![&mut phone] } else { vec![&mut phone, &mut second_one] };
        assert_eq!(talk(&mut session, 2, &mut both), [""; 0]);
        assert_eq!(from_a(&mut session, A, &phone.rtp(2)), to(MediaLeg::B, B, 172), "{active} {shares}");
        assert_eq!(from_a(&mut session, A, &rtp(3)), Verdict::Drop(Cause::Unauthentic));
        let (verdict, mut packet) = back(&mut session, 2);
        assert!(matches!(verdict, Verdict::Send(Departure { to, .. }) if to == at(A)));
        assert_ne!(packet[12..172], rtp(2)[12..]);
        assert_eq!(phone.opens(&mut packet), 172);
        assert_eq!(packet[..172], rtp(2));
        // RFC 5764 §3: RTCP has keys of its own where it has a socket of its own.
        let (reporter, port, source) =
            if shares { (&mut phone, Port::Rtp, A) } else { (&mut second_one, Port::Rtcp, A_RTCP) };
        let report = reporter.rtcp();
        let crossed = pass(&mut session, second(3), MediaLeg::A, port, source, &report).0;
        assert!(matches!(crossed, Verdict::Send(_)), "{crossed:?}");
        let [told, _] = reports(&session)[..] else { panic!("two") };
        assert_eq!((told.packets, told.refused, told.unauthentic), (1, 1, 1), "counted, what was too early");
    }
}

#[test]
fn e11_a_hello_of_a_stranger_is_not_heard_and_none_begins_what_is_ours_to_begin() {
    let edge = identity();
    for active in [false, true] {
        let (mut phone, mut stranger) = (Shaker::new(A, Port::Rtp), Shaker::new(ATTACKER, Port::Rtp));
        let mut session = call_of(&edge, terms(A, active, &phone.identity), true);
        edge_says(&mut session, second(2));
        stranger.begin(&edge, true, second(2));
        let hello = stranger.says(second(2)).remove(0);
        assert_eq!(from_a(&mut session, ATTACKER, &hello), Verdict::Drop(Cause::Foreign));
        assert!(edge_says(&mut session, second(2)).0.is_empty(), "and nobody answers it");
        // What is no first flight begins nothing, wherever it comes from.
        if !active {
            for other in
                [&hello[..13], &[&[20], &hello[1..]].concat(), &[&[22, 254, 253, 0, 1], &hello[5..]].concat()]
            {
                assert_eq!(from_a(&mut session, A, other), Verdict::Drop(Cause::Handshake));
            }
        }
        // RTCP has no socket of its own here.
        let other = pass(&mut session, second(2), MediaLeg::A, Port::Rtcp, A_RTCP, &hello).0;
        assert_eq!(other, Verdict::Drop(Cause::Handshake));
        phone.begin(&edge, !active, second(3));
        assert_eq!(talk(&mut session, 3, &mut [&mut phone]), [""; 0]);
        assert!(phone.keys.is_some() && stranger.keys.is_none());
        // And none after it: RFC 8842 §5.1, another needs another offer.
        stranger.source = A.to_owned();
        stranger.begin(&edge, true, second(5));
        talk(&mut session, 5, &mut [&mut stranger]);
        assert!(stranger.keys.is_none());
        assert_eq!(from_a(&mut session, A, &phone.rtp(9)), to(MediaLeg::B, B, 172));
    }
}

#[test]
fn e11_a_certificate_that_was_not_signalled_ends_the_leg_and_is_told_once() {
    for active in [true, false] {
        let (edge, mut phone) = (identity(), Shaker::new(A, Port::Rtp));
        let mut session = call_of(&edge, terms(A, active, &identity()), true);
        phone.begin(&edge, !active, second(2));
        let told = talk(&mut session, 2, &mut [&mut phone]);
        assert!(told.len() == 1 && told[0].contains("certificate"), "{told:?}");
        phone.begin(&edge, !active, second(4));
        assert_eq!(talk(&mut session, 4, &mut [&mut phone]), [""; 0]);
        assert!(phone.keys.is_none());
        assert_eq!(from_a(&mut session, A, &rtp(1)), Verdict::Drop(Cause::Early));
    }
}

#[test]
fn a_peer_behind_nat_is_found_among_others_of_its_networks_by_its_certificate() {
    let (edge, mut phone) = (identity(), Shaker::new("192.0.2.77:5555", Port::Rtp));
    let learning = Learning::Authenticated(reach(&["192.0.2.0/24"]));
    let mut session =
        call_of(&edge, Terms { learning, ..terms("192.0.2.1:4000", false, &phone.identity) }, true);
    let mut others: Vec<Shaker> =
        (0..3).map(|n| Shaker::new(&format!("192.0.2.{}:6000", 100 + n), Port::Rtp)).collect();
    others.iter_mut().for_each(|other| other.begin(&edge, true, second(2)));
    phone.begin(&edge, true, second(2));
    let mut all: Vec<&mut Shaker> = others.iter_mut().collect();
    all.push(&mut phone);
    assert_eq!(talk(&mut session, 2, &mut all), [""; 0], "a stranger ends nothing");
    assert!(phone.keys.is_some());
    // RFC 8446 §4.4: a client of DTLS 1.3 has keys before it is judged; they open nothing.
    for other in others.iter_mut().filter(|other| other.keys.is_some()) {
        let (source, packet) = (other.source.clone(), other.rtp(1));
        assert_eq!(from_a(&mut session, &source, &packet), Verdict::Drop(Cause::Unauthentic));
    }
    assert_eq!(from_a(&mut session, "192.0.2.77:5555", &phone.rtp(2)), to(MediaLeg::B, B, 172));
    let back = pass(&mut session, second(4), MediaLeg::B, Port::Rtp, B, &rtp(1)).0;
    assert!(matches!(back, Verdict::Send(Departure { to, .. }) if to == at("192.0.2.77:5555")));
    // They are counted, and told of.
    assert!(reports(&session)[0].unauthentic > 0);
    // Out of its networks nobody tries.
    let hello = phone.sent[0].clone();
    assert_eq!(from_a(&mut session, ATTACKER, &hello), Verdict::Drop(Cause::Foreign));
}

#[test]
fn a_flood_of_hellos_takes_no_place_from_the_signalled_address() {
    let (edge, mut phone) = (identity(), Shaker::new(A, Port::Rtp));
    let learning = Learning::Authenticated(reach(&["192.0.2.0/24"]));
    let mut session = call_of(&edge, Terms { learning, ..terms(A, false, &phone.identity) }, true);
    phone.begin(&edge, true, second(2));
    let hello = phone.says(second(2)).remove(0);
    let flood = |session: &mut Session, now: Tick| {
        for n in 0..200 {
            let source = format!("192.0.2.{}:{}", 10 + n % 100, 7_000 + n);
            pass(session, now, MediaLeg::A, Port::Rtp, &source, &hello);
        }
        session.shake(now, &mut [0; ROOM], |_, _, _| {}, |told| panic!("{told:?}"));
    };
    for turn in 0..20 {
        let now = Tick::from_micros(2_000_000 + turn * 100_000);
        flood(&mut session, now);
        for datagram in phone.says(now) {
            pass(&mut session, now, MediaLeg::A, Port::Rtp, A, &datagram);
        }
        for (_, to, datagram) in edge_says(&mut session, now).0 {
            if to == at(A) {
                phone.handshake.as_mut().unwrap().take(now, &datagram);
            }
        }
    }
    phone.says(second(4));
    assert!(phone.keys.is_some());
    assert_eq!(from_a(&mut session, A, &phone.rtp(2)), to(MediaLeg::B, B, 172));
}

#[test]
fn a_handshake_that_does_not_end_is_told_after_thirty_seconds_of_an_answered_call() {
    for active in [true, false] {
        let (edge, phone) = (identity(), identity());
        let early = |early| Terms { early, ..terms(A, active, &phone) };
        let mut session = call_of(&edge, early(true), true);
        let mut datagrams = 0;
        let mut until = |session: &mut Session, from: u64, seconds: u64| {
            for now in from..from + seconds {
                let (said, told) = edge_says(session, second(now));
                datagrams += said.len();
                if !told.is_empty() {
                    return Some((now, told));
                }
            }
            None
        };
        assert_eq!(until(&mut session, 1, 100), None, "it rings");
        assert!(session.set(second(101), spot(MediaLeg::A), early(false)).is_none());
        let (when, told) = until(&mut session, 101, 60).expect("it is told");
        assert_eq!((when, told.len()), (131, 1), "{told:?}");
        assert!(told[0].contains("within 30 s"), "{told:?}");
        assert_eq!(until(&mut session, 132, 60), None, "once");
        if active {
            // Eight in 5.6 seconds, and again after another.
            assert!((10..150).contains(&datagrams), "{datagrams}");
        } else {
            assert_eq!(datagrams, 0);
        }
    }
}

#[test]
fn e10_garbage_and_replays_end_no_handshake_and_no_call() {
    let (edge, mut phone) = (identity(), Shaker::new(A, Port::Rtp));
    let mut session = call_of(&edge, terms(A, false, &phone.identity), true);
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut garbage = |session: &mut Session, now: Tick| {
        for n in 0..100_usize {
            let mut datagram = vec![0; 1_000];
            for octet in &mut datagram {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                *octet = (noise >> 32) as u8;
            }
            // Half of them look like a first flight.
            datagram[..5].copy_from_slice(&[20 + (n % 44) as u8, 254, 253, 0, 0]);
            if n % 2 == 0 {
                datagram[0] = 22;
                datagram[13] = 1;
            }
            pass(session, now, MediaLeg::A, Port::Rtp, A, &datagram);
            assert!(edge_says(session, now).1.is_empty());
        }
    };
    garbage(&mut session, second(2));
    phone.begin(&edge, true, second(5));
    for from in 5..9 {
        assert_eq!(talk(&mut session, from, &mut [&mut phone]), [""; 0]);
    }
    assert!(phone.keys.is_some());
    assert_eq!(from_a(&mut session, A, &phone.rtp(2)), to(MediaLeg::B, B, 172));
    garbage(&mut session, second(10));
    let flights = phone.sent.clone();
    for datagram in flights.iter().chain(&flights) {
        pass(&mut session, second(12), MediaLeg::A, Port::Rtp, A, datagram);
        let (said, told) = edge_says(&mut session, second(12));
        assert!(told.is_empty() && said.len() <= 4 && said.iter().all(|(_, to, _)| *to == at(A)));
    }
    assert_eq!(from_a(&mut session, A, &phone.rtp(3)), to(MediaLeg::B, B, 172));
    // Long after, nobody asks again for what was said last: it is forgotten.
    let wakes = session.shake(second(60), &mut [0; ROOM], |_, _, _| {}, |told| panic!("{told:?}"));
    assert_eq!(wakes, None);
    let late = pass(&mut session, second(61), MediaLeg::A, Port::Rtp, A, &flights[0]).0;
    assert_eq!(late, Verdict::Drop(Cause::Handshake));
    assert_eq!(from_a(&mut session, A, &phone.rtp(4)), to(MediaLeg::B, B, 172));
}

#[test]
fn rfc_8842_terms_that_repeat_keep_the_keys_and_others_are_another_handshake() {
    let (mut session, mut phone, edge) = shaken(false);
    let known = Arc::clone(&phone.identity);
    let held = Terms { receives: false, sends: false, dscp: 0, ..terms(A, false, &known) };
    for again in [terms(A, false, &known), held, terms(A, false, &known)] {
        assert!(session.set(second(4), spot(MediaLeg::A), again).is_none());
        assert!(edge_says(&mut session, second(4)).0.is_empty());
    }
    assert_eq!(from_a(&mut session, A, &phone.rtp(5)), to(MediaLeg::B, B, 172));
    let elsewhere = "192.0.2.1:4400";
    let rows: [(&str, Terms, Shaker); 3] = [
        ("certificate", terms(A, false, &identity()), Shaker::new(A, Port::Rtp)),
        ("role", terms(A, true, &known), Shaker::new(A, Port::Rtp)),
        ("address", terms(elsewhere, false, &known), Shaker::new(elsewhere, Port::Rtp)),
    ];
    let mut now = 10;
    for (what, mut terms, mut next) in rows {
        let Protection::Dtls { active, fingerprint, .. } = &mut terms.protection else { panic!("DTLS") };
        *fingerprint = next.identity.fingerprint().clone();
        let active = *active;
        assert!(session.set(second(now), spot(MediaLeg::A), terms).is_none());
        let old = phone.rtp(100 + now as u16);
        let dropped = pass(&mut session, second(now), MediaLeg::A, Port::Rtp, &next.source, &old).0;
        assert_eq!(dropped, Verdict::Drop(Cause::Early), "{what}: the keys of before are over");
        next.begin(&edge, !active, second(now));
        assert_eq!(talk(&mut session, now, &mut [&mut next]), [""; 0], "{what}");
        let packet = next.rtp(7);
        let crosses = pass(&mut session, second(now + 1), MediaLeg::A, Port::Rtp, &next.source, &packet).0;
        assert_eq!(crosses, to(MediaLeg::B, B, 172), "{what}");
        now += 10;
    }
    // A stream that was off begins anew.
    session.shut(MediaLeg::A, 0);
    assert_eq!(edge_says(&mut session, second(60)).0.len(), 0);
}

#[test]
fn early_dialogs_that_take_turns_keep_their_keys_until_one_wins() {
    let other_place = "192.0.2.2:4000";
    let edge = identity();
    let (mut first, mut other) = (Shaker::new(A, Port::Rtp), Shaker::new(other_place, Port::Rtp));
    let early = |shaker: &Shaker, early| Terms { early, ..terms(&shaker.source, true, &shaker.identity) };
    let mut session = call_of(&edge, early(&first, true), true);
    first.begin(&edge, false, second(2));
    talk(&mut session, 2, &mut [&mut first]);
    assert!(session.set(second(3), spot(MediaLeg::A), early(&other, true)).is_none());
    other.begin(&edge, false, second(3));
    talk(&mut session, 3, &mut [&mut other]);
    assert_eq!(from_a(&mut session, other_place, &other.rtp(1)), to(MediaLeg::B, B, 172));
    assert!(session.set(second(4), spot(MediaLeg::A), early(&first, false)).is_none());
    assert!(edge_says(&mut session, second(4)).0.is_empty(), "no other handshake");
    assert_eq!(from_a(&mut session, A, &first.rtp(1)), to(MediaLeg::B, B, 172));
    let stale = other.rtp(2);
    assert!(matches!(from_a(&mut session, other_place, &stale), Verdict::Drop(_)));
    // The loser's are gone.
    assert!(session.set(second(6), spot(MediaLeg::A), early(&other, false)).is_none());
    assert!(!edge_says(&mut session, second(6)).0.is_empty());
    assert_eq!(from_a(&mut session, other_place, &stale), Verdict::Drop(Cause::Early));
}

#[test]
fn without_a_certificate_of_ours_nothing_passes_and_that_is_told() {
    let phone = identity();
    let mut session = Session::new(MediaId(7), None);
    session.open(MediaLeg::A, 0, true);
    let failed = session.set(second(1), spot(MediaLeg::A), terms(A, true, &phone));
    assert!(matches!(failed, Some(News::Failed { spot: found, .. }) if found == spot(MediaLeg::A)));
    assert_eq!(from_a(&mut session, A, &rtp(1)), Verdict::Drop(Cause::Early));
}
