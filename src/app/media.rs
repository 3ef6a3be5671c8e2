//! The media relay beside the loop: its start, its bell, and how much of its news one turn takes.
//!
//! Owns the relay while the loop runs. Refuses to know what an order or news means. Read first: `net/relay`; `turn.rs`.

use std::net::UdpSocket;
use std::sync::Arc;

use mio::Waker;

use crate::clock::Clock;
use crate::media::order::Fingerprint;
use crate::media::order::{News, Order};
use crate::net::relay::{Relay, Ring, Settings, certificate};
use crate::policy::media::SiteMedia;

/// News of one turn; the rest waits for the next, so that messages are not held up.
pub const NEWS_PER_TURN: usize = 256;

/// The relay, where media is anchored.
#[derive(Debug, Default)]
pub struct Media {
    relay: Option<Relay>,
    /// What our certificate hashes to, for the engine to tell.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the last turn took as much news as one takes: there may be more.
    more: bool,
    taken: usize,
}

impl Media {
    /// Starts it. Its threads ring the loop's own bell, and open so many sockets at most that only make packets cheaper.
    ///
    /// # Errors
    /// One sentence with the cure, where the system has no thread for it, or not the addresses.
    pub fn start(
        site: &SiteMedia,
        twins_max: usize,
        clock: Clock,
        waker: &Arc<Waker>,
    ) -> Result<Self, String> {
        for (side, place) in [("inside", &site.inside), ("outside", &site.outside)] {
            // A port that is free now may be taken by the time of a call; an address that is not there now is a mistake.
            UdpSocket::bind((place.address, 0)).map_err(|error| {
                format!(
                    "media.{side}: no socket can be bound to {}: {error}; write an address of this machine (`ip addr`)",
                    place.address
                )
            })?;
        }
        let waker = Arc::clone(waker);
        let ring: Ring = Arc::new(move || {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "the loop cannot be woken for news of media; it hears of it with the next message");
            }
        });
        let settings = Settings { sockets_max: site.ports_max(), twins_max, ..Settings::default() };
        let identity = Arc::new(certificate(clock)?);
        let relay = Relay::start(&settings, Some(&identity), clock, &ring)
            .map_err(|error| format!("the system gives no thread for media: {error}"))?;
        let fingerprint = Some(identity.fingerprint().clone());
        Ok(Self { relay: Some(relay), fingerprint, more: false, taken: 0 })
    }

    /// Hands on an order, without waiting.
    pub fn order(&mut self, order: Order) {
        match &mut self.relay {
            Some(relay) => relay.order(order),
            // The engine makes orders only where its policy anchors media, and that is fixed at the start, as this is.
            None => debug_assert!(false, "an order without a relay: {order:?}"),
        }
    }

    /// The next news, if there is any and this turn takes more.
    pub fn news(&mut self) -> Option<News> {
        let news = self.relay.as_mut().and_then(Relay::news);
        self.taken = if news.is_some() { self.taken + 1 } else { 0 };
        self.more = self.taken >= NEWS_PER_TURN;
        if self.more {
            self.taken = 0;
        }
        news
    }

    /// Whether a turn left news behind.
    pub const fn has_more(&self) -> bool {
        self.more
    }

    /// Whether something waits for a thread that has no room: news is to be asked for again soon.
    pub fn is_behind(&self) -> bool {
        self.relay.as_ref().is_some_and(Relay::is_behind)
    }

    /// Ends its threads and closes every socket.
    pub fn stop(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.stop();
        }
    }
}
