//! The site under test, written as an admin would write it.
//!
//! Owns addresses and the YAML text. Refuses to know how YAML is read.

use std::net::SocketAddr;
use std::sync::Arc;

use ringfence::config::{self, Source};
use ringfence::engine::Settings;
use ringfence::policy::limits::{Limit, Limits, standing};
use ringfence::policy::locate::Found;
use ringfence::policy::located::domains;
use ringfence::policy::{Names, Policy, Resolution};
use ringfence::sip::{PartyId, Transport};

use super::agent::guard::PASSWORD;
use super::agent::prover::CALLER;

/// The edge towards the office.
pub const EDGE_INSIDE: &str = "10.1.0.1:5060";
/// The edge towards the world.
pub const EDGE_OUTSIDE: &str = "203.0.113.1:5070";
/// Who sends what nobody asked for.
pub const ATTACKER: &str = "192.0.2.66:5060";

/// The name of the trunks.
pub const NAME: &str = "sip.carrier.example";
/// Where a trunk with a name calls from: none of the addresses that the name leads to.
const ELSEWHERE: &str = "198.51.100.99";

/// The peers: name, address, whether inside.
pub const PEERS: [(&str, &str, bool); 4] = [
    ("pbx", "10.1.0.10:5060", true),
    ("pbx2", "10.1.0.11:5060", true),
    ("trunk", "198.51.100.10:5060", false),
    ("trunk2", "198.51.100.20:5060", false),
];

/// An address of this file.
pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// What differs from flow to flow.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// Calls at once of each peer.
    pub concurrent_calls: u32,
    /// The cap from answer.
    pub max_duration: &'static str,
    pub ring_max: &'static str,
    /// The longest wait for the first 18x.
    pub post_dial_max: &'static str,
    /// Calls a second that each peer takes, as text; empty for any.
    pub cps: &'static str,
    /// Whether `trunk2` and `pbx2` stand in the policy as second targets.
    pub second: bool,
    /// Whether `trunk` is a name that leads to the addresses of both trunks, one after the other.
    pub named: bool,
    /// What stands in `allow:` of every peer.
    pub allow: &'static str,
    /// What stands in `session_timer:` of every peer; empty leaves it out.
    pub session_timer: &'static str,
    /// A further key of every peer, or nothing.
    pub key: &'static str,
    /// What stands in `login:` of one peer; empty leaves it out.
    pub login: &'static str,
    /// Which peer.
    pub login_of: &'static str,
    /// What stands in `register:` of that peer; empty leaves it out.
    pub register: &'static str,
    /// Further keys of the PBX that proves who it is; empty where its address is enough.
    pub proven: &'static str,
    /// Whether that one may call from anywhere.
    pub roams: bool,
    /// Whether media is anchored.
    pub anchored: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            transport: "udp",
            concurrent_calls: 50,
            max_duration: "4h",
            ring_max: "3m",
            post_dial_max: "30s",
            cps: "",
            second: true,
            named: false,
            allow: "info",
            session_timer: "",
            key: "",
            login: "",
            login_of: "trunk",
            register: "",
            proven: "",
            roams: false,
            anchored: false,
        }
    }
}

impl Shape {
    /// Whether a peer stands in the policy.
    fn has(&self, name: &str) -> bool {
        match name {
            "pbx2" => self.second,
            "trunk2" => self.second && !self.named,
            _ => true,
        }
    }
}

/// Where DNS leads the name of a policy; nothing where it has none.
pub fn resolved(policy: &Policy) -> Option<(PartyId, Resolution)> {
    let (_, domain) = domains(policy).next()?;
    let trunks = PEERS.iter().filter(|(_, _, inside)| !inside);
    let found = |(rank, (_, at, _)): (u16, &(&str, &str, bool))| Found {
        address: address(at),
        transports: [Transport::Udp, Transport::Tcp].into_iter().collect(),
        rank,
        weight: 1,
        record: rank,
    };
    let list = (0..).zip(trunks).map(found).collect();
    Some((domain.party, Resolution::Found { list, ttl: std::time::Duration::from_secs(3_600) }))
}

/// The YAML of a site.
pub fn yaml(shape: &Shape) -> String {
    let mut peers = String::new();
    let pace = if shape.cps.is_empty() { String::new() } else { format!("    cps: {}\n", shape.cps) };
    let key = if shape.key.is_empty() { String::new() } else { format!("    {}\n", shape.key) };
    for (name, address, inside) in PEERS.iter().filter(|(name, _, _)| shape.has(name)) {
        let side = if *inside { "inside" } else { "outside" };
        let (host, address) = match shape.named && !inside {
            true => (ELSEWHERE, NAME),
            false => (address.split(':').next().unwrap_or_default(), *address),
        };
        let login = match shape.login {
            keys if !keys.is_empty() && *name == shape.login_of => format!("    login: {{ {keys} }}\n"),
            _ => String::new(),
        };
        let register = match shape.register {
            keys if !keys.is_empty() && *name == shape.login_of => format!("    register: {{ {keys} }}\n"),
            _ => String::new(),
        };
        let roams = shape.roams && *name == "pbx";
        let proven = match shape.proven {
            keys if !keys.is_empty() && *name == "pbx" => format!(
                "    realm: edge.example\n    {keys}\n    credentials: [{{ user: {CALLER}, password: {{ env: TRUNK_PASSWORD }}, \
                 from: [\"+4930*\"] }}]\n"
            ),
            _ => String::new(),
        };
        let sources = if roams { "any".to_owned() } else { format!("[{host}]") };
        let targets = if roams { String::new() } else { format!("    targets: [\"{address}\"]\n") };
        let media = if shape.anchored { "    media: { networks: [192.168.77.0/24] }\n" } else { "" };
        let session = match shape.session_timer {
            "" => String::new(),
            keys => format!("    session_timer: {{ {keys} }}\n"),
        };
        peers.push_str(&format!(
            "  {name}:\n{media}    side: {side}\n    listener: {side}\n    sources: {sources}\n{targets}    \
             transports: [{}]\n    plain_signalling: allow\n    plain_media: allow\n    concurrent_calls: {}\n    \
             ring_max: {}\n    post_dial_max: {}\n    allow: [{}]\n{}{session}{key}{login}{register}{proven}",
            shape.transport, shape.concurrent_calls, shape.ring_max, shape.post_dial_max, shape.allow, pace
        ));
    }
    let (inside, outside, all) = match (shape.second, shape.named) {
        (true, false) => ("pbx, pbx2", "trunk, trunk2", "pbx, pbx2, trunk, trunk2"),
        (true, true) => ("pbx, pbx2", "trunk", "pbx, pbx2, trunk"),
        (false, _) => ("pbx", "trunk", "pbx, trunk"),
    };
    // Where a roaming PBX is, nobody knows: calls go to the other one, where there is one.
    let called = match (shape.roams, shape.second) {
        (false, _) => inside,
        (true, true) => "pbx2",
        (true, false) => "trunk",
    };
    let (from, kind) = if shape.roams && !shape.second { (inside, "outbound") } else { (outside, "inbound") };
    let place = |face: &str| {
        let address = face.split(':').next().unwrap_or_default();
        format!("{{ address: {address}, ports: 30000-31999 }}")
    };
    let media = match shape.anchored {
        true => format!("media: {{ inside: {}, outside: {} }}\n", place(EDGE_INSIDE), place(EDGE_OUTSIDE)),
        false => String::new(),
    };
    let caps = caps();
    format!(
        "{media}listeners:\n  inside: {{ bind: \"{EDGE_INSIDE}\", transports: [{0}] }}\n  \
         outside: {{ bind: \"{EDGE_OUTSIDE}\", transports: [{0}] }}\n\
         peers:\n{peers}\
         sites:\n  lab: {{ peers: [{all}], dids: [\"+4930*\"], channels: 1000 }}\n\
         caps:\n{caps}longest_calls: {{ outbound: 24h, international: 24h, high_risk: 24h }}\nroutes:\n  - {{ name: out, direction: outbound, from: [{inside}], called: [\"+1*\"], to: [{outside}] }}\n  \
         - {{ name: in, direction: {kind}, from: [{from}], called: [\"+4930*\"], to: [{called}] }}\n\
         policy:\n  outbound:\n    - blocklist: {{ prefixes: [\"+1900\"] }}\n    - max_duration: {1}\n  \
         inbound:\n    - max_duration: {1}\n",
        shape.transport, shape.max_duration
    )
}

/// Every cap that stands by default, so wide that no call meets it: what calls hold of each is given back all the same.
fn caps() -> String {
    let standing = Limits::standing().caps;
    let cap = |cap: &Limit| {
        let (of, per, count) = (standing::class(cap.of), cap.per.name(), standing::measure(cap.what));
        format!("  - {{ count: {count}, of: {of}, per: {per}, block: 100000000 }}\n")
    };
    standing.iter().map(cap).collect()
}

/// Settings and policy of a YAML text; the text is ours, so an error is a bug of the test or of the reader.
pub fn load(text: &str) -> (Settings, Arc<Policy>) {
    loads(&[text]).remove(0)
}

/// The same for a policy and its reloads: names keep their numbers.
pub fn loads(texts: &[&str]) -> Vec<(Settings, Arc<Policy>)> {
    let mut names = Names::default();
    let environment = |name: &str| match name {
        "TRUNK_PASSWORD" => Some(PASSWORD.into()),
        "WRONG_PASSWORD" => Some("open sesame, please".into()),
        _ => None,
    };
    let load = |(generation, text): (u64, &&str)| match config::load(
        &Source { environment, ..Source::of_text("site", text) },
        &mut names,
        generation,
    ) {
        Ok(config) => (config.engine, config.policy),
        Err(errors) => panic!("{errors}\n{text}"),
    };
    (1..).zip(texts).map(load).collect()
}
