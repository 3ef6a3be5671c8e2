//! A peer that may come from anywhere: asked, known by its flow once it has proven its password, and nobody else heard.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::Input;
use ringfence::policy::PeerSide;
use ringfence::policy::Policy;
use ringfence::sip::digest::Hash;
use ringfence::sip::{ConnectionId, Flow, Transport};

use super::credentials::{Client, OFFICE, challenged, challenges, demand, invite};
use super::edge::{Edge, PBX, STRANGER, TRUNK, from, peer, plan};
use super::texts::{Request, answer, tag};

const ELSEWHERE: &str = "203.0.113.66:7777";

pub fn policy() -> Arc<Policy> {
    plan(|plan| {
        let mut roamer = peer(3, "roamer", PeerSide::Inside, 1, STRANGER);
        roamer.sources.clear();
        roamer.targets.clear();
        roamer.roaming = true;
        roamer.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256])));
        plan.peers.push(Some(Arc::new(roamer)));
        plan.sites[0].peers.push(ringfence::policy::PeerId(3));
    })
}

pub fn outside(request: Request) -> Request {
    request.with(|request| request.uri = "sip:+13125550199@192.0.2.1".into())
}

#[test]
fn who_proves_a_password_is_its_peer_for_as_long_as_the_flow_lives() {
    let mut edge = Edge::under(policy());
    let request = outside(invite(STRANGER, "one"));
    let response = challenged(&mut edge, &request);
    assert_eq!(response.status(), Some(401));
    let proven = OFFICE.again(&request, &response);
    let seen = edge.hear(from(STRANGER), &proven.text());
    assert_eq!((seen.statuses(STRANGER), seen.codes()), (vec![100], vec![]));
    let leaving = seen.to(TRUNK).remove(0);
    assert_eq!(edge.hear(from(STRANGER), &proven.text()).statuses(STRANGER), [100], "a retransmission");
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "b", TRUNK));
    let ok = seen.to(STRANGER).into_iter().find(|message| message.status() == Some(200)).unwrap();
    let within = |method: &str, cseq, sender: &str| Request {
        method: method.into(),
        to_tag: tag(ok.to_tag()),
        branch: format!("z9hG4bK-in-{method}{cseq}"),
        cseq,
        sender: sender.into(),
        body: String::new(),
        more: "User-Agent: A phone of some make, its version, and a long tale of where it was made\r\n"
            .into(),
        ..proven.clone()
    };
    edge.hear(from(STRANGER), &within("ACK", 2, STRANGER).text());
    // A NAT moved it: the flow is another, and is asked before it may end the call.
    let bye = within("BYE", 3, ELSEWHERE);
    let seen = edge.hear(from(ELSEWHERE), &bye.text());
    assert_eq!((seen.statuses(ELSEWHERE), seen.to(TRUNK).len()), (vec![401], 0));
    let again = OFFICE.again(&bye, &seen.to(ELSEWHERE)[0]);
    let seen = edge.hear(from(ELSEWHERE), &again.text());
    assert_eq!(seen.statuses(ELSEWHERE), [200]);
    assert_eq!(seen.to(TRUNK).len(), 1, "the BYE crossed");
    let bye = seen.to(TRUNK).remove(0);
    let mut records = seen.records;
    records.extend(edge.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK)).records);
    assert_eq!(records[0].credential.as_deref(), Some("office"));
    assert_eq!(&*records[0].legs[0].peer, "roamer");
    edge.pass(Duration::from_secs(40));
    edge.assert_empty();
}

#[test]
fn a1_a_guest_hears_a_challenge_or_nothing() {
    let mut edge = Edge::under(policy());
    for method in ["OPTIONS", "REGISTER", "SUBSCRIBE", "REFER", "BYE", "CANCEL", "ACK", "NONSENSE"] {
        let request = outside(Request::new(method, STRANGER));
        let seen = edge.hear(from(STRANGER), &request.text());
        assert_eq!((seen.sent.len(), seen.records.len()), (0, 0), "{method}");
    }
    for broken in
        ["INVITE sip:x SIP/2.0\r\nVia: x\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "\0\0\0\0\0", "\r\n\r\n"]
    {
        assert!(edge.hear(from(STRANGER), broken).sent.is_empty(), "{broken:?}");
    }
    let request = outside(invite(STRANGER, "one"));
    let twice = request.clone().with(|request| {
        let line = "Authorization: Digest username=\"a\", realm=\"edge.example\", nonce=\"c\", uri=\"d\", \
                    response=\"0123456789abcdef0123456789abcdef\"\r\n";
        request.more.push_str(&line.repeat(2));
    });
    assert!(edge.hear(from(STRANGER), &twice.text()).sent.is_empty(), "not even 400");
    // The challenge says nothing of us, and there is none where nobody may roam.
    let response = challenged(&mut edge, &request);
    let text = String::from_utf8_lossy(response.bytes()).into_owned();
    for word in ["Server", "User-Agent", "Warning", "Reason", "Allow", "ringfence"] {
        assert!(!text.to_lowercase().contains(&word.to_lowercase()), "{word} in {text}");
    }
    let inside = Flow { listener: from(PBX).listener, ..from(STRANGER) };
    assert!(edge.hear(inside, &request.text()).sent.is_empty(), "another listener");
    // Too small for a challenge over UDP: nothing.
    let tiny = request.with(|request| {
        request.more = String::new();
        request.body = String::new();
        request.contact = String::new();
    });
    assert!(edge.hear(from(STRANGER), &tiny.text()).sent.is_empty());
    edge.assert_empty();
}

#[test]
fn a4_a_guest_that_guesses_is_banned_and_the_rightful_user_calls_meanwhile() {
    let mut edge = Edge::under(policy());
    let phone = "203.0.113.66:9999";
    let guesser = Client { password: "guessed it, did I?", ..OFFICE };
    // The rightful one has proven itself before, from behind the same address.
    let request = outside(invite(phone, "before"));
    let response = challenged(&mut edge, &request);
    let signed = OFFICE.again(&request, &response);
    assert_eq!(edge.hear(from(phone), &signed.text()).statuses(phone), [100]);
    let mut heard = Vec::new();
    for n in 0..10 {
        let request = outside(invite(STRANGER, &format!("guess{n}")));
        let seen = edge.hear(from(STRANGER), &request.text());
        let Some(response) = seen.to(STRANGER).pop() else { continue };
        let seen = edge.hear(from(STRANGER), &guesser.again(&request, &response).text());
        heard.push((seen.statuses(STRANGER), seen.codes()));
    }
    let mut expected = vec![(vec![401], vec![32202]); 4];
    expected.push((vec![], vec![32202, 39202]));
    assert_eq!(heard, expected, "and silence from then on");
    let codes = edge.pass(Duration::from_secs(11)).codes();
    assert!(codes.contains(&39201), "{codes:?}");
    let line = challenges(&response).remove(0);
    let next = Client { count: 2, ..OFFICE }.sign(&outside(invite(phone, "after")), &line, false);
    assert_eq!(edge.hear(from(phone), &next.text()).statuses(phone), [100], "its flow is its own");
}

#[test]
fn a10_datagrams_of_one_guest_are_read_at_a_rate_and_their_number_is_no_ban() {
    let mut edge = Edge::under(policy());
    let mut answered = 0;
    for n in 0..400 {
        let request = outside(invite(STRANGER, &format!("flood{n}")));
        answered += edge.hear(from(STRANGER), &request.text()).sent.len();
    }
    assert_eq!(
        (answered, edge.count("guest_frames_unread")),
        (200, 200),
        "ten times ban_after, and then silence"
    );
    // Whoever forged them must go on: the source is heard as soon as they end.
    edge.pass(Duration::from_millis(300));
    let phone = "203.0.113.66:9999";
    assert_eq!(edge.hear(from(phone), &outside(invite(phone, "next")).text()).statuses(phone), [401]);
    let seen = edge.hear(from(phone), &outside(invite(phone, "one too many")).text());
    assert!(seen.sent.is_empty(), "they do not");
    let alerts = edge.pass(Duration::from_secs(11)).alerts;
    let told: Vec<_> = alerts.iter().map(|alert| (alert.code.number, alert.count)).collect();
    assert_eq!((told, edge.count("bans")), (vec![(32001, 201)], 0));
    assert!(alerts[0].text.starts_with("203.0.113.66,"), "{}", alerts[0].text);
    edge.assert_empty();
}

#[test]
fn streams_prove_for_themselves_and_end_with_their_connection() {
    let mut edge = Edge::under(policy());
    let stream = |connection| Flow {
        transport: Transport::Tcp,
        connection: ConnectionId(connection),
        ..from(STRANGER)
    };
    let met = edge.engine.party_at(stream(1).listener, stream(1).remote.ip());
    assert!(met.is_some_and(|met| met.guest), "a stream is taken there, as a guest's");
    let met = edge.engine.party_at(from(PBX).listener, from(PBX).remote.ip());
    assert!(met.is_some_and(|met| !met.guest), "and a listed peer's as a peer's");
    assert!(edge.engine.party_at(from(PBX).listener, stream(1).remote.ip()).is_none(), "and nowhere else");
    let request = outside(invite(STRANGER, "one"));
    let text = |request: &Request| request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let seen = edge.hear(stream(1), &text(&request));
    assert_eq!(seen.proven, [], "asked, and nothing proven");
    let response = seen.to(STRANGER).remove(0);
    let proven = OFFICE.again(&request, &response);
    let seen = edge.hear(stream(1), &text(&proven));
    assert_eq!((seen.statuses(STRANGER), seen.closed), (vec![], vec![]), "a stream repeats nothing");
    assert_eq!(seen.proven, [ConnectionId(1)], "it is no guest any more");
    assert_eq!(edge.pass(Duration::from_millis(190)).statuses(STRANGER), [0; 0]);
    assert_eq!(edge.pass(Duration::from_millis(20)).statuses(STRANGER), [100], "RFC 3261 §17.2.1");
    // Now it is the peer, and hears what a peer hears.
    let options = outside(Request::new("OPTIONS", STRANGER)).with(|request| request.branch += "o");
    assert_eq!(edge.hear(stream(1), &text(&options)).statuses(STRANGER), [200]);
    let other = options.clone().with(|request| request.branch += "2");
    assert!(edge.hear(stream(2), &text(&other)).sent.is_empty(), "another connection has proven nothing");
    edge.input(Input::Closed { connection: ConnectionId(1) });
    let later = options.with(|request| request.branch += "3");
    assert!(edge.hear(stream(1), &text(&later)).sent.is_empty(), "nor one of the same number");
}

/// Fifty wrong answers for one user over streams, from ten addresses of this network, at the listener of a flow.
fn guess_from_ten_addresses(edge: &mut Edge, at: Flow, network: &str) -> Vec<u32> {
    let guesser = Client { password: "guessed it, did I?", ..OFFICE };
    let mut codes = Vec::new();
    for n in 0..10_u16 {
        let sender = format!("{network}.{}:7777", n + 1);
        let flow = Flow {
            remote: sender.parse().unwrap(),
            transport: Transport::Tcp,
            connection: ConnectionId(1_000 + u64::from(n)),
            ..at
        };
        for guess in 0..5 {
            let request = outside(invite(&sender, &format!("guess{n}-{guess}")));
            let text = |request: &Request| request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
            let response = edge.hear(flow, &text(&request)).to(&sender).remove(0);
            codes.extend(edge.hear(flow, &text(&guesser.again(&request, &response))).codes());
        }
    }
    codes
}

/// Whether the right password opens a new stream from an address at a listener; `false`: it hears nothing.
fn gets_in(edge: &mut Edge, at: Flow, sender: &str, connection: u64) -> bool {
    let flow = Flow {
        remote: sender.parse().unwrap(),
        transport: Transport::Tcp,
        connection: ConnectionId(connection),
        ..at
    };
    let request = outside(invite(sender, &format!("right{connection}")));
    let text = |request: &Request| request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    let response = edge.hear(flow, &text(&request)).to(sender).remove(0);
    let seen = edge.hear(flow, &text(&OFFICE.again(&request, &response)));
    edge.input(Input::Closed { connection: ConnectionId(connection) });
    seen.proven == [ConnectionId(connection)]
}

#[test]
fn a4_a_user_that_strangers_guess_at_goes_on_from_where_it_proved_its_password_though_it_hung_up() {
    let mut edge = Edge::under(policy());
    let here = from(STRANGER);
    let phone = "203.0.113.60:5061";
    assert!(gets_in(&mut edge, here, phone, 1));
    let codes = guess_from_ten_addresses(&mut edge, here, "198.18.0");
    assert!(codes.contains(&39202), "{codes:?}");
    assert!(!gets_in(&mut edge, here, "203.0.113.61:5061", 2), "where it was never");
    assert!(gets_in(&mut edge, here, phone, 3), "where it was");
    // Its own address is held to five, whatever it proved.
    let own = Flow { remote: phone.parse().unwrap(), ..here };
    let guesser = Client { password: "guessed it, did I?", ..OFFICE };
    for n in 0..5 {
        let request = outside(invite(phone, &format!("own{n}")));
        let response = edge.hear(own, &request.text()).to(phone).remove(0);
        edge.hear(own, &guesser.again(&request, &response).text());
    }
    let request = outside(invite(phone, "own"));
    assert!(edge.hear(own, &request.text()).sent.is_empty(), "banned and locked");
}

#[test]
fn a4_a_namesake_at_another_listener_is_not_locked_by_guesses_at_a_roaming_user() {
    let mut edge = Edge::under(plan(|plan| {
        for (id, listener) in [(3, 1), (4, 0)] {
            let mut roamer = peer(id, &format!("roamer{id}"), PeerSide::Inside, listener, STRANGER);
            roamer.sources.clear();
            roamer.targets.clear();
            roamer.roaming = true;
            roamer.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256])));
            plan.peers.push(Some(Arc::new(roamer)));
            plan.sites[0].peers.push(ringfence::policy::PeerId(id));
        }
    }));
    let (here, there) = (from(STRANGER), Flow { listener: from(PBX).listener, ..from(STRANGER) });
    guess_from_ten_addresses(&mut edge, here, "198.18.0");
    assert!(!gets_in(&mut edge, here, "203.0.113.61:5061", 1));
    assert!(gets_in(&mut edge, there, "203.0.113.61:5061", 2), "another peer's user");
}

#[test]
fn a4_five_guesses_by_datagrams_silence_no_stream_from_there() {
    let mut edge = Edge::under(policy());
    let guesser = Client { user: "zzz", ..OFFICE };
    for n in 0..5 {
        let request = outside(invite(STRANGER, &format!("guess{n}")));
        let response = challenged(&mut edge, &request);
        edge.hear(from(STRANGER), &guesser.again(&request, &response).text());
    }
    assert!(edge.hear(from(STRANGER), &outside(invite(STRANGER, "late")).text()).sent.is_empty());
    assert!(gets_in(&mut edge, from(STRANGER), STRANGER, 7));
}
