//! The process around the engine: sockets, limits, reload, ends, lines, met by hand over real sockets.
//!
//! Owns what an admin and a hostile far side see of the shell. Every case has its own net of loopback addresses and
//! needs nothing but the edge's own binary.

#![allow(clippy::print_stderr, clippy::panic, reason = "a test says why it fails")]

#[path = "shell/crash.rs"]
mod crash;
#[path = "shell/explain.rs"]
mod explain;
#[path = "shell/lists.rs"]
mod lists;
#[path = "shell/orders.rs"]
mod orders;
#[path = "shell/replay.rs"]
mod replay;
mod rig;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rig::edge::{Edge, binary};
use rig::{Net, wait_for};
use rustix::process::Signal;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);
const NUMBER: &str = "+12125550142";

const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5060", transports: [udp, tcp] }
  outside: { bind: "EDGE:5070", transports: [udp, tcp] }
peers:
  office-pbx:
    { side: inside, listener: inside, sources: ["PBX"], targets: ["PBX:5080"], transports: [udp],
      plain_signalling: allow, plain_media: allow }
  trunk:
    { side: outside, listener: outside, sources: ["TRUNK"], targets: ["TRUNK:5090"], transports: [udp],
      plain_signalling: allow, plain_media: allow }
sites:
  office: { peers: [office-pbx, trunk], dids: ["+12125550100"], channels: 100 }
caps: none
routes:
  - { name: out, direction: outbound, from: [office-pbx], called: ["+*"], to: [trunk] }
#policy
timers: { t1: 100ms, t2: 400ms, t4: 500ms }
streams: { head_timeout: 1s, body_timeout: 1s, first_message_timeout: 2s, connections_per_source: 4 }
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: "FOLDER/control.sock"
drain: 500ms
"#;

/// A connection from an address of the test's own.
fn connect(from: &str, to: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let from: SocketAddr = format!("{from}:0").parse().expect("an address");
    socket.bind(&from.into()).expect("a test's own address is free");
    let to: SocketAddr = to.parse().expect("an address");
    socket.connect(&to.into()).expect("the edge listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a time-out can be set");
    stream
}

fn udp(host: &str, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((host, port)).expect("a test's own address is free");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out can be set");
    socket
}

fn receive(socket: &UdpSocket) -> String {
    let mut room = [0; 65_536];
    let (length, _) = socket.recv_from(&mut room).expect("something comes");
    String::from_utf8_lossy(&room[..length]).into_owned()
}

/// The next message that begins so; others are passed over.
fn receive_until(socket: &UdpSocket, begins: &str) -> String {
    for _ in 0..20 {
        let message = receive(socket);
        if message.starts_with(begins) {
            return message;
        }
    }
    panic!("no {begins} came");
}

/// Everything until the far side closes, and how long that took.
fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the edge did not close the stream: {error}"),
    }
    (String::from_utf8_lossy(&all).into_owned(), began.elapsed())
}

fn request(method: &str, host: &str, transport: &str, call: &str, extra: &str) -> String {
    let edge = edge_of(host);
    format!(
        "{method} sip:{NUMBER}@{edge} SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:5080;branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12125550199@pbx.example>;tag=1\r\nTo: <sip:{NUMBER}@{edge}>\r\n\
         Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:ann@{host}:5080>\r\n{extra}Content-Length: 0\r\n\r\n"
    )
}

/// The edge's address in the net of `host`.
fn edge_of(host: &str) -> String {
    let (net, _) = host.rsplit_once('.').expect("an IPv4 address");
    format!("{net}.1")
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn response(request: &str, status: &str, extra: &str) -> String {
    let vias: String =
        request.lines().filter(|line| line.starts_with("Via: ")).map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 {status}\r\n{vias}From: {}\r\nTo: {};tag=callee\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}Content-Length: 0\r\n\r\n",
        header(request, "From"),
        header(request, "To").split(";tag").next().unwrap_or_default(),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    )
}

/// The line of commands, beside a running edge.
fn ringfence(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary under test starts")
}

fn command(edge: &Edge, name: &str) -> Output {
    let socket = edge.folder().join("control.sock");
    ringfence(&[name, "--socket", &socket.to_string_lossy()])
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A call that is up, by hand: the PBX's socket, the trunk's, and the edge's INVITE towards the trunk.
fn call_up(net: Net) -> (UdpSocket, UdpSocket, String) {
    let (pbx, trunk) = (udp(&net.pbx(), 5080), udp(&net.trunk(), 5090));
    let invite = request("INVITE", &net.pbx(), "UDP", "held-call", "");
    pbx.send_to(invite.as_bytes(), net.inside()).expect("loopback takes it");
    let outgoing = receive_until(&trunk, "INVITE ");
    let contact = format!("Contact: <sip:callee@{}:5090>\r\n", net.trunk());
    trunk
        .send_to(response(&outgoing, "200 OK", &contact).as_bytes(), net.outside())
        .expect("loopback takes it");
    let ok = receive_until(&pbx, "SIP/2.0 200");
    let ack = request("ACK", &net.pbx(), "UDP", "held-call", "")
        .replacen(
            &format!("sip:{NUMBER}@{} SIP", net.edge()),
            &format!("{} SIP", header(&ok, "Contact").trim_matches(['<', '>'])),
            1,
        )
        .replace("branch=z9hG4bKheld-call", "branch=z9hG4bKheld-call-ack")
        .replace(&format!("To: <sip:{NUMBER}@{}>", net.edge()), &format!("To: {}", header(&ok, "To")));
    pbx.send_to(ack.as_bytes(), net.inside()).expect("loopback takes it");
    receive_until(&trunk, "ACK ");
    (pbx, trunk, outgoing)
}

#[test]
fn f1_a_slow_stream_is_cut_and_others_are_served() {
    let net = Net(101);
    let edge = Edge::start("slowloris", net, POLICY);
    let mut silent = connect(&net.pbx(), &net.inside());
    let mut slow_head = connect(&net.pbx(), &net.inside());
    let mut slow_body = connect(&net.pbx(), &net.inside());
    slow_head.write_all(b"INVITE sip:x@y SIP/2.0\r\nVia: ").expect("the edge reads");
    let whole = request("OPTIONS", &net.pbx(), "TCP", "slow", "");
    slow_body.write_all(whole.replace("Length: 0", "Length: 9").as_bytes()).expect("the edge reads");
    std::thread::sleep(Duration::from_millis(600));
    slow_head.write_all(b"S").expect("not cut yet");
    slow_body.write_all(b"b").expect("not cut yet");
    // Meanwhile the fourth and last place of this source is served well.
    let mut quick = connect(&net.pbx(), &net.inside());
    quick.write_all(request("OPTIONS", &net.pbx(), "TCP", "quick", "").as_bytes()).expect("the edge reads");
    let mut answer = [0; 12];
    quick.read_exact(&mut answer).expect("an answer comes");
    assert_eq!(&answer, b"SIP/2.0 200 ");
    for (stream, least) in [(&mut slow_head, 100), (&mut slow_body, 0), (&mut silent, 300)] {
        let (heard, took) = rest(stream);
        assert!(heard.is_empty(), "{heard}");
        assert!(took >= Duration::from_millis(least) && took < Duration::from_secs(3), "{took:?}");
    }
    let count = |name: &str| edge.number(&format!("/streams/{name}"));
    assert_eq!((count("cut_head"), count("cut_body"), count("cut_first_message")), (1, 1, 1));
    assert_eq!(edge.number("/net/connections"), 1);
}

#[test]
fn f1_connections_of_one_source_are_capped_and_strangers_hold_none() {
    let net = Net(102);
    let edge = Edge::start("caps", net, POLICY);
    let mut held: Vec<TcpStream> = (0..4).map(|_| connect(&net.pbx(), &net.inside())).collect();
    let (heard, took) = rest(&mut connect(&net.pbx(), &net.inside()));
    assert!(heard.is_empty() && took < Duration::from_secs(1), "the fifth is closed at once");
    let (heard, took) = rest(&mut connect(&net.stranger(), &net.inside()));
    assert!(heard.is_empty() && took < Duration::from_secs(1), "a stranger is closed at once");
    // The trunk is listed on the other listener only.
    assert!(rest(&mut connect(&net.trunk(), &net.inside())).0.is_empty());
    assert_eq!(edge.number("/streams/refused_source"), 1);
    assert_eq!(edge.number("/streams/strangers"), 2);
    // A place that is given back can be taken again.
    held.pop();
    wait_for("a free place", PATIENCE, || edge.number("/net/connections") == 3);
    let mut again = connect(&net.pbx(), &net.inside());
    again.write_all(b"\r\n\r\n").expect("the edge reads");
    let mut pong = [0; 2];
    again.read_exact(&mut pong).expect("a keep-alive is answered");
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn f2_lies_about_length_close_the_stream_and_smuggle_nothing() {
    let net = Net(103);
    let edge = Edge::start("lies", net, POLICY);
    let smuggled = request("OPTIONS", &net.pbx(), "TCP", "smuggled", "");
    let table = [
        ("negative", "Content-Length: -1"),
        ("not a number", "Content-Length: ten"),
        ("hexadecimal", "Content-Length: 0x10"),
        ("signed", "Content-Length: +5"),
        ("2^32", "Content-Length: 4294967296"),
        ("twice", "Content-Length: 0\r\nContent-Length: 5"),
        ("missing", "X-No: length"),
    ];
    for (name, line) in table {
        let lie = request("OPTIONS", &net.pbx(), "TCP", "lie", "").replace("Content-Length: 0", line);
        let mut stream = connect(&net.pbx(), &net.inside());
        stream.write_all(format!("{lie}{smuggled}").as_bytes()).expect("the edge reads");
        let (heard, _) = rest(&mut stream);
        assert!(!heard.contains("smuggled"), "{name}: {heard}");
        assert!(
            heard.is_empty() || heard.starts_with("SIP/2.0 4") || heard.starts_with("SIP/2.0 5"),
            "{name}: {heard}"
        );
    }
    wait_for("closed streams", PATIENCE, || edge.number("/net/connections") == 0);
}

#[test]
fn f9_a_second_edge_fails_with_cause_and_cure_and_the_first_lives() {
    let net = Net(104);
    let edge = Edge::start("first", net, POLICY);
    let file = edge.folder().join("ringfence.yaml");
    let text = fs::read_to_string(&file).expect("the policy is there");
    // The same control socket.
    let second = ringfence(&["run", &file.to_string_lossy()]);
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("another process answers at the control socket"), "{}", said(&second));
    // Another control socket, the same address.
    let other = edge.folder().join("other.yaml");
    fs::write(&other, text.replace("control.sock", "other.sock")).expect("the folder is writable");
    let second = ringfence(&["run", &other.to_string_lossy()]);
    assert_eq!(second.status.code(), Some(1));
    let told = said(&second);
    assert!(
        told.contains("listener inside: cannot listen on udp") && told.contains("another process"),
        "{told}"
    );
    assert_eq!(edge.number("/generation"), 1, "the first goes on");
}

#[test]
fn f9_reload_takes_a_good_policy_and_keeps_the_old_one_from_a_bad_one() {
    let net = Net(105);
    let edge = Edge::start("shell-reload", net, POLICY);
    let rule = "policy:\n  outbound:\n    - { blocklist: { prefixes: [\"+1212555\"] } }\n";
    let good = POLICY.replace("#policy\n", rule);
    // An atomic rename is found without being told.
    edge.replace_policy(&good);
    wait_for("the second policy", PATIENCE, || edge.number("/generation") == 2);
    assert_eq!(edge.alert(39002)["evidence"]["generation"], "2");
    // Half a file, written in place, is nobody's policy; asked for, it is refused.
    let file = edge.folder().join("ringfence.yaml");
    let whole = fs::read_to_string(&file).expect("the policy is there");
    fs::write(&file, &whole.as_bytes()[..whole.len() / 2]).expect("the folder is writable");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(edge.number("/generation"), 2, "writing is not asking");
    assert_eq!(edge.status()["policy"]["unread"], true, "the status says that nobody has read it");
    let refused = command(&edge, "reload");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("the policy in force stays"), "{}", said(&refused));
    assert_eq!(edge.alert(39001)["log_level"], "error");
    assert_eq!(edge.number("/generation"), 2);
    assert_eq!(edge.status()["policy"]["refused"]["count"], 1, "the status says so as long as it is so");
    let page = said(&command(&edge, "status"));
    assert!(page.contains("the file was REFUSED at"), "{page}");
    // What got weaker is said.
    fs::write(&file, whole.replace("+1212555", "+1212556")).expect("the folder is writable");
    let taken = command(&edge, "reload");
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
    assert!(
        said(&taken).contains("policy 3 is in force") && said(&taken).contains("weaker"),
        "{}",
        said(&taken)
    );
    let standing = &edge.status()["policy"];
    assert!(standing["refused"].is_null() && standing["unread"] == false, "{standing}");
    // Sockets are not moved by a reload.
    fs::write(&file, whole.replace(":5060\"", ":5062\"")).expect("the folder is writable");
    let moved = command(&edge, "reload");
    assert_eq!(moved.status.code(), Some(1));
    assert!(said(&moved).contains("restart"), "{}", said(&moved));
    assert_eq!(edge.number("/generation"), 3);
}

#[test]
fn f9_a_full_disk_stops_no_call_and_is_told() {
    let net = Net(106);
    let policy = POLICY.replace("FOLDER/records.jsonl", "/dev/full");
    let edge = Edge::start("full-disk", net, &policy);
    let pbx = udp(&net.pbx(), 5080);
    let blocked =
        request("INVITE", &net.pbx(), "UDP", "no-route", "").replace("sip:+12125550142@", "sip:nobody@");
    pbx.send_to(blocked.as_bytes(), net.inside()).expect("loopback takes it");
    receive_until(&pbx, "SIP/2.0 4");
    assert_eq!(edge.alert(39702)["evidence"]["sink"], "/dev/full");
    pbx.send_to(request("OPTIONS", &net.pbx(), "UDP", "alive", "").as_bytes(), net.inside())
        .expect("loopback takes it");
    receive_until(&pbx, "SIP/2.0 200");
}

#[test]
fn f10_nothing_an_outsider_sends_forges_a_line() {
    let net = Net(107);
    let mut edge = Edge::start("forged", net, POLICY);
    let forged = "{\"sid\":\"NO0\",\"error_code\":1,\"disposition\":\"answered\"}";
    let hostile = [
        format!("\"\u{1b}[2J\u{1b}[31m{}\u{9b}1m\" <sip:+1@x>", forged.replace('"', "\\\"")),
        format!("<sip:%0d%0a{}@x>", forged.replace('"', "%22").replace(['{', '}'], "%7b")),
        "<sip:a%00b%1b%5b31m@x>".to_owned(),
        "\"\u{202e}\u{2028}\" <sip:+1@x>".to_owned(),
    ];
    let (pbx, stranger) = (udp(&net.pbx(), 5080), udp(&net.stranger(), 5080));
    for (n, from) in hostile.iter().enumerate() {
        let text = request(
            "INVITE",
            &net.pbx(),
            "UDP",
            &format!("hostile-{n}"),
            &format!("User-Agent: {forged}\r\n"),
        )
        .replace("<sip:+12125550199@pbx.example>", from)
        .replace(
            &format!("sip:{NUMBER}@{} SIP", net.edge()),
            &format!("sip:%0a%22%7b%1b@{} SIP", net.edge()),
        );
        pbx.send_to(text.as_bytes(), net.inside()).expect("loopback takes it");
        stranger.send_to(text.as_bytes(), net.inside()).expect("loopback takes it");
    }
    pbx.send_to(format!("INVITE {forged}\r\n{forged}\r\n\r\n").as_bytes(), net.inside())
        .expect("loopback takes it");
    edge.alert(32201);
    edge.signal(Signal::TERM);
    edge.ended(PATIENCE);
    for file in ["alerts.jsonl", "records.jsonl", "stderr"] {
        let text = fs::read_to_string(edge.folder().join(file)).unwrap_or_default();
        assert!(file == "records.jsonl" || !text.is_empty(), "{file} has lines");
        for line in text.lines() {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|why| panic!("{file}: {why}: {line:?}"));
            assert_ne!(value["error_code"], 1, "{file}: {line}");
            assert_ne!(value["disposition"], "answered", "{file}: {line}");
            assert!(
                !line.chars().any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)),
                "{file}: {line:?}"
            );
        }
    }
}

#[test]
fn a_stop_that_cuts_calls_says_so_and_ends_them_on_both_legs() {
    let net = Net(108);
    let mut edge = Edge::start("cut", net, POLICY);
    let (pbx, trunk, _) = call_up(net);
    assert_eq!(edge.number("/gauges/calls"), 1);
    let stopping = command(&edge, "stop");
    assert_eq!(stopping.status.code(), Some(0), "{}", said(&stopping));
    let byes = [receive_until(&trunk, "BYE "), receive_until(&pbx, "BYE ")];
    assert!(byes.iter().all(|bye| bye.contains("\r\nReason: ")), "{byes:?}");
    trunk.send_to(response(&byes[0], "200 OK", "").as_bytes(), net.outside()).expect("loopback takes it");
    pbx.send_to(response(&byes[1], "200 OK", "").as_bytes(), net.inside()).expect("loopback takes it");
    assert_eq!(edge.ended(PATIENCE).code(), Some(3), "{}", edge.said());
    let records = edge.records(1);
    assert_eq!(
        (records[0]["ended_by"].as_str(), records[0]["disposition"].as_str()),
        (Some("edge"), Some("answered"))
    );
    assert!(!edge.folder().join("control.sock").exists(), "the control socket goes with the edge");
}

#[test]
fn a_second_signal_stops_at_once() {
    let net = Net(109);
    let mut edge = Edge::start("second-signal", net, &POLICY.replace("drain: 500ms", "drain: 1h"));
    let (_pbx, trunk, _) = call_up(net);
    edge.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(edge.number("/gauges/calls"), 1, "the call may go on");
    let began = Instant::now();
    edge.signal(Signal::INT);
    receive_until(&trunk, "BYE ");
    assert_eq!(edge.ended(PATIENCE).code(), Some(3), "{}", edge.said());
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn the_command_line_tells_by_its_exit_code() {
    let folder = rig::folder("command-line");
    let socket = folder.join("nobody.sock");
    let nobody = ringfence(&["status", "--socket", &socket.to_string_lossy()]);
    assert_eq!(nobody.status.code(), Some(4));
    assert!(said(&nobody).contains("no edge answers"), "{}", said(&nobody));
    let bad = folder.join("bad.yaml");
    fs::write(&bad, "listeners: { inside: { bind: \"0.0.0.0:5060\" } }\n").expect("the folder is writable");
    for command in ["check", "run"] {
        let refused = ringfence(&[command, &bad.to_string_lossy()]);
        assert_eq!(refused.status.code(), Some(1), "{command}");
        assert!(said(&refused).contains("bad.yaml:1:"), "{command}: {}", said(&refused));
    }
    assert_eq!(ringfence(&["check", "config/ringfence.yaml"]).status.code(), Some(0));
    let schema = ringfence(&["schema"]);
    assert!(serde_json::from_slice::<Value>(&schema.stdout).is_ok_and(|schema| schema.is_object()));
    assert_eq!(ringfence(&["frobnicate"]).status.code(), Some(2));
    let missing = ringfence(&["run", &folder.join("missing.yaml").to_string_lossy()]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("cannot be read"), "{}", said(&missing));
    assert!(said(&ringfence(&["--help"])).contains("Exit codes"));
}

#[test]
fn the_status_fits_a_terminal() {
    let net = Net(110);
    let edge = Edge::start("table", net, POLICY);
    let page = command(&edge, "status");
    let text = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(text.contains("office-pbx") && text.contains("trunk") && text.contains("heap"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_call_is_drawn_from_its_record() {
    let net = Net(116);
    let mut edge = Edge::start("ladder", net, POLICY);
    let (pbx, trunk, _) = call_up(net);
    // Asked twice it says so, and no call is cut for it.
    let said_first = said(&command(&edge, "stop"));
    let said_again = said(&command(&edge, "stop"));
    assert!(said_first.contains("stopping: no new calls"), "{said_first}");
    assert!(said_again.contains("stopping already"), "{said_again}");
    let byes = [receive_until(&trunk, "BYE "), receive_until(&pbx, "BYE ")];
    trunk.send_to(response(&byes[0], "200 OK", "").as_bytes(), net.outside()).expect("loopback takes it");
    pbx.send_to(response(&byes[1], "200 OK", "").as_bytes(), net.inside()).expect("loopback takes it");
    edge.ended(PATIENCE);
    let record = edge.records(1).remove(0);
    let policy = edge.folder().join("ringfence.yaml").to_string_lossy().into_owned();
    let id = record["id"].as_str().expect("a record has an id");
    let mut ladders = Vec::new();
    for name in [id, id.get(..6).unwrap_or_default(), "held-call"] {
        let drawn = ringfence(&["ladder", name, "--config", &policy]);
        assert_eq!(drawn.status.code(), Some(0), "{}", said(&drawn));
        let text = said(&drawn);
        let rows: Vec<&str> = text.lines().skip(1).map(|line| line.get(9..).unwrap_or_default()).collect();
        ladders.push(rows[..8].join("\n"));
        assert!(text.lines().take(9).all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("answered, 200 by edge") && text.contains("routes[0] (out): match"), "{text}");
    }
    insta::assert_snapshot!(ladders[0]);
    assert!(ladders.iter().all(|ladder| *ladder == ladders[0]), "{ladders:?}");
    let last = ringfence(&["ladder", "--json", "--config", &policy]);
    assert_eq!(serde_json::from_slice::<Value>(&last.stdout).expect("the record itself"), record);
    let missing = ringfence(&["ladder", "no-such-call", "--config", &policy]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("no record fits"), "{}", said(&missing));
}
