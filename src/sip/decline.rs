//! An SDP answer that takes nothing of an offer.
//!
//! Owns the reading of an offer's media lines, as far as refusing them needs, and the writing of that answer. Refuses to
//! know codecs, keys and addresses: none of the other side's is said. Read first: RFC 3264 §6; RFC 8866 §5, §9.

/// Media lines of an offer that is answered at all.
pub const MEDIA_MAX: usize = 32;
/// Octets of one word of a media line.
pub const WORD_BYTES_MAX: usize = 64;

/// The answer that refuses every stream of an offer: each media line with port 0, in its place. `session` is the
/// number of its origin. `None` for what cannot be read as SDP, or has too many media lines.
#[must_use]
pub fn decline(offer: &[u8], session: u64) -> Option<Vec<u8>> {
    let mut lines = offer.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
    if lines.next()? != b"v=0" {
        return None;
    }
    // RFC 3264 §6: the time of the answer is the time of the offer.
    let mut time = &b"0 0"[..];
    let mut media = Vec::new();
    for line in lines {
        if let Some(value) = line.strip_prefix(b"t=") {
            time = if is_time(value) { value } else { time };
        } else if let Some(value) = line.strip_prefix(b"m=") {
            if media.len() >= MEDIA_MAX {
                return None;
            }
            media.push(Media::read(value)?);
        }
    }
    let origin = format!("v=0\r\no=- {session} 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=");
    let mut answer = Vec::with_capacity(origin.len() + 32 + media.len() * 32);
    answer.extend_from_slice(origin.as_bytes());
    answer.extend_from_slice(time);
    answer.extend_from_slice(b"\r\na=inactive\r\n");
    for Media { kind, protocol, format } in media {
        // RFC 3264 §6: port 0 refuses the stream; one format must stand there all the same.
        for part in [b"m=", kind, b" 0 ", protocol, b" ", format, b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    Some(answer)
}

/// What is said again of a media line.
struct Media<'a> {
    kind: &'a [u8],
    protocol: &'a [u8],
    format: &'a [u8],
}

impl<'a> Media<'a> {
    fn read(value: &'a [u8]) -> Option<Self> {
        let mut words = value.split(|octet| *octet == b' ');
        let mut word = || words.next().filter(|word| is_word(word));
        let (kind, _port, protocol, format) = (word()?, word()?, word()?, word()?);
        Some(Self { kind, protocol, format })
    }
}

fn is_word(word: &[u8]) -> bool {
    !word.is_empty() && word.len() <= WORD_BYTES_MAX && word.iter().all(u8::is_ascii_graphic)
}

fn is_time(value: &[u8]) -> bool {
    value.len() <= WORD_BYTES_MAX && value.iter().all(|octet| octet.is_ascii_digit() || *octet == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declined(offer: &str) -> Option<String> {
        decline(offer.as_bytes(), 7).map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn every_stream_is_refused_in_its_place_and_no_address_is_said() {
        let offer = "v=0\r\no=- 1 1 IN IP4 192.168.77.7\r\ns=secret\r\nc=IN IP4 192.168.77.7\r\nt=1 2\r\n\
                     m=audio 4000/2 RTP/SAVP 0 8\r\na=crypto:1 x inline:y\r\nm=video 4002 RTP/AVP 96\r\nm=image 4 udptl t38\r\n";
        let answer = "v=0\r\no=- 7 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=1 2\r\na=inactive\r\n\
                      m=audio 0 RTP/SAVP 0\r\nm=video 0 RTP/AVP 96\r\nm=image 0 udptl t38\r\n";
        assert_eq!(declined(offer).as_deref(), Some(answer));
        assert_eq!(declined(&offer.replace("\r\n", "\n")).as_deref(), Some(answer), "bare LF is tolerated");
    }

    #[test]
    fn what_is_no_offer_has_no_answer() {
        let long = format!("v=0\r\nm=audio 1 RTP/AVP {}\r\n", "9".repeat(WORD_BYTES_MAX + 1));
        for bad in ["", "hello", "v=1\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 1 RTP/AVP\r\n", &long] {
            assert_eq!(declined(bad), None, "{bad}");
        }
        let with = |count| format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(count));
        assert!(declined(&with(MEDIA_MAX)).is_some());
        assert_eq!(declined(&with(MEDIA_MAX + 1)), None);
        assert!(declined("v=0\r\nt=x y\r\n").unwrap().contains("t=0 0\r\n"));
    }
}
