//! MESSAGE carried outside a call.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::identity::Identity;
use ringfence::policy::peer::PassedHeader;
use ringfence::policy::route::RouteTarget;
use ringfence::policy::{PeerId, PeerSide};
use ringfence::sip::HeaderName;

use super::edge::{Edge, OTHER, PBX, TRUNK, alter, at, from, peer, plan};
use super::texts::{Request, answer, header};

/// A second trunk.
const SPARE: &str = "198.51.100.6:5060";

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

#[test]
fn c10_who_sends_a_message_is_told_by_trust_as_with_a_call() {
    let (ann, told) = ("\"Ann\" <sip:+12125550142@192.0.2.1:5060>", "<sip:+12125550142@192.0.2.1>");
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let pai = "P-Asserted-Identity: \"Ann\" <sip:+12125550142@10.0.0.2>\r\n";
    // The trunk is told, more headers: From, P-Asserted-Identity, Privacy.
    for (is_told, more, shown) in [
        (false, "", [ann, "", ""]),
        (false, pai, [ann, "", ""]),
        (true, pai, [ann, told, ""]),
        (false, "Privacy: id\r\n", [nobody, "", "id"]),
        (true, "Privacy: id\r\n", [nobody, told, "id"]),
        (true, "Privacy: none\r\n", [ann, told, "none"]),
    ] {
        let identity = Identity { told: is_told, ..Identity::default() };
        let mut edge = Edge::under(plan(|plan| {
            alter(plan, 1, |trunk| trunk.identity = identity.clone());
        }));
        let text = Request::new("MESSAGE", OTHER).with(|r| r.more += more).text();
        let text =
            text.replace(&format!("From: <sip:+12125550100@{OTHER}>"), "From: \"Ann\" <sip:+12125550142@x>");
        let carried = edge.hear(from(OTHER), &text).to(TRUNK).remove(0);
        let from = header(&carried, "From").split(";tag=").next().unwrap_or_default().to_owned();
        let heard = [from, header(&carried, "P-Asserted-Identity"), header(&carried, "Privacy")];
        assert_eq!(heard, shown, "told {is_told}, {more}");
    }
}

#[test]
fn b10_of_a_message_crosses_what_crosses_of_a_call_and_names_no_place() {
    let mut edge = Edge::under(plan(|plan| {
        alter(plan, 1, |trunk| trunk.pass_headers = vec![PassedHeader::Known(HeaderName::Subject)]);
    }));
    let more = "In-Reply-To: call-7@10.0.0.9\r\nContent-Disposition: render;filename=\"10.0.0.9.txt\"\r\n\
                Subject: lunch\r\nOrganization: inside\r\n";
    let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).with(|r| r.more += more).text());
    let carried = seen.to(TRUNK).remove(0);
    let text = String::from_utf8_lossy(carried.bytes()).into_owned();
    assert!(!text.contains("10.0.0.") && !text.contains("Organization"), "{text}");
    assert_eq!(
        (header(&carried, "Content-Disposition"), header(&carried, "Subject")),
        ("render".into(), "lunch".into())
    );
    assert_eq!(header(&carried, "Content-Type"), "text/plain");
}

fn two_trunks() -> Arc<ringfence::policy::Policy> {
    plan(|plan| {
        plan.peers.push(Some(Arc::new(peer(3, "spare", PeerSide::Outside, 1, SPARE))));
        plan.sites[0].peers.push(PeerId(3));
        plan.routes[0].to.push(RouteTarget { peer: PeerId(3), priority: 2, weight: 1 });
    })
}

#[test]
fn a_message_fails_over_as_long_as_nobody_has_it() {
    for (status, goes_on) in
        [(503, true), (408, true), (500, false), (480, false), (404, false), (603, false), (202, false)]
    {
        let mut edge = Edge::under(two_trunks());
        let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
        let seen = edge.hear(from(TRUNK), &answer(&seen.to(TRUNK)[0], status, "t", TRUNK));
        assert_eq!(seen.to(SPARE).len(), usize::from(goes_on), "{status}");
        assert_eq!(seen.statuses(OTHER), if goes_on { vec![] } else { vec![status] }, "{status}");
        if let Some(again) = seen.to(SPARE).first() {
            let seen = edge.hear(from(SPARE), &answer(again, 202, "t", SPARE));
            assert_eq!(seen.statuses(OTHER), [202], "{status}");
        }
    }
    let mut edge = Edge::under(two_trunks());
    let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
    let hop = seen.sent.iter().find(|(hop, _)| hop.remote == at(TRUNK)).expect("it goes there").0;
    assert_eq!(edge.input(Input::Unsendable { hop }).to(SPARE).len(), 1, "a broken transport");
    // Who says nothing has it, perhaps: another copy 32 s later would be a second message.
    let mut edge = Edge::under(two_trunks());
    edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
    let seen = edge.pass(Duration::from_secs(64));
    assert_eq!((seen.to(SPARE).len(), seen.codes().len()), (0, 0));
    edge.assert_empty();
}

#[test]
fn a_message_waits_for_no_rate_of_calls() {
    let mut edge = Edge::under(plan(|plan| {
        alter(plan, 1, |trunk| trunk.pace.per_second = std::num::NonZeroU32::new(1));
    }));
    for nth in 0..5 {
        let text = Request::new("MESSAGE", OTHER).with(|r| {
            (r.branch, r.call_id) = (format!("z9hG4bK-{nth}"), format!("{nth}@message"));
        });
        assert_eq!(edge.hear(from(OTHER), &text.text()).to(TRUNK).len(), 1, "{nth}");
    }
    let call = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    assert_eq!(call.to(TRUNK).len(), 1, "nor does a call wait for messages");
}
