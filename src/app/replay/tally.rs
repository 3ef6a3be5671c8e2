//! What became of the rows, added up.
//!
//! Owns the verdict of each row, sums by rule, and money and minutes that went out and were saved. Refuses to judge, and to know how it
//! is told. Read first: `world.rs`; `policy/rates.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::rows::{Label, Row};
use crate::call::CallRecord;
use crate::call::record::{Disposition, EndedBy};
use crate::policy::money::Money;
use crate::policy::number::Number;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Direction, Peer, PeerSide, Policy, code};

/// Rows of which each is told, among those that were refused although they were good.
pub const WRONG_TOLD_MAX: usize = 20;

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// It has no verdict yet.
    #[default]
    Open,
    /// It went on, and to its end.
    Admitted,
    /// It was refused.
    Refused,
    /// It went on, and was ended before its end.
    Cut,
}

impl Kind {
    /// The word of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Cut => "cut",
        }
    }
}

/// The verdict of a row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verdict {
    /// What became of it.
    pub kind: Kind,
    /// By which rule, as its place in [`Tally::rules`].
    pub rule: Option<u32>,
    /// Milliseconds after its answer at which it was cut.
    pub cut_ms: u32,
}

/// How a call ended under the policy.
#[derive(Debug)]
pub struct Ended<'a> {
    kind: Kind,
    /// The alert's code, and the rule.
    by: (u32, Box<str>),
    answered: bool,
    talked_ms: u32,
    direction: Option<Direction>,
    number: Option<&'a Number>,
    to: &'a str,
}

impl<'a> Ended<'a> {
    /// As its record tells it.
    pub fn by(record: &'a CallRecord) -> Self {
        let talked = record.answered.map_or(0, |at| record.ended.micros().saturating_sub(at.micros()));
        let edge = record.ended_by == EndedBy::Edge && record.code.is_some();
        let kind = match record.disposition {
            Disposition::Refused => Kind::Refused,
            Disposition::Answered if edge => Kind::Cut,
            // No target took it, or none in time.
            Disposition::Failed | Disposition::Cancelled if edge => Kind::Refused,
            Disposition::Answered | Disposition::Failed | Disposition::Cancelled => Kind::Admitted,
        };
        Self {
            kind,
            by: (record.code.unwrap_or(0), rule(record)),
            answered: record.answered.is_some(),
            talked_ms: u32::try_from(talked.max(0) / 1_000).unwrap_or(u32::MAX),
            direction: record.direction,
            number: record.number.as_ref().map(|known| &known.reading.number),
            to: &record.to,
        }
    }

    /// Of a call that was answered without any state, or not at all: its peer sends too much.
    pub fn stateless(alerted: Option<u32>, peer: &Peer, to: &'a str) -> Self {
        let rate = code::CALL_RATE_EXCEEDED.number;
        let number = alerted.unwrap_or(rate);
        let rule = if number == rate {
            format!("peers.{}.requests_per_second", peer.name)
        } else {
            "the reader of requests".to_owned()
        };
        Self {
            kind: Kind::Refused,
            by: (number, rule.into()),
            answered: false,
            talked_ms: 0,
            direction: None,
            number: None,
            to,
        }
    }
}

/// The rule that decided, by the trail.
fn rule(record: &CallRecord) -> Box<str> {
    if record.code == Some(code::MAX_DURATION_REACHED.number) {
        let lasting =
            |step: &&Step| step.rule.contains("max_duration") || step.rule.starts_with("longest_calls");
        let limit = |step: &&Step| match step.saw {
            Saw::Count { limit, .. } => limit,
            Saw::Nothing | Saw::Word(_) | Saw::Text(_) => u64::MAX,
        };
        return record
            .trail
            .iter()
            .filter(lasting)
            .min_by_key(limit)
            .map_or("max_duration", |step| &step.rule)
            .into();
    }
    let refused = record.trail.iter().rfind(|step| step.said == Said::Refuse);
    refused.map_or_else(|| record.why.split(':').next().unwrap_or_default(), |step| &step.rule).into()
}

/// Rows, the time that was talked, and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Rows.
    pub rows: u64,
    /// Milliseconds.
    pub talk_ms: u64,
    /// Money.
    pub money: Money,
}

impl Sum {
    fn add(&mut self, talk_ms: u32, money: Money) {
        self.rows += 1;
        self.talk_ms = self.talk_ms.saturating_add(u64::from(talk_ms));
        self.money = Money(self.money.0.saturating_add(money.0));
    }

    /// Whole minutes, rounded up.
    #[must_use]
    pub const fn minutes(&self) -> u64 {
        self.talk_ms.div_ceil(MINUTE_MS)
    }
}

/// Everything that is told of one policy.
#[derive(Debug, Clone)]
pub struct Tally {
    /// What sums are of.
    pub currency: Box<str>,
    /// By the places of the rows.
    pub verdicts: Vec<Verdict>,
    /// The rules that refused or cut, with their codes.
    pub rules: Vec<(u32, Arc<str>)>,
    known: BTreeMap<(u32, Arc<str>), u32>,
    /// Refused rows by rule, and those that were cut.
    pub refused_by: Vec<(u64, u64)>,
    /// Admitted rows.
    pub admitted: u64,
    /// Refused rows, with what they would have cost.
    pub refused: Sum,
    /// Cut rows, with what of them was saved.
    pub cut: Sum,
    /// What went out: rows that talked.
    pub out: Sum,
    /// Good rows.
    pub good: u64,
    /// Good rows that were refused or cut.
    pub good_refused: u64,
    /// The first of them, by their places.
    pub wrong: Vec<u32>,
    /// Rows of fraud.
    pub fraud: u64,
    /// Rows of fraud that went out, whole or cut, with what they cost.
    pub fraud_out: Sum,
    /// Calls that were up at once at most.
    pub up_most: usize,
}

impl Tally {
    /// Of so many rows.
    pub fn new(rows: usize, currency: &str) -> Self {
        Self {
            currency: currency.into(),
            verdicts: vec![Verdict::default(); rows],
            rules: Vec::new(),
            known: BTreeMap::new(),
            refused_by: Vec::new(),
            admitted: 0,
            refused: Sum::default(),
            cut: Sum::default(),
            out: Sum::default(),
            good: 0,
            good_refused: 0,
            wrong: Vec::new(),
            fraud: 0,
            fraud_out: Sum::default(),
            up_most: 0,
        }
    }

    /// Enters what became of a row; a second word about it changes nothing.
    pub fn enter(&mut self, at: usize, row: &Row, peer: &Peer, ended: &Ended<'_>, policy: &Policy) {
        if self.verdicts.get(at).is_none_or(|verdict| verdict.kind != Kind::Open) {
            return;
        }
        let kind = match ended.kind {
            // Nobody answered it then, either.
            Kind::Refused if !row.answered && ended.direction.is_some() && rang_too_long(ended) => {
                Kind::Admitted
            }
            kind @ (Kind::Open | Kind::Admitted | Kind::Refused | Kind::Cut) => kind,
        };
        let cost = |talk_ms: u32| cost(row, peer, ended, policy, talk_ms);
        let talked = if ended.answered { ended.talked_ms.min(row.talk_ms) } else { 0 };
        let went = if ended.answered { cost(talked) } else { Money(0) };
        let whole = if row.answered { cost(row.talk_ms) } else { Money(0) };
        let saved = Money(whole.0.saturating_sub(went.0));
        let rest_ms = row.talk_ms.saturating_sub(talked);
        if ended.answered {
            self.out.add(talked, went);
        }
        let is_stopped = match kind {
            Kind::Open | Kind::Admitted => {
                self.admitted += 1;
                false
            }
            Kind::Refused => {
                self.refused.add(rest_ms, saved);
                true
            }
            Kind::Cut => {
                self.cut.add(rest_ms, saved);
                true
            }
        };
        let rule = is_stopped.then(|| self.rule(ended, kind));
        self.labelled(at, row, is_stopped, kind, (talked, went));
        if let Some(verdict) = self.verdicts.get_mut(at) {
            *verdict = Verdict { kind, rule, cut_ms: if kind == Kind::Cut { ended.talked_ms } else { 0 } };
        }
    }

    fn labelled(&mut self, at: usize, row: &Row, is_stopped: bool, kind: Kind, (talked, went): (u32, Money)) {
        match row.label {
            Label::None => {}
            Label::Good => {
                self.good += 1;
                self.good_refused += u64::from(is_stopped);
                if is_stopped && self.wrong.len() < WRONG_TOLD_MAX {
                    self.wrong.extend(u32::try_from(at));
                }
            }
            Label::Fraud => {
                self.fraud += 1;
                if kind != Kind::Refused {
                    self.fraud_out.add(talked, went);
                }
            }
        }
    }

    /// The place of the rule that decided; there are as many as the policy has.
    fn rule(&mut self, ended: &Ended<'_>, kind: Kind) -> u32 {
        let (code, path) = &ended.by;
        let key = (*code, Arc::from(&**path));
        let next = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        let place = *self.known.entry(key.clone()).or_insert(next);
        if place == next {
            self.rules.push(key);
            self.refused_by.push((0, 0));
        }
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some((refused, cut)) = self.refused_by.get_mut(at) {
            *refused += u64::from(kind == Kind::Refused);
            *cut += u64::from(kind == Kind::Cut);
        }
        place
    }

    /// The rule and code of a verdict.
    pub fn by(&self, verdict: &Verdict) -> Option<&(u32, Arc<str>)> {
        self.rules.get(usize::try_from(verdict.rule?).ok()?)
    }

    /// Rules with how many rows each refused and cut, the busiest first.
    pub fn by_rule(&self) -> Vec<(u32, &str, u64, u64)> {
        let rules = self.rules.iter().zip(&self.refused_by);
        let mut list: Vec<_> =
            rules.map(|((code, rule), (refused, cut))| (*code, &**rule, *refused, *cut)).collect();
        list.sort_by(|a, b| (b.2 + b.3).cmp(&(a.2 + a.3)).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        list
    }
}

/// Whether it was given up for nobody answered.
fn rang_too_long(ended: &Ended<'_>) -> bool {
    ended.by.0 == code::POST_DIAL_DELAY_TIMEOUT.number
}

/// What so long a talk of this row costs: nothing where it stays within, or comes in.
fn cost(row: &Row, peer: &Peer, ended: &Ended<'_>, policy: &Policy, talk_ms: u32) -> Money {
    let leaves = match ended.direction {
        Some(Direction::Outbound | Direction::Transit) => true,
        Some(Direction::Inbound | Direction::Internal) => false,
        None => peer.side == PeerSide::Inside,
    };
    if !leaves {
        return Money(0);
    }
    let called = if ended.to.is_empty() { &row.to } else { ended.to };
    let priced = policy.rates.price_of(ended.number, called, peer);
    priced.rate.cost(Duration::from_millis(u64::from(talk_ms)))
}
