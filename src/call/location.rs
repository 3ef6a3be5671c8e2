//! Where the caller of an emergency is: the parts of its INVITE that say so, and the headers that name them.
//!
//! Owns which parts and which values cross, their bound, and the body that is written anew of them and of a session description.
//! Refuses to read a place. Read first: RFC 6442 §3, §4; RFC 5491; RFC 5621 §3; RFC 2046 §5.1.

use super::leg::text;
use crate::sip::headers::ContentType;
use crate::sip::multipart;
use crate::sip::write::Text;
use crate::sip::{HeaderName, Message, NameAddr, Writer};

/// Octets of all parts that cross; of more, none does.
pub const LOCATION_BYTES_MAX: usize = 16_384;

/// Parts that cross; of more, the first ones.
const LOCATIONS_MAX: usize = 4;

/// Longest Content-ID and type that are kept.
const VALUE_BYTES_MAX: usize = 256;

/// Parts of the caller's body that are looked at.
const PARTS_MAX: usize = crate::sip::body::PARTS_MAX;

/// One part.
#[derive(Debug)]
struct Part {
    id: Box<[u8]>,
    kind: Box<[u8]>,
    encoding: Option<Box<[u8]>>,
    body: Box<[u8]>,
}

/// Where a caller is, by value.
#[derive(Debug)]
pub(super) struct Location(Vec<Part>);

impl Location {
    /// The location parts of a message; `Err` where they are too large to cross.
    pub fn of(message: &Message) -> Result<Option<Box<Self>>, &'static str> {
        let Some(kind) =
            message.header(HeaderName::ContentType).and_then(|kind| ContentType::read(kind).ok())
        else {
            return Ok(None);
        };
        let mut found = Vec::new();
        if is_location(&kind) {
            let line = message.header(HeaderName::ContentType).unwrap_or_default();
            found.extend(part((line, message.header(HeaderName::ContentId)), None, message.body()));
        } else if kind.is_multipart() {
            for one in multipart::parts(&kind, message.body(), PARTS_MAX).unwrap_or_default() {
                let encodings = |name: &[u8]| name.eq_ignore_ascii_case(b"content-transfer-encoding");
                let encoding = one.headers().find(|header| encodings(header.raw_name));
                if one.content_type().ok().flatten().is_some_and(|kind| is_location(&kind)) {
                    let line = one.header(HeaderName::ContentType).unwrap_or_default();
                    let named = (line, one.header(HeaderName::ContentId));
                    found.extend(part(named, encoding.map(|header| header.value), one.body));
                }
            }
        }
        found.truncate(LOCATIONS_MAX);
        if found.iter().map(|part| part.body.len()).sum::<usize>() > LOCATION_BYTES_MAX {
            return Err("where the caller is takes more than 16 KiB; it was left out");
        }
        Ok((!found.is_empty()).then(|| Box::new(Self(found))))
    }

    /// A body of parts: the session description, where there is one, and the location. The boundary stands in none of them, for
    /// nobody could foresee it.
    pub fn body(&self, sdp: &[u8], boundary: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(sdp.len() + LOCATION_BYTES_MAX / 8);
        if !sdp.is_empty() {
            put(
                &mut out,
                &[b"--", boundary.as_bytes(), b"\r\nContent-Type: application/sdp\r\n\r\n", sdp, b"\r\n"],
            );
        }
        for part in &self.0 {
            put(&mut out, &[b"--", boundary.as_bytes(), b"\r\nContent-Type: ", &part.kind, b"\r\n"]);
            if !part.id.is_empty() {
                put(&mut out, &[b"Content-ID: ", &part.id, b"\r\n"]);
            }
            if let Some(encoding) = &part.encoding {
                put(&mut out, &[b"Content-Transfer-Encoding: ", encoding, b"\r\n"]);
            }
            // RFC 5621 §5: a header names it; and whoever knows no location takes the call without.
            put(
                &mut out,
                &[b"Content-Disposition: by-reference;handling=optional\r\n\r\n", &part.body, b"\r\n"],
            );
        }
        put(&mut out, &[b"--", boundary.as_bytes(), b"--\r\n"]);
        out
    }
}

fn put(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}

fn is_location(kind: &ContentType<'_>) -> bool {
    kind.is("application", "pidf+xml")
}

/// A part as it crosses; one whose words cannot stand on a line does not.
fn part((kind, id): (&[u8], Option<&[u8]>), encoding: Option<&[u8]>, body: &[u8]) -> Option<Part> {
    let bearable = |value: &&[u8]| {
        value.len() <= VALUE_BYTES_MAX && value.iter().all(|octet| matches!(octet, b' '..=b'~'))
    };
    let kind = Some(kind).filter(bearable)?;
    let id = id.filter(bearable).unwrap_or_default();
    let encoding = match encoding {
        Some(encoding) => Some(Some(encoding).filter(bearable)?.into()),
        None => None,
    };
    Some(Part { id: id.into(), kind: kind.into(), encoding, body: body.into() })
}

/// Whether a value of Geolocation names a part of the body (RFC 6442 §4.2).
fn names_part(value: &[u8]) -> bool {
    let uri = NameAddr::read(value).map_or(value, |name| name.raw_uri);
    uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"cid:"))
}

/// Writes the headers that say where the caller is: by reference as they came, by value where the value crosses.
pub(super) fn write_headers(writer: &mut Writer, invite: &Message, located: bool) {
    let values = invite.values(HeaderName::Geolocation).filter(|value| located || !names_part(value));
    let values: Vec<Text<'_>> = values.map(text).collect();
    if !values.is_empty() {
        writer.list(HeaderName::Geolocation, values.into_iter());
    }
    for header in invite.headers().filter(|header| header.name == HeaderName::GeolocationRouting) {
        let _written = writer.copy(&header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_a_part_by_its_scheme_alone() {
        for (value, names) in [
            (&b"<cid:target@example.com>"[..], true),
            (b"<CID:target@example.com>;inserted-by=\"x\"", true),
            (b"<https://lis.example/cid:1>", false),
            (b"<sip:cid@example.com>", false),
        ] {
            assert_eq!(names_part(value), names, "{}", String::from_utf8_lossy(value));
        }
    }
}
