//! How streams come and go: accepted, made, closed, removed.
//!
//! Owns the caps and what is taken back when a connection leaves. Refuses to know frames.
//! Read first: RFC 3261 §18.4; connect(2) about EINPROGRESS.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{Connection, Cover, Cut, Key, Stage};
use super::{ACCEPT_AGAIN, ACCEPTS_PER_WAKE_UP, News, Room, Slot, Source, Streams, Who, slot};
use crate::clock::Tick;
use crate::sip::{ConnectionId, Flow, Hop, Met, PartyId, Transport};

impl Streams {
    /// Takes what waits at a listener, a bounded number.
    pub(super) fn accept(&mut self, now: Tick, index: usize, who: Who<'_>) {
        for _ in 0..ACCEPTS_PER_WAKE_UP {
            let Some(listening) = self.listening.get_mut(index) else { return };
            let (listener, transport) = (listening.listener, listening.transport);
            match listening.socket.accept() {
                Ok((socket, remote)) => {
                    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                    let flow = Flow { listener, transport, remote, connection: ConnectionId::NONE };
                    self.take(now, socket, flow, who);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listening.again = None;
                    return;
                }
                // The one who called hung up before we took the call.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.counts.accept_errors += 1;
                    listening.again = Some(now.after(ACCEPT_AGAIN));
                    return;
                }
            }
        }
        if let Some(listening) = self.listening.get_mut(index) {
            listening.again = Some(now);
        }
    }

    /// One accepted connection: kept if it is listed and there is room, else closed by being dropped.
    fn take(&mut self, now: Tick, socket: TcpStream, flow: Flow, who: Who<'_>) {
        let ip = flow.remote.ip();
        let met = who(flow.listener, ip);
        let cover = met.and_then(|met| self.meet(flow.transport, met.party));
        let (Some(Met { guest, known, .. }), Some(cover)) = (met, cover) else {
            self.counts.strangers += 1;
            self.news.push_back(News::Stranger(flow));
            return;
        };
        if self.live >= self.settings.connections_max {
            self.counts.refused_full += 1;
            self.news.push_back(News::NoRoom(Room::Table));
            return;
        }
        let places = self.per_source.get(&Source::of(ip)).copied().unwrap_or_default();
        if places.all >= self.settings.connections_per_source_max
            || (guest && places.guests >= self.settings.guests_per_source_max)
        {
            self.counts.refused_source += 1;
            self.news.push_back(News::NoRoom(Room::Source(ip)));
            return;
        }
        if guest && !known && !self.make_way(now, &flow) {
            self.counts.refused_guests += 1;
            return;
        }
        let (stage, plain) = match &cover {
            Cover::None => (Stage::Open, true),
            Cover::Tls { .. } => (Stage::Shaking { since: now }, false),
        };
        let key = (flow.listener, flow.transport, flow.remote, PartyId::NONE);
        if let Some(id) = self.insert(now, socket, flow, stage, cover, false) {
            self.counts.accepted += 1;
            self.per_source.entry(Source::of(ip)).or_default().all += 1;
            if guest {
                self.seat_guest(id, known);
            } else {
                self.note_listed(id);
            }
            // Bytes may have come before the registration; the poll tells of them, for it tells what is, at first.
            if plain {
                self.by_remote.insert(key, id);
            }
        } else {
            self.counts.accept_errors += 1;
        }
    }

    /// One whose source is known has its place beside the share of all others: what they take, it need not give up.
    fn seat_guest(&mut self, id: ConnectionId, known: bool) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        connection.guest = true;
        let flow = connection.flow;
        let source = Source::of(flow.remote.ip());
        if !known {
            self.guests.take((flow.listener, flow.transport), source, id);
        }
        self.per_source.entry(source).or_default().guests += 1;
        self.rearm(id);
    }

    /// Whether there is a guest's place. The rest of the table is for peers: no number of guests takes a place of theirs. Where
    /// all are taken, the source that holds most gives up its oldest connection that has said nothing, or else its oldest.
    fn make_way(&mut self, now: Tick, flow: &Flow) -> bool {
        if self.guests.taken() < self.settings.guests_max {
            return true;
        }
        self.news.push_back(News::NoRoom(Room::Guests));
        let door = (flow.listener, flow.transport);
        let Some(crowd) = self.guests.crowd(door, Source::of(flow.remote.ip())) else { return false };
        let mut crowd = crowd.peekable();
        let oldest = crowd.peek().copied();
        let silent = crowd.find(|id| self.connection(*id).is_some_and(Connection::is_silent));
        let making_way = silent.or(oldest);
        drop(crowd);
        let Some(id) = making_way else { return false };
        self.counts.evicted_guests += 1;
        // One that had no time to say anything is not at fault, and nothing is counted against its source.
        let excused = self.settings.handshake_timeout;
        if let Some(connection) = slot(&mut self.slots, id) {
            connection.told |= connection.is_younger_than(excused, now);
        }
        self.remove(id);
        true
    }

    /// Whoever is at the far end has proven who it is, or is listed by now: its place is a peer's from here on.
    pub fn proven(&mut self, id: ConnectionId) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        if !std::mem::take(&mut connection.guest) {
            return;
        }
        let flow = connection.flow;
        let source = Source::of(flow.remote.ip());
        self.guests.leave((flow.listener, flow.transport), source, id);
        if let Some(places) = self.per_source.get_mut(&source) {
            places.guests -= 1;
        }
    }

    fn note_listed(&mut self, id: ConnectionId) {
        if let Some(connection) = slot(&mut self.slots, id) {
            connection.listed = true;
        }
    }

    /// A guest whose source is a peer's by now has that peer's place. Whether it was one.
    pub(super) fn follow_list(&mut self, id: ConnectionId, who: Who<'_>) -> bool {
        let Some(connection) = slot(&mut self.slots, id) else { return false };
        let flow = connection.flow;
        if !connection.guest || who(flow.listener, flow.remote.ip()).is_none_or(|met| met.guest) {
            return false;
        }
        self.proven(id);
        self.note_listed(id);
        true
    }

    /// How a peer is met by a transport; `None` where TLS is to be spoken and there are no terms for it.
    fn meet(&self, transport: Transport, party: PartyId) -> Option<Cover> {
        match transport {
            Transport::Udp => None,
            Transport::Tcp => Some(Cover::None),
            Transport::Tls => {
                let terms = Arc::clone(self.shaking.book.terms(party)?);
                Some(Cover::Tls { terms, party, session: None, away: false })
            }
        }
    }

    /// Calls a far side; `None` when not even that can be begun. Nobody in particular is not called over TLS: nothing says
    /// what it would have to prove.
    pub(super) fn connect(&mut self, now: Tick, hop: &Hop) -> Option<ConnectionId> {
        if self.live >= self.settings.connections_max {
            return None;
        }
        let cover = self.meet(hop.transport, hop.party)?;
        let from = *self.addresses.get(&hop.listener)?;
        let socket = call(from, hop.remote).ok()?;
        let flow = Flow {
            listener: hop.listener,
            transport: hop.transport,
            remote: hop.remote,
            connection: ConnectionId::NONE,
        };
        let id = self.insert(now, socket, flow, Stage::Connecting { since: now }, cover, true)?;
        let key = self.connection(id)?.key();
        self.by_remote.insert(key, id);
        Some(id)
    }

    /// The poll says that something became of our call.
    pub(super) fn on_connected(&mut self, now: Tick, id: ConnectionId) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        if matches!(connection.socket.take_error(), Ok(Some(_)) | Err(_)) {
            self.counts.connect_failed += 1;
            self.remove(id);
            return;
        }
        if connection.socket.peer_addr().is_err() {
            return; // not yet: the event was an early one
        }
        self.counts.connected += 1;
        match &connection.cover {
            Cover::None => {
                connection.stage = Stage::Open;
                connection.waiting.clear();
                connection.heard(now, 0, crate::sip::framing::Pending::Nothing);
                self.mark_dirty(id);
            }
            Cover::Tls { .. } => {
                connection.stage = Stage::Shaking { since: now };
                self.shake(now, id);
            }
        }
        self.rearm(id);
    }

    fn insert(
        &mut self,
        now: Tick,
        mut socket: TcpStream,
        flow: Flow,
        stage: Stage,
        cover: Cover,
        ours: bool,
    ) -> Option<ConnectionId> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                index
            }
        };
        let place = self.slots.get_mut(index as usize)?;
        // Zero is skipped: ids stay above 2^32, and so apart from the other tokens and from `NONE`.
        place.generation = place.generation.checked_add(1).unwrap_or(1);
        let id = ConnectionId(u64::from(place.generation) << 32 | u64::from(index));
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(id.0 as usize);
        if self.registry.register(&mut socket, token, interest).is_err() {
            self.free.push(index);
            return None;
        }
        let flow = Flow { connection: id, ..flow };
        let mut connection = Connection::new(flow, socket, stage, cover, ours, now);
        connection.armed = connection.due(&self.settings).0;
        self.deadlines.insert((connection.armed, id));
        place.connection = Some(connection);
        self.live += 1;
        Some(id)
    }

    /// Closes a stream once what waits is written; from now on it serves nothing else.
    pub fn close(&mut self, now: Tick, id: ConnectionId) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        match connection.stage {
            Stage::Closing { .. } => return,
            Stage::Connecting { .. } | Stage::Shaking { .. } => {
                self.remove(id);
                return;
            }
            Stage::Open => connection.stage = Stage::Closing { since: now },
        }
        let key = connection.key();
        self.forget_remote(key, id);
        self.news.push_back(News::Closed(id));
        self.mark_dirty(id);
        self.rearm(id);
    }

    /// Closes the streams of all that nobody knows any more: a peer that a new policy has removed keeps no way in. So are
    /// those of peers that must prove something else by now than they did.
    pub fn close_unknown(&mut self, now: Tick, who: Who<'_>) {
        let book = &self.shaking.book;
        let stays = |connection: &&Connection| {
            let flow = &connection.flow;
            match (who(flow.listener, flow.remote.ip()), &connection.cover) {
                (None, _) => false,
                // It was let in for a list that names it no more, and has proven nothing: whoever may roam there is asked when
                // it comes again.
                (Some(now), _) if now.guest && connection.listed => false,
                (Some(_), Cover::None) => true,
                // The far end of a connection of ours may be one host of the peer. One without terms any more is of a peer whose
                // calls go on under the policy which admitted them.
                (Some(now), Cover::Tls { party, terms, .. }) => {
                    let same = connection.ours || now.party == *party;
                    same && book.terms(*party).is_none_or(|newer| newer.trust == terms.trust)
                }
            }
        };
        let all = self.slots.iter().filter_map(|slot| slot.connection.as_ref());
        let unknown: Vec<ConnectionId> =
            all.filter(|one| !stays(one)).map(|one| one.flow.connection).collect();
        for id in unknown {
            self.close(now, id);
        }
        let all = self.slots.iter().filter_map(|slot| slot.connection.as_ref());
        let guests: Vec<ConnectionId> = all.filter(|one| one.guest).map(|one| one.flow.connection).collect();
        for id in guests {
            self.follow_list(id, who);
        }
    }

    /// All is written on a closing stream: our side is shut, and the far side has a moment to close its own, so that
    /// the last bytes are not destroyed by a reset.
    pub(super) fn shut(&mut self, id: ConnectionId) {
        if let Some(connection) = slot(&mut self.slots, id)
            && connection.socket.shutdown(Shutdown::Write).is_err()
        {
            self.remove(id);
        }
    }

    /// Takes a connection out of every table and tells what follows from it.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        let index = (id.0 & u64::from(u32::MAX)) as usize;
        // A guest gives its place back as such. One that never said anything whole is counted against its source, so that
        // none goes on for ever taking places.
        if let Some(connection) = self.connection(id)
            && connection.guest
            && connection.is_silent()
            && !connection.told
        {
            self.news.push_back(News::Silent(Flow { connection: ConnectionId::NONE, ..connection.flow }));
        }
        self.proven(id);
        let Some(place) = self.slots.get_mut(index) else { return };
        let Some(connection) = place.connection.take_if(|c| c.flow.connection == id) else { return };
        self.free.push(index as u32);
        self.live -= 1;
        self.deadlines.remove(&(connection.armed, id));
        let flow = connection.flow;
        self.forget_remote(connection.key(), id);
        if !connection.ours {
            self.release_source(flow.remote.ip());
        }
        match connection.stage {
            Stage::Connecting { .. } | Stage::Shaking { .. } => {
                self.news.extend(connection.waiting.iter().map(|hop| News::Unsendable(*hop)));
            }
            Stage::Open => {
                self.news.push_back(News::Closed(id));
                // Whoever called whom: a request among these bytes will not arrive.
                if connection.unwritten() > 0 {
                    let hop = Hop { connection: ConnectionId::NONE, ..flow.back() };
                    self.news.push_back(News::Unsendable(hop));
                }
            }
            Stage::Closing { .. } => {}
        }
    }

    pub(super) fn count_cut(&mut self, cut: Cut) {
        let count = match cut {
            Cut::Connect => &mut self.counts.connect_failed,
            // Counted with the other refusals of TLS.
            Cut::Handshake => return,
            Cut::Head => &mut self.counts.cut_head,
            Cut::Body => &mut self.counts.cut_body,
            Cut::FirstMessage => &mut self.counts.cut_first_message,
            Cut::Guest => &mut self.counts.cut_guest,
            Cut::Idle => &mut self.counts.cut_idle,
            Cut::Write => &mut self.counts.cut_write,
            Cut::Linger => return,
        };
        *count += 1;
    }

    pub(super) fn forget_remote(&mut self, key: Key, id: ConnectionId) {
        if self.by_remote.get(&key) == Some(&id) {
            self.by_remote.remove(&key);
        }
    }

    fn release_source(&mut self, ip: IpAddr) {
        let source = Source::of(ip);
        if let Some(places) = self.per_source.get_mut(&source) {
            places.all -= 1;
            if places.all == 0 {
                self.per_source.remove(&source);
            }
        }
    }
}

/// Begins a call from an address of ours, any port, without waiting.
fn call(from: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
