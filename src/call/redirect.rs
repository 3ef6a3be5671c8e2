//! What a call asks when whoever is called sends it on (3xx), or a peer in it transfers it (REFER), and what it is told.
//!
//! Owns these words. Refuses to know how a number is read and judged: the gate does. Read first: RFC 3261 §8.1.3.4, §21.3.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::caller::{self, Shown};
use crate::policy::form::Written;
use crate::policy::verdict::Candidates;
use crate::policy::{Direction, Peer, PeerSide, Reservation, Trail};
use crate::sip::{Message, Transport};

/// Contacts of one redirect that are read; one with more is refused as a whole (32219).
pub const CONTACTS_MAX: usize = 5;

/// A redirect.
#[derive(Debug)]
pub struct Redirect<'a> {
    /// Who answered with it.
    pub by: &'a Arc<Peer>,
    /// From where.
    pub source: SocketAddr,
    /// By what.
    pub transport: Transport,
    /// The answer.
    pub answer: &'a Message,
    /// Who called.
    pub from: &'a Arc<Peer>,
    /// The user whose password it proved.
    pub user: Option<&'a str>,
    /// By what its INVITE came: keys that stand in it are as secret as that.
    pub came_over: Transport,
    /// Its INVITE.
    pub invite: &'a Message,
    /// The caller as policy read it.
    pub caller: &'a str,
    /// Whether the caller asks not to be shown.
    pub hidden: bool,
    /// Whether it dialled a prefix that asks to be shown.
    pub shows: bool,
    /// Whom it called, as policy read it.
    pub called: &'a str,
    /// Whether the edge makes the call, so that it is charged.
    pub performs: bool,
}

/// A transfer that a peer in a call asks for.
#[derive(Debug)]
pub struct Transfer<'a> {
    /// Who asks.
    pub by: &'a Arc<Peer>,
    /// Whom it talks to.
    pub with: &'a Arc<Peer>,
    /// Where who asks is.
    pub source: SocketAddr,
    /// By what it speaks.
    pub transport: Transport,
    /// The REFER.
    pub refer: &'a Message,
    /// The URI of its Refer-To.
    pub uri: &'a [u8],
    /// The user whose password the call proved, where who asks has called.
    pub user: Option<&'a str>,
    /// Who calls then, as policy read it.
    pub caller: &'a str,
    /// Whether the caller asks not to be shown.
    pub hidden: bool,
    /// Whether the caller dialled a prefix that asks to be shown, whatever its phone is set to.
    pub shows: bool,
    /// The number of who asks, as policy read it.
    pub own: &'a str,
    /// That of whom it talks to.
    pub other: &'a str,
    /// Whether the edge makes the call, so that it is charged.
    pub performs: bool,
    /// Whether the number is in a call that is up, and whom it talks to comes into that.
    pub joins: bool,
    /// Whether the call was to be encrypted on every leg (a sips URI).
    pub secure: bool,
    /// Whether the call that the edge makes would be offered keys of encrypted speech as another leg said them.
    pub keys: bool,
}

impl<'a> Transfer<'a> {
    /// Who pays for the call: an inside peer that asks; where a trunk does, the inside peer in the call.
    #[must_use]
    pub fn payer(&self) -> Option<&'a Arc<Peer>> {
        match (self.by.side, self.with.side) {
            (PeerSide::Inside, _) => Some(self.by),
            (PeerSide::Outside, PeerSide::Inside) => Some(self.with),
            (PeerSide::Outside, PeerSide::Outside) => None,
        }
    }
}

/// Where a redirected call goes.
#[derive(Debug)]
pub struct Redirected {
    /// The number, as policy read it.
    pub called: Box<str>,
    /// Whether the policy names it exactly.
    pub named: bool,
    /// How the caller is shown.
    pub shown: Shown,
    /// Whether it calls for help in danger to life.
    pub emergency: bool,
    /// Where it runs.
    pub direction: Direction,
    /// Its targets.
    pub candidates: Candidates,
    /// What it holds of the peer that sent it on; `None` where that holds its place already.
    pub reservation: Option<Reservation>,
    /// Longest time from answer.
    pub duration_max: Duration,
    /// Every rule asked.
    pub trail: Trail,
}

impl Redirected {
    /// Its address in brackets, for a peer that is to call it at a host of ours by this transport. An emergency service that has
    /// no digits has its name (RFC 5031 §4.2): no host of ours would read it as one.
    #[must_use]
    pub fn address(&self, called: Written<'_>, host: &str, transport: Transport) -> Vec<u8> {
        if self.emergency && !self.called.starts_with(|first: char| first.is_ascii_digit()) {
            return [b"<urn:service:", self.called.as_bytes(), b">"].concat();
        }
        let mut value = caller::address(Some(called), b"", host);
        value.pop();
        value.extend_from_slice(match transport {
            Transport::Udp => b">",
            Transport::Tcp => b";transport=tcp>",
            Transport::Tls => b";transport=tls>",
        });
        value
    }
}
