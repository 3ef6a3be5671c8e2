//! What crosses of headers whose values may name hosts of the other side: their meaning, never their text.
//!
//! Owns the writing anew of Reason, Retry-After and what describes a body. Refuses to know which header crosses.
//! Read first: RFC 3326 §2; RFC 3261 §20.11, §20.13, §20.15, §20.24, §20.33.

use std::time::Duration;

use crate::sip::body::MEDIA_BYTES_MAX;
use crate::sip::grammar::{TOKEN, Values, run};
use crate::sip::headers::{self, ContentDisposition, ContentType, Reason};

/// Longest text of a Reason that crosses; of a longer one protocol and cause remain.
pub const REASON_TEXT_BYTES_MAX: usize = 128;
/// Longest protocol or disposition word that crosses.
const WORD_BYTES_MAX: usize = 32;
/// Languages of a body that cross.
const LANGUAGES_MAX: usize = 4;
/// Parameters of a media type that cross: what a reader of the body needs (RFC 2046 §4.1.2, RFC 3676 §4, RFC 3204 §4).
const MEDIA_PARAMS: [&str; 5] = ["charset", "format", "delsp", "version", "base"];
/// Reasons that cross of one message.
pub const REASONS_MAX: usize = 4;

/// A Reason value as `protocol;cause=NNN;text="..."`: other parameters stay, and so does a text that names a place.
/// `None` for what cannot be read or names a place as its protocol.
#[must_use]
pub fn reason(value: &[u8]) -> Option<Vec<u8>> {
    let reason = Reason::read(value).ok().filter(|reason| is_word(reason.protocol))?;
    let mut out = reason.protocol.to_vec();
    if let Some(cause) = reason.cause {
        out.extend_from_slice(format!(";cause={cause}").as_bytes());
    }
    let text = reason.text().filter(|text| text.len() <= REASON_TEXT_BYTES_MAX && !names_a_place(text));
    if let Some(text) = text {
        out.extend_from_slice(b";text=\"");
        for octet in text.iter().filter(|octet| !octet.is_ascii_control()) {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*octet);
        }
        out.push(b'"');
    }
    Some(out)
}

/// The seconds of a Retry-After value, without comment and parameters, and no more than `most`: who is told to stay away
/// for years does so.
#[must_use]
pub fn retry_after(value: &[u8], most: Duration) -> Option<u64> {
    headers::retry_after(value).map(|seconds| u64::from(seconds).min(most.as_secs()))
}

/// A Content-Type value as `type/subtype` and the parameters known, whose values are words; `None` for what cannot be
/// read or is too long.
#[must_use]
pub fn media_type(value: &[u8]) -> Option<Vec<u8>> {
    let fits = |word: &[u8]| word.len() <= MEDIA_BYTES_MAX;
    let kind = ContentType::read(value).ok().filter(|kind| fits(kind.kind) && fits(kind.subtype))?;
    let mut out = [kind.kind, b"/", kind.subtype].concat();
    for name in MEDIA_PARAMS {
        let value = kind.param(name).filter(|value| is_word(value) && run(TOKEN, value).1.is_empty());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            out.extend_from_slice(&[b";", name.as_bytes(), b"=", &*value].concat());
        }
    }
    Some(out)
}

/// A Content-Language value: its tags (RFC 5646 §2.1: letters, digits and hyphens, of no more than 35 octets).
#[must_use]
pub fn languages(value: &[u8]) -> Option<Vec<u8>> {
    let is_tag = |tag: &&[u8]| {
        (1..=35).contains(&tag.len())
            && tag.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
    };
    let tags: Vec<&[u8]> = Values::new(value).filter(is_tag).take(LANGUAGES_MAX).collect();
    (!tags.is_empty()).then(|| tags.join(&b", "[..]))
}

/// A MIME-Version value: digits around one dot.
#[must_use]
pub fn mime_version(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    let is_number = |digits: &[u8]| (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let mut parts = value.split(|octet| *octet == b'.');
    let (major, minor) = (parts.next()?, parts.next()?);
    (is_number(major) && is_number(minor) && parts.next().is_none()).then(|| value.to_vec())
}

/// A Content-Disposition value with its type and `handling` alone (RFC 3261 §20.11).
#[must_use]
pub fn disposition(value: &[u8]) -> Option<Vec<u8>> {
    let disposition = ContentDisposition::read(value).ok().filter(|disposition| is_word(disposition.kind))?;
    let mut out = disposition.kind.to_vec();
    // What is left out means `required`, which a session description always is: it was read.
    if !disposition.is_required() && !disposition.is("session") {
        out.extend_from_slice(b";handling=optional");
    }
    Some(out)
}

fn is_word(word: &[u8]) -> bool {
    word.len() <= WORD_BYTES_MAX && !names_a_place(word)
}

/// Whether a text names a host, an address or a URI, as far as that can be seen: rather once too often.
fn names_a_place(text: &[u8]) -> bool {
    let ends = |octet: &u8| octet.is_ascii_whitespace() || b"<>()\"',;=/".contains(octet);
    let words = text.split(ends).any(|word| {
        let colons = word.iter().filter(|octet| **octet == b':').count();
        word.contains(&b'@') || word.starts_with(b"[") || colons > 1 || has_scheme(word)
    });
    // Whatever stands before or behind a name or an address: `via:10.1.0.10!` names one.
    let in_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'.';
    words || text.split(|octet| !in_name(octet)).any(is_dotted)
}

fn has_scheme(word: &[u8]) -> bool {
    [&b"sip:"[..], b"sips:", b"tel:", b"urn:", b"http:", b"https:"]
        .iter()
        .any(|scheme| word.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Labels with dots between them, the last of letters: a name; four numbers: an address. `Q.850` and `3.5` are neither.
fn is_dotted(word: &[u8]) -> bool {
    let labels: Vec<&[u8]> = word.split(|octet| *octet == b'.').filter(|label| !label.is_empty()).collect();
    let Some(last) = labels.last().filter(|_| labels.len() > 1) else { return false };
    let numbers = labels.iter().rev().take(3).all(|label| label.iter().all(u8::is_ascii_digit));
    labels.len() >= 4 && numbers || last.len() > 1 && last.iter().any(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn b10_a_reason_crosses_by_protocol_cause_and_a_text_that_names_no_place() {
        for (value, crosses) in [
            (
                r#"Q.850;cause=16;text="Normal call clearing""#,
                Some(r#"Q.850;cause=16;text="Normal call clearing""#),
            ),
            (
                r#"SIP ;cause=200 ;text="Call completed elsewhere";x=10.1.0.10"#,
                Some(r#"SIP;cause=200;text="Call completed elsewhere""#),
            ),
            (r#"SIP;cause=503;text="no answer from 10.1.0.10""#, Some("SIP;cause=503")),
            (r#"SIP;cause=503;text="via 10.1.0.10:5060 (UDP)""#, Some("SIP;cause=503")),
            (r#"SIP;text="pbx.office.example is down""#, Some("SIP")),
            (r#"SIP;text="via:10.1.0.10""#, Some("SIP")),
            (r#"SIP;text="lost 10.1.0.10!""#, Some("SIP")),
            (r#"SIP;text="{10.1.0.10}""#, Some("SIP")),
            (r#"SIP;text="ip10.1.0.10-5060""#, Some("SIP")),
            (r#"SIP;text="10.1.0.10... gone""#, Some("SIP")),
            (r#"SIP;text="host:pbx.office.example|x""#, Some("SIP")),
            (r#"SIP;text="Wait... then: try again.""#, Some(r#"SIP;text="Wait... then: try again.""#)),
            (r#"SIP;text="fd00::10""#, Some("SIP")),
            (r#"SIP;text="<SIP:2001>""#, Some("SIP")),
            (r#"SIP;text="ask bob@office""#, Some("SIP")),
            (
                r#"Q.850;cause=16;text="said \"bye\" at 3.5 s.""#,
                Some(r#"Q.850;cause=16;text="said \"bye\" at 3.5 s.""#),
            ),
            (r"10.1.0.10;cause=1", None),
            (r"pbx.office.example;cause=1", None),
            ("", None),
        ] {
            assert_eq!(text(reason(value.as_bytes())).as_deref(), crosses, "{value}");
        }
        let long = format!("SIP;cause=1;text=\"{}\"", "a".repeat(REASON_TEXT_BYTES_MAX + 1));
        assert_eq!(text(reason(long.as_bytes())).as_deref(), Some("SIP;cause=1"));
    }

    #[test]
    fn b10_retry_after_crosses_as_a_number_and_disposition_as_type_and_handling() {
        for (value, seconds) in [
            ("18", Some(18)),
            ("5 (pbx.office)", Some(5)),
            ("5;duration=9", Some(5)),
            ("31", Some(31)),
            ("32", Some(32)),
            ("33", Some(32)),
            ("99999999999", Some(32)),
            ("x", None),
        ] {
            assert_eq!(retry_after(value.as_bytes(), Duration::from_secs(32)), seconds, "{value}");
        }
        for (value, crosses) in [
            ("session", Some("session")),
            ("session;filename=\"10.1.0.10.txt\";handling=optional", Some("session")),
            ("render;filename=\"10.1.0.10.txt\";handling=optional", Some("render;handling=optional")),
            ("session;handling=required", Some("session")),
            ("10.1.0.10;handling=required", None),
        ] {
            assert_eq!(text(disposition(value.as_bytes())).as_deref(), crosses, "{value}");
        }
    }

    #[test]
    fn b10_what_describes_a_body_crosses_as_what_was_judged() {
        for (value, crosses) in [
            ("application/sdp", Some("application/sdp")),
            (" Text / Plain ; CharSet=\"utf-8\";x=pbx.office.example", Some("Text/Plain;charset=utf-8")),
            ("text/plain;charset=pbx.office.example", Some("text/plain")),
            ("text/plain;charset=\"a b\";charset", Some("text/plain")),
            (
                "application/ISUP;version=itu-t92+;base=itu-t92+",
                Some("application/ISUP;version=itu-t92+;base=itu-t92+"),
            ),
            ("application/vnd.3gpp.ussd", Some("application/vnd.3gpp.ussd")),
            ("multipart/mixed;boundary=10.1.0.10", Some("multipart/mixed")),
            ("sdp", None),
        ] {
            assert_eq!(text(media_type(value.as_bytes())).as_deref(), crosses, "{value}");
        }
        for (length, crosses) in [(63, true), (64, true), (65, false)] {
            let value = format!("text/{}", "a".repeat(length));
            assert_eq!(media_type(value.as_bytes()).is_some(), crosses, "{length}");
        }
        for (value, crosses) in [
            ("en", Some("en")),
            ("de-DE , en;q=1, pbx.office, fr", Some("de-DE, fr")),
            ("a,b,c,d,e", Some("a, b, c, d")),
            ("10.1.0.10", None),
            ("", None),
        ] {
            assert_eq!(text(languages(value.as_bytes())).as_deref(), crosses, "{value}");
        }
        for (value, crosses) in
            [(" 1.0 ", Some("1.0")), ("1.0 (pbx)", None), ("1", None), ("10.1.0.10", None)]
        {
            assert_eq!(text(mime_version(value.as_bytes())).as_deref(), crosses, "{value}");
        }
    }
}
