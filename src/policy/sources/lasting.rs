//! Bans that outlive the process.
//!
//! Owns nothing: it hands rows on. Refuses to know what a ban is (`bans.rs`). Read first: `policy/kept.rs`.

use super::Sources;
use crate::clock::Now;
use crate::policy::{Kept, Policy};

impl Sources {
    /// Whether rows are due.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.bans.has_changed()
    }

    /// The rows that are due.
    pub fn rows(&mut self, policy: &Policy, now: Now) -> Vec<Kept> {
        self.bans.rows(&self.secret, policy, now)
    }

    /// Takes a row of kind `ban` back, with the time that is left of it; false where it means nothing any more.
    pub fn recall(&mut self, policy: &Policy, now: Now, row: &Kept) -> bool {
        self.bans.recall(&self.secret, policy, self.settings.ban_max, now, row)
    }
}
