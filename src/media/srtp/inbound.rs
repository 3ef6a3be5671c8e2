//! What arrives: packets checked and opened under the peer's key, across a change of key without a gap.
//!
//! Owns replay, roll-over and the two keys of a change. Nothing is remembered of a packet that does not authenticate.
//! Read first: RFC 3711 §3.3, §3.3.2, §3.4, §9.2; RFC 4568 §7.1.4.

use std::fmt;

use super::derive::Stream;
use super::history::{History, Print, Rekeyed};
use super::key::{MasterKey, Mki};
use super::sources::Sources;
use super::transform::Transform;
use super::{Refused, SRTP_PACKETS_MAX, Suite};
use crate::media::rtcp::RtcpHeader;
use crate::media::rtp::RtpHeader;

/// One direction of a session, the peer's.
pub struct Inbound {
    /// In a place of its own, as the next is: a key that is moved leaves its octets where it was.
    current: Box<Reception>,
    /// The key that was agreed last, until its first packet: up to then the peer may still send under the old one.
    next: Option<Box<Reception>>,
    /// Keys of other early dialogs with their windows, the oldest first.
    #[allow(clippy::vec_box, reason = "a key that is moved leaves its octets where it was")]
    parked: Vec<Box<Reception>>,
    /// A packet as it came, while there is more than one way to open it. Holds ciphertext alone.
    spare: Vec<u8>,
    history: History,
}

/// A key of the peer and what came under it.
struct Reception {
    print: Print,
    suite: Suite,
    srtp: Transform,
    srtcp: Transform,
    mki: Mki,
    packets: Sources,
    reports: Sources,
    /// Where sources stood under the key before, until they are heard under this one.
    before: Sources,
    /// Packets opened, RTP and RTCP, and how many of each it may be.
    opened: [u64; 2],
    opens_max: u64,
}

impl Inbound {
    /// A session under the peer's key, whose packets carry this identifier.
    #[must_use]
    pub fn new(key: &MasterKey, mki: Mki) -> Self {
        Self {
            current: Box::new(Reception::new(key, mki)),
            next: None,
            parked: Vec::new(),
            spare: Vec::new(),
            history: History::default(),
        }
    }

    /// The suite of the key in use.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.current.suite
    }

    /// Opens packets under another key too; the first that it opens ends the old key, which is wiped. A second change
    /// before that replaces the key that was never used.
    ///
    /// The key in use, which a re-INVITE mostly repeats, calls a waiting change off and keeps its windows; so does the
    /// waiting key. Another identifier or suite beside such a key holds at once: packets still on their way with the
    /// old one are lost. A key that opened packets and was replaced is refused, for with windows from nothing what was
    /// captured under it would open again: early dialogs take turns with [`Self::turn`].
    ///
    /// # Errors
    /// [`Refused::Retired`] and [`Refused::Keys`]; the session is as it was.
    pub fn rekey(&mut self, key: &MasterKey, mki: Mki) -> Result<Rekeyed, Refused> {
        let print = Print::of(key);
        if print == self.current.print {
            let waited = self.next.take().is_some();
            self.spare = Vec::new();
            let renewed = self.current.renew(key, mki);
            return Ok(if waited || renewed { Rekeyed::Kept } else { Rekeyed::Same });
        }
        if let Some(next) = self.next.as_mut().filter(|next| next.print == print) {
            return Ok(if next.renew(key, mki) { Rekeyed::Kept } else { Rekeyed::Same });
        }
        self.history.admit(print)?;
        self.next = Some(Box::new(Reception::new(key, mki)));
        Ok(Rekeyed::Changed)
    }

    /// Opens packets under the key of another early dialog, and of no other, at once. The key in use is parked with its
    /// windows and goes on with them when its turn comes again. Beyond `TURNS_MAX` of them the oldest ends.
    ///
    /// # Errors
    /// [`Refused::Retired`] and [`Refused::Keys`]; the session is as it was.
    pub fn turn(&mut self, key: &MasterKey, mki: Mki) -> Result<Rekeyed, Refused> {
        let print = Print::of(key);
        if print == self.current.print {
            return self.rekey(key, mki);
        }
        let parked = self.parked.iter().position(|parked| parked.print == print);
        let mut next = match parked {
            Some(at) => self.parked.remove(at),
            None => {
                self.history.admit(print)?;
                Box::new(Reception::new(key, mki))
            }
        };
        next.renew(key, mki);
        self.next = None;
        self.spare = Vec::new();
        let old = std::mem::replace(&mut self.current, next);
        if old.served() {
            self.history.park(&mut self.parked, old, |parked| parked.print);
        }
        Ok(Rekeyed::Changed)
    }

    /// One dialog has won: the keys of the others end.
    pub fn settle(&mut self) {
        self.history.end_all(&mut self.parked, |parked| parked.print);
    }

    /// The newest key opens so many packets of each kind at most (RFC 4568 §6.1); the lower bound holds.
    pub fn limit(&mut self, lifetime: u64) {
        let newest = self.next.as_deref_mut().unwrap_or(&mut self.current);
        newest.opens_max = newest.opens_max.min(lifetime);
    }

    /// Whether a new key still waits for its first packet.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        self.next.is_some()
    }

    /// Ends the old key though nothing came under the new one: for when the peer has had its time.
    pub fn finish_change(&mut self) {
        let Some(next) = self.next.take() else { return };
        let mut old = std::mem::replace(&mut self.current, next);
        if old.served() {
            self.history.retire(old.print);
        }
        self.current.before = std::mem::take(&mut old.packets);
        self.current.before.inherit(std::mem::take(&mut old.before));
        self.spare = Vec::new();
    }

    /// Opens an SRTP packet in place; returns the octets of the RTP packet.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = RtpHeader::read(packet)?;
        let Self { current, next, spare, .. } = self;
        if let Some(next) = next {
            let before = current.packets.peek(header.ssrc).or_else(|| current.before.peek(header.ssrc));
            // The old key is tried after it, so that the packet has to be whole.
            let opened = next.candidates(&header, before).and_then(|[likely, other]| {
                let mut opened = next.open_rtp(packet, &header, likely, Some(spare));
                if opened.is_err() && other != likely {
                    opened = next.open_rtp(packet, &header, other, Some(spare));
                }
                opened
            });
            if opened.is_ok() {
                self.finish_change();
                self.current.before.remove(header.ssrc);
                return opened;
            }
        }
        let before = current.before.peek(header.ssrc);
        let [likely, other] = current.candidates(&header, before)?;
        let mut opened;
        if likely == other {
            opened = current.open_rtp(packet, &header, likely, None);
        } else {
            opened = current.open_rtp(packet, &header, likely, Some(spare));
            if opened.is_err() {
                opened = current.open_rtp(packet, &header, other, None);
            }
        }
        if opened.is_ok() && before.is_some() {
            current.before.remove(header.ssrc);
        }
        opened
    }

    /// Opens an SRTCP packet in place; returns the octets of the RTCP packet.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = RtcpHeader::read(packet)?;
        let Self { current, next, spare, .. } = self;
        if let Some(next) = next {
            let opened = next.open_rtcp(packet, header.ssrc, Some(spare));
            if opened.is_ok() {
                self.finish_change();
                return opened;
            }
        }
        current.open_rtcp(packet, header.ssrc, None)
    }

    /// The roll-over counter of a source's newest packet under the key in use.
    #[must_use]
    pub fn roll_over(&self, ssrc: u32) -> Option<u32> {
        self.current.packets.peek(ssrc).map(|window| window.roll_over())
    }

    /// Says which roll-over counter a source has from its next packet on, under the newest key.
    ///
    /// # Errors
    /// [`Refused::Behind`] when it would go back, [`Refused::Sources`] when the source is one too many.
    pub fn set_roll_over(&mut self, ssrc: u32, roll_over: u32) -> Result<(), Refused> {
        let newest = self.next.as_deref_mut().unwrap_or(&mut self.current);
        newest.packets.set_roll_over(ssrc, roll_over)
    }
}

impl Reception {
    fn new(key: &MasterKey, mki: Mki) -> Self {
        Self {
            print: Print::of(key),
            suite: key.suite(),
            srtp: Transform::new(key, Stream::Srtp),
            srtcp: Transform::new(key, Stream::Srtcp),
            mki,
            packets: Sources::default(),
            reports: Sources::default(),
            before: Sources::default(),
            opened: [0; 2],
            opens_max: SRTP_PACKETS_MAX,
        }
    }

    fn served(&self) -> bool {
        !(self.packets.is_empty() && self.reports.is_empty())
    }

    /// Takes suite and identifier of the same key; whether one is another. The windows stay, for tags alone may differ:
    /// a packet that was opened has its place under every suite.
    fn renew(&mut self, key: &MasterKey, mki: Mki) -> bool {
        if (self.suite, self.mki) == (key.suite(), mki) {
            return false;
        }
        self.mki = mki;
        if self.suite != key.suite() {
            self.suite = key.suite();
            self.srtp = Transform::new(key, Stream::Srtp);
            self.srtcp = Transform::new(key, Stream::Srtcp);
        }
        true
    }

    /// The index a packet most likely has, and the only other one it may have (the same, where there is none).
    fn candidates(
        &mut self,
        header: &RtpHeader,
        before: Option<super::window::Window>,
    ) -> Result<[u64; 2], Refused> {
        if let Some(window) = self.packets.find(header.ssrc) {
            let index = window.estimate(header.sequence)?;
            window.judge(index)?;
            return Ok([index; 2]);
        }
        // A source that is new under this key begins at roll-over 0; or, where it was heard under the key before, goes
        // on: RFC 3711 §3.3.1 says the latter, and many who take keys from SDP begin a new context for each.
        let zero = u64::from(header.sequence);
        let likely = before.and_then(|window| window.estimate(header.sequence).ok());
        Ok([likely.unwrap_or(zero), zero])
    }

    /// Opens a packet as the one with this index. With a spare buffer a refused packet is as it came.
    fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header: &RtpHeader,
        index: u64,
        spare: Option<&mut Vec<u8>>,
    ) -> Result<usize, Refused> {
        let [count, _] = self.opened;
        // RFC 3711 §9.2: what comes under a key that has served is not taken.
        if count >= self.opens_max {
            return Err(Refused::Exhausted);
        }
        let spare = keep(packet, spare, &self.srtp);
        let opened = self.srtp.open_rtp(packet, header.octets, self.mki, header.ssrc, index);
        give_back(packet, spare, opened.is_err());
        let octets = opened?;
        self.packets.accept(header.ssrc, index)?;
        let [count, _] = &mut self.opened;
        *count += 1;
        Ok(octets)
    }

    fn open_rtcp(
        &mut self,
        packet: &mut [u8],
        ssrc: u32,
        spare: Option<&mut Vec<u8>>,
    ) -> Result<usize, Refused> {
        let index = self.srtcp.rtcp_index(packet, self.mki)?;
        if let Some(window) = self.reports.find(ssrc) {
            window.judge(u64::from(index))?;
        }
        let [_, count] = self.opened;
        if count >= self.opens_max {
            return Err(Refused::Exhausted);
        }
        let spare = keep(packet, spare, &self.srtcp);
        let opened = self.srtcp.open_rtcp(packet, self.mki, ssrc, index);
        give_back(packet, spare, opened.is_err());
        let octets = opened?;
        self.reports.accept(ssrc, u64::from(index))?;
        let [_, count] = &mut self.opened;
        *count += 1;
        Ok(octets)
    }
}

/// Copies the packet where the cipher would spoil it.
fn keep<'a>(packet: &[u8], spare: Option<&'a mut Vec<u8>>, transform: &Transform) -> Option<&'a mut Vec<u8>> {
    let spare = spare.filter(|_| !transform.leaves_refused_alone())?;
    spare.clear();
    spare.extend_from_slice(packet);
    Some(spare)
}

fn give_back(packet: &mut [u8], spare: Option<&mut Vec<u8>>, refused: bool) {
    if let Some(spare) = spare.filter(|spare| refused && spare.len() == packet.len()) {
        packet.copy_from_slice(spare);
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = if self.is_changing() { ", key changing" } else { "" };
        write!(f, "Inbound {} [redacted]{change}", self.current.suite.token())
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
