//! The listening end of the control socket.
//!
//! Owns the socket's file from making to removing. Refuses to know the answers: each request is handed on with a place
//! for its answer. Read first: unix(7).

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::{REQUEST_BYTES_MAX, Request};

/// Requests served at once.
const AT_ONCE_MAX: usize = 8;
/// Callers that may wait to be served.
const BACKLOG: i32 = 16;
/// How long a caller may take to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a failed accept (no file left) the next try waits.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// A request and the place for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Value>,
}

/// Why the socket cannot be made.
#[derive(Debug)]
pub enum Refused {
    /// Another process answers there.
    Alive(PathBuf),
    /// Something else has that name.
    NoSocket(PathBuf),
    /// The system says no.
    System(PathBuf, io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive(path) => write!(
                f,
                "another process answers at the control socket {}; stop it (`ringfence stop --socket {0}`) or give this \
                 one another `control`",
                path.display()
            ),
            Self::NoSocket(path) => write!(
                f,
                "{} is there and is no socket; move it away or give `control` another path",
                path.display()
            ),
            Self::System(path, error) => write!(
                f,
                "cannot make the control socket {}: {error}; make its folder writable or give `control` another path",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Refused {}

/// The socket, made and not yet served.
#[derive(Debug)]
pub struct ControlSocket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
    /// The file's own number: at the end only our own file is removed.
    inode: u64,
}

impl ControlSocket {
    /// Makes the socket, readable and writable by this user alone. One that a dead process left behind is replaced.
    pub fn bind(path: &Path) -> Result<Self, Refused> {
        let system = |error| Refused::System(path.to_owned(), error);
        if let Ok(metadata) = fs::symlink_metadata(path) {
            if !metadata.file_type().is_socket() {
                return Err(Refused::NoSocket(path.to_owned()));
            }
            if StdStream::connect(path).is_ok() {
                return Err(Refused::Alive(path.to_owned()));
            }
            fs::remove_file(path).map_err(system)?;
        }
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
        {
            fs::create_dir_all(folder).map_err(system)?;
        }
        let listener = listen(path).map_err(system)?;
        let inode = fs::symlink_metadata(path).map_err(system)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Serves until the receiver of requests is gone.
    pub async fn serve(self, asks: mpsc::Sender<Asked>) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = asks.closed() => return Ok(()),
            };
            match accepted {
                Ok((stream, _)) => {
                    let asks = asks.clone();
                    tokio::spawn(async move {
                        if let Err(error) = serve_one(stream, &asks).await {
                            tracing::debug!(%error, "a request at the control socket was not served");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot be served just now");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Whoever replaced the file meanwhile keeps theirs.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let removed = fs::remove_file(&self.path);
            if let Err(error) = removed {
                tracing::debug!(%error, "the control socket's file stays behind");
            }
        }
    }
}

/// Nobody can connect between `bind` and `listen`, so the mode is set before anyone can use it.
fn listen(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn serve_one(stream: UnixStream, asks: &mpsc::Sender<Asked>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read).take(REQUEST_BYTES_MAX as u64);
    let _bytes = timeout(PATIENCE, read.read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            let (answer, answered) = oneshot::channel();
            if asks.send(Asked { request, answer }).await.is_err() {
                json!({ "error": "the edge is ending" })
            } else {
                answered.await.unwrap_or_else(|_| json!({ "error": "the edge is ending" }))
            }
        }
        Err(error) => json!({ "error": format!("not understood: {error}") }),
    };
    let mut bytes = answer.to_string().into_bytes();
    bytes.push(b'\n');
    timeout(PATIENCE, write.write_all(&bytes)).await??;
    write.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::ask::{Unanswered, ask};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_request_is_answered_and_rubbish_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/control.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let client = std::thread::spawn({
            let path = path.clone();
            move || {
                let status = ask(&path, &Request::Status).unwrap();
                let mut raw = StdStream::connect(&path).unwrap();
                io::Write::write_all(&mut raw, b"{\"command\":\"explode\"}\n").unwrap();
                let mut text = String::new();
                io::Read::read_to_string(&mut raw, &mut text).unwrap();
                (status, text)
            }
        });
        runtime().block_on(async {
            let (asks, mut asked) = mpsc::channel(1);
            let served = tokio::spawn(socket.serve(asks));
            let one = asked.recv().await.unwrap();
            assert_eq!(one.request, Request::Status);
            one.answer.send(json!({ "calls": 3 })).unwrap();
            let (status, text) = tokio::task::spawn_blocking(|| client.join().unwrap()).await.unwrap();
            assert_eq!(status["calls"], 3);
            assert!(text.starts_with("{\"error\":\"not understood"), "{text}");
            drop(asked);
            served.await.unwrap().unwrap();
        });
        assert!(!path.exists(), "the file goes with the socket");
        assert!(matches!(ask(&path, &Request::Status), Err(Unanswered::Nobody(..))));
    }

    #[test]
    fn f9_a_live_socket_is_respected_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let first = ControlSocket::bind(&path).unwrap();
        assert!(matches!(ControlSocket::bind(&path), Err(Refused::Alive(_))));
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead process leaves its file");
        let second = ControlSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(second);
        assert!(path.exists(), "a file that is not ours stays");
        assert!(matches!(ControlSocket::bind(&path), Err(Refused::NoSocket(_))));
    }
}
