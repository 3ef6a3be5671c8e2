//! Time as the core sees it: a monotonic tick for every decision and a wall time for what people read.
//!
//! Owns `Tick`, `Wall` and `Now`. The only file that reads a clock; everything else is handed a `Now`.
//! Read first: nothing; it stands on floor 0.

use std::num::NonZeroU64;
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

    /// The first multiple of `step` microseconds that is not before it.
    #[must_use]
    pub const fn up_to(self, step: NonZeroU64) -> Self {
        match self.0.checked_next_multiple_of(step.get()) {
            Some(micros) => Self(micros),
            None => Self(u64::MAX),
        }
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
        let mut text = Vec::with_capacity(EPOCH.len());
        self.rfc3339_into(&mut text);
        // Digits and signs.
        String::from_utf8(text).unwrap_or_default()
    }

    /// Adds the same to a line. Several of these stand in each, so they are written digit by digit.
    pub fn rfc3339_into(self, out: &mut Vec<u8>) {
        let Ok(at) = jiff::Timestamp::from_microsecond(self.0) else {
            return out.extend_from_slice(EPOCH.as_bytes());
        };
        let civil = jiff::tz::Offset::UTC.to_datetime(at);
        let Ok(year @ 0..=9999) = u32::try_from(civil.year()) else {
            return out.extend_from_slice(format!("{at:.3}").as_bytes());
        };
        let part = |number: i8| u32::from(number.unsigned_abs());
        let millis = u32::from(civil.millisecond().unsigned_abs());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (end, number) in [
            (4, year),
            (7, part(civil.month())),
            (10, part(civil.day())),
            (13, part(civil.hour())),
            (16, part(civil.minute())),
            (19, part(civil.second())),
            (23, millis),
        ] {
            digits(text.get_mut(..end).unwrap_or_default(), number);
        }
        out.extend_from_slice(&text);
    }
}

/// The beginning of wall time.
const EPOCH: &str = "1970-01-01T00:00:00.000Z";

/// Writes a number's digits over the zeros that end a text.
fn digits(text: &mut [u8], number: u32) {
    let mut rest = number;
    for place in text.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
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

    /// Reads the monotonic clock alone.
    #[must_use]
    pub fn tick(&self) -> Tick {
        Tick::ZERO.after(self.began.elapsed())
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        let tick = self.tick();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { tick, wall: Wall(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)) }
    }

    /// The machine's instant for a tick, to sleep until it.
    #[must_use]
    pub fn instant(&self, tick: Tick) -> Instant {
        self.began.checked_add(Duration::from_micros(tick.0)).unwrap_or(self.began)
    }
}

/// Units of written durations, larger ones first, in milliseconds.
pub const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration as people write it (`1h30m`), and as the policy file reads it.
#[must_use]
pub fn time_text(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (name, scale) in TIME_UNITS {
        let number = rest.checked_div(scale).unwrap_or(0);
        if number > 0 {
            out.push_str(&format!("{number}{name}"));
            rest = rest.checked_rem(scale).unwrap_or(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (micros, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_304_700_123_999, "2026-11-21T23:45:00.123Z"),
            (951_782_399_000_001, "2000-02-28T23:59:59.000Z"),
            (951_868_799_999_999, "2000-02-29T23:59:59.999Z"),
            (-1_000, "1969-12-31T23:59:59.999Z"),
            (253_402_207_200_000_000, "9999-12-30T22:00:00.000Z"),
            (i64::MAX, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Wall::from_micros(micros).rfc3339(), written, "{micros}");
        }
        for micros in (0..4_000_000_000_000_000).step_by(98_765_432_123_457) {
            let at = jiff::Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(Wall::from_micros(micros).rfc3339(), format!("{at:.3}"));
        }
    }
}
