//! Passwords from the wire: sipp proves one as the README tells it, and burglars guess at a peer that may come from anywhere
//! while its rightful user calls.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringfence::sip::digest::{Answer, Challenge, Ha1};

use super::rig::edge::{Edge, binary};
use super::rig::sipp::{Over, Run};
use super::rig::wire::header;
use super::rig::{Net, folder, ready};
use super::{NUMBER, PATIENCE, policy};

const PASSWORD: &str = "a long way to Tipperary";
/// Where in the list of a burglar the right one stands.
const RIGHT_AT: usize = 900;
const GUESSES: usize = 1_000;

/// The README's walk-through of a call with a password: what is added to the PBX, and sipp's command line.
struct Walk {
    keys: String,
    command: Vec<String>,
}

fn walk() -> Walk {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let (_, rest) = readme.split_once("\n## A first call with a password\n").expect("the README tells of it");
    let rest = rest.split("\n## ").next().unwrap_or_default();
    let (_, yaml) = rest.split_once("```yaml\n").expect("what to add");
    let keys = yaml.split("```").next().unwrap_or_default().to_owned();
    let line = rest.lines().find_map(|line| line.strip_prefix("    sipp -sf tests/sipp/uac_proves.xml "));
    let words = line.expect("the caller's command").split('#').next().unwrap_or_default();
    Walk { keys, command: words.split_whitespace().map(str::to_owned).collect() }
}

/// A file that holds the password, for this user alone.
fn secret(name: &str) -> PathBuf {
    let file = folder(name).join("office.secret");
    fs::write(&file, PASSWORD).expect("the folder is writable");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    file
}

#[test]
fn sipp_proves_a_password_as_the_readme_tells_it() {
    if !ready() {
        return;
    }
    let net = Net(160);
    let secret = secret("sipp-proves-secret");
    let walk = walk();
    assert!(walk.keys.contains("file: office.secret"), "{}", walk.keys);
    let keys = walk.keys.replace("office.secret", &format!("\"{}\"", secret.display()));
    let edge = Edge::start("sipp-proves", net, &policy(Over::Udp).replace("    #pbx\n", &keys));
    let mut callee = Run::callee("builtin:uas", &net.trunk(), 5090).calls(1).start(edge.folder(), "callee");
    // Its addresses are the lab's; those of this test are its own.
    let own = |word: &String| match word.as_str() {
        "PASSWORD" => PASSWORD.to_owned(),
        "127.0.0.1" => net.pbx(),
        word => word.replace("127.0.0.1:5060", &net.inside()),
    };
    let command: Vec<String> = walk.command.iter().map(own).collect();
    let (remote, rest): (Vec<_>, Vec<_>) = command.iter().partition(|word| **word == net.inside());
    assert_eq!(remote.len(), 1, "{command:?}");
    let words: Vec<&str> = rest.iter().map(|word| word.as_str()).collect();
    let calls = |words: &[&str], name: &str| {
        let run = Run::calls_with("uac_proves", &net.inside(), words);
        run.with(&["-timeout", "15"]).start(edge.folder(), name)
    };
    calls(&words, "caller").succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    let record = &edge.records(1)[0];
    assert_eq!((&record["status"], &record["credential"]), (&200.into(), &"office".into()), "{record:#}");
    assert_eq!(edge.number("/counts/challenged"), 1);

    // Without -auth_uri sipp writes a digest-uri that names no number: refused, and told how to mend it.
    let at = words.iter().position(|word| *word == "-auth_uri").expect("the README names it");
    let bare: Vec<&str> = [&words[..at], words.get(at + 2..).unwrap_or_default()].concat();
    assert_ne!(calls(&bare, "bare").ended(PATIENCE), 0);
    let alert = edge.alert(32202);
    assert!(alert["alert_text"].as_str().is_some_and(|text| text.contains("digest_uri")), "{alert:#}");
    assert!(!edge.said().contains(PASSWORD), "the password was printed");
}

/// The office, and a peer that may come from anywhere and shows a password by MD5, which burglars' tools know.
fn roaming(secret: &Path) -> String {
    let road = format!(
        "  road:\n    side: inside\n    listener: inside\n    sources: any\n    transports: [udp]\n    \
         plain_signalling: allow\n    plain_media: allow\n    realm: edge.example\n    algorithms: [md5]\n    \
         credentials:\n      - {{ user: phone, password: {{ file: \"{}\" }}, from: [\"+12125550199\"] }}\n",
        secret.display()
    );
    policy(Over::Udp)
        .replace("#peers\n", &road)
        .replace("peers: [office-pbx, trunk]", "peers: [office-pbx, road, trunk]")
        .replace("from: [office-pbx]", "from: [office-pbx, road]")
}

/// The rightful user calls, from an address of its own that no peer lists.
fn rightful(net: Net, edge: &Edge, name: &str) {
    let uri = format!("{NUMBER}@{}", net.inside());
    let words = ["-au", "phone", "-ap", PASSWORD, "-auth_uri", &uri, "-d", "100", "-timeout", "15"];
    let run = Run::caller("uac_proves", &net.stranger(), 5080, &net.inside(), NUMBER).calls(1).with(&words);
    run.start(edge.folder(), name).succeeds(PATIENCE);
}

/// A burglar of our own: asks, guesses, and goes on when nobody answers.
struct Burglar {
    socket: UdpSocket,
    own: String,
    edge: String,
    challenges: usize,
    /// What it heard beside challenges and silence.
    others: Vec<String>,
}

impl Burglar {
    fn new(own: &str, edge: String) -> Self {
        let own = format!("{own}:5080");
        let socket = UdpSocket::bind(&own).expect("a test's own address is free");
        Self { socket, own, edge, challenges: 0, others: Vec::new() }
    }

    fn say(&mut self, mark: &str, cseq: u32, more: &str, patience: Duration) -> Option<String> {
        let text = format!(
            "INVITE sip:{NUMBER}@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{mark}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+12125550199@{edge}>;tag={mark}\r\nTo: <sip:{NUMBER}@{edge}>\r\n\
             Call-ID: {mark}\r\nCSeq: {cseq} INVITE\r\nContact: <sip:burglar@{own}>\r\n\
             User-Agent: a burglar with a list of a thousand passwords, of which one is right\r\n{more}\
             Content-Length: 0\r\n\r\n",
            edge = self.edge,
            own = self.own,
        );
        self.socket.send_to(text.as_bytes(), &self.edge).expect("a datagram can be sent on loopback");
        self.socket.set_read_timeout(Some(patience)).expect("a time-out can be set");
        let mut room = [0; 4_096];
        let length = self.socket.recv(&mut room).ok()?;
        let answer = String::from_utf8_lossy(&room[..length]).into_owned();
        if answer.starts_with("SIP/2.0 401 ") {
            self.challenges += 1;
            return header(&answer, "WWW-Authenticate").map(str::to_owned);
        }
        self.others.push(answer);
        None
    }

    fn guess(&mut self, at: usize, password: &str) {
        let patience = Duration::from_millis(if at < 10 { 500 } else { 4 });
        let Some(line) = self.say(&format!("guess{at}"), 1, "", patience) else { return };
        let challenge = Challenge::read(line.as_bytes()).expect("it can be read").expect("it is Digest");
        let hash = challenge.algorithm.hash;
        let ha1 = Ha1::new(hash, b"phone", &challenge.realm, password.as_bytes());
        let uri = format!("sip:{NUMBER}@{}", self.edge);
        let with = Answer {
            user: "phone",
            ha1: &ha1,
            method: b"INVITE",
            uri: uri.as_bytes(),
            cnonce: b"c",
            count: 1,
            body: b"",
        };
        let value = challenge.answer(&with).expect("it can be answered");
        let line = format!("Authorization: {}\r\n", String::from_utf8_lossy(&value));
        self.say(&format!("guess{at}"), 2, &line, patience);
    }
}

/// A4: the right password at position 900 of a thousand.
#[test]
fn a4_a_scripted_burglar_never_gets_in_is_banned_and_the_rightful_user_calls_meanwhile() {
    if !ready() {
        return;
    }
    let net = Net(161);
    let edge = Edge::start("burglar", net, &roaming(&secret("burglar-secret")));
    let mut callee = Run::callee("uas_basic", &net.trunk(), 5090).calls(3).start(edge.folder(), "callee");
    let mut burglar = Burglar::new(&net.last(), net.inside());
    for at in 0..GUESSES {
        let right = at == RIGHT_AT;
        burglar.guess(at, if right { PASSWORD } else { "a guess of mine" });
        if [2, 300, 950].contains(&at) {
            rightful(net, &edge, &format!("rightful{at}"));
        }
    }
    callee.succeeds(PATIENCE);
    assert!((5..20).contains(&burglar.challenges), "it was asked {} times", burglar.challenges);
    assert!(burglar.others.is_empty(), "{:?}", burglar.others);
    for code in [39202, 39201] {
        let alert = edge.alert(code);
        let source = alert["source"].as_str().unwrap_or_default();
        assert!(source.starts_with(&net.last()), "{alert:#}");
    }
    let records = edge.records(3);
    // (The last guesses below leave no more.)
    assert!(records.iter().all(|record| record["credential"] == "phone"), "{records:#?}");
    assert!(edge.number("/counts/banned_frames") > 900);
    // The owner of the machine sees it, mends it, and lifts it.
    let ask = |words: &[&str]| {
        let socket = edge.folder().join("control.sock");
        let output =
            Command::new(binary()).args(words).arg("--socket").arg(socket).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (_, page) = ask(&["status"]);
    assert!(page.contains(&format!("{} as anybody", net.last())), "{page}");
    let command = format!("ringfence unlock --source {}", net.last());
    assert!(page.contains(&command), "{page}");
    assert!(edge.alert(39202)["alert_text"].as_str().is_some_and(|text| text.contains(&command)));
    let (code, told) = ask(&["unlock", "phone"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.starts_with("nothing was locked there") && told.contains(&command), "{told}");
    let (code, told) = ask(&["unlock", "--source", &net.last()]);
    assert_eq!((code, &*told), (Some(0), "lifted: 1 lock(s) of datagrams and the ban of datagrams\n"));
    assert!(!ask(&["status"]).1.contains("locked out"));
    burglar.guess(GUESSES, "a guess of mine");
    let asked = burglar.challenges;
    burglar.guess(0, PASSWORD);
    assert!(asked >= 6 && burglar.challenges > asked, "it is asked again");
    assert_eq!(ask(&["unlock"]).0, Some(2), "whose locks must be said");
}

/// SIPVicious, where `tests/run` (or anybody) has installed it.
fn svcrack() -> Option<PathBuf> {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/bin/python");
    let named = std::env::var_os("RINGFENCE_PEERS_PYTHON");
    let python = named.as_ref().map_or_else(|| PathBuf::from(made), PathBuf::from);
    let burglar = python.with_file_name("sipvicious_svcrack");
    assert!(burglar.exists() || named.is_none(), "SIPVicious is missing (pip: sipvicious)");
    if !burglar.exists() {
        eprintln!("skipped: SIPVicious is not installed; `tests/run end-to-end` installs it");
    }
    burglar.exists().then_some(burglar)
}

/// A4: the same by SIPVicious. It binds no address of its own choice: on loopback it calls from 127.0.0.1.
#[test]
fn a4_svcrack_never_gets_in_is_banned_and_the_rightful_user_calls_meanwhile() {
    let Some(svcrack) = svcrack().filter(|_| ready()) else { return };
    let net = Net(162);
    let edge = Edge::start("svcrack", net, &roaming(&secret("svcrack-secret")));
    let mut callee = Run::callee("uas_basic", &net.trunk(), 5090).calls(2).start(edge.folder(), "callee");
    let list: String = (0..GUESSES)
        .map(|at| if at == RIGHT_AT { format!("{PASSWORD}\n") } else { format!("guess number {at}\n") })
        .collect();
    let dictionary = edge.folder().join("passwords.txt");
    fs::write(&dictionary, list).expect("the folder is writable");
    // No challenge is longer than what it answers: the name makes its INVITE long enough.
    let mut burglar = Command::new(svcrack)
        .args(["-m", "INVITE", "-u", "phone", "-P", "16262", "--maximumtime", "2", "-vv"])
        .args(["--domain", "the-head-office-of-a-company-with-a-long-name.ringfence.example", "-d"])
        .arg(&dictionary)
        .arg(format!("udp://{}", net.inside()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(edge.folder().join("svcrack.out")).expect("the folder is writable"))
        .stderr(fs::File::create(edge.folder().join("svcrack.err")).expect("the folder is writable"))
        .spawn()
        .expect("it starts");
    rightful(net, &edge, "during");
    for code in [39202, 39201] {
        let alert = edge.alert(code);
        assert!(alert["source"].as_str().is_some_and(|source| source.starts_with("127.0.0.1")), "{alert:#}");
    }
    rightful(net, &edge, "after");
    let _status = burglar.wait().expect("a child of ours can be waited for");
    let said = ["svcrack.out", "svcrack.err"]
        .map(|name| fs::read_to_string(edge.folder().join(name)).unwrap_or_default())
        .join("\n");
    callee.succeeds(PATIENCE);
    // It was asked and has guessed, and found nothing.
    assert!(edge.number("/counts/challenged") >= 5, "{said}");
    assert!(edge.number("/counts/wrong_passwords") >= 5, "{said}");
    assert!(!said.contains("The password for") && !said.contains(&format!("| {PASSWORD}")), "{said}");
    let records = edge.records(2);
    assert!(records.iter().all(|record| record["credential"] == "phone"), "{records:#?}");
}
