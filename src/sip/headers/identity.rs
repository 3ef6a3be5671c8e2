//! Who: Contact, P-Asserted-Identity, Privacy, Identity.
//!
//! Owns those views. Refuses to believe any of them. Read first: RFC 3261 §20.10; RFC 3323 §4.2; RFC 3325 §9; RFC 8224 §4.

use super::NameAddr;
use crate::sip::error::Cause;
use crate::sip::grammar::{self, Values};

/// One Contact value.
#[derive(Debug, Clone, Copy)]
pub enum Contact<'a> {
    /// `*`: all of them, in a REGISTER.
    Any,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        if grammar::trim(value) == b"*" { Ok(Self::Any) } else { NameAddr::read(value).map(Self::Address) }
    }

    /// Reads one Contact or Refer-To-like list line.
    pub fn list(line: &'a [u8]) -> impl Iterator<Item = Result<Self, Cause>> {
        Values::new(line).map(Self::read)
    }

    /// Its q in thousandths; 1000 when absent or unreadable.
    #[must_use]
    pub fn q(&self) -> u16 {
        match self {
            Self::Any => 1_000,
            Self::Address(address) => address.param("q").and_then(thousandths).unwrap_or(1_000),
        }
    }
}

/// RFC 3261 §25.1: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
fn thousandths(q: &[u8]) -> Option<u16> {
    let (whole, rest) = q.split_first()?;
    let decimals = match rest {
        [] => rest,
        [b'.', decimals @ ..] if decimals.len() <= 3 && decimals.iter().all(u8::is_ascii_digit) => decimals,
        [_, ..] => return None,
    };
    let part = decimals.iter().chain(b"000").take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, part) {
        (b'0', part) => Some(part),
        (b'1', 0) => Some(1_000),
        _ => None,
    }
}

/// The URIs of P-Asserted-Identity: at most one sip or sips and one tel (RFC 3325 §9.1). More, or one that cannot be
/// read, is an error: an identity that can be read two ways is none.
pub fn asserted<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Vec<NameAddr<'a>>, Cause> {
    let mut read: Vec<NameAddr<'a>> = Vec::new();
    for value in values {
        let address = NameAddr::read(value)?;
        let is_tel = |address: &NameAddr<'_>| {
            address.raw_uri.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tel:"))
        };
        if read.iter().any(|other| is_tel(other) == is_tel(&address)) {
            return Err(Cause::Repeated);
        }
        address.uri()?;
        read.push(address);
    }
    Ok(read)
}

/// What Privacy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Privacy {
    /// `id`: hide the asserted identity (RFC 3325 §9.3).
    pub id: bool,
    /// `header` (RFC 3323).
    pub header: bool,
    /// `session` (RFC 3323).
    pub session: bool,
    /// `user` (RFC 3323).
    pub user: bool,
    /// `history` (RFC 7044).
    pub history: bool,
    /// `critical`: refuse rather than not hide.
    pub critical: bool,
    /// `none`: hide nothing.
    pub none: bool,
    /// A kind that nobody here knows.
    pub unknown: bool,
}

impl Privacy {
    /// Reads all Privacy lines. Its values stand between semicolons; commas are borne; words nobody knows are left out.
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut privacy = Self::default();
        for word in lines.flat_map(|line| line.split(|byte| matches!(byte, b';' | b','))) {
            let word = grammar::trim(word);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            privacy.id |= is("id");
            privacy.header |= is("header");
            privacy.session |= is("session");
            privacy.user |= is("user");
            privacy.history |= is("history");
            privacy.critical |= is("critical");
            privacy.none |= is("none");
            let words = ["id", "header", "session", "user", "history", "critical", "none"];
            privacy.unknown |= !word.is_empty() && !words.into_iter().any(is);
        }
        privacy
    }

    /// Whether something is asked for that the call shall rather fail than do without (RFC 3323 §4.2), and that this edge
    /// does not give: `session` asks that no media flows between the parties directly, and it carries none.
    #[must_use]
    pub const fn is_beyond_us(&self) -> bool {
        self.critical && !self.none && (self.session || self.unknown)
    }

    /// Whether the caller asks not to be shown.
    #[must_use]
    pub const fn hides_caller(&self) -> bool {
        (self.id || self.user || self.header) && !self.none
    }
}

/// One Identity value (RFC 8224 §4), not believed yet.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The PASSporT as written, full or compact (`..signature`); base64url parts between dots.
    pub token: &'a [u8],
    /// Where the certificate is said to be; as written, without brackets.
    pub info: &'a [u8],
    /// `alg`, where said.
    pub alg: Option<&'a [u8]>,
    /// `ppt`, where said; quotes kept.
    pub ppt: Option<&'a [u8]>,
}

impl<'a> Identity<'a> {
    /// Reads one value. RFC 4474's older form, without `info`, is an error.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let value = grammar::trim(value);
        let (token, mut rest) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
        let token = grammar::trim(token);
        let base64 = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'+' | b'/')
        };
        if token.is_empty() || !token.iter().all(base64) {
            return Err(Cause::HeaderValue);
        }
        let (mut info, mut alg, mut ppt) = (None, None, None);
        while let Some((name, value, tail)) = ident_param(rest)? {
            let slot = if name.eq_ignore_ascii_case(b"info") {
                &mut info
            } else if name.eq_ignore_ascii_case(b"alg") {
                &mut alg
            } else if name.eq_ignore_ascii_case(b"ppt") {
                &mut ppt
            } else {
                rest = tail;
                continue;
            };
            if slot.replace(value).is_some() {
                return Err(Cause::HeaderValue);
            }
            rest = tail;
        }
        let info =
            info.and_then(|info| info.strip_prefix(b"<")?.strip_suffix(b">")).ok_or(Cause::HeaderValue)?;
        Ok(Self { token, info, alg, ppt })
    }
}

type IdentParam<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// One `;name=value` whose value may stand in angle brackets, and what follows it.
fn ident_param(rest: &[u8]) -> Result<Option<IdentParam<'_>>, Cause> {
    let rest = grammar::trim_start(rest);
    let Some((b';', tail)) = rest.split_first() else {
        return if rest.is_empty() { Ok(None) } else { Err(Cause::HeaderValue) };
    };
    let (name, tail) = grammar::run(grammar::TOKEN, grammar::trim_start(tail));
    let Some((b'=', tail)) = grammar::trim_start(tail).split_first() else { return Err(Cause::HeaderValue) };
    let tail = grammar::trim_start(tail);
    let (value, after) = match tail.first() {
        Some(b'<') => {
            let end = memchr::memchr(b'>', tail).ok_or(Cause::HeaderValue)?;
            tail.split_at_checked(end + 1).ok_or(Cause::HeaderValue)?
        }
        Some(b'"') => grammar::quoted(tail).ok_or(Cause::HeaderValue)?,
        Some(_) | None => grammar::run(grammar::VALUE, tail),
    };
    if name.is_empty() || value.is_empty() { Err(Cause::HeaderValue) } else { Ok(Some((name, value, after))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_and_their_weights() {
        let read: Vec<_> =
            Contact::list(b"<sip:a@b>;q=0.33, \"x, y\" <sip:c@d>;q=1.000, sip:e@f, <sip:g@h>;q=7").collect();
        let q: Vec<_> = read.iter().map(|contact| contact.unwrap().q()).collect();
        assert_eq!(q, [330, 1_000, 1_000, 1_000]);
        assert!(matches!(Contact::read(b" * "), Ok(Contact::Any)));
        assert!(Contact::read(b"**").is_err());
    }

    #[test]
    fn c10_asserted_identities_are_one_sip_and_one_tel() {
        for (values, count) in [
            (&["\"A\" <sip:+1@b>"][..], Some(1)),
            (&["<sip:+1@b>", "<tel:+1>"], Some(2)),
            (&[], Some(0)),
            (&["<sip:+1@b>", "<sips:+2@b>"], None),
            (&["<tel:+1>", "tel:+2"], None),
            (&["<sip:@b>"], None),
            (&["nobody"], None),
        ] {
            let read = asserted(values.iter().map(|value| value.as_bytes()));
            assert_eq!(read.ok().map(|read| read.len()), count, "{values:?}");
        }
    }

    #[test]
    fn privacy_is_words_between_semicolons() {
        let read = |line: &'static str| Privacy::read(std::iter::once(line.as_bytes()));
        assert_eq!(read("id"), Privacy { id: true, ..Privacy::default() });
        assert_eq!(
            read("Header ; session;critical"),
            Privacy { header: true, session: true, critical: true, ..Privacy::default() }
        );
        assert!(
            read("id, user").hides_caller() && !read("none").hides_caller() && !read("idle").hides_caller()
        );
    }

    #[test]
    fn c11_an_identity_names_its_certificate_and_is_only_read() {
        let read = Identity::read(
            b"eyJh.eyJi.c2ln;info=<https://cert.example.org/p;x.cer>;alg=ES256;ppt=\"shaken\"",
        )
        .unwrap();
        assert_eq!(
            (read.token, read.info),
            (&b"eyJh.eyJi.c2ln"[..], &b"https://cert.example.org/p;x.cer"[..])
        );
        assert_eq!((read.alg, read.ppt), (Some(&b"ES256"[..]), Some(&b"\"shaken\""[..])));
        assert!(Identity::read(b"..c2ln ; info=<https://a>").is_ok());
        for bad in [
            "",
            "abc",
            "a b;info=<https://a>",
            "abc;info=https://a",
            "abc;info=<https://a",
            "abc;info=<a>;info=<b>",
            "abc;info=<a> x",
            "abc;info=<a>;alg=1;alg=2",
            "abc;info=<a>;;",
        ] {
            assert!(Identity::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
