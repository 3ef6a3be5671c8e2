//! Emergency calls: what they are judged by, where they go, and what is kept free for them.
//!
//! Owns the one verdict that no rule, cap or route refuses. Refuses to know how a number was read: the facts say that it is for
//! danger to life, and that an inside peer calls it. Read first: DESIGN.md §1, law 3; RFC 6881 §5, §6; RFC 6442.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::counters::{Charge, Counters, Reservation};
use super::facts::Facts;
use super::peer::{Direction, Peer, PeerSide, SiteId};
use super::route::{Candidate, Pattern, Routed};
use super::rules::{Objection, Question};
use super::stage::leg_charges;
use super::verdict::{Candidates, Outcome, Said, Saw, Step, Verdict};
use super::{Policy, code, route, secrecy};

/// No `max_duration` ends an emergency call; a leg that died is found by its session timer.
pub const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What the trail says of it.
const WORD: &str = "emergency";

/// Judges an emergency call of an inside peer: it goes where a route names its number exactly, else to every trunk of the
/// peer's site in their order. It is charged like any call, past every limit.
pub(super) fn admit(policy: &Policy, facts: &Facts<'_>, peer: &Peer) -> Verdict {
    let mut verdict = Verdict::open();
    verdict.duration_max = DURATION_MAX;
    if let Some(dialling) = &peer.dialling {
        verdict.trail.push(Step {
            rule: Arc::clone(&dialling.path),
            saw: Saw::Word(WORD),
            said: Said::Match,
        });
    }
    let (path, direction, mut candidates) = ways(policy, facts, peer);
    verdict.direction = Some(direction);
    verdict.trail.push(Step { rule: Arc::clone(&path), saw: Saw::Nothing, said: Said::Match });
    // Encrypted ways alone where there are any; where there are none, whatever there is.
    let mut private = candidates.clone();
    let open = Facts { secure: false, keys: false, ..*facts };
    if secrecy::keep(policy, &open, &mut private).is_ok() && !private.is_empty() {
        candidates = private;
    }
    let question = Question { policy, counters: None, facts, peer };
    if candidates.is_empty() {
        let told = format!("no trunk for the emergency call to {}", facts.called);
        let text = format!(
            "{} called {}, an emergency, and its site has no trunk with targets: add one to the site, or a route whose `called` names the number.",
            peer.name, facts.called
        );
        verdict.refuse(&path, &question, *Objection::new(code::NO_ROUTE, told, text));
        return verdict;
    }
    if facts.takes_place() {
        verdict.charges.extend(leg_charges(peer));
    }
    let text = format!(
        "{} calls {}, an emergency: it goes on past every rule and cap, to one trunk after the other until one answers.",
        peer.name, facts.called
    );
    verdict.alert(&path, &question, code::EMERGENCY_CALL, text, None);
    verdict.outcome = Outcome::Admit(candidates);
    verdict
}

/// Where it goes, and what says so.
fn ways(policy: &Policy, facts: &Facts<'_>, from: &Peer) -> (Arc<str>, Direction, Candidates) {
    let exactly = |pattern: &Pattern| match pattern {
        Pattern::Exact(_) | Pattern::List(_) => pattern.fits(facts.called),
        Pattern::Prefix(_) | Pattern::SiteDid | Pattern::Any => false,
    };
    let named = policy.routes.iter().filter(|route| route.called.iter().any(exactly));
    let found = route::first(named, policy, facts, from);
    if let Some(Routed { route, direction, candidates }) =
        found.filter(|routed| !routed.candidates.is_empty())
    {
        return (Arc::clone(&route.path), direction, candidates);
    }
    let site = from.site.and_then(|site| policy.site(site));
    let trunks = site.iter().flat_map(|site| &site.peers).filter_map(|id| policy.peer(*id));
    let trunks = trunks.filter(|peer| peer.side == PeerSide::Outside);
    let candidates = trunks.flat_map(|peer| {
        let targets = facts.located.targets(peer, facts.draw);
        targets.into_iter().map(|target| Candidate { peer: peer.id, target })
    });
    let path = format!("sites.{}.peers", site.map_or("", |site| &*site.name));
    (Arc::from(path), Direction::Outbound, candidates.collect())
}

/// The sites whose PBXs' emergency calls are recognised: a channel of each of their trunks is kept free.
pub(super) fn keepers<'a>(peers: impl Iterator<Item = &'a Peer>) -> SmallVec<[SiteId; 2]> {
    let dials = |peer: &&Peer| peer.side == PeerSide::Inside && peer.dialling.is_some();
    peers.filter(dials).filter_map(|peer| peer.site).collect()
}

/// What other calls may take of a limit of which one is kept free; the only one is not kept.
pub(super) const fn usable(most: u32, kept: bool) -> u32 {
    if kept && most > 1 { most - 1 } else { most }
}

impl Policy {
    /// Takes what an emergency call holds of the calling side, past every limit.
    #[must_use]
    pub fn charge_emergency(&self, counters: &mut Counters, charges: &[Charge]) -> Reservation {
        past_limits(counters, charges, &Reservation::empty())
    }

    /// The same at a target it turns to.
    #[must_use]
    pub fn gate_emergency(
        &self,
        counters: &mut Counters,
        candidate: &Candidate,
        holds: &Reservation,
    ) -> Reservation {
        let charges = self.peer(candidate.peer).map(|peer| leg_charges(peer)).unwrap_or_default();
        past_limits(counters, &charges, holds)
    }
}

fn past_limits(counters: &mut Counters, charges: &[Charge], holds: &Reservation) -> Reservation {
    // What cannot be counted is not held; no call of this kind is refused for it.
    let taken = charges.iter().filter_map(|charge| counters.reserve(*charge, u32::MAX, holds).ok());
    taken.fold(Reservation::empty(), Reservation::with)
}

#[cfg(test)]
#[path = "emergency_tests.rs"]
mod tests;
