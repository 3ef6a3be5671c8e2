//! name-addr and addr-spec with header parameters.
//!
//! Owns `NameAddr`, the shape of From, To, Contact, Route, P-Asserted-Identity, Refer-To and their kin.
//! Read first: RFC 3261 §20.10, §20.20, §20.39, §25.1; RFC 4475 §3.1.1.6, §3.1.2.13 to §3.1.2.15.

use crate::sip::error::Cause;
use crate::sip::grammar::{self, PARAMS_MAX, Params, URI};
use crate::sip::scan;
use crate::sip::uri::{self, Uri};

/// A name-addr or addr-spec with header parameters: From, To, Contact, Route, P-Asserted-Identity, Refer-To ...
#[derive(Debug, Clone, Copy)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty when absent.
    pub display: &'a [u8],
    /// The URI as written, without brackets.
    pub raw_uri: &'a [u8],
    /// Header parameters as written, from the first `;` on; empty when absent.
    pub params: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads one value. The URI must have a scheme and no blank, quote, bracket or control character; its own grammar
    /// is checked by [`Self::uri`].
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        Self::read_tagged(value).map(|(read, _)| read)
    }

    /// Reads one value and its tag in one walk.
    pub(crate) fn read_tagged(value: &'a [u8]) -> Result<(Self, Tag<'a>), Cause> {
        let value = grammar::trim(value);
        let (display, rest) = display_name(value)?;
        let (raw_uri, params) = match rest.split_first() {
            Some((b'<', inside)) => {
                let close = scan::find(b'>', inside).ok_or(Cause::HeaderValue)?;
                let (uri, tail) = inside.split_at_checked(close).ok_or(Cause::HeaderValue)?;
                (uri, grammar::trim(tail.get(1..).unwrap_or_default()))
            }
            Some(_) | None => {
                let end = scan::find(b';', rest).unwrap_or(rest.len());
                let (uri, params) = rest.split_at_checked(end).ok_or(Cause::HeaderValue)?;
                let uri = grammar::trim(uri);
                // RFC 3261 §20: a URI with a comma or a question mark must stand in brackets.
                if memchr::memchr2(b',', b'?', uri).is_some() {
                    return Err(Cause::HeaderValue);
                }
                (uri, params)
            }
        };
        if !grammar::all(URI, raw_uri) || uri::scheme(raw_uri).is_none() {
            return Err(Cause::HeaderValue);
        }
        let mut tag = Tag::Absent;
        for (at, param) in Params::new(params).enumerate() {
            let param = param?;
            if at >= PARAMS_MAX {
                return Err(Cause::Oversize);
            }
            if param.is("tag") {
                tag = tag.and(param.value);
            }
        }
        Ok((Self { display, raw_uri, params }, tag))
    }

    /// The URI read.
    pub fn uri(&self) -> Result<Uri<'a>, Cause> {
        Uri::read(self.raw_uri)
    }

    /// A header parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        grammar::param(self.params, name)
    }

    /// All header parameters.
    #[must_use]
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// Whether it is a route to a loose router: its URI says `lr` (RFC 3261 §19.1.1).
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.uri().is_ok_and(|uri| uri.param("lr").is_some())
    }

    /// The tag parameter.
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.param("tag")
    }
}

/// The tag of a value, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag<'a> {
    /// None: an RFC 2543 peer, or a request outside a dialog.
    Absent,
    /// One.
    One(&'a [u8]),
    /// Without a value, quoted, or twice: two readers would see two dialogs.
    Unclear,
}

impl<'a> Tag<'a> {
    fn and(self, value: Option<&'a [u8]>) -> Self {
        match (self, value) {
            (Self::Absent, Some(value)) if value.first() != Some(&b'"') => Self::One(value),
            (Self::Absent | Self::One(_) | Self::Unclear, _) => Self::Unclear,
        }
    }
}

/// Splits off the display name. Without quotes it is tokens; other printable characters are borne, but none that
/// could be read as the end of something: `, ; : " < > \`.
fn display_name(value: &[u8]) -> Result<(&[u8], &[u8]), Cause> {
    if value.first() == Some(&b'"') {
        let (display, rest) = grammar::quoted(value).ok_or(Cause::HeaderValue)?;
        let rest = grammar::trim_start(rest);
        return if rest.first() == Some(&b'<') { Ok((display, rest)) } else { Err(Cause::HeaderValue) };
    }
    let end = value.iter().position(|byte| {
        matches!(byte, b'<' | b';' | b':' | b',' | b'"' | b'>' | b'\\' | 0x7f)
            || (*byte < b' ' && !grammar::is_lws(*byte))
    });
    match end.and_then(|end| value.split_at_checked(end)) {
        Some((display, rest)) if rest.first() == Some(&b'<') => {
            // RFC 4475 §3.1.1.6: no white space is needed before the bracket.
            Ok((grammar::trim(display), rest))
        }
        Some(_) | None => Ok((b"", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_uri_and_params_are_told_apart() {
        for (value, display, uri, params) in [
            ("sip:a@b", "", "sip:a@b", ""),
            ("sip:a@b;tag=1", "", "sip:a@b", ";tag=1"),
            ("sip:a@b ; tag = 1", "", "sip:a@b", "; tag = 1"),
            ("<sip:a@b;x=y>;tag=1", "", "sip:a@b;x=y", ";tag=1"),
            ("caller<sip:a@b>;tag=1", "caller", "sip:a@b", ";tag=1"),
            ("J. Doe (sales) <sip:a@b>", "J. Doe (sales)", "sip:a@b", ""),
            ("\"Bell, \\\"A\\\" <x>\" <sip:a@b>", "\"Bell, \\\"A\\\" <x>\"", "sip:a@b", ""),
            ("Jürgen <tel:+49301>", "Jürgen", "tel:+49301", ""),
            ("\"a\"\r\n <sip:a@b>\r\n ;tag=1", "\"a\"", "sip:a@b", ";tag=1"),
            ("isbn:2983792873", "", "isbn:2983792873", ""),
            ("sip:a@b;x=\"<\"", "", "sip:a@b", ";x=\"<\""),
        ] {
            let read = NameAddr::read(value.as_bytes()).unwrap_or_else(|cause| panic!("{value}: {cause:?}"));
            assert_eq!(read.display, display.as_bytes(), "{value}");
            assert_eq!(read.raw_uri, uri.as_bytes(), "{value}");
            assert_eq!(read.params, params.as_bytes(), "{value}");
        }
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        for value in [
            "",
            "*",
            "alan@example.com",
            "\"never closed <sip:a@b>",
            "Bell, Alexander <sip:a@b>",
            "\"x\" < sip:a@b >",
            "<sip:a@b",
            "<>",
            "<sip:a@b>;;",
            "<sip:a@b>;",
            "<sip:a@b> x",
            "<sip:a@b>, <sip:c@d>",
            "<sip:a@b>;tag=1, <sip:c@d>;tag=2",
            "sip:a@b?Route=c",
            "sip:a@b,c",
            "sip:a b@c",
            "\"x\" sip:a@b",
            "x\" <sip:a@b>",
            "<sip:a\u{1}@b>",
            "<<sip:a@b>>",
        ] {
            assert!(NameAddr::read(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn params_are_bounded() {
        let long = format!("<sip:a@b>{}", ";x=1".repeat(PARAMS_MAX));
        assert!(NameAddr::read(long.as_bytes()).is_ok());
        assert_eq!(NameAddr::read(format!("{long};y").as_bytes()).err(), Some(Cause::Oversize));
    }
}
