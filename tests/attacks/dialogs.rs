//! D: forged and misplaced messages of a dialog. The call stays, and its own peers can go on.

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{
    PBX, SDP, STRANGER, Site, TRUNK, TRUNK2, by_callee, final_to, in_dialog, invite, request, request_to,
    response_to, shown, to,
};

fn cancel_of(invite: &Sip) -> Sip {
    let mut cancel = Sip::request("CANCEL", invite.uri());
    for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
        cancel.add(name, invite.header(name).unwrap_or_default());
    }
    cancel.add("CSeq", "1 CANCEL");
    cancel
}

/// 481, or what a method that is not served gets before anybody looks for a dialog (RFC 3261 §8.2.1).
fn refused(sent: &crate::site::Sent) -> bool {
    matches!(final_to(sent, PBX), Some(481 | 405 | 403))
}

#[test]
fn d1_a_cancel_from_elsewhere_or_with_another_branch_cancels_nothing() {
    let mut site = Site::new();
    let invite_a = invite("d1", "+12125550100");
    let sent = site.send(PBX, &invite_a);
    let invite_b = request_to(&sent, TRUNK, "INVITE").expect("an INVITE");
    site.send(TRUNK, &Sip::response(&invite_b, 180, "Ringing", "callee"));
    let mut other_branch = cancel_of(&invite_a);
    other_branch.set("Via", &format!("SIP/2.0/UDP {PBX};branch=z9hG4bKother;rport"));
    for (from, cancel) in
        [(STRANGER, cancel_of(&invite_a)), ("10.1.0.11:5060", cancel_of(&invite_a)), (PBX, other_branch)]
    {
        let sent = site.send(from, &cancel);
        assert!(matches!(final_to(&sent, from), None | Some(481)), "{from}: {}", shown(&sent));
        assert!(request_to(&sent, TRUNK, "CANCEL").is_none(), "cancelled by {from}");
    }
    let sent = site.send(PBX, &cancel_of(&invite_a));
    assert!(
        response_to(&sent, PBX, 200).is_some() && response_to(&sent, PBX, 487).is_some(),
        "{}",
        shown(&sent)
    );
    let cancel = request_to(&sent, TRUNK, "CANCEL").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&cancel, 200, "OK", "callee"));
    site.send(TRUNK, &Sip::response(&invite_b, 487, "Request Terminated", "callee"));
    site.must_become_empty();
}

#[test]
fn d2_guessed_tags_and_other_sources_neither_end_nor_advance_a_dialog() {
    let mut site = Site::new();
    let call = site.establish("d2");
    for (cseq, method) in (5_000..).zip(["BYE", "INVITE", "INFO", "UPDATE", "OPTIONS"]) {
        let mut guessed = in_dialog(&call.invite_a, &call.ok_a, method, cseq, "guess");
        let to_header = guessed.header("To").unwrap().split(";tag").next().unwrap().to_owned();
        guessed.set("To", &format!("{to_header};tag=0123456789abcdef"));
        let sent = site.send(PBX, &guessed);
        assert!(refused(&sent), "{method}: {}", shown(&sent));
        let mut wrong_from = in_dialog(&call.invite_a, &call.ok_a, method, cseq + 50, "from");
        wrong_from.set("From", &format!("<sip:2001@{PBX}>;tag=wrong"));
        assert!(refused(&site.send(PBX, &wrong_from)), "{method} with another From tag");
        for from in [STRANGER, "10.1.0.11:5060", TRUNK] {
            let forged =
                in_dialog(&call.invite_a, &call.ok_a, method, cseq + 100, &format!("{from}{method}"));
            let sent = site.send(from, &forged);
            assert!(
                to(&sent, TRUNK2).count() == 0 && request_to(&sent, TRUNK, method).is_none(),
                "{}",
                shown(&sent)
            );
            assert!(request_to(&sent, PBX, method).is_none(), "{}", shown(&sent));
        }
    }
    // CSeq 2 is far below every forged one: it must still be heard.
    let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "INVITE", 2, "honest"));
    assert!(request_to(&sent, TRUNK, "INVITE").is_some(), "the forged CSeq was taken: {}", shown(&sent));
    let reinvite = request_to(&sent, TRUNK, "INVITE").unwrap();
    let mut ok = Sip::response(&reinvite, 200, "OK", "x");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    assert!(response_to(&sent, PBX, 200).is_some());
    let mut ack = in_dialog(&call.invite_a, &call.ok_a, "ACK", 2, "honest");
    ack.body.clear();
    site.send(PBX, &ack);
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn d2_another_address_of_the_same_peer_may_hang_up() {
    let mut site =
        Site::of(&yaml(&Shape::default()).replace("sources: [10.1.0.10]", "sources: [10.1.0.10, 10.1.0.77]"));
    let call = site.establish("d2b");
    let bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 7, "other");
    let sent = site.send("10.1.0.77:5060", &bye);
    assert!(request_to(&sent, TRUNK, "BYE").is_some(), "{}", shown(&sent));
    assert_eq!(sent.iter().filter(|(at, _)| at.ip().to_string() == "10.1.0.77").count(), 1);
}

#[test]
fn d3_a_forged_response_is_not_heard() {
    let mut site = Site::new();
    let sent = site.send(PBX, &invite("d3", "+12125550100"));
    let invite_b = request_to(&sent, TRUNK, "INVITE").expect("an INVITE");
    let mut ok = Sip::response(&invite_b, 200, "OK", "forger");
    ok.add("Contact", "<sip:forger@192.0.2.66>").sdp(SDP);
    for from in [STRANGER, TRUNK2, PBX] {
        let sent = site.send(from, &ok);
        assert!(sent.is_empty(), "a 200 from {from} was heard: {}", shown(&sent));
    }
    let branch = invite_b.branch().to_owned();
    assert!(branch.len() >= 7 + 16, "fewer than 64 random bits in {branch}");
    for guess in 0..64_u64 {
        let mut guessed = ok.clone();
        guessed.set("Via", &format!("SIP/2.0/UDP 203.0.113.1:5070;branch=z9hG4bK{guess:016x}"));
        let sent = site.send(TRUNK, &guessed);
        assert!(sent.is_empty(), "{}", shown(&sent));
    }
    for number in [0, 2, invite_b.cseq().0 + 1_000_000] {
        let mut other = ok.clone();
        other.set("CSeq", &format!("{number} INVITE"));
        assert!(site.send(TRUNK, &other).is_empty(), "a response with the CSeq number {number} was heard");
    }
    let mut foreign_via = ok.clone();
    foreign_via.set("Via", &format!("SIP/2.0/UDP 192.0.2.66:5070;branch={branch}"));
    assert!(site.send(TRUNK, &foreign_via).is_empty(), "a response whose sent-by is not ours was heard");
    ok.set("Contact", &format!("<sip:callee@{TRUNK}>"));
    assert!(response_to(&site.send(TRUNK, &ok), PBX, 200).is_some(), "the true 200 was not heard");
}

#[test]
fn d4_a_flood_of_200s_is_acknowledged_and_goes_no_further() {
    let mut site = Site::new();
    let call = site.establish("d4");
    for _ in 0..200 {
        let sent = site.send(TRUNK, &call.ok_b);
        assert!(
            to(&sent, TRUNK).all(|message| message.method() == "ACK") && to(&sent, PBX).count() == 0,
            "{}",
            shown(&sent)
        );
        assert!(sent.len() <= 1);
    }
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn d4_a_flood_of_200s_that_open_dialogs_is_bounded() {
    let mut site = Site::new();
    let call = site.establish("d4f");
    let before = site.gauges();
    let (mut acks, mut byes) = (0, 0);
    for fork in 0..500 {
        let mut ok = Sip::response(&call.invite_b, 200, "OK", &format!("fork{fork}"));
        ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        for _ in 0..2 {
            let sent = site.send(TRUNK, &ok);
            acks += to(&sent, TRUNK).filter(|message| message.method() == "ACK").count();
            byes += to(&sent, TRUNK).filter(|message| message.method() == "BYE").count();
        }
    }
    let after = site.gauges();
    assert!(byes == 16 && acks == 32, "{byes} BYEs and {acks} ACKs");
    assert!(after.client_transactions <= before.client_transactions + 16, "{before:?} {after:?}");
    assert!(site.alerted(39105));
    site.hang_up(&call);
    site.must_become_empty();
}

/// To end a dialog needs no extension: whatever a BYE, CANCEL or ACK requires, it does its work.
#[test]
fn d5_no_require_keeps_a_call_alive() {
    let mut site = Site::new();
    let call = site.establish("d5r");
    let mut bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye");
    bye.add("Require", "nosuchthing").add("Proxy-Require", "neither");
    let sent = site.send(PBX, &bye);
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(bye.header("Require").is_none());
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    assert_eq!(site.gauges().calls, 0);

    let ringing = invite("d5c", "+12125550100");
    let sent = site.send(PBX, &ringing);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap();
    site.send(TRUNK, &Sip::response(&leaving, 180, "Ringing", "callee"));
    let mut cancel = cancel_of(&ringing);
    cancel.add("Require", "nosuchthing");
    let sent = site.send(PBX, &cancel);
    assert!(response_to(&sent, PBX, 487).is_some(), "{}", shown(&sent));
    assert!(request_to(&sent, TRUNK, "CANCEL").is_some(), "{}", shown(&sent));
    site.must_become_empty();
}

/// A reason that one side gives may name its hosts; the other side hears its meaning.
#[test]
fn b10_a_reason_crosses_without_the_hosts_it_names() {
    let mut site = Site::new();
    let call = site.establish("b10r");
    let mut bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye");
    bye.add("Reason", "SIP;cause=503;text=\"10.1.0.10 went away\";host=pbx.office.example");
    let sent = site.send(PBX, &bye);
    let crossed = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(crossed.header("Reason"), Some("SIP;cause=503"));
}

/// The call is over, its INVITE's transaction not yet (RFC 6026): forks are ended, as few as in the call, and copies are
/// acknowledged.
#[test]
fn d4_a_200_after_the_call_is_ended_and_a_flood_of_them_is_bounded() {
    let mut site = Site::new();
    let call = site.establish("d4p");
    site.hang_up(&call);
    assert_eq!(site.gauges().calls, 0);
    let count = |sent: &crate::site::Sent, method| to(sent, TRUNK).filter(|m| m.method() == method).count();
    let sent = site.send(TRUNK, &call.ok_b);
    assert_eq!((count(&sent, "ACK"), count(&sent, "BYE")), (1, 0), "{}", shown(&sent));
    let (mut acks, mut byes) = (0, 0);
    for fork in 0..100 {
        let mut ok = Sip::response(&call.invite_b, 200, "OK", &format!("fork{fork}"));
        ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        for _ in 0..2 {
            let sent = site.send(TRUNK, &ok);
            assert_eq!(to(&sent, PBX).count(), 0, "{}", shown(&sent));
            acks += count(&sent, "ACK");
            byes += count(&sent, "BYE");
        }
    }
    assert_eq!((acks, byes), (30, 15), "the call's own dialog is one of the 16");
    assert!(site.alerted(39105));
    let elsewhere = site.send(TRUNK2, &call.ok_b);
    assert!(elsewhere.is_empty(), "only whom we asked is heard: {}", shown(&elsewhere));
    site.must_become_empty();
    assert!(site.send(TRUNK, &call.ok_b).is_empty(), "after timer M nothing is kept");
}

/// The caller hangs up before its ACK with the answer came: the callee's offer is answered, by taking nothing of it.
#[test]
fn d4_a_late_offer_that_nobody_answers_is_declined_in_the_ack() {
    let mut site = Site::new();
    let mut invite_a = invite("d4l", "+12125550100");
    invite_a.body.clear();
    invite_a.headers.retain(|(name, _)| name != "Content-Type");
    invite_a.set("Content-Length", "0");
    let sent = site.send(PBX, &invite_a);
    let invite_b = request_to(&sent, TRUNK, "INVITE").unwrap();
    let mut ok = Sip::response(&invite_b, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    assert!(request_to(&sent, TRUNK, "ACK").is_none(), "the answer is the caller's: {}", shown(&sent));
    let ok_a = response_to(&sent, PBX, 200).unwrap();
    let sent = site.send(PBX, &in_dialog(&invite_a, &ok_a, "BYE", 900, "bye"));
    let ack = request_to(&sent, TRUNK, "ACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let body = String::from_utf8_lossy(&ack.body).into_owned();
    assert!(ack.has_sdp() && body.contains("m=audio 0 RTP/AVP 0\r\n"), "{body}");
    assert!(!body.contains("192.168.77.7") && !body.contains(PBX), "{body}");
    assert!(request_to(&sent, TRUNK, "BYE").is_some(), "{}", shown(&sent));
    let again = site.send(TRUNK, &ok);
    let copy = request_to(&again, TRUNK, "ACK").map(|ack| ack.body);
    assert_eq!(copy, Some(ack.body), "the copy of a 2xx hears the same ACK");
}

#[test]
fn d4_sdp_that_surprises_in_an_ack_is_not_carried() {
    let mut site = Site::new();
    let invite_a = invite("d4b", "+12125550100");
    let sent = site.send(PBX, &invite_a);
    let invite_b = request_to(&sent, TRUNK, "INVITE").unwrap();
    let mut ok = Sip::response(&invite_b, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    let acks: Vec<Sip> = to(&sent, TRUNK).filter(|message| message.method() == "ACK").collect();
    let ok_a = response_to(&sent, PBX, 200).unwrap();
    let mut ack = crate::site::ack(&invite_a, &ok_a, "z9hG4bKsurprise");
    ack.sdp("v=0\r\no=- 2 2 IN IP4 192.0.2.66\r\ns=-\r\nt=0 0\r\n");
    let sent = site.send(PBX, &ack);
    for ack in acks.into_iter().chain(to(&sent, TRUNK)) {
        assert!(!ack.has_sdp(), "{}", String::from_utf8_lossy(&ack.write()));
    }
}

#[test]
fn d5_a_to_tag_alone_opens_nothing() {
    let mut site = Site::new();
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "MESSAGE", "REFER", "NOTIFY", "PRACK", "OPTIONS"] {
        for tag in ["x", "0123456789abcdef"] {
            let mut message = invite(&format!("d5{method}{tag}"), "+12125550100");
            message.start = Sip::request(method, message.uri()).start;
            message
                .set("CSeq", &format!("1 {method}"))
                .set("To", &format!("<sip:+12125550100@10.1.0.1:5060>;tag={tag}"));
            let sent = site.send(PBX, &message);
            assert!(refused(&sent), "{method}: {}", shown(&sent));
            assert_eq!(to(&sent, TRUNK).count(), 0);
        }
    }
    let ack = request("ACK", "sip:10.1.0.1:5060", PBX, "d5ack");
    assert!(site.send(PBX, &ack).is_empty(), "an ACK was answered");
    site.must_become_empty();
}

#[test]
fn d5_f6_a_flood_of_unknown_dialogs_leaves_no_state() {
    let mut site = Site::new();
    for index in 0..1_000 {
        let mut bye = request("BYE", "sip:10.1.0.1:5060", PBX, &format!("d5f{index}"));
        bye.set("To", &format!("<sip:x@10.1.0.1>;tag={index:016x}"));
        let sent = site.send(PBX, &bye);
        assert_eq!(final_to(&sent, PBX), Some(481), "{}", shown(&sent));
    }
    assert_eq!(site.gauges().server_transactions, 0);
    site.must_become_empty();
}

#[test]
fn d5_f6_a_flood_within_one_call_is_bounded_and_bye_is_served() {
    let mut site = Site::new();
    let call = site.establish("d5p");
    let mut served = 0;
    for index in 0..1_000 {
        let options = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 10 + index, "p");
        match final_to(&site.send(PBX, &options), PBX) {
            Some(200) => served += 1,
            Some(500) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((100..=130).contains(&served), "{served}");
    assert!(site.gauges().server_transactions <= 135, "{:?}", site.gauges());
    assert!(site.alerted(32001));
    let bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 9_000, "bye");
    let sent = site.send(PBX, &bye);
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
    let bye = request_to(&sent, TRUNK, "BYE").unwrap();
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    site.must_become_empty();
}

#[test]
fn d5_a_control_character_before_the_colon_is_400() {
    let mut site = Site::new();
    let text = String::from_utf8(invite("d5c", "+12125550100").write()).unwrap();
    for trick in ["To\u{1}:", "To\u{b}:", "\u{1}To:", "To\u{0}:"] {
        let sent = site.raw(PBX, text.replace("To:", trick).as_bytes());
        assert_eq!(final_to(&sent, PBX), Some(400), "{trick:?}: {}", shown(&sent));
    }
}

#[test]
fn d6_a_route_leads_nowhere_but_to_us() {
    let mut site = Site::new();
    let mut ours = invite("d6own", "+12125550100");
    ours.add("Route", "<sip:10.1.0.1:5060;lr>");
    let sent = site.send(PBX, &ours);
    let carried = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(carried.header("Route").is_none());
    let foreign = [
        vec!["<sip:192.0.2.66;lr>"],
        vec!["<sip:10.1.0.1:5060;lr>", "<sip:192.0.2.66;lr>"],
        vec!["<sip:evil.example>"],
        vec!["<sip:198.51.100.20:5060;lr>"],
    ];
    for (index, routes) in foreign.into_iter().enumerate() {
        let mut message = invite(&format!("d6{index}"), "+12125550100");
        for route in &routes {
            message.add("Route", route);
        }
        let sent = site.send(PBX, &message);
        assert!(matches!(final_to(&sent, PBX), Some(403 | 400)), "{routes:?}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0, "{routes:?}");
    }
    let mut many = invite("d6many", "+12125550100");
    for hop in 0..100 {
        many.add("Route", &format!("<sip:192.0.2.{hop};lr>"));
    }
    let sent = site.send(PBX, &many);
    assert!(final_to(&sent, PBX).is_some() && to(&sent, TRUNK).count() == 0, "{}", shown(&sent));
}

#[test]
fn d8_a_contact_that_points_at_ourselves_or_nowhere_is_refused() {
    let mut site = Site::new();
    let contacts = [
        "<sip:x@10.1.0.1:5060>",
        "<sip:x@203.0.113.1:5070>",
        "<sip:x@127.0.0.1>",
        "<sip:x@[::1]>",
        "<sip:x@224.0.0.1>",
        "<sip:x@0.0.0.0>",
        "<sip:x@255.255.255.255>",
        "<sip:x@[::ffff:127.0.0.1]>",
        "<sip:x@[::ffff:10.1.0.1]:5060>",
    ];
    for (index, contact) in contacts.into_iter().enumerate() {
        let mut message = invite(&format!("d8{index}"), "+12125550100");
        message.set("Contact", contact);
        let sent = site.send(PBX, &message);
        assert_eq!(final_to(&sent, PBX), Some(400), "{contact}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0);
    }
    assert!(site.alerted(32105));
    site.must_become_empty();
}

#[test]
fn d2_the_callee_s_dialog_is_guarded_as_well() {
    let mut site = Site::new();
    let call = site.establish("d2c");
    for from in [STRANGER, TRUNK2, PBX] {
        let sent = site.send(from, &by_callee(&call, "BYE", 77, from));
        assert!(request_to(&sent, PBX, "BYE").is_none(), "{from} hung up: {}", shown(&sent));
    }
    let sent = site.send(TRUNK, &by_callee(&call, "BYE", 3, "true"));
    assert!(request_to(&sent, PBX, "BYE").is_some(), "{}", shown(&sent));
    site.pass(40 * SECOND);
}

/// D8: a re-INVITE that is accepted moves its sender's Contact to this edge, to a stranger, to nobody: what follows goes to
/// where the peer sent from all the same.
#[test]
fn d8_a_contact_of_an_accepted_reinvite_leads_to_nobody_else() {
    for contact in [
        "203.0.113.1:5070",
        "10.1.0.1:5060",
        STRANGER,
        PBX,
        "127.0.0.1:5060",
        "224.0.0.1:5060",
        "0.0.0.0:5060",
    ] {
        let mut site = Site::new();
        let call = site.establish("moves");
        let mut again = by_callee(&call, "INVITE", 5, "moves");
        again.set("Contact", &format!("<sip:moved@{contact}>"));
        let sent = site.send(TRUNK, &again);
        if let Some(crossed) = request_to(&sent, PBX, "INVITE") {
            let mut ok = Sip::response(&crossed, 200, "OK", "");
            ok.add("Contact", &format!("<sip:caller@{PBX}>")).sdp(SDP);
            site.send(PBX, &ok);
            let mut acks = by_callee(&call, "ACK", 5, "moved");
            acks.headers.retain(|(name, _)| name != "Contact");
            site.send(TRUNK, &acks);
        }
        let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye"));
        let allowed = [PBX, TRUNK].map(|one| one.parse().unwrap());
        assert!(sent.iter().all(|(to, _)| allowed.contains(to)), "{contact}: {}", shown(&sent));
        let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{contact}: {}", shown(&sent)));
        site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
        site.must_become_empty();
    }
}
