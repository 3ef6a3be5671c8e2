//! Roaming peers: whoever comes from an address that no peer lists, to a listener where somebody may, is asked for a
//! password and, once it has proven one, is that password's peer for as long as its flow lives. Over TLS a certificate says
//! the same from the first octet on, where the policy wants no password besides.
//!
//! Owns the flows of roaming peers and what an unknown one hears. Refuses to know what proves a password.
//! Read first: `challenge.rs`; RFC 5626 §1; attack rows A1, A4, A10.
//!
//! Before its proof a guest is read under a budget and hears a challenge or nothing: no other status, so that nobody
//! learns what is served here. A machine behind a NAT that moved is asked again in mid-call, and its call goes on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::challenge::{LockedOut, REPLAYED, brute_force, claimed, claimed_user};
use super::intake::Arrived;
use super::refuse::Wrong;
use super::requests::refusal_alert;
use super::{Engine, Output};
use crate::clock::{Now, Tick};
use crate::policy::credential::Credential;
use crate::policy::guard::{Claim, Proof};
use crate::policy::lockout;
use crate::policy::nonce::Bound;
use crate::policy::sources::Charged;
use crate::policy::{Peer, PeerId, Policy, code};
use crate::sip::digest::{Authorization, User};
use crate::sip::{ConnectionId, Flow, ListenerId, Message, Method, PartyId};

/// Flows of roaming peers that are remembered at once; at the limit the one heard longest ago is asked anew.
pub const ROAMERS_MAX: usize = 4_096;

/// An address and port that were not heard for so long are asked anew. Longer than any session's refresh by default. A
/// connection is nobody else's while it lives.
pub const ROAMER_IDLE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, Copy)]
struct Roamer {
    peer: PeerId,
    heard: Tick,
}

/// Which flow is which roaming peer's.
#[derive(Debug)]
pub struct Roamers {
    streams: HashMap<ConnectionId, Roamer>,
    datagrams: HashMap<(ListenerId, SocketAddr), Roamer>,
    limit: usize,
}

impl Roamers {
    /// None yet; at most `limit` at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { streams: HashMap::new(), datagrams: HashMap::new(), limit }
    }

    /// Whose a flow is, and that it was heard.
    pub fn find(&mut self, now: Tick, flow: &Flow) -> Option<PeerId> {
        let roamer = if flow.is_shown() {
            self.streams.get_mut(&flow.connection)
        } else {
            let roamer = self.datagrams.get_mut(&(flow.listener, flow.remote));
            roamer.filter(|roamer| now.since(roamer.heard) <= ROAMER_IDLE)
        }?;
        roamer.heard = now;
        Some(roamer.peer)
    }

    /// A flow has proven whose it is. At the limit another stream may lose its place: it is to be closed, for it would never
    /// prove again what it was let in for.
    pub fn remember(&mut self, now: Tick, flow: &Flow, peer: PeerId) -> Option<ConnectionId> {
        let roamer = Roamer { peer, heard: now };
        let known = if flow.is_shown() {
            self.streams.insert(flow.connection, roamer).is_some()
        } else {
            self.datagrams.insert((flow.listener, flow.remote), roamer).is_some()
        };
        if !known && self.len() > self.limit { self.forget_one(flow) } else { None }
    }

    /// Forgets the flow heard longest ago, but for the one that came just now; the stream, if it was one.
    fn forget_one(&mut self, but: &Flow) -> Option<ConnectionId> {
        let stream = self.streams.iter().filter(|(id, _)| **id != but.connection);
        let stream = stream.min_by_key(|(_, roamer)| roamer.heard).map(|(id, roamer)| (*id, roamer.heard));
        let came = (!but.is_shown()).then_some((but.listener, but.remote));
        let datagram = self.datagrams.iter().filter(|(way, _)| Some(**way) != came);
        let datagram = datagram.min_by_key(|(_, roamer)| roamer.heard).map(|(way, one)| (*way, one.heard));
        match (stream, datagram) {
            (Some((id, heard)), other) if other.is_none_or(|(_, other)| heard <= other) => {
                self.streams.remove(&id);
                Some(id)
            }
            (_, Some((way, _))) => {
                self.datagrams.remove(&way);
                None
            }
            (Some(_) | None, None) => None,
        }
    }

    /// A connection is gone, and what was proven on it.
    pub fn closed(&mut self, connection: ConnectionId) {
        self.streams.remove(&connection);
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len() + self.datagrams.len()
    }
}

impl Engine {
    /// Whether somebody may roam at the listener of a flow, over its transport.
    pub(super) fn may_roam(&self, flow: &Flow) -> bool {
        let open = |peer: &Arc<Peer>| peer.plain_signalling || flow.transport.is_encrypted();
        self.policy.roaming(flow.listener).iter().filter_map(|id| self.policy.peer(*id)).any(open)
    }

    /// A policy that has this roaming peer: the one in force, or one that its calls stand under.
    pub(super) fn policy_of_roamer(&self, id: PeerId) -> Option<(&Arc<Policy>, bool)> {
        let has = |policy: &Arc<Policy>| policy.peer(id).is_some_and(|peer| peer.roaming);
        if has(&self.policy) {
            return Some((&self.policy, true));
        }
        self.retired.iter().rev().find(|policy| has(policy)).map(|policy| (policy, false))
    }

    /// A stream has proven itself by a certificate: where that is all that a roaming peer must show, it is that peer's. One
    /// that must show a password as well is asked for it.
    pub(super) fn opened(&mut self, now: Now, flow: &Flow, party: PartyId) {
        if self.whose(flow.listener, flow.remote.ip()).is_some() {
            return;
        }
        let here = self.policy.roaming(flow.listener).iter().filter_map(|id| self.policy.peer(*id));
        let by_certificate = |peer: &&Arc<Peer>| {
            let shown = peer.proof.as_ref().is_some_and(|proof| proof.client_certificate);
            peer.party == party && shown && peer.demand.is_none()
        };
        if let Some(id) = here.into_iter().find(by_certificate).map(|peer| peer.id) {
            self.remember(now, flow, id);
        }
    }

    fn remember(&mut self, now: Now, flow: &Flow, peer: PeerId) {
        if let Some(connection) = self.roamers.remember(now.tick, flow, peer) {
            self.outputs.push_back(Output::Close { connection });
        }
        if flow.connection != ConnectionId::NONE {
            self.outputs.push_back(Output::Proven { connection: flow.connection });
        }
    }

    /// A request on a flow that has proven nothing.
    pub(super) fn guest(&mut self, now: Now, flow: Flow, message: &Message) {
        let asked = match message.method() {
            Method::Invite | Method::Message => true,
            Method::Bye | Method::Prack | Method::Update | Method::Info => message.to_tag().is_some(),
            Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => false,
        };
        let policy = Arc::clone(&self.policy);
        let open = |peer: &&Arc<Peer>| peer.plain_signalling || flow.transport.is_encrypted();
        let peers = policy.roaming(flow.listener).iter().filter_map(|id| policy.peer(*id)).filter(open);
        // All that roam at one listener are asked on the same terms: `config` sees to it.
        let (Some(peer), true) = (peers.clone().next(), asked) else { return };
        let Some(demand) = &peer.demand else { return };
        let located = Arc::clone(&self.located);
        let arrived =
            Arrived { flow, peer, policy: &policy, in_force: true, located: &located, message, proven: None };
        let bound = Bound { source: flow.remote.ip(), listener: flow.listener, peer: None };
        // What cannot be read, or says a thing twice, is answered by nothing, as a stranger's.
        let Ok(claimed) = claimed(&arrived, demand) else { return };
        let Some(authorization) = claimed else { return self.ask(now, &arrived, demand, &bound, false) };
        let found = named(&authorization, peers);
        let room = |id| self.sources.has_room(&policy, now.tick, id);
        let room = message.to_tag().is_some() || found.as_ref().is_none_or(|(peer, _)| room(peer.id));
        let claim = Claim {
            authorization: &authorization,
            method: message.method().as_bytes(),
            uri: message.request_uri(),
            bound,
            trusted: false,
            shown: flow.is_shown(),
            room,
        };
        let credential = found.as_ref().map(|(_, credential)| &***credential);
        let proof = self.guard.judge(now.tick, demand, credential, &claim);
        match (proof, found) {
            (Proof::Proven, Some((peer, credential))) => {
                self.remember(now, &flow, peer.id);
                self.counts.proven += 1;
                self.request(now, &Arrived { peer, proven: Some(credential), ..arrived });
            }
            (Proof::NoRoom, Some((peer, _))) => {
                let _full = self.fits(now, &Arrived { peer, ..arrived }, Charged::Own);
            }
            (Proof::Proven | Proof::NoRoom | Proof::Stale, _) => {
                self.ask(now, &arrived, demand, &bound, true)
            }
            (Proof::Wrong(why, wrong), _) => self.guessed(now, &arrived, &claim, why, wrong),
            (Proof::Locked(_), _) => {}
            (Proof::Replayed, _) => {
                let wrong = Wrong::new(0, code::NONCE_REPLAYED, REPLAYED);
                self.guest_alert(now, &arrived, &claim, &wrong);
            }
        }
    }

    /// A guest showed a wrong password.
    fn guessed(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        claim: &Claim<'_>,
        why: &'static str,
        wrong: lockout::Wrong,
    ) {
        if wrong != lockout::Wrong::Copied {
            self.counts.wrong_passwords += 1;
            self.guest_alert(now, arrived, claim, &Wrong::new(401, code::BAD_CREDENTIALS, why));
        }
        match wrong {
            lockout::Wrong::Borne | lockout::Wrong::Copied => {
                if let Some(demand) = &arrived.peer.demand {
                    self.ask(now, arrived, demand, &claim.bound, false);
                }
            }
            lockout::Wrong::Locked { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), LockedOut::Source));
                self.sources.ban_source(arrived.policy, now, &arrived.flow);
                self.close(&arrived.flow);
            }
            lockout::Wrong::Guessed { lasts, nth } => {
                self.alert(brute_force(now, arrived, claim, (lasts, nth), LockedOut::User));
            }
            // Those are of sources that are trusted.
            lockout::Wrong::Crowded { .. } | lockout::Wrong::Quiet => {}
        }
    }

    fn guest_alert(&mut self, now: Now, arrived: &Arrived<'_>, claim: &Claim<'_>, wrong: &Wrong) {
        let mut alert = refusal_alert(now, arrived, wrong);
        // Whose it would be is not known: several may roam here.
        alert.peer = None;
        alert.sip_status = Some(wrong.refusal.status).filter(|status| *status > 0);
        alert.evidence.push(("user", claimed_user(claim)));
        self.alert(alert);
    }
}

/// The roaming peer that has the user named.
fn named<'a>(
    authorization: &Authorization<'_>,
    mut peers: impl Iterator<Item = &'a Arc<Peer>>,
) -> Option<(&'a Arc<Peer>, &'a Arc<Credential>)> {
    let User::Named(name) = &authorization.user else { return None };
    peers.find_map(|peer| Some((peer, peer.demand.as_ref()?.find(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::Transport;

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn flow(port: u16, connection: u64) -> Flow {
        Flow {
            listener: ListenerId(0),
            transport: if connection == 0 { Transport::Udp } else { Transport::Tcp },
            remote: SocketAddr::from(([192, 0, 2, 1], port)),
            connection: if connection == 0 { ConnectionId::NONE } else { ConnectionId(connection) },
        }
    }

    #[test]
    fn flows_are_bounded_and_the_one_heard_longest_ago_is_forgotten() {
        let mut roamers = Roamers::new(3);
        for (n, flow) in [flow(1, 0), flow(2, 7), flow(3, 0)].iter().enumerate() {
            assert_eq!(roamers.remember(at(n as u64 + 1), flow, PeerId(1)), None);
            assert_eq!(roamers.len(), n + 1, "limit - 2, limit - 1, limit");
        }
        assert_eq!(roamers.find(at(4), &flow(1, 0)), Some(PeerId(1)));
        let lost = roamers.remember(at(5), &flow(4, 0), PeerId(2));
        assert_eq!((roamers.len(), lost), (3, Some(ConnectionId(7))), "limit + 1: a stream is closed");
        assert_eq!(roamers.find(at(5), &flow(2, 7)), None, "heard longest ago");
        assert_eq!(roamers.find(at(5), &flow(4, 0)), Some(PeerId(2)));
        roamers.remember(at(6), &flow(4, 0), PeerId(1));
        assert_eq!((roamers.len(), roamers.find(at(6), &flow(4, 0))), (3, Some(PeerId(1))));
    }

    #[test]
    fn a_flow_is_forgotten_with_its_connection_and_with_time() {
        let mut roamers = Roamers::new(3);
        roamers.remember(at(1), &flow(1, 7), PeerId(1));
        assert_eq!(roamers.find(at(2), &flow(1, 8)), None, "another connection from there");
        assert_eq!(roamers.find(at(2), &flow(1, 0)), None, "and no datagram");
        assert_eq!(roamers.find(at(10_000), &flow(1, 7)), Some(PeerId(1)), "a connection does not grow old");
        roamers.closed(ConnectionId(7));
        assert_eq!(roamers.find(at(2), &flow(1, 7)), None);
        roamers.remember(at(10), &flow(1, 0), PeerId(1));
        assert_eq!(roamers.find(at(3_610), &flow(1, 0)), Some(PeerId(1)));
        assert_eq!(roamers.find(at(7_210), &flow(1, 0)), Some(PeerId(1)), "heard in between");
        assert_eq!(roamers.find(at(10_811), &flow(1, 0)), None);
    }
}
