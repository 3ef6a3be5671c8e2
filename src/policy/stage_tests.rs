//! The stages as tables: rules at their limits, routes, caps; the rows of the attack table that they prove.

use super::super::fixture::{
    OFFICE, PBX, SPARE, TRUNK, changed, facts, inbound, now, plan, policy, policy_with, route as leads,
};
use super::super::route::{Pattern, Route, RouteTarget};
use super::super::rules::{Blocklist, ConcurrentCalls, MaxDuration, Observe, Rule};
use super::*;
use crate::clock::Wall;
use crate::policy::refusal::Presets;
use crate::sip::{Host, Transport};
use bytes::Bytes;

fn counted(policy: &Policy) -> Counters {
    let mut counters = Counters::default();
    counters.follow(policy);
    counters
}

/// (code, status) of a refusal; `None` when it may go on.
fn refused(verdict: &Verdict) -> Option<(u32, u16)> {
    match &verdict.outcome {
        Outcome::Admit(_) => {
            assert!(verdict.alerts.is_empty());
            None
        }
        Outcome::Refuse(refusal) => {
            let [alert] = verdict.alerts.as_slice() else { panic!("{:?}", verdict.alerts) };
            assert_eq!((alert.code, alert.sip_status), (refusal.code, Some(refusal.status)));
            assert_eq!(verdict.trail.last().map(|step| step.said), Some(Said::Refuse));
            assert!(verdict.charges.is_empty() || refusal.class == super::super::RefusalClass::Capped);
            Some((refusal.code.number, refusal.status))
        }
        Outcome::Silence => Some((0, 0)),
    }
}

fn targets(verdict: &Verdict) -> Vec<PeerId> {
    match &verdict.outcome {
        Outcome::Admit(candidates) => candidates.iter().map(|candidate| candidate.peer).collect(),
        Outcome::Refuse(_) | Outcome::Silence => Vec::new(),
    }
}

#[test]
fn a_call_over_tls_is_screened_and_admitted_with_its_whole_trail() {
    let policy = policy();
    let screened = screen(&policy, &facts());
    assert_eq!(refused(&screened), None);
    let verdict = admit(&policy, &counted(&policy), &facts());
    assert_eq!(targets(&verdict), [TRUNK, SPARE]);
    assert_eq!(verdict.direction, Some(Direction::Outbound));
    assert_eq!(verdict.charges.as_slice(), [Charge::Call(PBX)]);
    assert_eq!(verdict.duration_max, DURATION_DEFAULT);
    let trail: Vec<_> = screened.trail.into_iter().chain(verdict.trail).collect();
    let told: Vec<String> = trail.iter().map(|step| format!("{} {}", step.rule, step.said.name())).collect();
    assert_eq!(
        told,
        [
            "policy.screen.methods pass",
            "policy.screen.secure_transport pass",
            "policy.screen.hop_limit pass",
            "policy.screen.loops pass",
            "policy.screen.foreign_host pass",
            "policy.screen.replaces pass",
            "routes.out match",
            "peers.pbx.concurrent_calls pass",
        ]
    );
}

#[test]
fn signalling_in_the_clear_is_refused_unless_the_peer_is_excepted() {
    let strict = policy();
    let mut open = plan();
    changed(&mut open, PBX, |peer| peer.plain_signalling = true);
    let open = Policy::build(open).unwrap();
    let table = [
        (&strict, Transport::Tls, None),
        (&strict, Transport::Tcp, Some((32209, 403))),
        (&strict, Transport::Udp, Some((32209, 403))),
        (&open, Transport::Udp, None),
        (&open, Transport::Tcp, None),
    ];
    for (policy, transport, expected) in table {
        assert_eq!(refused(&screen(policy, &Facts { transport, ..facts() })), expected, "{transport:?}");
    }
}

#[test]
fn a3_g1_methods_are_let_in_by_name() {
    let closed = policy();
    let mut open = plan();
    changed(&mut open, PBX, |peer| {
        peer.methods.info = true;
        peer.methods.message = true;
    });
    let open = Policy::build(open).unwrap();
    let other = Method::Other(Bytes::from_static(b"KDMQ"));
    let table = [
        (Method::Invite, None, None),
        (Method::Ack, None, None),
        (Method::Bye, None, None),
        (Method::Cancel, None, None),
        (Method::Options, None, None),
        (Method::Register, Some((32210, 405)), Some((32210, 405))),
        (Method::Info, Some((39107, 405)), None),
        (Method::Message, Some((39602, 405)), None),
        (Method::Subscribe, Some((39107, 405)), Some((39107, 405))),
        (Method::Publish, Some((39107, 405)), Some((39107, 405))),
        (Method::Notify, Some((39107, 405)), Some((39107, 405))),
        (Method::Refer, Some((32218, 403)), Some((32218, 403))),
        (other, Some((39107, 501)), Some((39107, 501))),
    ];
    for (method, by_default, opened) in &table {
        assert_eq!(refused(&screen(&closed, &Facts { method, ..facts() })), *by_default, "{method:?}");
        assert_eq!(refused(&screen(&open, &Facts { method, ..facts() })), *opened, "{method:?}");
    }
}

#[test]
fn an_ack_is_never_answered() {
    let verdict = screen(&policy(), &Facts { method: &Method::Ack, transport: Transport::Udp, ..facts() });
    assert_eq!(verdict.outcome, Outcome::Silence);
    assert_eq!(verdict.alerts.first().and_then(|alert| alert.sip_status), None);
}

#[test]
fn c5_the_way_has_an_end_and_what_ends_a_call_always_arrives() {
    let policy = policy();
    let table = [
        (Method::Invite, Some(0), 1, Some((32006, 483))),
        (Method::Invite, Some(1), 1, None),
        (Method::Invite, Some(70), 1, None),
        (Method::Invite, Some(255), 1, None),
        (Method::Invite, None, 1, None),
        (Method::Invite, Some(70), 69, None),
        (Method::Invite, Some(70), 70, None),
        (Method::Invite, Some(70), 71, Some((32006, 483))),
        (Method::Bye, Some(0), 1, None),
        (Method::Cancel, Some(0), 1, None),
        (Method::Options, Some(0), 1, None),
    ];
    for (method, max_forwards, via_count, expected) in &table {
        let facts = Facts { method, max_forwards: *max_forwards, via_count: *via_count, ..facts() };
        assert_eq!(refused(&screen(&policy, &facts)), *expected, "{method:?} {max_forwards:?} {via_count}");
    }
}

#[test]
fn c5_c6_a_request_that_was_here_before_is_a_loop() {
    let looped = screen(&policy(), &Facts { passed_before: true, ..facts() });
    assert_eq!(refused(&looped), Some((39104, 482)));
    // 3CX would try its next route on 482 as on 403; a loop is no policy refusal, and the RFC's status stands.
    let mut plan = plan();
    changed(&mut plan, PBX, |peer| peer.refusal = Presets::named("3cx").unwrap());
    let looped = screen(&Policy::build(plan).unwrap(), &Facts { passed_before: true, ..facts() });
    assert_eq!(refused(&looped), Some((39104, 482)));
}

#[test]
fn b11_a_request_uri_that_names_another_host_is_a_relay_attempt() {
    let policy = policy();
    let named = |text: &'static str| match text.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(text.as_bytes()),
    };
    let table = [
        ("evil.example", Some((39207, 403))),
        ("192.0.2.9", Some((39207, 403))),
        ("127.0.0.1", Some((39207, 403))),
        ("sip.example.com.evil.example", Some((39207, 403))),
        ("notsip.example.com", Some((39207, 403))),
        ("", Some((39207, 403))),
        ("10.0.0.1", None),
        ("::ffff:10.0.0.1", None),
        ("192.168.9.2", None),
        ("edge.example.net", None),
        ("EDGE.Example.net.", None),
        ("sip.example.com", None),
    ];
    for (host, expected) in table {
        let asked = Facts { request_host: Some(named(host)), ..facts() };
        assert_eq!(refused(&screen(&policy, &asked)), expected, "{host}");
        let message = Facts { in_dialog: true, ..asked };
        assert_eq!(
            refused(&screen(&policy, &message)),
            None,
            "{host}: inside a dialog the dialog table decides"
        );
        let options = Facts { method: &Method::Options, ..asked };
        assert_eq!(refused(&screen(&policy, &options)), None, "{host}: OPTIONS is never carried");
    }
}

#[test]
fn c3_a_new_call_may_not_take_over_another() {
    let policy = policy();
    let table = [
        (Method::Invite, false, Some((32218, 403))),
        (Method::Invite, true, None),
        (Method::Options, false, None),
    ];
    for (method, in_dialog, expected) in &table {
        let facts = Facts { method, in_dialog: *in_dialog, replaces: true, ..facts() };
        assert_eq!(refused(&screen(&policy, &facts)), *expected, "{method:?} {in_dialog}");
    }
}

fn blocking(observe: Option<Observe>) -> Policy {
    let list = Blocklist::new(["+371"], []).unwrap();
    let entry = Entry::enforced("policy.outbound[0].blocklist", Rule::Blocklist(list));
    policy_with(vec![Entry { observe, ..entry }])
}

#[test]
fn b1_a_blocked_number_is_refused_as_the_pbx_understands_it() {
    let policy = blocking(None);
    let verdict = admit(&policy, &counted(&policy), &facts());
    assert_eq!(refused(&verdict), Some((32203, 403)));
    let alert = verdict.alerts.first().unwrap();
    assert_eq!(alert.rule.as_deref(), Some("policy.outbound[0].blocklist"));
    assert_eq!((alert.peer.as_deref(), alert.to.as_deref()), (Some("pbx"), Some("+37127913000")));
    assert_eq!(verdict.trail.last().map(|step| step.saw.clone()), Some(Saw::Text("+371...".into())));
    let other = admit(&policy, &counted(&policy), &Facts { called: "+37027913000", ..facts() });
    assert_eq!(refused(&other), None);
    let mut plan = plan();
    plan.rules = policy.rules.clone();
    changed(&mut plan, PBX, |peer| peer.refusal = Presets::named("3cx").unwrap());
    let policy = Policy::build(plan).unwrap();
    assert_eq!(refused(&admit(&policy, &counted(&policy), &facts())), Some((32203, 486)));
}

#[test]
fn an_observed_rule_alerts_and_refuses_again_when_its_time_is_over() {
    let until = Wall::from_micros(100_000_001);
    let policy = blocking(Some(Observe { until }));
    let counters = counted(&policy);
    let observed = admit(&policy, &counters, &facts());
    assert_eq!(targets(&observed), [TRUNK, SPARE]);
    assert_eq!(
        observed.alerts.first().map(|alert| (alert.code.number, alert.sip_status)),
        Some((32203, None))
    );
    assert_eq!(observed.trail.first().map(|step| step.said), Some(Said::Observe));
    let mut late = facts();
    late.now.wall = until;
    assert_eq!(refused(&admit(&policy, &counters, &late)), Some((32203, 403)));
    // A cap may not be observed, whatever the entry says.
    let cap = Entry::enforced("c", Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 0 }));
    let policy = policy_with(vec![Entry { observe: Some(Observe { until }), ..cap }]);
    assert_eq!(refused(&admit(&policy, &counted(&policy), &facts())), Some((10004, 480)));
}

#[test]
fn the_shortest_duration_stands() {
    let cap = |seconds| {
        Entry::enforced("d", Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(seconds) }))
    };
    for (caps, expected) in
        [(vec![], 14_400), (vec![600], 600), (vec![600, 60, 90], 60), (vec![20_000], 14_400)]
    {
        let policy = policy_with(caps.into_iter().map(cap).collect());
        let verdict = admit(&policy, &counted(&policy), &facts());
        assert_eq!(verdict.duration_max, Duration::from_secs(expected));
    }
}

#[test]
fn c7_a_live_call_ends_at_its_cap_from_answer() {
    let live = Live { peer: PBX, answered: now(10).tick, duration_max: Duration::from_secs(60) };
    let end = now(70).tick;
    assert_eq!(review(&live, now(10).tick), Review::GoesOn(end));
    assert_eq!(review(&live, Tick::from_micros(end.micros() - 1)), Review::GoesOn(end));
    assert_eq!(review(&live, end), Review::End(code::MAX_DURATION_REACHED));
    assert_eq!(review(&live, now(71).tick), Review::End(code::MAX_DURATION_REACHED));
}

/// A call's turn to a peer's first target.
fn at(policy: &Policy, peer: PeerId) -> Candidate {
    let found = policy.peer(peer).unwrap();
    Candidate { peer, target: found.at(found.addresses().next().unwrap()) }
}

#[test]
fn c8_caps_hold_exactly_and_every_place_comes_back() {
    let policy = policy();
    let mut counters = counted(&policy);
    let candidate = at(&policy, TRUNK);
    let mut calls = Vec::new();
    for held in 0..3 {
        let verdict = admit(&policy, &counters, &facts());
        assert_eq!(refused(&verdict), None, "{held} of 3");
        let caller = policy.charge(&mut counters, &facts(), (&verdict.charges, &verdict.tab)).unwrap();
        calls.push((caller, policy.gate(&mut counters, PBX, &candidate, &Reservation::empty()).unwrap()));
    }
    let verdict = admit(&policy, &counters, &facts());
    assert_eq!(refused(&verdict), Some((10004, 480)));
    assert_eq!(verdict.trail.last().map(|step| &*step.rule), Some("peers.pbx.concurrent_calls"));
    let full = policy.gate(&mut counters, PBX, &candidate, &Reservation::empty()).unwrap_err();
    assert_eq!((full.code.number, full.status, full.retry_after), (10004, 480, Some(10)));
    let held: Vec<_> = counters.gauges().collect();
    assert_eq!(
        held,
        [("peer pbx".to_owned(), 3), ("peer trunk".to_owned(), 3), ("site office".to_owned(), 3)]
    );
    calls.pop();
    assert_eq!(refused(&admit(&policy, &counters, &facts())), None);
    calls.clear();
    assert_eq!(counters.gauges().count(), 0);
}

#[test]
fn c8_channels_of_the_site_hold_over_all_its_trunks_and_a_refused_gate_takes_nothing() {
    let mut plan = plan();
    plan.sites.first_mut().unwrap().channels = 2;
    let policy = Policy::build(plan).unwrap();
    let mut counters = counted(&policy);
    let at = |peer| at(&policy, peer);
    let verdict = admit(&policy, &counters, &inbound());
    assert_eq!(verdict.charges.as_slice(), [Charge::Call(TRUNK), Charge::Channel(OFFICE)]);
    let incoming = policy.charge(&mut counters, &inbound(), (&verdict.charges, &verdict.tab)).unwrap();
    let outgoing = policy.gate(&mut counters, PBX, &at(SPARE), &Reservation::empty()).unwrap();
    assert!(policy.gate(&mut counters, PBX, &at(SPARE), &Reservation::empty()).is_err());
    assert_eq!(counters.held(Charge::Call(SPARE)), 1, "what did not fit whole is not held in part");
    let full = admit(&policy, &counters, &inbound());
    assert_eq!(refused(&full), Some((10004, 480)));
    assert_eq!(full.trail.last().map(|step| &*step.rule), Some("sites.office.channels"));
    assert!(
        policy.gate(&mut counters, TRUNK, &at(PBX), &Reservation::empty()).is_ok(),
        "towards the PBX no channel is needed"
    );
    drop((incoming, outgoing));
    assert_eq!(counters.gauges().count(), 0);
}

#[test]
fn c8_counters_survive_a_reload_and_a_peer_that_is_gone() {
    let first = policy();
    let mut counters = counted(&first);
    let held = first.charge(&mut counters, &facts(), (&[Charge::Call(PBX)], &Tab::default())).unwrap();
    let mut plan = plan();
    changed(&mut plan, PBX, |peer| peer.concurrent_calls_max = 1);
    let second = Policy::build(plan).unwrap();
    counters.follow(&second);
    assert_eq!(refused(&admit(&second, &counters, &facts())), Some((10004, 480)));
    let mut plan = super::super::fixture::plan();
    *plan.peers.first_mut().unwrap() = None;
    let third = Policy::build(plan).unwrap();
    counters.follow(&third);
    assert_eq!(admit(&third, &counters, &facts()).outcome, Outcome::Silence);
    assert_eq!(screen(&third, &facts()).outcome, Outcome::Silence);
    drop(held);
    assert_eq!(counters.held(Charge::Call(PBX)), 0);
    assert!(
        counters.reserve(Charge::Call(PeerId(77)), 5, &Reservation::empty()).is_err(),
        "what nobody counts is full"
    );
}

#[test]
fn a_rule_on_calls_at_once_holds_at_its_limit() {
    let cap = Entry::enforced("policy.outbound[0]", Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 2 }));
    let policy = policy_with(vec![cap]);
    let mut counters = counted(&policy);
    let mut held = Vec::new();
    for expected in [None, None, Some((10004, 480))] {
        let verdict = admit(&policy, &counters, &facts());
        assert_eq!(refused(&verdict), expected, "{} of 2", held.len());
        held.extend(policy.charge(&mut counters, &facts(), (&[Charge::Call(PBX)], &Tab::default())));
    }
    let message = Facts { method: &Method::Message, ..facts() };
    assert_eq!(refused(&admit(&policy, &counters, &message)), None, "a MESSAGE is no call");
}

#[test]
fn routes_match_direction_peer_called_and_caller() {
    let exact = |text: &str| Pattern::Exact(Arc::from(text));
    let list = |texts: &[&str]| Pattern::List(texts.iter().map(|text| Arc::from(*text)).collect());
    let any = leads("x", &[], vec![], &[TRUNK]);
    let table = [
        (any.clone(), true),
        (Route { direction: Some(Direction::Outbound), ..any.clone() }, true),
        (Route { direction: Some(Direction::Inbound), ..any.clone() }, false),
        (Route { from: vec![PBX], ..any.clone() }, true),
        (Route { from: vec![SPARE], ..any.clone() }, false),
        (Route { called: vec![exact("+37127913000")], ..any.clone() }, true),
        (Route { called: vec![exact("+3712791300")], ..any.clone() }, false),
        (Route { called: vec![Pattern::Prefix("+371".into())], ..any.clone() }, true),
        (Route { called: vec![Pattern::Prefix("+370".into())], ..any.clone() }, false),
        (Route { called: vec![exact("1"), Pattern::Any], ..any.clone() }, true),
        (Route { called: vec![list(&["b", "+37127913000", "a"])], ..any.clone() }, true),
        (Route { called: vec![list(&["b", "a"])], ..any.clone() }, false),
        (Route { called: vec![Pattern::SiteDid], ..any.clone() }, false),
        (Route { caller: vec![exact("201")], ..any.clone() }, true),
        (Route { caller: vec![exact("202"), Pattern::Prefix("3".into())], ..any.clone() }, false),
    ];
    for (place, (route, fits)) in table.into_iter().enumerate() {
        let policy = Policy::build(super::super::Plan { routes: vec![route], ..plan() }).unwrap();
        let verdict = admit(&policy, &counted(&policy), &facts());
        let expected = if fits { None } else { Some((39208, 404)) };
        assert_eq!(refused(&verdict), expected, "{place}");
    }
}

#[test]
fn a_call_without_a_route_says_which_were_asked() {
    let policy = policy();
    let verdict = admit(&policy, &counted(&policy), &Facts { called: "999", ..facts() });
    assert_eq!(refused(&verdict), Some((39208, 404)));
    let told: Vec<_> = verdict.trail.iter().map(|step| (&*step.rule, step.saw.clone(), step.said)).collect();
    assert_eq!(
        told,
        [
            ("routes.out", Saw::Word("called"), Said::Skip),
            ("routes.in", Saw::Word("from"), Said::Skip),
            ("routes", Saw::Word("no route"), Said::Refuse),
        ]
    );
}

#[test]
fn an_inbound_call_finds_the_site_that_owns_its_did() {
    let policy = policy();
    for (called, expected) in
        [("+12125550100", None), ("+12125550101", None), ("+12125550102", Some((39208, 404)))]
    {
        let verdict = admit(&policy, &counted(&policy), &Facts { called, ..inbound() });
        assert_eq!(refused(&verdict), expected, "{called}");
        assert_eq!(targets(&verdict).first().copied(), expected.is_none().then_some(PBX), "{called}");
    }
}

#[test]
fn from_trunk_to_trunk_only_where_a_route_names_both() {
    let transit = Some(Direction::Transit);
    let open = leads("t", &[TRUNK], vec![], &[SPARE]);
    let table = [
        (Route { direction: transit, ..open.clone() }, None),
        (open.clone(), Some((39208, 404))),
        (Route { direction: transit, from: vec![], ..open.clone() }, Some((39208, 404))),
        (Route { direction: transit, from: vec![SPARE], ..open }, Some((39208, 404))),
    ];
    for (place, (route, expected)) in table.into_iter().enumerate() {
        let policy = Policy::build(super::super::Plan { routes: vec![route], ..plan() }).unwrap();
        assert_eq!(refused(&admit(&policy, &counted(&policy), &inbound())), expected, "{place}");
    }
    // It spends money on the way out: the rules of both directions are asked.
    let mut plan = plan();
    plan.rules = blocking(None).rules.clone();
    plan.routes = vec![Route { direction: transit, ..leads("t", &[TRUNK], vec![], &[SPARE]) }];
    let policy = Policy::build(plan).unwrap();
    let verdict = admit(&policy, &counted(&policy), &Facts { called: "+3711", ..inbound() });
    assert_eq!(refused(&verdict), Some((32203, 403)));
}

#[test]
fn targets_are_tried_by_priority_and_shared_out_by_weight() {
    let to = vec![
        RouteTarget { peer: PBX, priority: 5, weight: 1 },
        RouteTarget { peer: SPARE, priority: 1, weight: 30 },
        RouteTarget { peer: TRUNK, priority: 1, weight: 10 },
    ];
    let mut route = Route { to, ..leads("w", &[], vec![], &[]) };
    route.direction = None;
    let mut plan = plan();
    // A second PBX so that the last resort runs in the same direction as the others.
    changed(&mut plan, PBX, |peer| peer.side = PeerSide::Outside);
    let mut caller = (**plan.peers.first().and_then(Option::as_ref).unwrap()).clone();
    caller.id = PeerId(3);
    caller.name = "second".into();
    caller.side = PeerSide::Inside;
    caller.listener = super::super::fixture::OUTSIDE;
    plan.peers.push(Some(Arc::new(caller)));
    plan.routes = vec![route];
    let policy = Policy::build(plan).unwrap();
    let counters = counted(&policy);
    let (mut spare, mut draw) = (0, 1_u64);
    for _ in 0..4_000 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let order = targets(&admit(&policy, &counters, &Facts { peer: PeerId(3), draw, ..facts() }));
        assert_eq!(order.len(), 3);
        assert_eq!(order.last(), Some(&PBX));
        spare += usize::from(order.first() == Some(&SPARE));
    }
    assert!((2_850..3_150).contains(&spare), "three of four: {spare}");
}
