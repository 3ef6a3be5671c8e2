//! Fuzz target: a datagram on a media port, sorted and read; what must hold stands in `entries/rtp.rs`.

#![no_main]

#[path = "../entries/rtp.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
