//! What holds on both legs: the lines of each description and the streams that cross.
//!
//! Owns which `m=` line of one leg is which of the other, and the terms that follow for the relay. Refuses to know how
//! it came to hold. Read first: RFC 3264 §5, §6, §8.

use std::sync::Arc;

use smallvec::SmallVec;

use super::heard::{Heard, Place, Secret};
use super::settings::LegSettings;
use crate::media::order::{Learning, MediaLeg, Protection, Terms};
use crate::media::sdp::Stream;
use crate::media::srtp::SRTP_PACKETS_MAX;

/// One `m=` line of one leg.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The stream that crosses here; `None` where none does.
    pub slot: Option<u8>,
    /// What the peer says of it.
    pub heard: Option<Heard>,
    /// What we say of it.
    pub said: Stream,
    /// Where the peer was last: our key goes there, and while it holds in the old way its media comes from there.
    pub last: Option<Place>,
    /// Whether the peer moved since our key was told: the next description has another.
    pub stale: bool,
}

impl Line {
    /// A line where nothing crosses.
    pub fn off(stream: &Stream) -> Self {
        Self { slot: None, heard: None, said: stream.off(), last: None, stale: false }
    }
}

/// The lines of both legs.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    pub a: Vec<Line>,
    pub b: Vec<Line>,
}

impl Pair {
    /// From the lines of one leg and of the other.
    pub fn of(leg: MediaLeg, lines: Vec<Line>, others: Vec<Line>) -> Self {
        match leg {
            MediaLeg::A => Self { a: lines, b: others },
            MediaLeg::B => Self { a: others, b: lines },
        }
    }

    pub fn leg(&self, leg: MediaLeg) -> &[Line] {
        match leg {
            MediaLeg::A => &self.a,
            MediaLeg::B => &self.b,
        }
    }

    pub const fn leg_mut(&mut self, leg: MediaLeg) -> &mut Vec<Line> {
        match leg {
            MediaLeg::A => &mut self.a,
            MediaLeg::B => &mut self.b,
        }
    }

    /// The line of a stream on a leg.
    pub fn line(&self, leg: MediaLeg, slot: u8) -> Option<&Line> {
        self.leg(leg).iter().find(|line| line.slot == Some(slot))
    }

    /// The terms of a stream on a leg, where it crosses; `early` while dialogs may take turns.
    pub fn terms(&self, leg: MediaLeg, slot: u8, settings: &LegSettings, early: bool) -> Option<Terms> {
        let (line, other) = (self.line(leg, slot)?, self.line(leg.other(), slot)?);
        let (heard, peer) = (line.heard.as_ref()?, other.heard.as_ref()?);
        let protection = match &heard.secret {
            Secret::Clear => Protection::Plain,
            Secret::Sdes(crypto) => Protection::Srtp {
                inbound: crypto.key.clone(),
                mki: crypto.mki,
                outbound: line.said.crypto.first()?.key.clone(),
                lifetime: crypto.lifetime.unwrap_or(SRTP_PACKETS_MAX),
            },
            Secret::Dtls { fingerprint, active } => {
                let suites = Arc::clone(&settings.suites);
                Protection::Dtls { active: *active, fingerprint: fingerprint.clone(), suites }
            }
        };
        // RFC 3264 §8.4: who holds in the old way names no place, and plays on from where it was. Its direction says that
        // it is sent nothing. An emergency's peer whose place cannot be used is looked for.
        let place = heard.place.or(line.last).filter(|_| !heard.spared.sought);
        let reach = || settings.reach().and(place.map(|place| place.rtp.ip()));
        let learning = match (settings.behind_nat, heard.secret.is_clear()) {
            _ if heard.spared.sought => Learning::Sought(reach()),
            (false, _) => Learning::Signalled,
            (true, false) => Learning::Authenticated(reach()),
            (true, true) => Learning::Networks(reach()),
        };
        let said = &line.said.formats;
        let events = said.iter().find(|format| format.codec.is_events());
        let media = said.iter().find(|format| format.codec.is_media());
        let formats: SmallVec<[u8; 8]> = said.iter().map(|format| format.number).collect();
        let receives = place.is_some() || heard.spared.sought;
        Some(Terms {
            remote: place.map(|place| place.rtp),
            remote_rtcp: place.and_then(|place| place.rtcp),
            receives: receives && heard.direction.sends() && peer.direction.receives(),
            sends: heard.direction.receives() && peer.direction.sends(),
            protection,
            early,
            learning,
            formats,
            events: events.map(|format| format.number),
            clock_rate: media.map_or(8_000, |format| format.codec.rate),
            packets_per_second_max: settings.packets_per_second_max,
            dscp: settings.dscp,
            silence: settings.silence,
        })
    }
}
