//! Probes, reload, draining and stopping.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;

use super::calls::Talk;
use super::edge::{Edge, OTHER, PBX, STRANGER, TRUNK, alter, at, from, plan, probed};
use super::texts::{Request, answer};

#[test]
fn a_peer_that_does_not_answer_probes_is_down_until_it_does() {
    let mut edge = Edge::under(probed(Duration::from_secs(30)));
    let seen = edge.pass(Duration::from_secs(30));
    let probe = seen.to(TRUNK).into_iter().next().unwrap();
    assert_eq!(probe.method().as_bytes(), b"OPTIONS");
    assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(true)));

    let mut seen = edge.pass(Duration::from_secs(33));
    assert!(seen.codes().contains(&32011), "{:?}", seen.codes());
    assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(false)));
    // Every target of the route is down: it is tried all the same, and told.
    let tried = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    assert_eq!((tried.statuses(PBX), tried.codes()), (vec![100], vec![32010]));
    assert_eq!(tried.to(TRUNK).len(), 1);
    let gone = edge.pass(Duration::from_millis(4_010));
    assert_eq!(gone.statuses(PBX), [480]);
    assert!(gone.codes().contains(&32010), "{:?}", gone.codes());

    let probe = loop {
        if let Some(probe) = seen.to(TRUNK).pop() {
            break probe;
        }
        seen = edge.pass(Duration::from_secs(1));
    };
    // Any response is life.
    let seen = edge.hear(from(TRUNK), &answer(&probe, 404, "t", TRUNK));
    assert_eq!(seen.codes(), [32011]);
    assert!(seen.alerts[0].text.contains("recovered"));
    assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(true)));
}

#[test]
fn a_peer_without_probes_is_not_down_after_a_failure() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let hop = seen.sent.iter().find(|(hop, _)| hop.remote == at(TRUNK)).unwrap().0;
    edge.input(Input::Unsendable { hop });
    assert_eq!(edge.status().2[1], ("trunk".to_owned(), None));
}

#[test]
fn f9_a_reload_drops_no_call_and_judges_new_ones_by_the_new_policy() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let without_pbx = plan(|plan| {
        plan.generation = 2;
        plan.peers[0] = None;
        plan.routes.pop();
    });
    edge.input(Input::Reload(without_pbx));
    let second = Request::new("INVITE", PBX).with(|r| {
        r.branch = "z9hG4bK-2".into();
        r.call_id = "second@example.com".into();
    });
    let seen = edge.hear(from(PBX), &second.text());
    assert_eq!(seen.statuses(PBX), [403], "a peer that was taken out may not call");
    assert!(seen.to(TRUNK).is_empty());
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!(seen.statuses(PBX), [200], "but its live call goes on");
    let bye = seen.to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    edge.pass(Duration::from_secs(64));
    assert!(edge.hear(from(PBX), &second.text()).sent.is_empty(), "afterwards it is a stranger");
    edge.assert_empty();
}

#[test]
fn a_reload_lists_a_stranger_and_lifts_its_ban() {
    let mut edge = Edge::new();
    for _ in 0..100 {
        edge.hear(from(STRANGER), &Request::new("OPTIONS", STRANGER).text());
    }
    let seen = ["stranger_frames", "banned_frames", "bans"].map(|name| edge.count(name));
    assert_eq!((seen[0] + seen[1], seen[2]), (100, 1), "what was met with silence is counted");
    let listed = plan(|plan| {
        plan.generation = 2;
        alter(plan, 1, |trunk| trunk.sources.push(at(STRANGER).ip().into()));
    });
    edge.input(Input::Reload(Arc::clone(&listed)));
    let request = Request::new("OPTIONS", STRANGER).with(|r| r.uri = "sip:192.0.2.1".into());
    assert_eq!(edge.hear(from(STRANGER), &request.text()).statuses(STRANGER), [200]);
}

#[test]
fn draining_takes_no_new_calls_waits_and_then_ends_what_lives() {
    let mut edge = Edge::new();
    let _talk = Talk::begin(&mut edge);
    let seen = edge.input(Input::Drain { patience: Duration::from_secs(10) });
    assert_eq!(seen.drained, None);
    let second = Request::new("INVITE", PBX).with(|r| {
        r.branch = "z9hG4bK-2".into();
        r.call_id = "second@example.com".into();
    });
    let seen = edge.hear(from(PBX), &second.text());
    assert_eq!(seen.statuses(PBX), [480], "never 503: the PBX must not go elsewhere");
    let alert = seen.alerts.iter().find(|alert| alert.code.number == 10004).unwrap();
    assert!(alert.from.is_some() && alert.to.is_some(), "who called whom: {alert:?}");
    let probe = edge.hear(from(OTHER), &Request::new("OPTIONS", OTHER).text());
    assert_eq!(probe.statuses(OTHER), [480], "nor to a probe; a balancer learns that it should all the same");

    assert_eq!(edge.count("draining"), 1);

    let seen = edge.pass(Duration::from_secs(11));
    assert_eq!(seen.codes().iter().filter(|code| **code == 39803).count(), 1, "{:?}", seen.codes());
    let byes = |address| {
        seen.to(address).into_iter().filter(|m| m.method().as_bytes() == b"BYE").collect::<Vec<_>>()
    };
    let (to_pbx, to_trunk) = (byes(PBX), byes(TRUNK));
    assert!(!to_pbx.is_empty() && !to_trunk.is_empty(), "both legs are told");
    assert!(String::from_utf8_lossy(to_pbx[0].bytes()).contains("Reason:"), "with a reason");
    assert_eq!(seen.records.len(), 1);
    assert_eq!(seen.drained, None, "their answers are waited for");
    edge.hear(from(PBX), &answer(&to_pbx[0], 200, "", PBX));
    let seen = edge.hear(from(TRUNK), &answer(&to_trunk[0], 200, "", TRUNK));
    assert_eq!(seen.drained, Some(1));
}

#[test]
fn draining_an_idle_edge_is_over_at_once() {
    let seen = Edge::new().input(Input::Drain { patience: Duration::from_secs(60) });
    assert_eq!(seen.drained, Some(0));
}

#[test]
fn stopping_ends_everything_within_about_a_second() {
    let mut edge = Edge::new();
    let _talk = Talk::begin(&mut edge);
    edge.input(Input::Drain { patience: Duration::from_secs(600) });
    let seen = edge.input(Input::Stop);
    assert!(seen.to(PBX).iter().any(|m| m.method().as_bytes() == b"BYE"));
    let seen = edge.pass(Duration::from_millis(1_100));
    assert_eq!(seen.drained, Some(1), "whoever does not answer its BYE is not waited for");
    edge.pass(Duration::from_secs(130));
    edge.assert_empty();
}

#[test]
fn a_live_call_is_ended_under_the_policy_that_admitted_it_although_a_reload_is_stricter() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let stricter = plan(|plan| {
        plan.generation = 2;
        alter(plan, 0, |pbx| pbx.plain_signalling = false);
    });
    edge.input(Input::Reload(stricter));
    let second = Request::new("INVITE", PBX).with(|r| {
        r.branch = "z9hG4bK-2".into();
        r.call_id = "second@example.com".into();
    });
    let seen = edge.hear(from(PBX), &second.text());
    assert_eq!(
        (seen.statuses(PBX), seen.codes()),
        (vec![403], vec![32209]),
        "a new call obeys the new policy"
    );
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!(seen.statuses(PBX), [200]);
    assert!(seen.to(TRUNK).iter().any(|message| message.method().as_bytes() == b"BYE"));
}
