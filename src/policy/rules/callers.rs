//! Callers from outside whom nobody wants: a list of numbers, and those who do not say who they are (32216).
//!
//! Owns both rules and where they hold: for all calls, or those of some peers or to some numbers. Refuses to know headers: a
//! caller is what the facts say. Read first: RFC 5079 §4; RFC 8197 §3; `blocklist.rs`.

use smallvec::SmallVec;

use super::{Blocklist, Objection, Opinion, Question, code, named};
use crate::clock::Wall;
use crate::policy::alert::shortened;
use crate::policy::number::{DialPlan, Pattern as Keys};
use crate::policy::peer::PeerId;
use crate::policy::route::Pattern;
use crate::policy::verdict::Saw;

/// User parts by which machines say that they show nobody (3GPP TS 24.407 among others).
const NOBODY: [&str; 5] = ["anonymous", "unavailable", "unknown", "restricted", "private"];

/// Whether a caller as it was read is nobody, or is called nobody.
#[must_use]
pub fn is_nobody(caller: &str) -> bool {
    caller.is_empty() || NOBODY.into_iter().any(|word| caller.eq_ignore_ascii_case(word))
}

/// The calls that a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of these peers; empty for all.
    pub from: Vec<PeerId>,
    /// To these numbers; empty for all.
    pub called: Vec<Pattern>,
}

impl Scope {
    fn holds(&self, question: &Question<'_>) -> bool {
        let facts = question.facts;
        let own = || question.policy.owns(question.peer, facts.called);
        let fits = |pattern: &Pattern| match pattern {
            Pattern::SiteDid => own(),
            Pattern::Exact(_) | Pattern::Prefix(_) | Pattern::List(_) | Pattern::Any => {
                pattern.fits(facts.called)
            }
        };
        (self.from.is_empty() || self.from.contains(&facts.peer))
            && (self.called.is_empty() || self.called.iter().any(fits))
    }

    /// Whether it is for every call that another is for, as far as entries tell.
    fn covers(&self, other: &Self) -> bool {
        let all = |own: bool, others: bool, known: bool| own || !others && known;
        let peers = other.from.iter().all(|one| self.from.contains(one));
        let numbers = other.called.iter().all(|one| self.called.contains(one));
        all(self.from.is_empty(), other.from.is_empty(), peers)
            && all(self.called.is_empty(), other.called.is_empty(), numbers)
    }

    fn describe(&self) -> &'static str {
        if self.from.is_empty() && self.called.is_empty() { "" } else { " on some calls" }
    }
}

/// Digits, some of which may be any, with or without a leading `+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerPattern {
    plus: bool,
    keys: Keys,
}

impl CallerPattern {
    /// Of digits and `x` for any digit, at most fifteen, behind `+` or not.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('+');
        Some(Self { plus: bare.is_some(), keys: Keys::new(bare.unwrap_or(text))? })
    }

    fn fits(&self, caller: &str) -> bool {
        let keys = if self.plus { caller.strip_prefix('+') } else { Some(caller) };
        keys.is_some_and(|keys| self.keys.matches(keys.as_bytes()))
    }

    fn text(&self) -> String {
        [if self.plus { "+" } else { "" }, self.keys.as_str()].concat()
    }
}

/// Digits of a number without plus that can only be one with its country code, where nothing says how numbers are written.
const WHOLE: usize = 11;

/// Digits that a number with its country code has at least.
const ABROAD: usize = 7;

/// What a number that is written without its plus, or with separators or a service code before it, may be meant as. At most four,
/// each no longer than what was sent and a country code.
fn spellings(sent: &str, plan: Option<&DialPlan>) -> SmallVec<[String; 4]> {
    let mut found = SmallVec::new();
    let bare: String = sent.chars().filter(|sign| !matches!(sign, '-' | '.' | '(' | ')' | ' ')).collect();
    // *67 and #31# hide who calls, and are of no number.
    let bare = match bare.strip_prefix('#').and_then(|rest| rest.split_once('#')) {
        Some((_, rest)) => rest,
        None => match bare.strip_prefix('*') {
            Some(rest) => rest.get(2..).unwrap_or_default().trim_start_matches('*'),
            None => &bare,
        },
    };
    if let Some(digits) = bare.strip_prefix('+') {
        if bare != sent && is_digits(digits) {
            found.push(bare.to_owned());
        }
        return found;
    }
    if !is_digits(bare) {
        return found;
    }
    if bare != sent {
        found.push(bare.to_owned());
    }
    let prefixes = plan.into_iter().flat_map(|plan| plan.idd.iter().map(|idd| &**idd)).chain(["00", "011"]);
    if let Some(rest) = prefixes.filter_map(|idd| bare.strip_prefix(idd)).find(|rest| rest.len() >= ABROAD) {
        found.push(["+", rest].concat());
    }
    let code = plan.map_or("", |plan| &plan.country_code);
    if bare.len() >= WHOLE && bare.starts_with(code) {
        found.push(["+", bare].concat());
    } else if let Some(plan) = plan.filter(|_| !code.is_empty()) {
        let national = bare.strip_prefix(&*plan.national_prefix).unwrap_or(bare);
        found.push(["+", code, national].concat());
    }
    found
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// What such a caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// 603 (RFC 3261 §21.6.2), or what the peer's preset says.
    #[default]
    Decline,
    /// 607 (RFC 8197): the caller's network may count it as a complaint.
    Unwanted,
}

/// Callers who are barred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerBlocklist {
    /// Numbers, prefixes and names, and lists of international numbers.
    pub list: Blocklist,
    /// Patterns of digits.
    pub patterns: Vec<CallerPattern>,
    /// What they hear.
    pub answer: Answer,
    /// On which calls.
    pub scope: Scope,
}

impl CallerBlocklist {
    /// The entry that a caller falls under, and where it stands.
    fn found(&self, caller: &str, at: Wall) -> Option<(String, String)> {
        if caller.is_empty() {
            return None;
        }
        let pattern = || self.patterns.iter().find(|pattern| pattern.fits(caller)).map(CallerPattern::text);
        let written = self.list.blocked_by(caller).or_else(pattern);
        written.map(|entry| (entry, "the callers' blocklist".to_owned())).or_else(|| {
            let (name, listed) = self.list.spelt(caller, at)?;
            let reason =
                if listed.reason.is_empty() { String::new() } else { [" (", listed.reason, ")"].concat() };
            Some((listed.to_string(), [name, &reason].concat()))
        })
    }

    /// Asks the rule: of the caller as it is read, and as it was sent.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let facts = question.facts;
        if !self.scope.holds(question) {
            return Opinion::pass(Saw::Nothing);
        }
        let at = facts.now.wall;
        let found = self.found(facts.caller, at).or_else(|| self.found(facts.caller_sent, at));
        let plan = question.peer.dialling.as_ref().map(|dialling| &*dialling.plan);
        let written =
            || spellings(facts.caller_sent, plan).iter().find_map(|spelling| self.found(spelling, at));
        let found = found.or_else(written);
        let Some((entry, stands)) = found else { return Opinion::pass(Saw::Nothing) };
        let caller = shortened(facts.caller);
        let caller = caller.escape_debug();
        let text = format!(
            "{} brings a call of \"{caller}\" to {}, which {entry} of {stands} bars. Take that entry out if such calls are \
             wanted.",
            named(question),
            facts.called.escape_debug()
        );
        let mut objection =
            Objection::new(code::CALLER_ON_DENY_LIST, format!("the caller {caller} is barred"), text);
        objection.status = match self.answer {
            Answer::Decline => None,
            Answer::Unwanted => Some(607),
        };
        Opinion::refuse(Saw::Text(entry.into()), objection)
    }

    pub(super) fn describe(&self) -> String {
        let status = match self.answer {
            Answer::Decline => 603,
            Answer::Unwanted => 607,
        };
        let count = self.list.len() + self.patterns.len();
        format!("callers of {count} entries are barred{} (32216, {status})", self.scope.describe())
    }

    /// Whether every caller that `older` bars is still barred.
    pub(super) fn covers(&self, older: &Self) -> bool {
        self.list.covers(&older.list)
            && older.patterns.iter().all(|one| self.patterns.contains(one))
            && self.scope.covers(&older.scope)
    }
}

/// Callers who do not say who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnonymousCallers {
    /// On which calls they are not wanted.
    pub scope: Scope,
}

impl AnonymousCallers {
    /// Asks the rule: who asks to be hidden, is nobody, or is called nobody, is anonymous to whoever is called.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let facts = question.facts;
        let anonymous = facts.hidden || is_nobody(facts.caller);
        if !anonymous || !self.scope.holds(question) {
            return Opinion::pass(Saw::Nothing);
        }
        let text = format!(
            "{} brings a call to {} that does not say who calls, where anonymous callers are not wanted. Take the rule \
             anonymous_callers out, or name other numbers under its `called`, if they are.",
            named(question),
            facts.called.escape_debug()
        );
        let mut objection =
            Objection::new(code::CALLER_ON_DENY_LIST, "anonymous callers are not wanted".to_owned(), text);
        // RFC 5079 §4: the caller may try again and say who calls.
        objection.status = Some(433);
        Opinion::refuse(Saw::Word("anonymous"), objection)
    }

    pub(super) fn describe(&self) -> String {
        format!("callers who do not say who they are, are refused{} (32216, 433)", self.scope.describe())
    }

    /// Whether everybody that `older` refuses is still refused.
    pub(super) fn covers(&self, older: &Self) -> bool {
        self.scope.covers(&older.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::counters::Counters;
    use crate::policy::fixture::{SPARE, TRUNK, inbound, plan};
    use crate::policy::rules::{Entry, Observe, Rule, Rules};
    use crate::policy::verdict::Outcome;
    use crate::policy::{Facts, Plan, Policy, Verdict, admit};

    fn judged(entry: &Entry, facts: &Facts<'_>) -> Verdict {
        let rules = Rules { inbound: vec![entry.clone()], ..Rules::default() };
        let policy = Policy::build(Plan { rules, ..plan() }).unwrap();
        let mut counters = Counters::default();
        counters.follow(&policy);
        admit(&policy, &counters, facts)
    }

    /// (code, status) of a refusal.
    fn refused(rule: Rule, facts: &Facts<'_>) -> Option<(u32, u16)> {
        match judged(&Entry::enforced("policy.inbound[0]", rule), facts).outcome {
            Outcome::Admit(_) => None,
            Outcome::Refuse(refusal) => Some((refusal.code.number, refusal.status)),
            Outcome::Silence => Some((0, 0)),
        }
    }

    fn list(scope: Scope) -> CallerBlocklist {
        CallerBlocklist {
            list: Blocklist::new(["+881"], ["+37127913000", "spam"]).unwrap(),
            patterns: vec![
                CallerPattern::new("+1900555xxxx").unwrap(),
                CallerPattern::new("0900xxx").unwrap(),
            ],
            answer: Answer::Decline,
            scope,
        }
    }

    fn calls(caller: &'static str) -> Facts<'static> {
        Facts { caller, caller_sent: caller, ..inbound() }
    }

    #[test]
    fn callers_on_the_list_are_declined_and_no_others() {
        let barred = Some((32216, 603));
        for (caller, expected) in [
            ("+37127913000", barred),
            ("+3712791300", None),
            ("+371279130001", None),
            ("+88161234567", barred),
            ("+88261234567", None),
            ("spam", barred),
            ("+19005551234", barred),
            ("+1900555123", None),
            ("+190055512345", None),
            ("19005551234", barred),
            ("+1(900)555-1234", barred),
            ("*67+19005551234", barred),
            ("0019005551234", barred),
            ("9005551234", None),
            ("0900123", barred),
            ("+0900123", None),
            ("", None),
            ("anonymous", None),
        ] {
            let rule = Rule::CallerBlocklist(list(Scope::default()));
            assert_eq!(refused(rule, &calls(caller)), expected, "{caller}");
        }
        let unwanted = CallerBlocklist { answer: Answer::Unwanted, ..list(Scope::default()) };
        assert_eq!(refused(Rule::CallerBlocklist(unwanted), &calls("spam")), Some((32216, 607)));
    }

    #[test]
    fn b2_a_barred_caller_is_barred_however_its_number_is_written() {
        let plan = DialPlan {
            country_code: "1".into(),
            national_prefix: "1".into(),
            idd: vec!["011".into()],
            ..DialPlan::default()
        };
        for sent in [
            "13125550666",
            "3125550666",
            "0013125550666",
            "01113125550666",
            "*67+13125550666",
            "+1(312)555-0666",
        ] {
            let found = spellings(sent, Some(&plan));
            assert!(found.iter().any(|one| one == "+13125550666"), "{sent}: {found:?}");
        }
        for sent in ["+13125550666", "anonymous", "", "+44-x"] {
            assert!(spellings(sent, Some(&plan)).is_empty(), "{sent}");
        }
    }

    #[test]
    fn who_does_not_say_who_calls_is_refused_where_nobody_wants_that() {
        let rule = || Rule::AnonymousCallers(AnonymousCallers::default());
        let anonymous = Some((32216, 433));
        for caller in ["", "anonymous", "Anonymous", "unavailable", "unknown", "restricted", "private"] {
            assert_eq!(refused(rule(), &calls(caller)), anonymous, "{caller}");
        }
        assert_eq!(refused(rule(), &calls("+12125550142")), None);
        assert_eq!(refused(rule(), &Facts { hidden: true, ..calls("+12125550142") }), anonymous);
    }

    #[test]
    fn both_hold_for_some_peers_or_some_numbers() {
        let exact = |number: &str| vec![Pattern::Exact(number.into())];
        for (scope, expected) in [
            (Scope { from: vec![TRUNK], called: Vec::new() }, true),
            (Scope { from: vec![SPARE], called: Vec::new() }, false),
            (Scope { from: Vec::new(), called: exact("+12125550100") }, true),
            (Scope { from: Vec::new(), called: exact("+12125550101") }, false),
            (Scope { from: Vec::new(), called: vec![Pattern::SiteDid] }, true),
            (Scope { from: vec![SPARE], called: exact("+12125550100") }, false),
        ] {
            let blocks = refused(Rule::CallerBlocklist(list(scope.clone())), &calls("spam")).is_some();
            let hides = AnonymousCallers { scope };
            let refuses = refused(Rule::AnonymousCallers(hides), &calls("")).is_some();
            assert_eq!((blocks, refuses), (expected, expected));
        }
    }

    #[test]
    fn what_only_observes_tells_and_lets_pass() {
        for rule in [
            Rule::CallerBlocklist(list(Scope::default())),
            Rule::AnonymousCallers(AnonymousCallers::default()),
        ] {
            let observe = Some(Observe { until: Wall::from_micros(i64::MAX) });
            let entry = Entry { observe, ..Entry::enforced("policy.inbound[0]", rule) };
            let verdict = judged(&entry, &Facts { hidden: true, ..calls("spam") });
            assert!(matches!(verdict.outcome, Outcome::Admit(_)));
            assert_eq!(verdict.alerts.len(), 1);
        }
    }

    #[test]
    fn a_narrower_rule_is_weaker() {
        let wide = list(Scope::default());
        let narrow = list(Scope { from: vec![TRUNK], called: Vec::new() });
        assert!(wide.covers(&narrow) && !narrow.covers(&wide) && wide.covers(&wide));
        let fewer = CallerBlocklist { patterns: Vec::new(), ..wide.clone() };
        assert!(wide.covers(&fewer) && !fewer.covers(&wide));
    }
}
