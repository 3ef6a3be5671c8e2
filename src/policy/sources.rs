//! Who sends, asked of the flow alone, before any parsing: listed peer, stranger, banned, over its bucket.
//!
//! Owns bans, buckets and the folding of strangers. Refuses to read a message: judge first, charge after.
//! Read first: DESIGN.md §1, law 9; RFC 5853 §3.1.

use std::time::Duration;

use super::Policy;
use super::alert::Alert;
use super::peer::PeerId;
use crate::clock::{Now, Tick};
use crate::sip::Flow;

/// Settings for strangers and bursts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Frames of one stranger (IPv6: one /64) within `ban_window` that are borne before it is banned. Default 20.
    pub ban_after: u32,
    /// The window. Default 60 s.
    pub ban_window: Duration,
    /// The first ban. Default 15 min; each further one lasts twice as long.
    pub ban_first: Duration,
    /// The longest ban. Default 24 h.
    pub ban_max: Duration,
    /// Bans at once; the one that ends soonest makes room. Default 16,384 (48 octets each).
    pub bans_max: usize,
    /// Strangers whose rate is counted at once. Default 65,536 (32 octets each).
    pub strangers_max: usize,
    /// Strangers' frames that are read each second, so that alerts can tell method and User-Agent. Default 10.
    pub samples_per_second_max: u32,
    /// The same stranger is told again after. Default 15 min.
    pub repeat: Duration,
    /// Alerts of strangers are written at most so often. Default 10 s.
    pub fold: Duration,
    /// Strangers told one by one in each `fold`; the others are told as one sum. Default 16.
    pub told_max: usize,
    /// Answers a second to one listed peer that is over its bucket; above it there is none. Default 50.
    pub over_bucket_answers_per_second_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ban_after: 20,
            ban_window: Duration::from_secs(60),
            ban_first: Duration::from_secs(15 * 60),
            ban_max: Duration::from_secs(24 * 3600),
            bans_max: 16_384,
            strangers_max: 65_536,
            samples_per_second_max: 10,
            repeat: Duration::from_secs(15 * 60),
            fold: Duration::from_secs(10),
            told_max: 16,
            over_bucket_answers_per_second_max: 50,
        }
    }
}

/// What a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceVerdict {
    /// A listed peer's.
    Listed(PeerId),
    /// A listed peer's that sent more new requests than its bucket holds. A request outside a dialog is answered without
    /// state by `Policy::over_bucket` while `Sources::may_answer`; one inside a dialog goes on.
    OverBucket(PeerId),
    /// Nobody's: silence. With `sample` the frame may be parsed for `Sources::sampled` and for nothing else.
    Stranger {
        /// Whether to read it for the alert.
        sample: bool,
    },
    /// A stranger that is banned: silence.
    Banned,
}

/// Running counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceCounts {
    /// Frames of listed peers.
    pub listed: u64,
    /// Requests of listed peers over their bucket.
    pub over_bucket: u64,
    /// Frames of strangers.
    pub strangers: u64,
    /// Frames of banned strangers.
    pub banned: u64,
    /// Bans.
    pub bans: u64,
    /// Strangers' frames that were read for the alert.
    pub sampled: u64,
}

/// What is remembered of sources. The engine owns one.
#[derive(Debug)]
pub struct Sources {}

/// Whether a bucket counts this frame: a request that asks for something new. Responses, ACK, and what ends or serves a
/// dialog that stands are never refused for a bucket.
#[must_use]
pub fn is_charged(frame: &[u8]) -> bool {
    const FREE: [&[u8]; 5] = [b"SIP/2.0 ", b"ACK ", b"BYE ", b"CANCEL ", b"PRACK "];
    !FREE.iter().any(|start| frame.starts_with(start))
}

impl Sources {
    /// Nothing seen yet. `seed` is secret to the process.
    #[must_use]
    pub fn new(settings: &Settings, seed: [u8; 32]) -> Self {
        let _ = (settings, seed);
        Self {}
    }

    /// A new policy is in force: bans of sources that are listed now are lifted.
    pub fn follow(&mut self, policy: &Policy) {
        let _ = policy;
    }

    /// Judges a frame's flow and charges it: the one call before parsing. Allocates nothing for a dropped frame.
    pub fn screen(&mut self, policy: &Policy, now: Now, flow: &Flow, frame: &[u8]) -> SourceVerdict {
        let charged = is_charged(frame);
        let verdict = self.judge(policy, now.tick, flow, charged);
        self.charge(policy, now, flow, verdict, charged);
        verdict
    }

    /// What the flow is; nothing is counted.
    #[must_use]
    pub fn judge(&self, policy: &Policy, now: Tick, flow: &Flow, charged: bool) -> SourceVerdict {
        let _ = (now, charged);
        match policy.peer_at(flow) {
            Some(peer) => SourceVerdict::Listed(peer),
            None => SourceVerdict::Stranger { sample: false },
        }
    }

    /// Counts what was judged: bucket, rate of a stranger, ban.
    pub fn charge(&mut self, policy: &Policy, now: Now, flow: &Flow, verdict: SourceVerdict, charged: bool) {
        let _ = (policy, now, flow, verdict, charged);
    }

    /// What a sampled frame said; method and User-Agent go into the alert as evidence, and into nothing else.
    pub fn sampled(&mut self, flow: &Flow, method: &[u8], user_agent: &[u8]) {
        let _ = (flow, method, user_agent);
    }

    /// Whether a peer over its bucket is answered; counts the answer.
    pub fn may_answer(&mut self, policy: &Policy, now: Tick, peer: PeerId) -> bool {
        let _ = (policy, now, peer);
        true
    }

    /// When `drain_alerts` has something to say; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Tick> {
        None
    }

    /// Writes the folded alerts that are due: a bounded number each time, however many sources there were.
    pub fn drain_alerts(&mut self, policy: &Policy, now: Now, alerts: &mut Vec<Box<Alert>>) {
        let _ = (policy, now, alerts);
    }

    /// Running counts.
    #[must_use]
    pub fn counts(&self) -> SourceCounts {
        SourceCounts::default()
    }

    /// Bans in force now.
    #[must_use]
    pub fn bans(&self, now: Tick) -> usize {
        let _ = now;
        0
    }
}
