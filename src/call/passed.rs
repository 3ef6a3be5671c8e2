//! The messages of a call as its record tells them: when, on which leg, which way, and what.
//!
//! Owns the list and its bound. It is read off the events that come and the effects that go, at one place, so that no
//! phase can forget to tell. What the transactions do by themselves (100, retransmissions, the ACK of a refusal, the
//! answer to a CANCEL) is not in it. Read first: RFC 3261 §7.

use std::fmt;
use std::net::SocketAddr;

use super::core::Core;
use super::{Context, Effect, Event, Side};
use crate::clock::Tick;
use crate::sip::text::decimal_into;
use crate::sip::{Message, Method, again};

/// Messages that a record tells; of more, only how many there were.
pub const MESSAGES_MAX: usize = 64;

/// Messages of a plain call from INVITE to ACK, so that it is held in one piece.
const USUAL: usize = 10;

/// A method in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// INVITE.
    Invite,
    /// ACK.
    Ack,
    /// BYE.
    Bye,
    /// CANCEL.
    Cancel,
    /// OPTIONS.
    Options,
    /// REGISTER.
    Register,
    /// PRACK.
    Prack,
    /// UPDATE.
    Update,
    /// INFO.
    Info,
    /// MESSAGE.
    Message,
    /// REFER.
    Refer,
    /// SUBSCRIBE.
    Subscribe,
    /// NOTIFY.
    Notify,
    /// PUBLISH.
    Publish,
    /// Any other.
    Other,
}

impl Word {
    const fn of(method: &Method) -> Self {
        match method {
            Method::Invite => Self::Invite,
            Method::Ack => Self::Ack,
            Method::Bye => Self::Bye,
            Method::Cancel => Self::Cancel,
            Method::Options => Self::Options,
            Method::Register => Self::Register,
            Method::Prack => Self::Prack,
            Method::Update => Self::Update,
            Method::Info => Self::Info,
            Method::Message => Self::Message,
            Method::Refer => Self::Refer,
            Method::Subscribe => Self::Subscribe,
            Method::Notify => Self::Notify,
            Method::Publish => Self::Publish,
            Method::Other(_) => Self::Other,
        }
    }

    /// As written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Info => "INFO",
            Self::Message => "MESSAGE",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Other => "OTHER",
        }
    }
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Milliseconds since the call began.
    pub at_ms: u32,
    /// The status of a response, 0 for a request.
    pub status: u16,
    /// The place of its leg in the record: 0 is the caller's, then the targets in the order they were tried.
    pub leg: u8,
    /// The method, of a response that of its request.
    pub word: Word,
    /// Whether the edge sent it.
    pub sent: bool,
    /// Whether it held a body.
    pub body: bool,
}

impl Passed {
    /// Adds it as a record tells it. `120 1> 200 INVITE body`: after 120 ms came from leg 1; `>1` went to leg 1. Nothing
    /// in it needs an escape.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        let Self { at_ms, status, leg, word, sent, body } = *self;
        decimal_into(u64::from(at_ms), out);
        out.extend_from_slice(if sent { b" >" } else { b" " });
        decimal_into(u64::from(leg), out);
        out.extend_from_slice(if sent { b" " } else { b"> " });
        if status > 0 {
            decimal_into(u64::from(status), out);
            out.push(b' ');
        }
        out.extend_from_slice(word.as_str().as_bytes());
        out.extend_from_slice(if body { b" body" } else { b"" });
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::with_capacity(32);
        self.write_into(&mut line);
        f.write_str(std::str::from_utf8(&line).unwrap_or_default())
    }
}

/// What passed, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Messages {
    list: Vec<Passed>,
    /// How many are not in the list.
    more: u32,
}

impl Messages {
    /// An empty list with room for a plain call.
    #[must_use]
    pub fn with_room() -> Self {
        Self { list: Vec::with_capacity(USUAL), more: 0 }
    }

    /// The messages, first to last.
    #[must_use]
    pub fn list(&self) -> &[Passed] {
        &self.list
    }

    /// How many came after the list was full.
    #[must_use]
    pub const fn more(&self) -> u32 {
        self.more
    }

    fn push(&mut self, passed: Passed) {
        if self.list.len() < MESSAGES_MAX {
            self.list.push(passed);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The leg of the INVITE that was sent last.
    fn invited(&self) -> Option<u8> {
        let mut sent = self.list.iter().rev().filter(|passed| passed.sent && passed.leg > 0);
        sent.find(|passed| passed.word == Word::Invite).map(|passed| passed.leg)
    }
}

impl Core {
    /// Notes the message that an event brought.
    pub(super) fn note_event(&mut self, event: &Event<'_>, now: Tick) {
        let (side, message, remote) = match event {
            Event::Request { side, flow, message, .. } | Event::Response { side, flow, message, .. } => {
                (*side, *message, Some(flow.remote))
            }
            Event::Ack { side, message, .. } => (*side, *message, None),
            // It was matched to an INVITE of one leg by branch and sender; only the Call-ID tells which.
            Event::Cancel { message, .. } if message.call_id() == &*self.b.call_id => {
                (Side::B, *message, None)
            }
            Event::Cancel { message, .. } => (Side::A, *message, None),
            Event::Failed { .. }
            | Event::Gone { .. }
            | Event::Timer(_)
            | Event::Placed(_)
            | Event::Sought(_)
            | Event::End(_) => return,
        };
        self.note_came(side, message, remote, now);
    }

    /// Notes a message that came on a leg: the one that its tag or branch belongs to, whatever Call-ID it names.
    pub(super) fn note_came(&mut self, side: Side, message: &Message, remote: Option<SocketAddr>, now: Tick) {
        if self.recorded {
            return;
        }
        let passed = Passed {
            at_ms: self.since_began(now),
            status: message.status().unwrap_or(0),
            leg: self.place(side, remote),
            word: Word::of(message.method()),
            sent: false,
            body: !message.body().is_empty(),
        };
        self.story.messages.push(passed);
    }

    /// Notes what the effects since the last time put on the wire.
    pub(super) fn note_sent(&mut self, context: &mut Context<'_>) {
        let from = std::mem::replace(&mut self.noted, count(context.effects));
        if self.recorded {
            return;
        }
        let at_ms = self.since_began(context.now.tick);
        for effect in context.effects.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default() {
            let (leg, status, word, bytes) = match effect {
                Effect::Request { side, hop, bytes, .. }
                | Effect::Again { side, hop, bytes, .. }
                | Effect::Send { side, hop, bytes, .. } => {
                    (self.place(*side, Some(hop.remote)), 0, first_word(bytes), &bytes[..])
                }
                Effect::Respond { side, status, bytes, .. } => {
                    (self.place(*side, None), *status, cseq_word(bytes), &bytes[..])
                }
                Effect::Cancel { side: Side::A, .. } => (0, 0, Word::Cancel, &b""[..]),
                Effect::Cancel { side: Side::B, .. } => {
                    let leg = self.story.messages.invited().unwrap_or(1);
                    (leg, 0, Word::Cancel, &b""[..])
                }
                Effect::Media(_)
                | Effect::Resend { .. }
                | Effect::KeepAlive { .. }
                | Effect::Bind { .. }
                | Effect::Unbind { .. }
                | Effect::Arm { .. }
                | Effect::Disarm(_)
                | Effect::Alert(_)
                | Effect::Place(_)
                | Effect::Placed(_)
                | Effect::Offer
                | Effect::Seek(_)
                | Effect::Recall
                | Effect::Record(_)
                | Effect::Attempt(_)
                | Effect::Ended => continue,
            };
            let body = !bytes.is_empty() && !bytes.ends_with(b"\r\n\r\n");
            self.story.messages.push(Passed { at_ms, status, leg, word, sent: true, body });
        }
    }

    fn since_began(&self, now: Tick) -> u32 {
        u32::try_from(now.since(self.story.began_at).as_millis()).unwrap_or(u32::MAX)
    }

    /// The place of a leg in the record: of several targets the last that stands at this address, else the last.
    fn place(&self, side: Side, remote: Option<SocketAddr>) -> u8 {
        match side {
            Side::A => 0,
            Side::B => {
                let tried = &self.story.tried;
                let at = tried.iter().rposition(|tried| Some(tried.remote) == remote);
                u8::try_from(at.map_or(tried.len(), |at| at + 1)).unwrap_or(u8::MAX).max(1)
            }
        }
    }
}

/// How many effects there are; a transition has a few.
pub(super) fn count(effects: &super::Effects) -> u32 {
    u32::try_from(effects.len()).unwrap_or(u32::MAX)
}

/// The method of a request of ours.
fn first_word(bytes: &[u8]) -> Word {
    let end = memchr::memchr(b' ', bytes).unwrap_or(0);
    word(bytes.get(..end).unwrap_or_default())
}

/// The method in the CSeq of a response of ours.
fn cseq_word(bytes: &[u8]) -> Word {
    word(again::cseq(bytes).map_or(b"", |(_, method)| method))
}

fn word(token: &[u8]) -> Word {
    Method::known(token).as_ref().map_or(Word::Other, Word::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line() {
        let came = Passed { at_ms: 7, status: 0, leg: 0, word: Word::Invite, sent: false, body: true };
        assert_eq!(came.to_string(), "7 0> INVITE body");
        let went = Passed { at_ms: 120, status: 200, leg: 2, word: Word::Bye, sent: true, body: false };
        assert_eq!(went.to_string(), "120 >2 200 BYE");
    }

    #[test]
    fn the_list_is_bounded_and_counts_the_rest() {
        let passed = Passed { at_ms: 0, status: 0, leg: 0, word: Word::Info, sent: false, body: false };
        for (count, listed, more) in [(63, 63, 0), (64, 64, 0), (65, 64, 1), (200, 64, 136)] {
            let mut messages = Messages::with_room();
            (0..count).for_each(|_| messages.push(passed));
            assert_eq!((messages.list().len(), messages.more()), (listed, more), "{count}");
        }
    }

    #[test]
    fn our_own_bytes_name_their_method() {
        assert_eq!(first_word(b"PRACK sip:x SIP/2.0\r\n"), Word::Prack);
        assert_eq!(first_word(b""), Word::Other);
        assert_eq!(cseq_word(b"SIP/2.0 200 OK\r\nVia: x\r\nCSeq: 3 UPDATE\r\n\r\n"), Word::Update);
        assert_eq!(cseq_word(b"SIP/2.0 200 OK\r\n\r\n"), Word::Other);
    }
}
