//! How one leg's packets are protected: in the clear, under keys, or not at all yet.
//!
//! Owns the keys of both directions, their change, and what is told when one has served. Refuses to know sources and terms.
//! Read first: RFC 3711 §3, §9.2; RFC 4568 §7.1.4.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::shaking::{Agreement, Association, Shaken};
use super::{Cause, Port};
use crate::clock::Tick;
use crate::media::dtls::Identity;
use crate::media::order::Protection;
use crate::media::rtp::BadPacket;
use crate::media::srtp::{Inbound, Outbound, Refused, Rekeyed, RollOver, SRTP_PACKETS_MAX};

/// The peer's old key opens packets beside the new one for so long.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);

/// Associations of other early dialogs that may have their turn again.
const PARKED_MAX: usize = 3;

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
    /// SRTP under keys of a handshake, which are to come perhaps.
    Dtls,
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
pub(super) struct Keys {
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
}

/// What protection is agreed on, and with whom.
#[derive(Debug)]
pub(super) struct Agreed<'a> {
    pub(super) protection: &'a Protection,
    /// Whether early dialogs may take turns.
    pub(super) early: bool,
    /// Where the peer is, by socket; `None` where it has none.
    pub(super) remotes: [Option<SocketAddr>; 2],
    /// Who we are, where DTLS is spoken.
    pub(super) identity: Option<&'a Arc<Identity>>,
}

/// The protection of one leg.
#[derive(Debug)]
pub(super) struct Guard {
    mode: Mode,
    /// Kept while the leg is plain or off: the same keys may be agreed on again, and their windows must not begin anew.
    keys: Option<Box<Keys>>,
    /// The handshakes whose keys are in use, or to come.
    association: Option<Box<Association>>,
    /// Those of other early dialogs, the oldest first.
    #[allow(clippy::vec_box, reason = "the one in use comes from here and goes back as it is")]
    parked: Vec<Box<Association>>,
    /// When the peer's old key ends.
    changes_by: Option<Tick>,
    wear: Wear,
    /// Whether early dialogs have taken turns since the last one won.
    taking_turns: bool,
}

impl Guard {
    pub(super) const fn new() -> Self {
        Self {
            mode: Mode::Shut,
            keys: None,
            association: None,
            parked: Vec::new(),
            changes_by: None,
            wear: Wear::Fresh,
            taking_turns: false,
        }
    }

    /// Whether a packet that passes is its peer's for certain.
    pub(super) const fn authenticates(&self) -> bool {
        matches!(self.mode, Mode::Srtp | Mode::Dtls)
    }

    /// Takes protection as agreed; says whether the peer has another key than before.
    ///
    /// # Errors
    /// When nothing can pass under it, or only under another key.
    pub(super) fn agree(&mut self, now: Tick, agreed: &Agreed<'_>) -> Result<Rekeyed, Trouble> {
        let (before, early) = (self.mode, agreed.early);
        if !matches!(agreed.protection, Protection::Dtls { .. }) {
            self.shut();
        }
        match agreed.protection {
            Protection::Plain => self.mode = Mode::Plain,
            Protection::Dtls { active, fingerprint, suites } => {
                let agreement = Agreement {
                    active: *active,
                    fingerprint: fingerprint.clone(),
                    suites: Arc::clone(suites),
                    remotes: agreed.remotes,
                };
                return self.associate(now, agreement, agreed);
            }
            Protection::Srtp { inbound, mki, outbound, lifetime } => {
                self.mode = Mode::Srtp;
                let Some(keys) = &mut self.keys else {
                    let mut inbound = Inbound::new(inbound, *mki);
                    inbound.limit(*lifetime);
                    let outbound = Outbound::new(outbound, SRTP_PACKETS_MAX);
                    self.keys = Some(Box::new(Keys { inbound, outbound }));
                    self.taking_turns = early;
                    return Ok(Rekeyed::Changed);
                };
                let (theirs, ours) = if early || self.taking_turns {
                    // Whoever wins had perhaps its turn before: its keys go on, and those of the others end.
                    self.taking_turns = early;
                    let theirs = keys.inbound.turn(inbound, *mki).map_err(trouble)?;
                    (theirs, keys.outbound.turn(outbound, SRTP_PACKETS_MAX).map_err(trouble)?)
                } else {
                    let theirs = keys.inbound.rekey(inbound, *mki).map_err(trouble)?;
                    // RFC 4568 §7.1.4: a new master key makes a new context, whose roll-over counter is zero.
                    let ours = keys.outbound.rekey(outbound, SRTP_PACKETS_MAX, RollOver::Zero);
                    (theirs, ours.map_err(trouble)?)
                };
                if !early {
                    keys.inbound.settle();
                    keys.outbound.settle();
                }
                keys.inbound.limit(*lifetime);
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

    /// Takes a handshake as agreed: the one that there is, one that had its turn before, or a new one.
    fn associate(
        &mut self,
        now: Tick,
        agreement: Agreement,
        agreed: &Agreed<'_>,
    ) -> Result<Rekeyed, Trouble> {
        let Some(identity) = agreed.identity else {
            self.mode = Mode::Shut;
            let why = "DTLS is agreed on, and there is no certificate for it";
            return Err(Trouble::Failed(why.to_owned()));
        };
        self.mode = Mode::Dtls;
        let stays = self.association.as_ref().is_some_and(|association| association.is_of(&agreement));
        if !stays {
            // RFC 8842 §5: another fingerprint, role or address is another association, and the keys of the one before
            // end with it; but while early dialogs take turns, its turn may come again.
            let before = self.association.take().filter(|_| agreed.early || self.taking_turns);
            let parked = self.parked.iter().position(|parked| parked.is_of(&agreement));
            let next = match parked {
                Some(at) => self.parked.remove(at),
                None => Box::new(Association::new(now, agreement, Arc::clone(identity))),
            };
            self.parked.extend(before);
            if self.parked.len() > PARKED_MAX {
                self.parked.remove(0);
            }
            self.association = Some(next);
        }
        self.taking_turns = agreed.early;
        if !agreed.early {
            self.parked.clear();
            if let Some(association) = &mut self.association {
                association.hurry(now);
            }
        }
        Ok(if stays { Rekeyed::Same } else { Rekeyed::Changed })
    }

    /// The stream has no sockets any more: handshakes end with the way they went (RFC 8842 §5.1), keys of SDES do not.
    pub(super) fn shut(&mut self) {
        self.association = None;
        self.parked.clear();
    }

    /// Takes a datagram of a handshake, from somebody whom the terms let try.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn shake(
        &mut self,
        now: Tick,
        port: Port,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Cause> {
        match (self.mode, &mut self.association) {
            (Mode::Dtls, Some(association)) => association.take(now, port, source, datagram),
            (Mode::Shut | Mode::Plain | Mode::Srtp, _) | (Mode::Dtls, None) => Err(Cause::Handshake),
        }
    }

    /// The next thing to do for a handshake.
    pub(super) fn shaken(&mut self, now: Tick, buffer: &mut [u8]) -> Option<Shaken> {
        self.association.as_mut()?.next(now, buffer)
    }

    /// When it is to be asked again.
    pub(super) fn wakes(&self) -> Option<Tick> {
        self.association.as_ref()?.wakes()
    }

    /// Where handshakes found the peer, by socket.
    pub(super) fn sources(&self) -> [Option<SocketAddr>; 2] {
        self.association.as_ref().map_or([None; 2], |association| association.sources())
    }

    /// The keys in use on a socket.
    fn keys(&mut self, port: Port, none: Cause) -> Result<Option<&mut Keys>, Cause> {
        match self.mode {
            Mode::Plain => Ok(None),
            Mode::Shut => Err(none),
            Mode::Srtp => self.keys.as_deref_mut().map(Some).ok_or(none),
            // RFC 5764 §3: each socket has keys of its own, and until then nothing passes.
            Mode::Dtls => {
                let keys = self.association.as_mut().and_then(|association| association.keys(port));
                keys.map(Some).ok_or(none)
            }
        }
    }

    /// Opens the peer's RTP in place; the octets of what was inside.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Cause> {
        let Some(keys) = self.keys(Port::Rtp, Cause::Early)? else { return Ok(packet.len()) };
        let opened = keys.inbound.unprotect_rtp(packet);
        opened.map_err(|refused| self.cause(refused))
    }

    /// Opens the peer's RTCP in place, on the socket that it came by; the octets of what was inside.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn open_rtcp(&mut self, port: Port, packet: &mut [u8]) -> Result<usize, Cause> {
        let Some(keys) = self.keys(port, Cause::Early)? else { return Ok(packet.len()) };
        let opened = keys.inbound.unprotect_rtcp(packet);
        opened.map_err(|refused| self.cause(refused))
    }

    /// Protects RTP for the peer in place; the octets it then has.
    ///
    /// # Errors
    /// Why it does not leave.
    pub(super) fn protect_rtp(&mut self, buffer: &mut [u8], octets: usize) -> Result<usize, Cause> {
        let Some(keys) = self.keys(Port::Rtp, Cause::Nowhere)? else { return Ok(octets) };
        let protected = keys.outbound.protect_rtp(buffer, octets);
        protected.map_err(|refused| self.cause(refused))
    }

    /// Protects RTCP for the peer in place, on the socket that it leaves by; the octets it then has.
    ///
    /// # Errors
    /// Why it does not leave.
    pub(super) fn protect_rtcp(
        &mut self,
        port: Port,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, Cause> {
        let Some(keys) = self.keys(port, Cause::Nowhere)? else { return Ok(octets) };
        let protected = keys.outbound.protect_rtcp(buffer, octets);
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
