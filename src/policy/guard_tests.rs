//! A claim in every way that it can fall short, and what an attacker may learn from the answer: nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::super::lockout::WRONG_MAX;
use super::super::peer::PeerId;
use super::super::route::Pattern;
use super::*;
use crate::sip::ListenerId;
use crate::sip::digest::{Answer, Challenge, Offer};

const URI: &[u8] = b"sip:+12125550100@edge.example";

fn at(seconds: u64) -> Tick {
    Tick::from_micros(seconds * 1_000_000)
}

fn demand(hashes: &[Hash]) -> Demand {
    let key = |hash: &Hash| Ha1::new(*hash, b"office", b"edge.example", b"a long password");
    let credential = Credential {
        user: Arc::from("office"),
        keys: hashes.iter().map(key).collect(),
        callers: vec![Pattern::Exact(Arc::from("office")), Pattern::Prefix(Arc::from("+4930"))],
        owned: None,
    };
    Demand {
        realm: Arc::from("edge.example"),
        hashes: hashes.iter().copied().collect(),
        proxy: false,
        uri: DigestUri::Request,
        credentials: vec![Arc::new(credential)],
    }
}

fn guard() -> Guard {
    let mut guard = Guard::new([[1; 32], [2; 32], [3; 32]]);
    let lasts = Duration::from_secs(900);
    guard.lockouts = Some(Lockouts::new([4; 32], 64, lasts, lasts * 96));
    guard
}

fn bound() -> Bound {
    Bound { source: IpAddr::from([192, 0, 2, 1]), listener: ListenerId(0), peer: Some(PeerId(0)) }
}

/// The line a client would send.
struct Client {
    user: &'static str,
    password: &'static str,
    hash: Hash,
    uri: &'static [u8],
    count: u32,
}

const OFFICE: Client =
    Client { user: "office", password: "a long password", hash: Hash::Sha256, uri: URI, count: 1 };

impl Client {
    fn line(&self, nonce: &[u8]) -> Vec<u8> {
        let mut offer = Vec::new();
        Offer { realm: "edge.example", nonce, hash: self.hash, stale: false }.write(&mut offer);
        let challenge = Challenge::read(&offer).unwrap().unwrap();
        let ha1 = Ha1::new(self.hash, self.user.as_bytes(), b"edge.example", self.password.as_bytes());
        let with = Answer {
            user: self.user,
            ha1: &ha1,
            method: b"INVITE",
            uri: self.uri,
            cnonce: b"c",
            count: self.count,
            body: b"",
        };
        challenge.answer(&with).unwrap()
    }
}

/// Over a stream.
fn judge_line(
    guard: &mut Guard,
    now: u64,
    asked: &Demand,
    line: &[u8],
    method: &[u8],
    bound: Bound,
) -> Proof {
    judge_from(guard, now, asked, line, method, (bound, true))
}

fn judge_from(
    guard: &mut Guard,
    now: u64,
    asked: &Demand,
    line: &[u8],
    method: &[u8],
    (bound, shown): (Bound, bool),
) -> Proof {
    let authorization = Authorization::read(line).unwrap().unwrap();
    let found = match &authorization.user {
        User::Named(name) => asked.find(name),
        User::Hashed(_) => None,
    };
    let claim =
        Claim { authorization: &authorization, method, uri: URI, bound, trusted: true, shown, room: true };
    guard.judge(at(now), asked, found.map(|found| &**found), &claim)
}

fn judge(guard: &mut Guard, asked: &Demand, line: &[u8]) -> Proof {
    judge_line(guard, 1, asked, line, b"INVITE", bound())
}

#[test]
fn who_knows_the_password_gets_in_with_each_hash_that_is_offered() {
    let asked = demand(&Hash::ALL);
    for hash in Hash::ALL {
        let mut guard = guard();
        let nonce = guard.nonce(at(1), 9, &bound());
        for count in [1, 2, 3] {
            let line = Client { hash, count, ..OFFICE }.line(&nonce);
            assert_eq!(judge(&mut guard, &asked, &line), Proof::Proven, "{hash:?} {count}");
            assert_eq!(judge(&mut guard, &asked, &line), Proof::Replayed, "{hash:?} {count}");
        }
        assert_eq!(guard.gauges(at(1)), (1, 0));
    }
}

#[test]
fn a7_what_was_not_offered_is_not_taken() {
    let asked = demand(&[Hash::Sha256, Hash::Sha512T256]);
    let mut guard = guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    let line = String::from_utf8(OFFICE.line(&nonce)).unwrap();
    let why = |proof| match proof {
        Proof::Wrong(why, _) => why,
        Proof::Proven | Proof::Stale | Proof::Locked(_) | Proof::Replayed | Proof::NoRoom => "none",
    };
    let md5 = Client { hash: Hash::Md5, ..OFFICE }.line(&nonce);
    assert_eq!(why(judge(&mut guard, &asked, &md5)), "the algorithm is none that was offered");
    let silent = String::from_utf8(md5).unwrap().replace(", algorithm=MD5", "");
    assert_eq!(why(judge(&mut guard, &asked, silent.as_bytes())), "the algorithm is none that was offered");
    let session = line.replace("=SHA-256", "=SHA-256-sess");
    assert_eq!(why(judge(&mut guard, &asked, session.as_bytes())), "the algorithm is none that was offered");
    let bare = line.split(", qop").next().unwrap();
    assert_eq!(why(judge(&mut guard, &asked, bare.as_bytes())), "qop is not auth");
    let mut guard = self::guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    let line = String::from_utf8(OFFICE.line(&nonce)).unwrap();
    let whole = line.replace("qop=auth", "qop=auth-int");
    assert_eq!(why(judge(&mut guard, &asked, whole.as_bytes())), "qop is not auth");
    let hashed = line.replace("realm=", "userhash=true, realm=");
    assert_eq!(why(judge(&mut guard, &asked, hashed.as_bytes())), "the password or the user is wrong");
}

#[test]
fn a6_what_was_proven_for_one_request_proves_no_other() {
    let asked = demand(&[Hash::Sha256]);
    let mut guard = guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    let line = OFFICE.line(&nonce);
    let wrong = |proof| matches!(proof, Proof::Wrong(..));
    assert!(wrong(judge_line(&mut guard, 1, &asked, &line, b"MESSAGE", bound())), "another method");
    let other = Client { uri: b"sip:+19005550100@edge.example", ..OFFICE }.line(&nonce);
    assert!(wrong(judge(&mut guard, &asked, &other)), "another number");
    let host = Client { uri: b"sip:192.0.2.7:5060", ..OFFICE }.line(&nonce);
    assert!(wrong(judge(&mut guard, &asked, &host)), "a host alone");
    let elsewhere = Bound { source: IpAddr::from([192, 0, 2, 2]), ..bound() };
    assert_eq!(judge_line(&mut guard, 1, &asked, &line, b"INVITE", elsewhere), Proof::Stale);
    assert_eq!(judge_line(&mut guard, 302, &asked, &line, b"INVITE", bound()), Proof::Stale);
    let lenient = Demand { uri: DigestUri::Host, ..asked.clone() };
    assert_eq!(judge(&mut guard, &lenient, &host), Proof::Proven);
    let mut guard = self::guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    let same = Client { uri: b"sip:+12125550100@EDGE.example", ..OFFICE }.line(&nonce);
    assert_eq!(judge(&mut guard, &asked, &same), Proof::Proven, "the same URI in other letters");
}

#[test]
fn a5_nobody_learns_which_users_there_are() {
    let asked = demand(&[Hash::Sha256]);
    for user in ["office", "nobody"] {
        let mut guard = guard();
        let nonce = guard.nonce(at(1), 9, &bound());
        let heard: Vec<Proof> = (0..WRONG_MAX + 2)
            .map(|nth| {
                let line = Client { user, password: "guessed", count: nth as u32 + 1, ..OFFICE }.line(&nonce);
                judge(&mut guard, &asked, &line)
            })
            .collect();
        let lasts = Duration::from_secs(900);
        let mut expected = vec![Proof::Wrong("the password or the user is wrong", Wrong::Borne); 4];
        expected.push(Proof::Wrong("the password or the user is wrong", Wrong::Locked { lasts, nth: 1 }));
        expected.extend([Proof::Locked(Wrong::Borne); 2]);
        assert_eq!(heard, expected, "{user}");
    }
    // Locked out, the right password opens nothing either, or the lock would tell it.
    let mut guard = guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    for count in 1..=WRONG_MAX {
        let line = Client { password: "guessed", count: count as u32, ..OFFICE }.line(&nonce);
        judge(&mut guard, &asked, &line);
    }
    assert_eq!(judge(&mut guard, &asked, &OFFICE.line(&nonce)), Proof::Locked(Wrong::Borne));
    assert_eq!(guard.gauges(at(1)), (0, 1));
}

#[test]
fn a10_who_forges_a_source_locks_nobody_out() {
    let asked = demand(&[Hash::Sha256]);
    let mut guard = guard();
    for _ in 0..100 {
        let line = Client { password: "guessed", ..OFFICE }.line(b"dcd98b7102dd2f0e8b11d0f600bfb0c0");
        assert_eq!(judge(&mut guard, &asked, &line), Proof::Stale);
    }
    let nonce = guard.nonce(at(1), 9, &bound());
    assert_eq!(judge(&mut guard, &asked, &OFFICE.line(&nonce)), Proof::Proven);
}

#[test]
fn a9_a_credential_calls_as_itself_and_as_whom_it_may() {
    let asked = demand(&[Hash::Sha256]);
    let office = asked.find(b"office").unwrap();
    for (caller, may) in
        [("office", true), ("+493012", true), ("+4931", false), ("Office", false), ("", false)]
    {
        assert_eq!(office.may_call_as(caller), may, "{caller}");
    }
    assert!(asked.find(b"Office").is_none());
    let none: smallvec::SmallVec<[Ha1; 2]> = smallvec![];
    assert!(Credential { keys: none, ..(**office).clone() }.key(Hash::Sha256).is_none());
}

/// UDP repeats what is not answered, and sipp writes another digest-uri: neither is a guess.
#[test]
fn a4_copies_of_one_guess_count_once_and_a_right_password_never() {
    let asked = demand(&[Hash::Sha256]);
    let mut guard = guard();
    let nonce = guard.nonce(at(1), 9, &bound());
    let guess = Client { password: "guessed", ..OFFICE }.line(&nonce);
    let misnamed = Client { uri: b"sip:192.0.2.7:5060", ..OFFICE }.line(&nonce);
    for n in 0..WRONG_MAX * 3 {
        for line in [&guess, &misnamed] {
            let Proof::Wrong(_, wrong) = judge(&mut guard, &asked, line) else { panic!("{n}") };
            // The first is told, its copies are not.
            assert_eq!(wrong, if n == 0 { Wrong::Borne } else { Wrong::Copied }, "{n}");
        }
    }
    assert_eq!(judge(&mut guard, &asked, &OFFICE.line(&nonce)), Proof::Proven);
}

/// Whoever forges a datagram's source may have overheard one nonce: it is one guess, and not even tried again; the next takes a
/// nonce that goes to the source. Over a stream, which nobody forges, each guess counts.
#[test]
fn a4_a_nonce_is_good_for_one_wrong_answer_where_sources_can_be_forged() {
    let asked = demand(&[Hash::Sha256]);
    let guess = |count| Client { password: "guessed", count, ..OFFICE };
    let mut guard = guard();
    let mut judge_datagram =
        |line: &[u8]| judge_from(&mut guard, 1, &asked, line, b"INVITE", (bound(), false));
    let nonces = self::guard();
    for n in 1..=4 {
        let nonce = nonces.nonce(at(1), n, &bound());
        assert!(matches!(judge_datagram(&guess(1).line(&nonce)), Proof::Wrong(_, Wrong::Borne)), "{n}");
        assert!(matches!(judge_datagram(&guess(1).line(&nonce)), Proof::Wrong(_, Wrong::Copied)), "{n}");
        for count in 2..20 {
            assert_eq!(judge_datagram(&guess(count).line(&nonce)), Proof::Stale, "{n} {count}");
        }
        assert_eq!(judge_datagram(&OFFICE.line(&nonce)), Proof::Stale, "nor is the right one tried");
    }
    let fifth = judge_datagram(&guess(1).line(&nonces.nonce(at(1), 5, &bound())));
    assert!(matches!(fifth, Proof::Wrong(_, Wrong::Locked { nth: 1, .. })), "{fifth:?}");
    // Locked out it learns nothing either: neither by what is right, nor under the same nonce again.
    let nonce = nonces.nonce(at(1), 6, &bound());
    assert_eq!(judge_datagram(&OFFICE.line(&nonce)), Proof::Locked(Wrong::Borne));
    assert_eq!(judge_datagram(&Client { count: 2, ..OFFICE }.line(&nonce)), Proof::Stale);
}
