//! Gauges that live calls hold, and the reservations that give them back when dropped.
//!
//! Owns the counts. Refuses to know limits beyond the one it is handed, and who holds a reservation.
//! Read first: DESIGN.md §1, laws 5 and 6.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use super::Policy;
use super::detect::{Detect, Note};
use super::keyed::{Key, Keyed};
use super::ledger::Ledger;
use super::meter::Meter;
use super::peer::{PeerId, SiteId};
use super::suspended::Suspensions;
use crate::clock::Tick;

/// What a decision asks the engine to reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Charge {
    /// One call of this peer.
    Call(PeerId),
    /// One call's place on the trunks of this site.
    Channel(SiteId),
    /// One call of whom the key names, for as long as it lives.
    Held(Key),
    /// One call of whom the key names that begins now; it is not given back.
    Began(Key, Tick),
    /// What a detector remembers of the call; it is not given back.
    Noted(Note),
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

/// One unit of a gauge, given back when it is dropped.
#[derive(Debug)]
struct Unit(Arc<AtomicU32>);

impl Drop for Unit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who holds a unit.
#[derive(Debug)]
enum Held {
    /// One holder, as nearly always.
    Alone(Unit),
    /// Several of one call; the last one gives it back.
    Together(Arc<Unit>),
}

impl Held {
    fn is_of(&self, gauge: &Arc<AtomicU32>) -> bool {
        match self {
            Self::Alone(unit) => Arc::ptr_eq(&unit.0, gauge),
            Self::Together(unit) => Arc::ptr_eq(&unit.0, gauge),
        }
    }
}

/// Units of gauges (a call's places on one leg); dropping it gives each unit back, exactly once.
#[derive(Debug)]
pub struct Reservation {
    units: SmallVec<[Held; 2]>,
    /// What runs while the call is up; nearly always none or one.
    meters: Option<Box<SmallVec<[Meter; 1]>>>,
}

impl Reservation {
    /// Holds what both held.
    #[must_use]
    pub fn with(mut self, mut other: Self) -> Self {
        self.units.append(&mut other.units);
        match (&mut self.meters, other.meters.take()) {
            (Some(meters), Some(mut others)) => meters.append(&mut others),
            (meters @ None, others) => *meters = others,
            (Some(_), None) => {}
        }
        self
    }

    /// A reservation of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(SmallVec::new())
    }

    fn of(units: SmallVec<[Held; 2]>) -> Self {
        Self { units, meters: None }
    }

    /// Holds what the meter draws on, too.
    #[must_use]
    pub fn metered(mut self, meter: Meter) -> Self {
        self.meters.get_or_insert_default().push(meter);
        self
    }

    /// What runs while the call is up.
    pub fn meters(&mut self) -> impl Iterator<Item = &mut Meter> {
        self.meters.iter_mut().flat_map(|meters| meters.iter_mut())
    }

    /// The meters alone, for a leg that goes on without the call that it was made in.
    #[must_use]
    pub fn take_meters(&mut self) -> Self {
        Self { units: SmallVec::new(), meters: self.meters.take() }
    }

    /// A second holder of the same units: they are given back when both are dropped.
    #[must_use]
    pub fn share(self) -> (Self, Self) {
        let meters = self.meters;
        let units = self.units.into_iter().map(|held| match held {
            Held::Alone(unit) => Arc::new(unit),
            Held::Together(unit) => unit,
        });
        let (one, other) =
            units.map(|unit| (Held::Together(Arc::clone(&unit)), Held::Together(unit))).unzip();
        (Self { units: one, meters }, Self::of(other))
    }

    /// The unit of a gauge, if it is one of those that may be shared.
    fn shared(&self, gauge: &Arc<AtomicU32>) -> Option<Self> {
        self.units.iter().find(|held| held.is_of(gauge)).and_then(|held| match held {
            Held::Alone(_) => None,
            Held::Together(unit) => Some(Self::of(SmallVec::from_iter([Held::Together(Arc::clone(unit))]))),
        })
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
    /// What is counted by numbers.
    pub keyed: Keyed,
    /// What is counted for caps.
    pub ledger: Ledger,
    /// What is suspended by order.
    pub suspensions: Suspensions,
    /// What detectors remember.
    pub detect: Detect,
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

    /// Counts whose keys nobody outside can work out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { keyed: Keyed::new(seed), ledger: Ledger::new(seed.rotate_left(32)), ..Self::default() }
    }

    fn gauge(&self, charge: Charge) -> Option<&Arc<AtomicU32>> {
        match charge {
            Charge::Call(PeerId(id)) => Some(&self.calls.get(usize::from(id))?.as_ref()?.held),
            Charge::Channel(SiteId(id)) => Some(&self.channels.get(usize::from(id))?.as_ref()?.held),
            Charge::Held(_) | Charge::Began(..) | Charge::Noted(_) => None,
        }
    }

    /// What a gauge holds now; 0 for one nobody knows.
    #[must_use]
    pub fn held(&self, charge: Charge) -> u32 {
        match charge {
            Charge::Call(_) | Charge::Channel(_) => {
                self.gauge(charge).map_or(0, |gauge| gauge.load(Ordering::Relaxed))
            }
            Charge::Held(key) => self.keyed.held(key),
            Charge::Began(key, now) => self.keyed.lately(key, now),
            Charge::Noted(_) => 0,
        }
    }

    /// Whether one more unit would fit under `limit`.
    pub fn fits(&self, charge: Charge, limit: u32) -> Result<(), Full> {
        let known = match charge {
            Charge::Call(_) | Charge::Channel(_) => self.gauge(charge).is_some(),
            Charge::Held(_) | Charge::Began(..) | Charge::Noted(_) => true,
        };
        let value = self.held(charge);
        if known && value < limit { Ok(()) } else { Err(Full { charge, value, limit }) }
    }

    /// Takes one unit, never past `limit`. An unknown gauge is full: what cannot be counted is refused.
    /// A unit that the same call holds already, and shares, is not taken again: a limit counts calls.
    pub fn reserve(&mut self, charge: Charge, limit: u32, holds: &Reservation) -> Result<Reservation, Full> {
        let gauge = match charge {
            Charge::Call(_) | Charge::Channel(_) => self.gauge(charge).map(Arc::clone),
            Charge::Held(key) => self.keyed.gauge(key),
            Charge::Began(key, now) => {
                self.fits(charge, limit)?;
                self.keyed.count(key, now);
                return Ok(Reservation::empty());
            }
            Charge::Noted(note) => {
                self.detect.note(note);
                return Ok(Reservation::empty());
            }
        };
        let Some(gauge) = gauge else { return Err(Full { charge, value: 0, limit }) };
        if let Some(unit) = holds.shared(&gauge) {
            return Ok(unit);
        }
        let more = |held: u32| if held < limit { held.checked_add(1) } else { None };
        match gauge.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Reservation::of(SmallVec::from_iter([Held::Alone(Unit(gauge))]))),
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

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Charge = Charge::Channel(SiteId(0));

    /// A call that turns from one target to another may have an INVITE alive at both, and is one call all the same.
    #[test]
    fn c8_a_call_at_two_targets_takes_one_place_until_it_left_both() {
        let mut counters = Counters::default();
        grow(&mut counters.channels, 0, &Arc::from("office"));
        let nothing = Reservation::empty();
        let first = counters.reserve(PLACE, 1, &nothing).unwrap();
        assert!(counters.reserve(PLACE, 1, &first).is_err(), "what was not shared is held by one");
        let (first, holds) = first.share();
        let second = counters.reserve(PLACE, 1, &holds).unwrap();
        drop(holds);
        assert_eq!(counters.held(PLACE), 1);
        assert!(counters.reserve(PLACE, 1, &nothing).is_err(), "another call");
        drop(first);
        assert_eq!(counters.held(PLACE), 1);
        drop(second);
        assert_eq!(counters.held(PLACE), 0);
    }
}
