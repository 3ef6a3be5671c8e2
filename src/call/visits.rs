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

/// Events in the order of the table: requests, responses, what failed or went, ends; after them the timers.
const KINDS: [&str; 23] = [
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
    "transaction gone",
    "unavailable",
    "end: stopping",
    "end: command",
    "end: bug",
];

/// Timers in the order of the table.
const TIMERS: [Timer; 13] = [
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
    Timer::Linger,
];

const COLUMNS: usize = KINDS.len() + TIMERS.len();

/// How often each event met each phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visits([[u64; COLUMNS]; PHASES.len()]);

impl Default for Visits {
    fn default() -> Self {
        Self([[0; COLUMNS]; PHASES.len()])
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
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, String, u64)> {
        let name = |column: usize| match KINDS.get(column) {
            Some(name) => (*name).to_owned(),
            None => {
                TIMERS.get(column - KINDS.len()).map_or_else(String::new, |timer| format!("timer {timer:?}"))
            }
        };
        PHASES.into_iter().zip(&self.0).flat_map(move |(phase, row)| {
            row.iter().enumerate().map(move |(column, count)| (phase, name(column), *count))
        })
    }
}

/// The column of an event.
fn column(event: &Event<'_>) -> usize {
    match event {
        Event::Request { message, .. } => match message.method() {
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
        },
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
        Event::Gone { .. } => 18,
        Event::Failed { failure: Failure::Unavailable, .. } => 19,
        Event::End(EndCause::Stopping) => 20,
        Event::End(EndCause::Command) => 21,
        Event::End(EndCause::Bug) => 22,
        Event::Timer(timer) => {
            KINDS.len() + TIMERS.iter().position(|known| known == timer).unwrap_or(TIMERS.len())
        }
    }
}
