//! What was decided, and the trail of why.
//!
//! Owns the words of a decision. Refuses to know how it is carried out. Read first: DESIGN.md §1, laws 5 and 7.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::alert::Alert;
use super::counters::Charge;
use super::keyed::Key;
use super::limits::Tab;
use super::owned::Presented;
use super::peer::Direction;
use super::refusal::Refusal;
use super::route::Candidate;

/// Targets of one call in the order they are tried.
pub type Candidates = SmallVec<[Candidate; 2]>;

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Goes on, to these candidates in this order. From `screen` the list is empty: the request may go on.
    Admit(Candidates),
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
    /// A fixed word: the condition of a route that did not fit (`from`, `called` ...).
    Word(&'static str),
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
    /// It did not fit this call (routes; told only when none did).
    Skip,
}

impl Said {
    /// The word in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse => "refuse",
            Self::Observe => "observe",
            Self::Match => "match",
            Self::Skip => "skip",
        }
    }
}

/// Every rule asked, in order.
pub type Trail = SmallVec<[Step; 16]>;

/// A decision with its reasons; nothing has been charged yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The decision.
    pub outcome: Outcome,
    /// Where it runs; `None` from `screen` and when no route was found.
    pub direction: Option<Direction>,
    /// Whether the policy names the number called exactly: then it may leave as it was dialled, without being a number.
    pub named: bool,
    /// Who is shown as the caller.
    pub presented: Presented,
    /// What the engine must reserve, once, if it goes on.
    pub charges: SmallVec<[Charge; 4]>,
    /// What it takes of the accounts of the caps, if it goes on.
    pub tab: Tab,
    /// Who is to be barred for so long, where it was refused.
    pub bar: Option<(Key, Duration)>,
    /// Alerts to raise.
    pub alerts: SmallVec<[Box<Alert>; 1]>,
    /// Every rule asked.
    pub trail: Trail,
    /// Longest time from answer, the tightest of what applies.
    pub duration_max: Duration,
}
