//! What is told of a connection that TLS let not pass: the code, the sentence, the cure.
//!
//! Owns the words. Refuses to know why rustls said no. Read first: `net/tls/refusal.rs`; the README's table of alert codes.

use std::sync::Arc;

use crate::clock::Wall;
use crate::net::tls::{Cause, Refusal};
use crate::policy::{Alert, Code, code};
use crate::sip::Flow;

/// The alert; `None` for what happens every day and harms nobody, which is only counted.
#[must_use]
pub fn alert(
    wall: Wall,
    flow: &Flow,
    ours: bool,
    peer: Option<Arc<str>>,
    refusal: &Refusal,
) -> Option<Box<Alert>> {
    let (code, what) = if ours { called(refusal.cause) } else { calling(refusal.cause)? };
    let text = format!("{} at {} {what}", peer.as_deref().unwrap_or("a peer"), flow.remote);
    let mut alert = Alert::new(code, wall, text);
    alert.about = Some(what.into());
    // What is to be looked at.
    let key = match refusal.cause {
        Cause::NoCertificate => Some("tls.client_certificate"),
        Cause::Untrusted => Some("tls.ca"),
        Cause::WrongName => Some("tls.names"),
        Cause::ByFarSide => Some("tls.certificate"),
        Cause::Version
        | Cause::Plain
        | Cause::Expired
        | Cause::BadCertificate
        | Cause::Late
        | Cause::HungUp
        | Cause::Broken => None,
    };
    alert.rule = key.zip(peer.as_deref()).map(|(key, peer)| Arc::from(format!("peers.{peer}.{key}")));
    alert.peer = peer;
    alert.source = Some(flow.remote);
    alert.transport = Some(flow.transport);
    alert.evidence.push(("tls", refusal.detail.clone()));
    alert.evidence.push(("called_by", if ours { "edge" } else { "peer" }.to_owned()));
    Some(Box::new(alert))
}

/// Why somebody whom no peer lists was refused, in words behind "it".
#[must_use]
pub const fn why(refusal: &Refusal) -> Option<&'static str> {
    match calling(refusal.cause) {
        Some((_, what)) => Some(what),
        None => None,
    }
}

/// It called us.
const fn calling(cause: Cause) -> Option<(Code, &'static str)> {
    Some(match cause {
        Cause::Version => (
            code::TLS_VERSION_REFUSED,
            "offered TLS that nobody should speak any more, or no suite in common: let it speak TLS 1.2 or 1.3.",
        ),
        Cause::Plain => (
            code::SECURE_TRANSPORT_REQUIRED,
            "spoke in the clear where TLS is listened for; nothing of it was read. Let it use TLS, or send to a plain listener.",
        ),
        Cause::NoCertificate => (
            code::BAD_CREDENTIALS,
            "showed no certificate, and its `tls` asks for one: give it one that its `ca` has signed.",
        ),
        Cause::Untrusted => (
            code::BAD_CREDENTIALS,
            "showed a certificate that nobody of its `ca` has signed. If the certificate is right, write its authority there.",
        ),
        Cause::WrongName => (
            code::BAD_CREDENTIALS,
            "showed a certificate for another name than its `tls` lists; `names` says which are good.",
        ),
        Cause::Expired => {
            (code::BAD_CREDENTIALS, "showed a certificate that is out of date: let it renew it.")
        }
        Cause::BadCertificate => (code::BAD_CREDENTIALS, "showed a certificate that cannot be used."),
        Cause::ByFarSide => (
            code::PEER_UNREACHABLE,
            "calls, and does not take our certificate: let it trust the authority of our listener's, and look at its names.",
        ),
        Cause::Late => (code::MALFORMED, "began a handshake and did not finish it in time; it was cut."),
        Cause::Broken => (code::MALFORMED, "broke the protocol of TLS; its connection was closed."),
        // A balancer that only looks whether the port is open does no more than this.
        Cause::HungUp => return None,
    })
}

/// We called it.
const fn called(cause: Cause) -> (Code, &'static str) {
    match cause {
        Cause::Version => (
            code::TLS_VERSION_REFUSED,
            "takes no TLS 1.2 or 1.3 with a suite of ours; nothing goes there in any weaker way. Let it be updated.",
        ),
        Cause::Plain => (
            code::SECURE_TRANSPORT_REQUIRED,
            "answers without TLS where TLS is to be spoken; nothing goes there in the clear. Look at its port.",
        ),
        Cause::NoCertificate | Cause::Untrusted => (
            code::BAD_CREDENTIALS,
            "shows a certificate that nobody of its `ca` has signed; nothing goes there. If it is right, write its authority \
             into `ca`; if not, somebody else answers in its place.",
        ),
        Cause::WrongName => (
            code::BAD_CREDENTIALS,
            "shows a certificate for another name; nothing goes there. `names` of its `tls` says which are good.",
        ),
        Cause::Expired => (
            code::BAD_CREDENTIALS,
            "shows a certificate that is out of date; nothing goes there until it is renewed.",
        ),
        Cause::BadCertificate => {
            (code::BAD_CREDENTIALS, "shows a certificate that cannot be used; nothing goes there.")
        }
        Cause::ByFarSide => (
            code::PEER_UNREACHABLE,
            "does not take our certificate: let it trust the authority of our listener's (or of this peer's `certificate`).",
        ),
        Cause::Late | Cause::HungUp | Cause::Broken => (
            code::PEER_UNREACHABLE,
            "does not finish the handshake of TLS; look whether TLS is spoken at that port.",
        ),
    }
}
