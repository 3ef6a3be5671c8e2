//! F: floods, lies about length, messages too large, storms and reloads. State is bounded and comes back.

use std::time::Instant;

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::{MS, SECOND};
use crate::site::{
    PBX, SDP, Site, TRUNK, ack, final_to, in_dialog, invite, request_to, response_to, shown, to,
};

fn text_of(mark: &str) -> String {
    String::from_utf8(invite(mark, "+12125550100").write()).unwrap()
}

fn length_line(text: &str) -> &str {
    text.split("\r\n").find(|line| line.starts_with("Content-Length")).unwrap()
}

#[test]
fn f2_lies_about_the_length_are_400_and_smuggle_nothing() {
    for (index, lie) in ["-1", "4294967296", "99999999999999999999", "+5", "0x10", "5 5", "", "1e3", "65536"]
        .iter()
        .enumerate()
    {
        let mut site = Site::new();
        let text = text_of(&format!("f2{index}"));
        let lying = text.replace(length_line(&text), &format!("Content-Length: {lie}"));
        let sent = site.raw(PBX, lying.as_bytes());
        assert_eq!(final_to(&sent, PBX), Some(400), "{lie:?}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0);
    }
    let mut site = Site::new();
    let text = text_of("f2twice");
    let twice = text.replace(length_line(&text), &format!("{}\r\nContent-Length: 3", length_line(&text)));
    assert_eq!(final_to(&site.raw(PBX, twice.as_bytes()), PBX), Some(400));
    // A second INVITE behind the first one's body is noise in a datagram.
    let both = [text_of("f2one"), text_of("f2two")].concat();
    let sent = site.raw(PBX, both.as_bytes());
    assert_eq!(to(&sent, TRUNK).count(), 1, "{}", shown(&sent));
    assert_eq!(to(&sent, TRUNK).next().map(|carried| carried.body.len()), Some(SDP.len()));
}

#[test]
fn f3_what_is_too_large_is_refused_and_costs_no_more_than_its_length() {
    let text = text_of("f3");
    let with = |extra: &str| text.replace("Contact:", &format!("{extra}Contact:"));
    let cases = [
        ("many headers", with(&"X-Header: value\r\n".repeat(3_000))),
        ("one long header", with(&format!("X-Header: {}\r\n", "v".repeat(60_000)))),
        ("many folds", with(&format!("X-Header: a\r\n{}", " b\r\n".repeat(10_000)))),
        ("many parameters", text.replace(";tag=tagf3", &format!(";tag=tagf3{}", ";p=v".repeat(5_000)))),
        ("a long URI", text.replacen("sip:+12125550100@", &format!("sip:{}@", "1".repeat(20_000)), 1)),
        ("many escapes", text.replacen("sip:+12125550100@", &format!("sip:{}@", "%31".repeat(5_000)), 1)),
        (
            "a large body",
            text.replace(SDP, &"x".repeat(66_000)).replace(length_line(&text), "Content-Length: 66000"),
        ),
    ];
    for (name, message) in cases {
        let mut site = Site::new();
        let began = Instant::now();
        let sent = site.raw(PBX, message.as_bytes());
        assert!(began.elapsed().as_millis() < 500, "{name} took {:?}", began.elapsed());
        assert!(matches!(final_to(&sent, PBX), Some(400 | 413 | 414 | 513)), "{name}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0, "{name}");
        site.must_become_empty();
    }
}

#[test]
fn f4_line_ends_versions_and_case() {
    let mut site = Site::new();
    let text = text_of("f4");
    for (name, broken) in [("LF only", text.replace("\r\n", "\n")), ("CR only", text.replace("\r\n", "\r"))] {
        let sent = site.raw(PBX, broken.as_bytes());
        assert!(matches!(final_to(&sent, PBX), Some(400) | None), "{name}: {}", shown(&sent));
        assert_eq!(to(&sent, TRUNK).count(), 0, "{name}");
    }
    for version in ["SIP/3.0", "SIP/1.0", "SIP/2.1"] {
        let sent = site.raw(PBX, text.replacen("SIP/2.0\r\n", &format!("{version}\r\n"), 1).as_bytes());
        assert_eq!(final_to(&sent, PBX), Some(505), "{version}: {}", shown(&sent));
    }
    let lower = text.replacen("INVITE ", "invite ", 1).replace("CSeq: 1 INVITE", "CSeq: 1 invite");
    let sent = site.raw(PBX, lower.as_bytes());
    assert!(matches!(final_to(&sent, PBX), Some(405 | 501)), "methods are case-sensitive: {}", shown(&sent));
    for junk in ["\r\n".repeat(1_000), "\0".repeat(1_000), String::new(), "\u{feff}".to_owned()] {
        assert!(to(&site.raw(PBX, junk.as_bytes()), TRUNK).count() == 0);
    }
    let sent = site.raw(PBX, format!("{}{}", "\r\n".repeat(3), text_of("f4crlf")).as_bytes());
    assert_eq!(
        to(&sent, TRUNK).count(),
        1,
        "empty lines before a request are noise (RFC 3261 §7.5): {}",
        shown(&sent)
    );
}

#[test]
fn f6_tables_are_bounded_the_answer_at_the_bound_is_defined_and_memory_returns() {
    let text = yaml(&Shape { concurrent_calls: 10_000, ..Shape::default() }).replace(
        "allow: [info]",
        "allow: [info]\n    requests_per_second: 100000\n    requests_burst: 100000",
    );
    let mut site = Site::with(&text, |settings| {
        settings.calls_max = 50;
        settings.transactions_max = 400;
    });
    let mut refused = 0;
    for index in 0..2_000 {
        let sent = site.send(PBX, &invite(&format!("f6{index}"), "+12125550100"));
        let gauges = site.gauges();
        assert!(gauges.calls <= 50 && gauges.server_transactions <= 450, "{gauges:?}");
        match final_to(&sent, PBX) {
            None => {}
            Some(480 | 503 | 500) => refused += 1,
            Some(other) => panic!("{other}: {}", shown(&sent)),
        }
    }
    assert!(refused >= 1_000, "only {refused} of 2,000 calls were refused");
    // Nobody ever acknowledges, answers or cancels anything.
    site.pass(600 * SECOND);
    let gauges = site.gauges();
    assert!(crate::sim::ledger::is_empty(&gauges), "left behind: {gauges:?}");
    let call = site.establish("f6after");
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn f6_a_peer_above_its_rate_is_refused_and_calls_that_are_up_go_on() {
    let text = yaml(&Shape { concurrent_calls: 10_000, ..Shape::default() })
        .replace("allow: [info]", "allow: [info]\n    requests_per_second: 10\n    requests_burst: 20");
    let mut site = Site::of(&text);
    let call = site.establish("f6up");
    let mut carried = 0;
    for index in 0..1_000 {
        let sent = site.send(PBX, &invite(&format!("f6r{index}"), "+12125550100"));
        carried += to(&sent, TRUNK).count();
        assert!(matches!(final_to(&sent, PBX), None | Some(480)), "{}", shown(&sent));
    }
    assert!((20..=40).contains(&carried), "{carried} calls passed in a second");
    site.hang_up(&call);
    site.pass(120 * SECOND);
    assert!(site.alerted(32001));
}

#[test]
fn f8_a_storm_and_another_body_under_one_branch_are_absorbed() {
    let mut site = Site::new();
    let first = invite("f8", "+12125550100");
    let mut carried = to(&site.send(PBX, &first), TRUNK).count();
    for index in 0..500 {
        let mut copy = first.clone();
        if index % 2 == 1 {
            copy.body = format!("{SDP}a=other:{index}\r\n").into_bytes();
            copy.set("User-Agent", "another");
        }
        let sent = site.send(PBX, &copy);
        carried += to(&sent, TRUNK).count();
        assert!(to(&sent, PBX).all(|message| message.status() == Some(100)), "{}", shown(&sent));
    }
    assert_eq!(carried, 1);
    assert_eq!(site.gauges().calls, 1);
}

#[test]
fn f8_a_merged_request_is_482() {
    let mut site = Site::new();
    let first = invite("f8m", "+12125550100");
    assert_eq!(to(&site.send(PBX, &first), TRUNK).count(), 1);
    let mut merged = first.clone();
    merged.set("Via", &format!("SIP/2.0/UDP {PBX};branch=z9hG4bKotherway;rport"));
    let sent = site.send(PBX, &merged);
    assert_eq!(final_to(&sent, PBX), Some(482), "{}", shown(&sent));
    assert_eq!(to(&sent, TRUNK).count(), 0);
    assert_eq!(site.gauges().calls, 1);
}

#[test]
fn f9_a_reload_drops_no_call() {
    let text = yaml(&Shape::default());
    let mut loaded = crate::sim::policy::loads(&[&text, &text, &text]);
    let mut site = Site::new();
    let call = site.establish("f9");
    for (_, policy) in loaded.drain(1..) {
        site.edge.input(site.at, ringfence::engine::Input::Reload(policy));
    }
    site.hang_up(&call);
    site.must_become_empty();
    assert_eq!(site.records.len(), 1);
}

#[test]
fn f10_no_sender_s_text_breaks_a_line_on_the_far_side() {
    let mut site = Site::new();
    let mut message = invite("f10", "+12125550100");
    message.set("From", &format!("\"\u{1b}[31m{{\\\"a\\\":1}}<script>\" <sip:2001@{PBX}>;tag=f10"));
    message.add("User-Agent", "' OR 1=1; --");
    message.add("Subject", "x\r\n Injected: yes");
    let sent = site.send(PBX, &message);
    if let Some(carried) = request_to(&sent, TRUNK, "INVITE") {
        let text = String::from_utf8_lossy(&carried.write()).into_owned();
        assert!(!text.contains("\r\nInjected") && !text.contains("OR 1=1"), "{text}");
    } else {
        assert_eq!(final_to(&sent, PBX), Some(400), "{}", shown(&sent));
    }
    let text = text_of("f10b").replace("sip:2001@", "sip:20%0d%0aInjected:%20yes@");
    let sent = site.raw(PBX, text.as_bytes());
    let injected = sent.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("\r\nInjected"));
    assert!(!injected, "{}", shown(&sent));
    if let Some(carried) = request_to(&sent, TRUNK, "INVITE") {
        site.send(TRUNK, &Sip::response(&carried, 486, "Busy Here", "x"));
    }
    assert!(response_to(&sent, PBX, 200).is_none());
}

/// The PBX's INVITE of some caller.
fn called_by(mark: &str, caller: &str, number: &str) -> Sip {
    let mut invite = invite(mark, number);
    let from = invite.header("From").unwrap_or_default().replace("2001", caller);
    invite.set("From", &from);
    invite
}

/// A trunk asks for the longest pause in answer to the call that it was sent.
fn asks_for_a_pause(site: &mut Site, invite: &Sip) {
    let mut refusal = Sip::response(invite, 503, "Call rate", "t");
    refusal.add("Retry-After", "86400").add("Warning", "399 carrier \"calls per second\"");
    site.send(TRUNK, &refusal);
}

#[test]
fn c8_one_caller_with_two_numbers_cannot_hold_a_trunk() {
    let mut site = Site::of(&yaml(&Shape { second: false, ..Shape::default() }));
    for turn in 0..40 {
        // Two numbers behind the trunk are its owner's, and it calls them in turn.
        let number = if turn % 2 == 0 { "+13125550100" } else { "+14155550100" };
        let sent = site.send(PBX, &called_by(&format!("evil{turn}"), "2001", number));
        if let Some(invite) = request_to(&sent, TRUNK, "INVITE") {
            asks_for_a_pause(&mut site, &invite);
        }
        let mut sent = site.send(PBX, &called_by(&format!("good{turn}"), "2002", "+12125550100"));
        sent.extend(site.pass(2_100 * MS));
        let invite = to(&sent, TRUNK)
            .find(|message| message.method() == "INVITE" && message.header("From").unwrap().contains("2002"));
        let invite = invite.unwrap_or_else(|| panic!("turn {turn}: {}", shown(&sent)));
        site.send(TRUNK, &Sip::response(&invite, 486, "Busy Here", "t"));
        site.pass(SECOND);
    }
    let of_good = site.records.iter().filter(|record| &*record.from == "2002");
    assert!(of_good.clone().all(|record| record.status == 486), "each heard the callee's own answer");
    assert_eq!(of_good.count(), 40);
    site.must_become_empty();
}

/// F3: a peer in a call sends one description after another that names thousands of formats; whether it says what stands
/// is told in a time that does not grow by the square.
#[test]
fn f3_descriptions_of_thousands_of_formats_are_compared_in_linear_time() {
    let formats = |words: &[(&str, usize)]| {
        let list: String = words.iter().map(|(word, times)| word.repeat(*times)).collect();
        SDP.replace("RTP/AVP 0", &format!("RTP/AVP 0{list}"))
    };
    let mut site = Site::new();
    let mut invite_a = invite("long", "+12125550100");
    invite_a.body = formats(&[(" x", 13_000), (" y", 13_000)]).into_bytes();
    let sent = site.send(PBX, &invite_a);
    let invite_b = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let mut ok_b = Sip::response(&invite_b, 200, "OK", "callee");
    ok_b.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
    let sent = site.send(TRUNK, &ok_b);
    let ok_a = response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("{}", shown(&sent)));
    site.send(PBX, &ack(&invite_a, &ok_a, "z9hG4bKacklong"));
    let began = Instant::now();
    for cseq in 2..12 {
        let mut again = in_dialog(&invite_a, &ok_a, "INVITE", cseq, "again");
        again.body = formats(&[(" y", 13_000)]).into_bytes();
        let sent = site.send(PBX, &again);
        assert!(!sent.is_empty());
    }
    let took = began.elapsed();
    assert!(took.as_millis() < 500, "{took:?} for ten re-INVITEs");
}
