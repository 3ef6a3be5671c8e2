//! Fuzz target: a run of inputs to the whole engine; what must hold stands in `entries/engine.rs`.

#![no_main]

#[path = "../entries/engine.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::entry(data));
