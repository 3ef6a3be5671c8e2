//! A PBX and a trunk of one call: what they say in SIP, and the socket that they speak from.
//!
//! Owns one call of each. Everything that comes in the wrong order, or not at all, fails the test.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::rig::wire::{answer, header};

const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of 20 ms of G.711.
const PAYLOAD: usize = 160;

/// A socket of a peer.
pub fn socket(address: &str, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).expect("a test's own address is free");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    socket
}

/// A description of one stream of G.711 and key presses.
pub fn sdp(rtp: &UdpSocket, profile: &str, more: &str) -> String {
    let place = rtp.local_addr().expect("a bound socket");
    let (ip, port) = (place.ip(), place.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} {profile} 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n{more}"
    )
}

/// Where a description says that media is received.
pub fn place(message: &str) -> SocketAddr {
    let line = |start: &str| {
        let found = message.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no {start} in:\n{message}")).to_owned()
    };
    let port = line("m=audio ").split(' ').next().expect("a port").to_owned();
    format!("{}:{port}", line("c=IN IP4 ")).parse().expect("an address and a port")
}

/// A packet of speech, or of a key press.
pub fn packet(format: u8, sequence: u16, source: u32) -> Vec<u8> {
    let mut packet = vec![0x80, format];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend((0..PAYLOAD).map(|octet| u8::try_from(octet).unwrap_or(0) ^ 0x55));
    packet
}

/// One that presses `5`: its first packet, or its last.
pub fn press(sequence: u16, source: u32, ends: bool) -> Vec<u8> {
    let mut packet = packet(101, sequence, source);
    packet.truncate(12);
    // RFC 4733 §2.3: the event, its end and volume, how long so far.
    packet.extend_from_slice(&[5, if ends { 0x8a } else { 0x0a }, 0, 160]);
    // One press has one time stamp.
    packet[4..8].copy_from_slice(&7_000_u32.to_be_bytes());
    packet
}

/// Sends a packet and sees it arrive at the other side; says what arrived, and where it came from.
pub fn crosses(from: &UdpSocket, edge: SocketAddr, packet: &[u8], to: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    from.send_to(packet, edge).expect("the edge's port can be sent to");
    let mut heard = [0; 2_048];
    let (octets, source) = to.recv_from(&mut heard).expect("it arrives");
    (heard[..octets].to_vec(), source)
}

/// Somebody who speaks SIP over UDP.
pub struct Sip {
    pub socket: UdpSocket,
    edge: String,
}

impl Sip {
    pub fn new(address: &str, port: u16, edge: &str) -> Self {
        Self { socket: socket(address, port), edge: edge.to_owned() }
    }

    fn own(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    pub fn say(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), &self.edge).expect("the edge can be sent to");
    }

    /// The next message that begins so; others are skipped.
    pub fn hear(&self, start: &str) -> String {
        let began = Instant::now();
        let (mut buffer, mut skipped) = ([0; 65_535], Vec::new());
        while began.elapsed() < PATIENCE * 2 {
            let Ok((octets, _)) = self.socket.recv_from(&mut buffer) else { break };
            let message = String::from_utf8_lossy(&buffer[..octets]).into_owned();
            if message.starts_with(start) {
                return message;
            }
            skipped.push(message);
        }
        panic!("no {start:?} came, but {skipped:#?}");
    }

    pub fn invites(&self, number: &str, body: &str) {
        let (own, edge) = (self.own(), &self.edge);
        self.say(&format!(
            "INVITE sip:{number}@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKinvite;rport\r\n\
             From: <sip:+12125550199@{own}>;tag=one\r\nTo: <sip:{number}@{edge}>\r\nCall-ID: call@{own}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:pbx@{own}>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// A request within the dialog that this 200 made.
    pub fn within(&self, ok: &str, method: &str, cseq: u32) {
        let own = self.own();
        let target = header(ok, "Contact").and_then(|it| it.split(['<', '>']).nth(1)).expect("a Contact");
        let (to, from) = (header(ok, "To").expect("To"), header(ok, "From").expect("From"));
        let call = header(ok, "Call-ID").expect("a Call-ID");
        self.say(&format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{cseq};rport\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n"
        ));
    }

    pub fn answers(&self, request: &str, status: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let more = format!("Contact: <sip:peer@{}>\r\n{kind}", self.own());
        self.say(&answer(request, status, "two", &more, body));
    }
}
