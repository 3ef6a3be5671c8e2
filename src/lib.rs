//! Ringfence, a SIP edge proxy (session border controller) between an office's PBX and its trunk.
//!
//! The core is pure: bytes and a clock reading go in, values that say what to do come out. The tree is the
//! packet's itinerary. A file may import its own room and any lower floor, never sideways, never up.
//!
//! ```text
//! floor 5   config                      YAML -> checked settings; only main and app import it
//! floor 4   net    sinks    admin       tokio lives here and in app.rs, nowhere else
//! floor 3   engine                      the pure whole: Input in, Output out
//! floor 2   call                        two legs, one truth
//! floor 1   transaction  policy  media  three strangers: none imports another
//! floor 0   sip    clock.rs             words and time
//! ```

// The tests inside the crate share the fixtures of those beside it.
#[cfg(test)]
extern crate self as ringfence;

pub mod admin;
pub mod app;
pub mod call;
pub mod clock;
pub mod config;
pub mod engine;
pub mod media;
pub mod net;
pub mod policy;
pub mod sinks;
pub mod sip;
pub mod transaction;
