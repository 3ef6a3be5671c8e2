//! What of a message's body a call takes up: its session description, or nothing.
//!
//! Owns what happens when a peer answers with a body that cannot be one. What comes in requests was judged before, and
//! refused. Refuses to look into bodies (`sip/body.rs`). Read first: RFC 3261 §13.2.2.4, §13.3.1; RFC 3264 §4, §5.

use super::answer::{Answer, Pending};
use super::core::{Core, Ending, reason_text};
use super::leg::Carried;
use super::offer::Offer;
use super::record::{Disposition, EndedBy};
use super::setup::Setup;
use super::talk::Talk;
use super::{Branch, Context, Event, Phase, Side};
use crate::policy::code::{self, Code};
use crate::sip::body::{self, Session};
use crate::sip::{Flow, Message, Method, keys};

const NOT_DESCRIBED: &str = "the far side accepted a call and described no media of its own, neither in its 200 nor before: nobody will hear it. Ask whoever runs it";

const KEYS: &str = "keys of encrypted speech came, and a leg of the call is in the clear";

const KEYS_STAYED: &str = "an ACK or PRACK brought keys of encrypted speech, and a leg of the call is in the clear; they did not cross";

const NO_ANSWER: &str = "the far side answered with a body that is no session description";

/// Whether a body of the far side was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spoilt {
    /// In the response at hand.
    now: bool,
    /// In one to the INVITE that opens the call.
    before: bool,
}

impl<'a> Event<'a> {
    /// The message it brings, where its body may cross.
    fn carrier(&self) -> Option<&'a Message> {
        match self {
            Event::Request { message, .. } | Event::Ack { message, .. } | Event::Response { message, .. } => {
                Some(message)
            }
            Event::Cancel { .. }
            | Event::Failed { .. }
            | Event::Gone { .. }
            | Event::Timer(_)
            | Event::Placed(_)
            | Event::Sought(_)
            | Event::End(_) => None,
        }
    }

    /// The same with another message.
    pub(super) fn bringing<'b>(self, other: &'b Message) -> Event<'b>
    where
        'a: 'b,
    {
        match self {
            Event::Request { side, server, peer, flow, .. } => {
                Event::Request { side, server, peer, flow, message: other }
            }
            Event::Ack { side, peer, .. } => Event::Ack { side, peer, message: other },
            Event::Response { side, branch, flow, proof, .. } => {
                Event::Response { side, branch, flow, message: other, proof }
            }
            Event::Cancel { .. }
            | Event::Failed { .. }
            | Event::Gone { .. }
            | Event::Timer(_)
            | Event::Placed(_)
            | Event::Sought(_)
            | Event::End(_) => self,
        }
    }
}

/// Whether session descriptions travel in it and in its responses.
const fn negotiates(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Ack | Method::Prack | Method::Update)
}

/// The message as the call takes it up; `None` as it came.
pub(super) fn narrowed(message: &Message) -> Result<Option<Message>, body::Fault> {
    body::session(message).map(|session| held(message, session))
}

/// The INVITE of a call as it takes it up; the engine has refused what is no session description, but of an emergency.
pub(super) fn opening(invite: &Message, emergency: bool) -> Message {
    let session = if emergency { body::session_for_help(invite) } else { body::session(invite) };
    let narrowed = session.map(|session| held(invite, session));
    narrowed.ok().flatten().unwrap_or_else(|| invite.clone())
}

fn held(message: &Message, session: Session<'_>) -> Option<Message> {
    match session {
        Session::Absent | Session::Alone => None,
        Session::Spare => Some(message.without_body()),
        Session::Part(part, kind) => Some(message.with_part(part, kind)),
    }
}

impl Core {
    /// What the call takes up of the message of an event; `None` as it came. A response's body that is no session
    /// description is thrown away with an alert: whether the call can do without is told by [`Self::misses_answer`].
    pub fn take_up(&mut self, event: &Event<'_>, context: &mut Context<'_>) -> Option<Message> {
        let message = event.carrier()?;
        let is_response = matches!(event, Event::Response { .. });
        if is_response {
            self.spoilt.now = false;
        }
        if message.body().is_empty() && !message.has(crate::sip::HeaderName::ContentType) {
            return None;
        }
        if !negotiates(message.method()) {
            // RFC 6086 §4.2.1, RFC 3428 §7: nothing that crosses here is answered with a body; a BYE is told by its Reason.
            let leaves = is_response || *message.method() == Method::Bye;
            return leaves.then(|| message.without_body());
        }
        if self.is_anchored() && is_response && message.status().is_some_and(|status| status >= 300) {
            // RFC 3261 §21.4.26: it may say what its sender would have taken, and where.
            return Some(message.without_body());
        }
        match narrowed(message) {
            Ok(_) if !self.bears_keys() && keys::carried(message) => {
                // An INVITE and an UPDATE were refused; an ACK cannot be and a PRACK is not, and what they bring does not cross either.
                if is_response {
                    self.threw_away(code::SECURE_MEDIA_NOT_ACCEPTED, KEYS, context);
                } else {
                    self.alert(code::SECURE_MEDIA_NOT_ACCEPTED, KEYS_STAYED, None, context);
                }
                Some(message.without_body())
            }
            Ok(narrowed) => narrowed,
            Err(fault) => {
                if is_response && message.status().is_some_and(|status| status < 300) {
                    let code = if fault.hides() { code::HIDDEN_BODY } else { code::BAD_SDP };
                    self.threw_away(code, fault.why(), context);
                }
                Some(message.without_body())
            }
        }
    }

    pub fn threw_away(&mut self, code: Code, why: &str, context: &mut Context<'_>) {
        self.spoilt = Spoilt { now: true, before: self.spoilt.before || self.story.answered.is_none() };
        self.alert(code, &format!("in a response, {why}; it did not cross"), None, context);
    }

    /// Whether a 2xx that should hold the answer, or the offer, held something else.
    pub fn misses_answer(&self, message: &Message) -> bool {
        let success = message.status().is_some_and(|status| (200..300).contains(&status));
        success && self.spoilt.now && message.body().is_empty()
    }

    /// The same for the 2xx that opens the call, where it holds nothing at all in answer to our offer as well: an answer may
    /// have come before, in another response.
    pub fn misses_first(&self, message: &Message, answered_before: bool) -> bool {
        let spoilt = self.spoilt.now || self.spoilt.before;
        // Once it was answered, an offer that is under way is a later one, in an UPDATE.
        let answered = answered_before || self.a.sdp.is_some();
        let described = answered || self.a.offer == Offer::Agreed || self.a.offer == Offer::Sent;
        (spoilt || self.b.offer == Offer::Sent) && !described && message.body().is_empty()
    }
}

/// The end of a call that the far side answered with something else than a session description.
pub(super) fn amiss(talks: bool) -> Ending {
    let disposition = if talks { Disposition::Answered } else { Disposition::Failed };
    Ending {
        code: Some(code::BAD_SDP.number),
        reason: reason_text(NO_ANSWER),
        ..Ending::new(EndedBy::Edge, disposition, 500, NO_ANSWER)
    }
}

impl Setup {
    /// Why the 2xx of the callee makes no call, if so.
    pub(super) fn amiss(
        &self,
        core: &mut Core,
        message: &Message,
        readable: bool,
        context: &mut Context<'_>,
    ) -> Option<Ending> {
        if !readable {
            let why = "the answer's Contact cannot be read";
            return Some(Ending::new(EndedBy::Edge, Disposition::Failed, 500, why));
        }
        // RFC 3261 §13.2.1: the 2xx must hold what no response before it held; without it no media was agreed.
        if !core.misses_first(message, self.forks.reliable.answer.is_some()) {
            return None;
        }
        if core.spoilt != Spoilt::default() {
            return Some(amiss(false));
        }
        // Whoever called may make of it what it can: there are test rigs and machines that do without.
        core.alert(code::BAD_SDP, NOT_DESCRIBED, None, context);
        None
    }
}

impl Talk {
    /// The 2xx to a re-INVITE holds no answer, or no offer: acknowledged, refused to whoever asked, and the call is over.
    pub(super) fn exchange_misses(
        self,
        core: &mut Core,
        (from, pending): (Side, &Pending),
        (branch, flow): (Branch, &Flow),
        message: &Message,
        context: &mut Context<'_>,
    ) -> Phase {
        let other = from.other();
        let policy = std::sync::Arc::clone(&core.policy);
        core.leg_mut(other).refresh(message, flow, &policy);
        core.acknowledge(other, message.cseq().number, branch, Carried::Nothing, context);
        core.agree();
        let answer = Answer::bare(500);
        core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        self.end(core, &amiss(true), None, context)
    }
}
