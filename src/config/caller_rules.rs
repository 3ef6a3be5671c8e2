//! The rules about callers from outside, as they are written: `caller_blocklist` and `anonymous_callers`.
//!
//! Owns the step to the policy's words. Refuses to judge. Read first: `rules.rs`; `policy/rules/callers.rs`.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::listed::{self, BARRING, Barred};
use super::lists::Lists;
use super::peers::reference;
use super::problem::{Cause, quoted};
use super::routes::patterns;
use crate::policy::PeerId;
use crate::policy::route::Pattern;
use crate::policy::rules::callers::{Answer, CallerPattern, Scope};
use crate::policy::rules::{AnonymousCallers, CallerBlocklist, Rule};

/// The rules that stand under inbound alone.
pub const NAMES: [&str; 2] = ["caller_blocklist", "anonymous_callers"];

/// Reads `caller_blocklist`.
pub fn blocklist(fields: &Fields<'_>, lists: &Lists<'_>, peers: &BTreeMap<&str, PeerId>) -> Option<Rule> {
    if !BARRING.into_iter().chain(["patterns"]).any(|name| fields.is_set(name)) {
        let cause = Cause::new("a blocklist of callers that bars nobody");
        let cure = "add prefixes, numbers, patterns, ranges or files";
        fields.desk().error(fields.place, &fields.path, cause.cure(cure));
    }
    let pattern = |text: &str| {
        CallerPattern::new(text).ok_or_else(|| {
            let cause = Cause::new(format!("{} is not a pattern of digits", quoted(text)));
            cause.cure("write digits and x for any digit, as in \"+1900555xxxx\"")
        })
    };
    let Barred { list, .. } = listed::barred(fields, lists)?;
    let read = fields.words("patterns", pattern).into_iter().map(|(pattern, _)| pattern).collect();
    let answers = [("decline", Answer::Decline), ("unwanted", Answer::Unwanted)];
    let answer = fields.choice("answer", &answers).unwrap_or_default();
    Some(Rule::CallerBlocklist(CallerBlocklist { list, patterns: read, answer, scope: scope(fields, peers) }))
}

/// Reads `anonymous_callers`.
pub fn anonymous(fields: &Fields<'_>, peers: &BTreeMap<&str, PeerId>) -> Rule {
    Rule::AnonymousCallers(AnonymousCallers { scope: scope(fields, peers) })
}

fn scope(fields: &Fields<'_>, peers: &BTreeMap<&str, PeerId>) -> Scope {
    let from = fields.words("from", |text| reference(text, "peer", peers));
    let mut called = patterns(fields, "called");
    for pattern in &mut called {
        if let Pattern::List(list) = pattern {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            *list = sorted.into();
        }
    }
    Scope { from: from.into_iter().map(|(peer, _)| peer).collect(), called }
}
