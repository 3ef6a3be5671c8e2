//! The anchor of one call's media: what one peer offers and the other answers, said anew with our own address.
//!
//! Owns offer and answer between two legs: which streams cross, under which keys, at which ports, and what the relay is
//! ordered to do. Nothing of one peer's description stands in the other's but the meaning of its codecs. Refuses to know
//! SIP, sockets, clocks and which status a refusal becomes.
//! Read first: RFC 3264; RFC 6337 §3; RFC 4568 §7; RFC 5763 §5; RFC 3261 §13.2.1.

mod answer;
mod base;
mod ends;
mod heard;
mod offer;
mod pair;
mod refresh;
mod refusal;
mod settings;
mod state;

use std::sync::Arc;

pub use base::Voice;
pub use ends::Means;
pub use refusal::Refusal;
pub use settings::{CODECS, Demand, Keying, LegSettings, SUITES};
pub use state::FORKS_MAX;

use self::base::Base;
use self::pair::Line;
use self::state::State;
use super::order::{MediaId, MediaLeg, Order};
pub use super::reach::Misplaced;
use super::sdp::{self, Description};

/// Where something was said: on which leg, and in which of its early dialogs. Once a call is answered there is but one,
/// whatever its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whence {
    /// The leg.
    pub leg: MediaLeg,
    /// The early dialog: the caller's choice, the same on both legs.
    pub fork: u64,
}

/// What follows from an offer or an answer that is taken.
#[derive(Debug)]
pub struct Passed {
    /// What is said on the other leg. It may hold keys.
    pub sdp: Vec<u8>,
    /// What the relay is to do, in this order.
    pub orders: Vec<Order>,
    /// Whether media is in the clear that is so for an emergency call alone: worth an alert.
    pub exposed: bool,
    /// Why a place of the descriptions would not be taken for any call but an emergency: worth one, too.
    pub misplaced: Option<Misplaced>,
}

/// The media of one call.
#[derive(Debug)]
pub struct Anchor {
    base: Base,
    state: State,
    /// What a refresh of ours told on a leg with keys that are new, until its answer is taken.
    refreshing: [Option<Vec<Line>>; 2],
}

impl Anchor {
    /// The media of a call that nobody has described yet.
    #[must_use]
    pub fn new(media: MediaId, caller: Arc<LegSettings>, callee: Arc<LegSettings>) -> Self {
        Self { base: Base::new(media, caller, callee), state: State::Fresh, refreshing: [const { None }; 2] }
    }

    /// Its number.
    #[must_use]
    pub const fn media(&self) -> MediaId {
        self.base.media
    }

    /// Whether an offer waits for its answer.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        match self.state {
            State::Offered { .. } | State::EarlyOffered(..) => true,
            State::Fresh | State::Early(_) | State::Agreed(_) => false,
        }
    }

    /// The peer of one leg offers.
    ///
    /// # Errors
    /// Why it is not taken; what stood before stands.
    pub fn offer(&mut self, whence: Whence, sdp: &[u8], means: &mut Means<'_>) -> Result<Passed, Refusal> {
        if self.is_pending() || self.state.waits_in(whence.fork) {
            // RFC 3264 §4: no offer while another one waits.
            return Err(Refusal::Pending);
        }
        let said = sdp::read(sdp)?;
        let passed = self.propose(whence, said, means)?;
        // What a refresh told and nobody answered is past.
        self.refreshing = [const { None }; 2];
        Ok(passed)
    }

    fn propose(
        &mut self,
        whence: Whence,
        said: Description,
        means: &mut Means<'_>,
    ) -> Result<Passed, Refusal> {
        let stands = self.state.stands(whence.fork);
        let offer = self.base.propose((whence.leg, whence.fork), said, stands, means)?;
        let to = whence.leg.other();
        let text = self.base.write(to, (0, 0), &offer.ours, means.random);
        let slots = offer.ours.iter().filter_map(|line| line.slot);
        let settings = Arc::clone(self.base.settings(to));
        let orders =
            slots.filter_map(|slot| self.base.ends.open((to, slot), &settings, None, means.ports)).collect();
        self.state = std::mem::take(&mut self.state).offered(offer);
        Ok(Passed { sdp: text, orders, exposed: false, misplaced: None })
    }

    /// The peer of one leg answers what was offered to it. Of several early dialogs each may answer the first offer; the
    /// newest answered one has the media.
    ///
    /// # Errors
    /// Why it is not taken; the offer waits on.
    pub fn answer(&mut self, whence: Whence, sdp: &[u8], means: &mut Means<'_>) -> Result<Passed, Refusal> {
        let said = sdp::read(sdp)?;
        let asked = self.state.asked(whence).ok_or(Refusal::Unasked)?;
        if let Some(branch) = asked.again {
            // RFC 6337 §3.1.1: the answer of before, once more in the final response, after another offer was agreed.
            let pair = branch.pair.clone();
            return Ok(self.say(whence.leg.other(), asked.offer.said.time, &pair, false, means));
        }
        let pair = self.base.conclude(&asked, &said, means)?;
        let time = asked.offer.said.time;
        let (state, last) = std::mem::take(&mut self.state).answered(whence, pair.clone());
        self.state = state;
        Ok(self.say(whence.leg.other(), time, &pair, last, means))
    }

    fn say(
        &mut self,
        leg: MediaLeg,
        time: (u64, u64),
        pair: &pair::Pair,
        last: bool,
        means: &mut Means<'_>,
    ) -> Passed {
        let sdp = self.base.write(leg, time, pair.leg(leg), means.random);
        let orders = self.base.enact(pair, (self.state.is_early(), last), means);
        Passed { sdp, orders, exposed: self.base.is_exposed(pair), misplaced: Base::misplaced(pair) }
    }

    /// One dialog has won: what was agreed in it is what holds, and the others are forgotten.
    ///
    /// # Errors
    /// [`Refusal::Unasked`] where nothing was agreed in it.
    pub fn settle(&mut self, fork: u64, means: &mut Means<'_>) -> Result<Vec<Order>, Refusal> {
        match &self.state {
            State::Early(early) | State::EarlyOffered(early, _) if early.branch(fork).is_none() => {
                Err(Refusal::Unasked)
            }
            State::Offered { offer, stands: None } if offer.from == MediaLeg::A => Err(Refusal::Unasked),
            State::Fresh => Err(Refusal::Unasked),
            State::Early(_) | State::EarlyOffered(..) => {
                let (state, pair, gone) = std::mem::take(&mut self.state).settled(fork);
                self.state = state;
                let mut orders = gone.map_or_else(Vec::new, |offer| self.give_back(&offer.taken, means));
                // What waits for an answer may still need an end that is off at the moment.
                let last = !self.is_pending();
                if let Some(pair) = pair {
                    orders.extend(self.base.enact(&pair, (self.state.is_early(), last), means));
                }
                Ok(orders)
            }
            State::Offered { .. } | State::Agreed(_) => Ok(Vec::new()),
        }
    }

    /// The offer that waits was refused, or nobody answers it: what stood before stands (RFC 3264 §8, RFC 6337 §3.4).
    pub fn withdraw(&mut self, means: &mut Means<'_>) -> Vec<Order> {
        let (state, gone) = std::mem::take(&mut self.state).withdrawn();
        self.state = state;
        gone.map_or_else(Vec::new, |offer| self.give_back(&offer.taken, means))
    }

    /// The caller's offer goes to another target: leg B is made anew, ports, keys and all.
    ///
    /// # Errors
    /// Why that one cannot be asked. Leg B is gone then, and the offer waits for another target.
    pub fn retarget(
        &mut self,
        callee: Arc<LegSettings>,
        means: &mut Means<'_>,
    ) -> (Vec<Order>, Result<Passed, Refusal>) {
        let Some(said) = self.state.first() else { return (Vec::new(), Err(Refusal::Unasked)) };
        let said = said.clone();
        let orders = self.base.replace_callee(callee, means);
        let before = std::mem::take(&mut self.state);
        let passed = self.propose(Whence { leg: MediaLeg::A, fork: 0 }, said, means);
        if passed.is_err() {
            self.state = before;
        }
        (orders, passed)
    }

    fn give_back(&mut self, taken: &ends::Taken, means: &mut Means<'_>) -> Vec<Order> {
        taken.iter().filter_map(|at| self.base.ends.drop_end(*at, means)).collect()
    }

    /// The call is over: every port goes back, and the relay closes what it has.
    #[must_use]
    pub fn close(mut self, means: &mut Means<'_>) -> Vec<Order> {
        for leg in [MediaLeg::A, MediaLeg::B] {
            // Closing the whole shuts each.
            drop(self.base.ends.drop_leg(leg, means));
        }
        vec![Order::Close { media: self.base.media }]
    }
}

#[cfg(test)]
mod tests;
