//! Prefixes that fraud goes to (32203).
//!
//! Owns which tiers are refused. A prefix that the admin allows counts where it is as long as ours. Read first:
//! `destination.rs`; data/README.md.

use super::destination::{allowed_digits, is_home, number, place};
use super::{Objection, Opinion, Question, code, named};
use crate::policy::number::{AreaClass, Dialling, E164, Risk, RiskTier};
use crate::policy::verdict::Saw;

/// Settings. A prefix of tier `high` is refused by `countries` unless its country is allowed, so by default this rule refuses
/// those alone that no allowed country opens, and at home those that are no place: nobody named them by naming the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighRisk {
    /// The lowest tier that is refused.
    pub from: RiskTier,
}

impl Default for HighRisk {
    fn default() -> Self {
        Self { from: RiskTier::Deny }
    }
}

impl HighRisk {
    /// Asks the rule.
    pub(super) fn judge(self, question: &Question<'_>) -> Opinion {
        let Some((number, dialling)) = number(question) else { return Opinion::pass(Saw::Nothing) };
        let risk = dialling.world.risk(number, &dialling.plan.country_code);
        let tier = Saw::Word(risk.tier.name());
        // What a special range is by itself is for `number_types`.
        let Some(reason) = risk.reason else { return Opinion::pass(tier) };
        let from =
            if is_of_no_place(number, dialling, &risk) { self.from.min(RiskTier::High) } else { self.from };
        if risk.tier < from || allowed_digits(question, number) >= risk.prefix_length {
            return Opinion::pass(tier);
        }
        let prefix = number.digits.as_str().get(..risk.prefix_length).unwrap_or_default();
        let place = place(number, dialling);
        let text = format!(
            "{} called {} in {place}: +{prefix} is where fraud goes ({}: {reason}). Add \"+{prefix}\" or more of it to `allow` of \
             `countries` if such calls are wanted.",
            named(question),
            question.facts.called,
            risk.tier.name()
        );
        let told = format!("+{prefix} is a destination of risk {}", risk.tier.name());
        Opinion::refuse(tier, Objection::new(code::NUMBER_BLOCKED, told, text))
    }

    pub(super) fn describe(self) -> String {
        format!(
            "numbers read by a dial plan behind prefixes of risk {} are refused (32203), and at home those of risk high that are no place",
            match self.from {
                RiskTier::None => "none and more",
                RiskTier::Watch => "watch and more",
                RiskTier::High => "high and more",
                RiskTier::Deny => "deny",
            }
        )
    }
}

/// Whether a prefix of risk lies in the home country and is neither a place there nor a kind of number that has a rule: +1700.
fn is_of_no_place(number: &E164, dialling: &Dialling, risk: &Risk<'_>) -> bool {
    let placed = dialling.world.area(number).is_some_and(|area| match area.class {
        AreaClass::Domestic
        | AreaClass::Territory
        | AreaClass::Foreign
        | AreaClass::Premium
        | AreaClass::Personal => true,
        AreaClass::TollFree | AreaClass::NonGeographic | AreaClass::Carrier | AreaClass::Government => false,
    });
    risk.kind.is_none() && !placed && is_home(number, dialling)
}
