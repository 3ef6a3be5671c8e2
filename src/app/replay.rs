//! `ringfence replay`: calls that have happened, played through a policy file offline and in virtual time.
//!
//! Owns the question (which files, read how) and the answer in one piece. Nothing is judged here: each call is set up, answered and
//! ended between two simulated ends with an engine between them that is made as `run` makes it, so every cap, meter, detector and
//! schedule counts as it would have. Read first: `replay/world.rs`; spec/limits.md, "Replay".

pub mod columns;
pub mod csv;
mod office;
mod records;
pub mod rows;
pub mod tally;
mod text;
mod wire;
mod world;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::config::Source;
use crate::config::problem::printable;

use columns::Columns;
use office::Office;
use rows::{Rows, Shape};
use tally::Tally;
use world::World;

/// Why nothing was played: one text, with its cure.
pub type Failed = String;

/// What is asked: the words of the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Order {
    /// The policy file that the calls are judged under
    #[arg(value_name = "POLICY")]
    pub policy: PathBuf,
    /// The calls: a CSV with the columns start, from, to, duration_s, and where there are direction, peer, answered, ring_s, label; or call records of this edge (- is standard input)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Another policy file, told beside the first
    #[arg(long, value_name = "POLICY")]
    pub against: Option<PathBuf>,
    /// What the file calls its columns: "start=calldate,to=dst,from=src,duration_s=billsec,answered=disposition:ANSWERED"; numbers instead of names where it has no header
    #[arg(long, value_name = "NAME=COLUMN,...", default_value = "", hide_default_value = true)]
    pub columns: String,
    /// The zone of times that name none, as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// The peer that sends rows which name none; once for each side
    #[arg(long, value_name = "NAME")]
    pub peer: Vec<String>,
    /// Write one line a row: row,verdict,code,rule,cut_after_s
    #[arg(long, value_name = "FILE")]
    pub verdicts: Option<PathBuf>,
    /// Judge nothing where any row cannot be read
    #[arg(long)]
    pub strict: bool,
    /// For machines
    #[arg(long)]
    pub json: bool,
}

/// What became of all rows.
#[derive(Debug)]
pub struct Replayed {
    /// The file of the calls.
    file: String,
    rows: Rows,
    /// Each policy by its file, with what it did.
    policies: Vec<(Box<str>, Tally)>,
}

/// Plays a file; `told` hears how many rows are done, and of how many.
///
/// # Errors
/// A file cannot be read or written, or the question names what is not there.
pub fn replay(order: &Order, mut told: impl FnMut(usize, usize)) -> Result<Replayed, Failed> {
    let shape =
        Shape { columns: Columns::read(&order.columns)?, zone: order.zone.as_deref().map(zone).transpose()? };
    let file = printable(&order.file.display().to_string());
    let named = |why: String| format!("{file}: {why}");
    let rows = if order.file == Path::new("-") {
        rows::read(io::stdin().lock(), &shape).map_err(named)?
    } else {
        let open = File::open(&order.file).map_err(|error| named(format!("it cannot be read: {error}")))?;
        rows::read(BufReader::with_capacity(1 << 16, open), &shape).map_err(named)?
    };
    if order.strict && rows.bad_count > 0 {
        let mut why = format!("{} rows cannot be read, and --strict judges none then", rows.bad_count);
        why.extend(text::bad(&rows).iter().map(|line| format!("\n{line}")));
        return Err(named(why));
    }
    if rows.list.is_empty() {
        let mut why = "no row of it can be read".to_owned();
        why.extend(text::bad(&rows).iter().map(|line| format!("\n{line}")));
        return Err(named(why));
    }
    let files = || std::iter::once(&order.policy).chain(&order.against);
    let mut offices = Vec::new();
    for policy in files() {
        let source = Source::read(policy).map_err(|errors| errors.to_string())?;
        offices.push(Office::load(&source, &rows.parties, &order.peer)?);
    }
    let mut policies = Vec::new();
    let all = rows.list.len() * offices.len();
    for (turn, office) in offices.into_iter().enumerate() {
        let before = rows.list.len() * turn;
        let tally = World::new(&office, &rows.list).play(|done| told(before + done, all));
        policies.push((office.name, tally));
    }
    let replayed = Replayed { file, rows, policies };
    if let Some(path) = &order.verdicts {
        let told = |error: io::Error| {
            format!(
                "{} cannot be written: {error}; name another file with --verdicts",
                printable(&path.display().to_string())
            )
        };
        let mut out = BufWriter::new(File::create(path).map_err(told)?);
        replayed.write_verdicts(&mut out).and_then(|()| out.flush()).map_err(told)?;
    }
    Ok(replayed)
}

/// Plays rows that are in memory under a policy that is text, for tests and measurements.
///
/// # Errors
/// As [`replay`].
pub fn play(source: &Source, table: &[u8], peers: &[String]) -> Result<Tally, Failed> {
    let rows = rows::read(table, &Shape::default())?;
    let office = Office::load(source, &rows.parties, peers)?;
    Ok(World::new(&office, &rows.list).play(|_| {}))
}

fn zone(name: &str) -> Result<TimeZone, Failed> {
    TimeZoneDatabase::bundled().get(name).map_err(|_| {
        format!("--zone: \"{}\" is no time zone: write its name, as Europe/Berlin, or UTC", printable(name))
    })
}

impl Replayed {
    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        text::draw(self)
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        text::json(self)
    }

    /// Whether any policy refuses or cuts a call that is marked good.
    #[must_use]
    pub fn refuses_good(&self) -> bool {
        self.policies.iter().any(|(_, tally)| tally.good_refused > 0)
    }

    /// One line a row, in the order of the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_verdicts(&self, out: &mut impl Write) -> io::Result<()> {
        let mut order: Vec<(u32, usize)> =
            self.rows.list.iter().enumerate().map(|(at, row)| (row.number, at)).collect();
        order.sort_unstable();
        out.write_all(b"row,verdict,code,rule,cut_after_s")?;
        if self.policies.len() > 1 {
            out.write_all(b",against_verdict,against_code,against_rule,against_cut_after_s")?;
        }
        out.write_all(b"\n")?;
        for (number, at) in order {
            write!(out, "{number}")?;
            for (_, tally) in &self.policies {
                let verdict = tally.verdicts.get(at).copied().unwrap_or_default();
                let (code, rule) = match tally.by(&verdict) {
                    Some((code, rule)) => (code.to_string(), text::cell(rule)),
                    None => (String::new(), String::new()),
                };
                let cut = text::seconds(&verdict);
                write!(out, ",{},{code},{rule},{cut}", verdict.kind.name())?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "replay/tests.rs"]
mod tests;
