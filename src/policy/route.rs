//! Routes: which targets a call may go to.

use std::sync::Arc;

use super::peer::{Direction, PeerId, Target};

/// A candidate target of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The peer.
    pub peer: PeerId,
    /// Its address.
    pub target: Target,
}

/// A pattern for a number or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Exact(Arc<str>),
    /// Begins so.
    Prefix(Arc<str>),
    /// One of these.
    List(Arc<[Arc<str>]>),
    /// A DID of the site that owns the target peers.
    SiteDid,
    /// Anything.
    Any,
}

/// A target of a route with its order and weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTarget {
    /// The peer.
    pub peer: PeerId,
    /// Lower is tried first.
    pub priority: u16,
    /// Share among equals; 0 is only tried when the others fail.
    pub weight: u16,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its YAML path and name for the trail: `routes[0] (office-out)`.
    pub path: Arc<str>,
    /// Matches this direction only; `None` any (never Transit unless named).
    pub direction: Option<Direction>,
    /// Matches these calling peers; empty is any.
    pub from: Vec<PeerId>,
    /// Matches when any pattern fits the called number; empty is any.
    pub called: Vec<Pattern>,
    /// Matches when any pattern fits the caller; empty is any.
    pub caller: Vec<Pattern>,
    /// Where it leads.
    pub to: Vec<RouteTarget>,
}
