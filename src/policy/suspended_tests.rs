//! Suspensions as tables: what falls under which order, what each strength ends, who is never touched.

use std::sync::Arc;

use super::super::credential::{Credential, Demand, DigestUri};
use super::super::fixture::{OFFICE, PBX, SPARE, TRUNK, changed, facts, inbound, now, plan};
use super::super::number::{Country, DialPlan, Number, World};
use super::super::route::Candidate;
use super::super::verdict::{Outcome, Said};
use super::super::{Counters, Facts, Plan, Policy, Verdict, admit};
use super::*;
use crate::sip::Method;

/// Latvia is the home of the PBX's plan; +882 is no country's.
fn dialling() -> Arc<Dialling> {
    let mut world = World::default();
    for (code, region) in [("371", "LV"), ("44", "GB"), ("882", "001")] {
        world.add_country(Country {
            code: code.into(),
            region: Arc::from(region),
            name: region.into(),
            national_digits: 3..=12,
            zero_ok: false,
            global: region == "001",
        });
    }
    Arc::new(Dialling {
        name: Arc::from("office"),
        path: Arc::from("peers.pbx.dial_plan"),
        plan: Arc::new(DialPlan { country_code: "371".into(), ..DialPlan::default() }),
        world: Arc::new(world),
    })
}

fn site() -> Policy {
    let mut site = plan();
    changed(&mut site, PBX, |peer| peer.dialling = Some(dialling()));
    Policy::build(Plan { ..site }).unwrap()
}

fn order(strength: Strength) -> Suspension {
    Suspension { strength, since: now(1).wall, until: None, why: "".into() }
}

fn counters(policy: &Policy, orders: &[(Kind, &str)]) -> Counters {
    let mut counters = Counters::default();
    counters.follow(policy);
    for (kind, name) in orders {
        counters.suspensions.put(*kind, &kind.known(name, policy).unwrap(), order(Strength::New)).unwrap();
    }
    counters
}

fn refused(verdict: &Verdict) -> Option<(u32, u16)> {
    match &verdict.outcome {
        Outcome::Admit(_) => None,
        Outcome::Refuse(refusal) => Some((refusal.code.number, refusal.status)),
        Outcome::Silence => Some((0, 0)),
    }
}

fn out(called: &'static str, credential: Option<&'static str>) -> Facts<'static> {
    Facts { called, credential, ..facts() }
}

#[test]
fn b12_what_is_suspended_takes_no_new_call_and_nothing_else_is_touched() {
    let mut site = plan();
    changed(&mut site, PBX, |peer| peer.dialling = Some(dialling()));
    let anna =
        Credential { user: Arc::from("anna"), keys: smallvec::smallvec![], callers: Vec::new(), owned: None };
    let demand = Demand {
        realm: Arc::from("edge.example"),
        hashes: smallvec::smallvec![],
        proxy: false,
        uri: DigestUri::Request,
        credentials: vec![Arc::new(anna)],
    };
    changed(&mut site, PBX, |peer| peer.demand = Some(Arc::new(demand)));
    let policy = Policy::build(site).unwrap();
    let message = Facts { method: &Method::Message, ..facts() };
    let sent_on = Facts {
        forwarded: Some(super::super::facts::Forwarded { by: "207", times: 1, here: true }),
        ..facts()
    };
    let (home, abroad) = (out("+37127913000", Some("anna")), out("+442079460000", None));
    // An order, a call, whether that is refused.
    let table = [
        ((Kind::Site, "office"), home, true),
        ((Kind::Site, "office"), inbound(), true),
        ((Kind::Site, "office"), message, true),
        ((Kind::Peer, "pbx"), home, true),
        ((Kind::Peer, "pbx"), inbound(), true),
        ((Kind::Peer, "trunk"), inbound(), true),
        ((Kind::Peer, "trunk"), home, false),
        ((Kind::Peer, "spare"), inbound(), false),
        ((Kind::Credential, "anna"), home, true),
        ((Kind::Credential, "anna"), abroad, false),
        ((Kind::Number, "201"), home, true),
        ((Kind::Number, "202"), home, false),
        ((Kind::Number, "+12125550100"), inbound(), true),
        ((Kind::Number, "12125550100"), inbound(), true),
        ((Kind::Number, "+37127913000"), home, true),
        ((Kind::Number, "207"), sent_on, true),
        ((Kind::Destination, "+371"), home, true),
        ((Kind::Destination, "+37127913000"), home, true),
        ((Kind::Destination, "+3712"), message, true),
        ((Kind::Destination, "+372"), home, false),
        ((Kind::Destination, "lv"), home, true),
        ((Kind::Destination, "LV"), abroad, false),
        ((Kind::Destination, "GB"), abroad, true),
        ((Kind::Destination, "short"), home, false),
        ((Kind::Destination, "short"), out("1188", None), true),
        // What comes in goes to no destination.
        ((Kind::Destination, "+1"), inbound(), false),
    ];
    for (order, facts, stops) in table {
        let counters = counters(&policy, &[order]);
        let verdict = admit(&policy, &counters, &facts);
        let expected = stops.then_some((32200, 403));
        // A short code has no route here.
        let found = refused(&verdict).filter(|(code, _)| *code != 39208);
        assert_eq!(found, expected, "{order:?} {}", facts.called);
        let step = verdict.trail.first().unwrap();
        assert_eq!(&*step.rule, STEP, "{order:?}");
        assert_eq!(step.said, if stops { Said::Refuse } else { Said::Pass }, "{order:?}");
        assert_eq!(verdict.alerts.iter().any(|alert| alert.code.number == 32200), stops, "{order:?}");
        // Law 3: help is called past every order.
        static HELP: Number = Number::Service("sos");
        let help = Facts { number: Some(&HELP), emergency: true, ..facts };
        assert!(
            refused(&admit(&policy, &counters, &help)).is_none_or(|(code, _)| code != 32200),
            "{order:?}"
        );
    }
}

#[test]
fn a_trunk_that_is_suspended_is_gone_round_and_when_all_are_the_call_is_refused() {
    let policy = site();
    let call = out("+37127913000", None);
    let targets = |verdict: Verdict| match verdict.outcome {
        Outcome::Admit(targets) => targets.into_iter().map(|Candidate { peer, .. }| peer).collect(),
        Outcome::Refuse(_) | Outcome::Silence => Vec::new(),
    };
    let under = |orders: &[(Kind, &str)]| admit(&policy, &counters(&policy, orders), &call);
    assert_eq!(targets(under(&[])), [TRUNK, SPARE]);
    assert!(under(&[]).trail.iter().all(|step| &*step.rule != STEP), "nobody asked");
    assert_eq!(targets(under(&[(Kind::Peer, "trunk")])), [SPARE]);
    let both = under(&[(Kind::Peer, "trunk"), (Kind::Peer, "spare")]);
    assert_eq!(refused(&both), Some((32200, 403)));
    // The status is the one that the caller's machine does not route round.
    let mut site = plan();
    changed(&mut site, PBX, |peer| peer.refusal = super::super::Presets::named("3cx").unwrap());
    let policy = Policy::build(site).unwrap();
    assert_eq!(
        refused(&admit(&policy, &counters(&policy, &[(Kind::Peer, "pbx")]), &call)),
        Some((32200, 486))
    );
}

/// A live call that its PBX has made, as orders ask of it.
fn about<'a>(policy: &'a Policy, called: &'a str, direction: Direction, emergency: bool) -> About<'a> {
    About {
        policy,
        direction,
        emergency,
        from: policy.peer(PBX).map(|peer| &**peer),
        to: policy.peer(TRUNK).map(|peer| &**peer),
        credential: Some("anna"),
        callers: ["201", "", ""],
        called,
        number: None,
    }
}

#[test]
fn b12_each_strength_ends_what_it_says_in_every_direction_and_no_emergency() {
    use Direction::{Inbound, Internal, Outbound, Transit};
    let policy = site();
    let (home, risky) = ("+37127913000", "+8821234567");
    let orders = [
        (Kind::Site, "office", true),
        (Kind::Peer, "pbx", true),
        (Kind::Peer, "trunk", true),
        (Kind::Peer, "spare", false),
        (Kind::Credential, "anna", true),
        (Kind::Credential, "bert", false),
        (Kind::Number, "201", true),
        (Kind::Number, "202", false),
    ];
    for direction in [Outbound, Inbound, Internal, Transit] {
        for (kind, name, covers) in orders {
            for called in [home, risky] {
                let call = about(&policy, called, direction, false);
                assert_eq!(call.is_under(kind, name), covers, "{kind:?} {name} {direction:?}");
                assert!(
                    !about(&policy, called, direction, true).is_under(kind, name),
                    "{kind:?} {direction:?}"
                );
                let leaves = matches!(direction, Outbound | Transit);
                let high = leaves && called == risky;
                assert_eq!(call.is_high_risk(), high, "{called} {direction:?}");
                assert!(!Strength::New.cuts(high));
                assert_eq!(Strength::HighRisk.cuts(call.is_high_risk()), high);
                assert!(Strength::All.cuts(high));
            }
        }
        let leaves = matches!(direction, Outbound | Transit);
        let call = about(&policy, home, direction, false);
        for (name, covers) in
            [("+371", leaves), ("LV", leaves), ("GB", false), ("short", false), ("+3", leaves)]
        {
            assert_eq!(call.is_under(Kind::Destination, name), covers, "{name} {direction:?}");
        }
        let code = about(&policy, "1188", direction, false);
        assert_eq!(code.is_under(Kind::Destination, SHORT), leaves, "{direction:?}");
    }
}

#[test]
fn an_order_ends_by_the_wall_clock_and_the_strongest_counts() {
    let policy = site();
    let mut held = Suspensions::default();
    let until = |seconds| Some(now(seconds).wall);
    held.put(Kind::Peer, "pbx", Suspension { until: until(50), ..order(Strength::All) }).unwrap();
    held.put(Kind::Number, "201", order(Strength::New)).unwrap();
    let call = about(&policy, "+37127913000", Direction::Outbound, false);
    let over = |at| held.over(&call, now(at).wall).map(|(kind, _, one)| (kind, one.strength));
    assert_eq!(over(49), Some((Kind::Peer, Strength::All)));
    assert_eq!(over(50), Some((Kind::Number, Strength::New)));
    assert_eq!(held.next_end(), until(50));
    assert_eq!(held.expire(now(49).wall), []);
    let over: Vec<_> = held.expire(now(50).wall).into_iter().map(|(kind, name, _)| (kind, name)).collect();
    assert_eq!(over, [(Kind::Peer, Box::from("pbx"))]);
    assert_eq!((held.len(), held.next_end()), (1, None));
    assert!(held.lift(Kind::Number, "201").is_some() && held.is_empty());
}

#[test]
fn one_more_than_there_may_be_is_refused_and_one_that_stands_is_changed() {
    let mut held = Suspensions::default();
    for n in 0..SUSPENSIONS_MAX {
        assert_eq!(held.put(Kind::Number, &n.to_string(), order(Strength::New)), Ok(None));
    }
    assert_eq!(held.put(Kind::Peer, "pbx", order(Strength::New)), Err(Full));
    assert_eq!(held.put(Kind::Number, "7", order(Strength::All)), Ok(Some(order(Strength::New))));
    assert_eq!(held.len(), SUSPENSIONS_MAX);
}

#[test]
fn a_name_that_the_policy_does_not_know_is_answered_with_those_it_knows() {
    let policy = site();
    let known = |kind: Kind, name: &str| kind.known(name, &policy);
    for (kind, name, expected) in [
        (Kind::Peer, "pbx", "pbx"),
        (Kind::Destination, "lv", "LV"),
        (Kind::Destination, "+371", "+371"),
        (Kind::Number, "+37127913000", "37127913000"),
        (Kind::Number, "ann.smith", "ann.smith"),
    ] {
        assert_eq!(known(kind, name).as_deref(), Ok(expected), "{name}");
    }
    for (kind, name, instead) in [
        (Kind::Peer, "PBX", vec!["pbx", "spare", "trunk"]),
        (Kind::Site, "home", vec!["office"]),
        (Kind::Credential, "anna", vec![]),
        (Kind::Destination, "XX", vec!["GB", "LV"]),
        (Kind::Destination, "+37x", vec![]),
        (Kind::Destination, "371", vec!["GB", "LV"]),
        (Kind::Number, "+", vec![]),
        (Kind::Number, "+371 2791", vec![]),
    ] {
        let unknown = known(kind, name).unwrap_err();
        assert_eq!(unknown.known, instead, "{name}");
        assert!(!unknown.why.is_empty());
    }
    let plain = Policy::build(plan()).unwrap();
    let unknown = Kind::Destination.known("LV", &plain).unwrap_err();
    assert!(unknown.why.contains("+371"), "{}", unknown.why);
}

#[test]
fn a_target_alone_is_asked_about_by_its_peer_and_site() {
    let policy = site();
    let mut held = Suspensions::default();
    let spare = policy.peer(SPARE).unwrap();
    let over = |held: &Suspensions, emergency| {
        held.over(&About::target(&policy, spare, emergency), now(9).wall).map(|(kind, ..)| kind)
    };
    assert_eq!(over(&held, false), None);
    held.put(Kind::Number, "201", order(Strength::All)).unwrap();
    assert_eq!(over(&held, false), None);
    held.put(Kind::Site, "office", order(Strength::All)).unwrap();
    assert_eq!((over(&held, false), over(&held, true)), (Some(Kind::Site), None));
    assert_eq!(spare.site, Some(OFFICE));
}
