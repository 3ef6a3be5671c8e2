//! What another form of a rule allows that the one before did not, in sentences.
//!
//! Owns the comparison of two rules of one kind. Refuses to judge whether it was meant. Read first: `../compare.rs`.

use std::sync::Arc;

use super::Rule;
use crate::policy::compare::{longer, raised};

/// Compares the rules at one place.
pub fn rule(path: &Arc<str>, old: &Rule, new: &Rule, weaker: &mut Vec<String>) {
    let mut says = |weaker_now: bool, what: &str| {
        if weaker_now {
            weaker.push(format!("{path} {what}"));
        }
    };
    match (old, new) {
        (Rule::Hops(old), Rule::Hops(new)) => {
            raised(&format!("the Via values that {path} bears"), old.vias_max, new.vias_max, weaker);
        }
        (Rule::Blocklist(old), Rule::Blocklist(new)) => {
            says(!new.covers(old), "no longer refuses every number that it refused");
        }
        (Rule::Allowlist(old), Rule::Allowlist(new)) => {
            says(new.opens(old), "lets more numbers through than before");
        }
        (Rule::Hours(old), Rule::Hours(new)) => new.beyond(old, path, weaker),
        (Rule::CallerBlocklist(old), Rule::CallerBlocklist(new)) => {
            says(!new.covers(old), "no longer bars every caller that it barred");
        }
        (Rule::AnonymousCallers(old), Rule::AnonymousCallers(new)) => {
            says(!new.covers(old), "lets anonymous callers through to more numbers");
        }
        (Rule::Forwarded(old), Rule::Forwarded(new)) => new.beyond(old, path, weaker),
        (Rule::Repeats(old), Rule::Repeats(new)) => new.beyond(*old, path, weaker),
        (Rule::Detects(old), Rule::Detects(new)) => new.beyond(old, path, weaker),
        (Rule::ConcurrentCalls(old), Rule::ConcurrentCalls(new)) => {
            raised(&format!("calls at once of {path}"), old.calls_max, new.calls_max, weaker);
        }
        (Rule::MaxDuration(old), Rule::MaxDuration(new)) => {
            longer(&format!("a call in {path}"), old.duration_max, new.duration_max, weaker);
        }
        (Rule::Countries(old), Rule::Countries(new)) => {
            new.beyond(old).for_each(|more| says(true, &format!("allows calls to {more}")));
        }
        (Rule::NumberTypes(old), Rule::NumberTypes(new)) => {
            for kind in old.refuse.iter().filter(|kind| !new.refuse.contains(kind)) {
                weaker.push(format!("{path} no longer refuses numbers of kind {}", kind.name()));
            }
        }
        (Rule::HighRisk(old), Rule::HighRisk(new)) => {
            let tier = format!("no longer refuses prefixes of risk {}", old.from.name());
            says(new.from > old.from, &tier);
        }
        (
            Rule::Methods
            | Rule::SecureTransport
            | Rule::Hops(_)
            | Rule::Loops
            | Rule::ForeignHost
            | Rule::Replaces
            | Rule::Blocklist(_)
            | Rule::Allowlist(_)
            | Rule::Countries(_)
            | Rule::NumberTypes(_)
            | Rule::HighRisk(_)
            | Rule::Hours(_)
            | Rule::CallerBlocklist(_)
            | Rule::AnonymousCallers(_)
            | Rule::Forwarded(_)
            | Rule::Repeats(_)
            | Rule::Detects(_)
            | Rule::ConcurrentCalls(_)
            | Rule::MaxDuration(_),
            _,
        ) => {}
    }
}
