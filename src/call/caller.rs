//! The caller: which header names it, whether it is hidden, and how the far side sees it.
//!
//! Owns reading a caller from a request and writing From towards a target. Refuses to judge who may call.
//! Read first: RFC 3261 §8.1.1.3, §19.1.2; RFC 3323 §4.1.1.3, §4.2; RFC 3325 §9; RFC 5806 §4.

use std::borrow::Cow;

use super::leg::DISPLAY_BYTES_MAX;
use crate::policy::form::Written;
use crate::policy::identity::{CallerIn, Identity};
use crate::policy::owned::Presented;
use crate::sip::headers::{Privacy, asserted};
use crate::sip::text::{is_deceiving, unquote};
use crate::sip::uri::unescape;
use crate::sip::{HeaderName, Host, Message, NameAddr, Uri};

/// From of a caller who is not shown (RFC 3323 §4.1.1.3).
pub const ANONYMOUS: &[u8] = b"\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// Digits of any script that a display name may hold, as in `Room 4711`; with more, or without a letter, it reads as a number.
const NAME_DIGITS_MAX: usize = 4;

/// How the caller of a call is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Who.
    pub presented: Presented,
    /// Whether a prefix that was dialled asks for it, whatever the phone is set to.
    pub shows: bool,
}

/// Longest user part taken for a caller or a called number.
pub const USER_BYTES_MAX: usize = 128;

const NOT_UTF8: &str = "a user part that is not UTF-8";

/// A user part as policy may read it: without its parameters, unescaped once, UTF-8, without controls, and of a bearable
/// length.
pub fn user<'a>(uri: &Uri<'a>) -> Result<Cow<'a, str>, &'static str> {
    // RFC 3261 §19.1.6, RFC 3966 §3: from `;` on stand the parameters of a telephone number; they name nobody.
    let raw = uri.user().unwrap_or_default().split(|byte| *byte == b';').next().unwrap_or_default();
    let text = match unescape(raw).ok_or("a broken escape in a user part")? {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| NOT_UTF8)?),
    };
    if text.len() > USER_BYTES_MAX {
        return Err("a user part that is too long");
    }
    if text.chars().any(char::is_control) {
        return Err("a control character in a user part");
    }
    Ok(text)
}

/// The value that names the caller: of the first header of the peer's `caller_in` that stands there. `Ok(None)` when none
/// does; an error names the header that cannot be read.
pub fn named<'a>(message: &'a Message, identity: &Identity) -> Result<Option<NameAddr<'a>>, &'static str> {
    for header in &identity.caller_in {
        let value = match header {
            CallerIn::From => Some(message.from()),
            CallerIn::PAssertedIdentity => one_identity(message)?,
            CallerIn::RemotePartyId => calling_party(message)?,
            CallerIn::Diversion => {
                let last = message.values(HeaderName::Diversion).next();
                last.map(|value| NameAddr::read(value).map_err(|_| "Diversion cannot be read")).transpose()?
            }
        };
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

/// Whether the caller of a request is one that its peer asserts and that the policy believes, rather than what From says.
#[must_use]
pub fn is_asserted(message: &Message, identity: &Identity) -> bool {
    let stands = |header: &&CallerIn| match header {
        CallerIn::From => true,
        CallerIn::PAssertedIdentity => message.has(HeaderName::PAssertedIdentity),
        CallerIn::RemotePartyId => calling_party(message).is_ok_and(|value| value.is_some()),
        CallerIn::Diversion => message.has(HeaderName::Diversion),
    };
    let asserts = |header: &CallerIn| match header {
        CallerIn::PAssertedIdentity | CallerIn::RemotePartyId => true,
        // Who sent a call on is not who placed it.
        CallerIn::From | CallerIn::Diversion => false,
    };
    identity.believed && identity.caller_in.iter().find(stands).is_some_and(asserts)
}

/// P-Asserted-Identity's value; two must name one user, or it could be read two ways.
pub(super) fn one_identity(message: &Message) -> Result<Option<NameAddr<'_>>, &'static str> {
    if !message.has(HeaderName::PAssertedIdentity) {
        return Ok(None);
    }
    let unreadable = "P-Asserted-Identity cannot be read";
    let values = asserted(message.values(HeaderName::PAssertedIdentity)).map_err(|_| unreadable)?;
    let users = || values.iter().map(|value| value.uri().ok().and_then(|uri| user(&uri).ok()));
    let first = users().next().flatten();
    if values.is_empty() || first.is_none() || users().any(|user| user != first) {
        return Err(unreadable);
    }
    Ok(values.into_iter().next())
}

/// Whether a value of Remote-Party-ID names who calls; a party in quotes is the same party.
pub fn is_calling_party(value: &NameAddr<'_>) -> bool {
    value.param("party").is_none_or(|party| unquote(party).eq_ignore_ascii_case(b"calling"))
}

/// Remote-Party-ID's value for the calling party, which is what a value without `party` is for.
fn calling_party(message: &Message) -> Result<Option<NameAddr<'_>>, &'static str> {
    let unreadable = "Remote-Party-ID cannot be read";
    let mut found = None;
    for value in message.values(HeaderName::RemotePartyId) {
        let value = NameAddr::read(value).map_err(|_| unreadable)?;
        if is_calling_party(&value) && found.replace(value).is_some() {
            return Err(unreadable);
        }
    }
    Ok(found)
}

/// Whether a request's caller asks not to be shown: by Privacy, by Remote-Party-ID, or because From shows nobody already.
#[must_use]
pub fn hides(message: &Message) -> bool {
    asks_privacy(message) || shows_nobody(message)
}

/// Whether a message asks that its sender be not shown.
pub(super) fn asks_privacy(message: &Message) -> bool {
    let asked =
        message.has(HeaderName::Privacy) && Privacy::read(message.lines(HeaderName::Privacy)).hides_caller();
    let party = |value: &[u8]| {
        let privacy = NameAddr::read(value).ok().and_then(|value| value.param("privacy"));
        privacy.is_some_and(|how| !crate::sip::text::unquote(how).eq_ignore_ascii_case(b"off"))
    };
    asked || message.values(HeaderName::RemotePartyId).any(party)
}

fn shows_nobody(message: &Message) -> bool {
    match message.from().uri() {
        Ok(Uri::Sip(sip)) => {
            sip.user.is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"))
                || matches!(sip.host, Host::Name(name) if name.eq_ignore_ascii_case(b"anonymous.invalid"))
        }
        Ok(Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) | Err(_) => false,
    }
}

/// A From value without tag: the number as the peer wants it, at our host; `None` shows nobody.
#[must_use]
pub fn address(shown: Option<Written<'_>>, display: &[u8], own_host: &str) -> Vec<u8> {
    let Some(written) = shown else { return ANONYMOUS.to_vec() };
    let mut out = Vec::with_capacity(display.len() + written.number.len() + own_host.len() + 24);
    display_name(&mut out, display);
    out.push(b'<');
    uri(&mut out, written, own_host);
    out.push(b'>');
    out
}

/// Appends a display name and a blank, written anew between quotes: a phone shows it in the place of the number. One that
/// reads as a number, that hides or reorders what is shown, that is no text or is too long is left out.
fn display_name(out: &mut Vec<u8>, display: &[u8]) {
    let plain = unquote(display);
    let Some(name) = std::str::from_utf8(&plain).ok().map(str::trim) else { return };
    let hides = |letter: char| letter.is_control() || is_deceiving(letter);
    if name.is_empty() || name.len() > DISPLAY_BYTES_MAX || name.chars().any(hides) {
        return;
    }
    let digits = name.chars().filter(|letter| letter.is_numeric()).count();
    if digits > NAME_DIGITS_MAX || digits > 0 && !name.chars().any(char::is_alphabetic) {
        return;
    }
    out.push(b'"');
    for byte in name.bytes() {
        // RFC 3261 §25.1: quoted-pair.
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.extend_from_slice(b"\" ");
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
    fn c10_a_display_name_is_text_and_no_number() {
        for (display, written) in [
            (&b"\"Ann\""[..], "\"Ann\" "),
            (b"Ann Smith", "\"Ann Smith\" "),
            (b"\"Room 4711\"", "\"Room 4711\" "),
            (b"\"Room 47110\"", ""),
            (b"\"112\"", ""),
            (b"\"+371 27 913 000\"", ""),
            (b"\"Bank +37127913000\"", ""),
            ("\"Bank \u{ff13}\u{ff17}\u{ff11}\u{ff12}\u{ff17}\"".as_bytes(), ""),
            ("\"\u{661}\u{661}\u{662}\"".as_bytes(), ""),
            ("\"Jos\u{e9}\"".as_bytes(), "\"Jos\u{e9}\" "),
            ("\"knab \u{202e}rotcod\"".as_bytes(), ""),
            (b"\"A\\\"b\\\\c\"", "\"A\\\"b\\\\c\" "),
            (b"\"A\\\x01\"", ""),
            (b"\"\x1b[2J\"", ""),
            (b"\"\xff\"", ""),
            (b"\"\"", ""),
            (b"\"--\"", "\"--\" "),
            (&[b'x'; DISPLAY_BYTES_MAX + 1], ""),
        ] {
            let mut out = Vec::new();
            display_name(&mut out, display);
            assert_eq!(String::from_utf8_lossy(&out), written, "{}", String::from_utf8_lossy(display));
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
