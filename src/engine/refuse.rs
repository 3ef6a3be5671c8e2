//! How this edge says no: one place for every refusal, and one function from blame to a status or to silence.
//!
//! Owns what a refusal carries and to whom. Refuses to know why it was decided.
//! Read first: RFC 3261 §8.2, §21.4; RFC 3326; RFC 6432; the rules for answers beside the alert table.

use bytes::Bytes;

use super::checks::Accepts;
use crate::call::answer::write_allow;
use crate::policy::alert::Code;

use crate::policy::{Peer, Presets, Refusal};
use crate::sip::digest::Offer;
use crate::sip::error::Cause;
use crate::sip::write::{Text, Writer, reason_phrase, response_to};
use crate::sip::{Blame, Flow, HeaderName, Message};

/// Who hears the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearer {
    /// No peer lists it: it never hears anything.
    Stranger,
    /// A peer of the policy.
    Listed,
}

/// Whose fault it is when the reader refuses a message.
#[must_use]
pub const fn blame(cause: Cause) -> Blame {
    match cause {
        Cause::StartLine
        | Cause::RequestUri
        | Cause::HeaderLine
        | Cause::Missing
        | Cause::Repeated
        | Cause::HeaderValue
        | Cause::CSeq
        | Cause::ContentLength
        | Cause::Framing
        | Cause::NotSip => Blame::PeerMalformed,
        Cause::Version => Blame::Unsupported,
        Cause::Oversize => Blame::LocalLimit,
    }
}

/// The status for a blame, or `None` for silence. `fitting` is the status the error itself asks for; it stands
/// where it says the truth about that blame.
#[must_use]
pub const fn status_for(blame: Blame, fitting: u16, hearer: Hearer) -> Option<u16> {
    match (hearer, blame) {
        (Hearer::Stranger, _) => None,
        (Hearer::Listed, Blame::PeerMalformed | Blame::PeerMisbehaved | Blame::Unsupported) => {
            Some(if fitting >= 400 && fitting < 500 || fitting == 501 || fitting == 505 {
                fitting
            } else {
                400
            })
        }
        (Hearer::Listed, Blame::LocalLimit) => Some(if fitting >= 400 { fitting } else { 480 }),
        (Hearer::Listed, Blame::Upstream) => Some(if fitting == 500 { 500 } else { 480 }),
        (Hearer::Listed, Blame::Bug) => Some(500),
    }
}

/// What a refusal adds beside its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adds {
    /// Nothing.
    Nothing,
    /// Allow, as RFC 3261 §21.4.6 asks of 405 (and 501 is kind to).
    Allow,
    /// Unsupported with these tags (RFC 3261 §20.40).
    Unsupported(Vec<u8>),
    /// Accept or Accept-Encoding (RFC 3261 §21.4.13).
    Accept(Accepts),
}

/// A refusal with all that its answer says.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// Status, code, class and text.
    pub refusal: Refusal,
    /// More headers.
    pub adds: Adds,
    /// What the owner is told to do, beside the refusal's text.
    pub cure: Option<&'static str>,
}

impl Wrong {
    /// A refusal by the protocol's own rules: its status is the RFC's, and no preset touches it.
    #[must_use]
    pub fn new(status: u16, code: Code, why: &str) -> Self {
        Self::from(Refusal::new(code, &Presets::GENERIC, why.to_owned()).by_protocol(status))
    }

    /// A refusal by this edge's policy: its status is the code's, or what the peer's preset says for its class.
    #[must_use]
    pub fn by_policy(code: Code, peer: &Peer, why: &str) -> Self {
        Self::from(Refusal::new(code, &peer.refusal, why.to_owned()))
    }

    /// With more headers.
    #[must_use]
    pub fn adding(mut self, adds: Adds) -> Self {
        self.adds = adds;
        self
    }

    /// What the owner is told: why, and the cure where one is known.
    #[must_use]
    pub fn told(&self) -> String {
        match self.cure {
            Some(cure) => [&self.refusal.text, ". ", cure].concat(),
            None => self.refusal.text.clone(),
        }
    }

    /// With Retry-After.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.refusal.retry_after = Some(seconds);
        self
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        // RFC 3261 §21.4.6: a 405 lists what is allowed; a 501 is kind to.
        let adds = if refusal.status == 405 || refusal.status == 501 { Adds::Allow } else { Adds::Nothing };
        Self { refusal, adds, cure: None }
    }
}

/// Writes the answer that refuses `request`. An inside peer is told why; a trunk gets the bare status, because
/// it would carry our policy to whoever called.
#[must_use]
pub fn answer(request: &Message, flow: &Flow, peer: &Peer, wrong: &Wrong, tag: &[u8; 16]) -> Bytes {
    let refusal = &wrong.refusal;
    let phrase = Text::new(reason_phrase(refusal.status).as_bytes()).unwrap_or(Text::fixed("Refused"));
    let mut writer = response_to(request, flow.remote, refusal.status, phrase, Text::new(tag));
    if let Some(seconds) = refusal.retry_after {
        writer.number(HeaderName::RetryAfter, u64::from(seconds));
    }
    match &wrong.adds {
        Adds::Nothing => {}
        Adds::Allow => write_allow(&mut writer, peer),
        Adds::Unsupported(tags) => line(&mut writer, HeaderName::Unsupported, tags),
        Adds::Accept(Accepts::Session) => {
            writer.header(HeaderName::Accept, Text::fixed("application/sdp, multipart/mixed"));
        }
        Adds::Accept(Accepts::Plain) => {
            writer.header(HeaderName::Accept, Text::fixed("text/*, application/*"));
        }
        Adds::Accept(Accepts::Identity) => {
            writer.header(HeaderName::AcceptEncoding, Text::fixed("identity"));
        }
    }
    if let Some(warning) = refusal.warning(peer.side) {
        line(&mut writer, HeaderName::Warning, warning.as_bytes());
    }
    if let Some(reason) = refusal.reason(peer.side) {
        line(&mut writer, HeaderName::Reason, reason.as_bytes());
    }
    writer.finish(&[])
}

/// Writes the answer that asks for a password: 401, or 407 where the peer wants to be asked as by a proxy. Offers stand in
/// their order, each a line of its own (RFC 8760 §2.3).
#[must_use]
pub fn challenge(request: &Message, flow: &Flow, proxy: bool, offers: &[Offer<'_>], tag: &[u8; 16]) -> Bytes {
    let (status, name) =
        if proxy { (407, HeaderName::ProxyAuthenticate) } else { (401, HeaderName::WwwAuthenticate) };
    let phrase = Text::new(reason_phrase(status).as_bytes()).unwrap_or(Text::fixed("Unauthorized"));
    let mut writer = response_to(request, flow.remote, status, phrase, Text::new(tag));
    let mut value = Vec::with_capacity(160);
    for offer in offers {
        value.clear();
        offer.write(&mut value);
        line(&mut writer, name, &value);
    }
    writer.finish(&[])
}

/// A header, or nothing where its value could break the line.
fn line(writer: &mut Writer, name: HeaderName, value: &[u8]) {
    if let Some(value) = Text::new(value) {
        writer.header(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_maps_to_a_status_for_peers_and_to_silence_for_strangers() {
        let table = [
            (Blame::PeerMalformed, 400, Some(400)),
            (Blame::PeerMalformed, 414, Some(414)),
            (Blame::PeerMalformed, 503, Some(400)),
            (Blame::PeerMisbehaved, 482, Some(482)),
            (Blame::Unsupported, 505, Some(505)),
            (Blame::Unsupported, 501, Some(501)),
            (Blame::LocalLimit, 513, Some(513)),
            (Blame::LocalLimit, 0, Some(480)),
            (Blame::Upstream, 503, Some(480)),
            (Blame::Upstream, 500, Some(500)),
            (Blame::Bug, 200, Some(500)),
        ];
        for (blame, fitting, status) in table {
            assert_eq!(status_for(blame, fitting, Hearer::Listed), status, "{blame:?} {fitting}");
            assert_eq!(status_for(blame, fitting, Hearer::Stranger), None, "{blame:?} {fitting}");
        }
    }
}
