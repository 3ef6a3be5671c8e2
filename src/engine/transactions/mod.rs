//! The tables of transactions: machines, keys, timers and where their bytes go.
//!
//! Owns every server and client transaction of the edge and their timers. Refuses to know calls (an `Owner` names
//! whom a transaction serves), policy and sockets.
//! Read first: RFC 3261 §9, §17.1.3, §17.2.3, §18.1.2, §18.2.2; RFC 6026; RFC 4320.

mod armed;
mod clients;
mod servers;

use std::net::SocketAddr;

use bytes::Bytes;

use crate::call::{Branch, Failure, ServerId, Side};
use crate::clock::Tick;
use crate::policy::PeerId;
use crate::sip::again::Proofs;
use crate::sip::{Flow, Hop, ListenerId, Message, Transport, Via};
use crate::transaction::{Keys, Sender, Timing};

use super::logins::Rounds;
use super::timers::Wheel;
use armed::{Due, Work};
use clients::Clients;
use servers::Servers;

/// What requests that end calls may use of a table beyond its bound: one in so many of it.
const RESERVE_SHARE: usize = 8;

/// What emergency calls may use of a table beyond that, so that neither takes the room of the other.
const HELP_MAX: usize = super::helped::EMERGENCIES_MAX;

/// What a table holds at most for a request: of its bound, and of what is kept for it. `ends` says whether it is of a call that
/// is up or ends it, `urgent` whether it is an emergency's.
const fn room(most: usize, ends: bool, urgent: bool) -> usize {
    let reserve = most / RESERVE_SHARE;
    match (ends, urgent) {
        (_, true) => most.saturating_add(reserve).saturating_add(HELP_MAX),
        (true, false) => most.saturating_add(reserve),
        (false, false) => most,
    }
}

/// A call of the engine's table: its slot, and what tells it from earlier calls of that slot.
pub use super::slab::SlabKey as CallKey;

/// Whom a transaction serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A leg of a call.
    Call {
        /// The call.
        key: CallKey,
        /// The leg.
        side: Side,
    },
    /// What is kept of a call that is over.
    Past(super::slab::SlabKey),
    /// A health probe of a peer.
    Probe(PeerId),
    /// A request carried outside any call; the number is the engine's.
    Standalone(u32),
    /// A registration of ours at a trunk; it knows its branch.
    Registration,
    /// Nobody waits for how it ends.
    Nobody,
}

/// What the tables say to the engine, in order.
#[derive(Debug)]
pub enum Outcome {
    /// Send bytes.
    Send {
        /// Where to.
        hop: Hop,
        /// What.
        bytes: Bytes,
    },
    /// A client transaction ended without a final response.
    ClientFailed {
        /// Which.
        branch: Branch,
        /// Whose.
        owner: Owner,
        /// Why.
        failure: Failure,
    },
    /// An INVITE of ours that was answered with a 2xx is gone: no more copies come (timer M).
    ClientEnded {
        /// Which.
        branch: Branch,
        /// Whose.
        owner: Owner,
    },
    /// A server transaction that had an owner is gone; its id means nothing any more.
    ServerEnded {
        /// Which.
        server: ServerId,
        /// Whose.
        owner: Owner,
    },
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A new server transaction; the caller answers it with `respond`.
    New(ServerId),
    /// A copy of one already here; its last response was sent again where there is one to send.
    Retransmission,
    /// The same request came on another path (RFC 3261 §8.2.2.2); the caller answers 482 outside any transaction.
    Merged,
    /// The table is full; the caller answers outside any transaction, or not at all. A CANCEL may be obeyed all the same.
    Full,
}

/// What a CANCEL means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelTarget {
    /// An INVITE that waits for its final response.
    Pending(ServerId, Owner),
    /// An INVITE that has had its final response: the CANCEL is answered 200 and changes nothing.
    Answered,
    /// No such INVITE of this sender: 481, and whatever call was meant stays.
    Unknown,
}

/// What is kept beside a request to a peer that we have a login for.
#[derive(Debug, PartialEq, Eq)]
pub struct Presented {
    /// Who was asked.
    pub peer: PeerId,
    /// Where.
    pub hop: Hop,
    /// The request without proofs.
    pub request: Bytes,
    /// The proofs it went with.
    pub proofs: Proofs,
    /// How often it was challenged before.
    pub rounds: Rounds,
}

/// What became of a response.
#[derive(Debug, PartialEq, Eq)]
pub enum Matched {
    /// For the owner.
    Pass(Branch, Owner),
    /// For the owner, too: a 401 or 407 to a request that may be sent again with a proof.
    Challenged(Branch, Owner, Box<Presented>),
    /// A copy, or one nobody waits for; it was dealt with.
    Absorbed,
    /// It answers nothing of ours, or comes from somebody we did not ask.
    Stray,
}

/// What the engine knows about addresses and the tables do not.
pub trait Addresses {
    /// Whether a Via's sent-by is what this listener writes into its own (RFC 3261 §18.1.2).
    fn is_ours(&self, listener: ListenerId, via: &Via<'_>) -> bool;
    /// Whether two different addresses seen at a listener belong to one peer. Not asked when the IP addresses are equal.
    fn same_peer(&self, listener: ListenerId, one: SocketAddr, other: SocketAddr) -> bool;
}

/// The tables.
#[derive(Debug)]
pub struct Transactions {
    timing: Timing,
    wheel: Wheel<Due>,
    servers: Servers,
    clients: Clients,
}

impl Transactions {
    /// Empty tables. `seed` keys the hashes (from the seeded generator); the others bound either side.
    #[must_use]
    pub fn new(timing: Timing, seed: [u64; 2], servers_max: usize, clients_max: usize) -> Self {
        Self {
            timing,
            wheel: Wheel::new(),
            servers: Servers::new(Keys::new(seed), servers_max),
            clients: Clients::new(clients_max),
        }
    }

    /// A request, and whether it is an emergency's INVITE. An ACK belongs to `ack`, and starts nothing here.
    pub fn request(
        &mut self,
        now: Tick,
        (sender, urgent): (Sender, bool),
        flow: Flow,
        request: &Message,
        out: &mut Vec<Outcome>,
    ) -> Arrival {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.servers.request((sender, urgent), flow, request, &mut work)
    }

    /// Names whom a server transaction serves (`Nobody` until then); false when it is gone.
    pub fn set_owner(&mut self, server: ServerId, owner: Owner) -> bool {
        self.servers.set_owner(server, owner)
    }

    /// Whom a server transaction serves; `None` when it is gone.
    #[must_use]
    pub fn server_owner(&self, server: ServerId) -> Option<Owner> {
        self.servers.owner(server)
    }

    /// Answers a server transaction; false when it is gone or has had its final response. What RFC 4320 forbids to say
    /// is not sent: a 1xx other than 100, an early 100 and a 408 to a request other than INVITE.
    pub fn respond(
        &mut self,
        now: Tick,
        server: ServerId,
        status: u16,
        bytes: Bytes,
        out: &mut Vec<Outcome>,
    ) -> bool {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.servers.respond(server, status, bytes, &mut work)
    }

    /// Sends a 2xx to an INVITE again (RFC 6026: that is the transaction user's work); false when the transaction is gone
    /// or was not answered with a 2xx.
    pub fn resend(&mut self, server: ServerId, bytes: Bytes, out: &mut Vec<Outcome>) -> bool {
        // Nothing is armed by this, so the time does not matter.
        let mut work = Work { now: Tick::ZERO, timing: &self.timing, wheel: &mut self.wheel, out };
        self.servers.resend(server, bytes, &mut work)
    }

    /// Drops a server transaction that will never be answered; a copy of its request would be a new one. False when it
    /// is gone.
    pub fn forget(&mut self, server: ServerId) -> bool {
        self.servers.forget(server, &mut self.wheel)
    }

    /// An ACK: true when a server transaction took it, false when it belongs to a dialog's 2xx (or to nothing).
    pub fn ack(&mut self, now: Tick, sender: Sender, ack: &Message, out: &mut Vec<Outcome>) -> bool {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.servers.ack(sender, ack, &mut work)
    }

    /// The INVITE a CANCEL means (RFC 3261 §9.2).
    #[must_use]
    pub fn cancel_target(&self, sender: Sender, cancel: &Message) -> CancelTarget {
        self.servers.cancel_target(sender, cancel)
    }

    /// Starts a client transaction and sends its request. `invite` says whether it is an INVITE's, `urgent` whether it is of an
    /// emergency call.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different word, and a call of it reads as a sentence"
    )]
    pub fn start(
        &mut self,
        now: Tick,
        branch: Branch,
        (invite, urgent): (bool, bool),
        hop: Hop,
        bytes: Bytes,
        owner: Owner,
        out: &mut Vec<Outcome>,
    ) {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.clients.start(branch, (invite, urgent), hop, bytes, owner, &mut work);
    }

    /// Keeps beside a request that was just started what proves who asks.
    pub fn present(&mut self, branch: Branch, request: &[u8], presented: Box<Presented>) {
        self.clients.present(branch, request, presented);
    }

    /// What is kept beside an INVITE of ours.
    #[must_use]
    pub fn presented(&self, invite: Branch) -> Option<&Presented> {
        self.clients.presented(invite)
    }

    /// A response. For a passed one the owner acts on the response before it acts on what is pushed here.
    pub fn response(
        &mut self,
        now: Tick,
        flow: Flow,
        response: &Message,
        addresses: &impl Addresses,
        out: &mut Vec<Outcome>,
    ) -> Matched {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.clients.response(flow, response, addresses, &mut work)
    }

    /// Cancels an INVITE of ours: at once if a provisional was heard, else as soon as one is. `reason` is a whole
    /// Reason value, or empty. False when there is no such INVITE, or it has had its final response.
    pub fn cancel(&mut self, now: Tick, branch: Branch, reason: Bytes, out: &mut Vec<Outcome>) -> bool {
        let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
        self.clients.cancel(branch, reason, &mut work)
    }

    /// Whom an INVITE of ours serves while a 2xx to it may come; `None` when none can.
    #[must_use]
    pub fn invite_owner(&self, branch: Branch) -> Option<Owner> {
        self.clients.invite_owner(branch)
    }

    /// Names another owner for an INVITE of ours.
    pub fn set_invite_owner(&mut self, branch: Branch, owner: Owner) {
        self.clients.set_invite_owner(branch, owner);
    }

    /// The transport could not send to a hop: every client transaction that still sends there fails.
    pub fn unsendable(&mut self, hop: &Hop, out: &mut Vec<Outcome>) {
        // Nothing is armed by this, so the time does not matter.
        let mut work = Work { now: Tick::ZERO, timing: &self.timing, wheel: &mut self.wheel, out };
        self.clients.unsendable(hop, &mut work);
    }

    /// When `expire` has something to do; never later than the first deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        self.wheel.next_deadline()
    }

    /// Fires what is due.
    pub fn expire(&mut self, now: Tick, out: &mut Vec<Outcome>) {
        while let Some(due) = self.wheel.expire(now) {
            let mut work = Work { now, timing: &self.timing, wheel: &mut self.wheel, out };
            match due {
                Due::InviteServer(index, timer) => self.servers.fire_invite(index, timer, &mut work),
                Due::Server(index, timer) => self.servers.fire_other(index, timer, &mut work),
                Due::InviteClient(index, timer) => self.clients.fire_invite(index, timer, &mut work),
                Due::Client(index, timer) => self.clients.fire_other(index, timer, &mut work),
            }
        }
    }

    /// Server transactions in the table.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Whether no request may leave that begins something; what ends a call has a reserve.
    #[must_use]
    pub fn clients_are_full(&self) -> bool {
        self.clients.is_full()
    }

    /// Client transactions in the table.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Timers armed.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.wheel.len()
    }
}

/// Where the response to a request goes: back on its connection while that lives; else the address it came from, at
/// the port the top Via names (RFC 3261 §18.2.2), or at the port it came from where `rport` stands (RFC 3581 §4).
/// `maddr` and a `received` of the sender's own are never followed.
#[must_use]
pub fn response_hop(flow: &Flow, via: &Via<'_>) -> Hop {
    let mut hop = flow.back();
    // RFC 3581 §4: over UDP `rport` asks for the port it came from. A stream's own port is of no use once it is closed.
    if flow.transport.is_reliable() || !via.rport {
        let default = match flow.transport {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        };
        hop.remote.set_port(via.port.unwrap_or(default));
    }
    hop
}
