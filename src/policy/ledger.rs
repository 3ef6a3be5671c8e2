//! Accounts: how much was used lately, and how much live calls hold of it, of whomever a limit is about.
//!
//! Owns the amounts, the bound on how many accounts there are, and what is owed by calls that have ended. Refuses to know what
//! a limit is and who pays. Read first: DESIGN.md §1, laws 5, 6 and 9; spec/limits.md, "Defaults" and "Memory bounds".

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::keyed::Key;
use super::window::{self, Window};
use crate::clock::{Now, Tick};

/// Accounts at once. Past it those go that hold and count nothing, then, of those that stand within another one (a caller within its peer,
/// a number within its site), the oldest eighth: such a one starts anew, with the limits of its peer and site still in force.
/// Where that makes no room, the account is full, and the call is refused.
pub const ACCOUNTS_MAX: usize = 65_536;

/// What looks back for less starts anew with the process.
const LASTING: Duration = Duration::from_secs(3_600);

/// How often what ended calls owe is entered at most.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// Numbers that callers are known to have called.
pub const ACQUAINTED_MAX: usize = 65_536;

/// What live calls hold of an account, and what calls that have ended owe it.
#[derive(Debug, Default)]
pub struct Open {
    /// Held by live calls; given back when they end.
    held: AtomicU64,
    /// Used by calls that have ended, and not entered in the window yet.
    owed: AtomicU64,
}

impl Open {
    pub(super) fn take(&self, amount: u64) {
        self.held.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, amount: u64) {
        self.held.fetch_sub(amount, Ordering::Relaxed);
    }

    pub(super) fn owe(&self, amount: u64) {
        self.owed.fetch_add(amount, Ordering::Relaxed);
    }

    fn sum(&self) -> u64 {
        self.held.load(Ordering::Relaxed).saturating_add(self.owed.load(Ordering::Relaxed))
    }
}

/// What a call that ends needs, wherever it is dropped.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The tick of the last input.
    tick: AtomicU64,
    /// Whether any account has changed.
    changed: AtomicBool,
    /// Whether a call has ended since accounts were settled.
    owing: AtomicBool,
}

impl Desk {
    /// The tick of the last input.
    pub(super) fn now(&self) -> Tick {
        Tick::from_micros(self.tick.load(Ordering::Relaxed))
    }

    /// An account has changed.
    pub(super) fn note(&self) {
        self.owing.store(true, Ordering::Relaxed);
        self.changed.store(true, Ordering::Relaxed);
    }
}

/// What an account is opened with.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which limit it is of.
    pub limit: Arc<str>,
    /// Whose it is, for people.
    pub whose: Box<str>,
    /// How long what is used counts; `None` counts only what live calls hold.
    pub span: Option<Duration>,
    /// Whether it stands within another account, which goes on counting when this one is forgotten.
    pub inner: bool,
}

/// One account.
#[derive(Debug)]
struct Account {
    terms: Terms,
    window: Window,
    open: Arc<Open>,
    changed: bool,
}

impl Account {
    fn slice(&self, at: u64) -> u64 {
        self.terms.span.map_or(0, |span| window::slice(at, span))
    }

    fn used(&self, at: u64) -> u64 {
        self.window.sum(self.slice(at)).saturating_add(self.open.sum())
    }

    /// Enters what ended calls owe.
    fn settle(&mut self, at: u64) {
        let owed = self.open.owed.swap(0, Ordering::Relaxed);
        if owed > 0 {
            self.enter(at, owed);
        }
    }

    fn enter(&mut self, at: u64, amount: u64) {
        if self.terms.span.is_some() {
            let slice = self.slice(at);
            self.window.add(slice, amount);
        }
    }
}

/// An account as it is shown and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its key.
    pub key: Key,
    /// Which limit it is of.
    pub limit: Arc<str>,
    /// Whose it is.
    pub whose: Box<str>,
    /// How long what is used counts.
    pub span: Option<Duration>,
    /// What is used, and held.
    pub used: u64,
    /// Of it, what live calls hold.
    pub held: u64,
    /// The window's newest slice and its amounts, the newest first.
    pub window: (u64, Vec<u64>),
    /// Whether it stands within another account.
    pub inner: bool,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    seed: u64,
    /// Microseconds of the wall clock at tick zero, and never before what was kept: a clock that is put back gives nothing back.
    base: u64,
    /// What whoever ends a call looks at, and leaves behind.
    desk: Arc<Desk>,
    /// When what ended calls owe was entered last.
    settled: Tick,
    accounts: HashMap<Key, Account>,
    /// Whom a caller has called, and when last.
    acquainted: HashMap<Key, u64>,
}

impl Ledger {
    /// Accounts whose keys nobody outside can work out.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Says what time it is; the first time says when tick zero was.
    pub fn tell(&mut self, now: Now) {
        self.desk.tick.store(now.tick.micros(), Ordering::Relaxed);
        if self.base == 0 {
            let wall = u64::try_from(now.wall.micros()).unwrap_or(0);
            self.base = wall.saturating_sub(now.tick.micros()).max(1);
        }
        // What is owed has no time of its own: until it is entered it counts, and it would for ever where nobody is let in
        // any more who opens the account.
        if self.desk.owing.load(Ordering::Relaxed) && now.tick.since(self.settled) >= SETTLE_EVERY {
            self.desk.owing.store(false, Ordering::Relaxed);
            self.settled = now.tick;
            let at = self.at(now.tick);
            for account in self.accounts.values_mut() {
                account.changed |= account.open.owed.load(Ordering::Relaxed) > 0;
                account.settle(at);
            }
        }
    }

    /// What whoever ends a call looks at.
    pub(super) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Whether any account has changed since `changes` was last asked.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.desk.changed.load(Ordering::Relaxed)
    }

    fn at(&self, tick: Tick) -> u64 {
        self.base.saturating_add(tick.micros())
    }

    /// The key of an account: of which limit, and whose.
    #[must_use]
    pub fn key(&self, limit: &str, whose: &[&str]) -> Key {
        let mut hasher = DefaultHasher::new();
        (self.seed, limit, whose).hash(&mut hasher);
        Key::of(hasher.finish())
    }

    /// What is used of an account: what was entered within its span, what ended calls owe and what live ones hold.
    #[must_use]
    pub fn used(&self, key: Key, now: Tick) -> u64 {
        self.accounts.get(&key).map_or(0, |account| account.used(self.at(now)))
    }

    /// Whose an account is, for people.
    #[must_use]
    pub fn whose(&self, key: Key) -> &str {
        self.accounts.get(&key).map_or("", |account| &account.terms.whose)
    }

    /// Opens an account, or finds it; `None` where there is no room for one more.
    pub(super) fn open(&mut self, key: Key, now: Tick, terms: impl FnOnce() -> Terms) -> Option<Arc<Open>> {
        let at = self.at(now);
        if self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&key) {
            self.make_room(at);
            if self.accounts.len() >= ACCOUNTS_MAX {
                return None;
            }
        }
        let account = self.accounts.entry(key).or_insert_with(|| {
            let terms = terms();
            let slice = terms.span.map_or(0, |span| window::slice(at, span));
            Account { terms, window: Window::new(slice), open: Arc::default(), changed: false }
        });
        account.settle(at);
        account.changed = true;
        self.desk.changed.store(true, Ordering::Relaxed);
        Some(Arc::clone(&account.open))
    }

    fn make_room(&mut self, at: u64) {
        self.accounts.values_mut().for_each(|account| account.settle(at));
        self.accounts.retain(|_, account| account.used(at) > 0);
        if self.accounts.len() < ACCOUNTS_MAX {
            return;
        }
        let loose = |account: &Account| account.terms.inner && account.open.sum() == 0;
        let age = |account: &Account| {
            account.window.newest().saturating_mul(account.terms.span.map_or(0, |span| span.as_secs()))
        };
        let mut ages: Vec<u64> = self.accounts.values().filter(|one| loose(one)).map(age).collect();
        if ages.is_empty() {
            return;
        }
        let eighth = ages.len() / 8;
        let (_, oldest, _) = ages.select_nth_unstable(eighth);
        let oldest = *oldest;
        self.accounts.retain(|_, account| !loose(account) || age(account) > oldest);
    }

    /// Enters an amount that is not given back.
    pub(super) fn enter(&mut self, key: Key, now: Tick, amount: u64) {
        let at = self.at(now);
        if let Some(account) = self.accounts.get_mut(&key) {
            account.enter(at, amount);
            account.changed = true;
            self.desk.changed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether whoever the key names has called whom it names within so long.
    #[must_use]
    pub fn is_acquainted(&self, key: Key, now: Tick, span: Duration) -> bool {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.acquainted.get(&key).is_some_and(|last| self.at(now) < last.saturating_add(span))
    }

    /// Notes that it calls now. Past the bound the older half is forgotten, and counts as new again.
    pub(super) fn acquaint(&mut self, key: Key, now: Tick) {
        let at = self.at(now);
        if self.acquainted.len() >= ACQUAINTED_MAX && !self.acquainted.contains_key(&key) {
            let mut ages: Vec<u64> = self.acquainted.values().copied().collect();
            let (_, middle, _) = ages.select_nth_unstable(ACQUAINTED_MAX / 2);
            let middle = *middle;
            self.acquainted.retain(|_, last| *last > middle);
        }
        self.acquainted.insert(key, at);
    }

    /// Every account that counts or holds something.
    pub fn statements(&self, now: Tick) -> impl Iterator<Item = Statement> {
        let at = self.at(now);
        self.accounts
            .iter()
            .map(move |(key, account)| account_of(*key, account, at))
            .filter(|one| one.used > 0)
    }

    /// The accounts with a window that have changed since this was last asked; what is held counts as used to who reads it
    /// after a crash.
    pub fn changes(&mut self, now: Tick) -> Vec<Statement> {
        let at = self.at(now);
        self.desk.changed.store(false, Ordering::Relaxed);
        let mut changed = Vec::new();
        for (key, account) in &mut self.accounts {
            let owed = account.open.owed.load(Ordering::Relaxed) > 0;
            let lasts = account.terms.span.is_some_and(|span| span >= LASTING);
            if lasts && (owed || std::mem::take(&mut account.changed)) {
                account.changed = false;
                account.settle(at);
                changed.push(account_of(*key, account, at));
            }
        }
        changed
    }

    /// Takes in what was kept: whatever was held counts as used. An account that is known by now stays as it is.
    pub fn recall(&mut self, kept: Statement) {
        let Some(span) = kept.span else { return };
        let (newest, amounts) = kept.window;
        let twelfth = u64::try_from((span / 12).as_micros()).unwrap_or(u64::MAX);
        self.base = self.base.max(newest.saturating_mul(twelfth));
        let mut window = Window::of(newest, amounts);
        window.add(newest, kept.held);
        let terms = Terms { limit: kept.limit, whose: kept.whose, span: Some(span), inner: kept.inner };
        let account = Account { terms, window, open: Arc::default(), changed: true };
        if self.accounts.len() < ACCOUNTS_MAX {
            self.accounts.entry(kept.key).or_insert(account);
        }
    }

    /// What makes the keys, to be kept beside the accounts.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes keys as they were made before; called before anything is counted.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Accounts of which live calls hold something.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.accounts.values().filter(|account| account.open.held.load(Ordering::Relaxed) > 0).count()
    }

    /// Accounts that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

fn account_of(key: Key, account: &Account, at: u64) -> Statement {
    Statement {
        key,
        limit: Arc::clone(&account.terms.limit),
        whose: account.terms.whose.clone(),
        span: account.terms.span,
        used: account.used(at),
        held: account.open.held.load(Ordering::Relaxed),
        window: (account.window.newest(), account.window.amounts().collect()),
        inner: account.terms.inner,
    }
}
