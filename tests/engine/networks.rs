//! Peers behind NAT, Contacts that lie, flows that move, and answers from another address.

use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::peer::Advertised;
use ringfence::sip::{ConnectionId, Flow, Transport};

use super::calls::Talk;
use super::edge::{Edge, OTHER, PBX, PBX_TOO, STRANGER, Seen, TRUNK, alter, at, from, plan, probed};
use super::texts::{Request, answer, moved};

/// Where the PBX seems to be after its NAT has forgotten it.
const MOVED: &str = "10.0.0.2:40777";

/// A call whose caller gives this Contact.
fn talk(edge: &mut Edge, contact: &str) -> Talk {
    Talk::begin_with(edge, Request::new("INVITE", PBX).with(|r| r.contact = contact.into()))
}

/// Where the edge's BYE goes when the trunk hangs up.
fn bye_goes_to(edge: &mut Edge, talk: &Talk) -> Vec<String> {
    let bye = Request::new("BYE", TRUNK).with(|r| {
        r.uri = "sip:192.0.2.1:5060".into();
        (r.branch, r.cseq) = ("z9hG4bK-b-bye".into(), 900);
        r.call_id = super::texts::header(&talk.invite_b, "Call-ID");
        r.from_tag = "b-1".into();
        r.to_tag = super::texts::tag(talk.invite_b.from_tag());
    });
    let seen = edge.hear(from(TRUNK), &bye.text());
    assert_eq!(seen.statuses(TRUNK), [200]);
    sent(&seen, "BYE ")
}

fn sent(seen: &Seen, begins: &str) -> Vec<String> {
    let those = seen.sent.iter().filter(|(_, bytes)| bytes.starts_with(begins.as_bytes()));
    those.map(|(hop, _)| hop.remote.to_string()).collect()
}

#[test]
fn a_contact_is_followed_only_to_an_address_of_its_peer() {
    for (contact, followed) in [
        ("<sip:ann@192.168.9.9:5060>", PBX),
        ("<sip:ann@pbx.local>", PBX),
        ("<sip:ann@198.51.100.5:5060>", PBX),
        ("<sip:ann@203.0.113.66:5060>", PBX),
        ("<sip:ann@[2001:db8::1]:5060>", PBX),
        ("<sip:ann@10.0.0.3:7777>", "10.0.0.3:7777"),
        ("<sip:ann@10.0.0.2:5062>", "10.0.0.2:5062"),
    ] {
        let mut edge = Edge::new();
        let call = talk(&mut edge, contact);
        assert_eq!(bye_goes_to(&mut edge, &call), [followed], "{contact}");
    }
}

#[test]
fn d8_a_re_invites_contact_is_held_to_the_same_rule() {
    let advertised = || {
        plan(|plan| {
            if let Some(inside) = plan.listeners[0].as_mut() {
                inside.advertised = Advertised::new("10.0.0.7", 5080);
            }
        })
    };
    for (contact, status) in [
        ("<sip:ann@10.0.0.1:5060>", 400),
        ("<sip:ann@10.0.0.7:5080>", 400),
        ("<sip:ann@127.0.0.1>", 400),
        ("<sip:ann@0.0.0.0>", 400),
        ("<sip:ann@224.0.0.1>", 400),
        ("<sip:ann@[::ffff:10.0.0.2]>", 400),
        ("<tel:+12125550100>", 400),
        ("<sip:ann@192.168.9.9>", 100),
        ("", 100),
    ] {
        let mut edge = Edge::under(advertised());
        let call = talk(&mut edge, "<sip:ann@10.0.0.2:5060>");
        let again = call.request_a("INVITE", 2).with(|r| {
            let first = Request::new("INVITE", PBX);
            (r.more, r.body, r.contact) = (first.more, moved(1), contact.into());
        });
        let seen = edge.hear(from(PBX), &again.text());
        assert_eq!(seen.statuses(PBX), [status], "{contact:?}");
        assert_eq!(sent(&seen, "INVITE ").is_empty(), status == 400, "{contact:?}");
        if status == 400 {
            assert_eq!(seen.codes(), [32105], "{contact:?}");
            assert_eq!(bye_goes_to(&mut edge, &call), [PBX], "{contact:?}: the call stands as it did");
        }
    }
}

#[test]
fn a_contact_moves_a_leg_when_its_request_is_accepted_and_not_before() {
    let there = "10.0.0.3:7777";
    for method in ["INVITE", "UPDATE"] {
        for status in [200, 488, 500] {
            let mut edge = Edge::new();
            let call = talk(&mut edge, "<sip:ann@10.0.0.2:5060>");
            // The trunk takes UPDATE, or it would leave as a re-INVITE.
            let first = call.request_a("INVITE", 2).with(|r| r.body = moved(1));
            let leaving = edge.hear(from(PBX), &first.text()).to(TRUNK).remove(0);
            let ok = answer(&leaving, 200, "", TRUNK).replacen(
                "Content-Length",
                "Allow: INVITE, UPDATE\r\nContent-Length",
                1,
            );
            edge.hear(from(TRUNK), &ok);
            edge.hear(from(PBX), &call.request_a("ACK", 2).text());
            let again = call.request_a(method, 3).with(|r| {
                (r.more, r.body) = ("Content-Type: application/sdp\r\n".into(), moved(2));
                r.contact = format!("<sip:ann@{there}>");
            });
            let leaving = edge.hear(from(PBX), &again.text()).to(TRUNK).remove(0);
            assert_eq!(leaving.method().as_bytes(), method.as_bytes());
            edge.hear(from(TRUNK), &answer(&leaving, status, "", TRUNK));
            if method == "INVITE" && status == 200 {
                edge.hear(from(PBX), &call.request_a("ACK", 3).text());
            }
            let follows = if status == 200 { there } else { PBX };
            assert_eq!(bye_goes_to(&mut edge, &call), [follows], "{method} {status}");
        }
    }
}

#[test]
fn d8_an_answers_contact_never_leads_back_to_the_edge() {
    for contact in ["10.0.0.1:5060", "192.0.2.1:5060", "10.0.0.7:5080", "203.0.113.66:5060"] {
        let mut edge = Edge::under(plan(|plan| {
            if let Some(outside) = plan.listeners[1].as_mut() {
                outside.advertised = Advertised::new("10.0.0.7", 5080);
            }
            // The worst case: the trunk's own list holds the address that is told to peers.
            alter(plan, 1, |trunk| trunk.sources.push("10.0.0.7/32".parse().unwrap()));
        }));
        let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
        let leaving = seen.to(TRUNK).remove(0);
        let ok = answer(&leaving, 200, "b-1", TRUNK).replace(
            &format!("Contact: <sip:edge-of-callee@{TRUNK}>"),
            &format!("Contact: <sip:x@{contact}>"),
        );
        let seen = edge.hear(from(TRUNK), &ok);
        assert_eq!(sent(&seen, "ACK "), [TRUNK], "{contact}");
    }
}

#[test]
fn a_peer_whose_nat_forgot_it_is_reached_where_it_asked_from_last() {
    let private = "<sip:ann@192.168.9.9:5060>";
    let options = |talk: &Talk, cseq| talk.request_a("OPTIONS", cseq);
    let mut edge = Edge::new();
    let call = talk(&mut edge, private);
    let seen = edge.hear(from(MOVED), &options(&call, 2).text());
    assert_eq!(seen.statuses(PBX).len() + seen.statuses(MOVED).len(), 1);
    assert_eq!(bye_goes_to(&mut edge, &call), [MOVED]);

    // What may not move it: a guess, an old request, another peer, and what names the peer's own address.
    type Change = fn(&mut Request);
    let table: [(&str, Change, &str); 3] = [
        ("a guessed tag", |r| r.from_tag = "guess".into(), MOVED),
        ("a number that was used", |r| r.cseq = 1, MOVED),
        ("another peer", |_| {}, OTHER),
    ];
    for (name, change, sender) in table {
        let mut edge = Edge::new();
        let call = talk(&mut edge, private);
        edge.hear(from(sender), &options(&call, 2).with(change).text());
        assert_eq!(bye_goes_to(&mut edge, &call), [PBX], "{name}");
    }
    let mut edge = Edge::new();
    let honest = talk(&mut edge, "<sip:ann@10.0.0.2:5060>");
    edge.hear(from(MOVED), &options(&honest, 2).text());
    assert_eq!(bye_goes_to(&mut edge, &honest), [PBX], "a Contact that is the peer's own is believed");
}

#[test]
fn a_peer_on_a_stream_is_reached_by_its_newest_one() {
    let stream = |connection| Flow {
        transport: Transport::Tcp,
        connection: ConnectionId(connection),
        ..from(if connection == 1 { "10.0.0.2:41001" } else { "10.0.0.2:41002" })
    };
    let mut edge = Edge::new();
    let invite =
        Request::new("INVITE", PBX).with(|r| r.contact = "<sip:ann@192.168.9.9;transport=tcp>".into());
    let seen = edge.hear(stream(1), &invite.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    let leaving = seen.to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
    // The stream broke; the caller comes again on another one and gives up with BYE refused, so the call goes on.
    edge.input(Input::Closed { connection: ConnectionId(1) });
    let ok = edge.hear(from(TRUNK), &answer(&leaving, 200, "b-1", TRUNK));
    let local = ok.sent.iter().find(|(_, bytes)| bytes.starts_with(b"SIP/2.0 200")).unwrap();
    let local = ringfence::sip::parse::parse(local.1.clone(), &Default::default()).unwrap();
    let again = |method: &str, cseq| {
        let request = Request::new(method, PBX).with(|r| {
            (r.to_tag, r.cseq) = (super::texts::tag(local.to_tag()), cseq);
            r.branch = format!("z9hG4bK-{method}-{cseq}");
        });
        request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP")
    };
    edge.hear(stream(2), &again("ACK", 1));
    edge.hear(stream(2), &again("OPTIONS", 2));
    let bye = Request::new("BYE", TRUNK).with(|r| {
        (r.branch, r.cseq, r.from_tag) = ("z9hG4bK-b-bye".into(), 900, "b-1".into());
        r.call_id = super::texts::header(&leaving, "Call-ID");
        r.to_tag = super::texts::tag(leaving.from_tag());
    });
    let seen = edge.hear(from(TRUNK), &bye.text());
    let (hop, _) = seen.sent.iter().find(|(_, bytes)| bytes.starts_with(b"BYE ")).unwrap();
    assert_eq!((hop.connection, hop.transport), (ConnectionId(2), Transport::Tcp));
}

#[test]
fn a_trunk_may_answer_from_any_address_of_its_list_and_from_no_other() {
    let listed =
        || plan(|plan| alter(plan, 1, |trunk| trunk.sources.push("198.51.100.0/28".parse().unwrap())));
    let mut edge = Edge::under(listed());
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = seen.to(TRUNK).remove(0);
    let seen = edge.hear(from("198.51.100.9:5060"), &answer(&leaving, 200, "b-1", TRUNK));
    assert_eq!((seen.statuses(PBX), sent(&seen, "ACK ")), (vec![200], vec![TRUNK.to_owned()]));

    for stranger in [STRANGER, "198.51.100.16:5060"] {
        let mut edge = Edge::under(listed());
        let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
        let leaving = seen.to(TRUNK).remove(0);
        let seen = edge.hear(from(stranger), &answer(&leaving, 200, "b-1", TRUNK));
        assert!(seen.sent.is_empty(), "{stranger}");
        assert_eq!(edge.count("stranger_frames"), 1, "{stranger}");
    }
    // A peer of this edge, but not the one that was asked.
    let mut edge = Edge::under(listed());
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = seen.to(TRUNK).remove(0);
    for peer in [PBX_TOO, OTHER] {
        assert!(edge.hear(from(peer), &answer(&leaving, 200, "b-1", TRUNK)).sent.is_empty(), "{peer}");
    }
    assert_eq!(edge.count("stray_responses"), 2);
}

#[test]
fn empty_lines_go_to_a_peer_behind_nat_while_its_call_lives() {
    let mut edge =
        Edge::under(plan(|plan| alter(plan, 0, |pbx| pbx.keep_alive = Some(Duration::from_secs(25)))));
    let lines = |seen: &Seen| sent(seen, "\r\n\r\n");
    let call = talk(&mut edge, "<sip:ann@192.168.9.9:5060>");
    assert!(lines(&edge.pass(Duration::from_millis(24_900))).is_empty());
    assert_eq!(lines(&edge.pass(Duration::from_millis(200))), [PBX], "to its flow, and none to the trunk");
    edge.hear(from(MOVED), &call.request_a("OPTIONS", 2).text());
    assert_eq!(lines(&edge.pass(Duration::from_secs(50))), [MOVED, MOVED], "it has moved");
    assert_eq!(edge.count("keep_alives_sent"), 3);
    bye_goes_to(&mut edge, &call);
    assert!(lines(&edge.pass(Duration::from_secs(100))).is_empty(), "the call is over");
    edge.assert_empty();
}

#[test]
fn a_caller_that_hears_it_ring_is_kept_reachable_as_well() {
    let mut edge =
        Edge::under(plan(|plan| alter(plan, 0, |pbx| pbx.keep_alive = Some(Duration::from_secs(25)))));
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = seen.to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
    assert_eq!(sent(&edge.pass(Duration::from_secs(60)), "\r\n\r\n"), [PBX, PBX]);
}

#[test]
fn a_probe_goes_by_the_next_transport_before_a_target_is_down() {
    let mut edge = Edge::under(probed(Duration::from_secs(30)));
    let mut seen = edge.pass(Duration::from_secs(30));
    let mut ways = Vec::new();
    while let Some((hop, _)) = seen.sent.iter().find(|(hop, _)| hop.remote == at(TRUNK)) {
        ways.push(hop.transport);
        assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(true)));
        let hop = *hop;
        seen = edge.input(Input::Unsendable { hop });
    }
    assert_eq!(ways, [Transport::Udp, Transport::Tcp]);
    assert_eq!((edge.status().2[1].1, seen.codes()), (Some(false), vec![32011]));
}
