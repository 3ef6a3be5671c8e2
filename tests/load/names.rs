//! The load towards a trunk that is a name with two SRV targets, of which the first dies under it and comes back.
//!
//! sipp is the PBX; the targets are plain sockets of the rig's, for they must answer probes too.

use std::time::Duration;

use crate::rig::edge::Edge;
use crate::rig::names::{NameServer, Trunk};
use crate::rig::office::{self, SHORT_TIMERS};
use crate::rig::sipp::Run;
use crate::rig::{Net, ready, wait_for};
use crate::{TRANSACTIONS_GONE, full};

/// How long a target is given to say anything, before the next is asked.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);
/// And how much later an answer may come on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(900);
/// Calls a second.
const RATE: usize = 50;
/// How long each lasts.
const TALK: Duration = Duration::from_secs(4);

fn policy() -> String {
    let open = "concurrent_calls: 2000\n    requests_per_second: 5000\n    requests_burst: 20000";
    let dns = "dns: { servers: [\"NAMES\"], timeout: 400ms }";
    office::policy(
        "udp",
        &[
            ("#pbx", open),
            ("channels: 100", "channels: 2000"),
            ("sources: [\"TRUNK\"]", "sources: [\"203.0.113.1\"]"),
            (
                "targets: [\"TRUNK:5090\"]",
                "targets: [\"sip.example.com\"]\n    try_timeout: 1s\n    probe: 5s\n    concurrent_calls: 2000",
            ),
            ("#more", &format!("{SHORT_TIMERS}\n{dns}")),
        ],
    )
}

/// How long the caller waited to be answered.
fn answered_after(record: &serde_json::Value) -> Duration {
    let waited = record["answer_delay_ms"].as_u64();
    Duration::from_millis(waited.unwrap_or_else(|| panic!("the caller was never answered: {record}")))
}

#[test]
fn a_target_dies_under_load_and_no_call_fails() {
    if !ready() {
        return;
    }
    let net = Net(158);
    let server = NameServer::start(&net.names());
    let (one, two) = (format!("{}:5090", net.trunk()), format!("{}:5091", net.spare()));
    server.zone(&format!(
        "_sip._udp.sip.example.com 600 SRV 10 1 5090 one.example.com
         _sip._udp.sip.example.com 600 SRV 20 1 5091 two.example.com
         one.example.com 600 A {}
         two.example.com 600 A {}",
        net.trunk(),
        net.spare()
    ));
    let (first, second) = (Trunk::start(&one), Trunk::start(&two));
    let edge = Edge::start("load-names", net, &policy());
    wait_for("the name to lead somewhere", Duration::from_secs(10), || {
        edge.status()["names"][0]["state"] == "fresh"
    });
    let calls = if full() { 3_000 } else { 1_300 };
    let pbx =
        Run::caller("builtin:uac", &net.pbx(), 5080, &net.inside(), "+12125550142").calls(calls).untraced();
    let (rate, talk) = (RATE.to_string(), TALK.as_millis().to_string());
    let mut pbx = pbx.with(&["-r", &rate, "-d", &talk, "-l", "2000"]).start(edge.folder(), "pbx");
    // Cut off while calls are up on it.
    wait_for("calls at the first target", Duration::from_secs(20), || first.calls().len() >= 5 * RATE);
    assert_eq!(second.calls().len(), 0, "the first serves while it lives");
    let at_first = first.calls().len();
    assert!(edge.number("/gauges/calls") > 0);
    drop(first);
    wait_for("calls at the second target", Duration::from_secs(20), || second.calls().len() >= 5 * RATE);
    // It comes back while the second has calls up, and serves again once its probe was answered.
    let first = Trunk::start(&one);
    wait_for("calls at the first target again", Duration::from_secs(20), || first.calls().len() >= RATE);
    let code = pbx.ended(Duration::from_secs(120));
    let counted = pbx.statistics();
    eprintln!(
        "load-names: {counted:?}; first {at_first}, then second {}, then first {}",
        second.calls().len(),
        first.calls().len()
    );
    assert_eq!((counted.successful, counted.failed, code), (calls as u64, 0, 0), "{}", pbx.said());
    // Whoever was up on the second stayed there: each of its calls was ended there by the caller's BYE.
    wait_for("the second to hear every BYE", Duration::from_secs(10), || {
        second.ended() == second.calls().len()
    });
    edge.settle(TRANSACTIONS_GONE);
    let slowest = edge.records(calls).iter().map(answered_after).max().expect("records");
    assert!(slowest <= TRY_TIMEOUT + SLACK, "a call waited {slowest:?} for its answer");
    let told: Vec<_> =
        edge.alerts(32011).iter().map(|alert| alert["evidence"]["state"].to_string()).collect();
    assert_eq!(
        told,
        ["\"doubted\"", "\"down\"", "\"up\""],
        "each once, and no word of calls that were under way"
    );
}
