//! Routes: which targets a call may go to.
//!
//! Owns the match (direction, calling peer, called, caller) and the order of targets. Refuses to know whether a target
//! is up: the engine asks that when the call turns to it. Read first: RFC 3261 §16.5; RFC 2782 (weights).

use std::sync::Arc;

use smallvec::SmallVec;

use super::Policy;
use super::facts::Facts;
use super::peer::{Direction, Peer, PeerId, PeerSide, Target};
use super::verdict::{Candidates, Said, Saw, Step, Trail};

/// Routes that a refusal names as asked; of more, only the first are told.
const TOLD_MAX: usize = 32;

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
    /// One of these (`Policy::build` sorts them).
    List(Arc<[Arc<str>]>),
    /// A DID of the site that owns the target peer.
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

/// Where a call from one side to the other runs.
#[must_use]
pub const fn direction(from: PeerSide, to: PeerSide) -> Direction {
    match (from, to) {
        (PeerSide::Inside, PeerSide::Outside) => Direction::Outbound,
        (PeerSide::Outside, PeerSide::Inside) => Direction::Inbound,
        (PeerSide::Inside, PeerSide::Inside) => Direction::Internal,
        (PeerSide::Outside, PeerSide::Outside) => Direction::Transit,
    }
}

/// A route that fits, and what it gave.
#[derive(Debug)]
pub(super) struct Routed<'a> {
    pub(super) route: &'a Route,
    pub(super) direction: Direction,
    pub(super) candidates: Candidates,
}

/// Which peers of a route the called number may go to.
enum Fit {
    Every,
    /// Only peers whose site owns the number.
    Owners,
    None,
}

impl Pattern {
    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *text,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::List(list) => list.binary_search_by(|entry| (**entry).cmp(text)).is_ok(),
            Self::Any => true,
            // Asked of each target's site instead; see `called_fit`.
            Self::SiteDid => false,
        }
    }
}

impl Route {
    /// Puts what is searched in the order the search needs.
    pub(super) fn prepare(&mut self) {
        self.to.sort_by_key(|target| target.priority);
        for pattern in self.called.iter_mut().chain(&mut self.caller) {
            if let Pattern::List(list) = pattern {
                let mut sorted = list.to_vec();
                sorted.sort_unstable();
                *list = sorted.into();
            }
        }
    }

    fn called_fit(&self, called: &str) -> Fit {
        if self.called.is_empty() || self.called.iter().any(|pattern| pattern.fits(called)) {
            Fit::Every
        } else if self.called.contains(&Pattern::SiteDid) {
            Fit::Owners
        } else {
            Fit::None
        }
    }

    /// Whether it names a number exactly, alone, in a list or as one of the target's own.
    pub(super) fn names(&self, policy: &Policy, called: &str, target: &Peer) -> bool {
        self.called.iter().any(|pattern| match pattern {
            Pattern::Exact(_) | Pattern::List(_) => pattern.fits(called),
            Pattern::SiteDid => policy.owns(target, called),
            Pattern::Prefix(_) | Pattern::Any => false,
        })
    }

    /// Whether it may be asked for a call of this direction. From trunk to trunk only where the route says `transit` and
    /// names the calling trunk.
    fn serves(&self, direction: Direction) -> bool {
        match direction {
            Direction::Transit => self.direction == Some(Direction::Transit) && !self.from.is_empty(),
            Direction::Outbound | Direction::Inbound | Direction::Internal => {
                self.direction.is_none_or(|named| named == direction)
            }
        }
    }

    /// The targets this call may go to, or the condition that does not fit.
    fn candidates(
        &self,
        policy: &Policy,
        facts: &Facts<'_>,
        from: &Peer,
    ) -> Result<Routed<'_>, &'static str> {
        if !self.from.is_empty() && !self.from.contains(&from.id) {
            return Err("from");
        }
        // An emergency has no caller whom a route could leave out.
        let asked = !facts.emergency && !self.caller.is_empty();
        // Written as it is read, or as the peer sends it.
        let fits = |pattern: &Pattern| pattern.fits(facts.caller) || pattern.fits(facts.caller_sent);
        if asked && !self.caller.iter().any(fits) {
            return Err("caller");
        }
        let fit = self.called_fit(facts.called);
        if matches!(fit, Fit::None) {
            return Err("called");
        }
        let mut routed: Option<(Direction, Candidates)> = None;
        let mut condition = "to";
        for target in self.ordered(facts.draw) {
            let Some(peer) = policy.peer(target.peer) else { continue };
            let direction = direction(from.side, peer.side);
            if !self.serves(direction) {
                condition = "direction";
                continue;
            }
            if matches!(fit, Fit::Owners) && !policy.owns(peer, facts.called) {
                condition = "called";
                continue;
            }
            if peer.targets.is_empty() {
                continue;
            }
            let (first, candidates) = routed.get_or_insert_with(|| (direction, SmallVec::new()));
            if *first == direction {
                let targets = facts.located.targets(peer, facts.draw);
                candidates.extend(targets.into_iter().map(|target| Candidate { peer: peer.id, target }));
            }
        }
        match routed {
            // Without a candidate no name of its targets leads anywhere: the call is this route's all the same.
            Some((direction, candidates)) => Ok(Routed { route: self, direction, candidates }),
            None => Err(condition),
        }
    }

    /// Targets in the order they are tried: by priority, then shared out by weight among equals. RFC 2782's running sum,
    /// each pick with its own slice of the draw.
    fn ordered(&self, draw: u64) -> SmallVec<[&RouteTarget; 8]> {
        let mut left: SmallVec<[&RouteTarget; 8]> = self.to.iter().collect();
        let mut ordered = SmallVec::new();
        let mut draw = draw;
        while let Some(first) = left.first() {
            let priority = first.priority;
            let equals = || left.iter().take_while(|target| target.priority == priority);
            let sum: u64 = equals().map(|target| u64::from(target.weight)).sum();
            let mut point = if sum == 0 { 0 } else { (draw >> 16) % sum };
            let pick = equals().position(|target| {
                let weight = u64::from(target.weight);
                let here = sum == 0 || point < weight;
                point = point.saturating_sub(weight);
                here
            });
            ordered.push(left.remove(pick.unwrap_or(0)));
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        ordered
    }
}

/// The first route that fits.
pub(super) fn find<'a>(policy: &'a Policy, facts: &Facts<'_>, from: &Peer) -> Option<Routed<'a>> {
    first(policy.routes.iter(), policy, facts, from)
}

/// The first of some routes that fits.
pub(super) fn first<'a>(
    mut routes: impl Iterator<Item = &'a Route>,
    policy: &Policy,
    facts: &Facts<'_>,
    from: &Peer,
) -> Option<Routed<'a>> {
    routes.find_map(|route| route.candidates(policy, facts, from).ok())
}

/// Which routes were asked and what did not fit; only for calls that found none.
pub(super) fn tell_asked(policy: &Policy, facts: &Facts<'_>, from: &Peer, trail: &mut Trail) {
    for route in policy.routes.iter().take(TOLD_MAX) {
        if let Err(condition) = route.candidates(policy, facts, from) {
            let rule = Arc::clone(&route.path);
            trail.push(Step { rule, saw: Saw::Word(condition), said: Said::Skip });
        }
    }
}
