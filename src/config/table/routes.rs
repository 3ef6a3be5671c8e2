//! Keys of routes and their targets.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};
use super::{ENTRIES_MAX, NUMBERS_MAX, TARGETS_MAX};

/// A route.
pub static ROUTE: Section = Section {
    name: "a route",
    keys: &[
        Key::required("name", Kind::Name, "what records and refusals call it"),
        Key::required(
            "direction",
            Kind::Word(&["outbound", "inbound", "internal", "transit"]),
            "outbound is inside to outside; transit is trunk to trunk and happens only where a route says so",
        ),
        Key::means(
            "from",
            Kind::List(&Kind::Reference("peers"), ENTRIES_MAX),
            "any peer on the side where the direction begins",
            "who may use it",
        ),
        Key::means(
            "called",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "any number",
            "numbers and user names; \"+44*\" is a prefix, \"*\" or any is any, \"did\" is any number of the target's site",
        ),
        Key::means(
            "caller",
            Kind::List(&Kind::Pattern, NUMBERS_MAX),
            "any caller",
            "callers, written in the same way",
        ),
        Key::required(
            "to",
            Kind::List(&Kind::Either(&[Kind::Reference("peers"), Kind::Section(&ROUTE_TARGET)]), TARGETS_MAX),
            "where it leads: peers in order, or with priority and weight",
        ),
    ],
};

/// A target of a route with its order.
pub static ROUTE_TARGET: Section = Section {
    name: "a target",
    keys: &[
        Key::required("peer", Kind::Reference("peers"), "where it leads"),
        Key::value("priority", Kind::Count(1, 65_535), "1", "lower is tried first"),
        Key::value(
            "weight",
            Kind::Count(0, 65_535),
            "1",
            "its share among equals; 0 is tried only when the others fail",
        ),
    ],
};
