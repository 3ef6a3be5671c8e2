//! The rows of a file: calls as they happened, read from a table or from call records of our own.
//!
//! Owns what a row must hold, what is told of one that does not, and how many are taken. Refuses to judge them, and to know
//! policies. Read first: `columns.rs`; `csv.rs`.

use std::collections::HashMap;
use std::io::{BufRead, Read as _};

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::DateTime};

use super::Failed;
use super::columns::{Column, Columns, Places};
use super::csv::{RECORD_OCTETS_MAX, Records, Taken, cells, separator};
use super::records;
use crate::clock::Wall;
use crate::config::problem::printable;
use crate::policy::Direction;

/// Rows that one run takes; a longer file is refused whole, for half an attack shows nothing.
pub const ROWS_MAX: usize = 5_000_000;
/// Rows that cannot be read of which each is told; all of them are counted.
pub const BAD_TOLD_MAX: usize = 100;
/// Different senders that the rows of one file may name.
pub const PARTIES_MAX: usize = 4_096;
/// Octets of a number at most.
const NUMBER_OCTETS_MAX: usize = 256;
/// The longest call: a week.
const DURATION_MAX_MS: u32 = 7 * 86_400_000;
/// How long a call rings that nobody answers, where the file does not say.
const RINGS_MS: u32 = 20_000;
/// How long it rings before it is answered, where the file does not say.
const ANSWERED_AFTER_MS: u32 = 3_000;

/// What somebody knows about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Nothing.
    None,
    /// It was meant.
    Good,
    /// It was not.
    Fraud,
}

/// Who sent a call, as the file says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Party {
    /// The peer's name.
    pub peer: Option<Box<str>>,
    /// Where it ran.
    pub direction: Option<Direction>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place among the rows of the file, from 1; those that cannot be read have one, too.
    pub number: u32,
    /// Its sender, by the place in [`Rows::parties`].
    pub party: u16,
    /// Whether somebody answered.
    pub answered: bool,
    /// What is known about it.
    pub label: Label,
    /// Milliseconds from the start to the answer, or to the end of ringing.
    pub ring_ms: u32,
    /// Milliseconds from the answer to the end.
    pub talk_ms: u32,
    /// When it was set up.
    pub start: Wall,
    /// Who called.
    pub from: Box<str>,
    /// Who was dialled.
    pub to: Box<str>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The line it begins on.
    pub line: u64,
    /// The column that is wrong.
    pub column: &'static str,
    /// What is wrong, with its cure.
    pub why: String,
}

/// What is wrong with a cell.
type Wrong = (&'static str, String);

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Which column says what.
    pub columns: Columns,
    /// The zone of times that name none.
    pub zone: Option<TimeZone>,
}

/// The rows of a file, the earliest first.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Those that can be read.
    pub list: Vec<Row>,
    /// Who sent them.
    pub parties: Vec<Party>,
    /// The first of those that cannot be read.
    pub bad: Vec<Bad>,
    /// How many cannot be.
    pub bad_count: u64,
    /// Whether any row is labelled.
    pub labelled: bool,
    known: HashMap<Party, u16>,
    seen: u32,
}

/// Reads a file: a table, or call records of this edge.
///
/// # Errors
/// It cannot be read, is no such file, or has more rows than [`ROWS_MAX`].
pub fn read(mut input: impl BufRead, shape: &Shape) -> Result<Rows, Failed> {
    let told = |error: std::io::Error| format!("the file cannot be read: {error}");
    let start = input.fill_buf().map_err(told)?;
    is_no_capture(start)?;
    let is_json = start.iter().find(|octet| !octet.is_ascii_whitespace()) == Some(&b'{');
    let mut rows = Rows::default();
    if is_json { rows.read_records(input) } else { rows.read_table(input, shape) }?;
    // The same start: as they stand in the file.
    rows.list.sort_by_key(|row| row.start);
    Ok(rows)
}

/// What captures of packets begin with.
fn is_no_capture(start: &[u8]) -> Result<(), Failed> {
    const MARKS: [[u8; 4]; 5] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    if MARKS.iter().any(|mark| start.starts_with(mark)) {
        return Err("the file is a capture of packets (pcap), which replay does not read: give it the call records of your PBX as \
                    CSV, or those of this edge (records: in its policy file)"
            .to_owned());
    }
    Ok(())
}

impl Rows {
    fn read_table(&mut self, input: impl BufRead, shape: &Shape) -> Result<(), Failed> {
        let told = |error: std::io::Error| format!("the file cannot be read: {error}");
        let mut records = Records::new(input);
        let (mut record, mut row) = (Vec::new(), Vec::new());
        let mut known: Option<(u8, Places)> = None;
        loop {
            let line = match records.next(&mut record).map_err(told)? {
                Taken::End => break,
                Taken::Record(line) => line,
                Taken::TooLong(line) => {
                    let why = format!(
                        "it is longer than {RECORD_OCTETS_MAX} octets, or a quote in it has no end: quote cells as \"...\""
                    );
                    self.next_number()?;
                    self.bad(line, ("row", why));
                    continue;
                }
            };
            let (mark, places) = match &known {
                Some(known) => known,
                None => {
                    let mark = separator(&record);
                    cells(&record, mark, &mut row);
                    let known = known.insert((mark, shape.columns.place(&row)?));
                    if !shape.columns.has_no_header() {
                        continue;
                    }
                    known
                }
            };
            cells(&record, *mark, &mut row);
            let number = self.next_number()?;
            match self.row(number, &row, places, shape) {
                Ok(row) => self.list.push(row),
                Err(wrong) => self.bad(line, wrong),
            }
        }
        if known.is_none() {
            return Err("the file is empty: its first line names its columns (start, from, to, duration_s)"
                .to_owned());
        }
        Ok(())
    }

    fn read_records(&mut self, mut input: impl BufRead) -> Result<(), Failed> {
        let told = |error: std::io::Error| format!("the file cannot be read: {error}");
        let (mut line, mut at) = (Vec::new(), 0);
        loop {
            line.clear();
            let read =
                input.by_ref().take(records::LINE_OCTETS_MAX).read_until(b'\n', &mut line).map_err(told)?;
            if read == 0 {
                return Ok(());
            }
            at += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match records::read(&line) {
                // Alerts and logs may stand in the same stream.
                Ok(None) => {}
                Ok(Some(record)) => {
                    let number = self.next_number()?;
                    match self.recorded(number, record) {
                        Ok(row) => self.list.push(row),
                        Err(wrong) => self.bad(at, wrong),
                    }
                }
                Err(why) => {
                    self.next_number()?;
                    self.bad(at, ("record", why));
                }
            }
        }
    }

    fn next_number(&mut self) -> Result<u32, Failed> {
        self.seen = self.seen.saturating_add(1);
        if usize::try_from(self.seen).is_ok_and(|seen| seen <= ROWS_MAX) {
            return Ok(self.seen);
        }
        Err(format!(
            "the file has more than {ROWS_MAX} rows, which is what one run takes: split it by time, a month a file"
        ))
    }

    fn bad(&mut self, line: u64, (column, why): Wrong) {
        self.bad_count += 1;
        if self.bad.len() < BAD_TOLD_MAX {
            self.bad.push(Bad { line, column, why });
        }
    }

    fn row(&mut self, number: u32, cells: &[String], places: &Places, shape: &Shape) -> Result<Row, Wrong> {
        let cell = |column| places.of(column).and_then(|at| cells.get(at)).map_or("", String::as_str);
        let start = time(cell(Column::Start), shape.zone.as_ref())?;
        let duration = match cell(Column::Duration) {
            "" => 0,
            text => seconds(text, Column::Duration)?,
        };
        let answered = match (places.of(Column::Answered), &shape.columns.answered) {
            (None, _) => duration > 0,
            (Some(_), Some(word)) => cell(Column::Answered).eq_ignore_ascii_case(word),
            (Some(_), None) => yes(cell(Column::Answered))?,
        };
        let ring = match cell(Column::Ring) {
            "" => None,
            text => Some(seconds(text, Column::Ring)?),
        };
        let unanswered = || if duration > 0 { duration } else { RINGS_MS };
        let usual = || if answered { ANSWERED_AFTER_MS } else { unanswered() };
        let peer = Some(cell(Column::Peer)).filter(|name| !name.is_empty()).map(Into::into);
        let label = label(cell(Column::Label))?;
        self.labelled |= label != Label::None;
        Ok(Row {
            number,
            party: self.party(Party { peer, direction: direction(cell(Column::Direction))? })?,
            answered,
            label,
            ring_ms: ring.unwrap_or_else(usual),
            talk_ms: if answered { duration } else { 0 },
            start,
            from: dialled(cell(Column::From), "anonymous", Column::From)?,
            to: dialled(cell(Column::To), "", Column::To)?,
        })
    }

    fn recorded(&mut self, number: u32, record: records::Record) -> Result<Row, Wrong> {
        let (start, ring_ms, talk_ms) = record.times()?;
        let (ring_ms, talk_ms) = (ring_ms.min(DURATION_MAX_MS), talk_ms.min(DURATION_MAX_MS));
        let direction = direction(record.direction.as_deref().unwrap_or_default())?;
        Ok(Row {
            number,
            party: self.party(Party { peer: Some(record.peer), direction })?,
            answered: record.answered.is_some(),
            label: Label::None,
            ring_ms,
            talk_ms,
            start,
            from: dialled(&record.from, "anonymous", Column::From)?,
            to: dialled(&record.to, "", Column::To)?,
        })
    }

    fn party(&mut self, party: Party) -> Result<u16, Wrong> {
        if let Some(known) = self.known.get(&party) {
            return Ok(*known);
        }
        let full = || {
            let why = format!(
                "the rows name more than {PARTIES_MAX} senders: name one with --peer and leave the column out"
            );
            (Column::Peer.name(), why)
        };
        let place = u16::try_from(self.parties.len()).ok().filter(|at| usize::from(*at) < PARTIES_MAX);
        let place = place.ok_or_else(full)?;
        self.known.insert(party.clone(), place);
        self.parties.push(party);
        Ok(place)
    }
}

/// Reads RFC 3339, seconds since 1970, or a time of a zone that is named beside.
pub fn time(text: &str, zone: Option<&TimeZone>) -> Result<Wall, Wrong> {
    let wrong = |why: String| (Column::Start.name(), why);
    let wall = |at: Timestamp| Wall::from_micros(at.as_microsecond());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(wall(at));
    }
    let told = printable(text);
    if let Ok(seconds) = text.parse::<f64>()
        && (1e8..1e10).contains(&seconds)
        && let Ok(at) = Timestamp::from_millisecond((seconds * 1e3).round() as i64)
    {
        return Ok(wall(at));
    }
    let Ok(there) = text.parse::<DateTime>() else {
        return Err(wrong(format!(
            "\"{told}\" is no time: write 2026-12-05T02:00:00Z, or 2026-12-05 02:00:00 with --zone"
        )));
    };
    let zone = zone.ok_or_else(|| {
        wrong(format!("\"{told}\" names no zone: say which with --zone Europe/Berlin (or UTC)"))
    })?;
    // A time that summer time leaves out is the one behind it; of one that comes twice, the first.
    let at = there
        .to_zoned(zone.clone())
        .map_err(|error| wrong(format!("\"{told}\" is no time there: {error}")))?;
    Ok(wall(at.timestamp()))
}

/// Reads seconds (`61`, `61.5`) or a time (`0:01:01`).
fn seconds(text: &str, column: Column) -> Result<u32, Wrong> {
    let parts = text.split(':').try_fold(0.0, |sum: f64, part| {
        part.parse::<f64>().ok().filter(|part| *part >= 0.0 && part.is_finite()).map(|part| sum * 60.0 + part)
    });
    let millis =
        parts.map(|seconds| (seconds * 1e3).round()).filter(|millis| *millis <= f64::from(DURATION_MAX_MS));
    // Between 0 and the bound.
    millis.map(|millis| millis as u32).ok_or_else(|| {
        let why =
            format!("\"{}\" is no number of seconds up to {}", printable(text), DURATION_MAX_MS / 1_000);
        (column.name(), why)
    })
}

fn yes(text: &str) -> Result<bool, Wrong> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "yes", "y", "1", "answered"]) {
        return Ok(true);
    }
    if is(&["false", "no", "n", "0", "", "unanswered", "no answer", "busy", "failed", "cancelled"]) {
        return Ok(false);
    }
    let why = format!(
        "\"{}\" is neither yes nor no: name the word that means yes, as --columns \"answered=answered:{}\"",
        printable(text),
        printable(text)
    );
    Err((Column::Answered.name(), why))
}

fn label(text: &str) -> Result<Label, Wrong> {
    match text {
        "" => Ok(Label::None),
        _ if text.eq_ignore_ascii_case("good") => Ok(Label::Good),
        _ if text.eq_ignore_ascii_case("fraud") => Ok(Label::Fraud),
        _ => {
            let why = format!("\"{}\" is no label: write good or fraud, or nothing", printable(text));
            Err((Column::Label.name(), why))
        }
    }
}

fn direction(text: &str) -> Result<Option<Direction>, Wrong> {
    let known = [
        ("", None),
        ("outbound", Some(Direction::Outbound)),
        ("out", Some(Direction::Outbound)),
        ("inbound", Some(Direction::Inbound)),
        ("in", Some(Direction::Inbound)),
        ("internal", Some(Direction::Internal)),
        ("transit", Some(Direction::Transit)),
    ];
    let found = known.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    found.map(|(_, direction)| *direction).ok_or_else(|| {
        let why =
            format!("\"{}\" is no direction: write outbound, inbound, internal or transit", printable(text));
        (Column::Direction.name(), why)
    })
}

fn dialled(text: &str, without: &str, column: Column) -> Result<Box<str>, Wrong> {
    let wrong = |why: &str| (column.name(), format!("\"{}\" {why}", printable(text)));
    if text.chars().any(char::is_control) {
        return Err(wrong("has a control character; leave it out"));
    }
    if text.len() > NUMBER_OCTETS_MAX {
        return Err((
            column.name(),
            format!("it is longer than {NUMBER_OCTETS_MAX} octets, which no number is"),
        ));
    }
    if text.is_empty() && without.is_empty() {
        return Err(wrong("is no number: write what was dialled"));
    }
    Ok(if text.is_empty() { without } else { text }.into())
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
