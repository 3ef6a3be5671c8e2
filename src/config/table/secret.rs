//! Keys of secrets: what a peer must show, and where passwords stand.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};

/// Where a password stands.
pub static PASSWORD: Section = Section {
    name: "a password",
    keys: &[
        Key::means("env", Kind::Name, "file says where it stands", "the environment variable that holds it"),
        Key::means(
            "file",
            Kind::Path,
            "env says where it stands",
            "the file that holds it, for its owner alone (chmod 600)",
        ),
    ],
};

/// What is kept of a password instead of it.
pub static HA1: Section = Section {
    name: "the hashes of a password",
    keys: &[
        Key::means(
            "sha_256",
            Kind::Name,
            "sha-256 is not among algorithms",
            "H(user:realm:password) by SHA-256",
        ),
        Key::means(
            "sha_512_256",
            Kind::Name,
            "sha-512-256 is not among algorithms",
            "the same by SHA-512/256",
        ),
        Key::means("md5", Kind::Name, "md5 is not among algorithms", "the same by MD5"),
    ],
};

/// A credential.
pub static CREDENTIAL: Section = Section {
    name: "a credential",
    keys: &[
        Key::required("user", Kind::Name, "the user that it authenticates as"),
        Key::means(
            "password",
            Kind::OneOf(&PASSWORD),
            "ha1 holds its hashes",
            "where its password stands: `ringfence secret new` makes one; weak ones are refused (39004)",
        ),
        Key::means(
            "ha1",
            Kind::Section(&HA1),
            "password says where it stands",
            "hashes instead of the password, one for each algorithm: `ringfence secret hash` makes them",
        ),
        Key::means(
            "owns",
            Kind::Either(&[Kind::List(&Kind::Pattern, super::NUMBERS_MAX), Kind::Word(&["any"])]),
            "what its peer owns",
            "the numbers that its calls to the outside may show, written as at its peer; any judges none",
        ),
        Key::means(
            "from",
            Kind::List(&Kind::Pattern, super::NUMBERS_MAX),
            "its own name alone",
            "whom it may call as (From, P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID), written as in routes; anybody else is refused (32106)",
        ),
    ],
};

/// A login of ours at a peer.
pub static LOGIN: Section = Section {
    name: "a login",
    keys: &[
        Key::required("user", Kind::Name, "the user's name there"),
        Key::required(
            "password",
            Kind::OneOf(&PASSWORD),
            "where the password is read, at each load of this file",
        ),
        Key::means(
            "realm",
            Kind::Name,
            "the host of request_host, else of its one named target",
            "the one realm it is shown for: realm=\"...\" in the peer's challenge",
        ),
        Key::value(
            "algorithms",
            Kind::List(&Kind::Word(&["sha-512-256", "sha-256", "md5"]), 3),
            "[sha-512-256, sha-256]",
            "what its answers may be made by; md5 for a trunk that knows no better",
        ),
        Key::value(
            "without_qop",
            Kind::Word(super::ALLOW_REFUSE),
            "refuse",
            "allow answers a trunk that offers no qop (RFC 2069): its answers hold nothing of ours, and are guessed at faster",
        ),
    ],
};
