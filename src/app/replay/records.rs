//! Call records of this edge, read back.
//!
//! Owns which of their members a replay needs. Refuses to know how they are written. Read first: `sinks/line.rs`.

use serde::Deserialize;

use super::rows::time;
use crate::clock::Wall;
use crate::config::problem::printable;

/// Octets of one line at most.
pub const LINE_OCTETS_MAX: u64 = 1 << 20;

/// What of a record is needed.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    began: Option<String>,
    direction: Option<String>,
    from: Option<String>,
    to: Option<String>,
    answered: Option<String>,
    ended: Option<String>,
    legs: Option<Vec<Leg>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Leg {
    peer: String,
}

/// A call as its record tells it.
#[derive(Debug, Clone)]
pub struct Record {
    began: String,
    ended: String,
    /// When somebody answered.
    pub answered: Option<String>,
    /// Where it ran.
    pub direction: Option<String>,
    /// Who sent it.
    pub peer: Box<str>,
    /// Who called.
    pub from: String,
    /// Who was called, as it was read.
    pub to: String,
}

/// Reads one line; `None` where it is no record of a call.
///
/// # Errors
/// It is no JSON.
pub fn read(line: &[u8]) -> Result<Option<Record>, String> {
    let told = |error: serde_json::Error| {
        format!(
            "the line is no call record ({}): give whole lines of the file that records: names",
            printable(&error.to_string())
        )
    };
    let line: Line = serde_json::from_slice(line).map_err(told)?;
    let (Some(began), Some(ended), Some(legs)) = (line.began, line.ended, line.legs) else { return Ok(None) };
    let (Some(from), Some(to)) = (line.from, line.to) else { return Ok(None) };
    let Some(first) = legs.into_iter().next() else { return Ok(None) };
    let (answered, direction) = (line.answered, line.direction);
    Ok(Some(Record { began, ended, answered, direction, peer: first.peer.into(), from, to }))
}

impl Record {
    /// When it began, how long it rang, and how long somebody talked, in milliseconds.
    ///
    /// # Errors
    /// A time cannot be read.
    pub fn times(&self) -> Result<(Wall, u32, u32), (&'static str, String)> {
        let began = time(&self.began, None)?;
        let ended = time(&self.ended, None)?;
        let answered = self.answered.as_deref().map(|text| time(text, None)).transpose()?;
        let between = |from: Wall, to: Wall| {
            u32::try_from(to.micros().saturating_sub(from.micros()).max(0) / 1_000).unwrap_or(u32::MAX)
        };
        Ok(match answered {
            Some(answered) => (began, between(began, answered), between(answered, ended)),
            None => (began, between(began, ended), 0),
        })
    }
}
