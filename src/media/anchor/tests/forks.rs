//! Several answers to one offer, and several targets for one call.

use super::*;

#[test]
fn the_newest_early_dialog_has_the_media_until_one_wins() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let first = call.answer_in(B, 1, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    let second = call.answer_in(B, 2, &sdp("203.0.113.81", &savp(KEY))).unwrap();
    assert_eq!(second.terms(B).remote.unwrap().ip().to_string(), "203.0.113.81");
    // To the caller it is one place under one key: what is heard there is ours.
    assert_eq!(first.text, second.text);
    assert_eq!(outbound(&first.terms(A)), outbound(&second.terms(A)));
    let won = call.settle(1).unwrap();
    assert_eq!(terms(&won, B).unwrap().remote.unwrap().ip().to_string(), TRUNK);
    assert_eq!(call.answer_in(B, 2, &sdp(TRUNK, &savp(KEY))).unwrap_err(), Refusal::Unasked, "it is over");
    assert_eq!(call.close().1, 0);
}

#[test]
fn the_answer_of_before_may_come_again_in_the_200() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let early = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    let again = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert_eq!(early.text, again.text);
    // Another one counts: the newest.
    let moved = call.answer(B, &sdp("203.0.113.81", &savp(OTHER_KEY))).unwrap();
    assert_eq!(moved.terms(B).remote.unwrap().ip().to_string(), "203.0.113.81");
}

#[test]
fn an_update_within_an_early_dialog_is_its_own_and_the_first_answer_does_not_undo_it() {
    let mut call = Call::new(pbx(), trunk());
    let hold =
        |address: &str, key: &str, direction: &str| sdp(address, &format!("{}a={direction}\r\n", savp(key)));
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    let asked = call.offer(B, &hold(TRUNK, OTHER_KEY, "sendonly")).unwrap();
    assert_eq!(asked.stream().direction, Direction::Send);
    // Meanwhile another dialog answers the first offer.
    call.answer_in(B, 2, &sdp("203.0.113.81", &savp(KEY))).unwrap();
    assert!(call.anchor.is_pending());
    call.answer(A, &hold(PBX, KEY, "recvonly")).unwrap();
    let repeated = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    assert_eq!(repeated.stream().direction, Direction::Send);
    let won = call.settle(1).unwrap();
    assert!(!terms(&won, B).unwrap().sends);
    assert_eq!(call.settle(1).unwrap().len(), 0, "once is enough");
}

#[test]
fn a_dialog_wins_while_an_offer_waits_in_it_or_in_another() {
    for (fork, pending) in [(1, true), (2, false)] {
        let mut call = Call::new(pbx(), trunk());
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        call.answer_in(B, 2, &sdp("203.0.113.81", &savp(KEY))).unwrap();
        call.answer_in(B, 1, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        call.settle(fork).unwrap();
        assert_eq!(call.anchor.is_pending(), pending);
        assert_eq!(call.ports.out(), 4);
    }
    let mut call = Call::new(pbx(), trunk());
    assert_eq!(call.settle(1).unwrap_err(), Refusal::Unasked);
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    call.answer_in(B, 1, &sdp(TRUNK, &savp(KEY))).unwrap();
    assert_eq!(call.settle(2).unwrap_err(), Refusal::Unasked, "nothing was agreed there");
}

#[test]
fn dialogs_that_answer_are_bounded() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    for (fork, _) in (0..).zip(0..FORKS_MAX) {
        call.answer_in(B, fork, &sdp(TRUNK, &savp(KEY))).unwrap();
    }
    assert_eq!(call.answer_in(B, 99, &sdp(TRUNK, &savp(KEY))).unwrap_err(), Refusal::Unasked);
    call.answer_in(B, 0, &sdp(TRUNK, &savp(KEY))).unwrap();
}

#[test]
fn another_target_is_asked_anew_with_other_ports_and_keys() {
    for early in [false, true] {
        let mut call = Call::new(pbx(), trunk());
        let asked = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        if early {
            call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        }
        let next = Arc::new(LegSettings { advertise: "198.51.100.2".parse().unwrap(), ..trunk() });
        let (orders, passed) = call.step(|anchor, means| anchor.retarget(next, means));
        let again = Told::new(passed.unwrap());
        assert_eq!(
            (told(&orders), told(&again.orders)),
            (vec!["shut B0".to_owned()], vec!["open B0".to_owned()])
        );
        let (before, after) = (asked.stream(), again.stream());
        assert_ne!((before.port, &before.crypto), (after.port, &after.crypto));
        assert!(!again.text.contains("198.51.100.1\r\n"));
        assert_ne!(asked.text.lines().nth(1), again.text.lines().nth(1), "another session");
        let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        assert_eq!(outbound(&answered.terms(B)), after.crypto[0].key.expose());
        assert_eq!(call.ports.out(), 4);
        assert_eq!(call.close().1, 0);
    }
    let (mut call, _, _) = agreed();
    let (_, refused) = call.step(|anchor, means| anchor.retarget(Arc::new(trunk()), means));
    assert_eq!(refused.unwrap_err(), Refusal::Unasked, "a call that talks stays where it is");
}

#[test]
fn a_target_that_cannot_be_asked_leaves_the_offer_for_the_next_one() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let clear = Arc::new(LegSettings { private: false, ..trunk() });
    let (_, refused) = call.step(|anchor, means| anchor.retarget(clear, means));
    assert_eq!(refused.unwrap_err(), Refusal::KeysInClear);
    let (_, asked) = call.step(|anchor, means| anchor.retarget(Arc::new(trunk()), means));
    asked.unwrap();
    assert_eq!((call.ports.out(), call.close().1), (4, 0));
}

#[test]
fn an_offer_that_nobody_takes_gives_its_ports_back() {
    let mut call = Call::new(pbx(), trunk());
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    assert_eq!(told(&call.step(Anchor::withdraw)), ["shut B0"]);
    assert_eq!(call.ports.out(), 0);
    call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
}

#[test]
fn a_dialog_that_has_not_answered_takes_no_other_offer() {
    for (leg, address) in [(A, PBX), (B, TRUNK)] {
        let mut call = Call::new(pbx(), trunk());
        call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
        call.answer_in(B, 1, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
        let update = sdp(address, &savp(KEY));
        let ask = |call: &mut Call| {
            let whence = Whence { leg, fork: 2 };
            call.step(|anchor, means| anchor.offer(whence, update.as_bytes(), means)).map(|_| ())
        };
        assert_eq!(ask(&mut call), Err(Refusal::Pending), "the INVITE's own waits there");
        assert!(!call.anchor.is_pending());
        call.answer_in(B, 2, &sdp("203.0.113.81", &savp(OTHER_KEY))).unwrap();
        assert_eq!(ask(&mut call), Ok(()));
    }
}

// Whoever wins has media, though another one spoke since: the orders of a call through the streams they are for.
#[test]
fn a_fork_that_wins_after_another_one_spoke_is_heard() {
    use crate::media::srtp::{MasterKey, Outbound, Suite};
    use crate::media::stream::{Arrival, Port, Session, Verdict};

    let mut session = Session::new(MediaId(7), None);
    let carry_out = |session: &mut Session, orders: Vec<Order>| {
        for order in orders {
            match order {
                Order::Open { spot, local } => session.open(spot.leg, spot.stream, local.rtcp.is_none()),
                Order::Set { spot, terms } => {
                    let news = session.set(Tick::ZERO, spot, *terms);
                    assert!(news.is_none(), "{news:?}");
                }
                Order::Shut { spot } => session.shut(spot.leg, spot.stream),
                Order::Close { .. } => {}
            }
        }
    };
    let phone = |octets: std::ops::RangeInclusive<u8>| {
        let octets: Vec<u8> = octets.collect();
        Outbound::new(&MasterKey::new(Suite::AesCm128HmacSha1T80, &octets).unwrap(), u64::MAX)
    };
    let speaks = |session: &mut Session, phone: &mut Outbound, leg, from: &str, sequence: u16| {
        let mut packet = vec![0xd5; 2_100];
        packet[..4].copy_from_slice(&[0x80, 0, 0, sequence as u8]);
        let octets = phone.protect_rtp(&mut packet, 172).unwrap();
        let source = format!("{from}:4000").parse().unwrap();
        let verdict = session.packet(
            Tick::ZERO,
            Arrival { stream: 0, leg, port: Port::Rtp, source },
            &mut packet,
            octets,
        );
        assert!(matches!(verdict, Verdict::Send(_)), "{leg:?} {from} {sequence}: {verdict:?}");
    };
    // The keys of the two descriptions.
    let (mut pbx_phone, mut first, mut second) = (phone(1..=30), phone(0..=29), phone(1..=30));
    let mut call = Call::new(pbx(), trunk());
    carry_out(&mut session, call.offer(A, &sdp(PBX, &savp(KEY))).unwrap().orders);
    let (one, other) = (sdp(TRUNK, &savp(OTHER_KEY)), sdp("203.0.113.81", &savp(KEY)));
    for round in 0..3 {
        carry_out(&mut session, call.answer_in(B, 1, &one).unwrap().orders);
        speaks(&mut session, &mut first, B, TRUNK, 2 * round + 1);
        speaks(&mut session, &mut pbx_phone, A, PBX, 2 * round + 1);
        carry_out(&mut session, call.answer_in(B, 2, &other).unwrap().orders);
        speaks(&mut session, &mut second, B, "203.0.113.81", 2 * round + 2);
        speaks(&mut session, &mut pbx_phone, A, PBX, 2 * round + 2);
    }
    carry_out(&mut session, call.settle(1).unwrap());
    speaks(&mut session, &mut first, B, TRUNK, 9);
    speaks(&mut session, &mut pbx_phone, A, PBX, 9);
}
