//! An attended transfer: two calls of one peer become one, between the two that it talked to.
//!
//! Owns what is done in the call that lives on: it takes over the leg of the other one, hangs up on who asked, and describes each to
//! the other anew. Refuses to know how it was asked for (`refer`, `transfer`).
//! Read first: RFC 3891 §3; RFC 5589 §7; RFC 3725 §4; RFC 3264 §8.

use bytes::Bytes;

use super::answer::Pending;
use super::content::amiss;
use super::core::{Core, Ending, reason_text};
use super::exchange::Exchange;
use super::joined::{Handed, time_left};
use super::leg::{Carried, Status};
use super::media::Saying;
use super::offer::Offer;
use super::record::{Disposition, EndedBy};
use super::refer::Replaces;
use super::relay::send;
use super::talk::Talk;
use super::{Call, Context, Effect, Phase, ServerId, Side, Timer, passed};
use crate::policy::{PeerId, PeerSide};
use crate::sip::{Flow, Message, Method};

/// A call that a transfer names, and by whom.
#[derive(Debug)]
pub struct Seek {
    /// Its names.
    pub named: Replaces,
    /// Who asks, and must be in it.
    pub by: PeerId,
    /// Whose leg shall come into it.
    pub with: PeerId,
    /// Whether that leg is encrypted.
    pub encrypted: bool,
    /// Whether it brings keys of encrypted speech that would cross, or comes of a call to a sips URI.
    pub keys: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// No call of that peer is there by these names.
    Unknown,
    /// It is, and something else is under way in it.
    Busy,
    /// It is, and may not be joined; why.
    Refused(&'static str),
    /// It is, with this other end.
    Found(End),
}

/// The other end of a call that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its number.
    pub number: Box<str>,
    /// Whether it was called there, and is not who calls.
    pub is_called: bool,
    /// Whether it is beyond a trunk.
    pub is_outside: bool,
}

const REFUSED: &str = "who was transferred to takes no media of the new call";

impl Call {
    /// Whether it is the call that is sought, where the tag of this leg was named.
    #[must_use]
    pub fn sought(&self, side: Side, seek: &Seek) -> Sought {
        let core = &self.core;
        let (leg, other) = (core.leg(side), core.leg(side.other()));
        let Phase::Talk(talk) = &self.phase else { return Sought::Unknown };
        let named = &seek.named;
        let names = leg.peer.id == seek.by
            && leg.call_id == named.call_id
            && leg.remote_tag == named.from_tag
            && core.policy.peer(seek.with).is_some();
        // DESIGN.md law 3: no trunk sends an emergency call on.
        let held = core.story.emergency && leg.peer.side == PeerSide::Outside;
        if !names || held || leg.status != Status::Up {
            return Sought::Unknown;
        }
        if other.status != Status::Up || talk.is_busy(core) || core.speech_of(side.other()).is_none() {
            return Sought::Busy;
        }
        // RFC 4568 §8.3, attack row E4: what either says is told to the other, over its leg.
        let encrypted = seek.encrypted && other.hop.transport.is_encrypted();
        if !encrypted && (seek.keys || core.story.caller.secure || core.speaks_keys(side.other())) {
            return Sought::Refused(
                "it would bring what is encrypted on every leg, or keys of encrypted speech, to a leg in the clear",
            );
        }
        Sought::Found(End {
            number: match side {
                Side::A => core.story.to.clone(),
                Side::B => core.story.from.clone(),
            },
            is_called: side == Side::A,
            is_outside: other.peer.side == PeerSide::Outside,
        })
    }

    /// The leg of another call takes the place of this one's.
    pub fn merge(&mut self, handed: Handed, side: Side, context: &mut Context<'_>) {
        self.core.noted = passed::count(context.effects);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Talk(talk) => talk.merge(&mut self.core, handed, side, context),
            other @ (Phase::Setup(_) | Phase::Hangup(_) | Phase::Over) => other,
        };
        self.core.note_sent(context);
    }
}

impl Talk {
    fn merge(mut self, core: &mut Core, handed: Handed, side: Side, context: &mut Context<'_>) -> Phase {
        let Handed { mut leg, until, speech, follows, emergency, hidden } = handed;
        let stays = side.other();
        for (from, pending) in std::mem::take(&mut self.relays).into_pending() {
            let answer = super::answer::Answer::bare(487);
            core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        }
        let own = core.speech_of(stays).and_then(|(_, voice)| voice);
        core.media_closed(context);
        // What this call was charged stays with it.
        let held = std::mem::take(&mut core.leg_mut(side).reservations);
        // RFC 3891 §3: whoever is replaced is hung up on.
        core.say_bye(side, &Bytes::new(), None, context);
        leg.side = side;
        // Who is called learns no more of who calls than before.
        leg.other = (core.leg(stays).peer.id, stays == Side::A && core.story.hidden);
        core.leg_mut(stays).other = (leg.peer.id, hidden);
        let gone = std::mem::replace(core.leg_mut(side), leg);
        core.leg_mut(side).reservations.extend(held);
        context.effects.push(Effect::Unbind { tag: gone.local_tag });
        context.effects.push(Effect::Bind { tag: core.leg(side).local_tag, side });
        context.effects.push(Effect::Disarm(side.session()));
        core.story.caller.follows.get_or_insert(follows);
        core.story.caller.replaced |= side == Side::A;
        let helps = (core.story.emergency, emergency);
        core.story.emergency |= emergency;
        core.duration_max = time_left(core.duration_max, until.since(core.answered_at), helps);
        let until = core.answered_at.after(core.duration_max);
        core.arm_review(until, context);
        let Some((invite, voice)) = speech else {
            return self.end(core, &unmerged(), None, context);
        };
        let begun = core.media_anew([(side, voice), (stays, own)], context);
        let crossed = begun.and_then(|()| core.cross_offer(side, &invite, context));
        match crossed {
            Ok(crossed) => {
                let message = crossed.unwrap_or(invite);
                self.ask_merged(core, side, message, context);
                Phase::Talk(self)
            }
            Err(cause) => {
                let ending = core.untaken(cause, Saying::Renewing, context);
                self.end(core, &ending, None, context)
            }
        }
    }

    /// The one that stays is offered what the one that came says.
    fn ask_merged(&mut self, core: &mut Core, side: Side, message: Message, context: &mut Context<'_>) {
        let stays = side.other();
        let branch = send(core, stays, &Method::Invite, &message, &[], context);
        core.leg_mut(side).offer = Offer::Received;
        core.leg_mut(stays).offer = Offer::Sent;
        let hop = core.leg(side).hop;
        let flow = Flow {
            listener: hop.listener,
            transport: hop.transport,
            remote: hop.remote,
            connection: hop.connection,
        };
        let pending = Pending { server: ServerId::NOBODY, message, source: hop.remote };
        self.exchange = Some(Box::new(Exchange::new(side, pending, flow, branch)));
        let patience = core.leg(stays).peer.ring_max;
        context.effects.push(Effect::Arm { timer: Timer::Ring, at: context.now.tick.after(patience) });
    }

    /// Its final answer.
    pub(super) fn merge_answered(
        mut self,
        core: &mut Core,
        exchange: Exchange,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let (side, status) = (exchange.from, message.status().unwrap_or(500));
        let stays = side.other();
        let again = status == 491
            || status == 422 && core.leg_mut(stays).timer.raise(message)
            || core.keeps_asking(status);
        if again && !exchange.cancelled {
            // RFC 3261 §14.1: both asked at once.
            self.exchange = Some(Box::new(exchange));
            let pause = std::time::Duration::from_millis(u64::from(2_100 + context.random.below(1_900)));
            context.effects.push(Effect::Arm { timer: Timer::Pace, at: context.now.tick.after(pause) });
            return Phase::Talk(self);
        }
        if status >= 300 {
            core.media_withdrawn(context);
            return self.end(core, &unmerged(), None, context);
        }
        let policy = std::sync::Arc::clone(&core.policy);
        core.leg_mut(stays).refresh(message, flow, &policy);
        core.acknowledge(stays, message.cseq().number, exchange.branch, Carried::Nothing, context);
        if core.misses_answer(message) || message.body().is_empty() {
            return self.end(core, &amiss(true), None, context);
        }
        let crossed = match core.cross_renewal(stays, message, context) {
            Ok(crossed) => crossed,
            Err(ending) => return self.end(core, &ending, None, context),
        };
        core.media_settled(context);
        core.agree();
        core.session_heard(stays, message, context);
        core.keep_sdp(side, crossed.as_ref().unwrap_or(message));
        core.keep_sdp(stays, &exchange.pending.message);
        self.joined(core, side, context);
        Phase::Talk(self)
    }

    /// It goes again, after a pause.
    pub(super) fn merge_again(&mut self, core: &mut Core, context: &mut Context<'_>) {
        if let Some(exchange) = self.exchange.take_if(|exchange| exchange.pending.server == ServerId::NOBODY)
        {
            self.ask_merged(core, exchange.from, exchange.pending.message, context);
        }
    }

    /// Whether anything is under way that a leg could not leave.
    pub(super) fn is_busy(&self, core: &Core) -> bool {
        self.is_inviting(core)
            || self.carried.is_some()
            || [Method::Update, Method::Refer].iter().any(|method| self.relays.has_any(method))
            || core.is_refreshing()
    }
}

/// The end of a call whose two sides found no words for each other.
fn unmerged() -> Ending {
    Ending { reason: reason_text(REFUSED), ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, REFUSED) }
}
