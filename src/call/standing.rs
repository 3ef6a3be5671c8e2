//! The session descriptions that stand: the last one sent on each leg, which is what the other leg's peer said last.
//!
//! Owns what tells a change of the session from a repetition of what was negotiated. Refuses to know who refreshes, and
//! when.
//! Read first: RFC 3264 §5, §8; RFC 4028 §7.4.

use super::Side;
use super::core::Core;
use super::session_timer::SDP_TYPE;
use super::update::names_somebody;
use crate::sip::{HeaderName, Message};

impl Core {
    /// Keeps the session description of a message that was sent on this leg and stands: a re-INVITE of ours must offer
    /// the very same again, `o=` line and all (RFC 4028 §7.4). A message may be no longer than `message_bytes`, and so
    /// bounds what is kept; another body than SDP is none that could be offered again.
    pub fn keep_sdp(&mut self, side: Side, sent: &Message) {
        if !sent.body().is_empty() {
            let leg = self.leg_mut(side);
            leg.sdp = is_sdp(sent).then(|| sent.body().into());
            // Whatever this leg's peer was to be told, it has heard now.
            leg.refreshing.told();
        }
    }

    /// Whether a request of this leg's peer offers what stands already, and says nothing else that would cross: RFC 3264
    /// §8, nothing is changed, so that the answer stands too.
    pub fn repeats(&self, side: Side, request: &Message) -> bool {
        if !is_sdp(request) || names_somebody(request) {
            return false;
        }
        let known = || self.is_known(side, request.body()) == Some(true);
        self.media_knows(side, request).unwrap_or_else(known)
    }

    /// Whether an answer of this leg's peer says something else than what stands.
    pub fn is_news(&self, side: Side, answer: &Message) -> bool {
        is_sdp(answer) && self.is_known(side, answer.body()) == Some(false)
    }

    /// Whether this leg's peer has said so before, as far as it was answered; `None` where it is not known what it said.
    fn is_known(&self, side: Side, says: &[u8]) -> Option<bool> {
        let stands = self.leg(side.other()).sdp.as_deref()?;
        let answered = self.leg(side).sdp.as_deref()?;
        Some(is_same(stands, says) || is_narrowed(stands, says, answered))
    }
}

fn is_sdp(message: &Message) -> bool {
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    !message.body().is_empty() && kind.trim_ascii().eq_ignore_ascii_case(SDP_TYPE)
}

/// The lines that say something: not the `o=` line, for there are phones that count its version up, or make a new number
/// of it, each time they speak.
fn lines(sdp: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = sdp.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"o="))
}

/// Whether two descriptions say the same.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    lines(one).eq(lines(other))
}

/// Formats of one medium that are compared each with each: RTP has no more payload types (RFC 3550 §5.1), and of a line that
/// names thousands nobody leaves a few out.
const FORMATS_MAX: usize = 128;

/// Whether `says` is `stands` without formats that `answered` left out: who refreshes may offer what was negotiated and
/// not all that it once offered (PJSUA does). Whatever is in use stays as it is.
fn is_narrowed(stands: &[u8], says: &[u8], answered: &[u8]) -> bool {
    let mut says = lines(says);
    let mut media = lines(answered).filter_map(formats);
    // Formats that went away from the medium at hand.
    let mut gone: Vec<&[u8]> = Vec::new();
    for stood in lines(stands) {
        if let Some((head, before)) = formats(stood) {
            let Some((said_head, now)) = says.next().and_then(formats) else { return false };
            let Some((_, chosen)) = media.next() else { return false };
            let few = [before, chosen].into_iter().all(|formats| words(formats).count() <= FORMATS_MAX);
            let left = few
                && is_part(now, before)
                && words(chosen).all(|format| words(now).any(|left| left == format));
            if head != said_head || !left {
                return false;
            }
            gone = words(before).filter(|format| !words(now).any(|left| left == *format)).collect();
        } else if !attribute_of(stood).is_some_and(|format| gone.contains(&format))
            && says.next() != Some(stood)
        {
            return false;
        }
    }
    says.next().is_none() && media.next().is_none()
}

/// An `m=` line as what comes before its formats, and the formats (RFC 8866 §5.14).
fn formats(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"m=")?;
    let third = rest.iter().enumerate().filter(|(_, octet)| **octet == b' ').nth(2)?.0;
    rest.split_at_checked(third)
}

fn words(formats: &[u8]) -> impl Iterator<Item = &[u8]> {
    formats.split(|octet| *octet == b' ').filter(|word| !word.is_empty())
}

/// Whether each of `part` stands in `whole`, in that order.
fn is_part(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = words(whole);
    words(part).all(|word| whole.any(|other| other == word))
}

/// The format that an attribute is about (RFC 8866 §6.6, §6.15; RFC 4585 §4.2).
fn attribute_of(line: &[u8]) -> Option<&[u8]> {
    let value =
        [&b"a=rtpmap:"[..], b"a=fmtp:", b"a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(*name))?;
    value.split(|octet| *octet == b' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_the_same_but_for_their_origin() {
        let stands =
            b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n";
        for (other, same) in [
            (
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n",
                true,
            ),
            (
                "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n",
                true,
            ),
            ("v=0\no=x 7 7 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0", true),
            (
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nm=audio 4000 RTP/AVP 0\r\n",
                false,
            ),
            (
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4002 RTP/AVP 0\r\n",
                false,
            ),
            (
                "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(is_same(stands, other.as_bytes()), same, "{other}");
        }
    }

    const OFFERED: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 8 120\r\n\
                           a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:120 telephone-event/8000\r\n\
                           a=fmtp:120 0-16\r\na=sendrecv\r\n";

    #[test]
    fn an_offer_of_what_was_negotiated_says_nothing_new() {
        let answer = |formats: &str| {
            format!(
                "v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\ns=-\r\nm=audio 5000 RTP/AVP {formats}\r\na=rtpmap:120 telephone-event/8000\r\n"
            )
        };
        let without = |line: &str| OFFERED.replace(line, "");
        let narrow =
            without("a=rtpmap:8 PCMA/8000\r\n").replace("0 8 120", "0 120").replace("- 1 1", "- 1 2");
        for (says, answered, known) in [
            (OFFERED.to_owned(), "0 120", true),
            (narrow.clone(), "0 120", true),
            (narrow.clone(), "120 0", true),
            (narrow.clone(), "8 120", false),
            (narrow.clone(), "0 8 120", false),
            // A format that was never offered, another order, another place, another direction.
            (narrow.replace("0 120", "0 120 9"), "0 120", false),
            (narrow.replace("0 120", "120 0"), "120", false),
            (narrow.replace("4000", "4002"), "0 120", false),
            (narrow.replace("sendrecv", "sendonly"), "0 120", false),
            // The formats stay, and an attribute of one goes; or the other way round.
            (without("a=rtpmap:8 PCMA/8000\r\n"), "0 120", false),
            (OFFERED.replace("0 8 120", "0 120"), "0 120", false),
            (format!("{narrow}m=video 0 RTP/AVP 31\r\n"), "0 120", false),
        ] {
            assert_eq!(
                is_narrowed(OFFERED.as_bytes(), says.as_bytes(), answer(answered).as_bytes()),
                known,
                "{says} {answered}"
            );
        }
    }
}
