//! The load: sipp's own scenarios as PBX and trunk against the lab policy, as a newcomer would start them.
//!
//! Asserts that no call fails, that every call leaves one record, and that afterwards nothing is left: gauges at
//! zero, live heap back to idle, resident memory not growing from run to run. Short by default; `FULL=1` makes it
//! 20,000 calls at 500 a second. Over TLS, which Debian's sipp does not speak, see `load/tls.rs`; where a target dies under it, `load/names.rs`;
//! where a list is replaced under it, `load/lists.rs`.

#![allow(clippy::print_stderr, clippy::panic, reason = "a load says what it measured and why it fails")]

#[path = "load/lists.rs"]
mod lists;
#[path = "load/names.rs"]
mod names;
mod rig;
#[path = "load/tls.rs"]
mod tls;

use std::time::{Duration, Instant};

use rig::edge::Edge;
use rig::sipp::{Over, Run};
use rig::{Net, ready};

/// 64*T1, and a little for the wheel.
const TRANSACTIONS_GONE: Duration = Duration::from_secs(36);
/// How much live heap may stay above idle: buffers and tables keep a little room once they had to grow.
const HEAP_KEPT_BYTES_MAX: u64 = 512 * 1024;

fn full() -> bool {
    std::env::var("FULL").is_ok_and(|value| value == "1")
}

/// The lab policy with this test's addresses and files in place of its own.
fn lab(over: Over) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/ringfence.yaml");
    let text = std::fs::read_to_string(file).expect("the lab policy is there");
    // sipp listens on one transport only.
    let trunk = match over {
        Over::Udp => "sources: [TRUNK]\n    transports: [udp]",
        Over::Tcp => "sources: [TRUNK]\n    transports: [tcp]",
        Over::Tls => panic!("the lab policy is in the clear; load/tls.rs has its own"),
    };
    let replaced = [
        ("127.0.0.1:5060", "EDGE:5060"),
        ("127.0.0.1:5070", "EDGE:5070"),
        ("127.0.0.1:5080", "PBX:5080"),
        ("127.0.0.1:5090", "TRUNK:5090"),
        ("sources: [127.0.0.1]", "sources: [PBX]"),
        ("sources: [127.0.0.1]", trunk),
        ("alerts: stdout", "alerts: { file: \"FOLDER/alerts.jsonl\" }"),
        ("../records.log", "FOLDER/records.jsonl"),
        ("../ringfence.sock", "FOLDER/control.sock"),
    ];
    replaced.into_iter().fold(text, |text, (word, own)| {
        assert!(text.contains(word), "the lab policy has no {word}");
        if word.starts_with("sources") { text.replacen(word, own, 1) } else { text.replace(word, own) }
    })
}

fn load(name: &str, net: Net, over: Over) {
    if !ready() {
        return;
    }
    let (calls, rate, runs) = if full() { (20_000, 500, 3) } else { (3_000, 500, 2) };
    let edge = Edge::start(name, net, &lab(over));
    let idle_heap = edge.number("/heap_bytes");
    let trunk =
        Run::callee("builtin:uas", &net.trunk(), 5090).over(over).untraced().start(edge.folder(), "trunk");
    let mut resident = Vec::new();
    for run in 1..=runs {
        let began = Instant::now();
        let pbx =
            Run::caller("builtin:uac", &net.pbx(), 5080, &net.inside(), "service").over(over).calls(calls);
        let pbx = pbx.untraced().with(&["-r", &rate.to_string(), "-l", "5000"]);
        let mut pbx = pbx.start(edge.folder(), &format!("pbx-{run}"));
        let code = pbx.ended(Duration::from_secs(240));
        let counted = pbx.statistics();
        resident.push(edge.resident_bytes());
        eprintln!(
            "{name} run {run}: {counted:?} in {:.1?}, resident {} kB",
            began.elapsed(),
            resident[run - 1] / 1024
        );
        assert_eq!((counted.failed, counted.unexpected, counted.out_of_call), (0, 0, 0), "{}", pbx.said());
        assert_eq!((counted.successful, code), (calls as u64, 0), "{}", pbx.said());
        if full() || run == runs {
            edge.settle(TRANSACTIONS_GONE);
        }
        rig::wait_for("all records", Duration::from_secs(10), || edge.records_written() == run * calls);
    }
    assert_eq!(trunk.statistics().failed, 0, "{}", trunk.said());
    let heap = edge.number("/heap_bytes");
    eprintln!("{name}: live heap {idle_heap} bytes idle, {heap} afterwards");
    assert!(heap <= idle_heap + HEAP_KEPT_BYTES_MAX, "live heap grew from {idle_heap} to {heap} bytes");
    if let [.., second, third] = resident[..]
        && runs >= 3
    {
        assert!(third * 100 <= second * 105, "resident memory grew from {second} to {third} bytes");
    }
}

#[test]
fn twenty_thousand_calls_over_udp() {
    load("load-udp", Net(1), Over::Udp);
}

#[test]
fn twenty_thousand_calls_over_tcp() {
    load("load-tcp", Net(2), Over::Tcp);
}
