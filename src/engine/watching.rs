//! What the relay tells of the calls whose media it has: their ends, their alerts, and what was counted for their records.
//!
//! Owns which media is whose, who is silent in it, and the records that wait for their counts. Refuses to know packets, and
//! how a call ends. Read first: `media/order.rs`; RFC 3550 §6.3.5.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use smallvec::SmallVec;

use super::query::MediaState;
use super::transactions::CallKey;
use super::{Engine, Output};
use crate::call::event::EndCause;
use crate::call::visits::PhaseName;
use crate::call::{CallRecord, Event, Side};
use crate::clock::{Now, Tick};
use crate::media::order::{MediaId, MediaLeg, News, Order, Protection, Spot, StreamReport};
use crate::policy::code::{self, Code};
use crate::policy::media::SiteMedia;

/// A record waits for its counts at most so long.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// Whose media is where. As many entries as calls have media, and those whose report is still to come.
#[derive(Debug)]
pub(super) struct Watch {
    /// Ports that there are for media; `None` where it is not anchored.
    ports: Option<usize>,
    calls: HashMap<MediaId, Watched>,
    /// Records that wait, the one that waits longest first.
    waiting: VecDeque<(Tick, MediaId)>,
}

/// One call's media.
#[derive(Debug)]
struct Watched {
    key: CallKey,
    ears: SmallVec<[Ear; 2]>,
    /// Whether the relay was asked to close it: then a report comes.
    closed: bool,
    /// What was counted, where it came before the record was written.
    report: Option<Vec<StreamReport>>,
    record: Option<Box<CallRecord>>,
}

/// Where one peer is heard on one stream.
#[derive(Debug)]
struct Ear {
    spot: Spot,
    /// Whether its silence is told: it may send, and that it does not is not to be.
    listens: bool,
    silent: bool,
    /// Where it said that it is.
    signalled: [Option<SocketAddr>; 2],
    encrypted: bool,
}

/// What a silence means for its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Nobody is heard at all.
    Whole,
    /// This peer alone is not.
    OneWay,
    /// Another stream speaks for it, or the other side is about to be silent too.
    Elsewhere,
}

impl Watched {
    fn ear(&mut self, spot: Spot) -> Option<&mut Ear> {
        self.ears.iter_mut().find(|ear| ear.spot == spot)
    }

    /// What is ordered for it.
    fn take(&mut self, order: &Order) {
        match order {
            Order::Open { spot, .. } => {
                self.ears.retain(|ear| ear.spot != *spot);
                let (signalled, encrypted) = ([None; 2], false);
                self.ears.push(Ear { spot: *spot, listens: false, silent: false, signalled, encrypted });
            }
            Order::Set { spot, terms } => {
                if let Some(ear) = self.ear(*spot) {
                    ear.listens = terms.receives && terms.remote.is_some() && terms.silence.is_some();
                    ear.silent &= ear.listens;
                    ear.signalled = [terms.remote, terms.remote_rtcp];
                    ear.encrypted = match &terms.protection {
                        Protection::Plain => false,
                        Protection::Srtp { .. } | Protection::Dtls { .. } => true,
                    };
                }
            }
            Order::Shut { spot } => self.ears.retain(|ear| ear.spot != *spot),
            Order::Close { .. } => {
                self.ears.clear();
                self.closed = true;
            }
        }
    }

    fn silence(&self, spot: Spot, alone: bool) -> Silence {
        let mut listening = self.ears.iter().filter(|ear| ear.listens);
        let other = Spot { leg: spot.leg.other(), ..spot };
        if listening.clone().all(|ear| ear.silent) {
            Silence::Whole
        } else if alone && listening.any(|ear| ear.spot == other && !ear.silent) {
            Silence::OneWay
        } else {
            Silence::Elsewhere
        }
    }
}

impl Watch {
    /// Of what the policy says that the process starts with.
    pub fn new(site: Option<&SiteMedia>) -> Self {
        let ports = site.map(SiteMedia::ports_max);
        Self { ports, calls: HashMap::new(), waiting: VecDeque::new() }
    }

    /// When a record has waited long enough.
    pub fn due(&self) -> Option<Tick> {
        self.waiting.front().map(|(at, _)| *at)
    }

    /// Whether no record waits.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The record of a call whose media is told of, kept until it is; given back where nothing is to be told.
    fn keep(
        &mut self,
        now: Tick,
        media: Option<MediaId>,
        mut record: Box<CallRecord>,
    ) -> Option<Box<CallRecord>> {
        let Some((media, watched)) = media.and_then(|media| Some((media, self.calls.get_mut(&media)?)))
        else {
            return Some(record);
        };
        if let Some(report) = watched.report.take() {
            record.media = report;
            return Some(record);
        }
        watched.record = Some(record);
        self.waiting.push_back((now.after(REPORT_WAIT), media));
        None
    }

    /// The record that waited for a report.
    fn reported(&mut self, media: MediaId, report: Vec<StreamReport>) -> Option<Box<CallRecord>> {
        let watched = self.calls.get_mut(&media)?;
        let Some(mut record) = watched.record.take() else {
            watched.report = Some(report);
            return None;
        };
        record.media = report;
        self.forget(media);
        Some(record)
    }

    /// A record that has waited until `now` and no report came.
    fn overdue(&mut self, now: Tick) -> Option<Box<CallRecord>> {
        let (_, media) = self.waiting.front().copied().filter(|(at, _)| *at <= now)?;
        let record = self.calls.get_mut(&media).and_then(|watched| watched.record.take());
        self.forget(media);
        record
    }

    fn forget(&mut self, media: MediaId) {
        self.calls.remove(&media);
        // Reports come in the order of the calls' ends, so that this is nearly always the first one.
        match self.waiting.front() {
            Some((_, first)) if *first == media => drop(self.waiting.pop_front()),
            Some(_) => self.waiting.retain(|(_, waiting)| *waiting != media),
            None => {}
        }
    }
}

impl Engine {
    /// How much of the ports for media is in use; `None` where media is not anchored.
    pub(super) fn media_state(&self) -> Option<MediaState> {
        let calls = self.watch.calls.values().filter(|watched| !watched.closed).count();
        Some(MediaState { calls, ports_out: self.media.ports_out(), ports: self.watch.ports? })
    }

    /// Calls whose media is watched, and records that wait for what was counted of it.
    pub(super) fn watched(&self) -> usize {
        self.watch.calls.len() + self.watch.waiting.len()
    }

    /// An order of a call goes to the relay.
    pub(super) fn media_ordered(&mut self, key: CallKey, order: Order) {
        let media = match &order {
            Order::Open { spot, .. } | Order::Set { spot, .. } | Order::Shut { spot } => spot.media,
            Order::Close { media } => *media,
        };
        let opens = matches!(order, Order::Open { .. });
        if opens && let Some(entry) = self.calls.at(key) {
            // Media that was begun anew after all of it was closed: of the one before nobody asks any more.
            let before = entry.media.replace(media).filter(|before| *before != media);
            self.unwatch(before);
            let new = || Watched { key, ears: SmallVec::new(), closed: false, report: None, record: None };
            self.watch.calls.entry(media).or_insert_with(new);
        }
        if let Some(watched) = self.watch.calls.get_mut(&media) {
            watched.take(&order);
        }
        self.outputs.push_back(Output::Media(order));
    }

    /// A call's record is written, once what was counted is there.
    pub(super) fn record(&mut self, now: Now, key: CallKey, record: Box<CallRecord>) {
        let media = self.calls.at(key).and_then(|entry| entry.media);
        self.outputs.extend(self.watch.keep(now.tick, media, record).map(Output::Record));
    }

    /// A call leaves the table. What a bug left open is closed; a record that waits, waits on.
    pub(super) fn unwatch(&mut self, media: Option<MediaId>) {
        let Some((media, watched)) = media.and_then(|media| Some((media, self.watch.calls.get(&media)?)))
        else {
            return;
        };
        if !watched.closed {
            self.outputs.push_back(Output::Media(Order::Close { media }));
        }
        if watched.record.is_none() {
            self.watch.forget(media);
        }
    }

    /// Records whose counts did not come in time, or whose time is over.
    pub(super) fn records_due(&mut self, now: Tick) {
        while self.watch.due().is_some_and(|due| due <= now) {
            let record = self.watch.overdue(now);
            self.outputs.extend(record.map(Output::Record));
        }
    }

    /// The relay told something.
    pub(super) fn media_news(&mut self, now: Now, news: News) {
        let spot = match &news {
            News::Failed { spot, .. }
            | News::Unproven { spot, .. }
            | News::Silent { spot, .. }
            | News::Heard { spot }
            | News::Exhausted { spot }
            | News::Intruder { spot, .. } => *spot,
            News::Report { .. } => {
                if let News::Report { media, streams } = news {
                    let record = self.watch.reported(media, streams);
                    self.outputs.extend(record.map(Output::Record));
                }
                return;
            }
        };
        // Of a call that has closed its media meanwhile, nothing is to be done any more.
        let Some(watched) = self.watch.calls.get_mut(&spot.media).filter(|watched| !watched.closed) else {
            return;
        };
        let key = watched.key;
        match news {
            News::Failed { why, .. } => {
                let cure = "Look who else uses the ports of media:.";
                self.media_fails(now, key, (code::CALLS_CUT, EndCause::NoSocket), &why, cure);
            }
            News::Unproven { why, .. } => {
                let cure = "Its peer must speak DTLS 1.2 and show the certificate that it names.";
                self.media_fails(now, key, (code::SECURE_MEDIA_NOT_ACCEPTED, EndCause::Unproven), &why, cure);
            }
            News::Silent { alone, .. } => {
                if let Some(ear) = watched.ear(spot) {
                    ear.silent = true;
                }
                let silence = watched.silence(spot, alone);
                self.fell_silent(now, key, spot, silence);
            }
            News::Heard { .. } => {
                if let Some(ear) = watched.ear(spot) {
                    ear.silent = false;
                }
            }
            News::Exhausted { .. } => {
                let side = match spot.leg {
                    MediaLeg::A => Side::A,
                    MediaLeg::B => Side::B,
                };
                // Early dialogs have no request of ours that could bring another.
                if !self.renew_key(now, key, side) {
                    let who = whose(spot.leg);
                    let text =
                        format!("a key of SRTP with {who} has served its lifetime, and the call was ended.");
                    self.tell(now, key, code::CALLS_CUT, &text);
                    self.drive(now, key, Event::End(EndCause::KeySpent));
                }
            }
            News::Intruder { source, packets, .. } => {
                let ear = watched.ear(spot);
                let wrong_tags =
                    ear.is_some_and(|ear| ear.encrypted && ear.signalled.contains(&Some(source)));
                self.intruded(now, key, spot.leg, (source, packets), wrong_tags);
            }
            News::Report { .. } => {}
        }
    }

    /// A call that has no media for certain ends, and no other.
    fn media_fails(
        &mut self,
        now: Now,
        key: CallKey,
        (code, cause): (Code, EndCause),
        why: &str,
        cure: &str,
    ) {
        self.tell(now, key, code, &format!("{why}; this call alone was ended. {cure}"));
        self.drive(now, key, Event::End(cause));
    }

    fn fell_silent(&mut self, now: Now, key: CallKey, spot: Spot, silence: Silence) {
        // Before the answer silence is usual: most phones send nothing until then.
        let talks = self.calls.at(key).is_some_and(|entry| entry.call.phase() == Some(PhaseName::Talk));
        if !talks {
            return;
        }
        match silence {
            Silence::Whole => {
                let text =
                    "no media came from either side for as long as `silence` says; the call was ended.";
                self.tell(now, key, code::NO_AUDIO, text);
                self.drive(now, key, Event::End(EndCause::Silent));
            }
            Silence::OneWay => {
                let text = format!(
                    "no media comes from {} while the other side is heard: look for NAT or a firewall before it.",
                    whose(spot.leg)
                );
                self.tell(now, key, code::ONE_WAY_AUDIO, &text);
            }
            Silence::Elsewhere => {}
        }
    }

    fn intruded(
        &mut self,
        now: Now,
        key: CallKey,
        leg: MediaLeg,
        (source, packets): (SocketAddr, u64),
        wrong_tags: bool,
    ) {
        let who = whose(leg);
        let (code, text) = if wrong_tags {
            let text = format!(
                "{packets} packet(s) of SRTP from {source}, where {who} is, did not authenticate and were dropped."
            );
            (code::SRTP_AUTH_FAILURES, text)
        } else {
            let text = format!(
                "{packets} packet(s) of media came from {source}, where {who} is not, and were dropped."
            );
            (code::MEDIA_FROM_STRANGER, text)
        };
        self.tell(now, key, code, &text);
    }
}

const fn whose(leg: MediaLeg) -> &'static str {
    match leg {
        MediaLeg::A => "the caller's side",
        MediaLeg::B => "the called side",
    }
}

#[cfg(test)]
#[path = "watching_tests.rs"]
mod tests;
