//! When calls may be made: a week by the clock of a place, and its holidays (39308).
//!
//! Owns the schedule. The clock of the place goes by its own rules, summer time among them; which those are is fixed when the
//! policy is read. Refuses to read a clock. Read first: `destination.rs`; RFC 5545 §3.3.5 (local time).

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::destination::{is_home, listed_digits, number, passed, place};
use super::{Objection, Opinion, Question, code, named};
use crate::clock::Wall;
use crate::policy::number::Number;
use crate::policy::verdict::Saw;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;
/// Minutes of a week, which begins with Monday.
pub const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Its name, e.g. `America/New_York`.
    pub zone_name: Arc<str>,
    /// Its rules.
    pub zone: TimeZone,
    /// Minutes of the week from and to (the last not among them), in order, none touching another.
    pub open: Vec<(u16, u16)>,
    /// As written, for people.
    pub written: Vec<Box<str>>,
    /// Days that are closed, in order.
    pub holidays: Vec<Date>,
    /// Whether numbers of the home country, and codes and names that the dial plan lists, may be called at any time.
    pub home: bool,
}

impl Hours {
    /// Puts spans of the week in order; those that touch become one, and one past the end of Sunday goes on on Monday.
    #[must_use]
    pub fn week(spans: impl IntoIterator<Item = (u16, u16)>) -> Vec<(u16, u16)> {
        let wrap = |(from, to): (u16, u16)| {
            let over = to.checked_sub(WEEK_MINUTES).filter(|over| *over > 0).map(|over| (0, over));
            [Some((from, to.min(WEEK_MINUTES))), over]
        };
        let mut parts: Vec<(u16, u16)> = spans.into_iter().flat_map(wrap).flatten().collect();
        parts.sort_unstable();
        let mut out: Vec<(u16, u16)> = Vec::new();
        for (from, to) in parts {
            match out.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => out.push((from, to)),
            }
        }
        out
    }

    /// Whether it is open at a time. Seconds count to their minute; a time that the clock shows twice is open or closed both times.
    #[must_use]
    pub fn is_open(&self, at: Wall) -> bool {
        let Ok(at) = jiff::Timestamp::from_microsecond(at.micros()) else { return false };
        let local = self.zone.to_datetime(at);
        if self.holidays.binary_search(&local.date()).is_ok() {
            return false;
        }
        let part = |number: i8| u16::from(number.unsigned_abs());
        let day = part(local.weekday().to_monday_zero_offset());
        let minute = day * DAY_MINUTES + part(local.hour()) * 60 + part(local.minute());
        let after = self.open.partition_point(|(from, _)| *from <= minute);
        after.checked_sub(1).and_then(|last| self.open.get(last)).is_some_and(|(_, to)| minute < *to)
    }

    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        if self.is_open(question.facts.now.wall) {
            return Opinion::pass(Saw::Word("open"));
        }
        let read = number(question);
        if self.home && read.is_some_and(|(number, dialling)| is_home(number, dialling)) {
            return Opinion::pass(Saw::Word("home"));
        }
        let is_listed = matches!(question.facts.number, Some(Number::Short(_) | Number::Name(_)));
        if self.home && is_listed || listed_digits(question, passed(question)) > 0 {
            return Opinion::pass(Saw::Word("listed"));
        }
        let called = question.facts.called;
        let whither =
            read.map_or_else(String::new, |(number, dialling)| [" in ", &place(number, dialling)].concat());
        let text = format!(
            "{} called {called}{whither} outside the hours of {} ({}). Name the number in an `allowlist` if it may be called at any \
             time, or widen `open` of `hours`.",
            named(question),
            self.written.join(", "),
            self.zone_name
        );
        let told = format!("{called} may not be called at this hour");
        Opinion::refuse(Saw::Word("closed"), Objection::new(code::OUT_OF_HOURS, told, text))
    }

    pub(super) fn describe(&self) -> String {
        let holidays = match self.holidays.len() {
            0 => String::new(),
            1 => ", and not on 1 holiday".to_owned(),
            days => format!(", and not on {days} holidays"),
        };
        let outside = if self.home {
            "; at any time numbers of the dial plan's own country, what the plan lists by name, and what an allowlist names"
        } else {
            "; at any time what an allowlist names"
        };
        let minutes: u32 = self.open.iter().map(|(from, to)| u32::from(to - from)).sum();
        format!(
            "calls are made {} by the clock of {} ({} hours a week){holidays}{outside}; any other is refused (39308)",
            self.written.join(", "),
            self.zone_name,
            minutes / 60
        )
    }

    /// What `older` did not allow.
    pub(super) fn beyond(&self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        let within = |span: &(u16, u16)| older.open.iter().any(|old| old.0 <= span.0 && span.1 <= old.1);
        if self.zone_name != older.zone_name || !self.open.iter().all(within) {
            weaker.push(format!("{path} is open at other hours than before"));
        }
        if self.home && !older.home {
            weaker.push(format!("{path} lets numbers of the home country be called at any time"));
        }
        for day in older.holidays.iter().filter(|day| !self.holidays.contains(day)) {
            weaker.push(format!("{path} no longer knows {day} as a holiday"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, open: &[(u16, u16)], holidays: &[&str]) -> Hours {
        Hours {
            zone_name: zone.into(),
            zone: jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap(),
            open: Hours::week(open.iter().copied()),
            written: Vec::new(),
            holidays: holidays.iter().map(|day| day.parse().unwrap()).collect(),
            home: true,
        }
    }

    fn at(text: &str) -> Wall {
        Wall::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    const EIGHT_TO_SIX: [(u16, u16); 5] =
        [(480, 1080), (1920, 2520), (3360, 3960), (4800, 5400), (6240, 6840)];

    #[test]
    fn a_week_is_open_by_the_clock_of_the_place_in_summer_and_in_winter() {
        let office = hours("America/New_York", &EIGHT_TO_SIX, &["2026-12-25"]);
        #[rustfmt::skip]
        let table = [
            ("2026-11-23T12:59:59Z", false), // Monday, 07:59 EST
            ("2026-11-23T13:00:00Z", true),
            ("2026-11-23T22:59:59Z", true),
            ("2026-11-23T23:00:00Z", false),
            ("2026-07-06T11:59:59Z", false), // Monday, 07:59 EDT
            ("2026-07-06T12:00:00Z", true),
            ("2026-07-06T22:00:00Z", false),
            ("2026-11-22T15:00:00Z", false), // Sunday
            ("2026-12-24T15:00:00Z", true),
            ("2026-12-25T15:00:00Z", false), // a Friday, and a holiday
            ("2026-12-25T04:59:59Z", false), // Thursday evening there
            ("2026-12-28T15:00:00Z", true),
        ];
        for (time, expected) in table {
            assert_eq!(office.is_open(at(time)), expected, "{time}");
        }
    }

    /// Sunday, 2026-03-08, 02:00 to 03:00 was skipped in New York; on 2026-11-01 01:00 to 02:00 came twice.
    #[test]
    fn an_hour_that_is_skipped_is_missed_and_one_that_comes_twice_counts_twice() {
        let sunday = 6 * DAY_MINUTES;
        let early = hours("America/New_York", &[(sunday + 60, sunday + 150)], &[]); // 01:00 to 02:30
        #[rustfmt::skip]
        let table = [
            ("2026-03-08T05:59:00Z", false), ("2026-03-08T06:00:00Z", true), ("2026-03-08T06:59:59Z", true),
            ("2026-03-08T07:00:00Z", false), // 03:00 EDT
            ("2026-11-01T04:59:00Z", false), ("2026-11-01T05:00:00Z", true), ("2026-11-01T06:00:00Z", true),
            ("2026-11-01T07:29:00Z", true), ("2026-11-01T07:30:00Z", false),
        ];
        for (time, expected) in table {
            assert_eq!(early.is_open(at(time)), expected, "{time}");
        }
    }

    #[test]
    fn spans_are_put_in_order_and_past_sunday_comes_monday() {
        assert_eq!(Hours::week([(500, 600), (100, 200), (200, 300), (550, 580)]), [(100, 300), (500, 600)]);
        assert_eq!(Hours::week([(10_000, 10_200)]), [(0, 120), (10_000, 10_080)]);
        assert_eq!(Hours::week([(0, WEEK_MINUTES)]), [(0, WEEK_MINUTES)]);
        let always = hours("UTC", &[(0, WEEK_MINUTES)], &[]);
        assert!(always.is_open(at("2026-11-22T23:59:59Z")) && always.is_open(at("2026-11-23T00:00:00Z")));
    }
}
