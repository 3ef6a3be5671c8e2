//! The three stages: `screen` before any state, `admit` for a new call, `review` of a live one; and the gate of a target.
//!
//! Owns their order. Every function is pure: it returns what to charge, and the engine charges once.
//! Read first: DESIGN.md §1, laws 4 to 8; §3, "One INVITE through it".

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::alert::{Alert, Code};
use super::capped::capped;
use super::counters::{Charge, Counters, Full, Reservation};
use super::facts::Facts;
use super::limits::Tab;
use super::owned::{Callers, Presented};
use super::peer::{Direction, Peer, PeerId, PeerSide};
use super::refusal::Refusal;
use super::route::{self, Candidate, Routed};
use super::rules::caller::{Claim, claim};
use super::rules::concurrent_calls::objection;
use super::rules::max_duration::DURATION_DEFAULT;
use super::rules::{Entry, Objection, Opinion, Question};
use super::verdict::{Candidates, Outcome, Said, Saw, Step, Verdict};
use super::{Policy, code, emergency, secrecy, suspended};
use crate::clock::Tick;
use crate::sip::Method;

/// The answer to a call that may not go on at the gate of a target; boxed, because it is rare.
pub type Refused = Box<Refusal>;

impl Verdict {
    pub(super) fn open() -> Self {
        Self {
            outcome: Outcome::Admit(SmallVec::new()),
            direction: None,
            named: false,
            presented: Presented::Caller,
            charges: SmallVec::new(),
            tab: Tab::default(),
            alerts: SmallVec::new(),
            bar: None,
            trail: SmallVec::new(),
            duration_max: DURATION_DEFAULT,
        }
    }

    /// Whether it was refused.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        match self.outcome {
            Outcome::Admit(_) => false,
            Outcome::Refuse(_) | Outcome::Silence => true,
        }
    }

    /// Enters an objection: alert, outcome.
    pub(super) fn refuse(&mut self, path: &Arc<str>, question: &Question<'_>, objection: Objection) {
        let Objection { code, status, retry_after, told, text } = objection;
        let mut refusal = Refusal::new(code, &question.peer.refusal, told);
        refusal.retry_after = retry_after;
        if let Some(status) = status {
            refusal = refusal.by_protocol(status);
        }
        // RFC 3261 §17.1.1.3: an ACK is never answered.
        let answered = (*question.facts.method != Method::Ack).then_some(refusal.status);
        self.alert(path, question, code, text, answered);
        self.outcome = if answered.is_some() { Outcome::Refuse(Box::new(refusal)) } else { Outcome::Silence };
    }

    pub(super) fn alert(
        &mut self,
        path: &Arc<str>,
        question: &Question<'_>,
        code: Code,
        text: String,
        status: Option<u16>,
    ) {
        let mut alert = Alert::about(code, question.facts, Some(question.peer), text);
        alert.rule = Some(Arc::clone(path));
        alert.sip_status = status;
        self.alerts.push(alert);
    }

    /// Enters what is said of orders that suspend something; whether the call goes no further.
    fn stops(&mut self, opinion: Opinion, question: &Question<'_>) -> bool {
        let rule = Arc::from(suspended::STEP);
        let said = if opinion.objection.is_some() { Said::Refuse } else { Said::Pass };
        self.trail.push(Step { rule: Arc::clone(&rule), saw: opinion.saw, said });
        let Some(objection) = opinion.objection else { return false };
        self.refuse(&rule, question, *objection);
        true
    }

    /// Asks rules in their order until one refuses; whether none did.
    fn ask<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>, question: &Question<'_>) -> bool {
        for entry in entries.filter(|entry| entry.rule.is_about(question.facts, question.policy)) {
            // DESIGN.md law 3: the hop limit and loops hold for an emergency, and nothing else that is asked.
            if question.facts.emergency && !entry.rule.holds_for_emergencies() {
                let rule = Arc::clone(&entry.path);
                self.trail.push(Step { rule, saw: Saw::Word("emergency"), said: Said::Pass });
                continue;
            }
            let opinion = entry.rule.judge(question);
            if let Some(duration_max) = opinion.duration_max {
                self.duration_max = self.duration_max.min(duration_max);
            }
            self.charges.extend(opinion.charges);
            let said = match (&opinion.objection, entry.observes(question.facts.now.wall)) {
                (None, _) => Said::Pass,
                (Some(_), true) => Said::Observe,
                (Some(_), false) => Said::Refuse,
            };
            self.trail.push(Step { rule: Arc::clone(&entry.path), saw: opinion.saw, said });
            if let Some(warning) = opinion.warning {
                self.alert(&entry.path, question, warning.code, warning.text, None);
            }
            let Some(objection) = opinion.objection else { continue };
            if said == Said::Refuse {
                self.bar = opinion.bar;
            }
            if said == Said::Observe {
                let text = format!("Only observed, the call goes on: {}", objection.text);
                self.alert(&entry.path, question, objection.code, text, None);
            } else {
                self.refuse(&entry.path, question, *objection);
                return false;
            }
        }
        true
    }
}

/// Judges one request of a listed peer before any state exists: methods, transport, hops, loops, the host it names.
/// `Outcome::Admit` without candidates means that it may go on.
#[must_use]
pub fn screen(policy: &Policy, facts: &Facts<'_>) -> Verdict {
    let mut verdict = Verdict::open();
    match policy.peer(facts.peer) {
        Some(peer) => {
            let question = Question { policy, counters: None, facts, peer };
            verdict.ask(policy.rules.screen.iter(), &question);
        }
        // A reload took the peer away between its flow and this question: it is a stranger now.
        None => verdict.outcome = Outcome::Silence,
    }
    verdict
}

/// Judges a new call (or a MESSAGE that would be carried): routes, the rules of its direction in YAML order, then the
/// caps of the calling peer and, from a trunk, of the site's channels. Nothing is charged: `Verdict::charges` says what
/// the engine must reserve. The caps of the peer that is called are asked at `Policy::gate`, for each target tried.
#[must_use]
pub fn admit(policy: &Policy, counters: &Counters, facts: &Facts<'_>) -> Verdict {
    let mut verdict = Verdict::open();
    let Some(peer) = policy.peer(facts.peer) else {
        verdict.outcome = Outcome::Silence;
        return verdict;
    };
    if facts.emergency {
        return emergency::admit(policy, facts, peer);
    }
    let mut routed = route::find(policy, facts, peer);
    let direction = routed.as_ref().map(|routed| routed.direction);
    // A call without a route is judged as its side's calls are, so that the trail names the rule and not only the gap.
    let judged_as = direction.unwrap_or(match peer.side {
        PeerSide::Inside => Direction::Outbound,
        PeerSide::Outside => Direction::Inbound,
    });
    let targets = routed.as_mut().map(|routed| &mut routed.candidates);
    let suspended = counters.suspensions.judge(policy, facts, peer, judged_as, targets);
    let target = routed.as_ref().and_then(|routed| routed.candidates.first()).map(|candidate| candidate.peer);
    let facts = Facts { direction, target, ..*facts };
    let question = Question { policy, counters: Some(counters), facts: &facts, peer };
    verdict.direction = Some(judged_as);
    if suspended.is_some_and(|opinion| verdict.stops(opinion, &question)) {
        return verdict;
    }
    if !verdict.ask(policy.rules.of(judged_as), &question) {
        return verdict;
    }
    let Some(mut routed) = routed else {
        no_route(&mut verdict, policy, &question);
        return verdict;
    };
    let rule = Arc::clone(&routed.route.path);
    verdict.trail.push(Step { rule, saw: Saw::Nothing, said: Said::Match });
    verdict.direction = Some(routed.direction);
    if let Err((path, objection)) = secrecy::keep(policy, &facts, &mut routed.candidates) {
        verdict.trail.push(Step { rule: Arc::clone(&path), saw: Saw::Nothing, said: Said::Refuse });
        verdict.refuse(&path, &question, *objection);
        return verdict;
    }
    let Some(claim) = presented(&mut verdict, &question, routed.direction) else { return verdict };
    let way = routed.direction;
    let Some(candidates) = written(&mut verdict, &question, routed, claim) else { return verdict };
    if !capped(&mut verdict, &question, way) {
        return verdict;
    }
    if facts.takes_place() && !charge(&mut verdict, &question) {
        return verdict;
    }
    verdict.outcome = Outcome::Admit(candidates);
    verdict
}

/// What the caller is to its peer, and in the verdict who is shown for it; `None` when nobody may be and the call is refused.
fn presented<'a>(
    verdict: &mut Verdict,
    question: &Question<'a>,
    direction: Direction,
) -> Option<Option<(&'a Callers, Claim<'a>)>> {
    let Some((callers, claim)) = claim(question, direction) else { return Some(None) };
    let presented = claim.presented(callers, question.facts.hidden);
    let said = if presented.is_some() { Said::Pass } else { Said::Refuse };
    verdict.trail.push(Step { rule: Arc::clone(&callers.path), saw: Saw::Word(claim.word()), said });
    match presented {
        Some(presented) => verdict.presented = presented,
        None => {
            verdict.refuse(&callers.path, question, *claim.objection(question, None));
            return None;
        }
    }
    Some(Some((callers, claim)))
}

/// The targets towards which both numbers can be written; `None` when there is none and the call is refused.
fn written(
    verdict: &mut Verdict,
    question: &Question<'_>,
    routed: Routed<'_>,
    claim: Option<(&Callers, Claim<'_>)>,
) -> Option<Candidates> {
    let Routed { route, direction, mut candidates } = routed;
    let (policy, facts) = (question.policy, question.facts);
    let presented = verdict.presented.clone();
    let asked = Facts { caller: presented.of(facts.caller), ..*facts };
    let stands_in = claim.filter(|_| presented == Presented::StandIn && !facts.hidden);
    let mut first = None;
    candidates.retain(|candidate| {
        let Some(peer) = policy.peer(candidate.peer) else { return false };
        if let Some((callers, claim)) = stands_in.filter(|_| peer.numbers.substitute.is_none()) {
            let objects = || (Arc::clone(&callers.path), claim.objection(question, Some(peer)));
            first.get_or_insert_with(objects);
            return false;
        }
        if peer.numbers.is_unchanged() {
            return true;
        }
        let named = route.names(policy, facts.called, peer);
        verdict.named |= named;
        match unwritable(peer, &asked, direction, named) {
            None => true,
            Some((key, objection)) => {
                first.get_or_insert_with(|| (Arc::from(format!("peers.{}.{key}", peer.name)), objection));
                false
            }
        }
    });
    if candidates.is_empty()
        && let Some((path, objection)) = first
    {
        verdict.trail.push(Step { rule: Arc::clone(&path), saw: Saw::Nothing, said: Said::Refuse });
        verdict.refuse(&path, question, *objection);
        return None;
    }
    if let Some((callers, Claim::NotOwned)) = claim {
        verdict.alert(&callers.path, question, code::CALLER_NOT_OWNED, Claim::replaced(question), None);
    }
    Some(candidates)
}

/// Why a call cannot be written towards a peer, and the key that asks for it.
fn unwritable(
    peer: &Peer,
    facts: &Facts<'_>,
    direction: Direction,
    named: bool,
) -> Option<(&'static str, Box<Objection>)> {
    let numbers = &peer.numbers;
    if let Err(why) = numbers.called(facts.called, direction, named) {
        let form = numbers.called.name();
        let told = format!("{} cannot be dialled: {}", facts.called, why.why());
        let text = format!(
            "{} cannot be written towards {} ({form}): {}. Let the caller's machine dial + and the country code; a short \
             code or name passes as it is where a route's `called` names it exactly.",
            facts.called,
            peer.name,
            why.why()
        );
        return Some(("number_format", Objection::new(code::INVALID_PHONE_NUMBER, told, text)));
    }
    // A caller who is not shown needs no number that could be.
    if facts.hidden {
        return None;
    }
    let why = numbers.caller(facts.caller, direction).err()?;
    let form = numbers.caller.name();
    let told = format!("the caller {} cannot be shown: {}", facts.caller, why.why());
    let text = format!(
        "The caller {} cannot be written towards {} ({form}): {}. Let the caller's machine send + and the country code, \
         or name a `default_caller` for {}.",
        facts.caller,
        peer.name,
        why.why(),
        peer.name
    );
    Some(("caller_format", Objection::new(code::CALLER_INVALID, told, text)))
}

/// The caps of the calling side; whether all have room.
fn charge(verdict: &mut Verdict, question: &Question<'_>) -> bool {
    let (policy, counters) = (question.policy, question.counters);
    for charge in leg_charges(question.peer) {
        let limit = policy.limit(charge);
        let fits = counters.map_or(Ok(()), |counters| counters.fits(charge, limit));
        let value = counters.map_or(0, |counters| counters.held(charge));
        let saw = Saw::Count { value: value.into(), limit: limit.into() };
        let path = policy.cap_path(charge);
        let said = if fits.is_ok() { Said::Pass } else { Said::Refuse };
        verdict.trail.push(Step { rule: Arc::clone(&path), saw, said });
        if let Err(full) = fits {
            verdict.refuse(&path, question, *objection(full, &policy.charged_name(charge)));
            return false;
        }
        verdict.charges.push(charge);
    }
    true
}

fn no_route(verdict: &mut Verdict, policy: &Policy, question: &Question<'_>) {
    let facts = question.facts;
    route::tell_asked(policy, facts, question.peer, &mut verdict.trail);
    let path = policy.routes_path();
    verdict.trail.push(Step { rule: Arc::clone(&path), saw: Saw::Word("no route"), said: Said::Refuse });
    let text = format!(
        "{} called {}, and no route fits: add one to `routes`, or put the number into `dids` of its site if a trunk \
         delivers it.",
        question.peer.name, facts.called
    );
    let told = format!("no route to {}", facts.called);
    verdict.refuse(&path, question, *Objection::new(code::NO_ROUTE, told, text));
}

/// What one leg of a call takes: one of its peer's calls and, at a trunk, one of the site's channels.
pub(super) fn leg_charges(peer: &Peer) -> SmallVec<[Charge; 2]> {
    let mut charges = SmallVec::from_iter([Charge::Call(peer.id)]);
    if let (PeerSide::Outside, Some(site)) = (peer.side, peer.site) {
        charges.push(Charge::Channel(site));
    }
    charges
}

impl Policy {
    /// Takes what a verdict asks for, all or nothing. It fits unless something was charged since the verdict.
    pub fn charge(
        &self,
        counters: &mut Counters,
        facts: &Facts<'_>,
        (charges, tab): (&[Charge], &Tab),
    ) -> Result<Reservation, Refused> {
        let held = self.reserve(counters, charges, &Reservation::empty());
        let held = held.map_err(|full| self.full(facts.peer, full))?;
        let Some(peer) = self.peer(facts.peer) else { return Ok(held) };
        match self.meter(counters, &Question { policy: self, counters: None, facts, peer }, tab) {
            Ok(None) => Ok(held),
            Ok(Some(meter)) => Ok(held.metered(meter)),
            Err(code) => Err(Box::new(self.refusal(facts.peer, code, "no account is free".to_owned()))),
        }
    }

    /// The gate of one target, asked each time a call turns to it: the cap of the peer that is called and the channels of
    /// its site. `from` is the caller, whose presets give the status; what the call `holds` already is not taken again.
    pub fn gate(
        &self,
        counters: &mut Counters,
        from: PeerId,
        candidate: &Candidate,
        holds: &Reservation,
    ) -> Result<Reservation, Refused> {
        let Some(peer) = self.peer(candidate.peer) else {
            return Err(Box::new(self.no_target(from)));
        };
        self.reserve(counters, &leg_charges(peer), holds).map_err(|full| self.full(from, full))
    }

    fn reserve(
        &self,
        counters: &mut Counters,
        charges: &[Charge],
        holds: &Reservation,
    ) -> Result<Reservation, Full> {
        charges.iter().try_fold(Reservation::empty(), |held, charge| {
            counters.reserve(*charge, self.limit(*charge), holds).map(|more| held.with(more))
        })
    }

    fn full(&self, from: PeerId, full: Full) -> Refused {
        let objection = objection(full, &self.charged_name(full.charge));
        let mut refusal = self.refusal(from, objection.code, objection.told);
        refusal.retry_after = objection.retry_after;
        Box::new(refusal)
    }

    /// A refusal towards a peer, its presets applied.
    #[must_use]
    pub fn refusal(&self, to: PeerId, code: Code, told: String) -> Refusal {
        let presets = self.peer(to).map(|peer| peer.refusal).unwrap_or_default();
        Refusal::new(code, &presets, told)
    }

    /// What a caller is told when no target is left: 480, or what its preset says; never 503.
    #[must_use]
    pub fn no_target(&self, to: PeerId) -> Refusal {
        self.refusal(to, code::NO_TARGET_AVAILABLE, "no target of the route could take the call".to_owned())
    }

    /// What a listed peer is told that sends more new requests than its bucket holds: answered without state.
    #[must_use]
    pub fn over_bucket(&self, to: PeerId) -> Refusal {
        self.refusal(to, code::CALL_RATE_EXCEEDED, "too many requests a second".to_owned()).retry_after(1)
    }
}

/// What the third stage looks at: one answered call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// Who called.
    pub peer: PeerId,
    /// When it was answered.
    pub answered: Tick,
    /// The cap of the verdict that admitted it.
    pub duration_max: Duration,
}

/// What the third stage says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// It may go on; look again at this tick.
    GoesOn(Tick),
    /// End it on both legs with this code.
    End(Code),
}

/// Judges a live call: it ends when its time from answer is over, and nothing that happens in it moves that moment.
#[must_use]
pub fn review(live: &Live, now: Tick) -> Review {
    let end = live.answered.after(live.duration_max);
    if now < end { Review::GoesOn(end) } else { Review::End(code::MAX_DURATION_REACHED) }
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
