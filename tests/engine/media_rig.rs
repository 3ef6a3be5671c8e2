//! A site whose media is anchored: the policy, descriptions as peers write them, and what the relay has open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::media::order::{Local, MediaLeg, Order};
use ringfence::policy::media::{Place, SiteMedia};
use ringfence::policy::route::RouteTarget;
use ringfence::policy::{Peer, PeerId, PeerSide, Plan, Policy};
use ringfence::sip::{ConnectionId, Flow, Message, Transport};

use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, peer, plan};
use super::targets::SPARE;
use super::texts::{Request, answer, tag};

/// Where media of the inside is received.
pub const INSIDE_MEDIA: &str = "10.0.0.1";
/// Where media of the outside is received.
pub const OUTSIDE_MEDIA: &str = "192.0.2.1";
/// A line with a key as peers write it.
pub const KEY: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

/// What of a peer speaks TLS and must speak SRTP.
pub fn secure(peer: &mut Peer) {
    peer.transports = [Transport::Tls].into_iter().collect();
    peer.plain_media = false;
    peer.plain_signalling = false;
}

/// A PBX, a trunk and a spare one after it, media anchored.
pub fn anchored(change: impl Fn(u16, &mut Peer)) -> Arc<Policy> {
    anchored_with(change, |_| {})
}

/// The same, and more of it changed.
pub fn anchored_with(change: impl Fn(u16, &mut Peer), more: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        let place = |address: &str, ports| {
            let address: IpAddr = address.parse().unwrap();
            Place { address, advertise: address, ports }
        };
        plan.media = Some(SiteMedia {
            inside: place(INSIDE_MEDIA, 20_000..=20_099),
            outside: place(OUTSIDE_MEDIA, 30_000..=30_099),
            rest: Duration::from_secs(10),
            loopback: false,
        });
        alter(plan, 0, |pbx| change(0, pbx));
        alter(plan, 1, |trunk| change(1, trunk));
        let mut spare = peer(3, "spare", PeerSide::Outside, 1, SPARE);
        change(3, &mut spare);
        plan.peers.push(Some(Arc::new(spare)));
        plan.sites[0].peers.push(PeerId(3));
        plan.routes[0].to.push(RouteTarget { peer: PeerId(3), priority: 2, weight: 1 });
        more(plan);
    })
}

/// Everybody speaks TLS and SRTP.
pub fn secured() -> Arc<Policy> {
    anchored(|_, peer| secure(peer))
}

/// A flow under TLS.
pub fn tls(address: &str) -> Flow {
    Flow { transport: Transport::Tls, connection: ConnectionId(7), ..from(address) }
}

/// A description of one stream of speech.
pub fn sdp(address: &str, port: u16, protocol: &str, more: &str) -> String {
    format!(
        "v=0\r\no=phone 11 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} {protocol} 0\r\n{more}"
    )
}

/// One in the clear.
pub fn plain(address: &str, port: u16) -> String {
    sdp(address, port, "RTP/AVP", "")
}

/// One under a key.
pub fn hidden(address: &str, port: u16) -> String {
    sdp(address, port, "RTP/SAVP", KEY)
}

/// The PBX's INVITE with a description, or with none.
pub fn invite(body: &str) -> Request {
    with_body(Request::new("INVITE", PBX), body)
}

/// A request with a description, or with none.
pub fn with_body(request: Request, body: &str) -> Request {
    request.with(|r| {
        r.more = if body.is_empty() { String::new() } else { "Content-Type: application/sdp\r\n".into() };
        r.body = body.into();
    })
}

/// A response with a description, or with none, and lines of its own.
pub fn response(request: &Message, status: u16, sender: &str, body: &str, more: &str) -> String {
    let text = answer(request, status, "b-1", sender);
    let head = text.split("\r\n\r\n").next().unwrap();
    let kept = head.lines().filter(|line| !line.starts_with("Content-"));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let contact = if head.contains("\r\nContact: ") {
        String::new()
    } else {
        format!("Contact: <sip:callee@{sender}>\r\n")
    };
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    format!("{head}{contact}{kind}{more}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A body as text.
pub fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

/// The first port of a description.
pub fn port(sdp: &str) -> u16 {
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap_or_else(|| panic!("{sdp}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

/// The engine, and what its relay has open.
pub struct Site {
    /// The engine.
    pub edge: Edge,
    open: BTreeMap<(u64, bool, u8), Local>,
}

impl Site {
    /// Under a policy.
    pub fn under(policy: Arc<Policy>) -> Self {
        Self { edge: Edge::under(policy), open: BTreeMap::new() }
    }

    /// One message; what the relay was ordered is done, and what is open is what calls hold.
    pub fn hear(&mut self, flow: Flow, text: &str) -> Seen {
        let seen = self.edge.hear(flow, text);
        self.note(seen)
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) -> Seen {
        let seen = self.edge.pass(time);
        self.note(seen)
    }

    /// One input.
    pub fn input(&mut self, input: Input<'_>) -> Seen {
        let seen = self.edge.input(input);
        self.note(seen)
    }

    fn note(&mut self, seen: Seen) -> Seen {
        for order in &seen.media {
            match order {
                Order::Open { spot, local } => {
                    self.open.insert((spot.media.0, spot.leg == MediaLeg::B, spot.stream), *local);
                }
                Order::Set { spot, .. } => {
                    let key = (spot.media.0, spot.leg == MediaLeg::B, spot.stream);
                    assert!(self.open.contains_key(&key), "terms for what is not open: {spot:?}");
                }
                Order::Shut { spot } => {
                    self.open.remove(&(spot.media.0, spot.leg == MediaLeg::B, spot.stream));
                }
                Order::Close { media } => self.open.retain(|(of, ..), _| *of != media.0),
            }
        }
        seen
    }

    /// Ports where the relay listens, by bind address.
    pub fn listens(&self, address: &str) -> Vec<u16> {
        let address: IpAddr = address.parse().unwrap();
        self.open.values().filter(|local| local.bind == address).map(|local| local.rtp).collect()
    }

    /// No port is out and nothing is open.
    pub fn assert_silent(&self, what: &str) {
        assert_eq!((self.edge.engine.media_ports_out(), self.open.len()), (0, 0), "{what}");
    }
}

/// A call that is up, as its peers know it.
pub struct Up {
    /// The INVITE of the edge on leg B.
    pub invite_b: Message,
    /// The 200 of the edge on leg A.
    pub ok_a: Message,
    /// By which the PBX speaks.
    pub flow: Flow,
}

impl Up {
    /// INVITE, 200 and ACK with these descriptions.
    pub fn begin(site: &mut Site, flow: Flow, offer: &str, answer: &str) -> Self {
        let seen = site.hear(flow, &invite(offer).text());
        let invite_b = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{seen:?}"));
        let back = Flow { transport: flow.transport, connection: flow.connection, ..from(TRUNK) };
        let seen = site.hear(back, &response(&invite_b, 200, TRUNK, answer, ""));
        let ok_a = seen.to(PBX).pop().unwrap_or_else(|| panic!("{seen:?}"));
        assert_eq!(ok_a.status(), Some(200), "{seen:?}");
        let up = Self { invite_b, ok_a, flow };
        site.hear(flow, &up.request_a("ACK", 1).text());
        up
    }

    /// By which the trunk speaks.
    pub fn back(&self) -> Flow {
        Flow { transport: self.flow.transport, connection: self.flow.connection, ..from(TRUNK) }
    }

    /// A request of the PBX within it.
    pub fn request_a(&self, method: &str, cseq: u32) -> Request {
        Request::new(method, PBX).with(|r| {
            r.to_tag = tag(self.ok_a.to_tag());
            r.cseq = cseq;
            r.branch = format!("z9hG4bK-{method}-{cseq}");
        })
    }

    /// A request of the trunk within it.
    pub fn request_b(&self, method: &str, cseq: u32) -> Request {
        Request::new(method, TRUNK).with(|r| {
            r.uri = "sip:192.0.2.1".into();
            r.call_id = String::from_utf8(self.invite_b.call_id().to_vec()).unwrap();
            (r.from_tag, r.to_tag) = ("b-1".into(), tag(self.invite_b.from_tag()));
            r.cseq = cseq;
            r.branch = format!("z9hG4bK-b-{method}-{cseq}");
        })
    }
}
