//! What a phone dials, held in place.
//!
//! Owns a few keys without an allocation. Refuses to know what they mean. Read first: ITU-T E.164 §6.

use std::fmt;

/// The longest E.164 number.
pub const DIGITS_MAX: usize = 15;

/// Up to fifteen digits, `*` and `#`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digits {
    keys: [u8; DIGITS_MAX],
    length: u8,
}

impl Digits {
    /// These; `None` where there are more than fifteen, or something else than digits, `*` and `#`.
    #[must_use]
    pub fn new(keys: &[u8]) -> Option<Self> {
        Self::of(&[keys])
    }

    /// Several parts as one.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut out = Self::default();
        for key in parts.iter().flat_map(|part| part.iter()) {
            if !matches!(key, b'0'..=b'9' | b'*' | b'#') {
                return None;
            }
            *out.keys.get_mut(usize::from(out.length))? = *key;
            out.length += 1;
        }
        Some(out)
    }

    /// As octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.keys.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
