//! Money, in millionths of a currency that is named elsewhere: no fraction is ever rounded away where it is read.
//!
//! Owns how a sum is read and written. Refuses to know currencies. Read first: nothing.

use std::fmt;

/// Millionths of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub u64);

/// One unit of a currency.
const UNIT: u64 = 1_000_000;

/// Units of the largest sum that is read: no sum of sums runs over.
pub const UNITS_MAX: u64 = 1_000_000_000;

impl Money {
    /// So many whole units.
    #[must_use]
    pub const fn units(units: u64) -> Self {
        Self(units.saturating_mul(UNIT))
    }

    /// Reads `30` or `2.50`, up to the millionth; `None` for anything else, and for more than `UNITS_MAX`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const PLACES: usize = 6;
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > PLACES {
            return None;
        }
        let whole: u64 = whole.parse().ok().filter(|whole| *whole <= UNITS_MAX)?;
        let places = u32::try_from(PLACES - part.len()).ok()?;
        let part: u64 = part.parse().ok()?;
        Some(Self(whole.saturating_mul(UNIT).saturating_add(part * 10_u64.pow(places))))
    }
}

impl fmt::Display for Money {
    /// At least two places, and as many as it has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / UNIT, self.0 % UNIT);
        let text = format!("{part:06}");
        let places = text.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{}", text.get(..places).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_exactly_and_written_as_it_was() {
        for (text, expected) in [
            ("30", Some((30_000_000, "30.00"))),
            ("2.5", Some((2_500_000, "2.50"))),
            ("0.000001", Some((1, "0.000001"))),
            ("0.0123", Some((12_300, "0.0123"))),
            ("1000000000", Some((1_000_000_000_000_000, "1000000000.00"))),
            ("1000000001", None),
            ("0.0000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,5", None),
        ] {
            let read = Money::read(text);
            assert_eq!(read.map(|money| money.0), expected.map(|(money, _)| money), "{text}");
            assert_eq!(
                read.map(|money| money.to_string()).as_deref(),
                expected.map(|(_, text)| text),
                "{text}"
            );
        }
    }
}
