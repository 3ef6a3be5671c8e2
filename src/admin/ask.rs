//! The asking end of the control socket, for the command line.
//!
//! Owns one question and its answer. Refuses to know what the answer means.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{ANSWER_BYTES_MAX, Request};

/// How long an answer may take; a reload reads files.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Nobody listens there.
    Nobody(PathBuf, io::Error),
    /// It broke on the way.
    Broken(io::Error),
    /// It was no JSON.
    Unreadable(serde_json::Error),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody(path, error) if error.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "the control socket {} belongs to another user; ask as the user that runs the edge, or as root",
                path.display()
            ),
            Self::Nobody(path, error) => write!(
                f,
                "no edge answers at {} ({error}); start one with `ringfence run`, or name its socket with --socket",
                path.display()
            ),
            Self::Broken(error) => write!(f, "the edge did not answer: {error}; see its log"),
            Self::Unreadable(error) => write!(f, "the edge's answer cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Unanswered {}

/// Asks and waits for the answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Value, Unanswered> {
    let mut stream =
        UnixStream::connect(socket).map_err(|error| Unanswered::Nobody(socket.to_owned(), error))?;
    let answer = exchange(&mut stream, request).map_err(Unanswered::Broken)?;
    serde_json::from_slice(&answer).map_err(Unanswered::Unreadable)
}

fn exchange(stream: &mut UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut answer)?;
    Ok(answer)
}
