//! SRTP beside others: published vectors, libsrtp2 and the crate `webrtc-srtp`, with loss, disorder and roll-over.
//!
//! Owns the comparison. Vectors and library may be absent: then a line says so, and the rest runs; in CI the library
//! and each of its suites must be there, or what is compared with nothing would pass.

#![allow(clippy::print_stderr, reason = "a run says what it compared, and what it could not")]

use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Refused, Suite};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;
use wire::{Dice, ROOM, Sent, Sources, Wire};

use crate::libsrtp::{LATE, Library, REPLAYED, Session, UNAUTHENTIC, Way};

#[path = "srtp/libsrtp.rs"]
mod libsrtp;
#[path = "srtp/wire.rs"]
mod wire;

/// Packets of each suite that both sides protect and open, against each of the two.
const PACKETS: u32 = 100_000;

/// What was found; where nothing was, a notice, or in CI a failure: as `must_have` of tests/run, that is `CI=true`.
fn wanted<T>(found: Option<T>, absent: &str, ci: Option<&str>) -> Option<T> {
    if found.is_none() {
        assert_ne!(ci, Some("true"), "{absent}: CI must have it");
        eprintln!("skipped: {absent}");
    }
    found
}

/// Value of `CI`.
fn ci() -> Option<String> {
    std::env::var("CI").ok()
}

/// libsrtp2, or a notice.
fn library() -> Option<&'static Library> {
    let absent = "libsrtp2 is not on this machine (Debian: apt-get install libsrtp2-1)";
    wanted(Library::open(), absent, ci().as_deref())
}

/// A session of libsrtp2 under this key, or a notice.
fn theirs(library: &'static Library, key: &MasterKey, way: Way) -> Option<Session> {
    let absent = format!("this libsrtp2 has no {}", key.suite().token());
    wanted(library.session(key, way, 128), &absent, ci().as_deref())
}

#[test]
fn what_is_absent_is_skipped_at_home_and_fails_in_ci() {
    for home in [None, Some(""), Some("false")] {
        assert_eq!(wanted(None::<u8>, "the library", home), None);
        assert_eq!(wanted(Some(7), "the library", home), Some(7));
    }
    assert_eq!(wanted(Some(7), "the library", Some("true")), Some(7));
    let failed = std::panic::catch_unwind(|| wanted(None::<u8>, "the library", Some("true")));
    assert!(failed.is_err(), "nothing to compare with, and green");
}

/// A packet at the head of a buffer with room behind it.
fn roomy(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(ROOM, 0);
    buffer
}

fn octets(hex: &serde_json::Value) -> Vec<u8> {
    let nibble = |digit: &u8| char::from(*digit).to_digit(16).expect("hexadecimal") as u8;
    let hex = hex.as_str().expect("a string").as_bytes();
    hex.chunks(2).map(|pair| nibble(&pair[0]) << 4 | nibble(&pair[1])).collect()
}

#[test]
fn the_corpus_vectors_hold_both_ways() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/vectors/srtp.json");
    let Ok(text) = std::fs::read(path) else {
        eprintln!("skipped: no vectors at {path}");
        return;
    };
    let vectors: serde_json::Value = serde_json::from_slice(&text).expect("the vectors are JSON");
    let mut done = 0;
    for vector in vectors["packets"].as_array().expect("a list") {
        // Those that give session keys stand in the unit tests of the transform.
        let Some(suite) = vector["suite"].as_str().and_then(|name| Suite::read(name.as_bytes())) else {
            panic!("a suite that is not known: {vector}");
        };
        if vector["master_key"].is_null() {
            continue;
        }
        let master = [octets(&vector["master_key"]), octets(&vector["master_salt"])].concat();
        let key = MasterKey::new(suite, &master).expect("the vector's key has its length");
        let (plain, sealed) = (octets(&vector["plain"]), octets(&vector["protected"]));
        let (mut sender, mut receiver) = (Outbound::new(&key, u64::MAX), Inbound::new(&key, Mki::NONE));
        let (mut buffer, mut copy) = (roomy(&plain), sealed.clone());
        if vector["kind"] == "rtp" {
            let ssrc = u32::from_be_bytes(*plain[8..].first_chunk().expect("an SSRC"));
            let roll_over = u32::try_from(vector["roc"].as_u64().expect("a counter")).expect("32 bits");
            sender.set_roll_over(ssrc, roll_over).unwrap();
            receiver.set_roll_over(ssrc, roll_over).unwrap();
            let length = sender.protect_rtp(&mut buffer, plain.len()).unwrap();
            assert_eq!(buffer[..length], sealed, "{}", vector["source"]);
            assert_eq!(receiver.unprotect_rtp(&mut copy), Ok(plain.len()), "{}", vector["source"]);
        } else {
            for _ in 0..vector["index"].as_u64().expect("an index") {
                sender.protect_rtcp(&mut roomy(&plain), plain.len()).unwrap();
            }
            let length = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
            assert_eq!(buffer[..length], sealed, "{}", vector["source"]);
            assert_eq!(receiver.unprotect_rtcp(&mut copy), Ok(plain.len()), "{}", vector["source"]);
        }
        assert_eq!(copy[..plain.len()], plain, "{}", vector["source"]);
        done += 1;
    }
    assert!(done >= 5, "only {done} vectors");
}

/// How the two verdicts on one packet compare: both open it, or both name the same cause.
fn agree(ours: Result<&[u8], Refused>, theirs: Result<&[u8], i32>) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (Err(Refused::Replayed), Err(REPLAYED))
        | (Err(Refused::Late), Err(LATE))
        | (Err(Refused::Unauthentic), Err(UNAUTHENTIC)) => true,
        _ => false,
    }
}

#[test]
fn libsrtp_and_we_write_the_same_packets_and_judge_them_alike() {
    let Some(library) = library() else { return };
    let mut dice = Dice::new(1);
    for suite in Suite::ALL {
        let key = dice.key(suite);
        let (mut ours, mut receiver) = (Outbound::new(&key, u64::MAX), Inbound::new(&key, Mki::NONE));
        let Some(mut theirs) = theirs(library, &key, Way::Outbound) else { continue };
        let mut judge = library.session(&key, Way::Inbound, 128).expect("it has the suite");
        let (mut sources, mut wire) = (Sources::new(&mut dice, 3), Wire::default());
        let (mut opened, mut replayed, mut forged) = (0, 0, 0);
        for _ in 0..PACKETS {
            let plain = sources.rtp(&mut dice);
            let (mut a, mut b) = (roomy(&plain), roomy(&plain));
            let made = ours.protect_rtp(&mut a, plain.len()).expect("a new index");
            assert_eq!(theirs.protect(&mut b, plain.len()), Ok(made));
            assert_eq!(a[..made], b[..made], "{suite:?}: the same octets");
            a.truncate(made);
            for mut sent in wire.carry(Sent { plain, protected: a, again: false }, &mut dice) {
                let spoiled = dice.below(50) == 0;
                if spoiled {
                    let at = 12 + dice.below(sent.protected.len() as u32 - 12) as usize;
                    sent.protected[at] ^= 1 << dice.below(8);
                }
                let (mut a, mut b) = (sent.protected.clone(), roomy(&sent.protected));
                let mine = receiver.unprotect_rtp(&mut a).map(|length| &a[..length]);
                let other = judge.unprotect(&mut b, sent.protected.len()).map(|length| &b[..length]);
                if spoiled {
                    assert!(mine.is_err() && other.is_err(), "{suite:?}: {mine:?} {other:?}");
                    forged += 1;
                    continue;
                }
                assert!(agree(mine, other), "{suite:?}: {mine:?} {other:?}");
                match mine {
                    Ok(mine) => {
                        assert_eq!(mine, sent.plain);
                        opened += 1;
                    }
                    Err(cause) => {
                        assert!(matches!(cause, Refused::Replayed | Refused::Late), "{cause:?}");
                        replayed += 1;
                    }
                }
            }
        }
        eprintln!(
            "{}: {opened} opened, {replayed} refused as replayed or late, {forged} forged; {} lost, {} late, {} twice",
            suite.token(),
            wire.lost,
            wire.late,
            wire.doubled
        );
        assert!(opened > PACKETS * 85 / 100 && replayed > 100 && forged > 100);
        assert!(sources.ssrcs().all(|ssrc| receiver.roll_over(ssrc) >= Some(1)), "every source went round");
    }
}

#[test]
fn libsrtp_and_we_open_one_anothers_reports() {
    let Some(library) = library() else { return };
    let mut dice = Dice::new(2);
    for suite in Suite::ALL {
        let key = dice.key(suite);
        let (mut ours, mut receiver) = (Outbound::new(&key, u64::MAX), Inbound::new(&key, Mki::NONE));
        let Some(mut theirs) = theirs(library, &key, Way::Outbound) else { continue };
        let mut judge: Session = library.session(&key, Way::Inbound, 128).expect("it has the suite");
        let mut sources = Sources::new(&mut dice, 3);
        let (mut there, mut back) = (Wire::default(), Wire::default());
        let mut opened = [0, 0];
        for _ in 0..PACKETS / 10 {
            let plain = sources.rtcp(&mut dice);
            let (mut a, mut b) = (roomy(&plain), roomy(&plain));
            let made = ours.protect_rtcp(&mut a, plain.len()).expect("a new index");
            assert_eq!(theirs.protect_rtcp(&mut b, plain.len()), Ok(made));
            a.truncate(made);
            b.truncate(made);
            for sent in there.carry(Sent { plain: plain.clone(), protected: a, again: false }, &mut dice) {
                let mut copy = roomy(&sent.protected);
                match judge.unprotect_rtcp(&mut copy, sent.protected.len()) {
                    Ok(length) => {
                        assert_eq!(copy[..length], sent.plain);
                        opened[0] += 1;
                    }
                    Err(status) => assert!(sent.again && status == REPLAYED, "{suite:?}: {status}"),
                }
            }
            for mut sent in back.carry(Sent { plain, protected: b, again: false }, &mut dice) {
                match receiver.unprotect_rtcp(&mut sent.protected) {
                    Ok(length) => {
                        assert_eq!(sent.protected[..length], sent.plain);
                        opened[1] += 1;
                    }
                    Err(cause) => assert!(sent.again && cause == Refused::Replayed, "{suite:?}: {cause:?}"),
                }
            }
        }
        assert!(opened.iter().all(|opened| *opened > PACKETS / 10 * 85 / 100), "{suite:?} {opened:?}");
    }
}

#[test]
fn libsrtp_follows_a_roll_over_counter_that_was_set() {
    let Some(library) = library() else { return };
    let mut dice = Dice::new(3);
    for suite in Suite::ALL {
        let key = dice.key(suite);
        let Some(mut theirs) = theirs(library, &key, Way::Outbound) else { continue };
        let mut receiver = Inbound::new(&key, Mki::NONE);
        let mut sources = Sources::new(&mut dice, 1);
        let first = sources.rtp(&mut dice);
        let ssrc = u32::from_be_bytes(*first[8..].first_chunk().expect("an SSRC"));
        let mut buffer = roomy(&first);
        let length = theirs.protect(&mut buffer, first.len()).expect("a first packet");
        assert_eq!(receiver.unprotect_rtp(&mut buffer[..length]), Ok(first.len()));
        theirs.set_roll_over(ssrc, 0x1234_5678).expect("the source is known");
        let next = sources.rtp(&mut dice);
        let mut buffer = roomy(&next);
        let length = theirs.protect(&mut buffer, next.len()).expect("a next packet");
        let mut early = buffer[..length].to_vec();
        assert_eq!(receiver.unprotect_rtp(&mut early), Err(Refused::Unauthentic));
        receiver.set_roll_over(ssrc, 0x1234_5678).expect("it is ahead");
        assert_eq!(receiver.unprotect_rtp(&mut buffer[..length]), Ok(next.len()), "{suite:?}");
        assert_eq!(receiver.roll_over(ssrc), Some(0x1234_5678));
    }
}

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1T80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1T32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1T80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256HmacSha1T32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn context(key: &MasterKey) -> Context {
    let (key_part, salt) = key.expose().split_at(key.suite().key_octets());
    let (packets, reports) = (srtp_replay_protection(128), srtcp_replay_protection(128));
    Context::new(key_part, salt, profile(key.suite()), Some(packets), Some(reports)).expect("a context")
}

#[test]
fn webrtc_srtp_and_we_write_the_same_packets_and_open_them() {
    let mut dice = Dice::new(4);
    for suite in Suite::ALL {
        let key = dice.key(suite);
        let (mut ours, mut receiver) = (Outbound::new(&key, u64::MAX), Inbound::new(&key, Mki::NONE));
        let (mut theirs, mut judge) = (context(&key), context(&key));
        let (mut sources, mut wire) = (Sources::new(&mut dice, 3), Wire::default());
        let mut opened = 0;
        for number in 0..PACKETS {
            let plain = sources.rtp(&mut dice);
            let mut buffer = roomy(&plain);
            let made = ours.protect_rtp(&mut buffer, plain.len()).expect("a new index");
            buffer.truncate(made);
            assert_eq!(
                theirs.encrypt_rtp(&plain).expect("it protects"),
                buffer,
                "{suite:?}: the same octets"
            );
            for sent in wire.carry(Sent { plain, protected: buffer, again: false }, &mut dice) {
                let mut copy = sent.protected.clone();
                let mine = receiver.unprotect_rtp(&mut copy).map(|length| &copy[..length]);
                let other = judge.decrypt_rtp(&sent.protected);
                match (mine, &other) {
                    (Ok(mine), Ok(other)) => {
                        assert_eq!((mine, &other[..]), (&sent.plain[..], &sent.plain[..]));
                        opened += 1;
                    }
                    (Err(Refused::Replayed | Refused::Late), Err(_)) => {}
                    _ => panic!("{suite:?} {number}: {mine:?} {other:?}"),
                }
            }
            if number % 10 == 0 {
                let plain = sources.rtcp(&mut dice);
                let mut buffer = roomy(&plain);
                let made = ours.protect_rtcp(&mut buffer, plain.len()).expect("a new index");
                let other = judge.decrypt_rtcp(&buffer[..made]).expect("it opens ours");
                assert_eq!(other, plain, "{suite:?}");
                let mut other = theirs.encrypt_rtcp(&plain).expect("it protects").to_vec();
                let length = receiver.unprotect_rtcp(&mut other).expect("we open theirs");
                assert_eq!(other[..length], plain, "{suite:?}");
            }
        }
        assert!(opened > PACKETS * 85 / 100, "{suite:?}: {opened}");
        assert!(sources.ssrcs().all(|ssrc| receiver.roll_over(ssrc) >= Some(1)), "every source went round");
    }
}
