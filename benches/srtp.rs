//! What SRTP costs for a packet, beside libsrtp2 in the same process: nanoseconds and the ratio.
//!
//! Owns nothing but its rounds: 20 ms of G.711, 172 octets plain. The two are measured in turn, so that a busy machine
//! slows both. `cargo bench --bench srtp`, or `benches/instructions srtp` for instruction counts of ours.

mod meter;

#[path = "../tests/srtp/libsrtp.rs"]
mod libsrtp;

use std::hint::black_box;
use std::time::Instant;

use libsrtp::{Library, Session, Way};
use meter::Bench;
use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};

/// Octets of a packet before protection.
const PLAIN: usize = 172;
/// Octets of a place for one, with room behind its trailer that libsrtp2 is asked to have.
const PLACE: usize = 224;
/// Packets in a sample.
const PACKETS: usize = 16_384;
/// Samples of each, in turn.
const SAMPLES: usize = 41;

fn key(suite: Suite) -> MasterKey {
    let octets: Vec<u8> = (1..=46).take(suite.master_octets()).collect();
    MasterKey::new(suite, &octets).expect("it has the suite's length")
}

fn number(packet: &mut [u8], sequence: u16) {
    packet[..2].copy_from_slice(&[0x80, 8]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[8..12].copy_from_slice(&[0xca, 0xfe, 0xba, 0xbe]);
}

/// So many packets one behind the other, protected.
fn prepared(key: &MasterKey) -> (Vec<u8>, usize) {
    let mut packets = vec![0x5a; PLACE * PACKETS];
    let mut session = Outbound::new(key, u64::MAX);
    let mut length = 0;
    for (sequence, place) in packets.chunks_exact_mut(PLACE).enumerate() {
        number(place, sequence as u16);
        length = session.protect_rtp(place, PLAIN).expect("each index is new");
    }
    (packets, length)
}

/// Nanoseconds for a packet.
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e9 / PACKETS as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Ours and theirs in turn; the medians, and the median of the ratios.
fn beside(mut ours: impl FnMut() -> f64, mut theirs: impl FnMut() -> f64) -> [f64; 3] {
    let pairs: Vec<(f64, f64)> = (0..SAMPLES).map(|_| (ours(), theirs())).collect();
    [
        median(pairs.iter().map(|pair| pair.0).collect()),
        median(pairs.iter().map(|pair| pair.1).collect()),
        median(pairs.iter().map(|pair| pair.0 / pair.1).collect()),
    ]
}

fn protecting(suite: Suite, mut theirs: Session) -> [f64; 3] {
    let (mut a, mut b) = (0_u16, 0_u16);
    let mut session = Outbound::new(&key(suite), u64::MAX);
    let (mut mine, mut other) = ([0x5a; PLACE], [0x5a; PLACE]);
    beside(
        || {
            timed(|| {
                for _ in 0..PACKETS {
                    a = a.wrapping_add(1);
                    number(&mut mine, a);
                    black_box(session.protect_rtp(&mut mine, PLAIN)).expect("each index is new");
                }
            })
        },
        || {
            timed(|| {
                for _ in 0..PACKETS {
                    b = b.wrapping_add(1);
                    number(&mut other, b);
                    black_box(theirs.protect(&mut other, PLAIN)).expect("each index is new");
                }
            })
        },
    )
}

fn opening(suite: Suite, library: &'static Library) -> [f64; 3] {
    let key = key(suite);
    let (packets, length) = prepared(&key);
    let (mut mine, mut other) = (packets.clone(), packets.clone());
    beside(
        || {
            let mut session = Inbound::new(&key, Mki::NONE);
            mine.copy_from_slice(&packets);
            timed(|| {
                for place in mine.chunks_exact_mut(PLACE) {
                    black_box(session.unprotect_rtp(&mut place[..length])).expect("it is authentic");
                }
            })
        },
        || {
            let mut session = library.session(&key, Way::Inbound, 128).expect("it has the suite");
            other.copy_from_slice(&packets);
            timed(|| {
                for place in other.chunks_exact_mut(PLACE) {
                    black_box(session.unprotect(place, length)).expect("it is authentic");
                }
            })
        },
    )
}

/// The table of both, where libsrtp2 is.
#[allow(clippy::print_stdout, reason = "a bench prints what it measured")]
fn compare() -> bool {
    let Some(library) = Library::open() else {
        println!("libsrtp2 is not on this machine (Debian: apt-get install libsrtp2-1): ours alone");
        return false;
    };
    println!("{:<34} {:>12} {:>12} {:>8}", "a packet of 172 octets", "ours", "libsrtp2", "ratio");
    for suite in Suite::ALL {
        let Some(theirs) = library.session(&key(suite), Way::Outbound, 128) else {
            println!("{:<34} libsrtp2 was built without it", suite.token());
            continue;
        };
        for (work, [ours, theirs, ratio]) in
            [("protect", protecting(suite, theirs)), ("unprotect", opening(suite, library))]
        {
            println!(
                "{:<34} {ours:>9.0} ns {theirs:>9.0} ns {ratio:>8.2}",
                format!("{work} {}", suite.token())
            );
        }
    }
    true
}

fn protect_rounds(suite: Suite) -> impl FnMut(u64) {
    let mut session = Outbound::new(&key(suite), u64::MAX);
    let (mut packet, mut sequence) = ([0x5a; PLACE], 0_u16);
    move |rounds| {
        for _ in 0..rounds {
            sequence = sequence.wrapping_add(1);
            number(&mut packet, sequence);
            black_box(session.protect_rtp(&mut packet, PLAIN)).expect("each index is new");
        }
    }
}

fn unprotect_rounds(suite: Suite) -> impl FnMut(u64) {
    let key = key(suite);
    let (packets, length) = prepared(&key);
    let mut session = Inbound::new(&key, Mki::NONE);
    let (mut place, mut at) = ([0; PLACE], 0);
    move |rounds| {
        for _ in 0..rounds {
            if at == PACKETS {
                at = 0;
                session = Inbound::new(&key, Mki::NONE);
            }
            place.copy_from_slice(&packets[at * PLACE..][..PLACE]);
            at += 1;
            black_box(session.unprotect_rtp(&mut place[..length])).expect("it is authentic");
        }
    }
}

fn main() {
    let asked = std::env::args().skip(1).any(|word| word != "--bench");
    if !asked && compare() {
        return;
    }
    meter::main(vec![
        Bench::new("protect AES_CM_128_HMAC_SHA1_80", protect_rounds(Suite::AesCm128HmacSha1T80)),
        Bench::new("protect AEAD_AES_128_GCM", protect_rounds(Suite::AeadAes128Gcm)),
        Bench::new("unprotect AES_CM_128_HMAC_SHA1_80", unprotect_rounds(Suite::AesCm128HmacSha1T80)),
        Bench::new("unprotect AEAD_AES_128_GCM", unprotect_rounds(Suite::AeadAes128Gcm)),
    ]);
}
