//! Calls through the edge's own process between real sipp processes, over UDP and TCP.
//!
//! Owns what a peer at the end of a wire must see; every case has its own net of loopback addresses. Skips with a
//! notice where sipp is not installed. The scenarios lie in `tests/sipp`.

#![allow(clippy::print_stderr, clippy::panic, reason = "a test says why it is skipped or fails")]

#[path = "end_to_end/logins.rs"]
mod logins;
#[path = "end_to_end/networks.rs"]
mod networks;
#[path = "end_to_end/numbers.rs"]
mod numbers;
#[path = "end_to_end/passwords.rs"]
mod passwords;
mod rig;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use rig::edge::Edge;
use rig::office::{self, SHORT_TIMERS};
use rig::sipp::{Over, Run, Sipp};
use rig::{Net, ready};
use rustix::process::Signal;

/// Timer D is 32 s over UDP, whatever T1 is: a refused call leaves its last transaction for so long.
const PATIENCE: Duration = Duration::from_secs(45);
const NUMBER: &str = "+12125550142";

fn policy(over: Over) -> String {
    office::policy(over.name(), &[("#more", SHORT_TIMERS)])
}

/// One call of a pair of scenarios from the PBX to the trunk; both must end as their scenario says.
struct Pair {
    edge: Edge,
    caller: Sipp,
    callee: Sipp,
}

fn outbound(name: &str, net: Net, over: Over, policy: &str, caller: &str, callee: &str) -> Pair {
    let edge = Edge::start(name, net, policy);
    let mut callee =
        Run::callee(callee, &net.trunk(), 5090).over(over).calls(1).status(486).with(&["-d", "200"]);
    callee = callee.with(&["-timeout", "15"]);
    let mut callee = callee.start(edge.folder(), "callee");
    let caller = Run::caller(caller, &net.pbx(), 5080, &net.inside(), NUMBER).over(over).calls(1).status(486);
    let mut caller = caller.with(&["-d", "200", "-timeout", "15"]).start(edge.folder(), "caller");
    caller.succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    Pair { edge, caller, callee }
}

/// The same over UDP and over TCP, with the checks that hold for every call.
fn both_ways(name: &str, net: u8, caller: &str, callee: &str, status: u64, check: impl Fn(&Pair)) {
    if !ready() {
        return;
    }
    for (over, way, net) in [(Over::Udp, "udp", Net(net)), (Over::Tcp, "tcp", Net(net + 1))] {
        let pair = outbound(&format!("{name}-{way}"), net, over, &policy(over), caller, callee);
        pair.edge.settle(PATIENCE);
        let record = &pair.edge.records(1)[0];
        assert_eq!(record["status"], status, "{way}: {record:#}");
        assert_eq!(record["to"], NUMBER, "{way}: {record:#}");
        hides(&pair.callee, &[&net.pbx(), &format!("{}:5060", net.edge()), "X-Extension", "office-phone"]);
        hides(&pair.caller, &[&net.trunk(), &format!("{}:5070", net.edge())]);
        check(&pair);
    }
}

/// No head of a message that this side received may hold any of these words (the SDP crosses as it is).
fn hides(side: &Sipp, words: &[&str]) {
    let messages = side.received();
    assert!(!messages.is_empty(), "it received nothing");
    for message in messages {
        let head = message.split("\r\n\r\n").next().unwrap_or_default();
        for word in words {
            assert!(!head.contains(word), "{word} has crossed:\n{message}");
        }
    }
}

#[test]
fn a_call_is_set_up_talks_and_ends() {
    both_ways("basic", 10, "uac_basic", "uas_basic", 200, |pair| {
        let invite = &pair.callee.received()[0];
        assert!(invite.starts_with(&format!("INVITE sip:{NUMBER}@")), "{invite}");
        assert!(invite.contains("Max-Forwards: 69\r\n"), "{invite}");
        assert!(invite.contains("a=rtpmap:101 telephone-event/8000"), "{invite}");
    });
}

#[test]
fn the_callee_may_hang_up() {
    both_ways("callee-bye", 12, "uac_waits", "uas_hangs_up", 200, |_| ());
}

#[test]
fn a_caller_may_give_up_while_it_rings() {
    both_ways("cancel", 14, "uac_cancels", "uas_cancelled", 487, |_| ());
}

#[test]
fn busy_crosses_with_its_reason() {
    both_ways("busy", 16, "uac_refused", "uas_refuses", 486, |pair| {
        let heard = pair.caller.received();
        let last = heard
            .iter()
            .rev()
            .find(|message| message.starts_with("SIP/2.0 486"))
            .expect("the caller heard 486");
        assert!(last.contains("Reason: Q.850;cause=17"), "{last}");
    });
}

#[test]
fn the_caller_holds_and_resumes() {
    both_ways("reinvite-a", 18, "uac_reinvites", "uas_reinvited", 200, |_| ());
}

#[test]
fn the_callee_holds() {
    both_ways("reinvite-b", 20, "uac_reinvited", "uas_reinvites", 200, |_| ());
}

#[test]
fn an_offer_may_come_late() {
    both_ways("late-offer", 22, "uac_late_offer", "uas_late_offer", 200, |_| ());
}

#[test]
fn digits_cross_as_info_both_ways() {
    both_ways("info", 24, "uac_info", "uas_info", 200, |_| ());
}

#[test]
fn a_trunk_reaches_the_pbx_by_its_did() {
    if !ready() {
        return;
    }
    let net = Net(26);
    let edge = Edge::start("inbound", net, &policy(Over::Udp));
    let mut pbx = Run::callee("uas_basic", &net.pbx(), 5080).calls(1).start(edge.folder(), "pbx");
    let mut trunk = Run::caller("uac_basic", &net.trunk(), 5090, &net.outside(), "+12125550100").calls(1);
    trunk = trunk.with(&["-timeout", "10"]);
    trunk.start(edge.folder(), "trunk").succeeds(PATIENCE);
    pbx.succeeds(PATIENCE);
    edge.settle(PATIENCE);
    assert_eq!(edge.records(1)[0]["direction"], "inbound");
}

#[test]
fn a_silent_target_is_passed_over_for_the_next() {
    if !ready() {
        return;
    }
    let net = Net(27);
    let second = r#"  spare:
    { side: outside, listener: outside, sources: ["SPARE"], targets: ["SPARE:5090"], transports: [udp], plain_signalling: allow, plain_media: allow }
"#;
    let policy = policy(Over::Udp)
        .replace("#peers\n", second)
        .replace("#trunk", "try_timeout: 1s")
        .replace("peers: [office-pbx, trunk]", "peers: [office-pbx, trunk, spare]")
        .replace("to: [trunk] }", "to: [trunk, spare] }");
    let edge = Edge::start("fail-over", net, &policy);
    let silent = UdpSocket::bind((net.trunk().as_str(), 5090)).expect("a test's own address is free");
    let mut callee = Run::callee("uas_basic", &net.spare(), 5090).calls(1).start(edge.folder(), "callee");
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1);
    caller.with(&["-timeout", "10"]).start(edge.folder(), "caller").succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    drop(silent);
    let record = &edge.records(1)[0];
    assert_eq!(record["status"], 200, "{record:#}");
    let legs = record["legs"].as_array().expect("a record has legs");
    let peers: Vec<&str> = legs.iter().filter_map(|leg| leg["peer"].as_str()).collect();
    assert_eq!(peers, ["office-pbx", "trunk", "spare"], "{record:#}");
    edge.alert(32011);
}

#[test]
fn a_blocked_number_is_refused_and_told_why() {
    if !ready() {
        return;
    }
    let net = Net(28);
    let rules = "policy:\n  outbound:\n    - { blocklist: { prefixes: [\"+1212555\"] } }\n";
    let edge = Edge::start("blocked", net, &policy(Over::Udp).replace("#policy\n", rules));
    let caller = Run::caller("uac_refused", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1).status(403);
    let mut caller = caller.with(&["-timeout", "10"]).start(edge.folder(), "caller");
    caller.succeeds(PATIENCE);
    let heard = caller.received();
    let refusal =
        heard.iter().find(|message| message.starts_with("SIP/2.0 403")).expect("the caller heard 403");
    assert!(refusal.contains("Warning: 399 ringfence \"32203 number_blocked"), "{refusal}");
    assert!(refusal.contains("Reason: Q.850;cause=21"), "{refusal}");
    let record = &edge.records(1)[0];
    assert_eq!((record["status"].as_u64(), record["code"].as_u64()), (Some(403), Some(32203)), "{record:#}");
    assert_eq!(edge.alert(32203)["rule"], "policy.outbound[0].blocklist");
    edge.settle(PATIENCE);
}

/// A request by hand: what sipp cannot say.
fn request(method: &str, net: Net, from: &str, extra: &str) -> String {
    format!(
        "{method} sip:{NUMBER}@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {from}:5080;branch=z9hG4bK{method}{length};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12125550199@pbx.example>;tag=1\r\nTo: <sip:{NUMBER}@{edge}>\r\n\
         Call-ID: by-hand-{method}-{length}\r\nCSeq: 1 {method}\r\nContact: <sip:ann@{from}:5080>\r\n{extra}Content-Length: 0\r\n\r\n",
        edge = net.inside(),
        length = extra.len(),
    )
}

/// The first final answer to a request by hand, or nothing within a second.
fn answer(socket: &UdpSocket, net: Net, bytes: &[u8]) -> Option<String> {
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out can be set");
    socket.send_to(bytes, net.inside()).expect("a datagram can be sent on loopback");
    let mut room = [0; 65_536];
    loop {
        let length = socket.recv(&mut room).ok()?;
        let answer = String::from_utf8_lossy(&room[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return Some(answer);
        }
    }
}

#[test]
fn a_stranger_hears_nothing() {
    if !ready() {
        return;
    }
    let net = Net(29);
    let edge = Edge::start("stranger", net, &policy(Over::Udp));
    let socket = UdpSocket::bind((net.stranger().as_str(), 5080)).expect("a test's own address is free");
    for method in ["INVITE", "OPTIONS", "REGISTER"] {
        assert_eq!(
            answer(&socket, net, request(method, net, &net.stranger(), "").as_bytes()),
            None,
            "{method}"
        );
    }
    assert_eq!(answer(&socket, net, b"garbage\r\n\r\n"), None);
    assert_eq!(
        edge.alert(32201)["source"].as_str().map(|source| source.contains(&net.stranger())),
        Some(true)
    );
    assert_eq!(edge.records_written(), 0, "a stranger leaves no record");
    assert!(edge.idle(), "a stranger leaves no state: {}", edge.status());
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    if !ready() {
        return;
    }
    let net = Net(30);
    let edge = Edge::start("methods", net, &policy(Over::Udp));
    let socket = UdpSocket::bind((net.pbx().as_str(), 5080)).expect("a test's own address is free");
    let padding = format!("X-Padding: {}\r\n", "x".repeat(60_000));
    let table: [(&str, &str, &[&str]); 8] = [
        ("OPTIONS", "", &["200"]),
        ("REGISTER", "", &["405"]),
        ("SUBSCRIBE", "", &["405"]),
        ("PUBLISH", "", &["405"]),
        ("REFER", "", &["405", "403"]),
        ("FROBNICATE", "", &["501", "405"]),
        ("INVITE", "Require: nothing-we-know\r\n", &["420"]),
        ("INVITE", &padding, &["513", "413", "400"]),
    ];
    for (method, extra, statuses) in table {
        let heard =
            answer(&socket, net, request(method, net, &net.pbx(), extra).as_bytes()).unwrap_or_default();
        let status = heard.split(' ').nth(1).unwrap_or("none").to_owned();
        assert!(statuses.contains(&status.as_str()), "{method}: {status}, not {statuses:?}\n{heard}");
        if status == "405" {
            assert!(heard.contains("\r\nAllow: "), "{heard}");
        }
    }
    let old = request("OPTIONS", net, &net.pbx(), "X-Old: 1\r\n").replacen("SIP/2.0\r\n", "SIP/1.0\r\n", 1);
    let heard = answer(&socket, net, old.as_bytes()).unwrap_or_default();
    assert!(heard.starts_with("SIP/2.0 505"), "{heard}");
    edge.settle(PATIENCE);
}

#[test]
fn a_stream_that_lies_about_its_length_is_closed() {
    if !ready() {
        return;
    }
    let net = Net(31);
    let _edge = Edge::start("liar", net, &policy(Over::Tcp));
    let local: std::net::SocketAddr = format!("{}:0", net.pbx()).parse().expect("an address");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&local.into()).expect("a test's own address is free");
    let remote: std::net::SocketAddr = net.inside().parse().expect("an address");
    socket.connect(&remote.into()).expect("the edge listens");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    stream.write_all(b"\r\n\r\n").expect("the edge reads");
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).expect("the edge answers a keep-alive");
    assert_eq!(&pong, b"\r\n");
    let lie = request("OPTIONS", net, &net.pbx(), "").replace("Content-Length: 0", "Content-Length: 1x");
    stream.write_all(lie.as_bytes()).expect("the edge reads");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the edge closes the stream");
    let heard = String::from_utf8_lossy(&rest).into_owned();
    assert!(heard.is_empty() || heard.starts_with("SIP/2.0 400"), "{heard}");
}

#[test]
fn a_call_ends_at_its_longest_duration() {
    if !ready() {
        return;
    }
    let net = Net(32);
    let rules = "policy:\n  outbound:\n    - { max_duration: 2s }\n";
    let policy = policy(Over::Udp).replace("#policy\n", rules);
    let pair = outbound("duration", net, Over::Udp, &policy, "uac_waits", "uas_basic");
    let bye =
        pair.caller.received().into_iter().find(|message| message.starts_with("BYE ")).expect("a BYE came");
    assert!(bye.contains("Reason: "), "the BYE says why: {bye}");
    assert_eq!(pair.edge.records(1)[0]["code"], 32015);
    pair.edge.alert(32015);
    pair.edge.settle(PATIENCE);
}

#[test]
fn a_peer_has_exactly_the_calls_it_is_allowed() {
    if !ready() {
        return;
    }
    let net = Net(33);
    let policy = policy(Over::Udp).replace("#pbx", "concurrent_calls: 5");
    let edge = Edge::start("cap", net, &policy);
    let callee = Run::callee("uas_basic", &net.trunk(), 5090).start(edge.folder(), "callee");
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(8);
    let caller = caller.with(&["-r", "50", "-d", "2000", "-timeout", "10"]);
    let mut caller = caller.start(edge.folder(), "caller");
    rig::wait_for("five calls", PATIENCE, || edge.number("/gauges/calls") == 5);
    assert_ne!(caller.ended(PATIENCE), 0, "some calls are refused");
    let counted = caller.statistics();
    assert_eq!((counted.successful, counted.failed), (5, 3), "{}", caller.said());
    let refused = caller.received().iter().filter(|message| message.starts_with("SIP/2.0 480")).count();
    assert_eq!(refused, 3);
    let codes = edge.records(8).iter().filter(|record| record["code"] == 10004).count();
    assert_eq!(codes, 3);
    edge.alert(10004);
    drop(callee);
    edge.settle(PATIENCE);
}

#[test]
fn a_stop_waits_for_live_calls_and_then_ends_them_on_both_legs() {
    if !ready() {
        return;
    }
    let net = Net(34);
    let mut edge = Edge::start("drain", net, &policy(Over::Udp));
    let mut callee = Run::callee("uas_basic", &net.trunk(), 5090).calls(1).start(edge.folder(), "callee");
    let caller = Run::caller("uac_waits", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1);
    let mut caller = caller.with(&["-timeout", "15"]).start(edge.folder(), "caller");
    rig::wait_for("a live call", PATIENCE, || edge.number("/gauges/calls") == 1);
    std::thread::sleep(Duration::from_millis(500));
    edge.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let socket = UdpSocket::bind((net.pbx().as_str(), 5081)).expect("a test's own address is free");
    let heard = answer(&socket, net, request("INVITE", net, &net.pbx(), "").as_bytes()).unwrap_or_default();
    assert!(
        heard.starts_with("SIP/2.0 503") || heard.starts_with("SIP/2.0 480"),
        "a draining edge refuses: {heard}"
    );
    caller.succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    let ended = edge.ended(PATIENCE);
    assert_ne!(ended.code(), Some(0), "the exit code tells that a call was cut: {}", edge.said());
    let cut = edge.records(2).iter().filter(|record| record["ended_by"] == "edge").count();
    assert!(cut >= 1);
}

#[test]
fn an_idle_edge_stops_at_once_and_well() {
    if !ready() {
        return;
    }
    let mut edge = Edge::start("stop", Net(35), &policy(Over::Udp));
    edge.signal(Signal::TERM);
    assert_eq!(edge.ended(Duration::from_secs(5)).code(), Some(0), "{}", edge.said());
}

#[test]
fn a_reload_takes_a_good_policy_and_leaves_a_bad_one() {
    if !ready() {
        return;
    }
    let net = Net(36);
    let edge = Edge::start("reload", net, &policy(Over::Udp));
    let before = edge.number("/generation");
    edge.replace_policy("listeners: { inside: { bind: \"EDGE:5060\", transports: [udp] }\npeers: [");
    edge.signal(Signal::HUP);
    edge.alert(39001);
    assert_eq!(edge.number("/generation"), before, "a broken policy changes nothing");
    let rules = "policy:\n  outbound:\n    - { blocklist: { prefixes: [\"+1212555\"] } }\n";
    edge.replace_policy(&policy(Over::Udp).replace("#policy\n", rules));
    edge.signal(Signal::HUP);
    edge.alert(39002);
    assert!(edge.number("/generation") > before, "a good policy is in force");
    let caller = Run::caller("uac_refused", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1).status(403);
    caller.with(&["-timeout", "10"]).start(edge.folder(), "caller").succeeds(PATIENCE);
}
