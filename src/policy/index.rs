//! Which peer an address belongs to: the longest prefix among the sources of one listener's peers.
//!
//! Owns the tries. Refuses to know buckets and bans. Read first: DESIGN.md §4 (listed source, stranger).

use std::net::{IpAddr, Ipv4Addr};
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
    /// Single IPv4 addresses, sorted: nothing is more exact, and most machines are listed so.
    hosts: Vec<(Ipv4Addr, PeerId)>,
    v4: PrefixMap<Ipv4Net, PeerId>,
    v6: PrefixMap<Ipv6Net, PeerId>,
}

/// Longest-prefix index from (listener, address) to peer.
#[derive(Debug, Default)]
pub struct Index {
    /// Who may roam, by listener.
    roaming: Vec<Vec<PeerId>>,
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
    /// The peers that may send from anywhere to a listener.
    #[must_use]
    pub fn roaming(&self, listener: ListenerId) -> &[PeerId] {
        self.roaming.get(usize::from(listener.0)).map_or(&[], |peers| peers)
    }

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
            if peer.roaming {
                if index.roaming.len() <= place {
                    index.roaming.resize_with(place + 1, Vec::new);
                }
                index.roaming.get_mut(place).into_iter().for_each(|peers| peers.push(peer.id));
            }
            let Some(lists) = index.listeners.get_mut(place) else { continue };
            for network in networks(peer) {
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
        for lists in &mut index.listeners {
            let hosts = lists.v4.iter().filter(|(network, _)| network.prefix_len() == 32);
            lists.hosts = hosts.map(|(network, peer)| (network.addr(), *peer)).collect();
            lists.hosts.sort_unstable_by_key(|(address, _)| *address);
        }
        Ok(index)
    }

    fn find_nested(&mut self, peers: &[Option<Arc<Peer>>]) {
        for peer in peers.iter().flatten() {
            let Some(lists) = self.listeners.get(usize::from(peer.listener.0)) else { continue };
            for network in networks(peer) {
                if let Some(wider) = network.supernet().and_then(|around| lists.longest(around))
                    && wider.1 != peer.id
                {
                    let overlap = Overlap { listener: peer.listener, wider, inner: (network, peer.id) };
                    if !self.nested.contains(&overlap) {
                        self.nested.push(overlap);
                    }
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
            IpAddr::V4(address) => match lists.hosts.binary_search_by_key(&address, |(host, _)| *host) {
                Ok(at) => lists.hosts.get(at).map(|(_, peer)| *peer),
                Err(_) => lists.v4.get_lpm(&Ipv4Net::from(address)).map(|(_, peer)| *peer),
            },
            IpAddr::V6(address) => lists.v6.get_lpm(&Ipv6Net::from(address)).map(|(_, peer)| *peer),
        }
    }

    /// Whether any listener lists an address of this network.
    #[must_use]
    pub fn lists_within(&self, network: IpNet) -> bool {
        self.listeners.iter().any(|lists| {
            let inside = match network {
                IpNet::V4(network) => lists.v4.children(&network).next().is_some(),
                IpNet::V6(network) => lists.v6.children(&network).next().is_some(),
            };
            inside || lists.longest(network).is_some()
        })
    }
}

/// What a peer sends from: its sources and, because answers come from there, its targets.
fn networks(peer: &Peer) -> impl Iterator<Item = IpNet> {
    let targets = peer.addresses().map(|address| IpNet::from(address.ip()));
    peer.sources.iter().copied().chain(targets).map(canonical)
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use super::super::fixture::{INSIDE, OUTSIDE, PBX, SPARE, TRUNK, changed, plan};
    use super::*;

    fn peer_at(policy: &Policy, listener: ListenerId, address: &str) -> Option<PeerId> {
        policy.index.peer(listener, address.parse().unwrap())
    }

    #[test]
    fn the_longest_prefix_wins_and_nesting_is_told() {
        let mut plan = plan();
        changed(&mut plan, SPARE, |peer| peer.sources.push("203.0.113.4/30".parse().unwrap()));
        changed(&mut plan, SPARE, |peer| peer.sources.push("2001:db8::/32".parse().unwrap()));
        changed(&mut plan, TRUNK, |peer| peer.sources.push("2001:db8:7::/48".parse().unwrap()));
        changed(&mut plan, TRUNK, |peer| peer.sources.push("203.0.113.6/32".parse().unwrap()));
        let policy = Policy::build(plan).unwrap();
        let table = [
            ("203.0.113.3", Some(TRUNK)),
            ("203.0.113.4", Some(SPARE)),
            ("203.0.113.5", Some(SPARE)),
            ("203.0.113.6", Some(TRUNK)),
            ("::ffff:203.0.113.6", Some(TRUNK)),
            ("203.0.113.7", Some(SPARE)),
            ("203.0.113.8", Some(TRUNK)),
            ("203.0.113.16", None),
            ("::ffff:203.0.113.4", Some(SPARE)),
            ("2001:db8:7::1", Some(TRUNK)),
            ("2001:db8:8::1", Some(SPARE)),
            ("2001:db9::1", None),
        ];
        for (address, expected) in table {
            assert_eq!(peer_at(&policy, OUTSIDE, address), expected, "{address}");
            assert_eq!(peer_at(&policy, INSIDE, address), None, "{address}");
        }
        let nested: Vec<_> =
            policy.index.nested().iter().map(|overlap| (overlap.wider, overlap.inner)).collect();
        let network = |text: &str| text.parse::<IpNet>().unwrap();
        let expected = [
            ((network("2001:db8::/32"), SPARE), (network("2001:db8:7::/48"), TRUNK)),
            ((network("203.0.113.4/30"), SPARE), (network("203.0.113.6/32"), TRUNK)),
            ((network("203.0.113.0/28"), TRUNK), (network("203.0.113.4/30"), SPARE)),
        ];
        assert_eq!(nested, expected);
    }

    #[test]
    fn two_peers_with_the_same_network_on_one_listener_cannot_be_told_apart() {
        let same = |listener: ListenerId, source: &str| {
            let mut plan = plan();
            changed(&mut plan, SPARE, |peer| {
                peer.listener = listener;
                peer.sources.push(source.parse().unwrap());
            });
            Policy::build(plan).map(|_| ()).map_err(|overlaps| overlaps.len())
        };
        assert_eq!(same(OUTSIDE, "203.0.113.0/28"), Err(1));
        assert_eq!(same(OUTSIDE, "203.0.113.9/28"), Err(1), "host bits do not make a network another");
        assert_eq!(same(OUTSIDE, "::ffff:203.0.113.0/124"), Err(1), "nor does writing it as IPv6");
        assert_eq!(same(INSIDE, "203.0.113.0/28"), Ok(()), "another listener tells them apart");
        assert_eq!(same(OUTSIDE, "203.0.113.0/29"), Ok(()));
        assert_eq!(same(OUTSIDE, "198.51.100.7/32"), Ok(()), "its own, twice");
    }

    #[test]
    fn answers_come_from_targets_so_they_are_the_peers_too() {
        let mut plan = plan();
        changed(&mut plan, PBX, |peer| peer.sources = vec!["10.9.0.0/16".parse().unwrap()]);
        let policy = Policy::build(plan).unwrap();
        assert_eq!(peer_at(&policy, INSIDE, "10.0.0.5"), Some(PBX));
        assert!(policy.index.lists_within("10.0.0.0/24".parse().unwrap()));
        assert!(policy.index.lists_within("10.9.1.0/24".parse().unwrap()));
        assert!(!policy.index.lists_within("10.8.0.0/24".parse().unwrap()));
    }
}
