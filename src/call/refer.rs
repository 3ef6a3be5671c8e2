//! A transfer that a peer asks for within a call (REFER): when it may, what of it is read, and what it is answered.
//!
//! Owns the step from a REFER to the policy's word on its number, and what is told to the other side. Refuses to know how a number
//! is read and judged (the gate), and how the edge carries a transfer out (`transfer`).
//! Read first: RFC 3515 §2; RFC 4488 §4; RFC 3891 §3; DESIGN.md §1, laws 3 and 4; attack rows B10, C1.

use std::net::SocketAddr;
use std::sync::Arc;

use super::answer::Answer;
use super::core::{Core, Ending};
use super::leg::{IDENTITY_BYTES_MAX, Outgoing, Status};
use super::notice::Subscription;
use super::record::Disposition;
use super::redirect::{Redirected, Transfer};
use super::relay::decline;
use super::talk::Talk;
use super::{Branch, Context, Effect, Phase, ServerId, Side};
use crate::policy::form::Written;
use crate::policy::peer::Onward;
use crate::policy::{PeerSide, Refusal, code, route};
use crate::sip::headers::{DialogName, ReferTo};
use crate::sip::uri::unescape;
use crate::sip::{Flow, HeaderName, Message, Method};

/// What a REFER asks for.
pub(super) struct Asked<'a> {
    /// The URI of Refer-To as it stands.
    pub uri: &'a [u8],
    /// The call that it shall be joined with, of whatever headers its URI brings.
    pub replaces: Option<Replaces>,
    /// Whether it wants to hear nothing of it (RFC 4488).
    pub quiet: bool,
}

/// The call that another one shall be joined with, by the names of its dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: Box<[u8]>,
    /// The tag of who reads this: ours.
    pub to_tag: Box<[u8]>,
    /// The tag of who is in it with who reads this.
    pub from_tag: Box<[u8]>,
}

/// Whether a REFER, or the 2xx to one, says that nothing is told of it (RFC 4488 §4).
pub(super) fn is_quiet(message: &Message) -> bool {
    let value = message.header(HeaderName::ReferSub).unwrap_or_default();
    let word = value.split(|byte| *byte == b';').next().unwrap_or_default();
    word.trim_ascii().eq_ignore_ascii_case(b"false")
}

impl<'a> Asked<'a> {
    /// Reads it. `Err` is the status of one that cannot be read (RFC 3515 §2.4.1, §2.4.2): a second Refer-To was refused by the
    /// reader of messages.
    fn read(message: &'a Message) -> Result<Self, u16> {
        let mut values = message.values(HeaderName::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        if value.len() > IDENTITY_BYTES_MAX {
            return Err(400);
        }
        let read = ReferTo::read(value).map_err(|_| 400_u16)?;
        let mut replaces = None;
        for (name, value) in read.headers() {
            if HeaderName::read(name) != HeaderName::Replaces {
                continue;
            }
            let value = unescape(value).ok_or(400_u16)?;
            let named = DialogName::read(&value).map_err(|_| 400_u16)?;
            let named = Replaces {
                call_id: named.call_id.into(),
                to_tag: named.to_tag.into(),
                from_tag: named.from_tag.into(),
            };
            if replaces.replace(named).is_some() {
                return Err(400);
            }
        }
        Ok(Self { uri: read.address.raw_uri, replaces, quiet: is_quiet(message) })
    }
}

impl Talk {
    /// A REFER, judged to be in its dialog.
    pub(super) fn refer(
        self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        if let Some(refused) = self.refer_waits(core, side, context) {
            decline(core, (side, server), flow, message, refused, context);
            return Phase::Talk(self);
        }
        let asked = match Asked::read(message) {
            Ok(asked) => asked,
            Err(status) => {
                let words = "a transfer (REFER) whose Refer-To is missing, too long or cannot be read";
                core.alert(code::HEADER_VALUE_INVALID, words, Some(status), context);
                decline(core, (side, server), flow, message, (status, false), context);
                return Phase::Talk(self);
            }
        };
        let mode = core.leg(side).peer.transfers;
        let objection = core.refer_objection(side, mode, &asked);
        if let (None, Some(named)) = (objection, &asked.replaces) {
            return self.seek(core, (side, server), (flow, message), &asked, named.clone(), context);
        }
        let judged = match objection {
            Some(why) => Err(core.transfer_refused(side, why)),
            None => core.judge_refer(side, (flow, message), asked.uri, mode, context),
        };
        match (judged, mode) {
            (Err(refusal), _) => {
                core.refuse_refer((side, server), flow.remote, message, &refusal, context);
                Phase::Talk(self)
            }
            (Ok(judged), Onward::Perform) => {
                self.carry_out(core, (side, server), (flow, message), &asked, judged, context)
            }
            (Ok(judged), Onward::JudgeAndPass | Onward::Refuse) => {
                self.pass_refer(core, (side, server), flow, message, &asked, &judged, context)
            }
        }
    }

    /// Why it cannot be now, and whether a pause is told. RFC 3261 §14.2 as a model: 491 while something else is under way.
    fn refer_waits(&self, core: &Core, side: Side, context: &Context<'_>) -> Option<(u16, bool)> {
        if core.leg(side.other()).status != Status::Up {
            // One leg of a call that is transferred has gone, or is to come.
            Some((491, false))
        } else if self.is_busy(core) {
            Some((491, false))
        } else {
            self.relays.is_full(context).then_some((500, true))
        }
    }

    /// The other side is told the number that was judged, and calls it.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different word, and a call of it reads as a sentence"
    )]
    fn pass_refer(
        mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        asked: &Asked<'_>,
        judged: &Redirected,
        context: &mut Context<'_>,
    ) -> Phase {
        let value = match core.refer_to(side.other(), judged) {
            Ok(value) => value,
            Err(why) => {
                let refusal = core.transfer_refused(side, why);
                core.refuse_refer((side, server), flow.remote, message, &refusal, context);
                return Phase::Talk(self);
            }
        };
        let mut adds: smallvec::SmallVec<[(HeaderName, &[u8]); 2]> = smallvec::SmallVec::new();
        adds.push((HeaderName::ReferTo, &value));
        if asked.quiet {
            adds.push((HeaderName::ReferSub, b"false"));
        }
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&core.policy);
        let leg = core.leg_mut(side.other());
        let cseq = leg.next_cseq();
        // Nothing crosses but what was judged.
        let outgoing = Outgoing { adds: &adds, ..Outgoing::bare(&Method::Refer, branch, cseq) };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        let to = side.other();
        context.effects.push(Effect::Request { branch, side: to, invite: false, hop, bytes });
        self.relays.enter(core, (side, server), flow, message, branch);
        self.subscription = (!asked.quiet).then(|| {
            // What is told may come before the answer (RFC 3515 §2.4.4).
            Box::new(Subscription { notifier: to, asked: message.cseq().number, sent: cseq })
        });
        Phase::Talk(self)
    }
}

impl Core {
    /// Why it is not even read.
    fn refer_objection(&self, side: Side, mode: Onward, asked: &Asked<'_>) -> Option<&'static str> {
        let outside = self.leg(side).peer.side == PeerSide::Outside;
        match mode {
            Onward::Refuse => Some("transfers are not served (`transfers`)"),
            // DESIGN.md law 3.
            Onward::JudgeAndPass | Onward::Perform if self.story.emergency && outside => {
                Some("a trunk transfers no emergency call")
            }
            Onward::JudgeAndPass if asked.replaces.is_some() => {
                Some("it names another call (Replaces), whose names mean nothing on the other side")
            }
            Onward::JudgeAndPass | Onward::Perform => None,
        }
    }

    /// What the policy says of the number.
    fn judge_refer(
        &self,
        side: Side,
        (flow, message): (&Flow, &Message),
        uri: &[u8],
        mode: Onward,
        context: &mut Context<'_>,
    ) -> Result<Box<Redirected>, Box<Refusal>> {
        let story = &self.story;
        let (by, with) = (Arc::clone(&self.leg(side).peer), Arc::clone(&self.leg(side.other()).peer));
        let own = match side {
            Side::A => (&story.from, &story.to),
            Side::B => (&story.to, &story.from),
        };
        // Whoever called is the caller, unless it is a trunk that sends on whom it called: then who was called is.
        let is_caller = side == Side::B || by.side == PeerSide::Inside;
        let asked = Transfer {
            by: &by,
            with: &with,
            source: flow.remote,
            transport: flow.transport,
            refer: message,
            uri,
            user: story.caller.credential.as_deref().filter(|_| side == Side::A),
            caller: if is_caller { &story.from } else { &story.to },
            hidden: is_caller && story.hidden,
            shows: is_caller && story.caller.shown.shows,
            own: own.0,
            other: own.1,
            performs: mode == Onward::Perform,
            joins: false,
            secure: story.caller.secure,
            // What the edge has no call for is judged with the INVITE that follows.
            keys: mode == Onward::Perform && self.speaks_keys(side.other()),
        };
        let draw = context.random.bits();
        context.gate.referred(context.now, &asked, draw)
    }

    /// 32218 towards who asked.
    pub(super) fn transfer_refused(&self, side: Side, why: &str) -> Box<Refusal> {
        let peer = &self.leg(side).peer;
        let words = format!("{} transfers the call and may not: {why}", peer.name);
        Box::new(Refusal::new(code::TRANSFER_REFUSED, &peer.refusal, words))
    }

    /// Who asked is refused; the call goes on as it was.
    pub(super) fn refuse_refer(
        &self,
        (side, server): (Side, ServerId),
        source: SocketAddr,
        message: &Message,
        refusal: &Refusal,
        context: &mut Context<'_>,
    ) {
        let called = refusal.asked.as_deref().map(|asked| &*asked.called);
        self.alert_about(refusal.code, &refusal.text, (Some(refusal.status), called), context);
        let record = self.denied(side, source, refusal, context);
        context.effects.push(Effect::Attempt(Box::new(record)));
        let told = Ending::refused(refusal, self.leg(side).peer.side, Disposition::Refused);
        let answer = Answer {
            retry_after: refusal.retry_after,
            reason: &told.reason,
            warning: &told.warning,
            ..Answer::bare(refusal.status)
        };
        self.answer(side, server, message, source, &answer, context);
    }

    /// The number as the peer of a leg has numbers in INVITEs to it, at this edge: whoever calls it is judged again.
    fn refer_to(&self, side: Side, judged: &Redirected) -> Result<Vec<u8>, &'static str> {
        let leg = self.leg(side);
        if judged.emergency && leg.peer.side == PeerSide::Outside {
            return Err("no trunk is sent to an emergency number");
        }
        let direction = route::direction(self.leg(side.other()).peer.side, leg.peer.side);
        let written = if judged.emergency {
            Ok(Written::literal(&judged.called))
        } else {
            leg.peer.numbers.called(&judged.called, direction, judged.named)
        };
        let written = written.map_err(|_| "the number cannot be written towards the other side")?;
        let host = self.policy.listener(leg.hop.listener).map_or("", |here| here.advertised.sent_by());
        Ok(judged.address(written, host, leg.hop.transport))
    }
}
