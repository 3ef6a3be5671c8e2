//! Who a call to the outside says is calling: a number of the peer's own, one that the admin shows for an extension, or
//! whoever stands in; else it is refused (32204, 32206).
//!
//! Owns what a caller claims and what is told of it. Never observes, as no rule on identity does; an emergency is not asked.
//! Refuses to know headers and how a number is written. Read first: `../owned.rs`; RFC 3325 §5; attack row C10.

use super::{Objection, Question, code, named};
use crate::policy::alert::shortened;
use crate::policy::form::e164;
use crate::policy::owned::{Callers, Presented};
use crate::policy::peer::{Direction, Peer};

/// What a caller is to the peer that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum Claim<'a> {
    /// One of its own numbers.
    Owned,
    /// An extension for which the admin shows this number.
    Mapped(&'a std::sync::Arc<str>),
    /// Somebody else's number.
    NotOwned,
    /// No number at all: an extension, a name.
    NotNumber,
    /// Nobody is named.
    Nobody,
}

impl Claim<'_> {
    /// The word in trails.
    pub(in crate::policy) const fn word(self) -> &'static str {
        match self {
            Self::Owned => "owned",
            Self::Mapped(_) => "shown as another",
            Self::NotOwned => "not owned",
            Self::NotNumber => "no number",
            Self::Nobody => "nobody",
        }
    }

    /// Who is shown for it; `None` where the policy lets nobody stand in.
    pub(in crate::policy) fn presented(self, callers: &Callers, hidden: bool) -> Option<Presented> {
        match self {
            Self::Owned => Some(Presented::Caller),
            Self::Mapped(number) => Some(Presented::Number(std::sync::Arc::clone(number))),
            Self::NotOwned => callers.replaces.then_some(Presented::StandIn),
            // Of a hidden caller nothing is shown that could be somebody else's.
            Self::NotNumber | Self::Nobody => (callers.replaces || hidden).then_some(Presented::StandIn),
        }
    }

    /// Why the call may not go on, to be told with the cure; `target` has nobody who stands in.
    pub(in crate::policy) fn objection(
        self,
        question: &Question<'_>,
        target: Option<&Peer>,
    ) -> Box<Objection> {
        let caller = shortened(question.facts.caller);
        let caller = caller.escape_debug();
        let (code, what) = match self {
            Self::NotNumber | Self::Nobody => (code::CALLER_INVALID, "is not a number that can be shown"),
            Self::Owned | Self::Mapped(_) | Self::NotOwned => {
                (code::CALLER_NOT_OWNED, "is not one of its own numbers")
            }
        };
        let cure = target.map_or_else(
            || "let another caller stand in (caller_not_owned: replace)".to_owned(),
            |target| format!("name a `default_caller` for {}", target.name),
        );
        let text = format!(
            "{} calls as \"{caller}\", which {what}: write the number into `dids` of its site or `owns` of the peer, show one for \
             the extension (`shown_as`), or {cure}.",
            named(question)
        );
        Objection::new(code, format!("the caller {caller} {what}"), text)
    }

    /// What is told where somebody stands in for another's number.
    pub(in crate::policy) fn replaced(question: &Question<'_>) -> String {
        let caller = shortened(question.facts.caller);
        format!(
            "{} calls as \"{}\", which is not one of its own numbers: the default_caller of the trunk is shown instead. Write the \
             number into `dids` of its site or `owns` of the peer if it should be shown, or refuse such calls (caller_not_owned: \
             refuse).",
            named(question),
            caller.escape_debug()
        )
    }
}

/// What the caller of a call is; `None` where nothing is judged: no numbers are anybody's own, or the call stays inside.
pub(in crate::policy) fn claim<'a>(
    question: &Question<'a>,
    direction: Direction,
) -> Option<(&'a Callers, Claim<'a>)> {
    let facts = question.facts;
    let callers = question.peer.callers.as_deref()?;
    match direction {
        Direction::Outbound => {}
        Direction::Inbound | Direction::Internal | Direction::Transit => return None,
    }
    let shown = callers.shown_for(facts.caller_sent).or_else(|| callers.shown_for(facts.caller));
    if let Some(number) = shown {
        return Some((callers, Claim::Mapped(number)));
    }
    let owned = facts.owned.unwrap_or(&callers.owned);
    if owned.is_any() {
        return None;
    }
    let claim = if owned.holds(facts.caller) {
        Claim::Owned
    } else if facts.caller.is_empty() || facts.caller.eq_ignore_ascii_case("anonymous") {
        Claim::Nobody
    } else if e164(facts.caller).is_ok() {
        Claim::NotOwned
    } else {
        Claim::NotNumber
    };
    Some((callers, claim))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::policy::counters::Counters;
    use crate::policy::fixture::{PBX, SPARE, TRUNK, changed, facts, plan};
    use crate::policy::form::{Form, Substitute};
    use crate::policy::owned::{Callers, Owned, Presented};
    use crate::policy::verdict::Outcome;
    use crate::policy::{Facts, Plan, Policy, Verdict, admit};

    fn office(replaces: bool, stand_in: Option<Substitute>) -> Policy {
        let mut plan: Plan = plan();
        let callers = Callers {
            path: Arc::from("peers.pbx.owns"),
            owned: Owned::new(vec!["+12125550100".into()], Vec::new(), Vec::new()),
            shown_as: vec![("201".into(), "+12125550101".into())],
            replaces,
        };
        changed(&mut plan, PBX, |pbx| pbx.callers = Some(Arc::new(callers)));
        changed(&mut plan, TRUNK, |trunk| trunk.numbers.substitute.clone_from(&stand_in));
        Policy::build(plan).unwrap()
    }

    fn judged(policy: &Policy, facts: &Facts<'_>) -> Verdict {
        let mut counters = Counters::default();
        counters.follow(policy);
        admit(policy, &counters, facts)
    }

    /// What was said: a refusal's code and status, or who is shown and to how many targets.
    fn said(verdict: &Verdict) -> Result<(Presented, usize), (u32, u16)> {
        match &verdict.outcome {
            Outcome::Admit(candidates) => Ok((verdict.presented.clone(), candidates.len())),
            Outcome::Refuse(refusal) => Err((refusal.code.number, refusal.status)),
            Outcome::Silence => Err((0, 0)),
        }
    }

    #[test]
    fn c10_a_caller_is_owned_shown_as_another_replaced_or_refused() {
        use Presented::{Caller, Number, StandIn};
        let number = |text: &str| Some(Substitute::Number(text.into()));
        let plain = office(true, None);
        let stood_for = office(true, number("+12125550100"));
        let nameless = office(true, Some(Substitute::Anonymous));
        let strict = office(false, number("+12125550100"));
        let shown = Number("+12125550101".into());
        for (caller, hidden, policy, expected) in [
            ("+12125550100", false, &plain, Ok((Caller, 2))),
            ("201", false, &plain, Ok((shown.clone(), 2))),
            ("202", false, &plain, Err((32206, 403))),
            ("", false, &plain, Err((32206, 403))),
            ("anonymous", false, &plain, Err((32206, 403))),
            ("+37127913000", false, &plain, Err((32204, 403))),
            // Only where somebody stands in may the call go on.
            ("202", false, &stood_for, Ok((StandIn, 1))),
            ("", false, &stood_for, Ok((StandIn, 1))),
            ("+37127913000", false, &stood_for, Ok((StandIn, 1))),
            ("+37127913000", false, &nameless, Ok((StandIn, 1))),
            ("201", false, &strict, Ok((shown, 2))),
            ("202", false, &strict, Err((32206, 403))),
            ("+37127913000", false, &strict, Err((32204, 403))),
            ("+37127913000", true, &strict, Err((32204, 403))),
            // Who is not shown at all needs nobody who stands in.
            ("anonymous", true, &plain, Ok((StandIn, 2))),
            ("202", true, &strict, Ok((StandIn, 2))),
            ("+37127913000", true, &plain, Ok((StandIn, 2))),
        ] {
            let facts = Facts { caller, caller_sent: caller, hidden, ..facts() };
            assert_eq!(said(&judged(policy, &facts)), expected, "{caller} {hidden}");
        }
    }

    #[test]
    fn c10_what_is_told_names_cause_and_cure() {
        let told = |policy: &Policy, caller| {
            let verdict = judged(policy, &Facts { caller, caller_sent: caller, ..facts() });
            let [alert] = verdict.alerts.as_slice() else { panic!("{:?}", verdict.alerts) };
            (alert.code.number, alert.sip_status, alert.rule.clone(), alert.text.clone())
        };
        let (number, status, rule, text) = told(&office(true, None), "+37127913000");
        assert_eq!((number, status, rule.as_deref()), (32204, Some(403), Some("peers.pbx.owns")));
        assert!(text.contains("default_caller") && text.contains("`owns`"), "{text}");
        let (number, status, ..) = told(&office(true, Some(Substitute::Anonymous)), "+37127913000");
        assert_eq!((number, status), (32204, None), "told, and the call goes on");
        let quiet = judged(&office(true, Some(Substitute::Anonymous)), &Facts { caller: "202", ..facts() });
        assert!(quiet.alerts.is_empty(), "an extension is nobody's forgery");
    }

    #[test]
    fn c10_a_credential_has_numbers_of_its_own() {
        let own = Owned::new(vec!["+16465550100".into()], Vec::new(), Vec::new());
        let policy = office(false, None);
        for (caller, expected) in
            [("+16465550100", Ok((Presented::Caller, 2))), ("+12125550100", Err((32204, 403)))]
        {
            let facts = Facts { caller, caller_sent: caller, owned: Some(&own), ..facts() };
            assert_eq!(said(&judged(&policy, &facts)), expected, "{caller}");
        }
    }

    #[test]
    fn c10_a_target_that_cannot_write_who_is_shown_is_left_out() {
        let mut plan = plan();
        let callers = Callers {
            path: Arc::from("peers.pbx.owns"),
            owned: Owned::new(vec!["201".into()], Vec::new(), Vec::new()),
            shown_as: Vec::new(),
            replaces: true,
        };
        changed(&mut plan, PBX, |pbx| pbx.callers = Some(Arc::new(callers)));
        changed(&mut plan, SPARE, |spare| spare.numbers.caller = Form::E164Plus);
        let policy = Policy::build(plan).unwrap();
        assert_eq!(said(&judged(&policy, &facts())), Ok((Presented::Caller, 1)));
    }
}
