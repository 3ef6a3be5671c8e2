//! A small SIP endpoint of the simulation's own: transactions, dialogs and a plan of what to do, as a second opinion.
//!
//! Owns its dialogs and transactions, and complains about whatever a strict peer would not accept. Refuses to know
//! the product: nothing of `ringfence::call` or `ringfence::transaction` is used.
//! Read first: RFC 3261 §12-15, §17; RFC 6026.

mod acts;
mod client;
mod dialog;
pub mod guard;
pub mod plan;
pub mod prover;
pub mod registrar;
mod reliable;
mod server;
pub mod session;
mod transfers;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ringfence::sip::Transport;

use self::client::Client;
pub use self::dialog::{Dialog, Stage};
use self::guard::Nonce;
use self::plan::{On, Plan};
use self::registrar::{Binding, Registrar};
use self::server::Server;
use super::dice::Dice;
use super::text::{Sip, is_keep_alive};
use super::wire::{MS, Micros, Packet, SECOND};

/// RFC 3261 T1.
pub const T1: Micros = 500 * MS;
/// RFC 3261 T2.
pub const T2: Micros = 4 * SECOND;
/// 64*T1.
pub const GIVE_UP: Micros = 64 * T1;

/// What an endpoint asks to be woken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// A client transaction's timer A or E.
    ClientAgain { key: String, interval: Micros },
    /// Timer B or F.
    ClientOver { key: String },
    /// A cancelled INVITE should have its final response by now.
    CancelOver { key: String },
    /// A server transaction's timer G, or the retransmission of a 2xx.
    ServerAgain { key: String, interval: Micros },
    /// Timer H, or no ACK for a 2xx.
    ServerOver { key: String },
    /// A re-INVITE is answered now.
    Reanswer { dialog: usize, key: String },
    /// A re-INVITE that met a 491 is tried again.
    Retry { dialog: usize },
    /// A session is to be refreshed, or was not.
    Session { dialog: usize, epoch: u32 },
    /// A reliable provisional response is sent again.
    RingAgain { dialog: usize, rseq: u32, interval: Micros },
    /// It was never acknowledged.
    RingOver { dialog: usize, rseq: u32 },
    /// PRACK or UPDATE is answered now.
    AnswerLater { dialog: usize, key: String, sdp: bool },
    /// A rule of a plan comes due.
    Rule { dialog: usize, rule: usize },
}

/// An endpoint: a PBX or a trunk, with as many calls as it likes.
#[derive(Debug)]
pub struct Agent {
    /// Its peer's name in the policy.
    pub name: &'static str,
    pub address: SocketAddr,
    /// Where it sends requests outside a dialog.
    pub edge: SocketAddr,
    pub transport: Transport,
    now: Micros,
    dice: Dice,
    clients: BTreeMap<String, Client>,
    servers: BTreeMap<String, Server>,
    /// Those that it gave to who asked.
    nonces: Vec<Nonce>,
    /// The calls that a guard which repeats its nonce has asked about.
    asked: std::collections::BTreeSet<String>,
    /// How it answers REGISTER, if it does.
    pub registrar: Option<Registrar>,
    binding: Binding,
    pub dialogs: Vec<Dialog>,
    /// Plans for calls that come in, by the number called.
    pub expected: Vec<(String, usize, Plan)>,
    pub out: Vec<Packet>,
    pub alarms: Vec<(Micros, Alarm)>,
    /// What a strict peer would not accept, in words.
    pub complaints: Vec<String>,
}

/// Where endpoints receive media.
pub const MEDIA: &str = "192.168.77.7";
/// A body with everything in it that text code breaks on.
pub const BINARY: &[u8] = b"\x00\x01\r\n\r\nSIP/2.0 200 OK\r\n\xff\xfe\x00end";

/// Formats and an attribute of who offers more than is answered.
pub(super) const WIDE: &str = "0 8 101\r\na=rtpmap:8 PCMA/8000\r\n";

impl Agent {
    /// An endpoint at an address, served by the edge at another.
    pub fn new(
        name: &'static str,
        address: SocketAddr,
        edge: SocketAddr,
        transport: Transport,
        seed: u64,
    ) -> Self {
        Self {
            name,
            address,
            edge,
            transport,
            now: 0,
            dice: Dice::new(seed, name.bytes().map(u64::from).sum()),
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            nonces: Vec::new(),
            asked: std::collections::BTreeSet::new(),
            registrar: None,
            binding: Binding::default(),
            dialogs: Vec::new(),
            expected: Vec::new(),
            out: Vec::new(),
            alarms: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// The text that marks everything private of this endpoint: it may never be seen on another leg.
    pub fn mark(&self) -> String {
        format!("mark-{}-", self.name)
    }

    /// Bytes from the edge.
    pub fn receive(&mut self, now: Micros, packet: &Packet) {
        self.now = now;
        if is_keep_alive(&packet.bytes) {
            return;
        }
        let message = match Sip::read(&packet.bytes) {
            Ok(message) => message,
            Err(reason) => {
                let text = String::from_utf8_lossy(&packet.bytes).into_owned();
                self.complain(&format!("cannot read what the edge sent: {reason}: {text}"));
                return;
            }
        };
        if self.is_silent(&message) {
            return;
        }
        match message.status() {
            Some(status) => self.receive_response(status, &message),
            None => self.receive_request(packet, message),
        }
    }

    /// A deadline of its own.
    pub fn alarm(&mut self, now: Micros, alarm: Alarm) {
        self.now = now;
        match alarm {
            Alarm::ClientAgain { key, interval } => self.client_again(&key, interval),
            Alarm::ClientOver { key } => self.client_over(&key),
            Alarm::CancelOver { key } => self.cancel_over(&key),
            Alarm::ServerAgain { key, interval } => self.server_again(&key, interval),
            Alarm::ServerOver { key } => self.server_over(&key),
            Alarm::Reanswer { dialog, key } => self.reanswer(dialog, &key),
            Alarm::Retry { dialog } => self.retry_reinvite(dialog),
            Alarm::Session { dialog, epoch } => self.session_alarm(dialog, epoch),
            Alarm::RingAgain { dialog, rseq, interval } => self.ring_again(dialog, rseq, interval),
            Alarm::RingOver { dialog, rseq } => self.ring_over(dialog, rseq),
            Alarm::AnswerLater { dialog, key, sdp } => self.answer_now(dialog, &key, sdp),
            Alarm::Rule { dialog, rule } => self.carry_out(dialog, rule),
        }
    }

    /// Whether nothing of this endpoint is still under way: every dialog over, every transaction answered.
    pub fn is_quiet(&self) -> bool {
        self.dialogs.iter().all(|dialog| dialog.vanished || dialog.stage == Stage::Over)
    }

    fn complain(&mut self, text: &str) {
        self.complaints.push(format!("{} at {} ms: {text}", self.name, self.now / MS));
    }

    /// Says that something happened in a dialog: rules that wait for it get their time.
    fn happened(&mut self, index: usize, what: On) {
        let Some(dialog) = self.dialogs.get(index) else { return };
        for (rule, entry) in dialog.plan.rules.iter().enumerate() {
            if entry.on == what {
                self.alarms.push((self.now + entry.after, Alarm::Rule { dialog: index, rule }));
            }
        }
    }

    /// A new private token: for Call-IDs, tags and branches.
    fn token(&mut self) -> String {
        let bits = self.dice.roll();
        format!("{}{bits:016x}", self.mark())
    }

    fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:{}c@{}>", self.mark(), self.address),
            Transport::Tcp | Transport::Tls => {
                format!("<sip:{}c@{};transport=tcp>", self.mark(), self.address)
            }
        }
    }

    fn sdp(&mut self, index: usize) -> String {
        let version = self.dialogs.get_mut(index).map_or(1, |dialog| {
            dialog.sdp_version += 1;
            dialog.sdp_version
        });
        let (moved, talkative) =
            self.dialogs.get(index).map_or((0, false), |dialog| (dialog.moved, dialog.plan.talkative));
        let port = 20_000 + 2 * index + 100 * moved;
        let more = if talkative { "a=candidate:no one ever asks for\r\n".repeat(150) } else { String::new() };
        let mut sdp = format!(
            "v=0\r\no=- 77 {version} IN IP4 {MEDIA}\r\ns=-\r\nc=IN IP4 {MEDIA}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
        );
        if let Some(dialog) = self.dialogs.get_mut(index) {
            if dialog.plan.narrows && version == 1 {
                sdp = sdp.replace("AVP 0 101\r\n", &format!("AVP {WIDE}"));
            }
            dialog.session.said_sdp.clone_from(&sdp);
        }
        sdp
    }

    /// An offer that changes something, or such an answer.
    fn changed_sdp(&mut self, index: usize) -> String {
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.moved += 1;
            dialog.session.stood_sdp = Some(dialog.session.said_sdp.clone());
        }
        self.sdp(index)
    }

    fn is_silent(&self, message: &Sip) -> bool {
        let called = super::text::user_of(message.uri());
        let silent = |number: &str, plan: &Plan| plan.silent && number == called;
        self.expected.iter().any(|(number, _, plan)| silent(number, plan))
            || self.dialogs.iter().any(|dialog| dialog.vanished && dialog.call_id == message.call_id())
    }

    fn emit(&mut self, to: SocketAddr, connection: u64, bytes: Vec<u8>) {
        let packet = Packet { from: self.address, to, transport: self.transport, connection, bytes };
        self.out.push(packet);
    }
}
