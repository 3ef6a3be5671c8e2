//! Digest: what a response is computed from, for both sides of a challenge.
//!
//! Owns hashes, HA1 and responses; the headers that carry them stand in `challenge` (WWW-Authenticate, Proxy-Authenticate,
//! Authentication-Info) and `authorization` (Authorization, Proxy-Authorization). Refuses to know users, nonces' meaning
//! and time. Nothing that proves a password prints. Read first: RFC 7616 §3; RFC 8760; RFC 3261 §22.

pub mod authorization;
pub mod challenge;

use std::fmt;

use md5::Md5;
use sha2::digest::{Digest, Output};
use sha2::{Sha256, Sha512_256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

pub use authorization::{Answer, Authorization, User};
pub use challenge::{AuthenticationInfo, Challenge, Offer};

/// Octets of one parameter's value at most, quotes included; a longer one is refused (RFC 7616 sets no bound).
pub const VALUE_OCTETS_MAX: usize = 1_024;

/// The most hexadecimal digits a hash has here.
const HEX_MAX: usize = 64;

/// A hash function of the registry that SIP uses (RFC 8760 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD5: for machines that know no other.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256, a hash of its own and no shortened SHA-512 (RFC 7616, erratum 4897).
    Sha512T256,
}

impl Hash {
    /// Every hash, the weakest first.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512T256];

    /// The token on the wire.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512T256 => "SHA-512-256",
        }
    }

    /// Whether it still counts as sound; MD5 does not (RFC 8760 §1).
    #[must_use]
    pub const fn is_sound(self) -> bool {
        match self {
            Self::Md5 => false,
            Self::Sha256 | Self::Sha512T256 => true,
        }
    }

    /// Hexadecimal digits of its result.
    #[must_use]
    pub const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512T256 => 64,
        }
    }

    /// The hash of pieces with a colon between each two, in lower-case hexadecimal.
    #[must_use]
    pub fn of(self, pieces: &[&[u8]]) -> Hex {
        match self {
            Self::Md5 => Hex::from_octets(&joined::<Md5>(pieces)),
            Self::Sha256 => Hex::from_octets(&joined::<Sha256>(pieces)),
            Self::Sha512T256 => Hex::from_octets(&joined::<Sha512_256>(pieces)),
        }
    }
}

fn joined<D: Digest>(pieces: &[&[u8]]) -> Output<D> {
    let mut hash = D::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(piece);
    }
    hash.finalize()
}

/// A hash with its session variant: what the `algorithm` parameter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// Whether HA1 is bound to the nonce and cnonce (`-sess`).
    pub session: bool,
}

impl Algorithm {
    /// Reads the token (ASCII case-insensitive); `None` for one that is not known here.
    #[must_use]
    pub fn read(token: &[u8]) -> Option<Self> {
        let session = token.len() > 5 && token.get(token.len() - 5..)?.eq_ignore_ascii_case(b"-sess");
        let bare = if session { token.get(..token.len() - 5)? } else { token };
        let hash = Hash::ALL.into_iter().find(|hash| hash.token().as_bytes().eq_ignore_ascii_case(bare))?;
        Some(Self { hash, session })
    }

    /// The token on the wire, in two pieces.
    #[must_use]
    pub const fn token(self) -> [&'static str; 2] {
        [self.hash.token(), if self.session { "-sess" } else { "" }]
    }
}

/// A hash's result in lower-case hexadecimal. Compared in constant time; `Debug` says `[redacted]`.
#[derive(Clone, Copy)]
pub struct Hex {
    digits: [u8; HEX_MAX],
    len: u8,
}

impl Hex {
    fn from_octets(octets: &[u8]) -> Self {
        let mut hex = Self { digits: [0; HEX_MAX], len: 0 };
        for (place, octet) in hex.digits.chunks_exact_mut(2).zip(octets) {
            place.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
            hex.len += 2;
        }
        hex
    }

    /// Reads the digits of a hash; `None` unless there are as many as it has, all of 0-9 and a-f.
    #[must_use]
    pub fn read(hash: Hash, digits: &[u8]) -> Option<Self> {
        if digits.len() != hash.digits() || !digits.iter().all(|digit| is_lower_hex(*digit)) {
            return None;
        }
        let mut hex = Self { digits: [0; HEX_MAX], len: u8::try_from(digits.len()).ok()? };
        hex.digits.get_mut(..digits.len())?.copy_from_slice(digits);
        Some(hex)
    }

    /// The digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl PartialEq for Hex {
    fn eq(&self, other: &Self) -> bool {
        // The whole of both, whatever their length: where the first difference stands takes no time to tell.
        bool::from(self.digits.ct_eq(&other.digits) & self.len.ct_eq(&other.len))
    }
}

impl Eq for Hex {}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

const fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Whether it is an `LHEX`.
const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// H(user:realm:password): as good as the password for its realm, and kept so: it prints `[redacted]` and is wiped
/// when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    hash: Hash,
    hex: Hex,
}

impl Ha1 {
    /// Computes it.
    #[must_use]
    pub fn new(hash: Hash, user: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self { hash, hex: hash.of(&[user, realm, password]) }
    }

    /// Reads it from its digits; `None` unless they are the hash's number of 0-9 and a-f.
    #[must_use]
    pub fn read(hash: Hash, digits: &[u8]) -> Option<Self> {
        Some(Self { hash, hex: Hex::read(hash, digits)? })
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Its digits, for whoever is to be given the secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.hex.as_bytes()
    }

    /// The response that proves it under these terms (RFC 7616 §3.4.1).
    #[must_use]
    pub fn response(&self, terms: &Terms<'_>) -> Hex {
        // RFC 7616 §3.4.3: A2 is Method:uri, for auth-int with :H(entity-body) behind it.
        let whole = terms.counted.is_some_and(|counted| counted.qop == Qop::AuthInt);
        let method_and_uri = if whole {
            self.hash.of(&[terms.method, terms.uri, self.hash.of(&[terms.body]).as_bytes()])
        } else {
            self.hash.of(&[terms.method, terms.uri])
        };
        let mut key = Zeroizing::new(self.hex.digits);
        if terms.session {
            // RFC 7616 §3.4.2: A1 of -sess is H(user:realm:password):nonce:cnonce.
            let bound = self.hash.of(&[self.expose(), terms.nonce, terms.cnonce]);
            key.copy_from_slice(&bound.digits);
        }
        let key = key.get(..self.hash.digits()).unwrap_or_default();
        match terms.counted {
            Some(Counted { qop, count }) => {
                let pieces = [
                    key,
                    terms.nonce,
                    &count_digits(count),
                    terms.cnonce,
                    qop.token().as_bytes(),
                    method_and_uri.as_bytes(),
                ];
                self.hash.of(&pieces)
            }
            None => self.hash.of(&[key, terms.nonce, method_and_uri.as_bytes()]),
        }
    }
}

impl Drop for Ha1 {
    fn drop(&mut self) {
        self.hex.digits.zeroize();
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [redacted]", self.hash.token())
    }
}

/// `nc` as it is written: eight digits.
fn count_digits(count: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (place, octet) in digits.chunks_exact_mut(2).zip(count.to_be_bytes()) {
        place.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
    }
    digits
}

/// What a response covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// Method, URI and body.
    AuthInt,
}

impl Qop {
    /// The token on the wire.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// Reads the token (ASCII case-insensitive).
    #[must_use]
    pub fn read(token: &[u8]) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| token.eq_ignore_ascii_case(qop.token().as_bytes()))
    }
}

/// `qop` and the number of this request under its nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// What is covered.
    pub qop: Qop,
    /// `nc`: 1 for the first request with the nonce.
    pub count: u32,
}

/// All that a response is computed over beside HA1. Text is plain: without quotes and backslashes.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The method; empty for `rspauth` (RFC 7616 §3.5).
    pub method: &'a [u8],
    /// The digest-uri as written.
    pub uri: &'a [u8],
    /// The server's nonce.
    pub nonce: &'a [u8],
    /// Whether HA1 is bound to nonce and cnonce (`-sess`).
    pub session: bool,
    /// The client's nonce; empty when there is none.
    pub cnonce: &'a [u8],
    /// `qop` and `nc`; `None` as RFC 2069 had it.
    pub counted: Option<Counted>,
    /// The body; read for auth-int alone.
    pub body: &'a [u8],
}

/// Adds `"text"`, its quotes and backslashes escaped; what stands in it has neither CR, LF nor NUL by its source.
fn quote_into(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
