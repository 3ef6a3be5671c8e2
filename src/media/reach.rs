//! Where the peer of a leg may be.
//!
//! Owns the one rule for what is signalled and for what is learned from packets: who forges a source must not get
//! further than who forges a description (attack row E7). Refuses to know which of both it was. Read first: RFC 6890.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;

/// Where the peer of a leg may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The one family that its leg speaks.
    pub is_ipv4: bool,
    /// Its networks.
    pub networks: Arc<[IpNet]>,
    /// Whether that may be this machine: a lab.
    pub loopback: bool,
    /// Where we ourselves receive: no peer does.
    pub own: Arc<[(IpAddr, RangeInclusive<u16>)]>,
}

/// Why media may not go to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misplaced {
    /// Another address family than that of the leg.
    Family,
    /// No address.
    Unspecified,
    /// This machine.
    Loopback,
    /// The link's own addresses.
    LinkLocal,
    /// A group.
    Multicast,
    /// Everybody, or nobody yet.
    Broadcast,
    /// Where we receive ourselves.
    Own,
    /// Outside the peer's networks.
    Foreign,
}

impl Reach {
    /// With a host that is named besides, which was judged before.
    #[must_use]
    pub fn and(mut self, host: Option<IpAddr>) -> Self {
        if let Some(host) = host.filter(|host| !self.networks.iter().any(|known| known.contains(host))) {
            self.networks = self.networks.iter().copied().chain([IpNet::from(host)]).collect();
        }
        self
    }

    /// Whether a peer may be there.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, place: SocketAddr) -> Result<(), Misplaced> {
        let address = place.ip();
        if address.is_ipv4() != self.is_ipv4 {
            return Err(Misplaced::Family);
        }
        if address.is_unspecified() {
            return Err(Misplaced::Unspecified);
        }
        if address.is_multicast() {
            return Err(Misplaced::Multicast);
        }
        if is_link_local(address) {
            return Err(Misplaced::LinkLocal);
        }
        if is_reserved(address) {
            return Err(Misplaced::Broadcast);
        }
        if address.is_loopback() && !self.loopback {
            return Err(Misplaced::Loopback);
        }
        if self.own.iter().any(|(own, ports)| *own == address && ports.contains(&place.port())) {
            return Err(Misplaced::Own);
        }
        if self.networks.iter().any(|network| network.contains(&address)) {
            Ok(())
        } else {
            Err(Misplaced::Foreign)
        }
    }
}

/// The link's own addresses, where clouds keep their metadata too.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// RFC 6890: "this network", what is reserved, and the broadcast address among it.
const fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => matches!(address.octets(), [0 | 240..=255, ..]),
        IpAddr::V6(_) => false,
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Family => "of the other address family",
            Self::Unspecified => "no address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast or reserved address",
            Self::Own => "one of our own media ports",
            Self::Foreign => "outside the peer's media networks",
        })
    }
}
