//! Lists of numbers: what matches, which entry counts, when, and what a million of them take.

use super::super::{Country, Deny, Unlisted, World};
use super::*;

const NOW: Wall = Wall::from_micros(1_800_000_000_000_000);

fn later(seconds: i64) -> Option<Wall> {
    Some(Wall::from_micros(NOW.micros() + seconds * MICROS))
}

fn world() -> World {
    let mut world = World::default();
    for (code, digits) in [("371", 8..=8), ("1", 10..=10), ("49", 4..=13)] {
        let (region, name) = ("XX".into(), "Somewhere".into());
        let zero_ok = false;
        world.add_country(Country {
            code: code.into(),
            region,
            name,
            national_digits: digits,
            zero_ok,
            global: false,
        });
    }
    world
}

fn list(entries: &[(&str, &str, Option<Wall>)]) -> NumberList {
    let mut collect = Collect::new(NOW);
    for (text, reason, until) in entries {
        collect.add(&Listing::read(text, &world()).unwrap(), reason, *until).unwrap();
    }
    collect.list()
}

fn found(list: &NumberList, digits: &str, at: Wall) -> String {
    list.find(digits.as_bytes(), at).map_or_else(String::new, |found| found.to_string())
}

#[test]
fn the_longest_entry_in_force_counts() {
    let list = list(&[
        ("+371*", "", None),
        ("+37127*", "mobile", later(10)),
        ("+371279*", "", later(5)),
        ("+37127913000", "the gate", None),
        ("+37127913100-+37127913249", "a range", None),
        ("+1900*", "", None),
    ]);
    let at = |seconds: i64| later(seconds).unwrap();
    #[rustfmt::skip]
    let table = [
        ("37127913000", 0, "+37127913000"),
        ("371279130001", 0, "+371279*"),
        ("3712791300", 0, "+371279*"),
        ("37127913001", 4, "+371279*"),
        ("37127913001", 5, "+37127*"),
        ("37127913001", 10, "+371*"),
        ("37127913099", 10, "+371*"),
        ("37127913100", 0, "+371279131xx"),
        ("37127913199", 0, "+371279131xx"),
        ("37127913200", 0, "+3712791320x"),
        ("37127913249", 0, "+3712791324x"),
        ("37127913250", 10, "+371*"),
        ("371279131", 10, "+371*"),            // the range is of eleven digits
        ("371279131001", 10, "+371*"),
        ("19005550100", 0, "+1900*"),
        ("1900", 0, "+1900*"),
        ("190", 0, ""),
        ("4930", 0, ""),
        ("", 0, ""),
        ("37a", 0, ""),
        ("3712791300012345", 0, ""),           // no number has sixteen digits
    ];
    for (digits, seconds, expected) in table {
        assert_eq!(found(&list, digits, at(seconds)), expected, "{digits} at {seconds}");
    }
    let gate = list.find(b"37127913000", NOW).unwrap();
    assert_eq!((gate.reason, gate.length), ("the gate", 12));
    assert_eq!(list.find(b"37127913150", NOW).unwrap().reason, "a range");
}

#[test]
fn what_stands_twice_counts_until_the_later_end_and_what_has_ended_is_only_counted() {
    let list = list(&[
        ("+1900*", "first", later(5)),
        ("+1900*", "second", later(9)),
        ("+1901*", "", later(0)),
        ("+1902*", "", later(-5)),
    ]);
    assert_eq!((list.len(), list.expired()), (1, 2));
    assert_eq!(list.find(b"19005550100", later(8).unwrap()).map(|found| found.reason), Some("second"));
    assert_eq!(found(&list, "19005550100", later(9).unwrap()), "");
    assert_eq!(found(&list, "19015550100", NOW), "");
}

#[test]
fn an_entry_that_is_no_number_of_the_world_is_refused_with_its_cause() {
    let world = world();
    let read = |text: &str| Listing::read(text, &world);
    assert!(
        matches!(read("+371 (27) 913-000"), Ok(Listing::Number(number)) if number.digits.as_str() == "37127913000")
    );
    assert!(matches!(read("+3*"), Ok(Listing::Prefix(_))));
    #[rustfmt::skip]
    let table = [
        ("", Unlisted::Empty),
        ("37127913000", Unlisted::Denied(Deny::NoMatch)),
        ("+371", Unlisted::Denied(Deny::NsnLength)),
        ("+37127913000;ext=1", Unlisted::NoE164),
        ("+999123456", Unlisted::Denied(Deny::UnassignedCc)),
        ("+1900abc", Unlisted::Denied(Deny::Letters)),
        ("*", Unlisted::PrefixForm),
        ("+*", Unlisted::PrefixForm),
        ("371*", Unlisted::PrefixForm),
        ("+37x*", Unlisted::PrefixForm),
        ("+999*", Unlisted::PrefixOfNobody),
        ("+0*", Unlisted::PrefixOfNobody),
        ("+371279130001*", Unlisted::PrefixOfNobody),
        ("+37127913000-+37127912000", Unlisted::RangeEnds),
        ("+37127913000-+4930123456", Unlisted::RangeEnds),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), Err(expected), "{text}");
    }
    let long = format!("+{}", "1".repeat(80));
    assert_eq!(read(&long), Err(Unlisted::Long));
    assert_eq!(read(&format!("+37127913000-{long}")), Err(Unlisted::Long));
}

#[test]
fn a_range_is_all_of_its_numbers_and_nothing_else() {
    let mut seed = 11_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..300 {
        let (a, b) = (20_000_000 + draw(3_000), 20_000_000 + draw(3_000));
        let (low, high) = (a.min(b), a.max(b));
        let list = list(&[(&format!("+371{low}-+371{high}"), "", None)]);
        for _ in 0..50 {
            let number = 19_999_000 + draw(5_000);
            let inside = (low..=high).contains(&number);
            assert_eq!(
                list.find(format!("371{number}").as_bytes(), NOW).is_some(),
                inside,
                "{number} {low} {high}"
            );
        }
    }
}

#[test]
fn it_agrees_with_the_plain_reading_of_the_list() {
    let mut seed = 7_u64;
    let mut digits = |least: u64, more: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = least + (seed >> 33) % more;
        (0..length).map(|place| char::from(b'0' + ((seed >> (13 + 3 * place)) % 3) as u8)).collect::<String>()
    };
    let prefixes: Vec<String> = (0..300).map(|_| format!("1{}", digits(2, 6))).collect();
    let entries: Vec<String> = prefixes.iter().map(|prefix| format!("+{prefix}*")).collect();
    let entries: Vec<_> = entries.iter().map(|text| (text.as_str(), "", None)).collect();
    let list = list(&entries);
    let mut hits = 0;
    for _ in 0..5_000 {
        let number = format!("1{}", digits(1, 9));
        let plain = prefixes.iter().filter(|prefix| number.starts_with(*prefix)).map(String::len).max();
        assert_eq!(list.find(number.as_bytes(), NOW).map(|found| found.length), plain, "{number}");
        hits += usize::from(plain.is_some());
    }
    assert!(hits > 1_000 && hits < 4_900, "{hits}");
}

#[test]
fn a_list_that_shrank_or_ends_sooner_does_not_cover_the_old_one() {
    let old = list(&[
        ("+1900*", "", None),
        ("+37127913000", "", None),
        ("+37120000000-+37120000099", "", later(50)),
    ]);
    let wider = list(&[("+19*", "", None), ("+371*", "", None)]);
    let ends = list(&[("+19*", "", None), ("+371*", "", later(60))]);
    assert!(wider.covers(&old) && old.covers(&old) && wider.covers(&ends));
    assert!(!old.covers(&wider) && !ends.covers(&old));
    assert!(
        list(&[("+37120000000-+37120000199", "", None), ("+37127913*", "", None), ("+190*", "", None)])
            .covers(&old)
    );
    assert!(
        !list(&[("+37120000000-+37120000098", "", None), ("+37127913*", "", None), ("+190*", "", None)])
            .covers(&old)
    );
    // A number is of a range of its own length.
    let one = list(&[("+37120000055", "", None)]);
    assert!(list(&[("+37120000000-+37120000099", "", None)]).covers(&one));
    // What has ended is missed by nobody.
    let mut collect = Collect::new(later(60).unwrap());
    collect.add(&Listing::read("+371279*", &world()).unwrap(), "", None).unwrap();
    collect.add(&Listing::read("+1900*", &world()).unwrap(), "", None).unwrap();
    assert!(collect.list().covers(&old));
}

#[test]
fn a_list_is_full_at_its_bound_and_a_million_entries_take_twenty_megabytes() {
    let mut collect = Collect::new(NOW);
    let world = world();
    let mut entries = (20_000_000..).map(|number| Listing::read(&format!("+371{number}"), &world).unwrap());
    for entry in entries.by_ref().take(ENTRIES_MAX) {
        assert_eq!(collect.add(&entry, "list of the carrier", None), Ok(()));
    }
    assert_eq!(collect.add(&entries.next().unwrap(), "", None), Err(Full));
    let list = collect.list();
    assert_eq!(list.len(), ENTRIES_MAX);
    assert!(list.octets() < 21_000_000, "{}", list.octets());
    assert!(list.find(b"37120999999", NOW).is_some() && list.find(b"37121000000", NOW).is_none());
}

#[test]
fn of_too_many_reasons_the_last_are_not_kept() {
    let mut collect = Collect::new(NOW);
    let entry = Listing::read("+1900*", &world()).unwrap();
    for number in 0..REASONS_MAX + 5 {
        collect.add(&entry, &format!("reason {number}"), None).unwrap();
    }
    assert_eq!(collect.unreasoned, 5);
}
