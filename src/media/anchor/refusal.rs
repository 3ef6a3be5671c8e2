//! Why an offer or an answer is not taken.
//!
//! Owns the causes, their words, and which of them are about encryption. Refuses to know statuses and codes: the same
//! cause has another code in an offer, in an answer and within a call.

use std::fmt;

use crate::media::reach::Misplaced;
use crate::media::sdp::Fault;
use crate::media::srtp::sdes::Unusable;

/// Why an offer or an answer is not taken. What stood before stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is no description that has one reading.
    Description(Fault),
    /// It is RTP without encryption, where encryption is required.
    Clear,
    /// It is RTP with keys beside it: encrypted only if the other side cares to.
    BestEffort,
    /// It is SRTP without a usable key; why the first one is not, where there is one.
    NoKey(Option<Unusable>),
    /// Its keys, or its fingerprint, would travel on signalling that is not encrypted.
    KeysInClear,
    /// What was encrypted would not be any more.
    Weaker,
    /// It wants DTLS, and we have no certificate for it, or no suite that DTLS could agree on.
    NoDtls,
    /// It wants DTLS, and does not say by what its certificate is known or who begins.
    NoFingerprint,
    /// Its media would go where it may not.
    Place(Misplaced),
    /// No codec is left that both sides may use.
    Codecs,
    /// Fax (T.38) is all that it asks for.
    Image,
    /// Nothing in it is carried here.
    NoStream,
    /// It has another number of streams, or others, than it must have.
    Mismatch,
    /// It asks while another offer waits for its answer.
    Pending,
    /// It answers what nobody asked.
    Unasked,
    /// No port is left.
    Ports,
}

impl Refusal {
    /// Whether encryption is what it lacks.
    #[must_use]
    pub const fn is_of_encryption(self) -> bool {
        match self {
            Self::Clear
            | Self::BestEffort
            | Self::NoKey(_)
            | Self::KeysInClear
            | Self::Weaker
            | Self::NoDtls
            | Self::NoFingerprint => true,
            Self::Description(_)
            | Self::Place(_)
            | Self::Codecs
            | Self::Image
            | Self::NoStream
            | Self::Mismatch
            | Self::Pending
            | Self::Unasked
            | Self::Ports => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description(fault) => fault.fmt(f),
            Self::Clear => f.write_str("RTP without encryption, and SRTP is required"),
            Self::BestEffort => {
                f.write_str("RTP/AVP with a=crypto, a=fingerprint or a=setup: encrypted only at the other side's pleasure")
            }
            Self::NoKey(Some(cause)) => write!(f, "SRTP without a usable key: {cause}"),
            Self::NoKey(None) => f.write_str("SRTP without a key of a suite that is allowed"),
            Self::KeysInClear => f.write_str("keys of encrypted media on signalling that is not encrypted"),
            Self::Weaker => f.write_str("media that was encrypted would be in the clear"),
            Self::NoDtls => f.write_str("DTLS-SRTP is not configured"),
            Self::NoFingerprint => f.write_str("DTLS-SRTP without a usable fingerprint and setup"),
            Self::Place(cause) => write!(f, "media would go to {cause}"),
            Self::Codecs => f.write_str("no codec that both sides may use"),
            Self::Image => f.write_str("T.38 fax is not relayed; G.711 is"),
            Self::NoStream => f.write_str("no stream that could be relayed"),
            Self::Mismatch => f.write_str("other streams than were agreed or offered"),
            Self::Pending => f.write_str("another offer waits for its answer"),
            Self::Unasked => f.write_str("an answer that nobody asked for"),
            Self::Ports => f.write_str("no media port is left"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Description(fault)
    }
}
