//! Who calls whom, as numbers small enough to keep for every call that waits or that a peer failed.
//!
//! Owns the folding of a caller and of a destination block, and who stands behind a caller for certain. Refuses to know
//! numbering plans: this judges a trunk, and who waits, never a call. Read first: DESIGN.md §4 (destination block), law 9.

use super::peer::{PeerId, PeerSide};

/// Digits at the end that one block leaves out.
const BLOCK_DIGITS: usize = 4;

/// The prime of FNV-1a.
const PRIME: u64 = 0x0100_0000_01b3;

/// Whose word a caller's number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched<'a> {
    /// Nobody's: it stands in From as it came.
    Nobody,
    /// The peer's, which the policy believes: it asserts the number.
    Asserted,
    /// It has proved this user's password.
    Proved(&'a str),
}

/// Where a call comes from, and whose word on its caller counts.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Which peer sent it.
    pub peer: PeerId,
    /// On which side that stands.
    pub side: PeerSide,
    /// Whose word its number is.
    pub vouched: Vouched<'a>,
}

/// A caller and the destination block that was called. Equal numbers give equal values; that two different ones do, by
/// chance or by design, makes one witness of two and no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parties {
    /// Who stands behind the call for certain: the user whose password it proved, the number that a believed peer asserts,
    /// else the peer alone, whatever From says.
    pub source: u64,
    /// The caller: his number behind his source. All that show no number there are one.
    pub caller: u64,
    /// Who counts as one where two are asked for. A PBX knows its extensions, so it is the caller; a number that came in from
    /// outside and that nobody vouches for is anybody's choice, so there it is the source.
    pub witness: u64,
    /// The called number less its last four digits; one that is no longer than that stands for itself.
    pub block: u64,
}

impl Parties {
    /// The parties of one call, as policy read their numbers.
    #[must_use]
    pub fn of(origin: &Origin<'_>, caller: &str, called: &str) -> Self {
        let digits = called.bytes().filter(u8::is_ascii_digit).count();
        let all_digits = !called.bytes().any(|octet| octet.is_ascii_alphabetic());
        let kept = if all_digits && digits > BLOCK_DIGITS { digits - BLOCK_DIGITS } else { usize::MAX };
        let (number, peer) = (folded(caller, usize::MAX), u64::from(origin.peer.0));
        let (kind, who) = match origin.vouched {
            Vouched::Nobody => (0, 0),
            Vouched::Asserted => (1, number),
            Vouched::Proved(user) => (2, whole(user)),
        };
        // The same number behind two PBXs is two callers.
        let source = [kind, who].into_iter().fold(peer.wrapping_add(1), together);
        let caller = together(source, number);
        let witness = match (origin.side, origin.vouched) {
            // A password vouches for its user, and for no number that the user brings.
            (PeerSide::Outside, Vouched::Nobody | Vouched::Proved(_)) => source,
            (PeerSide::Outside, Vouched::Asserted) | (PeerSide::Inside, _) => caller,
        };
        Self { source, caller, witness, block: folded(called, kept) }
    }
}

/// Two folded values as one.
const fn together(one: u64, other: u64) -> u64 {
    one.wrapping_mul(PRIME).wrapping_add(other).rotate_left(23)
}

/// All of a user's name.
fn whole(user: &str) -> u64 {
    user.bytes().fold(1, |sum: u64, octet| sum.wrapping_mul(PRIME).wrapping_add(u64::from(octet)))
}

/// The first digits of a number, signs between them left out, or a name's letters.
fn folded(user: &str, digits: usize) -> u64 {
    let heard = user.bytes().filter(u8::is_ascii_alphanumeric).take(digits);
    // Two numbers of the same length never meet, others hardly ever.
    heard.fold(1, |sum: u64, octet| sum.wrapping_mul(PRIME).wrapping_add(u64::from(octet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call from a peer.
    fn of(peer: u16, side: PeerSide, vouched: Vouched<'_>, caller: &str, called: &str) -> Parties {
        Parties::of(&Origin { peer: PeerId(peer), side, vouched }, caller, called)
    }

    fn from_pbx(caller: &str, called: &str) -> Parties {
        of(0, PeerSide::Inside, Vouched::Nobody, caller, called)
    }

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
            assert_eq!(from_pbx("", one).block == from_pbx("", other).block, same, "{one} {other}");
        }
    }

    #[test]
    fn callers_are_told_apart_by_every_digit() {
        for (one, other, same) in
            [("+15550100", "+15550101", false), ("+15550100", "15550100", true), ("", "anonymous", false)]
        {
            assert_eq!(from_pbx(one, "1").caller == from_pbx(other, "1").caller, same, "{one} {other}");
        }
    }

    #[test]
    fn c8_from_makes_no_source_and_outside_no_witness() {
        use PeerSide::{Inside, Outside};
        use Vouched::{Asserted, Nobody, Proved};
        // Two calls, and whether they have one source, one caller, one witness.
        let table = [
            ((1, Inside, Nobody, "1"), (1, Inside, Nobody, "1"), [true, true, true]),
            ((1, Inside, Nobody, "1"), (1, Inside, Nobody, "2"), [true, false, false]),
            ((1, Inside, Nobody, "1"), (2, Inside, Nobody, "1"), [false, false, false]),
            ((1, Outside, Nobody, "1"), (1, Outside, Nobody, "2"), [true, false, true]),
            ((1, Outside, Nobody, "1"), (2, Outside, Nobody, "1"), [false, false, false]),
            ((1, Outside, Asserted, "1"), (1, Outside, Asserted, "1"), [true, true, true]),
            ((1, Outside, Asserted, "1"), (1, Outside, Asserted, "2"), [false, false, false]),
            ((1, Outside, Asserted, "1"), (1, Outside, Nobody, "1"), [false, false, false]),
            ((1, Inside, Proved("ann"), "1"), (1, Inside, Proved("ann"), "1"), [true, true, true]),
            ((1, Inside, Proved("ann"), "1"), (1, Inside, Proved("ann"), "2"), [true, false, false]),
            ((1, Inside, Proved("ann"), "1"), (1, Inside, Proved("an-n"), "1"), [false, false, false]),
            ((1, Outside, Proved("ann"), "1"), (1, Outside, Proved("ann"), "2"), [true, false, true]),
        ];
        for (one, other, same) in table {
            let [a, b] =
                [one, other].map(|(peer, side, vouched, caller)| of(peer, side, vouched, caller, "9"));
            let found = [a.source == b.source, a.caller == b.caller, a.witness == b.witness];
            assert_eq!(found, same, "{one:?} {other:?}");
        }
    }
}
