//! Responses: matched to what we asked, or dropped.
//!
//! Owns that a response counts only when its branch is ours and it comes from the peer that was asked.
//! Read first: RFC 3261 §17.1.3, §18.1.2.

use std::sync::Arc;

use super::Engine;
use super::addresses::Known;
use super::transactions::{Matched, Owner};
use crate::call::Event;
use crate::clock::Now;
use crate::sip::{Flow, Message};

impl Engine {
    /// A response of a listed peer.
    pub(super) fn response(&mut self, now: Now, flow: Flow, message: &Message) {
        self.counts.responses += 1;
        let policy = Arc::clone(&self.policy);
        let located = Arc::clone(&self.located);
        let known = Known { policy: &policy, retired: &self.retired, located: &located };
        let matched = self.transactions.response(now.tick, flow, message, &known, &mut self.outcomes);
        // A call acts on its response before what else the tables have to say is carried out.
        let (branch, owner) = match matched {
            Matched::Pass(branch, owner) => (branch, owner),
            Matched::Absorbed => return,
            // RFC 3261 §18.1.2: what matches nothing is dropped, and never passed on.
            Matched::Stray => {
                self.counts.stray_responses += 1;
                return;
            }
        };
        // Whoever is left out and answers by what may leave one out is not back yet.
        let unwell = matches!(message.status(), Some(408 | 503));
        if self.peers.any_down()
            && !unwell
            && let Some((peer, _)) = known.peer_at(flow.listener, flow.remote.ip())
        {
            self.heard(now, peer, flow.remote);
        }
        match owner {
            Owner::Call { key, side } => {
                self.drive(now, key, Event::Response { side, branch, flow, message })
            }
            Owner::Standalone(number) => self.carried_response(now, number, message),
            Owner::Past(key) => self.past_response(now, key, &flow, message),
            Owner::Probe(_) => self.peers.answered(branch),
            Owner::Nobody => {}
        }
    }
}
