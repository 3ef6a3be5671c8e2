//! What a reload changes: what got weaker, and what waits for a restart.
//!
//! Owns the sentences. Refuses to judge whether a change was meant. Read first: DESIGN.md §1, laws 1 and 8.

use super::problem::{Cause, Desk, Errors, Place};
use super::tree::{self, Entry, Node, Value};
use super::{Config, Source};
use crate::policy::{self, Listener, Policy};

/// What to do about what is fixed at the start.
const RESTART: &str = "restart the edge for this, or leave it as it was";

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
    restart(old.sinks != new.sinks, "alerts, records, store, queue or log");
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

/// Whether a policy listens, and receives media, where the running one does. Sockets are opened at the start: one that speaks of others would
/// promise what is not there.
///
/// # Errors
/// Each listener that is new or elsewhere, and media that is, by its place in the file that the new policy was read from.
pub fn moved(old: &Policy, new: &Policy, source: &Source) -> Result<(), Errors> {
    let desk = Desk::new(&source.name, &source.text);
    let file = tree::read(&source.text, &desk);
    let find = |name: &str| old.listeners.iter().flatten().find(|listener| &*listener.name == name);
    for listener in new.listeners.iter().flatten() {
        let (key, cause) = match find(&listener.name) {
            None => (None, "is new, and the edge does not listen there"),
            Some(before) if before.bind != listener.bind => {
                (Some("bind"), "is another than when the edge started")
            }
            Some(before) if before.transports != listener.transports => {
                (Some("transports"), "are others than when the edge started")
            }
            Some(_) => continue,
        };
        let (place, path) = place_of(file.as_ref(), &listener.name, key);
        desk.error(place, &path, Cause::new(cause).cure(RESTART));
    }
    if old.media != new.media {
        let entry = file.as_ref().and_then(|file| entry(file, "media"));
        let (place, cause) = match (&old.media, &new.media) {
            (_, None) => (Place::default(), "is left out, and live calls have media here"),
            (None, Some(_)) => {
                (entry.map(|entry| entry.place).unwrap_or_default(), "is new: no port is open for it")
            }
            (Some(_), Some(_)) => (
                entry.map(|entry| entry.place).unwrap_or_default(),
                "says other places than when the edge started",
            ),
        };
        desk.error(place, "media", Cause::new(cause).cure(RESTART));
    }
    desk.close().map(drop)
}

/// Where a listener, or a key of it, stands: the listener, where the key is left out; no place, where the file has none.
fn place_of(file: Option<&Node>, name: &str, key: Option<&str>) -> (Place, String) {
    let path = ["listeners", name].into_iter().chain(key).collect::<Vec<_>>().join(".");
    let listener = file.and_then(|file| entry(file, "listeners")).and_then(|all| entry(&all.value, name));
    let place = listener.map_or_else(Place::default, |listener| {
        let key = key.and_then(|key| entry(&listener.value, key));
        key.map_or(listener.place, |key| key.value.place)
    });
    (place, path)
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key)
}
