//! One stream: what it reads, what it still has to write, and by when it must have moved.
//!
//! Owns the life of a connection and its deadlines. Refuses to know the table it stands in, and what TLS does.
//! Read first: RFC 3261 §18.3, §18.4; RFC 5626 §4.4.1.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use smallvec::SmallVec;

use crate::clock::Tick;
use crate::net::Settings;
use crate::net::tls::{Refusal, Session, Terms};
use crate::sip::framing::{Framer, Pending};
use crate::sip::{Flow, Hop, ListenerId, PartyId, Transport};

/// How long a closed stream may take to accept the last bytes and to close its own side.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Where a connection stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// We called; the far side has not taken the call yet.
    Connecting {
        /// Since when.
        since: Tick,
    },
    /// TLS: the two sides make themselves known; not a byte of SIP crosses.
    Shaking {
        /// Since when.
        since: Tick,
    },
    /// Bytes cross.
    Open,
    /// What waits is written, then our side is shut; what comes is thrown away.
    Closing {
        /// Since when.
        since: Tick,
    },
}

/// Why a connection was cut by its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The far side did not take our call in time.
    Connect,
    /// The handshake of TLS was not done in time.
    Handshake,
    /// A started head did not become whole.
    Head,
    /// A started body did not become whole.
    Body,
    /// It never sent a whole message.
    FirstMessage,
    /// No peer lists it, and it has not proven who it is.
    Guest,
    /// Nothing came for too long.
    Idle,
    /// It takes none of the bytes that wait for it.
    Write,
    /// It was closed and did not go.
    Linger,
}

/// The message being read: since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Nothing,
    Head { since: Tick },
    Body { since: Tick },
}

/// What lies between what is said and the socket.
#[derive(Debug)]
pub(super) enum Cover {
    /// Nothing.
    None,
    /// TLS.
    Tls {
        /// On what terms; they stay as they were when it began.
        terms: Arc<Terms>,
        /// Whom it is spoken with.
        party: PartyId,
        /// The session; none before it begins, and while it is away for a handshake.
        session: Option<Box<Session>>,
        /// It is away, or waits for its turn to be.
        away: bool,
    },
}

/// What a connection is found by. RFC 5923 §5: one that was made to be with one name serves no other.
pub(super) type Key = (ListenerId, Transport, SocketAddr, PartyId);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub flow: Flow,
    pub socket: TcpStream,
    pub stage: Stage,
    /// We called the far side.
    pub ours: bool,
    /// No peer lists the far side, and it has proven nothing yet.
    pub guest: bool,
    /// It came from a source that a peer lists, and has its place for that alone.
    pub listed: bool,
    /// Why it ends was told already, with what it counts for.
    pub told: bool,
    /// Taken out while its frames are handed on.
    pub framer: Framer,
    /// Hops whose frames wait for the connection to be made; told when it cannot be.
    pub waiting: SmallVec<[Hop; 1]>,
    /// Stands in the list of connections to flush.
    pub dirty: bool,
    /// What makes it TLS.
    pub cover: Cover,
    /// The framer holds octets that nobody has been given yet.
    pub fed: bool,
    /// The far side has closed its side; nobody will say so again, so reads go on to the end.
    pub ended: bool,
    /// When the table will look at its deadlines again.
    pub armed: Tick,
    began: Tick,
    heard: Tick,
    greeted: bool,
    reading: Reading,
    /// What is to be said, before TLS makes records of it.
    plain: Vec<u8>,
    /// What goes to the socket.
    queue: Vec<u8>,
    written: usize,
    /// TLS has said that nothing more comes.
    farewell: bool,
    stuck: Option<Tick>,
}

/// What a flush came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// All is written.
    Empty,
    /// The system takes no more just now.
    Full,
    /// The stream is broken.
    Broken,
    /// TLS can make no records any more.
    Unsayable(Refusal),
}

impl Connection {
    pub fn new(flow: Flow, socket: TcpStream, stage: Stage, cover: Cover, ours: bool, now: Tick) -> Self {
        Self {
            flow,
            socket,
            stage,
            ours,
            guest: false,
            listed: false,
            told: false,
            framer: Framer::default(),
            waiting: SmallVec::new(),
            dirty: false,
            cover,
            fed: false,
            ended: false,
            armed: Tick::ZERO,
            began: now,
            heard: now,
            greeted: false,
            reading: Reading::Nothing,
            plain: Vec::new(),
            queue: Vec::new(),
            written: 0,
            farewell: false,
            stuck: None,
        }
    }

    /// What it is found by: between which ends, and who has proven to be there.
    pub fn key(&self) -> Key {
        let party = match &self.cover {
            Cover::None => PartyId::NONE,
            Cover::Tls { party, .. } => *party,
        };
        (self.flow.listener, self.flow.transport, self.flow.remote, party)
    }

    /// Whether it was accepted, or begun, less than so long ago.
    pub fn is_younger_than(&self, age: Duration, now: Tick) -> bool {
        now < self.began.after(age)
    }

    /// Whether it never brought a whole message.
    pub const fn is_silent(&self) -> bool {
        !self.greeted
    }

    /// Bytes that wait to be written.
    pub fn unwritten(&self) -> usize {
        self.queue.len() - self.written + self.plain.len()
    }

    /// Puts bytes behind what waits. `spare` gives a used buffer back to work.
    pub fn push(&mut self, bytes: &[u8], spare: &mut Vec<Vec<u8>>) {
        let buffer = match self.cover {
            Cover::None => &mut self.queue,
            Cover::Tls { .. } => &mut self.plain,
        };
        borrow(buffer, spare).extend_from_slice(bytes);
    }

    /// Octets of TLS itself, to be sent as they are. No others overtake them: what is to be said waits for the flush.
    pub fn push_records(&mut self, records: &[u8], spare: &mut Vec<Vec<u8>>) {
        if !records.is_empty() {
            borrow(&mut self.queue, spare).extend_from_slice(records);
        }
    }

    /// What was to be said is not said any more, nor that it ends.
    pub fn silence(&mut self) {
        self.plain = Vec::new();
        self.farewell = true;
    }

    /// Makes records of what is to be said, once the handshake is done: all of one wake-up together.
    fn cover_up(&mut self, spare: &mut Vec<Vec<u8>>) -> Result<(), Refusal> {
        let Cover::Tls { session: Some(session), .. } = &mut self.cover else { return Ok(()) };
        let ends = match self.stage {
            Stage::Connecting { .. } | Stage::Shaking { .. } => return Ok(()),
            Stage::Open => false,
            Stage::Closing { .. } => !std::mem::replace(&mut self.farewell, true),
        };
        if self.plain.is_empty() && !ends {
            return Ok(());
        }
        let queue = borrow(&mut self.queue, spare);
        session.say(&self.plain, queue)?;
        if ends {
            session.end(queue);
        }
        give_back(std::mem::take(&mut self.plain), spare);
        Ok(())
    }

    /// Writes what waits, as much as the system takes. An empty buffer is given to `spare`, so that a quiet
    /// connection holds none.
    pub fn flush(&mut self, now: Tick, spare: &mut Vec<Vec<u8>>) -> Flush {
        if let Err(refusal) = self.cover_up(spare) {
            return Flush::Unsayable(refusal);
        }
        while let Some(rest) = self.queue.get(self.written..)
            && !rest.is_empty()
        {
            match self.socket.write(rest) {
                Ok(0) => return Flush::Broken,
                Ok(taken) => {
                    self.written += taken;
                    self.stuck = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck = self.stuck.or(Some(now));
                    self.queue.drain(..self.written);
                    self.written = 0;
                    return Flush::Full;
                }
                Err(_) => return Flush::Broken,
            }
        }
        give_back(std::mem::take(&mut self.queue), spare);
        self.written = 0;
        self.stuck = None;
        Flush::Empty
    }

    /// Bytes came, and were framed: `messages` whole ones, and what the framer still waits for.
    pub fn heard(&mut self, now: Tick, messages: usize, pending: Pending) {
        self.heard = now;
        self.greeted |= messages > 0;
        self.reading = match (pending, self.reading) {
            (Pending::Nothing, _) => Reading::Nothing,
            // A new message began only if one ended in between; each further byte of the same one gives no time.
            (Pending::Head, Reading::Head { since }) if messages == 0 => Reading::Head { since },
            (Pending::Head, _) => Reading::Head { since: now },
            (Pending::Body, Reading::Body { since }) if messages == 0 => Reading::Body { since },
            (Pending::Body, _) => Reading::Body { since: now },
        };
    }

    /// The nearest deadline and what it is for.
    pub fn due(&self, settings: &Settings) -> (Tick, Cut) {
        let due = self.due_of_stage(settings);
        let proof = self.began.after(settings.guest_timeout);
        // What is closed has its last bytes to take, and no more to prove.
        let closing = matches!(self.stage, Stage::Closing { .. });
        if self.guest && !closing && proof < due.0 { (proof, Cut::Guest) } else { due }
    }

    fn due_of_stage(&self, settings: &Settings) -> (Tick, Cut) {
        let since = match self.stage {
            Stage::Connecting { since } => return (since.after(settings.connect_timeout), Cut::Connect),
            Stage::Shaking { since } => return (since.after(settings.handshake_timeout), Cut::Handshake),
            Stage::Closing { since } => return (since.after(LINGER), Cut::Linger),
            Stage::Open => self.heard,
        };
        let mut due = (since.after(settings.idle_timeout), Cut::Idle);
        let mut nearer = |at: Tick, cut: Cut| {
            if at < due.0 {
                due = (at, cut);
            }
        };
        match self.reading {
            Reading::Nothing => {}
            Reading::Head { since } => nearer(since.after(settings.head_timeout), Cut::Head),
            Reading::Body { since } => nearer(since.after(settings.body_timeout), Cut::Body),
        }
        if !self.greeted && !self.ours {
            nearer(self.began.after(settings.first_message_timeout), Cut::FirstMessage);
        }
        if let Some(since) = self.stuck {
            nearer(since.after(settings.write_timeout), Cut::Write);
        }
        due
    }
}

/// Write buffers kept for the next connection that has something to say.
const SPARE_BUFFERS_MAX: usize = 64;
/// A buffer that grew larger is given back to the system instead.
const SPARE_BYTES_MAX: usize = 64 * 1024;

/// A buffer that holds something already, or a used one.
fn borrow<'b>(buffer: &'b mut Vec<u8>, spare: &mut Vec<Vec<u8>>) -> &'b mut Vec<u8> {
    if buffer.capacity() == 0
        && let Some(used) = spare.pop()
    {
        *buffer = used;
    }
    buffer
}

/// Keeps an empty buffer for the next connection that has something to say.
fn give_back(mut buffer: Vec<u8>, spare: &mut Vec<Vec<u8>>) {
    if spare.len() < SPARE_BUFFERS_MAX && buffer.capacity() <= SPARE_BYTES_MAX && buffer.capacity() > 0 {
        buffer.clear();
        spare.push(buffer);
    }
}
