//! The simulator: endpoints, the edge, an attacker and a wire, on virtual time from one seed.
//!
//! Owns everything around the engine that a test needs. Refuses to know sockets and real clocks.
//! Read first: DESIGN.md §5; RFC 3261 figures 5 to 8; RFC 3665.

pub mod agent;
pub mod dice;
pub mod ladder;
pub mod text;
pub mod wire;
