//! How long an answer stands, and when the name is asked again.
//!
//! Owns the decision as a pure function of what was heard and when. Read first: RFC 8767 §4, §5; RFC 2308 §5.

use std::collections::HashMap;
use std::time::Duration;

use super::Settings;
use crate::clock::Tick;
use crate::policy::locate::{Answer, Answers, Found, Question};
use crate::policy::located::Resolution;

/// The first pause after a failure; each further one is twice as long, up to `Settings::retry`.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// What came of asking once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Addresses.
    Found { list: Vec<Found>, ttl: Duration },
    /// DNS says that the name leads nowhere.
    Nothing { why: &'static str },
    /// DNS does not answer, or cannot.
    Silent { why: String },
}

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Until when the last addresses hold; `None` when there are none.
    until: Option<Tick>,
    /// Told to be stale.
    stale: bool,
    /// Told to lead nowhere.
    nowhere: bool,
    /// Failures in a row.
    failures: u32,
}

impl Standing {
    /// What is to be told, and after which pause the name is asked again.
    pub fn heard(
        &mut self,
        now: Tick,
        outcome: Outcome,
        settings: &Settings,
    ) -> (Option<Resolution>, Duration) {
        let (why, silent) = match outcome {
            Outcome::Found { list, ttl } => {
                let ttl = ttl.clamp(settings.ttl_min, settings.ttl_max);
                *self = Self { until: Some(now.after(ttl)), ..Self::default() };
                // Asked again a fifth before the end, so that no call meets an answer that has run out.
                return (Some(Resolution::Found { list, ttl }), ttl - ttl / 5);
            }
            Outcome::Nothing { why } => (why.to_owned(), false),
            Outcome::Silent { why } => (why, true),
        };
        let doubled = RETRY_FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let mut pause = doubled.min(settings.retry);
        let left = |until: Tick| until.since(now);
        if let Some(until) = self.until
            && now < until
        {
            // What was said holds until its time, even if something else is said now.
            return (None, pause.min(left(until)).max(Duration::from_millis(1)));
        }
        if let Some(until) = self.until.filter(|_| silent)
            && now < until.after(settings.stale_max)
        {
            pause = pause.min(left(until.after(settings.stale_max))).max(Duration::from_millis(1));
            let told = std::mem::replace(&mut self.stale, true);
            return ((!told).then_some(Resolution::Stale), pause);
        }
        self.until = None;
        let told = std::mem::replace(&mut self.nowhere, true);
        ((!told).then_some(Resolution::Nowhere { why }), pause)
    }
}

/// The addresses of a name's hosts as each was told last: one lost answer takes no host away. As many as the name led to when
/// it was found last.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Question, (Answer, Tick)>);

impl Hosts {
    /// DNS has spoken of a host; what it denies is forgotten.
    pub fn told(
        &mut self,
        now: Tick,
        question: &Question,
        answer: &Answer,
        holds: Duration,
        settings: &Settings,
    ) {
        if let Answer::Addresses(_) = answer {
            let until = now.after(holds.clamp(settings.ttl_min, settings.ttl_max));
            self.0.insert(question.clone(), (answer.clone(), until));
        } else {
            self.0.remove(question);
        }
    }

    /// What was told last, as long as a stale answer may stand.
    pub fn last(&self, now: Tick, question: &Question, settings: &Settings) -> Option<Answer> {
        let (answer, until) = self.0.get(question)?;
        (now < until.after(settings.stale_max)).then(|| answer.clone())
    }

    /// Forgets every host that the name leads to no more.
    pub fn keep(&mut self, asked: &Answers) {
        self.0.retain(|question, _| asked.contains_key(question));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::locate::Kind;

    #[test]
    fn a_host_keeps_what_was_told_last_until_it_is_denied_forgotten_or_too_old() {
        let at = |seconds: u64| Tick::from_micros(seconds * 1_000_000);
        let host = |name: &str| Question { name: name.into(), kind: Kind::A };
        let addresses = Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]);
        let (settings, holds) = (settings(), Duration::from_secs(20));
        let mut hosts = Hosts::default();
        for name in ["a", "b", "c"] {
            hosts.told(at(0), &host(name), &addresses, holds, &settings);
        }
        // 20 s of its own, then `stale_max`.
        for (seconds, stands) in [(0, true), (19, true), (79, true), (80, false)] {
            let last = hosts.last(at(seconds), &host("a"), &settings);
            assert_eq!(last, stands.then(|| addresses.clone()), "{seconds} s");
        }
        assert_eq!(hosts.last(at(0), &host("d"), &settings), None);
        hosts.told(at(1), &host("a"), &Answer::Nothing, holds, &settings);
        hosts.keep(&Answers::from([(host("b"), Answer::Nothing)]));
        let left = ["a", "b", "c"].map(|name| hosts.last(at(1), &host(name), &settings).is_some());
        assert_eq!(left, [false, true, false], "denied, asked again, led to no more");
    }

    enum Hears {
        Found(u64),
        Nothing,
        Silence,
    }
    use Hears::{Found as Finds, Nothing, Silence};

    /// Each row: seconds since the start, what is heard, what is told, seconds until it is asked again.
    fn played(settings: &Settings, rows: &[(u64, Hears, &str, u64)]) {
        let mut standing = Standing::default();
        for (index, (at, hears, told, pause)) in rows.iter().enumerate() {
            let outcome = match hears {
                Finds(ttl) => Outcome::Found { list: Vec::new(), ttl: Duration::from_secs(*ttl) },
                Nothing => Outcome::Nothing { why: "none" },
                Silence => Outcome::Silent { why: "silent".to_owned() },
            };
            let (resolution, next) = standing.heard(Tick::from_micros(at * 1_000_000), outcome, settings);
            let said = match resolution {
                None => String::new(),
                Some(Resolution::Found { ttl, .. }) => format!("found {}", ttl.as_secs()),
                Some(Resolution::Stale) => "stale".to_owned(),
                Some(Resolution::Nowhere { why }) => why,
            };
            assert_eq!((said.as_str(), next.as_secs()), (*told, *pause), "row {index}");
        }
    }

    fn settings() -> Settings {
        Settings { retry: Duration::from_secs(8), stale_max: Duration::from_secs(60), ..Settings::default() }
    }

    #[test]
    fn an_answer_holds_for_its_time_within_bounds_and_is_asked_again_before() {
        played(
            &settings(),
            &[
                (0, Finds(100), "found 100", 80),
                (80, Finds(0), "found 10", 8),
                (88, Finds(1_000_000), "found 3600", 2_880),
            ],
        );
    }

    #[test]
    fn a_silent_dns_leaves_the_last_answer_in_place_for_a_while() {
        played(
            &settings(),
            &[
                (0, Finds(20), "found 20", 16),
                (16, Silence, "", 1),
                (17, Silence, "", 2),
                (19, Silence, "", 1),
                (20, Silence, "stale", 8),
                (28, Silence, "", 8),
                (79, Silence, "", 1),
                (80, Silence, "silent", 8),
                (88, Silence, "", 8),
                (96, Finds(20), "found 20", 16),
                (112, Silence, "", 1),
            ],
        );
    }

    #[test]
    fn a_name_that_is_denied_leads_nowhere_once_the_last_answer_has_run_out() {
        played(
            &settings(),
            &[
                (0, Nothing, "none", 1),
                (1, Nothing, "", 2),
                (3, Silence, "", 4),
                (7, Finds(20), "found 20", 16),
                (23, Nothing, "", 1),
                (24, Nothing, "", 2),
                (26, Nothing, "", 1),
                (27, Nothing, "none", 8),
                (35, Finds(20), "found 20", 16),
                (60, Silence, "stale", 1),
                (61, Nothing, "none", 2),
            ],
        );
    }

    #[test]
    fn a_name_that_was_never_known_is_told_once() {
        played(
            &settings(),
            &[
                (0, Silence, "silent", 1),
                (1, Silence, "", 2),
                (3, Silence, "", 4),
                (7, Silence, "", 8),
                (15, Silence, "", 8),
            ],
        );
    }
}
