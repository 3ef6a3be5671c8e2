//! The media relay: its own threads, their sockets, and the orders and news between them and the loop of signalling.
//!
//! Owns the threads and both channels. The loop never waits for a thread, nor a thread for the loop: each channel is
//! bounded, and what happens when it is full is said where it is sent to. Refuses to know calls, SDP and policy.
//! Read first: `media/order.rs`; `media/stream`; `worker.rs`.

mod socket;
mod table;
mod worker;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Poll, Waker};

use crate::clock::Clock;
use crate::media::order::{MediaId, News, Order, Spot};
use worker::{BELL, Worker};

/// Orders that wait for one thread at most.
const ORDERS_MAX: usize = 4_096;
/// News that waits for the loop at most, of all threads.
const NEWS_MAX: usize = 16_384;

/// How much the relay may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads; the streams of one call share one. Default 1.
    pub threads: usize,
    /// Sockets open at once, of all threads; a call has two or four for each stream. Default 4,000.
    pub sockets_max: usize,
    /// While packets come this fast one behind the other, they gather for so long and are taken at once; each waits half
    /// of it on average. Zero: never. Default 1 ms.
    pub gather: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threads: 1, sockets_max: 4_000, gather: Duration::from_millis(1) }
    }
}

/// Called by a thread when there is news to be taken.
pub type Ring = Arc<dyn Fn() + Send + Sync>;

/// The loop's end of the relay.
pub struct Relay {
    lanes: Vec<Lane>,
    news: Receiver<News>,
    /// Of orders that found no room.
    refused: VecDeque<News>,
}

/// The way to one thread.
struct Lane {
    orders: SyncSender<Order>,
    bell: Waker,
    /// What ends something, and found no room: it is never lost, and nothing overtakes it. It names only what a call has open, once each.
    late: VecDeque<Late>,
    thread: JoinHandle<()>,
}

/// An order that ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Shut(Spot),
    Close(MediaId),
}

impl Relay {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread or no poll.
    pub fn start(settings: &Settings, clock: Clock, ring: &Ring) -> io::Result<Self> {
        let threads = settings.threads.max(1);
        let (sender, news) = sync_channel(NEWS_MAX);
        let mut lanes = Vec::with_capacity(threads);
        for number in 0..threads {
            let poll = Poll::new()?;
            let bell = Waker::new(poll.registry(), BELL)?;
            let (orders, receiver) = sync_channel(ORDERS_MAX);
            let share = settings.sockets_max.checked_div(threads).unwrap_or(0);
            let worker =
                Worker::new(poll, clock, receiver, sender.clone(), Arc::clone(ring), share, settings.gather)?;
            let thread =
                thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.run())?;
            lanes.push(Lane { orders, bell, late: VecDeque::new(), thread });
        }
        Ok(Self { lanes, news, refused: VecDeque::new() })
    }

    /// Hands on an order, without waiting. Where a thread has no room for it, what opens or sets is refused with
    /// [`News::Failed`], and what ends is kept and handed on before anything else.
    pub fn order(&mut self, order: Order) {
        let (media, refused) = match &order {
            Order::Open { spot, .. } | Order::Set { spot, .. } => (spot.media, Some(*spot)),
            Order::Shut { spot } => (spot.media, None),
            Order::Close { media } => (*media, None),
        };
        let lanes = self.lanes.len() as u64;
        let place = media.0.checked_rem(lanes).and_then(|place| usize::try_from(place).ok());
        let Some(lane) = place.and_then(|place| self.lanes.get_mut(place)) else { return };
        if !lane.order(order)
            && let Some(spot) = refused
        {
            let why = "the media thread is too busy, or has ended: it takes no more orders".to_owned();
            self.refused.push_back(News::Failed { spot, why });
        }
    }

    /// The next news, if there is any.
    pub fn news(&mut self) -> Option<News> {
        for lane in &mut self.lanes {
            if !lane.late.is_empty() {
                lane.catch_up();
                lane.ring();
            }
        }
        if let Some(news) = self.refused.pop_front() {
            return Some(news);
        }
        self.news.try_recv().ok()
    }

    /// Whether something waits to be handed on: [`Relay::news`] is to be called again soon.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.refused.is_empty() || self.lanes.iter().any(|lane| !lane.late.is_empty())
    }

    /// Ends the threads and closes every socket.
    pub fn stop(self) {
        for lane in self.lanes {
            let Lane { orders, bell, late: _, thread } = lane;
            drop(orders);
            if let Err(error) = bell.wake() {
                tracing::error!(%error, "a media thread cannot be woken to end; it ends with the process");
            } else if thread.join().is_err() {
                tracing::error!("a media thread had ended by a panic");
            }
        }
    }
}

impl Lane {
    /// False when an order that opens or sets found no room.
    fn order(&mut self, order: Order) -> bool {
        self.catch_up();
        let left = if self.late.is_empty() { self.hand_on(order) } else { Some(order) };
        self.ring();
        let late = match left {
            None => return true,
            Some(Order::Open { .. } | Order::Set { .. }) => return false,
            Some(Order::Shut { spot }) => Late::Shut(spot),
            Some(Order::Close { media }) => Late::Close(media),
        };
        if !self.late.contains(&late) {
            self.late.push_back(late);
        }
        true
    }

    fn catch_up(&mut self) {
        while let Some(late) = self.late.front() {
            let order = match late {
                Late::Shut(spot) => Order::Shut { spot: *spot },
                Late::Close(media) => Order::Close { media: *media },
            };
            if self.hand_on(order).is_some() {
                return;
            }
            self.late.pop_front();
        }
    }

    /// Gives the order back when there is no room, or nobody to carry it out. What a thread had open ended with it.
    fn hand_on(&self, order: Order) -> Option<Order> {
        match self.orders.try_send(order) {
            Ok(()) | Err(TrySendError::Disconnected(Order::Shut { .. } | Order::Close { .. })) => None,
            Err(
                TrySendError::Full(order)
                | TrySendError::Disconnected(order @ (Order::Open { .. } | Order::Set { .. })),
            ) => Some(order),
        }
    }

    fn ring(&self) {
        if let Err(error) = self.bell.wake() {
            tracing::error!(%error, "a media thread cannot be woken; it looks for itself once a second");
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("threads", &self.lanes.len()).finish_non_exhaustive()
    }
}
