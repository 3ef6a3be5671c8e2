//! What the receiver's side promises: nothing forged or replayed passes or leaves a trace, and a key changes without a gap.

use super::super::outbound::tests::{key, protected, protected_report, rtcp, rtp};
use super::super::{Outbound, Rekeyed, RollOver, SOURCES_MAX};
use super::*;
use crate::media::rtp::{BadPacket, PACKET_OCTETS_MAX};

fn pair(suite: Suite) -> (Outbound, Inbound) {
    (Outbound::new(&key(suite, 1), u64::MAX), Inbound::new(&key(suite, 1), Mki::NONE))
}

/// Opens a copy; what comes out is the plain packet or the refusal.
fn opened(session: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut copy = packet.to_vec();
    let octets = session.unprotect_rtp(&mut copy)?;
    copy.truncate(octets);
    Ok(copy)
}

fn opened_report(session: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut copy = packet.to_vec();
    let octets = session.unprotect_rtcp(&mut copy)?;
    copy.truncate(octets);
    Ok(copy)
}

#[test]
fn what_was_protected_opens_once() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        for length in [12, 13, 27, 28, 29, 172, 1_000] {
            let mut plain = rtp(7, length as u16);
            plain.resize(length, 0xaa);
            let packet = protected(&mut sender, &plain).unwrap();
            assert_eq!(opened(&mut session, &packet), Ok(plain), "{suite:?} {length}");
            assert_eq!(opened(&mut session, &packet), Err(Refused::Replayed));
        }
        for length in [8, 9, 24, 32, 1_000] {
            let mut plain = rtcp(7);
            plain.resize(length, 0xaa);
            let packet = protected_report(&mut sender, &plain).unwrap();
            assert_eq!(opened_report(&mut session, &packet), Ok(plain), "{suite:?} {length}");
            assert_eq!(opened_report(&mut session, &packet), Err(Refused::Replayed));
        }
        let said = format!("{session:?}");
        assert!(said.contains("[redacted]") && !said.contains("changing"), "{said}");
    }
}

#[test]
fn extensions_and_sources_stay_in_the_clear_and_are_covered() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let mut plain = rtp(7, 1);
        plain[0] = 0x92;
        plain.splice(12..12, [1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        let packet = protected(&mut sender, &plain).unwrap();
        assert_eq!(packet[..28], plain[..28]);
        for at in 12..28 {
            let mut forged = packet.clone();
            forged[at] ^= 1;
            assert!(opened(&mut session, &forged).is_err(), "{suite:?} {at}");
        }
        assert_eq!(opened(&mut session, &packet), Ok(plain));
    }
}

// Rows E9 and E10: bad tags, cut packets, one octet, 65 KB.
#[test]
fn no_flipped_bit_and_no_cut_packet_passes_or_leaves_a_trace() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let plain = rtp(7, 1);
        let packet = protected(&mut sender, &plain).unwrap();
        let report = protected_report(&mut sender, &rtcp(7)).unwrap();
        for at in 0..packet.len() {
            for bit in 0..8 {
                let mut forged = packet.clone();
                forged[at] ^= 1 << bit;
                assert!(opened(&mut session, &forged).is_err(), "{suite:?} {at} {bit}");
            }
            assert!(opened(&mut session, &packet[..at]).is_err());
        }
        for at in 0..report.len() {
            for bit in 0..8 {
                let mut forged = report.clone();
                forged[at] ^= 1 << bit;
                assert!(opened_report(&mut session, &forged).is_err(), "{suite:?} {at} {bit}");
            }
            assert!(opened_report(&mut session, &report[..at]).is_err());
        }
        assert_eq!(opened(&mut session, &vec![0x80; PACKET_OCTETS_MAX + 1]), Err(BadPacket::Long.into()));
        assert_eq!(opened_report(&mut session, &vec![0x80; 65_000]), Err(BadPacket::Long.into()));
        assert_eq!(session.roll_over(7), None);
        assert_eq!((session.current.packets.count(), session.current.reports.count()), (0, 0));
        assert_eq!(opened(&mut session, &packet), Ok(plain));
        assert_eq!(opened_report(&mut session, &report), Ok(rtcp(7)));
    }
}

#[test]
fn a_forged_source_takes_no_place_and_real_ones_are_bounded() {
    let (mut sender, mut session) = pair(Suite::AeadAes256Gcm);
    for ssrc in 0..1_000 {
        let mut forged = rtp(ssrc, 1);
        forged.extend_from_slice(&[0; 16]);
        assert_eq!(opened(&mut session, &forged), Err(Refused::Unauthentic));
    }
    assert_eq!(session.current.packets.count(), 0);
    for ssrc in 0..SOURCES_MAX as u32 {
        let packet = protected(&mut sender, &rtp(ssrc, 1)).unwrap();
        assert!(opened(&mut session, &packet).is_ok());
    }
    let mut other = Outbound::new(&key(Suite::AeadAes256Gcm, 1), u64::MAX);
    let packet = protected(&mut other, &rtp(1_000, 1)).unwrap();
    assert_eq!(opened(&mut session, &packet), Err(Refused::Sources));
}

#[test]
fn a_report_that_is_not_encrypted_is_refused() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let mut report = protected_report(&mut sender, &rtcp(7)).unwrap();
        let word = if suite.is_aead() { report.len() - 4 } else { report.len() - 14 };
        report[word] &= 0x7f;
        assert_eq!(opened_report(&mut session, &report), Err(Refused::Unencrypted), "{suite:?}");
    }
}

#[test]
fn an_identifier_stands_where_its_suite_puts_it() {
    for suite in Suite::ALL {
        for (value, octets) in [(1, 1), (0x0102, 2), (3, 3), (0xffff_ffff, 4), (1, 4)] {
            let mki = Mki::new(value, octets).unwrap();
            let mut session = Inbound::new(&key(suite, 1), mki);
            let mut sender = Outbound::new(&key(suite, 1), u64::MAX);
            let mut packet = protected(&mut sender, &rtp(7, 1)).unwrap();
            assert!(opened(&mut session, &packet).is_err(), "it is missing");
            let at = if suite.is_aead() { packet.len() } else { packet.len() - suite.srtp_tag_octets() };
            packet.splice(at..at, mki.as_bytes().iter().copied());
            let mut wrong = packet.clone();
            wrong[at] ^= 0x80;
            assert_eq!(opened(&mut session, &wrong), Err(Refused::Mki), "{suite:?} {value}:{octets}");
            assert_eq!(opened(&mut session, &packet), Ok(rtp(7, 1)), "{suite:?} {value}:{octets}");
            let mut report = protected_report(&mut sender, &rtcp(7)).unwrap();
            let at = if suite.is_aead() { report.len() } else { report.len() - suite.srtcp_tag_octets() };
            report.splice(at..at, mki.as_bytes().iter().copied());
            let mut wrong = report.clone();
            wrong[at] ^= 0x80;
            assert_eq!(opened_report(&mut session, &wrong), Err(Refused::Mki), "{suite:?} {value}:{octets}");
            assert_eq!(opened_report(&mut session, &report), Ok(rtcp(7)), "{suite:?} {value}:{octets}");
        }
    }
}

// RFC 3711 §3.3.1: the wrap, packets late over it, and losses up to half the numbers and beyond.
#[test]
fn roll_over_is_followed_over_the_wrap_and_lost_beyond_half() {
    type Row = (&'static str, &'static [(u32, u16)], bool);
    let rows: [Row; 8] = [
        ("the wrap", &[(0, 0xfffe), (0, 0xffff), (1, 0), (1, 1)], true),
        ("late over the wrap", &[(0, 0xfff0), (1, 2), (0, 0xfffe), (1, 0), (0, 0xffff), (1, 1)], true),
        ("twice round", &[(0, 0x9000), (1, 0x0fff), (1, 0x8fff), (2, 0x0ffe)], true),
        ("half lost", &[(1, 0), (1, 0x8000)], true),
        ("half lost over the wrap", &[(0, 0xffff), (1, 0x7ffe)], true),
        ("more than half lost over the wrap", &[(0, 0xffff), (1, 0x7fff)], false),
        ("more than half lost", &[(0, 0xffff), (1, 1), (1, 0x8002)], false),
        ("a whole round lost", &[(0, 1), (1, 2)], false),
    ];
    for suite in [Suite::AesCm128HmacSha1T80, Suite::AeadAes128Gcm] {
        for (name, packets, last_opens) in rows {
            let mut session = Inbound::new(&key(suite, 1), Mki::NONE);
            session.set_roll_over(7, packets[0].0).unwrap();
            for (at, (roll_over, sequence)) in packets.iter().enumerate() {
                let mut sender = Outbound::new(&key(suite, 1), u64::MAX);
                sender.set_roll_over(7, *roll_over).unwrap();
                let packet = protected(&mut sender, &rtp(7, *sequence)).unwrap();
                let expected = at + 1 < packets.len() || last_opens;
                assert_eq!(
                    opened(&mut session, &packet).is_ok(),
                    expected,
                    "{name}: {roll_over}:{sequence:#x}"
                );
            }
            if !last_opens {
                // The counter can be told: then it opens.
                let (roll_over, sequence) = packets[packets.len() - 1];
                session.set_roll_over(7, roll_over).unwrap();
                let mut sender = Outbound::new(&key(suite, 1), u64::MAX);
                sender.set_roll_over(7, roll_over).unwrap();
                let packet = protected(&mut sender, &rtp(7, sequence)).unwrap();
                let same = session.roll_over(7) == Some(roll_over) && name == "more than half lost";
                assert_eq!(opened(&mut session, &packet).is_ok(), !same, "{name}, told");
            }
        }
    }
}

#[test]
fn a_key_changes_without_a_gap() {
    for (old, new) in [
        (Suite::AesCm128HmacSha1T80, Suite::AesCm128HmacSha1T80),
        (Suite::AeadAes128Gcm, Suite::AeadAes128Gcm),
        (Suite::AesCm256HmacSha1T32, Suite::AeadAes256Gcm),
        (Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1T32),
    ] {
        let (mut sender, mut session) = pair(old);
        let mut late = Outbound::new(&key(old, 1), u64::MAX);
        let first = protected(&mut sender, &rtp(7, 1)).unwrap();
        assert!(opened(&mut session, &first).is_ok());
        session.rekey(&key(new, 50), Mki::NONE).unwrap();
        assert!(session.is_changing() && format!("{session:?}").contains("changing"));
        let second = protected(&mut sender, &rtp(7, 2)).unwrap();
        let report = protected_report(&mut sender, &rtcp(7)).unwrap();
        assert_eq!(
            opened(&mut session, &second),
            Ok(rtp(7, 2)),
            "{old:?} to {new:?}: the old key still opens"
        );
        assert_eq!(opened_report(&mut session, &report), Ok(rtcp(7)));
        assert!(session.is_changing());
        let mut forged = protected(&mut late, &rtp(7, 3)).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(opened(&mut session, &forged), Err(Refused::Unauthentic), "a forgery ends no key");
        assert!(session.is_changing());
        sender.rekey(&key(new, 50), u64::MAX, RollOver::Kept).unwrap();
        let third = protected(&mut sender, &rtp(7, 3)).unwrap();
        assert_eq!(opened(&mut session, &third), Ok(rtp(7, 3)), "{old:?} to {new:?}: the new key opens");
        assert!(!session.is_changing() && session.suite() == new);
        assert!(session.spare.is_empty());
        let fourth = protected(&mut late, &rtp(7, 4)).unwrap();
        assert!(opened(&mut session, &fourth).is_err(), "the old key is gone");
    }
}

#[test]
fn a_report_under_the_new_key_ends_the_old_one_and_patience_does() {
    for suite in [Suite::AesCm128HmacSha1T80, Suite::AeadAes128Gcm] {
        let (mut sender, mut session) = pair(suite);
        session.rekey(&key(suite, 90), Mki::NONE).unwrap();
        session.rekey(&key(suite, 50), Mki::NONE).unwrap();
        let mut never = Outbound::new(&key(suite, 90), u64::MAX);
        let packet = protected(&mut never, &rtp(7, 1)).unwrap();
        assert_eq!(
            opened(&mut session, &packet),
            Err(Refused::Unauthentic),
            "a key that was replaced unused"
        );
        sender.rekey(&key(suite, 50), u64::MAX, RollOver::Zero).unwrap();
        let report = protected_report(&mut sender, &rtcp(7)).unwrap();
        assert_eq!(opened_report(&mut session, &report), Ok(rtcp(7)));
        assert!(!session.is_changing());
        session.rekey(&key(suite, 70), Mki::NONE).unwrap();
        session.finish_change();
        session.finish_change();
        let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
        assert_eq!(opened(&mut session, &packet), Err(Refused::Unauthentic));
        sender.rekey(&key(suite, 70), u64::MAX, RollOver::Zero).unwrap();
        let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
        assert_eq!(opened(&mut session, &packet), Ok(rtp(7, 1)));
    }
}

#[test]
fn after_a_change_of_key_roll_over_goes_on_or_begins_again_for_every_source() {
    for suite in [Suite::AesCm128HmacSha1T80, Suite::AeadAes128Gcm] {
        for choice in [RollOver::Kept, RollOver::Zero] {
            let (mut sender, mut session) = pair(suite);
            for ssrc in [7, 8] {
                for sequence in [0xffff, 0] {
                    let packet = protected(&mut sender, &rtp(ssrc, sequence)).unwrap();
                    assert!(opened(&mut session, &packet).is_ok());
                }
            }
            // Source 8 is silent under the key in the middle.
            let rounds: [(u8, &[u32], &[u16]); 2] =
                [(40, &[7], &[40, 0x7000]), (50, &[8, 7], &[0x7f00, 0x9000, 0xffff, 5])];
            for (first, heard, sequences) in rounds {
                session.rekey(&key(suite, first), Mki::NONE).unwrap();
                sender.rekey(&key(suite, first), u64::MAX, choice).unwrap();
                for ssrc in heard {
                    for sequence in sequences {
                        let packet = protected(&mut sender, &rtp(*ssrc, *sequence)).unwrap();
                        let plain = opened(&mut session, &packet);
                        assert_eq!(
                            plain,
                            Ok(rtp(*ssrc, *sequence)),
                            "{suite:?} {choice:?} {ssrc} {sequence:#x}"
                        );
                    }
                    assert_eq!(
                        session.roll_over(*ssrc),
                        sender.roll_over(*ssrc),
                        "{suite:?} {choice:?} {ssrc}"
                    );
                }
            }
        }
    }
}

#[test]
fn reports_have_a_window_of_their_own() {
    let (mut sender, mut session) = pair(Suite::AesCm128HmacSha1T80);
    let reports: Vec<Vec<u8>> = (0..130).map(|_| protected_report(&mut sender, &rtcp(7)).unwrap()).collect();
    assert!(opened_report(&mut session, &reports[129]).is_ok());
    assert_eq!(opened_report(&mut session, &reports[0]), Err(Refused::Late));
    assert_eq!(opened_report(&mut session, &reports[1]), Err(Refused::Late));
    assert!(opened_report(&mut session, &reports[2]).is_ok());
    assert_eq!(opened_report(&mut session, &reports[2]), Err(Refused::Replayed));
    let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
    assert!(opened(&mut session, &packet).is_ok());
}

// RFC 3711 §3.3.2: what was opened before the counter was set opens no second time.
#[test]
fn a_counter_that_is_set_opens_nothing_again() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let captured =
            [0xffee, 0xffef, 0xfff0].map(|sequence| protected(&mut sender, &rtp(7, sequence)).unwrap());
        for packet in &captured {
            assert!(opened(&mut session, packet).is_ok());
        }
        session.set_roll_over(7, 1).unwrap();
        for packet in &captured {
            assert_eq!(opened(&mut session, packet), Err(Refused::Unauthentic), "{suite:?}: before the next");
        }
        sender.set_roll_over(7, 1).unwrap();
        let next = protected(&mut sender, &rtp(7, 5)).unwrap();
        assert_eq!(opened(&mut session, &next), Ok(rtp(7, 5)));
        for packet in &captured {
            assert_eq!(opened(&mut session, packet), Err(Refused::Late), "{suite:?}: after it");
        }
        assert_eq!(opened(&mut session, &next), Err(Refused::Replayed));
    }
}

// A re-INVITE repeats `a=crypto` as it was: what was captured before it opens no second time.
#[test]
fn the_peers_key_agreed_again_opens_nothing_again() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
        let report = protected_report(&mut sender, &rtcp(7)).unwrap();
        assert!(opened(&mut session, &packet).is_ok() && opened_report(&mut session, &report).is_ok());
        assert_eq!(session.rekey(&key(suite, 1), Mki::NONE), Ok(Rekeyed::Same));
        assert!(!session.is_changing());
        session.finish_change();
        assert_eq!(opened(&mut session, &packet), Err(Refused::Replayed), "{suite:?}");
        assert_eq!(opened_report(&mut session, &report), Err(Refused::Replayed), "{suite:?}");
        let next = protected(&mut sender, &rtp(7, 2)).unwrap();
        assert_eq!(opened(&mut session, &next), Ok(rtp(7, 2)));
    }
}

#[test]
fn the_same_key_with_another_identifier_or_tag_keeps_its_windows() {
    let mki = Mki::new(5, 1).unwrap();
    for [old, new] in [
        [Suite::AesCm128HmacSha1T80; 2],
        [Suite::AeadAes256Gcm; 2],
        [Suite::AesCm128HmacSha1T80, Suite::AesCm128HmacSha1T32],
        [Suite::AesCm256HmacSha1T32, Suite::AesCm256HmacSha1T80],
    ] {
        let (mut sender, mut session) = pair(old);
        let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
        assert!(opened(&mut session, &packet).is_ok());
        assert_eq!(session.rekey(&key(new, 1), mki), Ok(Rekeyed::Kept));
        assert_eq!((session.suite(), session.is_changing()), (new, false));
        let mut other = Outbound::new(&key(new, 1), u64::MAX);
        for (sequence, expected) in [(1, Err(Refused::Replayed)), (2, Ok(rtp(7, 2)))] {
            let mut packet = protected(&mut other, &rtp(7, sequence)).unwrap();
            let at = if new.is_aead() { packet.len() } else { packet.len() - new.srtp_tag_octets() };
            packet.insert(at, 5);
            assert_eq!(opened(&mut session, &packet), expected, "{old:?} {new:?} {sequence}");
        }
    }
}

#[test]
fn a_key_that_opened_packets_never_comes_back() {
    for suite in Suite::ALL {
        let (mut sender, mut session) = pair(suite);
        let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
        assert!(opened(&mut session, &packet).is_ok());
        for patient in [true, false] {
            let first = if patient { 20 } else { 40 };
            assert_eq!(session.rekey(&key(suite, first), Mki::NONE), Ok(Rekeyed::Changed));
            sender.rekey(&key(suite, first), u64::MAX, RollOver::Zero).unwrap();
            if patient {
                session.finish_change();
            }
            let next = protected(&mut sender, &rtp(7, 1)).unwrap();
            assert!(opened(&mut session, &next).is_ok() && !session.is_changing());
            assert_eq!(session.rekey(&key(suite, 1), Mki::NONE), Err(Refused::Retired), "{suite:?}");
            assert!(!session.is_changing());
            assert!(opened(&mut session, &packet).is_err(), "captured under the first key");
        }
        assert_eq!(session.rekey(&key(suite, 20), Mki::NONE), Err(Refused::Retired), "{suite:?}");
        // A key that never opened anything may: nothing can come twice.
        session.rekey(&key(suite, 60), Mki::NONE).unwrap();
        session.finish_change();
        session.rekey(&key(suite, 61), Mki::NONE).unwrap();
        session.finish_change();
        assert_eq!(session.rekey(&key(suite, 60), Mki::NONE), Ok(Rekeyed::Changed));
    }
}

#[test]
fn the_key_in_use_calls_a_change_off_and_the_waiting_one_waits_on() {
    let suite = Suite::AeadAes128Gcm;
    let (mut sender, mut session) = pair(suite);
    let packet = protected(&mut sender, &rtp(7, 1)).unwrap();
    assert!(opened(&mut session, &packet).is_ok());
    session.rekey(&key(suite, 50), Mki::NONE).unwrap();
    session.set_roll_over(7, 3).unwrap();
    assert_eq!(session.rekey(&key(suite, 50), Mki::NONE), Ok(Rekeyed::Same));
    assert_eq!(session.set_roll_over(7, 2), Err(Refused::Behind), "what it was told stays");
    assert_eq!(session.rekey(&key(suite, 50), Mki::new(5, 1).unwrap()), Ok(Rekeyed::Kept));
    assert!(session.is_changing());
    assert_eq!(session.rekey(&key(suite, 1), Mki::NONE), Ok(Rekeyed::Kept));
    assert!(!session.is_changing());
    assert_eq!(opened(&mut session, &packet), Err(Refused::Replayed));
    let next = protected(&mut sender, &rtp(7, 2)).unwrap();
    assert_eq!(opened(&mut session, &next), Ok(rtp(7, 2)));
    assert_eq!(session.rekey(&key(suite, 50), Mki::NONE), Ok(Rekeyed::Changed), "it never opened anything");
}

#[test]
fn a_key_that_takes_over_stays_where_it_lies() {
    let (_, mut session) = pair(Suite::AesCm128HmacSha1T80);
    session.rekey(&key(Suite::AesCm128HmacSha1T80, 9), Mki::NONE).unwrap();
    let place = std::ptr::from_ref(session.next.as_deref().unwrap());
    session.finish_change();
    // Moved out, it would leave its octets in the place it had, which nobody wipes.
    assert!(std::ptr::eq(place, &raw const *session.current));
}
