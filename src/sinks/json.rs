//! JSON written straight into a line: members in the order of the calls, strings that nothing leaves.
//!
//! Owns how a text from outside stands inside a string: quotes, backslashes, controls and every letter that a terminal or
//! a viewer obeys are escaped. Refuses to know alerts and records. A thousand lines a second pass here, so keys and words
//! of ours are copied, not looked at. Read first: RFC 8259 §7.

use std::fmt::Display;
use std::io::Write as _;
use std::net::SocketAddr;

use crate::clock::Wall;
use crate::sip::text::{decimal_into, socket_into};

/// An object under the pen; `close` ends it.
#[derive(Debug)]
#[must_use]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins one.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Ends it.
    pub fn close(self) {
        self.out.push(b'}');
    }

    /// The key of the next member; the caller writes its value.
    pub fn key(&mut self, key: Word) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        word(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A text from anywhere.
    pub fn text(&mut self, key: Word, value: &str) {
        string(self.key(key), value);
    }

    /// A text, or null.
    pub fn text_if(&mut self, key: Word, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// A word of ours.
    pub fn word(&mut self, key: Word, value: Word) {
        word(self.key(key), value);
    }

    /// A word of ours, or null.
    pub fn word_if(&mut self, key: Word, value: Option<Word>) {
        match value {
            Some(value) => self.word(key, value),
            None => self.null(key),
        }
    }

    /// A number, an address or a time, whose own writing needs no escape: as a string.
    pub fn plain(&mut self, key: Word, value: impl Display) {
        // Writing into a Vec does not fail.
        quoted(self.key(key), |out| drop(write!(out, "{value}")));
    }

    /// The same, or null.
    pub fn plain_if(&mut self, key: Word, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(key, value),
            None => self.null(key),
        }
    }

    /// An address.
    pub fn address(&mut self, key: Word, value: SocketAddr) {
        quoted(self.key(key), |out| socket_into(value, out));
    }

    /// A time, or null.
    pub fn time(&mut self, key: Word, value: Option<Wall>) {
        match value {
            Some(value) => quoted(self.key(key), |out| value.rfc3339_into(out)),
            None => self.null(key),
        }
    }

    /// Thirty-two hexadecimal digits.
    pub fn hex(&mut self, key: Word, value: u128) {
        quoted(self.key(key), |out| {
            out.extend(value.to_be_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit));
        });
    }

    /// A number.
    pub fn number(&mut self, key: Word, value: impl Into<u64>) {
        decimal_into(value.into(), self.key(key));
    }

    /// A number, or null.
    pub fn number_if(&mut self, key: Word, value: Option<impl Into<u64>>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.null(key),
        }
    }

    /// A number with two decimals.
    pub fn decimal(&mut self, key: Word, value: f32) {
        // A vector takes whatever is written.
        drop(write!(self.key(key), "{value:.2}"));
    }

    fn null(&mut self, key: Word) {
        self.key(key).extend_from_slice(b"null");
    }

    /// A list, each item written by `write`.
    pub fn list<T>(
        &mut self,
        key: Word,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T),
    ) {
        let out = self.key(key);
        out.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write(out, item);
        }
        out.push(b']');
    }
}

/// A text of ours: letters, digits and what else needs no escape.
pub type Word = &'static str;

fn word(out: &mut Vec<u8>, word: Word) {
    debug_assert!(word.bytes().all(is_plain), "{word}");
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + (value - 10) }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// A string with everything escaped that is not plain text.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // All of them, and not up to the first: so they are looked at many at a time.
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|letter| escaped(out, letter));
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, letter: char) {
    match letter {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // All of them lie in the Basic Multilingual Plane: one \u escape each. Writing into a Vec does not fail.
        _ if letter < ' ' || is_obeyed(letter) => {
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        }
        _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// DEL, C1 controls (0x9b begins a terminal's escape sequence), line and paragraph separators, marks that turn the
/// direction of text or do not show, and the byte order mark.
pub const fn is_obeyed(letter: char) -> bool {
    matches!(letter,
        '\u{7f}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was_and_shows_nothing_that_is_obeyed(text in any::<String>(), value in any::<u64>()) {
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            object.text("text", &text);
            object.number("value", value);
            object.list("list", [&text, &text], |out, text| string(out, text));
            object.close();
            let written = String::from_utf8(out).unwrap();
            prop_assert!(!written.chars().any(|letter| letter.is_control() || is_obeyed(letter)), "{written:?}");
            let read: Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(&read["text"], &text);
            prop_assert_eq!(&read["value"], value);
            prop_assert_eq!(&read["list"][1], &text);
        }
    }

    #[test]
    fn every_letter_is_written_as_itself_or_escaped() {
        for letter in '\0'..='\u{2fff}' {
            let mut out = Vec::new();
            string(&mut out, letter.encode_utf8(&mut [0; 4]));
            let read: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, letter.to_string(), "{letter:?}");
        }
    }

    #[test]
    fn members_stand_in_order_and_what_is_missing_is_null() {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.word("a", "b");
        object.word_if("c", None);
        object.text_if("d", None);
        object.plain_if("e", None::<u32>);
        object.number_if("f", None::<u64>);
        object.plain("g", 7);
        object.number("h", u64::MAX);
        object.hex("hex", 0x0123_4567_89ab_cdef_0000_0000_0000_00ff);
        object.address("at", "192.0.2.1:5060".parse().unwrap());
        object.time("time", Some(Wall::from_micros(0)));
        object.time("never", None);
        object.list("i", [0, 10], |out, value| decimal_into(value, out));
        object.close();
        let written = concat!(
            r#"{"a":"b","c":null,"d":null,"e":null,"f":null,"g":"7","h":18446744073709551615,"#,
            r#""hex":"0123456789abcdef00000000000000ff","at":"192.0.2.1:5060","#,
            r#""time":"1970-01-01T00:00:00.000Z","never":null,"i":[0,10]}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
}
