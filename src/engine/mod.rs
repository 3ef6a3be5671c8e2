//! The pure whole: one input in, outputs out until `Wait`.
//!
//! Owns the tables (transactions, dialogs, calls, peers' health, timers) and the law of the loop.
//! Refuses to know sockets, files, YAML and where the clock is read.
//! Read first: RFC 3261 §8, §11, §16.3, §18.

pub mod input;
pub mod output;
pub mod query;
pub mod slab;
pub mod timers;
pub mod transactions;

use std::sync::Arc;

use crate::call::Random;
use crate::clock::Now;
use crate::policy::Policy;

pub use input::Input;
pub use output::{Output, WaitReason};
pub use query::{Gauges, Query, Reply};

/// Settings of the engine: sizes of its tables, limits of the reader, timing.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Reader limits.
    pub limits: crate::sip::parse::Limits,
    /// T1, T2, T4.
    pub timing: crate::transaction::Timing,
    /// Calls.
    pub call: crate::call::Settings,
    /// Calls at once on the whole edge; more are refused 480 (10004). Default 20,000.
    pub calls_max: usize,
    /// Server transactions at once; above it new requests are answered 503 with Retry-After. Default 100,000.
    pub transactions_max: usize,
}

/// The engine. Never blocks, never panics on input, allocates nothing for a dropped frame.
pub struct Engine {}

impl Engine {
    /// An engine under a policy.
    pub fn new(now: Now, settings: Settings, policy: Arc<Policy>, random: Random) -> Self {
        let _ = (now, settings, policy, random);
        todo!()
    }
    /// One input. Drain `poll_output` afterwards until it says `Wait`.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input);
        todo!()
    }
    /// The next effect; `Wait` is always the last one and says when to come back without input.
    pub fn poll_output(&mut self) -> Output {
        todo!()
    }
}
