//! The client transaction of every request but INVITE.
//!
//! Owns RFC 3261's figure 6. Refuses to know where the request goes and who asked for it.
//! Read first: RFC 3261 §17.1.2; RFC 4320.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use super::{Class, Effect, Lettered, Terms};

/// Its effects.
pub type Effects = super::Effects<Timer>;

/// Its timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Send the request again (unreliable transports).
    E,
    /// No final response: 64*T1.
    F,
    /// Absorb copies of the final response: T4 on unreliable transports.
    K,
}

impl Lettered for Timer {
    fn retransmits(self) -> bool {
        match self {
            Self::E => true,
            Self::F | Self::K => false,
        }
    }
}

/// Its states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Client {
    /// Sent, nothing heard.
    Trying {
        /// What is sent again; not kept on reliable transports.
        request: Option<Bytes>,
        /// Timer E's.
        interval: Duration,
    },
    /// A provisional response was heard.
    Proceeding {
        /// What is sent again; not kept on reliable transports.
        request: Option<Bytes>,
    },
    /// The final response was heard (unreliable transports).
    Completed,
    /// Over.
    #[default]
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// 1xx.
    Provisional,
    /// 2xx to 6xx.
    Final,
    /// A timer fired.
    Timer(Timer),
    /// The transport could not send.
    TransportError,
}

impl Event {
    /// The event a response is.
    #[must_use]
    pub fn response(status: u16) -> Self {
        match Class::of(status) {
            Class::Provisional => Self::Provisional,
            Class::Success | Class::Failure => Self::Final,
        }
    }
}

impl Client {
    /// Sends the request.
    #[must_use]
    pub fn start(request: Bytes, terms: Terms<'_>) -> (Self, Effects) {
        let interval = terms.timing.t1;
        let mut effects: Effects = smallvec![Effect::Send(request.clone())];
        // RFC 3261 §17.1.2.2: timer E only where the transport does not retransmit.
        if !terms.reliable {
            effects.push(Effect::Arm(Timer::E, interval));
        }
        effects.push(Effect::Arm(Timer::F, terms.timing.give_up()));
        (Self::Trying { request: (!terms.reliable).then_some(request), interval }, effects)
    }

    /// Whether a transport error means that the request did not go.
    #[must_use]
    pub fn waits_for_the_wire(&self) -> bool {
        match self {
            Self::Trying { .. } | Self::Proceeding { .. } => true,
            Self::Completed | Self::Terminated => false,
        }
    }

    /// One event.
    #[must_use]
    pub fn on(self, event: Event, terms: Terms<'_>) -> (Self, Effects) {
        match self {
            Self::Trying { request, interval } => trying(request, interval, event, terms),
            Self::Proceeding { request } => proceeding(request, event, terms),
            Self::Completed => completed(event),
            Self::Terminated => (Self::Terminated, smallvec![]),
        }
    }
}

fn trying(request: Option<Bytes>, interval: Duration, event: Event, terms: Terms<'_>) -> (Client, Effects) {
    match event {
        // RFC 3261 §17.1.2.2: timer E goes on as it is armed, and from then on at T2.
        Event::Provisional => (Client::Proceeding { request }, smallvec![Effect::PassUp]),
        Event::Final => complete(terms),
        Event::Timer(Timer::E) => {
            let interval = terms.timing.backed_off(interval);
            let effects = again(request.as_ref(), interval);
            (Client::Trying { request, interval }, effects)
        }
        Event::Timer(Timer::F) => timed_out(),
        Event::TransportError => failed(),
        Event::Timer(Timer::K) => (Client::Trying { request, interval }, smallvec![]),
    }
}

fn proceeding(request: Option<Bytes>, event: Event, terms: Terms<'_>) -> (Client, Effects) {
    match event {
        Event::Provisional => (Client::Proceeding { request }, smallvec![Effect::PassUp]),
        Event::Final => complete(terms),
        Event::Timer(Timer::E) => {
            let effects = again(request.as_ref(), terms.timing.t2);
            (Client::Proceeding { request }, effects)
        }
        Event::Timer(Timer::F) => timed_out(),
        Event::TransportError => failed(),
        Event::Timer(Timer::K) => (Client::Proceeding { request }, smallvec![]),
    }
}

fn completed(event: Event) -> (Client, Effects) {
    match event {
        Event::Timer(Timer::K) => (Client::Terminated, smallvec![Effect::Terminated]),
        Event::Provisional | Event::Final | Event::TransportError | Event::Timer(Timer::E | Timer::F) => {
            (Client::Completed, smallvec![])
        }
    }
}

fn complete(terms: Terms<'_>) -> (Client, Effects) {
    let mut effects: Effects = smallvec![Effect::Disarm(Timer::E), Effect::Disarm(Timer::F), Effect::PassUp];
    if terms.reliable {
        // RFC 3261 §17.1.2.2: timer K is zero here.
        effects.push(Effect::Terminated);
        return (Client::Terminated, effects);
    }
    effects.push(Effect::Arm(Timer::K, terms.timing.t4));
    (Client::Completed, effects)
}

fn again(request: Option<&Bytes>, interval: Duration) -> Effects {
    let mut effects: Effects = request.cloned().map(Effect::Send).into_iter().collect();
    effects.push(Effect::Arm(Timer::E, interval));
    effects
}

fn timed_out() -> (Client, Effects) {
    (Client::Terminated, smallvec![Effect::Disarm(Timer::E), Effect::Timeout, Effect::Terminated])
}

fn failed() -> (Client, Effects) {
    (
        Client::Terminated,
        smallvec![
            Effect::Disarm(Timer::E),
            Effect::Disarm(Timer::F),
            Effect::TransportError,
            Effect::Terminated
        ],
    )
}
