//! How long things take: T1, T2, T4 and what the timers make of them.
//!
//! Owns the settings and the arithmetic of RFC 3261's table 4. Refuses to know which machine waits.
//! Read first: RFC 3261 §17.1.1.1, §17.1.2.2, appendix A; RFC 4320 §4.1.

use std::time::Duration;

/// RFC 3261 §17.1.1.2: timer D is at least 32 seconds on unreliable transports, however short T1 is set.
const D_MIN: Duration = Duration::from_secs(32);

/// T1, T2, T4 (RFC 3261 §17.1.1.1 and table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Round-trip estimate. Default 500 ms.
    pub t1: Duration,
    /// Longest retransmission interval. Default 4 s.
    pub t2: Duration,
    /// Longest life of a message in the network. Default 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// 64*T1: timers B, F, H, J, L, M and the wait for an ACK.
    #[must_use]
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D on unreliable transports.
    #[must_use]
    pub fn d(&self) -> Duration {
        self.give_up().max(D_MIN)
    }

    /// The interval after `interval`, for timers E and G: doubled, at most T2.
    #[must_use]
    pub fn backed_off(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }

    /// How long it takes a client's timer E to be reset to T2: when a 100 to a request other than INVITE is first
    /// allowed, and due (RFC 4320 §4.1). 3.5 s by default; never longer than 64*T1.
    #[must_use]
    pub fn trying(&self) -> Duration {
        let (mut waited, mut interval) = (self.t1, self.backed_off(self.t1));
        while interval < self.t2 && waited < self.give_up() {
            waited = waited.saturating_add(interval);
            interval = self.backed_off(interval);
        }
        waited.min(self.give_up())
    }
}

/// What a machine has to know besides its state and the event.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// T1, T2, T4.
    pub timing: &'a Timing,
    /// Whether the transport retransmits by itself.
    pub reliable: bool,
}

/// A timer of one of the machines, by its RFC letter where it has one.
pub trait Lettered: Copy {
    /// Whether it sends something again and may run beside the timer that ends the state.
    fn retransmits(self) -> bool;

    /// Whether it sends anything when it fires: then it is not kept waiting for others.
    fn sends(self) -> bool {
        self.retransmits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_100_for_other_methods_is_due_when_timer_e_reaches_t2() {
        let timing = |t1, t2| Timing {
            t1: Duration::from_millis(t1),
            t2: Duration::from_millis(t2),
            t4: Duration::from_secs(5),
        };
        for (t1, t2, due) in
            [(500, 4_000, 3_500), (500, 500, 500), (500, 1_000, 500), (100, 800, 700), (0, 4_000, 0)]
        {
            assert_eq!(timing(t1, t2).trying(), Duration::from_millis(due), "T1 {t1} T2 {t2}");
        }
    }

    #[test]
    fn timer_d_outlasts_the_server_and_is_never_below_32_s() {
        assert_eq!(Timing::default().d(), Duration::from_secs(32));
        assert_eq!(
            Timing { t1: Duration::from_millis(10), ..Timing::default() }.d(),
            Duration::from_secs(32)
        );
        assert_eq!(Timing { t1: Duration::from_secs(1), ..Timing::default() }.d(), Duration::from_secs(64));
    }
}
