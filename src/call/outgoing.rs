//! What a request of ours in a dialog is made of.
//!
//! Owns the words; `leg` writes them. Read first: RFC 3261 §12.2.1.1; RFC 7332 §4.

use super::Branch;
use super::core::MAX_FORWARDS;
use crate::sip::{HeaderName, Message, Method};

/// What a request takes along besides its own headers.
#[derive(Clone, Copy)]
pub(super) enum Carried<'a> {
    /// Nothing.
    Nothing,
    /// The allowed headers and the body of a message of the other leg.
    Of(&'a Message),
    /// SDP of our own; empty is no body.
    Sdp(&'a [u8]),
    /// A status line of our own, as a fragment of a message (RFC 3420).
    Fragment(&'a [u8]),
}

impl<'a> From<Option<&'a Message>> for Carried<'a> {
    fn from(message: Option<&'a Message>) -> Self {
        message.map_or(Self::Nothing, Self::Of)
    }
}

impl Carried<'_> {
    /// Max-Forwards of the request: carried on and lowered by one (RFC 7332 §4).
    pub fn hops(self) -> u8 {
        match self {
            Self::Of(message) => message.max_forwards().map_or(MAX_FORWARDS, |hops| hops.saturating_sub(1)),
            Self::Nothing | Self::Sdp(_) | Self::Fragment(_) => MAX_FORWARDS,
        }
    }
}

/// What a request in the dialog is made of.
pub(super) struct Outgoing<'a> {
    pub method: &'a Method,
    pub branch: Branch,
    pub cseq: u32,
    pub carried: Carried<'a>,
    /// A Reason value of our own.
    pub reason: &'a [u8],
    /// Other lines of our own.
    pub adds: &'a [(HeaderName, &'a [u8])],
}

impl<'a> Outgoing<'a> {
    /// A request that nothing crosses in.
    pub const fn bare(method: &'a Method, branch: Branch, cseq: u32) -> Self {
        Self { method, branch, cseq, carried: Carried::Nothing, reason: b"", adds: &[] }
    }
}
