//! The words of both ends of a call that is played again.
//!
//! Owns the messages of a caller and of a callee that say no more than a call needs, and how their rows are found again in what
//! the edge sends. Refuses to know time and verdicts. Read first: RFC 3261 §12, §13, §17.1.1.3.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::office::Sender;
use super::rows::Row;
use crate::app::explain::request::{escaped, names};
use crate::call::caller;
use crate::policy::form::Written;

/// What stands behind the row's number in the Call-ID of its caller.
const CALL: &str = "@replay";

/// The value of the first header line of a name, given with its line end and blank: `\r\nTo: `.
pub fn line<'a>(message: &'a [u8], name: &str) -> &'a str {
    let found = memchr::memmem::find(message, name.as_bytes());
    let rest = found.and_then(|at| message.get(at + name.len()..)).unwrap_or_default();
    let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end).unwrap_or_default()).unwrap_or_default()
}

/// The row of a message on the caller's side, by its Call-ID.
pub fn row_of_call(call_id: &str) -> Option<u32> {
    call_id.strip_suffix(CALL)?.parse().ok()
}

/// The row of an INVITE on its way to the callee, by the session that its caller describes.
pub fn row_of_session(message: &[u8]) -> Option<u32> {
    line(message, "\r\no=").split(' ').nth(1)?.parse().ok()
}

/// Whether a request opens something: its To has no tag.
pub fn opens(message: &[u8]) -> bool {
    !line(message, "\r\nTo: ").contains(";tag=")
}

fn session(number: u32, at: IpAddr) -> String {
    let family = if at.is_ipv6() { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- {number} 1 IN {family} {at}\r\ns=-\r\nc=IN {family} {at}\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    )
}

fn host(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The INVITE of a row.
pub fn invite(row: &Row, sender: &Sender) -> Bytes {
    let (number, remote) = (row.number, sender.flow.remote);
    let uri = if row.to.contains(':') {
        row.to.to_string()
    } else {
        format!("sip:{}@{}", escaped(&row.to), sender.us)
    };
    let named = caller::address(Some(Written::literal(&row.from)), b"", &host(remote));
    let named = String::from_utf8_lossy(&named);
    let body = session(number, remote.ip());
    let mut text = String::with_capacity(1_024);
    // Writing into a String does not fail.
    let _ = write!(
        text,
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bKreplay{number}\r\nMax-Forwards: 70\r\n\
         From: {named};tag=a{number}\r\nTo: <{uri}>\r\nCall-ID: {number}{CALL}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{remote}>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n{}Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        names(Some(&sender.peer), &named, &uri),
        body.len()
    );
    Bytes::from(text)
}

/// A request of the caller behind an answer of the edge.
fn behind(answer: &[u8], method: &str, uri: &str, (branch, cseq): (&str, u32), remote: SocketAddr) -> Bytes {
    let [from, to, call] = ["\r\nFrom: ", "\r\nTo: ", "\r\nCall-ID: "].map(|name| line(answer, name));
    Bytes::from(format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
         To: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// The ACK of a refusal (RFC 3261 §17.1.1.3: of the INVITE's own branch).
pub fn taken(row: &Row, answer: &[u8], sender: &Sender) -> Bytes {
    let uri = format!("sip:{}", sender.us);
    behind(answer, "ACK", &uri, (&format!("replay{}", row.number), 1), sender.flow.remote)
}

/// A request of the caller within the call that a 200 has opened.
pub fn within(row: &Row, ok: &[u8], method: &str, cseq: u32, sender: &Sender) -> Bytes {
    let contact = line(ok, "\r\nContact: ");
    let uri =
        contact.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(contact, |(uri, _)| uri);
    behind(ok, method, uri, (&format!("{method}{}", row.number), cseq), sender.flow.remote)
}

/// What the callee answers to an INVITE.
pub fn callee(invite: &[u8], status: &str, number: u32, remote: SocketAddr) -> Bytes {
    let body = if status.starts_with("200") { session(number, remote.ip()) } else { String::new() };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    Bytes::from(format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b{number}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{remote}>\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        line(invite, "\r\nVia: "),
        line(invite, "\r\nFrom: "),
        line(invite, "\r\nTo: "),
        line(invite, "\r\nCall-ID: "),
        line(invite, "\r\nCSeq: "),
        body.len(),
    ))
}

/// A plain 200 to anything else.
pub fn agreed(request: &[u8]) -> Bytes {
    let to = line(request, "\r\nTo: ");
    let tag = if to.contains(";tag=") { "" } else { ";tag=r" };
    Bytes::from(format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
        line(request, "\r\nVia: "),
        line(request, "\r\nFrom: "),
        line(request, "\r\nCall-ID: "),
        line(request, "\r\nCSeq: "),
    ))
}
