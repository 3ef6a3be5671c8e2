//! Keys of media: where it is received, and what each peer's may.
//!
//! Owns no reading. Read first: `mod.rs`; `policy/media.rs`.

use super::super::keys::{Key, Kind, Section};
use super::{ALLOW_REFUSE, SOURCES_MAX, ms, secs};

/// Names of one list of codecs or suites.
const WORDS_MAX: usize = 32;

/// The names of suites, the usual order of offers first.
pub const SUITES: &[&str] = &[
    "AES_CM_128_HMAC_SHA1_80",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_32",
];

/// Where media is received.
pub static MEDIA: Section = Section {
    name: "media",
    keys: &[
        Key::required("inside", Kind::Section(&PLACE), "where media of inside peers is received"),
        Key::required("outside", Kind::Section(&PLACE), "where media of outside peers is received"),
        Key::value(
            "rest",
            Kind::Time(ms(0), secs(300)),
            "10s",
            "how long a port rests that a call gave back, so that late packets of that call are nobody's",
        ),
    ],
};

/// Where media of one side is received.
pub static PLACE: Section = Section {
    name: "a place for media",
    keys: &[
        Key::required("address", Kind::Ip, "the local address that is bound; never a wildcard"),
        Key::means(
            "advertise",
            Kind::Ip,
            "the address",
            "what peers are told to send to when they reach it by another address (DMZ, 1:1 NAT)",
        ),
        Key::required(
            "ports",
            Kind::Ports,
            "the UDP ports, two for each call and stream; let the firewall pass them",
        ),
    ],
};

/// What a peer's media may.
pub static PEER_MEDIA: Section = Section {
    name: "media of a peer",
    keys: &[
        Key::means(
            "srtp",
            Kind::Word(&["required", "plain"]),
            "required, unless plain_media: allow stands beside",
            "whether its media must be encrypted (32207, 32208); plain lets it be heard by others on the way, and takes SRTP where the peer offers it",
        ),
        Key::means(
            "networks",
            Kind::List(&Kind::Network, SOURCES_MAX),
            "its sources",
            "where it may receive media, and send it from; a call that names another place is refused (32102)",
        ),
        Key::means(
            "codecs",
            Kind::List(&Kind::Name, WORDS_MAX),
            "every codec that is known",
            "the codecs that may cross to it and from it, by their names in SDP; telephone-event always may",
        ),
        Key::value(
            "suites",
            Kind::List(&Kind::Word(SUITES), WORDS_MAX),
            "[AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES_256_CM_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_32]",
            "the suites of SRTP that are offered, in this order; no other is accepted",
        ),
        Key::value(
            "keying",
            Kind::Word(&["sdes", "dtls"]),
            "sdes",
            "how keys are offered to it: in SDP (RFC 4568), or by a DTLS handshake (RFC 5763); either is taken where it offers",
        ),
        Key::value("video", Kind::Word(ALLOW_REFUSE), "refuse", "whether pictures may cross"),
        Key::value(
            "behind_nat",
            Kind::Flag,
            "false",
            "whether it may be elsewhere than it says: media then goes to where its first packet came from, within its networks",
        ),
        Key::value(
            "dscp",
            Kind::Count(0, 63),
            "46",
            "how packets to it are marked for routers on the way; 46 is expedited forwarding, the mark of speech",
        ),
        Key::value(
            "packets_per_second",
            Kind::Count(50, 10_000),
            "500",
            "packets a second of one stream that are taken from it; more are dropped and counted",
        ),
        Key::value(
            "silence",
            Kind::Either(&[Kind::Time(secs(5), secs(3_600)), Kind::Word(&["never"])]),
            "60s",
            "no packet from it for so long while it may send is told (39505), and ends the call where nobody else is heard either (32014); RTCP is a sign of life, and hold counts for nothing",
        ),
    ],
};
