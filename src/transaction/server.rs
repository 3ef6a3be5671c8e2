//! The server transaction of every request but INVITE.
//!
//! Owns RFC 3261's figure 8 with RFC 4320: no early 100, no other provisional response, never a 408, and an end to the
//! wait for a user that does not answer. Refuses to know calls. A transport error is no event here: the client sends
//! its request again, or gives up.
//! Read first: RFC 3261 §17.2.2; RFC 4320 §4.

use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::smallvec;

use super::{Effect, Lettered, Terms, hop_by_hop};

/// Its effects.
pub type Effects = super::Effects<Timer>;

/// Its timers. RFC 4320 gives the first two no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// A 100 is due: as long as a client's timer E takes to reach T2 (RFC 4320 §4.1).
    Trying,
    /// The client has given up: 64*T1 after the request (RFC 4320 §4.2).
    Expired,
    /// Absorb copies of the request: 64*T1 on unreliable transports.
    J,
}

impl Lettered for Timer {
    fn retransmits(self) -> bool {
        match self {
            Self::Trying | Self::Expired | Self::J => false,
        }
    }

    fn sends(self) -> bool {
        match self {
            Self::Trying => true,
            Self::Expired | Self::J => false,
        }
    }
}

/// Its states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Server {
    /// The user has not answered.
    Trying {
        /// What a 100 is made of.
        request: Bytes,
        /// Where it came from, for the 100's Via.
        source: SocketAddr,
    },
    /// A 100 went.
    Proceeding {
        /// The 100, for copies of the request; not kept on reliable transports.
        last: Option<Bytes>,
    },
    /// Answered (unreliable transports).
    Completed {
        /// For copies of the request.
        response: Bytes,
    },
    /// Over.
    #[default]
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A copy of the request.
    Request,
    /// The user answers: status and bytes.
    Respond(u16, Bytes),
    /// A timer fired.
    Timer(Timer),
}

/// What RFC 4320 lets a user say to a request other than INVITE.
enum Answer {
    /// 100.
    Trying(Bytes),
    /// A final one.
    Final(Bytes),
    /// Not to be sent.
    Unsaid,
}

impl Answer {
    fn new(status: u16, bytes: Bytes) -> Self {
        match status {
            100 => Self::Trying(bytes),
            // RFC 4320 §4.1: no provisional response but 100. RFC 4320 §4.2: no 408, for nobody waits for it any more.
            0..=99 | 101..=199 | 408 => Self::Unsaid,
            200..=407 | 409.. => Self::Final(bytes),
        }
    }
}

impl Server {
    /// The request came: it is the user's.
    #[must_use]
    pub fn start(request: Bytes, source: SocketAddr, terms: Terms<'_>) -> (Self, Effects) {
        let effects = smallvec![Effect::PassUp, Effect::Arm(Timer::Trying, terms.timing.trying())];
        (Self::Trying { request, source }, effects)
    }

    /// Whether its final response is still to come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Trying { .. } | Self::Proceeding { .. } => true,
            Self::Completed { .. } | Self::Terminated => false,
        }
    }

    /// One event.
    #[must_use]
    pub fn on(self, event: Event, terms: Terms<'_>) -> (Self, Effects) {
        match self {
            Self::Trying { request, source } => trying(request, source, event, terms),
            Self::Proceeding { last } => proceeding(last, event, terms),
            Self::Completed { response } => completed(response, &event),
            Self::Terminated => (Self::Terminated, smallvec![]),
        }
    }
}

fn trying(request: Bytes, source: SocketAddr, event: Event, terms: Terms<'_>) -> (Server, Effects) {
    match event {
        Event::Respond(status, bytes) => match Answer::new(status, bytes) {
            Answer::Trying(bytes) if terms.reliable => say_trying(Some(bytes), true, terms),
            // RFC 4320 §4.1: over UDP not before its time; timer Trying sends one then.
            Answer::Trying(_) | Answer::Unsaid => (Server::Trying { request, source }, smallvec![]),
            Answer::Final(bytes) => complete(bytes, Timer::Trying, terms),
        },
        // RFC 4320 §4.1: by now a 100 must go.
        Event::Timer(Timer::Trying) => say_trying(hop_by_hop::trying(&request, source), false, terms),
        // RFC 3261 §17.2.2: copies of the request are discarded here.
        Event::Request | Event::Timer(Timer::Expired | Timer::J) => {
            (Server::Trying { request, source }, smallvec![])
        }
    }
}

/// To Proceeding; `early` says that timer Trying still runs.
fn say_trying(bytes: Option<Bytes>, early: bool, terms: Terms<'_>) -> (Server, Effects) {
    let mut effects: Effects = bytes.clone().map(Effect::Send).into_iter().collect();
    let mut left = terms.timing.give_up();
    if early {
        effects.push(Effect::Disarm(Timer::Trying));
    } else {
        left = left.saturating_sub(terms.timing.trying());
    }
    effects.push(Effect::Arm(Timer::Expired, left));
    (Server::Proceeding { last: bytes.filter(|_| !terms.reliable) }, effects)
}

fn proceeding(last: Option<Bytes>, event: Event, terms: Terms<'_>) -> (Server, Effects) {
    match event {
        Event::Request => {
            let effects = last.clone().map(Effect::Send).into_iter().collect();
            (Server::Proceeding { last }, effects)
        }
        Event::Respond(status, bytes) => match Answer::new(status, bytes) {
            Answer::Trying(bytes) => {
                let last = (!terms.reliable).then(|| bytes.clone());
                (Server::Proceeding { last }, smallvec![Effect::Send(bytes)])
            }
            Answer::Final(bytes) => complete(bytes, Timer::Expired, terms),
            Answer::Unsaid => (Server::Proceeding { last }, smallvec![]),
        },
        // RFC 4320 §4.2: the client is gone; no final response at all.
        Event::Timer(Timer::Expired) => (Server::Terminated, smallvec![Effect::Timeout, Effect::Terminated]),
        Event::Timer(Timer::Trying | Timer::J) => (Server::Proceeding { last }, smallvec![]),
    }
}

fn complete(bytes: Bytes, running: Timer, terms: Terms<'_>) -> (Server, Effects) {
    let mut effects: Effects = smallvec![Effect::Send(bytes.clone()), Effect::Disarm(running)];
    if terms.reliable {
        // RFC 3261 §17.2.2: timer J is zero here.
        effects.push(Effect::Terminated);
        return (Server::Terminated, effects);
    }
    effects.push(Effect::Arm(Timer::J, terms.timing.give_up()));
    (Server::Completed { response: bytes }, effects)
}

fn completed(response: Bytes, event: &Event) -> (Server, Effects) {
    match event {
        Event::Request => {
            let effects = smallvec![Effect::Send(response.clone())];
            (Server::Completed { response }, effects)
        }
        Event::Timer(Timer::J) => (Server::Terminated, smallvec![Effect::Terminated]),
        // RFC 3261 §17.2.2: any other final response is discarded here.
        Event::Respond(..) | Event::Timer(Timer::Trying | Timer::Expired) => {
            (Server::Completed { response }, smallvec![])
        }
    }
}
