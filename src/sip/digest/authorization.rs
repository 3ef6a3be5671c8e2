//! The client's half: Authorization and Proxy-Authorization, read and written.
//!
//! Owns what a client claims and the text of our own claims. Refuses to know which users there are.
//! Read first: RFC 7616 §3.4; RFC 3261 §20.7, §22.4.

use std::borrow::Cow;
use std::fmt;

use super::challenge::{Challenge, text, word};
use super::{Algorithm, Counted, Ha1, Hex, Qop, Terms, count_digits, is_lower_hex, quote_into};
use crate::sip::error::Cause;
use crate::sip::headers::Auth;

/// Who claims to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User<'a> {
    /// By name: plain text.
    Named(Cow<'a, [u8]>),
    /// By H(user:realm), as `userhash=true` has it.
    Hashed(Cow<'a, [u8]>),
}

/// What a request offers as proof. `Debug` tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Who.
    pub user: User<'a>,
    /// For which realm, plain.
    pub realm: Cow<'a, [u8]>,
    /// Under which nonce, plain.
    pub nonce: Cow<'a, [u8]>,
    /// The digest-uri, plain.
    pub uri: Cow<'a, [u8]>,
    /// By which algorithm; MD5 when none is named (RFC 7616 §3.4).
    pub algorithm: Algorithm,
    /// The client's nonce, plain; empty when there is none.
    pub cnonce: Cow<'a, [u8]>,
    /// `qop` and `nc`.
    pub counted: Option<Counted>,
    /// The proof.
    pub response: Hex,
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'a> Authorization<'a> {
    /// The realm alone of one header line's value, whatever else stands there: what is meant for another realm need not be
    /// readable here (RFC 3261 §22.3). `Ok(None)` for another scheme, or without a realm.
    pub fn realm_of(value: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Cause> {
        let auth = Auth::read(value)?;
        if auth.is_digest() { text(&auth, "realm") } else { Ok(None) }
    }

    /// Reads one header line's value. `Ok(None)` for another scheme; an error for a digest that breaks the grammar, says
    /// a thing twice, names an algorithm or qop that is not known, or has qop without nc and cnonce, or these without it.
    pub fn read(value: &'a [u8]) -> Result<Option<Self>, Cause> {
        let auth = Auth::read(value)?;
        if !auth.is_digest() {
            return Ok(None);
        }
        let required = |name| text(&auth, name)?.ok_or(Cause::HeaderValue);
        let (realm, nonce, uri) = (required("realm")?, required("nonce")?, required("uri")?);
        let algorithm = word(&auth, "algorithm")?;
        let algorithm = Algorithm::read(algorithm.as_deref().unwrap_or(b"MD5")).ok_or(Cause::HeaderValue)?;
        let response = Hex::read(algorithm.hash, &required("response")?).ok_or(Cause::HeaderValue)?;
        let cnonce = text(&auth, "cnonce")?;
        let counted = match (word(&auth, "qop")?, word(&auth, "nc")?) {
            (Some(qop), Some(nc)) if cnonce.is_some() => {
                let qop = Qop::read(&qop).ok_or(Cause::HeaderValue)?;
                Some(Counted { qop, count: count(&nc).ok_or(Cause::HeaderValue)? })
            }
            (None, None) if cnonce.is_none() => None,
            // RFC 7616 §3.4: cnonce and nc stand exactly where qop does.
            (Some(_) | None, Some(_) | None) => return Err(Cause::HeaderValue),
        };
        let user = user(&auth)?;
        let cnonce = cnonce.unwrap_or_default();
        Ok(Some(Self { user, realm, nonce, uri, algorithm, cnonce, counted, response }))
    }

    /// Whether it proves a password whose HA1 for this user and realm is known. Takes as long whatever is wrong. HA1 of
    /// another hash than the algorithm's proves nothing.
    #[must_use]
    pub fn is_proven_by(&self, ha1: &Ha1, method: &[u8], body: &[u8]) -> bool {
        let terms = Terms {
            method,
            uri: &self.uri,
            nonce: &self.nonce,
            session: self.algorithm.session,
            cnonce: &self.cnonce,
            counted: self.counted,
            body,
        };
        let same_hash = ha1.hash() == self.algorithm.hash;
        (ha1.response(&terms) == self.response) & same_hash
    }
}

/// `username`, `username*` or a hashed name: exactly one of them.
fn user<'a>(auth: &Auth<'a>) -> Result<User<'a>, Cause> {
    let hashed = match word(auth, "userhash")? {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"true") => true,
        Some(word) if word.eq_ignore_ascii_case(b"false") => false,
        Some(_) => return Err(Cause::HeaderValue),
    };
    match (text(auth, "username")?, auth.param("username*")) {
        (Some(name), None) if hashed => Ok(User::Hashed(name)),
        (Some(name), None) => Ok(User::Named(name)),
        // RFC 7616 §3.4: username* is for a name that is not hashed.
        (None, Some(name)) if !hashed && !name.is_quoted() => {
            extended(name.as_written()).map(|name| User::Named(Cow::Owned(name))).ok_or(Cause::HeaderValue)
        }
        (Some(_) | None, Some(_) | None) => Err(Cause::HeaderValue),
    }
}

/// A value of RFC 5987 in UTF-8: `UTF-8''J%C3%A4s%C3%B8n`.
fn extended(value: &[u8]) -> Option<Vec<u8>> {
    let (charset, rest) = value.split_at_checked(5)?;
    if !charset.eq_ignore_ascii_case(b"UTF-8") {
        return None;
    }
    let mut parts = rest.strip_prefix(b"'")?.splitn(2, |byte| *byte == b'\'');
    let (_language, mut text) = (parts.next()?, parts.next()?);
    let mut plain = Vec::with_capacity(text.len());
    while let Some((first, tail)) = text.split_first() {
        text = tail;
        if *first != b'%' {
            plain.push(*first);
            continue;
        }
        let (hex, tail) = text.split_at_checked(2)?;
        plain.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        text = tail;
    }
    // A control character in a name is for no honest reader, and a sign before hex digits is none of the grammar.
    let bad = plain.iter().any(u8::is_ascii_control) || value.contains(&b'+');
    (!bad && std::str::from_utf8(&plain).is_ok()).then_some(plain)
}

/// `nc`: eight lower-case digits and more than nothing.
fn count(digits: &[u8]) -> Option<u32> {
    if digits.len() != 8 || !digits.iter().all(|digit| is_lower_hex(*digit)) {
        return None;
    }
    let count = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (count > 0).then_some(count)
}

/// What a client proves itself with, for one challenge.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The user's name: text without CR, LF and NUL.
    pub user: &'a str,
    /// HA1 for this user, the challenge's realm and its hash.
    pub ha1: &'a Ha1,
    /// The method of the request.
    pub method: &'a [u8],
    /// Its Request-URI, as it will be written.
    pub uri: &'a [u8],
    /// A nonce of our own: random, fresh for each request, text that needs no escape.
    pub cnonce: &'a [u8],
    /// How often this nonce was used, this time included.
    pub count: u32,
    /// Its body; read for auth-int alone.
    pub body: &'a [u8],
}

impl Challenge<'_> {
    /// The value of the Authorization (for 401) or Proxy-Authorization (for 407) that answers this challenge; `None` when
    /// HA1 is of another hash.
    #[must_use]
    pub fn answer(&self, with: &Answer<'_>) -> Option<Vec<u8>> {
        if with.ha1.hash() != self.algorithm.hash {
            return None;
        }
        let counted = self.qop.map(|qop| Counted { qop, count: with.count });
        let terms = Terms {
            method: with.method,
            uri: with.uri,
            nonce: &self.nonce,
            session: self.algorithm.session,
            cnonce: if counted.is_some() { with.cnonce } else { b"" },
            counted,
            body: with.body,
        };
        let response = with.ha1.response(&terms);
        let mut out = Vec::with_capacity(384);
        for (name, value) in [
            (&b"Digest username="[..], with.user.as_bytes()),
            (b", realm=", &self.realm),
            (b", nonce=", &self.nonce),
            (b", uri=", with.uri),
            (b", response=", response.as_bytes()),
        ] {
            out.extend_from_slice(name);
            quote_into(value, &mut out);
        }
        if self.algorithm_named {
            out.extend_from_slice(b", algorithm=");
            self.algorithm.token().into_iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
        }
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(b", opaque=");
            quote_into(opaque, &mut out);
        }
        if let Some(counted) = counted {
            // RFC 3261 §25.1: qop and nc stand without quotes here.
            out.extend_from_slice(b", qop=");
            out.extend_from_slice(counted.qop.token().as_bytes());
            out.extend_from_slice(b", nc=");
            out.extend_from_slice(&count_digits(counted.count));
            out.extend_from_slice(b", cnonce=");
            quote_into(with.cnonce, &mut out);
        }
        Some(out)
    }
}
