//! The client transactions: found by our own branch, heard only from whom was asked.
//!
//! Owns their table, its bound, and which of them wait on which hop. Refuses to know why a request was sent.
//! Read first: RFC 3261 §9.1, §17.1.3, §18.1.2, §18.4; RFC 6026.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;

use super::armed::{Armed, Due, Work};
use super::{Addresses, Matched, Outcome, Owner, Presented, room};
use crate::call::{Branch, Failure};
use crate::engine::slab::{Slab, SlabKey};
use crate::sip::{Flow, Hop, ListenerId, Message, Method, Transport, again};
use crate::transaction::client::{self, Client};
use crate::transaction::invite_client::{self, InviteClient};
use crate::transaction::key::BuildKeyHasher;
use crate::transaction::{ClientKey, Effect, Effects, Lettered};

/// Map entries kept when the table is empty; above that the memory goes back.
const ENTRIES_KEPT: usize = 128;

/// What a UDP datagram carries at most: 65,535 octets with its own header of 8, which over IPv4 stand beside 20 of IP's.
const UDP_BYTES_MAX: [usize; 2] = [65_507, 65_527];

/// Whether no datagram can carry it. The system would refuse it by the address alone, and all that wait there would fail.
fn is_oversize(hop: &Hop, bytes: &Bytes) -> bool {
    let [v4, v6] = UDP_BYTES_MAX;
    hop.transport == Transport::Udp && bytes.len() > if hop.remote.is_ipv4() { v4 } else { v6 }
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    Other(Client),
}

impl Machine {
    fn waits_for_the_wire(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.waits_for_the_wire(),
            Self::Other(machine) => machine.waits_for_the_wire(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    key: ClientKey,
    /// The CSeq number of the request, which its responses give back.
    cseq: u32,
    hop: Hop,
    owner: Owner,
    machine: Machine,
    armed: Armed,
    /// Its place among those that wait for the wire of its hop.
    waiting: Option<Waiting>,
    /// What proves who asks, where its peer may want to know.
    presented: Option<Box<Presented>>,
}

/// Links of the list of one hop.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    next: Option<SlabKey>,
    previous: Option<SlabKey>,
}

/// A hop without its connection: when that is gone and no other can be made, all fail.
type Destination = (ListenerId, Transport, SocketAddr);

fn destination(hop: &Hop) -> Destination {
    (hop.listener, hop.transport, hop.remote)
}

/// Where a request of ours stands in the table: by its branch and its method.
fn key_of(branch: Branch, request: &[u8]) -> ClientKey {
    ClientKey::new(branch.0, request.split(|octet| *octet == b' ').next().unwrap_or_default())
}

#[derive(Debug)]
pub(super) struct Clients {
    clients_max: usize,
    entries: Slab<Entry>,
    by_key: HashMap<ClientKey, SlabKey, BuildKeyHasher>,
    /// The first of each hop's list.
    waiting: BTreeMap<Destination, SlabKey>,
}

impl Clients {
    pub fn new(clients_max: usize) -> Self {
        Self { clients_max, entries: Slab::new(), by_key: HashMap::default(), waiting: BTreeMap::new() }
    }

    /// Whether it has room for what ends calls alone.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.clients_max
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn start(
        &mut self,
        branch: Branch,
        (invite, urgent): (bool, bool),
        hop: Hop,
        bytes: Bytes,
        owner: Owner,
        work: &mut Work<'_>,
    ) {
        if is_oversize(&hop, &bytes) {
            if owner != Owner::Nobody {
                work.out.push(Outcome::ClientFailed { branch, owner, failure: Failure::Oversize });
            }
            return;
        }
        let method = bytes.split(|octet| *octet == b' ').next().unwrap_or_default();
        // BYE and CANCEL: live calls can be ended when new ones fill the table.
        let ends = method == Method::Bye.as_bytes() || method == Method::Cancel.as_bytes();
        if self.entries.len() >= room(self.clients_max, ends, urgent) {
            if ends {
                // Once, and no copies: that is better than nothing, and leaves no state.
                work.out.push(Outcome::Send { hop, bytes });
            }
            if owner != Owner::Nobody {
                work.out.push(Outcome::ClientFailed { branch, owner, failure: Failure::Full });
            }
            return;
        }
        let key = key_of(branch, &bytes);
        // A response to one without a number has none to match.
        let cseq = again::number(&bytes).unwrap_or(0);
        let terms = work.terms(hop.transport.is_reliable());
        if invite {
            let (machine, effects) = InviteClient::start(bytes, terms);
            let at = self.enter((key, cseq), hop, owner, Machine::Invite(InviteClient::default()), work);
            self.settle(at, Machine::Invite(machine), effects, Due::InviteClient, work);
        } else {
            let (machine, effects) = Client::start(bytes, terms);
            let at = self.enter((key, cseq), hop, owner, Machine::Other(Client::default()), work);
            self.settle(at, Machine::Other(machine), effects, Due::Client, work);
        }
    }

    pub fn present(&mut self, branch: Branch, request: &[u8], presented: Box<Presented>) {
        let at = self.by_key.get(&key_of(branch, request));
        if let Some(entry) = at.and_then(|at| self.entries.find_mut(*at)) {
            entry.presented = Some(presented);
        }
    }

    pub fn presented(&self, invite: Branch) -> Option<&Presented> {
        let at = self.by_key.get(&ClientKey::new(invite.0, Method::Invite.as_bytes()))?;
        self.entries.find(*at)?.presented.as_deref()
    }

    fn enter(
        &mut self,
        (key, cseq): (ClientKey, u32),
        hop: Hop,
        owner: Owner,
        machine: Machine,
        work: &mut Work<'_>,
    ) -> SlabKey {
        let armed = Armed::default();
        let entry = Entry { key, cseq, hop, owner, machine, armed, waiting: None, presented: None };
        let at = self.entries.insert(entry);
        self.link(at, &hop);
        // Sixty-four random bits do not come twice; if they did, the older one would be found no more.
        if let Some(older) = self.by_key.insert(key, at) {
            self.remove(older, work);
        }
        at
    }

    pub fn response(
        &mut self,
        flow: Flow,
        response: &Message,
        addresses: &impl Addresses,
        work: &mut Work<'_>,
    ) -> Matched {
        let Some((at, branch)) = self.asked(flow, response, addresses) else { return Matched::Stray };
        let Some(entry) = self.entries.find_mut(at) else { return Matched::Stray };
        let owner = entry.owner;
        let challenged = matches!(response.status(), Some(401 | 407));
        let presented = if challenged { entry.presented.take() } else { None };
        let passed = match entry.machine {
            Machine::Invite(_) => self.on_invite(at, invite_client::Event::response(response), work),
            Machine::Other(_) => {
                self.on_other(at, client::Event::response(response.status().unwrap_or(0)), work)
            }
        };
        match presented.filter(|_| passed) {
            Some(presented) => Matched::Challenged(branch, owner, presented),
            None if passed && owner != Owner::Nobody => Matched::Pass(branch, owner),
            None => Matched::Absorbed,
        }
    }

    /// The transaction a response answers, if it comes from whom was asked.
    fn asked(&self, flow: Flow, response: &Message, addresses: &impl Addresses) -> Option<(SlabKey, Branch)> {
        let via = response.top_via();
        // RFC 3261 §8.1.3.3: a response with more than one Via was not for us.
        if response.via_count() != 1 {
            return None;
        }
        let branch = Branch::read(via.branch?)?;
        // RFC 3261 §17.1.3: the branch, and the method of CSeq.
        let key = ClientKey::new(branch.0, response.cseq().method.as_bytes());
        let &at = self.by_key.get(&key)?;
        let entry = self.entries.find(at)?;
        // RFC 3261 §8.2.6.2: a response has the CSeq of its request, so one with another number answers something else.
        if entry.cseq != response.cseq().number {
            return None;
        }
        let hop = &entry.hop;
        // RFC 3261 §18.1.2: the Via must be ours. Beyond it: a response comes where the request left, over what it left
        // by, and from whom it went to, so that a guessed branch alone is worth nothing.
        let same_way = flow.listener == hop.listener && flow.transport == hop.transport;
        let same_source = || {
            flow.remote.ip() == hop.remote.ip() || addresses.same_peer(flow.listener, hop.remote, flow.remote)
        };
        (same_way && addresses.is_ours(flow.listener, &via) && same_source()).then_some((at, branch))
    }

    pub fn cancel(&mut self, branch: Branch, reason: Bytes, work: &mut Work<'_>) -> bool {
        let key = ClientKey::new(branch.0, Method::Invite.as_bytes());
        let Some(&at) = self.by_key.get(&key) else { return false };
        let open = self.entries.find(at).is_some_and(|entry| match &entry.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(_) => false,
        });
        if open {
            self.on_invite(at, invite_client::Event::Cancel(reason), work);
        }
        open
    }

    pub fn invite_owner(&self, branch: Branch) -> Option<Owner> {
        let at = self.by_key.get(&ClientKey::new(branch.0, Method::Invite.as_bytes()))?;
        let entry = self.entries.find(*at)?;
        match &entry.machine {
            Machine::Invite(machine) => machine.may_succeed().then_some(entry.owner),
            Machine::Other(_) => None,
        }
    }

    pub fn set_invite_owner(&mut self, branch: Branch, owner: Owner) {
        let at = self.by_key.get(&ClientKey::new(branch.0, Method::Invite.as_bytes()));
        if let Some(entry) = at.and_then(|at| self.entries.find_mut(*at)) {
            entry.owner = owner;
        }
    }

    pub fn unsendable(&mut self, hop: &Hop, work: &mut Work<'_>) {
        // Each one that fails leaves the list, so its next one becomes the first.
        while let Some(&at) = self.waiting.get(&destination(hop)) {
            match self.entries.find(at).map(|entry| &entry.machine) {
                Some(Machine::Invite(_)) => {
                    self.on_invite(at, invite_client::Event::TransportError, work);
                }
                Some(Machine::Other(_)) => {
                    self.on_other(at, client::Event::TransportError, work);
                }
                // Whoever leaves the table leaves the list, so this is never seen; it must not turn for ever.
                None => {
                    self.waiting.remove(&destination(hop));
                }
            }
            if self.waiting.get(&destination(hop)) == Some(&at) {
                self.unlink(at);
            }
        }
    }

    pub fn fire_invite(&mut self, index: u32, timer: invite_client::Timer, work: &mut Work<'_>) {
        let Some((at, entry)) = self.entries.at(index) else { return };
        let (key, owner) = (entry.key, entry.owner);
        let accepted = matches!(entry.machine, Machine::Invite(InviteClient::Accepted));
        self.on_invite(at, invite_client::Event::Timer(timer), work);
        if accepted && owner != Owner::Nobody && self.entries.find(at).is_none() {
            work.out.push(Outcome::ClientEnded { branch: Branch(key.branch), owner });
        }
    }

    pub fn fire_other(&mut self, index: u32, timer: client::Timer, work: &mut Work<'_>) {
        if let Some((at, _)) = self.entries.at(index) {
            self.on_other(at, client::Event::Timer(timer), work);
        }
    }

    /// One event of an INVITE's; whether what came is its user's.
    fn on_invite(&mut self, at: SlabKey, event: invite_client::Event<'_>, work: &mut Work<'_>) -> bool {
        let Some(entry) = self.entries.find_mut(at) else { return false };
        let Machine::Invite(machine) = &mut entry.machine else { return false };
        let terms = work.terms(entry.hop.transport.is_reliable());
        let machine = std::mem::take(machine);
        let (machine, effects) = machine.on(event, terms);
        self.settle(at, Machine::Invite(machine), effects, Due::InviteClient, work)
    }

    /// One event of another request's.
    fn on_other(&mut self, at: SlabKey, event: client::Event, work: &mut Work<'_>) -> bool {
        let Some(entry) = self.entries.find_mut(at) else { return false };
        let Machine::Other(machine) = &mut entry.machine else { return false };
        let terms = work.terms(entry.hop.transport.is_reliable());
        let (machine, effects) = std::mem::take(machine).on(event, terms);
        self.settle(at, Machine::Other(machine), effects, Due::Client, work)
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
        let (branch, hop, owner) = (Branch(entry.key.branch), entry.hop, entry.owner);
        let (mut passed, mut over, mut cancel, mut failure) = (false, false, None, None);
        for effect in effects {
            match effect {
                Effect::Send(bytes) => work.out.push(Outcome::Send { hop, bytes }),
                Effect::Cancel(bytes) => cancel = Some(bytes),
                Effect::Arm(timer, after) => entry.armed.arm(timer, after, due(at.index, timer), work),
                Effect::Disarm(timer) => entry.armed.disarm(timer, work.wheel),
                Effect::PassUp => passed = true,
                Effect::Timeout => failure = Some(Failure::Timeout),
                Effect::TransportError => failure = Some(Failure::Transport),
                Effect::Terminated => over = true,
            }
        }
        let waits = entry.machine.waits_for_the_wire();
        if over {
            self.remove(at, work);
        } else if !waits {
            self.unlink(at);
        }
        if let Some(failure) = failure.filter(|_| owner != Owner::Nobody) {
            work.out.push(Outcome::ClientFailed { branch, owner, failure });
        }
        if let Some(bytes) = cancel {
            // RFC 3261 §9.1: a transaction of its own, with the branch of the INVITE, to the same hop.
            self.start(branch, (false, false), hop, bytes, Owner::Nobody, work);
        }
        passed
    }

    fn remove(&mut self, at: SlabKey, work: &mut Work<'_>) {
        self.unlink(at);
        let Some(mut entry) = self.entries.remove(at) else { return };
        entry.armed.clear(work.wheel);
        if self.by_key.get(&entry.key) == Some(&at) {
            self.by_key.remove(&entry.key);
        }
        if self.by_key.is_empty() && self.by_key.capacity() > ENTRIES_KEPT {
            self.by_key = HashMap::default();
        }
    }

    /// Puts an entry before the others that wait for the wire of its hop.
    fn link(&mut self, at: SlabKey, hop: &Hop) {
        let next = self.waiting.insert(destination(hop), at);
        if let Some(entry) = self.entries.find_mut(at) {
            entry.waiting = Some(Waiting { next, previous: None });
        }
        if let Some(links) = next.and_then(|next| self.links(next)) {
            links.previous = Some(at);
        }
    }

    /// Takes it out, where it stands there.
    fn unlink(&mut self, at: SlabKey) {
        let Some(entry) = self.entries.find_mut(at) else { return };
        let Some(Waiting { next, previous }) = entry.waiting.take() else { return };
        let destination = destination(&entry.hop);
        match (previous.and_then(|previous| self.links(previous)), next) {
            (Some(links), _) => links.next = next,
            (None, Some(next)) => {
                self.waiting.insert(destination, next);
            }
            (None, None) => {
                self.waiting.remove(&destination);
            }
        }
        if let Some(links) = next.and_then(|next| self.links(next)) {
            links.previous = previous;
        }
    }

    fn links(&mut self, at: SlabKey) -> Option<&mut Waiting> {
        self.entries.find_mut(at)?.waiting.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_transaction_costs_about_a_quarter_kilobyte_besides_its_bytes() {
        let entry = size_of::<Entry>() + size_of::<(ClientKey, SlabKey)>();
        assert!(entry <= 272, "{entry}: {} {}", size_of::<Entry>(), size_of::<Machine>());
    }
}
