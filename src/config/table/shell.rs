//! Keys of timers, limits, streams and files.
//!
//! Owns no reading. Read first: `mod.rs`.

use super::super::keys::{Key, Kind, Section};
use super::{ms, secs};

/// Timers.
pub static TIMERS: Section = Section {
    name: "timers",
    keys: &[
        Key::value(
            "t1",
            Kind::Time(ms(50), secs(5)),
            "500ms",
            "the round trip that is expected; everything waits 64 times as long before it gives up",
        ),
        Key::value(
            "t2",
            Kind::Time(ms(200), secs(20)),
            "4s",
            "the longest pause between two copies of a request",
        ),
        Key::value("t4", Kind::Time(ms(200), secs(20)), "5s", "how long a message can stay in the network"),
    ],
};

/// Limits.
pub static LIMITS: Section = Section {
    name: "limits",
    keys: &[
        Key::value("calls", Kind::Count(1, 1_000_000), "20000", "calls at once on the whole edge (10004)"),
        Key::value(
            "transactions",
            Kind::Count(100, 10_000_000),
            "100000",
            "requests being answered at once; more hear 503 until some are done",
        ),
        Key::value(
            "client_transactions",
            Kind::Count(100, 10_000_000),
            "100000",
            "requests of the edge that wait for their answers at once; a call above it hears 480 (10004), BYE and CANCEL leave all the same",
        ),
        Key::value("message_bytes", Kind::Size(1_300, 1 << 20), "65535B", "a whole message (513)"),
        Key::value("head_bytes", Kind::Size(1_300, 1 << 20), "32768B", "the headers of a message"),
        Key::value("header_lines", Kind::Count(20, 10_000), "200", "header lines of a message"),
        Key::value("header_line_bytes", Kind::Size(256, 65_535), "8192B", "one header line with its folds"),
        Key::value("vias", Kind::Count(2, 500), "70", "hops that a request may have behind it"),
        Key::value("uri_bytes", Kind::Size(128, 65_535), "2048B", "the Request-URI (414)"),
        Key::value("params", Kind::Count(10, 1_000), "100", "parameters of one header value"),
        Key::value("relays", Kind::Count(1, 1_000), "8", "INFO requests under way at once within one call"),
        Key::value(
            "udp_request_bytes",
            Kind::Size(576, 65_535),
            "1300B",
            "larger requests go by TCP where the target has it (RFC 3261 §18.1.1)",
        ),
    ],
};

/// Streams.
pub static STREAMS: Section = Section {
    name: "streams",
    keys: &[
        Key::value("connections", Kind::Count(1, 1_000_000), "10000", "TCP connections at once"),
        Key::value(
            "connections_per_source",
            Kind::Count(1, 1_000_000),
            "100",
            "of them from one address (of IPv6: one /64)",
        ),
        Key::means(
            "guests",
            Kind::Count(1, 1_000_000),
            "a tenth of connections",
            "of them those of machines that no peer lists, where a peer roams, until they prove who they are (39403); the others are for peers alone",
        ),
        Key::value(
            "guests_per_source",
            Kind::Count(1, 1_000_000),
            "20",
            "of those from one address (of IPv6: one /64)",
        ),
        Key::value(
            "guest_timeout",
            Kind::Time(ms(500), secs(300)),
            "30s",
            "such a machine must have proven a password or certificate within, or its connection is closed",
        ),
        Key::value(
            "guest_message_bytes",
            Kind::Size(1_300, 1 << 20),
            "16KiB",
            "the largest message of such a machine; at a larger one its connection is closed unanswered (39102)",
        ),
        Key::value(
            "head_timeout",
            Kind::Time(ms(500), secs(300)),
            "10s",
            "headers that began must be complete within",
        ),
        Key::value(
            "body_timeout",
            Kind::Time(ms(500), secs(300)),
            "10s",
            "a body that began must be complete within",
        ),
        Key::value(
            "idle_timeout",
            Kind::Time(secs(10), secs(86_400)),
            "30m",
            "a connection without any byte is closed after",
        ),
        Key::value(
            "first_message_timeout",
            Kind::Time(ms(500), secs(300)),
            "15s",
            "a connection that never sent a whole message is closed after",
        ),
        Key::value(
            "connect_timeout",
            Kind::Time(ms(500), secs(32)),
            "4s",
            "a connection of our own must be made within",
        ),
        Key::value(
            "handshake_timeout",
            Kind::Time(ms(500), secs(60)),
            "5s",
            "a handshake of TLS must be done within, whoever called whom",
        ),
        Key::value(
            "write_timeout",
            Kind::Time(secs(1), secs(300)),
            "30s",
            "a far side that takes no bytes for so long loses its connection",
        ),
        Key::value(
            "write_queue",
            Kind::Size(65_536, 1 << 30),
            "1MiB",
            "bytes that may wait for one far side; above it the connection is closed",
        ),
        Key::value(
            "udp_receive_buffer",
            Kind::Size(65_536, 1 << 30),
            "8MiB",
            "asked of the system for each UDP socket, against bursts",
        ),
    ],
};

/// Names.
pub static DNS: Section = Section {
    name: "dns",
    keys: &[
        Key::means(
            "servers",
            Kind::List(&Kind::Address, 8),
            "those of the system (/etc/resolv.conf)",
            "the name servers, port 53 when left out; what they say is believed, so let the way to them be short",
        ),
        Key::value("timeout", Kind::Time(ms(100), secs(30)), "3s", "one question must be answered within"),
        Key::value(
            "ttl_min",
            Kind::Time(secs(1), secs(3_600)),
            "10s",
            "an answer holds for so long at least, whatever it says itself",
        ),
        Key::value("ttl_max", Kind::Time(secs(1), secs(604_800)), "1h", "and for so long at most"),
        Key::value(
            "retry",
            Kind::Time(secs(1), secs(3_600)),
            "30s",
            "a name that leads nowhere, or that DNS is silent about, is asked again after 1s, then twice as long each time, up to this",
        ),
        Key::value(
            "stale_max",
            Kind::Time(secs(0), secs(604_800)),
            "1d",
            "while DNS is silent, where a name led last stands for so long past its time (32011 tells it)",
        ),
    ],
};

/// What outlives the process.
pub static STORE: Section = Section {
    name: "the store",
    keys: &[Key::required(
        "file",
        Kind::Path,
        "the SQLite file, which one edge alone may use and its owner alone read",
    )],
};

/// A file for JSON lines.
pub static FILE_SINK: Section = Section {
    name: "a file for lines",
    keys: &[
        Key::required("file", Kind::Path, "where the lines go"),
        Key::value(
            "rotate",
            Kind::Size(65_536, 1 << 40),
            "64MiB",
            "a larger file is put aside and a new one begun",
        ),
        Key::value("keep", Kind::Count(0, 1_000), "8", "how many files put aside are kept"),
    ],
};
