//! Writing messages. CR, LF and NUL cannot be written into a line: the type refuses them.
//!
//! Owns `Text`, `Writer` and what every response starts with. Read first: RFC 3261 §7, §8.2.6, §18.2.1; RFC 3581 §4.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use bytes::Bytes;

use super::grammar::{self, Params, Values};
use super::headers::{HeaderName, NameAddr, Via};
use super::message::{Header, Message, Method};
use super::parse::Answerable;
use super::{scan, text};

pub use super::phrase::reason_phrase;

/// What most messages stay below.
const BYTES_USUAL: usize = 1_024;

/// Bytes proven free of CR, LF and NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None` when a CR, LF or NUL stands in it.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let line = scan::is_plain(bytes) || memchr::memchr3(b'\r', b'\n', 0, bytes).is_none();
        line.then_some(Self(bytes))
    }

    /// A text of ours, for literals: in a constant, one that holds CR, LF or NUL does not compile.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(!matches!(bytes[at], b'\r' | b'\n' | 0), "a fixed text is one line");
            at += 1;
        }
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
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
    #[must_use]
    pub fn request(method: &Method, uri: Text<'_>) -> Self {
        let mut writer = Self { buffer: Vec::with_capacity(BYTES_USUAL) };
        writer.put(&[method.as_bytes(), b" ", uri.0, b" SIP/2.0\r\n"]);
        writer
    }

    /// A status line.
    #[must_use]
    pub fn response(status: u16, reason: Text<'_>) -> Self {
        let mut writer = Self { buffer: Vec::with_capacity(BYTES_USUAL) };
        writer.put(&[b"SIP/2.0 "]);
        writer.decimal(u64::from(status));
        writer.put(&[b" ", reason.0, b"\r\n"]);
        writer
    }

    fn put(&mut self, pieces: &[&[u8]]) {
        for piece in pieces {
            self.buffer.extend_from_slice(piece);
        }
    }

    fn decimal(&mut self, value: u64) {
        text::decimal_into(value, &mut self.buffer);
    }

    fn name(&mut self, name: HeaderName) {
        self.put(&[name.as_str().as_bytes(), b": "]);
    }

    /// One header line. `Unknown` has no name and writes nothing: use [`Self::named`].
    pub fn header(&mut self, name: HeaderName, value: Text<'_>) -> &mut Self {
        self.pieces(name, &[value])
    }

    /// One header line whose value is several pieces one after another.
    pub fn pieces(&mut self, name: HeaderName, value: &[Text<'_>]) -> &mut Self {
        if name != HeaderName::Unknown {
            self.name(name);
            for piece in value {
                self.buffer.extend_from_slice(piece.0);
            }
            self.put(&[b"\r\n"]);
        }
        self
    }

    /// One header line that lists these, a comma and a space between.
    pub fn list<'a>(&mut self, name: HeaderName, items: impl Iterator<Item = Text<'a>>) -> &mut Self {
        if name != HeaderName::Unknown {
            self.name(name);
            for (at, item) in items.enumerate() {
                self.put(&[if at > 0 { b", " } else { b"" }, item.0]);
            }
            self.put(&[b"\r\n"]);
        }
        self
    }

    /// A header with a number.
    pub fn number(&mut self, name: HeaderName, value: u64) -> &mut Self {
        self.counted(name, value, &[])
    }

    /// A header with a number and what stands behind it.
    pub fn counted(&mut self, name: HeaderName, number: u64, behind: &[Text<'_>]) -> &mut Self {
        if name != HeaderName::Unknown {
            self.name(name);
            self.decimal(number);
            for piece in behind {
                self.buffer.extend_from_slice(piece.0);
            }
            self.put(&[b"\r\n"]);
        }
        self
    }

    /// A header as it came, its name as written, folds turned into one space; unprintable lines are left out (false):
    /// a NUL, a CR or LF that is no fold, a name that is no token, and Content-Length, which is `finish`'s.
    pub fn copy(&mut self, header: &Header<'_>) -> bool {
        let printable = scan::find(0, header.value).is_none() && only_folds(header.value);
        if !printable || !grammar::is_token(header.raw_name) || header.name == HeaderName::ContentLength {
            return false;
        }
        self.put(&[header.raw_name, b": "]);
        self.unfolded(header.value);
        true
    }

    /// A value of an already framed line: its only CR and LF are folds, and they become spaces.
    fn unfolded(&mut self, value: &[u8]) {
        text::unfold_into(value, &mut self.buffer);
        self.put(&[b"\r\n"]);
    }

    /// A header name that is not one of ours, by text; false if the name is no token.
    pub fn named(&mut self, name: &str, value: Text<'_>) -> bool {
        let good = grammar::is_token(name.as_bytes())
            && HeaderName::read(name.as_bytes()) != HeaderName::ContentLength;
        if good {
            self.put(&[name.as_bytes(), b": ", value.0, b"\r\n"]);
        }
        good
    }

    /// Content-Length and the body (callers write Content-Type before). The result is exactly sized.
    #[must_use]
    pub fn finish(mut self, body: &[u8]) -> Bytes {
        self.number(HeaderName::ContentLength, body.len() as u64);
        self.put(&[b"\r\n", body]);
        // A copy costs less than to have the allocator take back what is too much.
        Bytes::copy_from_slice(&self.buffer)
    }
}

/// Whether every CR and LF of a value belongs to a fold: CRLF and white space behind it.
fn only_folds(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        match rest.get(at..) {
            Some([b'\r', b'\n', b' ' | b'\t', after @ ..]) => rest = after,
            Some(_) | None => return false,
        }
    }
    true
}

/// Starts a response to `request`: status line, every Via as it came with `received` and `rport` of the top one set from
/// `source` (RFC 3261 §18.2.1, RFC 3581 §4: a forged `received` is replaced), From, To (with `to_tag` added where it has
/// none), Call-ID, CSeq; a 100 carries the Timestamp too (RFC 3261 §8.2.6.1).
#[must_use]
pub fn response_to(
    request: &Message,
    source: SocketAddr,
    status: u16,
    reason: Text<'_>,
    to_tag: Option<Text<'_>>,
) -> Writer {
    let mut writer = Writer::response(status, reason);
    for (at, line) in request.lines(HeaderName::Via).enumerate() {
        writer.name(HeaderName::Via);
        if at == 0 { writer.top_via(&request.top_via(), line, source) } else { writer.unfolded(line) }
    }
    writer.name(HeaderName::From);
    writer.unfolded(request.header(HeaderName::From).unwrap_or_default());
    writer.name(HeaderName::To);
    let to = request.header(HeaderName::To).unwrap_or_default();
    text::unfold_into(to, &mut writer.buffer);
    if let (None, Some(tag)) = (request.to_tag(), to_tag) {
        writer.put(&[b";tag=", tag.0]);
    }
    writer.put(&[b"\r\n"]);
    writer.name(HeaderName::CallId);
    writer.unfolded(request.call_id());
    writer.name(HeaderName::CSeq);
    writer.unfolded(request.header(HeaderName::CSeq).unwrap_or_default());
    if let (100, Some(timestamp)) = (status, request.header(HeaderName::Timestamp)) {
        writer.name(HeaderName::Timestamp);
        writer.unfolded(timestamp);
    }
    writer
}

impl Writer {
    /// The first Via line of a request: its first value with `received` and `rport` from the source, the rest as it is.
    fn top_via(&mut self, via: &Via<'_>, line: &[u8], source: SocketAddr) {
        if via.placed {
            self.unplaced(via);
        } else {
            text::unfold_into(grammar::trim(via.raw), &mut self.buffer);
        }
        // RFC 3261 §18.2.1: where sent-by is a name or another address. RFC 3581 §4: always beside rport.
        let address = source.ip().to_canonical();
        if via.rport || via.host.address().map(|host| host.to_canonical()) != Some(address) {
            // RFC 5118 §4.5: `received` has no brackets.
            self.put(&[b";received="]);
            text::ip_into(address, &mut self.buffer);
        }
        if via.rport {
            self.put(&[b";rport="]);
            self.decimal(u64::from(source.port()));
        }
        let raw_start = line.len() - grammar::trim_start(line).len();
        let rest = line.get(raw_start + via.raw.len()..).unwrap_or_default();
        self.unfolded(rest);
    }

    /// A Via value without `received` and `rport`.
    fn unplaced(&mut self, via: &Via<'_>) {
        let before = via.raw.len() - via.params.len();
        text::unfold_into(grammar::trim(via.raw.get(..before).unwrap_or_default()), &mut self.buffer);
        for param in Params::new(via.params).map_while(Result::ok) {
            if !param.is("received") && !param.is("rport") {
                text::unfold_into(param.raw, &mut self.buffer);
            }
        }
    }
}

/// The whole stateless answer to a request that could not be read (RFC 3261 §8.2.7): what could be read is given back
/// as it came, nothing is invented. `None` for ACK and where there is no readable top Via and no CSeq line: then silence
/// is the answer, for a Via that has to be guessed is not echoed.
#[must_use]
pub fn refusal(answerable: &Answerable, source: SocketAddr, status: u16, reason: Text<'_>) -> Option<Bytes> {
    let line =
        |name: HeaderName| answerable.lines.iter().find(|(found, _)| *found == name).map(|(_, line)| line);
    let top = line(HeaderName::Via)?;
    let (via, _) = Via::read_any_version(Values::new(top).next()?).ok()?;
    line(HeaderName::CSeq)?;
    if answerable.method == b"ACK" {
        return None;
    }
    let mut writer = Writer::response(status, reason);
    writer.name(HeaderName::Via);
    writer.top_via(&via, top, source);
    for (name, value) in answerable.lines.iter().filter(|(name, _)| *name == HeaderName::Via).skip(1) {
        writer.pieces(*name, &[Text::new(value)?]);
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        let Some(value) = line(name) else { continue };
        let text = Text::new(value)?;
        let untagged = name == HeaderName::To && NameAddr::read(value).is_ok_and(|to| to.tag().is_none());
        if untagged {
            writer.pieces(name, &[text, Text(b";tag="), Text(stateless_tag(answerable).as_bytes())]);
        } else {
            writer.header(name, text);
        }
    }
    Some(writer.finish(b""))
}

/// RFC 3261 §8.2.7: the tag of a stateless answer is the same for the same request.
fn stateless_tag(answerable: &Answerable) -> String {
    let mut hasher = DefaultHasher::new();
    for (_, line) in &answerable.lines {
        line.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
