//! Whose an address is, for those who may not ask the policy themselves.
//!
//! Owns the look-up over the policy in force and over replaced ones that live calls still stand under.
//! Read first: RFC 3261 §18.1.2.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Engine;
use super::checks;
use super::transactions::Addresses;
use crate::policy::{Located, PeerId, Policy};
use crate::sip::{ListenerId, Via};

/// The policies to ask, the one in force first.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// In force.
    pub policy: &'a Arc<Policy>,
    /// Replaced, with live calls.
    pub retired: &'a [Arc<Policy>],
    /// Where names lead, and led.
    pub located: &'a Located,
}

impl<'a> Known<'a> {
    /// The peer at an address, with the policy that lists it; after those that are listed, those that names led to.
    #[must_use]
    pub fn peer_at(&self, listener: ListenerId, address: IpAddr) -> Option<(PeerId, &'a Arc<Policy>)> {
        let mut policies = std::iter::once(self.policy).chain(self.retired);
        let listed = policies
            .clone()
            .find_map(|policy| policy.index.peer(listener, address).map(|peer| (peer, policy)));
        listed.or_else(|| {
            let peer = self.located.peer_at(listener, address)?;
            policies.find(|policy| policy.peer(peer).is_some()).map(|policy| (peer, policy))
        })
    }
}

impl Engine {
    /// What is known of addresses now.
    pub(super) fn known(&self) -> Known<'_> {
        Known { policy: &self.policy, retired: &self.retired, located: &self.located }
    }
}

impl Addresses for Known<'_> {
    fn is_ours(&self, listener: ListenerId, via: &Via<'_>) -> bool {
        std::iter::once(self.policy).chain(self.retired).any(|policy| {
            policy.listener(listener).is_some_and(|listener| checks::is_sent_by(policy, listener, via))
        })
    }

    fn same_peer(&self, listener: ListenerId, one: SocketAddr, other: SocketAddr) -> bool {
        let peer = |address: SocketAddr| self.peer_at(listener, address.ip()).map(|(peer, _)| peer);
        peer(one).is_some_and(|one| peer(other) == Some(one))
    }
}
