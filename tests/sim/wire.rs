//! The wire: virtual time, and a network that delays, drops, doubles and reorders what it carries.
//!
//! Owns the queue of what will happen and the weather. Refuses to know SIP.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use ringfence::sip::Transport;

use super::dice::Dice;

/// Microseconds of virtual time.
pub type Micros = u64;

/// One millisecond.
pub const MS: Micros = 1_000;
/// One second.
pub const SECOND: Micros = 1_000_000;

/// What travels. `connection` is 0 for datagrams and for "any stream to there, or a new one".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub transport: Transport,
    pub connection: u64,
    pub bytes: Vec<u8>,
}

/// How the network behaves.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub loss_percent: u64,
    pub duplicate_percent: u64,
    /// Latency of most packets, from and to.
    pub latency: (Micros, Micros),
    /// Some packets are this late, so that they overtake each other across transactions.
    pub straggler_percent: u64,
    pub straggler: (Micros, Micros),
}

impl Weather {
    /// Nothing is lost and every packet takes ten milliseconds.
    pub const CALM: Self = Self {
        loss_percent: 0,
        duplicate_percent: 0,
        latency: (10 * MS, 10 * MS),
        straggler_percent: 0,
        straggler: (0, 0),
    };
    /// One in ten is lost, one in ten comes twice, and the order is anyone's guess.
    pub const STORM: Self = Self {
        loss_percent: 10,
        duplicate_percent: 10,
        latency: (MS, 150 * MS),
        straggler_percent: 4,
        straggler: (300 * MS, 2_500 * MS),
    };

    /// When the copies of one datagram arrive, counted from now; empty when it is lost.
    pub fn arrivals(&self, dice: &mut Dice) -> Vec<Micros> {
        if dice.percent(self.loss_percent) {
            return Vec::new();
        }
        let copies = if dice.percent(self.duplicate_percent) { 2 } else { 1 };
        (0..copies).map(|_| self.delay(dice)).collect()
    }

    /// One latency.
    pub fn delay(&self, dice: &mut Dice) -> Micros {
        let (low, high) = if dice.percent(self.straggler_percent) { self.straggler } else { self.latency };
        dice.between(low, high)
    }
}

/// Things that will happen, in order of time and then of insertion.
#[derive(Debug)]
pub struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    inserted: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Micros,
    order: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), inserted: 0 }
    }
}

impl<T> Agenda<T> {
    /// Notes that `what` happens at `at`.
    pub fn note(&mut self, at: Micros, what: T) {
        self.inserted += 1;
        self.heap.push(Reverse(Entry { at, order: self.inserted, what }));
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Micros> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    /// Takes the next thing.
    pub fn take(&mut self) -> Option<(Micros, T)> {
        self.heap.pop().map(|entry| (entry.0.at, entry.0.what))
    }
}
