//! The calls that live, listed and ended by order.
//!
//! Owns the rows, their bound, and which call an id names. Refuses to end a call for help with others: it is named alone, and
//! whole. Read first: `call/told.rs`; DESIGN.md §1, laws 3 and 9.

use super::Engine;
use super::orders::{CallState, Ordered};
use super::transactions::CallKey;
use crate::call::event::EndCause;
use crate::call::told::Told;
use crate::call::{Event, told::Stage};
use crate::clock::Now;
use crate::policy::Direction;
use crate::policy::alert::shortened;

/// Calls that one answer lists, those that began first; the others are counted.
pub const CALLS_TOLD_MAX: usize = 1_000;

/// Digits of an id that name a call, at least.
const ID_DIGITS_MIN: usize = 6;
/// Digits of a whole id.
const ID_DIGITS: usize = 32;
/// Ids that one answer names where several calls begin so, or a call was left alone.
const IDS_TOLD_MAX: usize = 16;

/// A call that an order may end.
struct Live {
    key: CallKey,
    id: u128,
    emergency: bool,
}

impl Engine {
    /// Lists the calls that live.
    pub(super) fn list_calls(&self, now: Now) -> Ordered {
        let mut told: Vec<Told<'_>> = self.calls.iter().map(|(_, entry)| entry.call.told()).collect();
        told.retain(|call| call.stage != Stage::Ending);
        told.sort_by_key(|call| (call.began_at, call.id));
        let all = told.len();
        let calls = told.into_iter().take(CALLS_TOLD_MAX).map(|call| state(now, &call)).collect();
        Ordered::Calls { all, calls }
    }

    /// Ends all calls but those for help, or those whose ids begin so.
    pub(super) fn cut(&mut self, now: Now, ids: &[String], all: bool) -> Ordered {
        let live: Vec<Live> = self
            .calls
            .iter()
            .filter_map(|(key, entry)| {
                let told = entry.call.told();
                told.stage.is_live().then_some(Live { key, id: told.id, emergency: told.emergency })
            })
            .collect();
        let mut chosen: Vec<CallKey> = Vec::new();
        let (mut unknown, mut several, mut helps) = (Vec::new(), Vec::new(), Vec::new());
        if all {
            chosen.extend(live.iter().filter(|call| !call.emergency).map(|call| call.key));
            helps.extend(live.iter().filter(|call| call.emergency).map(|call| hex(call.id)));
        }
        for wanted in ids {
            let digits = wanted.to_ascii_lowercase();
            let well = digits.len() >= ID_DIGITS_MIN && digits.bytes().all(|one| one.is_ascii_hexdigit());
            let found: Vec<&Live> =
                live.iter().filter(|call| well && hex(call.id).starts_with(&digits)).collect();
            match found.as_slice() {
                [] => unknown.push(shortened(wanted)),
                // DESIGN.md law 3: by itself, and by its whole id, so that nobody ends one by mistake.
                [one] if one.emergency && !(ids.len() == 1 && digits.len() == ID_DIGITS) => {
                    helps.push(hex(one.id));
                }
                [one] => chosen.push(one.key),
                [_, _, ..] => several.push(shortened(wanted)),
            }
        }
        chosen.sort_by_key(|key| (key.index, key.generation));
        chosen.dedup();
        for key in &chosen {
            self.drive(now, *key, Event::End(EndCause::Command));
        }
        let cut = chosen.len();
        if cut > 0 {
            let text = format!("{cut} call(s) were ended on both legs by order (`ringfence cut`).");
            self.cut_told(now, "by order", cut, text);
        }
        let emergencies = helps.len();
        helps.truncate(IDS_TOLD_MAX);
        Ordered::Cut { cut, unknown, several, emergencies, left_alone: helps }
    }
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}

fn state(now: Now, call: &Told<'_>) -> CallState {
    let lived = now.tick.since(call.began_at).as_secs();
    let rang = call.answered.map_or(0, |answered| {
        u64::try_from(answered.micros().saturating_sub(call.began.micros()) / 1_000_000).unwrap_or(0)
    });
    CallState {
        id: hex(call.id),
        direction: match call.direction {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Internal => "internal",
            Direction::Transit => "transit",
        },
        from: shortened(call.from),
        to: shortened(call.to),
        caller: call.caller.name.to_string(),
        callee: call.callee.name.to_string(),
        state: call.stage.name(),
        emergency: call.emergency,
        credential: call.credential.map(str::to_owned),
        began: call.began.rfc3339(),
        answered: call.answered.map(crate::clock::Wall::rfc3339),
        duration_s: if call.answered.is_some() { lived.saturating_sub(rang) } else { 0 },
        lived_s: lived,
    }
}
