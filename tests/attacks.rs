//! Attacks through the whole engine, row by row of the list of attacks; a test's name begins with its row.
//!
//! What other tests prove is not repeated here: streams that starve or lie (F1, F2 on a stream) stand with `net` and
//! `sip::framing`, lines that cannot be forged (F10) with `sinks`, the torture messages (F4) in `torture.rs`.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::print_stderr, reason = "a test crate")]
#![allow(dead_code, reason = "the simulator's modules serve several test crates")]

#[path = "attacks/bodies.rs"]
mod bodies;
#[path = "attacks/calls.rs"]
mod calls;
#[path = "attacks/dialogs.rs"]
mod dialogs;
#[path = "attacks/early.rs"]
mod early;
#[path = "attacks/faults.rs"]
mod faults;
#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/keys.rs"]
mod keys;
#[path = "attacks/logins.rs"]
mod logins;
#[path = "attacks/passwords.rs"]
mod passwords;
#[path = "attacks/qop.rs"]
mod qop;
#[path = "attacks/registrations.rs"]
mod registrations;
#[path = "sim/mod.rs"]
mod sim;
#[path = "attacks/site.rs"]
mod site;
#[path = "attacks/strangers.rs"]
mod strangers;
#[path = "attacks/transfers.rs"]
mod transfers;
