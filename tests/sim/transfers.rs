//! Flows in which somebody transfers a call, in every mode.
//!
//! Owns this part of the table. Read first: RFC 3515; RFC 5589 §6.

use super::agent::plan::{Act, On, Plan, Rule, when};
use super::flow::Flow;
use super::wire::SECOND;

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
const REFER: Rule = when(On::Up, 1_000, Act::Ask("REFER"));
/// Should everything else of a plan be lost, somebody hangs up some time.
const LATE_HANG_UP: Rule = when(On::Up, 90_000, Act::Bye);

fn plain(name: &'static str, key: &'static str, third: &[Rule]) -> Flow {
    Flow::new(name, &[200])
        .caller(&[REFER, LATE_HANG_UP])
        .callee(&[RING, ANSWER, LATE_HANG_UP])
        .alone(|shape| shape.key = key)
        .with(|flow| flow.third = Some(Plan::of(third)))
}

fn told(name: &'static str) -> Flow {
    plain(name, "transfers: judge-and-pass", &[])
}

fn made(name: &'static str) -> Flow {
    plain(name, "transfers: perform", &[RING, ANSWER, HANG_UP])
}

/// All of them.
pub fn all() -> Vec<Flow> {
    vec![
        told("transfer_is_told")
            .caller(&[REFER, HANG_UP])
            .callee(&[RING, ANSWER, when(On::Asked("REFER"), 300, Act::Ask("NOTIFY")), LATE_HANG_UP])
            .with(|flow| flow.diary = vec!["REFER answered 202", "told SIP/2.0 200 OK"]),
        told("transfer_in_an_early_dialog")
            .caller(&[when(On::Heard(180), 300, Act::Ask("REFER")), HANG_UP])
            .with(|flow| flow.diary = vec!["REFER answered 405"]),
        made("transfer_is_made").with(|flow| flow.diary = vec!["REFER answered 202", "told SIP/2.0 200 OK"]),
        made("transfer_by_callee_is_made")
            .caller(&[LATE_HANG_UP])
            .callee(&[RING, ANSWER, REFER, LATE_HANG_UP])
            .with(|flow| flow.diary = vec!["REFER answered 202", "told SIP/2.0 200 OK"]),
        made("transfer_and_hang_up_at_once")
            .caller(&[REFER, when(On::Up, 1_100, Act::Bye)])
            .with(|flow| flow.diary = vec!["REFER answered 202"]),
        made("transfer_comes_to_nothing").caller(&[REFER, HANG_UP]).with(|flow| {
            flow.third = Some(Plan::of(&[RING, when(On::Start, 500, Act::Refuse(486))]));
            flow.diary = vec!["told SIP/2.0 486 Busy Here"];
        }),
        made("who_is_transferred_hangs_up_as_it_rings").callee(&[
            RING,
            ANSWER,
            when(On::Up, 2_000, Act::Bye),
        ]),
        made("who_is_transferred_hangs_up_as_it_is_handed_over")
            .callee(&[RING, ANSWER, when(On::Up, 1_300, Act::Reinvite), when(On::Up, 4_000, Act::Bye)])
            .with(|flow| flow.caller.reinvite_delay = 6 * SECOND),
    ]
}
