//! The process: opens what the policy names, runs the one loop, and says how it ended.
//!
//! Owns start and end. The loop (`turn`) has this thread to itself; signals, the control socket, the watch on the policy
//! file and the reading of a new one stand beside it (`beside`), sinks write on threads of their own.
//! Read first: DESIGN.md §3; `turn.rs`.

mod banner;
mod beside;
mod certificates;
mod command;
pub mod explain;
mod media;
pub mod number;
pub mod orders;
mod refused;
mod reload;
pub mod replay;
pub mod secret;
mod shell;
mod status;
pub mod terminal;
mod turn;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use mio::Poll;

use crate::admin::serve::ControlSocket;
use crate::call::Random;
use crate::clock::Clock;
use crate::config::{self, Config, Source};
use crate::engine::Engine;
use crate::net::files::FileLimit;
use crate::net::tls::Book;
use crate::net::{Outbox, Streams, UdpPort};
use crate::policy::media::SiteMedia;
use crate::policy::{Listener, Names};
use crate::sinks::{Sinks, log};
use crate::sip::Transport;

use beside::Beside;
use command::Doorbell;
use media::Media;
use shell::{DatagramCounts, Shell};
use turn::{Loop, Parts};

pub use turn::Ended;

/// Why the edge did not start, or did not go on: one text for the terminal, with cause and cure.
#[derive(Debug)]
pub struct Failed(String);

impl Failed {
    fn new(cause: impl fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Runs the edge under the policy of a file until it is stopped.
pub fn run(file: &Path) -> Result<Ended, Failed> {
    let mut names = Names::default();
    let source = Source::read(file).map_err(Failed::new)?;
    let config = config::load(&source, &mut names, 1).map_err(Failed::new)?;
    let log = log::start(&config.sinks.log).map_err(Failed)?;
    let ended = serve(file, &source, config, names);
    log.finish();
    ended
}

fn serve(file: &Path, source: &Source, mut config: Config, names: Names) -> Result<Ended, Failed> {
    let (connections_max, sockets_max) =
        (config.net.connections_max, config.policy.media.as_ref().map_or(0, SiteMedia::ports_max));
    // Twice: half of them only make packets cheaper, and are done without where they cannot be had.
    let limit = FileLimit::raise(connections_max.saturating_add(sockets_max.saturating_mul(2)));
    limit.check(connections_max, sockets_max).map_err(Failed)?;
    let control = match &config.admin.socket {
        Some(path) => Some(ControlSocket::bind(path).map_err(Failed::new)?),
        None => None,
    };
    let poll = Poll::new().map_err(|error| Failed(format!("the system gives no poll: {error}")))?;
    let (mut shell, clock) = (open(&poll, &config)?, Clock::start());
    let waker = turn::bell(&poll).map_err(|error| Failed(format!("the system gives no wake-up: {error}")))?;
    let waker = Arc::new(waker);
    if let Some(site) = &config.policy.media {
        shell.media =
            Media::start(site, limit.left(connections_max, sockets_max), clock, &waker).map_err(Failed)?;
    }
    let book = Arc::new(config.tls.book(&Book::default()).map_err(Failed)?);
    shell
        .streams
        .cover(Arc::clone(&book), &waker)
        .map_err(|error| Failed(format!("the system gives no thread: {error}")))?;
    let (sender, commands) = channel();
    let doorbell = Doorbell::new(sender, Arc::clone(&waker));
    let mut engine = Engine::new(clock.now(), config.engine.clone(), Arc::clone(&config.policy), random()?);
    if let Some(fingerprint) = shell.media.fingerprint.take() {
        engine.prove_media_by(fingerprint);
    }
    banner::say(file, &config);
    let meter = shell.sinks.meter();
    let parts = Parts {
        poll,
        clock,
        engine,
        policy: Arc::clone(&config.policy),
        limits: config.engine.limits.clone(),
        guest_limits: config.engine.limits.within(config.net.guest_message_bytes_max),
        shell,
        commands,
        waker,
    };
    let reader = reload::Reader::new(file, source, config, names, book);
    let beside = Beside::start(reader, doorbell, control, clock, meter)
        .map_err(|error| Failed(format!("the system gives no thread: {error}")))?;
    let (ended, sinks) = Loop::new(parts)
        .map_err(|error| Failed(format!("the system cannot watch the sockets: {error}")))?
        .run();
    beside.end();
    let written = sinks.finish();
    let ended = ended.map_err(|error| Failed(format!("the system's poll failed: {error}")))?;
    banner::farewell(ended);
    // A call record that is not on the disk is told by the exit code, too: whoever bills by them must know.
    written.map_err(Failed::new)?;
    Ok(ended)
}

/// Opens every listener and every sink.
fn open(poll: &Poll, config: &Config) -> Result<Shell, Failed> {
    let registry = poll
        .registry()
        .try_clone()
        .map_err(|error| Failed(format!("the system gives no second poll: {error}")))?;
    let mut streams = Streams::new(config.net.clone(), registry);
    let mut ports = Vec::new();
    let mut port_of = vec![None; config.policy.listeners.len()];
    for listener in config.policy.listeners.iter().flatten() {
        open_listener(listener, config, &mut streams, &mut ports, &mut port_of)?;
    }
    let sinks = Sinks::start(&config.sinks).map_err(Failed::new)?;
    Ok(Shell {
        ports,
        port_of,
        streams,
        outbox: Outbox::new(),
        sinks,
        counts: DatagramCounts::default(),
        asked: HashMap::new(),
        wait: None,
        drained: None,
        media: Media::default(),
        unsendable: Vec::new(),
    })
}

fn open_listener(
    listener: &Listener,
    config: &Config,
    streams: &mut Streams,
    ports: &mut Vec<UdpPort>,
    port_of: &mut [Option<usize>],
) -> Result<(), Failed> {
    let named = |refused| Failed(format!("listener {}: {refused}", listener.name));
    // Streams may leave from a listener that takes none.
    streams.leave_from(listener.id, listener.bind.ip());
    for transport in &listener.transports {
        match transport {
            Transport::Udp => {
                let port = UdpPort::bind(listener.id, listener.bind, &config.net).map_err(named)?;
                if let Some(place) = port_of.get_mut(usize::from(listener.id.0)) {
                    *place = Some(ports.len());
                }
                ports.push(port);
            }
            Transport::Tcp | Transport::Tls => {
                streams.listen(listener.id, *transport, listener.bind).map_err(named)?;
            }
        }
    }
    Ok(())
}

fn random() -> Result<Random, Failed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failed(format!("the system gives no random numbers: {error}")))?;
    Ok(Random::new(seed))
}
