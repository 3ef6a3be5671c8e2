//! HMAC-SHA1 with both halves of the key already compressed.
//!
//! Owns the two chaining values a key becomes, so that a packet costs no work for the key and a dropped key is wiped,
//! which the `hmac` crate does not do. The compression function is the `sha1` crate's. Read first: RFC 2104 §2, §4;
//! RFC 3711 §4.2.1.

use sha1::Sha1Core;
use sha1::digest::core_api::Block;
use zeroize::Zeroizing;

/// Octets of a block of SHA-1.
const BLOCK: usize = 64;
/// Octets of its result.
pub(super) const TAG_OCTETS: usize = 20;

/// SHA-1 before its first block (FIPS 180-4 §5.3.1).
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A key for tags.
pub(super) struct Mac {
    inner: Zeroizing<[u32; 5]>,
    outer: Zeroizing<[u32; 5]>,
}

impl Mac {
    /// From a key of 160 bits, the only length SRTP has.
    pub(super) fn new(key: &[u8; TAG_OCTETS]) -> Self {
        let half = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            for (place, octet) in block.iter_mut().zip(key) {
                *place ^= octet;
            }
            let mut state = Zeroizing::new(START);
            compress(&mut state, &block[..]);
            state
        };
        // RFC 2104 §2: ipad is 0x36, opad 0x5c.
        Self { inner: half(0x36), outer: half(0x5c) }
    }

    /// The tag of `message` with `suffix` behind it; the suffix is short (the roll-over counter), the message any length.
    pub(super) fn tag(&self, message: &[u8], suffix: [u8; 4], suffix_octets: usize) -> [u8; TAG_OCTETS] {
        // Whoever has the states between has the key's halves: none stays behind on the stack.
        let mut state = Zeroizing::new(*self.inner);
        let whole = message.len() / BLOCK * BLOCK;
        let (blocks, rest) = message.split_at_checked(whole).unwrap_or((&[], message));
        compress(&mut state, blocks);
        let suffix = suffix.get(..suffix_octets).unwrap_or_default();
        // At most 63 octets of the message, 4 of the suffix, one that ends them and eight of length: two blocks.
        let mut end = [0; 2 * BLOCK];
        let used = rest.len() + suffix.len();
        for (place, octet) in end.iter_mut().zip(rest.iter().chain(suffix).chain(&[0x80])) {
            *place = *octet;
        }
        let total = if used + 9 <= BLOCK { BLOCK } else { 2 * BLOCK };
        finish(&mut end, total, BLOCK + message.len() + suffix.len());
        compress(&mut state, end.get(..total).unwrap_or_default());
        let mut last = [0; BLOCK];
        last[TAG_OCTETS] = 0x80;
        put(&state, &mut last);
        finish(&mut last, BLOCK, BLOCK + TAG_OCTETS);
        *state = *self.outer;
        compress(&mut state, &last);
        let mut tag = [0; TAG_OCTETS];
        put(&state, &mut tag);
        tag
    }
}

/// Runs over whole blocks; what is left over is not read.
fn compress(state: &mut [u32; 5], octets: &[u8]) {
    for block in octets.chunks_exact(BLOCK) {
        let block: &Block<Sha1Core> = block.into();
        sha1::compress(state, std::slice::from_ref(block));
    }
}

/// Writes the message's length in bits into the last eight of `total` octets.
fn finish(end: &mut [u8], total: usize, octets: usize) {
    let bits = (octets as u64) * 8;
    for (place, octet) in end.iter_mut().take(total).skip(total - 8).zip(bits.to_be_bytes()) {
        *place = octet;
    }
}

/// The chaining value as octets.
fn put(state: &[u32; 5], into: &mut [u8]) {
    for (place, word) in into.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac as _};
    use sha1::Sha1;

    use super::*;

    #[test]
    fn every_length_agrees_with_the_hmac_crate() {
        let message: Vec<u8> = (0..400_u32).map(|n| (n * 7 + n / 64) as u8).collect();
        for key in [[0; 20], [0xff; 20], std::array::from_fn(|at| at as u8 * 13 + 1)] {
            let mac = Mac::new(&key);
            for length in 0..message.len() {
                for suffix in [&[][..], &[1, 2, 3, 4]] {
                    let mut whole = Hmac::<Sha1>::new_from_slice(&key).unwrap();
                    whole.update(&message[..length]);
                    whole.update(suffix);
                    let tag = mac.tag(&message[..length], [1, 2, 3, 4], suffix.len());
                    assert_eq!(tag[..], whole.finalize().into_bytes()[..], "{length} and {}", suffix.len());
                }
            }
        }
    }

    #[test]
    fn rfc_2202_test_case_3() {
        let tag = Mac::new(&[0xaa; 20]).tag(&[0xdd; 50], [0; 4], 0);
        let expected = [
            0x12, 0x5d, 0x73, 0x42, 0xb9, 0xac, 0x11, 0xcd, 0x91, 0xa3, 0x9a, 0xf4, 0x8a, 0xa1, 0x7b, 0x4f,
            0x63, 0xf1, 0x75, 0xd3,
        ];
        assert_eq!(tag, expected);
    }
}
