//! The caps that stand where the policy file says nothing else.
//!
//! Owns the table. Read first: spec/limits.md, "Defaults".

use std::sync::Arc;
use std::time::Duration;

use super::{Amount, Lasting, Limit, Limits, Per, Span, What};
use crate::policy::rates::Class;

/// One unit of money.
const UNIT: u64 = 1_000_000;
/// A minute.
const MINUTE: u64 = 60;

/// Of what, what, of whom, told from, at most.
type Row = (Class, What, Per, Amount, Amount);

const fn row(of: Class, what: What, per: Per, warn: u64, block: u64) -> Row {
    (of, what, per, Amount::Fixed(warn), Amount::Fixed(block))
}

const ROWS: [Row; 14] = [
    (Class::Home, What::Calls(Span::Minute), Per::Site, Amount::EachChannel(2), Amount::EachChannel(4)),
    row(Class::Home, What::Calls(Span::Minute), Per::Caller, 6, 12),
    row(Class::Home, What::Spend(Span::Day), Per::Site, 15 * UNIT, 30 * UNIT),
    row(Class::Home, What::Spend(Span::Day), Per::Caller, 5 * UNIT, 10 * UNIT),
    row(Class::Home, What::SpendClosed(Span::Hour), Per::Site, 2 * UNIT, 5 * UNIT),
    row(Class::International, What::AtOnce, Per::Site, 2, 4),
    row(Class::International, What::AtOnce, Per::Caller, 1, 2),
    row(Class::International, What::Calls(Span::Minute), Per::Caller, 2, 4),
    row(Class::International, What::Calls(Span::Hour), Per::Caller, 8, 20),
    row(Class::International, What::Calls(Span::Day), Per::Caller, 20, 60),
    row(Class::International, What::NewNumbers(Span::Day), Per::Caller, 5, 15),
    row(Class::International, What::Minutes(Span::Day), Per::Site, 120 * MINUTE, 300 * MINUTE),
    row(Class::International, What::Minutes(Span::Day), Per::Caller, 30 * MINUTE, 90 * MINUTE),
    row(Class::HighRisk, What::AtOnce, Per::DestinationBlock, 1, 2),
];

const LASTING: [(Class, u64); 3] = [(Class::Home, 4), (Class::International, 2), (Class::HighRisk, 1)];

/// What a measure is called in the YAML.
#[must_use]
pub fn measure(what: What) -> &'static str {
    match what {
        What::AtOnce => "calls_at_once",
        What::Calls(Span::Second) => "calls_per_second",
        What::Calls(Span::Minute) => "calls_per_minute",
        What::Calls(Span::Hour) => "calls_per_hour",
        What::Calls(Span::Day) => "calls_per_day",
        What::Calls(Span::Month) => "calls_per_month",
        What::NewNumbers(Span::Second | Span::Minute | Span::Hour) => "new_numbers_per_hour",
        What::NewNumbers(Span::Day) => "new_numbers_per_day",
        What::NewNumbers(Span::Month) => "new_numbers_per_month",
        What::Minutes(Span::Second | Span::Minute | Span::Hour) => "minutes_per_hour",
        What::Minutes(Span::Day) => "minutes_per_day",
        What::Minutes(Span::Month) => "minutes_per_month",
        What::Spend(Span::Second | Span::Minute | Span::Hour) => "spend_per_hour",
        What::Spend(Span::Day) => "spend_per_day",
        What::Spend(Span::Month) => "spend_per_month",
        What::SpendClosed(_) => "spend_per_hour_closed",
    }
}

/// Every measure that a cap may be about.
pub const MEASURES: [What; 14] = [
    What::AtOnce,
    What::Calls(Span::Second),
    What::Calls(Span::Minute),
    What::Calls(Span::Hour),
    What::Calls(Span::Day),
    What::NewNumbers(Span::Hour),
    What::NewNumbers(Span::Day),
    What::Minutes(Span::Hour),
    What::Minutes(Span::Day),
    What::Minutes(Span::Month),
    What::Spend(Span::Hour),
    What::Spend(Span::Day),
    What::Spend(Span::Month),
    What::SpendClosed(Span::Hour),
];

/// What calls of a class are called in the YAML.
#[must_use]
pub const fn class(of: Class) -> &'static str {
    match of {
        Class::Home => "outbound",
        Class::International => "international",
        Class::HighRisk => "high_risk",
    }
}

/// The path of a cap.
#[must_use]
pub fn path(of: Class, what: What, per: Per) -> Arc<str> {
    Arc::from(format!("caps.{}.{}.{}", class(of), measure(what), per.name()))
}

impl Limits {
    /// What stands where the policy file says nothing else.
    #[must_use]
    pub fn standing() -> Self {
        let cap = |(of, what, per, warn, block): Row| Limit {
            id: path(of, what, per),
            path: path(of, what, per),
            of,
            what,
            per,
            warn: Some(warn),
            block,
        };
        let lasting = |(of, hours): (Class, u64)| Lasting {
            path: Arc::from(format!("longest_calls.{}", class(of))),
            of,
            duration_max: Duration::from_secs(hours * 3_600),
        };
        Self { caps: ROWS.map(cap).into(), lasting: LASTING.map(lasting).into() }
    }
}
