//! The session descriptions that stand: the last one sent on each leg, which is what the other leg's peer said last.
//!
//! Owns what tells a change of the session from a mere repetition. Refuses to know who refreshes, and when.
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
        let stands = self.leg(side.other()).sdp.as_deref();
        self.leg(side).sdp.is_some()
            && is_sdp(request)
            && !names_somebody(request)
            && stands.is_some_and(|stands| is_same(stands, request.body()))
    }

    /// Whether an answer of this leg's peer says something else than what stands.
    pub fn is_news(&self, side: Side, answer: &Message) -> bool {
        let stands = self.leg(side.other()).sdp.as_deref();
        is_sdp(answer) && stands.is_some_and(|stands| !is_same(stands, answer.body()))
    }
}

fn is_sdp(message: &Message) -> bool {
    let kind = message.header(HeaderName::ContentType).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    !message.body().is_empty() && kind.trim_ascii().eq_ignore_ascii_case(SDP_TYPE)
}

/// Whether two descriptions say the same, their `o=` lines aside: there are phones that count its version up, or make a
/// new number of it, each time they speak.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    fn lines(sdp: &[u8]) -> impl Iterator<Item = &[u8]> {
        let lines = sdp.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.filter(|line| !line.is_empty() && !line.starts_with(b"o="))
    }
    lines(one).eq(lines(other))
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
}
