//! What of a peer's RTCP crosses: the reports, without the words that say who and where it is.
//!
//! Owns the allowlist of packet types and the texts that are written over in place: a canonical name is `user@host` and
//! the host mostly an inside address. Refuses to know what the numbers say. Read first: RFC 3550 §6.1, §6.5, §6.6, A.2.

use crate::media::rtcp::{Compound, Rtcp};
use crate::media::rtp::BadPacket;

/// What stands in place of every letter of a text. A call has one party on each side, so that all may have the same name.
const HIDDEN: u8 = b'x';
/// The item that ends a list of items (RFC 3550 §6.5).
const END: u8 = 0;

/// Feedback and extended reports (RFC 4585 §6.1, RFC 3611 §2).
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Rewrites the datagram in the first `octets` of `packet` to what crosses; returns the octets of that.
///
/// # Errors
/// What makes it no compound of RTCP; it does not cross then.
pub(super) fn rewrite(packet: &mut [u8], octets: usize) -> Result<usize, BadPacket> {
    let mut parts = Compound::read(packet.get(..octets).ok_or(BadPacket::Short)?)?;
    // RFC 3550 A.2: a compound begins with a report. Reduced size (RFC 5506) is never agreed on.
    let first = parts.next().ok_or(BadPacket::Short)?;
    if !matches!(first.packet_type, Rtcp::SENDER_REPORT | Rtcp::RECEIVER_REPORT) {
        return Err(BadPacket::Type);
    }
    let (mut at, mut kept) = (0, 0);
    while at < octets {
        let &[first, packet_type, high, low, ..] = packet.get(at..octets).ok_or(BadPacket::Length)? else {
            return Err(BadPacket::Short);
        };
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let end = at + length;
        if crosses(packet_type) {
            packet.copy_within(at..end, kept);
            let part = packet.get_mut(kept..kept + length).ok_or(BadPacket::Length)?;
            match packet_type {
                Rtcp::SOURCE_DESCRIPTION => hide_items(part, first & 0x1f)?,
                Rtcp::GOODBYE => hide_reason(part, first & 0x1f)?,
                _ => {}
            }
            kept += length;
        }
        at = end;
    }
    Ok(kept)
}

/// What an application means by its own packets, and what is not known yet, stays on its side.
const fn crosses(packet_type: u8) -> bool {
    matches!(
        packet_type,
        Rtcp::SENDER_REPORT
            | Rtcp::RECEIVER_REPORT
            | Rtcp::SOURCE_DESCRIPTION
            | Rtcp::GOODBYE
            | TRANSPORT_FEEDBACK
            | PAYLOAD_FEEDBACK
            | EXTENDED_REPORT
    )
}

/// RFC 3550 §6.5: chunks of a source and items, each list ended by a zero and filled up to a word.
fn hide_items(part: &mut [u8], chunks: u8) -> Result<(), BadPacket> {
    let mut at = 4;
    for _ in 0..chunks {
        // The source.
        at += 4;
        loop {
            match part.get(at..).ok_or(BadPacket::Length)? {
                [END, ..] => break,
                [_, length, ..] => {
                    let end = at + 2 + usize::from(*length);
                    part.get_mut(at + 2..end).ok_or(BadPacket::Length)?.fill(HIDDEN);
                    at = end;
                }
                [] | [_] => return Err(BadPacket::Length),
            }
        }
        // Behind the zero, to the next word.
        at = (at + 4) & !3;
    }
    if at > part.len() { Err(BadPacket::Length) } else { Ok(()) }
}

/// RFC 3550 §6.6: sources, then perhaps a reason.
fn hide_reason(part: &mut [u8], sources: u8) -> Result<(), BadPacket> {
    let at = 4 + 4 * usize::from(sources);
    match part.get(at..).ok_or(BadPacket::Length)? {
        [] => Ok(()),
        [length, ..] => {
            let end = at + 1 + usize::from(*length);
            part.get_mut(at + 1..end).ok_or(BadPacket::Length)?.fill(HIDDEN);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
    const SSRC: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];

    fn part(count: u8, packet_type: u8, body: &[u8]) -> Vec<u8> {
        assert!(body.len().is_multiple_of(4));
        let mut part = vec![0x80 | count, packet_type, 0, (body.len() / 4) as u8];
        part.extend_from_slice(body);
        part
    }

    fn described(name: &[u8]) -> Vec<u8> {
        let mut body = SSRC.to_vec();
        body.extend_from_slice(&[1, name.len() as u8]);
        body.extend_from_slice(name);
        body.push(END);
        body.resize(body.len().next_multiple_of(4), 0);
        part(1, Rtcp::SOURCE_DESCRIPTION, &body)
    }

    fn rewritten(parts: &[&[u8]]) -> Result<Vec<u8>, BadPacket> {
        let mut packet = parts.concat();
        let octets = packet.len();
        packet.resize(octets + 20, 0xee);
        let kept = rewrite(&mut packet, octets)?;
        packet.truncate(kept);
        Ok(packet)
    }

    #[test]
    fn reports_cross_as_they_are_and_names_are_hidden() {
        let name = described(b"alice@192.168.7.21");
        let hidden = described(&[HIDDEN; 18]);
        assert_eq!(rewritten(&[&REPORT, &name]), Ok([&REPORT[..], &hidden].concat()));
        let bye = part(1, Rtcp::GOODBYE, &[&SSRC[..], &[11], b"10.0.0.7 up"].concat());
        let silent = part(1, Rtcp::GOODBYE, &[&SSRC[..], &[11], &[HIDDEN; 11]].concat());
        assert_eq!(rewritten(&[&REPORT, &bye]), Ok([&REPORT[..], &silent].concat()));
        let plain = part(1, Rtcp::GOODBYE, &SSRC);
        assert_eq!(rewritten(&[&REPORT, &plain]), Ok([&REPORT[..], &plain].concat()));
        let two = part(
            2,
            Rtcp::SOURCE_DESCRIPTION,
            &[&SSRC[..], &[1, 1, b'a', 0], &SSRC, &[2, 1, b'b', 0]].concat(),
        );
        let both = part(
            2,
            Rtcp::SOURCE_DESCRIPTION,
            &[&SSRC[..], &[1, 1, b'x', 0], &SSRC, &[2, 1, b'x', 0]].concat(),
        );
        assert_eq!(rewritten(&[&REPORT, &two]), Ok([&REPORT[..], &both].concat()));
    }

    #[test]
    fn what_applications_say_stays_and_the_rest_closes_the_gap() {
        let own = part(0, 204, &[&SSRC[..], b"name", b"10.0.0.7"].concat());
        let unknown = part(0, 195, &SSRC);
        let metrics = part(0, EXTENDED_REPORT, &SSRC);
        let bye = part(1, Rtcp::GOODBYE, &SSRC);
        let found = rewritten(&[&REPORT, &own, &metrics, &unknown, &bye]);
        assert_eq!(found, Ok([&REPORT[..], &metrics, &bye].concat()));
    }

    // Row E10: a forged or broken compound.
    #[test]
    fn e10_what_is_no_compound_does_not_cross() {
        let bye = part(1, Rtcp::GOODBYE, &SSRC);
        let rows: [(&str, Vec<u8>, BadPacket); 9] = [
            ("a goodbye alone", bye.clone(), BadPacket::Type),
            ("a name alone", described(b"a@b"), BadPacket::Type),
            ("nothing", Vec::new(), BadPacket::Short),
            ("cut", [&REPORT[..], &bye[..6]].concat(), BadPacket::Length),
            (
                "more chunks than there are",
                [&REPORT[..], &part(2, 202, &[&SSRC[..], &[0; 4]].concat())].concat(),
                BadPacket::Length,
            ),
            (
                "an item over the end",
                [&REPORT[..], &part(1, 202, &[&SSRC[..], &[1, 9, b'a', 0]].concat())].concat(),
                BadPacket::Length,
            ),
            (
                "items without an end",
                [&REPORT[..], &part(1, 202, &[&SSRC[..], &[1, 2, b'a', b'b']].concat())].concat(),
                BadPacket::Length,
            ),
            ("more sources than there are", [&REPORT[..], &part(2, 203, &SSRC)].concat(), BadPacket::Length),
            (
                "a reason over the end",
                [&REPORT[..], &part(1, 203, &[&SSRC[..], &[4, b'a', b'b', b'c']].concat())].concat(),
                BadPacket::Length,
            ),
        ];
        for (what, packet, expected) in rows {
            assert_eq!(rewritten(&[&packet]), Err(expected), "{what}");
        }
    }

    proptest! {
        #[test]
        fn what_crosses_is_a_compound_again_and_never_longer(
            parts in prop::collection::vec((0..32_u8, 192..=223_u8, prop::collection::vec(any::<u8>(), 0..64)), 0..6),
        ) {
            let mut packet = REPORT.to_vec();
            for (count, packet_type, body) in &parts {
                let whole = body.len() / 4 * 4;
                packet.extend_from_slice(&part(*count, *packet_type, &body[..whole]));
            }
            let octets = packet.len();
            if let Ok(kept) = rewrite(&mut packet, octets) {
                prop_assert!(kept <= octets);
                prop_assert!(Compound::read(&packet[..kept]).unwrap().all(|part| crosses(part.packet_type)));
            }
        }
    }
}
