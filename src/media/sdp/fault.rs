//! Why a description is not taken.
//!
//! Owns the causes and their words. Refuses to know what is answered.

use std::fmt;

use super::{
    CRYPTO_LINES_MAX, DESCRIPTION_BYTES_MAX, FORMATS_MAX, LINE_BYTES_MAX, LINES_MAX, MEDIA_LINES_MAX,
};

/// Why a description is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It has more than [`DESCRIPTION_BYTES_MAX`] octets.
    Long,
    /// It has more than [`LINES_MAX`] lines.
    Lines,
    /// A line has more than [`LINE_BYTES_MAX`] octets.
    LineLong,
    /// It has more than [`MEDIA_LINES_MAX`] `m=` lines.
    Streams,
    /// A stream has more than [`FORMATS_MAX`] formats.
    Formats,
    /// A stream has more than [`CRYPTO_LINES_MAX`] lines of `a=crypto`.
    Keys,
    /// An octet that no line may have.
    Control,
    /// A line that is no letter, `=` and a value.
    Line,
    /// A line of this letter that must not stand where it stands, or twice.
    Order(char),
    /// It has no line of this letter.
    Missing(char),
    /// A line of this letter does not follow the grammar.
    Syntax(char),
    /// An attribute does not follow its grammar.
    Attribute(&'static str),
    /// An attribute is said twice, and not the same.
    Twice(&'static str),
    /// A payload type is named twice, or called something else than it is.
    PayloadType,
    /// A host name stands where an address must.
    HostName,
    /// An address with a TTL or a count, as for multicast, or one address family that stands for another.
    Address,
    /// A stream that is on has no address.
    NoAddress,
    /// A stream asks for several ports.
    Ports,
    /// Two streams are received at one port.
    SharedPort,
    /// A key for the whole session, which readers take for different streams.
    SessionKey,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "more than {DESCRIPTION_BYTES_MAX} octets of SDP"),
            Self::Lines => write!(f, "more than {LINES_MAX} lines of SDP"),
            Self::LineLong => write!(f, "a line of SDP has more than {LINE_BYTES_MAX} octets"),
            Self::Streams => write!(f, "more than {MEDIA_LINES_MAX} m= lines"),
            Self::Formats => write!(f, "more than {FORMATS_MAX} formats in one m= line"),
            Self::Keys => write!(f, "more than {CRYPTO_LINES_MAX} a=crypto lines for one stream"),
            Self::Control => f.write_str("a control octet in the SDP"),
            Self::Line => f.write_str("a line of SDP is no letter, '=' and a value"),
            Self::Order(letter) => write!(f, "a {letter}= line stands twice or where none may stand"),
            Self::Missing(letter) => write!(f, "no {letter}= line"),
            Self::Syntax(letter) => write!(f, "a {letter}= line does not follow RFC 8866"),
            Self::Attribute(name) => write!(f, "a={name} does not follow its grammar"),
            Self::Twice(name) => write!(f, "{name} is said twice, and not the same"),
            Self::PayloadType => {
                f.write_str("a payload type is named twice, or called what another codec is called")
            }
            Self::HostName => f.write_str("a host name stands where an IP address must"),
            Self::Address => f.write_str("an address is for multicast, or of another family than is said"),
            Self::NoAddress => f.write_str("a stream has no c= line"),
            Self::Ports => f.write_str("a stream asks for several ports"),
            Self::SharedPort => f.write_str("two streams share a port"),
            Self::SessionKey => f.write_str("a=crypto stands before the first m= line"),
        }
    }
}

impl std::error::Error for Fault {}
