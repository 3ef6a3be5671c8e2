//! Where the names of peers lead now, and whose an address is that DNS gave.
//!
//! Owns what was found for every name of the policy, and the addresses that were found before and may still have calls.
//! Refuses to know who resolves names. Read first: `locate.rs`; RFC 3263 §4; DESIGN.md laws 1 and 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Policy;
use super::locate::{Found, ordered};
use super::peer::{Aim, Domain, Named, Peer, PeerId, Target};
use crate::clock::Tick;
use crate::sip::{ListenerId, PartyId};

/// Addresses that a name led to before and that are remembered for its live calls; past it the oldest is forgotten, and
/// frames from there are a stranger's.
pub const GONE_MAX: usize = 64;

/// An address that DNS gives no more is a peer's for so long after, and while a call stands with it.
const GONE_FOR: Duration = Duration::from_secs(300);

/// What came of resolving a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// DNS answered.
    Found {
        /// Where the name leads.
        list: Vec<Found>,
        /// How long that holds.
        ttl: Duration,
    },
    /// DNS does not answer; what was found last stands.
    Stale,
    /// It leads nowhere, or what was found is too old to stand any longer.
    Nowhere {
        /// Why, as a sentence's end.
        why: String,
    },
}

/// How well it is known where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Nothing was heard yet.
    Unknown,
    /// DNS said so, and it holds until then.
    Fresh {
        /// Until when.
        until: Tick,
    },
    /// DNS does not answer.
    Stale,
    /// It leads nowhere.
    Nowhere,
}

impl Knowledge {
    /// The word in `status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Fresh { .. } => "fresh",
            Self::Stale => "stale",
            Self::Nowhere => "nowhere",
        }
    }
}

/// One name of one peer.
#[derive(Debug, Clone)]
struct Lead {
    peer: PeerId,
    domain: Domain,
    named: Arc<Named>,
    found: Vec<Found>,
    /// Addresses that DNS gave and that may not be used.
    refused: Vec<SocketAddr>,
    knowledge: Knowledge,
}

/// Where every name of a policy is taken to lead by who cannot ask DNS: to an address that no site has (RFC 2544, RFC 5180).
#[must_use]
pub fn assumed(policy: &Policy) -> Vec<(PartyId, Resolution)> {
    let places = (1_u16..).zip(domains(policy));
    let found = places.map(|(count, (peer, domain))| {
        let ipv6 = policy.listener(peer.listener).is_some_and(|listener| listener.bind.is_ipv6());
        let [high, low] = count.to_be_bytes();
        let ip = if ipv6 {
            IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, count))
        } else {
            IpAddr::V4(Ipv4Addr::new(198, 18, high, low))
        };
        let address = SocketAddr::new(ip, domain.port.unwrap_or(5060));
        let transports = peer.transports.clone();
        let list = vec![Found { address, transports, rank: 0, weight: 1, record: 0 }];
        (domain.party, Resolution::Found { list, ttl: Duration::from_secs(86_400) })
    });
    found.collect()
}

/// What was new in an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Whether the name leads elsewhere than before.
    pub moved: bool,
    /// Addresses that are not used, and why; of each it is told once.
    pub refused: Vec<(SocketAddr, &'static str)>,
}

/// An address that a name leads to, or led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reached {
    listener: ListenerId,
    ip: IpAddr,
    peer: PeerId,
    /// Since when no name leads there any more.
    gone: Option<Tick>,
}

/// A name as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    /// Whose.
    pub peer: PeerId,
    /// As the policy writes it.
    pub domain: &'a Domain,
    /// Where it leads.
    pub addresses: Vec<SocketAddr>,
    /// How well that is known.
    pub knowledge: Knowledge,
}

/// Where every name leads.
#[derive(Debug, Clone, Default)]
pub struct Located {
    leads: Vec<Lead>,
    /// Sorted by listener and address.
    reached: Vec<Reached>,
}

impl Located {
    /// No name leads anywhere.
    #[must_use]
    pub const fn new() -> Self {
        Self { leads: Vec::new(), reached: Vec::new() }
    }

    /// With every name of a policy led to an address that no site has: for who asks what a policy means, without DNS.
    #[must_use]
    pub fn assumed(policy: &Policy) -> Self {
        let mut located = Self::new();
        located.follow(Tick::ZERO, policy);
        for (party, resolution) in assumed(policy) {
            located.learn(Tick::ZERO, policy, party, resolution);
        }
        located
    }

    /// Takes over a new policy's names; those that stay keep where they lead, as far as the policy still allows it.
    pub fn follow(&mut self, now: Tick, policy: &Policy) {
        let before = std::mem::take(&mut self.leads);
        for (peer, domain) in domains(policy) {
            let known = before.iter().find(|lead| lead.domain.party == domain.party);
            let found = known.map(|lead| lead.found.clone()).unwrap_or_default();
            let (found, _) = usable(policy, peer, found);
            self.leads.push(Lead {
                peer: peer.id,
                domain: domain.clone(),
                named: Named::new(domain, &found),
                found,
                refused: Vec::new(),
                knowledge: known.map_or(Knowledge::Unknown, |lead| lead.knowledge),
            });
        }
        self.reach(now, policy);
    }

    /// Takes in what came of resolving a name.
    pub fn learn(&mut self, now: Tick, policy: &Policy, party: PartyId, resolution: Resolution) -> Learned {
        let Some(place) = self.leads.iter().position(|lead| lead.domain.party == party) else {
            return Learned::default();
        };
        let taken = |lead: &Self, address: IpAddr| lead.led_by_another(place, policy, address);
        let mut refused = Vec::new();
        let (found, knowledge) = match resolution {
            Resolution::Found { list, ttl } => {
                let peer = self.leads.get(place).and_then(|lead| policy.peer(lead.peer));
                let Some(peer) = peer else { return Learned::default() };
                let (mut found, others) = usable(policy, peer, list);
                refused = others;
                found.retain(|found| {
                    let another = taken(self, found.address.ip());
                    if another {
                        refused.push((
                            found.address,
                            "another peer's name leads there, too: nothing tells the two apart",
                        ));
                    }
                    !another
                });
                (Some(found), Knowledge::Fresh { until: now.after(ttl) })
            }
            Resolution::Stale => (None, Knowledge::Stale),
            Resolution::Nowhere { .. } => (Some(Vec::new()), Knowledge::Nowhere),
        };
        let mut moved = false;
        if let Some(lead) = self.leads.get_mut(place) {
            lead.knowledge = knowledge;
            if let Some(found) = found {
                moved = lead.found != found;
                lead.named = Named::new(&lead.domain, &found);
                lead.found = found;
            }
            let before = std::mem::replace(&mut lead.refused, refused.iter().map(|(at, _)| *at).collect());
            refused.retain(|(address, _)| !before.contains(address));
        }
        if moved {
            self.reach(now, policy);
        }
        Learned { moved, refused }
    }

    /// Whether a name of another peer on the same listener leads to an address.
    fn led_by_another(&self, place: usize, policy: &Policy, address: IpAddr) -> bool {
        let peer_of = |lead: &Lead| policy.peer(lead.peer).map(|peer| (peer.listener, peer.id));
        let Some((listener, own)) = self.leads.get(place).and_then(peer_of) else { return true };
        self.leads.iter().any(|lead| {
            peer_of(lead).is_some_and(|(at, peer)| at == listener && peer != own)
                && lead.found.iter().any(|found| found.address.ip() == address)
        })
    }

    /// Enters where names lead now, and remembers for a while where they led.
    fn reach(&mut self, now: Tick, policy: &Policy) {
        let mut reached: Vec<Reached> = Vec::new();
        for lead in &self.leads {
            let Some(peer) = policy.peer(lead.peer) else { continue };
            reached.extend(lead.found.iter().map(|found| Reached {
                listener: peer.listener,
                ip: found.address.ip(),
                peer: peer.id,
                gone: None,
            }));
        }
        let stands =
            |old: &Reached| reached.iter().any(|new| (new.listener, new.ip) == (old.listener, old.ip));
        let left = self.reached.iter().filter(|old| !stands(old));
        let mut gone: Vec<Reached> =
            left.map(|old| Reached { gone: Some(old.gone.unwrap_or(now)), ..*old }).collect();
        gone.sort_by_key(|old| std::cmp::Reverse(old.gone));
        gone.truncate(GONE_MAX);
        reached.extend(gone);
        reached.sort_by_key(|reached| (reached.listener, reached.ip));
        reached.dedup_by_key(|reached| (reached.listener, reached.ip));
        self.reached = reached;
    }

    /// Forgets addresses that no name leads to for a while and no call stands with.
    pub fn forget(&mut self, now: Tick, in_use: impl Fn(ListenerId, IpAddr) -> bool) {
        let over = |gone: Tick| gone.after(GONE_FOR) < now;
        self.reached
            .retain(|reached| !reached.gone.is_some_and(over) || in_use(reached.listener, reached.ip));
    }

    /// Whether any address is remembered that no name leads to.
    #[must_use]
    pub fn any_gone(&self) -> bool {
        self.reached.iter().any(|reached| reached.gone.is_some())
    }

    /// The peer whose name leads, or led, to this address.
    #[must_use]
    pub fn peer_at(&self, listener: ListenerId, address: IpAddr) -> Option<PeerId> {
        self.at(listener, address).map(|reached| reached.peer)
    }

    /// Whether a name leads there now: then a peer whose `sources` say so may call from there.
    #[must_use]
    pub fn leads_to(&self, listener: ListenerId, address: IpAddr) -> bool {
        self.at(listener, address).is_some_and(|reached| reached.gone.is_none())
    }

    fn at(&self, listener: ListenerId, address: IpAddr) -> Option<&Reached> {
        let key = (listener, address.to_canonical());
        let place = self.reached.binary_search_by_key(&key, |reached| (reached.listener, reached.ip)).ok()?;
        self.reached.get(place)
    }

    /// The targets of a peer in the order in which one call tries them; `draw` is the call's own random number.
    #[must_use]
    pub fn targets(&self, peer: &Peer, draw: u64) -> SmallVec<[Target; 2]> {
        // Peers of one route share their calls out each by its own.
        let draw = draw ^ u64::from(peer.id.0).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut targets: SmallVec<[Target; 2]> = SmallVec::new();
        let mut add = |target: Target| {
            // Two names may lead to one place; it is tried once.
            if !targets.iter().any(|known| known.address == target.address) {
                targets.push(target);
            }
        };
        for aim in &peer.targets {
            match aim {
                Aim::Address(address) => add(peer.at(*address)),
                Aim::Name(domain) => {
                    let Some(lead) = self.lead(domain.party) else { continue };
                    ordered(&lead.found, draw).into_iter().for_each(|found| add(lead.target(found)));
                }
            }
        }
        targets
    }

    /// The target of a peer at an address.
    #[must_use]
    pub fn target_at(&self, peer: &Peer, address: SocketAddr) -> Option<Target> {
        self.targets(peer, 0).into_iter().find(|target| target.address == address)
    }

    fn lead(&self, party: PartyId) -> Option<&Lead> {
        self.leads.iter().find(|lead| lead.domain.party == party)
    }

    /// What is known of a name.
    #[must_use]
    pub fn knowledge(&self, party: PartyId) -> Knowledge {
        self.lead(party).map_or(Knowledge::Unknown, |lead| lead.knowledge)
    }

    /// Every name.
    pub fn told(&self) -> impl Iterator<Item = Told<'_>> {
        self.leads.iter().map(|lead| Told {
            peer: lead.peer,
            domain: &lead.domain,
            addresses: lead.found.iter().map(|found| found.address).collect(),
            knowledge: lead.knowledge,
        })
    }
}

impl Lead {
    fn target(&self, found: &Found) -> Target {
        Target {
            address: found.address,
            transports: found.transports.clone(),
            party: self.domain.party,
            name: Some(Arc::clone(&self.named)),
        }
    }
}

impl Named {
    fn new(domain: &Domain, found: &[Found]) -> Arc<Self> {
        let mut addresses: Vec<IpAddr> = found.iter().map(|found| found.address.ip()).collect();
        addresses.dedup();
        let request_host = match domain.port {
            Some(port) => Arc::from(format!("{}:{port}", domain.host)),
            None => Arc::clone(&domain.host),
        };
        Arc::new(Self { request_host, addresses: addresses.into() })
    }
}

/// Every name of a policy, with its peer.
pub fn domains(policy: &Policy) -> impl Iterator<Item = (&Arc<Peer>, &Domain)> {
    policy.peers.iter().flatten().flat_map(|peer| peer.domains().map(move |domain| (peer, domain)))
}

/// What of a list may be used for a peer, and what not. DNS may not send calls back to this edge, to another peer, or to
/// where nobody can be.
fn usable(policy: &Policy, peer: &Peer, list: Vec<Found>) -> (Vec<Found>, Vec<(SocketAddr, &'static str)>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for mut one in list {
        one.transports.retain(|transport| peer.transports.contains(transport));
        match unusable(policy, peer, one.address) {
            Some(why) => refused.push((one.address, why)),
            None if one.transports.is_empty() => {}
            None => found.push(one),
        }
    }
    (found, refused)
}

fn unusable(policy: &Policy, peer: &Peer, address: SocketAddr) -> Option<&'static str> {
    let ip = address.ip();
    let Some(listener) = policy.listener(peer.listener) else { return Some("the peer's listener is gone") };
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets().first() == Some(&0));
    let disguised = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if ip.is_unspecified() || ip.is_multicast() || broadcast || disguised {
        return Some("nobody can be there");
    }
    if ip.is_ipv4() != listener.bind.is_ipv4() || ip.is_loopback() != listener.bind.ip().is_loopback() {
        return Some("it cannot be reached from the peer's listener");
    }
    if policy.listeners.iter().flatten().any(|listener| listener.is_at(address)) {
        return Some("it is this edge itself: calls would come back");
    }
    let other = policy.index.peer(peer.listener, ip).filter(|other| *other != peer.id);
    other.map(|_| "it is another peer's by the policy: nothing would tell the two apart")
}

#[cfg(test)]
#[path = "located_tests.rs"]
mod tests;
