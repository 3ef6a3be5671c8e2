//! Blame and time: who makes a trunk look ill, holds a call open that nobody answers, or puts a lie into its record.

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{
    PBX, SDP, Site, TRUNK, TRUNK2, ack, by_callee, in_dialog, invite, request_to, response_to, shown, to,
};

fn rung(site: &mut Site, mark: &str, lines: &[(&str, &str)]) -> (Sip, Sip) {
    let mut call = invite(mark, "+12125550100");
    for (name, value) in lines {
        call.add(name, value);
    }
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    (call, leaving)
}

/// Early media that the caller must acknowledge, then an answer that waits for it.
fn held(site: &mut Site, mark: &str) -> (Sip, Sip) {
    let (call, leaving) = rung(site, mark, &[("Supported", "100rel")]);
    let mut media = Sip::response(&leaving, 183, "Session Progress", "callee");
    media.add("Contact", &format!("<sip:callee@{TRUNK}>")).add("Require", "100rel").add("RSeq", "7").sdp(SDP);
    let sent = site.send(TRUNK, &media);
    let heard = response_to(&sent, PBX, 183).unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    assert!(site.send(TRUNK, &ok).is_empty());
    (call, heard)
}

/// Anybody can own a number that never rings; the trunk said 100, so it lives.
#[test]
fn c8_a_number_that_never_rings_takes_no_trunk_down() {
    let shape = Shape { post_dial_max: "5s", key: "probe: 1h", ..Shape::default() };
    let mut site = Site::of(&yaml(&shape));
    let (_, leaving) = rung(&mut site, "silent", &[]);
    site.send(TRUNK, &Sip::response(&leaving, 100, "Trying", ""));
    let sent = site.pass(6 * SECOND);
    assert!(request_to(&sent, TRUNK2, "INVITE").is_some(), "{}", shown(&sent));
    assert!(!site.alerted(32011), "{:?}", site.alerts);
    rung(&mut site, "next", &[]);
}

/// The far side counts from its 200; a caller that keeps it waiting must not make the call look as if nobody answered.
#[test]
fn c9_an_answer_that_the_caller_never_let_through_stands_in_the_record() {
    let mut site = Site::new();
    held(&mut site, "unpaid");
    let sent = site.pass(40 * SECOND);
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    let record = site.records.first().unwrap();
    assert_eq!(record.legs[1].status, Some(200), "{record:?}");
    site.pass(64 * SECOND);
    site.must_become_empty();
}

/// One PRACK after the other, each late: the callee's patience ends before the caller's last one is due.
#[test]
fn c9_a_slow_caller_is_not_said_to_have_hung_up() {
    let mut site = Site::new();
    let (call, leaving) = rung(&mut site, "slow", &[("Supported", "100rel")]);
    let mut first = None;
    for rseq in [7, 8] {
        let mut media = Sip::response(&leaving, 183, "Session Progress", "callee");
        media.add("Contact", &format!("<sip:callee@{TRUNK}>"));
        media.add("Require", "100rel").add("RSeq", &rseq.to_string()).sdp(SDP);
        let sent = site.send(TRUNK, &media);
        first = first.or_else(|| response_to(&sent, PBX, 183));
    }
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    site.send(TRUNK, &ok);
    site.pass(30 * SECOND);
    let first = first.unwrap();
    let mut prack = in_dialog(&call, &first, "PRACK", 2, "late");
    prack.add("RAck", &format!("{} 1 INVITE", first.header("RSeq").unwrap()));
    let sent = site.send(PBX, &prack);
    let crossed = request_to(&sent, TRUNK, "PRACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&crossed, 200, "OK", "callee"));
    let sent = site.pass(4 * SECOND);
    assert!(response_to(&sent, PBX, 500).is_some(), "{}", shown(&sent));
    assert!(site.alerted(32022));
    let record = format!("{:?}", site.records.first().unwrap());
    assert!(record.contains("ended_by: Edge"), "{record}");
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    site.pass(64 * SECOND);
    site.must_become_empty();
}

/// A forged Call-ID must not make a message of one side look like the other's.
#[test]
fn f10_the_record_tells_whose_message_it_was() {
    let mut site = Site::new();
    let call = site.establish("whose");
    let mut bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 2, "other");
    bye.set("Call-ID", "of-nobody");
    assert!(response_to(&site.send(PBX, &bye), PBX, 481).is_some());
    let sent = site.send(TRUNK, &by_callee(&call, "INFO", 3, "info"));
    let info = request_to(&sent, PBX, "INFO").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut answer = Sip::response(&info, 200, "OK", "x");
    answer.set("Call-ID", "of-nobody");
    site.send(PBX, &answer);
    site.hang_up(&call);
    let record = site.records.first().unwrap();
    let told: Vec<String> = record.messages.list().iter().map(ToString::to_string).collect();
    let has = |end: &str| told.iter().any(|line| line.ends_with(end));
    assert!(has(" 0> BYE") && !has(" 1> BYE"), "{told:?}");
    assert!(has(" 0> 200 INFO") && !has(" 1> 200 INFO"), "{told:?}");
    site.must_become_empty();
}

/// Heard and never answered: the re-INVITE must not hold off every other, nor hide that the peer is dead.
#[test]
fn c7_a_reinvite_that_is_never_answered_comes_to_an_end() {
    let mut site = Site::new();
    let call = site.establish("stuck");
    let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "INVITE", 2, "re"));
    let crossed = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&crossed, 100, "Trying", ""));
    let sent = site.pass(220 * SECOND);
    assert!(request_to(&sent, TRUNK, "CANCEL").is_some(), "{}", shown(&sent));
    assert!(response_to(&sent, PBX, 500).is_some(), "{}", shown(&sent));
    assert!(request_to(&sent, PBX, "BYE").is_some() && request_to(&sent, TRUNK, "BYE").is_some());
    site.pass(64 * SECOND);
    site.must_become_empty();
}

/// A peer that says 100 to the refresh and nothing more is not alive.
#[test]
fn c7_a_refresh_that_is_never_answered_ends_the_call() {
    let shape = Shape { session_timer: "session_expires: 90s, min_se: 90s", ..Shape::default() };
    let mut site = Site::of(&yaml(&shape));
    site.establish("refresh");
    let (mut trying, mut ended) = (0, false);
    for _ in 0..60 {
        let sent = site.pass(5 * SECOND);
        // The caller's side is well.
        for refresh in to(&sent, PBX).filter(|message| message.status().is_none()) {
            let mut ok = Sip::response(&refresh, 200, "OK", "x");
            if refresh.method() == "INVITE" {
                ok.add("Contact", &format!("<sip:caller@{PBX}>")).sdp(SDP);
            }
            site.send(PBX, &ok);
        }
        for message in to(&sent, TRUNK).filter(|message| message.status().is_none()) {
            match message.method() {
                "INVITE" => {
                    trying += 1;
                    site.send(TRUNK, &Sip::response(&message, 100, "Trying", ""));
                }
                "BYE" => ended = true,
                _ => {}
            }
        }
    }
    assert!(trying == 1 && ended, "{trying} {ended}");
    assert!(site.alerted(39109), "{:?}", site.alerts);
    assert_eq!(site.records.len(), 1);
    site.pass(100 * SECOND);
    site.must_become_empty();
}

/// An ACK cannot be refused; what no INVITE may carry does not cross in it either.
#[test]
fn e6_an_ack_carries_session_descriptions_alone() {
    for (kind, coding) in [("text/plain", None), ("message/sip", None), ("application/sdp", Some("gzip"))] {
        let mut site = Site::new();
        let mut late = invite("late", "+12125550100");
        late.body.clear();
        late.headers.retain(|(name, _)| name != "Content-Type");
        let sent = site.send(PBX, &late);
        let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        let mut ok = Sip::response(&leaving, 200, "OK", "callee");
        ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        let sent = site.send(TRUNK, &ok);
        let answer = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
        let mut hidden = ack(&late, &answer, "z9hG4bKhidden");
        hidden.add("Content-Type", kind).body = b"secret".to_vec();
        if let Some(coding) = coding {
            hidden.add("Content-Encoding", coding);
        }
        assert!(site.send(PBX, &hidden).is_empty(), "{kind}");
        let sent = site.pass(40 * SECOND);
        let ack = request_to(&sent, TRUNK, "ACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert!(String::from_utf8_lossy(&ack.body).contains("m=audio 0 "), "{}", shown(&sent));
        assert!(request_to(&sent, TRUNK, "BYE").is_some());
        site.pass(64 * SECOND);
        site.must_become_empty();
    }
}

/// Where a leg's requests go follows its own peer's new requests, and no guess, copy or other peer.
#[test]
fn d2_no_forged_request_turns_a_leg_elsewhere() {
    let mut site = Site::new();
    let call = site.establish("turn");
    let honest = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 2, "honest");
    site.send(PBX, &honest);
    for (index, from) in ["192.0.2.66:5060", "10.1.0.11:5060", TRUNK].into_iter().enumerate() {
        let forged = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 50, &format!("other{index}"));
        site.send(from, &forged);
    }
    // From another port of the right source: a wrong From tag, another Call-ID, and a number that was used.
    let mut tag = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 60, "tag");
    tag.set("From", &format!("<sip:2001@{PBX}>;tag=wrong"));
    let mut id = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 61, "id");
    id.set("Call-ID", "of-nobody");
    let old = in_dialog(&call.invite_a, &call.ok_a, "OPTIONS", 2, "old");
    for forged in [tag, id, old] {
        site.send("10.1.0.10:6666", &forged);
    }
    let sent = site.send(TRUNK, &by_callee(&call, "BYE", 2, "end"));
    assert!(request_to(&sent, PBX, "BYE").is_some(), "{}", shown(&sent));
    let bye = request_to(&sent, PBX, "BYE").unwrap();
    site.send(PBX, &Sip::response(&bye, 200, "OK", "x"));
    site.must_become_empty();
}

/// The largest numbers there are, in every header that counts or times.
#[test]
fn f3_the_largest_numbers_overflow_nothing() {
    let mut site = Site::new();
    let lines = [("Supported", "100rel, timer"), ("Session-Expires", "4294967295"), ("Min-SE", "4294967295")];
    let (call, leaving) = rung(&mut site, "large", &lines);
    let mut media = Sip::response(&leaving, 183, "Session Progress", "callee");
    media.add("Contact", &format!("<sip:callee@{TRUNK}>")).add("Require", "100rel");
    media.add("RSeq", "4294967295").sdp(SDP);
    let sent = site.send(TRUNK, &media);
    let heard = response_to(&sent, PBX, 183).unwrap_or_else(|| panic!("{}", shown(&sent)));
    media.set("RSeq", "1");
    assert!(site.send(TRUNK, &media).is_empty(), "RSeq never wraps");
    let mut prack = in_dialog(&call, &heard, "PRACK", 2_147_483_646, "large");
    prack.add("RAck", "4294967295 2147483647 INVITE");
    assert!(response_to(&site.send(PBX, &prack), PBX, 481).is_some());
    let mut prack = in_dialog(&call, &heard, "PRACK", 2_147_483_647, "right");
    prack.add("RAck", &format!("{} 1 INVITE", heard.header("RSeq").unwrap()));
    let sent = site.send(PBX, &prack);
    let crossed = request_to(&sent, TRUNK, "PRACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(crossed.header("RAck"), Some("4294967295 1 INVITE"));
    site.send(TRUNK, &Sip::response(&crossed, 200, "OK", "callee"));
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).add("Require", "timer");
    ok.add("Session-Expires", "4294967295;refresher=uas").sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    let answer = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(answer.header("Session-Expires").unwrap_or_default().starts_with("86400"), "{answer:?}");
    site.send(PBX, &ack(&call, &answer, "z9hG4bKacklarge"));
    // Neither day-long interval outlives the cap on the call.
    let mut ended = Vec::new();
    for _ in 0..50 {
        ended.extend(site.pass(300 * SECOND));
    }
    assert!(request_to(&ended, TRUNK, "BYE").is_some() && request_to(&ended, PBX, "BYE").is_some());
    site.must_become_empty();
}

/// Forks, each with early media that waits for a PRACK: what one call holds of them is bounded, and it goes on.
#[test]
fn f3_early_media_without_end_fills_no_memory() {
    let mut site = Site::new();
    let (_, leaving) = rung(&mut site, "fills", &[("Supported", "100rel")]);
    let sdp = format!("{SDP}{}", "a=x:0123456789012345678901234567890123456789\r\n".repeat(400));
    let mut crossed = 0;
    for fork in 0..8 {
        for rseq in 7..12 {
            let mut media = Sip::response(&leaving, 183, "Session Progress", &format!("fork{fork}"));
            media.add("Contact", &format!("<sip:callee@{TRUNK}>"));
            media.add("Require", "100rel").add("RSeq", &rseq.to_string()).sdp(&sdp);
            crossed += to(&site.send(TRUNK, &media), PBX).count();
        }
    }
    // 5 of the first fork (one said, four that wait), then as many as 128 KiB hold.
    let size = sdp.len();
    assert!(crossed <= 2 && 8 * size > 128 * 1024, "{crossed} of {size} octets");
    assert!(site.alerted(39105), "{:?}", site.alerts);
    let told = site.alerts.iter().filter(|alert| alert.code.number == 39105).count();
    assert_eq!(told, 1, "once for each call");
    let mut ok = Sip::response(&leaving, 200, "OK", "fork9");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
}

/// RFC 3323: rather no call than one without the privacy that is asked for; what the edge gives, it gives.
#[test]
fn b10_critical_privacy_is_given_or_the_call_refused() {
    for (privacy, status) in [
        ("session;critical", Some(500)),
        ("user;session;critical", Some(500)),
        ("critical;nobody-knows", Some(500)),
        ("session", None),
        ("nobody-knows", None),
        ("header;user;id;history;critical", None),
        ("critical", None),
        ("none;session;critical", None),
    ] {
        let mut site = Site::new();
        let mut call = invite("private", "+12125550100");
        call.add("Privacy", privacy);
        let sent = site.send(PBX, &call);
        let refused = crate::site::final_to(&sent, PBX);
        assert_eq!(refused, status, "{privacy}: {}", shown(&sent));
        assert_eq!(request_to(&sent, TRUNK, "INVITE").is_some(), status.is_none(), "{privacy}");
        assert_eq!(site.alerted(32114), status.is_some(), "{privacy}: {:?}", site.alerts);
    }
}

/// A session that the edge is to refresh, and nothing to refresh it with: no UPDATE, and nobody has described a session.
#[test]
fn f3_a_session_with_nothing_to_refresh_it_with_ends_and_holds_up_nobody() {
    let mut site = Site::new();
    let lines = [
        ("Supported", "timer"),
        ("Session-Expires", "90;refresher=uas"),
        ("Allow", "INVITE, ACK, BYE, CANCEL"),
    ];
    let mut call = invite("bare", "+12125550100");
    call.body.clear();
    call.headers.retain(|(name, _)| name != "Content-Type");
    lines.iter().for_each(|(name, value)| {
        call.add(name, value);
    });
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>"));
    let sent = site.send(TRUNK, &ok);
    let answer = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(PBX, &ack(&call, &answer, "z9hG4bKackbare"));
    let ended = site.pass(120 * SECOND);
    assert!(request_to(&ended, TRUNK, "BYE").is_some(), "{}", shown(&ended));
    assert!(request_to(&ended, PBX, "BYE").is_some(), "{}", shown(&ended));
    assert!(site.alerted(39109));
    site.must_become_empty();
}

/// What an INFO carries is no session description: the leg is refreshed by what stands all the same.
#[test]
fn a_digit_in_mid_call_takes_no_refresh_away() {
    let mut site = Site::new();
    let lines = [
        ("Supported", "timer"),
        ("Session-Expires", "90;refresher=uas"),
        ("Allow", "INVITE, ACK, BYE, CANCEL, INFO"),
    ];
    let (call, leaving) = rung(&mut site, "digit", &lines);
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    let answer = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(PBX, &ack(&call, &answer, "z9hG4bKackdigit"));
    let of_b = crate::site::Call { invite_a: call, ok_a: answer, invite_b: leaving, ok_b: ok };
    let mut info = by_callee(&of_b, "INFO", 2, "digit");
    info.sdp("Signal=1\r\n").set("Content-Type", "application/dtmf-relay");
    let sent = site.send(TRUNK, &info);
    let crossed = request_to(&sent, PBX, "INFO").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(PBX, &Sip::response(&crossed, 200, "OK", "x"));
    let sent = site.pass(50 * SECOND);
    let refresh = request_to(&sent, PBX, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(refresh.has_sdp(), "{refresh:?}");
}
