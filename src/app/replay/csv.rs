//! Lines of a table, cut into cells (RFC 4180, with the separators that spreadsheets use).
//!
//! Owns quotes, separators and the bound on one record. Refuses to know what a cell means. Read first: RFC 4180 §2.

use std::io::{self, BufRead, Read as _};

/// Octets of one record at most, line ends within quotes included; a longer one is told and passed over.
pub const RECORD_OCTETS_MAX: usize = 65_536;

/// Cells of one record that are looked at; what stands behind them is not read.
pub const CELLS_MAX: usize = 256;

/// What came of reading one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// One, which begins on this line.
    Record(u64),
    /// One that is too long, or whose quotes do not end, passed over from this line on.
    TooLong(u64),
    /// None is left.
    End,
}

/// Records of an input, one after another.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    line: u64,
}

impl<R: BufRead> Records<R> {
    /// From its beginning.
    pub fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    /// Takes the next record without its line end; empty lines are passed over.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn next(&mut self, record: &mut Vec<u8>) -> io::Result<Taken> {
        loop {
            record.clear();
            let first = self.line + 1;
            let mut quotes = 0;
            loop {
                let before = record.len();
                let room = u64::try_from(RECORD_OCTETS_MAX.saturating_sub(before)).unwrap_or(0) + 1;
                let read = self.input.by_ref().take(room).read_until(b'\n', record)?;
                if read == 0 {
                    break;
                }
                self.line += 1;
                if record.len() > RECORD_OCTETS_MAX {
                    self.skip_line(record)?;
                    return Ok(Taken::TooLong(first));
                }
                let new = record.get(before..).unwrap_or_default();
                quotes += memchr::memchr_iter(b'"', new).count();
                if quotes % 2 == 0 {
                    break;
                }
            }
            while record.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
                record.pop();
            }
            if !record.is_empty() {
                return Ok(if quotes % 2 == 0 { Taken::Record(first) } else { Taken::TooLong(first) });
            }
            if self.line < first {
                return Ok(Taken::End);
            }
        }
    }

    /// Goes on behind the line that was too long.
    fn skip_line(&mut self, record: &mut Vec<u8>) -> io::Result<()> {
        while record.last() != Some(&b'\n') {
            record.clear();
            let room = u64::try_from(RECORD_OCTETS_MAX).unwrap_or(u64::MAX);
            if self.input.by_ref().take(room).read_until(b'\n', record)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// The separator that a first line is cut by: a comma, a semicolon or a tab, whichever stands there most often.
#[must_use]
pub fn separator(line: &[u8]) -> u8 {
    let count = |mark: u8| memchr::memchr_iter(mark, line).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|mark| count(*mark)).unwrap_or(b',')
}

/// Cuts a record into cells; quotes are taken off, and two of them within quotes are one.
pub fn cells(record: &[u8], separator: u8, into: &mut Vec<String>) {
    let mut used = 0;
    let mut rest = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
    let mut cell = Vec::new();
    loop {
        cell.clear();
        let more = take(&mut rest, separator, &mut cell);
        let text = String::from_utf8_lossy(&cell);
        match into.get_mut(used) {
            Some(place) => {
                place.clear();
                place.push_str(text.trim());
            }
            None => into.push(text.trim().to_owned()),
        }
        used += 1;
        if !more || used >= CELLS_MAX {
            into.truncate(used);
            return;
        }
    }
}

/// Takes one cell; whether another follows.
fn take(rest: &mut &[u8], separator: u8, cell: &mut Vec<u8>) -> bool {
    let mut quoted = false;
    while let Some((octet, behind)) = rest.split_first() {
        *rest = behind;
        match (*octet, quoted) {
            (b'"', false) => quoted = true,
            (b'"', true) if behind.first() == Some(&b'"') => {
                cell.push(b'"');
                *rest = behind.get(1..).unwrap_or_default();
            }
            (b'"', true) => quoted = false,
            (octet, false) if octet == separator => return true,
            (octet, _) => cell.push(octet),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(Taken, Vec<String>)> {
        let mut records = Records::new(text.as_bytes());
        let (mut record, mut found) = (Vec::new(), Vec::new());
        loop {
            let taken = records.next(&mut record).unwrap();
            if taken == Taken::End {
                return found;
            }
            let mut row = Vec::new();
            cells(&record, b',', &mut row);
            found.push((taken, row));
        }
    }

    #[test]
    fn cells_are_cut_as_rfc_4180_has_them() {
        for (text, cells) in [
            ("a,b,c", &["a", "b", "c"][..]),
            ("a,,c,", &["a", "", "c", ""]),
            ("\"a,b\",\"c\"\"d\",e", &["a,b", "c\"d", "e"]),
            ("\u{feff}a, b ", &["a", "b"]),
            ("\"two\nlines\",x", &["two\nlines", "x"]),
            ("\"\"\"201\"\" <201>\",201", &["\"201\" <201>", "201"]),
        ] {
            let found = all(text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].1, cells, "{text}");
        }
        assert_eq!(separator(b"a;b;c,d"), b';');
        assert_eq!(separator(b"a\tb"), b'\t');
        assert_eq!(separator(b"abc"), b',');
    }

    #[test]
    fn records_know_their_lines_and_a_long_one_is_passed_over() {
        let long = "x".repeat(RECORD_OCTETS_MAX * 3);
        let text = format!("a,b\r\n\r\n\"c\nd\",e\n{long}\nf,g\n\"never");
        let lines: Vec<Taken> = all(&text).into_iter().map(|(taken, _)| taken).collect();
        let expected =
            [Taken::Record(1), Taken::Record(3), Taken::TooLong(5), Taken::Record(6), Taken::TooLong(7)];
        assert_eq!(lines, expected);
    }
}
