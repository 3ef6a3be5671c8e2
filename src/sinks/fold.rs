//! Folding: repeats of one alert inside a window become one line with a count.
//!
//! Owns what is being folded. Nothing is lost: the counts of the lines add up to the alerts raised.
//! Refuses to know how a line is written.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::clock::{Tick, Wall};
use crate::policy::Alert;

/// Different alerts folded at once; one more is written by itself.
const FOLDED_MAX: usize = 1_024;

/// Lines of one code about one peer that are told apart inside a window; what comes beyond is one line with a count. The
/// call records still name each attempt.
const APART_MAX: u32 = 20;

/// Codes and peers whose lines are counted at once; one more is not held to `APART_MAX`.
const CROWDS_MAX: usize = 1_024;

#[derive(Debug)]
struct Folded {
    opened: Tick,
    repeats: Option<Due>,
}

/// The lines of one code about one peer in this window.
#[derive(Debug)]
struct Crowd {
    opened: Tick,
    told: u32,
    rest: Option<Due>,
}

/// A line that is due.
#[derive(Debug)]
pub struct Due {
    /// The newest of them.
    pub alert: Box<Alert>,
    /// How many it stands for.
    pub count: u64,
    /// When the first of them was raised.
    pub first_seen: Wall,
}

/// The folding table of one sink.
#[derive(Debug)]
pub struct Fold {
    window: Duration,
    /// Keys the hashes that stand for what makes two alerts the same: nobody outside can choose two that fall together,
    /// and most alerts of a burst are folded without a copy of their words.
    keys: RandomState,
    table: HashMap<u64, Folded>,
    crowds: HashMap<u64, Crowd>,
}

impl Fold {
    /// Folds within `window`.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, keys: RandomState::new(), table: HashMap::new(), crowds: HashMap::new() }
    }

    /// What makes two alerts the same: everything but the times, the ports, the Call-ID, the words and the evidence. Whoever
    /// raises alerts of one code that mean different things says so in `about`: that a target is up again is no repeat of that
    /// it went down.
    fn key(&self, alert: &Alert) -> u64 {
        let source = alert.source.map(|source| source.ip());
        let who = (alert.code.number, &alert.rule, &alert.peer, source, &alert.from, &alert.to);
        self.keys.hash_one((who, &alert.about))
    }

    /// The first of its kind is due at once; repeats inside the window wait for its end.
    pub fn push(&mut self, now: Tick, alert: Box<Alert>) -> Option<Due> {
        let key = self.key(&alert);
        let (count, first_seen) = (alert.count, alert.at);
        if let Some(folded) = self.table.get_mut(&key) {
            match &mut folded.repeats {
                Some(due) => {
                    due.count = due.count.saturating_add(count);
                    due.alert = alert;
                }
                None => folded.repeats = Some(Due { alert, count, first_seen }),
            }
            return None;
        }
        let alert = self.crowded(now, alert)?;
        if self.table.len() < FOLDED_MAX {
            self.table.insert(key, Folded { opened: now, repeats: None });
        }
        Some(Due { alert, count, first_seen })
    }

    /// Takes an alert in that comes after too many of its code and peer; gives any other back.
    fn crowded(&mut self, now: Tick, alert: Box<Alert>) -> Option<Box<Alert>> {
        let key = self.keys.hash_one((alert.code.number, &alert.peer));
        if !self.crowds.contains_key(&key) && self.crowds.len() >= CROWDS_MAX {
            return Some(alert);
        }
        let crowd = self.crowds.entry(key).or_insert(Crowd { opened: now, told: 0, rest: None });
        if crowd.told < APART_MAX {
            crowd.told += 1;
            return Some(alert);
        }
        match &mut crowd.rest {
            Some(due) => due.count = due.count.saturating_add(alert.count),
            None => {
                let (count, first_seen) = (alert.count, alert.at);
                crowd.rest = Some(Due { alert, count, first_seen });
            }
        }
        None
    }

    /// What is due because its window has ended. A kind that went quiet is forgotten.
    pub fn expire(&mut self, now: Tick, mut write: impl FnMut(Due)) {
        let window = self.window;
        self.table.retain(|_, folded| {
            if folded.opened.after(window) > now {
                return true;
            }
            folded.opened = now;
            folded.repeats.take().map(&mut write).is_some()
        });
        self.crowds.retain(|_, crowd| {
            if crowd.opened.after(window) > now {
                return true;
            }
            crowd.opened = now;
            crowd.told = 0;
            crowd.rest.take().map(&mut write).is_some()
        });
    }

    /// All that is left, before the end.
    pub fn finish(&mut self, mut write: impl FnMut(Due)) {
        self.table.drain().filter_map(|(_, folded)| folded.repeats).for_each(&mut write);
        self.crowds.drain().filter_map(|(_, crowd)| crowd.rest).for_each(&mut write);
    }

    /// Whether `expire` has anything to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.crowds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::code;

    fn alert(peer: &str, at: i64) -> Box<Alert> {
        let mut alert = Alert::new(code::NUMBER_BLOCKED, Wall::from_micros(at), "blocked".into());
        alert.peer = Some(Arc::from(peer));
        alert.source = Some(([192, 0, 2, 1], u16::try_from(at % 60_000).unwrap()).into());
        Box::new(alert)
    }

    fn tick(millis: u64) -> Tick {
        Tick::from_micros(millis * 1_000)
    }

    #[test]
    fn a_crowd_of_different_alerts_of_one_peer_becomes_one_line_and_the_counts_add_up() {
        let mut fold = Fold::new(Duration::from_secs(1));
        let mut lines = Vec::new();
        for n in 0..1_000 {
            let mut one = alert("a", n);
            one.to = Some(format!("+1900{n}"));
            lines.extend(fold.push(tick(1), one));
        }
        assert_eq!(lines.len(), 20, "each of the first is told by itself");
        fold.expire(tick(1_002), |due| lines.push(due));
        assert_eq!(lines.len(), 21);
        assert_eq!(lines.iter().map(|due| due.count).sum::<u64>(), 1_000);
        let mut later = alert("a", 2_000);
        later.to = Some("+19005550100".into());
        assert!(fold.push(tick(1_010), later).is_some(), "a new window tells them apart again");
    }

    #[test]
    fn repeats_are_counted_and_the_counts_add_up() {
        let mut fold = Fold::new(Duration::from_secs(1));
        let mut lines = Vec::new();
        for n in 0..100 {
            lines.extend(fold.push(tick(n), alert("a", i64::try_from(n).unwrap())));
        }
        assert_eq!(lines.len(), 1, "the first is told at once");
        fold.expire(tick(999), |due| lines.push(due));
        assert_eq!(lines.len(), 1);
        fold.expire(tick(1_000), |due| lines.push(due));
        assert_eq!((lines.len(), lines[1].count), (2, 99));
        assert_eq!(lines[1].first_seen, Wall::from_micros(1));
        assert_eq!(lines[1].alert.at, Wall::from_micros(99), "the newest stands for them");
        assert_eq!(lines.iter().map(|line| line.count).sum::<u64>(), 100);
        // Quiet for one more window: forgotten, and the next is told at once again.
        fold.expire(tick(2_000), |due| lines.push(due));
        assert!(fold.is_empty());
        assert!(fold.push(tick(2_001), alert("a", 5)).is_some());
    }

    #[test]
    fn different_kinds_are_not_mixed_and_counts_already_folded_are_kept() {
        let mut fold = Fold::new(Duration::from_secs(1));
        assert!(fold.push(tick(0), alert("a", 0)).is_some());
        assert!(fold.push(tick(0), alert("b", 0)).is_some());
        let mut many = alert("a", 1);
        many.count = 500;
        assert!(fold.push(tick(1), many).is_none());
        let mut lines = Vec::new();
        fold.finish(|due| lines.push(due));
        assert_eq!(lines.iter().map(|line| line.count).collect::<Vec<_>>(), [500]);
    }

    #[test]
    fn what_is_about_something_else_is_no_repeat_whatever_the_evidence() {
        let mut fold = Fold::new(Duration::from_secs(1));
        let reach = |about: Option<&'static str>, evidence: &str| {
            let mut alert = Alert::new(code::PEER_UNREACHABLE, Wall::from_micros(0), String::new());
            alert.about = about.map(Into::into);
            alert.evidence = vec![("state", evidence.to_owned())];
            Box::new(alert)
        };
        let told = [(Some("down"), "1"), (Some("down"), "2"), (Some("up"), "3"), (None, "4"), (None, "5")]
            .map(|(about, evidence)| fold.push(tick(0), reach(about, evidence)).is_some());
        assert_eq!(told, [true, false, true, true, false]);
    }

    #[test]
    fn f10_a_full_table_still_tells_every_alert() {
        let mut fold = Fold::new(Duration::from_secs(1));
        let told = (0..FOLDED_MAX * 2)
            .filter(|n| fold.push(tick(0), alert(&format!("peer {n}"), 0)).is_some())
            .count();
        assert_eq!(told, FOLDED_MAX * 2);
        assert_eq!(fold.table.len(), FOLDED_MAX);
    }
}
