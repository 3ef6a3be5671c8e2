//! Fuzz target: SRTP packets and keys in SDP; what must hold stands in `entries/srtp.rs`.

#![no_main]

#[path = "../entries/srtp.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
