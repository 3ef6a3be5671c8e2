//! Who may call, over what, how much: data plus a pure check.
//!
//! Owns peers, routes, rules, counters, verdicts and alerts. Refuses to know sockets, files, YAML, dialogs and
//! transactions. Read first: RFC 5853; RFC 3325 §5 (trust); RFC 5393 (loops).

pub mod alert;
pub mod counters;
pub mod facts;
pub mod peer;
pub mod refusal;
pub mod route;
pub mod rules;
pub mod sources;
pub mod verdict;

use std::sync::Arc;

pub use alert::{Alert, Code};
pub use counters::{Counters, Reservation};
pub use facts::Facts;
pub use peer::{Direction, Listener, Peer, PeerId, PeerSide, Site, SiteId, Target};
pub use refusal::{Refusal, RefusalClass};
pub use verdict::{Outcome, Trail, Verdict};

/// A whole, checked policy: built once by `config`, shared read-only; a reload builds another.
#[derive(Debug)]
pub struct Policy {
    /// Counts reloads: 1 is the policy the process started with.
    pub generation: u64,
    /// Listeners by `ListenerId`; `None` where a name was removed by a reload.
    pub listeners: Vec<Option<Listener>>,
    /// Peers by `PeerId`; `None` where a name was removed by a reload.
    pub peers: Vec<Option<Arc<Peer>>>,
    /// Sites by `SiteId`.
    pub sites: Vec<Site>,
    /// Routes in YAML order.
    pub routes: Vec<route::Route>,
    /// The rules of each stage, in YAML order.
    pub rules: rules::Rules,
    /// What is done with strangers and bursts, before parsing.
    pub sources: sources::Settings,
    /// Longest-prefix index from (listener, address) to peer.
    pub index: sources::Index,
}
