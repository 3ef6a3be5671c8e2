//! YAML to checked settings. All errors at once, each with place, cause and cure.

use std::sync::Arc;

use crate::policy::Policy;

/// A whole, checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The policy.
    pub policy: Arc<Policy>,
    /// The engine's settings (fixed at start; a reload that changes them says that a restart is needed).
    pub engine: crate::engine::Settings,
    /// Sockets.
    pub net: crate::net::Settings,
    /// Sinks.
    pub sinks: crate::sinks::Settings,
    /// Control socket.
    pub admin: crate::admin::Settings,
    /// How long a stop waits for live calls.
    pub drain: std::time::Duration,
}
