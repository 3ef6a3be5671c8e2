//! What is wrong with a policy file, said so that it can be cured: file, line, column, path, cause, snippet, cure.
//!
//! Owns the shape of messages and the desk where they are collected. Refuses to know what the keys mean.
//! Read first: nothing.

use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// Problems told at once; more are counted.
pub const PROBLEMS_MAX: usize = 100;
/// Characters of a source line that a snippet shows.
const SNIPPET_CHARACTERS_MAX: usize = 100;
/// Characters of a value that a message repeats.
const QUOTED_CHARACTERS_MAX: usize = 60;

/// Where a word stands in its file; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Line; 0 when the whole file is meant.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Characters it covers.
    pub length: u32,
}

/// One thing that is wrong or worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Place,
    /// The key's path, e.g. `peers.trunk.sources[1]`; empty for what has none.
    pub path: String,
    /// What is wrong, in one clause.
    pub cause: String,
    /// How to mend it.
    pub cure: Option<String>,
    /// The source line, cropped around the place, and the caret's column in it.
    snippet: Option<(String, usize)>,
}

impl Problem {
    /// The same on one line, for alerts and logs.
    #[must_use]
    pub fn line(&self) -> String {
        let cure = self.cure.as_deref().map(|cure| format!(" ({cure})")).unwrap_or_default();
        format!("{}{}{cure}", self.found_at(), self.cause)
    }

    /// `FILE:LINE:COLUMN: PATH: `, as far as they are known.
    fn found_at(&self) -> String {
        let mut out = self.file.to_string();
        if self.place.line > 0 {
            out.push_str(&format!(":{}:{}", self.place.line, self.place.column));
        }
        out.push_str(": ");
        if !self.path.is_empty() {
            out.push_str(&format!("{}: ", self.path));
        }
        out
    }

    /// The same for machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": &*self.file,
            "line": self.place.line,
            "column": self.place.column,
            "path": self.path,
            "cause": self.cause,
            "cure": self.cure,
        })
    }
}

/// A cause with its cure, before it has a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What is wrong.
    pub text: String,
    /// How to mend it.
    pub cure: Option<String>,
}

impl Cause {
    /// A cause without a cure.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), cure: None }
    }

    /// The same with a cure.
    #[must_use]
    pub fn cure(self, cure: impl Into<String>) -> Self {
        // A cure may quote what was written.
        Self { cure: Some(printable(&cure.into())), ..self }
    }

    /// The same with `did you mean "x"?` where a known word is near.
    #[must_use]
    pub fn nearest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, known) {
            Some(word) => Self { cure: Some(format!("did you mean \"{word}\"?")), ..self },
            None => self,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found_at())?;
        f.write_str(&self.cause)?;
        if let Some((line, caret)) = &self.snippet {
            let number = self.place.line.to_string();
            let margin = " ".repeat(number.len());
            let length = usize::try_from(self.place.length).unwrap_or(1);
            let room = line.chars().count().saturating_sub(*caret);
            write!(f, "\n  {number} | {line}\n  {margin} | {}", " ".repeat(*caret))?;
            f.write_str(&"^".repeat(length.min(room).max(1)))?;
        }
        match &self.cure {
            Some(cure) if cure.starts_with("did you mean") => write!(f, "\n  {cure}"),
            Some(cure) => write!(f, "\n  cure: {cure}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a policy file, sorted by place; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The problems, at most `PROBLEMS_MAX`.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub untold: usize,
}

impl Errors {
    /// One problem that concerns a whole file (it is missing, too large, not text).
    #[must_use]
    pub fn whole(file: &str, cause: Cause) -> Self {
        let problem = Problem {
            file: Arc::from(printable(file)),
            place: Place::default(),
            path: String::new(),
            cause: cause.text,
            cure: cause.cure,
            snippet: None,
        };
        Self { problems: vec![problem], untold: 0 }
    }
}

impl Errors {
    /// The same for machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "in_order": false,
            "errors": self.problems.iter().map(Problem::json).collect::<Vec<_>>(),
            "untold": self.untold,
        })
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        if self.untold > 0 {
            writeln!(f, "... and {} more", self.untold)?;
        }
        let count = self.problems.len().saturating_add(self.untold);
        write!(f, "{count} {} found", if count == 1 { "error" } else { "errors" })
    }
}

impl std::error::Error for Errors {}

/// Collects problems and warnings of one file while it is read.
#[derive(Debug)]
pub struct Desk<'a> {
    file: Arc<str>,
    source: &'a str,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'a> Desk<'a> {
    /// An empty desk for one file.
    #[must_use]
    pub fn new(file: &str, source: &'a str) -> Self {
        Self {
            file: Arc::from(printable(file)),
            source,
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Notes an error.
    pub fn error(&self, place: Place, path: &str, cause: Cause) {
        let problem = self.problem(place, path, cause);
        self.errors.borrow_mut().push(problem);
    }

    /// Notes a warning.
    pub fn warning(&self, place: Place, path: &str, cause: Cause) {
        let problem = self.problem(place, path, cause);
        self.warnings.borrow_mut().push(problem);
    }

    /// Which file it is for.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether an error was noted.
    pub fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// Whether an error was noted at a path or below it: what follows from it need not be told.
    pub fn is_flawed(&self, path: &str) -> bool {
        let below = |other: &str| {
            other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.errors.borrow().iter().any(|problem| below(&problem.path))
    }

    /// Takes over what another file's desk holds.
    pub fn absorb(&self, other: Desk<'_>) {
        self.errors.borrow_mut().extend(other.errors.into_inner());
        self.warnings.borrow_mut().extend(other.warnings.into_inner());
    }

    /// The warnings, or the errors when there are any; sorted by place.
    pub fn close(self) -> Result<Vec<Problem>, Errors> {
        let mut problems = self.errors.into_inner();
        let mut warnings = self.warnings.into_inner();
        let by_place =
            |a: &Problem, b: &Problem| (&a.file, a.place, &a.path).cmp(&(&b.file, b.place, &b.path));
        problems.sort_by(by_place);
        problems.dedup();
        warnings.sort_by(by_place);
        warnings.dedup();
        if problems.is_empty() {
            return Ok(warnings);
        }
        let untold = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        Err(Errors { problems, untold })
    }

    fn problem(&self, place: Place, path: &str, cause: Cause) -> Problem {
        let line = usize::try_from(place.line).unwrap_or(0).checked_sub(1);
        let snippet = line
            // What stands beside a secret's key may be the secret itself.
            .filter(|_| !holds_secret(path))
            .and_then(|line| self.source.lines().nth(line))
            .map(|line| crop(line, usize::try_from(place.column).unwrap_or(1).saturating_sub(1)));
        Problem {
            file: Arc::clone(&self.file),
            place,
            path: path.to_owned(),
            cause: cause.text,
            cure: cause.cure,
            snippet,
        }
    }
}

/// Whether a path is that of a secret.
fn holds_secret(path: &str) -> bool {
    path.split('.').any(|key| matches!(key, "password" | "ha1"))
}

/// A line around a column: the text and where the column went.
fn crop(line: &str, column: usize) -> (String, usize) {
    let characters = line.chars().count();
    let skip = if characters <= SNIPPET_CHARACTERS_MAX {
        0
    } else {
        column.saturating_sub(SNIPPET_CHARACTERS_MAX / 2)
    };
    let text: String = line
        .trim_end()
        .chars()
        .skip(skip)
        .take(SNIPPET_CHARACTERS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    (text, column.saturating_sub(skip))
}

/// A written value in quotes, cropped, with control characters escaped.
#[must_use]
pub fn quoted(value: &str) -> String {
    let mut out = String::from("\"");
    out.push_str(&printable(&value.chars().take(QUOTED_CHARACTERS_MAX).collect::<String>()));
    if value.chars().count() > QUOTED_CHARACTERS_MAX {
        out.push_str("...");
    }
    out.push('"');
    out
}

/// Text with control characters escaped, so that nothing written in a file can steer a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            // A write to a String cannot fail.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// `"a", "b" and "c"`.
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// The known word nearest to what was written, if one is near enough to have been meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.to_lowercase().chars().take(64).collect();
    let near_enough = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (distance(&written, &word.to_lowercase().chars().take(64).collect::<Vec<_>>()), word))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edits (insert, delete, replace, swap neighbours) from one word to another.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_of_a = None;
    for (row, x) in a.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut left_of_b = None;
        for (column, y) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let replace = at(&last, column).saturating_add(usize::from(x != y));
            let delete = at(&last, column.saturating_add(1)).saturating_add(1);
            let insert = at(&current, column).saturating_add(1);
            let mut best = replace.min(delete).min(insert);
            if left_of_a == Some(y) && left_of_b == Some(x) {
                best = best.min(at(&before_last, column.saturating_sub(1)).saturating_add(1));
            }
            current.push(best);
            left_of_b = Some(y);
        }
        before_last = std::mem::replace(&mut last, current);
        left_of_a = Some(x);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_near_are_meant_and_words_that_are_far_are_not() {
        let known = ["sources", "targets", "listener", "side"];
        for (written, meant) in [
            ("source", Some("sources")),
            ("suorces", Some("sources")),
            ("Sources", Some("sources")),
            ("lisener", Some("listener")),
            ("sied", Some("side")),
            ("pears", None),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn edits_are_counted() {
        let count =
            |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("x", "x", 0),
        ] {
            assert_eq!(count(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let desk = Desk::new("a\u{1b}[2J", "key: \u{7}\u{1b}[31m\n");
        let place = Place { line: 1, column: 6, length: 2 };
        desk.error(place, "key", Cause::new(format!("{} is bad", quoted("\u{1b}[31m\n"))));
        let text = desk.close().unwrap_err().to_string();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn long_lines_are_cropped_around_the_place() {
        let (text, caret) = crop(&format!("{}X{}", "a".repeat(500), "b".repeat(500)), 500);
        assert_eq!(text.chars().count(), SNIPPET_CHARACTERS_MAX);
        assert_eq!(text.chars().nth(caret), Some('X'));
    }
}
