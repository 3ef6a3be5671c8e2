//! The INVITE client transaction.
//!
//! Owns RFC 3261's figure 5 as RFC 6026 redraws it, and when a CANCEL may go. Refuses to know where the INVITE goes and
//! who called. The ACK for a 2xx is not its work.
//! Read first: RFC 3261 §9.1, §17.1.1; RFC 6026 §7.2, §8.4.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use super::{Class, Effect, Lettered, Terms, hop_by_hop};
use crate::sip::Message;

/// Its effects.
pub type Effects = super::Effects<Timer>;

/// Its timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Send the INVITE again (unreliable transports).
    A,
    /// No response at all: 64*T1.
    B,
    /// Absorb copies of the refusal: 32 s on unreliable transports.
    D,
    /// Absorb nothing, pass every 2xx: 64*T1 (RFC 6026).
    M,
    /// No final response after a CANCEL: 64*T1 (RFC 3261 §9.1); the RFC gives it no letter.
    Cancelled,
}

impl Lettered for Timer {
    fn retransmits(self) -> bool {
        match self {
            Self::A => true,
            Self::B | Self::D | Self::M | Self::Cancelled => false,
        }
    }
}

/// Its states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InviteClient {
    /// Sent, nothing heard.
    Calling {
        /// The INVITE: sent again, and what ACK and CANCEL are made of.
        invite: Bytes,
        /// Timer A's.
        interval: Duration,
        /// The Reason of a CANCEL that waits for a provisional response.
        cancel: Option<Bytes>,
    },
    /// A provisional response was heard.
    Proceeding {
        /// The INVITE: what ACK and CANCEL are made of.
        invite: Bytes,
        /// Whether a CANCEL went.
        cancelled: bool,
    },
    /// A refusal was heard and acknowledged (unreliable transports).
    Completed {
        /// Sent again for each copy of the refusal.
        ack: Option<Bytes>,
    },
    /// A 2xx was heard; more may come, from other branches of a fork or again (RFC 6026).
    Accepted,
    /// Over.
    #[default]
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx, for the To of the ACK.
    Failure(&'a Message),
    /// The user wants it cancelled; a whole Reason value, or empty.
    Cancel(Bytes),
    /// A timer fired.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

impl<'a> Event<'a> {
    /// The event a response is.
    #[must_use]
    pub fn response(message: &'a Message) -> Self {
        match Class::of(message.status().unwrap_or(0)) {
            Class::Provisional => Self::Provisional,
            Class::Success => Self::Success,
            Class::Failure => Self::Failure(message),
        }
    }
}

impl InviteClient {
    /// Sends the INVITE.
    #[must_use]
    pub fn start(invite: Bytes, terms: Terms<'_>) -> (Self, Effects) {
        let mut effects: Effects = smallvec![Effect::Send(invite.clone())];
        // RFC 3261 §17.1.1.2: timer A only where the transport does not retransmit.
        if !terms.reliable {
            effects.push(Effect::Arm(Timer::A, terms.timing.t1));
        }
        effects.push(Effect::Arm(Timer::B, terms.timing.give_up()));
        (Self::Calling { invite, interval: terms.timing.t1, cancel: None }, effects)
    }

    /// Whether a transport error means that the request did not go.
    #[must_use]
    pub fn waits_for_the_wire(&self) -> bool {
        match self {
            Self::Calling { .. } => true,
            Self::Proceeding { .. } | Self::Completed { .. } | Self::Accepted | Self::Terminated => false,
        }
    }

    /// Whether its final response is still to come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Calling { .. } | Self::Proceeding { .. } => true,
            Self::Completed { .. } | Self::Accepted | Self::Terminated => false,
        }
    }

    /// Whether a 2xx may still come: the first one or, from another branch of a fork, one more (RFC 6026 §7.2).
    #[must_use]
    pub fn may_succeed(&self) -> bool {
        match self {
            Self::Calling { .. } | Self::Proceeding { .. } | Self::Accepted => true,
            Self::Completed { .. } | Self::Terminated => false,
        }
    }

    /// One event.
    #[must_use]
    pub fn on(self, event: Event<'_>, terms: Terms<'_>) -> (Self, Effects) {
        match self {
            Self::Calling { invite, interval, cancel } => calling(invite, interval, cancel, event, terms),
            Self::Proceeding { invite, cancelled } => proceeding(invite, cancelled, event, terms),
            Self::Completed { ack } => completed(ack, event),
            Self::Accepted => accepted(event),
            Self::Terminated => (Self::Terminated, smallvec![]),
        }
    }
}

fn calling(
    invite: Bytes,
    interval: Duration,
    cancel: Option<Bytes>,
    event: Event<'_>,
    terms: Terms<'_>,
) -> (InviteClient, Effects) {
    match event {
        Event::Provisional => {
            let mut effects: Effects =
                smallvec![Effect::PassUp, Effect::Disarm(Timer::A), Effect::Disarm(Timer::B)];
            // RFC 3261 §9.1: the CANCEL that had to wait for this goes now.
            if let Some(reason) = &cancel {
                cancel_now(&invite, reason, terms, &mut effects);
            }
            (InviteClient::Proceeding { invite, cancelled: cancel.is_some() }, effects)
        }
        Event::Success => accept(smallvec![Effect::Disarm(Timer::A), Effect::Disarm(Timer::B)], terms),
        Event::Failure(response) => {
            let disarm = smallvec![Effect::Disarm(Timer::A), Effect::Disarm(Timer::B)];
            complete(&invite, response, disarm, terms)
        }
        Event::Cancel(reason) => {
            // RFC 3261 §9.1: no CANCEL before a provisional response; the first wish counts.
            let cancel = Some(cancel.unwrap_or(reason));
            (InviteClient::Calling { invite, interval, cancel }, smallvec![])
        }
        Event::Timer(Timer::A) => {
            // RFC 3261 §17.1.1.2: sent again, and timer A doubles, without the bound of T2.
            let interval = interval.saturating_mul(2);
            let effects = smallvec![Effect::Send(invite.clone()), Effect::Arm(Timer::A, interval)];
            (InviteClient::Calling { invite, interval, cancel }, effects)
        }
        Event::Timer(Timer::B) => (
            InviteClient::Terminated,
            smallvec![Effect::Disarm(Timer::A), Effect::Timeout, Effect::Terminated],
        ),
        Event::TransportError => (
            InviteClient::Terminated,
            smallvec![
                Effect::Disarm(Timer::A),
                Effect::Disarm(Timer::B),
                Effect::TransportError,
                Effect::Terminated
            ],
        ),
        Event::Timer(Timer::D | Timer::M | Timer::Cancelled) => {
            (InviteClient::Calling { invite, interval, cancel }, smallvec![])
        }
    }
}

fn proceeding(invite: Bytes, cancelled: bool, event: Event<'_>, terms: Terms<'_>) -> (InviteClient, Effects) {
    let disarm: Effects = if cancelled { smallvec![Effect::Disarm(Timer::Cancelled)] } else { smallvec![] };
    match event {
        Event::Provisional => (InviteClient::Proceeding { invite, cancelled }, smallvec![Effect::PassUp]),
        Event::Success => accept(disarm, terms),
        Event::Failure(response) => complete(&invite, response, disarm, terms),
        Event::Cancel(reason) => {
            let mut effects = smallvec![];
            if !cancelled {
                cancel_now(&invite, &reason, terms, &mut effects);
            }
            (InviteClient::Proceeding { invite, cancelled: true }, effects)
        }
        Event::Timer(Timer::Cancelled) if cancelled => {
            // RFC 3261 §9.1: no final response 64*T1 after the CANCEL: the INVITE counts as cancelled.
            (InviteClient::Terminated, smallvec![Effect::Timeout, Effect::Terminated])
        }
        // Nothing of this transaction is on its way: the INVITE was heard.
        Event::TransportError
        | Event::Timer(Timer::A | Timer::B | Timer::D | Timer::M | Timer::Cancelled) => {
            (InviteClient::Proceeding { invite, cancelled }, smallvec![])
        }
    }
}

fn completed(ack: Option<Bytes>, event: Event<'_>) -> (InviteClient, Effects) {
    match event {
        Event::Failure(_) => {
            // RFC 3261 §17.1.1.2: a copy of the refusal is acknowledged again and not passed on.
            let effects = ack.clone().map(Effect::Send).into_iter().collect();
            (InviteClient::Completed { ack }, effects)
        }
        Event::Timer(Timer::D) => (InviteClient::Terminated, smallvec![Effect::Terminated]),
        Event::TransportError => (
            InviteClient::Terminated,
            smallvec![Effect::Disarm(Timer::D), Effect::TransportError, Effect::Terminated],
        ),
        Event::Provisional
        | Event::Success
        | Event::Cancel(_)
        | Event::Timer(Timer::A | Timer::B | Timer::M | Timer::Cancelled) => {
            (InviteClient::Completed { ack }, smallvec![])
        }
    }
}

fn accepted(event: Event<'_>) -> (InviteClient, Effects) {
    match event {
        // RFC 6026 §7.2: every 2xx is the user's, who acknowledges it.
        Event::Success => (InviteClient::Accepted, smallvec![Effect::PassUp]),
        Event::Timer(Timer::M) => (InviteClient::Terminated, smallvec![Effect::Terminated]),
        Event::Provisional
        | Event::Failure(_)
        | Event::Cancel(_)
        | Event::TransportError
        | Event::Timer(Timer::A | Timer::B | Timer::D | Timer::Cancelled) => {
            (InviteClient::Accepted, smallvec![])
        }
    }
}

/// RFC 6026 §7.2: to Accepted, for 64*T1 on every transport. Nothing of the INVITE is kept.
fn accept(mut effects: Effects, terms: Terms<'_>) -> (InviteClient, Effects) {
    effects.push(Effect::PassUp);
    effects.push(Effect::Arm(Timer::M, terms.timing.give_up()));
    (InviteClient::Accepted, effects)
}

/// RFC 3261 §17.1.1.2: acknowledge the refusal, pass it on, and absorb its copies.
fn complete(
    invite: &Bytes,
    response: &Message,
    mut effects: Effects,
    terms: Terms<'_>,
) -> (InviteClient, Effects) {
    let ack = hop_by_hop::ack(invite, response);
    effects.extend(ack.clone().map(Effect::Send));
    effects.push(Effect::PassUp);
    if terms.reliable {
        // RFC 3261 §17.1.1.2: timer D is zero here.
        effects.push(Effect::Terminated);
        return (InviteClient::Terminated, effects);
    }
    effects.push(Effect::Arm(Timer::D, terms.timing.d()));
    (InviteClient::Completed { ack }, effects)
}

fn cancel_now(invite: &Bytes, reason: &[u8], terms: Terms<'_>, effects: &mut Effects) {
    effects.extend(hop_by_hop::cancel(invite, reason).map(Effect::Cancel));
    effects.push(Effect::Arm(Timer::Cancelled, terms.timing.give_up()));
}
