//! The terminal in front of the command line: how wide it is, and a bar for whoever waits at it.
//!
//! Owns what is written for a person who looks on. Refuses to write anything where nobody does. Read first: `main.rs`.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;

/// Places of the bar.
const BAR: usize = 40;

/// Characters of a line of the terminal behind an output; none where it is no terminal.
#[must_use]
pub fn terminal_width(output: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(output).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Characters after which a line is broken: a terminal's width. Files and pipes get each sentence on one line, for `grep`.
#[must_use]
pub fn width_of(output: &impl AsFd) -> usize {
    terminal_width(output).unwrap_or(usize::MAX)
}

/// How far something is, on standard error while that is a terminal.
#[derive(Debug)]
pub struct Bar {
    looked_at: bool,
    shown: Option<usize>,
}

impl Bar {
    /// None is shown yet.
    #[must_use]
    pub fn new() -> Self {
        Self { looked_at: io::stderr().is_terminal(), shown: None }
    }

    /// So many are done, of so many.
    pub fn show(&mut self, done: usize, all: usize) {
        let per_cent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
        if !self.looked_at || self.shown == Some(per_cent) {
            return;
        }
        self.shown = Some(per_cent);
        let full = "#".repeat(per_cent.min(100) * BAR / 100);
        // Nobody is there any more: then nobody misses it.
        drop(write!(io::stderr().lock(), "\r[{full:-<BAR$}] {per_cent:>3} %"));
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            drop(write!(io::stderr().lock(), "\r{:1$}\r", "", BAR + 8));
        }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}
