//! Which target a call turns to next: those that are open in their order, then the line of one that is busy, then those
//! that are down.
//!
//! Owns what is left of the route and the refusal that is told when nothing is. Refuses to know INVITEs and answers.
//! Read first: DESIGN.md §1, laws 5 to 9; RFC 3261 §21.5.4.

use std::time::Duration;

use smallvec::SmallVec;

use super::core::Core;
use super::{Closed, Context, Effect, Timer, Urge, invite};
use crate::clock::Tick;
use crate::policy::route::Candidate;
use crate::policy::{Origin, Parties, Place, Refusal, Reservation, Vouched, code};
use crate::sip::headers::retry_after;
use crate::sip::{HeaderName, Message};

/// The pause of a target that says 503 for the rate of calls and names none, and the least that is waited.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Who waits looks again at least so often: somebody before it may have left the line.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What stands in the reason phrase, or in a Warning or Reason, of a 503 that is about the rate of calls alone.
const RATE_WORDS: [&[u8]; 4] = [b"cps", b"call rate", b"rate limit", b"calls per second"];

/// What a call does next.
pub(super) enum Next {
    /// It turns to a target.
    Call(Candidate, Reservation),
    /// It waits for `Timer::Pace`.
    Wait,
    /// Nothing is left.
    Nothing,
}

/// The call's place in a target's line.
#[derive(Debug)]
struct Waiting {
    candidate: Candidate,
    place: Place,
    /// It leaves the line then, whatever comes.
    until: Tick,
}

/// What is left of the route.
#[derive(Debug)]
pub(super) struct Targets {
    left: SmallVec<[Candidate; 2]>,
    waiting: Option<Box<Waiting>>,
    /// It has stood in a line; no call does so twice.
    waited: bool,
    /// A target that asked for a pause was put back; no call does so twice.
    put_back: bool,
    /// A target has answered, so the route is not dead as a whole.
    pub answered: bool,
    /// Targets that are down are asked too.
    last_resort: bool,
    /// The refusal of a cap or a rate met on the way, told if no target is left.
    pub refused: Option<Box<Refusal>>,
}

enum Found {
    Open(Candidate, Reservation),
    /// None is open, and the first of those that will be: its place, and when.
    Busy(usize, Tick),
    None,
}

impl Targets {
    pub fn new(left: SmallVec<[Candidate; 2]>) -> Self {
        Self {
            left,
            waiting: None,
            waited: false,
            put_back: false,
            answered: false,
            last_resort: false,
            refused: None,
        }
    }

    /// The next target whose gate opens, or a line to wait in.
    pub fn next(&mut self, core: &mut Core, context: &mut Context<'_>) -> Next {
        loop {
            match self.open(core, context) {
                Found::Open(candidate, reservation) => match invite::name(core, &candidate) {
                    Ok(()) => return Next::Call(candidate, reservation),
                    Err(refusal) => self.refused = Some(refusal),
                },
                Found::Busy(at, turn) => {
                    if self.wait(core, at, turn, context) {
                        return Next::Wait;
                    }
                }
                Found::None if self.is_last_resort(core) => {
                    let words = "every target of the route is down; they are tried all the same. Look at alert 32011 and `ringfence status`.";
                    core.alert(code::NO_TARGET_AVAILABLE, words, None, context);
                    self.last_resort = true;
                }
                Found::None => return Next::Nothing,
            }
        }
    }

    /// No datagram carries the request to the target it turned to; another one may take it by a stream.
    pub fn too_large(&mut self, core: &Core) {
        let words = "the request is larger than a UDP datagram can be; set `transports` of the target to one with tcp or tls, where it speaks them";
        self.refused = Some(Box::new(Refusal::new(code::OVERSIZE, &core.a.peer.refusal, words.to_owned())));
    }

    /// Whether those that are down are to be tried now: once, and only when every other one was as good as down; for an
    /// emergency, whatever the others said.
    fn is_last_resort(&self, core: &Core) -> bool {
        let dead = !self.answered && self.refused.is_none();
        !self.last_resort && (dead || core.story.emergency) && self.has_more()
    }

    /// Whether any target was not turned to.
    pub fn has_more(&self) -> bool {
        !self.left.is_empty()
    }

    fn open(&mut self, core: &mut Core, context: &mut Context<'_>) -> Found {
        let holds = core.holds();
        let (mut at, mut busy) = (0, None);
        while let Some(candidate) = self.left.get(at) {
            let urge = match (core.story.emergency, self.last_resort) {
                (true, down) => Urge::Emergency { down },
                (false, true) => Urge::LastResort,
                (false, false) => Urge::Usual,
            };
            match context.gate.open(context.now, candidate, urge, &holds) {
                Ok(reservation) => return Found::Open(self.left.remove(at), reservation),
                Err(Closed::Down) => at += 1,
                Err(Closed::Busy(turn)) => {
                    busy.get_or_insert((at, turn));
                    at += 1;
                }
                Err(Closed::Refused(refusal)) => {
                    self.refused = Some(refusal);
                    self.left.remove(at);
                }
            }
        }
        busy.map_or(Found::None, |(at, turn)| Found::Busy(at, turn))
    }

    /// Stands in the line of a busy target, or crosses it out.
    fn wait(&mut self, core: &mut Core, at: usize, turn: Tick, context: &mut Context<'_>) -> bool {
        let candidate = self.left.remove(at);
        if self.waited {
            self.refused = Some(context.gate.waited(context.now, &candidate, turn));
            return false;
        }
        match context.gate.join(context.now, &candidate, core.parties(), turn) {
            Ok(place) => {
                let patience = core.policy.peer(candidate.peer).map(|peer| peer.pace.wait_max);
                let until = context.now.tick.after(patience.unwrap_or_default());
                self.waited = true;
                look_again(turn, until, context);
                self.waiting = Some(Box::new(Waiting { candidate, place, until }));
                true
            }
            Err(refusal) => {
                self.refused = Some(refusal);
                false
            }
        }
    }

    /// `Timer::Pace`: its turn has come, or nearly, or not in time.
    pub fn turn(&mut self, core: &mut Core, context: &mut Context<'_>) -> Next {
        let Some(waiting) = self.waiting.take() else { return Next::Wait };
        let urge = Urge::Turn(&waiting.place);
        match context.gate.open(context.now, &waiting.candidate, urge, &core.holds()) {
            Ok(reservation) => match invite::name(core, &waiting.candidate) {
                Ok(()) => return Next::Call(waiting.candidate, reservation),
                Err(refusal) => self.refused = Some(refusal),
            },
            Err(Closed::Busy(turn)) if context.now.tick < waiting.until => {
                look_again(turn, waiting.until, context);
                self.waiting = Some(waiting);
                return Next::Wait;
            }
            Err(Closed::Busy(turn)) => {
                self.refused = Some(context.gate.waited(context.now, &waiting.candidate, turn));
            }
            Err(Closed::Refused(refusal)) => self.refused = Some(refusal),
            Err(Closed::Down) => self.left.push(waiting.candidate),
        }
        self.next(core, context)
    }

    /// A target asked for a pause: it is tried once more after all the others; never at once, for the same answer.
    pub fn put_back(&mut self, candidate: Candidate, is_held: bool) {
        if (is_held || !self.left.is_empty()) && !std::mem::replace(&mut self.put_back, true) {
            self.left.push(candidate);
        }
    }
}

fn look_again(turn: Tick, until: Tick, context: &mut Context<'_>) {
    let at = turn.min(until).min(context.now.tick.after(LOOK_AGAIN));
    context.effects.push(Effect::Arm { timer: Timer::Pace, at });
}

impl Core {
    /// Who calls whom, as far as a trunk's health is concerned.
    pub fn parties(&self) -> Parties {
        let vouched = match &self.story.caller.credential {
            Some(user) => Vouched::Proved(user),
            None if self.story.asserted => Vouched::Asserted,
            None => Vouched::Nobody,
        };
        let origin = Origin { peer: self.a.peer.id, side: self.a.peer.side, vouched };
        Parties::of(&origin, &self.story.from, &self.story.to)
    }
}

/// A pause between calls that a target asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// For how long, by its own word.
    pub length: Duration,
}

/// The pause that a target asks for by 503: what Retry-After says, or a moment when the answer is about the rate of
/// calls; `None` for a 503 of another kind.
pub(super) fn pause_asked(message: &Message) -> Option<Pause> {
    if message.status() != Some(503) {
        return None;
    }
    let values =
        [HeaderName::Warning, HeaderName::Reason].into_iter().filter_map(|name| message.header(name));
    let mut told = std::iter::once(message.reason()).chain(values);
    let holds =
        |text: &[u8], word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let for_rate = told.any(|text| RATE_WORDS.iter().any(|word| holds(text, word)));
    let length = match message.header(HeaderName::RetryAfter) {
        // RFC 3261 §20.33: one that cannot be read asks for a pause all the same.
        Some(value) => Duration::from_secs(retry_after(value).unwrap_or(0).into()).max(PAUSE_MIN),
        None if for_rate => PAUSE_MIN,
        None => return None,
    };
    Some(Pause { length })
}
