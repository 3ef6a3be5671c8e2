//! The local control socket: one JSON request, one JSON answer, file permissions as its lock.
//!
//! Owns the socket's file, both ends of its protocol, the table people read, the drawing of a call from its record, a lab's
//! certificates, and how lines are broken for a terminal. Refuses to know who answers.
//! Read first: unix(7).

pub mod ask;
pub mod certs;
pub mod ladder;
pub mod record;
pub mod reloaded;
pub mod serve;
pub mod table;
pub mod unlocked;
pub mod wrap;

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where the socket is made (0600); none when absent.
    pub socket: Option<PathBuf>,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Gauges, counts, peers, memory.
    Status,
    /// Read the policy file again.
    Reload,
    /// Take no new calls, wait for live ones, end.
    Stop,
    /// Lift locks that wrong passwords brought about: of a user, from a source, or both.
    Unlock {
        /// Of this user alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// From this source alone; its ban is lifted, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
    },
}

/// Bytes of one request line.
const REQUEST_BYTES_MAX: usize = 4_096;
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;
