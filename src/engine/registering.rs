//! One registration of ours at a trunk: asked for, held, renewed before it ends, given back.
//!
//! Owns its states and how long it waits in each. Refuses to know what a REGISTER looks like, who sends it and who is told
//! (`registrations`): every transition takes the old state, and says what is to be done.
//! Read first: RFC 3261 §10.2, §10.2.4, §10.2.7; RFC 5626 §4.5 (how long to wait after a failure).

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::call::Branch;
use crate::clock::Tick;
use crate::policy::Unproven;
use crate::sip::{PartyId, Transport};

/// The longest life that is asked for or believed: a trunk that names more is asked again after a day.
pub const EXPIRES_MAX: Duration = Duration::from_hours(24);
/// What was granted is not renewed sooner, however brief: a trunk may not make this edge ask without end.
const RENEWED_AFTER_MIN: Duration = Duration::from_secs(10);
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
}

/// Why a registration is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The trunk's name leads nowhere yet.
    NoTarget,
    /// No answer.
    Silence,
    /// It could not be reached, or nothing was sent.
    Unreachable,
    /// It answered so.
    Status(u16),
    /// It asked who we are, and was not satisfied.
    Login(Unproven),
    /// It wants a life longer than a day, or says not how long.
    TooBrief,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => f.write_str("its name leads nowhere"),
            Self::Silence => f.write_str("it does not answer"),
            Self::Unreachable => f.write_str("it cannot be reached"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Login(why) => write!(f, "it {}", why.brief()),
            Self::TooBrief => f.write_str("it wants a longer life than a day, or says not how long (423)"),
        }
    }
}

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
        Self::Waiting { until: at, failures: 0, held: None }
    }

    /// When it wants to be woken.
    #[must_use]
    pub const fn due(&self) -> Option<Tick> {
        match self {
            Self::Waiting { until, .. } | Self::Leaving { until, .. } => Some(*until),
            Self::Asking { .. } | Self::Over => None,
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

    /// Its time has come: a round over these ways begins, the one that holds us first.
    #[must_use]
    pub fn wake(self, now: Tick, mut ways: Vec<Way>, branch: Branch, share: u32) -> (Self, Step) {
        match self {
            Self::Waiting { until, failures, held } if until <= now => {
                let held = held.filter(|held| held.until > now);
                let holds = |way: &Way| held.as_ref().is_some_and(|held| held.way.address == way.address);
                ways.sort_by_key(|way| !holds(way));
                let Some(first) = ways.first().cloned() else {
                    let until = now.after(pause(failures, share));
                    let failures = failures.saturating_add(1);
                    return (Self::Waiting { until, failures, held }, Step::Failed(Why::NoTarget));
                };
                let round = Round { ways, at: 0, raised: false };
                (Self::Asking { branch, round, failures, held }, Step::Ask(first))
            }
            Self::Leaving { until, .. } if until <= now => (Self::Over, Step::Nothing),
            Self::Waiting { .. } | Self::Asking { .. } | Self::Leaving { .. } | Self::Over => {
                (self, Step::Nothing)
            }
        }
    }

    /// The REGISTER that is waited for goes again under another branch, with a proof.
    #[must_use]
    pub fn renamed(self, new: Branch) -> Self {
        match self {
            Self::Asking { branch: _, round, failures, held } => {
                Self::Asking { branch: new, round, failures, held }
            }
            Self::Leaving { branch: _, until } => Self::Leaving { branch: new, until },
            Self::Waiting { .. } | Self::Over => self,
        }
    }

    /// What came of the REGISTER that is waited for; `branch` is for the one that may follow.
    #[must_use]
    pub fn answered(self, now: Tick, answer: Answer, branch: Branch, share: u32) -> (Self, Step) {
        let (round, failures, held) = match self {
            Self::Asking { branch: _, round, failures, held } => (round, failures, held),
            Self::Leaving { .. } => return (Self::Over, Step::Nothing),
            Self::Waiting { .. } | Self::Over => return (self, Step::Nothing),
        };
        let failed = |why, wait: Duration| {
            let (until, failures) = (now.after(wait), failures.saturating_add(1));
            (Self::Waiting { until, failures, held: held.clone() }, Step::Failed(why))
        };
        match answer {
            Answer::Granted(granted) => {
                let granted = granted.min(EXPIRES_MAX);
                let held = round.way().map(|way| Held { way, until: now.after(granted) });
                let until = now.after(renewal(granted, share));
                (Self::Waiting { until, failures: 0, held }, Step::Registered)
            }
            Answer::Raised if round.raised => failed(Why::TooBrief, PAUSE_MAX),
            Answer::Raised => match round.way() {
                Some(way) => {
                    let round = Round { raised: true, ..round };
                    (Self::Asking { branch, round, failures, held }, Step::Ask(way))
                }
                None => failed(Why::TooBrief, PAUSE_MAX),
            },
            Answer::Elsewhere(why, wanted) => match round.elsewhere() {
                Some((round, way)) => (Self::Asking { branch, round, failures, held }, Step::Ask(way)),
                None => {
                    let wanted = wanted.unwrap_or_default().min(RETRY_AFTER_MAX);
                    failed(why, pause(failures, share).max(wanted))
                }
            },
            Answer::Broken => match round.next() {
                Some((round, way)) => (Self::Asking { branch, round, failures, held }, Step::Ask(way)),
                None => failed(Why::Unreachable, pause(failures, share)),
            },
            Answer::Refused(why) => failed(why, PAUSE_MAX),
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

    /// Something has changed: the next round begins now.
    #[must_use]
    pub fn hurried(self, now: Tick) -> Self {
        match self {
            Self::Waiting { until: _, failures, held } => Self::Waiting { until: now, failures, held },
            Self::Asking { .. } | Self::Leaving { .. } | Self::Over => self,
        }
    }
}

impl Round {
    fn way(&self) -> Option<Way> {
        self.ways.get(self.at).cloned()
    }

    /// The next way.
    fn next(&self) -> Option<(Self, Way)> {
        let at = self.at + 1;
        let way = self.ways.get(at)?.clone();
        Some((Self { ways: self.ways.clone(), at, raised: false }, way))
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
}

#[cfg(test)]
#[path = "registering_tests.rs"]
mod tests;
