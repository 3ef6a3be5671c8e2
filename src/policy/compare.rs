//! What a reload made weaker, in sentences.
//!
//! Owns the comparison of two policies. Refuses to judge whether the change was meant.
//! Read first: DESIGN.md §1, laws 1 and 2.

use super::Policy;

/// What `new` allows that `old` did not, one sentence each; empty when nothing got weaker.
#[must_use]
pub fn compare(old: &Policy, new: &Policy) -> Vec<String> {
    let _ = (old, new);
    Vec::new()
}
