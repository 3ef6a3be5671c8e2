//! What a reload made weaker, in sentences.
//!
//! Owns the comparison of two policies. Refuses to judge whether the change was meant: it is said, and done.
//! Read first: DESIGN.md §1, laws 1 and 2.

use std::sync::Arc;

use super::peer::{Direction, Peer, Site};
use super::route::Route;
use super::rules::{Entry, Rule};
use super::{Policy, sources};

/// What `new` allows that `old` did not, one sentence each; empty when nothing got weaker.
#[must_use]
pub fn compare(old: &Policy, new: &Policy) -> Vec<String> {
    let mut weaker = Vec::new();
    for peer in new.peers.iter().flatten() {
        match old.peers.iter().flatten().find(|before| before.name == peer.name) {
            Some(before) => peers(before, peer, &mut weaker),
            None => {
                weaker.push(format!("peer {} is new: {} network(s) may send", peer.name, peer.sources.len()))
            }
        }
    }
    for site in &new.sites {
        if let Some(before) = old.sites.iter().find(|before| before.name == site.name) {
            sites(before, site, &mut weaker);
        }
    }
    rules("screen", &old.rules.screen, &new.rules.screen, &mut weaker);
    rules("outbound", &old.rules.outbound, &new.rules.outbound, &mut weaker);
    rules("inbound", &old.rules.inbound, &new.rules.inbound, &mut weaker);
    rules("internal", &old.rules.internal, &new.rules.internal, &mut weaker);
    routes(&old.routes, &new.routes, &mut weaker);
    strangers(&old.sources, &new.sources, &mut weaker);
    weaker
}

/// Says that a number which bounds something went up.
fn raised<N: PartialOrd + std::fmt::Display>(what: &str, old: N, new: N, weaker: &mut Vec<String>) {
    if new > old {
        weaker.push(format!("{what} went up from {old} to {new}"));
    }
}

/// Says that a permission was given.
fn opened(what: &str, old: bool, new: bool, weaker: &mut Vec<String>) {
    if new && !old {
        weaker.push(what.to_owned());
    }
}

fn peers(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let name = &new.name;
    opened(
        &format!("peer {name} may signal in the clear"),
        old.plain_signalling,
        new.plain_signalling,
        weaker,
    );
    opened(&format!("media of peer {name} may be in the clear"), old.plain_media, new.plain_media, weaker);
    opened(&format!("peer {name} may send INFO"), old.methods.info, new.methods.info, weaker);
    opened(&format!("peer {name} may send MESSAGE"), old.methods.message, new.methods.message, weaker);
    let trust = |peer: &Peer| (peer.identity.believed, peer.identity.told);
    let ((believed, told), (now_believed, now_told)) = (trust(old), trust(new));
    opened(&format!("identities that peer {name} asserts are believed"), believed, now_believed, weaker);
    opened(&format!("identities are asserted to peer {name}"), told, now_told, weaker);
    for network in &new.sources {
        if !old.sources.iter().any(|before| before.contains(network)) {
            weaker.push(format!("peer {name} may send from {network}"));
        }
    }
    for header in &new.pass_headers {
        if !old.pass_headers.contains(header) {
            weaker.push(format!("another header crosses towards peer {name}: {header:?}"));
        }
    }
    if old.side != new.side {
        weaker.push(format!("peer {name} changed sides"));
    }
    raised(
        &format!("concurrent_calls of peer {name}"),
        old.concurrent_calls_max,
        new.concurrent_calls_max,
        weaker,
    );
    let rates = (old.requests_per_second_max, new.requests_per_second_max);
    raised(&format!("requests a second of peer {name}"), rates.0, rates.1, weaker);
    raised(
        &format!("the burst of requests of peer {name}"),
        old.requests_burst_max,
        new.requests_burst_max,
        weaker,
    );
    let calls = |peer: &Peer| peer.pace.per_second.map_or(u32::MAX, std::num::NonZeroU32::get);
    match (old.pace.per_second, new.pace.per_second) {
        (Some(_), None) => {
            weaker.push(format!("calls to peer {name} go as fast as they come (`cps` is gone)"))
        }
        (Some(_) | None, Some(_)) => raised(&format!("cps of peer {name}"), calls(old), calls(new), weaker),
        (None, None) => {}
    }
}

fn sites(old: &Site, new: &Site, weaker: &mut Vec<String>) {
    let name = &new.name;
    raised(&format!("channels of site {name}"), old.channels, new.channels, weaker);
    let more = |old: &[Arc<str>], new: &[Arc<str>]| new.iter().filter(|text| !old.contains(text)).count();
    let dids = more(&old.dids, &new.dids);
    if dids > 0 {
        weaker.push(format!("site {name} takes calls for {dids} more number(s)"));
    }
    for domain in new.domains.iter().filter(|domain| !old.domains.contains(domain)) {
        weaker.push(format!("{domain} counts as this edge"));
    }
}

fn rules(stage: &str, old: &[Entry], new: &[Entry], weaker: &mut Vec<String>) {
    // Rules of one kind are held against each other in their order: the second blocklist against the second.
    let mut taken = vec![false; new.len()];
    for before in old {
        let same = |(place, after): (usize, &Entry)| {
            let free = taken.get(place).is_some_and(|taken| !taken);
            (free && after.rule.name() == before.rule.name()).then_some(place)
        };
        let Some(place) = new.iter().enumerate().find_map(same) else {
            weaker.push(format!("policy.{stage} lost a rule: {}", before.describe()));
            continue;
        };
        if let Some(slot) = taken.get_mut(place) {
            *slot = true;
        }
        if let Some(after) = new.get(place) {
            entry(before, after, weaker);
        }
    }
}

fn entry(old: &Entry, new: &Entry, weaker: &mut Vec<String>) {
    let path = &new.path;
    match (old.observe, new.observe) {
        (None, Some(observe)) => {
            weaker.push(format!("{path} is only observed until {}", observe.until.rfc3339()));
        }
        (Some(before), Some(after)) if after.until > before.until => {
            weaker.push(format!("{path} is observed longer, until {}", after.until.rfc3339()));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    match (&old.rule, &new.rule) {
        (Rule::Hops(old), Rule::Hops(new)) => {
            raised(&format!("the Via values that {path} bears"), old.vias_max, new.vias_max, weaker);
        }
        (Rule::Blocklist(old), Rule::Blocklist(new)) => {
            if !new.covers(old) {
                weaker.push(format!("{path} no longer refuses every number that it refused"));
            }
        }
        (Rule::ConcurrentCalls(old), Rule::ConcurrentCalls(new)) => {
            raised(&format!("calls at once of {path}"), old.calls_max, new.calls_max, weaker);
        }
        (Rule::MaxDuration(old), Rule::MaxDuration(new)) => {
            let seconds = (old.duration_max.as_secs(), new.duration_max.as_secs());
            raised(&format!("seconds of a call in {path}"), seconds.0, seconds.1, weaker);
        }
        (
            Rule::Methods
            | Rule::SecureTransport
            | Rule::Hops(_)
            | Rule::Loops
            | Rule::ForeignHost
            | Rule::Replaces
            | Rule::Blocklist(_)
            | Rule::ConcurrentCalls(_)
            | Rule::MaxDuration(_),
            _,
        ) => {}
    }
}

fn routes(old: &[Route], new: &[Route], weaker: &mut Vec<String>) {
    for route in new {
        let stood =
            old.iter().any(|before| Route { path: Arc::clone(&route.path), ..before.clone() } == *route);
        if stood {
            continue;
        }
        let transit = if route.direction == Some(Direction::Transit) { ", from trunk to trunk" } else { "" };
        weaker.push(format!("{} is new or changed{transit}: calls may go where they could not", route.path));
    }
}

fn strangers(old: &sources::Settings, new: &sources::Settings, weaker: &mut Vec<String>) {
    raised("messages of a stranger before it is banned", old.ban_after, new.ban_after, weaker);
    let windows = (old.ban_window.as_secs(), new.ban_window.as_secs());
    for (what, old, new) in [
        ("the window in which a stranger's messages are counted", windows.0, windows.1),
        ("the first ban", old.ban_first.as_secs(), new.ban_first.as_secs()),
        ("the longest ban", old.ban_max.as_secs(), new.ban_max.as_secs()),
    ] {
        if new < old {
            weaker.push(format!("{what} became shorter: {new} s instead of {old} s"));
        }
    }
    if new.bans_max < old.bans_max {
        weaker.push(format!("fewer bans are kept: {} instead of {}", new.bans_max, old.bans_max));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::super::fixture::{PBX, TRUNK, changed, plan};
    use super::super::rules::{Blocklist, ConcurrentCalls, MaxDuration, Observe, Rules};
    use super::*;
    use crate::clock::Wall;
    use std::time::Duration;

    fn full() -> Plan {
        let list = Blocklist::new(["+1900", "+881"], []).unwrap();
        let outbound = vec![
            Entry::enforced("policy.outbound[0].blocklist", Rule::Blocklist(list)),
            Entry::enforced(
                "policy.outbound[1].concurrent_calls",
                Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 5 }),
            ),
            Entry::enforced(
                "policy.outbound[2].max_duration",
                Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(60) }),
            ),
        ];
        Plan { rules: Rules { outbound, ..Rules::default() }, ..plan() }
    }

    fn rule(plan: &mut Plan, place: usize) -> &mut Entry {
        plan.rules.outbound.get_mut(place).unwrap()
    }

    #[test]
    fn what_got_weaker_is_said_and_what_got_stronger_is_not() {
        type Change = fn(&mut Plan);
        let table: [(Change, &str); 17] = [
            (|_| {}, ""),
            (|plan| changed(plan, PBX, |peer| peer.plain_signalling = true), "may signal in the clear"),
            (|plan| changed(plan, PBX, |peer| peer.methods.message = true), "may send MESSAGE"),
            (
                |plan| changed(plan, TRUNK, |peer| peer.sources.push("192.0.2.0/24".parse().unwrap())),
                "from 192.0.2.0/24",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.sources = vec!["203.0.113.2/32".parse().unwrap()]), ""),
            (|plan| changed(plan, TRUNK, |peer| peer.concurrent_calls_max = 4), "from 3 to 4"),
            (|plan| changed(plan, TRUNK, |peer| peer.concurrent_calls_max = 2), ""),
            (|plan| plan.sites.first_mut().unwrap().channels += 1, "channels of site office went up"),
            (|plan| plan.sites.first_mut().unwrap().dids.push("+1".into()), "1 more number"),
            (|plan| drop(plan.rules.outbound.remove(0)), "policy.outbound lost a rule"),
            (
                |plan| rule(plan, 0).rule = Rule::Blocklist(Blocklist::new(["+881"], []).unwrap()),
                "no longer refuses",
            ),
            (|plan| rule(plan, 0).rule = Rule::Blocklist(Blocklist::new(["+88", "+1"], []).unwrap()), ""),
            (
                |plan| rule(plan, 0).observe = Some(Observe { until: Wall::from_micros(5) }),
                "is only observed until 1970",
            ),
            (
                |plan| rule(plan, 1).rule = Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 6 }),
                "from 5 to 6",
            ),
            (|plan| drop(plan.routes.remove(0)), ""),
            (|plan| plan.routes.first_mut().unwrap().from.clear(), "routes.out is new or changed"),
            (|plan| plan.sources.ban_after += 1, "before it is banned went up"),
        ];
        let old = Policy::build(full()).unwrap();
        for (place, (change, expected)) in table.iter().enumerate() {
            let mut plan = full();
            change(&mut plan);
            let weaker = compare(&old, &Policy::build(plan).unwrap());
            let said = weaker.join("; ");
            assert_eq!(weaker.len(), usize::from(!expected.is_empty()), "{place}: {said}");
            assert!(said.contains(expected), "{place}: {said}");
        }
    }
}
