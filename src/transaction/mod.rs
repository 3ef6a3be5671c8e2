//! The four transaction machines, pure.
//!
//! Owns their states and keys. Refuses to know calls, sockets and policy.
//! Read first: RFC 3261 §17; RFC 6026; RFC 4320.

use std::time::Duration;

/// T1, T2, T4 (RFC 3261 §17.1.1.1 and table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Round-trip estimate. Default 500 ms.
    pub t1: Duration,
    /// Longest retransmission interval. Default 4 s.
    pub t2: Duration,
    /// Longest life of a message in the network. Default 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// 64*T1: timers B, F, H, J, L, M and the wait for an ACK.
    #[must_use]
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}
