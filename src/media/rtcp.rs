//! RTCP packets: a datagram as the packets it is made of, each within its bounds.
//!
//! Owns the headers and the walk; nothing is copied. Refuses to know what a report says.
//! Read first: RFC 3550 §6.1, §6.4, appendix A.2; RFC 5506.

use super::rtp::{BadPacket, PACKET_OCTETS_MAX};

/// Octets of the header of a datagram, the sender's SSRC included: what SRTCP leaves in the clear.
pub const HEADER_OCTETS: usize = 8;

/// The head of an RTCP datagram: all that can be read of an SRTCP packet without its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcpHeader {
    /// The first packet's type: 192 to 223.
    pub packet_type: u8,
    /// The sender.
    pub ssrc: u32,
}

impl RtcpHeader {
    /// Reads the head of an RTCP or SRTCP datagram.
    ///
    /// # Errors
    /// What makes it no RTCP.
    pub fn read(packet: &[u8]) -> Result<Self, BadPacket> {
        if packet.len() > PACKET_OCTETS_MAX {
            return Err(BadPacket::Long);
        }
        // RFC 3550 §6.4.1: V P RC, PT, length, SSRC of the sender.
        let &[first, packet_type, _, _, c0, c1, c2, c3, ..] = packet else { return Err(BadPacket::Short) };
        if first >> 6 != 2 {
            return Err(BadPacket::Version);
        }
        if !matches!(packet_type, 192..=223) {
            return Err(BadPacket::Type);
        }
        Ok(Self { packet_type, ssrc: u32::from_be_bytes([c0, c1, c2, c3]) })
    }
}

/// One RTCP packet of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtcp<'a> {
    /// The five bits behind version and padding: how many blocks or sources there are, or a subtype.
    pub count: u8,
    /// The packet type: 192 to 223.
    pub packet_type: u8,
    /// What follows the first four octets, without padding.
    pub body: &'a [u8],
}

impl Rtcp<'_> {
    /// A sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// A receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// A source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// A goodbye.
    pub const GOODBYE: u8 = 203;
}

/// The packets of a plain datagram in their order; ends after the first that is broken.
#[derive(Debug, Clone)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Reads a datagram through once, so that walking it afterwards cannot fail.
    ///
    /// RFC 5506: a datagram need not begin with a report, where reduced size was agreed; the caller judges the types.
    ///
    /// # Errors
    /// What makes it no RTCP.
    pub fn read(datagram: &'a [u8]) -> Result<Self, BadPacket> {
        RtcpHeader::read(datagram)?;
        let mut rest = datagram;
        while !rest.is_empty() {
            rest = first_of(rest)?.1;
        }
        Ok(Self { rest: datagram })
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Rtcp<'a>;

    fn next(&mut self) -> Option<Rtcp<'a>> {
        let (first, rest) = first_of(self.rest).ok()?;
        self.rest = rest;
        Some(first)
    }
}

/// The first packet, and what follows it.
fn first_of(datagram: &[u8]) -> Result<(Rtcp<'_>, &[u8]), BadPacket> {
    let &[first, packet_type, high, low, ref after @ ..] = datagram else { return Err(BadPacket::Short) };
    if first >> 6 != 2 {
        return Err(BadPacket::Version);
    }
    if !matches!(packet_type, 192..=223) {
        return Err(BadPacket::Type);
    }
    // RFC 3550 §6.4.1: the length in 32-bit words, less one: of what follows the first word.
    let length = 4 * usize::from(u16::from_be_bytes([high, low]));
    let (mut body, rest) = after.split_at_checked(length).ok_or(BadPacket::Length)?;
    if first & 0x20 != 0 {
        // RFC 3550 §6.4.1: padding stands in the last packet alone, and its count is a multiple of four.
        let count = usize::from(*body.last().ok_or(BadPacket::Padding)?);
        let fits = count > 0 && count % 4 == 0 && rest.is_empty();
        let kept = body.len().checked_sub(count).filter(|_| fits).ok_or(BadPacket::Padding)?;
        body = body.get(..kept).ok_or(BadPacket::Padding)?;
    }
    Ok((Rtcp { count: first & 0x1f, packet_type, body }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver report without blocks, then a goodbye of the same source.
    const REPORT: [u8; 16] =
        [0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0x81, 203, 0, 1, 0xca, 0xfe, 0xba, 0xbe];

    fn changed(at: usize, octet: u8) -> Vec<u8> {
        let mut packet = REPORT.to_vec();
        packet[at] = octet;
        packet
    }

    #[test]
    fn a_compound_is_walked_packet_by_packet() {
        let header = RtcpHeader::read(&REPORT).unwrap();
        assert_eq!(header, RtcpHeader { packet_type: 201, ssrc: 0xcafe_babe });
        let parts: Vec<Rtcp<'_>> = Compound::read(&REPORT).unwrap().collect();
        let ssrc = &[0xca, 0xfe, 0xba, 0xbe][..];
        assert_eq!(
            parts,
            [
                Rtcp { count: 0, packet_type: Rtcp::RECEIVER_REPORT, body: ssrc },
                Rtcp { count: 1, packet_type: Rtcp::GOODBYE, body: ssrc },
            ]
        );
    }

    #[test]
    fn what_disagrees_with_its_lengths_is_refused() {
        for length in 0..REPORT.len() {
            let expected = match length {
                8 => Ok(1),
                0..8 => Err(BadPacket::Short),
                9..12 => Err(BadPacket::Short),
                _ => Err(BadPacket::Length),
            };
            assert_eq!(Compound::read(&REPORT[..length]).map(Iterator::count), expected, "{length}");
        }
        let cases = [
            (changed(0, 0x40), BadPacket::Version),
            (changed(1, 191), BadPacket::Type),
            (changed(1, 224), BadPacket::Type),
            (changed(3, 4), BadPacket::Length),
            (changed(3, 0), BadPacket::Version),
            (changed(2, 0xff), BadPacket::Length),
            (changed(9, 96), BadPacket::Type),
            (changed(0, 0xa0), BadPacket::Padding),
            (changed(8, 0xa1), BadPacket::Padding),
            (vec![0x80; PACKET_OCTETS_MAX + 1], BadPacket::Long),
        ];
        for (packet, expected) in cases {
            assert_eq!(Compound::read(&packet).map(Iterator::count), Err(expected), "{packet:02x?}");
        }
    }

    #[test]
    fn padding_ends_the_last_packet_alone_and_fills_whole_words() {
        let padded = |count: u8| {
            let mut packet = vec![0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, count];
            packet[0] = 0xa0;
            packet
        };
        for (count, expected) in [(0, None), (3, None), (4, Some(4)), (8, Some(0)), (12, None)] {
            let packet = padded(count);
            let body =
                Compound::read(&packet).ok().and_then(|mut parts| parts.next()).map(|part| part.body.len());
            assert_eq!(body, expected, "{count}");
        }
        let mut early = padded(4);
        early.extend_from_slice(&REPORT);
        assert_eq!(Compound::read(&early).map(Iterator::count), Err(BadPacket::Padding));
    }
}
