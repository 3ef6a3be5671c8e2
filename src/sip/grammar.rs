//! The small words of the grammar: byte classes, white space, quoted strings, parameters, comma lists.
//!
//! Owns what every view is built from. Refuses to know any header. Everything here is one pass over its input.
//! Read first: RFC 3261 §25.1.

use super::error::Cause;
use super::scan;

/// Parameters one value may carry, whatever the reader's settings allow.
pub const PARAMS_MAX: usize = 100;

/// `token` characters.
pub(crate) const TOKEN: u8 = 1;
/// Host name characters; `_` is no host character of the RFC, but machines are named so.
pub(crate) const HOST: u8 = 1 << 1;
/// The user part: unreserved and user-unreserved, and by tolerance `#` and UTF-8, for the number's reader to judge.
pub(crate) const USER: u8 = 1 << 2;
/// The password part.
pub(crate) const PASSWORD: u8 = 1 << 3;
/// URI parameter names and values.
pub(crate) const PARAM: u8 = 1 << 4;
/// URI header names and values, with `=` and `&` between them.
pub(crate) const HEADER: u8 = 1 << 5;
/// An unquoted value of a header parameter.
pub(crate) const VALUE: u8 = 1 << 6;
/// What may stand between the brackets of a name-addr or in an opaque URI.
pub(crate) const URI: u8 = 1 << 7;

const fn among(byte: u8, set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

const CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let alnum = byte.is_ascii_alphanumeric();
        let unreserved = alnum || among(byte, b"-_.!~*'()");
        let mut class = 0;
        if alnum || among(byte, b"-.!%*_+`'~") {
            class |= TOKEN;
        }
        if alnum || among(byte, b"-._") {
            class |= HOST;
        }
        if unreserved || among(byte, b"&=+$,;?/#") || byte >= 0x80 {
            class |= USER;
        }
        if unreserved || among(byte, b"&=+$,") {
            class |= PASSWORD;
        }
        if unreserved || among(byte, b"[]/:&+$") {
            class |= PARAM;
        }
        if unreserved || among(byte, b"[]/?:+$&=") {
            class |= HEADER;
        }
        if byte > b' ' && byte != 0x7f && !among(byte, b";,\"<>\\") {
            class |= VALUE;
        }
        if byte > b' ' && byte != 0x7f && !among(byte, b"\"<>\\") {
            class |= URI;
        }
        table[at] = class;
        at += 1;
    }
    table
};

/// Whether a byte is of a class.
#[inline]
pub(crate) fn is(class: u8, byte: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// Whether all of a non-empty run is of a class.
pub(crate) fn all(class: u8, bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is(class, *byte))
}

/// Whether a non-empty run is a `token`.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    all(TOKEN, bytes)
}

/// Whether a non-empty run is of a class, with `%HH` escapes between (RFC 3261 §25.1: escaped).
pub(crate) fn all_escaped(class: u8, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        rest = if is(class, *byte) {
            tail
        } else if let (b'%', Some((hex, tail))) = (*byte, tail.split_at_checked(2)) {
            if !hex.iter().all(u8::is_ascii_hexdigit) {
                return false;
            }
            tail
        } else {
            return false;
        };
    }
    !bytes.is_empty()
}

/// Linear white space; inside a header line CR and LF stand only in folds.
#[inline]
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without leading white space.
#[inline]
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_lws(*first) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// Without white space around it.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., last] = bytes {
        if !is_lws(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// Splits off the longest run of a class.
#[inline]
pub(crate) fn run(class: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !is(class, *byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// Splits off a quoted string, quotes included; `None` when it does not start with one or never closes.
pub(crate) fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(bytes.split_at(at + 1));
        }
        at += 2;
    }
}

/// A decimal number without sign or space; `None` when it is none or does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// One parameter of a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name as written.
    pub name: &'a [u8],
    /// Its value as written, quotes included; `None` without `=`.
    pub value: Option<&'a [u8]>,
    /// All of it, from its `;` to its last octet.
    pub raw: &'a [u8],
}

impl Param<'_> {
    /// Whether it has this name (ASCII case-insensitive).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The parameters of a header value: what stands from the first `;` on. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads from the first `;` on.
    #[must_use]
    pub fn new(params: &'a [u8]) -> Self {
        Self { rest: params }
    }

    fn read(&mut self) -> Result<Option<Param<'a>>, Cause> {
        let raw = trim_start(self.rest);
        let Some((first, rest)) = raw.split_first() else {
            self.rest = raw;
            return Ok(None);
        };
        if *first != b';' {
            return Err(Cause::HeaderValue);
        }
        let (name, rest) = run(TOKEN, trim_start(rest));
        if name.is_empty() {
            return Err(Cause::HeaderValue);
        }
        let after = trim_start(rest);
        let (value, rest) = match after.split_first() {
            Some((b'=', tail)) => {
                let tail = trim_start(tail);
                let (value, rest) = match tail.first() {
                    Some(b'"') => quoted(tail).ok_or(Cause::HeaderValue)?,
                    Some(_) | None => run(VALUE, tail),
                };
                if value.is_empty() {
                    return Err(Cause::HeaderValue);
                }
                (Some(value), rest)
            }
            Some(_) | None => (None, rest),
        };
        let whole = raw.get(..raw.len() - rest.len()).unwrap_or(raw);
        self.rest = trim_start(rest);
        if self.rest.first().is_some_and(|byte| *byte != b';') {
            return Err(Cause::HeaderValue);
        }
        Ok(Some(Param { name, value, raw: whole }))
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest = &[];
        }
        read.transpose()
    }
}

/// A parameter's value by name; `Some(b"")` for one without a value.
pub(crate) fn param<'a>(params: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Params::new(params)
        .map_while(Result::ok)
        .find(|param| param.is(name))
        .map(|param| param.value.unwrap_or(b""))
}

/// The values of a comma list: split at commas outside quotes and brackets, trimmed, empty ones left out.
#[derive(Debug, Clone)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    /// Splits one line's value.
    #[must_use]
    pub fn new(list: &'a [u8]) -> Self {
        Self { rest: list }
    }

    /// Where the first value ends.
    fn end(&self) -> usize {
        let mut at = 0;
        while let Some(found) = self.rest.get(at..).and_then(|rest| memchr::memchr3(b',', b'"', b'<', rest)) {
            at += found;
            let tail = self.rest.get(at..).unwrap_or_default();
            at += match tail.first() {
                Some(b'"') => match quoted(tail) {
                    Some((whole, _)) => whole.len(),
                    None => return self.rest.len(),
                },
                Some(b'<') => match scan::find(b'>', tail) {
                    Some(close) => close + 1,
                    None => return self.rest.len(),
                },
                Some(_) | None => return at,
            };
        }
        self.rest.len()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (value, rest) = self.rest.split_at_checked(self.end())?;
            self.rest = rest.get(1..).unwrap_or_default();
            let value = trim(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_split_at_top_level_commas_only() {
        for (list, want) in [
            (&b"a, b ,\tc"[..], &[&b"a"[..], b"b", b"c"][..]),
            (b"\"x, y\" <sip:a,b@c>, <sip:d>", &[b"\"x, y\" <sip:a,b@c>", b"<sip:d>"]),
            (b"\"a\\\", b\" <sip:d>", &[b"\"a\\\", b\" <sip:d>"]),
            (b",, ,a,", &[b"a"]),
            (b"\"never closed, a", &[b"\"never closed, a"]),
            (b"<never closed, a", &[b"<never closed, a"]),
            (b"", &[]),
        ] {
            assert_eq!(Values::new(list).collect::<Vec<_>>(), want, "{}", list.escape_ascii());
        }
    }

    #[test]
    fn params_bear_white_space_and_folds() {
        let read: Result<Vec<_>, _> = Params::new(b" ; tag\t = \r\n 1 ;lr;x=\"a;b\\\"\" ").collect();
        let read: Vec<_> = read.unwrap().into_iter().map(|param| (param.name, param.value)).collect();
        assert_eq!(read, [(&b"tag"[..], Some(&b"1"[..])), (b"lr", None), (b"x", Some(b"\"a;b\\\"\"")),]);
    }

    #[test]
    fn params_refuse_what_is_empty_or_open() {
        for bad in
            [&b";;a"[..], b";", b"; =a", b";a=", b";a=\"b", b";a b", b";a=b c", b"a=b", b";a=b,c", b";a=<b>"]
        {
            assert!(Params::new(bad).any(|param| param.is_err()), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn decimals_are_digits_alone_and_fit() {
        for (digits, want) in [
            (&b"0"[..], Some(0)),
            (b"0068", Some(68)),
            (b"4294967295", Some(u32::MAX)),
            (b"4294967296", None),
            (b"36893488147419103232", None),
            (b"", None),
            (b"+5", None),
            (b"-1", None),
            (b"0x10", None),
            (b" 5", None),
        ] {
            assert_eq!(decimal(digits), want, "{}", digits.escape_ascii());
        }
    }
}
