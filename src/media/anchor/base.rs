//! What a call's media has for its whole life: both legs' settings, our ends, and the versions of what we said.
//!
//! Owns that a version grows with what is said and with nothing else, and the orders that make a pair true. Refuses to
//! know whose turn it is. Read first: RFC 8866 §5.2; RFC 3264 §8; RFC 4568 §5.1.

use std::sync::Arc;

use rand_core::RngCore;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::ends::{Ends, Means};
use super::pair::{Line, Pair};
use super::settings::{Demand, LegSettings};
use crate::media::order::{MediaId, MediaLeg, Order, STREAMS_MAX, Spot};
use crate::media::reach::Misplaced;
use crate::media::sdp::{Description, Direction, Kind, Origin, Profile, Protocol, Stream, Word};
use crate::media::srtp::{MasterKey, Suite};

/// What a call's media has for its whole life.
#[derive(Debug)]
pub(super) struct Base {
    pub media: MediaId,
    a: Arc<LegSettings>,
    b: Arc<LegSettings>,
    pub ends: Ends,
    words: [Voice; 2],
    /// Whether media of either leg was encrypted at any time.
    secured: [bool; 2],
}

/// What was said last on a leg.
#[derive(Debug, Clone, Default)]
pub struct Voice {
    /// The session's number; 0 before the first word.
    session: u64,
    version: u64,
    /// The hash of all but the `o=` line: the text has keys in it.
    digest: [u8; 32],
}

impl Base {
    pub fn new(media: MediaId, a: Arc<LegSettings>, b: Arc<LegSettings>) -> Self {
        Self { media, a, b, ends: Ends::new(media), words: Default::default(), secured: [false; 2] }
    }

    pub const fn settings(&self, leg: MediaLeg) -> &Arc<LegSettings> {
        match leg {
            MediaLeg::A => &self.a,
            MediaLeg::B => &self.b,
        }
    }

    /// Whether media of a leg was encrypted at any time.
    pub const fn was_secured(&self, leg: MediaLeg) -> bool {
        let [a, b] = self.secured;
        match leg {
            MediaLeg::A => a,
            MediaLeg::B => b,
        }
    }

    /// Another target stands behind leg B: what was said there was said to somebody else.
    pub fn replace_callee(&mut self, settings: Arc<LegSettings>, means: &mut Means<'_>) -> Vec<Order> {
        let orders = self.ends.drop_leg(MediaLeg::B, means);
        self.b = settings;
        let [_, words] = &mut self.words;
        *words = Voice::default();
        let [_, secured] = &mut self.secured;
        *secured = false;
        orders
    }

    /// What was said last on a leg.
    pub const fn voice(&self, leg: MediaLeg) -> &Voice {
        let [a, b] = &self.words;
        match leg {
            MediaLeg::A => a,
            MediaLeg::B => b,
        }
    }

    /// The same, to change it.
    pub const fn voice_mut(&mut self, leg: MediaLeg) -> &mut Voice {
        let [a, b] = &mut self.words;
        match leg {
            MediaLeg::A => a,
            MediaLeg::B => b,
        }
    }

    /// Writes what we say on a leg, with our origin: the version grows where anything is said otherwise than last.
    pub fn write(
        &mut self,
        leg: MediaLeg,
        time: (u64, u64),
        lines: &[Line],
        random: &mut dyn RngCore,
    ) -> Vec<u8> {
        let address = self.settings(leg).advertise;
        let description = Description { time, streams: lines.iter().map(|line| line.said.clone()).collect() };
        let words = self.voice_mut(leg);
        if words.session == 0 {
            // RFC 8866 §5.2: some read it as a signed number.
            words.session = (random.next_u64() >> 2) | 1;
        }
        let Voice { session, version, .. } = *words;
        // RFC 3264 §8: one more than before, and never the same for something else.
        let next = Origin { session, version: version + 1, address };
        let text = description.write(&next);
        let digest = digest(&text);
        if version > 0 && digest == words.digest {
            drop(Zeroizing::new(text));
            return description.write(&Origin { session, version, address });
        }
        words.version = next.version;
        words.digest = digest;
        text
    }

    /// The orders that make a pair true; `early` while dialogs may take turns. Ends of streams that do not cross are shut; where nothing else may come of
    /// the same offer, their ports go back.
    pub fn enact(&mut self, pair: &Pair, (early, last): (bool, bool), means: &mut Means<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        for (secured, leg) in self.secured.iter_mut().zip([MediaLeg::A, MediaLeg::B]) {
            let hidden = |line: &Line| line.heard.as_ref().is_some_and(|heard| !heard.secret.is_clear());
            *secured |= pair.leg(leg).iter().any(hidden);
        }
        for (slot, _) in (0_u8..).zip(0..STREAMS_MAX) {
            let terms = |leg| pair.terms(leg, slot, self.settings(leg), early);
            let both = [MediaLeg::A, MediaLeg::B];
            match (terms(MediaLeg::A), terms(MediaLeg::B)) {
                (Some(a), Some(b)) => {
                    for leg in both {
                        let settings = Arc::clone(self.settings(leg));
                        let shares = pair.line(leg, slot).map(|line| line.said.mux);
                        orders.extend(self.ends.open((leg, slot), &settings, shares, means.ports));
                    }
                    for (leg, terms) in both.into_iter().zip([a, b]) {
                        let spot = Spot { media: self.media, leg, stream: slot };
                        orders.push(Order::Set { spot, terms: Box::new(terms) });
                    }
                }
                (_, _) if last => {
                    orders.extend(both.into_iter().filter_map(|leg| self.ends.drop_end((leg, slot), means)));
                }
                (_, _) => orders.extend(both.into_iter().filter_map(|leg| self.ends.shut((leg, slot)))),
            }
        }
        orders
    }

    /// Whether a pair has media in the clear that is so for an emergency alone.
    pub fn is_exposed(&self, pair: &Pair) -> bool {
        let on = |leg: MediaLeg, line: &Line| {
            let settings = self.settings(leg);
            let Some(heard) = &line.heard else { return false };
            let open = heard.secret.is_clear() || !settings.private;
            heard.spared.bare || settings.demand == Demand::Emergency && open
        };
        [MediaLeg::A, MediaLeg::B].into_iter().any(|leg| pair.leg(leg).iter().any(|line| on(leg, line)))
    }

    /// The first place in a pair that was let pass for an emergency alone.
    pub fn misplaced(pair: &Pair) -> Option<Misplaced> {
        let lines = pair.a.iter().chain(&pair.b);
        lines.filter_map(|line| line.heard.as_ref()).find_map(|heard| heard.spared.misplaced)
    }
}

/// The hash of a description behind its `o=` line.
fn digest(text: &[u8]) -> [u8; 32] {
    let behind = memchr::memchr_iter(b'\n', text).nth(1).and_then(|end| text.get(end..)).unwrap_or_default();
    Sha256::digest(behind).into()
}

/// A key that nobody had before.
pub(super) fn key(suite: Suite, random: &mut dyn RngCore) -> MasterKey {
    let mut octets = Zeroizing::new([0_u8; 46]);
    random.fill_bytes(&mut *octets);
    // The longest key and salt have 46 octets.
    let octets = octets.get(..suite.master_octets()).unwrap_or_default();
    MasterKey::new(suite, octets).expect("it has the suite's length")
}

/// A stream of ours that says nothing yet.
pub(super) fn bare(kind: &Kind, profile: Profile) -> Stream {
    Stream {
        kind: kind.clone(),
        protocol: Protocol::Rtp(profile),
        port: 0,
        address: None,
        rtcp: None,
        mux: false,
        direction: Direction::Neither,
        formats: SmallVec::new(),
        // A digit is a token.
        first: Word::new(b"0").expect("a digit is a word"),
        ptime: None,
        maxptime: None,
        crypto: SmallVec::new(),
        unusable: None,
        fingerprint: None,
        setup: None,
    }
}
