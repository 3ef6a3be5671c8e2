//! URIs: sip, sips, tel, urn; anything else is kept opaque.
//!
//! Owns their grammar and comparison. Read first: RFC 3261 §19.1, RFC 3966, RFC 5031, RFC 5118 §4.10.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memmem;

use super::error::Cause;
use super::grammar::{self, HEADER, HOST, PARAM, PARAMS_MAX, PASSWORD, URI, USER};
use super::scan;

/// A host: an address literal or a name (never resolved here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// An IPv4 or (bracketed) IPv6 literal.
    Address(IpAddr),
    /// A domain name as written.
    Name(&'a [u8]),
}

/// A sip: or sips: URI, as ranges of what was written.
#[derive(Debug, Clone, Copy)]
pub struct SipUri<'a> {
    /// sips:
    pub secure: bool,
    /// The user part as written (escapes kept), before any `:`; `None` when absent.
    pub user: Option<&'a [u8]>,
    /// The password part as written.
    pub password: Option<&'a [u8]>,
    /// Host.
    pub host: Host<'a>,
    /// Port.
    pub port: Option<u16>,
    /// URI parameters as written, from the first `;` on; empty when absent.
    pub params: &'a [u8],
    /// URI headers as written, after `?`; empty when absent.
    pub headers: &'a [u8],
}

/// Any URI.
#[derive(Debug, Clone, Copy)]
pub enum Uri<'a> {
    /// sip: and sips:
    Sip(SipUri<'a>),
    /// tel: the number part and the parameters as written.
    Tel {
        /// After `tel:`, up to the first `;`.
        number: &'a [u8],
        /// From the first `;` on.
        params: &'a [u8],
    },
    /// urn: what follows.
    Urn(&'a [u8]),
    /// Another scheme, whole.
    Other(&'a [u8]),
}

/// Splits at the scheme's colon; `None` when what stands before it is no scheme.
pub(crate) fn scheme(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = raw.split_at_checked(scan::find(b':', raw)?)?;
    // RFC 3261 §25.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    let good = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if good { Some((scheme, rest.get(1..)?)) } else { None }
}

/// A port: 1 to 65535.
pub(crate) fn port(digits: &[u8]) -> Result<u16, Cause> {
    let number = if digits.len() <= 5 { grammar::decimal(digits) } else { None };
    match number.map(u16::try_from) {
        Some(Ok(port)) if port != 0 => Ok(port),
        Some(_) | None => Err(Cause::HeaderValue),
    }
}

/// An IPv4 address, or an IPv6 address with or without brackets.
pub(crate) fn address(text: &[u8]) -> Option<IpAddr> {
    let inner = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    match inner {
        Some(inner) => ipv6(inner).map(IpAddr::V6),
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// Four numbers of 0 to 255 without leading zeros, with dots between them.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let (mut place, mut number, mut digits) = (0, 0_u16, 0_u8);
    for byte in text {
        match byte {
            b'0'..=b'9' if digits == 0 || (digits < 3 && number > 0) => {
                number = number * 10 + u16::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && place < 3 => {
                *octets.get_mut(place)? = u8::try_from(number).ok()?;
                (place, number, digits) = (place + 1, 0, 0);
            }
            _ => return None,
        }
    }
    *octets.get_mut(place)? = u8::try_from(number).ok()?;
    (place == 3 && digits > 0).then(|| Ipv4Addr::from(octets))
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    if let Ok(address) = std::str::from_utf8(text).ok()?.parse() {
        return Some(address);
    }
    // RFC 5118 §4.10: three colons before an embedded IPv4 address come from a bug of the old grammar and mean two.
    let at = memmem::find(text, b":::")?;
    let (before, after) = text.split_at_checked(at)?;
    let embedded: Ipv4Addr = std::str::from_utf8(after.get(3..)?).ok()?.parse().ok()?;
    let mended = format!("{}::{embedded}", std::str::from_utf8(before).ok()?);
    mended.parse().ok()
}

impl<'a> Host<'a> {
    /// Reads a host: an IPv4 literal, a bracketed IPv6 literal, or a name.
    pub fn read(text: &'a [u8]) -> Result<Self, Cause> {
        if let Some(inner) = text.strip_prefix(b"[") {
            let inner = inner.strip_suffix(b"]").ok_or(Cause::HeaderValue)?;
            return ipv6(inner).map(|address| Self::Address(IpAddr::V6(address))).ok_or(Cause::HeaderValue);
        }
        if let Some(address) = ipv4(text) {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        if !grammar::all(HOST, text) {
            return Err(Cause::HeaderValue);
        }
        let name = text.strip_suffix(b".").unwrap_or(text);
        let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        // RFC 3261 §25.1: the last label of a name is not a number, so what is no IPv4 literal by now is nothing. Other
        // spellings of addresses (one number, octal, hex) are nothing too.
        if last.first().is_some_and(u8::is_ascii_digit)
            && (last.iter().all(u8::is_ascii_digit) || last.starts_with(b"0x") || last.starts_with(b"0X"))
        {
            return Err(Cause::HeaderValue);
        }
        if name.is_empty() || name.windows(2).any(|pair| pair == b"..") || name.starts_with(b".") {
            return Err(Cause::HeaderValue);
        }
        Ok(Self::Name(text))
    }

    /// The address, when it is a literal.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(_) => None,
        }
    }

    /// Whether two hosts are the same: names without case, addresses by value.
    #[must_use]
    pub fn matches(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Self::Address(one), Host::Address(two)) => one == two,
            (Self::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::Address(_), Host::Name(_)) | (Self::Name(_), Host::Address(_)) => false,
        }
    }
}

impl<'a> SipUri<'a> {
    fn read(secure: bool, rest: &'a [u8]) -> Result<Self, Cause> {
        let (userinfo, rest) = match scan::find(b'@', rest) {
            Some(at) => (rest.get(..at), rest.get(at + 1..).unwrap_or_default()),
            None => (None, rest),
        };
        // RFC 3261 §25.1: an `@` is escaped everywhere but here; with two of them there are two readings.
        if scan::find(b'@', rest).is_some() {
            return Err(Cause::RequestUri);
        }
        let (user, password) = match userinfo {
            Some(userinfo) => read_userinfo(userinfo)?,
            None => (None, None),
        };
        let end = memchr::memchr2(b';', b'?', rest).unwrap_or(rest.len());
        let (host_port, tail) = rest.split_at_checked(end).unwrap_or((rest, b""));
        let (host, port) = read_host_port(host_port)?;
        if tail.is_empty() {
            return Ok(Self { secure, user, password, host, port, params: b"", headers: b"" });
        }
        let question = scan::find(b'?', tail);
        let (params, headers) = tail.split_at_checked(question.unwrap_or(tail.len())).unwrap_or((tail, b""));
        check_params(params)?;
        let headers = headers.get(1..).unwrap_or_default();
        let headers_good = headers.is_empty() || grammar::all_escaped(HEADER, headers);
        if !headers_good || (question.is_some() && headers.is_empty()) {
            return Err(Cause::RequestUri);
        }
        Ok(Self { secure, user, password, host, port, params, headers })
    }

    /// A URI parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        find_param(self.params, name)
    }

    /// RFC 3261 §19.1.2: the port, or what stands for none.
    fn port_meant(&self) -> u16 {
        let encrypted = || self.param("transport").is_some_and(|name| name.eq_ignore_ascii_case(b"tls"));
        self.port.unwrap_or_else(|| if self.secure || encrypted() { 5061 } else { 5060 })
    }

    fn equivalent(&self, other: &SipUri<'_>) -> bool {
        // RFC 3261 §19.1.4: user and password with case, the rest without.
        self.secure == other.secure
            && same_option(self.user, other.user, |one, two| canonical(one).eq(canonical(two)))
            && same_option(self.password, other.password, |one, two| canonical(one).eq(canonical(two)))
            && self.host.matches(&other.host)
            && self.port == other.port
            && params_agree(self.params, other.params)
            && params_agree(other.params, self.params)
            && headers_agree(self.headers, other.headers)
            && headers_agree(other.headers, self.headers)
    }
}

type Userinfo<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn read_userinfo(userinfo: &[u8]) -> Result<Userinfo<'_>, Cause> {
    let (user, password) = match scan::find(b':', userinfo) {
        Some(at) => (userinfo.get(..at).unwrap_or_default(), userinfo.get(at + 1..)),
        None => (userinfo, None),
    };
    let password_good = password.is_none_or(|text| text.is_empty() || grammar::all_escaped(PASSWORD, text));
    if grammar::all_escaped(USER, user) && password_good {
        Ok((Some(user), password))
    } else {
        Err(Cause::RequestUri)
    }
}

fn read_host_port(text: &[u8]) -> Result<(Host<'_>, Option<u16>), Cause> {
    let colon = if text.first() == Some(&b'[') {
        let close = scan::find(b']', text).ok_or(Cause::RequestUri)?;
        if close + 1 == text.len() { None } else { Some(close + 1) }
    } else {
        scan::find(b':', text)
    };
    let (host, port_text) = text.split_at_checked(colon.unwrap_or(text.len())).unwrap_or((text, b""));
    let host = Host::read(host).map_err(|_| Cause::RequestUri)?;
    match port_text.split_first() {
        None => Ok((host, None)),
        Some((b':', digits)) => Ok((host, Some(port(digits).map_err(|_| Cause::RequestUri)?))),
        Some(_) => Err(Cause::RequestUri),
    }
}

/// Parameters as name and value, without looking at their characters.
fn param_pairs(params: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    params.split(|byte| *byte == b';').skip(1).map(|text| match scan::find(b'=', text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    })
}

/// RFC 3261 §19.1.1: any name not more than once; twice is two readings.
fn check_params(params: &[u8]) -> Result<(), Cause> {
    for (at, (name, value)) in param_pairs(params).enumerate() {
        if at >= PARAMS_MAX {
            return Err(Cause::Oversize);
        }
        if !grammar::all_escaped(PARAM, name)
            || value.is_some_and(|value| !grammar::all_escaped(PARAM, value))
        {
            return Err(Cause::RequestUri);
        }
        if param_pairs(params).take(at).any(|(before, _)| same_without_case(before, name)) {
            return Err(Cause::RequestUri);
        }
    }
    Ok(())
}

fn find_param<'a>(params: &'a [u8], name: &str) -> Option<&'a [u8]> {
    param_pairs(params)
        .find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value.unwrap_or_default())
}

impl<'a> Uri<'a> {
    /// Reads a URI (no brackets around it).
    pub fn read(raw: &'a [u8]) -> Result<Self, Cause> {
        let (scheme, rest) = scheme(raw).ok_or(Cause::RequestUri)?;
        if !grammar::all(URI, raw) {
            return Err(Cause::RequestUri);
        }
        if scheme.eq_ignore_ascii_case(b"sip") {
            SipUri::read(false, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            SipUri::read(true, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            let end = scan::find(b';', rest).unwrap_or(rest.len());
            let (number, params) = rest.split_at_checked(end).unwrap_or((rest, b""));
            if !grammar::all_escaped(USER, number) {
                return Err(Cause::RequestUri);
            }
            check_params(params)?;
            Ok(Self::Tel { number, params })
        } else if scheme.eq_ignore_ascii_case(b"urn") && !rest.is_empty() {
            Ok(Self::Urn(rest))
        } else {
            Ok(Self::Other(raw))
        }
    }

    /// The user of sip/sips, the number of tel; as written.
    #[must_use]
    pub fn user(&self) -> Option<&'a [u8]> {
        match self {
            Self::Sip(sip) => sip.user,
            Self::Tel { number, .. } => Some(number),
            Self::Urn(_) | Self::Other(_) => None,
        }
    }

    /// A URI parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Self::Sip(SipUri { params, .. }) | Self::Tel { params, .. } => find_param(params, name),
            Self::Urn(_) | Self::Other(_) => None,
        }
    }

    /// Whether two sip or sips URIs have one user (RFC 3261 §19.1.4: with case, escapes undone).
    #[must_use]
    pub fn same_user(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Self::Sip(one), Uri::Sip(two)) => {
                same_option(one.user, two.user, |one, two| canonical(one).eq(canonical(two)))
            }
            (Self::Sip(_) | Self::Tel { .. } | Self::Urn(_) | Self::Other(_), _) => false,
        }
    }

    /// Whether two sip or sips URIs lead to one user at one place, whatever parameters were added on the way and
    /// whether or not a port is written that is meant anyway.
    #[must_use]
    pub fn same_place(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Self::Sip(one), Uri::Sip(two)) => {
                self.same_user(other)
                    && one.secure == two.secure
                    && one.host.matches(&two.host)
                    && one.port_meant() == two.port_meant()
            }
            (Self::Sip(_) | Self::Tel { .. } | Self::Urn(_) | Self::Other(_), _) => false,
        }
    }

    /// RFC 3261 §19.1.4 equality; for tel RFC 3966 §4 (visual separators do not count).
    #[must_use]
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Self::Sip(one), Uri::Sip(two)) => one.equivalent(two),
            (Self::Tel { number: one, params: first }, Uri::Tel { number: two, params: second }) => {
                dialled(one).eq(dialled(two)) && same_set(first, second) && same_set(second, first)
            }
            // RFC 5031 §4: service URNs are compared without case.
            (Self::Urn(one), Uri::Urn(two)) => one.eq_ignore_ascii_case(two),
            (Self::Other(one), Uri::Other(two)) => one == two,
            (Self::Sip(_) | Self::Tel { .. } | Self::Urn(_) | Self::Other(_), _) => false,
        }
    }
}

fn same_option(one: Option<&[u8]>, two: Option<&[u8]>, same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same(one, two),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Octets with their escapes undone, save escapes of reserved characters: those mean something else than the bare
/// character (RFC 3261 §19.1.4). Such an octet comes out above 255.
fn canonical(text: &[u8]) -> impl Iterator<Item = u16> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        if let (b'%', Some(value)) = (*byte, escape_value(tail)) {
            rest = tail.get(2..).unwrap_or_default();
            let reserved = b";/?:@&=+$,".contains(&value);
            return Some(u16::from(value) + if reserved { 256 } else { 0 });
        }
        Some(u16::from(*byte))
    })
}

fn same_without_case(one: &[u8], two: &[u8]) -> bool {
    let lower = |unit: u16| u8::try_from(unit).map_or(unit, |byte| u16::from(byte.to_ascii_lowercase()));
    canonical(one).map(lower).eq(canonical(two).map(lower))
}

/// Every parameter of `one` that must be in `two` is there, and those in both are the same.
fn params_agree(one: &[u8], two: &[u8]) -> bool {
    param_pairs(one).all(|(name, value)| {
        match param_pairs(two).find(|(other, _)| same_without_case(name, other)) {
            Some((_, other)) => same_option(value, other, same_without_case),
            // RFC 3261 §19.1.4: user, ttl, method and maddr in one only never match; its examples add transport.
            None => !["user", "ttl", "method", "maddr", "transport"]
                .iter()
                .any(|must| name.eq_ignore_ascii_case(must.as_bytes())),
        }
    })
}

fn headers_agree(one: &[u8], two: &[u8]) -> bool {
    let split = |text| <[u8]>::split(text, |byte: &u8| *byte == b'&').take(PARAMS_MAX);
    split(one).all(|header| split(two).any(|other| same_without_case(header, other)))
}

fn same_set(one: &[u8], two: &[u8]) -> bool {
    param_pairs(one).all(|(name, value)| {
        param_pairs(two).any(|(other, found)| {
            same_without_case(name, other) && same_option(value, found, same_without_case)
        })
    })
}

fn dialled(number: &[u8]) -> impl Iterator<Item = u8> {
    // RFC 3966 §3: visual-separator = "-" / "." / "(" / ")"
    number.iter().filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')')).map(u8::to_ascii_lowercase)
}

fn escape_value(after_percent: &[u8]) -> Option<u8> {
    let (high, low) = (after_percent.first()?, after_percent.get(1)?);
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Decodes `%HH` once. `None` when an escape is broken.
#[must_use]
pub fn unescape(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if scan::find(b'%', raw).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = scan::find(b'%', rest) {
        let (before, after) = rest.split_at_checked(at)?;
        plain.extend_from_slice(before);
        plain.push(escape_value(after.get(1..)?)?);
        rest = after.get(3..)?;
    }
    plain.extend_from_slice(rest);
    Some(Cow::Owned(plain))
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
