//! What is known of a request when it is judged.
//!
//! Owns the words between the engine, which reads a message, and the rules, which judge it. Refuses to know the
//! message itself. Read first: RFC 3261 §8.1.1, §16.3.

use std::net::SocketAddr;

use super::located::Located;
use super::number::Number;
use super::owned::Owned;
use super::peer::{Direction, PeerId};
use crate::clock::Now;
use crate::sip::{Host, Method, Transport};

/// A call that was sent on, as its sender tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// The last who sent it on: as the peer's dial plan reads the number, else as it stands.
    pub by: &'a str,
    /// How often it was sent on.
    pub times: u32,
    /// Whether the edge sends it on itself: a redirect or a transfer, which is a call whatever its method.
    pub here: bool,
}

/// Facts of one attempt; all of them read from the message and the flow, none from policy.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// When.
    pub now: Now,
    /// From whom (by flow).
    pub peer: PeerId,
    /// The sender.
    pub source: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// The method.
    pub method: &'a Method,
    /// Whether its call has its place already, and takes no second one: what a trunk sends on for whom it calls.
    pub holds_place: bool,
    /// Call-ID as it came.
    pub call_id: &'a [u8],
    /// Whether To has a tag: the request names a dialog.
    pub in_dialog: bool,
    /// The Request-URI's host of sip and sips; `None` for other schemes.
    pub request_host: Option<Host<'a>>,
    /// Whether the Request-URI is a sips one: TLS is wanted on every leg (RFC 5630).
    pub secure: bool,
    /// Whether it would open a call and brings keys of encrypted speech: they are for encrypted legs alone.
    pub keys: bool,
    /// Whether a Replaces or Join header stands in it (RFC 3891, RFC 3911).
    pub replaces: bool,
    /// The caller: the user of the header that `caller_in` names, unescaped once; empty when there is none. Where the peer has
    /// a dial plan that reads it as a whole number, `+` and digits.
    pub caller: &'a str,
    /// The same as it was sent, unescaped once and nothing else: an extension may read as a number, and is known by its digits.
    pub caller_sent: &'a str,
    /// The user whose password it proved.
    pub credential: Option<&'a str>,
    /// The numbers that the credential which it proved may show, where they are others than its peer's.
    pub owned: Option<&'a Owned>,
    /// Whether the caller asks not to be shown (RFC 3323). Rules see the caller all the same.
    pub hidden: bool,
    /// Whether the caller dialled a prefix that asks to be shown, whatever its phone is set to.
    pub shows: bool,
    /// Who sent the call on, where its headers say that somebody did, or a redirect does.
    pub forwarded: Option<Forwarded<'a>>,
    /// The number here whose call from outside this one carries on, where it shows that call's caller: whatever its headers say.
    pub sent_on: Option<&'a str>,
    /// Calls between the same two that live and began within the last 30 s, where both they and this one were sent on, or call a
    /// number of our own.
    pub again: u32,
    /// Whom it calls: where the peer has a dial plan, what was read under it (`+` and digits, a code, a name); else the user
    /// part that `called_from` names, unescaped once, without parameters.
    pub called: &'a str,
    /// The same as it was dialled, unescaped once and nothing else.
    pub dialled: &'a str,
    /// What `called` was read as; `None` where the peer has no dial plan.
    pub number: Option<&'a Number>,
    /// Whether an inside peer calls for help in danger to life: no rule and no cap refuses it.
    pub emergency: bool,
    /// Max-Forwards as it came; `None` when absent.
    pub max_forwards: Option<u8>,
    /// How many Via values.
    pub via_count: usize,
    /// Whether a Via or a History of ours says that this request already passed here (RFC 5393).
    pub passed_before: bool,
    /// Random bits drawn for this request; they share calls out among targets of equal priority.
    pub draw: u64,
    /// Where the names of peers lead.
    pub located: &'a Located,
    /// Filled by the route step: where it would go. `None` from outside.
    pub direction: Option<Direction>,
    /// The first target's peer, once routed. `None` from outside.
    pub target: Option<PeerId>,
}

impl Facts<'_> {
    /// Whether it asks for a new dialog.
    #[must_use]
    pub fn opens_dialog(&self) -> bool {
        !self.in_dialog && *self.method == Method::Invite
    }

    /// Whether its call takes a place of its peer and its site.
    #[must_use]
    pub fn takes_place(&self) -> bool {
        *self.method == Method::Invite && !self.holds_place
    }
}
