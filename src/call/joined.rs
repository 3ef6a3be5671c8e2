//! The call that a transfer makes: set up as any other, but nobody's INVITE waits for it, and once it is answered the leg that
//! stays of the other call becomes its caller's.
//!
//! Owns its birth and that step. Refuses to know who asked for it, and how (`transfer`).
//! Read first: RFC 5589 §6; RFC 3725 §4; RFC 3264 §8.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::core::{Core, Ending, reason_text};
use super::leg::{Leg, Status};
use super::offer::Offer;
use super::provisional::TIMERS;
use super::redirect::Redirected;
use super::setup::Setup;
use super::talk::Talk;
use super::{Call, Context, Effect, Phase, ServerId, Side, answer, hangup, passed, record, story};
use crate::clock::Tick;
use crate::media::anchor::Voice;
use crate::policy::{Peer, PeerId, Policy};
use crate::sip::parse::{Limits, parse};
use crate::sip::{HeaderName, Hop, Message, Method, Text, Writer};

/// What a call is placed with.
#[derive(Debug)]
pub struct Placing {
    /// The policy of the call that it comes of.
    pub policy: Arc<Policy>,
    /// Who pays.
    pub payer: PeerId,
    /// Whose leg stays.
    pub(super) peer: Arc<Peer>,
    /// Where it stands.
    pub(super) hop: Hop,
    /// Its Call-ID.
    pub(super) call_id: String,
    /// What stands for an INVITE of it.
    pub(super) invite: Message,
    /// What was said to it last, where its media is anchored.
    pub(super) voice: Option<Voice>,
    /// The number of who calls.
    pub(super) caller: Box<str>,
    /// Whether that asks not to be shown.
    pub(super) hidden: bool,
    /// The user whose password the leg that stays has proved.
    pub(super) credential: Option<Arc<str>>,
    /// Whom it dialled, where it did.
    pub(super) dialled: Option<Box<str>>,
    /// Whether that call was to be encrypted on every leg.
    pub(super) secure: bool,
    /// The record of the call that it comes of.
    pub(super) follows: u128,
    /// Where it goes.
    pub judged: Box<Redirected>,
}

/// A leg on its way from one call to another.
#[derive(Debug)]
pub struct Handed {
    pub(super) leg: Leg,
    /// When its call would have reached its longest time.
    pub(super) until: Tick,
    /// What it says of its media, in an INVITE that it might have sent, and what was said to it; for a call that is up.
    pub(super) speech: Option<(Message, Option<Voice>)>,
    /// The record of its call.
    pub(super) follows: u128,
    /// Whether its call is for help in danger to life.
    pub(super) emergency: bool,
    /// Whether its party asked not to be shown.
    pub(super) hidden: bool,
}

/// What a call knows that waits to be joined.
#[derive(Debug)]
pub(super) struct Joining {
    /// What was said to the leg that stays.
    pub voice: Option<Voice>,
}

impl ServerId {
    /// Of no transaction: what is answered to it is heard by nobody.
    pub(super) const NOBODY: Self = Self(u64::MAX);
}

/// An INVITE as the leg that stays might have sent it; `None` where it cannot be written.
pub(super) fn invite(refer: &Message, from: &[u8], sdp: &[u8]) -> Option<Message> {
    let hops = refer.max_forwards().unwrap_or(super::core::MAX_FORWARDS);
    written((hops, refer.call_id()), from, sdp)
}

/// The same within a call that is up.
pub(super) fn said(from: &[u8], sdp: &[u8]) -> Option<Message> {
    written((super::core::MAX_FORWARDS, b"none"), from, sdp)
}

fn written((hops, call_id): (u8, &[u8]), from: &[u8], sdp: &[u8]) -> Option<Message> {
    let mut writer = Writer::request(&Method::Invite, Text::fixed("sip:ringfence.invalid"));
    writer.header(HeaderName::Via, Text::fixed("SIP/2.0/UDP ringfence.invalid;branch=z9hG4bKnone"));
    writer.number(HeaderName::MaxForwards, u64::from(hops));
    writer.pieces(HeaderName::From, &[Text::new(from)?, Text::fixed(";tag=none")]);
    writer.header(HeaderName::To, Text::fixed("<sip:ringfence.invalid>"));
    writer.header(HeaderName::CallId, Text::new(call_id)?);
    writer.header(HeaderName::CSeq, Text::fixed("1 INVITE"));
    writer.header(HeaderName::Contact, Text::fixed("<sip:ringfence.invalid>"));
    let bare = parse(writer.finish(&[]), &Limits::default()).ok()?;
    Some(bare.with_sdp(sdp))
}

impl Call {
    /// A call that a transfer makes, which has turned to nobody yet: [`Self::open`] follows.
    pub fn placed(placing: Placing, context: &mut Context<'_>) -> Self {
        let Placing { policy, peer, hop, call_id, invite, voice, caller, hidden, credential, .. } = placing;
        let (dialled, follows) = (placing.dialled, Some(placing.follows));
        let Redirected { called, named, shown, emergency, direction, duration_max, trail, .. } =
            *placing.judged;
        let (mut candidates, reservation) = (placing.judged.candidates, placing.judged.reservation);
        context.gate.prefer(context.now, &mut candidates);
        let leg = record::LegRecord {
            peer: Arc::clone(&peer.name),
            call_id,
            remote: hop.remote,
            transport: hop.transport,
            status: None,
        };
        let story = story::Story {
            id: (u128::from(context.random.bits()) << 64) | u128::from(context.random.bits()),
            direction,
            from: caller,
            to: called,
            named,
            hidden: hidden && !emergency,
            emergency,
            asserted: false,
            began: context.now.wall,
            began_at: context.now.tick,
            rang: None,
            answered: None,
            caller: Box::new(story::CallerStory {
                leg,
                credential,
                forwarder: None,
                shown,
                dialled,
                number: None,
                replaced: false,
                secure: placing.secure,
                follows,
            }),
            tried: Vec::with_capacity(1),
            trail: trail.into_vec().into_boxed_slice(),
            messages: passed::Messages::with_room(),
        };
        let callee = candidates.first().and_then(|first| policy.peer(first.peer)).unwrap_or(&peer);
        let b = Leg::callee(Arc::clone(callee), hop, context.random);
        let mut a = Leg::callee(peer, hop, context.random);
        a.side = Side::A;
        a.status = Status::Invited(ServerId::NOBODY);
        a.offer = Offer::Received;
        a.reservations.extend(reservation);
        // Nobody knows the caller's yet: nothing is sent from there.
        context.effects.push(Effect::Bind { tag: a.local_tag, side: Side::A });
        context.effects.push(Effect::Bind { tag: b.local_tag, side: Side::B });
        let mut core = Box::new(Core::new(policy, (a, b), story, duration_max, context));
        core.b.other = (core.a.peer.id, hidden);
        core.joining = Some(Box::new(Joining { voice }));
        let (server, source) = (ServerId::NOBODY, hop.remote);
        core.invite = Some(Box::new(answer::Pending { server, message: invite, source }));
        core.begin_keep_alive(&candidates, context);
        Self { core, phase: Phase::Setup(Box::new(Setup::onward(candidates))) }
    }

    /// Whether it was answered and waits for the leg that stays.
    #[must_use]
    pub const fn awaits_leg(&self) -> bool {
        matches!(self.phase, Phase::Talk(_)) && self.core.joining.is_some()
    }

    /// The leg that stays of the other call becomes the caller's leg of this one, and is told where it talks to now.
    pub fn take_over(&mut self, handed: Handed, context: &mut Context<'_>) {
        self.core.noted = passed::count(context.effects);
        let Handed { mut leg, until, emergency, .. } = handed;
        let core = &mut self.core;
        core.joining = None;
        leg.side = Side::A;
        leg.other = (core.b.peer.id, false);
        let helps = (core.story.emergency, emergency);
        core.story.emergency |= emergency;
        let stood = std::mem::replace(&mut core.a, leg);
        core.a.reservations.extend(stood.reservations);
        core.a.sdp = stood.sdp;
        context.effects.push(Effect::Unbind { tag: stood.local_tag });
        context.effects.push(Effect::Bind { tag: core.a.local_tag, side: Side::A });
        // A transfer makes no call longer.
        core.duration_max = time_left(core.duration_max, until.since(context.now.tick), helps);
        core.answered_at = context.now.tick;
        let at = context.now.tick.after(core.duration_max);
        core.arm_review(at, context);
        if let Phase::Talk(talk) = &self.phase {
            talk.joined(core, Side::A, context);
        }
        self.core.note_sent(context);
    }
}

impl Setup {
    /// Somebody has answered the call of a transfer: it waits for the leg that stays. `heard` is what that would be told.
    pub(super) fn answered_for_another(
        mut self: Box<Self>,
        core: &mut Core,
        heard: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let offered = self.described();
        let Self { forks, relays, .. } = *self;
        let before = forks.reliable.answer.as_ref().filter(|_| heard.body().is_empty());
        let invite = core.invite.take();
        core.a.status = Status::Idle;
        core.story.answered = Some(core.moment(context.now.tick));
        core.answered_at = context.now.tick;
        core.session_heard(Side::B, heard, context);
        if let Some(invite) = invite {
            core.keep_first(before.unwrap_or(heard), &invite.message, offered);
        }
        core.agree();
        for timer in TIMERS {
            context.effects.push(Effect::Disarm(timer));
        }
        let at = context.now.tick.after(core.duration_max);
        core.arm_review(at, context);
        context.effects.push(Effect::Placed(200));
        Phase::Talk(Talk::after(relays, forks.reliable.into_sent(), context))
    }
}

impl Core {
    /// What the peer of a leg said last of its media, as an offer that opens another call, and our last words to it. `None` while
    /// something else is said, or where nothing was.
    pub(super) fn speech_of(&self, side: Side) -> Option<(Bytes, Option<Voice>)> {
        if self.is_anchored() {
            let (sdp, voice) = self.media.as_deref()?.heard_from(side.media())?;
            return Some((Bytes::from(sdp), Some(voice)));
        }
        // What crosses as it comes stands on the other leg as it was said.
        let said = self.leg(side.other()).sdp.as_deref()?;
        Some((Bytes::from(unheld(said)), None))
    }

    /// DESIGN.md law 3: a call for help is not hung up on because a leg of it takes no media yet; it is asked again, until it does
    /// or a party hangs up. One that knows the call no longer is asked nothing.
    pub(super) const fn keeps_asking(&self, status: u16) -> bool {
        self.story.emergency && status >= 300 && !matches!(status, 408 | 481)
    }

    /// The call that a transfer makes has come to nothing, and says so.
    pub(super) fn placed_in_vain(&mut self, status: u16, context: &mut Context<'_>) {
        if self.joining.take().is_some() {
            context.effects.push(Effect::Placed(if status >= 300 { status } else { 480 }));
        }
    }
}

/// The time that two calls leave the one that comes of them: the shorter of both. DESIGN.md law 3: a call for help is ended by
/// no other call's time.
pub(super) fn time_left(own: Duration, other: Duration, helps: (bool, bool)) -> Duration {
    match helps {
        (false, false) => own.min(other),
        (true, false) => own,
        (false, true) => other,
        (true, true) => own.max(other),
    }
}

/// Whether what was refused goes again by itself.
pub(super) fn comes_again(status: u16, message: &Message) -> bool {
    matches!(status, 491 | 422) || status == 500 && message.has(HeaderName::RetryAfter)
}

/// The end of a call whose new party does not talk to it.
pub(super) fn unjoined() -> Ending {
    let why = "who was transferred takes no media of the new call";
    let ending = Ending::new(record::EndedBy::Edge, record::Disposition::Answered, 200, why);
    Ending { reason: reason_text(why), ..ending }
}

/// A description without what says that it is held: who is transferred mostly was.
fn unheld(sdp: &[u8]) -> Vec<u8> {
    const HELD: [&[u8]; 3] = [b"a=sendonly", b"a=recvonly", b"a=inactive"];
    let lines = sdp.split_inclusive(|octet| *octet == b'\n');
    let mut free = Vec::with_capacity(sdp.len());
    for line in lines.filter(|line| !HELD.contains(&line.trim_ascii_end())) {
        free.extend_from_slice(line);
    }
    free
}

impl hangup::Hangup {
    /// Who asked for a transfer has had the time to hang up.
    pub(super) fn parted(core: &mut Core, context: &mut Context<'_>) {
        for side in [Side::A, Side::B] {
            if core.leg(side).status == Status::Up {
                core.say_bye(side, &Bytes::new(), None, context);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_freed_of_hold_and_of_nothing_else() {
        let held =
            b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\na=rtpmap:0 PCMU/8000\na=inactive\na=recvonly";
        assert_eq!(unheld(held), b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\n");
    }
}
