//! A challenge to a request of ours: the same request once more, under the next number of its dialog.
//!
//! Owns which requests go again and under which number. Refuses to know logins: whether a challenge can be answered is
//! told with it, and the proof is added on the way out. Read first: RFC 3261 §8.1.3.5, §22.2; RFC 3264 §4.

use super::core::Core;
use super::event::Proof;
use super::leg::{Leg, Status};
use super::{Branch, Call, Context, Effect, Phase, Side};
use crate::policy::{Code, Unproven};
use crate::sip::{Flow, Message, Method, again};

/// The code and the words of a call that ends because its challenge was not answered.
pub(super) fn refused(core: &Core, peer: &crate::policy::Peer) -> (Code, String) {
    let why = core.unproven.unwrap_or(Unproven::NoLogin);
    (why.code(), format!("{} {}", peer.name, why.brief()))
}

impl Call {
    /// A response that may be a challenge; true when the request went again, and nobody else needs to hear of it.
    pub(super) fn challenged(
        &mut self,
        (side, branch): (Side, Branch),
        flow: &Flow,
        message: &Message,
        proof: Proof<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        self.core.unproven = None;
        match proof {
            Proof::NotAsked => false,
            Proof::Refused(why) => {
                self.core.tell_unproven(side, flow, why, message, context);
                false
            }
            Proof::Possible { request, hop } => {
                let new = Branch(context.random.bits());
                let rang = self.has_rung((side, branch));
                if !self.renews((side, branch), new, message) {
                    if rang {
                        self.core.tell_unproven(side, flow, Unproven::Rang, message, context);
                    }
                    return false;
                }
                let cseq = self.number(side, message, again::number(request).unwrap_or(0));
                let bytes = again::renewed(request, &new.text(), cseq);
                let invite = *message.method() == Method::Invite;
                context.effects.push(Effect::Again { branch: new, side, invite, hop, bytes });
                true
            }
        }
    }

    /// Whether the far side asks about an INVITE for which the caller has heard it ring.
    fn has_rung(&self, (side, branch): (Side, Branch)) -> bool {
        match &self.phase {
            Phase::Setup(setup) => side == Side::B && setup.has_rung(branch),
            Phase::Talk(_) | Phase::Hangup(_) | Phase::Over => false,
        }
    }

    /// Whether somebody still waits for the request: then it is known by its new branch from here on.
    fn renews(&mut self, (side, old): (Side, Branch), new: Branch, message: &Message) -> bool {
        // A BYE goes on until it is answered, whatever has become of the call.
        if self.core.ending(old) == Some(side) {
            self.core.leg_mut(side).status = Status::Ending(new);
            return true;
        }
        let known = match &mut self.phase {
            Phase::Setup(setup) => {
                if let Some(tag) = setup.relays.tag(old)
                    && !setup.forks.turn_to_caller(&mut self.core, tag)
                {
                    return false;
                }
                setup.renews(&mut self.core, old, new) || setup.relays.renews(old, new)
            }
            Phase::Talk(talk) => talk.renews(old, new) || self.core.refresh_renews(old, new),
            Phase::Hangup(_) | Phase::Over => false,
        };
        // Nobody waits for the answer to a PRACK of our own or the BYE of a stray dialog; they are meant all the same.
        known || matches!(message.method(), Method::Prack | Method::Bye)
    }

    /// The number of the request that goes again: the next of its dialog; of one that is not kept, the next after its own.
    fn number(&mut self, side: Side, message: &Message, before: u32) -> u32 {
        let tag = message.to_tag().unwrap_or_default();
        let of = |leg: &Leg| leg.remote_tag.is_empty() || &*leg.remote_tag == tag;
        if let (Phase::Setup(setup), Side::B) = (&mut self.phase, side)
            && !of(&self.core.b)
        {
            setup.forks.turn_to_callee(&mut self.core, tag);
        }
        let leg = self.core.leg_mut(side);
        if of(leg) && leg.local_cseq >= before { leg.next_cseq() } else { before.saturating_add(1) }
    }
}

impl Core {
    /// Keeps why a challenge was not answered, and tells it: who asked, for which realm, in which call.
    fn tell_unproven(
        &mut self,
        side: Side,
        flow: &Flow,
        why: Unproven,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        self.unproven = Some(why);
        // The leg may stand for another target by now.
        let there = self.policy.peer_at(flow).and_then(|peer| self.policy.peer(peer));
        let peer = &there.unwrap_or(&self.leg(side).peer).name;
        let mut alert = why.alert(context.now.wall, Some(peer), flow, message);
        alert.call_id = Some(self.story.caller.leg.call_id.clone());
        alert.from = Some(self.story.from.to_string());
        alert.to = Some(self.story.to.to_string());
        context.effects.push(Effect::Alert(Box::new(alert)));
    }
}
