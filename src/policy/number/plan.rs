//! How one peer dials.
//!
//! Owns the settings of a dial plan, made ready for reading. Refuses to know how they are written.
//! Read first: `read.rs`.

use std::sync::Arc;

use super::Privacy;
use super::digits::{DIGITS_MAX, Digits};
use super::world::{EmergencyClass, World};

/// Keys of a prefix, a code or a pattern.
pub const ENTRY_KEYS_MAX: usize = DIGITS_MAX;

/// Digits, some of which may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    keys: [u8; ENTRY_KEYS_MAX],
    length: u8,
}

impl Pattern {
    /// Of digits, `*`, `#`, and `x` for any digit; `None` for anything else, nothing, or more than fifteen.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let known = |byte: &u8| matches!(byte, b'0'..=b'9' | b'*' | b'#' | b'x');
        if bytes.is_empty() || !bytes.iter().all(known) {
            return None;
        }
        let mut keys = [0; ENTRY_KEYS_MAX];
        keys.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { keys, length: u8::try_from(bytes.len()).ok()? })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.keys.get(..usize::from(self.length)).unwrap_or_default()).unwrap_or_default()
    }

    /// Whether these keys are it, no more and no fewer.
    #[must_use]
    pub fn matches(&self, keys: &[u8]) -> bool {
        let own = self.as_str().as_bytes();
        let same = |(own, key): (&u8, &u8)| own == key || (*own == b'x' && key.is_ascii_digit());
        own.len() == keys.len() && own.iter().zip(keys).all(same)
    }
}

/// Numbers of digits, 1 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lengths(u32);

impl Lengths {
    /// With one more.
    #[must_use]
    pub const fn with(self, digits: u8) -> Self {
        Self(self.0 | if digits < 32 { 1 << digits } else { 0 })
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn has(self, digits: usize) -> bool {
        u32::try_from(digits).is_ok_and(|digits| self.0.checked_shr(digits).unwrap_or(0) & 1 == 1)
    }
}

/// A prefix that shows or hides the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerPrefix {
    /// What is dialled.
    pub keys: Box<str>,
    /// What it asks for.
    pub asks: Privacy,
}

/// One plan. `Default` reads `+` and E.164 digits, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialPlan {
    /// The country's code, e.g. `44`; empty where only `+` is dialled.
    pub country_code: Box<str>,
    /// ISO 3166-1, where the code has several; empty takes the code's main region.
    pub region: Box<str>,
    /// Before an international number.
    pub idd: Vec<Box<str>>,
    /// Chooses a carrier.
    pub carrier_select: Vec<Box<str>>,
    /// Shows or hides the caller.
    pub caller_prefixes: Vec<CallerPrefix>,
    /// Before a national number; may be empty.
    pub national_prefix: Box<str>,
    /// Whether it may be left out.
    pub national_prefix_optional: bool,
    /// Digits of a national number behind the prefix.
    pub nsn_lengths: Lengths,
    /// Digits of a national number without it.
    pub no_prefix_lengths: Lengths,
    /// What such a number begins with; empty for anything.
    pub no_prefix_starts: Vec<Box<str>>,
    /// Digits of a local number, and what is put before it.
    pub local: Vec<(u8, Box<str>)>,
    /// For an outside line; may be empty.
    pub outside_line: Box<str>,
    /// Before every number.
    pub tech_prefixes: Vec<Box<str>>,
    /// Whether one of them must be there.
    pub tech_prefix_required: bool,
    /// Emergency numbers that the plan lists.
    pub emergency: Vec<Pattern>,
    /// Short codes.
    pub short_codes: Vec<Pattern>,
    /// Names that are dialled.
    pub names: Vec<Arc<str>>,
    /// Domains of a phone-context that mean this plan.
    pub phone_contexts: Vec<Box<str>>,
}

impl DialPlan {
    /// Makes it ready: the emergency numbers of its country are its own, and a short code that it lists counts before a
    /// number that is protected but no danger to life. Once, when it is built.
    #[must_use]
    pub fn ready(mut self, world: &World) -> Self {
        let region = if self.region.is_empty() {
            world.country(self.country_code.as_bytes()).map(|country| country.region.to_string())
        } else {
            Some(self.region.to_string())
        };
        let Some(region) = region.filter(|_| !self.country_code.is_empty()) else { return self };
        let of =
            |class| world.emergency(&region).filter(move |row| row.class == class).map(|row| row.pattern);
        let life: Vec<Pattern> = of(EmergencyClass::Emergency).collect();
        let expanded: Vec<Pattern> = of(EmergencyClass::Expanded).collect();
        let is_short = |pattern: &Pattern| {
            !life.contains(pattern) && expanded.contains(pattern) && self.short_codes.contains(pattern)
        };
        let mut emergency: Vec<Pattern> =
            self.emergency.iter().filter(|pattern| !is_short(pattern)).copied().collect();
        emergency.extend(life.iter().filter(|pattern| !self.emergency.contains(pattern)));
        self.emergency = emergency;
        self
    }

    /// The emergency number that these keys are, with `+`, `+` and the country's code, or the digits for an outside line
    /// before it.
    pub(super) fn emergency(&self, keys: &[u8]) -> Option<Digits> {
        let listed = |keys: &[u8]| {
            let found = self.emergency.iter().any(|pattern| pattern.matches(keys));
            found.then(|| Digits::new(keys)).flatten()
        };
        let bare = keys.strip_prefix(b"+");
        let at_home = bare
            .filter(|_| !self.country_code.is_empty())
            .and_then(|bare| bare.strip_prefix(self.country_code.as_bytes()));
        let outside = self.behind_outside_line(keys);
        listed(keys)
            .or_else(|| bare.and_then(listed))
            .or_else(|| at_home.and_then(listed))
            .or_else(|| outside.and_then(listed))
    }

    /// What stands behind the digits for an outside line.
    pub(super) fn behind_outside_line<'a>(&self, keys: &'a [u8]) -> Option<&'a [u8]> {
        if self.outside_line.is_empty() { None } else { keys.strip_prefix(self.outside_line.as_bytes()) }
    }

    pub(super) fn short(&self, keys: &[u8]) -> Option<Digits> {
        let found = self.short_codes.iter().any(|pattern| pattern.matches(keys));
        found.then(|| Digits::new(keys)).flatten()
    }
}

/// What is left behind the longest of some prefixes.
pub(super) fn behind<'a>(prefixes: &[Box<str>], keys: &'a [u8]) -> Option<&'a [u8]> {
    prefixes.iter().filter_map(|prefix| keys.strip_prefix(prefix.as_bytes())).min_by_key(|rest| rest.len())
}

/// Plans by name.
pub type Plans = std::collections::BTreeMap<Box<str>, DialPlan>;
