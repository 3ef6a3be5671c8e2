//! What became of the rows, in words, for programs, and as cells of a table.
//!
//! Owns the layout of the summary. Refuses to count. Read first: `tally.rs`.

use serde_json::{Value, json};

use super::Replayed;
use super::rows::Rows;
use super::tally::{Kind, Sum, Tally, Verdict};
use crate::config::problem::printable;
use crate::policy::money::Money;

/// Bad rows that the summary shows; all of them are counted.
const BAD_SHOWN_MAX: usize = 100;

/// Rules that the summary shows of each policy.
const RULES_SHOWN_MAX: usize = 40;

/// The rows that cannot be read, one a line.
pub fn bad(rows: &Rows) -> Vec<String> {
    let shown = rows.bad.iter().take(BAD_SHOWN_MAX);
    let mut lines: Vec<String> =
        shown.map(|bad| format!("  line {}, {}: {}", bad.line, bad.column, bad.why)).collect();
    let more = rows.bad_count.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// Seconds until the cut, empty where there was none.
pub fn seconds(verdict: &Verdict) -> String {
    let (whole, part) = (verdict.cut_ms / 1_000, verdict.cut_ms % 1_000);
    match (verdict.kind, part) {
        (Kind::Cut, 0) => whole.to_string(),
        (Kind::Cut, _) => format!("{whole}.{part:03}"),
        (Kind::Open | Kind::Admitted | Kind::Refused, _) => String::new(),
    }
}

/// A cell of a CSV.
pub fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Money with two places, the rest rounded up.
fn money(money: Money) -> String {
    let cents = money.0.div_ceil(10_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// One line of a table: its words, and a cell for each policy.
struct Line(String, Vec<String>);

fn table(lines: &[Line]) -> String {
    let wide = |text: &String| text.chars().count();
    let first = lines.iter().map(|Line(words, _)| wide(words)).max().unwrap_or(0);
    let columns = lines.iter().map(|Line(_, cells)| cells.len()).max().unwrap_or(0);
    let width =
        |at: usize| lines.iter().filter_map(|Line(_, cells)| cells.get(at).map(wide)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for Line(words, cells) in lines {
        let mut line = format!("  {words:first$}");
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The summary.
pub fn draw(replayed: &Replayed) -> String {
    let Replayed { file, rows, policies } = replayed;
    let span = rows.list.first().zip(rows.list.last());
    let span = span.map_or_else(String::new, |(first, last)| {
        format!(", from {} to {}", first.start.rfc3339(), last.start.rfc3339())
    });
    let mut out = format!("{file}: {} calls{span}\n", rows.list.len());
    for (at, (name, _)) in policies.iter().enumerate() {
        let word = if policies.len() == 1 {
            "under"
        } else if at == 0 {
            "A:"
        } else {
            "B:"
        };
        out.push_str(&format!("{word} {}\n", printable(name)));
    }
    out.push('\n');
    let tallies: Vec<&Tally> = policies.iter().map(|(_, tally)| tally).collect();
    out.push_str(&table(&totals(&tallies, rows.labelled)));
    for (at, (_, tally)) in policies.iter().enumerate() {
        let whose = if policies.len() == 1 {
            ""
        } else if at == 0 {
            " (A)"
        } else {
            " (B)"
        };
        out.push_str(&by_rule(tally, whose));
        out.push_str(&wrong(replayed, tally, whose));
    }
    if rows.bad_count > 0 {
        out.push_str(&format!("\nNot read: {} rows\n", rows.bad_count));
        bad(rows).iter().for_each(|line| out.push_str(&format!("{line}\n")));
    }
    out.push_str(
        "\nNot judged, for the file does not say it: encryption, passwords, and whether targets are up. Its peers count as proven.",
    );
    out
}

fn totals(tallies: &[&Tally], labelled: bool) -> Vec<Line> {
    let row = |words: &str, cell: &dyn Fn(&Tally) -> String| {
        Line(words.to_owned(), tallies.iter().map(|tally| cell(tally)).collect())
    };
    let sum =
        |sum: &Sum, tally: &Tally| format!("{} min  {} {}", sum.minutes(), money(sum.money), tally.currency);
    let saved = |tally: &Tally| Sum {
        rows: 0,
        talk_ms: tally.refused.talk_ms.saturating_add(tally.cut.talk_ms),
        money: Money(tally.refused.money.0.saturating_add(tally.cut.money.0)),
    };
    let mut lines = Vec::new();
    if tallies.len() > 1 {
        lines.push(Line(String::new(), vec!["A".to_owned(), "B".to_owned()]));
    }
    lines.extend([
        row("admitted", &|tally| tally.admitted.to_string()),
        row("refused", &|tally| tally.refused.rows.to_string()),
        row("cut", &|tally| tally.cut.rows.to_string()),
        row("went out", &|tally| sum(&tally.out, tally)),
        row("saved", &|tally| sum(&saved(tally), tally)),
    ]);
    if labelled {
        lines.extend([
            row("good calls refused or cut", &|tally| format!("{} of {}", tally.good_refused, tally.good)),
            row("frauds let through", &|tally| format!("{} of {}", tally.fraud_out.rows, tally.fraud)),
            row("what they cost", &|tally| sum(&tally.fraud_out, tally)),
        ]);
    }
    lines
}

fn by_rule(tally: &Tally, whose: &str) -> String {
    let rules = tally.by_rule();
    if rules.is_empty() {
        return String::new();
    }
    let mut lines = vec![Line("rule".to_owned(), ["code", "refused", "cut"].map(ToOwned::to_owned).to_vec())];
    lines.extend(rules.iter().take(RULES_SHOWN_MAX).map(|(code, rule, refused, cut)| {
        Line(printable(rule), vec![code.to_string(), refused.to_string(), cut.to_string()])
    }));
    let more = rules.len().saturating_sub(RULES_SHOWN_MAX);
    let more = if more > 0 { format!("  and {more} rules more\n") } else { String::new() };
    format!("\nBy rule{whose}\n{}{more}", table(&lines))
}

fn wrong(replayed: &Replayed, tally: &Tally, whose: &str) -> String {
    if tally.wrong.is_empty() {
        return String::new();
    }
    let mut out = format!("\nGood calls refused or cut{whose}, the first of {}\n", tally.good_refused);
    for at in tally.wrong.iter().filter_map(|at| usize::try_from(*at).ok()) {
        let Some((row, verdict)) = replayed.rows.list.get(at).zip(tally.verdicts.get(at)) else { continue };
        let Some((code, rule)) = tally.by(verdict) else { continue };
        out.push_str(&format!(
            "  row {}, {}: {} to {}: {code} {}\n",
            row.number,
            row.start.rfc3339(),
            printable(&row.from),
            printable(&row.to),
            printable(rule)
        ));
    }
    out
}

/// The same for programs.
pub fn json(replayed: &Replayed) -> String {
    let Replayed { file, rows, policies } = replayed;
    let bad: Vec<Value> = rows
        .bad
        .iter()
        .map(|bad| json!({ "line": bad.line, "column": bad.column, "why": bad.why }))
        .collect();
    let value = json!({
        "file": file,
        "rows": rows.list.len(),
        "bad_rows": rows.bad_count,
        "bad": bad,
        "first": rows.list.first().map(|row| row.start.rfc3339()),
        "last": rows.list.last().map(|row| row.start.rfc3339()),
        "policies": policies.iter().map(|(name, tally)| policy(name, tally, replayed)).collect::<Vec<_>>(),
    });
    format!("{value:#}")
}

fn policy(name: &str, tally: &Tally, replayed: &Replayed) -> Value {
    let sum = |sum: &Sum| json!({ "rows": sum.rows, "seconds": sum.talk_ms.div_ceil(1_000), "money": sum.money.to_string() });
    let rules: Vec<Value> = tally
        .by_rule()
        .into_iter()
        .map(|(code, rule, refused, cut)| json!({ "rule": rule, "code": code, "refused": refused, "cut": cut }))
        .collect();
    let wrong: Vec<Value> = tally
        .wrong
        .iter()
        .filter_map(|at| {
            let at = usize::try_from(*at).ok()?;
            let (row, verdict) = replayed.rows.list.get(at).zip(tally.verdicts.get(at))?;
            let (code, rule) = tally.by(verdict)?;
            Some(json!({ "row": row.number, "from": row.from, "to": row.to, "code": code, "rule": &**rule }))
        })
        .collect();
    json!({
        "policy": name,
        "currency": tally.currency,
        "admitted": tally.admitted,
        "refused": sum(&tally.refused),
        "cut": sum(&tally.cut),
        "went_out": sum(&tally.out),
        "by_rule": rules,
        "good": tally.good,
        "good_refused": tally.good_refused,
        "good_refused_first": wrong,
        "fraud": tally.fraud,
        "fraud_let_through": sum(&tally.fraud_out),
    })
}
