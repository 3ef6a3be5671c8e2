//! Streams: accepted and made, read into frames, written once for each wake-up, cut when they do not move.
//!
//! Owns every TCP socket, the limits on them and the reuse of connections. Refuses to know the engine and policy; whether
//! a source is listed is asked of a function.
//! Read first: RFC 3261 §18; RFC 5626 §4.4.1; RFC 5923.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

mod connection;
mod crossing;
mod door;
mod seats;
mod shaking;
#[cfg(test)]
mod tests;

use super::tls::{Cause, Refusal};
use super::{Refused, Settings};
use crate::clock::Tick;
use crate::sip::framing::Framer;
use crate::sip::{ConnectionId, Flow, Hop, ListenerId, Met, PartyId, Transport};
use connection::{Connection, Cut, Key, Stage};
use seats::Seats;
use shaking::Shaking;

/// Connections taken from one listener in one wake-up; the rest wait for the next.
const ACCEPTS_PER_WAKE_UP: usize = 64;
/// Reads of one connection in one wake-up; the rest wait for the next.
pub const READS_PER_WAKE_UP: u8 = 8;
/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// Connections the system keeps waiting to be accepted.
const BACKLOG: i32 = 1024;
/// Hops remembered for one connection that is being made; hops to one far side differ only in the connection they prefer.
const WAITING_HOPS_MAX: usize = 16;
/// A listener that could not accept (no file, no memory) is tried again after.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// What happened to streams that the engine must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A connection is gone.
    Closed(ConnectionId),
    /// Frames to this hop could not be sent.
    Unsendable(Hop),
    /// A connection was turned away, or a guest's made way for it, for there was no room.
    NoRoom(Room),
    /// An unlisted source connected and was closed.
    Stranger(Flow),
    /// A guest's connection is over, and never brought a whole message.
    Silent(Flow),
    /// A connection that was made to us has proven itself by a certificate, on the terms of this party.
    Opened(Flow, PartyId),
    /// TLS let a connection not pass, or ended it.
    Refused {
        /// Which.
        flow: Flow,
        /// We called.
        ours: bool,
        /// Its handshake was done: it was let in, and broke later.
        open: bool,
        /// Why.
        refusal: Box<Refusal>,
    },
}

/// What had no room for one connection more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The table.
    Table,
    /// The share of it that guests have.
    Guests,
    /// What one source has of either.
    Source(IpAddr),
}

/// Running counts, by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct StreamCounts {
    /// Connections taken.
    pub accepted: u64,
    /// Connections made.
    pub connected: u64,
    /// Closed at once: `connections_max`.
    pub refused_full: u64,
    /// Closed at once: `guests_max`.
    pub refused_guests: u64,
    /// Closed to make way for a guest whose source holds fewer places: `guests_max`.
    pub evicted_guests: u64,
    /// Closed at once: `connections_per_source_max` or `guests_per_source_max`.
    pub refused_source: u64,
    /// Closed at once: not listed.
    pub strangers: u64,
    /// Accepting failed in the system.
    pub accept_errors: u64,
    /// Connections that could not be made.
    pub connect_failed: u64,
    /// Cut: head not whole in time.
    pub cut_head: u64,
    /// Cut: body not whole in time.
    pub cut_body: u64,
    /// Cut: never a whole message.
    pub cut_first_message: u64,
    /// Cut: an unlisted source that proved nothing in time.
    pub cut_guest: u64,
    /// Cut: nothing came.
    pub cut_idle: u64,
    /// Cut: took no bytes, or more waited than `write_queue_bytes_max`.
    pub cut_write: u64,
}

#[derive(Debug)]
struct Listening {
    listener: ListenerId,
    transport: Transport,
    socket: TcpListener,
    /// More may wait: the last turn ended before the queue did.
    again: Option<Tick>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// A connection's framer, taken out while its frames are handed on.
#[derive(Debug)]
pub struct Reading {
    /// Where the frames come from.
    pub flow: Flow,
    /// Holds the bytes just read.
    pub framer: Framer,
    /// Whole messages found so far; the reader counts.
    pub messages: usize,
    /// The read filled the buffer: more may wait.
    full: bool,
}

/// Says who an address on a listener must be; `None` for a stranger's.
pub type Who<'a> = &'a dyn Fn(ListenerId, IpAddr) -> Option<Met>;

/// All streams.
#[derive(Debug)]
pub struct Streams {
    settings: Settings,
    registry: Registry,
    listening: Vec<Listening>,
    addresses: HashMap<ListenerId, IpAddr>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
    by_remote: HashMap<Key, ConnectionId>,
    /// Of them, guests.
    guests: Seats,
    per_source: HashMap<Source, Places>,
    deadlines: BTreeSet<(Tick, ConnectionId)>,
    dirty: Vec<ConnectionId>,
    readable: VecDeque<ConnectionId>,
    news: VecDeque<News>,
    buffer: Box<[u8]>,
    spare: Vec<Vec<u8>>,
    counts: StreamCounts,
    shaking: Shaking,
}

/// Connections that one source has made to us.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    all: usize,
    guests: usize,
}

/// Whose connections are counted together: an IPv4 address, or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    V4(u32),
    V6(u64),
}

impl Source {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(u32::from(ip)),
            IpAddr::V6(ip) => Self::V6((u128::from(ip) >> 64) as u64),
        }
    }
}

/// Tokens of listeners begin here; below stand the loop's own. Connections' tokens are their ids, which lie above 2^32.
pub const FIRST_TOKEN: usize = 1 << 16;

impl Streams {
    /// No streams yet.
    #[must_use]
    pub fn new(settings: Settings, registry: Registry) -> Self {
        Self {
            settings,
            registry,
            listening: Vec::new(),
            addresses: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            live: 0,
            guests: Seats::default(),
            by_remote: HashMap::new(),
            per_source: HashMap::new(),
            deadlines: BTreeSet::new(),
            dirty: Vec::new(),
            readable: VecDeque::new(),
            news: VecDeque::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            spare: Vec::new(),
            counts: StreamCounts::default(),
            shaking: Shaking::default(),
        }
    }

    /// Connections open now.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live
    }

    /// Of them, those of unlisted machines that have proven nothing yet.
    #[must_use]
    pub fn guests(&self) -> usize {
        self.guests.taken()
    }

    /// Whether a connection is one of them.
    #[must_use]
    pub fn is_guest(&self, id: ConnectionId) -> bool {
        self.connection(id).is_some_and(|connection| connection.guest)
    }

    /// Running counts.
    #[must_use]
    pub fn counts(&self) -> &StreamCounts {
        &self.counts
    }

    /// Opens a listener. Fails with cause and cure.
    pub fn listen(
        &mut self,
        listener: ListenerId,
        transport: Transport,
        address: SocketAddr,
    ) -> Result<SocketAddr, Refused> {
        let refused = |source| Refused { what: format!("{transport} {address}"), source };
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(refused)?;
        if address.is_ipv6() {
            socket.set_only_v6(true).map_err(refused)?;
        }
        // A restart must not wait for old connections in TIME-WAIT.
        socket.set_reuse_address(true).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        // Accepted connections inherit both.
        socket.set_tcp_nodelay(true).map_err(refused)?;
        socket.set_keepalive(true).map_err(refused)?;
        socket.bind(&address.into()).map_err(refused)?;
        socket.listen(BACKLOG).map_err(refused)?;
        let mut socket = TcpListener::from_std(socket.into());
        let token = Token(FIRST_TOKEN + self.listening.len());
        self.registry.register(&mut socket, token, Interest::READABLE).map_err(refused)?;
        let bound = socket.local_addr().map_err(refused)?;
        self.addresses.insert(listener, bound.ip());
        self.listening.push(Listening { listener, transport, socket, again: None });
        Ok(bound)
    }

    /// Lets streams leave from a listener's address without listening there.
    pub fn leave_from(&mut self, listener: ListenerId, address: IpAddr) {
        self.addresses.entry(listener).or_insert(address);
    }

    /// One event of the poll whose token is `FIRST_TOKEN` or above. `who` says whose a source is.
    pub fn on_event(&mut self, now: Tick, event: &Event, who: Who<'_>) {
        let token = event.token().0;
        if token <= u32::MAX as usize {
            self.accept(now, token - FIRST_TOKEN, who);
            return;
        }
        let id = ConnectionId(token as u64);
        let Some(connection) = slot(&mut self.slots, id) else { return };
        // The poll tells an end once; it may come together with bytes that do not fill a read.
        connection.ended |= event.is_read_closed() || event.is_error();
        let connecting = matches!(connection.stage, Stage::Connecting { .. });
        if connecting {
            self.on_connected(now, id);
        } else if event.is_writable() && connection.unwritten() > 0 {
            self.mark_dirty(id);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.push_back(id);
        }
    }

    /// Goes on with listeners whose queue was not emptied, and cuts what did not move in time.
    pub fn on_time(&mut self, now: Tick, who: Who<'_>) {
        for index in 0..self.listening.len() {
            if self.listening.get(index).is_some_and(|l| l.again.is_some_and(|at| at <= now)) {
                self.accept(now, index, who);
            }
        }
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.remove(&(at, id));
            let settings = &self.settings;
            let Some(connection) = slot(&mut self.slots, id) else { continue };
            let (due, cut) = connection.due(settings);
            if due > now {
                connection.armed = due;
                self.deadlines.insert((due, id));
            } else if cut == Cut::Guest && self.follow_list(id, who) {
                // A name of a peer leads there by now: it has the other deadlines still.
                self.deadlines.insert((at, id));
            } else {
                if cut == Cut::Handshake {
                    let refusal = Refusal::new(Cause::Late, "the handshake was not done in time");
                    self.tell_refused(id, false, refusal);
                }
                self.count_cut(cut);
                self.remove(id);
            }
        }
    }

    /// When `on_time` must be called next; a time already past when reads wait.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Tick> {
        if !self.readable.is_empty() {
            return Some(Tick::ZERO);
        }
        let accept = self.listening.iter().filter_map(|l| l.again).min();
        let cut = self.deadlines.first().map(|&(at, _)| at);
        [accept, cut].into_iter().flatten().min()
    }

    /// The next thing the engine must hear of.
    pub fn next_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}

/// The connection of an id, if it still lives. A function of the slots alone, so that other fields stay free.
fn slot(slots: &mut [Slot], id: ConnectionId) -> Option<&mut Connection> {
    slots.get_mut(slot_index(id) as usize)?.connection.as_mut().filter(|c| c.flow.connection == id)
}

/// The lower half of an id is its place; the upper half says whose turn it is there.
fn slot_index(id: ConnectionId) -> u32 {
    u32::try_from(id.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
