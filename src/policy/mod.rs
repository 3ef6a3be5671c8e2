//! Who may call, over what, how much: data plus a pure check.
//!
//! Owns peers, routes, rules, counters, verdicts and alerts. Refuses to know sockets, files, YAML, dialogs and
//! transactions. Read first: RFC 5853; RFC 3325 §5 (trust); RFC 5393 (loops).

pub mod alert;
mod capped;
pub mod code;
pub mod compare;
pub mod counters;
pub mod credential;
pub mod detect;
mod emergency;
pub mod facts;
#[cfg(test)]
#[path = "fixture_tests.rs"]
pub(crate) mod fixture;
pub mod form;
pub mod guard;
pub mod identity;
pub mod index;
pub mod kept;
pub mod keyed;
pub mod ledger;
pub mod limits;
pub mod locate;
pub mod located;
pub mod lockout;
pub mod login;
pub mod media;
pub mod meter;
pub mod money;
pub mod names;
pub mod nonce;
pub mod number;
pub mod owned;
pub mod pace;
pub mod parties;
pub mod peer;
pub mod proofs;
pub mod rates;
pub mod refusal;
pub mod register;
pub mod route;
pub mod rules;
mod secrecy;
pub mod sources;
pub mod stage;
mod strangers;
pub mod suspended;
mod table;
pub mod tdos;
pub mod unlock;
pub mod verdict;
pub mod window;

use std::net::IpAddr;
use std::sync::Arc;

pub use alert::{Alert, Code, Level};
pub use compare::compare;
pub use counters::{Charge, Counters, Reservation};
pub use facts::Facts;
pub use form::Numbers;
pub use index::{Index, Overlap};
pub use kept::Kept;
pub use located::{Located, Resolution};
pub use login::{Asker, Login, Unproven};
pub use names::Names;
pub use pace::{Pace, Place};
pub use parties::{Origin, Parties, Vouched};
pub use peer::{Aim, Direction, Domain, Listener, Peer, PeerId, PeerSide, Site, SiteId, Target, Transports};
pub use refusal::{Presets, Refusal, RefusalClass};
pub use register::Register;
pub use sources::{Full, Guest, SourceVerdict, Sources, ToldBan};
pub use stage::{Live, Review, admit, review, screen};
pub use table::Medium;
pub use verdict::{Outcome, Trail, Verdict};

use crate::sip::{Flow, Host, PartyId};

/// What becomes of live calls when a policy is put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReload {
    /// They finish under the policy that admitted them.
    #[default]
    Keep,
    /// They are judged again, and end where it forbids them; never one for help.
    Rejudge,
}

/// What a policy is built from: the YAML's settings, each checked on its own.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Counts reloads: 1 is the policy the process started with.
    pub generation: u64,
    /// Listeners by `ListenerId`; `None` where a name was removed by a reload.
    pub listeners: Vec<Option<Listener>>,
    /// Peers by `PeerId`; `None` where a name was removed by a reload.
    pub peers: Vec<Option<Arc<Peer>>>,
    /// Sites of this policy.
    pub sites: Vec<Site>,
    /// Routes in YAML order.
    pub routes: Vec<route::Route>,
    /// The rules of each stage, in YAML order; what always stands is added.
    pub rules: rules::Rules,
    /// What is done with strangers and bursts, before parsing.
    pub sources: sources::Settings,
    /// Where media is received; `None` carries descriptions as they come.
    pub media: Option<media::SiteMedia>,
    /// How much of whom.
    pub limits: limits::Limits,
    /// What calls cost.
    pub rates: rates::Rates,
    /// What becomes of calls that live when it is put in force.
    pub on_reload: OnReload,
    /// How floods of calls from trunks are met; `None` meets none.
    pub floods: Option<tdos::Settings>,
}

/// A whole, checked policy: built once by `config`, shared read-only; a reload builds another.
#[derive(Debug)]
pub struct Policy {
    /// Counts reloads: 1 is the policy the process started with.
    pub generation: u64,
    /// Listeners by `ListenerId`; `None` where a name was removed by a reload.
    pub listeners: Vec<Option<Listener>>,
    /// Peers by `PeerId`; `None` where a name was removed by a reload.
    pub peers: Vec<Option<Arc<Peer>>>,
    /// Sites of this policy.
    pub sites: Vec<Site>,
    /// Routes in YAML order.
    pub routes: Vec<route::Route>,
    /// The rules of each stage, in YAML order.
    pub rules: rules::Rules,
    /// What is done with strangers and bursts, before parsing.
    pub sources: sources::Settings,
    /// Where media is received; `None` carries descriptions as they come.
    pub media: Option<media::SiteMedia>,
    /// How much of whom.
    pub limits: limits::Limits,
    /// What calls cost.
    pub rates: rates::Rates,
    /// What becomes of calls that live when it is put in force.
    pub on_reload: OnReload,
    /// How floods of calls from trunks are met; `None` meets none.
    pub floods: Option<tdos::Settings>,
    /// Longest-prefix index from (listener, address) to peer.
    pub index: Index,
    own_addresses: Vec<IpAddr>,
    own_names: Vec<Box<[u8]>>,
    /// Paths of the trail for what the peers' and sites' own caps say.
    peer_paths: Vec<Arc<str>>,
    site_paths: Vec<(SiteId, Arc<str>)>,
    /// The sites on whose trunks a channel is kept free.
    keepers: smallvec::SmallVec<[SiteId; 2]>,
    routes_path: Arc<str>,
}

impl Policy {
    /// Builds a policy. Peers whose identical sources meet on one listener are an error; nested ones stand in
    /// `Policy::index.nested()`.
    pub fn build(plan: Plan) -> Result<Self, Vec<Overlap>> {
        let Plan {
            generation,
            listeners,
            peers,
            mut sites,
            mut routes,
            mut rules,
            sources,
            media,
            limits,
            rates,
            on_reload,
            floods,
        } = plan;
        let index = Index::build(&peers)?;
        rules.complete();
        if peers.iter().flatten().any(|peer| peer.dialling.is_some()) {
            rules.complete_destinations();
            rules.complete_detectors();
        }
        rules.complete_forwarding();
        for route in &mut routes {
            route.prepare();
        }
        for site in &mut sites {
            site.dids.sort_unstable();
        }
        let peer_path = |peer: &Option<Arc<Peer>>| {
            let name = peer.as_ref().map_or("", |peer| &peer.name);
            Arc::from(format!("peers.{name}.concurrent_calls"))
        };
        let site_path = |site: &Site| (site.id, Arc::from(format!("sites.{}.channels", site.name)));
        let (own_addresses, own_names) = own_hosts(&listeners, &sites);
        Ok(Self {
            peer_paths: peers.iter().map(peer_path).collect(),
            site_paths: sites.iter().map(site_path).collect(),
            keepers: emergency::keepers(peers.iter().flatten().map(|peer| &**peer)),
            routes_path: Arc::from("routes"),
            generation,
            listeners,
            peers,
            sites,
            routes,
            rules,
            sources,
            media,
            limits,
            rates,
            on_reload,
            floods,
            index,
            own_addresses,
            own_names,
        })
    }

    /// A peer of this policy.
    #[must_use]
    pub fn peer(&self, id: PeerId) -> Option<&Arc<Peer>> {
        self.peers.get(usize::from(id.0))?.as_ref()
    }

    /// Who a party is: the peer, and the host name that its targets give, if it is one of those.
    #[must_use]
    pub fn party(&self, id: PartyId) -> Option<(&Arc<Peer>, Option<&Domain>)> {
        if id == PartyId::NONE {
            return None;
        }
        self.peers.iter().flatten().find_map(|peer| {
            if peer.party == id {
                return Some((peer, None));
            }
            peer.domains().find(|domain| domain.party == id).map(|domain| (peer, Some(domain)))
        })
    }

    /// A listener of this policy.
    #[must_use]
    pub fn listener(&self, id: crate::sip::ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))?.as_ref()
    }

    /// The channels of a peer's site; of a peer without one, its own calls at once.
    #[must_use]
    pub fn channels_of(&self, peer: &Peer) -> u32 {
        peer.site.and_then(|site| self.site(site)).map_or(peer.concurrent_calls_max, |site| site.channels)
    }

    /// Whose callers a peer's are known with: the name of its site, or its own.
    #[must_use]
    pub fn circle<'a>(&'a self, peer: &'a Peer) -> &'a str {
        peer.site.and_then(|site| self.site(site)).map_or(&peer.name, |site| &site.name)
    }

    /// A site of this policy.
    #[must_use]
    pub fn site(&self, id: SiteId) -> Option<&Site> {
        self.sites.iter().find(|site| site.id == id)
    }

    /// Whose flow it is; `None` for a stranger's.
    #[must_use]
    pub fn peer_at(&self, flow: &Flow) -> Option<PeerId> {
        self.index.peer(flow.listener, flow.remote.ip())
    }

    /// The peers that may send from anywhere to a listener.
    #[must_use]
    pub fn roaming(&self, listener: crate::sip::ListenerId) -> &[PeerId] {
        self.index.roaming(listener)
    }

    /// Whether a host is this edge: an address or name of a listener, or a domain of a site.
    #[must_use]
    pub fn is_own_host(&self, host: Host<'_>) -> bool {
        match host {
            Host::Address(address) => self.own_addresses.contains(&address.to_canonical()),
            Host::Name(name) => {
                let name = name.strip_suffix(b".").unwrap_or(name);
                self.own_names.iter().any(|own| own.eq_ignore_ascii_case(name))
            }
        }
    }

    /// Whether the site of a peer owns this DID.
    fn owns(&self, peer: &Peer, called: &str) -> bool {
        let site = peer.site.and_then(|site| self.site(site));
        site.is_some_and(|site| site.dids.binary_search_by(|did| (**did).cmp(called)).is_ok())
    }

    /// Whether a number is one of our own, with a plus or without.
    #[must_use]
    pub fn is_own_number(&self, called: &str) -> bool {
        let called = called.trim_start_matches('+');
        let mut dids = self.sites.iter().flat_map(|site| &site.dids);
        dids.any(|did| did.trim_start_matches('+') == called)
    }

    /// The limit of a gauge for any call but an emergency; 0, and so full, for one that is gone.
    #[must_use]
    pub fn limit(&self, charge: Charge) -> u32 {
        let keeps = |site: Option<SiteId>| site.is_some_and(|site| self.keepers.contains(&site));
        match charge {
            Charge::Call(peer) => self.peer(peer).map_or(0, |peer| {
                let kept = peer.side == PeerSide::Outside && keeps(peer.site);
                emergency::usable(peer.concurrent_calls_max, kept)
            }),
            Charge::Channel(site) => {
                self.site(site).map_or(0, |site| emergency::usable(site.channels, keeps(Some(site.id))))
            }
            // The rule that asked for it has judged it.
            Charge::Held(_) | Charge::Began(..) | Charge::Noted(_) => u32::MAX,
        }
    }

    /// Whether a channel of each trunk of a site is kept free for emergency calls.
    #[must_use]
    pub fn keeps_a_channel(&self, site: SiteId) -> bool {
        self.keepers.contains(&site)
    }

    fn cap_path(&self, charge: Charge) -> Arc<str> {
        let path = match charge {
            Charge::Call(peer) => self.peer_paths.get(usize::from(peer.0)),
            Charge::Channel(site) => {
                self.site_paths.iter().find_map(|(id, path)| (*id == site).then_some(path))
            }
            Charge::Held(_) | Charge::Began(..) | Charge::Noted(_) => None,
        };
        Arc::clone(path.unwrap_or(&self.routes_path))
    }

    /// Whether any peer's transfers are told to the other side, which then tells how they go.
    #[must_use]
    pub fn tells_of_transfers(&self) -> bool {
        self.peers.iter().flatten().any(|peer| peer.transfers == peer::Onward::JudgeAndPass)
    }

    fn charged_name(&self, charge: Charge) -> String {
        match charge {
            Charge::Call(peer) => self.peer(peer).map_or_else(String::new, |peer| peer.name.to_string()),
            Charge::Channel(site) => {
                self.site(site).map_or_else(String::new, |site| format!("Site {} (its trunks)", site.name))
            }
            Charge::Held(_) | Charge::Began(..) | Charge::Noted(_) => {
                "The edge, of those it can tell apart,".to_owned()
            }
        }
    }

    fn routes_path(&self) -> Arc<str> {
        Arc::clone(&self.routes_path)
    }
}

fn own_hosts(listeners: &[Option<Listener>], sites: &[Site]) -> (Vec<IpAddr>, Vec<Box<[u8]>>) {
    let mut addresses = Vec::new();
    let mut names: Vec<Box<[u8]>> = Vec::new();
    let advertised = listeners.iter().flatten().map(|listener| listener.advertised.host());
    for host in advertised.chain(sites.iter().flat_map(|site| &site.domains).map(|domain| &**domain)) {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) => addresses.push(address.to_canonical()),
            Err(_) => names.push(host.strip_suffix('.').unwrap_or(host).as_bytes().into()),
        }
    }
    addresses.extend(listeners.iter().flatten().map(|listener| listener.bind.ip().to_canonical()));
    (addresses, names)
}
