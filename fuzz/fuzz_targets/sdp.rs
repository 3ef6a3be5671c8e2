//! Fuzz target: session descriptions; what must hold stands in `entries/sdp.rs`.

#![no_main]

#[path = "../entries/sdp.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
