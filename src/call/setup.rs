//! Setup: from A's INVITE to its final answer, over as many targets as the route names.
//!
//! Owns trying, fail-over and early cancelling; which target is next is `targets`. Read first: RFC 3261 §9, §13.2, §16.7 (as a model of fail-over).

mod again;
mod memory;
mod patience;
mod redirected;
mod turn;

use smallvec::SmallVec;

use super::anchored::Described;
use super::answer::Answer;
use super::content::amiss;
use super::core::{Core, Ending, reason_text};
use super::early::Forks;
use super::hangup::{self, Unanswered};
use super::help::Shape;
use super::leg::{Status, cannot_serve};
use super::location::Location;
use super::provisional::{Held, named_tag};
use super::record::{Disposition, EndedBy};
use super::relay::decline;
use super::reliable::Caller;
use super::targets::{Targets, pause_asked};
use super::{Branch, Context, Effect, EndCause, Event, Failure, Phase, Relays, Side, Timer};
use crate::clock::Tick;
use crate::policy::route::Candidate;
use crate::policy::{Refusal, Transports};
use crate::sip::{Flow, Message, Method};

/// What was heard from the target that is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nothing at all.
    Nothing,
    /// 100: it lives, but nothing was decided.
    Trying,
    /// 18x: a phone knows of the call; from here on there is no other target.
    Progress,
}

/// The target that is being tried.
#[derive(Debug)]
struct Attempt {
    branch: Branch,
    candidate: Candidate,
    heard: Heard,
    /// Transports it was sent by, the last one waited on.
    over: Transports,
    /// When it was sent by that one.
    began: Tick,
    /// What it is offered, where descriptions are said anew.
    described: Option<Described>,
    /// How plain what it is asked is.
    shape: Shape,
}

/// The phase.
#[derive(Debug)]
pub(super) struct Setup {
    targets: Targets,
    /// Whether somebody who was called has sent the call on.
    sent_on: bool,
    attempt: Option<Attempt>,
    /// Where the caller is, of an emergency whose INVITE says it beside its session description.
    location: Option<Box<Location>>,
    /// The early dialogs.
    pub(super) forks: Forks,
    /// Requests that cross in them.
    pub(super) relays: Relays,
    /// What the caller's INVITE says of reliable provisional responses.
    pub(super) caller: Caller,
    /// Whether ours says that we acknowledge them.
    pub(super) acknowledges: bool,
    /// A 2xx that may not cross yet.
    pub(super) held: Option<Held>,
    /// Whether it was told that too much is held.
    told_full: bool,
    /// How long it may ring at most, where that is less than its targets' own time.
    pub ring_max: Option<std::time::Duration>,
}

impl Setup {
    pub fn new(candidates: SmallVec<[Candidate; 2]>) -> Self {
        Self {
            targets: Targets::new(candidates),
            sent_on: false,
            attempt: None,
            location: None,
            forks: Forks::default(),
            relays: Relays::default(),
            caller: Caller::default(),
            acknowledges: false,
            held: None,
            told_full: false,
            ring_max: None,
        }
    }

    /// The same with where its caller is, of a call that may not ring for longer.
    pub fn from_there(
        candidates: SmallVec<[Candidate; 2]>,
        location: Option<Box<Location>>,
        ring_max: Option<std::time::Duration>,
    ) -> Self {
        Self { location, ring_max, ..Self::new(candidates) }
    }

    /// Of a call that a transfer makes: it was sent on already, and is not once more.
    pub fn onward(candidates: SmallVec<[Candidate; 2]>) -> Self {
        Self { sent_on: true, ..Self::new(candidates) }
    }

    /// Our INVITE that waits for an answer.
    pub(super) fn branch(&self) -> Option<Branch> {
        self.attempt.as_ref().map(|attempt| attempt.branch)
    }

    /// What it offers, where that was said anew.
    pub(super) fn described(&mut self) -> Option<Described> {
        self.attempt.as_mut().and_then(|attempt| attempt.described.take())
    }

    /// Refuses the caller with a refusal of ours, its alert and its words.
    fn refuse(
        self: Box<Self>,
        core: &mut Core,
        refusal: &Refusal,
        disposition: Disposition,
        context: &mut Context<'_>,
    ) -> Phase {
        let about = refusal.asked.as_deref();
        let called = about.map(|asked| &*asked.called);
        core.alert_about(refusal.code, &refusal.text, (Some(refusal.status), called), context);
        if let Some(asked) = about {
            let steps = std::mem::take(&mut core.story.trail).into_iter().chain(asked.trail.iter().cloned());
            core.story.trail = steps.collect::<Vec<_>>().into_boxed_slice();
        }
        let ending = Ending {
            why: [refusal.code.name, ": ", &refusal.text].concat(),
            ..Ending::refused(refusal, core.a.peer.side, disposition)
        };
        self.end(core, &ending, None, context)
    }

    pub(super) fn end(
        mut self: Box<Self>,
        core: &mut Core,
        ending: &Ending,
        told: Option<&Message>,
        context: &mut Context<'_>,
    ) -> Phase {
        self.take_held(core, context);
        self.forks.clear(core, context);
        let others = self.relays.into_pending().collect();
        hangup::begin(core, Unanswered { others, ..Unanswered::default() }, ending, told, context)
    }

    /// One event of this phase.
    pub fn on(self: Box<Self>, core: &mut Core, event: Event<'_>, context: &mut Context<'_>) -> Phase {
        match event {
            Event::Response { branch, flow, message, .. } => {
                self.response(core, branch, &flow, message, context)
            }
            Event::Failed { branch, failure } => self.failed(core, branch, failure, context),
            Event::Cancel { server, message } => self.cancelled(core, server, message, context),
            Event::Request { side, server, peer, flow, message } => {
                self.request(core, (side, server), peer, &flow, message, context)
            }
            Event::Timer(timer) => self.timer(core, timer, context),
            Event::End(EndCause::Parted) => {
                let (cause, why) = (EndCause::Parted, EndCause::Parted.why());
                let ending = Ending {
                    reason: reason_text(why),
                    ..Ending::new(EndedBy::Caller, Disposition::Cancelled, cause.status(), why)
                };
                self.end(core, &ending, None, context)
            }
            Event::End(cause) => {
                let ending = Ending::ordered(core, cause, Disposition::Failed);
                self.end(core, &ending, None, context)
            }
            Event::Gone { branch } => self.gone(core, branch, context),
            // No 2xx of ours is out yet, so an ACK belongs to nothing.
            Event::Ack { .. } | Event::Placed(_) | Event::Sought(_) => Phase::Setup(self),
        }
    }

    /// The target that is asked, and a plainer way to ask it after this answer, or after none.
    pub(super) fn plainer(&self, status: Option<u16>) -> Option<(Candidate, Shape)> {
        let attempt = self.attempt.as_ref()?;
        let shape = attempt.shape.after(status, attempt.described.as_ref(), self.location.is_some())?;
        Some((attempt.candidate.clone(), shape))
    }

    /// Nobody is asked any more.
    pub(super) fn give_up(&mut self) {
        self.attempt = None;
    }

    /// Whether there are targets that were not asked.
    pub(super) fn has_more(&self) -> bool {
        self.targets.has_more()
    }

    fn response(
        mut self: Box<Self>,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let status = message.status().unwrap_or(100);
        if self.relays.misses(core, branch, message, context) {
            return self.end(core, &amiss(false), None, context);
        }
        match self.early_answer(core, branch, status, flow, message, context) {
            Ok(true) => return Phase::Setup(self),
            Ok(false) => {}
            Err(ending) => return self.end(core, &ending, None, context),
        }
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.branch == branch) else {
            // A target that was given up answers after all.
            if status >= 200 {
                core.abandoned_ends(branch);
            }
            if (200..300).contains(&status) && *message.method() == Method::Invite {
                core.end_stray(branch, message, flow, context);
            }
            return Phase::Setup(self);
        };
        self.targets.answered = true;
        match status {
            ..=100 => {
                if attempt.heard == Heard::Nothing {
                    attempt.heard = Heard::Trying;
                    let patience = core.b.peer.post_dial_max;
                    context.effects.push(Effect::Disarm(Timer::Try));
                    context
                        .effects
                        .push(Effect::Arm { timer: Timer::Progress, at: context.now.tick.after(patience) });
                }
                Phase::Setup(self)
            }
            101..=199 => {
                if attempt.heard != Heard::Progress {
                    attempt.heard = Heard::Progress;
                    context.gate.noted(context.now, &attempt.candidate, core.parties(), true);
                    core.story.rang = Some(core.moment(context.now.tick));
                    let longest = core.b.peer.ring_max;
                    let patience = self.ring_max.map_or(longest, |most| most.min(longest));
                    context.effects.push(Effect::Disarm(Timer::Try));
                    context.effects.push(Effect::Disarm(Timer::Progress));
                    context
                        .effects
                        .push(Effect::Arm { timer: Timer::Ring, at: context.now.tick.after(patience) });
                }
                if self.keeps_response(core, message, context)
                    && let Err(ending) = self.provisional(core, branch, flow, message, context)
                {
                    return self.end(core, &ending, None, context);
                }
                Phase::Setup(self)
            }
            200..=299 => self.accepted(core, branch, flow, message, context),
            300.. => self.refused(core, status, message, context),
        }
    }

    /// Tells the gate how a target answered that nothing but 100 was heard from.
    pub(super) fn note(&self, core: &Core, served: bool, context: &mut Context<'_>) {
        if let Some(attempt) = self.attempt.as_ref().filter(|attempt| attempt.heard != Heard::Progress) {
            context.gate.noted(context.now, &attempt.candidate, core.parties(), served);
        }
    }

    /// A final answer that is no 2xx.
    fn refused(
        mut self: Box<Self>,
        core: &mut Core,
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        note_status(core, Some(status));
        let heard = self.attempt.as_ref().map(|attempt| (attempt.heard, attempt.candidate.clone()));
        core.b.status = Status::Idle;
        if status == 422 {
            self.note(core, true, context);
            return self.interval_too_small(core, message, context);
        }
        if cannot_serve(status)
            && let Some((Heard::Nothing | Heard::Trying, candidate)) = heard
        {
            match pause_asked(message) {
                // It is as well as before: it counts neither as down nor as failing.
                Some(asked) => {
                    let held = context.gate.held(context.now, &candidate, core.parties(), asked);
                    self.targets.put_back(candidate, held);
                }
                None => context.gate.unserved(context.now, &candidate, core.parties()),
            }
            return self.next_target(core, context);
        }
        // 5xx is the target's own trouble, whatever is told to the caller; the rest is about who is called.
        self.note(core, !(500..600).contains(&status), context);
        if core.story.emergency {
            self = match self.asked_plainer(core, Some(status), context) {
                Ok(phase) => return phase,
                Err(refused) => refused,
            };
            if self.targets.has_more() {
                return self.next_for_help(core, context);
            }
        }
        match status {
            300..=399 => self.redirected(core, status, message, context),
            401 | 407 => self.unproven(core, context),
            503 | 408 => self.nothing_left(core, context),
            _ => self.pass_refusal(core, status, message, context),
        }
    }

    /// The far side's own refusal goes to the caller as it is.
    fn pass_refusal(
        self: Box<Self>,
        core: &mut Core,
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let answer = Answer { carried: Some(message), ..Answer::bare(status) };
        core.answer_invite(&answer, context);
        core.invite = None;
        core.a.close();
        let why = crate::sip::write::reason_phrase(status);
        let ending = Ending::new(EndedBy::Callee, Disposition::Failed, status, why);
        self.end(core, &ending, None, context)
    }

    fn failed(
        mut self: Box<Self>,
        core: &mut Core,
        branch: Branch,
        failure: Failure,
        context: &mut Context<'_>,
    ) -> Phase {
        if let Some(relay) = self.relays.take(branch) {
            if self.forks.turn_to_caller(core, relay.tag) {
                relay.failed(core, failure, context);
            }
            return Phase::Setup(self);
        }
        let current = self.attempt.as_ref().filter(|attempt| attempt.branch == branch);
        let of = |one: &Attempt| {
            let described = (one.described.clone(), one.shape);
            (one.heard, one.candidate.clone(), one.over.clone(), one.began, described)
        };
        let Some((heard, candidate, over, began, described)) = current.map(of) else {
            // Nobody answered an INVITE that was given up; its time is over.
            core.abandoned_ends(branch);
            return Phase::Setup(self);
        };
        // RFC 3261 §18.1.1, §8.1.3.1: the same target by its next transport, while nothing was heard from it.
        if (failure, heard) == (Failure::Transport, Heard::Nothing)
            && let (Some(from), Some(to)) = (over.last(), candidate.target.next_transport(&over))
        {
            context.gate.fell_back(context.now, &candidate, *from, to);
            return self.ask(core, candidate, over, described, context);
        }
        context.gate.failed(context.now, &candidate, core.parties(), failure, began);
        core.b.status = Status::Idle;
        if core.story.emergency && heard == Heard::Nothing && failure != Failure::Full {
            // What a network does not carry for its size is silence, too.
            self = match self.asked_plainer(core, None, context) {
                Ok(phase) => return phase,
                Err(unheard) => unheard,
            };
        }
        if failure == Failure::Full {
            // Another target would find the same table.
            return self.nothing_left(core, context);
        }
        if failure == Failure::Oversize {
            self.targets.too_large(core);
        }
        match heard {
            Heard::Nothing | Heard::Trying => self.next_target(core, context),
            Heard::Progress if core.story.emergency => self.next_for_help(core, context),
            Heard::Progress => self.nothing_left(core, context),
        }
    }

    /// DESIGN.md law 3: every target is tried for an emergency, whatever the last one said, and wherever it rang.
    pub(super) fn next_for_help(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        context.effects.push(Effect::Disarm(Timer::Ring));
        self.next_target(core, context)
    }

    /// The caller gave up.
    fn cancelled(
        self: Box<Self>,
        core: &mut Core,
        server: super::ServerId,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        if core.a.status != Status::Invited(server) {
            return Phase::Setup(self);
        }
        // RFC 3261 §9.2: the INVITE is answered 487.
        let ending = Ending::new(EndedBy::Caller, Disposition::Cancelled, 487, "cancelled by the caller");
        self.end(core, &ending, Some(message), context)
    }

    fn request(
        mut self: Box<Self>,
        core: &mut Core,
        (side, server): (Side, super::ServerId),
        peer: Option<crate::policy::PeerId>,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        // A tag that names no pair is left to the judge, who says 481.
        let _named = match side {
            Side::A => named_tag(message).is_some_and(|tag| self.forks.turn_to_caller(core, tag)),
            Side::B => self.forks.turn_to_callee(core, message.from_tag().unwrap_or_default()),
        };
        if let Err(status) = core.judge(side, peer, message) {
            core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
            return Phase::Setup(self);
        }
        if !self.keeps_request(message) {
            decline(core, (side, server), flow, message, (500, true), context);
            return Phase::Setup(self);
        }
        match (message.method(), side) {
            (Method::Bye, Side::A) => self.early_bye(core, server, flow, message, context),
            // RFC 3261 §14.2: a second INVITE before the final answer to the first.
            (Method::Invite, _) => {
                decline(core, (side, server), flow, message, (500, true), context);
                Phase::Setup(self)
            }
            (
                Method::Ack
                | Method::Bye
                | Method::Cancel
                | Method::Options
                | Method::Register
                | Method::Prack
                | Method::Update
                | Method::Info
                | Method::Message
                | Method::Refer
                | Method::Subscribe
                | Method::Notify
                | Method::Publish
                | Method::Other(_),
                _,
            ) => self.early_request(core, (side, server), flow, message, context),
        }
    }
}

/// Puts the status into the record of the target being tried.
pub(super) fn note_status(core: &mut Core, status: Option<u16>) {
    if let Some(tried) = core.story.tried.last_mut() {
        tried.status = status;
    }
}
