//! Descriptions that the anchor does not take: what is told to whom, and whether the call goes on.
//!
//! Owns that an offer is refused and the call goes on, and that an answer which cannot be taken ends it: whoever gave it holds
//! to it. Refuses to know why it is not taken. Read first: RFC 3264 §4, §8; RFC 3261 §13.2.2.4, §14.2; attack row E3.

use super::answer::{Answer, Pending};
use super::core::{Core, Ending};
use super::media::{Saying, refused};
use super::offer::Offer;
use super::record::Disposition;
use super::relay::decline;
use super::{Context, ServerId, Side};
use crate::media::anchor::Refusal as Cause;
use crate::sip::{Flow, Message};

impl Core {
    /// What is left of a provisional response whose description cannot be taken. `Err`: nothing else can come of it.
    pub fn spoilt_first(
        &mut self,
        cause: Cause,
        message: &Message,
        certain: bool,
        context: &mut Context<'_>,
    ) -> Result<Message, Ending> {
        // RFC 6337 §3: what is said for certain is not said again. Another fork may still say what can be taken.
        if certain && cause != Cause::Pending {
            return Err(self.untaken(cause, Saying::Answering, context));
        }
        let refusal = refused(cause, Saying::Answering, &self.a.peer);
        self.threw_away(refusal.code, &refusal.text, context);
        Ok(message.without_body())
    }

    /// What crosses of the 2xx to A's INVITE; `None` as it came. `Err`: it describes what cannot be taken.
    pub fn cross_final(
        &mut self,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Ending> {
        if self.b.late_offer && self.b.offer == Offer::None {
            // Whoever else made an offer for want of ours has lost.
            self.media_withdrawn(context);
        }
        let crossed = self.cross_first(message, true, context);
        let crossed = crossed.map_err(|cause| self.untaken(cause, Saying::Answering, context))?;
        self.media_settled(context);
        Ok(crossed)
    }

    /// What crosses of a 2xx that answers an offer within the dialog, or of the ACK or PRACK that does; `None` as it came. `Err`:
    /// the two sides would talk by different words.
    pub fn cross_renewal(
        &mut self,
        from: Side,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Ending> {
        if message.body().is_empty() {
            // Nobody answers it.
            self.media_withdrawn(context);
            return Ok(None);
        }
        let crossed = self.cross_answer(from, message, context);
        let crossed = crossed.map_err(|cause| self.untaken(cause, Saying::Renewing, context))?;
        if self.story.answered.is_some() {
            // Where nothing was agreed in the INVITE, this is the first answer.
            self.media_settled(context);
        }
        Ok(crossed)
    }

    /// What crosses of the final answer to a request that holds an offer; `None` as it came. `Err`: it cannot be taken, and who
    /// asked was refused.
    pub fn settle_offer(
        &mut self,
        (from, pending): (Side, &Pending),
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Ending> {
        if status >= 300 {
            self.media_withdrawn(context);
            return Ok(None);
        }
        let crossed = self.cross_renewal(from.other(), message, context);
        crossed.inspect_err(|ending| {
            let answer = Answer::bare(ending.status);
            self.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        })
    }

    /// The same with an offer in a 2xx, because the request made none.
    pub fn cross_late(
        &mut self,
        from: Side,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<Option<Message>, Ending> {
        let crossed = self.cross_offer(from, message, context);
        crossed.map_err(|cause| self.untaken(cause, Saying::Renewing, context))
    }

    /// The end of a call with a peer that describes what cannot be taken, and its alert.
    pub fn untaken(&self, cause: Cause, saying: Saying, context: &mut Context<'_>) -> Ending {
        let refusal = refused(cause, saying, &self.a.peer);
        self.alert(refusal.code, &refusal.text, Some(refusal.status), context);
        let disposition =
            if self.story.answered.is_some() { Disposition::Answered } else { Disposition::Failed };
        Ending::refused(&refusal, self.a.peer.side, disposition)
    }

    /// Refuses a request whose offer cannot be taken; what stood before stands.
    pub fn decline_offer_of(
        &self,
        from: (Side, ServerId),
        flow: &Flow,
        message: &Message,
        cause: Cause,
        context: &mut Context<'_>,
    ) {
        let refusal = refused(cause, Saying::Renewing, &self.leg(from.0).peer);
        let status = match cause {
            // Nothing is wrong with it but its time.
            Cause::Pending => (refusal.status, false),
            // RFC 3261 §14.2: it may come again.
            Cause::Ports => (500, true),
            Cause::Description(_)
            | Cause::Clear
            | Cause::BestEffort
            | Cause::NoKey(_)
            | Cause::KeysInClear
            | Cause::Weaker
            | Cause::NoDtls
            | Cause::NoFingerprint
            | Cause::Place(_)
            | Cause::Codecs
            | Cause::Image
            | Cause::NoStream
            | Cause::Mismatch
            | Cause::Unasked => (refusal.status, false),
        };
        if cause != Cause::Pending {
            let words = format!("{}; the request was refused, and the call goes on", refusal.text);
            self.alert(refusal.code, &words, Some(status.0), context);
        }
        decline(self, from, flow, message, status, context);
    }
}
