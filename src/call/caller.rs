//! The caller as the far side sees it: what was judged, written as the peer wants it, or nobody.
//!
//! Owns From towards a target and the escaping of user parts. Refuses to know which header named the caller.
//! Read first: RFC 3261 §8.1.1.3, §19.1.2; RFC 3323 §4.1.1.3, §4.2; RFC 3325 §9.3.

use super::leg::DISPLAY_BYTES_MAX;
use crate::policy::form::Written;
use crate::sip::headers::Privacy;
use crate::sip::{HeaderName, Host, Message, Text, Uri};

/// From of a caller who is not shown (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &[u8] = b"\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// Whether a request's caller asks not to be shown: by Privacy, or because From shows nobody already.
#[must_use]
pub fn hides(message: &Message) -> bool {
    let asked =
        message.has(HeaderName::Privacy) && Privacy::read(message.lines(HeaderName::Privacy)).hides_caller();
    asked || shows_nobody(message)
}

fn shows_nobody(message: &Message) -> bool {
    match message.from().uri() {
        Ok(Uri::Sip(sip)) => {
            matches!(sip.host, Host::Name(name) if name.eq_ignore_ascii_case(b"anonymous.invalid"))
        }
        Ok(Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) | Err(_) => false,
    }
}

/// A From value without tag: the number as the peer wants it, at our host; `None` shows nobody.
#[must_use]
pub fn address(shown: Option<Written<'_>>, display: &[u8], own_host: &str) -> Vec<u8> {
    let Some(written) = shown else { return ANONYMOUS.to_vec() };
    let mut out = Vec::with_capacity(display.len() + written.number.len() + own_host.len() + 24);
    if display.len() <= DISPLAY_BYTES_MAX && !display.is_empty() && Text::new(display).is_some() {
        out.extend_from_slice(display);
        out.push(b' ');
    }
    out.push(b'<');
    uri(&mut out, written, own_host);
    out.push(b'>');
    out
}

/// Appends `sip:USER@HOST`.
pub fn uri(out: &mut Vec<u8>, user: Written<'_>, host: &str) {
    out.extend_from_slice(b"sip:");
    if !user.prefix.is_empty() || !user.number.is_empty() {
        escape_user(out, user.prefix.as_bytes());
        escape_user(out, user.number.as_bytes());
        out.push(b'@');
    }
    out.extend_from_slice(host.as_bytes());
}

/// A host as it stands in a URI.
#[must_use]
pub fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Appends a user part with everything escaped that RFC 3261 §25.1 does not let stand, and `;`, `?` and `/`, which some
/// reader may take for the start of parameters, headers or a path.
pub fn escape_user(out: &mut Vec<u8>, user: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in user {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_part_is_escaped_so_that_nothing_in_it_reads_as_syntax() {
        for (user, written) in [
            (&b"+4930123"[..], &b"+4930123"[..]),
            (b"*67#", b"*67%23"),
            (b"a;x=y", b"a%3Bx=y"),
            (b"x;y?z", b"x%3By%3Fz"),
            (b"a b@c:d%<>\"", b"a%20b%40c%3Ad%25%3C%3E%22"),
            (b"\r\n\0\xff", b"%0D%0A%00%FF"),
            ("é".as_bytes(), b"%C3%A9"),
        ] {
            let mut out = Vec::new();
            escape_user(&mut out, user);
            assert_eq!(out, written, "{}", String::from_utf8_lossy(user));
        }
    }

    #[test]
    fn a_caller_is_shown_as_written_or_not_at_all() {
        let number = Written { prefix: "0#", number: "30123" };
        for (shown, display, expected) in [
            (Some(number), &b"\"Ann\""[..], "\"Ann\" <sip:0%2330123@edge>"),
            (Some(number), b"", "<sip:0%2330123@edge>"),
            (Some(number), b"two\r\nlines", "<sip:0%2330123@edge>"),
            (Some(Written::literal("")), b"", "<sip:edge>"),
            (None, b"\"Ann\"", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
        ] {
            assert_eq!(String::from_utf8_lossy(&address(shown, display, "edge")), expected);
        }
    }
}
