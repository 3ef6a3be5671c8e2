//! What the detectors see of calls before, through the whole engine: row C9 of the attacks.

use std::sync::Arc;
use std::time::Duration;

use ringfence::clock::Wall;
use ringfence::policy::rules::{Allowlist, CallbackTrap, Detector, Entry, Observe, Rule, SequentialNumbers};
use ringfence::policy::{Plan, Policy};

use super::dial_plans::dials_by;
use super::edge::{Edge, PBX, Seen, TRUNK, from, plan};
use super::targets::invites;
use super::texts::{Request, answer};

/// The office's number, from which calls are made too.
const DID: &str = "+12125550100";
/// A number abroad of some risk, and one of none.
const ABROAD: &str = "+37127913000";
const BERLIN: &str = "+493012340000";

fn office(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        dials_by(plan, "us_direct");
        plan.sites[0].dids = vec![DID.into(), "+12125550101".into(), "+12125550102".into()];
        change(plan);
    })
}

/// One side calls, as the `nth`.
fn dials(edge: &mut Edge, nth: u32, by: &str, caller: &str, called: &str) -> Seen {
    let text = Request::new("INVITE", by)
        .with(|r| {
            r.uri = format!("sip:{called}@10.0.0.1");
            r.branch += &nth.to_string();
            r.call_id = format!("{nth}-{}", r.call_id);
        })
        .text();
    let text = text.replace(&format!("From: <sip:{DID}@{by}>"), &format!("From: <sip:{caller}@{by}>"));
    edge.hear(from(by), &text)
}

/// What comes of a call of the PBX: 0 where it leaves, else the code it is refused with.
fn code(seen: &Seen) -> u32 {
    if invites(seen, TRUNK).is_empty() { seen.codes().last().copied().unwrap_or(1) } else { 0 }
}

fn ends(edge: &mut Edge, seen: &Seen) {
    for invite in invites(seen, TRUNK) {
        edge.hear(from(TRUNK), &answer(&invite, 486, "busy", TRUNK));
    }
}

#[test]
fn c9_numbers_in_a_row_warn_at_the_third_and_bar_their_block_for_a_day_at_the_fifth() {
    let mut edge = Edge::under(office(|_| {}));
    for (nth, last, expected) in
        [(1, 3000, 0), (2, 3010, 0), (3, 3300, 0), (4, 3020, 0), (5, 3020, 0), (6, 3005, 0), (7, 2990, 39304)]
    {
        let seen = dials(&mut edge, nth, PBX, "201", &format!("+3712791{last}"));
        assert_eq!(code(&seen), expected, "call {nth} to {last}");
        assert_eq!(seen.codes().contains(&39304), [4, 5, 7].contains(&nth), "call {nth} to {last}");
        if expected != 0 {
            assert_eq!(seen.statuses(PBX).last(), Some(&403));
        }
        ends(&mut edge, &seen);
        edge.pass(Duration::from_secs(40));
    }
    let seen = dials(&mut edge, 20, PBX, "202", "+37127913900");
    assert_eq!(code(&seen), 39304, "whoever calls the block");
    assert_eq!(code(&dials(&mut edge, 21, PBX, "201", "+37127923000")), 0, "another block");
    edge.pass(Duration::from_secs(86_300));
    assert_eq!(code(&dials(&mut edge, 22, PBX, "201", "+37127913001")), 39304, "barred still");
    edge.pass(Duration::from_secs(200));
    assert_eq!(code(&dials(&mut edge, 23, PBX, "201", "+37127913001")), 0, "no more");
}

#[test]
fn c9_numbers_in_a_row_that_are_dialled_slowly_or_listed_or_observed_bar_nobody() {
    let mut slow = Edge::under(office(|_| {}));
    for nth in 1..=8 {
        let seen = dials(&mut slow, nth, PBX, "201", &format!("+3712791300{nth}"));
        assert_eq!(code(&seen), 0, "slowly, {nth}");
        ends(&mut slow, &seen);
        slow.pass(Duration::from_secs(151));
    }
    let mut observed = Edge::under(office(|plan| {
        let rule = Rule::Detects(Detector::SequentialNumbers(SequentialNumbers::default()));
        let observe = Some(Observe { until: Wall::from_micros(i64::MAX) });
        plan.rules.outbound.push(Entry { observe, ..Entry::enforced("row", rule) });
    }));
    let mut told = 0;
    for nth in 1..=7 {
        let seen = dials(&mut observed, nth, PBX, "201", &format!("+3712791300{nth}"));
        told += usize::from(seen.codes().contains(&39304));
        assert_eq!(code(&seen), 0, "observed, {nth}");
        ends(&mut observed, &seen);
    }
    assert_eq!(told, 4);
    let mut listed = Edge::under(office(|plan| {
        let list = Allowlist { lists: super::lists::lists(&["+3712791*"]) };
        plan.rules.outbound.push(Entry::enforced("listed", Rule::Allowlist(list)));
    }));
    for nth in 1..=7 {
        let seen = dials(&mut listed, nth, PBX, "201", &format!("+3712791300{nth}"));
        assert_eq!((code(&seen), seen.codes().contains(&39304)), (0, false), "listed, {nth}");
        ends(&mut listed, &seen);
    }
}

/// A call that is answered and lasts so long.
fn talks(edge: &mut Edge, nth: u32, caller: &str, called: &str, time: Duration) -> Seen {
    let seen = dials(edge, nth, PBX, caller, called);
    for invite in invites(&seen, TRUNK) {
        edge.hear(from(TRUNK), &answer(&invite, 200, "far", TRUNK));
        edge.pass(time);
        let text = String::from_utf8_lossy(invite.call_id()).into_owned();
        let bye = bye(&invite, &text);
        edge.hear(from(TRUNK), &bye);
    }
    seen
}

/// The far side hangs up.
fn bye(invite: &ringfence::sip::Message, call_id: &str) -> String {
    let header = |name| super::texts::header(invite, name);
    let contact = header("Contact");
    let uri = contact.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    format!(
        "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK-bye-{call_id}\r\nMax-Forwards: 70\r\nFrom: {};tag=far\r\n\
         To: {}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        header("To"),
        header("From"),
    )
}

#[test]
fn c9_six_short_answered_calls_to_one_number_bar_it_to_that_caller_for_a_day() {
    let mut edge = Edge::under(office(|_| {}));
    for nth in 1..=6 {
        let seen = talks(&mut edge, nth, "201", ABROAD, Duration::from_secs(9));
        assert_eq!(code(&seen), 0, "call {nth}");
        assert_eq!(seen.codes().contains(&39305), nth == 4, "after the third, {nth}");
    }
    let seen = dials(&mut edge, 7, PBX, "201", ABROAD);
    assert_eq!((code(&seen), seen.statuses(PBX).last().copied()), (39305, Some(403)));
    assert_eq!(code(&dials(&mut edge, 8, PBX, "202", ABROAD)), 0, "another caller");
    assert_eq!(code(&dials(&mut edge, 9, PBX, "201", "+37127923000")), 0, "another number");
    edge.pass(Duration::from_secs(86_300));
    assert_eq!(code(&dials(&mut edge, 10, PBX, "201", ABROAD)), 39305, "barred still");
    edge.pass(Duration::from_secs(200));
    assert_eq!(code(&dials(&mut edge, 11, PBX, "201", ABROAD)), 0, "no more");
}

#[test]
fn c9_calls_that_last_ten_seconds_are_no_tests() {
    let mut edge = Edge::under(office(|_| {}));
    for nth in 1..=9 {
        let seen = talks(&mut edge, nth, "201", ABROAD, Duration::from_secs(10));
        assert_eq!((code(&seen), seen.codes().contains(&39305)), (0, false), "call {nth}");
    }
}

/// Ways to dial one number that this plan does not read, or reads as another; the last nine digits are the same.
const WAYS: [&str; 11] = ["0", "00", "000", "0000", "9", "90", "900", "9000", "99", "990", "8"];

#[test]
fn c9_ten_ways_to_dial_one_number_bar_the_caller_for_an_hour_and_nobody_else_of_its_peer() {
    let mut edge = Edge::under(office(|_| {}));
    for (nth, way) in (1..).zip(WAYS.iter().take(10)) {
        let seen = dials(&mut edge, nth, PBX, "201", &format!("{way}7127913000"));
        let told = seen.alerts.iter().filter(|alert| alert.code.number == 39311).count();
        assert_eq!(told, usize::from(nth == 5 || nth == 10), "way {nth}: {:?}", seen.codes());
        edge.pass(Duration::from_secs(1));
    }
    let seen = dials(&mut edge, 20, PBX, "201", "+13125550177");
    assert_eq!((code(&seen), seen.statuses(PBX).last().copied()), (39311, Some(403)));
    assert_eq!(code(&dials(&mut edge, 21, PBX, "202", "+13125550177")), 0, "another caller of the same PBX");
    let help = dials(&mut edge, 22, PBX, "201", "911");
    assert_eq!(invites(&help, TRUNK).len(), 1, "an emergency");
    edge.pass(Duration::from_secs(3_560));
    assert_eq!(code(&dials(&mut edge, 23, PBX, "201", "+13125550177")), 39311, "barred still");
    edge.pass(Duration::from_secs(60));
    assert_eq!(code(&dials(&mut edge, 24, PBX, "201", "+13125550177")), 0, "no more");
}

#[test]
fn c9_ways_that_come_slowly_or_again_and_again_bar_nobody() {
    let mut edge = Edge::under(office(|_| {}));
    for (nth, way) in (1..).zip(WAYS) {
        let seen = dials(&mut edge, nth, PBX, "201", &format!("{way}7127913000"));
        assert!(!seen.codes().contains(&39311), "slowly, {nth}");
        edge.pass(Duration::from_secs(16));
    }
    for nth in 30..60 {
        let seen = dials(&mut edge, nth, PBX, "202", "07127913000");
        assert!(!seen.codes().contains(&39311), "again, {nth}");
    }
}

/// A call comes in, rings for so long, and is given up.
fn rings(edge: &mut Edge, nth: u32, caller: &str, did: &str, time: Duration) -> Seen {
    let mut seen = dials(edge, nth, TRUNK, caller, did);
    let invite = invites(&seen, PBX).remove(0);
    edge.hear(from(PBX), &answer(&invite, 180, "phone", PBX));
    edge.pass(time);
    let text = Request::new("CANCEL", TRUNK).with(|r| {
        r.uri = format!("sip:{did}@10.0.0.1");
        r.branch += &nth.to_string();
        r.call_id = format!("{nth}-{}", r.call_id);
    });
    let text = text.text().replace(&format!("From: <sip:{DID}@"), &format!("From: <sip:{caller}@"));
    let cancelled = edge.hear(from(TRUNK), &text);
    seen.alerts.extend(cancelled.alerts);
    seen.records.extend(cancelled.records);
    let last = edge.hear(from(PBX), &answer(&invite, 487, "phone", PBX));
    seen.alerts.extend(last.alerts);
    seen.records.extend(last.records);
    seen
}

#[test]
fn c9_a_block_that_rang_and_hung_up_is_called_back_once_and_not_for_long_within_three_days() {
    // Shorter than the minute of the defaults: this PBX acknowledges no answer.
    let mut edge = Edge::under(office(|plan| {
        let rule = CallbackTrap { call_max: Duration::from_secs(20), ..CallbackTrap::default() };
        plan.rules.outbound.push(Entry::enforced("trap", Rule::Detects(Detector::CallbackTrap(rule))));
    }));
    let seen = rings(&mut edge, 1, BERLIN, DID, Duration::from_secs(5));
    assert_eq!((seen.records.len(), seen.codes()), (1, vec![]), "{:?}", seen.records);
    let back = dials(&mut edge, 2, PBX, "201", "+493012340001");
    assert_eq!(code(&back), 0);
    assert_eq!(code(&dials(&mut edge, 3, PBX, "202", BERLIN)), 39310, "one at once");
    let invite = invites(&back, TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&invite, 200, "far", TRUNK));
    assert!(!edge.pass(Duration::from_secs(19)).codes().contains(&32015));
    assert!(edge.pass(Duration::from_secs(2)).codes().contains(&32015), "its time");
    let seen = dials(&mut edge, 4, PBX, "201", BERLIN);
    assert_eq!((code(&seen), seen.statuses(PBX).last().copied()), (39310, Some(403)), "once");
    assert_eq!(code(&dials(&mut edge, 5, PBX, "201", "+37127923000")), 0, "another block");
    edge.pass(Duration::from_secs(72 * 3_600));
    assert_eq!(code(&dials(&mut edge, 6, PBX, "201", BERLIN)), 0, "the watch has ended");
}

#[test]
fn c9_a_block_of_high_risk_is_not_called_back_and_one_at_home_or_that_rang_long_is() {
    for (caller, time, expected) in [
        ("+5352123456", 5, 39310),
        ("+5352123456", 6, 0),
        ("+13125550177", 2, 0),
        // Who shows no number that can be called back lures nobody.
        ("anonymous", 2, 0),
    ] {
        let mut edge = Edge::under(office(|_| {}));
        rings(&mut edge, 1, caller, DID, Duration::from_secs(time));
        let called = if caller == "anonymous" { "+5352123456" } else { caller };
        assert_eq!(code(&dials(&mut edge, 2, PBX, "201", called)), expected, "{caller} {time}");
    }
}

#[test]
fn c9_one_block_that_rings_three_of_our_numbers_within_an_hour_is_told() {
    let mut edge = Edge::under(office(|_| {}));
    for (nth, (did, told)) in
        (1..).zip([(DID, false), ("+12125550101", false), (DID, false), ("+12125550102", true)])
    {
        let seen = rings(&mut edge, nth, &format!("+3712791300{nth}"), did, Duration::from_secs(2));
        assert_eq!(seen.codes().contains(&39310), told, "{nth} {did}");
        edge.pass(Duration::from_secs(300));
    }
}
