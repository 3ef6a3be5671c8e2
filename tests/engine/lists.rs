//! Lists of numbers and hours beside the other rules about destinations, through the whole engine: rows B1, B7 and B8.

use std::sync::Arc;

use ringfence::clock::Wall;
use ringfence::config::world;
use ringfence::policy::number::{Collect, Listing, Lists, Sheet};
use ringfence::policy::rules::{
    Allowlist, Blocklist, Countries, Entry, HighRisk, Hours, NumberTypes, Observe, Rule,
};
use ringfence::policy::{Policy, compare};

use super::destinations::{allowing, dial, under};
use super::edge::{Edge, PBX, TRUNK, from, plan};
use super::texts::Request;

/// The clock of the rig: Friday, 2027-01-15, 08:00 in Greenwich.
const NOW: Wall = Wall::from_micros(1_800_000_000_000_000);

/// Lists of these entries; what stands behind a `|` is how many seconds the entry lasts.
pub fn lists(entries: &[&str]) -> Lists {
    let world = world::built_in().unwrap();
    // What ends in the past of the rig is kept, too: that it does not match is the point.
    let mut collect = Collect::new(Wall::default());
    for entry in entries {
        let (text, seconds) = entry.split_once('|').unwrap_or((entry, ""));
        let until = seconds.parse::<i64>().ok().map(|s| Wall::from_micros(NOW.micros() + s * 1_000_000));
        collect.add(&Listing::read(text, &world).unwrap(), "carrier's list", until).unwrap();
    }
    Lists { sheets: vec![Sheet { name: "list.csv".into(), list: Arc::new(collect.list()) }] }
}

fn blocking(entries: &[&str]) -> Rule {
    let mut list = Blocklist::new([], []).unwrap();
    list.lists = lists(entries);
    Rule::Blocklist(list)
}

fn letting(entries: &[&str]) -> Rule {
    Rule::Allowlist(Allowlist { lists: lists(entries) })
}

fn written(prefix: &str) -> Rule {
    Rule::Blocklist(Blocklist::new([prefix], []).unwrap())
}

fn hours(zone: &str, home: bool) -> Rule {
    Rule::Hours(Box::new(Hours {
        zone_name: zone.into(),
        zone: jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap(),
        open: Hours::week((0..5).map(|day| (day * 1440 + 480, day * 1440 + 1080))),
        written: vec!["mon-fri 08:00-18:00".into()],
        holidays: Vec::new(),
        home,
    }))
}

#[test]
fn b1_of_what_the_admin_lists_the_longest_counts_and_of_two_equally_long_the_one_that_blocks() {
    #[rustfmt::skip]
    let table = [
        // An allowlist opens what our rules refuse where it is as long as they are.
        (vec![letting(&["+37167*"])], "+37167913000", 0),
        (vec![letting(&["+37167*"])], "+37127913000", 32205),
        (vec![letting(&["+37167913000"])], "+37167913000", 0),
        (vec![letting(&["+37167913000"])], "+37167913001", 32205),
        (vec![letting(&["+37167913000-+37167913009"])], "+37167913009", 0),
        (vec![letting(&["+37167913000-+37167913009"])], "+37167913010", 32205),
        (vec![letting(&["+881*"])], "+881612345678", 0),
        (vec![letting(&["+88*"])], "+881612345678", 32203),
        (vec![letting(&["+1900*"])], "+19005551234", 0),
        (vec![letting(&["+1*"])], "+19005551234", 32203),
        (vec![letting(&["+1*"])], "+18765551234", 0),
        // Blocklists, from files and written.
        (vec![blocking(&["+1212*"])], "+12125550100", 32203),
        (vec![blocking(&["+12125550100"])], "+12125550100", 32203),
        (vec![blocking(&["+12125550100"])], "+12125550101", 0),
        (vec![blocking(&["+12125550100-+12125550199"])], "+12125550150", 32203),
        // Both: the longer one.
        (vec![blocking(&["+1212*"]), letting(&["+1212555*"])], "+12125550100", 0),
        (vec![blocking(&["+1212*"]), letting(&["+12125550100"])], "+12125550100", 0),
        (vec![blocking(&["+1212555*"]), letting(&["+1212*"])], "+12125550100", 32203),
        (vec![blocking(&["+1212*"]), letting(&["+1212*"])], "+12125550100", 32203),
        (vec![blocking(&["+12125550100"]), letting(&["+12125550100"])], "+12125550100", 32203),
        (vec![written("+1212"), letting(&["+1212555*"])], "+12125550100", 0),
        (vec![written("+1212555"), letting(&["+1212*"])], "+12125550100", 32203),
        (vec![written("+1212"), letting(&["+1212*"])], "+12125550100", 32203),
        (vec![written("+1212"), blocking(&["+12125550*"]), letting(&["+121255*"])], "+12125550100", 32203),
        // What has ended does not count.
        (vec![blocking(&["+1212*|5"])], "+12125550100", 32203),
        (vec![blocking(&["+1212*|0"])], "+12125550100", 0),
        (vec![letting(&["+37167*|5"])], "+37167913000", 0),
        (vec![letting(&["+37167*|0"])], "+37167913000", 32205),
        (vec![blocking(&["+1212555*|0", "+1212*"]), letting(&["+12125*"])], "+12125550100", 0),
    ];
    for (rules, number, code) in table {
        assert_eq!(dial(&under("us", rules.clone()), number), code, "{rules:?} {number}");
    }
}

#[test]
fn b7_b8_at_home_what_is_no_place_is_refused_and_ordinary_numbers_are_not() {
    #[rustfmt::skip]
    let table = [
        ("us", "+17005554141", 32203),      // a carrier's own
        ("us", "+17004567890", 32203),
        ("us", "+12125550100", 0),
        ("us", "+18005550100", 0),
        ("do", "+18095551234", 0),          // at home there, whatever the tier
        ("do", "+17005554141", 32203),
        ("do", "+12125550100", 32205),
        ("gb", "+442079460000", 0),
        ("gb", "+447700900123", 0),
    ];
    for (name, number, code) in table {
        assert_eq!(dial(&under(name, Vec::new()), number), code, "{name} {number}");
    }
    for open in [letting(&["+1700*"]), allowing(&["+1700"])] {
        assert_eq!(dial(&under("us", vec![open.clone()]), "+17005554141"), 0, "{open:?}");
    }
}

#[test]
fn outside_its_hours_an_office_calls_home_and_what_is_listed() {
    let world = || Rule::Countries(Countries { regions: vec!["LV".into()], prefixes: Vec::new() });
    #[rustfmt::skip]
    let table = [
        (vec![world(), hours("Europe/Riga", true)], "+37127913000", 0),           // 10:00
        (vec![world(), hours("America/New_York", true)], "+37127913000", 39308),  // 03:00
        (vec![world(), hours("America/New_York", true)], "+12125550100", 0),
        (vec![world(), hours("America/New_York", false)], "+12125550100", 39308),
        (vec![world(), hours("America/New_York", false), letting(&["+1212*"])], "+12125550100", 0),
        (vec![world(), hours("America/New_York", true), letting(&["+37127*"])], "+37127913000", 0),
        (vec![world(), hours("America/New_York", true), letting(&["+37127*|0"])], "+37127913000", 39308),
        // What no rule allows at any hour is refused within them, too.
        (vec![hours("Europe/Riga", true)], "+37127913000", 32205),
    ];
    for (rules, number, code) in table {
        assert_eq!(dial(&under("us", rules.clone()), number), code, "{rules:?} {number}");
    }
    // Where no dial plan reads them, no number is certain to be one of home.
    let bare =
        plan(|plan| plan.rules.outbound = vec![Entry::enforced("written", hours("America/New_York", true))]);
    assert_eq!(dial(&bare, "+12125550100"), 39308);
}

#[test]
fn an_emergency_call_is_asked_for_no_list_and_no_hour() {
    let policy = under("us", vec![blocking(&["+1911*"]), written("911"), hours("America/New_York", false)]);
    let text = Request::new("INVITE", PBX).with(|r| r.uri = "sip:911@10.0.0.1".into()).text();
    let seen = Edge::under(policy).hear(from(PBX), &text);
    assert!(seen.codes().iter().all(|code| ![32203, 39308].contains(code)), "{:?}", seen.codes());
    assert_eq!(seen.to(TRUNK).len(), 1);
}

/// Every rule about destinations may be set to observe, with an end: it tells, the call goes on, and past the end it refuses.
#[test]
fn every_rule_about_destinations_can_only_observe_until_a_day() {
    #[rustfmt::skip]
    let table = [
        (written("+1212"), "+12125550100", 32203),
        (blocking(&["+1212*"]), "+12125550100", 32203),
        (Rule::Countries(Countries::default()), "+37127913000", 32205),
        (Rule::NumberTypes(NumberTypes::default()), "+19005551234", 32203),
        (Rule::HighRisk(HighRisk::default()), "+17005554141", 32203),
        (hours("America/New_York", false), "+12125550100", 39308),
    ];
    for (rule, number, code) in table {
        for (until, reached) in [(1, true), (0, false)] {
            let mut outbound = vec![Entry::enforced("policy.outbound[0]", rule.clone())];
            let until = Wall::from_micros(NOW.micros() + until);
            outbound[0].observe = Some(Observe { until });
            let base = under("us", Vec::new());
            let policy = plan(|plan| {
                super::edge::alter(plan, 0, |pbx| {
                    pbx.dialling.clone_from(&base.peers[0].as_ref().unwrap().dialling)
                });
                plan.rules.outbound = outbound.clone();
            });
            let text = Request::new("INVITE", PBX).with(|r| r.uri = format!("sip:{number}@10.0.0.1")).text();
            let seen = Edge::under(policy).hear(from(PBX), &text);
            assert_eq!(seen.to(TRUNK).len() == 1, reached, "{rule:?}");
            assert_eq!(seen.codes(), [code], "{rule:?}");
            assert_eq!(seen.statuses(PBX).contains(&403), !reached, "{rule:?}");
        }
    }
}

#[test]
fn a_reload_whose_lists_say_less_or_open_more_says_so() {
    let told = |old: Vec<Rule>, new: Vec<Rule>| -> Vec<String> {
        let policy = |rules| -> Arc<Policy> { under("us", rules) };
        compare(&policy(old), &policy(new))
    };
    let less = told(vec![blocking(&["+1212*", "+1213*"])], vec![blocking(&["+1212*"])]);
    assert!(less.len() == 1 && less[0].contains("no longer refuses every number"), "{less:?}");
    assert_eq!(told(vec![blocking(&["+1212*"])], vec![blocking(&["+1212*", "+1213*"])]), [""; 0]);
    let more = told(vec![letting(&["+37167*"])], vec![letting(&["+371*"])]);
    assert!(more.len() == 1 && more[0].contains("lets more numbers through"), "{more:?}");
    assert_eq!(told(vec![letting(&["+371*"])], vec![letting(&["+37167*"])]), [""; 0]);
    let hour = told(vec![hours("Europe/Riga", false)], vec![hours("America/New_York", true)]);
    assert_eq!(hour.len(), 2, "{hour:?}");
}

#[test]
fn b1_b6_without_a_dial_plan_a_listed_number_is_that_number_however_it_is_spelt() {
    let policy =
        plan(|plan| plan.rules.outbound = vec![Entry::enforced("written", blocking(&["+12125550199"]))]);
    for number in [
        "+12125550199",
        "+1-212-555-0199",
        "+1(212)5550199",
        "+12125550199,1",
        "+12125550199x5",
        "+1/2125550199",
    ] {
        let text = Request::new("INVITE", PBX).with(|r| r.uri = format!("sip:{number}@10.0.0.1")).text();
        let seen = Edge::under(Arc::clone(&policy)).hear(from(PBX), &text);
        assert_eq!((seen.codes(), seen.to(TRUNK).len()), (vec![32203], 0), "{number}");
        assert!(
            seen.alerts[0].text.contains("+12125550199 of list.csv (carrier's list)"),
            "{}",
            seen.alerts[0].text
        );
    }
    for number in ["+12125550198", "+121255501990"] {
        assert_eq!(dial(&policy, number), 0, "{number}");
    }
}
