//! A4, A5, A10: guessing at passwords, from one address and from a thousand, at a peer that may come from anywhere.

use ringfence::sip::digest::{Answer, Challenge, Ha1, Hash};

use crate::sim::policy::{EDGE_OUTSIDE, Shape, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{PBX, SDP, STRANGER, Site, TRUNK, invite, request, request_to, response_to, shown, to};

const PASSWORD: &str = "correct horse battery";
const REALM: &str = "edge.example";

fn credentials(user: &str, from: &str) -> String {
    let hex = |hash| {
        let key = Ha1::new(hash, user.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes());
        String::from_utf8_lossy(key.expose()).into_owned()
    };
    format!(
        "    realm: {REALM}\n    credentials:\n      - user: {user}\n        from: [\"{from}\"]\n        \
         ha1: {{ sha_256: \"{}\", sha_512_256: \"{}\" }}\n",
        hex(Hash::Sha256),
        hex(Hash::Sha512T256)
    )
}

/// The usual site, whose PBX shows a password, with a peer that may come from anywhere.
fn site() -> Site {
    let text = yaml(&Shape::default());
    let text = text.replace("  pbx:\n", &format!("  pbx:\n{}", credentials("office", "2001")));
    let roamer = format!(
        "  roamer:\n    side: inside\n    listener: outside\n    sources: any\n    transports: [udp]\n    \
         plain_signalling: allow\n    plain_media: allow\n{}sites:\n",
        credentials("phone", "2001")
    );
    let text = text.replace("sites:\n", &roamer);
    let text = text.replace("from: [pbx, pbx2]", "from: [pbx, pbx2, roamer]");
    Site::of(&text.replace("peers: [pbx, pbx2, trunk, trunk2]", "peers: [pbx, pbx2, trunk, trunk2, roamer]"))
}

fn call(from: &str, mark: &str) -> Sip {
    if from == PBX {
        return invite(mark, "+12125550100");
    }
    let mut invite = request("INVITE", &format!("sip:+12125550100@{EDGE_OUTSIDE}"), from, mark);
    invite.add("Contact", &format!("<sip:caller@{from}>")).add("User-Agent", &"phone ".repeat(20)).sdp(SDP);
    invite
}

/// The same request again with an answer to the challenge on top.
fn signed(invite: &Sip, challenged: &Sip, user: &str, password: &str) -> Sip {
    let line = challenged.header("WWW-Authenticate").unwrap_or_default();
    let challenge = Challenge::read(line.as_bytes()).unwrap().unwrap();
    let ha1 = Ha1::new(challenge.algorithm.hash, user.as_bytes(), &challenge.realm, password.as_bytes());
    let with = Answer {
        user,
        ha1: &ha1,
        method: invite.method().as_bytes(),
        uri: invite.uri().as_bytes(),
        cnonce: b"c",
        count: 1,
        body: b"",
    };
    let value = String::from_utf8(challenge.answer(&with).unwrap()).unwrap();
    let mut next = invite.clone();
    next.set("CSeq", "2 INVITE").add("Authorization", &value);
    let via = invite.header("Via").unwrap_or_default().replace("z9hG4bK", "z9hG4bKa");
    next.set("Via", &via);
    next
}

/// Asks, answers the challenge, and tells whether the trunk heard of it.
fn attempt(site: &mut Site, from: &str, mark: &str, user: &str, password: &str) -> (bool, bool) {
    let invite = call(from, mark);
    let sent = site.send(from, &invite);
    let Some(challenged) = response_to(&sent, from, 401) else { return (false, false) };
    let sent = site.send(from, &signed(&invite, &challenged, user, password));
    let through = request_to(&sent, TRUNK, "INVITE");
    if let Some(leaving) = &through {
        let refused = Sip::response(leaving, 486, "Busy Here", "callee");
        site.send(TRUNK, &refused);
    }
    (true, through.is_some())
}

#[test]
fn a4_a_thousand_guesses_from_one_address_and_the_right_one_at_900_never_get_in() {
    let mut site = site();
    let (mut challenges, mut through) = (0, 0);
    for n in 0..1_000 {
        let password = if n == 900 { PASSWORD.to_owned() } else { format!("guess number {n}") };
        let (asked, carried) = attempt(&mut site, STRANGER, &format!("g{n}"), "phone", &password);
        challenges += usize::from(asked);
        through += usize::from(carried);
        if n % 100 == 50 {
            // Meanwhile the real user, from its own address, and the PBX.
            let (_, carried) = attempt(&mut site, "192.0.2.77:5060", &format!("real{n}"), "phone", PASSWORD);
            assert!(carried, "the rightful user after {n} guesses");
            let (_, carried) = attempt(&mut site, PBX, &format!("pbx{n}"), "office", PASSWORD);
            assert!(carried, "the PBX after {n} guesses");
        }
    }
    assert_eq!((challenges, through), (5, 0), "it was asked, it guessed, it was banned");
    for code in [32202, 39202] {
        assert!(site.alerted(code), "{code}");
    }
    site.pass(11 * SECOND);
    assert!(site.alerted(39201), "its source is banned");
    assert!(
        site.records.iter().all(|record| record.credential.is_some()),
        "records are of who proved itself"
    );
    site.must_become_empty();
}

#[test]
fn a4_a_thousand_addresses_with_one_guess_each_lock_the_user_for_strangers_alone() {
    let mut site = site();
    // The real one calls before, and its flow is remembered.
    let phone = "192.0.2.77:5060";
    assert!(attempt(&mut site, phone, "before", "phone", PASSWORD).1);
    let mut through = 0;
    for n in 0..1_000 {
        let from = format!("198.18.{}.{}:5060", n / 250, n % 250 + 1);
        let password = if n == 900 { PASSWORD } else { "a guess of mine" };
        through += usize::from(attempt(&mut site, &from, &format!("d{n}"), "phone", password).1);
    }
    assert_eq!(through, 0, "not even the right one, at 900");
    assert!(site.alerted(39202));
    assert!(attempt(&mut site, phone, "after", "phone", PASSWORD).1, "the rightful user goes on");
    assert!(attempt(&mut site, PBX, "pbx", "office", PASSWORD).1, "and so does the PBX");
    site.must_become_empty();
}

#[test]
fn a4_a_listed_machine_that_guesses_is_locked_out_and_its_neighbour_is_not() {
    let mut site = site();
    for n in 0..1_000 {
        assert!(!attempt(&mut site, PBX, &format!("l{n}"), "office", "a guess of mine").1);
        if n % 20 == 0 {
            site.pass(SECOND);
        }
    }
    assert!(site.alerted(32202) && site.alerted(39202) && !site.alerted(39201), "and never banned");
    site.pass(3_000 * SECOND);
    assert!(attempt(&mut site, PBX, "later", "office", PASSWORD).1, "a lock ends");
    site.must_become_empty();
}

#[test]
fn a5_a_user_that_is_and_one_that_is_not_hear_the_same() {
    let play = |user: &str| {
        let mut site = site();
        let mut heard = Vec::new();
        for n in 0..8 {
            let invite = call(STRANGER, &format!("e{n}"));
            let sent = site.send(STRANGER, &invite);
            let challenged = response_to(&sent, STRANGER, 401);
            heard.extend(sent);
            if let Some(challenged) = challenged {
                heard.extend(site.send(STRANGER, &signed(&invite, &challenged, user, "a guess of mine")));
            }
        }
        heard
    };
    let one = play("phone");
    assert!(one.len() >= 9, "{}", shown(&one));
    assert_eq!(one, play("nobody"));
    assert_eq!(one, play("office"), "a user of another peer is nobody here");
}

#[test]
fn a5_a_listed_source_that_guesses_at_many_users_hears_the_same_of_each() {
    let play = |user: &str| {
        let mut site = site();
        for n in 0..30 {
            attempt(&mut site, PBX, &format!("many{n}"), &format!("user{n}"), "a guess of mine");
            site.pass(SECOND);
        }
        assert!(site.alerted(39202));
        let told = site.alerts.len();
        let mut heard = Vec::new();
        for n in 0..4 {
            let invite = call(PBX, &format!("one{n}"));
            let sent = site.send(PBX, &invite);
            let challenged = response_to(&sent, PBX, 401).unwrap_or_else(|| panic!("{}", shown(&sent)));
            heard.extend(sent);
            heard.extend(site.send(PBX, &signed(&invite, &challenged, user, "a guess of mine")));
        }
        assert_eq!(site.alerts.len(), told, "no more is told");
        heard
    };
    let one = play("office");
    assert_eq!(one.len(), 8, "{}", shown(&one));
    assert_eq!(one, play("nobody"));
}

#[test]
fn a10_nobody_gets_more_from_us_than_it_sends() {
    let mut site = site();
    let at = |n: usize| format!("198.18.0.{}:5060", n % 250 + 1);
    for n in 0..500 {
        let from = at(n);
        let mut invite = call(&from, &format!("x{n}"));
        invite.set("User-Agent", &"x".repeat(n));
        let bytes = invite.write();
        let sent = site.raw(&from, &bytes);
        let heard: usize = sent.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(heard <= bytes.len(), "{heard} octets for {}", bytes.len());
        assert!(to(&sent, TRUNK).next().is_none());
    }
}
