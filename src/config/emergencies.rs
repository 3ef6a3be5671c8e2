//! What a policy means for emergency calls: where each leaves, and what looks as if it never could.
//!
//! Owns the sentences of `check` and the warnings. Refuses to judge: every call is judged by the policy that was built, as the
//! edge judges it. Read first: DESIGN.md §1, law 3; `policy/emergency.rs`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Source;
use super::check::several;
use super::places::Places;
use super::problem::{Cause, Desk, Place, quoted};
use crate::clock::Now;
use crate::policy::number::{Dialled, Dialling};
use crate::policy::verdict::Said;
use crate::policy::{Counters, Facts, Located, Outcome, Peer, PeerSide, Policy, Verdict, admit};
use crate::sip::{Method, Transport};

/// The service that is asked for by name.
const SERVICE: &str = "sos";

/// Where one inside peer's emergency calls go.
struct Way {
    numbers: Vec<String>,
    /// Trunks in their order; none where the call is refused.
    trunks: Vec<String>,
    /// What says so.
    path: String,
}

/// Where emergency calls go, a sentence for each inside peer whose calls are recognised and each way they take.
pub fn sentences(policy: &Policy) -> Vec<String> {
    let located = Located::assumed(policy);
    let mut out = Vec::new();
    for (peer, dialling) in callers(policy) {
        for way in ways(policy, &located, peer, dialling) {
            let numbers = several(way.numbers.iter().map(String::as_str), "and");
            out.push(if way.trunks.is_empty() {
                format!("{}: {numbers} can go NOWHERE", peer.name)
            } else {
                let trunks = way.trunks.join(", then ");
                format!("{}: {numbers} to {trunks}, past every rule and cap ({})", peer.name, way.path)
            });
        }
    }
    out
}

/// Warns of emergency calls that no trunk takes, and of words for them that mislead.
pub fn warn(policy: &Policy, source: &Source, desk: &Desk<'_>) {
    let mut found = Vec::new();
    let located = Located::assumed(policy);
    for (peer, dialling) in callers(policy) {
        for way in ways(policy, &located, peer, dialling).iter().filter(|way| way.trunks.is_empty()) {
            let numbers = several(way.numbers.iter().map(String::as_str), "and");
            let cause = format!("no trunk can take an emergency call of {} ({numbers})", peer.name);
            let cure = "give its site a trunk with targets, or add a route whose `called` names the number";
            found.push((format!("peers.{}.dial_plan", peer.name), Cause::new(cause).cure(cure)));
        }
    }
    for trunk in policy.peers.iter().flatten().filter(|peer| peer.side == PeerSide::Outside) {
        for (number, known) in &trunk.numbers.emergency {
            let path = format!("peers.{}.emergency.{number}", trunk.name);
            let causes = [unused(policy, trunk, number), misled(policy, &located, trunk, number, known)];
            found.extend(causes.into_iter().flatten().map(|cause| (path.clone(), cause)));
        }
    }
    if found.is_empty() {
        return;
    }
    // The file is read once more for its places alone, and only where there is something to say.
    let places = Places::read(source);
    for (path, cause) in found {
        let place = places.find(&path).place.unwrap_or(Place { line: 1, column: 1, length: 1 });
        desk.warning(place, &path, cause);
    }
}

/// Inside peers whose emergency calls are recognised, with their plans.
fn callers(policy: &Policy) -> impl Iterator<Item = (&Peer, &Dialling)> {
    let inside = policy.peers.iter().flatten().filter(|peer| peer.side == PeerSide::Inside);
    inside.filter_map(|peer| Some((&**peer, peer.dialling.as_deref()?)))
}

/// Those of them whose calls may come to a trunk: of its site, or all where it has none.
fn callers_of<'a>(policy: &'a Policy, trunk: &'a Peer) -> impl Iterator<Item = (&'a Peer, &'a Dialling)> {
    callers(policy).filter(|(peer, _)| trunk.site.is_none() || peer.site == trunk.site)
}

/// Where the numbers of a peer's plan go; those that go alike stand together.
fn ways(policy: &Policy, located: &Located, peer: &Peer, dialling: &Dialling) -> Vec<Way> {
    let numbers = dialling.plan.emergency.iter().map(|pattern| pattern.as_str().to_owned());
    let mut ways: Vec<Way> = Vec::new();
    for number in numbers.chain([SERVICE.to_owned()]) {
        let verdict = called(policy, located, peer, &number.replace('x', "0"), None);
        let mut trunks = Vec::new();
        if let Outcome::Admit(candidates) = &verdict.outcome {
            let names = candidates.iter().filter_map(|one| policy.peer(one.peer));
            trunks.extend(names.map(|peer| peer.name.to_string()));
            // Several targets of one trunk are one trunk.
            trunks.dedup();
        }
        let path = verdict.trail.iter().rfind(|step| step.said == Said::Match);
        let path = path.map_or_else(String::new, |step| step.rule.to_string());
        match ways.iter_mut().find(|way| way.trunks == trunks && way.path == path) {
            Some(way) => way.numbers.push(number),
            None => ways.push(Way { numbers: vec![number], trunks, path }),
        }
    }
    ways
}

/// The verdict on a call of a peer: on an emergency, or on a number that was read.
fn called(policy: &Policy, located: &Located, peer: &Peer, number: &str, read: Option<&Dialled>) -> Verdict {
    let facts = Facts {
        now: Now::default(),
        peer: peer.id,
        source: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        transport: Transport::Tls,
        method: &Method::Invite,
        holds_place: false,
        call_id: b"",
        in_dialog: false,
        request_host: None,
        secure: false,
        keys: false,
        replaces: false,
        caller: "",
        caller_sent: "",
        credential: None,
        owned: None,
        hidden: false,
        shows: false,
        forwarded: None,
        sent_on: None,
        again: 0,
        called: read.map_or(number, Dialled::as_str),
        dialled: number,
        number: read.map(|read| &read.reading.number),
        emergency: read.is_none(),
        max_forwards: None,
        via_count: 1,
        passed_before: false,
        draw: 0,
        located,
        direction: None,
        target: None,
    };
    admit(policy, &Counters::default(), &facts)
}

/// A word for a number that nobody's plan knows as an emergency.
fn unused(policy: &Policy, trunk: &Peer, number: &str) -> Option<Cause> {
    let is_service = number == SERVICE || number.starts_with("sos.");
    let knows = |dialling: &Dialling| is_service || is_emergency(dialling, number);
    if callers_of(policy, trunk).any(|(_, dialling)| knows(dialling)) {
        return None;
    }
    let cause = Cause::new(format!(
        "no dial plan of an inside peer reads {number} as an emergency: nothing leaves so"
    ));
    Some(cause.cure("remove it, or add the number to `emergency` of a dial plan"))
}

/// What a trunk is said to know an emergency number as, where that is none for anybody here.
fn misled(policy: &Policy, located: &Located, trunk: &Peer, number: &str, known: &str) -> Option<Cause> {
    let is_service = known == SERVICE || known.starts_with("sos.");
    if is_service || callers_of(policy, trunk).any(|(_, dialling)| is_emergency(dialling, known)) {
        return None;
    }
    let refused = callers_of(policy, trunk).find_map(|(peer, dialling)| {
        let read = dialling.read(format!("sip:{known}@edge").as_bytes()).ok()?;
        let verdict = called(policy, located, peer, known, Some(&read));
        let step =
            verdict.trail.iter().find(|step| step.said == Said::Refuse && step.rule.starts_with("policy."));
        step.map(|step| step.rule.to_string())
    });
    let rules = refused.map(|rule| format!(", and {rule} refuses it to everybody else")).unwrap_or_default();
    let cause = format!(
        "a call for help to {number} leaves as {}, which no dial plan reads as an emergency{rules}",
        quoted(known)
    );
    Some(Cause::new(cause).cure("write a number for danger to life, as the trunk knows it; keep it if whoever runs the trunk named it"))
}

fn is_emergency(dialling: &Dialling, number: &str) -> bool {
    let read = dialling.read(format!("sip:{number}@edge").as_bytes());
    read.is_ok_and(|read| read.reading.number.is_emergency())
}
