//! What strangers sent, folded per source, so that a flood of a million sources makes a bounded number of alerts.
//!
//! Owns the folding table, the queue of bans to tell, and the sums of what was not told one by one. Refuses to decide:
//! strangers are met with silence whatever stands here. Read first: the README's table of alert codes (32201, 39201).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Policy;
use super::alert::Alert;
use super::code;
use super::sources::Settings;
use super::table::{Key, Table};
use crate::clock::{Now, Tick, Wall, time_text};
use crate::sip::{Flow, ListenerId, Transport};

/// Sources that are folded apart; more are told as a sum.
const FOLDED_MAX: usize = 1_024;
/// Bans that wait to be told one by one; more are told as a sum.
const BANS_TOLD_MAX: usize = 32;
/// The first frame of a source is told after.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The beginning of a text, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Short<N> {
    fn new(text: &[u8]) -> Self {
        let mut short = Self::default();
        for (place, byte) in short.bytes.iter_mut().zip(text) {
            *place = *byte;
            short.length = short.length.saturating_add(1);
        }
        short
    }

    fn text(&self) -> Option<String> {
        let bytes = self.bytes.get(..usize::from(self.length)).filter(|bytes| !bytes.is_empty())?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Folded {
    /// Frames not told yet.
    untold: u64,
    /// When it is told next.
    tell_at: Tick,
    /// When the first untold frame came.
    first: Wall,
    /// The flow of the first untold frame.
    flow: Option<(SocketAddr, Transport, ListenerId)>,
    /// Whether a frame was read for this telling.
    sampled: bool,
    method: Short<16>,
    agent: Short<48>,
    /// Why its last handshake of TLS failed.
    unshaken: Option<&'static str>,
}

/// A ban that is not told yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct BanNote {
    pub(super) key: Key,
    pub(super) at: Wall,
    pub(super) lasts: Duration,
    pub(super) nth: u32,
}

/// Frames and sources that are told as a sum.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    frames: u64,
    sources: u64,
    bans: u64,
}

impl Sum {
    const fn is_empty(&self) -> bool {
        self.sources == 0 && self.bans == 0
    }
}

/// The folding of strangers.
#[derive(Debug)]
pub(super) struct Strangers {
    folded: Table<Folded>,
    bans: Vec<BanNote>,
    others: Sum,
    /// No alert is written before.
    quiet_until: Tick,
    due: Option<Tick>,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self {
            folded: Table::new(FOLDED_MAX),
            bans: Vec::with_capacity(BANS_TOLD_MAX),
            others: Sum::default(),
            quiet_until: Tick::ZERO,
            due: None,
        }
    }

    pub(super) const fn due(&self) -> Option<Tick> {
        self.due
    }

    fn wake_at(&mut self, at: Tick) {
        let at = at.max(self.quiet_until);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Whether a frame of this source would still tell something: none was read since it was last told.
    pub(super) fn wants_sample(&self, hash: u64, key: Key) -> bool {
        self.folded.find(hash, key).is_none_or(|folded| !folded.sampled)
    }

    /// One frame of a stranger.
    pub(super) fn fold(&mut self, now: Now, hash: u64, key: Key, flow: &Flow, sampled: bool) {
        // The source that told its part longest ago and sends least makes room; what it sent goes into the sum.
        let Some((folded, evicted)) = self.folded.entry(hash, key, |folded| folded.untold) else { return };
        if folded.untold == 0 {
            folded.tell_at = folded.tell_at.max(now.tick.after(FIRST_DELAY));
            folded.first = now.wall;
            folded.flow = Some((flow.remote, flow.transport, flow.listener));
        }
        folded.untold = folded.untold.saturating_add(1);
        folded.sampled |= sampled;
        let first = folded.untold == 1;
        let tell_at = folded.tell_at;
        if first {
            self.wake_at(tell_at);
        }
        if let Some(evicted) = evicted.filter(|evicted| evicted.value.untold > 0) {
            self.others.frames = self.others.frames.saturating_add(evicted.value.untold);
            self.others.sources = self.others.sources.saturating_add(1);
            self.wake_at(now.tick.after(FIRST_DELAY));
        }
    }

    /// What the frame said that was read as a sample.
    pub(super) fn sampled(&mut self, hash: u64, key: Key, method: &[u8], agent: &[u8]) {
        if let Some(folded) = self.folded.find_mut(hash, key) {
            folded.method = Short::new(method);
            folded.agent = Short::new(agent);
        }
    }

    /// Why its handshake failed.
    pub(super) fn unshaken(&mut self, hash: u64, key: Key, why: &'static str) {
        if let Some(folded) = self.folded.find_mut(hash, key) {
            folded.unshaken = Some(why);
        }
    }

    /// A ban to tell.
    pub(super) fn banned(&mut self, now: Tick, note: BanNote) {
        if self.bans.len() < BANS_TOLD_MAX {
            self.bans.push(note);
        } else {
            self.others.bans = self.others.bans.saturating_add(1);
        }
        self.wake_at(now);
    }

    /// Writes what is due: at most `told_max` sources, `BANS_TOLD_MAX` bans and one sum.
    pub(super) fn drain(
        &mut self,
        policy: &Policy,
        settings: &Settings,
        now: Now,
        alerts: &mut impl Extend<Box<Alert>>,
    ) {
        if self.due.is_none_or(|due| now.tick < due) {
            return;
        }
        self.quiet_until = now.tick.after(settings.fold);
        self.due = None;
        alerts.extend(self.bans.drain(..).map(|note| ban_alert(policy, note)));
        self.tell_sources(policy, settings, now, alerts);
        if !self.others.is_empty() {
            alerts.extend([sum_alert(self.others, now.wall)]);
            self.others = Sum::default();
        }
    }

    fn tell_sources(
        &mut self,
        policy: &Policy,
        settings: &Settings,
        now: Now,
        alerts: &mut impl Extend<Box<Alert>>,
    ) {
        let is_due = |folded: &Folded| folded.untold > 0 && folded.tell_at <= now.tick;
        let mut loudest: Vec<u64> = Vec::new();
        loudest
            .extend(self.folded.iter_mut().filter(|slot| is_due(&slot.value)).map(|slot| slot.value.untold));
        loudest.sort_unstable_by(|one, other| other.cmp(one));
        // The loudest are told one by one, the rest as a sum.
        let least = settings.told_max.checked_sub(1).and_then(|last| loudest.get(last)).copied().unwrap_or(0);
        let mut told = 0;
        let mut next: Option<Tick> = None;
        for slot in self.folded.iter_mut().filter(|slot| slot.value.untold > 0) {
            let folded = &mut slot.value;
            if !is_due(folded) {
                next = Some(next.map_or(folded.tell_at, |next| next.min(folded.tell_at)));
                continue;
            }
            if told < settings.told_max && folded.untold >= least {
                told += 1;
                alerts.extend([source_alert(policy, slot.key.address(), folded)]);
            } else {
                self.others.frames = self.others.frames.saturating_add(folded.untold);
                self.others.sources = self.others.sources.saturating_add(1);
            }
            let tell_at = now.tick.after(settings.repeat);
            *folded = Folded { tell_at, ..Folded::default() };
        }
        if let Some(next) = next {
            self.wake_at(next);
        }
    }
}

fn source_alert(policy: &Policy, address: IpAddr, folded: &Folded) -> Box<Alert> {
    let listener = folded.flow.and_then(|(_, _, id)| policy.listener(id));
    let listener = listener.map_or("?", |listener| &listener.name);
    let frames = folded.untold;
    let text = match folded.unshaken {
        Some(why) => format!(
            "{address} stands in no peer's `sources`, came to listener {listener} {frames} time(s), and proved nothing: it {why}"
        ),
        None => format!(
            "{address} sent {frames} message(s) to listener {listener} and stands in no peer's `sources`; it got no answer. \
             If it is a machine of yours, add its address to the `sources` of its peer."
        ),
    };
    let mut alert = Alert::new(code::SOURCE_NOT_IN_ACL, folded.first, text);
    alert.source = folded.flow.map(|(source, _, _)| source);
    alert.transport = folded.flow.map(|(_, transport, _)| transport);
    alert.count = frames;
    alert.about = folded.unshaken.map(Into::into);
    alert.evidence.push(("listener", listener.to_owned()));
    alert.evidence.extend(folded.method.text().map(|method| ("method", method)));
    alert.evidence.extend(folded.agent.text().map(|agent| ("user_agent", agent)));
    Box::new(alert)
}

fn ban_alert(policy: &Policy, note: BanNote) -> Box<Alert> {
    let address = note.key.address();
    let lasts = time_text(note.lasts);
    let medium = note.key.medium();
    let listener = note.key.door().map(|id| policy.listener(id).map_or("?", |listener| &listener.name));
    let (what, forged) = match listener {
        Some(name) => (
            format!("its datagrams (UDP) to listener {name} are"),
            " Somebody may have forged its address, so TCP, TLS and other listeners stay open to it.",
        ),
        None => ("what it sends, over UDP, TCP or TLS, is".to_owned(), ""),
    };
    let text = format!(
        "{address} goes on sending although it stands in no peer's `sources`: {what} dropped unread for {lasts}.{forged} \
         Adding it to the `sources` of a peer lifts the ban, and so does `ringfence unlock --source {address}`."
    );
    let mut alert = Alert::new(code::SOURCE_BANNED, note.at, text);
    alert.source = Some(SocketAddr::new(address, 0));
    alert.about = Some(medium.held().into());
    alert.evidence.push(("seconds", note.lasts.as_secs().to_string()));
    alert.evidence.push(("nth_ban", note.nth.to_string()));
    alert.evidence.push(("holds_for", medium.held().to_owned()));
    alert.evidence.extend(listener.map(|name| ("listener", name.to_owned())));
    Box::new(alert)
}

fn sum_alert(others: Sum, at: Wall) -> Box<Alert> {
    let Sum { frames, sources, bans } = others;
    let text = format!(
        "{sources} more source(s) that stand in no peer's `sources` sent {frames} message(s) and got no answer; {bans} more \
         of them were banned. They are too many to name one by one."
    );
    let mut alert = Alert::new(code::SOURCE_NOT_IN_ACL, at, text);
    alert.count = frames.max(1);
    alert.evidence.push(("sources", sources.to_string()));
    alert.evidence.push(("bans", bans.to_string()));
    Box::new(alert)
}
