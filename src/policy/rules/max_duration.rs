//! How long an answered call may last (32015). The call arms it when it is answered, and nothing resets it.
//!
//! Read first: DESIGN.md §1, law 8.

use std::time::Duration;

use super::Opinion;
use crate::clock::time_text;
use crate::policy::verdict::Saw;

/// What stands when no rule says less: 4 h.
pub const DURATION_DEFAULT: Duration = Duration::from_secs(4 * 3600);

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxDuration {
    /// Longest time from answer.
    pub duration_max: Duration,
}

impl MaxDuration {
    /// Asks the rule: it never refuses a new call, it bounds it.
    pub(super) fn judge(self) -> Opinion {
        let limit = self.duration_max.as_secs();
        let mut opinion = Opinion::pass(Saw::Count { value: 0, limit });
        opinion.duration_max = Some(self.duration_max);
        opinion
    }

    pub(super) fn describe(self) -> String {
        format!("an answered call is ended on both legs after {}", time_text(self.duration_max))
    }
}
