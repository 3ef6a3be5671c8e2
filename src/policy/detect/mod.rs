//! What the detectors remember: numbers dialled lately, calls that were short, variants of one number, blocks that rang and hung up.
//!
//! Owns the tables and their bounds. Refuses to know limits, and to judge: the rules do (`rules/detectors.rs`). Nothing here is
//! entered by a decision; what a call is to enter stands among its charges, and what is learnt of it at its end comes from the engine.
//! Read first: DESIGN.md §1, laws 5 and 9; spec/limits.md, "Detectors".

mod recent;
mod table;
mod watch;

pub use recent::{RECENT_MAX, Recent};
pub use table::{KEYS_MAX, Table};
pub use watch::{DIDS_MAX, Watch};

use super::keyed::{Key, Keyed, Scope};
use super::peer::{Peer, PeerId};
use crate::clock::Tick;

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The last four digits of numbers of one block that a site dialled.
    Dialled,
    /// Short calls of one caller to one number.
    Short,
    /// What one caller dialled before the same last digits.
    Variant,
}

/// One thing to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Note {
    /// Of which kind.
    pub kind: Kind,
    /// Whose.
    pub key: Key,
    /// What: four digits, a hash; the same value again counts once.
    pub value: u64,
    /// When.
    pub at: Tick,
}

/// The memory of all detectors.
#[derive(Debug, Default)]
pub struct Detect {
    dialled: Table<Recent>,
    short: Table<Recent>,
    variants: Table<Recent>,
    /// Blocks whose calls rang and hung up.
    pub watches: Table<Watch>,
}

impl Detect {
    /// What is remembered of a key.
    #[must_use]
    pub fn recent(&self, kind: Kind, key: Key) -> Option<&Recent> {
        match kind {
            Kind::Dialled => self.dialled.find(key),
            Kind::Short => self.short.find(key),
            Kind::Variant => self.variants.find(key),
        }
    }

    /// Remembers it.
    pub fn note(&mut self, note: Note) {
        let Note { kind, key, value, at } = note;
        let table = match kind {
            Kind::Dialled => &mut self.dialled,
            Kind::Short => &mut self.short,
            Kind::Variant => &mut self.variants,
        };
        table.entry(key, at).note(value, at);
    }
}

/// Digits at the end of a number that a block leaves open.
const BLOCK_DIGITS: usize = 4;

/// Digits of the shortest number that has a block.
const DIGITS_LEAST: usize = 7;

/// The block of an international number, without its plus, and the digits within it.
#[must_use]
pub fn block(digits: &str) -> Option<(&str, u16)> {
    if digits.len() < DIGITS_LEAST || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (block, last) = digits.split_at_checked(digits.len() - BLOCK_DIGITS)?;
    Some((block, last.parse().ok()?))
}

/// A key of whatever a whole site has in common, by its text; of a peer without a site its own.
#[must_use]
pub fn site_key(keyed: &Keyed, scope: Scope, peer: &Peer, text: &str) -> Key {
    match peer.site {
        Some(site) => keyed.key(scope, PeerId(site.0), &["site", text]),
        None => keyed.key(scope, peer.id, &["peer", text]),
    }
}

/// Digits at the end that variants of one number have in common.
pub const SUFFIX_DIGITS: usize = 9;

/// What was dialled before the last nine digits, and those; `None` where there are no more than nine.
#[must_use]
pub fn variant(dialled: &str) -> Option<(String, String)> {
    let keys: String = dialled.chars().filter(|key| key.is_ascii_digit() || "+*#".contains(*key)).collect();
    let at = keys.len().checked_sub(SUFFIX_DIGITS).filter(|at| *at > 0)?;
    let (before, suffix) = keys.split_at_checked(at)?;
    suffix.bytes().all(|key| key.is_ascii_digit()).then(|| (before.to_owned(), suffix.to_owned()))
}

/// Who dials, of a peer: the credential that was proven, else the caller.
#[must_use]
pub fn who(keyed: &Keyed, scope: Scope, peer: PeerId, who: (Option<&str>, &str), more: &str) -> Key {
    match who {
        (Some(credential), _) => keyed.key(scope, peer, &["credential", credential, more]),
        (None, caller) => keyed.key(scope, peer, &["caller", caller, more]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_number_without_its_last_four_digits() {
        for (digits, expected) in [
            ("37127913000", Some(("3712791", 3000))),
            ("3712791", Some(("371", 2791))),
            ("371279", None),
            ("3712791300x", None),
        ] {
            assert_eq!(block(digits), expected, "{digits}");
        }
    }

    #[test]
    fn a_variant_is_what_was_dialled_before_the_last_nine_digits() {
        for (dialled, expected) in [
            ("+37127913000", Some(("+37", "127913000"))),
            ("9011 371-27913000", Some(("901137", "127913000"))),
            ("127913000", None),
            ("0127913000", Some(("0", "127913000"))),
            ("*12#79130001", None),
            ("alice", None),
        ] {
            let expected = expected.map(|(a, b): (&str, &str)| (a.to_owned(), b.to_owned()));
            assert_eq!(variant(dialled), expected, "{dialled}");
        }
    }
}
