//! Who calls whom, as two numbers small enough to keep for every call that a peer failed.
//!
//! Owns the folding of a caller and of a destination block. Refuses to know numbering plans: this judges a trunk, never
//! a call. Read first: DESIGN.md §4 (destination block), law 9.

/// Digits at the end that one block leaves out.
const BLOCK_DIGITS: usize = 4;

/// A caller and the destination block that was called. Equal numbers give equal values; that two different ones do, by
/// chance or by design, makes one witness of two and no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parties {
    /// The caller; all that show no number are one.
    pub caller: u64,
    /// The called number less its last four digits; one that is no longer than that stands for itself.
    pub block: u64,
}

impl Parties {
    /// The parties of one call, as policy read their numbers.
    #[must_use]
    pub fn of(caller: &str, called: &str) -> Self {
        let digits = called.bytes().filter(u8::is_ascii_digit).count();
        let all_digits = !called.bytes().any(|octet| octet.is_ascii_alphabetic());
        let kept = if all_digits && digits > BLOCK_DIGITS { digits - BLOCK_DIGITS } else { usize::MAX };
        Self { caller: folded(caller, usize::MAX), block: folded(called, kept) }
    }
}

/// The first digits of a number, signs between them left out, or a name's letters.
fn folded(user: &str, digits: usize) -> u64 {
    let heard = user.bytes().filter(u8::is_ascii_alphanumeric).take(digits);
    // The prime of FNV-1a: two numbers of the same length never meet, others hardly ever.
    heard.fold(1, |sum: u64, octet| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(octet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_the_number_less_its_last_four_digits() {
        for (one, other, same) in [
            ("+12025550100", "+12025550199", true),
            ("+12025550100", "+1 202-555-0199", true),
            ("+12025550100", "+12025560100", false),
            ("+12025550100", "+1202555010", false),
            ("110", "112", false),
            ("1000", "1001", false),
            ("10001", "10002", true),
            ("alice0001", "alice0002", false),
            ("", "", true),
        ] {
            assert_eq!(Parties::of("", one).block == Parties::of("", other).block, same, "{one} {other}");
        }
    }

    #[test]
    fn callers_are_told_apart_by_every_digit() {
        for (one, other, same) in
            [("+15550100", "+15550101", false), ("+15550100", "15550100", true), ("", "anonymous", false)]
        {
            assert_eq!(Parties::of(one, "1").caller == Parties::of(other, "1").caller, same, "{one} {other}");
        }
    }
}
