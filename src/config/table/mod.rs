//! The key table: every key of the policy file, what it takes, what leaving it out means, and why it is there.
//!
//! The one source of truth for the reader, the schema and `config/reference.yaml` (a test holds them together).
//! Refuses to know how values are read. Read first: `keys.rs`.

mod caps;
mod cast;
mod detectors;
mod floods;
mod media;
mod routes;
mod rules;
mod secret;
mod shell;
mod standing;

use std::time::Duration;

use super::keys::{Key, Kind, Section};
use super::plans::{PLAN, PLANS_MAX};

/// Listeners, peers, sites and routes, each.
pub const ENTRIES_MAX: usize = 1_000;
/// Networks of one peer.
pub const SOURCES_MAX: usize = 10_000;
/// Targets of one peer or route.
pub const TARGETS_MAX: usize = 32;
/// Names among the targets of all peers; each is asked of DNS again and again.
pub const NAMES_MAX: usize = 1_000;
/// Credentials of one peer.
pub const CREDENTIALS_MAX: usize = 1_000;
/// Numbers of one list.
pub const NUMBERS_MAX: usize = 100_000;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `allow` or `refuse`.
pub const ALLOW_REFUSE: &[&str] = &["allow", "refuse"];
const TRANSPORTS: Kind = Kind::List(&Kind::Word(&["udp", "tcp", "tls"]), 3);
const SINK: Kind = Kind::Either(&[Kind::Word(&["stdout", "discard"]), Kind::Section(&FILE_SINK)]);

pub use caps::CAP;
pub use cast::{CERTIFICATE, REFUSAL, REFUSAL_PRESETS};
pub use media::PEER_MEDIA;
pub use routes::{ROUTE, ROUTE_TARGET};
pub use rules::{CALL_RULES, OBSERVE, SCREEN_RULES};
pub use secret::{CREDENTIAL, HA1, PASSWORD};
pub use shell::FILE_SINK;

use caps::{LONGEST, RATES};
use cast::{LISTENER, PEER, SITE};
use floods::FLOODS;
use media::MEDIA;

/// The names of a peer's keys.
#[cfg(test)]
pub fn peer_keys() -> impl Iterator<Item = &'static str> {
    PEER.keys.iter().map(|key| key.name)
}

use rules::{POLICY, STRANGERS};
use shell::{DNS, LIMITS, STORE, STREAMS, TIMERS};

/// The whole file.
pub static ROOT: Section = Section {
    name: "the policy file",
    keys: &[
        Key::required(
            "listeners",
            Kind::Named(&LISTENER, ENTRIES_MAX),
            "where the edge is reached; nothing is listened on that is not named here",
        ),
        Key::required(
            "peers",
            Kind::Named(&PEER, ENTRIES_MAX),
            "the PBXs and trunks; whoever is not listed here is a stranger and hears nothing",
        ),
        Key::required("sites", Kind::Named(&SITE, ENTRIES_MAX), "who owns which peers, numbers and channels"),
        Key::means(
            "dial_plans",
            Kind::Named(&PLAN, PLANS_MAX),
            "numbers are taken as they are dialled",
            "how machines dial, by name: with its plan a peer's numbers are read before anything judges them",
        ),
        Key::required(
            "routes",
            Kind::List(&Kind::Section(&ROUTE), ENTRIES_MAX),
            "which calls may go where; a call that no route matches is refused",
        ),
        Key::means(
            "media",
            Kind::Section(&MEDIA),
            "media is not anchored: what two peers agree on crosses past this edge, unseen",
            "where media is received, so that every stream passes this edge; another place waits for a restart",
        ),
        Key::means(
            "policy",
            Kind::Section(&POLICY),
            "nothing but what always stands: methods, encryption, hops, loops, foreign hosts, 4 h a call",
            "the rules, each stage asked in order",
        ),
        Key::value(
            "on_reload",
            Kind::Word(&["keep", "rejudge"]),
            "keep",
            "what becomes of live calls when a policy is put in force: keep lets them finish under the one that admitted them, rejudge ends those that the new one forbids (never an emergency call)",
        ),
        Key::means(
            "caps",
            Kind::Either(&[Kind::List(&Kind::Section(&CAP), 1_000), Kind::Word(&["none"])]),
            "those of the table below; one that is written stands in the place of the same of these, and the others stand",
            "how many calls to the outside there may be, how many minutes and how much money; emergency calls are not asked about",
        ),
        Key::means(
            "rates",
            Kind::Section(&RATES),
            "its defaults stand",
            "what calls cost; an office works without it all day, and a fraudster starves",
        ),
        Key::means(
            "longest_calls",
            Kind::Section(&LONGEST),
            "its defaults stand",
            "how long calls to the outside may last; then both sides are ended (32015)",
        ),
        Key::means(
            "strangers",
            Kind::Section(&STRANGERS),
            "silence, and bans for those who insist",
            "what is done with those who are not listed, and with bursts",
        ),
        Key::means(
            "floods",
            Kind::Section(&FLOODS),
            "calls of trunks are bounded by channels and caps alone; floods: {} is enough for what follows",
            "how floods of calls from trunks, to one number or to all, are kept off everybody else (39401, 39404)",
        ),
        Key::means(
            "timers",
            Kind::Section(&TIMERS),
            "the times of RFC 3261",
            "how long SIP waits for lost packets",
        ),
        Key::means(
            "limits",
            Kind::Section(&LIMITS),
            "limits fit for a site of some hundred channels",
            "how much a message, and all calls together, may take",
        ),
        Key::means(
            "streams",
            Kind::Section(&STREAMS),
            "limits fit for a site of some hundred channels",
            "how many TCP connections there may be, and how long each may be slow",
        ),
        Key::means(
            "dns",
            Kind::Section(&DNS),
            "the system's name servers",
            "how the names among targets are resolved: at the start, before an answer runs out, never while a call waits",
        ),
        Key::value("alerts", SINK, "stdout", "where alerts go, one JSON object a line"),
        Key::value("records", SINK, "stdout", "where call records go, one JSON object a line"),
        Key::value(
            "queue",
            Kind::Count(16, 1_000_000),
            "16384",
            "lines that may wait for a slow disk; more are dropped, counted and told (39702)",
        ),
        Key::value(
            "log",
            Kind::Filter,
            "info",
            "how much is logged: error, warn, info, debug or trace, or a filter by module",
        ),
        Key::means(
            "store",
            Kind::Section(&STORE),
            "nothing outlives a restart, which `check` warns of",
            "what outlives a crash and a restart: bans, locks, and the calls that a crash leaves open",
        ),
        Key::means(
            "control",
            Kind::Path,
            "no control socket",
            "the socket that status, reload and stop are asked through; only its owner may open it",
        ),
        Key::value(
            "drain",
            Kind::Time(secs(0), secs(86_400)),
            "60s",
            "how long a stop waits for live calls before it ends them on both legs",
        ),
        Key::means(
            "product",
            Kind::Name,
            "no name is told",
            "the name in Server and User-Agent; strangers never see it",
        ),
    ],
};
