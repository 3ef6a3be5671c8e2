//! Caps through the whole engine (rows C8, C9): a live call that its budget covers no more is ended on both legs, what was used
//! outlives a restart, and help is called all the same.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::limits::{Amount, Limit, Limits, Per, Span, What, standing};
use ringfence::policy::rates::Class;
use ringfence::policy::{Kept, Policy, kept};
use ringfence::sip::Method;

use super::edge::{Edge, PBX, TRUNK, from};
use super::suspending::{dial, invite, under, up};
use super::targets::invites;

/// A number at home: two cents a minute, billed by the second.
const HOME: &str = "+13125550177";

/// So many cents a day for the site.
fn budget(cents: u64) -> Arc<Policy> {
    let (of, what, per) = (Class::Home, What::Spend(Span::Day), Per::Site);
    let id = standing::path(of, what, per);
    let path = Arc::clone(&id);
    let block = Amount::Fixed(cents * 10_000);
    under(|plan| {
        plan.limits =
            Limits { caps: vec![Limit { id, path, of, what, per, warn: None, block }], lasting: vec![] }
    })
}

fn accounts(rows: &[Kept]) -> Vec<Kept> {
    rows.iter().filter(|row| row.kind == kept::ACCOUNT || row.kind == kept::SEED).cloned().collect()
}

#[test]
fn c9_a_live_call_is_ended_on_both_legs_when_its_budget_is_used_up() {
    let mut edge = Edge::under(budget(5));
    up(&mut edge, HOME, "one");
    // Two and a half minutes are paid for.
    let before = edge.pass(Duration::from_secs(148));
    assert!(before.codes().is_empty() && before.records.is_empty());
    let seen = edge.pass(Duration::from_secs(2));
    assert_eq!(seen.codes(), [39302]);
    for leg in [PBX, TRUNK] {
        let byes = seen.to(leg).into_iter().filter(|one| *one.method() == Method::Bye).count();
        assert!(byes >= 1, "{leg}");
    }
    assert_eq!(seen.records.first().and_then(|record| record.code), Some(39302));
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "two").text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![39302]));
    let help = edge.hear(from(PBX), &invite(PBX, &dial("911"), "help").text());
    assert_eq!(invites(&help, TRUNK).len(), 1, "help is called all the same");
}

#[test]
fn c9_no_restart_makes_a_budget_larger() {
    let mut edge = Edge::under(budget(5));
    edge.input(Input::Recall(Vec::new()));
    up(&mut edge, HOME, "one");
    edge.pass(Duration::from_secs(100));
    // It dies while the call is up.
    let mut rows: Vec<Kept> = Vec::new();
    for row in accounts(&edge.kept) {
        rows.retain(|one| one.key != row.key);
        rows.push(row);
    }
    assert_eq!(rows.len(), 2, "what makes the keys, and one account");
    let mut next = Edge::under(budget(5));
    next.set_clock(101);
    next.input(Input::Recall(rows));
    // A minute costs two cents: of five more than three are used.
    let seen = next.hear(from(PBX), &invite(PBX, &dial(HOME), "two").text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![39302]));
    // A day and a slice later they are forgotten.
    let mut later = Edge::under(budget(5));
    later.set_clock(101 + 26 * 3_600);
    later.input(Input::Recall(accounts(&edge.kept)));
    let seen = later.hear(from(PBX), &invite(PBX, &dial(HOME), "three").text());
    assert_eq!(invites(&seen, TRUNK).len(), 1);
}

#[test]
fn c9_a_budget_that_is_used_up_comes_back_a_day_later_though_nobody_was_let_in_meanwhile() {
    let mut edge = Edge::under(budget(5));
    up(&mut edge, HOME, "one");
    assert_eq!(edge.pass(Duration::from_secs(150)).codes(), [39302]);
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "two").text());
    assert_eq!(seen.statuses(PBX), [403]);
    edge.pass(Duration::from_secs(27 * 3_600));
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "three").text());
    assert_eq!(invites(&seen, TRUNK).len(), 1);
}
