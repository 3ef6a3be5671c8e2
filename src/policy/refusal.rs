//! What a refusal looks like to the peer that is refused.
//!
//! Owns classes and presets. Read first: spec of alerts and SIP answers; RFC 6432.

use super::alert::Code;

/// The classes that a peer's `refusal:` maps to statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    /// A destination, caller or list says no: default 403.
    Blocked,
    /// A cap is reached: default 480 with Retry-After.
    Capped,
    /// A number or body cannot be read: default by code (484, 416, 404, 488).
    Unreadable,
    /// Signalling or media in the clear: default 403 or 488.
    Unencrypted,
    /// Suspended: default 403.
    Suspended,
    /// Not a policy refusal (malformed, loops, hops, unknown dialog): the RFC's status stands, no preset touches it.
    Protocol,
    /// No target is left: default 500 or 480 by preset, never 503 towards a listed peer.
    NoTarget,
}

/// A peer's statuses; `None` keeps the default of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presets {
    /// For `Blocked`.
    pub blocked: Option<u16>,
    /// For `Capped`.
    pub capped: Option<u16>,
    /// For `Unreadable`.
    pub unreadable: Option<u16>,
    /// For `Unencrypted`.
    pub unencrypted: Option<u16>,
    /// For `Suspended`.
    pub suspended: Option<u16>,
    /// For `NoTarget`.
    pub no_target: Option<u16>,
}

/// One refusal: what is answered and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The alert's number and name.
    pub code: Code,
    /// Its class.
    pub class: RefusalClass,
    /// The status sent, presets applied.
    pub status: u16,
    /// Seconds for Retry-After.
    pub retry_after: Option<u32>,
    /// One sentence for an inside peer's Warning and Reason; never sent to a trunk or a stranger.
    pub text: String,
}
