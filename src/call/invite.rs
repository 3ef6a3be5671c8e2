//! Our INVITE towards a target: made from what was judged; the rest crosses by the table.
//!
//! Owns its writing. Read first: RFC 3261 §8.1.1; RFC 7332.

use std::borrow::Cow;

use super::asserted::Opening;
use super::caller::Shown;
use super::core::{Core, MAX_FORWARDS};
use super::leg::{self, text};
use super::reliable::{OPTION, is_offered};
use super::session_timer::SDP_TYPE;
use super::{Branch, Settings, caller};
use crate::policy::form::{Unwritable, Written};
use crate::policy::owned::Presented;
use crate::policy::peer::PassedHeader;
use crate::policy::route::Candidate;
use crate::policy::{Peer, Refusal, Target, code};
use crate::sip::text::socket_text;
use crate::sip::{HeaderName, Method, Transport, Writer};

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
    let Core { invite: Some(pending), a, b, policy, story, .. } = core else { return Ok(()) };
    let Some(peer) = policy.peer(candidate.peer) else { return Ok(()) };
    let called = peer.numbers.emergency(&story.to);
    let own = a.peer.site.and_then(|site| policy.site(site)).map_or(&[][..], |site| &site.dids);
    let shown = peer.numbers.callback(&story.from, own);
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

/// Headers that say where the caller is (RFC 6442 §4).
const LOCATION: [HeaderName; 2] = [HeaderName::Geolocation, HeaderName::GeolocationRouting];

/// Writes the INVITE for a candidate that leg B is named for, with a description of ours where there is one; empty when A's
/// INVITE was answered already.
pub(super) fn write(
    core: &mut Core,
    branch: Branch,
    cseq: u32,
    transport: Transport,
    described: Option<&[u8]>,
    settings: &Settings,
) -> bytes::Bytes {
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
    let carried = described.is_none() && !invite.body().is_empty();
    let Shown { presented, shows } = &story.caller.shown;
    let opening = Opening { caller: presented.of(&story.from), shows: *shows };
    b.cross(&mut writer, policy, invite, Some(opening), carried);
    if story.emergency {
        let opened = |header| b.peer.pass_headers.contains(&PassedHeader::Known(header));
        for header in
            invite.headers().filter(|header| LOCATION.contains(&header.name) && !opened(header.name))
        {
            let _written = writer.copy(&header);
        }
    }
    if described.is_some() {
        writer.header(HeaderName::ContentType, text(SDP_TYPE));
    }
    writer.finish(described.unwrap_or(invite.body()))
}

/// The host of Request-URI and To towards a target: the policy's, else the name that led there, else its address.
pub(crate) fn request_host<'a>(peer: &'a Peer, target: &'a Target) -> Cow<'a, str> {
    match (&peer.request_host, &target.name) {
        (Some(host), _) => Cow::Borrowed(host),
        (None, Some(name)) => Cow::Borrowed(&name.request_host),
        (None, None) => Cow::Owned(socket_text(target.address)),
    }
}
