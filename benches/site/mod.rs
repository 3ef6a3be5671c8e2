//! A PBX, a trunk and the engine between them, in one thread and without sockets.
//!
//! Owns two endpoints that copy header lines and nothing more, so that most of what is counted is the edge's. Time is
//! virtual and goes on as it would at 1,000 calls a second, so that the tables are as full as they would be.

#![allow(dead_code, reason = "the benches and the test of allocations each use their part")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ringfence::call::Random;
use ringfence::clock::{Now, Tick, Wall};
use ringfence::config::{self, Source};
use ringfence::engine::{Engine, Input, Output};
use ringfence::policy::Names;
use ringfence::sip::{ConnectionId, Flow, ListenerId, Transport};

const POLICY: &str = r#"
listeners:
  inside: { bind: "192.0.2.1:5060", transports: [udp] }
  outside: { bind: "198.51.100.1:5060", transports: [udp] }
peers:
  pbx: { side: inside, listener: inside, sources: [192.0.2.10], targets: ["192.0.2.10:5060"], transports: [udp], plain_signalling: allow, plain_media: allow, concurrent_calls: 20000, requests_per_second: 100000, requests_burst: 100000 }
  trunk: { side: outside, listener: outside, sources: [203.0.113.10], targets: ["203.0.113.10:5060"], transports: [udp], plain_signalling: allow, plain_media: allow, concurrent_calls: 20000, requests_per_second: 100000, requests_burst: 100000 }
sites:
  office: { peers: [pbx, trunk], dids: ["+12125550100"], channels: 20000 }
caps: none
routes:
  - { name: out, direction: outbound, from: [pbx], called: ["+*"], to: [trunk] }
policy:
  outbound:
    - { blocklist: { prefixes: ["+1900", "+979", "+8819"] } }
"#;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 101\r\n\
                   a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// Between two messages of a load of 1,000 calls a second.
const STEP: Duration = Duration::from_micros(120);

/// The edge and what was last sent to each side.
pub struct Site {
    engine: Engine,
    now: Now,
    wake: Option<Tick>,
    calls: u64,
    /// The last message sent to each side.
    to_pbx: Bytes,
    to_trunk: Bytes,
    /// The answer of the last call.
    answer: Bytes,
}

/// A datagram's way in: from which side, from where.
pub fn flow(inside: bool, remote: &str) -> Flow {
    let remote: SocketAddr = remote.parse().expect("an address");
    Flow {
        listener: ListenerId(u16::from(!inside)),
        transport: Transport::Udp,
        remote,
        connection: ConnectionId::NONE,
    }
}

impl Site {
    /// An edge with a small policy.
    pub fn new() -> Self {
        Self::under(POLICY)
    }

    /// The same with media anchored.
    pub fn anchored() -> Self {
        let media = "media: { inside: { address: 192.0.2.1, ports: 10000-39999 }, outside: { address: 198.51.100.1, ports: 10000-39999 } }";
        let peers = POLICY.replace("plain_media: allow", "media: { srtp: plain, networks: [192.0.2.0/24] }");
        Self::under(&format!("{media}{peers}"))
    }

    fn under(policy: &str) -> Self {
        let mut names = Names::default();
        let config =
            config::load(&Source::of_text("bench", policy), &mut names, 1).expect("the policy loads");
        let now = Now { tick: Tick::from_micros(1), wall: Wall::from_micros(1_790_000_000_000_000) };
        let engine = Engine::new(now, config.engine, config.policy, Random::new([7; 32]));
        Self {
            engine,
            now,
            wake: None,
            calls: 0,
            to_pbx: Bytes::new(),
            to_trunk: Bytes::new(),
            answer: Bytes::new(),
        }
    }

    fn drain(&mut self) {
        loop {
            match self.engine.poll_output() {
                Output::Send { hop, bytes } if hop.listener == ListenerId(0) => self.to_pbx = bytes,
                Output::Send { bytes, .. } => self.to_trunk = bytes,
                Output::Wait { until, .. } => {
                    self.wake = until;
                    return;
                }
                Output::Close { .. }
                | Output::Proven { .. }
                | Output::Record(_)
                | Output::Alert(_)
                | Output::Reply { .. }
                | Output::Media(_)
                | Output::Keep(_)
                | Output::Drained { .. } => {}
            }
        }
    }

    /// One datagram, a step of time later.
    pub fn frame(&mut self, flow: Flow, bytes: &[u8]) {
        self.now.tick = self.now.tick.after(STEP);
        if self.wake.is_some_and(|wake| wake <= self.now.tick) {
            self.engine.handle(self.now, Input::Wake);
            self.drain();
        }
        self.engine.handle(self.now, Input::Frame { flow, frame: bytes.into() });
        self.drain();
    }

    /// A new INVITE from the PBX.
    pub fn invite(&mut self, number: &str) -> String {
        self.calls += 1;
        let id = self.calls;
        format!(
            "INVITE sip:{number}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+12125550199@pbx.example>;tag=a{id}\r\nTo: <sip:{number}@192.0.2.1>\r\nCall-ID: {id}@pbx\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:ann@192.0.2.10:5060>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: bench\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            SDP.len()
        )
    }

    /// INVITE, 100, 180, 200, ACK, BYE, 200: through both legs.
    pub fn call(&mut self) {
        self.hold();
        self.say("BYE", 2);
        let asked = self.to_trunk.clone();
        assert!(asked.starts_with(b"BYE "), "the trunk is hung up on");
        let over = response(&asked, "200 OK", "");
        self.frame(flow(false, "203.0.113.10:5060"), over.as_bytes());
        assert!(self.to_pbx.starts_with(b"SIP/2.0 200"), "the BYE is answered");
    }

    /// INVITE, 100, 180, 200, ACK: a call that is up.
    pub fn hold(&mut self) {
        let (pbx, trunk) = (flow(true, "192.0.2.10:5060"), flow(false, "203.0.113.10:5060"));
        let invite = self.invite("+12125550142");
        self.frame(pbx, invite.as_bytes());
        let asked = self.to_trunk.clone();
        assert!(asked.starts_with(b"INVITE "), "the trunk is called");
        let ringing = response(&asked, "180 Ringing", "");
        self.frame(trunk, ringing.as_bytes());
        let answer = response(&asked, "200 OK", SDP);
        self.frame(trunk, answer.as_bytes());
        self.say("ACK", 1);
    }

    /// A request of the PBX within the last call.
    fn say(&mut self, method: &str, number: u32) {
        if method == "ACK" {
            self.answer = self.to_pbx.clone();
        }
        let to = line(&self.answer, "To: ");
        let target = line(&self.answer, "Contact: ").trim_matches(|mark| mark == '<' || mark == '>');
        let id = self.calls;
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{method}{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+12125550199@pbx.example>;tag=a{id}\r\nTo: {to}\r\nCall-ID: {id}@pbx\r\nCSeq: {number} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.frame(flow(true, "192.0.2.10:5060"), request.as_bytes());
    }

    /// Time passes, and nobody says anything.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now.tick.after(time);
        while let Some(wake) = self.wake.filter(|wake| *wake <= until) {
            self.now.tick = self.now.tick.max(wake);
            self.engine.handle(self.now, Input::Wake);
            self.drain();
        }
        self.now.tick = until;
    }

    /// An INVITE to a blocked number, its refusal and the ACK.
    pub fn blocked(&mut self) {
        let pbx = flow(true, "192.0.2.10:5060");
        let invite = self.invite("+19005550142");
        self.frame(pbx, invite.as_bytes());
        let heard = self.to_pbx.clone();
        assert!(heard.starts_with(b"SIP/2.0 403"), "the number is refused");
        let (to, id) = (line(&heard, "To: "), self.calls);
        let ack = format!(
            "ACK sip:+19005550142@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKa{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+12125550199@pbx.example>;tag=a{id}\r\nTo: {to}\r\nCall-ID: {id}@pbx\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
        );
        self.frame(pbx, ack.as_bytes());
    }
}

/// The value of a header line of ours.
fn line<'a>(message: &'a [u8], name: &str) -> &'a str {
    let text = std::str::from_utf8(message).expect("what the edge writes here is ASCII");
    let at = text.find(&format!("\r\n{name}")).expect("the header is there") + 2 + name.len();
    let rest = text.get(at..).unwrap_or_default();
    rest.split("\r\n").next().unwrap_or_default()
}

fn response(request: &[u8], status: &str, body: &str) -> String {
    let to = line(request, "To: ");
    let tag = if to.contains(";tag=") { "" } else { ";tag=b" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:bob@203.0.113.10:5060>\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        line(request, "Via: "),
        line(request, "From: "),
        line(request, "Call-ID: "),
        line(request, "CSeq: "),
        body.len(),
    )
}
