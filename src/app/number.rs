//! How numbers are read, for people: `ringfence number`.
//!
//! Owns the two tables: of URIs that were asked, and of cases with what is expected of them. Refuses to read a number
//! itself. Read first: `policy/number/read.rs`.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::problem::{Errors, printable};
use crate::config::{Source, plans, world};
use crate::policy::number::{Deny, DialPlan, Number, Plans, Reading, Risk, World, read};

/// Characters of a URI in a table; what is longer is cropped.
const URI_CHARACTERS_MAX: usize = 44;

/// What numbers are read with.
#[derive(Debug)]
pub struct Reader {
    plans: Plans,
    world: World,
    file: String,
}

/// Nothing was read, and why.
#[derive(Debug)]
pub enum Failed {
    /// A file of plans, or a table, has errors.
    Errors(Errors),
    /// Anything else, with its cure.
    Text(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors(errors) => errors.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One URI and how it is read.
#[derive(Debug)]
pub struct Line<'a> {
    uri: &'a str,
    result: Result<Reading, Deny>,
    region: Option<(&'a str, &'a str)>,
    risk: Option<Risk<'a>>,
}

/// A table of cases, run.
#[derive(Debug)]
pub struct Cases {
    /// Rows that differ, each told.
    pub differ: Vec<String>,
    /// Rows.
    pub count: usize,
}

impl Reader {
    /// With the plans of a file and the tables that are built in.
    pub fn open(file: &Path) -> Result<Self, Failed> {
        let world = world::world(&world::BUILT_IN).map_err(Failed::Errors)?;
        let source = Source::read(file).map_err(Failed::Errors)?;
        let plans = plans::plans(&source.name, &source.text, &world).map_err(Failed::Errors)?;
        Ok(Self { plans, world, file: source.name })
    }

    fn plan(&self, name: &str) -> Result<&DialPlan, Failed> {
        self.plans.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.plans.keys().map(AsRef::as_ref).collect();
            let (file, name) = (printable(&self.file), printable(name));
            Failed::Text(format!("{file} has no plan \"{name}\": it has {}", known.join(", ")))
        })
    }

    /// Reads URIs under a plan.
    pub fn read<'a>(&'a self, plan: &str, uris: &'a [String]) -> Result<Vec<Line<'a>>, Failed> {
        let plan = self.plan(plan)?;
        Ok(uris.iter().map(|uri| self.line(uri, plan)).collect())
    }

    fn line<'a>(&'a self, uri: &'a str, plan: &DialPlan) -> Line<'a> {
        let result = read(uri.as_bytes(), plan, &self.world);
        let e164 = match result.as_ref().map(|reading| &reading.number) {
            Ok(Number::E164(number)) => Some(*number),
            Ok(Number::Emergency(_) | Number::Service(_) | Number::Short(_) | Number::Name(_)) | Err(_) => {
                None
            }
        };
        let region = e164.and_then(|number| self.world.region(&number));
        let risk = e164.map(|number| self.world.risk(&number, &plan.country_code));
        Line { uri, result, region, risk }
    }

    /// Runs a table: tab-separated, with one line of names, of which `plan`, `uri`, `kind`, `value` and `risk_tier` count.
    pub fn cases(&self, name: &str, text: &str) -> Result<Cases, Failed> {
        let mut lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let names: Vec<&str> = lines.next().map(|(_, line)| line.split('\t').collect()).unwrap_or_default();
        let column = |wanted: &str| {
            names.iter().position(|name| name.trim() == wanted).ok_or_else(|| {
                Failed::Text(format!("{name}: the table has no column \"{wanted}\": its first line names them, with tabs between"))
            })
        };
        let columns =
            [column("plan")?, column("uri")?, column("kind")?, column("value")?, column("risk_tier")?];
        let mut cases = Cases { differ: Vec::new(), count: 0 };
        for (at, line) in lines {
            let cells: Vec<&str> = line.split('\t').collect();
            let [plan, uri, kind, value, tier] = columns.map(|at| cells.get(at).copied().unwrap_or_default());
            cases.count += 1;
            let wanted = expected(kind, value, tier);
            let found = match self.plan(plan) {
                Ok(plan) => self.line(uri, plan).as_expected(),
                Err(_) => format!("no plan {plan}"),
            };
            if found != wanted {
                let first = cells.first().copied().unwrap_or_default();
                let told =
                    format!("{name}:{}: {first} {plan} {uri}: expected {wanted}, read {found}", at + 1);
                cases.differ.push(printable(&told));
            }
        }
        Ok(cases)
    }
}

/// URIs under a plan of a file, for a person or for machines.
pub fn uris(plans: &Path, plan: &str, uris: &[String], json: bool) -> Result<String, Failed> {
    let reader = Reader::open(plans)?;
    let lines = reader.read(plan, uris)?;
    if json {
        return Ok(format!("{:#}", Value::Array(lines.iter().map(Line::json).collect())));
    }
    Ok(draw(&lines).trim_end().to_owned())
}

/// A table of cases under the plans of a file: what is printed, and whether every row is as expected.
pub fn table(plans: &Path, table: &Path, json: bool) -> Result<(String, bool), Failed> {
    let reader = Reader::open(plans)?;
    let source = Source::read(table).map_err(Failed::Errors)?;
    let cases = reader.cases(&source.name, &source.text)?;
    let as_expected = cases.count - cases.differ.len();
    let page = if json {
        let told = json!({ "count": cases.count, "as_expected": as_expected, "differ": cases.differ });
        format!("{told:#}")
    } else {
        let page: String = cases.differ.iter().map(|told| format!("{told}\n")).collect();
        format!("{page}{as_expected} of {} as expected", cases.count)
    };
    Ok((page, cases.differ.is_empty()))
}

fn expected(kind: &str, value: &str, tier: &str) -> String {
    match kind {
        "deny" => kind.to_owned(),
        "e164" => format!("{kind} {value} {tier}"),
        _ => format!("{kind} {value}"),
    }
}

impl Line<'_> {
    fn as_expected(&self) -> String {
        let Ok(reading) = &self.result else { return "deny".to_owned() };
        let tier = self.risk.as_ref().map_or("", |risk| risk.tier.name());
        expected(reading.number.kind(), &reading.number.to_string(), tier)
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> Value {
        match &self.result {
            Ok(reading) => json!({
                "uri": self.uri,
                "kind": reading.number.kind(),
                "value": reading.number.to_string(),
                "region": self.region.map(|(iso, _)| iso),
                "country": self.region.map(|(_, name)| name),
                "risk_tier": self.risk.as_ref().map(|risk| risk.tier.name()),
                "risk_prefix": self.risk_prefix(),
                "range": self.risk.as_ref().and_then(|risk| risk.kind).map(|kind| kind.name()),
                "risk_reason": self.risk.as_ref().and_then(|risk| risk.reason),
                "privacy": reading.privacy.name(),
                "parameters_dropped": reading.parameters_dropped,
            }),
            Err(deny) => {
                json!({ "uri": self.uri, "kind": "deny", "reason": deny.name(), "cause": deny.text() })
            }
        }
    }

    fn risk_prefix(&self) -> Option<String> {
        let Ok(Number::E164(number)) = self.result.as_ref().map(|reading| &reading.number) else {
            return None;
        };
        let length = self.risk.as_ref().map(|risk| risk.prefix_length).filter(|length| *length > 0)?;
        number.digits.as_str().get(..length).map(|prefix| format!("+{prefix}"))
    }

    /// What a person should know of it, in a clause.
    fn told(&self) -> String {
        let reading = match &self.result {
            Ok(reading) => reading,
            Err(deny) => return format!("{}: {}", deny.name(), deny.text()),
        };
        let mut told: Vec<String> =
            self.region.map(|(iso, name)| format!("{name} ({iso})")).into_iter().collect();
        if let Some(risk) = self.risk.as_ref().filter(|risk| risk.prefix_length > 0) {
            let why = risk.reason.or(risk.kind.map(|kind| kind.name())).unwrap_or_default();
            told.push(format!(
                "risk {} for {}: {why}",
                risk.tier.name(),
                self.risk_prefix().unwrap_or_default()
            ));
        }
        match reading.privacy.name() {
            "unset" => {}
            privacy => told.push(format!("the caller's number: {privacy}")),
        }
        if reading.parameters_dropped {
            told.push("its parameters go no further".to_owned());
        }
        told.join("; ")
    }
}

/// Lines as a table: URI, kind, value, and what there is to know.
#[must_use]
pub fn draw(lines: &[Line<'_>]) -> String {
    let crop = |uri: &str| {
        let uri = printable(uri);
        if uri.chars().count() <= URI_CHARACTERS_MAX {
            return uri;
        }
        uri.chars().take(URI_CHARACTERS_MAX - 3).chain("...".chars()).collect()
    };
    let rows: Vec<[String; 4]> = lines
        .iter()
        .map(|line| match &line.result {
            Ok(reading) => {
                [crop(line.uri), reading.number.kind().to_owned(), reading.number.to_string(), line.told()]
            }
            Err(_) => [crop(line.uri), "deny".to_owned(), String::new(), line.told()],
        })
        .collect();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let [uri, kind, value] = [0, 1, 2].map(|at| width(at).unwrap_or(0));
    let mut page = String::new();
    for [first, second, third, told] in &rows {
        let line = format!("{first:uri$}  {second:kind$}  {third:value$}  {told}");
        // A write to a String cannot fail.
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page
}
