//! A hierarchical timing wheel: every deadline of the engine.
//!
//! Owns the order of deadlines. Refuses to know whose they are: an item is any small `Copy` value.
//! Read first: RFC 3261 §17 for the lengths that matter here (milliseconds to minutes).

use crate::clock::Tick;

/// An armed timer; stale once it fired or was cancelled, and harmless then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// The wheel. Granularity is 1.024 ms: a timer fires late by less than that, never early.
#[derive(Debug)]
pub struct Wheel<T: Copy> {
    item: Option<T>,
}

impl<T: Copy> Wheel<T> {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self { item: None }
    }

    /// Arms a timer. O(1).
    pub fn insert(&mut self, at: Tick, item: T) -> TimerId {
        let _ = (at, item);
        todo!()
    }

    /// Cancels it; `None` when it fired or was cancelled before. O(1), nothing stays behind.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let _ = id;
        todo!()
    }

    /// When `expire` has something to do: never later than the first deadline, sometimes a little earlier.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        todo!()
    }

    /// The next item due at `now`, one at a time, in order of deadlines.
    pub fn expire(&mut self, now: Tick) -> Option<T> {
        let _ = now;
        self.item
    }

    /// How many are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Copy> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}
