//! What the tests with real processes stand on: the edge's own binary, and sipp as PBX and trunk.
//!
//! Owns starting and ending both (by their own process, never by name) and reading what they wrote.
//! Every test has its own net of loopback addresses, so that they run side by side.

#![allow(dead_code, reason = "each test binary uses its own part of the rig")]

pub mod callers;
pub mod edge;
pub mod kamailio;
pub mod names;
pub mod office;
pub mod phone;
pub mod sipp;
pub mod tone;
pub mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The addresses of one test: 127.77.N.x.
#[derive(Debug, Clone, Copy)]
pub struct Net(pub u8);

impl Net {
    fn host(self, last: u8) -> String {
        format!("127.77.{}.{last}", self.0)
    }
    /// The edge's inside, port 5060; its outside has the same address and port 5070.
    pub fn edge(self) -> String {
        self.host(1)
    }
    /// Where PBXs and callers meet the edge.
    pub fn inside(self) -> String {
        format!("{}:5060", self.edge())
    }
    /// Where trunks meet it.
    pub fn outside(self) -> String {
        format!("{}:5070", self.edge())
    }
    /// The PBX, port 5080.
    pub fn pbx(self) -> String {
        self.host(2)
    }
    /// The trunk, port 5090.
    pub fn trunk(self) -> String {
        self.host(3)
    }
    /// A second trunk, port 5090.
    pub fn spare(self) -> String {
        self.host(4)
    }
    /// A third trunk, port 5090.
    pub fn last(self) -> String {
        self.host(5)
    }
    /// The name server, port 5353.
    pub fn names(self) -> String {
        format!("{}:5353", self.host(8))
    }
    /// An address on no list.
    pub fn stranger(self) -> String {
        self.host(9)
    }
}

/// A clean folder for one test's files.
pub fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _absent_at_first = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// Asks again and again until the answer is yes; panics with what was waited for when `patience` is over.
pub fn wait_for(what: &str, patience: Duration, mut answer: impl FnMut() -> bool) {
    let began = Instant::now();
    while !answer() {
        assert!(began.elapsed() < patience, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether this test can run: sipp is there. `tests/run` names the binary to test and has installed sipp, so
/// that there its absence is a failure.
pub fn ready() -> bool {
    let there = std::process::Command::new("sipp").arg("-v").output().is_ok();
    assert!(
        there || std::env::var_os("RINGFENCE_BIN").is_none(),
        "sipp is not installed (Debian: sip-tester)"
    );
    if !there {
        eprintln!("skipped: sipp is not installed (Debian: sip-tester)");
    }
    there
}
