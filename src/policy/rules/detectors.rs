//! The detectors: rules that remember what was dialled before, and bar who goes on.
//!
//! Owns what they share: two steps, an alert at the first and a bar at the second. Each detector is a file beside this one.
//! Refuses to hold memory (`policy/detect`). Read first: spec/limits.md, "Detectors".

use std::sync::Arc;
use std::time::Duration;

use super::destination::listed_digits;
use super::{
    CallbackTrap, DialPlanGuessing, Objection, Opinion, Question, SequentialNumbers, TestCalls, named,
};
use crate::clock::time_text;
use crate::policy::alert::{Code, shortened};
use crate::policy::compare::{raised, shorter};
use crate::policy::counters::{Charge, Counters};
use crate::policy::detect::Note;
use crate::policy::facts::Facts;
use crate::policy::keyed::Key;
use crate::policy::verdict::Saw;
use crate::sip::Method;

/// One detector with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// Numbers of one block, one after another.
    SequentialNumbers(SequentialNumbers),
    /// Short calls to the same number.
    TestCalls(TestCalls),
    /// Ways to dial the same number.
    DialPlanGuessing(DialPlanGuessing),
    /// Calls back to who rang and hung up.
    CallbackTrap(CallbackTrap),
}

/// The two steps of a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// At how many an alert is raised.
    pub warn: u32,
    /// At how many the call is refused and who goes on is barred.
    pub block: u32,
    /// The time in which they are counted.
    pub window: Duration,
    /// For how long.
    pub bar: Duration,
}

/// What a detector found in one call.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub code: Code,
    /// Who is barred.
    pub bar: Key,
    /// How many, with this one where it counts.
    pub value: u32,
    /// What is remembered of this one.
    pub note: Option<Note>,
    /// What they are: `numbers of +3712791xxxx one after another`.
    pub what: &'a str,
    /// What it may mean, and what the admin does.
    pub cure: &'a str,
}

impl Steps {
    /// What follows from a case.
    pub(super) fn judge(&self, question: &Question<'_>, counters: &Counters, case: Case<'_>) -> Opinion {
        let Case { code, bar, value, note, what, cure } = case;
        let facts = question.facts;
        let says = |how: &str| {
            let caller = shortened(facts.caller);
            format!("{} ({}) dialled {what}{how}. {cure}", named(question), caller.escape_debug())
        };
        if let Some(until) = counters.keyed.barred(bar, facts.now.tick) {
            let left = time_text(until.since(facts.now.tick));
            let told = format!("{what}: barred for {left} more");
            let text = says(&format!(" and is barred for {left} more"));
            return Opinion::refuse(Saw::Word("barred"), Objection::new(code, told, text));
        }
        let saw = Saw::Count { value: value.into(), limit: self.block.into() };
        let charges = note.map(Charge::Noted).into_iter().collect();
        let within = time_text(self.window);
        if value >= self.block {
            let time = time_text(self.bar);
            let told = format!("{what}: {value} within {within}");
            let text = says(&format!(", {value} within {within}, and is barred for {time}"));
            let objection = Objection::new(code, told, text);
            return Opinion { bar: Some((bar, self.bar)), charges, ..Opinion::refuse(saw, objection) };
        }
        let warning = (value == self.warn).then(|| {
            let text = says(&format!(", {value} within {within}; at {} it is barred", self.block));
            Objection::new(code, String::new(), text)
        });
        Opinion { charges, warning, ..Opinion::pass(saw) }
    }

    /// What these let through that `older` did not.
    pub(super) fn beyond(&self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        raised(&format!("how many {path} bears"), older.block, self.block, weaker);
        shorter(&format!("the time in which {path} counts"), older.window, self.window, weaker);
        shorter(&format!("the time for which {path} bars"), older.bar, self.bar, weaker);
    }

    /// `an alert at 3 within 10m, and at 5 it is refused, and barred for 1d`.
    pub(super) fn describe(&self) -> String {
        format!(
            "an alert at {} within {}; at {} the call is refused, and barred for {}",
            self.warn,
            time_text(self.window),
            self.block,
            time_text(self.bar)
        )
    }
}

/// The counters, where a call is judged: a MESSAGE is none, and what the admin lists is looked at by no detector.
pub(super) fn counted<'a>(question: &Question<'a>) -> Option<&'a Counters> {
    let facts = question.facts;
    let calls = *facts.method == Method::Invite || facts.forwarded.is_some_and(|forwarded| forwarded.here);
    let listed = || listed_digits(question, &question.policy.rules.outbound) > 0;
    question.counters.filter(|_| calls && !facts.emergency && !listed())
}

impl Detector {
    /// Its key in the YAML.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SequentialNumbers(_) => "sequential_numbers",
            Self::TestCalls(_) => "test_calls",
            Self::DialPlanGuessing(_) => "dial_plan_guessing",
            Self::CallbackTrap(_) => "callback_trap",
        }
    }

    /// All of them, in their default form.
    #[must_use]
    pub fn all() -> [Self; 4] {
        [
            Self::SequentialNumbers(SequentialNumbers::default()),
            Self::TestCalls(TestCalls::default()),
            Self::DialPlanGuessing(DialPlanGuessing::default()),
            Self::CallbackTrap(CallbackTrap::default()),
        ]
    }

    /// Asks it.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let opinion = counted(question).and_then(|counters| match self {
            Self::SequentialNumbers(rule) => rule.judge(question, counters),
            Self::TestCalls(rule) => rule.judge(question, counters),
            Self::DialPlanGuessing(rule) => rule.judge(question, counters),
            Self::CallbackTrap(rule) => rule.judge(question, counters),
        });
        opinion.unwrap_or_else(|| Opinion::pass(Saw::Nothing))
    }

    /// Whether a request is of the kind that it is about.
    pub(super) fn is_about(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::SequentialNumbers(_) | Self::TestCalls(_) | Self::CallbackTrap(_) => {
                facts.called.starts_with('+')
            }
            Self::DialPlanGuessing(_) => true,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::SequentialNumbers(rule) => rule.describe(),
            Self::TestCalls(rule) => rule.describe(),
            Self::DialPlanGuessing(rule) => rule.describe(),
            Self::CallbackTrap(rule) => rule.describe(),
        }
    }

    /// What it lets through that `older` did not.
    pub(super) fn beyond(&self, older: &Self, path: &Arc<str>, weaker: &mut Vec<String>) {
        match (older, self) {
            (Self::SequentialNumbers(old), Self::SequentialNumbers(new)) => new.beyond(old, path, weaker),
            (Self::TestCalls(old), Self::TestCalls(new)) => new.beyond(old, path, weaker),
            (Self::DialPlanGuessing(old), Self::DialPlanGuessing(new)) => {
                new.steps.beyond(&old.steps, path, weaker);
            }
            (Self::CallbackTrap(old), Self::CallbackTrap(new)) => new.beyond(old, path, weaker),
            (
                Self::SequentialNumbers(_)
                | Self::TestCalls(_)
                | Self::DialPlanGuessing(_)
                | Self::CallbackTrap(_),
                _,
            ) => {}
        }
    }
}
