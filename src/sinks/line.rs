//! Alerts and call records as JSON, one object a line, in a fixed order of keys.
//!
//! Owns the keys that admins' scripts read. Refuses to know where lines go.
//! Read first: `json.rs`; the README's table of alert codes.

use std::time::Duration;

use super::json::Object;
use crate::call::CallRecord;
use crate::call::passed::Passed;
use crate::call::record::{Disposition, EndedBy, LegRecord};
use crate::clock::Wall;
use crate::media::order::{MediaLeg, StreamReport};
use crate::policy::number::Known;
use crate::policy::verdict::{Saw, Step};
use crate::policy::{Alert, Direction};
use crate::sip::text::decimal_into;

/// Adds one alert as one line. `sid` is 128 random bits; `count` and `first_seen` are those of what was folded.
pub fn write_alert(out: &mut Vec<u8>, alert: &Alert, sid: u128, count: u64, first_seen: Wall) {
    let mut line = Object::open(out);
    line.plain("sid", format_args!("NO{sid:032x}"));
    line.number("error_code", alert.code.number);
    line.word("name", alert.code.name);
    line.word("vendor", "ringfence");
    line.word("log_level", alert.code.level.name());
    line.text("alert_text", &alert.text);
    line.time("date_generated", Some(alert.at));
    line.text_if("rule", alert.rule.as_deref());
    line.text_if("peer", alert.peer.as_deref());
    line.plain_if("source", alert.source);
    line.word_if("transport", alert.transport.map(|transport| transport.name()));
    line.text_if("call_id", alert.call_id.as_deref());
    line.text_if("from", alert.from.as_deref());
    line.text_if("to", alert.to.as_deref());
    line.number_if("sip_status", alert.sip_status);
    line.number("count", count);
    line.time("first_seen", Some(first_seen));
    let mut evidence = Object::open(line.key("evidence"));
    for (name, value) in &alert.evidence {
        evidence.text(name, value);
    }
    evidence.close();
    line.close();
    out.push(b'\n');
}

/// Adds one call record as one line.
pub fn write_record(out: &mut Vec<u8>, record: &CallRecord) {
    let begin = record.began;
    let until = |wall: Option<Wall>| wall.map(|wall| millis_between(begin, wall));
    let mut line = Object::open(out);
    line.hex("id", record.id);
    if let Some(follows) = record.follows {
        line.hex("follows", follows);
    }
    line.word_if("direction", record.direction.map(direction));
    line.text("from", &record.from);
    line.text("to", &record.to);
    if let Some(user) = &record.credential {
        line.text("credential", user);
    }
    if let Some(by) = &record.forwarder {
        line.text("forwarded_by", by);
    }
    line.word("disposition", disposition(record.disposition));
    line.number("status", record.status);
    line.word("ended_by", ended_by(record.ended_by));
    line.text("why", &record.why);
    line.number_if("code", record.code);
    line.time("began", Some(begin));
    line.time("rang", record.rang);
    line.time("answered", record.answered);
    line.time("ended", Some(record.ended));
    line.number_if("ring_delay_ms", until(record.rang));
    line.number_if("answer_delay_ms", until(record.answered));
    line.number("talk_ms", record.answered.map_or(0, |answered| millis_between(answered, record.ended)));
    line.number("total_ms", millis_between(begin, record.ended));
    line.list("legs", &record.legs, write_leg);
    if let Some(known) = &record.number {
        write_number(line.key("number"), known);
    }
    line.list("trail", &record.trail, write_step);
    if !record.messages.list().is_empty() {
        let more = Some(record.messages.more()).filter(|more| *more > 0);
        let passed = record.messages.list().iter().map(Told::One);
        line.list("messages", passed.chain(more.map(Told::More)), write_told);
    }
    if !record.media.is_empty() {
        let last = record.legs.len().saturating_sub(1);
        line.list("media", &record.media, |out, stream| write_stream(out, stream, last));
    }
    line.close();
    out.push(b'\n');
}

/// What one leg's peer sent on one stream; the called leg is the last of the record's legs.
fn write_stream(out: &mut Vec<u8>, stream: &StreamReport, last: usize) {
    let mut object = Object::open(out);
    let leg = match stream.spot.leg {
        MediaLeg::A => 0,
        MediaLeg::B => last,
    };
    object.number("leg", leg as u64);
    object.number("stream", stream.spot.stream);
    object.number("packets", stream.packets);
    object.number("bytes", stream.octets);
    object.number("lost", stream.lost);
    object.number("jitter_us", u64::try_from(stream.jitter.as_micros()).unwrap_or(u64::MAX));
    object.number("late", stream.late);
    object.number("replayed", stream.replayed);
    object.number("unauthenticated", stream.unauthentic);
    object.number("foreign", stream.foreign);
    object.number("refused", stream.refused);
    object.number("dtmf", stream.events);
    match stream.opinion {
        Some(opinion) => object.decimal("mos", opinion),
        None => object.number_if("mos", None::<u64>),
    }
    object.close();
}

/// What a record tells of its messages.
enum Told<'a> {
    One(&'a Passed),
    More(u32),
}

fn write_told(out: &mut Vec<u8>, told: Told<'_>) {
    out.push(b'"');
    match told {
        Told::One(passed) => passed.write_into(out),
        Told::More(more) => {
            out.extend_from_slice(b"and ");
            decimal_into(u64::from(more), out);
            out.extend_from_slice(b" more");
        }
    }
    out.push(b'"');
}

fn write_leg(out: &mut Vec<u8>, leg: &LegRecord) {
    let mut object = Object::open(out);
    object.text("peer", &leg.peer);
    object.text("call_id", &leg.call_id);
    object.address("remote", leg.remote);
    object.word("transport", leg.transport.name());
    object.number_if("status", leg.status);
    object.close();
}

/// How a number was read: what `ringfence number --json` and `ringfence explain --json` tell, too.
pub fn write_number(out: &mut Vec<u8>, known: &Known) {
    let mut object = Object::open(out);
    object.text("plan", &known.dialling.name);
    object.word("kind", known.reading.number.kind());
    object.plain("value", &known.reading.number);
    object.word("read_as", known.reading.way.read_as.name());
    object.list("taken_off", known.reading.way.taken_off(), |out, part| {
        out.push(b'"');
        out.extend_from_slice(part.as_bytes());
        out.push(b'"');
    });
    if let Some((region, country)) = known.region() {
        object.text("region", region);
        object.text("country", country);
    }
    if let Some(risk) = known.risk() {
        object.word("risk_tier", risk.tier.name());
        object.text_if("risk_prefix", known.risk_prefix().map(|digits| ["+", digits].concat()).as_deref());
        object.word_if("range", risk.kind.map(|kind| kind.name()));
        object.text_if("risk_reason", risk.reason);
    }
    object.word("privacy", known.reading.privacy.name());
    object.word("parameters", if known.reading.parameters_dropped { "dropped" } else { "none" });
    object.close();
}

/// One rule that was asked.
pub fn write_step(out: &mut Vec<u8>, step: &Step) {
    let mut object = Object::open(out);
    object.text("rule", &step.rule);
    object.word("said", step.said.name());
    match &step.saw {
        Saw::Nothing => {}
        Saw::Count { value, limit } => {
            object.number("value", *value);
            object.number("limit", *limit);
        }
        Saw::Word(word) => object.word("saw", word),
        Saw::Text(text) => object.text("saw", text),
    }
    object.close();
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

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
