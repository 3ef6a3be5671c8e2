//! The media of one call: its streams, by leg, and what is told of them.
//!
//! Owns which leg a packet crosses to, and how often strangers are told of. Refuses to know sockets.
//! Read first: `order.rs`; `side.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::guard::Trouble;
use super::shaking::Shaken;
use super::side::{Side, Silence, Strange, Taken};
use super::{Arrival, Cause, Departure, Verdict};
use crate::clock::Tick;
use crate::media::dtls::Identity;
use crate::media::order::{MediaId, MediaLeg, News, STREAMS_MAX, Spot, Terms};

/// Strangers are told of once in so long for a call.
const INTRUDERS_TOLD_EVERY: Duration = Duration::from_secs(10);
/// Both legs, in the order of their reports.
const LEGS: [MediaLeg; 2] = [MediaLeg::A, MediaLeg::B];

/// One stream: its two legs, each from its first sockets on.
#[derive(Debug, Default)]
struct Stream {
    a: Option<Side>,
    b: Option<Side>,
}

impl Stream {
    const fn side(&mut self, leg: MediaLeg) -> &mut Option<Side> {
        match leg {
            MediaLeg::A => &mut self.a,
            MediaLeg::B => &mut self.b,
        }
    }
}

/// The media of one call.
#[derive(Debug)]
pub struct Session {
    id: MediaId,
    identity: Option<Arc<Identity>>,
    streams: [Option<Box<Stream>>; STREAMS_MAX],
    intruders_told: Option<Tick>,
}

impl Session {
    /// Without any stream yet. Without an `identity` no handshake is had.
    #[must_use]
    pub fn new(id: MediaId, identity: Option<Arc<Identity>>) -> Self {
        Self { id, identity, streams: [const { None }; STREAMS_MAX], intruders_told: None }
    }

    /// A stream has sockets on one leg, one for both RTP and RTCP where it `shares_port`. Nothing passes before its terms stand.
    pub fn open(&mut self, leg: MediaLeg, stream: u8, shares_port: bool) {
        let Some(place) = self.streams.get_mut(usize::from(stream)) else { return };
        place.get_or_insert_default().side(leg).get_or_insert_with(Side::new).open(shares_port);
    }

    /// A stream has no sockets on one leg any more.
    pub fn shut(&mut self, leg: MediaLeg, stream: u8) {
        if let Some(side) = self.side(leg, stream) {
            side.shut();
        }
    }

    /// From now on these terms hold. Gives what must be told when nothing can pass under them. [`Self::shake`] is to be asked
    /// then: a handshake may begin with it.
    #[must_use]
    pub fn set(&mut self, now: Tick, spot: Spot, terms: Terms) -> Option<News> {
        let Self { identity, streams, .. } = self;
        let side = streams.get_mut(usize::from(spot.stream))?.as_mut()?.side(spot.leg).as_mut()?;
        match side.set(now, terms, identity.as_ref()) {
            Ok(()) => None,
            Err(Trouble::Failed(why)) => Some(News::Failed { spot, why }),
            Err(Trouble::Exhausted) => Some(News::Exhausted { spot }),
        }
    }

    /// Judges a packet that stands in the first `octets` of `buffer`; behind them is room for a trailer of
    /// [`TRAILER_OCTETS_MAX`](crate::media::srtp::TRAILER_OCTETS_MAX). What is to be sent stands in the same place.
    pub fn packet(&mut self, now: Tick, arrival: Arrival, buffer: &mut [u8], octets: usize) -> Verdict {
        let Arrival { stream, leg, port, source } = arrival;
        let stream = self.streams.get_mut(usize::from(stream)).and_then(Option::as_deref_mut);
        let Some(Stream { a, b }) = stream else { return Verdict::Drop(Cause::Early) };
        let (from, to) = match leg {
            MediaLeg::A => (a, b),
            MediaLeg::B => (b, a),
        };
        let Some(from) = from else { return Verdict::Drop(Cause::Early) };
        let taken = match from.take(now, port, source, buffer, octets) {
            Ok(taken) => taken,
            Err(cause) => return Verdict::Drop(cause),
        };
        if taken == Taken::Handshake {
            return Verdict::Shake;
        }
        let Some(to) = to else { return Verdict::Drop(Cause::Nowhere) };
        match to.give(leg.other(), taken, buffer) {
            Ok(departure) => Verdict::Send(departure),
            Err(cause) => {
                from.count(cause, source);
                Verdict::Drop(cause)
            }
        }
    }

    /// Tells what time brought: silences, keys that have served, strangers. To be called about once a second.
    pub fn tell(&mut self, now: Tick, mut told: impl FnMut(News)) {
        let media = self.id;
        let mut strange: Option<(Spot, Strange)> = None;
        let due = self.intruders_told.is_none_or(|at| now.since(at) >= INTRUDERS_TOLD_EVERY);
        for (index, stream) in (0_u8..).zip(&mut self.streams) {
            let Some(stream) = stream else { continue };
            for leg in LEGS {
                let alone = stream.side(leg.other()).as_ref().is_some_and(|side| side.was_heard_lately(now));
                let Some(side) = stream.side(leg) else { continue };
                let spot = Spot { media, leg, stream: index };
                match side.pass(now) {
                    Some(Silence::Began) => told(News::Silent { spot, alone }),
                    Some(Silence::Ended) => told(News::Heard { spot }),
                    None => {}
                }
                if side.wears_out() {
                    told(News::Exhausted { spot });
                }
                if due && let Some(more) = side.strange() {
                    side.forget_strange();
                    let before = strange.map_or(0, |(_, strange)| strange.packets);
                    let packets = before + more.packets;
                    strange = Some((spot, Strange { packets, ..more }));
                }
            }
        }
        if let Some((spot, strange)) = strange {
            self.intruders_told = Some(now);
            told(News::Intruder { spot, source: strange.source, packets: strange.packets });
        }
    }

    /// What handshakes have to say: what is to be sent, each with its stream, in `buffer`; what is to be told. Gives when it
    /// is to be asked again, if neither a packet nor other terms come before; `None` where no handshake wants to be.
    pub fn shake(
        &mut self,
        now: Tick,
        buffer: &mut [u8],
        mut send: impl FnMut(u8, Departure, &[u8]),
        mut told: impl FnMut(News),
    ) -> Option<Tick> {
        let media = self.id;
        let mut again: Option<Tick> = None;
        for (index, stream) in (0_u8..).zip(&mut self.streams) {
            let Some(stream) = stream else { continue };
            for leg in LEGS {
                let Some(side) = stream.side(leg) else { continue };
                while let Some(shaken) = side.shake(now, buffer) {
                    match shaken {
                        Shaken::Send { port, to, octets } => {
                            let packet = buffer.get(..octets).unwrap_or_default();
                            send(index, Departure { leg, port, to, octets }, packet);
                        }
                        Shaken::Failed(why) => {
                            let spot = Spot { media, leg, stream: index };
                            told(News::Unproven { spot, why });
                        }
                        Shaken::Keyed { .. } | Shaken::Stranger(_) => {}
                    }
                }
                again = [again, side.wakes()].into_iter().flatten().min();
            }
        }
        again
    }

    /// What was counted of every stream that had both legs.
    #[must_use]
    pub fn report(&self) -> News {
        let media = self.id;
        let mut streams = Vec::new();
        for (index, stream) in (0_u8..).zip(&self.streams) {
            let Some(Stream { a: Some(a), b: Some(b) }) = stream.as_deref() else { continue };
            streams.push(a.told(Spot { media, leg: MediaLeg::A, stream: index }));
            streams.push(b.told(Spot { media, leg: MediaLeg::B, stream: index }));
        }
        News::Report { media, streams }
    }

    fn side(&mut self, leg: MediaLeg, stream: u8) -> Option<&mut Side> {
        self.streams.get_mut(usize::from(stream))?.as_mut()?.side(leg).as_mut()
    }
}
