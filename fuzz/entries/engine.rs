//! Engine operations: bytes decide who sends what when, and in the end nothing may be left behind.
//!
//! Owns one play of the engine: frames from a few mutated messages and sources, answers to what it sent, time, reloads,
//! broken streams, proofs of passwords right and wrong; each play once with media anchored. What must hold: no panic, nothing sent to an address that is no peer, over UDP no more octets to whoever has proven nothing than came from there, and an empty engine 64*T1 after it was stopped.
//! Read first: RFC 3261 §17, §22; RFC 6026; attack row A10.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ringfence::call::Random;
use ringfence::clock::{Now, Tick, Wall};
use ringfence::config::{self, Source};
use ringfence::engine::{Engine, Gauges, Input, Output, Query, Reply, Settings};
use ringfence::media::order::{MediaLeg, Order, Spot};
use ringfence::policy::locate::Found;
use ringfence::policy::located::domains;
use ringfence::policy::{Names, Policy, Resolution};
use ringfence::sip::digest::{Answer, Challenge, Ha1, Hash};
use ringfence::sip::{ConnectionId, Flow, Hop, ListenerId, PartyId, Transport};

const SITE: &str = r#"
listeners:
  inside: { bind: "10.1.0.1:5060", transports: [udp, tcp] }
  outside: { bind: "203.0.113.1:5070", transports: [udp, tcp] }
peers:
  pbx: { side: inside, listener: inside, sources: [10.1.0.10], targets: ["10.1.0.10:5060"], transports: [udp, tcp], plain_signalling: allow, plain_media: allow, allow: [info, message] }
  trunk: { side: outside, listener: outside, sources: [198.51.100.10], targets: ["198.51.100.10:5060"], transports: [udp, tcp], plain_signalling: allow, plain_media: allow, allow: [info] }
  trunk2: { side: outside, listener: outside, sources: [198.51.100.20], targets: ["198.51.100.20:5060", "sip.example.com"], transports: [tcp, udp], plain_signalling: allow, plain_media: allow, concurrent_calls: 2 }
  roamer: { side: inside, listener: outside, sources: any, transports: [udp, tcp], plain_signalling: allow, plain_media: allow, realm: lab.example, credentials: [ { user: phone, from: ["*"], ha1: { sha_256: "{sha_256}", sha_512_256: "{sha_512_256}" } } ] }
  office: { side: inside, listener: inside, sources: [10.1.0.20], targets: ["10.1.0.20:5060"], transports: [udp, tcp], plain_signalling: allow, plain_media: allow, realm: lab.example, credentials: [ { user: phone, from: ["*"], ha1: { sha_256: "{sha_256}", sha_512_256: "{sha_512_256}" } } ] }
sites:
  lab: { peers: [pbx, trunk, trunk2, roamer, office], dids: ["+49305550100"], channels: 100 }
caps: [ { count: spend_per_day, per: site, block: 40 } ]
routes:
  - { name: out, direction: outbound, from: [pbx, roamer, office], called: ["+1*"], to: [trunk, trunk2] }
  - { name: in, direction: inbound, from: [trunk, trunk2], called: ["+49*"], to: [pbx] }
policy: { outbound: [ { blocklist: { prefixes: ["+1900"] } }, { max_duration: 1h } ] }
"#;

/// Sources: address, listener (0 inside, 1 outside); the fourth is a stranger, and it and the fifth are asked for a password.
const SOURCES: [(&str, usize); 5] = [
    ("10.1.0.10:5060", 0),
    ("198.51.100.10:5060", 1),
    ("198.51.100.20:5060", 1),
    ("192.0.2.66:5060", 1),
    ("10.1.0.20:5060", 0),
];

/// Of the two that are asked, the right one and a wrong one.
const PASSWORDS: [&[u8]; 2] = [b"correct horse battery", b"guessed it, did I?"];

/// HA1 of the right one.
fn key(hash: Hash, password: &[u8]) -> Ha1 {
    Ha1::new(hash, b"phone", b"lab.example", password)
}

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

const METHODS: [&str; 8] = ["INVITE", "BYE", "CANCEL", "ACK", "INFO", "OPTIONS", "MESSAGE", "UPDATE"];
const STATUSES: [u16; 12] = [100, 180, 183, 200, 200, 202, 302, 408, 486, 491, 503, 603];

/// What anchors media, before the site.
const ANCHORED: &str = "media: { inside: { address: 10.1.0.1, ports: 20000-20019 }, outside: { address: 203.0.113.1, ports: 30000-30019 } }";
/// Where peers receive it, and what no other peer is told then.
const MEDIA: &str = "IP4 192.0.2.9";

/// The settings, the policy and its reload, read once; with media anchored, or not.
fn loaded(anchored: bool) -> &'static [(Settings, Arc<Policy>)] {
    type Loaded = OnceLock<Vec<(Settings, Arc<Policy>)>>;
    static PLAIN: Loaded = OnceLock::new();
    static ANCHORS: Loaded = OnceLock::new();
    let loaded = if anchored { &ANCHORS } else { &PLAIN };
    loaded.get_or_init(|| {
        let mut names = Names::default();
        let hex = |hash| String::from_utf8_lossy(key(hash, PASSWORDS[0]).expose()).into_owned();
        let site = SITE.replace("{sha_256}", &hex(Hash::Sha256));
        let site = site.replace("{sha_512_256}", &hex(Hash::Sha512T256));
        let site = if anchored {
            let peers =
                site.replace("plain_media: allow", "media: { srtp: plain, networks: [192.0.2.0/24] }");
            format!("{ANCHORED}{peers}")
        } else {
            site
        };
        let lesser = site.replace("to: [trunk, trunk2]", "to: [trunk]");
        [site.as_str(), lesser.as_str(), site.as_str()]
            .iter()
            .zip(1..)
            .filter_map(|(text, generation)| {
                let config = config::load(&Source::of_text("site", text), &mut names, generation);
                config.inspect_err(|errors| eprintln!("{errors}")).ok()
            })
            .map(|config| (config.engine, config.policy))
            .collect()
    })
}

/// Bytes that decide; when they are used up everything is 0.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let index = usize::from(self.byte()) % items.len().max(1);
        items.get(index).copied().unwrap_or_default()
    }
}

/// The play.
struct Play {
    engine: Engine,
    /// Whether media is anchored, and how many ends of it are open.
    anchored: bool,
    open: BTreeSet<(u64, bool, u8)>,
    at: u64,
    until: Option<u64>,
    listeners: Vec<ListenerId>,
    /// The last messages the edge sent, with where to.
    sent: Vec<(Hop, Vec<u8>)>,
    gauges: Gauges,
    placed: u32,
    /// Of each source: whether it has shown the right password, and over UDP the octets that came and went.
    shown: [bool; SOURCES.len()],
    octets: [(usize, usize); SOURCES.len()],
}

impl Play {
    fn now(&self) -> Now {
        let wall = Wall::from_micros(1_767_225_600_000_000_i64.saturating_add_unsigned(self.at));
        Now { tick: Tick::from_micros(self.at), wall }
    }

    fn input(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle(now, input);
        loop {
            match self.engine.poll_output() {
                Output::Send { hop, bytes } => {
                    let place = SOURCES.iter().position(|(at, _)| address(at).ip() == hop.remote.ip());
                    // Where somebody may roam, anybody may be asked who it is, and hears nothing else before it is known.
                    let guest = place == Some(3) && !self.shown[3];
                    let asks = bytes.starts_with(b"SIP/2.0 401 ");
                    assert!(place.is_some() && (asks || !guest), "sent to {}, which is no peer", hop.remote);
                    let unknown = place.filter(|place| *place >= 3 && !self.shown[*place]);
                    if let Some(place) = unknown.filter(|_| hop.transport == Transport::Udp) {
                        let (came, went) = &mut self.octets[place];
                        *went += bytes.len();
                        assert!(*went <= *came, "{went} octets to {}, and {came} came", hop.remote);
                    }
                    // Every leg here runs in the clear.
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let is_key = |line: &str| line.trim().starts_with("a=crypto:") && line.contains(KEY);
                    let told = text.split(['\r', '\n']).any(is_key);
                    assert!(!told, "a key of encrypted speech went to {}", hop.remote);
                    let negotiates = !line(&text, "CSeq: ").ends_with("INFO")
                        && !line(&text, "CSeq: ").ends_with("MESSAGE");
                    let shown = self.anchored && negotiates && text.contains(MEDIA);
                    assert!(!shown, "an address of the other side went to {}", hop.remote);
                    if self.sent.len() >= 16 {
                        self.sent.remove(0);
                    }
                    self.sent.push((hop, bytes.to_vec()));
                }
                Output::Reply { id: _, reply } => match *reply {
                    Reply::Status { gauges, .. } => self.gauges = gauges,
                    Reply::Unlocked { .. } | Reply::Ordered(_) => {}
                },
                Output::Media(order) => self.relay(order),
                Output::Close { .. }
                | Output::Proven { .. }
                | Output::Record(_)
                | Output::Alert(_)
                | Output::Keep(_)
                | Output::Drained { .. } => {}
                Output::Wait { until, reason: _ } => {
                    self.until = until.map(Tick::micros);
                    return;
                }
            }
        }
    }

    fn relay(&mut self, order: Order) {
        match order {
            Order::Open { spot, .. } => drop(self.open.insert(key_of(spot))),
            Order::Set { spot, .. } => {
                assert!(self.open.contains(&key_of(spot)), "terms for what is not open")
            }
            Order::Shut { spot } => drop(self.open.remove(&key_of(spot))),
            Order::Close { media } => self.open.retain(|(of, ..)| *of != media.0),
        }
    }

    fn flow(&self, source: usize, stream: bool) -> Flow {
        let (remote, side) = SOURCES.get(source % SOURCES.len()).copied().unwrap_or(SOURCES[0]);
        let listener = self.listeners.get(side).copied().unwrap_or(ListenerId(0));
        let transport = if stream { Transport::Tcp } else { Transport::Udp };
        let connection = ConnectionId(if stream { 1 + source as u64 } else { 0 });
        Flow { listener, transport, remote: address(remote), connection }
    }

    /// A frame of a source.
    fn frame(&mut self, flow: Flow, bytes: &[u8]) {
        let place = SOURCES.iter().position(|(at, _)| address(at) == flow.remote);
        if let Some((came, _)) = place.and_then(|place| self.octets.get_mut(place))
            && flow.transport == Transport::Udp
        {
            *came += bytes.len();
        }
        self.input(Input::Frame { flow, frame: bytes.into() });
    }

    /// Lets time pass, with every wake-up on the way.
    fn pass(&mut self, span: Duration) {
        let end = self.at + u64::try_from(span.as_micros()).unwrap_or(0);
        for _ in 0..10_000 {
            let Some(until) = self.until.filter(|until| *until <= end) else { break };
            self.at = self.at.max(until);
            self.input(Input::Wake);
        }
        assert!(self.until.is_none_or(|until| until > end), "the engine wants to be woken for ever");
        self.at = end;
    }
}

fn key_of(spot: Spot) -> (u64, bool, u8) {
    (spot.media.0, spot.leg == MediaLeg::B, spot.stream)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.split("\r\n").find(|line| line.starts_with(name)).unwrap_or("")
}

/// A request of a source: a new call, or one within what the edge last sent there.
fn request(play: &mut Play, choices: &mut Choices<'_>, source: usize) -> Vec<u8> {
    let method = METHODS.get(usize::from(choices.byte()) % METHODS.len()).copied().unwrap_or("INVITE");
    let (remote, side) = SOURCES.get(source % SOURCES.len()).copied().unwrap_or(SOURCES[0]);
    let edge = if side == 0 { "10.1.0.1:5060" } else { "203.0.113.1:5070" };
    let heard =
        play.sent.iter().rev().find(|(hop, _)| hop.remote == address(remote)).map(|(_, bytes)| bytes.clone());
    let heard = heard.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let new = choices.byte() & 1 == 0 || heard.is_empty();
    if new && method == "INVITE" {
        play.placed += 1;
    }
    let number = ["+12125550123", "+49305550100", "+19005550000", "service"];
    let number = number.get(usize::from(choices.byte() & 3)).copied().unwrap_or("service");
    let n = play.placed;
    let same = matches!(method, "CANCEL" | "ACK");
    let branch =
        if same { format!("z9hG4bKf{n}") } else { format!("z9hG4bKf{n}{method}{}", choices.byte() & 7) };
    let branch = if method == "INVITE" && new { format!("z9hG4bKf{n}") } else { branch };
    let (mut from, mut to, mut call_id) = (
        format!("From: <sip:+49305550199@{remote}>;tag=f{n}"),
        format!("To: <sip:{number}@{edge}>"),
        format!("Call-ID: c{n}@fuzz"),
    );
    if !new {
        let asked = !heard.starts_with("SIP/2.0");
        let (own, other) = if asked { ("To: ", "From: ") } else { ("From: ", "To: ") };
        let own_tag = if asked { ";tag=callee" } else { "" };
        from = format!("From: {}{own_tag}", line(&heard, own).trim_start_matches(own));
        to = format!("To: {}", line(&heard, other).trim_start_matches(other));
        line(&heard, "Call-ID: ").clone_into(&mut call_id);
    }
    let hops = choices.byte();
    let cseq = 1 + u32::from(choices.byte() & 3);
    let body = if method == "INVITE" { body(hops) } else { String::new() };
    let uri = if new { format!("sip:{number}@{edge}") } else { format!("sip:{edge}") };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {remote};branch={branch};rport\r\nMax-Forwards: {hops}\r\n{from}\r\n{to}\r\n\
         {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:x@{remote}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The same request with a proof on top, where its source was asked: half of them right. The nonce may be an old one.
fn prove(play: &mut Play, choices: &mut Choices<'_>, source: usize, bytes: Vec<u8>) -> Vec<u8> {
    let place = source % SOURCES.len();
    let remote = address(SOURCES[place].0);
    let draw = choices.byte();
    let asked = play
        .sent
        .iter()
        .rev()
        .filter(|(hop, bytes)| hop.remote == remote && bytes.starts_with(b"SIP/2.0 401 "));
    let Some((_, asked)) = asked.cycle().nth(usize::from(draw >> 1 & 3)) else { return bytes };
    let asked = String::from_utf8_lossy(asked).into_owned();
    let offer = line(&asked, "WWW-Authenticate: ").trim_start_matches("WWW-Authenticate: ");
    let Ok(Some(challenge)) = Challenge::read(offer.as_bytes()) else { return bytes };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut words = text.split(' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let right = draw & 1 == 0;
    let with = Answer {
        user: "phone",
        ha1: &key(challenge.algorithm.hash, PASSWORDS[usize::from(!right)]),
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        cnonce: b"c",
        count: u32::from(draw >> 3 & 7),
        body: b"",
    };
    let Some(proof) = challenge.answer(&with) else { return bytes };
    // From here on it may be known, whatever becomes of this one.
    play.shown[place] |= right;
    text.replacen("\r\n", &format!("\r\nAuthorization: {}\r\n", String::from_utf8_lossy(&proof)), 1)
        .into_bytes()
}

/// A session description; now and then with a key of encrypted speech.
fn body(draw: u8) -> String {
    let keys = if draw & 7 == 7 {
        format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n")
    } else {
        String::new()
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9002 RTP/AVP 0\r\n{keys}"
    )
}

/// A response to the last request the edge sent.
fn response(play: &Play, choices: &mut Choices<'_>) -> Option<(Hop, Vec<u8>)> {
    let back = usize::from(choices.byte() & 7);
    let requests = play.sent.iter().rev().filter(|(_, bytes)| !bytes.starts_with(b"SIP/2.0"));
    let (hop, bytes) = requests.cycle().nth(back)?;
    let status = choices.pick(&STATUSES);
    let tag = choices.byte() & 1;
    let mut out = format!("SIP/2.0 {status} Whatever\r\n");
    let text = String::from_utf8_lossy(bytes).into_owned();
    for name in ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "] {
        out.push_str(line(&text, name));
        if name == "To: " && !line(&text, name).contains(";tag=") {
            out.push_str(if tag == 0 { ";tag=callee" } else { ";tag=another" });
        }
        out.push_str("\r\n");
    }
    let body = if tag == 0 && status < 300 { body(choices.byte()) } else { String::new() };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = body.len();
    out.push_str(&format!("Contact: <sip:y@{}>\r\n{kind}Content-Length: {length}\r\n\r\n{body}", hop.remote));
    Some((*hop, out.into_bytes()))
}

fn mutate(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    for _ in 0..choices.byte() & 3 {
        let place = usize::from(u16::from_le_bytes([choices.byte(), choices.byte()])) % bytes.len().max(1);
        let value = choices.byte();
        match value & 3 {
            0 => bytes.truncate(place),
            1 => bytes.insert(place.min(bytes.len()), value),
            _ => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = value),
        }
        if bytes.is_empty() {
            return;
        }
    }
}

fn operate(play: &mut Play, choices: &mut Choices<'_>) {
    let operation = choices.byte();
    let source = usize::from(choices.byte());
    let stream = operation & 0x80 != 0;
    match operation & 0x0f {
        0..=4 => {
            let mut bytes = request(play, choices, source);
            if operation & 0x20 != 0 {
                bytes = prove(play, choices, source, bytes);
            }
            if operation & 0x40 != 0 {
                mutate(&mut bytes, choices);
            }
            let flow = play.flow(source, stream);
            play.frame(flow, &bytes);
        }
        5..=9 => {
            let Some((hop, mut bytes)) = response(play, choices) else { return };
            if operation & 0x40 != 0 {
                mutate(&mut bytes, choices);
            }
            let Hop { listener, transport, remote, connection, party: _ } = hop;
            play.frame(Flow { listener, transport, remote, connection }, &bytes);
        }
        10 => play.pass(Duration::from_millis(u64::from(choices.byte()) * 40)),
        11 => play.pass(Duration::from_secs(u64::from(choices.byte()))),
        12 => {
            let reload = loaded(play.anchored).get(1 + source % 2).map(|(_, policy)| Arc::clone(policy));
            if let Some(policy) = reload {
                play.input(Input::Reload(policy));
            }
        }
        13 => {
            let last = play.sent.last().map(|(hop, _)| *hop);
            if let Some(hop) = last {
                play.input(Input::Unsendable { hop });
            }
        }
        14 if source % 2 == 0 => play.input(Input::Closed { connection: ConnectionId(1 + source as u64) }),
        14 => {
            if let Some((party, resolution)) = resolved(play.anchored, choices) {
                play.input(Input::Resolved { party, resolution });
            }
        }
        _ => {
            let raw = choices.0.get(..usize::from(choices.byte())).unwrap_or(choices.0).to_vec();
            let flow = play.flow(source, stream);
            play.frame(flow, &raw);
        }
    }
}

/// Where DNS may say that the name of `trunk2` leads; what is no peer's must not be followed.
const LED: [&str; 6] = [
    "198.51.100.20:5060",
    "198.51.100.20:5080",
    "203.0.113.1:5070",
    "10.1.0.1:5060",
    "127.0.0.1:5060",
    "224.0.0.1:5060",
];

/// What DNS says of the one name, as the bytes will have it.
fn resolved(anchored: bool, choices: &mut Choices<'_>) -> Option<(PartyId, Resolution)> {
    let (_, policy) = loaded(anchored).first()?;
    let (_, domain) = domains(policy).next()?;
    let resolution = match choices.byte() & 3 {
        0 => Resolution::Stale,
        1 => Resolution::Nowhere { why: "no such name".to_owned() },
        _ => {
            let found = |rank| Found {
                address: address(choices.pick(&LED)),
                transports: [Transport::Udp, Transport::Tcp].into_iter().collect(),
                rank,
                weight: choices.byte().into(),
                record: rank,
            };
            Resolution::Found { list: (0..3).map(found).collect(), ttl: Duration::from_secs(60) }
        }
    };
    Some((domain.party, resolution))
}

/// One play, and the same with media anchored.
pub fn entry(data: &[u8]) {
    play(data, false);
    play(data, true);
}

fn play(data: &[u8], anchored: bool) {
    assert_eq!(loaded(anchored).len(), 3, "a site that cannot be read proves nothing");
    let Some((settings, policy)) = loaded(anchored).first().cloned() else { return };
    let listeners = policy.listeners.iter().flatten().map(|listener| listener.id).collect();
    let zero = Now { tick: Tick::ZERO, wall: Wall::from_micros(1_767_225_600_000_000) };
    let engine = Engine::new(zero, settings, policy, Random::new([9; 32]));
    let mut play = Play {
        engine,
        anchored,
        open: BTreeSet::new(),
        at: 0,
        until: None,
        listeners,
        sent: Vec::new(),
        gauges: Gauges::default(),
        placed: 0,
        shown: [false; SOURCES.len()],
        octets: [(0, 0); SOURCES.len()],
    };
    let mut choices = Choices(data);
    for _ in 0..256 {
        if choices.0.is_empty() {
            break;
        }
        operate(&mut play, &mut choices);
    }
    play.input(Input::Stop);
    // 64*T1 for the last INVITE's cancelling, again for the BYE that may follow it, and T4 with a second of grace.
    play.pass(Duration::from_secs(32 + 32 + 32 + 6));
    play.input(Input::Query { id: 1, query: Query::Status });
    let empty = Gauges::default();
    assert_eq!(play.gauges, empty, "left behind");
    let media = (play.engine.media_ports_out(), play.open.len());
    assert_eq!(media, (0, 0), "media left behind");
}
