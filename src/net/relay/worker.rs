//! One thread of the relay: wait, read the clock once, take every packet that is ready, send each at once, wait again.
//!
//! Owns the order of a turn and its bounds. No lock and no allocation stand on a packet's path. To wake up for each packet
//! costs as much as to relay it, so that under load they gather for a moment. Refuses to know what packets mean.
//! Read first: `app/turn.rs`, which is this for signalling; epoll(7) about edges; `net/batch.rs`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError};
use std::thread;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::table::Table;
use super::{Ring, Settings};
use crate::clock::{Clock, Tick};
use crate::media::dtls::Identity;
use crate::media::order::{News, Order};
use crate::media::rtp::PACKET_OCTETS_MAX;
use crate::net::Inbox;

/// The bell that says an order came.
pub(super) const BELL: Token = Token(usize::MAX);

/// Events of one wait.
const EVENTS: usize = 1_024;
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
    poll: Poll,
    clock: Clock,
    orders: Receiver<Order>,
    news: SyncSender<News>,
    ring: Ring,
    table: Table,
    gather: Duration,
    /// When a turn took packets last.
    took: Option<Tick>,
    /// Sockets that may have more.
    again: Vec<usize>,
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
        poll: Poll,
        clock: Clock,
        orders: Receiver<Order>,
        news: SyncSender<News>,
        ring: Ring,
        settings: &Settings,
        identity: Option<Arc<Identity>>,
    ) -> io::Result<Self> {
        let table = Table::new(poll.registry().try_clone()?, settings, identity);
        let gather = settings.gather;
        Ok(Self {
            poll,
            clock,
            orders,
            news,
            ring,
            table,
            gather,
            took: None,
            again: Vec::new(),
            late: VecDeque::new(),
            look_at: clock.tick().after(LOOKS_EVERY),
            ordered: false,
            ended: false,
        })
    }

    /// Runs until the relay's other end is dropped; every socket is closed then.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        // One octet more than a packet may have, so that a longer one is known as such.
        let mut inbox = Inbox::sized(PACKET_OCTETS_MAX + 1);
        while !self.ended {
            match self.poll.poll(&mut events, Some(self.timeout())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the poll of a media thread failed: its calls have no media any more");
                    return;
                }
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
        if is_busy && self.again.is_empty() && !self.ordered {
            let spent = self.clock.tick().since(now);
            thread::sleep(self.gather.saturating_sub(spent));
        }
    }

    fn timeout(&self) -> Duration {
        if !self.again.is_empty() || self.table.is_steady() {
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
        // Those of the last turn first; who has more then comes behind them.
        for place in std::mem::take(&mut self.again) {
            if let Some(socket) = self.table.socket_mut(place) {
                socket.waits = false;
            }
            packets += self.receive(now, place, inbox);
        }
        for event in events {
            match event.token() {
                BELL => self.ordered = true,
                Token(place) => packets += self.receive(now, place, inbox),
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

    fn receive(&mut self, now: Tick, place: usize, inbox: &mut Inbox) -> usize {
        let mut packets = 0;
        for _ in 0..BATCHES_PER_TURN {
            let Some(socket) = self.table.socket(place) else { return packets };
            let owner = socket.owner;
            let count = match inbox.receive(socket.fd()) {
                Ok(count) => count,
                // A twin hears that a packet of ours found nobody there; what it heard beside that is behind it.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused
                    ) =>
                {
                    continue;
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        tracing::debug!(%error, "a media socket cannot be read");
                    }
                    return packets;
                }
            };
            packets += count;
            for index in 0..count {
                let Some((source, octets, buffer)) = inbox.place(index) else { continue };
                if let Err(error) = self.table.packet(now, owner, source, buffer, octets) {
                    // The network takes no more, or has no way there: RTP is not sent again.
                    tracing::trace!(%error, "a media packet cannot be sent");
                }
            }
            if inbox.is_drained() {
                return packets;
            }
        }
        if let Some(socket) = self.table.socket_mut(place)
            && !std::mem::replace(&mut socket.waits, true)
        {
            self.again.push(place);
        }
        packets
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
