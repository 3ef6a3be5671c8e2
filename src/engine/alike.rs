//! Live calls by who calls, and by who calls whom: what tells a call that is sent on from one that is dialled.
//!
//! Owns the index and what follows from it for the facts of a new call. Refuses to judge. Read first: spec/limits.md, "Detectors";
//! `policy/rules/forwarded.rs`, `policy/rules/repeats.rs`.

use std::collections::HashMap;
use std::time::Duration;

use smallvec::SmallVec;

use super::calls::Calls;
use super::transactions::CallKey;
use crate::policy::facts::Forwarded;
use crate::policy::keyed::{Key, Keyed, Scope, tail};
use crate::policy::rules::callers::is_nobody;
use crate::policy::rules::repeats;
use crate::policy::{Direction, Facts, Peer, PeerId, PeerSide, Policy};

/// Setups that began longer ago are none of a loop: a call comes round within seconds.
const ROUND: Duration = Duration::from_secs(30);

/// Calls of one key that are looked at, the newest first. More of them can only be more of the same.
const LOOKED_AT: usize = 16;

/// The keys of a live call.
pub type Keys = SmallVec<[Key; 2]>;

/// The index; it holds a key for as long as a call of it lives, and so is bounded as calls are.
#[derive(Debug, Default)]
pub struct Alike(HashMap<Key, SmallVec<[CallKey; 2]>>);

impl Alike {
    /// Enters a call that was admitted.
    pub fn enter(&mut self, keys: &Keys, call: CallKey) {
        for key in keys {
            self.0.entry(*key).or_default().push(call);
        }
    }

    /// Takes one out.
    pub fn leave(&mut self, keys: &Keys, call: CallKey) {
        for key in keys {
            if let Some(calls) = self.0.get_mut(key) {
                calls.retain(|known| *known != call);
                if calls.is_empty() {
                    self.0.remove(key);
                }
            }
        }
    }

    fn of(&self, key: Key) -> impl Iterator<Item = CallKey> + '_ {
        self.0.get(&key).into_iter().flat_map(|calls| calls.iter().rev().take(LOOKED_AT).copied())
    }
}

/// Whose caller a call is known by on the other side of its site: who calls in, and shows it when the call goes out again. Nobody
/// is known who is of the site itself: a stranger could call in under the office's own number.
fn caller_key(policy: &Policy, keyed: &Keyed, peer: &Peer, caller: &str) -> Option<Key> {
    // Who hides is known as one of those who hide: by no number could a call of theirs be told from another one.
    let digits = match tail(caller) {
        Some(digits) => digits,
        None if is_nobody(caller) => "",
        None => return None,
    };
    let site = peer.site?;
    let own = policy.is_own_number(caller)
        || peer.callers.as_ref().is_some_and(|callers| callers.owned.holds(caller));
    (!own).then(|| keyed.key(Scope::Caller, PeerId(site.0), &[digits]))
}

/// The keys by which a call that was admitted is found while it lives.
#[must_use]
pub fn keys(policy: &Policy, keyed: &Keyed, peer: &Peer, facts: &Facts<'_>, direction: Direction) -> Keys {
    let mut keys = Keys::new();
    match (direction, peer.side) {
        (Direction::Inbound, PeerSide::Outside) => {
            keys.extend(caller_key(policy, keyed, peer, facts.caller));
        }
        (Direction::Outbound | Direction::Transit, _) => {
            if facts.forwarded.is_some() || repeats::calls_own(policy, facts.called) {
                keys.push(repeats::pair(policy, keyed, peer, facts));
            }
        }
        (Direction::Inbound, PeerSide::Inside) | (Direction::Internal, _) => {}
    }
    keys
}

/// Who sent a call on that brings no word of it: an inside peer shows a caller whose own call to the site lives. Gives the
/// number that was called there.
#[must_use]
pub fn sent_on<'c>(
    (alike, calls): (&Alike, &'c mut Calls),
    policy: &Policy,
    keyed: &Keyed,
    peer: &Peer,
    caller: &str,
) -> Option<&'c str> {
    let key = (peer.side == PeerSide::Inside).then(|| caller_key(policy, keyed, peer, caller))??;
    let lives =
        |call: &CallKey| calls.at(*call).is_some_and(|entry| entry.call.is_set_up() || entry.call.is_up());
    let call = alike.of(key).find(lives)?;
    Some(calls.at(call)?.call.called())
}

/// Calls between the same two that began within 30 s and live, where both they and this one were sent on, or call a number of our
/// own from here. Others are many calls of one caller, as a machine that tests makes them.
#[must_use]
pub fn again(
    (alike, calls): (&Alike, &mut Calls),
    policy: &Policy,
    keyed: &Keyed,
    peer: &Peer,
    facts: &Facts<'_>,
) -> u32 {
    if facts.forwarded.is_none() && !repeats::calls_own(policy, facts.called) {
        return 0;
    }
    let key = repeats::pair(policy, keyed, peer, facts);
    let goes_round = |call: CallKey| {
        calls.at(call).is_some_and(|entry| {
            let call = &entry.call;
            facts.now.tick < entry.began.after(ROUND) && (call.is_set_up() || entry.forwarded && call.is_up())
        })
    };
    u32::try_from(alike.of(key).map(goes_round).filter(|round| *round).count()).unwrap_or(u32::MAX)
}

/// What a call that shows the caller of another is told to be.
#[must_use]
pub const fn once(by: &str) -> Forwarded<'_> {
    Forwarded { by, times: 1, here: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_call_that_is_gone() {
        let keyed = Keyed::new(1);
        let mut alike = Alike::default();
        let keys = |names: [&str; 2]| -> Keys {
            names.iter().map(|name| keyed.key(Scope::Pair, PeerId(0), &[name])).collect()
        };
        let call = |index| CallKey { index, generation: 1 };
        let (one, two) = (keys(["a", "b"]), keys(["b", "c"]));
        alike.enter(&one, call(1));
        alike.enter(&two, call(2));
        assert_eq!(alike.of(one[1]).collect::<Vec<_>>(), [call(2), call(1)], "the newest first");
        alike.leave(&one, call(1));
        assert_eq!(alike.of(one[1]).collect::<Vec<_>>(), [call(2)]);
        alike.leave(&two, call(2));
        assert!(alike.0.is_empty());
    }
}
