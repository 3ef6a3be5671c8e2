//! Numbers of one block that a site dials one after another: 39304. A fraudster's numbers stand in a row, and so do those of who
//! looks for a number that answers.
//!
//! Owns which numbers are a row. Read first: spec/limits.md, "Defaults"; attack row C9; `detectors.rs`.

use std::time::Duration;

use super::destination::digits;
use super::detectors::{Case, Steps};
use super::{Opinion, Question, code};
use crate::policy::counters::Counters;
use crate::policy::detect::{Kind, Note, Recent, block, site_key};
use crate::policy::keyed::Scope;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequentialNumbers {
    /// How far apart two numbers of a row are at most.
    pub gap: u16,
    /// Numbers of a row, and the time for which their block is barred.
    pub steps: Steps,
}

impl Default for SequentialNumbers {
    fn default() -> Self {
        let (window, bar) = (Duration::from_secs(600), Duration::from_secs(86_400));
        Self { gap: 10, steps: Steps { warn: 3, block: 5, window, bar } }
    }
}

impl SequentialNumbers {
    pub(super) fn judge(self, question: &Question<'_>, counters: &Counters) -> Option<Opinion> {
        let digits = std::str::from_utf8(digits(question)?).ok()?;
        let (block, last) = block(digits)?;
        let key = site_key(&counters.keyed, Scope::Block, question.peer, block);
        let now = question.facts.now.tick;
        let known = counters.detect.recent(Kind::Dialled, key);
        let others = known.into_iter().flat_map(|known: &Recent| known.within(now, self.steps.window));
        let value = row(others, last, self.gap);
        let what = format!("numbers of +{block}xxxx one after another");
        let case = Case {
            code: code::SEQUENTIAL_NUMBERS,
            bar: key,
            value,
            note: Some(Note { kind: Kind::Dialled, key, value: last.into(), at: now }),
            what: &what,
            cure: "Fraudsters own numbers in a row: look who dials them. If a company is called there, name its block in an \
                   allowlist.",
        };
        Some(self.steps.judge(question, counters, case))
    }

    pub(super) fn describe(self) -> String {
        format!(
            "numbers of one block, {} apart at most, that a site dials one after another: {} (39304)",
            self.gap,
            self.steps.describe()
        )
    }

    pub(super) fn beyond(self, older: &Self, path: &str, weaker: &mut Vec<String>) {
        self.steps.beyond(&older.steps, path, weaker);
        if self.gap < older.gap {
            weaker.push(format!("{path} takes numbers for a row only when they are {} apart", self.gap));
        }
    }
}

/// How many numbers stand in one row with this one, itself among them.
fn row(others: impl Iterator<Item = u64>, last: u16, gap: u16) -> u32 {
    let (last, gap) = (u64::from(last), u64::from(gap));
    let mut numbers: Vec<u64> = others.chain([last]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let at = numbers.partition_point(|number| *number < last);
    let near = |pair: &[u64]| matches!(pair, [one, other] if other.abs_diff(*one) <= gap);
    let (before, after) = (numbers.get(..=at).unwrap_or_default(), numbers.get(at..).unwrap_or_default());
    let below = before.windows(2).rev().take_while(|pair| near(pair)).count();
    let above = after.windows(2).take_while(|pair| near(pair)).count();
    u32::try_from(below + above + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9_a_row_is_numbers_whose_neighbours_are_near() {
        let table: [(&[u64], u16, u32); 8] = [
            (&[], 5, 1),
            (&[5], 5, 1),
            (&[5, 15], 25, 3),
            (&[5, 15], 26, 1),
            (&[25, 5, 15], 10, 4),
            (&[100, 110, 0, 10], 20, 3),
            (&[9990, 9999], 0, 1),
            (&[1, 2, 3, 500, 501], 4, 4),
        ];
        for (others, last, expected) in table {
            assert_eq!(row(others.iter().copied(), last, 10), expected, "{others:?} {last}");
        }
    }
}
