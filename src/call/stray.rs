//! 2xx answers that nobody waits for: of another fork, of a target that was given up, or of a call that is over.
//!
//! Owns how each is acknowledged and its dialog ended, and the little that is kept for that after the call. Refuses to
//! know how long: the INVITE's transaction does. Read first: RFC 3261 §13.2.2.4; RFC 6026 §7.2, §8.4.

use std::sync::Arc;

use bytes::Bytes;

use super::core::{Core, STRAYS_MAX};
use super::leg::{Carried, Leg, Outgoing, Status, address};
use super::offer::Offer;
use super::refresh::Refreshing;
use super::session_timer::SessionTimer;
use super::{Branch, Call, Context, Effect, LocalTag, Random, Settings, Side};
use crate::clock::Now;
use crate::policy::{Alert, Peer, Policy, code};
use crate::sip::error::Cause;
use crate::sip::headers::ContentType;
use crate::sip::{Flow, HeaderName, Hop, Message, Method, decline};

const TOO_MANY: &str = "a far side answered one INVITE in more and more dialogs; those were not answered. Look at what forks behind it";

/// Whom an INVITE of ours asked, and under which names.
struct Asked<'a> {
    policy: &'a Policy,
    peer: &'a Arc<Peer>,
    call_id: &'a [u8],
    local_tag: LocalTag,
    /// Whether the INVITE held no offer, so that its 2xx does.
    late_offer: bool,
    /// The highest CSeq number used in an early dialog of it.
    early_cseq: u32,
}

/// What a stray 2xx is told.
pub struct Farewell {
    /// The ACK.
    pub ack: (Hop, Bytes),
    /// The BYE, unless one went before.
    pub bye: Option<(Branch, Hop, Bytes)>,
}

impl Asked<'_> {
    /// The dialog of a 2xx. Its names are those that the response gives back, since the leg may have turned to another
    /// target meanwhile.
    fn dialog(&self, response: &Message, flow: &Flow) -> Result<Leg, Cause> {
        let answering = self.policy.peer_at(flow).and_then(|peer| self.policy.peer(peer));
        let answering = answering.unwrap_or(self.peer);
        let mut stray = Leg {
            // Nothing of the other leg crosses to it.
            other: (self.peer.id, true),
            side: Side::B,
            peer: Arc::clone(answering),
            status: Status::Idle,
            call_id: self.call_id.into(),
            local_tag: self.local_tag,
            remote_tag: Box::default(),
            local: address(response.from())?,
            remote: address(response.to())?,
            way: super::way::Way::default(),
            local_cseq: 0,
            remote_cseq: 0,
            hop: Hop { party: answering.party, ..flow.back() },
            name: None,
            offer: Offer::None,
            allows_update: false,
            unacked: None,
            late_offer: self.late_offer,
            timer: SessionTimer::new(&self.peer.session_timers),
            refreshing: Refreshing::default(),
            sdp: None,
            awaiting_ack: None,
            acks: Vec::new(),
            reservations: smallvec::SmallVec::new(),
        };
        stray.established(response, flow, self.policy)?;
        Ok(stray)
    }

    /// An ACK and, unless the dialog was `ended` before, a BYE.
    fn part(
        &self,
        message: &Message,
        flow: &Flow,
        ended: bool,
        settings: &Settings,
        random: &mut Random,
    ) -> Result<Farewell, Cause> {
        let stray = self.dialog(message, flow)?;
        let declined = declined(&stray, message, random);
        let cseq = message.cseq().number;
        let branch = Branch(random.bits());
        let carried = Carried::Sdp(&declined);
        let ack = Outgoing { carried, ..Outgoing::bare(&Method::Ack, branch, cseq) };
        let ack = stray.request(self.policy, settings, &ack);
        let bye = (!ended).then(|| {
            let branch = Branch(random.bits());
            let bye = Outgoing::bare(&Method::Bye, branch, cseq.max(self.early_cseq).saturating_add(1));
            let (hop, bytes) = stray.request(self.policy, settings, &bye);
            (branch, hop, bytes)
        });
        Ok(Farewell { ack, bye })
    }
}

/// The body of an ACK for a 2xx whose offer will not be answered: the answer that takes nothing. Empty where our INVITE
/// held the offer, or this one cannot be read.
pub(super) fn declined(leg: &Leg, message: &Message, random: &mut Random) -> Box<[u8]> {
    let is_sdp = || {
        let kind = message.header(HeaderName::ContentType).and_then(|value| ContentType::read(value).ok());
        kind.is_some_and(|kind| kind.is("application", "sdp"))
    };
    if !leg.late_offer || message.body().is_empty() || !is_sdp() {
        return Box::default();
    }
    // RFC 8866 §5.2: the session's number is decimal; it shall fit any reader's 63 bits.
    decline::decline(message.body(), random.bits() >> 2).unwrap_or_default().into_boxed_slice()
}

impl Core {
    /// A 2xx that belongs to no dialog of this call (forked, or of a target given up): acknowledged and ended
    /// (RFC 3261 §13.2.2.4). A copy of it is acknowledged again and nothing more; so many dialogs are ended at most.
    pub fn end_stray(&mut self, invite: Branch, message: &Message, flow: &Flow, context: &mut Context<'_>) {
        let tag = message.to_tag().unwrap_or_default();
        let ended = self.is_stray(invite, tag);
        if !ended && self.strays.len() >= STRAYS_MAX {
            self.alert(code::AMPLIFICATION_REFUSED, TOO_MANY, None, context);
            return;
        }
        let asked = asked(&self.policy, &self.b, self.early_cseq);
        let Ok(farewell) = asked.part(message, flow, ended, context.settings, context.random) else { return };
        let (hop, bytes) = farewell.ack;
        context.effects.push(Effect::Send { side: Side::B, invite, hop, bytes });
        if let Some((branch, hop, bytes)) = farewell.bye {
            self.strays.push((invite, tag.into()));
            context.effects.push(Effect::Request { branch, side: Side::B, invite: false, hop, bytes });
        }
    }
}

fn asked<'a>(policy: &'a Policy, leg: &'a Leg, early_cseq: u32) -> Asked<'a> {
    let Leg { peer, call_id, local_tag, late_offer, .. } = leg;
    Asked { policy, peer, call_id, local_tag: *local_tag, late_offer: *late_offer, early_cseq }
}

/// What is kept of a call that is over for one INVITE of ours that may still be answered.
#[derive(Debug)]
pub struct Past {
    policy: Arc<Policy>,
    peer: Arc<Peer>,
    call_id: Box<[u8]>,
    local_tag: LocalTag,
    late_offer: bool,
    early_cseq: u32,
    /// To tags of the dialogs that were ended: with the call, or since.
    ended: Vec<Box<[u8]>>,
}

impl Call {
    /// What must be kept for an INVITE sent on a leg.
    #[must_use]
    pub fn past(&self, invite: Branch, side: Side) -> Past {
        let leg = self.core.leg(side);
        let strays = self.core.strays.iter().filter(|(of, _)| *of == invite);
        let mut ended: Vec<Box<[u8]>> = strays.map(|(_, tag)| tag.clone()).collect();
        // A peer of RFC 2543 has an empty tag, which counts once the call was answered.
        if !leg.remote_tag.is_empty() || self.core.story.answered.is_some() {
            ended.push(leg.remote_tag.clone());
        }
        Past {
            policy: Arc::clone(&self.core.policy),
            peer: Arc::clone(&leg.peer),
            call_id: leg.call_id.clone(),
            local_tag: leg.local_tag,
            late_offer: leg.late_offer,
            early_cseq: self.core.early_cseq,
            ended,
        }
    }
}

impl Past {
    /// A 2xx to its INVITE: a copy is acknowledged again, and another fork's dialog ended as well. `Err` is the alert
    /// that too many came; none when the answer cannot be read.
    pub fn answered(
        &mut self,
        now: Now,
        message: &Message,
        flow: &Flow,
        settings: &Settings,
        random: &mut Random,
    ) -> Result<Farewell, Option<Box<Alert>>> {
        let tag = message.to_tag().unwrap_or_default();
        let ended = self.ended.iter().any(|known| **known == *tag);
        if !ended && self.ended.len() >= STRAYS_MAX {
            return Err(Some(self.too_many(now, flow)));
        }
        let Self { policy, peer, call_id, local_tag, late_offer, early_cseq, .. } = &*self;
        let (local_tag, late_offer, early_cseq) = (*local_tag, *late_offer, *early_cseq);
        let asked = Asked { policy, peer, call_id, local_tag, late_offer, early_cseq };
        let farewell = asked.part(message, flow, ended, settings, random).map_err(|_unread| None)?;
        if farewell.bye.is_some() {
            self.ended.push(tag.into());
        }
        Ok(farewell)
    }

    fn too_many(&self, now: Now, flow: &Flow) -> Box<Alert> {
        let mut alert = Alert::new(code::AMPLIFICATION_REFUSED, now.wall, TOO_MANY.to_owned());
        alert.peer = Some(Arc::clone(&self.peer.name));
        alert.source = Some(flow.remote);
        alert.transport = Some(flow.transport);
        alert.call_id = Some(String::from_utf8_lossy(&self.call_id).into_owned());
        Box::new(alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_call_is_small() {
        assert!(size_of::<Past>() <= 72, "{} bytes", size_of::<Past>());
    }
}
