//! A request of ours that was written already, told once more: with a proof of who we are, or under another number.
//!
//! Owns the change of Via's branch, CSeq and the proofs, and nothing else of it. Refuses to read what others wrote: only
//! the lines of `write::Writer` are known here. Read first: RFC 3261 §8.1.3.5, §22.1, §22.2.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;
use zeroize::Zeroizing;

use super::grammar;
use super::headers::HeaderName;
use super::write::Text;

/// The lines that prove who asks.
const PROOFS: [HeaderName; 2] = [HeaderName::Authorization, HeaderName::ProxyAuthorization];

/// Proofs of who asks, a header's name and value each: they stand in no log, and are wiped when they are dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Proofs(Vec<(HeaderName, Zeroizing<Vec<u8>>)>);

impl Proofs {
    /// Adds one.
    pub fn push(&mut self, name: HeaderName, value: Vec<u8>) {
        self.0.push((name, Zeroizing::new(value)));
    }

    /// Whether nothing is proven.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| (name, "[redacted]"))).finish()
    }
}

/// Method, Request-URI and body of a request of ours, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The Request-URI.
    pub uri: &'a [u8],
    /// What follows the empty line.
    pub body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes it apart; `None` for what is no request.
    #[must_use]
    pub fn of(request: &'a [u8]) -> Option<Self> {
        let (start, rest) = line(request)?;
        let mut words = start.splitn(3, |byte| *byte == b' ');
        let (method, uri, _version) = (words.next()?, words.next()?, words.next()?);
        let mut body = rest;
        while let Some((text, after)) = line(body) {
            body = after;
            if text.is_empty() {
                return Some(Self { method, uri, body });
            }
        }
        None
    }
}

/// The same request with these proofs, and no other.
#[must_use]
pub fn with_proofs(request: &[u8], proofs: &Proofs) -> Bytes {
    rewritten(request, None, proofs)
}

/// The same request as another transaction: another branch and CSeq number, without proofs. Call-ID, From and To stay
/// (RFC 3261 §22.2).
#[must_use]
pub fn renewed(request: &[u8], branch: &[u8], cseq: u32) -> Bytes {
    rewritten(request, Some((branch, cseq)), &Proofs::default())
}

/// CSeq of a message of ours: number and method.
#[must_use]
pub fn cseq(message: &[u8]) -> Option<(u32, &[u8])> {
    /// What we write before its value.
    static BEFORE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\nCSeq: "));
    // Each message of ours has one, so the first is that of the head and not one in a body.
    let at = BEFORE.find(message)?;
    let rest = message.get(at + BEFORE.needle().len()..)?;
    let value = rest.get(..memchr::memchr(b'\r', rest)?)?;
    // That of a response is its request's, blanks and all.
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let number = grammar::decimal(words.next()?)?;
    Some((number, words.next()?))
}

/// The CSeq number of a request of ours.
#[must_use]
pub fn number(request: &[u8]) -> Option<u32> {
    cseq(request).map(|(number, _)| number)
}

fn rewritten(request: &[u8], renamed: Option<(&[u8], u32)>, proofs: &Proofs) -> Bytes {
    let room: usize = proofs.0.iter().map(|(_, value)| value.len() + 32).sum();
    let mut out = Vec::with_capacity(request.len() + room + 16);
    let mut rest = request;
    while let Some((text, after)) = line(rest).filter(|(text, _)| !text.is_empty()) {
        rest = after;
        let name = HeaderName::read(text.split(|byte| *byte == b':').next().unwrap_or_default());
        if PROOFS.contains(&name) {
            continue;
        }
        // Content-Length is the last line of all that we write.
        if name == HeaderName::ContentLength {
            prove(&mut out, proofs);
        }
        match renamed {
            Some((branch, _)) if name == HeaderName::Via => put(&mut out, &via(text, branch)),
            Some((_, cseq)) if name == HeaderName::CSeq => {
                let method = text.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
                put(&mut out, &[b"CSeq: ", cseq.to_string().as_bytes(), b" ", method].concat());
            }
            Some(_) | None => put(&mut out, text),
        }
    }
    out.extend_from_slice(rest);
    Bytes::from(out.into_boxed_slice())
}

/// The proofs, one line each. A value that would break its line is not written: it was made of what a server said.
fn prove(out: &mut Vec<u8>, proofs: &Proofs) {
    for (name, value) in proofs.0.iter().filter(|(name, _)| PROOFS.contains(name)) {
        if let Some(value) = Text::new(value) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            put(out, value.bytes());
        }
    }
}

fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// The line with another branch; ours has one, and parameters may follow it.
fn via(text: &[u8], branch: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(text, b";branch=") else { return text.to_vec() };
    let (before, value) = text.split_at(at + 8);
    let after = memchr::memchr(b';', value).and_then(|end| value.get(end..)).unwrap_or_default();
    [before, branch, after].concat()
}

fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    // What we wrote holds no LF within a line. A searcher of two octets costs more to make than a line is long.
    let end = memchr::memchr(b'\n', text)?;
    Some((text.get(..end)?.strip_suffix(b"\r")?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;
    use crate::sip::write::Writer;

    fn request() -> Bytes {
        let mut writer = Writer::request(&Method::Invite, Text::fixed("sip:+1@198.51.100.1;transport=tcp"));
        writer
            .header(HeaderName::Via, Text::fixed("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKone;rport"))
            .header(HeaderName::From, Text::fixed("<sip:a@b>;tag=1"))
            .header(HeaderName::CSeq, Text::fixed("7 INVITE"))
            .header(HeaderName::ContentType, Text::fixed("application/sdp"));
        writer.finish(b"v=0\r\nCSeq: 9 INVITE\r\n\r\nVia: body\r\n")
    }

    #[test]
    fn only_branch_and_number_change_and_the_body_is_untouched() {
        let again = renewed(&request(), b"z9hG4bKtwo", 8);
        let expected = String::from_utf8(request().to_vec())
            .unwrap()
            .replacen("z9hG4bKone", "z9hG4bKtwo", 1)
            .replacen("CSeq: 7", "CSeq: 8", 1);
        assert_eq!(String::from_utf8(again.to_vec()).unwrap(), expected);
        assert_eq!((number(&request()), number(&again)), (Some(7), Some(8)));
    }

    #[test]
    fn proofs_stand_once_and_go_with_the_next_number() {
        let proof = |text: &str| {
            let mut proofs = Proofs::default();
            proofs.push(HeaderName::ProxyAuthorization, text.as_bytes().to_vec());
            proofs
        };
        let debug = format!("{:?}", proof("Digest a=1"));
        assert!(
            debug.contains("[redacted]") && !debug.contains("a=1") && !debug.contains("68, 105"),
            "{debug}"
        );
        let shown = with_proofs(&request(), &proof("Digest a=1"));
        let text = String::from_utf8(shown.to_vec()).unwrap();
        assert!(
            text.contains("\r\nProxy-Authorization: Digest a=1\r\nContent-Length: 34\r\n\r\nv=0"),
            "{text}"
        );
        let other = String::from_utf8(with_proofs(&shown, &proof("Digest b=2")).to_vec()).unwrap();
        assert!(other.contains("Digest b=2") && !other.contains("Digest a=1"), "{other}");
        let again = renewed(&shown, b"z9hG4bKtwo", 8);
        assert!(memchr::memmem::find(&again, b"Digest").is_none());
        assert_eq!(with_proofs(&request(), &proof("a\r\nX: y")), request(), "no line is broken");
    }

    #[test]
    fn a_request_comes_apart() {
        let request = request();
        let parts = Parts::of(&request).unwrap();
        assert_eq!((parts.method, parts.uri), (&b"INVITE"[..], &b"sip:+1@198.51.100.1;transport=tcp"[..]));
        assert!(parts.body.starts_with(b"v=0\r\n") && parts.body.ends_with(b"body\r\n"));
        assert_eq!(Parts::of(b"SIP/2.0\r\n"), None);
    }
}
