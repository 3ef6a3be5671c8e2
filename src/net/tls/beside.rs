//! Handshakes beside the loop: signatures and key exchanges cost a thousand times what a message does, and no call waits
//! for them.
//!
//! Owns the thread and the bounded way there and back. A session travels; its socket stays. Refuses to know connections.
//! Read first: RFC 8446 §4.4.3.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use mio::Waker;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use super::refusal::Refusal;
use super::session::Session;
use crate::sip::ConnectionId;

/// Handshake steps that may wait for the thread; connections beyond wait with their bytes unread.
const STEPS_MAX: usize = 64;

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Begin a session of ours.
    Call(Arc<ClientConfig>, ServerName<'static>),
    /// Begin a session of a machine that called us, with its first octets.
    Answer(Arc<ServerConfig>, Vec<u8>),
    /// Go on with a session, by what came.
    GoOn(Box<Session>, Vec<u8>),
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// Whose session.
    pub id: ConnectionId,
    /// The session; `None` where none could be begun.
    pub session: Option<Box<Session>>,
    /// Octets to send, also where it was refused.
    pub out: Vec<u8>,
    /// What came behind the handshake already.
    pub heard: Vec<u8>,
    /// Whether it may go on.
    pub result: Result<(), Refusal>,
}

/// The thread's near end.
#[derive(Debug)]
pub struct Beside {
    work: SyncSender<(ConnectionId, Work)>,
    done: Receiver<Done>,
    /// Steps under way.
    away: usize,
}

impl Beside {
    /// Starts the thread; it ends when this is dropped. `waker` wakes the loop for what is done.
    pub fn start(waker: Arc<Waker>) -> io::Result<Self> {
        let (work, works) = sync_channel(STEPS_MAX);
        let (sender, done) = channel();
        thread::Builder::new().name("handshakes".to_owned()).spawn(move || serve(&works, &sender, &waker))?;
        Ok(Self { work, done, away: 0 })
    }

    /// Whether a step could be handed over now.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.away < STEPS_MAX
    }

    /// Hands a step over; gives it back where there is no room (ask `has_room` first) or the thread is gone.
    pub fn hand_over(&mut self, id: ConnectionId, work: Work) -> Result<(), Work> {
        match self.work.try_send((id, work)) {
            Ok(()) => {
                self.away += 1;
                Ok(())
            }
            Err(TrySendError::Full((_, work)) | TrySendError::Disconnected((_, work))) => Err(work),
        }
    }

    /// The next thing that is done.
    pub fn next_done(&mut self) -> Option<Done> {
        if self.away == 0 {
            return None;
        }
        let done = self.done.try_recv().ok()?;
        self.away -= 1;
        Some(done)
    }
}

fn serve(works: &Receiver<(ConnectionId, Work)>, sender: &Sender<Done>, waker: &Waker) {
    while let Ok((id, work)) = works.recv() {
        if sender.send(step(id, work)).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

fn step(id: ConnectionId, work: Work) -> Done {
    let begun = match work {
        Work::Call(config, name) => Session::client(config, name).map(|session| (session, Vec::new())),
        Work::Answer(config, bytes) => Session::server(config).map(|session| (session, bytes)),
        Work::GoOn(session, bytes) => Ok((*session, bytes)),
    };
    let (mut session, mut bytes) = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            return Done { id, session: None, out: Vec::new(), heard: Vec::new(), result: Err(refusal) };
        }
    };
    let (mut out, mut heard) = (Vec::new(), Vec::new());
    let result = session.feed(&mut bytes, &mut out, &mut |plain| heard.extend_from_slice(plain));
    Done { id, session: Some(Box::new(session)), out, heard, result }
}
