//! RTP packets: what an octet string on a media port is, and an RTP header within its bounds.
//!
//! Owns the sorting of what shares a port, and the RTP header; nothing is copied. Refuses to know what a payload
//! means. Read first: RFC 3550 §5.1, appendix A.1; RFC 5761 §4; RFC 7983.

use std::fmt;

/// Octets of one media packet on the wire at most, trailer included; a longer one is no media of a call.
pub const PACKET_OCTETS_MAX: usize = 2_048;

/// Octets of the header before CSRCs and extension.
pub const HEADER_OCTETS: usize = 12;

/// What shares a media port, told by the first two octets alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A STUN message.
    Stun,
    /// A DTLS record.
    Dtls,
    /// RTP, or SRTP.
    Rtp,
    /// RTCP, or SRTCP.
    Rtcp,
    /// Nothing that a media port takes: ZRTP, TURN channels, octets without meaning.
    Other,
}

impl Kind {
    /// Tells by the first octet, and RTP from RTCP by the second.
    #[must_use]
    pub const fn of(packet: &[u8]) -> Self {
        match packet {
            // RFC 7983 §7: 0-3 STUN, 20-63 DTLS, 128-191 RTP and RTCP.
            [0..=3, _, ..] => Self::Stun,
            [20..=63, _, ..] => Self::Dtls,
            // RFC 5761 §4: payload types 64-95 are never used beside RTCP, so that types 192-223 are RTCP's own.
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            [] | [_] | [_, _, ..] => Self::Other,
        }
    }
}

/// Why a packet is no RTP or RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadPacket {
    /// It ends before its fixed header does.
    Short,
    /// It is longer than [`PACKET_OCTETS_MAX`].
    Long,
    /// Its version is not 2.
    Version,
    /// Its CSRC list runs over its end.
    Csrc,
    /// Its header extension runs over its end.
    Extension,
    /// Its padding count is 0 or more than there is.
    Padding,
    /// An RTCP packet's length disagrees with the datagram.
    Length,
    /// An RTCP packet's type is outside 192-223.
    Type,
}

impl fmt::Display for BadPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "ends before its header does",
            Self::Long => "longer than a media packet may be",
            Self::Version => "version is not 2",
            Self::Csrc => "CSRC list runs over the end",
            Self::Extension => "header extension runs over the end",
            Self::Padding => "padding count does not fit",
            Self::Length => "RTCP length disagrees with the datagram",
            Self::Type => "not an RTCP packet type",
        })
    }
}

impl std::error::Error for BadPacket {}

/// An RTP header whose every part lies within its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// Whether padding ends the payload (in SRTP it is encrypted with it).
    pub padded: bool,
    /// The marker bit.
    pub marker: bool,
    /// The payload type: 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in units of the payload type's clock.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
    /// Octets of the whole header, CSRCs and extension included; never more than the packet has.
    pub octets: usize,
}

impl RtpHeader {
    /// Reads the header of an RTP or SRTP packet.
    ///
    /// # Errors
    /// What makes it no RTP packet; [`BadPacket::Padding`] is for [`RtpHeader::payload`] to find.
    pub fn read(packet: &[u8]) -> Result<Self, BadPacket> {
        if packet.len() > PACKET_OCTETS_MAX {
            return Err(BadPacket::Long);
        }
        // RFC 3550 §5.1: V P X CC, M PT, sequence number, timestamp, SSRC.
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = packet else {
            return Err(BadPacket::Short);
        };
        if first >> 6 != 2 {
            return Err(BadPacket::Version);
        }
        let mut octets = HEADER_OCTETS + 4 * usize::from(first & 0x0f);
        if octets > packet.len() {
            return Err(BadPacket::Csrc);
        }
        if first & 0x10 != 0 {
            // RFC 3550 §5.3.1: sixteen bits for the profile, then a count of 32-bit words; zero is a valid count.
            let Some(&[_, _, high, low, ..]) = packet.get(octets..) else { return Err(BadPacket::Extension) };
            octets += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
            if octets > packet.len() {
                return Err(BadPacket::Extension);
            }
        }
        Ok(Self {
            padded: first & 0x20 != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            octets,
        })
    }

    /// The payload of the plain packet this header was read from, without its padding.
    ///
    /// # Errors
    /// [`BadPacket::Padding`] when the count is 0 or more than there is, [`BadPacket::Short`] for another, shorter packet.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], BadPacket> {
        let rest = packet.get(self.octets..).ok_or(BadPacket::Short)?;
        if !self.padded {
            return Ok(rest);
        }
        // RFC 3550 §5.1: the last octet counts the padding, itself included.
        let count = usize::from(*rest.last().ok_or(BadPacket::Padding)?);
        let kept = rest.len().checked_sub(count).filter(|_| count > 0).ok_or(BadPacket::Padding)?;
        rest.get(..kept).ok_or(BadPacket::Padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe, 0xaa, 0xbb];

    fn with(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = PLAIN[..HEADER_OCTETS].to_vec();
        packet[0] = first;
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn what_shares_a_port_is_told_by_its_first_two_octets() {
        for first in 0..=u8::MAX {
            for second in [0, 63, 64, 95, 127, 191, 192, 200, 223, 224, 255] {
                let expected = match (first, second) {
                    (0..=3, _) => Kind::Stun,
                    (20..=63, _) => Kind::Dtls,
                    (128..=191, 192..=223) => Kind::Rtcp,
                    (128..=191, _) => Kind::Rtp,
                    _ => Kind::Other,
                };
                assert_eq!(Kind::of(&[first, second]), expected, "{first} {second}");
                assert_eq!(Kind::of(&[first, second, 0, 0]), expected, "{first} {second}");
            }
            assert_eq!(Kind::of(&[first]), Kind::Other);
        }
        assert_eq!(Kind::of(&[]), Kind::Other);
    }

    #[test]
    fn a_header_is_read_with_every_field() {
        let header = RtpHeader::read(&PLAIN).unwrap();
        assert_eq!(
            header,
            RtpHeader {
                padded: false,
                marker: true,
                payload_type: 8,
                sequence: 0x1234,
                timestamp: 0x0102_0304,
                ssrc: 0xcafe_babe,
                octets: 12,
            }
        );
        assert_eq!(header.payload(&PLAIN), Ok(&[0xaa, 0xbb][..]));
        assert_eq!(header.payload(&PLAIN[..11]), Err(BadPacket::Short));
    }

    // Row E10: RTP with bad CSRC and extension lengths, one octet, 65 KB.
    #[test]
    fn what_runs_over_the_end_is_refused_and_what_just_fits_is_read() {
        for length in 0..HEADER_OCTETS {
            assert_eq!(RtpHeader::read(&PLAIN[..length]), Err(BadPacket::Short), "{length}");
        }
        let cases: [(Vec<u8>, Result<usize, BadPacket>); 15] = [
            (with(0x80, &[]), Ok(12)),
            (with(0x00, &[]), Err(BadPacket::Version)),
            (with(0x40, &[]), Err(BadPacket::Version)),
            (with(0xc0, &[]), Err(BadPacket::Version)),
            (with(0x81, &[0; 3]), Err(BadPacket::Csrc)),
            (with(0x81, &[0; 4]), Ok(16)),
            (with(0x8f, &[0; 59]), Err(BadPacket::Csrc)),
            (with(0x8f, &[0; 60]), Ok(72)),
            (with(0x90, &[0xbe, 0xde, 0]), Err(BadPacket::Extension)),
            (with(0x90, &[0xbe, 0xde, 0, 0]), Ok(16)),
            (with(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0]), Err(BadPacket::Extension)),
            (with(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0, 0]), Ok(20)),
            (with(0x91, &[0; 4]), Err(BadPacket::Extension)),
            (with(0x91, &[0; 8]), Ok(20)),
            (with(0x90, &[0xbe, 0xde, 0xff, 0xff, 0]), Err(BadPacket::Extension)),
        ];
        for (packet, expected) in cases {
            assert_eq!(RtpHeader::read(&packet).map(|header| header.octets), expected, "{packet:02x?}");
        }
        assert!(RtpHeader::read(&with(0x80, &[0; PACKET_OCTETS_MAX - 12])).is_ok());
        assert_eq!(RtpHeader::read(&with(0x80, &[0; PACKET_OCTETS_MAX - 11])), Err(BadPacket::Long));
        assert_eq!(RtpHeader::read(&with(0x80, &[0; 65_000])), Err(BadPacket::Long));
    }

    #[test]
    fn padding_is_counted_with_itself_and_never_beyond_the_payload() {
        type Case = (&'static [u8], Result<&'static [u8], BadPacket>);
        let cases: [Case; 6] = [
            (&[], Err(BadPacket::Padding)),
            (&[0], Err(BadPacket::Padding)),
            (&[1], Ok(&[])),
            (&[7, 0, 2], Ok(&[7])),
            (&[7, 0, 3], Ok(&[])),
            (&[7, 0, 4], Err(BadPacket::Padding)),
        ];
        for (rest, expected) in cases {
            let packet = with(0xa0, rest);
            let header = RtpHeader::read(&packet).unwrap();
            assert_eq!(header.payload(&packet), expected, "{rest:?}");
        }
    }

    #[test]
    fn every_cause_says_what_is_wrong() {
        let all = [
            BadPacket::Short,
            BadPacket::Long,
            BadPacket::Version,
            BadPacket::Csrc,
            BadPacket::Extension,
            BadPacket::Padding,
            BadPacket::Length,
            BadPacket::Type,
        ];
        let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), all.len());
    }
}
