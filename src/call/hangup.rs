//! Hangup: the call is over for people; what is left is to end both dialogs properly.
//!
//! Owns the last phase. Read first: RFC 3261 §9.1, §13.3.1.4, §15.

use super::answer::{Answer, Pending};
use super::core::{Core, Ending, reason_text};
use super::leg::Status;
use super::record::{Disposition, EndedBy};
use super::talk::Talk;
use super::{Branch, Context, Effect, EndCause, Event, Phase, Side, Timer};
use crate::policy::{PeerSide, code};
use crate::sip::{Flow, Message, Method};

/// Deadlines that mean nothing any more once the call ends.
const SETUP_AND_TALK: [Timer; 9] = [
    Timer::KeepAlive,
    Timer::Pace,
    Timer::Try,
    Timer::Progress,
    Timer::Ring,
    Timer::Reliable,
    Timer::Duration,
    Timer::SessionA,
    Timer::SessionB,
];

/// How long who asked for a transfer has to hang up by itself.
const PARTING: std::time::Duration = std::time::Duration::from_secs(4);

/// What may still come in this phase besides BYEs and their answers.
#[derive(Debug)]
pub(super) struct Hangup {
    /// Re-INVITEs of ours that were open when the call ended: a 2xx to one must still be acknowledged.
    pub open_invites: Vec<(Side, Branch)>,
}

/// Requests of the peers that wait for an answer when the call ends.
#[derive(Default)]
pub(super) struct Unanswered {
    /// A re-INVITE and INFOs, with the leg each came on.
    pub others: Vec<(Side, Pending)>,
    /// Re-INVITEs of ours without a final answer.
    pub open_invites: Vec<(Side, Branch)>,
}

impl Ending {
    /// How a call ends that is ended from outside: one that is up, or (`Failed`) one whose caller waits for its answer.
    pub(super) fn ordered(core: &Core, cause: EndCause, disposition: Disposition) -> Self {
        let refuses = cause.refuses().filter(|_| disposition == Disposition::Failed);
        let told = refuses.map(|code| {
            let refusal = core.policy.refusal(core.a.peer.id, code, cause.why().to_owned());
            Self::refused(&refusal, core.a.peer.side, disposition)
        });
        let status = if disposition == Disposition::Answered { 200 } else { cause.status() };
        let plain = || Self::new(EndedBy::Edge, disposition, status, cause.why());
        let ending = told.unwrap_or_else(plain);
        let reason = if ending.reason.is_empty() { reason_text(cause.why()) } else { ending.reason.clone() };
        Self { code: cause.code(), why: cause.why().to_owned(), reason, ..ending }
    }
}

/// Ends the call: answers what waits, says BYE or CANCEL, writes the record. `told` is the message that ended it,
/// whose Reason crosses.
pub(super) fn begin(
    core: &mut Core,
    unanswered: Unanswered,
    ending: &Ending,
    told: Option<&Message>,
    context: &mut Context<'_>,
) -> Phase {
    // Media stops when the call is ended, and not when its BYE is answered.
    core.media_closed(context);
    core.placed_in_vain(ending.status, context);
    if let Some(invite) = core.invite.take() {
        refuse_caller(core, &invite, ending, context);
    }
    for (side, pending) in &unanswered.others {
        // RFC 3261 §15.1.2: requests that wait when BYE comes are answered 487.
        core.answer(*side, pending.server, &pending.message, pending.source, &Answer::bare(487), context);
    }
    for (side, branch) in unanswered.open_invites.iter().copied() {
        context.effects.push(Effect::Cancel { branch, side, reason: ending.reason.clone() });
    }
    for side in [Side::A, Side::B] {
        match core.leg(side).status {
            Status::Up => core.say_bye(side, &ending.reason, told, context),
            Status::Calling(branch) => {
                let reason = cancel_reason(ending, told);
                context.effects.push(Effect::Cancel { branch, side, reason });
            }
            Status::Idle => core.leg_mut(side).close(),
            Status::Invited(_) | Status::Ending(_) | Status::Over => {}
        }
    }
    core.record(ending, context);
    for timer in SETUP_AND_TALK {
        context.effects.push(Effect::Disarm(timer));
    }
    // Twice 64*T1 covers the wait for an ACK and then for the answer to BYE; nothing outlives it.
    let linger = context.settings.timing.give_up().saturating_mul(2);
    context.effects.push(Effect::Arm { timer: Timer::Linger, at: context.now.tick.after(linger) });
    settle(core, Hangup { open_invites: unanswered.open_invites }, context)
}

/// Ends a call whose one leg has gone over to another: who asked for that may hang up by itself.
pub(super) fn part(core: &mut Core, ending: &Ending, context: &mut Context<'_>) -> Phase {
    core.media_closed(context);
    core.record(ending, context);
    for timer in SETUP_AND_TALK {
        context.effects.push(Effect::Disarm(timer));
    }
    let now = context.now.tick;
    let linger = PARTING.saturating_add(context.settings.timing.give_up().saturating_mul(2));
    context.effects.push(Effect::Arm { timer: Timer::Parting, at: now.after(PARTING) });
    context.effects.push(Effect::Arm { timer: Timer::Linger, at: now.after(linger) });
    settle(core, Hangup { open_invites: Vec::new() }, context)
}

fn refuse_caller(core: &mut Core, invite: &Pending, ending: &Ending, context: &mut Context<'_>) {
    // Only an inside peer is told why; a trunk would carry our policy to the attacker.
    let inside = core.a.peer.side == PeerSide::Inside;
    let answer = Answer {
        retry_after: ending.retry_after,
        reason: if inside { &ending.reason } else { b"" },
        warning: if inside { &ending.warning } else { b"" },
        ..Answer::bare(ending.status)
    };
    core.answer(Side::A, invite.server, &invite.message, invite.source, &answer, context);
    core.a.close();
}

/// The Reason of a CANCEL: the one that came, else our own.
fn cancel_reason(ending: &Ending, told: Option<&Message>) -> bytes::Bytes {
    let came = told.and_then(|message| message.values(crate::sip::HeaderName::Reason).next());
    match came.and_then(super::meaning::reason) {
        Some(reason) => bytes::Bytes::from(reason),
        None => ending.reason.clone(),
    }
}

/// Stays, or says that nothing is left.
fn settle(core: &Core, hangup: Hangup, context: &mut Context<'_>) -> Phase {
    let quiet = |side: Side| {
        let leg = core.leg(side);
        matches!(leg.status, Status::Over | Status::Idle) && leg.unacked.is_none()
    };
    if quiet(Side::A) && quiet(Side::B) && core.abandoned.is_empty() {
        finish(core, context);
        return Phase::Over;
    }
    Phase::Hangup(hangup)
}

/// Takes the dialogs out of the tables and the deadlines out of the wheel.
pub(super) fn finish(core: &Core, context: &mut Context<'_>) {
    for side in [Side::A, Side::B] {
        context.effects.push(Effect::Unbind { tag: core.leg(side).local_tag });
        context.effects.push(Effect::Disarm(side.retransmit()));
        context.effects.push(Effect::Disarm(side.ack()));
    }
    for timer in SETUP_AND_TALK {
        context.effects.push(Effect::Disarm(timer));
    }
    context.effects.push(Effect::Disarm(Timer::Linger));
    context.effects.push(Effect::Disarm(Timer::Parting));
    context.effects.push(Effect::Ended);
}

impl Hangup {
    /// One event of this phase.
    pub fn on(self, core: &mut Core, event: Event<'_>, context: &mut Context<'_>) -> Phase {
        match event {
            Event::Request { side, server, peer, flow, message } => {
                let status = self.request(core, side, peer, message);
                core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
            }
            Event::Ack { side, peer, message } => {
                if let Some(unacked) = core.acked(side, peer, message, context)
                    && let Some(reason) = unacked.bye
                {
                    core.say_bye(side, &reason, None, context);
                }
            }
            Event::Response { branch, flow, message, .. } => {
                self.response(core, branch, &flow, message, context)
            }
            Event::Failed { branch, failure: _ } => {
                // A BYE or CANCEL that nobody answers ends the leg all the same (RFC 3261 §15.1.1).
                let calling = core.b.status == Status::Calling(branch);
                core.abandoned_ends(branch);
                if let Some(side) = core.ending(branch) {
                    core.leg_mut(side).close();
                } else if calling {
                    core.b.close();
                }
            }
            Event::Gone { branch } => core.forget_ack(branch),
            Event::Timer(timer) => self.timer(core, timer, context),
            // Our final answer is out already; and what was placed is wanted no more.
            Event::Cancel { .. } | Event::Placed(_) | Event::Sought(_) => {}
            // Told again, since there is no time left: a BYE that waits for an ACK waits no longer.
            Event::End(_) => {
                Self::parted(core, context);
                give_up_ack(core, Side::A, context);
                give_up_ack(core, Side::B, context);
            }
        }
        settle(core, self, context)
    }

    /// The status for a request that comes when all is over.
    fn request(
        &self,
        core: &mut Core,
        side: Side,
        peer: Option<crate::policy::PeerId>,
        message: &Message,
    ) -> u16 {
        match core.judge(side, peer, message) {
            Ok(()) if *message.method() == Method::Bye => {
                // Both sides hung up at once: each gets its 200.
                core.leg_mut(side).close();
                200
            }
            Ok(()) => 481,
            Err(status) => status,
        }
    }

    fn response(
        &self,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        let status = message.status().unwrap_or(100);
        if status < 200 {
            return;
        }
        core.abandoned_ends(branch);
        if let Some(side) = core.ending(branch) {
            core.leg_mut(side).close();
        } else if core.b.status == Status::Calling(branch) {
            if status < 300 {
                // CANCEL lost the race (RFC 3261 §9.1): the 2xx is acknowledged and the dialog ended.
                answered_too_late(core, branch, flow, message, context);
            } else {
                core.b.close();
            }
        } else if status < 300 && *message.method() == Method::Invite {
            self.late_2xx(core, branch, flow, message, context);
        }
    }

    fn late_2xx(
        &self,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        if core.repeat_ack(branch, message, context) {
            return;
        }
        match self.open_invites.iter().find(|(_, open)| *open == branch) {
            Some((side, _)) => core.acknowledge_late(*side, branch, message, context),
            None if core.is_of_a_leg(message) => {}
            None => core.end_stray(branch, message, flow, context),
        }
    }

    fn timer(&self, core: &mut Core, timer: Timer, context: &mut Context<'_>) {
        match timer {
            Timer::Retransmit2xxA => core.repeat(Side::A, context),
            Timer::Retransmit2xxB => core.repeat(Side::B, context),
            Timer::Parting => Self::parted(core, context),
            Timer::AckA => give_up_ack(core, Side::A, context),
            Timer::AckB => give_up_ack(core, Side::B, context),
            Timer::Linger => {
                for side in [Side::A, Side::B] {
                    let leg = core.leg_mut(side);
                    leg.close();
                    leg.unacked = None;
                }
                core.abandoned.clear();
            }
            Timer::KeepAlive
            | Timer::Pace
            | Timer::Try
            | Timer::Progress
            | Timer::Ring
            | Timer::Reliable
            | Timer::Duration
            | Timer::SessionA
            | Timer::SessionB => {}
        }
    }
}

impl Talk {
    /// A leg that is gone ends the call on both.
    pub(super) fn leg_is_dead(
        self,
        core: &mut Core,
        side: Side,
        why: &str,
        context: &mut Context<'_>,
    ) -> Phase {
        let words = format!("a call of {} was ended: {why} (`session_timer`)", core.leg(side).peer.name);
        core.alert(code::SESSION_EXPIRED, &words, None, context);
        let ending = Ending {
            code: Some(code::SESSION_EXPIRED.number),
            // ITU-T Q.850: 102, recovery on timer expiry.
            reason: bytes::Bytes::from(format!("Q.850;cause=102;text=\"{why}\"")),
            ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, why)
        };
        self.end(core, &ending, None, context)
    }

    /// RFC 3261 §13.3.1.4: no ACK within 64*T1, the session is ended with BYE.
    pub(super) fn ack_missing(self, core: &mut Core, side: Side, context: &mut Context<'_>) -> Phase {
        context.effects.push(Effect::Disarm(side.retransmit()));
        core.leg_mut(side).unacked = None;
        if core.leg(side).status != Status::Up {
            // It has hung up, and the other one is transferred.
            return Phase::Talk(self);
        }
        let words = "an answered call was never acknowledged (ACK); it was ended";
        core.alert(code::ACK_NOT_RECEIVED, words, None, context);
        let ending = Ending {
            code: Some(code::ACK_NOT_RECEIVED.number),
            reason: reason_text("no ACK"),
            ..Ending::new(EndedBy::Edge, Disposition::Answered, 200, code::ACK_NOT_RECEIVED.name)
        };
        self.end(core, &ending, None, context)
    }
}

/// The ACK never came; the BYE that waited for it goes now.
fn give_up_ack(core: &mut Core, side: Side, context: &mut Context<'_>) {
    context.effects.push(Effect::Disarm(side.retransmit()));
    if let Some(unacked) = core.leg_mut(side).unacked.take()
        && let Some(reason) = unacked.bye
    {
        core.say_bye(side, &reason, None, context);
    }
}

fn answered_too_late(
    core: &mut Core,
    branch: Branch,
    flow: &Flow,
    message: &Message,
    context: &mut Context<'_>,
) {
    // A 2xx whose Contact cannot be read is ended at the address the INVITE went to.
    let _unread = core.established(message, flow);
    core.b.local_cseq = core.b.local_cseq.max(core.early_cseq);
    core.b.status = Status::Up;
    core.acknowledge_late(Side::B, branch, message, context);
    core.say_bye(Side::B, &bytes::Bytes::new(), None, context);
}
