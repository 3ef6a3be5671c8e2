//! Answers that the edge gives for itself, as tables.

use super::edge::{Edge, OTHER, PBX, STRANGER, TRUNK, alter, from, plan};
use super::texts::{Request, header};

type Change = fn(&mut Request);
/// What it is, the method, what is changed, the status, and a header that must hold a text.
type Row = (&'static str, &'static str, Change, u16, (&'static str, &'static str));

/// A request from the PBX, changed; the status it must get, and a header that must say something.
fn table(rows: &[Row]) {
    for (name, method, change, status, (wanted, value)) in rows {
        let mut edge = Edge::new();
        let seen = edge.hear(from(PBX), &Request::new(method, PBX).with(change).text());
        assert_eq!(seen.statuses(PBX), [*status], "{name}");
        assert!(seen.to(TRUNK).is_empty(), "{name}: something left");
        if !wanted.is_empty() {
            let answer = &seen.to(PBX)[0];
            assert!(header(answer, wanted).contains(value), "{name}: {wanted}: {}", header(answer, wanted));
        }
        if *status != 200 {
            assert!(!seen.alerts.is_empty(), "{name}: no alert");
            assert_eq!(seen.alerts[0].sip_status, Some(*status), "{name}");
        }
        let attempts = u64::from(*method == "INVITE" && *status != 481);
        assert_eq!(seen.records.len() as u64, attempts, "{name}: records");
        assert_eq!(edge.count("records"), attempts, "{name}: counted");
    }
}

const ALLOW: (&str, &str) = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE");
const NONE: (&str, &str) = ("", "");

#[test]
fn a3_registration_and_other_methods_that_are_not_served() {
    table(&[
        ("register", "REGISTER", |_| {}, 405, ALLOW),
        ("subscribe", "SUBSCRIBE", |_| {}, 405, ALLOW),
        ("publish", "PUBLISH", |_| {}, 405, ALLOW),
        ("notify", "NOTIFY", |_| {}, 405, ALLOW),
        ("message, not opened", "MESSAGE", |_| {}, 405, ALLOW),
        ("info, not opened", "INFO", |_| {}, 405, ALLOW),
        ("refer", "REFER", |_| {}, 403, NONE),
        ("unknown", "DANCE", |_| {}, 501, ALLOW),
        ("bye without a dialog", "BYE", |_| {}, 481, NONE),
        ("options", "OPTIONS", |_| {}, 200, ALLOW),
        ("options", "OPTIONS", |_| {}, 200, ("Accept", "application/sdp")),
    ]);
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("REGISTER", PBX).text());
    assert_eq!(seen.codes(), [32210]);
    let seen = edge.hear(from(STRANGER), &Request::new("REGISTER", STRANGER).text());
    assert!(seen.sent.is_empty());
}

#[test]
fn options_says_nothing_of_product_or_version() {
    let seen = Edge::new().hear(from(PBX), &Request::new("OPTIONS", PBX).text());
    let text = String::from_utf8_lossy(&seen.sent[0].1).into_owned();
    assert!(!text.contains("Server:") && !text.contains("User-Agent:"), "{text}");
    assert!(!text.to_ascii_lowercase().contains("ringfence"), "{text}");
}

#[test]
fn what_a_new_call_must_hold() {
    table(&[
        ("require", "INVITE", |r| r.more += "Require: 100rel, foo\r\n", 420, ("Unsupported", "foo")),
        (
            "proxy-require",
            "INVITE",
            |r| r.more += "Proxy-Require: sec-agree\r\n",
            420,
            ("Unsupported", "sec-agree"),
        ),
        ("require on options", "OPTIONS", |r| r.more += "Require: foo\r\n", 420, ("Unsupported", "foo")),
        ("scheme", "OPTIONS", |r| r.uri = "soap.beep://192.0.2.103:3002".into(), 416, NONE),
        ("urn", "INVITE", |r| r.uri = "urn:service:sos".into(), 416, NONE),
        (
            "unknown body",
            "INVITE",
            |r| r.more = "Content-Type: application/cpl+xml\r\n".into(),
            415,
            ("Accept", "application/sdp"),
        ),
        ("body without a type", "INVITE", |r| r.more = String::new(), 415, ("Accept", "application/sdp")),
        (
            "encoded",
            "INVITE",
            |r| r.more += "Content-Encoding: gzip\r\n",
            415,
            ("Accept-Encoding", "identity"),
        ),
        ("promised and missing", "INVITE", |r| r.body = String::new(), 400, NONE),
        ("number", "INVITE", |r| r.uri = "sip:%00@10.0.0.1".into(), 484, NONE),
        ("number is not UTF-8", "INVITE", |r| r.uri = "sip:%ff@10.0.0.1".into(), 484, NONE),
    ]);
}

#[test]
fn b11_a_call_to_a_foreign_host_is_refused() {
    table(&[
        ("name", "INVITE", |r| r.uri = "sip:+13125550199@evil.example".into(), 403, NONE),
        ("address", "INVITE", |r| r.uri = "sip:+13125550199@203.0.113.7".into(), 403, NONE),
    ]);
    let seen = Edge::new()
        .hear(from(PBX), &Request::new("INVITE", PBX).with(|r| r.uri = "sip:1@evil.example".into()).text());
    assert_eq!(seen.codes(), [39207]);
}

#[test]
fn c5_max_forwards() {
    let hops = |value: &str| {
        let text = Request::new("INVITE", PBX).text();
        text.replace(
            "Max-Forwards: 70\r\n",
            &if value.is_empty() { String::new() } else { format!("Max-Forwards: {value}\r\n") },
        )
    };
    for (value, statuses) in [
        ("0", &[483_u16][..]),
        ("256", &[400]),
        ("-1", &[400]),
        ("seven", &[400]),
        ("1", &[100]),
        ("70", &[100]),
        ("255", &[100]),
        ("", &[100]),
    ] {
        let seen = Edge::new().hear(from(PBX), &hops(value));
        let answers = seen.statuses(PBX);
        assert_eq!(answers.first(), statuses.first(), "Max-Forwards {value:?}");
        assert_eq!(seen.to(TRUNK).is_empty(), *statuses != [100], "Max-Forwards {value:?}");
    }
}

#[test]
fn d6_a_route_to_another_host_is_refused_and_never_followed() {
    let rows: &[(&str, &str, bool)] = &[
        ("our own on top", "Route: <sip:10.0.0.1:5060;lr>\r\n", true),
        ("our own without lr", "Route: <sip:10.0.0.1>\r\n", true),
        ("foreign", "Route: <sip:203.0.113.7;lr>\r\n", false),
        ("foreign behind our own", "Route: <sip:10.0.0.1;lr>, <sip:203.0.113.7;lr>\r\n", false),
        ("foreign before our own", "Route: <sip:203.0.113.7;lr>\r\nRoute: <sip:10.0.0.1;lr>\r\n", false),
        ("our own twice", "Route: <sip:10.0.0.1;lr>, <sip:10.0.0.1;lr>\r\n", false),
        ("our host, a port of nobody", "Route: <sip:10.0.0.1:9;lr>\r\n", false),
        ("loopback", "Route: <sip:127.0.0.1:5080;lr>\r\n", false),
    ];
    for (name, route, goes) in rows {
        let mut edge = Edge::new();
        let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).with(|r| r.more += route).text());
        assert_eq!(!seen.to(TRUNK).is_empty(), *goes, "{name}");
        if !goes {
            assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![39207]), "{name}");
        }
        assert!(seen.sent.iter().all(|(hop, _)| !hop.remote.to_string().starts_with("203.")), "{name}");
    }
    let many = "Route: <sip:203.0.113.7;lr>\r\n".repeat(100);
    let seen = Edge::new().hear(from(PBX), &Request::new("INVITE", PBX).with(|r| r.more += &many).text());
    assert_eq!(seen.statuses(PBX), [403]);
}

#[test]
fn d8_contact_that_would_lead_nowhere_or_back_here() {
    let rows: &[(&str, &str)] = &[
        ("missing", ""),
        ("star", "*"),
        ("broken", "<sip:@:>"),
        ("no SIP URI", "<tel:+12125550100>"),
        ("our inside listener", "<sip:a@10.0.0.1:5060>"),
        ("our inside listener, default port", "<sip:a@10.0.0.1>"),
        ("our outside listener", "<sip:a@192.0.2.1:5060>"),
        ("loopback", "<sip:a@127.0.0.1:5060>"),
        ("loopback by name", "<sip:a@localhost>"),
        ("loopback, IPv6", "<sip:a@[::1]>"),
        ("unspecified", "<sip:a@0.0.0.0>"),
        ("unspecified, IPv6", "<sip:a@[::]>"),
        ("multicast", "<sip:a@224.0.1.75>"),
        ("multicast, IPv6", "<sip:a@[ff02::1]>"),
        ("broadcast", "<sip:a@255.255.255.255>"),
        ("IPv4-mapped", "<sip:a@[::ffff:198.51.100.9]>"),
        ("two of them", "<sip:a@10.0.0.2>, <sip:b@10.0.0.2>"),
    ];
    for (name, contact) in rows {
        let text = Request::new("INVITE", PBX).with(|r| r.contact = (*contact).into()).text();
        let seen = Edge::new().hear(from(PBX), &text);
        assert_eq!(seen.statuses(PBX), [400], "{name}");
        assert!(seen.to(TRUNK).is_empty(), "{name}");
        assert!(["star", "broken"].contains(name) || seen.codes() == [32105], "{name}: {:?}", seen.codes());
    }
    for (name, contact) in
        [("another port of our host", "<sip:a@10.0.0.1:5999>"), ("a name", "<sip:a@pbx.example>")]
    {
        let text = Request::new("INVITE", PBX).with(|r| r.contact = contact.into()).text();
        assert!(!Edge::new().hear(from(PBX), &text).to(TRUNK).is_empty(), "{name}");
    }
}

#[test]
fn an_invite_of_an_rfc_2543_peer_may_lack_contact_and_tag() {
    let text = Request::new("INVITE", PBX).with(|r| r.contact = String::new()).text();
    let text = text.replace(";tag=from-1", "").replace(";branch=z9hG4bK-test-1", "");
    let seen = Edge::new().hear(from(PBX), &text);
    assert_eq!(seen.statuses(PBX), [100]);
    assert_eq!(seen.to(TRUNK).len(), 1);
}

#[test]
fn an_inside_peer_hears_why_and_a_trunk_hears_nothing() {
    let seen = Edge::new()
        .hear(from(PBX), &Request::new("INVITE", PBX).with(|r| r.uri = "sip:1@evil.example".into()).text());
    let answer = &seen.to(PBX)[0];
    assert!(header(answer, "Warning").starts_with("399 ringfence \"39207 relay_attempt"));
    assert!(header(answer, "Reason").starts_with("Q.850;cause=21;text=\""));
    let seen = Edge::new().hear(
        from(TRUNK),
        &Request::new("INVITE", TRUNK).with(|r| r.uri = "sip:+19995550123@192.0.2.1".into()).text(),
    );
    let answer = &seen.to(TRUNK)[0];
    assert_eq!(answer.status(), Some(404), "no route for a number that is not ours");
    assert_eq!((header(answer, "Warning"), header(answer, "Reason")), (String::new(), String::new()));
    assert_eq!(seen.records.len(), 1);
}

#[test]
fn plain_signalling_is_refused_where_it_is_not_allowed() {
    let mut edge = Edge::under(plan(|plan| alter(plan, 0, |pbx| pbx.plain_signalling = false)));
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32209]));
    let seen =
        edge.hear(from(OTHER), &Request::new("INVITE", OTHER).with(|r| r.call_id = "2@b".into()).text());
    assert_eq!(seen.statuses(OTHER), [100], "another peer may");
}

#[test]
fn malformed_bytes_get_a_status_from_peers_and_silence_from_strangers() {
    let good = Request::new("OPTIONS", PBX).text();
    let rows: &[(&str, String, Option<u16>)] = &[
        ("no colon", good.replace("Max-Forwards: 70", "Max-Forwards 70"), Some(400)),
        ("version", good.replacen("SIP/2.0", "SIP/3.0", 1), Some(505)),
        ("CSeq of another method", good.replace("1 OPTIONS", "1 INVITE"), Some(400)),
        ("negative length", good.replace("Content-Length: 0", "Content-Length: -999"), Some(400)),
        ("long length", good.replace("Content-Length: 0", "Content-Length: 9999"), Some(400)),
        ("long URI", good.replacen("sip:", &format!("sip:{}", "a".repeat(3_000)), 1), Some(414)),
        ("no Via", good.replacen("Via:", "X-Via:", 1), None),
        ("not SIP", "GET / HTTP/1.1\r\n\r\n".into(), None),
        ("noise", "\u{1}\u{2}\u{3}\u{4}\u{5}".into(), None),
    ];
    for (name, text, status) in rows {
        let mut edge = Edge::new();
        let seen = edge.hear(from(PBX), text);
        assert_eq!(seen.statuses(PBX), status.iter().copied().collect::<Vec<_>>(), "{name}");
        assert_eq!(seen.alerts.len(), 1, "{name}");
        let counted: u64 =
            edge.status().1.iter().filter(|(n, _)| n.starts_with("malformed_")).map(|(_, c)| c).sum();
        assert_eq!(counted, 1, "{name}");
        assert!(edge.hear(from(STRANGER), text).sent.is_empty(), "{name}");
    }
}

#[test]
fn keep_alives_are_not_answered() {
    let mut edge = Edge::new();
    for bytes in ["\r\n\r\n", "\r\n", "\0", "\0\0\0\0"] {
        let seen = edge.hear(from(PBX), bytes);
        assert!(seen.sent.is_empty() && seen.alerts.is_empty(), "{bytes:?}");
    }
    assert_eq!(edge.count("keep_alives"), 4);
}
