//! Our INVITE towards a target: made from what was judged; the rest crosses by the table.
//!
//! Owns its writing and the escaping of user parts. Read first: RFC 3261 §8.1.1, §19.1.2; RFC 3323 §4.1.1.3; RFC 7332.

use super::core::{Core, MAX_FORWARDS};
use super::leg::{self, Leg, text};
use super::{Branch, Settings};
use crate::policy::route::Candidate;
use crate::sip::{HeaderName, Host, Message, Method, Text, Transport, Uri, Writer};

/// Writes the INVITE for a candidate and notes its names on leg B; empty when A's INVITE was answered already.
pub(super) fn write(
    core: &mut Core,
    candidate: &Candidate,
    branch: Branch,
    cseq: u32,
    transport: Transport,
    settings: &Settings,
) -> bytes::Bytes {
    let Core { invite: Some(pending), b, policy, story, .. } = core else { return bytes::Bytes::new() };
    let invite = &pending.message;
    let listener = policy.listener(b.hop.listener);
    let host = request_host(b, candidate);
    let called = escape_user(story.to.as_bytes());
    let own_host = listener.map_or("", |listener| &*listener.advertise_host);
    b.local = caller_address(invite, own_host).into_boxed_slice();
    b.remote = address_of(&called, &host).into_boxed_slice();
    let parameter = match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    };
    b.target = uri_of(&called, &host, parameter).into_boxed_slice();
    let mut writer = Writer::request(&Method::Invite, text(&b.target));
    leg::via(&mut writer, listener, transport, branch);
    // RFC 7332 §4: a back-to-back user agent carries Max-Forwards on, lowered by one.
    let hops = invite.max_forwards().unwrap_or(MAX_FORWARDS).saturating_sub(1);
    writer.number(HeaderName::MaxForwards, u64::from(hops));
    b.names(&mut writer, &Method::Invite, cseq);
    leg::contact(&mut writer, listener, transport);
    writer.header(HeaderName::Allow, text(super::answer::allow(b.peer.methods)));
    leg::product(&mut writer, HeaderName::UserAgent, settings);
    let body = invite.body();
    super::rewrite::cross(&mut writer, invite, b.peer.side, &b.peer.pass_headers, !body.is_empty());
    writer.finish(body)
}

/// The caller as the far side sees it: name and user kept, host ours. RFC 3323 §4.1.1.3: an anonymous From keeps its
/// host, which names nobody.
fn caller_address(invite: &Message, own_host: &str) -> Vec<u8> {
    let from = invite.from();
    let user = from.uri().ok().and_then(|uri| uri.user()).unwrap_or_default();
    let user = crate::sip::uri::unescape(user).unwrap_or_default();
    let host = if is_anonymous(invite) { "anonymous.invalid".to_owned() } else { bracketed(own_host) };
    let mut out = Vec::with_capacity(from.display.len() + user.len() + host.len() + 16);
    if from.display.len() <= leg::DISPLAY_BYTES_MAX
        && !from.display.is_empty()
        && Text::new(from.display).is_some()
    {
        out.extend_from_slice(from.display);
        out.push(b' ');
    }
    out.extend_from_slice(&address_of(&escape_user(&user), &host));
    out
}

fn is_anonymous(invite: &Message) -> bool {
    match invite.from().uri() {
        Ok(Uri::Sip(sip)) => {
            matches!(sip.host, Host::Name(name) if name.eq_ignore_ascii_case(b"anonymous.invalid"))
        }
        Ok(Uri::Tel { .. } | Uri::Urn(_) | Uri::Other(_)) | Err(_) => false,
    }
}

/// The host of Request-URI and To towards a target: the policy's, else its address.
fn request_host(leg: &Leg, candidate: &Candidate) -> String {
    leg.peer
        .request_host
        .as_ref()
        .map_or_else(|| candidate.target.address.to_string(), |host| host.to_string())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

fn address_of(user: &[u8], host: &str) -> Vec<u8> {
    let mut out = vec![b'<'];
    out.extend_from_slice(&uri_of(user, host, ""));
    out.push(b'>');
    out
}

fn uri_of(user: &[u8], host: &str, parameter: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len() + host.len() + parameter.len() + 6);
    out.extend_from_slice(b"sip:");
    if !user.is_empty() {
        out.extend_from_slice(user);
        out.push(b'@');
    }
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(parameter.as_bytes());
    out
}

/// A user part with everything escaped that RFC 3261 §25.1 does not let stand, and `;`, `?` and `/`, which some reader
/// may take for the start of parameters, headers or a path.
#[must_use]
pub fn escape_user(user: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(user.len());
    for byte in user {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_part_is_escaped_so_that_nothing_in_it_reads_as_syntax() {
        for (user, written) in [
            (&b"+4930123"[..], &b"+4930123"[..]),
            (b"*67#", b"*67%23"),
            (b"a;x=y", b"a%3Bx=y"),
            (b"a b@c:d%<>\"", b"a%20b%40c%3Ad%25%3C%3E%22"),
            (b"\r\n\0\xff", b"%0D%0A%00%FF"),
        ] {
            assert_eq!(escape_user(user), written, "{}", String::from_utf8_lossy(user));
        }
    }
}
