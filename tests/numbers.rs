//! Numbers as they are dialled, and what they are read as (spec/numbers.md): the acceptance table, the rules that it
//! leaves out, and what holds for any input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use ringfence::app::number::{Reader, draw};
use ringfence::config::plans::plans;
use ringfence::config::world::{BUILT_IN, world};
use ringfence::policy::number::{Deny, DialPlan, Number, Plans, Privacy, World, read};

const PLANS: &str = include_str!("numbers/dial_plans.yaml");

/// Ways of dialling that the acceptance table's plans do not have.
const MORE: &str = r##"
plans:
  hidden:
    country_code: "1"
    idd: ["011"]
    caller_id_prefix: ["*67", "*82", "#31#"]
    national_prefix: "1"
    national_prefix_optional: true
    nsn_lengths: [10]
    no_prefix_lengths: [10]
    outside_line: "9"
    short_codes: ["*98", "*670", "988"]
    names: [reception, conf_1, "2011234567"]
  twice:
    country_code: "49"
    idd: ["00"]
    national_prefix: "0"
    nsn_lengths: [6, 7, 8, 9, 10, 11]
    outside_line: "0"
  tech:
    country_code: "44"
    idd: ["00"]
    tech_prefixes: ["77", "778"]
  canada:
    country_code: "1"
    region: CA
    emergency: ["988"]
    short_codes: ["988"]
"##;

static WORLD: LazyLock<World> = LazyLock::new(|| world(&BUILT_IN).unwrap());
static CASES: LazyLock<Plans> = LazyLock::new(|| plans("dial_plans.yaml", PLANS, &WORLD).unwrap());
static OWN: LazyLock<Plans> = LazyLock::new(|| plans("more.yaml", MORE, &WORLD).unwrap());

fn plan(name: &str) -> &'static DialPlan {
    CASES.get(name).or_else(|| OWN.get(name)).unwrap_or_else(|| panic!("no plan {name}"))
}

fn told(name: &str, uri: &str) -> String {
    match read(uri.as_bytes(), plan(name), &WORLD) {
        Ok(reading) => match reading.privacy {
            Privacy::Unset => format!("{} {}", reading.number.kind(), reading.number),
            asks @ (Privacy::Hide | Privacy::Show) => {
                format!("{} {} {}", reading.number.kind(), reading.number, asks.name())
            }
        },
        Err(deny) => deny.name().to_owned(),
    }
}

#[test]
fn every_row_of_the_acceptance_table_is_read_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numbers");
    let reader = Reader::open(&folder.join("dial_plans.yaml")).unwrap_or_else(|failed| panic!("{failed}"));
    let table = include_str!("numbers/number_cases.tsv");
    let cases = reader.cases("number_cases.tsv", table).unwrap_or_else(|failed| panic!("{failed}"));
    assert_eq!(cases.count, table.lines().count() - 1);
    assert!(cases.differ.is_empty(), "{}", cases.differ.join("\n"));
}

#[test]
fn why_nothing_is_read_is_told_as_the_acceptance_table_says() {
    for line in include_str!("numbers/number_cases.tsv").lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if let [id, plan, uri, "deny", _, _, reason, ..] = cells.as_slice() {
            assert_eq!(told(plan, uri), *reason, "{id} {uri}");
        }
    }
}

// Law 3, row P5: nothing that stands beside an emergency number keeps anybody from help.
#[test]
fn an_emergency_number_is_read_whatever_stands_beside_it() {
    for (name, uri, expected) in [
        ("us_direct", "sip:911;cic=+16789@pbx", "emergency 911"),
        ("us_direct", "tel:911;phone-context=unknown.domain", "emergency 911"),
        ("us_direct", "tel:911;phone-context=+44;phone-context=+44", "emergency 911"),
        ("us_direct", "sip:911;x=%00@pbx", "emergency 911"),
        ("us_direct", "SIP:911%23@pbx", "emergency 911"),
        ("us_direct", "sips:%39%31%31@pbx", "emergency 911"),
        ("us_tech", "sip:7788%23911@pbx", "emergency 911"),
        ("hidden", "sip:*67911@pbx", "emergency 911 hide"),
        ("hidden", "sip:9*67911@pbx", "emergency 911 hide"),
        ("jp_direct", "sip:184119@pbx", "emergency 119 hide"),
        ("jp_direct", "sip:186110@pbx", "emergency 110 show"),
        ("gb_direct", "sip:+44999@pbx", "emergency 999"),
        ("us_direct", "urn:service:sos.police", "emergency sos.police"),
        ("us_direct", "URN:service:SOS", "emergency sos"),
        ("us_direct", "urn:service:sos.volcano", "emergency sos"),
        // The country's own, which the plan does not list; what is no danger to life where the plan lists it alone.
        ("tech", "sip:999@pbx", "emergency 999"),
        ("tech", "sip:77999@pbx", "emergency 999"),
        ("tech", "sip:119@pbx", "no_match"),
        ("hidden", "sip:988@pbx", "short 988"),
        ("canada", "sip:988@pbx", "short 988"),
        ("canada", "sip:911@pbx", "emergency 911"),
    ] {
        assert_eq!(told(name, uri), expected, "{name} {uri}");
    }
}

// Row B9 of attacks: what only begins like an emergency number is none.
#[test]
fn what_begins_like_an_emergency_number_is_none() {
    for uri in [
        "sip:9111@pbx",
        "sip:911911@pbx",
        "sip:911*1@pbx",
        "sip:911x@pbx",
        "sip:011911@pbx",
        "urn:service:sosx",
    ] {
        assert!(read(uri.as_bytes(), plan("us_direct"), &WORLD).is_err(), "{uri}");
    }
}

#[test]
fn what_no_plan_is_sure_of_is_denied() {
    for (name, uri, expected) in [
        ("us_direct", "sip:+12125550100@pbx@evil", "no_user"),
        ("us_direct", "sip:pbx", "no_user"),
        ("us_direct", "mailto:+12125550100@pbx", "scheme"),
        ("us_direct", "+12125550100", "scheme"),
        ("us_direct", "urn:service:counseling", "scheme"),
        ("us_direct", "sip:2125550100;phone-context=+1;PHONE-context=+44@pbx", "repeated_param"),
        ("us_direct", "sip:2125550100;%72n=+18095551234@pbx", "routing_param"),
        ("us_direct", "sip:2125550100;tgrp=x;trunk-context=y@pbx", "routing_param"),
        ("us_direct", "sip:2125550100;x=%2541@pbx", "double_encoding"),
        ("us_direct", "sip:2125550100;a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q@pbx", "repeated_param"),
        ("us_direct", "sip:2125550100%3Brn=1@pbx", "bad_char"),
        ("us_direct", "sip:+11234567890@pbx", "nanp_form"),
        ("us_direct", "sip:+12121234567@pbx", "nanp_form"),
        ("us_direct", "tel:5550100;phone-context=+", "unknown_context"),
        ("us_direct", "tel:*725550100;phone-context=+1212", "feature_code"),
        ("us_direct", "sip:#@pbx", "empty"),
        ("hidden", "sip:*72@pbx", "feature_code"),
        ("hidden", "sip:*67*67 2125550100@pbx", "feature_code"),
        ("hidden", "sip:*67+1212555010@pbx", "nsn_length"),
        ("twice", "sip:00431234567@pbx", "ambiguous"),
        ("plus_only", "sip:1234@trunk", "no_match"),
        ("hidden", "sip:Reception@pbx", "letters"),
        ("hidden", "sip:conf_2@pbx", "bad_char"),
    ] {
        assert_eq!(told(name, uri), expected, "{name} {uri}");
    }
    let long = format!("sip:{}@pbx", "1".repeat(129));
    assert_eq!(told("us_direct", &long), "oversize");
}

#[test]
fn what_a_plan_lists_is_read() {
    for (name, uri, expected) in [
        ("hidden", "sip:*672125550100@pbx", "e164 +12125550100 hide"),
        ("hidden", "sip:*6712125550100@pbx", "e164 +12125550100 hide"),
        ("hidden", "sip:*8212125550100@pbx", "e164 +12125550100 show"),
        ("hidden", "sip:9%2331%2312125550100@pbx", "e164 +12125550100 hide"),
        ("hidden", "sip:%2331%23+442079460000@pbx", "e164 +442079460000 hide"),
        ("hidden", "sip:*98@pbx", "short *98"),
        ("hidden", "sip:*670@pbx", "short *670"),
        ("hidden", "sip:reception;x=y@pbx", "name reception"),
        ("hidden", "sip:conf_1@pbx", "name conf_1"),
        ("hidden", "sip:2011234567@pbx", "name 2011234567"),
        ("hidden", "sip:12125550100%23@pbx", "e164 +12125550100"),
        ("tech", "sip:778+442079460000@pbx", "e164 +442079460000"),
        ("tech", "sip:77+442079460000@pbx", "e164 +442079460000"),
        ("us_direct", "tel:5550100;phone-context=PBX.example.com", "e164 +12125550100"),
        ("us_direct", "tel:555-0100;phone-context=+1-(212)", "e164 +12125550100"),
    ] {
        assert_eq!(told(name, uri), expected, "{name} {uri}");
    }
}

#[test]
fn a_table_tells_where_a_number_is_and_how_risky() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/numbers/dial_plans.yaml");
    let reader = Reader::open(&file).unwrap_or_else(|failed| panic!("{failed}"));
    let uris = [
        "sip:8765551234@pbx",
        "sip:+37127913000;x=1@pbx",
        "sip:911@pbx",
        "sip:*72@pbx",
        "sip:+19005551234@pbx",
    ];
    let uris = uris.map(str::to_owned);
    let lines = reader.read("us_direct", &uris).unwrap_or_else(|failed| panic!("{failed}"));
    insta::assert_snapshot!(draw(&lines));
    let failed = reader.read("us", &uris).unwrap_err().to_string();
    assert!(failed.contains("has no plan \"us\": it has au_direct, de_direct"), "{failed}");
}

#[test]
fn every_mistake_in_a_file_of_plans_is_told_with_its_cure() {
    let file = r#"
plans:
  office:
    country_code: "+44"
    idd: ["00 "]
    nsn_lengths: [10, 16]
    local: {seven: "212", 6: "x"}
    emergency: ["9x9", "nine"]
    no_prefix_lengths: [9]
    nationl_prefix: "0"
"#;
    let errors = plans("plans.yaml", file, &WORLD).unwrap_err().to_string();
    for told in [
        "plans.yaml:4:19: plans.office.country_code: \"+44\" is not what a phone dials",
        "plans.yaml:5:11: plans.office.idd[0]: \"00 \" is not what a phone dials",
        "plans.office.nsn_lengths[1]: 16 is out of range",
        "plans.office.local.seven: \"seven\" is not a whole number",
        "plans.office.local.6: \"x\" is not what a phone dials",
        "plans.office.emergency[1]: \"nine\" is not a number",
        "plans.office.no_prefix_lengths: nothing is read with no_prefix_lengths where national_prefix_optional: true is left out",
        "plans.office.nationl_prefix: a dial plan has no key \"nationl_prefix\"",
    ] {
        assert!(errors.contains(told), "{told}\n{errors}");
    }
}

fn any_plan() -> impl Strategy<Value = &'static DialPlan> {
    let all: Vec<&DialPlan> = CASES.values().chain(OWN.values()).collect();
    proptest::sample::select(all)
}

/// What hardly any peer sends, and every attacker tries.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let shaped = proptest::collection::vec(
        prop_oneof![
            "[0-9]{1,6}",
            "%[0-9A-Fa-f]{2}",
            proptest::sample::select(vec![
                "+",
                "*",
                "#",
                ";",
                "=",
                "@",
                "-",
                "rn",
                "phone-context",
                "911",
                "011",
                "%"
            ])
            .prop_map(str::to_owned),
        ],
        0..12,
    );
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        shaped.prop_map(|words| format!("sip:{}@pbx", words.concat()).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn no_input_panics_and_no_number_is_longer_than_fifteen_digits(uri in hostile(), plan in any_plan()) {
        if let Ok(Number::E164(number)) = read(&uri, plan, &WORLD).map(|reading| reading.number) {
            prop_assert!((4..=15).contains(&number.digits.as_str().len()));
        }
    }

    #[test]
    fn a_number_that_was_read_reads_to_itself_with_plus(digits in "[0-9]{6,16}", plan in any_plan()) {
        let plus_only = self::plan("plus_only");
        if let Ok(reading) = read(format!("sip:{digits}@pbx").as_bytes(), plan, &WORLD)
            && let Number::E164(_) = &reading.number {
            let again = read(format!("sip:{}@pbx", reading.number).as_bytes(), plus_only, &WORLD);
            prop_assert_eq!(again.map(|reading| reading.number), Ok(reading.number));
        }
    }

    #[test]
    fn an_emergency_number_with_separators_stays_one(
        separators in proptest::collection::vec("[-. ()]{0,3}", 4),
        number in proptest::sample::select(vec!["911", "112", "933"]),
    ) {
        let between: String = number.chars().zip(&separators).map(|(digit, separator)| format!("{separator}{digit}")).collect();
        let uri = format!("sip:{between}{}@pbx", separators.last().map_or("", |last| last));
        let reading = read(uri.as_bytes(), plan("us_direct"), &WORLD);
        prop_assert!(reading.is_ok_and(|reading| reading.number.is_emergency()), "{}", uri);
    }

    #[test]
    fn what_is_refused_for_its_octets_stays_refused_with_more_behind_it(uri in hostile(), plan in any_plan()) {
        let Some(user) = uri.strip_prefix(b"sip:").and_then(|rest| rest.strip_suffix(b"@pbx")) else { return Ok(()) };
        if user.contains(&b'@') {
            return Ok(());
        }
        let refused = read(&uri, plan, &WORLD).err();
        let of_octets = matches!(refused, Some(
            Deny::BadChar | Deny::BadEscape | Deny::DoubleEncoding | Deny::NonAscii | Deny::ControlChar | Deny::RoutingParam
        ));
        for more in ["%00", ";rn=+1"] {
            let longer = [b"sip:", user, more.as_bytes(), b"@pbx"].concat();
            prop_assert!(!of_octets || read(&longer, plan, &WORLD).is_err(), "{:?}", String::from_utf8_lossy(&longer));
        }
    }
}
