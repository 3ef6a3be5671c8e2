//! Numbers that may be called although a rule of ours says no.
//!
//! Owns no refusal: the rules about destinations ask it. The longest entry counts, and the admin's before one of ours that is as
//! long; between two of the admin's own that are equally long the one that blocks. Read first: `destination.rs`.

use super::destination::digits;
use super::{Opinion, Question};
use crate::policy::number::Lists;
use crate::policy::verdict::Saw;

/// Settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowlist {
    /// Whom it lets through.
    pub lists: Lists,
}

impl Allowlist {
    /// Digits of the longest entry that a number falls under; 0 where there is none.
    pub(super) fn length(&self, question: &Question<'_>) -> usize {
        let found = digits(question).and_then(|digits| self.lists.find(digits, question.facts.now.wall));
        found.map_or(0, |(_, listed)| listed.length)
    }

    /// Asks it: it says what it saw, and never no.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let saw = if self.length(question) > 0 { Saw::Word("listed") } else { Saw::Nothing };
        Opinion::pass(saw)
    }

    pub(super) fn describe(&self) -> String {
        format!("these may be called although a shorter prefix is refused: {}", self.lists.told().join(", "))
    }

    /// Whether it lets through a number that `older` did not.
    #[must_use]
    pub fn opens(&self, older: &Self) -> bool {
        !older.lists.covers(&self.lists)
    }
}
