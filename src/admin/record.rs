//! A call record as a person reads it: found in the files that records go to, drawn as a ladder with its verdict.
//!
//! Owns the search over a file and the ones put aside from it, and the reading of a record's keys. Refuses to know who
//! wrote the record: it reads JSON. Read first: the README's section on ladders.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ladder::Ladder;

/// Bytes of one line; a longer one is no record of ours and is passed over.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Digits of a record's id that are enough to ask by.
const ID_DIGITS_MIN: usize = 6;
/// Records named when a question fits several.
const NAMED_MAX: usize = 10;
/// Targets that get columns of their own; more share one.
const COLUMNS_MAX: usize = 8;

/// Hebrew is the first script that is written from right to left. A terminal turns it around, and the numbers beside it;
/// letters further on may also be wider than one place.
const RIGHT_TO_LEFT: char = '\u{590}';

/// Which record is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one written last.
    Last,
    /// By its id (or its first digits), or by the Call-ID of one of its legs.
    Named(String),
}

/// Why no record was found.
#[derive(Debug)]
pub enum NotFound {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// No record fits.
    None(String),
    /// Several fit: one line for each.
    Several(Vec<String>),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(
                f,
                "{} cannot be read: {error}; name the file that holds call records with --file (- is standard input)",
                path.display()
            ),
            Self::None(asked) => write!(
                f,
                "no record fits {asked}; ask by the first {ID_DIGITS_MIN} digits of a record's id or more, by the \
                 whole Call-ID of one of its legs, or for the last one with no name at all"
            ),
            Self::Several(fitting) => {
                f.write_str("several records fit; ask for one by its id:")?;
                fitting.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
        }
    }
}

impl std::error::Error for NotFound {}

/// Finds a record in a file and, where it is not there, in those put aside from it (`FILE.1`, `FILE.2` ...).
pub fn find(file: &Path, wanted: &Wanted) -> Result<Value, NotFound> {
    let unreadable = |path: &Path, error| NotFound::Unreadable(path.to_owned(), error);
    if file == Path::new("-") {
        let mut search = Search::new(wanted);
        search.read(io::stdin().lock()).map_err(|error| unreadable(file, error))?;
        return search.ended(wanted);
    }
    let mut search = Search::new(wanted);
    let mut path = file.to_owned();
    for number in 1_u32.. {
        match File::open(&path) {
            Ok(open) => search.read(BufReader::new(open)).map_err(|error| unreadable(&path, error))?,
            Err(error) if number > 1 && error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(unreadable(&path, error)),
        }
        if !search.found.is_empty() {
            break;
        }
        path = PathBuf::from(format!("{}.{number}", file.display()));
    }
    search.ended(wanted)
}

/// A search under way.
struct Search {
    wanted: Wanted,
    /// What a line must hold to be worth reading: the name as JSON writes it.
    needle: String,
    found: Vec<Value>,
}

impl Search {
    fn new(wanted: &Wanted) -> Self {
        let needle = match wanted {
            Wanted::Last => String::new(),
            Wanted::Named(name) => Value::from(name.as_str()).to_string().trim_matches('"').to_owned(),
        };
        Self { wanted: wanted.clone(), needle, found: Vec::new() }
    }

    fn read(&mut self, mut lines: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            if memchr::memmem::find(&line, self.needle.as_bytes()).is_some() {
                self.look(&line);
            }
        }
    }

    fn look(&mut self, line: &[u8]) {
        // Alerts and logs may stand in the same stream, and a crash leaves half a line: those are no records.
        let Ok(record) = serde_json::from_slice::<Value>(line) else { return };
        if record.get("legs").is_none_or(|legs| !legs.is_array()) {
            return;
        }
        match &self.wanted {
            Wanted::Last => {
                self.found.clear();
                self.found.push(record);
            }
            Wanted::Named(name) if fits(&record, name) => self.found.push(record),
            Wanted::Named(_) => {}
        }
    }

    fn ended(mut self, wanted: &Wanted) -> Result<Value, NotFound> {
        if self.found.len() > 1 {
            return Err(NotFound::Several(self.found.iter().take(NAMED_MAX).map(headline).collect()));
        }
        self.found.pop().ok_or_else(|| {
            NotFound::None(match wanted {
                Wanted::Last => "(there is none yet)".to_owned(),
                Wanted::Named(name) => format!("\"{}\"", shown(name)),
            })
        })
    }
}

fn fits(record: &Value, name: &str) -> bool {
    let by_id = name.len() >= ID_DIGITS_MIN && text(record, "id").starts_with(name);
    by_id || legs(record).iter().any(|leg| text(leg, "call_id") == name)
}

fn headline(record: &Value) -> String {
    let word = |key| shown(text(record, key));
    format!("{}  {}  {} to {}  {}", word("id"), word("began"), word("from"), word("to"), word("disposition"))
}

/// Draws a record: its ladder, then how it ended, its legs, and every rule that was asked.
#[must_use]
pub fn draw(record: &Value, width: usize) -> String {
    let names = columns(record, width);
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ladder = Ladder::fitting(&columns, width);
    arrows(&mut ladder, record, &columns);
    verdict(&mut ladder, record);
    ladder.to_string()
}

/// The caller, the edge, and every target; two legs to one peer are told apart by a number. Where they are too many to
/// stand beside each other, the targets share a column.
fn columns(record: &Value, width: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let targets = legs(record).len().saturating_sub(1);
    let stacked = targets > COLUMNS_MAX || !Ladder::holds(targets + 2, width);
    for leg in legs(record).iter().take(if stacked { 1 } else { targets + 1 }) {
        let peer = shown(text(leg, "peer"));
        let again = names.iter().filter(|name| name.split(" (").next() == Some(&peer)).count();
        names.push(if again == 0 { peer } else { format!("{peer} ({})", again + 1) });
        if names.len() == 1 {
            names.push("edge".to_owned());
        }
    }
    if stacked && targets > 0 {
        names.push(format!("{targets} targets"));
    }
    names
}

/// Which target the arrows in the shared column belong to.
fn target(record: &Value, leg: usize) -> Option<String> {
    let of = legs(record).get(leg)?;
    let word = |key| shown(text(of, key));
    Some(format!("target {leg}: {} {} {}", word("peer"), word("remote"), word("transport")))
}

fn arrows(ladder: &mut Ladder, record: &Value, columns: &[&str]) {
    let edge = columns.get(1).copied().unwrap_or("edge");
    let messages = record.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let stacked = columns.len() < legs(record).len() + 1;
    let mut last = 0;
    let mut told = 0;
    for message in messages.iter().filter_map(Value::as_str) {
        match passed(message) {
            Some((at_ms, leg, sent, label)) => {
                last = at_ms;
                let shared = stacked && leg > 0 && leg < legs(record).len();
                if shared && std::mem::replace(&mut told, leg) != leg {
                    ladder.note(at_ms, target(record, leg).unwrap_or_default());
                }
                let column = match leg {
                    0 => 0,
                    _ if shared => 2,
                    leg => leg.saturating_add(1),
                };
                match columns.get(column) {
                    Some(peer) if sent => ladder.arrow(at_ms, edge, peer, label),
                    Some(peer) => ladder.arrow(at_ms, peer, edge, label),
                    None => ladder.note(at_ms, shown(message)),
                }
            }
            None => ladder.note(last, shown(message)),
        }
    }
    if messages.is_empty()
        && let Some(caller) = columns.first()
    {
        // Refused before it became a call, or written by an older version: what the times and statuses tell.
        ladder.arrow(0, caller, edge, "INVITE");
        let answered =
            number(record, "answer_delay_ms").unwrap_or_else(|| number(record, "total_ms").unwrap_or(0));
        ladder.arrow(answered, edge, caller, format!("{} INVITE", number(record, "status").unwrap_or(0)));
    }
}

/// `120 1> 200 INVITE body` as time, leg, whether the edge sent it, and label.
fn passed(message: &str) -> Option<(u64, usize, bool, String)> {
    let (at, rest) = message.split_once(' ')?;
    let (way, what) = rest.split_once(' ')?;
    let (leg, sent) = match way.strip_prefix('>') {
        Some(leg) => (leg, true),
        None => (way.strip_suffix('>')?, false),
    };
    let label = match what.strip_suffix(" body") {
        Some(what) => format!("{} [body]", shown(what)),
        None => shown(what),
    };
    Some((at.parse().ok()?, leg.parse().ok()?, sent, label))
}

fn verdict(ladder: &mut Ladder, record: &Value) {
    let word = |key| shown(text(record, key));
    let direction = text(record, "direction");
    let direction = if direction.is_empty() { "no route" } else { direction };
    ladder.verdict(format!("{} to {}, {direction}, {}", word("from"), word("to"), word("began")));
    let seconds = |key| number(record, key).map(|ms| format!("{}.{:03} s", ms / 1000, ms % 1000));
    let mut how = format!(
        "{}, {} by {}: {}",
        word("disposition"),
        number(record, "status").unwrap_or(0),
        word("ended_by"),
        word("why")
    );
    if let Some(code) = number(record, "code") {
        let _infallible = write!(how, " (alert {code})");
    }
    if number(record, "talk_ms").is_some_and(|talked| talked > 0) {
        let _infallible = write!(how, "; talked {}", seconds("talk_ms").unwrap_or_default());
    }
    ladder.verdict(how);
    for leg in legs(record) {
        let of = |key| shown(text(leg, key));
        let status =
            number(leg, "status").map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        ladder.verdict(format!(
            "  leg {} {} {}: {status}, Call-ID {}",
            of("peer"),
            of("remote"),
            of("transport"),
            of("call_id")
        ));
    }
    let trail = record.get("trail").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for step in trail {
        ladder.verdict(format!(
            "  {}: {}{}",
            shown(text(step, "rule")),
            shown(text(step, "said")),
            saw(step)
        ));
    }
    ladder.verdict(format!("  record {}", word("id")));
}

fn saw(step: &Value) -> String {
    match (number(step, "value"), number(step, "limit"), text(step, "saw")) {
        (Some(value), Some(limit), _) => format!(" ({value} of {limit})"),
        (_, _, "") => String::new(),
        (_, _, saw) => format!(" ({})", shown(saw)),
    }
}

fn legs(record: &Value) -> &[Value] {
    record.get("legs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

/// Text of a peer's making as a terminal may show it: nothing in it is obeyed, and nothing turns the line around.
fn shown(text: &str) -> String {
    let plain = |letter: char| {
        letter.is_alphanumeric() && letter < RIGHT_TO_LEFT || letter == ' ' || letter.is_ascii_graphic()
    };
    text.chars().map(|letter| if plain(letter) { letter } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
