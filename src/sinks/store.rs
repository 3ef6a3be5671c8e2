//! What outlives the process, on a thread of its own: rows wait in memory, the last word on each, and are written once a second.
//!
//! Owns the queue, its bound, and what is told of a disk that takes nothing (39901, 39703). Refuses to know what rows
//! mean. Signalling never waits for it. Read first: `policy/kept.rs`; `store/base.rs`; DESIGN.md §1, law 11.

mod base;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{Clock, Tick};
use crate::policy::kept::{LOST, STORE};
use crate::policy::{Alert, Kept, code};

use super::writer::{Alarm, Item};
use base::{Base, Opened, Refused, Rows, Target};

/// The shortest time between two writes: each waits for the disk.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// A disk that failed is tried again after, each time twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A write that takes longer is told.
const SLOW: Duration = Duration::from_secs(5);
/// Keys that wait at once. Past it rows of further keys are dropped and counted; those that wait already are still replaced.
pub const WAITING_MAX: usize = 65_536;
/// Octets of values that wait at once; past it the same.
pub const WAITING_BYTES_MAX: usize = 64 << 20;

/// Rows that wait, and how the thread stands.
#[derive(Debug, Default)]
struct Queue {
    rows: Rows,
    /// Octets of their values.
    bytes: usize,
    dropped: u64,
    closing: bool,
    /// Since when a write is under way.
    writing: Option<Tick>,
    /// Whether somebody was told that the disk takes nothing, or slowly.
    told: bool,
}

impl Queue {
    /// Adds a row, newer than any of its key that waits.
    fn put(&mut self, row: Kept) {
        let Kept { kind, key, value } = row;
        let octets = |value: &Option<Box<str>>| value.as_ref().map_or(0, |value| value.len());
        let more = octets(&value);
        let place = (kind, key);
        let known = self.rows.get(&place).map(&octets);
        let full = self.rows.len() >= WAITING_MAX || self.bytes.saturating_add(more) > WAITING_BYTES_MAX;
        if known.is_none() && full {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_sub(known.unwrap_or(0)).saturating_add(more);
        self.rows.insert(place, value);
    }

    /// Puts back what could not be written, where nothing newer waits.
    fn put_back(&mut self, rows: Rows) {
        for ((kind, key), value) in rows {
            if !self.rows.contains_key(&(kind, key.clone())) {
                self.put(Kept { kind, key, value });
            }
        }
    }
}

/// What both sides hold.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing is left half done under it: a row is in, or it is not.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store at work.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    clock: Clock,
    alarm: Alarm,
    path: PathBuf,
    recalled: Option<Vec<Kept>>,
}

impl Store {
    /// Opens the file, reads what it holds and starts the thread that writes. A disk that takes nothing now is tried again; a
    /// file that cannot be trusted is set aside; both are told (39901).
    ///
    /// # Errors
    /// Why the edge must not start with this file, with the cure.
    pub(super) fn start(path: &Path, alarm: Alarm) -> Result<Self, String> {
        let clock = Clock::start();
        let opened = Base::open(path, clock.now().wall).map_err(|refused| match refused {
            Refused::Locked => format!(
                "the store {} is in use by another process: two edges cannot count on one file. End the other one \
                 (`ringfence stop`), or name another file under `store`",
                path.display()
            ),
            Refused::Unusable(why) => format!(
                "the store {} cannot be used: {why}; make its folder writable for this user, or name another file \
                 under `store`",
                path.display()
            ),
        })?;
        let Opened { base, mut rows, lost } = opened;
        let shared = Arc::new(Shared::default());
        if let Some(why) = &lost {
            rows.push(Kept::row(STORE, LOST, "true"));
            let text = format!(
                "What was counted before this start is not known: the store {}: {why}. What caps count begins anew; look at \
                 the disk, and at what was set aside.",
                path.display()
            );
            alarm.tell(alert(&clock, path, code::STORE_UNAVAILABLE, text));
        }
        shared.lock().told = base.is_none();
        let target = base.map(|base| Box::new(base) as Box<dyn Target>);
        let reopened = path.to_owned();
        let open = move || Base::again(&reopened).map(|base| Box::new(base) as Box<dyn Target>);
        let thread = Thread {
            shared: Arc::clone(&shared),
            clock,
            alarm: alarm.clone(),
            path: path.to_owned(),
            target,
            pause: RETRY_FIRST,
        };
        let spawned = thread::Builder::new().name("store".to_owned()).spawn(move || thread.run(open));
        let thread = spawned.map_err(|error| format!("the system gives no thread for the store: {error}"))?;
        Ok(Self { shared, thread, clock, alarm, path: path.to_owned(), recalled: Some(rows) })
    }

    /// What the file held at the start; once.
    pub(super) fn recalled(&mut self) -> Option<Vec<Kept>> {
        self.recalled.take()
    }

    /// Rows to be written, soon; never waits for the disk.
    pub(super) fn keep(&self, rows: Vec<Kept>) {
        let mut queue = self.shared.lock();
        rows.into_iter().for_each(|row| queue.put(row));
        let now = self.clock.tick();
        let slow = queue.writing.filter(|since| !queue.told && now.since(*since) > SLOW);
        queue.told |= slow.is_some();
        let waiting = queue.rows.len();
        drop(queue);
        self.shared.bell.notify_one();
        if slow.is_some() {
            let text = format!(
                "The store {} answers slowly: {waiting} rows wait. Calls go on and limits hold; what waits is lost if this \
                 edge is killed now. Look at the disk.",
                self.path.display()
            );
            self.alarm.tell(alert(&self.clock, &self.path, code::STORE_UNAVAILABLE, text));
        }
    }

    /// No more comes: writes what waits, for so long at most; how many rows were not written.
    pub(super) fn finish(self, patience: Duration) -> u64 {
        self.shared.lock().closing = true;
        self.shared.bell.notify_one();
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < patience {
            thread::sleep(step);
            waited = waited.saturating_add(step);
        }
        let queue = self.shared.lock();
        let stuck = u64::from(!self.thread.is_finished());
        queue.dropped.saturating_add(queue.rows.len() as u64).max(stuck)
    }
}

/// The thread's side.
struct Thread {
    shared: Arc<Shared>,
    clock: Clock,
    alarm: Alarm,
    path: PathBuf,
    /// `None` while the file cannot be opened.
    target: Option<Box<dyn Target>>,
    pause: Duration,
}

impl Thread {
    fn run(mut self, open: impl Fn() -> Result<Box<dyn Target>, String>) {
        loop {
            let Some(rows) = self.next() else { return };
            let began = self.clock.tick();
            let written = match &mut self.target {
                Some(target) => target.write(&rows),
                None => open().and_then(|mut target| {
                    let written = target.write(&rows);
                    self.target = Some(target);
                    written
                }),
            };
            let mut queue = self.shared.lock();
            queue.writing = None;
            match written {
                Ok(()) => {
                    let (told, dropped) = (std::mem::take(&mut queue.told), queue.dropped);
                    drop(queue);
                    self.pause = RETRY_FIRST;
                    if told {
                        self.recovered(dropped);
                    }
                    self.rest(WRITE_EVERY.saturating_sub(self.clock.tick().since(began)));
                }
                Err(why) => {
                    queue.put_back(rows);
                    let told = std::mem::replace(&mut queue.told, true);
                    let closing = queue.closing;
                    drop(queue);
                    if !told {
                        self.failed(&why);
                    }
                    if closing {
                        return;
                    }
                    self.rest(self.pause);
                    self.pause = self.pause.saturating_mul(2).min(RETRY_MAX);
                }
            }
        }
    }

    /// The rows that wait, once there are some; `None` at the end.
    fn next(&self) -> Option<Rows> {
        let idle = |queue: &mut Queue| queue.rows.is_empty() && !queue.closing;
        let waited = self.shared.bell.wait_while(self.shared.lock(), idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        if queue.rows.is_empty() {
            return None;
        }
        queue.bytes = 0;
        queue.writing = Some(self.clock.tick());
        Some(std::mem::take(&mut queue.rows))
    }

    /// Waits for so long, or until the end.
    fn rest(&self, time: Duration) {
        let serving = |queue: &mut Queue| !queue.closing;
        drop(self.shared.bell.wait_timeout_while(self.shared.lock(), time, serving));
    }

    fn failed(&self, why: &str) {
        tracing::error!(store = %self.path.display(), why, "the store takes nothing; rows wait in memory");
        let text = format!(
            "The store {} takes nothing ({why}). Calls go on and limits hold; what is counted now is lost if this edge ends. \
             Free its disk or repair its path; it is tried again.",
            self.path.display()
        );
        self.alarm.tell(alert(&self.clock, &self.path, code::STORE_UNAVAILABLE, text));
    }

    fn recovered(&self, dropped: u64) {
        tracing::warn!(store = %self.path.display(), dropped, "the store takes rows again");
        let text =
            format!("The store {} takes rows again; {dropped} found no room meanwhile.", self.path.display());
        self.alarm.tell(alert(&self.clock, &self.path, code::SINK_RECOVERED, text));
    }
}

fn alert(clock: &Clock, path: &Path, code: code::Code, text: String) -> Item {
    let mut alert = Alert::new(code, clock.now().wall, text);
    alert.about = Some("store".into());
    alert.evidence.push(("store", path.display().to_string()));
    Item::Alert(Box::new(alert))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
