//! Numbers, prefixes and ranges, a million of them in two arrays: the longest that a number falls under.
//!
//! Owns the arrays and their bounds: a lookup is one binary search and a walk of a few steps, without allocation. Refuses
//! to know who asks, what the list is for, and files. Read first: `listing.rs`.

use std::collections::HashMap;

use super::digits::DIGITS_MAX;
use super::listing::Listing;
use crate::clock::Wall;

/// Entries of one list; a range counts as the prefixes that it is made of.
pub const ENTRIES_MAX: usize = 1_000_000;
/// Different reasons of one list; entries beyond stand without theirs.
pub const REASONS_MAX: usize = 10_000;
/// Octets of a reason.
pub const REASON_OCTETS_MAX: usize = 120;

/// A prefix of a number, as digits of four bits from the top: a digit is 1 to 10, the end of a whole number 15, nothing 0.
type Key = u64;
const BITS: usize = 4;
const PLACES: usize = 16;
const END: u64 = 15;
/// An entry without an end.
const ALWAYS: u32 = u32::MAX;
const MICROS: i64 = 1_000_000;

/// What stands beside a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    /// Seconds since 1970; from then on it does not count.
    until: u32,
    /// The row of the next shorter key that this one begins with; its own place when there is none.
    parent: u32,
    /// Place of the reason, counted from 1; 0 for none.
    reason: u16,
    /// Digits that a number has; 0 for any number of them.
    whole: u8,
}

/// A list of numbers, ready to be asked. The same whoever asks: callers and called, what is blocked and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberList {
    keys: Box<[Key]>,
    rows: Box<[Row]>,
    reasons: Box<[Box<str>]>,
    made: Wall,
    expired: usize,
}

/// The entry that a number falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'a> {
    key: Key,
    whole: u8,
    /// Why it stands there; empty where nobody said.
    pub reason: &'a str,
    /// Digits that it shares with the number; one more where it names the whole number. The longest counts.
    pub length: usize,
}

/// A list is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Collects entries.
#[derive(Debug)]
pub struct Collect {
    found: Vec<(Key, Row)>,
    reasons: Vec<Box<str>>,
    places: HashMap<Box<str>, u16>,
    /// Entries that stand without their reason, because there are too many different ones.
    pub unreasoned: usize,
    now: Wall,
    expired: usize,
}

fn pack(digits: &[u8], whole: bool) -> Key {
    let mut key = 0;
    let mut place = PLACES;
    let symbols = digits.iter().take(DIGITS_MAX).map(|digit| u64::from(digit.wrapping_sub(b'0') & 15) + 1);
    for symbol in symbols.chain(whole.then_some(END)) {
        place -= 1;
        key |= symbol << (place * BITS);
    }
    key
}

/// Places of a key that are taken.
const fn length(key: Key) -> usize {
    PLACES - key.trailing_zeros() as usize / BITS
}

/// Whether a number or another key begins with a key.
const fn begins_with(number: Key, key: Key) -> bool {
    let spare = key.trailing_zeros() as usize / BITS * BITS;
    // A key has a digit at least, so that never all of it is spare.
    key != 0 && (number ^ key) >> spare == 0
}

/// Seconds since 1970 at which an end has come.
fn seconds(at: Wall) -> u32 {
    u32::try_from(at.micros().max(0) / MICROS).unwrap_or(ALWAYS - 1)
}

impl Collect {
    /// Nothing yet. What has ended by `now` is counted, and not kept.
    #[must_use]
    pub fn new(now: Wall) -> Self {
        let (found, reasons, places) = (Vec::new(), Vec::new(), HashMap::new());
        Self { found, reasons, places, unreasoned: 0, now, expired: 0 }
    }

    /// Adds an entry: why it stands there, or nothing, and from when on it counts no more.
    pub fn add(&mut self, entry: &Listing, reason: &str, until: Option<Wall>) -> Result<(), Full> {
        if until.is_some_and(|until| until <= self.now) {
            self.expired = self.expired.saturating_add(1);
            return Ok(());
        }
        let until = until.map_or(ALWAYS, seconds);
        let reason = self.reason(reason);
        let row = |whole| Row { until, parent: 0, reason, whole };
        match entry {
            Listing::Number(number) => self.push(pack(number.digits.as_bytes(), true), row(0)),
            Listing::Prefix(digits) => self.push(pack(digits.as_bytes(), false), row(0)),
            Listing::Range(range) => {
                let whole = range.digits();
                range.pieces().try_for_each(|piece| {
                    let full = piece.as_bytes().len() == usize::from(whole);
                    self.push(pack(piece.as_bytes(), full), row(if full { 0 } else { whole }))
                })
            }
        }
    }

    /// Whether it takes no more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.found.len() >= ENTRIES_MAX
    }

    fn push(&mut self, key: Key, row: Row) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full);
        }
        self.found.push((key, row));
        Ok(())
    }

    fn reason(&mut self, text: &str) -> u16 {
        if text.is_empty() {
            return 0;
        }
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = u16::try_from(self.reasons.len() + 1).ok().filter(|_| self.reasons.len() < REASONS_MAX);
        let Some(place) = place else {
            self.unreasoned = self.unreasoned.saturating_add(1);
            return 0;
        };
        self.reasons.push(text.into());
        self.places.insert(text.into(), place);
        place
    }

    /// The list. What stands there twice counts until the later of both ends.
    #[must_use]
    pub fn list(mut self) -> NumberList {
        self.found.sort_unstable_by_key(|(key, row)| (*key, row.whole, ALWAYS - row.until, row.reason));
        self.found.dedup_by_key(|(key, row)| (*key, row.whole));
        let mut open: Vec<(u32, Key)> = Vec::new();
        for (place, (key, row)) in (0_u32..).zip(self.found.iter_mut()) {
            while open.last().is_some_and(|(_, around)| !begins_with(*key, *around)) {
                open.pop();
            }
            row.parent = open.last().map_or(place, |(parent, _)| *parent);
            open.push((place, *key));
        }
        NumberList {
            keys: self.found.iter().map(|(key, _)| *key).collect(),
            rows: self.found.iter().map(|(_, row)| *row).collect(),
            reasons: self.reasons.into(),
            made: self.now,
            expired: self.expired,
        }
    }
}

impl Default for NumberList {
    fn default() -> Self {
        Collect::new(Wall::default()).list()
    }
}

impl NumberList {
    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Entries that had ended when it was made, which it does not hold.
    #[must_use]
    pub const fn expired(&self) -> usize {
        self.expired
    }

    /// Octets that it takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        let reasons: usize = self.reasons.iter().map(|reason| size_of::<Box<str>>() + reason.len()).sum();
        self.keys.len() * (size_of::<Key>() + size_of::<Row>()) + reasons
    }

    /// The longest entry in force that these digits (a whole number, without `+`) fall under. Allocates nothing; the steps
    /// are those of a binary search and at most one for each shorter entry around.
    #[must_use]
    pub fn find(&self, digits: &[u8], at: Wall) -> Option<Listed<'_>> {
        let (number, at) = (pack(digits, true), seconds(at));
        let known = digits.len() <= DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
        let mut place = self.before(number).filter(|_| known)?;
        loop {
            let (key, row) = (*self.keys.get(place)?, self.rows.get(place)?);
            let fits = row.whole == 0 || usize::from(row.whole) == digits.len();
            if fits && at < row.until && begins_with(number, key) {
                let reason = usize::from(row.reason).checked_sub(1).and_then(|at| self.reasons.get(at));
                let reason = reason.map_or("", |reason| reason);
                return Some(Listed { key, whole: row.whole, reason, length: length(key) });
            }
            place = self.around(place, row)?;
        }
    }

    /// The last row whose key is not behind this one.
    fn before(&self, key: Key) -> Option<usize> {
        self.keys.partition_point(|own| *own <= key).checked_sub(1)
    }

    fn around(&self, place: usize, row: &Row) -> Option<usize> {
        usize::try_from(row.parent).ok().filter(|parent| *parent != place)
    }

    /// Whether every number that `older` lists is listed here, for as long. What had ended when this one was made is nobody's.
    #[must_use]
    pub fn covers(&self, older: &Self) -> bool {
        let made = seconds(self.made);
        let mut rows = older.keys.iter().zip(&older.rows).filter(|(_, row)| row.until > made);
        rows.all(|(key, row)| self.covers_row(*key, row))
    }

    fn covers_row(&self, key: Key, row: &Row) -> bool {
        let last = key & (END << ((PLACES - length(key)) * BITS));
        let whole = if last == END << ((PLACES - length(key)) * BITS) {
            length(key) - 1
        } else {
            usize::from(row.whole)
        };
        let mut place = self.before(key);
        // Rows of one key stand side by side: those behind the first are reached from the last.
        while let Some((own, mine)) = place.and_then(|at| Some((*self.keys.get(at)?, self.rows.get(at)?))) {
            let fits = mine.whole == 0 || usize::from(mine.whole) == whole;
            if fits && mine.until >= row.until && begins_with(key, own) {
                return true;
            }
            place = place.and_then(|at| self.around(at, mine));
        }
        false
    }
}

impl std::fmt::Display for Listed<'_> {
    /// As an admin writes it: `+37127913000`, `+371*`, `+37127913xxx`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("+")?;
        let mut exact = false;
        for place in 0..self.length {
            match (self.key >> ((PLACES - 1 - place) * BITS)) & 15 {
                symbol @ 1..=10 => write!(f, "{}", symbol - 1)?,
                _ => exact = true,
            }
        }
        match usize::from(self.whole) {
            0 if exact => Ok(()),
            0 => f.write_str("*"),
            whole => (self.length..whole).try_for_each(|_| f.write_str("x")),
        }
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
