//! The load over TLS: calls at a rate while everything under them is replaced, and connections that are held and say nothing.
//!
//! The peers are the repository's own (`rig/callers.rs`). Short by default; `FULL=1` makes it a minute, and 10,000 connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};

use crate::rig::callers::{Counted, Held, Load, Own, play};
use crate::rig::edge::Edge;
use crate::rig::wire::{Lab, Wire};
use crate::rig::{Net, folder, wait_for};
use crate::{HEAP_KEPT_BYTES_MAX, TRANSACTIONS_GONE, full};

const PATIENCE: Duration = Duration::from_secs(10);
/// How often the certificates are replaced, and the policy reloaded.
const ROUNDS: usize = 10;
/// What the edge may hold of its heap for one TLS connection that says nothing, the PBX's own certificate included.
const IDLE_HEAP_BYTES_MAX: u64 = 6 * 1024;
/// And of the system's memory, of which the heap is the larger part.
const IDLE_RESIDENT_BYTES_MAX: u64 = 10 * 1024;
/// And for its place among connections, when it has gone.
const KEPT_BYTES_MAX: u64 = 1024;

/// A PBX and a trunk over TLS; the PBX must prove itself.
const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5061", certificate: { chain: "LAB/server.pem", key: "LAB/server.key" } }
  outside: { bind: "EDGE:5071", certificate: { chain: "LAB/server.pem", key: "LAB/server.key" } }
peers:
  office-pbx:
    side: inside
    listener: inside
    sources: ["PBX"]
    plain_media: allow
    concurrent_calls: 5000
    requests_per_second: 5000
    requests_burst: 20000
    tls: { ca: "LAB/ca.pem", names: [pbx.example.com] }
  trunk:
    side: outside
    listener: outside
    sources: ["TRUNK"]
    targets: ["TRUNK:5091"]
    plain_media: allow
    concurrent_calls: 5000
    tls: { ca: "LAB/ca.pem", client_certificate: none }
sites:
  office: { peers: [office-pbx, trunk], dids: ["+12125550100"], channels: 5000 }
caps: none
routes:
  - { name: out, direction: outbound, from: [office-pbx], called: ["+*"], to: [trunk] }
policy: { outbound: [max_duration: HOURSh] }
streams: { connections: 12000, connections_per_source: 11000 }
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: FOLDER/control.sock
"#;

/// The policy, another one for each hour.
fn policy(lab: &Path, hours: usize) -> String {
    POLICY.replace("LAB", &lab.display().to_string()).replace("HOURS", &hours.to_string())
}

struct Site {
    edge: Edge,
    net: Net,
    lab: Lab,
    place: PathBuf,
}

impl Site {
    fn start(name: &str, net: Net) -> Self {
        let place = folder(&format!("{name}-certs")).join("lab");
        let lab = Lab::make(&place, &Self::names(net).each_ref().map(String::as_str));
        let edge = Edge::start(name, net, &policy(&place, 1));
        Self { edge, net, lab, place }
    }

    fn names(net: Net) -> [String; 3] {
        [net.edge(), net.trunk(), "pbx.example.com".to_owned()]
    }

    fn load(&self, calls: usize, rate: u32) -> Load {
        let address = |text: String| text.parse().expect("an address and a port");
        Load {
            from: self.net.pbx().parse().expect("an address"),
            to: address(format!("{}:5061", self.net.edge())),
            client: self.lab.client(Some(&self.lab), &[&TLS13, &TLS12]),
            trunk: address(format!("{}:5091", self.net.trunk())),
            server: self.lab.server(),
            calls,
            rate,
            ring: Duration::from_millis(20),
            talk: Duration::from_millis(500),
            own: Own::Half,
        }
    }

    /// New certificates of the same authority, and another policy; both must be in force before it returns.
    fn renew(&self, round: usize, load: &Load) {
        self.lab.replace(&Self::names(self.net).each_ref().map(String::as_str));
        let fresh = self.lab.chain("server");
        let to = load.to.to_string();
        wait_for("the fresh certificate to be shown", PATIENCE, || {
            let wire = Wire::connect(&self.net.pbx(), &to, &load.client).expect("the PBX gets in");
            wire.shown().as_ref() == fresh.first()
        });
        let before = self.edge.number("/generation");
        self.edge.replace_policy(&policy(&self.place, 1 + round));
        wait_for("the policy to be reloaded", PATIENCE, || self.edge.number("/generation") == before + 1);
    }

    /// How often an alert was raised.
    fn alerts(&self, code: u64) -> usize {
        let text = std::fs::read_to_string(self.edge.folder().join("alerts.jsonl")).unwrap_or_default();
        text.matches(&format!("\"error_code\":{code}")).count()
    }
}

#[test]
fn calls_over_tls_outlive_ten_certificates_and_ten_reloads() {
    let seconds = if full() { 60 } else { 12 };
    let site = Site::start("load-tls", Net(3));
    let idle_heap = site.edge.number("/heap_bytes");
    let calls = 200 * seconds;
    let load = Arc::new(site.load(calls, 200));
    let began = Instant::now();
    let playing = {
        let load = Arc::clone(&load);
        std::thread::spawn(move || play(&load))
    };
    let apart = Duration::from_secs(seconds as u64) / (ROUNDS as u32 + 1);
    for round in 1..=ROUNDS {
        std::thread::sleep((apart * round as u32).saturating_sub(began.elapsed()));
        site.renew(round, &load);
    }
    assert!(!playing.is_finished(), "the load went on through all of it");
    let Counted { good, failed, ended } = playing.join().expect("the load does not panic");
    eprintln!("load-tls: {good} calls in {:.1?}, {} failed", began.elapsed(), failed.len());
    assert!(failed.is_empty(), "{} failed, such as {:#?}", failed.len(), &failed[..failed.len().min(8)]);
    assert_eq!((good, ended), (calls, calls));
    assert_eq!((site.alerts(39005), site.alerts(39002)), (ROUNDS, ROUNDS));
    // Half of the calls made a connection of their own, and each was a whole handshake or a resumed one.
    let shaken = site.edge.number("/tls/handshakes") as usize;
    assert!(shaken > calls / 2, "{shaken} handshakes");
    site.edge.settle(TRANSACTIONS_GONE);
    wait_for("all records", PATIENCE, || site.edge.records_written() == calls);
    let heap = site.edge.number("/heap_bytes");
    eprintln!("load-tls: live heap {idle_heap} bytes idle, {heap} afterwards, {shaken} handshakes");
    // Beside what other loads leave: sessions that may be resumed.
    assert!(heap <= idle_heap + 2 * HEAP_KEPT_BYTES_MAX, "live heap grew from {idle_heap} to {heap} bytes");
}

#[test]
fn connections_that_say_nothing_hold_little() {
    let count = if full() { 10_000 } else { 1_000 };
    let site = Site::start("idle-tls", Net(4));
    let load = site.load(0, 1);
    // The first ones make what all others share.
    let warm = Held::open(&load, 64);
    drop(warm);
    wait_for("an empty edge", PATIENCE, || site.edge.number("/net/connections") == 0);
    let before = (site.edge.number("/heap_bytes"), site.edge.resident_bytes());
    let began = Instant::now();
    let held = Held::open(&load, count);
    let took = began.elapsed();
    wait_for("all connections", PATIENCE, || site.edge.number("/net/connections") == count as u64);
    site.edge.settle(TRANSACTIONS_GONE);
    let grown =
        (site.edge.number("/heap_bytes") - before.0, site.edge.resident_bytes().saturating_sub(before.1));
    let each = (grown.0 / count as u64, grown.1 / count as u64);
    eprintln!(
        "idle-tls: {count} connections in {took:.1?}, each {} bytes of heap, {} resident",
        each.0, each.1
    );
    assert!(each.0 <= IDLE_HEAP_BYTES_MAX, "{} bytes of heap for each connection", each.0);
    assert!(each.1 <= IDLE_RESIDENT_BYTES_MAX, "{} bytes of memory for each connection", each.1);
    held.ask_each(count / 100);
    let left = |held| {
        drop(held);
        wait_for("an empty edge", PATIENCE, || site.edge.number("/net/connections") == 0);
        site.edge.number("/heap_bytes")
    };
    // The table of connections keeps the room that it had to take once, for the next time, and takes no more.
    let first = left(held);
    let second = left(Held::open(&load, count));
    eprintln!("idle-tls: live heap {} bytes before, {first} and {second} afterwards", before.0);
    assert!(
        first <= before.0 + HEAP_KEPT_BYTES_MAX + KEPT_BYTES_MAX * count as u64,
        "{first} bytes are left"
    );
    assert!(second <= first + HEAP_KEPT_BYTES_MAX, "live heap grew from {first} to {second} bytes");
}
