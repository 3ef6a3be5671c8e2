//! A short word of a description that is repeated to whoever said it.
//!
//! Owns which octets it may have and how many. Read first: RFC 8866 §9 (token-char).

use std::fmt;

use smallvec::SmallVec;

/// Octets of a word at most.
pub const WORD_BYTES_MAX: usize = 64;

/// A token, or several with slashes between them, as protocols have.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(SmallVec<[u8; 16]>);

impl Word {
    /// Takes it, if it is one.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= WORD_BYTES_MAX;
        (fits && text.iter().all(|octet| is_token(*octet) || *octet == b'/')).then(|| Self(text.into()))
    }

    /// Its octets.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are ASCII.
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// RFC 8866 §9: token-char.
pub(super) const fn is_token(octet: u8) -> bool {
    matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~')
}

/// A number of decimal digits that is written in one way alone: no sign, no zero before it.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = digits.len() <= 19 && (digits.len() == 1 || digits.first() != Some(&b'0'));
    if digits.is_empty() || !plain {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The same for a small one.
pub(super) fn small<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    decimal(digits).and_then(|number| T::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_have_one_reading() {
        let long = "x".repeat(WORD_BYTES_MAX);
        for good in ["audio", "UDP/TLS/RTP/SAVPF", "*", "x-y.z", &long] {
            assert_eq!(Word::new(good.as_bytes()).unwrap().bytes(), good.as_bytes());
        }
        for bad in ["", "a b", "a=b", "a:b", "a\u{e9}", "(x)", &format!("{long}x")] {
            assert_eq!(Word::new(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!((decimal(b"0"), decimal(b"17"), small::<u8>(b"255")), (Some(0), Some(17), Some(255)));
        assert_eq!(small::<u8>(b"256"), None);
        for bad in ["", "00", "01", "-1", "+1", "1 ", "0x1", "99999999999999999999"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }
}
