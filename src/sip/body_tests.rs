//! Bodies: where the session description stands, and what is no body to be judged.

use bytes::Bytes;

use super::*;
use crate::sip::parse::{Limits, parse};

fn message(lines: &str, body: &str) -> Message {
    let text = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n\
         To: <sip:b@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    parse(Bytes::from(text), &Limits::default()).unwrap()
}

/// The body that is left, or why none is.
fn found(lines: &str, body: &str) -> Result<String, Fault> {
    let message = message(lines, body);
    let left = match session(&message)? {
        Session::Absent | Session::Spare => message.without_body(),
        Session::Alone => message.clone(),
        Session::Part(part, kind) => message.with_part(part, kind),
    };
    let kinds = left.lines(HeaderName::ContentType).count();
    assert_eq!(kinds, usize::from(!left.body().is_empty()), "{lines}");
    assert_eq!(left.to_tag(), Some(&b"2"[..]));
    Ok(String::from_utf8(left.body().to_vec()).unwrap())
}

const SDP: &str = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n";
const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

fn mixed(parts: &[(&str, &str)]) -> String {
    let parts: String =
        parts.iter().map(|(head, body)| format!("--b\r\nContent-Type: {head}\r\n\r\n{body}\r\n")).collect();
    format!("{parts}--b--\r\n")
}

#[test]
fn e6_a_session_description_alone_is_found_or_refused() {
    for (lines, body, want) in [
        ("", "", Ok("")),
        ("c: Application/SDP\r\n", SDP, Ok(SDP)),
        ("c: application/sdp;charset=utf-8\r\nContent-Encoding: identity\r\n", SDP, Ok(SDP)),
        ("c: application/sdp\r\nContent-Disposition: Session;handling=optional\r\n", SDP, Ok(SDP)),
        ("c: application/sdp\r\nContent-Disposition: early-session\r\n", SDP, Err(Fault::Ambiguous)),
        ("c: application/sdp\r\nContent-Disposition: ;x\r\n", SDP, Err(Fault::Ambiguous)),
        ("c: application/sdp\r\ne: gzip\r\n", SDP, Err(Fault::Encoded)),
        ("c: application/sdp\r\n", "", Err(Fault::Missing)),
        ("c: sdp\r\n", SDP, Err(Fault::Untyped)),
        ("", SDP, Err(Fault::Untyped)),
        ("c: text/plain\r\n", "hello", Err(Fault::Foreign)),
        ("c: message/sip\r\n", "INVITE", Err(Fault::Foreign)),
        // What may be left out is, but for what might be the session, or hold it.
        ("c: application/isup\r\nContent-Disposition: signal;handling=optional\r\n", "\u{1}", Ok("")),
        ("c: text/plain\r\nContent-Disposition: render;Handling=Optional\r\ne: gzip\r\n", "hello", Ok("")),
        ("c: text/plain\r\nContent-Disposition: render;handling=required\r\n", "hello", Err(Fault::Foreign)),
        ("c: text/plain\r\nContent-Disposition: render\r\n", "hello", Err(Fault::Foreign)),
        ("c: text/plain\r\nContent-Disposition: ;handling=optional\r\n", "hello", Err(Fault::Foreign)),
        ("c: text\r\nContent-Disposition: render;handling=optional\r\n", "hello", Err(Fault::Untyped)),
        ("Content-Disposition: render;handling=optional\r\n", "hello", Err(Fault::Untyped)),
        ("c: message/sip\r\nContent-Disposition: x;handling=optional\r\n", "INVITE", Err(Fault::Foreign)),
        ("c: application/sdp\r\nContent-Disposition: x;handling=optional\r\n", SDP, Err(Fault::Ambiguous)),
        (
            "c: application/sdp\r\nContent-Disposition: session;handling=optional\r\ne: gzip\r\n",
            SDP,
            Err(Fault::Encoded),
        ),
    ] {
        assert_eq!(found(lines, body), want.map(str::to_owned), "{lines}");
    }
}

#[test]
fn e6_a_session_description_among_parts_is_found_or_refused() {
    let isup = ("application/ISUP;version=x\r\nContent-Disposition: signal;handling=optional", "\u{1}\u{2}");
    let required = ("application/ISUP\r\nContent-Disposition: signal;handling=required", "\u{1}");
    let sdp = ("application/sdp", SDP);
    for (parts, want) in [
        (vec![sdp], Ok(SDP)),
        (vec![sdp, isup], Ok(SDP)),
        (vec![isup, sdp], Ok(SDP)),
        (vec![("application/pidf+xml", "<presence/>"), sdp], Ok(SDP)),
        (vec![("application/sdp\r\nContent-Disposition: session;handling=optional", SDP)], Ok(SDP)),
        (vec![sdp, sdp], Err(Fault::Ambiguous)),
        (vec![sdp, ("application/sdp\r\nContent-Disposition: early-session", SDP)], Err(Fault::Ambiguous)),
        (vec![("application/sdp\r\nContent-Type: text/plain", SDP)], Err(Fault::Ambiguous)),
        (vec![("application/sdp\r\nContent-Encoding: gzip", SDP)], Err(Fault::Encoded)),
        (vec![("application/sdp\r\nContent-Transfer-Encoding: base64", SDP)], Err(Fault::Encoded)),
        (vec![("application/sdp\r\nContent-Transfer-Encoding: 8bit", SDP)], Ok(SDP)),
        (vec![sdp, ("multipart/mixed;boundary=c", "--c\r\n\r\n\r\n--c--")], Err(Fault::Unreadable)),
        (vec![sdp, ("message/sip", "INVITE")], Err(Fault::Unreadable)),
        (vec![sdp, required], Err(Fault::Foreign)),
        (vec![sdp, ("text/plain", "hello")], Err(Fault::Foreign)),
        (vec![isup], Ok("")),
        (vec![isup, required], Err(Fault::Foreign)),
        (vec![("application/pidf+xml", "<presence/>")], Ok("")),
        (vec![("application/sdp", "")], Err(Fault::Missing)),
        (vec![isup; PARTS_MAX + 1], Err(Fault::Unreadable)),
    ] {
        assert_eq!(found(MIXED, &mixed(&parts)), want.map(str::to_owned), "{parts:?}");
    }
    let alternative = MIXED.replace("mixed", "alternative");
    assert_eq!(found(&alternative, &mixed(&[sdp])), Err(Fault::Ambiguous));
    assert_eq!(found(MIXED, "--c\r\n\r\n--c--"), Err(Fault::Unreadable));
    let most: Vec<_> = std::iter::once(sdp).chain(vec![isup; PARTS_MAX - 1]).collect();
    assert_eq!(found(MIXED, &mixed(&most)), Ok(SDP.to_owned()));
}

#[test]
fn e6_what_is_no_session_is_one_thing_in_the_open() {
    for (lines, want) in [
        ("c: application/dtmf-relay\r\n", Ok(())),
        ("c: text/plain;charset=utf-8\r\n", Ok(())),
        ("c: text/plain\r\ne: gzip\r\n", Err(Fault::Encoded)),
        ("c: application/sdp\r\n", Err(Fault::Ambiguous)),
        (MIXED, Err(Fault::Unreadable)),
        ("c: message/cpim\r\n", Err(Fault::Unreadable)),
        ("", Err(Fault::Untyped)),
    ] {
        assert_eq!(plain(&message(lines, "x")), want, "{lines}");
    }
    assert_eq!(plain(&message("c: application/sdp\r\n", "")), Ok(()));
}

#[test]
fn a_message_with_another_description_is_the_same_but_for_it() {
    let secret = "v=0\r\no=secret 1 1 IN IP4 192.168.0.1\r\n";
    for (lines, body) in [("c: application/sdp\r\nContent-Disposition: session\r\n", secret), ("", "")] {
        let came = message(&format!("X-Kept: 1\r\n{lines}"), body);
        let other = came.with_sdp(SDP.as_bytes());
        assert_eq!((other.body(), came.body()), (SDP.as_bytes(), body.as_bytes()));
        assert_eq!(other.header(HeaderName::ContentType), Some(&b"application/sdp"[..]));
        assert_eq!(other.lines(HeaderName::ContentType).count(), 1);
        assert!(!other.has(HeaderName::ContentDisposition) && matches!(session(&other), Ok(Session::Alone)));
        assert_eq!(
            (other.to_tag(), other.call_id(), other.cseq()),
            (came.to_tag(), came.call_id(), came.cseq())
        );
        assert_eq!(other.headers().filter(|header| header.raw_name == b"X-Kept").count(), 1);
        assert!(memchr::memmem::find(other.bytes(), b"secret").is_none(), "nothing of it is held");
        assert_eq!(other.with_sdp(b"v=0\r\n").body(), b"v=0\r\n");
    }
}
