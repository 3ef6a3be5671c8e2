//! How a peer wants numbers written, and the only code that writes them so.
//!
//! Owns the forms and their exact rules: a number that cannot be written with certainty is refused, never guessed. Refuses
//! to read what was dialled: only `+` and E.164 digits are a number here, all else is a word that passes as it is or not at
//! all. Read first: ITU-T E.164 §6; RFC 3966 §5.1.4; DESIGN.md §1, laws 1 and 4.

use std::fmt;
use std::sync::Arc;

use super::peer::Direction;

/// Digits of an E.164 number, its country code among them.
pub const E164_DIGITS: std::ops::RangeInclusive<usize> = 3..=15;

/// Digits of a short code, where the policy file names no other number.
pub const SHORT_DIGITS_DEFAULT: u8 = 6;

/// The form of a number. Prefixes are digits, `*` and `#`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Form {
    /// As it came.
    #[default]
    Unchanged,
    /// `+4930123456`.
    E164Plus,
    /// `4930123456`.
    E164,
    /// `004930123456`: prefix and E.164 digits.
    International {
        /// e.g. `00`.
        prefix: Arc<str>,
    },
    /// `030123456` within the country, `0037127913000` beyond it.
    National {
        /// The country's code, e.g. `49`.
        country: Arc<str>,
        /// Before a number of this country, e.g. `0`; may be empty.
        prefix: Arc<str>,
        /// Before the digits of any other, e.g. `00`.
        international: Arc<str>,
    },
    /// `1234#4930123456`: prefix and E.164 digits.
    Tech {
        /// e.g. `1234#`.
        prefix: Arc<str>,
    },
}

/// A number as it leaves: a prefix of the form's, and a part of what was judged. Nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// What the form puts before it.
    pub prefix: &'a str,
    /// What is left of the number.
    pub number: &'a str,
}

impl<'a> Written<'a> {
    /// As it stands.
    #[must_use]
    pub const fn literal(number: &'a str) -> Self {
        Self { prefix: "", number }
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)?;
        f.write_str(self.number)
    }
}

/// Why a number cannot be written in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// There is none.
    Empty,
    /// No `+` before it, and nothing names it as it is.
    NoPlus,
    /// Something else than digits after `+`.
    NotDigits,
    /// More than 15 digits.
    TooLong,
    /// Fewer digits than a number has.
    TooShort,
    /// A country code never begins with 0.
    CodeZero,
    /// Written nationally it would read as another number.
    Ambiguous,
}

impl Unwritable {
    /// Why, to stand after "because".
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Empty => "there is no number",
            Self::NoPlus => {
                "it does not begin with + and a country code, and no route names it exactly as a short code or name"
            }
            Self::NotDigits => "something else than digits stands after the +",
            Self::TooLong => "it has more than 15 digits",
            Self::TooShort => "it has too few digits",
            Self::CodeZero => "no country code begins with 0",
            Self::Ambiguous => "without its country code it would read as another number",
        }
    }
}

/// The digits of a number written with plus.
pub fn e164(number: &str) -> Result<&str, Unwritable> {
    let Some(digits) = number.strip_prefix('+') else {
        return Err(if number.is_empty() { Unwritable::Empty } else { Unwritable::NoPlus });
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unwritable::NotDigits);
    }
    if digits.len() > *E164_DIGITS.end() {
        return Err(Unwritable::TooLong);
    }
    if digits.len() < *E164_DIGITS.start() {
        return Err(Unwritable::TooShort);
    }
    if digits.starts_with('0') { Err(Unwritable::CodeZero) } else { Ok(digits) }
}

/// Whether digits are a country code: no code is the beginning of another, so that what follows it is certain.
#[must_use]
pub fn is_country_code(digits: &str) -> bool {
    // ITU-T E.164 Annex A: zones 1 and 7 have one code, these have two digits, every other has three.
    const TWO: &[u8] = &[
        20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57,
        58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
    ];
    let two = |digits: &str| digits.parse().is_ok_and(|code: u8| TWO.contains(&code));
    match digits.as_bytes() {
        [b'1' | b'7'] => true,
        [b'1'..=b'9', b'0'..=b'9'] => two(digits),
        [b'2'..=b'6' | b'8' | b'9', b'0'..=b'9', b'0'..=b'9'] => !digits.get(..2).is_some_and(two),
        _ => false,
    }
}

impl Form {
    /// Writes a number given with plus.
    pub fn write<'a>(&'a self, number: &'a str) -> Result<Written<'a>, Unwritable> {
        if *self == Self::Unchanged {
            return Ok(Written::literal(number));
        }
        let digits = e164(number)?;
        match self {
            Self::Unchanged | Self::E164Plus => Ok(Written::literal(number)),
            Self::E164 => Ok(Written::literal(digits)),
            Self::International { prefix } | Self::Tech { prefix } => Ok(Written { prefix, number: digits }),
            Self::National { country, prefix, international } => match digits.strip_prefix(&**country) {
                Some(rest) => national(prefix, rest, international),
                None => Ok(Written { prefix: international, number: digits }),
            },
        }
    }

    /// Its name in the YAML.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::E164Plus => "e164_plus",
            Self::E164 => "e164",
            Self::International { .. } => "international_prefix",
            Self::National { .. } => "national",
            Self::Tech { .. } => "tech_prefix",
        }
    }
}

fn national<'a>(prefix: &'a str, rest: &'a str, international: &str) -> Result<Written<'a>, Unwritable> {
    if rest.is_empty() {
        return Err(Unwritable::TooShort);
    }
    // +49 030... would leave as 0030..., which is a number of Greece.
    let mut written = prefix.bytes().chain(rest.bytes());
    let reads_abroad = international.bytes().all(|byte| written.next() == Some(byte));
    let trunk_zero = !prefix.is_empty() && rest.starts_with('0');
    if reads_abroad || trunk_zero { Err(Unwritable::Ambiguous) } else { Ok(Written { prefix, number: rest }) }
}

/// Who stands for a caller that there is not, or that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Substitute {
    /// This number.
    Number(Arc<str>),
    /// Nobody: the call goes on as one of a hidden caller.
    Anonymous,
}

/// How numbers are written towards one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The number called.
    pub called: Form,
    /// The caller.
    pub caller: Form,
    /// Digits that a number without plus may have if a route names it; longer ones are no short codes.
    pub short_digits_max: u8,
    /// Who stands in for a caller that cannot be written; `None` refuses the call.
    pub substitute: Option<Substitute>,
    /// Emergency numbers, and `sos`, with what this peer knows each as.
    pub emergency: Vec<(Box<str>, Box<str>)>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            called: Form::Unchanged,
            caller: Form::Unchanged,
            short_digits_max: SHORT_DIGITS_DEFAULT,
            substitute: None,
            emergency: Vec::new(),
        }
    }
}

impl Numbers {
    /// The number called as it leaves. `named` says that a route's exact pattern, list or the site's own numbers hold it
    /// as it is; extensions between inside peers need no name.
    pub fn called<'a>(
        &'a self,
        number: &'a str,
        direction: Direction,
        named: bool,
    ) -> Result<Written<'a>, Unwritable> {
        if number.starts_with('+') || self.called == Form::Unchanged {
            return self.called.write(number);
        }
        let short = number.len() <= usize::from(self.short_digits_max)
            || !number.bytes().all(|byte| byte.is_ascii_digit());
        let as_it_is = match direction {
            Direction::Internal => true,
            Direction::Outbound | Direction::Inbound | Direction::Transit => named && short,
        };
        if as_it_is && !number.is_empty() {
            return Ok(Written::literal(number));
        }
        self.called.write(number)
    }

    /// An emergency number as this peer knows it, and as it is where nothing else is said; a kind of `sos` is `sos`.
    #[must_use]
    pub fn emergency<'a>(&'a self, called: &'a str) -> &'a str {
        let known = |called: &str| {
            self.emergency.iter().find(|(number, _)| **number == *called).map(|(_, known)| &**known)
        };
        let kind = || called.starts_with("sos.").then(|| known("sos")).flatten();
        known(called).or_else(kind).unwrap_or(called)
    }

    /// Whether an emergency service can call a caller back: it is a whole number, and can be written.
    #[must_use]
    pub fn is_called_back(&self, caller: &str) -> bool {
        let digits = caller.bytes().filter(u8::is_ascii_digit).count();
        let whole = caller.starts_with('+') || digits > usize::from(SHORT_DIGITS_DEFAULT);
        whole && self.caller.write(caller).is_ok()
    }

    /// Who is called back in the place of one who cannot be: whoever stands in, else one of the site's own; `None` where there is
    /// neither.
    #[must_use]
    pub fn callback<'a>(&'a self, own: &'a [Arc<str>]) -> Option<&'a str> {
        let substitute = match &self.substitute {
            Some(Substitute::Number(number)) => Some(number),
            Some(Substitute::Anonymous) | None => None,
        };
        let mut known = substitute.into_iter().chain(own).map(|number| &**number);
        known.find(|number| self.caller.write(number).is_ok())
    }

    /// A caller of an emergency as it leaves: as this peer has callers, else as it stands.
    #[must_use]
    pub fn written<'a>(&'a self, caller: &'a str) -> Written<'a> {
        self.caller.write(caller).unwrap_or(Written::literal(caller))
    }

    /// Who is named besides the caller (who was reached, who sent a call on), without anybody standing in.
    pub fn plain<'a>(&'a self, user: &'a str, direction: Direction) -> Result<Written<'a>, Unwritable> {
        if direction == Direction::Internal && !user.is_empty() && !user.starts_with('+') {
            return Ok(Written::literal(user));
        }
        self.caller.write(user)
    }

    /// The caller as it leaves; `None` is a caller who is not shown.
    pub fn caller<'a>(
        &'a self,
        caller: &'a str,
        direction: Direction,
    ) -> Result<Option<Written<'a>>, Unwritable> {
        match (self.plain(caller, direction), &self.substitute) {
            (Ok(written), None) => Ok(Some(written)),
            (Ok(written), Some(_)) if !caller.is_empty() => Ok(Some(written)),
            (_, Some(Substitute::Anonymous)) => Ok(None),
            (_, Some(Substitute::Number(number))) => self.caller.write(number).map(Some),
            (Err(why), None) => Err(why),
        }
    }

    /// Whether nothing is ever written otherwise than it came.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.called == Form::Unchanged && self.caller == Form::Unchanged
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
