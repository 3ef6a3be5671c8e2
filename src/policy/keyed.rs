//! Counts by key: what calls of one forwarder, or between the same two numbers, hold now and began lately.
//!
//! Owns gauges, sliding windows and bars, and the bound on how many keys there are. Refuses to know limits and whose key it is.
//! Read first: DESIGN.md §1, laws 5, 6 and 9; spec/limits.md, "Memory bounds".

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::peer::PeerId;
use super::window::{self, Window};
use crate::clock::Tick;

/// Keys of a kind at once. Past it those go that count nothing any more, and of windows, then the oldest eighth: such a key
/// starts anew, with the caps of its peer and site still in force. A gauge that finds no room is full.
pub const KEYS_MAX: usize = 65_536;

/// Pairs that are barred at once; the one whose time ends first makes room.
pub const BARS_MAX: usize = 1_024;

/// What a key is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Who sends calls on, of one peer.
    Forwarder,
    /// A caller from outside, as the site's other side knows it.
    Caller,
    /// Who calls whom.
    Pair,
    /// A block of numbers that a site calls.
    Block,
    /// A block of numbers that rang here.
    Rang,
    /// Short calls of one caller to one number.
    Short,
    /// What one caller dialled before the same last digits.
    Variant,
    /// Who dials one number in many ways.
    Guesser,
}

/// Whose count: 64 bits of a keyed hash, which nobody outside can aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl Key {
    /// A key by its bits.
    #[must_use]
    pub const fn of(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// The counts.
#[derive(Debug, Default)]
pub struct Keyed {
    seed: u64,
    gauges: HashMap<Key, Arc<AtomicU32>>,
    windows: HashMap<Key, Window>,
    bars: HashMap<Key, Tick>,
}

/// How long a window is; each has slices of a twelfth of it.
pub const WINDOW: Duration = Duration::from_secs(3_600);

fn slice(now: Tick) -> u64 {
    window::slice(now.micros(), WINDOW)
}

impl Keyed {
    /// Counts whose keys nobody outside can work out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The key of something of a peer: its texts in their order.
    #[must_use]
    pub fn key(&self, scope: Scope, peer: PeerId, texts: &[&str]) -> Key {
        let mut hasher = DefaultHasher::new();
        (self.seed, scope, peer.0, texts).hash(&mut hasher);
        Key(hasher.finish())
    }

    /// What a gauge holds.
    #[must_use]
    pub fn held(&self, key: Key) -> u32 {
        self.gauges.get(&key).map_or(0, |gauge| gauge.load(Ordering::Relaxed))
    }

    /// The gauge of a key; `None` where there is no room for one more.
    pub(super) fn gauge(&mut self, key: Key) -> Option<Arc<AtomicU32>> {
        if self.gauges.len() >= KEYS_MAX && !self.gauges.contains_key(&key) {
            self.gauges.retain(|_, gauge| gauge.load(Ordering::Relaxed) > 0);
            if self.gauges.len() >= KEYS_MAX {
                return None;
            }
        }
        Some(Arc::clone(self.gauges.entry(key).or_default()))
    }

    /// Calls of a key that began within the last hour.
    #[must_use]
    pub fn lately(&self, key: Key, now: Tick) -> u32 {
        let sum = self.windows.get(&key).map_or(0, |window| window.sum(slice(now)));
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    /// Counts one that begins now.
    pub(super) fn count(&mut self, key: Key, now: Tick) {
        let now = slice(now);
        if self.windows.len() >= KEYS_MAX && !self.windows.contains_key(&key) {
            self.windows.retain(|_, window| window.sum(now) > 0);
            if self.windows.len() >= KEYS_MAX {
                // By age, then by key, for many are of one age: no more go than an eighth.
                let mut ages: Vec<_> =
                    self.windows.iter().map(|(key, window)| (window.newest(), *key)).collect();
                let (_, oldest, _) = ages.select_nth_unstable(KEYS_MAX / 8);
                let oldest = *oldest;
                self.windows.retain(|key, window| (window.newest(), *key) > oldest);
            }
        }
        self.windows.entry(key).or_insert(Window::new(now)).add(now, 1);
    }

    /// Until when a key is barred.
    #[must_use]
    pub fn barred(&self, key: Key, now: Tick) -> Option<Tick> {
        self.bars.get(&key).copied().filter(|until| now < *until)
    }

    /// Bars a key; a longer bar stands.
    pub fn bar(&mut self, key: Key, now: Tick, until: Tick) {
        if self.bars.len() >= BARS_MAX && !self.bars.contains_key(&key) {
            self.bars.retain(|_, until| now < *until);
            if self.bars.len() >= BARS_MAX
                && let Some(first) = self.bars.iter().min_by_key(|(_, until)| **until).map(|(key, _)| *key)
            {
                self.bars.remove(&first);
            }
        }
        let bar = self.bars.entry(key).or_insert(until);
        *bar = (*bar).max(until);
    }

    /// Keys that are known of each kind: gauges, windows, bars.
    #[must_use]
    pub fn sizes(&self) -> [usize; 3] {
        [self.gauges.len(), self.windows.len(), self.bars.len()]
    }
}

/// The last nine digits of a number, as which two machines know it that write its country in two ways; `None` for what is too
/// short to be one of a caller from outside.
#[must_use]
pub fn tail(number: &str) -> Option<&str> {
    const DIGITS: usize = 9;
    const LEAST: usize = 7;
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.len() < LEAST || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.get(digits.len().saturating_sub(DIGITS)..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(3);

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_window_never_holds_more_than_its_limit_wherever_it_begins() {
        let mut keyed = Keyed::new(7);
        let key = keyed.key(Scope::Forwarder, PEER, &["201"]);
        let mut admitted: Vec<u64> = Vec::new();
        for second in (0..4 * 3_600).step_by(37) {
            if keyed.lately(key, at(second)) < 10 {
                keyed.count(key, at(second));
                admitted.push(second);
            }
        }
        for from in &admitted {
            let within = admitted.iter().filter(|one| (*from..from + 3_600).contains(*one)).count();
            assert!(within <= 10, "{within} from {from}");
        }
        assert!(admitted.len() >= 30, "it opens again: {admitted:?}");
        assert_eq!(keyed.lately(key, at(4 * 3_600 + 3_900)), 0);
        assert_eq!(keyed.lately(key, at(1_000_000)), 0);
    }

    #[test]
    fn keys_are_bounded_and_what_counts_least_makes_room() {
        let mut keyed = Keyed::new(7);
        let key = |keyed: &Keyed, n: usize| keyed.key(Scope::Forwarder, PEER, &[&n.to_string()]);
        for n in 0..KEYS_MAX {
            let key = key(&keyed, n);
            keyed.count(key, at(if n % 2 == 0 { 0 } else { 600 }));
        }
        let more = key(&keyed, KEYS_MAX);
        keyed.count(more, at(700));
        assert!(keyed.sizes()[1] <= KEYS_MAX);
        assert_eq!(keyed.lately(more, at(700)), 1);
        assert_eq!(keyed.lately(key(&keyed, 1), at(700)), 1, "the newer half stays");
        // All of one age: an eighth goes, no more.
        let mut same = Keyed::new(7);
        for n in 0..=KEYS_MAX {
            let key = key(&same, n);
            same.count(key, at(0));
        }
        assert!(same.sizes()[1] >= KEYS_MAX / 8 * 7, "{:?}", same.sizes());
        for n in 0..BARS_MAX {
            let key = key(&keyed, n);
            keyed.bar(key, at(0), at(10 + n as u64));
        }
        let (first, last) = (key(&keyed, 0), key(&keyed, BARS_MAX));
        keyed.bar(last, at(1), at(600));
        assert_eq!(keyed.sizes()[2], BARS_MAX);
        assert_eq!((keyed.barred(first, at(1)), keyed.barred(last, at(1))), (None, Some(at(600))));
        assert_eq!(keyed.barred(last, at(600)), None);
    }

    #[test]
    fn a_gauge_without_room_is_full_until_one_is_given_back() {
        let mut keyed = Keyed::new(7);
        let gauges: Vec<_> = (0..KEYS_MAX)
            .map(|n| {
                let key = keyed.key(Scope::Forwarder, PEER, &[&n.to_string()]);
                let gauge = keyed.gauge(key).unwrap();
                gauge.fetch_add(1, Ordering::Relaxed);
                gauge
            })
            .collect();
        let more = keyed.key(Scope::Forwarder, PEER, &["more"]);
        assert!(keyed.gauge(more).is_none());
        gauges[0].fetch_sub(1, Ordering::Relaxed);
        assert!(keyed.gauge(more).is_some());
    }

    #[test]
    fn a_caller_is_known_by_its_last_digits() {
        for (number, expected) in [
            ("+37127913000", Some("127913000")),
            ("27913000", Some("27913000")),
            ("0037127913000", Some("127913000")),
            ("201", None),
            ("anonymous", None),
            ("", None),
            ("+", None),
            ("+1212555010x", None),
        ] {
            assert_eq!(tail(number), expected, "{number}");
        }
    }
}
