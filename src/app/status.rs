//! The status as one JSON object: the engine's gauges, the shell's counts, memory.
//!
//! Owns the keys. Refuses to know who reads it. `gauges` are all zero on an idle edge.

use std::fs;

use serde_json::{Map, Value, json};
use tikv_jemalloc_ctl::{epoch, stats};

use super::shell::Answer;
use crate::engine::Reply;
use crate::sinks::SinkCounts;

/// What was lifted.
#[must_use]
pub fn unlocked(reply: &Reply) -> Value {
    match reply {
        Reply::Unlocked { locks, held, bans, instead } => {
            json!({ "locks": locks, "held": held, "bans": bans, "instead": instead })
        }
        Reply::Status { .. } | Reply::Ordered(_) => {
            json!({ "error": "the edge answered another question; please report that" })
        }
    }
}

/// What came of an order.
#[must_use]
pub fn ordered(reply: &Reply) -> Value {
    match reply {
        Reply::Ordered(ordered) => json!(ordered),
        Reply::Status { .. } | Reply::Unlocked { .. } => unlocked(reply),
    }
}

/// Puts the answer together.
#[must_use]
pub fn status(answer: Answer, sinks: SinkCounts, uptime_s: u64, draining: bool) -> Value {
    let Reply::Status {
        gauges,
        counts,
        peers,
        targets_down,
        targets_held,
        tried_last,
        waiting,
        names,
        registrations,
        locks,
        banned,
        bans,
        suspensions,
        floods,
        unanswered,
        media,
        generation,
    } = answer.reply
    else {
        return unlocked(&answer.reply);
    };
    let counts: Map<String, Value> = counts.into_iter().map(|(name, count)| (name, json!(count))).collect();
    let state = |up| match up {
        Some(true) => "up",
        Some(false) => "down",
        None => "unprobed",
    };
    let peers: Map<String, Value> = peers.into_iter().map(|(name, up)| (name, json!(state(up)))).collect();
    let mut net = json!(answer.datagrams);
    if let Value::Object(net) = &mut net {
        net.insert("connections".to_owned(), json!(answer.connections));
        net.insert("guests".to_owned(), json!(answer.guests));
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": uptime_s,
        "draining": draining,
        "generation": generation,
        "heap_bytes": heap_bytes(),
        "resident_bytes": resident_bytes(),
        "gauges": gauges,
        "peers": peers,
        "targets_down": targets_down,
        "targets_held": targets_held,
        "tried_last": tried_last,
        "waiting": waiting,
        "names": names,
        "registrations": registrations,
        "locks": locks,
        "banned": banned,
        "bans": bans,
        "suspensions": suspensions,
        "floods": floods,
        "unanswered": unanswered,
        "media": media,
        "counts": counts,
        "net": net,
        "streams": answer.streams,
        "tls": answer.tls,
        "sinks": sinks,
    })
}

/// Live bytes by the allocator's own count; `null` where another allocator is at work.
fn heap_bytes() -> Option<usize> {
    epoch::advance().ok()?;
    stats::allocated::read().ok()
}

/// Resident memory of the process.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
