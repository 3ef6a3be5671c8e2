//! Trunks that fail, fork or are slow, and networks that are odd: Kamailio as a trunk, large datagrams, two families of
//! addresses, a transport that nobody listens on.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::rig::edge::Edge;
use super::rig::kamailio::{self, Kamailio};
use super::rig::sipp::{Over, Run};
use super::rig::{Net, ready, wait_for};
use super::{NUMBER, PATIENCE, answer, policy, request};

/// A trunk of two addresses, and a third one as another peer.
fn two_trunks(net: Net) -> String {
    let second = format!(
        "  last:\n    {{ side: outside, listener: outside, sources: [\"{0}\"], targets: [\"{0}:5090\"], transports: [udp], \
         plain_signalling: allow, plain_media: allow }}\n",
        net.last()
    );
    policy(Over::Udp)
        .replace("#peers\n", &second)
        .replace("targets: [\"TRUNK:5090\"]", "targets: [\"TRUNK:5090\", \"SPARE:5090\"]")
        .replace("sources: [\"TRUNK\"]", "sources: [\"TRUNK\", \"SPARE\"]")
        .replace("#trunk", "post_dial_max: 4s")
        .replace("peers: [office-pbx, trunk]", "peers: [office-pbx, trunk, last]")
        .replace("to: [trunk] }", "to: [trunk, last] }")
}

#[test]
fn kamailio_says_503_on_one_address_and_only_100_on_another() {
    if !ready() || !kamailio::ready() {
        return;
    }
    let net = Net(60);
    let edge = Edge::start("kamailio-fails", net, &two_trunks(net));
    let (full, deaf) = (format!("{}:5090", net.trunk()), format!("{}:5090", net.spare()));
    let routes = format!(
        "request_route {{\n  if (is_method(\"OPTIONS\")) {{ sl_send_reply(\"200\", \"OK\"); exit; }}\n  \
         if (is_method(\"INVITE\") && $Ri == \"{}\") {{ sl_send_reply(\"503\", \"Service Unavailable\"); exit; }}\n  \
         if (is_method(\"INVITE\")) {{ sl_send_reply(\"100\", \"Trying\"); exit; }}\n  \
         if (is_method(\"CANCEL\")) {{ sl_send_reply(\"200\", \"OK\"); exit; }}\n  exit;\n}}\n",
        net.trunk()
    );
    let _kamailio = Kamailio::start(edge.folder(), &[full.clone(), deaf.clone()], &routes);
    let mut callee = Run::callee("uas_basic", &net.last(), 5090).calls(1).start(edge.folder(), "callee");
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1);
    caller.with(&["-timeout", "20"]).start(edge.folder(), "caller").succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    let record = &edge.records(1)[0];
    let legs: Vec<(String, Option<u64>)> = record["legs"]
        .as_array()
        .expect("a record has legs")
        .iter()
        .map(|leg| (leg["remote"].as_str().unwrap_or_default().to_owned(), leg["status"].as_u64()))
        .collect();
    assert_eq!(
        legs[1..],
        [(full, Some(503)), (deaf, None), (format!("{}:5090", net.last()), Some(200))],
        "{record:#}"
    );
    edge.alert(32016);
    edge.settle(PATIENCE);
}

/// Registers a phone at the trunk, as itself.
fn register(net: Net, phone: &str) {
    let socket = UdpSocket::bind((phone, 5090)).expect("a test's own address is free");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    let trunk = net.trunk();
    let text = format!(
        "REGISTER sip:{trunk}:5090 SIP/2.0\r\nVia: SIP/2.0/UDP {phone}:5090;branch=z9hG4bKr{phone};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{NUMBER}@{trunk}>;tag=1\r\nTo: <sip:{NUMBER}@{trunk}>\r\nCall-ID: {phone}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:phone@{phone}:5090>\r\nExpires: 300\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), (trunk.as_str(), 5090)).expect("a datagram can be sent on loopback");
    let mut room = [0; 4096];
    let length = socket.recv(&mut room).expect("the registrar answers");
    assert!(room[..length].starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(&room[..length]));
}

#[test]
fn kamailio_forks_to_two_phones_and_one_answers() {
    if !ready() || !kamailio::ready() {
        return;
    }
    let net = Net(61);
    let edge = Edge::start("kamailio-forks", net, &policy(Over::Udp));
    let routes = "request_route {\n  if (is_method(\"OPTIONS\")) { sl_send_reply(\"200\", \"OK\"); exit; }\n  \
                  if (is_method(\"REGISTER\")) { save(\"location\"); exit; }\n  \
                  if (is_method(\"CANCEL\")) { if (t_check_trans()) { t_relay(); } exit; }\n  \
                  if (has_totag()) { if (loose_route()) { t_relay(); } else { t_check_trans(); } exit; }\n  \
                  record_route();\n  \
                  if (!lookup(\"location\")) { sl_send_reply(\"404\", \"Not Found\"); exit; }\n  t_relay();\n}\n";
    let _kamailio = Kamailio::start(edge.folder(), &[format!("{}:5090", net.trunk())], routes);
    for phone in [net.spare(), net.last()] {
        register(net, &phone);
    }
    let start = |scenario, phone: &str, name| {
        Run::callee(scenario, phone, 5090).calls(1).with(&["-timeout", "15"]).start(edge.folder(), name)
    };
    let mut answers = start("uas_slow", &net.spare(), "answers");
    let mut rings = start("uas_cancelled", &net.last(), "rings");
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1);
    let mut caller = caller.with(&["-d", "300", "-timeout", "15"]).start(edge.folder(), "caller");
    caller.succeeds(PATIENCE);
    answers.succeeds(PATIENCE);
    rings.succeeds(PATIENCE);
    super::hides(&caller, &[&net.trunk(), &net.spare(), &net.last(), "carrier"]);
    assert_eq!(edge.records(1)[0]["status"], 200);
    edge.settle(PATIENCE);
}

#[test]
fn a_datagram_of_any_size_crosses_whole() {
    if !ready() {
        return;
    }
    let net = Net(62);
    let edge = Edge::start("large", net, &policy(Over::Udp));
    let pbx = UdpSocket::bind((net.pbx().as_str(), 5080)).expect("a test's own address is free");
    let trunk = UdpSocket::bind((net.trunk().as_str(), 5090)).expect("a test's own address is free");
    trunk.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    let head = request("INVITE", net, &net.pbx(), "Content-Type: application/sdp\r\n");
    for body in [1_000, 1_500, 9_000, 60_000, 64_500] {
        let body: String =
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n".to_owned() + &"a=fill:0123456789\r\n".repeat(body / 19);
        let text = head
            .replace("Content-Length: 0\r\n\r\n", &format!("Content-Length: {}\r\n\r\n{body}", body.len()))
            .replace("by-hand-INVITE", &format!("large-{}", body.len()))
            .replace("z9hG4bKINVITE", &format!("z9hG4bKlarge{}", body.len()));
        pbx.send_to(text.as_bytes(), net.inside()).expect("a datagram can be sent on loopback");
        let mut room = vec![0; 65_536];
        let length = trunk.recv(&mut room).expect("the INVITE crosses");
        let came = String::from_utf8_lossy(&room[..length]).into_owned();
        let crossed = came.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        assert!(
            came.starts_with("INVITE ") && crossed == body,
            "{} octets: {} came",
            body.len(),
            crossed.len()
        );
        let busy = came.replacen(came.lines().next().unwrap_or_default(), "SIP/2.0 486 Busy", 1);
        let (head, _) = busy.split_once("\r\n\r\n").expect("a message has a head");
        let head = head.replace(&format!("Content-Length: {}", body.len()), "Content-Length: 0");
        trunk.send_to(format!("{head}\r\n\r\n").as_bytes(), net.outside()).expect("an answer can be sent");
        drop(trunk.recv(&mut room));
    }
    assert_eq!(edge.records(5).iter().filter(|record| record["status"] == 486).count(), 5);
    let _ = answer;
}

#[test]
fn one_side_speaks_ipv6_and_the_other_ipv4() {
    if !ready() || UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    for (over, way, net, port) in [(Over::Udp, "udp", Net(63), 15_160), (Over::Tcp, "tcp", Net(64), 15_260)] {
        let policy = policy(over)
            .replace("\"EDGE:5060\"", &format!("\"[::1]:{port}\""))
            .replace("\"PBX\"", "\"::1\"")
            .replace("\"PBX:5080\"", &format!("\"[::1]:{}\"", port + 1));
        let edge = Edge::start(&format!("families-{way}"), net, &policy);
        let mut callee =
            Run::callee("uas_basic", &net.trunk(), 5090).over(over).calls(1).start(edge.folder(), "callee");
        let inside = format!("[::1]:{port}");
        let caller = Run::caller("uac_basic", "::1", port + 1, &inside, NUMBER).over(over).calls(1);
        let mut caller = caller.with(&["-d", "200", "-timeout", "15"]).start(edge.folder(), "caller");
        caller.succeeds(PATIENCE);
        callee.succeeds(PATIENCE);
        super::hides(&callee, &["::1"]);
        super::hides(&caller, &[&net.trunk(), "127.77."]);
        let mut pbx = Run::callee("uas_hangs_up", "::1", port + 1).over(over).calls(1).with(&["-d", "200"]);
        pbx = pbx.with(&["-timeout", "15"]);
        let mut pbx = pbx.start(edge.folder(), "pbx");
        let trunk =
            Run::caller("uac_waits", &net.trunk(), 5090, &net.outside(), "+12125550100").over(over).calls(1);
        trunk.with(&["-timeout", "15"]).start(edge.folder(), "trunk").succeeds(PATIENCE);
        pbx.succeeds(PATIENCE);
        assert_eq!(edge.records(2).iter().filter(|record| record["status"] == 200).count(), 2, "{way}");
        edge.settle(PATIENCE);
    }
}

#[test]
fn a_trunk_that_refuses_tcp_is_reached_by_udp() {
    if !ready() {
        return;
    }
    let net = Net(65);
    let policy = policy(Over::Udp).replacen("transports: [udp]\n    plain_signalling: allow\n    plain_media: allow\n    allow: [info]\n    #trunk", "transports: [tcp, udp]\n    plain_signalling: allow\n    plain_media: allow\n    allow: [info]\n    #trunk", 1);
    assert!(policy.contains("[tcp, udp]\n"), "the trunk has both");
    let edge = Edge::start("falls-back", net, &policy);
    let mut callee = Run::callee("uas_basic", &net.trunk(), 5090).calls(1).start(edge.folder(), "callee");
    let began = Instant::now();
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(1);
    caller.with(&["-d", "10", "-timeout", "15"]).start(edge.folder(), "caller").succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(3), "at once, not after a time-out");
    let record = &edge.records(1)[0];
    assert_eq!(
        (record["legs"][1]["transport"].as_str(), record["legs"][2]["transport"].as_str()),
        (Some("tcp"), Some("udp")),
        "{record:#}"
    );
    edge.alert(32011);
    edge.settle(PATIENCE);
}

#[test]
fn calls_leave_at_the_rate_that_the_trunk_takes() {
    if !ready() {
        return;
    }
    let net = Net(66);
    let edge = Edge::start("paced", net, &policy(Over::Udp).replace("#trunk", "cps: 4"));
    let _callee = Run::callee("uas_basic", &net.trunk(), 5090).start(edge.folder(), "callee");
    // Eleven within a second: one at once, eight within two seconds, and the rest are refused at once.
    let caller = Run::caller("uac_basic", &net.pbx(), 5080, &net.inside(), NUMBER).calls(11);
    let caller = caller.with(&["-r", "100", "-d", "100", "-timeout", "15"]);
    let mut caller = caller.start(edge.folder(), "caller");
    assert_ne!(caller.ended(PATIENCE), 0, "some calls are refused");
    let statistics = caller.statistics();
    assert_eq!((statistics.successful, statistics.failed), (9, 2), "{statistics:?}");
    edge.alert(32001);
    wait_for("both counts", PATIENCE, || edge.number("/counts/paced") == 8);
    let records = edge.records(11);
    assert_eq!(records.iter().filter(|record| record["code"] == 32001 && record["status"] == 480).count(), 2);
    edge.settle(PATIENCE);
}
