//! What `admin` may ask, and the answers.
//!
//! Owns gauges and their names. Refuses to know who asks. Read first: DESIGN.md law 9.

use std::net::SocketAddr;

use super::{Engine, Output};
use crate::call::visits::Visits;
use crate::policy::PeerId;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All gauges and counts.
    Status,
}

/// The gauges that must be zero on an idle edge, and running counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Gauges {
    /// Calls in the table.
    pub calls: usize,
    /// Dialog tags bound.
    pub dialogs: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Armed timers.
    pub timers: usize,
    /// Calls held by `peer NAME` and channels by `site NAME`, zero ones left out.
    pub reserved: Vec<(String, u32)>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Reply {
    /// To `Status`.
    Status {
        /// Gauges.
        gauges: Gauges,
        /// Running counts by stable name (requests, responses, refused by cause, strangers, dropped ...).
        counts: Vec<(String, u64)>,
        /// Peers by name: up or down; `None` where no probe tells.
        peers: Vec<(String, Option<bool>)>,
        /// Targets that are down: the peer's name and the address.
        targets_down: Vec<(String, String)>,
        /// Policy generation in force.
        generation: u64,
    },
}

impl Engine {
    /// Which events met which phases of calls since the start.
    #[must_use]
    pub const fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, id: u64, query: &Query) {
        let reply = match query {
            Query::Status => self.status(),
        };
        self.outputs.push_back(Output::Reply { id, reply: Box::new(reply) });
    }

    fn status(&self) -> Reply {
        let gauges = Gauges {
            calls: self.calls.len(),
            dialogs: self.dialogs.len(),
            server_transactions: self.transactions.servers(),
            client_transactions: self.transactions.clients(),
            timers: self.transactions.timers() + self.deadlines.len(),
            reserved: self.counters.gauges().collect(),
        };
        let counts = self.counts.named().into_iter().chain(self.sources.counts().named());
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        let up = |peer: &std::sync::Arc<crate::policy::Peer>| {
            (peer.name.to_string(), self.peers.peer_is_up(peer.id))
        };
        Reply::Status {
            gauges,
            counts: counts.collect(),
            peers: self.policy.peers.iter().flatten().map(up).collect(),
            targets_down: self.targets_down(),
            generation: self.policy.generation,
        }
    }

    fn targets_down(&self) -> Vec<(String, String)> {
        let named = |(id, address): (PeerId, SocketAddr)| {
            self.policy.peer(id).map(|peer| (peer.name.to_string(), address.to_string()))
        };
        self.peers.down().filter_map(named).collect()
    }
}
