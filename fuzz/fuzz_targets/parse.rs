//! Fuzz target: one message from bytes; what must hold stands in `entries/parse.rs`.

#![no_main]

#[path = "../entries/parse.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
