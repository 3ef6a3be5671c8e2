//! What the reader says of 100,000 numbers beside what rlibphonenumber says: every disagreement belongs to a kind that is explained
//! here, and how many of each kind and country there are stands in `tests/numbers/oracle.tsv`, so that a change of either shows.
//!
//! `UPDATE_ORACLE=1 cargo test --test oracle` writes the file anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that fails says so by a panic"
)]

use std::collections::BTreeMap;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use ringfence::config::plans::plans;
use ringfence::config::world::{BUILT_IN, world};
use ringfence::policy::number::{E164, Number, RangeKind, World, read};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

const NUMBERS: u32 = 100_000;

/// E.164 with plus and nothing else.
const PLUS: &str = "plans:\n  plus:\n    country_code: \"\"\n";

/// The kinds of disagreement, and why each stands. What is refused without need costs a call, what is let pass without reason costs
/// money: so `denied_*` and `*_missed` are the ones to look at when their numbers grow.
const KINDS: [(&str, &str); 8] = [
    (
        "denied_unassigned",
        "the code is none of the table's: it lists what ITU has assigned to countries and networks that can be called",
    ),
    (
        "denied_length",
        "longer or shorter than the table lets numbers of its code be: short service numbers, a plan that was replaced, lengths that hold for one range alone",
    ),
    (
        "denied_zero",
        "a zero behind the country code: the other reader drops it as a habit of dialling, and knows some that belong to toll-free and service ranges; what rings is not certain",
    ),
    ("denied_form", "refused here for another reason"),
    (
        "region_shared",
        "several regions share the code, and ours names the main one: rules that name a region see that one",
    ),
    (
        "region_other",
        "behind +1, numbers of no place (5xx, toll-free): the other reader counts them as the United States, ours as nobody's",
    ),
    (
        "special_missed",
        "premium, shared cost, personal or pager there, and an ordinary number here: none, or money is lost",
    ),
    ("special_other", "both call it special, of another kind"),
];

fn random(random: &mut ChaCha8Rng, below: usize) -> usize {
    usize::try_from(u64::from(random.next_u32()) % u64::try_from(below.max(1)).unwrap()).unwrap()
}

fn digits(rng: &mut ChaCha8Rng, count: usize) -> String {
    (0..count).map(|_| char::from(b'0' + u8::try_from(random(rng, 10)).unwrap())).collect()
}

/// Columns of a table that is built in.
fn column(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/data").join(name))
        .unwrap();
    let rows = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit() || c == '+'));
    rows.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Numbers that the other reader gives for examples, of every region and kind.
fn examples() -> Vec<String> {
    const KINDS: [PhoneNumberType; 10] = [
        PhoneNumberType::FixedLine,
        PhoneNumberType::Mobile,
        PhoneNumberType::TollFree,
        PhoneNumberType::PremiumRate,
        PhoneNumberType::SharedCost,
        PhoneNumberType::VoIP,
        PhoneNumberType::PersonalNumber,
        PhoneNumberType::Pager,
        PhoneNumberType::UAN,
        PhoneNumberType::VoiceMail,
    ];
    let mut texts: Vec<String> = PHONE_NUMBER_UTIL
        .get_supported_regions()
        .flat_map(|region| KINDS.into_iter().map(move |kind| (region, kind)))
        .filter_map(|(region, kind)| {
            PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind).ok()
        })
        .map(|number| number.format_as(PhoneNumberFormat::E164).into_owned())
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

/// One number: an example with other last digits, one behind a code of the table or a special prefix, or one of any digits.
fn number(
    rng: &mut ChaCha8Rng,
    (codes, special, examples): (&[Vec<String>], &[Vec<String>], &[String]),
) -> String {
    match random(rng, 10) {
        0..=3 => {
            let example = &examples[random(rng, examples.len())];
            let other = random(rng, 6);
            format!("{}{}", &example[..example.len() - other], digits(rng, other))
        }
        4..=5 => {
            let row = &codes[random(rng, codes.len())];
            let (min, max): (usize, usize) = (row[6].parse().unwrap_or(4), row[7].parse().unwrap_or(12));
            let length = (min + random(rng, max - min + 3)).saturating_sub(1).max(3);
            format!("+{}{}", row[0], digits(rng, length))
        }
        6..=8 => {
            let prefix = special[random(rng, special.len())][0].trim_start_matches('+').to_owned();
            let length = 3 + random(rng, 8);
            format!("+{prefix}{}", digits(rng, length))
        }
        _ => {
            let length = 6 + random(rng, 11);
            format!("+{}", digits(rng, length))
        }
    }
}

const fn kind(special: PhoneNumberType) -> Option<RangeKind> {
    match special {
        PhoneNumberType::PremiumRate => Some(RangeKind::Premium),
        PhoneNumberType::SharedCost => Some(RangeKind::SharedCost),
        PhoneNumberType::PersonalNumber => Some(RangeKind::Personal),
        PhoneNumberType::Pager => Some(RangeKind::Pager),
        PhoneNumberType::FixedLine
        | PhoneNumberType::Mobile
        | PhoneNumberType::FixedLineOrMobile
        | PhoneNumberType::TollFree
        | PhoneNumberType::VoIP
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail
        | PhoneNumberType::Unknown => None,
    }
}

/// In what they disagree.
fn disagreements(text: &str, world: &World, plan: &ringfence::policy::number::DialPlan) -> Vec<&'static str> {
    let theirs = PHONE_NUMBER_UTIL.parse(text, None).ok().filter(rlibphonenumber::PhoneNumber::is_valid);
    let ours = read(format!("tel:{text}").as_bytes(), plan, world);
    match (theirs, ours) {
        // What is valid is theirs to know: ours judges codes and lengths, and says no more than that.
        (None, _) => Vec::new(),
        (Some(_), Err(deny)) => vec![match deny.name() {
            "unassigned_cc" => "denied_unassigned",
            "nsn_length" | "too_long" => "denied_length",
            "nsn_zero" => "denied_zero",
            _ => "denied_form",
        }],
        (Some(theirs), Ok(reading)) => {
            let Number::E164(number) = reading.number else { panic!("{text} is read as {}", reading.number) };
            let mut found = Vec::new();
            found.extend(region(&theirs, &number, world));
            let special = kind(theirs.get_type());
            match (special, world.risk(&number, "").kind) {
                (Some(theirs), Some(ours)) if theirs != ours => found.push("special_other"),
                (Some(_), None) => found.push("special_missed"),
                (Some(_), Some(_)) | (None, _) => {}
            }
            found
        }
    }
}

fn region(theirs: &rlibphonenumber::PhoneNumber, number: &E164, world: &World) -> Option<&'static str> {
    let theirs = theirs.get_region_code()?.to_string();
    let (ours, _) = world.region(number)?;
    if theirs == ours || theirs == "001" {
        return None;
    }
    let shares = world.country(number.digits.as_bytes()).is_some_and(|country| &*country.region == ours);
    Some(if shares { "region_shared" } else { "region_other" })
}

#[test]
fn every_disagreement_with_another_reader_is_explained_and_listed() {
    let world = world(&BUILT_IN).unwrap();
    let plans = plans("plus.yaml", PLUS, &world).unwrap();
    let plan = plans.get("plus").unwrap();
    let (codes, special) = (column("country_dial_codes.tsv"), column("special_rate_prefixes.tsv"));
    let examples = examples();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut found: BTreeMap<(&str, String), (u32, String)> = BTreeMap::new();
    let mut valid = 0;
    for _ in 0..NUMBERS {
        let text = number(&mut rng, (&codes, &special, &examples));
        valid += u32::from(PHONE_NUMBER_UTIL.parse(&text, None).is_ok_and(|number| number.is_valid()));
        for kind in disagreements(&text, &world, plan) {
            assert!(KINDS.iter().any(|(known, _)| *known == kind));
            let code =
                world.country(text.trim_start_matches('+').as_bytes()).map_or("-", |country| &country.code);
            found.entry((kind, code.to_owned())).or_insert((0, text.clone())).0 += 1;
        }
    }
    assert!(!found.keys().any(|(kind, _)| *kind == "special_missed"), "{found:?}");
    assert!(valid > NUMBERS / 4, "{valid} of {NUMBERS} are valid there: too few to tell");
    let mut table =
        format!("# {NUMBERS} numbers, {valid} of them valid for rlibphonenumber. Kinds of disagreement:\n");
    for (kind, why) in KINDS {
        table.push_str(&format!("# {kind}: {why}\n"));
    }
    table.push_str("kind\tcode\tnumbers\tfirst\n");
    for ((kind, code), (count, first)) in &found {
        table.push_str(&format!("{kind}\t{code}\t{count}\t{first}\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numbers/oracle.tsv");
    if std::env::var_os("UPDATE_ORACLE").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (old, new)) in known.lines().zip(table.lines()).enumerate() {
        assert_eq!(new, old, "line {} of {}; UPDATE_ORACLE=1 writes it anew", line + 1, path.display());
    }
    assert_eq!(table.lines().count(), known.lines().count());
}
