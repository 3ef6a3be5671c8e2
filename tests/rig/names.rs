//! A name server of the test's own on loopback, and the two ends of a call as plain sockets.
//!
//! Owns a zone that a test may change, silence and count. Read first: RFC 1035 §4.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

type Zone = HashMap<(String, RecordType), Vec<Record>>;

#[derive(Default)]
struct Shared {
    zone: Mutex<Zone>,
    silent: AtomicBool,
    /// A name of which it says nothing.
    secret: Mutex<String>,
    questions: AtomicUsize,
    over: AtomicBool,
}

/// The name server.
pub struct NameServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Answers on this address from a zone in which nothing exists.
    pub fn start(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("the address is this test's own");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out can be set");
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(&socket, &shared))
        };
        Self { shared, thread: Some(thread) }
    }

    /// Puts records in the place of all that the zone holds. A line is `name ttl A address`,
    /// `name ttl SRV priority weight port host` or `name ttl NAPTR order preference service replacement`.
    pub fn zone(&self, lines: &str) {
        let mut zone = Zone::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words[index].parse::<u16>().expect("a number");
            let name = |text: &str| Name::from_str(&format!("{text}.")).expect("a name");
            let data = match words[2] {
                "A" => RData::A(A(words[3].parse().expect("an address"))),
                "SRV" => RData::SRV(SRV::new(number(3), number(4), number(5), name(words[6]))),
                "NAPTR" => {
                    let service = words[5].as_bytes().into();
                    let flags = b"s".as_slice().into();
                    RData::NAPTR(NAPTR::new(
                        number(3),
                        number(4),
                        flags,
                        service,
                        Box::default(),
                        name(words[6]),
                    ))
                }
                other => panic!("{other} in a zone"),
            };
            let ttl = words[1].parse().expect("a TTL");
            let key = (words[0].to_owned(), data.record_type());
            zone.entry(key).or_default().push(Record::from_rdata(name(words[0]), ttl, data));
        }
        *self.shared.zone.lock().expect("no thread of the server panics") = zone;
    }

    /// Answers nothing any more, or again.
    pub fn silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// Answers nothing that is asked of this name; an empty one is none.
    pub fn silent_about(&self, name: &str) {
        name.clone_into(&mut self.shared.secret.lock().expect("no thread of the server panics"));
    }

    /// Questions that came.
    pub fn questions(&self) -> usize {
        self.shared.questions.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 4_096];
    while !shared.over.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        shared.questions.fetch_add(1, Ordering::SeqCst);
        if shared.silent.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(asked) = Message::from_vec(&buffer[..length]) else { continue };
        let Some(query) = asked.queries.first().cloned() else { continue };
        let name = query.name().to_ascii().to_ascii_lowercase();
        let name = name.trim_end_matches('.').to_owned();
        if *shared.secret.lock().expect("no other thread panics") == name {
            continue;
        }
        let zone = shared.zone.lock().expect("no other thread panics");
        let known = zone.keys().any(|(owner, _)| *owner == name);
        let records = zone.get(&(name, query.query_type())).cloned().unwrap_or_default();
        let mut answer = Message::response(asked.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = asked.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.response_code = if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
        answer.add_query(query);
        answer.add_answers(records);
        let bytes = answer.to_vec().expect("records of ours can be written");
        let _sent = socket.send_to(&bytes, from);
    }
}

/// What a trunk says of its media to who describes some.
const MEDIA: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";

/// A trunk that answers everything with 200.
pub struct Trunk {
    shared: Arc<Answered>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Answered {
    /// Request-URI and Call-ID.
    invites: Mutex<Vec<(String, String)>>,
    ended: AtomicUsize,
    over: AtomicBool,
}

impl Trunk {
    /// Answers on this address until it is dropped.
    pub fn start(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("the address is this test's own");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out can be set");
        let (shared, own) = (Arc::new(Answered::default()), address.to_owned());
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut buffer = [0; 8_192];
                while !shared.over.load(Ordering::SeqCst) {
                    let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    if let Some(answer) = answered(&text, &own, &shared) {
                        let _sent = socket.send_to(answer.as_bytes(), from);
                    }
                }
            })
        };
        Self { shared, thread: Some(thread) }
    }

    /// The Request-URIs of the calls that came.
    pub fn calls(&self) -> Vec<String> {
        let invites = self.shared.invites.lock().expect("no thread of the trunk panics");
        invites.iter().map(|(uri, _)| uri.clone()).collect()
    }

    /// Calls that were ended by BYE.
    pub fn ended(&self) -> usize {
        self.shared.ended.load(Ordering::SeqCst)
    }
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn answered(text: &str, own: &str, shared: &Answered) -> Option<String> {
    let mut words = text.split(' ');
    let (method, uri) = (words.next()?, words.next()?);
    match method {
        "INVITE" => {
            let mut invites = shared.invites.lock().expect("no other thread panics");
            let id = header(text, "Call-ID")?;
            if !invites.iter().any(|(_, known)| known == id) {
                invites.push((uri.to_owned(), id.to_owned()));
            }
        }
        "BYE" => {
            shared.ended.fetch_add(1, Ordering::SeqCst);
        }
        "OPTIONS" => {}
        _ => return None,
    }
    let copied: String = text
        .lines()
        .filter(|line| ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let to = header(text, "To")?;
    let to = if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=there") };
    let (kind, body) =
        if text.contains("\r\n\r\nv=0") { ("Content-Type: application/sdp\r\n", MEDIA) } else { ("", "") };
    let length = body.len();
    Some(format!(
        "SIP/2.0 200 OK\r\n{copied}To: {to}\r\nContact: <sip:{own}>\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    ))
}

/// A header's value.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A PBX that calls, one call at a time.
pub struct Caller {
    socket: UdpSocket,
    own: String,
    edge: SocketAddr,
    calls: u32,
}

/// A call that is up.
pub struct Up {
    to: String,
    id: String,
    contact: String,
}

impl Caller {
    /// At its address, with the edge's inside before it.
    pub fn new(own: &str, edge: &str) -> Self {
        let socket = UdpSocket::bind(own).expect("the address is this test's own");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out can be set");
        Self { socket, own: own.to_owned(), edge: edge.parse().expect("an address"), calls: 0 }
    }

    fn send(&self, method: &str, uri: &str, id: &str, to: &str, cseq: u32) {
        let own = &self.own;
        // RFC 3261 §17.1.1.3: the ACK of a refusal has its INVITE's branch, that of a 2xx one of its own.
        let transaction = if method == "ACK" && uri.contains('+') { "INVITE" } else { method };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id}{cseq}{transaction}\r\nMax-Forwards: 70\r\n\
             From: <sip:+12125550199@{own}>;tag=here\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{own}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.socket.send_to(text.as_bytes(), self.edge).expect("loopback takes a datagram");
    }

    /// The final answer to a request of ours.
    fn heard(&self, id: &str, cseq: &str) -> String {
        let answer = self.heard_within(Duration::from_secs(20), id, cseq);
        answer.unwrap_or_else(|| panic!("no answer to {cseq} of {id}"))
    }

    fn heard_within(&self, patience: Duration, id: &str, cseq: &str) -> Option<String> {
        let began = Instant::now();
        let mut buffer = [0; 8_192];
        while began.elapsed() < patience {
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let ours = header(&text, "Call-ID") == Some(id) && header(&text, "CSeq") == Some(cseq);
            if ours && !text.starts_with("SIP/2.0 1") {
                return Some(text);
            }
        }
        None
    }

    /// Calls a number once and listens for two seconds: the final status, if there was one.
    pub fn offer(&mut self, number: &str) -> Option<String> {
        let uri = format!("sip:{number}@{}", self.edge);
        let id = format!("offer{}", self.own.replace([':', '.'], "x"));
        self.send("INVITE", &uri, &id, &format!("<{uri}>"), 1);
        let answer = self.heard_within(Duration::from_secs(2), &id, "1 INVITE")?;
        answer.split(' ').nth(1).map(str::to_owned)
    }

    /// Calls a number: the call, or the whole answer that refused it.
    pub fn call(&mut self) -> Result<Up, String> {
        self.calls += 1;
        let id = format!("call{}at{}", self.calls, self.own.replace([':', '.'], "x"));
        let uri = format!("sip:+12125550142@{}", self.edge);
        self.send("INVITE", &uri, &id, &format!("<{uri}>"), 1);
        let answer = self.heard(&id, "1 INVITE");
        let to = header(&answer, "To").unwrap_or_default().to_owned();
        if !answer.starts_with("SIP/2.0 200") {
            self.send("ACK", &uri, &id, &to, 1);
            return Err(answer);
        }
        let contact = header(&answer, "Contact").unwrap_or_default();
        let contact = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
        self.send("ACK", &contact, &id, &to, 1);
        Ok(Up { to, id, contact })
    }

    /// Ends a call.
    pub fn end(&self, up: &Up) {
        self.send("BYE", &up.contact, &up.id, &up.to, 2);
        let answer = self.heard(&up.id, "2 BYE");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
}
