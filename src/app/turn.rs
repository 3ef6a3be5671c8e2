//! The one loop: wait, read the clock once, serve everything that is ready, send once, wait again.
//!
//! Owns the order of a turn and its bounds. Refuses to know what inputs mean.
//! Read first: DESIGN.md §3, the law of the loop; epoll(7) about edges.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::command::Command;
use super::shell::Shell;
use crate::clock::{Clock, Now, Tick};
use crate::engine::{Engine, Input};
use crate::net::Inbox;
use crate::net::stream::{FIRST_TOKEN, READS_PER_WAKE_UP, Reading};
use crate::net::tls::Book;
use crate::policy::Policy;
use crate::sip::framing::Framed;
use crate::sip::parse::Limits;
use crate::sip::{ConnectionId, Flow, ListenerId, Transport};

/// Batches of one socket in one turn; the rest waits for the next, so that no socket starves another.
const BATCHES_PER_TURN: usize = 8;
/// Rounds of telling the engine about broken sockets and sending what it says, in one turn.
const ROUNDS_PER_TURN: usize = 4;
/// Events of one wait.
const EVENTS: usize = 1_024;
/// The system took no more datagrams: tried again after.
const BLOCKED_AGAIN: Duration = Duration::from_millis(1);
/// After `Stop` the engine ends everything; what has not ended then is left behind.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The token of the bell that says a command came; datagram sockets follow.
const BELL: Token = Token(0);

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Calls that had to be ended by us.
    pub cut: usize,
    /// Everything was ended properly.
    pub whole: bool,
}

/// Everything on the path of a message.
pub struct Loop {
    poll: Poll,
    clock: Clock,
    engine: Engine,
    policy: Arc<Policy>,
    limits: Limits,
    /// The same for streams of machines that no peer lists, until they have proven who they are.
    guest_limits: Limits,
    shell: Shell,
    inbox: Inbox,
    commands: Receiver<Command>,
    waker: Arc<Waker>,
    /// Datagram sockets that may have more, by index.
    ready: Vec<bool>,
    next_query: u64,
    stop_by: Option<Tick>,
}

/// What the loop is made of.
pub struct Parts {
    /// Where sockets are registered.
    pub poll: Poll,
    /// The one clock.
    pub clock: Clock,
    /// The engine under its first policy.
    pub engine: Engine,
    /// That policy.
    pub policy: Arc<Policy>,
    /// Limits of framing.
    pub limits: Limits,
    /// Those of guests' streams.
    pub guest_limits: Limits,
    /// Sockets and sinks.
    pub shell: Shell,
    /// Commands from beside.
    pub commands: Receiver<Command>,
    /// Wakes the poll from beside.
    pub waker: Arc<Waker>,
}

/// The bell that wakes the loop for a command.
pub fn bell(poll: &Poll) -> io::Result<Waker> {
    Waker::new(poll.registry(), BELL)
}

impl Loop {
    /// Registers the datagram sockets.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts { poll, clock, engine, policy, limits, guest_limits, shell, commands, waker } = parts;
        for (index, port) in shell.ports.iter().enumerate() {
            poll.registry().register(&mut SourceFd(&port.raw()), Token(index + 1), Interest::READABLE)?;
        }
        let ready = vec![false; shell.ports.len()];
        Ok(Self {
            poll,
            clock,
            engine,
            policy,
            limits,
            guest_limits,
            shell,
            inbox: Inbox::new(),
            commands,
            waker,
            ready,
            next_query: 0,
            stop_by: None,
        })
    }

    /// Runs until draining is over. Gives the sinks back, which have lines to write.
    pub fn run(mut self) -> (io::Result<Ended>, crate::sinks::Sinks) {
        let ended = self.serve();
        // By now every call has closed its media; what a stop at once left open is closed here.
        self.shell.media.stop();
        (ended, self.shell.sinks)
    }

    fn serve(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(EVENTS);
        // The engine may have something to say before anything happens (probes).
        let now = self.clock.now();
        if let Some(rows) = self.shell.sinks.recalled() {
            self.engine.handle(now, Input::Recall(rows));
        }
        self.engine.handle(now, Input::Wake);
        self.shell.drain(&mut self.engine, now);
        self.send(now);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let now = self.clock.now();
            self.turn(now, &events);
            if let Some(cut) = self.shell.drained {
                return Ok(Ended { cut, whole: true });
            }
            if self.stop_by.is_some_and(|by| by <= now.tick) {
                return Ok(Ended { cut: 0, whole: false });
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.ready.contains(&true) || self.shell.media.has_more() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.tick();
        let blocked = self.shell.is_blocked() || self.shell.media.is_behind();
        let blocked = blocked.then(|| now.after(BLOCKED_AGAIN));
        let deadlines = [self.shell.wait, self.shell.streams.next_deadline(), blocked, self.stop_by];
        deadlines.into_iter().flatten().min().map(|at| at.since(now))
    }

    fn turn(&mut self, now: Now, events: &Events) {
        self.shell.counts.wake_ups += 1;
        let engine = &self.engine;
        let who = |listener: ListenerId, ip: IpAddr| engine.meets(now.tick, listener, ip);
        let mut rung = false;
        for event in events {
            match event.token() {
                BELL => rung = true,
                token if token.0 >= FIRST_TOKEN => self.shell.streams.on_event(now.tick, event, &who),
                token => {
                    if let Some(ready) = self.ready.get_mut(token.0 - 1) {
                        *ready = true;
                    }
                }
            }
        }
        self.shell.streams.on_time(now.tick, &who);
        self.shell.streams.take_done(now.tick);
        // Before their first message: who has proven itself by a certificate must be known by then.
        self.shell.tell(&mut self.engine, now);
        for index in 0..self.ready.len() {
            if self.ready.get(index) == Some(&true) {
                self.datagrams(now, index);
            }
        }
        // Those that wait now; who has more comes behind them, and with the next turn.
        for _ in 0..self.shell.streams.readable() {
            let Some(id) = self.shell.streams.next_readable() else { break };
            self.stream(now, id);
        }
        if self.shell.wait.is_some_and(|at| at <= now.tick) {
            self.input(now, Input::Wake);
        }
        self.shell.tell_media(&mut self.engine, now);
        if rung {
            self.commands(now);
        }
        self.send(now);
    }

    fn input(&mut self, now: Now, input: Input<'_>) {
        self.engine.handle(now, input);
        self.shell.drain(&mut self.engine, now);
    }

    fn datagrams(&mut self, now: Now, index: usize) {
        for _ in 0..BATCHES_PER_TURN {
            let Some(port) = self.shell.ports.get(index) else { return };
            let listener = port.listener;
            let count = match self.inbox.receive(port.socket()) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.shell.counts.receive_errors += 1;
                    }
                    self.rest(index);
                    return;
                }
            };
            self.shell.counts.received += count as u64;
            for place in 0..count {
                let Some((remote, bytes)) = self.inbox.datagram(place) else { continue };
                let flow =
                    Flow { listener, transport: Transport::Udp, remote, connection: ConnectionId::NONE };
                self.engine.handle(now, Input::Frame { flow, frame: bytes.into() });
                self.shell.drain(&mut self.engine, now);
            }
            if self.inbox.is_drained() {
                self.rest(index);
                return;
            }
        }
    }

    fn rest(&mut self, index: usize) {
        if let Some(ready) = self.ready.get_mut(index) {
            *ready = false;
        }
    }

    fn stream(&mut self, now: Now, id: ConnectionId) {
        for _ in 0..READS_PER_WAKE_UP {
            let Some(reading) = self.shell.streams.read(now.tick, id) else { return };
            if !self.frames(now, reading) {
                return;
            }
        }
        self.shell.streams.read_later(id);
    }

    /// Hands on what one read brought. True when the stream may have more.
    fn frames(&mut self, now: Now, mut reading: Reading) -> bool {
        let flow = reading.flow;
        let mut guest = self.shell.streams.is_guest(flow.connection);
        loop {
            let limits = if guest { &self.guest_limits } else { &self.limits };
            match reading.framer.next(limits) {
                Ok(Some(Framed::Message(frame))) => {
                    reading.messages += 1;
                    self.engine.handle(now, Input::Frame { flow, frame });
                    self.shell.drain(&mut self.engine, now);
                    // It may have proven with this very message who it is.
                    guest = guest && self.shell.streams.is_guest(flow.connection);
                }
                Ok(Some(Framed::KeepAlivePing)) => self.shell.streams.pong(flow.connection),
                Ok(Some(Framed::Pong)) => {}
                Ok(None) => return self.shell.streams.give_back(now.tick, reading),
                Err(malformed) => {
                    self.input(now, Input::Broken { flow, malformed });
                    self.shell.streams.close(now.tick, flow.connection);
                    return false;
                }
            }
        }
    }

    /// Sends, tells the engine what could not be sent, and sends what it says to that.
    fn send(&mut self, now: Now) {
        for _ in 0..ROUNDS_PER_TURN {
            self.shell.flush(now.tick);
            if !self.shell.tell(&mut self.engine, now) {
                return;
            }
        }
        self.shell.flush(now.tick);
    }

    /// Other terms of TLS, and perhaps other peers: whoever is not known any more, or not well enough, is closed.
    fn cover(&mut self, now: Now, book: Arc<Book>) {
        if let Err(error) = self.shell.streams.cover(book, &self.waker) {
            tracing::error!(%error, "the system gives no thread for handshakes: no new connection over TLS comes up");
        }
        let who = |listener, ip| self.engine.party_at(listener, ip);
        self.shell.streams.close_unknown(now.tick, &who);
    }

    fn commands(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Ask(query, place) => {
                    self.next_query += 1;
                    self.shell.asked.insert(self.next_query, place);
                    self.input(now, Input::Query { id: self.next_query, query });
                }
                Command::Reload { policy, book, alert } => {
                    self.policy = Arc::clone(&policy);
                    self.input(now, Input::Reload(policy));
                    self.cover(now, book);
                    self.shell.sinks.alert(alert);
                }
                Command::Certificates { book, alert } => {
                    self.cover(now, book);
                    self.shell.sinks.alert(alert);
                }
                Command::Resolved { party, resolution } => {
                    self.input(now, Input::Resolved { party, resolution });
                }
                Command::Alert(alert) => self.shell.sinks.alert(alert),
                Command::Reopen => self.shell.sinks.reopen(),
                Command::Drain { patience } => self.input(now, Input::Drain { patience }),
                Command::Stop => {
                    self.stop_by = self.stop_by.or(Some(now.tick.after(STOP_PATIENCE)));
                    self.input(now, Input::Stop);
                }
            }
        }
    }
}
