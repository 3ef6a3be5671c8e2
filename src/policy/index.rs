//! Which peer an address belongs to: the longest prefix among the sources of one listener's peers.
//!
//! Owns the tries. Refuses to know buckets and bans. Read first: DESIGN.md §4 (listed source, stranger).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::peer::{Peer, PeerId};
use crate::sip::ListenerId;

/// Two peers that claim the same or nested networks on one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// Where.
    pub listener: ListenerId,
    /// The wider network (or the same) and its peer.
    pub wider: (IpNet, PeerId),
    /// The network inside it and its peer, who gets its addresses.
    pub inner: (IpNet, PeerId),
}

#[derive(Debug, Default)]
struct Lists {
    v4: PrefixMap<Ipv4Net, PeerId>,
    v6: PrefixMap<Ipv6Net, PeerId>,
}

/// Longest-prefix index from (listener, address) to peer.
#[derive(Debug, Default)]
pub struct Index {
    listeners: Vec<Lists>,
    nested: Vec<Overlap>,
}

/// An IPv4 network written as IPv4-mapped IPv6 is that IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.network().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
        && let Ok(mapped) = Ipv4Net::new(v4, length)
    {
        return IpNet::V4(mapped.trunc());
    }
    network.trunc()
}

impl Lists {
    /// Enters a network; the peer that had it before, if any.
    fn insert(&mut self, network: IpNet, peer: PeerId) -> Option<PeerId> {
        match network {
            IpNet::V4(network) => self.v4.insert(network, peer),
            IpNet::V6(network) => self.v6.insert(network, peer),
        }
    }

    fn longest(&self, network: IpNet) -> Option<(IpNet, PeerId)> {
        match network {
            IpNet::V4(network) => self.v4.get_lpm(&network).map(|(found, peer)| (IpNet::V4(found), *peer)),
            IpNet::V6(network) => self.v6.get_lpm(&network).map(|(found, peer)| (IpNet::V6(found), *peer)),
        }
    }
}

impl Index {
    /// Builds it from all peers. The identical network of two peers on one listener cannot be told apart: an error for
    /// `config`. Nested networks are told apart by the longer prefix; `nested` lists them, so that `check` can warn.
    pub fn build(peers: &[Option<Arc<Peer>>]) -> Result<Self, Vec<Overlap>> {
        let mut index = Self::default();
        let mut same = Vec::new();
        for peer in peers.iter().flatten() {
            let place = usize::from(peer.listener.0);
            if index.listeners.len() <= place {
                index.listeners.resize_with(place + 1, Lists::default);
            }
            let Some(lists) = index.listeners.get_mut(place) else { continue };
            for network in peer.sources.iter().copied().map(canonical) {
                if let Some(other) = lists.insert(network, peer.id).filter(|other| *other != peer.id) {
                    same.push(Overlap {
                        listener: peer.listener,
                        wider: (network, other),
                        inner: (network, peer.id),
                    });
                }
            }
        }
        if !same.is_empty() {
            return Err(same);
        }
        index.find_nested(peers);
        Ok(index)
    }

    fn find_nested(&mut self, peers: &[Option<Arc<Peer>>]) {
        for peer in peers.iter().flatten() {
            let Some(lists) = self.listeners.get(usize::from(peer.listener.0)) else { continue };
            for network in peer.sources.iter().copied().map(canonical) {
                if let Some(wider) = network.supernet().and_then(|around| lists.longest(around))
                    && wider.1 != peer.id
                {
                    self.nested.push(Overlap { listener: peer.listener, wider, inner: (network, peer.id) });
                }
            }
        }
    }

    /// Networks of one peer that lie inside another peer's on the same listener.
    #[must_use]
    pub fn nested(&self) -> &[Overlap] {
        &self.nested
    }

    /// The peer whose sources hold this address most exactly, on this listener.
    #[must_use]
    pub fn peer(&self, listener: ListenerId, address: IpAddr) -> Option<PeerId> {
        let lists = self.listeners.get(usize::from(listener.0))?;
        match address.to_canonical() {
            IpAddr::V4(address) => lists.v4.get_lpm(&Ipv4Net::from(address)).map(|(_, peer)| *peer),
            IpAddr::V6(address) => lists.v6.get_lpm(&Ipv6Net::from(address)).map(|(_, peer)| *peer),
        }
    }

    /// Whether any listener lists this address.
    #[must_use]
    pub fn lists(&self, address: IpAddr) -> bool {
        (0..self.listeners.len())
            .filter_map(|place| u16::try_from(place).ok())
            .any(|place| self.peer(ListenerId(place), address).is_some())
    }
}
