//! Offer and answer through an anchor: a PBX on leg A, a trunk on leg B.

mod encryption;
mod exchange;
mod forks;
mod places;
mod rebuilt;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::clock::Tick;
use crate::media::order::{Protection, Terms};
use crate::media::ports::{PoolId, Ports};
use crate::media::sdp::{Direction, Stream};

const A: MediaLeg = MediaLeg::A;
const B: MediaLeg = MediaLeg::B;
const PBX: &str = "192.168.77.7";
const TRUNK: &str = "203.0.113.80";
const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e";
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
const AVP: &str =
    "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n";

/// A leg that needs SRTP, on encrypted signalling.
fn leg(pool: u8, advertise: &str, networks: &[&str]) -> LegSettings {
    LegSettings {
        pool: PoolId(pool),
        advertise: advertise.parse().unwrap(),
        demand: Demand::Required,
        help: false,
        private: true,
        keying: Keying::Sdes,
        fingerprint: None,
        suites: SUITES.into(),
        codecs: CODECS.iter().map(|name| Box::from(*name)).collect(),
        video: false,
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        loopback: false,
        own: Arc::from([("192.168.77.1".parse().unwrap(), 20_000..=20_999)]),
        behind_nat: false,
        dscp: 46,
        packets_per_second_max: 200,
        silence: Some(Duration::from_secs(60)),
    }
}

fn pbx() -> LegSettings {
    leg(0, "192.168.77.1", &["192.168.77.0/24"])
}

fn trunk() -> LegSettings {
    leg(1, "198.51.100.1", &["203.0.113.0/24"])
}

/// The same, trusted with plain RTP on plain signalling.
fn plain(settings: LegSettings) -> LegSettings {
    LegSettings { demand: Demand::Plain, private: false, ..settings }
}

fn sdp(address: &str, lines: &str) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=secret 77 78 IN {family} {address}\r\ns=secret\r\nc=IN {family} {address}\r\nt=0 0\r\n{lines}"
    )
}

fn savp(key: &str) -> String {
    format!("m=audio 4000 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n")
}

/// One call, with what it takes from outside.
struct Call {
    anchor: Anchor,
    ports: Ports,
    random: ChaCha12Rng,
}

impl Call {
    fn new(caller: LegSettings, callee: LegSettings) -> Self {
        Self::with_ports(caller, callee, 20_000..=20_099)
    }

    fn with_ports(caller: LegSettings, callee: LegSettings, range: std::ops::RangeInclusive<u16>) -> Self {
        let pools = [([192, 168, 77, 1].into(), range.clone()), ([10, 9, 9, 9].into(), range)];
        Self {
            anchor: Anchor::new(MediaId(7), Arc::new(caller), Arc::new(callee)),
            ports: Ports::new(&pools, Duration::from_secs(5)),
            random: ChaCha12Rng::from_seed([7; 32]),
        }
    }

    fn step<T>(&mut self, step: impl FnOnce(&mut Anchor, &mut Means<'_>) -> T) -> T {
        let Self { anchor, ports, random } = self;
        step(anchor, &mut Means { ports, now: Tick::ZERO, random })
    }

    fn offer(&mut self, leg: MediaLeg, sdp: &str) -> Result<Told, Refusal> {
        self.step(|anchor, means| anchor.offer(Whence { leg, fork: 1 }, sdp.as_bytes(), means)).map(Told::new)
    }

    fn answer(&mut self, leg: MediaLeg, sdp: &str) -> Result<Told, Refusal> {
        self.answer_in(leg, 1, sdp)
    }

    fn answer_in(&mut self, leg: MediaLeg, fork: u64, sdp: &str) -> Result<Told, Refusal> {
        self.step(|anchor, means| anchor.answer(Whence { leg, fork }, sdp.as_bytes(), means)).map(Told::new)
    }

    fn settle(&mut self, fork: u64) -> Result<Vec<Order>, Refusal> {
        self.step(|anchor, means| anchor.settle(fork, means))
    }

    fn close(self) -> (Vec<Order>, usize) {
        let Self { anchor, mut ports, mut random } = self;
        let orders = anchor.close(&mut Means { ports: &mut ports, now: Tick::ZERO, random: &mut random });
        (orders, ports.out())
    }
}

/// What was said on the other leg, and ordered.
#[derive(Debug)]
struct Told {
    text: String,
    orders: Vec<Order>,
    exposed: bool,
    misplaced: Option<Misplaced>,
}

impl Told {
    fn new(passed: Passed) -> Self {
        let Passed { sdp, orders, exposed, misplaced } = passed;
        Self { text: String::from_utf8(sdp).unwrap(), orders, exposed, misplaced }
    }

    fn read(&self) -> Description {
        sdp::read(self.text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {}", self.text))
    }

    fn stream(&self) -> Stream {
        self.read().streams.remove(0)
    }

    fn version(&self) -> u64 {
        let origin = self.text.lines().nth(1).unwrap();
        origin.split(' ').nth(2).unwrap().parse().unwrap()
    }

    fn terms(&self, leg: MediaLeg) -> Terms {
        terms(&self.orders, leg).unwrap_or_else(|| panic!("no terms for {leg:?}: {:?}", self.orders))
    }
}

fn terms(orders: &[Order], leg: MediaLeg) -> Option<Terms> {
    orders.iter().rev().find_map(|order| match order {
        Order::Set { spot, terms } if spot.leg == leg && spot.stream == 0 => Some((**terms).clone()),
        Order::Open { .. } | Order::Set { .. } | Order::Shut { .. } | Order::Close { .. } => None,
    })
}

/// Which orders, in short.
fn told(orders: &[Order]) -> Vec<String> {
    let at = |spot: &crate::media::order::Spot| format!("{:?}{}", spot.leg, spot.stream);
    orders
        .iter()
        .map(|order| match order {
            Order::Open { spot, .. } => format!("open {}", at(spot)),
            Order::Set { spot, .. } => format!("set {}", at(spot)),
            Order::Shut { spot } => format!("shut {}", at(spot)),
            Order::Close { media } => format!("close {}", media.0),
        })
        .collect()
}

/// Our key on a leg, in the clear for a test.
fn outbound(terms: &Terms) -> Vec<u8> {
    match &terms.protection {
        Protection::Srtp { outbound, .. } => outbound.expose().to_vec(),
        Protection::Plain | Protection::Dtls { .. } => panic!("no SRTP: {terms:?}"),
    }
}

/// A call with SRTP on both legs that is agreed: what the PBX was answered.
fn agreed() -> (Call, Told, Told) {
    let mut call = Call::new(pbx(), trunk());
    let asked = call.offer(A, &sdp(PBX, &savp(KEY))).unwrap();
    let answered = call.answer(B, &sdp(TRUNK, &savp(OTHER_KEY))).unwrap();
    call.settle(1).unwrap();
    (call, asked, answered)
}
