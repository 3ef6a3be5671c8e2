//! E4: keys of encrypted speech, and a leg of the call in the clear. They are never written there.

use ringfence::sip::Transport;

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{PBX, SDP, Site, TRUNK, ack, by_callee, in_dialog, invite, request_to, response_to, shown};

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn keyed() -> String {
    let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    format!("{}{line}", SDP.replace("RTP/AVP", "RTP/SAVP"))
}

fn with_keys(mut message: Sip) -> Sip {
    message.body = keyed().into_bytes();
    message
}

/// Nothing that left holds the key.
fn nothing_told(sent: &crate::site::Sent) {
    for (to, bytes) in sent {
        assert!(!String::from_utf8_lossy(bytes).contains(KEY), "the key went to {to}");
    }
}

#[test]
fn e4_an_offer_with_keys_opens_no_call_in_the_clear() {
    let mut site = Site::new();
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mark = transport.name();
        let sent = site.over(transport, PBX, &with_keys(invite(mark, "+12125550100")));
        nothing_told(&sent);
        let refused = response_to(&sent, PBX, 488).unwrap_or_else(|| panic!("{}", shown(&sent)));
        let why = refused.header("Warning").unwrap_or_default();
        assert!(why.contains("32208") && why.contains("keys"), "{why}");
        assert!(request_to(&sent, TRUNK, "INVITE").is_none());
        let alert = site.alerts.pop().unwrap();
        assert_eq!((alert.code.number, alert.sip_status), (32208, Some(488)), "{}", alert.text);
    }
    // A fingerprint is no secret: it counts as plain media, which this site allows.
    let mut open = invite("fingerprint", "+12125550100");
    open.body =
        format!("{}a=fingerprint:sha-256 AA:BB\r\n", SDP.replace("RTP/AVP", "UDP/TLS/RTP/SAVP")).into_bytes();
    let sent = site.send(PBX, &open);
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&leg, 486, "Busy Here", "x"));
    site.must_become_empty();
}

#[test]
fn e4_keys_within_a_call_are_refused_and_the_call_goes_on() {
    let mut site = Site::of(&yaml(&Shape { allow: "info, message", ..Shape::default() }));
    let call = site.establish("a");
    let sent = site.send(PBX, &with_keys(in_dialog(&call.invite_a, &call.ok_a, "INVITE", 5, "keys")));
    nothing_told(&sent);
    assert!(response_to(&sent, PBX, 488).is_some(), "{}", shown(&sent));
    assert!(site.alerted(39504));
    let refresh = with_keys(by_callee(&call, "INVITE", 7, "keys"));
    let sent = site.send(TRUNK, &refresh);
    nothing_told(&sent);
    assert!(response_to(&sent, TRUNK, 488).is_some(), "{}", shown(&sent));
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn e4_a_bye_with_keys_ends_the_call_all_the_same() {
    let mut site = Site::of(&yaml(&Shape { allow: "info, message", ..Shape::default() }));
    let call = site.establish("a");
    let sent = site.send(PBX, &with_keys(in_dialog(&call.invite_a, &call.ok_a, "BYE", 5, "keys")));
    nothing_told(&sent);
    assert!(response_to(&sent, PBX, 200).is_some(), "{}", shown(&sent));
    let bye = request_to(&sent, TRUNK, "BYE").expect("the trunk is told");
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    site.must_become_empty();
}

#[test]
fn e4_an_answer_with_keys_does_not_cross_and_ends_the_call_where_it_stood_for_the_answer() {
    let mut site = Site::new();
    let sent = site.send(PBX, &invite("a", "+12125550100"));
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
    let mut ok = Sip::response(&leg, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(&keyed());
    let sent = site.send(TRUNK, &ok);
    nothing_told(&sent);
    assert!(site.alerted(32207));
    assert!(response_to(&sent, PBX, 200).is_none(), "{}", shown(&sent));
    assert!(response_to(&sent, PBX, 500).is_some(), "{}", shown(&sent));
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    site.must_become_empty();
}

#[test]
fn e4_keys_in_an_ack_stay_behind() {
    let mut site = Site::new();
    let mut late = invite("late", "+12125550100");
    late.body.clear();
    late.headers.retain(|(name, _)| name != "Content-Type");
    let sent = site.send(PBX, &late);
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut ok = Sip::response(&leg, 200, "OK", "callee");
    ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok);
    let ok_a = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut acked = ack(&late, &ok_a, "z9hG4bKack");
    acked.sdp(&keyed());
    nothing_told(&site.send(PBX, &acked));
    assert!(site.alerted(32207));
    let sent = site.send(PBX, &in_dialog(&late, &ok_a, "BYE", 900, "bye"));
    if let Some(bye) = request_to(&sent, TRUNK, "BYE") {
        site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    }
    site.pass(SECOND);
    site.must_become_empty();
}
