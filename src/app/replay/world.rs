//! The world around one engine while rows are played again: their callers, their callees and the time.
//!
//! Owns virtual time and both ends of each live call. Refuses to judge: what an engine answers to a caller, and writes into its
//! record, is the verdict. Read first: `wire.rs`; `engine/replayed.rs`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::num::NonZeroU32;

use bytes::Bytes;

use super::office::Office;
use super::rows::Row;
use super::tally::{Ended, Tally};
use super::wire;
use crate::call::CallRecord;
use crate::clock::{Now, Tick, Wall};
use crate::engine::{Engine, Input, Output};
use crate::policy::PeerId;
use crate::sip::parse::parse;
use crate::sip::{ConnectionId, Flow, Hop};

/// Before the first row, in microseconds: what stands at the start has settled by then.
const LEAD: i64 = 1_000_000;
/// Rows after which whoever waits is told how far it is.
const STEP: usize = 1_000;
/// Wakes at one moment past which a mistake of ours is told rather than waited for.
const WAKES_MAX: u32 = 1_000_000;

/// What one end is going to do, of which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The callee answers, or refuses.
    Answer(usize),
    /// The caller hangs up.
    HangUp(usize),
}

/// A call between its INVITE and its record.
#[derive(Debug, Default)]
struct Call {
    /// What came to the callee, and where that is.
    invited: Option<(Flow, Bytes)>,
    /// The answer that the caller heard.
    ok: Option<Bytes>,
    /// The highest status that the caller heard; 0 for none.
    heard: u16,
}

/// What was said and is to be heard at once.
#[derive(Debug)]
struct Said {
    flow: Flow,
    /// Of which row, where its caller says it.
    caller: Option<usize>,
    bytes: Bytes,
}

/// Where each number stands; numbers and rows are bounded by `ROWS_MAX`.
fn places(rows: &[Row]) -> Vec<Option<NonZeroU32>> {
    let most = rows.iter().map(|row| row.number).max().unwrap_or(0);
    let mut places = vec![None; usize::try_from(most).unwrap_or(0)];
    for (row, at) in rows.iter().zip(1..) {
        let number = row.number.checked_sub(1).and_then(|number| usize::try_from(number).ok());
        if let Some(place) = number.and_then(|number| places.get_mut(number)) {
            *place = NonZeroU32::new(at);
        }
    }
    places
}

/// One engine and everybody around it.
pub struct World<'a> {
    office: &'a Office,
    rows: &'a [Row],
    /// Places of rows by their numbers, less one.
    by_number: Vec<Option<NonZeroU32>>,
    engine: Engine,
    /// Microseconds since 1970 at tick zero.
    base: i64,
    now: Now,
    wait: Option<Tick>,
    agenda: BinaryHeap<Reverse<(Tick, u64, Due)>>,
    planned: u64,
    said: VecDeque<Said>,
    calls: HashMap<usize, Call>,
    /// The alert that was raised last, while one message was judged.
    alerted: Option<u32>,
    tally: Tally,
}

impl<'a> World<'a> {
    /// Before the first row.
    pub fn new(office: &'a Office, rows: &'a [Row]) -> Self {
        let base = rows.first().map_or(0, |row| row.start.micros()).saturating_sub(LEAD);
        let now = Now { tick: Tick::from_micros(1), wall: Wall::from_micros(base.saturating_add(1)) };
        Self {
            engine: office.engine(now),
            by_number: places(rows),
            tally: Tally::new(rows.len(), office.policy.rates.currency()),
            office,
            rows,
            base,
            now,
            wait: Some(now.tick),
            agenda: BinaryHeap::new(),
            planned: 0,
            said: VecDeque::new(),
            calls: HashMap::new(),
            alerted: None,
        }
    }

    /// Plays all rows, and what follows until every call has ended.
    pub fn play(mut self, mut told: impl FnMut(usize)) -> Tally {
        let mut next = 0;
        let mut wakes = 0_u32;
        loop {
            let start = self.rows.get(next).map(|row| self.tick(row.start));
            let due = self.agenda.peek().map(|Reverse((at, ..))| *at);
            // Timers go on for as long as a call is up; what is left of the others then tells nothing any more.
            let is_over = start.is_none() && due.is_none() && self.calls.is_empty();
            let wake = self.wait.filter(|_| !is_over);
            let Some(at) = [start, due, wake].into_iter().flatten().min() else { break };
            wakes = if at > self.now.tick { 0 } else { wakes.saturating_add(1) };
            if wakes > WAKES_MAX {
                break;
            }
            self.pass(at);
            if wake.is_some_and(|wake| wake <= at) {
                self.engine.handle(self.now, Input::Wake);
                self.drain();
            } else if due == Some(at) {
                if let Some(Reverse((_, _, due))) = self.agenda.pop() {
                    self.act(due);
                }
            } else {
                self.begin(next);
                next += 1;
                if next % STEP == 0 {
                    told(next);
                }
            }
        }
        let mut left: Vec<usize> = self.calls.keys().copied().collect();
        left.sort_unstable();
        for at in left {
            self.unanswered(at);
        }
        told(self.rows.len());
        self.tally
    }

    fn place(&self, number: u32) -> Option<usize> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        let place = self.by_number.get(at).copied().flatten()?;
        usize::try_from(place.get() - 1).ok()
    }

    fn tick(&self, wall: Wall) -> Tick {
        Tick::from_micros(u64::try_from(wall.micros().saturating_sub(self.base)).unwrap_or(0))
    }

    fn pass(&mut self, to: Tick) {
        let tick = to.max(self.now.tick);
        let micros = i64::try_from(tick.micros()).unwrap_or(i64::MAX);
        self.now = Now { tick, wall: Wall::from_micros(self.base.saturating_add(micros)) };
    }

    fn plan(&mut self, after_ms: u32, due: Due) {
        self.planned += 1;
        let at = self.now.tick.after(std::time::Duration::from_millis(u64::from(after_ms)));
        self.agenda.push(Reverse((at, self.planned, due)));
    }

    /// A caller calls.
    fn begin(&mut self, at: usize) {
        let Some(row) = self.rows.get(at) else { return };
        let Some(sender) = self.office.sender(row) else { return };
        self.calls.insert(at, Call::default());
        let bytes = wire::invite(row, sender);
        self.tally.up_most = self.tally.up_most.max(self.calls.len());
        self.hear(Said { flow: sender.flow, caller: Some(at), bytes });
        let alerted = self.outputs();
        // One that is judged hears 100 at once, and one that is refused has its record by now.
        if self.calls.get(&at).is_some_and(|call| call.heard == 0 || call.heard >= 300) {
            self.alerted = alerted;
            self.unanswered(at);
        }
        self.converse();
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::Answer(at) => {
                let Some(row) = self.rows.get(at) else { return };
                let invited = self.calls.get_mut(&at).and_then(|call| call.invited.take());
                let Some((flow, invite)) = invited else { return };
                let status = if row.answered { "200 OK" } else { "486 Busy Here" };
                let bytes = wire::callee(&invite, status, row.number, flow.remote);
                self.said.push_back(Said { flow, caller: None, bytes });
            }
            Due::HangUp(at) => {
                let Some((row, ok)) =
                    self.rows.get(at).zip(self.calls.get(&at).and_then(|call| call.ok.clone()))
                else {
                    return;
                };
                let Some(sender) = self.office.sender(row) else { return };
                let bytes = wire::within(row, &ok, "BYE", 2, sender);
                self.said.push_back(Said { flow: sender.flow, caller: Some(at), bytes });
            }
        }
        self.converse();
    }

    /// Everything that was said is heard, until nobody says any more.
    fn converse(&mut self) {
        while let Some(said) = self.said.pop_front() {
            self.hear(said);
            self.outputs();
        }
    }

    fn drain(&mut self) {
        self.outputs();
        self.converse();
    }

    fn hear(&mut self, said: Said) {
        let row = said.caller.and_then(|at| self.rows.get(at));
        let sender = row.and_then(|row| self.office.sender(row));
        let proven = row.zip(sender).and_then(|(row, sender)| sender.credential(&row.from));
        let from = sender.map_or(PeerId(0), |sender| sender.peer.id);
        match parse(said.bytes.clone(), self.office.limits()) {
            Ok(message) => self.engine.replay(self.now, said.flow, (from, proven), &message),
            // What the reader answers to it, it answers here as well.
            Err(_) => {
                let frame = said.bytes.as_ref().into();
                self.engine.handle(self.now, Input::Frame { flow: said.flow, frame });
            }
        }
    }

    /// Takes everything that the engine puts out; the code of the last alert among it.
    fn outputs(&mut self) -> Option<u32> {
        let mut alerted = None;
        loop {
            match self.engine.poll_output() {
                Output::Send { hop, bytes } => self.sent(&hop, &bytes),
                Output::Record(record) => self.recorded(&record),
                Output::Alert(alert) => alerted = Some(alert.code.number),
                Output::Wait { until, .. } => {
                    self.wait = until;
                    return alerted;
                }
                Output::Media(_)
                | Output::Close { .. }
                | Output::Proven { .. }
                | Output::Reply { .. }
                | Output::Keep(_)
                | Output::Drained { .. } => {}
            }
        }
    }

    /// What the edge sends to one of the ends.
    fn sent(&mut self, hop: &Hop, bytes: &Bytes) {
        let call = wire::row_of_call(wire::line(bytes, "\r\nCall-ID: "));
        let of_caller = call.and_then(|number| self.place(number));
        if let Some(status) = bytes.strip_prefix(b"SIP/2.0 ") {
            let status = std::str::from_utf8(status.get(..3).unwrap_or_default()).ok();
            if let Some((at, status)) = of_caller.zip(status.and_then(|status| status.parse().ok())) {
                self.answered(at, status, bytes);
            }
            return;
        }
        let flow = Flow {
            listener: hop.listener,
            transport: hop.transport,
            remote: hop.remote,
            connection: ConnectionId::NONE,
        };
        if bytes.starts_with(b"ACK ") {
            return;
        }
        if bytes.starts_with(b"INVITE ") && of_caller.is_none() && wire::opens(bytes) {
            return self.invited(flow, bytes);
        }
        if bytes.starts_with(b"CANCEL ") {
            self.cancelled(flow, bytes);
        }
        self.said.push_back(Said { flow, caller: of_caller, bytes: wire::agreed(bytes) });
    }

    /// A callee is called.
    fn invited(&mut self, flow: Flow, bytes: &Bytes) {
        let number = wire::row_of_session(bytes);
        let Some(at) = number.and_then(|number| self.place(number)) else { return };
        let (Some(row), Some(call)) = (self.rows.get(at), self.calls.get_mut(&at)) else { return };
        call.invited = Some((flow, bytes.clone()));
        let rings = row.ring_ms > 0;
        if rings {
            let bytes = wire::callee(bytes, "180 Ringing", row.number, flow.remote);
            self.said.push_back(Said { flow, caller: None, bytes });
        }
        self.plan(row.ring_ms, Due::Answer(at));
    }

    /// The edge gives up a callee that rings.
    fn cancelled(&mut self, flow: Flow, cancel: &Bytes) {
        let call_id = wire::line(cancel, "\r\nCall-ID: ");
        let mut ringing = self.calls.values_mut();
        let found = ringing.find(|call| {
            call.invited.as_ref().is_some_and(|(_, invite)| wire::line(invite, "\r\nCall-ID: ") == call_id)
        });
        if let Some((_, invite)) = found.and_then(|call| call.invited.take()) {
            let number = wire::row_of_session(&invite).unwrap_or(0);
            let bytes = wire::callee(&invite, "487 Request Terminated", number, flow.remote);
            self.said.push_back(Said { flow, caller: None, bytes });
        }
    }

    /// A caller is answered.
    fn answered(&mut self, at: usize, status: u16, bytes: &Bytes) {
        let Some(row) = self.rows.get(at) else { return };
        let Some(sender) = self.office.sender(row) else { return };
        if let Some(call) = self.calls.get_mut(&at) {
            call.heard = call.heard.max(status);
        }
        if status < 200 || !wire::line(bytes, "\r\nCSeq: ").ends_with("INVITE") {
            return;
        }
        let is_up = status < 300;
        let bytes = if is_up {
            let Some(call) = self.calls.get_mut(&at).filter(|call| call.ok.is_none()) else { return };
            call.ok = Some(bytes.clone());
            self.plan(row.talk_ms, Due::HangUp(at));
            wire::within(row, bytes, "ACK", 1, sender)
        } else {
            wire::taken(row, bytes, sender)
        };
        self.said.push_back(Said { flow: sender.flow, caller: Some(at), bytes });
    }

    /// A record tells how a row ended.
    fn recorded(&mut self, record: &CallRecord) {
        let number = record.legs.first().and_then(|leg| wire::row_of_call(&leg.call_id));
        let Some(at) = number.and_then(|number| self.place(number)) else { return };
        self.calls.remove(&at);
        self.enter(at, &Ended::by(record));
    }

    /// A row that no record tells of: it was answered without any state, or not at all.
    fn unanswered(&mut self, at: usize) {
        self.calls.remove(&at);
        let Some(row) = self.rows.get(at) else { return };
        let Some(sender) = self.office.sender(row) else { return };
        let ended = Ended::stateless(self.alerted, &sender.peer, &row.to);
        self.enter(at, &ended);
    }

    fn enter(&mut self, at: usize, ended: &Ended<'_>) {
        let Some(row) = self.rows.get(at) else { return };
        let Some(sender) = self.office.sender(row) else { return };
        self.tally.enter(at, row, &sender.peer, ended, &self.office.policy);
    }
}
