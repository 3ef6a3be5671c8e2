//! Our INVITE towards a target: made from what was judged; the rest crosses by the table.
//!
//! Owns its writing. Read first: RFC 3261 §8.1.1; RFC 7332.

use std::borrow::Cow;
use std::sync::Arc;

use super::asserted::Opening;
use super::caller::Shown;
use super::core::{Core, MAX_FORWARDS};
use super::leg::{self, text};
use super::location::{self, Location};
use super::reliable::{OPTION, is_offered};
use super::session_timer::SDP_TYPE;
use super::{Branch, Settings, caller, identity};
use crate::policy::form::{Unwritable, Written};
use crate::policy::owned::Presented;
use crate::policy::peer::PassedHeader;
use crate::policy::route::Candidate;
use crate::policy::{Peer, Refusal, Target, code};
use crate::sip::text::socket_text;
use crate::sip::{HeaderName, Method, Text, Transport, Writer};

/// The type of a body of parts, to which the boundary is added.
const MULTIPART: Text<'static> = Text::fixed("multipart/mixed;boundary=");

/// Names leg B towards a candidate: From and To, written as its peer wants them.
pub(super) fn name(core: &mut Core, candidate: &Candidate) -> Result<(), Box<Refusal>> {
    let Core { invite: Some(pending), a, b, policy, story, .. } = core else { return Ok(()) };
    let Some(peer) = policy.peer(candidate.peer) else { return Ok(()) };
    let refused = |code, what: &str, why: Unwritable| {
        let words = format!("{what} cannot be written towards {}: {}", peer.name, why.why());
        Box::new(Refusal::new(code, &a.peer.refusal, words))
    };
    if story.emergency {
        return name_for_help(core, candidate);
    }
    // Judged by the verdict already; asked again because each target has a form of its own.
    let called = peer
        .numbers
        .called(&story.to, story.direction, story.named)
        .map_err(|why| refused(code::INVALID_PHONE_NUMBER, "the number called", why))?;
    let shown = if story.hidden {
        None
    } else {
        let written = peer.numbers.caller(story.caller.shown.presented.of(&story.from), story.direction);
        written.map_err(|why| refused(code::CALLER_INVALID, "the caller", why))?
    };
    let own_host = policy.listener(peer.listener).map_or("", |listener| listener.advertised.host());
    // The name beside the number is that of the header which named the caller.
    let named = caller::named(&pending.message, &a.peer.identity);
    let display = named.ok().flatten().map_or(&b""[..], |named| named.display);
    // It is the name of somebody who is not shown.
    let display = if story.caller.shown.presented == Presented::StandIn { b"" } else { display };
    b.local = caller::address(shown, display, own_host).into_boxed_slice();
    b.remote = caller::address(Some(called), b"", &request_host(peer, &candidate.target)).into_boxed_slice();
    Ok(())
}

/// The same for an emergency: the number as the target knows it, and a caller whom it can call back.
fn name_for_help(core: &mut Core, candidate: &Candidate) -> Result<(), Box<Refusal>> {
    let policy = Arc::clone(&core.policy);
    let Some(peer) = policy.peer(candidate.peer) else { return Ok(()) };
    let called_back = core.called_back(peer).map(Cow::into_owned);
    let Core { invite: Some(pending), a, b, story, .. } = core else { return Ok(()) };
    let called = peer.numbers.emergency(&story.to);
    let shown = called_back.as_deref().map(|number| peer.numbers.written(number));
    let own_host = policy.listener(peer.listener).map_or("", |listener| listener.advertised.host());
    let named = caller::named(&pending.message, &a.peer.identity);
    let display = named.ok().flatten().map_or(&b""[..], |named| named.display);
    b.local = caller::address(shown, display, own_host).into_boxed_slice();
    // RFC 5031 §4.2: where the target knows the service by no number, it is asked for by its name.
    let is_service = called == "sos" || called.starts_with("sos.");
    b.remote = if is_service {
        [b"<urn:service:", called.as_bytes(), b">"].concat().into_boxed_slice()
    } else {
        let host = request_host(peer, &candidate.target);
        caller::address(Some(Written::literal(called)), b"", &host).into_boxed_slice()
    };
    Ok(())
}

/// What our INVITE says besides what crosses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Says<'a> {
    /// A description of ours.
    pub sdp: Option<&'a [u8]>,
    /// Where the caller of an emergency is.
    pub location: Option<&'a Location>,
}

/// Writes the INVITE for a candidate that leg B is named for; empty when A's INVITE was answered already.
pub(super) fn write(
    core: &mut Core,
    branch: Branch,
    cseq: u32,
    transport: Transport,
    says: Says<'_>,
    settings: &Settings,
) -> bytes::Bytes {
    let Says { sdp: described, location } = says;
    let called_back =
        if core.story.emergency { core.called_back(&core.b.peer).map(Cow::into_owned) } else { None };
    let Core { invite: Some(pending), a, b, policy, story, .. } = core else { return bytes::Bytes::new() };
    let invite = &pending.message;
    let listener = policy.listener(b.hop.listener);
    let parameter: &[u8] = match transport {
        Transport::Udp => b"",
        // A URN has no transport.
        Transport::Tcp | Transport::Tls if b.remote.starts_with(b"<urn:") => b"",
        Transport::Tcp => b";transport=tcp",
        Transport::Tls => b";transport=tls",
    };
    // To's URI in its brackets is the Request-URI, too.
    let uri = b.remote.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or_default();
    b.way.take([uri, parameter].concat().into_boxed_slice());
    let mut writer = Writer::request(&Method::Invite, text(b.way.target()));
    leg::via(&mut writer, listener, transport, branch);
    // RFC 7332 §4: a back-to-back user agent carries Max-Forwards on, lowered by one.
    let hops = invite.max_forwards().unwrap_or(MAX_FORWARDS).saturating_sub(1);
    writer.number(HeaderName::MaxForwards, u64::from(hops));
    b.names(&mut writer, &Method::Invite, cseq);
    leg::contact(&mut writer, listener, transport);
    super::answer::write_allow(&mut writer, &b.peer);
    if is_offered(invite, &a.peer, &b.peer) {
        writer.header(HeaderName::Supported, text(OPTION.as_bytes()));
    }
    b.timer.write_request(&mut writer, &b.peer.session_timers);
    leg::product(&mut writer, HeaderName::UserAgent, settings);
    let carried = described.is_none() && location.is_none() && !invite.body().is_empty();
    let Shown { presented, shows } = &story.caller.shown;
    let caller = called_back.as_deref().unwrap_or(presented.of(&story.from));
    let opening = Opening { caller, shows: *shows };
    b.cross(&mut writer, policy, invite, Some(opening), carried);
    if story.emergency && !b.peer.pass_headers.contains(&PassedHeader::Known(HeaderName::Geolocation)) {
        location::write_headers(&mut writer, invite, location.is_some());
    }
    let sdp = described.unwrap_or(invite.body());
    if let Some(location) = location {
        let bits = identity::hex16(branch.0);
        let boundary = format!("part-{}", String::from_utf8_lossy(&bits));
        writer.pieces(HeaderName::ContentType, &[MULTIPART, text(boundary.as_bytes())]);
        return writer.finish(&location.body(sdp, &boundary));
    }
    if described.is_some() {
        writer.header(HeaderName::ContentType, text(SDP_TYPE));
    }
    writer.finish(sdp)
}

/// The host of Request-URI and To towards a target: the policy's, else the name that led there, else its address.
pub(crate) fn request_host<'a>(peer: &'a Peer, target: &'a Target) -> Cow<'a, str> {
    match (&peer.request_host, &target.name) {
        (Some(host), _) => Cow::Borrowed(host),
        (None, Some(name)) => Cow::Borrowed(&name.request_host),
        (None, None) => Cow::Owned(socket_text(target.address)),
    }
}
