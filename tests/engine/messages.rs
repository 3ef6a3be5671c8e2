//! MESSAGE carried outside a call.

use std::time::Duration;

use super::edge::{Edge, OTHER, TRUNK, from};
use super::texts::{Request, answer, header};

#[test]
fn g1_a_message_is_carried_as_our_own_where_policy_opens_it() {
    let mut edge = Edge::new();
    let seen =
        edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).with(|r| r.more += "X-Private: 1\r\n").text());
    let carried = seen.to(TRUNK).remove(0);
    assert_eq!(carried.method().as_bytes(), b"MESSAGE");
    assert_eq!(carried.body(), b"hello");
    assert_eq!(header(&carried, "Content-Type"), "text/plain");
    assert_eq!(carried.max_forwards(), Some(69));
    let text = String::from_utf8_lossy(carried.bytes()).into_owned();
    for secret in ["10.0.0.", "call-1@", "from-1", "X-Private"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let seen = edge.hear(from(TRUNK), &answer(&carried, 202, "t", TRUNK));
    assert_eq!(seen.statuses(OTHER), [202]);
    edge.pass(Duration::from_secs(64));
    edge.assert_empty();
}

#[test]
fn a_message_nobody_answers_is_not_answered_late() {
    let mut edge = Edge::new();
    edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
    let seen = edge.pass(Duration::from_secs(64));
    assert!(seen.statuses(OTHER).iter().all(|status| *status == 100), "RFC 4320: no late 408");
    edge.assert_empty();
}

#[test]
fn challenges_redirects_and_503_do_not_cross() {
    for (status, crossed) in [(401, 403), (407, 403), (302, 403), (503, 480), (404, 404), (200, 200)] {
        let mut edge = Edge::new();
        let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
        let carried = seen.to(TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &answer(&carried, status, "t", TRUNK));
        assert_eq!(seen.statuses(OTHER), [crossed], "{status}");
    }
}

#[test]
fn a_message_too_large_for_udp_goes_by_tcp() {
    let mut edge = Edge::new();
    let seen =
        edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).with(|r| r.body = "x".repeat(2_000)).text());
    let (hop, _) = seen.sent.iter().find(|(hop, _)| hop.remote.to_string() == TRUNK).unwrap();
    assert_eq!(hop.transport, ringfence::sip::Transport::Tcp);
}

#[test]
fn d6_a_message_with_a_route_to_another_host_is_refused_and_never_repaired() {
    let mut edge = Edge::new();
    let routed = Request::new("MESSAGE", OTHER).with(|r| r.more += "Route: <sip:192.0.2.99;lr>\r\n");
    let seen = edge.hear(from(OTHER), &routed.text());
    assert_eq!((seen.statuses(OTHER), seen.codes()), (vec![403], vec![39207]));
    assert!(seen.to(TRUNK).is_empty());
}

#[test]
fn a_message_without_a_target_that_answers_is_told() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
    let seen = edge.hear(from(TRUNK), &answer(&seen.to(TRUNK).remove(0), 503, "t", TRUNK));
    assert_eq!((seen.statuses(OTHER), seen.codes()), (vec![480], vec![32010]));
    assert_eq!(seen.alerts[0].sip_status, Some(480));
}
