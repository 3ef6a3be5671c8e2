//! What `check` says of each peer: who it is, where calls to it go, what it must show and is shown, and what is open to it.
//!
//! Owns the words. Refuses to judge. Read first: `../check.rs`.

use std::time::Duration;

use super::{grouped, several, transports};
use crate::clock::time_text;
use crate::config::Config;
use crate::config::values::network_text;
use crate::config::{callers, logins, media, numbers, plans, tls};
use crate::policy::credential::{Credential, Demand};
use crate::policy::peer::{CalledFrom, Onward, Refreshes, SessionTimers};
use crate::policy::route::Pattern;
use crate::policy::{Peer, PeerSide};

pub(super) fn peers(config: &Config) -> Vec<String> {
    let policy = &config.policy;
    let mut out = Vec::new();
    for peer in policy.peers.iter().flatten() {
        let side = match peer.side {
            PeerSide::Inside => "inside (PBX)",
            PeerSide::Outside => "outside (trunk)",
        };
        let listener = policy.listener(peer.listener).map_or("", |listener| &*listener.name);
        let mut sources: Vec<String> = peer.sources.iter().map(network_text).collect();
        let targets = peer.addresses().map(|address| address.ip());
        // What a target sends within a call is the peer's as well.
        let unlisted = targets.filter(|target| !peer.sources.iter().any(|network| network.contains(target)));
        sources.extend(unlisted.map(|target| target.to_string()));
        if peer.calls_from_targets {
            sources.push("wherever DNS leads the names of its targets".to_owned());
        }
        let sources = several(sources.iter().map(String::as_str), "and");
        let known = if peer.roaming {
            let certificate = peer.proof.as_ref().is_some_and(|proof| proof.client_certificate);
            let by = match (certificate, peer.demand.is_some()) {
                (true, true) => "certificate and its password",
                (true, false) => "certificate alone",
                (false, _) => "password alone",
            };
            format!("from ANY address, known by its {by}")
        } else {
            format!("known by its source: {sources}")
        };
        out.push(format!("{}: {side}, met on listener {listener}, {known}", peer.name));
        out.extend(peer.demand.as_deref().map(shown));
        out.push(format!("    {}", reached(peer)));
        out.extend(named(peer));
        out.push(format!(
            "    at most {} calls at once, {} requests a second ({} at once)",
            grouped(peer.concurrent_calls_max.into()),
            grouped(peer.requests_per_second_max.into()),
            grouped(peer.requests_burst_max.into())
        ));
        out.extend(paced(peer));
        out.push(format!("    {}", timed(&peer.session_timers)));
        out.extend(kept(peer));
        out.push(format!("    {}", secrecy(peer)));
        if policy.media.is_some() {
            out.extend(media::peer_sentences(peer).into_iter().map(|sentence| format!("    {sentence}")));
        }
        out.extend(tls::sentences(peer).into_iter().map(|sentence| format!("    {sentence}")));
        let profile = config.profiles.iter().find(|(id, _)| *id == peer.id);
        let profile = profile.map(|(_, applied)| applied.told()).unwrap_or_default();
        out.extend(extras(peer).into_iter().chain(profile).map(|extra| format!("    {extra}")));
    }
    out
}

/// What a peer must show.
fn shown(demand: &Demand) -> String {
    let users: Vec<String> = demand.credentials.iter().map(|one| may_call_as(one)).collect();
    let hashes: Vec<&str> = demand.hashes.iter().map(|hash| hash.token()).collect();
    format!(
        "    and it shows a password before it calls ({} by {}, realm {}): {}",
        demand.status(),
        several(hashes.into_iter(), "or"),
        demand.realm,
        several(users.iter().map(String::as_str), "or")
    )
}

/// A user, and whom it may say to be.
fn may_call_as(credential: &Credential) -> String {
    let text = |pattern: &Pattern| match pattern {
        Pattern::Exact(number) => number.to_string(),
        Pattern::Prefix(prefix) => format!("{prefix}*"),
        Pattern::List(list) => several(list.iter().map(|number| &**number), "or"),
        Pattern::SiteDid => "a DID of the site".to_owned(),
        Pattern::Any => "anybody".to_owned(),
    };
    let callers: Vec<String> = credential.callers.iter().map(text).collect();
    format!("{} (calls as {})", credential.user, several(callers.iter().map(String::as_str), "or"))
}

fn reached(peer: &Peer) -> String {
    if peer.targets.is_empty() {
        return "no calls go to it".to_owned();
    }
    let targets: Vec<String> = peer.targets.iter().map(ToString::to_string).collect();
    let targets = several(targets.iter().map(String::as_str), "then");
    let probed = match peer.probe {
        Some(probe) => format!("asked every {} whether it lives", time_text(probe.interval)),
        None => "not probed".to_owned(),
    };
    format!(
        "calls to it go to {targets} by {}, {probed}; {} without an answer: the next",
        transports(peer.transports.iter()),
        time_text(peer.try_timeout)
    )
}

/// Names say nothing here: they are asked for while the edge runs.
fn named(peer: &Peer) -> Option<String> {
    let names: Vec<String> = peer.domains().map(ToString::to_string).collect();
    let first = peer.domains().next()?;
    let encrypted = peer.transports.first().is_some_and(|transport| transport.is_encrypted());
    let only = if encrypted { "; what DNS offers in the clear is not used" } else { "" };
    Some(format!(
        "    DNS says where {} leads, while the edge runs (`ringfence status` shows it): NAPTR and SRV for a name without a port, else its addresses{only}. Try it now: dig {}",
        several(names.iter().map(String::as_str), "and"),
        first.first_question(&peer.transports)
    ))
}

fn timed(timers: &SessionTimers) -> String {
    let time = |seconds: u32| time_text(Duration::from_secs(seconds.into()));
    let who = match timers.refresher {
        Refreshes::Edge => "by the edge",
        Refreshes::Peer => "by the peer, where it can",
    };
    let (half, least) = (time(timers.expires / 2), time(timers.min_se));
    format!(
        "a call is refreshed after {half} at the latest, {who}; sessions shorter than {least} are refused"
    )
}

fn kept(peer: &Peer) -> Option<String> {
    let interval = peer.keep_alive?;
    Some(format!("    an empty line to it every {} during a call", time_text(interval)))
}

fn paced(peer: &Peer) -> Option<String> {
    let calls = peer.pace.per_second?;
    Some(format!(
        "    at most {} new calls to it a second ({} at once); {} more wait, {} each at most",
        grouped(u64::from(calls.get())),
        grouped(peer.pace.burst.into()),
        grouped(peer.pace.queue_max.into()),
        time_text(peer.pace.wait_max)
    ))
}

fn secrecy(peer: &Peer) -> String {
    let word = |plain: bool| if plain { "MAY BE IN THE CLEAR" } else { "encrypted or refused" };
    format!("signalling {}, speech {}", word(peer.plain_signalling), word(peer.plain_media))
}

fn extras(peer: &Peer) -> Vec<String> {
    let mut out = Vec::new();
    let methods = [(peer.methods.info, "INFO"), (peer.methods.message, "MESSAGE")];
    let open: Vec<&str> = methods.iter().filter(|(open, _)| *open).map(|(_, name)| *name).collect();
    if !open.is_empty() {
        out.push(format!("it may also send {}", open.join(" and ")));
    }
    match peer.redirects {
        Onward::Refuse => {}
        Onward::JudgeAndPass => out.push("its redirects are judged and told to the caller".to_owned()),
        Onward::Perform => out.push("its redirects are judged and called".to_owned()),
    }
    match peer.transfers {
        Onward::Refuse => {}
        Onward::JudgeAndPass => out.push("its transfers are judged and told to the other side".to_owned()),
        Onward::Perform => out.push("its transfers are judged and carried out by the edge".to_owned()),
    }
    let extensions = [(peer.extensions.reliable, "100rel"), (peer.extensions.update, "update")];
    let shut: Vec<&str> = extensions.iter().filter(|(open, _)| !*open).map(|(_, name)| *name).collect();
    if !shut.is_empty() {
        out.push(format!("SIP extensions closed to it: {}", shut.join(" and ")));
    }
    if !peer.pass_headers.is_empty() {
        let names = peer.pass_headers.iter().map(|header| match header {
            crate::policy::peer::PassedHeader::Known(name) => name.as_str(),
            crate::policy::peer::PassedHeader::Named(name) => name,
        });
        out.push(format!("headers that also cross towards it: {}", several(names, "and")));
    }
    out.extend(peer.dialling.as_deref().map(plans::told));
    out.extend(numbers::told(&peer.numbers));
    out.extend(numbers::trust_told(&peer.identity));
    out.extend(callers::told(peer));
    out.extend(peer.login.as_deref().map(logins::told));
    out.extend(peer.register.as_ref().map(logins::registered));
    match peer.called_from {
        CalledFrom::RequestUri => {}
        CalledFrom::To => out.push("the number called is read from To".to_owned()),
        CalledFrom::PCalledPartyId => out.push("the number called is read from P-Called-Party-ID".to_owned()),
    }
    out
}
