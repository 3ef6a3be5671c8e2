//! What is left of a message that could not be read: enough to answer it, or nothing.
//!
//! Owns the second, forgiving look at refused bytes. Refuses to guess: lines are kept as they came or not at all.
//! Read first: RFC 3261 §8.2.6, §8.2.7, §16.3; RFC 4475 §3.1.2, §3.3.1.

use super::error::{Cause, Malformed};
use super::grammar::{self, TOKEN};
use super::headers::HeaderName;
use super::lines::{self, Lines};
use super::parse::{Answerable, Limits};
use super::text;

/// Via lines kept for an answer, the top ones. With the bound on a line this bounds the answer.
const VIA_LINES_MAX: usize = 100;

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    cause: Cause,
    status: u16,
    reason: &'static str,
}

impl Fault {
    pub const fn new(cause: Cause, status: u16, reason: &'static str) -> Self {
        Self { cause, status, reason }
    }
}

/// The refusal of `bytes`, with what an answer needs where that can be told.
#[cold]
pub(crate) fn malformed(bytes: &[u8], fault: Fault, limits: &Limits) -> Box<Malformed> {
    let Fault { cause, status, reason } = fault;
    let answer = if cause == Cause::NotSip { None } else { answerable(bytes, limits) };
    Box::new(Malformed { cause, status, reason, answer: answer.map(Box::new) })
}

/// The pieces of an answer; `None` for responses, for ACK, and where no method can be read.
fn answerable(bytes: &[u8], limits: &Limits) -> Option<Answerable> {
    let head = bytes.get(..bytes.len().min(limits.head_bytes_max)).unwrap_or_default();
    let mut walk = Lines::new(head, 0);
    let start = walk.physical().ok()?;
    let (method, rest) = grammar::run(TOKEN, start);
    // RFC 3261 §17.1.1.3: an ACK is never answered. A response is never answered either; its first word holds a `/`.
    if method.is_empty() || method == b"ACK" || rest.first() != Some(&b' ') {
        return None;
    }
    let mut answer = Answerable { method: method.to_vec(), lines: Vec::new() };
    let (mut seen, mut vias) = (0u128, 0);
    // What comes after a line that is not ended, or not ended by CRLF, is not read.
    while let Ok(Some(line)) = walk.header() {
        let Some(split) = lines::split(line) else { continue };
        let via = split.word == HeaderName::Via;
        vias += usize::from(via);
        let wanted = via
            || [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq].contains(&split.word);
        let clean = line.len() <= limits.header_line_bytes_max && memchr::memchr(0, split.value).is_none();
        // Of a header that must stand once the first is kept.
        if wanted && clean && if via { vias <= VIA_LINES_MAX } else { seen & split.word.bit() == 0 } {
            seen |= split.word.bit();
            answer.lines.push((split.word, text::unfold(split.value).into_owned()));
        }
    }
    Some(answer)
}
