//! Flows of early dialogs: reliable provisional responses, UPDATE, forks, and what may go wrong in them.
//!
//! Owns this part of the table. Read first: RFC 3262; RFC 3311; RFC 6337; RFC 5407 §3.

use super::agent::plan::{Act, On, Rule, when};
use super::flow::{Flow, Way};
use super::wire::{MS, Micros, SECOND};

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const RING_RELIABLY: Rule = when(On::Start, 200, Act::RingReliably { status: 180, sdp: false });
const MEDIA_RELIABLY: Rule = when(On::Start, 400, Act::RingReliably { status: 183, sdp: true });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
const UPDATE: Act = Act::Ask("UPDATE");

fn plain(name: &'static str) -> Flow {
    Flow::new(name, &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER])
}

/// Both ends know reliable provisional responses and UPDATE.
fn able(name: &'static str) -> Flow {
    plain(name).callee(&[MEDIA_RELIABLY, ANSWER]).with(|flow| {
        flow.caller.reliable = true;
        flow.caller.updates = true;
        flow.callee.updates = true;
    })
}

/// The same with other rules of the caller.
fn able_caller(name: &'static str, rules: &[Rule]) -> Flow {
    let mut flow = able(name);
    flow.caller.rules = rules.to_vec();
    flow.caller.rules.push(HANG_UP);
    flow
}

/// The callee rings once more, and not reliably; the caller has an offer for that.
fn prack_offers_later(name: &'static str) -> Flow {
    let ring = when(On::Asked("PRACK"), 200, Act::Ring { status: 180, sdp: false });
    able(name).callee(&[MEDIA_RELIABLY, ring, ANSWER]).with(|flow| {
        flow.callee.updates = true;
        flow.caller.requires_reliable = true;
        flow.caller.prack_offers_later = true;
    })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = acknowledging();
    flows.extend(misunderstanding());
    flows.extend(updating());
    flows.extend(updating_at_once());
    flows.extend(forking());
    flows
}

fn acknowledging() -> Vec<Flow> {
    let both = [RING_RELIABLY, MEDIA_RELIABLY, ANSWER];
    let unreliable = [RING, when(On::Start, 400, Act::Ring { status: 183, sdp: true }), ANSWER];
    vec![
        plain("ringing_is_acknowledged_end_to_end").callee(&both).with(|flow| flow.caller.reliable = true),
        plain("inbound_ringing_is_acknowledged").callee(&both).with(|flow| {
            flow.way = Way::Inbound;
            flow.caller.requires_reliable = true;
        }),
        plain("only_the_callee_is_reliable").callee(&both),
        plain("only_the_caller_is_reliable")
            .callee(&unreliable)
            .with(|flow| flow.caller.requires_reliable = true),
        plain("late_offer_answered_in_prack").callee(&[MEDIA_RELIABLY, ANSWER]).with(|flow| {
            flow.caller.late_offer = true;
            flow.caller.reliable = true;
        }),
        plain("late_offer_of_an_unaware_caller").callee(&both).with(|flow| flow.caller.late_offer = true),
        able("prack_holds_a_new_offer").with(|flow| flow.caller.prack_offers = true),
        prack_offers_later("prack_offer_crosses_as_update")
            .with(|flow| flow.diary = vec!["PRACK answered 200", "UPDATE"]),
        prack_offers_later("prack_offer_to_a_peer_that_takes_no_update").with(|flow| {
            flow.callee.updates = false;
            flow.diary = vec!["PRACK answered 488"];
        }),
        able("tcp_ringing_is_acknowledged").over_tcp("tcp_ringing_is_acknowledged"),
        able("answer_waits_for_prack").callee(&[
            when(On::Start, 200, Act::RingReliably { status: 183, sdp: true }),
            when(On::Start, 205, Act::AnswerAtOnce),
        ]),
        able("answer_does_not_wait_for_prack_of_ringing").callee(&[
            when(On::Start, 200, Act::RingReliably { status: 180, sdp: false }),
            when(On::Start, 205, Act::AnswerAtOnce),
        ]),
    ]
}

fn misunderstanding() -> Vec<Flow> {
    let cancel_at = |on, after| when(on, after, Act::Cancel);
    vec![
        plain("caller_never_acknowledges_ringing").callee(&[RING]).with(|flow| {
            flow.caller.requires_reliable = true;
            flow.caller.no_prack = true;
            flow.finals = vec![500, 480];
            flow.alerts = vec![32022];
        }),
        able("rseq_out_of_order").callee(&[
            RING_RELIABLY,
            when(On::Asked("PRACK"), 300, Act::RingOutOfOrder),
            when(On::Start, 900, Act::RingReliably { status: 183, sdp: true }),
            ANSWER,
        ]),
        plain("prack_names_nothing_in_an_early_dialog")
            .caller(&[when(On::Heard(180), 300, Act::Ask("PRACK")), HANG_UP])
            .with(|flow| flow.diary = vec!["PRACK answered 481"]),
        able_caller("cancel_during_prack", &[cancel_at(On::Heard(183), 30)]).callee(&[MEDIA_RELIABLY]).with(
            |flow| {
                flow.callee.answer_delay = 500 * MS;
                flow.finals = vec![487];
            },
        ),
        plain("prack_after_cancel")
            .caller(&[cancel_at(On::Start, 2_500), when(On::Start, 2_515, Act::Ask("PRACK")), HANG_UP])
            .callee(&[RING])
            .with(|flow| {
                flow.finals = vec![487];
                flow.diary = vec!["PRACK answered 481"];
            }),
        able_caller("cancel_races_reliable_ringing", &[cancel_at(On::Start, 400)])
            .callee(&[MEDIA_RELIABLY])
            .with(|flow| flow.finals = vec![487]),
        able("refused_after_reliable_ringing")
            .callee(&[MEDIA_RELIABLY, when(On::Start, 900, Act::Refuse(486))])
            .with(|flow| flow.finals = vec![486]),
    ]
}

/// An UPDATE that crosses as a re-INVITE, which waits for its answer so long.
fn slow(name: &'static str, delay: Micros) -> Flow {
    able_caller(name, &[when(On::Up, 1_000, UPDATE)]).with(|flow| {
        flow.caller.rules.retain(|rule| *rule != HANG_UP);
        flow.caller.rules.push(when(On::Up, 40_000, Act::Bye));
        flow.callee.updates = false;
        flow.callee.reinvite_delay = delay;
    })
}

fn updating() -> Vec<Flow> {
    let early = [when(On::Answered("PRACK"), 300, UPDATE)];
    let answered = |status: &'static str| move |flow: &mut Flow| flow.diary = vec![status];
    vec![
        able_caller("update_in_an_early_dialog", &early).with(answered("UPDATE answered 200")),
        able("update_by_callee_in_an_early_dialog")
            .callee(&[MEDIA_RELIABLY, when(On::Asked("PRACK"), 300, UPDATE), ANSWER])
            .with(answered("UPDATE answered 200"))
            .with(|flow| flow.callee.updates = true),
        able_caller("update_before_the_answer", &[when(On::Heard(180), 300, UPDATE)])
            .callee(&[RING, ANSWER])
            .with(answered("UPDATE answered 500"))
            .with(|flow| flow.callee.updates = true),
        able_caller("update_without_sdp_in_an_early_dialog", &[when(On::Heard(180), 300, Act::UpdateBare)])
            .callee(&[RING, ANSWER])
            .with(answered("UPDATE answered 200"))
            .with(|flow| flow.callee.updates = true),
        able_caller("update_without_sdp_to_a_peer_that_takes_none", &[when(On::Up, 300, Act::UpdateBare)])
            .with(answered("UPDATE answered 200"))
            .with(|flow| flow.callee.updates = false),
        able_caller("early_update_to_a_peer_that_takes_none", &early)
            .with(answered("UPDATE answered 488"))
            .with(|flow| flow.callee.updates = false),
        able_caller("early_update_is_refused_by_the_callee", &early)
            .with(answered("UPDATE answered 488"))
            .with(|flow| flow.callee.refresh_refused = Some((488, 1))),
        able_caller("update_in_talk", &[when(On::Up, 1_000, UPDATE)]).with(answered("UPDATE answered 200")),
        able("update_by_callee_in_talk")
            .callee(&[RING, ANSWER, when(On::Up, 1_000, UPDATE)])
            .with(answered("UPDATE answered 200"))
            .with(|flow| flow.callee.updates = true),
        able_caller("update_crosses_as_reinvite", &[when(On::Up, 1_000, UPDATE)])
            .with(answered("UPDATE answered 200"))
            .with(|flow| flow.callee.updates = false),
        slow("update_as_reinvite_outlasts_its_sender", 20 * SECOND).with(answered("UPDATE answered 500")),
        slow("update_as_reinvite_is_taken_too_late", 16 * SECOND - 5 * MS)
            .with(answered("UPDATE answered 500")),
        able_caller("update_meets_answer", &[when(On::Answered("PRACK"), 1_035, UPDATE)]),
    ]
}

fn updating_at_once() -> Vec<Flow> {
    let at = |after| when(On::Up, after, UPDATE);
    vec![
        able_caller("updates_cross", &[at(1_000)]).callee(&[RING, ANSWER, at(1_000)]).with(|flow| {
            flow.callee.updates = true;
            flow.diary = vec!["UPDATE answered 491"];
        }),
        able_caller("second_update_before_the_first_is_answered", &[at(1_000), at(1_200)]).with(|flow| {
            flow.callee.answer_delay = 500 * MS;
            flow.diary = vec!["UPDATE answered 500"];
        }),
        able_caller("update_meets_their_reinvite", &[when(On::Up, 1_000, Act::Reinvite)])
            .callee(&[RING, ANSWER, at(1_500)])
            .with(|flow| {
                flow.callee.updates = true;
                flow.callee.reinvite_delay = 1_000 * MS;
                flow.diary = vec!["UPDATE answered 491"];
            }),
        able_caller("update_meets_own_reinvite", &[when(On::Up, 1_000, Act::Reinvite), at(1_500)]).with(
            |flow| {
                flow.callee.reinvite_delay = 1_000 * MS;
                flow.diary = vec!["UPDATE answered 500"];
            },
        ),
        able_caller("reinvite_after_update", &[at(1_000), when(On::Up, 2_000, Act::Reinvite)])
            .with(|flow| flow.diary = vec!["UPDATE answered 200", "INVITE answered 200"]),
        able_caller("reinvite_meets_their_update", &[at(1_000)])
            .callee(&[RING, ANSWER, when(On::Up, 1_300, Act::Reinvite)])
            .with(|flow| {
                flow.callee.updates = true;
                flow.callee.answer_delay = 600 * MS;
                flow.diary = vec!["INVITE answered 491"];
            }),
        able_caller("bye_while_update_is_open", &[at(1_000), when(On::Up, 1_300, Act::Bye)])
            .with(|flow| flow.callee.answer_delay = 800 * MS),
    ]
}

fn forking() -> Vec<Flow> {
    let wake = when(On::Start, 250, Act::Fork);
    let forked = |name, callee: &[Rule], fork: &[Rule]| {
        let fork = fork.to_vec();
        plain(name).callee(callee).with(|flow| flow.callee.fork = fork)
    };
    let ring_later = when(On::Start, 300, Act::Ring { status: 183, sdp: true });
    let media_later = when(On::Start, 300, Act::RingReliably { status: 183, sdp: true });
    vec![
        forked("forks_ring_and_the_second_answers", &[RING, wake], &[ring_later, ANSWER]),
        forked("forks_ring_and_the_first_answers", &[RING, wake, ANSWER], &[ring_later]),
        forked("fork_answers_without_ringing", &[RING, wake], &[ANSWER]),
        forked("forks_are_acknowledged_each", &[MEDIA_RELIABLY, wake], &[media_later, ANSWER])
            .with(|flow| flow.caller.reliable = true),
        forked("forks_of_a_reliable_callee_alone", &[MEDIA_RELIABLY, wake], &[media_later, ANSWER]),
        forked(
            "update_in_the_dialog_of_a_fork",
            &[RING, wake],
            &[media_later, when(On::Asked("PRACK"), 300, UPDATE), ANSWER],
        )
        .with(|flow| {
            flow.caller.reliable = true;
            flow.caller.updates = true;
            flow.callee.updates = true;
            flow.diary = vec!["UPDATE answered 200"];
        }),
        forked("bye_ends_one_early_dialog_of_two", &[RING, wake, ANSWER], &[ring_later]).with(|flow| {
            flow.caller.rules = vec![when(On::Heard(183), 200, Act::ByeFork), HANG_UP];
            flow.finals = vec![200, 480, 487];
            flow.diary = vec!["BYE answered 200"];
        }),
        forked("cancel_while_forks_ring", &[RING, wake], &[ring_later]).with(|flow| {
            flow.caller.rules = vec![when(On::Start, 2_500, Act::Cancel), HANG_UP];
            flow.finals = vec![487];
        }),
        forked("forks_are_refused", &[RING, wake, when(On::Start, 1_200, Act::Refuse(486))], &[ring_later])
            .with(|flow| flow.finals = vec![486]),
    ]
}
