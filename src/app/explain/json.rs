//! An explanation for programs.
//!
//! Owns its keys. The trail and the number are written by the same code as those of call records, so the two agree. Refuses to
//! decide anything. Read first: `verdict.rs`; `sinks/line.rs`.

use serde_json::{Map, Value, json};

use super::text::{aim, direction};
use super::{Explanation, Verdict};
use crate::config::places::Found;
use crate::policy::Alert;
use crate::policy::peer::PeerSide;
use crate::policy::verdict::Step;
use crate::sinks::line::{write_number, write_step};
use crate::sip::HeaderName;

/// All of it, indented.
pub fn told(explanation: &Explanation) -> String {
    let one = explanation;
    let told = one.found.told.as_deref();
    let answer = one.answer();
    let header = |name| answer.as_ref().and_then(|answer| Explanation::header(answer, name));
    let status = match one.verdict() {
        Verdict::Refused(status) => Some(status),
        Verdict::Admitted | Verdict::Silence => None,
    };
    let decided = one.decided();
    let value = json!({
        "file": one.places.file(),
        "at": one.now.wall.rfc3339(),
        "meant": one.meant,
        "asks": one.request.asks,
        "peer": one.peer.as_ref().map(|peer| &*peer.name),
        "side": one.peer.as_ref().map(|peer| match peer.side {
            PeerSide::Inside => "inside",
            PeerSide::Outside => "outside",
        }),
        "source": one.flow.remote.to_string(),
        "transport": one.flow.transport.name(),
        "caller": one.request.caller,
        "credential": one.user.as_deref(),
        "number": told.and_then(|told| told.number.as_ref()).map(|known| written(|out| write_number(out, known))),
        "direction": told.and_then(|told| told.direction).map(direction),
        "trail": one.trail().iter().map(|step| asked(one, step)).collect::<Vec<_>>(),
        "targets": one.found.ways.iter().map(|way| aim(one, way).json()).collect::<Vec<_>>(),
        "verdict": one.verdict().name(),
        "status": status,
        "reason": header(HeaderName::Reason),
        "warning": header(HeaderName::Warning),
        "retry_after": header(HeaderName::RetryAfter),
        "alert": one.alert().map(alert),
        "alerts": one.found.alerts.iter().map(alert).collect::<Vec<_>>(),
        "decided": decided.rule.as_ref().map(|rule| {
            json!({
                "rule": rule,
                "place": decided.found.as_ref().map(|found| place(one, found)),
                "key": decided.cure,
            })
        }),
        "live_calls": 0,
        "suspensions": "not asked",
        "notes": one.request.notes,
    });
    escaped(&format!("{value:#}"))
}

/// What a writer of lines writes, as a value.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap_or(Value::Null)
}

/// A step as records have it, with its place.
fn asked(explanation: &Explanation, step: &Step) -> Value {
    let Value::Object(mut object) = written(|out| write_step(out, step)) else { return Value::Null };
    let found = explanation.places.find(&step.rule);
    object.insert("place".to_owned(), place(explanation, &found));
    Value::Object(object)
}

/// Where a rule stands; null where a default does.
fn place(explanation: &Explanation, found: &Found) -> Value {
    let Some(at) = found.place.filter(|_| found.written) else { return Value::Null };
    let mut object = Map::new();
    object.insert("file".to_owned(), json!(explanation.places.file()));
    object.insert("line".to_owned(), json!(at.line));
    object.insert("column".to_owned(), json!(at.column));
    object.insert("path".to_owned(), json!(found.path));
    Value::Object(object)
}

fn alert(alert: &Alert) -> Value {
    json!({
        "error_code": alert.code.number,
        "name": alert.code.name,
        "log_level": alert.code.level.name(),
        "alert_text": alert.text,
        "rule": alert.rule.as_deref(),
        "sip_status": alert.sip_status,
    })
}

/// Signs that a terminal obeys, or that turn a line around, as JSON writes them; line ends are the layout's own.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if letter == '\n' || super::text::is_harmless(letter) {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units);
            units.iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
        out
    })
}
