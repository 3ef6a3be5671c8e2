//! Where alerts, call records, logs and what outlives the process go. Never waited for: bounded queues, counted drops.
//!
//! Owns formatting, folding, rotation. Refuses to know the engine's state.

mod file;
mod fold;
mod json;
pub mod line;
pub mod log;
mod store;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::call::CallRecord;
use crate::policy::{Alert, Kept};
use file::LineFile;
use store::Store;
pub use writer::GATHER;
use writer::{Alarm, Counts, Finished, Item, Lane};

/// One stream of JSON lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Sink {
    /// To standard output.
    #[default]
    Stdout,
    /// To a file with rotation.
    File {
        /// Path.
        path: PathBuf,
        /// Rotate above so many bytes. Default 64 MiB.
        rotate_bytes: u64,
        /// Keep so many old files. Default 8.
        keep: u32,
    },
    /// Nowhere.
    Discard,
}

/// All sinks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Alerts.
    pub alerts: Sink,
    /// Call records.
    pub records: Sink,
    /// Lines that may wait for a slow disk before new ones are dropped and counted (39702). 0 means the default 16,384.
    pub queue_max: usize,
    /// `tracing` filter, default `info`.
    pub log: String,
    /// The file of what outlives the process; `None`: nothing does.
    pub store: Option<PathBuf>,
}

/// Lines that may wait when the YAML does not say.
const QUEUE_DEFAULT: usize = 16_384;
/// How long the end waits for a slow target.
const FINISH_PATIENCE: Duration = Duration::from_secs(3);

/// A sink that cannot be opened.
#[derive(Debug)]
pub enum Unwritable {
    /// One of lines.
    Lines {
        /// Which.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The store: why, with the cure.
    Store(String),
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { what, source } => write!(
                f,
                "cannot write {what}: {source}; make its folder writable for this user, or name another path under \
                 `alerts` or `records`"
            ),
            Self::Store(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unwritable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lines { source, .. } => Some(source),
            Self::Store(_) => None,
        }
    }
}

/// Lines written and lines lost since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SinkCounts {
    /// Alert lines written.
    pub alerts_written: u64,
    /// Alerts dropped.
    pub alerts_dropped: u64,
    /// Record lines written.
    pub records_written: u64,
    /// Records dropped.
    pub records_dropped: u64,
}

/// All sinks at work.
#[derive(Debug)]
pub struct Sinks {
    alerts: Lane,
    /// `None` when records go where alerts go.
    records: Option<Lane>,
    /// `None` where nothing outlives the process.
    store: Option<Store>,
}

impl Sinks {
    /// Opens every target and starts its thread.
    pub fn start(settings: &Settings) -> Result<Self, Unwritable> {
        let queue_max = if settings.queue_max == 0 { QUEUE_DEFAULT } else { settings.queue_max };
        let open = |sink: &Sink, what: &str| {
            LineFile::open(sink).map_err(|source| Unwritable::Lines { what: named(sink, what), source })
        };
        let started = |lane: io::Result<Lane>, sink: &Sink, what: &str| {
            lane.map_err(|source| Unwritable::Lines { what: named(sink, what), source })
        };
        let alerts = open(&settings.alerts, "alerts")?;
        let shared = same_place(&settings.alerts, &settings.records);
        let records = if shared { None } else { Some(open(&settings.records, "records")?) };
        let alerts = started(Lane::start("alerts", alerts, queue_max, None), &settings.alerts, "alerts")?;
        let records = match records {
            Some(file) => {
                let lane = Lane::start("records", file, queue_max, Some(alerts.entrance()));
                Some(started(lane, &settings.records, "records")?)
            }
            None => None,
        };
        let alarm = || Alarm(alerts.entrance());
        let store = settings.store.as_deref().map(|path| Store::start(path, alarm()));
        let store = store.transpose().map_err(Unwritable::Store)?;
        Ok(Self { alerts, records, store })
    }

    /// Writes an alert, soon.
    pub fn alert(&self, alert: Box<Alert>) {
        self.alerts.push(Item::Alert(alert));
    }

    /// Writes a call record, soon.
    pub fn record(&self, record: Box<CallRecord>) {
        self.records.as_ref().unwrap_or(&self.alerts).push(Item::Record(record));
    }

    /// What outlived the process before this one; once, and `None` where nothing does.
    #[must_use]
    pub fn recalled(&mut self) -> Option<Vec<Kept>> {
        self.store.as_mut()?.recalled()
    }

    /// Keeps rows for the process after this one, soon.
    pub fn keep(&self, rows: Vec<Kept>) {
        if let Some(store) = &self.store {
            store.keep(rows);
        }
    }

    /// Opens all files anew, after somebody moved them.
    pub fn reopen(&self) {
        self.alerts.push(Item::Reopen);
        if let Some(records) = &self.records {
            records.push(Item::Reopen);
        }
    }

    /// What `counts` reads from, for another thread.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter { alerts: self.alerts.counts(), records: self.records.as_ref().map(Lane::counts) }
    }

    /// Writes what waits and ends the threads; says what could not be written.
    pub fn finish(self) -> Result<(), Lost> {
        // Alerts last: the other threads may still have something to say to them.
        let rows = self.store.map_or(0, |store| store.finish(FINISH_PATIENCE));
        let records = self.records.map_or(Finished::Whole, |lane| lane.finish(FINISH_PATIENCE));
        let alerts = self.alerts.finish(FINISH_PATIENCE);
        if (rows, records, alerts) == (0, Finished::Whole, Finished::Whole) {
            return Ok(());
        }
        Err(Lost { rows, records, alerts })
    }
}

/// Lines that were not written at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    rows: u64,
    records: Finished,
    alerts: Finished,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lines were lost at the end:")?;
        for (what, finished) in [("records", self.records), ("alerts", self.alerts)] {
            match finished {
                Finished::Whole => {}
                Finished::Lost(lines) => write!(f, " {what}: {lines} that were not taken;")?,
                Finished::Stuck => write!(f, " {what}: all that still waited, for the target was stuck;")?,
            }
        }
        if self.rows > 0 {
            write!(f, " the store: {} rows of what outlives the process;", self.rows)?;
        }
        f.write_str(" look at the disk, or at who reads them")
    }
}

impl std::error::Error for Lost {}

/// Reads the counts of sinks at work.
#[derive(Debug, Clone)]
pub struct Meter {
    alerts: Arc<Counts>,
    records: Option<Arc<Counts>>,
}

impl Meter {
    /// Lines written and lost. Where both go to one place, the lines of both are counted under alerts.
    #[must_use]
    pub fn counts(&self) -> SinkCounts {
        let read = |counts: &Counts| {
            (counts.written.load(Ordering::Relaxed), counts.dropped.load(Ordering::Relaxed))
        };
        let (alerts_written, alerts_dropped) = read(&self.alerts);
        let (records_written, records_dropped) = self.records.as_deref().map(read).unwrap_or_default();
        SinkCounts { alerts_written, alerts_dropped, records_written, records_dropped }
    }
}

fn same_place(one: &Sink, other: &Sink) -> bool {
    match (one, other) {
        (Sink::Stdout, Sink::Stdout) | (Sink::Discard, Sink::Discard) => true,
        (Sink::File { path: one, .. }, Sink::File { path: other, .. }) => one == other,
        (Sink::Stdout | Sink::Discard | Sink::File { .. }, _) => false,
    }
}

fn named(sink: &Sink, what: &str) -> String {
    match sink {
        Sink::Stdout => format!("{what} to standard output"),
        Sink::File { path, .. } => format!("{what} to {}", path.display()),
        Sink::Discard => format!("{what} to nowhere"),
    }
}
