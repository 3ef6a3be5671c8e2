//! Where calls may go, through the whole engine and over the tables that are built in: rows B1, B7 and B8 of the attacks.

use std::sync::{Arc, LazyLock};

use ringfence::config::plans::plans;
use ringfence::config::world;
use ringfence::policy::number::{Dialling, RiskTier, World};
use ringfence::policy::rules::{Countries, Entry, HighRisk, NumberType, NumberTypes, Observe, Rule};
use ringfence::policy::{Policy, compare};

use super::edge::{Edge, PBX, TRUNK, alter, from, plan};
use super::texts::Request;

static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| world::built_in().unwrap());

const PLANS: &str = "plans:\n  us: { country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10] }\n  \
                     gb: { country_code: \"44\", idd: [\"00\"], national_prefix: \"0\", nsn_lengths: [7, 9, 10] }\n  do: { country_code: \"1\", region: DO, idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10] }\n  bare: {}\n";

/// A PBX that dials by a plan, under these rules of its own.
pub fn under(name: &str, rules: Vec<Rule>) -> Arc<Policy> {
    let dialling = Dialling {
        name: name.into(),
        path: "peers.pbx.dial_plan".into(),
        plan: Arc::new(plans("plans.yaml", PLANS, &WORLD).unwrap().remove(name).unwrap()),
        world: Arc::clone(&WORLD),
    };
    plan(|plan| {
        alter(plan, 0, |pbx| pbx.dialling = Some(Arc::new(dialling)));
        plan.rules.outbound = rules.into_iter().map(|rule| Entry::enforced("written", rule)).collect();
    })
}

pub fn allowing(allow: &[&str]) -> Rule {
    let mut countries = Countries::default();
    for one in allow {
        match one.strip_prefix('+') {
            Some(digits) => countries.prefixes.push(digits.into()),
            None => countries.regions.push((*one).into()),
        }
    }
    Rule::Countries(countries)
}

/// The alert that a call ends in; 0 where it reaches the trunk.
pub fn dial(policy: &Arc<Policy>, number: &str) -> u32 {
    let text = Request::new("INVITE", PBX).with(|r| r.uri = format!("sip:{number}@10.0.0.1")).text();
    let seen = Edge::under(Arc::clone(policy)).hear(from(PBX), &text);
    let reached = seen.to(TRUNK).len() == 1;
    let codes = seen.codes();
    assert_eq!(reached, codes.is_empty(), "{number}: {codes:?}");
    if !reached {
        assert_eq!(seen.statuses(PBX), [403], "{number}");
    }
    codes.first().copied().unwrap_or(0)
}

#[test]
fn b7_b8_without_a_word_only_plain_numbers_of_the_home_country_may_be_called() {
    #[rustfmt::skip]
    let table = [
        ("us", "+12125550100", 0),
        ("us", "+18005550100", 0),          // free for who calls
        ("us", "+14165550100", 32205),      // Toronto
        ("us", "+18095551234", 32205),      // looks domestic
        ("us", "+18765551234", 32205),
        ("us", "+12425551234", 32205),
        ("us", "+19005551234", 32203),      // premium, and of no country
        ("us", "+12129765551", 32203),      // the exchange for pay-per-call services
        ("us", "+37127913000", 32205),
        ("us", "+881612345678", 32205),     // satellite: no home country is it
        ("gb", "+442079460000", 0),
        ("gb", "02079460000", 0),
        ("gb", "+449011234567", 32203),     // premium
        ("gb", "+447012345678", 32203),     // personal
        ("gb", "+12125550100", 32205),
        ("gb", "+979123456789", 32205),
        ("bare", "+12125550100", 0),        // without a country there is no home
        ("bare", "+979123456789", 32203),
        ("bare", "+881612345678", 32203),
    ];
    for (name, number, code) in table {
        assert_eq!(dial(&under(name, Vec::new()), number), code, "{name} {number}");
    }
}

#[test]
fn b1_the_longest_prefix_counts_and_the_admins_before_ours() {
    #[rustfmt::skip]
    let table = [
        (&["LV"][..], "+37127913000", 0),
        (&["LV"][..], "+3725550100", 32205),
        (&["+371"][..], "+37127913000", 0),
        (&["+3712"][..], "+37167913000", 32205),
        (&["DO"][..], "+18095551234", 0),
        (&["+1809"][..], "+18095551234", 0),
        (&["+1809"][..], "+18765551234", 32205),
        (&["CA"][..], "+14165550100", 0),
        (&["GB"][..], "+449011234567", 32203),
        (&["GB", "+449"][..], "+449011234567", 32203),
        (&["GB", "+4490"][..], "+449011234567", 0),
        (&["+881"][..], "+881612345678", 0),
        (&["+88"][..], "+881612345678", 32203),
        (&["+1900"][..], "+19005551234", 0),
        (&["+1"][..], "+19005551234", 32203),
    ];
    for (allow, number, code) in table {
        assert_eq!(dial(&under("us", vec![allowing(allow)]), number), code, "{allow:?} {number}");
    }
}

#[test]
fn kinds_and_tiers_are_refused_as_they_are_named() {
    let only = |kinds: &[NumberType]| Rule::NumberTypes(NumberTypes { refuse: kinds.to_vec() });
    let from = |from: RiskTier| Rule::HighRisk(HighRisk { from });
    #[rustfmt::skip]
    let table = [
        (vec![allowing(&["GB"]), only(&[NumberType::Personal])], "+449011234567", 0),
        (vec![allowing(&["GB"]), only(&[NumberType::Personal])], "+447012345678", 32203),
        (vec![allowing(&["GB"]), only(&[])], "+447012345678", 0),
        (vec![allowing(&["DO"]), from(RiskTier::High)], "+18095551234", 32203),
        (vec![allowing(&["DO"]), from(RiskTier::Deny)], "+18095551234", 0),
        (vec![allowing(&["DO", "+1809"]), from(RiskTier::High)], "+18095551234", 0),
    ];
    for (rules, number, code) in table {
        assert_eq!(dial(&under("us", rules.clone()), number), code, "{rules:?} {number}");
    }
}

#[test]
fn a_rule_that_only_observes_tells_and_lets_the_call_go_on() {
    let policy = plan(|plan| {
        let base = under("us", Vec::new());
        alter(plan, 0, |pbx| pbx.dialling.clone_from(&base.peers[0].as_ref().unwrap().dialling));
        let until = ringfence::clock::Wall::from_micros(i64::MAX);
        let entry = Entry::enforced("policy.outbound[0].countries", allowing(&[]));
        plan.rules.outbound = vec![Entry { observe: Some(Observe { until }), ..entry }];
    });
    let text = Request::new("INVITE", PBX).with(|r| r.uri = "sip:+3725550100@10.0.0.1".into()).text();
    let seen = Edge::under(policy).hear(from(PBX), &text);
    assert_eq!((seen.to(TRUNK).len(), seen.codes()), (1, vec![32205]));
}

#[test]
fn a_reload_that_opens_a_destination_says_so() {
    let strict = under("us", Vec::new());
    let open = under(
        "us",
        vec![
            allowing(&["LV", "+881"]),
            Rule::NumberTypes(NumberTypes { refuse: vec![NumberType::Premium, NumberType::Pager] }),
        ],
    );
    let told = compare(&strict, &open).join("\n");
    for words in ["allows calls to LV", "allows calls to +881", "no longer refuses numbers of kind satellite"]
    {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert_eq!(compare(&open, &strict), Vec::<String>::new());
}
