//! The media relay: its own threads, their sockets, and the orders and news between them and the loop of signalling.
//!
//! Owns the threads and both channels. The loop never waits for a thread, nor a thread for the loop: each channel is
//! bounded, and what happens when it is full is said where it is sent to. Refuses to know calls, SDP and policy.
//! Read first: `media/order.rs`; `media/stream`; `worker.rs`.

mod certificate;
mod socket;
mod table;
mod wait;
mod worker;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use certificate::certificate;

use crate::clock::Clock;
use crate::media::dtls::Identity;
use crate::media::order::{MediaId, News, Order, Spot};
use wait::{Bell, Wait};
use worker::Worker;

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
    /// Sockets beside those, of all threads: one more for a stream that goes to one address for a while, which makes its packets
    /// cheaper. Default 2,000; zero: never.
    pub twins_max: usize,
    /// While packets come this fast one behind the other, they gather for so long and are taken at once; each waits half
    /// of it on average. Zero: never. Default 1 ms.
    pub gather: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threads: 1, sockets_max: 4_000, twins_max: 2_000, gather: Duration::from_millis(1) }
    }
}

/// Called by a thread when there is news to be taken.
pub type Ring = Arc<dyn Fn() + Send + Sync>;

/// The loop's end of the relay.
pub struct Relay {
    lanes: Vec<Lane>,
    /// `None` once it ends.
    news: Option<Receiver<News>>,
    /// Of orders that found no room, or no thread.
    refused: VecDeque<News>,
}

/// The way to one thread.
struct Lane {
    orders: SyncSender<Order>,
    bell: Bell,
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
    /// Starts the threads. Who we are in handshakes is the `identity`, as [`certificate`] makes it with the same clock; without
    /// one, terms that want DTLS are refused with [`News::Failed`].
    ///
    /// # Errors
    /// When the system gives no thread or no poll.
    pub fn start(
        settings: &Settings,
        identity: Option<&Arc<Identity>>,
        clock: Clock,
        ring: &Ring,
    ) -> io::Result<Self> {
        let threads = settings.threads.max(1);
        let (sender, news) = sync_channel(NEWS_MAX);
        let mut lanes = Vec::with_capacity(threads);
        for number in 0..threads {
            let wait = Wait::new()?;
            let bell = wait.bell()?;
            let (orders, receiver) = sync_channel(ORDERS_MAX);
            let (ring, identity) = (Arc::clone(ring), identity.cloned());
            let worker = Worker::new(wait, clock, receiver, sender.clone(), ring, settings, identity)?;
            let thread =
                thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.run())?;
            lanes.push(Lane { orders, bell, late: VecDeque::new(), thread });
        }
        Ok(Self { lanes, news: Some(news), refused: VecDeque::new() })
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
        if !lane.order(order, &mut self.refused)
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
                lane.catch_up(&mut self.refused);
                lane.ring();
            }
        }
        if let Some(news) = self.refused.pop_front() {
            return Some(news);
        }
        self.news.as_ref()?.try_recv().ok()
    }

    /// Whether something waits to be handed on: [`Relay::news`] is to be called again soon.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.refused.is_empty() || self.lanes.iter().any(|lane| !lane.late.is_empty())
    }

    /// Ends the threads and closes every socket; so does dropping it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // First: a thread whose news nobody takes carries out no order, and would not see that there are no more.
        drop(self.news.take());
        for lane in std::mem::take(&mut self.lanes) {
            let Lane { orders, bell, late: _, thread } = lane;
            drop(orders);
            if let Err(error) = bell.ring() {
                tracing::error!(%error, "a media thread cannot be woken to end; it ends with the process");
            } else if thread.join().is_err() {
                tracing::error!("a media thread had ended by a panic");
            }
        }
    }
}

impl Lane {
    /// False when an order that opens or sets found no room or no thread.
    fn order(&mut self, order: Order, told: &mut VecDeque<News>) -> bool {
        self.catch_up(told);
        let left = if self.late.is_empty() { self.hand_on(order, told) } else { Some(order) };
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

    fn catch_up(&mut self, told: &mut VecDeque<News>) {
        while let Some(late) = self.late.front() {
            let order = match late {
                Late::Shut(spot) => Order::Shut { spot: *spot },
                Late::Close(media) => Order::Close { media: *media },
            };
            if self.hand_on(order, told).is_some() {
                return;
            }
            self.late.pop_front();
        }
    }

    /// Gives the order back when there is no room, or nobody to carry it out. What a thread had open ended with it, and
    /// what it counted too: of a call that is closed then nothing is reported, and that is told.
    fn hand_on(&self, order: Order, told: &mut VecDeque<News>) -> Option<Order> {
        match self.orders.try_send(order) {
            Ok(()) | Err(TrySendError::Disconnected(Order::Shut { .. })) => None,
            Err(TrySendError::Disconnected(Order::Close { media })) => {
                tracing::error!(
                    "a media thread has ended: its calls have no media, and nothing is reported of them"
                );
                told.push_back(News::Report { media, streams: Vec::new() });
                None
            }
            Err(
                TrySendError::Full(order)
                | TrySendError::Disconnected(order @ (Order::Open { .. } | Order::Set { .. })),
            ) => Some(order),
        }
    }

    fn ring(&self) {
        if let Err(error) = self.bell.ring() {
            tracing::error!(%error, "a media thread cannot be woken; it looks for itself once a second");
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("threads", &self.lanes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::media::order::{Local, MediaLeg};

    /// A relay whose one thread does as it is told, with so much room for news.
    fn rig(
        news_max: usize,
        run: impl FnOnce(Receiver<Order>, SyncSender<News>, Wait) + Send + 'static,
    ) -> Relay {
        let wait = Wait::new().unwrap();
        let bell = wait.bell().unwrap();
        let ((orders, receiver), (sender, news)) = (sync_channel(ORDERS_MAX), sync_channel(news_max));
        let thread = thread::spawn(move || run(receiver, sender, wait));
        let lanes = vec![Lane { orders, bell, late: VecDeque::new(), thread }];
        Relay { lanes, news: Some(news), refused: VecDeque::new() }
    }

    const SPOT: Spot = Spot { media: MediaId(7), leg: MediaLeg::A, stream: 0 };

    #[test]
    fn a_thread_that_ended_is_told_of_by_every_order_that_wants_an_answer() {
        let mut relay = rig(1, |orders, _, _| drop(orders));
        while !relay.lanes[0].thread.is_finished() {
            thread::yield_now();
        }
        let local = Local { bind: IpAddr::from([127, 0, 0, 1]), rtp: 40_000, rtcp: None };
        relay.order(Order::Open { spot: SPOT, local });
        assert!(matches!(relay.news(), Some(News::Failed { spot: SPOT, .. })));
        relay.order(Order::Shut { spot: SPOT });
        assert!(relay.news().is_none());
        relay.order(Order::Close { media: SPOT.media });
        let news = relay.news();
        assert!(
            matches!(&news, Some(News::Report { media, streams }) if *media == SPOT.media && streams.is_empty())
        );
        assert!(relay.news().is_none());
    }

    #[test]
    fn a_relay_whose_news_nobody_took_ends_and_so_does_one_that_is_dropped() {
        for stops in [true, false] {
            let (ended, end) = std::sync::mpsc::channel();
            let mut relay = rig(1, move |orders, news, wait| {
                let (ring, settings): (Ring, _) = (Arc::new(|| {}), Settings::default());
                let worker = Worker::new(wait, Clock::start(), orders, news, ring, &settings, None);
                worker.unwrap().run();
                ended.send(()).unwrap_or_default();
            });
            // An address that is nobody's here: three failures, and room for one.
            let local = Local { bind: IpAddr::from([192, 0, 2, 1]), rtp: 40_000, rtcp: None };
            for _ in 0..3 {
                relay.order(Order::Open { spot: SPOT, local });
            }
            thread::sleep(Duration::from_millis(100));
            thread::spawn(move || if stops { relay.stop() } else { drop(relay) });
            assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok(()), "stops: {stops}");
        }
    }
}
