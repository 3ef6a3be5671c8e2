//! Calls that somebody is about to make because a number was passed on to it: by a redirect or a transfer in `judge-and-pass`.
//!
//! Owns who was told which number by whom, for as long as a machine takes to dial it. Without it such a call would count as
//! dialled, and nobody's forwarding would be bounded. Refuses to judge. Read first: `onward.rs`; spec/limits.md, "Detectors".

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Tick;
use crate::policy::Peer;

/// Who dials what it was told does so within this time: 64*T1, doubled (RFC 3261 §17.1.1.2).
const WITHIN: Duration = Duration::from_secs(64);

/// Calls that are waited for; of more the oldest is waited for no longer, and so counts as dialled.
const CALLS_MAX: usize = 256;

/// One of them.
#[derive(Debug)]
struct Waited {
    /// Who dials.
    who: Arc<str>,
    /// What.
    called: Box<str>,
    /// Whose number the call left.
    by: Box<str>,
    until: Tick,
}

/// Those that are waited for, the oldest first.
#[derive(Debug, Default)]
pub struct Expected(VecDeque<Waited>);

impl Expected {
    /// This peer was told to call a number, in the name of another one.
    pub fn tell(&mut self, now: Tick, who: &Peer, called: &str, by: &str) {
        if self.0.len() >= CALLS_MAX {
            self.0.pop_front();
        }
        let (who, until) = (Arc::clone(&who.name), now.after(WITHIN));
        self.0.push_back(Waited { who, called: called.into(), by: by.into(), until });
    }

    /// Who sent a call on that this peer makes now.
    pub fn sent_on(&mut self, now: Tick, who: &Peer, called: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.retain(|waited| now < waited.until);
        self.place(who, called).and_then(|place| self.0.get(place)).map(|waited| &*waited.by)
    }

    /// It was made; the next one to that number is dialled.
    pub fn made(&mut self, who: &Peer, called: &str) {
        if let Some(place) = self.place(who, called) {
            self.0.remove(place);
        }
    }

    fn place(&self, who: &Peer, called: &str) -> Option<usize> {
        self.0.iter().position(|waited| *waited.who == *who.name && *waited.called == *called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::{PBX, TRUNK, policy};

    #[test]
    fn a_call_is_waited_for_once_by_whom_and_to_what_was_told_and_for_a_while() {
        let policy = policy();
        let (pbx, trunk) = (policy.peer(PBX).unwrap(), policy.peer(TRUNK).unwrap());
        let (now, mut expected) = (Tick::ZERO, Expected::default());
        assert_eq!(expected.sent_on(now, pbx, "+1"), None);
        expected.tell(now, pbx, "+1", "201");
        assert_eq!(expected.sent_on(now, trunk, "+1"), None);
        assert_eq!(expected.sent_on(now, pbx, "+2"), None);
        assert_eq!(expected.sent_on(now, pbx, "+1"), Some("201"));
        assert_eq!(
            expected.sent_on(now, pbx, "+1"),
            Some("201"),
            "an INVITE may be asked for a password first"
        );
        expected.made(pbx, "+1");
        assert_eq!(expected.sent_on(now, pbx, "+1"), None);
        expected.tell(now, pbx, "+1", "201");
        assert_eq!(expected.sent_on(now.after(WITHIN), pbx, "+1"), None);
        for number in 0..=CALLS_MAX {
            expected.tell(now, pbx, &number.to_string(), "201");
        }
        assert_eq!(expected.sent_on(now, pbx, "0"), None, "the oldest of too many");
        assert_eq!(expected.sent_on(now, pbx, "1"), Some("201"));
    }
}
