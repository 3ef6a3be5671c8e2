//! Calls at work: events in, effects carried out, and what follows from them queued.
//!
//! Owns the boundary around a call: one that panics is ended and recorded, and the rest live. Refuses to know what a
//! call does with its legs. Read first: RFC 3261 §12-15; RFC 6026.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Engine;
use super::calls::Entry;
use super::gate::EdgeGate;
use super::kept::dialog_gone;
use super::logins::{Ask, Rounds};
use super::transactions::{CallKey, Owner};
use super::transferred::{Link, Told};
use crate::call::event::EndCause;
use crate::call::{
    Begin, Branch, Call, CallRecord, Context, Effect, Effects, Event, Failure, ServerId, Side, Timer,
};
use crate::clock::Now;
use crate::policy::{Alert, PeerId, Policy, code};

/// RFC 5626 §3.5.1: a double CRLF; on a stream it is answered by a single one.
const KEEP_ALIVE: bytes::Bytes = bytes::Bytes::from_static(b"\r\n\r\n");

/// What a transaction told, waiting for its turn.
#[derive(Debug)]
pub enum Happened {
    /// A client transaction failed.
    Failed {
        /// Which.
        branch: Branch,
        /// Whose.
        owner: Owner,
        /// Why.
        failure: Failure,
    },
    /// A client transaction is gone after its final response.
    Gone {
        /// Which.
        branch: Branch,
        /// Whose.
        owner: Owner,
    },
    /// A call of a transfer tells the other one.
    Told(Told),
}

/// What a call is given beside its event; a macro for the same reason as the gate.
macro_rules! context {
    ($engine:ident, $now:expr, $gate:ident, $effects:ident) => {
        Context {
            now: $now,
            random: &mut $engine.random,
            settings: &$engine.settings.call,
            gate: &mut $gate,
            effects: &mut $effects,
            media: $engine.media.means(),
        }
    };
}

/// The gate for calls of one peer; a macro, for the call's own tables stay free beside it.
macro_rules! gate {
    ($engine:ident, $policy:expr, $from:expr) => {
        EdgeGate {
            policy: $policy,
            in_force: &$engine.policy,
            from: $from,
            counters: &mut $engine.counters,
            counts: &mut $engine.counts,
            peers: &mut $engine.peers,
            traffic: &mut $engine.traffic,
            outputs: &mut $engine.outputs,
            expected: &mut $engine.expected,
            located: &$engine.located,
            full: $engine.transactions.clients_are_full(),
        }
    };
}

impl Engine {
    /// Brings a call to life. `None` when a bug kept it from being born; its reservations are back then.
    pub(super) fn begin(&mut self, now: Now, policy: &Arc<Policy>, begin: Begin<'_>) -> Option<CallKey> {
        let (server, from) = (begin.server, begin.peer.id);
        self.bring(now, (policy, from), (Some(server), None), |context| Call::born(begin, context))
    }

    /// The same of a call of a peer that is born by itself: whose INVITE it answers, and what it is placed for.
    pub(super) fn bring(
        &mut self,
        now: Now,
        (policy, from): (&Arc<Policy>, PeerId),
        (server, link): (Option<ServerId>, Option<Link>),
        birth: impl FnOnce(&mut Context<'_>) -> (Call, bool),
    ) -> Option<CallKey> {
        self.bring_perhaps(now, (policy, from), (server, link), |context| Some(birth(context)))
    }

    /// The same where there may be nothing to bring.
    pub(super) fn bring_perhaps(
        &mut self,
        now: Now,
        (policy, from): (&Arc<Policy>, PeerId),
        (server, link): (Option<ServerId>, Option<Link>),
        birth: impl FnOnce(&mut Context<'_>) -> Option<(Call, bool)>,
    ) -> Option<CallKey> {
        let mut effects = std::mem::take(&mut self.effects);
        let mut gate = gate!(self, policy, from);
        let mut context = context!(self, now, gate, effects);
        // A panic leaves nothing half done that is kept: the call is not born, its effects are dropped.
        let mut born = None;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let Some((call, readable)) = birth(&mut context) else { return };
            born.insert(call).open(readable, &mut context);
            #[cfg(test)]
            Entry::trip(&mut self.planted);
        }));
        let call = match (opened, born) {
            (Ok(()), Some(call)) => call,
            (Ok(()), None) => {
                self.effects = effects;
                return None;
            }
            (Err(_), born) => {
                if let Some(mut call) = born {
                    forsake(&mut call, &mut context);
                }
                // Nothing was opened for it, so that there is nothing to close.
                effects.clear();
                self.effects = effects;
                self.counts.bugs += 1;
                return None;
            }
        };
        let mut entry = Entry::new(call, Arc::clone(policy), from, now.tick);
        entry.link = link;
        let key = self.calls.insert(Box::new(entry));
        if let Some(server) = server {
            self.hand_over(server, key, Side::A);
        }
        self.carry_out(now, key, effects);
        Some(key)
    }

    /// One event of a call.
    pub(super) fn drive(&mut self, now: Now, key: CallKey, event: Event<'_>) {
        let Some(entry) = self.calls.at(key) else { return };
        if let Some(phase) = entry.call.phase() {
            self.visits.note(phase, &event);
        }
        self.asked(now, key, |call, context| call.on(event, context));
    }

    /// An alert about a call, with what the call knows of itself.
    pub(super) fn tell(&mut self, now: Now, key: CallKey, code: code::Code, text: &str) {
        self.asked(now, key, |call, context| call.tell(code, text, context));
    }

    /// A leg of a call is told another key of its media; false where it cannot be.
    pub(super) fn renew_key(&mut self, now: Now, key: CallKey, side: Side) -> bool {
        if self.calls.at(key).is_none() {
            return false;
        }
        // A call that a bug has ended needs no key.
        self.asked(now, key, |call, context| call.renew_key(side, context)).unwrap_or(true)
    }

    /// Asks a call something and carries out what it wants; `None` where there is none, or a bug has ended it.
    pub(super) fn asked<T>(
        &mut self,
        now: Now,
        key: CallKey,
        ask: impl FnOnce(&mut Call, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let entry = self.calls.at(key)?;
        let mut effects = std::mem::take(&mut self.effects);
        let mut gate = gate!(self, &entry.policy, entry.from);
        let mut context = context!(self, now, gate, effects);
        // What was asked for before a panic is carried out: the legs already count on it.
        let said = catch_unwind(AssertUnwindSafe(|| {
            let said = ask(&mut entry.call, &mut context);
            #[cfg(test)]
            Entry::trip(&mut entry.planted);
            said
        }));
        self.carry_out(now, key, effects);
        if said.is_err() {
            self.abandon(now, key);
        }
        said.ok()
    }

    /// Makes a request a call's to answer.
    pub(super) fn hand_over(&mut self, server: ServerId, key: CallKey, side: Side) {
        self.transactions.set_owner(server, Owner::Call { key, side });
        if let Some(entry) = self.calls.at(key) {
            entry.unanswered.push(server);
        }
    }

    /// Ends a call in which a bug showed: its legs are told from what they still know. A second time it is asked no more.
    fn abandon(&mut self, now: Now, key: CallKey) {
        self.counts.bugs += 1;
        let text =
            "A bug of this edge ended a call; no other is touched. Please report it with the call's record.";
        let mut alert = Alert::new(code::CALLS_CUT, now.wall, text.to_owned());
        alert.about = Some("bug".into());
        self.alert(Box::new(alert));
        let Some(entry) = self.calls.at(key) else { return };
        if std::mem::replace(&mut entry.panicked, true) {
            return self.give_up(now, key);
        }
        let mut effects = std::mem::take(&mut self.effects);
        let mut gate = gate!(self, &entry.policy, entry.from);
        let mut context = context!(self, now, gate, effects);
        let told = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            Entry::trip(&mut entry.planted);
            entry.call.abandon(&mut context);
        }))
        .is_ok();
        self.carry_out(now, key, effects);
        if !told {
            self.give_up(now, key);
        }
    }

    /// Takes a call out that can no longer be asked anything.
    fn give_up(&mut self, now: Now, key: CallKey) {
        // RFC 3261 §9.1: an INVITE that rings would do so for ever.
        let invited = self.calls.at(key).map(|entry| entry.invited.clone()).unwrap_or_default();
        for branch in invited {
            self.transactions.cancel(now.tick, branch, bytes::Bytes::new(), &mut self.outcomes);
        }
        if let Some(entry) = self.calls.at(key) {
            let mut effects = std::mem::take(&mut self.effects);
            let mut gate = gate!(self, &entry.policy, entry.from);
            forsake(&mut entry.call, &mut context!(self, now, gate, effects));
            self.carry_out(now, key, effects);
        }
        self.remove(key);
    }

    /// Takes a call and everything it owns out of the tables.
    pub(super) fn remove(&mut self, key: CallKey) {
        self.part(key);
        let Some(entry) = self.calls.remove(key) else { return };
        if entry.dialog.is_some() {
            self.keep_now(dialog_gone(entry.call.id()));
        }
        self.alike.leave(&entry.alike, key);
        for tag in &entry.tags {
            self.dialogs.unbind(*tag, key);
        }
        for (_, id) in &entry.armed {
            self.deadlines.cancel(*id);
        }
        // Only a bug leaves a request without an answer; it must not wait for one for ever.
        for server in &entry.unanswered {
            self.transactions.forget(*server);
        }
        self.pasts.keep(&entry, &mut self.transactions);
        self.unwatch(entry.media);
        drop(entry);
        if !self.retired.is_empty() {
            self.forget_retired();
        }
    }

    /// What a call asked for, in order.
    fn carry_out(&mut self, now: Now, key: CallKey, mut effects: Effects) {
        let mut ended = false;
        for effect in effects.drain(..) {
            ended |= self.effect(now, key, effect);
        }
        self.effects = effects;
        if ended {
            self.remove(key);
        } else if self.keeping.is_on() {
            self.keep_dialog(key);
        }
    }

    /// One effect; true when it was the last.
    fn effect(&mut self, now: Now, key: CallKey, effect: Effect) -> bool {
        match effect {
            Effect::Media(order) => self.media_ordered(key, order),
            Effect::Request { branch, side, invite, hop, bytes } => {
                let (owner, rounds) = (Owner::Call { key, side }, Rounds::default());
                self.note_invited(key, branch, invite);
                self.send_request(now, Ask { branch, invite, hop, bytes, owner, rounds });
            }
            Effect::Again { branch, side, invite, hop, bytes } => {
                let (owner, rounds) = (Owner::Call { key, side }, Rounds::default());
                self.note_invited(key, branch, invite);
                self.send_again(now, Ask { branch, invite, hop, bytes, owner, rounds });
            }
            Effect::Cancel { branch, side: _, reason } => {
                self.transactions.cancel(now.tick, branch, reason, &mut self.outcomes);
            }
            Effect::Send { side: _, invite, hop, bytes } => {
                let bytes = self.with_proofs_of(invite, bytes);
                self.flush();
                self.outputs.push_back(super::Output::Send { hop, bytes });
            }
            Effect::KeepAlive { hop } => {
                self.counts.keep_alives_sent += 1;
                self.outputs.push_back(super::Output::Send { hop, bytes: KEEP_ALIVE });
            }
            Effect::Respond { server, side: _, status, bytes } => {
                if status >= 200
                    && let Some(entry) = self.calls.at(key)
                {
                    entry.unanswered.retain(|waiting| *waiting != server);
                }
                self.transactions.respond(now.tick, server, status, bytes, &mut self.outcomes);
            }
            Effect::Resend { server, bytes } => {
                self.transactions.resend(server, bytes, &mut self.outcomes);
            }
            Effect::Bind { tag, side } => {
                self.dialogs.bind(tag, key, side);
                if let Some(entry) = self.calls.at(key) {
                    entry.tags.push(tag);
                }
            }
            Effect::Unbind { tag } => {
                self.dialogs.unbind(tag, key);
                if let Some(entry) = self.calls.at(key) {
                    entry.tags.retain(|bound| *bound != tag);
                }
            }
            Effect::Arm { timer, at } => self.arm(key, timer, at),
            Effect::Disarm(timer) => self.disarm(key, timer),
            Effect::Place(placing) => self.happened.push_back(Happened::Told(Told::Place(key, placing))),
            Effect::Placed(status) => self.tell_placed(key, status),
            Effect::Offer => self.happened.push_back(Happened::Told(Told::Offer(key))),
            Effect::Seek(seek) => self.happened.push_back(Happened::Told(Told::Seek(key, seek))),
            Effect::Recall => self.part(key),
            Effect::Alert(alert) => self.alert(alert),
            Effect::Record(record) => self.recorded(now, key, record),
            Effect::Attempt(record) => {
                self.counts.refused += 1;
                self.counts.records += 1;
                self.outputs.push_back(super::Output::Record(record));
            }
            Effect::Ended => return true,
        }
        false
    }

    /// A call tells its record, once.
    fn recorded(&mut self, now: Now, key: CallKey, record: Box<CallRecord>) {
        let Some(entry) = self.calls.at(key).filter(|entry| !entry.recorded) else { return };
        entry.recorded = true;
        let (from, policy) = (entry.from, Arc::clone(&entry.policy));
        self.learn(now, from, &policy, &record);
        self.counts.records += 1;
        self.dialog_over(key);
        self.record(now, key, record);
    }

    /// Keeps an INVITE that a call sent among those whose answers it is owed.
    fn note_invited(&mut self, key: CallKey, branch: Branch, invite: bool) {
        if invite && let Some(entry) = self.calls.at(key) {
            entry.invited.retain(|older| self.transactions.invite_owner(*older).is_some());
            entry.invited.push(branch);
        }
    }

    fn arm(&mut self, key: CallKey, timer: Timer, at: crate::clock::Tick) {
        self.disarm(key, timer);
        if let Some(entry) = self.calls.at(key) {
            entry.armed.push((timer, self.deadlines.insert(at, (key, timer))));
        }
    }

    fn disarm(&mut self, key: CallKey, timer: Timer) {
        let Some(entry) = self.calls.at(key) else { return };
        if let Some(place) = entry.armed.iter().position(|(armed, _)| *armed == timer) {
            let (_, id) = entry.armed.swap_remove(place);
            self.deadlines.cancel(id);
        }
    }

    /// A deadline of a call came.
    pub(super) fn deadline(&mut self, now: Now, key: CallKey, timer: Timer) {
        if let Some(entry) = self.calls.at(key) {
            entry.armed.retain(|(armed, _)| *armed != timer);
        }
        self.drive(now, key, Event::Timer(timer));
    }

    /// Hands what a transaction told to its owner.
    pub(super) fn follow(&mut self, now: Now, happened: Happened) {
        match happened {
            Happened::Failed { branch, owner, failure } => match owner {
                Owner::Call { key, .. } => self.drive(now, key, Event::Failed { branch, failure }),
                Owner::Probe(peer) => self.probe_failed(now, peer, branch, failure),
                Owner::Standalone(number) => self.carried_failed(now, number, failure),
                Owner::Past(key) => self.past_ends(key),
                Owner::Registration => self.registration_failed(now, branch, failure),
                Owner::Nobody => {}
            },
            Happened::Told(told) => self.follow_transfer(now, told),
            Happened::Gone { branch, owner } => match owner {
                Owner::Call { key, .. } => self.drive(now, key, Event::Gone { branch }),
                Owner::Past(key) => self.past_ends(key),
                Owner::Probe(_) | Owner::Standalone(_) | Owner::Registration | Owner::Nobody => {}
            },
        }
    }

    /// Ends every live call; says how many there were.
    pub(super) fn end_all(&mut self, now: Now, cause: EndCause) -> usize {
        let keys = self.calls.keys();
        for key in &keys {
            self.drive(now, *key, Event::End(cause));
        }
        keys.len()
    }
}

/// Gives back the ports of a call in which a bug showed. Where they cannot be, they are lost and the other calls live.
fn forsake(call: &mut Call, context: &mut Context<'_>) {
    let _given_back = catch_unwind(AssertUnwindSafe(|| call.forsake(context)));
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
