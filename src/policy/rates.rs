//! What a call costs: by the deck of the owner's trunk, or by two rates that let an office work and starve a fraudster.
//!
//! Owns rates, the deck, and of which class a call is. Refuses to know budgets. Read first: spec/limits.md, "Hard bound".

use std::sync::Arc;
use std::time::Duration;

use super::facts::Facts;
use super::money::Money;
use super::number::{AreaClass, E164, Number, Prefixes, RiskTier};
use super::peer::Peer;
use super::rules::destination::is_home;
use super::rules::number_types::NumberType;

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rate {
    /// For each minute.
    pub per_minute: Money,
    /// Once, when it is answered.
    pub connect: Money,
    /// Seconds that the first step of billing is long; at least 1.
    pub first_s: u32,
    /// Seconds of each further step; at least 1.
    pub then_s: u32,
}

impl Rate {
    /// A rate without a fee, billed in steps so long.
    #[must_use]
    pub const fn steps(per_minute: Money, step_s: u32) -> Self {
        Self { per_minute, connect: Money(0), first_s: step_s, then_s: step_s }
    }

    /// Seconds that are billed for a talk.
    fn billed(&self, talked: Duration) -> u64 {
        let seconds = talked.as_secs().saturating_add(u64::from(talked.subsec_nanos() > 0));
        let (first, then) = (u64::from(self.first_s.max(1)), u64::from(self.then_s.max(1)));
        let steps = seconds.saturating_sub(first).div_ceil(then);
        first.saturating_add(steps.saturating_mul(then))
    }

    /// What an answered call costs that talked for so long, rounded up: nothing talked costs the first step.
    #[must_use]
    pub fn cost(&self, talked: Duration) -> Money {
        let minutes = self.per_minute.0.saturating_mul(self.billed(talked)).div_ceil(60);
        Money(self.connect.0.saturating_add(minutes))
    }

    /// The longest talk that costs no more, in whole seconds; zero where even the first step does.
    #[must_use]
    pub fn paid_for(&self, money: Money) -> Duration {
        if self.per_minute.0 == 0 {
            return if money >= self.connect { Duration::MAX } else { Duration::ZERO };
        }
        let left = money.0.saturating_sub(self.connect.0);
        let seconds = left.saturating_mul(60) / self.per_minute.0;
        let (first, then) = (u64::from(self.first_s.max(1)), u64::from(self.then_s.max(1)));
        match seconds.checked_sub(first) {
            None => Duration::ZERO,
            Some(more) => Duration::from_secs(first.saturating_add(more / then * then)),
        }
    }

    /// The worst of both, in each of its parts.
    #[must_use]
    pub fn dearest(self, other: Self) -> Self {
        Self {
            per_minute: self.per_minute.max(other.per_minute),
            connect: self.connect.max(other.connect),
            first_s: self.first_s.max(other.first_s),
            then_s: self.then_s.max(other.then_s),
        }
    }
}

/// Which limits a call is counted under, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A number of the home country, or one that a plan lists.
    Home,
    /// Any other, and whatever nobody can place.
    International,
    /// Premium rate, satellites, networks of no country, prefixes of risk high or deny; at home as abroad.
    HighRisk,
}

/// What a call costs, and how it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// What it costs.
    pub rate: Rate,
    /// How it is counted.
    pub class: Class,
    /// Digits of the deck's prefix that says so; `None` where none does.
    pub prefix: Option<usize>,
}

/// Prices of a trunk, by prefix.
#[derive(Debug, Default)]
pub struct Deck {
    rates: Prefixes<Rate>,
    /// What an unknown prefix costs: the worst of all.
    dearest: Rate,
    prefixes: usize,
    /// The currency that the deck itself names, if it does.
    pub currency: Option<Box<str>>,
}

impl Deck {
    /// Enters a price; false where the prefix is no digits, or has another price.
    #[must_use]
    pub fn add(&mut self, prefix: &str, rate: Rate) -> bool {
        if prefix.is_empty() {
            return false;
        }
        let mut new = false;
        let entry = self.rates.entry(prefix.as_bytes(), || {
            new = true;
            rate
        });
        let same = entry.is_some_and(|entry| *entry == rate);
        self.prefixes += usize::from(new && same);
        self.dearest = self.dearest.dearest(rate);
        same
    }

    /// How many prefixes have a price.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.prefixes
    }

    /// Whether none has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.prefixes == 0
    }

    /// What an unknown prefix costs.
    #[must_use]
    pub const fn dearest(&self) -> Rate {
        self.dearest
    }
}

/// What calls cost.
#[derive(Debug, Clone)]
pub struct Rates {
    /// The trunk's prices; without it there are the two rates below.
    pub deck: Option<Arc<Deck>>,
    /// What the sums are of, for people.
    pub currency: Arc<str>,
    /// Geographic, mobile and toll-free numbers of the home country, where there is no deck.
    pub home: Rate,
    /// Everything else, where there is no deck.
    pub other: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            deck: None,
            currency: Arc::from("USD"),
            // Billed by the second: an office's calls home are many and short.
            home: Rate::steps(Money(20_000), 1),
            // By the minute, as dear destinations are.
            other: Rate::steps(Money::units(3), 60),
        }
    }
}

impl Rates {
    /// What the sums are of.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// What a call costs that leaves for the world, and how it is counted.
    #[must_use]
    pub fn price(&self, facts: &Facts<'_>, peer: &Peer) -> Priced {
        self.price_of(facts.number, facts.called, peer)
    }

    /// The same of a number as it was read, where it was, and as it was dialled.
    #[must_use]
    pub fn price_of(&self, number: Option<&Number>, called: &str, peer: &Peer) -> Priced {
        let (class, plain) = class(number, peer);
        let Some(deck) = &self.deck else {
            // What a plan lists and premium numbers at home are as dear as what nobody knows, or may be.
            let rate = if plain { self.home } else { self.other };
            return Priced { rate, class, prefix: None };
        };
        let digits = number.and_then(Number::e164).map(|number| number.digits.as_bytes());
        let digits = digits.or_else(|| called.strip_prefix('+').map(str::as_bytes));
        match digits.and_then(|digits| deck.rates.longest(digits)) {
            Some((length, rate)) => Priced { rate: *rate, class, prefix: Some(length) },
            // A short code that the plan lists stands in no deck, and is as cheap as a call home.
            None if plain && digits.is_none() => Priced { rate: self.home, class, prefix: None },
            None => Priced { rate: deck.dearest, class, prefix: None },
        }
    }
}

/// How a call is counted, and whether it costs what a call home does.
fn class(number: Option<&Number>, peer: &Peer) -> (Class, bool) {
    let dialling = peer.dialling.as_deref();
    let (number, dialling) = match (number, dialling) {
        (Some(Number::E164(number)), Some(dialling)) => (number, dialling),
        // The admin lists them by name, and takes what they cost.
        (Some(Number::Short(_) | Number::Name(_) | Number::Service(_) | Number::Emergency(_)), _) => {
            return (Class::Home, true);
        }
        (Some(Number::E164(_)) | None, _) => return (Class::International, false),
    };
    let home_code = &*dialling.plan.country_code;
    let risk = dialling.world.risk(number, home_code).tier;
    let kind = NumberType::of(number, &dialling.world, home_code);
    let shared = kind.is_some_and(|(kind, _)| kind == NumberType::SharedCost);
    if risk >= RiskTier::High || kind.is_some() && !shared {
        return (Class::HighRisk, false);
    }
    if !is_home(number, dialling) {
        return (Class::International, false);
    }
    (Class::Home, !shared && is_plain(number, dialling))
}

/// Whether a number of the home country is geographic, mobile or toll-free.
fn is_plain(number: &E164, dialling: &super::number::Dialling) -> bool {
    dialling.world.area(number).is_none_or(|area| match area.class {
        AreaClass::Domestic | AreaClass::Territory | AreaClass::TollFree => true,
        AreaClass::Foreign
        | AreaClass::NonGeographic
        | AreaClass::Carrier
        | AreaClass::Government
        | AreaClass::Premium
        | AreaClass::Personal => false,
    })
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
