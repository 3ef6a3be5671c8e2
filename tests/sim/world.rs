//! The world: endpoints, the edge, an attacker and the wire between them, one step after another.
//!
//! Owns virtual time and what travels. Refuses to know how anybody decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ringfence::admin::ladder::Ladder;
use ringfence::call::CallRecord;
use ringfence::engine::Input;
use ringfence::policy::{Alert, Policy};
use ringfence::sip::{ConnectionId, Hop, Transport};

use super::agent::{Agent, Alarm};
use super::dice::Dice;
use super::edge::Edge;
use super::flow::Deed;
use super::ledger::{Ledger, is_empty};
use super::policy::{EDGE_INSIDE, EDGE_OUTSIDE, PEERS, address};
use super::text::{Sip, is_keep_alive};
use super::wire::{Agenda, MS, Micros, Packet, SECOND, Weather};

/// Longer than any flow; who is still busy then hangs.
const END_OF_TIME: Micros = 30_000 * SECOND;

/// What happens in the world.
#[derive(Debug)]
enum Event {
    ToEdge(Packet),
    ToAgent(usize, Packet),
    Alarm(usize, Alarm),
    Place(usize),
    Deed(Deed),
    Unsendable(Hop),
}

/// A call to be placed.
#[derive(Debug, Clone)]
pub struct Placement {
    pub agent: usize,
    pub flow: usize,
    pub caller: String,
    pub number: String,
    pub plan: super::agent::plan::Plan,
}

/// One stream between an endpoint and the edge.
#[derive(Debug)]
struct Stream {
    agent: usize,
    /// The endpoint's end, as the edge sees it.
    remote: SocketAddr,
    /// The edge's end.
    local: SocketAddr,
    /// Nothing overtakes on a stream: when the last bytes of each direction arrive.
    inward: Micros,
    outward: Micros,
}

/// The world.
pub struct World {
    pub at: Micros,
    pub edge: Edge,
    pub agents: Vec<Agent>,
    pub ledger: Ledger,
    pub ladder: Ladder,
    pub records: Vec<CallRecord>,
    pub alerts: Vec<Alert>,
    pub drained: Option<usize>,
    pub steps: u64,
    /// Addresses that refuse every packet.
    pub unreachable: BTreeSet<SocketAddr>,
    /// Peers that nothing goes to or comes from.
    pub cut: BTreeSet<&'static str>,
    /// Final responses of the edge to requests within a call of which the wire has lost each copy, and how many.
    pub unheard: BTreeMap<(String, String), usize>,
    /// Policies a deed may load.
    pub policies: BTreeMap<&'static str, Arc<Policy>>,
    agenda: Agenda<Event>,
    weather: Weather,
    dice: Dice,
    placements: Vec<Placement>,
    streams: BTreeMap<u64, Stream>,
    streams_made: u64,
    attacker: Option<super::attacker::Attacker>,
}

impl World {
    /// A world around an edge; endpoints speak `transport`.
    pub fn new(edge: Edge, transport: Transport, weather: Weather, seed: u64) -> Self {
        let agents = PEERS
            .iter()
            .map(|(name, at, inside)| {
                let face = if *inside { EDGE_INSIDE } else { EDGE_OUTSIDE };
                Agent::new(name, address(at), address(face), transport, seed)
            })
            .collect();
        Self {
            at: 0,
            edge,
            agents,
            ledger: Ledger::default(),
            ladder: Ladder::default(),
            records: Vec::new(),
            alerts: Vec::new(),
            drained: None,
            steps: 0,
            unreachable: BTreeSet::new(),
            cut: BTreeSet::new(),
            unheard: BTreeMap::new(),
            policies: BTreeMap::new(),
            agenda: Agenda::default(),
            weather,
            dice: Dice::new(seed, 7),
            placements: Vec::new(),
            streams: BTreeMap::new(),
            streams_made: 0,
            attacker: None,
        }
    }

    /// Lets an attacker listen and send.
    pub fn attack(&mut self, attacker: super::attacker::Attacker) {
        self.attacker = Some(attacker);
    }

    /// A call to be placed at a time.
    pub fn place(&mut self, at: Micros, placement: Placement) {
        self.placements.push(placement);
        self.agenda.note(at, Event::Place(self.placements.len() - 1));
    }

    /// A deed at a time.
    pub fn deed(&mut self, at: Micros, deed: Deed) {
        self.agenda.note(at, Event::Deed(deed));
    }

    /// Plays until nothing is left to happen.
    pub fn play(&mut self) {
        let mut idle_wakes = 0_u32;
        while self.ledger.violations.is_empty() {
            let wake = self.edge.until;
            let next = self.agenda.next_at();
            let (at, is_wake) = match (wake, next) {
                (Some(wake), Some(next)) => (wake.min(next), wake <= next),
                (Some(wake), None) => (wake, true),
                (None, Some(next)) => (next, false),
                (None, None) => break,
            };
            let at = at.max(self.at);
            idle_wakes = if is_wake && at == self.at { idle_wakes + 1 } else { 0 };
            if idle_wakes > 1_000 {
                self.ledger.violate(at, "the engine wants to be woken again and again at one moment");
            }
            if next.is_none() && is_empty(self.edge.gauges(self.at)) {
                break;
            }
            if at > END_OF_TIME {
                self.ledger.violate(at, "it never ends");
                break;
            }
            self.at = at;
            self.step(is_wake);
        }
        let gauges = self.edge.gauges(self.at).clone();
        self.ledger.close(self.at, &gauges);
    }

    fn step(&mut self, is_wake: bool) {
        self.steps += 1;
        if is_wake {
            self.edge.input(self.at, Input::Wake);
        } else if let Some((_, event)) = self.agenda.take() {
            self.happen(event);
        }
        self.hear_edge();
        for index in 0..self.agents.len() {
            self.hear_agent(index);
        }
        let at = self.at;
        let gauges = self.edge.gauges(at).clone();
        self.ledger.gauges(at, &gauges);
        if let Some(fault) = self.edge.media_fault() {
            self.ledger.violate(at, fault);
        }
    }

    fn happen(&mut self, event: Event) {
        let at = self.at;
        match event {
            Event::ToEdge(packet) => {
                if PEERS.iter().any(|(_, known, _)| address(known).ip() == packet.from.ip()) {
                    self.ledger.arrived(at, &packet.bytes);
                }
                self.edge.frame(
                    at,
                    packet.from,
                    packet.to,
                    packet.transport,
                    packet.connection,
                    &packet.bytes,
                );
            }
            Event::ToAgent(index, packet) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.receive(at, &packet);
                }
            }
            Event::Alarm(index, alarm) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.alarm(at, alarm);
                }
            }
            Event::Place(index) => {
                let Some(placement) = self.placements.get(index).cloned() else { return };
                if let Some(agent) = self.agents.get_mut(placement.agent) {
                    agent.call(at, placement.flow, &placement.caller, &placement.number, placement.plan);
                }
            }
            Event::Unsendable(hop) => self.edge.input(at, Input::Unsendable { hop }),
            Event::Deed(deed) => self.do_deed(deed),
        }
    }

    fn do_deed(&mut self, deed: Deed) {
        let at = self.at;
        self.ladder.note(at / MS, format!("{deed:?}"));
        let policy = |world: &Self, name: &str| world.policies.get(name).cloned();
        match deed {
            Deed::Reload => {
                if let Some(policy) = policy(self, "again") {
                    self.edge.input(at, Input::Reload(policy));
                }
            }
            Deed::ReloadWithoutSecond => {
                if let Some(policy) = policy(self, "without second") {
                    self.edge.input(at, Input::Reload(policy));
                }
            }
            Deed::ReloadUnregistered => {
                if let Some(policy) = policy(self, "unregistered") {
                    self.edge.input(at, Input::Reload(policy));
                }
            }
            Deed::Drain(patience_ms) => {
                let patience = std::time::Duration::from_millis(patience_ms);
                self.edge.input(at, Input::Drain { patience });
            }
            Deed::Stop => self.edge.input(at, Input::Stop),
            Deed::Unreach(peer) => {
                let known = PEERS.iter().find(|(name, _, _)| *name == peer);
                self.unreachable.extend(known.map(|(_, at, _)| address(at)));
            }
            Deed::Cut(peer) => {
                self.cut.insert(peer);
            }
            Deed::Mend(peer) => {
                self.cut.remove(peer);
            }
            Deed::BreakStreams => {
                for id in std::mem::take(&mut self.streams).into_keys() {
                    self.edge.input(at, Input::Closed { connection: ConnectionId(id) });
                }
            }
        }
    }

    /// Carries what the edge said.
    fn hear_edge(&mut self) {
        let said = std::mem::take(&mut self.edge.said);
        for (hop, bytes) in said.sends {
            let peer = PEERS.iter().position(|(_, known, _)| address(known).ip() == hop.remote.ip());
            self.ledger.sent(self.at, hop.remote, peer, &bytes);
            if let Some((_, _, inside)) = peer.and_then(|peer| PEERS.get(peer)).filter(|_| self.edge.anchored)
                && let Some(fault) = self.edge.relay.told(*inside, &bytes)
            {
                self.ledger.violate(self.at, fault);
            }
            if let Some(attacker) = &mut self.attacker {
                attacker.overhear(&bytes);
            }
            if let Some(peer) = peer {
                self.carry_out(hop, peer, bytes.to_vec());
            }
        }
        for record in said.records {
            self.ledger.recorded(self.at, &record);
            self.records.push(record);
        }
        self.alerts.extend(said.alerts);
        if said.drained.is_some() {
            self.drained = said.drained;
        }
    }

    /// Bytes of the edge on their way to peer number `peer`.
    fn carry_out(&mut self, hop: Hop, peer: usize, bytes: Vec<u8>) {
        let Some(from) = self.edge.address(hop.listener) else {
            self.ledger.violate(self.at, format!("no listener {:?}", hop.listener));
            return;
        };
        let name = PEERS.get(peer).map_or("?", |(name, _, _)| *name);
        let deaf = self.agents.get(peer).is_some_and(|agent| agent.transport == Transport::Udp)
            && hop.transport == Transport::Tcp;
        if deaf || self.unreachable.contains(&hop.remote) {
            self.ladder.arrow(self.at / MS, "edge", name, format!("x {}", label(&bytes)));
            self.agenda.note(self.at + MS, Event::Unsendable(hop));
            return;
        }
        if self.cut.contains(name) {
            self.draw("edge", name, &bytes, 0);
            return;
        }
        let transport = hop.transport;
        let packet =
            |connection| Packet { from, to: hop.remote, transport, connection, bytes: bytes.clone() };
        if transport == Transport::Udp {
            let arrivals = self.weather.arrivals(&mut self.dice);
            self.draw("edge", name, &bytes, arrivals.len());
            self.note_final(&bytes, arrivals.len());
            for delay in arrivals {
                self.agenda.note(self.at + delay, Event::ToAgent(peer, packet(0)));
            }
            return;
        }
        self.draw("edge", name, &bytes, 1);
        let id = self.stream(peer, hop.remote, from, hop.connection.0);
        let delay = self.weather.delay(&mut self.dice);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.outward = stream.outward.max(self.at + delay);
            let at = stream.outward;
            self.agenda.note(at, Event::ToAgent(peer, packet(id)));
        }
    }

    /// The stream with this number, else any between the two, else a new one.
    fn stream(&mut self, agent: usize, remote: SocketAddr, local: SocketAddr, wanted: u64) -> u64 {
        if self.streams.contains_key(&wanted) {
            return wanted;
        }
        let fits =
            |stream: &Stream| stream.agent == agent && stream.local == local && stream.remote == remote;
        if let Some((id, _)) = self.streams.iter().find(|(_, stream)| fits(stream)) {
            return *id;
        }
        self.streams_made += 1;
        self.streams.insert(self.streams_made, Stream { agent, remote, local, inward: 0, outward: 0 });
        self.streams_made
    }

    /// Carries what an endpoint said.
    fn hear_agent(&mut self, index: usize) {
        let Some(agent) = self.agents.get_mut(index) else { return };
        let (out, alarms, name) =
            (std::mem::take(&mut agent.out), std::mem::take(&mut agent.alarms), agent.name);
        for (at, alarm) in alarms {
            self.agenda.note(at, Event::Alarm(index, alarm));
        }
        for packet in out {
            if let Some(attacker) = &mut self.attacker {
                for (delay, forged) in attacker.react(&packet) {
                    if forged.from.ip() != packet.from.ip() {
                        self.ledger.forged(forged.from.ip(), &forged.bytes);
                    }
                    self.agenda.note(self.at + delay, Event::ToEdge(forged));
                }
            }
            self.carry_in(index, name, packet);
        }
    }

    fn carry_in(&mut self, index: usize, name: &'static str, mut packet: Packet) {
        if self.cut.contains(name) {
            self.draw(name, "edge", &packet.bytes, 0);
            return;
        }
        if packet.transport == Transport::Udp {
            let arrivals = self.weather.arrivals(&mut self.dice);
            self.draw(name, "edge", &packet.bytes, arrivals.len());
            for delay in arrivals {
                self.agenda.note(self.at + delay, Event::ToEdge(packet.clone()));
            }
            return;
        }
        self.draw(name, "edge", &packet.bytes, 1);
        // An endpoint's own stream comes from a port of its system's choice.
        let own = SocketAddr::new(packet.from.ip(), 40_000 + u16::try_from(index).unwrap_or(0));
        let id = self.stream(index, own, packet.to, packet.connection);
        let delay = self.weather.delay(&mut self.dice);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.inward = stream.inward.max(self.at + delay);
            packet.from = stream.remote;
            packet.connection = id;
            let at = stream.inward;
            self.agenda.note(at, Event::ToEdge(packet));
        }
    }

    fn note_final(&mut self, bytes: &[u8], arriving: usize) {
        let Ok(message) = Sip::read(bytes) else { return };
        if message.status().is_none_or(|status| status < 200) {
            return;
        }
        let (number, method) = message.cseq();
        let key = (message.call_id().to_owned(), format!("{method} {number}"));
        if arriving == 0 {
            *self.unheard.entry(key).or_default() += 1;
        } else {
            self.unheard.insert(key, 0);
        }
    }

    fn draw(&mut self, from: &str, to: &str, bytes: &[u8], copies: usize) {
        let mark = match copies {
            0 => "x ",
            1 => "",
            _ => "2 ",
        };
        self.ladder.arrow(self.at / MS, from, to, format!("{mark}{}", label(bytes)));
    }
}

/// What stands on an arrow: method or status, CSeq, and whether SDP and a Reason are in it.
pub fn label(bytes: &[u8]) -> String {
    if is_keep_alive(bytes) {
        return "(empty lines)".to_owned();
    }
    let Ok(message) = Sip::read(bytes) else { return "(unreadable)".to_owned() };
    let (number, method) = message.cseq();
    let mut text = match message.status() {
        Some(status) => format!("{status} {number} {method}"),
        None => format!("{} {number}", message.method()),
    };
    if message.has_sdp() {
        text.push_str(" [sdp]");
    }
    if message.header("Reason").is_some() {
        text.push_str(" [reason]");
    }
    text
}
