//! Emergency calls and what lies in their way (law 3; row B12): media that is not encrypted or has no ports left, full tables, odd
//! headers, where the caller is and who is called back.

use std::sync::Arc;

use ringfence::engine::Settings;
use ringfence::media::order::Order;
use ringfence::policy::media::PeerMedia;
use ringfence::policy::owned::{Callers, Owned};
use ringfence::policy::peer::Onward;
use ringfence::policy::{Plan, Policy};
use ringfence::sip::Message;

use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, plan, settings};
use super::emergency::dialling;
use super::media_rig::{KEY, Site, anchored_with, body, hidden, invite, plain, response, sdp, secure, tls};
use super::targets::{SPARE, invites, refusal};
use super::texts::{Request, answer, header};

const PLACE: &str = "<presence entity=\"pres:201@example.com\"><tuple id=\"t\"/></presence>";

pub fn help(request: Request, nth: u32) -> Request {
    request.with(|r| {
        r.uri = "sip:911@10.0.0.1".into();
        (r.call_id, r.branch) = (format!("help-{nth}@example.com"), format!("z9hG4bK-help-{nth}"));
    })
}

fn usual(nth: u32) -> Request {
    invite(&plain("10.0.0.2", 4_000)).with(|r| {
        (r.call_id, r.branch) = (format!("usual-{nth}@example.com"), format!("z9hG4bK-usual-{nth}"));
    })
}

/// Media anchored, the PBX with a dial plan.
fn under(change: impl Fn(u16, &mut ringfence::policy::Peer), more: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    anchored_with(
        |id, peer| {
            if id == 0 {
                peer.dialling = dialling("pbx");
            }
            change(id, peer);
        },
        more,
    )
}

/// Without anchored media.
fn bare(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 0, |pbx| pbx.dialling = dialling("pbx"));
        change(plan);
    })
}

pub fn at_trunk(seen: &Seen, who: &str) -> Message {
    invites(seen, who).pop().unwrap_or_else(|| panic!("{:?} {:?}", seen.statuses(PBX), seen.codes()))
}

#[test]
fn b12_a_trunk_without_srtp_is_asked_again_with_rtp_before_the_next_one() {
    for status in [488, 415, 606] {
        let mut site = Site::under(under(|_, peer| secure(peer), |_| {}));
        let asked = site.hear(tls(PBX), &help(invite(&hidden("10.0.0.2", 4_000)), 1).text());
        let first = at_trunk(&asked, TRUNK);
        assert!(body(&first).contains("RTP/SAVP"));
        let seen = site.hear(tls(TRUNK), &response(&first, status, TRUNK, "", ""));
        let second = at_trunk(&seen, TRUNK);
        assert!(invites(&seen, SPARE).is_empty(), "{status}");
        assert!(body(&second).contains("RTP/AVP") && !body(&second).contains("crypto"), "{}", body(&second));
        let seen = site.hear(tls(TRUNK), &response(&second, 200, TRUNK, &plain("198.51.100.5", 5_000), ""));
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![200], vec![39504]), "{status}");
        let ok = body(&seen.to(PBX)[0]);
        assert!(
            ok.contains("RTP/SAVP") && ok.contains("a=crypto"),
            "the caller's own leg stays encrypted: {ok}"
        );
    }
    // The second refusal turns to the next trunk, which is asked for SRTP first.
    let mut site = Site::under(under(|_, peer| secure(peer), |_| {}));
    let asked = site.hear(tls(PBX), &help(invite(&hidden("10.0.0.2", 4_000)), 1).text());
    let seen = site.hear(tls(TRUNK), &response(&at_trunk(&asked, TRUNK), 488, TRUNK, "", ""));
    let seen = site.hear(tls(TRUNK), &response(&at_trunk(&seen, TRUNK), 488, TRUNK, "", ""));
    assert!(invites(&seen, TRUNK).is_empty());
    assert!(body(&at_trunk(&seen, SPARE)).contains("RTP/SAVP"));
    // Any other call is refused.
    let mut site = Site::under(under(|_, peer| secure(peer), |_| {}));
    let asked = site.hear(tls(PBX), &invite(&hidden("10.0.0.2", 4_000)).text());
    let seen = site.hear(tls(TRUNK), &response(&at_trunk(&asked, TRUNK), 488, TRUNK, "", ""));
    assert_eq!((seen.statuses(PBX), invites(&seen, TRUNK).len()), (vec![488], 0));
}

#[test]
fn b12_an_answer_without_encryption_is_taken_and_one_that_cannot_be_costs_a_dialog() {
    let mut site = Site::under(under(|_, peer| secure(peer), |_| {}));
    let asked = site.hear(tls(PBX), &help(invite(&hidden("10.0.0.2", 4_000)), 1).text());
    let answer = response(&at_trunk(&asked, TRUNK), 200, TRUNK, &plain("198.51.100.5", 5_000), "");
    let seen = site.hear(tls(TRUNK), &answer);
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![200], vec![39504]));
    // SRTP without a key is nothing that could be heard: that dialog is ended, and the same trunk asked for RTP.
    let mut site = Site::under(under(|_, peer| secure(peer), |_| {}));
    let asked = site.hear(tls(PBX), &help(invite(&hidden("10.0.0.2", 4_000)), 1).text());
    let keyless = sdp("198.51.100.5", 5_000, "RTP/SAVP", "");
    let seen = site.hear(tls(TRUNK), &response(&at_trunk(&asked, TRUNK), 200, TRUNK, &keyless, ""));
    assert!(seen.statuses(PBX).is_empty(), "{:?}", seen.statuses(PBX));
    let ended = seen.to(TRUNK).iter().filter(|one| one.method().as_bytes() == b"BYE").count();
    assert_eq!(ended, 1);
    let again = at_trunk(&seen, TRUNK);
    assert!(body(&again).contains("RTP/AVP"));
    let ok = response(&again, 200, TRUNK, &plain("198.51.100.5", 5_000), "");
    assert_eq!(site.hear(tls(TRUNK), &ok).statuses(PBX), [200]);
}

#[test]
fn b12_a_call_for_help_has_ports_when_all_are_out_or_rest() {
    let few = |plan: &mut Plan| {
        let media = plan.media.as_mut().unwrap();
        media.inside.ports = 20_000..=20_003;
        media.outside.ports = 30_000..=30_003;
    };
    let mut site = Site::under(under(|_, _| {}, few));
    let first = site.hear(from(PBX), &usual(1).text());
    assert_eq!(invites(&first, TRUNK).len(), 1);
    let second = site.hear(from(PBX), &usual(2).text());
    assert_eq!((second.statuses(PBX), second.codes().contains(&39403)), (vec![100, 480], true));
    // The one that is kept, whichever trunk takes it at last.
    let called = help(invite(&plain("10.0.0.2", 4_000)), 3);
    let seen = site.hear(from(PBX), &called.text());
    let seen = site.hear(from(TRUNK), &response(&at_trunk(&seen, TRUNK), 486, TRUNK, "", ""));
    let seen = site.hear(from(SPARE), &response(&at_trunk(&seen, SPARE), 486, SPARE, "", ""));
    assert_eq!(seen.statuses(PBX), [486]);
    // It rests now, as the other one does once it is over: what rests is for help and for nobody else.
    site.hear(from(TRUNK), &response(&at_trunk(&first, TRUNK), 486, TRUNK, "", ""));
    let refused = site.hear(from(PBX), &usual(4).text());
    assert_eq!(refused.statuses(PBX).last(), Some(&480));
    for nth in [5, 6] {
        let seen = site.hear(from(PBX), &help(invite(&plain("10.0.0.2", 4_000)), nth).text());
        assert_eq!(invites(&seen, TRUNK).len(), 1, "{nth}: {:?}", seen.statuses(PBX));
    }
}

#[test]
fn e4_b12_keys_in_the_clear_are_none_for_an_emergency_and_none_is_told() {
    let keyed = sdp("10.0.0.2", 4_000, "RTP/AVP", KEY);
    for offer in [keyed, hidden("10.0.0.2", 4_000), sdp("10.0.0.2", 4_000, "RTP/SAVP", "")] {
        let mut site = Site::under(under(|_, _| {}, |_| {}));
        let asked = site.hear(from(PBX), &help(invite(&offer), 1).text());
        let ok = response(&at_trunk(&asked, TRUNK), 200, TRUNK, &plain("198.51.100.5", 5_000), "");
        let seen = site.hear(from(TRUNK), &ok);
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![200], vec![39504]), "{offer}");
        let said = body(&seen.to(PBX)[0]);
        assert!(said.contains("RTP/AVP") && !said.contains("crypto"), "{said}");
        // Any other call is refused.
        let mut site = Site::under(under(|_, _| {}, |_| {}));
        assert_eq!(site.hear(from(PBX), &invite(&offer).text()).statuses(PBX).last(), Some(&488), "{offer}");
    }
    // Where descriptions cross as they come, keys stay behind as soon as one leg is in the clear.
    let mut edge = Edge::under(bare(|_| {}));
    let seen = edge.hear(tls(PBX), &help(invite(&hidden("10.0.0.2", 4_000)), 1).text());
    let leaving = body(&at_trunk(&seen, TRUNK));
    assert!(leaving.contains("m=audio 4000 RTP/AVP 0") && !leaving.contains("crypto"), "{leaving}");
    assert!(seen.codes().contains(&39504));
}

#[test]
fn b12_codecs_and_places_cost_no_emergency() {
    let picky = |_: u16, peer: &mut ringfence::policy::Peer| {
        let codecs = Some(Arc::from([Box::from("PCMA")]));
        peer.media = Arc::new(PeerMedia { codecs, ..PeerMedia::clone(&peer.media) });
    };
    let mut site = Site::under(under(picky, |_| {}));
    let asked = site.hear(from(PBX), &help(invite(&plain("10.77.7.7", 4_000)), 1).text());
    let ok = response(&at_trunk(&asked, TRUNK), 200, TRUNK, &plain("203.0.113.7", 5_000), "");
    let seen = site.hear(from(TRUNK), &ok);
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![200], vec![32102]));
    let remotes = seen.media.iter().filter_map(|order| match order {
        Order::Set { terms, .. } => terms.remote.map(|remote| remote.to_string()),
        Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => None,
    });
    let remotes: std::collections::BTreeSet<String> = remotes.collect();
    assert_eq!(remotes.into_iter().collect::<Vec<_>>(), ["10.77.7.7:4000", "203.0.113.7:5000"]);
    // Nothing is ever sent to this machine.
    let mut site = Site::under(under(picky, |_| {}));
    let asked = site.hear(from(PBX), &help(invite(&plain("127.0.0.1", 4_000)), 1).text());
    let ok = response(&at_trunk(&asked, TRUNK), 200, TRUNK, &plain("198.51.100.5", 5_000), "");
    let seen = site.hear(from(TRUNK), &ok);
    assert_eq!(seen.statuses(PBX), [200]);
    let local = seen.media.iter().any(|order| format!("{order:?}").contains("127.0.0.1"));
    assert!(!local, "{:?}", seen.media);
}

#[test]
fn b12_full_tables_keep_room_for_an_emergency() {
    let full = || Settings { calls_max: 1, transactions_max: 1, client_transactions_max: 1, ..settings() };
    let mut edge = Edge::with(bare(|_| {}), full());
    assert_eq!(invites(&edge.hear(from(PBX), &usual(1).text()), TRUNK).len(), 1);
    assert_eq!(edge.hear(from(PBX), &usual(2).text()).statuses(PBX), [503]);
    for nth in 1..=5 {
        let seen = edge.hear(from(PBX), &help(invite(&plain("10.0.0.2", 4_000)), nth).text());
        let ok = edge.hear(from(TRUNK), &answer(&at_trunk(&seen, TRUNK), 200, "b", TRUNK));
        assert_eq!(ok.statuses(PBX), [200], "{nth}");
    }
    // Others find no more room than before.
    assert_eq!(edge.hear(from(PBX), &usual(3).text()).statuses(PBX), [503]);
    // There is an end to it, too.
    let mut edge = Edge::with(bare(|_| {}), full());
    let answers: Vec<u16> = (1..=1_010)
        .flat_map(|nth| {
            edge.hear(from(PBX), &help(invite(&plain("10.0.0.2", 4_000)), nth).text()).statuses(PBX)
        })
        .filter(|status| *status > 100)
        .collect();
    assert!(
        (9..=10).contains(&answers.len()) && answers.iter().all(|status| [480, 503].contains(status)),
        "{answers:?}"
    );
}

#[test]
fn b12_what_is_odd_in_an_invite_is_passed_over_for_an_emergency() {
    let long = "x".repeat(2_000);
    for (lines, contact) in [
        ("Require: eleven\r\nProxy-Require: twelve\r\n", None),
        ("Session-Expires: 30\r\nSupported: timer\r\n", None),
        ("Session-Expires: soon\r\n", None),
        ("Min-SE: never\r\n", None),
        ("Record-Route: <sip:10.0.0.7;lr>, nonsense <\r\n", None),
        ("", Some("<sip:201@127.0.0.1>".to_owned())),
        ("", Some(format!("<sip:{long}@10.0.0.2>"))),
        ("", Some(String::new())),
    ] {
        let mut edge = Edge::under(bare(|_| {}));
        let odd = |request: Request| {
            request.with(|r| {
                r.more += lines;
                if let Some(contact) = &contact {
                    r.contact.clone_from(contact);
                }
            })
        };
        let what = format!("{lines} {contact:?}");
        let other = edge.hear(from(PBX), &odd(usual(1)).text());
        assert!(other.statuses(PBX).iter().any(|status| [400, 420, 422].contains(status)), "{what}");
        let called = odd(help(invite(&plain("10.0.0.2", 4_000)), 2));
        let seen = edge.hear(from(PBX), &called.text());
        let leaving = at_trunk(&seen, TRUNK);
        assert!(seen.codes().len() > 1, "{what}: told besides 39806: {:?}", seen.codes());
        assert_eq!(header(&leaving, "Require"), "", "{what}");
        let ok = edge.hear(from(TRUNK), &answer(&leaving, 200, "b", TRUNK));
        assert_eq!(ok.statuses(PBX), [200], "{what}");
        let untimed = lines.contains("Session-Expires") || lines.contains("Min-SE");
        assert_eq!(header(&ok.to(PBX)[0], "Session-Expires").is_empty(), untimed, "{what}");
    }
    // And of the answer.
    let mut edge = Edge::under(bare(|_| {}));
    let seen = edge.hear(from(PBX), &help(invite(&plain("10.0.0.2", 4_000)), 1).text());
    let ok = answer(&at_trunk(&seen, TRUNK), 200, "b", TRUNK)
        .replace("Contact: <", "Record-Route: nonsense <\r\nContact: <");
    assert_eq!(edge.hear(from(TRUNK), &ok).statuses(PBX), [200]);
}

/// A body of a description and of where the caller is.
fn located(place: &str, sdp: &str) -> Request {
    let body = format!(
        "--cut\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--cut\r\nContent-Type: application/pidf+xml\r\n\
         Content-ID: <here@example.com>\r\n\r\n{place}\r\n--cut--\r\n"
    );
    help(invite(sdp), 1).with(|r| {
        r.more = "Content-Type: multipart/mixed;boundary=cut\r\nGeolocation: <cid:here@example.com>, \
                  <https://lis.example/201>\r\nGeolocation-Routing: yes\r\n"
            .into();
        r.body = body;
    })
}

#[test]
fn where_the_caller_is_crosses_by_value_too_and_no_trunk_is_lost_for_it() {
    for policy in [under(|_, _| {}, |_| {}), bare(|_| {})] {
        let request = located(PLACE, &plain("10.0.0.2", 4_000));
        let mut site = Site::under(Arc::clone(&policy));
        let leaving = at_trunk(&site.hear(from(PBX), &request.text()), TRUNK);
        assert!(header(&leaving, "Content-Type").starts_with("multipart/mixed;boundary=part-"));
        assert_eq!(header(&leaving, "Geolocation"), "<cid:here@example.com>, <https://lis.example/201>");
        let said = body(&leaving);
        assert!(said.contains("Content-ID: <here@example.com>\r\n") && said.contains(PLACE), "{said}");
        assert!(
            said.contains("Content-Type: application/sdp\r\n\r\nv=0") && said.contains("m=audio "),
            "{said}"
        );
        // Whoever takes no body of parts is asked without.
        let seen = site.hear(from(TRUNK), &response(&leaving, 415, TRUNK, "", ""));
        let again = at_trunk(&seen, TRUNK);
        assert_eq!(header(&again, "Content-Type"), "application/sdp");
        assert_eq!(header(&again, "Geolocation"), "<https://lis.example/201>");
        let ok = response(&again, 200, TRUNK, &plain("198.51.100.5", 5_000), "");
        assert_eq!(site.hear(from(TRUNK), &ok).statuses(PBX), [200]);
        // Too large a place stays behind, with its name.
        let mut site = Site::under(Arc::clone(&policy));
        let seen = site.hear(from(PBX), &located(&"x".repeat(16_385), &plain("10.0.0.2", 4_000)).text());
        let leaving = at_trunk(&seen, TRUNK);
        assert_eq!(header(&leaving, "Geolocation"), "<https://lis.example/201>");
        assert!(seen.codes().contains(&39102) && header(&leaving, "Content-Type") == "application/sdp");
        // It is nobody else's business.
        let other =
            located(PLACE, &plain("10.0.0.2", 4_000)).with(|r| r.uri = "sip:+13125550199@10.0.0.1".into());
        let leaving = at_trunk(&Site::under(policy).hear(from(PBX), &other.text()), TRUNK);
        assert!(!body(&leaving).contains("presence") && header(&leaving, "Geolocation").is_empty());
    }
}

#[test]
fn an_emergency_is_called_back_at_a_number_of_the_sites_own() {
    let owns = |plan: &mut Plan| {
        alter(plan, 0, |pbx| {
            pbx.callers = Some(Arc::new(Callers {
                path: "peers.pbx.owns".into(),
                owned: Owned::new(vec!["+12125550100".into(), "+12125550142".into()], vec![], vec![]),
                shown_as: vec![("201".into(), "+12125550101".into())],
                replaces: false,
            }));
        });
        alter(plan, 1, |trunk| trunk.identity.told = true);
    };
    for (caller, shown) in [
        ("+12125550142", "+12125550142"),
        ("12125550142", "+12125550142"),
        ("201", "+12125550101"),
        ("+18765551234", "+12125550100"),
        ("x", "+12125550100"),
        ("anonymous", "+12125550100"),
    ] {
        let mut edge = Edge::under(bare(owns));
        let asserts = format!("P-Asserted-Identity: <sip:+18765551234@{PBX}>\r\n");
        let text = help(invite(&plain("10.0.0.2", 4_000)), 1)
            .with(|r| r.more += &asserts)
            .text()
            .replace(&format!("From: <sip:+12125550100@{PBX}>"), &format!("From: <sip:{caller}@{PBX}>"));
        let leaving = at_trunk(&edge.hear(from(PBX), &text), TRUNK);
        let number =
            |name: &str| header(&leaving, name).split(['<', '@']).nth(1).unwrap_or_default().to_owned();
        assert_eq!(number("From"), format!("sip:{shown}"), "{caller}");
        assert_eq!(number("P-Asserted-Identity"), format!("sip:{shown}"), "{caller}");
    }
}

#[test]
fn c1_c2_a_service_that_is_asked_for_by_name_is_an_emergency_like_its_number() {
    for (mode, uri) in [
        (Onward::Perform, "sip:911@x"),
        (Onward::Perform, "urn:service:sos"),
        (Onward::Perform, "URN:service:sos.police"),
        (Onward::JudgeAndPass, "urn:service:sos.fire"),
        (Onward::JudgeAndPass, "sip:911@x"),
    ] {
        let policy = || {
            bare(|plan| {
                for id in [0, 1, 2] {
                    alter(plan, id, |peer| (peer.redirects, peer.transfers) = (mode, mode));
                }
                alter(plan, 2, |other| other.dialling = dialling("other"));
                plan.routes[0].to[0].peer = ringfence::policy::PeerId(2);
                plan.routes[0].direction = Some(ringfence::policy::Direction::Internal);
            })
        };
        let other = super::edge::OTHER;
        let mut edge = Edge::under(policy());
        let inside = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
        let ringing = invites(&inside, other).remove(0);
        let seen = edge.hear(from(other), &refusal(&ringing, 302, &format!("Contact: <{uri}>"), other));
        if mode == Onward::Perform {
            let called = at_trunk(&seen, TRUNK);
            let wanted = if uri.starts_with("sip") { "sip:911@" } else { "urn:service:sos" };
            assert!(String::from_utf8_lossy(called.request_uri()).starts_with(wanted), "{uri}");
            assert!(seen.codes().contains(&39806), "{uri}");
        } else {
            let told = seen.to(PBX).pop().unwrap();
            let contact = header(&told, "Contact");
            assert_eq!(told.status(), Some(302), "{uri} {:?}", seen.codes());
            assert!(contact == "<sip:911@10.0.0.1:5060>" || contact == "<urn:service:sos.fire>", "{contact}");
        }
        // A trunk sends nobody there.
        let outward = bare(|plan| {
            alter(plan, 1, |trunk| (trunk.redirects, trunk.transfers) = (mode, mode));
        });
        let mut edge = Edge::under(outward);
        let out = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
        let ringing = invites(&out, TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &refusal(&ringing, 302, &format!("Contact: <{uri}>"), TRUNK));
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32219]), "{uri}");
        // A receptionist's transfer goes where a redirect does.
        let mut edge = Edge::under(policy());
        let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
        let ringing = invites(&seen, other).remove(0);
        let ok = edge.hear(from(other), &answer(&ringing, 200, "b", other)).to(PBX).pop().unwrap();
        let within = |method: &str, cseq: u32| {
            Request::new(method, PBX).with(|r| {
                r.to_tag = super::texts::tag(ok.to_tag());
                (r.cseq, r.branch) = (cseq, format!("z9hG4bK-{method}-{cseq}"));
            })
        };
        edge.hear(from(PBX), &within("ACK", 1).text());
        let refer = within("REFER", 2).with(|r| r.more = format!("Refer-To: <{uri}>\r\n"));
        let seen = edge.hear(from(PBX), &refer.text());
        if mode == Onward::Perform {
            assert_eq!((seen.statuses(PBX), invites(&seen, TRUNK).len()), (vec![202], 1), "{uri}");
        } else {
            let passed = seen.to(other).pop().unwrap_or_else(|| panic!("{uri}: {:?}", seen.statuses(PBX)));
            let refer_to = header(&passed, "Refer-To");
            assert!(
                refer_to == "<sip:911@10.0.0.1:5060>" || refer_to == "<urn:service:sos.fire>",
                "{refer_to}"
            );
        }
    }
}
