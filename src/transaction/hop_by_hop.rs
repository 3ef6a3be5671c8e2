//! Requests and responses a machine makes out of the request it serves: ACK for a refusal, CANCEL, a late 100.
//!
//! Owns what is copied from the request and what is not. Refuses to know when they are sent.
//! Read first: RFC 3261 §9.1, §17.1.1.3; RFC 4320 §4.1; RFC 3326.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::parse::{Limits, parse};
use crate::sip::write::response_to;
use crate::sip::{HeaderName, Message, Method, Text, Writer};

/// RFC 3261 §8.1.1.6: what a request that starts here carries.
const MAX_FORWARDS: u64 = 70;

/// What is read here passed the reader before, or was written here: no second limit applies.
const READ_BEFORE: Limits = Limits {
    message_bytes_max: usize::MAX,
    head_bytes_max: usize::MAX,
    header_lines_max: usize::MAX,
    header_line_bytes_max: usize::MAX,
    vias_max: usize::MAX,
    uri_bytes_max: usize::MAX,
    params_max: usize::MAX,
};

/// The ACK for a final response other than 2xx. `None` only when `invite` is no request the reader accepts, which
/// what was sent as one is not.
#[must_use]
pub fn ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    let invite = parse(invite.clone(), &READ_BEFORE).ok()?;
    // RFC 3261 §17.1.1.3: To as in the response, with its tag; all else as in the INVITE.
    same_hop(&invite, &Method::Ack, response, None)
}

/// The CANCEL for an INVITE. `reason` is a whole Reason value or empty.
#[must_use]
pub fn cancel(invite: &Bytes, reason: &[u8]) -> Option<Bytes> {
    let invite = parse(invite.clone(), &READ_BEFORE).ok()?;
    // RFC 3261 §9.1: Request-URI, Call-ID, To, the numeric part of CSeq and From, including tags, are identical.
    let reason = Text::new(reason).filter(|reason| !reason.bytes().is_empty());
    same_hop(&invite, &Method::Cancel, &invite, reason)
}

/// A request for the same hop and transaction as `invite`, its To taken from `to`.
fn same_hop(invite: &Message, method: &Method, to: &Message, reason: Option<Text<'_>>) -> Option<Bytes> {
    let mut writer = Writer::request(method, Text::new(invite.request_uri())?);
    // RFC 3261 §9.1, §17.1.1.3: a single Via, equal to the topmost of the INVITE.
    writer.header(HeaderName::Via, Text::new(invite.top_via().raw)?);
    writer.number(HeaderName::MaxForwards, MAX_FORWARDS);
    for header in invite.headers() {
        // RFC 3261 §9.1, §17.1.1.3: the Route set of the INVITE.
        if matches!(header.name, HeaderName::Route | HeaderName::From | HeaderName::CallId) {
            writer.copy(&header);
        }
    }
    for header in to.headers().filter(|header| header.name == HeaderName::To) {
        writer.copy(&header);
    }
    let number = invite.cseq().number.to_string();
    let (number, name) = (Text::new(number.as_bytes())?, Text::new(method.as_bytes())?);
    writer.pieces(HeaderName::CSeq, &[number, Text::new(b" ")?, name]);
    if let Some(reason) = reason {
        writer.header(HeaderName::Reason, reason);
    }
    Some(writer.finish(b""))
}

/// The 100 for a request other than INVITE that waits too long. `source` is where the request came from.
#[must_use]
pub fn trying(request: &Bytes, source: SocketAddr) -> Option<Bytes> {
    let request = parse(request.clone(), &READ_BEFORE).ok()?;
    Some(response_to(&request, source, 100, Text::new(b"Trying")?, None).finish(b""))
}

/// Whether two messages, the first as bytes, carry the same To tag.
#[must_use]
pub fn same_to_tag(response: &Bytes, ack: &Message) -> bool {
    parse(response.clone(), &READ_BEFORE).is_ok_and(|response| response.to_tag() == ack.to_tag())
}
