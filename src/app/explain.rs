//! `ringfence explain`: what this edge would do with one request, and why.
//!
//! Owns the question (which policy, whose request, when) and the answer in one piece. Nothing is judged here: an engine is made
//! from the policy file as `run` makes it, and judges the request as it judges every other. It carries no calls, so every cap has
//! all its room, nobody is locked out, and every target is up. Read first: `engine/explained.rs`; DESIGN.md §1, law 5.

mod json;
mod order;
pub(super) mod request;
mod text;
mod verdict;
mod when;

use std::sync::Arc;

use crate::call::Random;
use crate::clock::{Clock, Now};
use crate::config::places::Places;
use crate::config::problem::{listed, nearest, printable};
use crate::config::{self, Config, Source};
use crate::engine::explained::{Asked, Explained};
use crate::engine::{Engine, Input};
use crate::policy::{Names, Peer, Policy, located};
use crate::sip::Flow;
use crate::sip::parse::parse;

use order::Wanted;
use request::Request;

pub use order::Order;
pub use verdict::Verdict;

/// Why nothing was explained: one text, with its cure.
pub type Failed = String;

/// A request, and all that was found out about it.
#[derive(Debug)]
pub struct Explanation {
    policy: Arc<Policy>,
    places: Places,
    /// Who sends it; `None` for a stranger.
    peer: Option<Arc<Peer>>,
    flow: Flow,
    request: Request,
    now: Now,
    /// How the moment was asked for, where a zone was taken for granted.
    meant: Option<String>,
    /// As which user it was taken to have proven its password.
    user: Option<Arc<str>>,
    /// Whether the peer roams, and the address is any.
    guest: bool,
    found: Explained,
}

/// Asks a policy file.
///
/// # Errors
/// The file has errors, or the question names what is not there.
pub fn explain(source: &Source, order: &Order) -> Result<Explanation, Failed> {
    let config = config::load(source, &mut Names::default(), 1).map_err(|errors| errors.to_string())?;
    let places = Places::read(source);
    let (wall, meant) = match &order.at {
        Some(at) => when::read(at, source.today, when::zone(&config.policy))?,
        None => (source.today, None),
    };
    let now = Now { wall, ..Clock::start().now() };
    let mut engine = engine(&config, now);
    let policy = Arc::clone(&config.policy);
    let wanted = order.wanted(config.engine.limits.message_bytes_max)?;
    let (peer, flow) = sender(order, &wanted, &engine, &policy)?;
    let request = request::made(order, wanted, peer.as_deref(), &flow, &policy)?;
    let guest = peer.is_none() && !policy.roaming(flow.listener).is_empty();
    let Some(peer) = peer else {
        let found = Explained::default();
        return Ok(Explanation {
            policy,
            places,
            peer: None,
            flow,
            request,
            now,
            meant,
            user: None,
            guest,
            found,
        });
    };
    let proven = request.credential(order, &peer)?;
    let user = proven.as_ref().map(|credential| Arc::clone(&credential.user));
    let found = match parse(request.octets.clone(), &config.engine.limits) {
        Ok(message) => {
            request::is_judged(&message)?;
            engine.explain(now, &Asked { flow, from: peer.id, proven, message: &message })
        }
        Err(_) => engine.explain_unreadable(now, flow, &request.octets),
    };
    Ok(Explanation { policy, places, peer: Some(peer), flow, request, now, meant, user, guest, found })
}

/// An engine as `run` makes it, with an address for every name: nobody is asked where they lead.
fn engine(config: &Config, now: Now) -> Engine {
    let policy = &config.policy;
    let mut engine = Engine::new(now, config.engine.clone(), Arc::clone(policy), Random::new([0; 32]));
    for (party, resolution) in located::assumed(policy) {
        engine.handle(now, Input::Resolved { party, resolution });
    }
    engine.forget_outputs();
    engine
}

/// Who sends it, and on which way: the peer that is named, or whoever the running edge would find at the address.
fn sender(
    order: &Order,
    wanted: &Wanted,
    engine: &Engine,
    policy: &Policy,
) -> Result<(Option<Arc<Peer>>, Flow), Failed> {
    let listeners = || policy.listeners.iter().flatten();
    let Some(name) = &order.from_peer else {
        let source = order.source.as_deref().and_then(order::address).ok_or(order::NO_SENDER)?;
        let known =
            listeners().find_map(|listener| Some((listener, engine.whose(listener.id, source.ip())?)));
        let peer = known.map(|(_, peer)| Arc::clone(peer));
        let roaming = || listeners().find(|listener| !policy.roaming(listener.id).is_empty());
        let listener = known.map(|(listener, _)| listener).or_else(roaming).or_else(|| listeners().next());
        let listener = listener.ok_or("the policy has no listener")?;
        return Ok((peer, request::flow(order, wanted, listener, source)));
    };
    let named = |peer: &&Arc<Peer>| *peer.name == **name;
    let Some(peer) = policy.peers.iter().flatten().find(named) else {
        let known: Vec<&str> = policy.peers.iter().flatten().map(|peer| &*peer.name).collect();
        let near = nearest(name, known.iter().copied()).map(|near| format!("did you mean {near}? "));
        return Err(format!(
            "no peer is named \"{}\": {}the policy has {}",
            printable(name),
            near.unwrap_or_default(),
            listed(known, "and")
        ));
    };
    let listener = policy.listener(peer.listener).ok_or("the peer's listener is gone")?;
    let given = order.source.as_deref().and_then(order::address);
    let source = given.unwrap_or_else(|| request::source(peer, policy));
    Ok((Some(Arc::clone(peer)), request::flow(order, wanted, listener, source)))
}

impl Explanation {
    /// For a person, within so many columns.
    #[must_use]
    pub fn text(&self, width: usize, colours: bool) -> String {
        text::draw(self, width, colours)
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        json::told(self)
    }
}

#[cfg(test)]
#[path = "explain/tests.rs"]
mod tests;
