//! What no honest machine shows or says in a handshake: it costs the edge little, is told by its cause, and disturbs nobody.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use crate::rig::wire::call;
use crate::rig::{Net, wait_for};
use crate::{PATIENCE, Site, hung_up, ping};

/// What a client shows: its chain and the key of the first.
type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What the lab's authority is called: whoever signs under that name looks like it, until the signature is checked.
const AUTHORITY: &str = "Ringfence lab authority";

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().expect("a key"))
}

fn leaf(years: (i32, i32)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec!["pbx.example.com".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    (params, KeyPair::generate().expect("a key"))
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).expect("a key of ours")
}

/// One that has signed for itself.
fn alone(years: (i32, i32)) -> Shown {
    let (params, key) = leaf(years);
    (vec![params.self_signed(&key).expect("it signs itself").der().clone()], private(&key))
}

/// So many authorities, each of which may have signed every other by its name, and has not: whoever tries all ways from the first
/// to the root never ends.
fn bomb(count: usize) -> Shown {
    let authorities: Vec<Issuer<'static, KeyPair>> = (0..count)
        .map(|_| {
            let (params, key) = authority(AUTHORITY);
            Issuer::new(params, key)
        })
        .collect();
    let (params, key) = leaf((2020, 2090));
    let mut chain = vec![params.signed_by(&key, &authorities[0]).expect("it is signed").der().clone()];
    for (place, _) in authorities.iter().enumerate() {
        let (params, key) = authority(AUTHORITY);
        let by = &authorities[(place + 1) % count];
        chain.push(params.signed_by(&key, by).expect("it is signed").der().clone());
    }
    (chain, private(&key))
}

#[test]
fn f5_certificates_that_prove_nothing_are_refused_fast_and_cost_nobody_else() {
    let net = Net(88);
    let site = Site::start("tls-junk", net, None);
    let mut bystander = site.bystander();
    let table: [(&str, Shown); 4] = [
        ("signed by itself", alone((2020, 2090))),
        ("signed by itself and expired", alone((2020, 2021))),
        ("thirty authorities in a ring", bomb(30)),
        ("a hundred authorities in a ring", bomb(100)),
    ];
    for (at, (what, shown)) in table.into_iter().enumerate() {
        for version in [&TLS12, &TLS13] {
            let config = site.lab.client_that_shows(Some((shown.0.clone(), shown.1.clone_key())), &[version]);
            let began = Instant::now();
            // In TLS 1.3 a client hears of it only behind its own handshake.
            assert!(site.pbx(&config).map_or(true, |mut wire| wire.message().is_none()), "{what}");
            assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
        }
        wait_for(what, PATIENCE, || site.edge.number("/tls/refused_certificate") == 2 * (at as u64 + 1));
        ping(&mut bystander, 10 + at as u32);
    }
    assert_eq!(site.edge.alert(32202)["peer"], "office-pbx");
    // More than a handshake's message may hold is not read to its end.
    let huge = site.lab.client_that_shows(Some(bomb(400)), &[&TLS13]);
    assert!(site.pbx(&huge).map_or(true, |mut wire| wire.message().is_none()));
    wait_for("the protocol to be broken", PATIENCE, || site.edge.number("/tls/broken") >= 1);
    ping(&mut bystander, 20);
    ping(&mut site.pbx(&site.good()).expect("the PBX gets in"), 21);
}

/// A ClientHello of TLS 1.2 with these octets as its extensions.
fn hello(extensions: &[u8]) -> Vec<u8> {
    let two = |length: usize| u16::try_from(length).expect("it is short").to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session id; ECDHE-ECDSA-AES128-GCM-SHA256; no compression.
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend(two(extensions.len()));
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(two(body.len()));
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(two(message.len()));
    record.extend(message);
    record
}

/// A server name extension (RFC 6066 §3) with these octets as its list.
fn server_name(list: &[u8]) -> Vec<u8> {
    let length = u16::try_from(list.len()).expect("it is short").to_be_bytes();
    [&[0, 0], &length[..], list].concat()
}

#[test]
fn f5_junk_where_a_server_name_should_stand_is_answered_by_an_alert() {
    let net = Net(89);
    let site = Site::start("tls-sni", net, None);
    let mut bystander = site.bystander();
    let long = [&[0x20, 0x03, 0, 0x20, 0][..], &[b'a'; 0x2000]].concat();
    let table: [(&str, Vec<u8>, u64); 6] = [
        ("no list", server_name(&[]), 1),
        ("a list that is longer than its extension", server_name(&[0xff, 0xff, 0, 0, 1, b'x']), 1),
        ("a name that is longer than its list", server_name(&[0, 4, 0, 0xff, 0xff, b'x']), 1),
        ("octets that are no name", server_name(&[0, 7, 0, 0, 4, 0xff, 0, b'/', 0x80]), 1),
        ("8 kB of one letter", server_name(&long), 1),
        (
            "the same twice",
            [server_name(&[0, 4, 0, 0, 1, b'x']), server_name(&[0, 4, 0, 0, 1, b'y'])].concat(),
            1,
        ),
    ];
    // Without junk the same hello is refused because it names no groups, and as no broken one.
    let honest = ("a name", server_name(&[0, 4, 0, 0, 1, b'x']), 0);
    let mut broken = 0;
    for (at, (what, extensions, more)) in [honest].into_iter().chain(table).enumerate() {
        let mut socket = call(&net.pbx(), &format!("{}:5061", net.edge()));
        socket.write_all(&hello(&extensions)).expect("the edge takes it");
        assert_eq!(hung_up(&mut socket).first(), Some(&21), "{what}: it hears an alert");
        broken += more;
        ping(&mut bystander, 10 + at as u32);
    }
    assert_eq!(site.edge.number("/tls/broken"), broken);
    ping(&mut site.pbx(&site.good()).expect("the PBX gets in"), 20);
}

/// A machine of OpenSSL's that asks for a new handshake within its session (TLS 1.2) again and again.
#[test]
fn f5_a_session_is_not_shaken_anew_from_within() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("RINGFENCE_BIN").is_none(), "openssl is not installed (Debian: openssl)");
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let net = Net(94);
    let site = Site::start("tls-anew", net, None);
    let mut bystander = site.bystander();
    let file = |name: &str| site.lab.0.join(name).display().to_string();
    let arguments = ["s_client", "-tls1_2", "-connect", &format!("{}:5061", net.edge())];
    let mut machine = Command::new("openssl")
        .args(arguments)
        .args(["-bind", &format!("{}:0", net.pbx()), "-CAfile", &file("ca.pem")])
        .args(["-cert", &file("client.pem"), "-key", &file("client.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    wait_for("its first handshake", PATIENCE, || site.edge.number("/tls/handshakes") == 2);
    let mut lines = machine.stdin.take().expect("it reads what it is told");
    // Each line asks once, until it is refused and ends.
    wait_for("openssl to end", PATIENCE, || {
        let _gone_meanwhile = lines.write_all(b"R\n");
        machine.try_wait().expect("a child of ours can be waited for").is_some()
    });
    let said = machine.wait_with_output().expect("it has ended").stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    assert_eq!(site.edge.number("/tls/handshakes"), 2, "no second one within the session");
    ping(&mut bystander, 2);
    ping(&mut site.pbx(&site.good()).expect("the PBX gets in"), 3);
}
