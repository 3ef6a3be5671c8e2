//! An engine driven by hand: bytes and time in, outputs out.
//!
//! Owns the policy of these tests: a PBX and a second one inside, a trunk outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringfence::call::{self, CallRecord, Random};
use ringfence::clock::{Now, Tick, Wall};
use ringfence::engine::{Engine, Gauges, Input, Output, Query, Reply, Settings};
use ringfence::media::order::{News, Order};
use ringfence::policy::identity::Identity;
use ringfence::policy::media::PeerMedia;
use ringfence::policy::peer::{CalledFrom, Extensions, Methods, Probe};
use ringfence::policy::route::{Pattern, Route, RouteTarget};
use ringfence::policy::{
    Aim, Alert, Direction, Kept, Listener, Numbers, Pace, Peer, PeerId, PeerSide, Plan, Policy, Presets,
    Site, SiteId,
};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::{ConnectionId, Flow, Hop, ListenerId, Message, PartyId, Transport};
use ringfence::transaction::Timing;

/// Where the edge listens for the PBXs.
pub const INSIDE: &str = "10.0.0.1:5060";
/// Where it listens for the trunk.
pub const OUTSIDE: &str = "192.0.2.1:5060";
/// The PBX.
pub const PBX: &str = "10.0.0.2:5060";
/// Another address of the same PBX.
pub const PBX_TOO: &str = "10.0.0.3:5060";
/// Another PBX, which may send MESSAGE and INFO.
pub const OTHER: &str = "10.0.0.9:5060";
/// The trunk.
pub const TRUNK: &str = "198.51.100.5:5060";
/// Nobody.
pub const STRANGER: &str = "203.0.113.66:5060";

/// An address.
pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listener(id: u16, name: &str, bind: &str) -> Option<Listener> {
    let bind = at(bind);
    Some(Listener {
        id: ListenerId(id),
        name: name.into(),
        bind,
        advertised: bind.into(),
        transports: vec![Transport::Udp, Transport::Tcp],
    })
}

/// A peer with one address, plain signalling, and room for everything.
pub fn peer(id: u16, name: &str, side: PeerSide, listener: u16, address: &str) -> Peer {
    let address = at(address);
    Peer {
        id: PeerId(id),
        name: name.into(),
        side,
        site: Some(SiteId(0)),
        listener: ListenerId(listener),
        sources: vec![address.ip().into()],
        targets: vec![Aim::Address(address)],
        transports: [Transport::Udp, Transport::Tcp].into_iter().collect(),
        party: PartyId(id + 1),
        calls_from_targets: false,
        request_host: None,
        dialling: None,
        callers: None,
        numbers: Numbers::default(),
        identity: Identity::default(),
        roaming: false,
        demand: None,
        plain_signalling: true,
        plain_media: true,
        media: Arc::new(PeerMedia::of(Arc::from([address.ip().into()]))),
        methods: Methods::default(),
        redirects: ringfence::policy::peer::Onward::Refuse,
        transfers: ringfence::policy::peer::Onward::Refuse,
        extensions: Extensions::ALL,
        called_from: CalledFrom::RequestUri,
        pass_headers: Vec::new(),
        refusal: Presets::GENERIC,
        probe: None,
        concurrent_calls_max: 100,
        requests_per_second_max: 1_000,
        requests_burst_max: 1_000,
        try_timeout: Duration::from_secs(4),
        post_dial_max: Duration::from_secs(30),
        ring_max: Duration::from_secs(180),
        pace: Pace::default(),
        session_timers: ringfence::policy::peer::SessionTimers::default(),
        keep_alive: None,
        proof: None,
        login: None,
        register: None,
    }
}

fn route(name: &str, direction: Direction, called: Pattern, to: u16) -> Route {
    Route {
        path: name.into(),
        direction: Some(direction),
        from: Vec::new(),
        called: vec![called],
        caller: Vec::new(),
        to: vec![RouteTarget { peer: PeerId(to), priority: 1, weight: 1 }],
    }
}

/// The policy of these tests; `change` may alter it.
pub fn plan(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    let mut pbx = peer(0, "pbx", PeerSide::Inside, 0, PBX);
    pbx.sources.push(at(PBX_TOO).ip().into());
    let trunk = peer(1, "trunk", PeerSide::Outside, 1, TRUNK);
    let mut other = peer(2, "other", PeerSide::Inside, 0, OTHER);
    other.methods = Methods { info: true, message: true };
    let mut plan = Plan {
        generation: 1,
        listeners: vec![listener(0, "inside", INSIDE), listener(1, "outside", OUTSIDE)],
        peers: [pbx, trunk, other].into_iter().map(|peer| Some(Arc::new(peer))).collect(),
        sites: vec![Site {
            id: SiteId(0),
            name: "office".into(),
            peers: vec![PeerId(0), PeerId(1), PeerId(2)],
            dids: vec!["+12125550100".into()],
            domains: Vec::new(),
            channels: 100,
        }],
        routes: vec![
            route("out", Direction::Outbound, Pattern::Any, 1),
            route("in", Direction::Inbound, Pattern::SiteDid, 0),
        ],
        ..Plan::default()
    };
    change(&mut plan);
    Arc::new(Policy::build(plan).unwrap())
}

/// Changes one peer of a plan.
pub fn alter(plan: &mut Plan, id: usize, change: impl FnOnce(&mut Peer)) {
    let mut peer = Peer::clone(plan.peers[id].as_ref().unwrap());
    change(&mut peer);
    plan.peers[id] = Some(Arc::new(peer));
}

/// With OPTIONS probes to the trunk.
pub fn probed(interval: Duration) -> Arc<Policy> {
    plan(|plan| alter(plan, 1, |trunk| trunk.probe = Some(Probe { interval })))
}

/// Settings as a fresh install has them.
pub fn settings() -> Settings {
    let timing = Timing::default();
    Settings {
        limits: Limits::default(),
        timing,
        call: call::Settings { timing, relays_max: 8, product: "".into(), udp_request_bytes_max: 1_300 },
        calls_max: 20_000,
        transactions_max: 100_000,
        client_transactions_max: 100_000,
    }
}

/// A datagram's flow.
pub fn from(address: &str) -> Flow {
    let remote = at(address);
    let outside = address.starts_with("198.51.100.") || remote.ip() == at(STRANGER).ip();
    Flow {
        listener: ListenerId(u16::from(outside)),
        transport: Transport::Udp,
        remote,
        connection: ConnectionId::NONE,
    }
}

/// What one input brought about.
#[derive(Debug, Default)]
pub struct Seen {
    /// Sent, as bytes.
    pub sent: Vec<(Hop, Bytes)>,
    /// Alerts.
    pub alerts: Vec<Alert>,
    /// Records.
    pub records: Vec<CallRecord>,
    /// What the media relay is to do.
    pub media: Vec<Order>,
    /// The end of draining.
    pub drained: Option<usize>,
    /// Streams that are no guest's any more.
    pub proven: Vec<ConnectionId>,
    /// Streams that are to be closed.
    pub closed: Vec<ConnectionId>,
    /// Rows to keep.
    pub kept: Vec<Kept>,
    /// Everything else that was put out, `Wait` left out.
    pub replies: Vec<Reply>,
}

impl Seen {
    /// Every message sent to an address, read.
    pub fn to(&self, address: &str) -> Vec<Message> {
        let there = |(hop, _): &&(Hop, Bytes)| hop.remote == at(address);
        self.sent
            .iter()
            .filter(there)
            .map(|(_, bytes)| parse(bytes.clone(), &Limits::default()).unwrap())
            .collect()
    }

    /// Statuses sent to an address, in order.
    pub fn statuses(&self, address: &str) -> Vec<u16> {
        let there = |(hop, _): &&(Hop, Bytes)| hop.remote == at(address);
        let status = |(_, bytes): &(Hop, Bytes)| {
            let line = bytes.strip_prefix(b"SIP/2.0 ")?;
            std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
        };
        self.sent.iter().filter(there).filter_map(status).collect()
    }

    /// Numbers of the alerts, in order.
    pub fn codes(&self) -> Vec<u32> {
        self.alerts.iter().map(|alert| alert.code.number).collect()
    }

    fn add(&mut self, more: Self) {
        self.sent.extend(more.sent);
        self.alerts.extend(more.alerts);
        self.records.extend(more.records);
        self.media.extend(more.media);
        self.replies.extend(more.replies);
        self.kept.extend(more.kept);
        self.proven.extend(more.proven);
        self.closed.extend(more.closed);
        self.drained = self.drained.or(more.drained);
    }
}

/// Gauges, counts, and peers up or down.
pub type Status = (Gauges, Vec<(String, u64)>, Vec<(String, Option<bool>)>);

/// The engine with its clock.
pub struct Edge {
    /// Rows that it gave out to be kept, in order.
    pub kept: Vec<Kept>,
    /// The engine.
    pub engine: Engine,
    now: Now,
    wait: Option<Tick>,
}

impl Edge {
    /// Under the policy of these tests.
    pub fn new() -> Self {
        Self::under(plan(|_| {}))
    }

    /// Under another policy.
    pub fn under(policy: Arc<Policy>) -> Self {
        Self::with(policy, settings())
    }

    /// With other settings.
    pub fn with(policy: Arc<Policy>, settings: Settings) -> Self {
        let now = Now { tick: Tick::from_micros(1_000_000), wall: Wall::from_micros(1_800_000_000_000_000) };
        Self {
            engine: Engine::new(now, settings, policy, Random::new([7; 32])),
            now,
            wait: None,
            kept: Vec::new(),
        }
    }

    /// One input.
    pub fn input(&mut self, input: Input<'_>) -> Seen {
        self.engine.handle(self.now, input);
        let (mut seen, mut closed) = (Seen::default(), Vec::new());
        loop {
            match self.engine.poll_output() {
                Output::Send { hop, bytes } => seen.sent.push((hop, bytes)),
                Output::Close { connection } => seen.closed.push(connection),
                Output::Proven { connection } => seen.proven.push(connection),
                Output::Record(record) => seen.records.push(*record),
                Output::Alert(alert) => seen.alerts.push(*alert),
                Output::Reply { reply, .. } => seen.replies.push(*reply),
                Output::Media(order) => {
                    closed.extend(match &order {
                        Order::Close { media } => Some(*media),
                        Order::Open { .. } | Order::Set { .. } | Order::Shut { .. } => None,
                    });
                    seen.media.push(order);
                }
                Output::Keep(rows) => {
                    seen.kept.extend(rows.iter().cloned());
                    self.kept.extend(rows);
                }
                Output::Drained { cut } => seen.drained = Some(cut),
                Output::Wait { until, .. } => match closed.pop() {
                    // As the relay does, which had nothing to count here.
                    Some(media) => {
                        let report = News::Report { media, streams: Vec::new() };
                        self.engine.handle(self.now, Input::Media(report));
                    }
                    None => {
                        self.wait = until;
                        return seen;
                    }
                },
            }
        }
    }

    /// One datagram.
    pub fn hear(&mut self, flow: Flow, text: &str) -> Seen {
        self.input(Input::Frame { flow, frame: text.as_bytes().into() })
    }

    /// Whether a stream of this flow would be taken.
    pub fn meets(&self, flow: Flow) -> bool {
        self.engine.meets(self.now.tick, flow.listener, flow.remote.ip()).is_some()
    }

    /// Lets time pass, waking whenever the engine asked for it.
    pub fn pass(&mut self, time: Duration) -> Seen {
        let end = self.now.tick.after(time);
        let mut seen = Seen::default();
        for _ in 0..1_000_000 {
            let next = self.wait.filter(|at| *at <= end).unwrap_or(end).max(self.now.tick);
            let passed = next.since(self.now.tick);
            let micros = i64::try_from(passed.as_micros()).unwrap();
            self.now = Now { tick: next, wall: Wall::from_micros(self.now.wall.micros() + micros) };
            seen.add(self.input(Input::Wake));
            if next == end && self.wait.is_none_or(|at| at > end) {
                return seen;
            }
        }
        panic!("the engine wakes without end");
    }

    /// Sets the wall clock by so many seconds; the monotonic one goes on.
    pub fn set_clock(&mut self, seconds: i64) {
        self.now.wall = Wall::from_micros(self.now.wall.micros() + seconds * 1_000_000);
    }

    /// Gauges and counts.
    pub fn status(&mut self) -> Status {
        let seen = self.input(Input::Query { id: 1, query: Query::Status });
        match seen.replies.into_iter().next().unwrap() {
            Reply::Status { gauges, counts, peers, .. } => (gauges, counts, peers),
            other @ (Reply::Unlocked { .. } | Reply::Ordered(_)) => panic!("{other:?}"),
        }
    }

    /// One count by its name.
    pub fn count(&mut self, name: &str) -> u64 {
        let (_, counts, _) = self.status();
        counts.into_iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no count {name}")).1
    }

    /// Nothing is held, nothing waits.
    pub fn assert_empty(&mut self) {
        let (gauges, _, _) = self.status();
        assert_eq!(gauges, Gauges::default());
    }
}
