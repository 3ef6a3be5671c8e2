//! The buckets of one peer: how often it may ask for something new, and how often somebody may who says it is that peer.
//!
//! Owns which of them a request is charged to, and what each holds. Refuses to know what proves a password.
//! Read first: attack rows A4, A10; DESIGN.md §1, laws 7 and 9.

use super::{Rate, SECOND};
use crate::clock::Tick;

/// Requests a second of one peer that may be answered by a challenge, over datagrams and over streams each, where its
/// `requests_per_second` is not larger. Such an answer costs no memory and is no longer than what it answers; whoever forges a
/// peer's address must send as many before that peer itself is asked no more.
pub const CHALLENGES_PER_SECOND_MAX: u32 = 1_000;

/// Which bucket of a peer a request is charged to. `shown` says whether its source is surely its own, as a stream's is by the
/// handshake of TCP: no datagram with a forged source spends anything of what streams have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The peer's own: it must prove nothing, or has proven it.
    Own,
    /// What proves nothing where its peer must, and is refused.
    Unproven {
        /// Over a stream.
        shown: bool,
    },
    /// What is answered by a challenge, or is an OPTIONS: without memory, and with no more octets than it brought.
    Asked {
        /// Over a stream.
        shown: bool,
    },
}

impl Charged {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Own,
        Self::Unproven { shown: false },
        Self::Unproven { shown: true },
        Self::Asked { shown: false },
        Self::Asked { shown: true },
    ];

    const fn place(self) -> usize {
        match self {
            Self::Own => 0,
            Self::Unproven { shown: false } => 1,
            Self::Unproven { shown: true } => 2,
            Self::Asked { shown: false } => 3,
            Self::Asked { shown: true } => 4,
        }
    }

    /// A word for it, which no other has.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Unproven { shown: false } => "unproven datagrams",
            Self::Unproven { shown: true } => "unproven over streams",
            Self::Asked { shown: false } => "asked datagrams",
            Self::Asked { shown: true } => "asked over streams",
        }
    }

    /// What it holds of requests, where the peer's own holds `rate` a second and `burst` at once.
    #[must_use]
    pub fn holds(self, (rate, burst): (u32, u32)) -> (u32, u32) {
        match self {
            Self::Own | Self::Unproven { .. } => (rate, burst),
            Self::Asked { .. } => (rate.max(CHALLENGES_PER_SECOND_MAX), burst.max(CHALLENGES_PER_SECOND_MAX)),
        }
    }

    /// Whether what is over it may hear so. A datagram over that of challenges hears nothing: a refusal costs what a challenge
    /// costs, and would end the call of the peer itself, which repeats its INVITE and is asked then.
    const fn is_told(self) -> bool {
        match self {
            Self::Own | Self::Unproven { .. } | Self::Asked { shown: true } => true,
            Self::Asked { shown: false } => false,
        }
    }
}

/// One bucket: theoretical arrival times, and what no alert has told.
#[derive(Debug, Clone, Copy, Default)]
struct Bucketed {
    requests: u64,
    answers: u64,
    untold: u64,
}

/// Whether a request fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    /// It does not, and may hear so.
    Told,
    Silent,
}

/// The buckets of one peer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Buckets([Bucketed; Charged::ALL.len()]);

impl Buckets {
    /// Whether one more would fit; nothing is counted.
    pub(super) fn has_room(&self, now: Tick, charged: Charged, holds: (u32, u32)) -> bool {
        let (rate, burst) = charged.holds(holds);
        let bucket = self.0.get(charged.place());
        bucket.is_some_and(|bucket| Rate::new(rate, SECOND, burst).next(bucket.requests, now).is_some())
    }

    /// Counts one more; `answers` are told a second, of each bucket, that they do not fit.
    pub(super) fn charge(&mut self, now: Tick, charged: Charged, holds: (u32, u32), answers: u32) -> Fits {
        let (rate, burst) = charged.holds(holds);
        let Some(bucket) = self.0.get_mut(charged.place()) else { return Fits::Silent };
        if let Some(next) = Rate::new(rate, SECOND, burst).next(bucket.requests, now) {
            bucket.requests = next;
            return Fits::Yes;
        }
        bucket.untold = bucket.untold.saturating_add(1);
        if !charged.is_told() {
            return Fits::Silent;
        }
        match Rate::new(answers, SECOND, answers).next(bucket.answers, now) {
            Some(next) => {
                bucket.answers = next;
                Fits::Told
            }
            None => Fits::Silent,
        }
    }

    /// What did not fit since the last time, of each that had such.
    pub(super) fn untold(&mut self) -> impl Iterator<Item = (u64, Charged)> {
        let over = Charged::ALL.map(|charged| {
            let bucket = self.0.get_mut(charged.place());
            (bucket.map_or(0, |bucket| std::mem::take(&mut bucket.untold)), charged)
        });
        over.into_iter().filter(|(over, _)| *over > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Tick {
        Tick::from_micros(10_000_000 + micros)
    }

    #[test]
    fn each_bucket_holds_what_it_holds_whatever_is_in_the_others() {
        let mut buckets = Buckets::default();
        for charged in Charged::ALL {
            let (_, burst) = charged.holds((10, 10));
            assert_eq!(burst, if matches!(charged, Charged::Asked { .. }) { 1_000 } else { 10 });
            for n in 0..burst {
                assert!(buckets.has_room(at(0), charged, (10, 10)), "{charged:?} {n}");
                assert_eq!(buckets.charge(at(0), charged, (10, 10), 2), Fits::Yes, "{charged:?} {n}");
            }
            assert!(!buckets.has_room(at(0), charged, (10, 10)), "{charged:?}");
            let expected = match charged {
                Charged::Asked { shown: false } => [Fits::Silent; 3],
                Charged::Own | Charged::Unproven { .. } | Charged::Asked { shown: true } => {
                    [Fits::Told, Fits::Told, Fits::Silent]
                }
            };
            let heard = [(); 3].map(|()| buckets.charge(at(0), charged, (10, 10), 2));
            assert_eq!(heard, expected, "{charged:?}");
        }
        assert_eq!(buckets.untold().collect::<Vec<_>>(), Charged::ALL.map(|charged| (3, charged)));
        assert_eq!(buckets.untold().count(), 0, "told once");
        assert!(!buckets.has_room(at(99_999), Charged::Own, (10, 10)));
        assert!(buckets.has_room(at(100_000), Charged::Own, (10, 10)), "ten a second");
        assert!(
            buckets.has_room(at(1_000), Charged::Asked { shown: false }, (10, 10)),
            "a thousand a second"
        );
    }

    #[test]
    fn no_two_buckets_are_told_as_one() {
        let mut names = Charged::ALL.map(Charged::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn a_peer_that_may_ask_oftener_is_asked_as_often() {
        let asked = Charged::Asked { shown: false };
        for (own, holds) in [(999, 1_000), (1_000, 1_000), (1_001, 1_001)] {
            assert_eq!(asked.holds((own, own)), (holds, holds));
        }
    }
}
