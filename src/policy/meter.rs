//! The meter of one call: what it takes of accounts from the INVITE on, each second while it is up, and what it owes at its end.
//!
//! Owns the arithmetic between time talked, what was reserved and what is owed. Refuses to know who pays and when somebody hangs
//! up: it is dropped then, and settles by itself. Read first: DESIGN.md §1, laws 6 and 8; spec/limits.md, "Hard bound".

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::keyed::Key;
use super::ledger::{Desk, Ledger, Open, Terms};
use super::rates::Rate;
use crate::clock::Tick;

/// What is reserved for a call before it is answered: so many of its first seconds, so that calls that are set up at once
/// cannot spend the same money.
pub const RESERVED: Duration = Duration::from_secs(60);

/// How far ahead of a live call its accounts are asked, once that is used up.
pub const AHEAD: Duration = Duration::from_secs(1);

/// What of a call is taken of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tariff {
    /// One for as long as it lives.
    Call,
    /// Each second from answer.
    Time,
    /// What it costs.
    Price,
}

impl Tariff {
    /// What a call of this rate takes that has talked for so long.
    #[must_use]
    pub fn cost(self, rate: &Rate, talked: Duration) -> u64 {
        match self {
            Self::Call => 1,
            Self::Time => talked.as_secs() + u64::from(talked.subsec_nanos() > 0),
            Self::Price => rate.cost(talked).0,
        }
    }

    /// The longest talk that takes no more.
    fn paid_for(self, rate: &Rate, amount: u64) -> Duration {
        match self {
            Self::Call => Duration::MAX,
            Self::Time => Duration::from_secs(amount),
            Self::Price => rate.paid_for(super::money::Money(amount)),
        }
    }
}

/// One account that a call draws on.
#[derive(Debug)]
struct Line {
    /// The limit, by its place in the policy that admitted the call.
    limit: u16,
    key: Key,
    open: Arc<Open>,
    tariff: Tariff,
    /// Held of the account now.
    held: u64,
    /// Entered in its window for good.
    entered: u64,
}

/// The meter of one call. Dropping it gives back what was reserved, and owes what was used: exactly once, whoever drops it.
#[derive(Debug)]
pub struct Meter {
    rate: Rate,
    /// What it needs where it is dropped.
    desk: Arc<Desk>,
    answered: Option<Tick>,
    lines: SmallVec<[Line; 4]>,
}

/// A limit that a live call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// Which, by its place in the policy.
    pub limit: u16,
    /// Whose account.
    pub key: Key,
    /// What was used before.
    pub before: u64,
    /// What is used with what the call takes next.
    pub after: u64,
}

/// What comes of looking at a live call.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// When to look again; `None` where nothing runs out.
    pub next: Option<Tick>,
    /// What it took more of, each with what was used before and after.
    pub took: SmallVec<[Met; 2]>,
    /// The limit that lets it go no further.
    pub over: Option<Met>,
}

impl Meter {
    /// A meter that takes nothing yet.
    #[must_use]
    pub fn new(rate: Rate, ledger: &Ledger) -> Self {
        Self { rate, desk: ledger.desk(), answered: None, lines: SmallVec::new() }
    }

    /// Reserves what the call takes of one account at first; false where there is no room for the account.
    #[must_use]
    pub fn draw(
        &mut self,
        ledger: &mut Ledger,
        now: Tick,
        (limit, key, tariff): (u16, Key, Tariff),
        terms: impl FnOnce() -> Terms,
    ) -> bool {
        let Some(open) = ledger.open(key, now, terms) else { return false };
        let held = tariff.cost(&self.rate, RESERVED);
        open.take(held);
        self.lines.push(Line { limit, key, open, tariff, held, entered: 0 });
        true
    }

    /// Whether it draws on nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Somebody answered: from now on it runs. When to look at it for the first time; a second answer changes nothing.
    pub fn answered(&mut self, now: Tick) -> Option<Tick> {
        let answered = *self.answered.get_or_insert(now);
        self.next(answered)
    }

    fn next(&self, answered: Tick) -> Option<Tick> {
        let runs_out = |line: &Line| match line.tariff {
            Tariff::Call => None,
            Tariff::Time | Tariff::Price => {
                Some(line.tariff.paid_for(&self.rate, line.entered.saturating_add(line.held)))
            }
        };
        let paid = self.lines.iter().filter_map(runs_out).min().filter(|paid| *paid < Duration::MAX)?;
        Some(answered.after(paid.saturating_sub(AHEAD)))
    }

    /// Looks at a live call: what it has used is entered, and what it will use next is reserved, unless a limit is in the way.
    /// `block` is what an account may hold at most, by the limit's place.
    pub fn read(&mut self, ledger: &mut Ledger, now: Tick, block: impl Fn(u16) -> u64) -> Reading {
        let mut reading = Reading::default();
        let Some(answered) = self.answered else { return reading };
        let talked = now.since(answered);
        for line in &mut self.lines {
            let tariff = match line.tariff {
                Tariff::Call => continue,
                tariff @ (Tariff::Time | Tariff::Price) => tariff,
            };
            // A step that begins is paid for: what cannot pay for it is ended before.
            let soon = talked.saturating_add(AHEAD).saturating_add(Duration::from_millis(1));
            let (due, ahead) = (tariff.cost(&self.rate, talked), tariff.cost(&self.rate, soon));
            let more = ahead.saturating_sub(line.entered.saturating_add(line.held));
            if more > 0 {
                let before = ledger.used(line.key, now);
                let met =
                    Met { limit: line.limit, key: line.key, before, after: before.saturating_add(more) };
                if met.after > block(line.limit) {
                    reading.over.get_or_insert(met);
                    continue;
                }
                line.open.take(more);
                line.held += more;
                reading.took.push(met);
            }
            // What was used moves from what it holds to what counts for good.
            let used = due.saturating_sub(line.entered).min(line.held);
            ledger.enter(line.key, now, used);
            line.open.give_back(used);
            line.held -= used;
            line.entered += used;
        }
        // Never at once again, whatever the rate: the budget of a second is one look.
        reading.next = self.next(answered).map(|at| at.max(now.after(AHEAD)));
        reading
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let now = self.desk.now();
        self.desk.note();
        let talked = self.answered.map(|answered| now.since(answered));
        for line in &self.lines {
            line.open.give_back(line.held);
            match (line.tariff, talked) {
                (Tariff::Call, _) | (_, None) => {}
                (Tariff::Time | Tariff::Price, Some(talked)) => {
                    let total = line.tariff.cost(&self.rate, talked);
                    line.open.owe(total.saturating_sub(line.entered));
                }
            }
        }
    }
}
