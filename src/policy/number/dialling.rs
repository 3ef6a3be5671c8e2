//! A peer's plan with all that it is read by, and what came of one reading.
//!
//! Owns the canonical text of a number: held in place, so that nothing is allocated where a number is read. Refuses to know
//! messages. Read first: `read.rs`.

use std::fmt;
use std::sync::Arc;

use super::digits::DIGITS_MAX;
use super::{Deny, DialPlan, E164, Number, Privacy, Reading, Risk, World, read};

/// How a peer dials.
#[derive(Clone)]
pub struct Dialling {
    /// The plan's name in the YAML.
    pub name: Arc<str>,
    /// Its YAML path, for trails and alerts: `peers.NAME.dial_plan`.
    pub path: Arc<str>,
    /// The plan, made `ready`.
    pub plan: Arc<DialPlan>,
    /// What is known of the world's numbers.
    pub world: Arc<World>,
}

impl Dialling {
    /// Reads whom a URI names, as it came.
    ///
    /// # Errors
    /// Why nothing is read.
    pub fn read(&self, uri: &[u8]) -> Result<Dialled, Deny> {
        read(uri, &self.plan, &self.world).map(Dialled::new)
    }

    /// Reads who calls: a whole number, which no prefix shows or hides; `None` for anything else.
    #[must_use]
    pub fn read_caller(&self, uri: &[u8]) -> Option<Dialled> {
        let dialled = self.read(uri).ok()?;
        let whole = match &dialled.reading.number {
            Number::E164(_) => dialled.reading.privacy == Privacy::Unset,
            Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => false,
        };
        whole.then_some(dialled)
    }
}

impl fmt::Debug for Dialling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The world's tables are megabytes.
        f.debug_struct("Dialling").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Dialling {
    fn eq(&self, other: &Self) -> bool {
        let tables = Arc::ptr_eq(&self.world, &other.world);
        tables && self.name == other.name && self.path == other.path && self.plan == other.plan
    }
}

impl Eq for Dialling {}

/// What a reload reads otherwise of what the peer of this `name` dials, in a sentence: without a plan a number is judged as it
/// stands, and another plan reads other numbers.
pub fn weaker(name: &str, old: Option<&Dialling>, new: Option<&Dialling>, weaker: &mut Vec<String>) {
    match (old, new) {
        (Some(before), None) => {
            weaker.push(format!(
                "what peer {name} dials is taken as it stands (dial_plan {} is gone)",
                before.name
            ));
        }
        (Some(before), Some(after)) if before != after => {
            weaker.push(format!("what peer {name} dials is read in another way (dial_plan {})", after.name));
        }
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
}

/// A number that was read, and its canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// What was read.
    pub reading: Reading,
    /// `+` and the digits of an international number.
    plus: [u8; DIGITS_MAX + 1],
}

impl Dialled {
    fn new(reading: Reading) -> Self {
        let mut plus = [b'+'; DIGITS_MAX + 1];
        match &reading.number {
            Number::E164(number) => {
                plus.iter_mut().skip(1).zip(number.digits.as_bytes()).for_each(|(at, key)| *at = *key);
            }
            Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => {}
        }
        Self { reading, plus }
    }

    /// As routes, rules and records know it: `+` and digits, the keys of a code, a name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.reading.number {
            Number::E164(number) => {
                let length = number.digits.as_bytes().len() + 1;
                self.plus.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
            }
            Number::Emergency(digits) | Number::Short(digits) => digits.as_str(),
            Number::Service(service) => service,
            Number::Name(name) => name,
        }
    }
}

/// A number that was read, with the plan that read it: what a record keeps of it, without a copy of any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The plan, with what is known of the world's numbers.
    pub dialling: Arc<Dialling>,
    /// What was read.
    pub reading: Reading,
}

impl Known {
    /// The number, where it is an international one.
    #[must_use]
    pub const fn e164(&self) -> Option<&E164> {
        match &self.reading.number {
            Number::E164(number) => Some(number),
            Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => None,
        }
    }

    /// Its ISO 3166-1 region and what that is called.
    #[must_use]
    pub fn region(&self) -> Option<(&str, &str)> {
        self.dialling.world.region(self.e164()?)
    }

    /// What is known of its price and risk.
    #[must_use]
    pub fn risk(&self) -> Option<Risk<'_>> {
        Some(self.dialling.world.risk(self.e164()?, &self.dialling.plan.country_code))
    }

    /// The digits of the prefix that says so, where one does.
    #[must_use]
    pub fn risk_prefix(&self) -> Option<&str> {
        let length = self.risk().map(|risk| risk.prefix_length).filter(|length| *length > 0)?;
        self.e164()?.digits.as_str().get(..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::number::Country;

    #[test]
    fn a_number_read_is_said_as_it_is_written_everywhere() {
        let mut world = World::default();
        world.add_country(Country {
            code: "49".into(),
            region: Arc::from("DE"),
            name: "Germany".into(),
            national_digits: 3..=13,
            zero_ok: false,
            global: false,
        });
        let plan = DialPlan {
            idd: vec!["00".into()],
            names: vec![Arc::from("reception")],
            short_codes: super::super::Pattern::new("115").into_iter().collect(),
            emergency: super::super::Pattern::new("112").into_iter().collect(),
            ..DialPlan::default()
        };
        let of = |plan: &DialPlan| Dialling {
            name: Arc::from("office"),
            path: Arc::from("peers.pbx.dial_plan"),
            plan: Arc::new(plan.clone()),
            world: Arc::new(world.clone()),
        };
        let dialling = of(&plan);
        for (uri, text) in [
            ("sip:+49-30-123@x", "+4930123"),
            ("sip:004930123@x", "+4930123"),
            ("sip:+491234567890123@x", "+491234567890123"),
            ("sip:112@x", "112"),
            ("sip:115@x", "115"),
            ("sip:reception@x", "reception"),
            ("urn:service:sos.police", "sos.police"),
        ] {
            let read = dialling.read(uri.as_bytes()).unwrap();
            assert_eq!((read.as_str(), read.reading.number.to_string()), (text, text.to_owned()));
        }
        assert_eq!(dialling.read(b"sip:0049030123@x"), Err(Deny::NsnZero));
        assert_eq!(dialling, dialling.clone());
        assert_ne!(dialling, of(&plan), "other tables");
        let mut told = Vec::new();
        weaker("pbx", None, Some(&dialling), &mut told);
        weaker("pbx", Some(&dialling), Some(&dialling), &mut told);
        assert_eq!(told, Vec::<String>::new());
        weaker("pbx", Some(&dialling), Some(&of(&DialPlan::default())), &mut told);
        weaker("pbx", Some(&dialling), None, &mut told);
        assert_eq!(
            told,
            [
                "what peer pbx dials is read in another way (dial_plan office)",
                "what peer pbx dials is taken as it stands (dial_plan office is gone)"
            ]
        );
        assert_eq!(format!("{dialling:?}"), "Dialling { name: \"office\", .. }");
    }
}
