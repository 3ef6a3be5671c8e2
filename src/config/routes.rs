//! Routes as they are written.
//!
//! Owns the step from `routes:` to the policy's words. Refuses to know which route would win. Read first: `table.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fields::{Fields, Item, word_of};
use super::keys::Kind;
use super::peers::{Read, reference};
use super::problem::{Cause, quoted};
use super::table::ROUTE_TARGET;
use super::tree::Value;
use super::values;
use crate::policy::route::{Pattern, Route, RouteTarget};
use crate::policy::{Direction, PeerId};

/// The words of `direction:`.
pub const DIRECTIONS: [(&str, Direction); 4] = [
    ("outbound", Direction::Outbound),
    ("inbound", Direction::Inbound),
    ("internal", Direction::Internal),
    ("transit", Direction::Transit),
];

/// Reads `routes:`.
pub fn routes<'a>(root: &Fields<'a>, peers: &BTreeMap<&str, PeerId>) -> Vec<Read<'a, Route>> {
    let section = &super::table::ROUTE;
    let mut known: Vec<(&str, u32)> = Vec::new();
    let mut routes = Vec::new();
    for item in root.list("routes") {
        let path = item.path.clone();
        let Some(fields) = Fields::open(root.desk(), section, item.node, item.node.place, path) else {
            continue;
        };
        let name = fields
            .word("name")
            .filter(|word| fields.checked("name", values::name).is_some() && !word.text.is_empty());
        if let Some(word) = &name {
            match known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word.text)) {
                Some((_, line)) => {
                    let cause = format!("{} is already named in line {line}", quoted(word.text));
                    fields.error("name", Cause::new(cause).cure("choose another name"));
                }
                None => known.push((word.text, word.place.line)),
            }
        }
        let name = name.map_or("", |word| word.text);
        let value = route(name, &fields, peers);
        routes.push(Read { value, fields });
    }
    routes
}

fn route(name: &str, fields: &Fields<'_>, peers: &BTreeMap<&str, PeerId>) -> Route {
    let from = fields.words("from", |text| reference(text, "peer", peers));
    Route {
        path: Arc::from(format!("{} ({name})", fields.path)),
        direction: fields.choice("direction", &DIRECTIONS),
        from: from.into_iter().map(|(peer, _)| peer).collect(),
        called: patterns(fields, "called"),
        caller: patterns(fields, "caller"),
        to: targets(fields, peers),
    }
}

/// Patterns in their order; the exact ones become one list.
pub fn patterns(fields: &Fields<'_>, name: &str) -> Vec<Pattern> {
    let mut exact: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut patterns = Vec::new();
    for (pattern, item) in fields.words(name, |text| pattern(text, name)) {
        match pattern {
            Pattern::Exact(number) => {
                let cause = format!("{} stands here twice", quoted(&number));
                if !exact.insert(number) {
                    fields.desk().error(item.node.place, &item.path, Cause::new(cause).cure("remove one"));
                }
            }
            Pattern::Prefix(_) | Pattern::List(_) | Pattern::SiteDid | Pattern::Any => patterns.push(pattern),
        }
    }
    let exact = match exact.len() {
        0 => return patterns,
        1 => exact.into_iter().map(Pattern::Exact).collect(),
        _ => vec![Pattern::List(exact.into_iter().collect())],
    };
    patterns.splice(0..0, exact);
    patterns
}

fn pattern(text: &str, key: &str) -> Result<Pattern, Cause> {
    if text == "did" {
        if key == "caller" {
            return Err(Cause::new("did is a called number").cure("list the callers, or write a prefix"));
        }
        return Ok(Pattern::SiteDid);
    }
    // As in `sources: any`; a user of that name is reached by `*` alone.
    if text.eq_ignore_ascii_case("any") {
        return Ok(Pattern::Any);
    }
    match text.strip_suffix('*') {
        Some("") => Ok(Pattern::Any),
        Some(prefix) => values::number(prefix).map(|()| Pattern::Prefix(Arc::from(prefix))),
        None => values::number(text).map(|()| Pattern::Exact(Arc::from(text))),
    }
}

fn targets(fields: &Fields<'_>, peers: &BTreeMap<&str, PeerId>) -> Vec<RouteTarget> {
    let mut targets: Vec<RouteTarget> = Vec::new();
    for (index, item) in fields.list("to").into_iter().enumerate() {
        let place = item.node.place;
        let path = item.path.clone();
        let Some(target) = target(fields, index, &item, peers) else { continue };
        if targets.iter().any(|known| known.peer == target.peer) {
            fields.desk().error(
                place,
                &path,
                Cause::new("this peer stands here twice").cure("give a peer several targets instead"),
            );
        }
        targets.push(target);
    }
    targets
}

fn target(
    fields: &Fields<'_>,
    index: usize,
    item: &Item<'_>,
    peers: &BTreeMap<&str, PeerId>,
) -> Option<RouteTarget> {
    if matches!(item.node.value, Value::Map(_)) {
        let target =
            Fields::open(fields.desk(), &ROUTE_TARGET, item.node, item.node.place, item.path.clone())?;
        return Some(RouteTarget {
            peer: target.checked("peer", |text| reference(text, "peer", peers))?,
            priority: target.count("priority"),
            weight: target.count("weight"),
        });
    }
    let word = word_of(fields.desk(), item.node, item.path.clone(), Kind::Reference("peers"))?;
    match reference(word.text, "peer", peers) {
        // Peers written as a plain list are tried in its order.
        Ok(peer) => Some(RouteTarget {
            peer,
            priority: u16::try_from(index).unwrap_or(u16::MAX).saturating_add(1),
            weight: 1,
        }),
        Err(cause) => {
            fields.desk().error(word.place, &word.path, cause);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_means_any_and_is_no_name() {
        for text in ["*", "any", "Any"] {
            assert_eq!(pattern(text, "called").ok(), Some(Pattern::Any), "{text}");
        }
        assert_eq!(pattern("anyone", "called").ok(), Some(Pattern::Exact("anyone".into())));
    }
}
