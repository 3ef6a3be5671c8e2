//! The request that is judged: made from what was asked, or captured.
//!
//! Owns its octets, its flow and the credential that it counts as having proven. Refuses to judge it. Read first: RFC 3261
//! §8.1.1; `order.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;

use super::Failed;
use super::order::{Asks, Order, Wanted};
use crate::call::caller;
use crate::config::problem::{listed, printable};
use crate::policy::credential::Credential;
use crate::policy::form::Written;
use crate::policy::identity::CallerIn;
use crate::policy::peer::CalledFrom;
use crate::policy::route::Pattern;
use crate::policy::{Listener, Peer, PeerSide, Policy};
use crate::sip::digest::{Authorization, User};
use crate::sip::parse::{Limits, parse};
use crate::sip::{ConnectionId, Flow, HeaderName, Message, Method, Transport};

/// What a message that is made up says.
const BODY: &str = "explained";

/// A request, ready to be judged.
#[derive(Debug)]
pub struct Request {
    /// As it would stand on the wire.
    pub octets: Bytes,
    /// What is asked of whom, on one line.
    pub asks: String,
    /// Who is said to call; `None` where a captured request says it.
    pub caller: Option<String>,
    /// What a reader should know of how it was made.
    pub notes: Vec<String>,
}

/// Makes it.
pub fn made(
    order: &Order,
    wanted: Wanted,
    peer: Option<&Peer>,
    flow: &Flow,
    policy: &Policy,
) -> Result<Request, Failed> {
    match wanted {
        Wanted::Captured(octets) => Ok(captured(&octets)),
        Wanted::Dialled(text) => dialled(order, &text, peer, flow, policy),
    }
}

fn dialled(
    order: &Order,
    text: &str,
    peer: Option<&Peer>,
    flow: &Flow,
    policy: &Policy,
) -> Result<Request, Failed> {
    let listener = policy.listener(flow.listener).ok_or("the peer's listener is gone")?;
    let us = listener.advertised.sent_by();
    let method = match order.method {
        Asks::Invite => "INVITE",
        Asks::Message => "MESSAGE",
    };
    let has_scheme = |text: &str| {
        let scheme = text.split(':').next().unwrap_or_default();
        ["sip", "sips", "tel", "urn"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
            && text.contains(':')
    };
    let uri = if order.uri.is_some() || has_scheme(text) {
        text.to_owned()
    } else {
        format!("sip:{}@{us}", escaped(text))
    };
    let mut notes = Vec::new();
    let caller = order.caller.clone().unwrap_or_else(|| {
        let caller = usual_caller(order, peer, policy);
        notes.push(format!("no --caller was named: \"{}\" stands in", printable(&caller)));
        caller
    });
    let from = flow.remote.ip();
    let host = if from.is_ipv6() { format!("[{from}]") } else { from.to_string() };
    let named = caller::address(Some(Written::literal(&caller)), b"", &host);
    let named = String::from_utf8_lossy(&named);
    let via = flow.transport.via_token();
    let mut head = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {remote};branch=z9hG4bKexplain\r\nMax-Forwards: 70\r\nFrom: {named};tag=explain\r\n\
         To: <{uri}>\r\nCall-ID: explain@{host}\r\nCSeq: 1 {method}\r\n",
        remote = flow.remote,
    );
    head.push_str(&names(peer, &named, &uri));
    match order.method {
        Asks::Invite => {
            head.push_str(&format!(
                "Contact: <sip:{remote}>\r\nContent-Length: 0\r\n\r\n",
                remote = flow.remote
            ));
            notes.push(
                "the made-up INVITE offers no media, so none is judged: --message FILE takes a captured one"
                    .to_owned(),
            );
        }
        Asks::Message => {
            let length = BODY.len();
            head.push_str(&format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{BODY}"));
        }
    }
    Ok(Request { octets: Bytes::from(head), asks: format!("{method} {uri}"), caller: Some(caller), notes })
}

/// The headers besides From and To that name who calls and who is called, where this peer's are read there.
pub fn names(peer: Option<&Peer>, named: &str, uri: &str) -> String {
    let Some(peer) = peer else { return String::new() };
    let mut lines: String = peer
        .identity
        .caller_in
        .iter()
        .map(|header| match header {
            CallerIn::From => String::new(),
            CallerIn::PAssertedIdentity => format!("P-Asserted-Identity: {named}\r\n"),
            CallerIn::RemotePartyId => format!("Remote-Party-ID: {named};party=calling\r\n"),
            CallerIn::Diversion => format!("Diversion: {named}\r\n"),
        })
        .collect();
    if peer.side == PeerSide::Outside && peer.called_from == CalledFrom::PCalledPartyId {
        lines.push_str(&format!("P-Called-Party-ID: <{uri}>\r\n"));
    }
    lines
}

/// The signs that cannot stand in a user part as they are; an escape that is there stays.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Who calls where nobody is named: whom the user may call as, else a number of the site.
fn usual_caller(order: &Order, peer: Option<&Peer>, policy: &Policy) -> String {
    let Some(peer) = peer else { return "anonymous".to_owned() };
    let users = peer.demand.iter().flat_map(|demand| &demand.credentials);
    let mut users = users.filter(|known| order.user.as_deref().is_none_or(|user| *known.user == *user));
    let of_user = users.find_map(|credential| {
        credential.callers.iter().find_map(|pattern| match pattern {
            Pattern::Exact(number) => Some(number.to_string()),
            Pattern::List(list) => list.first().map(ToString::to_string),
            Pattern::Prefix(_) | Pattern::SiteDid | Pattern::Any => None,
        })
    });
    let site = peer.site.and_then(|site| policy.site(site));
    let own =
        || site.and_then(|site| site.dids.iter().find(|did| did.starts_with('+'))).map(ToString::to_string);
    let inside = peer.side == PeerSide::Inside;
    of_user.or_else(|| if inside { own() } else { None }).unwrap_or_else(|| "anonymous".to_owned())
}

/// Octets of a file as a datagram has them: where no line ends in CR LF, every one does.
fn captured(octets: &[u8]) -> Request {
    let start = octets.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(octets.len());
    let octets = octets.get(start..).unwrap_or_default();
    let mut notes = Vec::new();
    let octets = if memchr::memmem::find(octets, b"\r\n").is_some() {
        Bytes::copy_from_slice(octets)
    } else {
        notes.push("lines end in LF alone: CR LF was put there, and Content-Length counted anew".to_owned());
        with_line_ends(octets)
    };
    let line = octets.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let asks = line.strip_suffix(" SIP/2.0").unwrap_or(&line).to_owned();
    Request { octets, asks, caller: None, notes }
}

fn with_line_ends(octets: &[u8]) -> Bytes {
    let split = memchr::memmem::find(octets, b"\n\n");
    let head = split.and_then(|at| octets.get(..at)).unwrap_or(octets);
    let body = split.and_then(|at| octets.get(at + 2..)).unwrap_or_default();
    let body: Vec<u8> = body
        .iter()
        .flat_map(|octet| if *octet == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(octet) })
        .copied()
        .collect();
    let mut out = Vec::with_capacity(octets.len() + 64);
    for line in head.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default().trim_ascii();
        let counts = name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l");
        if counts {
            continue;
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(&body);
    Bytes::from(out)
}

/// Whether it is one that rules about calls are asked of.
pub fn is_judged(message: &Message) -> Result<(), Failed> {
    let told = match message.method() {
        _ if !message.is_request() => "an answer is not judged",
        Method::Invite | Method::Message if message.to_tag().is_some() => {
            "its To has a tag: it belongs to a call, and is judged by that call alone"
        }
        Method::Invite | Method::Message => return Ok(()),
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Subscribe
        | Method::Notify
        | Method::Publish
        | Method::Other(_) => "no rule about calls is asked of it",
    };
    Err(format!("{told}: capture an INVITE or a MESSAGE that opens something"))
}

/// An address that a peer sends from: the first of its own.
pub fn source(peer: &Peer, policy: &Policy) -> SocketAddr {
    let ipv6 = policy.listener(peer.listener).is_some_and(|listener| listener.bind.is_ipv6());
    let anywhere = if ipv6 {
        IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0, 1))
    } else {
        IpAddr::V4(Ipv4Addr::new(198, 19, 0, 1))
    };
    let first = peer.sources.first().and_then(|network| network.hosts().next());
    let target = peer.addresses().next().map(|address| address.ip());
    let ip = first.or(target).unwrap_or(anywhere);
    // Not a port of our own, where the peer stands on the same machine: a Contact there would be this edge.
    let is_ours =
        |port: &u16| policy.listeners.iter().flatten().any(|listener| listener.bind.port() == *port);
    let port = (5060..=5999).find(|port| !is_ours(port)).unwrap_or(6_000);
    SocketAddr::new(ip, port)
}

/// The way it comes.
pub fn flow(order: &Order, wanted: &Wanted, listener: &Listener, remote: SocketAddr) -> Flow {
    let captured = match wanted {
        Wanted::Captured(octets) => parse(self::captured(octets).octets, &Limits::default()).ok(),
        Wanted::Dialled(_) => None,
    };
    let by_via = captured.and_then(|message| {
        let protocol = message.top_via().transport;
        [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|known| protocol.eq_ignore_ascii_case(known.via_token().as_bytes()))
    });
    let taken = &listener.transports;
    let best = if taken.contains(&Transport::Tls) { Some(Transport::Tls) } else { taken.first().copied() };
    let transport = order.over.map(Transport::from).or(by_via).or(best).unwrap_or(Transport::Udp);
    let connection = if transport == Transport::Udp { ConnectionId::NONE } else { ConnectionId(1) };
    Flow { listener: listener.id, transport, remote, connection }
}

impl Request {
    /// The credential that it counts as having proven: whose it names, or the first that may call as its caller.
    pub fn credential(&self, order: &Order, peer: &Peer) -> Result<Option<Arc<Credential>>, Failed> {
        let Some(demand) = &peer.demand else {
            return match &order.user {
                Some(user) => {
                    Err(format!("{} shows no password, so there is no user {}", peer.name, printable(user)))
                }
                None => Ok(None),
            };
        };
        let message = parse(self.octets.clone(), &Limits::default()).ok();
        let shown = message.as_ref().and_then(user_of);
        if let Some(user) = order.user.clone().or(shown) {
            let found = demand.find(user.as_bytes()).cloned();
            let known = demand.credentials.iter().map(|one| &*one.user);
            let told =
                || format!("{} has no user {}: it has {}", peer.name, printable(&user), listed(known, "and"));
            return found.map(Some).ok_or_else(told);
        }
        let caller = self.caller.as_deref().unwrap_or_default();
        let fits = demand.credentials.iter().find(|one| one.may_call_as(caller));
        Ok(fits.or_else(|| demand.credentials.first()).cloned())
    }
}

/// The user whom a captured request names in its answer to a challenge.
fn user_of(message: &Message) -> Option<String> {
    let mut lines =
        message.lines(HeaderName::Authorization).chain(message.lines(HeaderName::ProxyAuthorization));
    let authorization = Authorization::read(lines.next()?).ok()??;
    match authorization.user {
        User::Named(name) => Some(String::from_utf8_lossy(&name).into_owned()),
        User::Hashed(_) => None,
    }
}
