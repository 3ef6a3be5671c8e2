//! Trunks behind DNS, with the edge as a process, a name server of the test's own and sockets for PBX and trunks.
//!
//! Everything stands on loopback; nothing but the edge's binary is needed.

#![allow(clippy::print_stderr, clippy::panic, clippy::unwrap_used, reason = "a test says why it fails")]

mod rig;

use std::time::Duration;

use serde_json::Value;

use rig::edge::Edge;
use rig::names::{Caller, NameServer, Trunk};
use rig::office::{self, SHORT_TIMERS};
use rig::{Net, wait_for};

const PATIENCE: Duration = Duration::from_secs(12);

/// A trunk that is reached by a name, and calls from `sources`.
fn policy_from(sources: &str) -> String {
    let dns = "dns: { servers: [\"NAMES\"], timeout: 400ms, ttl_min: 1s, retry: 1s, stale_max: 1h }";
    let changes = [
        ("sources: [\"TRUNK\"]", sources),
        ("targets: [\"TRUNK:5090\"]", "targets: [\"sip.example.com\"]\n    try_timeout: 1s"),
        ("#more", &format!("{SHORT_TIMERS}\n{dns}")),
    ];
    office::policy("udp", &changes)
}

fn policy() -> String {
    policy_from("sources: [\"203.0.113.1\"]")
}

/// What the status says of the one name.
fn name(edge: &Edge) -> Value {
    edge.status()["names"][0].clone()
}

fn state(edge: &Edge) -> String {
    let name = name(edge);
    let addresses: Vec<&str> =
        name["addresses"].as_array().expect("a list of addresses").iter().filter_map(Value::as_str).collect();
    format!("{} {}", name["state"].as_str().expect("a state"), addresses.join(" "))
}

fn becomes(edge: &Edge, expected: &str) {
    wait_for(&format!("{expected}, it is {}", state(edge)), PATIENCE, || state(edge) == expected);
}

fn srv(net: Net, ttl: u32) -> String {
    format!(
        "_sip._udp.sip.example.com {ttl} SRV 10 1 5090 one.example.com
         _sip._udp.sip.example.com {ttl} SRV 20 1 5091 two.example.com
         one.example.com {ttl} A {}
         two.example.com {ttl} A {}",
        net.trunk(),
        net.spare()
    )
}

#[test]
fn calls_go_to_the_first_of_two_srv_targets_and_to_the_second_when_it_is_silent() {
    let net = Net(150);
    let server = NameServer::start(&net.names());
    server.zone(&srv(net, 600));
    let (one, two) = (format!("{}:5090", net.trunk()), format!("{}:5091", net.spare()));
    let first = Trunk::start(&one);
    let second = Trunk::start(&two);
    let edge = Edge::start("names-srv", net, &policy());
    becomes(&edge, &format!("fresh {one} {two}"));
    assert!(
        name(&edge)["ttl_left_s"].as_u64().is_some_and(|left| (500..=600).contains(&left)),
        "{}",
        name(&edge)
    );
    let mut pbx = Caller::new(&format!("{}:5080", net.pbx()), &net.inside());
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(first.calls(), ["sip:+12125550142@sip.example.com"], "the name is the Request-URI's host");
    pbx.end(&up);
    wait_for("the trunk to hear the BYE", PATIENCE, || first.ended() == 1);
    // Its address is listed nowhere, and yet its answers came through; when it is gone, the second is asked.
    drop(first);
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(second.calls().len(), 1);
    pbx.end(&up);
    assert_eq!(edge.alert(32011)["peer"], "trunk");
}

#[test]
fn a_changed_answer_moves_new_calls_and_leaves_live_ones_where_they_are() {
    let net = Net(151);
    let server = NameServer::start(&net.names());
    let (one, two) = (format!("{}:5090", net.trunk()), format!("{}:5090", net.spare()));
    let host = |address: &str| format!("sip.example.com 2 A {address}");
    server.zone(&host(&net.trunk()));
    let (first, second) = (Trunk::start(&one), Trunk::start(&two));
    let edge = Edge::start("names-change", net, &policy().replace("sip.example.com", "sip.example.com:5090"));
    becomes(&edge, &format!("fresh {one}"));
    let mut pbx = Caller::new(&format!("{}:5080", net.pbx()), &net.inside());
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(first.calls(), ["sip:+12125550142@sip.example.com:5090"]);
    server.zone(&host(&net.spare()));
    becomes(&edge, &format!("fresh {two}"));
    let other = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!((first.calls().len(), second.calls().len()), (1, 1));
    // The first call ends where it began, and the trunk's answer to BYE is taken from there.
    pbx.end(&up);
    wait_for("the first trunk to hear its BYE", PATIENCE, || first.ended() == 1);
    pbx.end(&other);
    wait_for("the second trunk to hear its BYE", PATIENCE, || second.ended() == 1);
    edge.settle(Duration::from_secs(20));
}

#[test]
fn a_silent_dns_leaves_the_last_answer_and_a_name_unknown_refuses_and_stops_nothing() {
    let net = Net(152);
    let server = NameServer::start(&net.names());
    let one = format!("{}:5060", net.trunk());
    let first = Trunk::start(&one);
    // At the start the name does not exist.
    let edge = Edge::start("names-stale", net, &policy());
    becomes(&edge, "nowhere ");
    let mut pbx = Caller::new(&format!("{}:5080", net.pbx()), &net.inside());
    let refused = pbx.call().err().expect("there is nowhere to go");
    assert!(refused.starts_with("SIP/2.0 480 ") && refused.contains("32010"), "{refused}");
    assert!(edge.alert(32011)["alert_text"].as_str().is_some_and(|text| text.contains("leads nowhere")));
    assert_eq!(edge.alert(32010)["sip_status"], 480);
    server.zone(&format!("sip.example.com 1 A {}", net.trunk()));
    becomes(&edge, &format!("fresh {one}"));
    server.silent(true);
    becomes(&edge, &format!("stale {one}"));
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(first.calls().len(), 1);
    pbx.end(&up);
    let before = server.questions();
    wait_for("DNS to be asked again", PATIENCE, || server.questions() > before);
    server.silent(false);
    becomes(&edge, &format!("fresh {one}"));
    // The name is taken away: once its time has run out it leads nowhere.
    server.zone("");
    becomes(&edge, "nowhere ");
}

#[test]
fn a_host_whose_address_is_not_told_hides_no_other_host_of_the_name() {
    let net = Net(155);
    let server = NameServer::start(&net.names());
    server.silent_about("one.example.com");
    server.zone(&srv(net, 600));
    let (one, two) = (format!("{}:5090", net.trunk()), format!("{}:5091", net.spare()));
    let second = Trunk::start(&two);
    let edge = Edge::start("names-host", net, &policy());
    becomes(&edge, &format!("fresh {two}"));
    let mut pbx = Caller::new(&format!("{}:5080", net.pbx()), &net.inside());
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(second.calls().len(), 1);
    pbx.end(&up);
    // It is asked again soon, whatever the TTL of the others.
    server.silent_about("");
    becomes(&edge, &format!("fresh {one} {two}"));
    // What is not told of a service is no answer: the name itself is not taken for it.
    server.zone(&format!("{}\n sip.example.com 600 A {}", srv(net, 600), net.spare()));
    server.silent_about("_sip._udp.sip.example.com");
    let edge = Edge::start("names-service", Net(156), &policy().replace("NAMES", &net.names()));
    edge.alert(32011);
    assert_eq!(state(&edge), "nowhere ");
}

#[test]
fn a_lost_answer_about_a_host_leaves_it_where_it_was_told_last() {
    let net = Net(157);
    let server = NameServer::start(&net.names());
    server.zone(&srv(net, 1));
    let (one, two) = (format!("{}:5090", net.trunk()), format!("{}:5091", net.spare()));
    let edge = Edge::start("names-lost", net, &policy());
    let both = format!("fresh {one} {two}");
    becomes(&edge, &both);
    server.silent_about("one.example.com");
    let before = server.questions();
    wait_for("several rounds of asking", PATIENCE, || {
        assert_eq!(state(&edge), both);
        server.questions() > before + 16
    });
    // What DNS denies is gone, whatever it said before.
    server.silent_about("");
    let zone = srv(net, 1);
    let denied: Vec<&str> = zone.lines().filter(|line| !line.contains("one.example.com 1 A")).collect();
    server.zone(&denied.join("\n"));
    becomes(&edge, &format!("fresh {two}"));
}

#[test]
fn an_address_of_a_name_may_call_only_where_the_policy_says_so() {
    let net = Net(153);
    let server = NameServer::start(&net.names());
    server.zone(&format!("sip.example.com 600 A {}", net.trunk()));
    let _pbx = Trunk::start(&format!("{}:5080", net.pbx()));
    let edge = Edge::start("names-sources", net, &policy());
    becomes(&edge, &format!("fresh {}:5060", net.trunk()));
    let call =
        |port: u16| Caller::new(&format!("{}:{port}", net.trunk()), &net.outside()).offer("+12125550100");
    assert_eq!(call(5060), None, "DNS says whom we call, not who calls us");
    edge.alert(32201);
    edge.replace_policy(&policy_from("sources: [targets]"));
    wait_for("the reload", PATIENCE, || edge.number("/generation") == 2);
    assert_eq!(call(5062).as_deref(), Some("200"));
}

#[test]
fn naptr_names_the_service_that_the_peer_may_be_reached_by() {
    let net = Net(154);
    let server = NameServer::start(&net.names());
    let (trunk, spare) = (net.trunk(), net.spare());
    // TCP is preferred by the domain, and not allowed by the policy; SRV under the usual name is not looked at.
    server.zone(&format!(
        "sip.example.com 60 NAPTR 10 10 SIP+D2T _sip._tcp.sip.example.com
         sip.example.com 60 NAPTR 10 20 SIP+D2U voice.example.net
         _sip._tcp.sip.example.com 60 SRV 1 1 5060 two.example.com
         _sip._udp.sip.example.com 60 SRV 1 1 5060 two.example.com
         voice.example.net 60 SRV 1 1 5095 one.example.com
         one.example.com 60 A {trunk}
         two.example.com 60 A {spare}"
    ));
    let first = Trunk::start(&format!("{trunk}:5095"));
    let edge = Edge::start("names-naptr", net, &policy());
    becomes(&edge, &format!("fresh {trunk}:5095"));
    let mut pbx = Caller::new(&format!("{}:5080", net.pbx()), &net.inside());
    let up = pbx.call().unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(first.calls(), ["sip:+12125550142@sip.example.com"]);
    pbx.end(&up);
}
