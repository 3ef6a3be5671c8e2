//! How one leg's packets are protected: in the clear, under keys, or not at all yet.
//!
//! Owns the keys of both directions, their change, and what is told when one has served. Refuses to know sources and terms.
//! Read first: RFC 3711 §3, §9.2; RFC 4568 §7.1.4.

use std::time::Duration;

use super::Cause;
use crate::clock::Tick;
use crate::media::order::Protection;
use crate::media::rtp::BadPacket;
use crate::media::srtp::{Inbound, Outbound, Refused, Rekeyed, RollOver};

/// The peer's old key opens packets beside the new one for so long.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);

/// Why protection could not be taken as agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// This leg has no media.
    Failed(String),
    /// The key is no good: another must be agreed on.
    Exhausted,
}

/// What is agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing: no packet passes.
    Shut,
    Plain,
    Srtp,
}

/// What of a key is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wear {
    Fresh,
    Worn,
    Told,
}

/// Both directions of SRTP.
#[derive(Debug)]
struct Keys {
    inbound: Inbound,
    outbound: Outbound,
}

/// The protection of one leg.
#[derive(Debug)]
pub(super) struct Guard {
    mode: Mode,
    /// Kept while the leg is plain or off: the same keys may be agreed on again, and their windows must not begin anew.
    keys: Option<Box<Keys>>,
    /// When the peer's old key ends.
    changes_by: Option<Tick>,
    wear: Wear,
}

impl Guard {
    pub(super) const fn new() -> Self {
        Self { mode: Mode::Shut, keys: None, changes_by: None, wear: Wear::Fresh }
    }

    /// Whether a packet that passes is its peer's for certain.
    pub(super) const fn authenticates(&self) -> bool {
        matches!(self.mode, Mode::Srtp)
    }

    /// Takes protection as agreed; says whether the peer has another key than before.
    ///
    /// # Errors
    /// When nothing can pass under it, or only under another key.
    pub(super) fn agree(&mut self, now: Tick, protection: &Protection) -> Result<Rekeyed, Trouble> {
        let before = self.mode;
        match protection {
            Protection::Plain => self.mode = Mode::Plain,
            Protection::Dtls { .. } => {
                self.mode = Mode::Shut;
                let why = "keys by DTLS are not spoken here; the peer has to offer SDES";
                return Err(Trouble::Failed(why.to_owned()));
            }
            Protection::Srtp { inbound, mki, outbound, lifetime } => {
                self.mode = Mode::Srtp;
                let Some(keys) = &mut self.keys else {
                    self.keys = Some(Box::new(Keys {
                        inbound: Inbound::new(inbound, *mki),
                        outbound: Outbound::new(outbound, *lifetime),
                    }));
                    return Ok(Rekeyed::Changed);
                };
                let theirs = keys.inbound.rekey(inbound, *mki).map_err(trouble)?;
                // RFC 4568 §7.1.4: a new master key makes a new context, whose roll-over counter is zero.
                let ours = keys.outbound.rekey(outbound, *lifetime, RollOver::Zero).map_err(trouble)?;
                self.changes_by = keys.inbound.is_changing().then(|| now.after(CHANGE_PATIENCE));
                if theirs == Rekeyed::Changed || ours == Rekeyed::Changed {
                    self.wear = Wear::Fresh;
                }
                if before == Mode::Srtp {
                    return Ok(theirs);
                }
            }
        }
        Ok(if before == self.mode { Rekeyed::Same } else { Rekeyed::Changed })
    }

    /// Opens the peer's RTP in place; the octets of what was inside.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Cause> {
        let opened = match (self.mode, &mut self.keys) {
            (Mode::Plain, _) => return Ok(packet.len()),
            (Mode::Srtp, Some(keys)) => keys.inbound.unprotect_rtp(packet),
            (Mode::Shut, _) | (Mode::Srtp, None) => return Err(Cause::Early),
        };
        opened.map_err(|refused| self.cause(refused))
    }

    /// Opens the peer's RTCP in place; the octets of what was inside.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Cause> {
        let opened = match (self.mode, &mut self.keys) {
            (Mode::Plain, _) => return Ok(packet.len()),
            (Mode::Srtp, Some(keys)) => keys.inbound.unprotect_rtcp(packet),
            (Mode::Shut, _) | (Mode::Srtp, None) => return Err(Cause::Early),
        };
        opened.map_err(|refused| self.cause(refused))
    }

    /// Protects RTP for the peer in place; the octets it then has.
    ///
    /// # Errors
    /// Why it does not leave.
    pub(super) fn protect_rtp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, Cause> {
        let protected = match (self.mode, &mut self.keys) {
            (Mode::Plain, _) => return Ok(octets),
            (Mode::Srtp, Some(keys)) => keys.outbound.protect_rtp(buffer, octets),
            (Mode::Shut, _) | (Mode::Srtp, None) => return Err(Cause::Nowhere),
        };
        protected.map_err(|refused| self.cause(refused))
    }

    /// Protects RTCP for the peer in place; the octets it then has.
    ///
    /// # Errors
    /// Why it does not leave.
    pub(super) fn protect_rtcp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, Cause> {
        let protected = match (self.mode, &mut self.keys) {
            (Mode::Plain, _) => return Ok(octets),
            (Mode::Srtp, Some(keys)) => keys.outbound.protect_rtcp(buffer, octets),
            (Mode::Shut, _) | (Mode::Srtp, None) => return Err(Cause::Nowhere),
        };
        protected.map_err(|refused| self.cause(refused))
    }

    /// Ends what has had its time.
    pub(super) fn pass(&mut self, now: Tick) {
        if self.changes_by.is_some_and(|by| by <= now) {
            self.changes_by = None;
            if let Some(keys) = &mut self.keys {
                keys.inbound.finish_change();
            }
        }
    }

    /// Whether a key has served and that is to be told now.
    pub(super) fn wears_out(&mut self) -> bool {
        let worn = self.wear == Wear::Worn;
        if worn {
            self.wear = Wear::Told;
        }
        worn
    }

    /// What a refusal means for the packet; a key that has served is noted.
    fn cause(&mut self, refused: Refused) -> Cause {
        if refused.wants_key() && self.wear == Wear::Fresh {
            self.wear = Wear::Worn;
        }
        match refused {
            Refused::Packet(cause) => Cause::Malformed(cause),
            Refused::Unauthentic | Refused::Mki | Refused::Unencrypted => Cause::Unauthentic,
            Refused::Replayed => Cause::Replayed,
            Refused::Late => Cause::Late,
            Refused::Room => Cause::Malformed(BadPacket::Long),
            Refused::Sources | Refused::Exhausted | Refused::Behind | Refused::Retired | Refused::Keys => {
                Cause::Worn
            }
        }
    }
}

/// What a refusal of a new key means for the leg.
fn trouble(refused: Refused) -> Trouble {
    if refused.wants_key() {
        Trouble::Exhausted
    } else {
        Trouble::Failed(format!("the key that was agreed on cannot be used: {refused}"))
    }
}
