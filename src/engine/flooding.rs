//! Calls of trunks while many come at once: whether a flood lets one through, and what is learnt for the next.
//!
//! Owns what a call brings to that question, and the answer. Refuses to judge: `policy/tdos` does. Calls from inside are never asked
//! about. Read first: spec/limits.md, "TDoS"; attack row F7; RFC 7090 §4 (Priority: psap-callback).

use std::time::Duration;

use super::Engine;
use super::admission::{Judged, is_attempt};
use super::intake::Arrived;
use super::learnt::between;
use super::refuse::Wrong;
use crate::call::{CallRecord, ServerId};
use crate::clock::{Now, Tick};
use crate::policy::form::Substitute;
use crate::policy::tdos::{Answer, Flooded, Floods, Held, Knock};
use crate::policy::{Charge, Direction, Kept, Peer, PeerSide, Policy, Refusal, kept};
use crate::sip::HeaderName;

/// Floods that the status tells.
const TOLD_MAX: usize = 50;

/// How a call back of who helps says so.
const CALLS_BACK: &[u8] = b"psap-callback";

impl Engine {
    /// Asks whether a flood holds a trunk's call off; `None` where it does, and it was answered. Who has yet to prove who it is is
    /// asked later, or whoever forges its address could raise the ladder.
    pub(super) fn withstands(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        (caller, called): (&str, &str),
    ) -> Option<()> {
        let (peer, policy) = (arrived.peer, arrived.policy);
        let owes_proof = peer.demand.is_some() && arrived.proven.is_none();
        let Some(settings) = &policy.floods else { return Some(()) };
        if peer.side != PeerSide::Outside || owes_proof || !is_attempt(arrived) {
            return Some(());
        }
        let circle = policy.circle(peer);
        let priority = arrived.message.header(HeaderName::Priority).unwrap_or_default();
        let knock = Knock {
            trunk: (peer.id, &peer.name),
            circle,
            caller,
            called: watched(policy, peer, called),
            channels: policy.channels_of(peer),
            taken: self.taken(policy, peer),
            calls_back: priority.trim_ascii().eq_ignore_ascii_case(CALLS_BACK),
            draw: self.random.bits(),
        };
        let known = Floods::caller_key(self.counters.ledger.seed(), circle, caller);
        let mut alerts = Vec::new();
        let answer = self.floods.knock(settings, now, (&knock, known), &mut alerts);
        alerts.into_iter().for_each(|alert| self.alert(alert));
        let Answer::Refuse(held) = answer else { return Some(()) };
        self.hold_off(now, arrived, server, &held);
        None
    }

    /// Refuses a call of a flood: some with a record each, the others without a trace of their own.
    fn hold_off(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId, held: &Held) {
        let mut refusal = Refusal::new(held.code, &arrived.peer.refusal, held.why.to_owned());
        if let Some(status) = held.status {
            refusal = refusal.by_protocol(status);
        }
        refusal.retry_after = held.retry_after;
        let wrong = Wrong::from(refusal);
        if held.recorded {
            // The flood is told as a whole.
            let judged = Judged { alerted: true, direction: Some(Direction::Inbound), ..Judged::default() };
            return self.refuse(now, arrived, server, &wrong, judged);
        }
        self.transactions.forget(server);
        self.refuse_quietly(now, arrived, &wrong);
    }

    /// Hundredths of the channels of a trunk's site, or of its own calls, that are taken.
    fn taken(&self, policy: &Policy, peer: &Peer) -> u32 {
        let charges = [Some(Charge::Call(peer.id)), peer.site.map(Charge::Channel)];
        let part = |charge: Charge| {
            let (held, most) = (self.counters.held(charge), policy.limit(charge));
            held.saturating_mul(100).checked_div(most).unwrap_or(100)
        };
        charges.into_iter().flatten().map(part).max().unwrap_or(0)
    }

    /// How long a trunk's call may ring while the worst of a flood is met.
    pub(super) fn rings_for(&self, now: Tick, arrived: &Arrived<'_>, called: &str) -> Option<Duration> {
        let (peer, policy) = (arrived.peer, arrived.policy);
        let settings = policy.floods.as_ref().filter(|_| peer.side == PeerSide::Outside)?;
        self.floods.ring_max(settings, now, peer.id, watched(policy, peer, called))
    }

    /// Somebody inside calls for help: whoever helps may call back.
    pub(super) fn calls_for_help(&mut self, now: Now, arrived: &Arrived<'_>, caller: &str) {
        let (peer, policy) = (arrived.peer, arrived.policy);
        if policy.floods.is_none() {
            return;
        }
        let shown = peer.callers.as_ref().and_then(|callers| callers.shown_for(caller));
        let same_site = |other: &&std::sync::Arc<Peer>| other.site == peer.site;
        let stand_ins = policy.peers.iter().flatten().filter(same_site).filter_map(|trunk| {
            match trunk.numbers.substitute.as_ref()? {
                Substitute::Number(number) => Some(&**number),
                Substitute::Anonymous => None,
            }
        });
        let numbers: Vec<&str> =
            [caller].into_iter().chain(shown.map(|shown| &**shown)).chain(stand_ins).collect();
        self.floods.helps(now.tick, policy.circle(peer), &numbers);
    }

    /// Who talked with the site for a while is known from then on, and so is whom it calls.
    pub(super) fn learn_caller(&mut self, now: Now, policy: &Policy, peer: &Peer, record: &CallRecord) {
        let Some(settings) = &policy.floods else { return };
        let other = match record.direction {
            Some(Direction::Inbound) => {
                let talked = record.answered.map(|answered| between(answered, record.ended));
                talked.filter(|talked| *talked >= settings.known_after).map(|_| &record.from)
            }
            Some(Direction::Outbound) => Some(&record.to),
            Some(Direction::Internal | Direction::Transit) | None => None,
        };
        let seed = self.counters.ledger.seed();
        let key = other.and_then(|other| Floods::caller_key(seed, policy.circle(peer), other));
        if let Some(key) = key {
            self.floods.known.note(now.wall, key);
        }
    }

    /// A caller who was known before this start.
    pub(super) fn recall_caller(&mut self, now: Now, row: &Kept) {
        let within = self.policy.floods.as_ref().map(|floods| floods.known_for).unwrap_or_default();
        if !self.floods.known.recall(now, row, within) {
            self.keep_now(Kept::gone(kept::KNOWN_CALLER, row.key.clone()));
        }
    }

    /// The floods that are met now.
    pub(super) fn flooded(&self, now: Tick) -> Vec<Flooded> {
        self.policy.floods.as_ref().map(|floods| self.floods.met(floods, now, TOLD_MAX)).unwrap_or_default()
    }

    /// Octets that the tables of floods hold.
    #[must_use]
    pub fn floods_bytes(&self) -> usize {
        self.floods.bytes()
    }
}

/// The number that a call is counted for; all that the site does not own are one.
fn watched<'a>(policy: &Policy, peer: &Peer, called: &'a str) -> &'a str {
    let owns = peer.site.and_then(|site| policy.site(site)).is_some_and(|site| !site.dids.is_empty());
    if owns && !policy.is_own_number(called) { "" } else { called }
}
