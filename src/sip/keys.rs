//! Whether a message carries keys of encrypted speech: SDES, key-mgmt, `k=`, and the same among capabilities.
//!
//! Owns that one question. A DTLS fingerprint is no key: it is public, and worth as much as the way it came by.
//! Refuses to read keys. Read first: RFC 4568 §5, §8.3; RFC 4567 §3.1; RFC 4566 §5.12; RFC 5939 §3.4.

use super::body::{self, Session};
use super::grammar::trim;
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

/// Whether a session description holds keys. Whoever reads it may end its lines by CR or by LF, so either begins a line here.
fn stand_in(description: &[u8]) -> bool {
    let mut rest = description;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (line, behind) = rest.split_at(at);
        if is_key(trim(line)) {
            return true;
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    is_key(trim(rest))
}

fn is_key(line: &[u8]) -> bool {
    let attribute = match line {
        // RFC 4566 §5.12: obsolete, and a key in the clear all the same. `k=prompt` holds none.
        [b'k' | b'K', b'=', key @ ..] => return !key.eq_ignore_ascii_case(b"prompt"),
        [b'a' | b'A', b'=', attribute @ ..] => attribute,
        _ => return false,
    };
    let begins = |text: &[u8], name: &str| {
        text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    let is_keyed = |text: &[u8]| begins(text, "crypto:") || begins(text, "key-mgmt:");
    if is_keyed(attribute) {
        return true;
    }
    // RFC 5939 §3.4.1: a=acap:NUMBER ATTRIBUTE.
    let capability = begins(attribute, "acap:").then(|| attribute.splitn(2, |byte| *byte == b' ').nth(1));
    capability.flatten().is_some_and(|inner| is_keyed(trim(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyONQ6gAAAAAAAA==", true),
            ("a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", true),
            ("a=acap:2 key-mgmt:mikey x", true),
            ("a=acap:3 setup:active", false),
            ("a=acap:4", false),
            ("a=fingerprint:sha-256 AA:BB", false),
            ("a=cryptoo", false),
            ("a=x-crypto:1", false),
            ("i=a=crypto:1 is only said here", false),
            ("m=audio 4000 RTP/SAVP 0", false),
            ("", false),
        ];
        for (line, keyed) in table {
            for end in ["\r\n", "\n", "\r"] {
                let text = ["v=0", "s=-", line, "t=0 0", ""].join(end);
                assert_eq!(stand_in(text.as_bytes()), keyed, "{line:?} {end:?}");
            }
            assert_eq!(stand_in(line.as_bytes()), keyed, "{line:?} alone");
        }
    }
}
