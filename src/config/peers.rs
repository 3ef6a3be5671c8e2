//! Peers and sites as they are written, each on its own; what they are to each other is `cross.rs`.
//!
//! Owns the step from `peers:` and `sites:` to the policy's words. Refuses to know listeners, routes and rules.
//! Read first: `table.rs`; RFC 3261 §18.1.1.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Source;
use super::fields::{Fields, NamedFields, choose};
use super::listeners::{Met, too_many, transports};
use super::logins;
use super::media;
use super::numbers::{identity, numbers};
use super::plans;
use super::problem::{Cause, listed, quoted};
use super::table::{NAMES_MAX, REFUSAL, REFUSAL_PRESETS};
use super::tree::Value;
use super::values;
use super::world;
use crate::call::rewrite::may_be_passed;
use crate::policy::names::Names;
use crate::policy::number::World;
use crate::policy::peer::{
    CalledFrom, Extensions, Methods, Onward, PassedHeader, Probe, Refreshes, SessionTimers,
};
use crate::policy::refusal::{Presets, RefusalClass};
use crate::policy::{Aim, Domain, Pace, Peer, PeerId, PeerSide, Site};
use crate::sip::{HeaderName, PartyId, Transport};

/// Something read, and the fields it was read from, so that later checks can point at them.
#[derive(Debug)]
pub struct Read<'a, T> {
    /// The thing.
    pub value: T,
    /// Where it stands.
    pub fields: Fields<'a>,
}

/// The words of `side:`.
const SIDES: [(&str, PeerSide); 2] = [("inside", PeerSide::Inside), ("outside", PeerSide::Outside)];

/// Reads `peers:`.
pub fn peers<'a>(
    root: &Fields<'a>,
    names: &mut Names,
    listeners: &BTreeMap<&str, Met>,
    source: &Source,
) -> Vec<Read<'a, Peer>> {
    let (plans, world) = dial_plans(root);
    let read = |NamedFields { name, fields }| {
        let id = names.peer(name).map_err(|_| fields.error("side", too_many())).ok()?;
        let mut value = peer(name, id, &fields, listeners, names);
        value.login = logins::login(&fields, &value, source);
        value.register = logins::register(&fields, &value);
        value.dialling = plans::dialling(name, &fields, &plans, &world);
        if value.side == PeerSide::Inside && fields.is_set("emergency") {
            let cause = Cause::new("emergency calls leave by trunks, and this peer stands inside");
            fields.error("emergency", cause.cure("write it at the trunk"));
        }
        Some(Read { value, fields })
    };
    let read: Vec<Read<'a, Peer>> = root.named("peers").into_iter().filter_map(read).collect();
    let named: usize = read.iter().map(|peer| peer.value.domains().count()).sum();
    if named > NAMES_MAX {
        let cause =
            Cause::new(format!("{named} names among the targets: at most {NAMES_MAX} can be resolved"));
        root.error("peers", cause.cure("write addresses for some"));
    }
    read
}

/// How peers may dial, and what is known of the world's numbers; that is read where somebody dials by a plan.
fn dial_plans<'a>(root: &Fields<'a>) -> (plans::Written<'a>, Arc<World>) {
    if !root.is_set("dial_plans") {
        return (plans::Written::new(), Arc::default());
    }
    match world::built_in() {
        Some(world) => (plans::written(root, &world), world),
        None => {
            let cause = "the number tables that are built in cannot be read: a bug of this build";
            root.error("dial_plans", Cause::new(cause));
            (plans::Written::new(), Arc::default())
        }
    }
}

fn peer(
    name: &str,
    id: PeerId,
    fields: &Fields<'_>,
    listeners: &BTreeMap<&str, Met>,
    names: &mut Names,
) -> Peer {
    let side = fields.choice("side", &SIDES).unwrap_or(PeerSide::Outside);
    let met =
        fields.checked("listener", |text| reference(text, "listener", listeners)).unwrap_or(Met::NOWHERE);
    let transports = transports(fields, met.tls);
    let (party, targets) = aims(name, fields, names, &transports);
    let sources: Vec<_> =
        fields.words("sources", values::source).into_iter().map(|(source, _)| source).collect();
    let addresses: Vec<_> = sources.iter().copied().flatten().collect();
    let (media, plain_media) = media::peer(fields, &addresses);
    let peer = Peer {
        id,
        name: Arc::from(name),
        side,
        site: None,
        listener: met.id,
        media: Arc::new(media),
        sources: addresses,
        targets,
        transports: transports.into_iter().collect(),
        party,
        calls_from_targets: sources.contains(&None),
        request_host: fields.checked("request_host", |text| {
            values::host_and_port(text)?;
            Ok(Arc::from(text))
        }),
        // Read beside: it needs the plans.
        dialling: None,
        callers: None,
        numbers: numbers(fields),
        identity: identity(fields),
        roaming: fields.instead_of_list("sources"),
        // Read when its site is known, as its callers are: `cross.rs`.
        demand: None,
        proof: super::tls::proof(fields, met.tls),
        plain_signalling: allowed(fields, "plain_signalling"),
        plain_media,
        methods: methods(fields),
        redirects: onward(fields, "redirects"),
        transfers: onward(fields, "transfers"),
        extensions: extensions(fields),
        called_from: called_from(fields, side),
        pass_headers: passed_headers(fields),
        refusal: refusal(fields),
        probe: fields.time_if("probe").map(|interval| Probe { interval }),
        concurrent_calls_max: fields.count("concurrent_calls"),
        requests_per_second_max: fields.count("requests_per_second"),
        requests_burst_max: fields.count("requests_burst"),
        try_timeout: fields.time("try_timeout"),
        post_dial_max: fields.time("post_dial_max"),
        ring_max: fields.time("ring_max"),
        pace: pace(fields),
        session_timers: session_timers(fields),
        keep_alive: fields.time_if("keep_alive"),
        login: None,
        register: None,
    };
    calls_from_targets(&peer, fields);
    patience(&peer, fields);
    peer
}

fn passed_headers(fields: &Fields<'_>) -> Vec<PassedHeader> {
    fields.words("pass_headers", passed_header).into_iter().map(|(header, _)| header).collect()
}

/// The three times of a call's setup: each holds the one before.
fn patience(peer: &Peer, fields: &Fields<'_>) {
    if peer.try_timeout > peer.post_dial_max {
        fields.error(
            "post_dial_max",
            Cause::new("post_dial_max is below try_timeout").cure("raise post_dial_max"),
        );
    }
    if peer.post_dial_max > peer.ring_max {
        fields.error("ring_max", Cause::new("ring_max is below post_dial_max").cure("raise ring_max"));
    }
}

/// The peer as a party, and its targets, each name a party of its own.
fn aims(name: &str, fields: &Fields<'_>, names: &mut Names, transports: &[Transport]) -> (PartyId, Vec<Aim>) {
    // RFC 3261 §19.1.2: 5061 is the port of TLS.
    let port = if transports.first() == Some(&Transport::Tls) { 5061 } else { 5060 };
    let mut party = |target: Option<&str>| {
        names.party(name, target).map_err(|_| fields.error("targets", too_many())).unwrap_or_default()
    };
    let own = party(None);
    let aims =
        fields.words("targets", |text| aim(text, port)).into_iter().map(|(written, _)| match written {
            Written::Address(address) => Aim::Address(address),
            Written::Name(host, port) => {
                let mut domain = Domain { host: Arc::from(host), port, party: own };
                domain.party = party(Some(&domain.to_string()));
                Aim::Name(domain)
            }
        });
    (own, aims.collect())
}

/// What stands in `targets`.
enum Written {
    Address(SocketAddr),
    Name(String, Option<u16>),
}

fn aim(text: &str, port_default: u16) -> Result<Written, Cause> {
    let bare = text.trim_matches(['[', ']']);
    let addressed = text.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok();
    match values::domain_name(text) {
        Some((host, port)) => Ok(Written::Name(host, port)),
        // What is wrong with an address is told of it as one.
        None if addressed => values::address(text, Some(port_default)).map(Written::Address),
        None => {
            let cause = Cause::new(format!("{} is neither an address nor a name", quoted(text)));
            Err(cause
                .cure("write sip.example.com, sip.example.com:5060, 192.0.2.1:5060 or [2001:db8::1]:5060"))
        }
    }
}

/// `sources: [targets]`: DNS then says who may call, so it is for those whose calls cost nothing.
fn calls_from_targets(peer: &Peer, fields: &Fields<'_>) {
    if !peer.calls_from_targets {
        return;
    }
    // The word itself, wherever it stands among addresses.
    let words = fields.words("sources", values::source);
    let Some((_, item)) = words.into_iter().find(|(source, _)| source.is_none()) else { return };
    let (place, path) = (item.node.place, &item.path);
    if peer.domains().next().is_none() {
        let cause = "the word targets stands for where the names among its targets lead, and there is none";
        let cause = Cause::new(cause).cure("list its addresses (those of targets need not be)");
        fields.desk().error(place, path, cause);
    } else if peer.side == PeerSide::Inside {
        let cause = "whoever answers DNS for an inside peer's name would call at the owner's cost";
        fields.desk().error(place, path, Cause::new(cause).cure("list the addresses it sends from"));
    } else {
        let cause = "whoever answers DNS for this peer's names says who may call in its place";
        let cause = Cause::new(cause)
            .cure("fine for calls to numbers of your own; list its addresses where they are known");
        fields.desk().warning(place, path, cause);
    }
}

fn pace(fields: &Fields<'_>) -> Pace {
    let per_second = fields.count_if::<u32>("cps").and_then(NonZeroU32::new);
    let burst = fields.count("cps_burst");
    if per_second.is_none() && burst > 1 {
        fields.error(
            "cps_burst",
            Cause::new("cps_burst bounds nothing without cps").cure("write cps, or remove it"),
        );
    }
    Pace {
        per_second,
        burst,
        queue_max: fields.count("cps_queue"),
        wait_max: fields.time("cps_wait"),
        hold_max: fields.time("retry_after_max"),
    }
}

fn allowed(fields: &Fields<'_>, name: &str) -> bool {
    fields.choice(name, &[("allow", true), ("refuse", false)]).unwrap_or(false)
}

/// The thing of a name; an unknown one is told with the nearest.
pub fn reference<T: Copy>(text: &str, kind: &str, known: &BTreeMap<&str, T>) -> Result<T, Cause> {
    known.get(text).copied().ok_or_else(|| {
        let cause =
            Cause::new(format!("there is no {kind} {}", quoted(text))).nearest(text, known.keys().copied());
        if cause.cure.is_some() || known.is_empty() {
            return cause;
        }
        cause.cure(format!("the {kind}s are {}", listed(known.keys().copied().take(8), "and")))
    })
}

fn methods(fields: &Fields<'_>) -> Methods {
    let words = fields.words("allow", |text| choose(text, &[("info", true), ("message", false)]));
    let open = |wanted| words.iter().any(|(info, _)| *info == wanted);
    Methods { info: open(true), message: open(false) }
}

fn onward(fields: &Fields<'_>, key: &'static str) -> Onward {
    let meanings =
        [("refuse", Onward::Refuse), ("judge-and-pass", Onward::JudgeAndPass), ("perform", Onward::Perform)];
    fields.choice(key, &meanings).unwrap_or_default()
}

fn session_timers(fields: &Fields<'_>) -> SessionTimers {
    let Some(written) = fields.section("session_timer") else { return SessionTimers::default() };
    let seconds = |name| u32::try_from(written.time(name).as_secs()).unwrap_or(u32::MAX);
    let who = [("edge", Refreshes::Edge), ("peer", Refreshes::Peer)];
    let timers = SessionTimers {
        expires: seconds("session_expires"),
        min_se: seconds("min_se"),
        refresher: written.choice("refresher", &who).unwrap_or_default(),
    };
    if timers.min_se > timers.expires {
        let cause = Cause::new("min_se is above session_expires");
        written.error("min_se", cause.cure("lower min_se or raise session_expires"));
    }
    timers
}

fn extensions(fields: &Fields<'_>) -> Extensions {
    if !fields.is_set("extensions") {
        return Extensions::ALL;
    }
    let meanings = [("100rel", "100rel"), ("update", "update"), ("none", "none")];
    let words = fields.words("extensions", |text| choose(text, &meanings));
    let open = |wanted| words.iter().any(|(word, _)| *word == wanted);
    if open("none") && words.len() > 1 {
        let cause = "none stands beside an extension";
        fields.error("extensions", Cause::new(cause).cure("write [none] alone, or take it out"));
    }
    Extensions { reliable: open("100rel"), update: open("update") }
}

fn called_from(fields: &Fields<'_>, side: PeerSide) -> CalledFrom {
    let meanings = [
        ("request_uri", CalledFrom::RequestUri),
        ("to", CalledFrom::To),
        ("p_called_party_id", CalledFrom::PCalledPartyId),
    ];
    let read = fields.choice("called_from", &meanings).unwrap_or_default();
    if read != CalledFrom::RequestUri && side == PeerSide::Inside {
        let cause = "what an inside peer calls is always read from the Request-URI";
        fields.error("called_from", Cause::new(cause).cure("remove it, or set it at the trunk"));
    }
    read
}

fn passed_header(text: &str) -> Result<PassedHeader, Cause> {
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(token) {
        return Err(Cause::new(format!("{} is not a header's name", quoted(text)))
            .cure("write the name alone, e.g. Alert-Info"));
    }
    let header = HeaderName::read(text.as_bytes());
    if header == HeaderName::Unknown {
        return Ok(PassedHeader::Named(Arc::from(text)));
    }
    if !may_be_passed(header) {
        let cause =
            format!("{} belongs to the edge itself on each leg and cannot be passed", header.as_str());
        return Err(Cause::new(cause).cure(instead_of_passing(header)));
    }
    Ok(PassedHeader::Known(header))
}

/// What to write for a header that crosses by another key.
const BY_TRUST: [(HeaderName, &str); 5] = [
    (HeaderName::PAssertedIdentity, TRUST),
    (HeaderName::Privacy, TRUST),
    (HeaderName::PPreferredIdentity, TRUST),
    (
        HeaderName::PEarlyMedia,
        "remove it; it crosses from a peer with asserted_identity: in to one with asserted_identity: out (or both)",
    ),
    (
        HeaderName::RemotePartyId,
        "remove it; write asserted_identity: in and caller_in: [remote_party_id, from] at the peer that sends it, and asserted_identity: out here: this peer is told who calls in P-Asserted-Identity",
    ),
];

const TRUST: &str = "remove it; write asserted_identity: out here to tell this peer who calls, and asserted_identity: in at a peer that is believed when it says so";

fn instead_of_passing(header: HeaderName) -> &'static str {
    BY_TRUST.iter().find(|(by_trust, _)| *by_trust == header).map_or("remove it", |(_, cure)| cure)
}

fn refusal(fields: &Fields<'_>) -> Presets {
    let preset = |text: &str| {
        Presets::named(text).ok_or_else(|| {
            let cause = Cause::new(format!("there is no preset {}", quoted(text)))
                .nearest(text, REFUSAL_PRESETS.iter().copied());
            if cause.cure.is_some() {
                cause
            } else {
                cause.cure(format!("the presets are {}", listed(REFUSAL_PRESETS.iter().copied(), "and")))
            }
        })
    };
    let Some(node) = fields.node("refusal").filter(|node| matches!(node.value, Value::Map(_))) else {
        return fields.checked("refusal", preset).unwrap_or_default();
    };
    let path = fields.path_of("refusal");
    let Some(refusal) = Fields::open(fields.desk(), &REFUSAL, node, node.place, path) else {
        return Presets::default();
    };
    let base = refusal.checked("preset", preset).unwrap_or_default();
    let status = |class: RefusalClass| {
        let name = class.name();
        let written = refusal.count_if::<u16>(name);
        if let Some(status) = written.filter(|status| !class.allows(*status)) {
            let cause = format!("{status} would make a PBX try another way out, or asks it for a password");
            refusal.error(name, Cause::new(cause).cure("write a 4xx or 6xx, but not 401, 407 or 408"));
        }
        written.or_else(|| base.status(class))
    };
    Presets {
        blocked: status(RefusalClass::Blocked),
        capped: status(RefusalClass::Capped),
        unreadable: status(RefusalClass::Unreadable),
        unencrypted: status(RefusalClass::Unencrypted),
        suspended: status(RefusalClass::Suspended),
        no_target: status(RefusalClass::NoTarget),
    }
}

/// Reads `sites:`.
pub fn sites<'a>(
    root: &Fields<'a>,
    names: &mut Names,
    peers: &BTreeMap<&str, PeerId>,
) -> Vec<Read<'a, Site>> {
    let read = |NamedFields { name, fields }| {
        let id = names.site(name).map_err(|_| fields.error("peers", too_many())).ok()?;
        let value = Site {
            id,
            name: Arc::from(name),
            peers: fields
                .words("peers", |text| reference(text, "peer", peers))
                .into_iter()
                .map(|(peer, _)| peer)
                .collect(),
            dids: fields.words("dids", number).into_iter().map(|(number, _)| number).collect(),
            domains: fields.words("domains", domain).into_iter().map(|(domain, _)| domain).collect(),
            channels: fields.count("channels"),
        };
        Some(Read { value, fields })
    };
    root.named("sites").into_iter().filter_map(read).collect()
}

fn number(text: &str) -> Result<Arc<str>, Cause> {
    values::number(text)?;
    Ok(Arc::from(text))
}

fn domain(text: &str) -> Result<Arc<str>, Cause> {
    values::host(text)?;
    Ok(Arc::from(text))
}
