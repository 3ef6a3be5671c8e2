//! Text for people: hostile bytes made safe to print, numbers with their end hidden, folds and quotes undone.
//!
//! Owns the display of what the wire brought. Read first: RFC 3261 §7.3.1, §25.1 (quoted-string).

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{grammar, scan};

/// Digits of a number that are hidden.
const HIDDEN: usize = 3;

/// Shows a user part or a number with its last characters hidden: `+4930123***`. Escapes what [`Safe`] escapes.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a>(pub &'a [u8]);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A short one is hidden whole: half of an extension is the extension.
        let shown = self.0.len().checked_sub(HIDDEN).filter(|shown| *shown >= HIDDEN).unwrap_or(0);
        Safe::new(self.0.get(..shown).unwrap_or_default()).fmt(f)?;
        f.write_str("***")
    }
}

/// Shows hostile bytes: control characters, escape sequences, quotes' backslash and what is not UTF-8 are escaped, and
/// the length is bounded. What comes out is one line of printable text.
#[derive(Debug, Clone, Copy)]
pub struct Safe<'a> {
    bytes: &'a [u8],
    octets_max: usize,
}

impl<'a> Safe<'a> {
    /// Octets shown unless told otherwise.
    pub const OCTETS_MAX: usize = 256;

    /// Shows up to [`Self::OCTETS_MAX`] octets.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, octets_max: Self::OCTETS_MAX }
    }

    /// Shows up to so many octets.
    #[must_use]
    pub const fn up_to(bytes: &'a [u8], octets_max: usize) -> Self {
        Self { bytes, octets_max }
    }
}

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.bytes.len().min(self.octets_max);
        for chunk in self.bytes.get(..cut).unwrap_or_default().utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter == '\\' || letter.is_control() || is_deceiving(letter) {
                    write!(f, "{}", letter.escape_default())?;
                } else {
                    f.write_char(letter)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        if cut < self.bytes.len() { f.write_str("...") } else { Ok(()) }
    }
}

/// Characters that reorder, hide or break a line though they are no control characters to Unicode.
#[must_use]
pub fn is_deceiving(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A value with each fold (CRLF and the blanks around it) turned into one space.
#[must_use]
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if scan::is_plain(value) || memchr::memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    unfold_into(value, &mut line);
    Cow::Owned(line)
}

/// Appends a value with its folds turned into one space each.
pub(crate) fn unfold_into(value: &[u8], line: &mut Vec<u8>) {
    if scan::is_plain(value) {
        return line.extend_from_slice(value);
    }
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (mut before, after) = rest.split_at(at);
        while let [shorter @ .., b' ' | b'\t'] = before {
            before = shorter;
        }
        line.extend_from_slice(before);
        line.push(b' ');
        rest = grammar::trim_start(after);
    }
    line.extend_from_slice(rest);
}

/// The text of a quoted string without quotes and backslashes; anything else as it is.
#[must_use]
pub fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    let inner = match text {
        [b'"', inner @ .., b'"'] => inner,
        _ => return Cow::Borrowed(text),
    };
    if scan::find(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = scan::find(b'\\', rest) {
        plain.extend_from_slice(rest.get(..at).unwrap_or_default());
        plain.extend(rest.get(at + 1));
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// Adds a number in decimal.
pub fn decimal_into(value: u64, out: &mut Vec<u8>) {
    match usize::try_from(value).ok().and_then(|value| THOUSAND.get(value)) {
        // Arrays: so few octets are not worth a call that copies any number of them.
        Some([a, b, c]) => match value {
            0..=9 => out.push(*c),
            10..=99 => out.extend_from_slice(&[*b, *c]),
            _ => out.extend_from_slice(&[*a, *b, *c]),
        },
        None => {
            decimal_into(value / 1_000, out);
            let rest = usize::try_from(value % 1_000).unwrap_or_default();
            out.extend_from_slice(THOUSAND.get(rest).unwrap_or(b"000"));
        }
    }
}

/// The digits of each number below a thousand: octets of addresses, lengths and statuses are looked up.
static THOUSAND: [[u8; 3]; 1_000] = thousand();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed while compiling, in range"
)]
const fn thousand() -> [[u8; 3]; 1_000] {
    let mut table = [[b'0'; 3]; 1_000];
    let mut number = 0;
    while number < 1_000 {
        table[number] =
            [b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    table
}

/// Adds an address as `Display` writes it: thousands a second are of IPv4, and written digit by digit.
pub fn ip_into(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets().map(u64::from);
            decimal_into(a, out);
            for octet in [b, c, d] {
                out.push(b'.');
                decimal_into(octet, out);
            }
        }
        IpAddr::V6(address) => {
            // Writing into a Vec does not fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// Adds an address and port as `Display` writes them.
pub fn socket_into(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(_) => {
            ip_into(address.ip(), out);
            out.push(b':');
            decimal_into(u64::from(address.port()), out);
        }
        SocketAddr::V6(address) => {
            // Writing into a Vec does not fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// An address and port as `Display` writes them.
#[must_use]
pub fn socket_text(address: SocketAddr) -> String {
    let mut out = Vec::with_capacity("255.255.255.255:65535".len());
    socket_into(address, &mut out);
    // Digits, dots and colons.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_number_is_hidden() {
        for (user, shown) in [
            ("+4930123456", "+4930123***"),
            ("100", "***"),
            ("12345", "***"),
            ("123456", "123***"),
            ("", "***"),
            ("\x1b[2Jabcd", "\\u{1b}[2Ja***"),
        ] {
            assert_eq!(Masked(user.as_bytes()).to_string(), shown);
        }
    }

    #[test]
    fn f10_hostile_bytes_come_out_as_one_printable_line() {
        for (bytes, shown) in [
            (&b"a\r\nb\0\x1b[31m\x7f"[..], r"a\r\nb\u{0}\u{1b}[31m\u{7f}"),
            (b"\xff\xfeok\xc3", r"\xff\xfeok\xc3"),
            ("J\u{fc}rgen \u{202e}x\u{200b}\u{2028}".as_bytes(), "J\u{fc}rgen \\u{202e}x\\u{200b}\\u{2028}"),
            (b"\"{\\n", r#""{\\n"#),
            ("\u{9b}31m".as_bytes(), r"\u{9b}31m"),
        ] {
            assert_eq!(Safe::new(bytes).to_string(), shown);
        }
        assert_eq!(Safe::up_to(b"abcdef", 3).to_string(), "abc...");
        assert_eq!(Safe::up_to("a\u{fc}".as_bytes(), 2).to_string(), "a\\xc3...");
    }

    #[test]
    fn numbers_and_addresses_are_written_as_display_writes_them() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).unwrap()
        };
        for number in (0..3_000).chain([9_999, 10_000, 99_999, 1_000_000, 1_002_003, u64::MAX / 10, u64::MAX])
        {
            assert_eq!(written(&|out| decimal_into(number, out)), number.to_string());
        }
        for address in [
            "0.0.0.0:0",
            "192.0.2.10:5060",
            "255.255.255.255:65535",
            "[2001:db8::1]:5061",
            "[::ffff:10.0.0.1]:7",
        ] {
            let socket: SocketAddr = address.parse().unwrap();
            assert_eq!(written(&|out| socket_into(socket, out)), address);
            assert_eq!(written(&|out| ip_into(socket.ip(), out)), socket.ip().to_string());
        }
    }

    #[test]
    fn folds_become_one_space() {
        for (value, line) in
            [("a\r\n b", "a b"), ("a \t\r\n\t \r\n b", "a b"), ("a", "a"), ("a\r\n ", "a "), ("\r\n a", " a")]
        {
            assert_eq!(unfold(value.as_bytes()), line.as_bytes(), "{value:?}");
        }
    }

    #[test]
    fn quotes_come_off_once() {
        for (text, plain) in [
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            ("token", "token"),
            ("\"", "\""),
            ("\"\"", ""),
            (r#""a\""#, "a"),
            ("", ""),
        ] {
            assert_eq!(unquote(text.as_bytes()), plain.as_bytes(), "{text}");
        }
    }
}
