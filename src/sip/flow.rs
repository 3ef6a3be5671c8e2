//! Where bytes came from and where they go: listener, transport, address, connection.
//!
//! Owns the words only; sockets live in `net`. Read first: RFC 3261 §18, RFC 5626 §3.

use std::fmt;
use std::net::SocketAddr;

/// Index of a listener of the policy; stable over reloads (a listener is known by its name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// One stream connection; 0 is no connection (datagrams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Datagrams have no connection.
    pub const NONE: Self = Self(0);
}

/// Who must be at the far end of a connection that is made: a peer, or one host name of a peer. 0 is nobody in particular
/// (answers, which go back where they came from). Stable over reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PartyId(pub u16);

impl PartyId {
    /// Nobody in particular: no connection may be made for it that has to prove anything.
    pub const NONE: Self = Self(0);
}

/// How somebody is met who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// On whose terms.
    pub party: PartyId,
    /// Its address says nothing: until it has proven who it is, it has a guest's place, for a guest's time.
    pub guest: bool,
    /// A guest, from whose address somebody has proven a password lately: no crowd of strangers takes a place of its.
    pub known: bool,
}

/// A signalling transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// RFC 3261 over UDP.
    Udp,
    /// RFC 3261 over TCP.
    Tcp,
    /// RFC 3261 over TLS over TCP.
    Tls,
}

impl Transport {
    /// The token of the Via header: `UDP`, `TCP`, `TLS`.
    #[must_use]
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The value of a URI's transport parameter and of the YAML: `udp`, `tcp`, `tls`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Whether the transport retransmits by itself (RFC 3261 §17: reliable transports).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// Whether what it carries is encrypted.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls => true,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a frame came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The listener that received it.
    pub listener: ListenerId,
    /// How it came.
    pub transport: Transport,
    /// The sender's address as the socket saw it. IPv4-mapped IPv6 is already unmapped by `net`.
    pub remote: SocketAddr,
    /// The connection it came on; `NONE` for datagrams.
    pub connection: ConnectionId,
}

/// Where a frame goes: by the connection while it lives, else to the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The listener whose address it leaves from.
    pub listener: ListenerId,
    /// How it goes.
    pub transport: Transport,
    /// The address to send (or connect) to.
    pub remote: SocketAddr,
    /// A connection to prefer while it lives; `NONE` for datagrams or when any connection to `remote` will do.
    pub connection: ConnectionId,
    /// Who must be there, where a connection has to be made and the far end proves itself.
    pub party: PartyId,
}

impl Flow {
    /// Whether the sender's address is surely its own: a stream's is, by the handshake of TCP, and stays so when the stream has
    /// ended. Anybody can write any source into a datagram.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        match self.transport {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls => true,
        }
    }

    /// The way back to the sender.
    #[must_use]
    pub const fn back(&self) -> Hop {
        Hop {
            listener: self.listener,
            transport: self.transport,
            remote: self.remote,
            connection: self.connection,
            party: PartyId::NONE,
        }
    }
}
