//! What a body is: a session description, alone or as a part, or something that nobody here may judge by its looks.
//!
//! Owns the one answer to where the session description of a message stands, so that no two readers find two. Refuses to
//! read it, and to say what is answered. Read first: RFC 3261 §7.4, §8.2.3, §20.11; RFC 5621 §3, §8; RFC 2045 §6.

use super::headers::{ContentDisposition, ContentType, HeaderName, is_plain_encoding};
use super::message::{Line, Message};
use super::multipart::{self, Part};
use super::span::Span;

/// Parts of a multipart body that are looked at; one with more is hidden.
pub const PARTS_MAX: usize = 8;

/// Longest type, or subtype, of a body that is taken.
pub const MEDIA_BYTES_MAX: usize = 64;

/// Why a body is no session description that everybody finds at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is encoded, or a part of it is.
    Encoded,
    /// It has no Content-Type, or one that cannot be read.
    Untyped,
    /// It is, or a part that must be understood is, something else.
    Foreign,
    /// A type is said and there is no body.
    Missing,
    /// A multipart that cannot be taken apart, or holds another or a whole message.
    Unreadable,
    /// Two session descriptions, or one that is said to be for something else than the session.
    Ambiguous,
}

impl Fault {
    /// Whether what it says cannot be judged, rather than that it is something else.
    #[must_use]
    pub const fn hides(self) -> bool {
        matches!(self, Self::Encoded | Self::Unreadable | Self::Ambiguous)
    }

    /// In words, of a body.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Encoded => "the body is encoded",
            Self::Untyped => "a body without Content-Type",
            Self::Foreign => "the body is no session description",
            Self::Missing => "Content-Type promises a body and there is none",
            Self::Unreadable => "a multipart body that cannot be taken apart",
            Self::Ambiguous => "more than one part of the body could be the session description",
        }
    }
}

/// Where the session description stands.
#[derive(Debug, Clone, Copy)]
pub enum Session<'a> {
    /// There is no body.
    Absent,
    /// There is one, and none of it is for the session: its sender says that it may be left out.
    Spare,
    /// It is the body.
    Alone,
    /// It is this part of a multipart body; its Content-Type line beside it.
    Part(&'a [u8], &'a [u8]),
}

/// Finds the session description of a message.
pub fn session(message: &Message) -> Result<Session<'_>, Fault> {
    found(message, false)
}

/// The same for an emergency: what is neither a session description nor may be left out is left out all the same.
pub fn session_for_help(message: &Message) -> Result<Session<'_>, Fault> {
    match found(message, true) {
        Err(Fault::Foreign) => Ok(Session::Spare),
        found => found,
    }
}

fn found(message: &Message, lenient: bool) -> Result<Session<'_>, Fault> {
    if is_spare(message) {
        return Ok(Session::Spare);
    }
    if !message.lines(HeaderName::ContentEncoding).all(is_plain_encoding) {
        return Err(Fault::Encoded);
    }
    let body = message.body();
    let Some(kind) = message.header(HeaderName::ContentType) else {
        return if body.is_empty() { Ok(Session::Absent) } else { Err(Fault::Untyped) };
    };
    let kind = ContentType::read(kind).map_err(|_| Fault::Untyped)?;
    if is_sdp(&kind) {
        if body.is_empty() {
            return Err(Fault::Missing);
        }
        let disposition = message.header(HeaderName::ContentDisposition).map(ContentDisposition::read);
        return match disposition.transpose() {
            Ok(disposition) if is_for_session(disposition.as_ref()) => Ok(Session::Alone),
            Ok(_) | Err(_) => Err(Fault::Ambiguous),
        };
    }
    if !kind.is_multipart() {
        return Err(Fault::Foreign);
    }
    if body.is_empty() { Err(Fault::Missing) } else { within(&kind, body, lenient) }
}

/// RFC 3261 §20.11: whether a body, encoded or not, is of a type that nobody here understands and that its sender lets whoever
/// does not understand it ignore. A session description is understood, and what may hold one is looked into.
fn is_spare(message: &Message) -> bool {
    let disposition = message.header(HeaderName::ContentDisposition).map(ContentDisposition::read);
    let optional = matches!(disposition, Some(Ok(disposition)) if !disposition.is_required());
    let kind = message.header(HeaderName::ContentType).and_then(|kind| ContentType::read(kind).ok());
    let once = [HeaderName::ContentType, HeaderName::ContentDisposition]
        .into_iter()
        .all(|name| message.lines(name).count() == 1);
    let foreign = |kind: ContentType<'_>| !is_sdp(&kind) && !kind.is_multipart() && !is_message(&kind);
    optional && once && !message.body().is_empty() && kind.is_some_and(foreign)
}

/// The session description among the parts. RFC 5621 §8: a part that nobody here understands is left out where its sender
/// says that it may be, and refuses the message where not.
fn within<'a>(kind: &ContentType<'_>, body: &'a [u8], lenient: bool) -> Result<Session<'a>, Fault> {
    let mut found = None;
    // RFC 2046 §5.1.4: the same thing in several ways; whoever chooses another than we do hears something else.
    if kind.subtype.eq_ignore_ascii_case(b"alternative") {
        return Err(Fault::Ambiguous);
    }
    for part in multipart::parts(kind, body, PARTS_MAX).map_err(|_| Fault::Unreadable)? {
        let disposition = part.disposition().map_err(|_| Fault::Unreadable)?;
        let optional = disposition.as_ref().is_some_and(|disposition| !disposition.is_required());
        let kind = part.content_type().map_err(|_| Fault::Unreadable)?;
        match kind {
            Some(kind) if is_sdp(&kind) => {
                if is_encoded(&part) {
                    return Err(Fault::Encoded);
                }
                let line = part.header(HeaderName::ContentType).unwrap_or_default();
                if !is_for_session(disposition.as_ref()) || found.replace((part.body, line)).is_some() {
                    return Err(Fault::Ambiguous);
                }
            }
            Some(kind) if kind.is_multipart() || is_message(&kind) => {
                return Err(Fault::Unreadable);
            }
            // RFC 6442 §4.1: where the caller is. It is understood, and stays behind.
            Some(kind) if kind.is("application", "pidf+xml") => {}
            Some(_) | None if optional || lenient => {}
            Some(_) | None => return Err(Fault::Foreign),
        }
        if twice(&part) {
            return Err(Fault::Ambiguous);
        }
    }
    match found {
        Some((body, line)) if !body.is_empty() => Ok(Session::Part(body, line)),
        Some(_) => Err(Fault::Missing),
        // RFC 5621 §8: nothing is left of it.
        None => Ok(Session::Spare),
    }
}

/// RFC 3261 §8.2.3, for what a request other than of a session carries: one thing, not encoded, that hides no other. No
/// session description either: it would open media that no answer to a call was judged for.
pub fn plain(message: &Message) -> Result<(), Fault> {
    if message.body().is_empty() {
        return Ok(());
    }
    if !message.lines(HeaderName::ContentEncoding).all(is_plain_encoding) {
        return Err(Fault::Encoded);
    }
    let kind = message.header(HeaderName::ContentType).and_then(|kind| ContentType::read(kind).ok());
    let bearable = |kind: &ContentType<'_>| kind.kind.len().max(kind.subtype.len()) <= MEDIA_BYTES_MAX;
    match kind.filter(bearable).ok_or(Fault::Untyped)? {
        kind if kind.is_multipart() || is_message(&kind) => Err(Fault::Unreadable),
        kind if is_sdp(&kind) => Err(Fault::Ambiguous),
        _ => Ok(()),
    }
}

/// A whole message, which may hold anything.
fn is_message(kind: &ContentType<'_>) -> bool {
    kind.kind.eq_ignore_ascii_case(b"message")
}

fn is_sdp(kind: &ContentType<'_>) -> bool {
    kind.is("application", "sdp")
}

/// RFC 3261 §20.11: a session description is for the session unless something else is said. `handling` changes nothing: it
/// is the session to us, and leaves without that word, so that it is to the next reader.
fn is_for_session(disposition: Option<&ContentDisposition<'_>>) -> bool {
    disposition.is_none_or(|disposition| disposition.is("session"))
}

/// Whether a part is encoded, by SIP's word or by MIME's (RFC 5621 §4 leaves no use for that one).
fn is_encoded(part: &Part<'_>) -> bool {
    let as_it_is =
        |value: &[u8]| [&b"binary"[..], b"8bit", b"7bit"].iter().any(|word| value.eq_ignore_ascii_case(word));
    part.headers().any(|header| {
        header.name == HeaderName::ContentEncoding && !is_plain_encoding(header.value)
            || header.raw_name.eq_ignore_ascii_case(b"content-transfer-encoding") && !as_it_is(header.value)
    })
}

/// Whether a part says twice what it is or what it is for.
fn twice(part: &Part<'_>) -> bool {
    [HeaderName::ContentType, HeaderName::ContentDisposition]
        .into_iter()
        .any(|name| part.headers().filter(|header| header.name == name).count() > 1)
}

/// Headers that describe the body.
const fn describes(name: HeaderName) -> bool {
    matches!(
        name,
        HeaderName::ContentType
            | HeaderName::ContentDisposition
            | HeaderName::ContentEncoding
            | HeaderName::ContentId
            | HeaderName::ContentLanguage
            | HeaderName::MimeVersion
    )
}

impl Message {
    /// The message as if it had come without a body. Its memory stays the same.
    #[must_use]
    pub fn without_body(&self) -> Self {
        let mut bare = self.clone();
        bare.lines.retain(|line| !describes(line.word));
        bare.seen = bare.lines.iter().fold(0, |seen, line| seen | line.word.bit());
        bare.body = Span::between(self.bytes.len(), self.bytes.len());
        bare
    }

    /// The message as if it had come with another session description, which is all of its body. Its octets are copied: the
    /// one that came stays where it was, and stands no more in what is read of this one.
    #[must_use]
    pub fn with_sdp(&self, sdp: &[u8]) -> Self {
        const NAME: &[u8] = b"Content-Type";
        const KIND: &[u8] = b"application/sdp";
        let mut other = self.without_body();
        let head = if self.body().is_empty() { self.bytes.len() } else { self.body.range().start };
        let mut bytes = Vec::with_capacity(head + NAME.len() + KIND.len() + sdp.len());
        for piece in [self.bytes.get(..head).unwrap_or_default(), NAME, KIND, sdp] {
            bytes.extend_from_slice(piece);
        }
        let (name, kind) = (head + NAME.len(), head + NAME.len() + KIND.len());
        let (name, value) = (Span::between(head, name), Span::between(name, kind));
        other.lines.push(Line { word: HeaderName::ContentType, name, value });
        other.seen |= HeaderName::ContentType.bit();
        other.body = Span::between(kind, bytes.len());
        other.bytes = bytes::Bytes::from(bytes);
        other
    }

    /// The message as if it had come with one part of its body alone, of the type on this line; both are pieces of it.
    #[must_use]
    pub fn with_part(&self, part: &[u8], kind: &[u8]) -> Self {
        let mut narrowed = self.without_body();
        let name = self.lines.iter().find(|line| line.word == HeaderName::ContentType).map(|line| line.name);
        let (value, body) = (Span::of(&self.bytes, kind), Span::of(&self.bytes, part));
        if let Some(name) = name {
            narrowed.lines.push(Line { word: HeaderName::ContentType, name, value });
            narrowed.seen |= HeaderName::ContentType.bit();
            narrowed.body = body;
        }
        narrowed
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
