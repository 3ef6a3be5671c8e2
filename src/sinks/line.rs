//! Alerts and call records as JSON, one object a line, in a fixed order of keys.
//!
//! Owns the keys that admins' scripts read. What an outsider sent stands inside a JSON string and cannot leave it: line
//! ends, escape sequences and letters that turn text around are escaped. Refuses to know where lines go.
//! Read first: RFC 8259 §7; the README's table of alert codes.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::{Formatter, Serializer as JsonSerializer};

use crate::call::CallRecord;
use crate::call::passed::Messages;
use crate::call::record::{Disposition, EndedBy, LegRecord};
use crate::clock::Wall;
use crate::policy::verdict::{Saw, Step};
use crate::policy::{Alert, Direction};

/// Adds one alert as one line. `sid` is 128 random bits; `count` and `first_seen` are those of what was folded.
pub fn write_alert(out: &mut Vec<u8>, alert: &Alert, sid: u128, count: u64, first_seen: Wall) {
    let line = AlertLine {
        sid: format!("NO{sid:032x}"),
        error_code: alert.code.number,
        name: alert.code.name,
        vendor: "ringfence",
        log_level: alert.code.level.name(),
        alert_text: &alert.text,
        date_generated: alert.at.rfc3339(),
        rule: alert.rule.as_deref(),
        peer: alert.peer.as_deref(),
        source: alert.source,
        transport: alert.transport.map(|transport| transport.name()),
        call_id: alert.call_id.as_deref(),
        from: alert.from.as_deref(),
        to: alert.to.as_deref(),
        sip_status: alert.sip_status,
        count,
        first_seen: first_seen.rfc3339(),
        evidence: Evidence(&alert.evidence),
    };
    write_line(out, &line);
}

/// Adds one call record as one line.
pub fn write_record(out: &mut Vec<u8>, record: &CallRecord) {
    let begin = record.began;
    let until = |wall: Option<Wall>| wall.map(|wall| millis_between(begin, wall));
    let line = RecordLine {
        id: format!("{:032x}", record.id),
        direction: record.direction.map(direction),
        from: &record.from,
        to: &record.to,
        disposition: disposition(record.disposition),
        status: record.status,
        ended_by: ended_by(record.ended_by),
        why: &record.why,
        code: record.code,
        began: begin.rfc3339(),
        rang: record.rang.map(Wall::rfc3339),
        answered: record.answered.map(Wall::rfc3339),
        ended: record.ended.rfc3339(),
        ring_delay_ms: until(record.rang),
        answer_delay_ms: until(record.answered),
        talk_ms: record.answered.map_or(0, |answered| millis_between(answered, record.ended)),
        total_ms: millis_between(begin, record.ended),
        legs: record.legs.iter().map(leg).collect(),
        trail: record.trail.iter().map(step).collect(),
        messages: Passed(&record.messages),
    };
    write_line(out, &line);
}

#[derive(Serialize)]
struct AlertLine<'a> {
    sid: String,
    error_code: u32,
    name: &'a str,
    vendor: &'a str,
    log_level: &'a str,
    alert_text: &'a str,
    date_generated: String,
    rule: Option<&'a str>,
    peer: Option<&'a str>,
    source: Option<SocketAddr>,
    transport: Option<&'a str>,
    call_id: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    sip_status: Option<u16>,
    count: u64,
    first_seen: String,
    evidence: Evidence<'a>,
}

struct Evidence<'a>(&'a [(&'static str, String)]);

impl Serialize for Evidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct RecordLine<'a> {
    id: String,
    direction: Option<&'static str>,
    from: &'a str,
    to: &'a str,
    disposition: &'static str,
    status: u16,
    ended_by: &'static str,
    why: &'a str,
    code: Option<u32>,
    began: String,
    rang: Option<String>,
    answered: Option<String>,
    ended: String,
    ring_delay_ms: Option<u64>,
    answer_delay_ms: Option<u64>,
    talk_ms: u64,
    total_ms: u64,
    legs: Vec<LegLine<'a>>,
    trail: Vec<StepLine<'a>>,
    #[serde(skip_serializing_if = "Passed::is_empty")]
    messages: Passed<'a>,
}

/// What passed on the legs, one short text for each message; the last one counts what the list had no room for.
struct Passed<'a>(&'a Messages);

impl Passed<'_> {
    fn is_empty(&self) -> bool {
        self.0.list().is_empty()
    }
}

impl Serialize for Passed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for passed in self.0.list() {
            list.serialize_element(&format_args!("{passed}"))?;
        }
        if self.0.more() > 0 {
            list.serialize_element(&format_args!("and {} more", self.0.more()))?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct LegLine<'a> {
    peer: &'a str,
    call_id: &'a str,
    remote: SocketAddr,
    transport: &'static str,
    status: Option<u16>,
}

#[derive(Serialize)]
struct StepLine<'a> {
    rule: &'a str,
    said: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saw: Option<&'a str>,
}

fn leg(leg: &LegRecord) -> LegLine<'_> {
    LegLine {
        peer: &leg.peer,
        call_id: &leg.call_id,
        remote: leg.remote,
        transport: leg.transport.name(),
        status: leg.status,
    }
}

fn step(step: &Step) -> StepLine<'_> {
    let (value, limit, saw) = match &step.saw {
        Saw::Nothing => (None, None, None),
        Saw::Count { value, limit } => (Some(*value), Some(*limit), None),
        Saw::Word(word) => (None, None, Some(*word)),
        Saw::Text(text) => (None, None, Some(&**text)),
    };
    StepLine { rule: &step.rule, said: step.said.name(), value, limit, saw }
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
        Direction::Internal => "internal",
        Direction::Transit => "transit",
    }
}

const fn disposition(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Answered => "answered",
        Disposition::Refused => "refused",
        Disposition::Cancelled => "cancelled",
        Disposition::Failed => "failed",
    }
}

const fn ended_by(who: EndedBy) -> &'static str {
    match who {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::Edge => "edge",
    }
}

/// The wall clock may be set back during a call; a length is never negative.
fn millis_between(from: Wall, to: Wall) -> u64 {
    let micros = u64::try_from(to.micros().saturating_sub(from.micros())).unwrap_or(0);
    u64::try_from(Duration::from_micros(micros).as_millis()).unwrap_or(u64::MAX)
}

/// Adds one value as one line of JSON.
pub fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    let before = out.len();
    let mut serializer = JsonSerializer::with_formatter(&mut *out, OneLine);
    if let Err(error) = value.serialize(&mut serializer) {
        // Writing into memory cannot fail and our keys are strings; should it ever, no half line stays behind.
        out.truncate(before);
        note_lost(&error);
        return;
    }
    out.push(b'\n');
}

fn note_lost(error: &dyn Display) {
    tracing::error!(%error, "a line could not be formatted and is lost");
}

/// Compact JSON whose strings hold no letter that a terminal or a viewer obeys. serde_json escapes quotes, backslashes
/// and C0 controls; this escapes what else is not plain text.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if fragment.is_ascii() && !fragment.as_bytes().contains(&0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut room = [0; 4];
        for letter in fragment.chars() {
            if obeyed(letter) {
                // All of them lie in the Basic Multilingual Plane: one \u escape each.
                write!(writer, "\\u{:04x}", u32::from(letter))?;
            } else {
                writer.write_all(letter.encode_utf8(&mut room).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// DEL, C1 controls (0x9b begins a terminal's escape sequence), line and paragraph separators, marks that turn the
/// direction of text or do not show, and the byte order mark.
fn obeyed(letter: char) -> bool {
    matches!(letter,
        '\u{7f}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}')
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
