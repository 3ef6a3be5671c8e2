//! The number tables that are built in: texts to what the policy knows of the world's numbers.
//!
//! Owns their format; a line that cannot be read is told with its file, its place and its cure, and every one of them at
//! once. Refuses to know what is done with a number. Read first: `config/data/README.md`.

use std::sync::{Arc, LazyLock};

use super::problem::{Cause, Desk, Errors, Place, quoted};
use super::tree::{self, Node, Value};
use crate::policy::number::{
    Area, AreaClass, Country, EmergencyClass, EmergencyRow, Pattern, RangeKind, RiskRow, RiskTier,
    SpecialRow, World,
};

/// Lines of one table.
const ROWS_MAX: usize = 1_000_000;

/// The tables, as texts.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Country codes.
    pub countries: &'a str,
    /// Areas behind +1.
    pub areas: &'a str,
    /// Special ranges.
    pub special: &'a str,
    /// Emergency numbers.
    pub emergency: &'a str,
    /// Prefixes of risk (YAML).
    pub risk: &'a str,
}

/// Those that are built in.
pub const BUILT_IN: Tables<'static> = Tables {
    countries: include_str!("../../config/data/country_dial_codes.tsv"),
    areas: include_str!("../../config/data/nanp_countries.tsv"),
    special: include_str!("../../config/data/special_rate_prefixes.tsv"),
    emergency: include_str!("../../config/data/emergency_numbers.tsv"),
    risk: include_str!("../../config/data/high_risk_prefixes.yaml"),
};

/// What the tables that are built in say: read once, and shared by every policy.
static SHARED: LazyLock<Option<Arc<World>>> = LazyLock::new(|| world(&BUILT_IN).ok().map(Arc::new));

/// What the tables that are built in say; `None` would be a bug of the build, which a test rules out.
#[must_use]
pub fn built_in() -> Option<Arc<World>> {
    SHARED.clone()
}

/// Reads tables.
pub fn world(tables: &Tables<'_>) -> Result<World, Errors> {
    let mut world = World::default();
    let desks = [
        each("country_dial_codes.tsv", tables.countries, &mut world, country),
        each("nanp_countries.tsv", tables.areas, &mut world, area),
        each("special_rate_prefixes.tsv", tables.special, &mut world, special),
        each("emergency_numbers.tsv", tables.emergency, &mut world, emergency),
        risk("high_risk_prefixes.yaml", tables.risk, &mut world),
    ];
    let whole = Desk::new("number tables", "");
    desks.into_iter().for_each(|desk| whole.absorb(desk));
    whole.close().map(|_warnings| world)
}

/// One line of a table.
struct Row<'a> {
    names: Vec<&'a str>,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// A cell; empty where the line ends before it.
    fn cell(&self, name: &str) -> Result<&'a str, Cause> {
        let at = self.names.iter().position(|known| *known == name);
        let at = at.ok_or_else(|| Cause::new(format!("the table has no column {}", quoted(name))))?;
        Ok(self.cells.get(at).copied().unwrap_or_default())
    }

    fn number(&self, name: &str) -> Result<u8, Cause> {
        let text = self.cell(name)?;
        super::values::count(text, 1, 31).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// One of some words.
    fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Cause> {
        super::fields::choose(self.cell(name)?, words)
    }
}

fn each<'a>(
    file: &str,
    text: &'a str,
    world: &mut World,
    take: impl Fn(&Row<'a>, &mut World) -> Result<(), Cause>,
) -> Desk<'a> {
    let desk = Desk::new(file, text);
    let mut names: Option<Vec<&str>> = None;
    for (line, text) in (1_u32..).zip(text.lines()).take(ROWS_MAX) {
        if text.starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = text.split('\t').map(str::trim).collect();
        let Some(names) = &names else {
            names = Some(cells);
            continue;
        };
        let row = Row { names: names.clone(), cells };
        if let Err(cause) = take(&row, world) {
            let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            desk.error(Place { line, column: 1, length }, "", cause);
        }
    }
    desk
}

fn country(row: &Row<'_>, world: &mut World) -> Result<(), Cause> {
    let (code, region) = (row.cell("dial_code")?, row.cell("main_region")?);
    let added = world.add_country(Country {
        code: code.into(),
        region: Arc::from(region),
        name: row.cell("main_name")?.into(),
        national_digits: row.number("nsn_min")?..=row.number("nsn_max")?,
        zero_ok: row.choice("nsn_zero_ok", &[("yes", true), ("no", false)])?,
        global: row.choice("kind", &[("global", true), ("geographic", false)])?,
    });
    if added { Ok(()) } else { Err(not_digits("a country code", code)) }
}

const AREAS: [(&str, AreaClass); 9] = [
    ("domestic", AreaClass::Domestic),
    ("us_territory", AreaClass::Territory),
    ("foreign", AreaClass::Foreign),
    ("premium", AreaClass::Premium),
    ("personal", AreaClass::Personal),
    ("toll_free", AreaClass::TollFree),
    ("non_geographic", AreaClass::NonGeographic),
    ("carrier_specific", AreaClass::Carrier),
    ("government", AreaClass::Government),
];

fn area(row: &Row<'_>, world: &mut World) -> Result<(), Cause> {
    let code = row.cell("npa")?;
    let area = Area {
        region: Arc::from(row.cell("iso")?),
        name: row.cell("name")?.into(),
        class: row.choice("class", &AREAS)?,
    };
    if world.add_area(code, area) { Ok(()) } else { Err(not_digits("an area code", code)) }
}

const RANGES: [(&str, RangeKind); 5] = [
    (RangeKind::Premium.name(), RangeKind::Premium),
    (RangeKind::SharedCost.name(), RangeKind::SharedCost),
    (RangeKind::Personal.name(), RangeKind::Personal),
    (RangeKind::Uan.name(), RangeKind::Uan),
    (RangeKind::Pager.name(), RangeKind::Pager),
];

fn special(row: &Row<'_>, world: &mut World) -> Result<(), Cause> {
    let prefix = row.cell("prefix")?;
    let mut lengths = 0_u16;
    for length in row.cell("nsn_lengths")?.split(',') {
        lengths |= 1 << super::values::count(length.trim(), 1, 15)?;
    }
    let added = world.add_special(prefix, SpecialRow { kind: row.choice("type", &RANGES)?, lengths });
    if added { Ok(()) } else { Err(not_digits("a prefix", prefix)) }
}

fn emergency(row: &Row<'_>, world: &mut World) -> Result<(), Cause> {
    let number = row.cell("number")?;
    let pattern = Pattern::new(number).ok_or_else(|| not_digits("a number", number))?;
    let classes = [("emergency", EmergencyClass::Emergency), ("expanded", EmergencyClass::Expanded)];
    let class = row.choice("class", &classes)?;
    world.add_emergency(EmergencyRow { region: row.cell("region")?.into(), pattern, class });
    Ok(())
}

fn not_digits(what: &str, text: &str) -> Cause {
    Cause::new(format!("{} is not {what}", quoted(text))).cure("write digits, without + and spaces")
}

const TIERS: [(&str, RiskTier); 3] = [
    (RiskTier::Deny.name(), RiskTier::Deny),
    (RiskTier::High.name(), RiskTier::High),
    (RiskTier::Watch.name(), RiskTier::Watch),
];

fn risk<'a>(file: &str, text: &'a str, world: &mut World) -> Desk<'a> {
    let desk = Desk::new(file, text);
    let Some(root) = tree::read(text, &desk) else { return desk };
    let Some(Node { value: Value::List(entries), .. }) = below(&root, "entries") else {
        desk.error(root.place, "entries", Cause::new("a list of prefixes is missing"));
        return desk;
    };
    for (at, entry) in entries.iter().enumerate() {
        if let Err(cause) = risk_row(entry, world) {
            desk.error(entry.place, &format!("entries[{at}]"), cause);
        }
    }
    desk
}

fn risk_row(entry: &Node, world: &mut World) -> Result<(), Cause> {
    let word = |name: &str| match below(entry, name).map(|node| &node.value) {
        Some(Value::Scalar(text)) => Ok(text.as_str()),
        Some(_) | None => Err(Cause::new(format!("{name} is missing"))),
    };
    let prefix = word("prefix")?;
    let row = RiskRow {
        tier: super::fields::choose(word("tier")?, &TIERS)?,
        reason: Arc::from(word("reason")?),
        service_charge: word("category")? == "service_charge",
    };
    if world.add_risk(prefix, row) { Ok(()) } else { Err(not_digits("a prefix", prefix)) }
}

fn below<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_that_are_built_in_are_whole() {
        let world = world(&BUILT_IN).expect("no errors");
        for (digits, region) in [("12125550100", "US"), ("442079460000", "GB"), ("881612345678", "001")] {
            assert_eq!(
                world.country(digits.as_bytes()).map(|country| &*country.region),
                Some(region),
                "{digits}"
            );
        }
        assert!(world.emergency("JP").count() >= 3);
    }

    #[test]
    fn every_line_that_cannot_be_read_is_told_with_its_cure() {
        let countries = "# codes\ndial_code\tmain_region\tmain_name\tnsn_min\tnsn_max\tnsn_zero_ok\tkind\n\
             44\tGB\tUnited Kingdom\t7\t10\tno\tgeographic\n+49\tDE\tGermany\t6\t11\tno\tgeographic\n\
             43\tAT\tAustria\tsix\t13\tno\tgeographic\n";
        let special = "prefix\tregion\ttype\tnsn_lengths\n9719\tAE\tpremium\t9\n";
        let tables =
            Tables { countries, special, risk: "entries:\n- prefix: \"1876\"\n  tier: high\n", ..BUILT_IN };
        let errors = world(&tables).expect_err("four errors").to_string();
        for told in [
            "country_dial_codes.tsv:4:1: \"+49\" is not a country code",
            "country_dial_codes.tsv:5:1: \"six\" is not a whole number",
            "special_rate_prefixes.tsv:2:1: \"premium\" is not \"premium_rate\"",
            "high_risk_prefixes.yaml:2:3: entries[0]: reason is missing",
        ] {
            assert!(errors.contains(told), "{told}\n{errors}");
        }
    }
}
