//! What the rules about destinations share: the number that was read, its home, and the prefix that the admin names.
//!
//! Owns no rule. Only numbers that a dial plan read are judged: of any other it is not certain where they lead.
//! Read first: `policy/number/world.rs`.

use super::{Question, Rule};
use crate::policy::number::{AreaClass, Dialling, E164, Number};
use crate::sip::Method;

/// The number that a call goes to, and the plan that it was read under.
pub(super) fn number<'a>(question: &Question<'a>) -> Option<(&'a E164, &'a Dialling)> {
    let carried = matches!(question.facts.method, Method::Invite | Method::Message);
    let dialling = question.peer.dialling.as_deref().filter(|_| carried)?;
    match question.facts.number? {
        Number::E164(number) => Some((number, dialling)),
        Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => None,
    }
}

/// Whether a number is of the plan's own country. Behind +1 there are many countries: the area says which, and what is of no
/// place is at home everywhere.
pub(super) fn is_home(number: &E164, dialling: &Dialling) -> bool {
    let plan = &dialling.plan;
    if number.code() != &*plan.country_code {
        return false;
    }
    if number.code() != "1" {
        return true;
    }
    let home = if plan.region.is_empty() { "US" } else { &*plan.region };
    dialling.world.area(number).is_some_and(|area| match area.class {
        AreaClass::Domestic | AreaClass::Territory | AreaClass::Foreign => &*area.region == home,
        AreaClass::Premium
        | AreaClass::Personal
        | AreaClass::TollFree
        | AreaClass::NonGeographic
        | AreaClass::Carrier
        | AreaClass::Government => true,
    })
}

/// Digits of the longest prefix that the admin allows and the number begins with: it counts before a shorter one of ours.
pub(super) fn allowed_digits(question: &Question<'_>, number: &E164) -> usize {
    let allows = |rule: &Rule| match rule {
        Rule::Countries(countries) => Some(countries.longest(number)),
        Rule::Methods
        | Rule::SecureTransport
        | Rule::Hops(_)
        | Rule::Loops
        | Rule::ForeignHost
        | Rule::Replaces
        | Rule::NumberTypes(_)
        | Rule::HighRisk(_)
        | Rule::Blocklist(_)
        | Rule::ConcurrentCalls(_)
        | Rule::MaxDuration(_) => None,
    };
    let rules = &question.policy.rules;
    rules.outbound.iter().filter_map(|entry| allows(&entry.rule)).max().unwrap_or(0)
}

/// Where a number leads, for people: `Jamaica (JM)`.
pub(super) fn place(number: &E164, dialling: &Dialling) -> String {
    dialling
        .world
        .region(number)
        .map_or_else(|| format!("+{}", number.code()), |(region, name)| [name, " (", region, ")"].concat())
}
