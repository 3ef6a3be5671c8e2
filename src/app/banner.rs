//! What is said at the start and at the end.
//!
//! Owns the words. Every exception of the policy is a warning here, each time.

use std::path::Path;

use crate::config::Config;
use crate::policy::PeerSide;
use crate::sinks::Sink;

use super::Ended;

/// Tells who listens where, who the peers are, what is allowed by exception, and where lines go.
pub fn say(file: &Path, config: &Config) {
    let policy = &config.policy;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        policy = %file.display(),
        "ringfence starts; `ringfence check {}` says what this policy means",
        file.display()
    );
    for listener in policy.listeners.iter().flatten() {
        let transports: Vec<_> = listener.transports.iter().map(|transport| transport.name()).collect();
        tracing::info!(
            listener = &*listener.name,
            address = %listener.bind,
            transports = transports.join(","),
            "listening"
        );
    }
    for peer in policy.peers.iter().flatten() {
        let sources: Vec<_> = peer.sources.iter().map(ToString::to_string).collect();
        let targets: Vec<_> = peer.targets.iter().map(ToString::to_string).collect();
        let side = match peer.side {
            PeerSide::Inside => "inside",
            PeerSide::Outside => "outside",
        };
        tracing::info!(
            peer = &*peer.name,
            side,
            sources = shortened(&sources),
            targets = shortened(&targets),
            concurrent_calls = peer.concurrent_calls_max,
            "peer"
        );
    }
    for warning in &config.warnings {
        let cure = warning.cure.as_deref().unwrap_or_default();
        tracing::warn!(at = warning.path, cure, "{}", warning.cause);
    }
    if config.sinks.store.is_none() {
        tracing::warn!(
            at = "store",
            cure = "name a file: store: { file: /var/lib/ringfence/ringfence.db }",
            "nothing outlives a restart: bans and locks end with this process, and a crash leaves its calls open"
        );
    }
    tracing::info!(
        alerts = place(&config.sinks.alerts),
        records = place(&config.sinks.records),
        control = config
            .admin
            .socket
            .as_deref()
            .map_or_else(|| "none".to_owned(), |path| path.display().to_string()),
        "lines and control"
    );
}

/// Tells how it ended.
pub fn farewell(ended: Ended) {
    match ended {
        Ended { cut: 0, whole: true } => tracing::info!("ended; no call was cut"),
        Ended { cut, whole: true } => {
            tracing::warn!(cut, "ended; live calls had to be cut, with a BYE on both legs")
        }
        Ended { whole: false, .. } => {
            tracing::error!("ended at once; calls may be left open on both sides");
        }
    }
}

fn place(sink: &Sink) -> String {
    match sink {
        Sink::Stdout => "standard output".to_owned(),
        Sink::File { path, .. } => path.display().to_string(),
        Sink::Discard => "nowhere".to_owned(),
    }
}

/// The first few of a list; a trunk may have hundreds of networks.
fn shortened(list: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = list.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(",");
    if list.len() > SHOWN {
        text.push_str(&format!(" and {} more", list.len() - SHOWN));
    }
    text
}
