//! Several lists of numbers as one: what the policy writes and what its files hold, each shared and never copied.
//!
//! Owns which of them counts: the one with the longest entry. Refuses to know who asks. Read first: `list.rs`.

use std::sync::Arc;

use super::list::{Listed, NumberList};
use crate::clock::Wall;

/// A list and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The file, or a word for what is written in the policy.
    pub name: Arc<str>,
    /// What stands there.
    pub list: Arc<NumberList>,
}

/// Lists that are asked together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lists {
    /// In the order in which they are written.
    pub sheets: Vec<Sheet>,
}

impl Lists {
    /// The longest entry that a whole number (without `+`) falls under, and the list that it stands in. Allocates nothing.
    #[must_use]
    pub fn find(&self, digits: &[u8], at: Wall) -> Option<(&Sheet, Listed<'_>)> {
        let found = self.sheets.iter().filter_map(|sheet| Some((sheet, sheet.list.find(digits, at)?)));
        found.max_by_key(|(_, listed)| listed.length)
    }

    /// Entries of all of them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.list.len()).sum()
    }

    /// Whether nothing stands in any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sheets.iter().all(|sheet| sheet.list.is_empty())
    }

    /// Whether every number that `older` lists is listed here. One list may stand where another stood.
    #[must_use]
    pub fn covers(&self, older: &Self) -> bool {
        older.sheets.iter().all(|old| {
            // What a file held is looked for in that file first, where it mostly is.
            let same = self.sheets.iter().filter(|sheet| sheet.name == old.name);
            let others = self.sheets.iter().filter(|sheet| sheet.name != old.name);
            same.chain(others).any(|sheet| sheet.list == old.list || sheet.list.covers(&old.list))
        })
    }

    /// How many entries each has, in a clause: `1,000,000 of blocked.txt (12 more have expired)`.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let one = |sheet: &Sheet| {
            let ended = match sheet.list.expired() {
                0 => String::new(),
                1 => " (1 more has expired)".to_owned(),
                more => format!(" ({more} more have expired)"),
            };
            let entries = if sheet.list.len() == 1 { "entry" } else { "entries" };
            format!("{} {entries} of {}{ended}", sheet.list.len(), sheet.name)
        };
        self.sheets.iter().map(one).collect()
    }
}
