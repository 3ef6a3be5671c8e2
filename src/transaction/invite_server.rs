//! The INVITE server transaction.
//!
//! Owns RFC 3261's figure 7 as RFC 6026 redraws it. The 100 is its user's work, who gives it at once; over a transport
//! that retransmits by itself it stops no copies, so it waits until it is due and mostly need not go. A transport error is
//! no event here: RFC 6026 §8.8 leaves the state as it is, and timers H and L end what cannot be delivered.
//! Read first: RFC 3261 §17.2.1; RFC 6026 §7.1, §8.7, §8.8.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use super::{Class, Effect, Lettered, Terms};

/// How long the caller may hear nothing: a 100 is due no later (RFC 3261 §17.2.1).
const TRYING_DUE: Duration = Duration::from_millis(200);

/// Its effects.
pub type Effects = super::Effects<Timer>;

/// Its timers. RFC 3261 gives the first no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The 100 is due (reliable transports): 200 ms.
    Trying,
    /// Send the refusal again (unreliable transports).
    G,
    /// No ACK: 64*T1.
    H,
    /// Absorb copies of the ACK: T4 on unreliable transports.
    I,
    /// Absorb copies of the INVITE after a 2xx: 64*T1 (RFC 6026).
    L,
}

impl Lettered for Timer {
    fn retransmits(self) -> bool {
        match self {
            Self::G => true,
            Self::Trying | Self::H | Self::I | Self::L => false,
        }
    }

    fn sends(self) -> bool {
        match self {
            Self::Trying | Self::G => true,
            Self::H | Self::I | Self::L => false,
        }
    }
}

/// Its states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InviteServer {
    /// Nothing has been said but a 100, which waits until it is due (reliable transports).
    Trying {
        /// The 100.
        answer: Bytes,
    },
    /// The user has not answered finally.
    Proceeding {
        /// The last provisional response, for copies of the INVITE; not kept on reliable transports.
        last: Option<Bytes>,
    },
    /// Refused; waits for the ACK.
    Completed {
        /// The refusal, while it must be sent again; not kept on reliable transports.
        response: Option<Bytes>,
        /// Timer G's.
        interval: Duration,
    },
    /// Refused and acknowledged (unreliable transports).
    Confirmed,
    /// Answered with a 2xx, which its user sends again until the ACK (RFC 6026).
    Accepted,
    /// Over.
    #[default]
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A copy of the INVITE.
    Invite,
    /// An ACK that matches.
    Ack,
    /// The user answers: status and bytes.
    Respond(u16, Bytes),
    /// The user sends its 2xx again.
    Resend(Bytes),
    /// A timer fired.
    Timer(Timer),
}

impl InviteServer {
    /// The INVITE came: it is the user's.
    #[must_use]
    pub fn start() -> (Self, Effects) {
        (Self::Proceeding { last: None }, smallvec![Effect::PassUp])
    }

    /// Whether its final response is still to come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Trying { .. } | Self::Proceeding { .. } => true,
            Self::Completed { .. } | Self::Confirmed | Self::Accepted | Self::Terminated => false,
        }
    }

    /// The refusal that waits for its ACK, where it is kept.
    #[must_use]
    pub fn refusal(&self) -> Option<&Bytes> {
        match self {
            Self::Completed { response, .. } => response.as_ref(),
            Self::Trying { .. }
            | Self::Proceeding { .. }
            | Self::Confirmed
            | Self::Accepted
            | Self::Terminated => None,
        }
    }

    /// One event.
    #[must_use]
    pub fn on(self, event: Event, terms: Terms<'_>) -> (Self, Effects) {
        match self {
            Self::Trying { answer } => trying(answer, event, terms),
            Self::Proceeding { last } => proceeding(last, event, terms),
            Self::Completed { response, interval } => completed(response, interval, event, terms),
            Self::Confirmed => confirmed(&event),
            Self::Accepted => accepted(event),
            Self::Terminated => (Self::Terminated, smallvec![]),
        }
    }
}

fn trying(answer: Bytes, event: Event, terms: Terms<'_>) -> (InviteServer, Effects) {
    match event {
        // A copy came over another connection: its client knows of no answer.
        Event::Invite => (
            InviteServer::Proceeding { last: None },
            smallvec![Effect::Disarm(Timer::Trying), Effect::Send(answer)],
        ),
        Event::Timer(Timer::Trying) => {
            (InviteServer::Proceeding { last: None }, smallvec![Effect::Send(answer)])
        }
        Event::Respond(..) => {
            let (machine, mut effects) = proceeding(None, event, terms);
            effects.insert(0, Effect::Disarm(Timer::Trying));
            (machine, effects)
        }
        Event::Ack | Event::Resend(_) | Event::Timer(Timer::G | Timer::H | Timer::I | Timer::L) => {
            (InviteServer::Trying { answer }, smallvec![])
        }
    }
}

fn proceeding(last: Option<Bytes>, event: Event, terms: Terms<'_>) -> (InviteServer, Effects) {
    match event {
        Event::Invite => {
            // RFC 3261 §17.2.1: a copy of the INVITE gets the last provisional response again.
            let effects = last.clone().map(Effect::Send).into_iter().collect();
            (InviteServer::Proceeding { last }, effects)
        }
        // RFC 3261 §17.2.1: none need go where the user answers within 200 ms, as it does at the latest by this one.
        Event::Respond(100, answer) if terms.reliable => {
            (InviteServer::Trying { answer }, smallvec![Effect::Arm(Timer::Trying, TRYING_DUE)])
        }
        Event::Respond(status, bytes) => match Class::of(status) {
            Class::Provisional => {
                let last = (!terms.reliable).then(|| bytes.clone());
                (InviteServer::Proceeding { last }, smallvec![Effect::Send(bytes)])
            }
            // RFC 6026 §7.1: to Accepted; the 2xx itself is not kept.
            Class::Success => (
                InviteServer::Accepted,
                smallvec![Effect::Send(bytes), Effect::Arm(Timer::L, terms.timing.give_up())],
            ),
            Class::Failure => refuse(bytes, terms),
        },
        Event::Ack
        | Event::Resend(_)
        | Event::Timer(Timer::Trying | Timer::G | Timer::H | Timer::I | Timer::L) => {
            (InviteServer::Proceeding { last }, smallvec![])
        }
    }
}

fn refuse(bytes: Bytes, terms: Terms<'_>) -> (InviteServer, Effects) {
    let interval = terms.timing.t1;
    let mut effects: Effects = smallvec![Effect::Send(bytes.clone())];
    // RFC 3261 §17.2.1: timer G only where the transport does not retransmit; timer H always.
    if !terms.reliable {
        effects.push(Effect::Arm(Timer::G, interval));
    }
    effects.push(Effect::Arm(Timer::H, terms.timing.give_up()));
    (InviteServer::Completed { response: (!terms.reliable).then_some(bytes), interval }, effects)
}

fn completed(
    response: Option<Bytes>,
    interval: Duration,
    event: Event,
    terms: Terms<'_>,
) -> (InviteServer, Effects) {
    match event {
        Event::Invite => {
            let effects = response.clone().map(Effect::Send).into_iter().collect();
            (InviteServer::Completed { response, interval }, effects)
        }
        Event::Ack => {
            let mut effects: Effects = smallvec![Effect::Disarm(Timer::G), Effect::Disarm(Timer::H)];
            if terms.reliable {
                // RFC 3261 §17.2.1: timer I is zero here.
                effects.push(Effect::Terminated);
                return (InviteServer::Terminated, effects);
            }
            effects.push(Effect::Arm(Timer::I, terms.timing.t4));
            (InviteServer::Confirmed, effects)
        }
        Event::Timer(Timer::G) => {
            let interval = terms.timing.backed_off(interval);
            let mut effects: Effects = response.clone().map(Effect::Send).into_iter().collect();
            effects.push(Effect::Arm(Timer::G, interval));
            (InviteServer::Completed { response, interval }, effects)
        }
        Event::Timer(Timer::H) => (
            InviteServer::Terminated,
            smallvec![Effect::Disarm(Timer::G), Effect::Timeout, Effect::Terminated],
        ),
        // RFC 3261 §17.2.1: any other final response is discarded here.
        Event::Respond(..) | Event::Resend(_) | Event::Timer(Timer::Trying | Timer::I | Timer::L) => {
            (InviteServer::Completed { response, interval }, smallvec![])
        }
    }
}

fn confirmed(event: &Event) -> (InviteServer, Effects) {
    match event {
        Event::Timer(Timer::I) => (InviteServer::Terminated, smallvec![Effect::Terminated]),
        Event::Invite
        | Event::Ack
        | Event::Respond(..)
        | Event::Resend(_)
        | Event::Timer(Timer::Trying | Timer::G | Timer::H | Timer::L) => {
            (InviteServer::Confirmed, smallvec![])
        }
    }
}

fn accepted(event: Event) -> (InviteServer, Effects) {
    match event {
        // RFC 6026 §7.1: the ACK for a 2xx is the user's, and so is sending the 2xx again.
        Event::Ack => (InviteServer::Accepted, smallvec![Effect::PassUp]),
        Event::Resend(bytes) => (InviteServer::Accepted, smallvec![Effect::Send(bytes)]),
        Event::Timer(Timer::L) => (InviteServer::Terminated, smallvec![Effect::Terminated]),
        // RFC 6026 §7.1: copies of the INVITE are absorbed, without a response.
        Event::Invite | Event::Respond(..) | Event::Timer(Timer::Trying | Timer::G | Timer::H | Timer::I) => {
            (InviteServer::Accepted, smallvec![])
        }
    }
}
