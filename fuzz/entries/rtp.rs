//! A datagram on a media port: whatever stands in it, headers and parts lie within it, and sorting agrees with reading.

use ringfence::media::rtcp::{self, Compound, RtcpHeader};
use ringfence::media::rtp::{self, BadPacket, Kind, PACKET_OCTETS_MAX, RtpHeader};

/// The whole input is the datagram.
pub fn entry(data: &[u8]) {
    let kind = Kind::of(data);
    match RtpHeader::read(data) {
        Ok(header) => {
            assert!(data.len() <= PACKET_OCTETS_MAX && header.octets <= data.len());
            assert!(header.octets >= rtp::HEADER_OCTETS && header.octets % 4 == 0);
            assert!(header.payload_type < 128 && matches!(kind, Kind::Rtp | Kind::Rtcp));
            assert_eq!(kind == Kind::Rtcp, (64..96).contains(&header.payload_type) && header.marker);
            match header.payload(data) {
                Ok(payload) => {
                    assert!(header.octets + payload.len() <= data.len());
                    assert_eq!(header.padded, header.octets + payload.len() < data.len());
                }
                Err(cause) => assert!(header.padded && cause == BadPacket::Padding),
            }
        }
        Err(cause) => assert!(!matches!(cause, BadPacket::Padding | BadPacket::Length | BadPacket::Type)),
    }
    let header = RtcpHeader::read(data);
    if let Ok(header) = header {
        assert!(data.len() >= rtcp::HEADER_OCTETS && kind == Kind::Rtcp);
        assert!((192..224).contains(&header.packet_type));
    }
    match Compound::read(data) {
        Ok(parts) => {
            assert!(header.is_ok());
            let (mut count, mut octets) = (0, 0);
            for part in parts {
                assert!((192..224).contains(&part.packet_type) && part.count < 32);
                count += 1;
                octets += 4 + part.body.len();
            }
            assert!(count > 0 && octets <= data.len());
        }
        Err(cause) => assert!(!matches!(cause, BadPacket::Csrc | BadPacket::Extension)),
    }
}
