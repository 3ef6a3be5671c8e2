//! Certificates in force: replaced when their files change, and watched until they end.
//!
//! Owns what is told of them (39003, 39005) and when. Refuses to know sessions; a replacement that is broken changes nothing.
//! Read first: `config/tls.rs`; `net/tls/book.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::clock::Wall;
use crate::net::tls::{Book, Dated, Held};
use crate::policy::{Alert, code};

/// Days before the end at which it is told again.
const TOLD_AT: [i64; 4] = [30, 7, 1, 0];
/// Microseconds of a day.
const DAY: i64 = 86_400 * 1_000_000;
/// Certificates that one alert names.
const NAMED_MAX: usize = 8;

/// What was found in the files, to see whether it changes.
#[derive(Debug, Default)]
pub struct Files {
    found: Vec<(PathBuf, Option<Held>)>,
}

impl Files {
    /// The files of a configuration, as they were read for it.
    #[must_use]
    pub fn read(files: &[(PathBuf, Held)]) -> Self {
        Self { found: files.iter().map(|(path, held)| (path.clone(), Some(held.clone()))).collect() }
    }

    /// Where they are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.found.iter().map(|(path, _)| path.as_path())
    }

    /// Looks again; whether any is another one than when it was last looked at.
    pub fn look(&mut self, hold: fn(&Path) -> std::io::Result<Held>) -> bool {
        let mut changed = false;
        for (path, before) in &mut self.found {
            let now = hold(path).ok();
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

/// Which ends have been told.
#[derive(Debug, Default)]
pub struct Ends {
    told: HashMap<String, (Wall, i64)>,
}

impl Ends {
    /// 39003 for each certificate that has come nearer to its end than it was told.
    pub fn due(&mut self, dated: &[Dated], now: Wall) -> Vec<Alert> {
        self.told.retain(|at, _| dated.iter().any(|one| one.at == *at));
        let mut alerts = Vec::new();
        for one in dated {
            let left = days_left(one, now);
            let Some(step) = TOLD_AT.into_iter().rev().find(|step| left <= *step) else { continue };
            let before = self.told.insert(one.at.clone(), (one.not_after, step));
            if before != Some((one.not_after, step)) {
                alerts.push(ending(one, left, now));
            }
        }
        alerts
    }
}

/// Whole days until a certificate ends; below zero when it has.
fn days_left(one: &Dated, now: Wall) -> i64 {
    one.not_after.micros().saturating_sub(now.micros()).div_euclid(DAY)
}

fn day(at: Wall) -> String {
    at.rfc3339().get(..10).unwrap_or_default().to_owned()
}

fn ending(one: &Dated, left: i64, now: Wall) -> Alert {
    let when = match left {
        ..0 => format!("has ended on {}, and nobody who looks takes it any more", day(one.not_after)),
        0 => format!("ends within a day, on {}", day(one.not_after)),
        1 => format!("ends in 1 day, on {}", day(one.not_after)),
        _ => format!("ends in {left} days, on {}", day(one.not_after)),
    };
    let file = one.file.display();
    let text = format!(
        "The certificate in {file} ({}) {when}. Renew it and put it in the same place: it is served from the next handshake on.",
        one.at
    );
    tracing::warn!(file = %file, days_left = left, "a certificate ends");
    let mut alert = Alert::new(code::CERTIFICATE_EXPIRING, now, text);
    alert.rule = Some(one.at.as_str().into());
    alert.evidence.push(("file", file.to_string()));
    alert.evidence.push(("days_left", left.to_string()));
    alert.evidence.push(("names", one.names.join(", ")));
    alert
}

/// 39005: another certificate is served, or another authority asked for.
#[must_use]
pub fn replaced(book: &Book, now: Wall) -> Box<Alert> {
    let told = book.dated.iter().take(NAMED_MAX);
    let list: Vec<String> = told.map(|one| format!("{} until {}", one.at, day(one.not_after))).collect();
    let text = format!(
        "Changed certificate files are in force from the next handshake on; live connections stay: {}.",
        list.join("; ")
    );
    tracing::info!("changed certificate files are in force");
    Box::new(Alert::new(code::CERTIFICATE_RELOADED, now, text))
}

/// 39001: changed files that cannot be used.
#[must_use]
pub fn broken(why: &[String], now: Wall) -> Box<Alert> {
    let first = why.first().cloned().unwrap_or_default();
    tracing::error!(errors = why.len(), first, "changed certificate files were not taken");
    let text = format!("Changed certificate files were not taken, and those in force are served on: {first}");
    let mut alert = Alert::new(code::POLICY_REJECTED, now, text);
    alert.about = Some("certificates".into());
    alert.evidence.push(("errors", why.len().to_string()));
    alert.evidence.push(("error", why.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ")));
    Box::new(alert)
}

/// For the status.
#[must_use]
pub fn told(dated: &[Dated], now: Wall) -> Value {
    let one = |one: &Dated| {
        json!({
            "at": one.at,
            "file": one.file.display().to_string(),
            "names": one.names,
            "not_after": one.not_after.rfc3339(),
            "days_left": days_left(one, now),
        })
    };
    dated.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_micros(1_790_000_000_000_000);

    fn ending_in(micros: i64) -> Vec<Dated> {
        let not_after = Wall::from_micros(NOW.micros() + micros);
        vec![Dated {
            at: "listeners.office.certificate".to_owned(),
            file: PathBuf::from("server.pem"),
            names: vec!["sip.example.com".to_owned()],
            not_after,
        }]
    }

    #[test]
    fn an_end_is_told_at_30_7_and_1_days_and_when_it_has_come_once_each() {
        let end = ending_in(40 * DAY);
        let mut ends = Ends::default();
        let mut told = Vec::new();
        for hour in 0..24 * 42 {
            let now = Wall::from_micros(NOW.micros() + hour * DAY / 24);
            told.extend(ends.due(&end, now).into_iter().map(|alert| (hour / 24, alert.text)));
        }
        let days: Vec<i64> = told.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [9, 32, 38, 39], "{told:#?}");
        assert!(told[0].1.contains("ends in 30 days"), "{}", told[0].1);
        assert!(told[3].1.contains("ends within a day"), "{}", told[3].1);
        // A renewed one is told of anew when its own time comes, and at a start the nearest step alone.
        assert!(ends.due(&ending_in(90 * DAY), NOW).is_empty());
        assert_eq!(Ends::default().due(&ending_in(5 * DAY), NOW).len(), 1);
        assert!(Ends::default().due(&ending_in(-DAY), NOW)[0].text.contains("has ended"));
    }
}
