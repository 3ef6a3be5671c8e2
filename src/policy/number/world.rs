//! What is known of the world's numbers: countries, the areas behind +1, ranges of special rates, risk, emergency numbers.
//!
//! Owns lookups by prefix. Refuses to know files, and to judge. Read first: ITU-T E.164 annexes; `data/README.md` of the
//! configuration.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::E164;
use super::plan::Pattern;
use super::prefixes::Prefixes;

/// Country codes have three digits at most (ITU-T E.164 §6.2.1).
pub const CODE_DIGITS_MAX: usize = 3;

/// A country code and the numbers behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country {
    /// e.g. `44`.
    pub code: Box<str>,
    /// ISO 3166-1 of its main region, `001` for what belongs to no country.
    pub region: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// Digits of a national number.
    pub national_digits: RangeInclusive<u8>,
    /// Whether a national number may begin with 0.
    pub zero_ok: bool,
    /// Whether it belongs to no country: satellites, networks, services.
    pub global: bool,
}

/// What an area code behind +1 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaClass {
    /// The United States and Canada.
    Domestic,
    /// A territory of the United States.
    Territory,
    /// Dialled like a call within the country, billed as one abroad.
    Foreign,
    /// Premium rate.
    Premium,
    /// A number that follows its owner.
    Personal,
    /// Free for who calls.
    TollFree,
    /// No place.
    NonGeographic,
    /// A carrier's own.
    Carrier,
    /// The government's.
    Government,
}

/// An area behind +1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// ISO 3166-1.
    pub region: Arc<str>,
    /// The country or service.
    pub name: Box<str>,
    /// What it is.
    pub class: AreaClass,
}

/// What numbers of a special range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeKind {
    /// Premium rate.
    Premium,
    /// Part of the cost is the caller's.
    SharedCost,
    /// A number that follows its owner.
    Personal,
    /// A company's one number for a whole country.
    Uan,
    /// A pager.
    Pager,
}

impl RangeKind {
    /// As files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Premium => "premium_rate",
            Self::SharedCost => "shared_cost",
            Self::Personal => "personal_number",
            Self::Uan => "uan",
            Self::Pager => "pager",
        }
    }

    /// How risky it is by itself.
    #[must_use]
    pub const fn tier(self) -> RiskTier {
        match self {
            Self::Premium => RiskTier::Deny,
            Self::SharedCost | Self::Personal => RiskTier::High,
            Self::Uan | Self::Pager => RiskTier::Watch,
        }
    }
}

/// How risky calls there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RiskTier {
    /// As any other.
    #[default]
    None,
    /// Allowed, with half the usual limits.
    Watch,
    /// Blocked unless the country is allowed.
    High,
    /// Blocked unless the admin allows the prefix.
    Deny,
}

impl RiskTier {
    /// As files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Watch => "watch",
            Self::High => "high",
            Self::Deny => "deny",
        }
    }
}

/// A special range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialRow {
    /// What its numbers are.
    pub kind: RangeKind,
    /// Bit n: national numbers of n digits.
    pub lengths: u16,
}

/// A prefix of risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskRow {
    /// How risky.
    pub tier: RiskTier,
    /// Why, in a few words.
    pub reason: Arc<str>,
    /// Whether it is a charge for a service, which counts before a longer special range.
    pub service_charge: bool,
}

/// Whether a number is for danger to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmergencyClass {
    /// Police, fire, ambulance.
    Emergency,
    /// Crisis lines and the like: where a plan lists them.
    Expanded,
}

/// An emergency number of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyRow {
    /// ISO 3166-1.
    pub region: Box<str>,
    /// The number.
    pub pattern: Pattern,
    /// Its class.
    pub class: EmergencyClass,
}

/// What is known of a number's price and risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk<'a> {
    /// How risky.
    pub tier: RiskTier,
    /// What its range is, where it is special.
    pub kind: Option<RangeKind>,
    /// Digits of the prefix that decided; 0 where none did.
    pub prefix_length: usize,
    /// Why, where a prefix of risk decided.
    pub reason: Option<&'a str>,
}

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct World {
    countries: Prefixes<Country>,
    areas: Prefixes<Area>,
    special: Prefixes<Vec<SpecialRow>>,
    risk: Prefixes<RiskRow>,
    emergency: Vec<EmergencyRow>,
}

impl World {
    /// Adds a country. Another of the same code is replaced; `false` where the code is no code.
    pub fn add_country(&mut self, country: Country) -> bool {
        let code = country.code.clone();
        if code.is_empty() || code.len() > CODE_DIGITS_MAX {
            return false;
        }
        let made = self.countries.entry(code.as_bytes(), || country.clone());
        made.map(|known| *known = country).is_some()
    }

    /// Adds an area behind +1; `false` where its code has not three digits.
    pub fn add_area(&mut self, code: &str, area: Area) -> bool {
        let made = (code.len() == 3).then(|| self.areas.entry(code.as_bytes(), || area.clone())).flatten();
        made.map(|known| *known = area).is_some()
    }

    /// Adds a special range; `false` where the prefix is no digits.
    pub fn add_special(&mut self, prefix: &str, row: SpecialRow) -> bool {
        let made = (!prefix.is_empty()).then(|| self.special.entry(prefix.as_bytes(), Vec::new)).flatten();
        made.map(|rows| rows.push(row)).is_some()
    }

    /// Adds a prefix of risk; another of the same prefix is replaced. `false` where the prefix is no digits.
    pub fn add_risk(&mut self, prefix: &str, row: RiskRow) -> bool {
        let made = (!prefix.is_empty()).then(|| self.risk.entry(prefix.as_bytes(), || row.clone())).flatten();
        made.map(|known| *known = row).is_some()
    }

    /// Adds an emergency number.
    pub fn add_emergency(&mut self, row: EmergencyRow) {
        self.emergency.push(row);
    }

    /// The country whose code these digits begin with.
    #[must_use]
    pub fn country(&self, digits: &[u8]) -> Option<&Country> {
        self.countries.longest(digits).map(|(_, country)| country)
    }

    /// The area of a number behind +1.
    #[must_use]
    pub fn area(&self, number: &E164) -> Option<&Area> {
        let behind = (number.code() == "1").then(|| number.national().as_bytes())?;
        self.areas.longest(behind).map(|(_, area)| area)
    }

    /// The ISO 3166-1 region of a number and what it is called.
    #[must_use]
    pub fn region(&self, number: &E164) -> Option<(&str, &str)> {
        let area = self.area(number).map(|area| (&*area.region, &*area.name));
        area.or_else(|| self.country(number.digits.as_bytes()).map(|found| (&*found.region, &*found.name)))
    }

    /// Every region of a country or area, by two letters; some stand several times.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        let countries = self.countries.values().map(|country| &*country.region);
        let areas = self.areas.values().map(|area| &*area.region);
        let letters =
            |region: &&str| region.len() == 2 && region.bytes().all(|one| one.is_ascii_alphabetic());
        countries.chain(areas).filter(letters)
    }

    /// Emergency numbers of a region.
    pub fn emergency<'a>(&'a self, region: &'a str) -> impl Iterator<Item = &'a EmergencyRow> {
        self.emergency.iter().filter(move |row| row.region.eq_ignore_ascii_case(region))
    }

    /// Price and risk of a number, seen from a home country: what is said of the whole home country does not count.
    #[must_use]
    pub fn risk(&self, number: &E164, home: &str) -> Risk<'_> {
        let digits = number.digits.as_bytes();
        let national = number.national().len();
        let fits = |row: &SpecialRow| {
            u32::try_from(national).is_ok_and(|n| row.lengths.checked_shr(n).unwrap_or(0) & 1 == 1)
        };
        let special = self.special.along(digits).filter_map(|(length, rows)| {
            let worst = rows.iter().filter(|row| fits(row)).max_by_key(|row| row.kind.tier());
            worst.map(|row| (length, row.kind))
        });
        let special = special.last();
        let is_home = |length: usize| digits.get(..length) == Some(home.as_bytes());
        let risk = self.risk.along(digits).filter(|(length, _)| !is_home(*length)).last();
        match (special, risk) {
            (Some((length, kind)), Some((prefix_length, row)))
                if prefix_length >= length || row.service_charge =>
            {
                Risk { tier: row.tier, kind: Some(kind), prefix_length, reason: Some(&row.reason) }
            }
            (Some((prefix_length, kind)), _) => {
                Risk { tier: kind.tier(), kind: Some(kind), prefix_length, reason: None }
            }
            (None, Some((prefix_length, row))) => {
                Risk { tier: row.tier, kind: None, prefix_length, reason: Some(&row.reason) }
            }
            (None, None) => Risk { tier: RiskTier::None, kind: None, prefix_length: 0, reason: None },
        }
    }
}
