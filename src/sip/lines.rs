//! The lines of a head: where each ends, which are folded, where the head is over.
//!
//! Owns the one place that knows line ends, so that the reader of datagrams and the framer of streams cannot differ.
//! Only CRLF ends a line. Read first: RFC 3261 §7.3.1, §25.1.

use super::grammar::{self, TOKEN};
use super::headers::HeaderName;
use super::scan;

/// Why a line cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A CR without LF or a LF without CR.
    LineEnd,
    /// The bytes end before the empty line.
    Unended,
}

/// A header line split: name, its word, value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    pub word: HeaderName,
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// Walks a head: the start line first, then header lines with their folds, then the end.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the next lines end, as far as whoever framed them has found it.
    ends: &'a [u32],
}

impl<'a> Lines<'a> {
    pub const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, ends: &[] }
    }

    /// A walk from the start along line ends that were found already.
    pub const fn along(bytes: &'a [u8], ends: &'a [u32]) -> Self {
        Self { bytes, at: 0, ends }
    }

    /// Where the next line starts; after the empty line, where the body starts.
    pub fn at(&self) -> usize {
        self.at
    }

    /// One physical line, without its CRLF.
    pub fn physical(&mut self) -> Result<&'a [u8], Broken> {
        if let Some((end, more)) = self.ends.split_first() {
            let end = *end as usize;
            if let (Some(line), Some(b"\r\n")) = (self.bytes.get(self.at..end), self.bytes.get(end..end + 2))
            {
                (self.at, self.ends) = (end + 2, more);
                return Ok(line);
            }
            // They are not of these octets.
            self.ends = &[];
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr2(b'\r', b'\n', rest).ok_or(Broken::Unended)?;
        match (rest.get(end), rest.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                self.at += end + 2;
                Ok(rest.get(..end).unwrap_or_default())
            }
            (Some(b'\r'), None) => Err(Broken::Unended),
            _ => Err(Broken::LineEnd),
        }
    }

    /// One header line with its folds, without the last CRLF; `None` for the empty line that ends the head.
    pub fn header(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        let start = self.at;
        let first = self.physical()?;
        if first.is_empty() {
            return Ok(None);
        }
        // RFC 3261 §7.3.1: a line that starts with white space continues the one before.
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.physical()?;
        }
        Ok(Some(self.bytes.get(start..self.at - 2).unwrap_or(first)))
    }
}

/// Splits a header line at its colon. `None` when there is none or when anything but a token and blanks stands before
/// it: a control character there would let two readers see two names.
#[inline]
pub(crate) fn split(line: &[u8]) -> Option<Split<'_>> {
    let colon = scan::find(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let value = grammar::trim(value);
    let word = HeaderName::read(name);
    // A name we know needs no look at its characters.
    if word == HeaderName::Unknown { unknown(name, value) } else { Some(Split { word, name, value }) }
}

fn unknown<'a>(name: &'a [u8], value: &'a [u8]) -> Option<Split<'a>> {
    let (token, mut blanks) = grammar::run(TOKEN, name);
    // RFC 3261 §25.1: HCOLON = *( SP / HTAB ) ":" SWS
    while let [b' ' | b'\t', tail @ ..] = blanks {
        blanks = tail;
    }
    let good = blanks.is_empty() && !token.is_empty();
    good.then(|| Split { word: HeaderName::read(token), name: token, value })
}

/// What a head says of its body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Nothing.
    Absent,
    /// So many octets.
    Octets(usize),
    /// Not a number, or said twice.
    Lie,
}

impl Length {
    /// Joins one more Content-Length line.
    pub fn and(self, value: &[u8]) -> Self {
        // RFC 3261 §20.14: Content-Length = 1*DIGIT, once; two of them, even equal, are how bodies are smuggled.
        match (self, grammar::decimal(value)) {
            (Self::Absent, Some(octets)) => Self::Octets(octets as usize),
            (Self::Absent | Self::Octets(_) | Self::Lie, _) => Self::Lie,
        }
    }
}
