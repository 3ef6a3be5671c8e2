//! The server's half: WWW-Authenticate, Proxy-Authenticate and Authentication-Info, read and written.
//!
//! Owns which of several challenges a client should answer. Refuses to know nonces' meaning and who may be answered.
//! Read first: RFC 7616 §3.3, §3.5; RFC 8760 §2.3, §2.4; RFC 3261 §20.44, §22.

use std::borrow::Cow;

use super::{Algorithm, Hash, Qop, VALUE_OCTETS_MAX, quote_into};
use crate::sip::error::Cause;
use crate::sip::grammar::{self, Values};
use crate::sip::headers::{Auth, AuthParams, AuthValue};

/// A challenge as a server writes it: qop is auth, always.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The realm: text without CR, LF and NUL.
    pub realm: &'a str,
    /// The nonce: text without CR, LF and NUL.
    pub nonce: &'a [u8],
    /// The hash.
    pub hash: Hash,
    /// Whether the answer before was right, and only its nonce too old.
    pub stale: bool,
}

impl Offer<'_> {
    /// Adds the header's value.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Digest realm=");
        quote_into(self.realm.as_bytes(), out);
        out.extend_from_slice(b", nonce=");
        quote_into(self.nonce, out);
        out.extend_from_slice(b", algorithm=");
        out.extend_from_slice(self.hash.token().as_bytes());
        // RFC 3261 §22.4, 8: a server always sends qop, and as a quoted string.
        out.extend_from_slice(b", qop=\"auth\"");
        if self.stale {
            out.extend_from_slice(b", stale=true");
        }
    }
}

/// A challenge as a client reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The realm, plain.
    pub realm: Cow<'a, [u8]>,
    /// The nonce, plain.
    pub nonce: Cow<'a, [u8]>,
    /// To be given back as it is, plain.
    pub opaque: Option<Cow<'a, [u8]>>,
    /// The algorithm; MD5 when none was named.
    pub algorithm: Algorithm,
    /// Whether the algorithm was named: only then the answer names it too.
    pub algorithm_named: bool,
    /// What the answer will cover: auth where it is offered; `None` when the server spoke of no qop.
    pub qop: Option<Qop>,
    /// Whether the answer before was right, and only its nonce too old.
    pub stale: bool,
    /// Whether the user's name may be sent hashed.
    pub userhash: bool,
}

impl std::fmt::Debug for Challenge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [hash, session] = self.algorithm.token();
        write!(f, "{hash}{session} for {} [redacted]", self.realm.escape_ascii())
    }
}

impl<'a> Challenge<'a> {
    /// Reads one header line's value. `Ok(None)` for a challenge that is well formed and cannot be answered here: another
    /// scheme, an unknown algorithm, a qop that is neither auth nor auth-int, `-sess` without qop.
    pub fn read(value: &'a [u8]) -> Result<Option<Self>, Cause> {
        let auth = Auth::read(value)?;
        if !auth.is_digest() {
            return Ok(None);
        }
        let realm = text(&auth, "realm")?.ok_or(Cause::HeaderValue)?;
        let nonce = text(&auth, "nonce")?.ok_or(Cause::HeaderValue)?;
        let opaque = text(&auth, "opaque")?;
        let named = word(&auth, "algorithm")?;
        // RFC 7616 §3.3: without algorithm it is MD5.
        let algorithm = Algorithm::read(named.as_deref().unwrap_or(b"MD5"));
        let offered = word(&auth, "qop")?;
        let qop = offered.as_deref().map(best_qop);
        let flag = |name| Ok(word(&auth, name)?.is_some_and(|word| word.eq_ignore_ascii_case(b"true")));
        let (stale, userhash) = (flag("stale")?, flag("userhash")?);
        let (Some(algorithm), true) = (algorithm, qop != Some(None)) else { return Ok(None) };
        let qop = qop.flatten();
        if algorithm.session && qop.is_none() {
            return Ok(None);
        }
        let algorithm_named = named.is_some();
        Ok(Some(Self { realm, nonce, opaque, algorithm, algorithm_named, qop, stale, userhash }))
    }

    /// The same, on its own feet: to be answered again under its next count.
    #[must_use]
    pub fn into_owned(self) -> Challenge<'static> {
        let owned = |text: Cow<'_, [u8]>| Cow::Owned(text.into_owned());
        let Self { realm, nonce, opaque, algorithm, algorithm_named, qop, stale, userhash } = self;
        Challenge {
            realm: owned(realm),
            nonce: owned(nonce),
            opaque: opaque.map(owned),
            algorithm,
            algorithm_named,
            qop,
            stale,
            userhash,
        }
    }

    /// The challenge to answer among those of one response, in the order of its lines: for one realm, with a hash that
    /// `may` be used; a sound hash before MD5 wherever it stands, and of equals the topmost.
    #[must_use]
    pub fn choose(
        challenges: impl IntoIterator<Item = Self>,
        realm: &[u8],
        may: impl Fn(Hash) -> bool,
    ) -> Option<Self> {
        let mut best: Option<Self> = None;
        for challenge in challenges {
            if *challenge.realm != *realm || !may(challenge.algorithm.hash) {
                continue;
            }
            // RFC 8760 §2.4: the topmost, unless local policy says otherwise: whoever puts MD5 on top gains nothing.
            let better = best
                .as_ref()
                .is_none_or(|best| challenge.algorithm.hash.is_sound() && !best.algorithm.hash.is_sound());
            if better {
                best = Some(challenge);
            }
        }
        best
    }
}

/// auth before auth-int; `None` when the list has neither.
fn best_qop(list: &[u8]) -> Option<Qop> {
    let mut found = Values::new(list).filter_map(Qop::read);
    let first = found.next()?;
    if first == Qop::Auth || found.any(|qop| qop == Qop::Auth) { Some(Qop::Auth) } else { Some(first) }
}

/// Authentication-Info of a response, as a client reads it.
#[derive(Debug, Clone)]
pub struct AuthenticationInfo<'a> {
    /// The nonce for the next request, plain; from then on `nc` counts from 1 again.
    pub next_nonce: Option<Cow<'a, [u8]>>,
    /// The server's own proof: `Ha1::response` over an empty method; compare it with `Hex::read` in constant time.
    pub response: Option<AuthValue<'a>>,
}

impl<'a> AuthenticationInfo<'a> {
    /// Reads the header's value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let mut info = Self { next_nonce: None, response: None };
        for (at, param) in AuthParams::new(value).enumerate() {
            let (name, value) = param?;
            if at >= grammar::PARAMS_MAX || value.as_written().len() > VALUE_OCTETS_MAX {
                return Err(Cause::HeaderValue);
            }
            let seen = if name.eq_ignore_ascii_case(b"nextnonce") {
                info.next_nonce.replace(value.plain()).is_some()
            } else if name.eq_ignore_ascii_case(b"rspauth") {
                info.response.replace(value).is_some()
            } else {
                false
            };
            if seen {
                return Err(Cause::HeaderValue);
            }
        }
        Ok(info)
    }
}

/// A parameter that the grammar has as a quoted string, plain.
pub(super) fn text<'a>(auth: &Auth<'a>, name: &str) -> Result<Option<Cow<'a, [u8]>>, Cause> {
    match bounded(auth, name)? {
        Some(value) if value.is_quoted() => Ok(Some(value.plain())),
        // Without quotes two readers may end it in two places.
        Some(_) => Err(Cause::HeaderValue),
        None => Ok(None),
    }
}

/// A parameter that is a word: some machines quote `algorithm`, `qop`, `nc` and `stale`, and mean the same.
pub(super) fn word<'a>(auth: &Auth<'a>, name: &str) -> Result<Option<Cow<'a, [u8]>>, Cause> {
    Ok(bounded(auth, name)?.map(AuthValue::plain))
}

fn bounded<'a>(auth: &Auth<'a>, name: &str) -> Result<Option<AuthValue<'a>>, Cause> {
    match auth.param(name) {
        Some(value) if value.as_written().len() > VALUE_OCTETS_MAX => Err(Cause::HeaderValue),
        found => Ok(found),
    }
}
