//! Floods of calls from a trunk that the policy lists, through the whole engine: row F7 of the attacks.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::{Query, Reply};
use ringfence::policy::tdos::Settings;
use ringfence::policy::{Plan, Policy};

use super::dial_plans::dials_by;
use super::edge::{Edge, PBX, Seen, TRUNK, from, plan};
use super::targets::invites;
use super::texts::{Request, answer};

/// The number that is flooded, and another one of the same office.
const DID: &str = "+12125550100";
const QUIET: &str = "+12125550101";

fn office(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        dials_by(plan, "us_direct");
        plan.sites[0].dids = vec![DID.into(), QUIET.into()];
        plan.sites[0].channels = 20;
        plan.floods = Some(Settings::default());
        change(plan);
    })
}

/// Somebody calls, as the `nth`.
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

/// Calls of ever new callers, ten a second; how many reached the PBX.
fn flood(edge: &mut Edge, first: u32, calls: u32) -> usize {
    let mut reached = 0;
    for nth in first..first + calls {
        let seen = dials(edge, nth, TRUNK, &format!("+1303{nth:07}"), DID);
        reached += invites(&seen, PBX).len();
        edge.pass(Duration::from_millis(100));
    }
    reached
}

/// A call from outside to the number that nobody floods gets through, and so does one for help.
fn lives(edge: &mut Edge, nth: u32) {
    let seen = dials(edge, nth, TRUNK, &format!("+1415{nth:07}"), QUIET);
    let invite = invites(&seen, PBX).into_iter().next();
    let invite = invite.unwrap_or_else(|| panic!("call {nth}: {:?}", seen.statuses(TRUNK)));
    edge.hear(from(PBX), &answer(&invite, 486, "busy", PBX));
    let seen = dials(edge, nth + 1, PBX, QUIET, "911");
    let invite = invites(&seen, TRUNK).into_iter().next();
    let invite = invite.unwrap_or_else(|| panic!("911 as {nth}: {:?}", seen.statuses(PBX)));
    edge.hear(from(TRUNK), &answer(&invite, 486, "busy", TRUNK));
}

#[test]
fn f7_a_flood_to_one_number_leaves_other_numbers_and_calls_for_help_alone() {
    let mut edge = Edge::under(office(|_| {}));
    let mut reached = 0;
    let mut alerts = 0;
    for round in 0..30 {
        let first = 1_000 * (round + 1);
        reached += flood(&mut edge, first, 50);
        lives(&mut edge, first + 900);
        let seen = dials(&mut edge, first + 990, TRUNK, "+13039990000", DID);
        alerts += seen.codes().iter().filter(|code| **code == 39401).count();
    }
    assert!(reached <= 20, "{reached} calls of the flood reached the PBX");
    assert!(alerts <= 1, "{alerts}");
    let seen = edge.input(ringfence::engine::Input::Query { id: 1, query: Query::Status });
    let Some(Reply::Status { floods, counts, .. }) = seen.replies.into_iter().next() else { panic!() };
    assert_eq!(floods.first().and_then(|flood| flood.number.as_deref()), Some(DID), "{floods:?}");
    let refused = counts.iter().find(|(name, _)| name == "flood_calls_refused").map(|(_, count)| *count);
    assert!(refused.is_some_and(|refused| refused >= 1_400), "{refused:?}");
}

#[test]
fn f7_who_helps_calls_back_through_a_flood() {
    let mut edge = Edge::under(office(|_| {}));
    flood(&mut edge, 1, 300);
    let held = dials(&mut edge, 500, TRUNK, "+19115550000", DID);
    assert!(invites(&held, PBX).is_empty(), "nobody called for help");
    let seen = dials(&mut edge, 501, PBX, DID, "911");
    for invite in invites(&seen, TRUNK) {
        edge.hear(from(TRUNK), &answer(&invite, 486, "busy", TRUNK));
    }
    let back = dials(&mut edge, 502, TRUNK, "+19115550000", DID);
    assert_eq!(invites(&back, PBX).len(), 1, "{:?}", back.statuses(TRUNK));
}

#[test]
fn f7_without_the_key_nothing_is_counted() {
    let mut edge = Edge::under(office(|plan| plan.floods = None));
    let seen = flood(&mut edge, 1, 15);
    assert_eq!((seen, edge.engine.floods_bytes()), (15, 0));
}
