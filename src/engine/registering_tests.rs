//! Every state of a registration meets every event, and its waits are bounded.

use super::*;

/// The peer's `try_timeout`.
const PATIENCE: Duration = Duration::from_secs(4);

const NOW: Tick = Tick::from_micros(1_000_000_000);

fn after(seconds: u64) -> Tick {
    NOW.after(Duration::from_secs(seconds))
}

fn way(place: u8, transport: Transport) -> Way {
    let address = SocketAddr::from(([192, 0, 2, place], 5060));
    Way { address, party: PartyId::NONE, transport, host: "trunk.example".to_owned() }
}

/// Two places, the first by UDP and TCP.
fn ways() -> Vec<Way> {
    vec![way(1, Transport::Udp), way(1, Transport::Tcp), way(2, Transport::Udp)]
}

fn asking(held: Option<Held>) -> Registering {
    let state = Registering::Waiting { until: NOW, failures: 0, held, rests: Vec::new() };
    state.wake(NOW, ways(), PATIENCE, Branch(1), 0).0
}

fn held(place: u8, until: Tick) -> Option<Held> {
    Some(Held { way: way(place, Transport::Udp), until })
}

/// One line for a state and a step.
fn shown((state, step): (Registering, Step)) -> String {
    let seconds = |at: Tick| format!("{} s", at.since(NOW).as_secs());
    let holds = |held: &Option<Held>| {
        held.as_ref().map_or("nothing held".to_owned(), |held| {
            format!("held at {} for {}", held.way.address.ip(), seconds(held.until))
        })
    };
    let state = match &state {
        Registering::Waiting { until, failures, held, rests: _ } => {
            format!("waiting {} after {failures} failures, {}", seconds(*until), holds(held))
        }
        Registering::Asking { branch, round, failures, held, until, stale } => {
            let other = until.map_or("no other".to_owned(), |until| format!("another in {}", seconds(until)));
            let (branch, at, stale) = (branch.0, round.at, if *stale { ", stale" } else { "" });
            format!("asking {branch} way {at}, {other}, {failures} failures, {}{stale}", holds(held))
        }
        Registering::Leaving { branch, until } => format!("leaving {} for {}", branch.0, seconds(*until)),
        Registering::Over => "over".to_owned(),
    };
    let step = match step {
        Step::Nothing => "-".to_owned(),
        Step::Ask(way) => format!("ask {} {}", way.address.ip(), way.transport),
        Step::Leave(way) => format!("leave {} {}", way.address.ip(), way.transport),
        Step::Registered => "registered".to_owned(),
        Step::Failed(why) => format!("failed: {why}"),
    };
    format!("{state}; {step}")
}

/// State x event: every transition, with the longest random share.
#[test]
fn every_state_meets_every_event() {
    let states = [
        ("waiting", Registering::new(NOW)),
        (
            "waiting, held",
            Registering::Waiting { until: NOW, failures: 0, held: held(2, after(60)), rests: Vec::new() },
        ),
        ("not due", Registering::new(after(1))),
        ("asking", asking(None)),
        ("asking, held", asking(held(2, after(60)))),
        ("leaving", Registering::Leaving { branch: Branch(1), until: after(2) }),
        ("over", Registering::Over),
    ];
    let minute = Duration::from_secs(60);
    let answers = [
        ("granted", Answer::Granted(minute)),
        ("granted for a second", Answer::Granted(Duration::from_secs(1))),
        ("granted for ever", Answer::Granted(Duration::MAX)),
        ("raised", Answer::Raised),
        ("elsewhere", Answer::Elsewhere(Why::Unable(503), None)),
        ("broken", Answer::Broken),
        ("unbound", Answer::Unbound(Why::NotGranted)),
        ("refused", Answer::Refused(Why::Refused(403))),
    ];
    let mut lines = Vec::new();
    for (name, state) in &states {
        let mut line = |what: &str, after| lines.push(format!("{name} | {what} -> {}", shown(after)));
        line("wake", state.clone().wake(NOW, ways(), PATIENCE, Branch(2), 1_000));
        line("wake, led nowhere", state.clone().wake(NOW, Vec::new(), PATIENCE, Branch(2), 1_000));
        for (what, answer) in answers {
            line(what, state.clone().answered(NOW, answer, Branch(2), 1_000));
        }
        line("renamed", (state.clone().renamed(after(1), Branch(2)), Step::Nothing));
        line("leave", state.clone().leave(NOW, Branch(2)));
        line("hurried", (state.clone().hurried(NOW), Step::Nothing));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("machines__registering", lines.join("\n")));
}

#[test]
fn a_round_tries_each_way_once_and_a_place_that_cannot_serve_by_no_other_transport() {
    let (mut state, mut asked) = (asking(None), Vec::new());
    for answer in [Answer::Broken, Answer::Broken, Answer::Broken] {
        let (next, step) = state.answered(NOW, answer, Branch(2), 0);
        asked.push(shown((Registering::Over, step)));
        state = next;
    }
    assert_eq!(
        asked,
        ["over; ask 192.0.2.1 tcp", "over; ask 192.0.2.2 udp", "over; failed: it cannot be reached"]
    );
    let silence = Answer::Elsewhere(Why::Silence, None);
    let (state, step) = asking(None).answered(NOW, silence, Branch(2), 0);
    assert_eq!(step, Step::Ask(way(2, Transport::Udp)));
    assert_eq!(state.answered(NOW, silence, Branch(3), 0).1, Step::Failed(Why::Silence));
}

/// What it waits after each failed round is between half and all of 10 s, 20 s ... 300 s, and a Retry-After up to an hour.
#[test]
fn pauses_double_and_are_bounded() {
    let waits = |share| {
        let mut state = Registering::new(NOW);
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let ways = vec![way(1, Transport::Udp)];
            let (asking, _) = state.wake(now, ways, PATIENCE, Branch(1), share);
            let (waiting, _) = asking.answered(now, Answer::Broken, Branch(2), share);
            let due = waiting.due().unwrap();
            waits.push(due.since(now).as_secs());
            (state, now) = (waiting, due);
        }
        waits
    };
    assert_eq!(waits(1_000), [10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(waits(0), [5, 10, 20, 40, 80, 150, 150, 150]);
    for (wanted, waited) in [(0, 10), (5, 10), (900, 900), (3_600, 3_600), (u64::MAX, 3_600)] {
        let answer = Answer::Elsewhere(Why::Unable(503), Some(Duration::from_secs(wanted)));
        let asking = Registering::new(NOW).wake(NOW, vec![way(1, Transport::Udp)], PATIENCE, Branch(1), 0).0;
        let (state, _) = asking.answered(NOW, answer, Branch(2), 1_000);
        assert_eq!(state.due(), Some(after(waited)), "{wanted}");
    }
}

/// A registrar that never has enough, and one that wants more than once what it was given: both end.
#[test]
fn an_interval_is_raised_once_a_way() {
    let (state, step) = asking(None).answered(NOW, Answer::Raised, Branch(2), 0);
    assert_eq!(step, Step::Ask(way(1, Transport::Udp)));
    let (state, step) = state.answered(NOW, Answer::Raised, Branch(3), 0);
    assert_eq!((state.due(), step), (Some(after(300)), Step::Failed(Why::NeverEnough)));
}

#[test]
fn what_ran_out_is_held_no_more() {
    let state =
        Registering::Waiting { until: after(90), failures: 3, held: held(1, after(60)), rests: Vec::new() };
    assert!(state.held(after(59)).is_some());
    assert!(state.held(after(60)).is_none());
    assert_eq!(state.leave(after(60), Branch(1)), (Registering::Over, Step::Nothing));
}

/// A target that is silent costs the peer's `try_timeout` and no more, so that a renewal is in time; the next round does not
/// ask it anew while the old REGISTER may still be repeated (RFC 3261 §10.2).
#[test]
fn a_silent_place_is_waited_for_as_long_as_a_call_would() {
    let asking = asking(held(1, after(12)));
    assert_eq!(asking.due(), Some(after(4)));
    let early = asking.clone().wake(after(3), Vec::new(), PATIENCE, Branch(2), 0);
    assert_eq!(early, (asking.clone(), Step::Nothing));
    let (second, step) = asking.wake(after(4), Vec::new(), PATIENCE, Branch(2), 0);
    assert_eq!(step, Step::Ask(way(2, Transport::Udp)));
    assert!(!second.waits_for(Branch(1)) && second.waits_for(Branch(2)));
    assert_eq!(
        second.due(),
        None,
        "there is no other: it is waited for until it was asked for the last time"
    );
    let unable = Answer::Elsewhere(Why::Unable(503), None);
    let (waiting, _) = second.clone().answered(after(5), unable, Branch(3), 0);
    assert_eq!(waiting.due(), Some(after(36)));
    let (waiting, step) = second.answered(after(5), Answer::Granted(Duration::from_secs(60)), Branch(3), 0);
    assert_eq!((waiting.due(), step), (Some(after(41)), Step::Registered));
}

/// RFC 3261 §20.33: each place rests as long as it named, up to an hour, and the others are asked meanwhile.
#[test]
fn a_place_that_named_a_pause_is_left_alone_as_long() {
    let unable = |seconds| Answer::Elsewhere(Why::Unable(503), Some(Duration::from_secs(seconds)));
    let (second, _) = asking(None).answered(NOW, unable(9_999), Branch(2), 0);
    let (waiting, _) = second.clone().answered(NOW, Answer::Broken, Branch(3), 0);
    assert_eq!(waiting.due(), Some(after(5)), "the second named none");
    let (asked, step) = waiting.wake(after(5), ways(), PATIENCE, Branch(4), 0);
    assert_eq!(step, Step::Ask(way(2, Transport::Udp)));
    let (waiting, _) = asked.answered(after(5), unable(100), Branch(5), 0);
    assert_eq!(waiting.due(), Some(after(105)), "both rest, the second not so long");
    let (asked, step) = waiting.clone().wake(after(3_600), ways(), PATIENCE, Branch(6), 0);
    assert_eq!((asked.due(), step), (Some(after(3_604)), Step::Ask(way(1, Transport::Udp))));
    // Its name leads to the first alone by now.
    let first = vec![way(1, Transport::Udp)];
    let (waiting, step) = waiting.wake(after(105), first, PATIENCE, Branch(6), 0);
    assert_eq!((waiting.due(), step), (Some(after(3_600)), Step::Nothing));
}

/// What was refused while something changed says nothing of what is: it is asked at once, and told only if that fails.
#[test]
fn a_change_while_it_asks_is_tried_at_once() {
    for (answer, step) in [
        (Answer::Refused(Why::Refused(403)), Step::Nothing),
        (Answer::Unbound(Why::NotGranted), Step::Nothing),
        (Answer::Granted(Duration::from_secs(600)), Step::Registered),
    ] {
        let (waiting, done) = asking(None).hurried(NOW).answered(after(1), answer, Branch(2), 0);
        assert_eq!((waiting.due(), done), (Some(after(1)), step), "{answer:?}");
        let (again, _) = waiting.wake(after(1), ways(), PATIENCE, Branch(3), 0);
        let (refused, step) = again.answered(after(1), Answer::Refused(Why::Refused(403)), Branch(4), 0);
        assert_eq!(refused.due(), Some(after(301)), "{answer:?}");
        assert_eq!(step, Step::Failed(Why::Refused(403)), "{answer:?}");
    }
}

/// No renewal can be in time, or nothing is held: neither stands as a registration.
#[test]
fn what_cannot_be_renewed_in_time_is_not_held() {
    for answer in [Answer::Granted(Duration::from_secs(11)), Answer::Unbound(Why::Others)] {
        let (waiting, step) = asking(held(1, after(60))).answered(NOW, answer, Branch(2), 0);
        assert_eq!(waiting.held(NOW), None, "{answer:?}");
        assert!(matches!(step, Step::Failed(Why::Brief(11) | Why::Others)), "{step:?}");
    }
    let (waiting, _) = asking(None).answered(NOW, Answer::Granted(Duration::from_secs(12)), Branch(2), 1_000);
    assert!(waiting.due().unwrap() < waiting.held(NOW).unwrap().until);
}
