//! Fuzz target: the same message read by second opinions; what must hold stands in `entries/differential.rs`.

#![no_main]

#[path = "../entries/differential.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
