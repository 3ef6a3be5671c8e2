//! A new policy takes over: at once for what begins, and for what lives only where it says so (`on_reload`).
//!
//! Owns the change and what is kept over it. Refuses to know where a policy comes from.
//! Read first: DESIGN.md law 8.

use std::sync::Arc;

use super::Engine;
use crate::clock::Now;
use crate::policy::{OnReload, Policy};

/// Replaced policies that are remembered while calls live under them; past it the oldest is forgotten, and frames of
/// a peer that only it lists are a stranger's.
const RETIRED_MAX: usize = 8;

impl Engine {
    /// Puts a policy in force. Counters, buckets and bans survive, except that a newly listed source is not banned.
    pub(super) fn reload(&mut self, now: Now, policy: Arc<Policy>) {
        // Before its login is forgotten.
        self.leave_registrations(now, Some(&policy));
        let before = std::mem::replace(&mut self.policy, policy);
        self.forget_retired();
        // Only a policy that a live call holds beside us is worth remembering.
        if Arc::strong_count(&before) > 1 {
            if self.retired.len() >= RETIRED_MAX {
                self.retired.remove(0);
            }
            self.retired.push(before);
        }
        self.counters.follow(&self.policy);
        self.sources.follow(&self.policy);
        Arc::make_mut(&mut self.located).follow(now.tick, &self.policy);
        self.peers.follow(now.tick, &self.policy, &self.located, &mut self.random);
        self.guard.follow(&self.policy);
        self.logins.follow(&self.policy);
        if self.closing.is_open() {
            self.registrations.follow(now.tick, &self.policy, &mut self.random);
        }
        match self.policy.on_reload {
            OnReload::Keep => {}
            OnReload::Rejudge => self.rejudge(now),
        }
    }

    /// Forgets replaced policies under which nothing lives any more.
    pub(super) fn forget_retired(&mut self) {
        self.retired.retain(|policy| Arc::strong_count(policy) > 1);
    }
}
