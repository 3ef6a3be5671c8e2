//! A small office for the tests of this room: a PBX inside, two trunks outside, one site.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::form::Numbers;
use super::identity::Identity;
use super::pace::Pace;
use super::peer::{Aim, CalledFrom, Listener, Methods, Peer, PeerId, PeerSide, Site, SiteId};
use super::refusal::Presets;
use super::route::{Pattern, Route, RouteTarget};
use super::rules::{Entry, Rules};
use super::{Facts, Located, Plan, Policy};
use crate::clock::{Now, Tick, Wall};
use crate::sip::{ConnectionId, Flow, ListenerId, Method, PartyId, Transport};

pub(crate) const PBX: PeerId = PeerId(0);
pub(crate) const TRUNK: PeerId = PeerId(1);
pub(crate) const SPARE: PeerId = PeerId(2);
pub(crate) const OFFICE: SiteId = SiteId(0);
pub(crate) const INSIDE: ListenerId = ListenerId(0);
pub(crate) const OUTSIDE: ListenerId = ListenerId(1);

/// No name leads anywhere.
static NOWHERE: Located = Located::new();

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn peer(id: PeerId, name: &str, side: PeerSide, source: &str, target: &str) -> Peer {
    Peer {
        id,
        name: Arc::from(name),
        side,
        site: Some(OFFICE),
        listener: if side == PeerSide::Inside { INSIDE } else { OUTSIDE },
        sources: vec![source.parse().unwrap()],
        targets: vec![Aim::Address(address(target))],
        transports: smallvec![Transport::Tls],
        party: PartyId(id.0 + 1),
        calls_from_targets: false,
        request_host: None,
        dialling: None,
        callers: None,
        numbers: Numbers::default(),
        identity: Identity::default(),
        roaming: false,
        demand: None,
        plain_signalling: false,
        plain_media: false,
        media: Arc::new(super::media::PeerMedia::of(Arc::from([source.parse().unwrap()]))),
        methods: Methods::default(),
        redirects: crate::policy::peer::Onward::Refuse,
        transfers: crate::policy::peer::Onward::Refuse,
        extensions: crate::policy::peer::Extensions::ALL,
        called_from: CalledFrom::RequestUri,
        pass_headers: Vec::new(),
        refusal: Presets::GENERIC,
        probe: None,
        concurrent_calls_max: 3,
        requests_per_second_max: 10,
        requests_burst_max: 5,
        try_timeout: Duration::from_secs(4),
        ring_max: Duration::from_secs(180),
        session_timers: super::peer::SessionTimers::default(),
        post_dial_max: Duration::from_secs(30),
        pace: Pace::default(),
        keep_alive: None,
        proof: None,
        login: None,
        register: None,
    }
}

pub(crate) fn listener(id: ListenerId, name: &str, bind: &str, advertise: &str) -> Listener {
    Listener {
        id,
        name: Arc::from(name),
        bind: address(bind),
        advertised: super::peer::Advertised::new(advertise, 5061),
        transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls],
    }
}

pub(crate) fn route(name: &str, from: &[PeerId], called: Vec<Pattern>, to: &[PeerId]) -> Route {
    let to = to.iter().zip(0..).map(|(peer, priority)| RouteTarget { peer: *peer, priority, weight: 1 });
    Route {
        path: Arc::from(format!("routes.{name}")),
        direction: None,
        from: from.to_vec(),
        called,
        caller: Vec::new(),
        to: to.collect(),
    }
}

/// The office's plan; tests change what they look at.
pub(crate) fn plan() -> Plan {
    let pbx = peer(PBX, "pbx", PeerSide::Inside, "10.0.0.5/32", "10.0.0.5:5061");
    let trunk = peer(TRUNK, "trunk", PeerSide::Outside, "203.0.113.0/28", "203.0.113.1:5061");
    let spare = peer(SPARE, "spare", PeerSide::Outside, "198.51.100.7/32", "198.51.100.7:5061");
    let site = Site {
        id: OFFICE,
        name: Arc::from("office"),
        peers: vec![PBX, TRUNK, SPARE],
        dids: vec![Arc::from("+12125550101"), Arc::from("+12125550100")],
        domains: vec![Arc::from("sip.example.com")],
        channels: 4,
    };
    Plan {
        generation: 1,
        listeners: vec![
            Some(listener(INSIDE, "inside", "10.0.0.1:5061", "10.0.0.1")),
            Some(listener(OUTSIDE, "outside", "192.168.9.2:5061", "edge.example.net")),
        ],
        peers: [pbx, trunk, spare].into_iter().map(|peer| Some(Arc::new(peer))).collect(),
        sites: vec![site],
        routes: vec![
            route("out", &[PBX], vec![Pattern::Prefix(Arc::from("+"))], &[TRUNK, SPARE]),
            route("in", &[TRUNK, SPARE], vec![Pattern::SiteDid], &[PBX]),
        ],
        rules: Rules::default(),
        sources: super::sources::Settings::default(),
        media: None,
        ..Plan::default()
    }
}

pub(crate) fn changed(plan: &mut Plan, id: PeerId, change: impl FnOnce(&mut Peer)) {
    let slot = plan.peers.get_mut(usize::from(id.0)).and_then(Option::as_mut).unwrap();
    change(Arc::make_mut(slot));
}

pub(crate) fn policy() -> Policy {
    Policy::build(plan()).unwrap()
}

pub(crate) fn policy_with(outbound: Vec<Entry>) -> Policy {
    let rules = Rules { outbound, ..Rules::default() };
    Policy::build(Plan { rules, ..plan() }).unwrap()
}

pub(crate) fn now(seconds: u64) -> Now {
    let micros = seconds * 1_000_000;
    Now { tick: Tick::from_micros(micros), wall: Wall::from_micros(i64::try_from(micros).unwrap()) }
}

/// An INVITE of the PBX over TLS to a number abroad.
pub(crate) fn facts() -> Facts<'static> {
    Facts {
        now: now(100),
        peer: PBX,
        source: address("10.0.0.5:40000"),
        transport: Transport::Tls,
        method: &Method::Invite,
        holds_place: false,
        call_id: b"one@pbx",
        in_dialog: false,
        request_host: None,
        secure: false,
        keys: false,
        replaces: false,
        caller: "201",
        caller_sent: "201",
        credential: None,
        owned: None,
        shows: false,
        forwarded: None,
        sent_on: None,
        again: 0,
        called: "+37127913000",
        dialled: "+37127913000",
        max_forwards: Some(70),
        via_count: 1,
        number: None,
        emergency: false,
        hidden: false,
        passed_before: false,
        draw: 0,
        located: &NOWHERE,
        direction: None,
        target: None,
    }
}

pub(crate) fn inbound() -> Facts<'static> {
    Facts { peer: TRUNK, source: address("203.0.113.1:5061"), called: "+12125550100", ..facts() }
}

pub(crate) fn flow(listener: ListenerId, remote: &str) -> Flow {
    Flow { listener, transport: Transport::Udp, remote: address(remote), connection: ConnectionId::NONE }
}
