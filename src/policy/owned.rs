//! The numbers that are somebody's own: as whom a peer or a credential may be shown outside, and who is shown instead.
//!
//! Owns the set of numbers and the words of who is presented. Refuses to know headers, and to judge: that is `rules/caller.rs`.
//! Read first: RFC 3325 §5, §9.1; RFC 3966 §5.1.4.

use std::sync::Arc;

use super::form::e164;

/// Whole numbers from one to another, of as many digits, both counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first one's digits as a number.
    first: u64,
    /// The last one's.
    last: u64,
    /// How many digits each has.
    digits: u8,
}

impl Range {
    /// From two numbers with `+`; `None` where they are none, not equally long, or the wrong way round.
    #[must_use]
    pub fn new(first: &str, last: &str) -> Option<Self> {
        let (first, last) = (e164(first).ok()?, e164(last).ok()?);
        let digits = u8::try_from(first.len()).ok().filter(|_| first.len() == last.len())?;
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()?, digits };
        (range.first <= range.last).then_some(range)
    }

    fn holds(&self, digits: &str) -> bool {
        let number = || digits.parse::<u64>().ok();
        digits.len() == usize::from(self.digits)
            && number().is_some_and(|number| (self.first..=self.last).contains(&number))
    }
}

/// Numbers that are somebody's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    exact: Vec<Arc<str>>,
    prefixes: Vec<Arc<str>>,
    ranges: Vec<Range>,
    any: bool,
}

impl Owned {
    /// Every number: nobody's caller is judged.
    #[must_use]
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Whole numbers (or names) as they are read or written, beginnings, and ranges.
    #[must_use]
    pub fn new(mut exact: Vec<Arc<str>>, prefixes: Vec<Arc<str>>, ranges: Vec<Range>) -> Self {
        exact.sort_unstable();
        exact.dedup();
        Self { exact, prefixes, ranges, any: false }
    }

    /// Whether every number is.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.any
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.prefixes.len() + self.ranges.len()
    }

    /// Whether no number is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any && self.len() == 0
    }

    /// Whether a number is among them.
    #[must_use]
    pub fn holds(&self, number: &str) -> bool {
        let in_range = || {
            let digits = number.strip_prefix('+').unwrap_or_default();
            self.ranges.iter().any(|range| range.holds(digits))
        };
        self.any
            || self.exact.binary_search_by(|own| (**own).cmp(number)).is_ok()
            || self.prefixes.iter().any(|prefix| number.starts_with(&**prefix))
            || in_range()
    }

    /// Whether it holds whatever another one does, as far as entries tell.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let longer = |prefix: &Arc<str>| self.prefixes.iter().any(|own| prefix.starts_with(&**own));
        self.any
            || !other.any
                && other.exact.iter().all(|number| self.holds(number))
                && other.prefixes.iter().all(longer)
                && other.ranges.iter().all(|range| self.ranges.contains(range))
    }
}

/// Who may be shown as the caller of a peer's calls to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callers {
    /// The key of the YAML that says so, for trails and alerts.
    pub path: Arc<str>,
    /// Its own numbers.
    pub owned: Owned,
    /// Extensions, as they come, each with the number that is shown for it; sorted.
    pub shown_as: Vec<(Box<str>, Arc<str>)>,
    /// Whether somebody may stand in for a caller that is not its own (`default_caller` of the trunk); else it is refused.
    pub replaces: bool,
}

impl Callers {
    /// The number that the admin shows for an extension.
    #[must_use]
    pub fn shown_for(&self, extension: &str) -> Option<&Arc<str>> {
        let at = self.shown_as.binary_search_by(|(known, _)| (**known).cmp(extension)).ok()?;
        self.shown_as.get(at).map(|(_, number)| number)
    }
}

/// Who is shown as the caller of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Presented {
    /// The caller as it was judged.
    #[default]
    Caller,
    /// The number that the admin shows for it.
    Number(Arc<str>),
    /// Whoever stands in at each target.
    StandIn,
}

impl Presented {
    /// The caller as forms write it; empty where somebody stands in.
    #[must_use]
    pub fn of<'a>(&'a self, caller: &'a str) -> &'a str {
        match self {
            Self::Caller => caller,
            Self::Number(number) => number,
            Self::StandIn => "",
        }
    }
}

/// What a reload lets a peer show that it might not before.
pub(super) fn weaker(name: &str, old: Option<&Callers>, new: Option<&Callers>, weaker: &mut Vec<String>) {
    let Some(old) = old.filter(|old| !old.owned.is_any()) else { return };
    match new {
        None => weaker.push(format!("peer {name} may call as anybody (no numbers are its own any more)")),
        Some(new) => {
            if !old.owned.covers(&new.owned) {
                weaker.push(format!("peer {name} may call as more numbers (owns)"));
            }
            if new.replaces && !old.replaces {
                weaker.push(format!("a caller of peer {name} that is not its own is replaced, not refused"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned() -> Owned {
        let words = |list: &[&str]| list.iter().map(|one| Arc::from(*one)).collect::<Vec<Arc<str>>>();
        let ranges = vec![Range::new("+4930555010", "+4930555019").unwrap()];
        Owned::new(words(&["+12125550199", "+12125550100", "reception"]), words(&["+1646555"]), ranges)
    }

    #[test]
    fn c10_a_number_is_owned_by_itself_its_beginning_or_its_range() {
        for (number, holds) in [
            ("+12125550100", true),
            ("+12125550199", true),
            ("+12125550101", false),
            ("+121255501000", false),
            ("12125550100", false),
            ("reception", true),
            ("+16465550000", true),
            ("+1646555", true),
            ("+164655", false),
            ("+4930555009", false),
            ("+4930555010", true),
            ("+4930555019", true),
            ("+4930555020", false),
            ("+49305550100", false),
            ("4930555010", false),
            ("++4930555010", false),
            ("", false),
            ("+", false),
        ] {
            assert_eq!(owned().holds(number), holds, "{number}");
        }
        assert!(Owned::any().holds("whoever") && !Owned::default().holds(""));
        assert!(Owned::default().is_empty() && !Owned::any().is_empty());
    }

    #[test]
    fn a_range_is_two_numbers_of_one_length_in_order() {
        for (first, last) in [
            ("+4930555019", "+4930555010"),
            ("+4930555010", "+49305550190"),
            ("4930555010", "+4930555019"),
            ("+49305a5010", "+4930555019"),
            ("+1234567890123456", "+1234567890123457"),
        ] {
            assert_eq!(Range::new(first, last), None, "{first}-{last}");
        }
    }

    #[test]
    fn a_reload_tells_who_may_call_as_more() {
        let callers = |owned, replaces| Callers { path: "x".into(), owned, shown_as: Vec::new(), replaces };
        let more = Owned::new(vec!["+1".into()], vec!["+1646555".into()], Vec::new());
        for (old, new, told) in [
            (callers(owned(), false), None, 1),
            (callers(Owned::any(), false), None, 0),
            (callers(owned(), false), Some(callers(owned(), true)), 1),
            (callers(owned(), true), Some(callers(owned(), false)), 0),
            (callers(owned(), false), Some(callers(more, false)), 1),
            (callers(owned(), false), Some(callers(Owned::default(), false)), 0),
            (callers(owned(), false), Some(callers(Owned::any(), true)), 2),
        ] {
            let mut found = Vec::new();
            weaker("pbx", Some(&old), new.as_ref(), &mut found);
            assert_eq!(found.len(), told, "{found:?}");
        }
    }
}
