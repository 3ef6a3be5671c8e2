//! Calls between the same two that go round: 482 (39104), and the pair is barred for a while.
//!
//! A call that comes back over somebody's forwarding begins anew each time, with a new Call-ID; what stays is that it is sent on
//! between the same two again while the one before lives. A person who redials a busy number is none: that one ended. Nor are many
//! calls of one caller to one number that nobody sent on.
//! Read first: spec/limits.md, "Detectors"; RFC 5393 §3; `loops.rs`.

use std::time::Duration;

use super::{Objection, Opinion, Question, code, named};
use crate::clock::time_text;
use crate::policy::alert::shortened;
use crate::policy::keyed::{Key, Keyed, Scope, tail};
use crate::policy::verdict::Saw;
use crate::policy::{Facts, Peer, Policy};
use crate::sip::Method;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Calls between the same two within 30 s, sent on or to a number of our own, that are a loop when they live at once.
    pub setups: u32,
    /// For how long the pair is barred.
    pub bar: Duration,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { setups: 3, bar: Duration::from_secs(600) }
    }
}

impl Repeats {
    /// Asks the rule.
    pub(super) fn judge(self, question: &Question<'_>) -> Opinion {
        let facts = question.facts;
        let Some(counters) = question.counters.filter(|_| *facts.method == Method::Invite) else {
            return Opinion::pass(Saw::Nothing);
        };
        let key = pair(question.policy, &counters.keyed, question.peer, facts);
        if let Some(until) = counters.keyed.barred(key, facts.now.tick) {
            let left = time_text(until.since(facts.now.tick));
            let told = format!("calls between these two went round; they are barred for {left} more");
            let text = self.text(question, &format!("went round and are barred for {left} more"));
            return Opinion::refuse(Saw::Word("barred"), Objection::new(code::LOOP_DETECTED, told, text));
        }
        let value = facts.again.saturating_add(1);
        let saw = Saw::Count { value: value.into(), limit: self.setups.into() };
        if value < self.setups {
            return Opinion::pass(saw);
        }
        let told = format!("the same call is sent on {value} times at once");
        let text = self.text(
            question,
            &format!("live {value} at once: they go round and are barred for {}", time_text(self.bar)),
        );
        let objection = Objection::new(code::LOOP_DETECTED, told, text);
        Opinion { bar: Some((key, self.bar)), ..Opinion::refuse(saw, objection) }
    }

    fn text(self, question: &Question<'_>, what: &str) -> String {
        let facts = question.facts;
        format!(
            "Calls of {} from {} to {} {what}. Look for a forwarding that leads back here.",
            named(question),
            shortened(facts.caller).escape_debug(),
            shortened(facts.called).escape_debug()
        )
    }

    /// What it lets through that `older` did not.
    pub(super) fn beyond(self, older: Self, path: &str, weaker: &mut Vec<String>) {
        if self.setups > older.setups {
            weaker.push(format!("{path} bears more calls at once between the same two"));
        }
        if self.bar < older.bar {
            weaker.push(format!("{path} bars a pair whose calls go round for a shorter time"));
        }
    }

    pub(super) fn describe(self) -> String {
        format!(
            "when {} calls between the same two that were sent on, or call a number of our own, live at once, the last is refused, and the pair for {} (39104)",
            self.setups,
            time_text(self.bar)
        )
    }
}

/// Whether a call goes to a phone number of our own; a name that is served here, as testers call, is none.
#[must_use]
pub fn calls_own(policy: &Policy, called: &str) -> bool {
    tail(called).is_some() && policy.is_own_number(called)
}

/// Who calls whom, and who sends the call on: a PBX shows one number for many phones, and two of them that are forwarded to the
/// same mobile are no loop. Whoever calls a number of our own from here is the same, for a loop that comes back may change both.
#[must_use]
pub fn pair(policy: &Policy, keyed: &Keyed, peer: &Peer, facts: &Facts<'_>) -> Key {
    let called = facts.called;
    let (caller, by) = if calls_own(policy, called) {
        ("", "")
    } else {
        let by = facts.sent_on.or(facts.forwarded.map(|forwarded| forwarded.by));
        (tail(facts.caller).unwrap_or(facts.caller), by.map_or("", |by| peer.forwarder(by)))
    };
    keyed.key(Scope::Pair, peer.id, &[caller, by, tail(called).unwrap_or(called)])
}
