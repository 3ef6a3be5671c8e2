//! How far a flood of calls to one number, or over one trunk, has come: the ladder and its steps.
//!
//! Owns when it goes up and down. Refuses to know what is counted, and what becomes of a call. Read first: spec/limits.md, "TDoS".

use std::time::Duration;

use super::Settings;
use crate::clock::Tick;

/// Hundredths of the channels in use above which a flood is met by the second step at once.
pub const CROWDED: u32 = 80;
/// The same of the third.
pub const CROWDED_OUT: u32 = 95;

/// The first step leads to the second when the flood goes on for so long.
const PACED_FOR: Duration = Duration::from_secs(120);

/// Where a number or a trunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// L0: it is watched. Since when calls come faster than they may.
    Watch {
        /// None while they do not.
        since: Option<Tick>,
    },
    /// L1: each caller is held to a pace.
    Pace {
        /// Since when.
        since: Tick,
        /// When calls came too fast last.
        last: Tick,
    },
    /// L2: a part of the channels is for callers who are known; the others must call twice.
    Reserve {
        /// When calls came too fast last.
        last: Tick,
    },
    /// L3: only callers who are known.
    Shut {
        /// When calls came too fast last while nearly all channels were taken.
        last: Tick,
    },
}

impl Default for Level {
    fn default() -> Self {
        Self::Watch { since: None }
    }
}

impl Level {
    /// 0 to 3.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Watch { .. } => 0,
            Self::Pace { .. } => 1,
            Self::Reserve { .. } => 2,
            Self::Shut { .. } => 3,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch { .. } => "watch",
            Self::Pace { .. } => "pace",
            Self::Reserve { .. } => "reserve",
            Self::Shut { .. } => "shut",
        }
    }

    /// Where it stands by now, when nothing came too fast any more: one step down for each quiet while.
    #[must_use]
    pub fn rested(self, now: Tick, quiet: Duration) -> Self {
        let over = |last: Tick| Some(last.after(quiet)).filter(|at| *at <= now);
        match self {
            Self::Watch { .. } => self,
            Self::Pace { last, .. } => match over(last) {
                Some(_) => Self::Watch { since: None },
                None => self,
            },
            Self::Reserve { last } => match over(last) {
                Some(at) => Self::Pace { since: at, last: at }.rested(now, quiet),
                None => self,
            },
            Self::Shut { last } => match over(last) {
                Some(at) => Self::Reserve { last: at }.rested(now, quiet),
                None => self,
            },
        }
    }

    /// Where it stands after one more call: whether calls come `too_fast`, and how many hundredths of the channels are taken.
    #[must_use]
    pub fn met(self, now: Tick, too_fast: bool, taken: u32, settings: &Settings) -> Self {
        if !too_fast {
            return match self {
                Self::Watch { .. } => Self::Watch { since: None },
                Self::Pace { .. } | Self::Reserve { .. } | Self::Shut { .. } => self,
            };
        }
        match self {
            Self::Watch { .. } | Self::Pace { .. } if taken > CROWDED => Self::Reserve { last: now },
            Self::Watch { since } => {
                let since = since.unwrap_or(now);
                if now.since(since) >= settings.sustained {
                    Self::Pace { since: now, last: now }
                } else {
                    Self::Watch { since: Some(since) }
                }
            }
            Self::Pace { since, .. } if now.since(since) >= PACED_FOR => Self::Reserve { last: now },
            Self::Pace { since, .. } => Self::Pace { since, last: now },
            Self::Reserve { .. } if taken > CROWDED_OUT => Self::Shut { last: now },
            Self::Reserve { .. } => Self::Reserve { last: now },
            Self::Shut { .. } if taken > CROWDED_OUT => Self::Shut { last: now },
            Self::Shut { last } => Self::Shut { last },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn f7_every_level_meets_every_sight() {
        let settings = Settings::default();
        let watch = Level::Watch { since: None };
        let seen = |since| Level::Watch { since: Some(at(since)) };
        let pace = |since, last| Level::Pace { since: at(since), last: at(last) };
        let reserve = |last| Level::Reserve { last: at(last) };
        let shut = |last| Level::Shut { last: at(last) };
        // From, at, too fast, taken, to.
        let table = [
            (watch, 10, false, 100, watch),
            (watch, 10, true, 80, seen(10)),
            (watch, 10, true, 81, reserve(10)),
            (seen(10), 39, true, 0, seen(10)),
            (seen(10), 40, true, 0, pace(40, 40)),
            (seen(10), 39, false, 100, watch),
            (pace(40, 40), 159, true, 0, pace(40, 159)),
            (pace(40, 40), 160, true, 0, reserve(160)),
            (pace(40, 40), 50, true, 81, reserve(50)),
            (pace(40, 40), 339, false, 100, pace(40, 40)),
            (pace(40, 40), 340, false, 100, watch),
            (reserve(160), 170, true, 95, reserve(170)),
            (reserve(160), 170, true, 96, shut(170)),
            (reserve(160), 459, false, 100, reserve(160)),
            (reserve(160), 460, false, 100, pace(460, 460)),
            (shut(170), 180, true, 96, shut(180)),
            (shut(170), 180, true, 95, shut(170)),
            (shut(170), 469, true, 0, shut(170)),
            (shut(170), 470, false, 0, reserve(470)),
            // Nobody called for long: one step for each quiet while, not for each call.
            (shut(170), 770, false, 0, pace(770, 770)),
            (shut(170), 1_070, false, 0, watch),
            (shut(170), 90_000, true, 0, seen(90_000)),
        ];
        for (from, second, too_fast, taken, to) in table {
            let met = from.rested(at(second), settings.quiet).met(at(second), too_fast, taken, &settings);
            assert_eq!(met, to, "{from:?} at {second}, too fast: {too_fast}, {taken} % taken");
        }
    }
}
