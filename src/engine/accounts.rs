//! Accounts of the caps as rows: what was used outlives the process.
//!
//! Owns the form of the rows. What live calls hold stands in them as used: a crash gives no money back. Refuses to know limits.
//! Read first: `kept.rs`; `policy/ledger.rs`; spec/limits.md, "Spend is leased".

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::orders::{LimitState, Ordered};
use crate::clock::Now;
use crate::policy::Kept;
use crate::policy::kept;
use crate::policy::keyed::Key;
use crate::policy::ledger::{Ledger, Statement};

/// The one row that says what makes the keys.
const SEED_KEY: &str = "caps";

/// An account, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    limit: String,
    whose: String,
    span_s: u64,
    inner: bool,
    /// Held by live calls when it was written.
    held: u64,
    /// The newest slice, a twelfth of the span long, counted from 1970.
    newest: u64,
    /// What was used in each slice, the newest first.
    used: Vec<u64>,
}

/// The rows of the accounts that have changed; one that counts nothing any more is taken away.
pub(super) fn rows(ledger: &mut Ledger, now: Now) -> impl Iterator<Item = Kept> + use<> {
    ledger.changes(now.tick).into_iter().map(|account| {
        let key = format!("{:016x}", account.key.bits());
        if account.used == 0 {
            return Kept::gone(kept::ACCOUNT, key);
        }
        let (newest, used) = account.window;
        let row = Row {
            limit: account.limit.to_string(),
            whose: account.whose.into(),
            span_s: account.span.map_or(0, |span| span.as_secs()),
            inner: account.inner,
            held: account.held,
            newest,
            used,
        };
        // What holds text and numbers alone can be written.
        Kept::row(kept::ACCOUNT, key, serde_json::to_string(&row).unwrap_or_default())
    })
}

fn read(row: &Kept) -> Option<Statement> {
    let key = Key::of(u64::from_str_radix(&row.key, 16).ok()?);
    let row: Row = serde_json::from_str(row.value.as_deref()?).ok()?;
    Some(Statement {
        key,
        limit: Arc::from(row.limit),
        whose: row.whose.into(),
        span: (row.span_s > 0).then(|| Duration::from_secs(row.span_s)),
        used: 0,
        held: row.held,
        window: (row.newest, row.used),
        inner: row.inner,
    })
}

/// Accounts that one answer lists.
const LISTED_MAX: usize = 1_000;

impl Engine {
    /// What is used of the caps, the nearest to its end first.
    pub(super) fn list_limits(&self, now: Now) -> Ordered {
        let policy = &self.policy;
        let currency = policy.rates.currency();
        let mut limits: Vec<LimitState> = self
            .counters
            .ledger
            .statements(now.tick)
            .map(|account| {
                let cap = policy.limits.caps.iter().find(|cap| cap.id == account.limit);
                let channels = policy.sites.iter().map(|site| site.channels).max().unwrap_or(1);
                let block = cap.map(|cap| cap.block.of(channels));
                let percent = block.map_or(0, |block| account.used.saturating_mul(100) / block.max(1));
                LimitState {
                    used: cap.map_or_else(|| account.used.to_string(), |cap| cap.what.amount(account.used)),
                    block: cap.zip(block).map(|(cap, block)| cap.what.amount(block)),
                    unit: cap.map_or_else(String::new, |cap| cap.what.unit(currency)),
                    cap: account.limit.to_string(),
                    whose: account.whose.into(),
                    percent,
                }
            })
            .collect();
        let all = limits.len();
        limits.sort_by(|one, other| {
            (other.percent, &one.cap, &one.whose).cmp(&(one.percent, &other.cap, &other.whose))
        });
        limits.truncate(LISTED_MAX);
        Ordered::Limits { all, limits }
    }

    /// An account as it was kept: whatever live calls held of it counts as used.
    pub(super) fn recall_account(&mut self, row: &Kept) {
        match read(row) {
            Some(account) => self.counters.ledger.recall(account),
            None => self.keep_now(Kept::gone(kept::ACCOUNT, row.key.clone())),
        }
    }

    /// What makes the keys; false where it cannot be read.
    pub(super) fn recall_seed(&mut self, row: &Kept) -> bool {
        let seed = row.value.as_deref().and_then(|value| serde_json::from_str::<String>(value).ok());
        let Some(seed) = seed.and_then(|seed| u64::from_str_radix(&seed, 16).ok()) else { return false };
        self.counters.ledger.reseed(seed);
        true
    }

    /// Keeps what makes the keys, so that accounts are found again.
    pub(super) fn keep_seed(&mut self) {
        let seed = format!("\"{:016x}\"", self.counters.ledger.seed());
        self.keep_now(Kept::row(kept::SEED, SEED_KEY, seed));
    }
}
