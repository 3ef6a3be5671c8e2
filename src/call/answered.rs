//! The 2xx to our INVITE: from here on both dialogs are up.
//!
//! Owns the step from Setup to Talk. Refuses to know targets. Read first: RFC 3261 §13.2.2.4, §13.3.1.4; RFC 3262 §3, §5.

use super::anchored::Described;
use super::answer::{Answer, Body, Pending};
use super::core::Core;
use super::leg::{Carried, Status};
use super::offer::Offer;
use super::provisional::{Held, TIMERS};
use super::setup::{Setup, note_status};
use super::talk::Talk;
use super::{Branch, Context, Effect, Phase, Side};
use crate::sip::{Flow, Message};

impl Setup {
    /// A 2xx: it crosses at once, or after a PRACK that the caller owes (RFC 3262 §3). In a dialog that was ended it is
    /// ended once more.
    pub(super) fn accepted(
        mut self: Box<Self>,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let tag = message.to_tag().unwrap_or_default();
        if core.is_stray(branch, tag) {
            core.end_stray(branch, message, flow, context);
            return Phase::Setup(self);
        }
        if let Some(held) = &self.held {
            if held.message.to_tag() != message.to_tag() {
                core.end_stray(branch, message, flow, context);
            }
            return Phase::Setup(self);
        }
        if self.forks.turn_to_callee(core, tag) && self.forks.reliable.holds_answer() {
            self.held = Some(Held { branch, flow: *flow, message: message.clone() });
            return Phase::Setup(self);
        }
        self.answered(core, branch, flow, message, context)
    }

    /// Both dialogs are up.
    pub(super) fn answered(
        mut self: Box<Self>,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        note_status(core, message.status());
        self.note(core, true, context);
        self.forks.settle(core, message, context);
        self.relays.lose(core, context);
        let readable = core.established(message, flow).is_ok();
        core.b.status = Status::Up;
        // The offer is out, or was made in a provisional response; else this 2xx holds it.
        let described = core.b.offer != Offer::None;
        if described {
            core.acknowledge(Side::B, message.cseq().number, branch, Carried::Nothing, context);
        } else if readable {
            // RFC 3264 §4, RFC 3261 §13.2.1: the 2xx holds the offer, the caller's ACK will hold the answer.
            core.await_answer(Side::B, branch, message, context);
        } else {
            core.acknowledge_late(Side::B, branch, message, context);
        }
        if let Some(ending) = self.amiss(core, message, readable, context) {
            return self.untaken(core, (branch, flow, message), &ending, context);
        }
        let crossed = match core.cross_final(message, context) {
            Ok(crossed) => crossed,
            Err(ending) => return self.untaken(core, (branch, flow, message), &ending, context),
        };
        let message = crossed.as_ref().unwrap_or(message);
        if core.joining.is_some() {
            return self.answered_for_another(core, message, context);
        }
        let offered = self.described();
        let Self { forks, relays, .. } = *self;
        // RFC 3262 §5, RFC 3261 §13.2.1: an answer that came before need not stand in the 2xx, or does not; this caller has not
        // had it reliably, so here it does.
        let before = forks.reliable.answer.as_ref().filter(|_| message.body().is_empty());
        let body = before.map_or(Body::Carried, Body::Of);
        let answer = Answer { carried: Some(message), body, ..Answer::bare(200) };
        let Some(Pending { server, message: invite, source }) = core.invite.take().map(|pending| *pending)
        else {
            return Phase::Over;
        };
        let bytes = core.answer(Side::A, server, &invite, source, &answer, context);
        core.a.status = Status::Up;
        core.story.answered = Some(core.moment(context.now.tick));
        core.answered_at = context.now.tick;
        core.accept(Side::A, server, &invite, bytes, context);
        core.session_heard(Side::B, message, context);
        core.keep_first(before.unwrap_or(message), &invite, offered);
        if described || message.body().is_empty() {
            core.agree();
        } else {
            (core.a.offer, core.b.offer) = (Offer::Sent, Offer::Received);
        }
        for timer in TIMERS {
            context.effects.push(Effect::Disarm(timer));
        }
        // The cap runs from the answer and nothing resets it.
        core.arm_review(context.now.tick.after(core.duration_max), context);
        Phase::Talk(Talk::after(relays, forks.reliable.into_sent(), context))
    }
}

impl Core {
    /// Keeps the descriptions that both legs' peers have heard in the end.
    pub fn keep_first(&mut self, answer: &Message, invite: &Message, offered: Option<Described>) {
        // What was said since in PRACK or UPDATE stands.
        if self.a.offer != Offer::Agreed {
            self.keep_sdp(Side::A, answer);
        }
        if self.b.sdp.is_none() {
            match offered {
                Some(offered) => self.b.sdp = Some(offered.sdp[..].into()),
                None => self.keep_sdp(Side::B, invite),
            }
        }
    }
}
