//! Looking for an octet in texts as short as SIP's: names, tags, hosts, parameters.
//!
//! Owns the search for one octet and the proof that a text is plain, and nothing else. `memchr` is made for long texts:
//! below the width of its vectors it looks at one octet after the other, and that is where most of ours end. Here eight
//! octets are looked at together; what lies far behind, and what needs two or three octets told apart, is `memchr`'s.

/// What is looked at here; the rest is `memchr`'s.
const NEAR: usize = 64;

/// One in each octet.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The highest bit of each octet.
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// All octets of a word the same.
#[inline]
const fn eight(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// The highest bit of each octet below `bound`, which is 128 at most. The lowest of these bits is true, and so is that
/// there is none: what is borrowed from one octet goes to higher ones alone.
#[inline]
const fn below(bound: u8, word: u64) -> u64 {
    word.wrapping_sub(eight(bound)) & !word & HIGHS
}

/// A bit for each place of an octet; the lowest is true.
#[inline]
const fn places(octet: u8, octets: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(octets) ^ eight(octet);
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[inline]
const fn first(places: u64) -> usize {
    (places.trailing_zeros() / 8) as usize
}

/// The first place of an octet.
#[inline(never)]
pub(crate) fn find(octet: u8, text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    let mut before = 0;
    for word in words {
        let places = places(octet, *word);
        if places != 0 {
            return Some(before + first(places));
        }
        before += 8;
        if before == NEAR {
            return memchr::memchr(octet, text.get(NEAR..)?).map(|at| NEAR + at);
        }
    }
    match text.last_chunk::<8>() {
        // What of it was looked at before held none.
        Some(last) => {
            let places = places(octet, *last);
            (places != 0).then(|| text.len() - 8 + first(places))
        }
        None => rest.iter().position(|byte| *byte == octet),
    }
}

/// Whether no octet is a control character up to CR: such a text has no CR, no LF and no NUL.
#[inline(never)]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    const BOUND: u8 = b'\r' + 1;
    let (words, rest) = text.as_chunks::<8>();
    let Some(last) = text.last_chunk::<8>() else { return rest.iter().all(|octet| *octet >= BOUND) };
    let found =
        words.iter().chain([last]).fold(0, |found, word| found | below(BOUND, u64::from_ne_bytes(*word)));
    found == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_found_wherever_it_stands(text in proptest::collection::vec(0_u8..6, 0..200), shift in 0_u8..=255) {
            // Neighbours of each other, at zero, at the sign and at the end of the range too.
            let text: Vec<u8> = text.into_iter().map(|octet| octet.wrapping_add(shift)).collect();
            for from in 0..text.len().min(20) {
                let text = &text[from..];
                prop_assert_eq!(find(shift, text), memchr::memchr(shift, text));
            }
        }

        #[test]
        fn one_among_many_others_is_found(length in 0_usize..200, at in 0_usize..200, other in 0_u8..=255, sought in 0_u8..=255) {
            let mut text = vec![other; length];
            if let Some(octet) = text.get_mut(at) {
                *octet = sought;
            }
            prop_assert_eq!(find(sought, &text), memchr::memchr(sought, &text));
            prop_assert_eq!(is_plain(&text), text.iter().all(|octet| *octet > b'\r'));
        }
    }
}
