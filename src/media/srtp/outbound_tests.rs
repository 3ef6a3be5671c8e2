//! What the sender's side promises: no index twice, no packet past the key's end, nothing written outside the packet.

use super::super::{Inbound, Mki, Rekeyed, SOURCES_MAX, TRAILER_OCTETS_MAX};
use super::*;
use crate::media::rtp::BadPacket;

pub(in super::super) fn key(suite: Suite, first: u8) -> MasterKey {
    let octets: Vec<u8> = (first..=u8::MAX).take(suite.master_octets()).collect();
    MasterKey::new(suite, &octets).unwrap()
}

/// A packet of 20 ms of G.711 whose payload tells its number.
pub(in super::super) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 160]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((0..160_u16).map(|at| (at ^ sequence) as u8));
    packet
}

/// A receiver report.
pub(in super::super) fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x5a; 24]);
    packet
}

pub(in super::super) fn protected(session: &mut Outbound, plain: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TRAILER_OCTETS_MAX + 4, 0xee);
    let octets = session.protect_rtp(&mut buffer, plain.len())?;
    assert!(buffer[octets..].iter().all(|octet| *octet == 0xee), "nothing is written behind the packet");
    buffer.truncate(octets);
    Ok(buffer)
}

pub(in super::super) fn protected_report(session: &mut Outbound, plain: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + TRAILER_OCTETS_MAX + 4, 0xee);
    let octets = session.protect_rtcp(&mut buffer, plain.len())?;
    assert!(buffer[octets..].iter().all(|octet| *octet == 0xee), "nothing is written behind the packet");
    buffer.truncate(octets);
    Ok(buffer)
}

#[test]
fn a_packet_keeps_its_header_and_grows_by_its_tag() {
    for suite in Suite::ALL {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        let plain = rtp(7, 1);
        let packet = protected(&mut session, &plain).unwrap();
        assert_eq!(packet.len(), plain.len() + suite.srtp_tag_octets(), "{suite:?}");
        assert_eq!(packet[..12], plain[..12]);
        assert!(packet[12..].iter().zip(&plain[12..]).filter(|(a, b)| a == b).count() < 16);
        let plain = rtcp(7);
        let packet = protected_report(&mut session, &plain).unwrap();
        assert_eq!(packet.len(), plain.len() + 4 + suite.srtcp_tag_octets(), "{suite:?}");
        assert_eq!(packet[..8], plain[..8]);
        let said = format!("{session:?}");
        assert!(said.contains("[redacted]") && said.contains(suite.token()), "{said}");
        assert_eq!(session.suite(), suite);
    }
}

#[test]
fn the_same_index_never_leaves_twice() {
    for suite in Suite::ALL {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        for (sequence, expected) in [
            (1_000, Ok(())),
            (1_000, Err(Refused::Replayed)),
            (1_001, Ok(())),
            (1_000, Err(Refused::Replayed)),
            (1_128, Ok(())),
            (1_001, Err(Refused::Replayed)),
            (1_000, Err(Refused::Late)),
            (1_002, Ok(())),
        ] {
            assert_eq!(
                protected(&mut session, &rtp(7, sequence)).map(drop),
                expected,
                "{suite:?} {sequence}"
            );
        }
        assert!(protected(&mut session, &rtp(8, 1_000)).is_ok(), "another source has indices of its own");
    }
}

#[test]
fn what_is_no_packet_or_has_no_room_is_refused_and_left_as_it_is() {
    for suite in Suite::ALL {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        let (tag, report) = (suite.srtp_tag_octets(), suite.srtcp_tag_octets() + 4);
        let mut buffer = rtp(7, 1);
        let octets = buffer.len();
        buffer.resize(octets + tag - 1, 0);
        let before = buffer.clone();
        assert_eq!(session.protect_rtp(&mut buffer, octets), Err(Refused::Room));
        assert_eq!(session.protect_rtp(&mut buffer, usize::MAX), Err(Refused::Room));
        assert_eq!(session.protect_rtp(&mut buffer, 11), Err(Refused::Packet(BadPacket::Short)));
        assert_eq!(buffer, before);
        assert_eq!(session.roll_over(7), None, "a refused packet leaves nothing");
        let mut buffer = rtcp(7);
        let octets = buffer.len();
        buffer.resize(octets + report - 1, 0);
        let before = buffer.clone();
        assert_eq!(session.protect_rtcp(&mut buffer, octets), Err(Refused::Room));
        assert_eq!(session.protect_rtcp(&mut buffer, 7), Err(Refused::Packet(BadPacket::Short)));
        assert_eq!(buffer, before);
        for over in [0, 1] {
            let mut large = vec![0; PACKET_OCTETS_MAX + 100];
            large[0] = 0x80;
            let fits = session.protect_rtp(&mut large, PACKET_OCTETS_MAX - tag + over);
            assert_eq!(fits, if over == 0 { Ok(PACKET_OCTETS_MAX) } else { Err(Refused::Room) });
            large[1] = 200;
            let fits = session.protect_rtcp(&mut large, PACKET_OCTETS_MAX - report + over);
            assert_eq!(fits, if over == 0 { Ok(PACKET_OCTETS_MAX) } else { Err(Refused::Room) });
        }
    }
}

#[test]
fn a_key_protects_its_lifetime_and_nothing_more() {
    let suite = Suite::AesCm128HmacSha1T80;
    let mut session = Outbound::new(&key(suite, 1), 2);
    for (sequence, expected) in [(1, Ok(())), (2, Ok(())), (3, Err(Refused::Exhausted))] {
        assert_eq!(protected(&mut session, &rtp(7, sequence)).map(drop), expected);
        assert_eq!(protected_report(&mut session, &rtcp(7)).map(drop), expected);
    }
    session.rekey(&key(suite, 9), 1, RollOver::Kept).unwrap();
    assert!(protected(&mut session, &rtp(7, 3)).is_ok() && protected_report(&mut session, &rtcp(7)).is_ok());
    assert_eq!(protected(&mut session, &rtp(7, 4)), Err(Refused::Exhausted));

    // RFC 3711 §9.2: 2^48 and 2^31, whatever was agreed.
    let mut session = Outbound::new(&key(suite, 1), u64::MAX);
    assert_eq!((session.packets_max, session.reports_max), (1 << 48, 1 << 31));
    session.packets = (1 << 48) - 1;
    session.reports = (1 << 31) - 2;
    session.report_index = (1 << 31) - 1;
    assert!(protected(&mut session, &rtp(7, 1)).is_ok());
    assert_eq!(protected(&mut session, &rtp(7, 2)), Err(Refused::Exhausted));
    assert!(protected_report(&mut session, &rtcp(7)).is_ok());
    assert_eq!(
        protected_report(&mut session, &rtcp(7)),
        Err(Refused::Exhausted),
        "the index never comes round"
    );
}

#[test]
fn the_last_roll_over_ends_the_key() {
    let mut session = Outbound::new(&key(Suite::AeadAes128Gcm, 1), u64::MAX);
    session.set_roll_over(7, u32::MAX).unwrap();
    assert!(protected(&mut session, &rtp(7, 0xffff)).is_ok());
    assert_eq!(protected(&mut session, &rtp(7, 0)), Err(Refused::Exhausted));
    assert_eq!(session.roll_over(7), Some(u32::MAX));
    assert!(protected(&mut session, &rtp(7, 0xfffe)).is_ok(), "what comes late still has a place");
}

#[test]
fn roll_over_is_readable_and_set_ahead_alone() {
    let suite = Suite::AesCm128HmacSha1T80;
    let mut session = Outbound::new(&key(suite, 1), u64::MAX);
    assert_eq!(session.roll_over(7), None);
    for (sequence, roll_over) in
        [(0xfffe, 0), (0xffff, 0), (1, 1), (0, 1), (0xfffd, 1), (0x8000, 1), (0xffff, 1), (0x7000, 2)]
    {
        assert!(protected(&mut session, &rtp(7, sequence)).is_ok());
        assert_eq!(session.roll_over(7), Some(roll_over), "{sequence:#x}");
    }
    assert_eq!(session.set_roll_over(7, 1), Err(Refused::Behind));
    assert_eq!(session.set_roll_over(7, 5), Ok(()));
    assert!(protected(&mut session, &rtp(7, 9)).is_ok());
    assert_eq!(session.roll_over(7), Some(5));
}

#[test]
fn sources_are_bounded() {
    let mut session = Outbound::new(&key(Suite::AesCm128HmacSha1T32, 1), u64::MAX);
    for ssrc in 0..SOURCES_MAX as u32 {
        assert!(protected(&mut session, &rtp(ssrc, 1)).is_ok());
    }
    assert_eq!(protected(&mut session, &rtp(1_000, 1)), Err(Refused::Sources));
    assert!(protected(&mut session, &rtp(3, 2)).is_ok());
}

#[test]
fn a_new_key_goes_on_or_begins_again() {
    let suite = Suite::AesCm128HmacSha1T80;
    for (choice, roll_over) in [(RollOver::Kept, 1), (RollOver::Zero, 0)] {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        for sequence in [0xffff, 0] {
            protected(&mut session, &rtp(7, sequence)).unwrap();
        }
        protected_report(&mut session, &rtcp(7)).unwrap();
        assert_eq!(session.rekey(&key(suite, 2), u64::MAX, choice), Ok(Rekeyed::Changed));
        let packet = protected(&mut session, &rtp(7, 1)).unwrap();
        assert_eq!(session.roll_over(7), Some(roll_over));
        let mut peer = Inbound::new(&key(suite, 2), Mki::NONE);
        peer.set_roll_over(7, roll_over).unwrap();
        assert_eq!(peer.unprotect_rtp(&mut packet.clone()), Ok(172));
        let report = protected_report(&mut session, &rtcp(7)).unwrap();
        let index = u32::from_be_bytes(*report[..report.len() - 10].last_chunk().unwrap());
        assert_eq!(index, 1 << 31 | roll_over, "the SRTCP index goes with it");
    }
}

// RFC 3711 §9.1: what left before the counter was set must not leave again under the same key stream.
#[test]
fn a_counter_that_is_set_gives_no_index_back() {
    for suite in Suite::ALL {
        for sets in [&[1][..], &[1, 2], &[1, 1]] {
            let mut session = Outbound::new(&key(suite, 1), u64::MAX);
            for sequence in [0xffee, 0xffef, 0xfff0] {
                assert!(protected(&mut session, &rtp(7, sequence)).is_ok());
            }
            for roll_over in sets {
                session.set_roll_over(7, *roll_over).unwrap();
            }
            assert!(protected(&mut session, &rtp(7, 5)).is_ok());
            assert_eq!(session.roll_over(7), sets.last().copied());
            if sets == [1, 2] {
                // Nothing left under 1, so that its places are free.
                assert!(protected(&mut session, &rtp(7, 0xfff0)).is_ok());
                continue;
            }
            for sequence in [0xfff0, 0xffee, 0xfff1] {
                let again = protected(&mut session, &rtp(7, sequence)).map(drop);
                assert_eq!(again, Err(Refused::Late), "{suite:?} {sets:?} {sequence:#x}");
            }
            assert_eq!(protected(&mut session, &rtp(7, 5)), Err(Refused::Replayed));
            assert!(protected(&mut session, &rtp(7, 4)).is_ok(), "late, but of this round");
        }
    }
}

// A relay's first packets may come in disorder: no receiver counts a round that was none.
#[test]
fn before_the_first_round_there_is_none() {
    let suite = Suite::AesCm128HmacSha1T80;
    for (first, before) in [(0, 0xffff), (0, 0x8001), (0x7ffe, 0xffff), (3, 0x9000)] {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        assert!(protected(&mut session, &rtp(7, first)).is_ok());
        assert_eq!(protected(&mut session, &rtp(7, before)), Err(Refused::Late), "{first:#x} {before:#x}");
        let next = protected(&mut session, &rtp(7, first + 1)).unwrap();
        assert_eq!(session.roll_over(7), Some(0), "{first:#x} {before:#x}");
        let mut peer = Inbound::new(&key(suite, 1), Mki::NONE);
        assert_eq!(peer.unprotect_rtp(&mut next.clone()), Ok(172), "who lost the packet follows");
    }
    for (first, ahead) in [(0, 0x8000), (0x7fff, 0xffff), (1, 0x8001)] {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        assert!(protected(&mut session, &rtp(7, first)).is_ok());
        assert!(
            protected(&mut session, &rtp(7, ahead)).is_ok(),
            "half the numbers ahead: {first:#x} {ahead:#x}"
        );
    }
}

// A re-INVITE repeats `a=crypto` as it was: the key stream goes on, or what is sent next undoes what was sent first.
#[test]
fn the_key_in_use_agreed_again_goes_on() {
    for suite in Suite::ALL {
        for choice in [RollOver::Kept, RollOver::Zero] {
            let mut session = Outbound::new(&key(suite, 1), 3);
            for sequence in [0xffff, 0] {
                protected(&mut session, &rtp(7, sequence)).unwrap();
            }
            protected_report(&mut session, &rtcp(7)).unwrap();
            assert_eq!(session.rekey(&key(suite, 1), 3, choice), Ok(Rekeyed::Same), "{suite:?} {choice:?}");
            assert_eq!(session.roll_over(7), Some(1));
            assert_eq!(protected(&mut session, &rtp(7, 0xffff)), Err(Refused::Replayed));
            // A longer life is not to be had by asking twice, a shorter one is.
            assert_eq!(session.rekey(&key(suite, 1), u64::MAX, choice), Ok(Rekeyed::Same));
            assert!(protected(&mut session, &rtp(7, 1)).is_ok());
            assert_eq!(protected(&mut session, &rtp(7, 2)), Err(Refused::Exhausted));
            let report = protected_report(&mut session, &rtcp(7)).unwrap();
            let word = if suite.is_aead() { report.len() } else { report.len() - 10 };
            assert_eq!(report[word - 4..word], (1_u32 << 31 | 1).to_be_bytes(), "{suite:?}: the next index");
            assert_eq!(session.rekey(&key(suite, 1), 2, choice), Ok(Rekeyed::Kept));
            assert_eq!(protected_report(&mut session, &rtcp(7)), Err(Refused::Exhausted));
        }
    }
}

// The two tags of counter mode stand over one key stream, and many offer one key under both.
#[test]
fn the_same_key_under_another_tag_keeps_its_indices() {
    for [old, new] in [
        [Suite::AesCm128HmacSha1T80, Suite::AesCm128HmacSha1T32],
        [Suite::AesCm256HmacSha1T32, Suite::AesCm256HmacSha1T80],
    ] {
        let mut session = Outbound::new(&key(old, 1), u64::MAX);
        let first = protected(&mut session, &rtp(7, 9)).unwrap();
        assert_eq!(session.rekey(&key(new, 1), u64::MAX, RollOver::Zero), Ok(Rekeyed::Kept));
        assert_eq!(session.suite(), new);
        assert_eq!(protected(&mut session, &rtp(7, 9)), Err(Refused::Replayed), "{first:?} was it");
        let next = protected(&mut session, &rtp(7, 10)).unwrap();
        let mut peer = Inbound::new(&key(new, 1), Mki::NONE);
        assert_eq!(peer.unprotect_rtp(&mut next.clone()), Ok(172), "the new tag stands there");
    }
}

#[test]
fn a_key_that_served_never_comes_back() {
    for suite in Suite::ALL {
        for choice in [RollOver::Kept, RollOver::Zero] {
            let mut session = Outbound::new(&key(suite, 1), u64::MAX);
            assert!(protected(&mut session, &rtp(7, 1)).is_ok());
            assert_eq!(session.rekey(&key(suite, 2), u64::MAX, choice), Ok(Rekeyed::Changed));
            assert_eq!(session.rekey(&key(suite, 1), u64::MAX, choice), Err(Refused::Retired));
            assert!(protected_report(&mut session, &rtcp(7)).is_ok(), "the key in use stays in use");
            assert_eq!(session.rekey(&key(suite, 3), u64::MAX, choice), Ok(Rekeyed::Changed));
            for served in [1, 2] {
                let again = session.rekey(&key(suite, served), u64::MAX, choice);
                assert_eq!(again, Err(Refused::Retired), "{suite:?} {choice:?} {served}");
            }
            // Nothing was protected under the third, so that nothing is under its key stream.
            assert_eq!(session.rekey(&key(suite, 4), u64::MAX, choice), Ok(Rekeyed::Changed));
            assert_eq!(session.rekey(&key(suite, 3), u64::MAX, choice), Ok(Rekeyed::Changed));
        }
    }
}

#[test]
fn a_new_key_makes_room_for_sources() {
    let suite = Suite::AesCm128HmacSha1T80;
    for choice in [RollOver::Kept, RollOver::Zero] {
        let mut session = Outbound::new(&key(suite, 1), u64::MAX);
        for ssrc in 0..SOURCES_MAX as u32 {
            for sequence in [0xffff, 0] {
                assert!(protected(&mut session, &rtp(ssrc, sequence)).is_ok());
            }
        }
        let refused = protected(&mut session, &rtp(1_000, 1)).unwrap_err();
        assert!(refused == Refused::Sources && refused.wants_key(), "{refused}");
        session.rekey(&key(suite, 2), u64::MAX, choice).unwrap();
        for ssrc in 1_000..1_000 + SOURCES_MAX as u32 - 1 {
            assert!(protected(&mut session, &rtp(ssrc, 1)).is_ok(), "{choice:?} {ssrc}");
        }
        assert!(protected(&mut session, &rtp(3, 1)).is_ok());
        assert_eq!(session.roll_over(3), Some(u32::from(choice == RollOver::Kept)), "who was there goes on");
        assert_eq!(protected(&mut session, &rtp(4, 1)), Err(Refused::Sources));
        if choice == RollOver::Kept {
            assert_eq!(session.roll_over(4), Some(1), "what it had is not lost with its place");
            session.rekey(&key(suite, 3), u64::MAX, choice).unwrap();
            assert_eq!(session.set_roll_over(3, 0), Err(Refused::Behind), "nor a counter set back");
            assert!(protected(&mut session, &rtp(3, 2)).is_ok() && session.roll_over(3) == Some(1));
        }
    }
}
