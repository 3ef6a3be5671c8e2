//! One message from bytes: nothing panics, what is read stays in bounds, what is answered and copied reads back.

use bytes::Bytes;
use ringfence::sip::grammar::Values;
use ringfence::sip::headers::{
    Auth, AuthParams, ContentDisposition, ContentType, DialogName, Diversion, HistoryInfo, Identity, Privacy,
    RAck, Reason, ReferTo, SessionExpires, delta_seconds, is_plain_encoding, retry_after, rseq,
};
use ringfence::sip::multipart;
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::text::{Masked, Safe, unfold, unquote};
use ringfence::sip::write::{refusal, response_to};
use ringfence::sip::{HeaderName, Message, NameAddr, Text, Via, Writer};

/// What must hold for any bytes.
pub fn entry(data: &[u8]) {
    let tight = Limits {
        header_lines_max: 12,
        header_line_bytes_max: 200,
        vias_max: 2,
        params_max: 3,
        ..Limits::default()
    };
    for limits in [Limits::default(), tight] {
        match parse(Bytes::copy_from_slice(data), &limits) {
            Ok(message) => read_well(&message, data, &limits),
            Err(refused) => {
                let source = "192.0.2.1:5060".parse().expect("an address");
                let reason = Text::new(refused.reason.as_bytes()).expect("a phrase of ours is one line");
                let answer = refused.answer.as_deref();
                if let Some(reply) = answer.and_then(|answer| refusal(answer, source, refused.status, reason))
                {
                    one_head(&reply);
                }
            }
        }
    }
}

/// A reply without a body: lines between CRLFs, one empty line, and that at the end.
fn one_head(reply: &[u8]) {
    assert!(reply.starts_with(b"SIP/2.0 "));
    let text = reply.strip_suffix(b"\r\n\r\n").expect("it ends once");
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.is_empty() && !line.contains(&b'\r') && !matches!(line[0], b' ' | b'\t'));
    }
}

fn read_well(message: &Message, data: &[u8], limits: &Limits) {
    assert!(data.windows(message.bytes().len().max(1)).any(|part| part == &message.bytes()[..]));
    assert!(message.bytes().ends_with(message.body()));
    assert!(message.headers().count() <= limits.header_lines_max);
    assert!(message.via_count() >= 1 && message.via_count() <= limits.vias_max);
    assert!(!message.call_id().is_empty() && message.cseq().number < 1 << 31);
    assert_eq!(message.is_request(), message.uri().is_some());
    let again = parse(message.bytes().clone(), limits).expect("what was read reads again");
    same(message, &again);
    for header in message.headers() {
        assert_eq!(HeaderName::read(header.raw_name), header.name);
        views(header.value);
    }
    if message.is_request() {
        let source = "[2001:db8::7]:5060".parse().expect("an address");
        let tag = Text::fixed("ours");
        let reply = response_to(message, source, 400, Text::fixed("Bad Request"), Some(tag)).finish(b"");
        one_head(&reply);
        let wide = Limits { header_line_bytes_max: usize::MAX, ..Limits::default() };
        let reply = parse(reply, &wide).expect("an answer of ours reads");
        assert_eq!(reply.call_id(), message.call_id());
        assert_eq!(reply.cseq(), message.cseq());
        assert_eq!(
            (reply.from_tag(), reply.to_tag()),
            (message.from_tag(), message.to_tag().or(Some(b"ours")))
        );
        assert_eq!(
            (reply.via_count(), reply.top_via().branch),
            (message.via_count(), message.top_via().branch)
        );
        copied(message);
    }
}

fn same(one: &Message, two: &Message) {
    assert_eq!(one.start(), two.start());
    assert_eq!((one.call_id(), one.cseq(), one.body()), (two.call_id(), two.cseq(), two.body()));
    assert_eq!((one.from_tag(), one.to_tag(), one.top_via()), (two.from_tag(), two.to_tag(), two.top_via()));
}

/// Copied line by line, a message keeps its lines, save those with a NUL.
fn copied(message: &Message) {
    let Some(uri) = Text::new(message.request_uri()) else { return };
    let mut writer = Writer::request(message.method(), uri);
    let mut whole = true;
    for header in message.headers().filter(|header| header.name != HeaderName::ContentLength) {
        whole &= writer.copy(&header);
    }
    let wide = Limits { header_lines_max: 201, ..Limits::default() };
    let copy = parse(writer.finish(message.body()), &wide);
    if whole {
        let copy = copy.expect("a copy reads");
        assert_eq!(
            (copy.call_id(), copy.cseq(), copy.body()),
            (message.call_id(), message.cseq(), message.body())
        );
        let lines = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
            let kept = message.headers().filter(|header| header.name != HeaderName::ContentLength);
            kept.map(|header| (header.raw_name.to_vec(), unfold(header.value).trim_ascii().to_vec()))
                .collect()
        };
        assert_eq!(lines(&copy), lines(message));
    }
}

/// Every view of every value: whatever it says, it says it without a panic.
fn views(value: &[u8]) {
    let _ = (Via::read(value), NameAddr::read(value).map(|read| (read.uri().is_ok(), read.is_loose())));
    let _ = (Auth::read(value).is_ok(), AuthParams::new(value).count(), RAck::read(value), rseq(value));
    let _ = (ContentDisposition::read(value), is_plain_encoding(value), SessionExpires::read(value));
    let _ =
        (delta_seconds(value), retry_after(value), Identity::read(value), Privacy::read([value].into_iter()));
    let _ = (
        DialogName::read(value),
        DialogName::read_target(value),
        HistoryInfo::read(value).map(|read| read.depth()),
    );
    let _ = Reason::read(value).map(|read| read.text());
    let _ = Diversion::read(value).map(|read| (read.counter(), read.reason()));
    let _ = ReferTo::read(value).map(|read| read.headers().count());
    if let Ok(kind) = ContentType::read(value) {
        let _ = multipart::parts(&kind, value, 4);
    }
    assert!(Values::new(value).all(|part| !part.is_empty()));
    assert!(!unfold(value).contains(&b'\n') && unquote(value).len() <= value.len());
    for shown in [Safe::new(value).to_string(), Masked(value).to_string()] {
        assert!(!shown.chars().any(char::is_control) && shown.len() <= 12 * (value.len() + 1));
    }
}
