//! Multipart bodies taken apart.
//!
//! Owns the cut at the boundary. Refuses to know what the parts mean, and to go into a part that is multipart again: the
//! caller sees its type and refuses it. Read first: RFC 2046 §5.1; RFC 5621 §3; RFC 4475 §3.1.1.11.

use memchr::memmem;

use super::error::Cause;
use super::headers::{ContentDisposition, ContentType, HeaderName};
use super::lines::{self, Broken as BrokenLine, Lines};
use super::message::Header;

/// RFC 2046 §5.1.1: a boundary has no more octets.
pub const BOUNDARY_BYTES_MAX: usize = 70;
/// Header lines of one part.
pub const PART_LINES_MAX: usize = 32;

/// Why a multipart body cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The type is no multipart or has no good boundary.
    Boundary,
    /// Something stands behind a boundary on its line: another boundary that starts with ours, perhaps.
    Delimiter,
    /// The last part does not end.
    Unended,
    /// A part's header lines break the grammar or are too many.
    PartHead,
    /// More parts than the caller bears, or none.
    Count,
}

/// One part.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    head: &'a [u8],
    /// Its body, octet for octet.
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads what stands between two delimiters.
    fn read(chunk: &'a [u8]) -> Result<Self, Broken> {
        let mut walk = Lines::new(chunk, 0);
        for _ in 0..=PART_LINES_MAX {
            match walk.header() {
                Ok(None) => {
                    let (head, body) = chunk.split_at_checked(walk.at()).ok_or(Broken::PartHead)?;
                    return Ok(Self { head, body });
                }
                Ok(Some(line)) if lines::split(line).is_some() => (),
                Ok(Some(_)) | Err(BrokenLine::LineEnd | BrokenLine::Unended) => break,
            }
        }
        Err(Broken::PartHead)
    }

    /// Its header lines.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> {
        let mut walk = Lines::new(self.head, 0);
        std::iter::from_fn(move || {
            let split = lines::split(walk.header().ok()??)?;
            Some(Header { name: split.word, raw_name: split.name, value: split.value })
        })
    }

    /// The value of a header; `None` when absent.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.headers().find(|header| header.name == name).map(|header| header.value)
    }

    /// Its type; RFC 2046 §5.1: `text/plain` where nothing is said (`None` here).
    pub fn content_type(&self) -> Result<Option<ContentType<'a>>, Cause> {
        self.header(HeaderName::ContentType).map(ContentType::read).transpose()
    }

    /// Its disposition, where said.
    pub fn disposition(&self) -> Result<Option<ContentDisposition<'a>>, Cause> {
        self.header(HeaderName::ContentDisposition).map(ContentDisposition::read).transpose()
    }
}

/// The parts of a body of this type, at most `parts_max` of them. Preamble and epilogue are dropped.
pub fn parts<'a>(kind: &ContentType<'_>, body: &'a [u8], parts_max: usize) -> Result<Vec<Part<'a>>, Broken> {
    let boundary = kind.param("boundary").filter(|_| kind.is_multipart()).ok_or(Broken::Boundary)?;
    let printable = |byte: &u8| matches!(byte, b' '..=b'~');
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !boundary.iter().all(printable) {
        return Err(Broken::Boundary);
    }
    let delimiter = [b"\r\n--", &*boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    // The first delimiter may stand at the very start, without a line end before it.
    let at_start = delimiter.get(2..).is_some_and(|first| body.starts_with(first));
    let mut rest = if at_start {
        body.get(delimiter.len() - 2..)
    } else {
        finder.find(body).and_then(|at| body.get(at + delimiter.len()..))
    }
    .ok_or(Broken::Unended)?;
    let mut found = Vec::new();
    while let Some(chunk) = after_delimiter(rest)? {
        if found.len() >= parts_max {
            return Err(Broken::Count);
        }
        let end = finder.find(chunk).ok_or(Broken::Unended)?;
        // The line end that `after_delimiter` left in front belongs to the delimiter before, not to the part.
        let part = chunk.get(2..end).ok_or(Broken::PartHead)?;
        found.push(Part::read(part)?);
        rest = chunk.get(end + delimiter.len()..).unwrap_or_default();
    }
    if found.is_empty() { Err(Broken::Count) } else { Ok(found) }
}

/// What follows a delimiter: its line end and the next part, or `None` after the last one.
fn after_delimiter(rest: &[u8]) -> Result<Option<&[u8]>, Broken> {
    let (closing, mut rest) = match rest {
        [b'-', b'-', tail @ ..] => (true, tail),
        _ => (false, rest),
    };
    // RFC 2046 §5.1.1: transport-padding
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    match (closing, rest) {
        (true, [] | [b'\r', b'\n', ..]) => Ok(None),
        (false, [b'\r', b'\n', ..]) => Ok(Some(rest)),
        (false, []) => Err(Broken::Unended),
        (true | false, _) => Err(Broken::Delimiter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(kind: &str, body: &str) -> Result<Vec<(String, String)>, Broken> {
        let kind = ContentType::read(kind.as_bytes()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let read = parts(&kind, body.as_bytes(), 3)?;
        Ok(read
            .iter()
            .map(|part| (text(part.header(HeaderName::ContentType).unwrap_or_default()), text(part.body)))
            .collect())
    }

    fn pairs(want: &[(&str, &str)]) -> Result<Vec<(String, String)>, Broken> {
        Ok(want.iter().map(|(kind, body)| ((*kind).to_owned(), (*body).to_owned())).collect())
    }

    #[test]
    fn e6_parts_are_cut_at_the_boundary_alone() {
        let mixed = "multipart/mixed;boundary=\"b 1\"";
        for (body, want) in [
            (
                "--b 1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b 1--\r\n",
                pairs(&[("application/sdp", "v=0\r\n")]),
            ),
            (
                "preamble\r\n--b 1 \t\r\nC: a/b\r\n\r\none\r\n--b 1\r\n\r\n\r\n--b 1--\r\nepilogue",
                pairs(&[("a/b", "one"), ("", "")]),
            ),
            ("--b 1\r\n\r\nx --b 1-- \n--b 1--\r\n--b 1--", pairs(&[("", "x --b 1-- \n--b 1--")])),
            ("--b 1\r\nContent-Type:\r\n a/b\r\nX: y\r\n\r\n\r\n--b 1--", pairs(&[("a/b", "")])),
            ("", Err(Broken::Unended)),
            ("no boundary", Err(Broken::Unended)),
            ("--b 1\r\n\r\nx", Err(Broken::Unended)),
            ("--b 1", Err(Broken::Unended)),
            ("--b 1--", Err(Broken::Count)),
            ("--b 12\r\n\r\nx\r\n--b 12--", Err(Broken::Delimiter)),
            ("--b 1\r\n\r\nx\r\n--b 1--x", Err(Broken::Delimiter)),
            ("--b 1\r\nContent-Type: a/b\r\n--b 1--", Err(Broken::PartHead)),
            ("--b 1\r\n--b 1--", Err(Broken::PartHead)),
            ("--b 1\r\nno colon\r\n\r\nx\r\n--b 1--", Err(Broken::PartHead)),
            (
                "--b 1\r\n\r\n\r\n--b 1\r\n\r\n\r\n--b 1\r\n\r\n\r\n--b 1\r\n\r\n\r\n--b 1--",
                Err(Broken::Count),
            ),
        ] {
            assert_eq!(cut(mixed, body), want, "{body:?}");
        }
    }

    #[test]
    fn e6_types_without_a_good_boundary_are_refused() {
        let long = format!("multipart/mixed;boundary={}", "a".repeat(71));
        for kind in [
            "multipart/mixed",
            "multipart/mixed;boundary",
            "multipart/mixed;boundary=\"\"",
            "text/plain;boundary=a",
            &long,
        ] {
            assert_eq!(cut(kind, "--a\r\n\r\n\r\n--a--"), Err(Broken::Boundary), "{kind}");
        }
    }

    #[test]
    fn f3_many_near_boundaries_take_linear_time() {
        let kind = ContentType::read(b"multipart/mixed;boundary=aaaaaaaaaaaaaaaa").unwrap();
        let body = "\r\n--aaaaaaaaaaaaaaa".repeat(500_000);
        assert!(matches!(parts(&kind, body.as_bytes(), 3), Err(Broken::Unended)));
        let lines = format!(
            "--aaaaaaaaaaaaaaaa\r\n{}\r\n\r\n--aaaaaaaaaaaaaaaa--",
            "X: y\r\n".repeat(PART_LINES_MAX + 1)
        );
        assert!(matches!(parts(&kind, lines.as_bytes(), 3), Err(Broken::PartHead)));
    }
}
