//! Why a number is not read.
//!
//! Owns the words for it, in logs, tables and records, and the alert that it is. Refuses to know who is answered.
//! Read first: `read.rs`; RFC 3261 §21.4.5, §21.4.14, §21.4.22.

use crate::policy::code::{self, Code};

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deny {
    /// More octets than any number has.
    Oversize,
    /// Neither sip, sips, tel nor an emergency service.
    Scheme,
    /// A SIP URI without a user part, or with more than one `@`.
    NoUser,
    /// A password in the user part.
    Password,
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// `%` again after decoding.
    DoubleEncoding,
    /// An octet that is not ASCII.
    NonAscii,
    /// An octet below space, or DEL.
    ControlChar,
    /// A parameter twice, or more of them than are read.
    RepeatedParam,
    /// A parameter that can make the carrier route to another number.
    RoutingParam,
    /// No digit at all.
    Empty,
    /// A character that no number has.
    BadChar,
    /// A phone-context beside a number that is global already.
    ContextOnGlobal,
    /// A phone-context that the plan does not know.
    UnknownContext,
    /// Letters.
    Letters,
    /// The plan wants a prefix before every number.
    TechPrefixMissing,
    /// `+` anywhere but at the beginning.
    MisplacedPlus,
    /// `*` or `#`: what is dialled so changes settings in the carrier's switch.
    FeatureCode,
    /// No way of dialling that the plan has.
    NoMatch,
    /// Two ways of dialling that lead to two numbers.
    Ambiguous,
    /// An international number that begins with 0.
    CcZero,
    /// More than fifteen digits.
    TooLong,
    /// No country has this code.
    UnassignedCc,
    /// A national number that begins with 0 where none does.
    NsnZero,
    /// Fewer or more digits than the country's numbers have.
    NsnLength,
    /// No number of the North American plan: area and exchange begin with 2 to 9.
    NanpForm,
}

impl Deny {
    /// In one word, as tables and `--json` write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::Scheme => "scheme",
            Self::NoUser => "no_user",
            Self::Password => "password",
            Self::BadEscape => "bad_escape",
            Self::DoubleEncoding => "double_encoding",
            Self::NonAscii => "non_ascii",
            Self::ControlChar => "control_char",
            Self::RepeatedParam => "repeated_param",
            Self::RoutingParam => "routing_param",
            Self::Empty => "empty",
            Self::BadChar => "bad_char",
            Self::ContextOnGlobal => "context_on_global",
            Self::UnknownContext => "unknown_context",
            Self::Letters => "letters",
            Self::TechPrefixMissing => "tech_prefix_missing",
            Self::MisplacedPlus => "misplaced_plus",
            Self::FeatureCode => "feature_code",
            Self::NoMatch => "no_match",
            Self::Ambiguous => "ambiguous",
            Self::CcZero => "cc_zero",
            Self::TooLong => "too_long",
            Self::UnassignedCc => "unassigned_cc",
            Self::NsnZero => "nsn_zero",
            Self::NsnLength => "nsn_length",
            Self::NanpForm => "nanp_form",
        }
    }

    /// In a clause, for an admin.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Oversize => "the user part has more than 128 octets",
            Self::Scheme => "only sip:, sips:, tel: and urn:service:sos are dialled",
            Self::NoUser => "there is no user part before one @",
            Self::Password => "a password stands in the user part",
            Self::BadEscape => "% without two hexadecimal digits",
            Self::DoubleEncoding => "percent-encoded twice",
            Self::NonAscii => "something that is not ASCII",
            Self::ControlChar => "a control character",
            Self::RepeatedParam => "a parameter stands twice, or there are more than 16",
            Self::RoutingParam => "rn, cic, tgrp or trunk-context could make the carrier dial another number",
            Self::Empty => "no digits",
            Self::BadChar => "a character that no number has",
            Self::ContextOnGlobal => "a phone-context beside a number with +",
            Self::UnknownContext => "the plan lists no such phone-context",
            Self::Letters => "letters are no digits, and the plan lists no such name",
            Self::TechPrefixMissing => "the plan wants a tech prefix before every number",
            Self::MisplacedPlus => "+ anywhere but at the beginning",
            Self::FeatureCode => {
                "* and # change settings in the carrier's switch, and the plan lists no such code"
            }
            Self::NoMatch => "no way of dialling that the plan has",
            Self::Ambiguous => "it can be read as two numbers",
            Self::CcZero => "an international number begins with 0 (a prefix twice, or a 0 too many)",
            Self::TooLong => "more than 15 digits",
            Self::UnassignedCc => "no country has this code",
            Self::NsnZero => "a 0 after the country code, as in +44 (0)20: leave it out",
            Self::NsnLength => "the country's numbers have fewer or more digits",
            Self::NanpForm => "area code and exchange of a +1 number begin with 2 to 9",
        }
    }

    /// Which alert it is, and what is answered where the peer's `refusal` says nothing else. A number that is not whole, or not
    /// clear, is 484; one that nobody can have 404; what only makes sense as a disguise is 403.
    #[must_use]
    pub const fn answer(self) -> (Code, u16) {
        match self {
            Self::Scheme => (code::INVALID_PHONE_NUMBER, 416),
            Self::UnassignedCc | Self::TooLong | Self::Oversize => (code::INVALID_PHONE_NUMBER, 404),
            Self::Password
            | Self::BadEscape
            | Self::DoubleEncoding
            | Self::NonAscii
            | Self::ControlChar
            | Self::RepeatedParam
            | Self::RoutingParam => (code::NUMBER_OBFUSCATED, 403),
            Self::NoUser
            | Self::Empty
            | Self::BadChar
            | Self::ContextOnGlobal
            | Self::UnknownContext
            | Self::Letters
            | Self::TechPrefixMissing
            | Self::MisplacedPlus
            | Self::FeatureCode
            | Self::NoMatch
            | Self::Ambiguous
            | Self::CcZero
            | Self::NsnZero
            | Self::NsnLength
            | Self::NanpForm => (code::INVALID_PHONE_NUMBER, 484),
        }
    }

    /// What an admin does about it, in a sentence.
    #[must_use]
    pub const fn cure(self) -> &'static str {
        match self {
            Self::Letters => "List the name under `names` of the plan if it may be dialled.",
            Self::FeatureCode => "List the code under `short_codes` of the plan if it may be dialled.",
            Self::NoMatch => {
                "If people dial so, say it in the plan: `idd`, `national_prefix`, `nsn_lengths`, `local`, `outside_line`, `short_codes` or `names`."
            }
            Self::UnknownContext => {
                "List the domain under `phone_contexts` of the plan if it means this plan."
            }
            Self::TechPrefixMissing => "Let the machine put one of the plan's `tech_prefixes` before it.",
            Self::Ambiguous => {
                "Dial it with + and the country code, or take one of the two ways out of the plan."
            }
            Self::NsnZero | Self::CcZero | Self::MisplacedPlus | Self::NsnLength | Self::NanpForm => {
                "Let the machine dial + and the country code, then the national number."
            }
            Self::Password
            | Self::BadEscape
            | Self::DoubleEncoding
            | Self::NonAscii
            | Self::ControlChar
            | Self::RepeatedParam
            | Self::RoutingParam => {
                "No machine dials so by itself: look who sends it, and what it was meant to hide."
            }
            Self::Oversize
            | Self::Scheme
            | Self::NoUser
            | Self::Empty
            | Self::BadChar
            | Self::ContextOnGlobal
            | Self::UnassignedCc
            | Self::TooLong => "See what was dialled: `ringfence number` shows how a plan reads it.",
        }
    }
}
