//! What a key is: name, kind of value, what leaving it out means, and one line of why.
//!
//! Owns the shape of the key table; the table itself is `table.rs`. Refuses to know the values read.
//! Read first: nothing.

use std::time::Duration;

/// One key of a section.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What stands when it is left out.
    pub left_out: LeftOut,
    /// One line: why it is there.
    pub why: &'static str,
}

/// What stands when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// It may not be left out.
    Required,
    /// This value, as it would be written.
    Value(&'static str),
    /// What this says in words.
    Means(&'static str),
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Section {
    /// What one of it is called in messages: `a listener`.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number in a range.
    Count(u64, u64),
    /// A duration in a range.
    Time(Duration, Duration),
    /// A size in a range.
    Size(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// An address without a port.
    Ip,
    /// A range of ports.
    Ports,
    /// An address with a port.
    Address,
    /// An address whose port may be left out (5060).
    Target,
    /// A host with an optional port.
    Host,
    /// An address or a network.
    Network,
    /// A number or user name as dialled.
    Number,
    /// A number or user name; a trailing `*` makes it a prefix.
    Pattern,
    /// A header's name.
    Header,
    /// The name of an entry of this section.
    Reference(&'static str),
    /// A file's path, taken from the policy file's folder when relative.
    Path,
    /// A name that the admin chooses.
    Name,
    /// A filter for logs.
    Filter,
    /// A day.
    Date,
    /// A list of so many at most.
    List(&'static Kind, usize),
    /// Fixed keys.
    Section(&'static Section),
    /// Chosen names, each with a section; so many at most.
    Named(&'static Section, usize),
    /// Keys of the admin's own, each with one of these; so many at most.
    Words(&'static Kind, usize),
    /// Exactly one of the keys.
    OneOf(&'static Section),
    /// Written in either form.
    Either(&'static [Kind]),
}

impl Key {
    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, why: &'static str) -> Self {
        Self { name, kind, left_out: LeftOut::Required, why }
    }

    /// A key with a default value.
    #[must_use]
    pub const fn value(name: &'static str, kind: Kind, value: &'static str, why: &'static str) -> Self {
        Self { name, kind, left_out: LeftOut::Value(value), why }
    }

    /// A key whose absence means something that is not one value.
    #[must_use]
    pub const fn means(name: &'static str, kind: Kind, meaning: &'static str, why: &'static str) -> Self {
        Self { name, kind, left_out: LeftOut::Means(meaning), why }
    }
}

impl Section {
    /// The key of a name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// What it takes, for messages: `a duration`.
    #[must_use]
    pub fn takes(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Count(..) => "a whole number".to_owned(),
            Self::Time(..) => "a duration".to_owned(),
            Self::Size(..) => "a size".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Ip => "an address".to_owned(),
            Self::Ports => "a range of ports".to_owned(),
            Self::Address => "an address with a port".to_owned(),
            Self::Target => "an address or a name".to_owned(),
            Self::Host => "a host".to_owned(),
            Self::Network => "an address or network".to_owned(),
            Self::Number => "a number or user name".to_owned(),
            Self::Pattern => "a number, a user name or a prefix".to_owned(),
            Self::Header => "a header's name".to_owned(),
            Self::Reference(section) => format!("a name of {section}"),
            Self::Path => "a path".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::Filter => "a log filter".to_owned(),
            Self::Date => "a date".to_owned(),
            Self::List(..) => "a list".to_owned(),
            Self::Section(_) => "a mapping".to_owned(),
            Self::Named(section, _) => format!("a mapping of names, each {}", section.name),
            Self::Words(one, _) => format!("a mapping, each key with {}", one.takes()),
            Self::OneOf(section) => format!("a mapping with one key of {}", names(section)),
            Self::Either(kinds) => kinds.iter().map(Self::takes).collect::<Vec<_>>().join(", or "),
        }
    }
}

fn names(section: &Section) -> String {
    section.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}
