//! The parts of a user part: percent-decoded exactly once, separators taken out.
//!
//! Owns octets before they are a number. Refuses to know plans. Read first: RFC 3986 §2.1; RFC 3966 §3, §5.1.1.

use super::deny::Deny;

/// Octets of a user part.
pub const PART_OCTETS_MAX: usize = 128;

/// A part of a user part, decoded and held in place.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    octets: [u8; PART_OCTETS_MAX],
    length: usize,
}

impl Part {
    const EMPTY: Self = Self { octets: [0; PART_OCTETS_MAX], length: 0 };

    /// Decodes one, once.
    pub fn decode(text: &[u8]) -> Result<Self, Deny> {
        let mut out = Self::EMPTY;
        let mut rest = text;
        while let [first, tail @ ..] = rest {
            let (octet, tail) = match (first, tail) {
                (b'%', [high, low, tail @ ..]) => {
                    let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                        return Err(Deny::BadEscape);
                    };
                    match (high << 4) | low {
                        b'%' => return Err(Deny::DoubleEncoding),
                        octet => (octet, tail),
                    }
                }
                (b'%', _) => return Err(Deny::BadEscape),
                (octet, tail) => (*octet, tail),
            };
            out.push(octet)?;
            rest = tail;
        }
        Ok(out)
    }

    fn push(&mut self, octet: u8) -> Result<(), Deny> {
        match octet {
            0x80.. => return Err(Deny::NonAscii),
            0..0x20 | 0x7F => return Err(Deny::ControlChar),
            _ => {}
        }
        *self.octets.get_mut(self.length).ok_or(Deny::Oversize)? = octet;
        self.length += 1;
        Ok(())
    }

    /// Without visual separators (RFC 3966 §5.1.1) and spaces.
    #[must_use]
    pub fn without_separators(&self) -> Self {
        let mut out = Self::EMPTY;
        for octet in self.octets().iter().filter(|octet| !matches!(octet, b'-' | b'.' | b'(' | b')' | b' ')) {
            if let Some(place) = out.octets.get_mut(out.length) {
                *place = *octet;
                out.length += 1;
            }
        }
        out
    }

    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
