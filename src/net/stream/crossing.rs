//! Bytes on streams: reads into frames, sends over the right connection, one write for each wake-up.
//!
//! Owns the choice of a connection for a hop and the flush. Refuses to know who listens and what frames mean.
//! Read first: RFC 3261 §18.1.1, §18.2.2; RFC 5626 §3.5.1, §4.4.1.

use std::io::{self, Read};

use super::connection::{Connection, Cover, Cut, Flush, Stage};
use super::{News, Reading, Streams, WAITING_HOPS_MAX, slot, slot_index};
use crate::clock::Tick;
use crate::sip::{ConnectionId, Hop, PartyId, Transport};

impl Streams {
    /// How many connections may have bytes now.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.readable.len()
    }

    /// The next of them, to be given to `read`.
    pub fn next_readable(&mut self) -> Option<ConnectionId> {
        self.readable.pop_front()
    }

    /// There may be more on this one, but others have their turn first.
    pub fn read_later(&mut self, id: ConnectionId) {
        self.readable.push_back(id);
    }

    /// Reads once. The caller hands the frames on, counts them in `Reading::messages`, and gives the reading back.
    /// `None`: nothing to read, or the stream has ended (then there is news of it).
    pub fn read(&mut self, now: Tick, id: ConnectionId) -> Option<Reading> {
        loop {
            let connection = slot(&mut self.slots, id)?;
            if matches!(connection.stage, Stage::Shaking { .. }) {
                self.shake(now, id);
                return None;
            }
            if let Cover::Tls { session: Some(session), .. } = &connection.cover
                && session.ended
                && !connection.fed
            {
                self.close(now, id);
                return None;
            }
            if std::mem::take(&mut connection.fed) {
                let framer = std::mem::take(&mut connection.framer);
                return Some(Reading { flow: connection.flow, framer, messages: 0, full: true });
            }
            match connection.socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.remove(id);
                    return None;
                }
                Ok(count) => {
                    if matches!(connection.stage, Stage::Closing { .. }) {
                        // Thrown away, until the far side ends it or the deadline comes.
                        self.read_later(id);
                        return None;
                    }
                    let full = count == self.buffer.len();
                    let bytes = self.buffer.get_mut(..count)?;
                    let Cover::Tls { session: Some(session), .. } = &mut connection.cover else {
                        let mut framer = std::mem::take(&mut connection.framer);
                        framer.push(bytes);
                        return Some(Reading { flow: connection.flow, framer, messages: 0, full });
                    };
                    let (mut came, mut records) = (false, Vec::new());
                    let fed = session.feed(bytes, &mut records, &mut |plain| {
                        came = true;
                        connection.framer.push(plain);
                    });
                    connection.ended |= session.ended;
                    connection.fed = came;
                    if !records.is_empty() {
                        connection.push_records(&records, &mut self.spare);
                        self.mark_dirty(id);
                    }
                    if let Err(refusal) = fed {
                        self.refuse(now, id, refusal);
                        return None;
                    }
                    // Records that carry nothing of SIP are no sign of life.
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.remove(id);
                    return None;
                }
            }
        }
    }

    /// Takes the framer back and sets the deadlines. `true`: there may be more, or the end is to be read.
    pub fn give_back(&mut self, now: Tick, reading: Reading) -> bool {
        let Some(connection) = slot(&mut self.slots, reading.flow.connection) else { return false };
        connection.heard(now, reading.messages, reading.framer.pending());
        connection.framer = reading.framer;
        // Attack row F1: whoever has proven nothing has us hold what is unfinished, and no room that was needed once.
        if connection.guest {
            connection.framer.trim();
        }
        let more = reading.full || connection.ended;
        self.rearm(reading.flow.connection);
        more
    }

    /// Sends over the hop's own connection while it lives, else over any living one between the same ends, else over a
    /// new one. What cannot be sent becomes news.
    pub fn send(&mut self, now: Tick, hop: &Hop, bytes: &[u8]) {
        let Some(id) = self.find(hop).or_else(|| self.connect(now, hop)) else {
            self.counts.connect_failed += 1;
            self.news.push_back(News::Unsendable(*hop));
            return;
        };
        let bytes_max = self.settings.write_queue_bytes_max;
        let Some(connection) = slot(&mut self.slots, id) else { return };
        if connection.unwritten() + bytes.len() > bytes_max {
            let told = connection.stage == Stage::Open && connection.unwritten() > 0;
            self.count_cut(Cut::Write);
            self.remove(id);
            if !told {
                self.news.push_back(News::Unsendable(*hop));
            }
            return;
        }
        connection.push(bytes, &mut self.spare);
        match connection.stage {
            Stage::Connecting { .. } | Stage::Shaking { .. } => {
                if connection.waiting.len() < WAITING_HOPS_MAX && !connection.waiting.contains(hop) {
                    connection.waiting.push(*hop);
                }
            }
            Stage::Open | Stage::Closing { .. } => self.mark_dirty(id),
        }
    }

    /// RFC 5626 §4.4.1: a double CRLF is answered by a single one. One for each read is enough to show life.
    pub fn pong(&mut self, id: ConnectionId) {
        let bytes_max = self.settings.write_queue_bytes_max;
        let Some(connection) = slot(&mut self.slots, id) else { return };
        if connection.stage == Stage::Open && connection.unwritten() < bytes_max {
            connection.push(b"\r\n", &mut self.spare);
            self.mark_dirty(id);
        }
    }

    /// Writes what this wake-up left on each connection.
    pub fn flush(&mut self, now: Tick) {
        while let Some(id) = self.dirty.pop() {
            let Some(connection) = slot(&mut self.slots, id) else { continue };
            connection.dirty = false;
            match connection.flush(now, &mut self.spare) {
                Flush::Empty => {
                    if matches!(connection.stage, Stage::Closing { .. }) {
                        self.shut(id);
                    }
                }
                Flush::Full => self.rearm(id),
                Flush::Broken => self.remove(id),
                Flush::Unsayable(refusal) => self.refuse(now, id, refusal),
            }
        }
    }

    fn find(&self, hop: &Hop) -> Option<ConnectionId> {
        let usable = |id: ConnectionId| {
            let connection = self.connection(id)?;
            match connection.stage {
                Stage::Open | Stage::Connecting { .. } | Stage::Shaking { .. } => Some(id),
                Stage::Closing { .. } => None,
            }
        };
        if hop.transport == Transport::Udp {
            return None;
        }
        usable(hop.connection).or_else(|| {
            let party = if hop.transport == Transport::Tls { hop.party } else { PartyId::NONE };
            let key = (hop.listener, hop.transport, hop.remote, party);
            self.by_remote.get(&key).copied().and_then(usable)
        })
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots.get(slot_index(id) as usize)?.connection.as_ref().filter(|c| c.flow.connection == id)
    }

    pub(super) fn mark_dirty(&mut self, id: ConnectionId) {
        if let Some(connection) = slot(&mut self.slots, id)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Puts the deadline forward when it came nearer. One that moved away is found out when it is looked at.
    pub(super) fn rearm(&mut self, id: ConnectionId) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        let due = connection.due(&self.settings).0;
        if due < connection.armed {
            self.deadlines.remove(&(connection.armed, id));
            connection.armed = due;
            self.deadlines.insert((due, id));
        }
    }
}
