//! Bytes to `Message`, or the reason why not.
//!
//! Owns the reader and its limits. Read first: RFC 3261 §7, §8.1.1, §16.3, §18.3; RFC 4475.

use bytes::Bytes;

use super::error::Malformed;
use super::message::Message;

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
pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, Box<Malformed>> {
    let _ = (bytes, limits);
    todo!()
}
