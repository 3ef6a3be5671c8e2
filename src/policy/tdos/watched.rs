//! The numbers and trunks that are watched: how fast calls come to each, what it is used to, and where it stands.
//!
//! Owns the bound on how many there are, and what is told of each. Refuses to know callers. Read first: `level.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::baseline::Baseline;
use super::level::Level;
use super::{Alert, Code, Settings, code};
use crate::clock::{Now, Tick};
use crate::policy::alert::shortened;
use crate::policy::window::{self, Window};

/// Numbers and trunks at once. Past it an eighth goes: those that stand at no step, then those that nobody called the longest. Such
/// a number starts anew, with its trunk watched all the same.
pub const WATCHED_MAX: usize = 4_096;

/// Calls are counted over this time.
const MINUTE: Duration = Duration::from_secs(60);

/// Octets of one of them at most, with its name and its baseline.
const ENTRY_BYTES_MAX: usize = 1_024;

#[derive(Debug)]
struct Entry {
    trunk: Arc<str>,
    /// Empty for a trunk.
    number: Box<str>,
    rate: Window,
    limit: u32,
    baseline: Baseline,
    level: Level,
    /// Told before, for each kind of alert.
    told: [Option<Tick>; 2],
    /// Refused, and not told yet.
    untold: [u64; 2],
    refused: u64,
}

/// A flood that is met.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Flooded {
    /// The trunk it comes over.
    pub peer: String,
    /// The number called; `None` for the trunk as a whole.
    pub number: Option<String>,
    /// `pace`, `reserve` or `shut`.
    pub level: &'static str,
    /// Calls within the last minute.
    pub calls_per_minute: u64,
    /// How many are no flood.
    pub limit: u32,
    /// Calls refused.
    pub refused: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Watched(HashMap<u64, Entry>);

fn slice(now: Tick) -> u64 {
    window::slice(now.micros(), MINUTE)
}

/// Which of the kinds of alerts.
fn kind(code: Code) -> usize {
    usize::from(code == code::GREYLISTED)
}

impl Watched {
    /// Counts a call to a number, or over a trunk. Where it stands then, and whether calls come too fast. `limit` is how many a
    /// minute are no flood, whatever it is used to; `taken` the hundredths of the channels.
    pub fn count(
        &mut self,
        settings: &Settings,
        now: Now,
        (key, names): (u64, (&str, &str)),
        (limit, taken): (u32, u32),
    ) -> (Level, bool) {
        if !self.0.contains_key(&key) {
            self.make_room();
        }
        let entry = self.0.entry(key).or_insert_with(|| Entry::new(now.tick, names));
        entry.rate.add(slice(now.tick), 1);
        entry.limit = entry.baseline.limit(now.wall, limit, settings.times);
        let fast = entry.rate.sum(slice(now.tick)) > u64::from(entry.limit);
        entry.level = entry.level.rested(now.tick, settings.quiet).met(now.tick, fast, taken, settings);
        entry.baseline.count(now.wall, fast || entry.level.rank() > 0);
        (entry.level, fast)
    }

    fn make_room(&mut self) {
        if self.0.len() < WATCHED_MAX {
            return;
        }
        let rank = |key: u64, entry: &Entry| (entry.level.rank() > 0, entry.rate.newest(), key);
        let mut ranks: Vec<_> = self.0.iter().map(|(key, entry)| rank(*key, entry)).collect();
        let (_, last, _) = ranks.select_nth_unstable(WATCHED_MAX / 8);
        let last = *last;
        self.0.retain(|key, entry| rank(*key, entry) > last);
    }

    /// Where it stands.
    pub fn level(&self, settings: &Settings, now: Tick, key: u64) -> Level {
        self.0.get(&key).map(|entry| entry.level.rested(now, settings.quiet)).unwrap_or_default()
    }

    /// Tells of a flood, once in `every` for each kind; `refused` says that a call of it was refused, and under which code.
    pub fn tell(
        &mut self,
        now: Now,
        key: u64,
        refused: Option<Code>,
        every: Duration,
        alerts: &mut impl Extend<Box<Alert>>,
    ) {
        let Some(entry) = self.0.get_mut(&key) else { return };
        let code = refused.unwrap_or(code::DID_FLOOD);
        let refused = u64::from(refused.is_some());
        entry.refused = entry.refused.saturating_add(refused);
        let kind = kind(code);
        let (Some(told), Some(untold)) = (entry.told.get_mut(kind), entry.untold.get_mut(kind)) else {
            return;
        };
        *untold = untold.saturating_add(refused);
        if told.is_some_and(|told| now.tick < told.after(every)) {
            return;
        }
        *told = Some(now.tick);
        let count = std::mem::take(untold);
        alerts.extend([entry.alert(now, code, count)]);
    }

    /// Those that stand at a step, the worst first.
    pub fn met(&self, settings: &Settings, now: Tick, most: usize) -> Vec<Flooded> {
        let standing = |entry: &Entry| entry.level.rested(now, settings.quiet);
        let mut met: Vec<(&Entry, Level)> = self
            .0
            .values()
            .map(|entry| (entry, standing(entry)))
            .filter(|(_, level)| level.rank() > 0)
            .collect();
        met.sort_by(|(one, level), (other, than)| {
            let order = (than.rank(), other.refused).cmp(&(level.rank(), one.refused));
            order.then_with(|| (&one.trunk, &one.number).cmp(&(&other.trunk, &other.number)))
        });
        let told = |(entry, level): (&Entry, Level)| Flooded {
            peer: entry.trunk.to_string(),
            number: (!entry.number.is_empty()).then(|| entry.number.to_string()),
            level: level.name(),
            calls_per_minute: entry.rate.sum(slice(now)),
            limit: entry.limit,
            refused: entry.refused,
        };
        met.into_iter().take(most).map(told).collect()
    }

    /// Octets at most.
    pub fn bytes(&self) -> usize {
        self.0.len() * ENTRY_BYTES_MAX
    }
}

impl Entry {
    fn new(now: Tick, (trunk, number): (&str, &str)) -> Self {
        Self {
            trunk: Arc::from(trunk),
            number: shortened(number).into(),
            rate: Window::new(slice(now)),
            limit: 0,
            baseline: Baseline::default(),
            level: Level::default(),
            told: [None; 2],
            untold: [0; 2],
            refused: 0,
        }
    }

    fn alert(&self, now: Now, code: Code, count: u64) -> Box<Alert> {
        let calls = self.rate.sum(slice(now.tick));
        let what = if self.number.is_empty() {
            format!("{} brings", self.trunk)
        } else {
            format!("{} (over {}) gets", self.number.escape_debug(), self.trunk)
        };
        let then = match self.level {
            Level::Watch { .. } | Level::Pace { .. } => "each caller is held to a pace",
            Level::Reserve { .. } => {
                "channels are reserved for callers who are known, and all others must call twice"
            }
            Level::Shut { .. } => "only callers who are known are let in",
        };
        let text = format!(
            "{what} {calls} calls within a minute, more than the {} that are no flood: {then}. If these calls are wanted, raise \
             `floods.calls_per_minute`, or name the callers in `floods.allow`; else ask the carrier to hold them off.",
            self.limit
        );
        let mut alert = Alert::new(code, now.wall, text);
        alert.peer = Some(Arc::clone(&self.trunk));
        alert.to = (!self.number.is_empty()).then(|| self.number.to_string());
        alert.rule = Some(Arc::from("floods"));
        alert.count = count.max(1);
        alert.evidence.push(("level", self.level.name().to_owned()));
        alert.evidence.push(("calls_per_minute", calls.to_string()));
        alert.evidence.push(("limit", self.limit.to_string()));
        Box::new(alert)
    }
}
