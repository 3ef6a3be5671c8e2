//! Time as the core sees it: a monotonic tick for every decision and a wall time for what people read.
//!
//! Owns `Tick`, `Wall` and `Now`. The only file that reads a clock; everything else is handed a `Now`.
//! Read first: nothing; it stands on floor 0.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic microseconds since the process (or the simulation) began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(u64);

impl Tick {
    /// The beginning of time.
    pub const ZERO: Self = Self(0);

    /// A tick from microseconds since the beginning.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the beginning.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The tick `duration` later; stays at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Microseconds since 1970-01-01T00:00:00Z, for records and alerts only; no decision rests on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(i64);

impl Wall {
    /// A wall time from microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// RFC 3339 in UTC with milliseconds, e.g. `2026-11-21T23:45:00.123Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map(|at| format!("{at:.3}"))
            .unwrap_or_else(|_| "1970-01-01T00:00:00.000Z".to_owned())
    }
}

/// One reading of the clock: taken once for each wake-up of the loop and handed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// What timers and limits go by.
    pub tick: Tick,
    /// What records show.
    pub wall: Wall,
}

/// Reads the machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock whose tick zero is this moment.
    #[must_use]
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        let tick = Tick::ZERO.after(self.began.elapsed());
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { tick, wall: Wall(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)) }
    }

    /// The machine's instant for a tick, to sleep until it.
    #[must_use]
    pub fn instant(&self, tick: Tick) -> Instant {
        self.began.checked_add(Duration::from_micros(tick.0)).unwrap_or(self.began)
    }
}
