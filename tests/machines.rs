//! The transaction machines: every state and every event, as tables to be read beside RFC 3261's figures 5 to 8.
//!
//! Owns the snapshots of the four machines; keys, tables and behaviour under loss stand in `machines/`.
//! Read first: RFC 3261 §17; RFC 6026 §7; RFC 4320 §4.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says by panicking what it had expected")]

#[path = "machines/clients.rs"]
mod clients;
#[path = "machines/keys.rs"]
mod keys;
#[path = "machines/loss.rs"]
mod loss;
#[path = "machines/tables.rs"]
mod tables;
#[path = "machines/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::time::Duration;

use bytes::Bytes;
use ringfence::transaction::{
    Client, Effect, InviteClient, InviteServer, Server, Terms, Timing, client, invite_client, invite_server,
    server,
};

use words::{ALICE, message, request, response};

/// One state or event with the words it is called by in the table.
type Named<T> = (&'static str, T);

fn start_line(bytes: &[u8]) -> String {
    let line = bytes.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|octet| *octet == b' ').collect();
    let word = if line.starts_with(b"SIP/2.0") { words[1] } else { words[0] };
    String::from_utf8_lossy(word).into_owned()
}

fn effects<T: Debug>(effects: &[Effect<T>]) -> String {
    let told: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Send(bytes) => format!("send {}", start_line(bytes)),
            Effect::Cancel(bytes) => format!("start {}", start_line(bytes)),
            Effect::Arm(timer, after) => format!("arm {timer:?} {after:?}"),
            Effect::Disarm(timer) => format!("disarm {timer:?}"),
            Effect::PassUp => "pass up".to_owned(),
            Effect::Timeout => "time-out".to_owned(),
            Effect::TransportError => "transport error".to_owned(),
            Effect::Terminated => "terminated".to_owned(),
        })
        .collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// The name of each kind of a state or event, and all names there are. What is not named does not compile.
macro_rules! kinds {
    ($type:ty: $($kind:pat),+ $(,)?) => {
        (|value: &$type| match value { $($kind => stringify!($kind)),+ }, &[$(stringify!($kind)),+][..])
    };
}

/// Says which kind stands in no row or column of a table; with none, every state meets every event in it.
fn assert_all<T>(values: &[Named<T>], (kind, all): (impl Fn(&T) -> &'static str, &[&str])) {
    let there: BTreeSet<_> = values.iter().map(|(_, value)| kind(value)).collect();
    let missing: Vec<_> = all.iter().filter(|kind| !there.contains(**kind)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}

/// Every state against every event, over UDP and, where they differ, over TCP.
fn table<S: Clone, E: Clone, T: Debug>(
    states: &[Named<S>],
    events: &[Named<E>],
    name: impl Fn(&S) -> String,
    on: impl Fn(S, E, Terms<'_>) -> (S, Vec<Effect<T>>),
) -> String {
    let timing = Timing::default();
    let mut text = String::new();
    for (state_name, state) in states {
        writeln!(text, "{state_name}").unwrap();
        for (event_name, event) in events {
            let [udp, tcp] = [false, true].map(|reliable| {
                let terms = Terms { timing: &timing, reliable };
                let (next, done) = on(state.clone(), event.clone(), terms);
                let next = name(&next);
                let next = if next == *state_name { "same".to_owned() } else { next };
                format!("{next}: {}", effects(&done))
            });
            writeln!(text, "  {event_name:<17} {udp}").unwrap();
            if tcp != udp {
                writeln!(text, "  {:<15} T {tcp}", "").unwrap();
            }
        }
    }
    text
}

fn began<T: Debug>(name: &str, start: impl Fn(Terms<'_>) -> Vec<Effect<T>>) -> String {
    let timing = Timing::default();
    let [udp, tcp] = [false, true].map(|reliable| effects(&start(Terms { timing: &timing, reliable })));
    format!("start\n  {name:<17} {udp}\n  {:<15} T {tcp}\n", "")
}

#[test]
fn the_invite_client_is_figure_5_and_rfc_6026() {
    let invite = request("INVITE", "z9hG4bK1", "");
    let refusal = message(&response("486 Busy Here", &invite, ";tag=b"));
    let ack = || Some(Bytes::from(request("ACK", "z9hG4bK1", ";tag=b")));
    let bytes = Bytes::from(invite);
    let t1 = Duration::from_millis(500);
    let states = [
        ("Calling", InviteClient::Calling { invite: bytes.clone(), interval: t1, cancel: None }),
        (
            "Calling, CANCEL waits",
            InviteClient::Calling { invite: bytes.clone(), interval: t1, cancel: Some(Bytes::new()) },
        ),
        ("Proceeding", InviteClient::Proceeding { invite: bytes.clone(), cancelled: false }),
        ("Proceeding, cancelled", InviteClient::Proceeding { invite: bytes.clone(), cancelled: true }),
        ("Completed", InviteClient::Completed { ack: ack() }),
        ("Accepted", InviteClient::Accepted),
        ("Terminated", InviteClient::Terminated),
    ];
    use invite_client::{Event, Timer};
    let events = [
        ("1xx", Event::Provisional),
        ("2xx", Event::Success),
        ("3xx-6xx", Event::Failure(&refusal)),
        ("CANCEL wanted", Event::Cancel(Bytes::from_static(b"SIP;cause=200"))),
        ("timer A", Event::Timer(Timer::A)),
        ("timer B", Event::Timer(Timer::B)),
        ("timer D", Event::Timer(Timer::D)),
        ("timer M", Event::Timer(Timer::M)),
        ("timer Cancelled", Event::Timer(Timer::Cancelled)),
        ("transport error", Event::TransportError),
    ];
    assert_all(
        &states,
        kinds!(InviteClient:
            InviteClient::Calling { cancel: None, .. },
            InviteClient::Calling { cancel: Some(_), .. },
            InviteClient::Proceeding { cancelled: false, .. },
            InviteClient::Proceeding { cancelled: true, .. },
            InviteClient::Completed { .. },
            InviteClient::Accepted,
            InviteClient::Terminated,
        ),
    );
    assert_all(
        &events,
        kinds!(Event<'_>:
            Event::Provisional,
            Event::Success,
            Event::Failure(_),
            Event::Cancel(_),
            Event::Timer(Timer::A),
            Event::Timer(Timer::B),
            Event::Timer(Timer::D),
            Event::Timer(Timer::M),
            Event::Timer(Timer::Cancelled),
            Event::TransportError,
        ),
    );
    let name = |state: &InviteClient| match state {
        InviteClient::Calling { cancel: None, interval, .. } if *interval != t1 => {
            format!("Calling {interval:?}")
        }
        InviteClient::Calling { cancel: None, .. } => "Calling".to_owned(),
        InviteClient::Calling { cancel: Some(_), interval, .. } if *interval != t1 => {
            format!("Calling {interval:?}, CANCEL waits")
        }
        InviteClient::Calling { cancel: Some(_), .. } => "Calling, CANCEL waits".to_owned(),
        InviteClient::Proceeding { cancelled: false, .. } => "Proceeding".to_owned(),
        InviteClient::Proceeding { cancelled: true, .. } => "Proceeding, cancelled".to_owned(),
        InviteClient::Completed { .. } => "Completed".to_owned(),
        InviteClient::Accepted => "Accepted".to_owned(),
        InviteClient::Terminated => "Terminated".to_owned(),
    };
    let start = began("INVITE", |terms| InviteClient::start(bytes.clone(), terms).1.to_vec());
    let on = |state: InviteClient, event: Event<'_>, terms: Terms<'_>| {
        let (next, done) = state.on(event, terms);
        (next, done.to_vec())
    };
    insta::assert_snapshot!("invite_client", start + &table(&states, &events, name, on));
}

#[test]
fn the_invite_server_is_figure_7_and_rfc_6026() {
    let invite = request("INVITE", "z9hG4bK1", "");
    let answer = |status: &str| Bytes::from(response(status, &invite, ";tag=b"));
    let t1 = Duration::from_millis(500);
    let states = [
        ("Trying", InviteServer::Trying { answer: answer("100 Trying") }),
        ("Proceeding", InviteServer::Proceeding { last: None }),
        ("Proceeding, 180 sent", InviteServer::Proceeding { last: Some(answer("180 Ringing")) }),
        ("Completed", InviteServer::Completed { response: Some(answer("486 Busy Here")), interval: t1 }),
        ("Confirmed", InviteServer::Confirmed),
        ("Accepted", InviteServer::Accepted),
        ("Terminated", InviteServer::Terminated),
    ];
    use invite_server::{Event, Timer};
    let events = [
        ("INVITE", Event::Invite),
        ("ACK", Event::Ack),
        ("user: 100", Event::Respond(100, answer("100 Trying"))),
        ("user: 180", Event::Respond(180, answer("180 Ringing"))),
        ("user: 200", Event::Respond(200, answer("200 OK"))),
        ("user: 486", Event::Respond(486, answer("486 Busy Here"))),
        ("user: 200 again", Event::Resend(answer("200 OK"))),
        ("timer Trying", Event::Timer(Timer::Trying)),
        ("timer G", Event::Timer(Timer::G)),
        ("timer H", Event::Timer(Timer::H)),
        ("timer I", Event::Timer(Timer::I)),
        ("timer L", Event::Timer(Timer::L)),
    ];
    assert_all(
        &states,
        kinds!(InviteServer:
            InviteServer::Trying { .. },
            InviteServer::Proceeding { last: None },
            InviteServer::Proceeding { last: Some(_) },
            InviteServer::Completed { .. },
            InviteServer::Confirmed,
            InviteServer::Accepted,
            InviteServer::Terminated,
        ),
    );
    assert_all(
        &events,
        kinds!(Event:
            Event::Invite,
            Event::Ack,
            Event::Respond(..=100, _),
            Event::Respond(101..=199, _),
            Event::Respond(200..=299, _),
            Event::Respond(300.., _),
            Event::Resend(_),
            Event::Timer(Timer::Trying),
            Event::Timer(Timer::G),
            Event::Timer(Timer::H),
            Event::Timer(Timer::I),
            Event::Timer(Timer::L),
        ),
    );
    let name = |state: &InviteServer| match state {
        InviteServer::Trying { .. } => "Trying".to_owned(),
        InviteServer::Proceeding { last: None } => "Proceeding".to_owned(),
        InviteServer::Proceeding { last: Some(last) } => format!("Proceeding, {} sent", start_line(last)),
        InviteServer::Completed { response, interval } if *interval != t1 || response.is_none() => {
            format!("Completed{} {interval:?}", if response.is_none() { ", nothing kept," } else { "" })
        }
        InviteServer::Completed { .. } => "Completed".to_owned(),
        InviteServer::Confirmed => "Confirmed".to_owned(),
        InviteServer::Accepted => "Accepted".to_owned(),
        InviteServer::Terminated => "Terminated".to_owned(),
    };
    let start = began("INVITE", |_| InviteServer::start().1.to_vec());
    let on = |state: InviteServer, event: Event, terms: Terms<'_>| {
        let (next, done) = state.on(event, terms);
        (next, done.to_vec())
    };
    insta::assert_snapshot!("invite_server", start + &table(&states, &events, name, on));
}

#[test]
fn the_client_is_figure_6() {
    let bye = Bytes::from(request("BYE", "z9hG4bK1", ";tag=b"));
    let t1 = Duration::from_millis(500);
    let states = [
        ("Trying 500ms", Client::Trying { request: Some(bye.clone()), interval: t1 }),
        ("Trying 2s", Client::Trying { request: Some(bye.clone()), interval: t1 * 4 }),
        ("Trying 4s", Client::Trying { request: Some(bye.clone()), interval: t1 * 8 }),
        ("Proceeding", Client::Proceeding { request: Some(bye.clone()) }),
        ("Completed", Client::Completed),
        ("Terminated", Client::Terminated),
    ];
    use client::{Event, Timer};
    let events = [
        ("1xx", Event::response(100)),
        ("2xx", Event::response(200)),
        ("3xx-6xx", Event::response(481)),
        ("timer E", Event::Timer(Timer::E)),
        ("timer F", Event::Timer(Timer::F)),
        ("timer K", Event::Timer(Timer::K)),
        ("transport error", Event::TransportError),
    ];
    assert_all(
        &states,
        kinds!(Client:
            Client::Trying { .. },
            Client::Proceeding { .. },
            Client::Completed,
            Client::Terminated,
        ),
    );
    assert_all(
        &events,
        kinds!(Event:
            Event::Provisional,
            Event::Final,
            Event::Timer(Timer::E),
            Event::Timer(Timer::F),
            Event::Timer(Timer::K),
            Event::TransportError,
        ),
    );
    let name = |state: &Client| match state {
        Client::Trying { interval, .. } => format!("Trying {interval:?}"),
        Client::Proceeding { .. } => "Proceeding".to_owned(),
        Client::Completed => "Completed".to_owned(),
        Client::Terminated => "Terminated".to_owned(),
    };
    let start = began("BYE", |terms| Client::start(bye.clone(), terms).1.to_vec());
    let on = |state: Client, event: Event, terms: Terms<'_>| {
        let (next, done) = state.on(event, terms);
        (next, done.to_vec())
    };
    insta::assert_snapshot!("client", start + &table(&states, &events, name, on));
}

#[test]
fn the_server_is_figure_8_and_rfc_4320() {
    let bye = request("BYE", "z9hG4bK1", ";tag=b");
    let answer = |status: &str| Bytes::from(response(status, &bye, ""));
    let waits = Server::Trying { request: Bytes::from(bye.clone()), source: ALICE.parse().unwrap() };
    let states = [
        ("Trying", waits),
        ("Proceeding", Server::Proceeding { last: None }),
        ("Proceeding, 100 sent", Server::Proceeding { last: Some(answer("100 Trying")) }),
        ("Completed", Server::Completed { response: answer("200 OK") }),
        ("Terminated", Server::Terminated),
    ];
    use server::{Event, Timer};
    let events = [
        ("BYE", Event::Request),
        ("user: 100", Event::Respond(100, answer("100 Trying"))),
        ("user: 183", Event::Respond(183, answer("183 Session Progress"))),
        ("user: 200", Event::Respond(200, answer("200 OK"))),
        ("user: 408", Event::Respond(408, answer("408 Request Timeout"))),
        ("user: 481", Event::Respond(481, answer("481 Call/Transaction Does Not Exist"))),
        ("timer Trying", Event::Timer(Timer::Trying)),
        ("timer Expired", Event::Timer(Timer::Expired)),
        ("timer J", Event::Timer(Timer::J)),
    ];
    assert_all(
        &states,
        kinds!(Server:
            Server::Trying { .. },
            Server::Proceeding { last: None },
            Server::Proceeding { last: Some(_) },
            Server::Completed { .. },
            Server::Terminated,
        ),
    );
    assert_all(
        &events,
        kinds!(Event:
            Event::Request,
            Event::Respond(..=199, _),
            Event::Respond(200..=299, _),
            Event::Respond(300.., _),
            Event::Timer(Timer::Trying),
            Event::Timer(Timer::Expired),
            Event::Timer(Timer::J),
        ),
    );
    let name = |state: &Server| match state {
        Server::Trying { .. } => "Trying".to_owned(),
        Server::Proceeding { last: None } => "Proceeding".to_owned(),
        Server::Proceeding { last: Some(last) } => format!("Proceeding, {} sent", start_line(last)),
        Server::Completed { .. } => "Completed".to_owned(),
        Server::Terminated => "Terminated".to_owned(),
    };
    let start = began("BYE", |terms| {
        Server::start(Bytes::from(bye.clone()), ALICE.parse().unwrap(), terms).1.to_vec()
    });
    let on = |state: Server, event: Event, terms: Terms<'_>| {
        let (next, done) = state.on(event, terms);
        (next, done.to_vec())
    };
    insta::assert_snapshot!("server", start + &table(&states, &events, name, on));
}

#[test]
fn ack_and_cancel_are_made_of_the_invite() {
    let invite = Bytes::from(
        "INVITE sip:bob@192.0.2.9;transport=udp SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef;rport\r\n\
         Via: SIP/2.0/UDP older.invalid;branch=z9hG4bKolder\r\n\
         Max-Forwards: 12\r\nRoute: <sip:p1.invalid;lr>,\r\n <sip:p2.invalid;lr>\r\nroute: <sip:p3.invalid;lr>\r\n\
         From: \"A\" <sip:a@a.invalid>;tag=fa\r\nTo: <sip:b@b.invalid>\r\ni: one@two\r\nCSeq: 314 INVITE\r\n\
         Contact: <sip:us@192.0.2.1>\r\nRequire: 100rel\r\nProxy-Authorization: Digest secret\r\n\
         Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0",
    );
    let refused = message(
        "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789abcdef;rport=5060\r\n\
         f: \"A\" <sip:a@a.invalid>;tag=fa\r\nt: <sip:b@b.invalid>;\r\n tag=theirs\r\ni: one@two\r\n\
         CSeq: 314 INVITE\r\nContent-Length: 0\r\n\r\n",
    );
    use ringfence::transaction::hop_by_hop::{ack, cancel};
    let made = [
        ack(&invite, &refused).unwrap(),
        cancel(&invite, b"Q.850;cause=16;text=\"bye\"").unwrap(),
        cancel(&invite, b"").unwrap(),
        cancel(&invite, b"SIP;cause=200\r\nEvil: yes").unwrap(),
    ];
    let text = made.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n")).join("\n");
    insta::assert_snapshot!("ack_and_cancel", text);
}
