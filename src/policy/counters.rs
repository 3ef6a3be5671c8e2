//! Gauges that live calls hold, and the reservations that give them back when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::peer::PeerId;

/// What a decision asks the engine to reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// One call of this peer.
    Call(PeerId),
}

/// One unit of a gauge; dropping it gives the unit back, exactly once.
#[derive(Debug)]
pub struct Reservation(Arc<AtomicU32>);

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All gauges, keyed by stable names so that they survive a reload.
#[derive(Debug, Default)]
pub struct Counters {}
