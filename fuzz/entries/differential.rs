//! The same bytes read by `sipx-sip` and `rsip`. They may refuse what we accept; but what they read too must say the same:
//! two readers that see two calls in one message is what an attacker looks for.

use bytes::Bytes;
use ringfence::sip::grammar::is_token;
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::text::unfold;
use ringfence::sip::{HeaderName, Message, Uri};
use rsip::message::{HasHeaders as _, HeadersExt as _};
use rsip::prelude::{ToTypedHeader as _, UntypedHeader as _};
use sipx_sip::headers::{CSeq, CallId, From, To, Via};

/// What must hold for any bytes.
pub fn entry(data: &[u8]) {
    let Ok(message) = parse(Bytes::copy_from_slice(data), &Limits::default()) else { return };
    // From the start line on: how many empty lines may come before is each reader's own matter.
    let bytes = message.bytes().clone();
    if let Ok(other) = sipx_sip::parser::parse_datagram(bytes.clone(), &sipx_sip::parser::Limits::datagram())
    {
        agrees_with_sipx(&message, &other);
    }
    if is_plain(&message)
        && let Ok(other) = rsip::SipMessage::try_from(&bytes[..])
    {
        agrees_with_rsip(&message, &other);
    }
}

fn agrees_with_sipx(message: &Message, other: &sipx_sip::Message) {
    assert_eq!(message.status(), other.as_response().map(|response| response.status.code()));
    if let Some(request) = other.as_request() {
        assert_eq!(message.method().as_bytes(), request.method.as_bytes());
        uris_agree(message, &request.uri);
    }
    assert_eq!(message.body(), &other.body()[..]);
    let headers = other.headers();
    assert_eq!(message.headers().count(), headers.len());
    for (ours, theirs) in message.headers().zip(headers.iter()) {
        assert_eq!(unfold(ours.value).trim_ascii(), unfold(theirs.raw_value()).trim_ascii());
    }
    if let Some(Ok(call_id)) = headers.typed::<CallId>() {
        assert_eq!(message.call_id(), call_id.0);
    }
    if let Some(Ok(cseq)) = headers.typed::<CSeq>() {
        assert_eq!(
            (message.cseq().number, message.method().as_bytes()),
            (cseq.sequence, cseq.method.as_bytes())
        );
    }
    if let Some(Ok(from)) = headers.typed::<From>() {
        assert_eq!(message.from_tag(), from.tag());
    }
    if let Some(Ok(to)) = headers.typed::<To>() {
        assert_eq!(message.to_tag(), to.tag());
    }
    if let Some(Ok(via)) = headers.typed::<Via>() {
        let ours = message.top_via();
        assert_eq!((ours.branch, ours.port, ours.rport), (via.branch(), via.port, via.rport().is_some()));
        assert!(ours.transport.eq_ignore_ascii_case(&via.transport));
    }
}

fn uris_agree(message: &Message, other: &sipx_sip::Uri) {
    let Some(Uri::Sip(ours)) = message.uri() else { return };
    if other.scheme().is_sip() {
        assert_eq!((ours.user, ours.port), (other.user(), other.port()));
        assert_eq!(ours.secure, other.scheme().is_secure());
    }
}

/// What `rsip` 0.4 claims to read: long names, no folds, no octets beyond ASCII, each name once.
fn is_plain(message: &Message) -> bool {
    let ascii = message.bytes().iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
    let (via, to, from) = (message.top_via().branch, message.to_tag(), message.from_tag());
    // It cuts a tag or branch at the first character that is not the grammar's; we read on, or refuse.
    let tokens = [via, to, from].into_iter().flatten().all(is_token);
    // It does not split a Via line at its commas.
    let lines = message.lines(HeaderName::Via).count() == message.via_count();
    // It takes blanks around `;` and `=` for a part of what stands beside them.
    let params = [message.top_via().params, message.to().params, message.from().params];
    let tight = params.iter().all(|params| !params.contains(&b' '));
    ascii
        && tokens
        && lines
        && tight
        && message.headers().all(|header| {
            header.raw_name.len() > 1 && !header.value.contains(&b'\n') && !header.value.contains(&b'"')
        })
}

fn agrees_with_rsip(message: &Message, other: &rsip::SipMessage) {
    match other {
        rsip::SipMessage::Request(request) => {
            assert_eq!(message.method().as_bytes(), request.method().to_string().as_bytes());
        }
        rsip::SipMessage::Response(response) => {
            assert_eq!(message.status(), Some(response.status_code().code()));
        }
    }
    assert!(other.headers().iter().count() <= message.headers().count());
    if let Ok(call_id) = other.call_id_header() {
        assert_eq!(message.call_id(), call_id.value().trim().as_bytes());
    }
    if let Some(Ok(cseq)) = other.cseq_header().ok().map(|cseq| cseq.clone().typed()) {
        assert_eq!(message.cseq().number, cseq.seq);
    }
    let from = other.from_header().ok().and_then(|from| from.clone().typed().ok());
    if let Some(tag) = from.and_then(|from| from.tag().map(ToString::to_string)) {
        assert_eq!(message.from_tag(), Some(tag.trim().as_bytes()));
    }
    let to = other.to_header().ok().and_then(|to| to.clone().typed().ok());
    if let Some(tag) = to.and_then(|to| to.tag().map(ToString::to_string)) {
        assert_eq!(message.to_tag(), Some(tag.trim().as_bytes()));
    }
    let via = other.via_header().ok().and_then(|via| via.clone().typed().ok());
    if let Some(branch) = via.and_then(|via| via.branch().map(ToString::to_string)) {
        assert_eq!(message.top_via().branch, Some(branch.trim().as_bytes()));
    }
}
