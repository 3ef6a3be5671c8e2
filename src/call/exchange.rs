//! A re-INVITE on its way from one leg to the other, for one that came or for an UPDATE, and its answer back.
//!
//! Owns when one may go, how long it may take, and what becomes of one that changes nothing. Refuses to know what is in
//! an offer. Read first: RFC 3261 §14; RFC 3311 §5.2; RFC 3264 §8; RFC 4028 §7.4.

use std::sync::Arc;

use super::answer::{Answer, Body, Pending};
use super::core::{Core, Ending, RETRY_AFTER_BELOW};
use super::leg::{Carried, Leg, Status};
use super::meaning;
use super::offer::Offer;
use super::relay::{crossing_status, decline, not_sent, send};
use super::talk::Talk;
use super::{Branch, Context, Effect, Failure, Phase, ServerId, Side, Timer};
use crate::sip::{Flow, HeaderName, Message, Method};

/// A re-INVITE on its way from one leg to the other.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Which leg asked.
    pub from: Side,
    pub pending: Pending,
    /// Where it came from.
    flow: Flow,
    /// Ours on the other leg.
    pub branch: Branch,
    /// Whether who asked was refused meanwhile: an UPDATE waits for no person.
    pub refused: bool,
    /// Whether it was cancelled: a challenge that crosses the CANCEL is not answered.
    pub cancelled: bool,
}

impl Exchange {
    /// One that has just gone out.
    pub const fn new(from: Side, pending: Pending, flow: Flow, branch: Branch) -> Self {
        Self { from, pending, flow, branch, refused: false, cancelled: false }
    }
}

impl Talk {
    /// A re-INVITE crosses, unless it changes nothing or one is under way (RFC 3261 §14.2).
    pub(super) fn invite(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let other = side.other();
        let own_pending = self.exchange.as_ref().is_some_and(|exchange| exchange.from == side);
        if own_pending || core.leg(side).unacked.is_some() || core.leg(side).offer == Offer::Received {
            // RFC 3261 §14.2: a second INVITE before the first is done, 500 and a random pause; RFC 6337 §3: the same
            // for an offer in an UPDATE.
            decline(core, (side, server), flow, message, (500, true), context);
            return Phase::Talk(self);
        }
        if let Some(status) = core.session_refuses(side, message) {
            decline(core, (side, server), flow, message, (status, false), context);
            return Phase::Talk(self);
        }
        if core.repeats(side, message) {
            answer_alone(core, (side, server), flow, message, context);
            return Phase::Talk(self);
        }
        // RFC 3261 §14.2: our own INVITE is under way on this dialog, or cannot be sent on the other yet.
        let busy = self.is_inviting(core) || !core.open_refreshes().is_empty();
        // Or one leg of a call that is transferred has gone, is to go, or is to come.
        let busy = busy || self.hands_over() || core.leg(other).status != Status::Up;
        if busy || core.leg(side).offer == Offer::Sent || core.leg(other).offer == Offer::Sent {
            decline(core, (side, server), flow, message, (491, false), context);
            return Phase::Talk(self);
        }
        self.exchange(core, (side, server), flow, message, context);
        Phase::Talk(self)
    }

    /// A re-INVITE goes out on the other leg, for one that came or for an UPDATE.
    pub(super) fn exchange(
        &mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        let crossed = match core.cross_offer(side, message, context) {
            Ok(crossed) => crossed,
            Err(cause) => return core.decline_offer_of((side, server), flow, message, cause, context),
        };
        let message = crossed.as_ref().unwrap_or(message);
        let branch = send(core, side.other(), &Method::Invite, message, &[], context);
        if !message.body().is_empty() {
            core.leg_mut(side).offer = Offer::Received;
            core.leg_mut(side.other()).offer = Offer::Sent;
        }
        let pending = Pending { server, message: message.clone(), source: flow.remote };
        self.exchange = Some(Box::new(Exchange::new(side, pending, *flow, branch)));
        // Heard and never answered it would hold off every other; a person may be asked about it. Who sent an UPDATE
        // waits for 64*T1 and no longer, from its first copy on, and then the answer may need copies too.
        let patience = core.leg(side.other()).peer.ring_max;
        let patience = match message.method() {
            Method::Update => patience.min(context.settings.timing.give_up() / 2),
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Info
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => patience,
        };
        context.effects.push(Effect::Arm { timer: Timer::Ring, at: context.now.tick.after(patience) });
    }

    /// Whether an INVITE is under way on either leg, or its ACK.
    pub(super) fn is_inviting(&self, core: &Core) -> bool {
        let open = |leg: &Leg| leg.unacked.is_some() || leg.awaiting_ack.is_some();
        self.exchange.is_some() || open(&core.a) || open(&core.b)
    }

    /// A re-INVITE is cancelled: the CANCEL crosses, and whatever the other leg then answers crosses back.
    pub(super) fn cancelled(&mut self, server: ServerId, message: &Message, context: &mut Context<'_>) {
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.pending.server == server)
        else {
            return;
        };
        exchange.cancelled = true;
        let reason = message.values(HeaderName::Reason).next().and_then(meaning::reason).unwrap_or_default();
        let (branch, side) = (exchange.branch, exchange.from.other());
        context.effects.push(Effect::Cancel { branch, side, reason: bytes::Bytes::from(reason) });
    }

    /// RFC 3261 §9.1: a re-INVITE that was heard and never answered; its refusal crosses, or silence ends the call.
    pub(super) fn give_up_exchange(&mut self, core: &mut Core, context: &mut Context<'_>) {
        let Some(exchange) = self.exchange.as_deref_mut() else { return };
        exchange.cancelled = true;
        let (branch, side, reason) = (exchange.branch, exchange.from.other(), bytes::Bytes::new());
        context.effects.push(Effect::Cancel { branch, side, reason });
        if *exchange.pending.message.method() == Method::Update && !exchange.refused {
            // RFC 3311 §5.2 knows 504 for it, which a PBX takes for the trunk's fault; 500 with Retry-After has it ask again.
            exchange.refused = true;
            let pause = context.random.below(RETRY_AFTER_BELOW);
            let Pending { server, message, source } = &exchange.pending;
            let answer = Answer { retry_after: Some(pause), ..Answer::bare(500) };
            core.answer(exchange.from, *server, message, *source, &answer, context);
            core.leg_mut(exchange.from).offer = Offer::Agreed;
        }
    }

    /// The final answer to a re-INVITE crosses back.
    pub(super) fn exchanged(
        mut self,
        core: &mut Core,
        exchange: Exchange,
        status: u16,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        if exchange.pending.server == ServerId::NOBODY {
            return self.merge_answered(core, exchange, flow, message, context);
        }
        if exchange.refused {
            return self.exchanged_too_late(core, &exchange, status, flow, message, context);
        }
        let Exchange { from, pending, flow: came_by, branch, refused, cancelled } = exchange;
        let other = from.other();
        if status == 422 && core.leg_mut(other).timer.raise(message) {
            // RFC 4028 §7.4: the interval is this leg's own affair; the re-INVITE goes again with a longer one.
            let branch = send(core, other, &Method::Invite, &pending.message, &[], context);
            let again = Exchange { from, pending, flow: came_by, branch, refused, cancelled };
            self.exchange = Some(Box::new(again));
            return Phase::Talk(self);
        }
        if core.misses_answer(message) {
            return self.exchange_misses(core, (from, &pending), (branch, flow), message, context);
        }
        let crossed = match core.exchange_crosses((from, &pending), status, message, context) {
            Ok(crossed) => crossed,
            Err(ending) => {
                let answer = Answer::bare(ending.status);
                core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
                let policy = Arc::clone(&core.policy);
                core.leg_mut(other).refresh(message, flow, &policy);
                core.acknowledge_late(other, branch, message, context);
                return self.end(core, &ending, None, context);
            }
        };
        let (came, message) = (message, crossed.as_ref().unwrap_or(message));
        let crosses = crossing_status(status);
        let answer = Answer { carried: Some(message), ..Answer::bare(crosses) };
        let bytes = core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        if !pending.message.body().is_empty() {
            core.agree();
        }
        if status < 300 {
            let policy = Arc::clone(&core.policy);
            core.leg_mut(other).refresh(came, flow, &policy);
            // RFC 3261 §12.2: the remote target of who asked changes now, and would not by a refusal.
            core.leg_mut(from).refresh(&pending.message, &came_by, &policy);
            if pending.message.body().is_empty() {
                core.await_answer(other, branch, came, context);
                core.leg_mut(other).offer = Offer::Received;
                core.leg_mut(from).offer = Offer::Sent;
            } else {
                core.acknowledge(other, message.cseq().number, branch, Carried::Nothing, context);
            }
            core.session_heard(other, message, context);
            core.keep_sdp(from, message);
            core.keep_sdp(other, &pending.message);
            if *pending.message.method() == Method::Update {
                core.session_answered(from, &pending.message, context);
                return Phase::Talk(self);
            }
            core.accept(from, pending.server, &pending.message, bytes, context);
            return Phase::Talk(self);
        }
        self.after_refusal(core, other, status, context)
    }

    /// The final answer after who asked was refused. Where the other leg took the offer all the same, it is offered what
    /// stood before.
    fn exchanged_too_late(
        self,
        core: &mut Core,
        exchange: &Exchange,
        status: u16,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let other = exchange.from.other();
        core.agree();
        // Whoever asked was told that nothing has changed.
        core.media_withdrawn(context);
        if status >= 300 {
            return self.after_refusal(core, other, status, context);
        }
        let policy = Arc::clone(&core.policy);
        core.leg_mut(other).refresh(message, flow, &policy);
        core.acknowledge(other, message.cseq().number, exchange.branch, Carried::Nothing, context);
        core.session_heard(other, message, context);
        self.restore(core, other, context);
        Phase::Talk(self)
    }

    /// Nobody answered it.
    pub(super) fn exchange_failed(
        self,
        core: &mut Core,
        exchange: Exchange,
        failure: Failure,
        context: &mut Context<'_>,
    ) -> Phase {
        let Exchange { from, pending, refused, .. } = exchange;
        core.agree();
        core.media_withdrawn(context);
        let merges = pending.server == ServerId::NOBODY;
        if matches!(failure, Failure::Full | Failure::Oversize) && !merges {
            // The peer never heard of it, so the call stands as it did.
            if !refused {
                not_sent(core, from, &pending, failure, context);
            }
            return Phase::Talk(self);
        }
        if !refused {
            let answer = Answer::bare(crossing_status(408));
            core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        }
        self.after_refusal(core, from.other(), 408, context)
    }
}

/// A re-INVITE that offers what stands is answered on its leg alone, with what stands there. RFC 3261 §14.2 would have it
/// answered 491 where an INVITE of ours is under way on this leg; but nothing is changed, the peer answers ours 491 by
/// itself, and one that refreshes and does not ask again (PJSUA) would lose its session.
fn answer_alone(
    core: &mut Core,
    (side, server): (Side, ServerId),
    flow: &Flow,
    message: &Message,
    context: &mut Context<'_>,
) {
    core.say_again(side, context);
    let body = core.leg(side).sdp.as_deref().map_or(Body::Left, Body::Ours);
    let answer = Answer { body, ..Answer::bare(200) };
    let bytes = core.answer(side, server, message, flow.remote, &answer, context);
    let policy = Arc::clone(&core.policy);
    let leg = core.leg_mut(side);
    leg.refresh(message, flow, &policy);
    leg.refreshing.told();
    core.accept(side, server, message, bytes, context);
}

impl Core {
    /// What crosses of the final answer to a re-INVITE; `None` as it came.
    fn exchange_crosses(
        &mut self,
        (from, pending): (Side, &Pending),
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Ending> {
        match (pending.message.body().is_empty(), status < 300) {
            (false, true) => self.cross_renewal(from.other(), message, context),
            // RFC 3261 §13.2.1: no offer was made, so this is one.
            (true, true) => self.cross_late(from.other(), message, context),
            (false, false) => {
                self.media_withdrawn(context);
                Ok(None)
            }
            (true, false) => Ok(None),
        }
    }
}
