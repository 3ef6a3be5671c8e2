//! Calls that somebody here sends on, and calls that go round: row C4 of the attacks, through the whole engine.

use std::sync::Arc;
use std::time::Duration;

use ringfence::policy::number::RiskTier;
use ringfence::policy::owned::{Callers, Owned};
use ringfence::policy::peer::Onward;
use ringfence::policy::rules::{Countries, Entry, Forwarded, Rule};
use ringfence::policy::{Plan, Policy};
use ringfence::sip::Message;

use super::dial_plans::dials_by;
use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, plan};
use super::targets::{invites, refusal};
use super::texts::{Request, answer};

/// A caller from outside, the number of the office that it calls, and where that is forwarded to.
const OUTSIDER: &str = "+14155550123";
const DID: &str = "+12125550100";
const MOBILE: &str = "+13125550177";
const ABROAD: &str = "+37127913000";

fn office(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        dials_by(plan, "us_direct");
        plan.rules.outbound.push(Entry::enforced(
            "world",
            Rule::Countries(Countries { regions: vec!["LV".into()], prefixes: Vec::new() }),
        ));
        change(plan);
    })
}

/// An INVITE of one side, the `nth`, of a caller to a number, with more headers.
fn invite(by: &str, nth: u32, caller: &str, called: &str, more: &str) -> String {
    let text = Request::new("INVITE", by)
        .with(|r| {
            r.uri = format!("sip:{called}@10.0.0.1");
            r.branch += &nth.to_string();
            r.call_id = format!("{nth}-{}", r.call_id);
        })
        .text();
    let text = text.replace(&format!("From: <sip:+12125550100@{by}>"), &format!("From: <sip:{caller}@{by}>"));
    text.replace("CSeq:", &format!("{more}CSeq:"))
}

/// What comes of one call of the PBX: 0 where it leaves, else the code of the alert.
fn code(seen: &Seen) -> u32 {
    if invites(seen, TRUNK).is_empty() { seen.codes().last().copied().unwrap_or(1) } else { 0 }
}

fn dials(edge: &mut Edge, nth: u32, caller: &str, called: &str, more: &str) -> Seen {
    let text = invite(PBX, nth, caller, called, more);
    edge.hear(from(PBX), &text)
}

const DIVERTED: &str = "Diversion: <sip:201@10.0.0.2>;reason=unconditional\r\n";

/// How the rule is changed, what is called, with which headers, and the code.
type Row = (fn(&mut Forwarded), &'static str, &'static str, u32);

#[test]
fn c4_a_call_that_is_sent_on_goes_home_without_risk_and_where_the_rule_allows_it() {
    let forwarded = |change: fn(&mut Forwarded)| {
        let mut rule = Forwarded::default();
        change(&mut rule);
        office(|plan| plan.rules.outbound.push(Entry::enforced("forwarded", Rule::Forwarded(rule))))
    };
    let allows = |rule: &mut Forwarded| rule.allow.regions.push("LV".into());
    let allows_prefix = |rule: &mut Forwarded| rule.allow.prefixes.push("37127".into());
    let from_deny = |rule: &mut Forwarded| {
        rule.from = RiskTier::Deny;
        rule.allow.regions.push("LV".into());
    };
    let none = |_: &mut Forwarded| {};
    let more_often = |rule: &mut Forwarded| rule.times_max = 4;
    #[rustfmt::skip]
    let table: [Row; 11] = [
        (none, MOBILE, DIVERTED, 0),
        (none, ABROAD, "", 0),
        (none, ABROAD, DIVERTED, 39307),
        (none, ABROAD, "History-Info: <sip:201@x>;index=1, <sip:9@x>;index=1.1\r\n", 39307),
        (none, ABROAD, "History-Info: <sip:201@x>;index=1\r\n", 0),
        // Latvian mobiles are watched: the country alone does not open them, the prefix or the tier does.
        (allows, ABROAD, DIVERTED, 39307),
        (allows_prefix, ABROAD, DIVERTED, 0),
        (from_deny, ABROAD, DIVERTED, 0),
        (none, MOBILE, "Diversion: <sip:201@x>;counter=3\r\n", 0),
        (none, MOBILE, "Diversion: <sip:201@x>;counter=3, <sip:202@x>\r\n", 39104),
        (more_often, MOBILE, "Diversion: <sip:201@x>;counter=3, <sip:202@x>\r\n", 0),
    ];
    for (change, called, more, expected) in table {
        let seen = dials(&mut Edge::under(forwarded(change)), 1, "201", called, more);
        assert_eq!(code(&seen), expected, "{called} {more} {:?}", seen.statuses(PBX));
        let status = match expected {
            39307 => Some(403),
            39104 => Some(482),
            _ => Some(100),
        };
        assert_eq!(seen.statuses(PBX).last().copied(), status, "{called} {more}");
    }
}

/// A call comes in for a DID; the edge hands it to the PBX, and this is what leaves.
fn comes_in(edge: &mut Edge, caller: &str) -> Message {
    let text = invite(TRUNK, 77, caller, DID, "");
    let seen = edge.hear(from(TRUNK), &text);
    invites(&seen, PBX).remove(0)
}

#[test]
fn c4_a_pbx_that_shows_whoever_calls_in_sends_that_call_on_whatever_its_headers_say() {
    for (outsider, caller, expected) in [
        (OUTSIDER, OUTSIDER, 39307),
        // As another machine writes the same number.
        (OUTSIDER, "14155550123", 39307),
        (OUTSIDER, "+14155550124", 0),
        (OUTSIDER, "201", 0),
        (OUTSIDER, DID, 0),
        // Nobody is as good as anybody else who hides.
        ("anonymous", "anonymous", 39307),
        ("anonymous", "Restricted", 39307),
        ("anonymous", "201", 0),
        (OUTSIDER, "anonymous", 0),
    ] {
        let mut edge = Edge::under(office(|_| {}));
        let came = comes_in(&mut edge, outsider);
        assert_eq!(code(&dials(&mut edge, 1, caller, ABROAD, "")), expected, "{caller} while it rings");
        edge.hear(from(PBX), &answer(&came, 200, "tag=up", PBX));
        assert_eq!(code(&dials(&mut edge, 2, caller, ABROAD, "")), expected, "{caller} while it is up");
    }
    let mut edge = Edge::under(office(|_| {}));
    let came = comes_in(&mut edge, OUTSIDER);
    edge.hear(from(PBX), &answer(&came, 486, "t", PBX));
    edge.pass(Duration::from_secs(40));
    assert_eq!(code(&dials(&mut edge, 1, OUTSIDER, ABROAD, "")), 0, "the call in has ended");
}

/// Who calls in under the office's own number, or as one of its extensions, makes none of its calls a forwarded one.
#[test]
fn c4_a_stranger_who_calls_in_under_a_number_of_the_office_binds_none_of_its_calls() {
    for (shown, dialled_as) in [(DID, DID), ("201", "201"), ("+12125550142", "+12125550142")] {
        let policy = office(|plan| {
            let owned = Owned::new(vec![DID.into(), "+12125550142".into()], Vec::new(), Vec::new());
            let callers =
                Callers { path: "peers.pbx.owns".into(), owned, shown_as: Vec::new(), replaces: true };
            alter(plan, 0, |pbx| pbx.callers = Some(Arc::new(callers)));
            alter(plan, 1, |trunk| {
                trunk.numbers.substitute = Some(ringfence::policy::form::Substitute::Number(DID.into()));
            });
        });
        let mut edge = Edge::under(policy);
        edge.hear(from(TRUNK), &invite(TRUNK, 77, shown, DID, ""));
        assert_eq!(code(&dials(&mut edge, 1, dialled_as, ABROAD, "")), 0, "{shown}");
    }
}

#[test]
fn c4_one_forwarder_sends_on_two_calls_at_once_and_ten_an_hour() {
    let mut edge = Edge::under(office(|_| {}));
    let to = |nth: u32| format!("+1312{:03}0177", 500 + nth);
    let mut out = Vec::new();
    for nth in 1..=2 {
        let seen = dials(&mut edge, nth, "201", &to(nth), DIVERTED);
        out.push(invites(&seen, TRUNK).remove(0));
    }
    let seen = dials(&mut edge, 3, "201", &to(3), DIVERTED);
    assert_eq!((code(&seen), seen.statuses(PBX)), (39306, vec![482]), "the third at once");
    let other = dials(&mut edge, 4, "201", &to(4), "Diversion: <sip:202@10.0.0.2>\r\n");
    assert_eq!(code(&other), 0, "another forwarder");
    for invite in &out {
        edge.hear(from(TRUNK), &answer(invite, 486, "t", TRUNK));
    }
    edge.pass(Duration::from_secs(40));
    // Two began; eight more may within the hour.
    for nth in 10..19 {
        let seen = dials(&mut edge, nth, "201", &to(nth), DIVERTED);
        assert_eq!(code(&seen), if nth < 18 { 0 } else { 39306 }, "call {nth}");
        for invite in invites(&seen, TRUNK) {
            edge.hear(from(TRUNK), &answer(&invite, 486, "t", TRUNK));
        }
        edge.pass(Duration::from_secs(40));
    }
    edge.pass(Duration::from_secs(3_900));
    assert_eq!(code(&dials(&mut edge, 30, "201", &to(30), DIVERTED)), 0, "an hour later");
}

/// Numbers that are not the PBX's own count together: naming a new one with each call opens nothing.
#[test]
fn c4_a_forged_forwarder_counts_with_all_others_such() {
    let policy = office(|plan| {
        let owned = Owned::new(vec![DID.into()], Vec::new(), Vec::new());
        let callers = Callers { path: "peers.pbx.owns".into(), owned, shown_as: Vec::new(), replaces: true };
        alter(plan, 0, |pbx| pbx.callers = Some(Arc::new(callers)));
    });
    let mut edge = Edge::under(policy);
    for nth in 1..=3 {
        let more = format!("Diversion: <sip:+1646555{nth:04}@x>\r\n");
        let seen = dials(&mut edge, nth, DID, &format!("+1312555{nth:04}"), &more);
        assert_eq!(code(&seen), if nth < 3 { 0 } else { 39306 }, "call {nth}");
    }
}

#[test]
fn c4_a_forwarded_call_ends_after_an_hour() {
    for (more, expected) in [(DIVERTED, 3_600), ("", 4 * 3_600)] {
        let mut edge = Edge::under(office(|_| {}));
        let seen = dials(&mut edge, 1, "201", MOBILE, more);
        let left = invites(&seen, TRUNK).remove(0);
        edge.hear(from(TRUNK), &answer(&left, 200, "tag=far", TRUNK));
        let early = edge.pass(Duration::from_secs(expected - 60));
        assert!(!early.codes().contains(&32015), "{more}");
        let late = edge.pass(Duration::from_secs(120));
        assert!(late.codes().contains(&32015) || early.codes().contains(&32022), "{more} {:?}", late.codes());
    }
}

/// Where one forwarder may hold many calls, a loop is known by its pair.
fn many() -> Arc<Policy> {
    let rule = Forwarded { calls_max: 100, hourly_max: 100, ..Forwarded::default() };
    office(|plan| plan.rules.outbound.push(Entry::enforced("forwarded", Rule::Forwarded(rule))))
}

#[test]
fn c4_the_third_call_sent_on_between_the_same_two_is_a_loop_and_the_pair_is_barred_for_ten_minutes() {
    for (called, more) in [(MOBILE, DIVERTED), (DID, "")] {
        let mut edge = Edge::under(many());
        assert_eq!(code(&dials(&mut edge, 1, "201", called, more)), 0);
        assert_eq!(code(&dials(&mut edge, 2, "201", called, more)), 0);
        let seen = dials(&mut edge, 3, "201", called, more);
        assert_eq!((code(&seen), seen.statuses(PBX)), (39104, vec![482]), "{called}");
        let others = if called == DID { 39104 } else { 0 };
        assert_eq!(code(&dials(&mut edge, 4, "202", called, more)), others, "another caller of {called}");
        assert_eq!(code(&dials(&mut edge, 5, "201", "+13125550178", more)), 0, "another number");
        edge.pass(Duration::from_secs(590));
        assert_eq!(code(&dials(&mut edge, 6, "201", called, more)), 39104, "barred still");
        edge.pass(Duration::from_secs(20));
        assert_eq!(code(&dials(&mut edge, 7, "201", called, more)), 0, "no more");
    }
}

/// Who redials a busy number, colleagues who call the same number at once, and a machine that tests are no loop.
#[test]
fn c4_a_busy_number_redialled_and_a_number_called_by_many_are_no_loop() {
    let mut edge = Edge::under(many());
    for nth in 1..=6 {
        let seen = dials(&mut edge, nth, "201", MOBILE, DIVERTED);
        let left = invites(&seen, TRUNK);
        assert_eq!(
            left.len(),
            1,
            "redialled {nth}: {:?} {:?}",
            seen.codes(),
            seen.alerts.first().map(|a| &a.text)
        );
        edge.hear(from(TRUNK), &answer(&left[0], 486, "t", TRUNK));
        edge.pass(Duration::from_secs(1));
    }
    for nth in 11..=16 {
        assert_eq!(invites(&dials(&mut edge, nth, DID, "+13125550188", ""), TRUNK).len(), 1, "called {nth}");
    }
}

/// An emergency is none of this.
#[test]
fn c4_an_emergency_call_that_is_sent_on_and_dialled_again_goes_through() {
    let mut edge = Edge::under(office(|_| {}));
    for nth in 1..=5 {
        let seen = dials(&mut edge, nth, "201", "911", "Diversion: <sip:201@x>;counter=9\r\n");
        assert_eq!(invites(&seen, TRUNK).len(), 1, "{nth}: {:?}", seen.codes());
    }
}

/// A header that names somebody else beside the call that is carried on opens no caps.
#[test]
fn c4_a_made_up_diversion_takes_nothing_off_the_number_whose_call_is_sent_on() {
    let mut edge = Edge::under(office(|_| {}));
    comes_in(&mut edge, OUTSIDER);
    for nth in 1..=3 {
        let more = format!("Diversion: <sip:x{nth}@x>\r\n");
        let seen = dials(&mut edge, nth, OUTSIDER, &format!("+1312555{nth:04}"), &more);
        assert_eq!(code(&seen), if nth < 3 { 0 } else { 39306 }, "call {nth}");
    }
}

/// A PBX shows one number for many phones: that several of them are forwarded to whoever is on call is no loop.
#[test]
fn c4_phones_that_are_forwarded_to_one_mobile_under_one_number_are_no_loop() {
    let mut edge = Edge::under(many());
    for nth in 1..=6 {
        let more = format!("Diversion: <sip:{}@x>\r\n", 200 + nth);
        assert_eq!(code(&dials(&mut edge, nth, DID, MOBILE, &more)), 0, "{nth}");
    }
}

#[test]
fn c2_c4_who_dials_a_number_that_it_was_passed_makes_the_call_of_whoever_passed_it() {
    let mut edge = Edge::under(office(|plan| {
        alter(plan, 1, |peer| peer.redirects = Onward::JudgeAndPass);
        let rule = Forwarded { calls_max: 1, ..Forwarded::default() };
        plan.rules.outbound.push(Entry::enforced("forwarded", Rule::Forwarded(rule)));
    }));
    let passed = |edge: &mut Edge, nth: u32, to: &str| {
        let first = invites(&dials(edge, nth, DID, "+14155550188", ""), TRUNK).remove(0);
        edge.hear(from(TRUNK), &refusal(&first, 302, &format!("Contact: <sip:{to}@203.0.113.9>"), TRUNK))
    };
    let seen = passed(&mut edge, 1, MOBILE);
    assert_eq!((seen.statuses(PBX).last(), seen.codes()), (Some(&302), vec![]));
    // Another number is dialled, and so is this one once the call was made.
    assert_eq!(code(&dials(&mut edge, 2, DID, "+13125550178", "")), 0);
    assert_eq!(code(&dials(&mut edge, 3, DID, MOBILE, "")), 0);
    assert_eq!(code(&dials(&mut edge, 4, DID, MOBILE, "")), 0);
    // The one call that it may send on is under way.
    let seen = passed(&mut edge, 5, "+13125550179");
    assert_eq!((seen.statuses(PBX).last(), seen.codes()), (Some(&403), vec![32219]));
    let record = &seen.records[0];
    assert!(record.why.contains("39306") && record.why.contains("redirect_refused"), "{}", record.why);
    let asked: Vec<_> = record.trail.iter().map(|step| &*step.rule).collect();
    assert_eq!(asked.last(), Some(&"forwarded"), "{asked:?}");
}
