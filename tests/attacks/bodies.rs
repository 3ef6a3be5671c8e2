//! Odd bodies: two session descriptions, one hidden in a part, one encoded, lengths that lie.

use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{
    Call, PBX, SDP, Sent, Site, TRUNK, ack, final_to, in_dialog, invite, request_to, response_to, shown,
};

const MIXED: &str = "multipart/mixed;boundary=\"in.10.1.0.10\"";
const OTHER: &str =
    "v=0\r\no=- 9 9 IN IP4 203.0.113.66\r\ns=-\r\nc=IN IP4 203.0.113.66\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

fn mixed(parts: &[(&str, &str)]) -> String {
    let part =
        |(head, body): &(&str, &str)| format!("--in.10.1.0.10\r\nContent-Type: {head}\r\n\r\n{body}\r\n");
    format!("a preamble\r\n{}--in.10.1.0.10--\r\n", parts.iter().map(part).collect::<String>())
}

fn bear(message: &mut Sip, kind: &str, body: &str) {
    message.headers.retain(|(name, _)| name != "Content-Type");
    if !kind.is_empty() {
        message.add("Content-Type", kind);
    }
    message.body = body.as_bytes().to_vec();
}

/// Bodies that no two readers read alike, or that are no session description; the alert of each in a response.
fn spoilt() -> Vec<(&'static str, String, u32)> {
    vec![
        (MIXED, mixed(&[("application/sdp", SDP), ("application/sdp", OTHER)]), 39106),
        (
            MIXED,
            mixed(&[("application/sdp", SDP), ("multipart/mixed;boundary=b", "--b\r\n\r\nx\r\n--b--")]),
            39106,
        ),
        (MIXED, mixed(&[("application/sdp\r\nContent-Transfer-Encoding: base64", "dj0w")]), 39106),
        (MIXED, mixed(&[("application/sdp", SDP), ("message/sip", "INVITE sip:x SIP/2.0")]), 39106),
        (MIXED, "--other\r\n\r\nx".to_owned(), 39106),
        (MIXED, mixed(&[("text/plain", "hello")]), 32102),
        ("text/html", "<html>".to_owned(), 32102),
        ("", SDP.to_owned(), 32102),
    ]
}

fn rings(site: &mut Site, mark: &str) -> (Sip, Sip) {
    let call = invite(mark, "+12125550100");
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    (call, leaving)
}

fn by_callee(leaving: &Sip, status: u16, kind: &str, body: &str) -> Sip {
    let mut response = Sip::response(leaving, status, "Said", "callee");
    response.add("Contact", &format!("<sip:callee@{TRUNK}>"));
    bear(&mut response, kind, body);
    response
}

/// The body of what went to an address is this one, or none, and nothing else of the odd one is told.
fn holds(message: &Sip, body: &str) {
    assert_eq!(String::from_utf8_lossy(&message.body), body);
    let kind = message.header("Content-Type");
    assert_eq!(kind, (!body.is_empty()).then_some("application/sdp"), "{message:?}");
}

fn answers_bye(site: &mut Site, sent: &Sent, at: &str) {
    let bye = request_to(sent, at, "BYE").unwrap_or_else(|| panic!("no BYE to {at}: {}", shown(sent)));
    site.send(at, &Sip::response(&bye, 200, "OK", "x"));
}

#[test]
fn e6_an_odd_body_of_a_caller_is_refused_before_any_leg() {
    for (index, (kind, body, code)) in spoilt().into_iter().enumerate() {
        let mut site = Site::new();
        let mut call = invite(&format!("odd{index}"), "+12125550100");
        bear(&mut call, kind, &body);
        let sent = site.send(PBX, &call);
        assert_eq!(final_to(&sent, PBX), Some(415), "{kind} {body}: {}", shown(&sent));
        assert!(request_to(&sent, TRUNK, "INVITE").is_none());
        assert!(site.alerted(code), "{kind} {body}: {:?}", site.alerts);
    }
}

#[test]
fn e6_the_one_session_description_of_a_multipart_crosses_alone() {
    let mut site = Site::new();
    let mut call = invite("parts", "+12125550100");
    let isup = "application/ISUP\r\nContent-Disposition: signal;handling=optional";
    bear(&mut call, MIXED, &mixed(&[(isup, "secret"), ("application/sdp", SDP)]));
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    holds(&leaving, SDP);
    for status in [183, 200] {
        let said = by_callee(&leaving, status, MIXED, &mixed(&[("application/sdp", SDP), (isup, "secret")]));
        let sent = site.send(TRUNK, &said);
        holds(&response_to(&sent, PBX, status).unwrap_or_else(|| panic!("{}", shown(&sent))), SDP);
    }
    assert!(site.alerts.is_empty(), "{:?}", site.alerts);
}

/// RFC 3261 §20.11: who may ignore it does, and it is then as if it had not come.
#[test]
fn e6_a_body_that_may_be_left_out_is() {
    let isup = "application/ISUP\r\nContent-Disposition: signal;handling=optional";
    for (kind, body) in [(isup, "secret".to_owned()), (MIXED, mixed(&[(isup, "secret")]))] {
        let mut site = Site::new();
        let mut call = invite("spare", "+12125550100");
        bear(&mut call, kind, &body);
        let sent = site.send(PBX, &call);
        let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        holds(&leaving, "");
        let sent = site.send(TRUNK, &by_callee(&leaving, 200, "application/sdp", SDP));
        holds(&response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent))), SDP);
        assert!(site.alerts.is_empty(), "{:?}", site.alerts);
    }
}

/// What a 200 must hold it holds, or there is no call: no phone talks by an answer that was never judged, or by none.
#[test]
fn e6_an_odd_answer_ends_the_call_on_both_legs() {
    for late in [false, true] {
        for (kind, body, code) in spoilt() {
            let mut site = Site::new();
            let mut call = invite("odd", "+12125550100");
            if late {
                bear(&mut call, "", "");
            }
            let sent = site.send(PBX, &call);
            let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
            let sent = site.send(TRUNK, &by_callee(&leaving, 200, kind, &body));
            assert_eq!(final_to(&sent, PBX), Some(500), "{kind} {body}: {}", shown(&sent));
            assert!(request_to(&sent, TRUNK, "ACK").is_some(), "{}", shown(&sent));
            assert!(site.alerted(code), "{kind} {body}: {:?}", site.alerts);
            answers_bye(&mut site, &sent, TRUNK);
            assert_eq!(site.records[0].status, 500);
            assert_eq!(site.records[0].code, Some(32102));
            site.must_become_empty();
        }
    }
}

#[test]
fn e6_an_odd_body_of_a_ringing_response_stays_behind_and_the_call_lives() {
    for (kind, body, code) in spoilt() {
        let mut site = Site::new();
        let (_, leaving) = rings(&mut site, "odd");
        let sent = site.send(TRUNK, &by_callee(&leaving, 183, kind, &body));
        holds(&response_to(&sent, PBX, 183).unwrap_or_else(|| panic!("{}", shown(&sent))), "");
        assert!(site.alerted(code), "{kind} {body}: {:?}", site.alerts);
        let sent = site.send(TRUNK, &by_callee(&leaving, 200, "application/sdp", SDP));
        holds(&response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent))), SDP);
    }
}

/// The answer was hidden in what rang, and the 200 leaves it out: there is none.
#[test]
fn e6_an_answer_hidden_in_what_rang_is_none() {
    let mut site = Site::new();
    let (_, leaving) = rings(&mut site, "rang");
    let (kind, body, _) = spoilt().remove(0);
    site.send(TRUNK, &by_callee(&leaving, 183, kind, &body));
    let sent = site.send(TRUNK, &by_callee(&leaving, 200, "", ""));
    assert_eq!(final_to(&sent, PBX), Some(500), "{}", shown(&sent));
    answers_bye(&mut site, &sent, TRUNK);
    site.must_become_empty();
}

/// RFC 3264 §4: an offer is answered. What rang may have held the answer, and then the 200 holds it here; where nobody has
/// described anything that is told, and the callers of test rigs go on.
#[test]
fn e6_an_offer_that_nobody_answers_is_told_and_nothing_is_put_in_its_place() {
    let spare = "application/ISUP\r\nContent-Disposition: signal;handling=optional";
    for (kind, body) in [("", ""), (spare, "secret")] {
        let mut site = Site::new();
        let (_, leaving) = rings(&mut site, "bare");
        let sent = site.send(TRUNK, &by_callee(&leaving, 200, kind, body));
        let ok = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert!(ok.body.is_empty() && ok.header("Content-Type").is_none(), "{}", shown(&sent));
        assert!(request_to(&sent, TRUNK, "ACK").is_some(), "{}", shown(&sent));
        assert!(site.alerted(32102), "{:?}", site.alerts);
    }
    let mut site = Site::new();
    let (_, leaving) = rings(&mut site, "before");
    for sdp in [SDP, OTHER] {
        site.send(TRUNK, &by_callee(&leaving, 183, "application/sdp", sdp));
    }
    let sent = site.send(TRUNK, &by_callee(&leaving, 200, "", ""));
    holds(&response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent))), OTHER);
    assert!(site.alerts.is_empty(), "{:?}", site.alerts);
    // Without an offer there is nothing to be answered.
    let mut site = Site::new();
    let mut call = invite("late", "+12125550100");
    bear(&mut call, "", "");
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let sent = site.send(TRUNK, &by_callee(&leaving, 200, "", ""));
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
}

/// A refusal needs no body; an odd one stays behind, whatever it is.
#[test]
fn e6_the_odd_body_of_a_refusal_stays_behind() {
    for (kind, body, _) in spoilt() {
        let mut site = Site::new();
        let (_, leaving) = rings(&mut site, "refused");
        let sent = site.send(TRUNK, &by_callee(&leaving, 488, kind, &body));
        holds(&response_to(&sent, PBX, 488).unwrap_or_else(|| panic!("{}", shown(&sent))), "");
    }
}

fn odd_answer_within(method: &str) {
    for (kind, body, code) in spoilt() {
        let mut site = Site::new();
        let Call { invite_a, ok_a, .. } = up(&mut site);
        let mut asks = in_dialog(&invite_a, &ok_a, method, 2, "again");
        // Another one than stands: what changes nothing never crosses.
        bear(&mut asks, "application/sdp", OTHER);
        let sent = site.send(PBX, &asks);
        let crossed = request_to(&sent, TRUNK, method).unwrap_or_else(|| panic!("{}", shown(&sent)));
        let sent = site.send(TRUNK, &by_callee(&crossed, 200, kind, &body));
        let final_statuses: Vec<_> =
            crate::site::to(&sent, PBX).filter_map(|message| message.status()).collect();
        assert_eq!(final_statuses, [500], "{method} {kind} {body}: {}", shown(&sent));
        assert_eq!(request_to(&sent, TRUNK, "ACK").is_some(), method == "INVITE");
        assert!(site.alerted(code), "{kind} {body}: {:?}", site.alerts);
        answers_bye(&mut site, &sent, TRUNK);
        answers_bye(&mut site, &sent, PBX);
        site.must_become_empty();
    }
}

/// A call whose callee takes UPDATE.
fn up(site: &mut Site) -> Call {
    let (invite_a, invite_b) = rings(site, "up");
    let mut ok_b = by_callee(&invite_b, 200, "application/sdp", SDP);
    ok_b.add("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, INFO");
    let sent = site.send(TRUNK, &ok_b);
    let ok_a = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(PBX, &ack(&invite_a, &ok_a, "z9hG4bKackup"));
    Call { invite_a, ok_a, invite_b, ok_b }
}

#[test]
fn e6_an_odd_answer_to_a_reinvite_ends_the_call_on_both_legs() {
    odd_answer_within("INVITE");
}

#[test]
fn e6_an_odd_answer_to_an_update_ends_the_call_on_both_legs() {
    odd_answer_within("UPDATE");
}

/// Nothing that is no session carries one, or hides what it carries; what answers it carries nothing.
#[test]
fn e6_an_info_carries_one_thing_in_the_open_and_its_answer_nothing() {
    let relay = "Signal=5\r\nDuration=160\r\n";
    for (kind, body, status) in [
        ("application/dtmf-relay;x=10.1.0.10", relay.to_owned(), None),
        ("application/sdp", SDP.to_owned(), Some(415)),
        (MIXED, mixed(&[("application/sdp", SDP)]), Some(415)),
        ("message/sip", "INVITE sip:x SIP/2.0".to_owned(), Some(415)),
        ("", relay.to_owned(), Some(415)),
    ] {
        let mut site = Site::new();
        let Call { invite_a, ok_a, .. } = up(&mut site);
        let mut info = in_dialog(&invite_a, &ok_a, "INFO", 2, "info");
        bear(&mut info, kind, &body);
        let sent = site.send(PBX, &info);
        assert_eq!(final_to(&sent, PBX), status, "{kind}: {}", shown(&sent));
        let crossed = request_to(&sent, TRUNK, "INFO");
        assert_eq!(crossed.is_some(), status.is_none(), "{kind}");
        if let Some(crossed) = crossed {
            assert_eq!(crossed.header("Content-Type"), Some("application/dtmf-relay"));
            assert_eq!(crossed.body, relay.as_bytes());
            let sent = site.send(TRUNK, &by_callee(&crossed, 200, "application/sdp", OTHER));
            holds(&response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent))), "");
        } else {
            assert!(site.alerted(39106), "{:?}", site.alerts);
        }
    }
}

/// What a BYE brings beside its Reason stays behind.
#[test]
fn e6_the_body_of_a_bye_stays_behind() {
    let mut site = Site::new();
    let Call { invite_a, ok_a, .. } = up(&mut site);
    let mut bye = in_dialog(&invite_a, &ok_a, "BYE", 2, "end");
    bye.add("Reason", "Q.850;cause=16");
    bear(&mut bye, "application/QSIG", "secret");
    let sent = site.send(PBX, &bye);
    let crossed = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    holds(&crossed, "");
    assert_eq!(crossed.header("Reason"), Some("Q.850;cause=16"));
}

/// A response whose length lies: octets past it are noise and are cut, and one that ends before it was never whole.
#[test]
fn f2_lengths_that_lie_in_responses() {
    let length = SDP.len();
    let hidden = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1:5060\r\n\r\n";
    for (said, tail, crosses) in [
        (length.to_string(), "", true),
        (length.to_string(), hidden, true),
        ((length + 1).to_string(), "", false),
        ("99999".to_owned(), "", false),
        ("-1".to_owned(), "", false),
        ("4294967296".to_owned(), "", false),
        (format!("+{length}"), "", false),
        (format!("0x{length:x}"), "", false),
        (format!("{length}\r\nContent-Length: 0"), "", false),
    ] {
        let mut site = Site::new();
        let (_, leaving) = rings(&mut site, "length");
        let mut ok = by_callee(&leaving, 200, "application/sdp", SDP);
        ok.headers.retain(|(name, _)| name != "Content-Length");
        let text = String::from_utf8(ok.write()).unwrap();
        let honest = format!("Content-Length: {length}\r\n");
        assert!(text.contains(&honest), "the writer says how long it is: {text}");
        let lying = text.replace(&honest, &format!("Content-Length: {said}\r\n")) + tail;
        let sent = site.raw(TRUNK, lying.as_bytes());
        let heard = response_to(&sent, PBX, 200);
        assert_eq!(heard.is_some(), crosses, "{said}: {}", shown(&sent));
        match heard {
            Some(heard) => holds(&heard, SDP),
            None => {
                // The call waits for an answer that can be read, and lives.
                let sent = site.send(TRUNK, &ok);
                assert!(response_to(&sent, PBX, 200).is_some(), "{said}: {}", shown(&sent));
            }
        }
        site.pass(2 * SECOND);
    }
    // Shorter than what is there, and nobody can know: what is left is read as it stands, and nothing behind it.
    let mut site = Site::new();
    let (_, leaving) = rings(&mut site, "short");
    let ok = by_callee(&leaving, 200, "application/sdp", SDP);
    let text = String::from_utf8(ok.write()).unwrap();
    let lying = text.replace(&format!("Content-Length: {length}"), "Content-Length: 0");
    assert_ne!(lying, text);
    let sent = site.raw(TRUNK, lying.as_bytes());
    assert_eq!(final_to(&sent, PBX), Some(500), "{}", shown(&sent));
}

/// E6: the ACK that should answer a late offer holds a body that may be left out: nothing of it crosses, and the call ends
/// as any other.
#[test]
fn e6_a_body_that_may_be_left_out_of_an_ack_stays_behind() {
    let isup = "application/ISUP\r\nContent-Disposition: session;handling=optional";
    for (kind, body) in [(isup, SDP.to_owned()), (MIXED, mixed(&[(isup, SDP)]))] {
        let mut site = Site::new();
        let mut call = invite("late", "+12125550100");
        bear(&mut call, "", "");
        let sent = site.send(PBX, &call);
        let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        let sent = site.send(TRUNK, &by_callee(&leaving, 200, "application/sdp", SDP));
        let ok = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
        let mut acks = ack(&call, &ok, "z9hG4bKspare");
        bear(&mut acks, kind, &body);
        let sent = site.send(PBX, &acks);
        let acked = request_to(&sent, TRUNK, "ACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
        holds(&acked, "");
        let sent = site.send(PBX, &in_dialog(&call, &ok, "BYE", 900, "bye"));
        answers_bye(&mut site, &sent, TRUNK);
        site.must_become_empty();
    }
}
