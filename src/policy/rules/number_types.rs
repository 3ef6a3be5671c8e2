//! Kinds of numbers that nobody may call: premium rate, satellites and their like (32203).
//!
//! Owns which kind a number is. A longer prefix that the admin allows counts before it. Read first: `destination.rs`;
//! ITU-T E.164.1; data/README.md.

use super::destination::{allowed_digits, number};
use super::{Objection, Opinion, Question, code, named};
use crate::policy::number::{AreaClass, E164, RangeKind, World};
use crate::policy::verdict::Saw;

/// A kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    /// The caller pays for what is said.
    Premium,
    /// Part of the cost is the caller's.
    SharedCost,
    /// A number that follows its owner.
    Personal,
    /// A phone that hears a satellite.
    Satellite,
    /// Networks of no country (+882, +883).
    InternationalNetworks,
    /// A pager.
    Pager,
}

impl NumberType {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Premium,
        Self::SharedCost,
        Self::Personal,
        Self::Satellite,
        Self::InternationalNetworks,
        Self::Pager,
    ];

    /// As the YAML writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Premium => "premium",
            Self::SharedCost => "shared_cost",
            Self::Personal => "personal",
            Self::Satellite => "satellite",
            Self::InternationalNetworks => "international_networks",
            Self::Pager => "pager",
        }
    }

    /// What a number is, and the digits that say so.
    pub(in crate::policy) fn of(number: &E164, world: &World, home: &str) -> Option<(Self, usize)> {
        // ITU-T E.164: codes of no country are a kind each.
        let whole = match number.code() {
            "870" | "881" => Some(Self::Satellite),
            "882" | "883" => Some(Self::InternationalNetworks),
            "878" => Some(Self::Personal),
            "979" => Some(Self::Premium),
            "808" => Some(Self::SharedCost),
            _ => None,
        };
        if let Some(kind) = whole {
            return Some((kind, number.code().len()));
        }
        let area = world.area(number).and_then(|area| match area.class {
            AreaClass::Premium => Some(Self::Premium),
            AreaClass::Personal => Some(Self::Personal),
            AreaClass::Domestic
            | AreaClass::Territory
            | AreaClass::Foreign
            | AreaClass::TollFree
            | AreaClass::NonGeographic
            | AreaClass::Carrier
            | AreaClass::Government => None,
        });
        if let Some(kind) = area {
            return Some((kind, 4));
        }
        // Behind +1 the exchange 976 is for pay-per-call services in every area.
        if number.code() == "1" && number.national().get(3..6) == Some("976") {
            return Some((Self::Premium, 7));
        }
        let risk = world.risk(number, home);
        let kind = match risk.kind? {
            RangeKind::Premium => Self::Premium,
            RangeKind::SharedCost => Self::SharedCost,
            RangeKind::Personal => Self::Personal,
            RangeKind::Pager => Self::Pager,
            RangeKind::Uan => return None,
        };
        Some((kind, risk.prefix_length))
    }
}

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberTypes {
    /// Kinds that are refused.
    pub refuse: Vec<NumberType>,
}

impl Default for NumberTypes {
    fn default() -> Self {
        Self { refuse: NumberType::ALL.to_vec() }
    }
}

impl NumberTypes {
    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let found = number(question).and_then(|(number, dialling)| {
            let (kind, digits) = NumberType::of(number, &dialling.world, &dialling.plan.country_code)?;
            Some((number, kind, digits))
        });
        let Some((number, kind, digits)) = found else { return Opinion::pass(Saw::Nothing) };
        if !self.refuse.contains(&kind) || allowed_digits(question, number) >= digits {
            return Opinion::pass(Saw::Word(kind.name()));
        }
        let prefix = number.digits.as_str().get(..digits).unwrap_or_default();
        let text = format!(
            "{} called {}, a number of kind {} (+{prefix}). Add \"+{prefix}\" or more of it to `allow` of `countries` if such calls \
             are wanted, or take the kind out of `number_types`.",
            named(question),
            question.facts.called,
            kind.name()
        );
        let told = format!("{} is a number of kind {}", question.facts.called, kind.name());
        Opinion::refuse(Saw::Word(kind.name()), Objection::new(code::NUMBER_BLOCKED, told, text))
    }

    pub(super) fn describe(&self) -> String {
        let kinds: Vec<&str> = self.refuse.iter().map(|kind| kind.name()).collect();
        if kinds.is_empty() {
            return "numbers of every kind may be called".to_owned();
        }
        format!("numbers read by a dial plan of these kinds are refused (32203): {}", kinds.join(", "))
    }
}
