//! What phones say to one another through the edge: each hears the other's tone, and whoever listens on the trunk's side hears
//! nothing and learns of no address inside.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pairing::PATIENCE;
use super::tls::Certs;
use crate::rig::edge::Edge;
use crate::rig::phone::{Encryption, Kind, Phone, Place, Sound, ready};
use crate::rig::sipp::Over;
use crate::rig::tone::{of_pcmu, share};
use crate::rig::{Net, office};

/// What the PBX says, and what the trunk says.
pub const TONES: (u16, u16) = (440, 1_000);
/// How long they speak.
const SPEECH: Duration = Duration::from_secs(3);
/// Samples of the end of what was heard that must be the other's tone: what came before is how the call began.
pub const JUDGED: usize = 8_000;
/// The share of it that the other's tone must have; what a codec adds is far less than the rest.
pub const PURE: f64 = 0.9;

/// A phone of a talk.
#[derive(Debug, Clone, Copy)]
struct Speaker {
    kind: Kind,
    over: Over,
    encryption: Encryption,
}

const fn speaker(kind: Kind, over: Over, encryption: Encryption) -> Speaker {
    Speaker { kind, over, encryption }
}

/// Two phones that speak, with the edge between them.
struct Talk {
    edge: Edge,
    net: Net,
    pbx: Phone,
    trunk: Phone,
}

/// What stands for a peer instead of its freedoms.
fn peer(certs: &Certs, speaker: Speaker, address: &str) -> String {
    let lab = certs.edge.0.display();
    let signalling = match speaker.over {
        Over::Tls => format!("tls: {{ ca: \"{lab}/ca.pem\" }}"),
        Over::Udp | Over::Tcp => "plain_signalling: allow".to_owned(),
    };
    let srtp = if speaker.encryption == Encryption::None { "plain" } else { "required" };
    // baresip's packets come from whatever address the system picks.
    let nat = if speaker.kind == Kind::Baresip { "behind_nat: true, " } else { "" };
    let keying = if speaker.encryption == Encryption::Dtls { "keying: dtls, " } else { "" };
    format!("{signalling}\n    media: {{ srtp: {srtp}, {keying}{nat}networks: [\"{address}\", 127.0.0.1] }}")
}

fn policy(certs: &Certs, pbx: Speaker, trunk: Speaker) -> String {
    let lab = certs.edge.0.display();
    let certificate = format!("certificate: {{ chain: \"{lab}/server.pem\", key: \"{lab}/server.key\" }}");
    let free = "plain_signalling: allow\n    plain_media: allow";
    let media = "media:\n  inside: { address: \"EDGE\", ports: 20000-20999 }\n  outside: { address: \"EDGE\", ports: 21000-21999 }\n";
    let mut policy = office::policy("TRANSPORT", &[("#more\n", media)]);
    for (speaker, address) in [(pbx, "PBX"), (trunk, "TRUNK")] {
        policy = policy.replacen("[TRANSPORT]", &format!("[{}]", speaker.over.name()), 1).replacen(
            free,
            &peer(certs, speaker, address),
            1,
        );
        policy = policy
            .replace(&format!("sources: [\"{address}\"]"), &format!("sources: [\"{address}\", 127.0.0.1]"));
    }
    for (speaker, bind) in [(pbx, "EDGE:5060"), (trunk, "EDGE:5070")] {
        if speaker.over == Over::Tls {
            let plain = format!("bind: \"{bind}\", transports: [udp, tcp]");
            policy = policy.replace(&plain, &format!("bind: \"{bind}\", {certificate}"));
        }
    }
    policy
}

impl Talk {
    fn start(net: u8, pbx: Speaker, trunk: Speaker) -> Self {
        let net = Net(net);
        let certs = Certs::make(net);
        let edge = Edge::start(&format!("talk-{}", net.0), net, &policy(&certs, pbx, trunk));
        let phone =
            |speaker: Speaker, name: &str, address: String, port, edge_at: String, user: &str, tone| {
                let tls = (speaker.over == Over::Tls)
                    .then(|| certs.phone(&address, &format!("{name}.example.com")))
                    .flatten();
                let sound = Some(Sound { tone, encryption: speaker.encryption });
                let user = user.to_owned();
                let place = Place { address, port, edge: edge_at, user, over: speaker.over, tls, sound };
                Phone::start(speaker.kind, edge.folder(), name, place)
            };
        let pbx = phone(pbx, "pbx", net.pbx(), 5080, net.inside(), "+12125550100", TONES.0);
        let trunk = phone(trunk, "trunk", net.trunk(), 5090, net.outside(), "+12125550142", TONES.1);
        Self { edge, net, pbx, trunk }
    }

    /// A call in which both speak, from its first message to its end.
    fn speak(&mut self, from_pbx: bool) {
        let (caller, callee) =
            if from_pbx { (&mut self.pbx, &mut self.trunk) } else { (&mut self.trunk, &mut self.pbx) };
        let number = callee.user().to_owned();
        caller.does(&format!("dial {number}"));
        callee.tells("incoming");
        callee.does("answer 200");
        callee.tells("talking");
        caller.tells("talking");
        std::thread::sleep(SPEECH);
        caller.does("hang_up");
        callee.tells("over");
        for phone in [&mut self.pbx, &mut self.trunk] {
            if phone.kind() == Kind::Pjsua {
                phone.does("hush");
            }
        }
    }

    /// Each has heard the other, and not itself.
    fn have_heard(&self) {
        for (phone, own, other) in [(&self.pbx, TONES.0, TONES.1), (&self.trunk, TONES.1, TONES.0)] {
            let end = || {
                let heard = phone.heard();
                heard.get(heard.len().saturating_sub(JUDGED)..).unwrap_or_default().to_vec()
            };
            let whole = || end().len() == JUDGED && share(&end(), other) > PURE;
            if !whole() {
                // Its file is closed a moment after its call.
                std::thread::sleep(Duration::from_millis(500));
            }
            assert!(
                whole(),
                "{:?} heard {:.3} of {other} Hz and {:.3} of {own} Hz in {} samples\n{}\n{}",
                phone.kind(),
                share(&end(), other),
                share(&end(), own),
                end().len(),
                phone.said(),
                self.edge.said()
            );
        }
    }

    /// The record counts what passed.
    fn is_counted(&self, calls: usize) {
        let record = self.edge.records(calls).pop().expect("a call leaves a record");
        let media = record.get("media").unwrap_or_else(|| panic!("a record without media: {record:#}"));
        let text = media.to_string();
        assert!(text.contains("\"packets\""), "{record:#}");
    }

    /// Nothing that one side was told names an address of the other.
    fn hides(&self) {
        for (phone, address) in [(&self.pbx, self.net.trunk()), (&self.trunk, self.net.pbx())] {
            let told = phone.messages();
            assert!(
                told.iter().any(|message| message.received && message.text.contains("\nm=audio ")),
                "no SDP was read"
            );
            for message in told.iter().filter(|message| message.received) {
                assert!(!message.text.contains(&address), "{address} has crossed:\n{}", message.text);
            }
        }
    }
}

fn plays(net: u8, pbx: Speaker, trunk: Speaker) {
    if !ready() {
        return;
    }
    let mut talk = Talk::start(net, pbx, trunk);
    for (calls, from_pbx) in [(1, true), (2, false)] {
        talk.speak(from_pbx);
        talk.have_heard();
        talk.is_counted(calls);
    }
    talk.hides();
    // Every port goes back.
    talk.edge.settle(PATIENCE);
}

#[test]
fn a_plain_pbx_and_a_trunk_with_srtp_hear_each_other() {
    plays(
        80,
        speaker(Kind::Baresip, Over::Udp, Encryption::None),
        speaker(Kind::Baresip, Over::Tls, Encryption::Srtp),
    );
}

#[test]
fn a_pbx_and_a_trunk_with_srtp_on_both_sides_hear_each_other() {
    plays(
        81,
        speaker(Kind::Pjsua, Over::Tls, Encryption::Srtp),
        speaker(Kind::Baresip, Over::Tls, Encryption::Srtp),
    );
}

// RFC 5763: baresip's certificate has an RSA key. It begins the handshake where it is called, and waits for it where it calls.
#[test]
fn a_pbx_in_the_clear_and_a_trunk_with_dtls_hear_each_other() {
    plays(
        82,
        speaker(Kind::Baresip, Over::Udp, Encryption::None),
        speaker(Kind::Baresip, Over::Tls, Encryption::Dtls),
    );
}

/// Every datagram of an address, as long as it runs.
struct Tap {
    child: Child,
    lines: JoinHandle<Vec<String>>,
}

impl Tap {
    /// `None` where nobody may listen.
    fn on(address: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/capture.py");
        let mut command = Command::new("python3");
        let mut child = command
            .arg(script)
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("its lines are text");
        if first.trim() != "ready" {
            let status = child.wait().expect("a child of ours can be waited for");
            assert_eq!(status.code(), Some(3), "capture.py failed");
            return None;
        }
        let lines = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).expect("its lines are text");
            text.lines().map(str::to_owned).collect()
        });
        Some(Self { child, lines })
    }

    /// The payloads of all datagrams, in order, each with the edge's port.
    fn off(mut self, edge: &str) -> Vec<(u16, Vec<u8>)> {
        drop(self.child.stdin.take());
        let _status = self.child.wait().expect("a child of ours can be waited for");
        let lines = self.lines.join().expect("its reader does not panic");
        let octets = |hex: &str| -> Vec<u8> {
            hex.as_bytes()
                .chunks(2)
                .filter_map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
                .collect()
        };
        let datagram = |line: &String| {
            let mut words = line.split(' ');
            let ends = [words.next()?, words.next()?];
            let port =
                ends.into_iter().find_map(|end| end.strip_prefix(edge)?.strip_prefix(':')?.parse().ok())?;
            Some((port, octets(words.next()?)))
        };
        lines.iter().filter_map(datagram).collect()
    }
}

/// What someone hears who takes the 160 octets behind the head of every packet of RTP for PCMU.
fn overheard(datagrams: &[Vec<u8>], pitch: u16) -> f64 {
    // RFC 3550 §5.1: version 2, payload type 0.
    let speech = datagrams
        .iter()
        .filter(|datagram| datagram.len() >= 172 && datagram[0] == 0x80 && datagram[1] & 0x7F == 0);
    let rtp: Vec<&Vec<u8>> = speech.collect();
    assert!(rtp.len() > 200, "only {} packets of speech", rtp.len());
    // Packets of two ways lie between one another: each is judged by itself.
    let shares = rtp.iter().map(|packet| {
        let samples: Vec<i16> = packet[12..172].iter().copied().map(of_pcmu).collect();
        share(&samples, pitch)
    });
    shares.fold(0.0, |most, share| if share > PURE { most + 1.0 } else { most })
        / f64::from(u32::try_from(rtp.len()).expect("some"))
}

// Rows E1, E4, G2: a capture on the trunk's side.
#[test]
fn who_listens_on_the_trunk_side_hears_nothing_and_learns_of_no_address_inside() {
    if !ready() {
        return;
    }
    let (plain, srtp) = (
        speaker(Kind::Baresip, Over::Udp, Encryption::None),
        speaker(Kind::Baresip, Over::Tls, Encryption::Srtp),
    );
    let mut talk = Talk::start(83, plain, srtp);
    let Some(tap) = Tap::on(&talk.net.edge()) else {
        eprintln!("skipped: nobody may listen on loopback here (root may)");
        return;
    };
    talk.speak(true);
    // baresip's packets come from whatever address the system picks; the edge's port says which side it is.
    let all = tap.off(&talk.net.edge());
    let (outside, inside): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(port, _)| *port == 5070 || *port >= 21_000);
    let [inside, outside] =
        [inside, outside].map(|side| side.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>());
    for pitch in [TONES.0, TONES.1] {
        let (heard, nothing) = (overheard(&inside, pitch), overheard(&outside, pitch));
        assert!(heard > 0.3, "the PBX's side is in the clear: {heard:.2} of its packets are {pitch} Hz");
        assert!(nothing < 0.02, "{nothing:.2} of the trunk's packets are {pitch} Hz in the clear");
    }
    let address = talk.net.pbx();
    let octets: Vec<u8> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    for datagram in &outside {
        let has = |wanted: &[u8]| datagram.windows(wanted.len()).any(|window| window == wanted);
        assert!(!has(address.as_bytes()) && !has(&octets), "{address} has crossed: {datagram:02x?}");
    }
    talk.hides();
    talk.edge.settle(PATIENCE);
}
