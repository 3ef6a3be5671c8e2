//! The call record: one for every attempt of a known peer.

use std::net::SocketAddr;
use std::sync::Arc;

use super::passed::Messages;
use crate::clock::Wall;
use crate::media::order::StreamReport;
use crate::policy::number::Known;
use crate::policy::{Direction, Trail};
use crate::sip::Transport;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Answered and ended.
    Answered,
    /// Refused by us.
    Refused,
    /// Cancelled by the caller.
    Cancelled,
    /// The far side refused or did not answer.
    Failed,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The caller's side.
    Caller,
    /// The callee's side.
    Callee,
    /// The edge.
    Edge,
}

/// One leg as the record shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegRecord {
    /// The peer's name.
    pub peer: Arc<str>,
    /// Its Call-ID (escaped by the writer).
    pub call_id: String,
    /// Its address.
    pub remote: SocketAddr,
    /// Over what.
    pub transport: Transport,
    /// The final status of its INVITE, if any.
    pub status: Option<u16>,
}

/// One attempt from beginning to end.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Unique: 128 random bits.
    pub id: u128,
    /// The record of the call that was transferred, where a transfer made this one.
    pub follows: Option<u128>,
    /// Where it ran; `None` when no route was found.
    pub direction: Option<Direction>,
    /// Caller as read.
    pub from: String,
    /// Called: as it was read under the dial plan, or as dialled where nothing was read.
    pub to: String,
    /// How that was read; `None` where the peer has no dial plan, or the plan does not read it (the trail says why).
    pub number: Option<Known>,
    /// The user whose password the INVITE proved; `None` where none was asked for.
    pub credential: Option<Arc<str>>,
    /// Who sent the call on last, where somebody did: a number or an extension, as far as it is known.
    pub forwarder: Option<Box<str>>,
    /// The caller's leg, then every target tried, in order.
    pub legs: Vec<LegRecord>,
    /// INVITE in.
    pub began: Wall,
    /// First 18x.
    pub rang: Option<Wall>,
    /// 2xx.
    pub answered: Option<Wall>,
    /// The end.
    pub ended: Wall,
    /// How.
    pub disposition: Disposition,
    /// Who.
    pub ended_by: EndedBy,
    /// The status A was answered.
    pub status: u16,
    /// One line of why: a Reason header's text, an alert's name, `bye`.
    pub why: String,
    /// The alert code that decided, if any.
    pub code: Option<u32>,
    /// Every rule asked.
    pub trail: Trail,
    /// What passed on both legs until the record was written; empty for an attempt refused before it became a call.
    pub messages: Messages,
    /// What came from each side's peer on each stream; empty where media did not pass here, or nothing was told of it.
    pub media: Vec<StreamReport>,
}
