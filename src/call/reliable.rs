//! Reliable provisional responses of one pair of early dialogs: the callee's in order, ours to the caller until
//! acknowledged.
//!
//! Owns RSeq and RAck on both legs and the repetition towards the caller. Refuses to know forks and the final answer.
//! Read first: RFC 3262 §3-5; RFC 3264 §4.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::answer::{Answer, Body, Pending};
use super::core::Core;
use super::leg::Outgoing;
use super::offer::Offer;
use super::{Branch, Context, Effect, ServerId, Side, Timer};
use crate::clock::Tick;
use crate::policy::Peer;
use crate::sip::headers::{RAck, rseq};
use crate::sip::{HeaderName, Message, Method};

/// The option tag (RFC 3262 §8).
pub const OPTION: &str = "100rel";

/// Reliable provisional responses of one dialog that wait behind the one the caller has not acknowledged. What does not
/// fit is dropped unacknowledged, so its sender repeats it.
const WAITING_MAX: usize = 4;

/// What the caller's INVITE says of reliable provisional responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Caller {
    /// It does not know them.
    #[default]
    Unaware,
    /// It can acknowledge them.
    Supports,
    /// It takes no others (RFC 3262 §3).
    Requires,
}

impl Caller {
    /// Reads the INVITE of a peer; a peer that the extension is closed to has none of it.
    pub fn of(invite: &Message, peer: &Peer) -> Self {
        if !peer.extensions.reliable {
            Self::Unaware
        } else if invite.lists(HeaderName::Require, OPTION) {
            Self::Requires
        } else if invite.lists(HeaderName::Supported, OPTION) {
            Self::Supports
        } else {
            Self::Unaware
        }
    }
}

/// Whether our INVITE to `callee` says that we acknowledge reliable provisional responses: where the caller does, or
/// where its offer is in the INVITE, for then a PRACK of our own needs no session description.
pub(super) fn is_offered(invite: &Message, caller: &Peer, callee: &Peer) -> bool {
    callee.extensions.reliable && (Caller::of(invite, caller) != Caller::Unaware || !invite.body().is_empty())
}

/// What a PRACK to the callee acknowledges: its RSeq, and the number of our INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledges {
    pub rseq: u32,
    pub cseq: u32,
}

impl Acknowledges {
    /// The RAck value.
    pub fn value(self) -> String {
        format!("{} {} INVITE", self.rseq, self.cseq)
    }
}

/// A reliable provisional response of ours that the caller has not acknowledged.
#[derive(Debug)]
pub(super) struct Sent {
    server: ServerId,
    status: u16,
    bytes: Bytes,
    rseq: u32,
    /// The caller's INVITE's number.
    cseq: u32,
    /// The callee's response behind it; `None` where it was not reliable there.
    pub behind: Option<Acknowledges>,
    /// Whether a session description is in it.
    pub session: bool,
    interval: Duration,
    again: Tick,
    over: Tick,
}

impl Sent {
    /// Whether a RAck names it (RFC 3262 §3).
    pub fn is_named(&self, rack: &RAck<'_>) -> bool {
        self.rseq == rack.rseq && self.cseq == rack.cseq && rack.method == Method::Invite.as_bytes()
    }
}

/// A provisional response that waits until the one before it is acknowledged.
#[derive(Debug)]
struct Waiting {
    message: Message,
    behind: Option<Acknowledges>,
}

/// What is under way in one pair of early dialogs.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// The last RSeq of the callee that was taken.
    heard: Option<u32>,
    /// Our last one to the caller.
    said: u32,
    sent: Option<Box<Sent>>,
    waiting: VecDeque<Waiting>,
    /// The callee's answer in a provisional response, where the caller has not had it reliably: the 2xx need not hold it
    /// again after a reliable one, and there are callees whose 2xx leaves it out after any.
    pub answer: Option<Message>,
}

impl Reliable {
    /// RFC 3262 §4: takes a reliable response of the callee if it is the next one and there is room; a copy, one out of
    /// order and one too many are not.
    pub fn takes(&mut self, rseq: u32) -> bool {
        let next = self.heard.is_none_or(|heard| heard.checked_add(1) == Some(rseq));
        let takes = next && !self.is_full();
        if takes {
            self.heard = Some(rseq);
        }
        takes
    }

    /// Bytes of messages that are held.
    pub fn bytes(&self) -> usize {
        let sent = self.sent.as_ref().map_or(0, |sent| sent.bytes.len());
        let waiting = self.waiting.iter().map(|waiting| waiting.message.bytes().len()).sum::<usize>();
        sent + waiting + self.answer.as_ref().map_or(0, |answer| answer.bytes().len())
    }

    /// Whether nothing more may wait.
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Whether the final answer must wait: RFC 3262 §3, a session description in a response of ours is not acknowledged.
    pub fn holds_answer(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.session)
            || self.waiting.iter().any(|waiting| !waiting.message.body().is_empty())
    }

    /// Sends it, or lets it wait for the one before it.
    pub fn say(
        &mut self,
        core: &mut Core,
        message: &Message,
        behind: Option<Acknowledges>,
        context: &mut Context<'_>,
    ) {
        if self.sent.is_none() {
            self.send(core, message, behind, context);
        } else if !self.is_full() {
            self.waiting.push_back(Waiting { message: message.clone(), behind });
        }
    }

    fn send(
        &mut self,
        core: &mut Core,
        message: &Message,
        behind: Option<Acknowledges>,
        context: &mut Context<'_>,
    ) {
        let Some(Pending { server, message: invite, source }) = core.invite.as_deref() else { return };
        // RFC 3262 §3: any number from 1 to 2**31 - 1 to begin with, then one more each time.
        self.said = if self.said == 0 { 1 + context.random.below((1 << 31) - 2) } else { self.said + 1 };
        // What the callee did not send reliably is no offer; the caller would answer it, and nobody would hear that.
        let left = behind.is_none() && core.a.offer == Offer::None;
        let body = if left { Body::Left } else { Body::Carried };
        let session = !left && !message.body().is_empty();
        let number = self.said.to_string();
        let allow = super::answer::allow(&core.a.peer);
        let adds = [
            (HeaderName::Require, OPTION.as_bytes()),
            (HeaderName::RSeq, number.as_bytes()),
            (HeaderName::Allow, &*allow),
        ];
        let status = message.status().unwrap_or(183);
        let answer = Answer { carried: Some(message), body, adds: &adds, ..Answer::bare(status) };
        let (server, cseq) = (*server, invite.cseq().number);
        let bytes = core.answer(Side::A, server, invite, *source, &answer, context);
        if session {
            core.a.offer = core.a.offer.said();
            core.keep_sdp(Side::A, message);
        }
        let timing = &context.settings.timing;
        let now = context.now.tick;
        self.sent = Some(Box::new(Sent {
            server,
            status,
            bytes,
            rseq: self.said,
            cseq,
            behind,
            session,
            interval: timing.t1,
            again: now.after(timing.t1),
            over: now.after(timing.give_up()),
        }));
    }

    /// The one that a PRACK of the caller acknowledges; the next one then goes.
    pub fn acknowledged(&mut self, rack: &RAck<'_>) -> Option<Box<Sent>> {
        self.sent.take_if(|sent| sent.is_named(rack))
    }

    /// Sends the one that waited, if any.
    pub fn go_on(&mut self, core: &mut Core, context: &mut Context<'_>) {
        if self.sent.is_none()
            && let Some(Waiting { message, behind }) = self.waiting.pop_front()
        {
            self.send(core, &message, behind, context);
        }
    }

    /// Repeats what is due; false when the caller has not acknowledged it for 64*T1 (RFC 3262 §3).
    pub fn repeat(&mut self, context: &mut Context<'_>) -> bool {
        let Some(sent) = self.sent.as_deref_mut() else { return true };
        let now = context.now.tick;
        if sent.over <= now {
            return false;
        }
        if sent.again <= now {
            // RFC 3262 §3: the interval doubles, and no T2 bounds it.
            sent.interval = sent.interval.saturating_mul(2);
            sent.again = now.after(sent.interval);
            let (server, status, bytes) = (sent.server, sent.status, sent.bytes.clone());
            context.effects.push(Effect::Respond { side: Side::A, server, status, bytes });
        }
        true
    }

    /// When something is due next.
    pub fn due(&self) -> Option<Tick> {
        self.sent.as_ref().map(|sent| sent.again.min(sent.over))
    }

    /// What the caller may still acknowledge after the final answer.
    pub fn into_sent(self) -> Option<Box<Sent>> {
        self.sent
    }
}

/// RSeq and the INVITE's number of a response that is to be acknowledged; `None` for one that is not reliable.
pub(super) fn read(response: &Message) -> Option<Acknowledges> {
    if !response.lists(HeaderName::Require, OPTION) {
        return None;
    }
    let rseq = response.header(HeaderName::RSeq).and_then(|value| rseq(value).ok())?;
    Some(Acknowledges { rseq, cseq: response.cseq().number })
}

/// Acknowledges a response of the callee by ourselves: its session description, if any, was no offer.
pub(super) fn acknowledge(core: &mut Core, response: Acknowledges, context: &mut Context<'_>) {
    let branch = Branch(context.random.bits());
    let cseq = core.b.next_cseq();
    let value = response.value();
    let adds = [(HeaderName::RAck, value.as_bytes())];
    let prack = Outgoing { adds: &adds, ..Outgoing::bare(&Method::Prack, branch, cseq) };
    let (hop, bytes) = core.b.request(&core.policy, context.settings, &prack);
    context.effects.push(Effect::Request { branch, side: Side::B, invite: false, hop, bytes });
}

/// Arms the one deadline of what is repeated, or disarms it.
pub(super) fn arm(due: Option<Tick>, context: &mut Context<'_>) {
    match due {
        Some(at) => context.effects.push(Effect::Arm { timer: Timer::Reliable, at }),
        None => context.effects.push(Effect::Disarm(Timer::Reliable)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_taken_in_order_and_once() {
        let mut reliable = Reliable::default();
        let taken: Vec<bool> = [7, 7, 9, 8, 7, 9, 11].map(|rseq| reliable.takes(rseq)).to_vec();
        assert_eq!(taken, [true, false, false, true, false, true, false]);
        let mut last = Reliable { heard: Some(u32::MAX), ..Reliable::default() };
        assert!(!last.takes(0) && !last.takes(u32::MAX), "RSeq never wraps");
    }
}
