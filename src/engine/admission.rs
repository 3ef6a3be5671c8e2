//! An INVITE that would open a dialog: read, checked, judged, and either refused or born as a call.
//!
//! Owns what is read of an attempt and the record of one that was refused. Refuses to know rules and legs.
//! Read first: RFC 3261 §8.2, §13.3.1.

use std::borrow::Cow;
use std::sync::Arc;

use super::checks;
use super::identified::Mismatch;
use super::intake::Arrived;
use super::refuse::{self, Wrong};
use super::requests::refusal_alert;
use super::{Engine, Output};
use crate::call::caller;
use crate::call::identity::hex16;
use crate::call::passed::Messages;
use crate::call::record::{Disposition, EndedBy, LegRecord};
use crate::call::{Begin, CallRecord, ServerId};
use crate::clock::Now;
use crate::policy::alert::shortened;
use crate::policy::credential::Credential;
use crate::policy::number::{Deny, Dialled, Dialling, Known, Privacy};
use crate::policy::owned::Presented;
use crate::policy::peer::CalledFrom;
use crate::policy::verdict::{Candidates, Said, Saw, Step};
use crate::policy::{Alert, Direction, Facts, Outcome, Peer, PeerSide, Reservation, Trail, admit, code};
use crate::sip::{HeaderName, Method, NameAddr, Uri};

/// Seconds after which a caller may try again at a limit of the edge itself.
const BUSY_RETRY_SECONDS: u32 = 10;

/// Whom a request calls.
#[derive(Debug)]
pub enum Called<'a> {
    /// The user part, where the peer has no dial plan.
    Literal(Cow<'a, str>),
    /// What was read under its dial plan.
    Read(Dialled),
}

/// Calls beyond all that this edge takes that an emergency may still make: memory has an end, too.
const EMERGENCIES_MAX: usize = 1_000;

/// Who calls whom, as read from the message.
#[derive(Debug)]
pub struct Users<'a> {
    /// The user of the header that names the caller.
    pub caller: Cow<'a, str>,
    /// The number in the header that the peer's `called_from` names.
    pub called: Called<'a>,
    /// The caller as its peer's dial plan reads it, where that is a whole number.
    pub caller_read: Option<Dialled>,
    /// Why it may not go on, and the rule that says so, where it is one.
    pub fault: Option<Mismatch>,
}

impl<'a> Users<'a> {
    /// Reads them; what cannot be read is empty and told in `fault`.
    #[must_use]
    pub fn read(arrived: &Arrived<'a>) -> Self {
        let (called, unread) = match called(arrived) {
            Ok(called) => (called, None),
            Err(mismatch) => (Called::Literal(as_it_stands(arrived)), Some(*mismatch)),
        };
        let (caller, caller_read, unknown) = match caller_of(arrived) {
            Ok((caller, read)) => (caller, read, None),
            Err(wrong) => (Cow::Borrowed(""), None, Some(Mismatch { wrong, step: None })),
        };
        Self { caller, caller_read, called, fault: unread.or(unknown) }
    }

    /// Who calls, as routes and rules know it.
    #[must_use]
    pub fn caller(&self) -> &str {
        self.caller_read.as_ref().map_or(&self.caller, Dialled::as_str)
    }

    /// Whom it calls, as routes and rules know it.
    #[must_use]
    pub fn called(&self) -> &str {
        match &self.called {
            Called::Literal(called) => called,
            Called::Read(dialled) => dialled.as_str(),
        }
    }

    /// How that was read under the dial plan of who calls, for the record.
    pub fn number(&self, peer: &Peer) -> Option<Known> {
        match &self.called {
            Called::Literal(_) => None,
            Called::Read(dialled) => {
                let dialling = Arc::clone(peer.dialling.as_ref()?);
                Some(Known { dialling, reading: dialled.reading.clone() })
            }
        }
    }

    /// Tells policy what that was read as under a dial plan.
    pub fn complete<'f>(&'f self, emergency: bool, facts: &mut Facts<'f>) {
        match &self.called {
            Called::Literal(_) => {}
            Called::Read(dialled) => {
                facts.number = Some(&dialled.reading.number);
                facts.hidden |= dialled.reading.privacy == Privacy::Hide;
            }
        }
        facts.emergency = emergency;
        facts.caller_sent = &self.caller;
        // Who helps must be able to call back, and is told what the PBX says.
        facts.hidden &= !emergency;
        if emergency {
            facts.caller = &self.caller;
        }
    }

    /// Whether it is a call for help in danger to life that nothing may refuse: of an inside peer that the policy in force
    /// lists. A trunk's call to such a number is none, and who has yet to prove who it is has not called.
    pub fn is_emergency(&self, arrived: &Arrived<'_>) -> bool {
        let read = match &self.called {
            Called::Literal(_) => false,
            Called::Read(dialled) => dialled.reading.number.is_emergency(),
        };
        read && arrived.peer.side == PeerSide::Inside && arrived.in_force && is_attempt(arrived)
    }
}

/// Who calls, as it stands there and as the peer's dial plan reads it.
fn caller_of<'a>(arrived: &Arrived<'a>) -> Result<(Cow<'a, str>, Option<Dialled>), Wrong> {
    let malformed = |why: &str| Wrong::new(400, code::URI_MALFORMED, why);
    match caller::named(arrived.message, &arrived.peer.identity) {
        Ok(Some(name)) => {
            let uri = name.uri().map_err(|_| malformed("the caller's URI cannot be read"))?;
            let user = caller::user(&uri).map_err(|why| malformed(&format!("the caller has {why}")))?;
            Ok((user, arrived.peer.dialling.as_ref().and_then(|plan| plan.read_caller(name.raw_uri))))
        }
        Ok(None) => Ok((Cow::Borrowed(""), None)),
        Err(why) => Err(Wrong::new(400, code::HEADER_VALUE_INVALID, why)),
    }
}

/// Whom a request dials, for whoever is told of one that is not read.
fn as_it_stands<'a>(arrived: &Arrived<'a>) -> Cow<'a, str> {
    let uri = dialled_uri(arrived).ok();
    uri.and_then(|raw| Uri::read(raw).ok()).and_then(|uri| caller::user(&uri).ok()).unwrap_or_default()
}

/// The URI dialled, where the peer says that it stands. Only a trunk has a choice: what an inside peer dials is its
/// Request-URI.
fn dialled_uri<'a>(arrived: &Arrived<'a>) -> Result<&'a [u8], &'static str> {
    let message = arrived.message;
    let from = match arrived.peer.side {
        PeerSide::Inside => CalledFrom::RequestUri,
        PeerSide::Outside => arrived.peer.called_from,
    };
    match from {
        CalledFrom::RequestUri => Ok(message.request_uri()),
        CalledFrom::To => Ok(message.to().raw_uri),
        CalledFrom::PCalledPartyId => {
            let value = message.header(HeaderName::PCalledPartyId).ok_or("P-Called-Party-ID is missing")?;
            let name = NameAddr::read(value).map_err(|_| "P-Called-Party-ID cannot be read")?;
            Ok(name.raw_uri)
        }
    }
}

/// Whom a request calls: read under the peer's dial plan, or as it stands where it has none.
fn called<'a>(arrived: &Arrived<'a>) -> Result<Called<'a>, Box<Mismatch>> {
    let peer = arrived.peer;
    let amiss = |why: &str| {
        Box::new(Mismatch { wrong: Wrong::by_policy(code::INVALID_PHONE_NUMBER, peer, why), step: None })
    };
    let raw = dialled_uri(arrived).map_err(amiss)?;
    if let Some(dialling) = &peer.dialling {
        return dialling
            .read(raw)
            .map(Called::Read)
            .map_err(|deny| Box::new(denied(arrived, dialling, deny)));
    }
    let uri = Uri::read(raw).map_err(|_| amiss("the URI of the number dialled cannot be read"))?;
    match uri {
        Uri::Sip(_) | Uri::Tel { .. } => checks::number(&uri).map(Called::Literal).map_err(amiss),
        Uri::Urn(_) | Uri::Other(_) => Err(amiss("the number dialled stands in a URI that is not served")),
    }
}

/// Why the peer's dial plan does not read what was dialled, with the cure.
fn denied(arrived: &Arrived<'_>, dialling: &Dialling, deny: Deny) -> Mismatch {
    let (code, status) = deny.answer();
    let why = format!("dial plan {} does not read it ({}): {}", dialling.name, deny.name(), deny.text());
    let mut wrong = Wrong::by_policy(code, arrived.peer, &why);
    if arrived.peer.refusal.status(code.class).is_none() {
        wrong.refusal.status = status;
    }
    wrong.cure = Some(deny.cure());
    let step = Step { rule: Arc::clone(&dialling.path), saw: Saw::Word(deny.name()), said: Said::Refuse };
    Mismatch { wrong, step: Some(step) }
}

/// What has been said of a request so far.
#[derive(Debug, Default)]
pub struct Judged {
    /// Where it would run.
    pub direction: Option<Direction>,
    /// Every rule asked.
    pub trail: Trail,
    /// The user whose password it proved.
    pub credential: Option<Arc<str>>,
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
        Self { users: Some((shortened(facts.caller), shortened(facts.called))), ..self }
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
        if let Err(wrong) = self.may_begin(arrived, facts.emergency) {
            return self.refuse(now, arrived, server, &wrong, judged.about(facts));
        }
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
                judged.alerted = true;
                self.refuse(now, arrived, server, &Wrong::from(*refusal), judged.about(facts));
            }
            Outcome::Admit(candidates) => {
                self.note(&judged, None);
                let (policy, charges) = (arrived.policy, &verdict.charges);
                let charged = if facts.emergency {
                    Ok(policy.charge_emergency(&self.counters, charges))
                } else {
                    policy.charge(&self.counters, facts.peer, charges)
                };
                match charged {
                    Ok(reservation) => {
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

    /// What must hold of an INVITE before policy is asked where it goes.
    fn may_begin(&mut self, arrived: &Arrived<'_>, emergency: bool) -> Result<(), Wrong> {
        let (message, policy, peer) = (arrived.message, arrived.policy, arrived.peer);
        checks::contact(message, &arrived.flow, policy)?;
        checks::session_body(message)?;
        if emergency {
            return if self.calls.len() < self.settings.calls_max.saturating_add(EMERGENCIES_MAX) {
                Ok(())
            } else {
                Err(busy(peer))
            };
        }
        checks::route(message, policy, peer)?;
        checks::privacy(message)?;
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
            caller: facts.caller,
            called: facts.called,
            number,
            named: born.named,
            presented: born.presented,
            hidden: facts.hidden,
            emergency: facts.emergency,
            direction: direction.unwrap_or(Direction::Outbound),
            credential,
        };
        if self.begin(now, arrived.policy, begin) {
            self.counts.admitted += 1;
            return;
        }
        let wrong = Wrong::new(500, code::CALLS_CUT, "a bug of this edge kept the call from being set up");
        self.refuse(now, arrived, server, &wrong, Judged { direction, ..Judged::default() });
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
            direction: judged.direction,
            from,
            to,
            number: judged.number,
            credential: judged.credential,
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

fn busy(peer: &Peer) -> Wrong {
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
