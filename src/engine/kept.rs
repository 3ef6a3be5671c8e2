//! What outlives the process: rows out when something has changed, rows back in at the start.
//!
//! Owns when rows are collected: at most once a second, and at once for what must not wait. Refuses to know what a row
//! means (its owner does) and where it is written (the shell does).
//! Read first: `policy/kept.rs`; DESIGN.md §1, law 11.
//!
//! An engine that was never recalled to anything keeps nothing: the shell gives it `Input::Recall`, with no rows if there
//! are none, where it has a store.

use std::sync::Arc;
use std::time::Duration;

use super::transactions::CallKey;
use super::{Engine, Output, accounts};
use crate::call::kept::KeptCall;
use crate::call::{Call, Context};
use crate::clock::{Now, Tick};
use crate::policy::kept;
use crate::policy::{Alert, Kept, code};

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

/// Calls that were found open at the start.
#[derive(Debug, Default)]
struct Recovered {
    /// Ended on both legs, or on the one whose peer is still known.
    ended: usize,
    /// Left to themselves: the policy knows neither peer any more.
    left: usize,
}

impl Recovered {
    fn alert(&self, now: Now) -> Box<Alert> {
        let Self { ended, left } = self;
        let mut text = format!(
            "{ended} call(s) that a crash or a power cut left open were ended with a BYE on both legs, and recorded with the \
             time until now."
        );
        if *left > 0 {
            text.push_str(&format!(
                " {left} more could not be: this policy knows neither of their peers. Ask the carrier to end them."
            ));
        }
        let mut alert = Alert::new(code::RECOVERED_CALLS, now.wall, text);
        alert.evidence.push(("ended", ended.to_string()));
        alert.evidence.push(("left", left.to_string()));
        Box::new(alert)
    }
}

fn dialog_row(id: u128, call: &KeptCall) -> Kept {
    // What holds text and numbers alone can be written.
    Kept::row(kept::DIALOG, format!("{id:032x}"), serde_json::to_string(call).unwrap_or_default())
}

/// Takes the row of a call away.
pub(super) fn dialog_gone(id: u128) -> Kept {
    Kept::gone(kept::DIALOG, format!("{id:032x}"))
}

impl Keeping {
    /// When rows are collected next.
    pub const fn due(&self) -> Option<Tick> {
        self.due
    }

    /// Whether rows are kept at all.
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
        let mut recovered = Recovered::default();
        let mut seeded = false;
        for row in rows {
            match row.kind {
                kept::DIALOG => self.recall_dialog(now, &row, &mut recovered),
                kept::BAN => self.recall_ban(now, &row),
                kept::SUSPENSION => self.recall_suspension(now, &row),
                kept::ACCOUNT => self.recall_account(&row),
                kept::KNOWN_CALLER => self.recall_caller(now, &row),
                kept::SEED => seeded |= self.recall_seed(&row),
                kept::STORE => self.keeping.lost |= &*row.key == kept::LOST,
                // Nobody here takes it back: it stays in the file.
                _ => {}
            }
        }
        if !seeded {
            self.keep_seed();
        }
        if recovered.ended + recovered.left > 0 {
            self.alert(recovered.alert(now));
        }
    }

    /// The ban of a stranger, with the time that is left of it.
    fn recall_ban(&mut self, now: Now, row: &Kept) {
        if !self.sources.recall(&self.policy, now, row) {
            self.keep_now(Kept::gone(kept::BAN, row.key.clone()));
        }
    }

    /// A call that a crash left open: ended on both legs, and recorded.
    fn recall_dialog(&mut self, now: Now, row: &Kept, recovered: &mut Recovered) {
        let id = u128::from_str_radix(&row.key, 16).ok();
        let call = row.value.as_deref().and_then(|value| serde_json::from_str::<KeptCall>(value).ok());
        let (Some(id), Some(mut call)) = (id, call) else {
            // Nobody can read it, now or later.
            return self.keep_now(Kept::gone(kept::DIALOG, row.key.clone()));
        };
        let policy = Arc::clone(&self.policy);
        let Some(from) = call.peer(&policy) else {
            recovered.left += 1;
            if !call.recorded {
                self.counts.records += 1;
                self.outputs.push_back(Output::Record(Box::new(call.record(now, id))));
            }
            return self.keep_now(dialog_gone(id));
        };
        recovered.ended += 1;
        let birth =
            |context: &mut Context<'_>| Call::recalled(&call, id, &policy, context).map(|call| (call, true));
        let key = self.bring_perhaps(now, (&policy, from), (None, None), birth);
        match key.and_then(|key| self.calls.at(key)) {
            Some(entry) => entry.dialog = Some(entry.call.mark()),
            // Nobody could be told.
            None => return self.keep_now(dialog_gone(id)),
        }
        // Should this process crash, too, the record is not written again.
        call.recorded = true;
        self.keep_now(dialog_row(id, &call));
    }

    /// A row for a call that is up, where it has none, or another one where its dialogs have changed.
    pub(super) fn keep_dialog(&mut self, key: CallKey) {
        let Some(entry) = self.calls.at(key).filter(|entry| !entry.recorded) else { return };
        let mark = entry.call.mark();
        if !entry.call.is_up() || entry.dialog == Some(mark) {
            return;
        }
        let Some(call) = entry.call.kept() else { return };
        entry.dialog = Some(mark);
        let row = dialog_row(entry.call.id(), &call);
        self.keep_now(row);
    }

    /// A call is over for people. One that was recalled has no mark yet when it is recorded: its row stays until its BYEs
    /// are answered.
    pub(super) fn dialog_over(&mut self, key: CallKey) {
        let Some(entry) = self.calls.at(key) else { return };
        if entry.dialog.take().is_some() {
            let id = entry.call.id();
            self.keep_now(dialog_gone(id));
        }
    }

    /// Keeps a row with the outputs of this input, where rows are kept at all.
    pub(super) fn keep_now(&mut self, row: Kept) {
        if self.keeping.on {
            self.keeping.now.push(row);
        }
    }

    /// Whether any owner has rows to give.
    fn has_changed(&self) -> bool {
        self.sources.has_changed() || self.counters.ledger.has_changed() || self.floods.known.has_changed()
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
    fn collect(&mut self, now: Now) {
        self.keeping.now.extend(self.sources.rows(&self.policy, now));
        self.keeping.now.extend(accounts::rows(&mut self.counters.ledger, now));
        self.keeping.now.extend(self.floods.known.rows());
    }
}
