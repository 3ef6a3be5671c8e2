//! Emergency calls at the door: what is kept free for them, and what of their INVITEs is passed over.
//!
//! Owns the bounds of what is kept in the tables of transactions and of calls, and which requests may use it. Refuses to know what
//! the call is spared then (`call/help`). Read first: DESIGN.md §1, laws 3 and 9.

use super::Engine;
use super::admission::{busy, is_attempt};
use super::checks;
use super::intake::Arrived;
use super::refuse::Wrong;
use super::requests::refusal_alert;
use super::transactions::Owner;
use super::users::Users;
use crate::clock::Now;

/// Calls, and transactions on either side, beyond all that this edge takes that an emergency may still have: memory has an end,
/// too. What is above that is answered as what is above the tables: 480, or 503.
pub(super) const EMERGENCIES_MAX: usize = 1_000;

impl Engine {
    /// Whether a request may use what is kept of the table of transactions: the INVITE of an emergency. It is read for that only
    /// while the table is full.
    pub(super) fn is_urgent(&self, arrived: &Arrived<'_>) -> bool {
        self.transactions.servers() >= self.settings.transactions_max
            && is_attempt(arrived)
            && Users::read(arrived).is_emergency(arrived)
    }

    /// The same for a request of ours: any of an emergency's, for a call that cannot be acknowledged is none.
    pub(super) fn is_urgently_owned(&mut self, owner: Owner) -> bool {
        let Owner::Call { key, .. } = owner else { return false };
        self.transactions.clients_are_full()
            && self.calls.at(key).is_some_and(|entry| entry.call.told().emergency)
    }

    /// What must hold of an INVITE that calls for help: nothing but that there is memory for it, and that its body has one reading.
    pub(super) fn may_call_for_help(&mut self, now: Now, arrived: &Arrived<'_>) -> Result<(), Wrong> {
        checks::body_for_help(arrived.message)?;
        let amiss = [
            checks::contact(arrived.message, &arrived.flow, arrived.policy),
            checks::session_body(arrived.message),
        ];
        for wrong in amiss.into_iter().filter_map(Result::err) {
            self.passed_over(now, arrived, &wrong);
        }
        if self.calls.len() < self.settings.calls_max.saturating_add(EMERGENCIES_MAX) {
            Ok(())
        } else {
            Err(busy(arrived.peer))
        }
    }

    /// Tells what would have refused any other call.
    pub(super) fn passed_over(&mut self, now: Now, arrived: &Arrived<'_>, wrong: &Wrong) {
        let mut alert = refusal_alert(now, arrived, wrong);
        alert.sip_status = None;
        alert.text = format!("{} An emergency call: it was passed over.", alert.text);
        self.alert(alert);
    }
}
