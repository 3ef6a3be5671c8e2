//! Real user agents as processes: PJSUA and baresip, each behind a script of `tests/peers` with one line protocol.
//!
//! Owns starting and ending them, waiting for what they tell, and reading the SIP messages from their own logs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::sipp::Over;

/// How long a phone may take for one step.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PJSIP's own, driven through its Python binding.
    Pjsua,
    /// baresip, driven through its control socket.
    Baresip,
}

/// Where a phone is and whom it calls.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its own address.
    pub address: String,
    /// Its own port.
    pub port: u16,
    /// The edge as it sees it, `host:port`.
    pub edge: String,
    /// Its own number.
    pub user: String,
    /// Over which it sends its calls, and is sent them.
    pub over: Over,
    /// How it makes itself known over TLS.
    pub tls: Option<Tls>,
    /// What it says, and how that is protected; nothing otherwise.
    pub sound: Option<Sound>,
}

/// What a phone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Its pitch in Hz.
    pub tone: u16,
    /// How it is protected.
    pub encryption: Encryption,
}

/// How a phone protects what it says, without giving way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// RTP.
    None,
    /// SRTP, its keys in SDP.
    Srtp,
    /// SRTP, its keys by DTLS.
    Dtls,
}

impl Encryption {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Srtp => "srtp",
            Self::Dtls => "dtls",
        }
    }
}

/// What a phone shows and speaks over TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// A folder of `ringfence certs`: it shows what stands there as the server's, and trusts that authority.
    pub certs: PathBuf,
    /// `1.2`, or what is too old.
    pub version: &'static str,
}

/// A running phone; ended when dropped.
pub struct Phone {
    kind: Kind,
    place: Place,
    child: Child,
    commands: Option<ChildStdin>,
    folder: PathBuf,
    /// How many of its events were waited for already.
    seen: usize,
}

/// One SIP message in a phone's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whether the phone received it (or else sent it).
    pub received: bool,
    /// The whole of it, its lines ended by LF.
    pub text: String,
}

impl Message {
    /// The start line.
    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let head = self.text.lines().take_while(|line| !line.trim().is_empty());
        head.filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
            .unwrap_or_default()
    }

    /// Whether a line of it, the body's included, begins so.
    pub fn has(&self, begin: &str) -> bool {
        self.text.lines().any(|line| line.starts_with(begin))
    }

    /// Request by method (`INVITE`), or response by status and method (`200 INVITE`).
    pub fn name(&self) -> String {
        let mut words = self.start().split(' ');
        let method = self.header("CSeq").split(' ').next_back().unwrap_or_default();
        match (words.next(), words.next()) {
            (Some("SIP/2.0"), Some(status)) => format!("{status} {method}"),
            (Some(method), Some(_)) => method.to_owned(),
            _ => String::new(),
        }
    }
}

/// The Python that has the binding: `tests/run` names the one it made.
fn python() -> PathBuf {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/bin/python");
    std::env::var_os("RINGFENCE_PEERS_PYTHON").map_or_else(|| PathBuf::from(made), PathBuf::from)
}

/// Whether the phones can be started. Where `tests/run` named a Python their absence is a failure.
pub fn ready() -> bool {
    let runs = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let pjsua = runs(Command::new(python()).args(["-c", "import pjsua2"]));
    let baresip = runs(Command::new("sh").args(["-c", "command -v baresip && command -v stdbuf"]));
    assert!(
        (pjsua && baresip) || std::env::var_os("RINGFENCE_PEERS_PYTHON").is_none(),
        "phones are missing: PJSUA (pip: pjsua2-python) {pjsua}, baresip (Debian: baresip-core) {baresip}"
    );
    if !(pjsua && baresip) {
        eprintln!("skipped: PJSUA or baresip is not installed; `tests/run peers` installs them");
    }
    pjsua && baresip
}

impl Phone {
    /// Starts it and waits until it listens; its files lie in `folder` under `name`.
    pub fn start(kind: Kind, folder: &Path, name: &str, place: Place) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).expect("the folder is writable");
        let script = if kind == Kind::Pjsua { "pjsua.py" } else { "baresip.py" };
        let out = File::create(folder.join("events")).expect("the folder is writable");
        let err = File::create(folder.join("log")).expect("the folder is writable");
        let mut command = Command::new(python());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(script)).args([
            &place.address,
            &place.port.to_string(),
            &place.edge,
            &place.user,
            place.over.name(),
        ]);
        if let Some(tls) = &place.tls {
            command.arg(&tls.certs).arg(tls.version);
        }
        if let Some(sound) = place.sound {
            command.env("PHONE_TONE", sound.tone.to_string());
            command.env("PHONE_ENCRYPTION", sound.encryption.name());
        }
        let mut child = command
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("Python starts");
        let commands = child.stdin.take();
        let mut phone = Self { kind, place, child, commands, folder, seen: 0 };
        phone.tells("ready");
        phone
    }

    /// Its number.
    pub fn user(&self) -> &str {
        &self.place.user
    }

    /// Which user agent it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it has heard in the call that it was in last, as samples of 16 bits, 8,000 a second.
    pub fn heard(&self) -> Vec<i16> {
        let files = fs::read_dir(&self.folder).expect("its folder is readable").flatten();
        let mut names: Vec<PathBuf> = files.map(|file| file.path()).collect();
        names.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        names.sort();
        let Some(last) = names.last() else { return Vec::new() };
        let wav = fs::read(last).expect("its file is readable");
        // RIFF with one chunk of format; what follows is sound.
        wav.get(44..)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]]))
            .collect()
    }

    /// Everything it wrote, for a failure.
    pub fn said(&self) -> String {
        let read = |name| fs::read(self.folder.join(name)).unwrap_or_default();
        let log = String::from_utf8_lossy(&read("log")).into_owned();
        let tail: Vec<&str> = log.lines().rev().take(120).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!("{:?}: {}\n{}", self.kind, String::from_utf8_lossy(&read("events")), tail.join("\n"))
    }

    /// What it told so far: answers to commands, or everything else.
    fn told(&self, answers: bool) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("events")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let events = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_default());
        events.filter(|event| event["command"].is_null() != answers).collect()
    }

    fn wait_for(&mut self, what: &str, mut find: impl FnMut(&Self) -> Option<Value>) -> Value {
        let began = Instant::now();
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let gone = self.child.try_wait().expect("a child of ours can be waited for");
            assert!(gone.is_none(), "it ended ({gone:?}) before: {what}\n{}", self.said());
            assert!(began.elapsed() < PATIENCE, "{PATIENCE:?} without: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Gives it a command, waits until it has answered, and gives what it refused it with, if it did.
    pub fn tries(&mut self, command: &str) -> Result<(), String> {
        let before = self.told(true).len();
        let pipe = self.commands.as_mut().expect("a phone that was not dropped takes commands");
        if let Err(why) = writeln!(pipe, "{command}") {
            panic!("{command}: {why}\n{}", self.said());
        }
        let answer = self.wait_for(command, |phone| phone.told(true).get(before).cloned());
        if answer["event"] == "done" { Ok(()) } else { Err(answer["reason"].to_string()) }
    }

    /// Gives it a command that it must take.
    pub fn does(&mut self, command: &str) {
        if let Err(why) = self.tries(command) {
            panic!("{command}: {why}\n{}", self.said());
        }
    }

    /// Waits for the next event of this name; those of other names before it are passed over.
    pub fn tells(&mut self, name: &str) -> Value {
        let find = |phone: &Self| {
            let events = phone.told(false);
            events.into_iter().skip(phone.seen).enumerate().find(|(_, event)| event["event"] == name)
        };
        let mut at = 0;
        let event = self.wait_for(name, |phone| {
            find(phone).map(|(place, event)| {
                at = place + 1;
                event
            })
        });
        self.seen += at;
        event
    }

    /// Waits for the next event of this name, which must carry this status.
    pub fn tells_status(&mut self, name: &str, status: u64) {
        let event = self.tells(name);
        assert_eq!(event["status"], status, "{event}\n{}", self.said());
    }

    /// Every SIP message in its log so far, in order.
    pub fn messages(&self) -> Vec<Message> {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        match self.kind {
            Kind::Pjsua => of_pjsua(&log),
            Kind::Baresip => {
                let host = self.place.edge.rsplit_once(':').map_or("", |(host, _)| host);
                of_baresip(&log, &format!("{host}:"))
            }
        }
    }

    /// Waits for a message after the first `from` of its log that it received and that fits; gives it.
    pub fn hears(&mut self, what: &str, from: usize, fits: impl Fn(&Message) -> bool) -> Message {
        let began = Instant::now();
        loop {
            let found =
                self.messages().into_iter().skip(from).find(|message| message.received && fits(message));
            if let Some(message) = found {
                return message;
            }
            assert!(began.elapsed() < PATIENCE, "not heard: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// It dies as in a power cut, without a word. Only for PJSUA, which is one process with its script.
    pub fn loses_power(&mut self) {
        assert_eq!(self.kind, Kind::Pjsua, "baresip is a process of its own beside its script");
        self.child.kill().expect("a child of ours can be killed");
        let _status = self.child.wait();
    }

    /// How many messages its log has: the place from which `hears` looks for what comes next.
    pub fn mark(&self) -> usize {
        self.messages().len()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // The script ends what it started once nobody gives it commands.
        drop(self.commands.take());
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // It may have ended already: then there is nothing to kill, and waiting gives its status at once.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// PJSIP writes `... RX 491 bytes ...:` (dots for depth, `!` for another thread), the message, and `--end msg--`.
fn of_pjsua(log: &str) -> Vec<Message> {
    let way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        match words.as_slice() {
            [_, "pjsua_core.c", way, _, "bytes"] => match way.trim_start_matches(['.', '!']) {
                "RX" => Some(true),
                "TX" => Some(false),
                _ => None,
            },
            _ => None,
        }
    };
    blocks(log, way, |line| line.starts_with("--end msg--"))
}

/// baresip writes `UDP SOURCE -> DESTINATION`, the message, and the escape that ends a colour. Its own end of a connection is
/// any address of the machine; the edge's is the edge's.
fn of_baresip(log: &str, edge: &str) -> Vec<Message> {
    let way = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // Another of its threads may have written between the transport and this.
            [.., source, "->", to] => {
                (source.starts_with(edge) || to.starts_with(edge)).then_some(source.starts_with(edge))
            }
            _ => None,
        }
    };
    blocks(log, way, |line| line.starts_with("\u{1b}[;m"))
}

/// The messages between a line that tells their way and one that ends them.
fn blocks(log: &str, way: impl Fn(&str) -> Option<bool>, ends: impl Fn(&str) -> bool) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut open: Option<Message> = None;
    for line in log.lines() {
        match &mut open {
            None => open = way(line).map(|received| Message { received, text: String::new() }),
            Some(_) if ends(line) => messages.extend(open.take()),
            Some(message) => {
                message.text.push_str(line.trim_end_matches('\r'));
                message.text.push('\n');
            }
        }
    }
    messages
}
