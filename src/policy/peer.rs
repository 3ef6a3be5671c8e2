//! Peers, sites and listeners: the machines the YAML names.
//!
//! Owns their settings. Refuses to know how they are written down. Read first: DESIGN.md §4.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::credential::Demand;
use super::form::Numbers;
use super::identity::Identity;
use super::login::Login;
use super::number::Dialling;
use super::owned::Callers;
use super::pace::Pace;
use super::refusal::Presets;
use super::register::Register;
use crate::sip::{HeaderName, ListenerId, PartyId, Transport};

/// A peer's number; stable over reloads (a peer is known by its name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u16);

/// A site's number; stable over reloads (a site is known by its name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u16);

/// Which side of the edge a peer stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerSide {
    /// The office's own machine (PBX).
    Inside,
    /// The world's (trunk).
    Outside,
}

/// Where a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Inside to outside.
    Outbound,
    /// Outside to inside.
    Inbound,
    /// Inside to inside.
    Internal,
    /// Outside to outside: only where a route names it.
    Transit,
}

/// A local address that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its number.
    pub id: ListenerId,
    /// Its name in the YAML.
    pub name: Arc<str>,
    /// The address bound; never a wildcard.
    pub bind: SocketAddr,
    /// What peers are told in Via and Contact. Default: `bind`.
    pub advertised: Advertised,
    /// Transports served.
    pub transports: Vec<Transport>,
}

impl Listener {
    /// Whether this address leads to it: the one it is bound to, or the one that peers are told.
    #[must_use]
    pub fn is_at(&self, address: SocketAddr) -> bool {
        self.bind == address || self.advertised.address == Some(address)
    }
}

/// Host and port as peers are told them, in the forms that messages hold: made once, for every message says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    sent_by: Arc<str>,
    host_bytes: usize,
    port: u16,
    address: Option<SocketAddr>,
}

impl Advertised {
    /// From a host, which is a name or an address (an IPv6 address with or without its brackets), and a port.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // RFC 3261 §25.1: an IPv6reference stands in brackets.
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        Self {
            sent_by: Arc::from(format!("{host}:{port}")),
            host_bytes: host.len(),
            port,
            address: bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)),
        }
    }

    /// The host as it stands in a URI: an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.sent_by.get(..self.host_bytes).unwrap_or_default()
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `HOST:PORT`, as Via's sent-by and Contact have it.
    #[must_use]
    pub fn sent_by(&self) -> &str {
        &self.sent_by
    }
}

impl From<SocketAddr> for Advertised {
    fn from(address: SocketAddr) -> Self {
        Self::new(&address.ip().to_string(), address.port())
    }
}

/// Transports in order of preference; a few, and never on the heap.
pub type Transports = SmallVec<[Transport; 4]>;

/// Where calls to a peer are sent, as the policy names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// An address and port.
    Address(SocketAddr),
    /// A name that DNS knows (RFC 3263).
    Name(Domain),
}

/// A name of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The host or domain, in lower case and without a last dot.
    pub host: Arc<str>,
    /// With a port it is a host's name and leads to its addresses alone (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// Who must be there.
    pub party: PartyId,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(domain) => domain.fmt(f),
        }
    }
}

/// One place that calls to a peer can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Address and port.
    pub address: SocketAddr,
    /// Transports the peer has there: requests go by the first; TCP beside UDP carries those too large for UDP.
    pub transports: Transports,
    /// Who must be there.
    pub party: PartyId,
    /// The name that led there; `None` for an address of the policy's own.
    pub name: Option<Arc<Named>>,
}

/// What a name brings to the targets that it leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// The host of Request-URI and To, with the port that the policy writes.
    pub request_host: Arc<str>,
    /// Every address that it leads to, at the time it was resolved.
    pub addresses: Box<[IpAddr]>,
}

impl Target {
    /// The first transport that it was not tried by. After an encrypted one never one in the clear: whoever can break a
    /// connection must not be able to take the encryption away.
    #[must_use]
    pub fn next_transport(&self, tried: &[Transport]) -> Option<Transport> {
        let encrypted = tried.iter().any(|transport| transport.is_encrypted());
        let open =
            |transport: &&Transport| !tried.contains(transport) && (!encrypted || transport.is_encrypted());
        self.transports.iter().find(open).copied()
    }
}

/// Where an inbound call's DID is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CalledFrom {
    /// The Request-URI's user.
    #[default]
    RequestUri,
    /// To's user.
    To,
    /// P-Called-Party-ID's user (RFC 7315 §4.2).
    PCalledPartyId,
}

/// What becomes of a call that a peer sends on to another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Onward {
    /// It is refused.
    #[default]
    Refuse,
    /// The number is judged as if it were dialled, and whoever is to call it is told that number and nothing else.
    JudgeAndPass,
    /// The number is judged, and this edge calls it.
    Perform,
}

/// Methods a peer may use beside INVITE, ACK, CANCEL, BYE and OPTIONS, which every peer may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Methods {
    /// INFO within a call.
    pub info: bool,
    /// MESSAGE carried to where routes lead.
    pub message: bool,
}

/// SIP extensions a peer may use; what is left out is answered as if this edge did not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Reliable provisional responses and PRACK (RFC 3262).
    pub reliable: bool,
    /// UPDATE (RFC 3311).
    pub update: bool,
}

impl Extensions {
    /// All that this edge knows.
    pub const ALL: Self = Self { reliable: true, update: true };
}

/// OPTIONS probes towards a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Time between two probes of one target.
    pub interval: Duration,
}

/// Who should refresh a session where the peer leaves it open (RFC 4028 §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Refreshes {
    /// This edge.
    #[default]
    Edge,
    /// The peer; one that knows no session timers is refreshed by the edge all the same.
    Peer,
}

/// Session timers with a peer (RFC 4028), in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimers {
    /// The longest time between two refreshes, unless the peer's Min-SE is longer. Default 1800.
    pub expires: u32,
    /// The shortest that the peer may ask for; at least 90 (§5). Default 90.
    pub min_se: u32,
    /// Who should refresh.
    pub refresher: Refreshes,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self { expires: 1_800, min_se: 90, refresher: Refreshes::Edge }
    }
}

/// What a peer must prove where TLS is spoken with it. The certificates themselves are no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who may have signed its certificate, as written: a file, or `system`.
    pub authorities: Arc<str>,
    /// The names of which its certificate must hold one; when we call it, its targets where there are none.
    pub names: Vec<Arc<str>>,
    /// Whether a wildcard in its certificate counts (RFC 5922 §7.2 allows none).
    pub wildcard: bool,
    /// Whether it must show a certificate when it calls us.
    pub client_certificate: bool,
}

impl Proof {
    /// What the peer of this name need not prove any more that it had to under `before`, one sentence each.
    pub fn weaker_than(&self, before: &Self, name: &str, weaker: &mut Vec<String>) {
        if before.authorities != self.authorities {
            weaker.push(format!(
                "the certificate of peer {name} may be signed by others: {} instead of {}",
                self.authorities, before.authorities
            ));
        }
        if before.client_certificate && !self.client_certificate {
            weaker.push(format!("peer {name} may call without a certificate"));
        }
        if self.wildcard && !before.wildcard {
            weaker.push(format!("a wildcard counts in the certificate of peer {name}"));
        }
        if before.names.is_empty() {
            return;
        }
        if self.names.is_empty() {
            weaker.push(format!("the certificate of peer {name} need hold no name of `names` any more"));
        }
        let added = self.names.iter().filter(|one| !before.names.contains(one));
        weaker.extend(added.map(|one| format!("peer {name} may also prove itself as {one}")));
    }
}

/// A machine of the YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its number.
    pub id: PeerId,
    /// Its name in the YAML.
    pub name: Arc<str>,
    /// Which side it stands on.
    pub side: PeerSide,
    /// The site that owns it.
    pub site: Option<SiteId>,
    /// The listener it is met on.
    pub listener: ListenerId,
    /// Addresses it sends from.
    pub sources: Vec<IpNet>,
    /// Whether it may send from anywhere, known by what it proves alone.
    pub roaming: bool,
    /// Where calls to it go, in order of preference; empty for a peer that only calls.
    pub targets: Vec<Aim>,
    /// How they are reached: requests go by the first; TCP beside UDP carries those too large for UDP.
    pub transports: Transports,
    /// The peer itself, where no name is asked for.
    pub party: PartyId,
    /// Whether it may also call from where the names among its targets lead (`sources: [targets]`).
    pub calls_from_targets: bool,
    /// The host of the Request-URI, From and To towards it; default: the target's name, or its address and port.
    pub request_host: Option<Arc<str>>,
    /// How what it dials is read; `None` takes a number as it stands.
    pub dialling: Option<Arc<Dialling>>,
    /// As whom its calls to the outside may be shown; `None` judges no caller.
    pub callers: Option<Arc<Callers>>,
    /// How numbers are written towards it.
    pub numbers: Numbers,
    /// Whose word on who is calling counts.
    pub identity: Identity,
    /// What it must show before it may call; `None` asks for nothing.
    pub demand: Option<Arc<Demand>>,
    /// What it must prove over TLS; `None` where its listener serves none.
    pub proof: Option<Proof>,
    /// Whether its signalling may be in the clear (default no: 32209).
    pub plain_signalling: bool,
    /// Whether its media may be in the clear (default no; judged when media is anchored).
    pub plain_media: bool,
    /// What its media may, where media is anchored.
    pub media: Arc<super::media::PeerMedia>,
    /// Extra methods.
    pub methods: Methods,
    /// Redirects (3xx) that it answers calls with.
    pub redirects: Onward,
    /// Transfers (REFER) that it asks for within a call.
    pub transfers: Onward,
    /// SIP extensions; all by default.
    pub extensions: Extensions,
    /// Where its DIDs are read (outside peers).
    pub called_from: CalledFrom,
    /// Headers that cross towards this peer beyond the table of `call/rewrite.rs`.
    pub pass_headers: Vec<PassedHeader>,
    /// Statuses for each class of refusal.
    pub refusal: Presets,
    /// OPTIONS probes; `None` sends none while calls are served, and the peer counts as up.
    pub probe: Option<Probe>,
    /// Calls at once, both directions together (10004).
    pub concurrent_calls_max: u32,
    /// Requests a second this peer may send as a whole, and its burst.
    pub requests_per_second_max: u32,
    /// The burst above that rate.
    pub requests_burst_max: u32,
    /// No response at all from a target for so long: the next one is tried. Default 4 s.
    pub try_timeout: Duration,
    /// Only 100 and no 18x or final from a target for so long: CANCEL and the next one (32016). Default 30 s.
    pub post_dial_max: Duration,
    /// Ringing (or any provisional) without an answer for so long: CANCEL. Default 180 s.
    pub ring_max: Duration,
    /// How fast calls go to it.
    pub pace: Pace,
    /// Session timers with it; there is no way to do without.
    pub session_timers: SessionTimers,
    /// Sends an empty line to it every so often while a call is up, so that a NAT on the way does not forget the flow.
    pub keep_alive: Option<Duration>,
    /// What is shown to it when it asks who we are; `None` shows nothing, whatever it asks.
    pub login: Option<Arc<Login>>,
    /// How this edge is registered there; `None` is not.
    pub register: Option<Register>,
}

impl Peer {
    /// As whom calls are counted that a number is said to have sent on: a number that is not the peer's own counts with all others
    /// such, so that a forged one opens nothing; an extension is known here alone, and where `shown_as` names those there are, no others are.
    #[must_use]
    pub fn forwarder<'a>(&self, by: &'a str) -> &'a str {
        let Some(callers) = &self.callers else { return by };
        let extension = super::keyed::tail(by).is_none() && by.bytes().all(|key| key.is_ascii_digit());
        let listed = |by: &str| callers.shown_as.iter().any(|(known, _)| **known == *by);
        let known = callers.owned.holds(by) || listed(by) || extension && callers.shown_as.is_empty();
        if known { by } else { "" }
    }

    /// The target at an address of its own.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Target {
        Target { address, transports: self.transports.clone(), party: self.party, name: None }
    }

    /// The addresses among its targets.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.targets.iter().filter_map(|aim| match aim {
            Aim::Address(address) => Some(*address),
            Aim::Name(_) => None,
        })
    }

    /// The names among its targets.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.targets.iter().filter_map(|aim| match aim {
            Aim::Address(_) => None,
            Aim::Name(domain) => Some(domain),
        })
    }
}

/// A header opened by `pass_headers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedHeader {
    /// One we have a word for.
    Known(HeaderName),
    /// Any other, compared ASCII case-insensitively.
    Named(Arc<str>),
}

/// One owner's installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its number.
    pub id: SiteId,
    /// Its name in the YAML.
    pub name: Arc<str>,
    /// Its peers.
    pub peers: Vec<PeerId>,
    /// Numbers it owns, as a trunk delivers them.
    pub dids: Vec<Arc<str>>,
    /// Host names that are this edge's own in a Request-URI, beside its listeners' addresses and names.
    pub domains: Vec<Arc<str>>,
    /// Calls at once over its trunks.
    pub channels: u32,
}
