//! A peer that is none of ours: `openssl`, in both roles, over DTLS 1.2. Skips with a notice where it is not installed.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringfence::media::dtls::PROFILES;
use ringfence::media::order::{
    Fingerprint, Learning, Local, MediaId, MediaLeg, Order, Protection, Spot, Terms,
};
use ringfence::media::srtp::{Inbound, MasterKey, Mki, Outbound, Suite};
use ringfence::net::relay::Settings;
use sha2::{Digest as _, Sha256};

use super::{PATIENCE, Rig, phones};

/// The label of RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
const PORT: u16 = 41_000;

/// A certificate and its key, of either kind, in a folder; its hash.
fn certificate(folder: &Path, rsa: bool) -> Fingerprint {
    let kind = if rsa { &rcgen::PKCS_RSA_SHA256 } else { &rcgen::PKCS_ECDSA_P256_SHA256 };
    let key = rcgen::KeyPair::generate_for(kind).expect("a key");
    let certificate =
        rcgen::CertificateParams::new(Vec::new()).expect("none").self_signed(&key).expect("signed");
    std::fs::write(folder.join("peer.pem"), certificate.pem()).expect("a file");
    std::fs::write(folder.join("peer.key"), key.serialize_pem()).expect("a file");
    Fingerprint { hash: "sha-256".into(), octets: Sha256::digest(certificate.der())[..].into() }
}

fn start(
    folder: &Path,
    peer: SocketAddr,
    edge: SocketAddr,
    active: bool,
    profile: &str,
    octets: usize,
) -> Child {
    let mut command = Command::new("openssl");
    match active {
        true => command.args(["s_client", "-connect", &edge.to_string(), "-bind", &peer.to_string()]),
        false => command.args(["s_server", "-accept", &peer.to_string(), "-verify", "1"]),
    };
    command.args(["-dtls1_2", "-cert", "peer.pem", "-key", "peer.key", "-use_srtp", profile]);
    command.args(["-keymatexport", LABEL, "-keymatexportlen", &octets.to_string()]);
    // Its input stays open for as long as it is held: at the end of it openssl ends.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.current_dir(folder).spawn().expect("openssl starts")
}

/// What it exports, once it has shaken hands; then it is ended.
fn exported(mut machine: Child) -> Vec<u8> {
    let (sender, lines) = std::sync::mpsc::channel();
    let output = BufReader::new(machine.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        output.lines().map_while(Result::ok).for_each(|line| sender.send(line).unwrap_or_default());
    });
    let until = Instant::now() + PATIENCE;
    let mut heard = Vec::new();
    let material = loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(line) = lines.recv_timeout(left) else { break None };
        if let Some(hex) = line.trim().strip_prefix("Keying material: ") {
            break Some(hex.to_owned());
        }
        heard.push(line);
    };
    machine.kill().expect("it was there");
    machine.wait().expect("it ends");
    reader.join().expect("it read to the end");
    let hex = material.unwrap_or_else(|| panic!("no handshake: {}", heard.join("\n")));
    let digit = |digit: &u8| char::from(*digit).to_digit(16).expect("hex") as u8;
    hex.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |octet, next| octet << 4 | digit(next))).collect()
}

/// A call between openssl on leg A and RTP in the clear on leg B.
fn agrees(net: u8, active: bool, rsa: bool, (profile, suite): (&str, Suite)) {
    let folder = tempfile::tempdir().expect("a folder");
    let fingerprint = certificate(folder.path(), rsa);
    let mut rig = Rig::new(&Settings::default());
    let (edge, other) = (format!("127.61.{net}.1"), phones::socket(&format!("127.61.{net}.3")));
    let at = |port| SocketAddr::new(edge.parse().expect("an address"), port);
    // A port that nobody has: openssl binds it, and when it has ended the phone's packets come from there.
    let peer = phones::socket(&format!("127.61.{net}.2")).local_addr().expect("bound");
    let terms = |remote: SocketAddr, protection| Terms {
        remote: Some(remote),
        remote_rtcp: Some(remote),
        receives: true,
        sends: true,
        protection,
        early: false,
        learning: Learning::Signalled,
        formats: [8].into_iter().collect(),
        events: None,
        clock_rate: 8_000,
        packets_per_second_max: 1_000,
        dscp: 0,
        silence: None,
    };
    let dtls = Protection::Dtls { active: !active, fingerprint, suites: PROFILES[..].into() };
    let plain = (MediaLeg::B, PORT + 2, terms(other.local_addr().expect("bound"), Protection::Plain));
    let machine = start(folder.path(), peer, at(PORT), active, profile, 2 * suite.master_octets());
    for (leg, rtp, terms) in [(MediaLeg::A, PORT, terms(peer, dtls)), plain] {
        let spot = Spot { media: MediaId(1), leg, stream: 0 };
        let local = Local { bind: at(0).ip(), rtp, rtcp: None };
        rig.relay.order(Order::Open { spot, local });
        rig.relay.order(Order::Set { spot, terms: Box::new(terms) });
    }
    let material = exported(machine);
    // RFC 5764 §4.2.
    let (key, salt) = (suite.key_octets(), suite.salt_octets());
    let part = |n: usize| {
        let salts = 2 * key + n * salt;
        let octets = [&material[n * key..(n + 1) * key], &material[salts..salts + salt]].concat();
        MasterKey::new(suite, &octets).expect("the suite's length")
    };
    let (own, edges) = if active { (part(0), part(1)) } else { (part(1), part(0)) };
    let listener = UdpSocket::bind(peer).expect("it is free again");
    crosses(&listener, at(PORT), &own, &other);
    let mut packet = vec![0xd5; phones::PLAIN];
    packet[..4].copy_from_slice(&[0x80, 8, 0, 9]);
    listener.set_read_timeout(Some(PATIENCE)).expect("a socket");
    other.send_to(&packet, at(PORT + 2)).expect("loopback takes it");
    let mut heard = [0; 2_048];
    let (octets, _) = listener.recv_from(&mut heard).expect("it arrives");
    let opened =
        Inbound::new(&edges, Mki::NONE).unprotect_rtp(&mut heard[..octets]).expect("of the edge's key");
    assert_eq!(heard[..opened], packet);
    rig.relay.stop();
}

/// A packet under the peer's key comes out in the clear on the other leg; sent again until the edge has ended its part.
fn crosses(socket: &UdpSocket, edge: SocketAddr, own: &MasterKey, other: &UdpSocket) {
    let mut speaks = Outbound::new(own, u64::MAX);
    other.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    let until = Instant::now() + PATIENCE;
    for sequence in 1_u16.. {
        assert!(Instant::now() < until, "nothing crosses");
        let mut packet = vec![0xd5; phones::PLAIN + 40];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        let octets = speaks.protect_rtp(&mut packet, phones::PLAIN).expect("a new index");
        socket.send_to(&packet[..octets], edge).expect("loopback takes it");
        let mut heard = [0; 2_048];
        if let Ok((octets, _)) = other.recv_from(&mut heard) {
            assert_eq!((octets, &heard[12..octets]), (phones::PLAIN, &[0xd5; phones::PLAIN - 12][..]));
            return;
        }
    }
}

#[test]
fn openssl_agrees_on_the_same_keys_in_either_role_and_with_either_kind_of_certificate() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("RINGFENCE_BIN").is_none(), "openssl is not installed (Debian: openssl)");
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let sha1 = ("SRTP_AES128_CM_SHA1_80", Suite::AesCm128HmacSha1T80);
    let gcm = ("SRTP_AEAD_AES_256_GCM", Suite::AeadAes256Gcm);
    let rows = [
        (20, true, false, sha1),
        (21, false, false, sha1),
        (22, true, false, gcm),
        (23, false, false, gcm),
        (24, true, true, sha1),
        (25, false, true, sha1),
    ];
    for (net, active, rsa, profile) in rows {
        agrees(net, active, rsa, profile);
    }
}
