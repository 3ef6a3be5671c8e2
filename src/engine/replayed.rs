//! A message of a peer that is named, and not found by where it comes from: what `ringfence replay` is made of.
//!
//! Owns the way in beside the screen of sources, for calls that have happened elsewhere: no datagram tells who sent them, and no
//! password is shown again. Everything behind that is the way of every message. Refuses to be asked by an edge that runs.
//! Read first: `intake.rs`; `explained.rs`.

use std::sync::Arc;

use super::Engine;
use super::intake::Arrived;
use crate::clock::Now;
use crate::policy::PeerId;
use crate::policy::credential::Credential;
use crate::sip::{Flow, Message};

impl Engine {
    /// One message of a peer, with what it is taken to have proven. Drain `poll_output` afterwards, as behind `handle`.
    pub fn replay(
        &mut self,
        now: Now,
        flow: Flow,
        (from, proven): (PeerId, Option<&Arc<Credential>>),
        message: &Message,
    ) {
        self.counters.ledger.tell(now);
        self.counts.frames += 1;
        if message.is_request() {
            let (policy, located) = (Arc::clone(&self.policy), Arc::clone(&self.located));
            let Some(peer) = policy.peer(from) else { return };
            let policy = &policy;
            let located = &located;
            self.request(now, &Arrived { flow, peer, policy, in_force: true, located, message, proven });
        } else {
            self.response(now, flow, message);
        }
        self.settle(now);
        self.keep(now);
    }
}
