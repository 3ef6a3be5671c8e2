//! The Authorization family: a scheme and its parameters.
//!
//! Owns `Auth` for Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate, and `AuthParams` for them
//! and Authentication-Info. Refuses to know digests. Values never print: what a peer proves itself with stays off logs.
//! Read first: RFC 3261 §20.7, §22, §25.1; RFC 7616 §3.

use std::borrow::Cow;
use std::fmt;

use crate::sip::error::Cause;
use crate::sip::grammar::{self, PARAMS_MAX, TOKEN, VALUE};
use crate::sip::text;

/// A value of a credential or a challenge; its `Debug` says `[redacted]`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthValue<'a>(&'a [u8]);

impl<'a> AuthValue<'a> {
    /// The value as written, quotes included.
    #[must_use]
    pub const fn as_written(self) -> &'a [u8] {
        self.0
    }

    /// The value without quotes and backslashes.
    #[must_use]
    pub fn plain(self) -> Cow<'a, [u8]> {
        text::unquote(self.0)
    }

    /// Whether it was written as a quoted string.
    #[must_use]
    pub fn is_quoted(self) -> bool {
        self.0.first() == Some(&b'"')
    }
}

impl fmt::Debug for AuthValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One value of Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate. These headers are no comma
/// lists: each line is one value.
#[derive(Clone, Copy)]
pub struct Auth<'a> {
    /// The scheme as written.
    pub scheme: &'a [u8],
    rest: &'a [u8],
}

impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [redacted]", self.scheme.escape_ascii())
    }
}

impl<'a> Auth<'a> {
    /// Reads one line. The parameters of `Digest` are checked and no name may stand twice; another scheme is kept opaque
    /// (RFC 4475 §3.3.7).
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let (scheme, rest) = grammar::run(TOKEN, grammar::trim(value));
        let trimmed = grammar::trim_start(rest);
        if scheme.is_empty() || trimmed.len() == rest.len() && !rest.is_empty() {
            return Err(Cause::HeaderValue);
        }
        let auth = Self { scheme, rest: trimmed };
        if auth.is_digest() {
            check(auth.params())?;
        }
        Ok(auth)
    }

    /// Whether the scheme is Digest.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> AuthParams<'a> {
        AuthParams::new(self.rest)
    }

    /// A parameter by name (ASCII case-insensitive).
    #[must_use]
    pub fn param(&self, name: &str) -> Option<AuthValue<'a>> {
        self.params()
            .map_while(Result::ok)
            .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

fn check(params: AuthParams<'_>) -> Result<(), Cause> {
    let mut names: Vec<&[u8]> = Vec::new();
    for param in params {
        let (name, _) = param?;
        // RFC 7616 §3.4: the same parameter twice is refused, or two readers would check two answers.
        if names.len() >= PARAMS_MAX || names.iter().any(|seen| seen.eq_ignore_ascii_case(name)) {
            return Err(Cause::HeaderValue);
        }
        names.push(name);
    }
    if names.is_empty() { Err(Cause::HeaderValue) } else { Ok(()) }
}

/// `name=value` parameters between commas: what follows a scheme, and the whole of Authentication-Info.
#[derive(Clone)]
pub struct AuthParams<'a> {
    rest: &'a [u8],
}

impl fmt::Debug for AuthParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'a> AuthParams<'a> {
    /// Reads a list.
    #[must_use]
    pub fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }

    fn read(&mut self) -> Result<Option<(&'a [u8], AuthValue<'a>)>, Cause> {
        let mut rest = grammar::trim_start(self.rest);
        // RFC 3261 §7.3.1: empty elements of a list say nothing.
        while let [b',', tail @ ..] = rest {
            rest = grammar::trim_start(tail);
        }
        if rest.is_empty() {
            self.rest = rest;
            return Ok(None);
        }
        let (name, rest) = grammar::run(TOKEN, rest);
        let Some((b'=', tail)) = grammar::trim_start(rest).split_first() else {
            return Err(Cause::HeaderValue);
        };
        let tail = grammar::trim_start(tail);
        let (value, rest) = match tail.first() {
            Some(b'"') => grammar::quoted(tail).ok_or(Cause::HeaderValue)?,
            Some(_) | None => grammar::run(VALUE, tail),
        };
        self.rest = grammar::trim_start(rest);
        let ended = matches!(self.rest.first(), None | Some(b','));
        if name.is_empty() || value.is_empty() || !ended {
            return Err(Cause::HeaderValue);
        }
        Ok(Some((name, AuthValue(value))))
    }
}

impl<'a> Iterator for AuthParams<'a> {
    type Item = Result<(&'a [u8], AuthValue<'a>), Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_comes_apart_and_prints_nothing() {
        let auth = Auth::read(
            b"digest username=\"bob\", realm = \"a, \\\"b\\\"\",\r\n nonce=\"84a4\",uri=\"sip:x;y=z\", nc=00000001,qop=auth,",
        )
        .unwrap();
        let plain = |name: &str| auth.param(name).map(|value| value.plain().into_owned());
        assert_eq!(plain("USERNAME").as_deref(), Some(&b"bob"[..]));
        assert_eq!(plain("realm").as_deref(), Some(&b"a, \"b\""[..]));
        assert_eq!(plain("uri").as_deref(), Some(&b"sip:x;y=z"[..]));
        assert_eq!((plain("nc").as_deref(), plain("opaque")), (Some(&b"00000001"[..]), None));
        assert_eq!(auth.param("nc").map(AuthValue::is_quoted), Some(false));
        assert_eq!(
            format!("{auth:?} {:?} {:?}", auth.params(), auth.param("nonce")),
            "digest [redacted] [redacted] Some([redacted])"
        );
    }

    #[test]
    fn a7_broken_and_repeated_parameters_are_refused() {
        for bad in [
            "",
            "Digest",
            "Digest ",
            "Digest username",
            "Digest username=",
            "Digest =x",
            "Digest a=\"open",
            "Digest a=1 b=2",
            "Digest a=1, A=2",
            "Digest realm=\"x\"\"y\"",
            "\"Digest\" a=1",
            "Digest=1",
        ] {
            assert!(Auth::read(bad.as_bytes()).is_err(), "{bad}");
        }
        let many: String = (0..=PARAMS_MAX).map(|at| format!("p{at}=1,")).collect();
        assert!(Auth::read(format!("Digest {many}").as_bytes()).is_err());
    }

    #[test]
    fn other_schemes_stay_opaque() {
        for value in ["NoOneKnowsThisScheme opaque-data=here", "Bearer abc.def==", "Basic"] {
            let auth = Auth::read(value.as_bytes()).unwrap();
            assert!(!auth.is_digest());
        }
    }
}
