//! Lists of numbers as rules write them: entries in the policy itself, and the files that it names.
//!
//! Owns the keys of a blocklist, of callers too, and of an allowlist. Refuses to know the form of files. Read first: `lists.rs`.

use std::sync::Arc;

use super::Source;
use super::fields::{Fields, Item};
use super::lists::Lists;
use super::problem::{Cause, Desk, Place, quoted};
use super::settings::path;
use super::table::NUMBERS_MAX;
use super::values;
use crate::policy::number::{Collect, Listing, Sheet};
use crate::policy::rules::{Allowlist, Blocklist};
use crate::policy::{number, rules};

/// Octets of a file of prefixes.
const PREFIX_FILE_BYTES_MAX: usize = 4 << 20;
/// What a list is called that stands in the policy itself.
const WRITTEN: &str = "the policy";
/// The keys of a list of numbers that are barred.
pub const BARRING: [&str; 5] = ["prefixes", "numbers", "ranges", "files", "prefixes_file"];

/// What stands under these keys of a rule, and in the files that it names. Each is read as every other number is.
pub fn listed(fields: &Fields<'_>, lists: &Lists<'_>, keys: &[&str]) -> number::Lists {
    let mut out = number::Lists::default();
    let mut collect = Collect::new(lists.source().today);
    for key in keys {
        for (entry, item) in fields.words(key, |text| lists.entry(text, *key == "prefixes")) {
            let is_range = matches!(entry, Listing::Range(_));
            if is_range != (*key == "ranges") || (*key == "numbers" && matches!(entry, Listing::Prefix(_))) {
                let cause = Cause::new(format!("this does not stand among {key}"));
                let cure = "write whole numbers in numbers, prefixes in prefixes, and +37127913000-+37127913999 in ranges";
                fields.desk().error(item.node.place, &item.path, cause.cure(cure));
            } else if collect.add(&entry, "", None).is_err() {
                fields.error(key, Cause::new("too many entries").cure("put them into files"));
            }
        }
    }
    let written = collect.list();
    if !written.is_empty() {
        out.sheets.push(Sheet { name: Arc::from(WRITTEN), list: Arc::new(written) });
    }
    for (name, item) in fields.words("files", |text| path(text).map(|()| text.to_owned())) {
        if let Some(list) = lists.file(fields.desk(), item.node.place, &item.path, &name) {
            out.sheets.push(Sheet { name: Arc::from(name), list });
        }
    }
    out
}

/// Reads `allowlist:`.
pub fn allowlist(fields: &Fields<'_>, lists: &Lists<'_>) -> Option<Allowlist> {
    let keys = ["prefixes", "numbers", "ranges"];
    if !keys.iter().chain(&["files"]).any(|name| fields.is_set(name)) {
        let cause = Cause::new("an allowlist that lets nobody through");
        fields.desk().error(fields.place, &fields.path, cause.cure("add prefixes, numbers, ranges or files"));
    }
    Some(Allowlist { lists: listed(fields, lists, &keys) })
}

/// Reads `blocklist:`.
pub fn blocklist(fields: &Fields<'_>, lists: &Lists<'_>) -> Option<Blocklist> {
    if !BARRING.into_iter().any(|name| fields.is_set(name)) {
        let cause = Cause::new("a blocklist that blocks nothing");
        fields.desk().error(fields.place, &fields.path, cause.cure("add prefixes, numbers, ranges or files"));
    }
    let Barred { list, written, prefixes } = barred(fields, lists)?;
    for (text, item) in written.iter().filter(|(text, _)| leaves_plus_open(text, &list)) {
        fields.desk().warning(item.node.place, &item.path, plus_open(text));
    }
    let of_file = prefixes.iter().skip(written.len()).find(|text| leaves_plus_open(text, &list));
    if let Some(text) = of_file {
        fields.warning("prefixes_file", plus_open(text));
    }
    Some(list)
}

/// A list as it was read.
pub struct Barred<'a> {
    /// All of it.
    pub list: Blocklist,
    /// The prefixes that stand in the policy itself.
    pub written: Vec<(String, Item<'a>)>,
    /// Those, and behind them what `prefixes_file` holds.
    pub prefixes: Vec<String>,
}

/// Reads what `BARRING` names: numbers as they stand in a message, and ranges and files of international ones.
pub fn barred<'a>(fields: &Fields<'a>, lists: &Lists<'_>) -> Option<Barred<'a>> {
    let prefix = |text: &str| {
        let bare = text.strip_suffix('*').unwrap_or(text);
        match Blocklist::new([bare], []) {
            Ok(_) => Ok(bare.to_owned()),
            Err(bad) => Err(bad_entry(text, "a prefix", &bad)),
        }
    };
    let number = |text: &str| {
        values::number(text)?;
        // A star is a key of a phone, too; behind digits it can only mean what it means everywhere else in this file.
        if text.strip_suffix('*').is_some_and(|bare| bare.starts_with('+')) {
            let cause = format!("{} is a prefix, and numbers are compared whole", quoted(text));
            return Err(Cause::new(cause).cure("write it under `prefixes`"));
        }
        match Blocklist::new([], [text]) {
            Ok(_) => Ok(text.to_owned()),
            Err(bad) => Err(bad_entry(text, "a number", &bad)),
        }
    };
    let written = fields.words("prefixes", prefix);
    let mut prefixes: Vec<String> = written.iter().map(|(text, _)| text.clone()).collect();
    let numbers: Vec<String> = fields.words("numbers", number).into_iter().map(|(text, _)| text).collect();
    if let Some(file) = fields.checked("prefixes_file", |text| path(text).map(|()| text.to_owned())) {
        prefixes.extend(listed_prefixes(&file, fields, lists.source(), prefix));
    }
    let mut list =
        Blocklist::new(prefixes.iter().map(String::as_str), numbers.iter().map(String::as_str)).ok()?;
    list.lists = listed(fields, lists, &["ranges"]);
    Some(Barred { list, written, prefixes })
}

/// Whether a prefix looks like a country code and lets the very number pass that is dialled with +: `1900` and `+1900`.
fn leaves_plus_open(prefix: &str, list: &Blocklist) -> bool {
    prefix.starts_with(|c: char| ('1'..='9').contains(&c)) && list.blocked_by(&format!("+{prefix}")).is_none()
}

fn plus_open(prefix: &str) -> Cause {
    let cause = format!("{} blocks what is dialled without +; +{prefix}... stays open", quoted(prefix));
    Cause::new(cause)
        .cure(format!("add \"+{prefix}\" if that is meant: numbers are compared as they are dialled"))
}

fn bad_entry(text: &str, kind: &str, bad: &[rules::blocklist::BadEntry]) -> Cause {
    let cause = bad.first().map_or("it cannot stand in a blocklist", |bad| bad.cause);
    Cause::new(format!("{} is not {kind}: {cause}", quoted(text)))
}

/// A file of prefixes, one a line; what follows `#` and a space is a remark.
fn listed_prefixes(
    written: &str,
    fields: &Fields<'_>,
    source: &Source,
    prefix: impl Fn(&str) -> Result<String, Cause>,
) -> Vec<String> {
    let path = source.folder.join(written);
    let name = path.display().to_string();
    let text = match (source.open)(&path) {
        Ok(text) if text.len() <= PREFIX_FILE_BYTES_MAX => text,
        Ok(_) => {
            let cause = format!("{} is larger than {} MiB", quoted(&name), PREFIX_FILE_BYTES_MAX >> 20);
            fields.error("prefixes_file", Cause::new(cause));
            return Vec::new();
        }
        Err(error) => {
            let cause = format!("{} cannot be read: {error}", quoted(&name));
            fields.error(
                "prefixes_file",
                Cause::new(cause).cure("a relative path begins at the policy file's folder"),
            );
            return Vec::new();
        }
    };
    let desk = Desk::new(&name, &text);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let entry = line.split_once("# ").map_or(line, |(entry, _)| entry).trim();
        if entry.is_empty() || entry == "#" {
            continue;
        }
        match prefix(entry) {
            Ok(prefix) => found.push(prefix),
            Err(cause) => desk.error(line_place(index, line, entry), "", cause),
        }
    }
    if found.len() > NUMBERS_MAX {
        fields.error("prefixes_file", Cause::new(format!("{} prefixes: at most {NUMBERS_MAX}", found.len())));
    } else if found.is_empty() && !desk.has_errors() {
        fields.error("prefixes_file", Cause::new(format!("{} lists nothing", quoted(&name))));
    }
    fields.desk().absorb(desk);
    found
}

fn line_place(index: usize, line: &str, entry: &str) -> Place {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let before = line.find(entry).and_then(|at| line.get(..at)).map_or(0, |before| before.chars().count());
    Place {
        line: narrow(index.saturating_add(1)),
        column: narrow(before.saturating_add(1)),
        length: narrow(entry.chars().count()),
    }
}
