//! Why: Reason, Diversion, History-Info.
//!
//! Owns those views. Read first: RFC 3326 §2; RFC 5806 §4; RFC 7044 §5.

use std::borrow::Cow;

use super::NameAddr;
use crate::sip::error::Cause;
use crate::sip::grammar::{self, PARAMS_MAX, Params, TOKEN};
use crate::sip::text;

/// One Reason value.
#[derive(Debug, Clone, Copy)]
pub struct Reason<'a> {
    /// As in `SIP` or `Q.850`.
    pub protocol: &'a [u8],
    /// The cause, where it is a number.
    pub cause: Option<u16>,
    /// The text as written, quotes included.
    text: Option<&'a [u8]>,
}

impl<'a> Reason<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let (protocol, params) = grammar::run(TOKEN, grammar::trim(value));
        if protocol.is_empty() {
            return Err(Cause::HeaderValue);
        }
        let mut reason = Self { protocol, cause: None, text: None };
        for (at, param) in Params::new(params).enumerate() {
            let param = param?;
            if at >= PARAMS_MAX {
                return Err(Cause::Oversize);
            }
            if param.is("cause") {
                reason.cause =
                    param.value.and_then(grammar::decimal).and_then(|cause| u16::try_from(cause).ok());
            } else if param.is("text") {
                reason.text = param.value;
            }
        }
        Ok(reason)
    }

    /// Whether it speaks of this protocol (ASCII case-insensitive).
    #[must_use]
    pub fn is(&self, protocol: &str) -> bool {
        self.protocol.eq_ignore_ascii_case(protocol.as_bytes())
    }

    /// The text without its quotes.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        self.text.map(text::unquote)
    }
}

/// One Diversion value.
#[derive(Debug, Clone, Copy)]
pub struct Diversion<'a> {
    /// Who diverted.
    pub address: NameAddr<'a>,
}

impl<'a> Diversion<'a> {
    /// Reads one value.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        NameAddr::read(value).map(|address| Self { address })
    }

    /// Why, without quotes, as in `no-answer`.
    #[must_use]
    pub fn reason(&self) -> Option<Cow<'a, [u8]>> {
        self.address.param("reason").map(text::unquote)
    }

    /// How many diversions this value stands for: `counter`, at least 1 (RFC 5806 §4: 1 when absent).
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.address.param("counter").and_then(grammar::decimal).map_or(1, |counter| counter.max(1))
    }

    /// Whether the party asks to stay hidden.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.address.param("privacy").is_some_and(|how| !text::unquote(how).eq_ignore_ascii_case(b"off"))
    }
}

/// One History-Info value.
#[derive(Debug, Clone, Copy)]
pub struct HistoryInfo<'a> {
    /// A target the request had.
    pub address: NameAddr<'a>,
    /// Its place, as in `1.2.1`.
    pub index: &'a [u8],
}

impl<'a> HistoryInfo<'a> {
    /// Reads one value; `index` must be there and be numbers between dots (RFC 7044 §5).
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let address = NameAddr::read(value)?;
        let index = address.param("index").ok_or(Cause::HeaderValue)?;
        let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        if index.split(|byte| *byte == b'.').all(number) {
            Ok(Self { address, index })
        } else {
            Err(Cause::HeaderValue)
        }
    }

    /// How many steps deep: 1 for `1`, 3 for `1.2.1`.
    #[must_use]
    pub fn depth(&self) -> usize {
        memchr::memchr_iter(b'.', self.index).count() + 1
    }

    /// The cause in the URI (RFC 4458), as in 302 or 486.
    #[must_use]
    pub fn cause(&self) -> Option<u32> {
        self.address.uri().ok()?.param("cause").and_then(grammar::decimal)
    }

    /// Whether the target was retargeted to another user: `mp` or `rc` (RFC 7044 §10.3).
    #[must_use]
    pub fn is_retargeted(&self) -> bool {
        self.address.param("mp").is_some() || self.address.param("rc").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_apart() {
        let read = Reason::read(b"Q.850 ;cause=16 ;text=\"Terminated, \\\"ok\\\"\"").unwrap();
        assert!(read.is("q.850") && !read.is("SIP"));
        assert_eq!((read.cause, read.text().as_deref()), (Some(16), Some(&b"Terminated, \"ok\""[..])));
        assert_eq!(Reason::read(b"SIP;cause=99999").map(|read| read.cause), Ok(None));
        for bad in ["", ";cause=1", "SIP;;", "SIP cause=1", "SIP;text=\"open"] {
            assert!(Reason::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn c4_diversions_are_counted() {
        let read =
            Diversion::read(b"\"Bob\" <sip:+1@a>;reason=\"no-answer\";counter=3;privacy=full").unwrap();
        assert_eq!(
            (read.reason().as_deref(), read.counter(), read.is_private()),
            (Some(&b"no-answer"[..]), 3, true)
        );
        let bare = Diversion::read(b"<tel:+1>;counter=0;privacy=off").unwrap();
        assert_eq!((bare.counter(), bare.is_private(), bare.reason()), (1, false, None));
        assert!(Diversion::read(b"unknown").is_err());
    }

    #[test]
    fn c4_history_has_depth() {
        let read =
            HistoryInfo::read(b"<sip:bob@b;cause=302?Reason=SIP%3Bcause%3D302>;index=1.2.1;mp=1.2").unwrap();
        assert_eq!((read.depth(), read.cause(), read.is_retargeted()), (3, Some(302), true));
        assert_eq!(
            HistoryInfo::read(b"<sip:bob@b>;index=1").map(|read| (read.depth(), read.cause())),
            Ok((1, None))
        );
        for bad in [
            "<sip:a@b>",
            "<sip:a@b>;index",
            "<sip:a@b>;index=1..2",
            "<sip:a@b>;index=1.x",
            "sip:a@b?x=y;index=1",
        ] {
            assert!(HistoryInfo::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
