//! Which target a call goes to, how fast, and over what: pace, failures, transports.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::peer::Probe;
use ringfence::policy::route::RouteTarget;
use ringfence::policy::{Pace, PeerId, PeerSide, Policy};
use ringfence::sip::{Flow, Message, Transport};

use super::edge::{Edge, OTHER, PBX, Seen, TRUNK, alter, at, from, peer, plan};
use super::texts::{Request, answer, header};

/// A second trunk.
pub const SPARE: &str = "198.51.100.6:5060";

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The trunk takes so many calls a second.
pub fn paced(calls: u32, change: impl FnOnce(&mut Pace)) -> Arc<Policy> {
    let mut pace = Pace { per_second: NonZeroU32::new(calls), ..Pace::default() };
    change(&mut pace);
    plan(|plan| alter(plan, 1, |trunk| trunk.pace = pace))
}

/// Two trunks, the second tried after the first.
pub fn two(change: impl Fn(&mut ringfence::policy::Peer)) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 1, &change);
        let mut spare = peer(3, "spare", PeerSide::Outside, 1, SPARE);
        change(&mut spare);
        plan.peers.push(Some(Arc::new(spare)));
        plan.sites[0].peers.push(PeerId(3));
        plan.routes[0].to.push(RouteTarget { peer: PeerId(3), priority: 2, weight: 1 });
    })
}

/// The nth call of the PBX, to a destination block of its own.
pub fn invite(nth: u32) -> Request {
    Request::new("INVITE", PBX).with(|r| {
        r.branch = format!("z9hG4bK-{nth}");
        r.call_id = format!("call-{nth}@example.com");
        r.uri = format!("sip:+1312{:03}0199@10.0.0.1", 200 + nth);
    })
}

pub fn call(edge: &mut Edge, nth: u32) -> Seen {
    edge.hear(from(PBX), &invite(nth).text())
}

/// The nth call of the PBX, but of some caller and to the number of another one.
pub fn call_of(edge: &mut Edge, nth: u32, (caller, number): (u32, u32)) -> Seen {
    let text = invite(nth).with(|r| r.uri = invite(number).uri).text();
    edge.hear(
        from(PBX),
        &text.replace("From: <sip:+12125550100@", &format!("From: <sip:+1212555{caller:04}@")),
    )
}

/// The first trunk answers the nth call so, a call of the caller with this number to the block with this number.
pub fn answered_so(edge: &mut Edge, nth: u32, parties: (u32, u32), status: u16, more: &str) -> Seen {
    let seen = call_of(edge, nth, parties);
    let invite = invites(&seen, TRUNK).pop().expect("it goes to the first trunk");
    edge.hear(from(TRUNK), &refusal(&invite, status, more, TRUNK))
}

/// INVITEs to an address, copies left out.
pub fn invites(seen: &Seen, address: &str) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    for message in seen.to(address) {
        let copy = found.iter().any(|known| known.call_id() == message.call_id());
        if message.method().as_bytes() == b"INVITE" && message.is_request() && !copy {
            found.push(message);
        }
    }
    found
}

/// The same, answered 100 so that no copies follow.
fn taken(edge: &mut Edge, seen: &Seen, address: &str) -> usize {
    let invites = invites(seen, address);
    for invite in &invites {
        edge.hear(from(address), &answer(invite, 100, "", address));
    }
    invites.len()
}

/// A refusal with one more header line.
pub fn refusal(invite: &Message, status: u16, more: &str, sender: &str) -> String {
    answer(invite, status, "t", sender).replacen("\r\n", &format!("\r\n{more}\r\n"), 1)
}

#[test]
fn c8_calls_leave_at_the_rate_and_the_rest_wait_in_order() {
    let mut edge = Edge::under(paced(2, |pace| pace.queue_max = 3));
    let first: Vec<Seen> = (1..=5).map(|nth| call(&mut edge, nth)).collect();
    let left: Vec<usize> = first.iter().map(|seen| taken(&mut edge, seen, TRUNK)).collect();
    assert_eq!(left, [1, 0, 0, 0, 0]);
    for seen in &first[..4] {
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![100], vec![]), "who waits has heard 100");
    }
    let refused = &first[4];
    assert_eq!((refused.statuses(PBX), refused.codes()), (vec![100, 480], vec![32001]));
    assert_eq!(header(&refused.to(PBX)[1], "Retry-After"), "2");
    assert_eq!(refused.records.len(), 1);
    let held = edge.status().0.reserved;
    assert!(
        held.iter().any(|(name, held)| name == "peer trunk" && *held == 1),
        "who waits holds no channel: {held:?}"
    );
    for (nth, wait) in [(2, 498), (3, 490), (4, 490)] {
        assert!(invites(&edge.pass(ms(wait)), TRUNK).is_empty(), "call {nth} comes too early");
        let leaving = edge.pass(ms(10));
        assert_eq!(taken(&mut edge, &leaving, TRUNK), 1, "call {nth}");
    }
    assert_eq!((edge.count("paced"), edge.count("paced_out")), (3, 1));
    edge.pass(Duration::from_secs(300));
    edge.assert_empty();
}

#[test]
fn a_turn_that_comes_after_two_seconds_is_not_waited_for() {
    // Three a second: the sixth that waits has its turn after 2 s less some microseconds, the seventh after 2.3 s.
    for (queue_max, waiting) in [(0, 0), (5, 5), (6, 6), (7, 6), (100, 6)] {
        let mut edge = Edge::under(paced(3, |pace| pace.queue_max = queue_max));
        let statuses: Vec<Vec<u16>> = (0..=8).map(|nth| call(&mut edge, nth).statuses(PBX)).collect();
        let wait = statuses.iter().skip(1).filter(|heard| **heard == [100]).count();
        assert_eq!(wait, waiting, "a queue of {queue_max}: {statuses:?}");
    }
}

#[test]
fn c8_one_caller_that_fills_the_line_gives_a_place_to_another() {
    let mut edge = Edge::under(paced(2, |pace| pace.queue_max = 3));
    let by = |edge: &mut Edge, nth: u32, caller: &str| {
        edge.hear(
            from(PBX),
            &invite(nth).text().replace("From: <sip:+12125550100@", &format!("From: <sip:{caller}@")),
        )
    };
    let greedy: Vec<Seen> = (1..=5).map(|nth| by(&mut edge, nth, "+12125550100")).collect();
    assert_eq!(taken(&mut edge, &greedy[0], TRUNK), 1);
    let heard: Vec<Vec<u16>> = greedy.iter().map(|seen| seen.statuses(PBX)).collect();
    assert_eq!(heard[3..], [vec![100], vec![100, 480]], "three wait, all its own");
    assert_eq!(by(&mut edge, 7, "+12125550111").statuses(PBX), [100], "another one waits as well");
    let refused = by(&mut edge, 8, "+12125550111");
    assert_eq!(refused.statuses(PBX), [100, 480], "for one place: more would be more than its share");
    let displaced = edge.pass(ms(110));
    assert_eq!((displaced.statuses(PBX), displaced.codes()), (vec![480], vec![32001]));
    assert_eq!(displaced.to(PBX)[0].call_id(), b"call-4@example.com", "the newest of who holds most");
    assert_eq!(header(&displaced.to(PBX)[0], "Retry-After"), "1");
    let mut left = Vec::new();
    for _ in 0..3 {
        let seen = edge.pass(ms(500));
        left.extend(invites(&seen, TRUNK).iter().map(|invite| header(invite, "From")));
        taken(&mut edge, &seen, TRUNK);
    }
    let of_other = left.iter().position(|from| from.contains("+12125550111"));
    assert_eq!((left.len(), of_other), (3, Some(2)), "{left:?}");
    edge.pass(Duration::from_secs(300));
    edge.assert_empty();
}

#[test]
fn c8_a_pbx_that_shows_a_new_number_for_each_call_leaves_places_to_another_pbx() {
    let mut edge = Edge::under(paced(8, |pace| pace.queue_max = 8));
    let crowd: Vec<Seen> = (1..=10).map(|nth| call_of(&mut edge, nth, (nth, nth))).collect();
    assert_eq!(taken(&mut edge, &crowd[0], TRUNK), 1);
    let heard: Vec<Vec<u16>> = crowd.iter().map(|seen| seen.statuses(PBX)).collect();
    assert_eq!(heard[8..], [vec![100], vec![100, 480]], "eight wait, and not one number holds two places");
    for (nth, statuses) in [(11, vec![100]), (12, vec![100]), (13, vec![100, 480])] {
        let text = invite(nth).text().replace(PBX, OTHER);
        assert_eq!(edge.hear(from(OTHER), &text).statuses(OTHER), statuses, "a quarter of eight: call {nth}");
    }
    let displaced = edge.pass(ms(110));
    let ids: Vec<Vec<u8>> = displaced.to(PBX).iter().map(|refused| refused.call_id().to_vec()).collect();
    assert_eq!((displaced.statuses(PBX), ids.len()), (vec![480, 480], 2));
    for newest in ["call-8@example.com", "call-9@example.com"] {
        assert!(ids.iter().any(|id| id == newest.as_bytes()), "{newest} {ids:?}");
    }
    let mut left = 0;
    for _ in 0..8 {
        let seen = edge.pass(ms(130));
        left += taken(&mut edge, &seen, TRUNK);
    }
    assert_eq!(left, 8);
    edge.pass(Duration::from_secs(300));
    edge.assert_empty();
}

#[test]
fn c8_cancel_ends_a_call_in_the_line_at_once_and_moves_the_rest_on() {
    let mut edge = Edge::under(paced(1, |_| {}));
    for nth in 1..=3 {
        let seen = call(&mut edge, nth);
        assert_eq!(taken(&mut edge, &seen, TRUNK), usize::from(nth == 1));
    }
    edge.pass(ms(100));
    let cancel =
        invite(2).with(|r| (r.method, r.body, r.more) = ("CANCEL".into(), String::new(), String::new()));
    let seen = edge.hear(from(PBX), &cancel.text());
    assert_eq!(seen.statuses(PBX), [200, 487]);
    assert!(seen.to(TRUNK).is_empty(), "nothing was sent, so nothing is cancelled");
    assert_eq!(seen.records.len(), 1);
    edge.pass(ms(850));
    assert_eq!(call(&mut edge, 4).statuses(PBX), [100], "the place of the cancelled one is free");
    let left = edge.pass(ms(2_000));
    assert_eq!(invites(&left, TRUNK).len(), 2, "the third and the fourth");
    edge.pass(Duration::from_secs(300));
    edge.assert_empty();
}

#[test]
fn a_target_taken_by_the_rate_leaves_the_call_to_the_next() {
    let mut edge = Edge::under(two(|trunk| trunk.pace.per_second = NonZeroU32::new(1)));
    for (nth, address) in [(1, TRUNK), (2, SPARE)] {
        let seen = call(&mut edge, nth);
        assert_eq!(taken(&mut edge, &seen, address), 1);
    }
    let third = call(&mut edge, 3);
    assert_eq!((third.statuses(PBX), third.sent.len()), (vec![100], 1), "both are taken: it waits");
    assert_eq!(invites(&edge.pass(ms(1_003)), TRUNK).len(), 1);
}

#[test]
fn a_failover_is_admitted_for_the_new_trunk_and_its_reservation_moves() {
    let mut edge = Edge::under(two(|trunk| trunk.concurrent_calls_max = 1));
    let first = invites(&call(&mut edge, 1), TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&first, 503, "t", TRUNK));
    assert_eq!(invites(&seen, SPARE).len(), 1);
    let held: Vec<_> = edge.status().0.reserved.into_iter().map(|(name, _)| name).collect();
    assert!(held.contains(&"peer spare".to_owned()) && !held.contains(&"peer trunk".to_owned()), "{held:?}");
    let second = invites(&call(&mut edge, 2), TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&second, 503, "t", TRUNK));
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![480], vec![10004]), "the spare one is full");
}

#[test]
fn statuses_that_fail_over_and_statuses_that_are_the_callees() {
    for (status, over) in [
        (408, true),
        (503, true),
        (403, false),
        (404, false),
        (480, false),
        (486, false),
        (500, false),
        (504, false),
        (600, false),
        (603, false),
    ] {
        let mut edge = Edge::under(two(|_| {}));
        let first = invites(&call(&mut edge, 1), TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &answer(&first, status, "t", TRUNK));
        assert_eq!(invites(&seen, SPARE).len() == 1, over, "{status}");
        assert_eq!(seen.statuses(PBX), if over { vec![] } else { vec![status] }, "{status}");
    }
}

#[test]
fn a_trunk_that_fails_half_of_its_calls_is_tried_last_until_it_is_better() {
    let mut edge = Edge::under(two(|_| {}));
    let mut told = Vec::new();
    let mut nth = 0;
    let mut place = |edge: &mut Edge, status: u16| {
        nth += 1;
        let seen = call(edge, nth);
        let (at, invite) = match invites(&seen, TRUNK).pop() {
            Some(invite) => (TRUNK, invite),
            None => (SPARE, invites(&seen, SPARE).remove(0)),
        };
        let answered = edge.hear(from(at), &answer(&invite, if at == TRUNK { status } else { 486 }, "t", at));
        if let Some(invite) = invites(&answered, SPARE).pop() {
            told.extend(edge.hear(from(SPARE), &answer(&invite, 486, "t", SPARE)).codes());
        }
        told.extend(seen.codes().into_iter().chain(answered.codes()));
        at
    };
    for status in [486, 486, 486, 486, 486, 503, 503, 503, 503] {
        assert_eq!(place(&mut edge, status), TRUNK);
    }
    assert_eq!(place(&mut edge, 503), TRUNK, "five of ten are known only now");
    assert_eq!(place(&mut edge, 486), SPARE, "tried last");
    assert_eq!(edge.status().2[1], ("trunk".to_owned(), None), "it is not down");
    edge.pass(Duration::from_secs(601));
    assert_eq!(place(&mut edge, 486), TRUNK, "old failures count no more");
    assert_eq!(told, [32011, 32011], "told once, and once that it recovered");
}

#[test]
fn c8_one_number_that_fails_moves_no_trunk_behind_the_others() {
    let mut edge = Edge::under(two(|_| {}));
    for nth in 1..=30 {
        let seen =
            answered_so(&mut edge, nth, (1, 1), if nth % 2 == 0 { 500 } else { 503 }, "Warning: 399 x \"y\"");
        assert!(seen.codes().is_empty(), "call {nth}");
    }
    assert_eq!(invites(&call(&mut edge, 31), TRUNK).len(), 1, "in its turn as before");
    // What is about who is called never counts, to however many numbers.
    for (nth, status) in (40..).zip([404, 480, 484, 486, 600, 603, 604, 606, 403, 410]) {
        assert!(answered_so(&mut edge, nth, (nth, nth), status, "X: y").codes().is_empty(), "{status}");
    }
    assert_eq!(invites(&call(&mut edge, 60), TRUNK).len(), 1);
}

/// The trunk has these transports.
pub fn over(transports: &[Transport]) -> Arc<Policy> {
    let transports = transports.iter().copied().collect();
    two(move |trunk| {
        trunk.transports = Clone::clone(&transports);
    })
}

/// Breaks whatever waits for an address; what follows.
fn unsendable(edge: &mut Edge, seen: &Seen, address: &str) -> Seen {
    let hop = seen.sent.iter().rev().find(|(hop, _)| hop.remote == at(address)).unwrap().0;
    edge.input(Input::Unsendable { hop })
}

#[test]
fn every_transport_of_a_target_is_tried_before_the_next_target() {
    use Transport::{Tcp, Tls, Udp};
    let table: [(&[Transport], &[Transport]); 6] = [
        (&[Tcp, Udp], &[Tcp, Udp]),
        (&[Udp, Tcp], &[Udp, Tcp]),
        (&[Udp], &[Udp]),
        // An attacker who breaks TLS must not get the call in the clear.
        (&[Tls, Tcp, Udp], &[Tls]),
        (&[Tcp, Tls], &[Tcp, Tls]),
        (&[Udp, Tls, Tcp], &[Udp, Tls]),
    ];
    for (transports, tried) in table {
        let mut edge = Edge::under(over(transports));
        let mut seen = call(&mut edge, 1);
        let mut ways = Vec::new();
        while !invites(&seen, TRUNK).is_empty() {
            let hop = seen.sent.iter().find(|(hop, _)| hop.remote == at(TRUNK)).unwrap().0;
            let via = header(&invites(&seen, TRUNK)[0], "Via");
            assert!(via.starts_with(&format!("SIP/2.0/{} ", hop.transport.via_token())), "{via}");
            ways.push(hop.transport);
            seen = unsendable(&mut edge, &seen, TRUNK);
            assert_eq!(seen.codes(), [32011], "{transports:?}");
        }
        assert_eq!(ways, tried, "{transports:?}");
        assert_eq!(invites(&seen, SPARE).len(), 1, "{transports:?}: then the next target");
    }
}

#[test]
fn a_large_request_that_tcp_does_not_take_goes_by_udp() {
    let mut edge = Edge::under(over(&[Transport::Udp, Transport::Tcp]));
    let large = invite(1).with(|r| r.body += &"a=x\r\n".repeat(500));
    let seen = edge.hear(from(PBX), &large.text());
    assert_eq!(seen.sent.last().unwrap().0.transport, Transport::Tcp);
    let seen = unsendable(&mut edge, &seen, TRUNK);
    let (hop, bytes) = seen.sent.last().unwrap();
    assert_eq!((hop.remote, hop.transport), (at(TRUNK), Transport::Udp));
    assert!(bytes.len() > 2_000);
}

#[test]
fn a_transport_that_answered_is_not_left() {
    let mut edge = Edge::under(over(&[Transport::Tcp, Transport::Udp]));
    let seen = call(&mut edge, 1);
    let mut flow = from(TRUNK);
    flow.transport = Transport::Tcp;
    edge.hear(flow, &answer(&invites(&seen, TRUNK)[0], 100, "", TRUNK));
    let seen = unsendable(&mut edge, &seen, TRUNK);
    assert!(seen.to(TRUNK).is_empty() && invites(&seen, SPARE).is_empty(), "it has the call");
}

/// The edge asks a target whether it lives, at once, and cannot.
fn no_probe_reaches(edge: &mut Edge, address: &str) {
    let mut seen = edge.pass(ms(1));
    for _ in 0..2 {
        let asked = seen.to(address).iter().any(|message| message.method().as_bytes() == b"OPTIONS");
        assert!(asked, "by UDP and by TCP");
        seen = unsendable(edge, &seen, address);
    }
    assert_eq!(seen.codes(), [32011]);
}

#[test]
fn targets_that_are_down_are_tried_only_when_all_are() {
    let probed = || two(|trunk| trunk.probe = Some(Probe { interval: Duration::from_secs(3_600) }));
    let mut edge = Edge::under(probed());
    let seen = call(&mut edge, 1);
    let seen = unsendable(&mut edge, &seen, TRUNK);
    let seen = unsendable(&mut edge, &seen, TRUNK);
    assert_eq!(invites(&seen, SPARE).len(), 1);
    no_probe_reaches(&mut edge, TRUNK);
    let second = call(&mut edge, 2);
    assert!(invites(&second, TRUNK).is_empty(), "it is down");
    let seen = edge.hear(from(SPARE), &answer(&invites(&second, SPARE)[0], 503, "t", SPARE));
    assert!(invites(&seen, TRUNK).is_empty(), "one has answered: the route is not dead");
    assert_eq!(seen.statuses(PBX), [480]);
    let third = call(&mut edge, 3);
    let seen = unsendable(&mut edge, &third, SPARE);
    let seen = unsendable(&mut edge, &seen, SPARE);
    assert_eq!(invites(&seen, TRUNK).len(), 1, "the last resort");
    assert!(seen.codes().contains(&32010));
    no_probe_reaches(&mut edge, SPARE);
    let fourth = call(&mut edge, 4);
    assert_eq!((invites(&fourth, TRUNK).len(), fourth.codes()), (1, vec![32010]), "both are down: at once");
}

#[test]
fn what_was_sent_before_a_target_came_back_says_nothing_of_it_after() {
    let probe = |trunk: &mut ringfence::policy::Peer| {
        trunk.probe = Some(Probe { interval: Duration::from_secs(3_600) });
        trunk.try_timeout = ms(1_000);
    };
    let mut edge = Edge::under(two(probe));
    call_of(&mut edge, 1, (101, 1));
    edge.pass(ms(500));
    call_of(&mut edge, 2, (102, 2));
    let seen = edge.pass(ms(501));
    assert_eq!((invites(&seen, SPARE).len(), seen.codes()), (1, vec![32011]), "the first met silence");
    let busy = |edge: &mut Edge, seen: &Seen| {
        let refused = edge.hear(from(SPARE), &answer(&invites(seen, SPARE)[0], 486, "t", SPARE));
        assert_eq!(refused.statuses(PBX), [486]);
    };
    busy(&mut edge, &seen);
    let asked = |seen: &Seen| seen.to(TRUNK).into_iter().find(|m| m.method().as_bytes() == b"OPTIONS");
    let options = asked(&seen).expect("the target is asked at once");
    edge.hear(from(TRUNK), &answer(&options, 200, "t", TRUNK));
    // The second was sent when it was silent still: its time is over, and nobody is told again.
    let seen = edge.pass(ms(500));
    assert_eq!((invites(&seen, SPARE).len(), seen.codes()), (1, vec![]));
    assert!(asked(&seen).is_none());
    busy(&mut edge, &seen);
    // One that was sent since does bear witness.
    call_of(&mut edge, 3, (103, 3));
    let seen = edge.pass(ms(1_001));
    assert_eq!((invites(&seen, SPARE).len(), seen.codes()), (1, vec![32011]));
    assert!(asked(&seen).is_some());
}

#[test]
fn a_connection_begun_before_a_target_came_back_says_nothing_of_it_after() {
    let mut edge = Edge::under(two(|trunk| {
        trunk.probe = Some(Probe { interval: Duration::from_secs(3_600) });
        trunk.transports = [Transport::Tcp].into_iter().collect();
    }));
    let tcp = Flow { transport: Transport::Tcp, ..from(TRUNK) };
    let asked = |seen: &Seen| seen.to(TRUNK).into_iter().find(|m| m.method().as_bytes() == b"OPTIONS");
    let first = call_of(&mut edge, 1, (101, 1));
    assert_eq!(unsendable(&mut edge, &first, TRUNK).codes(), [32011]);
    let options = asked(&edge.pass(ms(1))).expect("the target is asked at once");
    let second = call_of(&mut edge, 2, (102, 2));
    assert_eq!(invites(&second, TRUNK).len(), 1, "a connection is begun");
    edge.pass(ms(1_000));
    edge.hear(tcp, &answer(&options, 200, "t", TRUNK));
    edge.pass(ms(1_000));
    let seen = unsendable(&mut edge, &second, TRUNK);
    assert_eq!(
        (invites(&seen, SPARE).len(), seen.codes()),
        (1, vec![]),
        "it was begun when nobody was there"
    );
    assert!(asked(&edge.pass(ms(1))).is_none());
    // One that is begun since does bear witness.
    let third = call_of(&mut edge, 3, (103, 3));
    assert_eq!(unsendable(&mut edge, &third, TRUNK).codes(), [32011]);
    assert!(asked(&edge.pass(ms(1))).is_some());
}
