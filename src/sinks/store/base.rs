//! The file of the store: one table of rows, its version, and what is done with one that cannot be trusted.
//!
//! Owns SQL. Refuses to know what rows mean and when they are written.
//! Read first: `store.rs`; <https://www.sqlite.org/wal.html>; <https://www.sqlite.org/pragma.html>.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::clock::Wall;
use crate::policy::Kept;

/// The owner alone reads who calls whom.
const FILE_MODE: u32 = 0o600;
/// The same of its folder, where it had to be made.
const FOLDER_MODE: u32 = 0o700;
/// What takes a file from one version to the next; its `user_version` counts those that it has behind it.
const STEPS: [&str; 1] = ["CREATE TABLE kept (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID"];
/// Pages of 4 KiB: 512 MiB. A file that would grow larger is full.
const PAGES_MAX: u32 = 131_072;
/// How long another process may hold the file while this one starts: one that ends has that long.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Rows that wait, the last word on each; `None` takes one away.
pub type Rows = BTreeMap<(&'static str, Box<str>), Option<Box<str>>>;

/// Where rows are written; a test has another.
pub trait Target: Send {
    /// All of them, or none; on the disk when it returns.
    ///
    /// # Errors
    /// In words.
    fn write(&mut self, rows: &Rows) -> Result<(), String>;
}

/// An open file.
#[derive(Debug)]
pub struct Base {
    connection: Connection,
}

/// What became of opening it.
#[derive(Debug)]
pub struct Opened {
    /// The file; `None` where this disk takes nothing now.
    pub base: Option<Base>,
    /// The rows that it holds, of the kinds that are known.
    pub rows: Vec<Kept>,
    /// Why not everything of before is known, where that is so.
    pub lost: Option<String>,
}

/// Why an edge must not start with this file.
#[derive(Debug)]
pub enum Refused {
    /// Another process has it.
    Locked,
    /// The path cannot be.
    Unusable(String),
}

/// Why a file could not be taken.
enum Fault {
    /// What it holds cannot be trusted.
    Damaged(String),
    /// Another process has it.
    Locked,
    /// The disk.
    Disk(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        match code {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(_) | None => Self::Disk(error.to_string()),
        }
    }
}

impl Base {
    /// Opens a file for this process alone, or makes it. One that is damaged, or of a later version, is set aside.
    pub fn open(path: &Path, now: Wall) -> Result<Opened, Refused> {
        if let Err(error) = prepare(path) {
            return unprepared(path, &error);
        }
        let why = match Self::take(path, &STEPS) {
            Ok((base, rows)) => return Ok(Opened { base: Some(base), rows, lost: None }),
            Err(Fault::Locked) => return Err(Refused::Locked),
            Err(Fault::Disk(why)) => return Ok(Opened { base: None, rows: still(path), lost: Some(why) }),
            Err(Fault::Damaged(why)) => why,
        };
        let aside = set_aside(path, now).map_err(|error| {
            Refused::Unusable(format!("it is damaged ({why}) and cannot be renamed: {error}"))
        })?;
        let lost = format!("it could not be trusted ({why}) and is set aside as {}", aside.display());
        prepare(path).map_err(|error| Refused::Unusable(error.to_string()))?;
        match Self::take(path, &STEPS) {
            Ok((base, rows)) => Ok(Opened { base: Some(base), rows, lost: Some(lost) }),
            Err(Fault::Locked) => Err(Refused::Locked),
            Err(Fault::Disk(_) | Fault::Damaged(_)) => {
                Ok(Opened { base: None, rows: Vec::new(), lost: Some(lost) })
            }
        }
    }

    /// The file again, after the disk took nothing: what it holds is older than what this process knows.
    pub fn again(path: &Path) -> Result<Self, String> {
        prepare(path).map_err(|error| error.to_string())?;
        match Self::take(path, &STEPS) {
            Ok((base, _)) => Ok(base),
            Err(Fault::Locked) => Err("another process has it".to_owned()),
            Err(Fault::Damaged(why) | Fault::Disk(why)) => Err(why),
        }
    }

    fn take(path: &Path, steps: &[&str]) -> Result<(Self, Vec<Kept>), Fault> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(LOCK_PATIENCE)?;
        // Held until the end of the process, however that comes: no second edge counts on the same file.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "max_page_count", PAGES_MAX)?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(Fault::Damaged(sound));
        }
        migrate(&connection, steps)?;
        let rows = read(&connection)?;
        Ok((Self { connection }, rows))
    }
}

impl Target for Base {
    fn write(&mut self, rows: &Rows) -> Result<(), String> {
        let mut written = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            {
                let mut put = transaction
                    .prepare("INSERT OR REPLACE INTO kept (kind, key, value) VALUES (?1, ?2, ?3)")?;
                let mut take = transaction.prepare("DELETE FROM kept WHERE kind = ?1 AND key = ?2")?;
                for ((kind, key), value) in rows {
                    match value {
                        Some(value) => put.execute((kind, &**key, &**value))?,
                        None => take.execute((kind, &**key))?,
                    };
                }
            }
            transaction.commit()
        };
        written().map_err(|error| error.to_string())
    }
}

/// Brings a file to the version of these steps.
fn migrate(connection: &Connection, steps: &[&str]) -> Result<(), Fault> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > steps.len() {
        return Err(Fault::Damaged(format!(
            "its version is {version}, this ringfence knows {} and none later",
            steps.len()
        )));
    }
    for (number, step) in steps.iter().enumerate().skip(version) {
        // One step and its number together: a crash leaves a file of one version or of the next.
        let batch = format!("BEGIN; {step}; PRAGMA user_version = {}; COMMIT", number + 1);
        if let Err(error) = connection.execute_batch(&batch) {
            drop(connection.execute_batch("ROLLBACK"));
            return Err(match Fault::from(error) {
                // It is a database, and not ours.
                Fault::Disk(why) if version == 0 && why.contains("already exists") => Fault::Damaged(why),
                fault @ (Fault::Damaged(_) | Fault::Locked | Fault::Disk(_)) => fault,
            });
        }
    }
    Ok(())
}

/// Every row of a kind that is known; the others stay where they are.
fn read(connection: &Connection) -> rusqlite::Result<Vec<Kept>> {
    let mut select = connection.prepare("SELECT kind, key, value FROM kept")?;
    let mut found = select.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let kind: String = row.get(0)?;
        let (key, value): (String, String) = (row.get(1)?, row.get(2)?);
        if let Some(kind) = Kept::kind(&kind) {
            rows.push(Kept::row(kind, key, value));
        }
    }
    Ok(rows)
}

/// What can still be read of a file on a disk that takes nothing.
fn still(path: &Path) -> Vec<Kept> {
    let Some(path) = path.to_str().filter(|path| !path.contains(['?', '#', '%'])) else { return Vec::new() };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags);
    opened.and_then(|connection| read(&connection)).unwrap_or_default()
}

/// Makes the folder and the file, and takes from others what is not theirs to read.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
        tracing::warn!(folder = %folder.display(), "a folder was missing, and was made");
    }
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(FILE_MODE).open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o777 & !FILE_MODE != 0 {
        file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    }
    Ok(())
}

/// A disk that takes nothing stops no telephony; a path that cannot be is told before the first call.
fn unprepared(path: &Path, error: &io::Error) -> Result<Opened, Refused> {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    if matches!(error.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull) {
        return Ok(Opened { base: None, rows: still(path), lost: Some(error.to_string()) });
    }
    Err(Refused::Unusable(error.to_string()))
}

/// Renames a file that cannot be trusted, and what belongs to it.
fn set_aside(path: &Path, now: Wall) -> io::Result<PathBuf> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let stamp = format!(".damaged-{}", now.rfc3339().replace(':', ""));
    let aside = with(&stamp);
    fs::rename(path, &aside)?;
    for beside in ["-wal", "-shm"] {
        match fs::rename(with(beside), with(&format!("{stamp}{beside}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
#[path = "base_tests.rs"]
mod tests;
