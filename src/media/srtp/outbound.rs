//! What leaves: packets protected under our key.
//!
//! Owns that no index is used twice under one key, and that a key ends. A relay's packets come as the far side sent
//! them: lost, late, twice; so the sender keeps windows too. Read first: RFC 3711 §3.3, §9.1, §9.2.

use std::fmt;

use super::derive::Stream;
use super::history::{History, Print, Rekeyed};
use super::key::MasterKey;
use super::sources::Sources;
use super::transform::{Transform, WORD_OCTETS};
use super::{Refused, SRTCP_PACKETS_MAX, SRTP_PACKETS_MAX, Suite};
use crate::media::rtcp::RtcpHeader;
use crate::media::rtp::{PACKET_OCTETS_MAX, RtpHeader};

/// What becomes of the roll-over counters when the key changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollOver {
    /// They go on, for a peer that keeps its context (RFC 3711 §3.3.1).
    Kept,
    /// They begin again, for a peer that makes a new context for each key.
    Zero,
}

/// One direction of a session, ours.
pub struct Outbound {
    print: Print,
    suite: Suite,
    srtp: Transform,
    srtcp: Transform,
    sources: Sources,
    /// Where sources stood under the keys before, until they are heard under this one: they take no place of its own.
    before: Sources,
    history: History,
    /// Keys of other early dialogs with their indices, the oldest first; none of them has a history or more parked.
    #[allow(clippy::vec_box, reason = "a key that is moved leaves its octets where it was")]
    parked: Vec<Box<Outbound>>,
    /// SRTP packets under this key.
    packets: u64,
    /// SRTCP packets under this key.
    reports: u64,
    /// The index of the next SRTCP packet, whoever sends it: one counter for all sources needs no table.
    report_index: u32,
    packets_max: u64,
    reports_max: u64,
}

impl Outbound {
    /// A session under a key of ours. It protects `lifetime` packets of each kind at most, and never more than
    /// [`SRTP_PACKETS_MAX`] and [`SRTCP_PACKETS_MAX`].
    #[must_use]
    pub fn new(key: &MasterKey, lifetime: u64) -> Self {
        Self {
            print: Print::of(key),
            suite: key.suite(),
            srtp: Transform::new(key, Stream::Srtp),
            srtcp: Transform::new(key, Stream::Srtcp),
            sources: Sources::default(),
            before: Sources::default(),
            history: History::default(),
            parked: Vec::new(),
            packets: 0,
            reports: 0,
            report_index: 0,
            packets_max: lifetime.min(SRTP_PACKETS_MAX),
            reports_max: lifetime.min(SRTCP_PACKETS_MAX),
        }
    }

    /// Its suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Protects under another key from the next packet on; the old one is wiped, and every source finds a place again.
    ///
    /// With the key in use, which a re-INVITE mostly repeats, indices and counts go on whatever `roll_over` says, and
    /// the lower of both lifetimes holds. A key that protected packets and was replaced is refused: its indices are
    /// forgotten, and no packet may be protected under one of them again. So the caller changes the key when the answer
    /// stands, not with the offer.
    ///
    /// # Errors
    /// [`Refused::Retired`] and [`Refused::Keys`]; the session is as it was.
    pub fn rekey(&mut self, key: &MasterKey, lifetime: u64, roll_over: RollOver) -> Result<Rekeyed, Refused> {
        let print = Print::of(key);
        if print == self.print {
            return Ok(if self.renew(key, lifetime) { Rekeyed::Kept } else { Rekeyed::Same });
        }
        self.history.admit(print)?;
        if self.served() {
            self.history.retire(self.print);
        }
        let mut fresh = Self::new(key, lifetime);
        fresh.history = std::mem::take(&mut self.history);
        fresh.parked = std::mem::take(&mut self.parked);
        match roll_over {
            // RFC 3711 §3.3.1: re-keying does not set the counter to zero.
            RollOver::Kept => {
                fresh.before = std::mem::take(&mut self.sources);
                fresh.before.inherit(std::mem::take(&mut self.before));
                fresh.report_index = self.report_index;
            }
            RollOver::Zero => {}
        }
        *self = fresh;
        Ok(Rekeyed::Changed)
    }

    /// Protects under the key of another early dialog from the next packet on. The key in use is parked, and goes on with its
    /// indices when its turn comes again. Beyond so many the oldest ends.
    ///
    /// # Errors
    /// [`Refused::Retired`] and [`Refused::Keys`]; the session is as it was.
    pub fn turn(&mut self, key: &MasterKey, lifetime: u64) -> Result<Rekeyed, Refused> {
        let print = Print::of(key);
        if print == self.print {
            return Ok(if self.renew(key, lifetime) { Rekeyed::Kept } else { Rekeyed::Same });
        }
        let parked = self.parked.iter().position(|parked| parked.print == print);
        let mut next = match parked {
            Some(at) => self.parked.remove(at),
            None => {
                self.history.admit(print)?;
                Box::new(Self::new(key, lifetime))
            }
        };
        next.renew(key, lifetime);
        next.history = std::mem::take(&mut self.history);
        next.parked = std::mem::take(&mut self.parked);
        std::mem::swap(self, &mut next);
        let old = next;
        if old.served() {
            self.history.park(&mut self.parked, old, |parked| parked.print);
        }
        Ok(Rekeyed::Changed)
    }

    /// One dialog has won: the keys of the others end.
    pub fn settle(&mut self) {
        self.history.end_all(&mut self.parked, |parked| parked.print);
    }

    const fn served(&self) -> bool {
        self.packets > 0 || self.reports > 0
    }

    /// Takes suite and lifetime of the same key; whether that changed anything.
    fn renew(&mut self, key: &MasterKey, lifetime: u64) -> bool {
        let before = (self.suite, self.packets_max, self.reports_max);
        self.packets_max = self.packets_max.min(lifetime);
        self.reports_max = self.reports_max.min(lifetime);
        if self.suite != key.suite() {
            self.suite = key.suite();
            self.srtp = Transform::new(key, Stream::Srtp);
            self.srtcp = Transform::new(key, Stream::Srtcp);
        }
        before != (self.suite, self.packets_max, self.reports_max)
    }

    /// Protects the RTP packet in the first `octets` of `buffer`; returns the octets of the SRTP packet.
    ///
    /// # Errors
    /// Why it may not leave; the packet is dropped then, for under this key there is no other place for it.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, Refused> {
        let header = RtpHeader::read(buffer.get(..octets).ok_or(Refused::Room)?)?;
        let whole = with_room(buffer, octets, self.srtp.tag_octets())?;
        // RFC 3711 §9.2: a key that has served its packets protects no more.
        if self.packets >= self.packets_max {
            return Err(Refused::Exhausted);
        }
        let known = self.sources.find(header.ssrc).copied();
        let mut window = known.or_else(|| self.before.peek(header.ssrc)).unwrap_or_default();
        let index = window.place(header.sequence)?;
        // RFC 3711 §9.1: a key stream is never used twice, so that a packet that comes twice leaves once.
        window.judge(index)?;
        if !self.sources.takes(header.ssrc) {
            return Err(Refused::Sources);
        }
        self.srtp.seal_rtp(whole, header.octets, header.ssrc, index)?;
        window.accept(index);
        self.sources.put(header.ssrc, window)?;
        self.packets += 1;
        Ok(octets + self.srtp.tag_octets())
    }

    /// Protects the RTCP packet in the first `octets` of `buffer`; returns the octets of the SRTCP packet.
    ///
    /// # Errors
    /// Why it may not leave.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, Refused> {
        let header = RtcpHeader::read(buffer.get(..octets).ok_or(Refused::Room)?)?;
        let trailer = self.srtcp.tag_octets() + WORD_OCTETS;
        let whole = with_room(buffer, octets, trailer)?;
        // RFC 3711 §3.2.1, §9.2: 31 bits of index, which never come round under one key.
        if self.reports >= self.reports_max || u64::from(self.report_index) >= SRTCP_PACKETS_MAX {
            return Err(Refused::Exhausted);
        }
        self.srtcp.seal_rtcp(whole, header.ssrc, self.report_index)?;
        self.report_index += 1;
        self.reports += 1;
        Ok(octets + trailer)
    }

    /// The roll-over counter of a source's newest packet.
    #[must_use]
    pub fn roll_over(&self, ssrc: u32) -> Option<u32> {
        let window = self.sources.peek(ssrc).or_else(|| self.before.peek(ssrc))?;
        Some(window.roll_over())
    }

    /// Says which roll-over counter a source has from its next packet on.
    ///
    /// # Errors
    /// [`Refused::Behind`] when it would go back, [`Refused::Sources`] when the source is one too many.
    pub fn set_roll_over(&mut self, ssrc: u32, roll_over: u32) -> Result<(), Refused> {
        let before = self.before.peek(ssrc).filter(|_| self.sources.peek(ssrc).is_none());
        if let Some(window) = before {
            self.sources.put(ssrc, window)?;
        }
        self.sources.set_roll_over(ssrc, roll_over)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound {} [redacted], {} packets", self.suite.token(), self.packets)
    }
}

/// The packet and the place of its trailer.
fn with_room(buffer: &mut [u8], octets: usize, trailer: usize) -> Result<&mut [u8], Refused> {
    let whole = octets + trailer;
    buffer.get_mut(..whole).filter(|_| whole <= PACKET_OCTETS_MAX).ok_or(Refused::Room)
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
pub(super) mod tests;
