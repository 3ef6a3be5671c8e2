//! What is suspended by order: sites, peers, credentials, destinations and numbers that nobody may call from, or to, now.
//!
//! Owns the table, its bound, and what a call falls under. Refuses to know who gave the order, and to end a call: the engine
//! does. Read first: DESIGN.md §1, laws 3 and 8; attack row B12.
//!
//! An order holds until it is taken back or its time by the wall clock is over, over reloads and restarts. It names what the
//! policy names, letter by letter; that the policy forgets a name ends nothing.

mod judged;
mod named;

use std::collections::HashMap;
use std::time::Duration;

use smallvec::SmallVec;

use super::Policy;
use super::number::{Dialling, E164, Number, RiskTier};
use super::peer::{Direction, Peer};
use super::rules::NumberType;
use crate::clock::Wall;

pub use judged::words;
pub use named::{KNOWN_TOLD_MAX, Unknown};

/// Suspensions at once; one more is refused until another ends.
pub const SUSPENSIONS_MAX: usize = 1_024;
/// Characters of the reason that is kept with one.
pub const WHY_CHARS_MAX: usize = 200;
/// The longest time that one may be given; without a time it stands until it is taken back.
pub const LASTS_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The word of the trail.
pub const STEP: &str = "suspensions";
/// The destination that stands for short codes.
pub const SHORT: &str = "short";
/// Digits of a code that no dial plan has read: longer ones may be anybody's number.
const SHORT_DIGITS_MAX: usize = 6;

/// What an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// All calls of a site's machines, and to them.
    Site,
    /// All calls of a peer, and to it.
    Peer,
    /// All calls of a user that proves a password.
    Credential,
    /// Calls to the outside that go to a prefix, a country, or short codes.
    Destination,
    /// Calls of a number or extension, to it, and those that it sends on.
    Number,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Site, Self::Peer, Self::Credential, Self::Destination, Self::Number];

    /// The word in orders, rows and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Peer => "peer",
            Self::Credential => "credential",
            Self::Destination => "destination",
            Self::Number => "number",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How much an order stops. Each stops what the one before does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// New calls are refused; those that are up go on.
    #[default]
    New,
    /// Calls that are up to a number of high risk are ended, too.
    HighRisk,
    /// All calls that are up are ended, too.
    All,
}

impl Strength {
    /// The word in orders, rows and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::HighRisk => "high-risk",
            Self::All => "all",
        }
    }

    /// The strength of this word.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::New, Self::HighRisk, Self::All].into_iter().find(|strength| strength.name() == name)
    }

    /// Whether a call that is up and falls under the order is ended.
    #[must_use]
    pub const fn cuts(self, high_risk: bool) -> bool {
        match self {
            Self::New => false,
            Self::HighRisk => high_risk,
            Self::All => true,
        }
    }
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// How much it stops.
    pub strength: Strength,
    /// When it was given.
    pub since: Wall,
    /// When it ends by itself; `None` until it is taken back.
    pub until: Option<Wall>,
    /// Why, in the words of who gave it; may be empty.
    pub why: Box<str>,
}

impl Suspension {
    /// Whether it holds at this time.
    #[must_use]
    pub fn holds(&self, at: Wall) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

/// As many are in force as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// One call, as orders ask about it: of a new one each target is asked about apart.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// For the names of sites, and what is known of the world's numbers.
    pub policy: &'a Policy,
    /// Where it runs.
    pub direction: Direction,
    /// Whether it is for danger to life: nothing is suspended for it.
    pub emergency: bool,
    /// Whose calls they are; `None` where only a target is asked about.
    pub from: Option<&'a Peer>,
    /// Whom it goes to, where that is known.
    pub to: Option<&'a Peer>,
    /// The user whose password it proved.
    pub credential: Option<&'a str>,
    /// Its caller as read and as sent, and who sent the call on; empty ones are nobody's.
    pub callers: [&'a str; 3],
    /// Whom it calls.
    pub called: &'a str,
    /// What that was read as, where a dial plan reads it.
    pub number: Option<&'a Number>,
}

/// An order that a call falls under.
pub type Held<'a> = (Kind, &'a str, &'a Suspension);

/// All of them.
#[derive(Debug, Default)]
pub struct Suspensions {
    held: HashMap<Kind, HashMap<Box<str>, Suspension>>,
}

impl Suspensions {
    /// Whether nothing is suspended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.values().all(HashMap::is_empty)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.values().map(HashMap::len).sum()
    }

    /// Enters an order, or changes one; what stood there before.
    ///
    /// # Errors
    /// There is no room for one more.
    pub fn put(
        &mut self,
        kind: Kind,
        name: &str,
        suspension: Suspension,
    ) -> Result<Option<Suspension>, Full> {
        if self.len() >= SUSPENSIONS_MAX && self.of(kind, name).is_none() {
            return Err(Full);
        }
        Ok(self.held.entry(kind).or_default().insert(name.into(), suspension))
    }

    /// Takes an order back.
    pub fn lift(&mut self, kind: Kind, name: &str) -> Option<Suspension> {
        self.held.get_mut(&kind)?.remove(name)
    }

    /// Takes those back whose time is over.
    pub fn expire(&mut self, at: Wall) -> Vec<(Kind, Box<str>, Suspension)> {
        let mut over = Vec::new();
        for (kind, held) in &mut self.held {
            let ended = held.extract_if(|_, suspension| !suspension.holds(at));
            over.extend(ended.map(|(name, suspension)| (*kind, name, suspension)));
        }
        over.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        over
    }

    /// When the next one ends by itself.
    #[must_use]
    pub fn next_end(&self) -> Option<Wall> {
        let all = self.held.values().flat_map(HashMap::values);
        all.filter_map(|suspension| suspension.until).min_by_key(|until| until.micros())
    }

    /// An order by its name.
    #[must_use]
    pub fn of(&self, kind: Kind, name: &str) -> Option<&Suspension> {
        self.held.get(&kind)?.get(name)
    }

    /// All of them, in order.
    #[must_use]
    pub fn told(&self) -> Vec<Held<'_>> {
        let all = self.held.iter();
        let all = all.flat_map(|(kind, held)| held.iter().map(|(name, one)| (*kind, &**name, one)));
        let mut all: Vec<Held<'_>> = all.collect();
        all.sort_by_key(|(kind, name, _)| (*kind, *name));
        all
    }

    /// The strongest order in force that a call falls under.
    #[must_use]
    pub fn over(&self, about: &About<'_>, at: Wall) -> Option<Held<'_>> {
        if about.emergency || self.is_empty() {
            return None;
        }
        let found = about.keys().into_iter().filter_map(|(kind, name)| {
            let (name, suspension) = self.held.get(&kind)?.get_key_value(name)?;
            suspension.holds(at).then_some((kind, &**name, suspension))
        });
        found.max_by_key(|(_, _, suspension)| suspension.strength)
    }
}

impl About<'_> {
    /// Whether it falls under an order of this name.
    #[must_use]
    pub fn is_under(&self, kind: Kind, name: &str) -> bool {
        !self.emergency && self.keys().into_iter().any(|key| key == (kind, name))
    }

    /// Whether it goes where fraud goes: outside, to a number of risk `high` or `deny`, or of premium rate, to a satellite or a
    /// network of no country. A number that no dial plan can read is none.
    #[must_use]
    pub fn is_high_risk(&self) -> bool {
        let Some((number, dialling)) = self.placed() else { return false };
        let kind = NumberType::of(&number, &dialling.world, &dialling.plan.country_code);
        let risky = kind.is_some_and(|(kind, _)| match kind {
            NumberType::Premium | NumberType::Satellite | NumberType::InternationalNetworks => true,
            NumberType::SharedCost | NumberType::Personal | NumberType::Pager => false,
        });
        risky || dialling.world.risk(&number, &dialling.plan.country_code).tier >= RiskTier::High
    }

    /// Whether it leaves for the outside.
    const fn leaves(&self) -> bool {
        match self.direction {
            Direction::Outbound | Direction::Transit => true,
            Direction::Inbound | Direction::Internal => false,
        }
    }

    /// The international number that it calls outside, and what is known of such numbers: by the plan of who calls, else by
    /// any of the policy, for `+` and digits are the same to all.
    fn placed(&self) -> Option<(E164, &Dialling)> {
        if !self.leaves() {
            return None;
        }
        let own = self.from.and_then(|peer| peer.dialling.as_deref());
        let any = || self.policy.peers.iter().flatten().find_map(|peer| peer.dialling.as_deref());
        let dialling = own.or_else(any)?;
        if let Some(Number::E164(number)) = self.number {
            return Some((*number, dialling));
        }
        let uri = ["tel:", self.called].concat();
        let read = self.called.starts_with('+').then(|| dialling.read(uri.as_bytes()).ok()).flatten()?;
        match read.reading.number {
            Number::E164(number) => Some((number, dialling)),
            Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => None,
        }
    }

    /// Every name that an order about it may have.
    fn keys(&self) -> SmallVec<[(Kind, &str); 32]> {
        let mut keys = SmallVec::new();
        for peer in [self.from, self.to].into_iter().flatten() {
            keys.push((Kind::Peer, &*peer.name));
            let site = peer.site.and_then(|site| self.policy.site(site));
            keys.extend(site.map(|site| (Kind::Site, &*site.name)));
        }
        keys.extend(self.credential.map(|user| (Kind::Credential, user)));
        let numbers = self.callers.into_iter().chain([self.called]).filter(|number| !number.is_empty());
        keys.extend(numbers.map(|number| (Kind::Number, bare(number))));
        if self.leaves() {
            self.destinations(&mut keys);
        }
        keys
    }

    fn destinations<'k>(&'k self, keys: &mut SmallVec<[(Kind, &'k str); 32]>) {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        let is_short = match self.number {
            Some(Number::Short(_)) => true,
            Some(Number::E164(_) | Number::Emergency(_) | Number::Service(_) | Number::Name(_)) => false,
            None => self.called.len() <= SHORT_DIGITS_MAX && digits(self.called),
        };
        if is_short {
            keys.push((Kind::Destination, SHORT));
        }
        if self.called.strip_prefix('+').is_some_and(digits) {
            let lengths = 2..=self.called.len().min(super::number::DIGITS_MAX + 1);
            let prefixes = lengths.filter_map(|length| self.called.get(..length));
            keys.extend(prefixes.map(|prefix| (Kind::Destination, prefix)));
        }
        if let Some((number, dialling)) = self.placed()
            && let Some((region, _)) = dialling.world.region(&number)
        {
            keys.push((Kind::Destination, region));
        }
    }
}

/// A number as an order names it: with a plus or without, it is the same.
fn bare(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

#[cfg(test)]
#[path = "suspended_tests.rs"]
mod tests;
