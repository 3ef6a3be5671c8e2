//! The flows: every way a call crosses the edge, as data.
//!
//! Owns the table. Read first: RFC 3665; RFC 5407 (races); DESIGN.md §2.

use super::agent::plan::{Act, On, Rule, when};
use super::flow::{Deed, Flow, Way};
use super::wire::{MS, SECOND};

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
/// Should everything else of a plan be lost, the caller hangs up some time.
const LATE_HANG_UP: Rule = when(On::Up, 40_000, Act::Bye);

fn plain(name: &'static str) -> Flow {
    Flow::new(name, &[200]).caller(&[HANG_UP]).callee(&[RING, ANSWER])
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = setting_up();
    flows.extend(cancelling());
    flows.extend(refusing());
    flows.extend(failing_over());
    flows.extend(talking());
    flows.extend(colliding());
    flows.extend(ending());
    flows.extend(operating());
    flows.extend(streaming());
    flows.extend(super::named::all());
    flows.extend(super::paced::all());
    flows.extend(super::session_flows::all());
    flows.extend(super::early::all());
    flows.extend(super::hidden::all());
    flows.extend(super::odd::all());
    flows.extend(super::logins::all());
    flows.extend(super::proven::all());
    flows.extend(super::registered::all());
    flows.extend(super::transfers::all());
    flows
}

fn setting_up() -> Vec<Flow> {
    let early_media = [when(On::Start, 200, Act::Ring { status: 183, sdp: true }), ANSWER];
    vec![
        plain("caller_hangs_up"),
        Flow::new("callee_hangs_up", &[200]).callee(&[RING, ANSWER, HANG_UP]),
        plain("inbound_call").with(|flow| flow.way = Way::Inbound),
        plain("answered_without_ringing").callee(&[when(On::Start, 300, Act::Answer)]),
        plain("callee_sends_no_100").with(|flow| flow.callee.trying = false),
        plain("late_offer").with(|flow| flow.caller.late_offer = true),
        plain("early_media").callee(&early_media),
        plain("rings_twice").callee(&[
            RING,
            when(On::Start, 700, Act::Ring { status: 183, sdp: true }),
            when(On::Start, 900, Act::Ring { status: 180, sdp: false }),
            ANSWER,
        ]),
        plain("a_long_call").caller(&[when(On::Up, 70_000, Act::Bye)]),
        plain("hops_count_down").with(|flow| flow.caller.max_forwards = Some(12)),
        plain("invite_storm").caller(&[
            when(On::Start, 600, Act::Storm(20)),
            when(On::Up, 900, Act::Storm(20)),
            HANG_UP,
        ]),
        plain("forked_answer_is_ended").callee(&[RING, ANSWER, when(On::Start, 1_600, Act::AnswerFork)]),
    ]
}

fn cancelling() -> Vec<Flow> {
    let cancel_at = |after_ms| [when(On::Start, after_ms, Act::Cancel), LATE_HANG_UP];
    vec![
        Flow::new("cancel_while_ringing", &[487]).caller(&cancel_at(2_500)).callee(&[RING]),
        Flow::new("cancel_races_answer", &[487, 200]).caller(&cancel_at(1_500)).callee(&[RING, ANSWER]),
        Flow::new("cancel_just_before_answer", &[487, 200]).caller(&cancel_at(1_480)).callee(&[RING, ANSWER]),
        Flow::new("cancel_just_after_answer", &[200, 487])
            .caller(&[when(On::Start, 1_545, Act::Cancel), HANG_UP])
            .callee(&[RING, ANSWER]),
        Flow::new("cancel_before_any_provisional", &[487])
            .caller(&cancel_at(300))
            .callee(&[when(On::Start, 1_500, Act::Ring { status: 180, sdp: false })])
            .with(|flow| flow.callee.trying = false),
        Flow::new("cancel_meets_refusal", &[487, 486])
            .caller(&cancel_at(1_500))
            .callee(&[RING, when(On::Start, 1_500, Act::Refuse(486))]),
        Flow::new("bye_in_early_dialog", &[487])
            .caller(&[when(On::Heard(180), 300, Act::Bye), when(On::Start, 6_000, Act::Cancel), LATE_HANG_UP])
            .callee(&[RING]),
    ]
}

fn refusing() -> Vec<Flow> {
    let refuse =
        |name, status| Flow::new(name, &[status]).callee(&[RING, when(On::Start, 900, Act::Refuse(status))]);
    vec![
        refuse("busy_486", 486),
        refuse("unknown_404", 404),
        refuse("declined_603", 603),
        refuse("not_acceptable_488", 488),
        Flow::new("redirect_is_refused", &[403])
            .callee(&[when(On::Start, 300, Act::Redirect)])
            .with(|flow| flow.alerts = vec![32219]),
        Flow::new("blocked_number", &[403]).with(|flow| {
            flow.way = Way::Outbound;
            flow.number = "+1900555";
            flow.alerts = vec![32203];
        }),
        Flow::new("unrouted_number", &[404]).with(|flow| {
            flow.way = Way::Outbound;
            flow.number = "+44207946";
            flow.alerts = vec![39208];
        }),
        Flow::new("hops_used_up", &[483]).with(|flow| {
            flow.caller.max_forwards = Some(0);
            flow.alerts = vec![32006];
        }),
        Flow::new("cap_reached", &[480]).alone(|shape| shape.concurrent_calls = 2).with(|flow| {
            flow.calls = 4;
            flow.caller.rules = vec![when(On::Up, 8_000, Act::Bye)];
            flow.callee.rules = vec![RING, ANSWER];
            flow.finals = vec![200, 480];
            flow.alerts = vec![10004];
        }),
    ]
}

fn failing_over() -> Vec<Flow> {
    let refused = [when(On::Start, 100, Act::Refuse(503))];
    let answered = [RING, ANSWER];
    let over =
        |name, first: &[Rule]| Flow::new(name, &[200]).caller(&[HANG_UP]).callee(first).second(&answered);
    vec![
        over("fails_over_on_503", &refused),
        over("fails_over_on_408", &[when(On::Start, 100, Act::Refuse(408))]),
        over("fails_over_on_silence", &[]).with(|flow| {
            flow.callee.silent = true;
            flow.alerts = vec![32011];
        }),
        over("fails_over_on_100_and_nothing", &[]).with(|flow| {
            flow.finals = vec![200, 480];
            flow.alerts = vec![32016];
        }),
        over("fails_over_on_transport_error", &[]).with(|flow| {
            flow.unreachable = Some("first");
            flow.alone = true;
            flow.alerts = vec![32011];
        }),
        over("late_first_answer_after_failover", &[when(On::Start, 6_000, Act::Answer), HANG_UP]).with(
            |flow| {
                flow.callee.trying = false;
                flow.alerts = vec![32011];
            },
        ),
        over("no_failover_once_it_rang", &[RING, when(On::Start, 900, Act::Refuse(503))]).with(|flow| {
            flow.finals = vec![480, 500, 200];
            flow.alerts = vec![32010];
        }),
        over("all_targets_fail", &refused).second(&refused).with(|flow| {
            flow.finals = vec![480, 500];
            flow.alerts = vec![32010];
        }),
        Flow::new("cancel_during_failover", &[487])
            .caller(&[when(On::Start, 5_000, Act::Cancel), LATE_HANG_UP])
            .second(&[RING])
            .with(|flow| {
                flow.callee.silent = true;
                flow.alerts = vec![32011];
            }),
        Flow::new("rings_too_long", &[480])
            .callee(&[RING])
            .alone(|shape| {
                shape.ring_max = "20s";
                shape.post_dial_max = "10s";
                shape.second = false;
            })
            .with(|flow| flow.alerts = vec![32016]),
    ]
}

fn talking() -> Vec<Flow> {
    let ask = |method| [when(On::Up, 1_000, Act::Ask(method)), HANG_UP];
    let reinvite =
        [when(On::Up, 1_000, Act::Reinvite), when(On::Answered("INVITE"), 3_000, Act::Bye), LATE_HANG_UP];
    vec![
        plain("reinvite_by_caller").caller(&reinvite).with(|flow| flow.diary = vec!["INVITE answered 200"]),
        Flow::new("reinvite_by_callee", &[200])
            .callee(&[
                RING,
                ANSWER,
                when(On::Up, 1_000, Act::Reinvite),
                when(On::Answered("INVITE"), 3_000, Act::Bye),
                LATE_HANG_UP,
            ])
            .with(|flow| flow.diary = vec!["INVITE answered 200"]),
        plain("reinvite_refused_and_talk_goes_on").caller(&reinvite).with(|flow| {
            flow.callee.reinvite_refused = Some(488);
            flow.diary = vec!["INVITE answered 488"];
        }),
        plain("info_both_ways")
            .caller(&ask("INFO"))
            .callee(&[RING, ANSWER, when(On::Asked("INFO"), 300, Act::Ask("INFO"))])
            .with(|flow| flow.diary = vec!["INFO answered 200", "INFO"]),
        plain("options_in_dialog")
            .caller(&ask("OPTIONS"))
            .with(|flow| flow.diary = vec!["OPTIONS answered 200"]),
        plain("prack_names_nothing")
            .caller(&ask("PRACK"))
            .with(|flow| flow.diary = vec!["PRACK answered 481"]),
        plain("refer_is_refused").caller(&ask("REFER")).with(|flow| flow.alerts = vec![32218]),
        plain("refer_by_callee_is_refused")
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Ask("REFER"))])
            .with(|flow| flow.alerts = vec![32218]),
    ]
}

fn colliding() -> Vec<Flow> {
    let reinvite = when(On::Up, 1_000, Act::Reinvite);
    let late_bye = when(On::Up, 20_000, Act::Bye);
    vec![
        plain("reinvites_cross").caller(&[reinvite, late_bye]).callee(&[RING, ANSWER, reinvite]),
        plain("byes_cross").callee(&[RING, ANSWER, HANG_UP]),
        plain("bye_while_own_reinvite_is_open")
            .caller(&[reinvite, when(On::Up, 2_000, Act::Bye)])
            .with(|flow| flow.callee.reinvite_delay = 4 * SECOND),
        plain("bye_while_their_reinvite_is_open")
            .caller(&[reinvite, LATE_HANG_UP])
            .callee(&[RING, ANSWER, when(On::Asked("INVITE"), 700, Act::Bye)])
            .with(|flow| flow.callee.reinvite_delay = 4 * SECOND),
        plain("bye_meets_reinvite_answer")
            .caller(&[reinvite, when(On::Up, 1_215, Act::Bye)])
            .with(|flow| flow.callee.reinvite_delay = 200 * MS),
        plain("info_meets_bye")
            .caller(&[when(On::Up, 3_990, Act::Ask("INFO")), when(On::Up, 4_000, Act::Bye)])
            .callee(&[RING, ANSWER, when(On::Up, 3_995, Act::Ask("INFO"))])
            .with(|flow| flow.tolerated = vec!["no final response to INFO"]),
    ]
}

fn ending() -> Vec<Flow> {
    vec![
        Flow::new("ack_never_comes", &[200]).callee(&[RING, ANSWER]).with(|flow| {
            flow.caller.no_ack = true;
            flow.alerts = vec![32022];
        }),
        Flow::new("max_duration_reached", &[200])
            .callee(&[RING, ANSWER])
            .alone(|shape| shape.max_duration = "20s")
            .with(|flow| {
                flow.alerts = vec![32015];
            }),
        plain("reinvite_resets_no_duration")
            .caller(&[when(On::Up, 10_000, Act::Reinvite)])
            .alone(|shape| shape.max_duration = "20s")
            .with(|flow| flow.alerts = vec![32015]),
        plain("callee_loses_power").callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Vanish)]),
        Flow::new("caller_loses_power", &[200])
            .caller(&[when(On::Up, 1_000, Act::Vanish)])
            .callee(&[RING, ANSWER, HANG_UP]),
        Flow::new("caller_loses_power_while_ringing", &[])
            .caller(&[when(On::Start, 800, Act::Vanish)])
            .callee(&[RING, ANSWER, LATE_HANG_UP])
            .with(|flow| flow.alerts = vec![32022]),
    ]
}

fn operating() -> Vec<Flow> {
    // A farewell that the wire loses is not repeated for ever; people hang up in the end.
    let late = when(On::Up, 90_000, Act::Bye);
    let passive =
        |name| Flow::new(name, &[200, 480, 487, 500, 503]).caller(&[late]).callee(&[RING, ANSWER, late]);
    let at = |second: u64, deed| vec![(second * SECOND, deed)];
    vec![
        plain("reload_in_mid_call").alone(|_| {}).with(|flow| flow.deeds = at(3, Deed::Reload)),
        plain("reload_while_ringing").alone(|_| {}).with(|flow| flow.deeds = at(1, Deed::Reload)),
        plain("reload_takes_a_live_peer_away")
            .callee(&[when(On::Start, 100, Act::Refuse(503))])
            .second(&[RING, ANSWER])
            .alone(|_| {})
            .with(|flow| flow.deeds = at(3, Deed::ReloadWithoutSecond)),
        plain("drain_waits_for_the_live").alone(|_| {}).with(|flow| {
            flow.deeds = at(3, Deed::Drain(20_000));
            flow.finals = vec![200, 480];
        }),
        passive("drain_cuts_what_lasts").alone(|_| {}).with(|flow| {
            flow.deeds = at(3, Deed::Drain(10_000));
            flow.alerts = vec![39803];
        }),
        Flow::new("drain_takes_no_new_call", &[480, 503, 500, 403, 200])
            .caller(&[HANG_UP])
            .callee(&[RING, ANSWER])
            .alone(|_| {})
            .with(|flow| {
                flow.calls = 2;
                flow.deeds = vec![(500 * MS, Deed::Drain(20_000))];
                flow.alerts = vec![10004];
            }),
        passive("stop_ends_at_once").alone(|_| {}).with(|flow| {
            flow.deeds = at(4, Deed::Stop);
            flow.alerts = vec![39803];
            flow.tolerated = vec!["a 2xx was never acknowledged"];
        }),
        Flow::new("stop_while_ringing", &[480, 487, 500, 503]).callee(&[RING]).alone(|_| {}).with(|flow| {
            flow.deeds = at(1, Deed::Stop);
            flow.alerts = vec![39803];
            flow.tolerated = vec!["a 2xx was never acknowledged"];
        }),
    ]
}

fn streaming() -> Vec<Flow> {
    let reinvite =
        [when(On::Up, 1_000, Act::Reinvite), when(On::Answered("INVITE"), 3_000, Act::Bye), LATE_HANG_UP];
    let cancel = [when(On::Start, 2_500, Act::Cancel), LATE_HANG_UP];
    vec![
        plain("tcp_caller_hangs_up").over_tcp("tcp_caller_hangs_up"),
        Flow::new("tcp_callee_hangs_up", &[200])
            .callee(&[RING, ANSWER, HANG_UP])
            .over_tcp("tcp_callee_hangs_up"),
        Flow::new("tcp_cancel", &[487]).caller(&cancel).callee(&[RING]).over_tcp("tcp_cancel"),
        Flow::new("tcp_busy", &[486])
            .callee(&[RING, when(On::Start, 900, Act::Refuse(486))])
            .over_tcp("tcp_busy"),
        plain("tcp_late_offer").with(|flow| flow.caller.late_offer = true).over_tcp("tcp_late_offer"),
        plain("tcp_reinvite").caller(&reinvite).over_tcp("tcp_reinvite"),
        Flow::new("tcp_ack_never_comes", &[200])
            .callee(&[RING, ANSWER])
            .with(|flow| {
                flow.caller.no_ack = true;
                flow.alerts = vec![32022];
            })
            .over_tcp("tcp_ack_never_comes"),
        plain("tcp_refused_connection")
            .second(&[RING, ANSWER])
            .with(|flow| {
                flow.unreachable = Some("first");
                flow.alerts = vec![32011];
            })
            .over_tcp("tcp_refused_connection"),
        plain("tcp_streams_break_in_mid_call")
            .with(|flow| flow.deeds = vec![(3 * SECOND, Deed::BreakStreams)])
            .over_tcp("tcp_streams_break_in_mid_call"),
    ]
}
