//! Keys of the detectors.
//!
//! Owns no reading. Read first: `rules.rs`.

use super::super::keys::{Key, Kind, Section};
use super::rules::OBSERVED;
use super::secs;
use crate::policy::detect::RECENT_MAX;

/// No more is remembered.
const MOST: u64 = RECENT_MAX as u64;

/// Numbers of a block.
pub const SEQUENTIAL_NUMBERS: Key = Key::means(
    "sequential_numbers",
    Kind::Section(&SEQUENTIAL),
    "its defaults stand as soon as a peer has a dial plan",
    "numbers of one block that a site dials one after another (39304); under outbound alone",
);

/// Short calls.
pub const TEST_CALLS: Key = Key::means(
    "test_calls",
    Kind::Section(&TESTS),
    "its defaults stand as soon as a peer has a dial plan",
    "short answered calls of one caller to the same number (39305); under outbound alone",
);

/// Variants of a number.
pub const DIAL_PLAN_GUESSING: Key = Key::means(
    "dial_plan_guessing",
    Kind::Section(&GUESSING),
    "its defaults stand as soon as a peer has a dial plan",
    "ways of one caller or credential to dial the same last nine digits, what is refused counted too (39311); under outbound alone",
);

/// Calls back.
pub const CALLBACK_TRAP: Key = Key::means(
    "callback_trap",
    Kind::Section(&CALLBACK),
    "its defaults stand as soon as a peer has a dial plan",
    "calls back to blocks of numbers that rang shortly and hung up (39310); under outbound alone",
);

const fn warn(at: &'static str) -> Key {
    Key::value("warn", Kind::Count(1, MOST), at, "at how many an alert is raised")
}

const fn block(at: &'static str) -> Key {
    Key::value("block", Kind::Count(2, MOST), at, "at how many the call is refused and the bar begins")
}

const fn window(time: &'static str) -> Key {
    Key::value("window", Kind::Time(secs(1), secs(86_400)), time, "the time in which they are counted")
}

const fn bar(time: &'static str, who: &'static str) -> Key {
    Key::value("bar", Kind::Time(secs(1), secs(604_800)), time, who)
}

static SEQUENTIAL: Section = Section {
    name: "sequential_numbers",
    keys: &[
        Key::value("gap", Kind::Count(1, 9_999), "10", "how far apart two numbers of a row are at most"),
        warn("3"),
        block("5"),
        window("10m"),
        bar("1d", "for how long the block is refused then"),
        OBSERVED,
    ],
};

static TESTS: Section = Section {
    name: "test_calls",
    keys: &[
        Key::value(
            "short",
            Kind::Time(secs(1), secs(600)),
            "10s",
            "a call that lasts less from its answer is short",
        ),
        warn("3"),
        block("6"),
        window("5m"),
        bar("1d", "for how long the number is refused to that caller then"),
        OBSERVED,
    ],
};

static GUESSING: Section = Section {
    name: "dial_plan_guessing",
    keys: &[
        warn("5"),
        block("10"),
        window("1m"),
        bar("1h", "for how long that caller or credential is refused then"),
        OBSERVED,
    ],
};

static CALLBACK: Section = Section {
    name: "callback_trap",
    keys: &[
        Key::value(
            "ring",
            Kind::Time(secs(1), secs(60)),
            "6s",
            "an unanswered call from abroad or from a number of risk that rang for less opens a watch",
        ),
        Key::value(
            "watch",
            Kind::Time(secs(60), secs(2_592_000)),
            "3d",
            "for how long its block is watched: of risk high it is not called back, else once",
        ),
        Key::value(
            "max_duration",
            Kind::Time(secs(1), secs(86_400)),
            "1m",
            "how long that call may last from its answer",
        ),
        Key::value(
            "dids",
            Kind::Count(1, MOST),
            "3",
            "numbers of ours that one block rang so within an hour, at which an alert is raised",
        ),
        OBSERVED,
    ],
};
