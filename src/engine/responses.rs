//! Responses: matched to what we asked, or dropped.
//!
//! Owns that a response counts only when its branch is ours and it comes from the peer that was asked, and who sends a
//! challenged request again. Read first: RFC 3261 §17.1.3, §18.1.2, §22.2.

use std::sync::Arc;

use super::Engine;
use super::addresses::Known;
use super::logins::{Ask, Rounds};
use super::transactions::{Matched, Owner};
use crate::call::event::Proof;
use crate::call::{Branch, Event};
use crate::clock::Now;
use crate::sip::{Flow, Message, again};

impl Engine {
    /// A response of a listed peer.
    pub(super) fn response(&mut self, now: Now, flow: Flow, message: &Message) {
        self.counts.responses += 1;
        let policy = Arc::clone(&self.policy);
        let located = Arc::clone(&self.located);
        let known = Known { policy: &policy, retired: &self.retired, located: &located };
        let matched = self.transactions.response(now.tick, flow, message, &known, &mut self.outcomes);
        // A call acts on its response before what else the tables have to say is carried out.
        let (branch, owner, presented) = match matched {
            Matched::Pass(branch, owner) => (branch, owner, None),
            Matched::Challenged(branch, owner, presented) => (branch, owner, Some(presented)),
            Matched::Absorbed => return,
            // RFC 3261 §18.1.2: what matches nothing is dropped, and never passed on.
            Matched::Stray => {
                self.counts.stray_responses += 1;
                return;
            }
        };
        // Whoever is left out and answers by what may leave one out is not back yet.
        let unwell = matches!(message.status(), Some(408 | 503));
        if self.peers.listens()
            && !unwell
            && let Some((peer, _)) = known.peer_at(flow.listener, flow.remote.ip())
        {
            self.heard(now, peer, flow.remote);
        }
        self.note_next_nonce(&flow, message);
        self.note_served(branch, message);
        let proof = match message.status() {
            Some(401 | 407) => self.challenged(now, owner, message, presented.as_deref()),
            Some(_) | None => Proof::NotAsked,
        };
        match owner {
            Owner::Call { key, side } => {
                self.drive(now, key, Event::Response { side, branch, flow, message, proof });
            }
            Owner::Past(key) => self.past_response(now, key, branch, &flow, message),
            Owner::Standalone(number) => {
                self.tell_unproven(now, &flow, proof, message);
                self.carried_response(now, number, proof, message);
            }
            Owner::Probe(peer) => self.probe_answered(now, peer, branch, &flow, proof, message),
            Owner::Registration => self.registration_answered(now, branch, &flow, proof, message),
            Owner::Nobody => {
                self.tell_unproven(now, &flow, proof, message);
                self.resend(now, owner, proof);
            }
        }
    }

    /// A challenge to a request that belongs to no call, and that is not answered, is told here.
    pub(super) fn tell_unproven(&mut self, now: Now, flow: &Flow, proof: Proof<'_>, message: &Message) {
        if let Proof::Refused(why) = proof {
            self.alert_unproven(now, flow, why, message);
        }
    }

    /// Sends a challenged request that belongs to no call again; false when it cannot be.
    pub(super) fn resend(&mut self, now: Now, owner: Owner, proof: Proof<'_>) -> bool {
        let Proof::Possible { request, hop } = proof else { return false };
        let branch = Branch(self.random.bits());
        // RFC 3261 §22.2: the number goes up by one; nothing else is asked under this Call-ID meanwhile.
        let cseq = again::number(request).unwrap_or(0).saturating_add(1);
        let bytes = again::renewed(request, &branch.text(), cseq);
        let rounds = Rounds::default();
        self.send_again(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
        true
    }
}
