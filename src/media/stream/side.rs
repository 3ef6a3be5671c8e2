//! One leg of a stream: who its peer is, what it may send, and what came of it.
//!
//! Owns source rules, the order of the checks, and every count. A packet changes nothing but counts until it has passed
//! them all. Read first: `order.rs`; RFC 3550 A.1, A.2; RFC 3711 §3.3; RFC 5761 §4.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::course::Courses;
use super::guard::{self, Guard, Trouble};
use super::opinion::opinion;
use super::pace::Pace;
use super::press::Presses;
use super::shaking::Shaken;
use super::watch::Watch;
use super::{Cause, Departure, Port, reports};
use crate::clock::Tick;
use crate::media::dtls::Identity;
use crate::media::order::{Learning, MediaLeg, Spot, StreamReport, Terms};
use crate::media::reach::Reach;
use crate::media::rtp::{BadPacket, Kind, PACKET_OCTETS_MAX, RtpHeader};
use crate::media::srtp::Rekeyed;

/// Packets of where a peer was before are no intruder's for so long: they were on their way.
const MOVE_PATIENCE: Duration = Duration::from_secs(2);

/// Reports a second from one peer: RFC 3550 §6.2 wants one in five seconds, feedback on pictures (RFC 4585) many more.
const REPORTS_PER_SECOND_MAX: u32 = 50;

/// What a packet that was taken is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// RTP of so many octets.
    Media(usize),
    /// RTCP of so many octets.
    Report(usize),
    /// Of a handshake; it ends here, and may have an answer.
    Handshake,
}

/// Terms without their secrets, in the form the checks want.
#[derive(Debug)]
struct Agreed {
    remote: Option<SocketAddr>,
    remote_rtcp: Option<SocketAddr>,
    receives: bool,
    sends: bool,
    learning: Learning,
    /// Bit n: payload type n may come.
    formats: u128,
    events: Option<u8>,
    clock_rate: u32,
    packets_per_second_max: u32,
    silence: Option<Duration>,
}

/// A standing of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The terms name it.
    Known,
    /// The terms may learn it from this packet.
    Candidate,
}

/// What a silence came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Began,
    Ended,
}

/// Packets that no terms allow, since they were told last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strange {
    pub(super) packets: u64,
    pub(super) source: SocketAddr,
}

/// One leg of one stream.
#[derive(Debug)]
pub(super) struct Side {
    shares_port: bool,
    agreed: Option<Agreed>,
    guard: Guard,
    /// How what leaves under our key is numbered.
    courses: Courses,
    /// Where the peer was heard, by socket.
    learned: [Option<SocketAddr>; 2],
    /// Where the peer was before it moved, and until when that is of interest.
    before: Option<([Option<SocketAddr>; 2], Tick)>,
    pace: Pace,
    reports_pace: Pace,
    watch: Watch,
    presses: Presses,
    late: u64,
    replayed: u64,
    unauthentic: u64,
    foreign: u64,
    refused: u64,
    /// When something came that counts as a sign of life, or such began to count.
    heard: Tick,
    silent: bool,
    strange: Option<Strange>,
}

impl Side {
    pub(super) fn new() -> Self {
        Self {
            shares_port: false,
            agreed: None,
            guard: Guard::new(),
            courses: Courses::default(),
            learned: [None; 2],
            before: None,
            pace: Pace::default(),
            reports_pace: Pace::default(),
            watch: Watch::default(),
            presses: Presses::default(),
            late: 0,
            replayed: 0,
            unauthentic: 0,
            foreign: 0,
            refused: 0,
            heard: Tick::ZERO,
            silent: false,
            strange: None,
        }
    }

    /// It has sockets now. Terms are to come.
    pub(super) fn open(&mut self, shares_port: bool) {
        self.shares_port = shares_port;
        self.shut();
    }

    /// It has none. Keys stay with their windows: the same may be agreed on again.
    pub(super) fn shut(&mut self) {
        self.agreed = None;
        self.guard.shut();
        self.learned = [None; 2];
        self.before = None;
    }

    /// Takes new terms.
    ///
    /// # Errors
    /// When nothing can pass under them, or only under another key; the rest holds.
    pub(super) fn set(
        &mut self,
        now: Tick,
        terms: Terms,
        identity: Option<&Arc<Identity>>,
    ) -> Result<(), Trouble> {
        let Terms { remote, remote_rtcp, receives, sends, protection, learning, formats, .. } = terms;
        let remotes = [remote, remote_rtcp.filter(|_| remote.is_some() && !self.shares_port)];
        let (protection, early) = (&protection, terms.early);
        let rekeyed = self.guard.agree(now, &guard::Agreed { protection, early, remotes, identity });
        let agreed = Agreed {
            remote,
            remote_rtcp,
            receives,
            sends,
            learning,
            formats: formats
                .iter()
                .fold(0, |set, format| set | 1_u128.checked_shl((*format).into()).unwrap_or(0)),
            events: terms.events,
            clock_rate: terms.clock_rate,
            packets_per_second_max: terms.packets_per_second_max,
            silence: terms.silence,
        };
        let counts = |agreed: &Agreed| agreed.receives && agreed.silence.is_some();
        let last = self.agreed.replace(agreed);
        let Some(agreed) = &self.agreed else { return rekeyed.map(|_| ()) };
        let stays = last.as_ref().is_some_and(|last| {
            (last.remote, last.remote_rtcp, &last.learning) == (remote, remote_rtcp, &agreed.learning)
        });
        if !stays || rekeyed == Ok(Rekeyed::Changed) {
            let known = last.as_ref().map(|last| [last.remote, last.remote_rtcp]);
            self.before = known.map(|known| {
                let [rtp, rtcp] = self.learned;
                let [remote, remote_rtcp] = known;
                ([rtp.or(remote), rtcp.or(remote_rtcp)], now.after(MOVE_PATIENCE))
            });
            self.learned = self.guard.sources();
        }
        if !stays || !last.as_ref().is_some_and(counts) {
            self.heard = now;
        }
        rekeyed.map(|_| ())
    }

    /// Judges a packet of the peer and opens it in place. Every refusal is counted.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn take(
        &mut self,
        now: Tick,
        port: Port,
        source: SocketAddr,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<Taken, Cause> {
        let taken = self.judge(now, port, source, buffer, octets);
        match taken {
            // Who shakes hands says nothing yet.
            Ok(Taken::Handshake) => {}
            Ok(Taken::Media(_) | Taken::Report(_)) => self.heard = now,
            Err(cause) => self.count(cause, source),
        }
        taken
    }

    fn judge(
        &mut self,
        now: Tick,
        port: Port,
        source: SocketAddr,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<Taken, Cause> {
        let standing = self.standing(now, port, source)?;
        if octets > PACKET_OCTETS_MAX {
            return Err(Cause::Malformed(BadPacket::Long));
        }
        let packet = buffer.get_mut(..octets).ok_or(Cause::Malformed(BadPacket::Long))?;
        // RFC 5761 §4: on a shared port the payload type tells.
        let taken = match (Kind::of(packet), port) {
            (Kind::Rtp, Port::Rtp) => self.media(now, packet)?,
            (Kind::Rtcp, Port::Rtcp) => self.report(now, port, packet)?,
            (Kind::Rtcp, Port::Rtp) if self.shares_port => self.report(now, port, packet)?,
            (Kind::Stun, Port::Rtp | Port::Rtcp) => return Err(Cause::Stun),
            // It proves nothing of its source yet: where the peer is, the end of it says.
            (Kind::Dtls, Port::Rtp | Port::Rtcp) => {
                return self.guard.shake(now, port, source, packet).map(|()| Taken::Handshake);
            }
            (Kind::Rtp | Kind::Rtcp | Kind::Other, Port::Rtp | Port::Rtcp) => return Err(Cause::Alien),
        };
        if standing == Standing::Candidate
            && let Some(place) = self.learned.get_mut(port as usize)
        {
            *place = Some(source);
        }
        Ok(taken)
    }

    /// Whether a packet from there may be looked at.
    fn standing(&self, now: Tick, port: Port, source: SocketAddr) -> Result<Standing, Cause> {
        let agreed = self.agreed.as_ref().ok_or(Cause::Early)?;
        let learned = self.learned.get(port as usize).copied().flatten();
        let signalled = match port {
            Port::Rtp => agreed.remote,
            Port::Rtcp => agreed.remote_rtcp,
        };
        let within = |reach: &Reach| source.port() != 0 && reach.judge(source).is_ok();
        let standing = match (&agreed.learning, learned) {
            // It may move: what authenticates is taken, and from then on alone.
            (Learning::Authenticated(reach), Some(learned)) if learned != source => {
                (self.guard.authenticates() && within(reach)).then_some(Standing::Candidate)
            }
            (_, Some(learned)) => (learned == source).then_some(Standing::Known),
            (Learning::Sought(reach), None) => within(reach).then_some(Standing::Candidate),
            // A stream that is off takes nothing, wherever it would have come from.
            (_, None) if signalled.is_none() => None,
            // RFC 3711 §3.3: a tag proves what is in the packet, and nothing of the address it says it comes from.
            (Learning::Authenticated(reach), None) if self.guard.authenticates() => {
                within(reach).then_some(Standing::Candidate)
            }
            // Nothing authenticates here: there is only what was signalled.
            (Learning::Signalled | Learning::Authenticated(_), None) => {
                (signalled == Some(source)).then_some(Standing::Known)
            }
            (Learning::Networks(reach), None) => within(reach).then_some(Standing::Candidate),
        };
        let moved =
            |(before, until): ([Option<SocketAddr>; 2], Tick)| now < until && before.contains(&Some(source));
        standing.ok_or(if self.before.is_some_and(moved) { Cause::Moved } else { Cause::Foreign })
    }

    fn media(&mut self, now: Tick, packet: &mut [u8]) -> Result<Taken, Cause> {
        let header = RtpHeader::read(packet).map_err(Cause::Malformed)?;
        let octets = self.guard.open_rtp(packet)?;
        let agreed = self.agreed.as_ref().ok_or(Cause::Early)?;
        let opened = packet.get(..octets).ok_or(Cause::Malformed(BadPacket::Short))?;
        let payload = header.payload(opened).map_err(Cause::Malformed)?;
        if agreed.formats >> header.payload_type & 1 == 0 {
            return Err(Cause::Format);
        }
        if !agreed.receives {
            return Err(Cause::Muted);
        }
        if !self.pace.admits(now, agreed.packets_per_second_max) {
            return Err(Cause::Pace);
        }
        let is_event = agreed.events == Some(header.payload_type);
        if is_event {
            self.presses.hear(header.ssrc, header.timestamp, payload);
        }
        // RFC 4733 §2.3: the packets of one event share a timestamp, and tell nothing of jitter.
        self.watch.take(now, &header, payload.len(), (!is_event).then_some(agreed.clock_rate));
        Ok(Taken::Media(octets))
    }

    fn report(&mut self, now: Tick, port: Port, packet: &mut [u8]) -> Result<Taken, Cause> {
        let octets = self.guard.open_rtcp(port, packet)?;
        if !self.reports_pace.admits(now, REPORTS_PER_SECOND_MAX) {
            return Err(Cause::Pace);
        }
        reports::rewrite(packet, octets).map(Taken::Report).map_err(Cause::Malformed)
    }

    /// Protects what the other leg's peer sent, in place, and says where it goes.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn give(
        &mut self,
        leg: MediaLeg,
        taken: Taken,
        buffer: &mut [u8],
    ) -> Result<Departure, Cause> {
        let agreed = self.agreed.as_ref().ok_or(Cause::Nowhere)?;
        let [rtp, rtcp] = self.learned;
        let (port, to) = match taken {
            Taken::Media(_) if !agreed.sends => return Err(Cause::Unheard),
            Taken::Media(_) => (Port::Rtp, rtp.or(agreed.remote)),
            Taken::Report(_) if self.shares_port => (Port::Rtp, rtp.or(agreed.remote_rtcp)),
            Taken::Report(_) => (Port::Rtcp, rtcp.or(agreed.remote_rtcp)),
            Taken::Handshake => return Err(Cause::Nowhere),
        };
        // A stream that is off has no address, though it may have had one; to the system the unspecified one is our own.
        // Who was looked for, and spoke, is where it was learned.
        let on = agreed.remote.is_some() || matches!(agreed.learning, Learning::Sought(_));
        let is_somewhere = |to: &SocketAddr| on && !to.ip().is_unspecified();
        let to = to.filter(is_somewhere).ok_or(Cause::Nowhere)?;
        let octets = match taken {
            Taken::Media(octets) => {
                if self.guard.authenticates() {
                    self.courses
                        .number(buffer.get_mut(..octets).ok_or(Cause::Malformed(BadPacket::Short))?)?;
                }
                self.guard.protect_rtp(buffer, octets)?
            }
            Taken::Report(octets) => self.guard.protect_rtcp(port, buffer, octets)?,
            Taken::Handshake => return Err(Cause::Nowhere),
        };
        Ok(Departure { leg, port, to, octets })
    }

    /// The next thing to do for a handshake of this leg: `None` until a packet comes, or [`Self::wakes`] says so.
    pub(super) fn shake(&mut self, now: Tick, buffer: &mut [u8]) -> Option<Shaken> {
        let shaken = self.guard.shaken(now, buffer)?;
        match &shaken {
            Shaken::Keyed { port, source } => {
                if let Some(place) = self.learned.get_mut(*port as usize) {
                    *place = Some(*source);
                }
            }
            Shaken::Stranger(source) => self.count(Cause::Unauthentic, *source),
            Shaken::Send { .. } | Shaken::Failed(_) => {}
        }
        Some(shaken)
    }

    /// When [`Self::shake`] is to be asked again, if no packet comes before.
    pub(super) fn wakes(&self) -> Option<Tick> {
        self.guard.wakes()
    }

    /// Counts a packet of the peer that was dropped, here or on the other leg.
    pub(super) fn count(&mut self, cause: Cause, source: SocketAddr) {
        match cause {
            Cause::Foreign => self.foreign += 1,
            Cause::Unauthentic => self.unauthentic += 1,
            Cause::Replayed => self.replayed += 1,
            Cause::Late => self.late += 1,
            Cause::Early
            | Cause::Moved
            | Cause::Stun
            | Cause::Handshake
            | Cause::Alien
            | Cause::Malformed(_)
            | Cause::Worn
            | Cause::Format
            | Cause::Muted
            | Cause::Pace => self.refused += 1,
            // It was taken and counted as that; the other leg had no use for it.
            Cause::Unheard | Cause::Nowhere => {}
        }
        if matches!(cause, Cause::Foreign | Cause::Unauthentic) {
            let packets = self.strange.map_or(0, |strange| strange.packets) + 1;
            self.strange = Some(Strange { packets, source });
        }
    }

    /// Packets that no terms allow, not told of yet.
    pub(super) const fn strange(&self) -> Option<Strange> {
        self.strange
    }

    /// They are told now.
    pub(super) fn forget_strange(&mut self) {
        self.strange = None;
    }

    /// Whether a key has served and that is to be told now.
    pub(super) fn wears_out(&mut self) -> bool {
        self.guard.wears_out()
    }

    /// Whether something came from the peer within half the time that its silence may last.
    pub(super) fn was_heard_lately(&self, now: Tick) -> bool {
        let silence = self.agreed.as_ref().and_then(|agreed| agreed.silence);
        silence.is_some_and(|silence| now.since(self.heard) < silence / 2)
    }

    /// Looks at the time: ends what has had its time, and says what became of a silence.
    pub(super) fn pass(&mut self, now: Tick) -> Option<Silence> {
        self.guard.pass(now);
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.receives && agreed.remote.is_some());
        // Where it counts no more, that is told as well.
        let silence = agreed.and_then(|agreed| agreed.silence);
        let silent = silence.is_some_and(|silence| now.since(self.heard) >= silence);
        if silent == self.silent {
            return None;
        }
        self.silent = silent;
        Some(if silent { Silence::Began } else { Silence::Ended })
    }

    /// What was counted of the peer.
    pub(super) fn told(&self, spot: Spot) -> StreamReport {
        let jitter = self.watch.jitter();
        let (packets, lost) = (self.watch.packets(), self.watch.lost());
        let format = self.watch.payload_type();
        StreamReport {
            spot,
            packets,
            octets: self.watch.octets(),
            lost,
            jitter,
            late: self.late,
            replayed: self.replayed,
            unauthentic: self.unauthentic,
            foreign: self.foreign,
            refused: self.refused,
            events: self.presses.count(),
            opinion: format.map(|format| opinion(format, lost, packets, jitter)),
        }
    }
}
