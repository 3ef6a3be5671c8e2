//! A SIP message as ranges over its bytes.
//!
//! Owns `Message`, `Method`, `StartLine`. Header order, case, unknown headers, compact forms, folding and binary
//! bodies are kept as they came. Read first: RFC 3261 §7.

use std::fmt;

use bytes::Bytes;

use super::error::Cause;
use super::grammar::{self, Values};
use super::headers::{CSeq, Contact, HeaderName, NameAddr, Via};
use super::ranges::{NameAddrSpans, UriSpans, ViaSpans};
use super::span::Span;
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

impl Method {
    /// The method as written on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Invite => b"INVITE",
            Self::Ack => b"ACK",
            Self::Bye => b"BYE",
            Self::Cancel => b"CANCEL",
            Self::Options => b"OPTIONS",
            Self::Register => b"REGISTER",
            Self::Prack => b"PRACK",
            Self::Update => b"UPDATE",
            Self::Info => b"INFO",
            Self::Message => b"MESSAGE",
            Self::Refer => b"REFER",
            Self::Subscribe => b"SUBSCRIBE",
            Self::Notify => b"NOTIFY",
            Self::Publish => b"PUBLISH",
            Self::Other(token) => token,
        }
    }

    /// The word for a token; `None` for a method we have no word for. RFC 3261 §7.1: methods are compared with case.
    pub(crate) fn known(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"PRACK" => Self::Prack,
            b"UPDATE" => Self::Update,
            b"INFO" => Self::Info,
            b"MESSAGE" => Self::Message,
            b"REFER" => Self::Refer,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            _ => return None,
        })
    }

    /// The method a token names; `None` when it is no token. An unknown one is copied.
    #[must_use]
    pub fn from_token(token: &[u8]) -> Option<Self> {
        match Self::known(token) {
            Some(method) => Some(method),
            None => grammar::is_token(token).then(|| Self::Other(Bytes::copy_from_slice(token))),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which header; `Unknown` for names we have no word for.
    pub name: HeaderName,
    /// The name as written.
    pub raw_name: &'a [u8],
    /// The value without the white space around it; may hold folds (CRLF + white space) as they came.
    pub value: &'a [u8],
}

impl fmt::Debug for Header<'_> {
    /// Names alone: values hold credentials and numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [{} octets]", self.raw_name.escape_ascii(), self.value.len())
    }
}

/// One header line as ranges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub word: HeaderName,
    pub name: Span,
    pub value: Span,
}

/// A parsed message. The essentials (top Via, From, To, Call-ID, CSeq) were checked by the reader and never fail.
#[derive(Clone)]
pub struct Message {
    pub(crate) bytes: Bytes,
    pub(crate) start: StartLine,
    /// CSeq's method; a request's own is the same.
    pub(crate) method: Method,
    pub(crate) cseq: u32,
    pub(crate) max_forwards: Option<u8>,
    /// The Request-URI or the reason phrase.
    pub(crate) subject: Span,
    /// The Request-URI's parts; `None` for a response.
    pub(crate) uri: Option<UriSpans>,
    pub(crate) lines: Vec<Line>,
    /// Which words stand among the lines.
    pub(crate) seen: u128,
    pub(crate) top_via: ViaSpans,
    pub(crate) via_count: usize,
    pub(crate) from: NameAddrSpans,
    pub(crate) to: NameAddrSpans,
    pub(crate) call_id: Span,
    pub(crate) body: Span,
}

impl fmt::Debug for Message {
    /// What it is, and nothing private of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} Call-ID {} {} octets",
            self.start,
            self.method,
            self.call_id().escape_ascii(),
            self.bytes.len()
        )
    }
}

impl Message {
    /// The first line.
    #[must_use]
    pub fn start(&self) -> &StartLine {
        &self.start
    }

    /// The method of a request; for a response, the method of its CSeq.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.status().is_none()
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request(_) => None,
            StartLine::Response(status) => Some(status),
        }
    }

    /// The Request-URI as written; empty for responses.
    #[must_use]
    pub fn request_uri(&self) -> &[u8] {
        if self.is_request() { self.subject.slice(&self.bytes) } else { b"" }
    }

    /// The Request-URI as the reader has read it; `None` for responses.
    #[must_use]
    pub fn uri(&self) -> Option<Uri<'_>> {
        self.uri.map(|uri| uri.view(&self.bytes))
    }

    /// The reason phrase as written; empty for requests.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        if self.is_request() { b"" } else { self.subject.slice(&self.bytes) }
    }

    fn view(&self, line: &Line) -> Header<'_> {
        Header {
            name: line.word,
            raw_name: line.name.slice(&self.bytes),
            value: line.value.slice(&self.bytes),
        }
    }

    /// Every header line in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        self.lines.iter().map(|line| self.view(line))
    }

    /// Whether a header stands there at all.
    #[must_use]
    pub fn has(&self, name: HeaderName) -> bool {
        self.seen & name.bit() != 0
    }

    /// The first value of a header, as one line came (a comma list stays whole).
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// Every line of a header in order.
    pub fn lines(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        let lines = if self.has(name) { self.lines.as_slice() } else { &[] };
        lines.iter().filter(move |line| line.word == name).map(|line| line.value.slice(&self.bytes))
    }

    /// Every value of a list header (Via, Contact, Route, Record-Route, Require, Supported, Allow, ...) split at
    /// top-level commas over all its lines, trimmed.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &[u8]> {
        self.lines(name).flat_map(Values::new)
    }

    /// Whether a token stands in a list header (Require, Supported, Allow ...), ASCII case-insensitively.
    #[must_use]
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        let same = |value: &[u8]| value.eq_ignore_ascii_case(token.as_bytes());
        self.lines(name).any(|line| match memchr::memchr2(b'"', b'<', line) {
            // A list of tokens: each comma parts two.
            None => line.split(|byte| *byte == b',').any(|value| same(grammar::trim(value))),
            Some(_) => Values::new(line).any(same),
        })
    }

    /// The topmost Via.
    #[must_use]
    pub fn top_via(&self) -> Via<'_> {
        self.top_via.view(&self.bytes)
    }

    /// How many Via values there are.
    #[must_use]
    pub fn via_count(&self) -> usize {
        self.via_count
    }

    /// From.
    #[must_use]
    pub fn from(&self) -> NameAddr<'_> {
        self.from.view(&self.bytes)
    }

    /// To.
    #[must_use]
    pub fn to(&self) -> NameAddr<'_> {
        self.to.view(&self.bytes)
    }

    /// From's tag; `None` for RFC 2543 peers.
    #[must_use]
    pub fn from_tag(&self) -> Option<&[u8]> {
        self.from.tag.map(|tag| tag.slice(&self.bytes))
    }

    /// To's tag.
    #[must_use]
    pub fn to_tag(&self) -> Option<&[u8]> {
        self.to.tag.map(|tag| tag.slice(&self.bytes))
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &[u8] {
        self.call_id.slice(&self.bytes)
    }

    /// CSeq.
    #[must_use]
    pub fn cseq(&self) -> CSeq<'_> {
        CSeq { number: self.cseq, method: &self.method }
    }

    /// Max-Forwards; `None` when absent (RFC 3261 §16.3 takes 70).
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.max_forwards
    }

    /// Every Contact, `*` included.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'_>, Cause>> {
        self.values(HeaderName::Contact).map(Contact::read)
    }

    /// The first Contact; `None` when absent, `Some(Err)` when it cannot be read; `*` is an error here.
    #[must_use]
    pub fn contact(&self) -> Option<Result<NameAddr<'_>, Cause>> {
        self.values(HeaderName::Contact).next().map(NameAddr::read)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.slice(&self.bytes)
    }

    /// The body, sharing the message's memory.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.body.range())
    }

    /// The whole message.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
