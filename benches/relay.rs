//! The media relay as a program: calls that are up, for measuring what a packet costs between them.
//!
//!     relay --edge IP --a IP:PORT --b IP:PORT --file FILE [--calls N] [--kind rtp-rtp|rtp-srtp|srtp-srtp] [--sockets N] [--threads N] [--gather-us N] [--twins N]
//!
//! Opens the calls straight through orders, writes one line for each into the file (`IP PORT KEY KEY` of either leg, the
//! peer's key and ours in base64 or `-`), says `ready` and its process, and holds them until its input ends. Then it says
//! what was counted. The n-th call's peers are at PORT + 2 * (n modulo sockets). Owns no load and measures nothing: a
//! generator of RTP does.

#![allow(clippy::print_stdout, clippy::panic, reason = "a bench prints what it found")]

mod options;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use options::{option, options};
use ringfence::clock::Clock;
use ringfence::media::order::{Learning, Local, MediaId, MediaLeg, News, Order, Protection, Spot, Terms};
use ringfence::media::srtp::{MasterKey, Mki, Suite};
use ringfence::net::relay::{Relay, Ring, Settings};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The first port of the edge; a call has four.
const PORTS_FROM: u16 = 20_000;
/// How long the loop may take to hear of everything.
const PATIENCE: Duration = Duration::from_millis(5);

/// A key that no other leg has.
fn key(call: u16, leg: u8) -> MasterKey {
    let mut octets = [leg; 30];
    octets[..2].copy_from_slice(&call.to_be_bytes());
    MasterKey::new(Suite::AesCm128HmacSha1T80, &octets).expect("the suite's length")
}

/// One leg of a call: what opens it, and its half of the line.
fn leg(
    spot: Spot,
    edge: IpAddr,
    port: u16,
    remote: SocketAddr,
    keys: Option<(MasterKey, MasterKey)>,
) -> ([Order; 2], String) {
    let mut line = format!("{edge} {port}");
    let protection = match keys {
        None => {
            line.push_str(" - -");
            Protection::Plain
        }
        Some((theirs, ours)) => {
            for key in [&theirs, &ours] {
                write!(line, " {}", Base64::encode_string(key.expose())).expect("a text takes it");
            }
            Protection::Srtp { inbound: theirs, mki: Mki::NONE, outbound: ours, lifetime: 1 << 31 }
        }
    };
    let terms = Terms {
        remote: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        receives: true,
        sends: true,
        protection,
        early: false,
        learning: Learning::Signalled,
        formats: [8].into_iter().collect(),
        events: None,
        clock_rate: 8_000,
        packets_per_second_max: 250,
        dscp: 46,
        silence: Some(Duration::from_secs(60)),
    };
    let local = Local { bind: edge, rtp: port, rtcp: Some(port + 1) };
    ([Order::Open { spot, local }, Order::Set { spot, terms: Box::new(terms) }], line)
}

fn open(relay: &mut Relay, options: &HashMap<String, String>) -> String {
    let edge: IpAddr = option(options, "edge", "127.0.0.1");
    let peers: [SocketAddr; 2] =
        [option(options, "a", "127.0.0.2:20000"), option(options, "b", "127.0.0.3:20000")];
    let kind: String = option(options, "kind", "rtp-rtp");
    let kinds: Vec<bool> = kind.split('-').map(|leg| leg == "srtp").collect();
    let (calls, sockets): (u16, u16) = (option(options, "calls", "100"), option(options, "sockets", "8"));
    let mut lines = String::new();
    for n in 0..calls {
        let media = MediaId(n.into());
        for (at, side) in [MediaLeg::A, MediaLeg::B].into_iter().enumerate() {
            let spot = Spot { media, leg: side, stream: 0 };
            let remote = SocketAddr::new(peers[at].ip(), peers[at].port() + 2 * (n % sockets));
            let seed = 4 * at as u8;
            let keys = kinds[at].then(|| (key(n, seed + 1), key(n, seed + 2)));
            let (orders, line) = leg(spot, edge, PORTS_FROM + 4 * n + 2 * at as u16, remote, keys);
            orders.into_iter().for_each(|order| relay.order(order));
            lines.push_str(&line);
            lines.push(if at == 0 { ' ' } else { '\n' });
        }
        // Orders are bounded, and nothing else slows this down.
        std::thread::sleep(Duration::from_micros(200));
    }
    lines
}

fn main() {
    let options = options();
    let gather = Duration::from_micros(option(&options, "gather-us", "1000"));
    let settings = Settings {
        threads: option(&options, "threads", "1"),
        sockets_max: 60_000,
        twins_max: option(&options, "twins", "30000"),
        gather,
    };
    let ring: Ring = Arc::new(|| {});
    let mut relay = Relay::start(&settings, None, Clock::start(), &ring).expect("threads");
    let Some(file) = options.get("file") else {
        println!("--file FILE says where the calls are to be written; see the head of benches/relay.rs");
        return relay.stop();
    };
    let lines = open(&mut relay, &options);
    std::fs::write(file, &lines).expect("the file can be written");
    std::thread::sleep(PATIENCE);
    if let Some(news) = relay.news() {
        panic!("{news:?}");
    }
    println!("ready {}", std::process::id());
    std::io::stdin().read_to_end(&mut Vec::new()).expect("an input that ends");
    let (mut packets, mut lost, mut dropped) = (0, 0, 0);
    for media in (0..lines.lines().count() as u64).map(MediaId) {
        relay.order(Order::Close { media });
        let streams = loop {
            match relay.news() {
                Some(News::Report { streams, .. }) => break streams,
                Some(news) => println!("{news:?}"),
                None => std::thread::sleep(PATIENCE),
            }
        };
        for stream in streams {
            packets += stream.packets;
            lost += stream.lost;
            dropped += stream.late + stream.replayed + stream.unauthentic + stream.foreign + stream.refused;
        }
    }
    println!("packets={packets} lost={lost} dropped={dropped}");
    relay.stop();
}
