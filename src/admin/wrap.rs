//! Lines broken between words, where a terminal would break them anywhere.
//!
//! Owns the breaking of lines that are printed for people. Refuses to know what they say. Read first: nothing.

/// Columns below which nothing is broken: too little would stand on a line.
const WIDTH_MIN: usize = 40;
/// How much further in a broken line goes on.
const HANGING: usize = 2;

/// Breaks the lines that are wider than `width` between words; what they go on with stands further in. Lines of a source
/// file (`8 |  key`), whose caret points into them, and of a ladder stay whole.
#[must_use]
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if width < WIDTH_MIN || line.chars().count() <= width || is_drawn(line) {
            out.push_str(line);
        } else {
            break_line(&mut out, line, width);
        }
    }
    out
}

fn break_line(out: &mut String, line: &str, width: usize) {
    let words = line.trim_start_matches(' ');
    let indent = line.len().saturating_sub(words.len()).min(width / 2);
    out.push_str(&" ".repeat(indent));
    let mut column = indent;
    for (index, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column.saturating_add(length) >= width {
            out.push('\n');
            column = indent.saturating_add(HANGING);
            out.push_str(&" ".repeat(column));
        } else if index > 0 {
            out.push(' ');
            column = column.saturating_add(1);
        }
        out.push_str(word);
        column = column.saturating_add(length);
    }
}

/// Whether the place of a sign in a line tells something: behind a margin and a bar, or in columns.
fn is_drawn(line: &str) -> bool {
    let margin = |margin: &str| margin.chars().all(|c| c == ' ' || c.is_ascii_digit());
    line.split_once('|').is_some_and(|(before, _)| margin(before)) || line.trim().contains("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_lines_are_broken_between_words_and_go_on_further_in() {
        let text = "short\n  a trunk that is met on listener wan and answers\n  12 | sources: [203.0.113.0/28, 198.51.100.0/24]";
        insta::assert_snapshot!(wrap(text, 40), @r"
        short
          a trunk that is met on listener wan
            and answers
          12 | sources: [203.0.113.0/28, 198.51.100.0/24]
        ");
        let ladder = "       ms office-pbx            edge            trunk\n        0    |- INVITE ---------->|               |";
        assert_eq!(wrap(ladder, 40), ladder);
        assert!(wrap(text, 40).lines().take(3).all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn nothing_is_lost_or_broken_where_it_cannot_be() {
        let long = "x".repeat(200);
        assert_eq!(wrap(&long, 80), long, "a word is never broken");
        assert_eq!(wrap("a b", 3), "a b");
        assert_eq!(wrap(&"a ".repeat(60), 39), "a ".repeat(60), "no room: left to the terminal");
        let words = format!("  {}", "word ".repeat(40));
        let back: Vec<String> = wrap(&words, 50).split_whitespace().map(str::to_owned).collect();
        assert_eq!(back.len(), 40);
    }
}
