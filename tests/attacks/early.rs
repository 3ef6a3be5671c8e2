//! Early dialogs under attack: forks without end, acknowledgements of nothing, extensions that are closed.

use super::site::{PBX, SDP, Site, TRUNK, in_dialog, invite, request_to, response_to, shown, to};
use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;

/// Early dialogs that the edge keeps for one call.
const EARLY_DIALOGS_MAX: usize = 8;

/// The INVITE of a caller with these lines more, and what the edge makes of it.
fn calling(site: &mut Site, mark: &str, lines: &[(&str, &str)]) -> (Sip, Sip) {
    let mut call = invite(mark, "+12125550100");
    for (name, value) in lines {
        call.add(name, value);
    }
    let sent = site.send(PBX, &call);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    (call, leaving)
}

fn ringing(invite: &Sip, status: u16, tag: &str, rseq: u32) -> Sip {
    let mut ringing = Sip::response(invite, status, "Ringing", tag);
    ringing.add("Contact", &format!("<sip:{tag}@{TRUNK}>"));
    if rseq > 0 {
        ringing.add("Require", "100rel").add("RSeq", &rseq.to_string());
    }
    ringing
}

fn prack(call: &Sip, ringing: &Sip, cseq: u32) -> Sip {
    let mut prack = in_dialog(call, ringing, "PRACK", cseq, "prack");
    prack.add("RAck", &format!("{} 1 INVITE", ringing.header("RSeq").unwrap_or("1")));
    prack
}

/// Ends a call that rings: CANCEL, 487 on both legs, ACK.
fn cancelled(site: &mut Site, call: &Sip, leaving: &Sip) {
    let mut cancel = call.clone();
    cancel.start = Sip::request("CANCEL", call.uri()).start;
    cancel.headers.retain(|(name, _)| name != "Content-Type");
    cancel.body.clear();
    cancel.set("CSeq", "1 CANCEL");
    let sent = site.send(PBX, &cancel);
    assert!(request_to(&sent, TRUNK, "CANCEL").is_some(), "{}", shown(&sent));
    let refused = response_to(&sent, PBX, 487).unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut ack = Sip::request("ACK", call.uri());
    for name in ["Via", "From", "Call-ID", "Max-Forwards"] {
        ack.add(name, call.header(name).unwrap_or_default());
    }
    ack.add("To", refused.header("To").unwrap_or_default()).add("CSeq", "1 ACK");
    site.send(PBX, &ack);
    site.send(TRUNK, &Sip::response(leaving, 487, "Request Terminated", "end"));
}

#[test]
fn forks_without_end_are_bounded_and_told_once() {
    let mut site = Site::new();
    let (call, leaving) = calling(&mut site, "forks", &[]);
    let mut tags = std::collections::BTreeSet::new();
    for fork in 0..60 {
        let sent = site.send(TRUNK, &ringing(&leaving, 180, &format!("fork{fork}"), 0));
        tags.extend(to(&sent, PBX).filter_map(|message| message.to_tag().map(str::to_owned)));
    }
    assert_eq!(
        tags.len(),
        EARLY_DIALOGS_MAX,
        "each early dialog of the callee's has one of its own: {tags:?}"
    );
    let told = site.alerts.iter().filter(|alert| alert.code.number == 39105).count();
    assert_eq!(told, 1);
    // Whoever answers is heard, whether it rang within the bound or not.
    let mut ok = Sip::response(&leaving, 200, "OK", "fork40");
    ok.add("Contact", &format!("<sip:fork40@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    let answer = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(!tags.contains(answer.to_tag().unwrap()), "another dialog is another tag");
    site.send(PBX, &super::site::ack(&call, &answer, "z9hG4bKackforks"));
    // The losing early dialogs are gone.
    for tag in &tags {
        let mut bye = in_dialog(&call, &answer, "BYE", 2, tag);
        bye.set("To", &format!("<sip:x@10.1.0.1>;tag={tag}"));
        let sent = site.send(PBX, &bye);
        assert!(response_to(&sent, PBX, 481).is_some(), "{}", shown(&sent));
    }
    let bye = in_dialog(&call, &answer, "BYE", 3, "end");
    let sent = site.send(PBX, &bye);
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(bye.to_tag() == Some("fork40"), "{}", shown(&sent));
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    site.must_become_empty();
}

#[test]
fn a_prack_that_names_nothing_acknowledges_nothing() {
    let mut site = Site::new();
    let (call, leaving) = calling(&mut site, "prack", &[("Supported", "100rel")]);
    let sent = site.send(TRUNK, &ringing(&leaving, 180, "callee", 7));
    let heard = response_to(&sent, PBX, 180).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(heard.header("Require"), Some("100rel"));
    assert_ne!(heard.header("RSeq"), Some("7"), "each leg counts for itself");
    let mut without = prack(&call, &heard, 2);
    without.headers.retain(|(name, _)| name != "RAck");
    let mut other = prack(&call, &heard, 3);
    other.set("RAck", "1 1 INVITE");
    let mut method = prack(&call, &heard, 4);
    method.set("RAck", &format!("{} 1 UPDATE", heard.header("RSeq").unwrap()));
    let mut secret = prack(&call, &heard, 5);
    secret.add("Content-Type", "text/plain").body = b"hello".to_vec();
    for (wrong, status) in [(without, 400), (other, 481), (method, 481), (secret, 415)] {
        let sent = site.send(PBX, &wrong);
        assert!(response_to(&sent, PBX, status).is_some(), "{status}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0, "{}", shown(&sent));
    }
    let sent = site.send(PBX, &prack(&call, &heard, 6));
    let crossed = request_to(&sent, TRUNK, "PRACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(crossed.header("RAck"), Some("7 1 INVITE"));
    let sent = site.send(TRUNK, &Sip::response(&crossed, 200, "OK", "callee"));
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
    // Acknowledged once; a new PRACK for the same response names nothing.
    let sent = site.send(PBX, &prack(&call, &heard, 7));
    assert!(response_to(&sent, PBX, 481).is_some(), "{}", shown(&sent));
    // A copy of the callee's response says nothing new, and one out of order is not acknowledged.
    for rseq in [7, 9, 1] {
        let sent = site.send(TRUNK, &ringing(&leaving, 183, "callee", rseq));
        assert!(sent.is_empty(), "RSeq {rseq}: {}", shown(&sent));
    }
    cancelled(&mut site, &call, &leaving);
    site.must_become_empty();
}

#[test]
fn responses_that_wait_for_prack_are_bounded() {
    let mut site = Site::new();
    let (call, leaving) = calling(&mut site, "wait", &[("Require", "100rel")]);
    let mut crossed = Vec::new();
    for _ in 0..500 {
        let sent = site.send(TRUNK, &ringing(&leaving, 180, "callee", 0));
        crossed.extend(to(&sent, PBX));
    }
    assert_eq!(crossed.len(), 1, "the next goes when this one is acknowledged");
    let mut acknowledged = 0;
    while let Some(heard) = crossed.pop() {
        acknowledged += 1;
        let sent = site.send(PBX, &prack(&call, &heard, 1 + acknowledged));
        assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
        crossed.extend(response_to(&sent, PBX, 180));
    }
    assert_eq!(acknowledged, 5, "one under way and four that wait");
    cancelled(&mut site, &call, &leaving);
    site.must_become_empty();
}

#[test]
fn what_a_peer_may_not_use_is_as_if_nobody_knew_it() {
    let text = yaml(&Shape::default()).replace("side: inside", "side: inside\n    extensions: [update]");
    let mut site = Site::of(&text);
    let mut requires = invite("closed", "+12125550100");
    requires.add("Require", "100rel");
    let sent = site.send(PBX, &requires);
    let refused = response_to(&sent, PBX, 420).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(refused.header("Unsupported"), Some("100rel"));
    // The offer is in the INVITE, so this edge acknowledges for the caller: towards the trunk it is open.
    let (call, leaving) = calling(&mut site, "closed2", &[("Supported", "100rel")]);
    assert!(leaving.lines("Supported").any(|line| line == "100rel"), "{leaving:?}");
    let sent = site.send(TRUNK, &ringing(&leaving, 180, "callee", 3));
    assert!(request_to(&sent, TRUNK, "PRACK").is_some(), "{}", shown(&sent));
    let heard = response_to(&sent, PBX, 180).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(heard.header("Require").is_none() && heard.header("RSeq").is_none(), "{heard:?}");
    let sent = site.send(PBX, &prack(&call, &heard, 2));
    assert!(response_to(&sent, PBX, 405).is_some(), "{}", shown(&sent));
    cancelled(&mut site, &call, &leaving);
    site.must_become_empty();
}

#[test]
fn nobody_acknowledges_an_offer_that_the_caller_cannot_answer() {
    let mut site = Site::new();
    let mut late = invite("late", "+12125550100");
    late.headers.retain(|(name, _)| name != "Content-Type");
    late.body.clear();
    let sent = site.send(PBX, &late);
    let leaving = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(!leaving.lines("Supported").any(|line| line.contains("100rel")), "{leaving:?}");
    let sent = site.send(TRUNK, &ringing(&leaving, 180, "callee", 3));
    assert!(request_to(&sent, TRUNK, "PRACK").is_none(), "{}", shown(&sent));
    let heard = response_to(&sent, PBX, 180).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(heard.header("RSeq").is_none(), "{heard:?}");
    cancelled(&mut site, &late, &leaving);
    site.must_become_empty();
}

#[test]
fn an_offer_on_top_of_an_open_one_is_refused_and_the_ringing_acknowledged() {
    let mut site = Site::new();
    let (call, leaving) = calling(&mut site, "twice", &[("Supported", "100rel")]);
    let sent = site.send(TRUNK, &ringing(&leaving, 180, "callee", 7));
    let heard = response_to(&sent, PBX, 180).unwrap_or_else(|| panic!("{}", shown(&sent)));
    // The offer in the INVITE is not answered yet.
    let mut offer = prack(&call, &heard, 2);
    offer.sdp(SDP);
    let sent = site.send(PBX, &offer);
    let refused = response_to(&sent, PBX, 500).unwrap_or_else(|| panic!("{}", shown(&sent)));
    let pause: u32 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!(pause <= 10, "{pause}");
    let crossed = request_to(&sent, TRUNK, "PRACK").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(!crossed.has_sdp() && crossed.header("RAck") == Some("7 1 INVITE"), "{}", shown(&sent));
    site.send(TRUNK, &Sip::response(&crossed, 200, "OK", "callee"));
    cancelled(&mut site, &call, &leaving);
    site.must_become_empty();
}

#[test]
fn an_answer_that_waits_for_a_prack_that_never_comes_is_ended_on_both_legs() {
    let mut site = Site::new();
    let (_, leaving) = calling(&mut site, "held", &[("Supported", "100rel")]);
    let mut media = ringing(&leaving, 183, "callee", 7);
    media.sdp(SDP);
    let sent = site.send(TRUNK, &media);
    assert!(response_to(&sent, PBX, 183).is_some(), "{}", shown(&sent));
    let mut ok = Sip::response(&leaving, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    for _ in 0..3 {
        let sent = site.send(TRUNK, &ok);
        assert!(sent.is_empty(), "RFC 3262 §3: {}", shown(&sent));
    }
    let sent = site.pass(33 * crate::sim::wire::SECOND);
    assert!(response_to(&sent, PBX, 500).is_some() && response_to(&sent, PBX, 200).is_none());
    assert_eq!(to(&sent, PBX).filter(|message| message.status() == Some(183)).count(), 6, "T1, doubled");
    assert!(request_to(&sent, TRUNK, "ACK").is_some());
    let bye = request_to(&sent, TRUNK, "BYE").unwrap();
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    assert!(site.alerted(32022));
    site.pass(64 * crate::sim::wire::SECOND);
    site.must_become_empty();
}

#[test]
fn an_early_dialog_that_was_ended_is_not_answered_any_more() {
    let mut site = Site::new();
    let (call, leaving) = calling(&mut site, "ended", &[]);
    let first = site.send(TRUNK, &ringing(&leaving, 180, "one", 0));
    let first = response_to(&first, PBX, 180).unwrap();
    site.send(TRUNK, &ringing(&leaving, 180, "two", 0));
    let sent = site.send(PBX, &in_dialog(&call, &first, "BYE", 2, "early"));
    assert!(response_to(&sent, PBX, 200).is_some() && response_to(&sent, PBX, 487).is_none());
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!(bye.to_tag(), Some("one"));
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "one"));
    // It rings and answers all the same: nothing of it crosses.
    assert!(site.send(TRUNK, &ringing(&leaving, 180, "one", 0)).is_empty());
    let mut ok = Sip::response(&leaving, 200, "OK", "one");
    ok.add("Contact", &format!("<sip:one@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    assert_eq!(to(&sent, PBX).count(), 0, "{}", shown(&sent));
    assert!(request_to(&sent, TRUNK, "ACK").is_some() && request_to(&sent, TRUNK, "BYE").is_none());
    let sent = site.pass(33 * crate::sim::wire::SECOND);
    assert!(response_to(&sent, PBX, 487).is_some(), "{}", shown(&sent));
    site.pass(64 * crate::sim::wire::SECOND);
    site.must_become_empty();
}
