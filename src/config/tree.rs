//! YAML text to a tree whose every word knows its place; scalars stay as they were written.
//!
//! Owns the bounds on a policy file's size, depth and references. Refuses to know what the keys mean.
//! The only file that knows `serde_saphyr`. Read first: YAML 1.2.2 §6-8.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::problem::{Cause, Desk, Place, printable};

/// Bytes of a policy file.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;
/// How the library names a tab in its complaints.
const TAB: &str = "tab";
/// Lists and mappings within one another.
const DEPTH_MAX: usize = 24;
/// Words, lists and mappings, aliases counted as often as they are used.
const NODES_MAX: usize = 250_000;
/// Aliases used.
const ALIASES_MAX: usize = 1_000;

/// A word, list or mapping and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
    bytes: Option<(usize, usize)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing was written.
    Nothing,
    /// A word or number, as written (without quotes).
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in order, duplicates kept.
    Map(Vec<Entry>),
    /// A plain scalar that YAML takes for a number or a truth; becomes `Scalar` before anyone sees it.
    Untold,
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// One that nobody wrote, as if it stood at a place.
    #[must_use]
    pub const fn made(place: Place, value: Value) -> Self {
        Self { place, value, bytes: None }
    }
}

impl Value {
    /// What it is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Scalar(_) | Self::Untold => "one word",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads a whole file; what cannot be read is noted on the desk.
#[must_use]
pub fn read(source: &str, desk: &Desk<'_>) -> Option<Node> {
    if source.len() > SOURCE_BYTES_MAX {
        let cause = format!("the file is larger than {} MiB", SOURCE_BYTES_MAX >> 20);
        desk.error(Place::default(), "", Cause::new(cause));
        return None;
    }
    // One more document, or none, would leave it open which policy is meant.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        reject_unsupported_tags: true,
    };
    match serde_saphyr::from_str_with_options::<Node>(source, options) {
        Ok(mut node) => {
            settle(&mut node, source);
            Some(node)
        }
        Err(error) => {
            let place = error.location().map(place).unwrap_or_default();
            let cause = told(&error);
            let place = if cause.text.contains(TAB) { tab_from(place, source) } else { place };
            desk.error(place, "", cause);
            None
        }
    }
}

/// The first line, from where the library stopped, that is indented by a tab: it stops at the word before.
fn tab_from(stopped: Place, source: &str) -> Place {
    let first = usize::try_from(stopped.line).unwrap_or(0).saturating_sub(1);
    let indented = |line: &str| {
        line.find(|c: char| c != ' ').filter(|at| line.get(*at..).is_some_and(|rest| rest.starts_with('\t')))
    };
    let mut lines = source.lines().enumerate().skip(first);
    let found = lines.find_map(|(index, line)| Some((index, indented(line)?)));
    let narrow = |number: usize| u32::try_from(number.saturating_add(1)).unwrap_or(u32::MAX);
    found.map_or(stopped, |(index, at)| Place { line: narrow(index), column: narrow(at), length: 1 })
}

/// What the library found, in our words where they help more.
fn told(error: &serde_saphyr::Error) -> Cause {
    use serde_saphyr::Error;
    let inner = error.without_snippet();
    if matches!(inner, Error::Budget { breach: BudgetBreach::Documents { .. }, .. }) {
        return Cause::new("a second document begins here").cure("a policy is one document: remove the ---");
    }
    let bounded =
        matches!(inner, Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. });
    if bounded || matches!(inner, Error::Budget { .. }) {
        return Cause::new("too deep, too long, or too many aliases for a policy");
    }
    // The library's words, on one line, without the place that we print ourselves.
    let text = inner.to_string();
    let first = text.lines().next().unwrap_or_default();
    let words = first.split(" at line ").next().unwrap_or(first).trim_start_matches("error: ");
    let cause = Cause::new(format!("not readable as YAML: {}", printable(words)));
    if words.contains(TAB) {
        return cause.cure("indent with spaces");
    }
    if words.contains("alias") || words.contains("tag") {
        return cause.cure("put quotes around it if it is meant as it stands");
    }
    cause.cure(
        "look for a bracket or quote that is not closed, or a line that is indented unlike its neighbours",
    )
}

/// Gives scalars that YAML takes for numbers or truths their spelling back: `+12125550100` is a name here.
fn settle(node: &mut Node, source: &str) {
    match &mut node.value {
        Value::Untold => {
            let text = node.bytes.and_then(|(start, length)| source.get(start..start.checked_add(length)?));
            node.value = Value::Scalar(text.unwrap_or_default().to_owned());
        }
        Value::List(nodes) => nodes.iter_mut().for_each(|node| settle(node, source)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| settle(&mut entry.value, source)),
        Value::Nothing | Value::Scalar(_) => {}
    }
}

fn place(location: Location) -> Place {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Place {
        line: narrow(location.line()),
        column: narrow(location.column()),
        length: u32::try_from(location.span().len()).unwrap_or(1),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let span = spanned.defined.span();
        let bytes = span.byte_offset().zip(span.byte_len());
        let bytes =
            bytes.and_then(|(at, length)| Some((usize::try_from(at).ok()?, usize::try_from(length).ok()?)));
        Ok(Self { place: place(spanned.referenced), value: spanned.value, bytes })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Untold)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Scalar(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Scalar(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry { place: place(key.referenced), key: key.value, value: map.next_value()? });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(source: &str) -> Node {
        let desk = Desk::new("t", source);
        match read(source, &desk) {
            Some(node) => node,
            None => panic!("{}", desk.close().unwrap_err()),
        }
    }

    fn refusal(source: &str) -> String {
        let desk = Desk::new("t", source);
        assert!(read(source, &desk).is_none(), "{source:?} was read");
        desk.close().unwrap_err().to_string()
    }

    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Nothing => "nothing".to_owned(),
            Value::Scalar(text) => format!("{text:?}"),
            Value::Untold => "untold".to_owned(),
            Value::List(nodes) => {
                format!("[{}]", nodes.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Value::Map(entries) => {
                let one = |entry: &Entry| format!("{}: {}", entry.key, shown(&entry.value));
                format!("{{{}}}", entries.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        let source = "é: [+12125550100, 00371, 0x10, 1_000, 1e3, 4s, true, yes, .inf, '5', \"é\", 2026-12-05, -1, ~, ]";
        assert_eq!(
            shown(&tree(source)),
            "{é: [\"+12125550100\", \"00371\", \"0x10\", \"1_000\", \"1e3\", \"4s\", \"true\", \"yes\", \".inf\", \"5\", \
             \"é\", \"2026-12-05\", \"-1\", nothing]}"
        );
    }

    #[test]
    fn duplicate_and_merge_keys_are_kept_for_the_reader_to_refuse() {
        assert_eq!(
            shown(&tree("a: 1\na: 2\n<<: {b: 1}\n1: x\n")),
            "{a: \"1\", a: \"2\", <<: {b: \"1\"}, 1: \"x\"}"
        );
    }

    #[test]
    fn aliases_stand_where_they_are_used() {
        let node = tree("a: &x [1]\nb: *x\n");
        assert_eq!(shown(&node), "{a: [\"1\"], b: [\"1\"]}");
        let Value::Map(entries) = node.value else { panic!("not a mapping") };
        assert_eq!(entries.iter().map(|entry| entry.value.place.line).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_is_not_yaml_or_too_much_of_it_is_refused_with_its_place() {
        let bomb = format!(
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n{}",
            ('b'..'k').fold(String::new(), |text, c| {
                let before = char::from(u8::try_from(c).unwrap() - 1);
                text + &format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 10].join(","))
            })
        );
        insta::assert_snapshot!(
            [
                "a: [1, 2\nb: 3\n".to_owned(),
                "a: 1\n b: 2\n".to_owned(),
                "a: \"x\n".to_owned(),
                "a:\n\tb: 1\n".to_owned(),
                "a: *nowhere\n".to_owned(),
                "a: 1\n---\nb: 2\n".to_owned(),
                "a: !secret x\n".to_owned(),
                "? [1]\n: 2\n".to_owned(),
                bomb,
            ]
            .iter()
            .map(|source| refusal(source))
            .collect::<Vec<_>>()
            .join("\n\n")
        );
    }

    #[test]
    fn brackets_without_end_are_refused_at_once() {
        let began = std::time::Instant::now();
        for source in
            ["[".repeat(100_000), "{a: ".repeat(25_000), "- ".repeat(50_000), "a: &a [*a]".to_owned()]
        {
            refusal(&source);
        }
        assert!(began.elapsed().as_millis() < 1_000, "{:?}", began.elapsed());
    }
}
