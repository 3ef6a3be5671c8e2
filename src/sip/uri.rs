//! URIs: sip, sips, tel, urn; anything else is kept opaque.
//!
//! Owns their grammar and comparison. Read first: RFC 3261 §19.1, RFC 3966, RFC 5031.

use std::net::IpAddr;

use super::error::Cause;

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

impl<'a> Uri<'a> {
    /// Reads a URI (no brackets around it).
    pub fn read(raw: &'a [u8]) -> Result<Self, Cause> {
        let _ = raw;
        todo!()
    }
    /// The user of sip/sips, the number of tel; as written.
    pub fn user(&self) -> Option<&'a [u8]> {
        todo!()
    }
    /// A URI parameter's value (ASCII case-insensitive name); `Some(b"")` for one without a value.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        let _ = name;
        todo!()
    }
    /// RFC 3261 §19.1.4 equality.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        let _ = other;
        todo!()
    }
}

/// Decodes `%HH` once. `None` when an escape is broken.
pub fn unescape(raw: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let _ = raw;
    todo!()
}
