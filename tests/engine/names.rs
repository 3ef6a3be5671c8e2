//! Targets that DNS gives: which are tried, which are left out, and what a changed answer leaves alone.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::locate::Found;
use ringfence::policy::peer::Probe;
use ringfence::policy::{Aim, Domain, Policy, Resolution};
use ringfence::sip::{Method, PartyId, Transport};

use super::edge::{Edge, PBX, STRANGER, Seen, alter, at, from, plan};
use super::texts::{Request, answer, header};

const NAME: PartyId = PartyId(40);
const ONE: &str = "198.51.100.21:5060";
const TWO: &str = "198.51.100.22:5060";
const THREE: &str = "198.51.100.23:5060";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The trunk is a name, and calls from nowhere.
fn named(change: impl FnOnce(&mut ringfence::policy::Peer)) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 1, |trunk| {
            trunk.targets =
                vec![Aim::Name(Domain { host: "sip.example.com".into(), port: None, party: NAME })];
            trunk.sources.clear();
            change(trunk);
        });
    })
}

/// DNS says that the name leads to these, in this order.
fn led(edge: &mut Edge, addresses: &[&str]) -> Seen {
    let found = |(rank, address): (u16, &&str)| Found {
        address: at(address),
        transports: [Transport::Udp].into_iter().collect(),
        rank,
        weight: 0,
        record: rank,
    };
    let list = (0..).zip(addresses).map(found).collect();
    edge.input(Input::Resolved { party: NAME, resolution: Resolution::Found { list, ttl: secs(60) } })
}

fn call(edge: &mut Edge, nth: u32) -> Seen {
    call_by(edge, nth, 100, nth)
}

/// The nth call, of some caller, to a number of its own or another's.
fn call_by(edge: &mut Edge, nth: u32, caller: u32, number: u32) -> Seen {
    let invite = Request::new("INVITE", PBX).with(|r| {
        r.branch = format!("z9hG4bK-{nth}");
        r.call_id = format!("call-{nth}@example.com");
        r.uri = format!("sip:+1312{:03}0199@10.0.0.1", 200 + number);
    });
    let caller = format!("From: <sip:+1212555{caller:04}@");
    edge.hear(from(PBX), &invite.text().replace("From: <sip:+12125550100@", &caller))
}

/// How many probes were sent to a target, copies left out.
fn asks(seen: &Seen, address: &str) -> usize {
    let probes = seen.to(address).into_iter().filter(|message| *message.method() == Method::Options);
    probes.map(|probe| header(&probe, "Call-ID")).collect::<std::collections::HashSet<_>>().len()
}

/// A target answers the calls that were sent to it: who is called is busy.
fn busy(edge: &mut Edge, seen: &Seen, address: &str) -> Seen {
    let mut last = Seen::default();
    for invite in seen.to(address).into_iter().filter(|message| *message.method() == Method::Invite) {
        last = edge.hear(from(address), &answer(&invite, 486, "there", address));
    }
    last
}

/// Where a call was sent first.
fn tried(seen: &Seen) -> Vec<&'static str> {
    [ONE, TWO, THREE].into_iter().filter(|address| !seen.to(address).is_empty()).collect()
}

#[test]
fn a_call_waits_for_no_dns_and_a_name_that_leads_nowhere_is_told() {
    let mut edge = Edge::under(named(|_| {}));
    let seen = call(&mut edge, 1);
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![100, 480], vec![32010]));
    let record = seen.records.first().unwrap();
    assert_eq!((record.code, record.legs.len()), (Some(32010), 1), "it is refused by its route");
    let nowhere = |edge: &mut Edge| {
        let resolution = Resolution::Nowhere { why: "no such name".to_owned() };
        edge.input(Input::Resolved { party: NAME, resolution })
    };
    assert_eq!(nowhere(&mut edge).codes(), [32011]);
    assert!(nowhere(&mut edge).codes().is_empty(), "told once");
    assert_eq!(led(&mut edge, &[ONE]).codes(), [32011], "and once that it recovered");
    assert!(led(&mut edge, &[ONE]).codes().is_empty());
    let seen = call(&mut edge, 2);
    let invite = seen.to(ONE).remove(0);
    assert_eq!(
        invite.uri().map(|_| header(&invite, "To")),
        Some("<sip:+13122020199@sip.example.com>".to_owned())
    );
    // What belongs to no name of the policy is left.
    let resolution = Resolution::Found { list: Vec::new(), ttl: secs(9) };
    assert!(edge.input(Input::Resolved { party: PartyId(9), resolution }).codes().is_empty());
}

#[test]
fn a_target_that_fails_is_left_out_until_it_answers_a_probe() {
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE, TWO]);
    assert_eq!(tried(&call(&mut edge, 1)), [ONE]);
    assert_eq!(tried(&call(&mut edge, 2)), [ONE]);
    let seen = edge.pass(secs(5));
    assert_eq!(
        (tried(&seen), seen.codes()),
        (vec![ONE, TWO], vec![32011]),
        "two calls of one caller found it silent, it is told once"
    );
    assert_eq!(asks(&seen, ONE), 1, "at once");
    busy(&mut edge, &seen, TWO);
    let later = call(&mut edge, 13);
    assert_eq!(tried(&later), [ONE], "that may be this caller's trouble");
    let seen = edge.pass(secs(4));
    assert_eq!(seen.codes(), [32011], "nor does it answer the probe");
    busy(&mut edge, &seen, TWO);
    assert_eq!(tried(&call(&mut edge, 3)), [TWO]);
    let probes = edge.pass(secs(34)).to(ONE);
    let probe = probes.iter().rfind(|message| *message.method() == Method::Options).unwrap();
    let back = edge.hear(from(ONE), &answer(probe, 404, "there", ONE));
    assert_eq!(back.codes(), [32011], "any answer is life");
    let fourth = call(&mut edge, 4);
    assert_eq!(tried(&fourth), [ONE]);
    edge.hear(from(ONE), &answer(&fourth.to(ONE).remove(0), 486, "there", ONE));
    let later = edge.pass(secs(120)).to(ONE);
    assert!(!later.iter().any(|message| *message.method() == Method::Options), "nobody asked for probes");
}

#[test]
fn c8_one_caller_who_reaches_silence_takes_no_target_away() {
    // What is heard of it meanwhile: an answer to the probe, or a phone that rings for somebody else.
    for life in ["probe", "call"] {
        let mut edge = Edge::under(named(|_| {}));
        led(&mut edge, &[ONE, TWO]);
        for nth in 1..=3 {
            call(&mut edge, 10 * nth);
            edge.pass(secs(3));
            let other = (life == "call").then(|| call_by(&mut edge, 10 * nth + 1, 7, 900));
            let seen = edge.pass(Duration::from_millis(1_100));
            assert_eq!((asks(&seen, ONE), seen.codes()), (1, vec![32011]), "{life}: call {nth} makes it ask");
            busy(&mut edge, &seen, TWO);
            match &other {
                Some(other) => busy(&mut edge, other, ONE),
                None => edge.hear(from(ONE), &answer(&seen.to(ONE).remove(0), 200, "x", ONE)),
            };
            assert!(edge.pass(secs(60)).codes().is_empty(), "{life}");
            let third = call_by(&mut edge, 10 * nth + 2, 8, 901);
            assert_eq!(tried(&third), [ONE], "{life}: call {nth}");
            busy(&mut edge, &third, ONE);
            edge.pass(secs(200));
        }
    }
}

#[test]
fn two_callers_who_reach_silence_at_two_numbers_need_no_probe() {
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE, TWO]);
    for nth in 1..=2 {
        assert_eq!(tried(&call_by(&mut edge, nth, nth, nth)), [ONE]);
    }
    assert_eq!(edge.pass(secs(5)).codes(), [32011, 32011], "asked, and then down");
    assert_eq!(tried(&call(&mut edge, 3)), [TWO]);
}

#[test]
fn a_target_that_refuses_calls_to_different_numbers_is_left_out_too() {
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE, TWO]);
    let refused = |edge: &mut Edge, nth: u32, number: u32| {
        let seen = call_by(edge, nth, number, number);
        let over = edge.hear(from(ONE), &answer(&seen.to(ONE).remove(0), 503, "there", ONE));
        let taken = edge.hear(from(TWO), &answer(&over.to(TWO).remove(0), 200, "there", TWO));
        assert!(taken.statuses(PBX).contains(&200), "the other one serves it");
        over.codes()
    };
    assert!(refused(&mut edge, 1, 1).is_empty(), "it may be about one number");
    assert!(refused(&mut edge, 2, 1).is_empty(), "which may be called again");
    assert_eq!(refused(&mut edge, 3, 3), [32011]);
    assert_eq!(tried(&call(&mut edge, 4)), [TWO]);
    let probe = |edge: &mut Edge, status: u16| {
        let probes = edge.pass(secs(33)).to(ONE);
        let probe = probes.into_iter().rfind(|message| *message.method() == Method::Options).unwrap();
        edge.hear(from(ONE), &answer(&probe, status, "there", ONE)).codes()
    };
    assert!(probe(&mut edge, 503).is_empty(), "it is not back yet");
    assert_eq!(probe(&mut edge, 200), [32011]);
    assert_eq!(tried(&call(&mut edge, 5)), [ONE]);
}

#[test]
fn a_target_that_answers_no_probe_is_tried_again_after_five_minutes() {
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE, TWO]);
    call(&mut edge, 1);
    let seen = edge.pass(secs(5));
    assert_eq!(seen.codes(), [32011]);
    busy(&mut edge, &seen, TWO);
    assert_eq!(edge.pass(secs(4)).codes(), [32011], "it is down");
    edge.pass(secs(281));
    let second = call(&mut edge, 2);
    assert_eq!(tried(&second), [TWO]);
    edge.hear(from(TWO), &answer(&second.to(TWO).remove(0), 486, "there", TWO));
    assert_eq!(edge.pass(secs(40)).codes(), [32011], "it is tried again, and that is told");
    assert_eq!(tried(&call(&mut edge, 3)), [ONE]);
    // The only target of a peer is never left out: there is no other.
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE]);
    call(&mut edge, 1);
    edge.pass(secs(40));
    assert_eq!(tried(&call(&mut edge, 2)), [ONE]);
}

#[test]
fn a_changed_answer_keeps_the_health_of_those_that_stay() {
    let probe = Some(Probe { interval: secs(10) });
    let mut edge = Edge::under(named(|trunk| trunk.probe = probe));
    led(&mut edge, &[ONE, TWO]);
    call(&mut edge, 1);
    let seen = edge.pass(secs(5));
    busy(&mut edge, &seen, TWO);
    assert_eq!([seen.codes(), edge.pass(secs(4)).codes()], [[32011], [32011]], "nor does it answer a probe");
    assert!(led(&mut edge, &[ONE, THREE]).codes().is_empty());
    assert_eq!(tried(&call(&mut edge, 2)), [THREE], "ONE is still left out");
    led(&mut edge, &[THREE]);
    led(&mut edge, &[ONE, THREE]);
    assert_eq!(tried(&call(&mut edge, 3)), [ONE], "it was away, and is new");
}

#[test]
fn live_calls_stay_where_they_are_when_dns_leads_elsewhere() {
    let mut edge = Edge::under(named(|_| {}));
    led(&mut edge, &[ONE]);
    let invite = call(&mut edge, 1).to(ONE).remove(0);
    let ok = edge.hear(from(ONE), &answer(&invite, 200, "callee", ONE));
    assert!(ok.statuses(PBX).contains(&200));
    led(&mut edge, &[TWO]);
    // Long after, with other answers between, a request within the call is heard from there, and nothing else is.
    edge.pass(secs(20));
    let bye = |tag: &str| {
        Request::new("BYE", ONE).with(|r| {
            r.uri = "sip:192.0.2.1:5060".to_owned();
            r.call_id = header(&invite, "Call-ID");
            r.from_tag = "callee".to_owned();
            r.to_tag = tag.to_owned();
            r.branch = format!("z9hG4bK-bye{tag}");
        })
    };
    let strange = edge.hear(from(STRANGER), &bye("any").text());
    assert!(strange.sent.is_empty());
    let new = edge.hear(from(ONE), &Request::new("INVITE", ONE).text());
    assert!(new.sent.is_empty(), "it may not call");
    let ours = header(&invite, "From");
    let tag = ours.split("tag=").nth(1).unwrap();
    let ended = edge.hear(from(ONE), &bye(tag).text());
    assert_eq!(ended.statuses(ONE), [200]);
    assert_eq!(tried(&call(&mut edge, 2)), [TWO]);
}

#[test]
fn where_the_policy_says_so_a_peer_calls_from_where_its_name_leads_now() {
    let mut edge = Edge::under(named(|trunk| trunk.calls_from_targets = true));
    let from_one = |nth: u32| {
        Request::new("INVITE", ONE).with(|r| {
            r.branch = format!("z9hG4bK-in{nth}");
            r.call_id = format!("in-{nth}@example.com");
        })
    };
    assert!(edge.hear(from(ONE), &from_one(1).text()).sent.is_empty(), "DNS has not spoken");
    led(&mut edge, &[ONE]);
    assert_eq!(edge.hear(from(ONE), &from_one(2).text()).statuses(ONE), [100]);
    led(&mut edge, &[TWO]);
    assert!(edge.hear(from(ONE), &from_one(3).text()).sent.is_empty(), "it leads elsewhere now");
}

#[test]
fn dns_that_leads_back_here_or_to_another_peer_is_told_once_and_not_followed() {
    let mut edge = Edge::under(named(|_| {}));
    let seen = led(&mut edge, &["192.0.2.1:5060", "127.0.0.1:5060", ONE]);
    assert_eq!(seen.codes(), [32011, 32011]);
    assert!(led(&mut edge, &["192.0.2.1:5060", "127.0.0.1:5060", ONE]).codes().is_empty());
    assert_eq!(tried(&call(&mut edge, 1)), [ONE]);
}
