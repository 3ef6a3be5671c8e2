//! What a registrar, and whoever would be taken for one, can do to the edge that registers with it.

use crate::sim::agent::guard::{PASSWORD, REALM};
use crate::sim::policy::{Shape, loads, yaml};
use crate::sim::text::Sip;
use crate::sim::wire::SECOND;
use crate::site::{PBX, SDP, STRANGER, Sent, Site, TRUNK, TRUNK2, request, request_to, shown};

const LOGIN: &str = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example";

fn site() -> Site {
    Site::of(&yaml(&Shape { login: LOGIN, register: "expires: 10m", ..Shape::default() }))
}

/// The REGISTER that goes out within a second of the start, or within so many seconds.
fn asked(site: &mut Site, seconds: u64) -> Sip {
    let sent = site.pass(seconds * SECOND);
    request_to(&sent, TRUNK, "REGISTER").unwrap_or_else(|| panic!("{}", shown(&sent)))
}

fn granted(request: &Sip, contact: &str) -> Sip {
    let mut ok = Sip::response(request, 200, "OK", "r");
    ok.add("Contact", contact);
    ok
}

fn registers(sent: &Sent) -> usize {
    [TRUNK, TRUNK2].iter().filter(|to| request_to(sent, to, "REGISTER").is_some()).count()
}

#[test]
fn a_register_names_the_trunk_and_our_contact_and_no_password() {
    let mut site = site();
    let register = asked(&mut site, 2);
    assert_eq!(register.uri(), "sip:198.51.100.10:5060", "RFC 3261 §10.2: no user");
    assert_eq!(register.header("To"), Some("<sip:ringfence@198.51.100.10>"));
    assert_eq!(register.contact(), Some("sip:ringfence@203.0.113.1:5070"));
    assert_eq!((register.header("Expires"), register.cseq().0), (Some("600"), 1));
    assert!(register.header("Authorization").is_none());
}

/// A8: the same realm is named by who was not asked, and by another realm's registrar.
#[test]
fn a8_a_registrar_for_another_realm_learns_nothing_and_is_told() {
    let mut site = site();
    let register = asked(&mut site, 2);
    let mut asks = Sip::response(&register, 401, "Who are you", "asks");
    let value =
        |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"");
    asks.add("WWW-Authenticate", &value(REALM));
    for from in [STRANGER, TRUNK2] {
        let sent = site.send(from, &asks);
        assert!(sent.is_empty(), "{from}: {}", shown(&sent));
    }
    asks.set("WWW-Authenticate", &value("elsewhere.example"));
    let sent = site.send(TRUNK, &asks);
    assert!(sent.is_empty(), "{}", shown(&sent));
    assert!(site.alerted(39204) && site.alerted(39209));
    // It is not asked again at once.
    assert_eq!(registers(&site.pass(299 * SECOND)), 0);
    let again = asked(&mut site, 2);
    assert!(again.header("Authorization").is_none());
}

/// A registrar that refuses every proof is shown one a round, and five minutes lie between two rounds.
#[test]
fn a8_a_refused_login_is_not_tried_out_without_end() {
    let mut site = site();
    let mut proofs = 0;
    let mut register = asked(&mut site, 2);
    for _ in 0..4 {
        for nonce in 0..3 {
            let mut asks = Sip::response(&register, 407, "Who are you", "asks");
            let value =
                format!("Digest realm=\"{REALM}\", nonce=\"n{nonce}\", algorithm=SHA-256, qop=\"auth\"");
            asks.add("Proxy-Authenticate", &value);
            let sent = site.send(TRUNK, &asks);
            let Some(again) = request_to(&sent, TRUNK, "REGISTER") else { break };
            let proof = again.header("Proxy-Authorization").unwrap_or_default();
            assert!(proof.contains("username=\"ringfence\"") && !proof.contains(PASSWORD), "{proof}");
            proofs += 1;
            register = again;
        }
        register = asked(&mut site, 302);
    }
    assert_eq!(proofs, 4);
    assert!(site.alerted(32202) && site.alerted(39209));
}

/// Whatever it grants, asks for or wants, the edge asks at most every ten seconds.
#[test]
fn a_registrar_cannot_make_the_edge_ask_without_end() {
    type Reply = fn(&Sip) -> Sip;
    let brief: Reply = |request| granted(request, "<sip:ringfence@203.0.113.1:5070>;expires=1");
    let none: Reply = |request| granted(request, "<sip:ringfence@203.0.113.1:5070>;expires=0");
    let wants_more: Reply = |request| {
        let asked: u64 = request.header("Expires").and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut brief = Sip::response(request, 423, "Interval Too Brief", "r");
        brief.add("Min-Expires", &(asked + 1).to_string());
        brief
    };
    let silent_on_how_long: Reply = |request| Sip::response(request, 423, "Interval Too Brief", "r");
    let redirects: Reply = |request| {
        let mut moved = Sip::response(request, 302, "Moved Temporarily", "r");
        moved.add("Contact", &format!("<sip:ringfence@{STRANGER}>"));
        moved
    };
    let soon: Reply = |request| {
        let mut busy = Sip::response(request, 503, "Service Unavailable", "r");
        busy.add("Retry-After", "0");
        busy
    };
    for (what, reply, most) in [
        ("brief", brief, 2),
        ("none", none, 2),
        ("wants more", wants_more, 4),
        ("how long", silent_on_how_long, 2),
        ("redirects", redirects, 2),
        ("soon", soon, 12),
    ] {
        let mut site = site();
        let mut seen = 0;
        for _ in 0..600 {
            let mut sent = site.pass(SECOND);
            while let Some(register) = request_to(&sent, TRUNK, "REGISTER") {
                seen += 1;
                assert!(seen < 1_000, "{what}: without end");
                sent = site.send(TRUNK, &reply(&register));
            }
            assert!(request_to(&sent, STRANGER, "REGISTER").is_none(), "{what}");
        }
        assert!(seen <= most, "{what}: {seen} in ten minutes");
    }
}

/// The trunk lists many bindings, and only ours counts.
#[test]
fn of_many_contacts_ours_counts() {
    for (contacts, next) in [
        ("<sip:ringfence@203.0.113.1:5070>;expires=100", 60..=80),
        ("<sip:other@192.0.2.1>;expires=5000, <sip:ringfence@203.0.113.1:5070;ob>;expires=100", 60..=80),
        ("<sip:ringfence@192.0.2.9:1024>;expires=100", 60..=80),
        ("<sip:other@192.0.2.1>;expires=20, <sip:ringfence@192.0.2.9:5070>;expires=100", 60..=80),
        ("<sip:ringfence@192.0.2.9>;expires=100, <sip:ringfence@192.0.2.8>;expires=500", 60..=80),
        (
            "<sip:ringfence@192.0.2.9>;expires=20, \"Us\" <sip:%72ingfence@203.0.113.1:5070;x=1>;expires=100",
            60..=80,
        ),
        // Others alone: it holds us not, and is asked again in five minutes.
        ("<sip:other@192.0.2.1>;expires=100, <sip:else@192.0.2.1>;expires=100", 295..=305),
        ("<sip:other@192.0.2.1>;expires=100", 295..=305),
        ("", 360..=480),
        ("<sip:ringfence@203.0.113.1:5070>;expires=soon", 360..=480),
    ] {
        let mut site = site();
        let register = asked(&mut site, 2);
        let mut ok = granted(&register, contacts);
        if contacts.is_empty() {
            ok = Sip::response(&register, 200, "OK", "r");
        }
        site.send(TRUNK, &ok);
        assert_eq!(site.alerted(39209), next == (295..=305), "{contacts}");
        let waited = (1..600).find(|_| registers(&site.pass(SECOND)) > 0).unwrap_or(600);
        assert!(next.contains(&waited), "{contacts}: renewed after {waited} s");
    }
}

/// A name leads where DNS says; only the address that holds the registration may call, and only while it does.
#[test]
fn calls_come_from_the_registrar_of_a_named_trunk_while_it_holds_us_and_from_no_other() {
    let mut site =
        Site::of(&yaml(&Shape { login: LOGIN, register: "expires: 10m", named: true, ..Shape::default() }));
    let invite = |mark: &str| {
        let mut invite = request("INVITE", "sip:+493055512@203.0.113.1:5070", TRUNK, mark);
        invite.set("From", "<sip:+12125550100@sip.carrier.example>;tag=caller");
        invite.add("Contact", &format!("<sip:caller@{TRUNK}>")).sdp(SDP);
        invite
    };
    let register = asked(&mut site, 2);
    assert!(site.send(TRUNK, &invite("before")).is_empty(), "nobody may call before it is registered");
    site.send(TRUNK, &granted(&register, "<sip:ringfence@203.0.113.1:5070>;expires=60"));
    let sent = site.send(TRUNK, &invite("held"));
    assert!(request_to(&sent, PBX, "INVITE").is_some(), "{}", shown(&sent));
    assert!(
        site.send(TRUNK2, &invite("other")).is_empty(),
        "the name leads there, too, and it holds nothing"
    );
    // It is not renewed any more, and runs out.
    site.pass(70 * SECOND);
    assert!(site.send(TRUNK, &invite("after")).is_empty(), "what ran out lets nobody in");
}

/// A changed login is tried at once under the same binding; another user's registration begins when the old one is given
/// back, for both are known to the trunk by one Contact's place.
#[test]
fn a_reload_that_changes_it_asks_anew_and_ends_the_old_one_first() {
    let text = |user: &str, password: &str| {
        let login = LOGIN.replace("TRUNK_PASSWORD", password).leak();
        let register = format!("user: {user}, expires: 10m").leak();
        yaml(&Shape { login, register, ..Shape::default() })
    };
    let texts = [text("one", "TRUNK_PASSWORD"), text("one", "WRONG_PASSWORD"), text("two", "WRONG_PASSWORD")];
    let mut loaded = loads(&[&texts[0], &texts[1], &texts[2]]).into_iter().map(|(_, policy)| policy);
    let mut site = Site::of(&texts[0]);
    let first = asked(&mut site, 2);
    site.send(TRUNK, &granted(&first, "<sip:one@203.0.113.1:5070>;expires=600"));
    assert_eq!(registers(&site.reload(loaded.next().unwrap())), 0, "nothing changed");
    assert_eq!(registers(&site.pass(2 * SECOND)), 0, "nothing changed");

    site.reload(loaded.next().unwrap());
    let again = asked(&mut site, 1);
    assert_eq!((again.call_id(), again.cseq().0), (first.call_id(), 2));
    site.send(TRUNK, &granted(&again, "<sip:one@203.0.113.1:5070>;expires=600"));

    let sent = site.reload(loaded.next().unwrap());
    let left = request_to(&sent, TRUNK, "REGISTER").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!((left.contact(), left.header("Expires")), (Some("sip:one@203.0.113.1:5070"), Some("0")));
    site.send(TRUNK, &Sip::response(&left, 200, "OK", "r"));
    let other = asked(&mut site, 2);
    assert_eq!(other.contact(), Some("sip:two@203.0.113.1:5070"));
    assert_ne!(other.call_id(), first.call_id());
}

/// The trunk knows the binding by our Contact: under another it is given back, and registered anew.
#[test]
fn a_reload_that_changes_where_calls_are_to_come_gives_the_old_contact_back() {
    let before = yaml(&Shape { login: LOGIN, register: "expires: 10m", ..Shape::default() });
    let bind = "bind: \"203.0.113.1:5070\"";
    assert!(before.contains(bind), "{before}");
    let after = before.replace(bind, &format!("{bind}, advertise: \"203.0.113.9\""));
    let mut loaded = loads(&[&before, &after]).into_iter().map(|(_, policy)| policy);
    let mut site = Site::of(&before);
    let first = asked(&mut site, 2);
    site.send(TRUNK, &granted(&first, "<sip:ringfence@203.0.113.1:5070>;expires=600"));
    site.reload(loaded.next().unwrap());
    let sent = site.reload(loaded.next().unwrap());
    let left = request_to(&sent, TRUNK, "REGISTER").unwrap_or_else(|| panic!("{}", shown(&sent)));
    assert_eq!((left.contact(), left.header("Expires")), (first.contact(), Some("0")));
    site.send(TRUNK, &Sip::response(&left, 200, "OK", "r"));
    let anew = asked(&mut site, 2);
    assert!(
        anew.contact().is_some_and(|contact| contact.starts_with("sip:ringfence@203.0.113.9")),
        "{anew:?}"
    );
}

/// A8: between its questions it grants, wants longer lives, sends away and says that only the nonce was too old: it is shown
/// no more than two proofs of each kind for one REGISTER, and asked no faster.
#[test]
fn a8_a_registrar_that_mixes_its_answers_gets_no_more_proofs() {
    let mut site = site();
    let (mut proofs, mut seen, mut nonce) = (0, 0, 0_u32);
    for _ in 0..600 {
        let mut sent = site.pass(SECOND);
        while let Some(register) = request_to(&sent, TRUNK, "REGISTER") {
            seen += 1;
            assert!(seen < 1_000, "without end");
            proofs += usize::from(
                register.header("Authorization").or(register.header("Proxy-Authorization")).is_some(),
            );
            nonce += 1;
            let (status, name) =
                if nonce % 2 == 0 { (401, "WWW-Authenticate") } else { (407, "Proxy-Authenticate") };
            let mut reply = Sip::response(&register, status, "Who are you", "asks");
            let value = format!(
                "Digest realm=\"{REALM}\", nonce=\"n{nonce}\", algorithm=SHA-256, qop=\"auth\", stale=true"
            );
            reply.add(name, &value);
            if nonce % 5 == 0 {
                let asked: u64 = register.header("Expires").and_then(|value| value.parse().ok()).unwrap_or(0);
                reply = Sip::response(&register, 423, "Interval Too Brief", "r");
                reply.add("Min-Expires", &(asked + 1).to_string());
            }
            sent = site.send(TRUNK, &reply);
        }
    }
    assert!(seen <= 3 * 10 && proofs <= 3 * 8, "{seen} asked, {proofs} shown");
}

/// F3: it grants by a response that names a crowd. One that is larger than may be is not heard at all; of another ours counts.
#[test]
fn f3_a_crowd_of_contacts_in_a_grant_costs_no_more_than_its_length() {
    for (crowd, next) in [(100, 60..=80), (2_500, 1..=4)] {
        let mut site = site();
        let register = asked(&mut site, 2);
        let others = (0..crowd).map(|nth| format!("<sip:o@192.0.2.9:{nth}>, ")).collect::<String>();
        let contacts = format!("{others}<sip:ringfence@203.0.113.1:5070>;expires=100");
        let began = std::time::Instant::now();
        site.send(TRUNK, &granted(&register, &contacts));
        assert!(began.elapsed().as_millis() < 200, "{:?}", began.elapsed());
        let waited = (1..600).find(|_| registers(&site.pass(SECOND)) > 0).unwrap_or(600);
        assert!(next.contains(&waited), "{crowd}: asked again after {waited} s");
    }
}
