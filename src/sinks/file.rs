//! Whole lines to standard output or to a file that is rotated by size.
//!
//! Owns open files and what could not be written yet. A line is never torn, not by a full disk and not by rotation.
//! Refuses to know what the lines say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Sink;

/// Call records name who called whom: the owner may write, the group may read.
const FILE_MODE: u32 = 0o640;

/// Bytes that may wait while the target takes none.
pub const WAITING_BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
enum Target {
    Stdout,
    File { file: File, size: u64 },
    Discard,
}

/// One target of lines.
#[derive(Debug)]
pub struct LineFile {
    sink: Sink,
    target: Target,
    waiting: Vec<u8>,
    /// How much of `waiting` is out already: a full disk may have taken half a line.
    out: usize,
}

impl LineFile {
    /// Opens the target, so that a wrong path stops the start and not the first call.
    pub fn open(sink: &Sink) -> io::Result<Self> {
        Ok(Self { target: target(sink)?, sink: sink.clone(), waiting: Vec::new(), out: 0 })
    }

    /// Its name in alerts and logs.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.sink {
            Sink::Stdout => "standard output".to_owned(),
            Sink::File { path, .. } => path.display().to_string(),
            Sink::Discard => "nowhere".to_owned(),
        }
    }

    /// Where whole lines are added; `write` takes them out.
    pub fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many lines wait, one that is half out among them.
    #[must_use]
    pub fn lines_waiting(&self) -> u64 {
        let rest = self.waiting.get(self.out..).unwrap_or_default();
        memchr::memchr_iter(b'\n', rest).count() as u64
    }

    /// Drops a line that was not added to its end.
    pub fn drop_torn_line(&mut self) {
        let whole = memchr::memrchr(b'\n', &self.waiting).map_or(0, |end| end + 1);
        self.waiting.truncate(whole.max(self.out));
    }

    /// Whether no more should be added before a `write` succeeded.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_BYTES_MAX
    }

    /// Writes what waits. After an error the rest still waits and the next call goes on exactly where this one stopped.
    pub fn write(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.rotate_if_due()?;
        while let Some(rest) = self.waiting.get(self.out..)
            && !rest.is_empty()
        {
            let taken = match &mut self.target {
                Target::Stdout => {
                    let mut out = io::stdout().lock();
                    out.write_all(rest).and_then(|()| out.flush()).map(|()| rest.len())
                }
                Target::File { file, size } => file.write(rest).inspect(|taken| *size += *taken as u64),
                Target::Discard => Ok(rest.len()),
            };
            match taken {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.out += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.waiting.clear();
        self.waiting.shrink_to(64 * 1024);
        self.out = 0;
        Ok(())
    }

    /// Opens the file anew: somebody else (logrotate) may have moved it.
    pub fn reopen(&mut self) -> io::Result<()> {
        // Half a line, if any, was finished or stays in the old file; the new one begins with a whole line.
        let fresh = target(&self.sink)?;
        self.finish_torn_line();
        self.target = fresh;
        Ok(())
    }

    fn rotate_if_due(&mut self) -> io::Result<()> {
        let (Sink::File { path, rotate_bytes, keep }, Target::File { size, .. }) = (&self.sink, &self.target)
        else {
            return Ok(());
        };
        let more = (self.waiting.len() - self.out) as u64;
        let limit = if *rotate_bytes == 0 { u64::MAX } else { *rotate_bytes };
        if self.out > 0 || *size == 0 || size.saturating_add(more) <= limit {
            return Ok(());
        }
        shift(path, *keep)?;
        self.target = target(&self.sink)?;
        Ok(())
    }

    /// A line that is half out is taken out of what waits, up to its end: its first half stands in the old file.
    fn finish_torn_line(&mut self) {
        let torn = self.out > 0 && self.waiting.get(self.out - 1).is_some_and(|byte| *byte != b'\n');
        if torn {
            let end = self.waiting.get(self.out..).and_then(|rest| memchr::memchr(b'\n', rest));
            self.out = end.map_or(self.waiting.len(), |end| self.out + end + 1);
        }
        self.waiting.drain(..self.out);
        self.out = 0;
    }
}

fn target(sink: &Sink) -> io::Result<Target> {
    match sink {
        Sink::Stdout => Ok(Target::Stdout),
        Sink::Discard => Ok(Target::Discard),
        Sink::File { path, .. } => {
            if let Some(folder) = path.parent()
                && !folder.as_os_str().is_empty()
                && !folder.exists()
            {
                fs::create_dir_all(folder)?;
                // A mistyped path would otherwise be found by nobody.
                tracing::warn!(folder = %folder.display(), "a folder was missing, and was made");
            }
            let mut file =
                OpenOptions::new().create(true).append(true).read(true).mode(FILE_MODE).open(path)?;
            let mut size = file.metadata()?.len();
            if size > 0 && !ends_with_line_end(&mut file) {
                // A crash left half a line; the next one must not grow onto it.
                file.write_all(b"\n")?;
                size += 1;
            }
            Ok(Target::File { file, size })
        }
    }
}

/// What cannot be sought (a pipe, a device) has no half line.
fn ends_with_line_end(file: &mut File) -> bool {
    let mut last = [0];
    let read = file.seek(SeekFrom::End(-1)).and_then(|_| file.read(&mut last));
    !matches!(read, Ok(1)) || last == *b"\n"
}

/// `path` becomes `path.1`, `path.1` becomes `path.2`; what would be number `keep + 1` is gone.
fn shift(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        rename_if_there(&numbered(path, number), &numbered(path, number + 1))?;
    }
    rename_if_there(path, &numbered(path, 1))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(folder: &Path, rotate_bytes: u64, keep: u32) -> (Sink, PathBuf) {
        let path = folder.join("deep/records.jsonl");
        (Sink::File { path: path.clone(), rotate_bytes, keep }, path)
    }

    fn add(file: &mut LineFile, line: &str) {
        file.lines().extend_from_slice(line.as_bytes());
        file.write().unwrap();
    }

    #[test]
    fn lines_are_appended_and_survive_a_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, path) = sink(folder.path(), 1 << 20, 3);
        let mut file = LineFile::open(&sink).unwrap();
        add(&mut file, "one\n");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        add(&mut file, "two\n");
        file.reopen().unwrap();
        add(&mut file, "three\n");
        assert_eq!(fs::read_to_string(folder.path().join("moved")).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        drop(file);
        let mut file = LineFile::open(&sink).unwrap();
        add(&mut file, "four\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\nfour\n");
    }

    #[test]
    fn rotation_keeps_so_many_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, path) = sink(folder.path(), 10, 2);
        let mut file = LineFile::open(&sink).unwrap();
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n", "ffff\n", "gggg\n"] {
            add(&mut file, line);
        }
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(text(&path), "gggg\n");
        assert_eq!(text(&numbered(&path, 1)), "eeee\nffff\n", "exactly the limit fits");
        assert_eq!(text(&numbered(&path, 2)), "cccc\ndddd\n");
        assert!(!numbered(&path, 3).exists());
    }

    #[test]
    fn only_the_owner_writes_and_the_world_reads_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (sink, path) = sink(folder.path(), 10, 2);
        let _file = LineFile::open(&sink).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn half_a_line_of_a_crash_does_not_swallow_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, path) = sink(folder.path(), 1 << 20, 2);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "whole\nhal").unwrap();
        let mut file = LineFile::open(&sink).unwrap();
        add(&mut file, "next\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nhal\nnext\n");
    }

    #[test]
    fn f9_a_full_disk_loses_nothing_that_may_wait() {
        // /dev/full takes no byte and says ENOSPC.
        let sink = Sink::File { path: PathBuf::from("/dev/full"), rotate_bytes: 0, keep: 0 };
        let mut file = LineFile::open(&sink).unwrap();
        file.lines().extend_from_slice(b"one\n");
        assert_eq!(file.write().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!file.is_full());
        let folder = tempfile::tempdir().unwrap();
        let (better, path) = self::sink(folder.path(), 0, 0);
        file.sink = better;
        file.reopen().unwrap();
        add(&mut file, "two\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_torn_line_is_not_torn_again_by_a_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let (sink, path) = sink(folder.path(), 0, 0);
        let mut file = LineFile::open(&sink).unwrap();
        file.lines().extend_from_slice(b"one\ntwo\nthree\n");
        file.out = 6;
        file.reopen().unwrap();
        file.write().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }

    #[test]
    fn a_path_that_cannot_be_is_refused_at_once() {
        let sink = Sink::File { path: PathBuf::from("/proc/nowhere/x"), rotate_bytes: 0, keep: 0 };
        assert!(LineFile::open(&sink).is_err());
    }
}
