//! Emergency calls as tables: what may refuse one (nothing that is asked), where it goes, what is kept free for it.

use std::sync::Arc;

use super::super::fixture::{
    OFFICE, PBX, SPARE, TRUNK, changed, facts, inbound, plan, policy_with, route as leads,
};
use super::super::number::{DialPlan, Dialling, Number, World};
use super::super::peer::PeerId;
use super::super::rules::{Blocklist, ConcurrentCalls, Entry, Hops, MaxDuration, Rule};
use super::super::{Plan, admit, screen};
use super::*;
use crate::sip::Transport;

fn dials(plan: &mut Plan) {
    let dialling = Dialling {
        name: Arc::from("office"),
        path: Arc::from("peers.pbx.dial_plan"),
        plan: Arc::new(DialPlan::default()),
        world: Arc::new(World::default()),
    };
    changed(plan, PBX, |peer| peer.dialling = Some(Arc::new(dialling)));
}

fn counted(policy: &Policy) -> Counters {
    let mut counters = Counters::default();
    counters.follow(policy);
    counters
}

static HELP: Number = Number::Service("sos");

/// A call for help of the PBX.
fn help() -> Facts<'static> {
    Facts { called: "911", caller: "", number: Some(&HELP), emergency: true, ..facts() }
}

fn targets(verdict: &Verdict) -> Vec<PeerId> {
    match &verdict.outcome {
        Outcome::Admit(candidates) => candidates.iter().map(|candidate| candidate.peer).collect(),
        Outcome::Refuse(_) | Outcome::Silence => Vec::new(),
    }
}

#[test]
fn b12_nothing_that_is_asked_refuses_an_emergency() {
    let list = Blocklist::new(["9"], ["911"]).unwrap();
    let entries = [
        Rule::Blocklist(list),
        Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 0 }),
        Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(1) }),
    ];
    let mut site = plan();
    dials(&mut site);
    site.routes.clear();
    for id in [TRUNK, SPARE, PBX] {
        changed(&mut site, id, |peer| {
            peer.concurrent_calls_max = 1;
            peer.numbers.called = super::super::form::Form::E164;
            peer.numbers.caller = super::super::form::Form::E164;
        });
    }
    site.sites[0].channels = 1;
    site.rules.outbound = entries.into_iter().map(|rule| Entry::enforced("rule", rule)).collect();
    let policy = Policy::build(site).unwrap();
    let mut counters = counted(&policy);
    let all = [Charge::Call(PBX), Charge::Call(TRUNK), Charge::Channel(OFFICE)];
    let _held = all.map(|charge| counters.reserve(charge, 9, &Reservation::empty()).unwrap());
    counters.follow(&policy);
    for facts in [
        help(),
        Facts { transport: Transport::Udp, secure: true, keys: true, ..help() },
        Facts { replaces: true, request_host: Some(crate::sip::Host::Name(b"elsewhere.example")), ..help() },
    ] {
        assert!(!screen(&policy, &facts).is_refused(), "{facts:?}");
        let verdict = admit(&policy, &counters, &facts);
        assert_eq!(targets(&verdict), [TRUNK, SPARE], "every trunk of the site, in its order");
        assert_eq!(verdict.duration_max, DURATION_MAX);
        let [alert] = verdict.alerts.as_slice() else { panic!("{:?}", verdict.alerts) };
        assert_eq!((alert.code, alert.sip_status), (code::EMERGENCY_CALL, None));
        let trail: Vec<_> = verdict.trail.iter().map(|step| (&*step.rule, step.said.name())).collect();
        assert_eq!(trail, [("peers.pbx.dial_plan", "match"), ("sites.office.peers", "match")]);
        let held = policy.charge_emergency(&mut counters, &verdict.charges);
        assert_eq!(counters.held(Charge::Call(PBX)), 2, "counted past the limit");
        drop(held);
    }
    assert_eq!(counters.held(Charge::Call(PBX)), 1);
}

#[test]
fn a_request_that_goes_round_is_refused_though_it_calls_for_help() {
    let policy = policy_with(Vec::new());
    for facts in [
        Facts { passed_before: true, ..help() },
        Facts { max_forwards: Some(0), ..help() },
        Facts { via_count: Hops::default().vias_max + 1, ..help() },
    ] {
        assert!(screen(&policy, &facts).is_refused(), "{facts:?}");
    }
}

#[test]
fn it_goes_where_a_route_names_it_exactly_and_else_to_every_trunk() {
    let exact = || vec![Pattern::Exact(Arc::from("911"))];
    let table = [
        (leads("help", &[PBX], exact(), &[SPARE]), vec![SPARE]),
        (
            leads(
                "help",
                &[],
                vec![Pattern::List(Arc::from([Arc::from("112"), Arc::from("911")]))],
                &[SPARE],
            ),
            vec![SPARE],
        ),
        (leads("any", &[PBX], vec![Pattern::Any], &[SPARE]), vec![TRUNK, SPARE]),
        (leads("nine", &[PBX], vec![Pattern::Prefix(Arc::from("9"))], &[SPARE]), vec![TRUNK, SPARE]),
        (leads("theirs", &[TRUNK], exact(), &[SPARE]), vec![TRUNK, SPARE]),
    ];
    for (route, expected) in table {
        let mut site = plan();
        dials(&mut site);
        let mut route = route;
        // A route that wants another caller is no hindrance.
        route.caller = vec![Pattern::Exact(Arc::from("201"))];
        site.routes.insert(0, route);
        let policy = Policy::build(site).unwrap();
        assert_eq!(targets(&admit(&policy, &counted(&policy), &help())), expected);
    }
    let mut alone = plan();
    dials(&mut alone);
    alone.routes.clear();
    for id in [TRUNK, SPARE] {
        changed(&mut alone, id, |peer| peer.targets.clear());
    }
    let policy = Policy::build(alone).unwrap();
    let verdict = admit(&policy, &counted(&policy), &help());
    assert!(verdict.is_refused());
    assert_eq!(verdict.alerts[0].code, code::NO_ROUTE);
}

#[test]
fn one_channel_is_kept_where_emergencies_are_recognised() {
    let without = policy_with(Vec::new());
    let (call, channel) = (Charge::Call(TRUNK), Charge::Channel(OFFICE));
    assert_eq!((without.limit(call), without.limit(channel), without.limit(Charge::Call(PBX))), (3, 4, 3));
    let mut site = plan();
    dials(&mut site);
    let with = Policy::build(site).unwrap();
    assert_eq!((with.limit(call), with.limit(channel), with.limit(Charge::Call(PBX))), (2, 3, 3));
    let mut site = plan();
    dials(&mut site);
    site.sites[0].channels = 1;
    assert_eq!(Policy::build(site).unwrap().limit(channel), 1, "the only one serves every call");
    let mut counters = counted(&with);
    let held: Vec<_> =
        (0..3).map(|_| counters.reserve(channel, with.limit(channel), &Reservation::empty())).collect();
    assert!(held.iter().all(Result::is_ok));
    assert!(counters.reserve(channel, with.limit(channel), &Reservation::empty()).is_err());
    let candidate =
        Candidate { peer: TRUNK, target: with.peer(TRUNK).unwrap().at("203.0.113.1:5061".parse().unwrap()) };
    let help = with.gate_emergency(&mut counters, &candidate, &Reservation::empty());
    assert_eq!(counters.held(channel), 4);
    drop(help);
    assert_eq!(counters.held(channel), 3);
    assert!(!admit(&with, &counters, &inbound()).is_refused() || with.limit(channel) == 3);
}
