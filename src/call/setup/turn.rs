//! Turning to a target: its place, what it is offered, and our INVITE.
//!
//! Owns the step to each target in turn. Refuses to know what it answers. Read first: RFC 3261 §13.2.1, §16.7 (as a model of
//! fail-over), §18.1.1; RFC 4028 §7.3.

use std::sync::Arc;

use super::{Attempt, Heard, Setup};
use crate::call::anchored::Described;
use crate::call::core::Core;
use crate::call::help::Shape;
use crate::call::leg::{self, Status};
use crate::call::media::{Saying, refused};
use crate::call::record::{Disposition, LegRecord};
use crate::call::reliable::{self, Caller};
use crate::call::session_timer::SessionTimer;
use crate::call::targets::Next;
use crate::call::{Branch, Context, Effect, Phase, Side, Timer, invite};
use crate::media::anchor;
use crate::policy::route::Candidate;
use crate::policy::{Refusal, Transports, code};
use crate::sip::{Message, Transport};

impl Setup {
    /// Turns to the next candidate whose gate opens, waits for its turn, or refuses the caller.
    pub(in crate::call) fn next_target(
        mut self: Box<Self>,
        core: &mut Core,
        context: &mut Context<'_>,
    ) -> Phase {
        self.attempt = None;
        core.b.reservations.clear();
        core.b.status = Status::Idle;
        let next = self.targets.next(core, context);
        self.turn_to(core, next, context)
    }

    pub(super) fn turn_to(self: Box<Self>, core: &mut Core, next: Next, context: &mut Context<'_>) -> Phase {
        match next {
            Next::Call(candidate, reservation) => {
                core.b.reservations.push(reservation);
                if let Some(peer) = core.policy.peer(candidate.peer) {
                    core.b.timer = SessionTimer::new(&peer.session_timers);
                }
                self.ask(core, candidate, Transports::new(), (None, Shape::default()), context)
            }
            Next::Wait => {
                context.effects.push(Effect::Disarm(Timer::Try));
                context.effects.push(Effect::Disarm(Timer::Progress));
                Phase::Setup(self)
            }
            Next::Nothing => self.nothing_left(core, context),
        }
    }

    pub(super) fn nothing_left(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let (refusal, disposition) = match self.targets.refused {
            Some(ref refusal) => (Refusal::clone(refusal), Disposition::Refused),
            None => {
                // Of what was tried, the last that said anything: an admin looks there first.
                let status = core.story.tried.iter().rev().find_map(|tried| tried.status);
                let words = match status {
                    Some(status) => {
                        format!(
                            "no target of the route takes the call, the last one answered {status}; look at `ringfence status`"
                        )
                    }
                    None => "no target of the route answered; look at alert 32011 and `ringfence status`"
                        .to_owned(),
                };
                let presets = &core.a.peer.refusal;
                let refusal = Refusal::new(code::NO_TARGET_AVAILABLE, presets, words);
                (refusal, Disposition::Failed)
            }
        };
        self.refuse(core, &refusal, disposition, context)
    }

    /// Asks a target, of whom something was `described` before or not. Where it cannot be offered what the caller offers, the
    /// next one may; where nobody can, the caller is refused.
    pub(in crate::call) fn ask(
        mut self: Box<Self>,
        core: &mut Core,
        candidate: Candidate,
        over: Transports,
        (described, shape): (Option<Described>, Shape),
        context: &mut Context<'_>,
    ) -> Phase {
        let policy = Arc::clone(&core.policy);
        let peer = policy.peer(candidate.peer);
        let private = candidate.target.next_transport(&over).is_some_and(Transport::is_encrypted);
        let asked =
            peer.map_or(Ok(None), |peer| core.media_asks(peer, (private, shape.clear), described, context));
        let asked = asked.map(|described| described.or_else(|| core.bared_for_help(private, context)));
        let cause = match asked {
            Ok(described) => {
                self.call(core, candidate, over, (described, shape), context);
                return Phase::Setup(self);
            }
            Err(cause) => cause,
        };
        let refusal = refused(cause, Saying::Opening, &core.a.peer);
        if is_of_the_target(cause) {
            self.targets.refused = Some(Box::new(refusal));
            return self.next_target(core, context);
        }
        self.refuse(core, &refusal, Disposition::Refused, context)
    }

    /// Sends our INVITE to a candidate by the first transport that it was not sent by.
    fn call(
        &mut self,
        core: &mut Core,
        candidate: Candidate,
        mut over: Transports,
        (described, shape): (Option<Described>, Shape),
        context: &mut Context<'_>,
    ) {
        let policy = Arc::clone(&core.policy);
        let Some(peer) = policy.peer(candidate.peer) else { return };
        let Some(transport) = candidate.target.next_transport(&over) else { return };
        core.b.peer = Arc::clone(peer);
        core.a.other = (peer.id, false);
        core.b.hop = leg::hop_of(peer, &candidate.target, transport);
        core.b.name = candidate.target.name.clone();
        self.forks.clear(core, context);
        let Some(asked) = core.invite.as_ref().map(|pending| &pending.message) else { return };
        self.caller = Caller::of(asked, &core.a.peer);
        self.acknowledges = reliable::is_offered(asked, &core.a.peer, peer);
        core.b.late_offer = asked.body().is_empty();
        let mut fresh = core.b.fresh_dialog(!core.b.late_offer);
        fresh.local_cseq = core.b.local_cseq;
        core.b.turn_dialog(&mut fresh);
        let branch = Branch(context.random.bits());
        let cseq = core.b.next_cseq();
        let says = invite::Says {
            sdp: described.as_ref().map(|described| &described.sdp[..]),
            location: self.location.as_deref().filter(|_| !shape.bare),
        };
        let mut hop = core.b.hop;
        let mut bytes = invite::write(core, branch, cseq, hop.transport, says, context.settings);
        let grown = core.b.hop_for(hop, bytes.len(), context.settings).transport;
        let may_grow = candidate.target.transports.contains(&grown) && !over.contains(&grown);
        if grown != hop.transport && may_grow {
            hop.transport = grown;
            bytes = invite::write(core, branch, cseq, hop.transport, says, context.settings);
        }
        over.push(hop.transport);
        core.b.hop = hop;
        core.b.status = Status::Calling(branch);
        core.story.tried.push(LegRecord {
            peer: Arc::clone(&peer.name),
            call_id: String::from_utf8_lossy(&core.b.call_id).into_owned(),
            remote: hop.remote,
            transport: hop.transport,
            status: None,
        });
        context.effects.push(Effect::Request { branch, side: Side::B, invite: true, hop, bytes });
        context.effects.push(Effect::Disarm(Timer::Progress));
        context.effects.push(Effect::Arm { timer: Timer::Try, at: context.now.tick.after(peer.try_timeout) });
        let (heard, began) = (Heard::Nothing, context.now.tick);
        self.attempt = Some(Attempt { branch, candidate, heard, over, began, described, shape });
    }

    /// RFC 4028 §7.3: the same target is asked again with the interval that it wants. The caller never hears of it: its
    /// own interval is another.
    pub(super) fn interval_too_small(
        mut self: Box<Self>,
        core: &mut Core,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let Some(Attempt { candidate, mut over, described, shape, .. }) =
            self.attempt.take().filter(|attempt| attempt.heard != Heard::Progress)
        else {
            return self.nothing_left(core, context);
        };
        if !core.b.timer.raise(message) {
            return self.next_target(core, context);
        }
        // By the transport that brought the 422.
        over.pop();
        self.ask(core, candidate, over, (described, shape), context)
    }
}

/// Whether another target might be offered what this one cannot be.
const fn is_of_the_target(cause: anchor::Refusal) -> bool {
    match cause {
        anchor::Refusal::KeysInClear | anchor::Refusal::NoDtls | anchor::Refusal::Codecs => true,
        anchor::Refusal::Description(_)
        | anchor::Refusal::Clear
        | anchor::Refusal::BestEffort
        | anchor::Refusal::NoKey(_)
        | anchor::Refusal::Weaker
        | anchor::Refusal::NoFingerprint
        | anchor::Refusal::Place(_)
        | anchor::Refusal::Image
        | anchor::Refusal::NoStream
        | anchor::Refusal::Mismatch
        | anchor::Refusal::Pending
        | anchor::Refusal::Unasked
        | anchor::Refusal::Ports => false,
    }
}
