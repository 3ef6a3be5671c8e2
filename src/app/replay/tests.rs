//! Rows under policies: what is refused and cut, what it saves, and the documented weekend attack under each limit
//! (spec/limits.md, "Replay of the documented weekend attack").

use std::fmt::Write as _;

use super::rows::{Shape, read};
use super::tally::Kind;
use super::*;
use crate::clock::Wall;
use crate::policy::money::Money;

const HEAD: &str = "start,direction,peer,from,to,duration_s,answered,label,ring_s\n";

/// Two peers and a trunk that dials anything; `MORE` and `RULES` are put in by a case.
const OFFICE: &str = r#"
listeners:
  inside: { bind: "192.0.2.1:5060", transports: [udp] }
  outside: { bind: "198.51.100.1:5060", transports: [udp] }
peers:
  pbx: { side: inside, listener: inside, sources: [192.0.2.10], targets: ["192.0.2.10:5060"], transports: [udp], plain_signalling: allow,
    plain_media: allow, concurrent_calls: 5000, requests_per_second: 1000, requests_burst: 1000 MORE }
  trunk: { side: outside, listener: outside, sources: [203.0.113.10], targets: ["203.0.113.10:5060"], transports: [udp],
    plain_signalling: allow, plain_media: allow, concurrent_calls: 5000, requests_per_second: 1000, requests_burst: 1000 }
sites:
  office: { peers: [pbx, trunk], dids: ["+12125550100"], channels: 5000 }
routes:
  - { name: out, direction: outbound, from: [pbx], called: ["+*"], to: [trunk] }
  - { name: in, direction: inbound, from: [trunk], called: [did], to: [pbx] }
RULES
"#;

fn office(more: &str, rules: &str) -> Source {
    Source::of_text("office.yaml", &OFFICE.replace("MORE", more).replace("RULES", rules))
}

fn verdicts(tally: &Tally) -> Vec<(&'static str, u32, String, u32)> {
    let told = |verdict: &tally::Verdict| {
        let (code, rule) =
            tally.by(verdict).map(|(code, rule)| (*code, rule.to_string())).unwrap_or_default();
        (verdict.kind.name(), code, rule, verdict.cut_ms)
    };
    tally.verdicts.iter().map(told).collect()
}

#[test]
fn rows_are_admitted_refused_and_cut_by_the_rule_that_says_so() {
    let rules = "caps: none\nrates: { other_rate: 3 }\npolicy:\n  outbound:\n    - blocklist: { prefixes: [\"+1900\"] }\n    \
                 - max_duration: 2m\n";
    let table = format!(
        "{HEAD}2026-12-05T02:00:00Z,,,201,+19005550100,60,1,fraud,\n\
         2026-12-05T02:00:01Z,,,201,+12125550142,60,1,good,\n\
         2026-12-05T02:00:02Z,outbound,pbx,201,+12125550143,300,1,good,0\n\
         2026-12-05T02:00:03Z,inbound,trunk,+4930123,+12125550100,60,1,,\n\
         2026-12-05T02:00:04Z,outbound,pbx,201,+12125550144,0,0,,\n\
         2026-12-05T02:00:05Z,outbound,pbx,201,5550144,60,1,,\n"
    );
    let tally = play(&office("", rules), table.as_bytes(), &[]).unwrap();
    let found = verdicts(&tally);
    assert_eq!(found[0].0, "refused");
    assert!(found[0].2.contains("blocklist"), "{found:?}");
    assert_eq!((found[1].0, found[3].0, found[4].0), ("admitted", "admitted", "admitted"), "{found:?}");
    assert_eq!((found[2].0, found[2].1, found[2].3), ("cut", 32015, 120_000), "{found:?}");
    assert!(found[2].2.contains("max_duration"), "{found:?}");
    assert_eq!((found[5].0, &*found[5].2), ("refused", "routes"), "{found:?}");
    // Two calls out, of one and two minutes, and one in, which costs nothing.
    assert_eq!((tally.out.rows, tally.out.talk_ms, tally.out.money), (3, 240_000, Money::units(9)));
    assert_eq!((tally.cut.money, tally.cut.talk_ms), (Money::units(9), 180_000));
    assert_eq!(tally.refused.money, Money::units(6));
    assert_eq!((tally.good, tally.good_refused, tally.fraud, tally.fraud_out.rows), (2, 1, 1, 0));
}

#[test]
fn caps_count_in_the_time_of_the_rows_and_a_budget_cuts() {
    let rules = "caps:\n  - { count: spend_per_day, of: outbound, per: caller, block: none }\n  - { count: minutes_per_day, of: international, \
                 per: caller, block: none }\n  - { count: calls_at_once, of: outbound, per: site, block: 1 }\n  - { count: spend_per_day, of: outbound, \
                 per: site, block: 10 }\nrates: { other_rate: 1 }\n";
    let table = format!(
        "{HEAD}2026-12-05T02:00:00Z,,,201,+12125550142,60,1,,0\n\
         2026-12-05T02:00:30Z,,,202,+12125550143,60,1,,0\n\
         2026-12-05T02:01:30Z,,,202,+12125550143,3600,1,,0\n\
         2026-12-05T03:30:00Z,,,203,+12125550144,60,1,,0\n\
         2026-12-06T05:00:00Z,,,203,+12125550144,60,1,,0\n"
    );
    let tally = play(&office("", rules), table.as_bytes(), &[]).unwrap();
    let found = verdicts(&tally);
    let kinds: Vec<&str> = found.iter().map(|one| one.0).collect();
    assert_eq!(kinds, ["admitted", "refused", "cut", "refused", "admitted"], "{found:?}");
    assert_eq!((found[1].1, found[2].1, found[3].1), (10004, 39302, 39302), "{found:?}");
    assert_eq!((&*found[1].2, &*found[2].2), ("caps[2]", "caps[3]"), "{found:?}");
    assert!(found[2].3 <= 540_000 && found[2].3 > 535_000, "nine more minutes are paid for: {found:?}");
    assert!(tally.out.money <= Money::units(11));
}

#[test]
fn hours_go_by_the_clock_of_the_rows_and_passwords_count_as_shown() {
    let rules = "caps: none\npolicy:\n  outbound:\n    - hours: { zone: Europe/Riga, open: [\"mon-fri 08:00-18:00\"] }\n";
    let table = format!(
        "{HEAD}2026-12-04T10:00:00Z,,,201,+12125550142,60,1,,\n2026-12-05T10:00:00Z,,,201,+12125550142,60,1,,\n"
    );
    let credentials = ", credentials: [{ user: office, ha1: { sha_256: HASH }, from: [any] }], realm: example.com, algorithms: [sha-256]";
    let hash = "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232";
    for more in ["".to_owned(), credentials.replace("HASH", hash)] {
        let tally = play(&office(&more, rules), table.as_bytes(), &[]).unwrap();
        let kinds: Vec<Kind> = tally.verdicts.iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [Kind::Admitted, Kind::Refused], "{:?}", verdicts(&tally));
    }
}

#[test]
fn who_sends_a_row_is_asked_for_where_nothing_says_it() {
    let second = OFFICE.replace("MORE", "").replace("RULES", "caps: none").replace(
        "  trunk: {",
        "  other: { side: inside, listener: inside, sources: [192.0.2.11], plain_signalling: allow, plain_media: allow }\n  trunk: {",
    );
    let source = Source::of_text("two.yaml", &second.replace("[pbx, trunk]", "[pbx, other, trunk]"));
    let table = format!("{HEAD}2026-12-04T10:00:00Z,,,201,+12125550142,60,1,,\n");
    let failed = play(&source, table.as_bytes(), &[]).unwrap_err();
    assert!(failed.contains("--peer NAME") && failed.contains("other"), "{failed}");
    let failed = play(&source, table.as_bytes(), &["pbk".to_owned()]).unwrap_err();
    assert!(failed.contains("did you mean pbx"), "{failed}");
    let tally = play(&source, table.as_bytes(), &["pbx".to_owned()]).unwrap();
    assert_eq!(tally.admitted, 1);
}

/// One call each 2.67 s from Friday evening on for 44 hours; each holds ten minutes at least and four hours at most, a bit more than
/// 25 minutes on average, so that 568 are up at once where nothing limits them.
fn weekend(hours: u32) -> Vec<u8> {
    const EVERY_MS: u32 = 2_670;
    let begin = "2026-12-04T19:00:00Z".parse::<jiff::Timestamp>().unwrap().as_microsecond();
    let mut table = String::from(HEAD);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in 0..hours * 3_600_000 / EVERY_MS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = ((state >> 11) as f64 / (1_u64 << 53) as f64).max(1e-9);
        let holds = (600.0 - part.ln() * 917.0).min(14_400.0);
        let start = Wall::from_micros(begin + i64::from(at) * i64::from(EVERY_MS) * 1_000);
        let number = 881_600_000 + at;
        let _ = writeln!(table, "{},,,201,+{number}12,{holds:.0},1,fraud,0", start.rfc3339());
    }
    table.into_bytes()
}

/// The weekend under caps of which one is named, at 1.50 USD a minute; what was lost, in whole USD, and the calls placed.
fn lost(caps: &str, hours: u32) -> (u64, u64, usize) {
    let rules = format!("{caps}\nrates: {{ other_rate: 1.5 }}\n");
    let table = weekend(hours);
    let tally = play(&office("", &rules), &table, &[]).unwrap();
    let usd = tally.out.money.0 / 1_000_000;
    eprintln!(
        "{}: lost {usd} USD by {} calls, {} up at once",
        caps.replace('\n', " "),
        tally.out.rows,
        tally.up_most
    );
    assert_eq!(tally.fraud_out.money, tally.out.money);
    (usd, tally.out.rows, tally.up_most)
}

/// A cap that stands alone.
fn alone(cap: &str) -> String {
    let rest: String = [
        ("outbound", "site", "calls_per_minute"),
        ("outbound", "caller", "calls_per_minute"),
        ("outbound", "site", "spend_per_day"),
        ("outbound", "caller", "spend_per_day"),
        ("outbound", "site", "spend_per_hour_closed"),
        ("international", "site", "calls_at_once"),
        ("international", "caller", "calls_at_once"),
        ("international", "caller", "calls_per_minute"),
        ("international", "caller", "calls_per_hour"),
        ("international", "caller", "calls_per_day"),
        ("international", "caller", "new_numbers_per_day"),
        ("international", "site", "minutes_per_day"),
        ("international", "caller", "minutes_per_day"),
        ("high_risk", "destination_block", "calls_at_once"),
    ]
    .iter()
    .filter(|(of, per, count)| !cap.contains(&format!("count: {count}, of: {of}, per: {per}")))
    .map(|(of, per, count)| format!("  - {{ count: {count}, of: {of}, per: {per}, block: none }}\n"))
    .collect();
    format!("caps:\n  - {{ {cap} }}\n{rest}")
}

#[test]
fn c9_the_weekend_under_the_default_policy() {
    let (usd, calls, _) = lost("", 44);
    // The caller's own budget of 10 a day is the tightest: once each day.
    assert!(usd <= 22, "{usd} USD by {calls} calls");
}

#[test]
fn c9_the_weekend_under_a_budget_alone_loses_the_budget_of_each_day() {
    let (usd, calls, up) = lost(&alone("count: spend_per_day, of: outbound, per: site, block: 30"), 44);
    assert!((57..=62).contains(&usd), "{usd} USD by {calls} calls, {up} at once");
}

#[test]
fn c8_the_weekend_under_two_calls_at_once_alone_loses_two_times_44_hours() {
    // Beside them: what the last two hold past the end, and the minute that each begins.
    let (usd, calls, _) = lost(&alone("count: calls_at_once, of: outbound, per: site, block: 2"), 44);
    assert!((7_700..=8_300).contains(&usd), "{usd} USD by {calls} calls");
}

#[test]
fn c8_the_weekend_under_five_calls_at_once_alone_loses_five_times_44_hours() {
    let (usd, calls, _) = lost(&alone("count: calls_at_once, of: outbound, per: site, block: 5"), 44);
    assert!((19_300..=20_700).contains(&usd), "{usd} USD by {calls} calls");
}

#[test]
fn the_weekend_without_limits_has_some_five_hundred_calls_up_at_once() {
    let (_, calls, up) = lost("caps: none", 2);
    assert_eq!(u64::from(2 * 3_600_000_u32 / 2_670), calls);
    assert!((500..650).contains(&up), "{up} calls up at once");
}

#[test]
fn the_same_rows_give_the_same_verdicts() {
    let table = weekend(1);
    let policy = office("", &alone("count: spend_per_day, of: outbound, per: site, block: 30"));
    let all = || verdicts(&play(&policy, &table, &[]).unwrap());
    assert_eq!(all(), all());
    let rows = read(&table[..], &Shape::default()).unwrap();
    assert_eq!(rows.list.len(), all().len());
}
