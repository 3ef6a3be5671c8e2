//! Reading a telephone number: what was dialled, under the plan of the peer that dialled it, to E.164, an emergency
//! number, a short code, a listed name, or a refusal.
//!
//! Owns the one reader that every place a number can enter uses, and the facts that numbers are judged by. Refuses to
//! guess: what is not read with certainty is denied. Read first: `read.rs`; RFC 3966 §3-5; ITU-T E.164 §6.

mod candidate;
mod deny;
mod dialling;
mod digits;
mod international;
mod list;
mod listing;
mod lists;
mod part;
mod plan;
mod prefixes;
mod read;
mod way;
mod world;

use std::sync::Arc;

pub use deny::Deny;
pub use dialling::{Dialled, Dialling, Known, weaker};
pub use digits::{DIGITS_MAX, Digits};
pub use list::{Collect, ENTRIES_MAX, Full, Listed, NumberList, REASON_OCTETS_MAX, REASONS_MAX};
pub use listing::{ENTRY_OCTETS_MAX, Listing, Range, Unlisted};
pub use lists::{Lists, Sheet};
pub use plan::{CallerPrefix, DialPlan, ENTRY_KEYS_MAX, Lengths, Pattern, Plans};
pub use prefixes::Prefixes;
pub use read::{USER_OCTETS_MAX, read};
pub use way::{ReadAs, Way};
pub use world::{
    Area, AreaClass, Country, EmergencyClass, EmergencyRow, RangeKind, Risk, RiskRow, RiskTier, SpecialRow,
    World,
};

/// A whole international number: country code and national number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct E164 {
    /// Without the `+`.
    pub digits: Digits,
    /// Digits of the country code.
    pub code_length: u8,
}

impl E164 {
    /// The number of these digits, without a plus; `None` where no country's numbers are so.
    #[must_use]
    pub fn of(digits: &str, world: &World) -> Option<Self> {
        international::international(&[digits.as_bytes()], world).ok()
    }

    /// The country code.
    #[must_use]
    pub fn code(&self) -> &str {
        self.digits.as_str().get(..usize::from(self.code_length)).unwrap_or_default()
    }

    /// The national (significant) number.
    #[must_use]
    pub fn national(&self) -> &str {
        self.digits.as_str().get(usize::from(self.code_length)..).unwrap_or_default()
    }
}

/// Who was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// An international number.
    E164(E164),
    /// An emergency number, as the network knows it: without what was dialled before it.
    Emergency(Digits),
    /// `urn:service:sos` and its kinds (RFC 5031 §4.2), without `urn:service:`.
    Service(&'static str),
    /// A short code that the plan lists.
    Short(Digits),
    /// A name that the plan lists.
    Name(Arc<str>),
}

impl Number {
    /// The number, where it is an international one.
    #[must_use]
    pub const fn e164(&self) -> Option<&E164> {
        match self {
            Self::E164(number) => Some(number),
            Self::Emergency(_) | Self::Service(_) | Self::Short(_) | Self::Name(_) => None,
        }
    }
}

impl Number {
    /// Whether nothing may refuse it.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        match self {
            Self::Emergency(_) | Self::Service(_) => true,
            Self::E164(_) | Self::Short(_) | Self::Name(_) => false,
        }
    }

    /// Its kind in one word, as tables and `--json` write it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::E164(_) => "e164",
            Self::Emergency(_) | Self::Service(_) => "emergency",
            Self::Short(_) => "short",
            Self::Name(_) => "name",
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::E164(number) => write!(f, "+{}", number.digits.as_str()),
            Self::Emergency(digits) | Self::Short(digits) => f.write_str(digits.as_str()),
            Self::Service(service) => f.write_str(service),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Whether the caller asked for its own number to be seen by the one called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privacy {
    /// Nothing was asked for.
    #[default]
    Unset,
    /// A prefix asked that it is not shown.
    Hide,
    /// A prefix asked that it is shown.
    Show,
}

impl Privacy {
    /// As tables and `--json` write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Hide => "hide",
            Self::Show => "show",
        }
    }
}

/// What a URI was read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Who was dialled.
    pub number: Number,
    /// What a prefix asked for.
    pub privacy: Privacy,
    /// Whether parameters came with it, which go no further.
    pub parameters_dropped: bool,
    /// What was taken off, and by which way the rest was read.
    pub way: Way,
}
