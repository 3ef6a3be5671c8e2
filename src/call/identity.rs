//! Our own names on the wire: branches, tags, Call-IDs, from a seeded cryptographic generator.
//!
//! Owns their shape (at least 64 random bits each). Read first: RFC 3261 §8.1.1.7, §19.3.

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// The generator; seeded from the system in the product and from the seed in the simulation.
#[derive(Debug)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// From 32 bytes.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound` (0 gives 0); for back-off and weights, the modulo's bias is below 2^-32.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { u32::try_from(self.bits() % u64::from(bound)).unwrap_or(0) }
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        self.0.fill_bytes(octets);
    }
}

/// Sixteen lower-case hexadecimal digits of a number, as our branches and tags are written.
#[must_use]
pub fn hex16(bits: u64) -> [u8; 16] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut out = [0_u8; 16];
    let mut rest = bits;
    for place in out.iter_mut().rev() {
        *place = DIGITS[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
    out
}

/// Reads exactly sixteen lower-case hexadecimal digits.
#[must_use]
pub fn read_hex16(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    text.iter().try_fold(0_u64, |bits, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((bits << 4) | u64::from(digit))
    })
}

/// A client transaction's branch of ours: `z9hG4bK` and sixteen digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Branch(pub u64);

impl Branch {
    /// Writes it as in Via.
    #[must_use]
    pub fn text(self) -> [u8; 23] {
        let mut out = *b"z9hG4bK0000000000000000";
        for (place, digit) in out.iter_mut().skip(7).zip(hex16(self.0)) {
            *place = digit;
        }
        out
    }

    /// Reads one of ours; anything else is not ours.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        text.strip_prefix(b"z9hG4bK").and_then(read_hex16).map(Self)
    }
}

/// A dialog tag of ours: sixteen digits; the dialog table's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalTag(pub u64);

impl LocalTag {
    /// Writes it as in From or To.
    #[must_use]
    pub fn text(self) -> [u8; 16] {
        hex16(self.0)
    }

    /// Reads one of ours.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        read_hex16(text).map(Self)
    }
}
