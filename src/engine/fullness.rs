//! Tables that come near their limit, and what is said of it.
//!
//! Owns when an admin is told, so that a flood is one alert and not thousands. Refuses to know the tables.
//! Read first: DESIGN.md law 9.

use std::time::Duration;

use super::Engine;
use crate::clock::{Now, Tick};
use crate::policy::{Alert, code};

/// Between two alerts about requests that were turned away because a table is full.
const SHEDDING_TOLD: Duration = Duration::from_secs(1);

/// Whether a table was near its limit when last looked at.
#[derive(Debug, Default)]
pub struct Nearness(bool);

impl Nearness {
    /// True once when four fifths are used; again only after it was down to a half.
    pub fn rises(&mut self, used: usize, limit: usize) -> bool {
        if used <= limit / 2 {
            self.0 = false;
        }
        used >= limit - limit / 5 && !std::mem::replace(&mut self.0, true)
    }
}

/// Requests turned away, folded.
#[derive(Debug, Default)]
pub struct Shedding {
    untold: u64,
    told: Option<Tick>,
}

impl Shedding {
    /// One more; how many to tell now, if it is time.
    pub fn tells(&mut self, now: Tick) -> Option<u64> {
        self.untold += 1;
        if self.told.is_some_and(|told| now < told.after(SHEDDING_TOLD)) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Engine {
    /// 39403, once for each time that a table fills.
    pub(super) fn near_limit(&mut self, now: Now) {
        let (servers, servers_max) = (self.transactions.servers(), self.settings.transactions_max);
        if self.servers_near.rises(servers, servers_max) {
            self.near_alert(now, "server transactions", servers, servers_max);
        }
        let (clients, clients_max) = (self.transactions.clients(), self.settings.client_transactions_max);
        if self.clients_near.rises(clients, clients_max) {
            self.near_alert(now, "client transactions", clients, clients_max);
        }
        let (calls, calls_max) = (self.calls.len(), self.settings.calls_max);
        if self.calls_near.rises(calls, calls_max) {
            self.near_alert(now, "calls", calls, calls_max);
        }
    }

    fn near_alert(&mut self, now: Now, table: &'static str, used: usize, limit: usize) {
        let text = format!(
            "The table of {table} holds {used} of {limit}; what comes above is refused. Raise `limits` if this load is meant."
        );
        let mut alert = Alert::new(code::TABLE_NEAR_LIMIT, now.wall, text);
        alert.about = Some(table.into());
        alert.evidence.push(("table", table.to_owned()));
        self.alert(Box::new(alert));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearness_is_told_once_for_each_rise() {
        let mut near = Nearness::default();
        let told: Vec<bool> = [79, 80, 81, 100, 60, 90, 50, 79, 80].map(|used| near.rises(used, 100)).into();
        assert_eq!(told, [false, true, false, false, false, false, false, false, true]);
    }

    #[test]
    fn shedding_is_told_once_a_second_with_its_number() {
        let mut shedding = Shedding::default();
        let at = |millis: u64| Tick::from_micros(millis * 1_000);
        assert_eq!(shedding.tells(at(0)), Some(1));
        assert_eq!([shedding.tells(at(1)), shedding.tells(at(999))], [None, None]);
        assert_eq!(shedding.tells(at(1_000)), Some(3));
    }
}
