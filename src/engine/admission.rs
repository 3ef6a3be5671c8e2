//! An INVITE that would open a dialog: read, checked, judged, and either refused or born as a call.
//!
//! Owns what must hold of an attempt and the record of one that was refused. Refuses to know rules and legs.
//! Read first: RFC 3261 §8.2, §13.3.1; `users.rs`.

use std::sync::Arc;

use super::identified::Mismatch;
use super::intake::Arrived;
use super::refuse::{self, Wrong};
use super::requests::refusal_alert;
use super::transactions::CallKey;
use super::users::Users;
use super::{Engine, Output, alike, checks, forwarder};
use crate::call::caller;
use crate::call::identity::hex16;
use crate::call::passed::Messages;
use crate::call::record::{Disposition, EndedBy, LegRecord};
use crate::call::{Begin, CallRecord, ServerId};
use crate::clock::Now;
use crate::policy::alert::shortened;
use crate::policy::credential::Credential;
use crate::policy::number::Known;
use crate::policy::owned::Presented;
use crate::policy::verdict::Candidates;
use crate::policy::{Alert, Direction, Facts, Outcome, Peer, Reservation, Trail, admit, code};
use crate::sip::Method;

/// Seconds after which a caller may try again at a limit of the edge itself.
const BUSY_RETRY_SECONDS: u32 = 10;

/// What has been said of a request so far.
#[derive(Debug, Default)]
pub struct Judged {
    /// Where it would run.
    pub direction: Option<Direction>,
    /// Every rule asked.
    pub trail: Trail,
    /// The user whose password it proved.
    pub credential: Option<Arc<str>>,
    /// Who sent the call on.
    pub forwarder: Option<Box<str>>,
    /// Whether its alerts were raised with the verdict.
    pub alerted: bool,
    /// The rule that refuses it, where that is none of the verdict's.
    pub rule: Option<Arc<str>>,
    /// Caller and called as they were read for the verdict, bounded; `None` before.
    pub users: Option<(String, String)>,
    /// How the number called was read under a dial plan.
    pub number: Option<Known>,
}

impl Judged {
    /// Of a request that proved this credential, and whose number was read so.
    pub fn of(credential: Option<&Credential>, number: Option<Known>) -> Self {
        Self { credential: credential.map(|one| Arc::clone(&one.user)), number, ..Self::default() }
    }

    /// Names in an alert whose password the request proved.
    pub fn name(&self, alert: &mut Alert) {
        if let Some(user) = &self.credential {
            alert.evidence.push(("credential", user.to_string()));
        }
    }

    /// Enters that it says to be somebody whom its user may not call as; why it is refused.
    pub fn mismatch(&mut self, mismatch: Mismatch) -> Wrong {
        if let Some(step) = mismatch.step {
            self.rule = Some(Arc::clone(&step.rule));
            self.trail.push(step);
        }
        mismatch.wrong
    }

    /// Keeps for the record what the verdict was asked about.
    fn about(self, facts: &Facts<'_>) -> Self {
        let forwarder = facts.forwarded.map(|forwarded| shortened(forwarded.by).into());
        Self { users: Some((shortened(facts.caller), shortened(facts.called))), forwarder, ..self }
    }
}

impl Engine {
    /// A new call is wanted.
    pub(super) fn attempt(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        facts: &Facts<'_>,
        mut judged: Judged,
    ) {
        if let Err(wrong) = self.may_begin(now, arrived, facts.emergency) {
            return self.refuse(now, arrived, server, &wrong, judged.about(facts));
        }
        let shown = (facts.caller, facts.called);
        if arrived.proven.is_some() && self.withstands(now, arrived, server, shown).is_none() {
            return;
        }
        self.tell_mismatch(now, arrived, facts);
        let forwarder = self.forwarder(arrived, facts);
        let forwarded = facts.forwarded.or(forwarder.as_deref().map(alike::once));
        let facts = &Facts { forwarded, sent_on: forwarder.as_deref(), ..*facts };
        let index = (&self.alike, &mut self.calls);
        let again = alike::again(index, arrived.policy, &self.counters.keyed, arrived.peer, facts);
        let facts = &Facts { again, ..*facts };
        let mut verdict = admit(arrived.policy, &self.counters, facts);
        judged.direction = verdict.direction;
        judged.trail.append(&mut verdict.trail);
        for mut alert in verdict.alerts {
            judged.name(&mut alert);
            self.alert(alert);
        }
        match verdict.outcome {
            Outcome::Silence => {
                self.counts.silenced += 1;
                self.transactions.forget(server);
            }
            Outcome::Refuse(refusal) => {
                if let Some((key, time)) = verdict.bar {
                    self.counters.keyed.bar(key, now.tick, now.tick.after(time));
                }
                judged.alerted = true;
                self.refuse(now, arrived, server, &Wrong::from(*refusal), judged.about(facts));
            }
            Outcome::Admit(candidates) => {
                self.note(&judged, None);
                let (policy, charges) = (arrived.policy, &verdict.charges);
                let charged = if facts.emergency {
                    self.calls_for_help(now, arrived, facts.caller);
                    Ok(policy.charge_emergency(&mut self.counters, charges))
                } else {
                    policy.charge(&mut self.counters, facts, (charges, &verdict.tab))
                };
                match charged {
                    Ok(reservation) => {
                        self.expected.made(arrived.peer, facts.called);
                        let duration_max = verdict.duration_max;
                        let (named, presented) = (verdict.named, verdict.presented);
                        let born = Born { candidates, reservation, duration_max, named, presented, judged };
                        self.admitted(now, arrived, server, facts, born);
                    }
                    Err(refusal) => self.refuse(now, arrived, server, &Wrong::from(*refusal), judged),
                }
            }
        }
    }

    /// Who sent the call on, whatever its own headers say: they may name another one beside, and not instead.
    fn forwarder(&mut self, arrived: &Arrived<'_>, facts: &Facts<'_>) -> Option<Box<str>> {
        let index = (&self.alike, &mut self.calls);
        let carried = alike::sent_on(index, arrived.policy, &self.counters.keyed, arrived.peer, facts.caller);
        match carried {
            Some(by) => Some(by.into()),
            None => self.expected.sent_on(facts.now.tick, arrived.peer, facts.called).map(Into::into),
        }
    }

    /// What must hold of an INVITE before policy is asked where it goes.
    fn may_begin(&mut self, now: Now, arrived: &Arrived<'_>, emergency: bool) -> Result<(), Wrong> {
        let (message, policy, peer) = (arrived.message, arrived.policy, arrived.peer);
        if emergency {
            return self.may_call_for_help(now, arrived);
        }
        checks::contact(message, &arrived.flow, policy)?;
        checks::session_body(message)?;
        checks::route(message, policy, peer)?;
        checks::privacy(message)?;
        forwarder::bounded(message)?;
        if !arrived.in_force {
            return Err(Wrong::by_policy(
                code::INSUFFICIENT_PERMISSIONS,
                peer,
                "this peer was taken out of the policy",
            ));
        }
        if !self.closing.is_open() {
            self.counts.draining += 1;
            // Not a 503: a PBX must not take its calls to another way out because this edge restarts.
            let wrong = Wrong::by_policy(code::CONCURRENCY_EXCEEDED, peer, "this edge is stopping");
            return Err(wrong.retry_after(BUSY_RETRY_SECONDS));
        }
        if self.calls.len() >= self.settings.calls_max {
            return Err(busy(peer));
        }
        Ok(())
    }

    fn admitted(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId, facts: &Facts<'_>, born: Born) {
        self.trying(now, arrived, server);
        self.flush();
        let Judged { direction, trail, credential, number, .. } = born.judged;
        let begin = Begin {
            invite: arrived.message,
            flow: arrived.flow,
            server,
            peer: Arc::clone(arrived.peer),
            policy: Arc::clone(arrived.policy),
            candidates: born.candidates,
            reservations: smallvec::smallvec![born.reservation],
            trail,
            duration_max: born.duration_max,
            ring_max: self.rings_for(now.tick, arrived, facts.called),
            caller: facts.caller,
            called: facts.called,
            number,
            named: born.named,
            shown: caller::Shown { presented: born.presented, shows: facts.shows },
            hidden: facts.hidden,
            emergency: facts.emergency,
            direction: direction.unwrap_or(Direction::Outbound),
            credential,
            forwarder: facts.forwarded.map(|forwarded| shortened(forwarded.by).into()),
        };
        let way = begin.direction;
        if let Some(key) = self.begin(now, arrived.policy, begin) {
            self.counts.admitted += 1;
            return self.index(key, arrived, facts, way);
        }
        let wrong = Wrong::new(500, code::CALLS_CUT, "a bug of this edge kept the call from being set up");
        self.refuse(now, arrived, server, &wrong, Judged { direction, ..Judged::default() });
    }

    /// A call that lives is found by who calls whom.
    fn index(&mut self, key: CallKey, arrived: &Arrived<'_>, facts: &Facts<'_>, way: Direction) {
        let Some(entry) = self.calls.at(key) else { return };
        entry.forwarded = facts.forwarded.is_some();
        entry.caller_sent = (facts.caller_sent != facts.caller).then(|| shortened(facts.caller_sent).into());
        entry.alike = alike::keys(arrived.policy, &self.counters.keyed, arrived.peer, facts, way);
        self.alike.enter(&entry.alike, key);
    }

    /// Answers a request with a refusal; an attempt gets its record.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        wrong: &Wrong,
        judged: Judged,
    ) {
        // Who may be anybody costs neither memory nor a record: told, and counted.
        if arrived.is_unproven() && arrived.message.to_tag().is_none() {
            self.transactions.forget(server);
            self.refuse_quietly(now, arrived, wrong);
            if !judged.alerted {
                self.alert(refusal_alert(now, arrived, wrong));
            }
            return;
        }
        self.respond_refusing(now, arrived, server, wrong);
        self.conclude(now, arrived, wrong, judged);
    }

    /// Ends an attempt that showed a nonce made for its source and proved nothing; what the wire says is less than what the
    /// owner is told. A nonce can be overheard: over UDP no transaction repeats the answer.
    pub(super) fn refuse_unproven(
        &mut self,
        now: Now,
        arrived: &Arrived<'_>,
        server: ServerId,
        (said, wrong): (&Wrong, &Wrong),
        judged: Judged,
    ) {
        if arrived.is_unproven() {
            self.transactions.forget(server);
            self.answer_stateless(now, arrived, said);
        } else {
            self.respond_refusing(now, arrived, server, said);
        }
        self.conclude(now, arrived, wrong, judged);
    }

    fn respond_refusing(&mut self, now: Now, arrived: &Arrived<'_>, server: ServerId, said: &Wrong) {
        let tag = hex16(self.random.bits());
        let bytes = refuse::answer(arrived.message, &arrived.flow, arrived.peer, said, &tag);
        self.transactions.respond(now.tick, server, said.refusal.status, bytes, &mut self.outcomes);
        self.flush();
    }

    /// Tells of a refusal and counts it; an attempt gets its record.
    fn conclude(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong, judged: Judged) {
        self.note(&judged, Some(wrong));
        let attempt = is_attempt(arrived);
        let mut judged = judged;
        if attempt && judged.users.is_none() {
            let users = Users::read(arrived);
            judged.users = Some((shortened(users.caller()), shortened(users.called())));
        }
        if !judged.alerted {
            let mut alert = refusal_alert(now, arrived, wrong);
            (alert.from, alert.to) = judged.users.clone().unzip();
            alert.rule.clone_from(&judged.rule);
            judged.name(&mut alert);
            self.alert(alert);
        }
        if attempt {
            self.learn_refused(now, arrived, wrong);
            self.counts.refused += 1;
            self.counts.records += 1;
            let record = self.refused(now, arrived, wrong, judged);
            self.outputs.push_back(Output::Record(Box::new(record)));
        } else {
            self.counts.rejected += 1;
        }
    }

    /// The record of an attempt that never became a call.
    fn refused(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong, judged: Judged) -> CallRecord {
        let (from, to) = judged.users.unwrap_or_default();
        let refusal = &wrong.refusal;
        let leg = LegRecord {
            peer: Arc::clone(&arrived.peer.name),
            call_id: shortened(&String::from_utf8_lossy(arrived.message.call_id())),
            remote: arrived.flow.remote,
            transport: arrived.flow.transport,
            status: Some(refusal.status),
        };
        CallRecord {
            id: u128::from(self.random.bits()) << 64 | u128::from(self.random.bits()),
            follows: None,
            direction: judged.direction,
            from,
            to,
            number: judged.number,
            credential: judged.credential,
            forwarder: judged.forwarder,
            legs: vec![leg],
            began: now.wall,
            rang: None,
            answered: None,
            ended: now.wall,
            disposition: Disposition::Refused,
            ended_by: EndedBy::Edge,
            status: refusal.status,
            why: [refusal.code.name, ": ", &refusal.text].concat(),
            code: Some(refusal.code.number),
            trail: judged.trail,
            messages: Messages::default(),
            media: Vec::new(),
        }
    }
}

pub(super) fn busy(peer: &Peer) -> Wrong {
    let wrong = Wrong::by_policy(code::CONCURRENCY_EXCEEDED, peer, "all calls of this edge are taken");
    wrong.retry_after(BUSY_RETRY_SECONDS)
}

/// What a call is born with.
struct Born {
    candidates: Candidates,
    reservation: Reservation,
    duration_max: std::time::Duration,
    named: bool,
    presented: Presented,
    judged: Judged,
}

/// Whether a request asks for a new dialog.
pub(super) fn is_attempt(arrived: &Arrived<'_>) -> bool {
    *arrived.message.method() == Method::Invite && arrived.message.to_tag().is_none()
}
