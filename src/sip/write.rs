//! Writing messages. CR, LF and NUL cannot be written into a line: the type refuses them.
//!
//! Owns `Text` and `Writer`. Read first: RFC 3261 §7, §8.2.6, §18.2.1; RFC 3581 §4.

use std::net::SocketAddr;

use bytes::Bytes;

use super::headers::HeaderName;
use super::message::{Header, Message, Method};

/// Bytes proven free of CR, LF and NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None` when a CR, LF or NUL stands in it.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if memchr::memchr3(b'\r', b'\n', 0, bytes).is_some() { None } else { Some(Self(bytes)) }
    }
    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Writes one message: start line, headers in the order of the calls, then `finish` adds Content-Length and the body.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// A request line.
    pub fn request(method: &Method, uri: Text<'_>) -> Self {
        let _ = (method, uri);
        todo!()
    }
    /// A status line.
    pub fn response(status: u16, reason: Text<'_>) -> Self {
        let _ = (status, reason);
        todo!()
    }
    /// One header line.
    pub fn header(&mut self, name: HeaderName, value: Text<'_>) -> &mut Self {
        let _ = (name, value);
        todo!()
    }
    /// One header line whose value is several pieces one after another.
    pub fn pieces(&mut self, name: HeaderName, value: &[Text<'_>]) -> &mut Self {
        let _ = (name, value);
        todo!()
    }
    /// A header with a number.
    pub fn number(&mut self, name: HeaderName, value: u64) -> &mut Self {
        let _ = (name, value);
        todo!()
    }
    /// A header as it came, its name as written, folds turned into one space; unprintable lines are left out (false).
    pub fn copy(&mut self, header: &Header<'_>) -> bool {
        let _ = header;
        todo!()
    }
    /// A header name that is not one of ours, by text; false if the name is no token.
    pub fn named(&mut self, name: &str, value: Text<'_>) -> bool {
        let _ = (name, value);
        todo!()
    }
    /// Content-Length and the body (callers write Content-Type before). The result is exactly sized.
    pub fn finish(self, body: &[u8]) -> Bytes {
        let _ = body;
        todo!()
    }
}

/// Starts a response to `request`: status line, every Via as it came with `received` and `rport` of the top one set from
/// `source` (RFC 3261 §18.2.1, RFC 3581 §4: a forged `received` is replaced), From, To (with `to_tag` added where it has none), Call-ID, CSeq.
pub fn response_to(
    request: &Message,
    source: SocketAddr,
    status: u16,
    reason: Text<'_>,
    to_tag: Option<Text<'_>>,
) -> Writer {
    let _ = (request, source, status, reason, to_tag);
    todo!()
}

/// The standard phrase of a status.
pub fn reason_phrase(status: u16) -> &'static str {
    let _ = status;
    todo!()
}
