//! The ways in which a plan's users may dial one string of keys.
//!
//! Owns step 11 of the reader: every way is tried, and one number is the answer or none. Refuses to know URIs.
//! Read first: `read.rs`.

use super::deny::Deny;
use super::international::international;
use super::plan::{DialPlan, behind};
use super::world::World;
use super::{Number, Privacy, ReadAs, Way};

/// Who was dialled, what a prefix asked for, and by which way that was read.
pub type Found = (Number, Privacy, Way);

/// What the ways led to so far.
#[derive(Debug, Default)]
struct Answers {
    found: Option<Found>,
    ambiguous: bool,
    denied: Option<Deny>,
}

impl Answers {
    fn add(&mut self, result: Result<Found, Deny>) {
        match result {
            Ok(found) => match &self.found {
                // Two ways to one number are one answer.
                Some((number, privacy, _)) if (number, privacy) == (&found.0, &found.1) => {}
                Some(_) => self.ambiguous = true,
                None => self.found = Some(found),
            },
            // The most telling reason is that of a way which began to fit.
            Err(reason) => {
                if matches!(self.denied, None | Some(Deny::NoMatch)) {
                    self.denied = Some(reason);
                }
            }
        }
    }

    fn close(self) -> Result<Found, Deny> {
        if self.ambiguous {
            return Err(Deny::Ambiguous);
        }
        self.found.ok_or(self.denied.unwrap_or(Deny::NoMatch))
    }
}

/// Reads keys that do not begin with `+`.
pub fn dialled(keys: &[u8], plan: &DialPlan, world: &World) -> Result<Found, Deny> {
    let mut answers = Answers::default();
    let candidates = [(Some(keys), false), (plan.behind_outside_line(keys), true)];
    for (candidate, outside_line) in candidates.into_iter().filter_map(|(keys, taken)| Some((keys?, taken))) {
        // Before anything is taken off: a code may begin like a prefix.
        if let Some(digits) = plan.short(candidate) {
            let way = Way { outside_line, ..Way::plain(ReadAs::Short) };
            answers.add(Ok((Number::Short(digits), Privacy::Unset, way)));
            continue;
        }
        let prefix = behind_caller_prefix(candidate, plan);
        let way = Way { outside_line, caller_prefix: prefix.is_some(), ..Way::default() };
        let (rest, asks) = prefix.unwrap_or((candidate, Privacy::Unset));
        ways(rest, (asks, way), plan, world, &mut answers);
    }
    answers.close()
}

fn behind_caller_prefix<'a>(keys: &'a [u8], plan: &DialPlan) -> Option<(&'a [u8], Privacy)> {
    let behind = |prefix: &super::CallerPrefix| {
        keys.strip_prefix(prefix.keys.as_bytes()).map(|rest| (rest, prefix.asks))
    };
    plan.caller_prefixes.iter().filter_map(behind).min_by_key(|(rest, _)| rest.len())
}

fn ways(keys: &[u8], (asks, mut way): (Privacy, Way), plan: &DialPlan, world: &World, answers: &mut Answers) {
    let whole = |parts: &[&[u8]], way: Way, answers: &mut Answers| {
        answers.add(international(parts, world).map(|number| (Number::E164(number), asks, way)));
    };
    if let Some(rest) = keys.strip_prefix(b"+").filter(|_| asks != Privacy::Unset) {
        // `*31#+4930...`: the prefix was one that the plan lists.
        return if digits_only(rest) { whole(&[rest], way, answers) } else { answers.add(Err(reason(rest))) };
    }
    if !digits_only(keys) {
        return answers.add(Err(reason(keys)));
    }
    let selected = behind(&plan.carrier_select, keys);
    way.carrier_select = selected.is_some();
    let keys = selected.unwrap_or(keys);
    if let Some(rest) = behind(&plan.idd, keys) {
        return whole(&[rest], Way { read_as: ReadAs::International, ..way }, answers);
    }
    let code = plan.country_code.as_bytes();
    if code.is_empty() {
        return answers.add(Err(Deny::NoMatch));
    }
    let trunk = (!plan.national_prefix.is_empty())
        .then(|| keys.strip_prefix(plan.national_prefix.as_bytes()))
        .flatten()
        .filter(|national| plan.nsn_lengths.has(national.len()));
    let begins = || {
        plan.no_prefix_starts.is_empty()
            || plan.no_prefix_starts.iter().any(|start| keys.starts_with(start.as_bytes()))
    };
    let bare =
        (plan.national_prefix_optional && plan.no_prefix_lengths.has(keys.len()) && begins()).then_some(keys);
    let mut fits = false;
    for (national, read_as) in [(trunk, ReadAs::National), (bare, ReadAs::Bare)] {
        let Some(national) = national else { continue };
        fits = true;
        whole(&[code, national], Way { read_as, ..way }, answers);
    }
    for (_, area) in plan.local.iter().filter(|(length, _)| usize::from(*length) == keys.len()) {
        fits = true;
        whole(&[code, area.as_bytes(), keys], Way { read_as: ReadAs::Local, ..way }, answers);
    }
    if !fits {
        answers.add(Err(Deny::NoMatch));
    }
}

/// Whether nothing else than digits is there.
pub fn digits_only(keys: &[u8]) -> bool {
    keys.iter().all(u8::is_ascii_digit)
}

/// Why keys that are not digits alone are no number.
pub fn reason(keys: &[u8]) -> Deny {
    if keys.contains(&b'+') { Deny::MisplacedPlus } else { Deny::FeatureCode }
}
