//! The engine under test with its law: one input, outputs drained until `Wait`.
//!
//! Owns the engine and sorts what comes out of it. Refuses to know what anybody means by it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ringfence::call::visits::Visits;
use ringfence::call::{CallRecord, Random};
use ringfence::clock::{Now, Tick, Wall};
use ringfence::engine::{Engine, Gauges, Input, Output, Query, Reply, Settings};
use ringfence::policy::{Alert, Kept, Policy};
use ringfence::sip::{ConnectionId, Flow, Hop, ListenerId, Transport};

use super::relay::Relay;
use super::wire::Micros;

/// Everything the engine said since it was last asked.
#[derive(Debug, Default)]
pub struct Said {
    pub sends: Vec<(Hop, Bytes)>,
    pub closes: Vec<ConnectionId>,
    pub records: Vec<CallRecord>,
    pub alerts: Vec<Alert>,
    pub kept: Vec<Kept>,
    pub drained: Option<usize>,
}

/// The engine with its clock and its listeners.
pub struct Edge {
    engine: Engine,
    listeners: Vec<(SocketAddr, ListenerId)>,
    /// When it wants to be woken.
    pub until: Option<Micros>,
    /// Outputs not yet taken.
    pub said: Said,
    /// What media the edge has open.
    pub relay: Relay,
    /// Whether media is anchored.
    pub anchored: bool,
    gauges: Gauges,
}

/// Both clocks at a virtual time; the wall stands at 2026-01-01 when the simulation begins.
pub fn now(at: Micros) -> Now {
    let wall = 1_767_225_600_000_000_i64.saturating_add(i64::try_from(at).unwrap_or(i64::MAX));
    Now { tick: Tick::from_micros(at), wall: Wall::from_micros(wall) }
}

impl Edge {
    /// An edge under a policy, its randomness from `seed`.
    pub fn new(settings: Settings, policy: Arc<Policy>, seed: [u8; 32]) -> Self {
        let listeners = policy.listeners.iter().flatten().map(|known| (known.bind, known.id)).collect();
        let anchored = policy.media.is_some();
        let engine = Engine::new(now(0), settings, policy, Random::new(seed));
        let (said, relay, gauges) = (Said::default(), Relay::default(), Gauges::default());
        let mut edge = Self { engine, listeners, until: None, said, relay, anchored, gauges };
        edge.drain(0);
        edge
    }

    /// One input.
    pub fn input(&mut self, at: Micros, input: Input<'_>) {
        self.engine.handle(now(at), input);
        self.drain(at);
    }

    /// A frame that arrived at one of the edge's addresses.
    pub fn frame(
        &mut self,
        at: Micros,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        connection: u64,
        bytes: &[u8],
    ) {
        let Some(listener) = self.listener(to) else { return };
        let flow = Flow { listener, transport, remote: from, connection: ConnectionId(connection) };
        self.input(at, Input::Frame { flow, frame: bytes.into() });
    }

    /// The listener at an address.
    pub fn listener(&self, address: SocketAddr) -> Option<ListenerId> {
        self.listeners.iter().find(|(bind, _)| *bind == address).map(|(_, id)| *id)
    }

    /// The address of a listener.
    pub fn address(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listeners.iter().find(|(_, id)| *id == listener).map(|(bind, _)| *bind)
    }

    /// The gauges now.
    pub fn gauges(&mut self, at: Micros) -> &Gauges {
        self.input(at, Input::Query { id: 1, query: Query::Status });
        &self.gauges
    }

    /// Which events met which phases of calls.
    pub fn visits(&self) -> &Visits {
        self.engine.visits()
    }

    /// What is wrong with what it holds of media, if anything.
    pub fn media_fault(&self) -> Option<String> {
        self.relay.fault(self.gauges.calls, self.engine.media_ports_out())
    }

    fn drain(&mut self, at: Micros) {
        let mut closed = Vec::new();
        loop {
            match self.engine.poll_output() {
                Output::Send { hop, bytes } => self.said.sends.push((hop, bytes)),
                Output::Close { connection } => self.said.closes.push(connection),
                // Streams have no guests' share here.
                Output::Proven { connection } => assert_ne!(connection, ConnectionId::NONE),
                Output::Record(record) => self.said.records.push(*record),
                Output::Alert(alert) => self.said.alerts.push(*alert),
                Output::Reply { id: _, reply } => match *reply {
                    Reply::Status { gauges, .. } => self.gauges = gauges,
                    Reply::Unlocked { .. } | Reply::Ordered(_) => {}
                },
                Output::Media(order) => closed.extend(self.relay.order(&order)),
                Output::Keep(rows) => self.said.kept.extend(rows),
                Output::Drained { cut } => self.said.drained = Some(cut),
                Output::Wait { until, reason: _ } => match closed.pop() {
                    Some(report) => self.engine.handle(now(at), Input::Media(report)),
                    None => {
                        self.until = until.map(Tick::micros);
                        return;
                    }
                },
            }
        }
    }
}
