//! A SIP message as ranges over its bytes.
//!
//! Owns `Message`, `Method`, `StartLine`. Header order, case, unknown headers, compact forms, folding and binary
//! bodies are kept as they came. Read first: RFC 3261 §7.

use bytes::Bytes;

use super::headers::{CSeq, HeaderName, NameAddr, Via};
use super::uri::Uri;

/// A request method; `Other` keeps an unknown one as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.2.2.4.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §11.
    Options,
    /// RFC 3261 §10.
    Register,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 6086.
    Info,
    /// RFC 3428.
    Message,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// Any other token, as written.
    Other(Bytes),
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartLine {
    /// A request: its method. The Request-URI is `Message::request_uri`.
    Request(Method),
    /// A response: its status, 100 to 699. The phrase is `Message::reason`.
    Response(u16),
}

/// One header line as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which header; `Unknown` for names we have no word for.
    pub name: HeaderName,
    /// The name as written.
    pub raw_name: &'a [u8],
    /// The value without the white space around it; may hold folds (CRLF + white space) as they came.
    pub value: &'a [u8],
}

/// A parsed message. The essentials (top Via, From, To, Call-ID, CSeq) were checked by the reader and never fail.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Bytes,
}

impl Message {
    /// The first line.
    pub fn start(&self) -> &StartLine {
        todo!()
    }
    /// The method of a request; for a response, the method of its CSeq.
    pub fn method(&self) -> &Method {
        todo!()
    }
    /// Whether it is a request.
    pub fn is_request(&self) -> bool {
        todo!()
    }
    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        todo!()
    }
    /// The Request-URI as written; empty for responses.
    pub fn request_uri(&self) -> &[u8] {
        todo!()
    }
    /// The Request-URI read; the reader has checked sip, sips and tel, other schemes are `Uri::Other`.
    pub fn uri(&self) -> Option<Uri<'_>> {
        todo!()
    }
    /// The reason phrase as written; empty for requests.
    pub fn reason(&self) -> &[u8] {
        todo!()
    }
    /// Every header line in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        std::iter::empty()
    }
    /// The first value of a header, as one line came (a comma list stays whole).
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        let _ = name;
        todo!()
    }
    /// Every line of a header in order.
    pub fn lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let _ = name;
        std::iter::empty()
    }
    /// Every value of a list header (Via, Contact, Route, Record-Route, Require, Supported, Allow, ...) split at
    /// top-level commas over all its lines, trimmed.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let _ = name;
        std::iter::empty()
    }
    /// Whether a token stands in a list header (Require, Supported, Allow ...), ASCII case-insensitively.
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        let _ = (name, token);
        todo!()
    }
    /// The topmost Via.
    pub fn top_via(&self) -> Via<'_> {
        todo!()
    }
    /// How many Via values there are.
    pub fn via_count(&self) -> usize {
        todo!()
    }
    /// From.
    pub fn from(&self) -> NameAddr<'_> {
        todo!()
    }
    /// To.
    pub fn to(&self) -> NameAddr<'_> {
        todo!()
    }
    /// From's tag; `None` for RFC 2543 peers.
    pub fn from_tag(&self) -> Option<&[u8]> {
        todo!()
    }
    /// To's tag.
    pub fn to_tag(&self) -> Option<&[u8]> {
        todo!()
    }
    /// Call-ID.
    pub fn call_id(&self) -> &[u8] {
        todo!()
    }
    /// CSeq.
    pub fn cseq(&self) -> CSeq<'_> {
        todo!()
    }
    /// Max-Forwards; `None` when absent (RFC 3261 §16.3 takes 70).
    pub fn max_forwards(&self) -> Option<u8> {
        todo!()
    }
    /// The first Contact; `None` when absent, `Some(Err)` when it cannot be read; `*` is an error here.
    pub fn contact(&self) -> Option<Result<NameAddr<'_>, super::error::Cause>> {
        todo!()
    }
    /// The body.
    pub fn body(&self) -> &[u8] {
        todo!()
    }
    /// The body, sharing the message's memory.
    pub fn body_bytes(&self) -> Bytes {
        todo!()
    }
    /// The whole message.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
