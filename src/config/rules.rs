//! Rules and what is done with strangers, as they are written.
//!
//! Owns the step from `policy:` and `strangers:` to the policy's rules. Refuses to judge. Read first: `table.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::{Fields, choose, word_of};
use super::keys::{Kind, Section};
use super::lists::Lists;
use super::problem::{Cause, quoted};
use super::table::{CALL_RULES, SCREEN_RULES};
use super::tree::Value;
use super::{Source, caller_rules, detectors, hours, listed, values};
use crate::clock::Wall;
use crate::policy::PeerId;
use crate::policy::number::RiskTier;
use crate::policy::rules::{
    ConcurrentCalls, Countries, Entry, Forwarded, HighRisk, Hops, MaxDuration, NumberType, NumberTypes,
    OBSERVE_DEFAULT, Observe, Repeats, Rule, Rules,
};
use crate::policy::sources;

/// The longest `observe`, from the date of the policy file.
const OBSERVE_DAYS_MAX: i64 = 90;
const DAY_MICROS: i64 = 86_400_000_000;
/// The rules that stand as often as they are meant.
const MANY: [&str; 4] = ["blocklist", "allowlist", "caller_blocklist", "anonymous_callers"];

/// The rules that stand under outbound alone.
const OUTBOUND_ALONE: [&str; 2] = ["forwarded", "repeats"];

/// Reads `policy:`.
pub fn rules(root: &Fields<'_>, lists: &Lists<'_>, peers: &BTreeMap<&str, PeerId>) -> Rules {
    let Some(policy) = root.section("policy") else { return Rules::default() };
    let stage = |name: &str, section: &'static Section| entries(&policy, name, section, (lists, peers));
    Rules {
        screen: stage("screen", &SCREEN_RULES),
        outbound: stage("outbound", &CALL_RULES),
        inbound: stage("inbound", &CALL_RULES),
        internal: stage("internal", &CALL_RULES),
    }
}

/// The files of numbers, and the peers by name.
type Beside<'a> = (&'a Lists<'a>, &'a BTreeMap<&'a str, PeerId>);

fn entries(policy: &Fields<'_>, stage: &str, section: &'static Section, beside: Beside<'_>) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for item in policy.list(stage) {
        let Some(fields) =
            Fields::open(policy.desk(), section, item.node, item.node.place, item.path.clone())
        else {
            continue;
        };
        let Some(name) = fields.chosen() else { continue };
        let Some((rule, observe)) = rule(name, &fields, beside) else { continue };
        let twin = out.iter().find(|known| known.rule.name() == rule.name() && !MANY.contains(&name));
        if stage != "inbound" && caller_rules::NAMES.contains(&name) {
            let cause = Cause::new("this rule is about callers from outside");
            let cure = "write it under inbound; as whom a PBX may call out is `owns` of the peer";
            fields.error(name, cause.cure(cure));
        }
        if stage != "outbound" && (OUTBOUND_ALONE.contains(&name) || detectors::NAMES.contains(&name)) {
            let cause = Cause::new("this rule is about calls to the outside");
            fields.error(name, cause.cure("write it under outbound"));
        }
        if let Some(twin) = twin {
            let cause = format!("this rule already stands at {}", twin.path);
            fields.error(name, Cause::new(cause).cure("keep one of them"));
        }
        out.push(Entry { path: Arc::from(fields.path_of(name)), rule, observe });
    }
    out
}

fn rule(name: &str, fields: &Fields<'_>, beside: Beside<'_>) -> Option<(Rule, Option<Observe>)> {
    let (lists, peers) = beside;
    let source = lists.source();
    let rule = match name {
        "blocklist" => {
            let fields = fields.section(name)?;
            let observe = observe(&fields, source);
            return Some((Rule::Blocklist(listed::blocklist(&fields, lists)?), observe));
        }
        "allowlist" => Rule::Allowlist(listed::allowlist(&fields.section(name)?, lists)?),
        "hours" => {
            let fields = fields.section(name)?;
            let observe = observe(&fields, source);
            return Some((Rule::Hours(Box::new(hours::hours(&fields)?)), observe));
        }
        "caller_blocklist" => {
            let fields = fields.section(name)?;
            let observe = observe(&fields, source);
            return Some((caller_rules::blocklist(&fields, lists, peers)?, observe));
        }
        "anonymous_callers" => {
            let fields = fields.section(name)?;
            return Some((caller_rules::anonymous(&fields, peers), observe(&fields, source)));
        }
        "countries" | "number_types" | "high_risk" => {
            let fields = fields.section(name)?;
            return Some((destinations(name, &fields), observe(&fields, source)));
        }
        "forwarded" => {
            let fields = fields.section(name)?;
            return Some((Rule::Forwarded(forwarded(&fields)), observe(&fields, source)));
        }
        _ if detectors::NAMES.contains(&name) => {
            let fields = fields.section(name)?;
            return Some((Rule::Detects(detectors::detector(name, &fields)), observe(&fields, source)));
        }
        "repeats" => {
            let fields = fields.section(name)?;
            Rule::Repeats(Repeats { setups: fields.count("setups"), bar: fields.time("bar") })
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
        "countries" => Rule::Countries(countries(fields)),
        "number_types" if fields.is_set("refuse") => {
            let kinds = NumberType::ALL.map(|kind| (kind.name(), kind));
            let refuse = fields.words("refuse", |text| choose(text, &kinds));
            Rule::NumberTypes(NumberTypes { refuse: refuse.into_iter().map(|(kind, _)| kind).collect() })
        }
        "number_types" => Rule::NumberTypes(NumberTypes::default()),
        _ => Rule::HighRisk(HighRisk { from: tier(fields, "refuse").unwrap_or(RiskTier::Deny) }),
    }
}

fn countries(fields: &Fields<'_>) -> Countries {
    let mut countries = Countries::default();
    for (entry, _) in fields.words("allow", country) {
        match entry.strip_prefix('+') {
            Some(digits) => countries.prefixes.push(digits.into()),
            None => countries.regions.push(entry),
        }
    }
    countries
}

fn tier(fields: &Fields<'_>, name: &str) -> Option<RiskTier> {
    let tiers = [RiskTier::Deny, RiskTier::High, RiskTier::Watch].map(|tier| (tier.name(), tier));
    fields.choice(name, &tiers)
}

/// The rule about calls that are sent on.
fn forwarded(fields: &Fields<'_>) -> Forwarded {
    Forwarded {
        times_max: fields.count("times"),
        allow: countries(fields),
        from: tier(fields, "risk").unwrap_or(RiskTier::Watch),
        calls_max: fields.count("calls_at_once"),
        hourly_max: fields.count("calls_per_hour"),
        duration_max: fields.time("max_duration"),
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
