//! What holds, said again on one leg alone: a session refresh of ours, and a key that has served.
//!
//! Owns that a refresh changes nothing on the other leg. Read first: RFC 4028 §7.4; RFC 3264 §8; RFC 4568 §7.1.4.

use super::answer::taken;
use super::ends::Means;
use super::heard::Heard;
use super::pair::Line;
use super::refusal::Refusal;
use super::state::State;
use super::{Anchor, MediaLeg, Order};
use crate::media::sdp::{self, Stream};

impl Anchor {
    /// Whether an offer says what stands on its leg already: the other leg need not be asked, and [`Self::repeat`] answers
    /// it (RFC 3264 §8). `None` where nothing is agreed, or an offer waits.
    #[must_use]
    pub fn knows(&self, leg: MediaLeg, sdp: &[u8]) -> Option<bool> {
        let State::Agreed(pair) = &self.state else { return None };
        let Ok(said) = sdp::read(sdp) else { return Some(false) };
        let lines = pair.leg(leg);
        let settings = self.base.settings(leg);
        let same = |(line, stream): (&Line, &Stream)| match &line.heard {
            None => stream.port == 0,
            Some(before) => {
                let encrypted = !before.secret.is_clear();
                stream.kind == line.said.kind
                    && Heard::offered(stream, settings, encrypted)
                        .is_ok_and(|heard| heard.repeats(before, &line.said.formats))
            }
        };
        Some(said.streams.len() == lines.len() && lines.iter().zip(&said.streams).all(same))
    }

    /// What stands on a leg, for a refresh of ours; `None` while an offer waits or nothing is agreed.
    pub fn repeat(&mut self, leg: MediaLeg, means: &mut Means<'_>) -> Option<Vec<u8>> {
        let State::Agreed(pair) = &self.state else { return None };
        let lines = pair.leg(leg).to_vec();
        Some(self.base.write(leg, (0, 0), &lines, means.random))
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
        let mut lines = Vec::with_capacity(said.streams.len());
        for (line, stream) in pair.leg(leg).iter().zip(&said.streams) {
            let on = line.slot.is_some();
            if stream.kind != line.said.kind || on != (stream.port != 0) {
                return Err(Refusal::Mismatch);
            }
            lines.push(if on {
                taken(line, Heard::answered(stream, settings, &line.said)?, Some(line))
            } else {
                line.clone()
            });
        }
        *pair.leg_mut(leg) = lines;
        let pair = pair.clone();
        Ok(self.base.enact(&pair, true, means))
    }

    /// A key has served its lifetime: the next description on that leg has another of ours.
    pub fn renew(&mut self, leg: MediaLeg) {
        if let State::Agreed(pair) = &mut self.state {
            for line in pair.leg_mut(leg).iter_mut().filter(|line| !line.said.crypto.is_empty()) {
                line.stale = true;
            }
        }
    }
}
