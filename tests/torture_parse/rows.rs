//! What the index says of each torture message, as facts of the message read.

use ringfence::sip::HeaderName as H;
use ringfence::sip::error::Cause;
use ringfence::sip::headers::ContentType;
use ringfence::sip::multipart;
use ringfence::sip::uri::{SipUri, unescape};
use ringfence::sip::{Host, Message, Method, NameAddr, Uri, Via};

use super::Reply::{Silence, Whole};
use super::Row::{self, Accept, Refuse};

type Rows = Vec<(&'static str, Row)>;

/// RFC 4475, in the order of its sections.
pub fn rfc4475() -> Rows {
    let mut rows = valid_rows();
    rows.extend(invalid_rows());
    rows.extend(semantic_rows());
    rows
}

fn sip_uri<'a>(uri: &Uri<'a>) -> SipUri<'a> {
    match uri {
        Uri::Sip(sip) => *sip,
        Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_) => panic!("{uri:?} is no sip URI"),
    }
}

fn request_sip(message: &Message) -> SipUri<'_> {
    sip_uri(&message.uri().unwrap())
}

fn contacts(message: &Message) -> Vec<NameAddr<'_>> {
    message.values(H::Contact).map(|value| NameAddr::read(value).unwrap()).collect()
}

fn user<'a>(address: &NameAddr<'a>) -> Vec<u8> {
    unescape(address.uri().unwrap().user().unwrap()).unwrap().into_owned()
}

fn vias(message: &Message) -> Vec<Via<'_>> {
    message.values(H::Via).map(|value| Via::read(value).unwrap()).collect()
}

fn host(text: &str) -> Host<'_> {
    Host::read(text.as_bytes()).unwrap()
}

fn valid_rows() -> Rows {
    vec![
        ("wsinv.dat", Accept(wsinv)),
        ("intmeth.dat", Accept(intmeth)),
        ("esc01.dat", Accept(esc01)),
        (
            "escnull.dat",
            Accept(|message| {
                assert_eq!(user(&message.to()), b"null-\0-null");
                let users: Vec<_> = contacts(message).iter().map(user).collect();
                assert_eq!(users, [&b"\0"[..], b"\0\0"]);
                assert_eq!(message.body(), b"");
            }),
        ),
        (
            "esc02.dat",
            Accept(|message| {
                assert_eq!(message.method().as_bytes(), b"RE%47IST%45R");
                assert!(matches!(message.method(), Method::Other(_)));
                assert_eq!(contacts(message).len(), 2);
                assert_eq!(message.from().display, b"\"%Z%45\"");
                assert_eq!(message.top_via().branch, Some(&b"z9hG4bK209%fzsnel234"[..]));
            }),
        ),
        (
            "lwsdisp.dat",
            Accept(|message| {
                assert_eq!(message.from().display, b"caller");
                assert_eq!(message.from().raw_uri, b"sip:caller@example.com");
                assert_eq!(message.from_tag(), Some(&b"323"[..]));
            }),
        ),
        ("longreq.dat", Accept(longreq)),
        (
            "dblreq.dat",
            Accept(|message| {
                assert_eq!((message.method(), message.body()), (&Method::Register, &b""[..]));
                assert_eq!(message.call_id(), b"dblreq.0ha0isndaksdj99sdfafnl3lk233412");
                assert!(message.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
            }),
        ),
        (
            "semiuri.dat",
            Accept(|message| {
                let uri = request_sip(message);
                assert_eq!(unescape(uri.user.unwrap()).unwrap(), &b"user;par=u@example.net"[..]);
                assert_eq!((uri.host, uri.params), (host("example.com"), &b""[..]));
                assert_eq!(message.values(H::Accept).count(), 6);
            }),
        ),
        (
            "transports.dat",
            Accept(|message| {
                let transports: Vec<_> = vias(message).iter().map(|via| via.transport).collect();
                assert_eq!(transports, [&b"UDP"[..], b"SCTP", b"TLS", b"UNKNOWN", b"TCP"]);
            }),
        ),
        (
            "mpart01.dat",
            Accept(|message| {
                assert_eq!(message.body().len(), 553);
                assert!(message.body().contains(&0));
                let kind = ContentType::read(message.header(H::ContentType).unwrap()).unwrap();
                let parts = multipart::parts(&kind, message.body(), 2).unwrap();
                assert!(parts[0].content_type().unwrap().unwrap().is("text", "plain"));
                assert!(parts[1].content_type().unwrap().unwrap().is("application", "octet-stream"));
                assert_eq!(
                    (parts[0].body, memchr::memchr_iter(b'\n', parts[1].body).count()),
                    (&b"Hello"[..], 3)
                );
                assert!(message.top_via().rport);
                assert_eq!(message.lines(H::Identity).count(), 1);
            }),
        ),
        (
            "unreason.dat",
            Accept(|message| {
                assert_eq!((message.status(), message.body().len()), (Some(200), 154));
                assert_eq!(message.reason(), "= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes());
            }),
        ),
        (
            "noreason.dat",
            Accept(|message| assert_eq!((message.status(), message.reason()), (Some(100), &b""[..]))),
        ),
    ]
}

fn wsinv(message: &Message) {
    assert_eq!((message.cseq().number, message.cseq().method), (9, &Method::Invite));
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!((message.to_tag(), message.from_tag()), (Some(&b"1918181833n"[..]), Some(&b"98asjd8"[..])));
    let read = vias(message);
    let seen: Vec<_> = read.iter().map(|via| (via.transport, via.host)).collect();
    assert_eq!(
        seen,
        [
            (&b"UDP"[..], host("192.0.2.2")),
            (b"TCP", host("spindle.example.com")),
            (b"UDP", host("192.168.255.111"))
        ]
    );
    assert_eq!((read[0].branch, read[0].has_cookie()), (Some(&b"390skdjuw"[..]), false));
    assert_eq!((read[1].branch, read[2].branch), (Some(&b"z9hG4bK9ikj8"[..]), Some(&b"z9hG4bK30239"[..])));
    assert_eq!(contacts(message)[0].param("q"), Some(&b"0.33"[..]));
    let odd = message.headers().find(|header| header.raw_name == b"UnknownHeaderWithUnusualValue").unwrap();
    assert_eq!((odd.name, odd.value), (H::Unknown, &b";;,,;;,;"[..]));
    assert_eq!(message.header(H::Subject), Some(&b""[..]));
    assert_eq!(message.body().len(), 150);
}

fn intmeth(message: &Message) {
    assert_eq!(message.method().as_bytes(), b"!interesting-Method0123456789_*+`.%indeed'~");
    let uri = request_sip(message);
    assert_eq!(uri.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(uri.password, Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(message.to().display, b"\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\"");
    assert!(message.call_id().starts_with(b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
    assert_eq!(message.from_tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(message.from().param("fromParam''~+*_!.-%"), Some("\"работающий\"".as_bytes()));
    let odd = message.headers().find(|header| header.raw_name.starts_with(b"extensionHeader")).unwrap();
    assert_eq!(odd.value, "\u{feff}大停電".as_bytes());
    assert_eq!(message.max_forwards(), Some(255));
}

fn esc01(message: &Message) {
    let uri = request_sip(message);
    assert_eq!(unescape(uri.user.unwrap()).unwrap(), &b"sips:user@example.com"[..]);
    assert_eq!(uri.host, host("example.net"));
    assert_eq!(user(&message.to()), b"user");
    let contact = sip_uri(&contacts(message)[0].uri().unwrap());
    let params: Vec<_> =
        contact.params.split(|byte| *byte == b';').skip(1).map(|text| unescape(text).unwrap()).collect();
    assert_eq!(params, [&b"lr"[..], b"name=value%41"]);
    assert_eq!(message.body().len(), 150);
}

fn longreq(message: &Message) {
    assert_eq!((message.via_count(), vias(message).len()), (34, 34));
    assert_eq!(message.from_tag().map(<[u8]>::len), Some(155));
    assert!(user(&message.from()).len() > 100 && user(&contacts(message)[0]).len() > 100);
    assert_eq!(message.top_via().branch, None);
    assert_eq!(message.bytes().len(), 3_515);
    assert_eq!(message.body().len(), 150);
}

fn invalid_rows() -> Rows {
    vec![
        // RFC 4475 §3.1.2.1: the topmost Via itself is broken; guessed Via text is not echoed.
        ("badinv01.dat", Refuse(Cause::HeaderValue, 400, Silence)),
        ("clerr.dat", Refuse(Cause::ContentLength, 400, Whole)),
        ("ncl.dat", Refuse(Cause::ContentLength, 400, Whole)),
        ("scalar02.dat", Refuse(Cause::CSeq, 400, Whole)),
        ("scalarlg.dat", Refuse(Cause::CSeq, 400, Silence)),
        ("quotbal.dat", Refuse(Cause::HeaderValue, 400, Whole)),
        ("ltgtruri.dat", Refuse(Cause::RequestUri, 400, Whole)),
        ("lwsruri.dat", Refuse(Cause::StartLine, 400, Whole)),
        ("lwsstart.dat", Refuse(Cause::StartLine, 400, Whole)),
        ("trws.dat", Refuse(Cause::StartLine, 400, Whole)),
        ("escruri.dat", Refuse(Cause::RequestUri, 400, Whole)),
        ("baddate.dat", Accept(|message| assert!(message.header(H::Date).is_some()))),
        ("regbadct.dat", Refuse(Cause::HeaderValue, 400, Whole)),
        ("badaspec.dat", Refuse(Cause::HeaderValue, 400, Whole)),
        ("baddn.dat", Refuse(Cause::HeaderValue, 400, Whole)),
        ("badvers.dat", Refuse(Cause::Version, 505, Whole)),
        ("mismatch01.dat", Refuse(Cause::CSeq, 400, Whole)),
        ("mismatch02.dat", Refuse(Cause::CSeq, 400, Whole)),
        ("bigcode.dat", Refuse(Cause::StartLine, 400, Silence)),
        ("insuf.dat", Refuse(Cause::Missing, 400, Whole)),
        ("multi01.dat", Refuse(Cause::Repeated, 400, Whole)),
        ("mcl01.dat", Refuse(Cause::ContentLength, 400, Whole)),
        // Described nowhere; without version and Via nothing can be answered.
        ("test.dat", Refuse(Cause::NotSip, 400, Silence)),
    ]
}

fn semantic_rows() -> Rows {
    vec![
        (
            "badbranch.dat",
            Accept(|message| {
                assert_eq!(message.top_via().branch, Some(&b"z9hG4bK"[..]));
                assert!(!message.top_via().has_cookie());
            }),
        ),
        (
            "unkscm.dat",
            Accept(|message| {
                assert!(matches!(
                    message.uri(),
                    Some(Uri::Other(b"nobodyKnowsThisScheme:totallyopaquecontent"))
                ));
            }),
        ),
        (
            "novelsc.dat",
            Accept(|message| {
                assert!(matches!(message.uri(), Some(Uri::Other(b"soap.beep://192.0.2.103:3002"))))
            }),
        ),
        (
            "unksm2.dat",
            Accept(|message| {
                assert!(matches!(message.to().uri(), Ok(Uri::Other(uri)) if uri.starts_with(b"isbn:")));
                assert!(matches!(message.from().uri(), Ok(Uri::Other(uri)) if uri.starts_with(b"http:")));
                assert!(message.from_tag().is_some());
                assert!(contacts(message)[0].raw_uri.starts_with(b"name:"));
            }),
        ),
        (
            "bext01.dat",
            Accept(|message| {
                assert_eq!(
                    (message.values(H::Require).count(), message.values(H::ProxyRequire).count()),
                    (2, 2)
                );
            }),
        ),
        (
            "invut.dat",
            Accept(|message| {
                assert_eq!(message.header(H::ContentType), Some(&b"application/unknownformat"[..]));
                assert_eq!(message.body().len(), 40);
            }),
        ),
        (
            "regaut01.dat",
            Accept(|message| {
                assert!(
                    message
                        .header(H::Authorization)
                        .is_some_and(|value| value.starts_with(b"NoOneKnowsThisScheme"))
                );
            }),
        ),
        (
            "bcast.dat",
            Accept(|message| {
                assert_eq!(
                    (message.status(), message.via_count(), message.body().len()),
                    (Some(200), 2, 154)
                );
                assert_eq!(vias(message)[1].host, host("255.255.255.255"));
            }),
        ),
        ("zeromf.dat", Accept(|message| assert_eq!(message.max_forwards(), Some(0)))),
        (
            "cparam01.dat",
            Accept(|message| {
                let contact = contacts(message)[0];
                assert_eq!(contact.param("unknownparam"), Some(&b""[..]));
                assert_eq!(sip_uri(&contact.uri().unwrap()).params, b"");
            }),
        ),
        (
            "cparam02.dat",
            Accept(|message| {
                let contact = contacts(message)[0];
                assert_eq!(
                    (contact.params, contact.uri().unwrap().param("unknownparam")),
                    (&b""[..], Some(&b""[..]))
                );
            }),
        ),
        (
            "regescrt.dat",
            Accept(|message| {
                let contact = contacts(message)[0];
                assert_eq!(sip_uri(&contact.uri().unwrap()).headers, b"Route=%3Csip:sip.example.com%3E");
            }),
        ),
        (
            "sdp01.dat",
            Accept(|message| {
                assert_eq!(message.header(H::Accept), Some(&b"text/nobodyKnowsThis"[..]));
                assert_eq!(message.body().len(), 150);
            }),
        ),
        (
            "inv2543.dat",
            Accept(|message| {
                assert_eq!(
                    (message.top_via().branch, message.from_tag(), message.max_forwards()),
                    (None, None, None)
                );
                assert_eq!(message.header(H::ContentLength), None);
                assert_eq!(message.body().len(), 105);
                assert_eq!(message.to().param("user"), Some(&b"phone"[..]));
            }),
        ),
    ]
}

/// RFC 5118.
pub fn rfc5118() -> Rows {
    vec![
        (
            "ipv6-good",
            Accept(|message: &Message| {
                let uri = request_sip(message);
                assert_eq!((uri.host, uri.port), (host("[2001:db8::10]"), None));
                assert_eq!(message.top_via().host, host("[2001:db8::9:1]"));
                assert_eq!(sip_uri(&contacts(message)[0].uri().unwrap()).host, host("[2001:db8::1]"));
            }),
        ),
        ("ipv6-bad", Refuse(Cause::RequestUri, 400, Whole)),
        (
            "port-ambiguous",
            Accept(|message| {
                let uri = request_sip(message);
                assert_eq!((uri.host, uri.port), (host("[2001:db8::10:5070]"), None));
            }),
        ),
        (
            "port-unambiguous",
            Accept(|message| {
                let uri = request_sip(message);
                assert_eq!((uri.host, uri.port), (host("[2001:db8::10]"), Some(5070)));
            }),
        ),
        (
            "via-received-param-with-delim",
            Accept(|message| assert_eq!(message.top_via().received(), "2001:db8::9:255".parse().ok())),
        ),
        (
            "via-received-param-no-delim",
            Accept(|message| {
                assert_eq!(message.top_via().received(), "2001:db8::9:255".parse().ok());
                assert!(message.top_via().has_cookie());
            }),
        ),
        ("ipv6-in-sdp", Accept(|message| assert_eq!(message.body().len(), 241))),
        (
            "mult-ip-in-header",
            Accept(|message| {
                let read = vias(message);
                assert_eq!((read.len(), read[0].port), (3, Some(6050)));
                assert_eq!(read[1].host, host("192.0.2.1"));
                assert_eq!(read[2].received(), "192.0.2.200".parse().ok());
            }),
        ),
        ("mult-ip-in-sdp", Accept(|message| assert_eq!(message.body().len(), 181))),
        (
            "ipv4-mapped-ipv6",
            Accept(|message| {
                let top = message.top_via();
                assert_eq!((top.host, top.port), (host("[::ffff:192.0.2.10]"), Some(19_823)));
                assert_eq!(sip_uri(&contacts(message)[0].uri().unwrap()).host, host("[::ffff:192.0.2.2]"));
            }),
        ),
        (
            "ipv6-bug-abnf-3-colons",
            Accept(|message| assert_eq!(request_sip(message).host, host("[2001:db8::192.0.2.1]"))),
        ),
        (
            "ipv6-correct-abnf-2-colons",
            Accept(|message| assert_eq!(request_sip(message).host, host("[2001:db8::192.0.2.1]"))),
        ),
    ]
}
