//! Which event met which phase of a call, counted: what no test has met, no test has proven.
//!
//! Owns the names of phases and events and one number for each pair. Refuses to know what a phase does with an event.

use super::{EndCause, Event, Failure, Timer};
use crate::sip::Method;

/// A phase of a call, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseName {
    /// Before the final answer.
    Setup,
    /// Answered.
    Talk,
    /// Ending.
    Hangup,
}

/// Phases in the order of the table.
const PHASES: [&str; 3] = ["Setup", "Talk", "Hangup"];

/// Events in the order of the table: requests, responses, what failed or went, ends, timers.
const KINDS: [&str; 41] = [
    "INVITE",
    "BYE",
    "INFO",
    "OPTIONS",
    "PRACK",
    "UPDATE",
    "REFER",
    "another request",
    "ACK",
    "CANCEL",
    "1xx of INVITE",
    "2xx of INVITE",
    "refusal of INVITE",
    "1xx of another",
    "2xx of another",
    "refusal of another",
    "time-out",
    "transport error",
    "table full",
    "transaction gone",
    "end: stopping",
    "end: command",
    "timer Pace",
    "timer Try",
    "timer Progress",
    "timer Ring",
    "timer Reliable",
    "timer Retransmit2xxA",
    "timer Retransmit2xxB",
    "timer AckA",
    "timer AckB",
    "timer Duration",
    "timer SessionA",
    "timer SessionB",
    "timer KeepAlive",
    "timer Linger",
    "end: media",
    "end: parted",
    "placed",
    "timer Parting",
    "sought",
];

/// How often each event met each phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visits([[u64; KINDS.len()]; PHASES.len()]);

impl Default for Visits {
    fn default() -> Self {
        Self([[0; KINDS.len()]; PHASES.len()])
    }
}

impl Visits {
    /// Counts one.
    pub fn note(&mut self, phase: PhaseName, event: &Event<'_>) {
        let row = self.0.get_mut(phase as usize);
        if let Some(count) = row.and_then(|row| row.get_mut(column(event))) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds what others counted.
    pub fn add(&mut self, other: &Self) {
        let cells = self.0.iter_mut().flatten().zip(other.0.iter().flatten());
        cells.for_each(|(cell, more)| *cell = cell.saturating_add(*more));
    }

    /// Every pair with its count, phase by phase.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        PHASES.into_iter().zip(&self.0).flat_map(|(phase, row)| {
            KINDS.into_iter().zip(row).map(move |(event, count)| (phase, event, *count))
        })
    }
}

/// The column of an event.
fn column(event: &Event<'_>) -> usize {
    match event {
        Event::Request { message, .. } => of_method(message.method()),
        Event::Ack { .. } => 8,
        Event::Cancel { .. } => 9,
        Event::Response { message, .. } => {
            let of_invite = if *message.method() == Method::Invite { 10 } else { 13 };
            of_invite
                + match message.status().unwrap_or(100) {
                    ..=199 => 0,
                    200..=299 => 1,
                    300.. => 2,
                }
        }
        Event::Failed { failure: Failure::Timeout, .. } => 16,
        Event::Failed { failure: Failure::Transport, .. } => 17,
        Event::Failed { failure: Failure::Full | Failure::Oversize, .. } => 18,
        Event::Gone { .. } => 19,
        Event::End(EndCause::Stopping) => 20,
        Event::End(EndCause::Command | EndCause::Suspended | EndCause::Forbidden(_)) => 21,
        Event::End(EndCause::Silent | EndCause::NoSocket | EndCause::KeySpent | EndCause::Unproven) => 36,
        Event::End(EndCause::Parted) => 37,
        Event::Placed(_) => 38,
        Event::Sought(_) => 40,
        Event::Timer(timer) => of_timer(*timer),
    }
}

const fn of_method(method: &Method) -> usize {
    match method {
        Method::Invite => 0,
        Method::Bye => 1,
        Method::Info => 2,
        Method::Options => 3,
        Method::Prack => 4,
        Method::Update => 5,
        Method::Refer => 6,
        Method::Ack
        | Method::Cancel
        | Method::Register
        | Method::Message
        | Method::Subscribe
        | Method::Notify
        | Method::Publish
        | Method::Other(_) => 7,
    }
}

/// Every timer has a column, or this does not compile.
const fn of_timer(timer: Timer) -> usize {
    match timer {
        Timer::Pace => 22,
        Timer::Try => 23,
        Timer::Progress => 24,
        Timer::Ring => 25,
        Timer::Reliable => 26,
        Timer::Retransmit2xxA => 27,
        Timer::Retransmit2xxB => 28,
        Timer::AckA => 29,
        Timer::AckB => 30,
        Timer::Duration => 31,
        Timer::SessionA => 32,
        Timer::SessionB => 33,
        Timer::KeepAlive => 34,
        Timer::Linger => 35,
        Timer::Parting => 39,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timer_is_counted_under_its_own_name() {
        let timers = [
            Timer::Pace,
            Timer::Try,
            Timer::Progress,
            Timer::Ring,
            Timer::Reliable,
            Timer::Retransmit2xxA,
            Timer::Retransmit2xxB,
            Timer::AckA,
            Timer::AckB,
            Timer::Duration,
            Timer::SessionA,
            Timer::SessionB,
            Timer::KeepAlive,
            Timer::Linger,
            Timer::Parting,
        ];
        for timer in timers {
            let mut visits = Visits::default();
            visits.note(PhaseName::Talk, &Event::Timer(timer));
            let met: Vec<_> = visits.pairs().filter(|(.., count)| *count > 0).collect();
            assert_eq!(met, [("Talk", format!("timer {timer:?}").as_str(), 1)]);
        }
    }
}
