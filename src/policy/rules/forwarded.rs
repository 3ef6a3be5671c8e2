//! Calls that somebody here sends on, to a number outside (39306, 39307): a phone that is forwarded, a mailbox that calls back.
//!
//! Owns where they may go, how many of one forwarder there are, and how long they last. Who forwards is told by the facts, and
//! what a sender says binds it more, never less. Read first: spec/limits.md, "Detectors"; attack row C4.

use std::time::Duration;

use smallvec::SmallVec;

use super::destination::{is_home, listed_digits, number, place};
use super::{Countries, Objection, Opinion, Question, code, named};
use crate::clock::time_text;
use crate::policy::alert::shortened;
use crate::policy::compare::{longer, raised};
use crate::policy::counters::{Charge, Counters};
use crate::policy::facts;
use crate::policy::keyed::Scope;
use crate::policy::number::RiskTier;
use crate::policy::verdict::Saw;
use crate::sip::Method;

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// How often a call may have been sent on; once more is a loop (39104).
    pub times_max: u32,
    /// Where calls may be sent on to beside home numbers without risk.
    pub allow: Countries,
    /// The lowest tier of risk that they may not be sent on to.
    pub from: RiskTier,
    /// Calls at once of one forwarder.
    pub calls_max: u32,
    /// Calls of one forwarder that begin within any hour.
    pub hourly_max: u32,
    /// Longest time from answer.
    pub duration_max: Duration,
}

impl Default for Forwarded {
    fn default() -> Self {
        Self {
            times_max: 3,
            allow: Countries::default(),
            from: RiskTier::Watch,
            calls_max: 2,
            hourly_max: 10,
            duration_max: Duration::from_secs(3_600),
        }
    }
}

impl Forwarded {
    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let Some(forwarded) = question.facts.forwarded else { return Opinion::pass(Saw::Nothing) };
        if forwarded.times > self.times_max {
            return self.too_often(question, forwarded);
        }
        if let Some(refused) = self.destination(question, forwarded) {
            return refused;
        }
        // A MESSAGE is no call, and holds nothing.
        let counters = question.counters.filter(|_| *question.facts.method == Method::Invite);
        let Some(counters) = counters else { return Opinion::pass(Saw::Nothing) };
        match self.caps(question, forwarded, counters) {
            Ok(charges) => {
                let saw = Saw::Count {
                    value: charges.first().map_or(0, |charge| counters.held(*charge)).into(),
                    limit: self.calls_max.into(),
                };
                Opinion {
                    duration_max: Some(self.duration_max),
                    charges: charges.into_iter().collect(),
                    ..Opinion::pass(saw)
                }
            }
            Err(refused) => *refused,
        }
    }

    /// Where it goes: home without risk, what this rule allows, or what an allowlist names.
    fn destination(&self, question: &Question<'_>, forwarded: facts::Forwarded<'_>) -> Option<Opinion> {
        let (number, dialling) = number(question)?;
        let region = dialling.world.region(number).map_or("", |(region, _)| region);
        let risk = dialling.world.risk(number, &dialling.plan.country_code);
        let prefix = self.allow.longest(number);
        let allowed = prefix > 0 || self.allow.regions.iter().any(|one| &**one == region);
        let risky = risk.tier >= self.from && prefix < risk.prefix_length.max(1);
        let home = is_home(number, dialling) || dialling.plan.country_code.is_empty();
        if (home || allowed) && !risky || listed_digits(question, &question.policy.rules.outbound) > 0 {
            return None;
        }
        let place = place(number, dialling);
        let why = if risky { format!("of risk {}", risk.tier.name()) } else { "abroad".to_owned() };
        let by = shortened(forwarded.by);
        let text = format!(
            "{} sends a call on to {} in {place} for {}: calls that are sent on may not go to numbers {why}. A forwarding that \
             nobody in the office set is how fraud begins. Add the country or prefix to `allow` of `forwarded` if this one is wanted.",
            named(question),
            question.facts.called,
            by.escape_debug()
        );
        let told = format!("a call may not be sent on to {place} ({why})");
        let saw = Saw::Text(format!("{place}, {why}").into());
        Some(Opinion::refuse(saw, Objection::new(code::FORWARDED_TO_RISK, told, text)))
    }

    /// What the forwarder holds and began.
    fn caps(
        &self,
        question: &Question<'_>,
        forwarded: facts::Forwarded<'_>,
        counters: &Counters,
    ) -> Result<SmallVec<[Charge; 4]>, Box<Opinion>> {
        let named_by = question.peer.forwarder(forwarded.by);
        // A header is the sender's word: whose call it carries on is counted beside whom it names.
        let carried = question.facts.sent_on.map(|by| question.peer.forwarder(by));
        let forwarders = [Some(named_by), carried.filter(|by| *by != named_by)];
        let mut charges = SmallVec::new();
        for by in forwarders.into_iter().flatten() {
            charges.extend(self.caps_of(by, question, counters)?);
        }
        Ok(charges)
    }

    /// What one of them holds and began.
    fn caps_of(
        &self,
        by: &str,
        question: &Question<'_>,
        counters: &Counters,
    ) -> Result<[Charge; 2], Box<Opinion>> {
        let key = counters.keyed.key(Scope::Forwarder, question.peer.id, &[by]);
        let charges = [Charge::Held(key), Charge::Began(key, question.facts.now.tick)];
        let limits = [(self.calls_max, "at once"), (self.hourly_max, "within an hour")];
        for (charge, (limit, when)) in charges.into_iter().zip(limits) {
            let Err(full) = counters.fits(charge, limit) else { continue };
            let saw = Saw::Count { value: full.value.into(), limit: limit.into() };
            let by = if by.is_empty() { "numbers that are not its own".to_owned() } else { shortened(by) };
            let text = format!(
                "{} has sent on {} calls {when} for {}, as many as one forwarder may; the one to {} was refused. If calls go \
                 round between two machines, take the forwarding out; if so many are normal, raise `{}` of `forwarded`.",
                named(question),
                full.value,
                by.escape_debug(),
                question.facts.called.escape_debug(),
                if when == "at once" { "calls_at_once" } else { "calls_per_hour" }
            );
            let told = format!("{} calls were sent on {when} already", full.value);
            return Err(Box::new(Opinion::refuse(saw, Objection::new(code::FORWARD_LOOP, told, text))));
        }
        Ok(charges)
    }

    pub(super) fn describe(&self) -> String {
        let risk = match self.from {
            RiskTier::None => "none and more",
            RiskTier::Watch => "watch and more",
            RiskTier::High => "high and more",
            RiskTier::Deny => "deny",
        };
        let regions = self.allow.regions.iter().map(ToString::to_string);
        let prefixes = self.allow.prefixes.iter().map(|prefix| format!("+{prefix}"));
        let allowed: Vec<String> = regions.chain(prefixes).collect();
        let abroad = if allowed.is_empty() { String::new() } else { format!(" but {}", allowed.join(", ")) };
        format!(
            "calls that are sent on from here go to no number abroad{abroad} and to none of risk {risk} (39307), at most {} at once and {} \
             within an hour for one forwarder (39306), for {} each; one that was sent on more than {} times is a loop (39104)",
            self.calls_max,
            self.hourly_max,
            time_text(self.duration_max),
            self.times_max
        )
    }

    /// What it lets through that `older` did not.
    pub(super) fn beyond(&self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        for more in self.allow.beyond(&older.allow) {
            weaker.push(format!("{path} allows calls to be sent on to {more}"));
        }
        if self.from > older.from {
            weaker.push(format!("{path} no longer refuses numbers of risk {}", older.from.name()));
        }
        raised(
            &format!("the times that {path} lets a call be sent on"),
            older.times_max,
            self.times_max,
            weaker,
        );
        raised(&format!("calls at once of one forwarder in {path}"), older.calls_max, self.calls_max, weaker);
        raised(
            &format!("calls an hour of one forwarder in {path}"),
            older.hourly_max,
            self.hourly_max,
            weaker,
        );
        longer(&format!("a call that is sent on in {path}"), older.duration_max, self.duration_max, weaker);
    }

    fn too_often(&self, question: &Question<'_>, forwarded: facts::Forwarded<'_>) -> Opinion {
        let saw = Saw::Count { value: forwarded.times.into(), limit: self.times_max.into() };
        let text = format!(
            "A call of {} to {} was sent on {} times already, last by {}: machines are probably sending it to one another. Look at the \
             forwardings of that number.",
            named(question),
            question.facts.called.escape_debug(),
            forwarded.times,
            shortened(forwarded.by).escape_debug()
        );
        let told = format!("it was sent on {} times", forwarded.times);
        Opinion::refuse(saw, Objection::new(code::LOOP_DETECTED, told, text))
    }
}
