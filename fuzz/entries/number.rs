//! A number as it is dialled: reading it ends, what is read is a number by every rule there is, and reading what was read
//! leads to itself.

use std::sync::LazyLock;

use ringfence::config::plans::plans;
use ringfence::config::world::{BUILT_IN, world};
use ringfence::policy::number::{Deny, Number, Plans, USER_OCTETS_MAX, World, read};

const PLANS: &str = "\
plans:
  us: {country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", national_prefix_optional: true, nsn_lengths: [10],
    no_prefix_lengths: [10], local: {7: \"212\"}, outside_line: \"9\", short_codes: [\"311\", \"*98\"], names: [reception],
    caller_id_prefix: [\"*67\", \"#31#\"], tech_prefixes: [\"7788#\"], phone_contexts: [pbx.example.com]}
  de: {country_code: \"49\", idd: [\"00\"], national_prefix: \"0\", nsn_lengths: [6, 7, 8, 9, 10, 11], outside_line: \"0\",
    carrier_select: [\"01033\"]}
  plus: {country_code: \"\", emergency: [\"112\"]}
";

static WORLD: LazyLock<World> = LazyLock::new(|| world(&BUILT_IN).expect("what is built in is whole"));
static ALL: LazyLock<Plans> = LazyLock::new(|| plans("plans", PLANS, &WORLD).expect("these are whole"));

/// The input is a URI, and a user part.
pub fn entry(data: &[u8]) {
    judge(data);
    judge(&[b"sip:", data, b"@pbx"].concat());
    judge(&[b"tel:", data].concat());
}

fn judge(uri: &[u8]) {
    for plan in ALL.values() {
        let read_as = read(uri, plan, &WORLD);
        if uri.len() > USER_OCTETS_MAX + 4 && uri.starts_with(b"tel:") {
            assert_eq!(read_as, Err(Deny::Oversize));
        }
        let Ok(reading) = read_as else { continue };
        let Number::E164(number) = reading.number else { continue };
        let digits = number.digits.as_str();
        assert!((4..=15).contains(&digits.len()) && !digits.starts_with('0'));
        assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
        let country = WORLD.country(digits.as_bytes()).expect("it is some country's");
        assert_eq!(&*country.code, number.code());
        let again = read(format!("tel:+{digits}").as_bytes(), plan, &WORLD);
        // A plan may want a prefix before every number; none of these does.
        assert_eq!(again.map(|reading| reading.number), Ok(Number::E164(number)));
        let _ = (WORLD.risk(&number, &plan.country_code), WORLD.region(&number).expect("it is somewhere"));
    }
}
