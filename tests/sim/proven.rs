//! Flows of a PBX that the edge asks for a password: proven, forgotten, wrong, from anywhere.
//!
//! Owns their table. Read first: RFC 3261 §22; RFC 7616 §3.4; the attacks' rows A4 to A6, A10.

use super::agent::plan::{Act, On, Rule, when};
use super::agent::prover::Prover;
use super::flow::{Deed, Flow, Way};
use super::wire::SECOND;

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);

/// A call of a PBX that must prove who it is.
fn proven(name: &'static str, how: Prover) -> Flow {
    does(name, how, &[HANG_UP])
}

/// The same with rules of its own.
fn does(name: &'static str, how: Prover, rules: &[Rule]) -> Flow {
    Flow::new(name, &[200])
        .caller(rules)
        .callee(&[RING, ANSWER])
        .alone(|shape| shape.proven = "refusal: generic")
        .with(|flow| {
            flow.way = Way::Outbound;
            flow.caller.proves = Some(how);
            flow.diary = vec!["INVITE proven"];
        })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let usual = Prover::USUAL;
    let bare_later = Prover { ahead: false, ..usual };
    let asks = |method| [when(On::Up, 1_000, Act::Ask(method)), HANG_UP];
    let reinvites = [when(On::Up, 1_000, Act::Reinvite), when(On::Up, 6_000, Act::Bye)];
    vec![
        proven("caller_proves_itself", usual),
        proven("caller_proves_itself_over_tcp", usual).with(|flow| flow.shape.transport = "tcp"),
        proven("caller_is_asked_by_407", usual).with(|flow| flow.shape.proven = "challenge: proxy"),
        does("caller_is_not_asked_within_a_call", bare_later, &asks("INFO")),
        does("caller_proves_a_reinvite", usual, &reinvites),
        does("caller_cancels_what_it_proved", usual, &[when(On::Heard(180), 300, Act::Cancel)])
            .callee(&[RING])
            .with(|flow| flow.finals = vec![487, 480]),
        does(
            "caller_cancels_as_it_proves",
            usual,
            &[when(On::Start, 25, Act::Cancel), when(On::Up, 40_000, Act::Bye)],
        )
        .with(|flow| flow.finals = vec![487, 200]),
        proven("a_reload_forgets_no_proven_caller", usual)
            .with(|flow| flow.deeds = vec![(3 * SECOND, Deed::Reload)]),
        proven("caller_roams", usual).with(|flow| flow.shape.roams = true),
        proven("caller_roams_over_tcp", usual).with(|flow| {
            flow.shape.roams = true;
            flow.shape.transport = "tcp";
        }),
        proven("caller_knows_no_password", Prover { knows: false, ..usual }).with(|flow| {
            flow.finals = vec![401];
            flow.alerts = vec![32202];
        }),
        proven("caller_never_answers_the_question", Prover { tries: 0, ..usual }).with(|flow| {
            flow.finals = vec![401];
            flow.diary.clear();
        }),
    ]
}
