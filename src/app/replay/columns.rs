//! Which column of a table says what.
//!
//! Owns the names of the columns, the words of `--columns`, and where each column stands in one file. Refuses to know what
//! stands in the cells. Read first: `rows.rs`.

use super::Failed;
use crate::config::problem::{listed, nearest, printable};

/// What a column can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// When the call was set up.
    Start,
    /// Where it ran.
    Direction,
    /// The peer that sent it, as the policy names it.
    Peer,
    /// Who called.
    From,
    /// Who was called, as dialled.
    To,
    /// Seconds from the answer to the end; of an unanswered call, seconds that it rang.
    Duration,
    /// Whether somebody answered.
    Answered,
    /// Seconds from the start to the answer.
    Ring,
    /// What somebody knows about it: good or fraud.
    Label,
}

impl Column {
    /// All of them; a column's place here is its place in [`Places`].
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Direction,
        Self::Peer,
        Self::From,
        Self::To,
        Self::Duration,
        Self::Answered,
        Self::Ring,
        Self::Label,
    ];

    /// What it is called where nothing else is said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Direction => "direction",
            Self::Peer => "peer",
            Self::From => "from",
            Self::To => "to",
            Self::Duration => "duration_s",
            Self::Answered => "answered",
            Self::Ring => "ring_s",
            Self::Label => "label",
        }
    }

    const fn is_needed(self) -> bool {
        match self {
            Self::Start | Self::From | Self::To | Self::Duration => true,
            Self::Direction | Self::Peer | Self::Answered | Self::Ring | Self::Label => false,
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|one| *one == self).unwrap_or(0)
    }
}

/// Where a column stands by the words of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Under this name of the header, in lower case.
    Header(Box<str>),
    /// At this place, from 0, of a file without a header.
    At(usize),
}

/// What the command line says of a table.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    named: [Option<Named>; 9],
    /// The word that says `answered`.
    pub answered: Option<Box<str>>,
}

/// Where each column stands in one file.
#[derive(Debug, Clone, Default)]
pub struct Places([Option<usize>; 9]);

impl Places {
    /// Where a column stands, from 0.
    #[must_use]
    pub fn of(&self, column: Column) -> Option<usize> {
        self.0.get(column.place()).copied().flatten()
    }
}

impl Columns {
    /// Reads `start=calldate,to=dst,answered=disposition:ANSWERED`, or numbers of columns for a file without a header.
    ///
    /// # Errors
    /// A word is none of these.
    pub fn read(text: &str) -> Result<Self, Failed> {
        let mut columns = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, named) = part.split_once('=').ok_or_else(|| {
                format!(
                    "--columns: \"{}\" names no column of the file; write start=calldate",
                    printable(part)
                )
            })?;
            let (name, named) = (name.trim(), named.trim());
            let known = Column::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| {
                let names = Column::ALL.map(Column::name);
                let near = nearest(name, names).map(|near| format!("did you mean {near}? "));
                format!(
                    "--columns: \"{}\" is no column that is read: {}there are {}",
                    printable(name),
                    near.unwrap_or_default(),
                    listed(names, "and")
                )
            })?;
            let (named, word) = match named.split_once(':') {
                Some((named, word)) if known == Column::Answered => (named, Some(word)),
                Some(_) | None => (named, None),
            };
            if named.is_empty() {
                return Err(format!("--columns: {name}= names no column of the file"));
            }
            columns.answered = word.map(Into::into).or(columns.answered);
            let place = named.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let named = place.map_or_else(|| Named::Header(named.to_lowercase().into()), Named::At);
            if let Some(entry) = columns.named.get_mut(known.place()) {
                *entry = Some(named);
            }
        }
        Ok(columns)
    }

    /// Whether the first line of the file is a row already.
    #[must_use]
    pub fn has_no_header(&self) -> bool {
        self.named.iter().flatten().any(|named| matches!(named, Named::At(_)))
    }

    /// Finds the columns in a header; without one, where the command line says.
    ///
    /// # Errors
    /// A column that is needed, or that the command line names, is not there.
    pub fn place(&self, header: &[String]) -> Result<Places, Failed> {
        let mut places = Places::default();
        let known: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        for column in Column::ALL {
            let named = self.named.get(column.place()).and_then(Option::as_ref);
            let (found, name) = match named {
                Some(Named::At(place)) => (Some(*place), None),
                Some(Named::Header(name)) => (known.iter().position(|one| **one == **name), Some(&**name)),
                None if self.has_no_header() => (None, None),
                None => (known.iter().position(|one| one == column.name()), None),
            };
            if found.is_none() && (column.is_needed() || name.is_some()) {
                let name = name.unwrap_or(column.name());
                let first: Vec<&str> = header.iter().map(|name| name.trim()).take(40).collect();
                return Err(format!(
                    "the file has no column \"{}\": it has {}. Say which column it is, as --columns \"{}=NAME\" (or its number, \
                     where the file has no header)",
                    printable(name),
                    printable(&listed(first, "and")),
                    column.name()
                ));
            }
            if let Some(entry) = places.0.get_mut(column.place()) {
                *entry = found;
            }
        }
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_their_names_and_by_those_that_the_command_line_gives_them() {
        let own = header("Label, to,from,start,duration_s");
        let places = Columns::default().place(&own).unwrap();
        assert_eq!((places.of(Column::Start), places.of(Column::Label)), (Some(3), Some(0)));
        assert_eq!(places.of(Column::Answered), None);
        let words = "start=calldate, from=src,to=dst,duration_s=billsec,answered=disposition:ANSWERED";
        let columns = Columns::read(words).unwrap();
        let places = columns.place(&header("calldate,clid,src,dst,disposition,billsec")).unwrap();
        assert_eq!((places.of(Column::To), places.of(Column::Answered)), (Some(3), Some(4)));
        assert_eq!((columns.answered.as_deref(), columns.has_no_header()), (Some("ANSWERED"), false));
        let columns = Columns::read("start=10,from=2,to=3,duration_s=14").unwrap();
        assert!(columns.has_no_header());
        assert_eq!(columns.place(&[]).unwrap().of(Column::Start), Some(9));
    }

    #[test]
    fn what_names_no_column_is_told_with_a_cure() {
        for (words, told) in [
            ("start", "names no column of the file"),
            ("strat=x", "did you mean start"),
            ("to=", "names no column"),
        ] {
            assert!(Columns::read(words).unwrap_err().contains(told), "{words}");
        }
        let failed = Columns::default().place(&header("start,from,dst,duration_s")).unwrap_err();
        assert!(failed.contains("no column \"to\"") && failed.contains("--columns \"to=NAME\""), "{failed}");
        let named = Columns::read("label=kind").unwrap();
        assert!(named.place(&header("start,from,to,duration_s")).unwrap_err().contains("\"kind\""));
    }
}
