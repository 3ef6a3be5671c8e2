//! A and D7: who is not in the policy hears nothing, and no forged Via makes the edge speak to anybody else.

use crate::sim::policy::{EDGE_OUTSIDE, Shape, yaml};
use crate::sim::wire::SECOND;
use crate::site::{PBX, STRANGER, Site, TRUNK, final_to, invite, request, response_to, shown, to};

fn from_stranger(method: &str, mark: &str, agent: &str) -> crate::sim::text::Sip {
    let mut request = request(method, &format!("sip:100@{EDGE_OUTSIDE}"), STRANGER, mark);
    request.add("User-Agent", agent).add("Contact", &format!("<sip:100@{STRANGER}>"));
    request
}

#[test]
fn a1_a_stranger_hears_nothing_is_told_of_and_is_banned_and_the_ban_expires() {
    let mut site = Site::new();
    for round in 0..200 {
        for method in ["OPTIONS", "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "SUBSCRIBE"] {
            let sent =
                site.send(STRANGER, &from_stranger(method, &format!("{round}{method}"), "friendly-scanner"));
            assert!(sent.is_empty(), "a stranger was answered: {}", shown(&sent));
        }
    }
    let gauges = site.gauges();
    assert_eq!((gauges.calls, gauges.server_transactions), (0, 0), "a stranger made state");
    site.pass(20 * 60 * SECOND);
    assert!(site.alerted(32201), "no alert 32201");
    assert!(site.alerted(39201), "no alert 39201: the stranger was not banned");
    let told = site.alerts.iter().filter(|alert| alert.code.number == 32201).count();
    assert!(told < 50, "{told} alerts for one stranger: a flood fills the disk");
    assert!(site.records.is_empty(), "a record for a stranger");
    let call = site.establish("after");
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn a1_a_thousand_strangers_leave_nothing_behind() {
    let mut site = Site::new();
    for host in 0..10_000_u32 {
        let from = format!("100.64.{}.{}:5060", host / 250, 1 + host % 250);
        let mut message = from_stranger("INVITE", &format!("x{host}"), "x");
        message.set("Via", &format!("SIP/2.0/UDP {from};branch=z9hG4bKx{host}"));
        assert!(site.send(&from, &message).is_empty());
    }
    let gauges = site.gauges();
    assert!(crate::sim::ledger::is_empty(&gauges), "{gauges:?}");
    site.pass(20 * 60 * SECOND);
    let told = site.alerts.len();
    assert!(told > 0 && told < 1_000, "{told} alerts for a flood of strangers");
}

#[test]
fn a2_a_famous_user_agent_opens_no_door() {
    let mut site = Site::new();
    for agent in ["Cisco-SIPGateway/IOS-12.x", "Asterisk PBX 18", "Twilio Gateway"] {
        let sent = site.send(STRANGER, &from_stranger("INVITE", agent.get(..4).unwrap_or("x"), agent));
        assert!(sent.is_empty(), "{}", shown(&sent));
    }
}

#[test]
fn a3_register_is_refused_where_nobody_registers() {
    let mut site = Site::new();
    let sent = site.send(PBX, &request("REGISTER", "sip:10.1.0.1:5060", PBX, "reg"));
    let answer = response_to(&sent, PBX, 405).unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(
        answer.header("Allow").is_some_and(|allow| allow.contains("INVITE") && !allow.contains("REGISTER"))
    );
    assert!(site.alerted(32210));
    assert!(site.send(STRANGER, &from_stranger("REGISTER", "reg2", "x")).is_empty());
    for method in ["SUBSCRIBE", "PUBLISH", "NOTIFY", "UPDATE", "PRACK", "INFO", "REFER", "FOO"] {
        let sent = site.send(PBX, &request(method, "sip:10.1.0.1:5060", PBX, method));
        let status = final_to(&sent, PBX);
        assert!(matches!(status, Some(403 | 405 | 481 | 489 | 501)), "{method} got {status:?}");
    }
    site.must_become_empty();
}

#[test]
fn a1_a_listed_peer_is_never_banned_whatever_it_sends() {
    let mut site = Site::new();
    for round in 0..300 {
        site.raw(TRUNK, format!("garbage {round}\r\n\r\n").as_bytes());
    }
    let sent = site.send(TRUNK, &request("OPTIONS", "sip:203.0.113.1:5070", TRUNK, "alive"));
    assert_eq!(final_to(&sent, TRUNK), Some(200), "{}", shown(&sent));
    assert!(!site.alerted(39201));
}

#[test]
fn d7_the_answer_goes_to_the_real_source_whatever_via_says() {
    let mut site = Site::new();
    let forged = [
        "SIP/2.0/UDP 192.0.2.200:7777;branch=z9hG4bKd7a;received=192.0.2.201",
        "SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKd7b;rport=9",
        "SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKd7c;maddr=192.0.2.202",
        "SIP/2.0/UDP evil.example;branch=oldstyle",
    ];
    for via in forged {
        let mut options = request("OPTIONS", "sip:10.1.0.1:5060", PBX, "d7");
        options.set("Via", via);
        let sent = site.send(PBX, &options);
        assert_eq!(sent.len(), 1, "{}", shown(&sent));
        let elsewhere = sent.iter().find(|(at, _)| at.ip() != crate::sim::policy::address(PBX).ip());
        assert!(elsewhere.is_none(), "{via}: {elsewhere:?}");
        let answer = String::from_utf8_lossy(&sent[0].1).into_owned();
        assert!(!answer.contains("received=192.0.2.201"), "a forged received stood: {answer}");
    }
    site.must_become_empty();
}

#[test]
fn d7_two_hundred_vias_are_too_many() {
    let mut site = Site::new();
    let mut message = invite("vias", "+12125550100");
    for hop in 0..200 {
        message.add("Via", &format!("SIP/2.0/UDP 192.0.2.1:{};branch=z9hG4bKh{hop}", 1_000 + hop));
    }
    let sent = site.send(PBX, &message);
    assert!(matches!(final_to(&sent, PBX), Some(400 | 513 | 483 | 482)), "{}", shown(&sent));
    assert_eq!(to(&sent, TRUNK).count(), 0);
    // Those that stand before everything else must not hide what the answer is made of.
    let text = String::from_utf8(invite("first", "+12125550100").write()).unwrap();
    let vias = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n".repeat(190);
    let sent = site.raw(PBX, text.replace("Max-Forwards", &format!("{vias}Max-Forwards")).as_bytes());
    assert_eq!(final_to(&sent, PBX), Some(400), "{}", shown(&sent));
}

#[test]
fn a1_strangers_on_a_policy_with_one_peer_more_are_no_strangers() {
    let text =
        yaml(&Shape::default()).replace("sources: [198.51.100.20]", "sources: [198.51.100.20, 192.0.2.66]");
    let mut site = Site::of(&text);
    let sent = site.send(STRANGER, &from_stranger("OPTIONS", "now-listed", "x"));
    assert_eq!(final_to(&sent, STRANGER), Some(200), "{}", shown(&sent));
}
