//! What goes out is what was meant. Read first: RFC 3261 §18.2.1; RFC 3581 §4.

use super::*;
use crate::sip::parse::{Limits, parse};

fn request(via: &str, to: &str) -> Message {
    let text = format!(
        "OPTIONS sip:a@example.com SIP/2.0\r\nVia: {via}\r\nv: SIP/2.0/TCP next.example.com;branch=z9hG4bKn\r\n\
         f: <sip:b@example.com>;tag=1\r\nTo: {to}\r\ni: call\r\nCSeq: 7\r\n  OPTIONS\r\nTimestamp: 5\r\n\r\n"
    );
    parse(Bytes::from(text), &Limits::default()).unwrap()
}

fn source(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_text_holds_one_line() {
    for bad in [&b"a\rb"[..], b"a\nb", b"a\0b", b"\r\n"] {
        assert_eq!(Text::new(bad), None);
    }
    assert_eq!(Text::new(b"a\tb\xff").map(Text::bytes), Some(&b"a\tb\xff"[..]));
}

#[test]
fn d7_the_top_via_says_where_the_request_really_came_from() {
    for (via, from, want) in [
        (
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa",
            "192.0.2.1:9",
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa",
        ),
        (
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa",
            "198.51.100.7:9",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;received=198.51.100.7",
        ),
        (
            "SIP/2.0/UDP pbx.lan;branch=z9hG4bKa",
            "10.0.0.1:9",
            "SIP/2.0/UDP pbx.lan;branch=z9hG4bKa;received=10.0.0.1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKa;x=\"y;z\"",
            "192.0.2.1:9",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;x=\"y;z\";received=192.0.2.1;rport=9",
        ),
        (
            "SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;rport=1;branch=z9hG4bKa",
            "192.0.2.1:9",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;received=192.0.2.1;rport=9",
        ),
        (
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKa",
            "[2001:db8::1]:9",
            "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKa;received=2001:db8::1",
        ),
        (
            "SIP / 2.0 /UDP\r\n  192.0.2.1 ;\r\n branch = z9hG4bKa , SIP/2.0/UDP x.example.com",
            "192.0.2.2:9",
            "SIP / 2.0 /UDP 192.0.2.1 ; branch = z9hG4bKa;received=192.0.2.2 , SIP/2.0/UDP x.example.com",
        ),
    ] {
        let text = Text::fixed("OK");
        let answer = response_to(&request(via, "<sip:a@b>;tag=2"), source(from), 200, text, None).finish(b"");
        let want = format!(
            "SIP/2.0 200 OK\r\nVia: {want}\r\nVia: SIP/2.0/TCP next.example.com;branch=z9hG4bKn\r\n\
             From: <sip:b@example.com>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: call\r\nCSeq: 7 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        assert_eq!(answer.escape_ascii().to_string(), want.as_bytes().escape_ascii().to_string());
    }
}

#[test]
fn a_to_tag_is_added_where_there_is_none() {
    for (to, want) in [
        ("sip:a@b", "sip:a@b;tag=xyz"),
        ("<sip:a@b;tag=9>", "<sip:a@b;tag=9>;tag=xyz"),
        ("<sip:a@b> ; TAG=9", "<sip:a@b> ; TAG=9"),
    ] {
        let made = request("SIP/2.0/UDP 192.0.2.1", to);
        let (from, tag) = (source("192.0.2.1:1"), Text::new(b"xyz"));
        let answer = response_to(&made, from, 100, Text::fixed("Trying"), tag).finish(b"");
        let read = parse(answer, &Limits::default()).unwrap();
        assert_eq!(read.header(HeaderName::To), Some(want.as_bytes()));
        assert_eq!(read.header(HeaderName::Timestamp), Some(&b"5"[..]), "RFC 3261 §8.2.6.1");
    }
}

#[test]
fn copied_headers_are_one_line_or_left_out() {
    let header = |raw_name: &'static [u8], value: &'static [u8]| Header {
        name: HeaderName::read(raw_name),
        raw_name,
        value,
    };
    let mut writer = Writer::request(&Method::Bye, Text::fixed("sip:a@b"));
    assert!(writer.copy(&header(b"SUBJECT", b"a \r\n\t b")));
    assert!(writer.copy(&header(b"X-Own", b"")));
    for (name, value) in [
        (&b"Subject"[..], &b"a\0b"[..]),
        (b"Subject", b"a\r\nVia: b"),
        (b"Subject", b"a\nb"),
        (b"Subject", b"a\r"),
        (b"", b"a"),
        (b"a b", b"a"),
        (b"a:", b"a"),
        (b"l", b"5"),
    ] {
        assert!(!writer.copy(&header(name, value)));
    }
    assert!(writer.named("X-Other", Text::fixed("1")));
    assert!(!writer.named("X Other", Text::fixed("1")));
    assert!(!writer.named("L", Text::fixed("1")));
    writer.number(HeaderName::MaxForwards, 69).header(HeaderName::Unknown, Text::fixed("lost"));
    assert_eq!(
        writer.finish(b"\0\r\n"),
        &b"BYE sip:a@b SIP/2.0\r\nSUBJECT: a b\r\nX-Own: \r\nX-Other: 1\r\nMax-Forwards: 69\r\nContent-Length: 3\r\n\r\n\0\r\n"[..]
    );
}

#[test]
fn a_refusal_gives_back_what_could_be_read_and_invents_nothing() {
    let refuse = |text: &str| {
        let refused = parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap_err();
        let reason = Text::new(refused.reason.as_bytes()).unwrap();
        let answer = refusal(refused.answer.as_deref()?, source("192.0.2.9:7"), refused.status, reason)?;
        Some(String::from_utf8(answer.to_vec()).unwrap())
    };
    let head = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bKa\r\n";
    assert_eq!(
        refuse(&format!("{head}CSeq: 1 INVITE\r\n\r\n")).as_deref(),
        Some(
            "SIP/2.0 400 Missing Header\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa;received=192.0.2.9;rport=7\r\n\
             CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    );
    let tagged =
        refuse(&format!("{head}CSeq: 1 BYE\r\nTo: sip:a@b\r\nFrom: sip:c@d\r\nCall-ID: x\r\n\r\n")).unwrap();
    assert!(tagged.contains("To: sip:a@b;tag="), "{tagged}");
    assert_eq!(refuse(&format!("{head}\r\n")), None, "no CSeq");
    assert_eq!(
        refuse("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;;\r\nCSeq: 1 INVITE\r\n\r\n"),
        None,
        "Via unreadable"
    );
    assert_eq!(refuse("ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 ACK\r\n\r\n"), None, "ACK");
    assert_eq!(refuse("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 BYE\r\n\r\n"), None, "a response");
}
