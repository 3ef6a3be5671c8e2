//! What is told of a peer's buckets, and of challenges that it does not answer.
//!
//! Owns the sentences. Refuses to count. Read first: the README's table of alert codes (32001, 32202).

use std::sync::Arc;

use super::super::alert::Alert;
use super::super::{Policy, code};
use super::{Charged, Peer};
use crate::clock::Now;

/// A peer sent more than one of its buckets holds.
pub(super) fn rate_alert(
    policy: &Policy,
    peer: &Peer,
    (over, charged): (u64, Charged),
    now: Now,
) -> Box<Alert> {
    let name = &peer.name;
    let (rate, burst) = charged.holds((peer.requests_per_second_max, peer.requests_burst_max));
    let text = match charged {
        Charged::Own => format!(
            "{name} sent {over} request(s) more than its bucket of {rate} a second (burst {burst}) holds; they were \
             refused. Raise `requests_per_second` of this peer only if it is meant to place that many calls."
        ),
        Charged::Unproven { shown: false } => format!(
            "From addresses of {name} came {over} request(s) without a proof of its password more than {rate} a second \
             (burst {burst}); they were refused. What is proven goes on, for it is counted apart: if {name} does not send \
             that many, somebody forges its address."
        ),
        Charged::Asked { shown: false } => format!(
            "From addresses of {name} came {over} datagram(s) without a proof of its password more than {rate} a second \
             (burst {burst}), and got no answer. What is proven goes on, for it is counted apart, and so does what comes over \
             TCP or TLS. If {name} does not send that many, somebody forges its address: let {name} speak TLS."
        ),
        Charged::Unproven { shown: true } | Charged::Asked { shown: true } => format!(
            "From addresses of {name} came {over} request(s) over TCP or TLS without a proof of its password more than {rate} \
             a second (burst {burst}); they were refused. What is proven goes on, for it is counted apart: if {name} does not \
             send that many, look which machine there does."
        ),
    };
    let mut alert = Alert::new(code::CALL_RATE_EXCEEDED, now.wall, text);
    alert.peer = Some(Arc::clone(&peer.name));
    alert.about = Some(charged.name().into());
    alert.sip_status = Some(policy.over_bucket(peer.id).status);
    alert.count = over;
    Box::new(alert)
}

/// A peer was asked for its password, and did not answer.
pub(super) fn unanswered_alert(peer: &Peer, asked: u64, now: Now) -> Box<Alert> {
    let name = &peer.name;
    let (realm, algorithms) = peer.demand.as_ref().map_or_else(Default::default, |demand| {
        let tokens: Vec<&str> = demand.hashes.iter().map(|hash| hash.token()).collect();
        (demand.realm.to_string(), tokens.join(", "))
    });
    let text = format!(
        "{name} was asked for its password {asked} time(s), and nobody there answered: those calls went nowhere. Give the \
         machine its user and password for realm {realm}; if it has them, it may not know {algorithms} (`algorithms`), or \
         our answers do not reach it; and if it did not call at all, somebody forges its address."
    );
    let mut alert = Alert::new(code::BAD_CREDENTIALS, now.wall, text);
    alert.peer = Some(Arc::clone(name));
    alert.about = Some("unanswered".into());
    alert.sip_status = peer.demand.as_ref().map(|demand| demand.status());
    alert.count = asked;
    Box::new(alert)
}
