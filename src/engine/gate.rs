//! The gate: what a call asks of the engine each time it turns to a target.
//!
//! Owns the order of the questions (up, held, paced, capped) and what is told of targets that fail. Refuses to know how
//! a call goes on. Read first: RFC 3261 §8.1.3.1, §21.5.4; DESIGN.md §1, laws 5, 6 and 9.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::counts::Counts;
use super::expected::Expected;
use super::peers::{Change, Peers, Silence, reach_alert};
use super::trouble::{Troubles, Turn};
use super::witness::Whose;
use super::{Output, redirected, referred};
use crate::call::redirect::{Redirect, Redirected, Transfer};
use crate::call::{Closed, Failure, Gate, Over, PAUSE_MIN, Pause, Urge};
use crate::clock::{Now, Tick, time_text};
use crate::policy::alert::Alert;
use crate::policy::meter::Meter;
use crate::policy::pace::{Line, NoPlace};
use crate::policy::route::Candidate;
use crate::policy::suspended::{About, words};
use crate::policy::{Counters, Located, Pace, Parties, PeerId, Place, Policy, Refusal, Reservation, code};
use crate::sip::Transport;

/// Told to callers that find the table of client transactions full.
const FULL_RETRY_SECONDS: u32 = 10;

/// Why a call does not leave in time.
const LATE: &str = "none waits longer than `cps_wait`";
const FULL: &str = "as many wait already as `cps_queue` lets";
const LOST: &str = "others wait too: this caller, or its peer, held more than a quarter of the places, and its newest was given to one of them";

/// The lines of all peers, by their numbers, and their last calls.
#[derive(Debug, Default)]
pub struct Traffic {
    lines: Vec<Line>,
    troubles: Troubles,
}

impl Traffic {
    fn line(&mut self, peer: PeerId) -> Option<&mut Line> {
        let place = usize::from(peer.0);
        if self.lines.len() <= place {
            self.lines.resize_with(place + 1, Line::default);
        }
        self.lines.get_mut(place)
    }

    /// How many calls wait for their turn at a peer.
    pub fn waiting(&self, peer: PeerId) -> u32 {
        self.lines.get(usize::from(peer.0)).map_or(0, Line::waiting)
    }

    /// Whether every other peer of a route is tried before this one.
    pub fn is_tried_last(&self, now: Tick, peer: PeerId) -> bool {
        self.troubles.is_troubled(now, peer)
    }
}

/// The gate for calls of one peer.
pub(super) struct EdgeGate<'a> {
    pub policy: &'a Policy,
    /// The policy that new calls are judged by.
    pub in_force: &'a Policy,
    pub from: PeerId,
    pub counters: &'a mut Counters,
    pub counts: &'a mut Counts,
    pub peers: &'a mut Peers,
    pub traffic: &'a mut Traffic,
    pub outputs: &'a mut VecDeque<Output>,
    /// Calls that others were told to make.
    pub expected: &'a mut Expected,
    /// Where the names of peers lead.
    pub located: &'a Located,
    /// The table of client transactions has no room for another call.
    pub full: bool,
}

impl EdgeGate<'_> {
    fn pace(&self, peer: PeerId) -> Pace {
        self.policy.peer(peer).map(|peer| peer.pace).unwrap_or_default()
    }

    fn name(&self, peer: PeerId) -> Arc<str> {
        self.policy.peer(peer).map_or_else(|| Arc::from("a peer"), |peer| Arc::clone(&peer.name))
    }

    /// Whether it is this call's turn at a target, by rate and by the target's own wish; else when it comes.
    fn turn(&mut self, now: Tick, candidate: &Candidate, place: Option<&Place>) -> Result<(), Tick> {
        let pace = self.pace(candidate.peer);
        let line = self.traffic.line(candidate.peer);
        let ready = line.map_or(Ok(()), |line| line.ready(now, &pace, place));
        match self.peers.held(now, candidate.peer, candidate.target.address) {
            Some(until) => Err(ready.err().map_or(until, |turn| turn.max(until))),
            None => ready,
        }
    }

    /// 32001 towards the caller: its turn does not come in time.
    fn too_fast(&mut self, now: Tick, candidate: &Candidate, turn: Tick, why: &str) -> Box<Refusal> {
        self.counts.paced_out += 1;
        let name = self.name(candidate.peer);
        let seconds = u32::try_from(turn.since(now).as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX);
        let text = if self.peers.held(now, candidate.peer, candidate.target.address).is_some() {
            let left = time_text(Duration::from_secs(seconds.into()));
            format!("{name} asked for a pause between calls, which lasts {left} more")
        } else {
            format!("calls to {name} come faster than its `cps` allows, and {why}")
        };
        let refusal = self.policy.refusal(self.from, code::CALL_RATE_EXCEEDED, text);
        Box::new(refusal.retry_after(seconds))
    }

    /// Whether a target was suspended since the call was admitted.
    fn suspended(&self, now: Now, candidate: &Candidate) -> Result<(), Closed> {
        let suspensions = &self.counters.suspensions;
        let Some(peer) = self.policy.peer(candidate.peer).filter(|_| !suspensions.is_empty()) else {
            return Ok(());
        };
        let Some(held) = suspensions.over(&About::target(self.policy, peer, false), now.wall) else {
            return Ok(());
        };
        let told = format!("{} is suspended", words(held));
        let refusal = self.policy.refusal(self.from, code::INSUFFICIENT_PERMISSIONS, told);
        Err(Closed::Refused(Box::new(refusal)))
    }

    fn tell(&mut self, now: Now, candidate: &Candidate, state: &'static str, text: &str) {
        let (peer, address) = (candidate.peer, candidate.target.address);
        let alert = reach_alert(now, self.policy, peer, address, (state, text));
        self.outputs.push_back(Output::Alert(alert));
    }

    /// 32011 for a peer as a whole.
    fn tell_turn(&mut self, now: Now, peer: PeerId, turn: Turn) {
        let (state, text) = match turn {
            Turn::Same => return,
            Turn::Worse => (
                "troubled",
                "fails half of its calls, to different numbers and for most callers: while it does, every other target of a route is tried before it. Look at the answers in the call records, and ask whoever runs it.",
            ),
            Turn::Better => ("recovered", "is tried in its turn again (recovered)."),
        };
        let name = self.name(peer);
        let mut alert = Alert::new(code::PEER_UNREACHABLE, now.wall, format!("{name} {text}"));
        alert.about = Some(state.into());
        alert.evidence.push(("calls", "the last 20 within 10 minutes".to_owned()));
        alert.evidence.push(("state", state.to_owned()));
        alert.peer = Some(name);
        self.outputs.push_back(Output::Alert(Box::new(alert)));
    }
}

impl Gate for EdgeGate<'_> {
    fn prefer(&mut self, now: Now, candidates: &mut [Candidate]) {
        if candidates.len() < 2 {
            return;
        }
        let mut any = false;
        for candidate in &*candidates {
            let (troubled, turn) = self.traffic.troubles.look(now.tick, candidate.peer);
            self.tell_turn(now, candidate.peer, turn);
            any |= troubled;
        }
        if any {
            // A stable sort: priorities and shares hold among those that work, and among the others.
            candidates.sort_by_key(|candidate| self.traffic.troubles.look(now.tick, candidate.peer).0);
        }
    }

    fn open(
        &mut self,
        now: Now,
        candidate: &Candidate,
        urge: Urge<'_>,
        holds: &Reservation,
    ) -> Result<Reservation, Closed> {
        if let Urge::Emergency { down } = urge {
            // Neither pace nor pause nor cap: DESIGN.md law 3.
            if !down && !self.peers.is_up(candidate.peer, candidate.target.address) {
                return Err(Closed::Down);
            }
            return Ok(self.policy.gate_emergency(self.counters, candidate, holds));
        }
        if self.full {
            // Before anything is written, and no target's fault.
            self.counts.client_table_full += 1;
            let text = "this edge waits for as many answers as `limits.client_transactions` lets".to_owned();
            let refusal = self.policy.refusal(self.from, code::CONCURRENCY_EXCEEDED, text);
            return Err(Closed::Refused(Box::new(refusal.retry_after(FULL_RETRY_SECONDS))));
        }
        let place = match urge {
            Urge::Usual if !self.peers.is_up(candidate.peer, candidate.target.address) => {
                return Err(Closed::Down);
            }
            Urge::Usual | Urge::LastResort | Urge::Emergency { .. } => None,
            Urge::Turn(place) if place.is_lost() => {
                return Err(Closed::Refused(self.too_fast(now.tick, candidate, now.tick, LOST)));
            }
            Urge::Turn(place) => Some(place),
        };
        self.suspended(now, candidate)?;
        self.turn(now.tick, candidate, place).map_err(Closed::Busy)?;
        let held = self.policy.gate(self.counters, self.from, candidate, holds).map_err(Closed::Refused)?;
        let pace = self.pace(candidate.peer);
        if let Some(line) = self.traffic.line(candidate.peer) {
            line.leave(now.tick, &pace, place);
        }
        Ok(held)
    }

    fn join(
        &mut self,
        now: Now,
        candidate: &Candidate,
        parties: Parties,
        turn: Tick,
    ) -> Result<Place, Box<Refusal>> {
        let pace = self.pace(candidate.peer);
        let line = self.traffic.line(candidate.peer);
        match line.map_or(Err(NoPlace::Full), |line| line.join(now.tick, &pace, turn, &parties)) {
            Ok(place) => {
                self.counts.paced += 1;
                Ok(place)
            }
            Err(NoPlace::Late) => Err(self.too_fast(now.tick, candidate, turn, LATE)),
            Err(NoPlace::Full) => Err(self.too_fast(now.tick, candidate, turn, FULL)),
        }
    }

    fn waited(&mut self, now: Now, candidate: &Candidate, turn: Tick) -> Box<Refusal> {
        self.too_fast(now.tick, candidate, turn, LATE)
    }

    fn failed(&mut self, now: Now, candidate: &Candidate, parties: Parties, failure: Failure, began: Tick) {
        let (peer, address) = (candidate.peer, candidate.target.address);
        let what = match failure {
            // The target never heard of it.
            Failure::Full | Failure::Oversize => return,
            Failure::Timeout => "did not answer a call in time",
            Failure::Transport => "cannot be reached",
        };
        // Where calls go to another target of the same peer, that one shows how the peer serves them.
        if !self.peers.has_other(peer, address) {
            self.noted(now, candidate, parties, false);
        }
        let (state, text) = match self.peers.silent(now.tick, began, peer, address, &parties) {
            Silence::WentDown => (
                "down",
                "and another caller met the same at another number: no calls go there until it answers a probe. Check that it runs, its address, its transport and the way there.",
            ),
            // It was told when it was asked or went down; this call was under way then.
            Silence::Known => return,
            Silence::Asked => (
                "doubted",
                "the next target of the route is tried, if there is one, and OPTIONS asks this one whether it lives: calls stay away when it does not say so. Check that it runs, its address, its transport and the way there.",
            ),
            Silence::Alone => (
                "silent",
                "the next target of the route is tried, if there is one. Check that it runs, its address, its transport and the way there.",
            ),
        };
        self.tell(now, candidate, state, &format!("{what}; {text}"));
    }

    fn fell_back(&mut self, now: Now, candidate: &Candidate, from: Transport, to: Transport) {
        let text = format!("cannot be reached by {from}; {to} is tried. Check that it listens for {from}.");
        self.tell(now, candidate, "other transport", &text);
    }

    fn held(&mut self, now: Now, candidate: &Candidate, parties: Parties, asked: Pause) -> bool {
        let (peer, address) = (candidate.peer, candidate.target.address);
        let pace = self.pace(peer);
        self.counts.targets_held += 1;
        // That it speaks of the rate of calls proves nothing more: these too may be the words of whoever was called.
        let whose = self.peers.wishes(now.tick, peer, address, &parties);
        let (most, why) = match whose {
            // It is told once: else a number that is called again and again would fill the log.
            Whose::Known => return self.peers.held(now.tick, peer, address).is_some(),
            // No call waits in vain for what may be one number's trouble, or one caller's.
            Whose::One => (
                pace.wait_max.clamp(PAUSE_MIN, pace.hold_max.max(PAUSE_MIN)),
                " It asked in answer to one call; only when it asks another caller too, for another number, calls stay away for longer.",
            ),
            Whose::Target => (pace.hold_max, ""),
        };
        let pause = asked.length.min(most);
        self.peers.hold(peer, address, now.tick.after(pause), whose);
        let name = self.name(peer);
        let words = format!(
            "{name} at {address} takes no calls for {}, by its own word (503): calls wait or go elsewhere meanwhile.{why} If this is frequent, set `cps` of {name} to the rate it allows.",
            time_text(pause),
        );
        let mut alert = Alert::new(code::CALL_RATE_EXCEEDED, now.wall, words);
        alert.peer = Some(name);
        alert.about = Some(address.to_string().into());
        alert.evidence.push(("target", address.to_string()));
        alert.evidence.push(("asked", time_text(asked.length)));
        self.outputs.push_back(Output::Alert(Box::new(alert)));
        true
    }

    fn unserved(&mut self, now: Now, candidate: &Candidate, parties: Parties) {
        let (peer, address) = (candidate.peer, candidate.target.address);
        // Where calls go to another target of the same peer, that one shows how the peer serves them.
        if !self.peers.has_other(peer, address) {
            return self.noted(now, candidate, parties, false);
        }
        // One number of the far side that is answered so takes no target away from the others, nor does one caller.
        if self.peers.unserved(now.tick, peer, address, &parties) == Whose::Target
            && self.peers.lost(now.tick, peer, address) == Change::WentDown
        {
            let text = "answers calls of different callers to different numbers by 503 or 408; no calls go there until it answers a probe by something else. Ask whoever runs it.";
            self.tell(now, candidate, "down", text);
        }
    }

    fn redirected(
        &mut self,
        now: Now,
        asked: &Redirect<'_>,
        draw: u64,
    ) -> Result<Box<Redirected>, Box<Refusal>> {
        redirected::judge(self, now, asked, draw)
    }

    fn referred(
        &mut self,
        now: Now,
        asked: &Transfer<'_>,
        draw: u64,
    ) -> Result<Box<Redirected>, Box<Refusal>> {
        referred::judge(self, now, asked, draw)
    }

    fn meter(&mut self, now: Now, meter: &mut Meter) -> Result<Option<Tick>, Box<Over>> {
        let (policy, ledger) = (self.policy, &mut self.counters.ledger);
        let channels = policy.peer(self.from).map_or(1, |peer| policy.channels_of(peer));
        let block = |place| policy.limits.block(place, channels);
        let reading = meter.read(ledger, now.tick, block);
        for met in &reading.took {
            let Some(limit) = policy.limits.cap(met.limit) else { continue };
            if limit.warns(channels, met.before, met.after) {
                let whose = ledger.whose(met.key);
                let words = limit.warning_of(whose, (met.after, block(met.limit)), policy.rates.currency());
                let mut alert = Alert::new(limit.what.code(), now.wall, words);
                alert.rule = Some(Arc::clone(&limit.path));
                alert.about = Some(whose.to_owned().into());
                self.outputs.push_back(Output::Alert(Box::new(alert)));
            }
        }
        match reading.over.and_then(|met| Some((met, policy.limits.cap(met.limit)?))) {
            None => Ok(reading.next),
            Some((met, limit)) => {
                let words = limit.ended(ledger.whose(met.key), block(met.limit), policy.rates.currency());
                Err(Box::new(Over { code: limit.what.code(), words, rule: Arc::clone(&limit.path) }))
            }
        }
    }

    fn noted(&mut self, now: Now, candidate: &Candidate, parties: Parties, served: bool) {
        if served {
            self.peers.served(candidate.peer, candidate.target.address);
        }
        let turn = self.traffic.troubles.note(now.tick, candidate.peer, parties, !served);
        self.tell_turn(now, candidate.peer, turn);
    }
}
