//! Fuzz target: a policy file; what must hold stands in `entries/config.rs`.

#![no_main]

#[path = "../entries/config.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
