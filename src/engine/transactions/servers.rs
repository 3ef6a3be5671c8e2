//! The server transactions: found by key, answered by id.
//!
//! Owns their table, its bound, and where responses go. Refuses to know what is answered.
//! Read first: RFC 3261 §8.2.2.2, §9.2, §17.2.3, §18.2.2; RFC 6026.

use std::collections::HashMap;

use bytes::Bytes;

use super::armed::{Armed, Due, Work};
use super::{Arrival, CancelTarget, Outcome, Owner, response_hop, room};
use crate::call::ServerId;
use crate::engine::slab::{Slab, SlabKey};
use crate::engine::timers::Wheel;
use crate::sip::{Flow, Hop, Message, Method};
use crate::transaction::hop_by_hop::same_to_tag;
use crate::transaction::invite_server::{self, InviteServer};
use crate::transaction::key::{BuildKeyHasher, is_rfc2543};
use crate::transaction::server::{self, Server};
use crate::transaction::{Effect, Effects, Keys, Lettered, MergedKey, Sender, ServerKey};

/// Map entries kept when the table is empty; above that the memory goes back.
const ENTRIES_KEPT: usize = 128;

#[derive(Debug)]
enum Machine {
    Invite(InviteServer),
    Other(Server),
}

impl Machine {
    fn is_open(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_open(),
            Self::Other(machine) => machine.is_open(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    key: ServerKey,
    merged: Option<MergedKey>,
    /// Where responses go; its IP address is the one the request came from.
    hop: Hop,
    owner: Owner,
    machine: Machine,
    armed: Armed,
}

#[derive(Debug)]
pub(super) struct Servers {
    keys: Keys,
    servers_max: usize,
    entries: Slab<Entry>,
    by_key: HashMap<ServerKey, SlabKey, BuildKeyHasher>,
    /// The first of requests that differ in nothing but their path.
    merged: HashMap<MergedKey, SlabKey, BuildKeyHasher>,
}

impl Servers {
    pub fn new(keys: Keys, servers_max: usize) -> Self {
        Self {
            keys,
            servers_max,
            entries: Slab::new(),
            by_key: HashMap::default(),
            merged: HashMap::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn request(
        &mut self,
        (sender, urgent): (Sender, bool),
        flow: Flow,
        request: &Message,
        work: &mut Work<'_>,
    ) -> Arrival {
        if *request.method() == Method::Ack {
            // An ACK never starts a transaction; one that comes here is at most a copy.
            self.ack(sender, request, work);
            return Arrival::Retransmission;
        }
        let key = self.keys.server(sender, request);
        if let Some(&at) = self.by_key.get(&key) {
            self.copy(at, flow, request, work);
            return Arrival::Retransmission;
        }
        // RFC 3261 §8.2.2.2: the same request on another path.
        let merged = self.keys.merged(sender, request);
        if merged.is_some_and(|merged| self.merged.contains_key(&merged)) {
            return Arrival::Merged;
        }
        if self.entries.len() >= self.room_for(request, urgent) {
            return Arrival::Full;
        }
        Arrival::New(self.admit(key, merged, flow, request, work))
    }

    /// Calls can be ended when new ones fill the table: requests in a dialog and CANCEL use the reserve, and emergencies another.
    fn room_for(&self, request: &Message, urgent: bool) -> usize {
        let ends = request.to_tag().is_some() || *request.method() == Method::Cancel;
        room(self.servers_max, ends, urgent)
    }

    fn admit(
        &mut self,
        key: ServerKey,
        merged: Option<MergedKey>,
        flow: Flow,
        request: &Message,
        work: &mut Work<'_>,
    ) -> ServerId {
        let hop = response_hop(&flow, &request.top_via());
        let invite = *request.method() == Method::Invite;
        let machine =
            if invite { Machine::Invite(InviteServer::default()) } else { Machine::Other(Server::default()) };
        let entry = Entry { key, merged, hop, owner: Owner::Nobody, machine, armed: Armed::default() };
        let at = self.entries.insert(entry);
        self.by_key.insert(key, at);
        if let Some(merged) = merged {
            self.merged.insert(merged, at);
        }
        if invite {
            let (machine, effects) = InviteServer::start();
            self.settle(at, Machine::Invite(machine), effects, Due::InviteServer, work);
        } else {
            let terms = work.terms(flow.transport.is_reliable());
            let (machine, effects) = Server::start(request.bytes().clone(), flow.remote, terms);
            self.settle(at, Machine::Other(machine), effects, Due::Server, work);
        }
        ServerId(at.bits())
    }

    /// A copy of a request that is here.
    fn copy(&mut self, at: SlabKey, flow: Flow, request: &Message, work: &mut Work<'_>) {
        let Some(entry) = self.entries.find_mut(at) else { return };
        // RFC 3261 §18.2.2: the client opened another connection; the response goes there.
        let same_way = flow.transport == entry.hop.transport && flow.remote.ip() == entry.hop.remote.ip();
        if flow.transport.is_reliable() && same_way {
            entry.hop = response_hop(&flow, &request.top_via());
        }
        match entry.machine {
            Machine::Invite(_) => self.on_invite(at, invite_server::Event::Invite, work),
            Machine::Other(_) => self.on_other(at, server::Event::Request, work),
        };
    }

    pub fn owner(&self, server: ServerId) -> Option<Owner> {
        self.entries.find(SlabKey::from_bits(server.0)).map(|entry| entry.owner)
    }

    pub fn set_owner(&mut self, server: ServerId, owner: Owner) -> bool {
        let entry = self.entries.find_mut(SlabKey::from_bits(server.0));
        entry.map(|entry| entry.owner = owner).is_some()
    }

    pub fn respond(&mut self, server: ServerId, status: u16, bytes: Bytes, work: &mut Work<'_>) -> bool {
        let at = SlabKey::from_bits(server.0);
        let Some(entry) = self.entries.find(at).filter(|entry| entry.machine.is_open()) else { return false };
        match entry.machine {
            Machine::Invite(_) => self.on_invite(at, invite_server::Event::Respond(status, bytes), work),
            Machine::Other(_) => self.on_other(at, server::Event::Respond(status, bytes), work),
        };
        true
    }

    pub fn resend(&mut self, server: ServerId, bytes: Bytes, work: &mut Work<'_>) -> bool {
        let at = SlabKey::from_bits(server.0);
        let accepted = self
            .entries
            .find(at)
            .is_some_and(|entry| matches!(entry.machine, Machine::Invite(InviteServer::Accepted)));
        if accepted {
            self.on_invite(at, invite_server::Event::Resend(bytes), work);
        }
        accepted
    }

    pub fn forget(&mut self, server: ServerId, wheel: &mut Wheel<Due>) -> bool {
        self.remove(SlabKey::from_bits(server.0), wheel).is_some()
    }

    pub fn ack(&mut self, sender: Sender, ack: &Message, work: &mut Work<'_>) -> bool {
        let key = self.keys.server(sender, ack);
        let Some(&at) = self.by_key.get(&key) else { return false };
        let Some(Entry { machine: Machine::Invite(machine), .. }) = self.entries.find(at) else {
            return false;
        };
        // RFC 3261 §17.2.3: without a branch, the ACK must carry the To tag of the response it acknowledges.
        if is_rfc2543(&ack.top_via()) && machine.refusal().is_some_and(|refusal| !same_to_tag(refusal, ack)) {
            return false;
        }
        !self.on_invite(at, invite_server::Event::Ack, work)
    }

    /// RFC 3261 §9.2 lets a UAS ask who cancels: nobody but the peer that called finds its INVITE.
    pub fn cancel_target(&self, sender: Sender, cancel: &Message) -> CancelTarget {
        let key = self.keys.cancelled(sender, cancel);
        let Some(&at) = self.by_key.get(&key) else { return CancelTarget::Unknown };
        let Some(entry) = self.entries.find(at) else { return CancelTarget::Unknown };
        if entry.machine.is_open() {
            CancelTarget::Pending(ServerId(at.bits()), entry.owner)
        } else {
            CancelTarget::Answered
        }
    }

    pub fn fire_invite(&mut self, index: u32, timer: invite_server::Timer, work: &mut Work<'_>) {
        if let Some((at, _)) = self.entries.at(index) {
            self.on_invite(at, invite_server::Event::Timer(timer), work);
        }
    }

    pub fn fire_other(&mut self, index: u32, timer: server::Timer, work: &mut Work<'_>) {
        if let Some((at, _)) = self.entries.at(index) {
            self.on_other(at, server::Event::Timer(timer), work);
        }
    }

    /// One event of an INVITE's; whether what came is its user's.
    fn on_invite(&mut self, at: SlabKey, event: invite_server::Event, work: &mut Work<'_>) -> bool {
        let Some(entry) = self.entries.find_mut(at) else { return false };
        let Machine::Invite(machine) = &mut entry.machine else { return false };
        let terms = work.terms(entry.hop.transport.is_reliable());
        let (machine, effects) = std::mem::take(machine).on(event, terms);
        self.settle(at, Machine::Invite(machine), effects, Due::InviteServer, work)
    }

    /// One event of another request's.
    fn on_other(&mut self, at: SlabKey, event: server::Event, work: &mut Work<'_>) -> bool {
        let Some(entry) = self.entries.find_mut(at) else { return false };
        let Machine::Other(machine) = &mut entry.machine else { return false };
        let terms = work.terms(entry.hop.transport.is_reliable());
        let (machine, effects) = std::mem::take(machine).on(event, terms);
        self.settle(at, Machine::Other(machine), effects, Due::Server, work)
    }

    /// Puts the machine back and does what it asks for.
    fn settle<T: Lettered>(
        &mut self,
        at: SlabKey,
        machine: Machine,
        effects: Effects<T>,
        due: impl Fn(u32, T) -> Due,
        work: &mut Work<'_>,
    ) -> bool {
        let Some(entry) = self.entries.find_mut(at) else { return false };
        entry.machine = machine;
        let (mut passed, mut over) = (false, false);
        for effect in effects {
            match effect {
                Effect::Send(bytes) => work.out.push(Outcome::Send { hop: entry.hop, bytes }),
                Effect::Arm(timer, after) => entry.armed.arm(timer, after, due(at.index, timer), work),
                Effect::Disarm(timer) => entry.armed.disarm(timer, work.wheel),
                Effect::PassUp => passed = true,
                Effect::Terminated => over = true,
                // A server cancels nothing and is told of no transport; a time-out ends it, and that is told.
                Effect::Cancel(_) | Effect::TransportError | Effect::Timeout => {}
            }
        }
        if over && let Some(owner) = self.remove(at, work.wheel).filter(|owner| *owner != Owner::Nobody) {
            work.out.push(Outcome::ServerEnded { server: ServerId(at.bits()), owner });
        }
        passed
    }

    fn remove(&mut self, at: SlabKey, wheel: &mut Wheel<Due>) -> Option<Owner> {
        let mut entry = self.entries.remove(at)?;
        entry.armed.clear(wheel);
        self.by_key.remove(&entry.key);
        if let Some(merged) = entry.merged {
            self.merged.remove(&merged);
        }
        if self.by_key.is_empty() && self.by_key.capacity() > ENTRIES_KEPT {
            self.by_key = HashMap::default();
            self.merged = HashMap::default();
        }
        Some(entry.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_transaction_costs_less_than_a_quarter_kilobyte_besides_its_bytes() {
        let entry =
            size_of::<Entry>() + size_of::<(ServerKey, SlabKey)>() + size_of::<(MergedKey, SlabKey)>();
        assert!(entry <= 256, "{entry}: {} {}", size_of::<Entry>(), size_of::<Machine>());
    }
}
