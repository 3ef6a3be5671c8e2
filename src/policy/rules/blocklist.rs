//! Numbers nobody may call: literal prefixes and exact numbers, and lists of international numbers; longest match (32203).
//!
//! Owns a sorted table of packed symbols: a lookup is one binary search and a short walk, without allocation. Refuses to
//! know dial plans: digits are compared as dialled, a leading `+` is a digit of its own, visual separators are skipped. A longer
//! entry of an allowlist counts before it.
//! Read first: RFC 3966 §5.1.1.

use super::destination::{digits, listed_digits, passed};
use super::{Objection, Opinion, Question, code, named};
use crate::clock::Wall;
use crate::policy::number::{DIGITS_MAX, Digits, Listed, Lists};
use crate::policy::verdict::Saw;

/// Symbols of one entry, `+` included.
pub const SYMBOLS_MAX: usize = 31;

/// Four bits for each symbol from the top; 0 is nothing.
type Packed = u128;
const BITS: usize = 4;
const PLACES: usize = 32;
const HASH: u8 = 12;
const PLUS: u8 = 13;
const END: u8 = 14;
const FOREIGN: u8 = 15;

/// Entries that `check` tells one by one.
const TOLD_MAX: usize = 8;

/// An entry that cannot stand in a blocklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    /// As written.
    pub text: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    key: Packed,
    /// Symbols of the key, `END` included.
    length: u8,
    /// The row of the longest shorter entry that this one begins with; its own place when there is none.
    parent: u32,
}

/// Settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocklist {
    rows: Vec<Row>,
    names: Vec<Box<str>>,
    /// International numbers: ranges, and what files hold.
    pub lists: Lists,
}

const fn symbol(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0' + 1,
        b'*' => 11,
        b'#' => HASH,
        b'+' => PLUS,
        _ => FOREIGN,
    }
}

/// RFC 3966 §5.1.1: visual separators carry no meaning.
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'.' | b'(' | b')' | b' ')
}

/// A name without what stands behind a `;`, which names nobody.
fn head(called: &str) -> &str {
    called.split(';').next().unwrap_or(called)
}

fn pack(symbols: impl Iterator<Item = u8>) -> (Packed, usize) {
    let mut key = 0;
    let mut length = 0;
    for symbol in symbols.take(PLACES) {
        key |= Packed::from(symbol) << ((PLACES - 1 - length) * BITS);
        length += 1;
    }
    (key, length)
}

const fn begins_with(number: Packed, row: &Row) -> bool {
    let spare = (PLACES - row.length as usize) * BITS;
    (number ^ row.key) >> spare == 0
}

impl Blocklist {
    /// A list of prefixes (`+1900`, `8819`) and exact numbers (`+37127913000`) or names (`conference`). All bad entries
    /// are told at once.
    pub fn new<'a>(
        prefixes: impl IntoIterator<Item = &'a str>,
        numbers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<BadEntry>> {
        let mut list = Self::default();
        let mut bad = Vec::new();
        for text in prefixes {
            match read(text) {
                Ok(symbols) => list.push(symbols.iter().copied()),
                Err(cause) => bad.push(BadEntry { text: text.to_owned(), cause }),
            }
        }
        for text in numbers {
            if !text.is_empty() && text.bytes().any(|byte| symbol(byte) == FOREIGN && !is_separator(byte)) {
                list.names.push(text.to_ascii_lowercase().into());
                continue;
            }
            match read(text) {
                Ok(symbols) => list.push(symbols.iter().copied().chain([END])),
                Err(cause) => bad.push(BadEntry { text: text.to_owned(), cause }),
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        list.link();
        Ok(list)
    }

    fn push(&mut self, symbols: impl Iterator<Item = u8>) {
        let (key, length) = pack(symbols);
        self.rows.push(Row { key, length: u8::try_from(length).unwrap_or(u8::MAX), parent: 0 });
    }

    fn link(&mut self) {
        self.rows.sort_unstable_by_key(|row| (row.key, row.length));
        self.rows.dedup_by_key(|row| row.key);
        self.names.sort_unstable();
        self.names.dedup();
        let mut open: Vec<(u32, Row)> = Vec::new();
        for (place, row) in (0_u32..).zip(self.rows.iter_mut()) {
            while open.last().is_some_and(|(_, around)| !begins_with(row.key, around)) {
                open.pop();
            }
            row.parent = open.last().map_or(place, |(parent, _)| *parent);
            open.push((place, *row));
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.names.len() + self.lists.len()
    }

    /// Whether it blocks nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.names.is_empty() && self.lists.is_empty()
    }

    /// The longest entry that blocks this number in any way a trunk may read it; allocates nothing.
    fn find(&self, called: &str) -> Option<Found<'_>> {
        let name = || head(called).bytes().map(|byte| byte.to_ascii_lowercase());
        if let Ok(place) = self.names.binary_search_by(|listed| listed.bytes().cmp(name())) {
            return self.names.get(place).map(|name| Found::Name(name));
        }
        let symbols = || called.bytes().filter(|byte| !is_separator(*byte)).map(symbol);
        let as_dialled = self.row(symbols());
        let first = called.bytes().find(|byte| byte.is_ascii() && !is_separator(*byte));
        if as_dialled.is_some() || !first.is_some_and(|byte| byte == b'+' || byte.is_ascii_digit()) {
            return as_dialled;
        }
        // Some read a number up to the first sign that is none (`,1` dials on, `#` ends it), some skip such signs.
        let ends = |symbol: &u8| *symbol != FOREIGN && *symbol != HASH;
        self.row(symbols().take_while(ends)).or_else(|| {
            let known = || symbols().filter(|symbol| *symbol != FOREIGN);
            self.row(known().take(1).chain(known().skip(1).filter(|symbol| *symbol != PLUS)))
        })
    }

    fn row(&self, symbols: impl Iterator<Item = u8>) -> Option<Found<'_>> {
        let (number, _) = pack(symbols.chain([END]));
        let mut place = self.rows.partition_point(|row| row.key <= number).checked_sub(1)?;
        loop {
            let row = self.rows.get(place)?;
            if begins_with(number, row) {
                return Some(Found::Row(row));
            }
            let parent = usize::try_from(row.parent).ok()?;
            if parent == place {
                return None;
            }
            place = parent;
        }
    }

    /// The longest entry that blocks this number, as written in the list: a prefix ends in `*`.
    #[must_use]
    pub fn blocked_by(&self, called: &str) -> Option<String> {
        self.find(called).map(|found| found.text())
    }

    /// The longest entry of the lists that this number falls under in any way a trunk may read it.
    fn listed(&self, question: &Question<'_>) -> Option<(&str, Listed<'_>)> {
        let (called, at) = (question.facts.called, question.facts.now.wall);
        if question.facts.number.is_some() {
            return self.lists.find(digits(question)?, at).map(|(sheet, found)| (&*sheet.name, found));
        }
        self.spelt(called, at)
    }

    /// The longest entry of the lists that a number falls under which no plan has read.
    pub(super) fn spelt(&self, text: &str, at: Wall) -> Option<(&str, Listed<'_>)> {
        if self.lists.sheets.is_empty() {
            return None;
        }
        let spelt = [true, false].map(|whole| spelt(text, whole));
        let find = |digits: &Digits| self.lists.find(digits.as_bytes(), at);
        let found = spelt.iter().flatten().filter_map(find).max_by_key(|(_, found)| found.length);
        found.map(|(sheet, found)| (&*sheet.name, found))
    }

    /// Asks the rule.
    pub(super) fn judge(&self, question: &Question<'_>) -> Opinion {
        let (called, listed) = (question.facts.called, self.listed(question));
        let literal = self.find(called);
        let digits =
            literal.as_ref().map_or(0, Found::digits).max(listed.map_or(0, |(_, found)| found.length));
        if digits == 0 {
            return Opinion::pass(Saw::Nothing);
        }
        if listed_digits(question, passed(question)) > digits {
            return Opinion::pass(Saw::Word("listed"));
        }
        let (entry, stands) = match (literal, listed) {
            (Some(literal), _) if literal.digits() == digits => {
                (literal.text(), " of the blocklist".to_owned())
            }
            (_, Some((name, found))) => {
                let reason =
                    if found.reason.is_empty() { String::new() } else { [" (", found.reason, ")"].concat() };
                (found.to_string(), [" of ", name, &reason].concat())
            }
            (Some(_) | None, None) => return Opinion::pass(Saw::Nothing),
        };
        // The one refusal that a fraudster makes come by the thousand: its words are joined, not formatted.
        let text = [
            &named(question),
            " called ",
            called,
            ", which ",
            &entry,
            &stands,
            " refuses. Take that entry out if such calls are wanted.",
        ]
        .concat();
        let told = [called, " is on a blocklist"].concat();
        Opinion::refuse(Saw::Text(entry.into()), Objection::new(code::NUMBER_BLOCKED, told, text))
    }

    pub(super) fn describe(&self) -> String {
        let names = self.names.iter().map(|name| Found::Name(name));
        let all = names.chain(self.rows.iter().map(Found::Row));
        let told: Vec<String> = all.take(TOLD_MAX).map(|found| found.text()).collect();
        let more = (self.rows.len() + self.names.len()).saturating_sub(told.len());
        let rest = (more > 0).then(|| format!("{more} more entries"));
        let lists = self.lists.told();
        let words: Vec<String> =
            (!told.is_empty()).then(|| told.join(", ")).into_iter().chain(rest).chain(lists).collect();
        format!("calls to {} are refused", words.join(" and "))
    }

    /// Whether everything that `older` blocks is still blocked.
    #[must_use]
    pub fn covers(&self, older: &Self) -> bool {
        let names = older.names.iter().all(|name| self.names.binary_search(name).is_ok());
        names && older.rows.iter().all(|row| self.covers_row(row)) && self.lists.covers(&older.lists)
    }

    fn covers_row(&self, row: &Row) -> bool {
        let after = self.rows.partition_point(|mine| mine.key <= row.key);
        let mut place = after.checked_sub(1);
        while let Some(mine) = place.and_then(|place| self.rows.get(place)) {
            if mine.length <= row.length && begins_with(row.key, mine) {
                return true;
            }
            let parent = usize::try_from(mine.parent).ok();
            place = parent.filter(|parent| Some(*parent) != place);
        }
        false
    }
}

enum Found<'a> {
    Row(&'a Row),
    Name(&'a str),
}

impl Found<'_> {
    /// How long an entry is beside those of lists: digits behind the plus, and one more for a whole number. What is no
    /// international number is longer than any.
    fn digits(&self) -> usize {
        match self {
            Self::Row(row) if row.key >> ((PLACES - 1) * BITS) == Packed::from(PLUS) => {
                usize::from(row.length).saturating_sub(1)
            }
            Self::Row(_) | Self::Name(_) => PLACES,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => (*name).to_owned(),
            Self::Row(row) => {
                let mut text = String::with_capacity(PLACES);
                let mut exact = false;
                for place in 0..usize::from(row.length) {
                    let symbol = u8::try_from((row.key >> ((PLACES - 1 - place) * BITS)) & 15).unwrap_or(0);
                    match symbol {
                        1..=10 => text.push(char::from(b'0' + symbol - 1)),
                        11 => text.push('*'),
                        12 => text.push('#'),
                        13 => text.push('+'),
                        _ => exact = true,
                    }
                }
                if !exact {
                    text.push_str("...");
                }
                text
            }
        }
    }
}

/// The digits behind the plus of what no plan has read: some machines read up to the first sign that is none (`,1` dials on,
/// `#` ends it), some skip such signs. Of more than there can be the first.
fn spelt(called: &str, to_the_first_sign: bool) -> Option<Digits> {
    let mut octets = called.bytes().filter(|byte| !is_separator(*byte)).skip_while(|byte| !byte.is_ascii());
    if octets.next() != Some(b'+') {
        return None;
    }
    let (mut keys, mut length) = ([0; DIGITS_MAX], 0);
    for octet in octets {
        if octet.is_ascii_digit() {
            let Some(place) = keys.get_mut(length) else { break };
            (*place, length) = (octet, length + 1);
        } else if to_the_first_sign && octet != b'+' {
            break;
        }
    }
    Digits::new(keys.get(..length)?).filter(|_| length > 0)
}

fn read(text: &str) -> Result<Vec<u8>, &'static str> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !is_separator(*byte)).map(symbol).collect();
    match symbols.as_slice() {
        [] => Err("it has no digit: an empty prefix would block every call"),
        [only] if *only == symbol(b'+') => {
            Err("a lone + would block every international number: write it as a rule of its own")
        }
        symbols if symbols.contains(&FOREIGN) => {
            Err("only digits, *, # and a leading + can stand in a prefix")
        }
        symbols if symbols.iter().skip(1).any(|symbol| *symbol == self::symbol(b'+')) => {
            Err("+ stands only in front")
        }
        symbols if symbols.len() > SYMBOLS_MAX => Err("it is longer than 31 digits"),
        _ => Ok(symbols),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_entry_wins_and_exact_numbers_match_whole() {
        let list =
            Blocklist::new(["+1900", "+190", "+88", "8819", "*72"], ["+37127913000", "conference"]).unwrap();
        let table = [
            ("+19005550100", Some("+1900...")),
            ("+1900", Some("+1900...")),
            ("+190", Some("+190...")),
            ("+19", None),
            ("+1-900-555-0100", Some("+1900...")),
            ("+1(900)5550100", Some("+1900...")),
            ("1900", None),
            ("8819", Some("8819...")),
            ("88", None),
            ("+8819", Some("+88...")),
            ("*7212", Some("*72...")),
            ("+37127913000", Some("+37127913000")),
            ("+3712791300", None),
            ("+371279130001", None),
            ("conference", Some("conference")),
            ("conferences", None),
            ("Conference", Some("conference")),
            ("", None),
            ("+1900abc", Some("+1900...")),
            ("sip:+1900", None),
        ];
        for (called, expected) in table {
            assert_eq!(list.blocked_by(called).as_deref(), expected, "{called}");
        }
    }

    #[test]
    fn b1_another_spelling_of_a_listed_number_is_that_number() {
        let list = Blocklist::new(["+1900", "1900", "*72"], ["+12125550199", "conference"]).unwrap();
        for called in [
            "+1/9005550100",
            "+1_900",
            "+1,900",
            "++19005550100",
            "+ +1900",
            "+1+900",
            "+1\u{200b}9005550100",
            "\u{202d}+1900",
            "1~9005550100",
            "+12125550199;x=y",
            "+12125550199,1",
            "+12125550199w1",
            "+12125550199x5",
            "+12125550199#",
            "+1/2125550199",
            "CONFERENCE",
            "conference;x",
        ] {
            assert!(list.blocked_by(called).is_some(), "{called}");
        }
        for called in ["+12125550198", "+121255501990", "a1900", "*1900", "#1900", "+1", "2;1900"] {
            assert_eq!(list.blocked_by(called), None, "{called}");
        }
    }

    #[test]
    fn bad_entries_are_told_all_at_once() {
        let bad = Blocklist::new(["", "+", "12a", "1+2", &"1".repeat(32), "1".repeat(31).as_str()], [""])
            .unwrap_err();
        let texts: Vec<usize> = bad.iter().map(|entry| entry.text.len()).collect();
        assert_eq!(texts, [0, 1, 3, 3, 32, 0]);
    }

    #[test]
    fn it_agrees_with_the_plain_reading_of_the_list() {
        let mut seed = 7_u64;
        let mut digits = |least: u64, more: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let length = least + (seed >> 33) % more;
            (0..length)
                .map(|place| char::from(b'0' + ((seed >> (13 + 3 * place)) % 4) as u8))
                .collect::<String>()
        };
        let prefixes: Vec<String> = (0..200).map(|_| digits(3, 4)).collect();
        let list = Blocklist::new(prefixes.iter().map(String::as_str), []).unwrap();
        let mut hits = 0;
        for _ in 0..5_000 {
            let number = digits(1, 9);
            let plain =
                prefixes.iter().filter(|prefix| number.starts_with(*prefix)).map(|prefix| prefix.len()).max();
            let found = list.blocked_by(&number).map(|text| text.len() - 3);
            assert_eq!(found, plain, "{number}");
            hits += usize::from(plain.is_some());
        }
        assert!(hits > 1_000 && hits < 4_500, "{hits}");
    }

    #[test]
    fn a_list_that_shrank_does_not_cover_the_old_one() {
        let old = Blocklist::new(["+1900", "+881"], ["+37127913000"]).unwrap();
        let wider = Blocklist::new(["+190", "+88", "+371"], []).unwrap();
        let less = Blocklist::new(["+1900"], ["+37127913000"]).unwrap();
        assert!(wider.covers(&old) && old.covers(&old) && old.covers(&less));
        assert!(!less.covers(&old) && !old.covers(&wider));
    }
}
