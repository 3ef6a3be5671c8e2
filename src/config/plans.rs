//! Dial plans as they are written.
//!
//! Owns the keys of a plan and the step to the reader's settings. Refuses to read numbers.
//! Read first: `policy/number/plan.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::several;
use super::fields::{Fields, NamedFields};
use super::keys::{Key, Kind, Section};
use super::peers::reference;
use super::problem::{Cause, Desk, Errors, Place, quoted};
use super::table::ROOT;
use super::tree::{self, Value};
use super::values;
use crate::policy::number::{
    CallerPrefix, DIGITS_MAX, DialPlan, Dialling, ENTRY_KEYS_MAX, Lengths, Pattern, Plans, Privacy, World,
};

/// Plans of one file.
pub const PLANS_MAX: usize = 1_000;
/// Entries of one of a plan's lists.
const LIST_MAX: usize = 1_000;
/// Names that a plan lists.
const NAMES_MAX: usize = 10_000;
const KEYS: Kind = Kind::List(&Kind::Number, LIST_MAX);
const DIGIT_COUNTS: Kind = Kind::List(&Kind::Count(1, DIGITS_MAX as u64), DIGITS_MAX);

/// A plan.
pub static PLAN: Section = Section {
    name: "a dial plan",
    keys: &[
        Key::means(
            "country_code",
            Kind::Number,
            "no numbers but those with +",
            "the country that is dialled from",
        ),
        Key::means(
            "region",
            Kind::Name,
            "the main one of the country code",
            "its two letters (ISO 3166-1), where a code has several",
        ),
        Key::means("idd", KEYS, "none", "what is dialled before an international number"),
        Key::means("carrier_select", KEYS, "none", "chooses a carrier; taken away once"),
        Key::means(
            "caller_id_prefix",
            KEYS,
            "none",
            "shows or hides the caller's number; taken away once, and kept in mind",
        ),
        Key::means("national_prefix", Kind::Number, "none", "what is dialled before a national number"),
        Key::value(
            "national_prefix_optional",
            Kind::Flag,
            "false",
            "whether a national number may be dialled without it",
        ),
        Key::means("nsn_lengths", DIGIT_COUNTS, "none", "digits of a national number behind its prefix"),
        Key::means(
            "no_prefix_lengths",
            DIGIT_COUNTS,
            "none",
            "digits of a national number without its prefix",
        ),
        Key::means("no_prefix_starts", KEYS, "anything", "what such a number begins with"),
        Key::means(
            "local",
            Kind::Words(&Kind::Number, DIGITS_MAX),
            "none",
            "digits of a local number, and what is put before it",
        ),
        Key::means(
            "outside_line",
            Kind::Number,
            "none",
            "what is dialled for an outside line; it may be left out",
        ),
        Key::means("tech_prefixes", KEYS, "none", "what the peer may put before every number"),
        Key::value("tech_prefix_required", Kind::Flag, "false", "whether one of them must be there"),
        Key::means(
            "emergency",
            KEYS,
            "those of the country",
            "emergency numbers besides the country's; x is any digit",
        ),
        Key::means("short_codes", KEYS, "none", "short numbers that may be dialled; x is any digit"),
        Key::means(
            "names",
            Kind::List(&Kind::Name, NAMES_MAX),
            "none",
            "names and extensions that may be dialled",
        ),
        Key::means(
            "phone_contexts",
            Kind::List(&Kind::Host, LIST_MAX),
            "none",
            "domains of a phone-context that mean this plan",
        ),
    ],
};

static FILE: Section = Section {
    name: "a file of dial plans",
    keys: &[Key::required("plans", Kind::Named(&PLAN, PLANS_MAX), "the plans by name")],
};

/// Keys of an emergency number; the longest of the world's are 116xxx and some with six digits.
const EMERGENCY_KEYS_MAX: usize = 6;

/// What prefixes that are known ask for; any other hides the caller, which gives nothing away.
const SHOWS: [&str; 3] = ["186", "1470", "*82"];

/// Reads a file of plans: `plans:`, or `dial_plans:` of a policy, each with a name. They are ready to be read with.
pub fn plans(name: &str, text: &str, world: &World) -> Result<Plans, Errors> {
    let desk = Desk::new(name, text);
    let read = tree::read(text, &desk).and_then(|node| {
        let place = Place { line: 1, column: 1, length: 1 };
        let of_policy = matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "dial_plans"));
        let (section, key): (&'static Section, _) =
            if of_policy { (&ROOT, "dial_plans") } else { (&FILE, "plans") };
        let root = Fields::open(&desk, section, &node, place, String::new())?;
        let one = |plan: NamedFields<'_>| (Box::from(plan.name), self::plan(&plan.fields).ready(world));
        Some(root.named(key).into_iter().map(one).collect::<Plans>())
    });
    desk.close().map(|_warnings| read.unwrap_or_default())
}

/// The plans of a policy by name, each ready to be read with.
pub type Written<'a> = BTreeMap<&'a str, Arc<DialPlan>>;

/// Reads `dial_plans:` of a policy.
pub fn written<'a>(root: &Fields<'a>, world: &World) -> Written<'a> {
    let one = |plan: NamedFields<'a>| (plan.name, Arc::new(self::plan(&plan.fields).ready(world)));
    root.named("dial_plans").into_iter().map(one).collect()
}

/// Reads `dial_plan:` of a peer.
pub fn dialling(
    name: &str,
    fields: &Fields<'_>,
    plans: &Written<'_>,
    world: &Arc<World>,
) -> Option<Arc<Dialling>> {
    // The word itself is asked for by its kind; what is left out is no plan.
    if !fields.is_set("dial_plan") {
        return None;
    }
    let at: BTreeMap<&str, usize> = plans.keys().enumerate().map(|(at, name)| (*name, at)).collect();
    let known = |text: &str| {
        let found = reference(text, "dial plan", &at);
        found.map_err(|cause| if at.is_empty() { cause.cure("describe it in dial_plans") } else { cause })
    };
    let at = fields.checked("dial_plan", known)?;
    let (plan_name, plan) = plans.iter().nth(at)?;
    Some(Arc::new(Dialling {
        name: Arc::from(*plan_name),
        path: Arc::from(format!("peers.{name}.dial_plan")),
        plan: Arc::clone(plan),
        world: Arc::clone(world),
    }))
}

/// What a plan reads, in a clause.
#[must_use]
pub fn told(dialling: &Dialling) -> String {
    let plan = &dialling.plan;
    let mut words = vec!["+ and country code".to_owned()];
    let mut add = |there: bool, word: String| words.extend(there.then_some(word));
    let listed = |list: &[Box<str>]| list.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" or ");
    add(!plan.idd.is_empty(), format!("{} before a number abroad", listed(&plan.idd)));
    let national = if plan.national_prefix.is_empty() { "national numbers" } else { &plan.national_prefix };
    let bare = plan.national_prefix_optional && !plan.national_prefix.is_empty();
    add(
        !plan.country_code.is_empty(),
        format!("{national}{} within +{}", if bare { " (or nothing)" } else { "" }, plan.country_code),
    );
    add(!plan.outside_line.is_empty(), format!("{} for an outside line", plan.outside_line));
    add(!plan.short_codes.is_empty(), format!("{} short code(s)", plan.short_codes.len()));
    add(!plan.names.is_empty(), format!("{} name(s)", plan.names.len()));
    let emergency: Vec<&str> = plan.emergency.iter().map(Pattern::as_str).collect();
    let emergency = match emergency.as_slice() {
        [] => "no emergency number but sos".to_owned(),
        numbers => format!("emergency: {}", several(numbers.iter().copied(), "and")),
    };
    format!(
        "what it dials is read by dial plan {} ({}; {emergency}), and refused where it is not certain",
        dialling.name,
        words.join(", ")
    )
}

/// Reads one plan.
fn plan(fields: &Fields<'_>) -> DialPlan {
    let one = |name: &str| fields.checked(name, dialled).unwrap_or_default();
    let list = |name: &str| words(fields, name, dialled);
    let flag = |name: &str| fields.checked(name, values::flag).unwrap_or_default();
    let counts = |name: &str| {
        let count =
            |text: &str| values::count(text, 1, DIGITS_MAX as u64).map(|n| u8::try_from(n).unwrap_or(0));
        words(fields, name, count).into_iter().fold(Lengths::default(), Lengths::with)
    };
    let prefix = |keys: Box<str>| CallerPrefix {
        asks: if SHOWS.contains(&&*keys) { Privacy::Show } else { Privacy::Hide },
        keys,
    };
    let plan = DialPlan {
        country_code: one("country_code"),
        region: fields.checked("region", region).unwrap_or_default(),
        idd: list("idd"),
        carrier_select: list("carrier_select"),
        caller_prefixes: list("caller_id_prefix").into_iter().map(prefix).collect(),
        national_prefix: one("national_prefix"),
        national_prefix_optional: flag("national_prefix_optional"),
        nsn_lengths: counts("nsn_lengths"),
        no_prefix_lengths: counts("no_prefix_lengths"),
        no_prefix_starts: list("no_prefix_starts"),
        local: local(fields),
        outside_line: one("outside_line"),
        tech_prefixes: list("tech_prefixes"),
        tech_prefix_required: flag("tech_prefix_required"),
        emergency: words(fields, "emergency", emergency),
        short_codes: words(fields, "short_codes", pattern),
        names: words(fields, "names", |text| values::number(text).map(|()| text.into())),
        phone_contexts: words(fields, "phone_contexts", |text| values::host(text).map(|()| text.into())),
    };
    together(fields, &plan);
    plan
}

/// Tells of keys that do nothing without another.
fn together(fields: &Fields<'_>, plan: &DialPlan) {
    let needs = |key: &str, other: &str, there: bool| {
        if fields.is_set(key) && !there {
            let cause = Cause::new(format!("nothing is read with {key} where {other} is left out"));
            fields.error(key, cause.cure(format!("add {other}, or remove {key}")));
        }
    };
    for key in ["nsn_lengths", "no_prefix_lengths", "local", "region"] {
        needs(key, "country_code", !plan.country_code.is_empty());
    }
    needs("no_prefix_lengths", "national_prefix_optional: true", plan.national_prefix_optional);
    needs("no_prefix_starts", "no_prefix_lengths", plan.no_prefix_lengths != Lengths::default());
    needs(
        "tech_prefix_required",
        "tech_prefixes",
        !plan.tech_prefixes.is_empty() || !plan.tech_prefix_required,
    );
}

fn words<T>(fields: &Fields<'_>, name: &str, read: impl Fn(&str) -> Result<T, Cause>) -> Vec<T> {
    fields.words(name, read).into_iter().map(|(value, _)| value).collect()
}

/// Keys of a phone; nothing is what is left out.
fn dialled(text: &str) -> Result<Box<str>, Cause> {
    let known = |byte: u8| matches!(byte, b'0'..=b'9' | b'*' | b'#');
    if text.bytes().all(known) && text.len() <= ENTRY_KEYS_MAX {
        return Ok(text.into());
    }
    let cause = Cause::new(format!("{} is not what a phone dials", quoted(text)));
    Err(cause.cure(format!("write digits, * and #, at most {ENTRY_KEYS_MAX}, in quotes")))
}

fn pattern(text: &str) -> Result<Pattern, Cause> {
    Pattern::new(text).ok_or_else(|| {
        let cause = Cause::new(format!("{} is not a number", quoted(text)));
        cause.cure(format!("write digits, * and #, and x for any digit, at most {ENTRY_KEYS_MAX}"))
    })
}

/// Nothing refuses what this matches: so it is short, as every emergency number of the world is, and mostly digits.
fn emergency(text: &str) -> Result<Pattern, Cause> {
    let pattern = pattern(text)?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let any = text.bytes().filter(|key| *key == b'x').count();
    if (2..=EMERGENCY_KEYS_MAX).contains(&text.len()) && digits >= 2 && any <= digits {
        return Ok(pattern);
    }
    let cause = Cause::new(format!("{} is no emergency number", quoted(text)));
    Err(cause.cure(format!(
        "no rule and no cap refuses such a call: write 2 to {EMERGENCY_KEYS_MAX} keys, two digits at least, and no more x than digits"
    )))
}

fn region(text: &str) -> Result<Box<str>, Cause> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(text.into());
    }
    Err(Cause::new(format!("{} is not a region", quoted(text))).cure("write its two letters, as in GB"))
}

fn local(fields: &Fields<'_>) -> Vec<(u8, Box<str>)> {
    let mut out = Vec::new();
    for (entry, word) in fields.pairs("local") {
        let digits = values::count(&entry.key, 1, DIGITS_MAX as u64);
        match (digits, dialled(word.text)) {
            (Ok(digits), Ok(area)) => out.push((u8::try_from(digits).unwrap_or(0), area)),
            (digits, area) => {
                for cause in [digits.err(), area.err()].into_iter().flatten() {
                    fields.desk().error(word.place, &word.path, cause);
                }
            }
        }
    }
    out
}
