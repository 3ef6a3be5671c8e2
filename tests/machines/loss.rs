//! Two tables and a wire between them that loses, doubles and delays.
//!
//! Owns what RFC 3261 promises then: each request is told to its user once, each final response once (each 2xx to an
//! INVITE as often as it comes), and afterwards nothing is left.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringfence::call::{Branch, Failure, ServerId, Side};
use ringfence::clock::Tick;
use ringfence::engine::transactions::{Arrival, CallKey, Matched, Outcome, Owner, Transactions};
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::{Message, Method};
use ringfence::transaction::{Sender, Timing};

use super::tables::Known;
use super::words::{BOB, flow, hop, response, written};

/// Ours, as `Known` knows it.
const OURS: &str = "192.0.2.5:5060";
/// Of a hundred datagrams: lost, doubled.
const LOST: u64 = 20;
const DOUBLED: u64 = 10;

/// A small generator (xorshift), so that a seed is a run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What is under way: when it arrives, in the order it was sent, and whether it goes to the server's side.
type Wire = BTreeMap<(Tick, u64), (bool, Bytes)>;

struct World {
    now: Tick,
    dice: Dice,
    reliable: bool,
    wire: Wire,
    sent: u64,
    client: Transactions,
    server: Transactions,
    status: &'static str,
    asked: Vec<ServerId>,
    /// 2xx that go again: when, how long until the next, which.
    again: Vec<(Tick, Duration, ServerId, Bytes)>,
    passed: BTreeMap<u64, u32>,
    finals: BTreeMap<u64, u32>,
    failed: u32,
    acknowledged: u32,
}

fn number(owner: Owner) -> u64 {
    match owner {
        Owner::Call { key, .. } => u64::from(key.index),
        Owner::Past(_) | Owner::Probe(_) | Owner::Standalone(_) | Owner::Registration | Owner::Nobody => {
            panic!("not an owner of these tests")
        }
    }
}

impl World {
    fn new(seed: u64, reliable: bool, status: &'static str) -> Self {
        let tables = || Transactions::new(Timing::default(), [seed, 1], 1_000, 1_000);
        Self {
            now: Tick::ZERO,
            dice: Dice(seed * 0x9e37_79b9 + 1),
            reliable,
            wire: Wire::new(),
            sent: 0,
            client: tables(),
            server: tables(),
            status,
            asked: Vec::new(),
            again: Vec::new(),
            passed: BTreeMap::new(),
            finals: BTreeMap::new(),
            failed: 0,
            acknowledged: 0,
        }
    }

    fn connection(&self) -> u64 {
        u64::from(self.reliable)
    }

    fn start(&mut self, n: u32, method: &str) {
        let branch = Branch(u64::from(n) + 1);
        let via = format!("SIP/2.0/UDP {OURS};branch={}", String::from_utf8_lossy(&branch.text()));
        let bytes = Bytes::from(written(method, &via, &format!("call-{n}"), ""));
        let owner = Owner::Call { key: CallKey { index: n, generation: 0 }, side: Side::B };
        let (to, mut out) = (hop(BOB, self.connection()), Vec::new());
        self.client.start(self.now, branch, (method == "INVITE", false), to, bytes, owner, &mut out);
        self.act(out);
    }

    /// Puts what a side sends on the wire, and counts what it tells.
    fn act(&mut self, out: Vec<Outcome>) {
        for outcome in out {
            match outcome {
                Outcome::Send { hop, bytes } => {
                    let copies = match self.dice.below(100) {
                        _ if self.reliable => 1,
                        roll if roll < LOST => 0,
                        roll if roll < LOST + DOUBLED => 2,
                        _ => 1,
                    };
                    for _ in 0..copies {
                        let delay = if self.reliable { 1_000 } else { self.dice.below(900_000) };
                        self.sent += 1;
                        let at = (self.now.after(Duration::from_micros(delay)), self.sent);
                        self.wire.insert(at, (hop.remote.to_string() == BOB, bytes.clone()));
                    }
                }
                Outcome::ClientFailed { failure, .. } => {
                    assert_eq!(failure, Failure::Timeout);
                    self.failed += 1;
                }
                Outcome::ClientEnded { owner, .. } => assert!(self.finals.contains_key(&number(owner))),
                Outcome::ServerEnded { .. } => {}
            }
        }
    }

    fn arrive(&mut self, to_server: bool, bytes: Bytes) {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let message = parse(bytes, &Limits::default()).expect("what was written can be read");
        if to_server { self.serve(&message, &text) } else { self.hear(&message) }
    }

    fn serve(&mut self, message: &Message, text: &str) {
        let (from, mut out) = (flow(OURS, self.connection()), Vec::new());
        if *message.method() == Method::Ack {
            self.acknowledged += u32::from(self.server.ack(self.now, Sender(0), message, &mut out));
            self.again.clear();
            return self.act(out);
        }
        match self.server.request(self.now, (Sender(0), false), from, message, &mut out) {
            Arrival::New(server) => {
                assert!(!self.asked.contains(&server));
                self.asked.push(server);
                let bytes = Bytes::from(response(self.status, text, ";tag=b"));
                let status = self.status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0);
                assert!(self.server.respond(self.now, server, status, bytes.clone(), &mut out));
                if *message.method() == Method::Invite && status < 300 {
                    let t1 = Duration::from_millis(500);
                    self.again.push((self.now.after(t1), t1, server, bytes));
                }
            }
            Arrival::Retransmission => {}
            Arrival::Merged | Arrival::Full => panic!("neither merged nor full"),
        }
        self.act(out);
    }

    fn hear(&mut self, message: &Message) {
        let (from, mut out) = (flow(BOB, self.connection()), Vec::new());
        match self.client.response(self.now, from, message, &Known, &mut out) {
            Matched::Pass(branch, owner) => {
                assert_eq!(branch.0, number(owner) + 1);
                *self.passed.entry(number(owner)).or_default() += 1;
                *self.finals.entry(number(owner)).or_default() += u32::from(message.status() >= Some(200));
            }
            Matched::Challenged(..) => panic!("nobody has a login here"),
            Matched::Absorbed | Matched::Stray => {}
        }
        self.act(out);
    }

    fn next(&self) -> Option<Tick> {
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        let again = self.again.iter().map(|(at, ..)| *at).min();
        [wire, again, self.client.next_deadline(), self.server.next_deadline()].into_iter().flatten().min()
    }

    /// Runs until nothing is left to happen.
    fn run(&mut self) {
        while let Some(next) = self.next() {
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (to_server, bytes) = entry.remove();
                self.arrive(to_server, bytes);
            }
            let mut out = Vec::new();
            self.client.expire(self.now, &mut out);
            self.server.expire(self.now, &mut out);
            // RFC 3261 §13.3.1.4: the 2xx goes again until the ACK, at most while the transaction stands.
            let due: Vec<_> = self.again.extract_if(.., |(at, ..)| *at <= self.now).collect();
            for (_, interval, server, bytes) in due {
                if self.server.resend(server, bytes.clone(), &mut out) {
                    let interval = (interval * 2).min(Duration::from_secs(4));
                    self.again.push((self.now.after(interval), interval, server, bytes));
                }
            }
            self.act(out);
        }
    }

    fn assert_empty(&self) {
        for side in [&self.client, &self.server] {
            assert_eq!((side.servers(), side.clients(), side.timers()), (0, 0, 0));
        }
    }
}

const SEEDS: u64 = 40;
const REQUESTS: u32 = 25;

#[test]
fn every_request_is_told_once_and_every_refusal_passed_once() {
    for (method, status) in [("INVITE", "486 Busy Here"), ("BYE", "200 OK"), ("INFO", "481 None")] {
        for reliable in [false, true] {
            for seed in 1..=SEEDS {
                let mut world = World::new(seed, reliable, status);
                (0..REQUESTS).for_each(|n| world.start(n, method));
                world.run();
                let here = format!("{method} {status} seed {seed} reliable {reliable}");
                let heard = u32::try_from(world.finals.len()).expect("few");
                assert!(world.finals.values().all(|count| *count == 1), "{here}");
                assert_eq!(heard + world.failed, REQUESTS, "{here}");
                assert!(world.asked.len() <= REQUESTS as usize, "{here}");
                // With a fifth lost, seven copies of an INVITE and eleven of the others get through.
                assert!(world.failed <= 1, "{here}: {} failed", world.failed);
                if reliable {
                    assert_eq!((world.failed, world.asked.len()), (0, REQUESTS as usize), "{here}");
                }
                assert_eq!(world.acknowledged > 0, method == "INVITE", "{here}");
                world.assert_empty();
            }
        }
    }
}

#[test]
fn every_copy_of_a_2xx_is_passed_and_the_invite_is_told_once() {
    for reliable in [false, true] {
        let mut copies = 0;
        for seed in 1..=SEEDS {
            let mut world = World::new(seed, reliable, "200 OK");
            world.start(0, "INVITE");
            world.run();
            assert_eq!((world.asked.len(), world.failed), (1, 0), "seed {seed}");
            assert!(world.finals.get(&0).is_some_and(|count| *count >= 1), "seed {seed}");
            copies += world.finals.get(&0).copied().unwrap_or(0);
            world.assert_empty();
        }
        // Nobody acknowledges here, so each 2xx goes eleven times.
        assert!(u64::from(copies) > 5 * SEEDS, "{copies}");
    }
}
