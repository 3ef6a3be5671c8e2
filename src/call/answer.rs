//! Responses of a call to its legs.
//!
//! Owns how an answer on a leg is written. Read first: RFC 3261 §8.2.6, §12.1.1, §13.3.1.

use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;

use super::leg::{Leg, contact, product, text};
use super::{ServerId, Settings, session_timer};
use crate::policy::rules::methods::allowed;
use crate::policy::{Peer, Policy};
use crate::sip::write::{reason_phrase, response_to};
use crate::sip::{HeaderName, Message, Method, Writer};

/// An Allow value.
pub type Allow = SmallVec<[u8; 96]>;

/// Writes Allow: what a peer may send.
pub fn write_allow(writer: &mut Writer, peer: &Peer) {
    writer.list(HeaderName::Allow, allowed(peer).map(|method| text(method.as_bytes())));
}

/// The same as a value.
#[must_use]
pub fn allow(peer: &Peer) -> Allow {
    let mut value = Allow::new();
    for method in allowed(peer) {
        if !value.is_empty() {
            value.extend_from_slice(b", ");
        }
        value.extend_from_slice(method.as_bytes());
    }
    value
}

/// A request that waits for our answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub server: ServerId,
    pub message: Message,
    pub source: SocketAddr,
}

/// The session description of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body<'a> {
    /// That of the response which crosses.
    Carried,
    /// That of another response of the same dialog.
    Of(&'a Message),
    /// SDP that was sent on this leg before.
    Ours(&'a [u8]),
    /// None.
    Left,
}

/// An answer to be written.
pub(super) struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The response of the other leg whose allowed headers and body cross.
    pub carried: Option<&'a Message>,
    /// Its session description.
    pub body: Body<'a>,
    /// Other lines of our own.
    pub adds: &'a [(HeaderName, &'a [u8])],
    /// Seconds of a Retry-After of our own.
    pub retry_after: Option<u32>,
    /// A Reason value of our own; only for inside peers.
    pub reason: &'a [u8],
    /// A Warning value of our own; only for inside peers.
    pub warning: &'a [u8],
}

impl Answer<'_> {
    /// A bare status.
    pub const fn bare(status: u16) -> Self {
        Self {
            status,
            carried: None,
            body: Body::Carried,
            adds: &[],
            retry_after: None,
            reason: b"",
            warning: b"",
        }
    }
}

impl Leg {
    /// Writes an answer to a request that arrived on this leg.
    pub fn answer(
        &self,
        policy: &Policy,
        settings: &Settings,
        request: &Message,
        source: SocketAddr,
        answer: &Answer<'_>,
    ) -> Bytes {
        let tag = self.local_tag.text();
        let mut writer = response_to(
            request,
            source,
            answer.status,
            text(reason_phrase(answer.status).as_bytes()),
            Some(text(&tag)),
        );
        let listener = policy.listener(self.hop.listener);
        let forms_dialog = *request.method() == Method::Invite && (101..300).contains(&answer.status);
        if forms_dialog {
            // RFC 3261 §12.1.1: Record-Route goes back as it came, in what forms the dialog.
            for header in request.headers().filter(|header| header.name == HeaderName::RecordRoute) {
                let _written = writer.copy(&header);
            }
            contact(&mut writer, listener, self.hop.transport);
        }
        // RFC 3261 §11.2, §21.4.6: OPTIONS and 405 say what may be sent.
        let asked = *request.method() == Method::Options && answer.status == 200;
        // RFC 3311 §5.2: UPDATE refreshes our target too; RFC 3515 §2.2: who takes a REFER says where it is.
        let says = matches!(request.method(), Method::Update | Method::Refer);
        let refreshes = says && (200..300).contains(&answer.status);
        if refreshes {
            contact(&mut writer, listener, self.hop.transport);
        }
        if asked || refreshes || forms_dialog && answer.status >= 200 || matches!(answer.status, 405 | 501) {
            write_allow(&mut writer, &self.peer);
        }
        session_timer::write_answer(&mut writer, &self.peer.session_timers, request, answer.status);
        product(&mut writer, HeaderName::Server, settings);
        if let Some(seconds) = answer.retry_after {
            writer.number(HeaderName::RetryAfter, u64::from(seconds));
        }
        if !answer.reason.is_empty() {
            writer.header(HeaderName::Reason, text(answer.reason));
        }
        if !answer.warning.is_empty() {
            writer.header(HeaderName::Warning, text(answer.warning));
        }
        for (name, value) in answer.adds {
            writer.header(*name, text(value));
        }
        let body = match answer.body {
            Body::Carried => answer.carried.map_or(&b""[..], Message::body),
            Body::Of(other) => other.body(),
            Body::Ours(sdp) => sdp,
            Body::Left => b"",
        };
        if let Some(carried) = answer.carried {
            let with_body = matches!(answer.body, Body::Carried) && !body.is_empty();
            self.cross(&mut writer, policy, carried, None, with_body);
        }
        match answer.body {
            Body::Of(other) => super::rewrite::describe(&mut writer, other),
            Body::Ours(_) => {
                writer.header(HeaderName::ContentType, text(session_timer::SDP_TYPE));
            }
            Body::Carried | Body::Left => {}
        }
        writer.finish(body)
    }
}
