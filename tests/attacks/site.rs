//! A site under attack: the edge, a clock, and messages made by hand.
//!
//! Owns the making of messages and what came of them. Refuses to know which attack is played.

use std::net::SocketAddr;
use std::sync::Arc;

use ringfence::call::CallRecord;
use ringfence::engine::{Gauges, Input};
use ringfence::policy::{Alert, Policy};
use ringfence::sip::Transport;

use crate::sim::edge::Edge;
use crate::sim::policy::{EDGE_INSIDE, EDGE_OUTSIDE, Shape, address, load, resolved, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::{MS, Micros, SECOND};

pub const PBX: &str = "10.1.0.10:5060";
pub const TRUNK: &str = "198.51.100.10:5060";
pub const TRUNK2: &str = "198.51.100.20:5060";
pub const STRANGER: &str = "192.0.2.66:5060";

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.168.77.7\r\ns=-\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

/// Another one of the same party: its media goes elsewhere.
pub const MOVED: &str = "v=0\r\no=- 1 2 IN IP4 192.168.77.7\r\ns=-\r\nc=IN IP4 192.168.77.7\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n";

/// The edge and everything it ever said.
pub struct Site {
    pub edge: Edge,
    pub at: Micros,
    pub alerts: Vec<Alert>,
    pub records: Vec<CallRecord>,
}

/// A call that is up: what each side sent and got.
pub struct Call {
    pub invite_a: Sip,
    pub ok_a: Sip,
    pub invite_b: Sip,
    pub ok_b: Sip,
}

/// What the edge sent: to whom, and the bytes.
pub type Sent = Vec<(SocketAddr, Vec<u8>)>;

impl Site {
    /// The usual site.
    pub fn new() -> Self {
        Self::of(&yaml(&Shape::default()))
    }

    /// A site of a YAML text.
    pub fn of(text: &str) -> Self {
        Self::with(text, |_| {})
    }

    /// A site whose engine's settings are changed.
    pub fn with(text: &str, change: impl FnOnce(&mut ringfence::engine::Settings)) -> Self {
        let (mut settings, policy) = load(text);
        change(&mut settings);
        let led = resolved(&policy);
        let mut edge = Edge::new(settings, policy, [3; 32]);
        if let Some((party, resolution)) = led {
            edge.input(SECOND, Input::Resolved { party, resolution });
        }
        Self { edge, at: SECOND, alerts: Vec::new(), records: Vec::new() }
    }

    /// Bytes from an address, to the face of the edge that the address would use; what the edge sends at once.
    pub fn raw(&mut self, from: &str, bytes: &[u8]) -> Sent {
        self.bytes_over(Transport::Udp, from, bytes)
    }

    /// A message over some transport.
    pub fn over(&mut self, transport: Transport, from: &str, message: &Sip) -> Sent {
        let via = message.header("Via").unwrap_or_default();
        let mut message = message.clone();
        if message.status().is_none() {
            message.set("Via", &via.replace("/UDP", &format!("/{}", transport.via_token())));
        }
        self.bytes_over(transport, from, &message.write())
    }

    fn bytes_over(&mut self, transport: Transport, from: &str, bytes: &[u8]) -> Sent {
        self.at += MS;
        let to = if from.starts_with("10.") || from.starts_with("127.") { EDGE_INSIDE } else { EDGE_OUTSIDE };
        let connection = u64::from(transport != Transport::Udp);
        self.edge.frame(self.at, address(from), address(to), transport, connection, bytes);
        self.take()
    }

    /// A message.
    pub fn send(&mut self, from: &str, message: &Sip) -> Sent {
        self.raw(from, &message.write())
    }

    /// Lets time pass; what the edge sends meanwhile.
    pub fn pass(&mut self, span: Micros) -> Sent {
        let end = self.at + span;
        let mut sent = Vec::new();
        while let Some(until) = self.edge.until.filter(|until| *until <= end) {
            self.at = self.at.max(until);
            self.edge.input(self.at, Input::Wake);
            sent.extend(self.take());
        }
        self.at = end;
        sent
    }

    /// Another policy takes over; what the edge sends at once.
    pub fn reload(&mut self, policy: Arc<Policy>) -> Sent {
        self.edge.input(self.at, Input::Reload(policy));
        self.take()
    }

    /// The gauges.
    pub fn gauges(&mut self) -> Gauges {
        self.edge.gauges(self.at).clone()
    }

    /// Whether an alert of this number was raised.
    pub fn alerted(&self, number: u32) -> bool {
        self.alerts.iter().any(|alert| alert.code.number == number)
    }

    fn take(&mut self) -> Sent {
        let said = std::mem::take(&mut self.edge.said);
        self.alerts.extend(said.alerts);
        self.records.extend(said.records);
        said.sends.into_iter().map(|(hop, bytes)| (hop.remote, bytes.to_vec())).collect()
    }

    /// Sets a call up from the PBX to the trunk.
    pub fn establish(&mut self, mark: &str) -> Call {
        let invite_a = invite(mark, "+12125550100");
        let sent = self.send(PBX, &invite_a);
        let invite_b = request_to(&sent, TRUNK, "INVITE")
            .unwrap_or_else(|| panic!("no INVITE for {mark}: {}", shown(&sent)));
        let mut ok_b = Sip::response(&invite_b, 200, "OK", &format!("callee-{mark}"));
        ok_b.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        let sent = self.send(TRUNK, &ok_b);
        let ok_a =
            response_to(&sent, PBX, 200).unwrap_or_else(|| panic!("no 200 for {mark}: {}", shown(&sent)));
        self.send(PBX, &ack(&invite_a, &ok_a, &format!("z9hG4bKack{mark}")));
        Call { invite_a, ok_a, invite_b, ok_b }
    }

    /// Hangs a call up from the caller's side and checks that both legs end.
    pub fn hang_up(&mut self, call: &Call) {
        let bye = in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye");
        let sent = self.send(PBX, &bye);
        assert!(response_to(&sent, PBX, 200).is_some(), "BYE was not answered 200: {}", shown(&sent));
        let bye = request_to(&sent, TRUNK, "BYE")
            .unwrap_or_else(|| panic!("no BYE to the callee: {}", shown(&sent)));
        self.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    }

    /// 64*T1 and a little later nothing may be left.
    pub fn must_become_empty(&mut self) {
        self.pass(40 * SECOND);
        let gauges = self.gauges();
        assert!(crate::sim::ledger::is_empty(&gauges), "left behind: {gauges:?}");
    }
}

/// The PBX's INVITE to a number; `mark` makes Call-ID, tag and branch.
pub fn invite(mark: &str, number: &str) -> Sip {
    let mut invite = request("INVITE", &format!("sip:{number}@{EDGE_INSIDE}"), PBX, mark);
    invite.add("Contact", &format!("<sip:caller@{PBX}>")).sdp(SDP);
    invite
}

/// A request outside any dialog from an address.
pub fn request(method: &str, uri: &str, from: &str, mark: &str) -> Sip {
    let mut request = Sip::request(method, uri);
    request
        .add("Via", &format!("SIP/2.0/UDP {from};branch=z9hG4bK{mark};rport"))
        .add("Max-Forwards", "70")
        .add("From", &format!("<sip:2001@{from}>;tag=tag{mark}"))
        .add("To", &format!("<{uri}>"))
        .add("Call-ID", &format!("call-{mark}"))
        .add("CSeq", &format!("1 {method}"));
    request
}

/// The ACK for a 2xx.
pub fn ack(invite: &Sip, ok: &Sip, branch: &str) -> Sip {
    let mut ack = in_dialog(invite, ok, "ACK", invite.cseq().0, "ack");
    ack.set("Via", &format!("SIP/2.0/UDP {PBX};branch={branch};rport"));
    ack
}

/// A request of the caller within the dialog.
pub fn in_dialog(invite: &Sip, ok: &Sip, method: &str, cseq: u32, mark: &str) -> Sip {
    let mut request = Sip::request(method, ok.contact().unwrap_or_default());
    request
        .add("Via", &format!("SIP/2.0/UDP {PBX};branch=z9hG4bK{}{mark}{cseq}{method};rport", invite.branch()))
        .add("Max-Forwards", "70")
        .add("From", invite.header("From").unwrap_or_default())
        .add("To", ok.header("To").unwrap_or_default())
        .add("Call-ID", invite.call_id())
        .add("CSeq", &format!("{cseq} {method}"))
        .add("Contact", &format!("<sip:caller@{PBX}>"));
    if method == "INVITE" {
        request.sdp(MOVED);
    }
    request
}

/// A request of the callee within its dialog.
pub fn by_callee(call: &Call, method: &str, cseq: u32, mark: &str) -> Sip {
    let mut request = Sip::request(method, call.invite_b.contact().unwrap_or_default());
    request
        .add("Via", &format!("SIP/2.0/UDP {TRUNK};branch=z9hG4bK{mark}{cseq}{method};rport"))
        .add("Max-Forwards", "70")
        .add("From", call.ok_b.header("To").unwrap_or_default())
        .add("To", call.invite_b.header("From").unwrap_or_default())
        .add("Call-ID", call.invite_b.call_id())
        .add("CSeq", &format!("{cseq} {method}"))
        .add("Contact", &format!("<sip:callee@{TRUNK}>"));
    if method == "INVITE" {
        request.sdp(MOVED);
    }
    request
}

/// The messages sent to an address.
pub fn to<'a>(sent: &'a Sent, to: &str) -> impl Iterator<Item = Sip> + 'a {
    let to = address(to);
    sent.iter()
        .filter(move |(at, _)| *at == to)
        .map(|(_, bytes)| Sip::read(bytes).unwrap_or_else(|e| panic!("{e}")))
}

/// The first request of a method sent to an address.
pub fn request_to(sent: &Sent, address: &str, method: &str) -> Option<Sip> {
    to(sent, address).find(|message| message.status().is_none() && message.method() == method)
}

/// The first response with a status sent to an address.
pub fn response_to(sent: &Sent, address: &str, status: u16) -> Option<Sip> {
    to(sent, address).find(|message| message.status() == Some(status))
}

/// The final status sent to an address, if just one was.
pub fn final_to(sent: &Sent, address: &str) -> Option<u16> {
    let finals: Vec<u16> =
        to(sent, address).filter_map(|message| message.status()).filter(|one| *one >= 200).collect();
    match finals.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

/// For a failing test's message.
pub fn shown(sent: &Sent) -> String {
    sent.iter().map(|(to, bytes)| format!("to {to}: {}\n", String::from_utf8_lossy(bytes))).collect()
}
