//! An answer turned round: what holds from then on, and our half of the offerer's leg.
//!
//! Owns what each side has agreed to, and which key of ours goes on. Refuses to know whose turn it was.
//! Read first: RFC 3264 §6, §7, §8; RFC 4568 §5.1.2, §7.1.4; RFC 5763 §5.

use super::base::{Base, key};
use super::ends::Means;
use super::heard::{Heard, Place, Secret};
use super::offer::ours;
use super::pair::{Line, Pair};
use super::refusal::Refusal;
use super::state::Asked;
use crate::media::order::MediaLeg;
use crate::media::sdp::{Description, Kind, Protocol, Setup};

impl Base {
    /// Judges the answer to an offer: the lines of both legs.
    pub fn conclude(
        &self,
        asked: &Asked<'_>,
        answer: &Description,
        means: &mut Means<'_>,
    ) -> Result<Pair, Refusal> {
        let Asked { offer, stands, asker, .. } = asked;
        let (from, to) = (offer.from, offer.from.other());
        // RFC 3264 §6: a line for each line.
        if answer.streams.len() != offer.ours.len() {
            return Err(Refusal::Mismatch);
        }
        let mut others = Vec::with_capacity(offer.ours.len());
        for (asked, stream) in offer.ours.iter().zip(&answer.streams) {
            let slot = asked.slot.filter(|_| stream.port != 0);
            if stream.kind != asked.said.kind || slot.is_none() && stream.port != 0 {
                return Err(Refusal::Mismatch);
            }
            let Some(slot) = slot else {
                others.push(asked.refused());
                continue;
            };
            let heard = Heard::answered(stream, self.settings(to), &asked.said)?;
            let was = stands.and_then(|pair| pair.line(to, slot));
            others.push(taken(asked, heard, was));
        }
        let mut lines = Vec::with_capacity(offer.theirs.len());
        for line in &offer.theirs {
            let peer = others.iter().find(|other| line.slot.is_some() && other.slot == line.slot);
            lines.push(match (line, peer.and_then(|peer| peer.heard.as_ref())) {
                (Line { slot: Some(slot), heard: Some(heard), said, .. }, Some(peer)) => {
                    let was = asker.and_then(|pair| pair.line(from, *slot));
                    self.reply((from, *slot), &said.kind, heard, peer, was, means)?
                }
                (line, _) => line.refused(),
            });
        }
        Ok(Pair::of(from, lines, others))
    }

    /// Our answer to one stream of the offerer.
    fn reply(
        &self,
        (leg, slot): (MediaLeg, u8),
        kind: &Kind,
        heard: &Heard,
        peer: &Heard,
        was: Option<&Line>,
        means: &mut Means<'_>,
    ) -> Result<Line, Refusal> {
        let mut said = self.own((leg, slot), kind, peer, heard.profile).ok_or(Refusal::Ports)?;
        let settings = self.settings(leg);
        said.mux = heard.mux;
        let last = heard.place.or_else(|| was.and_then(|was| was.last));
        match &heard.secret {
            Secret::Clear => {}
            Secret::Sdes(crypto) => {
                let kept = was.filter(|was| !was.stale && !moved(was, heard));
                let kept = kept.and_then(|was| was.said.crypto.first()).map(|ours| &ours.key);
                let kept = kept.filter(|kept| kept.suite() == crypto.key.suite()).cloned();
                // RFC 4568 §7.1.4: whoever moves, or takes another key, is given another.
                let key = kept.unwrap_or_else(|| key(crypto.key.suite(), means.random));
                said.crypto.push(ours(crypto.tag, key));
            }
            Secret::Dtls { active, .. } => {
                said.fingerprint = Some(settings.fingerprint.clone().ok_or(Refusal::NoDtls)?);
                said.setup = Some(if *active { Setup::Active } else { Setup::Passive });
            }
        }
        Ok(Line { slot: Some(slot), heard: Some(heard.clone()), said, last, stale: false })
    }
}

/// A line that was asked for and is taken.
pub(super) fn taken(asked: &Line, heard: Heard, was: Option<&Line>) -> Line {
    let mut line = asked.clone();
    if heard.spared.bare {
        // An emergency: what its peer would not encrypt is not said again as if it were.
        line.said.protocol = Protocol::Rtp(heard.profile);
        (line.said.fingerprint, line.said.setup) = (None, None);
        line.said.crypto.clear();
    }
    if let Secret::Sdes(crypto) = &heard.secret {
        // Of the keys that were offered one is in use; a later offer repeats it.
        line.said.crypto.retain(|ours| ours.tag == crypto.tag);
    }
    line.said.mux = heard.mux;
    // Our key was told before it had served, or before the peer said that it has moved: the next description has another.
    let repeated = was.is_some_and(|was| was.said.crypto.first() == line.said.crypto.first());
    line.stale = repeated && was.is_some_and(|was| was.stale || moved(was, &heard));
    line.last = heard.place.or(line.last);
    line.heard = Some(heard);
    line
}

/// Whether the peer receives elsewhere, or is known by another key.
fn moved(was: &Line, heard: &Heard) -> bool {
    let rtp = |place: Option<Place>| place.map(|place| place.rtp);
    let elsewhere = heard.place.is_some() && was.last.is_some() && rtp(heard.place) != rtp(was.last);
    let key = |heard: &Heard| match &heard.secret {
        Secret::Sdes(crypto) => Some(crypto.key.clone()),
        Secret::Clear | Secret::Dtls { .. } => None,
    };
    elsewhere || was.heard.as_ref().is_some_and(|before| key(before) != key(heard))
}
