//! Our own ends of a call's streams: ports, and whether the relay listens there.
//!
//! Owns that each port taken goes back. Refuses to know descriptions. Read first: RFC 3550 §11.

use rand_core::RngCore;
use smallvec::SmallVec;

use super::refusal::Refusal;
use super::settings::LegSettings;
use crate::clock::Tick;
use crate::media::order::{Local, MediaId, MediaLeg, Order, STREAMS_MAX, Spot};
use crate::media::ports::{Lease, Ports, Taker};

/// What a step of a call takes from outside: ports, time, randomness.
pub struct Means<'a> {
    /// The ports of all calls.
    pub ports: &'a mut Ports,
    /// The time.
    pub now: Tick,
    /// The generator that keys and ports come from.
    pub random: &'a mut dyn RngCore,
}

impl std::fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").field("ports", &self.ports).field("now", &self.now).finish_non_exhaustive()
    }
}

/// Our end of one stream on one leg.
#[derive(Debug)]
pub(super) struct End {
    pub lease: Lease,
    open: Option<Shares>,
}

/// Whether RTCP shares the port of an end that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares(bool);

/// The ends of a call, by leg and stream.
#[derive(Debug)]
pub(super) struct Ends {
    media: MediaId,
    a: [Option<End>; STREAMS_MAX],
    b: [Option<End>; STREAMS_MAX],
}

/// Ends that were taken by one step.
pub(super) type Taken = SmallVec<[(MediaLeg, u8); 4]>;

impl Ends {
    pub const fn new(media: MediaId) -> Self {
        Self { media, a: [const { None }; STREAMS_MAX], b: [const { None }; STREAMS_MAX] }
    }

    const fn spot(&self, leg: MediaLeg, stream: u8) -> Spot {
        Spot { media: self.media, leg, stream }
    }

    const fn of(&mut self, leg: MediaLeg) -> &mut [Option<End>; STREAMS_MAX] {
        match leg {
            MediaLeg::A => &mut self.a,
            MediaLeg::B => &mut self.b,
        }
    }

    pub fn end(&self, leg: MediaLeg, stream: u8) -> Option<&End> {
        let ends = match leg {
            MediaLeg::A => &self.a,
            MediaLeg::B => &self.b,
        };
        ends.get(usize::from(stream)).and_then(Option::as_ref)
    }

    /// Takes ports for an end, unless it has some. What is taken is noted.
    pub fn ensure(
        &mut self,
        (leg, stream): (MediaLeg, u8),
        settings: &LegSettings,
        taken: &mut Taken,
        means: &mut Means<'_>,
    ) -> Result<(), Refusal> {
        let Some(place) = self.of(leg).get_mut(usize::from(stream)) else { return Err(Refusal::Mismatch) };
        if place.is_none() {
            let taker = if settings.help { Taker::Help } else { Taker::Usual };
            let lease = means.ports.take((settings.pool, taker), means.now, means.random);
            let lease = lease.ok_or(Refusal::Ports)?;
            *place = Some(End { lease, open: None });
            taken.push((leg, stream));
        }
        Ok(())
    }

    /// Opens an end, unless it is. `shares` says whether RTCP shares its port; `None` where that is not agreed yet. What is
    /// agreed otherwise than it was opened is opened anew.
    pub fn open(
        &mut self,
        (leg, stream): (MediaLeg, u8),
        settings: &LegSettings,
        shares: Option<bool>,
        ports: &Ports,
    ) -> Option<Order> {
        let spot = self.spot(leg, stream);
        let bind = ports.bind(settings.pool)?;
        let end = self.of(leg).get_mut(usize::from(stream))?.as_mut()?;
        let wanted = Shares(shares.unwrap_or(false));
        if end.open.is_some_and(|open| shares.is_none() || open == wanted) {
            return None;
        }
        end.open = Some(wanted);
        let rtcp = (!wanted.0).then(|| end.lease.rtcp());
        Some(Order::Open { spot, local: Local { bind, rtp: end.lease.rtp(), rtcp } })
    }

    /// Shuts an end that is open, and keeps its ports.
    pub fn shut(&mut self, (leg, stream): (MediaLeg, u8)) -> Option<Order> {
        let spot = self.spot(leg, stream);
        let end = self.of(leg).get_mut(usize::from(stream))?.as_mut()?;
        end.open.take().map(|_| Order::Shut { spot })
    }

    /// Shuts an end and gives its ports back.
    pub fn drop_end(&mut self, at: (MediaLeg, u8), means: &mut Means<'_>) -> Option<Order> {
        let order = self.shut(at);
        let (leg, stream) = at;
        if let Some(end) = self.of(leg).get_mut(usize::from(stream)).and_then(Option::take) {
            means.ports.give_back(end.lease, means.now);
        }
        order
    }

    /// The same for every end of a leg.
    pub fn drop_leg(&mut self, leg: MediaLeg, means: &mut Means<'_>) -> Vec<Order> {
        (0_u8..).zip(0..STREAMS_MAX).filter_map(|(stream, _)| self.drop_end((leg, stream), means)).collect()
    }
}
