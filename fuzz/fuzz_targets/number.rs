//! Fuzz target: a number as it is dialled; what must hold stands in `entries/number.rs`.

#![no_main]

#[path = "../entries/number.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
