//! What the engine asks for, carried out: the one `match` over `Output`.
//!
//! Owns the sockets and sinks while the loop runs. Refuses to know when the engine is called.
//! Read first: `turn.rs`; DESIGN.md §3, the law of the loop.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::media::{self, Media};
use super::refused;
use crate::clock::{Now, Tick};
use crate::engine::{Engine, Input, Output, Reply};
use crate::net::stream::{Room, StreamCounts};
use crate::net::tls::TlsCounts;
use crate::net::{BATCH, Datagram, News, Outbox, Streams, UdpPort};
use crate::policy::Full;
use crate::sinks::Sinks;
use crate::sip::{ConnectionId, Flow, Hop, ListenerId, PartyId, Transport};

/// What is told of a guest whose connection ended, in words behind "it".
const SILENT: &str = "connected and never sent a whole message: let it send one, or look who connects there.";

/// Running counts of datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DatagramCounts {
    /// Taken.
    pub received: u64,
    /// Given to the system.
    pub sent: u64,
    /// Dropped: no such listener, its queue was full, or larger than a datagram can be.
    pub dropped: u64,
    /// The system refused to send.
    pub unsendable: u64,
    /// Reading a socket failed.
    pub receive_errors: u64,
    /// Turns of the loop.
    pub wake_ups: u64,
}

/// The engine's answer with what only the shell knows.
#[derive(Debug)]
pub struct Answer {
    /// The engine's.
    pub reply: Reply,
    /// Datagrams.
    pub datagrams: DatagramCounts,
    /// Streams.
    pub streams: StreamCounts,
    /// Connections open now.
    pub connections: usize,
    /// Of them, those of machines that no peer lists and that have proven nothing yet.
    pub guests: usize,
    /// TLS.
    pub tls: TlsCounts,
}

/// Sockets, sinks and who waits for an answer.
#[derive(Debug)]
pub struct Shell {
    pub ports: Vec<UdpPort>,
    /// Which port serves a listener, by `ListenerId`.
    pub port_of: Vec<Option<usize>>,
    pub streams: Streams,
    pub outbox: Outbox,
    pub sinks: Sinks,
    pub counts: DatagramCounts,
    pub asked: HashMap<u64, oneshot::Sender<Answer>>,
    /// When the engine wants to be woken.
    pub wait: Option<Tick>,
    /// Draining is over; so many calls were cut.
    pub drained: Option<usize>,
    /// The relay of media; none where the policy anchors none.
    pub media: Media,
    /// Hops whose datagrams the system refused; the engine is told after the flush.
    pub unsendable: Vec<Hop>,
}

impl Shell {
    /// Carries out outputs until the engine waits.
    pub fn drain(&mut self, engine: &mut Engine, now: Now) {
        loop {
            match engine.poll_output() {
                Output::Send { hop, bytes } => match hop.transport {
                    Transport::Udp => self.send_datagram(&hop, bytes),
                    Transport::Tcp | Transport::Tls => self.streams.send(now.tick, &hop, &bytes),
                },
                Output::Close { connection } => self.streams.close(now.tick, connection),
                Output::Proven { connection } => self.streams.proven(connection),
                Output::Record(record) => self.sinks.record(record),
                Output::Alert(alert) => self.sinks.alert(alert),
                Output::Reply { id, reply } => self.answer(id, *reply),
                Output::Media(order) => self.media.order(order),
                Output::Keep(rows) => self.sinks.keep(rows),
                Output::Drained { cut } => self.drained = Some(cut),
                Output::Wait { until, reason: _ } => {
                    self.wait = until;
                    return;
                }
            }
        }
    }

    fn send_datagram(&mut self, hop: &Hop, bytes: bytes::Bytes) {
        let index = self.port_of.get(usize::from(hop.listener.0)).copied().flatten();
        let Some(port) = index.and_then(|index| self.ports.get_mut(index)) else {
            self.counts.dropped += 1;
            self.unsendable.push(*hop);
            return;
        };
        if !port.push(Datagram { remote: hop.remote, bytes }) {
            self.counts.dropped += 1;
        }
        if port.queued() >= BATCH && !port.is_blocked() {
            flush_port(port, &mut self.outbox, &mut self.counts, &mut self.unsendable);
        }
    }

    fn answer(&mut self, id: u64, reply: Reply) {
        let Some(place) = self.asked.remove(&id) else { return };
        let answer = Answer {
            reply,
            datagrams: self.counts,
            streams: self.streams.counts().clone(),
            connections: self.streams.live(),
            guests: self.streams.guests(),
            tls: *self.streams.tls_counts(),
        };
        // Whoever asked may have gone away.
        drop(place.send(answer));
    }

    /// Gives everything that waits to the system: one call for each socket and batch.
    pub fn flush(&mut self, now: Tick) {
        for port in &mut self.ports {
            if port.queued() > 0 {
                flush_port(port, &mut self.outbox, &mut self.counts, &mut self.unsendable);
            }
        }
        self.streams.flush(now);
    }

    /// Tells the engine what the relay told, so much of it in one turn.
    pub fn tell_media(&mut self, engine: &mut Engine, now: Now) {
        for _ in 0..media::NEWS_PER_TURN {
            let Some(news) = self.media.news() else { return };
            engine.handle(now, Input::Media(news));
            self.drain(engine, now);
        }
    }

    /// Tells the engine what became of sockets. False when there was nothing to tell.
    pub fn tell(&mut self, engine: &mut Engine, now: Now) -> bool {
        let mut told = false;
        while let Some(news) = self.streams.next_news() {
            told = true;
            match news {
                News::Closed(connection) => engine.handle(now, Input::Closed { connection }),
                News::Unsendable(hop) => engine.handle(now, Input::Unsendable { hop }),
                News::Stranger(flow) => engine.handle(now, Input::StrangerConnection { flow, why: None }),
                News::Silent(flow) => {
                    engine.handle(now, Input::StrangerConnection { flow, why: Some(SILENT) });
                }
                News::NoRoom(room) => {
                    let full = match room {
                        Room::Table => Full::Connections,
                        Room::Guests => Full::Guests,
                        Room::Source(ip) => Full::Source(Some(ip)),
                    };
                    engine.handle(now, Input::NoRoom { full });
                }
                News::Opened(flow, party) => engine.handle(now, Input::Opened { flow, party }),
                News::Refused { flow, ours, open, refusal } => {
                    let peer = engine.whose(flow.listener, flow.remote.ip());
                    if peer.is_none() && !ours && open {
                        // It was let in, and may have proven whose it is: no stranger that fails handshakes. It is counted.
                        tracing::debug!(remote = %flow.remote, detail = %refusal.detail, "an open session of TLS broke");
                        continue;
                    }
                    if peer.is_none() && !ours {
                        // Anybody may try where somebody may roam: such a one is told of, and banned, as any stranger is.
                        let flow = Flow { connection: ConnectionId::NONE, ..flow };
                        let why = refused::why(&refusal);
                        engine.handle(now, Input::StrangerConnection { flow, why });
                        self.drain(engine, now);
                        continue;
                    }
                    let name = peer.map(|peer| Arc::clone(&peer.name));
                    if let Some(alert) = refused::alert(now.wall, &flow, ours, name, &refusal) {
                        self.sinks.alert(alert);
                    }
                }
            }
            self.drain(engine, now);
        }
        while let Some(hop) = self.unsendable.pop() {
            told = true;
            engine.handle(now, Input::Unsendable { hop });
            self.drain(engine, now);
        }
        told
    }

    /// Whether the system left datagrams behind that are to be tried again soon.
    pub fn is_blocked(&self) -> bool {
        self.ports.iter().any(UdpPort::is_blocked)
    }
}

fn flush_port(
    port: &mut UdpPort,
    outbox: &mut Outbox,
    counts: &mut DatagramCounts,
    unsendable: &mut Vec<Hop>,
) {
    let flushed = port.flush(outbox);
    counts.sent += flushed.sent;
    counts.dropped += flushed.oversize;
    if flushed.oversize > 0 {
        tracing::debug!(
            listener = port.listener.0,
            count = flushed.oversize,
            "dropped: larger than a datagram can be"
        );
    }
    counts.unsendable += flushed.unsendable.len() as u64;
    unsendable.extend(flushed.unsendable.into_iter().map(|(remote, error)| {
        tracing::debug!(%remote, ?error, "a datagram cannot be sent");
        hop_of(port.listener, remote)
    }));
}

fn hop_of(listener: ListenerId, remote: std::net::SocketAddr) -> Hop {
    Hop { listener, transport: Transport::Udp, remote, connection: ConnectionId::NONE, party: PartyId::NONE }
}
