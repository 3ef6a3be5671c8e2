//! The step from a verdict to the accounts of the caps: what is asked of them, and what a call that goes on draws.
//!
//! Owns the order: the price, the longest time, then each cap. Refuses to know what a cap counts. Read first: `limits.rs`; `meter.rs`.

use std::sync::Arc;

use super::Policy;
use super::alert::Code;
use super::counters::Counters;
use super::limits::{Limits, Tab};
use super::meter::Meter;
use super::peer::Direction;
use super::rules::Question;
use super::verdict::{Said, Saw, Step, Verdict};

/// The caps of whoever calls, and of where the call goes; whether all have room.
pub(super) fn capped(verdict: &mut Verdict, question: &Question<'_>, direction: Direction) -> bool {
    if !Limits::count(question, direction) {
        return true;
    }
    let policy = question.policy;
    let priced = policy.rates.price(question.facts, question.peer);
    if let Some(lasting) = policy.limits.lasting(priced.class) {
        let limit = lasting.duration_max.as_secs();
        let saw = Saw::Count { value: 0, limit };
        verdict.trail.push(Step { rule: Arc::clone(&lasting.path), saw, said: Said::Pass });
        verdict.duration_max = verdict.duration_max.min(lasting.duration_max);
    }
    let channels = policy.channels_of(question.peer);
    let tab = policy.limits.ask(question, (priced.rate, priced.class), |asked| {
        let limit = asked.limit;
        let fits = asked.after <= asked.block;
        let saw = Saw::Count { value: asked.before, limit: asked.block };
        let said = if fits { Said::Pass } else { Said::Refuse };
        verdict.trail.push(Step { rule: Arc::clone(&limit.path), saw, said });
        if !fits {
            verdict.refuse(&limit.path, question, *limit.objection(question, asked));
        } else if limit.warns(channels, asked.before, asked.after) {
            let text = limit.warning(question, asked.after, asked.block);
            verdict.alert(&limit.path, question, limit.what.code(), text, None);
        }
        fits
    });
    match tab {
        Some(tab) => verdict.tab = tab,
        None => return false,
    }
    true
}

impl Policy {
    /// Draws on the accounts of the caps; the alert's code of the one that has no room for one more.
    pub(super) fn meter(
        &self,
        counters: &mut Counters,
        question: &Question<'_>,
        tab: &Tab,
    ) -> Result<Option<Meter>, Code> {
        let now = question.facts.now.tick;
        let mut meter = Meter::new(tab.rate, &counters.ledger);
        for (place, key) in &tab.lines {
            let Some(limit) = self.limits.caps.get(usize::from(*place)) else { continue };
            if !limit.draw(&mut meter, counters, question, (*place, *key), now) {
                return Err(limit.what.code());
            }
        }
        Ok((!meter.is_empty()).then_some(meter))
    }
}
