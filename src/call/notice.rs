//! What is told of a transfer: NOTIFY of the subscription that a REFER opens, with a status line in its body.
//!
//! Owns what of a NOTIFY crosses, and how one is written. Refuses to know what a transfer does.
//! Read first: RFC 3515 §2.4.4 to §2.4.7; RFC 3420 §2; RFC 6665 §4.1.3, §4.2.1.

use std::sync::Arc;

use super::answer::Answer;
use super::core::Core;
use super::leg::{Carried, Outgoing};
use super::talk::Talk;
use super::{Branch, Context, Effect, ServerId, Side};
use crate::sip::headers::{ContentType, delta_seconds};
use crate::sip::write::reason_phrase;
use crate::sip::{Flow, HeaderName, Message, Method};

/// Octets of a sipfrag's first line that are read; a longer one is refused (400).
const LINE_OCTETS_MAX: usize = 256;

/// A subscription that crosses: a transfer that the other side was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscription {
    /// Who tells.
    pub notifier: Side,
    /// The CSeq number of the REFER as it came.
    pub asked: u32,
    /// The same as it was sent on.
    pub sent: u32,
}

/// How a subscription stands, with seconds that it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active(Option<u32>),
    Pending(Option<u32>),
    /// With the reason, a word of RFC 6665 §4.1.3.
    Terminated(&'static str),
}

/// What a NOTIFY says.
#[derive(Debug, PartialEq, Eq)]
struct News {
    state: State,
    status: u16,
    /// Whether it names its REFER by number.
    numbered: bool,
}

const REASONS: [&str; 7] =
    ["noresource", "deactivated", "probation", "rejected", "timeout", "giveup", "invariant"];

impl State {
    fn read(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let word = parts.next()?;
        let find = |name: &str| {
            parts.clone().find_map(|part| {
                let (key, value) = part.split_at(part.iter().position(|byte| *byte == b'=')?);
                key.trim_ascii()
                    .eq_ignore_ascii_case(name.as_bytes())
                    .then(|| value.get(1..).map(<[u8]>::trim_ascii))?
            })
        };
        let expires = find("expires").and_then(delta_seconds);
        if word.eq_ignore_ascii_case(b"active") {
            Some(Self::Active(expires))
        } else if word.eq_ignore_ascii_case(b"pending") {
            Some(Self::Pending(expires))
        } else if word.eq_ignore_ascii_case(b"terminated") {
            let reason = find("reason").unwrap_or_default();
            let known = REASONS.into_iter().find(|known| reason.eq_ignore_ascii_case(known.as_bytes()));
            // RFC 3515 §2.4.7: it ends since nothing more is told.
            Some(Self::Terminated(known.unwrap_or("noresource")))
        } else {
            None
        }
    }

    fn text(self) -> String {
        match self {
            Self::Active(Some(seconds)) => format!("active;expires={seconds}"),
            Self::Active(None) => "active".to_owned(),
            Self::Pending(Some(seconds)) => format!("pending;expires={seconds}"),
            Self::Pending(None) => "pending".to_owned(),
            Self::Terminated(reason) => format!("terminated;reason={reason}"),
        }
    }
}

impl News {
    /// Reads it as news of this subscription. `Err` is the status of one that is none.
    fn read(message: &Message, of: &Subscription) -> Result<Self, u16> {
        let event = message.header(HeaderName::Event).ok_or(489_u16)?;
        let mut parts = event.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        // RFC 6665 §7.2.2: another package is a bad event.
        if !parts.next().unwrap_or_default().eq_ignore_ascii_case(b"refer") {
            return Err(489);
        }
        let id = parts.find_map(|part| {
            part.get(..3).filter(|name| name.eq_ignore_ascii_case(b"id=")).and(part.get(3..))
        });
        if id.is_some_and(|id| delta_seconds(id) != Some(of.sent)) {
            return Err(481);
        }
        let state = message.header(HeaderName::SubscriptionState).and_then(State::read).ok_or(400_u16)?;
        let kind = message.header(HeaderName::ContentType).and_then(|value| ContentType::read(value).ok());
        if !kind.is_some_and(|kind| kind.is("message", "sipfrag")) {
            return Err(400);
        }
        let status = status_line(message.body()).ok_or(400_u16)?;
        Ok(Self { state, status, numbered: id.is_some() })
    }
}

/// The status of a fragment that begins with a status line.
fn status_line(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    if line.len() > LINE_OCTETS_MAX {
        return None;
    }
    let rest = line.strip_prefix(b"SIP/2.0 ")?;
    let (digits, behind) = rest.split_at_checked(3)?;
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let ends = behind.first().is_none_or(|byte| *byte == b' ');
    ((100..700).contains(&status) && digits.iter().all(u8::is_ascii_digit) && ends).then_some(status)
}

/// A status line of ours as a fragment (RFC 3420 §2).
fn fragment(status: u16) -> Vec<u8> {
    format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into_bytes()
}

impl Talk {
    /// A NOTIFY, judged to be in its dialog: it crosses where it tells of a transfer that did.
    pub(super) fn notify(
        &mut self,
        core: &mut Core,
        (side, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        let refused = |status| Answer::bare(status);
        let Some(subscription) = self.subscription.as_deref().copied().filter(|of| of.notifier == side)
        else {
            // RFC 6665 §4.1.3: there is no such subscription.
            core.answer(side, server, message, flow.remote, &refused(481), context);
            return;
        };
        let news = match News::read(message, &subscription) {
            Ok(news) => news,
            Err(status) => {
                core.answer(side, server, message, flow.remote, &refused(status), context);
                return;
            }
        };
        if self.relays.is_full(context) {
            return super::relay::decline(core, (side, server), flow, message, (500, true), context);
        }
        let number = news.numbered.then_some(subscription.asked);
        let branch = core.tell_of_transfer(side.other(), number, news.state, news.status, context);
        self.relays.enter(core, (side, server), flow, message, branch);
        match news.state {
            State::Terminated(_) => self.subscription = None,
            State::Active(_) | State::Pending(_) => {}
        }
    }
}

impl Core {
    /// Sends a NOTIFY on a leg; `number` is the CSeq number of the REFER that it is of.
    pub(super) fn tell_of_transfer(
        &mut self,
        side: Side,
        number: Option<u32>,
        state: State,
        status: u16,
        context: &mut Context<'_>,
    ) -> Branch {
        let branch = Branch(context.random.bits());
        let policy = Arc::clone(&self.policy);
        let leg = self.leg_mut(side);
        let cseq = leg.next_cseq();
        let event = number.map_or_else(|| "refer".to_owned(), |number| format!("refer;id={number}"));
        let (state, fragment) = (state.text(), fragment(status));
        let adds = [(HeaderName::Event, event.as_bytes()), (HeaderName::SubscriptionState, state.as_bytes())];
        let carried = Carried::Fragment(&fragment);
        let outgoing = Outgoing { carried, adds: &adds, ..Outgoing::bare(&Method::Notify, branch, cseq) };
        let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
        context.effects.push(Effect::Request { branch, side, invite: false, hop, bytes });
        branch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_of_known_words_alone() {
        for (value, expected) in [
            ("active;expires=60", Some("active;expires=60")),
            (" Active ; Expires = 60 ; x=y", Some("active;expires=60")),
            ("active;expires=soon", Some("active")),
            ("pending", Some("pending")),
            ("terminated;reason=noresource", Some("terminated;reason=noresource")),
            ("terminated;reason=<sip:10.0.0.2>", Some("terminated;reason=noresource")),
            ("TERMINATED;retry-after=1;reason=GiveUp", Some("terminated;reason=giveup")),
            ("gone", None),
            ("", None),
        ] {
            let read = State::read(value.as_bytes()).map(State::text);
            assert_eq!(read.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_fragment_begins_with_a_status_line() {
        for (body, expected) in [
            ("SIP/2.0 100 Trying\r\n", Some(100)),
            ("SIP/2.0 486", Some(486)),
            ("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.2\r\n\r\n", Some(200)),
            ("SIP/2.0 099 x", None),
            ("SIP/2.0 700 x", None),
            ("SIP/2.0 +20 x", None),
            ("SIP/2.0 2000", None),
            ("INVITE sip:a SIP/2.0", None),
            ("", None),
        ] {
            assert_eq!(status_line(body.as_bytes()), expected, "{body}");
        }
        let at = format!("SIP/2.0 200 {}", "x".repeat(LINE_OCTETS_MAX - 12));
        assert_eq!(status_line(at.as_bytes()), Some(200));
        assert_eq!(status_line(format!("{at}x").as_bytes()), None);
        assert_eq!(fragment(486), b"SIP/2.0 486 Busy Here\r\n");
    }
}
