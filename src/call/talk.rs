//! Talk: both dialogs are up. Re-INVITEs and INFOs cross, BYE from either side ends it.
//!
//! Owns what is under way between the legs. Read first: RFC 3261 §12.2, §14, §15; RFC 3264 §4; RFC 6086.

use std::net::SocketAddr;
use std::sync::Arc;

use super::answer::{Answer, Pending};
use super::core::{Core, Ending, RETRY_AFTER_BELOW};
use super::hangup::{self, Unanswered};
use super::leg::{Carried, Outgoing, text};
use super::record::{Disposition, EndedBy};
use super::{Branch, Context, Effect, Event, Failure, Phase, ServerId, Side, Timer};
use crate::policy::{Live, Review, code, review};
use crate::sip::{Flow, HeaderName, Message, Method};

/// A re-INVITE on its way from one leg to the other.
#[derive(Debug)]
struct Exchange {
    /// Which leg asked.
    from: Side,
    pending: Pending,
    /// Ours on the other leg.
    branch: Branch,
}

/// An INFO on its way.
#[derive(Debug)]
struct Relay {
    from: Side,
    pending: Pending,
    branch: Branch,
}

/// The phase.
#[derive(Debug, Default)]
pub(super) struct Talk {
    exchange: Option<Box<Exchange>>,
    relays: Vec<Relay>,
}

impl Talk {
    /// One event of this phase.
    pub fn on(mut self, core: &mut Core, event: Event<'_>, context: &mut Context<'_>) -> Phase {
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
                    // The late offer's answer crosses in the ACK.
                    let (cseq, branch) = (offered.cseq, offered.branch);
                    core.acknowledge(side.other(), cseq, branch, Carried::Of(message), context);
                }
                Phase::Talk(self)
            }
            Event::Cancel { server, message } => {
                self.cancelled(server, message, context);
                Phase::Talk(self)
            }
            Event::Response { branch, flow, message } => self.response(core, branch, &flow, message, context),
            Event::Failed { branch, failure } => self.failed(core, branch, failure, context),
            Event::Gone { branch } => {
                core.forget_ack(branch);
                Phase::Talk(self)
            }
            Event::Timer(timer) => self.timer(core, timer, context),
            Event::End(cause) => {
                let ending = Ending {
                    reason: reason_text(cause.why()),
                    ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, cause.why())
                };
                self.end(core, &ending, None, context)
            }
        }
    }

    pub(super) fn end(
        self,
        core: &mut Core,
        ending: &Ending,
        told: Option<&Message>,
        context: &mut Context<'_>,
    ) -> Phase {
        let mut unanswered = Unanswered { open_invites: core.open_refreshes(), ..Unanswered::default() };
        if let Some(exchange) = self.exchange {
            unanswered.open_invites.push((exchange.from.other(), exchange.branch));
            unanswered.others.push((exchange.from, exchange.pending));
        }
        unanswered.others.extend(self.relays.into_iter().map(|relay| (relay.from, relay.pending)));
        hangup::begin(core, unanswered, ending, told, context)
    }

    fn request(
        self,
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
            Method::Info if core.leg(side).peer.methods.info && core.leg(side.other()).peer.methods.info => {
                return self.info(core, (side, server), source, message, context);
            }
            Method::Options => 200,
            // RFC 3262 §3: it acknowledges nothing we sent.
            Method::Prack => 481,
            Method::Refer => {
                core.alert(
                    code::TRANSFER_REFUSED,
                    "a transfer (REFER) was asked for and is not allowed",
                    Some(403),
                    context,
                );
                core.leg(side).peer.refusal.status(crate::policy::RefusalClass::Blocked).unwrap_or(403)
            }
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Update
            | Method::Info
            | Method::Message
            | Method::Subscribe
            | Method::Notify
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
        let by = match side {
            Side::A => EndedBy::Caller,
            Side::B => EndedBy::Callee,
        };
        let ending = Ending::new(by, Disposition::Answered, 200, "BYE");
        self.end(core, &ending, Some(message), context)
    }

    /// A re-INVITE crosses unless one is under way (RFC 3261 §14.2).
    fn invite(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let other = side.other();
        let own_pending = self.exchange.as_ref().is_some_and(|exchange| exchange.from == side);
        if own_pending || core.leg(side).unacked.is_some() {
            // RFC 3261 §14.2: a second INVITE before the first is done, 500 and a random pause.
            let pause = context.random.below(RETRY_AFTER_BELOW);
            let answer = Answer { retry_after: Some(pause), ..Answer::bare(500) };
            core.answer(side, server, message, flow.remote, &answer, context);
            return Phase::Talk(self);
        }
        if let Some(status) = core.session_refuses(side, message) {
            core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
            return Phase::Talk(self);
        }
        if self.is_inviting(core) || !core.open_refreshes().is_empty() {
            // RFC 3261 §14.2: our own INVITE is under way on this dialog, or cannot be sent on the other yet.
            core.answer(side, server, message, flow.remote, &Answer::bare(491), context);
            return Phase::Talk(self);
        }
        let branch = self.send(core, other, &Method::Invite, message, context);
        let pending = Pending { server, message: message.clone(), source: flow.remote };
        let policy = Arc::clone(&core.policy);
        core.leg_mut(side).refresh(message, flow, &policy);
        self.exchange = Some(Box::new(Exchange { from: side, pending, branch }));
        Phase::Talk(self)
    }

    /// Whether an INVITE is under way on either leg, or its ACK.
    pub(super) fn is_inviting(&self, core: &Core) -> bool {
        let open = |side| core.leg(side).unacked.is_some() || core.leg(side).awaiting_ack.is_some();
        self.exchange.is_some() || open(Side::A) || open(Side::B)
    }

    fn info(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        source: SocketAddr,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        if self.relays.len() >= context.settings.relays_max {
            let pause = context.random.below(RETRY_AFTER_BELOW);
            let answer = Answer { retry_after: Some(pause), ..Answer::bare(500) };
            core.answer(side, server, message, source, &answer, context);
            return Phase::Talk(self);
        }
        let branch = self.send(core, side.other(), &Method::Info, message, context);
        let pending = Pending { server, message: message.clone(), source };
        self.relays.push(Relay { from: side, pending, branch });
        Phase::Talk(self)
    }

    /// Sends a request on a leg with what crosses of `message`.
    fn send(
        &self,
        core: &mut Core,
        side: Side,
        method: &Method,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Branch {
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&core.policy);
        let leg = core.leg_mut(side);
        let cseq = leg.next_cseq();
        if *method == Method::Invite {
            leg.late_offer = message.body().is_empty();
        }
        let outgoing = Outgoing { method, branch, cseq, carried: Carried::Of(message), reason: b"" };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        context.effects.push(Effect::Request { branch, side, invite: *method == Method::Invite, hop, bytes });
        branch
    }

    /// A re-INVITE is cancelled: the CANCEL crosses, and whatever the other leg then answers crosses back.
    fn cancelled(&mut self, server: ServerId, message: &Message, context: &mut Context<'_>) {
        let Some(exchange) = self.exchange.as_ref().filter(|exchange| exchange.pending.server == server)
        else {
            return;
        };
        let reason = message.header(HeaderName::Reason).map_or(&b""[..], |reason| text(reason).bytes());
        context.effects.push(Effect::Cancel {
            branch: exchange.branch,
            side: exchange.from.other(),
            reason: bytes::Bytes::copy_from_slice(reason),
        });
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
        if let Some(at) = self.relays.iter().position(|relay| relay.branch == branch) {
            let relay = self.relays.swap_remove(at);
            return self.relayed(core, relay, status, message, context);
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

    /// The final answer to a re-INVITE crosses back.
    fn exchanged(
        mut self,
        core: &mut Core,
        exchange: Exchange,
        status: u16,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let Exchange { from, pending, branch } = exchange;
        let other = from.other();
        if status == 422 && core.leg_mut(other).timer.raise(message) {
            // RFC 4028 §7.4: the interval is this leg's own affair; the re-INVITE goes again with a longer one.
            let branch = self.send(core, other, &Method::Invite, &pending.message, context);
            self.exchange = Some(Box::new(Exchange { from, pending, branch }));
            return Phase::Talk(self);
        }
        let answer = Answer { carried: Some(message), ..Answer::bare(crossing_status(status)) };
        let bytes = core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        if status < 300 {
            let policy = Arc::clone(&core.policy);
            core.leg_mut(other).refresh(message, flow, &policy);
            if pending.message.body().is_empty() {
                core.await_answer(other, branch, message, context);
            } else {
                core.acknowledge(other, message.cseq().number, branch, Carried::Nothing, context);
            }
            core.accept(from, pending.server, &pending.message, bytes, context);
            core.session_heard(other, message, context);
            core.keep_sdp(from, message);
            core.keep_sdp(other, &pending.message);
            return Phase::Talk(self);
        }
        self.after_refusal(core, other, status, context)
    }

    /// RFC 3261 §12.2.1.2: 481 or 408 to a request in the dialog ends the dialog.
    fn after_refusal(self, core: &mut Core, side: Side, status: u16, context: &mut Context<'_>) -> Phase {
        if !matches!(status, 481 | 408) {
            return Phase::Talk(self);
        }
        let by = match side {
            Side::A => EndedBy::Caller,
            Side::B => EndedBy::Callee,
        };
        let why =
            if status == 481 { "the peer no longer knows the call" } else { "the peer does not answer" };
        let ending = Ending { reason: reason_text(why), ..Ending::new(by, Disposition::Answered, 200, why) };
        self.end(core, &ending, None, context)
    }

    fn relayed(
        self,
        core: &mut Core,
        relay: Relay,
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let Relay { from, pending, branch: _ } = relay;
        let answer = Answer { carried: Some(message), ..Answer::bare(crossing_status(status)) };
        core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        if status == 481 {
            self.after_refusal(core, from.other(), status, context)
        } else {
            Phase::Talk(self)
        }
    }

    fn failed(
        mut self,
        core: &mut Core,
        branch: Branch,
        failure: Failure,
        context: &mut Context<'_>,
    ) -> Phase {
        if self.exchange.as_ref().is_some_and(|exchange| exchange.branch == branch) {
            let Some(exchange) = self.exchange.take() else { return Phase::Talk(self) };
            let Exchange { from, pending, branch: _ } = *exchange;
            core.answer(from, pending.server, &pending.message, pending.source, &Answer::bare(408), context);
            return self.after_refusal(core, from.other(), 408, context);
        }
        if let Some(at) = self.relays.iter().position(|relay| relay.branch == branch) {
            let Relay { from, pending, branch: _ } = self.relays.swap_remove(at);
            // RFC 4320 §4.2: never 408 for a non-INVITE; when the time is over the transaction drops this anyway.
            let status = match failure {
                Failure::Timeout => 504,
                Failure::Transport | Failure::Unavailable => 500,
            };
            core.answer(
                from,
                pending.server,
                &pending.message,
                pending.source,
                &Answer::bare(status),
                context,
            );
        }
        if let Some((side, _)) = core.take_refresh(branch) {
            return self.leg_is_dead(core, side, "the peer does not answer", context);
        }
        core.abandoned_ends(branch);
        Phase::Talk(self)
    }

    fn timer(self, core: &mut Core, timer: Timer, context: &mut Context<'_>) -> Phase {
        match timer {
            Timer::Retransmit2xxA => core.repeat(Side::A, context),
            Timer::Retransmit2xxB => core.repeat(Side::B, context),
            Timer::AckA => return self.ack_missing(core, Side::A, context),
            Timer::AckB => return self.ack_missing(core, Side::B, context),
            Timer::Duration => return self.reviewed(core, context),
            Timer::SessionA => return self.session_due(core, Side::A, context),
            Timer::SessionB => return self.session_due(core, Side::B, context),
            Timer::Pace | Timer::Try | Timer::Progress | Timer::Ring | Timer::Linger => {}
        }
        Phase::Talk(self)
    }

    /// The policy's third stage: whether the call may go on.
    fn reviewed(self, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let live = Live { peer: core.a.peer.id, answered: core.answered_at, duration_max: core.duration_max };
        match review(&live, context.now.tick) {
            Review::GoesOn(at) => {
                context.effects.push(Effect::Arm { timer: Timer::Duration, at });
                Phase::Talk(self)
            }
            Review::End(code) => {
                let words =
                    "the call reached the longest time the policy allows and was ended (`max_duration`)";
                core.alert(code, words, None, context);
                let ending = Ending {
                    code: Some(code.number),
                    reason: reason_text("maximum duration reached"),
                    ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, code.name)
                };
                self.end(core, &ending, None, context)
            }
        }
    }

    /// RFC 3261 §13.3.1.4: no ACK within 64*T1, the session is ended with BYE.
    fn ack_missing(self, core: &mut Core, side: Side, context: &mut Context<'_>) -> Phase {
        context.effects.push(Effect::Disarm(side.retransmit()));
        core.leg_mut(side).unacked = None;
        core.alert(
            code::ACK_NOT_RECEIVED,
            "an answered call was never acknowledged (ACK); it was ended",
            None,
            context,
        );
        let by = EndedBy::Edge;
        let ending = Ending {
            code: Some(code::ACK_NOT_RECEIVED.number),
            reason: reason_text("no ACK"),
            ..Ending::new(by, Disposition::Answered, 200, code::ACK_NOT_RECEIVED.name)
        };
        self.end(core, &ending, None, context)
    }
}

/// A final status as it crosses within a dialog: a challenge or a redirect of one leg means nothing on the other.
const fn crossing_status(status: u16) -> u16 {
    match status {
        // A session interval is one leg's own affair.
        422 => 500,
        300..=399 | 401 | 407 => 403,
        _ => status,
    }
}

/// A Reason value (RFC 3326) of ours: Q.850 cause 31, normal, unspecified.
pub(super) fn reason_text(why: &str) -> bytes::Bytes {
    bytes::Bytes::from(format!("Q.850;cause=31;text=\"{why}\""))
}
