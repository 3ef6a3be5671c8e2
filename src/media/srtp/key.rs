//! Master keys as secrets, and the identifiers that may stand beside them in a packet.
//!
//! Owns that a key prints as `[redacted]`, is compared in constant time and wiped when dropped. Refuses to know where
//! it came from: SDP and DTLS both end here. Read first: RFC 3711 §3.1, §3.2.1, §8.1.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::counter::KEY_OCTETS_MAX;
use super::suite::Suite;

/// The most octets that a master key and its salt have.
const MASTER_OCTETS_MAX: usize = 46;

/// The octets given do not have the suite's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLength {
    /// Octets given.
    pub given: usize,
    /// Octets that the suite wants, salt included.
    pub wanted: usize,
}

impl fmt::Display for KeyLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key and salt have {} octets, the suite wants {}", self.given, self.wanted)
    }
}

impl std::error::Error for KeyLength {}

/// A suite's master key and master salt.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    octets: Zeroizing<[u8; MASTER_OCTETS_MAX]>,
}

impl MasterKey {
    /// Takes key and salt, one behind the other, as SDP writes them.
    ///
    /// # Errors
    /// When there are not just as many octets as the suite wants.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<Self, KeyLength> {
        let wrong = KeyLength { given: key_and_salt.len(), wanted: suite.master_octets() };
        if wrong.given != wrong.wanted {
            return Err(wrong);
        }
        let mut octets = Zeroizing::new([0; MASTER_OCTETS_MAX]);
        octets.get_mut(..wrong.wanted).ok_or(wrong)?.copy_from_slice(key_and_salt);
        Ok(Self { suite, octets })
    }

    /// The suite it is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, for whoever is to be given the secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.octets.get(..self.suite.master_octets()).unwrap_or_default()
    }

    /// The key without the salt, with zeros behind it where the suite's is shorter.
    pub(super) fn key(&self) -> Zeroizing<[u8; KEY_OCTETS_MAX]> {
        let mut key = Zeroizing::new([0; KEY_OCTETS_MAX]);
        for (place, octet) in key.iter_mut().zip(self.octets.iter().take(self.suite.key_octets())) {
            *place = *octet;
        }
        key
    }

    /// The salt, with zeros behind it up to the 112 bits that the key derivation reads.
    pub(super) fn salt(&self) -> Zeroizing<[u8; 14]> {
        let mut salt = Zeroizing::new([0; 14]);
        let given = self.octets.iter().skip(self.suite.key_octets()).take(self.suite.salt_octets());
        // RFC 7714 §11: the 96-bit salt is the head of the 112 bits, the last sixteen are zero.
        for (place, octet) in salt.iter_mut().zip(given) {
            *place = *octet;
        }
        salt
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && bool::from(self.octets.ct_eq(&*other.octets))
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [redacted]", self.suite.token())
    }
}

/// A master key identifier: up to four octets that a sender repeats in each packet. We accept one and send none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mki {
    /// In network order, to the right; zeros before them.
    octets: [u8; 4],
    length: u8,
}

impl Mki {
    /// None in the packet.
    pub const NONE: Self = Self { octets: [0; 4], length: 0 };
    /// Octets it may have at most.
    pub const OCTETS_MAX: usize = 4;

    /// An identifier of so many octets; `None` when they are more than four, or too few for the value.
    #[must_use]
    pub fn new(value: u32, octets: usize) -> Option<Self> {
        let length = u8::try_from(octets).ok().filter(|length| usize::from(*length) <= Self::OCTETS_MAX)?;
        let fits = u64::from(value) < 1_u64 << (8 * u32::from(length));
        fits.then(|| Self { octets: value.to_be_bytes(), length })
    }

    /// How many octets it takes in a packet.
    #[must_use]
    pub fn octets(self) -> usize {
        usize::from(self.length)
    }

    /// As it stands in a packet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(Self::OCTETS_MAX - usize::from(self.length)..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_length_prints_nothing_and_equals_itself_alone() {
        for suite in Suite::ALL {
            let octets: Vec<u8> = (1..=46).take(suite.master_octets()).collect();
            let key = MasterKey::new(suite, &octets).unwrap();
            assert_eq!(key.suite(), suite);
            assert_eq!(key.expose(), octets);
            assert_eq!(key.key()[..suite.key_octets()], octets[..suite.key_octets()]);
            let mut salt = octets[suite.key_octets()..].to_vec();
            salt.resize(14, 0);
            assert_eq!(key.salt()[..], salt);
            assert_eq!(format!("{key:?}"), format!("{} [redacted]", suite.token()));
            assert_eq!(key, key.clone());
            let mut other = octets.clone();
            *other.last_mut().unwrap() ^= 1;
            assert_ne!(key, MasterKey::new(suite, &other).unwrap());
            for given in [0, octets.len() - 1] {
                let wrong = MasterKey::new(suite, &octets[..given]).unwrap_err();
                assert_eq!(wrong, KeyLength { given, wanted: octets.len() });
                assert!(wrong.to_string().contains(&given.to_string()));
            }
            other.push(0);
            assert!(MasterKey::new(suite, &other).is_err());
        }
        let same = [7; 30];
        let (long, short) = (Suite::AesCm128HmacSha1T80, Suite::AesCm128HmacSha1T32);
        assert_ne!(MasterKey::new(long, &same).unwrap(), MasterKey::new(short, &same).unwrap());
    }

    #[test]
    fn an_identifier_has_up_to_four_octets_and_holds_its_value() {
        let rows: [(u32, usize, Option<&[u8]>); 9] = [
            (0, 0, Some(&[])),
            (1, 0, None),
            (255, 1, Some(&[255])),
            (256, 1, None),
            (1, 4, Some(&[0, 0, 0, 1])),
            (0x0102, 2, Some(&[1, 2])),
            (u32::MAX, 4, Some(&[255; 4])),
            (1, 5, None),
            (1, 128, None),
        ];
        for (value, octets, expected) in rows {
            let mki = Mki::new(value, octets);
            assert_eq!(mki.as_ref().map(Mki::as_bytes), expected, "{value}:{octets}");
            assert!(mki.is_none_or(|mki| mki.octets() == octets));
        }
        assert_eq!(Mki::default(), Mki::NONE);
    }
}
