//! Rows E8 to E12 of the attack matrix.

use std::time::Duration;

use proptest::prelude::*;
use smallvec::smallvec;

use super::*;
use crate::media::order::Fingerprint;
use crate::media::srtp::Inbound;

#[test]
fn e8_packets_are_taken_from_where_the_terms_allow_and_from_nowhere_else() {
    let lan = Learning::Networks(reach(&["192.0.2.0/24"]));
    let learning = |terms: Terms, learning: &Learning| Terms { learning: learning.clone(), ..terms };
    let sent = to(MediaLeg::B, B, 172);
    let foreign = Verdict::Drop(Cause::Foreign);
    // Whose rule, where from, and what becomes of it; each of a new call.
    let rows = [
        ("signalled", Learning::Signalled, A, sent),
        ("signalled, another port", Learning::Signalled, "192.0.2.1:4002", foreign),
        ("signalled, its RTCP port", Learning::Signalled, A_RTCP, foreign),
        ("signalled, another address", Learning::Signalled, ATTACKER, foreign),
        (
            "plain has nothing to authenticate by",
            Learning::Authenticated(reach(&["0.0.0.0/0"])),
            ATTACKER,
            foreign,
        ),
        ("plain, as signalled", Learning::Authenticated(reach(&["0.0.0.0/0"])), A, sent),
        ("its network", lan.clone(), "192.0.2.99:9", sent),
        ("its network, as signalled", lan.clone(), A, sent),
        ("no network of its", lan.clone(), ATTACKER, foreign),
        ("our own port in its network", lan.clone(), OWN, foreign),
    ];
    for (what, rule, source, expected) in rows {
        let mut session = call(learning(plain(A), &rule), plain(B));
        assert_eq!(from_a(&mut session, source, &rtp(1)), expected, "{what}");
        // Nothing is ever sent to an unknown sender: what B says goes where A is known to be.
        let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(1)).0;
        let known = if expected == sent { source } else { A };
        assert_eq!(reply, to(MediaLeg::A, known, 172), "{what}");
    }
    let mut off = call(learning(Terms { remote: None, ..plain(A) }, &lan), plain(B));
    assert_eq!(from_a(&mut off, A, &rtp(1)), foreign, "a stream that is off takes nothing");
    assert_eq!(
        pass(&mut off, second(2), MediaLeg::B, Port::Rtp, B, &rtp(1)).0,
        Verdict::Drop(Cause::Nowhere)
    );
    // An emergency's peer that named no place: nothing is sent until it has spoken, and only where it may be.
    let sought = Learning::Sought(reach(&["192.0.2.0/24"]));
    let mut sought = call(learning(Terms { remote: None, ..plain(A) }, &sought), plain(B));
    let said = |session: &mut Session| pass(session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(1)).0;
    assert_eq!(said(&mut sought), Verdict::Drop(Cause::Nowhere));
    assert_eq!(from_a(&mut sought, ATTACKER, &rtp(1)), foreign);
    assert_eq!(from_a(&mut sought, "192.0.2.99:9", &rtp(1)), sent);
    let reply = pass(&mut sought, second(2), MediaLeg::B, Port::Rtp, B, &rtp(2)).0;
    assert_eq!(reply, to(MediaLeg::A, "192.0.2.99:9", 172));
    let mut nowhere = call(plain("0.0.0.0:4000"), plain(B));
    let reply = pass(&mut nowhere, second(2), MediaLeg::B, Port::Rtp, B, &rtp(1)).0;
    assert_eq!(reply, Verdict::Drop(Cause::Nowhere), "the unspecified address is our own to the system");
}

#[test]
fn e8_a_source_is_learned_once_and_only_from_a_packet_that_passed_every_check() {
    let lan = Learning::Networks(reach(&["192.0.2.0/24"]));
    let mut session = call(Terms { learning: lan, ..plain(A) }, plain(B));
    let (first, second_one) = ("192.0.2.50:9000", "192.0.2.51:9000");
    for (what, packet, cause) in [
        ("no media", vec![0x16; 40], Cause::Alien),
        ("a short one", rtp(1)[..11].to_vec(), Cause::Malformed(BadPacket::Short)),
        ("another format", rtp_of(1, 0, 1), Cause::Format),
    ] {
        let verdict = from_a(&mut session, second_one, &packet);
        assert!(
            matches!(verdict, Verdict::Drop(found) if found == cause || found == Cause::Handshake),
            "{what}: {verdict:?}"
        );
    }
    assert_eq!(from_a(&mut session, first, &rtp(1)), to(MediaLeg::B, B, 172));
    assert_eq!(from_a(&mut session, second_one, &rtp(2)), Verdict::Drop(Cause::Foreign));
    assert_eq!(from_a(&mut session, A, &rtp(2)), Verdict::Drop(Cause::Foreign), "nor what was signalled");
    assert_eq!(reports(&session)[0].foreign, 2);
}

#[test]
fn e8_srtp_learns_from_the_first_packet_that_authenticates() {
    let nat = "203.0.113.7:31234";
    let learning = Learning::Authenticated(reach(&["192.0.2.0/24", "203.0.113.0/28"]));
    let terms = || Terms { learning: learning.clone(), ..srtp(A, 1, 2) };
    let mut session = call(terms(), plain(B));
    let (mut phone, mut other) = (Phone::new(1), Phone::new(9));
    let first = phone.rtp(1);
    for (n, forged) in [rtp(1), other.rtp(1), vec![0x80; 40], vec![0x80, 8]].iter().enumerate() {
        assert!(matches!(from_a(&mut session, ATTACKER, forged), Verdict::Drop(_)));
        let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(n as u16)).0;
        assert!(matches!(reply, Verdict::Send(Departure { to, .. }) if to == at(A)), "{reply:?}");
    }
    assert_eq!(from_a(&mut session, nat, &first), to(MediaLeg::B, B, 172));
    let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(4)).0;
    assert_eq!(reply, to(MediaLeg::A, nat, 182));
    assert_eq!(
        from_a(&mut session, ATTACKER, &phone.rtp(2)),
        Verdict::Drop(Cause::Foreign),
        "a key opens its packets, and not every place"
    );
    // The peer moves: terms say another address. What was heard before teaches nothing.
    assert!(
        session
            .set(second(3), spot(MediaLeg::A), Terms { remote: Some(at("192.0.2.1:4444")), ..terms() })
            .is_none()
    );
    assert_eq!(from_a(&mut session, "203.0.113.8:4000", &first), Verdict::Drop(Cause::Replayed));
    assert_eq!(from_a(&mut session, "203.0.113.7:40000", &phone.rtp(3)), to(MediaLeg::B, B, 172));
}

#[test]
fn e7_a_peer_with_a_key_says_where_it_is_within_its_bounds_and_that_it_moved() {
    let everywhere = ["0.0.0.0/0", "::/0"];
    let terms = || Terms { learning: Learning::Authenticated(reach(&everywhere)), ..srtp(A, 1, 2) };
    let mut session = call(terms(), plain(B));
    let mut phone = Phone::new(1);
    // Before anything was learned and after; nothing of it moves what B says.
    let forged = [
        OWN,
        "127.0.0.1:4000",
        "169.254.169.254:80",
        "224.0.0.1:4000",
        "255.255.255.255:9",
        "0.0.0.0:4000",
        "203.0.113.7:0",
        "[2001:db8::1]:4000",
    ];
    let mut sequence = 0;
    for (n, at_first) in [A, "203.0.113.7:31234", "203.0.113.7:40000"].into_iter().enumerate() {
        for source in forged {
            sequence += 1;
            assert_eq!(
                from_a(&mut session, source, &phone.rtp(sequence)),
                Verdict::Drop(Cause::Foreign),
                "{source}"
            );
        }
        sequence += 1;
        assert_eq!(from_a(&mut session, at_first, &phone.rtp(sequence)), to(MediaLeg::B, B, 172));
        let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(n as u16)).0;
        assert_eq!(reply, to(MediaLeg::A, at_first, 182));
        // What was heard before moves nothing, wherever it comes from.
        let captured = phone.rtp(sequence + 1);
        sequence += 1;
        assert!(matches!(from_a(&mut session, at_first, &captured), Verdict::Send(_)));
        assert_eq!(from_a(&mut session, ATTACKER, &captured), Verdict::Drop(Cause::Replayed));
    }
    // Only RTP with a key may move: in the clear the first one stays.
    let mut session = call(Terms { learning: Learning::Networks(reach(&everywhere)), ..plain(A) }, plain(B));
    assert!(matches!(from_a(&mut session, A, &rtp(1)), Verdict::Send(_)));
    assert_eq!(from_a(&mut session, ATTACKER, &rtp(2)), Verdict::Drop(Cause::Foreign));
}

#[test]
fn e8_one_forged_number_mutes_nobody_and_who_begins_anew_is_heard() {
    let mut session = call(plain(A), srtp(B, 3, 4));
    let mut listener = Inbound::new(&key(4), Mki::NONE);
    let mut heard = |session: &mut Session, sequence: u16| {
        let (verdict, mut packet) = pass(session, second(2), MediaLeg::A, Port::Rtp, A, &rtp(sequence));
        let Verdict::Send(departure) = verdict else { return None };
        assert_eq!(listener.unprotect_rtp(&mut packet[..departure.octets]), Ok(172));
        Some(u16::from_be_bytes([packet[2], packet[3]]))
    };
    assert_eq!(heard(&mut session, 1_000), Some(1_000));
    for forged in [31_000, 1_500, 60_000] {
        assert_eq!(heard(&mut session, forged), None);
    }
    assert_eq!(heard(&mut session, 1_001), Some(1_001), "the peer is heard at once");
    // Two in sequence move it, and two of the peer move it back.
    assert_eq!(
        [31_000, 31_001, 1_002, 1_003, 1_004].map(|n| heard(&mut session, n)),
        [None, Some(1_002), None, Some(1_003), Some(1_004)]
    );
    // A PBX that begins anew under one SSRC, behind and ahead.
    assert_eq!([500, 501, 502].map(|n| heard(&mut session, n)), [None, Some(1_005), Some(1_006)]);
    assert_eq!([50_000, 50_001, 50_002].map(|n| heard(&mut session, n)), [None, Some(1_007), Some(1_008)]);
    assert_eq!(reports(&session)[0].late, 7);
}

#[test]
fn e10_reports_have_a_pace_of_their_own() {
    let mut session = call(plain(A), plain(B));
    let mut crosses = |now| {
        (0..1_000)
            .filter(|_| {
                let (verdict, _) = pass(&mut session, now, MediaLeg::A, Port::Rtcp, A_RTCP, &RTCP);
                matches!(verdict, Verdict::Send(_))
            })
            .count()
    };
    assert_eq!([second(2), second(3), second(9)].map(&mut crosses), [50; 3]);
    assert!(matches!(from_a(&mut session, A, &rtp(1)), Verdict::Send(_)), "RTP has its own");
    assert_eq!(reports(&session)[0].refused, 3 * 950);
}

#[test]
fn e9_a_hundred_and_fifty_wrong_tags_are_dropped_counted_told_and_end_nothing() {
    let mut session = call(srtp(A, 1, 2), srtp(B, 3, 4));
    let (mut phone, mut forger) = (Phone::new(1), Phone::new(9));
    for sequence in 0..150 {
        assert_eq!(from_a(&mut session, A, &forger.rtp(sequence)), Verdict::Drop(Cause::Unauthentic));
        assert!(matches!(from_a(&mut session, A, &phone.rtp(sequence)), Verdict::Send(_)));
    }
    assert_eq!(from_a(&mut session, ATTACKER, &rtp(1)), Verdict::Drop(Cause::Foreign));
    let report = reports(&session)[0];
    assert_eq!((report.unauthentic, report.foreign, report.packets, report.lost), (150, 1, 150, 0));
    assert_eq!(told(&mut session, second(3)), [format!("intruder A {ATTACKER} 151")]);
    for n in 0..50 {
        assert_eq!(from_a(&mut session, ATTACKER, &rtp(n)), Verdict::Drop(Cause::Foreign));
        assert_eq!(told(&mut session, second(3 + u64::from(n) % 10)), [""; 0], "once in ten seconds");
    }
    assert_eq!(told(&mut session, second(13)), [format!("intruder A {ATTACKER} 50")]);
    assert_eq!(told(&mut session, second(30)), [""; 0]);
}

#[test]
fn e10_what_is_no_media_is_dropped_whatever_its_lengths_say() {
    let mut csrc = rtp(1);
    csrc.truncate(13);
    csrc[0] = 0x8f;
    let mut extension = rtp(1);
    (extension[0], extension[14], extension[15]) = (0x90, 0xff, 0xff);
    let mut padding = rtp(1);
    (padding[0], padding[171]) = (0xa0, 0xff);
    let rows = [
        ("one octet", vec![0x80], Cause::Alien),
        ("nothing", Vec::new(), Cause::Alien),
        ("65 KB", [rtp(1), vec![0; 64_000]].concat(), Cause::Malformed(BadPacket::Long)),
        ("one octet too many", [rtp(1), vec![0; 1_877]].concat(), Cause::Malformed(BadPacket::Long)),
        ("CSRC over the end", csrc, Cause::Malformed(BadPacket::Csrc)),
        ("extension over the end", extension, Cause::Malformed(BadPacket::Extension)),
        ("padding over the start", padding, Cause::Malformed(BadPacket::Padding)),
        ("version 1", [vec![0x40], rtp(1)[1..].to_vec()].concat(), Cause::Alien),
        ("RTCP on the port for RTP", RTCP.to_vec(), Cause::Alien),
        ("a format nobody agreed on", rtp_of(1, 13, 1), Cause::Format),
    ];
    for (what, packet, cause) in rows {
        let mut session = call(plain(A), plain(B));
        assert_eq!(from_a(&mut session, A, &packet), Verdict::Drop(cause), "{what}");
        assert_eq!(reports(&session)[0].refused, 1, "{what}");
        assert!(matches!(from_a(&mut session, A, &rtp(1)), Verdict::Send(_)), "{what}: and the call goes on");
    }
}

#[test]
fn e10_replays_wraps_other_sources_and_forged_goodbyes() {
    let mut session = call(srtp(A, 1, 2), plain(B));
    let mut phone = Phone::new(1);
    let first = phone.rtp(65_530);
    assert_eq!(from_a(&mut session, A, &first), to(MediaLeg::B, B, 172));
    assert_eq!(from_a(&mut session, A, &first), Verdict::Drop(Cause::Replayed));
    for sequence in (65_531..=65_535).chain(0..190) {
        let (verdict, packet) =
            pass(&mut session, second(2), MediaLeg::A, Port::Rtp, A, &phone.rtp(sequence));
        assert_eq!((verdict, packet), (to(MediaLeg::B, B, 172), rtp(sequence)), "over the wrap");
    }
    assert_eq!(from_a(&mut session, A, &first), Verdict::Drop(Cause::Late));
    let mut moved = rtp_of(7, 8, 1);
    moved.resize(ROOM, 0);
    let octets = phone.0.protect_rtp(&mut moved, 172).unwrap();
    assert_eq!(
        from_a(&mut session, A, &moved[..octets]),
        to(MediaLeg::B, B, 172),
        "another source, authentic"
    );
    let report = reports(&session)[0];
    assert_eq!((report.replayed, report.late, report.packets, report.lost), (1, 1, 197, 0));

    let goodbye = phone.rtcp();
    let mut forged = goodbye.clone();
    forged[10] ^= 1;
    for (packet, port, source, expected) in [
        (&RTCP[..], Port::Rtcp, A_RTCP, Verdict::Drop(Cause::Malformed(BadPacket::Short))),
        (&[RTCP; 4].concat(), Port::Rtcp, A_RTCP, Verdict::Drop(Cause::Unauthentic)),
        (&forged[..], Port::Rtcp, A_RTCP, Verdict::Drop(Cause::Unauthentic)),
        (&goodbye, Port::Rtcp, A, Verdict::Drop(Cause::Foreign)),
        (
            &goodbye,
            Port::Rtcp,
            A_RTCP,
            Verdict::Send(Departure {
                leg: MediaLeg::B,
                port: Port::Rtcp,
                to: at("198.51.100.2:6001"),
                octets: 16,
            }),
        ),
        (&goodbye, Port::Rtcp, A_RTCP, Verdict::Drop(Cause::Replayed)),
    ] {
        let (verdict, _) = pass(&mut session, second(2), MediaLeg::A, port, source, packet);
        assert_eq!(verdict, expected);
    }
}

#[test]
fn e11_stun_and_handshakes_are_ignored_wherever_they_come_from() {
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.resize(20, 7);
    let hello = [&[22, 0xfe, 0xfd][..], &[0; 60]].concat();
    for (source, packet, cause) in [
        (A, &stun, Cause::Stun),
        (A, &hello, Cause::Handshake),
        (ATTACKER, &stun, Cause::Foreign),
        (ATTACKER, &hello, Cause::Foreign),
    ] {
        for terms in [plain(A), srtp(A, 1, 2)] {
            let mut session = call(terms, plain(B));
            assert_eq!(from_a(&mut session, source, packet), Verdict::Drop(cause));
            let report = reports(&session)[0];
            assert_eq!(report.refused + report.foreign, 1);
            let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(1)).0;
            assert!(matches!(reply, Verdict::Send(Departure { to, .. }) if to == at(A)));
        }
    }
    let fingerprint = Fingerprint { hash: "sha-256".into(), octets: smallvec![7; 32] };
    let mut session = Session::new(MediaId(7), None);
    session.open(MediaLeg::A, 0, true);
    let terms =
        Terms { protection: Protection::Dtls { active: false, fingerprint, suites: [].into() }, ..plain(A) };
    let failed = session.set(second(1), spot(MediaLeg::A), terms);
    assert!(matches!(failed, Some(News::Failed { spot: found, .. }) if found == spot(MediaLeg::A)));
    assert_eq!(
        from_a(&mut session, A, &rtp(1)),
        Verdict::Drop(Cause::Early),
        "and nothing passes in the clear"
    );
}

#[test]
fn e12_silence_counts_while_the_peer_may_send_and_rtcp_is_a_sign_of_life() {
    let quiet = |receives| Terms { silence: Some(Duration::from_secs(10)), receives, ..plain(A) };
    let mut session = call(quiet(true), plain(B));
    let send = |session: &mut Session, now, port, packet: &[u8]| {
        let source = if port == Port::Rtp { A } else { A_RTCP };
        pass(session, second(now), MediaLeg::A, port, source, packet).0
    };
    let hold = |session: &mut Session, now, receives| {
        assert!(session.set(second(now), spot(MediaLeg::A), quiet(receives)).is_none());
    };
    let none = [""; 0];
    assert_eq!(told(&mut session, second(10)), none, "counted from the terms on");
    assert_eq!(told(&mut session, second(11)), ["silent A as the other"]);
    assert_eq!(told(&mut session, second(60)), none, "once");
    assert!(matches!(send(&mut session, 60, Port::Rtp, &rtp(1)), Verdict::Send(_)));
    assert_eq!(told(&mut session, second(61)), ["heard A"]);
    assert!(matches!(send(&mut session, 69, Port::Rtcp, &RTCP), Verdict::Send(_)));
    assert_eq!(told(&mut session, second(78)), none, "RTCP is a sign of life");
    // What does not count: other formats, strangers.
    assert_eq!(send(&mut session, 78, Port::Rtp, &rtp_of(1, 0, 1)), Verdict::Drop(Cause::Format));
    assert_eq!(from_a(&mut session, ATTACKER, &rtp(1)), Verdict::Drop(Cause::Foreign));
    assert_eq!(told(&mut session, second(79))[..1], ["silent A as the other"]);
    hold(&mut session, 80, false);
    assert_eq!(told(&mut session, second(81)), ["heard A"], "it counts no more");
    assert_eq!(told(&mut session, second(200)), none, "a hold is exempt");
    assert_eq!(send(&mut session, 200, Port::Rtp, &rtp(2)), Verdict::Drop(Cause::Muted));
    hold(&mut session, 200, true);
    assert_eq!(told(&mut session, second(209)), none, "counted anew after the hold");
    // The same terms again, of a refreshed session: the count goes on.
    hold(&mut session, 209, true);
    assert_eq!(told(&mut session, second(210)), ["silent A as the other"]);
    let mut never = call(plain(A), plain(B));
    assert_eq!(told(&mut never, second(100_000)), none);
    // One is heard and the other is not; or neither is, since a moment or since the beginning.
    for (last, expected) in [
        (11, ["silent A"; 1].as_slice()),
        (6, &["silent A as the other"]),
        (1, &["silent A as the other", "silent B as the other"]),
    ] {
        let mut session = call(quiet(true), Terms { silence: Some(Duration::from_secs(10)), ..plain(B) });
        assert!(matches!(
            pass(&mut session, second(last), MediaLeg::B, Port::Rtp, B, &rtp(1)).0,
            Verdict::Send(_)
        ));
        assert_eq!(told(&mut session, second(11)), expected, "heard at {last}");
    }
}

/// One packet of somebody: where from, on which port, its octets.
fn hostile() -> impl Strategy<Value = (bool, bool, u8, Vec<u8>)> {
    let octets = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        (any::<u16>(), any::<u32>(), 0..128_u8)
            .prop_map(|(sequence, ssrc, format)| rtp_of(ssrc, format, sequence)),
        Just(RTCP.to_vec()),
        any::<u16>().prop_map(|sequence| Phone::new(77).rtp(sequence)),
    ];
    (any::<bool>(), any::<bool>(), any::<u8>(), octets)
}

proptest! {
    // Row E8: a call that strangers aim at goes on as its twin that nobody knows of, and nothing goes to them.
    #[test]
    fn e8_no_packets_of_strangers_change_anything_but_counts(
        packets in prop::collection::vec(hostile(), 1..120),
        learns in any::<bool>(),
    ) {
        let learning = if learns { Learning::Authenticated(reach(&["192.0.2.0/24"])) } else { Learning::Signalled };
        let terms = || Terms { learning: learning.clone(), ..srtp(A, 1, 2) };
        let (mut aimed_at, mut twin) = (call(terms(), srtp(B, 3, 4)), call(terms(), srtp(B, 3, 4)));
        let (mut phone, mut other) = (Phone::new(1), Phone::new(3));
        for (n, (leg, port, host, packet)) in packets.iter().enumerate() {
            let leg = if *leg { MediaLeg::A } else { MediaLeg::B };
            let port = if *port { Port::Rtp } else { Port::Rtcp };
            let source = format!("203.0.113.{host}:{}", 1_024 + n);
            let (verdict, _) = pass(&mut aimed_at, second(2), leg, port, &source, packet);
            prop_assert!(matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
            for (leg, source, packet) in
                [(MediaLeg::A, A, phone.rtp(n as u16)), (MediaLeg::B, B, other.rtp(n as u16))]
            {
                let now = Tick::from_micros(2_000_000 + 20_000 * n as u64);
                let passed = pass(&mut aimed_at, now, leg, Port::Rtp, source, &packet);
                prop_assert!(matches!(passed.0, Verdict::Send(_)));
                prop_assert_eq!(passed, pass(&mut twin, now, leg, Port::Rtp, source, &packet));
            }
        }
        for (aimed_at, twin) in reports(&aimed_at).into_iter().zip(reports(&twin)) {
            let StreamReport { late, replayed, unauthentic, foreign, refused, .. } = twin;
            prop_assert_eq!(StreamReport { late, replayed, unauthentic, foreign, refused, ..aimed_at }, twin);
        }
    }
}
