//! The simulator: endpoints, the edge, an attacker and a wire, on virtual time from one seed.
//!
//! Owns everything around the engine that a test needs. Refuses to know sockets and real clocks.
//! Read first: DESIGN.md §5; RFC 3261 figures 5 to 8; RFC 3665.

pub mod agent;
pub mod attacker;
pub mod coverage;
pub mod dice;
pub mod direct;
pub mod early;
pub mod edge;
pub mod flow;
pub mod flows;
pub mod hidden;
pub mod ledger;
pub mod logins;
pub mod named;
pub mod odd;
pub mod paced;
pub mod play;
pub mod policy;
pub mod proven;
pub mod registered;
pub mod relay;
pub mod session_flows;
pub mod text;
pub mod transfers;
pub mod wire;
pub mod world;
