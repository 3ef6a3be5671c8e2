//! What a live call is about, for whoever lists it, cuts it or judges it again.
//!
//! Owns the view. Refuses to decide anything. Read first: `story.rs`.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Call, Phase};
use crate::clock::{Tick, Wall};
use crate::policy::number::Known;
use crate::policy::{Direction, Peer};
use crate::sip::Transport;

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has heard it ring.
    Calling,
    /// It rings.
    Ringing,
    /// It is answered.
    Up,
    /// It is over, and its last messages are under way.
    Ending,
}

impl Stage {
    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Ringing => "ringing",
            Self::Up => "up",
            Self::Ending => "ending",
        }
    }

    /// Whether it can still be ended.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Calling | Self::Ringing | Self::Up => true,
            Self::Ending => false,
        }
    }
}

/// A call, seen from outside.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The number of its record.
    pub id: u128,
    /// Where it runs.
    pub direction: Direction,
    /// The caller as policy read it; empty once its record is written.
    pub from: &'a str,
    /// Whom it calls now, as policy read it.
    pub to: &'a str,
    /// How the number was read; `None` where no dial plan did, or the call was sent on.
    pub number: Option<&'a Known>,
    /// The user whose password it proved.
    pub credential: Option<&'a str>,
    /// Who sent it on; empty where nobody did.
    pub forwarder: &'a str,
    /// Whether it is for danger to life.
    pub emergency: bool,
    /// Whether its caller asks not to be shown.
    pub hidden: bool,
    /// Whether a prefix that was dialled asks for it to be shown.
    pub shows: bool,
    /// When its INVITE came.
    pub began: Wall,
    /// The same, by the clock that is never set.
    pub began_at: Tick,
    /// When it was answered.
    pub answered: Option<Wall>,
    /// Who calls.
    pub caller: &'a Arc<Peer>,
    /// Who is called, or is about to be.
    pub callee: &'a Arc<Peer>,
    /// Where the caller's messages come from.
    pub remote: SocketAddr,
    /// By what.
    pub transport: Transport,
    /// Whether somebody who was called sent it on, or a transfer made it: others than its caller pay for it.
    pub sent_on: bool,
    /// How far it is.
    pub stage: Stage,
}

impl Call {
    /// Whether it is being set up.
    #[must_use]
    pub const fn is_set_up(&self) -> bool {
        matches!(self.phase, Phase::Setup(_))
    }

    /// Whether it is up: answered, and nobody has hung up.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Talk(_))
    }

    /// What it is about.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        let story = &self.core.story;
        let caller = &*story.caller;
        let stage = match self.phase {
            Phase::Setup(_) if story.rang.is_some() => Stage::Ringing,
            Phase::Setup(_) => Stage::Calling,
            Phase::Talk(_) => Stage::Up,
            Phase::Hangup(_) | Phase::Over => Stage::Ending,
        };
        Told {
            id: story.id,
            direction: story.direction,
            from: &story.from,
            to: &story.to,
            number: caller.number.as_ref().filter(|_| caller.dialled.is_none()),
            credential: self.credential().map(|user| &**user),
            forwarder: caller.forwarder.as_deref().unwrap_or_default(),
            emergency: story.emergency,
            hidden: story.hidden,
            shows: caller.shown.shows,
            began: story.began,
            began_at: story.began_at,
            answered: story.answered,
            caller: &self.core.a.peer,
            callee: &self.core.b.peer,
            remote: self.core.a.hop.remote,
            transport: self.core.a.hop.transport,
            sent_on: caller.dialled.is_some() || caller.follows.is_some(),
            stage,
        }
    }
}
