//! Who sends, asked of the flow alone, before any parsing: listed peer, stranger, banned, over its bucket.

/// Settings for strangers and bursts.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// Longest-prefix index from (listener, address) to peer.
#[derive(Debug, Default)]
pub struct Index {}
