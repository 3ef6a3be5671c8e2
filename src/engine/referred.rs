//! Where a peer in a call transfers it to (REFER): read and judged as if it were dialled.
//!
//! Owns who is judged. Refuses to know how a number is read and judged (`onward`), and what the call does then (`call/refer`).
//! Read first: RFC 3515 §2.4.2, §5; attack row C1.

use std::sync::Arc;

use super::gate::EdgeGate;
use super::onward::{Wish, Words};
use crate::call::redirect::{Redirected, Transfer};
use crate::clock::Now;
use crate::policy::{Peer, PeerSide, Refusal, code};

const WORDS: Words =
    Words { header: "Refer-To", key: "transfers", does: "transfers the call", code: code::TRANSFER_REFUSED };

/// Judges the number of a transfer.
pub(super) fn judge(
    gate: &mut EdgeGate<'_>,
    now: Now,
    asked: &Transfer<'_>,
    draw: u64,
) -> Result<Box<Redirected>, Box<Refusal>> {
    let Some(payer) = asked.payer() else {
        let wish = wish(asked, asked.by, asked.by);
        return Err(wish.refused("a trunk transfers a trunk's call, and nobody here has asked for it"));
    };
    in_force(gate, now, asked, payer, draw)?;
    let judged = wish(asked, asked.by, payer).judge(gate, now, asked.uri, draw)?;
    if !asked.performs && asked.with.side == PeerSide::Inside {
        gate.expected.tell(now.tick, asked.with, &judged.called, asked.own);
    }
    Ok(judged)
}

/// A call lives on under the policy that admitted it; what it becomes by a transfer must be let by the one in force, too.
fn in_force(
    gate: &mut EdgeGate<'_>,
    now: Now,
    asked: &Transfer<'_>,
    payer: &Arc<Peer>,
    draw: u64,
) -> Result<(), Box<Refusal>> {
    let policy = gate.in_force;
    if std::ptr::eq(policy, gate.policy) {
        return Ok(());
    }
    let old = wish(asked, asked.by, payer);
    let (Some(by), Some(payer)) = (policy.peer(asked.by.id), policy.peer(payer.id)) else {
        return Err(old.refused("it was taken out of the policy"));
    };
    if by.transfers < asked.by.transfers {
        return Err(old.refused("the policy in force does not let it (`transfers`)"));
    }
    let mut gate = EdgeGate {
        policy,
        in_force: policy,
        from: gate.from,
        counters: &mut *gate.counters,
        counts: &mut *gate.counts,
        peers: &mut *gate.peers,
        traffic: &mut *gate.traffic,
        outputs: &mut *gate.outputs,
        expected: &mut *gate.expected,
        located: gate.located,
        full: gate.full,
    };
    let wish = Wish { performs: false, ..wish(asked, by, payer) };
    wish.judge(&mut gate, now, asked.uri, draw).map(drop)
}

fn wish<'a>(asked: &Transfer<'a>, by: &'a Arc<Peer>, payer: &'a Arc<Peer>) -> Wish<'a> {
    let is_caller = asked.user.is_some() && payer.id == asked.by.id;
    Wish {
        words: WORDS,
        by,
        payer,
        hears: by,
        source: asked.source,
        transport: asked.transport,
        request: asked.refer,
        keys: asked.keys,
        secure: asked.secure,
        user: asked.user.filter(|_| is_caller),
        caller: asked.caller,
        hidden: asked.hidden,
        shows: asked.shows,
        left: asked.own,
        other: asked.other,
        times: 1,
        // Both calls are up until one ends.
        is_new: !asked.joins,
        joins: asked.joins,
        helps: by.side == PeerSide::Inside,
        performs: asked.performs,
    }
}
