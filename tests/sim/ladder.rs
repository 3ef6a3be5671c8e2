//! Ladder diagrams: who sent what to whom, drawn with characters.
//!
//! Owns columns, arrows and notes, and how they are drawn. Refuses to know SIP: a label is a text.

use std::fmt;

/// A ladder: columns from left to right, rows from top to bottom.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    columns: Vec<String>,
    rows: Vec<Row>,
    /// What stands below the ladder, line by line.
    verdict: Vec<String>,
}

#[derive(Debug, Clone)]
enum Row {
    Arrow { at_ms: u64, from: usize, to: usize, label: String, times: usize },
    Note { at_ms: u64, text: String },
}

/// Characters between two columns.
const SPAN: usize = 34;
/// Characters for the time in front of the first column.
const MARGIN: usize = 9;

impl Ladder {
    /// An arrow; unknown columns are added at the right. The same arrow again at the same time is counted, not drawn.
    pub fn arrow(&mut self, at_ms: u64, from: &str, to: &str, label: impl Into<String>) {
        let (from, to, label) = (self.column(from), self.column(to), label.into());
        if let Some(Row::Arrow { at_ms: at, from: f, to: t, label: same, times }) = self.rows.last_mut()
            && (*at, *f, *t, same.as_str()) == (at_ms, from, to, label.as_str())
        {
            *times += 1;
            return;
        }
        self.rows.push(Row::Arrow { at_ms, from, to, label, times: 1 });
    }

    /// A line across the ladder: a timer, a reload, anything that no message shows.
    pub fn note(&mut self, at_ms: u64, text: impl Into<String>) {
        self.rows.push(Row::Note { at_ms, text: text.into() });
    }

    /// A line below the ladder.
    pub fn verdict(&mut self, text: impl Into<String>) {
        self.verdict.push(text.into());
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(index) = self.columns.iter().position(|known| known == name) {
            return index;
        }
        self.columns.push(name.to_owned());
        self.columns.len() - 1
    }
}

/// Where a column's line stands.
fn place(column: usize) -> usize {
    MARGIN + 4 + column * SPAN
}

/// A line of blanks with every column's line in it.
fn rails(columns: usize) -> Vec<char> {
    let mut line = vec![' '; place(columns.saturating_sub(1)) + 1];
    for column in 0..columns {
        if let Some(cell) = line.get_mut(place(column)) {
            *cell = '|';
        }
    }
    line
}

/// Writes `text` into the line from `start` on; what does not fit makes the line longer.
fn overlay(line: &mut Vec<char>, start: usize, text: &str) {
    for (offset, letter) in text.chars().enumerate() {
        let index = start + offset;
        if line.len() <= index {
            line.resize(index + 1, ' ');
        }
        if let Some(cell) = line.get_mut(index) {
            *cell = letter;
        }
    }
}

fn arrow(columns: usize, at_ms: u64, from: usize, to: usize, label: &str) -> Vec<char> {
    let mut line = rails(columns);
    overlay(&mut line, 0, &format!("{at_ms:>MARGIN$}"));
    let (left, right) = (place(from.min(to)) + 1, place(from.max(to)));
    let width = right.saturating_sub(left);
    let text = format!(" {label} ");
    let dashes = width.saturating_sub(text.chars().count() + 1);
    let shaft = if from <= to {
        format!("-{text}{}>", "-".repeat(dashes.saturating_sub(1)))
    } else {
        format!("<{}{text}-", "-".repeat(dashes.saturating_sub(1)))
    };
    overlay(&mut line, left, &shaft);
    line
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut heading = Vec::new();
        overlay(&mut heading, MARGIN - 2, "ms");
        for (column, name) in self.columns.iter().enumerate() {
            let half = name.chars().count() / 2;
            overlay(&mut heading, place(column).saturating_sub(half).max(MARGIN + 1), name);
        }
        writeln!(f, "{}", heading.into_iter().collect::<String>().trim_end())?;
        for row in &self.rows {
            let line = match row {
                Row::Arrow { at_ms, from, to, label, times: 1 } => {
                    arrow(self.columns.len(), *at_ms, *from, *to, label)
                }
                Row::Arrow { at_ms, from, to, label, times } => {
                    arrow(self.columns.len(), *at_ms, *from, *to, &format!("{label} ({times} times)"))
                }
                Row::Note { at_ms, text } => {
                    let mut line = rails(self.columns.len());
                    overlay(&mut line, 0, &format!("{at_ms:>MARGIN$}"));
                    overlay(&mut line, place(0) + 2, &format!("~~ {text} ~~"));
                    line
                }
            };
            writeln!(f, "{}", line.into_iter().collect::<String>().trim_end())?;
        }
        for line in &self.verdict {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
