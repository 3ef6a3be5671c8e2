//! Responses of a call to its legs.
//!
//! Owns how an answer on a leg is written. Read first: RFC 3261 §8.2.6, §12.1.1, §13.3.1.

use std::net::SocketAddr;

use bytes::Bytes;

use super::leg::{Leg, contact, product, text};
use super::{ServerId, Settings, session_timer};
use crate::policy::Policy;
use crate::policy::peer::Methods;
use crate::sip::write::{reason_phrase, response_to};
use crate::sip::{HeaderName, Message, Method};

/// The Allow of a peer without extra methods.
pub const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS";

/// What a peer may send, as an Allow value.
#[must_use]
pub const fn allow(methods: Methods) -> &'static [u8] {
    match (methods.info, methods.message) {
        (false, false) => ALLOW,
        (true, false) => b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO",
        (false, true) => b"INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE",
        (true, true) => b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE",
    }
}

/// A request that waits for our answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub server: ServerId,
    pub message: Message,
    pub source: SocketAddr,
}

/// An answer to be written.
pub(super) struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The response of the other leg whose allowed headers and body cross.
    pub carried: Option<&'a Message>,
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
        Self { status, carried: None, retry_after: None, reason: b"", warning: b"" }
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
        if asked || forms_dialog && answer.status >= 200 || matches!(answer.status, 405 | 501) {
            writer.header(HeaderName::Allow, text(allow(self.peer.methods)));
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
        let body = answer.carried.map_or(&b""[..], Message::body);
        if let Some(carried) = answer.carried {
            super::rewrite::cross(
                &mut writer,
                carried,
                self.peer.side,
                &self.peer.pass_headers,
                !body.is_empty(),
            );
        }
        writer.finish(body)
    }
}
