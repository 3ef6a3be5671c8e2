//! Rules and what is done with strangers, as they are written.
//!
//! Owns the step from `policy:` and `strangers:` to the policy's rules. Refuses to judge. Read first: `table.rs`.

use std::sync::Arc;

use super::Source;
use super::fields::{Fields, choose, word_of};
use super::keys::{Kind, Section};
use super::problem::{Cause, Desk, Place, quoted};
use super::settings::path;
use super::table::{CALL_RULES, NUMBERS_MAX, SCREEN_RULES};
use super::tree::Value;
use super::values;
use crate::clock::Wall;
use crate::policy::number::RiskTier;
use crate::policy::rules::{
    Blocklist, ConcurrentCalls, Countries, Entry, HighRisk, Hops, MaxDuration, NumberType, NumberTypes,
    OBSERVE_DEFAULT, Observe, Rule, Rules,
};
use crate::policy::sources;

/// The longest `observe`, from the date of the policy file.
const OBSERVE_DAYS_MAX: i64 = 90;
const DAY_MICROS: i64 = 86_400_000_000;
/// Octets of a file of prefixes.
const PREFIX_FILE_BYTES_MAX: usize = 4 << 20;

/// Reads `policy:`.
pub fn rules(root: &Fields<'_>, source: &Source) -> Rules {
    let Some(policy) = root.section("policy") else { return Rules::default() };
    let stage = |name: &str, section: &'static Section| entries(&policy, name, section, source);
    Rules {
        screen: stage("screen", &SCREEN_RULES),
        outbound: stage("outbound", &CALL_RULES),
        inbound: stage("inbound", &CALL_RULES),
        internal: stage("internal", &CALL_RULES),
    }
}

fn entries(policy: &Fields<'_>, stage: &str, section: &'static Section, source: &Source) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for item in policy.list(stage) {
        let Some(fields) =
            Fields::open(policy.desk(), section, item.node, item.node.place, item.path.clone())
        else {
            continue;
        };
        let Some(name) = fields.chosen() else { continue };
        let Some((rule, observe)) = rule(name, &fields, source) else { continue };
        let twin =
            out.iter().find(|known| known.rule.name() == rule.name() && !matches!(rule, Rule::Blocklist(_)));
        if let Some(twin) = twin {
            let cause = format!("this rule already stands at {}", twin.path);
            fields.error(name, Cause::new(cause).cure("keep one of them"));
        }
        out.push(Entry { path: Arc::from(fields.path_of(name)), rule, observe });
    }
    out
}

fn rule(name: &str, fields: &Fields<'_>, source: &Source) -> Option<(Rule, Option<Observe>)> {
    let rule = match name {
        "blocklist" => return blocklist(&fields.section(name)?, source),
        "countries" | "number_types" | "high_risk" => {
            let fields = fields.section(name)?;
            return Some((destinations(name, &fields), observe(&fields, source)));
        }
        "hop_limit" => Rule::Hops(Hops { vias_max: fields.section(name)?.count("vias") }),
        "concurrent_calls" => Rule::ConcurrentCalls(ConcurrentCalls { calls_max: fields.count_if(name)? }),
        "max_duration" => Rule::MaxDuration(MaxDuration { duration_max: fields.time_if(name)? }),
        _ => return None,
    };
    Some((rule, None))
}

/// The rules about where a number leads.
fn destinations(name: &str, fields: &Fields<'_>) -> Rule {
    match name {
        "countries" => {
            let mut countries = Countries::default();
            for (entry, _) in fields.words("allow", country) {
                match entry.strip_prefix('+') {
                    Some(digits) => countries.prefixes.push(digits.into()),
                    None => countries.regions.push(entry),
                }
            }
            Rule::Countries(countries)
        }
        "number_types" if fields.is_set("refuse") => {
            let kinds = NumberType::ALL.map(|kind| (kind.name(), kind));
            let refuse = fields.words("refuse", |text| choose(text, &kinds));
            Rule::NumberTypes(NumberTypes { refuse: refuse.into_iter().map(|(kind, _)| kind).collect() })
        }
        "number_types" => Rule::NumberTypes(NumberTypes::default()),
        _ => {
            let tiers = [RiskTier::Deny, RiskTier::High, RiskTier::Watch].map(|tier| (tier.name(), tier));
            Rule::HighRisk(HighRisk { from: fields.choice("refuse", &tiers).unwrap_or(RiskTier::Deny) })
        }
    }
}

/// A country by its two letters, or `+` and digits with or without a star.
fn country(text: &str) -> Result<Box<str>, Cause> {
    let bare = text.strip_suffix('*').unwrap_or(text);
    let digits = bare.strip_prefix('+').unwrap_or_default();
    let prefix = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let region = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if prefix || region {
        return Ok(bare.into());
    }
    let cause = Cause::new(format!("{} is neither a country nor a prefix", quoted(text)));
    Err(cause.cure("write its two letters, as in LV, or digits with +, as in \"+371\""))
}

fn blocklist(fields: &Fields<'_>, source: &Source) -> Option<(Rule, Option<Observe>)> {
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
        prefixes.extend(listed_prefixes(&file, fields, source, prefix));
    }
    if !["prefixes", "numbers", "prefixes_file"].into_iter().any(|name| fields.is_set(name)) {
        let cause = Cause::new("a blocklist that blocks nothing");
        fields.desk().error(fields.place, &fields.path, cause.cure("add prefixes, numbers or prefixes_file"));
    }
    let observe = observe(fields, source);
    let list =
        Blocklist::new(prefixes.iter().map(String::as_str), numbers.iter().map(String::as_str)).ok()?;
    for (text, item) in written.iter().filter(|(text, _)| leaves_plus_open(text, &list)) {
        fields.desk().warning(item.node.place, &item.path, plus_open(text));
    }
    let of_file = prefixes.iter().skip(written.len()).find(|text| leaves_plus_open(text, &list));
    if let Some(text) = of_file {
        fields.warning("prefixes_file", plus_open(text));
    }
    Some((Rule::Blocklist(list), observe))
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

fn bad_entry(text: &str, kind: &str, bad: &[crate::policy::rules::blocklist::BadEntry]) -> Cause {
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

/// `observe: true`, or `observe: {until: 2026-12-05}`.
fn observe(fields: &Fields<'_>, source: &Source) -> Option<Observe> {
    let node = fields.node("observe")?;
    let path = fields.path_of("observe");
    if !matches!(node.value, Value::Map(_)) {
        let word = word_of(fields.desk(), node, path, Kind::Flag)?;
        let days = i64::try_from(OBSERVE_DEFAULT.as_micros()).unwrap_or(0);
        return match values::flag(word.text) {
            Ok(true) => {
                Some(Observe { until: Wall::from_micros(source.dated.micros().saturating_add(days)) })
            }
            Ok(false) => None,
            Err(cause) => {
                fields.error("observe", cause.cure("write true, or {until: 2026-12-05}"));
                None
            }
        };
    }
    let observe = Fields::open(fields.desk(), &super::table::OBSERVE, node, node.place, path)?;
    let until = observe.checked("until", values::end_of_day)?;
    let last = source.dated.micros().saturating_add(OBSERVE_DAYS_MAX.saturating_mul(DAY_MICROS));
    if until > last {
        let cause = format!("a rule may only observe for {OBSERVE_DAYS_MAX} days from the date of this file");
        observe
            .error("until", Cause::new(cause).cure("choose an earlier day; past it the rule refuses again"));
    }
    Some(Observe { until: Wall::from_micros(until) })
}

/// Reads `strangers:`.
pub fn strangers(root: &Fields<'_>) -> sources::Settings {
    let Some(fields) = root.section("strangers") else { return sources::Settings::default() };
    let settings = sources::Settings {
        ban_after: fields.count("ban_after"),
        ban_window: fields.time("ban_window"),
        ban_first: fields.time("ban_first"),
        ban_max: fields.time("ban_max"),
        bans_max: fields.count("bans"),
        strangers_max: fields.count("strangers"),
        samples_per_second_max: fields.count("samples_per_second"),
        repeat: fields.time("repeat"),
        fold: fields.time("fold"),
        told_max: fields.count("told"),
        over_bucket_answers_per_second_max: fields.count("over_bucket_answers_per_second"),
    };
    if settings.ban_first > settings.ban_max {
        fields.error(
            "ban_max",
            Cause::new("ban_max is below ban_first").cure("raise ban_max or lower ban_first"),
        );
    }
    settings
}
