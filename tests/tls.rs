//! TLS through the edge's own process: machines that the test speaks for, over real sockets.
//!
//! Owns what a peer at the end of a TLS connection must see, and what the edge tells of those it refuses. Every case has its
//! own net of loopback addresses.

#![allow(clippy::print_stderr, clippy::panic, reason = "a test says why it fails")]

#[path = "tls/files.rs"]
mod files;
#[path = "tls/junk.rs"]
mod junk;
#[path = "tls/names.rs"]
mod names;
mod rig;
#[path = "tls/roaming.rs"]
mod roaming;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rig::edge::Edge;
use rig::wire::{Lab, Wire, answer, call, header};
use rig::{Net, folder, wait_for};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};

const PATIENCE: Duration = Duration::from_secs(10);
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// A PBX over TLS that must prove itself, a trunk over TLS, and a second PBX beside it that the others must not disturb.
const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5061", certificate: { chain: "CERTS/server.pem", key: "CERTS/server.key" } }
  outside: { bind: "EDGE:5071", OUTSIDE }
peers:
  office-pbx:
    side: inside
    listener: inside
    sources: ["PBX"]
    targets: ["PBX:5061"]
    plain_media: allow
    tls: { ca: "CA", names: [pbx.example.com] }
  spare-pbx:
    side: inside
    listener: inside
    sources: ["SPARE"]
    plain_media: allow
    tls: { ca: "CERTS/ca.pem" }
  trunk:
    side: outside
    listener: outside
    sources: ["TRUNK"]
    targets: ["TRUNK:5091"]
    plain_media: allow
    TRUNK_TLS
sites:
  office: { peers: [office-pbx, spare-pbx, trunk], dids: ["+12125550100"], channels: 100 }
caps: none
routes:
  - { name: out, direction: outbound, from: [office-pbx, spare-pbx], called: ["+*"], to: [trunk] }
  - { name: in, direction: inbound, from: [trunk], called: [did], to: [office-pbx] }
timers: { t1: 100ms, t2: 400ms, t4: 500ms }
streams: { handshake_timeout: 1s, first_message_timeout: 60s }
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: FOLDER/control.sock
"#;

const TLS_OUTSIDE: &str = "certificate: { chain: \"CERTS/server.pem\", key: \"CERTS/server.key\" }";

/// Both versions that are spoken.
fn both() -> [&'static rustls::SupportedProtocolVersion; 2] {
    [&TLS13, &TLS12]
}

struct Site {
    edge: Edge,
    net: Net,
    /// What the edge shows and whom it trusts; its client certificate is the PBX's.
    lab: Lab,
    certs: std::path::PathBuf,
}

impl Site {
    /// An edge whose trunk speaks TLS (`trunk_tls` is its `tls:`), or TCP in the clear where there is none.
    fn start(name: &str, net: Net, trunk_tls: Option<&str>) -> Self {
        let certs = folder(&format!("{name}-certs"));
        let lab = Lab::make(&certs.join("lab"), &[&net.edge(), &net.trunk(), "pbx.example.com"]);
        let site = |policy: &str| Edge::start(name, net, policy);
        let edge = site(&policy(&certs, trunk_tls));
        Self { edge, net, lab, certs }
    }

    fn pbx(&self, config: &Arc<ClientConfig>) -> std::io::Result<Wire> {
        Wire::connect(&self.net.pbx(), &format!("{}:5061", self.net.edge()), config)
    }

    fn good(&self) -> Arc<ClientConfig> {
        self.lab.client(Some(&self.lab), &[&TLS13, &TLS12])
    }

    /// A connection of the other PBX, up and asked once.
    fn bystander(&self) -> Wire {
        let to = format!("{}:5061", self.net.edge());
        let mut wire = Wire::connect(&self.net.spare(), &to, &self.good()).expect("the bystander gets in");
        ping(&mut wire, 1);
        wire
    }
}

fn policy(certs: &std::path::Path, trunk_tls: Option<&str>) -> String {
    let lab = certs.join("lab");
    let (outside, trunk) = match trunk_tls {
        Some(tls) => (TLS_OUTSIDE, tls),
        None => ("transports: [tcp]", "transports: [tcp]\n    plain_signalling: allow"),
    };
    POLICY
        .replace("OUTSIDE", outside)
        .replace("TRUNK_TLS", trunk)
        .replace("CERTS", &lab.display().to_string())
        .replace("\"CA\"", &format!("\"{}\"", lab.join("ca.pem").display()))
        .replace("LAB", &lab.display().to_string())
}

fn via(wire: &Wire, branch: &str) -> String {
    format!("Via: SIP/2.0/TLS {};branch=z9hG4bK{branch};rport\r\n", wire.local())
}

/// OPTIONS and its answer.
fn ping(wire: &mut Wire, cseq: u32) {
    let text = format!(
        "OPTIONS sip:edge.example.com SIP/2.0\r\n{}From: <sip:pbx@example.com>;tag=p{cseq}\r\nTo: <sip:edge.example.com>\r\n\
         Call-ID: ping{cseq}-{}\r\nCSeq: {cseq} OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        via(wire, &format!("ping{cseq}")),
        wire.local().port(),
    );
    wire.say(&text);
    wire.expect("SIP/2.0 200 ");
}

fn invite(wire: &Wire, uri: &str, call_id: &str) -> String {
    format!(
        "INVITE {uri} SIP/2.0\r\n{}From: <sip:+12125550199@example.com>;tag=a1\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:pbx@{};transport=tls>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        via(wire, call_id),
        wire.local(),
        SDP.len()
    )
}

/// The number, at the edge as this connection reaches it.
fn uri(wire: &Wire) -> String {
    format!("sip:+12125550142@{}", wire.remote())
}

fn within(wire: &Wire, method: &str, answered: &str, cseq: u32) -> String {
    let value = |name| header(answered, name).expect("the answer has it");
    let target = value("Contact").trim_start_matches('<').split('>').next().expect("a URI");
    format!(
        "{method} {target} SIP/2.0\r\n{}From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        via(wire, &format!("{method}{cseq}")),
        value("From"),
        value("To"),
        value("Call-ID"),
    )
}

/// A call from its INVITE to its BYE, both sides spoken for; the INVITE that reached the trunk.
fn talk(pbx: &mut Wire, trunk: &mut dyn FnMut() -> Box<dyn Line>) -> String {
    let text = invite(pbx, &uri(pbx), "talk");
    pbx.say(&text);
    let mut trunk = trunk();
    let incoming = trunk.message();
    assert!(incoming.starts_with("INVITE "), "{incoming}");
    let contact = "Contact: <sip:trunk@example.net>\r\nContent-Type: application/sdp\r\n";
    trunk.say(&answer(&incoming, "200 OK", "b1", contact, SDP));
    let answered = pbx.expect("SIP/2.0 200 ");
    pbx.say(&within(pbx, "ACK", &answered, 1));
    assert!(trunk.message().starts_with("ACK "));
    pbx.say(&within(pbx, "BYE", &answered, 2));
    let bye = trunk.message();
    assert!(bye.starts_with("BYE "), "{bye}");
    trunk.say(&answer(&bye, "200 OK", "", "", ""));
    pbx.expect("SIP/2.0 200 ");
    incoming
}

/// A trunk, over TLS or not.
trait Line {
    fn say(&mut self, text: &str);
    fn message(&mut self) -> String;
}

impl Line for Wire {
    fn say(&mut self, text: &str) {
        Wire::say(self, text);
    }
    fn message(&mut self) -> String {
        Wire::message(self).expect("the edge has not hung up")
    }
}

struct Plain(std::net::TcpStream, Vec<u8>);

impl Line for Plain {
    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("the edge takes it");
    }
    fn message(&mut self) -> String {
        loop {
            if let Some(message) = rig::wire::whole(&mut self.1) {
                return message;
            }
            let mut piece = [0; 4_096];
            let count = self.0.read(&mut piece).expect("a message comes");
            assert!(count > 0, "the edge hung up");
            self.1.extend_from_slice(&piece[..count]);
        }
    }
}

#[test]
fn a_call_crosses_from_a_tls_pbx_to_a_tls_trunk() {
    let net = Net(80);
    let site = Site::start("tls-to-tls", net, Some("tls: { ca: \"LAB/ca.pem\", client_certificate: none }"));
    let listener = TcpListener::bind(format!("{}:5091", net.trunk())).expect("the trunk's port is free");
    for (version, wanted) in [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)] {
        let mut pbx = site.pbx(&site.lab.client(Some(&site.lab), &[version])).expect("the PBX gets in");
        ping(&mut pbx, 1);
        assert_eq!(pbx.version(), Some(wanted));
    }
    let mut pbx = site.pbx(&site.good()).expect("the PBX gets in");
    let server = site.lab.server();
    let incoming =
        talk(&mut pbx, &mut || Box::new(Wire::accept(&listener, &server).expect("the edge calls")));
    assert!(
        incoming.starts_with(&format!("INVITE sip:+12125550142@{}:5091;transport=tls SIP/2.0", net.trunk()))
    );
    assert!(header(&incoming, "Via").is_some_and(|via| via.starts_with("SIP/2.0/TLS ")), "{incoming}");
    let contact = format!("<sip:{}:5071;transport=tls>", net.edge());
    assert_eq!(header(&incoming, "Contact"), Some(&*contact));
    let record = &site.edge.records(1)[0];
    assert!(record.to_string().contains("\"tls\""), "{record}");
}

#[test]
fn a_call_crosses_from_a_tls_pbx_to_a_plain_trunk_and_a_session_is_resumed() {
    let net = Net(81);
    let site = Site::start("tls-to-plain", net, None);
    let listener = TcpListener::bind(format!("{}:5091", net.trunk())).expect("the trunk's port is free");
    let config = site.good();
    ping(&mut site.pbx(&config).expect("the PBX gets in"), 1);
    let mut pbx = site.pbx(&config).expect("the PBX gets in again");
    let incoming = talk(&mut pbx, &mut || {
        let socket = rig::wire::accept(&listener).expect("the edge calls");
        Box::new(Plain(socket, Vec::new()))
    });
    assert!(header(&incoming, "Via").is_some_and(|via| via.starts_with("SIP/2.0/TCP ")), "{incoming}");
    assert_eq!((site.edge.number("/tls/handshakes"), site.edge.number("/tls/resumed")), (2, 1));
}

/// The far side hangs up, perhaps after an alert of its own.
fn hung_up(socket: &mut std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _reset_or_end = socket.read_to_end(&mut all);
    all
}

#[test]
fn f5_who_may_not_is_refused_by_cause_and_nobody_else_is_disturbed() {
    let net = Net(82);
    let site = Site::start("tls-refused", net, None);
    let mut bystander = site.bystander();
    let to = format!("{}:5061", net.edge());
    let alert = |code: u64, words: &str| {
        let found = site.edge.alert(code);
        assert_eq!(found["peer"], "office-pbx", "{found}");
        assert!(found.to_string().contains(words), "{found}");
    };
    // TLS 1.1, with a suite of its time.
    let mut hello = vec![22, 3, 1, 0, 49, 1, 0, 0, 45, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0x00, 0x2f, 0x00, 0x0a, 1, 0, 0, 0]);
    hello.truncate(5 + 49);
    let mut old = call(&net.pbx(), &to);
    old.write_all(&hello).expect("the edge takes it");
    assert_eq!(hung_up(&mut old).first(), Some(&21), "it hears an alert");
    alert(32222, "TLS 1.2 or 1.3");
    // SIP in the clear.
    let mut plain = call(&net.pbx(), &to);
    plain.write_all(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n").expect("the edge takes it");
    assert!(hung_up(&mut plain).is_empty(), "nothing is told in the clear");
    alert(32209, "in the clear");
    // No certificate; one of another authority; one of another name.
    let other = Lab::make(&site.certs.join("other"), &["pbx.example.com"]);
    let named = Lab::make(&site.certs.join("named"), &["x.example.com"]);
    fs::copy(site.lab.0.join("ca.pem"), named.0.join("ca.pem")).expect("files of ours");
    fs::copy(site.lab.0.join("ca.key"), named.0.join("ca.key")).expect("files of ours");
    named.replace(&["x.example.com"]);
    let words = ["showed no certificate", "nobody of its", "another name"];
    for ((own, words), already) in [None, Some(&other), Some(&named)].into_iter().zip(words).zip(0_u64..) {
        for version in [&TLS12, &TLS13] {
            let config = site.lab.client(own, &[version]);
            // In TLS 1.3 a client hears of it only behind its own handshake.
            assert!(site.pbx(&config).map_or(true, |mut wire| wire.message().is_none()), "{words}");
        }
        wait_for("the refusals", PATIENCE, || {
            site.edge.number("/tls/refused_certificate") == 2 * (already + 1)
        });
    }
    wait_for("three alerts", PATIENCE, || {
        let alerts = fs::read_to_string(site.edge.folder().join("alerts.jsonl")).unwrap_or_default();
        words.iter().all(|words| alerts.contains(words)) && alerts.contains("\"error_code\":32202")
    });
    // A handshake that stands still.
    let mut slow = call(&net.pbx(), &to);
    slow.write_all(&[22, 3, 1]).expect("the edge takes it");
    hung_up(&mut slow);
    wait_for("the cut", PATIENCE, || site.edge.number("/tls/cut_handshake") == 1);
    // Those who may are served as ever.
    ping(&mut bystander, 2);
    ping(&mut site.pbx(&site.good()).expect("the PBX gets in"), 3);
    assert_eq!(site.edge.number("/tls/refused_version"), 1);
    assert_eq!(site.edge.number("/tls/refused_plain"), 1);
}

#[test]
fn a_trunk_that_is_somebody_else_gets_no_byte_of_sip() {
    let net = Net(83);
    let tls = "tls: { ca: \"LAB/ca.pem\", client_certificate: none, names: [trunk.example.net] }";
    let site = Site::start("tls-wrong-trunk", net, Some(tls));
    let listener = TcpListener::bind(format!("{}:5091", net.trunk())).expect("the trunk's port is free");
    let server = site.lab.server();
    let trunk = std::thread::spawn(move || {
        let shaken = Wire::accept(&listener, &server);
        // In TLS 1.3 the server's side may be done before it hears the alert.
        shaken.map_or(None, |mut wire| wire.message())
    });
    let mut pbx = site.pbx(&site.good()).expect("the PBX gets in");
    let text = invite(&pbx, &uri(&pbx), "wrong");
    pbx.say(&text);
    pbx.expect("SIP/2.0 480 ");
    assert_eq!(trunk.join().expect("the trunk's thread"), None);
    let alert = site.edge.alert(32202);
    assert!(alert["peer"] == "trunk" && alert.to_string().contains("another name"), "{alert}");
}

#[test]
fn certificates_are_replaced_under_live_connections() {
    let net = Net(84);
    let site = Site::start("tls-replaced", net, None);
    let mut live = site.pbx(&site.good()).expect("the PBX gets in");
    ping(&mut live, 1);
    let before = live.shown();
    assert_eq!(before.as_ref(), site.lab.chain("server").first());
    site.lab.replace(&[&net.edge(), "pbx.example.com"]);
    site.edge.alert(39005);
    ping(&mut live, 2);
    let fresh = site.pbx(&site.good()).expect("the PBX gets in").shown();
    assert_eq!(fresh.as_ref(), site.lab.chain("server").first());
    assert_ne!(fresh, before);
    // A key that does not fit, for longer than a moment: the old pair stays.
    fs::copy(site.lab.0.join("client.key"), site.lab.0.join("server.key")).expect("files of ours");
    let alert = site.edge.alert(39001);
    assert!(alert.to_string().contains("does not belong"), "{alert}");
    ping(&mut live, 3);
    assert_eq!(site.pbx(&site.good()).expect("the PBX gets in").shown(), fresh);
    let certificates = site.edge.status()["certificates"].clone();
    assert!(certificates[0]["days_left"].as_i64().is_some_and(|days| days > 390), "{certificates}");
}

#[test]
fn a_policy_that_asks_for_more_closes_who_has_not_shown_it() {
    let net = Net(85);
    let site = Site::start("tls-asks-more", net, None);
    let (mut live, mut bystander) = (site.pbx(&site.good()).expect("the PBX gets in"), site.bystander());
    ping(&mut live, 1);
    site.edge.replace_policy(&policy(&site.certs, None).replace("pbx.example.com", "other.example.com"));
    site.edge.alert(39002);
    assert_eq!(live.message(), None, "its name is not good any more");
    assert!(site.pbx(&site.good()).map_or(true, |mut wire| wire.message().is_none()));
    ping(&mut bystander, 2);
}
