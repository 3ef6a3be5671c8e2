//! How a peer wants numbers written, and whose word on callers counts: `number_format`, `caller_format` and the literal
//! parts that they need, `asserted_identity`, `caller_in`.
//!
//! Owns the step from these keys to the policy's forms: a form without its parts, and parts without a form, are told.
//! Refuses to know numbers that are dialled. Read first: `policy/form.rs`.

use std::sync::Arc;

use smallvec::SmallVec;

use super::fields::{Fields, choose};
use super::problem::{Cause, quoted};
use super::values;
use crate::policy::Numbers;
use crate::policy::form::{Form, Substitute, e164, is_country_code};
use crate::policy::identity::{CallerIn, Identity};

/// Characters of a prefix.
const PREFIX_CHARACTERS_MAX: usize = 16;

/// The forms by name; the parts are read beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unchanged,
    E164Plus,
    E164,
    International,
    National,
    Tech,
}

const SHAPES: [(&str, Shape); 6] = [
    ("unchanged", Shape::Unchanged),
    ("e164_plus", Shape::E164Plus),
    ("e164", Shape::E164),
    ("international_prefix", Shape::International),
    ("national", Shape::National),
    ("tech_prefix", Shape::Tech),
];

const CALLER_IN: [(&str, CallerIn); 4] = [
    (CallerIn::From.name(), CallerIn::From),
    (CallerIn::PAssertedIdentity.name(), CallerIn::PAssertedIdentity),
    (CallerIn::RemotePartyId.name(), CallerIn::RemotePartyId),
    (CallerIn::Diversion.name(), CallerIn::Diversion),
];

/// The keys that name parts, and the shapes that use them.
const PARTS: [(&str, &[Shape]); 4] = [
    ("country_code", &[Shape::National]),
    ("national_prefix", &[Shape::National]),
    ("international_prefix", &[Shape::National, Shape::International]),
    ("tech_prefix", &[Shape::Tech]),
];

/// Reads how numbers are written towards a peer.
pub fn numbers(fields: &Fields<'_>) -> Numbers {
    let shape = |key: &str, shapes: &[(&str, Shape)]| {
        fields.checked(key, |text| choose(text, shapes)).unwrap_or(Shape::Unchanged)
    };
    let called = shape("number_format", &SHAPES);
    let caller = shape("caller_format", SHAPES.get(..5).unwrap_or_default());
    for (key, users) in PARTS {
        if fields.is_set(key) && !users.contains(&called) && !users.contains(&caller) {
            let cause = format!("nothing is written with {key} here");
            let names = SHAPES.iter().filter(|(_, shape)| users.contains(shape)).map(|(name, _)| *name);
            let cure =
                format!("remove it, or write number_format: {}", names.collect::<Vec<_>>().join(" or "));
            fields.error(key, Cause::new(cause).cure(cure));
        }
    }
    let numbers = Numbers {
        called: form(fields, "number_format", called),
        caller: form(fields, "caller_format", caller),
        short_digits_max: fields.count("short_digits"),
        substitute: None,
        emergency: emergency(fields),
    };
    Numbers { substitute: substitute(fields, &numbers.caller), ..numbers }
}

/// What a peer knows emergency numbers as: digits or a service, each with what is written instead.
fn emergency(fields: &Fields<'_>) -> Vec<(Box<str>, Box<str>)> {
    let mut known = Vec::new();
    for (entry, word) in fields.pairs("emergency") {
        let key = &*entry.key;
        let is_service = key == "sos" || key.starts_with("sos.");
        let is_number = !key.is_empty()
            && key.len() <= PREFIX_CHARACTERS_MAX
            && key.bytes().all(|byte| byte.is_ascii_digit());
        let told = if is_service || is_number {
            values::number(word.text)
        } else {
            let cause = Cause::new(format!("{} is neither digits nor sos", quoted(key)));
            Err(cause.cure("write the number as it is dialled, in quotes, or sos"))
        };
        match told {
            Ok(()) => known.push((Box::from(key), Box::from(word.text))),
            Err(cause) => fields.desk().error(word.place, &word.path, cause),
        }
    }
    known
}

fn form(fields: &Fields<'_>, key: &str, shape: Shape) -> Form {
    let part = |part: &str, example: &str, read: fn(&str) -> Result<Arc<str>, Cause>| {
        if !fields.is_set(part) {
            let word = SHAPES.iter().find(|(_, other)| *other == shape).map_or("", |(name, _)| *name);
            let cause = format!("{word} needs {part} beside it");
            fields.error(key, Cause::new(cause).cure(format!("add {part}: {example}")));
        }
        // What could not be read was told; nothing is built from a file with errors.
        fields.checked(part, read).unwrap_or_default()
    };
    match shape {
        Shape::Unchanged => Form::Unchanged,
        Shape::E164Plus => Form::E164Plus,
        Shape::E164 => Form::E164,
        Shape::International => {
            Form::International { prefix: part("international_prefix", "\"00\"", prefix) }
        }
        Shape::National => Form::National {
            country: part("country_code", "49", country),
            prefix: part("national_prefix", "\"0\", or none", prefix_or_none),
            international: part("international_prefix", "\"00\"", prefix),
        },
        Shape::Tech => Form::Tech { prefix: part("tech_prefix", "\"1234#\"", prefix) },
    }
}

fn country(text: &str) -> Result<Arc<str>, Cause> {
    if is_country_code(text) {
        return Ok(Arc::from(text));
    }
    let cause = Cause::new(format!("{} is not a country code", quoted(text)));
    Err(cause.cure("write its digits alone, e.g. 1, 49 or 353"))
}

fn prefix(text: &str) -> Result<Arc<str>, Cause> {
    let dialled = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
    if !text.is_empty() && text.len() <= PREFIX_CHARACTERS_MAX && text.bytes().all(dialled) {
        return Ok(Arc::from(text));
    }
    let cause = Cause::new(format!("{} is not a prefix", quoted(text)));
    Err(cause.cure(format!("write digits, * and #, at most {PREFIX_CHARACTERS_MAX}")))
}

fn prefix_or_none(text: &str) -> Result<Arc<str>, Cause> {
    if text == "none" { Ok(Arc::from("")) } else { prefix(text) }
}

/// Who stands in for a caller; a number must be one that the form can write.
fn substitute(fields: &Fields<'_>, form: &Form) -> Option<Substitute> {
    fields.checked("default_caller", |text| {
        if text == "anonymous" {
            return Ok(Substitute::Anonymous);
        }
        values::number(text)?;
        let readable = *form == Form::Unchanged || e164(text).is_ok() && form.write(text).is_ok();
        if readable {
            return Ok(Substitute::Number(Arc::from(text)));
        }
        let cause = format!("{} cannot be written as {}", quoted(text), form.name());
        Err(Cause::new(cause).cure("write it with + and the country code, e.g. \"+12125550100\""))
    })
}

/// Reads whose word on who is calling counts.
pub fn identity(fields: &Fields<'_>) -> Identity {
    let trusts = [("in", (true, false)), ("out", (false, true)), ("both", (true, true))];
    let (believed, told) = fields.choice("asserted_identity", &trusts).unwrap_or_default();
    let mut caller_in = SmallVec::new();
    for (header, item) in fields.words("caller_in", |text| choose(text, &CALLER_IN)) {
        let error = |cause: Cause| fields.desk().error(item.node.place, &item.path, cause);
        if caller_in.contains(&header) {
            error(Cause::new(format!("{} stands here twice", header.name())).cure("keep the first"));
        } else if header != CallerIn::From && !believed {
            let cause = format!("{} is not believed of this peer", header.name());
            error(Cause::new(cause).cure("write asserted_identity: in (or both) if it tells the truth"));
        }
        caller_in.push(header);
    }
    if caller_in.is_empty() {
        caller_in.push(CallerIn::From);
    }
    Identity { caller_in, believed, told }
}

/// What trust in a peer means, one sentence each; nothing where there is none.
#[must_use]
pub fn trust_told(identity: &Identity) -> Vec<String> {
    let mut out = Vec::new();
    if identity.caller_in.as_slice() != [CallerIn::From] {
        let names: Vec<&str> = identity.caller_in.iter().map(|header| header.name()).collect();
        out.push(format!("who calls is read from {}", names.join(", else ")));
    }
    if identity.believed {
        out.push(
            "BELIEVED when it says who calls or was reached (P-Asserted-Identity, P-Early-Media)".to_owned(),
        );
    }
    if identity.told {
        out.push("TOLD who calls (P-Asserted-Identity), callers too who asked to be hidden".to_owned());
    }
    out
}

/// What the forms of a peer mean, one sentence each; nothing where numbers cross as they come.
#[must_use]
pub fn told(numbers: &Numbers) -> Vec<String> {
    let mut out = Vec::new();
    if numbers.called != Form::Unchanged {
        out.push(format!(
            "numbers called leave to it {}; without + only what a route names exactly, {} digits at most",
            form_text(&numbers.called),
            numbers.short_digits_max
        ));
    }
    if !numbers.emergency.is_empty() {
        let known = numbers.emergency.iter().map(|(number, known)| format!("{number} as {known}"));
        out.push(format!("emergency calls leave to it with {}", known.collect::<Vec<_>>().join(", ")));
    }
    let otherwise = match &numbers.substitute {
        Some(Substitute::Number(number)) => format!("any other as {number}"),
        Some(Substitute::Anonymous) => "any other is not shown".to_owned(),
        None => "any other is refused (32206)".to_owned(),
    };
    if numbers.caller != Form::Unchanged {
        out.push(format!("callers are shown to it {}; {otherwise}", form_text(&numbers.caller)));
    } else if numbers.substitute.is_some() {
        out.push(format!("callers are shown to it as they come; where there is none, {otherwise}"));
    }
    out
}

fn form_text(form: &Form) -> String {
    match form {
        Form::Unchanged => "as they come".to_owned(),
        Form::E164Plus => "as + and country code".to_owned(),
        Form::E164 => "as country code without +".to_owned(),
        Form::International { prefix } => format!("as {prefix} and country code"),
        Form::National { country, prefix, international } => {
            let home = if prefix.is_empty() { "bare" } else { prefix };
            format!("as {home} and national number for +{country}, else as {international} and country code")
        }
        Form::Tech { prefix } => format!("as {prefix} and country code"),
    }
}
