//! Where alerts, call records and logs go. Never waited for: bounded queues, counted drops.
//!
//! Owns formatting, folding, rotation. Refuses to know the engine's state.

use std::path::PathBuf;

/// One stream of JSON lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sink {
    /// To standard output.
    #[default]
    Stdout,
    /// To a file with rotation.
    File {
        /// Path.
        path: PathBuf,
        /// Rotate above so many bytes. Default 64 MiB.
        rotate_bytes: u64,
        /// Keep so many old files. Default 8.
        keep: u32,
    },
    /// Nowhere.
    Discard,
}

/// All sinks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Alerts.
    pub alerts: Sink,
    /// Call records.
    pub records: Sink,
    /// Lines that may wait for a slow disk before new ones are dropped and counted (39702). 0 means the default 16,384.
    pub queue_max: usize,
    /// `tracing` filter, default `info`.
    pub log: String,
}
