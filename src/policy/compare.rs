//! What a reload made weaker, in sentences.
//!
//! Owns the comparison of two policies. Refuses to judge whether the change was meant: it is said, and done.
//! Read first: DESIGN.md §1, laws 1 and 2.

use std::sync::Arc;
use std::time::Duration;

use super::identity::CallerIn;
use super::login::Login;
use super::peer::{Direction, PassedHeader, Peer, Refreshes, Site};
use super::route::Route;
use super::rules::Entry;
use super::{OnReload, Policy, sources};
use crate::clock::time_text;
use crate::sip::digest::Hash;

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
    new.limits.beyond(&old.limits, new.rates.currency(), &mut weaker);
    routes(&old.routes, &new.routes, &mut weaker);
    strangers(&old.sources, &new.sources, &mut weaker);
    let keeps = |policy: &Policy| policy.on_reload == OnReload::Keep;
    opened("live calls are not judged again (on_reload)", keeps(old), keeps(new), &mut weaker);
    weaker
}

/// Says that a number which bounds something went up.
pub(super) fn raised<N: PartialOrd + std::fmt::Display>(
    what: &str,
    old: N,
    new: N,
    weaker: &mut Vec<String>,
) {
    if new > old {
        weaker.push(format!("{what} went up from {old} to {new}"));
    }
}

/// Says that a time which bounds something became longer.
pub(super) fn longer(what: &str, old: Duration, new: Duration, weaker: &mut Vec<String>) {
    if new > old {
        weaker.push(format!("{what} became longer: {} instead of {}", time_text(new), time_text(old)));
    }
}

/// Says that a time which holds something off became shorter.
pub(super) fn shorter(what: &str, old: Duration, new: Duration, weaker: &mut Vec<String>) {
    if new < old {
        weaker.push(format!("{what} became shorter: {} instead of {}", time_text(new), time_text(old)));
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
    new.media.weaker_than(&old.media, name, weaker);
    super::credential::weaker(name, old.demand.as_deref(), new.demand.as_deref(), weaker);
    opened(&format!("peer {name} may send INFO"), old.methods.info, new.methods.info, weaker);
    opened(&format!("peer {name} may send MESSAGE"), old.methods.message, new.methods.message, weaker);
    onward(old, new, weaker);
    if let (Some(before), Some(after)) = (&old.proof, &new.proof) {
        after.weaker_than(before, name, weaker);
    }
    extensions(old, new, weaker);
    login(old, new, weaker);
    trust(old, new, weaker);
    numbers(old, new, weaker);
    super::number::weaker(name, old.dialling.as_deref(), new.dialling.as_deref(), weaker);
    super::owned::weaker(name, old.callers.as_deref(), new.callers.as_deref(), weaker);
    opened(&format!("peer {name} may send from anywhere"), old.roaming, new.roaming, weaker);
    for network in &new.sources {
        if !old.sources.iter().any(|before| before.contains(network)) {
            weaker.push(format!("peer {name} may send from {network}"));
        }
    }
    opened(
        &format!("peer {name} may send from where DNS leads its names"),
        old.calls_from_targets,
        new.calls_from_targets,
        weaker,
    );
    for header in &new.pass_headers {
        if !old.pass_headers.contains(header) {
            let header = match header {
                PassedHeader::Known(known) => known.as_str(),
                PassedHeader::Named(named) => named,
            };
            weaker.push(format!("another header crosses towards peer {name}: {header}"));
        }
    }
    for target in &new.targets {
        if !old.targets.contains(target) {
            weaker.push(format!("calls to peer {name} may go to {target}"));
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
    pace(old, new, weaker);
    patience(old, new, weaker);
}

/// Calls that it may send on.
fn onward(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let name = &new.name;
    opened(&format!("peer {name} may redirect calls"), false, old.redirects < new.redirects, weaker);
    opened(&format!("peer {name} may transfer calls"), false, old.transfers < new.transfers, weaker);
}

/// What it may use of the protocol.
fn extensions(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let (name, before, after) = (&new.name, old.extensions, new.extensions);
    opened(
        &format!("peer {name} may use 100rel (reliable provisional responses)"),
        before.reliable,
        after.reliable,
        weaker,
    );
    opened(&format!("peer {name} may change calls by UPDATE"), before.update, after.update, weaker);
}

/// What it is shown of us.
fn login(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let name = &new.name;
    let (before, after) = (old.login.as_deref(), new.login.as_deref());
    opened(&format!("peer {name} is shown a login when it asks"), before.is_some(), after.is_some(), weaker);
    let (is, becomes) = (old.register.is_some(), new.register.is_some());
    opened(&format!("peer {name} may call from the target that registers this edge"), is, becomes, weaker);
    let by_md5 = |login: Option<&Login>| login.is_some_and(|login| login.key(Hash::Md5).is_some());
    opened(&format!("peer {name} is shown a login by MD5"), by_md5(before), by_md5(after), weaker);
    let bare = |login: Option<&Login>| login.is_some_and(|login| login.without_qop);
    opened(&format!("peer {name} is shown a login without qop"), bare(before), bare(after), weaker);
}

/// Whose word on callers and numbers called counts. Another header is another liar, so no order is stronger than another.
fn trust(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let (name, before, after) = (&new.name, &old.identity, &new.identity);
    opened(
        &format!("identities that peer {name} asserts are believed"),
        before.believed,
        after.believed,
        weaker,
    );
    opened(&format!("identities are asserted to peer {name}"), before.told, after.told, weaker);
    if before.caller_in != after.caller_in {
        let words =
            |headers: &[CallerIn]| headers.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
        weaker.push(format!(
            "the caller of peer {name} is read from {} instead of {}",
            words(&after.caller_in),
            words(&before.caller_in)
        ));
    }
    if old.called_from != new.called_from {
        weaker.push(format!("the number that peer {name} calls is read from another place (called_from)"));
    }
}

/// How numbers leave to it: another form reaches other lines, and a caller that stands in lets calls through.
fn numbers(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let (name, before, after) = (&new.name, &old.numbers, &new.numbers);
    if before.called != after.called {
        let form = after.called.name();
        weaker.push(format!("numbers called leave to peer {name} in another form (number_format: {form})"));
    }
    if before.caller != after.caller {
        let form = after.caller.name();
        weaker.push(format!("callers are shown to peer {name} in another form (caller_format: {form})"));
    }
    for (number, known) in after.emergency.iter().filter(|pair| !before.emergency.contains(pair)) {
        weaker.push(format!("emergency calls to {number} leave to peer {name} as {known}"));
    }
    for (number, _) in &before.emergency {
        if !after.emergency.iter().any(|(other, _)| other == number) {
            weaker.push(format!("emergency calls to {number} leave to peer {name} as they are dialled"));
        }
    }
    let digits = (before.short_digits_max, after.short_digits_max);
    raised(&format!("short_digits of peer {name}"), digits.0, digits.1, weaker);
    if after.substitute.is_some() && after.substitute != before.substitute {
        weaker.push(format!("another default_caller stands in for callers towards peer {name}"));
    }
}

fn pace(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let (name, before, after) = (&new.name, &old.pace, &new.pace);
    match (before.per_second, after.per_second) {
        (Some(_), None) => {
            weaker.push(format!("calls to peer {name} go as fast as they come (`cps` is gone)"));
        }
        (Some(before), Some(after)) => raised(&format!("cps of peer {name}"), before, after, weaker),
        (None, Some(_) | None) => {}
    }
    // Where nothing was paced, or nothing is, these bound nothing.
    if before.per_second.is_some() && after.per_second.is_some() {
        raised(&format!("cps_burst of peer {name}"), before.burst, after.burst, weaker);
        raised(&format!("cps_queue of peer {name}"), before.queue_max, after.queue_max, weaker);
        longer(&format!("cps_wait of peer {name}"), before.wait_max, after.wait_max, weaker);
    }
    // Its pause holds our calls off: a longer one lets it stop more of them.
    longer(&format!("retry_after_max of peer {name}"), before.hold_max, after.hold_max, weaker);
}

/// How long a leg may ring, or be dead, before that is noticed. `keep_alive` bounds nothing, so it is not looked at.
fn patience(old: &Peer, new: &Peer, weaker: &mut Vec<String>) {
    let name = &new.name;
    let (before, after) = (old.session_timers, new.session_timers);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let expires = (seconds(before.expires), seconds(after.expires));
    longer(&format!("session_expires of peer {name}"), expires.0, expires.1, weaker);
    let min_se = (seconds(before.min_se), seconds(after.min_se));
    shorter(&format!("min_se of peer {name}"), min_se.0, min_se.1, weaker);
    if (before.refresher, after.refresher) == (Refreshes::Edge, Refreshes::Peer) {
        weaker.push(format!("sessions with peer {name} are refreshed by the peer (session_timer.refresher)"));
    }
    longer(&format!("ring_max of peer {name}"), old.ring_max, new.ring_max, weaker);
    longer(&format!("post_dial_max of peer {name}"), old.post_dial_max, new.post_dial_max, weaker);
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
    super::rules::weaker::rule(path, &old.rule, &new.rule, weaker);
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
    shorter("the window in which a stranger's messages are counted", old.ban_window, new.ban_window, weaker);
    shorter("the first ban", old.ban_first, new.ban_first, weaker);
    shorter("the longest ban", old.ban_max, new.ban_max, weaker);
    if new.bans_max < old.bans_max {
        weaker.push(format!("fewer bans are kept: {} instead of {}", new.bans_max, old.bans_max));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::super::fixture::{PBX, TRUNK, changed, plan};
    use super::super::rules::{Blocklist, ConcurrentCalls, MaxDuration, Observe, Rule, Rules};
    use super::*;
    use crate::clock::Wall;
    use crate::policy::form::{Form, Substitute};
    use crate::policy::peer::{CalledFrom, Onward};
    use std::num::NonZeroU32;

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

    type Change = fn(&mut Plan);

    /// Each change says one sentence that contains the words, or nothing where there are none.
    fn said_of(table: &[(Change, &str)]) {
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

    #[test]
    fn what_got_weaker_is_said_and_what_got_stronger_is_not() {
        let table: &[(Change, &str)] = &[
            (|_| {}, ""),
            (|plan| changed(plan, PBX, |peer| peer.plain_signalling = true), "may signal in the clear"),
            (|plan| changed(plan, PBX, |peer| peer.methods.message = true), "may send MESSAGE"),
            (|plan| changed(plan, PBX, |peer| peer.redirects = Onward::Perform), "may redirect calls"),
            (|plan| changed(plan, PBX, |peer| peer.transfers = Onward::JudgeAndPass), "may transfer calls"),
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
        said_of(table);
    }

    #[test]
    fn every_setting_of_a_peer_that_bounds_something_is_compared() {
        let table: &[(Change, &str)] = &[
            (
                |plan| changed(plan, TRUNK, |peer| peer.session_timers.expires = 1_801),
                "session_expires of peer trunk became longer: 30m1s instead of 30m",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.session_timers.expires = 1_799), ""),
            (|plan| changed(plan, TRUNK, |peer| peer.session_timers.min_se = 91), ""),
            (
                |plan| changed(plan, TRUNK, |peer| peer.session_timers.refresher = Refreshes::Peer),
                "refreshed by the peer",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.extensions.update = false), ""),
            (|plan| changed(plan, TRUNK, |peer| peer.identity.believed = true), "asserts are believed"),
            (|plan| changed(plan, TRUNK, |peer| peer.identity.told = true), "are asserted to peer trunk"),
            (
                |plan| changed(plan, TRUNK, |peer| peer.identity.caller_in.insert(0, CallerIn::Diversion)),
                "the caller of peer trunk is read from diversion, from instead of from",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.called_from = CalledFrom::To), "called_from"),
            (|plan| changed(plan, TRUNK, |peer| peer.numbers.called = Form::E164), "number_format: e164"),
            (
                |plan| changed(plan, TRUNK, |peer| peer.numbers.caller = Form::E164Plus),
                "caller_format: e164_plus",
            ),
            (
                |plan| changed(plan, TRUNK, |peer| peer.numbers.short_digits_max += 1),
                "short_digits of peer trunk",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.numbers.short_digits_max -= 1), ""),
            (
                |plan| changed(plan, TRUNK, |peer| peer.numbers.substitute = Some(Substitute::Anonymous)),
                "another default_caller",
            ),
            (
                |plan| {
                    changed(plan, TRUNK, |peer| peer.pass_headers.push(PassedHeader::Named("X-Who".into())))
                },
                "crosses towards peer trunk: X-Who",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.pace.per_second = NonZeroU32::new(1)), ""),
            (
                |plan| changed(plan, TRUNK, |peer| peer.pace.hold_max = Duration::from_secs(60)),
                "retry_after_max of peer trunk became longer: 1m instead of 32s",
            ),
            (
                |plan| changed(plan, TRUNK, |peer| peer.ring_max = Duration::from_secs(600)),
                "ring_max of peer trunk became longer: 10m",
            ),
            (|plan| changed(plan, TRUNK, |peer| peer.keep_alive = Some(Duration::from_secs(20))), ""),
        ];
        said_of(table);
    }

    #[test]
    fn a_pace_that_was_there_is_compared() {
        let paced = |calls, burst| {
            let mut plan = full();
            changed(&mut plan, TRUNK, |peer| {
                peer.extensions.update = burst > 1;
                peer.pace.per_second = NonZeroU32::new(calls);
                peer.pace.burst = burst;
            });
            Policy::build(plan).unwrap()
        };
        assert_eq!(compare(&paced(1, 1), &paced(2, 1)), ["cps of peer trunk went up from 1 to 2"]);
        assert_eq!(compare(&paced(2, 1), &paced(1, 1)), [""; 0]);
        assert_eq!(
            compare(&paced(1, 1), &paced(1, 2)),
            ["peer trunk may change calls by UPDATE", "cps_burst of peer trunk went up from 1 to 2"]
        );
        assert_eq!(
            compare(&paced(1, 1), &paced(0, 1)),
            ["calls to peer trunk go as fast as they come (`cps` is gone)"]
        );
    }
}
