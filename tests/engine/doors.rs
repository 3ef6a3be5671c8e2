//! Who is kept out, and by what way: a datagram's source can be forged, that of a stream cannot (attack rows A1, A10, F1).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::{BanState, Input, Query, Reply};
use ringfence::policy::{PeerId, PeerSide, Policy};
use ringfence::sip::digest::Hash;
use ringfence::sip::framing::Framer;
use ringfence::sip::parse::{Limits, parse};
use ringfence::sip::{ConnectionId, Flow, ListenerId, Transport};

use super::credentials::{Client, OFFICE, demand, invite};
use super::edge::{Edge, STRANGER, from, peer, plan};
use super::roaming::{outside, policy};
use super::texts::Request;

/// A stream from an address that no peer lists, to the listener where somebody may roam.
fn stream(connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: ConnectionId(connection), ..from(STRANGER) }
}

/// The listener where nobody may roam.
fn inside(flow: Flow) -> Flow {
    Flow { listener: ListenerId(0), ..flow }
}

fn ask(mark: &str) -> Request {
    outside(invite(STRANGER, mark))
}

fn over_tcp(request: &Request) -> String {
    request.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

#[test]
fn a10_forged_datagrams_shut_nobody_out_of_streams() {
    let mut edge = Edge::under(policy());
    for n in 0..30 {
        let seen = edge.hear(inside(from(STRANGER)), &ask(&format!("forged{n}")).text());
        assert!(seen.sent.is_empty());
    }
    assert_eq!(
        (edge.count("bans"), edge.count("banned_frames")),
        (1, 9),
        "there, datagrams from it are banned"
    );
    let seen = edge.hear(from(STRANGER), &ask("datagram").text());
    assert_eq!(
        seen.statuses(STRANGER),
        [401],
        "where a phone may roam they are not, for anybody forges them"
    );
    assert!(edge.meets(stream(1)), "a stream from there is taken");
    let seen = edge.hear(stream(1), &over_tcp(&ask("stream")));
    assert_eq!((seen.statuses(STRANGER), seen.closed), (vec![401], vec![]), "and asked");
    let alerts = edge.pass(Duration::from_secs(11)).alerts;
    let ban = alerts.iter().find(|alert| alert.code.number == 39201).unwrap();
    assert!(ban.evidence.contains(&("holds_for", "datagrams".to_owned())), "{ban:?}");
    assert!(ban.evidence.contains(&("listener", "inside".to_owned())), "{ban:?}");
    assert!(ban.text.contains("(UDP) to listener inside"), "{}", ban.text);
}

/// Whoever overhears nonces at one listener may guess there in another's name.
#[test]
fn a10_guesses_by_datagrams_at_one_listener_close_no_other() {
    let mut edge = Edge::under(two_doors());
    let guesser = Client { user: "zzz", ..OFFICE };
    for n in 0..5 {
        let request = ask(&format!("guess{n}"));
        let response = edge.hear(from(STRANGER), &request.text()).to(STRANGER).remove(0);
        edge.hear(from(STRANGER), &guesser.again(&request, &response).text());
    }
    assert_eq!(edge.count("bans"), 1);
    assert!(edge.hear(from(STRANGER), &ask("here").text()).sent.is_empty(), "closed where it guessed");
    let request = ask("there");
    let response = edge.hear(inside(from(STRANGER)), &request.text()).to(STRANGER).remove(0);
    edge.hear(inside(from(STRANGER)), &OFFICE.again(&request, &response).text());
    assert_eq!((response.status(), edge.count("proven")), (Some(401), 1), "and open at the other");
}

/// As many datagrams as one address may send where nobody roams take nothing of what is read of it where somebody does.
#[test]
fn a10_the_rate_of_a_guests_datagrams_is_counted_at_its_listener_alone() {
    let mut edge = Edge::under(policy());
    for n in 0..20 {
        edge.hear(inside(from(STRANGER)), &ask(&format!("forged{n}")).text());
    }
    let asked: usize =
        (0..200).map(|n| edge.hear(from(STRANGER), &ask(&format!("guest{n}")).text()).sent.len()).sum();
    assert_eq!(asked, 200);
}

#[test]
fn a1_what_streams_earned_holds_for_datagrams_too() {
    let mut edge = Edge::under(policy());
    for n in 0..30 {
        edge.hear(inside(stream(n + 1)), &over_tcp(&ask(&format!("stranger{n}"))));
    }
    assert!(!edge.meets(stream(99)), "no stream from there is taken");
    assert!(edge.hear(from(STRANGER), &ask("datagram").text()).sent.is_empty(), "and no datagram heard");
    let alerts = edge.pass(Duration::from_secs(11)).alerts;
    let ban = alerts.iter().find(|alert| alert.code.number == 39201).unwrap();
    assert!(ban.evidence.contains(&("holds_for", "datagrams and streams".to_owned())), "{ban:?}");
    assert_eq!((edge.count("bans"), edge.count("bans_of_streams")), (1, 1));
}

#[test]
fn a10_forged_datagrams_count_for_nothing_that_a_stream_says() {
    let mut edge = Edge::under(policy());
    // As many as are borne, of each kind: neither adds to the other.
    for n in 0..20 {
        edge.hear(inside(from(STRANGER)), &ask(&format!("forged{n}")).text());
    }
    for n in 0..20 {
        edge.hear(inside(stream(n + 1)), &over_tcp(&ask(&format!("said{n}"))));
    }
    assert_eq!(edge.count("bans"), 0);
    edge.hear(inside(stream(99)), &over_tcp(&ask("one too many")));
    assert_eq!((edge.count("bans"), edge.count("bans_of_streams")), (1, 1));
}

#[test]
fn bans_are_shown_by_what_they_hold_for_and_lifted_together() {
    let mut edge = Edge::under(policy());
    for n in 0..30 {
        edge.hear(inside(from(STRANGER)), &ask(&format!("forged{n}")).text());
        edge.hear(inside(stream(n + 1)), &over_tcp(&ask(&format!("said{n}"))));
    }
    let shown = bans(&mut edge);
    let held: Vec<(&str, &str)> = shown.iter().map(|ban| (&*ban.source, ban.holds_for)).collect();
    let source = "203.0.113.66";
    assert_eq!(held, [(source, "datagrams and streams"), (source, "datagrams")]);
    let at: Vec<Option<&str>> = shown.iter().map(|ban| ban.listener.as_deref()).collect();
    assert_eq!(at, [None, Some("inside")]);
    assert!(shown.iter().all(|ban| ban.nth == 1 && (890..=900).contains(&ban.left_s)), "{shown:?}");
    assert_eq!(unlock(&mut edge, "203.0.113.67"), [""; 0]);
    assert_eq!(unlock(&mut edge, source), ["datagrams", "datagrams and streams"]);
    assert_eq!((bans(&mut edge), unlock(&mut edge, source)), (vec![], vec![]));
    assert!(edge.meets(stream(99)));
    edge.pass(Duration::from_secs(61));
    assert_eq!(edge.hear(from(STRANGER), &ask("again").text()).statuses(STRANGER), [401]);
}

fn bans(edge: &mut Edge) -> Vec<BanState> {
    match edge.input(Input::Query { id: 1, query: Query::Status }).replies.remove(0) {
        Reply::Status { bans, banned, .. } => {
            assert_eq!(bans.len(), banned);
            bans
        }
        other @ (Reply::Unlocked { .. } | Reply::Ordered(_)) => panic!("{other:?}"),
    }
}

fn unlock(edge: &mut Edge, source: &str) -> Vec<&'static str> {
    let query = Query::Unlock { user: None, source: Some(source.parse().unwrap()) };
    match edge.input(Input::Query { id: 2, query }).replies.remove(0) {
        Reply::Unlocked { bans, .. } => bans,
        other @ (Reply::Status { .. } | Reply::Ordered(_)) => panic!("{other:?}"),
    }
}

/// Somebody may roam at each of the two listeners.
fn two_doors() -> Arc<Policy> {
    plan(|plan| {
        for listener in [0, 1] {
            let mut roamer =
                peer(3 + listener, &format!("roamer{listener}"), PeerSide::Inside, listener, STRANGER);
            roamer.sources.clear();
            roamer.targets.clear();
            roamer.roaming = true;
            roamer.demand = Some(Arc::new(demand(&["office"], &[Hash::Sha256])));
            plan.peers.push(Some(Arc::new(roamer)));
            plan.sites[0].peers.push(PeerId(3 + listener));
        }
    })
}

/// From the `n`th of many addresses that no peer lists.
fn nth(flow: Flow, n: u32) -> Flow {
    Flow { remote: SocketAddr::from((Ipv4Addr::from(0x6440_0000 + n), 5060)), ..flow }
}

#[test]
fn f1_a_flood_by_forged_datagrams_takes_nothing_of_what_guests_have_elsewhere() {
    let mut edge = Edge::under(two_doors());
    let flooded: usize = (0..2_000)
        .map(|n| edge.hear(nth(from(STRANGER), n), &ask(&format!("flood{n}")).text()).sent.len())
        .sum();
    assert_eq!(flooded, 500, "so many a second are read");
    let seen = edge.hear(stream(1), &over_tcp(&ask("stream")));
    assert_eq!((seen.statuses(STRANGER), seen.closed), (vec![401], vec![]), "a stream at the same listener");
    let seen = edge.hear(inside(from(STRANGER)), &ask("there").text());
    assert_eq!(seen.statuses(STRANGER), [401], "a datagram at another");
    assert_eq!(edge.count("guest_frames_unread"), 1_500);
    let alerts = edge.pass(Duration::from_secs(2)).alerts;
    let told: Vec<_> = alerts.iter().filter(|alert| alert.code.number == 32001).collect();
    let [alert] = told.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((alert.count, &alert.evidence[..]), (1_500, &[("listener", "outside".to_owned())][..]));
    assert!(alert.text.contains("UDP"), "{}", alert.text);
}

#[test]
fn f1_in_a_flood_over_streams_no_request_is_dropped_in_silence_and_who_sends_too_much_itself_is_banned() {
    let mut edge = Edge::under(two_doors());
    let flow = |n: u32| nth(stream(u64::from(n) + 1), n);
    for n in 0..500 {
        assert_eq!(edge.hear(flow(n), &over_tcp(&ask(&format!("flood{n}")))).sent.len(), 1, "{n}");
    }
    let seen = edge.hear(flow(500), &over_tcp(&ask("one too many")));
    let closed = vec![ConnectionId(501)];
    assert_eq!((seen.sent.len(), seen.closed), (0, closed), "its stream says so, for it asks once alone");
    assert_eq!(edge.count("bans"), 0, "and it is no fault of its own");
    edge.pass(Duration::from_millis(10));
    let seen = edge.hear(flow(700), &over_tcp(&ask("again")));
    assert_eq!((seen.sent.len(), seen.closed), (1, vec![]), "it is asked when there is room again");
    edge.pass(Duration::from_secs(60));
    // One alone: ten times what a stranger may send, and its own stream is closed for the next.
    let closed: Vec<u64> = (0..201)
        .flat_map(|n| edge.hear(flow(600), &over_tcp(&ask(&format!("alone{n}")))).closed)
        .map(|connection| connection.0)
        .collect();
    assert_eq!((closed, edge.count("bans")), (vec![601], 1));
}

#[test]
fn f1_a_guests_message_that_is_too_long_is_counted_told_once_and_never_answered() {
    let mut edge = Edge::under(policy());
    for n in 0..3 {
        let mut framer = Framer::default();
        framer.push(over_tcp(&ask("long")).replace("Content-Length: ", "Content-Length: 99999").as_bytes());
        let malformed = framer.next(&Limits::default().within(16 << 10)).expect_err("too long");
        assert!(malformed.answer.is_some(), "a peer would hear 513");
        let seen = edge.input(Input::Broken { flow: nth(stream(1), n), malformed });
        assert_eq!((seen.sent.len(), seen.codes()), (0, vec![]), "{n}");
    }
    let alerts = edge.pass(Duration::from_secs(2)).alerts;
    let told: Vec<_> = alerts.iter().map(|alert| (alert.code.number, alert.count)).collect();
    assert_eq!((told, edge.count("malformed_oversize")), (vec![(39102, 3)], 3));
    assert!(alerts[0].text.contains("`streams.guest_message_bytes`"), "{}", alerts[0].text);
}

/// A place where a password was proven is rightful for somebody: what crowds elsewhere bring does not silence it over streams.
#[test]
fn f1_in_a_flood_over_streams_who_proved_from_there_before_is_read() {
    let mut edge = Edge::under(two_doors());
    let flow = |n: u32| nth(stream(u64::from(n) + 1), n);
    let request = ask("before");
    let asked = edge.hear(flow(900), &over_tcp(&request));
    let asked = parse(asked.sent[0].1.clone(), &Limits::default()).unwrap();
    let proven = OFFICE.again(&request, &asked);
    assert_eq!(edge.hear(flow(900), &over_tcp(&proven)).proven, [ConnectionId(901)]);
    edge.input(Input::Closed { connection: ConnectionId(901) });
    edge.pass(Duration::from_secs(60));
    for n in 0..500 {
        assert_eq!(edge.hear(flow(n), &over_tcp(&ask(&format!("flood{n}")))).sent.len(), 1, "{n}");
    }
    let stranger = edge.hear(flow(500), &over_tcp(&ask("newcomer")));
    assert_eq!((stranger.sent.len(), stranger.closed.len()), (0, 1));
    let again = Flow { connection: ConnectionId(950), ..flow(900) };
    let known = edge.hear(again, &over_tcp(&ask("once-more")));
    assert_eq!((known.sent.len(), known.closed.len()), (1, 0), "it is asked as ever");
    let elsewhere =
        Flow { listener: ListenerId(1 - again.listener.0), connection: ConnectionId(951), ..again };
    assert!(edge.meets(elsewhere), "at the other listener it is one of many, and let in");
    // It has what any source has, and no more.
    let answered =
        (0..201).filter(|n| edge.hear(again, &over_tcp(&ask(&format!("much{n}")))).sent.len() == 1).count();
    assert_eq!(answered, 199);
}
