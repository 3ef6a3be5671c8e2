//! The ladder as a whole: row F7 of the attacks, and the bounds of F6.

use std::collections::VecDeque;

use super::*;
use crate::clock::Wall;

const TRUNK: PeerId = PeerId(3);

struct Site {
    floods: Floods,
    settings: Settings,
    alerts: VecDeque<Box<Alert>>,
    millis: u64,
}

fn now(millis: u64) -> Now {
    let micros = millis * 1_000;
    Now { tick: Tick::from_micros(micros), wall: Wall::from_micros(1_700_000_000_000_000 + micros as i64) }
}

impl Site {
    fn new() -> Self {
        Self { floods: Floods::new(7), settings: Settings::default(), alerts: VecDeque::new(), millis: 1_000 }
    }

    fn calls(&mut self, caller: &str, called: &str, taken: u32) -> Option<(u32, Option<u16>)> {
        self.knocks(caller, called, taken, false)
    }

    fn knocks(
        &mut self,
        caller: &str,
        called: &str,
        taken: u32,
        calls_back: bool,
    ) -> Option<(u32, Option<u16>)> {
        let knock = Knock {
            trunk: (TRUNK, "carrier"),
            circle: "office",
            caller,
            called,
            channels: 30,
            taken,
            calls_back,
            draw: 11,
        };
        let known = Floods::caller_key(1, "office", caller);
        match self.floods.knock(&self.settings, now(self.millis), (&knock, known), &mut self.alerts) {
            Answer::Pass => None,
            Answer::Refuse(held) => Some((held.code.number, held.status)),
        }
    }

    /// So many calls, one each so many milliseconds, of ever new callers; how many passed.
    fn flood(&mut self, calls: u64, every: u64, called: &str, taken: u32) -> u64 {
        let mut passed = 0;
        for _ in 0..calls {
            let caller = format!("+1{:010}", self.millis * 7_919 % 10_000_000_000);
            passed += u64::from(self.calls(&caller, called, taken).is_none());
            self.millis += every;
        }
        passed
    }
}

#[test]
fn f7_ten_calls_a_minute_are_no_flood_and_eleven_for_half_a_minute_are() {
    let mut site = Site::new();
    assert_eq!(site.flood(60, 6_600, "+12125550100", 0), 60);
    assert!(site.alerts.is_empty());
    // One caller alone, twelve times a minute.
    let mut refused = 0;
    for _ in 0..60 {
        refused += u64::from(site.calls("+13035550199", "+12125550100", 0).is_some());
        site.millis += 5_000;
    }
    assert!(refused >= 30, "{refused}");
    // It goes on for two minutes more: who is not known must call twice, which is told, too.
    let codes: Vec<u32> = site.alerts.iter().map(|alert| alert.code.number).collect();
    assert_eq!(codes, [39401, 39404], "{:?}", site.alerts);
}

#[test]
fn f7_a_flood_of_new_callers_to_one_number_leaves_the_others_alone() {
    let mut site = Site::new();
    // A minute and a half at a hundred a second, while more than four fifths are taken: who is new must call twice.
    let passed = site.flood(9_000, 10, "+12125550100", 85);
    assert!(passed <= 11, "{passed} passed");
    let others =
        (0..10).filter(|n| site.calls(&format!("+1415555{n:04}"), "+12125550101", 85).is_some()).count();
    assert_eq!(others, 0);
    let met = site.floods.met(&site.settings, now(site.millis).tick, 10);
    let told: Vec<_> = met.iter().map(|met| (met.number.as_deref(), met.level)).collect();
    assert_eq!(told, [(Some("+12125550100"), "reserve")]);
    assert!(site.alerts.len() <= 2, "{:?}", site.alerts);
    // It is quiet: one step down in each five minutes.
    let after =
        |minutes: u64| site.floods.met(&site.settings, now(site.millis + minutes * 60_000).tick, 10).len();
    assert_eq!([after(4), after(6), after(11)], [1, 1, 0]);
}

#[test]
fn f7_who_is_known_helps_or_is_listed_is_let_in() {
    let mut site = Site::new();
    let did = "+12125550100";
    site.settings.allow = vec![Pattern::Prefix("+1800".into())];
    let known = Floods::caller_key(1, "office", "+14155550123").unwrap();
    site.floods.known.note(now(0).wall, known);
    site.flood(200, 10, did, 85);
    assert_eq!(site.calls("+14155550123", did, 85), None, "known");
    assert_eq!(site.calls("+18005550123", did, 85), None, "listed");
    assert_eq!(
        site.calls("+13035550111", did, 85),
        Some((39401, Some(486))),
        "new, and nothing is left for it"
    );
    assert_eq!(site.calls("+13035550111", did, 60), Some((39404, None)), "new");
    site.millis += 19_000;
    assert_eq!(site.calls("+13035550111", did, 60), Some((39404, None)), "too soon");
    site.millis += 1_000;
    assert_eq!(site.calls("+13035550111", did, 60), None, "a second call");
    assert_eq!(site.calls("anonymous", did, 60), Some((39404, None)));
    // All channels: only who is known.
    site.flood(200, 10, did, 96);
    assert_eq!(site.calls("+13035550111", did, 60), Some((39401, Some(486))));
    assert_eq!(site.calls("+14155550123", did, 100), None, "known");
    assert_eq!(
        site.floods.ring_max(&site.settings, now(site.millis).tick, TRUNK, did),
        Some(site.settings.ring_max)
    );
    assert_eq!(site.floods.ring_max(&site.settings, now(site.millis).tick, TRUNK, "+12125550101"), None);
    // Anybody can say that it helps, until somebody there has called for help.
    assert!(site.knocks("+19115550000", did, 100, true).is_some());
    site.floods.helps(now(site.millis).tick, "office", &["2125550101"]);
    assert_eq!(site.knocks("+19115550000", did, 100, true), None, "a call back");
    assert!(site.calls("+19115550000", did, 100).is_some());
    site.floods.helps(now(site.millis).tick, "office", &["12125550100"]);
    assert_eq!(site.calls("+19115550000", did, 100), None, "to the number that called for help");
    site.millis += 4 * 3_600_000;
    site.flood(200, 10, did, 85);
    assert!(site.knocks("+19115550000", did, 100, true).is_some(), "no more");
}

#[test]
fn f7_a_flood_over_all_numbers_is_met_at_the_trunk_and_503_is_for_those_who_want_it() {
    let mut site = Site::new();
    for n in 0..4_000_u64 {
        let called = format!("+1212555{:04}", n % 500);
        let _ = site.calls(&format!("+1303{:07}", n * 37), &called, 0);
        site.millis += 100;
    }
    let met = site.floods.met(&site.settings, now(site.millis).tick, 10);
    assert_eq!(met.first().map(|met| (met.number.clone(), met.level)), Some((None, "reserve")));
    site.settings.failover = vec![TRUNK];
    assert_eq!(site.calls("+17185550123", "+12125550999", 0), Some((39404, Some(503))));
}

#[test]
fn f6_a_million_callers_of_a_million_numbers_fit_into_the_tables() {
    let mut site = Site::new();
    for n in 0..1_000_000_u64 {
        let _ = site.calls(&format!("+1{n:010}"), &format!("+44{n:010}"), 85);
        site.millis += u64::from(n % 2 == 0);
    }
    assert!(site.floods.bytes() <= WATCHED_MAX * 1_024 + 3 * KEYS_MAX * 16, "{}", site.floods.bytes());
    assert!(site.alerts.len() <= 100, "{}", site.alerts.len());
}
