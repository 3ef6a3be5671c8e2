//! A call's media at work: each description that crosses is said anew by the anchor, with what it orders of the relay.
//!
//! Owns every use of the anchor. Refuses to know when a description may cross, and what is in one: each is judged as a message
//! before, so that a copy or an untimely one moves nothing here. Read first: RFC 3264 §4, §8; RFC 3261 §13.2.1; RFC 6337 §3.

use std::sync::Arc;

use bytes::Bytes;

use super::core::Core;
use super::media::settings;
use super::offer::Offer;
use super::{Context, Effect, MediaMeans, Side};
use crate::media::anchor::{Anchor, LegSettings, Means, Passed, Refusal, Voice, Whence};
use crate::media::order::{MediaId, MediaLeg, Order};
use crate::policy::media::SiteMedia;
use crate::policy::{Peer, code};
use crate::sip::Message;

/// What a target is offered. The same goes again to the same target: by its next transport, or with another interval.
#[derive(Debug, Clone)]
pub(super) struct Described {
    /// Whether it was made for encrypted signalling.
    private: bool,
    /// Whether it offers RTP to a target of an emergency that takes no SRTP.
    clear: bool,
    pub sdp: Bytes,
}

impl Described {
    /// In the clear, whatever was offered.
    pub const fn bare(private: bool, sdp: Bytes) -> Self {
        Self { private, clear: true, sdp }
    }

    /// Whether it offers SRTP.
    pub fn is_secured(&self) -> bool {
        memchr::memmem::find(&self.sdp, b"RTP/SAVP").is_some()
    }
}

impl Core {
    /// Whether descriptions are said anew. The policy says so that admitted the call, for as long as it lives.
    pub fn is_anchored(&self) -> bool {
        self.policy.media.is_some()
    }

    /// The caller's offer for a target; `None` where nothing is said anew, or the caller makes none. Of the target tried
    /// `before` the same goes again.
    pub fn media_asks(
        &mut self,
        callee: &Arc<Peer>,
        (private, clear): (bool, bool),
        before: Option<Described>,
        context: &mut Context<'_>,
    ) -> Result<Option<Described>, Refusal> {
        let policy = Arc::clone(&self.policy);
        let Some(site) = &policy.media else { return Ok(None) };
        if let Some(before) = before.filter(|before| (before.private, before.clear) == (private, clear)) {
            return Ok(Some(before));
        }
        let Some(invite) = self.invite.as_deref().filter(|pending| !pending.message.body().is_empty()) else {
            return Ok(None);
        };
        let (body, whence) = (invite.message.clone(), self.whence(Side::A));
        let mut leg = leg_settings(site, callee, (private && !clear, self.story.emergency), context);
        if clear {
            // Without keys that may be told and without a certificate there is nothing but RTP to offer.
            leg.fingerprint = None;
        }
        let leg = Arc::new(leg);
        let passed = if self.media.is_some() {
            let retargeted = self.step(context, |anchor, means| {
                let (orders, passed) = anchor.retarget(leg, means);
                Ok((orders, passed))
            });
            let (orders, passed) = retargeted?;
            order(orders, context);
            passed?
        } else {
            self.begin_media(site, leg, context)?;
            let passed = self.step(context, |anchor, means| anchor.offer(whence, body.body(), means));
            if passed.is_err() {
                // Nobody has described anything; the next target begins anew.
                self.media = None;
            }
            passed?
        };
        Ok(Some(Described { private, clear, sdp: Bytes::from(self.take(passed, context)) }))
    }

    /// What crosses of a response to A's INVITE that is not given up; `None` as it came. `certain` says whether it is heard for
    /// certain: it is final, or reliable.
    pub fn cross_first(
        &mut self,
        message: &Message,
        certain: bool,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Refusal> {
        if !self.is_anchored() || message.body().is_empty() {
            return Ok(None);
        }
        // RFC 6337 §3.1.1: what was answered for certain is said once more, and while another offer waits in the same dialog it
        // could be taken for its answer. RFC 3262 §5: what is not said for certain is no offer.
        let later = self.a.sdp.is_some() && self.b.offer != Offer::Agreed;
        match (self.b.late_offer, self.b.offer) {
            (true, Offer::None) if certain => self.cross_offer(Side::B, message, context),
            (false, _) if !later => self.cross_answer(Side::B, message, context),
            (true | false, _) => Ok(Some(message.without_body())),
        }
    }

    /// The message with what crosses of its offer; `None` as it came: nothing is said anew, or it holds none.
    pub fn cross_offer(
        &mut self,
        from: Side,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Refusal> {
        self.cross(from, message, Anchor::offer, context)
    }

    /// The same with an answer in it.
    pub fn cross_answer(
        &mut self,
        from: Side,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Refusal> {
        self.cross(from, message, Anchor::answer, context)
    }

    fn cross(
        &mut self,
        from: Side,
        message: &Message,
        step: impl FnOnce(&mut Anchor, Whence, &[u8], &mut Means<'_>) -> Result<Passed, Refusal>,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Refusal> {
        let policy = Arc::clone(&self.policy);
        let Some(site) = policy.media.as_ref().filter(|_| !message.body().is_empty()) else {
            return Ok(None);
        };
        if self.media.is_none() {
            // The caller made no offer, or nothing came of the first one.
            let private = self.b.hop.transport.is_encrypted();
            let leg = Arc::new(leg_settings(site, &self.b.peer, (private, self.story.emergency), context));
            self.begin_media(site, leg, context)?;
        }
        let whence = self.whence(from);
        let passed = self.step(context, |anchor, means| step(anchor, whence, message.body(), means))?;
        Ok(Some(message.with_sdp(&self.take(passed, context))))
    }

    /// Another one stands on a leg: nothing is agreed, and what is said on either follows what was said there before.
    pub fn media_anew(
        &mut self,
        voices: [(Side, Option<Voice>); 2],
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let policy = Arc::clone(&self.policy);
        let Some(site) = &policy.media else { return Ok(()) };
        let private = self.b.hop.transport.is_encrypted();
        let leg = Arc::new(leg_settings(site, &self.b.peer, (private, self.story.emergency), context));
        self.begin_media(site, leg, context)?;
        for (side, voice) in voices {
            if let (Some(anchor), Some(voice)) = (&mut self.media, voice) {
                anchor.go_on_as(side.media(), voice);
            }
        }
        Ok(())
    }

    /// Both dialogs are up: what was agreed in the one that the legs stand for is what holds. Where nothing was, nothing flows,
    /// and the next offer begins anew.
    pub fn media_settled(&mut self, context: &mut Context<'_>) {
        if self.media.is_none() {
            return;
        }
        let fork = self.whence(Side::A).fork;
        match self.step(context, |anchor, means| anchor.settle(fork, means)) {
            Ok(orders) => order(orders, context),
            Err(_) => self.media_closed(context),
        }
    }

    /// What stands on a leg is what is said there next: a refresh of ours, or the answer to an offer of nothing new.
    pub fn say_again(&mut self, side: Side, context: &mut Context<'_>) {
        if self.media.is_none() {
            return;
        }
        let said = self.step(context, |anchor, means| Ok(anchor.repeat(side.media(), means)));
        if let Ok(Some(said)) = said {
            self.leg_mut(side).sdp = Some(said.into_boxed_slice());
        }
    }

    /// What is said next on a leg has another key of ours.
    pub fn media_spent(&mut self, side: Side) {
        if let Some(anchor) = &mut self.media {
            anchor.renew(side.media());
        }
    }

    /// The answer to it is taken: its peer may have moved, or have taken another key. What it says besides stays on its leg.
    pub fn media_repeated(
        &mut self,
        side: Side,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if self.media.is_some() && !message.body().is_empty() {
            let taken =
                self.step(context, |anchor, means| anchor.repeated(side.media(), message.body(), means));
            order(taken?, context);
        }
        Ok(())
    }

    /// Whether an offer of a leg's peer says what stands there already; `None` where descriptions cross as they come.
    pub fn media_knows(&self, side: Side, offer: &Message) -> Option<bool> {
        let knows = || self.media.as_ref().and_then(|anchor| anchor.knows(side.media(), offer.body()));
        self.is_anchored().then(|| knows() == Some(true))
    }

    /// Nobody takes the offer that waits, if one does: what stood before stands.
    pub fn media_withdrawn(&mut self, context: &mut Context<'_>) {
        if self.media.is_some()
            && let Ok(orders) = self.step(context, |anchor, means| Ok(anchor.withdraw(means)))
        {
            order(orders, context);
        }
    }

    /// The call is over: every port goes back.
    pub fn media_closed(&mut self, context: &mut Context<'_>) {
        let Some(anchor) = self.media.take() else { return };
        let Context { media: Some(MediaMeans { ports, .. }), now, random, effects, .. } = context else {
            return;
        };
        let mut means = Means { ports, now: now.tick, random: &mut **random };
        effects.extend(anchor.close(&mut means).into_iter().map(Effect::Media));
    }

    fn begin_media(
        &mut self,
        site: &SiteMedia,
        callee: Arc<LegSettings>,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        // A call that has ended takes no ports any more.
        if self.recorded {
            return Err(Refusal::Unasked);
        }
        let private = self.a.hop.transport.is_encrypted();
        let caller = Arc::new(leg_settings(site, &self.a.peer, (private, self.story.emergency), context));
        let MediaMeans { next, .. } = context.media.as_mut().ok_or(Refusal::Ports)?;
        let media = MediaId(**next);
        **next += 1;
        let mut anchor = Anchor::new(media, caller, callee);
        if let Some(voice) = self.joining.as_ref().and_then(|joining| joining.voice.clone()) {
            anchor.go_on_as(MediaLeg::A, voice);
        }
        self.media = Some(Box::new(anchor));
        Ok(())
    }

    fn whence(&self, from: Side) -> Whence {
        // Early dialogs are one on each leg for one on the other, and each pair has a tag of ours on leg A.
        Whence { leg: from.media(), fork: self.a.local_tag.0 }
    }

    fn step<T>(
        &mut self,
        context: &mut Context<'_>,
        step: impl FnOnce(&mut Anchor, &mut Means<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Context { media: Some(MediaMeans { ports, .. }), now, random, .. } = context else {
            // Begun under a policy that the process did not start with.
            return Err(Refusal::Ports);
        };
        let anchor = self.media.as_deref_mut().ok_or(Refusal::Unasked)?;
        step(anchor, &mut Means { ports, now: now.tick, random: &mut **random })
    }

    fn take(&self, passed: Passed, context: &mut Context<'_>) -> Vec<u8> {
        if passed.exposed {
            let words = "the media of an emergency call is in the clear on a leg where that is refused to any other: its peer would not have it otherwise";
            self.alert(code::MEDIA_DOWNGRADE, words, None, context);
        }
        if let Some(misplaced) = passed.misplaced {
            let words = format!(
                "speech of an emergency call would go to {misplaced}; it was let pass, and any other call is refused for it: look at `media.networks` of the peer"
            );
            self.alert(code::BAD_SDP, &words, None, context);
        }
        order(passed.orders, context);
        passed.sdp
    }
}

fn leg_settings(
    site: &SiteMedia,
    peer: &Peer,
    (private, emergency): (bool, bool),
    context: &Context<'_>,
) -> LegSettings {
    let fingerprint = context.media.as_ref().and_then(|media| media.fingerprint);
    settings((site, fingerprint), peer, private, emergency)
}

fn order(orders: Vec<Order>, context: &mut Context<'_>) {
    context.effects.extend(orders.into_iter().map(Effect::Media));
}
