//! Sections that stand for themselves: timers, limits, streams, sinks, control.
//!
//! Owns how they fill the rooms' settings. Refuses to know peers and rules. Read first: `table.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fields::{Fields, choose};
use super::problem::{Cause, quoted};
use super::table::FILE_SINK;
use super::tree::Value;
use super::values;
use crate::sinks::Sink;
use crate::sip::parse::Limits;
use crate::transaction::Timing;
use crate::{admin, call, engine, net, sinks};

/// Octets of a UNIX socket's path, its closing NUL excluded (`sockaddr_un`).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// One in so many connections may be a guest's, unless the policy says how many.
const GUESTS_PART: usize = 10;
/// Characters of a product name.
const PRODUCT_CHARACTERS_MAX: usize = 64;

/// A path as written, from the policy file's folder when it is relative.
fn resolved(folder: &Path, text: &str) -> PathBuf {
    folder.join(text)
}

/// What can be a file's path.
pub fn path(text: &str) -> Result<(), Cause> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Cause::new(format!("{} is not a path", quoted(text))));
    }
    Ok(())
}

/// The engine's settings from `limits`, `timers` and `product`.
pub fn engine(root: &Fields<'_>) -> Option<engine::Settings> {
    let (limits, timers) = (root.section("limits"), root.section("timers"));
    let (limits, timers) = (limits?, timers?);
    let timing = Timing { t1: timers.time("t1"), t2: timers.time("t2"), t4: timers.time("t4") };
    if timing.t1 > timing.t2 {
        timers.error(
            "t2",
            Cause::new("t2 is below t1").cure("t2 is the longest pause, t1 the first: raise t2 or lower t1"),
        );
    }
    let reader = Limits {
        message_bytes_max: limits.count("message_bytes"),
        head_bytes_max: limits.count("head_bytes"),
        header_lines_max: limits.count("header_lines"),
        header_line_bytes_max: limits.count("header_line_bytes"),
        vias_max: limits.count("vias"),
        uri_bytes_max: limits.count("uri_bytes"),
        params_max: limits.count("params"),
    };
    if reader.head_bytes_max > reader.message_bytes_max {
        limits.error(
            "head_bytes",
            Cause::new("the headers may be larger than the whole message")
                .cure("lower head_bytes or raise message_bytes"),
        );
    }
    Some(engine::Settings {
        limits: reader,
        timing,
        call: call::Settings {
            timing,
            relays_max: limits.count("relays"),
            product: root.checked("product", product).unwrap_or_default(),
            udp_request_bytes_max: limits.count("udp_request_bytes"),
        },
        calls_max: limits.count("calls"),
        transactions_max: limits.count("transactions"),
        client_transactions_max: limits.count("client_transactions"),
    })
}

/// RFC 3261 §25.1: product = token [SLASH product-version].
fn product(text: &str) -> Result<Arc<str>, Cause> {
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~/".contains(c);
    if text.is_empty() || text.len() > PRODUCT_CHARACTERS_MAX || !text.chars().all(token) {
        let cause = Cause::new(format!("{} is not a product name", quoted(text)));
        return Err(cause.cure("write one word, perhaps with a version: Edge/1.0"));
    }
    Ok(Arc::from(text))
}

/// Sockets from `streams`.
pub fn net(root: &Fields<'_>) -> Option<net::Settings> {
    let streams = root.section("streams")?;
    let connections_max: usize = streams.count("connections");
    let guests: Option<usize> = streams.count_if("guests");
    if guests.is_some_and(|guests| guests >= connections_max) {
        streams.error(
            "guests",
            Cause::new("guests may fill the whole table of connections, and shut all peers out")
                .cure("lower guests or raise connections"),
        );
    }
    Some(net::Settings {
        connections_max,
        guests_max: guests
            .unwrap_or_else(|| (connections_max / GUESTS_PART).max(1).min(connections_max.saturating_sub(1))),
        guests_per_source_max: streams.count("guests_per_source"),
        guest_timeout: streams.time("guest_timeout"),
        guest_message_bytes_max: streams.count("guest_message_bytes"),
        connections_per_source_max: streams.count("connections_per_source"),
        head_timeout: streams.time("head_timeout"),
        body_timeout: streams.time("body_timeout"),
        idle_timeout: streams.time("idle_timeout"),
        first_message_timeout: streams.time("first_message_timeout"),
        connect_timeout: streams.time("connect_timeout"),
        handshake_timeout: streams.time("handshake_timeout"),
        write_timeout: streams.time("write_timeout"),
        write_queue_bytes_max: streams.count("write_queue"),
        udp_receive_buffer_bytes: streams.count("udp_receive_buffer"),
    })
}

/// How names are resolved, from `dns`.
pub fn dns(root: &Fields<'_>) -> Option<net::resolve::Settings> {
    let dns = root.section("dns")?;
    let servers = dns.words("servers", |text| values::address(text, Some(53)));
    let settings = net::resolve::Settings {
        servers: servers.into_iter().map(|(address, _)| address).collect(),
        timeout: dns.time("timeout"),
        ttl_min: dns.time("ttl_min"),
        ttl_max: dns.time("ttl_max"),
        retry: dns.time("retry"),
        stale_max: dns.time("stale_max"),
    };
    if settings.ttl_min > settings.ttl_max {
        dns.error("ttl_min", Cause::new("ttl_min is above ttl_max").cure("lower ttl_min or raise ttl_max"));
    }
    Some(settings)
}

/// Alerts, records and logs.
pub fn sinks(root: &Fields<'_>, folder: &Path) -> sinks::Settings {
    let settings = sinks::Settings {
        alerts: sink(root, "alerts", folder),
        records: sink(root, "records", folder),
        queue_max: root.count("queue"),
        log: root.checked("log", filter).unwrap_or_default(),
        store: store(root, folder),
    };
    if let (Sink::File { path: one, .. }, Sink::File { path: other, .. }) =
        (&settings.alerts, &settings.records)
        && one == other
    {
        root.error("records", Cause::new("alerts and records go to the same file").cure("name two files"));
    }
    settings
}

/// What outlives the process, where it is written.
fn store(root: &Fields<'_>, folder: &Path) -> Option<PathBuf> {
    root.node("store")?;
    let store = root.section("store")?;
    store.checked("file", path)?;
    Some(resolved(folder, store.word("file")?.text))
}

fn sink(root: &Fields<'_>, name: &str, folder: &Path) -> Sink {
    match root.node(name).map(|node| (node, &node.value)) {
        None => Sink::default(),
        Some((node, Value::Map(_))) => {
            let file = Fields::open(root.desk(), &FILE_SINK, node, node.place, root.path_of(name));
            file.and_then(|file| {
                file.checked("file", path)?;
                Some(Sink::File {
                    path: resolved(folder, file.word("file")?.text),
                    rotate_bytes: file.count("rotate"),
                    keep: file.count("keep"),
                })
            })
            .unwrap_or_default()
        }
        Some((_, Value::Scalar(_) | Value::List(_) | Value::Nothing | Value::Untold)) => {
            let meanings = [("stdout", Sink::Stdout), ("discard", Sink::Discard)];
            let choice = root.checked(name, |text| {
                let index = choose(text, &[("stdout", 0_usize), ("discard", 1)])?;
                Ok(meanings.get(index).map(|(_, sink)| sink.clone()).unwrap_or_default())
            });
            choice.unwrap_or_default()
        }
    }
}

fn filter(text: &str) -> Result<String, Cause> {
    let well = !text.trim().is_empty() && tracing_subscriber::EnvFilter::try_new(text).is_ok();
    let level =
        text.contains(['=', ',']) || ["error", "warn", "info", "debug", "trace", "off"].contains(&text);
    if well && level {
        return Ok(text.to_owned());
    }
    let words = ["error", "warn", "info", "debug", "trace", "off"];
    let cause = Cause::new(format!("{} is not a log filter", quoted(text))).nearest(text, words);
    Err(if cause.cure.is_some() {
        cause
    } else {
        cause.cure("write error, warn, info, debug or trace, or \"info,ringfence::net=debug\"")
    })
}

/// The control socket.
pub fn admin(root: &Fields<'_>, folder: &Path) -> admin::Settings {
    let socket = root.checked("control", |text| {
        path(text)?;
        let socket = resolved(folder, text);
        if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let cause = format!(
                "the path is {} octets long; a socket's is at most {SOCKET_PATH_BYTES_MAX}",
                socket.as_os_str().len()
            );
            return Err(Cause::new(cause).cure("choose a shorter one, e.g. /run/ringfence/control.sock"));
        }
        Ok(socket)
    });
    admin::Settings { socket }
}
