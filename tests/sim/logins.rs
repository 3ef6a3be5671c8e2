//! Flows of trunks that ask who calls: each kind of challenge, answered, refused, or not to be answered at all.
//!
//! Owns their table. Read first: RFC 3261 §22; RFC 8760; the attacks' row A8.

use ringfence::sip::digest::Hash;

use super::agent::guard::{Guard, REALM};
use super::agent::plan::{Act, On, Rule, when};
use super::flow::{Flow, Way};
use super::wire::SECOND;

const RING: Rule = when(On::Start, 200, Act::Ring { status: 180, sdp: false });
const ANSWER: Rule = when(On::Start, 1_500, Act::Answer);
const HANG_UP: Rule = when(On::Up, 4_000, Act::Bye);
const LATE_HANG_UP: Rule = when(On::Up, 40_000, Act::Bye);

/// What the trunk is shown; the password is the simulation's own.
const LOGIN: &str = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example";
const WRONG: &str = "user: ringfence, password: { env: WRONG_PASSWORD }, realm: trunk.example";

/// A call to a trunk that asks.
fn asked(name: &'static str, guard: Guard) -> Flow {
    Flow::new(name, &[200])
        .caller(&[HANG_UP])
        .callee(&[RING, ANSWER])
        .alone(|shape| shape.login = LOGIN)
        .with(|flow| {
            flow.way = Way::Outbound;
            flow.callee.guard = Some(guard);
        })
}

/// One that is not to be answered: the caller hears 403.
fn unanswered(name: &'static str, guard: Guard, alert: u32) -> Flow {
    asked(name, guard).with(|flow| {
        flow.finals = vec![403];
        flow.alerts = vec![alert];
    })
}

/// All of them.
pub fn all() -> Vec<Flow> {
    let mut flows = answered();
    flows.extend(in_dialogs());
    flows.extend(refused());
    flows
}

fn answered() -> Vec<Flow> {
    let cancel_at = |after_ms| [when(On::Start, after_ms, Act::Cancel), LATE_HANG_UP];
    const SEVERAL: &[(&str, Hash)] = &[
        (REALM, Hash::Md5),
        ("other.example", Hash::Sha256),
        (REALM, Hash::Sha512T256),
        (REALM, Hash::Sha256),
    ];
    vec![
        asked("challenged_by_a_proxy", Guard::USUAL),
        asked("challenged_by_the_callee", Guard { status: 401, ..Guard::USUAL }),
        asked("challenged_several_times_at_once", Guard { offers: SEVERAL, ..Guard::USUAL }),
        asked("challenged_over_tcp", Guard::USUAL).with(|flow| flow.shape.transport = "tcp"),
        asked("challenged_once_and_proven_from_then_on", Guard::USUAL).with(|flow| {
            flow.calls = 3;
            flow.apart = SECOND;
        }),
        asked("nonce_is_stale", Guard { uses: 1, ..Guard::USUAL }),
        asked("nonce_is_named_ahead", Guard { uses: 1, next: true, status: 401, ..Guard::USUAL })
            .with(|flow| flow.calls = 2),
        // RFC 7616 §3.4: nc goes on while the nonce is the same one.
        asked("nonce_is_given_again", Guard { repeats: true, ..Guard::USUAL }).with(|flow| {
            flow.calls = 3;
            flow.apart = SECOND;
        }),
        asked("nonce_is_named_again", Guard { repeats: true, next: true, status: 401, ..Guard::USUAL })
            .with(|flow| flow.calls = 2),
        asked("challenged_by_md5_alone", Guard { offers: &[(REALM, Hash::Md5)], ..Guard::USUAL }).with(
            |flow| {
                flow.shape.login = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example, \
                                    algorithms: [sha-256, md5]";
            },
        ),
        asked("late_offer_is_challenged", Guard::USUAL).with(|flow| flow.caller.late_offer = true),
        Flow { name: "cancel_meets_challenge", ..asked("", Guard::USUAL) }
            .caller(&cancel_at(25))
            .callee(&[RING])
            .with(|flow| {
                flow.callee.guard = Some(Guard::USUAL);
                flow.finals = vec![487];
            }),
        Flow { name: "cancel_after_a_challenge", ..asked("", Guard::USUAL) }
            .caller(&cancel_at(2_500))
            .callee(&[RING])
            .with(|flow| {
                flow.callee.guard = Some(Guard::USUAL);
                flow.finals = vec![487];
            }),
        // The time for a first answer counts from the first INVITE.
        asked("silent_after_a_challenge", Guard::USUAL).callee(&[]).second(&[RING, ANSWER]).with(|flow| {
            flow.callee.guard = Some(Guard::USUAL);
            flow.callee.trying = false;
            flow.shape.second = true;
            flow.alerts = vec![32011];
        }),
    ]
}

fn in_dialogs() -> Vec<Flow> {
    let only = |methods| Guard { methods, status: 401, ..Guard::USUAL };
    let ask = |method| [when(On::Up, 1_000, Act::Ask(method)), HANG_UP];
    vec![
        asked("bye_is_challenged", only(&["BYE"])),
        asked("info_is_challenged", only(&["INFO"])).caller(&ask("INFO")),
        asked("update_is_challenged", only(&["UPDATE"])).caller(&ask("UPDATE")).with(|flow| {
            flow.caller.updates = true;
            flow.callee.updates = true;
        }),
        asked("reinvite_is_challenged", only(&["INVITE"]))
            .caller(&[
                when(On::Up, 1_000, Act::Reinvite),
                when(On::Answered("INVITE"), 3_000, Act::Bye),
                LATE_HANG_UP,
            ])
            .with(|flow| {
                flow.callee.guard = Some(Guard { uses: 1, ..only(&["INVITE"]) });
                flow.diary = vec!["INVITE answered 200"];
            }),
        asked("prack_is_challenged", only(&["PRACK"]))
            .callee(&[when(On::Start, 200, Act::RingReliably { status: 180, sdp: false }), ANSWER])
            .with(|flow| {
                flow.callee.guard = Some(only(&["PRACK"]));
                flow.caller.reliable = true;
            }),
        asked("own_prack_is_challenged", only(&["PRACK"]))
            .callee(&[when(On::Start, 200, Act::RingReliably { status: 180, sdp: false }), ANSWER])
            .with(|flow| flow.callee.guard = Some(only(&["PRACK"]))),
        asked("refresh_is_challenged", Guard { uses: 1, ..only(&["INVITE", "UPDATE"]) })
            .caller(&[when(On::Up, 70_000, Act::Bye)])
            .with(|flow| flow.shape.session_timer = "session_expires: 90s, min_se: 90s"),
    ]
}

fn refused() -> Vec<Flow> {
    let hidden = Guard { may_see: false, ..Guard::USUAL };
    vec![
        unanswered("wrong_password", Guard { accepts: false, ..Guard::USUAL }, 32202)
            .with(|flow| flow.shape.login = WRONG),
        unanswered(
            "challenge_for_another_realm",
            Guard { offers: &[("other.example", Hash::Sha256)], ..hidden },
            39204,
        ),
        unanswered(
            "challenge_by_md5_that_is_not_allowed",
            Guard { offers: &[(REALM, Hash::Md5)], ..hidden },
            32202,
        ),
        // It names the realm of the other trunk's login.
        unanswered("challenge_of_a_trunk_without_login", hidden, 39204).with(|flow| {
            flow.shape.login_of = "trunk2";
            flow.second.guard = Some(Guard::USUAL);
        }),
        // What it asks crosses as a refusal, never as a challenge.
        asked("challenge_of_a_pbx", Guard::USUAL)
            .callee(&[RING, ANSWER, when(On::Up, 1_000, Act::Ask("INFO")), HANG_UP])
            .caller(&[LATE_HANG_UP])
            .with(|flow| {
                flow.caller.guard = Some(Guard { methods: &["INFO"], ..hidden });
                flow.alerts = vec![39204];
                flow.diary = vec!["INFO answered 403"];
            }),
    ]
}
