//! By which way a number was read: what was taken off before it, and what the rest was read as.
//!
//! Owns the words alone, for whoever tells of a reading; nothing is judged by them. Read first: `read.rs`.

/// What was taken off, and what the rest was read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// The digits for an outside line stood before it.
    pub outside_line: bool,
    /// A tech prefix stood before it.
    pub tech_prefix: bool,
    /// A prefix that shows or hides the caller stood before it.
    pub caller_prefix: bool,
    /// A prefix that chooses a carrier stood before it.
    pub carrier_select: bool,
    /// What was left.
    pub read_as: ReadAs,
}

/// What the keys that were left were read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadAs {
    /// `+` and a whole number.
    #[default]
    Plus,
    /// A whole number behind an international prefix.
    International,
    /// A national number behind the national prefix.
    National,
    /// A national number without its prefix.
    Bare,
    /// A local number: the plan's area stands before it.
    Local,
    /// Digits in the context of a global number (RFC 3966 §5.1.5).
    Context,
    /// An emergency number or service.
    Emergency,
    /// A short code of the plan.
    Short,
    /// A name of the plan.
    Name,
}

impl Way {
    /// Nothing was taken off.
    #[must_use]
    pub const fn plain(read_as: ReadAs) -> Self {
        Self { outside_line: false, tech_prefix: false, caller_prefix: false, carrier_select: false, read_as }
    }

    /// What was taken off, in the order of dialling.
    pub fn taken_off(self) -> impl Iterator<Item = &'static str> {
        let parts = [
            (self.tech_prefix, "tech prefix"),
            (self.outside_line, "outside line"),
            (self.caller_prefix, "caller prefix"),
            (self.carrier_select, "carrier selection"),
        ];
        parts.into_iter().filter_map(|(taken, name)| taken.then_some(name))
    }
}

impl ReadAs {
    /// As records write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plus => "plus",
            Self::International => "international",
            Self::National => "national",
            Self::Bare => "national_without_prefix",
            Self::Local => "local",
            Self::Context => "phone_context",
            Self::Emergency => "emergency",
            Self::Short => "short_code",
            Self::Name => "name",
        }
    }

    /// What it means, in a clause.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Plus => "a whole number behind +",
            Self::International => "a whole number behind the plan's international prefix",
            Self::National => "a national number behind the plan's national prefix",
            Self::Bare => "a national number without its prefix, which the plan lets be left out",
            Self::Local => "a local number, before which the plan puts its area",
            Self::Context => "digits in the context of a global number (phone-context)",
            Self::Emergency => "an emergency, by exact match",
            Self::Short => "a short code that the plan lists",
            Self::Name => "a name that the plan lists",
        }
    }
}
