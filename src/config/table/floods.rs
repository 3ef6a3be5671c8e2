//! Keys of `floods`.
//!
//! Owns no reading. Read first: `mod.rs`; spec/limits.md, "TDoS".

use super::super::keys::{Key, Kind, Section};
use super::{NUMBERS_MAX, secs};

/// How floods of calls from trunks are met.
pub static FLOODS: Section = Section {
    name: "floods",
    keys: &[
        Key::value(
            "calls_per_minute",
            Kind::Count(1, 1_000_000),
            "10",
            "calls within a minute to one number that are no flood, whatever it is used to",
        ),
        Key::means(
            "trunk_calls_per_minute",
            Kind::Count(1, 1_000_000),
            "as many as calls_per_minute, or two for each channel of its site where that is more",
            "the same over one trunk; calls to a number that is flooded do not count",
        ),
        Key::value(
            "times",
            Kind::Count(2, 1_000),
            "4",
            "how many times what this hour of the week is used to is a flood",
        ),
        Key::value(
            "sustained",
            Kind::Time(secs(1), secs(3_600)),
            "30s",
            "how long calls must come so fast before each caller is held to a pace; where more than 80 % of the channels are taken, they need not",
        ),
        Key::value(
            "caller_per_minute",
            Kind::Count(1, 1_000),
            "3",
            "calls a minute of one caller while a flood is met (39401)",
        ),
        Key::value(
            "reserved",
            Kind::Count(0, 100),
            "30",
            "hundredths of the channels that are for callers who are known, once a flood lasts for 2 min or takes more than 80 % of the channels; past 95 % only those are let in",
        ),
        Key::value(
            "known_after",
            Kind::Time(secs(1), secs(3_600)),
            "30s",
            "who talked with the site for so long is known, and so is whom it called",
        ),
        Key::value("known_for", Kind::Time(secs(3_600), secs(31_536_000)), "90d", "for how long"),
        Key::value(
            "again_after",
            Kind::Time(secs(1), secs(3_600)),
            "20s",
            "who is not known then is let in at a second call, not sooner (39404)",
        ),
        Key::value("again_within", Kind::Time(secs(1), secs(86_400)), "5m", "and not later"),
        Key::value(
            "ring_max",
            Kind::Time(secs(5), secs(600)),
            "20s",
            "how long calls may ring while only callers who are known are let in",
        ),
        Key::value(
            "quiet",
            Kind::Time(secs(10), secs(86_400)),
            "5m",
            "how long it must be quiet for one step back",
        ),
        Key::means(
            "allow",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "nobody beside who helps and calls back within 4 h of an emergency call",
            "callers who are never held off, written as in routes",
        ),
        Key::means(
            "failover",
            Kind::List(&Kind::Reference("peers"), 1_000),
            "every trunk hears 480 or 486",
            "trunks that hear 503 with Retry-After instead, after which many carriers take the call elsewhere",
        ),
    ],
};
