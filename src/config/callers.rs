//! As whom a peer's calls may be shown outside: `owns`, `shown_as`, `caller_not_owned`, and `owns` of its credentials.
//!
//! Owns the step from these keys, and from the numbers of a site, to the policy's set. Numbers are read by the dial plans of the
//! peer and of its site's trunks, so that a DID is known however they write it. Refuses to judge callers.
//! Read first: `policy/owned.rs`.

use std::sync::Arc;

use super::check::several;
use super::fields::Fields;
use super::peers::Read;
use super::problem::{Cause, quoted};
use super::table::CREDENTIAL;
use super::values;
use crate::policy::credential::{Credential, Demand};
use crate::policy::number::Dialling;
use crate::policy::owned::{Callers, Owned, Range};
use crate::policy::{Peer, PeerSide, Site};

/// One entry of `owns`.
#[derive(Debug)]
enum Entry {
    Dids,
    Number(Arc<str>),
    Prefix(Arc<str>),
    Range(Range),
}

/// Reads as whom each peer's calls may be shown: the numbers of its site, unless it says otherwise.
pub fn read(peers: &mut [Read<'_, Peer>], sites: &[Read<'_, Site>]) {
    let trunks = peers.iter().map(|peer| &peer.value).filter(|peer| peer.side == PeerSide::Outside);
    let plans: Vec<_> = trunks.filter_map(|trunk| Some((trunk.site, trunk.dialling.clone()?))).collect();
    for Read { value: peer, fields } in peers {
        let site = sites.iter().map(|site| &site.value).find(|site| Some(site.id) == peer.site);
        let plans = plans.iter().filter(|(site, _)| *site == peer.site).map(|(_, plan)| Arc::clone(plan));
        let plans: Vec<_> = plans.chain(peer.dialling.clone()).collect();
        callers(peer, fields, site, &plans);
    }
}

/// The same of one peer, and of each of its credentials.
fn callers(peer: &mut Peer, fields: &Fields<'_>, site: Option<&Site>, plans: &[Arc<Dialling>]) {
    const KEYS: [&str; 2] = ["owns", "shown_as"];
    let dids = site.map_or(&[][..], |site| &site.dids);
    if peer.side == PeerSide::Outside {
        let refuses = fields.word("caller_not_owned").is_some_and(|word| word.text == "refuse");
        let written = KEYS.into_iter().filter(|key| fields.is_set(key));
        for key in written.chain(refuses.then_some("caller_not_owned")) {
            let cause = Cause::new("callers from outside own nothing here, and this peer stands outside");
            fields.error(key, cause.cure("write it at the PBX; bar inbound callers by rules"));
        }
        return;
    }
    let by_credential = credentials(peer, fields, dids, plans);
    let judged = peer.dialling.is_some() && !dids.is_empty();
    let said = KEYS.into_iter().any(|key| fields.is_set(key)) || by_credential;
    let refuses = fields.choice("caller_not_owned", &[("replace", false), ("refuse", true)]);
    let replaces = refuses != Some(true);
    if !judged && !said {
        if !replaces {
            let cause = Cause::new("nothing is refused: no numbers are its own");
            let cure = "list them in owns; dids of its site count where it has a dial plan";
            fields.error("caller_not_owned", cause.cure(cure));
        }
        return;
    }
    let (path, owned) = match owned(fields, dids, plans) {
        Some(owned) => (format!("{}.owns", fields.path), owned),
        None if judged => {
            let path = format!("sites.{}.dids", site.map_or("", |site| &*site.name));
            (path, Owned::new(known(dids.iter().cloned(), plans), Vec::new(), Vec::new()))
        }
        None => (format!("{}.owns", fields.path), Owned::any()),
    };
    let shown_as = shown_as(fields, &owned);
    peer.callers = Some(Arc::new(Callers { path: Arc::from(path), owned, shown_as, replaces }));
}

/// Reads `owns` of each credential; whether there is any.
fn credentials(peer: &mut Peer, fields: &Fields<'_>, dids: &[Arc<str>], plans: &[Arc<Dialling>]) -> bool {
    let Some(demand) = &peer.demand else { return false };
    let mut read: Demand = (**demand).clone();
    let mut any = false;
    for item in fields.list("credentials") {
        let written = Fields::open(fields.desk(), &CREDENTIAL, item.node, item.node.place, item.path.clone());
        let Some(written) = written.filter(|written| written.is_set("owns")) else { continue };
        let user = written.word("user").map_or("", |word| word.text);
        let numbers = owned(&written, dids, plans).map(Arc::new);
        let known = read.credentials.iter_mut().find(|known| &*known.user == user);
        if let Some(credential) = known {
            let changed = Credential { owned: numbers, ..(**credential).clone() };
            *credential = Arc::new(changed);
            any = true;
        }
    }
    if any {
        peer.demand = Some(Arc::new(read));
    }
    any
}

/// Reads `owns`; `None` where it is left out.
fn owned(fields: &Fields<'_>, dids: &[Arc<str>], plans: &[Arc<Dialling>]) -> Option<Owned> {
    if !fields.is_set("owns") {
        return None;
    }
    if fields.instead_of_list("owns") {
        return Some(Owned::any());
    }
    let (mut exact, mut prefixes, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    for (entry, item) in fields.words("owns", entry) {
        match entry {
            Entry::Dids if dids.is_empty() => {
                let cause = Cause::new("did stands for the numbers of its site, and there are none");
                fields.desk().error(item.node.place, &item.path, cause.cure("add dids to the site"));
            }
            Entry::Dids => exact.extend(dids.iter().cloned()),
            Entry::Number(number) => exact.push(number),
            Entry::Prefix(prefix) => prefixes.push(prefix),
            Entry::Range(range) => ranges.push(range),
        }
    }
    Some(Owned::new(known(exact.into_iter(), plans), prefixes, ranges))
}

fn entry(text: &str) -> Result<Entry, Cause> {
    if text == "did" {
        return Ok(Entry::Dids);
    }
    if let Some((first, last)) = text.split_once('-').filter(|(first, _)| first.starts_with('+')) {
        return Range::new(first, last).map(Entry::Range).ok_or_else(|| {
            let cause = Cause::new(format!("{} is not a range of numbers", quoted(text)));
            cause.cure("write two numbers of one length, the lower first: \"+12125550100-+12125550199\"")
        });
    }
    match text.strip_suffix('*') {
        Some(prefix) if prefix.starts_with('+') && prefix.len() > 1 => {
            values::number(prefix).map(|()| Entry::Prefix(Arc::from(prefix)))
        }
        Some(_) => {
            let cause = Cause::new(format!("{} is not the beginning of a number", quoted(text)));
            Err(cause
                .cure("write + and its first digits, as \"+1212555*\", or the word any instead of a list"))
        }
        None => values::number(text).map(|()| Entry::Number(Arc::from(text))),
    }
}

/// Numbers as they are written, and as each plan reads them.
fn known(numbers: impl Iterator<Item = Arc<str>>, plans: &[Arc<Dialling>]) -> Vec<Arc<str>> {
    let mut known = Vec::new();
    for number in numbers {
        let uri = format!("sip:{number}@site.invalid");
        let read = plans.iter().filter_map(|plan| plan.read_caller(uri.as_bytes()));
        known.extend(read.map(|read| Arc::from(read.as_str())));
        known.push(number);
    }
    known
}

/// Reads `shown_as`: extensions, each with a number that is the peer's own.
fn shown_as(fields: &Fields<'_>, owned: &Owned) -> Vec<(Box<str>, Arc<str>)> {
    let mut shown = Vec::new();
    for (entry, word) in fields.pairs("shown_as") {
        let told = values::number(&entry.key).and_then(|()| values::number(word.text)).and_then(|()| {
            if owned.holds(word.text) {
                return Ok(());
            }
            let cause = Cause::new(format!("{} is not one of its own numbers", quoted(word.text)));
            Err(cause.cure("add it to dids of its site, or to owns"))
        });
        match told {
            Ok(()) => shown.push((Box::from(&*entry.key), Arc::from(word.text))),
            Err(cause) => fields.desk().error(word.place, &word.path, cause),
        }
    }
    shown.sort_unstable();
    shown
}

/// What this means, in sentences.
#[must_use]
pub fn told(peer: &Peer) -> Vec<String> {
    let Some(callers) = &peer.callers else { return Vec::new() };
    let mut out = Vec::new();
    if !callers.shown_as.is_empty() {
        let shown = callers.shown_as.iter().take(8).map(|(own, number)| format!("{own} as {number}"));
        let shown: Vec<String> = shown.collect();
        let more = callers.shown_as.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        out.push(format!(
            "its extensions are shown outside: {}{more}",
            several(shown.iter().map(String::as_str), "and")
        ));
    }
    if callers.owned.is_any() {
        return out;
    }
    let otherwise = if callers.replaces {
        "any other caller is shown as the trunk's default_caller, or refused where it has none (32204, 32206)"
    } else {
        "any other caller is refused (32204, 32206)"
    };
    out.push(format!(
        "its calls to the outside show {} number(s) of its own ({}); {otherwise}",
        callers.owned.len(),
        callers.path
    ));
    out
}
