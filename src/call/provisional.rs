//! Provisional responses on their way from the callee to the caller, and what the caller does in an early dialog.
//!
//! Owns which of them cross and how: reliably on both legs, on one, or on none. Refuses to know targets and fail-over.
//! Read first: RFC 3262 §3-5; RFC 3261 §13.3.1.1, §15; RFC 3311 §5.

use super::answer::Answer;
use super::core::{Core, Ending};
use super::leg::Status;
use super::offer::Offer;
use super::record::{Disposition, EndedBy};
use super::relay::decline;
use super::reliable::{self, Acknowledges, Caller, Sent};
use super::setup::{Setup, note_status};
use super::{Branch, Context, LocalTag, Phase, Relays, ServerId, Side, Timer};
use crate::policy::code;
use crate::sip::headers::RAck;
use crate::sip::{Flow, HeaderName, Message, Method};

/// A 2xx of the callee that waits until the caller has acknowledged a provisional response (RFC 3262 §3).
#[derive(Debug)]
pub(super) struct Held {
    pub branch: Branch,
    pub flow: Flow,
    pub message: Message,
}

impl Setup {
    /// Says one reliably. What it describes the caller has for certain, so no 200 repeats what came before it.
    fn say(
        &mut self,
        core: &mut Core,
        message: &Message,
        behind: Option<Acknowledges>,
        context: &mut Context<'_>,
    ) {
        if !message.body().is_empty() {
            self.forks.reliable.answer = None;
        }
        self.forks.reliable.say(core, message, behind, context);
    }

    /// A provisional response of the callee other than 100. `Err`: it holds an answer that cannot be taken, and no other comes.
    pub(super) fn provisional(
        &mut self,
        core: &mut Core,
        branch: Branch,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<(), Ending> {
        if self.held.is_some() || !self.forks.hear(core, branch, message, flow, context) {
            return Ok(());
        }
        let behind = reliable::read(message).filter(|_| self.acknowledges && !core.b.remote_tag.is_empty());
        if behind.is_some_and(|behind| !self.forks.reliable.takes(behind.rseq)) {
            return Ok(());
        }
        // Whatever is said of it later, and when, is what is said anew here.
        let crossed = match core.cross_first(message, behind.is_some(), context) {
            Ok(crossed) => crossed,
            Err(cause) => Some(core.spoilt_first(cause, message, behind.is_some(), context)?),
        };
        let message = crossed.as_ref().unwrap_or(message);
        match (behind, self.caller) {
            (None, Caller::Unaware | Caller::Supports) => {
                // RFC 3261 §13.2.1: the caller takes the first description that it hears as the answer; phones follow the last.
                if !message.body().is_empty() && core.b.offer == Offer::Sent {
                    self.forks.reliable.answer = Some(message.clone());
                }
                core.answer_invite(&carried(message), context);
            }
            (None, Caller::Requires) => self.say(core, message, None, context),
            (Some(behind), caller) => {
                if !message.body().is_empty() {
                    core.b.offer = core.b.offer.heard();
                }
                if caller == Caller::Unaware {
                    reliable::acknowledge(core, behind, context);
                    if !message.body().is_empty() {
                        self.forks.reliable.answer = Some(message.clone());
                    }
                    core.answer_invite(&carried(message), context);
                } else {
                    self.say(core, message, Some(behind), context);
                }
            }
        }
        self.arm(context);
        Ok(())
    }

    fn arm(&mut self, context: &mut Context<'_>) {
        if self.caller != Caller::Unaware {
            let due = self.forks.each().filter_map(|reliable| reliable.due()).min();
            reliable::arm(due, context);
        }
    }

    /// What the caller has not acknowledged is said again; when it never does, the call is over (RFC 3262 §3).
    pub(super) fn repeated(mut self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let mut alive = true;
        for reliable in self.forks.each() {
            alive &= reliable.repeat(context);
        }
        if alive {
            self.arm(context);
            return Phase::Setup(self);
        }
        self.never_acknowledged(core, context)
    }

    fn never_acknowledged(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let words =
            "the caller never acknowledged a ringing or progress response (PRACK); the call was given up";
        // RFC 3262 §3 asks for a 5xx; never 503 or a time-out, which a PBX answers by dialling out another way.
        core.alert(code::ACK_NOT_RECEIVED, words, Some(500), context);
        let ending = Ending {
            code: Some(code::ACK_NOT_RECEIVED.number),
            ..Ending::new(EndedBy::Edge, Disposition::Failed, 500, code::ACK_NOT_RECEIVED.name)
        };
        self.end(core, &ending, None, context)
    }

    /// A request in an early dialog, judged; BYE and INVITE aside.
    pub(super) fn early_request(
        mut self: Box<Self>,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let status = match message.method() {
            Method::Prack if side == Side::A => return self.pracked(core, server, flow, message, context),
            // RFC 3262 §3: it acknowledges nothing we sent.
            Method::Prack => 481,
            Method::Update => {
                super::update::early(&mut self.relays, core, (side, server), flow, message, context);
                return Phase::Setup(self);
            }
            Method::Info | Method::Message
                if core.carries(message.method()) && core.reaches(side.other()) =>
            {
                self.relays.cross(core, (side, server), flow, message, &[], context);
                return Phase::Setup(self);
            }
            Method::Options => 200,
            Method::Bye => 481,
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Info
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => 405,
        };
        core.answer(side, server, message, flow.remote, &Answer::bare(status), context);
        Phase::Setup(self)
    }

    /// PRACK of the caller.
    fn pracked(
        mut self: Box<Self>,
        core: &mut Core,
        server: ServerId,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let sent = match read_rack(message) {
            Ok(rack) => self.forks.reliable.acknowledged(&rack).ok_or(481),
            Err(status) => Err(status),
        };
        match sent {
            Ok(sent) => {
                let relays = &mut self.relays;
                if let Err(ending) = acknowledged(relays, core, &sent, server, flow, message, context) {
                    return self.end(core, &ending, None, context);
                }
                self.forks.reliable.go_on(core, context);
            }
            Err(status) => {
                core.answer(Side::A, server, message, flow.remote, &Answer::bare(status), context);
            }
        }
        self.arm(context);
        self.release(core, context)
    }

    /// The 2xx that waited goes on as soon as nothing holds it.
    fn release(mut self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        if self.forks.reliable.holds_answer() {
            return Phase::Setup(self);
        }
        match self.held.take() {
            Some(held) => self.answered(core, held.branch, &held.flow, &held.message, context),
            None => Phase::Setup(self),
        }
    }

    /// BYE of the caller before the answer (RFC 3261 §15): one early dialog of several, or the call.
    pub(super) fn early_bye(
        mut self: Box<Self>,
        core: &mut Core,
        server: ServerId,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        core.answer(Side::A, server, message, flow.remote, &Answer::bare(200), context);
        if let Some(branch) = self.branch().filter(|_| self.forks.is_forked() && self.held.is_none()) {
            self.forks.end_one(core, branch, context);
            self.relays.lose_ended(core, message, context);
            self.arm(context);
            return Phase::Setup(self);
        }
        let ending = Ending::new(EndedBy::Caller, Disposition::Cancelled, 487, "BYE before the answer");
        self.end(core, &ending, Some(message), context)
    }

    /// An answer to a request that crossed in an early dialog; false when it was none. `Err`: it cannot be taken.
    pub(super) fn early_answer(
        &mut self,
        core: &mut Core,
        branch: Branch,
        status: u16,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<bool, Ending> {
        if status < 200 {
            return Ok(self.relays.has(branch));
        }
        let Some(mut relay) = self.relays.take(branch) else { return Ok(false) };
        if !self.forks.turn_to_caller(core, relay.tag) {
            return Ok(true);
        }
        if relay.goes_again(core, status, message, context) {
            self.relays.put_back(relay);
        } else {
            relay.answered(core, status, flow, message, context)?;
        }
        Ok(true)
    }

    /// Nothing more can come for an INVITE of ours. If it is the one that the caller waits for, all that answered it were
    /// dialogs that the caller has ended.
    pub(super) fn gone(self: Box<Self>, core: &mut Core, branch: Branch, context: &mut Context<'_>) -> Phase {
        core.forget_ack(branch);
        if self.branch() != Some(branch) {
            return Phase::Setup(self);
        }
        if self.held.is_some() {
            // The callee has waited for our ACK for 64*T1, because the caller owes a PRACK.
            return self.never_acknowledged(core, context);
        }
        core.b.status = Status::Idle;
        let ending = Ending::new(EndedBy::Caller, Disposition::Cancelled, 487, "BYE before the answer");
        self.end(core, &ending, None, context)
    }

    /// Ends the call, after a 2xx that waited has been acknowledged: its dialog is up and needs a BYE.
    pub(super) fn take_held(&mut self, core: &mut Core, context: &mut Context<'_>) {
        let Some(Held { branch, flow, message }) = self.held.take() else { return };
        // The far side counts the call as answered, whatever the caller hears: the record says so.
        note_status(core, message.status());
        self.forks.settle(core, &message, context);
        if core.established(&message, &flow).is_ok() {
            core.b.status = Status::Up;
            core.acknowledge_late(Side::B, branch, &message, context);
        }
    }
}

fn carried(message: &Message) -> Answer<'_> {
    Answer { carried: Some(message), ..Answer::bare(message.status().unwrap_or(183)) }
}

/// RAck of a PRACK, or the status for one that has none.
pub(super) fn read_rack(prack: &Message) -> Result<RAck<'_>, u16> {
    prack.header(HeaderName::RAck).and_then(|value| RAck::read(value).ok()).ok_or(400)
}

/// A PRACK that names a response of ours: it crosses where the callee's was reliable too, else it is answered here. `Err`: it
/// answers the callee's offer by what cannot be taken.
pub(super) fn acknowledged(
    relays: &mut Relays,
    core: &mut Core,
    sent: &Sent,
    server: ServerId,
    flow: &Flow,
    message: &Message,
    context: &mut Context<'_>,
) -> Result<(), Ending> {
    let from = (Side::A, server);
    let described = !message.body().is_empty();
    // RFC 3262 §5: the answer to the offer in the response, or an offer of its own.
    let answers = described && core.a.offer == Offer::Sent;
    let untimely =
        if described && !answers { core.a.offer.takes().and(core.b.offer.takes()) } else { Ok(()) };
    let Some(behind) = sent.behind else {
        acknowledged_here(relays, core, from, flow, message, context);
        return Ok(());
    };
    if let Err(untimely) = untimely {
        // The response is acknowledged all the same, or it would be repeated for ever.
        reliable::acknowledge(core, behind, context);
        decline(core, from, flow, message, untimely.status(), context);
        return Ok(());
    }
    let value = behind.value();
    let adds = [(HeaderName::RAck, value.as_bytes())];
    if relays.is_full(context) {
        reliable::acknowledge(core, behind, context);
        decline(core, from, flow, message, (500, true), context);
        return Ok(());
    }
    if described && !answers {
        if let Err(cause) = relays.cross_offer(core, from, flow, message, &adds, context) {
            reliable::acknowledge(core, behind, context);
            core.decline_offer_of(from, flow, message, cause, context);
        }
        return Ok(());
    }
    let crossed = if answers {
        core.agree();
        let crossed = core.cross_renewal(Side::A, message, context);
        crossed.inspect_err(|ending| decline(core, from, flow, message, (ending.status, false), context))?
    } else {
        None
    };
    relays.cross(core, from, flow, crossed.as_ref().unwrap_or(message), &adds, context);
    Ok(())
}

/// A PRACK of what the callee did not say reliably is answered here. An offer in it crosses as an UPDATE where the callee
/// takes that and has answered the offer before; else it cannot be made there.
fn acknowledged_here(
    relays: &mut Relays,
    core: &mut Core,
    from: (Side, ServerId),
    flow: &Flow,
    message: &Message,
    context: &mut Context<'_>,
) {
    let status = match core.a.offer.takes() {
        Ok(()) | Err(_) if message.body().is_empty() => (200, false),
        Err(untimely) => untimely.status(),
        Ok(()) if core.b.offer.takes().is_ok() && core.b.allows_update => {
            if let Err(cause) = relays.cross_as_update(core, from, flow, message, context) {
                core.decline_offer_of(from, flow, message, cause, context);
            }
            return;
        }
        Ok(()) => (488, false),
    };
    decline(core, from, flow, message, status, context);
}

/// The tag of ours that a request names.
pub(super) fn named_tag(message: &Message) -> Option<LocalTag> {
    message.to_tag().and_then(LocalTag::read)
}

/// The deadlines of a call that is not answered yet.
pub(super) const TIMERS: [Timer; 4] = [Timer::Try, Timer::Progress, Timer::Ring, Timer::Reliable];
