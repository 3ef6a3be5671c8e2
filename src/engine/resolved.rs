//! What DNS said of a peer's names: targets come and go, and those that stay keep their health.
//!
//! Owns what is told of it, and how long an address that went away is remembered. Refuses to know who asks DNS.
//! Read first: `policy/located.rs`; RFC 3263 §4; DESIGN.md laws 1 and 9.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Engine;
use crate::clock::Now;
use crate::policy::alert::Alert;
use crate::policy::located::Knowledge;
use crate::policy::{Domain, Peer, Resolution, code};
use crate::sip::{ListenerId, PartyId};

impl Engine {
    /// One name was resolved, or could not be.
    pub(super) fn resolved(&mut self, now: Now, party: PartyId, resolution: Resolution) {
        let policy = Arc::clone(&self.policy);
        // A reload has taken the name away meanwhile.
        let Some((peer, Some(domain))) = policy.party(party) else { return };
        let before = self.located.knowledge(party);
        let why = match &resolution {
            Resolution::Nowhere { why } => Some(why.clone()),
            Resolution::Found { .. } | Resolution::Stale => None,
        };
        let learned = Arc::make_mut(&mut self.located).learn(now.tick, &policy, party, resolution);
        if learned.moved {
            self.peers.follow(now.tick, &policy, &self.located, &mut self.random);
            self.register_located(now, peer.id);
        }
        self.forget_gone(now);
        let after = self.located.knowledge(party);
        for (address, why) in learned.refused {
            self.alert(told(
                now,
                peer,
                domain,
                ("refused", &format!("leads to {address}, which is not used: {why}.")),
                Some(address),
            ));
        }
        match (before, after, why) {
            (Knowledge::Nowhere, Knowledge::Nowhere, _) => {}
            (_, Knowledge::Nowhere, why) => {
                let why = why.unwrap_or_default();
                let text = format!(
                    "leads nowhere ({why}): no calls go there until it does. Look it up with `dig`, and at `dns` of the policy."
                );
                self.alert(told(now, peer, domain, ("nowhere", &text), None));
            }
            (Knowledge::Nowhere, Knowledge::Fresh { .. }, _) => {
                let text = "leads somewhere again (recovered).";
                self.alert(told(now, peer, domain, ("somewhere", text), None));
            }
            (Knowledge::Stale, Knowledge::Fresh { .. }, _) => {
                let text = "is answered by DNS again (recovered).";
                self.alert(told(now, peer, domain, ("fresh", text), None));
            }
            (Knowledge::Fresh { .. }, Knowledge::Stale, _) => {
                let text = "cannot be asked of DNS: where it led last is used, for `stale_max` of `dns` at most. Look at the name servers.";
                self.alert(told(now, peer, domain, ("stale", text), None));
            }
            (
                Knowledge::Unknown | Knowledge::Fresh { .. } | Knowledge::Stale,
                Knowledge::Unknown | Knowledge::Fresh { .. } | Knowledge::Stale,
                _,
            )
            | (Knowledge::Nowhere, Knowledge::Unknown | Knowledge::Stale, _) => {}
        }
    }

    /// Forgets addresses that names led to once, when nothing stands with them any more.
    fn forget_gone(&mut self, now: Now) {
        if !self.located.any_gone() {
            return;
        }
        let in_use: HashSet<(ListenerId, IpAddr)> = self.calls.ways().collect();
        Arc::make_mut(&mut self.located).forget(now.tick, |listener, ip| in_use.contains(&(listener, ip)));
    }
}

/// 32011 about a name. Which addresses a name leads to is not ours to say: they fold.
fn told(
    now: Now,
    peer: &Peer,
    domain: &Domain,
    (state, text): (&'static str, &str),
    address: Option<SocketAddr>,
) -> Box<Alert> {
    let mut alert = Alert::new(code::PEER_UNREACHABLE, now.wall, format!("{domain} of {} {text}", peer.name));
    alert.peer = Some(Arc::clone(&peer.name));
    alert.about = Some(format!("{domain} {state}").into());
    alert.evidence.push(("name", domain.to_string()));
    alert.evidence.extend(address.map(|address| ("target", address.to_string())));
    Box::new(alert)
}
