//! The log: for people on a terminal, JSON lines otherwise, to standard error, never waited for.
//!
//! Owns the `tracing` subscriber and the thread that writes. Refuses to know what is logged; whoever logs masks numbers.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Log lines that may wait for a slow reader; more are dropped and counted.
const LINES_MAX: usize = 4_096;
/// How long the end waits for the reader.
const FINISH_PATIENCE: Duration = Duration::from_secs(1);

/// Ends the log: writes what waits.
#[derive(Debug)]
pub struct LogEnd {
    sender: SyncSender<Line>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    End,
}

/// Where formatted lines enter the queue.
#[derive(Debug, Clone)]
struct Entrance {
    sender: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

impl Write for Entrance {
    /// The subscriber gives one whole line in one call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Line::Text(bytes.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Entrance {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Starts the log with a filter such as `info` or `ringfence::net=debug,info`. Fails when the filter cannot be read.
pub fn start(filter: &str) -> Result<LogEnd, String> {
    let filter = EnvFilter::try_new(if filter.is_empty() { "info" } else { filter })
        .map_err(|error| format!("`log: {filter}` is no filter: {error}; write a level such as `info`"))?;
    let (sender, queue) = sync_channel(LINES_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let entrance = Entrance { sender: sender.clone(), dropped: Arc::clone(&dropped) };
    let thread = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&queue, &dropped))
        .map_err(|error| format!("cannot start a thread for the log: {error}"))?;
    let person = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(entrance);
    let set = if person {
        builder.with_ansi(true).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    set.map_err(|error| format!("cannot start the log: {error}"))?;
    Ok(LogEnd { sender, thread })
}

impl LogEnd {
    /// Writes what waits, unless the reader is stuck.
    pub fn finish(self) {
        // A full queue behind a stuck reader: nothing more can be done.
        if self.sender.try_send(Line::End).is_err() {
            return;
        }
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !self.thread.is_finished() && waited < FINISH_PATIENCE {
            thread::sleep(step);
            waited += step;
        }
    }
}

fn write_lines(queue: &Receiver<Line>, dropped: &AtomicU64) {
    let mut told = 0;
    while let Ok(Line::Text(line)) = queue.recv() {
        let mut out = io::stderr().lock();
        // Nobody is left to be told that standard error is gone.
        let _ = out.write_all(&line);
        let lost = dropped.load(Ordering::Relaxed);
        if lost > told {
            let _ = writeln!(
                out,
                "{{\"level\":\"ERROR\",\"message\":\"log lines were dropped\",\"lost\":{}}}",
                lost - told
            );
            told = lost;
        }
    }
}
