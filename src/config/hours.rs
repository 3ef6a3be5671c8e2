//! `hours:` of a rule as it is written: a zone, spans of the week, holidays.
//!
//! Owns these words. The zones are those of the table that is built in, so that the same policy means the same everywhere.
//! Refuses to know what time it is. Read first: `policy/rules/hours.rs`.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::fields::Fields;
use super::problem::{Cause, quoted};
use crate::policy::rules::Hours;
use crate::policy::rules::hours::{DAY_MINUTES, WEEK_MINUTES};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Who may be called outside the hours.
const OUTSIDE: [(&str, bool); 2] = [("home", true), ("listed", false)];

/// Reads `hours:`.
pub fn hours(fields: &Fields<'_>) -> Option<Hours> {
    let zone = fields.checked("zone", zone);
    let spans = fields.words("open", |text| spans(text).map(|spans| (Box::<str>::from(text), spans)));
    let written = spans.iter().map(|((text, _), _)| text.clone()).collect();
    let open = Hours::week(spans.into_iter().flat_map(|((_, spans), _)| spans));
    let mut holidays: Vec<Date> = fields.words("holidays", day).into_iter().map(|(day, _)| day).collect();
    holidays.sort_unstable();
    holidays.dedup();
    let home = fields.choice("outside", &OUTSIDE).unwrap_or(true);
    let (zone_name, zone) = zone?;
    Some(Hours { zone_name, zone, open, written, holidays, home })
}

fn zone(text: &str) -> Result<(Arc<str>, TimeZone), Cause> {
    let found = TimeZoneDatabase::bundled().get(text);
    let name = |zone: TimeZone| (zone.iana_name().map_or_else(|| Arc::from(text), Arc::from), zone);
    found.map(name).map_err(|_| {
        let cause = Cause::new(format!("{} is no time zone", quoted(text)));
        cause.cure("write its name in the IANA table, as Europe/Riga or America/New_York")
    })
}

fn day(text: &str) -> Result<Date, Cause> {
    let read = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let cause = || Cause::new(format!("{} is not a date", quoted(text))).cure("write it as 2026-12-25");
    read.ok_or_else(cause)
}

/// `mon-fri 08:00-18:00`, in minutes of the week; `fri 22:00-06:00` ends on Saturday.
fn spans(text: &str) -> Result<Vec<(u16, u16)>, Cause> {
    let unreadable = || {
        let cause = Cause::new(format!("{} is no time of the week", quoted(text)));
        cause.cure(
            "write days and times as \"mon-fri 08:00-18:00\" or \"sat 09:00-13:00\"; a day ends at 24:00",
        )
    };
    let (days, times) = text.split_once(' ').ok_or_else(unreadable)?;
    let place = |day: &str| DAYS.iter().position(|known| day.eq_ignore_ascii_case(known));
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (place(first).ok_or_else(unreadable)?, place(last).ok_or_else(unreadable)?);
    let (from, to) = times.trim().split_once('-').ok_or_else(unreadable)?;
    let (from, to) = (minute(from).ok_or_else(unreadable)?, minute(to).ok_or_else(unreadable)?);
    if from == to || from == DAY_MINUTES {
        return Err(unreadable());
    }
    // From Saturday to Monday are three days.
    let count = (last + DAYS.len() - first) % DAYS.len() + 1;
    let length = if to > from { to - from } else { to + DAY_MINUTES - from };
    let one = |day: usize| {
        let begin = u16::try_from((first + day) % DAYS.len()).unwrap_or(0) * DAY_MINUTES + from;
        (begin, (begin + length).min(2 * WEEK_MINUTES))
    };
    Ok((0..count).map(one).collect())
}

/// Minutes of a day, of five characters.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |part: &str| part.parse::<u16>().ok().filter(|_| part.len() == 2 && !part.starts_with('+'));
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60).then_some(hour * 60 + minute).filter(|all| hour <= 24 && *all <= DAY_MINUTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_week_are_read() {
        let day = |day: u16, from: u16, to: u16| (day * 1440 + from, day * 1440 + to);
        for (text, expected) in [
            ("sat 09:00-13:00", vec![day(5, 540, 780)]),
            ("mon-tue 08:00-18:30", vec![day(0, 480, 1110), day(1, 480, 1110)]),
            ("sat-mon 00:00-24:00", vec![day(5, 0, 1440), day(6, 0, 1440), day(0, 0, 1440)]),
            ("Fri 22:00-06:00", vec![day(4, 1320, 1800)]),
        ] {
            assert_eq!(spans(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "mon",
            "mon-xxx 08:00-18:00",
            "08:00-18:00",
            "mon 8:00-18:00",
            "mon 08:00-24:01",
            "mon 08:00",
            "mon 08:60-18:00",
            "mon 08:00-08:00",
            "mon 24:00-06:00",
            "mon +8:00-18:00",
        ] {
            assert!(spans(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_are_those_of_the_table() {
        assert_eq!(&*zone("Europe/Riga").unwrap().0, "Europe/Riga");
        for text in ["", "Riga", "Europe/Atlantis", "+02:00"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }
}
