//! Gauges that live calls hold, and the reservations that give them back when dropped.
//!
//! Owns the counts. Refuses to know limits beyond the one it is handed, and who holds a reservation.
//! Read first: DESIGN.md §1, laws 5 and 6.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use super::Policy;
use super::peer::{PeerId, SiteId};

/// What a decision asks the engine to reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charge {
    /// One call of this peer.
    Call(PeerId),
    /// One call's place on the trunks of this site.
    Channel(SiteId),
}

/// A gauge was at its limit, or nobody knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Which.
    pub charge: Charge,
    /// What it held.
    pub value: u32,
    /// What it may hold.
    pub limit: u32,
}

/// Units of gauges (a call's places on one leg); dropping it gives each unit back, exactly once.
#[derive(Debug)]
pub struct Reservation(SmallVec<[Arc<AtomicU32>; 2]>);

impl Reservation {
    /// Holds what both held.
    #[must_use]
    pub fn with(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }

    /// A reservation of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(SmallVec::new())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for gauge in &self.0 {
            gauge.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
struct Gauge {
    name: Arc<str>,
    held: Arc<AtomicU32>,
}

/// All gauges, keyed by ids that keep their names for the life of the process, so that they survive a reload.
#[derive(Debug, Default)]
pub struct Counters {
    calls: Vec<Option<Gauge>>,
    channels: Vec<Option<Gauge>>,
}

impl Counters {
    /// Gauges for every name of a policy. Live calls of a name that is gone keep their gauge.
    /// Called at the start and at each reload, before the policy judges anything.
    pub fn follow(&mut self, policy: &Policy) {
        for peer in policy.peers.iter().flatten() {
            grow(&mut self.calls, usize::from(peer.id.0), &peer.name);
        }
        for site in &policy.sites {
            grow(&mut self.channels, usize::from(site.id.0), &site.name);
        }
    }

    fn gauge(&self, charge: Charge) -> Option<&Gauge> {
        match charge {
            Charge::Call(PeerId(id)) => self.calls.get(usize::from(id))?.as_ref(),
            Charge::Channel(SiteId(id)) => self.channels.get(usize::from(id))?.as_ref(),
        }
    }

    /// What a gauge holds now; 0 for one nobody knows.
    #[must_use]
    pub fn held(&self, charge: Charge) -> u32 {
        self.gauge(charge).map_or(0, |gauge| gauge.held.load(Ordering::Relaxed))
    }

    /// Whether one more unit would fit under `limit`.
    pub fn fits(&self, charge: Charge, limit: u32) -> Result<(), Full> {
        let value = self.held(charge);
        if self.gauge(charge).is_some() && value < limit {
            Ok(())
        } else {
            Err(Full { charge, value, limit })
        }
    }

    /// Takes one unit, never past `limit`. An unknown gauge is full: what cannot be counted is refused.
    pub fn reserve(&self, charge: Charge, limit: u32) -> Result<Reservation, Full> {
        let Some(gauge) = self.gauge(charge) else {
            return Err(Full { charge, value: 0, limit });
        };
        let more = |held: u32| if held < limit { held.checked_add(1) } else { None };
        match gauge.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Reservation(SmallVec::from_iter([Arc::clone(&gauge.held)]))),
            Err(value) => Err(Full { charge, value, limit }),
        }
    }

    /// Every gauge that holds something: `peer NAME` or `site NAME`, and how much.
    pub fn gauges(&self) -> impl Iterator<Item = (String, u32)> {
        let peers = self.calls.iter().flatten().map(|gauge| ("peer", gauge));
        let sites = self.channels.iter().flatten().map(|gauge| ("site", gauge));
        peers.chain(sites).filter_map(|(kind, gauge)| {
            let held = gauge.held.load(Ordering::Relaxed);
            (held > 0).then(|| (format!("{kind} {}", gauge.name), held))
        })
    }
}

fn grow(gauges: &mut Vec<Option<Gauge>>, id: usize, name: &Arc<str>) {
    if gauges.len() <= id {
        gauges.resize_with(id + 1, || None);
    }
    if let Some(slot @ None) = gauges.get_mut(id) {
        *slot = Some(Gauge { name: Arc::clone(name), held: Arc::default() });
    }
}
