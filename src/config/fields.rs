//! Walks a tree along the key table: unknown, duplicate and missing keys, wrong kinds and ranges are all told.
//!
//! Owns the step from written words to typed values. Refuses to know what the values are for.
//! Read first: `keys.rs`.

use std::time::Duration;

use super::keys::{Key, Kind, LeftOut, Section};
use super::problem::{Cause, Desk, Place, listed, nearest, quoted};
use super::tree::{Entry, Node, Value};
use super::values;

/// A section of the file being read: its known keys with what was written.
#[derive(Debug)]
pub struct Fields<'a> {
    /// Its path; empty for the whole file.
    pub path: String,
    /// Where its key stands.
    pub place: Place,
    section: &'static Section,
    entries: Vec<&'a Entry>,
    /// Known keys that unknown ones were meant for: told there, and not told again as missing.
    misspelt: Vec<&'static str>,
    /// Whether something was written, known or not.
    written: bool,
    desk: &'a Desk<'a>,
}

/// One written word with its place and path.
#[derive(Debug, Clone)]
pub struct Word<'a> {
    /// As written.
    pub text: &'a str,
    /// Where.
    pub place: Place,
    /// Its path.
    pub path: String,
}

/// One entry of a list.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// What was written.
    pub node: &'a Node,
    /// Its path.
    pub path: String,
}

/// A chosen name with its section.
#[derive(Debug)]
pub struct NamedFields<'a> {
    /// The name.
    pub name: &'a str,
    /// Its section.
    pub fields: Fields<'a>,
}

/// `a.b`, or `b` at the top.
#[must_use]
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl<'a> Fields<'a> {
    /// Opens a section; what is not a mapping is told and read as an empty one that nobody misses keys of.
    pub fn open(
        desk: &'a Desk<'a>,
        section: &'static Section,
        node: &'a Node,
        place: Place,
        path: String,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let cause = match node.value {
                Value::Nothing => Cause::new("nothing is written here"),
                Value::Scalar(_) | Value::Untold | Value::List(_) | Value::Map(_) => {
                    Cause::new(format!("{} stands where {} is wanted", node.value.kind(), section.name))
                }
            };
            let place = if node.value == Value::Nothing { place } else { node.place };
            desk.error(place, &path, cause.cure(format!("write keys below it: {}", keys_of(section))));
            return None;
        };
        let mut fields = Self { written: !entries.is_empty(), ..Self::left_out(desk, section, place, path) };
        for entry in entries {
            fields.take(entry);
        }
        fields.miss();
        Some(fields)
    }

    /// A section that was left out: every key at its default.
    #[must_use]
    pub fn left_out(desk: &'a Desk<'a>, section: &'static Section, place: Place, path: String) -> Self {
        Self { path, place, section, entries: Vec::new(), misspelt: Vec::new(), written: false, desk }
    }

    fn take(&mut self, entry: &'a Entry) {
        let path = join(&self.path, &super::problem::printable(&entry.key));
        if self.section.key(&entry.key).is_none() {
            let known = self.section.keys.iter().map(|key| key.name);
            let cause = Cause::new(format!("{} has no key {}", self.section.name, quoted(&entry.key)));
            let cause = match nearest(&entry.key, known) {
                Some(meant) => {
                    self.misspelt.push(meant);
                    cause.nearest(&entry.key, [meant])
                }
                None => cause.cure(format!("its keys are {}", keys_of(self.section))),
            };
            self.desk.error(entry.place, &path, cause);
        } else if let Some(first) = self.entries.iter().find(|known| known.key == entry.key) {
            let cause = format!("written twice; first in line {}", first.place.line);
            self.desk.error(entry.place, &path, Cause::new(cause).cure("keep one of them"));
        } else {
            self.entries.push(entry);
        }
    }

    fn miss(&self) {
        for key in self.section.keys.iter().filter(|key| key.left_out == LeftOut::Required) {
            if self.entry(key.name).is_none() && !self.misspelt.contains(&key.name) {
                let cause =
                    Cause::new(format!("{} needs the key \"{}\": {}", self.section.name, key.name, key.why));
                self.desk.error(
                    self.place,
                    &self.path,
                    cause.cure(format!("add \"{}:\" with {}", key.name, key.kind.takes())),
                );
            }
        }
    }

    /// The desk where problems go.
    #[must_use]
    pub fn desk(&self) -> &'a Desk<'a> {
        self.desk
    }

    fn entry(&self, name: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == name).copied()
    }

    /// Where a key's value stands; where the section stands when the key is left out.
    #[must_use]
    pub fn place_of(&self, name: &str) -> Place {
        self.entry(name).map_or(self.place, |entry| entry.value.place)
    }

    /// The path of a key.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Whether a key is written.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// What stands behind a key that is written.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The one key that is written, for sections of which one is chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<&'a str> {
        match self.entries.as_slice() {
            [only] => Some(&only.key),
            // An unknown key was told already.
            [] if self.written => None,
            [] => {
                self.desk.error(
                    self.place,
                    &self.path,
                    Cause::new(format!("{} is missing", self.section.name)),
                );
                None
            }
            [_, second, ..] => {
                let cause = Cause::new(format!("more than one key in {}", self.section.name));
                self.desk.error(second.place, &self.path, cause.cure("begin a new list entry with -"));
                None
            }
        }
    }

    /// Notes an error at a key's value.
    pub fn error(&self, name: &str, cause: Cause) {
        self.desk.error(self.place_of(name), &self.path_of(name), cause);
    }

    /// Notes a warning at a key's value.
    pub fn warning(&self, name: &str, cause: Cause) {
        self.desk.warning(self.place_of(name), &self.path_of(name), cause);
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        let key = self.section.key(name);
        debug_assert!(key.is_some(), "{} has no key {name} in the table", self.section.name);
        key
    }

    /// The word behind a key, written or by default; `None` when there is neither, or the wrong kind (told).
    #[must_use]
    pub fn word(&self, name: &str) -> Option<Word<'a>> {
        let key = self.key(name)?;
        match (self.node(name), key.left_out) {
            (Some(node), _) => word_of(self.desk, node, self.path_of(name), key.kind),
            (None, LeftOut::Value(text)) => Some(Word { text, place: self.place, path: self.path_of(name) }),
            (None, LeftOut::Required | LeftOut::Means(_)) => None,
        }
    }

    /// The value behind a key; where it cannot be read, that is told and the default stands in.
    fn read<T>(&self, name: &str, read: impl Fn(&str, Kind) -> Result<T, Cause>) -> Option<T> {
        let key = self.key(name)?;
        let word = self.word(name);
        match word.map(|word| (read(word.text, key.kind), word)) {
            Some((Ok(value), _)) => Some(value),
            Some((Err(cause), word)) => {
                self.desk.error(word.place, &word.path, cause);
                self.default(key, read)
            }
            None => self.default(key, read),
        }
    }

    fn default<T>(&self, key: &'static Key, read: impl Fn(&str, Kind) -> Result<T, Cause>) -> Option<T> {
        match key.left_out {
            LeftOut::Value(text) => read(text, key.kind).ok(),
            LeftOut::Required | LeftOut::Means(_) => None,
        }
    }

    /// A duration, if there is one.
    #[must_use]
    pub fn time_if(&self, name: &str) -> Option<Duration> {
        self.read(name, |text, kind| {
            let (least, most) = if let Kind::Time(least, most) = kind {
                (least, most)
            } else {
                (Duration::ZERO, Duration::MAX)
            };
            values::time(text, least, most)
        })
    }

    /// A duration.
    #[must_use]
    pub fn time(&self, name: &str) -> Duration {
        self.time_if(name).unwrap_or_default()
    }

    /// A whole number, if there is one.
    #[must_use]
    pub fn count_if<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        let number = self.read(name, |text, kind| {
            if let Kind::Size(least, most) = kind {
                return values::size(text, least, most);
            }
            let (least, most) =
                if let Kind::Count(least, most) = kind { (least, most) } else { (0, u64::MAX) };
            values::count(text, least, most)
        });
        number.and_then(|number| T::try_from(number).ok())
    }

    /// A whole number or size.
    #[must_use]
    pub fn count<T: TryFrom<u64> + Default>(&self, name: &str) -> T {
        self.count_if(name).unwrap_or_default()
    }

    /// A word checked by `read`.
    pub fn checked<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, Cause>) -> Option<T> {
        self.read(name, |text, _| read(text))
    }

    /// One of the words of the table, with what it stands for.
    pub fn choice<T: Copy>(&self, name: &str, meanings: &[(&str, T)]) -> Option<T> {
        self.read(name, |text, _| choose(text, meanings))
    }

    /// A mapping of the admin's own keys to words; what is none, or more than there may be, is told.
    #[must_use]
    pub fn pairs(&self, name: &str) -> Vec<(&'a Entry, Word<'a>)> {
        let Some(Kind::Words(kind, most)) = self.key(name).map(|key| key.kind) else { return Vec::new() };
        let Some(node) = self.node(name) else { return Vec::new() };
        let Value::Map(entries) = &node.value else {
            let cause = format!("{} stands where a mapping is wanted", node.value.kind());
            self.error(name, Cause::new(cause).cure("write {KEY: WORD}"));
            return Vec::new();
        };
        if entries.len() > most {
            self.error(name, Cause::new(format!("{} entries: at most {most}", entries.len())));
            return Vec::new();
        }
        let word = |entry: &'a Entry| {
            let path = join(&self.path_of(name), &super::problem::printable(&entry.key));
            word_of(self.desk, &entry.value, path, *kind).map(|word| (entry, word))
        };
        entries.iter().filter_map(word).collect()
    }

    /// A list's entries; empty when left out.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<Item<'a>> {
        let most = match self.listed_kind(name) {
            Some((_, most)) => most,
            None => usize::MAX,
        };
        // A word that may stand instead of a list lists nothing.
        if self.instead_of_list(name) {
            return Vec::new();
        }
        self.node(name).map(|node| items(self.desk, node, &self.path_of(name), most)).unwrap_or_default()
    }

    /// What a list holds and how many of it, also where a word may stand instead.
    fn listed_kind(&self, name: &str) -> Option<(Kind, usize)> {
        let list = |kind: &Kind| if let Kind::List(kind, most) = kind { Some((**kind, *most)) } else { None };
        let kind = self.key(name)?.kind;
        list(&kind)
            .or_else(|| if let Kind::Either(kinds) = kind { kinds.iter().find_map(list) } else { None })
    }

    /// Whether one of the words stands that may stand instead of a list.
    #[must_use]
    pub fn instead_of_list(&self, name: &str) -> bool {
        let Some(Kind::Either(kinds)) = self.key(name).map(|key| key.kind) else { return false };
        let Some(Node { value: Value::Scalar(text), .. }) = self.node(name) else { return false };
        kinds.iter().any(|kind| if let Kind::Word(words) = kind { words.contains(&&**text) } else { false })
    }

    /// A list's words, each read by `read`; those that cannot be read are told and left out.
    pub fn words<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, Cause>) -> Vec<(T, Item<'a>)> {
        let kind = self.listed_kind(name).map_or(Kind::Name, |(kind, _)| kind);
        let one = |item: Item<'a>| {
            let word = word_of(self.desk, item.node, item.path.clone(), kind)?;
            match read(word.text) {
                Ok(value) => Some((value, item)),
                Err(cause) => {
                    self.desk.error(word.place, &word.path, cause);
                    None
                }
            }
        };
        self.list(name).into_iter().filter_map(one).collect()
    }

    /// A section below a key; when left out, the section with every key at its default.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<Fields<'a>> {
        let Some(Kind::Section(section) | Kind::OneOf(section)) = self.key(name).map(|key| key.kind) else {
            return None;
        };
        match self.entry(name) {
            Some(entry) => Fields::open(self.desk, section, &entry.value, entry.place, self.path_of(name)),
            None => Some(Fields::left_out(self.desk, section, self.place, self.path_of(name))),
        }
    }

    /// Chosen names with their sections; a name twice, or one that is no name, is told.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<NamedFields<'a>> {
        let Some(Kind::Named(section, most)) = self.key(name).map(|key| key.kind) else { return Vec::new() };
        let Some(entry) = self.entry(name) else { return Vec::new() };
        let Value::Map(entries) = &entry.value.value else {
            let cause = Cause::new(format!("{} is not a mapping of names", entry.value.value.kind()));
            self.error(name, cause.cure(format!("write NAME: below it, each {}", section.name)));
            return Vec::new();
        };
        if entries.len() > most {
            self.error(name, Cause::new(format!("{} entries: at most {most}", entries.len())));
            return Vec::new();
        }
        let mut out: Vec<NamedFields<'a>> = Vec::new();
        for entry in entries {
            let path = join(&self.path_of(name), &super::problem::printable(&entry.key));
            let twin = out.iter().find(|known| known.name.eq_ignore_ascii_case(&entry.key));
            if let Err(cause) = values::name(&entry.key) {
                self.desk.error(entry.place, &path, cause);
            } else if let Some(twin) = twin {
                let cause =
                    format!("{} is already named in line {}", quoted(twin.name), twin.fields.place.line);
                let cure = "choose another; upper and lower case make no difference";
                self.desk.error(entry.place, &path, Cause::new(cause).cure(cure));
            } else {
                let fields = Fields::open(self.desk, section, &entry.value, entry.place, path.clone());
                // What is no section was told; its name stands, so that what refers to it is not told as well.
                let fields =
                    fields.unwrap_or_else(|| Fields::left_out(self.desk, section, entry.place, path));
                out.push(NamedFields { name: &entry.key, fields });
            }
        }
        if entries.is_empty() {
            self.error(
                name,
                Cause::new("nothing is written here")
                    .cure(format!("name at least one, each {}", section.name)),
            );
        }
        out
    }
}

fn keys_of(section: &Section) -> String {
    section.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

/// The word of a node; anything else is told.
pub fn word_of<'a>(desk: &Desk<'_>, node: &'a Node, path: String, kind: Kind) -> Option<Word<'a>> {
    match &node.value {
        Value::Scalar(text) => Some(Word { text, place: node.place, path }),
        Value::Nothing => {
            let cause = Cause::new("nothing is written here");
            desk.error(node.place, &path, cause.cure(format!("write {}", kind.takes())));
            None
        }
        Value::List(_) | Value::Map(_) | Value::Untold => {
            let cause = format!("{} stands where {} is wanted", node.value.kind(), kind.takes());
            desk.error(node.place, &path, Cause::new(cause));
            None
        }
    }
}

/// The entries of a list; anything else, an empty list or one that is too long is told.
pub fn items<'a>(desk: &Desk<'_>, node: &'a Node, path: &str, most: usize) -> Vec<Item<'a>> {
    let Value::List(nodes) = &node.value else {
        let cause = match &node.value {
            Value::Scalar(text) => {
                Cause::new("one word stands where a list is wanted").cure(format!("write [{text}]"))
            }
            Value::Nothing => Cause::new("nothing is written here").cure("write a list"),
            Value::Map(_) | Value::Untold => {
                Cause::new("a mapping stands where a list is wanted").cure("begin each entry with -")
            }
            Value::List(_) => return Vec::new(),
        };
        desk.error(node.place, path, cause);
        return Vec::new();
    };
    if nodes.is_empty() {
        desk.error(
            node.place,
            path,
            Cause::new("the list is empty").cure("write at least one, or remove the key"),
        );
    }
    if nodes.len() > most {
        desk.error(node.place, path, Cause::new(format!("{} entries: at most {most}", nodes.len())));
        return Vec::new();
    }
    nodes.iter().enumerate().map(|(index, node)| Item { node, path: format!("{path}[{index}]") }).collect()
}

/// What a word of a fixed few stands for.
pub fn choose<T: Copy>(text: &str, meanings: &[(&str, T)]) -> Result<T, Cause> {
    let found = meanings.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let words = || meanings.iter().map(|(word, _)| *word);
        Cause::new(format!("{} is not {}", quoted(text), listed(words(), "or"))).nearest(text, words())
    })
}
