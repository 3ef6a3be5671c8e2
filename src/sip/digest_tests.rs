//! Digest held against the vectors of the RFCs, and what must be refused.

use super::*;
use crate::sip::error::Cause;

fn field<'a>(vector: &'a serde_json::Value, name: &str) -> &'a [u8] {
    vector[name].as_str().unwrap_or_default().as_bytes()
}

#[test]
fn every_vector_is_reproduced() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/vectors/digest.json");
    let Ok(text) = std::fs::read_to_string(file) else {
        eprintln!("skipped: no ../shared/corpus/vectors/digest.json");
        return;
    };
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 10, "{} vectors", vectors.len());
    for vector in vectors {
        let name = format!("{} {}", vector["source"], vector["algorithm"]);
        let algorithm = Algorithm::read(field(vector, "algorithm")).unwrap();
        let [user, realm] = [field(vector, "username"), field(vector, "realm")];
        let ha1 = Ha1::new(algorithm.hash, user, realm, field(vector, "password"));
        let counted = vector["qop"].as_str().map(|qop| Counted {
            qop: Qop::read(qop.as_bytes()).unwrap(),
            count: u32::from_str_radix(vector["nc"].as_str().unwrap(), 16).unwrap(),
        });
        let terms = Terms {
            method: field(vector, "method"),
            uri: field(vector, "uri"),
            nonce: field(vector, "nonce"),
            session: algorithm.session,
            cnonce: field(vector, "cnonce"),
            counted,
            body: field(vector, "body"),
        };
        if !algorithm.session {
            assert_eq!(ha1.expose(), field(vector, "ha1"), "{name}");
        }
        let response = ha1.response(&terms);
        assert_eq!(
            response.as_bytes().escape_ascii().to_string(),
            field(vector, "response").escape_ascii().to_string(),
            "{name}"
        );
    }
}

/// RFC 7616 §3.9.1, with SIP's spacing.
const RFC_7616: &str = "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
     algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
     cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
     response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

fn mufasa(hash: Hash) -> Ha1 {
    Ha1::new(hash, b"Mufasa", b"http-auth@example.org", b"Circle of Life")
}

#[test]
fn an_authorization_is_read_and_proven_or_not() {
    let read = Authorization::read(RFC_7616.as_bytes()).unwrap().unwrap();
    assert_eq!(read.user, User::Named(b"Mufasa".into()));
    assert_eq!(read.counted, Some(Counted { qop: Qop::Auth, count: 1 }));
    assert!(read.is_proven_by(&mufasa(Hash::Sha256), b"GET", b""));
    assert!(!read.is_proven_by(&mufasa(Hash::Sha256), b"PUT", b""), "another method");
    assert!(!read.is_proven_by(&mufasa(Hash::Md5), b"GET", b""), "another hash");
    let other = Ha1::new(Hash::Sha256, b"Mufasa", b"http-auth@example.org", b"Circle of life");
    assert!(!read.is_proven_by(&other, b"GET", b""), "another password");
    for (from, to) in [("nc=00000001", "nc=00000002"), ("index.html", "other.html"), ("f2/w", "g2/w")] {
        let altered = RFC_7616.replace(from, to);
        let read = Authorization::read(altered.as_bytes()).unwrap().unwrap();
        assert!(!read.is_proven_by(&mufasa(Hash::Sha256), b"GET", b""), "{to}");
    }
}

#[test]
fn nothing_that_proves_a_password_prints() {
    let read = Authorization::read(RFC_7616.as_bytes()).unwrap().unwrap();
    let ha1 = mufasa(Hash::Sha256);
    let shown = format!("{read:?} {ha1:?} {:?}", read.response);
    assert_eq!(shown, "[redacted] SHA-256 [redacted] [redacted]");
}

#[test]
fn a7_what_two_readers_could_read_differently_is_refused() {
    for (from, to) in [
        ("username=\"Mufasa\"", "username=Mufasa"),
        ("username=\"Mufasa\"", "username=\"Mufasa\", username*=UTF-8''Mufasa"),
        ("username=\"Mufasa\", ", ""),
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000A"),
        ("nc=00000001", "nc=00000000"),
        ("nc=00000001", "nc=+0000001"),
        ("nc=00000001, ", ""),
        ("qop=auth, ", ""),
        ("qop=auth,", "qop=auth-conf,"),
        ("SHA-256", "SHA-1"),
        ("SHA-256", "MD5"),
        ("response=\"7539", "response=\"7G39"),
        ("response=\"7539", "response=\"753"),
        ("realm=", "realm=\"x\", realm="),
        ("uri=\"/dir/index.html\", ", ""),
        ("algorithm", "userhash=maybe, algorithm"),
    ] {
        let altered = RFC_7616.replace(from, to);
        assert_ne!(altered, RFC_7616);
        assert_eq!(Authorization::read(altered.as_bytes()), Err(Cause::HeaderValue), "{to}");
    }
    for (octets, refused) in
        [(VALUE_OCTETS_MAX - 1, false), (VALUE_OCTETS_MAX, false), (VALUE_OCTETS_MAX + 1, true)]
    {
        let long = format!("username=\"{}\"", "u".repeat(octets - 2));
        let altered = RFC_7616.replace("username=\"Mufasa\"", &long);
        assert_eq!(Authorization::read(altered.as_bytes()).is_err(), refused, "{octets}");
    }
    assert_eq!(Authorization::read(b"Bearer abc"), Ok(None));
}

#[test]
fn names_come_plain_extended_or_hashed() {
    let read = |text: &str| {
        let altered = RFC_7616.replace("username=\"Mufasa\"", text);
        Authorization::read(altered.as_bytes()).ok().flatten().map(|read| match read.user {
            User::Named(name) => format!("named {}", String::from_utf8_lossy(&name)),
            User::Hashed(name) => format!("hashed {}", String::from_utf8_lossy(&name)),
        })
    };
    assert_eq!(read("username=\"a \\\"b\\\" \\\\\"").as_deref(), Some("named a \"b\" \\"));
    assert_eq!(read("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe").as_deref(), Some("named J\u{e4}s\u{f8}n Doe"));
    assert_eq!(read("username*=utf-8'en'x").as_deref(), Some("named x"));
    assert_eq!(read("username=\"793263ca\", userhash=true").as_deref(), Some("hashed 793263ca"));
    assert_eq!(read("username=\"x\", userhash=false").as_deref(), Some("named x"));
    for bad in [
        "username*=UTF-8''%",
        "username*=UTF-8''%4",
        "username*=UTF-8''%+4",
        "username*=UTF-8''%00",
        "username*=UTF-8''%ff",
        "username*=ISO-8859-1''x",
        "username*=UTF-8'x",
        "username*=x",
        "username*=UTF-8''x, userhash=true",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
    // RFC 7616 §3.9.2: the hash of the name.
    let hashed = Hash::Sha512T256.of(&["J\u{e4}s\u{f8}n Doe".as_bytes(), b"api@example.org"]);
    assert_eq!(hashed.as_bytes(), b"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
}

#[test]
fn a_challenge_written_is_read_again_and_its_answer_is_proven() {
    for hash in Hash::ALL {
        for stale in [false, true] {
            let mut line = Vec::new();
            Offer { realm: "a \"b\" \\c", nonce: b"n0nce", hash, stale }.write(&mut line);
            let challenge = Challenge::read(&line).unwrap().unwrap();
            assert_eq!((&*challenge.realm, &*challenge.nonce), (&b"a \"b\" \\c"[..], &b"n0nce"[..]));
            assert_eq!((challenge.algorithm, challenge.stale), (Algorithm { hash, session: false }, stale));
            assert_eq!(challenge.qop, Some(Qop::Auth));
            let ha1 = Ha1::new(hash, b"u\"x", &challenge.realm, b"secret");
            let with = Answer {
                user: "u\"x",
                ha1: &ha1,
                method: b"INVITE",
                uri: b"sip:+1@x",
                cnonce: b"c",
                count: 7,
                body: b"",
            };
            let line = challenge.answer(&with).unwrap();
            let read = Authorization::read(&line).unwrap().unwrap();
            assert_eq!(read.user, User::Named(b"u\"x".into()));
            assert_eq!(read.counted, Some(Counted { qop: Qop::Auth, count: 7 }));
            assert!(read.is_proven_by(&ha1, b"INVITE", b""));
            let wrong = Ha1::new(hash, b"u\"x", &challenge.realm, b"Secret");
            assert!(!read.is_proven_by(&wrong, b"INVITE", b""));
        }
    }
}

#[test]
fn an_answer_follows_its_challenge() {
    let answer = |line: &str| {
        let challenge = Challenge::read(line.as_bytes()).unwrap().unwrap();
        let ha1 = Ha1::new(challenge.algorithm.hash, b"u", &challenge.realm, b"p");
        let with = Answer {
            user: "u",
            ha1: &ha1,
            method: b"INVITE",
            uri: b"sip:x",
            cnonce: b"c",
            count: 1,
            body: b"v=0",
        };
        let line = challenge.answer(&with).unwrap();
        let read = Authorization::read(&line).unwrap().unwrap();
        assert!(read.is_proven_by(&ha1, b"INVITE", b"v=0"), "{line:?}");
        String::from_utf8(line).unwrap()
    };
    let old = answer("Digest realm=\"r\", nonce=\"n\"");
    assert!(!old.contains("qop") && !old.contains("algorithm") && !old.contains("cnonce"), "{old}");
    let whole =
        answer("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\", opaque=\"o\\\"\", algorithm=MD5-sess");
    assert!(whole.contains("qop=auth-int, nc=00000001, cnonce=\"c\""), "{whole}");
    assert!(whole.contains("algorithm=MD5-sess, opaque=\"o\\\"\""), "{whole}");
    assert!(answer("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int,auth\"").contains("qop=auth,"));
    let challenge = Challenge::read(b"Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256").unwrap().unwrap();
    let ha1 = Ha1::new(Hash::Md5, b"u", b"r", b"p");
    let with =
        Answer { user: "u", ha1: &ha1, method: b"INVITE", uri: b"x", cnonce: b"c", count: 1, body: b"" };
    assert_eq!(challenge.answer(&with), None, "HA1 of another hash");
}

#[test]
fn the_soundest_challenge_of_the_realm_is_chosen() {
    let choose = |lines: &[&str], md5: bool| {
        let read = lines.iter().filter_map(|line| Challenge::read(line.as_bytes()).ok().flatten());
        let chosen = Challenge::choose(read, b"r", |hash| md5 || hash.is_sound());
        chosen.map(|chosen| format!("{chosen:?}"))
    };
    let md5 = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\"";
    let sha = "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"";
    let longer = "Digest realm=\"r\", nonce=\"3\", algorithm=sha-512-256, qop=\"auth\"";
    let other = "Digest realm=\"R\", nonce=\"4\", algorithm=SHA-256";
    let strange = "Digest realm=\"r\", nonce=\"5\", algorithm=AKAv1-MD5";
    assert_eq!(choose(&[md5, sha, longer], true).as_deref(), Some("SHA-256 for r [redacted]"));
    assert_eq!(choose(&[longer, sha, md5], true).as_deref(), Some("SHA-512-256 for r [redacted]"));
    assert_eq!(choose(&[strange, other, md5], true).as_deref(), Some("MD5 for r [redacted]"));
    assert_eq!(choose(&[md5], false), None);
    assert_eq!(choose(&[other, strange, "NTLM x"], true), None);
}

#[test]
fn challenges_that_cannot_be_answered_are_told_from_broken_ones() {
    for strange in [
        "Basic realm=\"x\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-1",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
    ] {
        assert_eq!(Challenge::read(strange.as_bytes()), Ok(None), "{strange}");
    }
    for broken in
        ["Digest realm=\"r\"", "Digest nonce=\"n\"", "Digest realm=r, nonce=\"n\"", "Digest realm=\"r", ""]
    {
        assert_eq!(Challenge::read(broken.as_bytes()), Err(Cause::HeaderValue), "{broken}");
    }
    let quoted = "Digest realm=\"r\", nonce=\"n\", algorithm=\"SHA-256\", stale=\"TRUE\", userhash=true";
    let read = Challenge::read(quoted.as_bytes()).unwrap().unwrap();
    assert!(read.stale && read.userhash && read.qop.is_none());
}

#[test]
fn authentication_info_brings_the_next_nonce() {
    let line = "nextnonce=\"n2\", qop=auth, rspauth=\"ab\", cnonce=\"c\", nc=00000001";
    let info = AuthenticationInfo::read(line.as_bytes()).unwrap();
    assert_eq!(info.next_nonce.as_deref(), Some(&b"n2"[..]));
    assert_eq!(info.response.unwrap().plain().as_ref(), b"ab");
    assert!(AuthenticationInfo::read(b"nextnonce=\"a\", nextnonce=\"b\"").is_err());
    assert!(AuthenticationInfo::read(b"nextnonce").is_err());
    let long = format!("nextnonce=\"{}\"", "n".repeat(VALUE_OCTETS_MAX));
    assert!(AuthenticationInfo::read(long.as_bytes()).is_err());
}
