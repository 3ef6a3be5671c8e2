//! One registration of ours at a trunk: asked for, held, renewed before it ends, given back.
//!
//! Owns its states and how long it waits in each. Refuses to know what a REGISTER looks like, who sends it and who is told
//! (`registrations`): every transition takes the old state, and says what is to be done.
//! Read first: RFC 3261 §10.2, §10.2.4, §10.2.7; RFC 5626 §4.5 (how long to wait after a failure).

use std::net::SocketAddr;
use std::time::Duration;

use super::unregistered::Why;
use crate::call::Branch;
use crate::clock::Tick;
use crate::sip::{PartyId, Transport};

/// The longest life that is asked for or believed: a trunk that names more is asked again after a day.
pub const EXPIRES_MAX: Duration = Duration::from_hours(24);
/// What was granted is not renewed sooner, however brief: a trunk may not make this edge ask without end.
const RENEWED_AFTER_MIN: Duration = Duration::from_secs(10);
/// A life that ends before such a renewal was answered would lapse each time: it counts as none.
const LIFE_MIN: Duration = Duration::from_secs(12);
/// RFC 3261 §17.1.2.2: a REGISTER goes out again for 64 * T1 at most.
const ASKED_MAX: Duration = Duration::from_secs(32);
/// After the first round that failed, before the next; twice as long each time.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// The longest such pause; and the one after a plain refusal, which asking again soon does not change and may lock a user.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// A Retry-After is obeyed up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// What is given back is not waited for any longer: it ends by itself.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// One way to a registrar of the trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Where.
    pub address: SocketAddr,
    /// Who must be there.
    pub party: PartyId,
    /// By what.
    pub transport: Transport,
    /// Whom its Request-URI names.
    pub host: String,
}

/// What a registrar holds of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// By which way.
    pub way: Way,
    /// How long.
    pub until: Tick,
}

/// The ways of one round, each tried once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    ways: Vec<Way>,
    at: usize,
    /// Whether this way has asked for a longer life already.
    raised: bool,
    /// How long one place may be silent before the next is asked.
    patience: Duration,
    /// When the places that were not waited for have been asked for the last time.
    quiet: Option<Tick>,
    /// Places that are not to be asked yet.
    rests: Rests,
}

/// Places that named a pause (Retry-After), and when it is over; never more than one round has ways.
type Rests = Vec<(SocketAddr, Tick)>;

/// What came of a REGISTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: held for so long.
    Granted(Duration),
    /// 423: the same way again, for longer.
    Raised,
    /// This place cannot serve now; it may have named a pause.
    Elsewhere(Why, Option<Duration>),
    /// This way to it is broken; another transport may not be.
    Broken,
    /// It will not.
    Refused(Why),
    /// It will not, and holds nothing of us any more.
    Unbound(Why),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// A REGISTER goes this way.
    Ask(Way),
    /// A REGISTER that ends it goes this way.
    Leave(Way),
    /// It is held.
    Registered,
    /// This round failed.
    Failed(Why),
}

/// The state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registering {
    /// Until the next round.
    Waiting {
        /// When that begins.
        until: Tick,
        /// Rounds that failed since it was held.
        failures: u32,
        /// What stands meanwhile.
        held: Option<Held>,
        /// Places that named a pause.
        rests: Rests,
    },
    /// A REGISTER is out.
    Asking {
        /// Its branch.
        branch: Branch,
        /// The round.
        round: Round,
        /// Rounds that failed before it.
        failures: u32,
        /// What stands meanwhile.
        held: Option<Held>,
        /// When another place is asked; `None` where there is no other.
        until: Option<Tick>,
        /// Something has changed since it went out: another round follows at once.
        stale: bool,
    },
    /// It was given back; the answer is waited for a little, for it may ask who we are.
    Leaving {
        /// The branch of the REGISTER that says so.
        branch: Branch,
        /// How long.
        until: Tick,
    },
    /// Nothing is asked, and nothing held that we know of.
    Over,
}

/// The pause after so many failed rounds; `share` is a random per mille. RFC 5626 §4.5: between half of it and all.
fn pause(failures: u32, share: u32) -> Duration {
    let most = PAUSE_FIRST.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX);
    most / 2 + most.mul_f64(f64::from(share.min(1_000)) / 2_000.0)
}

/// When what was granted is renewed: after 60 to 80 per cent of it, so that what begins together drifts apart.
fn renewal(granted: Duration, share: u32) -> Duration {
    granted.mul_f64(0.6 + f64::from(share.min(1_000)) / 5_000.0).max(RENEWED_AFTER_MIN)
}

impl Registering {
    /// Begins at a time.
    #[must_use]
    pub const fn new(at: Tick) -> Self {
        Self::Waiting { until: at, failures: 0, held: None, rests: Vec::new() }
    }

    /// When it wants to be woken.
    #[must_use]
    pub const fn due(&self) -> Option<Tick> {
        match self {
            Self::Waiting { until, .. } | Self::Leaving { until, .. } => Some(*until),
            Self::Asking { until, .. } => *until,
            Self::Over => None,
        }
    }

    /// What a registrar holds of us.
    #[must_use]
    pub fn held(&self, now: Tick) -> Option<&Held> {
        match self {
            Self::Waiting { held, .. } | Self::Asking { held, .. } => {
                held.as_ref().filter(|held| held.until > now)
            }
            Self::Leaving { .. } | Self::Over => None,
        }
    }

    /// Whether this REGISTER is the one that is waited for.
    #[must_use]
    pub fn waits_for(&self, wanted: Branch) -> bool {
        match self {
            Self::Asking { branch, .. } | Self::Leaving { branch, .. } => *branch == wanted,
            Self::Waiting { .. } | Self::Over => false,
        }
    }

    /// Whether it is being given back, and nobody is to hear of what comes of it.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        match self {
            Self::Leaving { .. } => true,
            Self::Waiting { .. } | Self::Asking { .. } | Self::Over => false,
        }
    }

    /// Its time has come: a round over these ways begins, the one that holds us first; or another place is asked, for the
    /// one before was silent for as long as the peer's `try_timeout`, which is the `patience`.
    #[must_use]
    pub fn wake(
        self,
        now: Tick,
        ways: Vec<Way>,
        patience: Duration,
        branch: Branch,
        share: u32,
    ) -> (Self, Step) {
        match self {
            Self::Waiting { until, failures, held, rests } if until <= now => {
                let held = held.filter(|held| held.until > now);
                begin(now, ways, patience, branch, share, (failures, held, rests))
            }
            Self::Asking { until: Some(until), .. } if until <= now => {
                let (mut state, step) =
                    self.answered(now, Answer::Elsewhere(Why::Silence, None), branch, share);
                if let Self::Asking { round, .. } = &mut state {
                    round.quiet = Some(now.after(ASKED_MAX));
                }
                (state, step)
            }
            Self::Leaving { until, .. } if until <= now => (Self::Over, Step::Nothing),
            Self::Waiting { .. } | Self::Asking { .. } | Self::Leaving { .. } | Self::Over => {
                (self, Step::Nothing)
            }
        }
    }

    /// The REGISTER that is waited for goes again under another branch, with a proof.
    #[must_use]
    pub fn renamed(self, now: Tick, new: Branch) -> Self {
        match self {
            Self::Asking { branch: _, round, failures, held, until: _, stale } => {
                let until = round.until(now);
                Self::Asking { branch: new, round, failures, held, until, stale }
            }
            Self::Leaving { branch: _, until } => Self::Leaving { branch: new, until },
            Self::Waiting { .. } | Self::Over => self,
        }
    }

    /// What came of the REGISTER that is waited for; `branch` is for the one that may follow.
    #[must_use]
    pub fn answered(self, now: Tick, answer: Answer, branch: Branch, share: u32) -> (Self, Step) {
        let (mut round, failures, held, stale) = match self {
            Self::Asking { branch: _, round, failures, held, until: _, stale } => {
                (round, failures, held, stale)
            }
            Self::Leaving { .. } => return (Self::Over, Step::Nothing),
            Self::Waiting { .. } | Self::Over => return (self, Step::Nothing),
        };
        round.rests.retain(|(_, until)| *until > now);
        if let Answer::Elsewhere(_, Some(wanted)) = answer {
            let here = round.way().map(|way| way.address);
            round.rests.retain(|(address, _)| Some(*address) != here);
            round.rests.extend(here.map(|here| (here, now.after(wanted.min(RETRY_AFTER_MAX)))));
        }
        let gone = matches!(answer, Answer::Unbound(_));
        let next = match answer {
            Answer::Granted(granted) if granted >= LIFE_MIN => {
                let granted = granted.min(EXPIRES_MAX);
                let held = round.way().map(|way| Held { way, until: now.after(granted) });
                let until = if stale { now } else { now.after(renewal(granted, share)) };
                let rests = round.rests;
                return (Self::Waiting { until, failures: 0, held, rests }, Step::Registered);
            }
            Answer::Granted(granted) => {
                let why = Why::Brief(granted.as_secs());
                return failed(now, round, failures, (why, PAUSE_MAX), None, stale);
            }
            Answer::Raised if round.raised => Err((Why::NeverEnough, PAUSE_MAX)),
            Answer::Raised => {
                round.raised = true;
                round.way().map(|way| (round.clone(), way)).ok_or((Why::NeverEnough, PAUSE_MAX))
            }
            Answer::Elsewhere(why, _) => round.elsewhere().ok_or((why, pause(failures, share))),
            Answer::Broken => round.next().ok_or((Why::Unreachable, pause(failures, share))),
            Answer::Refused(why) | Answer::Unbound(why) => Err((why, PAUSE_MAX)),
        };
        let held = held.filter(|_| !gone);
        match next {
            Ok((round, way)) => {
                let until = round.until(now);
                (Self::Asking { branch, round, failures, held, until, stale }, Step::Ask(way))
            }
            Err(why) => failed(now, round, failures, why, held, stale),
        }
    }

    /// It is given back where it is held, or may just be granted.
    #[must_use]
    pub fn leave(self, now: Tick, branch: Branch) -> (Self, Step) {
        let way = match self {
            Self::Waiting { held, .. } => held.filter(|held| held.until > now).map(|held| held.way),
            Self::Asking { round, held, .. } => held.map(|held| held.way).or_else(|| round.way()),
            Self::Leaving { .. } => return (self, Step::Nothing),
            Self::Over => None,
        };
        match way {
            Some(way) => (Self::Leaving { branch, until: now.after(LEAVE_PATIENCE) }, Step::Leave(way)),
            None => (Self::Over, Step::Nothing),
        }
    }

    /// Something has changed: the next round begins now, or when the REGISTER that is out has come to nothing.
    #[must_use]
    pub fn hurried(self, now: Tick) -> Self {
        match self {
            Self::Waiting { until: _, failures, held, rests: _ } => {
                Self::Waiting { until: now, failures, held, rests: Vec::new() }
            }
            Self::Asking { branch, mut round, failures, held, until, stale: _ } => {
                round.rests.clear();
                Self::Asking { branch, round, failures, held, until, stale: true }
            }
            Self::Leaving { .. } | Self::Over => self,
        }
    }
}

/// A round over these ways begins, after so many that failed.
fn begin(
    now: Tick,
    mut ways: Vec<Way>,
    patience: Duration,
    branch: Branch,
    share: u32,
    (failures, held, mut rests): (u32, Option<Held>, Rests),
) -> (Registering, Step) {
    rests.retain(|(at, until)| *until > now && ways.iter().any(|way| way.address == *at));
    let ends = |way: &Way| rests.iter().find(|(address, _)| *address == way.address).map(|(_, until)| *until);
    // RFC 3261 §20.33: whoever named a pause is left alone as long.
    if let Some(until) = all_rest(&ways, ends) {
        return (Registering::Waiting { until, failures, held, rests }, Step::Nothing);
    }
    ways.retain(|way| ends(way).is_none());
    let holds = |way: &Way| held.as_ref().is_some_and(|held| held.way.address == way.address);
    ways.sort_by_key(|way| !holds(way));
    let Some(first) = ways.first().cloned() else {
        let until = now.after(pause(failures, share));
        let failures = failures.saturating_add(1);
        return (Registering::Waiting { until, failures, held, rests }, Step::Failed(Why::NoTarget));
    };
    let round = Round { ways, at: 0, raised: false, patience, quiet: None, rests };
    let until = round.until(now);
    (Registering::Asking { branch, round, failures, held, until, stale: false }, Step::Ask(first))
}

/// When the first of these ways may be asked again, where none may now.
fn all_rest(ways: &[Way], ends: impl Fn(&Way) -> Option<Tick>) -> Option<Tick> {
    let ends: Option<Vec<Tick>> = ways.iter().map(ends).collect();
    ends?.into_iter().min()
}

/// A round has failed; what it found out of date is tried again before anybody is told.
fn failed(
    now: Tick,
    round: Round,
    failures: u32,
    (why, wait): (Why, Duration),
    held: Option<Held>,
    stale: bool,
) -> (Registering, Step) {
    let wait = if stale { Duration::ZERO } else { wait };
    let rest = |way: &Way| round.rests.iter().find(|(at, _)| *at == way.address).map(|(_, until)| *until);
    let until = now.after(wait).max(all_rest(&round.ways, rest).unwrap_or(now));
    // RFC 3261 §10.2: none is asked anew before it has answered or was asked for the last time.
    let until = round.quiet.map_or(until, |quiet| until.max(quiet));
    let failures = failures.saturating_add(1);
    let step = if stale { Step::Nothing } else { Step::Failed(why) };
    (Registering::Waiting { until, failures, held, rests: round.rests }, step)
}

impl Round {
    fn way(&self) -> Option<Way> {
        self.ways.get(self.at).cloned()
    }

    /// The next way.
    fn next(&self) -> Option<(Self, Way)> {
        let at = self.at + 1;
        let way = self.ways.get(at)?.clone();
        Some((Self { at, raised: false, ..self.clone() }, way))
    }

    /// The next way that leads to another place.
    fn elsewhere(&self) -> Option<(Self, Way)> {
        let here = self.way()?.address;
        let mut next = self.next()?;
        while next.1.address == here {
            next = next.0.next()?;
        }
        Some(next)
    }

    /// How long this way is waited for before another place is asked.
    fn until(&self, now: Tick) -> Option<Tick> {
        self.elsewhere().map(|_| now.after(self.patience))
    }
}

#[cfg(test)]
#[path = "registering_tests.rs"]
mod tests;
