//! Keys of what is renewed with a peer: sessions, and registrations.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};
use super::secs;

/// A registration of this edge at a trunk.
pub static REGISTER: Section = Section {
    name: "a registration",
    keys: &[
        Key::means("user", Kind::Name, "the user of login", "the user of the address of record"),
        Key::value(
            "expires",
            Kind::Time(secs(60), secs(86_400)),
            "1h",
            "how long it is asked to hold; it is renewed after 60 to 80 per cent of what the trunk grants",
        ),
    ],
};

/// Session timers of a peer.
pub static SESSION_TIMER: Section = Section {
    name: "a session timer",
    keys: &[
        Key::value(
            "session_expires",
            Kind::Time(secs(90), secs(86_400)),
            "30m",
            "the longest time between two refreshes that is agreed on, unless its Min-SE is longer; who refreshes does so at half of it, and the edge does where the peer says longer by itself",
        ),
        Key::value(
            "min_se",
            Kind::Time(secs(90), secs(86_400)),
            "90s",
            "the shortest time between two refreshes that it may ask for; less is refused with 422",
        ),
        Key::value(
            "refresher",
            Kind::Word(&["edge", "peer"]),
            "edge",
            "who refreshes where it leaves that open",
        ),
    ],
};
