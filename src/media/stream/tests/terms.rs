//! Keys that change, terms that change, and what is told of it.

use super::*;
use crate::media::srtp::Inbound;

#[test]
fn keys_of_each_leg_are_its_own_and_a_new_key_leaves_no_gap() {
    let mut session = call(srtp(A, 1, 2), srtp(B, 3, 4));
    let mut listener = Inbound::new(&key(4), Mki::NONE);
    let (mut old, mut new) = (Phone::new(1), Phone::new(5));
    let hear = |session: &mut Session, listener: &mut Inbound, packet: &[u8], sequence: u16| {
        let (verdict, mut sent) = pass(session, second(2), MediaLeg::A, Port::Rtp, A, packet);
        assert_eq!(verdict, to(MediaLeg::B, B, 182), "{sequence}");
        assert_eq!(listener.unprotect_rtp(&mut sent), Ok(172));
        assert_eq!(sent[..172], rtp(sequence));
    };
    for sequence in 1..5 {
        hear(&mut session, &mut listener, &old.rtp(sequence), sequence);
    }
    let captured = old.rtp(5);
    hear(&mut session, &mut listener, &captured, 5);
    // A refreshed session repeats its keys: windows stay.
    assert!(session.set(second(2), spot(MediaLeg::A), srtp(A, 1, 2)).is_none());
    assert_eq!(from_a(&mut session, A, &captured), Verdict::Drop(Cause::Replayed));
    // A's key changes: the old one serves until the first packet under the new one.
    assert!(session.set(second(2), spot(MediaLeg::A), srtp(A, 5, 6)).is_none());
    hear(&mut session, &mut listener, &old.rtp(6), 6);
    hear(&mut session, &mut listener, &new.rtp(7), 7);
    assert_eq!(from_a(&mut session, A, &old.rtp(8)), Verdict::Drop(Cause::Unauthentic));
    // Ours to B changes: what leaves is under the new one at once.
    assert!(session.set(second(2), spot(MediaLeg::B), srtp(B, 3, 8)).is_none());
    let mut listener = Inbound::new(&key(8), Mki::NONE);
    hear(&mut session, &mut listener, &new.rtp(9), 9);
    // A key that was replaced never comes back.
    let refused = session.set(second(2), spot(MediaLeg::A), srtp(A, 1, 6));
    assert!(matches!(refused, Some(News::Exhausted { .. })), "{refused:?}");
    // In the clear for a while, and the same keys again: windows stay.
    let captured = new.rtp(10);
    hear(&mut session, &mut listener, &captured, 10);
    assert!(session.set(second(2), spot(MediaLeg::A), plain(A)).is_none());
    assert!(session.set(second(2), spot(MediaLeg::A), srtp(A, 5, 6)).is_none());
    assert_eq!(from_a(&mut session, A, &captured), Verdict::Drop(Cause::Replayed));
}

#[test]
fn an_old_key_ends_when_the_peer_has_had_its_time() {
    let mut session = call(srtp(A, 1, 2), plain(B));
    let mut old = Phone::new(1);
    assert!(matches!(from_a(&mut session, A, &old.rtp(1)), Verdict::Send(_)));
    assert!(session.set(second(2), spot(MediaLeg::A), srtp(A, 5, 6)).is_none());
    for (now, passes) in [(3, true), (11, true), (12, false), (13, false)] {
        assert!(told(&mut session, second(now)).iter().all(|news| news.starts_with("intruder")));
        let verdict = from_a(&mut session, A, &old.rtp(now as u16));
        assert_eq!(matches!(verdict, Verdict::Send(_)), passes, "{now}: {verdict:?}");
    }
}

#[test]
fn a_key_that_has_served_its_lifetime_is_told_once_and_a_new_one_serves() {
    let worn = |theirs| {
        let Terms { protection, .. } = srtp(A, theirs, 2);
        let Protection::Srtp { inbound, mki, outbound, .. } = protection else { panic!("SRTP") };
        Terms { protection: Protection::Srtp { inbound, mki, outbound, lifetime: 3 }, ..plain(A) }
    };
    let mut session = call(worn(1), plain(B));
    let mut phone = Phone::new(1);
    // RFC 4568 §6.1: the lifetime on the peer's line is of its own key; ours serves on.
    for sequence in 1..=6 {
        let sends = matches!(from_a(&mut session, A, &phone.rtp(sequence)), Verdict::Send(_));
        assert_eq!(sends, sequence <= 3);
        let reply = pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &rtp(sequence)).0;
        assert!(matches!(reply, Verdict::Send(_)));
    }
    assert_eq!(told(&mut session, second(3)), ["exhausted A"]);
    assert_eq!(told(&mut session, second(4)), [""; 0]);
    assert!(session.set(second(4), spot(MediaLeg::A), worn(1)).is_none());
    assert_eq!(
        from_a(&mut session, A, &phone.rtp(7)),
        Verdict::Drop(Cause::Worn),
        "repeated, it is no other key"
    );
    assert!(session.set(second(4), spot(MediaLeg::A), worn(5)).is_none());
    let mut phone = Phone::new(5);
    for sequence in 8..=12 {
        let sends = matches!(from_a(&mut session, A, &phone.rtp(sequence)), Verdict::Send(_));
        assert_eq!(sends, sequence <= 10);
    }
}

#[test]
fn early_dialogs_that_take_turns_keep_their_windows_until_one_wins() {
    let early = |theirs, ours| Terms { early: true, ..srtp(B, theirs, ours) };
    let mut session = call(plain(A), early(3, 4));
    let (mut first, mut second_one) = (Phone::new(3), Phone::new(5));
    let mut listeners = [Inbound::new(&key(4), Mki::NONE), Inbound::new(&key(6), Mki::NONE)];
    let from_b =
        |session: &mut Session, packet: &[u8]| pass(session, second(2), MediaLeg::B, Port::Rtp, B, packet).0;
    let mut hears = |session: &mut Session, which: usize, sequence: u16| {
        let (verdict, mut sent) = pass(session, second(2), MediaLeg::A, Port::Rtp, A, &rtp(sequence));
        assert_eq!(verdict, to(MediaLeg::B, B, 182), "{sequence}");
        assert_eq!(listeners[which].unprotect_rtp(&mut sent), Ok(172), "{sequence}");
    };
    let captured = first.rtp(1);
    assert!(matches!(from_b(&mut session, &captured), Verdict::Send(_)));
    hears(&mut session, 0, 1);
    for round in 0..20 {
        assert!(session.set(second(2), spot(MediaLeg::B), early(5, 6)).is_none(), "{round}");
        assert!(matches!(from_b(&mut session, &second_one.rtp(2 * round + 2)), Verdict::Send(_)));
        assert_eq!(from_b(&mut session, &first.rtp(900 + round)), Verdict::Drop(Cause::Unauthentic));
        hears(&mut session, 1, 2 * round + 2);
        assert!(session.set(second(2), spot(MediaLeg::B), early(3, 4)).is_none(), "{round}");
        assert_eq!(from_b(&mut session, &captured), Verdict::Drop(Cause::Replayed));
        hears(&mut session, 0, 2 * round + 3);
    }
    // The second wins: the first one's key is over for good.
    assert!(session.set(second(2), spot(MediaLeg::B), srtp(B, 5, 6)).is_none());
    hears(&mut session, 1, 60);
    let refused = session.set(second(2), spot(MediaLeg::B), srtp(B, 3, 4));
    assert!(matches!(refused, Some(News::Exhausted { .. })), "{refused:?}");
}

#[test]
fn turns_are_bounded_and_the_oldest_key_ends() {
    let early = |n| Terms { early: true, ..srtp(B, n, 100 + n) };
    let mut session = call(plain(A), early(1));
    for n in 1..=10 {
        assert!(session.set(second(2), spot(MediaLeg::B), early(n)).is_none());
        let packet = Phone::new(n).rtp(1);
        assert!(matches!(
            pass(&mut session, second(2), MediaLeg::B, Port::Rtp, B, &packet).0,
            Verdict::Send(_)
        ));
    }
    assert!(session.set(second(2), spot(MediaLeg::B), early(2)).is_none(), "eight beside the one in use");
    let refused = session.set(second(2), spot(MediaLeg::B), early(1));
    assert!(matches!(refused, Some(News::Exhausted { .. })), "{refused:?}");
}

#[test]
fn a_silence_that_other_terms_end_is_told_to_have_ended() {
    let silence = |silence| Terms { silence, ..plain(A) };
    let ten = Some(std::time::Duration::from_secs(10));
    for next in [
        silence(None),
        Terms { receives: false, ..silence(ten) },
        Terms { remote: Some(at(ATTACKER)), ..silence(ten) },
    ] {
        let mut session = call(silence(ten), plain(B));
        assert_eq!(told(&mut session, second(11)), ["silent A as the other"]);
        assert!(session.set(second(12), spot(MediaLeg::A), next).is_none());
        assert_eq!(told(&mut session, second(13)), ["heard A"]);
        assert_eq!(told(&mut session, second(14)), [""; 0]);
    }
}

#[test]
fn what_a_plain_peer_sends_twice_leaves_once_under_a_key() {
    let mut session = call(plain(A), srtp(B, 3, 4));
    assert_eq!(from_a(&mut session, A, &rtp(500)), to(MediaLeg::B, B, 182));
    assert_eq!(from_a(&mut session, A, &rtp(500)), Verdict::Drop(Cause::Replayed));
    assert_eq!(from_a(&mut session, A, &rtp(300)), Verdict::Drop(Cause::Late));
    let report = reports(&session)[0];
    assert_eq!((report.packets, report.replayed, report.late), (3, 1, 1));
}

#[test]
fn directions_rates_and_missing_legs_decide_what_crosses() {
    let mut early = Session::new(MediaId(7), None);
    assert_eq!(from_a(&mut early, A, &rtp(1)), Verdict::Drop(Cause::Early));
    early.open(MediaLeg::A, 0, false);
    assert_eq!(from_a(&mut early, A, &rtp(1)), Verdict::Drop(Cause::Early));
    assert!(early.set(second(1), spot(MediaLeg::A), plain(A)).is_none());
    assert_eq!(from_a(&mut early, A, &rtp(1)), Verdict::Drop(Cause::Nowhere));
    early.open(MediaLeg::B, 0, false);
    assert_eq!(from_a(&mut early, A, &rtp(2)), Verdict::Drop(Cause::Nowhere));
    assert!(early.set(second(1), spot(MediaLeg::B), plain(B)).is_none());
    assert_eq!(from_a(&mut early, A, &rtp(3)), to(MediaLeg::B, B, 172));
    early.shut(MediaLeg::B, 0);
    assert_eq!(from_a(&mut early, A, &rtp(4)), Verdict::Drop(Cause::Nowhere));
    assert_eq!(reports(&early)[0].packets, 4, "what was taken counts, wherever it went");

    let mut deaf = call(plain(A), Terms { sends: false, ..plain(B) });
    assert_eq!(from_a(&mut deaf, A, &rtp(1)), Verdict::Drop(Cause::Unheard));
    let report = pass(&mut deaf, second(2), MediaLeg::A, Port::Rtcp, A_RTCP, &RTCP).0;
    assert!(matches!(report, Verdict::Send(_)), "RTCP flows whatever the direction");

    let mut flood = call(plain(A), plain(B));
    let sent = (0..1_000).filter(|n| matches!(from_a(&mut flood, A, &rtp(*n)), Verdict::Send(_))).count();
    assert_eq!((sent, reports(&flood)[0].refused), (200, 800));
}

#[test]
fn a_shared_port_carries_both_and_the_other_leg_may_have_two() {
    let shared = Terms { remote_rtcp: Some(at(A)), ..plain(A) };
    let mut session = call(plain(A), plain(B));
    session.open(MediaLeg::A, 0, true);
    assert!(session.set(second(1), spot(MediaLeg::A), shared).is_none());
    let (out, _) = pass(&mut session, second(2), MediaLeg::A, Port::Rtp, A, &RTCP);
    assert_eq!(
        out,
        Verdict::Send(Departure {
            leg: MediaLeg::B,
            port: Port::Rtcp,
            to: at("198.51.100.2:6001"),
            octets: 16
        })
    );
    let (back, _) = pass(&mut session, second(2), MediaLeg::B, Port::Rtcp, "198.51.100.2:6001", &RTCP);
    assert_eq!(back, to(MediaLeg::A, A, 16));
    assert_eq!(
        pass(&mut session, second(2), MediaLeg::B, Port::Rtcp, "198.51.100.2:6001", &rtp(1)).0,
        Verdict::Drop(Cause::Alien)
    );
}

#[test]
fn a_peer_that_moves_is_no_intruder_while_its_last_packets_arrive() {
    let mut session = call(plain(A), plain(B));
    assert!(session.set(second(2), spot(MediaLeg::A), plain("192.0.2.9:4000")).is_none());
    assert_eq!(from_a(&mut session, A, &rtp(1)), Verdict::Drop(Cause::Moved));
    assert_eq!(told(&mut session, second(3)), [""; 0]);
    let late = pass(&mut session, second(4), MediaLeg::A, Port::Rtp, A, &rtp(1)).0;
    assert_eq!(late, Verdict::Drop(Cause::Foreign));
    assert_eq!(from_a(&mut session, "192.0.2.9:4000", &rtp(1)), to(MediaLeg::B, B, 172));
}

#[test]
fn a_report_tells_what_was_counted_of_streams_that_had_both_legs() {
    let mut session = call(plain(A), plain(B));
    session.open(MediaLeg::A, 2, false);
    for (n, sequence) in [1_u16, 2, 4, 5].into_iter().enumerate() {
        let now = Tick::from_micros(2_000_000 + 20_000 * n as u64);
        pass(&mut session, now, MediaLeg::A, Port::Rtp, A, &rtp(sequence));
    }
    let mut press = rtp_of(0xcafe_babe, 101, 6);
    press.truncate(12);
    press.extend_from_slice(&[5, 0x8a, 0, 160]);
    pass(&mut session, second(3), MediaLeg::A, Port::Rtp, A, &press);
    let [a, b] = reports(&session)[..] else { panic!("two entries") };
    assert_eq!((a.spot, b.spot), (spot(MediaLeg::A), spot(MediaLeg::B)));
    assert_eq!((a.packets, a.octets, a.lost, a.events), (5, 644, 1, 1));
    assert!(a.opinion.is_some_and(|opinion| (2.0..4.4).contains(&opinion)), "{:?}", a.opinion);
    assert_eq!((b.packets, b.opinion), (0, None));
}
