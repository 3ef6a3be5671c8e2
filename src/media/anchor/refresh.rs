//! What holds, said again on one leg alone: a session refresh of ours, and a key that has served.
//!
//! Owns that a refresh changes nothing on the other leg. Read first: RFC 4028 §7.4; RFC 3264 §8; RFC 4568 §7.1.4.

use super::answer::taken;
use super::ends::Means;
use super::heard::{Heard, Secret};
use super::pair::Line;
use super::refusal::Refusal;
use super::state::State;
use super::{Anchor, MediaLeg, Order, Voice};
use crate::media::sdp::{self, Description, Direction, Origin, Setup, Stream};
use crate::media::srtp::sdes::Crypto;

impl Anchor {
    /// Whether an offer says what stands on its leg already: the other leg need not be asked, and [`Self::repeat`] answers
    /// it (RFC 3264 §8). `None` where nothing is agreed, or an offer waits.
    #[must_use]
    pub fn knows(&self, leg: MediaLeg, sdp: &[u8]) -> Option<bool> {
        let State::Agreed(pair) = &self.state else { return None };
        let Ok(said) = sdp::read(sdp) else { return Some(false) };
        let lines = pair.leg(leg);
        if lines.iter().any(|line| line.stale) {
            // Our answer would say another key than stands: that is an exchange as any other.
            return Some(false);
        }
        let settings = self.base.settings(leg);
        let same = |(line, stream): (&Line, &Stream)| match &line.heard {
            None => stream.port == 0,
            Some(before) => {
                let encrypted = !before.secret.is_clear();
                stream.kind == line.said.kind
                    && Heard::offered(stream, settings, encrypted, Some(before))
                        .is_ok_and(|heard| heard.repeats(before, &line.said.formats))
            }
        };
        Some(said.streams.len() == lines.len() && lines.iter().zip(&said.streams).all(same))
    }

    /// What stands on a leg, for a refresh of ours, or for the answer to an offer that it [knows](Self::knows); `None` while
    /// an offer waits or nothing is agreed. Where a key of ours has served, a refresh tells a new one, which holds from
    /// [`Self::repeated`] on; one that is tried again tells the same.
    pub fn repeat(&mut self, leg: MediaLeg, means: &mut Means<'_>) -> Option<Vec<u8>> {
        let State::Agreed(pair) = &self.state else { return None };
        let lines = pair.leg(leg);
        let place = refreshing(&mut self.refreshing, leg);
        if place.is_none() && lines.iter().any(|line| line.stale) {
            *place = Some(lines.iter().map(|line| fresh(line, means)).collect());
        }
        let lines = place.as_deref().unwrap_or(lines);
        Some(self.base.write(leg, (0, 0), lines, means.random))
    }

    /// The answer to [`Self::repeat`]: the peer may have moved or taken another key. What it says of codecs and directions
    /// stays on this leg: the other one was not asked.
    ///
    /// # Errors
    /// Why it is not taken; what stood before stands.
    pub fn repeated(
        &mut self,
        leg: MediaLeg,
        sdp: &[u8],
        means: &mut Means<'_>,
    ) -> Result<Vec<Order>, Refusal> {
        let said = sdp::read(sdp)?;
        let State::Agreed(pair) = &mut self.state else { return Err(Refusal::Unasked) };
        let settings = self.base.settings(leg);
        if said.streams.len() != pair.leg(leg).len() {
            return Err(Refusal::Mismatch);
        }
        let place = refreshing(&mut self.refreshing, leg);
        let told = place.as_deref().unwrap_or(pair.leg(leg));
        let mut lines = Vec::with_capacity(said.streams.len());
        for ((line, was), stream) in told.iter().zip(pair.leg(leg)).zip(&said.streams) {
            let on = line.slot.is_some();
            if stream.kind != line.said.kind || on != (stream.port != 0) {
                return Err(Refusal::Mismatch);
            }
            lines.push(if on {
                taken(line, Heard::answered(stream, settings, &line.said)?, Some(was))
            } else {
                line.clone()
            });
        }
        *place = None;
        *pair.leg_mut(leg) = lines;
        let pair = pair.clone();
        Ok(self.base.enact(&pair, (false, true), means))
    }

    /// What the peer of a leg said last, as an offer of its own that holds nothing, and what was said to it; for a call that it is
    /// transferred to. `None` while an offer waits or nothing is agreed.
    pub fn heard_from(&self, leg: MediaLeg) -> Option<(Vec<u8>, Voice)> {
        let State::Agreed(pair) = &self.state else { return None };
        let streams: Vec<Stream> = pair.leg(leg).iter().map(repeated).collect();
        let address = streams.iter().find_map(|stream| stream.address)?;
        // Its own numbers are nobody's business: this is read here and nowhere else.
        let text = Description { time: (0, 0), streams }.write(&Origin { session: 1, version: 1, address });
        Some((text, self.base.voice(leg).clone()))
    }

    /// What is said on a leg follows what was said there before, in another call.
    pub fn go_on_as(&mut self, leg: MediaLeg, voice: Voice) {
        *self.base.voice_mut(leg) = voice;
    }

    /// A key has served its lifetime: the next description on that leg has another of ours.
    pub fn renew(&mut self, leg: MediaLeg) {
        if let State::Agreed(pair) | State::Offered { stands: Some(pair), .. } = &mut self.state {
            for line in pair.leg_mut(leg).iter_mut().filter(|line| !line.said.crypto.is_empty()) {
                line.stale = true;
            }
        }
    }
}

/// A line as its peer would offer it.
fn repeated(line: &Line) -> Stream {
    let (Some(heard), Some(place)) =
        (&line.heard, line.heard.as_ref().and_then(|heard| heard.place).or(line.last))
    else {
        return line.said.off();
    };
    let mut said = super::base::bare(&line.said.kind, heard.profile);
    said.port = place.rtp.port();
    said.address = Some(place.rtp.ip());
    said.rtcp = place.rtcp.filter(|_| !heard.mux).map(|rtcp| (rtcp.port(), Some(rtcp.ip())));
    said.mux = heard.mux;
    said.direction = Direction::Both;
    said.formats.clone_from(&heard.formats);
    (said.ptime, said.maxptime) = (heard.ptime, heard.maxptime);
    match &heard.secret {
        Secret::Clear => {}
        Secret::Sdes(crypto) => said.crypto.push(Crypto::clone(crypto)),
        Secret::Dtls { fingerprint, .. } => {
            said.fingerprint = Some(fingerprint.clone());
            said.setup = Some(Setup::Either);
        }
    }
    said
}

/// What a refresh of ours told on a leg.
const fn refreshing(both: &mut [Option<Vec<Line>>; 2], leg: MediaLeg) -> &mut Option<Vec<Line>> {
    let [a, b] = both;
    match leg {
        MediaLeg::A => a,
        MediaLeg::B => b,
    }
}

/// A line with a key of ours that nobody had before, where the one that it has is not to be told again.
fn fresh(line: &Line, means: &mut Means<'_>) -> Line {
    let mut line = line.clone();
    if line.stale {
        line.said.crypto = line.fresh_keys(means.random);
    }
    line
}
