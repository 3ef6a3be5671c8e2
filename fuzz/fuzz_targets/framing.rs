//! Fuzz target: a stream cut into messages; what must hold stands in `entries/framing.rs`.

#![no_main]

#[path = "../entries/framing.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
