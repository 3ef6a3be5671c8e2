//! RTP formats: payload types, the codecs that they name, and a codec's parameters.
//!
//! Owns the names of the static payload types and which octets of parameters may cross. Refuses to know codecs
//! otherwise. Read first: RFC 3551 §6; RFC 8866 §6.6, §6.15; RFC 5761 §4.

use std::fmt;

use smallvec::SmallVec;

use super::Fault;
use super::word::{is_token, small};

/// Octets of `a=fmtp` parameters at most.
pub const PARAMETERS_BYTES_MAX: usize = 512;
/// Octets of a codec's name at most.
const NAME_BYTES_MAX: usize = 32;
/// Clock rates above this are no codec's, in Hz.
const CLOCK_RATE_MAX: u32 = 1_000_000;
/// Channels of a codec at most.
const CHANNELS_MAX: u8 = 8;

/// A codec, told from others by name, clock rate and channels.
#[derive(Clone)]
pub struct Codec {
    name: SmallVec<[u8; 16]>,
    /// Its clock rate in Hz.
    pub rate: u32,
    /// Its channels.
    pub channels: u8,
}

impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        // RFC 4855 §3: names are told apart whatever their case.
        self.is(&other.name) && (self.rate, self.channels) == (other.rate, other.channels)
    }
}

impl Eq for Codec {}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", String::from_utf8_lossy(&self.name), self.rate, self.channels)
    }
}

impl Codec {
    /// Reads `name/rate` or `name/rate/channels`.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|octet| *octet == b'/');
        let (name, rate) = (parts.next()?, small::<u32>(parts.next()?)?);
        let channels = parts.next().map_or(Some(1), small::<u8>)?;
        let named = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(|octet| is_token(*octet));
        let bounded = (1..=CLOCK_RATE_MAX).contains(&rate) && (1..=CHANNELS_MAX).contains(&channels);
        (named && bounded && parts.next().is_none()).then(|| Self { name: name.into(), rate, channels })
    }

    /// The codec of a payload type that needs no `a=rtpmap`.
    #[must_use]
    pub fn fixed(number: u8) -> Option<Self> {
        // RFC 3551 §6, tables 4 and 5.
        let (name, rate, channels) = match number {
            0 => ("PCMU", 8_000, 1),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            8 => ("PCMA", 8_000, 1),
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            25 => ("CelB", 90_000, 1),
            26 => ("JPEG", 90_000, 1),
            28 => ("nv", 90_000, 1),
            31 => ("H261", 90_000, 1),
            32 => ("MPV", 90_000, 1),
            33 => ("MP2T", 90_000, 1),
            34 => ("H263", 90_000, 1),
            _ => return None,
        };
        Some(Self { name: name.as_bytes().into(), rate, channels })
    }

    /// Its name as it was said.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it is called so.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it carries keys that are pressed (RFC 4733).
    #[must_use]
    pub fn is_events(&self) -> bool {
        self.is(b"telephone-event")
    }

    /// Whether it carries something that is heard or seen, rather than what goes along with it.
    #[must_use]
    pub fn is_media(&self) -> bool {
        // RFC 4733, RFC 3389, RFC 2198.
        ![&b"telephone-event"[..], b"CN", b"red"].iter().any(|name| self.is(name))
    }
}

/// A payload type with the codec it stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Format {
    /// The payload type, below 128.
    pub number: u8,
    /// The codec.
    pub codec: Codec,
    /// The codec's parameters as they were said, where there are any.
    pub parameters: Option<Box<[u8]>>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.number, self.codec)?;
        match &self.parameters {
            Some(parameters) => write!(f, " {}", String::from_utf8_lossy(parameters)),
            None => Ok(()),
        }
    }
}

/// Whether a payload type may stand in a packet: RTCP's packet types would be taken for the others (RFC 3551 §6).
pub(super) const fn is_carried(number: u8) -> bool {
    number < 128 && !matches!(number, 72..=76)
}

/// Whether a payload type could be taken for RTCP on a port that both share (RFC 5761 §4).
pub(super) const fn bars_sharing(number: u8) -> bool {
    matches!(number, 64..=95)
}

/// The parameters, if they may cross.
pub(super) fn parameters(text: &[u8]) -> Result<Box<[u8]>, Fault> {
    let printable = |octet: &u8| matches!(octet, b' '..=b'~');
    if text.is_empty() || text.len() > PARAMETERS_BYTES_MAX || !text.iter().all(printable) {
        return Err(Fault::Attribute("fmtp"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_apart_by_name_rate_and_channels() {
        let read = |text: &str| Codec::read(text.as_bytes());
        assert_eq!(read("pcmu/8000"), Codec::fixed(0));
        assert_eq!(read("PCMU/8000/1"), Codec::fixed(0));
        assert_ne!(read("PCMU/16000"), Codec::fixed(0));
        assert_ne!(read("L16/44100"), read("L16/44100/2"));
        for bad in
            ["", "PCMU", "PCMU/", "PCMU/0", "PCMU/08000", "/8000", "a b/8000", "x/8000/9", "x/8000/1/1"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&format!("{}/8000", "x".repeat(NAME_BYTES_MAX + 1))), None);
        assert_eq!(read("x/1000001"), None);
        assert_eq!(format!("{:?}", read("opus/48000/2").unwrap()), "opus/48000/2");
    }

    #[test]
    fn a_packet_type_of_rtcp_is_no_payload_type() {
        let carried: Vec<u8> = (0..=255).filter(|number| !is_carried(*number)).take(6).collect();
        assert_eq!(carried, [72, 73, 74, 75, 76, 128]);
        assert_eq!([63, 64, 95, 96].map(bars_sharing), [false, true, true, false]);
        assert!((0..128).filter_map(Codec::fixed).all(|codec| codec.rate > 0));
    }
}
