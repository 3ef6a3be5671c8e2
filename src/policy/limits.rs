//! How much of whom: calls at once, calls and new numbers within a while, minutes, money; and how long a call may last by where it leads.
//!
//! Owns the caps, what they say of a call, and who is who to them. Refuses to know what was used: `ledger` counts, and a call's
//! `meter` draws on it. Emergency calls are never asked about. Read first: spec/limits.md; DESIGN.md §1, laws 5 to 8.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::alert::Code;
use super::code;
use super::counters::Counters;
use super::keyed::Key;
use super::ledger::Terms;
use super::meter::{Meter, RESERVED, Tariff};
use super::money::Money;
use super::peer::Direction;
use super::rates::{Class, Rate};
use super::rules::{Objection, Question, Rule};
use crate::clock::Tick;
use crate::sip::Method;

pub mod standing;
mod weaker;
mod words;

/// How long a limit looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// 24 hours.
    Day,
    /// 30 days.
    Month,
}

impl Span {
    /// How long that is.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Month => 30 * 86_400,
        })
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Second => "a second",
            Self::Minute => "a minute",
            Self::Hour => "an hour",
            Self::Day => "a day",
            Self::Month => "30 days",
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// Calls at once.
    AtOnce,
    /// Attempts that were let through.
    Calls(Span),
    /// Attempts to numbers that the caller has not called for 30 days.
    NewNumbers(Span),
    /// Time from answer; its amounts are seconds.
    Minutes(Span),
    /// What calls cost; its amounts are millionths.
    Spend(Span),
    /// The same of calls that begin or go on while the site is closed by `hours`.
    SpendClosed(Span),
}

impl What {
    /// How far it looks back; `None` counts live calls alone.
    #[must_use]
    pub const fn span(self) -> Option<Duration> {
        match self {
            Self::AtOnce => None,
            Self::Calls(span)
            | Self::NewNumbers(span)
            | Self::Minutes(span)
            | Self::Spend(span)
            | Self::SpendClosed(span) => Some(span.length()),
        }
    }

    /// What a meter takes for it; `None` where an attempt counts once.
    const fn tariff(self) -> Option<Tariff> {
        match self {
            Self::AtOnce => Some(Tariff::Call),
            Self::Minutes(_) => Some(Tariff::Time),
            Self::Spend(_) | Self::SpendClosed(_) => Some(Tariff::Price),
            Self::Calls(_) | Self::NewNumbers(_) => None,
        }
    }

    /// The alert.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::AtOnce => code::CONCURRENCY_EXCEEDED,
            Self::Calls(_) | Self::NewNumbers(_) => code::CALL_RATE_EXCEEDED,
            Self::Minutes(_) => code::MINUTES_CAP,
            Self::Spend(_) | Self::SpendClosed(_) => code::SPEND_CAP,
        }
    }
}

/// Of whom it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    /// The owner's installation, over all its trunks.
    Site,
    /// The machine that calls.
    Peer,
    /// The user whose password was proved.
    Credential,
    /// The caller behind a machine; of a call that is sent on, who sends it on.
    Caller,
    /// The number called.
    CalledNumber,
    /// The number called less its last four digits.
    DestinationBlock,
    /// The country code called.
    Country,
}

impl Per {
    /// Every one, the widest first.
    pub const ALL: [Self; 7] = [
        Self::Site,
        Self::Peer,
        Self::Credential,
        Self::Caller,
        Self::CalledNumber,
        Self::DestinationBlock,
        Self::Country,
    ];

    /// As the YAML writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Peer => "peer",
            Self::Credential => "credential",
            Self::Caller => "caller",
            Self::CalledNumber => "called_number",
            Self::DestinationBlock => "destination_block",
            Self::Country => "country",
        }
    }

    /// Whether another account goes on counting when one of this kind is forgotten.
    const fn is_inner(self) -> bool {
        match self {
            Self::Site | Self::Peer => false,
            Self::Credential | Self::Caller | Self::CalledNumber | Self::DestinationBlock | Self::Country => {
                true
            }
        }
    }
}

/// An amount of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So much.
    Fixed(u64),
    /// So much for each channel of the site.
    EachChannel(u64),
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What it counts and of whom, in one word that no change of its amounts and its place changes: its accounts are found by it.
    pub id: Arc<str>,
    /// Its YAML path, e.g. `caps[2]`; the same as the word where it stands by default.
    pub path: Arc<str>,
    /// The calls that it is about: this class and what is worse.
    pub of: Class,
    /// What is counted.
    pub what: What,
    /// Of whom.
    pub per: Per,
    /// From here on it is told.
    pub warn: Option<Amount>,
    /// Past this nothing goes on.
    pub block: Amount,
}

/// How long a call of a class may last from answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasting {
    /// Its YAML path.
    pub path: Arc<str>,
    /// The class.
    pub of: Class,
    /// Past this it is ended.
    pub duration_max: Duration,
}

/// All caps of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Asked in this order; at most 65,535.
    pub caps: Vec<Limit>,
    /// By class.
    pub lasting: Vec<Lasting>,
}

/// What a call that goes on takes of the accounts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tab {
    /// What it costs.
    pub rate: Rate,
    /// Each limit that is about it, by its place, with its account.
    pub lines: SmallVec<[(u16, Key); 8]>,
}

/// Who is who in one call.
type Names<'a> = SmallVec<[&'a str; 2]>;

/// The most of a limit's way that a call could be: what it saw.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Which.
    pub limit: &'a Limit,
    /// What would be used with this call.
    pub after: u64,
    /// What was used before.
    pub before: u64,
    /// Past this nothing goes on.
    pub block: u64,
}

impl Limits {
    /// Whether calls of this kind are counted at all: those that leave for the world, and are calls.
    pub(super) fn count(question: &Question<'_>, direction: Direction) -> bool {
        let leaves = match direction {
            Direction::Outbound | Direction::Transit => true,
            Direction::Inbound | Direction::Internal => false,
        };
        let facts = question.facts;
        leaves
            && !facts.emergency
            && (*facts.method == Method::Invite || facts.forwarded.is_some_and(|forwarded| forwarded.here))
    }

    /// Asks every limit that is about a call; `tell` hears of each, and says whether to go on.
    pub(super) fn ask(
        &self,
        question: &Question<'_>,
        (rate, class): (Rate, Class),
        mut tell: impl FnMut(&Asked<'_>) -> bool,
    ) -> Option<Tab> {
        let mut tab = Tab { rate, lines: SmallVec::new() };
        let Some(counters) = question.counters else { return Some(tab) };
        let (ledger, now) = (&counters.ledger, question.facts.now.tick);
        let closed = is_closed(question);
        for (place, limit) in (0_u16..).zip(&self.caps) {
            if limit.of > class || matches!(limit.what, What::SpendClosed(_)) && !closed {
                continue;
            }
            let Some(names) = names(limit.per, question) else { continue };
            let key = ledger.key(&limit.id, &names);
            let takes = match limit.what {
                What::NewNumbers(_) => {
                    let with = acquaintance(ledger, limit, &names, question.facts.called);
                    u64::from(!ledger.is_acquainted(with, now, Span::Month.length()))
                }
                What::AtOnce | What::Calls(_) | What::Minutes(_) | What::Spend(_) | What::SpendClosed(_) => {
                    limit.what.tariff().map_or(1, |tariff| tariff.cost(&rate, RESERVED))
                }
            };
            let before = ledger.used(key, now);
            let after = before.saturating_add(takes);
            let asked = Asked { limit, after, before, block: limit.block_of(question) };
            if !tell(&asked) {
                return None;
            }
            tab.lines.push((place, key));
        }
        Some(tab)
    }

    /// How long a call of this class may last, and what says so.
    pub(super) fn lasting(&self, class: Class) -> Option<&Lasting> {
        self.lasting.iter().filter(|one| one.of <= class).min_by_key(|one| one.duration_max)
    }

    /// A cap by its place.
    #[must_use]
    pub fn cap(&self, place: u16) -> Option<&Limit> {
        self.caps.get(usize::from(place))
    }

    /// What an account of a limit may hold at most, for a call of this peer.
    #[must_use]
    pub fn block(&self, place: u16, channels: u32) -> u64 {
        self.cap(place).map_or(0, |limit| limit.block.of(channels))
    }
}

impl Amount {
    /// The amount for a site of so many channels.
    #[must_use]
    pub fn of(self, channels: u32) -> u64 {
        match self {
            Self::Fixed(amount) => amount,
            Self::EachChannel(amount) => amount.saturating_mul(u64::from(channels.max(1))),
        }
    }
}

impl Limit {
    fn block_of(&self, question: &Question<'_>) -> u64 {
        self.block.of(question.policy.channels_of(question.peer))
    }

    /// Whether an account passes its mark with this.
    #[must_use]
    pub fn warns(&self, channels: u32, before: u64, after: u64) -> bool {
        self.warn.map(|warn| warn.of(channels)).is_some_and(|warn| before < warn && warn <= after)
    }

    /// Takes what a call takes of an account of it at first; false where there is no room for the account.
    pub(super) fn draw(
        &self,
        meter: &mut Meter,
        counters: &mut Counters,
        question: &Question<'_>,
        (place, key): (u16, Key),
        now: Tick,
    ) -> bool {
        let ledger = &mut counters.ledger;
        if let Some(tariff) = self.what.tariff() {
            return meter.draw(ledger, now, (place, key, tariff), || self.terms(question));
        }
        if let What::NewNumbers(_) = self.what {
            let Some(names) = names(self.per, question) else { return true };
            let with = acquaintance(ledger, self, &names, question.facts.called);
            let known = ledger.is_acquainted(with, now, Span::Month.length());
            ledger.acquaint(with, now);
            if known {
                return true;
            }
        }
        let opened = ledger.open(key, now, || self.terms(question)).is_some();
        ledger.enter(key, now, 1);
        opened
    }

    /// What is told when an account passes its mark.
    pub(super) fn warning(&self, question: &Question<'_>, after: u64, block: u64) -> String {
        let whose = names(self.per, question).map_or_else(String::new, |names| self.per.whose(&names));
        self.warning_of(&whose, (after, block), question.policy.rates.currency())
    }

    /// What an account of it is opened with.
    pub(super) fn terms(&self, question: &Question<'_>) -> Terms {
        let whose = names(self.per, question).map_or_else(String::new, |names| self.per.whose(&names));
        Terms {
            limit: Arc::clone(&self.id),
            whose: whose.into(),
            span: self.what.span(),
            inner: self.per.is_inner(),
        }
    }

    /// Why it refuses.
    pub(super) fn objection(&self, question: &Question<'_>, asked: &Asked<'_>) -> Box<Objection> {
        let whose = names(self.per, question).map_or_else(String::new, |names| self.per.whose(&names));
        let (used, block) = (self.what.amount(asked.before), self.what.amount(asked.block));
        let currency = &question.policy.rates.currency();
        let unit = self.what.unit(currency);
        let told = format!("{used} of {block}{unit} of {whose} are used");
        let text = format!(
            "{} calls {}, and {whose} has used {used} of {block}{unit}: the call was refused. Look at the calls of {whose} first; raise \
             {} only if so much is normal.",
            question.peer.name,
            question.facts.called.escape_debug(),
            self.path,
        );
        let mut objection = Objection::new(self.what.code(), told, text);
        objection.retry_after = self.what.retry_after();
        objection
    }
}

/// Whether the site is closed now by its `hours`; never where there are none.
fn is_closed(question: &Question<'_>) -> bool {
    let rules = &question.policy.rules.outbound;
    rules.iter().any(|entry| {
        if let Rule::Hours(hours) = &entry.rule { !hours.is_open(question.facts.now.wall) } else { false }
    })
}

/// The acquaintance of a caller with a number.
pub(super) fn acquaintance(
    ledger: &super::ledger::Ledger,
    limit: &Limit,
    names: &[&str],
    called: &str,
) -> Key {
    let mut whom: SmallVec<[&str; 4]> = SmallVec::from_slice(names);
    whom.push(called);
    ledger.key(&limit.id, &whom)
}

/// Whose account it is; `None` where the call has nobody of this kind.
pub(super) fn names<'a>(per: Per, question: &Question<'a>) -> Option<Names<'a>> {
    let facts = question.facts;
    let peer = question.peer;
    let one = |name: &'a str| Some(Names::from_slice(&[name]));
    match per {
        Per::Site => {
            let site = peer.site.and_then(|site| question.policy.site(site));
            one(site.map_or("", |site| &*site.name))
        }
        Per::Peer => one(&peer.name),
        Per::Credential => Some(Names::from_slice(&[&peer.name, facts.credential?])),
        Per::Caller => {
            let by = facts.forwarded.map_or(facts.caller_sent, |forwarded| forwarded.by);
            Some(Names::from_slice(&[&peer.name, by]))
        }
        Per::CalledNumber => one(facts.called),
        Per::DestinationBlock => one(block(facts.called)),
        Per::Country => one(question.facts.number.and_then(|number| number.e164())?.code()),
    }
}

/// A number less its last four digits (DESIGN.md §4); what is too short to have a block is one itself.
#[must_use]
pub fn block(called: &str) -> &str {
    const LAST: usize = 4;
    const LEAST: usize = 8;
    let whole = called.strip_prefix('+').is_some_and(|digits| digits.len() >= LEAST);
    if whole { called.get(..called.len() - LAST).unwrap_or(called) } else { called }
}

/// A sum of money in millionths, as people write it.
pub(super) fn money(amount: u64) -> String {
    Money(amount).to_string()
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
