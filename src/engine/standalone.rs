//! MESSAGE carried outside any call, as a transaction of our own.
//!
//! Owns each one between its request and its response. Refuses to know where it may go (policy).
//! Read first: RFC 3428 §4, §8; RFC 3325 §5; RFC 4320 §4; RFC 3261 §18.1.1.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::admission::Judged;
use super::checks;
use super::intake::Arrived;
use super::logins::{Ask, Rounds};
use super::refuse::{self, Wrong};
use super::transactions::Owner;
use crate::call::asserted::{Between, Opening};
use crate::call::event::Proof;
use crate::call::identity::hex16;
use crate::call::leg::via;
use crate::call::request_host;
use crate::call::{Branch, Failure, ServerId};
use crate::call::{caller, rewrite};
use crate::clock::Now;
use crate::policy::form::Unwritable;
use crate::policy::login::PROOF_OCTETS_USUAL;
use crate::policy::owned::Presented;
use crate::policy::route::Candidate;
use crate::policy::verdict::Candidates;
use crate::policy::{Alert, Direction, Facts, Outcome, Peer, Policy, admit, code};
use crate::sip::write::{Text, Writer, reason_phrase, response_to};
use crate::sip::{ConnectionId, Flow, HeaderName, Hop, Message, Method, Transport};

/// MESSAGEs under way at once.
const CARRIED_MAX: usize = 1_000;

/// One MESSAGE under way.
#[derive(Debug)]
struct Errand {
    server: ServerId,
    flow: Flow,
    peer: Arc<Peer>,
    policy: Arc<Policy>,
    request: Message,
    caller: Box<str>,
    presented: Presented,
    hidden: bool,
    shows: bool,
    called: Box<str>,
    named: bool,
    direction: Direction,
    candidates: Candidates,
}

/// Every MESSAGE under way, by number.
#[derive(Debug, Default)]
pub struct Carried {
    errands: HashMap<u32, Box<Errand>>,
    next: u32,
}

impl Carried {
    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.errands.len()
    }
}

impl Engine {
    /// A MESSAGE whose peer may send some.
    pub(super) fn carry(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        facts: &Facts<'_>,
        mut judged: Judged,
    ) {
        let full = self.carried.len() >= CARRIED_MAX || self.transactions.clients_are_full();
        if full || !self.closing.is_open() || !arrived.in_force {
            let wrong =
                Wrong::by_policy(code::CALL_RATE_EXCEEDED, arrived.peer, "no more messages are carried now");
            return self.refuse(now, arrived, server, &wrong.retry_after(5), judged);
        }
        let fits = checks::route(arrived.message, arrived.policy, arrived.peer);
        if let Err(wrong) = fits
            .and_then(|()| checks::plain_body(arrived.message))
            .and_then(|()| checks::privacy(arrived.message))
        {
            return self.refuse(now, arrived, server, &wrong, judged);
        }
        let mut verdict = admit(arrived.policy, &self.counters, facts);
        judged.direction = verdict.direction;
        judged.trail.append(&mut verdict.trail);
        for mut alert in verdict.alerts {
            judged.name(&mut alert);
            self.alert(alert);
        }
        match verdict.outcome {
            Outcome::Silence => {
                self.counts.silenced += 1;
                self.transactions.forget(server);
            }
            Outcome::Refuse(refusal) => {
                judged.alerted = true;
                self.refuse(now, arrived, server, &Wrong::from(*refusal), judged);
            }
            Outcome::Admit(mut candidates) => {
                self.note(&judged, None);
                candidates.reverse();
                self.carried.next = self.carried.next.wrapping_add(1);
                let number = self.carried.next;
                let errand = Errand {
                    server,
                    flow: arrived.flow,
                    peer: Arc::clone(arrived.peer),
                    policy: Arc::clone(arrived.policy),
                    request: arrived.message.clone(),
                    caller: facts.caller.into(),
                    presented: verdict.presented,
                    hidden: facts.hidden,
                    shows: facts.shows,
                    called: facts.called.into(),
                    named: verdict.named,
                    direction: verdict.direction.unwrap_or(Direction::Outbound),
                    candidates,
                };
                self.carried.errands.insert(number, Box::new(errand));
                self.transactions.set_owner(server, Owner::Standalone(number));
                self.counts.messages_carried += 1;
                self.carry_on(now, number);
            }
        }
    }

    /// Sends it to the next target that is up; without one it is refused.
    fn carry_on(&mut self, now: Now, number: u32) {
        loop {
            let Some(errand) = self.carried.errands.get_mut(&number) else { return };
            let Some(candidate) = errand.candidates.pop() else {
                let wrong = Wrong::by_policy(code::NO_TARGET_AVAILABLE, &errand.peer, "no target is left");
                return self.carried_refused(now, number, &wrong);
            };
            let (peer, address) = (candidate.peer, candidate.target.address);
            // One that asked for a pause is asked where no other is left: `cps` and pauses are for calls.
            let held = self.peers.held(now.tick, peer, address).is_some() && !errand.candidates.is_empty();
            if held || !self.peers.is_up(peer, address) {
                continue;
            }
            let names = [self.random.bits(), self.random.bits()];
            let branch = Branch(self.random.bits());
            match leaving(errand, &candidate, branch, names, self.settings.call.udp_request_bytes_max) {
                Ok(Some((hop, bytes))) => {
                    let (owner, rounds) = (Owner::Standalone(number), Rounds::default());
                    return self.send_request(now, Ask { branch, invite: false, hop, bytes, owner, rounds });
                }
                Ok(None) => {}
                Err(wrong) => return self.carried_refused(now, number, &wrong),
            }
        }
    }

    fn carried_refused(&mut self, now: Now, number: u32, wrong: &Wrong) {
        let Some(errand) = self.carried.errands.remove(&number) else { return };
        let tag = hex16(self.random.bits());
        let bytes = refuse::answer(&errand.request, &errand.flow, &errand.peer, wrong, &tag);
        self.counts.rejected += 1;
        let mut alert = Alert::new(wrong.refusal.code, now.wall, wrong.refusal.text.clone());
        alert.peer = Some(Arc::clone(&errand.peer.name));
        alert.source = Some(errand.flow.remote);
        alert.transport = Some(errand.flow.transport);
        alert.sip_status = Some(wrong.refusal.status);
        self.alert(Box::new(alert));
        self.transactions.respond(now.tick, errand.server, wrong.refusal.status, bytes, &mut self.outcomes);
    }

    /// The far side answered.
    pub(super) fn carried_response(&mut self, now: Now, number: u32, proof: Proof<'_>, response: &Message) {
        let status = match response.status() {
            None | Some(100..200) => return,
            Some(401 | 407) if self.resend(now, Owner::Standalone(number), proof) => return,
            // A target that cannot serve is passed over.
            Some(408 | 503) => return self.carry_on(now, number),
            // Challenges and redirects are meant for us and go no further.
            Some(300..=399 | 401 | 407) => 403,
            Some(status) => status,
        };
        let Some(errand) = self.carried.errands.remove(&number) else { return };
        let tag = hex16(self.random.bits());
        let phrase = Text::new(reason_phrase(status).as_bytes()).unwrap_or(Text::fixed("OK"));
        let writer = response_to(&errand.request, errand.flow.remote, status, phrase, Text::new(&tag));
        self.transactions.respond(now.tick, errand.server, status, writer.finish(&[]), &mut self.outcomes);
    }

    /// The far side did not answer, or could not be reached.
    pub(super) fn carried_failed(&mut self, now: Now, number: u32, failure: Failure) {
        match failure {
            Failure::Transport | Failure::Oversize => self.carry_on(now, number),
            Failure::Full => {
                let Some(errand) = self.carried.errands.get(&number) else { return };
                let words = "no more messages are carried now";
                let wrong = Wrong::by_policy(code::CALL_RATE_EXCEEDED, &errand.peer, words);
                self.carried_refused(now, number, &wrong.retry_after(5));
            }
            // RFC 4320 §4.2: a late 408 to a non-INVITE helps nobody; its sender has given up by now, and would see
            // twice what another target delivered after that. Nor is the target marked: many drop MESSAGE, and take calls.
            Failure::Timeout => {
                if let Some(errand) = self.carried.errands.remove(&number) {
                    self.transactions.forget(errand.server);
                }
            }
        }
    }
}

/// The request that leaves: new identities, the host and numbers that were judged. `None` when the target's listener
/// is gone; an error when it is too big for every transport of the target.
fn leaving(
    errand: &Errand,
    candidate: &Candidate,
    branch: Branch,
    names: [u64; 2],
    udp_bytes_max: usize,
) -> Result<Option<(Hop, Bytes)>, Wrong> {
    let Some(peer) = errand.policy.peer(candidate.peer) else { return Ok(None) };
    let Some(listener) = errand.policy.listener(peer.listener) else { return Ok(None) };
    let room = peer.login.as_ref().map_or(0, |_| PROOF_OCTETS_USUAL);
    let [tag, call_id] = names.map(hex16);
    let us = listener.advertised.sent_by();
    let host = request_host(peer, &candidate.target);
    let refused = |code, why: Unwritable| Wrong::by_policy(code, &errand.peer, why.why());
    let called = peer.numbers.called(&errand.called, errand.direction, errand.named);
    let called = called.map_err(|why| refused(code::INVALID_PHONE_NUMBER, why))?;
    let shown = if errand.hidden {
        None
    } else {
        let written = peer.numbers.caller(errand.presented.of(&errand.caller), errand.direction);
        written.map_err(|why| refused(code::CALLER_INVALID, why))?
    };
    let mut uri = Vec::with_capacity(64);
    caller::uri(&mut uri, called, &host);
    // The name beside the number is that of the header which named the caller, as with a call.
    let named = caller::named(&errand.request, &errand.peer.identity);
    let display = named.ok().flatten().map_or(&b""[..], |named| named.display);
    let display = if errand.presented == Presented::StandIn { b"" } else { display };
    let from = caller::address(shown, display, us);
    let between = Between {
        from: &errand.peer,
        to: peer,
        own_host: listener.advertised.host(),
        hidden: errand.hidden,
        opening: Some(Opening { caller: errand.presented.of(&errand.caller), shows: errand.shows }),
    };
    for transport in &candidate.target.transports {
        let line = |value: &[u8], writer: &mut Writer, name| {
            if let Some(value) = Text::new(value) {
                writer.header(name, value);
            }
        };
        let Some(target) = Text::new(&uri) else { return Ok(None) };
        let mut writer = Writer::request(&Method::Message, target);
        via(&mut writer, Some(listener), *transport, branch);
        let hops = errand.request.max_forwards().unwrap_or(70).saturating_sub(1);
        writer.number(HeaderName::MaxForwards, u64::from(hops));
        line(&[&from, &b";tag="[..], &tag].concat(), &mut writer, HeaderName::From);
        line(&[&b"<"[..], &uri, b">"].concat(), &mut writer, HeaderName::To);
        line(&call_id, &mut writer, HeaderName::CallId);
        line(b"1 MESSAGE", &mut writer, HeaderName::CSeq);
        rewrite::cross(&mut writer, &errand.request, &between, !errand.request.body().is_empty());
        let bytes = writer.finish(errand.request.body());
        // RFC 3261 §18.1.1, RFC 3428 §8: what is larger must go over a transport that controls congestion.
        if *transport == Transport::Udp && bytes.len() + room > udp_bytes_max {
            continue;
        }
        let hop = Hop {
            listener: peer.listener,
            transport: *transport,
            remote: candidate.target.address,
            connection: ConnectionId::NONE,
            party: candidate.target.party,
        };
        return Ok(Some((hop, bytes)));
    }
    Err(Wrong::new(513, code::OVERSIZE, "the message is too large for the target's transport"))
}
