//! Keys of listeners, peers and sites.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};
use super::media::PEER_MEDIA;
use super::secret::{CREDENTIAL, LOGIN};
use super::standing::{REGISTER, SESSION_TIMER};
use super::{
    ALLOW_REFUSE, CREDENTIALS_MAX, ENTRIES_MAX, NUMBERS_MAX, SOURCES_MAX, TARGETS_MAX, TRANSPORTS, ms, secs,
};

/// A listener.
pub static LISTENER: Section = Section {
    name: "a listener",
    keys: &[
        Key::required(
            "bind",
            Kind::Address,
            "the local address and port; never a wildcard, so that answers leave from where they are expected",
        ),
        Key::means(
            "advertise",
            Kind::Host,
            "the bind address",
            "what peers are told in Via and Contact when they reach this listener by another address (DMZ, 1:1 NAT)",
        ),
        Key::means(
            "transports",
            TRANSPORTS,
            "[tls] with a certificate, else [udp, tcp]",
            "what is listened for there; tls has a port of its own, which udp may share and tcp may not",
        ),
        Key::means(
            "certificate",
            Kind::Section(&CERTIFICATE),
            "no TLS is served there",
            "what is shown to peers over TLS (1.2 and 1.3); a replaced file is served from the next handshake on",
        ),
    ],
};

/// A certificate with its key.
pub static CERTIFICATE: Section = Section {
    name: "a certificate",
    keys: &[
        Key::required(
            "chain",
            Kind::Path,
            "the PEM file with the certificate and those that lead to its authority",
        ),
        Key::required("key", Kind::Path, "the PEM file with its private key, which no other user may read"),
    ],
};

/// TLS with a peer.
pub static TLS: Section = Section {
    name: "TLS with a peer",
    keys: &[
        Key::means(
            "ca",
            Kind::Path,
            "system, when it is called; when it calls, its address alone says who it is",
            "who has signed its certificate: a PEM file (its own certificate will do), or system for all that this machine trusts",
        ),
        Key::means(
            "names",
            Kind::List(&Kind::Host, 64),
            "the addresses of its targets when it is called; any name when it calls",
            "the names of which its certificate must hold one (RFC 5922)",
        ),
        Key::value(
            "wildcard",
            Kind::Word(ALLOW_REFUSE),
            "refuse",
            "whether *.example.com in its certificate stands for trunk.example.com, which RFC 5922 forbids and Twilio needs",
        ),
        Key::means(
            "client_certificate",
            Kind::Word(&["require", "none"]),
            "require with ca, else none",
            "whether it must show a certificate when it calls",
        ),
        Key::means(
            "certificate",
            Kind::Section(&CERTIFICATE),
            "the listener's",
            "what this peer alone is shown",
        ),
    ],
};

/// A peer.
pub static PEER: Section = Section {
    name: "a peer",
    keys: &[
        Key::required(
            "side",
            Kind::Word(&["inside", "outside"]),
            "inside is a PBX of the owner, outside is a trunk",
        ),
        Key::means(
            "profile",
            Kind::Word(super::super::profiles::NAMES),
            "every key has its own default",
            "settings that a make of trunk or PBX needs; `check` prints them, and a key written beside counts instead",
        ),
        Key::required(
            "listener",
            Kind::Reference("listeners"),
            "the listener it is met on, in both directions",
        ),
        Key::required(
            "sources",
            Kind::Either(&[Kind::List(&Kind::Network, SOURCES_MAX), Kind::Word(&["any"])]),
            "the addresses and networks it sends from; anybody else is a stranger. The word any instead of them: from anywhere, known by its credentials, or over TLS by its certificate, or by both. The word targets adds wherever DNS leads the names of its targets, for outside peers alone: whoever answers DNS may then call in its place. Without it, answers and requests within our calls come from there all the same",
        ),
        Key::means(
            "targets",
            Kind::List(&Kind::Target, TARGETS_MAX),
            "no calls go to it",
            "where calls to it are sent, in order: addresses (port 5060 when left out), or names, which DNS leads to addresses while the edge runs (RFC 3263): NAPTR, SRV and A or AAAA, or with a port A or AAAA alone",
        ),
        Key::means(
            "transports",
            TRANSPORTS,
            "[tls] where its listener serves it, else [udp, tcp]",
            "how its targets are reached: by the first; tcp beside udp carries the requests too large for udp",
        ),
        Key::means(
            "tls",
            Kind::Section(&TLS),
            "certificates of its targets are checked against the system's authorities, and it need show none",
            "what it must prove over TLS, beside sending from its sources",
        ),
        Key::means(
            "request_host",
            Kind::Host,
            "the target's name, or its address and port",
            "the host that stands in the Request-URI, From and To towards it",
        ),
        Key::means(
            "dial_plan",
            Kind::Reference("dial_plans"),
            "a number is what stands there, as it stands",
            "how what it dials is read; what cannot be read with certainty is refused (32101, 39206), and rules, routes and records see + and digits",
        ),
        Key::value(
            "number_format",
            Kind::Word(&[
                "unchanged",
                "e164_plus",
                "e164",
                "international_prefix",
                "national",
                "tech_prefix",
            ]),
            "unchanged",
            "how the number called is written towards it; with a form, what is dialled without + leaves only where a route names it exactly",
        ),
        Key::value(
            "caller_format",
            Kind::Word(&["unchanged", "e164_plus", "e164", "international_prefix", "national"]),
            "unchanged",
            "how the caller is written towards it; a caller that cannot be is refused (32206), unless default_caller stands in",
        ),
        Key::means(
            "country_code",
            Kind::Count(1, 999),
            "no format may be national",
            "the country whose numbers national writes without their code",
        ),
        Key::means(
            "national_prefix",
            Kind::Number,
            "no format may be national",
            "what national writes before a number of the country, or none",
        ),
        Key::means(
            "international_prefix",
            Kind::Number,
            "no format may be national or international_prefix",
            "what stands before the country code where there is no +",
        ),
        Key::means(
            "tech_prefix",
            Kind::Number,
            "number_format may not be tech_prefix",
            "what this trunk wants before the country code",
        ),
        Key::value(
            "short_digits",
            Kind::Count(0, 8),
            "6",
            "digits that a number without + may have, where a route names it, to leave as it is dialled (112, 116117)",
        ),
        Key::means(
            "emergency",
            Kind::Words(&Kind::Number, 64),
            "as it was dialled, and urn:service:sos as that",
            "what this trunk knows an emergency number as; sos stands for the services that are asked for by name",
        ),
        Key::means(
            "default_caller",
            Kind::Number,
            "such a call is refused where caller_format is set",
            "the number, or anonymous, that stands in for a caller that is missing or cannot be written",
        ),
        Key::means(
            "owns",
            Kind::Either(&[Kind::List(&Kind::Pattern, NUMBERS_MAX), Kind::Word(&["any"])]),
            "the dids of its site where it has a dial plan; nothing is judged where there are none",
            "the numbers that its calls to the outside may show: whole, as beginnings, from one to another, or did for those of its site; any judges none (32204)",
        ),
        Key::means(
            "shown_as",
            Kind::Words(&Kind::Number, NUMBERS_MAX),
            "an extension is no number that can be shown",
            "the number that is shown for an extension of it",
        ),
        Key::value(
            "caller_not_owned",
            Kind::Word(&["replace", "refuse"]),
            "replace",
            "what is done with a caller that is not its own, or no number: default_caller of the trunk is shown, and where there is none the call is refused; or it is refused at once (32204, 32206)",
        ),
        Key::means(
            "asserted_identity",
            Kind::Word(&["in", "out", "both"]),
            "neither: what it asserts is removed, and nothing is asserted to it",
            "trust (RFC 3325): in believes who it says is calling, out tells it who calls, hidden callers too",
        ),
        Key::means(
            "caller_in",
            Kind::List(&Kind::Word(&["from", "p_asserted_identity", "remote_party_id", "diversion"]), 4),
            "From alone",
            "which header names the caller of its calls: the first of these that stands there",
        ),
        Key::value(
            "plain_signalling",
            Kind::Word(ALLOW_REFUSE),
            "refuse",
            "whether its signalling may be read by others on the way (32209)",
        ),
        Key::value(
            "plain_media",
            Kind::Word(ALLOW_REFUSE),
            "refuse",
            "the old word for media.srtp: allow is plain, refuse is required",
        ),
        Key::means(
            "media",
            Kind::Section(&PEER_MEDIA),
            "SRTP is required, and its media is where it sends its requests from",
            "what its media may; all of it but srtp needs media: at the top",
        ),
        Key::means(
            "allow",
            Kind::List(&Kind::Word(&["info", "message"]), 2),
            "neither",
            "methods it may use beside those that every call needs",
        ),
        Key::value(
            "redirects",
            Kind::Word(&["refuse", "judge-and-pass", "perform"]),
            "refuse",
            "what becomes of a call that it answers with another number (3xx, 32219): that number is judged as if the peer, or for a trunk the caller, had dialled it, and then told to the caller (judge-and-pass) or called by the edge (perform), once a call",
        ),
        Key::value(
            "transfers",
            Kind::Word(&["refuse", "judge-and-pass", "perform"]),
            "refuse",
            "what becomes of a transfer that it asks for within a call (REFER, 32218): the number is judged as if the peer, or for a trunk the PBX in the call, had dialled it, and then named to the other side, which calls it (judge-and-pass), or called by the edge, which joins both (perform)",
        ),
        Key::value(
            "extensions",
            Kind::List(&Kind::Word(&["100rel", "update", "none"]), 2),
            "[100rel, update]",
            "SIP extensions it may use: acknowledged ringing (PRACK), and changes of a call by UPDATE",
        ),
        Key::value(
            "called_from",
            Kind::Word(&["request_uri", "to", "p_called_party_id"]),
            "request_uri",
            "where a trunk says which of your numbers is called",
        ),
        Key::means(
            "pass_headers",
            Kind::List(&Kind::Header, 64),
            "none beyond that table",
            "headers that may cross towards it beyond the table of crossing headers",
        ),
        Key::value(
            "refusal",
            Kind::Either(&[Kind::Word(REFUSAL_PRESETS), Kind::Section(&REFUSAL)]),
            "generic",
            "the statuses that make this PBX give up instead of trying another trunk",
        ),
        Key::means(
            "probe",
            Kind::Time(secs(5), secs(3_600)),
            "it counts as up; one of several targets that failed a call is asked until it answers",
            "how often OPTIONS asks each of its targets whether it lives",
        ),
        Key::value(
            "concurrent_calls",
            Kind::Count(1, 1_000_000),
            "30",
            "its calls at once, both directions together (10004)",
        ),
        Key::value(
            "requests_per_second",
            Kind::Count(1, 10_000_000),
            "20",
            "new calls and other requests outside calls a second (32001)",
        ),
        Key::value(
            "requests_burst",
            Kind::Count(1, 10_000_000),
            "60",
            "how many may come at once above that rate",
        ),
        Key::means(
            "credentials",
            Kind::List(&Kind::Section(&CREDENTIAL), CREDENTIALS_MAX),
            "its address is enough",
            "the users whose passwords it must show before it may call, besides coming from its sources (32202)",
        ),
        Key::means(
            "realm",
            Kind::Name,
            "the first domain of its site, else the host that its listener advertises",
            "what it is told that the password is for; hashes are made for it",
        ),
        Key::value(
            "algorithms",
            Kind::List(&Kind::Word(&["sha-256", "sha-512-256", "md5"]), 3),
            "[sha-256, sha-512-256]",
            "how it may prove its password, best first; md5 only for machines that know no other",
        ),
        Key::value(
            "challenge",
            Kind::Word(&["user_agent", "proxy"]),
            "user_agent",
            "how it is asked: by 401, or by 407 where it insists",
        ),
        Key::value(
            "digest_uri",
            Kind::Word(&["request", "host"]),
            "request",
            "what its proof must name: the Request-URI, or a host alone is enough, and a proof seen on the way may dial another number",
        ),
        Key::means(
            "cps",
            Kind::Count(1, 10_000),
            "calls go to it as fast as they come",
            "new calls a second that it takes; more wait for their turn (32001)",
        ),
        Key::value("cps_burst", Kind::Count(1, 10_000), "1", "calls that may go to it at once after a pause"),
        Key::value(
            "cps_queue",
            Kind::Count(0, 10_000),
            "100",
            "calls to it that wait for their turn at once; more are refused (32001)",
        ),
        Key::value(
            "cps_wait",
            Kind::Time(ms(0), secs(10)),
            "2s",
            "a call whose turn does not come for so long is refused (32001)",
        ),
        Key::value(
            "retry_after_max",
            Kind::Time(secs(1), secs(300)),
            "32s",
            "the longest pause between calls that a target of it can ask for with 503 and Retry-After",
        ),
        Key::means(
            "keep_alive",
            Kind::Time(secs(5), secs(900)),
            "none are sent",
            "how often an empty line goes to it during a call, so that a NAT before it keeps the way open",
        ),
        Key::value(
            "try_timeout",
            Kind::Time(ms(500), secs(32)),
            "4s",
            "a target that says nothing at all for so long: the next is tried",
        ),
        Key::value(
            "post_dial_max",
            Kind::Time(secs(4), secs(180)),
            "30s",
            "a target that neither rings nor answers for so long: the next is tried (32016)",
        ),
        Key::value(
            "ring_max",
            Kind::Time(secs(10), secs(600)),
            "3m",
            "a call that rings for so long is given up (32016)",
        ),
        Key::means(
            "session_timer",
            Kind::Section(&SESSION_TIMER),
            "a refresh each 15 minutes",
            "how a leg that died without a BYE is found (RFC 4028); a peer that knows no session timers is asked too",
        ),
        Key::means(
            "login",
            Kind::Section(&LOGIN),
            "a challenge of it is refused (39204)",
            "what is shown to it, and to nobody else, when it asks who we are (401, 407)",
        ),
        Key::means(
            "register",
            Kind::Section(&REGISTER),
            "it is not asked",
            "registers this edge there, for a trunk that calls whoever is registered; while it holds, calls may come from the target that took it, and its loss is told (39209)",
        ),
    ],
};

/// The shipped presets of `refusal:`.
pub const REFUSAL_PRESETS: &[&str] = &["generic", "asterisk", "freepbx", "freeswitch", "3cx"];

const STATUS: Kind = Kind::Count(400, 699);

/// Statuses of a peer.
pub static REFUSAL: Section = Section {
    name: "a refusal mapping",
    keys: &[
        Key::value("preset", Kind::Word(REFUSAL_PRESETS), "generic", "what the other keys change"),
        Key::means(
            "blocked",
            STATUS,
            "as the preset says",
            "the status when a destination, a caller or a list says no",
        ),
        Key::means("capped", STATUS, "as the preset says", "the status when a limit is reached"),
        Key::means(
            "unreadable",
            STATUS,
            "as the preset says",
            "the status when a number or body cannot be read",
        ),
        Key::means(
            "unencrypted",
            STATUS,
            "as the preset says",
            "the status when signalling or media come in the clear",
        ),
        Key::means("suspended", STATUS, "as the preset says", "the status while the peer is suspended"),
        Key::means("no_target", STATUS, "as the preset says", "the status when no target is left"),
    ],
};

/// A site.
pub static SITE: Section = Section {
    name: "a site",
    keys: &[
        Key::required(
            "peers",
            Kind::List(&Kind::Reference("peers"), ENTRIES_MAX),
            "its PBXs and trunks; a peer belongs to one site",
        ),
        Key::means(
            "dids",
            Kind::List(&Kind::Number, NUMBERS_MAX),
            "it owns no numbers",
            "its numbers, written as its trunk delivers them; routes name them as \"did\"",
        ),
        Key::means(
            "domains",
            Kind::List(&Kind::Host, 64),
            "none",
            "host names that stand for this edge in its PBXs' requests, beside the listeners' own",
        ),
        Key::value(
            "channels",
            Kind::Count(1, 1_000_000),
            "30",
            "its calls at once over its trunks (10004); where emergency calls are recognised one of them, and of concurrent_calls of each trunk, is kept for these",
        ),
    ],
};
