//! The local control socket: one JSON request, one JSON answer, file permissions as its lock.

use std::path::PathBuf;

/// Settings of the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where the socket is made (0600); none when absent.
    pub socket: Option<PathBuf>,
}
