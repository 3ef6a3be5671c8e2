//! What is learnt from calls that have ended, and from attempts that were refused.
//!
//! Owns which record tells a detector something. Refuses to judge, and to remember: `policy/detect` does. Nothing is learnt of a call
//! for help. Read first: spec/limits.md, "Detectors".

use std::time::Duration;

use super::Engine;
use super::intake::Arrived;
use super::refuse::Wrong;
use super::users::as_sent;
use crate::call::CallRecord;
use crate::clock::{Now, Wall, time_text};
use crate::policy::detect::{Kind, Note, block, site_key};
use crate::policy::keyed::Scope;
use crate::policy::number::Dialling;
use crate::policy::rules::{
    CallbackTrap, Detector, Entry, Rule, TestCalls, callback_trap, dial_plan_guessing, test_calls,
};
use crate::policy::{Alert, Direction, Peer, PeerId, PeerSide, Policy, code};

impl Engine {
    /// A call of a peer has ended.
    pub(super) fn learn(&mut self, now: Now, from: PeerId, policy: &Policy, record: &CallRecord) {
        let help = record.number.as_ref().is_some_and(|known| known.reading.number.is_emergency());
        let Some(peer) = policy.peer(from).filter(|_| !help) else { return };
        self.learn_caller(now, policy, peer, record);
        for (entry, detector) in detectors(policy) {
            match detector {
                Detector::TestCalls(rule) => self.short_call(now, *rule, peer, record),
                Detector::CallbackTrap(rule) => {
                    if let Some(alert) = self.rang(now, *rule, (policy, peer), record) {
                        self.alert(Box::new(Alert { rule: Some(entry.path.clone()), ..alert }));
                    }
                }
                Detector::SequentialNumbers(_) | Detector::DialPlanGuessing(_) => {}
            }
        }
    }

    /// A short answered call to the outside.
    fn short_call(&mut self, now: Now, rule: TestCalls, peer: &Peer, record: &CallRecord) {
        let outside = matches!(record.direction, Some(Direction::Outbound | Direction::Transit));
        let Some(answered) = record.answered.filter(|_| outside && record.to.starts_with('+')) else {
            return;
        };
        if between(answered, record.ended) >= rule.short {
            return;
        }
        let keyed = &self.counters.keyed;
        let key = test_calls::key(keyed, peer.id, record.credential.as_deref(), &record.from, &record.to);
        // Each call is one, whatever the clock says.
        let value = u64::try_from(record.id & u128::from(u64::MAX)).unwrap_or_default();
        self.counters.detect.note(Note { kind: Kind::Short, key, value, at: now.tick });
    }

    /// A call in that rang shortly and hung up opens a watch; an answered call back uses it up.
    fn rang(
        &mut self,
        now: Now,
        rule: CallbackTrap,
        (policy, peer): (&Policy, &Peer),
        record: &CallRecord,
    ) -> Option<Alert> {
        let inbound = record.direction == Some(Direction::Inbound);
        let digits = if inbound { &record.from } else { &record.to }.strip_prefix('+')?;
        let (block, _) = block(digits)?;
        let key = site_key(&self.counters.keyed, Scope::Rang, peer, block);
        if !inbound {
            if record.answered.is_some()
                && let Some(watch) = self.counters.detect.watches.find_mut(key)
            {
                watch.answered();
            }
            return None;
        }
        let rang = record.rang.filter(|_| record.answered.is_none())?;
        let lures = || home(policy, peer).is_some_and(|plan| callback_trap::lures(digits, plan));
        if between(rang, record.ended) >= rule.ring || !lures() {
            return None;
        }
        let did = self.counters.keyed.key(Scope::Rang, peer.id, &[&record.to]).bits();
        let rang = self.counters.detect.watches.entry(key, now.tick).rang(did, now.tick, rule.watch)?;
        if u32::try_from(rang).ok() != Some(rule.dids) {
            return None;
        }
        let text = format!(
            "+{block}xxxx rang {rang} numbers here within an hour for less than {} each and hung up: a call back would pay who \
             rang. Tell the office not to call back; what still does is limited for {}.",
            time_text(rule.ring),
            time_text(rule.watch)
        );
        let mut alert = Alert::new(code::CALLBACK_TRAP, now.wall, text);
        (alert.peer, alert.from, alert.to) =
            (Some(peer.name.clone()), Some(record.from.clone()), Some(record.to.clone()));
        Some(alert)
    }

    /// An attempt of a peer was refused: a way to dial a number that it tried all the same.
    pub(super) fn learn_refused(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong) {
        let peer = arrived.peer;
        let unknown = peer.demand.is_some() && arrived.proven.is_none();
        let judged = wrong.refusal.code == code::DIAL_PLAN_GUESSING;
        if peer.side != PeerSide::Inside || unknown || judged {
            return;
        }
        let rule = detectors(arrived.policy).find_map(|(entry, detector)| match detector {
            Detector::DialPlanGuessing(rule) => Some((entry, *rule)),
            Detector::SequentialNumbers(_) | Detector::TestCalls(_) | Detector::CallbackTrap(_) => None,
        });
        let Some((entry, rule)) = rule else { return };
        let credential = arrived.proven.map(|credential| &*credential.user);
        let (caller, dialled) = as_sent(arrived);
        let keyed = &self.counters.keyed;
        let note = dial_plan_guessing::note(keyed, peer.id, (credential, &caller), &dialled, now.tick);
        let Some(note) = note else { return };
        let known = self.counters.detect.recent(Kind::Variant, note.key);
        let before = known.map_or(0, |known| known.within(now.tick, rule.steps.window).count());
        let value = rule.count(&self.counters, &note);
        let guesser = dial_plan_guessing::guesser(keyed, peer.id, credential, &caller);
        self.counters.detect.note(note);
        let is_more = usize::try_from(value).is_ok_and(|value| value > before);
        if !is_more || self.counters.keyed.barred(guesser, now.tick).is_some() {
            return;
        }
        let bars = value >= rule.steps.block && !entry.observes(now.wall);
        if bars {
            self.counters.keyed.bar(guesser, now.tick, now.tick.after(rule.steps.bar));
        }
        if bars || value == rule.steps.warn || value == rule.steps.block {
            self.alert(Box::new(guessing(now, arrived, (entry, rule.steps), (&caller, &dialled), value)));
        }
    }
}

/// Tells of who guesses.
fn guessing(
    now: Now,
    arrived: &Arrived<'_>,
    (entry, steps): (&Entry, crate::policy::rules::Steps),
    (caller, dialled): (&str, &str),
    value: u32,
) -> Alert {
    use crate::policy::alert::shortened;
    let caller = shortened(caller);
    let then = match (value >= steps.block, entry.observes(now.wall)) {
        (true, true) => "it is only observed".to_owned(),
        (true, false) => format!("it is barred for {}", time_text(steps.bar)),
        (false, _) => format!("at {} it is barred", steps.block),
    };
    let text = format!(
        "{} ({}) dialled one number in {value} ways within {}, and was refused: {then}. {}",
        arrived.peer.name,
        caller.escape_debug(),
        time_text(steps.window),
        dial_plan_guessing::CURE
    );
    let mut alert = Alert::new(code::DIAL_PLAN_GUESSING, now.wall, text);
    alert.rule = Some(entry.path.clone());
    alert.peer = Some(arrived.peer.name.clone());
    alert.source = Some(arrived.flow.remote);
    alert.transport = Some(arrived.flow.transport);
    (alert.from, alert.to) = (Some(caller), Some(shortened(dialled)));
    alert
}

/// The detectors that stand.
fn detectors(policy: &Policy) -> impl Iterator<Item = (&Entry, &Detector)> {
    policy.rules.outbound.iter().filter_map(|entry| {
        if let Rule::Detects(detector) = &entry.rule { Some((entry, detector)) } else { None }
    })
}

/// The plan that says where a trunk's site is at home: its own, else that of another peer of the site.
fn home<'a>(policy: &'a Policy, trunk: &'a Peer) -> Option<&'a Dialling> {
    let others = policy.peers.iter().flatten().filter(|peer| peer.site.is_some() && peer.site == trunk.site);
    trunk.dialling.as_deref().or_else(|| others.filter_map(|peer| peer.dialling.as_deref()).next())
}

pub(super) fn between(from: Wall, to: Wall) -> Duration {
    Duration::from_micros(u64::try_from(to.micros().saturating_sub(from.micros())).unwrap_or_default())
}
