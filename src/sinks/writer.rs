//! The threads that write: one for each target, behind a bounded queue that the loop never waits for.
//!
//! Owns the queues, the counts of what was dropped and the alerts about sinks themselves (39702, 39703).
//! Refuses to know the engine.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use super::file::LineFile;
use super::fold::{Due, Fold};
use super::line::{write_alert, write_record};
use crate::call::CallRecord;
use crate::clock::Clock;
use crate::policy::{Alert, code};

/// The window in which repeats of an alert are folded.
const FOLD_WINDOW: Duration = Duration::from_secs(1);
/// How long lines gather before one write. While they flow this thread looks by itself so often, and the loop need not
/// wake it. A crash of the process loses the lines of this time; a stop loses none.
pub const GATHER: Duration = Duration::from_millis(50);
/// A target that failed is tried again after.
const RETRY: Duration = Duration::from_secs(1);
/// Bugs that a thread outlives, each with the loss of what it was at; after so many it writes no more.
const BUGS_MAX: u32 = 16;

/// What can be written.
#[derive(Debug)]
pub enum Item {
    /// An alert.
    Alert(Box<Alert>),
    /// A call record.
    Record(Box<CallRecord>),
    /// Open the file anew.
    Reopen,
    /// What a bug would do.
    #[cfg(test)]
    Panics,
}

impl Item {
    /// Whether a line is lost with it.
    const fn is_line(&self) -> bool {
        match self {
            Self::Alert(_) | Self::Record(_) => true,
            Self::Reopen => false,
            #[cfg(test)]
            Self::Panics => true,
        }
    }
}

/// What became of lines, readable by anyone at any time.
#[derive(Debug, Default)]
pub struct Counts {
    /// Lines written.
    pub written: AtomicU64,
    /// Lines lost: the queue was full, the target took none until the end, or a bug struck while one was written.
    pub dropped: AtomicU64,
}

/// The entrance to the alerts, for a sink that has something to say of itself.
#[derive(Debug, Clone)]
pub struct Alarm(pub SyncSender<Item>);

impl Alarm {
    /// Tells; where the queue is full, the log has said it already.
    pub fn tell(&self, item: Item) {
        drop(self.0.try_send(item));
    }
}

/// One queue and the thread behind it.
#[derive(Debug)]
pub struct Lane {
    sender: SyncSender<Item>,
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

impl Lane {
    /// Starts a thread that writes to `file`. Alerts about this target go to `alarm` when given, else into the target
    /// itself once it works again.
    pub fn start(
        name: &str,
        file: LineFile,
        queue_max: usize,
        alarm: Option<SyncSender<Item>>,
    ) -> io::Result<Self> {
        let (sender, queue) = sync_channel(queue_max);
        let counts = Arc::new(Counts::default());
        let writer = Writer::new(file, queue, alarm, Arc::clone(&counts))?;
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || writer.run())?;
        Ok(Self { sender, counts, thread })
    }

    /// Puts an item into the queue, or drops and counts it.
    pub fn push(&self, item: Item) {
        let is_line = item.is_line();
        if self.sender.try_send(item).is_err() && is_line {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another entrance to the queue.
    #[must_use]
    pub fn entrance(&self) -> SyncSender<Item> {
        self.sender.clone()
    }

    /// What became of its lines.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// No more comes. Waits until all is written, or until `patience` ends (the target may be stuck); says what was lost.
    pub fn finish(self, patience: Duration) -> Finished {
        drop(self.sender);
        let before = self.counts.dropped.load(Ordering::Relaxed);
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < patience {
            thread::sleep(step);
            waited += step;
        }
        if !self.thread.is_finished() {
            return Finished::Stuck;
        }
        match self.counts.dropped.load(Ordering::Relaxed) - before {
            // The thread catches its own bugs; should one get past, nobody counted.
            0 if self.thread.join().is_err() => Finished::Stuck,
            0 => Finished::Whole,
            lost => Finished::Lost(lost),
        }
    }
}

/// How a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Everything is written.
    Whole,
    /// So many lines are not.
    Lost(u64),
    /// The target still holds the thread; nobody knows how many are not.
    Stuck,
}

/// Why the target takes nothing.
#[derive(Debug)]
struct Failure {
    dropped_before: u64,
}

struct Writer {
    file: LineFile,
    queue: Receiver<Item>,
    alarm: Option<SyncSender<Item>>,
    counts: Arc<Counts>,
    told_dropped: u64,
    failure: Option<Failure>,
    /// Whether the last look into the queue found anything.
    flows: bool,
    fold: Fold,
    clock: Clock,
    random: ChaCha12Rng,
}

impl Writer {
    fn new(
        file: LineFile,
        queue: Receiver<Item>,
        alarm: Option<SyncSender<Item>>,
        counts: Arc<Counts>,
    ) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self {
            file,
            queue,
            alarm,
            counts,
            told_dropped: 0,
            failure: None,
            flows: false,
            fold: Fold::new(FOLD_WINDOW),
            clock: Clock::start(),
            random: ChaCha12Rng::from_seed(seed),
        })
    }

    fn run(mut self) {
        let mut bugs = 0;
        // A bug in writing one line must not silence all that come after.
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            self.file.drop_torn_line();
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            bugs += 1;
            if bugs >= BUGS_MAX {
                tracing::error!(sink = self.file.name(), "a sink met bug after bug and writes no more");
                break;
            }
        }
        self.give_up_rest();
    }

    fn work(&mut self) {
        loop {
            let alive = if self.file.is_full() {
                // The queue fills behind us and counts what it drops.
                thread::sleep(RETRY);
                true
            } else {
                self.wait()
            };
            self.expire();
            self.tell_dropped();
            self.write();
            if !alive {
                break;
            }
        }
        let mut due = Vec::new();
        self.fold.finish(|line| due.push(line));
        due.into_iter().for_each(|line| self.add(&line));
        self.write();
    }

    /// Counts what will never be written: what the target did not take until the end, and what waits behind it.
    fn give_up_rest(&mut self) {
        let unwritten = self.file.lines_waiting();
        let behind = self.queue.try_iter().filter(Item::is_line).count() as u64;
        if unwritten + behind == 0 {
            return;
        }
        self.counts.written.fetch_sub(unwritten, Ordering::Relaxed);
        let lost = unwritten + behind;
        self.counts.dropped.fetch_add(lost, Ordering::Relaxed);
        let name = self.file.name();
        tracing::error!(sink = name, lost, "lines were lost at the end: the sink took no more");
        // The target itself takes nothing; another one may.
        if let Some(alarm) = self.alarm.take() {
            let text = format!("{lost} lines for {name} were lost at the end: it took no more.");
            let mut alert = Alert::new(code::SINK_FAILED, self.clock.now().wall, text);
            alert.about = Some(name.clone().into());
            alert.evidence = vec![("sink", name), ("dropped", lost.to_string())];
            // Full or gone: the log has said it already.
            drop(alarm.try_send(Item::Alert(Box::new(alert))));
        }
    }

    /// Lets items gather and takes them all; where none flow, waits for the first. False when no more will ever come.
    fn wait(&mut self) -> bool {
        if !self.flows {
            match self.first() {
                Ok(item) => self.take(item),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        thread::sleep(GATHER);
        self.flows = false;
        while !self.file.is_full() {
            match self.queue.try_recv() {
                Ok(item) => self.take(item),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
            self.flows = true;
        }
        true
    }

    /// The next item; comes back without one where something else may be due.
    fn first(&self) -> Result<Item, RecvTimeoutError> {
        let idle = self.fold.is_empty() && self.file.is_empty() && self.told_dropped == self.dropped();
        if idle {
            self.queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.queue.recv_timeout(RETRY)
        }
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Alert(alert) => {
                if let Some(due) = self.fold.push(self.clock.now().tick, alert) {
                    self.add(&due);
                }
            }
            Item::Record(record) => {
                write_record(self.file.lines(), &record);
                self.counts.written.fetch_add(1, Ordering::Relaxed);
            }
            Item::Reopen => {
                if let Err(error) = self.file.reopen() {
                    self.fail(&error);
                }
            }
            #[cfg(test)]
            Item::Panics => {
                self.file.lines().extend_from_slice(b"{\"half\":");
                panic!("a bug");
            }
        }
    }

    fn add(&mut self, due: &Due) {
        let sid = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        write_alert(self.file.lines(), &due.alert, sid, due.count, due.first_seen);
        self.counts.written.fetch_add(1, Ordering::Relaxed);
    }

    fn expire(&mut self) {
        let mut due = Vec::new();
        self.fold.expire(self.clock.now().tick, |line| due.push(line));
        due.into_iter().for_each(|line| self.add(&line));
    }

    fn write(&mut self) {
        match self.file.write() {
            Ok(()) => {
                if self.recover() && self.file.write().is_err() {
                    // It failed again at once: what recovery said still waits, and the next turn tells of it.
                    tracing::debug!(sink = self.file.name(), "the sink failed again at once");
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn tell_dropped(&mut self) {
        let dropped = self.dropped();
        let lost = dropped - self.told_dropped;
        if lost == 0 || self.file.is_full() {
            return;
        }
        self.told_dropped = dropped;
        let name = self.file.name();
        tracing::error!(sink = name, lost, "lines were dropped: the sink was too slow, or met a bug");
        let text = format!(
            "{lost} lines for {name} were lost because it was too slow, or met a bug that the log tells of; look at \
             its disk or its reader."
        );
        self.tell(code::SINK_FAILED, text, vec![("sink", name), ("dropped", lost.to_string())]);
    }

    fn fail(&mut self, error: &io::Error) {
        if self.failure.is_some() {
            return;
        }
        self.failure = Some(Failure { dropped_before: self.dropped() });
        let name = self.file.name();
        tracing::error!(sink = name, %error, "a sink takes no lines; they wait, and it is tried again each second");
        let text = format!(
            "{name} takes no lines ({error}); they wait, up to a limit. Free its disk or repair its path; it is tried \
             again each second."
        );
        self.tell(code::SINK_FAILED, text, vec![("sink", name), ("error", error.to_string())]);
    }

    /// Whether there was anything to recover from.
    fn recover(&mut self) -> bool {
        let Some(failure) = self.failure.take() else { return false };
        let lost = self.dropped() - failure.dropped_before;
        let name = self.file.name();
        tracing::warn!(sink = name, lost, "the sink takes lines again");
        let text = format!("{name} takes lines again; {lost} were lost meanwhile.");
        self.tell(code::SINK_RECOVERED, text, vec![("sink", name), ("dropped", lost.to_string())]);
        true
    }

    fn tell(&mut self, code: code::Code, text: String, evidence: Vec<(&'static str, String)>) {
        let mut alert = Alert::new(code, self.clock.now().wall, text);
        alert.about = Some(self.file.name().into());
        alert.evidence = evidence;
        let item = Item::Alert(Box::new(alert));
        match &self.alarm {
            // Full: the log has said it already.
            Some(alarm) => drop(alarm.try_send(item)),
            None => self.take(item),
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
