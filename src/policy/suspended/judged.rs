//! The question that is asked before all rules: whether a new call, or each place that it would go to, is suspended.
//!
//! Owns the objection and its words. Refuses to know routes. Read first: `../suspended.rs`; `../stage.rs`.

use super::{About, Held, STEP, Suspensions};
use crate::policy::alert::shortened;
use crate::policy::facts::Facts;
use crate::policy::peer::{Direction, Peer};
use crate::policy::rules::{Objection, Opinion};
use crate::policy::verdict::{Candidates, Saw};
use crate::policy::{Policy, code};

impl Suspensions {
    /// Asks of a new call, and takes the targets away that are suspended. `None` where nothing is suspended at all: then
    /// nothing was asked.
    pub(in crate::policy) fn judge(
        &self,
        policy: &Policy,
        facts: &Facts<'_>,
        from: &Peer,
        direction: Direction,
        targets: Option<&mut Candidates>,
    ) -> Option<Opinion> {
        if self.is_empty() {
            return None;
        }
        let at = facts.now.wall;
        let about = About {
            policy,
            direction,
            emergency: facts.emergency,
            from: Some(from),
            to: None,
            credential: facts.credential,
            callers: [facts.caller, facts.caller_sent, facts.forwarded.map_or("", |forwarded| forwarded.by)],
            called: facts.called,
            number: facts.number,
        };
        let mut found = self.over(&about, at);
        if let Some(targets) = targets.filter(|targets| !targets.is_empty()) {
            let mut first = None;
            targets.retain(|target| {
                let of = policy.peer(target.peer).and_then(|to| self.over_target(policy, to, facts));
                first = first.or(of);
                of.is_none()
            });
            if targets.is_empty() {
                found = found.or(first);
            }
        }
        let limit = u64::try_from(super::SUSPENSIONS_MAX).unwrap_or(u64::MAX);
        let Some(held) = found else {
            let value = u64::try_from(self.len()).unwrap_or(u64::MAX);
            return Some(Opinion::pass(Saw::Count { value, limit }));
        };
        Some(Opinion::refuse(Saw::Text(words(held).into()), objection(held, facts, from)))
    }

    /// The order under which a target takes no calls.
    fn over_target<'s>(&'s self, policy: &Policy, to: &Peer, facts: &Facts<'_>) -> Option<Held<'s>> {
        self.over(&About::target(policy, to, facts.emergency), facts.now.wall)
    }
}

impl<'a> About<'a> {
    /// A target alone: whoever calls was asked about before.
    #[must_use]
    pub const fn target(policy: &'a Policy, to: &'a Peer, emergency: bool) -> Self {
        Self {
            policy,
            direction: Direction::Internal,
            emergency,
            from: None,
            to: Some(to),
            credential: None,
            callers: [""; 3],
            called: "",
            number: None,
        }
    }
}

/// `peer office-pbx`.
#[must_use]
pub fn words((kind, name, _): Held<'_>) -> String {
    [kind.name(), " ", name].concat()
}

fn objection(held: Held<'_>, facts: &Facts<'_>, from: &Peer) -> Box<Objection> {
    let (kind, name, suspension) = held;
    let what = words(held);
    let why = if suspension.why.is_empty() { String::new() } else { format!(" ({})", suspension.why) };
    let until = suspension.until.map_or_else(String::new, |until| format!(" until {}", until.rfc3339()));
    let text = format!(
        "{} ({}) called {}, but {what} is suspended by order since {}{until}{why}. `ringfence resume --{} {name}` lifts that.",
        from.name,
        facts.source.ip(),
        shortened(facts.called).escape_debug(),
        suspension.since.rfc3339(),
        kind.name(),
    );
    Objection::new(code::INSUFFICIENT_PERMISSIONS, format!("{what} is suspended ({STEP})"), text)
}
