//! Fuzz target: a URI and the number in it; what must hold stands in `entries/uri.rs`.

#![no_main]

#[path = "../entries/uri.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
