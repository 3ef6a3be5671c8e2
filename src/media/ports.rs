//! The ports that media may use, and who has which.
//!
//! Owns that no port is out twice, that one that comes back rests before it goes out again (late packets of the call
//! before are nobody's), and that nobody can tell which is next. Refuses to know sockets and calls.
//! Read first: RFC 3550 §11; RFC 5761 §5.1; RFC 6056 §3.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand_core::RngCore;

use crate::clock::Tick;

/// Ports of one lease.
const LEASE_PORTS: usize = 2;

/// One pair in so many of a pool, and one at least, goes to emergency calls alone; the only pair of a pool is not kept.
const KEPT_SHARE: usize = 64;

/// Who takes ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// A call like any other.
    Usual,
    /// A call for help in danger to life: it takes what is kept for such, and where that is out, what rests still. Late packets
    /// of the call before are worth less than a call that cannot be made.
    Help,
}

/// One pool of [`Ports`], by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolId(pub u8);

/// The two ports that one stream has on one leg, whether RTCP shares the first of them or not: a peer that shares may stop
/// with any later offer. They go back with [`Ports::give_back`]; dropped, they are lost.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "ports go back to their pool"]
pub struct Lease {
    pool: PoolId,
    rtp: u16,
}

impl Lease {
    /// The port for RTP, an even one.
    #[must_use]
    pub const fn rtp(&self) -> u16 {
        self.rtp
    }

    /// The port for RTCP, the next one (RFC 3550 §11).
    #[must_use]
    pub const fn rtcp(&self) -> u16 {
        // The lower one of a pair is even, so there is one above it.
        self.rtp + 1
    }
}

/// The pools of all addresses that media is received at.
#[derive(Debug)]
pub struct Ports {
    pools: Vec<Pool>,
    rest: Duration,
}

/// The ports of one address.
#[derive(Debug)]
struct Pool {
    bind: IpAddr,
    /// The even ones of pairs of which both are free.
    pairs: Vec<u16>,
    /// How many of them are kept for emergencies.
    kept: usize,
    /// What came back, and since when it is free again; the oldest first.
    resting: VecDeque<(Tick, Lease)>,
    /// Ports that are out.
    out: usize,
}

impl Ports {
    /// Pools of these addresses and ranges; what comes back rests for so long. A half pair at an end is left out.
    /// Ranges of one address that overlap are one caller's error: the second begins where the first is full.
    #[must_use]
    pub fn new(pools: &[(IpAddr, RangeInclusive<u16>)], rest: Duration) -> Self {
        let pools = pools.iter().map(|(bind, range)| Pool::new(*bind, range)).collect();
        Self { pools, rest }
    }

    /// The address of a pool.
    #[must_use]
    pub fn bind(&self, pool: PoolId) -> Option<IpAddr> {
        self.pools.get(usize::from(pool.0)).map(|pool| pool.bind)
    }

    /// Ports that are out, of all pools.
    #[must_use]
    pub fn out(&self) -> usize {
        self.pools.iter().map(|pool| pool.out).sum()
    }

    /// Takes ports out of a pool, any of the free ones; `None` where none is free for that taker, or there is no such pool.
    pub fn take(
        &mut self,
        (pool, taker): (PoolId, Taker),
        now: Tick,
        random: &mut dyn RngCore,
    ) -> Option<Lease> {
        let found = self.pools.get_mut(usize::from(pool.0))?;
        found.wake(now);
        let rtp = match taker {
            Taker::Usual if found.pairs.len() <= found.kept => None,
            Taker::Usual => drawn(&mut found.pairs, random),
            // The one that has rested longest.
            Taker::Help => drawn(&mut found.pairs, random)
                .or_else(|| found.resting.pop_front().map(|(_, lease)| lease.rtp)),
        }?;
        found.out += LEASE_PORTS;
        Some(Lease { pool, rtp })
    }

    /// Takes ports back; they rest before they go out again.
    pub fn give_back(&mut self, lease: Lease, now: Tick) {
        let free = now.after(self.rest);
        if let Some(pool) = self.pools.get_mut(usize::from(lease.pool.0)) {
            pool.out = pool.out.saturating_sub(LEASE_PORTS);
            pool.resting.push_back((free, lease));
        }
    }
}

impl Pool {
    fn new(bind: IpAddr, range: &RangeInclusive<u16>) -> Self {
        // Port 0 is none, and the upper one of a pair must be within too.
        let even = |port: &u16| port.is_multiple_of(2) && *port != 0;
        let pairs: Vec<u16> = range.clone().filter(even).filter(|port| range.contains(&(port + 1))).collect();
        let kept = if pairs.len() > 1 { pairs.len().div_ceil(KEPT_SHARE) } else { 0 };
        Self { bind, pairs, kept, resting: VecDeque::new(), out: 0 }
    }

    /// What has rested is free.
    fn wake(&mut self, now: Tick) {
        while self.resting.front().is_some_and(|(free, _)| *free <= now) {
            let Some((_, lease)) = self.resting.pop_front() else { return };
            self.pairs.push(lease.rtp);
        }
    }
}

/// Takes any of them out.
fn drawn(free: &mut Vec<u16>, random: &mut dyn RngCore) -> Option<u16> {
    let count = u64::try_from(free.len()).ok().filter(|count| *count > 0)?;
    // Below 2^16 of 2^64: the modulo favours none that anybody could notice.
    let at = usize::try_from(random.next_u64() % count).ok()?;
    Some(free.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    use super::*;

    const REST: Duration = Duration::from_secs(5);
    const POOL: (PoolId, Taker) = (PoolId(0), Taker::Usual);
    const HELP: (PoolId, Taker) = (PoolId(0), Taker::Help);

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn ports(range: RangeInclusive<u16>) -> Ports {
        Ports::new(&[(IpAddr::from([127, 0, 0, 1]), range)], REST)
    }

    fn random(seed: u8) -> ChaCha12Rng {
        ChaCha12Rng::from_seed([seed; 32])
    }

    #[test]
    fn a_pool_has_the_pairs_of_its_range_and_none_when_they_are_out() {
        let rows = [
            (20_000..=20_003, 2),
            (20_001..=20_004, 1),
            (20_001..=20_002, 0),
            (65_534..=65_535, 1),
            (0..=3, 1),
        ];
        for (range, pairs) in rows {
            let (mut ports, mut random) = (ports(range.clone()), random(1));
            let taken: Vec<_> = std::iter::from_fn(|| ports.take(HELP, at(0), &mut random)).collect();
            assert_eq!((taken.len(), ports.out()), (pairs, 2 * pairs), "{range:?}");
            for lease in taken {
                assert!(lease.rtp().is_multiple_of(2) && range.contains(&lease.rtp()));
                assert!(lease.rtcp() == lease.rtp() + 1 && range.contains(&lease.rtcp()));
                ports.give_back(lease, at(0));
            }
            assert_eq!(ports.out(), 0);
        }
        assert_eq!(ports(20_000..=20_001).take((PoolId(1), Taker::Help), at(0), &mut random(1)), None);
        assert_eq!(
            (ports(2..=3).bind(POOL.0), ports(2..=3).bind(PoolId(1))),
            (Some([127, 0, 0, 1].into()), None)
        );
    }

    #[test]
    fn what_comes_back_rests_before_it_goes_out_again() {
        let (mut ports, mut random) = (ports(20_000..=20_001), random(2));
        let lease = ports.take(POOL, at(0), &mut random).unwrap();
        ports.give_back(lease, at(10));
        assert_eq!(ports.take(POOL, at(14), &mut random), None);
        let lease = ports.take(POOL, at(15), &mut random).unwrap();
        assert_eq!(ports.out(), 2);
        ports.give_back(lease, at(15));
    }

    #[test]
    fn an_emergency_has_a_pair_kept_and_takes_one_that_rests_rather_than_none() {
        for (range, kept) in
            [(20_000..=20_003, 1), (20_000..=20_127, 1), (20_000..=20_129, 2), (20_000..=20_001, 0)]
        {
            let (mut ports, mut random) = (ports(range.clone()), random(3));
            let mut usual: Vec<_> = std::iter::from_fn(|| ports.take(POOL, at(0), &mut random)).collect();
            let pairs = range.count() / 2;
            assert_eq!(usual.len(), pairs - kept, "{pairs}");
            let mut help: Vec<_> = std::iter::from_fn(|| ports.take(HELP, at(0), &mut random)).collect();
            assert_eq!(help.len(), kept, "{pairs}");
            // All are out. What comes back rests, but for an emergency; what is kept is filled first.
            let first = usual.remove(0);
            let port = first.rtp();
            ports.give_back(first, at(1));
            assert_eq!(ports.take(POOL, at(2), &mut random), None);
            let lease = ports.take(HELP, at(2), &mut random).unwrap();
            assert_eq!(lease.rtp(), port);
            ports.give_back(lease, at(2));
            assert_eq!(ports.take(POOL, at(20), &mut random).is_some(), kept == 0, "{pairs}");
            usual.append(&mut help);
            usual.into_iter().for_each(|lease| ports.give_back(lease, at(20)));
        }
    }

    #[test]
    fn the_next_port_cannot_be_told_from_the_one_before() {
        let mut steps = BTreeSet::new();
        for seed in 0..64 {
            let (mut ports, mut random) = (ports(20_000..=29_999), random(seed));
            let mut port = || ports.take(POOL, at(0), &mut random).unwrap().rtp();
            steps.insert(i32::from(port()) - i32::from(port()));
        }
        assert!(steps.len() > 60, "{steps:?}");
    }

    proptest! {
        #[test]
        fn ports_out_are_those_of_live_calls(
            seed: u8,
            steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>(), 0_u64..3), 1..200),
        ) {
            let (mut ports, mut random, mut seconds) = (ports(20_000..=20_015), random(seed), 0);
            let mut live: Vec<Lease> = Vec::new();
            let mut back: Vec<(u16, u64)> = Vec::new();
            for (step, which, pause) in steps {
                seconds += pause;
                if step < 3 {
                    if let Some(lease) = ports.take(POOL, at(seconds), &mut random) {
                        for port in [lease.rtp(), lease.rtcp()] {
                            let rested = |(other, since): &(u16, u64)| *other != port || since + 5 <= seconds;
                            prop_assert!(back.iter().all(rested), "{} did not rest", port);
                        }
                        live.push(lease);
                    }
                } else if !live.is_empty() {
                    let lease = live.swap_remove(which.index(live.len()));
                    let both = [lease.rtp(), lease.rtcp()].into_iter();
                    back.extend(both.map(|port| (port, seconds)));
                    ports.give_back(lease, at(seconds));
                }
                let out: Vec<u16> =
                    live.iter().flat_map(|lease| [lease.rtp(), lease.rtcp()]).collect();
                let distinct: BTreeSet<u16> = out.iter().copied().collect();
                prop_assert_eq!((out.len(), distinct.len()), (ports.out(), ports.out()));
                prop_assert!(distinct.iter().all(|port| (20_000..=20_015).contains(port)));
            }
            for lease in live {
                ports.give_back(lease, at(seconds));
            }
            prop_assert_eq!(ports.out(), 0);
            // All of it is whole again, however it was cut.
            let pairs = std::iter::from_fn(|| ports.take(HELP, at(seconds + 5), &mut random)).count();
            prop_assert_eq!(pairs, 8);
        }
    }
}
