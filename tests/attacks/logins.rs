//! Row A8: whoever asks for our login and is not the trunk that it is for learns nothing.

use std::sync::Arc;

use ringfence::policy::Peer;

use crate::sim::agent::guard::{PASSWORD, REALM};
use crate::sim::policy::{Shape, loads, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{
    PBX, SDP, STRANGER, Sent, Site, TRUNK, TRUNK2, ack, by_callee, in_dialog, invite, request, request_to,
    response_to, shown,
};

const LOGIN: &str = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example";

fn site(login_of: &'static str) -> Site {
    Site::of(&yaml(&Shape { login: LOGIN, login_of, allow: "info, message", ..Shape::default() }))
}

/// A challenge for the trunk's realm.
fn challenge(request: &Sip, status: u16, nonce: &str) -> Sip {
    let mut asks = Sip::response(request, status, "Who are you", "asks");
    let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let value = format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"");
    asks.add(name, &value);
    asks
}

/// Nothing that proves the password was sent, nor the password or the realm.
fn nothing_told(sent: &Sent) {
    for (to, bytes) in sent {
        let text = String::from_utf8_lossy(bytes);
        for word in ["uthorization", "username=", "response=", PASSWORD, REALM] {
            assert!(!text.contains(word), "{word} went to {to}: {text}");
        }
    }
}

#[test]
fn a8_a_trunk_without_login_that_names_the_trunks_realm_learns_nothing() {
    for status in [401, 407] {
        let mut site = site("trunk2");
        let sent = site.send(PBX, &invite("a", "+12125550100"));
        let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        let sent = site.send(TRUNK, &challenge(&leg, status, "n"));
        nothing_told(&sent);
        let refused = response_to(&sent, PBX, 403).unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert!(
            refused.header("WWW-Authenticate").is_none() && refused.header("Proxy-Authenticate").is_none()
        );
        assert!(site.alerted(39204));
        site.must_become_empty();
    }
}

#[test]
fn a8_a_pbx_that_challenges_within_a_call_learns_nothing() {
    let mut site = site("trunk");
    let call = site.establish("a");
    // The trunk's INFO crosses to the PBX, which asks for the trunk's login.
    let info = by_callee(&call, "INFO", 5, "info");
    let sent = site.send(TRUNK, &info);
    let crossed = request_to(&sent, PBX, "INFO").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let sent = site.send(PBX, &challenge(&crossed, 401, "n"));
    nothing_told(&sent);
    assert!(response_to(&sent, TRUNK, 403).is_some(), "{}", shown(&sent));
    assert!(site.alerted(39204));
    site.hang_up(&call);
    site.must_become_empty();
}

#[test]
fn a8_a_challenge_that_comes_from_elsewhere_is_not_heard() {
    let mut site = site("trunk");
    let sent = site.send(PBX, &invite("a", "+12125550100"));
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
    // Even with the right branch: a stranger, the other trunk and the PBX were not asked.
    for from in [STRANGER, TRUNK2, PBX] {
        let sent = site.send(from, &challenge(&leg, 407, "n"));
        assert!(sent.is_empty(), "{from}: {}", shown(&sent));
    }
    // The trunk itself is told.
    let sent = site.send(TRUNK, &challenge(&leg, 407, "n"));
    let again = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let proof = again.header("Proxy-Authorization").unwrap();
    assert!(proof.contains("username=\"ringfence\"") && proof.contains("nc=00000001"), "{proof}");
    assert!(!proof.contains(PASSWORD));
    assert_eq!((again.cseq().0, again.call_id()), (leg.cseq().0 + 1, leg.call_id()));
    assert_ne!(again.branch(), leg.branch());
    assert_eq!(again.calling_tag(), leg.calling_tag());
    // Asked again by what it was just told under, it learns no more, and the caller is refused.
    let sent = site.send(TRUNK, &challenge(&again, 407, "m"));
    nothing_told(&sent);
    assert!(response_to(&sent, PBX, 403).is_some(), "{}", shown(&sent));
    assert!(site.alerted(32202));
    site.must_become_empty();
}

#[test]
fn a8_what_the_trunk_was_shown_is_shown_to_nobody_else() {
    let mut site = site("trunk");
    let sent = site.send(PBX, &invite("a", "+12125550100"));
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
    let sent = site.send(TRUNK, &challenge(&leg, 401, "n"));
    let again = request_to(&sent, TRUNK, "INVITE").unwrap();
    // It fails over: the other trunk is asked without a proof, and learns nothing when it asks.
    let sent = site.send(TRUNK, &Sip::response(&again, 503, "Service Unavailable", "x"));
    let sent: Sent =
        sent.into_iter().filter(|(to, _)| *to == TRUNK2.parse::<std::net::SocketAddr>().unwrap()).collect();
    nothing_told(&sent);
    let other = request_to(&sent, TRUNK2, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    nothing_told(&site.send(TRUNK2, &challenge(&other, 401, "n")));
    assert!(site.alerted(39204));
    site.must_become_empty();
}

/// The first target is given up for the second, which has a login and a known challenge; the late answer of the first is
/// ended by what shows nothing of that. The other way round, the one with the login is shown its own.
#[test]
fn a8_a_target_that_was_given_up_is_shown_nothing_of_the_next_ones_login() {
    for (login_of, shown_to_first) in [("trunk2", false), ("trunk", true)] {
        let mut site = site(login_of);
        let has = if shown_to_first { TRUNK } else { TRUNK2 };
        // Its challenge becomes known.
        let sent = site.send(PBX, &invite("a", "+12125550100"));
        let mut leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        if !shown_to_first {
            let sent = site.send(TRUNK, &Sip::response(&leg, 503, "Service Unavailable", "x"));
            leg = request_to(&sent, TRUNK2, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        }
        let sent = site.send(has, &challenge(&leg, 401, "n"));
        let again = request_to(&sent, has, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        site.send(has, &Sip::response(&again, 486, "Busy Here", "x"));

        let sent = site.send(PBX, &invite("b", "+12125550101"));
        let first = request_to(&sent, TRUNK, "INVITE").unwrap();
        let sent = site.pass(5 * SECOND);
        let second = request_to(&sent, TRUNK2, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert_eq!(second.header("Authorization").is_some(), !shown_to_first);
        let mut late = Sip::response(&first, 200, "OK", "late");
        late.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        let sent = site.send(TRUNK, &late);
        let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        assert_eq!(bye.header("Authorization").is_some(), shown_to_first, "{bye:?}");
        if !shown_to_first {
            nothing_told(&sent);
        }
        site.send(TRUNK, &Sip::response(&bye, 200, "OK", "late"));
        site.send(TRUNK2, &Sip::response(&second, 486, "Busy Here", "x"));
        site.must_become_empty();
    }
}

#[test]
fn a_known_challenge_is_answered_ahead_and_each_count_once() {
    let mut site = site("trunk");
    for (mark, count) in [("a", 1), ("b", 3), ("c", 5)] {
        let invite_a = invite(mark, "+12125550100");
        let sent = site.send(PBX, &invite_a);
        let mut leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        if count == 1 {
            let sent = site.send(TRUNK, &challenge(&leg, 401, "n"));
            leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        }
        let counted = |request: &Sip| {
            request.header("Authorization").map(|proof| proof.contains(&format!("nc={count:08x}")))
        };
        assert_eq!(counted(&leg), Some(true), "{leg:?}");
        let mut ok = Sip::response(&leg, 200, "OK", mark);
        ok.add("Contact", &format!("<sip:callee@{TRUNK}>")).sdp(SDP);
        let sent = site.send(TRUNK, &ok);
        // RFC 3261 §22.1: the ACK shows the INVITE's own proof, and takes no count.
        let acked = request_to(&sent, TRUNK, "ACK").unwrap();
        assert_eq!(acked.header("Authorization"), leg.header("Authorization"));
        let ok_a = response_to(&sent, PBX, 200).unwrap();
        site.send(PBX, &ack(&invite_a, &ok_a, &format!("z9hG4bKack{mark}")));
        let sent = site.send(PBX, &in_dialog(&invite_a, &ok_a, "BYE", 900, "bye"));
        let bye = request_to(&sent, TRUNK, "BYE").unwrap();
        assert!(
            bye.header("Authorization").is_some_and(|proof| proof.contains(&format!("nc={:08x}", count + 1)))
        );
        site.send(TRUNK, &Sip::response(&bye, 200, "OK", "x"));
    }
    site.must_become_empty();
}

#[test]
fn a_message_is_proven_like_a_call() {
    let mut site = site("trunk");
    let mut message = request("MESSAGE", "sip:+12125550100@10.1.0.1:5060", PBX, "m");
    message.add("Content-Type", "text/plain");
    message.body = b"hello".to_vec();
    let sent = site.send(PBX, &message);
    let leg = request_to(&sent, TRUNK, "MESSAGE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    let sent = site.send(TRUNK, &challenge(&leg, 407, "n"));
    let again = request_to(&sent, TRUNK, "MESSAGE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!((again.cseq().0, again.body.as_slice()), (2, &b"hello"[..]));
    assert!(again.header("Proxy-Authorization").is_some());
    let sent = site.send(TRUNK, &challenge(&again, 407, "m"));
    nothing_told(&sent);
    assert!(response_to(&sent, PBX, 403).is_some(), "{}", shown(&sent));
    assert!(site.alerted(32202));
    site.must_become_empty();
}

#[test]
fn a_probe_is_proven_and_a_challenge_of_a_stranger_to_it_is_life() {
    let shape = Shape { login: LOGIN, key: "probe: 5s", ..Shape::default() };
    let mut site = Site::of(&yaml(&shape));
    let sent = site.pass(6 * SECOND);
    let probe = request_to(&sent, TRUNK, "OPTIONS").unwrap();
    let sent = site.send(TRUNK, &challenge(&probe, 401, "n"));
    let again = request_to(&sent, TRUNK, "OPTIONS").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert!(again.header("Authorization").is_some() && again.cseq().0 == 2);
    let probe = request_to(&site.pass(6 * SECOND), TRUNK2, "OPTIONS").unwrap();
    let sent = site.send(TRUNK2, &challenge(&probe, 401, "n"));
    assert!(sent.is_empty(), "{}", shown(&sent));
    // A password that is wrong shows before the first call.
    let sent = site.send(TRUNK, &challenge(&again, 401, "m"));
    nothing_told(&sent);
    assert!(site.alerted(32202) && !site.alerted(39204));
}

/// A8: the trunk moved to another carrier by a reload, and a call with the old one is still up. What the old one asks for, and
/// what the new one has asked for meanwhile, is not shown to the old one any more.
#[test]
fn a8_who_was_the_trunk_before_a_reload_learns_nothing_of_the_login() {
    const NEW: &str = "198.51.100.30:5060";
    for known in [false, true] {
        let before = yaml(&Shape { login: LOGIN, allow: "info, message", ..Shape::default() });
        let after = before.replace("198.51.100.10", "198.51.100.30");
        let mut loaded = loads(&[&before, &after]).into_iter().map(|(_, policy)| policy).skip(1);
        let mut site = Site::of(&before);
        let call = site.establish("old");
        site.reload(loaded.next().unwrap());
        if known {
            let sent = site.send(PBX, &invite("new", "+12125550100"));
            let leg = request_to(&sent, NEW, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
            let sent = site.send(NEW, &challenge(&leg, 401, "n"));
            let again = request_to(&sent, NEW, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
            assert!(again.header("Authorization").is_some());
            site.send(NEW, &Sip::response(&again, 486, "Busy Here", "x"));
        }
        let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye"));
        nothing_told(&sent);
        let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        nothing_told(&site.send(TRUNK, &challenge(&bye, 401, "n")));
        assert!(site.alerted(39204));
        site.must_become_empty();
    }
}

/// A8: it rings first and asks then. The phone would ring twice, so that nothing is shown; the call ends, and it is told.
#[test]
fn a8_a_challenge_after_ringing_is_not_answered_and_is_told() {
    for status in [401, 407] {
        let mut site = site("trunk");
        let sent = site.send(PBX, &invite("a", "+12125550100"));
        let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        let mut rings = Sip::response(&leg, 180, "Ringing", "asks");
        rings.add("Contact", &format!("<sip:callee@{TRUNK}>"));
        site.send(TRUNK, &rings);
        let sent = site.send(TRUNK, &challenge(&leg, status, "n"));
        nothing_told(&sent);
        let refused = response_to(&sent, PBX, 403).unwrap_or_else(|| panic!("{}", shown(&sent)));
        let why = refused.header("Warning").unwrap_or_default();
        assert!(why.contains("trunk asks for a login after it has rung"), "{why}");
        let told: Vec<_> = site.alerts.iter().filter(|alert| alert.code.number == 39204).collect();
        let realm = ("realm", REALM.to_owned());
        assert!(told.len() == 1 && told[0].evidence.contains(&realm), "{:?}", site.alerts);
        site.must_become_empty();
    }
}

/// A8: it calls every nonce too old, as the server and as a proxy by turns; each kind is answered twice and no more.
#[test]
fn a8_a_trunk_that_asks_without_end_is_answered_twice_for_each_kind() {
    for method in ["INVITE", "INFO", "BYE"] {
        let mut site = site("trunk");
        let sent = match method {
            "INVITE" => site.send(PBX, &invite("a", "+12125550100")),
            _ => {
                let call = site.establish("a");
                site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, method, 900, "loop"))
            }
        };
        let mut next = request_to(&sent, TRUNK, method);
        let mut shown_to_it = 0;
        for turn in 0..40 {
            let Some(asked) = next else { break };
            let mut asks = challenge(&asked, if turn % 2 == 0 { 401 } else { 407 }, &format!("n{turn}"));
            let name = if turn % 2 == 0 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
            let stale = format!("{}, stale=true", asks.header(name).unwrap_or_default());
            asks.set(name, &stale);
            next = request_to(&site.send(TRUNK, &asks), TRUNK, method);
            shown_to_it += usize::from(next.is_some());
        }
        assert!((1..=4).contains(&shown_to_it), "{method}: {shown_to_it}");
        assert!(site.alerted(32202), "{method}");
    }
}

/// F10: what a challenge says stands in our next request, and breaks none of its lines.
#[test]
fn f10_a_challenge_breaks_no_line_of_what_goes_again() {
    for nonce in
        ["a\r\n X-Evil: 1", "a\r\n\tb", "a\\\"\\\\, username=\\\"x", "\u{fffd}\\\u{7f}", &"n".repeat(1_000)]
    {
        let mut site = site("trunk");
        let sent = site.send(PBX, &invite("a", "+12125550100"));
        let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
        let sent = site.send(TRUNK, &challenge(&leg, 401, nonce));
        for (_, bytes) in &sent {
            let text = String::from_utf8_lossy(bytes);
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            for line in head.split("\r\n").skip(1) {
                let name = line.split(':').next().unwrap_or_default();
                assert!(!name.is_empty() && !name.contains(' ') && name != "X-Evil", "{nonce:?}: {text}");
                assert!(!line.contains(['\r', '\n']), "{nonce:?}: {text}");
            }
        }
    }
}

/// A8: a re-INVITE that crosses is asked for a login, for a longer session and for a login again, without end.
#[test]
fn a8_a_reinvite_that_is_challenged_and_found_too_brief_by_turns_ends() {
    let mut site = site("trunk");
    let call = site.establish("a");
    let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "INVITE", 2, "again"));
    let mut next = request_to(&sent, TRUNK, "INVITE");
    let mut seen = 0;
    for turn in 0_u32..200 {
        let Some(asked) = next else { break };
        seen += 1;
        let mut reply = challenge(&asked, if turn % 3 == 0 { 401 } else { 407 }, &format!("n{turn}"));
        if turn % 3 == 2 {
            reply = Sip::response(&asked, 422, "Session Interval Too Small", "x");
            reply.add("Min-SE", &(4_000 + turn).to_string());
        }
        let sent = site.send(TRUNK, &reply);
        assert!(request_to(&sent, TRUNK, "ACK").is_some(), "{}", shown(&sent));
        next = request_to(&sent, TRUNK, "INVITE");
    }
    assert!((2..=16).contains(&seen), "{seen}");
    site.hang_up(&call);
    site.must_become_empty();
}

/// A8: a reload wants TLS from a trunk while a call is up over UDP. The call goes on in the clear, and shows no login there.
#[test]
fn a8_a_call_that_a_reload_leaves_in_the_clear_shows_no_login() {
    let text = yaml(&Shape { login: LOGIN, allow: "info, message", ..Shape::default() });
    let mut site = Site::of(&text);
    let call = site.establish("clear");
    let mut policy = loads(&[&text, &text]).remove(1).1;
    for peer in Arc::get_mut(&mut policy).unwrap().peers.iter_mut().flatten() {
        *peer = Arc::new(Peer { plain_signalling: false, ..Peer::clone(peer) });
    }
    site.reload(policy);
    let sent = site.send(PBX, &in_dialog(&call.invite_a, &call.ok_a, "BYE", 900, "bye"));
    let bye = request_to(&sent, TRUNK, "BYE").unwrap_or_else(|| panic!("{}", shown(&sent)));
    nothing_told(&site.send(TRUNK, &challenge(&bye, 401, "n")));
    assert!(site.alerted(39204));
    site.must_become_empty();
}

/// How often the login was shown to the trunk in so many seconds of probes, each of which it challenges and refuses.
fn shown_in_vain(site: &mut Site, seconds: u64) -> usize {
    let mut shown = 0;
    for second in 0..seconds {
        let sent = site.pass(SECOND);
        let Some(probe) = request_to(&sent, TRUNK, "OPTIONS") else { continue };
        assert!(probe.header("Authorization").is_none(), "a refused login is not shown ahead");
        let sent = site.send(TRUNK, &challenge(&probe, 401, &format!("n{second}")));
        let Some(again) = request_to(&sent, TRUNK, "OPTIONS") else { continue };
        assert!(again.header("Authorization").is_some());
        shown += 1;
        nothing_told(&site.send(TRUNK, &challenge(&again, 401, &format!("m{second}"))));
    }
    shown
}

/// A carrier that locks its users after a few wrong tries is shown a wrong password by no machine of ours twice a minute.
#[test]
fn a_refused_login_is_shown_seldom_and_at_once_when_it_is_another() {
    let shape = Shape { login: LOGIN, key: "probe: 5s", ..Shape::default() };
    let (before, after) = (yaml(&shape), yaml(&shape).replace("user: ringfence", "user: another"));
    let mut loaded = loads(&[&before, &after, &after]).into_iter().map(|(_, policy)| policy).skip(1);
    let mut site = Site::of(&before);
    assert_eq!(shown_in_vain(&mut site, 290), 1, "one in the first five minutes");
    assert_eq!(shown_in_vain(&mut site, 310), 1, "one in the next");
    assert_eq!(
        site.alerts.iter().filter(|alert| alert.code.number == 32202).count(),
        2,
        "and each is told once"
    );
    let call = |site: &mut Site, mark: &str| {
        let sent = site.send(PBX, &invite(mark, "+12125550100"));
        let leg = request_to(&sent, TRUNK, "INVITE").unwrap_or_else(|| panic!("{}", shown(&sent)));
        let asked = site.send(TRUNK, &challenge(&leg, 401, mark));
        let Some(again) = request_to(&asked, TRUNK, "INVITE") else {
            nothing_told(&asked);
            let refused = response_to(&asked, PBX, 403).unwrap_or_else(|| panic!("{}", shown(&asked)));
            let why = refused.header("Warning").unwrap_or_default().to_owned();
            assert!(why.contains("refused our login a short while ago"), "{why}");
            return None;
        };
        Some(again)
    };
    // A call tries after a pause that doubles, and only one of two.
    site.pass(130 * SECOND);
    let again = call(&mut site, "a").unwrap_or_else(|| panic!("a call tries"));
    assert!(call(&mut site, "b").is_none());
    // Its password is right by now: nobody waits any more, and it is shown ahead.
    site.send(TRUNK, &Sip::response(&again, 404, "Not Found", "x"));
    let sent = site.send(PBX, &invite("c", "+12125550100"));
    assert!(request_to(&sent, TRUNK, "INVITE").unwrap().header("Authorization").is_some());
    // Refused once more, it is shown again only when a reload brings another.
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
    let asked = site.send(TRUNK, &challenge(&leg, 401, "late"));
    let again = request_to(&asked, TRUNK, "INVITE").unwrap();
    assert!(response_to(&site.send(TRUNK, &challenge(&again, 401, "later")), PBX, 403).is_some());
    assert!(call(&mut site, "d").is_none());
    site.reload(loaded.next().unwrap());
    assert!(call(&mut site, "e").is_some());
}
