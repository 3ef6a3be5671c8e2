//! What a call asks when whoever is called sends it on (3xx), and what it is told.
//!
//! Owns these words. Refuses to know how a number is read and judged: the gate does. Read first: RFC 3261 §8.1.3.4, §21.3.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::caller::Shown;
use crate::policy::verdict::Candidates;
use crate::policy::{Direction, Peer, Reservation, Trail};
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
