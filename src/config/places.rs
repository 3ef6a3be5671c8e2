//! Where the keys of a policy file stand, asked by their paths.
//!
//! Owns the walk from a path, as trails and alerts write it, to a line and a column. Refuses to know what keys mean.
//! Read first: `tree.rs`.

use super::Source;
use super::problem::{Desk, Place, printable};
use super::profiles;
use super::tree::{self, Node, Value};

/// A policy file, ready to be asked.
#[derive(Debug)]
pub struct Places {
    file: String,
    root: Option<Node>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path, as far as the file has it.
    pub path: String,
    /// Where; `None` where the file has nothing of it.
    pub place: Option<Place>,
    /// Whether the file has the whole path: else a default stands there.
    pub written: bool,
}

impl Places {
    /// Reads a file that was loaded; of one that is no YAML nothing is found.
    #[must_use]
    pub fn read(source: &Source) -> Self {
        let mut root = tree::read(&source.text, &Desk::new(&source.name, &source.text));
        root.iter_mut().for_each(profiles::fill);
        Self { file: printable(&source.name), root }
    }

    /// `FILE:LINE:COLUMN`.
    #[must_use]
    pub fn told(&self, place: Place) -> String {
        format!("{}:{}:{}", self.file, place.line, place.column)
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where a path stands; what follows a space is a name and no part of it (`routes[0] (out)`).
    #[must_use]
    pub fn find(&self, path: &str) -> Found {
        let path = path.split(" (").next().unwrap_or(path);
        let mut found = Found { path: String::new(), place: None, written: false };
        let Some(mut node) = self.root.as_ref() else { return found };
        let mut rest = path;
        while !rest.is_empty() {
            let Some((place, next, taken)) = step(node, rest) else { return found };
            (found.place, node) = (Some(place), next);
            rest = rest.get(taken..).unwrap_or_default();
            found.path = path.get(..path.len() - rest.len()).unwrap_or_default().to_owned();
        }
        found.written = true;
        found
    }

    /// The entry of a list below a path that a rule saw: written with separators, or with a star behind it.
    #[must_use]
    pub fn entry(&self, path: &str, lists: &[&str], saw: &str) -> Option<Found> {
        let bare = |text: &str| -> String {
            let text = text.strip_suffix("...").or_else(|| text.strip_suffix('*')).unwrap_or(text);
            text.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect()
        };
        let wanted = bare(saw);
        lists.iter().find_map(|list| {
            let below = format!("{path}.{list}");
            let Value::List(nodes) = &self.node(&below)?.value else { return None };
            let fits = |node: &Node| matches!(&node.value, Value::Scalar(text) if bare(text) == wanted);
            let at = nodes.iter().position(fits)?;
            let place = nodes.get(at).map(|node| node.place);
            Some(Found { path: format!("{below}[{at}]"), place, written: true })
        })
    }

    fn node(&self, path: &str) -> Option<&Node> {
        let mut node = self.root.as_ref()?;
        let mut rest = path;
        while !rest.is_empty() {
            let (_, next, taken) = step(node, rest)?;
            node = next;
            rest = rest.get(taken..)?;
        }
        Some(node)
    }
}

/// The first part of a path below a node: where it stands, what it is, and how much of the path it took. Names may hold dots, so
/// the longest key that fits is meant.
fn step<'a>(node: &'a Node, path: &str) -> Option<(Place, &'a Node, usize)> {
    match &node.value {
        Value::List(nodes) => {
            let inner = path.strip_prefix('[')?;
            let (index, _) = inner.split_once(']')?;
            let node = nodes.get(index.parse::<usize>().ok()?)?;
            Some((node.place, node, index.len() + 2))
        }
        Value::Map(entries) => {
            let bare = path.strip_prefix('.').unwrap_or(path);
            let fits = |key: &str| {
                bare.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let entry =
                entries.iter().filter(|entry| fits(&entry.key)).max_by_key(|entry| entry.key.len())?;
            Some((entry.place, &entry.value, path.len() - bare.len() + entry.key.len()))
        }
        Value::Nothing | Value::Scalar(_) | Value::Untold => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "peers:\n  pbx.one: { side: inside, sources: [10.0.0.1] }\nroutes:\n  - name: out\n    to: [trunk]\n\
                        policy:\n  outbound:\n    - blocklist: { prefixes: [\"+1-900\", '+88*'], numbers: [service] }\n";

    #[test]
    fn a_path_of_a_trail_leads_to_its_line_and_a_default_to_none() {
        let places = Places::read(&Source::of_text("site.yaml", TEXT));
        let at = |path: &str| {
            let found = places.find(path);
            (found.path, found.place.map(|place| (place.line, place.column)), found.written)
        };
        for (path, place) in [
            ("routes[0] (out)", (4, 5)),
            ("routes", (3, 1)),
            ("peers.pbx.one.side", (2, 14)),
            ("peers.pbx.one.sources[0]", (2, 38)),
            ("policy.outbound[0].blocklist", (8, 7)),
        ] {
            let bare = path.split(' ').next().unwrap();
            assert_eq!(at(path), (bare.to_owned(), Some(place), true), "{path}");
        }
        assert_eq!(at("policy.outbound.countries"), ("policy.outbound".to_owned(), Some((7, 3)), false));
        assert_eq!(at("sites.lab.channels"), (String::new(), None, false));
        assert!(!at("routes[7]").2);
        assert_eq!(places.told(Place { line: 3, column: 1, length: 6 }), "site.yaml:3:1");
    }

    #[test]
    fn the_entry_that_a_blocklist_saw_is_found_however_it_is_written() {
        let places = Places::read(&Source::of_text("site.yaml", TEXT));
        let path = "policy.outbound[0].blocklist";
        let at = |saw: &str| places.entry(path, &["prefixes", "numbers"], saw).map(|found| found.path);
        assert_eq!(at("+1900...").as_deref(), Some("policy.outbound[0].blocklist.prefixes[0]"));
        assert_eq!(at("+88...").as_deref(), Some("policy.outbound[0].blocklist.prefixes[1]"));
        assert_eq!(at("service").as_deref(), Some("policy.outbound[0].blocklist.numbers[0]"));
        assert_eq!(at("+44"), None);
    }
}
