//! What listeners, peers, sites and routes are to each other: claims that collide, ways that lead nowhere.
//!
//! Owns the checks that need more than one entry. Refuses to know the rules. Read first: RFC 3261 §18; DESIGN.md §1, laws 1 and 2.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::Source;
use super::credentials::{demand, roaming};
use super::fields::{Fields, Item};
use super::media::{self, Written};
use super::peers::Read;
use super::problem::{Cause, quoted};
use super::values::{self, network_text};
use crate::policy::peer::Direction;
use crate::policy::route::{Pattern, Route};
use crate::policy::{Aim, Listener, Peer, PeerId, PeerSide, Site};
use crate::sip::ListenerId;

/// Everything read, to be checked against each other.
#[derive(Debug)]
pub struct Cast<'a> {
    /// Listeners.
    pub listeners: Vec<Read<'a, Listener>>,
    /// Peers.
    pub peers: Vec<Read<'a, Peer>>,
    /// Sites.
    pub sites: Vec<Read<'a, Site>>,
    /// Routes.
    pub routes: Vec<Read<'a, Route>>,
    /// Where media is received.
    pub media: Option<Written<'a>>,
    /// Peers that could not be read whole: what follows from that is not told.
    flawed_peers: Vec<PeerId>,
    /// Whether the sites could not be read whole.
    flawed_sites: bool,
}

/// An address or network that a peer sends from.
struct Claim<'c, 'a> {
    peer: &'c Read<'a, Peer>,
    network: IpNet,
    item: Item<'a>,
    /// Whether it stands in `sources`.
    listed: bool,
}

impl Claim<'_, '_> {
    fn error(&self, cause: Cause) {
        self.peer.fields.desk().error(self.item.node.place, &self.item.path, cause);
    }
}

impl<'a> Cast<'a> {
    /// Everything read, before any of it is compared.
    pub fn new(
        root: &Fields<'a>,
        listeners: Vec<Read<'a, Listener>>,
        peers: Vec<Read<'a, Peer>>,
        sites: Vec<Read<'a, Site>>,
        routes: Vec<Read<'a, Route>>,
        media: Option<Written<'a>>,
    ) -> Self {
        let desk = root.desk();
        let flawed = |peer: &&Read<'a, Peer>| desk.is_flawed(&peer.fields.path);
        let flawed_peers = peers.iter().filter(flawed).map(|peer| peer.value.id).collect();
        let flawed_sites = desk.is_flawed("sites") || sites.is_empty();
        Self { listeners, peers, sites, routes, media, flawed_peers, flawed_sites }
    }

    /// Runs every check and gives peers their sites.
    pub fn check(&mut self) {
        self.listeners_apart();
        self.targets_fit();
        self.sources_apart();
        self.plain_told();
        self.sites_own();
        self.dids_once();
        self.routes_lead();
        self.routes_before();
        self.all_in_use();
        self.diallers_have_plans();
    }

    /// Reads what each peer must show: its realm is its site's, and sites are known by now.
    pub fn demands(&mut self, source: &Source) {
        let realm = |peer: &Peer| {
            let site = self.sites.iter().find(|site| Some(site.value.id) == peer.site);
            let domain = site.and_then(|site| site.value.domains.first()).map(|domain| &**domain);
            let host = self.listener(peer.listener).map(|listener| listener.value.advertised.host());
            domain.or(host).unwrap_or_default().to_owned()
        };
        let realms: Vec<String> = self.peers.iter().map(|peer| realm(&peer.value)).collect();
        for (peer, realm) in self.peers.iter_mut().zip(realms) {
            peer.value.demand = demand(&peer.fields, &realm, source);
        }
        roaming(&self.peers);
    }

    fn listener(&self, id: ListenerId) -> Option<&Read<'a, Listener>> {
        self.listeners.iter().find(|listener| listener.value.id == id)
    }

    /// A peer that was read whole.
    fn peer(&self, id: PeerId) -> Option<&Read<'a, Peer>> {
        self.sound_peers().find(|peer| peer.value.id == id)
    }

    fn sound_peers(&self) -> impl Iterator<Item = &Read<'a, Peer>> {
        self.peers.iter().filter(|peer| !self.flawed_peers.contains(&peer.value.id))
    }

    fn listeners_apart(&self) {
        for (index, one) in self.listeners.iter().enumerate().filter(|(_, one)| is_placed(&one.value)) {
            let twin = self.listeners.iter().take(index).find(|other| other.value.bind == one.value.bind);
            if let Some(twin) = twin {
                let cause =
                    format!("{} is already bound by listener {}", one.value.bind, quoted(&twin.value.name));
                one.fields.error(
                    "bind",
                    Cause::new(cause).cure("one listener may serve several transports and peers"),
                );
            }
        }
    }

    fn targets_fit(&self) {
        for Read { value: peer, fields } in self.sound_peers() {
            let placed = self.listener(peer.listener).filter(|listener| is_placed(&listener.value));
            let Some(listener) = placed else { continue };
            for (aim, item) in peer.targets.iter().zip(fields.list("targets")) {
                let Aim::Address(target) = *aim else { continue };
                let error = |cause: Cause| fields.desk().error(item.node.place, &item.path, cause);
                let bind = listener.value.bind;
                if target.is_ipv4() != bind.is_ipv4() {
                    let cause = format!(
                        "{} cannot be reached from listener {} at {bind}",
                        target,
                        quoted(&listener.value.name)
                    );
                    error(Cause::new(cause).cure("IPv4 and IPv6 need a listener each"));
                } else if bind.ip().is_loopback() && !target.ip().is_loopback() {
                    let cause = format!(
                        "{} cannot be reached from listener {} at {bind}",
                        target,
                        quoted(&listener.value.name)
                    );
                    error(Cause::new(cause).cure("bind the listener to an address of this network"));
                }
                let ours = self.listeners.iter().find(|ours| ours.value.is_at(target));
                if let Some(ours) = ours {
                    let cause = format!(
                        "{} is our own listener {}: calls would come back to us",
                        target,
                        quoted(&ours.value.name)
                    );
                    error(Cause::new(cause).cure("write the peer's own address"));
                }
            }
            let unserved =
                peer_transports(peer).find(|transport| !listener.value.transports.contains(transport));
            if let Some(transport) = unserved {
                let cause = format!("listener {} does not serve {transport}", quoted(&listener.value.name));
                fields.error(
                    "transports",
                    Cause::new(cause).cure(format!("add {transport} to the listener, or leave it out here")),
                );
            }
        }
    }

    /// Where a peer sends from: its sources and, because what is sent within a call comes from there, its targets.
    fn claims(&self) -> Vec<Claim<'_, 'a>> {
        let mut claims = Vec::new();
        for peer in self.sound_peers() {
            for (network, item) in peer.fields.words("sources", values::source) {
                claims.extend(network.map(|network| Claim { peer, network, item, listed: true }));
            }
            let aims = peer.value.targets.iter().zip(peer.fields.list("targets"));
            let targets = aims.filter_map(|(aim, item)| match aim {
                Aim::Address(address) => Some((IpNet::from(address.ip()), item)),
                Aim::Name(_) => None,
            });
            let targets = targets.filter(|(network, _)| !peer.value.sources.contains(network));
            claims.extend(targets.map(|(network, item)| Claim { peer, network, item, listed: false }));
        }
        claims
    }

    fn sources_apart(&self) {
        let claims = self.claims();
        let mut first: BTreeMap<(ListenerId, IpNet), &Claim<'_, '_>> = BTreeMap::new();
        for claim in &claims {
            let other = *first.entry((claim.peer.value.listener, claim.network)).or_insert(claim);
            let network = network_text(&claim.network);
            if other.peer.value.id != claim.peer.value.id {
                let cause = format!(
                    "{network} is also peer {}'s on the same listener: nothing tells the two apart",
                    quoted(&other.peer.value.name)
                );
                claim.error(Cause::new(cause).cure("meet them on two listeners, or list narrower addresses"));
            } else if claim.listed && other.listed && claim.item.path != other.item.path {
                claim.error(Cause::new(format!("{network} stands here twice")).cure("remove one"));
            }
        }
        for claim in &claims {
            let mut around = claim.network.supernet();
            while let Some(wider) = around {
                let owner = first.get(&(claim.peer.value.listener, wider)).map(|owner| &owner.peer.value);
                if let Some(owner) = owner.filter(|owner| owner.id != claim.peer.value.id) {
                    let network = network_text(&claim.network);
                    let cause = format!(
                        "{network} lies within {wider} of peer {}; what comes from there is this peer's",
                        quoted(&owner.name)
                    );
                    claim.peer.fields.desk().warning(
                        claim.item.node.place,
                        &claim.item.path,
                        Cause::new(cause),
                    );
                    break;
                }
                around = wider.supernet();
            }
        }
    }

    /// The transports a peer is called by; of one that is not called, those it can call by.
    fn spoken(&self, peer: &Peer) -> Vec<crate::sip::Transport> {
        let met = || self.listener(peer.listener).map(|listener| listener.value.transports.to_vec());
        let called: Vec<_> = peer_transports(peer).collect();
        if called.is_empty() { met().unwrap_or_default() } else { called }
    }

    fn plain_told(&self) {
        for Read { value: peer, fields } in self.sound_peers() {
            let spoken = self.spoken(peer);
            let transports: Vec<&str> = spoken.iter().map(|transport| transport.name()).collect();
            if peer.plain_signalling {
                let cause = format!(
                    "signalling with {} may run in the clear ({})",
                    quoted(&peer.name),
                    transports.join(", ")
                );
                fields.warning(
                    "plain_signalling",
                    Cause::new(cause).cure("keep this to a network that nobody else can listen on"),
                );
            } else if !transports.is_empty() && spoken.iter().all(|transport| !transport.is_encrypted()) {
                let cause = format!(
                    "{} speaks only {}, and plain signalling is refused: nothing of it passes (32209)",
                    quoted(&peer.name),
                    transports.join(" and ")
                );
                fields.warning(
                    "plain_signalling",
                    Cause::new(cause).cure("write plain_signalling: allow if the network between is trusted"),
                );
            }
            media::told(peer, fields, self.media.as_ref(), &spoken);
        }
        if let Some(media) = &self.media {
            media.fits(&self.listeners, &self.sites);
        }
    }

    fn sites_own(&mut self) {
        let mut owners: BTreeMap<PeerId, Arc<str>> = BTreeMap::new();
        for Read { value: site, fields } in &self.sites {
            for (id, item) in site.peers.iter().zip(fields.list("peers")) {
                if let Some(owner) = owners.get(id) {
                    let cause = format!("this peer already belongs to site {}", quoted(owner));
                    fields.desk().error(
                        item.node.place,
                        &item.path,
                        Cause::new(cause).cure("a peer belongs to one site"),
                    );
                } else {
                    owners.insert(*id, Arc::clone(&site.name));
                }
                if let Some(peer) = self.peers.iter_mut().find(|peer| peer.value.id == *id) {
                    peer.value.site = Some(site.id);
                }
            }
        }
        let example = self.sites.first().map_or("NAME", |site| &*site.value.name);
        for Read { value: peer, fields } in self.sound_peers() {
            if peer.site.is_none() && !self.flawed_sites {
                let cause = format!("{} belongs to no site", quoted(&peer.name));
                let cure = format!("add it to sites.{example}.peers");
                fields.desk().error(fields.place, &fields.path, Cause::new(cause).cure(cure));
            }
        }
    }

    fn dids_once(&self) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for Read { value: site, fields } in &self.sites {
            for (did, item) in site.dids.iter().zip(fields.list("dids")) {
                if let Some(owner) = owners.insert(did, &site.name) {
                    let cause = format!("{} already belongs to site {}", quoted(did), quoted(owner));
                    fields.desk().error(
                        item.node.place,
                        &item.path,
                        Cause::new(cause).cure("a number has one owner"),
                    );
                }
            }
        }
    }

    fn routes_lead(&self) {
        for Read { value: route, fields } in &self.routes {
            let Some(direction) = route.direction else { continue };
            let (begin, end) = sides(direction);
            for (id, item) in route.from.iter().zip(fields.list("from")) {
                let stranger = self.peer(*id).filter(|peer| peer.value.side != begin);
                if let Some(peer) = stranger {
                    let cause = format!(
                        "{} stands {}, and {} calls begin {}",
                        quoted(&peer.value.name),
                        side(peer.value.side),
                        word(direction),
                        side(begin)
                    );
                    fields.desk().error(
                        item.node.place,
                        &item.path,
                        Cause::new(cause).cure("change the direction or the peer"),
                    );
                }
            }
            for (target, item) in route.to.iter().zip(fields.list("to")) {
                let Some(peer) = self.peer(target.peer) else { continue };
                let name = quoted(&peer.value.name);
                if peer.value.side != end {
                    let cause = format!(
                        "{name} stands {}, and {} calls end {}",
                        side(peer.value.side),
                        word(direction),
                        side(end)
                    );
                    fields.desk().error(
                        item.node.place,
                        &item.path,
                        Cause::new(cause).cure("change the direction or the peer"),
                    );
                } else if peer.value.targets.is_empty() {
                    let cause = format!("{name} has no targets: no call can go there");
                    fields.desk().error(
                        item.node.place,
                        &item.path,
                        Cause::new(cause).cure(format!("add targets to {}", peer.fields.path)),
                    );
                }
                let dids = self.sites.iter().find(|site| Some(site.value.id) == peer.value.site);
                let numbers = route.called.contains(&Pattern::SiteDid) && !self.flawed_sites;
                if numbers && dids.is_some_and(|site| site.value.dids.is_empty()) {
                    let cause = format!("the site of {name} owns no numbers, so \"did\" matches none");
                    fields.error("called", Cause::new(cause).cure("add dids to the site"));
                }
            }
            if direction == Direction::Transit && route.from.is_empty() {
                let cause = Cause::new("a transit route must name the trunks it begins at");
                fields.desk().error(fields.place, &fields.path, cause.cure("add \"from:\" with the trunks"));
            }
        }
    }

    /// A route behind one that takes every call of its kind is never asked.
    fn routes_before(&self) {
        for (index, Read { value: route, fields }) in self.routes.iter().enumerate() {
            let before = self.routes.iter().take(index).find(|before| takes_all_of(&before.value, route));
            if let Some(before) = before {
                let cause = format!("never used: {} takes all its calls", before.value.path);
                fields.desk().warning(
                    fields.place,
                    &fields.path,
                    Cause::new(cause).cure("put the narrower route first"),
                );
            }
        }
    }

    /// Attack rows B1 to B13: what a PBX dials can be written in many ways, and a trunk reads them all.
    fn diallers_have_plans(&self) {
        let leads_out = |route: &Read<'_, Route>, peer: &Peer| {
            route.value.direction == Some(Direction::Outbound) && begins_at(&route.value, peer)
        };
        for Read { value: peer, fields } in self.sound_peers() {
            let reaches = self.routes.iter().any(|route| leads_out(route, peer));
            if peer.side == PeerSide::Inside && reaches && !fields.is_set("dial_plan") {
                let cause = format!(
                    "{} reaches a trunk and has no dial plan: numbers are judged as they are dialled, a trunk may read them in another way, and emergency calls are not recognised",
                    quoted(&peer.name)
                );
                let cure = "describe how it dials in dial_plans, and add \"dial_plan: NAME\" here";
                fields.desk().warning(fields.place, &fields.path, Cause::new(cause).cure(cure));
            }
        }
    }

    fn all_in_use(&self) {
        for Read { value: listener, fields } in &self.listeners {
            if !self.peers.iter().any(|peer| peer.value.listener == listener.id) {
                let cause = format!("no peer is met on listener {}", quoted(&listener.name));
                fields.desk().warning(fields.place, &fields.path, Cause::new(cause).cure("remove it"));
            }
        }
        for Read { value: peer, fields } in self.sound_peers() {
            let calls = self.routes.iter().any(|route| begins_at(&route.value, peer));
            let called =
                self.routes.iter().any(|route| route.value.to.iter().any(|target| target.peer == peer.id));
            let name = quoted(&peer.name);
            let warn = |cause: String, cure: &str| {
                fields.desk().warning(fields.place, &fields.path, Cause::new(cause).cure(cure))
            };
            match (calls, called) {
                (true, true) => {}
                (false, false) => {
                    warn(format!("no route begins at {name} or leads to it"), "add a route, or remove it")
                }
                (true, false) if peer.targets.is_empty() => {}
                (true, false) => warn(
                    format!("{name} has targets, and no route leads to it"),
                    "add a route, or remove the targets",
                ),
                (false, true) => warn(
                    format!("no route begins at {name}: every call of it is refused"),
                    "add a route if it may call",
                ),
            }
        }
    }
}

/// Whether a listener's address could be read: of one that could not, nothing else need be said.
fn is_placed(listener: &Listener) -> bool {
    listener.bind.port() != 0
}

fn peer_transports(peer: &Peer) -> impl Iterator<Item = crate::sip::Transport> {
    let called = (!peer.targets.is_empty()).then(|| peer.transports.iter().copied());
    called.into_iter().flatten()
}

/// The sides where calls of a direction begin and end.
#[must_use]
pub const fn sides(direction: Direction) -> (PeerSide, PeerSide) {
    match direction {
        Direction::Outbound => (PeerSide::Inside, PeerSide::Outside),
        Direction::Inbound => (PeerSide::Outside, PeerSide::Inside),
        Direction::Internal => (PeerSide::Inside, PeerSide::Inside),
        Direction::Transit => (PeerSide::Outside, PeerSide::Outside),
    }
}

const fn side(side: PeerSide) -> &'static str {
    match side {
        PeerSide::Inside => "inside",
        PeerSide::Outside => "outside",
    }
}

/// A direction as written.
#[must_use]
pub const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
        Direction::Internal => "internal",
        Direction::Transit => "transit",
    }
}

/// Whether calls of a peer may begin a route.
#[must_use]
pub fn begins_at(route: &Route, peer: &Peer) -> bool {
    let fits = route.direction.is_some_and(|direction| sides(direction).0 == peer.side);
    fits && (route.from.is_empty() || route.from.contains(&peer.id))
}

fn takes_all_of(before: &Route, route: &Route) -> bool {
    let any = |patterns: &[Pattern]| patterns.is_empty() || patterns.contains(&Pattern::Any);
    let from = before.from.is_empty()
        || !route.from.is_empty() && route.from.iter().all(|peer| before.from.contains(peer));
    let called = any(&before.called) || before.called == route.called;
    before.direction == route.direction
        && from
        && called
        && (any(&before.caller) || before.caller == route.caller)
}
