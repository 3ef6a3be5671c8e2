//! A block of numbers whose calls rang shortly and hung up, so that somebody calls back.
//!
//! Owns what is known of one block. Refuses to judge who calls it. Read first: spec/limits.md, "Wangiri".

use std::time::Duration;

use super::Recent;
use crate::clock::Tick;

/// Numbers of ours that are counted; no setting may ask for more.
pub const DIDS_MAX: usize = super::RECENT_MAX;

/// The time in which they are counted.
pub const RANG_WITHIN: Duration = Duration::from_secs(3_600);

/// What is known of a block.
#[derive(Debug, Default)]
pub struct Watch {
    until: Option<Tick>,
    rang: Recent,
    answered: bool,
}

impl Watch {
    /// A call from the block rang one of our numbers; how many it rang within an hour, where this is one more.
    pub fn rang(&mut self, did: u64, now: Tick, watch: Duration) -> Option<usize> {
        if !self.watches(now) {
            self.answered = false;
        }
        self.until = Some(now.after(watch));
        let before = self.rang.within(now, RANG_WITHIN).count();
        self.rang.note(did, now);
        let rang = self.rang.within(now, RANG_WITHIN).count();
        (rang > before).then_some(rang)
    }

    /// Somebody here called the block, and was answered.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether it is watched.
    #[must_use]
    pub fn watches(&self, now: Tick) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether a call to it was answered since it is watched.
    #[must_use]
    pub const fn was_answered(&self) -> bool {
        self.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_watch_begins_anew_when_it_has_ended_and_counts_each_number_once() {
        let time = Duration::from_secs(100);
        let mut watch = Watch::default();
        assert!(!watch.watches(at(0)));
        assert_eq!(watch.rang(1, at(0), time), Some(1));
        assert_eq!(watch.rang(1, at(1), time), None);
        assert_eq!(watch.rang(2, at(2), time), Some(2));
        watch.answered();
        assert_eq!((watch.watches(at(101)), watch.was_answered()), (true, true));
        assert!(!watch.watches(at(102)));
        assert_eq!(watch.rang(3, at(3_700), time), Some(1));
        assert!(!watch.was_answered());
    }
}
