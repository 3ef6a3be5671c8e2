//! Bytes to `Message`, or the reason why not.
//!
//! Owns the reader and its limits. Read first: RFC 3261 §7, §8.1.1, §16.3, §18.3; RFC 4475.

use bytes::{Buf as _, Bytes};

use super::error::{Cause, Malformed};
use super::framing::Frame;
use super::grammar::{self, TOKEN, Values};
use super::headers::{CSeq, HeaderName, NameAddr, SINGLE_ALWAYS, SINGLE_IN_REQUEST, Tag, Via};
use super::lines::{self, Broken, Length, Lines};
use super::message::{Line, Message, Method, StartLine};
use super::ranges::{NameAddrSpans, UriSpans, ViaSpans};
use super::refuse::{self, Fault};
use super::span::Span;
use super::uri::Uri;

/// Line ends that are skipped before a start line (RFC 3261 §7.5), in octets.
pub const LEADING_OCTETS_MAX: usize = 32;

/// A method token longer than this is no method.
const METHOD_BYTES_MAX: usize = 128;

/// Header lines most messages stay below, so that one allocation holds them.
pub(super) const LINES_USUAL: usize = 24;

/// Sizes and counts the reader bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A whole message, start line to end of body. Default 65,535.
    pub message_bytes_max: usize,
    /// Header section. Default 32,768.
    pub head_bytes_max: usize,
    /// Header lines. Default 200.
    pub header_lines_max: usize,
    /// One header line with its folds. Default 8,192.
    pub header_line_bytes_max: usize,
    /// Via values. Default 70.
    pub vias_max: usize,
    /// The Request-URI. Default 2,048.
    pub uri_bytes_max: usize,
    /// Parameters of one value. Default 100.
    pub params_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 65_535,
            head_bytes_max: 32_768,
            header_lines_max: 200,
            header_line_bytes_max: 8_192,
            vias_max: 70,
            uri_bytes_max: 2_048,
            params_max: 100,
        }
    }
}

impl Limits {
    /// The same for messages of so many octets at most.
    #[must_use]
    pub fn within(&self, message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max: self.message_bytes_max.min(message_bytes_max),
            head_bytes_max: self.head_bytes_max.min(message_bytes_max),
            ..self.clone()
        }
    }
}

/// What a stateless reply to a message that could not be read is made of (lines copied as they came).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answerable {
    /// The method token of the request line, where it could be read.
    pub method: Vec<u8>,
    /// Via, From, To, Call-ID and CSeq lines (name: value), in order, clean of CR, LF and NUL.
    pub lines: Vec<(super::headers::HeaderName, Vec<u8>)>,
}

/// Reads one message from one datagram or one framed stretch of a stream.
/// For a datagram, octets past Content-Length are noise and are cut; a missing Content-Length means all the rest.
pub fn parse(mut bytes: Bytes, limits: &Limits) -> Result<Message, Box<Malformed>> {
    let leading =
        bytes.iter().take(LEADING_OCTETS_MAX).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    bytes.advance(leading);
    parse_along(bytes, &[], limits)
}

/// Reads one message as it was framed: its line ends, where they are known, are not looked for again.
pub fn parse_frame(frame: Frame<'_>, limits: &Limits) -> Result<Message, Box<Malformed>> {
    let bytes = Bytes::copy_from_slice(frame.bytes);
    if frame.line_ends.is_empty() {
        parse(bytes, limits)
    } else {
        parse_along(bytes, frame.line_ends, limits)
    }
}

fn parse_along(bytes: Bytes, ends: &[u32], limits: &Limits) -> Result<Message, Box<Malformed>> {
    match read(&bytes, ends, limits) {
        Ok(read) => Ok(read.message(bytes)),
        Err(fault) => Err(refuse::malformed(&bytes, fault, limits)),
    }
}

/// A request's method as its range, or a response's status.
enum Start {
    Request { token: Span, known: Option<Method>, uri: UriSpans },
    Response(u16),
}

/// Everything that was read, before the message owns its bytes.
struct Read {
    start: Start,
    subject: Span,
    lines: Vec<Line>,
    seen: u128,
    body_start: usize,
    essentials: Essentials,
}

impl Read {
    fn message(self, mut bytes: Bytes) -> Message {
        let essentials = self.essentials;
        bytes.truncate(essentials.body_end);
        let named = |known: Option<Method>, token: Span| match known {
            Some(method) => method,
            None => Method::Other(bytes.slice(token.range())),
        };
        let (start, method, uri) = match self.start {
            Start::Request { token, known, uri } => {
                let method = named(known, token);
                (StartLine::Request(method.clone()), method, Some(uri))
            }
            Start::Response(status) => {
                let token = essentials.cseq_method;
                (StartLine::Response(status), named(Method::known(token.slice(&bytes)), token), None)
            }
        };
        Message {
            start,
            method,
            cseq: essentials.cseq,
            max_forwards: essentials.max_forwards,
            subject: self.subject,
            uri,
            lines: self.lines,
            seen: self.seen,
            top_via: essentials.top_via,
            via_count: essentials.via_count,
            from: essentials.from,
            to: essentials.to,
            call_id: essentials.call_id,
            body: Span::between(self.body_start, essentials.body_end),
            bytes,
        }
    }
}

/// What `Message` answers without reading again.
struct Essentials {
    top_via: ViaSpans,
    via_count: usize,
    from: NameAddrSpans,
    to: NameAddrSpans,
    call_id: Span,
    cseq: u32,
    cseq_method: Span,
    max_forwards: Option<u8>,
    body_end: usize,
}

fn read(bytes: &[u8], ends: &[u32], limits: &Limits) -> Result<Read, Fault> {
    if bytes.len() > limits.message_bytes_max.min(u32::MAX as usize) {
        return Err(Fault::new(Cause::Oversize, 513, "Message Too Large"));
    }
    let mut walk = Lines::along(bytes, ends);
    let (start, subject) = start_line(bytes, walk.physical().map_err(first_line)?, limits)?;
    let request = matches!(start, Start::Request { .. });
    let mut found = Vec::with_capacity(LINES_USUAL.min(limits.header_lines_max));
    let mut seen = 0u128;
    let single = if request { SINGLE_IN_REQUEST } else { SINGLE_ALWAYS };
    let mut length = Length::Absent;
    loop {
        let from = walk.at();
        let Some(line) = walk.header().map_err(broken)? else { break };
        if found.len() >= limits.header_lines_max || line.len() > limits.header_line_bytes_max {
            return Err(Fault::new(Cause::Oversize, 400, "Too Many Or Too Long Header Lines"));
        }
        if walk.at() > limits.head_bytes_max {
            return Err(Fault::new(Cause::Oversize, 513, "Message Header Too Large"));
        }
        let split = lines::split(line).ok_or(Fault::new(Cause::HeaderLine, 400, "Malformed Header Line"))?;
        let bit = split.word.bit();
        if seen & bit & single != 0 {
            return Err(Fault::new(Cause::Repeated, 400, "Repeated Header"));
        }
        seen |= bit;
        if split.word == HeaderName::ContentLength {
            length = length.and(split.value);
        }
        let value = Span::of(bytes, split.value);
        found.push(Line { word: split.word, name: Span::between(from, from + split.name.len()), value });
    }
    let body_start = walk.at();
    no_stray_nul(bytes.get(..body_start).unwrap_or_default(), bytes, &found)?;
    let lines = Found { bytes, lines: &found, seen };
    let body_end = body_end(length, body_start, bytes.len())?;
    let essentials = essentials(&lines, &start, body_end, limits)?;
    Ok(Read { start, subject, seen, body_start, essentials, lines: found })
}

fn first_line(broken: Broken) -> Fault {
    match broken {
        Broken::LineEnd | Broken::Unended => Fault::new(Cause::StartLine, 400, "Malformed Start Line"),
    }
}

fn broken(broken: Broken) -> Fault {
    match broken {
        Broken::LineEnd => Fault::new(Cause::HeaderLine, 400, "Malformed Line End"),
        Broken::Unended => Fault::new(Cause::HeaderLine, 400, "Header Section Does Not End"),
    }
}

fn start_line(bytes: &[u8], line: &[u8], limits: &Limits) -> Result<(Start, Span), Fault> {
    let malformed = Fault::new(Cause::StartLine, 400, "Malformed Start Line");
    // RFC 3261 §7.1: exactly one space between the three parts; RFC 4475 §3.1.2.9 lets us refuse more.
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        version(first)?;
        return status_line(bytes, second.ok_or(malformed)?, third.unwrap_or_default());
    }
    let (Some(uri), Some(protocol)) = (second, third) else {
        return Err(Fault::new(Cause::NotSip, 400, "Malformed Start Line"));
    };
    if first.len() > METHOD_BYTES_MAX || !grammar::all(TOKEN, first) {
        return Err(malformed);
    }
    if !protocol.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        // `m sip:a@b; lr SIP/2.0` and two spaces end here too.
        let cause =
            if memchr::memmem::find(protocol, b"SIP/").is_some() { Cause::StartLine } else { Cause::NotSip };
        return Err(Fault::new(cause, 400, "Malformed Start Line"));
    }
    version(protocol)?;
    if uri.len() > limits.uri_bytes_max {
        return Err(Fault::new(Cause::Oversize, 414, "Request-URI Too Long"));
    }
    let read = UriSpans::new(bytes, &request_uri(uri)?);
    let start = Start::Request { token: Span::of(bytes, first), known: Method::known(first), uri: read };
    Ok((start, Span::of(bytes, uri)))
}

fn version(text: &[u8]) -> Result<(), Fault> {
    let number = text.get(4..).unwrap_or_default();
    if number == b"2.0" {
        return Ok(());
    }
    let mut halves = number.split(|byte| *byte == b'.');
    let digits = |half: Option<&[u8]>| {
        half.is_some_and(|half| !half.is_empty() && half.iter().all(u8::is_ascii_digit))
    };
    if digits(halves.next()) && digits(halves.next()) && halves.next().is_none() {
        // RFC 3261 §21.5.6
        Err(Fault::new(Cause::Version, 505, "Version Not Supported"))
    } else {
        Err(Fault::new(Cause::StartLine, 400, "Malformed Start Line"))
    }
}

fn status_line(bytes: &[u8], code: &[u8], reason: &[u8]) -> Result<(Start, Span), Fault> {
    // RFC 3261 §7.2: three digits; RFC 4475 §3.1.2.19: above 699 there is nothing.
    let status = if code.len() == 3 { grammar::decimal(code) } else { None };
    match status.map(u16::try_from) {
        Some(Ok(status @ 100..=699)) => Ok((Start::Response(status), Span::of(bytes, reason))),
        Some(_) | None => Err(Fault::new(Cause::StartLine, 400, "Malformed Status Line")),
    }
}

fn request_uri(raw: &[u8]) -> Result<Uri<'_>, Fault> {
    let malformed = Fault::new(Cause::RequestUri, 400, "Malformed Request-URI");
    match Uri::read(raw).map_err(|_| malformed)? {
        // RFC 3261 §19.1.1: headers are not allowed in a Request-URI.
        Uri::Sip(sip) if !sip.headers.is_empty() => Err(malformed),
        uri @ (Uri::Sip(_) | Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) => Ok(uri),
    }
}

/// A NUL is a character only as a quoted pair inside a quoted string (RFC 4475 §3.1.1.2); anywhere else it is how one
/// reader is made to see the end of a text where another goes on.
fn no_stray_nul(head: &[u8], bytes: &[u8], lines: &[Line]) -> Result<(), Fault> {
    if memchr::memchr(0, head).is_none() {
        return Ok(());
    }
    let stray = Fault::new(Cause::HeaderValue, 400, "NUL In Header");
    let allowed: usize = lines.iter().map(|line| quoted_nuls(line.value.slice(bytes))).sum();
    if allowed == memchr::memchr_iter(0, head).count() { Ok(()) } else { Err(stray) }
}

fn quoted_nuls(value: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in value {
        match byte {
            0 if inside && escaped => count += 1,
            b'"' if !escaped => inside = !inside,
            _ => (),
        }
        escaped = inside && !escaped && *byte == b'\\';
    }
    count
}

fn body_end(length: Length, start: usize, end: usize) -> Result<usize, Fault> {
    let lie = Fault::new(Cause::ContentLength, 400, "Bad Content-Length");
    match length {
        Length::Absent => Ok(end),
        // RFC 3261 §18.3: octets past the length are noise; too few are an error.
        Length::Octets(octets) => start.checked_add(octets).filter(|stop| *stop <= end).ok_or(lie),
        Length::Lie => Err(lie),
    }
}

/// The lines of a head by name.
struct Found<'a> {
    bytes: &'a [u8],
    lines: &'a [Line],
    seen: u128,
}

impl<'a> Found<'a> {
    fn all(&self, word: HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.lines.iter().filter(move |line| line.word == word).map(move |line| line.value.slice(bytes))
    }

    fn one(&self, word: HeaderName) -> Result<&'a [u8], Fault> {
        let value = if self.seen & word.bit() == 0 { None } else { self.all(word).next() };
        value.ok_or(Fault::new(Cause::Missing, 400, "Missing Header"))
    }
}

fn essentials(
    found: &Found<'_>,
    start: &Start,
    body_end: usize,
    limits: &Limits,
) -> Result<Essentials, Fault> {
    let bytes = found.bytes;
    let mut first = Values::new(found.one(HeaderName::Via)?);
    let top = first.next().ok_or(Cause::HeaderValue).and_then(Via::read).map_err(|_| bad("Malformed Via"))?;
    params_below(top.params, limits)?;
    let via_count = 1 + first.count() + found.all(HeaderName::Via).skip(1).flat_map(Values::new).count();
    if via_count > limits.vias_max {
        return Err(Fault::new(Cause::Oversize, 400, "Too Many Via Values"));
    }
    let from = name_addr(bytes, found.one(HeaderName::From)?, "Malformed From", limits)?;
    let to = name_addr(bytes, found.one(HeaderName::To)?, "Malformed To", limits)?;
    let call_id = found.one(HeaderName::CallId)?;
    if call_id.is_empty() || call_id.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(bad("Malformed Call-ID"));
    }
    let (cseq, cseq_method) =
        CSeq::read(found.one(HeaderName::CSeq)?).map_err(|cause| Fault::new(cause, 400, "Malformed CSeq"))?;
    let max_forwards = match found.one(HeaderName::MaxForwards) {
        Ok(value) => Some(hops(value)?),
        Err(_) => None,
    };
    if let Start::Request { token, .. } = start {
        // RFC 3261 §8.1.1.5: the method of CSeq is the request's.
        if token.slice(bytes) != cseq_method {
            return Err(Fault::new(Cause::CSeq, 400, "CSeq Method Mismatch"));
        }
        contacts(found)?;
    }
    Ok(Essentials {
        top_via: ViaSpans::new(bytes, &top),
        via_count,
        from,
        to,
        call_id: Span::of(bytes, call_id),
        cseq,
        cseq_method: Span::of(bytes, cseq_method),
        max_forwards,
        body_end,
    })
}

fn bad(reason: &'static str) -> Fault {
    Fault::new(Cause::HeaderValue, 400, reason)
}

/// RFC 3261 §20.22: 0 to 255.
fn hops(value: &[u8]) -> Result<u8, Fault> {
    grammar::decimal(value).and_then(|hops| u8::try_from(hops).ok()).ok_or(bad("Malformed Max-Forwards"))
}

fn params_below(params: &[u8], limits: &Limits) -> Result<(), Fault> {
    // Every parameter has a `;` of its own and a name.
    if params.len() / 2 >= limits.params_max && memchr::memchr_iter(b';', params).count() > limits.params_max
    {
        return Err(Fault::new(Cause::Oversize, 400, "Too Many Parameters"));
    }
    Ok(())
}

fn name_addr(
    bytes: &[u8],
    value: &[u8],
    reason: &'static str,
    limits: &Limits,
) -> Result<NameAddrSpans, Fault> {
    let (read, tag) = NameAddr::read_tagged(value).map_err(|_| bad(reason))?;
    params_below(read.params, limits)?;
    match tag {
        Tag::Absent => Ok(NameAddrSpans::new(bytes, &read, None)),
        Tag::One(tag) => Ok(NameAddrSpans::new(bytes, &read, Some(tag))),
        Tag::Unclear => Err(bad(reason)),
    }
}

/// RFC 4475 §3.1.2.13: a Contact that can be read two ways is refused, and not inferred.
fn contacts(found: &Found<'_>) -> Result<(), Fault> {
    if found.seen & HeaderName::Contact.bit() == 0 {
        return Ok(());
    }
    for value in found.all(HeaderName::Contact).flat_map(Values::new) {
        if value != b"*" {
            NameAddr::read(value).map_err(|_| bad("Malformed Contact"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
