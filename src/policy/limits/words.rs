//! Limits in words: whose account, of what, how much.
//!
//! Owns the texts. Refuses to judge.

use super::{Amount, Limit, Limits, Per, What, money};
use crate::clock::time_text;
use crate::policy::alert::shortened;
use crate::policy::rates::Class;

impl Per {
    /// Whose account it is.
    #[must_use]
    pub fn whose(self, names: &[&str]) -> String {
        let name = |place: usize| names.get(place).copied().unwrap_or_default();
        let text = match self {
            Self::Site if name(0).is_empty() => "the edge".to_owned(),
            Self::Site => format!("site {}", name(0)),
            Self::Peer => name(0).to_owned(),
            Self::Credential => format!("{} of {}", name(1), name(0)),
            Self::Caller if name(1).is_empty() => format!("callers without a number of {}", name(0)),
            Self::Caller => format!("{} of {}", name(1), name(0)),
            Self::CalledNumber => name(0).to_owned(),
            Self::DestinationBlock => format!("{}xxxx", name(0)),
            Self::Country => format!("+{}", name(0)),
        };
        shortened(&text).escape_debug().to_string()
    }

    /// The plural, for a sentence.
    const fn each(self) -> &'static str {
        match self {
            Self::Site => "a site",
            Self::Peer => "a peer",
            Self::Credential => "a credential",
            Self::Caller => "a caller",
            Self::CalledNumber => "a number called",
            Self::DestinationBlock => "a block of 10,000 numbers called",
            Self::Country => "a country called",
        }
    }
}

impl What {
    /// An amount, as people write it.
    #[must_use]
    pub fn amount(self, amount: u64) -> String {
        match self {
            Self::AtOnce | Self::Calls(_) | Self::NewNumbers(_) => amount.to_string(),
            Self::Minutes(_) => amount.div_ceil(60).to_string(),
            Self::Spend(_) | Self::SpendClosed(_) => money(amount),
        }
    }

    /// What is counted, behind an amount.
    #[must_use]
    pub fn unit(self, currency: &str) -> String {
        match self {
            Self::AtOnce => " calls at once".to_owned(),
            Self::Calls(span) => format!(" calls within {}", span.words()),
            Self::NewNumbers(span) => format!(" new numbers within {}", span.words()),
            Self::Minutes(span) => format!(" minutes within {}", span.words()),
            Self::Spend(span) => format!(" {currency} within {}", span.words()),
            Self::SpendClosed(span) => format!(" {currency} within {} out of hours", span.words()),
        }
    }

    /// Seconds after which a caller may try again.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::AtOnce => Some(10),
            Self::Calls(span) | Self::NewNumbers(span) => match span {
                super::Span::Second => Some(1),
                super::Span::Minute => Some(30),
                super::Span::Hour | super::Span::Day | super::Span::Month => Some(300),
            },
            Self::Minutes(_) | Self::Spend(_) | Self::SpendClosed(_) => None,
        }
    }
}

impl Amount {
    pub(super) fn words(self, what: What) -> String {
        match self {
            Self::Fixed(amount) => what.amount(amount),
            Self::EachChannel(amount) => format!("{} for each channel", what.amount(amount)),
        }
    }
}

/// The calls of a class, for a sentence.
const fn calls(of: Class) -> &'static str {
    match of {
        Class::Home => "calls to the outside",
        Class::International => "calls abroad",
        Class::HighRisk => "calls to numbers of high risk",
    }
}

impl Limit {
    /// What is told when an account passes its mark.
    #[must_use]
    pub fn warning_of(&self, whose: &str, (after, block): (u64, u64), currency: &str) -> String {
        let (used, most) = (self.what.amount(after), self.what.amount(block));
        format!(
            "{whose} uses {used} of {most}{}: past that calls are refused, and live ones ended where time or money runs out. Look at the \
             calls of {whose}; raise {} only if so much is normal.",
            self.what.unit(currency),
            self.path
        )
    }

    /// What is told of a live call that it ends.
    #[must_use]
    pub fn ended(&self, whose: &str, block: u64, currency: &str) -> String {
        format!(
            "The call was ended: {whose} has used the {}{} that {} gives. Look at the calls of {whose}; raise it only if so much is normal.",
            self.what.amount(block),
            self.what.unit(currency),
            self.path
        )
    }

    /// What it means, in plain words.
    #[must_use]
    pub fn describe(&self, currency: &str) -> String {
        let warned =
            self.warn.map_or_else(String::new, |warn| format!(", told from {}", warn.words(self.what)));
        format!(
            "{} of {}: at most {}{}{warned} ({})",
            calls(self.of),
            self.per.each(),
            self.block.words(self.what),
            self.what.unit(currency),
            self.what.code().number
        )
    }
}

impl Limits {
    /// Each cap and each longest time, in plain words, with its path.
    pub fn describe<'a>(&'a self, currency: &'a str) -> impl Iterator<Item = (&'a str, String)> {
        let caps = self.caps.iter().map(move |limit| (&*limit.path, limit.describe(currency)));
        let lasting = self.lasting.iter().map(|one| {
            (&*one.path, format!("{} last at most {}", calls(one.of), time_text(one.duration_max)))
        });
        caps.chain(lasting)
    }
}
