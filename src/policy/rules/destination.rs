//! What the rules about destinations share: the number that was read, its home, and the prefix that the admin names.
//!
//! Owns no rule. Only numbers that a dial plan read are judged: of any other it is not certain where they lead.
//! Read first: `policy/number/world.rs`.

use super::{Entry, Question, Rule};
use crate::policy::number::{AreaClass, DIGITS_MAX, Dialling, E164, Number};
use crate::policy::peer::{Direction, PeerSide};
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
pub(in crate::policy) fn is_home(number: &E164, dialling: &Dialling) -> bool {
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

/// Digits of the number called, where it is an international one beyond doubt: a dial plan read it, or it is written so.
pub(super) fn digits<'a>(question: &Question<'a>) -> Option<&'a [u8]> {
    match question.facts.number {
        Some(Number::E164(number)) => Some(number.digits.as_bytes()),
        Some(Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_)) => None,
        None => {
            let digits = question.facts.called.strip_prefix('+')?.as_bytes();
            let whole = (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
            whole.then_some(digits)
        }
    }
}

/// Digits of the longest prefix or entry that the admin allows and the number begins with: it counts before a shorter one of
/// ours, and before one that is as long.
pub(super) fn allowed_digits(question: &Question<'_>, number: &E164) -> usize {
    let prefixes = |entry: &Entry| {
        if let Rule::Countries(countries) = &entry.rule { countries.longest(number) } else { 0 }
    };
    let outbound = &question.policy.rules.outbound;
    outbound.iter().map(prefixes).max().unwrap_or(0).max(listed_digits(question, outbound))
}

/// Digits of the longest entry of an allowlist among these rules that the number called falls under.
pub(super) fn listed_digits<'a>(
    question: &Question<'_>,
    rules: impl IntoIterator<Item = &'a Entry>,
) -> usize {
    let entry =
        |entry: &Entry| if let Rule::Allowlist(list) = &entry.rule { list.length(question) } else { 0 };
    rules.into_iter().map(entry).max().unwrap_or(0)
}

/// The rules that a call of this kind passes.
pub(super) fn passed<'a>(question: &Question<'a>) -> impl Iterator<Item = &'a Entry> {
    let direction = question.facts.direction.unwrap_or(match question.peer.side {
        PeerSide::Inside => Direction::Outbound,
        PeerSide::Outside => Direction::Inbound,
    });
    question.policy.rules.of(direction)
}

/// Where a number leads, for people: `Jamaica (JM)`.
pub(super) fn place(number: &E164, dialling: &Dialling) -> String {
    dialling
        .world
        .region(number)
        .map_or_else(|| format!("+{}", number.code()), |(region, name)| [name, " (", region, ")"].concat())
}
