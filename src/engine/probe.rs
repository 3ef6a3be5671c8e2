//! OPTIONS probes: any response is life, and silence marks a target down.
//!
//! Owns what a probe looks like and what its end means. Refuses to know the table of targets (`peers`).
//! Read first: RFC 3261 §8.1.1, §11.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Engine;
use super::logins::{Ask, Rounds};
use super::peers::{Change, Due, reach_alert};
use super::transactions::Owner;
use crate::call::event::Proof;
use crate::call::identity::hex16;
use crate::call::leg::via;
use crate::call::{Branch, Failure, request_host};
use crate::clock::{Now, Tick};
use crate::policy::{Listener, Peer, PeerId, Target, Transports, Unproven};
use crate::sip::write::{Text, Writer};
use crate::sip::{ConnectionId, Flow, HeaderName, Hop, Message, Method, Transport};

impl Engine {
    /// Sends every probe that is due.
    pub(super) fn probe(&mut self, now: Now) {
        if !self.closing.is_open() {
            return;
        }
        let policy = Arc::clone(&self.policy);
        while let Some((peer, address)) = self.peers.taken_back(now.tick) {
            let text = "has answered no probe since a call failed there; calls try it again all the same. If it answers no OPTIONS at all, take it out of DNS or the policy while it is down.";
            self.alert(reach_alert(now, &policy, peer, address, ("tried again", text)));
        }
        while let Some(due) = self.peers.due(now.tick, &mut self.random) {
            let Due { peer: id, address, branch, unanswered } = due;
            // A whole interval without an answer is as good as the end of its transaction, and sooner.
            if unanswered {
                self.lost(now, id, address);
            }
            let Some(peer) = policy.peer(id) else { continue };
            let Some(target) = self.located.target_at(peer, address) else { continue };
            let Some(transport) = transport_to(&target, 0) else { continue };
            self.send_probe(now, peer, (&target, transport), branch);
        }
        self.settle(now);
    }

    /// When the next probe is due; an edge that takes no calls any more asks nobody.
    pub(super) fn next_probe(&self) -> Option<Tick> {
        self.peers.next_probe().filter(|_| self.closing.is_open())
    }

    fn send_probe(&mut self, now: Now, peer: &Peer, way: (&Target, Transport), branch: Branch) {
        let (target, transport) = way;
        let policy = Arc::clone(&self.policy);
        let Some(listener) = policy.listener(peer.listener) else { return };
        let names = [self.random.bits(), self.random.bits()];
        let host = request_host(peer, target);
        let Some(bytes) = options(listener, transport, &host, branch, names) else { return };
        let hop = Hop {
            listener: peer.listener,
            transport,
            remote: target.address,
            connection: ConnectionId::NONE,
            party: target.party,
        };
        self.counts.probes += 1;
        let (owner, rounds) = (Owner::Probe(peer.id), Rounds::default());
        self.send_request(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
    }

    /// Any response is life, a challenge too. It is answered all the same, so that a login that is wrong shows before
    /// the first call; a peer that has none may ask in vain, and so may one that refused it lately, which was told then.
    pub(super) fn probe_answered(
        &mut self,
        now: Now,
        peer: PeerId,
        branch: Branch,
        flow: &Flow,
        proof: Proof<'_>,
        message: &Message,
    ) {
        self.peers.answered(branch);
        match proof {
            Proof::NotAsked | Proof::Refused(Unproven::NoLogin | Unproven::Withheld) => {}
            Proof::Refused(why) => self.alert_unproven(now, flow, why, message),
            Proof::Possible { .. } => {
                self.resend(now, Owner::Probe(peer), proof);
            }
        }
    }

    /// A probe ended without a response.
    pub(super) fn probe_failed(&mut self, now: Now, peer: PeerId, branch: Branch, failure: Failure) {
        let Some(address) = self.peers.probed(peer, branch) else { return };
        match failure {
            Failure::Transport if self.probe_again(now, peer, address, branch) => {}
            Failure::Timeout | Failure::Transport => self.lost(now, peer, address),
            // It was never asked.
            Failure::Full | Failure::Oversize => self.peers.answered(branch),
        }
    }

    /// RFC 3261 §8.1.3.1: as a call would, it goes by the next transport of the target.
    fn probe_again(&mut self, now: Now, id: PeerId, address: SocketAddr, branch: Branch) -> bool {
        let policy = Arc::clone(&self.policy);
        let Some(peer) = policy.peer(id) else { return false };
        let other = Branch(self.random.bits());
        let Some(broken) = self.peers.again(branch, other) else { return false };
        let Some(target) = self.located.target_at(peer, address) else { return false };
        let Some(transport) = transport_to(&target, broken) else { return false };
        self.send_probe(now, peer, (&target, transport), other);
        true
    }

    fn lost(&mut self, now: Now, peer: PeerId, address: SocketAddr) {
        if self.peers.lost(now.tick, peer, address) == Change::WentDown {
            let text = "does not answer probes; no calls go there until it does. Check that it runs and answers OPTIONS.";
            self.alert(reach_alert(now, &self.policy, peer, address, ("down", text)));
        }
    }

    /// A target sent a response.
    pub(super) fn heard(&mut self, now: Now, peer: PeerId, address: SocketAddr) {
        if self.peers.heard(now.tick, peer, address) == Change::CameUp {
            let text = "answers again (recovered).";
            self.alert(reach_alert(now, &self.policy, peer, address, ("up", text)));
        }
    }
}

/// The transport to a target, after so many that could not be reached.
pub(super) fn transport_to(target: &Target, broken: usize) -> Option<Transport> {
    let mut tried = Transports::new();
    for _ in 0..broken {
        tried.push(target.next_transport(&tried)?);
    }
    target.next_transport(&tried)
}

/// An OPTIONS request of our own (RFC 3261 §11.1).
fn options(
    listener: &Listener,
    transport: Transport,
    host: &str,
    branch: Branch,
    names: [u64; 2],
) -> Option<bytes::Bytes> {
    let (us, [tag, call_id]) = (listener.advertised.sent_by(), names.map(hex16));
    let uri = format!("sip:{host};transport={}", transport.name());
    let uri = if transport == Transport::Udp { format!("sip:{host}") } else { uri };
    let mut writer = Writer::request(&Method::Options, Text::new(uri.as_bytes())?);
    via(&mut writer, Some(listener), transport, branch);
    writer
        .number(HeaderName::MaxForwards, 70)
        .header(HeaderName::From, Text::new(format!("<sip:{us}>;tag={}", text(&tag)).as_bytes())?)
        .header(HeaderName::To, Text::new(format!("<{uri}>").as_bytes())?)
        .header(HeaderName::CallId, Text::new(&call_id)?)
        .header(HeaderName::CSeq, Text::fixed("1 OPTIONS"))
        .header(HeaderName::Contact, Text::new(format!("<sip:{us}>").as_bytes())?)
        .header(HeaderName::Accept, Text::fixed("application/sdp"));
    Some(writer.finish(&[]))
}

/// Our own digits as text.
pub(super) fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}
