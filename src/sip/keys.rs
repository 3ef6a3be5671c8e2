//! Whether a message carries keys of encrypted speech: SDES, key-mgmt, `k=`, and the same among capabilities.
//!
//! Owns that one question. A DTLS fingerprint is no key: it is public, and worth as much as the way it came by.
//! Refuses to read keys. Read first: RFC 4568 §5, §8.3; RFC 4567 §3.1; RFC 4566 §5.12; RFC 5939 §3.4.

use super::body::{self, Session};
use super::message::Message;

/// Whether the session description of a message holds keys.
#[must_use]
pub fn carried(message: &Message) -> bool {
    // Nearly no message does: what holds none as a whole holds none in a part.
    if !stand_in(message.body()) {
        return false;
    }
    match body::session(message) {
        Ok(Session::Alone) => stand_in(message.body()),
        Ok(Session::Part(part, _)) => stand_in(part),
        // What does not cross tells nobody.
        Ok(Session::Absent | Session::Spare) | Err(_) => false,
    }
}

/// Whether a session description holds keys. Whoever reads it may end its lines by CR, by LF or by a form feed, so each begins a line here.
#[must_use]
pub fn stand_in(description: &[u8]) -> bool {
    let mut rest = description;
    while let Some(at) = memchr::memchr3(b'\r', b'\n', 0x0c, rest) {
        let (line, behind) = rest.split_at(at);
        if is_key(line) {
            return true;
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    is_key(rest)
}

/// A session description without its keys, its streams by RTP alone; what else stands there stands. Lines end by CRLF then.
#[must_use]
pub fn without(description: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(description.len());
    let ends = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0x0c);
    for line in description.split(ends).filter(|line| !line.is_empty() && !is_key(line)) {
        let plain = if line.starts_with(b"m=") { bare(line) } else { None };
        out.extend_from_slice(plain.as_deref().unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// An `m=` line by RTP where it is by SRTP.
fn bare(line: &[u8]) -> Option<Vec<u8>> {
    const SECURED: &[u8] = b" RTP/SAVP";
    let at = memchr::memmem::find(line, SECURED)?;
    let (head, rest) = (line.get(..at)?, line.get(at + SECURED.len()..)?);
    Some([head, b" RTP/AVP", rest].concat())
}

/// Whether a line holds a key, for the most generous of its readers: some skip blanks and controls around each sign.
fn is_key(line: &[u8]) -> bool {
    let Some((kind @ (b'a' | b'A' | b'k' | b'K'), rest)) = start(line).split_first() else { return false };
    let Some((b'=', value)) = start(rest).split_first() else { return false };
    let value = start(value);
    if matches!(kind, b'k' | b'K') {
        // RFC 4566 §5.12: obsolete, and a key in the clear all the same. `k=prompt` holds none.
        return !value.is_empty() && !value.trim_ascii_end().eq_ignore_ascii_case(b"prompt");
    }
    let begins = |name: &[u8]| value.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let is = |name: &[u8]| {
        begins(name) && start(value.get(name.len()..).unwrap_or_default()).first() == Some(&b':')
    };
    // RFC 5939 §3.4.1, RFC 5576 §4: attributes within others.
    let within = || holds(value, b"crypto") || holds(value, b"key-mgmt");
    is(b"crypto") || is(b"key-mgmt") || (begins(b"acap") || begins(b"ssrc")) && within()
}

/// Without the blanks and controls before it.
fn start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|octet| *octet > b' ' && *octet != 0x7f).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e4_a_description_without_its_keys_is_rtp() {
        let keyed = b"v=0\r\ns=-\r\nm=audio 4000 RTP/SAVPF 0\r\na=crypto:1 x inline:y\r\nk=clear:z\na=sendrecv\r\nm=video 0 RTP/SAVP 9\r\n";
        let bare = without(keyed);
        assert!(!stand_in(&bare));
        assert_eq!(
            String::from_utf8(bare).unwrap(),
            "v=0\r\ns=-\r\nm=audio 4000 RTP/AVPF 0\r\na=sendrecv\r\nm=video 0 RTP/AVP 9\r\n"
        );
    }

    #[test]
    fn e4_keys_are_found_however_they_are_written_and_fingerprints_are_none() {
        let table = [
            ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", true),
            ("a=CRYPTO:1 x y", true),
            ("A=crypto:1 x y", true),
            (" a=crypto:1 x y", true),
            ("k=base64:c2VjcmV0", true),
            ("k=clear:secret", true),
            ("k=prompt", false),
            ("k =clear:x", true),
            ("a= crypto:1 x y", true),
            ("a=\tcrypto:1 x y", true),
            ("a =crypto:1 x y", true),
            ("a=crypto :1 x y", true),
            ("\u{b}a=crypto:1 x y", true),
            ("\0a=crypto:1 x y", true),
            ("a=acap:1\tcrypto:1 x y", true),
            ("a=acap: 1 crypto:1 x y", true),
            ("a=acap:1 2 crypto:1 x y", true),
            ("a=ssrc:1 crypto:1 x y", true),
            ("a=ssrc:1 cname:x", false),
            ("a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAAAA==", true),
            ("a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", true),
            ("a=acap:2 key-mgmt:mikey x", true),
            ("a=acap:3 setup:active", false),
            ("a=acap:4", false),
            ("a=fingerprint:sha-256 AA:BB", false),
            ("a=cryptoo", false),
            ("a=cryptography:none", false),
            ("a", false),
            ("k=", false),
            ("a=x-crypto:1", false),
            ("i=a=crypto:1 is only said here", false),
            ("m=audio 4000 RTP/SAVP 0", false),
            ("", false),
        ];
        for (line, keyed) in table {
            for end in ["\r\n", "\n", "\r", "\u{c}"] {
                let text = ["v=0", "s=-", line, "t=0 0", ""].join(end);
                assert_eq!(stand_in(text.as_bytes()), keyed, "{line:?} {end:?}");
            }
            assert_eq!(stand_in(line.as_bytes()), keyed, "{line:?} alone");
        }
    }
}
