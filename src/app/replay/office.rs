//! A policy made ready for calls that have happened elsewhere, and who of it sends them.
//!
//! Owns what of a policy cannot be judged by the rows of a file and is set aside: encryption, DNS, probes, registrations, refreshes
//! and the ports of media. Every other rule stands as it is written. Refuses to judge. Read first: `rows.rs`; `../explain.rs`.

use std::sync::Arc;

use super::Failed;
use super::rows::{Party, Row};
use crate::app::explain::request::source;
use crate::call::Random;
use crate::clock::Now;
use crate::config::problem::{listed, nearest, printable};
use crate::config::{self, Config, Source};
use crate::engine::{Engine, Input, Settings};
use crate::policy::credential::Credential;
use crate::policy::{Direction, Names, Peer, PeerSide, Policy, located};
use crate::sip::{ConnectionId, Flow, Transport};

/// Seconds between two refreshes of a session: longer than any row lasts, for nobody is there who could be lost.
const SESSION_S: u32 = 30 * 86_400;

/// Octets of a datagram here: nothing is sent, so nothing is too large for it.
const DATAGRAM_OCTETS: usize = 65_000;

/// A peer that sends rows.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The peer.
    pub peer: Arc<Peer>,
    /// The way its messages come.
    pub flow: Flow,
    /// The host that it dials.
    pub us: Box<str>,
}

/// A policy with who sends the rows under it.
#[derive(Debug)]
pub struct Office {
    /// Its file.
    pub name: Box<str>,
    /// The policy.
    pub policy: Arc<Policy>,
    settings: Settings,
    /// By the rows' parties.
    senders: Vec<Sender>,
}

impl Office {
    /// Loads a policy file as `run` does.
    ///
    /// # Errors
    /// It has errors, or does not know who sends the rows.
    pub fn load(source: &Source, parties: &[Party], peers: &[String]) -> Result<Self, Failed> {
        let config = config::load(source, &mut Names::default(), 1).map_err(|errors| errors.to_string())?;
        let Config { policy, engine: mut settings, .. } = config;
        settings.call.udp_request_bytes_max = DATAGRAM_OCTETS;
        let mut policy = Arc::try_unwrap(policy).map_err(|_| "the policy is in use elsewhere".to_owned())?;
        policy.media = None;
        for peer in policy.peers.iter_mut().flatten() {
            *peer = Arc::new(plain(peer));
        }
        let policy = Arc::new(policy);
        let senders: Result<Vec<Sender>, Failed> =
            parties.iter().map(|party| sender(&policy, party, peers, &source.name)).collect();
        Ok(Self { name: source.name.as_str().into(), policy, settings, senders: senders? })
    }

    /// Who sends a row; every row's party is known here.
    pub fn sender(&self, row: &Row) -> Option<&Sender> {
        self.senders.get(usize::from(row.party))
    }

    /// The engine that judges, and always in the same way.
    pub fn engine(&self, now: Now) -> Engine {
        let policy = Arc::clone(&self.policy);
        let mut engine = Engine::new(now, self.settings.clone(), policy, Random::new([0; 32]));
        for (party, resolution) in located::assumed(&self.policy) {
            engine.handle(now, Input::Resolved { party, resolution });
        }
        engine.forget_outputs();
        engine
    }

    /// Limits of the reader.
    pub const fn limits(&self) -> &crate::sip::parse::Limits {
        &self.settings.limits
    }
}

impl Sender {
    /// The credential that a caller is taken to have proven: the first that may call as it, else the first.
    pub fn credential(&self, caller: &str) -> Option<&Arc<Credential>> {
        let known = &self.peer.demand.as_ref()?.credentials;
        known.iter().find(|one| one.may_call_as(caller)).or_else(|| known.first())
    }
}

/// A peer whose calls are judged by who calls whom, and when: a file of rows says no more.
fn plain(peer: &Peer) -> Peer {
    let mut peer = peer.clone();
    peer.plain_signalling = true;
    peer.plain_media = true;
    peer.transports = [Transport::Udp].into_iter().collect();
    peer.session_timers.expires = SESSION_S;
    (peer.probe, peer.keep_alive, peer.proof, peer.login, peer.register) = (None, None, None, None, None);
    peer
}

fn sender(policy: &Policy, party: &Party, named: &[String], file: &str) -> Result<Sender, Failed> {
    let all = || policy.peers.iter().flatten();
    let find = |name: &str| {
        all().find(|peer| *peer.name == *name).ok_or_else(|| {
            let known: Vec<&str> = all().map(|peer| &*peer.name).collect();
            let near = nearest(name, known.iter().copied()).map(|near| format!("did you mean {near}? "));
            format!(
                "no peer of {file} is named \"{}\": {}it has {}; where the file's column `peer` says something else, map another \
                 (or none) onto it with --columns, and name the peer with --peer",
                printable(name),
                near.unwrap_or_default(),
                listed(known, "and")
            )
        })
    };
    let side = match party.direction {
        Some(Direction::Inbound | Direction::Transit) => PeerSide::Outside,
        Some(Direction::Outbound | Direction::Internal) | None => PeerSide::Inside,
    };
    let given: Vec<&Arc<Peer>> = named.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
    let mut on_side = all().filter(|peer| peer.side == side);
    let peer = match (&party.peer, given.iter().find(|peer| peer.side == side || party.direction.is_none())) {
        (Some(name), _) => find(name)?,
        (None, Some(peer)) => peer,
        (None, None) => match (on_side.next(), on_side.next()) {
            (Some(only), None) => only,
            (_, _) => {
                let word = if side == PeerSide::Inside { "inside" } else { "outside" };
                let known: Vec<&str> =
                    all().filter(|peer| peer.side == side).map(|peer| &*peer.name).collect();
                return Err(format!(
                    "rows do not say which peer sends them: name the one {word} with --peer NAME ({file} has {} there)",
                    if known.is_empty() { "none".to_owned() } else { listed(known, "and") }
                ));
            }
        },
    };
    let listener = policy.listener(peer.listener).ok_or("the peer's listener is gone")?;
    let flow = Flow {
        listener: listener.id,
        transport: Transport::Udp,
        remote: source(peer, policy),
        connection: ConnectionId::NONE,
    };
    Ok(Sender { peer: Arc::clone(peer), flow, us: listener.advertised.sent_by().into() })
}
