//! The keys of `caps` and `longest_calls`.
//!
//! Owns their part of the key table. Read first: `../keys.rs`; spec/limits.md.

use super::secs;
use crate::config::keys::{Key, Kind, Section};

/// The classes of calls, the widest first.
pub const CLASSES: &[&str] = &["outbound", "international", "high_risk"];

/// What may be counted.
pub const MEASURES: &[&str] = &[
    "calls_at_once",
    "calls_per_second",
    "calls_per_minute",
    "calls_per_hour",
    "calls_per_day",
    "new_numbers_per_hour",
    "new_numbers_per_day",
    "minutes_per_hour",
    "minutes_per_day",
    "minutes_per_month",
    "spend_per_hour",
    "spend_per_day",
    "spend_per_month",
    "spend_per_hour_closed",
];

/// Of whom.
pub const SCOPES: &[&str] =
    &["site", "peer", "credential", "caller", "called_number", "destination_block", "country"];

/// One cap.
pub static CAP: Section = Section {
    name: "a cap",
    keys: &[
        Key::required(
            "count",
            Kind::Word(MEASURES),
            "what is counted; every while slides, a month is 30 days, and closed is out of the hours of the policy",
        ),
        Key::value(
            "of",
            Kind::Word(CLASSES),
            "outbound",
            "of which calls: all that leave for the world, those abroad, or those of high risk",
        ),
        Key::required("per", Kind::Word(SCOPES), "of whom"),
        Key::means(
            "warn",
            Kind::Name,
            "nothing is told before it blocks",
            "from here on it is told, once each time that it is reached",
        ),
        Key::required(
            "block",
            Kind::Name,
            "the most: past it calls are refused, and live ones ended where minutes or money run out (10004, 32001, 39301, 39302); \"4 per channel\" counts the channels of the site, none takes a cap away that stands by default",
        ),
    ],
};

/// What calls cost.
pub static RATES: Section = Section {
    name: "rates",
    keys: &[
        Key::means(
            "deck",
            Kind::Path,
            "two rates stand for all prices",
            "the prices of your trunk: a CSV with the columns prefix, price_per_minute, connect_fee, increment (60/60), currency and name; a changed file is read by itself, and a prefix that it does not know costs its dearest",
        ),
        Key::value(
            "currency",
            Kind::Name,
            "USD",
            "what prices and budgets are written in, by its three letters",
        ),
        Key::value(
            "home_rate",
            Kind::Name,
            "0.02",
            "what a minute costs to geographic, mobile and toll-free numbers of the home country, without a deck",
        ),
        Key::value(
            "other_rate",
            Kind::Name,
            "3",
            "what a minute costs to anything else, without a deck, and wherever a peer without a dial plan calls",
        ),
    ],
};

/// How long calls may last.
pub static LONGEST: Section = Section {
    name: "longest_calls",
    keys: &[
        Key::value("outbound", Kind::Time(secs(1), secs(86_400)), "4h", "every call to the outside"),
        Key::value("international", Kind::Time(secs(1), secs(86_400)), "2h", "calls abroad"),
        Key::value("high_risk", Kind::Time(secs(1), secs(86_400)), "1h", "calls to numbers of high risk"),
    ],
};
