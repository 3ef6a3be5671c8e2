//! Orders that suspend something, carried out: entered, told, and the live calls that they cover ended.
//!
//! Owns the alerts 39801 to 39803 of such orders and their end by the clock. Refuses to know what falls under an order: the policy
//! does. Read first: `policy/suspended.rs`; DESIGN.md §1, laws 3 and 8.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::calls::Entry;
use super::orders::{Ordered, SuspensionState, Whom};
use super::transactions::CallKey;
use super::{Engine, Output};
use crate::call::event::EndCause;
use crate::call::{Event, told};
use crate::clock::{Now, Tick, Wall};
use crate::policy::number::Number;
use crate::policy::suspended::{
    About, Held, Kind, LASTS_MAX, SUSPENSIONS_MAX, Strength, Suspension, WHY_CHARS_MAX, words,
};
use crate::policy::{Alert, Kept, Policy, code, kept};

/// The wall clock may be set: a suspension that ends by it is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// Suspends something.
    pub(super) fn suspend(
        &mut self,
        now: Now,
        whom: &Whom,
        strength: Strength,
        lasts: Option<Duration>,
        why: &str,
    ) -> Ordered {
        let (kind, name) = whom.parts();
        let name = match kind.known(name, &self.policy) {
            Ok(name) => name,
            Err(unknown) => return Ordered::Refused { why: unknown.why, known: unknown.known },
        };
        let until = lasts.map(|lasts| wall_after(now.wall, lasts.min(LASTS_MAX)));
        let why = why.chars().filter(|one| !one.is_control()).take(WHY_CHARS_MAX).collect::<String>();
        let suspension = Suspension { strength, since: now.wall, until, why: why.into() };
        self.resume_ended(now);
        let Ok(before) = self.counters.suspensions.put(kind, &name, suspension.clone()) else {
            let why = format!(
                "{SUSPENSIONS_MAX} suspensions are in force, as many as there may be: take one back first (`ringfence status` \
                 lists them), or suspend the site or peer as a whole"
            );
            return Ordered::Refused { why, known: Vec::new() };
        };
        let held = (kind, &*name, &suspension);
        self.keep_now(row(held));
        let calls_cut = self.cut_under(now, held);
        self.suspension_told(now, held, calls_cut);
        self.suspension_due(now);
        Ordered::Suspended { suspension: state(held), replaced: before.is_some(), calls_cut }
    }

    /// Takes one order back, or all of them.
    pub(super) fn resume(&mut self, now: Now, whom: Option<&Whom>) -> Ordered {
        self.resume_ended(now);
        let all = || self.counters.suspensions.told().into_iter().map(words).collect::<Vec<_>>();
        let Some(whom) = whom else {
            let held = self.counters.suspensions.told().into_iter();
            let held: Vec<_> = held.map(|(kind, name, _)| (kind, Box::<str>::from(name))).collect();
            return Ordered::Resumed { lifted: self.lifted(now, held, "by order") };
        };
        let (kind, name) = whom.parts();
        // What the policy knows no more can be taken back all the same.
        let name = kind.known(name, &self.policy).unwrap_or_else(|_| name.into());
        if self.counters.suspensions.of(kind, &name).is_none() {
            let why = format!("{} {name} is not suspended", kind.name());
            return Ordered::Refused { why, known: all() };
        }
        Ordered::Resumed { lifted: self.lifted(now, vec![(kind, name)], "by order") }
    }

    /// Takes those orders back whose time is over.
    pub(super) fn resume_ended(&mut self, now: Now) {
        let over = self.counters.suspensions.expire(now.wall);
        for (kind, name, _) in over {
            self.resumed_told(now, kind, &name, "for its time is over");
        }
        self.suspension_due(now);
    }

    fn lifted(&mut self, now: Now, held: Vec<(Kind, Box<str>)>, how: &str) -> Vec<String> {
        let mut lifted = Vec::with_capacity(held.len());
        for (kind, name) in held {
            if self.counters.suspensions.lift(kind, &name).is_some() {
                self.resumed_told(now, kind, &name, how);
                lifted.push([kind.name(), " ", &name].concat());
            }
        }
        self.suspension_due(now);
        lifted
    }

    /// When the next one ends by itself, or is looked at again.
    fn suspension_due(&mut self, now: Now) {
        self.suspensions_due = self.counters.suspensions.next_end().map(|end| {
            let left = u64::try_from(end.micros().saturating_sub(now.wall.micros())).unwrap_or(0);
            now.tick.after(Duration::from_micros(left).min(LOOK_EVERY))
        });
    }

    /// A deadline of theirs may have come.
    pub(super) fn suspensions_time(&mut self, now: Now) {
        if self.suspensions_due.is_some_and(|due| due <= now.tick) {
            self.resume_ended(now);
        }
    }

    /// Ends the live calls that an order covers; how many.
    fn cut_under(&mut self, now: Now, (kind, name, suspension): Held<'_>) -> usize {
        if suspension.strength == Strength::New {
            return 0;
        }
        let covered = |entry: &Entry, policy: &Policy| {
            with_about(entry, policy, |about| {
                about.is_under(kind, name) && suspension.strength.cuts(about.is_high_risk())
            })
        };
        let calls = self.calls.iter().filter(|(_, entry)| covered(entry, &self.policy));
        let keys: Vec<CallKey> = calls.map(|(key, _)| key).collect();
        for key in &keys {
            self.drive(now, *key, Event::End(EndCause::Suspended));
        }
        keys.len()
    }

    /// 39801, and 39803 where calls were ended.
    fn suspension_told(&mut self, now: Now, held: Held<'_>, calls_cut: usize) {
        let (kind, name, suspension) = held;
        let what = words(held);
        let live = match suspension.strength {
            Strength::New => "calls that are up go on",
            Strength::HighRisk => "calls that are up to a number of high risk were ended",
            Strength::All => "calls that are up were ended",
        };
        let until = suspension.until.map_or_else(
            || "until it is taken back".to_owned(),
            |until| format!("until {}", until.rfc3339()),
        );
        let why = if suspension.why.is_empty() { String::new() } else { format!(" ({})", suspension.why) };
        let text = format!(
            "{what} was suspended by order{why}: new calls are refused {until}, {live}, emergency calls go through. `ringfence \
             resume --{} {name}` lifts that.",
            kind.name()
        );
        let mut alert = Alert::new(code::SUSPENDED, now.wall, text);
        alert.about = Some(what.clone().into());
        alert.evidence.push(("strength", suspension.strength.name().to_owned()));
        alert.evidence.push(("calls_cut", calls_cut.to_string()));
        alert.evidence.extend(suspension.until.map(|until| ("until", until.rfc3339())));
        self.alert(Box::new(alert));
        if calls_cut > 0 {
            let text = format!(
                "{calls_cut} call(s) were ended on both legs, for {what} was suspended by order{why}."
            );
            self.cut_told(now, &what, calls_cut, text);
        }
    }

    /// 39803.
    pub(super) fn cut_told(&mut self, now: Now, about: &str, calls: usize, text: String) {
        let mut alert = Alert::new(code::CALLS_CUT, now.wall, text);
        alert.about = Some(about.to_owned().into());
        alert.evidence.push(("calls", calls.to_string()));
        self.alert(Box::new(alert));
    }

    /// 39802; and it is kept no more.
    fn resumed_told(&mut self, now: Now, kind: Kind, name: &str, how: &str) {
        let what = [kind.name(), " ", name].concat();
        self.keep_now(Kept::gone(kept::SUSPENSION, &*what));
        let text = format!("{what} was resumed {how}: its calls are judged as any others again.");
        let mut alert = Alert::new(code::RESUMED, now.wall, text);
        alert.about = Some(what.into());
        self.outputs.push_back(Output::Alert(Box::new(alert)));
    }

    /// Takes back what was suspended before this start. What cannot be read stays in the file, and suspends nothing.
    pub(super) fn recall_suspension(&mut self, now: Now, row: &Kept) {
        let Some((kind, name, suspension)) = read(row) else { return };
        if suspension.holds(now.wall) {
            // As many fit as were kept.
            let _full = self.counters.suspensions.put(kind, name, suspension);
            self.suspension_due(now);
        } else {
            self.resumed_told(now, kind, name, "for its time is over");
        }
    }

    /// What is suspended, in order.
    pub(super) fn suspension_states(&self, at: Wall) -> Vec<SuspensionState> {
        let told = self.counters.suspensions.told().into_iter();
        told.filter(|(_, _, suspension)| suspension.holds(at)).map(state).collect()
    }

    /// When the suspensions are looked at next.
    pub(super) const fn next_suspension(&self) -> Option<Tick> {
        self.suspensions_due
    }
}

fn state(held: Held<'_>) -> SuspensionState {
    let (kind, name, suspension) = held;
    SuspensionState {
        kind: kind.name(),
        name: name.to_owned(),
        strength: suspension.strength.name(),
        since: suspension.since.rfc3339(),
        until: suspension.until.map(Wall::rfc3339),
        why: suspension.why.to_string(),
        resume: format!("ringfence resume --{} {name}", kind.name()),
    }
}

/// An order as it is kept. Wall times are microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Value {
    strength: Strength,
    since_us: i64,
    until_us: Option<i64>,
    why: String,
}

fn row(held: Held<'_>) -> Kept {
    let (.., suspension) = held;
    let value = Value {
        strength: suspension.strength,
        since_us: suspension.since.micros(),
        until_us: suspension.until.map(Wall::micros),
        why: suspension.why.to_string(),
    };
    Kept::row(kept::SUSPENSION, words(held), json!(value).to_string())
}

fn read(row: &Kept) -> Option<(Kind, &str, Suspension)> {
    let (kind, name) = row.key.split_once(' ')?;
    let value: Value = serde_json::from_str(row.value.as_deref()?).ok()?;
    let suspension = Suspension {
        strength: value.strength,
        since: Wall::from_micros(value.since_us),
        until: value.until_us.map(Wall::from_micros),
        why: value.why.chars().take(WHY_CHARS_MAX).collect::<String>().into(),
    };
    Some((Kind::named(kind)?, name, suspension))
}

fn wall_after(wall: Wall, lasts: Duration) -> Wall {
    Wall::from_micros(wall.micros().saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)))
}

/// What a live call is about; false for one that is over.
fn with_about(entry: &Entry, policy: &Policy, asks: impl FnOnce(&About<'_>) -> bool) -> bool {
    let told = entry.call.told();
    if !told.stage.is_live() {
        return false;
    }
    asks(&about(entry, &told, policy))
}

fn about<'a>(entry: &'a Entry, told: &told::Told<'a>, policy: &'a Policy) -> About<'a> {
    About {
        policy,
        direction: told.direction,
        emergency: told.emergency,
        from: Some(told.caller),
        to: Some(told.callee),
        credential: told.credential,
        callers: [told.from, entry.caller_sent.as_deref().unwrap_or_default(), told.forwarder],
        called: told.to,
        number: told.number.map(|known| -> &Number { &known.reading.number }),
    }
}
