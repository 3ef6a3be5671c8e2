//! A load of calls over TLS as a program: PBX and trunk at once, for measuring who stands between them.
//!
//!     tls_calls --lab FOLDER --from IP --to IP:PORT --trunk IP:PORT [--rate N] [--calls N] [--own nobody|half|everybody]
//!
//! Prints one JSON object. Without arguments the PBX calls the trunk itself: what the load alone is worth. Owns no server, and
//! measures none: `benches/against-kamailio` does.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic, reason = "a bench prints what it found")]

mod options;
#[path = "../tests/rig/mod.rs"]
mod rig;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use options::{option, options};
use rig::callers::{Load, Own, play};
use rig::wire::Lab;
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use serde_json::json;

fn main() {
    let options = options();
    let lab = match options.get("lab") {
        Some(lab) => Lab(PathBuf::from(lab)),
        None => Lab::make(&rig::folder("tls-calls").join("lab"), &["127.77.180.3", "sbc.example"]),
    };
    let own = match options.get("own").map(String::as_str) {
        None | Some("nobody") => Own::Nobody,
        Some("half") => Own::Half,
        Some("everybody") => Own::Everybody,
        Some(other) => panic!("--own {other:?} is none"),
    };
    // Every connection is a whole handshake, whether or not the far side would take up an old session.
    let mut client = lab.client(None, &[&TLS13, &TLS12]);
    Arc::make_mut(&mut client).resumption = Resumption::disabled();
    let load = Load {
        from: option(&options, "from", "127.77.180.2"),
        to: option(&options, "to", "127.77.180.3:5080"),
        client,
        trunk: option(&options, "trunk", "127.77.180.3:5080"),
        server: lab.server(),
        calls: option(&options, "calls", "1000"),
        rate: option(&options, "rate", "500"),
        ring: Duration::from_millis(20),
        talk: Duration::from_millis(100),
        own,
    };
    let began = Instant::now();
    let counted = play(&load);
    let told = json!({
        "calls": load.calls,
        "good": counted.good,
        "failed": counted.failed.len(),
        "such_as": counted.failed.first(),
        "seconds": began.elapsed().as_secs_f64(),
    });
    println!("{told}");
}
