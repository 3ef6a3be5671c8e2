//! What a body is: Content-Type, Content-Disposition, Content-Encoding.
//!
//! Owns those views. Refuses to look into bodies. Read first: RFC 3261 §20.11 to §20.15; RFC 5621 §3.

use std::borrow::Cow;

use crate::sip::error::Cause;
use crate::sip::grammar::{self, PARAMS_MAX, Params, TOKEN};
use crate::sip::text;

/// Content-Type, and one element of Accept.
#[derive(Debug, Clone, Copy)]
pub struct ContentType<'a> {
    /// As in `application`.
    pub kind: &'a [u8],
    /// As in `sdp`.
    pub subtype: &'a [u8],
    /// Parameters as written, from the first `;` on.
    pub params: &'a [u8],
}

/// Parameters that read, not too many of them.
fn checked(params: &[u8]) -> Result<&[u8], Cause> {
    let params = grammar::trim(params);
    for (at, param) in Params::new(params).enumerate() {
        param?;
        if at >= PARAMS_MAX {
            return Err(Cause::Oversize);
        }
    }
    Ok(params)
}

impl<'a> ContentType<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let (kind, rest) = grammar::run(TOKEN, grammar::trim(value));
        let Some((b'/', rest)) = grammar::trim_start(rest).split_first() else {
            return Err(Cause::HeaderValue);
        };
        let (subtype, params) = grammar::run(TOKEN, grammar::trim_start(rest));
        if kind.is_empty() || subtype.is_empty() {
            return Err(Cause::HeaderValue);
        }
        Ok(Self { kind, subtype, params: checked(params)? })
    }

    /// Whether it is this type, as in `is("application", "sdp")`; without case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Whether it is `multipart/...`.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"multipart")
    }

    /// A parameter's value without quotes; empty for one without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        grammar::param(self.params, name).map(text::unquote)
    }
}

/// Content-Disposition.
#[derive(Debug, Clone, Copy)]
pub struct ContentDisposition<'a> {
    /// As in `session`.
    pub kind: &'a [u8],
    /// Parameters as written, from the first `;` on.
    pub params: &'a [u8],
}

impl<'a> ContentDisposition<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let (kind, params) = grammar::run(TOKEN, grammar::trim(value));
        if kind.is_empty() {
            return Err(Cause::HeaderValue);
        }
        Ok(Self { kind, params: checked(params)? })
    }

    /// Whether it is this disposition, without case.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    /// RFC 3261 §20.11: whoever does not know the body must refuse it, unless `handling=optional` is said.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !grammar::param(self.params, "handling").is_some_and(|how| how.eq_ignore_ascii_case(b"optional"))
    }
}

/// Whether a Content-Encoding leaves the body as it is: none, or `identity` (RFC 3261 §20.12).
#[must_use]
pub fn is_plain_encoding(value: &[u8]) -> bool {
    grammar::Values::new(value).all(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_apart() {
        let read = ContentType::read(b" Multipart / Mixed ; boundary=\"a b\" ; x").unwrap();
        assert!(read.is("multipart", "mixed") && read.is_multipart());
        assert_eq!(read.param("Boundary").as_deref(), Some(&b"a b"[..]));
        assert_eq!((read.param("x").as_deref(), read.param("y")), (Some(&b""[..]), None));
        for bad in ["", "application", "application/", "/sdp", "a/b c", "a/b;", "a/b;c=", "a/b, c/d"] {
            assert!(ContentType::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn e6_handling_is_required_unless_it_is_optional() {
        for (value, kind, required) in [
            ("session", "session", true),
            ("Render;handling=Optional", "render", false),
            ("session ; handling=required", "session", true),
            ("session;handling=whatever", "session", true),
        ] {
            let read = ContentDisposition::read(value.as_bytes()).unwrap();
            assert_eq!((read.is(kind), read.is_required()), (true, required), "{value}");
        }
        assert!(ContentDisposition::read(b";handling=optional").is_err());
    }

    #[test]
    fn e6_only_identity_is_plain() {
        for (value, plain) in [("", true), ("identity", true), ("gzip", false), ("identity, gzip", false)] {
            assert_eq!(is_plain_encoding(value.as_bytes()), plain);
        }
    }
}
