//! What can be wrong with bytes, and whose fault it is.
//!
//! Owns `Blame` and `Malformed`. Read first: RFC 3261 §8.2, §21.4; RFC 4475.

/// Who is to blame; one function of `engine` maps it to a status or to silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer's bytes break the grammar.
    PeerMalformed,
    /// The bytes are fine, the behaviour is not.
    PeerMisbehaved,
    /// The peer asks for what we do not do.
    Unsupported,
    /// One of our named limits was reached.
    LocalLimit,
    /// The far side failed.
    Upstream,
    /// Our own mistake.
    Bug,
}

/// Why a message was refused by the reader: stable, countable causes with the status they deserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Neither a request line nor a status line.
    StartLine,
    /// `SIP/` with another version: 505.
    Version,
    /// A Request-URI that breaks its scheme's grammar.
    RequestUri,
    /// A header line without a colon, with a bad name, or with a control character.
    HeaderLine,
    /// A header that must be there is missing.
    Missing,
    /// A single-value header stands twice.
    Repeated,
    /// A header's value breaks its grammar.
    HeaderValue,
    /// CSeq's method is not the request's, or its number is out of range.
    CSeq,
    /// Content-Length is negative, not a number, repeated with another value, or longer than the datagram.
    ContentLength,
    /// A named size or count limit was passed: 513 (message), 414 (URI), 400 (headers).
    Oversize,
    /// Bytes on a stream that cannot be framed.
    Framing,
    /// Not SIP at all.
    NotSip,
}

/// A message the reader refused. `answer` holds what a reply needs, where that much could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What was wrong.
    pub cause: Cause,
    /// The status a known source is told: 400, 414, 416, 505, 513.
    pub status: u16,
    /// A fixed sentence for the reason phrase and the alert; never text of the sender.
    pub reason: &'static str,
    /// The pieces a reply is made of; `None` for responses and for what cannot be answered.
    pub answer: Option<Box<crate::sip::parse::Answerable>>,
}
