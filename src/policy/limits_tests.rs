//! Caps at limit - 1, limit, limit + 1; what is held comes back, what was used stays.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::standing::path;
use super::*;
use crate::clock::Now;
use crate::policy::counters::{Counters, Reservation};
use crate::policy::facts::Forwarded;
use crate::policy::fixture::{PBX, facts, now, plan};
use crate::policy::number::{E164, Number};
use crate::policy::rates::Rates;
use crate::policy::{Facts, Outcome, Plan, Policy, admit};

fn cap(of: Class, what: What, per: Per, warn: Option<u64>, block: u64) -> Limit {
    let id = path(of, what, per);
    let path = Arc::clone(&id);
    Limit { id, path, of, what, per, warn: warn.map(Amount::Fixed), block: Amount::Fixed(block) }
}

fn policy(caps: Vec<Limit>) -> Policy {
    let mut plan = Plan { limits: Limits { caps, lasting: Vec::new() }, ..plan() };
    for peer in plan.peers.iter_mut().flatten() {
        let peer = Arc::make_mut(peer);
        peer.concurrent_calls_max = 10_000;
    }
    Policy::build(plan).unwrap()
}

/// The office with its counters.
struct Office {
    policy: Policy,
    counters: Counters,
}

impl Office {
    fn new(caps: Vec<Limit>) -> Self {
        let policy = policy(caps);
        let mut counters = Counters::new(7);
        counters.follow(&policy);
        counters.ledger.tell(now(100));
        Self { policy, counters }
    }

    /// Places a call; the code where it is refused, and whether anything was told.
    fn call(&mut self, facts: &Facts<'_>) -> Result<(Reservation, bool), u32> {
        self.counters.ledger.tell(facts.now);
        let verdict = admit(&self.policy, &self.counters, facts);
        match &verdict.outcome {
            Outcome::Refuse(refusal) => Err(refusal.code.number),
            Outcome::Silence => panic!("a listed peer is answered"),
            Outcome::Admit(_) => {
                let charges = (&verdict.charges[..], &verdict.tab);
                let held = self.policy.charge(&mut self.counters, facts, charges).unwrap();
                Ok((held, !verdict.alerts.is_empty()))
            }
        }
    }

    fn used(&self, at: Now) -> Vec<u64> {
        self.counters.ledger.statements(at.tick).map(|one| one.used).collect()
    }
}

fn at(seconds: u64) -> Facts<'static> {
    Facts { now: now(seconds), ..facts() }
}

#[test]
fn calls_at_once_of_each_kind_hold_exactly_and_come_back() {
    for per in Per::ALL {
        let mut office = Office::new(vec![cap(Class::Home, What::AtOnce, per, Some(2), 3)]);
        let digits = crate::policy::number::Digits::new(b"37127913000").unwrap();
        let number = Number::E164(E164 { digits, code_length: 3 });
        let facts = Facts { credential: Some("office"), number: Some(&number), ..at(100) };
        let mut held = Vec::new();
        for told in [false, true, false] {
            let (reservation, warned) = office.call(&facts).unwrap();
            assert_eq!(warned, told, "{}: {} held", per.name(), held.len());
            held.push(reservation);
        }
        assert_eq!(office.call(&facts).err(), Some(10004), "{}", per.name());
        held.pop();
        held.push(office.call(&facts).unwrap().0);
        assert_eq!(office.call(&facts).err(), Some(10004), "{}", per.name());
        held.clear();
        assert_eq!(office.used(now(100)), [0; 0], "{}", per.name());
    }
}

#[test]
fn a_window_lets_no_more_through_wherever_it_begins() {
    let mut office = Office::new(vec![cap(Class::Home, What::Calls(Span::Minute), Per::Caller, None, 2)]);
    assert!(office.call(&at(100)).is_ok());
    assert!(office.call(&at(130)).is_ok());
    assert_eq!(office.call(&at(150)).err(), Some(32001));
    assert_eq!(office.call(&at(159)).err(), Some(32001));
    assert!(
        office.call(&Facts { caller: "202", caller_sent: "202", ..at(159) }).is_ok(),
        "another extension"
    );
    assert!(office.call(&at(166)).is_ok(), "the first is a minute and a slice ago");
    assert_eq!(office.call(&at(167)).err(), Some(32001));
}

#[test]
fn a_number_called_before_is_not_new() {
    let caps = vec![cap(Class::Home, What::NewNumbers(Span::Day), Per::Caller, None, 2)];
    let mut office = Office::new(caps);
    let called = |number| Facts { called: number, ..at(100) };
    assert!(office.call(&called("+37127913000")).is_ok());
    assert!(office.call(&called("+37127913001")).is_ok());
    assert!(office.call(&called("+37127913000")).is_ok());
    assert_eq!(office.call(&called("+37127913002")).err(), Some(32001));
    assert!(office.call(&called("+37127913001")).is_ok());
}

#[test]
fn c4_a_call_that_is_sent_on_counts_for_who_sends_it_on() {
    let mut office = Office::new(vec![cap(Class::Home, What::AtOnce, Per::Caller, None, 1)]);
    let by = Some(Forwarded { by: "202", times: 1, here: false });
    let _own = office.call(&at(100)).unwrap();
    let _sent = office.call(&Facts { forwarded: by, ..at(100) }).unwrap();
    assert_eq!(office.call(&Facts { caller: "202", caller_sent: "202", ..at(100) }).err(), Some(10004));
}

#[test]
fn what_an_inside_peer_is_asked_for_is_not_asked_of_calls_that_cost_nothing() {
    let mut office = Office::new(vec![cap(Class::Home, What::AtOnce, Per::Site, None, 1)]);
    let _one = office.call(&at(100)).unwrap();
    let inbound = crate::policy::fixture::inbound();
    assert!(office.call(&inbound).is_ok());
}

const UNIT: u64 = 1_000_000;

#[test]
fn a_minute_is_reserved_before_anybody_answers_and_given_back_where_nobody_does() {
    // Three units a minute: ten calls may ring at once.
    let mut office = Office::new(vec![cap(Class::Home, What::Spend(Span::Day), Per::Site, None, 30 * UNIT)]);
    let ringing: Vec<_> = (0..10).map(|_| office.call(&at(100)).unwrap()).collect();
    assert_eq!(office.call(&at(100)).err(), Some(39302));
    drop(ringing);
    assert_eq!(office.used(now(100)), [0; 0]);
}

/// Talks until the meter ends the call, or for so long; when it ended.
fn talk(office: &mut Office, mut held: Reservation, from: u64, until: u64) -> u64 {
    let tick = |seconds| now(seconds).tick;
    let mut next = held.meters().filter_map(|meter| meter.answered(tick(from))).min();
    while let Some(at) = next {
        let seconds = at.micros() / 1_000_000;
        if seconds >= until {
            break;
        }
        office.counters.ledger.tell(now(seconds));
        let limits = &office.policy.limits;
        let (ledger, block) = (&mut office.counters.ledger, |place| limits.block(place, 4));
        let readings: Vec<_> = held.meters().map(|meter| meter.read(ledger, tick(seconds), block)).collect();
        if readings.iter().any(|reading| reading.over.is_some()) {
            return seconds;
        }
        next = readings.iter().filter_map(|reading| reading.next).min();
    }
    office.counters.ledger.tell(now(until));
    until
}

#[test]
fn c9_a_live_call_ends_when_its_budget_does_and_what_it_used_stays_used() {
    let caps = vec![cap(Class::Home, What::Spend(Span::Day), Per::Site, None, 10 * UNIT)];
    let mut office = Office::new(caps);
    let (held, _) = office.call(&at(100)).unwrap();
    // Three whole minutes cost nine; the fourth would make twelve.
    assert_eq!(talk(&mut office, held, 100, 10_000), 279);
    assert_eq!(office.used(now(279)), [9 * UNIT]);
    assert_eq!(office.call(&at(279)).err(), Some(39302), "a minute of the next would be past it");
    assert_eq!(office.call(&at(279 + 86_400)).err(), Some(39302));
    assert!(office.call(&at(279 + 86_400 + 7_300)).is_ok(), "a day and a slice later");
}

#[test]
fn minutes_are_counted_from_the_answer() {
    let caps = vec![cap(Class::Home, What::Minutes(Span::Day), Per::Caller, None, 120)];
    let mut office = Office::new(caps);
    let (held, _) = office.call(&at(100)).unwrap();
    assert_eq!(talk(&mut office, held, 130, 10_000), 130 + 119, "asked a second ahead");
    assert_eq!(office.call(&at(300)).err(), Some(39301));
}

#[test]
fn a_call_that_somebody_ends_owes_what_it_cost() {
    let caps = vec![cap(Class::Home, What::Spend(Span::Day), Per::Site, None, 100 * UNIT)];
    let mut office = Office::new(caps);
    for (talked, expected) in [(1, 3), (60, 6), (61, 12)] {
        let (held, _) = office.call(&at(100)).unwrap();
        talk(&mut office, held, 100, 100 + talked);
        assert_eq!(office.used(now(200)), [expected * UNIT], "{talked} s");
    }
}

proptest! {
    /// Whatever calls come, whenever they are answered and end: what is used at the end is what they cost, and with the tick and
    /// the step of billing it is never past the budget.
    #[test]
    fn c9_no_more_is_lost_than_the_budget_and_a_step_of_each_live_call(
        calls in prop::collection::vec((0_u64..200, 0_u64..400), 1..40),
    ) {
        let block = 20 * UNIT;
        let mut office = Office::new(vec![cap(Class::Home, What::Spend(Span::Day), Per::Site, None, block)]);
        let mut live: Vec<(u64, u64, Reservation)> = Vec::new();
        let (mut spent, rate) = (0_u64, Rates::default().other);
        for second in 100..900_u64 {
            office.counters.ledger.tell(now(second));
            for (begins, lasts) in &calls {
                if begins + 100 == second
                    && let Ok((mut held, _)) = office.call(&at(second))
                {
                    held.meters().for_each(|meter| { let _first = meter.answered(now(second).tick); });
                    live.push((second, second + lasts, held));
                }
            }
            let limits = &office.policy.limits;
            let ledger = &mut office.counters.ledger;
            live.retain_mut(|(began, ends, held)| {
                let block = |place| limits.block(place, 4);
                let over = held.meters().any(|meter| meter.read(ledger, now(second).tick, block).over.is_some());
                let goes_on = !over && second < *ends;
                if !goes_on {
                    spent += rate.cost(Duration::from_secs(second - *began)).0;
                }
                goes_on
            });
            let used: u64 = office.used(now(second)).iter().sum();
            prop_assert!(used <= block, "{used} at {second}");
            let running: u64 = live.iter().map(|(began, ..)| rate.cost(Duration::from_secs(second - began)).0).sum();
            prop_assert!(spent + running <= used, "{spent} and {running} of {used} at {second}");
        }
        drop(live);
        prop_assert_eq!(office.used(now(900)).iter().sum::<u64>(), spent);
    }
}

#[test]
fn what_was_kept_counts_with_what_was_held_and_a_clock_put_back_gives_nothing_back() {
    let caps = || vec![cap(Class::Home, What::Spend(Span::Day), Per::Site, None, 10 * UNIT)];
    let mut office = Office::new(caps());
    let (mut held, _) = office.call(&at(100)).unwrap();
    held.meters().for_each(|meter| {
        let _first = meter.answered(now(100).tick);
    });
    let kept = office.counters.ledger.changes(now(160).tick);
    assert_eq!(kept.len(), 1);
    assert!(office.counters.ledger.changes(now(160).tick).is_empty(), "nothing new");
    // The edge dies here. Its clock is put back by a day.
    let mut again = Office::new(caps());
    kept.into_iter().for_each(|one| again.counters.ledger.recall(one));
    assert_eq!(again.used(now(1)), [3 * UNIT]);
    assert_eq!(PBX, facts().peer);
}
