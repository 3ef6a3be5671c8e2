//! Who sends, asked of the flow alone, before any parsing: listed peer, stranger, banned, over its bucket.
//!
//! Owns bans, buckets and the folding of strangers. Refuses to read a message: judge first, charge after.
//! Read first: DESIGN.md §1, law 9; RFC 5853 §3.1.

mod bans;
mod bucket;
mod full;
mod guests;
mod lasting;
mod ordered;
mod tell;

use std::net::IpAddr;
use std::time::Duration;

use bans::Bans;
pub use bans::{BANS_TOLD_MAX, ToldBan};
use bucket::{Buckets, Fits};
pub use bucket::{CHALLENGES_PER_SECOND_MAX, Charged};
pub use full::Full;
use full::Fulls;
use guests::Budgets;
pub use guests::{GUEST_SHARE, GUESTS_PER_SECOND_MAX, Guest};
pub use ordered::{ORDERED_MAX, OrderedBan};
use tell::{rate_alert, unanswered_alert};

use super::Policy;
use super::alert::Alert;
use super::peer::{Peer, PeerId};
use super::refusal::Refusal;
use super::strangers::Strangers;
use super::table::{Key, Medium, Rate, Secret, Table};
use crate::clock::{Now, Tick};
use crate::sip::Flow;

/// Settings for strangers and bursts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Frames of one stranger (IPv6: one /64) within `ban_window` that are borne before it is banned; datagrams and streams
    /// count apart, and the datagrams of each listener. Default 20.
    pub ban_after: u32,
    /// The window. Default 60 s.
    pub ban_window: Duration,
    /// The first ban. Default 15 min; each further one lasts twice as long.
    pub ban_first: Duration,
    /// The longest ban. Default 24 h.
    pub ban_max: Duration,
    /// Bans at once; the one that ends soonest makes room, but none that streams earned for one of datagrams. Default 16,384
    /// (48 octets each).
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
    /// Nobody's: silence. With `sample` the frame may be parsed for `Sources::sampled` and for nothing else.
    Stranger {
        /// Whether to read it for the alert.
        sample: bool,
    },
    /// A stranger that is banned: silence.
    Banned,
}

/// Whether a listed peer may ask for something new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bucket {
    /// It may.
    Fits,
    /// It asks too often: answered without state (32001).
    Answer(Box<Refusal>),
    /// It asks so often that not even the refusals fit: no answer.
    Drop,
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
    /// Frames of unlisted sources that may hold a roaming peer.
    pub guests: u64,
    /// Of them, those that were dropped unread: all guests of a listener and kind of transport share a budget, and the datagrams
    /// of one source have a rate.
    pub guests_unread: u64,
    /// Bans.
    pub bans: u64,
    /// Of them, those that streams earned: they hold for datagrams, too.
    pub bans_of_streams: u64,
    /// Bans that datagrams earned and that found the table full of what streams earned: what such a source sends is dropped
    /// as any stranger's.
    pub bans_unplaced: u64,
    /// Strangers' frames that were read for the alert.
    pub sampled: u64,
}

impl SourceCounts {
    /// Every count with its stable name.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("listed_frames", self.listed),
            ("over_bucket", self.over_bucket),
            ("stranger_frames", self.strangers),
            ("banned_frames", self.banned),
            ("guest_frames", self.guests),
            ("guest_frames_unread", self.guests_unread),
            ("bans", self.bans),
            ("bans_of_streams", self.bans_of_streams),
            ("bans_unplaced", self.bans_unplaced),
            ("sampled_frames", self.sampled),
        ]
    }
}

/// What is known of one peer.
#[derive(Debug, Clone, Copy, Default)]
struct PeerState {
    buckets: Buckets,
    /// Challenges that nobody answered since one was answered last, not told yet.
    asked: u64,
    /// The same, told.
    asked_told: u64,
    /// Not told before.
    tell_asked_at: Tick,
    /// Copies of what was answered are no sign of silence until then.
    heard_until: Tick,
}

/// What is remembered of sources. The engine owns one.
#[derive(Debug)]
pub struct Sources {
    secret: Secret,
    settings: Settings,
    bans: Bans,
    rates: Table<u64>,
    ban_rate: Rate,
    guests: Budgets,
    samples: u64,
    sample_rate: Rate,
    peers: Vec<PeerState>,
    peers_due: Option<Tick>,
    strangers: Strangers,
    fulls: Fulls,
    counts: SourceCounts,
}

const SECOND: Duration = Duration::from_secs(1);

/// How long a challenge may go without an answer: 64*T1, after which no INVITE is repeated (RFC 3261 §17.1.1.2).
const ANSWER_PATIENCE: Duration = Duration::from_secs(32);

impl Sources {
    /// Nothing seen yet. `seed` is secret to the process.
    #[must_use]
    pub fn new(settings: &Settings, seed: [u8; 32]) -> Self {
        Self {
            secret: Secret::new(seed),
            settings: *settings,
            bans: Bans::new(settings.bans_max),
            rates: Table::new(settings.strangers_max),
            ban_rate: Rate::new(settings.ban_after, settings.ban_window, settings.ban_after),
            guests: Budgets::default(),
            samples: 0,
            sample_rate: Rate::new(settings.samples_per_second_max, SECOND, settings.samples_per_second_max),
            peers: Vec::new(),
            peers_due: None,
            strangers: Strangers::new(),
            fulls: Fulls::default(),
            counts: SourceCounts::default(),
        }
    }

    /// A new policy is in force: bans of sources that are listed now are lifted. Tables whose size it changes begin anew,
    /// which gives nobody an answer.
    pub fn follow(&mut self, policy: &Policy) {
        let settings = policy.sources;
        if settings.bans_max != self.settings.bans_max {
            let ordered = std::mem::take(&mut self.bans.ordered);
            self.bans = Bans::new(settings.bans_max);
            self.bans.ordered = ordered;
        }
        if settings.strangers_max != self.settings.strangers_max {
            self.rates = Table::new(settings.strangers_max);
        }
        self.ban_rate = Rate::new(settings.ban_after, settings.ban_window, settings.ban_after);
        self.sample_rate =
            Rate::new(settings.samples_per_second_max, SECOND, settings.samples_per_second_max);
        self.settings = settings;
        self.bans.forgive(|network| policy.index.lists_within(network));
        if self.peers.len() < policy.peers.len() {
            self.peers.resize_with(policy.peers.len(), PeerState::default);
        }
        // Who is asked no more need not answer.
        for (state, _) in self
            .peers
            .iter_mut()
            .zip(&policy.peers)
            .filter(|(_, peer)| peer.as_ref().is_none_or(|peer| peer.demand.is_none()))
        {
            (state.asked, state.asked_told) = (0, 0);
        }
    }

    /// Judges a frame's flow and charges it: the one call before parsing. Allocates nothing for a dropped frame.
    pub fn screen(&mut self, policy: &Policy, now: Now, flow: &Flow) -> SourceVerdict {
        let verdict = self.judge(policy, now.tick, flow);
        self.charge(policy, now, flow, verdict);
        verdict
    }

    /// What the flow is; nothing is counted.
    #[must_use]
    pub fn judge(&self, policy: &Policy, now: Tick, flow: &Flow) -> SourceVerdict {
        if let Some(peer) = policy.peer_at(flow) {
            return SourceVerdict::Listed(peer);
        }
        if self.bans.hold(&self.secret, now, flow) {
            return SourceVerdict::Banned;
        }
        let key = Key::at(flow);
        let hash = self.secret.hash(key);
        let enabled = self.settings.samples_per_second_max > 0;
        let sample = enabled && self.sample_rate.next(self.samples, now).is_some();
        SourceVerdict::Stranger { sample: sample && self.strangers.wants_sample(hash, key) }
    }

    /// Whether a source is banned now for what its streams brought.
    #[must_use]
    pub fn bans_streams(&self, now: Tick, source: IpAddr) -> bool {
        self.bans.hold_streams(&self.secret, now, source)
    }

    /// Counts what was judged: the rate of a stranger, its ban, its alert.
    pub fn charge(&mut self, policy: &Policy, now: Now, flow: &Flow, verdict: SourceVerdict) {
        match verdict {
            SourceVerdict::Listed(_) => self.counts.listed = self.counts.listed.saturating_add(1),
            SourceVerdict::Banned => self.counts.banned = self.counts.banned.saturating_add(1),
            SourceVerdict::Stranger { sample } => {
                self.counts.strangers = self.counts.strangers.saturating_add(1);
                let key = Key::at(flow);
                let hash = self.secret.hash(key);
                self.strangers.fold(now, hash, key, flow, sample);
                if sample {
                    self.counts.sampled = self.counts.sampled.saturating_add(1);
                    self.samples = self.sample_rate.next(self.samples, now.tick).unwrap_or(self.samples);
                }
                if !self.count_stranger(now, flow, self.ban_rate) {
                    self.ban_source(policy, now, flow);
                }
            }
        }
    }

    /// A frame that nobody asked for, from where a peer's name leads: told like a stranger's, and never a ban, for the
    /// answers to our own calls come from there, too.
    pub fn uninvited(&mut self, now: Now, flow: &Flow) {
        self.counts.strangers = self.counts.strangers.saturating_add(1);
        let key = Key::at(flow);
        self.strangers.fold(now, self.secret.hash(key), key, flow, false);
    }

    /// One more frame of a stranger; false where it is one too many in the window.
    fn count_stranger(&mut self, now: Now, flow: &Flow, rate: Rate) -> bool {
        let key = Key::here(flow);
        let hash = self.secret.hash(key);
        // The key that was heard longest ago makes room: it begins anew, and is met with silence all the same. Forged
        // datagrams push nothing out that is known of a stream's source.
        let rank = |key: Key, arrival: &u64| {
            Some((key.medium() == Medium::Streams && Rate::counts(*arrival, now.tick), *arrival))
        };
        let Some((arrival, _)) = self.rates.entry_ranked(hash, key, rank) else { return false };
        let Some(next) = rate.next(*arrival, now.tick) else { return false };
        *arrival = next;
        true
    }

    /// A frame of an unlisted source at a listener where somebody may roam. A source whose streams bring too many is banned, and
    /// all together are bounded. Datagrams are dropped above the rate, and never earn a ban by their number: anybody can forge
    /// them, and must then go on sending to keep the source out.
    /// Where a password was `known` to be proven from lately, a stream's are read whatever all the others bring.
    pub fn guest(&mut self, policy: &Policy, now: Now, flow: &Flow, known: bool) -> Guest {
        self.counts.guests = self.counts.guests.saturating_add(1);
        let frames = self.settings.ban_after.saturating_mul(GUEST_SHARE);
        let rate = Rate::new(frames, self.settings.ban_window, frames);
        if !self.count_stranger(now, flow, rate) {
            match Medium::of(flow) {
                Medium::Streams => self.ban_source(policy, now, flow),
                Medium::Datagrams => {
                    self.counts.guests_unread = self.counts.guests_unread.saturating_add(1);
                    self.fulls.note(now, Full::Datagrams(flow.listener, flow.remote.ip()));
                }
            }
            return Guest::Excess;
        }
        if known || self.guests.take(now.tick, flow) {
            return Guest::Read;
        }
        self.counts.guests_unread = self.counts.guests_unread.saturating_add(1);
        self.fulls.note(now, Full::Frames(flow.listener, Medium::of(flow)));
        Guest::Unread
    }

    /// Bans a source for what it did on a flow. One that a peer lists anywhere is never banned: a machine that speaks to the
    /// wrong listener is told.
    pub fn ban_source(&mut self, policy: &Policy, now: Now, flow: &Flow) {
        let key = Key::here(flow);
        if policy.index.lists_within(key.network()) {
            return;
        }
        let Some(note) = self.bans.add(&self.settings, now, self.secret.hash(key), key) else {
            self.counts.bans_unplaced = self.counts.bans_unplaced.saturating_add(1);
            return;
        };
        self.strangers.banned(now.tick, note);
        self.counts.bans = self.counts.bans.saturating_add(1);
        self.counts.bans_of_streams += u64::from(flow.is_shown());
    }

    /// Lifts the bans of a source; what those that were in force were earned by.
    pub fn lift(&mut self, now: Tick, source: IpAddr) -> Vec<Medium> {
        self.bans.lift(now, source)
    }

    /// How many bans are in force, and some of them, those that end last first.
    #[must_use]
    pub fn bans(&self, now: Tick) -> (usize, Vec<ToldBan>) {
        self.bans.told(now, BANS_TOLD_MAX)
    }

    /// Somebody found no room: told with all others.
    pub fn full(&mut self, now: Now, what: Full) {
        self.fulls.note(now, what);
    }

    /// Why nobody's handshake of TLS failed, in words behind "it"; stands in the alert that tells of it.
    pub fn unshaken(&mut self, flow: &Flow, why: &'static str) {
        let key = Key::at(flow);
        self.strangers.unshaken(self.secret.hash(key), key, why);
    }

    /// What a sampled frame said; method and User-Agent go into the alert as evidence, and into nothing else.
    pub fn sampled(&mut self, flow: &Flow, method: &[u8], user_agent: &[u8]) {
        let key = Key::at(flow);
        let hash = self.secret.hash(key);
        self.strangers.sampled(hash, key, method, user_agent);
    }

    /// Whether a listed peer may ask for something new (a request outside a dialog that is no retransmission); counts it.
    /// Responses, ACKs and requests inside a dialog are never asked: what stands is served and can be ended.
    pub fn bucket(&mut self, policy: &Policy, now: Now, peer: PeerId, charged: Charged) -> Bucket {
        let answers = self.settings.over_bucket_answers_per_second_max;
        let (Some(holds), Some(state)) = (own_bucket(policy, peer), self.peers.get_mut(usize::from(peer.0)))
        else {
            return Bucket::Drop;
        };
        let verdict = match state.buckets.charge(now.tick, charged, holds, answers) {
            Fits::Yes => return Bucket::Fits,
            Fits::Told => Bucket::Answer(Box::new(policy.over_bucket(peer))),
            Fits::Silent => Bucket::Drop,
        };
        self.counts.over_bucket = self.counts.over_bucket.saturating_add(1);
        soonest(&mut self.peers_due, now.tick.after(SECOND));
        verdict
    }

    /// Whether a peer's own bucket has room for one more; nothing is counted.
    #[must_use]
    pub fn has_room(&self, policy: &Policy, now: Tick, peer: PeerId) -> bool {
        let state = self.peers.get(usize::from(peer.0)).zip(own_bucket(policy, peer));
        state.is_some_and(|(state, holds)| state.buckets.has_room(now, Charged::Own, holds))
    }

    /// A peer was asked for a password. Told once, with all that follow, if nobody there answers.
    pub fn asked(&mut self, now: Tick, peer: PeerId) {
        let state = self.peers.get_mut(usize::from(peer.0)).filter(|state| now >= state.heard_until);
        let Some(state) = state else { return };
        if state.asked == 0 {
            state.tell_asked_at = state.tell_asked_at.max(now.after(ANSWER_PATIENCE));
        }
        state.asked = state.asked.saturating_add(1);
        soonest(&mut self.peers_due, state.tell_asked_at);
    }

    /// Somebody at a peer has answered a challenge, well or badly: it was heard, and is told otherwise.
    pub fn answered(&mut self, now: Tick, peer: PeerId) {
        if let Some(state) = self.peers.get_mut(usize::from(peer.0)) {
            (state.asked, state.asked_told) = (0, 0);
            state.heard_until = now.after(ANSWER_PATIENCE);
        }
    }

    /// Challenges to a peer that nobody has answered lately.
    #[must_use]
    pub fn unanswered(&self, peer: PeerId) -> u64 {
        self.peers.get(usize::from(peer.0)).map_or(0, |state| state.asked.saturating_add(state.asked_told))
    }

    /// When `drain_alerts` has something to say; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Tick> {
        let dues = [self.strangers.due(), self.fulls.due(), self.peers_due];
        dues.into_iter().flatten().min()
    }

    /// Writes the folded alerts that are due: a bounded number each time, however many sources there were.
    pub fn drain_alerts(&mut self, policy: &Policy, now: Now, alerts: &mut impl Extend<Box<Alert>>) {
        self.strangers.drain(policy, &self.settings, now, alerts);
        self.fulls.drain(policy, self.settings.repeat, now, alerts);
        if self.peers_due.is_some_and(|due| due <= now.tick) {
            self.peers_due = None;
            for peer in policy.peers.iter().flatten() {
                self.drain_peer(policy, peer, now, alerts);
            }
        }
    }

    fn drain_peer(&mut self, policy: &Policy, peer: &Peer, now: Now, alerts: &mut impl Extend<Box<Alert>>) {
        let Some(state) = self.peers.get_mut(usize::from(peer.id.0)) else { return };
        for over in state.buckets.untold() {
            alerts.extend([rate_alert(policy, peer, over, now)]);
        }
        if state.asked == 0 {
            return;
        }
        if now.tick < state.tell_asked_at {
            return soonest(&mut self.peers_due, state.tell_asked_at);
        }
        let asked = std::mem::take(&mut state.asked);
        state.asked_told = state.asked_told.saturating_add(asked);
        state.tell_asked_at = now.tick.after(self.settings.repeat);
        alerts.extend([unanswered_alert(peer, asked, now)]);
    }

    /// Running counts.
    #[must_use]
    pub const fn counts(&self) -> SourceCounts {
        self.counts
    }
}

/// What a peer's own bucket holds: a second, and at once.
fn own_bucket(policy: &Policy, peer: PeerId) -> Option<(u32, u32)> {
    policy.peer(peer).map(|peer| (peer.requests_per_second_max, peer.requests_burst_max))
}

fn soonest(due: &mut Option<Tick>, at: Tick) {
    *due = Some(due.map_or(at, |known| known.min(at)));
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
