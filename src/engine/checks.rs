//! What must hold of a request before it may open anything: extensions, body, Route, Contact, user parts.
//!
//! Owns these checks as pure functions of a message and the policy's listeners. Refuses to know what is answered to
//! whom (`refuse`). Read first: RFC 3261 §8.1.1.8, §8.2.2, §8.2.3, §16.4.

use std::borrow::Cow;
use std::net::IpAddr;

use super::refuse::{Adds, Wrong};
use crate::call::caller::user;
use crate::call::{Branch, reliable, session_timer};
use crate::policy::{Listener, Peer, Policy, code};
use crate::sip::body::{self, Fault};
use crate::sip::headers::Privacy;
use crate::sip::uri::SipUri;
use crate::sip::{Flow, HeaderName, Host, Message, Method, NameAddr, Uri, Via};

/// RFC 3323 §5: privacy that is asked for as critical and cannot be given fails the request with 500.
pub fn privacy(message: &Message) -> Result<(), Wrong> {
    if Privacy::read(message.lines(HeaderName::Privacy)).is_beyond_us() {
        let why = "Privacy asks for more than this edge gives, and rather for no call than for less";
        return Err(Wrong::new(500, code::PARAMETER_UNSUPPORTED, why));
    }
    Ok(())
}

/// Option tags served to a peer; a Require that names another is refused (RFC 3261 §8.2.2.3). UPDATE has none.
pub fn supported(peer: &Peer) -> impl Iterator<Item = &'static str> {
    peer.extensions.reliable.then_some(reliable::OPTION).into_iter().chain([session_timer::TAG])
}

/// Scheme and extensions, of all but a BYE in a dialog. RFC 3261 §8.2.2.3 would have a BYE that requires an extension
/// answered 420, and the call would go on and cost; to end a dialog needs no extension, so nothing that a BYE asks for
/// besides keeps the call alive. (CANCEL and ACK do not come here: §8.2.2.3 has Require ignored in them.)
pub fn served(message: &Message, peer: &Peer) -> Result<(), Wrong> {
    if *message.method() == Method::Bye && message.to_tag().is_some() {
        return Ok(());
    }
    // Where a dial plan reads whom a request calls, it says of the scheme what there is to say.
    let is_read = matches!(message.method(), Method::Invite | Method::Message) && message.to_tag().is_none();
    let scheme = if is_read && peer.dialling.is_some() { Ok(()) } else { scheme(message) };
    scheme.and_then(|()| extensions(message, peer))
}

/// RFC 3261 §8.2.2.3, §16.3 step 5: every tag of Require and Proxy-Require must be one of ours, for the request ends
/// here and a new one leaves: neither crosses.
pub fn extensions(message: &Message, peer: &Peer) -> Result<(), Wrong> {
    let known = |tag: &[u8]| supported(peer).any(|ours| tag.eq_ignore_ascii_case(ours.as_bytes()));
    let required = || message.values(HeaderName::Require).chain(message.values(HeaderName::ProxyRequire));
    if required().all(known) {
        return Ok(());
    }
    let unknown: Vec<&[u8]> = required().filter(|tag| !known(tag)).collect();
    let wrong = Wrong::new(420, code::PARAMETER_UNSUPPORTED, "Require names an extension that is not served");
    Err(wrong.adding(Adds::Unsupported(unknown.join(&b", "[..]))))
}

/// RFC 3261 §8.2.2.1: a Request-URI whose scheme we do not serve.
pub fn scheme(message: &Message) -> Result<(), Wrong> {
    match message.uri() {
        Some(Uri::Sip(_) | Uri::Tel { .. }) => Ok(()),
        Some(Uri::Urn(_) | Uri::Other(_)) => {
            Err(Wrong::new(416, code::INVALID_PHONE_NUMBER, "the Request-URI's scheme is not served"))
        }
        None => Err(Wrong::new(400, code::URI_MALFORMED, "the Request-URI cannot be read")),
    }
}

/// RFC 3261 §8.2.3: one session description, alone or as a part, and never encoded.
pub fn session_body(message: &Message) -> Result<(), Wrong> {
    body::session(message).map(|_| ()).map_err(unfit)
}

/// The same for an emergency: a body or a part that is something else is left behind, and refuses nothing.
pub fn body_for_help(message: &Message) -> Result<(), Wrong> {
    body::session_for_help(message).map(|_| ()).map_err(unfit)
}

/// The same for what an INFO or a MESSAGE carries: one thing in the open, and no session description.
pub fn plain_body(message: &Message) -> Result<(), Wrong> {
    body::plain(message).map_err(|fault| match fault {
        Fault::Encoded => unfit(fault),
        Fault::Untyped | Fault::Foreign | Fault::Missing | Fault::Unreadable | Fault::Ambiguous => {
            Wrong::new(415, code::HIDDEN_BODY, "a body that may hide another, or a session description")
                .adding(Adds::Accept(Accepts::Plain))
        }
    })
}

/// What a request within a dialog brings: its body (that of any other method stays behind), and the Contact of one that may move its sender.
pub fn brings(message: &Message, flow: &Flow, policy: &Policy) -> Result<(), Wrong> {
    if matches!(message.method(), Method::Invite | Method::Prack | Method::Update) {
        session_body(message)?;
        new_contact(message, flow, policy)
    } else if matches!(message.method(), Method::Info | Method::Message) {
        plain_body(message)
    } else {
        Ok(())
    }
}

fn unfit(fault: Fault) -> Wrong {
    let (status, code, accepts) = match fault {
        Fault::Encoded => (415, code::HIDDEN_BODY, Some(Accepts::Identity)),
        Fault::Unreadable | Fault::Ambiguous => (415, code::HIDDEN_BODY, Some(Accepts::Session)),
        Fault::Untyped | Fault::Foreign => (415, code::BAD_SDP, Some(Accepts::Session)),
        Fault::Missing => (400, code::EMPTY_BODY, None),
    };
    let wrong = Wrong::new(status, code, fault.why());
    match accepts {
        Some(accepts) => wrong.adding(Adds::Accept(accepts)),
        None => wrong,
    }
}

/// What a 415 says would have been accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Session descriptions.
    Session,
    /// No content coding.
    Identity,
    /// One thing in the open.
    Plain,
}

/// RFC 3261 §16.4: our own Route on top is consumed; any other Route asks us to relay to a third host.
/// Nothing is ever sent where a Route says: the next hop comes from the policy alone.
pub fn route(message: &Message, policy: &Policy, peer: &Peer) -> Result<(), Wrong> {
    let relay = || Wrong::by_policy(code::RELAY_ATTEMPT, peer, "Route names another host than this edge");
    let mut own_seen = false;
    for value in message.values(HeaderName::Route) {
        let name = NameAddr::read(value)
            .map_err(|_| Wrong::new(400, code::HEADER_VALUE_INVALID, "Route cannot be read"))?;
        let own = match name.uri() {
            Ok(Uri::Sip(uri)) => is_here(policy, &uri),
            Ok(Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) => false,
            Err(_) => return Err(Wrong::new(400, code::HEADER_VALUE_INVALID, "Route cannot be read")),
        };
        if !own || own_seen {
            return Err(relay());
        }
        own_seen = true;
    }
    Ok(())
}

/// The Contact of a request that opens a dialog (RFC 3261 §8.1.1.8; attack row D8).
pub fn contact(message: &Message, flow: &Flow, policy: &Policy) -> Result<(), Wrong> {
    let bad = |why| Err(Wrong::new(400, code::INVALID_CONTACT, why));
    let contact = match message.contact() {
        // RFC 2543 let an INVITE go without Contact: later requests then go to where it came from.
        None if message.from_tag().is_none() => return Ok(()),
        None => return bad("Contact is missing"),
        Some(Err(_)) => return bad("Contact cannot be read"),
        Some(Ok(contact)) => contact,
    };
    if message.values(HeaderName::Contact).nth(1).is_some() {
        return bad("more than one Contact");
    }
    let uri = match contact.uri() {
        Ok(Uri::Sip(uri)) => uri,
        Ok(Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) => return bad("Contact is no SIP URI"),
        Err(_) => return bad("Contact cannot be read"),
    };
    match uri.host {
        Host::Address(address) => contact_address(address, flow).or_else(bad)?,
        Host::Name(name) if is_localhost(name) && !flow.remote.ip().is_loopback() => {
            return bad("Contact is loopback");
        }
        Host::Name(_) => {}
    }
    if is_here(policy, &uri) {
        return bad("Contact is this edge");
    }
    Ok(())
}

/// The Contact of a request within a dialog, where it brings one (RFC 3261 §12.2.1.1): held to the same rule.
fn new_contact(message: &Message, flow: &Flow, policy: &Policy) -> Result<(), Wrong> {
    if message.has(HeaderName::Contact) { contact(message, flow, policy) } else { Ok(()) }
}

fn contact_address(address: IpAddr, flow: &Flow) -> Result<(), &'static str> {
    if address.is_unspecified() {
        return Err("Contact is the unspecified address");
    }
    if address.is_multicast() || matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        return Err("Contact is multicast or broadcast");
    }
    if matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
        return Err("Contact is an IPv4-mapped IPv6 address");
    }
    if address.is_loopback() && !flow.remote.ip().is_loopback() {
        return Err("Contact is loopback");
    }
    Ok(())
}

fn is_localhost(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.eq_ignore_ascii_case(b"localhost")
        || name.len() > 10
            && name.get(name.len() - 10..).is_some_and(|end| end.eq_ignore_ascii_case(b".localhost"))
}

fn listeners(policy: &Policy) -> impl Iterator<Item = &Listener> {
    policy.listeners.iter().flatten()
}

/// Whether a URI leads back here: a host of this edge at a port of one of its listeners (the scheme's default port where
/// none is written).
fn is_here(policy: &Policy, uri: &SipUri<'_>) -> bool {
    let port = uri.port.unwrap_or(if uri.secure { 5061 } else { 5060 });
    let at = |listener: &Listener| port == listener.bind.port() || port == listener.advertised.port();
    policy.is_own_host(uri.host) && listeners(policy).any(at)
}

/// Whether a Via's sent-by is what this listener writes into its own.
pub fn is_sent_by(policy: &Policy, listener: &Listener, via: &Via<'_>) -> bool {
    via.port.unwrap_or(5060) == listener.advertised.port() && policy.is_own_host(via.host)
}

/// RFC 5393 §4.2, and RFC 3261 §16.3 item 4: a Via that one of our own requests went out with says that it came back.
/// The branch must have the shape of ours, so that a peer behind the same address is not taken for us.
pub fn passed_before(message: &Message, policy: &Policy) -> bool {
    let ours = |via: &Via<'_>| {
        via.branch.is_some_and(|branch| Branch::read(branch).is_some())
            && listeners(policy).any(|listener| is_sent_by(policy, listener, via))
    };
    // The reader has read the first one already.
    ours(&message.top_via())
        || message.values(HeaderName::Via).skip(1).any(|value| Via::read(value).is_ok_and(|via| ours(&via)))
}

/// The number dialled: a user part that reads the same however often the far side unescapes it, and whose digits are
/// those of everybody.
pub fn number<'a>(uri: &Uri<'a>) -> Result<Cow<'a, str>, &'static str> {
    let text = user(uri)?;
    if text.contains('%') {
        return Err("an escape within an escape in the number dialled");
    }
    if text.chars().any(|letter| !letter.is_ascii() && letter.is_numeric()) {
        return Err("digits of another script in the number dialled");
    }
    Ok(text)
}
