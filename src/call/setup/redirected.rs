//! A target that sends the call on (3xx): refused, told to the caller, or called.
//!
//! Owns what follows from the policy's word on the number. Refuses to know how that is read and judged (the gate).
//! Read first: RFC 3261 §8.1.3.4, §21.3; attack row C2.

use std::sync::Arc;

use super::Setup;
use crate::call::answer::Answer;
use crate::call::core::{Core, Ending};
use crate::call::record::{Disposition, EndedBy};
use crate::call::redirect::{Redirect, Redirected};
use crate::call::targets::Targets;
use crate::call::{Context, Effect, Phase, Timer};
use crate::policy::form::Written;
use crate::policy::peer::Onward;
use crate::policy::verdict::Step;
use crate::policy::{Refusal, code};
use crate::sip::{HeaderName, Message};

impl Setup {
    /// The target answers with other addresses.
    pub(super) fn redirected(
        self: Box<Self>,
        core: &mut Core,
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        // Its own place is free: it was called in vain.
        core.b.reservations.clear();
        let mode = core.b.peer.redirects;
        let judged = match self.objection(core, status) {
            Some(words) => {
                Err(Box::new(Refusal::new(code::REDIRECT_REFUSED, &core.a.peer.refusal, words.to_owned())))
            }
            None => judged(core, message, mode == Onward::Perform, context),
        };
        match (judged, mode) {
            (Err(refusal), _) => self.refuse(core, &refusal, Disposition::Refused, context),
            (Ok(redirected), Onward::Perform) => self.call_instead(core, *redirected, context),
            (Ok(redirected), Onward::JudgeAndPass | Onward::Refuse) => {
                self.tell_caller(core, &redirected, context)
            }
        }
    }

    /// Why a redirect is not even read.
    fn objection(&self, core: &Core, status: u16) -> Option<&'static str> {
        let moved = matches!(status, 300..=302);
        match core.b.peer.redirects {
            Onward::Refuse => {
                Some("the far side answered with another address; redirects are not followed (`redirects`)")
            }
            Onward::JudgeAndPass | Onward::Perform if core.story.emergency => {
                Some("the far side answered an emergency call with another address")
            }
            Onward::JudgeAndPass | Onward::Perform if self.sent_on => {
                Some("the far side answered with another address, and the call was sent on once already")
            }
            // RFC 3261 §21.3.4, §21.3.5: 305 names a proxy and 380 another service, neither of them a number.
            Onward::JudgeAndPass | Onward::Perform if !moved => {
                Some("the far side answered with a proxy or another service, which is no number to call")
            }
            Onward::JudgeAndPass | Onward::Perform => None,
        }
    }

    /// The number is called in the place of whom the caller dialled; the caller hears of it as of any other target.
    fn call_instead(
        mut self: Box<Self>,
        core: &mut Core,
        redirected: Redirected,
        context: &mut Context<'_>,
    ) -> Phase {
        let Redirected { called, named, emergency, direction, mut candidates, reservation, .. } = redirected;
        let before = std::mem::replace(&mut core.story.to, called);
        core.story.caller.forwarder = Some(before.clone());
        core.story.caller.dialled = Some(before);
        core.story.caller.shown = redirected.shown;
        core.story.named = named;
        core.story.emergency = emergency;
        core.story.direction = direction;
        let asked = redirected.trail.into_iter();
        let trail: Vec<Step> = std::mem::take(&mut core.story.trail).into_iter().chain(asked).collect();
        core.story.trail = trail.into_boxed_slice();
        core.duration_max =
            if emergency { redirected.duration_max } else { core.duration_max.min(redirected.duration_max) };
        // It goes back with the caller's leg, which every end of the call ends.
        core.a.reservations.extend(reservation);
        context.gate.prefer(context.now, &mut candidates);
        core.begin_keep_alive(&candidates, context);
        context.effects.push(Effect::Disarm(Timer::Ring));
        self.targets = Targets::new(candidates);
        self.sent_on = true;
        self.next_target(core, context)
    }

    /// The caller is told the number, at this edge: whoever calls it is judged again.
    fn tell_caller(
        self: Box<Self>,
        core: &mut Core,
        redirected: &Redirected,
        context: &mut Context<'_>,
    ) -> Phase {
        let host = core.policy.listener(core.a.hop.listener).map_or("", |here| here.advertised.sent_by());
        let called = Written::literal(&redirected.called);
        let contact = redirected.address(called, host, core.a.hop.transport);
        let adds = [(HeaderName::Contact, &contact[..])];
        core.answer_invite(&Answer { adds: &adds, ..Answer::bare(302) }, context);
        core.invite = None;
        core.a.close();
        let ending = Ending::new(EndedBy::Callee, Disposition::Failed, 302, "sent on to another number");
        self.end(core, &ending, None, context)
    }
}

/// What the policy says of where the call is sent on to.
fn judged(
    core: &Core,
    answer: &Message,
    performs: bool,
    context: &mut Context<'_>,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let presets = &core.a.peer.refusal;
    let Some(pending) = core.invite.as_deref() else {
        let words = "the caller has gone".to_owned();
        return Err(Box::new(Refusal::new(code::REDIRECT_REFUSED, presets, words)));
    };
    let (by, from) = (Arc::clone(&core.b.peer), Arc::clone(&core.a.peer));
    let asked = Redirect {
        by: &by,
        source: core.b.hop.remote,
        transport: core.b.hop.transport,
        answer,
        from: &from,
        user: core.story.caller.credential.as_deref(),
        came_over: core.a.hop.transport,
        invite: &pending.message,
        caller: &core.story.from,
        hidden: core.story.hidden,
        shows: core.story.caller.shown.shows,
        called: &core.story.to,
        performs,
    };
    let draw = context.random.bits();
    context.gate.redirected(context.now, &asked, draw)
}
