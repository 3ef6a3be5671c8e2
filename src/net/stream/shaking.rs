//! Handshakes of TLS: how a connection goes from its first octets to the first message, and what becomes of one that may not.
//!
//! Owns the way of sessions to the thread beside the loop and back. Refuses to know what rustls does with them.
//! Read first: `tls/beside.rs`; RFC 5923 §5, §6.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use mio::Waker;

use super::connection::{Cover, Stage};
use super::{News, Streams, slot};
use crate::clock::Tick;
use crate::net::tls::beside::{Beside, Done, Work};
use crate::net::tls::{Book, Cause, Refusal, TlsCounts};
use crate::sip::framing::Pending;
use crate::sip::{ConnectionId, Hop};

/// Octets of a handshake that are read at once.
const SHAKE_BYTES: usize = 16 * 1024;

/// What TLS needs of the streams.
#[derive(Debug, Default)]
pub(super) struct Shaking {
    /// On what terms each peer is met.
    pub book: Arc<Book>,
    /// Running counts.
    pub counts: TlsCounts,
    /// The thread; none where TLS is spoken with nobody.
    beside: Option<Beside>,
    /// Connections that wait for their turn at the thread, each once.
    queue: VecDeque<ConnectionId>,
}

impl Streams {
    /// Puts the terms of all peers in force, for connections that begin from here on. The thread for handshakes is started
    /// with the first peer that TLS is spoken with; `waker` wakes the poll of these streams.
    pub fn cover(&mut self, book: Arc<Book>, waker: &Arc<Waker>) -> io::Result<()> {
        if self.shaking.beside.is_none() && !book.is_empty() {
            self.shaking.beside = Some(Beside::start(Arc::clone(waker))?);
        }
        self.shaking.book = book;
        Ok(())
    }

    /// Running counts of TLS.
    #[must_use]
    pub const fn tls_counts(&self) -> &TlsCounts {
        &self.shaking.counts
    }

    /// The next step of a handshake, if there is something to go on with: to the thread, or into the line for it.
    pub(super) fn shake(&mut self, now: Tick, id: ConnectionId) {
        let Some(beside) = &mut self.shaking.beside else { return };
        let Some(connection) = slot(&mut self.slots, id) else { return };
        let Cover::Tls { terms, session, away, .. } = &mut connection.cover else { return };
        if *away {
            return;
        }
        if !beside.has_room() {
            *away = true;
            self.shaking.queue.push_back(id);
            return;
        }
        let work = if connection.ours && session.is_none() {
            Work::Call(terms.client(), terms.server_name(connection.flow.remote.ip()))
        } else {
            let buffer = self.buffer.get_mut(..SHAKE_BYTES).unwrap_or_default();
            match connection.socket.read(buffer) {
                Ok(0) => {
                    return self.refuse(now, id, Refusal::new(Cause::HungUp, "closed in the handshake"));
                }
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                    match session.take() {
                        Some(session) => Work::GoOn(session, bytes),
                        None => Work::Answer(terms.server(), bytes),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.read_later(id),
                Err(_) => {
                    return self.refuse(now, id, Refusal::new(Cause::HungUp, "reset in the handshake"));
                }
            }
        };
        *away = true;
        // There was room a moment ago: only a thread that is gone takes nothing.
        if beside.hand_over(id, work).is_err() {
            self.refuse(now, id, Refusal::new(Cause::Broken, "no thread for handshakes"));
        }
    }

    /// Takes back what the thread has done, and hands it what waits.
    pub fn take_done(&mut self, now: Tick) {
        while let Some(done) = self.shaking.beside.as_mut().and_then(Beside::next_done) {
            self.done(now, done);
        }
        while self.shaking.beside.as_ref().is_some_and(Beside::has_room)
            && let Some(id) = self.shaking.queue.pop_front()
        {
            if let Some(connection) = slot(&mut self.slots, id)
                && let Cover::Tls { away, .. } = &mut connection.cover
            {
                *away = false;
                self.shake(now, id);
            }
        }
    }

    fn done(&mut self, now: Tick, done: Done) {
        let id = done.id;
        let Some(connection) = slot(&mut self.slots, id) else { return };
        connection.push_records(&done.out, &mut self.spare);
        let Cover::Tls { session, away, .. } = &mut connection.cover else { return };
        *away = false;
        let begun = done.session.as_ref().is_some_and(|session| !session.is_handshaking());
        *session = done.session;
        match done.result {
            Err(refusal) => self.refuse(now, id, refusal),
            Ok(()) if begun => {
                if !done.heard.is_empty() {
                    connection.framer.push(&done.heard);
                    connection.fed = true;
                }
                self.shaken(now, id);
            }
            Ok(()) => {
                self.mark_dirty(id);
                self.read_later(id);
            }
        }
    }

    /// Both sides are known: messages may cross.
    fn shaken(&mut self, now: Tick, id: ConnectionId) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        let Cover::Tls { session: Some(session), party, .. } = &connection.cover else { return };
        let (flow, party) = (connection.flow, *party);
        self.shaking.counts.handshakes += 1;
        self.shaking.counts.resumed += u64::from(session.is_resumed());
        let proven = session.is_proven();
        connection.stage = Stage::Open;
        connection.waiting.clear();
        connection.heard(now, 0, Pending::Nothing);
        let key = connection.key();
        // RFC 5923 §5: a connection that the far side made is used for requests of ours only where it has proven itself.
        if !connection.ours && proven {
            self.proven(id);
            self.by_remote.insert(key, id);
            self.news.push_back(News::Opened(flow, party));
        }
        self.mark_dirty(id);
        self.read_later(id);
        self.rearm(id);
    }

    /// Closes a connection that TLS did not let pass: the far side still gets its alert, and everybody is told.
    pub(super) fn refuse(&mut self, now: Tick, id: ConnectionId, refusal: Refusal) {
        let Some(connection) = slot(&mut self.slots, id) else { return };
        let (flow, key) = (connection.flow, connection.key());
        let open = matches!(connection.stage, Stage::Open);
        match connection.stage {
            Stage::Connecting { .. } | Stage::Shaking { .. } => {
                self.news.extend(connection.waiting.drain(..).map(News::Unsendable));
            }
            Stage::Open => {
                self.news.push_back(News::Closed(id));
                if connection.unwritten() > 0 {
                    self.news
                        .push_back(News::Unsendable(Hop { connection: ConnectionId::NONE, ..flow.back() }));
                }
            }
            Stage::Closing { .. } => return,
        }
        connection.stage = Stage::Closing { since: now };
        connection.silence();
        self.tell_refused(id, open, refusal);
        self.forget_remote(key, id);
        self.mark_dirty(id);
        self.read_later(id);
        self.rearm(id);
    }

    /// Counts a refusal and makes news of it; `open` where the connection had been let in before.
    pub(super) fn tell_refused(&mut self, id: ConnectionId, open: bool, refusal: Refusal) {
        self.shaking.counts.count(refusal.cause);
        let Some(connection) = slot(&mut self.slots, id) else { return };
        connection.told = true;
        let (flow, ours) = (connection.flow, connection.ours);
        self.news.push_back(News::Refused { flow, ours, open, refusal: Box::new(refusal) });
    }
}
