//! Flows of session timers: who refreshes, by what, and what happens when nobody does.
//!
//! Owns this part of the table. Read first: RFC 4028 §7-10; RFC 3261 §14.1.

use super::agent::plan::{Act, On, Rule, when};
use super::agent::session::Timing;
use super::flow::Flow;
use super::wire::SECOND;

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
/// After three refreshes and more of a session of 90 s.
const HANG_UP: Rule = when(On::Up, 200_000, Act::Bye);
/// People hang up in the end, should a flow not end the call.
const LATE_HANG_UP: Rule = when(On::Up, 600_000, Act::Bye);

const REINVITED: Timing = Timing { update: false, ..Timing::SHORT };

/// A call under sessions of 90 s that the edge refreshes.
fn timed(name: &'static str, caller: Option<Timing>, callee: Option<Timing>) -> Flow {
    Flow::new(name, &[200])
        .caller(&[HANG_UP])
        .callee(&[RING, ANSWER])
        .alone(|shape| shape.session_timer = "session_expires: 90s")
        .with(|flow| {
            flow.caller.session = caller;
            flow.callee.session = callee;
        })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = refreshing();
    flows.extend(negotiating());
    flows.extend(refusing());
    flows.extend(changing());
    flows.extend(dying());
    flows
}

fn refreshing() -> Vec<Flow> {
    let (short, reinvited) = (Some(Timing::SHORT), Some(REINVITED));
    vec![
        timed("session_refreshed_by_update", short, short).with(|flow| flow.diary = vec!["UPDATE"]),
        timed("session_refreshed_by_reinvite", reinvited, reinvited)
            .with(|flow| flow.diary = vec!["same offer"]),
        timed("session_refreshed_of_peers_without_timers", None, None)
            .with(|flow| flow.diary = vec!["same offer"]),
        timed("session_refreshed_after_a_late_offer", reinvited, reinvited).with(|flow| {
            flow.caller.late_offer = true;
            flow.diary = vec!["same offer"];
        }),
        timed("session_refreshed_by_peers", short, short)
            .alone(|shape| shape.session_timer = "session_expires: 90s, refresher: peer"),
        timed("session_refreshed_by_caller_of_its_own_will", None, short).with(|flow| {
            flow.caller.session = Some(Timing { refresher: "uac", ..Timing::SHORT });
        }),
        timed("session_refreshed_over_tcp", short, reinvited)
            .with(|flow| flow.diary = vec!["same offer", "UPDATE"])
            .over_tcp("session_refreshed_over_tcp"),
        timed("refresh_resets_no_duration", short, reinvited)
            .caller(&[LATE_HANG_UP])
            .alone(|shape| shape.max_duration = "100s")
            .with(|flow| {
                flow.caller.session = short;
                flow.alerts = vec![32015];
            }),
    ]
}

/// Refreshes that meet each other, and those that change something.
fn changing() -> Vec<Flow> {
    let peers = |flow: Flow| {
        flow.alone(|shape| shape.session_timer = "session_expires: 90s, refresher: peer").with(|flow| {
            flow.diary = vec!["INVITE answered 200"];
        })
    };
    let reinvited = Some(REINVITED);
    let moves = |name, caller, callee| {
        timed(name, caller, callee).with(|flow| {
            flow.callee.moves = true;
            flow.diary = vec!["same offer", "new offer"];
        })
    };
    vec![
        peers(timed("session_refreshed_by_peers_in_step", reinvited, reinvited)),
        peers(timed("session_refreshed_by_peers_in_step_as_negotiated", reinvited, reinvited))
            .with(|flow| flow.caller.narrows = true),
        peers(timed("peers_refresh_and_change_at_once", reinvited, None))
            .callee(&[RING, ANSWER, when(On::Up, 44_990, Act::Reinvite)])
            .with(|flow| {
                flow.callee.session = Some(Timing::SHORT);
                flow.diary.extend(["INVITE answered 491", "new offer"]);
            }),
        moves("answer_to_a_refresh_moves_the_media", reinvited, reinvited),
        moves("answer_to_a_refresh_moves_the_media_of_an_update", Some(Timing::SHORT), None),
        moves("answers_to_refreshes_move_both_media", reinvited, reinvited)
            .with(|flow| flow.caller.moves = true),
        moves("answer_to_a_refresh_moves_the_media_of_who_refuses", Some(Timing::SHORT), None)
            .with(|flow| flow.caller.reinvite_refused = Some(488)),
        timed("session_of_long_descriptions_refreshed", None, None).with(|flow| {
            flow.caller.talkative = true;
            flow.callee.talkative = true;
            flow.diary = vec!["same offer"];
        }),
    ]
}

fn negotiating() -> Vec<Flow> {
    vec![
        timed("session_interval_below_ours", Some(Timing::SHORT), None)
            .alone(|shape| shape.session_timer = "session_expires: 10m, min_se: 2m")
            .with(|flow| flow.diary = vec!["422 Min-SE 120"]),
        timed("session_interval_below_theirs", None, Some(Timing { min_se: 240, ..Timing::SHORT })),
        refused("session_interval_below_theirs_at_a_refresh", REINVITED, 422, 2)
            .with(|flow| flow.diary = vec!["same offer"]),
        refused("session_interval_below_theirs_at_a_reinvite", Timing::SHORT, 422, 1)
            .caller(&[when(On::Up, 1_000, Act::Reinvite), HANG_UP])
            .with(|flow| {
                flow.caller.session = Some(Timing::SHORT);
                flow.diary = vec!["INVITE answered 200"];
            }),
        refused("session_interval_below_theirs_without_end", REINVITED, 422, 99)
            .caller(&[LATE_HANG_UP])
            .with(|flow| {
                flow.caller.session = Some(Timing::SHORT);
                flow.alerts = vec![39109];
            }),
    ]
}

/// The callee refuses refreshes of the edge with this status, so many times.
fn refused(name: &'static str, callee: Timing, status: u16, times: u8) -> Flow {
    timed(name, Some(Timing::SHORT), Some(callee))
        .with(|flow| flow.callee.refresh_refused = Some((status, times)))
}

fn refusing() -> Vec<Flow> {
    let answered = |diary: &'static str| move |flow: &mut Flow| flow.diary = vec![diary];
    vec![
        refused("refresh_refused_as_update_goes_as_reinvite", Timing::SHORT, 405, 1)
            .with(answered("same offer")),
        refused("refresh_answered_491_goes_again", REINVITED, 491, 2).with(answered("same offer")),
        refused("refresh_answered_500_goes_again_once", REINVITED, 500, 1).with(answered("same offer")),
        timed("refresh_refused_for_good_ends_no_call", Some(Timing::SHORT), None)
            .with(|flow| flow.callee.reinvite_refused = Some(488)),
        refused("refresh_refused_until_the_session_ends", REINVITED, 488, 99).caller(&[LATE_HANG_UP]).with(
            |flow| {
                flow.caller.session = Some(Timing::SHORT);
                flow.alerts = vec![39109];
            },
        ),
        refused("refresh_refused_at_first_and_then_taken", REINVITED, 488, 2).with(answered("same offer")),
        timed("refresh_meets_reinvite", Some(REINVITED), Some(REINVITED))
            .caller(&[when(On::Up, 46_000, Act::Reinvite), HANG_UP])
            .with(|flow| {
                flow.caller.session = Some(REINVITED);
                flow.callee.reinvite_delay = 3 * SECOND;
                flow.diary = vec!["INVITE answered 491", "INVITE answered 200"];
            }),
        timed("reinvite_meets_refresh", Some(REINVITED), Some(REINVITED))
            .caller(&[when(On::Up, 44_985, Act::Reinvite), HANG_UP])
            .with(|flow| flow.caller.session = Some(REINVITED)),
    ]
}

fn dying() -> Vec<Flow> {
    let dead = |flow: &mut Flow| flow.alerts = vec![39109];
    let lazy = Timing { lazy: true, ..Timing::SHORT };
    vec![
        timed("session_not_refreshed_by_callee", Some(lazy), Some(lazy))
            .caller(&[LATE_HANG_UP])
            .alone(|shape| shape.session_timer = "session_expires: 90s, refresher: peer")
            .with(|flow| {
                flow.caller.session = Some(lazy);
                flow.alerts = vec![39109];
            }),
        refused("refresh_answered_481_ends_the_call", Timing::SHORT, 481, 1).with(dead),
        refused("refresh_answered_408_ends_the_call", REINVITED, 408, 1).with(dead),
        timed("refresh_finds_a_dead_callee", None, None)
            .caller(&[LATE_HANG_UP])
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Vanish)])
            .with(dead),
        timed("refresh_finds_both_dead", Some(Timing::SHORT), Some(REINVITED))
            .caller(&[when(On::Up, 1_500, Act::Vanish)])
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Vanish)])
            .with(dead),
    ]
}
