//! Media through the edge's own process: two peers on loopback, each of which hears the other and sees the edge alone.
//!
//! Owns what must be seen from outside: packets, addresses, ports, records and alerts. Every case has its own net.

#![allow(clippy::panic, clippy::print_stderr, reason = "a test says why it fails")]

#[path = "media/phones.rs"]
mod phones;
mod rig;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use phones::{Sip, crosses, packet, place, press, sdp, socket};
use rig::edge::Edge;
use rig::office::{self, SHORT_TIMERS};
use rig::wire::{Lab, Wire, header};
use rig::{Net, folder, wait_for};
use rustls::version::TLS13;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const PATIENCE: Duration = Duration::from_secs(45);
/// The relay's own thread carries out an order when the system lets it run. A phone that speaks in the same millisecond as it
/// hears 200 may lose that packet; here each one counts.
const ORDERED: Duration = Duration::from_millis(200);
const NUMBER: &str = "+12125550142";
const DID: &str = "+12125550100";
const MEDIA: &str = "media: { inside: { address: EDGE, ports: 20000-20099 }, outside: { address: EDGE, ports: 30000-30099 }, rest: 0ms }";

/// The office's policy with media anchored, and each change made.
fn policy(changes: &[(&str, &str)]) -> String {
    let more = format!("{SHORT_TIMERS}\n{MEDIA}");
    let policy = office::policy("udp", &[("#more", &more), ("plain_media: allow", "media: { srtp: plain }")]);
    changes.iter().fold(policy, |policy, (old, new)| {
        assert!(policy.contains(old), "{old:?} does not stand in the policy");
        policy.replace(old, new)
    })
}

/// An edge with a PBX and a trunk, each with a socket for SIP and one for RTP.
struct Office {
    edge: Edge,
    net: Net,
    pbx: Sip,
    trunk: Sip,
    ann: UdpSocket,
    bob: UdpSocket,
}

impl Office {
    fn start(name: &str, net: Net, policy: &str) -> Self {
        let edge = Edge::start(name, net, policy);
        let pbx = Sip::new(&net.pbx(), 5080, &net.inside());
        let trunk = Sip::new(&net.trunk(), 5090, &net.outside());
        let (ann, bob) = (socket(&net.pbx(), 0), socket(&net.trunk(), 0));
        Self { edge, net, pbx, trunk, ann, bob }
    }

    /// A call from the PBX that is answered: the trunk's INVITE and the PBX's 200.
    fn call(&self) -> (String, String) {
        self.pbx.invites(NUMBER, &sdp(&self.ann, "RTP/AVP", ""));
        let invite = self.trunk.hear("INVITE");
        self.trunk.answers(&invite, "200 OK", &sdp(&self.bob, "RTP/AVP", ""));
        let ok = self.pbx.hear("SIP/2.0 200");
        self.pbx.within(&ok, "ACK", 1);
        self.trunk.hear("ACK");
        std::thread::sleep(ORDERED);
        (invite, ok)
    }
}

/// Whether nobody holds a port of the edge.
fn is_free(place: std::net::SocketAddr) -> bool {
    UdpSocket::bind(place).is_ok()
}

#[test]
fn speech_crosses_both_ways_and_neither_side_sees_the_other() {
    let office = Office::start("media-rtp", Net(210), &policy(&[]));
    let (invite, ok) = office.call();
    let (to_bob, to_ann) = (place(&ok), place(&invite));
    assert!(
        to_bob.ip().to_string() == office.net.edge() && (20_000..20_100).contains(&to_bob.port()),
        "{ok}"
    );
    assert!(
        to_ann.ip().to_string() == office.net.edge() && (30_000..30_100).contains(&to_ann.port()),
        "{invite}"
    );
    assert!(!invite.contains(&office.net.pbx()), "{invite}");
    assert!(!ok.contains(&office.net.trunk()), "{ok}");
    assert_eq!(office.edge.number("/media/ports_out"), 4);
    assert_eq!((office.edge.number("/media/calls"), office.edge.number("/media/ports")), (1, 200));
    for sequence in 0..50 {
        let (said, replied) = (packet(0, sequence, 0xa), packet(0, sequence, 0xb));
        assert_eq!(crosses(&office.ann, to_bob, &said, &office.bob), (said, to_ann), "packet {sequence}");
        if sequence % 2 == 0 {
            assert_eq!(
                crosses(&office.bob, to_ann, &replied, &office.ann),
                (replied, to_bob),
                "packet {sequence}"
            );
        }
    }
    for ends in [false, true] {
        let pressed = press(50 + u16::from(ends), 0xa, ends);
        assert_eq!(crosses(&office.ann, to_bob, &pressed, &office.bob).0, pressed);
    }
    // A stranger's packet goes nowhere.
    let stranger = socket(&office.net.stranger(), 0);
    stranger.send_to(&packet(0, 90, 0xc), to_bob).expect("a datagram can be sent");
    office.pbx.within(&ok, "BYE", 2);
    let bye = office.trunk.hear("BYE");
    office.trunk.answers(&bye, "200 OK", "");
    office.pbx.hear("SIP/2.0 200");
    let record = &office.edge.records(1)[0];
    let media = record["media"].as_array().expect("what was counted");
    assert_eq!(media.len(), 2, "{record:#}");
    let counts =
        |leg: usize, key: &str| media[leg][key].as_u64().unwrap_or_else(|| panic!("{key}: {record:#}"));
    assert_eq!((counts(0, "leg"), counts(0, "packets"), counts(0, "dtmf")), (0, 52, 1), "{record:#}");
    assert_eq!((counts(1, "leg"), counts(1, "packets"), counts(1, "dtmf")), (1, 25, 0), "{record:#}");
    assert_eq!((counts(0, "foreign"), counts(1, "foreign"), counts(0, "lost")), (1, 0, 0), "{record:#}");
    assert!(media[0]["mos"].as_f64().is_some_and(|mos| mos > 4.0), "{record:#}");
    wait_for("ports that are closed", PATIENCE, || is_free(to_bob) && is_free(to_ann));
    assert_eq!(office.edge.number("/media/ports_out"), 0);
    let mut heard = [0; 64];
    office.bob.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out can be set");
    assert!(office.bob.recv_from(&mut heard).is_err(), "the stranger was heard");
    office.edge.settle(PATIENCE);
}

/// What SRTP of a line is protected by, of another make than the edge's own.
fn context(key: &[u8]) -> Context {
    let (key, salt) = key.split_at(16);
    Context::new(key, salt, ProtectionProfile::Aes128CmHmacSha1_80, None, None).expect("a context")
}

fn crypto(key: &[u8]) -> String {
    format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", Base64::encode_string(key))
}

/// The key of a description.
fn key_of(message: &str) -> Vec<u8> {
    let line = message.lines().find(|line| line.starts_with("a=crypto:")).expect("a key");
    let inline = line.split("inline:").nth(1).expect("an inline key");
    Base64::decode_vec(inline.split(['|', ' ']).next().unwrap_or_default()).expect("base64")
}

#[test]
fn a_trunk_under_srtp_and_a_pbx_in_the_clear_hear_each_other() {
    let net = Net(211);
    let certs = folder("media-srtp-certs");
    let lab = Lab::make(&certs, &[&net.edge(), "trunk.example.com"]);
    let tls = format!("tls: {{ ca: \"{}\" }}", certs.join("ca.pem").display());
    let shown = format!("chain: \"{0}/server.pem\", key: \"{0}/server.key\"", certs.display());
    let outside = format!("\"EDGE:5071\", certificate: {{ {shown} }} }}");
    let secure = format!("sources: [\"TRUNK\"]\n    {tls}\n    allow: [info]");
    let policy = policy(&[
        ("\"EDGE:5070\", transports: [udp, tcp] }", &outside),
        (
            "sources: [\"TRUNK\"]\n    targets: [\"TRUNK:5090\"]\n    transports: [udp]\n    plain_signalling: allow\n    media: { srtp: plain }\n    allow: [info]",
            &secure,
        ),
        ("  - { name: out, direction: outbound, from: [office-pbx], called: [\"+*\"], to: [trunk] }\n", ""),
    ]);
    let edge = Edge::start("media-srtp", net, &policy);
    let pbx = Sip::new(&net.pbx(), 5080, &net.inside());
    let (ann, bob) = (socket(&net.trunk(), 0), socket(&net.pbx(), 0));
    let to = format!("{}:5071", net.edge());
    let mut wire = Wire::connect(&net.trunk(), &to, &lab.client(Some(&lab), &[&TLS13])).expect("TLS");
    let own = wire.local();
    let key: Vec<u8> = (1..=30).collect();
    let head = |method: &str, target: &str, to: &str, cseq: u32| {
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/TLS {own};branch=z9hG4bK{method}{cseq};rport\r\n\
             From: <sip:+12125550199@trunk.example.com>;tag=one\r\nTo: {to}\r\nCall-ID: srtp@{own}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:trunk@{own};transport=tls>\r\nMax-Forwards: 70\r\n"
        )
    };
    let number = format!("sip:{DID}@{to}");
    let offer = |body: &str, cseq| {
        let head = head("INVITE", &number, &format!("<{number}>"), cseq);
        format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    // E1: in the clear it may not speak.
    wire.say(&offer(&sdp(&ann, "RTP/AVP", ""), 1));
    let refused = wire.expect("SIP/2.0 488");
    let tagged = header(&refused, "To").expect("To").to_owned();
    wire.say(&format!("{}Content-Length: 0\r\n\r\n", head("ACK", &number, &tagged, 1)));
    edge.alert(32208);
    wire.say(&offer(&sdp(&ann, "RTP/SAVP", &crypto(&key)), 2));
    let invite = pbx.hear("INVITE");
    assert!(invite.contains(" RTP/AVP ") && !invite.contains("crypto"), "{invite}");
    pbx.answers(&invite, "200 OK", &sdp(&bob, "RTP/AVP", ""));
    let ok = wire.expect("SIP/2.0 200");
    assert!(ok.contains(" RTP/SAVP ") && key_of(&ok) != key, "{ok}");
    let target =
        header(&ok, "Contact").and_then(|it| it.split(['<', '>']).nth(1)).expect("a Contact").to_owned();
    let tagged = header(&ok, "To").expect("To").to_owned();
    wire.say(&format!("{}Content-Length: 0\r\n\r\n", head("ACK", &target, &tagged, 2)));
    pbx.hear("ACK");
    std::thread::sleep(ORDERED);
    let (mut speaks, mut hears) = (context(&key), context(&key_of(&ok)));
    let (to_bob, to_ann) = (place(&ok), place(&invite));
    for sequence in 0..20 {
        let (said, replied) = (packet(0, sequence, 0xa), packet(0, sequence, 0xb));
        let sent = speaks.encrypt_rtp(&said).expect("it protects");
        assert_eq!(crosses(&ann, to_bob, &sent, &bob).0, said, "packet {sequence}");
        let (heard, source) = crosses(&bob, to_ann, &replied, &ann);
        assert_ne!(heard[12..172], replied[12..], "packet {sequence} is in the clear");
        assert_eq!((source, heard.len()), (to_bob, replied.len() + 10), "ten octets of tag");
        assert_eq!(hears.decrypt_rtp(&heard).expect("it opens"), replied, "packet {sequence}");
    }
    // One whose tag is wrong, and one again: neither arrives, and the next one does.
    let mut forged = speaks.encrypt_rtp(&packet(0, 20, 0xa)).expect("it protects").to_vec();
    let again = forged.clone();
    *forged.last_mut().expect("a tag") ^= 1;
    ann.send_to(&forged, to_bob).expect("a datagram can be sent");
    assert_eq!(crosses(&ann, to_bob, &again, &bob).0, packet(0, 20, 0xa));
    ann.send_to(&again, to_bob).expect("a datagram can be sent");
    let next = speaks.encrypt_rtp(&packet(0, 21, 0xa)).expect("it protects");
    assert_eq!(crosses(&ann, to_bob, &next, &bob).0, packet(0, 21, 0xa));
    wire.say(&format!("{}Content-Length: 0\r\n\r\n", head("BYE", &target, &tagged, 3)));
    let bye = pbx.hear("BYE");
    pbx.answers(&bye, "200 OK", "");
    wire.expect("SIP/2.0 200");
    let record = edge.records(2)[1].clone();
    let counts = |key: &str| record["media"][0][key].as_u64().unwrap_or_else(|| panic!("{key}: {record:#}"));
    assert_eq!((counts("packets"), counts("unauthenticated"), counts("replayed")), (22, 1, 1), "{record:#}");
    assert_eq!(record["media"][1]["packets"], 20, "{record:#}");
    wait_for("ports that are closed", PATIENCE, || is_free(to_bob) && is_free(to_ann));
    let said = format!("{}{record}", edge.said());
    for secret in [Base64::encode_string(&key), Base64::encode_string(&key_of(&ok))] {
        assert!(!said.contains(&secret), "a key was told");
    }
}

#[test]
fn a_port_that_somebody_else_has_ends_that_call_alone() {
    let net = Net(212);
    let (range, narrow) = ("ports: 30000-30099", "ports: 30000-30003");
    let taken = [socket(&net.edge(), 30_000), socket(&net.edge(), 30_002)];
    let office = Office::start("media-taken", net, &policy(&[(range, narrow)]));
    office.pbx.invites(NUMBER, &sdp(&office.ann, "RTP/AVP", ""));
    let refused = office.pbx.hear("SIP/2.0 5");
    assert!(refused.starts_with("SIP/2.0 500"), "{refused}");
    let alert = office.edge.alert(39803);
    assert!(alert["alert_text"].as_str().is_some_and(|text| text.contains("no socket on")), "{alert}");
    office.pbx.within(&format!("{refused}Contact: <sip:{}>\r\n", net.inside()), "ACK", 1);
    assert_eq!(office.edge.number("/media/ports_out"), 0);
    drop(taken);
    let record = &office.edge.records(1)[0];
    assert_eq!((record["status"].as_u64(), record["code"].as_u64()), (Some(500), Some(39803)), "{record:#}");
}

#[test]
fn one_way_speech_is_told_and_silence_ends_the_call() {
    let brief = ("media: { srtp: plain }", "media: { srtp: plain, silence: 5s }");
    let office = Office::start("media-silent", Net(213), &policy(&[brief]));
    let (_, ok) = office.call();
    let to_bob = place(&ok);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sequence in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                office.ann.send_to(&packet(0, sequence, 0xa), to_bob).expect("a datagram can be sent");
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        wait_for("alert 39505", PATIENCE, || !office.edge.alerts(39505).is_empty());
        over.store(true, Ordering::Relaxed);
    });
    assert!(office.edge.alerts(32014).is_empty(), "somebody is heard");
    let alert = office.edge.alert(39505);
    assert!(alert["alert_text"].as_str().is_some_and(|text| text.contains("the called side")), "{alert}");
    for (side, name) in [(&office.pbx, "the PBX"), (&office.trunk, "the trunk")] {
        let bye = side.hear("BYE");
        assert!(bye.contains("no media came"), "{name}: {bye}");
        side.answers(&bye, "200 OK", "");
    }
    office.edge.alert(32014);
    let record = &office.edge.records(1)[0];
    assert_eq!(
        (record["code"].as_u64(), record["ended_by"].as_str()),
        (Some(32014), Some("edge")),
        "{record:#}"
    );
}
