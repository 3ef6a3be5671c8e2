//! Phones that speak DTLS: a certificate of their own, and a handshake on a socket of theirs.
//!
//! Owns only how it is driven; the handshake is the edge's own code in the other role, and `openssl` where it is installed.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringfence::clock::Clock;
use ringfence::media::dtls::{Handshake, Identity, Keys, PROFILES, Step};
use ringfence::media::order::Fingerprint;
use ringfence::media::srtp::{Inbound, Mki, Outbound, Suite};
use ringfence::net::relay::certificate;

/// One who speaks DTLS.
pub struct Shaker {
    clock: Clock,
    pub identity: Arc<Identity>,
    /// Whether it begins.
    pub active: bool,
    pub suites: Arc<[Suite]>,
}

impl Shaker {
    pub fn new(active: bool) -> Self {
        let clock = Clock::start();
        let identity = Arc::new(certificate(clock).expect("a certificate"));
        Self { clock, identity, active, suites: PROFILES[..].into() }
    }

    /// Both directions' keys with the edge, whose certificate has this hash, on one socket.
    pub fn shake(
        &self,
        socket: &UdpSocket,
        edge: SocketAddr,
        expected: &Fingerprint,
    ) -> (Box<Outbound>, Box<Inbound>) {
        let keys =
            self.keys(socket, edge, expected, 10).unwrap_or_else(|| panic!("no handshake with {edge}"));
        let inbound = Inbound::new(&keys.inbound, Mki::NONE);
        (Box::new(Outbound::new(&keys.outbound, u64::MAX)), Box::new(inbound))
    }

    /// The same, for one whom the edge does not believe.
    pub fn says_hello(&self, socket: &UdpSocket, edge: SocketAddr, expected: &Fingerprint) {
        assert!(self.keys(socket, edge, expected, 1).is_none(), "the edge believes anybody");
    }

    /// What both agree on within so many seconds.
    fn keys(
        &self,
        socket: &UdpSocket,
        edge: SocketAddr,
        expected: &Fingerprint,
        seconds: u64,
    ) -> Option<Box<Keys>> {
        let now = self.clock.tick();
        let mut side = Handshake::new(&self.identity, (expected, &self.suites), self.active, now);
        let until = Instant::now() + Duration::from_secs(seconds);
        let (mut buffer, mut keys) = ([0; 2_048], None);
        let patience = |millis| socket.set_read_timeout(Some(Duration::from_millis(millis)));
        patience(20).expect("a socket");
        while Instant::now() < until {
            side.pass(self.clock.tick());
            loop {
                match side.step(&mut buffer) {
                    Step::Send(octets) => {
                        socket.send_to(&buffer[..octets], edge).expect("loopback takes it");
                    }
                    Step::Keys(found) => keys = Some(found),
                    Step::Wait(_) => break,
                    Step::Broken(broken) => panic!("{broken}"),
                }
            }
            if keys.is_some() {
                break;
            }
            if let Ok((octets, from)) = socket.recv_from(&mut buffer) {
                assert_eq!(from, edge);
                side.take(self.clock.tick(), &buffer[..octets]);
            }
        }
        patience(10_000).expect("a socket");
        keys
    }
}
