//! The key table, `config/reference.yaml` and the reader are held together: every key stands in the reference, with its
//! default and its line of why.

use std::collections::BTreeSet;

use super::keys::{Key, Kind, LeftOut, Section};
use super::problem::Desk;
use super::table::ROOT;
use super::tree::{Entry, Node, Value, read};

const REFERENCE: &str = include_str!("../../config/reference.yaml");

/// The reference with every key that stands behind a `#` brought to life.
fn alive() -> String {
    let key = |line: &str| {
        let word = line.trim_start_matches("- ");
        let name: String =
            word.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit()).collect();
        !name.is_empty() && word.get(name.len()..).is_some_and(|rest| rest == ":" || rest.starts_with(": "))
    };
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        match line.trim_start().strip_prefix("# ") {
            Some(rest) if key(rest.trim_start()) => format!("{}{rest}\n", " ".repeat(indent)),
            Some(_) | None => format!("{line}\n"),
        }
    };
    REFERENCE.lines().map(line).collect()
}

fn tree(text: &str) -> Node {
    let desk = Desk::new("reference.yaml", text);
    match read(text, &desk) {
        Some(node) => node,
        None => panic!("{}\n{text}", desk.close().unwrap_err()),
    }
}

/// A value as it would be written on one line.
fn written(node: &Node) -> String {
    match &node.value {
        Value::Scalar(text) => text.clone(),
        Value::List(nodes) => format!("[{}]", nodes.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Nothing | Value::Untold | Value::Map(_) => String::new(),
    }
}

#[derive(Default)]
struct Walk {
    found: BTreeSet<(&'static str, &'static str)>,
    wrong: Vec<String>,
}

impl Walk {
    fn section(&mut self, section: &'static Section, node: &Node) {
        let Value::Map(entries) = &node.value else { return };
        for entry in entries {
            match section.key(&entry.key) {
                Some(key) => self.key(section, key, entry),
                None => self.wrong.push(format!("{} has no key {}", section.name, entry.key)),
            }
        }
    }

    fn key(&mut self, section: &'static Section, key: &'static Key, entry: &Entry) {
        self.found.insert((section.name, key.name));
        if let (LeftOut::Value(default), Value::Scalar(_) | Value::List(_)) =
            (key.left_out, &entry.value.value)
            && written(&entry.value) != default
        {
            let line = entry.place.line;
            self.wrong
                .push(format!("line {line}: {} of {} is {default} when left out", key.name, section.name));
        }
        self.kind(key.kind, &entry.value);
    }

    fn kind(&mut self, kind: Kind, node: &Node) {
        match (parts(kind), &node.value) {
            (Parts::One(section), Value::Map(_)) => self.section(section, node),
            (Parts::Named(section), Value::Map(entries)) => {
                entries.iter().for_each(|entry| self.section(section, &entry.value));
            }
            (Parts::List(kind), Value::List(nodes)) => nodes.iter().for_each(|node| self.kind(kind, node)),
            (Parts::Either(kinds), _) => kinds.iter().for_each(|kind| self.kind(*kind, node)),
            // A single word, or a form that does not fit: the reader's own tests complain of that.
            (Parts::Word | Parts::One(_) | Parts::Named(_) | Parts::List(_), _) => {}
        }
    }
}

/// Every key of the table, by section.
fn table(section: &'static Section, into: &mut Vec<(&'static str, &'static Key)>) {
    if into.iter().any(|(name, _)| *name == section.name) {
        return;
    }
    into.extend(section.keys.iter().map(|key| (section.name, key)));
    section.keys.iter().for_each(|key| below(key.kind, into));
}

fn below(kind: Kind, into: &mut Vec<(&'static str, &'static Key)>) {
    match parts(kind) {
        Parts::One(section) | Parts::Named(section) => table(section, into),
        Parts::List(kind) => below(kind, into),
        Parts::Either(kinds) => kinds.iter().for_each(|kind| below(*kind, into)),
        Parts::Word => {}
    }
}

/// What a kind is made of.
enum Parts {
    Word,
    One(&'static Section),
    Named(&'static Section),
    List(Kind),
    Either(&'static [Kind]),
}

fn parts(kind: Kind) -> Parts {
    match kind {
        Kind::Section(section) | Kind::OneOf(section) => Parts::One(section),
        Kind::Named(section, _) => Parts::Named(section),
        Kind::List(kind, _) => Parts::List(*kind),
        Kind::Either(kinds) => Parts::Either(kinds),
        Kind::Flag
        | Kind::Count(..)
        | Kind::Time(..)
        | Kind::Size(..)
        | Kind::Word(_)
        | Kind::Ip
        | Kind::Ports
        | Kind::Address
        | Kind::Target
        | Kind::Host
        | Kind::Network
        | Kind::Number
        | Kind::Pattern
        | Kind::Header
        | Kind::Reference(_)
        | Kind::Path
        | Kind::Name
        | Kind::Filter
        | Kind::Date
        | Kind::Words(..) => Parts::Word,
    }
}

#[test]
fn the_reference_holds_every_key_with_its_default() {
    let mut keys = Vec::new();
    table(&ROOT, &mut keys);
    assert!(keys.len() > 90, "{}", keys.len());
    let mut walk = Walk::default();
    walk.section(&ROOT, &tree(&alive()));
    assert_eq!(walk.wrong, Vec::<String>::new());
    let missing: Vec<_> = keys
        .iter()
        .filter(|(section, key)| !walk.found.contains(&(section, key.name)))
        .map(|(section, key)| format!("{section}: {}", key.name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// Text without its line ends, in small letters.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// What the reference remarks, in one line.
fn remarks() -> String {
    let remarks: String = REFERENCE
        .lines()
        .filter_map(|line| line.split_once("# ").map(|(_, remark)| remark.trim_start_matches(['#', ' '])))
        .map(|remark| format!("{remark} "))
        .collect();
    plain(&remarks)
}

/// The words that a key chooses from; none where it takes something else.
fn choice(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Word(words) => words,
        Kind::List(kind, _) => choice(*kind),
        Kind::Either(kinds) => {
            kinds.iter().map(|kind| choice(*kind)).find(|words| !words.is_empty()).unwrap_or_default()
        }
        Kind::Flag
        | Kind::Count(..)
        | Kind::Time(..)
        | Kind::Size(..)
        | Kind::Ip
        | Kind::Ports
        | Kind::Address
        | Kind::Target
        | Kind::Host
        | Kind::Network
        | Kind::Number
        | Kind::Pattern
        | Kind::Header
        | Kind::Reference(_)
        | Kind::Path
        | Kind::Name
        | Kind::Filter
        | Kind::Date
        | Kind::Section(_)
        | Kind::OneOf(_)
        | Kind::Words(..)
        | Kind::Named(..) => &[],
    }
}

#[test]
fn the_reference_names_every_word_that_a_key_chooses_from() {
    let remarks = remarks();
    let mut keys = Vec::new();
    table(&ROOT, &mut keys);
    let unsaid = |key: &Key| {
        let words = choice(key.kind);
        let default = if let LeftOut::Value(text) = key.left_out { text } else { "" };
        let said = |word: &&str| key.why.contains(*word) || default.contains(*word);
        !words.iter().all(said) && !remarks.contains(&format!("one of: {}", words.join(", ")))
    };
    let unsaid: Vec<_> = keys.iter().filter(|(_, key)| unsaid(key)).map(|(_, key)| key.name).collect();
    assert_eq!(unsaid, Vec::<&str>::new());
}

#[test]
fn the_reference_says_why_in_the_words_of_the_table() {
    let remarks = remarks();
    let mut keys = Vec::new();
    table(&ROOT, &mut keys);
    let unsaid: Vec<_> =
        keys.iter().filter(|(_, key)| !remarks.contains(&plain(key.why))).map(|(_, key)| key.why).collect();
    assert_eq!(unsaid, Vec::<&str>::new());
}

#[test]
fn every_default_of_the_table_is_a_value_the_reader_takes() {
    let mut keys = Vec::new();
    table(&ROOT, &mut keys);
    for (section, key) in keys {
        let LeftOut::Value(text) = key.left_out else { continue };
        let refused = match key.kind {
            Kind::Time(least, most) => super::values::time(text, least, most).err(),
            Kind::Count(least, most) => super::values::count(text, least, most).err(),
            Kind::Size(least, most) => super::values::size(text, least, most).err(),
            Kind::Word(words) => (!words.contains(&text)).then(|| super::problem::Cause::new("no such word")),
            Kind::Flag
            | Kind::Ip
            | Kind::Ports
            | Kind::Address
            | Kind::Target
            | Kind::Host
            | Kind::Network
            | Kind::Number
            | Kind::Pattern
            | Kind::Header
            | Kind::Reference(_)
            | Kind::Path
            | Kind::Name
            | Kind::Filter
            | Kind::Date
            | Kind::List(..)
            | Kind::Section(_)
            | Kind::Words(..)
            | Kind::Named(..)
            | Kind::OneOf(_)
            | Kind::Either(_) => None,
        };
        assert_eq!(refused, None, "{section}: {}", key.name);
    }
}
