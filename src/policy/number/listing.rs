//! One entry of a list of numbers, as people write it: `+37127913000`, `+371*`, `+37127913000-+37127913999`.
//!
//! Owns the three forms. A number is read by the one reader, under a plan that knows nothing but `+`; a prefix must begin
//! as numbers of the world do. Refuses to know what the list is for. Read first: `read.rs`; ITU-T E.164 §6.

use super::deny::Deny;
use super::digits::{DIGITS_MAX, Digits};
use super::plan::DialPlan;
use super::world::{CODE_DIGITS_MAX, World};
use super::{E164, Number, read};

/// Octets of an entry.
pub const ENTRY_OCTETS_MAX: usize = 64;
const SCHEME: &[u8] = b"tel:";

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// This number, and no longer one.
    Number(E164),
    /// Whatever begins so.
    Prefix(Digits),
    /// From one number to another.
    Range(Range),
}

/// Numbers of the same length, the first and the last among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u64,
    last: u64,
    digits: u8,
}

/// Why a text is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// Nothing is written.
    Empty,
    /// It has more than `ENTRY_OCTETS_MAX` octets.
    Long,
    /// The reader refuses the number.
    Denied(Deny),
    /// It is a name, a short code or an emergency number, or has parameters.
    NoE164,
    /// A prefix is `+` and digits.
    PrefixForm,
    /// No country's numbers begin so, or it is longer than they are.
    PrefixOfNobody,
    /// The ends of a range have not the same country code and as many digits, or the last is before the first.
    RangeEnds,
}

impl Unlisted {
    /// What is wrong, in a clause that follows the text.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Empty => "is nothing",
            Self::Long => "is longer than any number",
            Self::Denied(deny) => deny.text(),
            Self::NoE164 => "is not an international number alone",
            Self::PrefixForm => "is not + and digits",
            Self::PrefixOfNobody => "is what no number of the world begins with",
            Self::RangeEnds => {
                "is no range: its ends must be numbers of one country, equally long, the lower one first"
            }
        }
    }

    /// How to mend it.
    #[must_use]
    pub const fn cure(self) -> &'static str {
        match self {
            Self::Empty | Self::Long | Self::Denied(_) | Self::NoE164 => {
                "write a whole number with + and country code, as +37127913000; a prefix ends in *, as +371*"
            }
            Self::PrefixForm | Self::PrefixOfNobody => "write + and the first digits, as +371*",
            Self::RangeEnds => "write +37127913000-+37127913999",
        }
    }
}

impl Listing {
    /// Reads an entry in any of its forms; a prefix ends in `*`.
    pub fn read(text: &str, world: &World) -> Result<Self, Unlisted> {
        if let Some(prefix) = text.strip_suffix('*') {
            return Self::prefix(prefix, world);
        }
        // A minus in front of a plus can be nothing else.
        if let Some((first, last)) = text.split_once("-+") {
            return Self::range(first, last, world);
        }
        number(text.as_bytes(), world).map(Self::Number)
    }

    /// Reads what a number may begin with, without a `*`.
    pub fn prefix(text: &str, world: &World) -> Result<Self, Unlisted> {
        let digits = text.strip_prefix('+').ok_or(Unlisted::PrefixForm)?.as_bytes();
        let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let digits = Digits::new(digits).filter(|_| plain).ok_or(Unlisted::PrefixForm)?;
        if begins_a_number(digits.as_bytes(), world) {
            Ok(Self::Prefix(digits))
        } else {
            Err(Unlisted::PrefixOfNobody)
        }
    }

    fn range(first: &str, last: &str, world: &World) -> Result<Self, Unlisted> {
        let first = number(first.trim_end().as_bytes(), world)?;
        let mut plus = [b'+'; ENTRY_OCTETS_MAX];
        let room = plus.get_mut(1..=last.len()).ok_or(Unlisted::Long)?;
        room.copy_from_slice(last.as_bytes());
        let last = number(plus.get(..=last.len()).unwrap_or_default(), world)?;
        let alike =
            first.code() == last.code() && first.digits.as_bytes().len() == last.digits.as_bytes().len();
        let value = |number: &E164| number.digits.as_str().parse::<u64>().ok();
        match (value(&first), value(&last), u8::try_from(first.digits.as_bytes().len())) {
            (Some(low), Some(high), Ok(digits)) if alike && low <= high => {
                Ok(Self::Range(Range { first: low, last: high, digits }))
            }
            _ => Err(Unlisted::RangeEnds),
        }
    }
}

fn number(text: &[u8], world: &World) -> Result<E164, Unlisted> {
    if text.is_empty() {
        return Err(Unlisted::Empty);
    }
    let mut uri = [0; SCHEME.len() + ENTRY_OCTETS_MAX];
    let length = SCHEME.len() + text.len();
    let place = uri.get_mut(..length).ok_or(Unlisted::Long)?;
    let (scheme, rest) = place.split_at_mut(SCHEME.len());
    scheme.copy_from_slice(SCHEME);
    rest.copy_from_slice(text);
    let reading =
        read(uri.get(..length).unwrap_or_default(), &DialPlan::default(), world).map_err(Unlisted::Denied)?;
    match reading.number {
        Number::E164(number) if !reading.parameters_dropped => Ok(number),
        Number::E164(_) | Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_) => {
            Err(Unlisted::NoE164)
        }
    }
}

/// Whether numbers of the world begin with these digits.
fn begins_a_number(digits: &[u8], world: &World) -> bool {
    if let Some(country) = world.country(digits) {
        let most = country.code.len() + usize::from(*country.national_digits.end());
        return digits.len() <= most.min(DIGITS_MAX);
    }
    // Part of a country code.
    let longer = |more: u8| {
        let mut whole = [b'0'; CODE_DIGITS_MAX];
        let room = whole.get_mut(..digits.len())?;
        room.copy_from_slice(digits);
        let tail = whole.get_mut(digits.len()..)?;
        match tail {
            [] => return None,
            [last] => *last = b'0' + more % 10,
            [first, last, ..] => (*first, *last) = (b'0' + more / 10, b'0' + more % 10),
        }
        world.country(&whole).map(drop)
    };
    digits.first() != Some(&b'0')
        && digits.len() < CODE_DIGITS_MAX
        && (0..100).any(|more| longer(more).is_some())
}

impl Range {
    /// Digits of its numbers.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// The fewest prefixes that are all of it and nothing else, among numbers of its length.
    pub fn pieces(&self) -> impl Iterator<Item = Digits> {
        let Self { mut first, last, digits } = *self;
        let mut done = false;
        std::iter::from_fn(move || {
            if done || first > last {
                return None;
            }
            let (mut spare, mut size) = (0_u8, 1_u64);
            while spare + 1 < digits && first.is_multiple_of(size * 10) && first + (size * 10 - 1) <= last {
                (spare, size) = (spare + 1, size * 10);
            }
            let piece = decimal(first / size);
            // At the highest number there is none behind it.
            match first.checked_add(size) {
                Some(next) => first = next,
                None => done = true,
            }
            piece
        })
    }
}

/// A number of a range never begins with 0, so its digits are those of its value.
fn decimal(value: u64) -> Option<Digits> {
    let mut keys = [b'0'; 20];
    let mut rest = value;
    let mut from = keys.len();
    while rest > 0 && from > 0 {
        from -= 1;
        *keys.get_mut(from)? = b'0' + u8::try_from(rest % 10).ok()?;
        rest /= 10;
    }
    Digits::new(keys.get(from..)?)
}
