//! Where a peer is reached while the call lives: the flow of its newest request, kept open through NAT.
//!
//! Owns when a leg follows its peer to another flow, and the empty lines that keep it. Refuses to know what a request
//! asks for. Read first: RFC 3261 §12.2.2; RFC 5626 §3.5.1, §4.4; RFC 4787 §4.3 (how long a NAT remembers).

use std::sync::Arc;

use super::answer::Answer;
use super::core::Core;
use super::leg::Status;
use super::{Context, Effect, Event, Side, Timer};
use crate::policy::route::Candidate;
use crate::policy::{Refusal, code};
use crate::sip::{Method, keys};

impl Core {
    /// A request within a dialog that runs encrypted, and came in the clear: refused, whatever its peer may use besides. Its
    /// answer would say in the clear what the dialog keeps. True where it was; it has moved nothing.
    pub fn refuses_clear(&self, event: &Event<'_>, context: &mut Context<'_>) -> bool {
        let Event::Request { side, server, peer, flow, message } = event else { return false };
        let leg = self.leg(*side);
        let clear = leg.hop.transport.is_encrypted() && !flow.transport.is_encrypted();
        if !clear || !leg.owns(message, *peer) {
            return false;
        }
        let words =
            "a request within an encrypted call came in the clear; it was refused, and the call goes on";
        let refusal = Refusal::new(code::SECURE_TRANSPORT_REQUIRED, &leg.peer.refusal, words.to_owned());
        self.alert(refusal.code, words, Some(refusal.status), context);
        self.answer(*side, *server, message, flow.remote, &Answer::bare(refusal.status), context);
        true
    }

    /// Whether keys of encrypted speech may cross: whoever may listen on one of the legs would have them (RFC 4568 §8.3; attack
    /// row E4). Where media is anchored none cross: each leg has keys of its own, or none.
    pub fn bears_keys(&self) -> bool {
        self.is_anchored() || self.a.hop.transport.is_encrypted() && self.b.hop.transport.is_encrypted()
    }

    /// Whether what a leg said last of its media holds keys that would cross as they are to another leg.
    pub fn speaks_keys(&self, side: Side) -> bool {
        !self.is_anchored() && self.speech_of(side).is_some_and(|(sdp, _)| keys::stand_in(&sdp))
    }

    /// A request within a dialog that brings keys, and one of the legs is in the clear: refused like the call that would begin
    /// so. True where it was; it has moved nothing.
    pub fn refuses_keys(&self, event: &Event<'_>, context: &mut Context<'_>) -> bool {
        let Event::Request { side, server, peer, flow, message } = event else { return false };
        // RFC 3264 §5, RFC 3311: these alone carry an offer that can be refused. A BYE ends the call and a PRACK acknowledges,
        // whatever they bring besides: it stays behind.
        let offers = matches!(message.method(), Method::Invite | Method::Update);
        let leg = self.leg(*side);
        if !offers || self.bears_keys() || !keys::carried(message) || !leg.owns(message, *peer) {
            return false;
        }
        let words = "keys of encrypted speech came within a call of which a leg is in the clear; the request was refused, and \
                     the call goes on";
        let refusal = Refusal::new(code::MEDIA_DOWNGRADE, &leg.peer.refusal, words.to_owned());
        self.alert(refusal.code, words, Some(refusal.status), context);
        self.answer(*side, *server, message, flow.remote, &Answer::bare(refusal.status), context);
        true
    }

    /// A new request within a dialog, from its peer, tells where that peer is now: behind a NAT that forgot, its port has
    /// changed. Anything else (a guess, a copy, another peer) moves nothing.
    pub fn follow(&mut self, event: &Event<'_>) {
        let Event::Request { side, peer, flow, message, .. } = event else { return };
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(*side);
        let stands = match leg.status {
            Status::Invited(_) | Status::Up => true,
            Status::Idle | Status::Calling(_) | Status::Ending(_) | Status::Over => false,
        };
        let newer = leg.remote_cseq == 0 || message.cseq().number > leg.remote_cseq;
        if stands && newer && leg.owns(message, *peer) {
            leg.turn(flow, &policy);
        }
    }

    /// Sets the clock for empty lines, where the caller or a target may want some.
    pub fn begin_keep_alive(&mut self, candidates: &[Candidate], context: &mut Context<'_>) {
        let called = candidates.iter().filter_map(|candidate| self.policy.peer(candidate.peer));
        self.keep_alive = called.chain([&self.a.peer]).filter_map(|peer| peer.keep_alive).min();
        self.arm_keep_alive(context);
    }

    /// Sends them to each leg that lives.
    pub fn keep_alive(&mut self, context: &mut Context<'_>) {
        for side in [Side::A, Side::B] {
            let leg = self.leg(side);
            let lives = match leg.status {
                Status::Invited(_) | Status::Calling(_) | Status::Up => true,
                Status::Idle | Status::Ending(_) | Status::Over => false,
            };
            if lives && leg.peer.keep_alive.is_some() {
                context.effects.push(Effect::KeepAlive { hop: leg.hop });
            }
        }
        self.arm_keep_alive(context);
    }

    fn arm_keep_alive(&self, context: &mut Context<'_>) {
        if let Some(interval) = self.keep_alive {
            let at = context.now.tick.after(interval);
            context.effects.push(Effect::Arm { timer: Timer::KeepAlive, at });
        }
    }
}
