//! Files of numbers: one entry a line, or a table with a header; up to a million entries, read line by line.
//!
//! Owns their form, their bounds and what is told of a line that cannot be read: one bad line, and the file is not taken.
//! A file that is as it was is not read again. Refuses to know what a list is for, and who asks it.
//! Read first: `policy/number/listing.rs`; RFC 4180 §2.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use super::problem::{Cause, Desk, PROBLEMS_MAX, Place, quoted};
use super::values;
use crate::clock::Wall;
use crate::policy::number::{
    Collect, ENTRIES_MAX, Listing, NumberList, REASON_OCTETS_MAX, REASONS_MAX, World,
};
use crate::policy::rates::Deck;

/// Octets of one file.
pub const FILE_OCTETS_MAX: u64 = 64 << 20;
/// Octets of one line.
pub const LINE_OCTETS_MAX: usize = 512;
/// Files that one rule names.
pub const FILES_MAX: usize = 16;
/// Entries of all files together.
pub const ALL_ENTRIES_MAX: usize = 2 * ENTRIES_MAX;
/// Bad lines of one file that are told; what stands behind the last is not read.
pub const BAD_LINES_MAX: usize = PROBLEMS_MAX;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    octets: u64,
    changed: (i64, i64),
    inode: (u64, u64),
}

/// What stands in a file.
#[derive(Debug, Clone)]
pub enum Content {
    /// Numbers.
    Numbers(Arc<NumberList>),
    /// Prices.
    Deck(Arc<Deck>),
}

impl Content {
    /// The numbers, where it holds some.
    fn numbers(&self) -> Option<&Arc<NumberList>> {
        match self {
            Self::Numbers(list) => Some(list),
            Self::Deck(_) => None,
        }
    }
}

/// A list that is in force, and the file that it was read from.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// As it was when it was read.
    pub stamp: Stamp,
    /// What stood there.
    pub content: Content,
}

/// A file that is being read.
pub struct Opened {
    /// As it is now.
    pub stamp: Stamp,
    /// Its lines.
    pub lines: Box<dyn BufRead>,
}

/// A file that a policy names.
pub enum Named {
    /// It is as it was.
    Known(Content),
    /// It is read now.
    New {
        /// Its name, for people.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// What stands there.
        opened: Opened,
    },
}

/// Opens a file for reading; whatever is no plain file is refused, for it could have no end.
pub fn open(path: &Path) -> io::Result<Opened> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > FILE_OCTETS_MAX {
        let text = format!("it is larger than {} MiB", FILE_OCTETS_MAX >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(Opened {
        stamp: stamp(&metadata),
        lines: Box::new(BufReader::with_capacity(1 << 16, file.take(FILE_OCTETS_MAX))),
    })
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp {
        octets: metadata.len(),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        inode: (metadata.dev(), metadata.ino()),
    }
}

impl Kept {
    /// The file and how many entries it has, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let path = self.path.display();
        match &self.content {
            Content::Numbers(list) => format!("{path}: {} entries, {} expired", list.len(), list.expired()),
            Content::Deck(deck) => format!("{path}: {} prices", deck.len()),
        }
    }

    /// Whether the file is another one than when it was read, or is gone.
    #[must_use]
    pub fn differs(&self) -> bool {
        std::fs::metadata(&self.path).map_or(true, |metadata| stamp(&metadata) != self.stamp)
    }
}

/// The lists of one policy while it is read.
#[derive(Debug)]
pub struct Lists<'a> {
    source: &'a Source,
    world: Option<Arc<World>>,
    found: RefCell<Vec<Kept>>,
}

impl<'a> Lists<'a> {
    /// None yet.
    #[must_use]
    pub fn new(source: &'a Source) -> Self {
        Self { source, world: super::world::built_in(), found: RefCell::default() }
    }

    /// The policy that names them.
    #[must_use]
    pub const fn source(&self) -> &'a Source {
        self.source
    }

    /// Entries of a policy are read as those of files.
    pub fn entry(&self, text: &str, is_prefix: bool) -> Result<Listing, Cause> {
        // The tables that are built in can be read, which a test holds.
        let Some(world) = &self.world else { return Err(Cause::new("the number tables cannot be read")) };
        entry(text, is_prefix, world)
    }

    /// A file that stands at a place of the policy; `None` where it cannot be opened, which is told.
    pub fn named(&self, desk: &Desk<'_>, place: Place, key: &str, written: &str) -> Option<Named> {
        let path = self.source.folder.join(written);
        if let Some(kept) = self.found.borrow().iter().find(|kept| kept.path == path) {
            return Some(Named::Known(kept.content.clone()));
        }
        let kept = self.source.lists.iter().find(|kept| kept.path == path);
        if let Some(kept) = kept.filter(|_| self.source.same_lists) {
            self.found.borrow_mut().push(kept.clone());
            return Some(Named::Known(kept.content.clone()));
        }
        let name = path.display().to_string();
        let opened = (self.source.open_list)(&path);
        let opened = opened.map_err(|error| cannot(desk, place, key, &name, &error)).ok()?;
        if let Some(kept) = kept.filter(|kept| kept.stamp == opened.stamp) {
            self.found.borrow_mut().push(kept.clone());
            return Some(Named::Known(kept.content.clone()));
        }
        Some(Named::New { name, path, opened })
    }

    /// Keeps what was read for the next time.
    pub fn keep(&self, path: PathBuf, stamp: Stamp, content: Content) {
        self.found.borrow_mut().push(Kept { path, stamp, content });
    }

    /// The list of a file that stands at a place of the policy; `None` where it cannot be used, which is told.
    pub fn file(&self, desk: &Desk<'_>, place: Place, key: &str, written: &str) -> Option<Arc<NumberList>> {
        let (name, path, opened) = match self.named(desk, place, key, written)? {
            Named::Known(content) => {
                let list = content.numbers().cloned();
                if list.is_none() {
                    desk.error(place, key, Cause::new(format!("{} is a rate deck", quoted(written))));
                }
                return list;
            }
            Named::New { name, path, opened } => (name, path, opened),
        };
        let stamp = opened.stamp;
        let own = Desk::new(&name, "");
        let read = Reading::new(&own, self.world.as_deref()?, self.source.today).all(opened.lines);
        let bad = own.has_errors();
        desk.absorb(own);
        let read = read.map_err(|error| cannot(desk, place, key, &name, &error));
        let list = Arc::new(read.ok().filter(|_| !bad)?);
        if list.is_empty() && list.expired() == 0 {
            desk.error(place, key, Cause::new(format!("{} lists nothing", quoted(&name))));
        }
        let held: usize =
            self.found.borrow().iter().filter_map(|kept| kept.content.numbers()).map(|list| list.len()).sum();
        if held.saturating_add(list.len()) > ALL_ENTRIES_MAX {
            let cause =
                format!("with {} there are more than {ALL_ENTRIES_MAX} entries in all files", quoted(&name));
            desk.error(
                place,
                key,
                Cause::new(cause).cure("write prefixes instead of numbers, or take entries out"),
            );
            return None;
        }
        self.keep(path, stamp, Content::Numbers(Arc::clone(&list)));
        Some(list)
    }

    /// What was read, to be kept for the next time.
    #[must_use]
    pub fn kept(self) -> Arc<[Kept]> {
        self.found.into_inner().into()
    }
}

/// Tells that a file cannot be read.
pub fn cannot(desk: &Desk<'_>, place: Place, key: &str, name: &str, error: &io::Error) {
    let cause = Cause::new(format!("{} cannot be read: {error}", quoted(name)));
    desk.error(place, key, cause.cure("a relative path begins at the policy file's folder"));
}

fn entry(text: &str, is_prefix: bool, world: &World) -> Result<Listing, Cause> {
    let read = match text.strip_suffix('*') {
        None if is_prefix => Listing::prefix(text, world),
        Some(_) | None => Listing::read(text, world),
    };
    read.map_err(|why| Cause::new(format!("{} {}", quoted(text), why.cause())).cure(why.cure()))
}

/// What a column of a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Number,
    Prefix,
    Range,
    Reason,
    Expiry,
}

const COLUMNS: [(&str, Column); 5] = [
    ("number", Column::Number),
    ("prefix", Column::Prefix),
    ("range", Column::Range),
    ("reason", Column::Reason),
    ("expiry", Column::Expiry),
];

/// One file being read.
struct Reading<'a> {
    desk: &'a Desk<'a>,
    world: &'a World,
    collect: Collect,
    /// The columns of a table; `None` for a plain list, and before the first line.
    columns: Option<Vec<Column>>,
    begun: bool,
    bad: usize,
}

impl<'a> Reading<'a> {
    fn new(desk: &'a Desk<'a>, world: &'a World, now: Wall) -> Self {
        Self { desk, world, collect: Collect::new(now), columns: None, begun: false, bad: 0 }
    }

    fn all(mut self, mut lines: Box<dyn BufRead>) -> io::Result<NumberList> {
        let mut line = Vec::with_capacity(LINE_OCTETS_MAX);
        for number in 1_u32.. {
            line.clear();
            let most = LINE_OCTETS_MAX as u64 + 2;
            if lines.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let long = line.trim_ascii_end().len() > LINE_OCTETS_MAX
                || line.len() as u64 == most && !line.ends_with(b"\n");
            let told = if long {
                let cause =
                    format!("the line has more than {LINE_OCTETS_MAX} octets, and what follows was not read");
                Err(Cause::new(cause).cure("write one entry a line"))
            } else {
                match std::str::from_utf8(&line) {
                    Ok(text) => self.line(text.trim_start_matches('\u{feff}').trim()),
                    Err(_) => Err(Cause::new("the line is not UTF-8").cure("save the file as UTF-8")),
                }
            };
            let Err(cause) = told else { continue };
            self.desk.error(Place { line: number, column: 1, length: 1 }, "", cause);
            self.bad += 1;
            if long
                || self.bad >= BAD_LINES_MAX
                || self.collect.is_full()
                || self.columns.as_ref().is_some_and(Vec::is_empty)
            {
                break;
            }
        }
        if self.collect.unreasoned > 0 {
            let cause = format!(
                "{} entries stand without their reason: a list has {REASONS_MAX} different ones at most",
                self.collect.unreasoned
            );
            self.desk.warning(Place::default(), "", Cause::new(cause));
        }
        Ok(self.collect.list())
    }

    fn line(&mut self, line: &str) -> Result<(), Cause> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let first = !std::mem::replace(&mut self.begun, true);
        // Every entry begins with a plus; what begins with a letter is a header.
        if first && line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"') {
            self.columns = Some(Vec::new());
            self.columns = Some(header(line)?);
            return Ok(());
        }
        if let Some(columns) = &self.columns {
            let row = row(line, columns, self.world)?;
            return self.add(&row.entry, &row.reason, row.until);
        }
        let (text, remark) = line.split_once('#').unwrap_or((line, ""));
        let entry = entry(text.trim_end(), false, self.world)?;
        self.add(&entry, cut(remark.trim()), None)
    }

    fn add(&mut self, entry: &Listing, reason: &str, until: Option<Wall>) -> Result<(), Cause> {
        self.collect.add(entry, reason, until).map_err(|_| {
            let cause =
                format!("more than {ENTRIES_MAX} entries (a range counts as the prefixes it is made of)");
            Cause::new(cause).cure("write prefixes instead of numbers, or share them out among files")
        })
    }
}

/// As much of a reason as is kept.
fn cut(reason: &str) -> &str {
    let most = reason.len().min(REASON_OCTETS_MAX);
    let end = (0..=most).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    reason.get(..end).unwrap_or_default()
}

fn header(line: &str) -> Result<Vec<Column>, Cause> {
    let cure = "the columns are number, prefix, range, reason and expiry; an entry begins with +";
    let mut columns = Vec::new();
    for cell in cells(line)? {
        let name = cell.trim().to_ascii_lowercase();
        let column = super::fields::choose(&name, &COLUMNS).map_err(|_| {
            Cause::new(format!("{} is neither an entry nor a column of a list", quoted(cell.trim())))
                .cure(cure)
        })?;
        if columns.contains(&column) {
            return Err(
                Cause::new(format!("the column {} stands there twice", quoted(&name))).cure("keep one")
            );
        }
        columns.push(column);
    }
    if !columns.iter().any(|column| matches!(column, Column::Number | Column::Prefix | Column::Range)) {
        return Err(Cause::new("no column holds entries").cure(cure));
    }
    Ok(columns)
}

struct Row<'a> {
    entry: Listing,
    reason: Cow<'a, str>,
    until: Option<Wall>,
}

fn row<'a>(line: &'a str, columns: &[Column], world: &World) -> Result<Row<'a>, Cause> {
    let cells = cells(line)?;
    if cells.len() > columns.len() {
        let cause = format!("{} cells, and the header has {}", cells.len(), columns.len());
        return Err(Cause::new(cause).cure("put a text with a comma in double quotes"));
    }
    let (mut found, mut reason, mut until) = (None, Cow::Borrowed(""), None);
    for (cell, column) in cells.into_iter().zip(columns) {
        if cell.trim().is_empty() {
            continue;
        }
        match column {
            Column::Reason => reason = cell,
            Column::Expiry => until = Some(end(cell.trim())?),
            Column::Number | Column::Prefix | Column::Range => {
                let one = entry(cell.trim(), *column == Column::Prefix, world)?;
                if found.replace(one).is_some() {
                    let cause = Cause::new("more than one of number, prefix and range");
                    return Err(cause.cure("write one entry a line"));
                }
            }
        }
    }
    let reason = match cut(reason.trim()) {
        kept if kept.len() == reason.len() => reason,
        kept => Cow::Owned(kept.to_owned()),
    };
    let missing =
        || Cause::new("the line names no number").cure("fill number, prefix or range, or take it out");
    Ok(Row { entry: found.ok_or_else(missing)?, reason, until })
}

/// RFC 3339, or a day, to the end of which (UTC) it counts.
fn end(text: &str) -> Result<Wall, Cause> {
    let at = text.parse::<jiff::Timestamp>().map(|at| at.as_microsecond());
    at.or_else(|_| values::end_of_day(text)).map(Wall::from_micros).map_err(|_| {
        let cause = Cause::new(format!("{} is no time", quoted(text)));
        cause.cure("write it as 2026-12-05T18:00:00Z or 2026-12-05, or leave it empty")
    })
}

/// RFC 4180 §2: cells, of which one in double quotes may hold commas, and a double quote twice. A cell ends with its line.
pub(super) fn cells(line: &str) -> Result<Vec<Cow<'_, str>>, Cause> {
    if !line.contains('"') {
        return Ok(line.split(',').map(Cow::Borrowed).collect());
    }
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let open = || {
            Cause::new("a double quote is not closed, or something stands behind it")
                .cure("write \"like this\"")
        };
        let (cell, behind) = match rest.trim_start().strip_prefix('"') {
            None => match rest.split_once(',') {
                Some((cell, behind)) => (Cow::Borrowed(cell), Some(behind)),
                None => (Cow::Borrowed(rest), None),
            },
            Some(mut inside) => {
                let mut text = String::new();
                loop {
                    let (part, behind) = inside.split_once('"').ok_or_else(open)?;
                    text.push_str(part);
                    inside = behind;
                    let Some(more) = inside.strip_prefix('"') else { break };
                    text.push('"');
                    inside = more;
                }
                match inside.trim_start() {
                    "" => (Cow::Owned(text), None),
                    behind => (Cow::Owned(text), Some(behind.strip_prefix(',').ok_or_else(open)?)),
                }
            }
        };
        cells.push(cell);
        match behind {
            Some(behind) => rest = behind,
            None => return Ok(cells),
        }
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
