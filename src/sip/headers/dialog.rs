//! Headers that name another dialog: Replaces, Join, Target-Dialog; and Refer-To, which may carry one.
//!
//! Owns those views. Refuses to look dialogs up. Read first: RFC 3891 §6.1; RFC 3911; RFC 3515; RFC 4538.

use super::NameAddr;
use crate::sip::error::Cause;
use crate::sip::grammar::{self, PARAMS_MAX, Params};
use crate::sip::uri::Uri;

/// Replaces or Join. Target-Dialog names its tags otherwise: see [`DialogName::read_target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialogName<'a> {
    /// Its Call-ID.
    pub call_id: &'a [u8],
    /// The tag that is local to who reads this (`to-tag`).
    pub to_tag: &'a [u8],
    /// The tag that is remote to who reads this (`from-tag`).
    pub from_tag: &'a [u8],
    /// Replaces only: `early-only`.
    pub early_only: bool,
}

impl<'a> DialogName<'a> {
    /// Reads Replaces or Join.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        Self::tags(value, "to-tag", "from-tag")
    }

    /// Reads Target-Dialog (RFC 4538 §7): `local-tag` and `remote-tag`.
    pub fn read_target(value: &'a [u8]) -> Result<Self, Cause> {
        Self::tags(value, "local-tag", "remote-tag")
    }

    fn tags(value: &'a [u8], to: &str, from: &str) -> Result<Self, Cause> {
        let value = grammar::trim(value);
        let (call_id, params) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
        let call_id = grammar::trim(call_id);
        if call_id.is_empty() || call_id.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b',') {
            return Err(Cause::HeaderValue);
        }
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for (at, param) in Params::new(params).enumerate() {
            let param = param?;
            if at >= PARAMS_MAX {
                return Err(Cause::Oversize);
            }
            let slot = if param.is(to) {
                &mut to_tag
            } else if param.is(from) {
                &mut from_tag
            } else {
                early_only |= param.is("early-only");
                continue;
            };
            // RFC 3891 §6.1: each exactly once, with a value.
            if param.value.is_none() || std::mem::replace(slot, param.value).is_some() {
                return Err(Cause::HeaderValue);
            }
        }
        match (to_tag, from_tag) {
            (Some(to_tag), Some(from_tag)) => Ok(Self { call_id, to_tag, from_tag, early_only }),
            (None, _) | (_, None) => Err(Cause::HeaderValue),
        }
    }
}

/// Refer-To: where to, and the headers its URI would have the new request carry.
#[derive(Debug, Clone, Copy)]
pub struct ReferTo<'a> {
    /// The value.
    pub address: NameAddr<'a>,
    /// The URI.
    pub uri: Uri<'a>,
}

impl<'a> ReferTo<'a> {
    /// Reads one value, its URI included.
    pub fn read(value: &'a [u8]) -> Result<Self, Cause> {
        let address = NameAddr::read(value)?;
        Ok(Self { address, uri: address.uri()? })
    }

    /// Headers embedded in the URI, name and value as written (escapes kept): a Replaces stands here.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let headers = match &self.uri {
            Uri::Sip(sip) => sip.headers,
            Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_) => b"",
        };
        headers.split(|byte| *byte == b'&').filter(|header| !header.is_empty()).map(|header| {
            let end = memchr::memchr(b'=', header).unwrap_or(header.len());
            (header.get(..end).unwrap_or_default(), header.get(end + 1..).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::uri::unescape;

    #[test]
    fn c3_a_dialog_is_named_by_three_things() {
        let read =
            DialogName::read(b"98732@sip.example.com\r\n ;from-tag=r33th4x0r ;to-tag=ff87ff;early-only")
                .unwrap();
        assert_eq!(
            (read.call_id, read.to_tag, read.from_tag),
            (&b"98732@sip.example.com"[..], &b"ff87ff"[..], &b"r33th4x0r"[..])
        );
        assert!(read.early_only);
        let target = DialogName::read_target(b"fa77as;local-tag=a;remote-tag=b").unwrap();
        assert_eq!((target.to_tag, target.from_tag, target.early_only), (&b"a"[..], &b"b"[..], false));
        for bad in [
            "",
            ";to-tag=a;from-tag=b",
            "x;to-tag=a",
            "x;from-tag=b",
            "x;to-tag;from-tag=b",
            "x;to-tag=a;to-tag=c;from-tag=b",
            "x y;to-tag=a;from-tag=b",
            "x;to-tag=a;from-tag=b, y;to-tag=c;from-tag=d",
        ] {
            assert!(DialogName::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn c1_headers_hidden_in_a_refer_to_are_seen() {
        let read = ReferTo::read(
            b"<sip:carol@cleveland.example.org?Replaces=090459243588173445%3Bto-tag%3Da%3Bfrom-tag%3Db&X=>",
        )
        .unwrap();
        let headers: Vec<_> = read.headers().collect();
        assert_eq!((headers.len(), headers[0].0, headers[1]), (2, &b"Replaces"[..], (&b"X"[..], &b""[..])));
        let replaces = unescape(headers[0].1).unwrap();
        assert_eq!(DialogName::read(&replaces).map(|name| name.to_tag.len()), Ok(1));
        assert_eq!(ReferTo::read(b"<tel:+1900>").unwrap().headers().count(), 0);
        assert!(ReferTo::read(b"sip:a@b?Replaces=c").is_err());
    }
}
