//! A load over TLS: a PBX that calls and a trunk that answers, on tokio-rustls, for Debian's sipp speaks no TLS.
//!
//! Owns whole calls (INVITE, ACK, a while, BYE) at a rate, over one connection for all or one for each, and the count of how they
//! went. Refuses to know who stands between the two: an edge, another server, or nobody.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ringfence::net::files::FileLimit;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::wire::{answer, header, whole};

/// How long a call may wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes under way at once while connections are opened to be held.
const OPENING_MAX: usize = 32;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
                   a=rtpmap:101 telephone-event/8000\r\n";

/// Which calls have a connection of their own; all others share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// None.
    Nobody,
    /// Every second one.
    Half,
    /// Every one.
    Everybody,
}

impl Own {
    fn has(self, call: usize) -> bool {
        match self {
            Own::Nobody => false,
            Own::Half => call % 2 == 1,
            Own::Everybody => true,
        }
    }
}

/// A load: whom it calls, how often, and who answers.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the PBX calls from.
    pub from: IpAddr,
    /// Where it sends its calls.
    pub to: SocketAddr,
    /// How the PBX makes itself known.
    pub client: Arc<ClientConfig>,
    /// Where the trunk is called.
    pub trunk: SocketAddr,
    /// How the trunk makes itself known.
    pub server: Arc<ServerConfig>,
    /// Calls.
    pub calls: usize,
    /// New calls a second.
    pub rate: u32,
    /// How long each rings.
    pub ring: Duration,
    /// How long each lasts from its answer.
    pub talk: Duration,
    /// Who shares a connection.
    pub own: Own,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Calls that were answered and ended with every answer that they wait for.
    pub good: usize,
    /// The others: why.
    pub failed: Vec<String>,
    /// Calls that the trunk saw end.
    pub ended: usize,
}

impl Counted {
    /// A call is over.
    fn count(&mut self, done: Result<Result<(), String>, JoinError>) {
        match done {
            Ok(Ok(())) => self.good += 1,
            Ok(Err(why)) => self.failed.push(why),
            Err(panic) => self.failed.push(panic.to_string()),
        }
    }
}

/// Plays a load to its end, on this thread.
pub fn play(load: &Load) -> Counted {
    runtime().block_on(async {
        let listener = TcpListener::bind(load.trunk).await.expect("the trunk's address is this load's own");
        let ended = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, Arc::clone(&load.server), load.ring, Arc::clone(&ended)));
        let mut counted = calls(load).await;
        counted.ended = ended.load(Ordering::SeqCst);
        counted
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of one thread")
}

/// Places each call when its time has come, whatever became of those before it.
async fn calls(load: &Load) -> Counted {
    // Another load against the same edge must not repeat what this one was called.
    let salt = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let began = Instant::now();
    let mut counted = Counted::default();
    let shared = match Line::open(load).await {
        Ok(line) => Arc::new(line),
        Err(why) => {
            counted.failed.push(format!("the shared connection: {why}"));
            return counted;
        }
    };
    let mut live = JoinSet::new();
    for call in 0..load.calls {
        let due = Duration::from_secs(call as u64) / load.rate;
        sleep_until(began + due).await;
        let (load, shared) = (load.clone(), Arc::clone(&shared));
        live.spawn(async move {
            let id = format!("{call}-{salt}");
            let spoken = if load.own.has(call) {
                let line = Line::open(&load).await.map_err(|why| format!("{id}: a connection: {why}"))?;
                line.call(&id, load.talk).await
            } else {
                shared.call(&id, load.talk).await
            };
            spoken.map_err(|why| format!("{id}: {why}"))
        });
        while let Some(done) = live.try_join_next() {
            counted.count(done);
        }
    }
    while let Some(done) = live.join_next().await {
        counted.count(done);
    }
    counted
}

type Waiting = Arc<Mutex<HashMap<String, UnboundedSender<String>>>>;

/// One connection of the PBX.
struct Line {
    out: UnboundedSender<String>,
    /// Who waits for the messages of which call.
    waiting: Waiting,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Line {
    async fn open(load: &Load) -> io::Result<Self> {
        let opened = timeout(PATIENCE, Self::connect(load)).await;
        opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn connect(load: &Load) -> io::Result<Self> {
        let socket = if load.to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(load.from, 0))?;
        let stream = socket.connect(load.to).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let name = ServerName::from(load.to.ip());
        let stream = TlsConnector::from(Arc::clone(&load.client)).connect(name, stream).await?;
        let (reader, writer) = split(TlsStream::Client(stream));
        let (out, lines) = unbounded_channel();
        let waiting = Waiting::default();
        tokio::spawn(write(writer, lines));
        tokio::spawn(hand_on(reader, Arc::clone(&waiting)));
        Ok(Self { out, waiting, local, remote: load.to })
    }

    fn say(&self, text: String) -> Result<(), String> {
        self.out.send(text).map_err(|_| "the connection ended".to_owned())
    }

    /// The lines that every request of a call has.
    fn head(&self, method: &str, uri: &str, id: &str, to: &str, cseq: u32) -> String {
        let local = self.local;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bK{id}{method};rport\r\n\
             From: <sip:+4940123456@pbx.example>;tag=p{id}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n"
        )
    }

    /// One call from its INVITE to the answer to its BYE.
    async fn call(&self, id: &str, talk: Duration) -> Result<(), String> {
        let (place, mut heard) = unbounded_channel();
        self.waiting.lock().expect("no task panics with it").insert(id.to_owned(), place);
        let uri = format!("sip:+49301234567@{}", self.remote);
        let head = self.head("INVITE", &uri, id, &format!("<{uri}>"), 1);
        let (local, length) = (self.local, SDP.len());
        self.say(format!(
            "{head}Contact: <sip:pbx@{local};transport=tls>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{SDP}"
        ))?;
        let answered = answered(&mut heard, "INVITE").await?;
        let to = header(&answered, "To").unwrap_or_default().to_owned();
        let contact = header(&answered, "Contact").unwrap_or_default();
        let target = contact.trim_start_matches('<').split('>').next().unwrap_or_default();
        let within = |method: &str, cseq: u32| {
            let route = route(&answered);
            format!("{}{route}Content-Length: 0\r\n\r\n", self.head(method, target, id, &to, cseq))
        };
        self.say(within("ACK", 1))?;
        sleep(talk).await;
        self.say(within("BYE", 2))?;
        let ended = self::answered(&mut heard, "BYE").await.map(|_| ());
        self.waiting.lock().expect("no task panics with it").remove(id);
        ended
    }

    /// OPTIONS and its answer.
    async fn ask(&self, id: &str) -> Result<(), String> {
        let (place, mut heard) = unbounded_channel();
        self.waiting.lock().expect("no task panics with it").insert(id.to_owned(), place);
        let uri = format!("sip:{}", self.remote);
        let head = self.head("OPTIONS", &uri, id, &format!("<{uri}>"), 1);
        self.say(format!("{head}Content-Length: 0\r\n\r\n"))?;
        let answered = answered(&mut heard, "OPTIONS").await.map(|_| ());
        self.waiting.lock().expect("no task panics with it").remove(id);
        answered
    }
}

/// RFC 3261 §12.1.2: whoever called takes the record in reverse.
fn route(answer: &str) -> String {
    let lines = answer.lines().take_while(|line| !line.is_empty());
    let recorded = lines.filter_map(|line| line.strip_prefix("Record-Route: "));
    let mut hops: Vec<&str> = recorded.flat_map(|line| line.split(',')).map(str::trim).collect();
    hops.reverse();
    hops.into_iter().map(|hop| format!("Route: {hop}\r\n")).collect()
}

/// The 200 to a request; anything else that ends it is why the call failed.
async fn answered(heard: &mut UnboundedReceiver<String>, method: &str) -> Result<String, String> {
    loop {
        let message = match timeout(PATIENCE, heard.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => return Err(format!("the connection ended before {method} was answered")),
            Err(_) => return Err(format!("no answer to {method} within {PATIENCE:?}")),
        };
        let start = message.lines().next().unwrap_or_default();
        match start.strip_prefix("SIP/2.0 ") {
            Some(status) if status.starts_with('1') => {}
            Some(status) if status.starts_with("200") => return Ok(message),
            Some(_) | None => {
                let why = header(&message, "Warning").or(header(&message, "Reason")).unwrap_or_default();
                return Err(format!("{start} instead of 200 to {method} {why}"));
            }
        }
    }
}

/// Writes what is said, all that waits at once.
async fn write(mut writer: WriteHalf<TlsStream<TcpStream>>, mut lines: UnboundedReceiver<String>) {
    while let Some(mut text) = lines.recv().await {
        while let Ok(more) = lines.try_recv() {
            text.push_str(&more);
        }
        let written = async {
            writer.write_all(text.as_bytes()).await?;
            writer.flush().await
        };
        if written.await.is_err() {
            // The reader sees the end, too, and tells those who wait.
            return;
        }
    }
    // Nobody has anything to say any more: the far side hears so, whether or not it still listens.
    let _ended = writer.shutdown().await;
}

/// The next messages of a connection, whole, until it ends.
struct Messages {
    reader: ReadHalf<TlsStream<TcpStream>>,
    unread: Vec<u8>,
}

impl Messages {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(message) = whole(&mut self.unread) {
                return Some(message);
            }
            let mut piece = [0; 8_192];
            match self.reader.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.unread.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// Gives each message to the call it is for; at the end of the connection every call hears of it.
async fn hand_on(reader: ReadHalf<TlsStream<TcpStream>>, waiting: Waiting) {
    let mut messages = Messages { reader, unread: Vec::new() };
    while let Some(message) = messages.next().await {
        let calls = waiting.lock().expect("no task panics with it");
        let place = header(&message, "Call-ID").and_then(|id| calls.get(id));
        if let Some(place) = place {
            // A call that has failed waits no longer.
            let _heard = place.send(message);
        }
    }
    waiting.lock().expect("no task panics with it").clear();
}

/// The trunk: takes every connection, and answers every call on it.
async fn serve(listener: TcpListener, config: Arc<ServerConfig>, ring: Duration, ended: Arc<AtomicUsize>) {
    let acceptor = TlsAcceptor::from(config);
    loop {
        // A connection that broke before it was taken is its caller's to try again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (acceptor, ended) = (acceptor.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            let (nodelay, local) = (stream.set_nodelay(true), stream.local_addr());
            // Who does not finish the handshake is nobody: the call that needed it fails at the PBX.
            if let (Ok(()), Ok(local), Ok(stream)) = (nodelay, local, acceptor.accept(stream).await) {
                attend(TlsStream::Server(stream), local, ring, &ended).await;
            }
        });
    }
}

/// One connection of the trunk, to its end.
async fn attend(stream: TlsStream<TcpStream>, local: SocketAddr, ring: Duration, ended: &AtomicUsize) {
    let (reader, writer) = split(stream);
    let (out, lines) = unbounded_channel();
    tokio::spawn(write(writer, lines));
    let mut messages = Messages { reader, unread: Vec::new() };
    while let Some(request) = messages.next().await {
        let contact = format!("Contact: <sip:trunk@{local};transport=tls>\r\n");
        let said = match request.split(' ').next() {
            Some("INVITE") => {
                let later = out.clone();
                let ringing = answer(&request, "180 Ringing", "trunk", &contact, "");
                tokio::spawn(async move {
                    sleep(ring).await;
                    let described = format!("{contact}Content-Type: application/sdp\r\n");
                    // The connection may have ended: then the call fails at the PBX.
                    let _said = later.send(answer(&request, "200 OK", "trunk", &described, SDP));
                });
                out.send(ringing)
            }
            Some("BYE") => {
                ended.fetch_add(1, Ordering::SeqCst);
                out.send(answer(&request, "200 OK", "", "", ""))
            }
            Some("OPTIONS") => out.send(answer(&request, "200 OK", "trunk", "", "")),
            Some(_) | None => Ok(()),
        };
        if said.is_err() {
            return;
        }
    }
}

/// Connections that are held open and silent; dropping it ends them.
pub struct Held {
    runtime: tokio::runtime::Runtime,
    lines: Vec<Line>,
}

impl Held {
    /// Opens so many connections of the PBX of a load, each of which has asked and been answered once.
    pub fn open(load: &Load, count: usize) -> Self {
        FileLimit::raise(count).check(count, 0).expect("a file for each connection");
        let runtime = runtime();
        let lines = runtime.block_on(async {
            let mut opening = JoinSet::new();
            let mut lines = Vec::with_capacity(count);
            for place in 0..count {
                let load = load.clone();
                opening.spawn(async move {
                    let line = Line::open(&load).await.map_err(|why| why.to_string())?;
                    line.ask(&format!("held{place}")).await.map(|()| line)
                });
                if opening.len() >= OPENING_MAX {
                    lines.extend(opening.join_next().await);
                }
            }
            lines.extend(opening.join_all().await.into_iter().map(Ok));
            let opened =
                lines.into_iter().map(|line| line.expect("no task panics").expect("the edge takes it"));
            opened.collect()
        });
        Self { runtime, lines }
    }

    /// Asks on every so many of them again: all must still be served.
    pub fn ask_each(&self, step: usize) {
        self.runtime.block_on(async {
            for (place, line) in self.lines.iter().enumerate().step_by(step) {
                let asked = line.ask(&format!("again{place}")).await;
                assert_eq!(asked, Ok(()), "connection {place}");
            }
        });
    }
}
