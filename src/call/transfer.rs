//! A transfer that the edge carries out itself: in the call that it is asked for in.
//!
//! Owns what this call does while another one rings for it, and the moment when the leg that stays goes over to that one. Refuses
//! to know how the other one is set up (`joined`). Read first: RFC 3515 §2.4; RFC 5589 §6; RFC 4488 §4.

use std::net::SocketAddr;
use std::sync::Arc;

use super::answer::{Answer, Pending};
use super::core::{Core, Ending, RETRY_AFTER_BELOW, reason_text};
use super::hangup;
use super::joined::{Handed, Placing};
use super::leg::{Leg, Status};
use super::merged::{Seek, Sought};
use super::notice::State;
use super::record::Disposition;
use super::redirect::Redirected;
use super::refer::{Asked, Replaces};
use super::relay::decline;
use super::talk::Talk;
use super::{Call, Context, Effect, Phase, ServerId, Side, passed};
use crate::policy::{PeerSide, Reservation};
use crate::sip::{Flow, HeaderName, Message, Method};

/// Seconds that who asked is told to wait for the outcome at most.
const NEWS_SECONDS: u32 = 60;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It names another call, which is looked for.
    Seeking,
    /// The number is called.
    Placing,
    /// Somebody there has answered; something is under way on the leg that stays.
    Answered,
    /// The leg that stays is offered to the other call.
    Offered,
}

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Carried {
    /// Who asked.
    by: Side,
    /// The CSeq number of its REFER, where it wants to hear of it.
    news: Option<u32>,
    /// Where to.
    to: Box<str>,
    stage: Stage,
    /// The REFER that names another call, until that is found.
    pending: Option<Box<Pending>>,
    /// Whether the leg that stays goes into a call that is up.
    merges: bool,
}

impl Talk {
    /// The number that was judged is called, and who asked hears of it.
    pub(super) fn carry_out(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        (flow, message): (&Flow, &Message),
        asked: &Asked<'_>,
        judged: Box<Redirected>,
        context: &mut Context<'_>,
    ) -> Phase {
        let to = judged.called.clone();
        let Some(placing) = core.placing(side, message, judged) else {
            // Nobody has described any media yet, or something is being described.
            decline(core, (side, server), flow, message, (491, false), context);
            return Phase::Talk(self);
        };
        core.accept_refer((side, server), flow.remote, message, asked.quiet, context);
        let news = (!asked.quiet).then(|| message.cseq().number);
        if news.is_some() {
            core.tell_of_transfer(side, news, State::Active(Some(NEWS_SECONDS)), 100, context);
        }
        context.effects.push(Effect::Place(Box::new(placing)));
        let (stage, pending, merges) = (Stage::Placing, None, false);
        self.carried = Some(Box::new(Carried { by: side, news, to, stage, pending, merges }));
        Phase::Talk(self)
    }

    /// Another call is named, which the leg that stays shall go into.
    pub(super) fn seek(
        mut self,
        core: &Core,
        (side, server): (Side, ServerId),
        (flow, message): (&Flow, &Message),
        asked: &Asked<'_>,
        named: Replaces,
        context: &mut Context<'_>,
    ) -> Phase {
        let (by, with) = (core.leg(side).peer.id, core.leg(side.other()).peer.id);
        let encrypted = core.leg(side.other()).hop.transport.is_encrypted();
        let keys = core.speaks_keys(side.other()) || core.story.caller.secure;
        context.effects.push(Effect::Seek(Box::new(Seek { named, by, with, encrypted, keys })));
        let pending = Pending { server, message: message.clone(), source: flow.remote };
        self.carried = Some(Box::new(Carried {
            by: side,
            news: (!asked.quiet).then(|| message.cseq().number),
            to: Box::default(),
            stage: Stage::Seeking,
            pending: Some(Box::new(pending)),
            merges: true,
        }));
        Phase::Talk(self)
    }

    /// It was found, or not.
    pub(super) fn sought(mut self, core: &mut Core, sought: Sought, context: &mut Context<'_>) -> Phase {
        let Some(mut carried) = self.carried.take_if(|carried| carried.stage == Stage::Seeking) else {
            return Phase::Talk(self);
        };
        let Some(pending) = carried.pending.take() else { return Phase::Talk(self) };
        let Pending { server, message, source } = *pending;
        let side = carried.by;
        match sought {
            Sought::Found(end) if core.speech_of(side.other()).is_some() => {
                match core.send_on_into(side, (source, &message), &end, context) {
                    Ok(()) => {
                        core.accept_refer((side, server), source, &message, carried.news.is_none(), context);
                        (carried.to, carried.stage) = (end.number, Stage::Offered);
                        self.carried = Some(carried);
                    }
                    Err(refusal) => {
                        core.refuse_refer((side, server), source, &message, &refusal, context);
                    }
                }
            }
            Sought::Unknown => {
                let why = "it names another call (Replaces) that this peer has not here";
                let refusal = core.transfer_refused(side, why);
                core.refuse_refer((side, server), source, &message, &refusal, context);
            }
            Sought::Refused(why) => {
                let refusal = core.transfer_refused(side, why);
                core.refuse_refer((side, server), source, &message, &refusal, context);
            }
            Sought::Found(_) | Sought::Busy => {
                core.answer(side, server, &message, source, &Answer::bare(491), context);
            }
        }
        Phase::Talk(self)
    }

    /// Whether the leg that stays is about to go.
    pub(super) fn hands_over(&self) -> bool {
        self.carried.as_ref().is_some_and(|carried| match carried.stage {
            Stage::Seeking | Stage::Answered | Stage::Offered => true,
            Stage::Placing => false,
        })
    }

    /// The other call was answered, or has come to nothing.
    pub(super) fn placed(mut self, core: &mut Core, status: u16, context: &mut Context<'_>) -> Phase {
        if status < 300 {
            if let Some(carried) = self.carried.as_mut().filter(|carried| carried.stage == Stage::Placing) {
                carried.stage = Stage::Answered;
            }
            return Phase::Talk(self);
        }
        let Some(carried) = self.carried.take() else { return Phase::Talk(self) };
        core.tell_outcome(&carried, status, context);
        if core.leg(carried.by).status == Status::Up {
            // The call goes on as it was.
            return Phase::Talk(self);
        }
        let why = "who was talked to has gone, and the call could not be transferred";
        let by = carried.by.party();
        let ending = Ending { reason: reason_text(why), ..Ending::new(by, Disposition::Answered, 200, why) };
        self.end(core, &ending, None, context)
    }

    /// Offers the leg that stays, as soon as nothing is under way on it.
    pub(super) fn offer_leg(&mut self, core: &Core, context: &mut Context<'_>) {
        let updates = self.relays.has_any(&Method::Update);
        let busy = self.is_inviting(core) || updates || core.is_refreshing();
        if let Some(carried) = self.carried.as_mut().filter(|carried| carried.stage == Stage::Answered)
            && !busy
        {
            carried.stage = Stage::Offered;
            context.effects.push(Effect::Offer);
        }
    }

    /// Whether who asked for a transfer says BYE: the call goes on without it. RFC 5589 §6.1: it need not wait.
    pub(super) fn is_left_by(&self, side: Side) -> bool {
        self.carried.as_ref().is_some_and(|carried| carried.by == side)
    }

    /// It has: what it waits for or is waited for in vain is answered.
    pub(super) fn left_by(mut self, core: &mut Core, side: Side, context: &mut Context<'_>) -> Phase {
        context.effects.push(Effect::Disarm(side.session()));
        for (from, pending) in std::mem::take(&mut self.relays).into_pending() {
            // RFC 3261 §15.1.2: what waits when BYE comes is answered 487.
            let status = if from == side { 487 } else { 500 };
            core.answer(
                from,
                pending.server,
                &pending.message,
                pending.source,
                &Answer::bare(status),
                context,
            );
        }
        self.subscription = None;
        match self.exchange.take() {
            Some(mut exchange) if exchange.from == side => {
                let pending = &exchange.pending;
                if !std::mem::replace(&mut exchange.refused, true) {
                    let answer = Answer::bare(487);
                    core.answer(side, pending.server, &pending.message, pending.source, &answer, context);
                }
                // The one that stays may take the offer yet, and is then offered again what stands.
                self.exchange = Some(exchange);
            }
            Some(exchange) => {
                core.media_withdrawn(context);
                core.agree();
                let pause = Some(context.random.below(RETRY_AFTER_BELOW));
                let answer = Answer { retry_after: pause, ..Answer::bare(500) };
                let pending = &exchange.pending;
                if !exchange.refused {
                    let from = exchange.from;
                    core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
                }
            }
            None => {
                core.media_withdrawn(context);
                core.agree();
            }
        }
        Phase::Talk(self)
    }

    /// The call ends: so does what it has placed, and who asked hears of it.
    pub(super) fn recall(&mut self, core: &mut Core, context: &mut Context<'_>) {
        if let Some(mut carried) = self.carried.take() {
            match carried.pending.take().map(|pending| *pending) {
                Some(Pending { server, message, source }) => {
                    core.answer(carried.by, server, &message, source, &Answer::bare(487), context);
                }
                None => core.tell_outcome(&carried, 487, context),
            }
            context.effects.push(Effect::Recall);
        }
    }

    fn hand_over(mut self, core: &mut Core, context: &mut Context<'_>) -> (Phase, Option<Handed>) {
        let Some(carried) = self.carried.take().filter(|carried| carried.stage == Stage::Offered) else {
            return (Phase::Talk(self), None);
        };
        core.tell_outcome(&carried, 200, context);
        for (from, pending) in self.relays.into_pending() {
            core.answer(from, pending.server, &pending.message, pending.source, &Answer::bare(487), context);
        }
        let until = core.answered_at.after(core.duration_max);
        let side = carried.by.other();
        let speech = core.speech_of(side).filter(|_| carried.merges);
        let named = &core.leg(side).remote;
        let speech = speech.and_then(|(sdp, voice)| Some((super::joined::said(named, &sdp)?, voice)));
        let (follows, emergency) = (core.story.id, core.story.emergency);
        let hidden = side == Side::A && core.story.hidden;
        let leg = core.leg_mut(carried.by.other());
        let left = leg.left_behind();
        let mut leg = std::mem::replace(leg, left);
        if leg.peer.side == PeerSide::Outside {
            // The trunk's leg goes on, and so does what it costs.
            let ran = core.leg_mut(carried.by).reservations.iter_mut().map(Reservation::take_meters);
            leg.reservations.extend(ran);
        }
        let why = format!("transferred to {}", carried.to);
        let ending = Ending::new(carried.by.party(), Disposition::Answered, 200, &why);
        (
            hangup::part(core, &ending, context),
            Some(Handed { leg, until, speech, follows, emergency, hidden }),
        )
    }
}

impl Core {
    /// A REFER is accepted.
    fn accept_refer(
        &self,
        (side, server): (Side, ServerId),
        source: SocketAddr,
        refer: &Message,
        quiet: bool,
        context: &mut Context<'_>,
    ) {
        // RFC 4488 §4: who wants to hear nothing of it is told that it will not.
        let adds = [(HeaderName::ReferSub, &b"false"[..])];
        let answer = if quiet { Answer { adds: &adds, ..Answer::bare(200) } } else { Answer::bare(202) };
        self.answer(side, server, refer, source, &answer, context);
    }

    /// Tells who asked how it ended, if it is there and wants to hear of it.
    fn tell_outcome(&mut self, carried: &Carried, status: u16, context: &mut Context<'_>) {
        if carried.news.is_some() && self.leg(carried.by).status == Status::Up {
            // RFC 3515 §2.4.7.
            let state = State::Terminated("noresource");
            self.tell_of_transfer(carried.by, carried.news, state, status, context);
        }
    }

    /// The call that carries a transfer out; `None` where nothing is agreed on media that could be offered.
    fn placing(&mut self, by: Side, refer: &Message, judged: Box<Redirected>) -> Option<Placing> {
        let stays = by.other();
        let (sdp, voice) = self.speech_of(stays)?;
        let story = &self.story;
        let is_caller = by == Side::B || self.leg(by).peer.side == PeerSide::Inside;
        let (caller, named) =
            if is_caller { (&story.from, &self.a.remote) } else { (&story.to, &self.b.remote) };
        let payer = match self.leg(by).peer.side {
            PeerSide::Inside => by,
            PeerSide::Outside => stays,
        };
        let leg = self.leg(stays);
        let invite = super::joined::invite(refer, named, &sdp)?;
        Some(Placing {
            policy: Arc::clone(&self.policy),
            payer: self.leg(payer).peer.id,
            peer: Arc::clone(&leg.peer),
            hop: leg.hop,
            call_id: String::from_utf8_lossy(&leg.call_id).into_owned(),
            invite,
            voice,
            caller: caller.clone(),
            hidden: is_caller && story.hidden,
            credential: story.caller.credential.clone().filter(|_| stays == Side::A),
            dialled: (stays == Side::A)
                .then(|| story.caller.dialled.clone().unwrap_or_else(|| story.to.clone())),
            secure: story.caller.secure,
            follows: story.id,
            judged,
        })
    }
}

impl Leg {
    /// What stays where a leg was: the names of its dialog and its ACKs, for copies of a 2xx that come yet.
    fn left_behind(&mut self) -> Self {
        Self {
            side: self.side,
            peer: Arc::clone(&self.peer),
            other: self.other,
            status: Status::Over,
            call_id: self.call_id.clone(),
            local_tag: self.local_tag,
            remote_tag: self.remote_tag.clone(),
            local: Box::default(),
            remote: Box::default(),
            way: super::way::Way::default(),
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            hop: self.hop,
            name: None,
            offer: super::offer::Offer::Agreed,
            allows_update: false,
            unacked: None,
            late_offer: self.late_offer,
            awaiting_ack: None,
            acks: std::mem::take(&mut self.acks),
            reservations: smallvec::SmallVec::new(),
            timer: super::session_timer::SessionTimer::new(&self.peer.session_timers),
            refreshing: super::refresh::Refreshing::default(),
            sdp: None,
        }
    }
}

impl Call {
    /// Gives the leg that stays to the call that was placed for it; `None` where it has none to give.
    pub fn hand_over(&mut self, context: &mut Context<'_>) -> Option<Handed> {
        self.core.noted = passed::count(context.effects);
        let (phase, handed) = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Talk(talk) => talk.hand_over(&mut self.core, context),
            phase @ (Phase::Setup(_) | Phase::Hangup(_) | Phase::Over) => (phase, None),
        };
        self.phase = phase;
        self.core.note_sent(context);
        handed
    }
}
