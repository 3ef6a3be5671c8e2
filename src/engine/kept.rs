//! What outlives the process: rows out when something has changed, rows back in at the start.
//!
//! Owns when rows are collected: at most once a second, and at once for what must not wait. Refuses to know what a row
//! means (its owner does) and where it is written (the shell does).
//! Read first: `policy/kept.rs`; DESIGN.md §1, law 11.
//!
//! An engine that was never recalled to anything keeps nothing: the shell gives it `Input::Recall`, with no rows if there
//! are none, where it has a store.

use std::time::Duration;

use super::{Engine, Output};
use crate::clock::{Now, Tick};
use crate::policy::Kept;
use crate::policy::kept;

/// How often rows are collected: a crash loses no more than this, and what the store then takes to write.
const COLLECT_EVERY: Duration = Duration::from_secs(1);

/// Rows of one output; of more there are several.
const ROWS_AT_ONCE: usize = 1_024;

/// What is kept, and when.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Whether anything is.
    on: bool,
    /// What was kept before is not known.
    lost: bool,
    /// When the owners are asked; `None` while nothing has changed.
    due: Option<Tick>,
    /// When they were asked last.
    last: Option<Tick>,
    /// Rows that do not wait; given out with the outputs of this input.
    now: Vec<Kept>,
}

impl Keeping {
    /// When rows are collected next.
    pub const fn due(&self) -> Option<Tick> {
        self.due
    }

    /// Whether rows are kept at all.
    #[allow(dead_code, reason = "asked where a row costs work")]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Whether what was kept before was lost, so that limits start closed for what they cannot know.
    #[allow(dead_code, reason = "asked by the owners of limits")]
    pub const fn is_lost(&self) -> bool {
        self.lost
    }
}

impl Engine {
    /// What was kept before this start; the first input of all.
    pub(super) fn recall(&mut self, now: Now, rows: Vec<Kept>) {
        self.keeping.on = true;
        for row in rows {
            match row.kind {
                kept::STORE => self.keeping.lost |= &*row.key == kept::LOST,
                // Nobody here takes it back: it stays in the file.
                _ => {}
            }
        }
        self.keep(now);
    }

    /// Keeps a row with the outputs of this input, where rows are kept at all.
    #[allow(dead_code, reason = "for what must not wait")]
    pub(super) fn keep_now(&mut self, row: Kept) {
        if self.keeping.on {
            self.keeping.now.push(row);
        }
    }

    /// Whether any owner has rows to give.
    fn has_changed(&self) -> bool {
        false
    }

    /// Gives out what does not wait, and asks the owners where that is due. Last of every input.
    pub(super) fn keep(&mut self, now: Now) {
        if !self.keeping.on {
            return;
        }
        if self.keeping.due.is_none() && self.has_changed() {
            let next = self.keeping.last.map_or(now.tick, |last| last.after(COLLECT_EVERY));
            self.keeping.due = Some(next.max(now.tick));
        }
        if self.keeping.due.is_some_and(|due| due <= now.tick) {
            (self.keeping.due, self.keeping.last) = (None, Some(now.tick));
            self.collect(now);
        }
        while !self.keeping.now.is_empty() {
            let rest = self.keeping.now.split_off(self.keeping.now.len().min(ROWS_AT_ONCE));
            self.outputs.push_back(Output::Keep(std::mem::replace(&mut self.keeping.now, rest)));
        }
    }

    /// Takes the rows of every owner that has changed.
    fn collect(&mut self, _now: Now) {}
}
