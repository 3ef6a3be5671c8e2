//! When a request is said to come.
//!
//! Owns the two ways to write a moment. Refuses to know clocks: today is an argument. Read first: RFC 3339 §5.6.

use super::Failed;
use crate::clock::Wall;
use crate::config::problem::printable;

const DAY_MICROS: i64 = 86_400_000_000;
/// 1970-01-01 was a Thursday.
const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];

/// Reads RFC 3339, or a weekday and a time of day in UTC: the next that comes.
pub fn read(text: &str, today: Wall) -> Result<Wall, Failed> {
    if let Ok(at) = text.trim().parse::<jiff::Timestamp>() {
        return Ok(Wall::from_micros(at.as_microsecond()));
    }
    weekday(text, today).ok_or_else(|| {
        format!(
            "\"{}\" is no time: write \"Sat 02:00\" (UTC, the next that comes) or RFC 3339, as 2026-12-05T02:00:00Z",
            printable(text)
        )
    })
}

fn weekday(text: &str, today: Wall) -> Option<Wall> {
    let (day, time) = text.trim().split_once(' ')?;
    let day = day.to_ascii_lowercase();
    let wanted = DAYS.iter().position(|known| day.len() >= 3 && day.starts_with(known))?;
    let (hours, minutes) = time.trim().split_once(':')?;
    let part = |text: &str, most: i64| {
        text.parse::<u8>().ok().map(i64::from).filter(|number| *number <= most && text.len() <= 2)
    };
    let of_day = part(hours, 23)? * 3_600_000_000 + part(minutes, 59)? * 60_000_000;
    let midnight = today.micros().div_euclid(DAY_MICROS);
    let ahead = (i64::try_from(wanted).ok()? - midnight.rem_euclid(7)).rem_euclid(7);
    let at = (midnight + ahead) * DAY_MICROS + of_day;
    Some(Wall::from_micros(if at < today.micros() { at + 7 * DAY_MICROS } else { at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekday_is_the_next_that_comes_and_rfc_3339_is_what_it_says() {
        // A Monday, 05:45 in the morning.
        let today = Wall::from_micros(1_795_412_700_000_000);
        assert_eq!(today.rfc3339(), "2026-11-23T05:45:00.000Z");
        for (text, at) in [
            ("Sat 02:00", "2026-11-28T02:00:00.000Z"),
            ("saturday 2:05", "2026-11-28T02:05:00.000Z"),
            ("Mon 05:44", "2026-11-30T05:44:00.000Z"),
            ("Mon 05:45", "2026-11-23T05:45:00.000Z"),
            ("Sun 23:59", "2026-11-29T23:59:00.000Z"),
            ("2026-12-05T02:00:00+02:00", "2026-12-05T00:00:00.000Z"),
        ] {
            assert_eq!(read(text, today).map(Wall::rfc3339).as_deref(), Ok(at), "{text}");
        }
        for text in
            ["", "Sat", "Sat 24:00", "Sat 02:60", "Someday 02:00", "Sat 02", "2026-12-05", "\u{1b}[2J"]
        {
            let failed = read(text, today).unwrap_err();
            assert!(failed.contains("is no time") && !failed.contains('\u{1b}'), "{failed}");
        }
    }
}
