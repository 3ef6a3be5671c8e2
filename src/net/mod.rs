//! Sockets: batched datagrams, framed streams and TLS over them, as the engine's inputs and outputs; the media relay beside them.
//!
//! Owns every socket and its limits, and the questions to DNS (`resolve`). Refuses to know SIP beyond framing, and policy.
//! Read first: RFC 3261 §18; RFC 5626 §4.4.1.

pub mod batch;
pub mod files;
pub mod relay;
pub mod resolve;
pub mod stream;
pub mod tls;
pub mod udp;

use std::fmt;
use std::io;
use std::time::Duration;

pub use batch::{BATCH, Datagram, Inbox, Outbox};
pub use resolve::Resolver;
pub use stream::{News, Streams};
pub use udp::UdpPort;

/// A listener that could not be opened.
#[derive(Debug)]
pub struct Refused {
    /// Transport and address.
    pub what: String,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.what)?;
        let port = self.what.rsplit(':').next().unwrap_or_default();
        let kind = self.source.kind();
        if kind == io::ErrorKind::AddrInUse {
            write!(
                f,
                "another process has the address; stop it (`ss -tulpn | grep :{port}` names it) or give the \
                 listener another `bind`"
            )
        } else if kind == io::ErrorKind::AddrNotAvailable {
            f.write_str(
                "this machine has no such address; `ip address` lists those it has, put one into `bind`",
            )
        } else if kind == io::ErrorKind::PermissionDenied {
            f.write_str(
                "not permitted; a port below 1024 needs the capability CAP_NET_BIND_SERVICE, or take a higher port",
            )
        } else {
            write!(f, "{}", self.source)
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Limits and times of sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Streams at once overall. Default 10,000.
    pub connections_max: usize,
    /// Streams at once from one address (IPv6: one /64). Default 100.
    pub connections_per_source_max: usize,
    /// Of them, those of machines that no peer lists and that have proven nothing yet. Default: a tenth.
    pub guests_max: usize,
    /// Of those, from one address (IPv6: one /64). Default 20.
    pub guests_per_source_max: usize,
    /// Such a machine must have proven who it is within. Default 30 s.
    pub guest_timeout: Duration,
    /// The largest message of such a machine that is read on a stream; a larger one, even unfinished, ends the stream. So many
    /// octets, and no more, one of them may have us hold. Default 16 KiB.
    pub guest_message_bytes_max: usize,
    /// A started head must be complete within. Default 10 s.
    pub head_timeout: Duration,
    /// A started body must be complete within. Default 10 s.
    pub body_timeout: Duration,
    /// A stream without any byte is closed after. Default 30 min for listed peers (they send keep-alives or calls).
    pub idle_timeout: Duration,
    /// A stream that never sent a whole message is closed after. Default 15 s.
    pub first_message_timeout: Duration,
    /// A connection of ours must be made within. Default 4 s.
    pub connect_timeout: Duration,
    /// A handshake of TLS must be done within, whoever called whom. Default 5 s.
    pub handshake_timeout: Duration,
    /// Bytes waiting to be written to one stream; above it the stream is closed. Default 1 MiB.
    pub write_queue_bytes_max: usize,
    /// Bytes wait to be written and the far side takes none of them for so long: the stream is closed. Default 30 s.
    pub write_timeout: Duration,
    /// SO_RCVBUF asked for each UDP socket. Default 8 MiB (the system may grant less).
    pub udp_receive_buffer_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_source_max: 100,
            guests_max: 1_000,
            guests_per_source_max: 20,
            guest_timeout: Duration::from_secs(30),
            guest_message_bytes_max: 16 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(1800),
            first_message_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(4),
            handshake_timeout: Duration::from_secs(5),
            write_queue_bytes_max: 1 << 20,
            write_timeout: Duration::from_secs(30),
            udp_receive_buffer_bytes: 8 << 20,
        }
    }
}
