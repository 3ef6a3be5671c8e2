//! The key table as a JSON schema, for editors that complete and check YAML.
//!
//! Owns the translation. A schema checks shapes; references, ranges of times and what peers are to each other are
//! checked by `ringfence check` alone. Read first: JSON Schema 2020-12, core and validation.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, LeftOut, Section};
use super::profiles;
use super::table::ROOT;

/// The whole schema.
#[must_use]
pub fn schema() -> Value {
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!("Ringfence policy file"));
    if let Value::Object(root) = section(&ROOT) {
        whole.extend(root);
    }
    Value::Object(whole)
}

fn section(section: &Section) -> Value {
    let brought = |name: &str| brought(section, name);
    let told = |key: &Key| (key.name.to_owned(), property(key, &brought(key.name)));
    let properties: Map<String, Value> = section.keys.iter().map(told).collect();
    let required: Vec<&str> =
        section.keys.iter().filter(|key| key.left_out == LeftOut::Required).map(|key| key.name).collect();
    // What a profile may bring is asked for where none does.
    let (by_profile, required): (Vec<&str>, Vec<&str>) =
        required.into_iter().partition(|name| !brought(name).is_empty());
    let unless = |name: &&str| {
        let profile = json!({ "enum": brought(name) });
        json!({ "anyOf": [
            { "required": [name] },
            { "required": ["profile"], "properties": { "profile": profile } },
        ] })
    };
    let mut out = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Value::Object(out), false) = (&mut out, required.is_empty()) {
        out.insert("required".to_owned(), json!(required));
    }
    if let (Value::Object(out), false) = (&mut out, by_profile.is_empty()) {
        out.insert("allOf".to_owned(), by_profile.iter().map(unless).collect());
    }
    out
}

/// The profiles that bring a key of a section which has profiles.
fn brought(section: &Section, name: &str) -> Vec<&'static str> {
    if section.keys.iter().all(|key| key.name != "profile") {
        return Vec::new();
    }
    let bring = |profile: &&profiles::Profile| profile.rows.iter().any(|row| row.key == name);
    profiles::PROFILES.iter().filter(bring).map(|profile| profile.name).collect()
}

fn property(key: &Key, brought: &[&str]) -> Value {
    let mut out = kind(&key.kind);
    if let Value::Object(out) = &mut out {
        let meaning = match key.left_out {
            LeftOut::Required if brought.is_empty() => format!("{}. Required.", key.why),
            LeftOut::Required => {
                format!("{}. Required, unless `profile: {}` brings it.", key.why, brought.join("` or `"))
            }
            LeftOut::Value(value) => format!("{}. Left out: {value}.", key.why),
            LeftOut::Means(meaning) => format!("{}. Left out: {meaning}.", key.why),
        };
        out.insert("description".to_owned(), json!(meaning));
    }
    out
}

/// Words that YAML may take for numbers are strings to us and either to an editor.
fn word() -> Value {
    json!({ "type": ["string", "number"] })
}

fn kind(takes: &Kind) -> Value {
    match takes {
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Time(..) => json!({ "type": "string", "pattern": "^([0-9]+(ms|d|h|m|s))+$" }),
        Kind::Size(..) => json!({ "type": "string", "pattern": "^[0-9]+([kMG]?B|[KMG]iB)$" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Date => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
        Kind::Ports => json!({ "type": "string", "pattern": "^[0-9]+-[0-9]+$" }),
        Kind::Ip
        | Kind::Address
        | Kind::Target
        | Kind::Host
        | Kind::Network
        | Kind::Header
        | Kind::Path
        | Kind::Filter => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Number | Kind::Pattern | Kind::Reference(_) | Kind::Name => word(),
        Kind::List(one, most) => {
            json!({ "type": "array", "items": kind(one), "minItems": 1, "maxItems": most })
        }
        Kind::Section(keys) => section(keys),
        Kind::Named(keys, most) => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" },
            "additionalProperties": section(keys),
            "minProperties": 1,
            "maxProperties": most,
        }),
        Kind::Words(one, most) => json!({
            "type": "object",
            "additionalProperties": kind(one),
            "minProperties": 1,
            "maxProperties": most,
        }),
        Kind::OneOf(keys) => {
            let mut out = section(keys);
            if let Value::Object(out) = &mut out {
                out.insert("minProperties".to_owned(), json!(1));
                out.insert("maxProperties".to_owned(), json!(1));
            }
            out
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}
