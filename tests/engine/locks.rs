//! Wrong passwords and what an admin sees of them: locks by peer and source, lifted by order; buckets apart; challenges that
//! nobody answers.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::{Input, Query, Reply};
use ringfence::policy::Policy;
use ringfence::sip::digest::Hash;
use ringfence::sip::{ConnectionId, Flow, Transport};

use super::credentials::{Client, OFFICE, challenged, challenges, demand, invite};
use super::edge::{Edge, PBX, PBX_TOO, alter, from, plan};
use super::texts::Request;

fn policy(requests_per_second: u32) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 0, |pbx| {
            pbx.demand = Some(Arc::new(demand(&["office", "other"], &[Hash::Sha256])));
            pbx.requests_per_second_max = requests_per_second;
            pbx.requests_burst_max = requests_per_second;
        })
    })
}

const GUESSER: Client = Client { password: "guessed it, did I?", ..OFFICE };

/// Asks, answers as the client does; statuses and alerts of the second time.
fn attempt(edge: &mut Edge, client: Client, sender: &str, mark: &str) -> (Vec<u16>, Vec<u32>) {
    let request = invite(sender, mark);
    let response = challenged(edge, &request);
    let seen = edge.hear(from(sender), &client.again(&request, &response).text());
    (seen.statuses(sender), seen.codes())
}

fn status(edge: &mut Edge) -> (Vec<ringfence::engine::LockState>, Vec<(String, u64)>) {
    let seen = edge.input(Input::Query { id: 1, query: Query::Status });
    match seen.replies.into_iter().next() {
        Some(Reply::Status { locks, unanswered, .. }) => (locks, unanswered),
        other => panic!("{other:?}"),
    }
}

fn unlock(edge: &mut Edge, user: Option<&str>, source: Option<&str>) -> usize {
    let query =
        Query::Unlock { user: user.map(str::to_owned), source: source.map(|source| source.parse().unwrap()) };
    match edge.input(Input::Query { id: 2, query }).replies.into_iter().next() {
        Some(Reply::Unlocked { locks, .. }) => locks,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a4_a_lock_is_shown_and_lifted_by_order() {
    let mut edge = Edge::under(policy(1_000));
    for n in 0..5 {
        attempt(&mut edge, GUESSER, PBX, &format!("guess{n}"));
    }
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "locked").0, [403]);
    let (locks, _) = status(&mut edge);
    assert_eq!(locks.len(), 1, "{locks:?}");
    let lock = &locks[0];
    let shown = (lock.peer.as_deref(), lock.source.as_deref(), lock.user.as_deref(), lock.nth);
    assert_eq!(shown, (Some("pbx"), Some("10.0.0.2"), Some("office"), 1));
    assert_eq!(lock.holds_for, "datagrams");
    assert!((890..=900).contains(&lock.left_s), "{lock:?}");
    assert_eq!(unlock(&mut edge, Some("other"), None), 0);
    assert_eq!(unlock(&mut edge, Some("office"), Some("10.0.0.3")), 0, "from elsewhere");
    assert_eq!(unlock(&mut edge, Some("office"), Some("10.0.0.2")), 1);
    assert_eq!(status(&mut edge).0, []);
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "free").0, [100]);
}

#[test]
fn a4_the_alert_of_each_lock_and_an_unlock_that_missed_it_name_the_command_that_lifts_it() {
    let stranger = super::edge::STRANGER;
    let stranger_ip = stranger.split(':').next().unwrap();
    for (policy, sender, wanted, user) in [
        (policy(1_000), PBX, "ringfence unlock office --source 10.0.0.2".to_owned(), "offic"),
        (super::roaming::policy(), stranger, format!("ringfence unlock --source {stranger_ip}"), "office"),
    ] {
        let mut edge = Edge::under(policy);
        let mut told = Vec::new();
        for n in 0..5 {
            let request = invite(sender, &format!("guess{n}")).with(|request| {
                if sender == stranger {
                    request.uri = "sip:+13125550199@192.0.2.1".into();
                }
            });
            let response = challenged(&mut edge, &request);
            told.extend(edge.hear(from(sender), &GUESSER.again(&request, &response).text()).alerts);
        }
        let lock = told.iter().find(|alert| alert.code.number == 39202).expect("a lock");
        assert!(lock.text.contains(&format!("`{wanted}`")), "{}", lock.text);
        assert_eq!(status(&mut edge).0[0].unlock, wanted);
        let mut ask = |user: Option<&str>, source: Option<&str>| {
            let query = Query::Unlock {
                user: user.map(str::to_owned),
                source: source.map(|source| source.parse().unwrap()),
            };
            edge.input(Input::Query { id: 2, query }).replies.remove(0)
        };
        let missed = Reply::Unlocked { locks: 0, held: vec![], bans: vec![], instead: vec![wanted] };
        assert_eq!(ask(Some(user), None), missed);
        let words =
            if sender == PBX { (Some("office"), Some("10.0.0.2")) } else { (None, Some(stranger_ip)) };
        match ask(words.0, words.1) {
            Reply::Unlocked { locks: 1, instead, .. } => assert!(instead.is_empty()),
            other @ (Reply::Unlocked { .. } | Reply::Status { .. } | Reply::Ordered(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

#[test]
fn a4_a_listed_source_that_guesses_at_many_users_is_told_once_and_the_rightful_user_goes_on() {
    let mut edge = Edge::under(policy(1_000));
    let names: [&'static str; 60] = std::array::from_fn(|n| &*format!("user{n}").leak());
    let mut heard = Vec::new();
    for user in names {
        heard.push(attempt(&mut edge, Client { user, ..GUESSER }, PBX, user));
    }
    let told = |code: u32| heard.iter().filter(|(_, codes)| codes.contains(&code)).count();
    assert_eq!((told(32202), told(39202)), (20, 1), "twenty are told, and why no more is");
    assert!(heard[20..].iter().all(|one| *one == (vec![403], vec![])), "{heard:?}");
    // A user that there is hears the same, and its rightful owner gets in from there.
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "right"), (vec![100], vec![]));
    assert_eq!(attempt(&mut edge, GUESSER, PBX, "wrong"), (vec![403], vec![]));
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "locked"), (vec![403], vec![]), "one guess at each");
    assert_eq!(attempt(&mut edge, OFFICE, PBX_TOO, "elsewhere").0, [100]);
    assert_eq!(
        unlock(&mut edge, None, Some("10.0.0.2")),
        1,
        "the source; its one guess at each ends with it"
    );
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "freed").0, [100]);
}

/// What is refused, whoever asks.
fn register(nth: usize) -> Request {
    Request::new("REGISTER", PBX).with(|request| {
        request.branch += &format!("forged{nth}");
        request.call_id += &format!("forged{nth}");
    })
}

#[test]
fn a10_what_proves_nothing_spends_nothing_of_the_peers_own_bucket() {
    let mut edge = Edge::under(policy(5));
    // The rightful user has been asked before, and counts on under its nonce.
    let request = invite(PBX, "before");
    let line = challenges(&challenged(&mut edge, &request)).remove(0);
    let flood = |edge: &mut Edge, begin: usize| {
        let requests = (begin..begin + 40).map(|n| invite(PBX, &format!("forged{n}")));
        let all: Vec<Request> = requests.chain((begin..begin + 40).map(register)).collect();
        all.iter().map(|request| edge.hear(from(PBX), &request.text()).statuses(PBX)).collect::<Vec<_>>()
    };
    let heard = flood(&mut edge, 0);
    let count = |status: u16| heard.iter().filter(|statuses| **statuses == [status]).count();
    assert_eq!((count(401), count(405), count(480)), (40, 5, 35), "each may be the peer itself: {heard:?}");
    for n in 1..=5 {
        let signed = Client { count: n, ..OFFICE }.sign(&invite(PBX, &format!("real{n}")), &line, false);
        assert_eq!(edge.hear(from(PBX), &signed.text()).statuses(PBX), [100], "{n}");
    }
    let sixth = Client { count: 6, ..OFFICE }.sign(&invite(PBX, "real6"), &line, false);
    assert_ne!(edge.hear(from(PBX), &sixth.text()).statuses(PBX), [100], "its own bucket holds as ever");
    let alerts = edge.pass(Duration::from_secs(2)).alerts;
    let texts: Vec<&str> = alerts.iter().map(|alert| alert.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.contains("forges its address")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("`requests_per_second`")), "{texts:?}");
}

#[test]
fn a4_who_guesses_spends_nothing_of_what_the_rightful_user_has_at_the_same_address() {
    let mut edge = Edge::under(policy(5));
    let line = challenges(&challenged(&mut edge, &invite(PBX, "before"))).remove(0);
    let real = challenges(&challenged(&mut edge, &invite(PBX, "rightful"))).remove(0);
    let mut heard = Vec::new();
    let stream = Flow { transport: Transport::Tcp, connection: ConnectionId(7), ..from(PBX) };
    for n in 1..=60 {
        let guess = Client { count: n, ..GUESSER }.sign(&invite(PBX, &format!("guess{n}")), &line, false);
        let text = guess.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        heard.push(edge.hear(stream, &text).statuses(PBX));
    }
    assert!(
        heard.iter().filter(|statuses| [vec![401], vec![403]].contains(statuses)).count() <= 5,
        "{heard:?}"
    );
    // Who is over the bucket is told so, as often as anybody: law 7.
    assert!(heard.iter().filter(|statuses| **statuses == [480]).count() >= 40, "{heard:?}");
    assert!(heard[59].is_empty(), "fifty answers a second, and no more: {heard:?}");
    let other = Client { user: "other", ..OFFICE };
    for n in 1..=5 {
        let signed = Client { count: n, ..other }.sign(&invite(PBX, &format!("real{n}")), &real, false);
        assert_eq!(edge.hear(from(PBX), &signed.text()).statuses(PBX), [100], "{n}");
    }
}

#[test]
fn a4_a_lock_is_told_and_counted_even_while_somebody_floods_the_bucket_of_what_proves_nothing() {
    let mut edge = Edge::under(policy(5));
    let before = |n| invite(PBX, &format!("before{n}"));
    let lines: Vec<String> =
        (0..5).map(|n| challenges(&challenged(&mut edge, &before(n))).remove(0)).collect();
    let mut heard = Vec::new();
    for n in 1..=100 {
        edge.hear(from(PBX), &register(n).text());
    }
    for (n, line) in lines.iter().enumerate() {
        let guess = GUESSER.sign(&invite(PBX, &format!("guess{n}")), line, false);
        let seen = edge.hear(from(PBX), &guess.text());
        assert_eq!((seen.statuses(PBX), seen.records.len()), (vec![], 0), "{n}");
        heard.extend(seen.alerts);
    }
    let told: Vec<u32> = heard.iter().map(|alert| alert.code.number).collect();
    assert_eq!(told, [39202], "the lock, and none of the guesses");
    assert!(heard[0].text.contains("this source is locked out as this user"), "{}", heard[0].text);
    assert_eq!(status(&mut edge).0.len(), 1);
    let seen = edge.input(Input::Query { id: 1, query: Query::Status });
    let Some(Reply::Status { counts, .. }) = seen.replies.into_iter().next() else { panic!() };
    let counted = counts.iter().find(|(name, _)| name == "wrong_passwords");
    assert_eq!(counted.map(|(_, count)| *count), Some(5));
}

#[test]
fn a4_the_users_that_a_crowd_guessed_at_are_asked_again_when_it_ends_whether_or_not_there_are_such() {
    let mut edge = Edge::under(policy(1_000));
    let ghost = Client { user: "ghost", ..GUESSER };
    for n in 0..20 {
        let user = &*format!("user{n}").leak();
        attempt(&mut edge, Client { user, ..GUESSER }, PBX, user);
    }
    for n in 0..6 {
        for one in [GUESSER, ghost] {
            let mark = format!("crowd{n}{}", one.user);
            assert_eq!(attempt(&mut edge, one, PBX, &mark), (vec![403], vec![]), "{mark}");
        }
    }
    edge.pass(Duration::from_secs(901));
    for n in 0..4 {
        for one in [GUESSER, ghost] {
            let mark = format!("after{n}{}", one.user);
            assert_eq!(attempt(&mut edge, one, PBX, &mark).0, [401], "{mark}");
        }
    }
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "right").0, [100]);
}

#[test]
fn a_proof_under_a_nonce_that_nobody_heard_does_not_hide_a_peer_that_answers_no_challenge() {
    let mut edge = Edge::under(policy(1_000));
    let line = challenges(&challenged(&mut edge, &invite(PBX, "deaf"))).remove(0);
    let nonce = line.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let forged = line.replace(&nonce, &"0".repeat(nonce.len()));
    let signed = OFFICE.sign(&invite(PBX, "forged"), &forged, false);
    assert_eq!(edge.hear(from(PBX), &signed.text()).statuses(PBX), [401]);
    assert_eq!(status(&mut edge).1, [("pbx".to_owned(), 2)], "asked twice, and never answered");
    let signed = OFFICE.sign(&invite(PBX, "real"), &line, false);
    assert_eq!(edge.hear(from(PBX), &signed.text()).statuses(PBX), [100]);
    assert_eq!(status(&mut edge).1, []);
}

#[test]
fn a_challenge_that_nobody_answers_is_shown_and_told_seldom() {
    let mut edge = Edge::under(policy(1_000));
    for n in 0..3 {
        challenged(&mut edge, &invite(PBX, &format!("deaf{n}")));
    }
    assert_eq!(status(&mut edge).1, [("pbx".to_owned(), 3)]);
    let mut told = Vec::new();
    for minute in 0..30 {
        told.extend(edge.pass(Duration::from_secs(60)).alerts);
        challenged(&mut edge, &invite(PBX, &format!("still{minute}")));
    }
    let told: Vec<_> = told.iter().filter(|alert| alert.code.number == 32202).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].count, told[0].peer.as_deref()), (3, Some("pbx")));
    assert!(told[0].text.contains("edge.example") && told[0].text.contains("SHA-256"), "{}", told[0].text);
    // Who answers, well or badly, is not silent.
    assert_eq!(attempt(&mut edge, OFFICE, PBX, "awake").0, [100]);
    assert_eq!(status(&mut edge).1, []);
    let codes = edge.pass(Duration::from_secs(2_000)).codes();
    assert!(!codes.contains(&32202), "{codes:?}");
}

/// A10: what is too short for any answer is no silence that an admin must guess at.
#[test]
fn a10_answers_withheld_for_their_length_are_told_once_for_a_peer_with_the_cure() {
    let mut edge = Edge::under(policy(1_000));
    for n in 0..20 {
        let request = Request::new("CANCEL", PBX).with(|request| {
            request.branch += &n.to_string();
            request.uri = "sip:10.0.0.1".into();
            request.contact = String::new();
        });
        assert!(edge.hear(from(PBX), &request.text()).sent.is_empty(), "{n}");
    }
    assert_eq!(edge.count("answers_withheld"), 20);
    let mut alerts = edge.pass(Duration::from_secs(2)).alerts;
    alerts.retain(|alert| alert.code.number == 39105);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((alerts[0].count, alerts[0].peer.as_deref()), (20, Some("pbx")));
    assert!(alerts[0].text.contains("TCP or TLS"), "{}", alerts[0].text);
}
