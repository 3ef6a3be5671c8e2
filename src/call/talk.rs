//! Talk: both dialogs are up. Re-INVITEs and INFOs cross, BYE from either side ends it.
//!
//! Owns what is under way between the legs. Read first: RFC 3261 §12.2, §14, §15; RFC 3264 §4; RFC 6086.

use std::net::SocketAddr;

use super::answer::Answer;
use super::content::amiss;
use super::core::{Core, Ending, reason_text};
use super::exchange::Exchange;
use super::hangup::{self, Unanswered};
use super::leg::{Carried, Offered, Status};
use super::notice::Subscription;
use super::provisional::{acknowledged, read_rack};
use super::record::Disposition;
use super::refer::is_quiet;
use super::relay::decline;
use super::reliable::Sent;
use super::update::{self, Course};
use super::{Branch, Context, Effect, Event, Failure, Phase, Relays, ServerId, Side, Timer};
use crate::sip::{Flow, Message, Method};

/// The phase.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) exchange: Option<Box<Exchange>>,
    pub(super) relays: Relays,
    /// A provisional response that the caller may still acknowledge.
    ringing: Option<Box<Sent>>,
    /// A transfer that the other side was told, which tells how it goes.
    pub(super) subscription: Option<Box<Subscription>>,
    /// A transfer that the edge carries out.
    pub(super) carried: Option<Box<super::transfer::Carried>>,
}

impl Talk {
    /// After the answer, with what was under way in the early dialog.
    pub fn after(relays: Relays, ringing: Option<Box<Sent>>, context: &mut Context<'_>) -> Self {
        if ringing.is_some() {
            // RFC 3262 §3: it is said no more, but its PRACK may come as long as the caller may repeat it.
            let at = context.now.tick.after(context.settings.timing.give_up());
            context.effects.push(Effect::Arm { timer: Timer::Reliable, at });
        }
        Self { exchange: None, relays, ringing, subscription: None, carried: None }
    }

    /// One event of this phase.
    pub fn on(self, core: &mut Core, event: Event<'_>, context: &mut Context<'_>) -> Phase {
        match self.step(core, event, context) {
            Phase::Talk(mut talk) => {
                talk.offer_leg(core, context);
                Phase::Talk(talk)
            }
            other @ (Phase::Setup(_) | Phase::Hangup(_) | Phase::Over) => other,
        }
    }

    fn step(mut self, core: &mut Core, event: Event<'_>, context: &mut Context<'_>) -> Phase {
        match event {
            Event::Request { side, server, peer, flow, message } => {
                let judged = core.judge(side, peer, message);
                match judged {
                    Ok(()) => self.request(core, (side, server), &flow, message, context),
                    Err(status) => {
                        core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
                        Phase::Talk(self)
                    }
                }
            }
            Event::Ack { side, peer, message } => {
                if core.acked(side, peer, message, context).is_some()
                    && let Some(offered) = core.leg_mut(side.other()).awaiting_ack.take()
                {
                    return self.late_answer(core, side, *offered, message, context);
                }
                Phase::Talk(self)
            }
            Event::Cancel { server, message } => {
                self.cancelled(server, message, context);
                Phase::Talk(self)
            }
            Event::Response { branch, flow, message, .. } => {
                self.response(core, branch, &flow, message, context)
            }
            Event::Failed { branch, failure } => self.failed(core, branch, failure, context),
            Event::Gone { branch } => {
                core.forget_ack(branch);
                Phase::Talk(self)
            }
            Event::Timer(timer) => self.timer(core, timer, context),
            Event::Placed(status) => self.placed(core, status, context),
            Event::Sought(sought) => self.sought(core, sought, context),
            Event::End(cause) => {
                let ending = Ending::ordered(core, cause, Disposition::Answered);
                self.end(core, &ending, None, context)
            }
        }
    }

    /// The late offer's answer crosses in the ACK.
    fn late_answer(
        self,
        core: &mut Core,
        side: Side,
        offered: Offered,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let Offered { cseq, branch, decline } = offered;
        core.agree();
        match core.cross_renewal(side, message, context) {
            Ok(crossed) => {
                let message = crossed.as_ref().unwrap_or(message);
                core.acknowledge(side.other(), cseq, branch, Carried::Of(message), context);
                Phase::Talk(self)
            }
            Err(ending) => {
                // RFC 3264 §5: an offer is answered, even if only to take nothing.
                core.acknowledge(side.other(), cseq, branch, Carried::Sdp(&decline), context);
                self.end(core, &ending, None, context)
            }
        }
    }

    /// A re-INVITE or a request that crosses goes again under another branch; false when it is none of them, or nobody
    /// waits for it any more.
    pub(super) fn renews(&mut self, old: Branch, new: Branch) -> bool {
        match self.exchange.as_mut().filter(|exchange| exchange.branch == old) {
            Some(exchange) if exchange.cancelled => false,
            Some(exchange) => {
                exchange.branch = new;
                true
            }
            None => self.relays.renews(old, new),
        }
    }

    pub(super) fn end(
        mut self,
        core: &mut Core,
        ending: &Ending,
        told: Option<&Message>,
        context: &mut Context<'_>,
    ) -> Phase {
        self.recall(core, context);
        let mut unanswered = Unanswered { open_invites: core.open_refreshes(), ..Unanswered::default() };
        if let Some(exchange) = self.exchange {
            unanswered.open_invites.push((exchange.from.other(), exchange.branch));
            if !exchange.refused {
                unanswered.others.push((exchange.from, exchange.pending));
            }
        }
        unanswered.others.extend(self.relays.into_pending());
        hangup::begin(core, unanswered, ending, told, context)
    }

    fn request(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let source = flow.remote;
        let status = match message.method() {
            Method::Bye => return self.bye(core, (side, server), source, message, context),
            Method::Invite => return self.invite(core, (side, server), flow, message, context),
            Method::Info | Method::Message if core.leg(side.other()).status != Status::Up => {
                // Nobody is there to hear it: one leg has gone, or is to come.
                decline(core, (side, server), flow, message, (500, true), context);
                return Phase::Talk(self);
            }
            Method::Info | Method::Message if core.carries(message.method()) => {
                self.relays.cross(core, (side, server), flow, message, &[], context);
                return Phase::Talk(self);
            }
            Method::Refer => return self.refer(core, (side, server), flow, message, context),
            Method::Notify => {
                self.notify(core, (side, server), flow, message, context);
                return Phase::Talk(self);
            }
            Method::Options => 200,
            Method::Prack => return self.prack(core, (side, server), flow, message, context),
            Method::Update => return self.update(core, (side, server), flow, message, context),
            // The rule about methods lets none of the rest in, but what only the other peer may not have.
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Info
            | Method::Message
            | Method::Subscribe
            | Method::Publish
            | Method::Other(_) => 405,
        };
        core.answer(side, server, message, source, &Answer::bare(status), context);
        Phase::Talk(self)
    }

    fn bye(
        self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        source: SocketAddr,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        core.answer(side, server, message, source, &Answer::bare(200), context);
        core.decline_offer(side, context);
        core.leg_mut(side).close();
        if self.is_left_by(side) {
            return self.left_by(core, side, context);
        }
        let ending = Ending::new(side.party(), Disposition::Answered, 200, "BYE");
        self.end(core, &ending, Some(message), context)
    }

    /// UPDATE (RFC 3311): it crosses as it is, or as a re-INVITE to a peer that does not take it.
    fn update(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        // RFC 3311 §5.2: an offer of ours is under way, in a re-INVITE that keeps a session alive; or the leg is about to go.
        if !message.body().is_empty() && (self.hands_over() || !core.open_refreshes().is_empty()) {
            decline(core, (side, server), flow, message, (491, false), context);
            return Phase::Talk(self);
        }
        let refused = core.session_refuses(side, message).or(self.is_inviting(core).then_some(491));
        match update::course(&self.relays, core, side, message, true) {
            Course::Reinvites if let Some(status) = refused => {
                decline(core, (side, server), flow, message, (status, false), context);
            }
            Course::Reinvites => self.exchange(core, (side, server), flow, message, context),
            course @ (Course::Crosses | Course::Alone | Course::Refused(..)) => {
                update::carry(&mut self.relays, core, (side, server), flow, message, course, context);
            }
        }
        Phase::Talk(self)
    }

    /// PRACK after the answer: of what rang before it (RFC 3262 §3), or of nothing.
    fn prack(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let rack = read_rack(message);
        let named = |sent: &mut Box<Sent>| side == Side::A && rack.is_ok_and(|rack| sent.is_named(&rack));
        match self.ringing.take_if(named) {
            Some(sent) => {
                context.effects.push(Effect::Disarm(Timer::Reliable));
                let acknowledged =
                    acknowledged(&mut self.relays, core, &sent, server, flow, message, context);
                if let Err(ending) = acknowledged {
                    return self.end(core, &ending, None, context);
                }
            }
            None => {
                let status = rack.err().unwrap_or(481);
                core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
            }
        }
        Phase::Talk(self)
    }

    fn response(
        mut self,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let status = message.status().unwrap_or(100);
        if status < 200 {
            // Provisional answers to re-INVITE and INFO say nothing that the other leg waits for.
            return Phase::Talk(self);
        }
        if self.exchange.as_ref().is_some_and(|exchange| exchange.branch == branch) {
            return match self.exchange.take() {
                Some(exchange) => self.exchanged(core, *exchange, status, flow, message, context),
                None => Phase::Talk(self),
            };
        }
        if self.relays.misses(core, branch, message, context) {
            return self.end(core, &amiss(true), None, context);
        }
        if let Some(mut relay) = self.relays.take(branch) {
            if relay.goes_again(core, status, message, context) {
                self.relays.put_back(relay);
                return Phase::Talk(self);
            }
            let (from, ends) = (relay.from, relay.ends_dialog(status));
            if relay.refers() && (status >= 300 || is_quiet(message)) {
                self.subscription = None;
            }
            if let Err(ending) = relay.answered(core, status, flow, message, context) {
                return self.end(core, &ending, None, context);
            }
            return if ends {
                self.after_refusal(core, from.other(), status, context)
            } else {
                Phase::Talk(self)
            };
        }
        if let Some((side, means)) = core.take_refresh(branch) {
            return self.refresh_answered(core, (side, means, branch), flow, message, context);
        }
        core.abandoned_ends(branch);
        let twohundred = status < 300 && *message.method() == Method::Invite;
        let waiting = [Side::A, Side::B].into_iter().any(|side| {
            let leg = core.leg(side);
            leg.awaiting_ack.as_ref().is_some_and(|offered| offered.branch == branch)
                && message.to_tag().unwrap_or_default() == &*leg.remote_tag
        });
        if twohundred && !waiting && !core.repeat_ack(branch, message, context) && !core.is_of_a_leg(message)
        {
            // A second 2xx from another branch of a fork behind the trunk.
            core.end_stray(branch, message, flow, context);
        }
        Phase::Talk(self)
    }

    /// RFC 3261 §12.2.1.2: 481 or 408 to a request in the dialog ends the dialog.
    pub(super) fn after_refusal(
        self,
        core: &mut Core,
        side: Side,
        status: u16,
        context: &mut Context<'_>,
    ) -> Phase {
        if !matches!(status, 481 | 408) {
            return Phase::Talk(self);
        }
        let by = side.party();
        let why =
            if status == 481 { "the peer no longer knows the call" } else { "the peer does not answer" };
        let ending = Ending { reason: reason_text(why), ..Ending::new(by, Disposition::Answered, 200, why) };
        self.end(core, &ending, None, context)
    }

    fn failed(
        mut self,
        core: &mut Core,
        branch: Branch,
        failure: Failure,
        context: &mut Context<'_>,
    ) -> Phase {
        if self.exchange.as_ref().is_some_and(|exchange| exchange.branch == branch) {
            return match self.exchange.take() {
                Some(exchange) => self.exchange_failed(core, *exchange, failure, context),
                None => Phase::Talk(self),
            };
        }
        if let Some(relay) = self.relays.take(branch) {
            // RFC 3261 §12.2.1.2: silence to UPDATE ends the dialog, as a 408 does.
            if relay.refers() {
                self.subscription = None;
            }
            let (from, ends) = (relay.from, failure == Failure::Timeout && relay.ends_dialog(408));
            relay.failed(core, failure, context);
            if ends {
                return self.after_refusal(core, from.other(), 408, context);
            }
        }
        if let Some(side) = core.refresh_failed(branch, failure, context) {
            return self.leg_is_dead(core, side, "the peer does not answer", context);
        }
        core.abandoned_ends(branch);
        Phase::Talk(self)
    }

    fn timer(mut self, core: &mut Core, timer: Timer, context: &mut Context<'_>) -> Phase {
        match timer {
            Timer::Retransmit2xxA => core.repeat(Side::A, context),
            Timer::Retransmit2xxB => core.repeat(Side::B, context),
            Timer::AckA => return self.ack_missing(core, Side::A, context),
            Timer::AckB => return self.ack_missing(core, Side::B, context),
            Timer::Duration => return self.reviewed(core, context),
            Timer::SessionA => return self.session_due(core, Side::A, context),
            Timer::SessionB => return self.session_due(core, Side::B, context),
            Timer::Reliable => self.ringing = None,
            Timer::Ring => self.give_up_exchange(core, context),
            Timer::Pace => self.merge_again(core, context),
            Timer::KeepAlive | Timer::Try | Timer::Progress | Timer::Parting | Timer::Linger => {}
        }
        Phase::Talk(self)
    }
}
