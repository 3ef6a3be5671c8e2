//! Media as it is written: where it is received, what each peer's may, and whether the two fit.
//!
//! Owns `media:` at the top and in peers, and the old key `plain_media`. Refuses to know SDP and keys.
//! Read first: `table/media.rs`; `policy/media.rs`; RFC 3550 §11; DESIGN.md §1, law 2.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::fields::{Fields, join};
use super::peers::Read;
use super::problem::{Cause, nearest, quoted};
use super::table::PEER_MEDIA;
use super::tree::{Entry, Value};
use super::values;
use crate::clock::time_text;
use crate::config::values::network_text;
use crate::media::anchor::CODECS;
use crate::media::dtls::PROFILES;
use crate::media::srtp::Suite;
use crate::policy::media::{Keying, PeerMedia, Place, SiteMedia};
use crate::policy::{Listener, Peer, PeerSide, Site};
use crate::sip::Transport;

/// Ports below it are those of known services, and most systems give them to root alone.
const PORT_LEAST: u16 = 1_024;
/// The shortest silence that ends a call, and the longest.
const SILENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));

/// `media:` as it was read, and where each side's place stands.
#[derive(Debug)]
pub struct Written<'a> {
    fields: Fields<'a>,
    inside: Fields<'a>,
    outside: Fields<'a>,
    /// What it says, where it could be read whole.
    pub value: Option<SiteMedia>,
}

/// Reads `media:`; `None` where it is left out.
pub fn site<'a>(root: &Fields<'a>) -> Option<Written<'a>> {
    if !root.is_set("media") {
        let cause = "media is not anchored: whatever two peers agree on crosses past this edge, unseen, and each is told \
                     the addresses of the other";
        let cure = "write media: with the addresses and ports that it is received at (reference.yaml)";
        root.desk().warning(root.place, "media", Cause::new(cause).cure(cure));
        return None;
    }
    let fields = root.section("media")?;
    let (inside, outside) = (fields.section("inside")?, fields.section("outside")?);
    let rest = fields.time("rest");
    let places = (place(&inside), place(&outside));
    let value = match places {
        (Some(inside), Some(outside)) => {
            let loopback = inside.address.is_loopback() || outside.address.is_loopback();
            Some(SiteMedia { inside, outside, rest, loopback })
        }
        (None, _) | (_, None) => None,
    };
    let written = Written { fields, inside, outside, value };
    written.apart();
    Some(written)
}

fn place(fields: &Fields<'_>) -> Option<Place> {
    let ip = |text: &str| {
        let ip = values::ip(text)?;
        if ip.is_unspecified() {
            let cause = format!("{} is every address at once, and media would leave from any", quoted(text));
            return Err(Cause::new(cause).cure("name the one address that the peers of this side send to"));
        }
        Ok(ip)
    };
    let (address, advertise) = (fields.checked("address", ip), fields.checked("advertise", ip));
    let ports = fields.checked("ports", ports);
    let (address, ports) = (address?, ports?);
    let advertise = advertise.unwrap_or(address);
    if advertise.is_ipv4() != address.is_ipv4() {
        let cause = format!("{advertise} is told, and {address} is bound: they are of different families");
        fields.error("advertise", Cause::new(cause).cure("write two of IPv4, or two of IPv6"));
        return None;
    }
    Some(Place { address, advertise, ports })
}

/// `20000-24999`, with at least one pair of an even port and the next one.
fn ports(text: &str) -> Result<RangeInclusive<u16>, Cause> {
    let unreadable =
        || Cause::new(format!("{} is not a range of ports", quoted(text))).cure("write it as 20000-24999");
    let (first, last) = text.split_once('-').ok_or_else(unreadable)?;
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| unreadable());
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        let cause = format!("{text} ends before it begins");
        return Err(Cause::new(cause).cure(format!("write {last}-{first}")));
    }
    if first < PORT_LEAST {
        let cause = format!("ports below {PORT_LEAST} are those of known services");
        return Err(Cause::new(cause).cure("begin higher, e.g. 20000-24999"));
    }
    let range = first..=last;
    // RFC 3550 §11: RTP on an even port, RTCP on the next.
    if first.next_multiple_of(2) >= last {
        let cause = format!("{text} holds no even port with the next one, and a stream takes both");
        return Err(Cause::new(cause).cure("write more ports: two for each call and stream"));
    }
    Ok(range)
}

fn overlap(one: &RangeInclusive<u16>, other: &RangeInclusive<u16>) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

impl Written<'_> {
    /// Both sides with their names, their fields and what they say.
    fn places(&self) -> impl Iterator<Item = (PeerSide, &Fields<'_>, &Place)> {
        let of = |side, fields| self.value.as_ref().map(|media| (side, fields, media.place(side)));
        of(PeerSide::Inside, &self.inside).into_iter().chain(of(PeerSide::Outside, &self.outside))
    }

    /// A port of one address has one side.
    fn apart(&self) {
        let Some(media) = &self.value else { return };
        let (inside, outside) = (&media.inside, &media.outside);
        if inside.address == outside.address && overlap(&inside.ports, &outside.ports) {
            let (first, last) = (inside.ports.start(), inside.ports.end());
            let cause =
                format!("both sides receive at {}, and inside has {first}-{last} there", inside.address);
            let cure = "write ranges that do not overlap, or another address";
            self.outside.error("ports", Cause::new(cause).cure(cure));
        }
        if inside.address.is_loopback() != outside.address.is_loopback() {
            let cause = "one side is this machine alone, and the other is not";
            let cure = "fine where a PBX runs on this machine: both sides may then name loopback addresses that their \
                        networks hold";
            self.fields.desk().warning(self.fields.place, &self.fields.path, Cause::new(cause).cure(cure));
        }
    }

    /// Against the listeners, which have ports too, and the sites, which have channels.
    pub fn fits(&self, listeners: &[Read<'_, Listener>], sites: &[Read<'_, Site>]) {
        let channels: u32 = sites.iter().fold(0, |sum, site| sum.saturating_add(site.value.channels));
        for (_, fields, place) in self.places() {
            let taken = listeners.iter().map(|read| &read.value).find(|listener| {
                listener.transports.contains(&Transport::Udp)
                    && listener.bind.ip() == place.address
                    && place.ports.contains(&listener.bind.port())
            });
            if let Some(listener) = taken {
                let cause = format!("{} is the port of listener {}", listener.bind, quoted(&listener.name));
                fields.error("ports", Cause::new(cause).cure("write a range without it"));
            }
            let streams = place.streams();
            if streams < channels {
                let cause = format!(
                    "ports for {streams} calls at once, and the channels of the sites are {channels}"
                );
                let cure = "calls beyond them are refused (39403): write two ports for each channel, and some that rest";
                fields.warning("ports", Cause::new(cause).cure(cure));
            }
        }
    }
}

/// Reads a peer's `media:`, and whether it may be in the clear. Where its networks are left out, they are its sources.
pub fn peer(fields: &Fields<'_>, sources: &[IpNet]) -> (PeerMedia, bool) {
    let usual = PeerMedia::of(sources.into());
    let old = fields.choice("plain_media", &[("allow", true), ("refuse", false)]);
    let Some(written) = fields.section("media") else { return (usual, old.unwrap_or(false)) };
    let new = written.choice("srtp", &[("required", false), ("plain", true)]);
    if fields.is_set("plain_media") && written.is_set("srtp") {
        let cause = "plain_media is the old word for media.srtp, and both stand here";
        fields.error("plain_media", Cause::new(cause).cure("remove plain_media"));
    }
    (allowed(&written, usual), new.or(old).unwrap_or(false))
}

fn allowed(written: &Fields<'_>, usual: PeerMedia) -> PeerMedia {
    let networks: Vec<IpNet> =
        written.words("networks", values::network).into_iter().map(|(network, _)| network).collect();
    let names = |key: &str, read: fn(&str) -> Result<Box<str>, Cause>| {
        let mut names: Vec<Box<str>> = Vec::new();
        for (name, item) in written.words(key, read) {
            if names.contains(&name) {
                let cause = Cause::new(format!("{name} stands here twice"));
                written.desk().error(item.node.place, &item.path, cause.cure("remove one"));
            } else {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| Arc::from(names))
    };
    let keying =
        written.choice("keying", &[("sdes", Keying::Sdes), ("dtls", Keying::Dtls)]).unwrap_or_default();
    let suites = names("suites", suite);
    let by_handshake = |names: &Arc<[Box<str>]>| {
        names.iter().any(|name| PROFILES.iter().any(|profile| profile.token() == &**name))
    };
    if keying == Keying::Dtls && !suites.as_ref().is_none_or(by_handshake) {
        let cause = Cause::new("a handshake agrees on none of the suites that stand here");
        let known: Vec<&str> = PROFILES.iter().map(|profile| profile.token()).collect();
        written.error("suites", cause.cure(format!("add one of {}", known.join(", "))));
    }
    PeerMedia {
        networks: if written.is_set("networks") { networks.into() } else { usual.networks },
        codecs: names("codecs", codec),
        suites,
        keying,
        video: written.choice("video", &[("allow", true), ("refuse", false)]).unwrap_or(false),
        behind_nat: written.checked("behind_nat", values::flag).unwrap_or(false),
        dscp: written.count("dscp"),
        packets_per_second_max: written.count("packets_per_second"),
        silence: written.checked("silence", silence).unwrap_or(usual.silence),
    }
}

fn codec(text: &str) -> Result<Box<str>, Cause> {
    if text.eq_ignore_ascii_case("telephone-event") {
        let cause = Cause::new("telephone-event crosses whatever is listed");
        return Err(cause.cure("remove it"));
    }
    let known = CODECS.iter().find(|name| name.eq_ignore_ascii_case(text));
    known.map(|name| Box::from(*name)).ok_or_else(|| {
        let cause = Cause::new(format!("{} is no codec that is known", quoted(text)));
        match nearest(text, CODECS) {
            Some(meant) => cause.nearest(text, [meant]),
            None => cause.cure(format!("those are {}", CODECS.join(", "))),
        }
    })
}

fn suite(text: &str) -> Result<Box<str>, Cause> {
    Suite::read(text.as_bytes()).map(|suite| Box::from(suite.token())).ok_or_else(|| {
        let words = || Suite::ALL.into_iter().map(Suite::token);
        let cause = Cause::new(format!("{} is no suite that is spoken", quoted(text)));
        match nearest(text, words()) {
            Some(meant) => cause.nearest(text, [meant]),
            None => cause.cure(format!("those are {}", words().collect::<Vec<_>>().join(", "))),
        }
    })
}

fn silence(text: &str) -> Result<Option<Duration>, Cause> {
    if text == "never" {
        return Ok(None);
    }
    values::time(text, SILENCE.0, SILENCE.1).map(Some)
}

/// What a peer's media may, held against where media is received and how the peer signals.
pub fn told(peer: &Peer, fields: &Fields<'_>, site: Option<&Written<'_>>, spoken: &[Transport]) {
    let key = if fields.is_set("plain_media") { "plain_media" } else { "media" };
    let name = quoted(&peer.name);
    let private = spoken.iter().any(|transport| transport.is_encrypted());
    if peer.plain_media {
        let cause = format!("speech with {name} may run in the clear");
        let cure = "keep this to a network that nobody else can listen on";
        fields.warning(key, Cause::new(cause).cure(cure));
    } else if site.is_none() && (peer.plain_signalling || peer.proof.is_some()) {
        // Speech crosses unchanged: a promise that it is encrypted could not be kept.
        let cause = format!(
            "calls of {name} would pass, and without media: nothing sees to it that their speech is encrypted"
        );
        let cure = "write media: at the top of the file (reference.yaml), or media: { srtp: plain } here if the network \
                    between is trusted";
        fields.error(key, Cause::new(cause).cure(cure));
    } else if site.is_some() && peer.plain_signalling && !private && !spoken.is_empty() {
        // RFC 4568 §5.1.2: a key that everybody can read encrypts for nobody.
        let cause = format!(
            "speech with {name} must be encrypted, and its signalling, which tells the keys, is not: no call of it would \
             pass (32208)"
        );
        let cure = "speak tls with it, or write media: { srtp: plain } if the network between is trusted";
        fields.error(key, Cause::new(cause).cure(cure));
    }
    match site {
        Some(site) => reachable(peer, fields, site),
        None => unused(fields),
    }
}

/// The keys of a peer's media that are written, with where their values stand. They are read by [`peer`].
fn keys<'a>(fields: &Fields<'a>) -> &'a [Entry] {
    match fields.node("media").map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        Some(Value::Nothing | Value::Scalar(_) | Value::List(_) | Value::Untold) | None => &[],
    }
}

/// Keys of a peer's media that nothing reads while media is not anchored.
fn unused(fields: &Fields<'_>) {
    let known = |entry: &&Entry| entry.key != "srtp" && PEER_MEDIA.key(&entry.key).is_some();
    for entry in keys(fields).iter().filter(known) {
        let cause = "nothing reads it, for media is not anchored";
        let cure =
            "write media: at the top of the file with the places that it is received at, or remove this";
        let path = join(&fields.path_of("media"), &entry.key);
        fields.desk().error(entry.place, &path, Cause::new(cause).cure(cure));
    }
}

/// Whether a peer's media can be where it may be.
fn reachable(peer: &Peer, fields: &Fields<'_>, site: &Written<'_>) {
    let networks = &peer.media.networks;
    let error = |cause: Cause| match keys(fields).iter().find(|entry| entry.key == "networks") {
        Some(entry) => {
            let path = join(&fields.path_of("media"), "networks");
            fields.desk().error(entry.value.place, &path, cause);
        }
        None => fields.error("sources", cause),
    };
    let name = quoted(&peer.name);
    let cure = "write media: { networks: [...] } with the addresses that it receives media at";
    if networks.is_empty() {
        // What could not be read is told; what is not there has no default to take.
        if fields.desk().is_flawed(&fields.path) {
            return;
        }
        let cause = format!("{name} has no addresses of its own, so nothing says where its media may be");
        error(Cause::new(cause).cure(cure));
        return;
    }
    let Some((_, _, place)) = site.places().find(|(side, _, _)| *side == peer.side) else { return };
    let is_ipv4 = place.advertise.is_ipv4();
    if !networks.iter().any(|network| network.addr().is_ipv4() == is_ipv4) {
        let (theirs, first) = (if is_ipv4 { "IPv6" } else { "IPv4" }, networks.first().map(network_text));
        let cause = format!(
            "{name} may have media at {} alone ({theirs}), and its side receives at {}",
            first.unwrap_or_default(),
            place.advertise
        );
        error(Cause::new(cause).cure(cure));
    }
}

/// Where media is received, for `check`.
pub fn sentences(media: Option<&SiteMedia>) -> Vec<String> {
    let Some(media) = media else {
        return vec![
            "Media is NOT anchored: it goes where two peers agree, past this edge and unseen.".to_owned(),
        ];
    };
    let place = |name: &str, place: &Place| {
        let told = if place.advertise == place.address {
            String::new()
        } else {
            format!(", told to peers as {}", place.advertise)
        };
        let (first, last) = (place.ports.start(), place.ports.end());
        let streams = super::check::grouped(place.streams().into());
        format!("{name}: {} ports {first}-{last}{told}; {streams} streams at once", place.address)
    };
    vec![
        place("inside", &media.inside),
        place("outside", &media.outside),
        format!("a port that comes back rests for {}", time_text(media.rest)),
    ]
}

/// What a peer's media may, for `check`.
pub fn peer_sentences(peer: &Peer) -> Vec<String> {
    let media = &peer.media;
    let networks: Vec<String> = media.networks.iter().map(network_text).collect();
    let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
    let at = if media.behind_nat { ", where its first packet comes from" } else { "" };
    let mut out = vec![format!("media at {}{at}", super::check::several(networks.into_iter(), "and"))];
    let listed = |names: &[Box<str>]| names.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    out.extend(media.codecs.as_deref().map(|codecs| format!("codecs that may cross: {}", listed(codecs))));
    out.extend(media.suites.as_deref().map(|suites| format!("suites of SRTP: {}", listed(suites))));
    if media.video {
        out.push("pictures may cross".to_owned());
    }
    out.push(match media.silence {
        Some(silence) => format!(
            "its silence is told after {}, and ends a call in which nobody else is heard",
            time_text(silence)
        ),
        None => "its silence is not told, and ends no call".to_owned(),
    });
    out
}
