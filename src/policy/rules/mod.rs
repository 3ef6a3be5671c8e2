//! The rules; one file each: settings, `judge`, a table test.
//!
//! Owns the list of rules and what they share. A new rule is one file and one variant of `Rule`.
//! Read first: DESIGN.md §3, "Policy is data plus a pure check".

pub mod allowlist;
pub mod blocklist;
pub mod callback_trap;
pub(super) mod caller;
pub mod callers;
pub mod concurrent_calls;
pub mod countries;
pub(super) mod destination;
pub mod detectors;
pub mod dial_plan_guessing;
pub mod foreign_host;
pub mod forwarded;
pub mod high_risk;
pub mod hops;
pub mod hours;
pub mod loops;
pub mod max_duration;
pub mod methods;
pub mod number_types;
pub mod repeats;
pub mod replaces;
pub mod secure_transport;
pub mod sequential_numbers;
pub mod test_calls;
pub(super) mod weaker;

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::alert::Code;
use super::counters::{Charge, Counters};
use super::facts::Facts;
use super::keyed::Key;
use super::peer::{Direction, Peer};
use super::verdict::Saw;
use super::{Policy, code};
use crate::clock::Wall;

pub use allowlist::Allowlist;
pub use blocklist::Blocklist;
pub use callback_trap::CallbackTrap;
pub use callers::{AnonymousCallers, CallerBlocklist};
pub use concurrent_calls::ConcurrentCalls;
pub use countries::Countries;
pub use detectors::{Detector, Steps};
pub use dial_plan_guessing::DialPlanGuessing;
pub use forwarded::Forwarded;
pub use high_risk::HighRisk;
pub use hops::Hops;
pub use hours::Hours;
pub use max_duration::MaxDuration;
pub use number_types::{NumberType, NumberTypes};
pub use repeats::Repeats;
pub use sequential_numbers::SequentialNumbers;
pub use test_calls::TestCalls;

/// How long `observe` lasts when the YAML names no end: 14 days.
pub const OBSERVE_DEFAULT: Duration = Duration::from_secs(14 * 24 * 3600);

/// What a rule is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// What live calls hold; `None` in `screen`, before any state.
    pub counters: Option<&'a Counters>,
    /// The request.
    pub facts: &'a Facts<'a>,
    /// Who sent it.
    pub peer: &'a Peer,
}

/// Why a rule refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The alert's code; its class and the peer's presets give the status.
    pub code: Code,
    /// A status that the RFC asks for in this case, whatever presets say.
    pub status: Option<u16>,
    /// Seconds for Retry-After.
    pub retry_after: Option<u32>,
    /// What an inside peer is told.
    pub told: String,
    /// What the admin is told, with the cure.
    pub text: String,
}

impl Objection {
    /// An objection that is answered as its code says.
    #[must_use]
    pub fn new(code: Code, told: String, text: String) -> Box<Self> {
        Box::new(Self { code, status: None, retry_after: None, told, text })
    }
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What it saw.
    pub saw: Saw,
    /// Why it refuses; `None` when it does not.
    pub objection: Option<Box<Objection>>,
    /// A cap on the time from answer.
    pub duration_max: Option<Duration>,
    /// What the call takes if it goes on.
    pub charges: SmallVec<[Charge; 2]>,
    /// Who is to be barred for so long, if it is refused.
    pub bar: Option<(Key, Duration)>,
    /// What the admin is told although the call goes on.
    pub warning: Option<Box<Objection>>,
}

impl Opinion {
    /// No objection.
    #[must_use]
    pub fn pass(saw: Saw) -> Self {
        Self { saw, objection: None, duration_max: None, charges: SmallVec::new(), bar: None, warning: None }
    }

    /// An objection.
    #[must_use]
    pub fn refuse(saw: Saw, objection: Box<Objection>) -> Self {
        Self { objection: Some(objection), ..Self::pass(saw) }
    }
}

/// One rule with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Only methods that are opened.
    Methods,
    /// Signalling is encrypted, or refused.
    SecureTransport,
    /// Max-Forwards and the length of the way.
    Hops(Hops),
    /// A request that was here before.
    Loops,
    /// A Request-URI that names another host.
    ForeignHost,
    /// Replaces or Join in a new call.
    Replaces,
    /// Numbers nobody may call.
    Blocklist(Blocklist),
    /// Numbers that may be called all the same.
    Allowlist(Allowlist),
    /// Countries that may be called.
    Countries(Countries),
    /// Kinds of numbers nobody may call.
    NumberTypes(NumberTypes),
    /// Prefixes of risk.
    HighRisk(HighRisk),
    /// When calls may be made.
    Hours(Box<Hours>),
    /// Callers from outside whom nobody wants.
    CallerBlocklist(CallerBlocklist),
    /// Callers from outside who do not say who they are.
    AnonymousCallers(AnonymousCallers),
    /// Calls that somebody here sends on.
    Forwarded(Forwarded),
    /// Calls that go round.
    Repeats(Repeats),
    /// What is known of calls before.
    Detects(Detector),
    /// Calls at once.
    ConcurrentCalls(ConcurrentCalls),
    /// How long an answered call may last.
    MaxDuration(MaxDuration),
}

impl Rule {
    /// Its key in the YAML.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::SecureTransport => "secure_transport",
            Self::Hops(_) => "hop_limit",
            Self::Loops => "loops",
            Self::ForeignHost => "foreign_host",
            Self::Replaces => "replaces",
            Self::Blocklist(_) => "blocklist",
            Self::Allowlist(_) => "allowlist",
            Self::Countries(_) => "countries",
            Self::NumberTypes(_) => "number_types",
            Self::HighRisk(_) => "high_risk",
            Self::Hours(_) => "hours",
            Self::CallerBlocklist(_) => "caller_blocklist",
            Self::AnonymousCallers(_) => "anonymous_callers",
            Self::Forwarded(_) => "forwarded",
            Self::Repeats(_) => "repeats",
            Self::Detects(detector) => detector.name(),
            Self::ConcurrentCalls(_) => "concurrent_calls",
            Self::MaxDuration(_) => "max_duration",
        }
    }

    /// Asks it.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> Opinion {
        match self {
            Self::Methods => methods::judge(question),
            Self::SecureTransport => secure_transport::judge(question),
            Self::Hops(hops) => hops.judge(question),
            Self::Loops => loops::judge(question),
            Self::ForeignHost => foreign_host::judge(question),
            Self::Replaces => replaces::judge(question),
            Self::Blocklist(blocklist) => blocklist.judge(question),
            Self::Allowlist(allowlist) => allowlist.judge(question),
            Self::Countries(countries) => countries.judge(question),
            Self::NumberTypes(types) => types.judge(question),
            Self::HighRisk(risk) => risk.judge(question),
            Self::Hours(hours) => hours.judge(question),
            Self::CallerBlocklist(list) => list.judge(question),
            Self::AnonymousCallers(rule) => rule.judge(question),
            Self::Forwarded(rule) => rule.judge(question),
            Self::Repeats(rule) => rule.judge(question),
            Self::Detects(detector) => detector.judge(question),
            Self::ConcurrentCalls(cap) => cap.judge(question),
            Self::MaxDuration(cap) => cap.judge(),
        }
    }

    /// Whether a request is of the kind that it is about; of any other it is not asked, and says nothing in its trail.
    #[must_use]
    pub fn is_about(&self, facts: &Facts<'_>, policy: &Policy) -> bool {
        match self {
            Self::Forwarded(_) => facts.forwarded.is_some(),
            Self::Detects(detector) => detector.is_about(facts),
            Self::Repeats(_) => facts.forwarded.is_some() || repeats::calls_own(policy, facts.called),
            Self::Methods
            | Self::SecureTransport
            | Self::Hops(_)
            | Self::Loops
            | Self::ForeignHost
            | Self::Replaces
            | Self::Blocklist(_)
            | Self::Allowlist(_)
            | Self::Countries(_)
            | Self::NumberTypes(_)
            | Self::HighRisk(_)
            | Self::Hours(_)
            | Self::CallerBlocklist(_)
            | Self::AnonymousCallers(_)
            | Self::ConcurrentCalls(_)
            | Self::MaxDuration(_) => true,
        }
    }

    /// Whether it may be set to `observe`: only rules about destinations and lists may; source, identity, encryption,
    /// number reading, routing, cap and protocol rules may not.
    #[must_use]
    pub const fn may_observe(&self) -> bool {
        match self {
            Self::Blocklist(_)
            | Self::Countries(_)
            | Self::NumberTypes(_)
            | Self::HighRisk(_)
            | Self::Hours(_)
            | Self::CallerBlocklist(_)
            | Self::AnonymousCallers(_)
            | Self::Forwarded(_)
            | Self::Detects(_) => true,
            Self::Methods
            | Self::SecureTransport
            | Self::Hops(_)
            | Self::Loops
            | Self::ForeignHost
            | Self::Replaces
            | Self::Allowlist(_)
            | Self::Repeats(_)
            | Self::ConcurrentCalls(_)
            | Self::MaxDuration(_) => false,
        }
    }

    /// Whether it is asked of an emergency call, too: only what keeps a request from going round for ever, or is no call.
    #[must_use]
    pub const fn holds_for_emergencies(&self) -> bool {
        match self {
            Self::Methods | Self::Hops(_) | Self::Loops => true,
            Self::SecureTransport
            | Self::ForeignHost
            | Self::Replaces
            | Self::Blocklist(_)
            | Self::Countries(_)
            | Self::NumberTypes(_)
            | Self::HighRisk(_)
            | Self::Allowlist(_)
            | Self::Hours(_)
            | Self::CallerBlocklist(_)
            | Self::AnonymousCallers(_)
            | Self::Forwarded(_)
            | Self::Repeats(_)
            | Self::Detects(_)
            | Self::ConcurrentCalls(_)
            | Self::MaxDuration(_) => false,
        }
    }

    /// What it means, in plain words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Methods => {
                "requests other than calls are refused unless a peer's `allow` opens them".to_owned()
            }
            Self::SecureTransport => {
                "signalling comes over TLS; only a peer with `plain_signalling: allow` may use UDP or TCP"
                    .to_owned()
            }
            Self::Hops(hops) => hops.describe(),
            Self::Loops => "a request that has been here before is refused".to_owned(),
            Self::ForeignHost => "a call to a host that is not this edge is refused".to_owned(),
            Self::Replaces => "a new call may not take over or join another one".to_owned(),
            Self::Blocklist(blocklist) => blocklist.describe(),
            Self::Allowlist(allowlist) => allowlist.describe(),
            Self::Countries(countries) => countries.describe(),
            Self::NumberTypes(types) => types.describe(),
            Self::HighRisk(risk) => risk.describe(),
            Self::Hours(hours) => hours.describe(),
            Self::CallerBlocklist(list) => list.describe(),
            Self::AnonymousCallers(rule) => rule.describe(),
            Self::Forwarded(rule) => rule.describe(),
            Self::Repeats(rule) => rule.describe(),
            Self::Detects(detector) => detector.describe(),
            Self::ConcurrentCalls(cap) => cap.describe(),
            Self::MaxDuration(cap) => cap.describe(),
        }
    }
}

/// `observe` of a rule: judge, alert, do not refuse, until a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observe {
    /// Past it the rule refuses again.
    pub until: Wall,
}

/// A rule in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its YAML path, e.g. `policy.outbound[3].blocklist`.
    pub path: Arc<str>,
    /// The rule.
    pub rule: Rule,
    /// Whether it only observes. Obeyed for rules that `may_observe`.
    pub observe: Option<Observe>,
}

impl Entry {
    /// A rule that refuses.
    #[must_use]
    pub fn enforced(path: &str, rule: Rule) -> Self {
        Self { path: Arc::from(path), rule, observe: None }
    }

    /// Whether it only observes at this time.
    #[must_use]
    pub fn observes(&self, at: Wall) -> bool {
        self.rule.may_observe() && self.observe.is_some_and(|observe| at < observe.until)
    }

    /// What it means, in plain words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = self.rule.describe();
        if let Some(observe) = self.observe.filter(|_| self.rule.may_observe()) {
            words.push_str(&format!(" (only observed until {})", observe.until.rfc3339()));
        }
        words
    }
}

/// The rules of each stage, in YAML order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Asked of every request of a listed peer, before any state.
    pub screen: Vec<Entry>,
    /// Asked of calls from inside to outside, and of calls from outside to outside.
    pub outbound: Vec<Entry>,
    /// Asked of calls from outside to inside, and of calls from outside to outside.
    pub inbound: Vec<Entry>,
    /// Asked of calls from inside to inside.
    pub internal: Vec<Entry>,
}

impl Rules {
    /// Adds to `screen` every rule that always stands and that the YAML left out, in its default form.
    pub fn complete(&mut self) {
        let standing = [
            Rule::Methods,
            Rule::SecureTransport,
            Rule::Hops(Hops::default()),
            Rule::Loops,
            Rule::ForeignHost,
            Rule::Replaces,
        ];
        for rule in standing {
            if !self.screen.iter().any(|entry| entry.rule.name() == rule.name()) {
                let path = format!("policy.screen.{}", rule.name());
                self.screen.push(Entry::enforced(&path, rule));
            }
        }
    }

    /// Adds to `outbound` the rules about calls that are sent on and that go round, in their default form, where the YAML left
    /// them out.
    pub fn complete_forwarding(&mut self) {
        for rule in [Rule::Forwarded(Forwarded::default()), Rule::Repeats(Repeats::default())] {
            if !self.outbound.iter().any(|entry| entry.rule.name() == rule.name()) {
                let path = format!("policy.outbound.{}", rule.name());
                self.outbound.push(Entry::enforced(&path, rule));
            }
        }
    }

    /// Adds to `outbound` the rules about destinations that the YAML left out, in their default form: they stand where a dial
    /// plan says for certain where a number leads.
    pub fn complete_destinations(&mut self) {
        let standing = [
            Rule::Countries(Countries::default()),
            Rule::NumberTypes(NumberTypes::default()),
            Rule::HighRisk(HighRisk::default()),
        ];
        for rule in standing {
            if !self.outbound.iter().any(|entry| entry.rule.name() == rule.name()) {
                let path = format!("policy.outbound.{}", rule.name());
                self.outbound.push(Entry::enforced(&path, rule));
            }
        }
    }

    /// Adds to `outbound` the detectors that the YAML left out, in their default form: they stand where destinations are judged.
    pub fn complete_detectors(&mut self) {
        for rule in Detector::all().map(Rule::Detects) {
            if !self.outbound.iter().any(|entry| entry.rule.name() == rule.name()) {
                let path = format!("policy.outbound.{}", rule.name());
                self.outbound.push(Entry::enforced(&path, rule));
            }
        }
    }

    /// The rules a call of this direction passes, in order. A call from trunk to trunk comes in and spends money on the
    /// way out: it passes both lists.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = &Entry> {
        let (first, second): (&[Entry], &[Entry]) = match direction {
            Direction::Outbound => (&self.outbound, &[]),
            Direction::Inbound => (&self.inbound, &[]),
            Direction::Internal => (&self.internal, &[]),
            Direction::Transit => (&self.inbound, &self.outbound),
        };
        first.iter().chain(second)
    }
}

/// How a peer is named to the admin.
fn named(question: &Question<'_>) -> String {
    [&question.peer.name, " (", &question.facts.source.ip().to_string(), ")"].concat()
}
