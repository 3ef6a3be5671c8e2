//! Files, terms and sessions, without a socket: two sessions hand each other their records.

use super::lab::{Authority, GOOD, held, now};
use super::material::{self, Held};
use super::*;
use crate::sip::PartyId;

/// Hands records to and fro until both are silent; what each heard, and the refusal of the first who refused.
fn pump(client: &mut Session, server: &mut Session) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let (mut heard_by_server, mut heard_by_client) = (Vec::new(), Vec::new());
    client.feed(&mut [], &mut to_server, &mut |_| {})?;
    while !(to_server.is_empty() && to_client.is_empty()) {
        let mut bytes = std::mem::take(&mut to_server);
        server.feed(&mut bytes, &mut to_client, &mut |plain| heard_by_server.extend_from_slice(plain))?;
        let mut bytes = std::mem::take(&mut to_client);
        client.feed(&mut bytes, &mut to_server, &mut |plain| heard_by_client.extend_from_slice(plain))?;
    }
    Ok((heard_by_client, heard_by_server))
}

fn terms(shown: Shown, trust: Trust) -> Arc<Terms> {
    let book = Book::build(vec![(PartyId(0), shown, trust)], Vec::new(), &Book::default()).unwrap();
    Arc::clone(book.terms(PartyId(0)).unwrap())
}

fn sessions(client: &Terms, server: &Terms) -> (Session, Session) {
    let address = [192, 0, 2, 1].into();
    (
        Session::client(client.client(), client.server_name(address)).unwrap(),
        Session::server(server.server()).unwrap(),
    )
}

/// One handshake between an edge that calls and one that is called.
fn shake(client: &Terms, server: &Terms) -> Result<(Session, Session), Refusal> {
    let (mut ours, mut theirs) = sessions(client, server);
    pump(&mut ours, &mut theirs)?;
    assert!(!ours.is_handshaking() && !theirs.is_handshaking());
    Ok((ours, theirs))
}

#[test]
fn messages_cross_and_both_sides_are_proven() {
    let ca = Authority::new("lab");
    let client = terms(ca.shown(&["pbx.example.com"]), ca.trust(&["edge.example.com"], ClientRule::Nothing));
    let rule = ClientRule::Certificate(vec![Name::of("pbx.example.com")]);
    let server = terms(ca.shown(&["edge.example.com"]), ca.trust(&[], rule));
    let (mut ours, mut theirs) = shake(&client, &server).unwrap();
    assert!(ours.is_proven() && theirs.is_proven() && !ours.is_resumed());
    // More than one record at once, in pieces of any size.
    let message: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let (mut records, mut heard) = (Vec::new(), Vec::new());
    ours.say(&message, &mut records).unwrap();
    for piece in records.chunks_mut(777) {
        let mut back = Vec::new();
        theirs.feed(piece, &mut back, &mut |plain| heard.extend_from_slice(plain)).unwrap();
        assert!(back.is_empty());
    }
    assert_eq!(heard, message);
    // The end is said, and heard.
    let (mut records, mut back) = (Vec::new(), Vec::new());
    theirs.end(&mut records);
    ours.feed(&mut records, &mut back, &mut |_| panic!("nothing is said")).unwrap();
    assert!(ours.ended && !theirs.ended);
}

#[test]
fn a_second_session_is_resumed_and_a_ticket_is_worth_nothing_under_other_terms() {
    let ca = Authority::new("lab");
    let shown = ca.shown(&["edge.example.com"]);
    let client = terms(ca.shown(&["pbx.example.com"]), ca.trust(&["edge.example.com"], ClientRule::Nothing));
    let rule = || ca.trust(&[], ClientRule::Certificate(Vec::new()));
    let server = terms(shown.clone(), rule());
    assert!(!shake(&client, &server).unwrap().0.is_resumed());
    let (ours, theirs) = shake(&client, &server).unwrap();
    assert!(ours.is_resumed() && theirs.is_resumed() && theirs.is_proven());
    let other = terms(shown, rule());
    assert!(!shake(&client, &other).unwrap().1.is_resumed());
}

#[test]
fn who_does_not_prove_itself_is_refused_by_cause() {
    let (ca, stranger) = (Authority::new("lab"), Authority::new("stranger"));
    let edge = ca.shown(&["edge.example.com"]);
    let nothing = || ClientRule::Nothing;
    let certificate =
        |names: &[&str]| ClientRule::Certificate(names.iter().map(|name| Name::of(name)).collect());
    let server = |trust| terms(edge.clone(), trust);
    // The server's certificate.
    let call = |shown: Shown, trust: Trust| {
        let client = terms(ca.shown(&["pbx.example.com"]), trust);
        shake(&client, &terms(shown, ca.trust(&[], nothing()))).map(|_| ()).map_err(|refusal| refusal.cause)
    };
    assert_eq!(call(edge.clone(), ca.trust(&["edge.example.com"], nothing())), Ok(()));
    assert_eq!(call(edge.clone(), ca.trust(&["other.example.com"], nothing())), Err(Cause::WrongName));
    assert_eq!(call(edge.clone(), ca.trust(&[], nothing())), Err(Cause::WrongName));
    assert_eq!(call(edge.clone(), stranger.trust(&["edge.example.com"], nothing())), Err(Cause::Untrusted));
    // The client's.
    let called = |shown: Shown, trust: Trust| {
        let client = terms(shown, ca.trust(&["edge.example.com"], nothing()));
        shake(&client, &server(trust)).map(|_| ()).map_err(|refusal| refusal.cause)
    };
    let pbx = || ca.shown(&["pbx.example.com"]);
    assert_eq!(called(pbx(), ca.trust(&[], certificate(&[]))), Ok(()));
    assert_eq!(called(pbx(), ca.trust(&[], certificate(&["pbx.example.com"]))), Ok(()));
    assert_eq!(called(pbx(), ca.trust(&[], certificate(&["other.example.com"]))), Err(Cause::WrongName));
    let wrong = stranger.shown(&["pbx.example.com"]);
    assert_eq!(called(wrong.clone(), ca.trust(&[], certificate(&[]))), Err(Cause::Untrusted));
    // What stands in the file itself needs no signature.
    let mut pinned = ca.trust(&[], certificate(&[]));
    let pem = {
        let der = wrong.key.cert[0].to_vec();
        pem_of(&der)
    };
    pinned.authorities = Authorities::read(pem.as_bytes(), now()).unwrap();
    assert_eq!(called(wrong, pinned), Ok(()));
}

fn pem_of(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for three in der.chunks(3) {
        let number =
            three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(digit) });
        }
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

#[test]
fn a_client_without_a_certificate_and_bytes_that_are_no_tls_are_refused() {
    let ca = Authority::new("lab");
    let server = terms(ca.shown(&["edge.example.com"]), ca.trust(&[], ClientRule::Certificate(Vec::new())));
    let bare = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(lab::roots(&ca))
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("edge.example.com").unwrap();
    let mut client = Session::client(Arc::new(bare), name).unwrap();
    let mut session = Session::server(server.server()).unwrap();
    assert_eq!(pump(&mut client, &mut session).unwrap_err().cause, Cause::NoCertificate);

    for bytes in
        [&b"INVITE sip:a@b SIP/2.0\r\n"[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n", &[0x80, 0x2e, 1, 3, 1]]
    {
        let mut session = Session::server(server.server()).unwrap();
        let mut out = Vec::new();
        let refusal = session.feed(&mut bytes.to_vec(), &mut out, &mut |_| {}).unwrap_err();
        assert_eq!(refusal.cause, Cause::Plain, "{bytes:?}");
        assert!(out.is_empty(), "nothing is told to who speaks no TLS");
    }
}

/// A ClientHello of an old version with an old suite, as OpenSSL 0.9.8 would send it.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    // No session id; AES128-SHA, 3DES, RC4-MD5 and NULL-MD5; no compression.
    body.extend([0, 0, 8, 0x00, 0x2f, 0x00, 0x0a, 0x00, 0x04, 0x00, 0x01, 1, 0]);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

#[test]
fn f5_tls_below_1_2_and_old_suites_are_refused_with_an_alert() {
    let ca = Authority::new("lab");
    let server = terms(ca.shown(&["edge.example.com"]), ca.trust(&[], ClientRule::Nothing));
    for minor in [0, 1, 2, 3] {
        let mut session = Session::server(server.server()).unwrap();
        let mut out = Vec::new();
        let refusal = session.feed(&mut old_hello(minor), &mut out, &mut |_| {}).unwrap_err();
        assert_eq!(refusal.cause, Cause::Version, "3.{minor}: {refusal:?}");
        assert_eq!(out.first(), Some(&21), "an alert goes back: {out:?}");
    }
}

#[test]
fn f5_a_handshake_that_never_ends_holds_little() {
    let ca = Authority::new("lab");
    let server = terms(ca.shown(&["edge.example.com"]), ca.trust(&[], ClientRule::Nothing));
    let mut session = Session::server(server.server()).unwrap();
    // A handshake message of 16 MB, in records of 16 kB.
    let mut first = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    first.resize(5 + 0x4000, 0);
    let (mut fed, mut out) = (0, Vec::new());
    let mut record = vec![22, 3, 3, 0x40, 0];
    record.resize(5 + 0x4000, 0);
    let mut next = first;
    let refusal = loop {
        fed += next.len();
        match session.feed(&mut next, &mut out, &mut |_| {}) {
            Ok(()) => next.clone_from(&record),
            Err(refusal) => break refusal,
        }
        assert!(fed < 1 << 20, "a megabyte was taken");
    };
    assert_eq!(refusal.cause, Cause::Broken, "{refusal:?}");
}

#[test]
fn bad_files_are_told_each_by_its_cause() {
    let ca = Authority::new("lab");
    let (chain, key) = ca.sign(&["edge.example.com"], GOOD, false);
    let (rsa_chain, rsa_key) = ca.sign(&["edge.example.com"], GOOD, true);
    let (old, old_key) = ca.sign(&["edge.example.com"], (2020, 2021), false);
    let (early, early_key) = ca.sign(&["edge.example.com"], (2089, 2090), false);
    let other = Authority::new("other").pem;
    let open = |text: &str| Held { mode: 0o100_644, ..held(text) };
    let half = |text: &str| held(text.get(..text.len() / 2).unwrap());
    let table: &[(&str, Held, Held, &[&str])] = &[
        ("good", held(&chain), held(&key), &[]),
        ("good, with its authority behind it", held(&format!("{chain}{}", ca.pem)), held(&key), &[]),
        ("good RSA", held(&rsa_chain), held(&rsa_key), &[]),
        ("another's key", held(&chain), held(&rsa_key), &["does not belong"]),
        ("world-readable", held(&chain), open(&key), &["may read this key (mode 0644)"]),
        ("expired", held(&old), held(&old_key), &["expired: it was good until 2021-01-01"]),
        ("not yet", held(&early), held(&early_key), &["not valid before 2089-01-01"]),
        ("swapped", held(&key), held(&chain), &["a private key stands here", "a certificate stands here"]),
        ("empty", held(""), held(""), &["no certificate in PEM", "no private key in PEM"]),
        ("cut off", half(&chain), half(&key), &["it is cut short", "no private key"]),
        ("out of order", held(&format!("{chain}{other}")), held(&key), &["not in order"]),
        ("an authority's", held(&format!("{}{chain}", ca.pem)), held(&key), &["not in order"]),
        (
            "locked",
            held(&chain),
            held("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
            &["locked by a password"],
        ),
        ("three at once", held(&old), open("x"), &["expired", "may read this key", "no private key"]),
    ];
    for (what, chain, key, causes) in table {
        let told: Vec<String> = match material::shown(chain, key, now()) {
            Ok(shown) => {
                assert_eq!(shown.names, ["edge.example.com"], "{what}");
                Vec::new()
            }
            Err(faults) => faults.into_iter().map(|fault| fault.cause).collect(),
        };
        assert_eq!(told.len(), causes.len(), "{what}: {told:?}");
        for (told, cause) in told.iter().zip(*causes) {
            assert!(told.contains(cause), "{what}: {told}");
        }
    }
    assert!(Authorities::read(b"", now()).is_err());
    assert!(Authorities::read(old.as_bytes(), now()).unwrap_err().cause.contains("expired"));
    assert!(!format!("{:?}", held(&key)).contains("PRIVATE"), "a key is never printed");
}

#[test]
fn a_new_book_keeps_what_has_not_changed() {
    let ca = Authority::new("lab");
    let (one, two) = (ca.shown(&["one.example.com"]), ca.shown(&["two.example.com"]));
    let trust = |names: &[&str]| ca.trust(names, ClientRule::Nothing);
    let build = |entries, before: &Book| Book::build(entries, Vec::new(), before).unwrap();
    let first = build(
        vec![
            (PartyId(0), one.clone(), trust(&["a.example"])),
            (PartyId(2), one.clone(), trust(&["b.example"])),
        ],
        &Book::default(),
    );
    assert!(first.differs(&Book::default()) && first.terms(PartyId(1)).is_none());
    let same = build(
        vec![
            (PartyId(0), one.clone(), trust(&["a.example"])),
            (PartyId(2), one.clone(), trust(&["b.example"])),
        ],
        &first,
    );
    assert!(!same.differs(&first));
    let next = build(
        vec![(PartyId(0), two, trust(&["a.example"])), (PartyId(2), one, trust(&["c.example"]))],
        &first,
    );
    assert!(next.differs(&first));
    let trusted = |book: &Book, party| Arc::clone(&book.terms(PartyId(party)).unwrap().trust);
    assert_eq!(
        trusted(&next, 0),
        trusted(&first, 0),
        "another certificate of ours asks nothing else of the peer"
    );
    assert_ne!(trusted(&next, 2), trusted(&first, 2));
}

/// Numbers that look random, the same each time.
fn dice(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 40).unwrap()
}

/// However records are cut, joined and spoilt, at any moment of a session's life, nothing breaks but that session.
#[test]
fn f5_spoilt_records_break_nothing() {
    let ca = Authority::new("lab");
    let client = terms(ca.shown(&["pbx.example.com"]), ca.trust(&["edge.example.com"], ClientRule::Nothing));
    let rule = ClientRule::Certificate(Vec::new());
    let server = terms(ca.shown(&["edge.example.com"]), ca.trust(&[], rule));
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..400_u64 {
        let mut seed = seed.wrapping_mul(7_919);
        let spoils = seed % 2 == 1;
        let (mut ours, mut theirs) = sessions(&client, &server);
        let (mut out, mut back, mut heard) = (Vec::new(), Vec::new(), 0);
        ours.feed(&mut [], &mut out, &mut |_| {}).unwrap();
        let fails = (0..40).any(|round| {
            if !ours.is_handshaking() && round % 3 == 0 {
                ours.say(b"OPTIONS sip:edge SIP/2.0\r\n\r\n", &mut out).unwrap();
            }
            if !theirs.is_handshaking() && theirs.say(b"SIP/2.0 200 OK\r\n\r\n", &mut back).is_err() {
                return true;
            }
            let mut bytes = std::mem::take(&mut out);
            if spoils && dice(&mut seed).is_multiple_of(8) && !bytes.is_empty() {
                let at = dice(&mut seed) % bytes.len();
                bytes[at] ^= u8::try_from(1 + dice(&mut seed) % 255).unwrap();
            }
            while !bytes.is_empty() {
                let rest = bytes.split_off((1 + dice(&mut seed) % 300).min(bytes.len()));
                if theirs.feed(&mut bytes, &mut back, &mut |plain| heard += plain.len()).is_err() {
                    return true;
                }
                bytes = rest;
            }
            let mut bytes = std::mem::take(&mut back);
            ours.feed(&mut bytes, &mut out, &mut |_| {}).is_err()
        });
        if fails {
            refused += 1;
        } else if heard > 0 {
            whole += 1;
        }
        assert!(spoils || !fails);
    }
    assert!(whole >= 200 && refused > 50, "{whole} whole, {refused} refused");
}
