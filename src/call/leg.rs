//! One leg: a dialog with a peer, its names on the wire, and the requests made in it.
//!
//! Owns dialog state (RFC 3261 §12). Refuses to know the other leg. Read first: RFC 3261 §12.1, §12.2.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::offer::Offer;
pub(super) use super::outgoing::{Carried, Outgoing};
use super::refresh::Refreshing;
use super::session_timer::SessionTimer;
use super::way::Way;
use super::{Branch, LocalTag, Random, ServerId, Settings, Side, identity};
use crate::policy::login::PROOF_OCTETS_USUAL;
use crate::policy::peer::Named;
use crate::policy::{Listener, Peer, PeerId, Policy, Reservation, Target};
use crate::sip::error::Cause;
use crate::sip::{Flow, HeaderName, Hop, Message, Method, NameAddr, Text, Transport, Writer};

/// Record-Route values a peer may give us; more make the message unacceptable.
pub const ROUTES_MAX: usize = 20;

/// Longest Contact URI, Call-ID or tag of a peer that a call keeps.
pub const IDENTITY_BYTES_MAX: usize = 1024;

/// Longest display name that crosses.
pub const DISPLAY_BYTES_MAX: usize = 128;

const SPACE: Text<'_> = Text::fixed(" ");
const OPEN: Text<'_> = Text::fixed("<");
const OPEN_SIP: Text<'_> = Text::fixed("<sip:");
const CLOSE: Text<'_> = Text::fixed(">");
const TAG: Text<'_> = Text::fixed(";tag=");
const VERSION: Text<'_> = Text::fixed("SIP/2.0/");
const BRANCH: Text<'_> = Text::fixed(";branch=");
const RPORT: Text<'_> = Text::fixed(";rport");
const OVER_TCP: Text<'_> = Text::fixed(";transport=tcp");
const OVER_TLS: Text<'_> = Text::fixed(";transport=tls");
const SDP: Text<'_> = Text::fixed("application/sdp");
const FRAGMENT: Text<'_> = Text::fixed("message/sipfrag;version=2.0");

/// The dialog status of a leg; the call's own status is its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Nothing was sent yet (B before its first target, or between two).
    Idle,
    /// A's INVITE waits for our final answer.
    Invited(ServerId),
    /// Our INVITE to B waits for a final answer.
    Calling(Branch),
    /// Confirmed.
    Up,
    /// Our BYE is out.
    Ending(Branch),
    /// Nothing is left on it.
    Over,
}

/// A 2xx of ours that waits for its ACK (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    /// The INVITE's transaction.
    pub server: ServerId,
    /// The 2xx.
    pub bytes: Bytes,
    /// The next pause between two copies.
    pub interval: std::time::Duration,
    /// The INVITE's CSeq number, which the ACK must carry.
    pub cseq: u32,
    /// What must be said with BYE as soon as the ACK is here: the call ended meanwhile.
    pub bye: Option<Bytes>,
}

/// A leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub side: Side,
    pub peer: Arc<Peer>,
    /// The peer of the other leg, and whether its party asked not to be shown.
    pub other: (PeerId, bool),
    pub status: Status,
    pub call_id: Box<[u8]>,
    pub local_tag: LocalTag,
    /// Empty while unknown, and for RFC 2543 peers that give none.
    pub remote_tag: Box<[u8]>,
    /// Our name-addr, without tag.
    pub local: Box<[u8]>,
    /// The peer's name-addr, without tag.
    pub remote: Box<[u8]>,
    /// The remote target and the route set.
    pub way: Way,
    pub local_cseq: u32,
    pub remote_cseq: u32,
    pub hop: Hop,
    /// The name that led to the peer, if it was one.
    pub name: Option<Arc<Named>>,
    /// Where offer and answer stand.
    pub offer: Offer,
    /// Whether the peer takes UPDATE: what its last Allow says.
    pub allows_update: bool,
    pub unacked: Option<Box<Unacked>>,
    /// Whether our last INVITE on this leg held no offer, so that its 2xx does.
    pub late_offer: bool,
    /// A 2xx to our INVITE that waits for our ACK with the other leg's answer.
    pub awaiting_ack: Option<Box<Offered>>,
    /// The ACKs sent for the 2xx of each branch, for copies of it; the newest last.
    pub acks: Vec<(Branch, Hop, Bytes)>,
    pub reservations: SmallVec<[Reservation; 2]>,
    pub timer: SessionTimer,
    pub refreshing: Refreshing,
    /// The session description that stands, as we sent it last; kept only while a refresh may need it.
    pub sdp: Option<Box<[u8]>>,
}

/// A 2xx with an offer (RFC 3261 §13.2.1).
#[derive(Debug)]
pub(super) struct Offered {
    /// Its INVITE's CSeq number, which the ACK must carry.
    pub cseq: u32,
    /// Its INVITE.
    pub branch: Branch,
    /// The answer that takes nothing of it, should the call end first; empty where the offer cannot be read.
    pub decline: Box<[u8]>,
}

impl Leg {
    /// Leg A from an INVITE that arrived; what cannot be kept is left empty and told beside it.
    pub fn invited(
        invite: &Message,
        flow: &Flow,
        server: ServerId,
        peer: Arc<Peer>,
        reservations: SmallVec<[Reservation; 2]>,
        policy: &Policy,
        random: &mut Random,
    ) -> (Self, Result<(), Cause>) {
        let hop = Hop { party: peer.party, ..flow.back() };
        let mut leg = Self::callee(peer, hop, random);
        leg.side = Side::A;
        leg.status = Status::Invited(server);
        leg.remote_cseq = invite.cseq().number;
        leg.reservations = reservations;
        leg.offer = if invite.body().is_empty() { Offer::None } else { Offer::Received };
        leg.note_allow(invite);
        let readable = leg.take_invite(invite, flow, policy);
        (leg, readable)
    }

    fn take_invite(&mut self, invite: &Message, flow: &Flow, policy: &Policy) -> Result<(), Cause> {
        self.call_id = bounded(invite.call_id())?;
        self.remote_tag = bounded(invite.from_tag().unwrap_or_default())?;
        self.local = address(invite.to())?;
        self.remote = address(invite.from())?;
        // An RFC 2543 caller without Contact is reached where it sent from, by its From.
        let caller = || invite.from().raw_uri;
        let contact = match invite.contact() {
            Some(contact) => contact.and_then(|contact| self.way.retarget(contact.raw_uri)),
            None => self.way.retarget(caller()),
        };
        // RFC 3261 §12.1.1: the UAS takes the route set in the order it stands.
        let routes = self.way.reroute(invite, false);
        if contact.is_err() {
            // Who is not refused for it is reached in the same way.
            self.way.retarget(caller())?;
        }
        self.turn(flow, policy);
        contact.and(routes)
    }

    /// Leg B before its first target.
    pub fn callee(peer: Arc<Peer>, hop: Hop, random: &mut Random) -> Self {
        let mut call_id = Vec::with_capacity(32);
        call_id.extend_from_slice(&identity::hex16(random.bits()));
        call_id.extend_from_slice(&identity::hex16(random.bits()));
        Self {
            side: Side::B,
            timer: SessionTimer::new(&peer.session_timers),
            refreshing: Refreshing::default(),
            sdp: None,
            other: (peer.id, false),
            peer,
            status: Status::Idle,
            call_id: call_id.into_boxed_slice(),
            local_tag: LocalTag(random.bits()),
            remote_tag: Box::default(),
            local: Box::default(),
            remote: Box::default(),
            way: Way::default(),
            local_cseq: 0,
            remote_cseq: 0,
            hop,
            name: None,
            offer: Offer::None,
            allows_update: false,
            unacked: None,
            late_offer: false,
            awaiting_ack: None,
            acks: Vec::new(),
            reservations: SmallVec::new(),
        }
    }

    /// Takes the dialog from a response to our INVITE (RFC 3261 §12.1.2, §12.2.1.2).
    pub fn established(&mut self, response: &Message, flow: &Flow, policy: &Policy) -> Result<(), Cause> {
        self.remote_tag = bounded(response.to_tag().unwrap_or_default())?;
        if let Some(contact) = response.contact() {
            self.way.retarget(contact?.raw_uri)?;
        }
        // RFC 3261 §12.1.2: the UAC takes the route set in reverse order.
        self.way.reroute(response, true)?;
        self.turn(flow, policy);
        self.note_allow(response);
        Ok(())
    }

    /// Takes a new remote target from a re-INVITE, an UPDATE, or a 2xx to one (RFC 3261 §12.2).
    pub fn refresh(&mut self, message: &Message, flow: &Flow, policy: &Policy) {
        self.note_allow(message);
        if let Some(Ok(contact)) = message.contact()
            && self.way.retarget(contact.raw_uri).is_ok()
        {
            self.turn(flow, policy);
        }
    }

    /// Where requests of ours in this dialog go: to the literal address that the route set or the target names, if it is
    /// one of this peer's, else back where the peer sent from. A name is never looked up, another host never followed.
    pub fn turn(&mut self, flow: &Flow, policy: &Policy) {
        if self.hop.transport.is_encrypted() && !flow.transport.is_encrypted() {
            // An encrypted leg never falls back to a transport in the clear, whatever its peer may use besides.
            return;
        }
        self.hop = Hop { party: self.hop.party, ..flow.back() };
        let Some((ip, port, transport)) = self.way.literal() else { return };
        let address = SocketAddr::new(ip, port);
        let own = self.peer.sources.iter().any(|network| network.contains(&address.ip()))
            || self.peer.addresses().any(|own| own.ip() == address.ip())
            || self.name.as_ref().is_some_and(|name| name.addresses.contains(&address.ip()));
        // A transport weaker than the one in use is never taken from a message.
        let served = policy.listener(flow.listener).map_or(&[][..], |listener| &listener.transports);
        let transport = transport.filter(|wanted| served.contains(wanted) && !flow.transport.is_encrypted());
        // RFC 3261 §16.6 leaves loops to us: a target that is one of our own listeners is never sent to.
        let ourselves = policy.listeners.iter().flatten().any(|listener| listener.is_at(address));
        if own && !ourselves && (address.is_ipv4() == flow.remote.is_ipv4()) {
            self.hop.remote = address;
            self.hop.transport = match transport {
                Some(Transport::Tls) | None => flow.transport,
                Some(wanted) => wanted,
            };
            if self.hop.transport != flow.transport {
                self.hop.connection = crate::sip::ConnectionId::NONE;
            }
        }
    }

    /// Whether a request names this dialog and comes from its peer (RFC 3261 §12.2.2).
    pub fn owns(&self, message: &Message, peer: Option<crate::policy::PeerId>) -> bool {
        peer == Some(self.peer.id)
            && message.call_id() == &*self.call_id
            && message.from_tag().unwrap_or_default() == &*self.remote_tag
    }

    /// The hop for a request of this size: TCP where it has grown past what UDP carries and the peer has it.
    pub fn hop_for(&self, hop: Hop, bytes: usize, settings: &Settings) -> Hop {
        let bytes = bytes + self.peer.login.as_ref().map_or(0, |_| PROOF_OCTETS_USUAL);
        // RFC 3261 §18.1.1: larger than 1300 bytes goes by a congestion controlled transport.
        let has_tcp = self.peer.transports.contains(&Transport::Tcp);
        if hop.transport == Transport::Udp && bytes > settings.udp_request_bytes_max && has_tcp {
            Hop { transport: Transport::Tcp, connection: crate::sip::ConnectionId::NONE, ..hop }
        } else {
            hop
        }
    }

    /// The next CSeq number of ours.
    pub fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.local_cseq
    }

    /// A request in the dialog, and the hop it goes to.
    pub fn request(&self, policy: &Policy, settings: &Settings, outgoing: &Outgoing<'_>) -> (Hop, Bytes) {
        let bytes = self.write(policy, settings, outgoing, self.hop.transport);
        let hop = self.hop_for(self.hop, bytes.len(), settings);
        if hop.transport == self.hop.transport {
            (hop, bytes)
        } else {
            (hop, self.write(policy, settings, outgoing, hop.transport))
        }
    }

    fn write(
        &self,
        policy: &Policy,
        settings: &Settings,
        outgoing: &Outgoing<'_>,
        transport: Transport,
    ) -> Bytes {
        // RFC 3261 §12.2.1.1: a strict router's URI becomes the Request-URI and the target the last Route.
        let first = self.way.routes().first().and_then(|route| NameAddr::read(route).ok());
        let strict = first.as_ref().filter(|route| route.uri().is_ok_and(|uri| uri.param("lr").is_none()));
        let uri = strict.map_or(self.way.target(), |route| route.raw_uri);
        let mut writer = Writer::request(outgoing.method, text(uri));
        via(&mut writer, policy.listener(self.hop.listener), transport, outgoing.branch);
        writer.number(HeaderName::MaxForwards, u64::from(outgoing.carried.hops()));
        for route in self.way.routes().iter().skip(usize::from(strict.is_some())) {
            writer.header(HeaderName::Route, text(route));
        }
        if strict.is_some() {
            writer.pieces(HeaderName::Route, &[OPEN, text(self.way.target()), CLOSE]);
        }
        self.names(&mut writer, outgoing.method, outgoing.cseq);
        let dialog_target = matches!(outgoing.method, Method::Invite | Method::Update);
        if dialog_target {
            contact(&mut writer, policy.listener(self.hop.listener), transport);
            super::answer::write_allow(&mut writer, &self.peer);
            self.timer.write_request(&mut writer, &self.peer.session_timers);
        }
        // RFC 3515 §2.2, RFC 6665 §8.2: both say where their sender is.
        if matches!(outgoing.method, Method::Refer | Method::Notify) {
            contact(&mut writer, policy.listener(self.hop.listener), transport);
        }
        product(&mut writer, HeaderName::UserAgent, settings);
        if !outgoing.reason.is_empty() {
            writer.header(HeaderName::Reason, text(outgoing.reason));
        }
        for (name, value) in outgoing.adds {
            writer.header(*name, text(value));
        }
        let body = match outgoing.carried {
            Carried::Nothing => b"",
            Carried::Of(message) => {
                self.cross(&mut writer, policy, message, None, !message.body().is_empty());
                message.body()
            }
            Carried::Sdp(sdp) => {
                if !sdp.is_empty() {
                    writer.header(HeaderName::ContentType, SDP);
                }
                sdp
            }
            Carried::Fragment(line) => {
                writer.header(HeaderName::ContentType, FRAGMENT);
                line
            }
        };
        writer.finish(body)
    }

    /// From, To, Call-ID and CSeq of a request of ours.
    pub fn names(&self, writer: &mut Writer, method: &Method, cseq: u32) {
        let local_tag = self.local_tag.text();
        writer.pieces(HeaderName::From, &[text(&self.local), TAG, text(&local_tag)]);
        if self.remote_tag.is_empty() {
            writer.header(HeaderName::To, text(&self.remote));
        } else {
            writer.pieces(HeaderName::To, &[text(&self.remote), TAG, text(&self.remote_tag)]);
        }
        writer.header(HeaderName::CallId, text(&self.call_id));
        writer.counted(HeaderName::CSeq, u64::from(cseq), &[SPACE, text(method.as_bytes())]);
    }

    /// Nothing is left on this leg; its reservations go back.
    pub fn close(&mut self) {
        self.status = Status::Over;
        self.reservations.clear();
        self.awaiting_ack = None;
        self.sdp = None;
        // RFC 3261 §13.3.1.4: a 2xx of ours is repeated until its ACK, even to a peer that has said BYE meanwhile.
        if let Some(unacked) = self.unacked.as_mut() {
            unacked.bye = None;
        }
    }
}

/// The hop of a candidate's target by one of its transports.
pub(super) fn hop_of(peer: &Peer, target: &Target, transport: Transport) -> Hop {
    Hop {
        listener: peer.listener,
        transport,
        remote: target.address,
        connection: crate::sip::ConnectionId::NONE,
        party: target.party,
    }
}

/// Whether a final status says that the target cannot serve the call, so that another one may.
pub(super) const fn cannot_serve(status: u16) -> bool {
    matches!(status, 503 | 408)
}

/// Bytes as text; what cannot be written becomes empty (callers pass bytes that were cleaned when they were kept).
pub(super) fn text(bytes: &[u8]) -> Text<'_> {
    Text::new(bytes).unwrap_or_default()
}

/// The Via of a request of ours.
pub(crate) fn via(writer: &mut Writer, listener: Option<&Listener>, transport: Transport, branch: Branch) {
    writer.pieces(
        HeaderName::Via,
        &[
            VERSION,
            text(transport.via_token().as_bytes()),
            SPACE,
            sent_by(listener),
            BRANCH,
            text(&branch.text()),
            // RFC 3581 §3: ask for the answer at the port we sent from.
            RPORT,
        ],
    );
}

/// The Contact of ours on a listener.
pub(super) fn contact(writer: &mut Writer, listener: Option<&Listener>, transport: Transport) {
    let parameter = match transport {
        Transport::Udp => Text::default(),
        Transport::Tcp => OVER_TCP,
        Transport::Tls => OVER_TLS,
    };
    writer.pieces(HeaderName::Contact, &[OPEN_SIP, sent_by(listener), parameter, CLOSE]);
}

/// The product name, where the policy wants one said.
pub(super) fn product(writer: &mut Writer, name: HeaderName, settings: &Settings) {
    if !settings.product.is_empty() {
        writer.header(name, text(settings.product.as_bytes()));
    }
}

/// Host and port that peers are told.
fn sent_by(listener: Option<&Listener>) -> Text<'_> {
    listener.map_or_else(Text::default, |listener| text(listener.advertised.sent_by().as_bytes()))
}

/// A value kept for the life of a call: bounded, and without CR, LF and NUL.
pub(super) fn bounded(value: &[u8]) -> Result<Box<[u8]>, Cause> {
    if value.len() > IDENTITY_BYTES_MAX {
        return Err(Cause::Oversize);
    }
    Ok(one_line(value.into()))
}

/// Spaces for CR, LF and NUL.
fn one_line(mut value: Box<[u8]>) -> Box<[u8]> {
    if Text::new(&value).is_none() {
        for byte in value.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            *byte = b' ';
        }
    }
    value
}

/// A name-addr without its parameters.
pub(super) fn address(value: NameAddr<'_>) -> Result<Box<[u8]>, Cause> {
    let space = usize::from(!value.display.is_empty());
    let mut out = Vec::with_capacity(value.display.len() + space + value.raw_uri.len() + 2);
    if !value.display.is_empty() {
        out.extend_from_slice(value.display);
        out.push(b' ');
    }
    out.push(b'<');
    out.extend_from_slice(value.raw_uri);
    out.push(b'>');
    if out.len() > IDENTITY_BYTES_MAX {
        return Err(Cause::Oversize);
    }
    Ok(one_line(out.into_boxed_slice()))
}
