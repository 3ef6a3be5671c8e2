//! What a transaction costs: the key of a request, a copy absorbed, a whole server and a whole client transaction.
//!
//! Owns nothing but its rounds. `cargo bench --bench transactions`, or `benches/instructions` for instruction counts.

mod meter;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use meter::Bench;
use ringfence::call::Branch;
use ringfence::clock::Tick;
use ringfence::engine::transactions::{Addresses, Arrival, Outcome, Owner, Transactions};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::{ConnectionId, Flow, ListenerId, Message, Transport, Via};
use ringfence::transaction::{Keys, Sender, Timing};

/// Everything is as it should be.
struct Open;

impl Addresses for Open {
    fn is_ours(&self, _: ListenerId, _: &Via<'_>) -> bool {
        true
    }
    fn same_peer(&self, _: ListenerId, _: SocketAddr, _: SocketAddr) -> bool {
        true
    }
}

fn flow() -> Flow {
    Flow {
        listener: ListenerId(0),
        transport: Transport::Udp,
        remote: SocketAddr::from(([192, 0, 2, 1], 5060)),
        connection: ConnectionId::NONE,
    }
}

fn text(first: &str, method: &str, branch: &str) -> String {
    format!(
        "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.invalid>;tag=2134\r\nTo: <sip:bob@b.invalid>;tag=b\r\nCall-ID: a84b4c76e66710@pc33\r\n\
         CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn message(text: String) -> Message {
    parse(Bytes::from(text), &Limits::default()).expect("a message of this bench can be read")
}

/// Requests with branches of their own; prepared, so that reading them is not measured.
fn requests(method: &str) -> Vec<Message> {
    let first = format!("{method} sip:bob@192.0.2.9 SIP/2.0");
    (0..4_096).map(|n| message(text(&first, method, &format!("z9hG4bK-524287-1---{n:012x}")))).collect()
}

/// A table and the time in it, half a millisecond for each round.
struct Rounds {
    tables: Transactions,
    now: Tick,
    out: Vec<Outcome>,
    n: usize,
}

impl Rounds {
    fn new() -> Self {
        let tables = Transactions::new(Timing::default(), [1, 2], 1_000_000, 1_000_000);
        Self { tables, now: Tick::ZERO, out: Vec::new(), n: 0 }
    }
    fn next(&mut self) -> usize {
        self.n += 1;
        self.now = self.now.after(Duration::from_millis(10));
        self.tables.expire(self.now, &mut self.out);
        self.out.clear();
        self.n
    }
}

fn server(method: &'static str, status: u16, ack: bool) -> impl FnMut(u64) {
    let (requests, acks) = (requests(method), requests("ACK"));
    let answer = Bytes::from(text("SIP/2.0 200 OK", method, "z9hG4bKx"));
    let mut rounds = Rounds::new();
    move |count| {
        for _ in 0..count {
            let n = rounds.next() % requests.len();
            let (now, out) = (rounds.now, &mut rounds.out);
            if let Arrival::New(server) =
                rounds.tables.request(now, (Sender(0), false), flow(), &requests[n], out)
            {
                rounds.tables.respond(now, server, status, answer.clone(), out);
            }
            if ack {
                rounds.tables.ack(now, Sender(0), &acks[n], out);
            }
        }
    }
}

fn client(method: &'static str, status: u16) -> impl FnMut(u64) {
    let first = format!("SIP/2.0 {status} Told");
    let branch = |n: u64| String::from_utf8_lossy(&Branch(n).text()).into_owned();
    let answers: Vec<_> = (0..4_096).map(|n| message(text(&first, method, &branch(n)))).collect();
    let request = format!("{method} sip:bob@192.0.2.9 SIP/2.0");
    let bytes: Vec<_> = (0..4_096).map(|n| Bytes::from(text(&request, method, &branch(n)))).collect();
    let mut rounds = Rounds::new();
    move |count| {
        for _ in 0..count {
            let n = rounds.next() % answers.len();
            let (now, out) = (rounds.now, &mut rounds.out);
            let (branch, invite) = (Branch(n as u64), method == "INVITE");
            rounds.tables.start(
                now,
                branch,
                (invite, false),
                flow().back(),
                bytes[n].clone(),
                Owner::Standalone(1),
                out,
            );
            black_box(rounds.tables.response(now, flow(), &answers[n], &Open, out));
        }
    }
}

fn main() {
    let (keys, invites) = (Keys::new([1, 2]), requests("INVITE"));
    let copies = requests("INVITE");
    let mut absorbed = Rounds::new();
    for copy in &copies {
        absorbed.tables.request(absorbed.now, (Sender(0), false), flow(), copy, &mut absorbed.out);
    }
    let stray = message(text("SIP/2.0 200 OK", "INVITE", "z9hG4bK00000000deadbeef"));
    let mut strays = Rounds::new();
    meter::main(vec![
        Bench::new("key of a request", move |rounds| {
            for n in 0..rounds {
                black_box(keys.server(Sender(0), &invites[n as usize % 4_096]));
            }
        }),
        Bench::new("copy absorbed", move |rounds| {
            for n in 0..rounds {
                let copy = &copies[n as usize % 4_096];
                black_box(absorbed.tables.request(
                    absorbed.now,
                    (Sender(0), false),
                    flow(),
                    copy,
                    &mut absorbed.out,
                ));
            }
        }),
        Bench::new("stray response", move |rounds| {
            for _ in 0..rounds {
                black_box(strays.tables.response(strays.now, flow(), &stray, &Open, &mut strays.out));
            }
        }),
        Bench::new("server: BYE, 200, timer J", server("BYE", 200, false)),
        Bench::new("server: INVITE, 200, timer L", server("INVITE", 200, false)),
        Bench::new("server: INVITE, 403, ACK", server("INVITE", 403, true)),
        Bench::new("client: BYE, 200, timer K", client("BYE", 200)),
        Bench::new("client: INVITE, 200, timer M", client("INVITE", 200)),
        Bench::new("client: INVITE, 486, timer D", client("INVITE", 486)),
    ]);
}
