//! Numbers that time and order things: Expires, Session-Expires, Min-SE, RSeq, RAck, Retry-After.
//!
//! Owns those views. Read first: RFC 3261 §20.19, §20.33; RFC 3262 §7; RFC 4028 §4, §5.

use super::CSeq;
use crate::sip::error::Cause;
use crate::sip::grammar;

/// Seconds of Expires, Min-Expires and their kin. More than fits means as long as can be said; `None` for what is no
/// number (RFC 3261 §20.19: the default then).
#[must_use]
pub fn delta_seconds(value: &[u8]) -> Option<u32> {
    let value = grammar::trim(value);
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| grammar::decimal(value).unwrap_or(u32::MAX))
}

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

/// Session-Expires, and Min-SE (which has no refresher).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval.
    pub seconds: u32,
    /// Who refreshes, where said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads one value.
    pub fn read(value: &[u8]) -> Result<Self, Cause> {
        let value = grammar::trim(value);
        let (number, params) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
        let seconds = delta_seconds(number).ok_or(Cause::HeaderValue)?;
        let mut refresher = None;
        for param in grammar::Params::new(params) {
            let param = param?;
            if param.is("refresher") {
                let who = param.value.unwrap_or_default();
                let who = if who.eq_ignore_ascii_case(b"uac") {
                    Refresher::Uac
                } else if who.eq_ignore_ascii_case(b"uas") {
                    Refresher::Uas
                } else {
                    return Err(Cause::HeaderValue);
                };
                if refresher.replace(who).is_some() {
                    return Err(Cause::HeaderValue);
                }
            }
        }
        Ok(Self { seconds, refresher })
    }
}

/// RSeq: 1 to 2^32 - 1 (RFC 3262 §7.1).
pub fn rseq(value: &[u8]) -> Result<u32, Cause> {
    match grammar::decimal(grammar::trim(value)) {
        Some(number) if number > 0 => Ok(number),
        Some(_) | None => Err(Cause::HeaderValue),
    }
}

/// RAck: which provisional response a PRACK acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RAck<'a> {
    /// The RSeq.
    pub rseq: u32,
    /// The CSeq number.
    pub cseq: u32,
    /// The CSeq method as written.
    pub method: &'a [u8],
}

impl<'a> RAck<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let value = grammar::trim(value);
        let end = value.iter().position(|byte| grammar::is_lws(*byte)).ok_or(Cause::HeaderValue)?;
        let (number, rest) = value.split_at_checked(end).ok_or(Cause::HeaderValue)?;
        let (cseq, method) = CSeq::read(rest).map_err(|_| Cause::HeaderValue)?;
        Ok(Self { rseq: rseq(number)?, cseq, method })
    }
}

/// Retry-After's seconds; its comment and parameters say nothing a machine needs.
#[must_use]
pub fn retry_after(value: &[u8]) -> Option<u32> {
    let value = grammar::trim(value);
    let end = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, rest) = value.split_at_checked(end)?;
    let ended = grammar::trim_start(rest).first().is_none_or(|byte| matches!(byte, b'(' | b';'));
    if ended { delta_seconds(digits) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_digits_and_saturate() {
        for (value, want) in [
            ("0", Some(0)),
            (" 3600 ", Some(3600)),
            ("4294967296", Some(u32::MAX)),
            ("1000000000000000000000000000000000000000000", Some(u32::MAX)),
            ("-1", None),
            ("", None),
            ("1.5", None),
        ] {
            assert_eq!(delta_seconds(value.as_bytes()), want, "{value}");
        }
    }

    #[test]
    fn session_expires_names_its_refresher_once() {
        for (value, want) in [
            ("1800", Some((1800, None))),
            ("1800;refresher=uac", Some((1800, Some(Refresher::Uac)))),
            ("90 ; x=y ; Refresher = UAS", Some((90, Some(Refresher::Uas)))),
            ("90;refresher=me", None),
            ("90;refresher=uac;refresher=uas", None),
            (";refresher=uac", None),
            ("ninety", None),
        ] {
            let read = SessionExpires::read(value.as_bytes()).ok().map(|read| (read.seconds, read.refresher));
            assert_eq!(read, want, "{value}");
        }
    }

    #[test]
    fn rack_is_two_numbers_and_a_method() {
        let read = RAck::read(b"776656 \r\n 1 INVITE").unwrap();
        assert_eq!((read.rseq, read.cseq, read.method), (776_656, 1, &b"INVITE"[..]));
        for bad in [
            "",
            "1",
            "1 2",
            "0 1 INVITE",
            "1 INVITE",
            "4294967296 1 INVITE",
            "1 2147483648 INVITE",
            "1 1 INVITE x",
        ] {
            assert!(RAck::read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!((rseq(b"4294967295").ok(), rseq(b"0").ok()), (Some(u32::MAX), None));
    }

    #[test]
    fn retry_after_bears_comment_and_parameters() {
        for (value, want) in [
            ("120", Some(120)),
            ("120 (in a meeting)", Some(120)),
            ("18000;duration=3600", Some(18_000)),
            ("soon", None),
            ("1 2", None),
        ] {
            assert_eq!(retry_after(value.as_bytes()), want, "{value}");
        }
    }
}
