//! By which ways a call may leave: encrypted ones alone, unless the policy excepts the peer, and never another one for `sips:`
//! and for a call that brings keys.
//!
//! Owns what is taken out of a target's transports. Refuses to know connections. What came in is judged by the rule
//! `secure_transport`. Read first: DESIGN.md §1, law 2; RFC 5630 §3, §5; RFC 4568 §8.3; attack row E4.

use std::sync::Arc;

use super::facts::Facts;
use super::rules::Objection;
use super::verdict::Candidates;
use super::{Policy, code};

/// RFC 3261 §21.4.14: the scheme cannot be served, here because its first leg is not what it asks for.
const SCHEME: u16 = 416;
/// RFC 5630 §6.2: a sips URI that cannot be reached by TLS.
const NOT_BY_TLS: u16 = 480;

/// Leaves each target the transports that this call may take, and the targets that have any left. `Err`: none has; the key that
/// says so, and why.
pub(super) fn keep(
    policy: &Policy,
    facts: &Facts<'_>,
    candidates: &mut Candidates,
) -> Result<(), (Arc<str>, Box<Objection>)> {
    let sips = |status, told: &str, text: String| {
        let mut objection = Objection::new(code::SECURE_TRANSPORT_REQUIRED, told.to_owned(), text);
        objection.status = Some(status);
        (policy.routes_path(), objection)
    };
    if facts.secure && !facts.transport.is_encrypted() {
        let text = format!(
            "A call to sips:{} came over {}: such a URI is for TLS alone. Let the caller's machine speak TLS, or dial sip:.",
            facts.called,
            facts.transport.name()
        );
        return Err(sips(SCHEME, "a sips URI came in the clear", text));
    }
    if facts.keys && !facts.transport.is_encrypted() {
        return Err(keys_in_the_clear(policy, facts));
    }
    // Where media is anchored the callee hears of other keys, if of any; whether it may is asked when they are made.
    let keys = facts.keys && policy.media.is_none();
    let mut refused = None;
    candidates.retain(|candidate| {
        let Some(peer) = policy.peer(candidate.peer) else { return false };
        if facts.secure || keys || !peer.plain_signalling {
            candidate.target.transports.retain(|transport| transport.is_encrypted());
        }
        let reached = !candidate.target.transports.is_empty();
        if !reached {
            refused.get_or_insert(peer);
        }
        reached
    });
    let Some(peer) = refused.filter(|_| candidates.is_empty()) else { return Ok(()) };
    let name = &peer.name;
    if facts.secure {
        let text =
            format!("{name} is not reached by TLS, and sips:{} asks for it on every leg.", facts.called);
        return Err(sips(NOT_BY_TLS, "a sips URI, and no target takes TLS", text));
    }
    if keys && peer.plain_signalling {
        let told = format!("keys of encrypted speech, and {name} is reached in the clear alone");
        let text = format!(
            "{told}: whoever listens there would have them. Let {name} speak TLS, or let the caller's machine offer speech \
             without encryption."
        );
        let path = Arc::from(format!("peers.{name}.transports"));
        return Err((path, Objection::new(code::SECURE_MEDIA_REQUIRED, told, text)));
    }
    let told = format!("{name} is reached in the clear alone, and that is refused");
    let text = format!(
        "{told}: let it speak TLS, or write plain_signalling: allow for it if the network between is trusted."
    );
    let path = Arc::from(format!("peers.{name}.plain_signalling"));
    Err((path, Objection::new(code::SECURE_TRANSPORT_REQUIRED, told, text)))
}

/// Row E4: keys that whoever listens has heard already make no call secret. It counts as plain, and its answer would have to
/// say more keys in the clear.
fn keys_in_the_clear(policy: &Policy, facts: &Facts<'_>) -> (Arc<str>, Box<Objection>) {
    let name = policy.peer(facts.peer).map_or("?", |peer| &peer.name);
    let told = format!("keys of encrypted speech came over {}", facts.transport.name());
    let text = format!(
        "{name} sent keys of encrypted speech over {}, where anyone on the way can read them: such a call is not secret. Let it \
         speak TLS, or offer speech without encryption.",
        facts.transport.name()
    );
    (Arc::from(format!("peers.{name}.transports")), Objection::new(code::SECURE_MEDIA_REQUIRED, told, text))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{SPARE, TRUNK, changed, facts, plan};
    use super::super::{Counters, Outcome, admit};
    use super::*;
    use crate::sip::Transport::{self, Tcp, Tls, Udp};

    /// The transports that a call may take to the trunk, or the status that refuses it.
    fn asked(has: &[Transport], plain: bool, secure: bool, came: Transport) -> Result<Vec<Transport>, u16> {
        with(has, plain, Facts { secure, transport: came, ..facts() })
    }

    fn with(has: &[Transport], plain: bool, facts: Facts<'_>) -> Result<Vec<Transport>, u16> {
        let mut plan = plan();
        for trunk in [TRUNK, SPARE] {
            changed(&mut plan, trunk, |peer| {
                peer.plain_signalling = plain;
                peer.transports = has.iter().copied().collect();
            });
        }
        let policy = Policy::build(plan).unwrap();
        let facts = Facts { called: "+12125550100", ..facts };
        let mut counters = Counters::default();
        counters.follow(&policy);
        match admit(&policy, &counters, &facts).outcome {
            Outcome::Admit(candidates) => {
                let to = candidates.iter().find(|one| one.peer == TRUNK).unwrap();
                Ok(to.target.transports.to_vec())
            }
            Outcome::Refuse(refusal) => Err(refusal.status),
            Outcome::Silence => Err(0),
        }
    }

    #[test]
    fn e4_keys_cross_between_encrypted_legs_alone() {
        type Row = (&'static [Transport], Transport, Result<&'static [Transport], u16>);
        let table: &[Row] = &[
            (&[Tls], Tls, Ok(&[Tls])),
            (&[Udp, Tls], Tls, Ok(&[Tls])),
            (&[Udp, Tcp], Tls, Err(488)),
            (&[Tls], Udp, Err(488)),
            (&[Tls], Tcp, Err(488)),
            (&[Udp], Udp, Err(488)),
        ];
        for (has, came, wanted) in table {
            let found = with(has, true, Facts { transport: *came, keys: true, ..facts() });
            assert_eq!(found.as_deref().map_err(|status| *status), *wanted, "{has:?} {came}");
        }
    }

    #[test]
    fn nothing_leaves_in_the_clear_but_by_exception_and_sips_never() {
        type Row = (&'static [Transport], bool, bool, Transport, Result<&'static [Transport], u16>);
        let table: &[Row] = &[
            (&[Tls], false, false, Tls, Ok(&[Tls])),
            (&[Udp, Tls], false, false, Tls, Ok(&[Tls])),
            (&[Udp, Tcp], true, false, Tls, Ok(&[Udp, Tcp])),
            (&[Tls, Udp], true, false, Tls, Ok(&[Tls, Udp])),
            (&[Udp, Tls], true, true, Tls, Ok(&[Tls])),
            (&[Udp, Tcp], false, false, Tls, Err(403)),
            (&[Udp, Tcp], true, true, Tls, Err(480)),
            (&[Tls], false, true, Tls, Ok(&[Tls])),
            (&[Tls], false, true, Tcp, Err(416)),
            (&[Tls], false, true, Udp, Err(416)),
        ];
        for (has, plain, secure, came, wanted) in table {
            let found = asked(has, *plain, *secure, *came);
            assert_eq!(
                found.as_deref().map_err(|status| *status),
                *wanted,
                "{has:?} {plain} {secure} {came}"
            );
        }
    }
}
