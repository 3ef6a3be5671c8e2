//! Phones on loopback: two for each call, in the clear or under keys of their own.
//!
//! Owns what they send and what they have to hear.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ringfence::media::order::{
    Fingerprint, Learning, Local, MediaId, MediaLeg, Order, Protection, Spot, Terms,
};
use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};

use super::shaker::Shaker;

/// Octets of a plain packet: 20 ms of G.711.
pub const PLAIN: usize = 172;
/// The first port of the edge.
const PORTS_FROM: u16 = 40_000;

/// How a leg's packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rtp,
    Srtp,
    /// Whether the phone begins the handshakes.
    Dtls {
        active: bool,
    },
}

/// A socket of a phone, or of anybody.
pub fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("a port on loopback");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    socket
}

/// Addresses of the phones of one test.
pub struct Phones {
    a: String,
    b: String,
}

impl Phones {
    pub fn new(net: u8) -> Self {
        Self { a: format!("127.61.{net}.2"), b: format!("127.61.{net}.3") }
    }
}

/// What a phone sends under, and what it opens with.
type Keys = (Box<Outbound>, Box<Inbound>);

/// One phone: its sockets, its keys and the edge's.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    protection: Protection,
    shaker: Option<Shaker>,
    keys: Option<Keys>,
    /// Those of its reports, where they are others.
    report_keys: Option<Keys>,
    /// Where the edge takes its packets.
    edge: SocketAddr,
    edge_rtcp: SocketAddr,
    sequence: u16,
}

/// A call of two phones through the edge.
pub struct Call {
    pub media: MediaId,
    edge: String,
    a: Phone,
    b: Phone,
}

fn key(first: u8, n: u16) -> MasterKey {
    let mut octets = [first; 30];
    octets[..2].copy_from_slice(&n.to_be_bytes());
    MasterKey::new(Suite::AesCm128HmacSha1T80, &octets).expect("the suite's length")
}

impl Phone {
    fn new(address: &str, edge: &str, port: u16, kind: Kind, seed: u8, n: u16) -> Self {
        let at = |port| SocketAddr::new(edge.parse().expect("an address"), port);
        let (mut keys, mut shaker) = (None, None);
        let protection = match kind {
            Kind::Rtp => Protection::Plain,
            Kind::Srtp => {
                let (inbound, outbound) = (key(seed, n), key(seed + 1, n));
                let hears = Inbound::new(&outbound, Mki::NONE);
                keys = Some((Box::new(Outbound::new(&inbound, u64::MAX)), Box::new(hears)));
                Protection::Srtp { inbound, mki: Mki::NONE, outbound, lifetime: 1 << 31 }
            }
            Kind::Dtls { active } => {
                let shaker = shaker.insert(Shaker::new(active));
                let (fingerprint, suites) = (shaker.identity.fingerprint().clone(), shaker.suites.clone());
                Protection::Dtls { active: !active, fingerprint, suites }
            }
        };
        let (rtp, rtcp, edge, edge_rtcp) = (socket(address), socket(address), at(port), at(port + 1));
        Self { rtp, rtcp, protection, shaker, keys, report_keys: None, edge, edge_rtcp, sequence: 65_500 }
    }

    /// Has the keys that it is to have.
    fn shake(&mut self, edge: &Fingerprint) {
        if let Some(shaker) = &self.shaker {
            self.keys = Some(shaker.shake(&self.rtp, self.edge, edge));
            self.report_keys = Some(shaker.shake(&self.rtcp, self.edge_rtcp, edge));
        }
    }

    const fn for_reports(&mut self) -> Option<&mut Keys> {
        match &mut self.report_keys {
            Some(keys) => Some(keys),
            None => self.keys.as_mut(),
        }
    }

    fn terms(&self) -> Terms {
        let address = |socket: &UdpSocket| socket.local_addr().ok();
        Terms {
            remote: address(&self.rtp),
            remote_rtcp: address(&self.rtcp),
            receives: true,
            sends: true,
            protection: self.protection.clone(),
            early: false,
            learning: Learning::Signalled,
            formats: [8].into_iter().collect(),
            events: None,
            clock_rate: 8_000,
            packets_per_second_max: 10_000,
            dscp: 46,
            silence: None,
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0xd5; PLAIN];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&[0xca, 0xfe, 0xba, 0xbe]);
        packet
    }

    fn says(&mut self, packet: &[u8]) {
        let mut sent = packet.to_vec();
        if let Some((speaks, _)) = &mut self.keys {
            sent.resize(packet.len() + 40, 0);
            let octets = speaks.protect_rtp(&mut sent, packet.len()).expect("a new index");
            sent.truncate(octets);
        }
        self.rtp.send_to(&sent, self.edge).expect("loopback takes it");
    }

    fn hears(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 4_096];
        let octets = loop {
            let (octets, from) = self.rtp.recv_from(&mut packet).ok()?;
            assert_eq!(from, self.edge, "media comes from where it goes to");
            // RFC 7983 §7: what is of a handshake still is none.
            if !matches!(packet[0], 20..=63) {
                break octets;
            }
        };
        packet.truncate(octets);
        if let Some((_, hears)) = &mut self.keys {
            assert!(octets >= PLAIN + 10, "protected");
            let octets = hears.unprotect_rtp(&mut packet).expect("of the edge's key");
            packet.truncate(octets);
        }
        Some(packet)
    }
}

impl Call {
    /// The n-th call of a test.
    pub fn new(n: u16, edge: &str, phones: &Phones, a: Kind, b: Kind) -> Self {
        let port = PORTS_FROM + 4 * n;
        Self {
            media: MediaId(u64::from(n)),
            edge: edge.to_owned(),
            a: Phone::new(&phones.a, edge, port, a, 1, n),
            b: Phone::new(&phones.b, edge, port + 2, b, 11, n),
        }
    }

    /// What opens it.
    pub fn orders(&self) -> Vec<Order> {
        let bind = self.edge.parse().expect("an address");
        let mut orders = Vec::new();
        for (leg, phone) in [(MediaLeg::A, &self.a), (MediaLeg::B, &self.b)] {
            let spot = Spot { media: self.media, leg, stream: 0 };
            let local = Local { bind, rtp: phone.edge.port(), rtcp: Some(phone.edge_rtcp.port()) };
            orders.push(Order::Open { spot, local });
            orders.push(Order::Set { spot, terms: Box::new(phone.terms()) });
        }
        orders
    }

    /// Its phones have the keys that they are to have, with an edge whose certificate has this hash.
    pub fn shake(&mut self, edge: &Fingerprint) {
        self.a.shake(edge);
        self.b.shake(edge);
    }

    /// A's phone shows another certificate than its terms say.
    pub fn lies(&mut self, edge: &Fingerprint) {
        let Some(shaker) = &self.a.shaker else { return };
        Shaker::new(shaker.active).says_hello(&self.a.rtp, self.a.edge, edge);
    }

    /// Every port of the edge that it has.
    pub fn ports(&self) -> [u16; 4] {
        [&self.a, &self.b]
            .map(|phone| [phone.edge.port(), phone.edge_rtcp.port()])
            .concat()
            .try_into()
            .expect("four")
    }

    /// A phone says something.
    pub fn speak(&mut self, leg: MediaLeg) {
        let phone = self.phone(leg);
        let packet = phone.packet();
        phone.says(&packet);
    }

    /// A phone hears what the other one said last, and just that.
    pub fn hear(&mut self, leg: MediaLeg) {
        let heard = self.phone(leg).hears().expect("what was said arrives");
        let other = self.phone(leg.other());
        let mut expected = other.packet();
        other.sequence = other.sequence.wrapping_sub(1);
        expected[2..4].copy_from_slice(&other.sequence.to_be_bytes());
        expected[4..8].copy_from_slice(&(u32::from(other.sequence) * 160).to_be_bytes());
        assert_eq!(heard, expected);
    }

    /// Says something and looks for a moment whether it arrives: for while a call is being set up.
    pub fn crosses(&mut self, leg: MediaLeg) -> bool {
        self.speak(leg);
        let listener = self.phone(leg.other());
        let patience = |phone: &Phone, millis| {
            phone.rtp.set_read_timeout(Some(Duration::from_millis(millis))).expect("a socket");
        };
        patience(listener, 50);
        let heard = listener.hears().is_some();
        patience(listener, 10_000);
        heard
    }

    /// A phone has another socket from now on, and says so.
    pub fn moves(&mut self, leg: MediaLeg) -> Order {
        let spot = Spot { media: self.media, leg, stream: 0 };
        let phone = self.phone(leg);
        let address = phone.rtp.local_addr().expect("bound").ip().to_string();
        phone.rtp = socket(&address);
        Order::Set { spot, terms: Box::new(phone.terms()) }
    }

    /// A phone closes its port and opens it again; the other one speaks meanwhile, and each of its packets comes back as an error.
    pub fn speaks_to_nobody(&mut self, leg: MediaLeg) {
        let phone = self.phone(leg.other());
        let address = phone.rtp.local_addr().expect("bound");
        phone.rtp = socket(&address.ip().to_string());
        for _ in 0..5 {
            self.speak(leg);
            std::thread::sleep(Duration::from_millis(5));
        }
        let again = UdpSocket::bind(address).expect("its own port");
        again.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        self.phone(leg.other()).rtp = again;
    }

    /// A phone's socket sends anything.
    pub fn throw(&mut self, leg: MediaLeg, packet: &[u8]) {
        let phone = self.phone(leg);
        phone.rtp.send_to(packet, phone.edge).expect("loopback takes it");
    }

    /// A report of A arrives at B, on the ports for it.
    pub fn report_crosses(&mut self) {
        let mut report = vec![0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        if let Some((speaks, _)) = self.a.for_reports() {
            report.resize(60, 0);
            let octets = speaks.protect_rtcp(&mut report, 8).expect("a new index");
            report.truncate(octets);
        }
        self.a.rtcp.send_to(&report, self.a.edge_rtcp).expect("loopback takes it");
        let mut heard = vec![0; 4_096];
        let octets = loop {
            let (octets, from) = self.b.rtcp.recv_from(&mut heard).expect("the report arrives");
            assert_eq!(from, self.b.edge_rtcp);
            if !matches!(heard[0], 20..=63) {
                break octets;
            }
        };
        let octets = match self.b.for_reports() {
            None => octets,
            Some((_, hears)) => hears.unprotect_rtcp(&mut heard[..octets]).expect("of the edge's key"),
        };
        assert_eq!(heard[..octets], [0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
    }

    const fn phone(&mut self, leg: MediaLeg) -> &mut Phone {
        match leg {
            MediaLeg::A => &mut self.a,
            MediaLeg::B => &mut self.b,
        }
    }
}
