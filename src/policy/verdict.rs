//! What was decided, and the trail of why.

use std::sync::Arc;

use smallvec::SmallVec;

use super::alert::Alert;
use super::counters::Charge;
use super::refusal::Refusal;
use super::route::Candidate;

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Goes on, to these candidates in this order.
    Admit(SmallVec<[Candidate; 2]>),
    /// Answered with a status.
    Refuse(Box<Refusal>),
    /// Not answered at all.
    Silence,
}

/// One rule asked: its YAML path, what it saw, what it said. Built without allocation on the admitting path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule's path, shared with the policy.
    pub rule: Arc<str>,
    /// What it saw.
    pub saw: Saw,
    /// What it said.
    pub said: Said,
}

/// What a rule saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// Nothing worth a word.
    Nothing,
    /// A count and its limit.
    Count {
        /// Seen.
        value: u64,
        /// Limit.
        limit: u64,
    },
    /// A text (only on refusals).
    Text(Box<str>),
}

/// What a rule said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No objection.
    Pass,
    /// Refuse.
    Refuse,
    /// It would refuse but is set to observe.
    Observe,
    /// It matched and admits (routes).
    Match,
}

/// Every rule asked, in order.
pub type Trail = SmallVec<[Step; 8]>;

/// A decision with its reasons; nothing has been charged yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The decision.
    pub outcome: Outcome,
    /// What the engine must reserve, once, if it goes on.
    pub charges: SmallVec<[Charge; 4]>,
    /// Alerts to raise.
    pub alerts: SmallVec<[Box<Alert>; 1]>,
    /// Every rule asked.
    pub trail: Trail,
    /// Longest time from answer, the tightest of what applies.
    pub duration_max: std::time::Duration,
}
