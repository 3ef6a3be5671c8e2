//! When a request is said to come.
//!
//! Owns the two ways to write a moment. Refuses to know clocks: today is an argument. Read first: RFC 3339 §5.6.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Failed;
use crate::clock::Wall;
use crate::config::problem::printable;
use crate::policy::Policy;
use crate::policy::rules::Rule;

/// Counted as the calendar's weekdays are, from Sunday.
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Whose clock a weekday is read by: that of the first `hours` of the policy, or UTC where there is none.
pub fn zone(policy: &Policy) -> (&str, TimeZone) {
    let rules = &policy.rules;
    let all = rules.outbound.iter().chain(&rules.inbound).chain(&rules.internal);
    let mut found =
        all.filter_map(|entry| if let Rule::Hours(hours) = &entry.rule { Some(hours) } else { None });
    found.next().map_or(("UTC", TimeZone::UTC), |hours| (&*hours.zone_name, hours.zone.clone()))
}

/// Reads RFC 3339, or a weekday and a time of day in a zone: the next that comes. Gives the moment, and how it was meant where
/// that is not what is written.
pub fn read(
    text: &str,
    today: Wall,
    (name, zone): (&str, TimeZone),
) -> Result<(Wall, Option<String>), Failed> {
    if let Ok(at) = text.trim().parse::<Timestamp>() {
        return Ok((Wall::from_micros(at.as_microsecond()), None));
    }
    let at = weekday(text, today, zone).ok_or_else(|| {
        format!(
            "\"{}\" is no time: write \"Sat 02:00\" (the next that comes, by the clock of {name}) or RFC 3339, as \
             2026-12-05T02:00:00Z",
            printable(text)
        )
    })?;
    Ok((at, Some(format!("{} in {name}", printable(text.trim())))))
}

fn weekday(text: &str, today: Wall, zone: TimeZone) -> Option<Wall> {
    let (day, time) = text.trim().split_once(' ')?;
    let day = day.to_ascii_lowercase();
    let wanted = DAYS.iter().position(|known| day.len() >= 3 && day.starts_with(known))?;
    let (hours, minutes) = time.trim().split_once(':')?;
    let part = |text: &str| if text.len() <= 2 { text.parse::<i8>().ok() } else { None };
    let of_day = Time::new(part(hours)?, part(minutes)?, 0, 0).ok()?;
    let now = Timestamp::from_microsecond(today.micros()).ok()?;
    let here = now.to_zoned(zone.clone()).date();
    let ahead = (i8::try_from(wanted).ok()? - here.weekday().to_sunday_zero_offset()).rem_euclid(7);
    // A time that summer time leaves out is the one behind it; of one that comes twice, the first.
    let on = |days: i8| {
        let date = here.checked_add(Span::new().days(i64::from(days))).ok()?;
        Some(date.to_datetime(of_day).to_zoned(zone.clone()).ok()?.timestamp())
    };
    let first = on(ahead)?;
    let at = if first < now { on(ahead + 7)? } else { first };
    Some(Wall::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekday_is_the_next_that_comes_and_rfc_3339_is_what_it_says() {
        // A Monday, 05:45 in the morning.
        let today = Wall::from_micros(1_795_412_700_000_000);
        assert_eq!(today.rfc3339(), "2026-11-23T05:45:00.000Z");
        let riga = || jiff::tz::TimeZoneDatabase::bundled().get("Europe/Riga").unwrap();
        let (utc, riga) = (|| ("UTC", TimeZone::UTC), || ("Europe/Riga", riga()));
        for (text, at, there) in [
            ("Sat 02:00", "2026-11-28T02:00:00.000Z", "2026-11-28T00:00:00.000Z"),
            ("saturday 2:05", "2026-11-28T02:05:00.000Z", "2026-11-28T00:05:00.000Z"),
            ("Sat 01:00", "2026-11-28T01:00:00.000Z", "2026-11-27T23:00:00.000Z"),
            // It is 07:45 there.
            ("Mon 05:44", "2026-11-30T05:44:00.000Z", "2026-11-30T03:44:00.000Z"),
            ("Mon 05:45", "2026-11-23T05:45:00.000Z", "2026-11-30T03:45:00.000Z"),
            ("Mon 07:45", "2026-11-23T07:45:00.000Z", "2026-11-23T05:45:00.000Z"),
            ("Sun 23:59", "2026-11-29T23:59:00.000Z", "2026-11-29T21:59:00.000Z"),
            ("2026-12-05T02:00:00+02:00", "2026-12-05T00:00:00.000Z", "2026-12-05T00:00:00.000Z"),
        ] {
            for (zone, at) in [(utc(), at), (riga(), there)] {
                let (found, meant) = read(text, today, zone.clone()).unwrap();
                assert_eq!(found.rfc3339(), at, "{text} in {}", zone.0);
                assert_eq!(meant.is_some(), !text.starts_with('2'), "{text}");
            }
        }
        for text in
            ["", "Sat", "Sat 24:00", "Sat 02:60", "Someday 02:00", "Sat 02", "2026-12-05", "\u{1b}[2J"]
        {
            let failed = read(text, today, utc()).unwrap_err();
            assert!(failed.contains("is no time") && !failed.contains('\u{1b}'), "{failed}");
        }
    }
}
