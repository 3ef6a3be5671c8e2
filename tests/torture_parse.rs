//! The torture messages of RFC 4475 and RFC 5118 against the reader: every file of the index has a row here, and the row
//! says what the index's `parser` column says.
//!
//! Where the index leaves the choice, the reader refuses: nothing that had to be mended goes on.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ringfence::sip::error::Cause;
use ringfence::sip::framing::{Framed, Framer};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::uri::{SipUri, unescape};
use ringfence::sip::write::{Text, refusal, response_to};
use ringfence::sip::{Host, Malformed, Message, Method, NameAddr, Uri, Via};

use ringfence::sip::HeaderName as H;

enum Row {
    /// Accepted, and these facts hold.
    Accept(fn(&Message)),
    /// Refused for this cause with this status.
    Refuse(Cause, u16, Reply),
}

use Row::{Accept, Refuse};

/// What a stateless reply can be made of.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Whole,
    Silence,
}

use Reply::{Silence, Whole};

fn torture() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/torture");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no ../shared/corpus/torture");
    None
}

/// File names and classes of an index.
fn index(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let file = cells.next().unwrap().to_owned();
        (file, cells.nth(1).unwrap().to_owned())
    };
    text.lines().skip(1).map(row).collect()
}

fn read(folder: &Path, file: &str) -> (Bytes, Result<Message, Box<Malformed>>) {
    let bytes = Bytes::from(std::fs::read(folder.join(file)).unwrap());
    (bytes.clone(), parse(bytes, &Limits::default()))
}

fn walk(folder: &str, rows: &[(&str, Row)]) {
    let Some(folder) = torture().map(|torture| torture.join(folder)) else { return };
    let index = index(&folder);
    assert_eq!(index.len(), rows.len(), "every file of the index has a row");
    for (file, class) in index {
        let (_, row) =
            rows.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("{file} has no row"));
        println!("{file} ({class})");
        match (row, read(&folder, &file)) {
            (Accept(facts), (_, Ok(message))) => {
                facts(&message);
                gives_back_its_essentials(&message);
            }
            (Refuse(cause, status, reply), (_, Err(refused))) => {
                assert_ne!(class, "valid", "{file}");
                assert_eq!((refused.cause, refused.status), (*cause, *status), "{file}: {}", refused.reason);
                assert_eq!(&replies(&refused), reply, "{file}");
            }
            (Accept(_), (_, Err(refused))) => panic!("{file} refused: {refused:?}"),
            (Refuse(..), (_, Ok(_))) => panic!("{file} accepted"),
        }
    }
}

/// What a stateless reply can be made of; where it can, it reads as SIP unless the request's own lines cannot.
fn replies(refused: &Malformed) -> Reply {
    let source = "192.0.2.77:5060".parse().unwrap();
    let reason = Text::new(refused.reason.as_bytes()).unwrap();
    match refused.answer.as_deref().and_then(|answer| refusal(answer, source, refused.status, reason)) {
        None => Silence,
        Some(reply) => {
            assert!(reply.starts_with(format!("SIP/2.0 {} ", refused.status).as_bytes()));
            assert!(reply.ends_with(b"Content-Length: 0\r\n\r\n"));
            Whole
        }
    }
}

/// RFC 4475 §3.1.1.2: To, From, Call-ID, CSeq and Via come back octet for octet (folds become one space).
fn gives_back_its_essentials(message: &Message) {
    if !message.is_request() {
        return;
    }
    let source = "192.0.2.77:5060".parse().unwrap();
    let reply = response_to(message, source, 400, Text::fixed("Bad Request"), None).finish(b"");
    let reply = parse(reply, &Limits::default()).unwrap();
    for name in [H::To, H::From, H::CallId, H::CSeq] {
        let line =
            |message: &Message| ringfence::sip::text::unfold(message.header(name).unwrap()).into_owned();
        assert_eq!(line(&reply), line(message), "{name:?}");
    }
    assert_eq!(reply.via_count(), message.via_count());
    let lower = |message: &Message| {
        message
            .values(H::Via)
            .skip(1)
            .map(|via| ringfence::sip::text::unfold(via).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lower(&reply), lower(message));
    assert_eq!(reply.top_via().branch, message.top_via().branch);
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

#[test]
fn rfc4475_as_its_index_says() {
    let mut rows = valid_rows();
    rows.extend(invalid_rows());
    rows.extend(semantic_rows());
    walk("rfc4475", &rows);
}

fn valid_rows() -> Vec<(&'static str, Row)> {
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

fn invalid_rows() -> Vec<(&'static str, Row)> {
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

fn semantic_rows() -> Vec<(&'static str, Row)> {
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

#[test]
fn rfc5118_as_its_index_says() {
    let rows = [
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
    ];
    walk("rfc5118", &rows);
}

#[test]
fn torture_on_a_stream_gives_the_same_octets_however_it_is_cut() {
    let Some(torture) = torture() else { return };
    let limits = Limits::default();
    for set in ["rfc4475", "rfc5118"] {
        let folder = torture.join(set);
        for (file, _) in index(&folder) {
            let (bytes, read) = read(&folder, &file);
            let framed = |step: usize| {
                let mut framer = Framer::default();
                for chunk in bytes.chunks(step) {
                    framer.push(chunk);
                    match framer.next(&limits) {
                        Ok(Some(Framed::Message(message))) => return Some(message.to_vec()),
                        Ok(Some(Framed::KeepAlivePing | Framed::Pong) | None) => (),
                        Err(_) => return None,
                    }
                }
                None
            };
            let whole = framed(usize::MAX);
            assert_eq!(framed(1), whole, "{file}");
            if let Ok(message) = read {
                // RFC 4475 §3.4.1 and the INVITE of §3.1.1.1 apart, what a datagram holds a stream holds too.
                let want = message.header(H::ContentLength).map(|_| message.bytes().to_vec());
                assert_eq!(whole, want, "{file}");
            }
        }
    }
}
