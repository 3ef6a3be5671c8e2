//! One thread of the relay: wait, read the clock once, take every packet that is ready, send each at once, wait again.
//!
//! Owns the order of a turn and its bounds. No lock and no allocation stand on a packet's path. To wake up for each packet
//! costs as much as to relay it, so that under load they gather for a moment. Refuses to know what packets mean.
//! Read first: `app/turn.rs`, which is this for signalling; `wait.rs`; `net/batch.rs`.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError};
use std::thread;
use std::time::Duration;

use super::socket::Owner;
use super::table::Table;
use super::wait::{Events, Ready, Wait};
use super::{Ring, Settings};
use crate::clock::{Clock, Tick};
use crate::media::dtls::Identity;
use crate::media::order::{News, Order};
use crate::media::rtp::PACKET_OCTETS_MAX;
use crate::net::Inbox;

/// Batches of one socket in one turn; the rest waits for the next, so that no flood of one call starves another.
const BATCHES_PER_TURN: usize = 2;
/// Orders of one turn: each may open sockets, and packets wait meanwhile.
const ORDERS_PER_TURN: usize = 64;
/// How often silences, strangers and orders whose bell did not ring are looked at.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// The loop takes no news: tried again after.
const NEWS_AGAIN: Duration = Duration::from_millis(20);

/// One thread's own.
pub(super) struct Worker {
    wait: Wait,
    clock: Clock,
    orders: Receiver<Order>,
    news: SyncSender<News>,
    ring: Ring,
    table: Table,
    gather: Duration,
    /// When a turn took packets last.
    took: Option<Tick>,
    /// The turns there were; who had a packet in the last one, too, has several at once.
    turns: u64,
    /// A socket may have more.
    more: bool,
    /// News that found no room. While there is some, no order is carried out and nothing is looked at, so that it does
    /// not grow: then the orders find no room, and the loop that takes no news hears of that.
    late: VecDeque<News>,
    look_at: Tick,
    /// Orders may wait.
    ordered: bool,
    ended: bool,
}

impl Worker {
    pub(super) fn new(
        wait: Wait,
        clock: Clock,
        orders: Receiver<Order>,
        news: SyncSender<News>,
        ring: Ring,
        settings: &Settings,
        identity: Option<Arc<Identity>>,
    ) -> io::Result<Self> {
        let table = Table::new(wait.watch(), settings, identity);
        let gather = settings.gather;
        Ok(Self {
            wait,
            clock,
            orders,
            news,
            ring,
            table,
            gather,
            took: None,
            turns: 1,
            more: false,
            late: VecDeque::new(),
            look_at: clock.tick().after(LOOKS_EVERY),
            ordered: false,
            ended: false,
        })
    }

    /// Runs until the relay's other end is dropped; every socket is closed then.
    pub(super) fn run(mut self) {
        // One octet more than a packet may have, so that a longer one is known as such.
        let mut inbox = Inbox::sized(PACKET_OCTETS_MAX + 1);
        let mut events = Events::new();
        while !self.ended {
            let timeout = self.timeout();
            if let Err(error) = self.wait.wait(&mut events, timeout) {
                tracing::error!(%error, "the wait of a media thread failed: its calls have no media any more");
                return;
            }
            let now = self.clock.tick();
            if self.turn(now, &events, &mut inbox) > 0 {
                self.rest(now);
            }
        }
    }

    /// Lets packets gather, if they come that fast and nothing else waits to be done.
    fn rest(&mut self, now: Tick) {
        let apart = self.took.replace(now).map(|took| now.since(took));
        // A turn behind a rest is that far from the one before it, and a little more.
        let is_busy = apart.is_some_and(|apart| apart < self.gather * 2);
        if is_busy && !self.more && !self.ordered {
            let spent = self.clock.tick().since(now);
            thread::sleep(self.gather.saturating_sub(spent));
        }
    }

    fn timeout(&self) -> Duration {
        if self.table.is_steady() {
            Duration::ZERO
        } else if !self.late.is_empty() {
            NEWS_AGAIN
        } else if self.ordered {
            Duration::ZERO
        } else {
            let at = self.table.shakes_at().map_or(self.look_at, |at| at.min(self.look_at));
            at.since(self.clock.tick())
        }
    }

    /// Serves what is ready; returns how many packets that were.
    fn turn(&mut self, now: Tick, events: &Events, inbox: &mut Inbox) -> usize {
        let mut packets = 0;
        self.turns = self.turns.wrapping_add(1);
        self.more = false;
        for ready in events.iter() {
            match ready {
                Ready::Bell => self.ordered = true,
                Ready::Socket(place) => packets += self.receive(now, place, inbox),
            }
        }
        self.tell_late();
        if self.late.is_empty() && self.look_at <= now {
            self.look_at = now.after(LOOKS_EVERY);
            let Self { table, news, ring, late, .. } = self;
            table.tell(now, |told| tell(news, ring, late, told));
            // Whether the bell rang or not.
            self.ordered = true;
        }
        // Last: a socket that is closed has no event left in this turn that could meet another in its place.
        if self.ordered {
            self.carry_out(now);
        }
        self.table.pair_some();
        // Behind orders and packets, which have something for them.
        if self.late.is_empty() {
            let Self { table, news, ring, late, .. } = self;
            table.shake(now, |told| tell(news, ring, late, told));
        }
        packets
    }

    /// Takes one packet, which is most often all there is; what is left is told of in the next turn, and then more are taken at once.
    fn receive(&mut self, now: Tick, place: usize, inbox: &mut Inbox) -> usize {
        let turns = self.turns;
        let Some(socket) = self.table.socket_mut(place) else { return 0 };
        let last = std::mem::replace(&mut socket.turn, turns);
        if last.wrapping_add(1) == turns {
            return self.receive_many(now, place, inbox);
        }
        let owner = socket.owner;
        match inbox.receive_one(socket.udp()) {
            Ok((source, octets, buffer)) => {
                Self::pass(&mut self.table, now, owner, source, (buffer, octets));
                1
            }
            Err(error) => {
                unread(&error);
                0
            }
        }
    }

    fn receive_many(&mut self, now: Tick, place: usize, inbox: &mut Inbox) -> usize {
        let mut packets = 0;
        for _ in 0..BATCHES_PER_TURN {
            let Some(socket) = self.table.socket(place) else { return packets };
            let owner = socket.owner;
            match inbox.receive(socket.fd()) {
                Ok(count) => packets += count,
                // What was heard beside that is told of in the next turn.
                Err(error) => {
                    unread(&error);
                    return packets;
                }
            }
            let mut index = 0;
            while let Some((source, octets, buffer)) = inbox.place(index) {
                Self::pass(&mut self.table, now, owner, source, (buffer, octets));
                index += 1;
            }
            if inbox.is_drained() {
                return packets;
            }
        }
        self.more = true;
        packets
    }

    fn pass(
        table: &mut Table,
        now: Tick,
        owner: Owner,
        source: SocketAddr,
        (buffer, octets): (&mut [u8], usize),
    ) {
        if let Err(error) = table.packet(now, owner, source, buffer, octets) {
            // The network takes no more, or has no way there: RTP is not sent again.
            tracing::trace!(%error, "a media packet cannot be sent");
        }
    }

    fn carry_out(&mut self, now: Tick) {
        for _ in 0..ORDERS_PER_TURN {
            if !self.late.is_empty() {
                return;
            }
            match self.orders.try_recv() {
                Ok(order) => {
                    if let Some(news) = self.table.carry_out(now, order) {
                        tell(&self.news, &self.ring, &mut self.late, news);
                    }
                }
                Err(TryRecvError::Empty) => {
                    self.ordered = false;
                    return;
                }
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    fn tell_late(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        while let Some(news) = late.pop_front() {
            tell(&self.news, &self.ring, &mut self.late, news);
        }
    }
}

/// A socket gave no packet.
fn unread(error: &io::Error) {
    // A twin hears that a packet of ours found nobody there.
    let expected = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted, io::ErrorKind::ConnectionRefused];
    if !expected.contains(&error.kind()) {
        tracing::debug!(%error, "a media socket cannot be read");
    }
}

/// Tells the loop, or keeps it for later; in its order.
fn tell(sender: &SyncSender<News>, ring: &Ring, late: &mut VecDeque<News>, news: News) {
    if !late.is_empty() {
        return late.push_back(news);
    }
    match sender.try_send(news) {
        // Nobody listens any more: the thread is about to end.
        Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        Err(TrySendError::Full(news)) => late.push_back(news),
    }
    ring();
}
