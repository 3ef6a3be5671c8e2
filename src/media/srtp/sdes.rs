//! Keys in SDP: the value of `a=crypto`, read and written.
//!
//! Owns the grammar and which lines are usable; a line that asks for less than encrypted and authenticated media, or
//! for what is not done here, is not. Refuses to know offers, answers and whether the signalling was private.
//! Read first: RFC 4568 §4, §6, §9.

use std::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use zeroize::Zeroizing;

use super::SRTP_PACKETS_MAX;
use super::key::{MasterKey, Mki};
use super::suite::Suite;

/// Octets of one value at most; what is longer is refused unread (RFC 4568 sets no bound).
pub const CRYPTO_OCTETS_MAX: usize = 512;
/// The fewest packets a key may be offered for: 2^20, more than five hours of speech.
pub const LIFETIME_MIN: u64 = 1 << 20;
/// The most octets of base64 that a key and salt take.
const KEY_TEXT_MAX: usize = 64;
/// The smallest window that `WSH` may ask for (RFC 4568 §6.3.6).
const WINDOW_HINT_MIN: u64 = 64;

/// A usable `a=crypto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Its number, which the answer repeats.
    pub tag: u32,
    /// Its suite and key.
    pub key: MasterKey,
    /// What the sender puts into each packet.
    pub mki: Mki,
    /// For how many packets the key is, where it says so.
    pub lifetime: Option<u64>,
}

/// Why a line is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// It is longer than [`CRYPTO_OCTETS_MAX`].
    Long,
    /// It does not follow the grammar.
    Syntax,
    /// Its suite is not spoken here.
    Suite,
    /// Its key is no base64, or has not the suite's length.
    Key,
    /// It names several keys.
    Keys,
    /// Its lifetime is below [`LIFETIME_MIN`] or beyond what a key may serve.
    Lifetime,
    /// Its master key identifier has more than four octets, or a value that its octets do not hold.
    Mki,
    /// `UNENCRYPTED_SRTP` or `UNENCRYPTED_SRTCP`.
    Unencrypted,
    /// `UNAUTHENTICATED_SRTP`.
    Unauthenticated,
    /// `KDR`: session keys that change on the way.
    KeyDerivationRate,
    /// `FEC_ORDER` or `FEC_KEY`: no forward error correction is relayed.
    Fec,
    /// A parameter that nobody here knows and that may not be ignored.
    Parameter,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Long => "a=crypto is longer than any key needs",
            Self::Syntax => "a=crypto does not follow RFC 4568",
            Self::Suite => "crypto-suite is not supported",
            Self::Key => "key is no base64 of the suite's length",
            Self::Keys => "several keys in one a=crypto are not supported",
            Self::Lifetime => "key lifetime is below 2^20 or beyond 2^48 packets",
            Self::Mki => "master key identifier is longer than 4 octets or does not fit them",
            Self::Unencrypted => "asks for media that is not encrypted",
            Self::Unauthenticated => "asks for media that is not authenticated",
            Self::KeyDerivationRate => "key derivation rates are not supported",
            Self::Fec => "forward error correction is not supported",
            Self::Parameter => "a session parameter is not known and may not be ignored",
        })
    }
}

impl std::error::Error for Unusable {}

impl Crypto {
    /// Reads what stands behind `a=crypto:`.
    ///
    /// # Errors
    /// Why the line is not usable; another line of the same stream may be.
    pub fn read(value: &[u8]) -> Result<Self, Unusable> {
        if value.len() > CRYPTO_OCTETS_MAX {
            return Err(Unusable::Long);
        }
        let mut words = value.split(|octet| matches!(octet, b' ' | b'\t')).filter(|word| !word.is_empty());
        let mut word = || words.next().ok_or(Unusable::Syntax);
        // RFC 4568 §9.2: tag 1*WSP crypto-suite 1*WSP key-params *(1*WSP session-param).
        let tag = tag(word()?)?;
        let suite = word()?;
        let key_params = word()?;
        let suite = Suite::read(suite).ok_or(Unusable::Suite)?;
        let crypto = key_info(tag, suite, key_params)?;
        session_params(words)?;
        Ok(crypto)
    }

    /// Adds a value for `a=crypto:` with a key of ours: no lifetime, so that it is the suite's, no identifier, and no
    /// parameter. The caller sees to it that it leaves on encrypted signalling alone, and that `out` has room for what
    /// it adds behind: where it grows, a block with the key in it is freed.
    pub fn write(tag: u32, key: &MasterKey, out: &mut Vec<u8>) {
        let mut text = Zeroizing::new([0; KEY_TEXT_MAX]);
        // Key and salt have 46 octets at most, whose base64 has 64.
        let text = Base64::encode(key.expose(), &mut *text).expect("a master key fits its text");
        let tag = tag.to_string();
        let pieces = [&tag, " ", key.suite().token(), " inline:", text];
        // Before the key is in it, so that no block is freed with a part of the key.
        out.reserve(pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            out.extend_from_slice(piece.as_bytes());
        }
    }
}

fn tag(word: &[u8]) -> Result<u32, Unusable> {
    // RFC 4568 §9.2: 1*9DIGIT. The answer repeats the number, so that it has one way to be written.
    let number = decimal(word, 9).ok_or(Unusable::Syntax)?;
    if word.len() > 1 && word.first() == Some(&b'0') {
        return Err(Unusable::Syntax);
    }
    u32::try_from(number).map_err(|_beyond| Unusable::Syntax)
}

/// `inline:` key and salt, then lifetime and master key identifier, where they are.
fn key_info(tag: u32, suite: Suite, key_params: &[u8]) -> Result<Crypto, Unusable> {
    // RFC 4568 §6.1: several keys need several identifiers; one key is all that a session here holds.
    if key_params.contains(&b';') {
        return Err(Unusable::Keys);
    }
    let (method, info) = key_params.split_at_checked(7).ok_or(Unusable::Syntax)?;
    if !method.eq_ignore_ascii_case(b"inline:") {
        return Err(Unusable::Syntax);
    }
    let mut parts = info.split(|octet| *octet == b'|');
    let key = master_key(suite, parts.next().ok_or(Unusable::Syntax)?)?;
    let (mut lifetime, mut mki) = (None, None);
    for part in parts {
        if let Some(colon) = part.iter().position(|octet| *octet == b':') {
            if mki.is_some() {
                return Err(Unusable::Syntax);
            }
            mki = Some(identifier(part.split_at_checked(colon).ok_or(Unusable::Syntax)?)?);
        } else if lifetime.is_none() && mki.is_none() {
            lifetime = Some(packets(part)?);
        } else {
            return Err(Unusable::Syntax);
        }
    }
    Ok(Crypto { tag, key, mki: mki.unwrap_or(Mki::NONE), lifetime })
}

fn master_key(suite: Suite, text: &[u8]) -> Result<MasterKey, Unusable> {
    let mut octets = Zeroizing::new([0; KEY_TEXT_MAX]);
    // RFC 4568 §6.1 has it padded; many leave the padding out, and what it stands for is the same.
    let decoded = if text.contains(&b'=') {
        Base64::decode(text, &mut *octets)
    } else {
        Base64Unpadded::decode(text, &mut *octets)
    };
    let decoded = decoded.map_err(|_invalid| Unusable::Key)?;
    MasterKey::new(suite, decoded).map_err(|_length| Unusable::Key)
}

/// `2^n`, or the number itself.
fn packets(text: &[u8]) -> Result<u64, Unusable> {
    let packets = if let Some(power) = text.strip_prefix(b"2^") {
        let power = decimal(power, 3).ok_or(Unusable::Syntax)?;
        u32::try_from(power).ok().and_then(|power| 1_u64.checked_shl(power)).ok_or(Unusable::Lifetime)?
    } else {
        let digits = text.iter().skip_while(|digit| **digit == b'0').count();
        if digits > 18 && text.iter().all(u8::is_ascii_digit) {
            return Err(Unusable::Lifetime);
        }
        decimal(text, CRYPTO_OCTETS_MAX).ok_or(Unusable::Syntax)?
    };
    // RFC 4568 §6.1: no more than the suite's maximum.
    if (LIFETIME_MIN..=SRTP_PACKETS_MAX).contains(&packets) { Ok(packets) } else { Err(Unusable::Lifetime) }
}

/// `value:octets`, cut before the colon.
fn identifier((value, octets): (&[u8], &[u8])) -> Result<Mki, Unusable> {
    let octets = octets.strip_prefix(b":").and_then(|octets| decimal(octets, 3)).ok_or(Unusable::Syntax)?;
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) || octets == 0 {
        return Err(Unusable::Syntax);
    }
    let value = decimal(value, 18).and_then(|value| u32::try_from(value).ok()).ok_or(Unusable::Mki)?;
    usize::try_from(octets).ok().and_then(|octets| Mki::new(value, octets)).ok_or(Unusable::Mki)
}

fn session_params<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<(), Unusable> {
    let mut hinted = false;
    for word in words {
        // RFC 4568 §6.3.7: what begins with a hyphen may be ignored by whoever does not know it; all else may not.
        if word.first() == Some(&b'-') {
            if word.len() == 1 {
                return Err(Unusable::Syntax);
            }
            continue;
        }
        let (name, value) = match word.iter().position(|octet| *octet == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        let name = name.to_ascii_uppercase();
        match (name.as_slice(), value) {
            (b"UNENCRYPTED_SRTP" | b"UNENCRYPTED_SRTCP", _) => return Err(Unusable::Unencrypted),
            (b"UNAUTHENTICATED_SRTP", _) => return Err(Unusable::Unauthenticated),
            // RFC 4568 §6.3.1: even KDR=0 is a rate, one of a packet; without a rate the parameter is left out.
            (b"KDR", _) => return Err(Unusable::KeyDerivationRate),
            (b"FEC_ORDER" | b"FEC_KEY", _) => return Err(Unusable::Fec),
            (b"WSH", Some(value)) if !hinted => {
                // RFC 4568 §6.3.6: a hint; the window here has its own size.
                let hint = decimal(value, 9).filter(|hint| *hint >= WINDOW_HINT_MIN);
                hint.ok_or(Unusable::Syntax)?;
                hinted = true;
            }
            (b"WSH", _) => return Err(Unusable::Syntax),
            (_, _) => return Err(Unusable::Parameter),
        }
    }
    Ok(())
}

/// A number of decimal digits alone, so many at most.
fn decimal(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
#[path = "sdes_tests.rs"]
mod tests;
