//! Ladder diagrams: who sent what to whom, drawn with characters.
//!
//! Owns columns, arrows and notes, and how they are drawn. Refuses to know SIP and where a call was written down: a
//! label is a text. Read first: the drawings of RFC 3665.

use std::fmt;

/// A ladder: columns from left to right, rows from top to bottom.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Characters between two columns.
    span: usize,
    /// Characters that names and notes may reach to.
    width: usize,
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

/// Characters between two columns, where nobody says otherwise.
const SPAN: usize = 34;
/// So few hold the longest label of a call record (`<- 183 INVITE body -`).
const SPAN_MIN: usize = 22;
/// Characters for the time in front of the first column.
const MARGIN: usize = 9;

impl Default for Ladder {
    fn default() -> Self {
        Self { span: SPAN, width: usize::MAX, columns: Vec::new(), rows: Vec::new(), verdict: Vec::new() }
    }
}

impl Ladder {
    /// Whether so many columns can stand in so many characters, each label of a call record between two of them.
    #[must_use]
    pub const fn holds(columns: usize, width: usize) -> bool {
        MARGIN + 5 + columns.saturating_sub(1) * SPAN_MIN <= width
    }

    /// A ladder with these columns that fits so many characters, if it [holds](Self::holds) them.
    #[must_use]
    pub fn fitting(columns: &[&str], width: usize) -> Self {
        let gaps = columns.len().saturating_sub(1).max(1);
        // The last name reaches beyond its line by half.
        let beyond = columns.last().map_or(0, |name| name.chars().count().min(SPAN_MIN) / 2);
        let span = (width.saturating_sub(MARGIN + 5 + beyond) / gaps).clamp(SPAN_MIN, SPAN);
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Self { span, width, columns, ..Self::default() }
    }

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

impl Ladder {
    /// Where a column's line stands.
    fn place(&self, column: usize) -> usize {
        MARGIN + 4 + column * self.span
    }

    /// A line of blanks with every column's line in it.
    fn rails(&self) -> Vec<char> {
        let columns = self.columns.len();
        let mut line = vec![' '; self.place(columns.saturating_sub(1)) + 1];
        for column in 0..columns {
            if let Some(cell) = line.get_mut(self.place(column)) {
                *cell = '|';
            }
        }
        line
    }

    fn shaft(&self, at_ms: u64, from: usize, to: usize, label: &str) -> Vec<char> {
        let mut line = self.rails();
        overlay(&mut line, 0, &format!("{at_ms:>MARGIN$}"));
        let (left, right) = (self.place(from.min(to)) + 1, self.place(from.max(to)));
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

    /// The columns' names, each above its line; one that would reach into the next, or beyond the width, is moved or cut.
    fn heading(&self) -> Vec<char> {
        let mut heading = Vec::new();
        overlay(&mut heading, MARGIN - 2, "ms");
        for (column, name) in self.columns.iter().enumerate() {
            let length = name.chars().count().min(self.span - 1);
            let centred = self.place(column).saturating_sub(length / 2);
            let start = centred.min(self.width.saturating_sub(length)).max(heading.len() + 1);
            let room = length.min(self.width.saturating_sub(start));
            overlay(&mut heading, start, &name.chars().take(room).collect::<String>());
        }
        heading
    }

    /// A note, cut where it would reach beyond the width.
    fn note_text(&self, text: &str) -> String {
        let room = self.width.saturating_sub(self.place(0) + 2 + "~~  ~~".len());
        if text.chars().count() <= room {
            return format!("~~ {text} ~~");
        }
        format!("~~ {}.. ~~", text.chars().take(room.saturating_sub(2)).collect::<String>())
    }
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

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading().into_iter().collect::<String>().trim_end())?;
        for row in &self.rows {
            let line = match row {
                Row::Arrow { at_ms, from, to, label, times: 1 } => self.shaft(*at_ms, *from, *to, label),
                Row::Arrow { at_ms, from, to, label, times } => {
                    self.shaft(*at_ms, *from, *to, &format!("{label} ({times} times)"))
                }
                Row::Note { at_ms, text } => {
                    let mut line = self.rails();
                    overlay(&mut line, 0, &format!("{at_ms:>MARGIN$}"));
                    overlay(&mut line, self.place(0) + 2, &self.note_text(text));
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
