//! Messages out of one stream, by Content-Length; keep-alives between them.
//!
//! Owns what is buffered of one stream. Refuses to know sockets and time: it says whether it is inside a head or a body,
//! and whoever holds the clock ends what takes too long. Every octet is looked at once, however it is cut into reads.
//! Read first: RFC 3261 §7.5, §18.3, §20.14; RFC 5626 §3.5.1, §4.4.1.

use std::sync::LazyLock;

use memchr::{memchr2, memmem};

use super::error::{Cause, Malformed};
use super::grammar::{self, TOKEN};
use super::headers::HeaderName;
use super::lines::{self, Broken, Length, Lines};
use super::parse::{LINES_USUAL, Limits};
use super::refuse::{self, Fault};

/// What a start line holds beside its URI, with room.
const START_LINE_EXTRA: usize = 256;

/// One message as it came, not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its octets.
    pub bytes: &'a [u8],
    /// Where the first lines of its head end, each counted from its first octet, as far as that is known.
    pub line_ends: &'a [u32],
}

impl<'a> From<&'a [u8]> for Frame<'a> {
    /// A datagram's octets, of which nothing is known yet.
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, line_ends: &[] }
    }
}

/// What came off a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<'a> {
    /// One whole message, for `parse`. It stays valid until the framer is touched again.
    Message(Frame<'a>),
    /// CRLF CRLF, or a longer run of them: answer one CRLF (RFC 5626 §4.4.1).
    KeepAlivePing,
    /// A lone CRLF: the answer to a ping of ours, or an empty line before a message.
    Pong,
}

/// What a stream is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Nothing: no message has begun.
    Nothing,
    /// A start line or header lines.
    Head,
    /// A body.
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Between,
    Head {
        /// Where the line that is being read starts.
        line: usize,
        /// Up to where there is no line end.
        seen: usize,
    },
    Body {
        /// Where the message ends.
        end: usize,
    },
    Broken,
}

/// One stream's framer. After every `push`, call `next` until it says `None`: then it holds less than one message, which
/// bounds it by `Limits::message_bytes_max` and one read. An empty one holds no heap.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the first lines of the current message's head end (`LINES_USUAL` at most), counted from its start; empty where that
    /// was not found at once.
    ends: Vec<u32>,
    /// Where the current message starts.
    start: usize,
    stage: Stage,
    /// A CRLF came last and may be the first half of a ping.
    half_ping: bool,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.stage == Stage::Broken {
            return;
        }
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// What the stream is in the middle of.
    #[must_use]
    pub fn pending(&self) -> Pending {
        match self.stage {
            Stage::Between | Stage::Broken => Pending::Nothing,
            Stage::Head { .. } => Pending::Head,
            Stage::Body { .. } => Pending::Body,
        }
    }

    /// Holds no more heap than what is unfinished takes.
    pub fn trim(&mut self) {
        self.compact();
        self.buffer.shrink_to_fit();
    }

    /// The next whole thing; `None` when more must be read. After an error the stream has no more messages and must be
    /// closed; the error's `answer` is there when a 400 can be sent first.
    pub fn next(&mut self, limits: &Limits) -> Result<Option<Framed<'_>>, Box<Malformed>> {
        match self.advance(limits) {
            Ok(Step::More) => Ok(None),
            Ok(Step::Ping) => Ok(Some(Framed::KeepAlivePing)),
            Ok(Step::Pong) => Ok(Some(Framed::Pong)),
            Ok(Step::Message { from, to }) => Ok(self
                .buffer
                .get(from..to)
                .map(|bytes| Framed::Message(Frame { bytes, line_ends: &self.ends }))),
            Err(fault) => {
                let refused = refuse::malformed(self.rest(), fault, limits);
                *self = Self { stage: Stage::Broken, ..Self::default() };
                Err(refused)
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Forgets what was taken out. At most one unfinished message moves, once.
    fn compact(&mut self) {
        if self.start == 0 {
            return;
        }
        if self.start >= self.buffer.len() {
            (self.buffer, self.ends) = (Vec::new(), Vec::new());
        } else {
            self.buffer.drain(..self.start);
        }
        match &mut self.stage {
            Stage::Between | Stage::Broken => (),
            Stage::Head { line, seen } => {
                *line -= self.start;
                *seen -= self.start;
            }
            Stage::Body { end } => *end -= self.start,
        }
        self.start = 0;
    }

    fn advance(&mut self, limits: &Limits) -> Result<Step, Fault> {
        loop {
            match self.stage {
                Stage::Broken => return Err(Fault::new(Cause::Framing, 400, "Stream Is Broken")),
                Stage::Between => {
                    if let Some(step) = self.between()? {
                        return Ok(step);
                    }
                }
                Stage::Head { line, seen } => {
                    if !self.head(line, seen, limits)? {
                        return Ok(Step::More);
                    }
                }
                Stage::Body { end } => {
                    if self.buffer.len() < end {
                        return Ok(Step::More);
                    }
                    let from = self.start;
                    self.start = end;
                    self.stage = Stage::Between;
                    return Ok(Step::Message { from, to: end });
                }
            }
        }
    }

    /// Between messages: line ends are keep-alives, anything else starts a message (`None`).
    fn between(&mut self) -> Result<Option<Step>, Fault> {
        let rest = self.rest();
        let pairs = rest.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
        if pairs > 0 {
            let (total, more) = (pairs + usize::from(self.half_ping), rest.len() > pairs * 2);
            self.start += pairs * 2;
            self.half_ping = total % 2 == 1 && !more;
            if !more {
                self.compact();
            }
            return Ok(Some(if total > 1 { Step::Ping } else { Step::Pong }));
        }
        match rest {
            [] => {
                self.compact();
                Ok(Some(Step::More))
            }
            [b'\r'] => Ok(Some(Step::More)),
            [b'\r' | b'\n', ..] => Err(Fault::new(Cause::Framing, 400, "Malformed Line End")),
            [first, ..] if grammar::is(TOKEN, *first) => {
                self.half_ping = false;
                self.stage = Stage::Head { line: self.start, seen: self.start };
                Ok(None)
            }
            // A TLS hello on a plain port ends here, and whatever else cannot be a method.
            [_, ..] => Err(Fault::new(Cause::NotSip, 400, "Not SIP")),
        }
    }

    /// Looks for the end of the head; false when more must be read.
    fn head(&mut self, mut line: usize, mut seen: usize, limits: &Limits) -> Result<bool, Fault> {
        if seen == self.start {
            let mut ends = std::mem::take(&mut self.ends);
            ends.clear();
            ends.reserve(LINES_USUAL);
            let whole = self.whole(&mut ends, limits);
            if let Some(end) = whole {
                (self.stage, self.ends) = (Stage::Body { end }, ends);
                return Ok(true);
            }
        }
        loop {
            let found = self.buffer.get(seen..).and_then(|rest| memchr2(b'\r', b'\n', rest));
            let at = seen + found.unwrap_or(self.buffer.len() - seen);
            let first_line = line == self.start;
            if first_line && at - self.start > limits.uri_bytes_max.saturating_add(START_LINE_EXTRA) {
                return Err(Fault::new(Cause::Oversize, 414, "Start Line Too Long"));
            }
            if at - self.start > limits.head_bytes_max {
                return Err(Fault::new(Cause::Oversize, 513, "Message Header Too Large"));
            }
            match (self.buffer.get(at), self.buffer.get(at + 1)) {
                (None, _) | (Some(b'\r'), None) => {
                    self.stage = Stage::Head { line, seen: at };
                    return Ok(false);
                }
                (Some(b'\r'), Some(b'\n')) => (),
                (Some(_), _) => return Err(Fault::new(Cause::Framing, 400, "Malformed Line End")),
            }
            if first_line && !names_sip(self.buffer.get(line..at).unwrap_or_default()) {
                return Err(Fault::new(Cause::NotSip, 400, "Not SIP"));
            }
            if at == line {
                self.stage = Stage::Body { end: self.message_end(at + 2, limits)? };
                return Ok(true);
            }
            (line, seen) = (at + 2, at + 2);
        }
    }

    /// Where the message ends whose head is here as a whole and in order, as most are: found by one search, and each line
    /// looked at once. `None` for all others, of which [`Self::head`] says what is wrong, or waits for the rest.
    fn whole(&self, ends: &mut Vec<u32>, limits: &Limits) -> Option<usize> {
        /// In a head whose lines end by CRLF, these stand together at its end alone.
        static END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\n\r"));
        let rest = self.rest();
        let near = rest.get(..rest.len().min(limits.head_bytes_max.saturating_add(2)))?;
        let head = near.get(..END.find(near)? + 3)?;
        if !head.ends_with(b"\r\n\r\n") {
            return None;
        }
        let length = length_in(head, ends, limits)?;
        self.end_of(self.start + head.len(), length, limits).ok()
    }

    /// Where the message ends whose head ends at `head_end`.
    fn message_end(&self, head_end: usize, limits: &Limits) -> Result<usize, Fault> {
        let mut walk = Lines::new(self.buffer.get(self.start..head_end).unwrap_or_default(), 0);
        let _ = walk.physical();
        let (length, _) = length_of(&mut walk);
        self.end_of(head_end, length, limits)
    }

    fn end_of(&self, head_end: usize, length: Length, limits: &Limits) -> Result<usize, Fault> {
        match length {
            Length::Octets(octets) => {
                let end = head_end.saturating_add(octets);
                if end - self.start > limits.message_bytes_max {
                    return Err(Fault::new(Cause::Oversize, 513, "Message Too Large"));
                }
                Ok(end)
            }
            // RFC 3261 §18.3: on a stream it must be there.
            Length::Absent => Err(Fault::new(Cause::ContentLength, 400, "Missing Content-Length")),
            Length::Lie => Err(Fault::new(Cause::ContentLength, 400, "Bad Content-Length")),
        }
    }
}

/// What a whole head says of the body's length; where its first lines end is put into `ends`. `None` where its start line is
/// none, or a line ends by anything but CRLF.
fn length_in(head: &[u8], ends: &mut Vec<u32>, limits: &Limits) -> Option<Length> {
    let (mut walk, mut length) = (Lines::new(head, 0), Length::Absent);
    let first = walk.physical().ok()?;
    if first.len() > limits.uri_bytes_max.saturating_add(START_LINE_EXTRA) || !names_sip(first) {
        return None;
    }
    ends.push(u32::try_from(first.len()).ok()?);
    while walk.at() < head.len() {
        let from = walk.at();
        if may_be_length(walk.physical().ok()?) {
            // With its folds.
            let line = Lines::new(head, from).header().ok().flatten()?;
            if let Some(split) = lines::split(line).filter(|split| split.word == HeaderName::ContentLength) {
                length = length.and(split.value);
            }
        }
        // Of a head with more lines the reader looks for the rest itself: what is remembered of a message stays small.
        if ends.len() < LINES_USUAL {
            ends.push(u32::try_from(walk.at() - 2).ok()?);
        }
    }
    Some(length)
}

/// Whether a line may be `Content-Length` or `l`: few others are split for it.
const fn may_be_length(line: &[u8]) -> bool {
    matches!(line, [b'L' | b'l', ..] | [b'C' | b'c', _, _, _, _, _, _, b'-', b'L' | b'l', ..])
}

/// What the header lines say of the body's length, and whether they were walked to their end.
fn length_of(walk: &mut Lines<'_>) -> (Length, bool) {
    let mut length = Length::Absent;
    loop {
        let line = match walk.header() {
            Ok(Some(line)) => line,
            Ok(None) => return (length, true),
            Err(Broken::LineEnd | Broken::Unended) => return (length, false),
        };
        if may_be_length(line)
            && let Some(split) = lines::split(line)
            && split.word == HeaderName::ContentLength
        {
            length = length.and(split.value);
        }
    }
}

enum Step {
    More,
    Ping,
    Pong,
    Message { from: usize, to: usize },
}

/// Whether a start line names SIP at one end.
fn names_sip(line: &[u8]) -> bool {
    let named = |text: &[u8]| text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
    named(line)
        || memchr::memrchr(b' ', line.trim_ascii_end())
            .is_some_and(|at| named(line.get(at + 1..).unwrap_or_default()))
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
