//! What every phase of a call shares: both legs, the story for the record, and the moves made on a leg.
//!
//! Owns the legs' dialogs and reservations, so that a panic in a phase leaves what is needed to end both.
//! Read first: RFC 3261 §12, §15.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, Pending};
use super::joined::Joining;
use super::leg::{Carried, Leg, Offered, Outgoing, Status, Unacked};
use super::record::{CallRecord, Disposition, EndedBy};
use super::story::{CallerStory, Story};
use super::stray::declined;
use super::{Branch, Context, Effect, LocalTag, ServerId, Side};
use crate::clock::{Tick, Wall};
use crate::media::anchor::Anchor;
use crate::policy::code::Code;
use crate::policy::{Alert, PeerId, PeerSide, Policy, Refusal, Reservation, Trail, Unproven};
use crate::sip::{Message, Method};

/// Max-Forwards of requests that begin here.
pub(super) const MAX_FORWARDS: u8 = 70;

/// Longest random pause told with 500 in Retry-After (RFC 3261 §14.2: 0 to 10 seconds).
pub(super) const RETRY_AFTER_BELOW: u32 = 10;

/// Dialogs of forks, or of targets that were given up, that a call ends; of more, each is left to end itself (39105).
pub(super) const STRAYS_MAX: usize = 16;

/// ACKs kept on a leg for copies of their 2xx: of INVITEs within 64*T1, so of more the oldest goes.
const ACKS_MAX: usize = 4;

/// How and why a call ends.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub by: EndedBy,
    pub disposition: Disposition,
    /// What A's INVITE is answered if it still waits, and what the record says.
    pub status: u16,
    pub why: String,
    pub code: Option<u32>,
    /// A Reason header value for the legs that are told.
    pub reason: Bytes,
    /// Seconds of Retry-After with a refusal.
    pub retry_after: Option<u32>,
    /// A Warning header value, for an inside caller.
    pub warning: Bytes,
}

impl Ending {
    /// An ending told with a bare status.
    pub fn new(by: EndedBy, disposition: Disposition, status: u16, why: &str) -> Self {
        Self {
            by,
            disposition,
            status,
            why: why.to_owned(),
            code: None,
            reason: Bytes::new(),
            retry_after: None,
            warning: Bytes::new(),
        }
    }
}

impl Ending {
    /// An ending by a refusal of ours: an inside caller is told why.
    pub fn refused(refusal: &Refusal, caller: PeerSide, disposition: Disposition) -> Self {
        Self {
            code: Some(refusal.code.number),
            reason: Bytes::from(refusal.reason(caller).unwrap_or_default()),
            warning: Bytes::from(refusal.warning(caller).unwrap_or_default()),
            retry_after: refusal.retry_after,
            ..Self::new(EndedBy::Edge, disposition, refusal.status, refusal.code.name)
        }
    }
}

/// A Reason value (RFC 3326) of ours: Q.850 cause 31, normal, unspecified.
pub(super) fn reason_text(why: &str) -> Bytes {
    Bytes::from(format!("Q.850;cause=31;text=\"{why}\""))
}

/// An INVITE to a target that was given up: until its end a phone there may ring, and its place is taken.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub branch: Branch,
    /// Shared with the target the call turned to, where that is counted by the same gauge.
    pub reservation: Reservation,
}

/// Both legs and the story.
#[derive(Debug)]
pub(super) struct Core {
    pub policy: Arc<Policy>,
    pub a: Leg,
    pub b: Leg,
    pub story: Story,
    pub duration_max: std::time::Duration,
    pub recorded: bool,
    /// Effects of the transition under way whose messages are noted.
    pub noted: u32,
    /// INVITEs to targets that were given up and have no final answer yet.
    pub abandoned: Vec<Abandoned>,
    /// Dialogs that nobody waited for and that were ended: INVITE and To tag, until that INVITE's time is over.
    pub strays: Vec<(Branch, Box<[u8]>)>,
    /// The highest CSeq number used in an early dialog on leg B.
    pub early_cseq: u32,
    /// When the answer came; the cap runs from here.
    pub answered_at: Tick,
    /// How often empty lines go to those peers that want some.
    pub keep_alive: Option<std::time::Duration>,
    /// A's INVITE while it waits for its final answer; kept here so that a bug in a phase cannot lose it. Boxed: a call
    /// that is up holds none.
    pub invite: Option<Box<Pending>>,
    /// Bodies of responses that were thrown away.
    pub spoilt: super::content::Spoilt,
    /// Why the challenge that just came was not answered.
    pub unproven: Option<Unproven>,
    /// Its media, where that is anchored and was described.
    pub media: Option<Box<Anchor>>,
    /// A transfer has placed it, and the leg that stays is not here yet.
    pub joining: Option<Box<Joining>>,
}

impl Core {
    /// What a call has at its birth.
    pub fn new(
        policy: Arc<Policy>,
        (a, b): (Leg, Leg),
        story: Story,
        duration_max: std::time::Duration,
        context: &Context<'_>,
    ) -> Self {
        Self {
            policy,
            a,
            b,
            story,
            duration_max,
            recorded: false,
            noted: super::passed::count(context.effects),
            abandoned: Vec::new(),
            strays: Vec::new(),
            early_cseq: 0,
            answered_at: context.now.tick,
            keep_alive: None,
            invite: None,
            spoilt: super::content::Spoilt::default(),
            unproven: None,
            media: None,
            joining: None,
        }
    }

    pub fn leg(&self, side: Side) -> &Leg {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    pub fn leg_mut(&mut self, side: Side) -> &mut Leg {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The wall time of a tick: the call's beginning and what has passed since, so that a clock that is set meanwhile
    /// makes no call longer or shorter.
    pub fn moment(&self, tick: Tick) -> Wall {
        let passed = i64::try_from(tick.since(self.story.began_at).as_micros()).unwrap_or(i64::MAX);
        Wall::from_micros(self.story.began.micros().saturating_add(passed))
    }

    /// Which leg's BYE this branch is.
    pub fn ending(&self, branch: Branch) -> Option<Side> {
        [Side::A, Side::B].into_iter().find(|side| self.leg(*side).status == Status::Ending(branch))
    }

    /// Answers a request on a leg.
    pub fn answer(
        &self,
        side: Side,
        server: ServerId,
        request: &Message,
        source: std::net::SocketAddr,
        answer: &Answer<'_>,
        context: &mut Context<'_>,
    ) -> Bytes {
        let bytes = self.leg(side).answer(&self.policy, context.settings, request, source, answer);
        if server != ServerId::NOBODY {
            context.effects.push(Effect::Respond {
                server,
                side,
                status: answer.status,
                bytes: bytes.clone(),
            });
        }
        bytes
    }

    /// Answers A's INVITE.
    pub fn answer_invite(&self, answer: &Answer<'_>, context: &mut Context<'_>) {
        if let Some(Pending { server, message, source }) = self.invite.as_deref() {
            self.answer(Side::A, *server, message, *source, answer, context);
        }
    }

    /// RFC 3261 §12.2.2: a request counts only if it names this dialog, comes from its peer and is in order.
    /// The CSeq number advances here and nowhere else.
    pub fn judge(&mut self, side: Side, peer: Option<PeerId>, message: &Message) -> Result<(), u16> {
        let leg = self.leg_mut(side);
        if !leg.owns(message, peer) {
            return Err(481);
        }
        let number = message.cseq().number;
        // RFC 3261 §12.2.2: lower than the last is out of order, 500.
        if leg.remote_cseq != 0 && number <= leg.remote_cseq {
            return Err(500);
        }
        leg.remote_cseq = number;
        Ok(())
    }

    /// Takes up a 2xx to an INVITE that was answered: repeats it until its ACK (RFC 3261 §13.3.1.4), and times the session.
    pub fn accept(
        &mut self,
        side: Side,
        server: ServerId,
        request: &Message,
        bytes: Bytes,
        context: &mut Context<'_>,
    ) {
        let interval = context.settings.timing.t1;
        let now = context.now.tick;
        context.effects.push(Effect::Arm { timer: side.retransmit(), at: now.after(interval) });
        context
            .effects
            .push(Effect::Arm { timer: side.ack(), at: now.after(context.settings.timing.give_up()) });
        let cseq = request.cseq().number;
        self.session_answered(side, request, context);
        self.leg_mut(side).unacked = Some(Box::new(Unacked { server, bytes, interval, cseq, bye: None }));
    }

    /// Repeats the 2xx.
    pub fn repeat(&mut self, side: Side, context: &mut Context<'_>) {
        let t2 = context.settings.timing.t2;
        let now = context.now.tick;
        if let Some(unacked) = self.leg_mut(side).unacked.as_mut() {
            // RFC 3261 §13.3.1.4: the interval doubles until it reaches T2.
            unacked.interval = unacked.interval.saturating_mul(2).min(t2);
            context.effects.push(Effect::Resend { server: unacked.server, bytes: unacked.bytes.clone() });
            context.effects.push(Effect::Arm { timer: side.retransmit(), at: now.after(unacked.interval) });
        }
    }

    /// Takes an ACK for a 2xx of ours. `Some` when it was the one waited for.
    pub fn acked(
        &mut self,
        side: Side,
        peer: Option<PeerId>,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Option<Box<Unacked>> {
        let leg = self.leg_mut(side);
        let waited = leg.unacked.as_ref().is_some_and(|unacked| unacked.cseq == message.cseq().number);
        if !waited || !leg.owns(message, peer) {
            return None;
        }
        context.effects.push(Effect::Disarm(side.retransmit()));
        context.effects.push(Effect::Disarm(side.ack()));
        leg.unacked.take()
    }

    /// Acknowledges a 2xx to our INVITE; the ACK takes `carried` along.
    pub fn acknowledge(
        &mut self,
        side: Side,
        cseq: u32,
        invite: Branch,
        carried: Carried<'_>,
        context: &mut Context<'_>,
    ) {
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(side);
        // RFC 3261 §13.2.2.4: the ACK carries the INVITE's number and is a transaction of its own.
        let outgoing = Outgoing { carried, ..Outgoing::bare(&Method::Ack, branch, cseq) };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        leg.awaiting_ack = None;
        if leg.acks.len() >= ACKS_MAX {
            leg.acks.remove(0);
        }
        leg.acks.push((invite, hop, bytes.clone()));
        if let Carried::Of(carried) = carried {
            self.keep_sdp(side, carried);
        }
        context.effects.push(Effect::Send { side, invite, hop, bytes });
    }

    /// Acknowledges a 2xx whose offer nobody will answer any more, if one waits. RFC 3264 §5, RFC 3261 §13.2.2.4: an
    /// offer is answered, even if only to take nothing.
    pub fn decline_offer(&mut self, side: Side, context: &mut Context<'_>) {
        if let Some(offered) = self.leg_mut(side).awaiting_ack.take() {
            let Offered { cseq, branch, decline } = *offered;
            self.acknowledge(side, cseq, branch, Carried::Sdp(&decline), context);
        }
    }

    /// Keeps a 2xx with an offer until the other leg's answer is here.
    pub fn await_answer(&mut self, side: Side, branch: Branch, message: &Message, context: &mut Context<'_>) {
        let leg = self.leg_mut(side);
        let decline = declined(leg, message, context.random);
        leg.awaiting_ack = Some(Box::new(Offered { cseq: message.cseq().number, branch, decline }));
    }

    /// Acknowledges a 2xx that came when all was over.
    pub fn acknowledge_late(
        &mut self,
        side: Side,
        branch: Branch,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        let declined = declined(self.leg(side), message, context.random);
        self.acknowledge(side, message.cseq().number, branch, Carried::Sdp(&declined), context);
    }

    /// Says BYE on a leg that is up: at once, or after the ACK of a 2xx that still waits for it.
    pub fn say_bye(
        &mut self,
        side: Side,
        reason: &Bytes,
        carried: Option<&Message>,
        context: &mut Context<'_>,
    ) {
        // A 2xx must be acknowledged before its dialog can end, even if the offer in it was never answered.
        self.decline_offer(side, context);
        if let Some(unacked) = self.leg_mut(side).unacked.as_mut() {
            // RFC 3261 §15: the callee's side says BYE only after the ACK, or when it is given up.
            unacked.bye = Some(reason.clone());
            return;
        }
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(side);
        let cseq = leg.next_cseq();
        let outgoing =
            Outgoing { carried: carried.into(), reason, ..Outgoing::bare(&Method::Bye, branch, cseq) };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        leg.status = Status::Ending(branch);
        leg.reservations.clear();
        context.effects.push(Effect::Request { branch, side, invite: false, hop, bytes });
    }

    /// Whether the dialog of this INVITE and tag was ended by us.
    pub fn is_stray(&self, invite: Branch, tag: &[u8]) -> bool {
        self.strays.iter().any(|(of, ended)| *of == invite && **ended == *tag)
    }

    /// Repeats the ACK for a copy of a 2xx; false when this 2xx was not acknowledged by this call.
    pub fn repeat_ack(&self, branch: Branch, message: &Message, context: &mut Context<'_>) -> bool {
        for leg in [&self.a, &self.b] {
            if let Some((_, hop, bytes)) = leg.acks.iter().find(|(invite, ..)| *invite == branch)
                && message.to_tag().unwrap_or_default() == &*leg.remote_tag
            {
                let (side, hop, bytes) = (leg.side, *hop, bytes.clone());
                context.effects.push(Effect::Send { side, invite: branch, hop, bytes });
                return true;
            }
        }
        false
    }

    /// Whether a 2xx is of a dialog that stands: an older one than the last acknowledged. It was acknowledged in its time,
    /// its ACK is kept no more, and it ends nothing.
    pub fn is_of_a_leg(&self, message: &Message) -> bool {
        let ours = message.from_tag().and_then(LocalTag::read);
        let theirs = message.to_tag().unwrap_or_default();
        [&self.a, &self.b]
            .into_iter()
            .any(|leg| ours == Some(leg.local_tag) && !theirs.is_empty() && theirs == &*leg.remote_tag)
    }

    /// Gives up the INVITE that leg B waits for; its place stays taken.
    pub fn give_up(&mut self, branch: Branch) {
        let held = std::mem::take(&mut self.b.reservations);
        let reservation = held.into_iter().fold(Reservation::empty(), Reservation::with);
        self.abandoned.push(Abandoned { branch, reservation });
    }

    /// What this call holds at targets it gave up.
    pub fn holds(&mut self) -> Reservation {
        self.abandoned.iter_mut().fold(Reservation::empty(), |holds, given_up| {
            let reservation = std::mem::replace(&mut given_up.reservation, Reservation::empty());
            let (kept, shared) = reservation.share();
            given_up.reservation = kept;
            holds.with(shared)
        })
    }

    /// A final answer to, or the end of, an INVITE that was given up; true when it was one.
    pub fn abandoned_ends(&mut self, branch: Branch) -> bool {
        let before = self.abandoned.len();
        self.abandoned.retain(|given_up| given_up.branch != branch);
        self.abandoned.len() < before
    }

    /// The 2xx of this INVITE cannot come again; its ACK is forgotten.
    pub fn forget_ack(&mut self, branch: Branch) {
        if !self.strays.is_empty() {
            self.strays.retain(|(of, _)| *of != branch);
            self.strays.shrink_to_fit();
        }
        for leg in [&mut self.a, &mut self.b] {
            leg.acks.retain(|(invite, ..)| *invite != branch);
            leg.acks.shrink_to_fit();
        }
    }

    /// Raises an alert about this call.
    pub fn alert(&self, code: Code, text: &str, status: Option<u16>, context: &mut Context<'_>) {
        self.alert_about(code, text, (status, None), context);
    }

    /// The same of another number than the one that is called.
    pub(super) fn alert_about(
        &self,
        code: Code,
        text: &str,
        (status, called): (Option<u16>, Option<&str>),
        context: &mut Context<'_>,
    ) {
        let CallerStory { leg: caller, credential, .. } = &*self.story.caller;
        let mut alert = Alert::new(code, context.now.wall, text.to_owned());
        alert.peer = Some(Arc::clone(&caller.peer));
        alert.source = Some(caller.remote);
        alert.transport = Some(caller.transport);
        alert.call_id = Some(caller.call_id.clone());
        alert.from = Some(self.story.from.to_string());
        alert.to = Some(called.unwrap_or(&self.story.to).to_owned());
        if let Some(user) = credential {
            alert.evidence.push(("credential", user.to_string()));
        }
        alert.sip_status = status;
        context.effects.push(Effect::Alert(Box::new(alert)));
    }

    /// Writes the record, once.
    pub fn record(&mut self, ending: &Ending, context: &mut Context<'_>) {
        self.note_sent(context);
        if std::mem::replace(&mut self.recorded, true) {
            return;
        }
        let ended = self.moment(context.now.tick);
        let story = &mut self.story;
        let CallerStory { leg: mut caller, credential, forwarder, number, follows, .. } =
            (*story.caller).clone();
        caller.status = Some(if story.answered.is_some() { 200 } else { ending.status });
        let mut legs = Vec::with_capacity(1 + story.tried.len());
        legs.push(caller);
        legs.append(&mut story.tried);
        context.effects.push(Effect::Record(Box::new(CallRecord {
            id: story.id,
            follows,
            direction: Some(story.direction),
            from: std::mem::take(&mut story.from).into(),
            to: std::mem::take(&mut story.to).into(),
            number,
            credential,
            forwarder,
            legs,
            began: story.began,
            rang: story.rang,
            answered: story.answered,
            ended,
            disposition: ending.disposition,
            ended_by: ending.by,
            status: if story.answered.is_some() { 200 } else { ending.status },
            why: ending.why.clone(),
            code: ending.code,
            trail: Trail::from_vec(std::mem::take(&mut story.trail).into_vec()),
            messages: std::mem::take(&mut story.messages),
            media: Vec::new(),
        })));
    }
}
