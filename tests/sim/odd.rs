//! Flows in which a call meets what seldom comes at that time: so that every event meets every phase that it can meet.
//!
//! Owns this part of the table; `coverage` says which pairs are met and which cannot be. Read first: RFC 3261 §9, §13.3.1.4,
//! §15, §17.1.2; RFC 4320 §4.1; RFC 3428 §8; RFC 3262 §3.

use super::agent::plan::{Act, On, Rule, when};
use super::flow::{Deed, Flow, Way};
use super::wire::{MS, SECOND};

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const RING_RELIABLY: Rule = when(On::Start, 200, Act::RingReliably { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const BARE: Rule = when(On::Start, 1_500, Act::AnswerBare);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
/// After every deadline of 64*T1 that began with the answer.
const LATE_HANG_UP: Rule = when(On::Up, 40_000, Act::Bye);

fn plain(name: &'static str) -> Flow {
    Flow::new(name, &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER])
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = asking();
    flows.extend(ringing());
    flows.extend(talking());
    flows.extend(ending());
    flows
}

/// MESSAGE is carried where the policy opens it, whatever the phase.
fn asking() -> Vec<Flow> {
    let message = Act::Ask("MESSAGE");
    vec![
        plain("message_in_an_early_dialog")
            .caller(&[when(On::Heard(180), 300, message), HANG_UP])
            .alone(|shape| shape.allow = "info, message")
            .with(|flow| flow.diary = vec!["MESSAGE", "MESSAGE answered 200"]),
        plain("message_in_talk")
            .caller(&[when(On::Up, 1_000, message), HANG_UP])
            .alone(|shape| shape.allow = "info, message")
            .with(|flow| flow.diary = vec!["MESSAGE", "MESSAGE answered 200"]),
        plain("caller_asks_much_in_an_early_dialog")
            .caller(&[
                when(On::Heard(180), 300, Act::Ask("OPTIONS")),
                when(On::Heard(180), 500, Act::Ask("INFO")),
                when(On::Heard(180), 700, Act::Ask("INVITE")),
                HANG_UP,
            ])
            .with(|flow| {
                flow.diary = vec!["OPTIONS answered 200", "INFO answered 200", "INVITE answered 500"];
            }),
        plain("callee_says_100_to_every_request")
            .caller(&[when(On::Up, 1_000, Act::Ask("INFO")), HANG_UP])
            .callee(&[RING_RELIABLY, ANSWER])
            .with(|flow| {
                flow.caller.reliable = true;
                flow.callee.trying_others = true;
                flow.callee.answer_delay = 300 * MS;
                flow.diary = vec!["PRACK answered 200", "INFO answered 200"];
            }),
        plain("peers_are_kept_reachable")
            .caller(&[when(On::Up, 40_000, Act::Bye)])
            .callee(&[RING, when(On::Start, 20_000, Act::Answer)])
            .alone(|shape| shape.key = "keep_alive: 15s"),
    ]
}

fn ringing() -> Vec<Flow> {
    let over = |name, first: &[Rule], answers_after: u64| {
        let second = [RING, when(On::Start, answers_after, Act::Answer)];
        plain(name).callee(first).second(&second).with(|flow| {
            flow.callee.trying = false;
            flow.alerts = vec![32011];
        })
    };
    vec![
        plain("ack_before_any_answer").caller(&[when(On::Heard(180), 300, Act::Acknowledge), HANG_UP]),
        over("silent_target_times_out_while_the_next_rings", &[], 45_000)
            .with(|flow| flow.callee.silent = true),
        over(
            "late_first_answer_is_forgotten_while_the_next_rings",
            &[when(On::Start, 6_000, Act::Answer), HANG_UP],
            50_000,
        ),
        plain("callee_never_describes_its_media").callee(&[RING, BARE]).with(|flow| {
            flow.alerts = vec![32102];
            flow.tolerated = vec!["2xx to INVITE without SDP"];
        }),
        plain("callee_describes_its_media_in_what_rings_alone")
            .callee(&[RING, when(On::Start, 400, Act::Ring { status: 183, sdp: true }), BARE])
            // Where the wire loses what rang, nothing was described.
            .with(|flow| flow.tolerated = vec!["2xx to INVITE without SDP"]),
        plain("ringing_is_not_acknowledged_before_the_answer")
            .caller(&[LATE_HANG_UP])
            .callee(&[RING_RELIABLY, when(On::Start, 1_500, Act::AnswerAtOnce)])
            .with(|flow| {
                flow.caller.reliable = true;
                flow.caller.no_prack = true;
            }),
    ]
}

fn talking() -> Vec<Flow> {
    let reinvite = when(On::Up, 1_000, Act::Reinvite);
    vec![
        plain("reinvite_is_cancelled")
            .caller(&[reinvite, when(On::Up, 1_500, Act::CancelReinvite), when(On::Up, 8_000, Act::Bye)])
            .with(|flow| {
                flow.callee.reinvite_delay = 3 * SECOND;
                flow.diary = vec!["CANCEL", "INVITE answered 487"];
            }),
        plain("reinvite_is_heard_and_never_answered")
            .caller(&[reinvite, LATE_HANG_UP])
            .alone(|shape| {
                shape.ring_max = "20s";
                shape.post_dial_max = "10s";
            })
            .with(|flow| {
                flow.callee.reinvite_delay = 60 * SECOND;
                flow.diary = vec!["CANCEL", "INVITE answered 487"];
            }),
        plain("callee_cannot_be_reached_any_more")
            .caller(&[when(On::Up, 6_000, Act::Ask("INFO")), when(On::Up, 8_000, Act::Bye)])
            .callee(&[RING, ANSWER, when(On::Start, 3_500, Act::Vanish)])
            .alone(|_| {})
            .with(|flow| {
                flow.way = Way::Outbound;
                flow.deeds = vec![(5 * SECOND, Deed::Unreach("trunk"))];
                flow.diary = vec!["INFO answered 500"];
                // The wire may lose each 200 that comes before: it rings then for as long as it may.
                flow.finals = vec![200, 480];
            }),
        plain("callee_never_acknowledges_its_reinvite")
            .caller(&[LATE_HANG_UP])
            .callee(&[RING, ANSWER, reinvite])
            .with(|flow| {
                flow.callee.no_ack = true;
                flow.alerts = vec![32022];
            }),
    ]
}

fn ending() -> Vec<Flow> {
    let reinvite = when(On::Up, 1_000, Act::Reinvite);
    vec![
        plain("bye_before_the_callee_acknowledges_its_reinvite")
            .callee(&[RING, ANSWER, reinvite])
            .with(|flow| flow.callee.no_ack = true),
        plain("caller_asks_on_after_the_callee_hung_up")
            .caller(&[
                when(On::Up, 2_000, Act::Ask("UPDATE")),
                when(On::Up, 2_500, Act::Ask("MESSAGE")),
                when(On::Up, 3_000, Act::Ask("INFO")),
                when(On::Up, 3_500, Act::Ask("OPTIONS")),
                when(On::Up, 4_000, Act::Reinvite),
                when(On::Up, 4_500, Act::Ask("REFER")),
            ])
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Bye)])
            .alone(|shape| {
                shape.allow = "info, message";
                shape.key = "transfers: judge-and-pass";
            })
            .with(|flow| {
                flow.caller.no_ack = true;
                flow.diary = vec!["UPDATE answered 481", "MESSAGE answered 481", "INVITE answered 481"];
            }),
        plain("callee_hangs_up_before_the_caller_acknowledges").caller(&[LATE_HANG_UP]).callee(&[
            RING,
            ANSWER,
            when(On::Start, 1_501, Act::Bye),
        ]),
        Flow::new("stop_while_a_farewell_waits", &[200, 480, 487, 500, 503])
            .caller(&[LATE_HANG_UP])
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Bye), LATE_HANG_UP])
            .alone(|_| {})
            .with(|flow| {
                flow.caller.no_ack = true;
                flow.deeds = vec![(6 * SECOND, Deed::Stop)];
                flow.alerts = vec![39803];
                flow.tolerated = vec!["a 2xx was never acknowledged"];
            }),
        // Nobody hears the answer nor the farewell: the call is gone when its last deadline says so.
        plain("callee_hangs_up_on_a_caller_without_power")
            .caller(&[when(On::Start, 800, Act::Vanish)])
            .callee(&[RING, ANSWER, when(On::Start, 1_501, Act::Bye)])
            .with(|flow| flow.finals = vec![]),
    ]
}
