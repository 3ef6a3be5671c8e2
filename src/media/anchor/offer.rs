//! An offer turned round: what the peer of one leg asks, and what we ask of the other for it.
//!
//! Owns which streams cross, and our half of the other leg's description. Refuses to know what comes of it.
//! Read first: RFC 3264 §5, §8; RFC 4568 §5.1.1, §7.1; RFC 5763 §5.

use rand_core::RngCore;
use smallvec::SmallVec;

use super::base::{Base, key};
use super::ends::{Means, Taken};
use super::heard::{Heard, keys_may_be_told};
use super::pair::{Line, Pair};
use super::refusal::Refusal;
use super::settings::{Demand, Keying, LegSettings};
use crate::media::order::{MediaLeg, STREAMS_MAX};
use crate::media::sdp::{Description, Kind, Profile, Security, Setup, Stream};
use crate::media::srtp::Mki;
use crate::media::srtp::sdes::Crypto;

/// An offer that waits for its answer.
#[derive(Debug)]
pub(super) struct Offer {
    pub from: MediaLeg,
    /// The early dialog it was made in.
    pub fork: u64,
    /// As it came: another target is asked the same.
    pub said: Description,
    /// The offerer's lines; what we say of them is the answer's.
    pub theirs: Vec<Line>,
    /// Our lines for the other leg.
    pub ours: Vec<Line>,
    /// Ends that go back where nothing comes of it.
    pub taken: Taken,
}

/// What becomes of a stream that is asked for.
enum Judged {
    Taken(Box<Heard>),
    Declined(Refusal),
}

impl Base {
    /// Judges an offer and writes our half of the other leg's; what it took goes back where it is refused.
    pub fn propose(
        &mut self,
        (from, fork): (MediaLeg, u64),
        said: Description,
        stands: Option<&Pair>,
        means: &mut Means<'_>,
    ) -> Result<Offer, Refusal> {
        let mut theirs = self.sorted(from, &said, stands)?;
        let mut taken = Taken::new();
        match self.asked(from.other(), &mut theirs, stands, &mut taken, means) {
            Ok(ours) => Ok(Offer { from, fork, said, theirs, ours, taken }),
            Err(refusal) => {
                // None of them was opened, so there is nothing to shut.
                for at in taken {
                    let none = self.ends.drop_end(at, means);
                    debug_assert!(none.is_none(), "an end was open before it was offered");
                }
                Err(refusal)
            }
        }
    }

    /// The offerer's lines: what may cross has a stream, the others are off.
    fn sorted(
        &self,
        from: MediaLeg,
        said: &Description,
        stands: Option<&Pair>,
    ) -> Result<Vec<Line>, Refusal> {
        let before = stands.map_or(&[][..], |pair| pair.leg(from));
        // RFC 3264 §8: no line is ever taken away.
        if said.streams.len() < before.len() {
            return Err(Refusal::Mismatch);
        }
        let slots = |lines: &[Line]| {
            lines.iter().filter_map(|line| line.slot).fold(0_u8, |used, slot| used | 1 << slot)
        };
        let mut used = slots(before);
        let (mut lines, mut declined, mut wanted) = (Vec::with_capacity(said.streams.len()), None, false);
        for (at, stream) in said.streams.iter().enumerate() {
            let mut line = Line::off(stream);
            let was = before.get(at).filter(|was| was.slot.is_some() && was.said.kind == stream.kind);
            if stream.port != 0 {
                wanted = true;
                let slot = was.and_then(|was| was.slot).or_else(|| free(used, at));
                // Who calls for help and cannot be heard may be seen.
                let sole = self.settings(from).help && said.streams.len() == 1;
                match (self.judged(from, stream, was, (stands.is_some(), sole))?, slot) {
                    (Judged::Taken(heard), Some(slot)) => {
                        used |= 1 << slot;
                        line.slot = Some(slot);
                        line.heard = Some(*heard);
                    }
                    (Judged::Taken(_), None) => declined = declined.or(Some(Refusal::NoStream)),
                    (Judged::Declined(refusal), _) => declined = declined.or(Some(refusal)),
                }
            }
            lines.push(line);
        }
        let any = lines.iter().any(|line| line.slot.is_some());
        // All of it off is a way to say that a call goes on in silence, but not to begin one.
        if !any && (wanted || stands.is_none()) {
            return Err(declined.unwrap_or(Refusal::NoStream));
        }
        Ok(lines)
    }

    fn judged(
        &self,
        from: MediaLeg,
        stream: &Stream,
        was: Option<&Line>,
        (renews, sole): (bool, bool),
    ) -> Result<Judged, Refusal> {
        let (own, other) = (self.settings(from), self.settings(from.other()));
        let refusal = match &stream.kind {
            Kind::Audio => None,
            Kind::Video => (!own.video || !other.video).then_some(Refusal::NoStream).filter(|_| !sole),
            Kind::Image => Some(Refusal::Image),
            Kind::Other(_) => Some(Refusal::NoStream),
        };
        if let Some(refusal) = refusal.or_else(|| stream.profile().is_none().then_some(Refusal::NoStream)) {
            return Ok(Judged::Declined(refusal));
        }
        let was = was.and_then(|was| was.heard.as_ref());
        // A stream that is new in a call stands for one that went, whatever its place.
        let encrypted = was.map_or(renews && self.was_secured(from), |heard| !heard.secret.is_clear());
        let mut heard = Heard::offered(stream, own, encrypted, was)?;
        heard.formats.retain(|format| other.lets(&format.codec));
        let speaks = heard.formats.iter().any(|format| format.codec.is_media());
        Ok(if speaks { Judged::Taken(Box::new(heard)) } else { Judged::Declined(Refusal::Codecs) })
    }

    /// Our lines for the other leg, with ports for both.
    fn asked(
        &mut self,
        to: MediaLeg,
        theirs: &mut [Line],
        stands: Option<&Pair>,
        taken: &mut Taken,
        means: &mut Means<'_>,
    ) -> Result<Vec<Line>, Refusal> {
        let before = stands.map_or(&[][..], |pair| pair.leg(to));
        let mut lines: Vec<Line> = before.iter().map(|line| Line::off(&line.said)).collect();
        for line in theirs {
            let (Some(slot), Some(heard)) = (line.slot, &line.heard) else { continue };
            let ends = self.ensure((to.other(), slot), taken, means);
            match ends.and_then(|()| self.ensure((to, slot), taken, means)) {
                Ok(()) => {}
                // One stream of an emergency is more than none.
                Err(Refusal::Ports) if self.settings(to).help && !lines.is_empty() => {
                    *line = line.refused();
                    continue;
                }
                Err(refusal) => return Err(refusal),
            }
            let kept = before.iter().position(|was| was.slot == Some(slot));
            let was = kept.and_then(|at| before.get(at));
            let asks = self.ask((to, slot), &line.said.kind, heard, was, means)?;
            // RFC 3264 §8.1: a new stream stands below the others, or where one was.
            let live = |at: usize| before.get(at).is_some_and(|was| was.slot.is_some());
            let dead = || lines.iter().enumerate().position(|(at, line)| line.slot.is_none() && !live(at));
            match kept.or_else(dead).and_then(|at| lines.get_mut(at)) {
                Some(place) => *place = asks,
                None => lines.push(asks),
            }
        }
        Ok(lines)
    }

    /// What we ask of one stream.
    fn ask(
        &self,
        (to, slot): (MediaLeg, u8),
        kind: &Kind,
        heard: &Heard,
        was: Option<&Line>,
        means: &mut Means<'_>,
    ) -> Result<Line, Refusal> {
        let settings = self.settings(to);
        let profile = match was.and_then(|was| was.said.profile()) {
            Some(profile) => profile,
            None => protection(settings)?,
        };
        let mut said = self.own((to, slot), kind, heard, profile).ok_or(Refusal::Ports)?;
        match profile.security {
            Security::Clear => {}
            Security::Sdes => {
                keys_may_be_told(settings)?;
                said.crypto = match was {
                    Some(was) if was.stale => was.fresh_keys(means.random),
                    // RFC 4568 §7.1.4: a key that stays is repeated.
                    Some(was) => was.said.crypto.clone(),
                    None => (1..)
                        .zip(settings.suites.iter())
                        .map(|(tag, suite)| ours(tag, key(*suite, means.random)))
                        .collect(),
                };
                if said.crypto.is_empty() {
                    return Err(Refusal::NoKey(None));
                }
            }
            Security::Dtls => {
                said.fingerprint = Some(settings.fingerprint.clone().ok_or(Refusal::NoDtls)?);
                // RFC 5763 §5: whoever asks lets the other choose.
                said.setup = Some(Setup::Either);
            }
        }
        Ok(Line { slot: Some(slot), heard: None, said, last: was.and_then(|was| was.last), stale: false })
    }

    /// What we say of a stream on a leg, but for its secrets: what the other side says of it, with our address and port.
    pub fn own(
        &self,
        (leg, slot): (MediaLeg, u8),
        kind: &Kind,
        other: &Heard,
        profile: Profile,
    ) -> Option<Stream> {
        let settings = self.settings(leg);
        let lease = &self.ends.end(leg, slot)?.lease;
        let formats = other.formats.iter().filter(|format| settings.lets(&format.codec)).cloned().collect();
        let mut said = super::base::bare(kind, profile);
        said.port = lease.rtp();
        said.address = Some(settings.advertise);
        said.direction = other.direction;
        said.formats = formats;
        said.ptime = other.ptime;
        said.maxptime = other.maxptime;
        said.mux = other.mux;
        Some(said)
    }

    fn ensure(
        &mut self,
        at: (MediaLeg, u8),
        taken: &mut Taken,
        means: &mut Means<'_>,
    ) -> Result<(), Refusal> {
        let settings = std::sync::Arc::clone(self.settings(at.0));
        self.ends.ensure(at, &settings, taken, means)
    }
}

/// A line of ours for `a=crypto`.
pub(super) const fn ours(tag: u32, key: crate::media::srtp::MasterKey) -> Crypto {
    Crypto { tag, key, mki: Mki::NONE, lifetime: None }
}

/// A place among the streams of a call, that of the line where it can be.
fn free(used: u8, at: usize) -> Option<u8> {
    let is_free = |slot: &u8| used & (1 << slot) == 0;
    let all = (0_u8..).zip(0..STREAMS_MAX).map(|(slot, _)| slot);
    let own = u8::try_from(at).ok().filter(|slot| usize::from(*slot) < STREAMS_MAX);
    own.filter(is_free).or_else(|| all.into_iter().find(is_free))
}

/// The profile that a leg is offered at first.
fn protection(settings: &LegSettings) -> Result<Profile, Refusal> {
    let security = match (settings.demand, settings.keying) {
        (Demand::Plain, _) => Security::Clear,
        // SRTP where its keys can be told, and RTP rather than no call.
        (Demand::Emergency, Keying::Sdes) if !settings.private => Security::Clear,
        (Demand::Emergency, Keying::Dtls) if settings.fingerprint.is_none() => Security::Clear,
        (Demand::Required, Keying::Dtls) if settings.fingerprint.is_none() => return Err(Refusal::NoDtls),
        (Demand::Required, Keying::Dtls) if !settings.private => return Err(Refusal::KeysInClear),
        (Demand::Required | Demand::Emergency, Keying::Sdes) => Security::Sdes,
        (Demand::Required | Demand::Emergency, Keying::Dtls) => Security::Dtls,
    };
    Ok(Profile { security, feedback: false })
}

impl Line {
    /// Other keys of ours of the same suites, under the same numbers.
    pub fn fresh_keys(&self, random: &mut dyn RngCore) -> SmallVec<[Crypto; 1]> {
        let fresh = |crypto: &Crypto| ours(crypto.tag, key(crypto.key.suite(), random));
        self.said.crypto.iter().map(fresh).collect()
    }

    /// The protocol's and the kind's words of a line that is refused.
    pub fn refused(&self) -> Self {
        Self::off(&self.said)
    }
}
