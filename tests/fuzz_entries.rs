//! Every fuzz entry over all its seeds and some thousand mutations of them, the same ones in each run.
//!
//! Owns the mutations and the bound on time. What must hold for an input stands in `fuzz/entries`; hours of it
//! are `fuzz/run`'s. An input that fails is written to `target/fuzz-entries` and named.

#![allow(
    clippy::print_stderr,
    clippy::panic,
    reason = "a run says how much it did, and a finding where it lies"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../fuzz/entries/config.rs"]
mod config;
#[path = "../fuzz/entries/differential.rs"]
mod differential;
#[path = "../fuzz/entries/engine.rs"]
mod engine;
#[path = "../fuzz/entries/framing.rs"]
mod framing;
#[path = "../fuzz/entries/number.rs"]
mod number;
#[path = "../fuzz/entries/parse.rs"]
mod parse;
#[path = "../fuzz/entries/rtp.rs"]
mod rtp;
#[path = "../fuzz/entries/sdp.rs"]
mod sdp;
#[path = "../fuzz/entries/srtp.rs"]
mod srtp;
#[path = "../fuzz/entries/stream.rs"]
mod stream;
#[path = "../fuzz/entries/uri.rs"]
mod uri;

/// Mutations run for each target, unless time is up.
const MUTATIONS: u32 = 40_000;
/// Mutations that must have run when time is up; fewer means that an entry is far too slow.
const MUTATIONS_MIN: u32 = 300;
/// Time for the mutations of one target.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Time one input may take.
const INPUT_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes a mutated input may grow to.
const BYTES_MAX: usize = 16_384;

/// What mutations put in: words that a reader of SIP, of URIs or of YAML decides by.
const DICTIONARY: [&[u8]; 46] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\r\n ",
    b"\r\n\t",
    b": ",
    b";",
    b",",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"%00",
    b"%",
    b"@",
    b"[::1]",
    b"SIP/2.0",
    b"SIP/2.0 200 OK\r\n",
    b"INVITE ",
    b"ACK ",
    b"CANCEL ",
    b"BYE ",
    b"Content-Length: 0\r\n",
    b"Content-Length: 4294967296\r\n",
    b"l: 5\r\n",
    b"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n",
    b"v: SIP/2.0/TCP h;rport\r\n",
    b"CSeq: 4294967295 INVITE\r\n",
    b"Max-Forwards: 0\r\n",
    b"Require: x\r\n",
    b"sip:",
    b"tel:+",
    b";user=phone",
    b"99999999999",
    b"- ",
    b"&a *a ",
    b"\xff\xfe",
    b"\r\nm=audio 4000 RTP/SAVP 0 96\r\n",
    b"\r\na=rtpmap:96 opus/48000/2\r\n",
    b"\r\na=fmtp:96 x=1\r\n",
    b"\r\na=rtcp:4001 IN IP6 ::1\r\n",
    b"\r\na=rtcp-mux\r\n",
    b"\r\na=setup:actpass\r\n",
    b"IN IP4 192.0.2.1",
    b"a=inactive\r\n",
];

/// A small generator (SplitMix64): the same inputs on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { usize::try_from(self.roll() % end as u64).expect("it is below a usize") }
    }
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = (start + 1 + self.below(40)).min(length);
        start.min(end)..end
    }
}

/// One to five small changes.
fn mutated(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(9) {
            0 if !bytes.is_empty() => {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            1 if !bytes.is_empty() => {
                let at = dice.below(bytes.len());
                bytes[at] = dice.roll().to_le_bytes()[0];
            }
            2 => {
                let range = dice.range(bytes.len());
                bytes.drain(range);
            }
            3 => {
                let copy = bytes[dice.range(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            4 | 5 => {
                let word = DICTIONARY[dice.below(DICTIONARY.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => bytes.truncate(at),
            7 => {
                let piece = other[dice.range(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let copy = bytes[dice.range(bytes.len())].to_vec();
                for _ in 0..dice.below(64) {
                    bytes.splice(at..at, copy.iter().copied());
                }
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

/// Every file below the folders, in a fixed order; folders that are absent are named.
fn seeds(target: &str, elsewhere: &[&str]) -> Vec<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fuzz/seeds").join(target)];
    folders.extend(elsewhere.iter().map(|folder| root.join(folder)));
    let mut files = Vec::new();
    for folder in folders {
        if !folder.is_dir() {
            // The corpus lies beside the repository, and seeds of some targets only there.
            eprintln!("{target}: no seeds from {}: not there", folder.display());
            continue;
        }
        gather(&folder, &mut files);
    }
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a seed is readable")).collect()
}

fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of seeds is readable").flatten() {
        let path = entry.path();
        if path.is_dir() { gather(&path, into) } else { into.push(path) }
    }
}

/// One input: must neither panic nor take long.
fn judge(target: &str, entry: fn(&[u8]), bytes: &[u8]) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| entry(bytes)));
    let slow = began.elapsed() > INPUT_TIME_MAX;
    if outcome.is_ok() && !slow {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fuzz-entries");
    fs::create_dir_all(&folder).expect("target is writable");
    let file = folder.join(format!("{target}-{:016x}", fold(bytes)));
    fs::write(&file, bytes).expect("target is writable");
    panic!("{target}: an input {}: {}", if slow { "took too long" } else { "broke a rule" }, file.display());
}

/// FNV-1a, to name a finding.
fn fold(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn run(target: &str, entry: fn(&[u8]), elsewhere: &[&str]) {
    let seeds = seeds(target, elsewhere);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in &seeds {
        judge(target, entry, seed);
    }
    let began = Instant::now();
    let mut dice = Dice(fold(target.as_bytes()));
    let mut done = 0;
    while done < MUTATIONS && began.elapsed() < TIME_MAX {
        let seed = &seeds[dice.below(seeds.len())];
        let other = &seeds[dice.below(seeds.len())];
        judge(target, entry, &mutated(seed, other, &mut dice));
        done += 1;
    }
    eprintln!("{target}: {} seeds and {done} mutations in {:.1?}", seeds.len(), began.elapsed());
    assert!(done >= MUTATIONS_MIN, "{target}: only {done} mutations in {TIME_MAX:?}");
}

/// Messages nobody on this project wrote.
const MESSAGES: [&str; 4] = [
    "../shared/corpus/torture",
    "../shared/corpus/seeds/kamailio",
    "../shared/corpus/seeds/pjsip-sip",
    "../shared/corpus/invites",
];

#[test]
fn the_reader_holds() {
    run("parse", parse::entry, &MESSAGES);
}

#[test]
fn the_framer_holds() {
    run("framing", framing::entry, &MESSAGES);
}

#[test]
fn uris_hold() {
    run("uri", uri::entry, &["../shared/corpus/seeds/pjsip-uri"]);
}

#[test]
fn numbers_hold() {
    run("number", number::entry, &[]);
}

#[test]
fn second_opinions_agree() {
    run("differential", differential::entry, &MESSAGES);
}

#[test]
fn policy_files_hold() {
    run("config", config::entry, &["config"]);
}

#[test]
fn the_engine_holds() {
    run("engine", engine::entry, &MESSAGES);
}

#[test]
fn media_packets_hold() {
    run("rtp", rtp::entry, &[]);
}

#[test]
fn srtp_and_its_keys_hold() {
    run("srtp", srtp::entry, &[]);
}

#[test]
fn session_descriptions_hold() {
    run("sdp", sdp::entry, &["../shared/corpus/seeds/pjsip-sdp", "../shared/corpus/seeds/pjsip-sdes"]);
}

#[test]
fn streams_of_a_call_hold() {
    run("stream", stream::entry, &[]);
}
