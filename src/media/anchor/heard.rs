//! What the peer of a leg says of one stream, judged.
//!
//! Owns what is encrypted or refused, where media may go and which codecs are left. Refuses to know the other leg.
//! Read first: RFC 4568 §5, §7; RFC 5763 §5; RFC 3264 §6, §8.4; RFC 8643 (which is refused here).

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::refusal::Refusal;
use super::settings::{Demand, LegSettings};
use crate::media::dtls::PROFILES;
use crate::media::order::Fingerprint;
use crate::media::reach::Misplaced;
use crate::media::sdp::{Direction, Format, Profile, Security, Setup, Stream};
use crate::media::srtp::sdes::Crypto;

/// One stream as the peer of a leg wants it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    /// Where it receives; `None` where it says that it does not, in the old way of holding.
    pub place: Option<Place>,
    pub mux: bool,
    pub profile: Profile,
    pub direction: Direction,
    pub formats: SmallVec<[Format; 4]>,
    pub ptime: Option<u16>,
    pub maxptime: Option<u16>,
    pub secret: Secret,
    /// What was let pass since the call is for help.
    pub spared: Spared,
}

/// What would have refused the stream of any other call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spared {
    /// Its encryption, which could not be taken and is none.
    pub bare: bool,
    /// The place where it wants to be sent to.
    pub misplaced: Option<Misplaced>,
    /// Whether it is sent nothing there, and is looked for where its packets come from.
    pub sought: bool,
}

/// Where a peer receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub rtp: SocketAddr,
    pub rtcp: Option<SocketAddr>,
}

/// By what the peer's packets are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// By nothing.
    Clear,
    /// By its key.
    Sdes(Box<Crypto>),
    /// By its certificate; `active` where we open the handshake.
    Dtls { fingerprint: Fingerprint, active: bool },
}

impl Secret {
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// Whether we open the handshake, where there is one.
    const fn begins(&self) -> Option<bool> {
        match self {
            Self::Clear | Self::Sdes(_) => None,
            Self::Dtls { active, .. } => Some(*active),
        }
    }
}

impl Heard {
    /// A stream of an offer. `encrypted` says whether it was until now, `was` what the peer said of it before.
    pub fn offered(
        stream: &Stream,
        leg: &LegSettings,
        encrypted: bool,
        was: Option<&Self>,
    ) -> Result<Self, Refusal> {
        let profile = stream.profile().ok_or(Refusal::NoStream)?;
        let secret = match profile.security {
            Security::Clear => clear_offer(stream, leg, encrypted),
            Security::Sdes => keyed_offer(stream, leg),
            Security::Dtls => shaken_offer(stream, leg, was),
        };
        let (profile, secret, bare) = match secret {
            Ok(secret) => (profile, secret, false),
            // DESIGN.md law 3: what cannot be taken of its encryption is none, and RTP is answered, against RFC 3264 §6: an answer
            // by RTP/SAVP would have to tell a key, and in the clear none is told (law 2).
            Err(refusal) if leg.help && refusal.is_of_encryption() => (bared(profile), Secret::Clear, true),
            Err(refusal) => return Err(refusal),
        };
        Self::placed(stream, leg, (profile, secret, bare), stream.direction, stream.mux)
    }

    /// A stream of an answer to what we asked.
    pub fn answered(stream: &Stream, leg: &LegSettings, asked: &Stream) -> Result<Self, Refusal> {
        let profile = stream.profile().ok_or(Refusal::Mismatch)?;
        let wanted = asked.profile().ok_or(Refusal::Mismatch)?;
        // RFC 3264 §6: the protocol of an answer is that of its offer.
        let weaker = wanted.security != profile.security && profile.security == Security::Clear;
        if wanted.security != profile.security && !(weaker && leg.help) {
            return Err(if weaker { Refusal::Clear } else { Refusal::Mismatch });
        }
        let secret = match profile.security {
            Security::Clear => Secret::Clear,
            Security::Sdes => Secret::Sdes(Box::new(chosen(stream, asked)?)),
            Security::Dtls => {
                let active = match stream.setup {
                    Some(Setup::Passive) => true,
                    Some(Setup::Active) => false,
                    Some(Setup::Either | Setup::Hold) | None => return Err(Refusal::NoFingerprint),
                };
                handshake(stream, leg, active)?
            }
        };
        // RFC 3264 §6.1: an answer gives no more than was asked.
        let direction = stream.direction.with(asked.direction);
        // RFC 5761 §5.1.1: an answer shares a port only where it was asked to.
        let mux = stream.mux && asked.mux;
        let mut heard = Self::placed(stream, leg, (profile, secret, weaker), direction, mux)?;
        heard.formats.retain(|format| asked.formats.iter().any(|other| other.codec == format.codec));
        if heard.formats.iter().any(|format| format.codec.is_media()) {
            Ok(heard)
        } else {
            Err(Refusal::Codecs)
        }
    }

    /// Whether an offer of the same peer says this again: what it receives where and under which key. Formats that were not
    /// agreed on it may leave out; how long its packets are is no change.
    pub fn repeats(&self, before: &Self, agreed: &[Format]) -> bool {
        let known = |format: &Format| before.formats.contains(format);
        let left = |format: &Format| self.formats.iter().any(|other| other.codec == format.codec);
        (self.place, self.mux) == (before.place, before.mux)
            && (self.profile, self.direction, &self.secret)
                == (before.profile, before.direction, &before.secret)
            && self.formats.iter().all(known)
            && agreed.iter().all(left)
    }

    fn placed(
        stream: &Stream,
        leg: &LegSettings,
        (profile, secret, bare): (Profile, Secret, bool),
        direction: Direction,
        mux: bool,
    ) -> Result<Self, Refusal> {
        let rtp = stream.place().ok_or(Refusal::NoStream)?;
        // RFC 3264 §8.4: the old way of holding. It sends on, and is sent nothing.
        let held = rtp.ip().is_unspecified();
        let (place, spared) = if held { (None, Spared::default()) } else { spared(stream, leg, rtp, mux)? };
        let spared = Spared { bare, ..spared };
        Ok(Self {
            spared,
            place,
            mux,
            profile,
            direction: if held { Direction::of(direction.sends(), false) } else { direction },
            formats: stream.formats.iter().filter(|format| leg.lets(&format.codec)).cloned().collect(),
            ptime: stream.ptime,
            maxptime: stream.maxptime,
            secret,
        })
    }
}

/// Where a peer receives, and what of it was let pass for an emergency. A place outside its networks is taken as it is named
/// ([`LegSettings::judge_for_help`]). Any other that may not be sent to is not; its peer is sought where its packets come from,
/// within its networks: a machine that names its loopback speaks from its real address all the same.
fn spared(
    stream: &Stream,
    leg: &LegSettings,
    rtp: SocketAddr,
    mux: bool,
) -> Result<(Option<Place>, Spared), Refusal> {
    match placed(stream, leg, rtp, mux) {
        Ok(place) => Ok((Some(place), Spared::default())),
        Err(Refusal::Place(misplaced)) if leg.help => {
            let mut spared = Spared { misplaced: Some(misplaced), ..Spared::default() };
            if leg.judge_for_help(rtp).is_err() {
                spared.sought = true;
                return Ok((None, spared));
            }
            let rtcp = if mux { Some(rtp) } else { stream.rtcp_place().filter(|rtcp| *rtcp != rtp) };
            let rtcp = rtcp.filter(|rtcp| leg.judge_for_help(*rtcp).is_ok());
            Ok((Some(Place { rtp, rtcp }), spared))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Where a peer receives, judged.
fn placed(stream: &Stream, leg: &LegSettings, rtp: SocketAddr, mux: bool) -> Result<Place, Refusal> {
    leg.judge(rtp).map_err(Refusal::Place)?;
    let rtcp = if mux { Some(rtp) } else { stream.rtcp_place() };
    if let Some(rtcp) = rtcp {
        leg.judge(rtcp).map_err(Refusal::Place)?;
    }
    // RFC 5761 §4: they do not share a port unless it is said.
    Ok(Place { rtp, rtcp: rtcp.filter(|rtcp_at| mux || *rtcp_at != rtp) })
}

/// The same without encryption.
const fn bared(profile: Profile) -> Profile {
    Profile { security: Security::Clear, ..profile }
}

/// SRTP under a key of the offer.
fn keyed_offer(stream: &Stream, leg: &LegSettings) -> Result<Secret, Refusal> {
    keys_may_be_told(leg)?;
    // RFC 4568 §5.1.2: the answerer picks one; ours are listed in the owner's order.
    let mut allowed = leg.suites.iter();
    let chosen = allowed.find_map(|suite| stream.crypto.iter().find(|crypto| crypto.key.suite() == *suite));
    Ok(Secret::Sdes(Box::new(chosen.ok_or(Refusal::NoKey(stream.unusable))?.clone())))
}

/// SRTP under keys of a handshake.
fn shaken_offer(stream: &Stream, leg: &LegSettings, was: Option<&Heard>) -> Result<Secret, Refusal> {
    let active = match stream.setup {
        // RFC 8842 §5.3: roles stay, or it would be another association. RFC 5763 §5: an answerer that may choose is active; but
        // who is behind NAT is reached after it spoke.
        Some(Setup::Either) => was.and_then(|was| was.secret.begins()).unwrap_or(!leg.behind_nat),
        Some(Setup::Passive) => true,
        Some(Setup::Active) => false,
        Some(Setup::Hold) | None => return Err(Refusal::NoFingerprint),
    };
    handshake(stream, leg, active)
}

/// RTP without encryption, offered.
fn clear_offer(stream: &Stream, leg: &LegSettings, encrypted: bool) -> Result<Secret, Refusal> {
    // RFC 8643 §3: SDES and DTLS alike may stand beside RTP/AVP, for the other side to take or leave.
    let sdes = !stream.crypto.is_empty() || stream.unusable.is_some();
    let keyed = sdes || stream.fingerprint.is_some() || stream.setup.is_some();
    match leg.demand {
        Demand::Emergency => Ok(Secret::Clear),
        Demand::Required | Demand::Plain if keyed => Err(Refusal::BestEffort),
        Demand::Required if encrypted => Err(Refusal::Weaker),
        Demand::Required => Err(Refusal::Clear),
        // What was encrypted stays so for the life of a call, whatever the peer may do.
        Demand::Plain if encrypted => Err(Refusal::Weaker),
        Demand::Plain => Ok(Secret::Clear),
    }
}

/// Whether a key of ours may be told on a leg (attack row E4). Not for an emergency either: one that others may hear is as good
/// as none, and none does for such a call.
pub(super) const fn keys_may_be_told(leg: &LegSettings) -> Result<(), Refusal> {
    if leg.private { Ok(()) } else { Err(Refusal::KeysInClear) }
}

fn handshake(stream: &Stream, leg: &LegSettings, active: bool) -> Result<Secret, Refusal> {
    if leg.fingerprint.is_none() || !leg.suites.iter().any(|suite| PROFILES.contains(suite)) {
        return Err(Refusal::NoDtls);
    }
    // RFC 8122 §7: a fingerprint is worth what the way is worth by which it came.
    if leg.demand == Demand::Required && !leg.private {
        return Err(Refusal::KeysInClear);
    }
    let fingerprint = stream.fingerprint.clone().ok_or(Refusal::NoFingerprint)?;
    Ok(Secret::Dtls { fingerprint, active })
}

/// RFC 4568 §5.1.2: an answer has one of the keys' lines that were offered, by number and suite.
fn chosen(stream: &Stream, asked: &Stream) -> Result<Crypto, Refusal> {
    let none = Refusal::NoKey(stream.unusable);
    let [crypto] = stream.crypto.as_slice() else { return Err(none) };
    let matches = |ours: &Crypto| ours.tag == crypto.tag && ours.key.suite() == crypto.key.suite();
    if stream.unusable.is_none() && asked.crypto.iter().any(matches) { Ok(crypto.clone()) } else { Err(none) }
}
