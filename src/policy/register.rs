//! What is asked of a trunk that sends calls to whoever is registered there.
//!
//! Owns the settings. Refuses to know how it is asked. Read first: RFC 3261 §10.2.

use std::sync::Arc;
use std::time::Duration;

/// `register:` of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The user part of the address of record, and of our Contact.
    pub user: Arc<str>,
    /// The life that is asked for.
    pub expires: Duration,
}
