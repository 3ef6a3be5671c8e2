//! Simulation: calls across the edge on virtual time, over a wire that loses, doubles and reorders.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::print_stderr, reason = "a test crate")]

#[path = "sim/mod.rs"]
mod sim;
