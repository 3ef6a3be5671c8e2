//! Pauses that a trunk asks for: whose they are, how long they last, and what is told of them.

use std::time::Duration;

use ringfence::engine::{Input, Query, Reply};
use ringfence::policy::peer::Probe;

use super::edge::{Edge, OTHER, PBX, TRUNK, from};
use super::targets::{SPARE, answered_so, call, call_of, invite, invites, ms, paced, refusal, two};
use super::texts::{answer, header};

#[test]
fn a_503_with_retry_after_keeps_calls_away_and_marks_nothing_down() {
    // What is said, and for how long no call goes there.
    let table: [(&str, u64); 9] = [
        ("Retry-After: 1", 1_000),
        ("Retry-After: 2 (busy);duration=5", 2_000),
        ("Retry-After: 0", 1_000),
        ("Retry-After: 31", 31_000),
        ("Retry-After: 32", 32_000),
        ("Retry-After: 99999999999999999999", 32_000),
        ("Warning: 399 carrier \"Trunk CPS limit exceeded\"", 1_000),
        // That it is about the rate makes no witness of two.
        ("Warning: 399 carrier \"CPS\"\r\nRetry-After: 32", 32_000),
        ("Warning: 399 carrier \"no capacity\"", 0),
    ];
    for (said, pause) in table {
        let mut edge = Edge::under(two(|trunk| {
            trunk.probe = Some(Probe { interval: Duration::from_secs(3_600) });
        }));
        let first = invites(&call(&mut edge, 1), TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &refusal(&first, 503, said, TRUNK));
        assert_eq!(invites(&seen, SPARE).len(), 1, "{said}");
        assert_eq!(seen.codes(), if pause > 0 { vec![32001] } else { vec![] }, "{said}");
        assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(true)), "{said}");
        let held_for = |edge: &mut Edge, nth: u32, pause: u64| {
            if pause > 0 {
                edge.pass(ms(pause - 1));
                assert!(invites(&call(edge, nth), TRUNK).is_empty(), "{said}: too early");
                edge.pass(ms(2));
            }
        };
        // What one call is answered keeps nobody away for longer than `cps_wait`.
        held_for(&mut edge, 2, pause.min(2_000));
        answered_so(&mut edge, 3, (3, 3), 503, said);
        held_for(&mut edge, 4, pause);
        assert_eq!(invites(&call(&mut edge, 5), TRUNK).len(), 1, "{said}: not held longer");
    }
}

#[test]
fn the_only_trunk_is_waited_for_if_its_pause_is_short() {
    let mut edge = Edge::new();
    let first = invites(&call(&mut edge, 1), TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &refusal(&first, 503, "Retry-After: 2", TRUNK));
    assert!(seen.statuses(PBX).is_empty(), "it waits");
    let again = invites(&edge.pass(ms(2_010)), TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &refusal(&again, 503, "Retry-After: 1", TRUNK));
    assert_eq!(seen.statuses(PBX), [480], "but once");
    let mut edge = Edge::new();
    let seen = answered_so(&mut edge, 1, (1, 1), 503, "Retry-After: 3");
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![], vec![32001]), "it waits for 2 s");
    let again = invites(&edge.pass(ms(2_010)), TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&again, 486, "t", TRUNK));
    edge.pass(ms(30_000));
    let seen = answered_so(&mut edge, 2, (2, 2), 503, "Retry-After: 1");
    assert_eq!(
        (seen.statuses(PBX), seen.codes()),
        (vec![], vec![32001]),
        "one witness again: others were served"
    );
    edge.pass(ms(1_010));
    let seen = answered_so(&mut edge, 3, (3, 3), 503, "Retry-After: 3");
    assert_eq!(
        (seen.statuses(PBX), seen.codes()),
        (vec![480], vec![32001, 32001]),
        "two numbers and two callers, none served"
    );
    assert_eq!(header(&seen.to(PBX)[0], "Retry-After"), "3");
    edge.pass(Duration::from_secs(70));
    edge.assert_empty();
}

#[test]
fn c8_one_number_answered_503_with_a_pause_again_and_again_keeps_nobody_away() {
    let mut edge = Edge::under(two(|_| {}));
    let seen = answered_so(&mut edge, 1, (1, 1), 503, "Retry-After: 86400");
    assert_eq!(seen.codes(), [32001]);
    assert!(invites(&call(&mut edge, 2), TRUNK).is_empty(), "for a moment nobody knows whose trouble it is");
    edge.pass(ms(2_001));
    for nth in 3..60 {
        let seen = answered_so(&mut edge, nth, (1, 1), 503, "Retry-After: 86400");
        assert_eq!((seen.codes(), seen.alerts.len()), (vec![], 0), "call {nth}: told once");
        assert_eq!(invites(&seen, SPARE).len(), 1, "call {nth}: and it goes on");
        for (sent, address) in [(&seen, SPARE), (&call(&mut edge, 100 + nth), TRUNK)] {
            let invite = invites(sent, address).pop().expect("others get through, and it does elsewhere");
            edge.hear(from(address), &answer(&invite, 486, "t", address));
        }
        edge.pass(ms(100));
    }
    // Two numbers, with others served between them, are two numbers' trouble.
    let other = invites(&call(&mut edge, 90), TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&other, 486, "t", TRUNK));
    answered_so(&mut edge, 91, (91, 91), 503, "Retry-After: 86400");
    edge.pass(ms(2_001));
    assert_eq!(invites(&call(&mut edge, 92), TRUNK).len(), 1);
    // And two without are the trunk's, for `retry_after_max` and no longer.
    answered_so(&mut edge, 93, (93, 93), 503, "Retry-After: 86400");
    edge.pass(ms(31_998));
    assert!(invites(&call(&mut edge, 94), TRUNK).is_empty());
    edge.pass(ms(3));
    assert_eq!(invites(&call(&mut edge, 95), TRUNK).len(), 1);
}

#[test]
fn c8_one_caller_with_many_numbers_delays_the_others_for_a_moment_and_no_more() {
    let words = "Warning: 399 carrier \"call rate\"\r\nRetry-After: 86400";
    for said in ["Retry-After: 86400", words] {
        let mut edge = Edge::new();
        let mut pauses = 0;
        for nth in (1..=120).step_by(2) {
            // Every second it reaches another number that is answered so.
            let seen = call_of(&mut edge, nth, (1, nth));
            if let Some(invite) = invites(&seen, TRUNK).pop() {
                let seen = edge.hear(from(TRUNK), &refusal(&invite, 503, said, TRUNK));
                let held = seen.codes().iter().filter(|code| **code == 32001).count();
                assert!(invites(&seen, TRUNK).is_empty(), "it is not asked again at once");
                assert_eq!(seen.statuses(PBX), if held > 0 { vec![] } else { vec![480] });
                pauses += held;
            }
            let other = call_of(&mut edge, nth + 1, (2, 1_000));
            let passed = edge.pass(ms(2_100));
            let reached = [&other, &passed].into_iter().flat_map(|seen| invites(seen, TRUNK));
            let other = reached.into_iter().find(|invite| header(invite, "From").contains("+12125550002"));
            let other = other.unwrap_or_else(|| panic!("call {nth} kept another one away: {said}"));
            edge.hear(from(TRUNK), &answer(&other, 486, "t", TRUNK));
        }
        // 126 s: a pause of 2 s and then 30 s without one.
        assert!((3..=4).contains(&pauses), "{pauses}: {said}");
    }
}

#[test]
fn c8_each_full_pause_takes_two_witnesses_of_its_own_and_nothing_makes_it_longer() {
    let mut edge = Edge::under(two(|_| {}));
    // Under way when the pause begins.
    let late = invites(&call_of(&mut edge, 9, (9, 9)), TRUNK).remove(0);
    answered_so(&mut edge, 1, (1, 1), 503, "Retry-After: 32");
    edge.pass(ms(2_001));
    answered_so(&mut edge, 2, (2, 2), 503, "Retry-After: 32");
    edge.pass(ms(10_000));
    let seen = edge.hear(from(TRUNK), &refusal(&late, 503, "Retry-After: 32", TRUNK));
    assert!(seen.codes().is_empty(), "{:?}", seen.codes());
    edge.pass(ms(21_998));
    assert!(invites(&call(&mut edge, 3), TRUNK).is_empty(), "it lasts");
    edge.pass(ms(3));
    // The same two, and one caller with two numbers: a short pause, and then none.
    for (nth, parties, kept_away) in [(4, (1, 1), true), (5, (1, 2), false), (6, (1, 3), false)] {
        answered_so(&mut edge, nth, parties, 503, "Retry-After: 32");
        assert_eq!(invites(&call_of(&mut edge, nth + 10, (8, 8)), TRUNK).is_empty(), kept_away, "call {nth}");
        edge.pass(ms(2_001));
    }
    answered_so(&mut edge, 7, (2, 2), 503, "Retry-After: 32");
    edge.pass(ms(31_998));
    assert!(invites(&call(&mut edge, 8), TRUNK).is_empty(), "two again");
}

#[test]
fn what_is_refused_without_a_wish_is_no_witness_for_a_pause() {
    let mut edge = Edge::under(two(|_| {}));
    answered_so(&mut edge, 1, (1, 1), 503, "Warning: 399 x \"y\"");
    answered_so(&mut edge, 2, (2, 2), 503, "Retry-After: 32");
    edge.pass(ms(2_001));
    assert_eq!(invites(&call(&mut edge, 3), TRUNK).len(), 1, "one wish alone");
}

#[test]
fn callers_that_a_site_hides_behind_one_number_are_one_and_those_of_another_pbx_are_others() {
    for (from_other, held) in [(false, false), (true, true)] {
        let mut edge = Edge::under(two(|_| {}));
        answered_so(&mut edge, 1, (1, 1), 503, "Retry-After: 32");
        edge.pass(ms(2_001));
        let text = invite(2).text().replace("From: <sip:+12125550100@", "From: <sip:+12125550001@");
        let (pbx, text) = if from_other { (OTHER, text.replace(PBX, OTHER)) } else { (PBX, text) };
        let second = invites(&edge.hear(from(pbx), &text), TRUNK).remove(0);
        edge.hear(from(TRUNK), &refusal(&second, 503, "Retry-After: 32", TRUNK));
        edge.pass(ms(2_001));
        assert_eq!(invites(&call(&mut edge, 3), TRUNK).is_empty(), held, "from another PBX: {from_other}");
    }
}

#[test]
fn what_a_trunk_tells_the_caller_to_wait_is_bounded() {
    for (said, told) in
        [("1", "1"), ("31", "31"), ("32", "32"), ("33", "32"), ("4294967296", "32"), ("soon", "")]
    {
        let mut edge = Edge::new();
        let seen = answered_so(&mut edge, 1, (1, 1), 486, &format!("Retry-After: {said}"));
        let refused = seen.to(PBX).pop().expect("an answer");
        assert_eq!(refused.status(), Some(486));
        let heard = refused.header(ringfence::sip::HeaderName::RetryAfter).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(heard), told, "{said}");
    }
}

#[test]
fn status_tells_of_a_pause_and_of_calls_that_wait() {
    let mut edge = Edge::under(paced(1, |_| {}));
    answered_so(&mut edge, 1, (1, 1), 503, "Retry-After: 2");
    edge.pass(ms(500));
    let seen = edge.input(Input::Query { id: 1, query: Query::Status });
    let Some(Reply::Status { targets_held, tried_last, waiting, .. }) = seen.replies.into_iter().next()
    else {
        panic!("no answer");
    };
    assert_eq!(targets_held, [("trunk".to_owned(), TRUNK.to_owned(), 2)]);
    assert_eq!((tried_last, waiting), (vec![], vec![("trunk".to_owned(), 1)]));
}
