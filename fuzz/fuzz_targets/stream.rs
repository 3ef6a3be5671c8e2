//! Fuzz target: a call's streams under any orders and packets; what must hold stands in `entries/stream.rs`.

#![no_main]

#[path = "../entries/stream.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
