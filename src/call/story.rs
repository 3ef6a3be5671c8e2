//! What is remembered of a call for its record.
//!
//! Owns no decision. Refuses to know legs and phases. Read first: `record.rs`, which it becomes.

use std::sync::Arc;

use super::caller::Shown;
use super::passed::Messages;
use super::record::LegRecord;
use crate::clock::{Tick, Wall};
use crate::policy::Direction;
use crate::policy::number::Known;
use crate::policy::verdict::Step;

/// What is told of a caller beside its number.
#[derive(Debug, Clone)]
pub(super) struct CallerStory {
    /// Its leg.
    pub leg: LegRecord,
    /// The user whose password its INVITE proved.
    pub credential: Option<Arc<str>>,
    /// Who sent the call on, before it came here or by a redirect.
    pub forwarder: Option<Box<str>>,
    /// How it is shown.
    pub shown: Shown,
    /// Whom it dialled, where the call was sent on.
    pub dialled: Option<Box<str>>,
    /// How the number was read that it dialled.
    pub number: Option<Known>,
    /// Whether another one stands in its place: nobody there has proved anything.
    pub replaced: bool,
    /// Whether it was to be encrypted on every leg (a sips URI, RFC 5630).
    pub secure: bool,
    /// The record of the call that a transfer made it of.
    pub follows: Option<u128>,
}

/// The record in the making.
#[derive(Debug)]
pub(super) struct Story {
    pub id: u128,
    pub direction: Direction,
    pub from: Box<str>,
    pub to: Box<str>,
    /// Whether the policy names `to` exactly.
    pub named: bool,
    /// Whether the caller asks not to be shown.
    pub hidden: bool,
    /// Whether it calls for help in danger to life.
    pub emergency: bool,
    /// Whether A's peer asserts the caller, and is believed.
    pub asserted: bool,
    pub began: Wall,
    pub began_at: Tick,
    pub rang: Option<Wall>,
    pub answered: Option<Wall>,
    /// Boxed: read at both ends of a call alone.
    pub caller: Box<CallerStory>,
    pub tried: Vec<LegRecord>,
    /// What passed on both legs.
    pub messages: Messages,
    /// Boxed to its size: a held call keeps it for as long as it lives.
    pub trail: Box<[Step]>,
}
