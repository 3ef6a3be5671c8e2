//! Peers that may come from anywhere, over TLS: known by a certificate alone, by a password alone, or by both; and what others
//! hear there. And keys of encrypted speech, which never leave in the clear.

use std::sync::Arc;

use ringfence::sip::digest::{Answer, Challenge, Ha1};
use rustls::ClientConfig;

use super::rig::edge::Edge;
use super::rig::wire::{Lab, Wire, answer, call, header};
use super::rig::{Net, folder, wait_for};
use super::{PATIENCE, SDP, both, invite, ping, uri};

const PASSWORD: &str = "a long way to Tipperary";
const KEYS: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// Roams over TLS on these terms; the trunk speaks UDP in the clear.
const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5061", certificate: { chain: "LAB/server.pem", key: "LAB/server.key" } }
  outside: { bind: "EDGE:5071", transports: [udp] }
peers:
  road:
    side: inside
    listener: inside
    sources: any
    plain_media: allow
    TERMS
  trunk:
    side: outside
    listener: outside
    sources: ["TRUNK"]
    targets: ["TRUNK:5091"]
    transports: [udp]
    plain_signalling: allow
    plain_media: allow
sites:
  office: { peers: [road, trunk], dids: ["+12125550100"], channels: 100 }
caps: none
routes:
  - { name: out, direction: outbound, from: [road], called: ["+*"], to: [trunk] }
timers: { t1: 100ms, t2: 400ms, t4: 500ms }
streams: { handshake_timeout: 1s, first_message_timeout: 60s }
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: FOLDER/control.sock
"#;

struct Road {
    edge: Edge,
    net: Net,
    lab: Lab,
    trunk: std::net::UdpSocket,
    certs: std::path::PathBuf,
}

impl Road {
    fn start(name: &str, net: Net, terms: &str) -> Self {
        Self::under(name, net, &POLICY.replace("TERMS", terms))
    }

    fn under(name: &str, net: Net, policy: &str) -> Self {
        let certs = folder(&format!("{name}-certs"));
        let lab = Lab::make(&certs.join("lab"), &[&net.edge(), "phone.example.com"]);
        let policy = policy.replace("LAB", &certs.join("lab").display().to_string());
        let edge = Edge::start(name, net, &policy);
        let trunk = std::net::UdpSocket::bind(format!("{}:5091", net.trunk())).expect("a test's own address");
        trunk.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        Self { edge, net, lab, trunk, certs }
    }

    /// A connection from an address that no peer lists.
    fn phone(&self, config: &Arc<ClientConfig>) -> std::io::Result<Wire> {
        Wire::connect(&self.net.stranger(), &format!("{}:5061", self.net.edge()), config)
    }

    fn shown(&self) -> Arc<ClientConfig> {
        self.lab.client(Some(&self.lab), &both())
    }

    fn bare(&self) -> Arc<ClientConfig> {
        self.lab.client(None, &both())
    }

    /// The call reaches the trunk, which is busy; the phone hears so.
    fn carried(&self, phone: &mut Wire) {
        let mut room = [0; 4_096];
        let (length, from) = self.trunk.recv_from(&mut room).expect("the call reaches the trunk");
        let incoming = String::from_utf8_lossy(&room[..length]).into_owned();
        assert!(incoming.starts_with("INVITE "), "{incoming}");
        let busy = answer(&incoming, "486 Busy Here", "b1", "", "");
        self.trunk.send_to(busy.as_bytes(), from).expect("a datagram can be sent on loopback");
        self.trunk.recv(&mut room).expect("the ACK comes");
        phone.expect("SIP/2.0 486 ");
    }

    /// Who gets in nowhere: TLS ends before a word of SIP is answered.
    fn refused(&self, config: &Arc<ClientConfig>) {
        let phone = self.phone(config);
        assert!(phone.map_or(true, |mut wire| wire.message().is_none()), "it heard something");
    }
}

/// The same INVITE again, behind the ACK of its refusal, with a proof of the password.
fn proven(wire: &Wire, call_id: &str, challenged: &str) -> String {
    let line = header(challenged, "WWW-Authenticate").expect("a challenge");
    let challenge = Challenge::read(line.as_bytes()).expect("it can be read").expect("it is Digest");
    let uri = uri(wire);
    let ha1 = Ha1::new(challenge.algorithm.hash, b"phone", &challenge.realm, PASSWORD.as_bytes());
    let with = Answer {
        user: "phone",
        ha1: &ha1,
        method: b"INVITE",
        uri: uri.as_bytes(),
        cnonce: b"c",
        count: 1,
        body: b"",
    };
    let value = challenge.answer(&with).expect("it can be answered");
    let proof = format!("CSeq: 2 INVITE\r\nAuthorization: {}\r\n", String::from_utf8_lossy(&value));
    let again = invite(wire, &uri, call_id).replace("CSeq: 1 INVITE\r\n", &proof);
    again.replace("branch=z9hG4bK", "branch=z9hG4bKagain")
}

const CERTIFICATE: &str = "tls: { ca: \"LAB/ca.pem\", names: [phone.example.com] }";

fn credentials(folder: &std::path::Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join("phone.secret");
    std::fs::write(&file, PASSWORD).expect("the folder is writable");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let password = format!("password: {{ file: \"{}\" }}", file.display());
    format!("realm: edge.example\n    credentials: [{{ user: phone, {password}, from: [\"+12125550199\"] }}]")
}

#[test]
fn who_roams_with_a_certificate_is_known_by_it_from_the_first_message_on() {
    let road = Road::start("road-certificate", Net(165), CERTIFICATE);
    let mut phone = road.phone(&road.shown()).expect("its certificate is good");
    ping(&mut phone, 1);
    assert_eq!((road.edge.number("/net/connections"), road.edge.number("/net/guests")), (1, 0));
    let text = invite(&phone, &uri(&phone), "by-certificate");
    phone.say(&text);
    road.carried(&mut phone);
    assert_eq!(road.edge.number("/counts/challenged"), 0);
    // None, one of another authority, one of another name: nobody.
    road.refused(&road.bare());
    let other = Lab::make(&road.certs.join("other"), &["phone.example.com"]);
    road.refused(&road.lab.client(Some(&other), &both()));
    let named = Lab::make(&road.certs.join("named"), &["x.example.com"]);
    for file in ["ca.pem", "ca.key"] {
        std::fs::copy(road.lab.0.join(file), named.0.join(file)).expect("files of ours");
    }
    named.replace(&["x.example.com"]);
    road.refused(&road.lab.client(Some(&named), &both()));
    wait_for("the refusals", PATIENCE, || road.edge.number("/tls/refused_certificate") == 3);
    // They are strangers, and told as such.
    assert_eq!(road.edge.number("/counts/stranger_frames"), 3);
    let alert = road.edge.alert(32201);
    assert!(alert["source"].as_str().is_some_and(|at| at.starts_with(&road.net.stranger())), "{alert:#}");
    assert!(alert["alert_text"].as_str().is_some_and(|text| text.contains("showed ")), "{alert:#}");
    // A session is resumed, and its machine known again.
    let shown = road.shown();
    for again in 0..2 {
        ping(&mut road.phone(&shown).expect("its certificate is good"), 10 + again);
    }
    assert_eq!(road.edge.number("/tls/resumed"), 1);
    ping(&mut phone, 2);
    assert_eq!(road.edge.records(1)[0]["status"], 486);
}

#[test]
fn f1_who_goes_on_failing_handshakes_is_banned_and_shaken_hands_with_no_more() {
    let road = Road::start("road-banned", Net(168), CERTIFICATE);
    let mut phone = Wire::connect(&road.net.spare(), &format!("{}:5061", road.net.edge()), &road.shown())
        .expect("its certificate is good");
    for _ in 0..25 {
        road.refused(&road.bare());
    }
    wait_for("the ban", PATIENCE, || road.edge.number("/counts/bans") == 1);
    let shaken = road.edge.number("/tls/refused_certificate");
    road.refused(&road.shown());
    assert_eq!(road.edge.number("/tls/refused_certificate"), shaken);
    assert_eq!(road.edge.number("/tls/handshakes"), 1, "only the phone's");
    ping(&mut phone, 1);
}

#[test]
fn who_roams_and_whose_open_session_breaks_is_no_stranger_that_fails_handshakes() {
    let road = Road::start("road-broken", Net(174), CERTIFICATE);
    let shown = road.shown();
    for broken in 1..=25 {
        let mut phone = road.phone(&shown).expect("its certificate is good");
        ping(&mut phone, broken);
        phone.garble();
        assert!(phone.message().is_none(), "its connection is closed");
        wait_for("the count", PATIENCE, || road.edge.number("/tls/broken") == u64::from(broken));
    }
    assert_eq!((road.edge.number("/counts/stranger_frames"), road.edge.number("/counts/bans")), (0, 0));
    ping(&mut road.phone(&shown).expect("it gets in as ever"), 1);
}

#[test]
fn who_roams_over_tls_is_known_by_a_password_alone() {
    let secret = folder("road-password-secret");
    let road = Road::start("road-password", Net(166), &credentials(&secret));
    let mut phone = road.phone(&road.bare()).expect("no certificate is asked for");
    let text = invite(&phone, &uri(&phone), "by-password");
    phone.say(&text);
    let challenged = phone.expect("SIP/2.0 401 ");
    let text = proven(&phone, "by-password", &challenged);
    phone.say(&text);
    road.carried(&mut phone);
    let record = &road.edge.records(1)[0];
    assert_eq!((&record["credential"], &record["status"]), (&"phone".into(), &486.into()), "{record:#}");
    // Another connection has proven nothing: it is asked, and nothing else of it is answered.
    let mut other = road.phone(&road.bare()).expect("no certificate is asked for");
    let text = invite(&other, &uri(&other), "options").replace("INVITE", "OPTIONS");
    other.say(&text);
    let text = invite(&other, &uri(&other), "other");
    other.say(&text);
    other.expect("SIP/2.0 401 ");
}

#[test]
fn who_must_show_both_is_asked_for_the_password_behind_the_certificate() {
    let secret = folder("road-both-secret");
    let terms = format!("{}\n    {CERTIFICATE}", credentials(&secret));
    let road = Road::start("road-both", Net(167), &terms);
    road.refused(&road.bare());
    let mut phone = road.phone(&road.shown()).expect("its certificate is good");
    let text = invite(&phone, &uri(&phone), "by-both");
    phone.say(&text);
    let challenged = phone.expect("SIP/2.0 401 ");
    let text = proven(&phone, "by-both", &challenged);
    phone.say(&text);
    road.carried(&mut phone);
    assert_eq!(road.edge.records(1)[0]["credential"], "phone");
}

/// A listed peer beside those who roam, and room for few connections.
const OFFICE: &str = r#"peers:
  office:
    side: inside
    listener: inside
    sources: ["PBX"]
    plain_media: allow
    tls: { ca: "LAB/ca.pem", client_certificate: none }"#;

#[test]
fn f1_guests_that_only_connect_shut_no_listed_peer_out() {
    let secret = folder("road-crowd-secret");
    let policy = POLICY.replace("TERMS", &credentials(&secret)).replacen("peers:", OFFICE, 1);
    let policy = policy
        .replace("peers: [road,", "peers: [road, office,")
        .replace("streams: { ", "streams: { STREAMS ");
    let road = Road::under("road-crowd", Net(175), &policy.replace("STREAMS", "connections: 20,"));
    let address = format!("{}:5061", road.net.edge());
    // From 20 addresses that no peer lists, two each, and not a word of TLS from any.
    let crowd: Vec<_> = (0..40).map(|n| call(&format!("127.77.175.{}", 20 + n / 2), &address)).collect();
    let mut pbx =
        Wire::connect(&road.net.pbx(), &address, &road.bare()).expect("a listed peer has its place");
    ping(&mut pbx, 1);
    let alert = road.edge.alert(39403);
    assert!(alert["alert_text"].as_str().is_some_and(|text| text.contains("`streams.guests`")), "{alert:#}");
    let (refused, evicted) = ("/streams/refused_guests", "/streams/evicted_guests");
    let turned = (road.edge.number(refused), road.edge.number(evicted));
    assert_eq!(turned, (19, 19), "a tenth of the table is theirs, and who holds least has the first claim");
    // Their handshakes are late, and whoever comes then is shaken hands with.
    wait_for("the end of the handshakes", PATIENCE, || road.edge.number("/net/guests") == 0);
    let mut phone = road.phone(&road.bare()).expect("there is room again");
    let text = invite(&phone, &uri(&phone), "by-password");
    phone.say(&text);
    let challenged = phone.expect("SIP/2.0 401 ");
    assert_eq!(road.edge.number("/net/guests"), 1);
    let text = proven(&phone, "by-password", &challenged);
    phone.say(&text);
    road.carried(&mut phone);
    assert_eq!(road.edge.number("/net/guests"), 0, "who has proven a password is a peer");
    drop(crowd);
}

/// E4: the phone offers keys over TLS, and the trunk is reached in the clear alone.
#[test]
fn e4_keys_that_came_over_tls_never_leave_in_the_clear() {
    let road = Road::start("road-keys", Net(169), CERTIFICATE);
    let mut phone = road.phone(&road.shown()).expect("its certificate is good");
    let keyed = format!("{}{KEYS}", SDP.replace("RTP/AVP", "RTP/SAVP"));
    let text = invite(&phone, &uri(&phone), "keys").replace(SDP, &keyed);
    let length = format!("Content-Length: {}\r\n", SDP.len());
    phone.say(&text.replace(&length, &format!("Content-Length: {}\r\n", keyed.len())));
    phone.expect("SIP/2.0 488 ");
    assert_eq!(road.edge.alert(32208)["peer"], "road");
    road.trunk.set_nonblocking(true).expect("a socket option");
    assert!(road.trunk.recv(&mut [0; 16]).is_err(), "something reached the trunk");
    assert_eq!(road.edge.records(1)[0]["status"], 488);
}

/// E4: between two legs over TLS they cross, in the offer and in the answer.
#[test]
fn e4_keys_cross_where_both_legs_run_over_tls() {
    let tls = "tls: { ca: \"LAB/ca.pem\", client_certificate: none }";
    let site = super::Site::start("tls-keys", Net(170), Some(tls));
    let listener =
        std::net::TcpListener::bind(format!("{}:5091", site.net.trunk())).expect("the trunk's port is free");
    let server = site.lab.server();
    let keyed = format!("{}{KEYS}", SDP.replace("RTP/AVP", "RTP/SAVP"));
    let answered = keyed.clone();
    let trunk = std::thread::spawn(move || {
        let mut trunk = Wire::accept(&listener, &server).expect("the edge calls");
        let incoming = trunk.message().expect("the call comes");
        let contact = "Contact: <sip:trunk@example.net>\r\nContent-Type: application/sdp\r\n";
        trunk.say(&answer(&incoming, "200 OK", "b1", contact, &answered));
        trunk.message().expect("the ACK comes");
        incoming
    });
    let mut pbx = site.pbx(&site.good()).expect("the PBX gets in");
    let text = invite(&pbx, &uri(&pbx), "keys-over-tls").replace(SDP, &keyed);
    let length = format!("Content-Length: {}\r\n", SDP.len());
    pbx.say(&text.replace(&length, &format!("Content-Length: {}\r\n", keyed.len())));
    let answered = pbx.expect("SIP/2.0 200 ");
    assert!(answered.ends_with(&keyed), "{answered}");
    pbx.say(&super::within(&pbx, "ACK", &answered, 1));
    let incoming = trunk.join().expect("the trunk was called");
    assert!(incoming.ends_with(&keyed), "{incoming}");
}

/// F1: whoever has proven nothing has us hold 16 KiB of a message and no more; a peer's may be longer.
#[test]
fn f1_a_guests_message_is_bounded_and_that_of_one_that_has_proven_itself_is_not() {
    let secret = folder("road-long-secret");
    let road = Road::start("road-long", Net(176), &credentials(&secret));
    let lines = "a=x:abcdefghijklmnopqrstuvwxyz\r\n".repeat(600);
    let long = |text: String| {
        let body = format!("{SDP}{lines}");
        let length = format!("Content-Length: {}\r\n", SDP.len());
        assert!(text.contains(&length), "{text}");
        text.replace(&length, &format!("Content-Length: {}\r\n", body.len())).replace(SDP, &body)
    };
    let mut phone = road.phone(&road.bare()).expect("anybody may try");
    let text = long(invite(&phone, &uri(&phone), "too-long"));
    // Its head alone says so.
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    phone.say(&format!("{head}\r\n\r\n"));
    assert_eq!(phone.message(), None, "closed, and no word");
    wait_for("its end", PATIENCE, || road.edge.number("/net/connections") == 0);
    let alert = road.edge.alert(39102);
    assert!(
        alert["alert_text"].as_str().is_some_and(|text| text.contains("guest_message_bytes")),
        "{alert:#}"
    );
    let mut phone = road.phone(&road.bare()).expect("it is not banned");
    let text = invite(&phone, &uri(&phone), "short");
    phone.say(&text);
    let challenged = phone.expect("SIP/2.0 401 ");
    // The proof and a long message behind it, in one breath.
    let proof = proven(&phone, "short", &challenged);
    let text = long(invite(&phone, &uri(&phone), "long"));
    phone.say(&format!("{proof}{text}"));
    let answered = phone.expect("SIP/2.0 401 ");
    assert!(answered.contains("long"), "{answered}");
}
