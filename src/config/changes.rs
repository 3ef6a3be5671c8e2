//! What a reload changes: what got weaker, and what waits for a restart.
//!
//! Owns the sentences. Refuses to judge whether a change was meant. Read first: DESIGN.md §1, laws 1 and 8.

use super::Config;
use crate::policy::{self, Listener};

/// The difference between the configuration in force and the one just read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// What the new one allows and the old one did not, one sentence each.
    pub weaker: Vec<String>,
    /// Settings that were read and are not in force until the next start, one sentence each.
    pub needs_restart: Vec<String>,
}

/// Compares the configuration in force with the one just read.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Changes {
    let mut needs_restart = listeners(old, new);
    let mut restart = |changed: bool, what: &str| {
        if changed {
            needs_restart.push(format!("{what} changed: in force after a restart"));
        }
    };
    restart(old.engine.limits != new.engine.limits, "limits of messages");
    restart(old.engine.timing != new.engine.timing, "timers");
    let tables = |config: &Config| {
        let engine = &config.engine;
        (engine.calls_max, engine.transactions_max, engine.client_transactions_max)
    };
    restart(tables(old) != tables(new), "limits.calls, limits.transactions or limits.client_transactions");
    let call = |config: &Config| {
        let call = &config.engine.call;
        (call.relays_max, call.product.clone(), call.udp_request_bytes_max)
    };
    restart(call(old) != call(new), "limits.relays, limits.udp_request_bytes or product");
    restart(old.net != new.net, "streams");
    restart(old.dns != new.dns, "dns");
    restart(old.sinks != new.sinks, "alerts, records, queue or log");
    restart(old.admin != new.admin, "control");
    restart(old.drain != new.drain, "drain");
    Changes { weaker: policy::compare(&old.policy, &new.policy), needs_restart }
}

fn listeners(old: &Config, new: &Config) -> Vec<String> {
    let find = |config: &Config, name: &str| {
        config.policy.listeners.iter().flatten().find(|listener| &*listener.name == name).cloned()
    };
    let socket = |listener: &Listener| (listener.bind, listener.transports.clone());
    let mut out = Vec::new();
    for was in old.policy.listeners.iter().flatten() {
        match find(new, &was.name) {
            None => out.push(format!("listener {} was removed: it is listened on until a restart", was.name)),
            Some(is) if socket(&is) != socket(was) => {
                out.push(format!(
                    "listener {} changed its bind or transports: in force after a restart",
                    was.name
                ));
            }
            Some(_) => {}
        }
    }
    for is in new.policy.listeners.iter().flatten() {
        if find(old, &is.name).is_none() {
            out.push(format!("listener {} is new: listened on after a restart", is.name));
        }
    }
    out
}
