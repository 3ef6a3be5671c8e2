//! Which master keys a session has had, so that none of them begins a second time.
//!
//! Owns how a key is known again, and that one which served and was replaced stays gone: under it, indices from zero
//! would be a key stream used twice, and windows from nothing would open what was captured. Refuses to know indices.
//! Read first: RFC 3711 §9.1; RFC 4568 §7.1.4.

use subtle::ConstantTimeEq as _;

use super::Refused;
use super::derive::{self, PRINT_OCTETS};
use super::key::MasterKey;

/// Keys that a session may have had in one direction, the one in use aside. With another at each refresh of a session
/// timer of half an hour, they last ten days.
pub const KEYS_MAX: usize = 1_024;

/// Keys of other early dialogs that are kept beside the one in use.
pub(super) const TURNS_MAX: usize = 8;

/// What a key that was agreed on, perhaps once more, came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rekeyed {
    /// It is another key.
    Changed,
    /// It is the key in use or the one that waits, with another suite, identifier or lifetime, or in place of a change
    /// that is called off. Indices, windows and counts go on.
    Kept,
    /// It is that key as it was: nothing was done.
    Same,
}

/// By what a key is known again; the key cannot be found from it.
///
/// Suites do not part keys: many offer one key under several suites, and those with the same cipher and other tags
/// make the same key stream of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Print([u8; PRINT_OCTETS]);

impl Print {
    pub(super) fn of(key: &MasterKey) -> Self {
        Self(derive::print(key))
    }
}

impl PartialEq for Print {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Print {}

/// The keys that served and were replaced. None is forgotten.
#[derive(Debug, Default)]
pub(super) struct History {
    retired: Vec<Print>,
}

impl History {
    /// Puts a key that served behind those of other early dialogs; beyond [`TURNS_MAX`] the oldest ends.
    pub(super) fn park<T>(&mut self, parked: &mut Vec<T>, old: T, print: impl Fn(&T) -> Print) {
        if parked.len() >= TURNS_MAX {
            self.retire(print(&parked.remove(0)));
        }
        parked.push(old);
    }

    /// Ends every key of theirs.
    pub(super) fn end_all<T>(&mut self, parked: &mut Vec<T>, print: impl Fn(&T) -> Print) {
        std::mem::take(parked).iter().for_each(|old| self.retire(print(old)));
    }

    /// Whether a key that is not in use may come into use.
    ///
    /// # Errors
    /// [`Refused::Retired`] when it served before, [`Refused::Keys`] when it is one too many.
    pub(super) fn admit(&self, key: Print) -> Result<(), Refused> {
        if self.retired.contains(&key) {
            Err(Refused::Retired)
        } else if self.retired.len() >= KEYS_MAX {
            Err(Refused::Keys)
        } else {
            Ok(())
        }
    }

    /// Remembers a key that served; the one after it was admitted, so that there is room.
    pub(super) fn retire(&mut self, key: Print) {
        self.retired.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Suite;
    use super::*;

    fn print(suite: Suite, first: u8, last: u8) -> Print {
        let mut octets = vec![first; suite.master_octets()];
        *octets.last_mut().unwrap() = last;
        Print::of(&MasterKey::new(suite, &octets).unwrap())
    }

    #[test]
    fn a_key_is_known_by_key_and_salt_and_not_by_its_suite() {
        for suite in Suite::ALL {
            assert_eq!(print(suite, 1, 1), print(suite, 1, 1));
            assert_ne!(print(suite, 1, 1), print(suite, 2, 1), "{suite:?}: another key");
            assert_ne!(print(suite, 1, 1), print(suite, 1, 2), "{suite:?}: another salt");
        }
        for [long, short] in [
            [Suite::AesCm128HmacSha1T80, Suite::AesCm128HmacSha1T32],
            [Suite::AesCm256HmacSha1T80, Suite::AesCm256HmacSha1T32],
        ] {
            assert_eq!(print(long, 1, 1), print(short, 1, 1), "one key stream");
        }
    }

    #[test]
    fn a_retired_key_stays_gone_and_their_number_is_bounded() {
        let suite = Suite::AeadAes128Gcm;
        let mut history = History::default();
        for at in 0..KEYS_MAX {
            let key = Print((at as u128).to_be_bytes());
            assert_eq!(history.admit(key), Ok(()));
            history.retire(key);
            assert_eq!(history.admit(key), Err(Refused::Retired));
        }
        assert_eq!(history.admit(Print([0; 16])), Err(Refused::Retired), "the first is not forgotten");
        assert_eq!(history.admit(print(suite, 1, 1)), Err(Refused::Keys));
    }
}
