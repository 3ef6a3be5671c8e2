//! The countries that may be called: the home country, and those that the admin allows (32205).
//!
//! Owns regions and prefixes; the longest prefix counts. Refuses to know price and risk. Read first: `destination.rs`.

use super::destination::{is_home, listed_digits, number, place};
use super::{Objection, Opinion, Question, code, named};
use crate::policy::number::E164;
use crate::policy::verdict::Saw;

/// Settings; `Default` allows the home country alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Countries {
    /// ISO 3166-1 regions, e.g. `LV`.
    pub regions: Vec<Box<str>>,
    /// Digits that a number may begin with, without the `+`.
    pub prefixes: Vec<Box<str>>,
}

impl Countries {
    /// Digits of the longest prefix that a number begins with.
    pub(super) fn longest(&self, number: &E164) -> usize {
        let digits = number.digits.as_str();
        let fits = self.prefixes.iter().filter(|prefix| digits.starts_with(&***prefix));
        fits.map(|prefix| prefix.len()).max().unwrap_or(0)
    }

    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let Some((number, dialling)) = number(question) else { return Opinion::pass(Saw::Nothing) };
        if is_home(number, dialling) {
            return Opinion::pass(Saw::Word("home"));
        }
        // A plan without a country has no home: then the list alone says what may be called, if there is one.
        let unsaid = self.regions.is_empty() && self.prefixes.is_empty();
        if dialling.plan.country_code.is_empty() && unsaid {
            return Opinion::pass(Saw::Nothing);
        }
        let region = dialling.world.region(number).map_or("", |(region, _)| region);
        if self.longest(number) > 0 || self.regions.iter().any(|one| &**one == region) {
            return Opinion::pass(Saw::Word("allowed"));
        }
        if listed_digits(question, &question.policy.rules.outbound) > 0 {
            return Opinion::pass(Saw::Word("listed"));
        }
        let place = place(number, dialling);
        let text = format!(
            "{} called {}, which is in {place}: that country is not among those that may be called. Add {region} (or a prefix, as \
             \"+{}\") to `allow` of `countries` if such calls are wanted.",
            named(question),
            question.facts.called,
            number.code()
        );
        let told = format!("calls to {place} are not allowed");
        Opinion::refuse(Saw::Text(place.into()), Objection::new(code::COUNTRY_NOT_PERMITTED, told, text))
    }

    pub(super) fn describe(&self) -> String {
        let prefixes = self.prefixes.iter().map(|prefix| format!("+{prefix}"));
        let others: Vec<String> = self.regions.iter().map(ToString::to_string).chain(prefixes).collect();
        if others.is_empty() {
            "of numbers read by a dial plan those of the plan's own country alone may be called (32205)"
                .to_owned()
        } else {
            format!(
                "of numbers read by a dial plan those of the plan's own country, of {} alone may be called (32205)",
                others.join(", ")
            )
        }
    }

    /// What `older` did not allow.
    pub(super) fn beyond<'a>(&'a self, older: &Self) -> impl Iterator<Item = String> + 'a {
        let known = older.clone();
        let more = older.clone();
        let regions = self.regions.iter().filter(move |one| !known.regions.contains(one));
        let prefixes = self.prefixes.iter().filter(move |one| !more.prefixes.contains(one));
        regions.map(ToString::to_string).chain(prefixes.map(|prefix| format!("+{prefix}")))
    }
}
