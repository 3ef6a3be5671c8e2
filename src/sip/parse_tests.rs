//! What the reader takes and what it refuses. Read first: RFC 3261 §7, §8.1.1, §18.3; RFC 4475.

use proptest::prelude::*;

use super::*;
use crate::sip::write::Text;
use crate::sip::{Host, Writer};

const HEAD: [&str; 7] = [
    "OPTIONS sip:a@example.com SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKa",
    "Max-Forwards: 70",
    "From: \"B\" <sip:b@example.com>;tag=1",
    "To: <sip:a@example.com>",
    "Call-ID: x@y",
    "CSeq: 7 OPTIONS",
];

fn refused(text: &str) -> Option<(Cause, u16)> {
    let read = parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default());
    read.err().map(|refused| (refused.cause, refused.status))
}

/// The usual head with the line that starts with `start` replaced (by nothing, if empty), and lines appended.
fn with(start: &str, line: &str, more: &str) -> String {
    assert!(HEAD.iter().any(|usual| usual.starts_with(start)));
    let lines = HEAD.iter().map(|usual| if usual.starts_with(start) { line } else { usual });
    let kept: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    format!("{}\r\n{more}\r\n", kept.join("\r\n"))
}

fn plus(more: &str) -> String {
    format!("{}\r\n{more}\r\n", HEAD.join("\r\n"))
}

#[test]
fn essentials_are_there_after_reading() {
    let text = format!(
        "\r\n\r\n{}Content-Length: 2\r\n\r\nhi, noise",
        plus("Subject: s\r\nk: a, B\r\nSupported: c\r\n").trim_end().to_owned() + "\r\n"
    );
    let message = parse(Bytes::from(text), &Limits::default()).unwrap();
    assert_eq!(
        (message.method(), message.status(), message.request_uri()),
        (&Method::Options, None, &b"sip:a@example.com"[..])
    );
    assert_eq!(message.top_via().host, Host::Address("192.0.2.1".parse().unwrap()));
    assert_eq!(
        (message.from().display, message.from_tag(), message.to_tag()),
        (&b"\"B\""[..], Some(&b"1"[..]), None)
    );
    assert_eq!(
        (message.call_id(), message.cseq().number, message.max_forwards()),
        (&b"x@y"[..], 7, Some(70))
    );
    assert_eq!((message.body(), &message.body_bytes()[..]), (&b"hi"[..], &b"hi"[..]));
    assert!(message.bytes().starts_with(b"OPTIONS") && message.bytes().ends_with(b"hi"));
    assert!(message.lists(HeaderName::Supported, "b") && message.lists(HeaderName::Supported, "C"));
    assert!(!message.lists(HeaderName::Supported, "d") && !message.has(HeaderName::Contact));
    assert_eq!(message.headers().count(), 10);
    assert!(!format!("{message:?}").contains("example.com"), "numbers stay off logs");
}

#[test]
fn start_lines() {
    use Cause::{NotSip, Oversize, RequestUri, StartLine, Version};
    for (line, want) in [
        ("OPTIONS sip:a@b sip/2.0", None),
        ("OPTIONS tel:+49301 SIP/2.0", None),
        ("OPTIONS urn:service:sos SIP/2.0", None),
        ("OPTIONS  sip:a@b SIP/2.0", Some((StartLine, 400))),
        ("OPTIONS sip:a@b  SIP/2.0", Some((StartLine, 400))),
        ("OPTIONS sip:a@b SIP/2.0 ", Some((StartLine, 400))),
        (" OPTIONS sip:a@b SIP/2.0", Some((StartLine, 400))),
        ("OPTIONS\tsip:a@b SIP/2.0", Some((NotSip, 400))),
        ("OPT\u{1}IONS sip:a@b SIP/2.0", Some((StartLine, 400))),
        ("OPTIONS sip:a@b SIP/2.0x", Some((StartLine, 400))),
        ("OPTIONS sip:a@b SIP/3.0", Some((Version, 505))),
        ("OPTIONS sip:a@b SIP/2.1", Some((Version, 505))),
        ("OPTIONS sip:a@b SIP/22.00", Some((Version, 505))),
        ("OPTIONS sip:a@b HTTP/1.1", Some((NotSip, 400))),
        ("OPTIONS sip:a@b", Some((NotSip, 400))),
        ("OPTIONS * SIP/2.0", Some((RequestUri, 400))),
        ("OPTIONS sip:a@b@c SIP/2.0", Some((RequestUri, 400))),
        ("OPTIONS sip:a@b?Route=x SIP/2.0", Some((RequestUri, 400))),
        ("SIP/2.0", Some((StartLine, 400))),
    ] {
        assert_eq!(refused(&with("OPTIONS", line, "")), want, "{line}");
    }
    assert_eq!(
        refused(&with("OPTIONS", &format!("OPTIONS sip:{} SIP/2.0", "a".repeat(2_045)), "")),
        Some((Oversize, 414))
    );
    assert_eq!(
        refused(&with("OPTIONS", &format!("{} sip:a@b SIP/2.0", "M".repeat(129)), "")),
        Some((StartLine, 400))
    );
}

#[test]
fn status_lines() {
    for (line, want) in [
        ("SIP/2.0 200 OK", Some(200)),
        ("SIP/2.0 100 ", Some(100)),
        ("SIP/2.0 699 \u{431}\u{432}", Some(699)),
        ("SIP/2.0 180", Some(180)),
        ("SIP/2.0 099 OK", None),
        ("SIP/2.0 700 OK", None),
        ("SIP/2.0 4294967496 OK", None),
        ("SIP/2.0 20 OK", None),
        ("SIP/2.0 +20 OK", None),
        ("SIP/2.0  200 OK", None),
        ("SIP/2.0 2x0 OK", None),
        ("SIP/7.0 200 OK", None),
    ] {
        match parse(Bytes::from(with("OPTIONS", line, "")), &Limits::default()) {
            Ok(message) => assert_eq!(message.status(), want, "{line}"),
            Err(refused) => {
                assert_eq!((want, refused.answer), (None, None), "{line}: no response is answered")
            }
        }
    }
}

#[test]
fn required_and_single_headers() {
    for start in ["Via", "From", "To", "Call-ID", "CSeq"] {
        assert_eq!(refused(&with(start, "", "")), Some((Cause::Missing, 400)), "{start}");
    }
    assert_eq!(refused(&with("Max-Forwards", "", "")), None);
    for line in [
        "f: sip:x@y",
        "T: sip:x@y",
        "i: x",
        "CSEQ: 7 OPTIONS",
        "Max-Forwards: 1",
        "Expires: 1\r\nExpires: 1",
        "c: a/b\r\nC: a/b",
    ] {
        assert_eq!(refused(&plus(&format!("{line}\r\n"))), Some((Cause::Repeated, 400)), "{line}");
    }
    assert_eq!(refused(&plus("Subject: a\r\nSubject: b\r\nZ: a\r\nZ: b\r\n")), None);
}

#[test]
fn essential_values() {
    use Cause::{CSeq, HeaderValue};
    for (start, line, want) in [
        ("Via", "Via: SIP/2.0/UDP h;;", Some(HeaderValue)),
        ("Via", "Via:", Some(HeaderValue)),
        ("Via", "Via: ,", Some(HeaderValue)),
        ("From", "From: sip:b@c;tag", Some(HeaderValue)),
        ("From", "From: sip:b@c;tag=1;TAG=2", Some(HeaderValue)),
        ("From", "From: sip:b@c;tag=\"1\"", Some(HeaderValue)),
        ("From", "From: sip:b@c", None),
        ("To", "To: *", Some(HeaderValue)),
        ("Call-ID", "Call-ID:", Some(HeaderValue)),
        ("Call-ID", "Call-ID: a b", Some(HeaderValue)),
        ("Call-ID", "Call-ID: a\r\n b", Some(HeaderValue)),
        ("CSeq", "CSeq: 7 INVITE", Some(CSeq)),
        ("CSeq", "CSeq: 7 options", Some(CSeq)),
        ("CSeq", "CSeq: 2147483648 OPTIONS", Some(CSeq)),
        ("CSeq", "CSeq: 2147483647\t OPTIONS", None),
        ("Max-Forwards", "Contact: <sip:a@b", Some(HeaderValue)),
        ("Max-Forwards", "Contact: *", None),
    ] {
        assert_eq!(refused(&with(start, line, "")), want.map(|cause| (cause, 400)), "{line}");
    }
}

#[test]
fn c5_max_forwards_is_0_to_255_or_absent() {
    for (value, good) in [
        ("0", true),
        ("255", true),
        ("0068", true),
        ("256", false),
        ("-1", false),
        ("ten", false),
        ("", false),
        ("7 0", false),
    ] {
        let line = format!("Max-Forwards: {value}");
        assert_eq!(
            refused(&with("Max-Forwards", &line, "")),
            if good { None } else { Some((Cause::HeaderValue, 400)) },
            "{value}"
        );
    }
}

#[test]
fn d5_nothing_hides_before_a_colon() {
    for line in [
        "To\u{1}: x",
        "To\0: x",
        "To\u{7f}: x",
        ": x",
        "To",
        "T o: x",
        "To\r\n : x",
        "Tö: x",
        "To\u{b}: x",
        " To: x",
    ] {
        let text = plus(&format!("X-First: y\r\n{line}\r\n"));
        let want = if line == " To: x" { None } else { Some((Cause::HeaderLine, 400)) };
        assert_eq!(refused(&text), want, "{line:?}");
    }
    assert_eq!(refused(&plus("X-Any \t : x\r\n")), None, "RFC 3261 §7.3.1 allows blanks");
    let text = with("OPTIONS", "OPTIONS sip:a@b SIP/2.0\r\n folded: x", "");
    assert_eq!(refused(&text), Some((Cause::HeaderLine, 400)), "a start line does not fold");
}

#[test]
fn f4_only_crlf_ends_a_line_and_nul_is_quoted() {
    for (text, want) in [
        (plus("").replace("\r\n", "\n"), Some(Cause::StartLine)),
        (plus("").replace("\r\n", "\r"), Some(Cause::StartLine)),
        (plus("Subject: a\nVia: b\r\n"), Some(Cause::HeaderLine)),
        (plus("Subject: a\rb\r\n"), Some(Cause::HeaderLine)),
        (plus("Subject: a\0b\r\n"), Some(Cause::HeaderValue)),
        (plus("Subject: \"a\0b\"\r\n"), Some(Cause::HeaderValue)),
        (plus("Subject: \"a\" \\\0 \"b\"\r\n"), Some(Cause::HeaderValue)),
        (plus("Subject: \"a\\\0b\"\r\n"), None),
        (plus("Subject: \"a\\\\\\\"\\\0b\"\r\n"), None),
        (HEAD.join("\r\n"), Some(Cause::HeaderLine)),
        (format!("{}\r\n", HEAD.join("\r\n")), Some(Cause::HeaderLine)),
        (format!("{}{}", "\r\n".repeat(LEADING_OCTETS_MAX / 2), plus("")), None),
        (format!("{}{}", "\r\n".repeat(LEADING_OCTETS_MAX / 2 + 1), plus("")), Some(Cause::NotSip)),
        (String::new(), Some(Cause::StartLine)),
        ("\r\n\r\n".into(), Some(Cause::StartLine)),
    ] {
        assert_eq!(refused(&text).map(|(cause, _)| cause), want, "{text:?}");
    }
}

#[test]
fn f2_content_length_does_not_lie() {
    for (lines, want) in [
        ("Content-Length: 5\r\n", None),
        ("l:0\r\n", None),
        ("Content-Length:\r\n  05\r\n", None),
        ("Content-Length: 6\r\n", Some(Cause::ContentLength)),
        ("Content-Length: -1\r\n", Some(Cause::ContentLength)),
        ("Content-Length: +5\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 0x5\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 4294967296\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 4294967295\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 18446744073709551616\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 5 5\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 5, 5\r\n", Some(Cause::ContentLength)),
        ("Content-Length:\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 5\r\nl: 5\r\n", Some(Cause::ContentLength)),
        ("Content-Length: 5\r\nContent-Length: 0\r\n", Some(Cause::ContentLength)),
    ] {
        assert_eq!(refused(&(plus(lines) + "12345")).map(|(cause, _)| cause), want, "{lines}");
    }
}

#[test]
fn f3_sizes_and_counts_are_bounded() {
    let limits = Limits::default();
    let params = |count: usize| (0..count).map(|at| format!(";p{at}=1")).collect::<String>();
    for (text, want) in [
        (plus(&"Z: y\r\n".repeat(limits.header_lines_max - 6)), None),
        (plus(&"Z: y\r\n".repeat(limits.header_lines_max - 5)), Some(400)),
        (plus(&format!("Z: {}\r\n", "y".repeat(limits.header_line_bytes_max - 3))), None),
        (plus(&format!("Z: {}\r\n", "y".repeat(limits.header_line_bytes_max - 2))), Some(400)),
        (plus(&format!("Z: {}y\r\n", "y\r\n ".repeat(10_000))), Some(400)),
        (plus(&format!("Z: {}\r\n", "y".repeat(8_000)).repeat(5)), Some(513)),
        (plus("") + &"b".repeat(limits.message_bytes_max), Some(513)),
        (with("To", &format!("To: <sip:a@b>{}", ";p=1".repeat(100)), ""), None),
        (with("To", &format!("To: <sip:a@b>{}", ";p=1".repeat(101)), ""), Some(400)),
        (with("OPTIONS", &format!("OPTIONS sip:a@b{} SIP/2.0", params(100)), ""), None),
        (with("OPTIONS", &format!("OPTIONS sip:a@b{} SIP/2.0", params(101)), ""), Some(400)),
    ] {
        assert_eq!(refused(&text).map(|(_, status)| status), want, "{}", text.len());
    }
}

#[test]
fn d7_via_values_are_bounded() {
    let vias = |count: usize| "Via: SIP/2.0/UDP h, SIP/2.0/UDP i\r\n".repeat(count);
    assert_eq!(refused(&plus(&vias(34))), None);
    assert_eq!(refused(&plus(&vias(35))), Some((Cause::Oversize, 400)));
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,20}"
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(Bytes::from(bytes), &Limits::default());
    }

    #[test]
    fn no_mutation_panics_and_what_is_read_stays_in_bounds(cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = plus("Contact: <sip:a@b>;q=0.1\r\nRoute: <sip:x;lr>, <sip:y;lr>\r\nl: 3\r\n").into_bytes();
        bytes.extend_from_slice(b"abc");
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = parse(Bytes::from(bytes), &Limits::default()) {
            prop_assert!(message.body().len() <= 12);
            prop_assert!(!message.call_id().is_empty() && !message.top_via().transport.is_empty());
        }
    }

    #[test]
    fn what_is_written_reads_back(
        method in token(), user in "[a-z0-9]{1,12}", values in prop::collection::vec(("[A-Z][a-z-]{3,12}", "[ -~]{0,40}"), 0..30),
        body in prop::collection::vec(any::<u8>(), 0..200), number in 0u32..1 << 31,
    ) {
        let method = Method::from_token(method.as_bytes()).unwrap();
        let uri = format!("sip:{user}@example.com");
        let mut writer = Writer::request(&method, Text::new(uri.as_bytes()).unwrap());
        writer.header(HeaderName::Via, Text::fixed("SIP/2.0/UDP h"));
        writer.header(HeaderName::From, Text::fixed("<sip:a@b>;tag=1"));
        writer.header(HeaderName::To, Text::new(uri.as_bytes()).unwrap());
        writer.header(HeaderName::CallId, Text::fixed("x"));
        let cseq = number.to_string();
        writer.pieces(HeaderName::CSeq, &[Text::new(cseq.as_bytes()).unwrap(), Text::fixed(" "), Text::new(method.as_bytes()).unwrap()]);
        let mut own = Vec::new();
        for (name, value) in &values {
            let name = format!("X-{name}");
            prop_assert!(writer.named(&name, Text::new(value.as_bytes()).unwrap()));
            own.push((name.into_bytes(), value.trim_matches(' ').as_bytes().to_vec()));
        }
        let message = parse(writer.finish(&body), &Limits::default()).unwrap();
        prop_assert_eq!(message.method(), &method);
        prop_assert_eq!(message.request_uri(), uri.as_bytes());
        prop_assert_eq!((message.cseq().number, message.body()), (number, &body[..]));
        let read: Vec<_> = message.headers().skip(5).take(own.len()).map(|header| (header.raw_name.to_vec(), header.value.to_vec())).collect();
        prop_assert_eq!(read, own);
    }

    #[test]
    fn a_text_has_no_line_end_and_no_nul(bytes in prop::collection::vec(prop::sample::select(&b"ab\r\n\0\t"[..]), 0..12)) {
        let good = !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        prop_assert_eq!(Text::new(&bytes).map(Text::bytes), good.then_some(&bytes[..]));
    }
}
