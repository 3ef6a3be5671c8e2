//! Keys of the rules and of what is done with strangers.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};
use super::super::lists::FILES_MAX;
use super::detectors::{CALLBACK_TRAP, DIAL_PLAN_GUESSING, SEQUENTIAL_NUMBERS, TEST_CALLS};
use super::{NUMBERS_MAX, secs};

/// The stages.
pub static POLICY: Section = Section {
    name: "policy",
    keys: &[
        Key::means(
            "screen",
            Kind::List(&Kind::OneOf(&SCREEN_RULES), 100),
            "methods, secure_transport, hop_limit, loops, foreign_host and replaces in their default form",
            "asked of every request of a peer before anything else; what is not named here stands all the same",
        ),
        Key::means(
            "outbound",
            Kind::List(&Kind::OneOf(&CALL_RULES), 100),
            "none",
            "asked of calls from inside to outside, and of transit calls",
        ),
        Key::means(
            "inbound",
            Kind::List(&Kind::OneOf(&CALL_RULES), 100),
            "none",
            "asked of calls from outside to inside, and of transit calls",
        ),
        Key::means(
            "internal",
            Kind::List(&Kind::OneOf(&CALL_RULES), 100),
            "none",
            "asked of calls from inside to inside",
        ),
    ],
};

/// Rules of `policy.screen`.
pub static SCREEN_RULES: Section = Section {
    name: "a screen rule",
    keys: &[Key::means(
        "hop_limit",
        Kind::Section(&HOP_LIMIT),
        "70 hops",
        "a way that is too long is a loop (483)",
    )],
};

static HOP_LIMIT: Section = Section {
    name: "hop_limit",
    keys: &[Key::value("vias", Kind::Count(1, 500), "70", "hops that a request may have behind it (32006)")],
};

/// Rules of the other stages.
pub static CALL_RULES: Section = Section {
    name: "a rule",
    keys: &[
        Key::means(
            "blocklist",
            Kind::Section(&BLOCKLIST),
            "nothing is blocked",
            "numbers that nobody may call (32203)",
        ),
        Key::means(
            "allowlist",
            Kind::Section(&ALLOWLIST),
            "nothing is allowed beyond the other rules",
            "numbers that may be called although a shorter prefix is refused by another rule about destinations; the longest entry counts, and of two equally long the one that blocks",
        ),
        Key::means(
            "countries",
            Kind::Section(&COUNTRIES),
            "of numbers read by a dial plan those of the plan's own country alone",
            "countries that may be called (32205)",
        ),
        Key::means(
            "number_types",
            Kind::Section(&NUMBER_TYPES),
            "of numbers read by a dial plan every kind named below is refused",
            "kinds of numbers that nobody may call (32203)",
        ),
        Key::means(
            "high_risk",
            Kind::Section(&HIGH_RISK),
            "of numbers read by a dial plan those behind prefixes of risk deny are refused, and at home those of risk high that are no place",
            "prefixes that fraud goes to, by the table that is built in (32203)",
        ),
        Key::means("hours", Kind::Section(&HOURS), "calls at any hour", "when calls may be made (39308)"),
        Key::means(
            "caller_blocklist",
            Kind::Section(&CALLER_BLOCKLIST),
            "nobody is barred",
            "callers from outside who are barred (32216); under inbound alone, as often as there are kinds of calls",
        ),
        Key::means(
            "anonymous_callers",
            Kind::Section(&ANONYMOUS_CALLERS),
            "they are let in",
            "refuses callers from outside who do not say who they are (32216, 433); under inbound alone",
        ),
        Key::means(
            "forwarded",
            Kind::Section(&FORWARDED),
            "its defaults stand",
            "calls that somebody here sends on to the outside (39306, 39307); under outbound alone",
        ),
        Key::means(
            "repeats",
            Kind::Section(&REPEATS),
            "its defaults stand",
            "calls that go round between the same two (39104); under outbound alone",
        ),
        SEQUENTIAL_NUMBERS,
        TEST_CALLS,
        DIAL_PLAN_GUESSING,
        CALLBACK_TRAP,
        Key::means(
            "concurrent_calls",
            Kind::Count(1, 1_000_000),
            "the peer's own cap alone",
            "calls at once of each calling peer while it places calls of this kind (10004)",
        ),
        Key::means(
            "max_duration",
            Kind::Time(secs(1), secs(86_400)),
            "4h",
            "how long a call may last from its answer; then both sides are ended (32015)",
        ),
    ],
};

static BLOCKLIST: Section = Section {
    name: "a blocklist",
    keys: &[
        Key::means(
            "prefixes",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "none",
            "numbers that begin so, as they are dialled",
        ),
        Key::means("numbers", Kind::List(&Kind::Number, NUMBERS_MAX), "none", "whole numbers or user names"),
        Key::means(
            "prefixes_file",
            Kind::Path,
            "none",
            "a file with one prefix a line; what follows \"# \" is a remark",
        ),
        RANGES,
        FILES,
        OBSERVED,
    ],
};

const OBSERVES: &[Kind] = &[Kind::Flag, Kind::Section(&OBSERVE)];
pub(super) const OBSERVED: Key = Key::value(
    "observe",
    Kind::Either(OBSERVES),
    "false",
    "whether it only judges and alerts; true lasts 14 days from the date of this file, and then it refuses",
);

const RANGES: Key = Key::means(
    "ranges",
    Kind::List(&Kind::Pattern, NUMBERS_MAX),
    "none",
    "from one international number to another",
);
const FILES: Key = Key::means(
    "files",
    Kind::List(&Kind::Path, FILES_MAX),
    "none",
    "files of international numbers, prefixes ending in * and ranges, one a line, or as CSV with a header of number, prefix, range, reason and expiry; a million entries each, two in all; a changed file is read by itself",
);

static ALLOWLIST: Section = Section {
    name: "an allowlist",
    keys: &[
        Key::means(
            "prefixes",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "none",
            "what international numbers begin with, with +",
        ),
        Key::means(
            "numbers",
            Kind::List(&Kind::Number, NUMBERS_MAX),
            "none",
            "whole international numbers, with +",
        ),
        RANGES,
        FILES,
    ],
};

static HOURS: Section = Section {
    name: "hours",
    keys: &[
        Key::required(
            "zone",
            Kind::Name,
            "whose clock counts, by its name in the IANA table; summer time is known",
        ),
        Key::required(
            "open",
            Kind::List(&Kind::Name, 100),
            "when everything may be called that the other rules allow; fri 22:00-06:00 ends on Saturday",
        ),
        Key::means(
            "holidays",
            Kind::List(&Kind::Date, 1_000),
            "none",
            "days that are closed from midnight to midnight",
        ),
        Key::value(
            "outside",
            Kind::Word(&["home", "listed"]),
            "home",
            "who may be called outside them: home is numbers of the dial plan's own country and the codes and names that it lists, beside what an allowlist names; listed is an allowlist alone",
        ),
        OBSERVED,
    ],
};

const FROM: Key = Key::means(
    "from",
    Kind::List(&Kind::Reference("peers"), 1_000),
    "of every peer",
    "on calls of these peers",
);
const CALLED: Key = Key::means(
    "called",
    Kind::List(&Kind::Pattern, NUMBERS_MAX),
    "to every number",
    "on calls to these numbers, written as in routes",
);

static CALLER_BLOCKLIST: Section = Section {
    name: "a blocklist of callers",
    keys: &[
        Key::means(
            "prefixes",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "none",
            "callers whose number begins so, as their trunk's dial plan reads it, or as it stands",
        ),
        Key::means("numbers", Kind::List(&Kind::Number, NUMBERS_MAX), "none", "whole numbers or user names"),
        Key::means(
            "patterns",
            Kind::List(&Kind::Number, NUMBERS_MAX),
            "none",
            "numbers in which x is any digit",
        ),
        Key::means(
            "prefixes_file",
            Kind::Path,
            "none",
            "a file with one prefix a line; what follows \"# \" is a remark",
        ),
        RANGES,
        FILES,
        Key::value(
            "answer",
            Kind::Word(&["decline", "unwanted"]),
            "decline",
            "what they hear: decline is 603, unwanted is 607 (RFC 8197), which their network may count as a complaint",
        ),
        FROM,
        CALLED,
        OBSERVED,
    ],
};

static ANONYMOUS_CALLERS: Section = Section { name: "anonymous_callers", keys: &[FROM, CALLED, OBSERVED] };

static COUNTRIES: Section = Section {
    name: "countries",
    keys: &[
        Key::means(
            "allow",
            Kind::List(&Kind::Pattern, 1_000),
            "the home country alone",
            "countries by their two letters, and prefixes with +; a prefix opens what is refused behind a shorter one",
        ),
        OBSERVED,
    ],
};

static FORWARDED: Section = Section {
    name: "forwarded",
    keys: &[
        Key::means(
            "allow",
            Kind::List(&Kind::Pattern, 1_000),
            "numbers of the home country alone",
            "countries by their two letters, and prefixes with +, that calls may be sent on to as well; what an allowlist names may be, too",
        ),
        Key::value(
            "risk",
            Kind::Word(&["deny", "high", "watch"]),
            "watch",
            "the lowest tier of risk that calls may not be sent on to: deny, high or watch",
        ),
        Key::value(
            "times",
            Kind::Count(1, 1_000),
            "3",
            "how often a call may have been sent on; once more is a loop (39104)",
        ),
        Key::value(
            "calls_at_once",
            Kind::Count(1, 1_000_000),
            "2",
            "calls at once that one number or extension sends on",
        ),
        Key::value("calls_per_hour", Kind::Count(1, 65_535), "10", "calls that it sends on within any hour"),
        Key::value(
            "max_duration",
            Kind::Time(secs(1), secs(86_400)),
            "1h",
            "how long such a call may last from its answer",
        ),
        OBSERVED,
    ],
};

static REPEATS: Section = Section {
    name: "repeats",
    keys: &[
        Key::value(
            "setups",
            Kind::Count(2, 16),
            "3",
            "calls between the same two within 30 s, sent on or to a number of the site's own, that are a loop when they live at once",
        ),
        Key::value("bar", Kind::Time(secs(1), secs(86_400)), "10m", "for how long the pair is refused then"),
    ],
};

/// The words of `number_types`.
pub const TYPES: &[&str] =
    &["premium", "shared_cost", "personal", "satellite", "international_networks", "pager"];

static NUMBER_TYPES: Section = Section {
    name: "number_types",
    keys: &[
        Key::value(
            "refuse",
            Kind::List(&Kind::Word(TYPES), 6),
            "[premium, shared_cost, personal, satellite, international_networks, pager]",
            "the kinds that are refused",
        ),
        OBSERVED,
    ],
};

static HIGH_RISK: Section = Section {
    name: "high_risk",
    keys: &[
        Key::value(
            "refuse",
            Kind::Word(&["deny", "high", "watch"]),
            "deny",
            "the lowest tier that is refused: deny, high or watch; high is refused by countries already unless its country is allowed, and at home (+1700) by this rule",
        ),
        OBSERVED,
    ],
};

/// An observation with its end.
pub static OBSERVE: Section = Section {
    name: "observe",
    keys: &[Key::required(
        "until",
        Kind::Date,
        "the last day (UTC) of only observing; past it the rule refuses",
    )],
};

/// Strangers and bursts.
pub static STRANGERS: Section = Section {
    name: "strangers",
    keys: &[
        Key::value(
            "ban_after",
            Kind::Count(1, 1_000_000),
            "20",
            "packets of one stranger (of IPv6: one /64) within ban_window before it is banned; datagrams and streams count apart, and datagrams, which can be forged, earn a ban of datagrams to that listener alone",
        ),
        Key::value(
            "ban_window",
            Kind::Time(secs(1), secs(3_600)),
            "1m",
            "the time in which they are counted",
        ),
        Key::value(
            "ban_first",
            Kind::Time(secs(10), secs(86_400)),
            "15m",
            "how long the first ban lasts; each further one twice as long",
        ),
        Key::value("ban_max", Kind::Time(secs(10), secs(2_592_000)), "1d", "the longest ban"),
        Key::value(
            "bans",
            Kind::Count(16, 4_000_000),
            "16384",
            "bans at once; the one that ends soonest makes room, but none that streams earned for one of datagrams",
        ),
        Key::value(
            "strangers",
            Kind::Count(16, 16_000_000),
            "65536",
            "strangers whose packets are counted at once",
        ),
        Key::value(
            "samples_per_second",
            Kind::Count(0, 10_000),
            "10",
            "strangers' packets that are read at all, so that alerts can tell what they wanted",
        ),
        Key::value(
            "repeat",
            Kind::Time(secs(1), secs(86_400)),
            "15m",
            "the same stranger is told again after",
        ),
        Key::value(
            "fold",
            Kind::Time(secs(1), secs(3_600)),
            "10s",
            "alerts of strangers are written at most so often",
        ),
        Key::value(
            "told",
            Kind::Count(1, 1_000),
            "16",
            "strangers told one by one each time; the others are one sum",
        ),
        Key::value(
            "over_bucket_answers_per_second",
            Kind::Count(0, 100_000),
            "50",
            "answers to a peer that sends more than its requests_per_second; above it there are none",
        ),
    ],
};
