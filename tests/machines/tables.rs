//! The tables of transactions as the engine uses them.
//!
//! Owns who is heard, where answers go, what is bounded, and that nothing is left over.

use std::net::SocketAddr;
use std::time::Duration;

use super::words::{ALICE, BOB, flow, hop, message, request, response, written};
use bytes::Bytes;
use ringfence::call::{Branch, Failure, Side};
use ringfence::clock::Tick;
use ringfence::engine::transactions::{
    Addresses, Arrival, CallKey, CancelTarget, Matched, Outcome, Owner, Transactions, response_hop,
};
use ringfence::sip::{ListenerId, Transport, Via};
use ringfence::transaction::{Sender, Timing};

const OWNER: Owner = Owner::Call { key: CallKey { index: 3, generation: 9 }, side: Side::B };
const BRANCH: Branch = Branch(0x0123_4567_89ab_cdef);

/// Ours is what names 192.0.2.5; 192.0.2.9 and 192.0.2.10 are one peer.
pub struct Known;

impl Addresses for Known {
    fn is_ours(&self, _: ListenerId, via: &Via<'_>) -> bool {
        via.raw.windows(9).any(|text| text == b"192.0.2.5")
    }
    fn same_peer(&self, _: ListenerId, one: SocketAddr, other: SocketAddr) -> bool {
        let list = ["192.0.2.9", "192.0.2.10"];
        [one, other].iter().all(|address| list.contains(&address.ip().to_string().as_str()))
    }
}

/// Which peer an address is.
fn sender(from: &str) -> Sender {
    match from.split(':').next() {
        Some("192.0.2.1") => Sender(1),
        Some("192.0.2.9" | "192.0.2.10") => Sender(2),
        _ => Sender(3),
    }
}

/// Tables with a clock.
struct Edge {
    tables: Transactions,
    now: Tick,
    out: Vec<Outcome>,
}

impl Edge {
    fn new() -> Self {
        Self::bounded(100)
    }
    fn bounded(servers_max: usize) -> Self {
        Self {
            tables: Transactions::new(Timing::default(), [1, 2], servers_max, servers_max),
            now: Tick::ZERO,
            out: Vec::new(),
        }
    }
    fn request(&mut self, text: &str) -> Arrival {
        self.request_on(ALICE, 0, text)
    }
    fn request_on(&mut self, from: &str, connection: u64, text: &str) -> Arrival {
        let (who, message) = ((sender(from), false), message(text));
        self.tables.request(self.now, who, flow(from, connection), &message, &mut self.out)
    }
    fn started(&mut self, text: &str) -> ringfence::call::ServerId {
        let Arrival::New(server) = self.request(text) else { panic!("not new: {text}") };
        server
    }
    fn respond(&mut self, server: ringfence::call::ServerId, status: u16, text: &str) -> bool {
        self.tables.respond(self.now, server, status, Bytes::from(text.to_owned()), &mut self.out)
    }
    fn ack(&mut self, text: &str) -> bool {
        self.tables.ack(self.now, sender(ALICE), &message(text), &mut self.out)
    }
    fn invite(&mut self) -> String {
        self.send("INVITE", 0)
    }
    fn send(&mut self, method: &str, connection: u64) -> String {
        let text = ours(method);
        let (to, bytes) = (hop(BOB, connection), Bytes::from(text.clone()));
        self.tables.start(self.now, BRANCH, (method == "INVITE", false), to, bytes, OWNER, &mut self.out);
        text
    }
    fn hear(&mut self, text: &str) -> Matched {
        self.hear_on(BOB, 0, text)
    }
    fn hear_on(&mut self, from: &str, connection: u64, text: &str) -> Matched {
        self.tables.response(self.now, flow(from, connection), &message(text), &Known, &mut self.out)
    }
    fn cancel_target(&self, from: &str, text: &str) -> CancelTarget {
        self.tables.cancel_target(sender(from), &message(text))
    }
    /// Lets time pass, deadline by deadline.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        let end = self.now.after(time);
        while let Some(deadline) = self.tables.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.tables.expire(self.now, &mut self.out);
        }
        self.now = end;
        self.told()
    }
    /// What came out since the last time, in words.
    fn told(&mut self) -> Vec<String> {
        self.out.drain(..).map(|outcome| words(&outcome)).collect()
    }
    fn left(&self) -> (usize, usize, usize) {
        (self.tables.servers(), self.tables.clients(), self.tables.timers())
    }
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Send { hop, bytes } => {
            let text = String::from_utf8_lossy(bytes);
            let line = text.split("\r\n").next().unwrap_or_default().replace(" SIP/2.0", "");
            let line = line.replace("SIP/2.0 ", "").replace(" sip:bob@192.0.2.9", "");
            let on = if hop.connection.0 == 0 { String::new() } else { format!(" on {}", hop.connection.0) };
            format!("{line} to {}{on}", hop.remote)
        }
        Outcome::ClientFailed { failure, owner, .. } => {
            assert_eq!(*owner, OWNER);
            match failure {
                Failure::Timeout => "client timed out".to_owned(),
                Failure::Transport => "client not sent".to_owned(),
                Failure::Full => "no room for a client".to_owned(),
                Failure::Oversize => "too large for a client".to_owned(),
            }
        }
        Outcome::ClientEnded { .. } => "client ended".to_owned(),
        Outcome::ServerEnded { owner, .. } => {
            assert_eq!(*owner, OWNER);
            "server ended".to_owned()
        }
    }
}

/// A request of ours.
fn ours(method: &str) -> String {
    let via = format!("SIP/2.0/UDP 192.0.2.5:5060;branch={}", String::from_utf8_lossy(&BRANCH.text()));
    written(method, &via, "ours", "")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_copy_of_a_request_is_absorbed_and_answered_as_before() {
    let mut edge = Edge::new();
    let bye = request("BYE", "z9hG4bK1", ";tag=b");
    let server = edge.started(&bye);
    assert_eq!(edge.request(&bye), Arrival::Retransmission);
    assert_eq!(edge.told(), [""; 0]);
    assert!(edge.respond(server, 200, "SIP/2.0 200 OK\r\n"));
    assert!(!edge.respond(server, 481, "SIP/2.0 481 No\r\n"), "one final response");
    assert_eq!(edge.request(&bye), Arrival::Retransmission);
    assert_eq!(edge.told(), ["200 OK to 192.0.2.1:5060", "200 OK to 192.0.2.1:5060"]);
    assert!(edge.tables.set_owner(server, OWNER));
    assert_eq!(edge.tables.server_owner(server), Some(OWNER));
    assert_eq!(edge.wait(secs(33)), ["server ended"]);
    assert_eq!((edge.left(), edge.tables.server_owner(server)), ((0, 0, 0), None));
    assert!(!edge.respond(server, 200, "SIP/2.0 200 OK\r\n") && !edge.tables.set_owner(server, OWNER));
}

#[test]
fn a_refusal_is_sent_again_until_its_ack() {
    let mut edge = Edge::new();
    let server = edge.started(&request("INVITE", "z9hG4bK1", ""));
    edge.respond(server, 486, "SIP/2.0 486 Busy\r\n");
    assert_eq!(edge.wait(secs(8)).len(), 1 + 4, "0, 0.5, 1.5, 3.5, 7.5 s");
    assert!(edge.ack(&request("ACK", "z9hG4bK1", ";tag=b")), "the transaction's own ACK");
    assert!(edge.ack(&request("ACK", "z9hG4bK1", ";tag=b")), "and its copies");
    assert_eq!(edge.request(&request("ACK", "z9hG4bK1", ";tag=b")), Arrival::Retransmission);
    assert_eq!(edge.left(), (1, 0, 1));
    assert_eq!(edge.wait(secs(6)), [""; 0]);
    assert_eq!(edge.left(), (0, 0, 0));
    assert!(!edge.ack(&request("ACK", "z9hG4bK1", ";tag=b")), "nothing is left that it could belong to");
}

#[test]
fn a_refusal_without_ack_is_given_up_after_64_t1() {
    let mut edge = Edge::new();
    let server = edge.started(&request("INVITE", "z9hG4bK1", ""));
    edge.tables.set_owner(server, OWNER);
    edge.respond(server, 486, "SIP/2.0 486 Busy\r\n");
    let told = edge.wait(secs(33));
    // 0.5, 1.5, 3.5, then every 4 s up to 31.5.
    assert_eq!((told.len(), told.last().map(String::as_str)), (1 + 10 + 1, Some("server ended")));
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn after_a_2xx_copies_of_the_invite_are_absorbed_and_the_ack_is_the_dialogs() {
    let mut edge = Edge::new();
    let invite = request("INVITE", "z9hG4bK1", "");
    let server = edge.started(&invite);
    assert!(!edge.tables.resend(server, Bytes::new(), &mut edge.out), "nothing was accepted yet");
    edge.respond(server, 200, "SIP/2.0 200 OK\r\n");
    assert_eq!(edge.request(&invite), Arrival::Retransmission);
    assert!(!edge.ack(&request("ACK", "z9hG4bK1", ";tag=b")), "same branch, from a careless client");
    assert!(!edge.ack(&request("ACK", "z9hG4bK2", ";tag=b")), "its own branch, as it should be");
    assert!(edge.tables.resend(server, Bytes::from_static(b"SIP/2.0 200 OK\r\n"), &mut edge.out));
    assert_eq!(edge.told(), ["200 OK to 192.0.2.1:5060", "200 OK to 192.0.2.1:5060"]);
    edge.wait(secs(33));
    assert!(!edge.tables.resend(server, Bytes::new(), &mut edge.out));
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn an_rfc_2543_ack_must_carry_the_tag_of_the_refusal() {
    let old = |method: &str, tag: &str| written(method, "SIP/2.0/UDP 192.0.2.1", "one", tag);
    let mut edge = Edge::new();
    let server = edge.started(&old("INVITE", ""));
    edge.respond(server, 486, &response("486 Busy Here", &old("INVITE", ""), ";tag=r"));
    assert!(!edge.ack(&old("ACK", ";tag=other")));
    assert!(!edge.ack(&old("ACK", "")));
    assert!(edge.ack(&old("ACK", ";tag=r")));
    edge.wait(secs(6));
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn a_late_answer_to_another_request_is_preceded_by_one_100() {
    let mut edge = Edge::new();
    let info = request("INFO", "z9hG4bK1", ";tag=b");
    let server = edge.started(&info);
    edge.respond(server, 100, "SIP/2.0 100 Too early\r\n");
    assert_eq!(edge.wait(Duration::from_millis(3_499)), [""; 0]);
    assert_eq!(edge.wait(Duration::from_millis(2)), ["100 Trying to 192.0.2.1:5060"]);
    assert_eq!(edge.request(&info), Arrival::Retransmission);
    assert_eq!(edge.told(), ["100 Trying to 192.0.2.1:5060"]);
    edge.respond(server, 408, "SIP/2.0 408 Never\r\n");
    assert_eq!(edge.wait(secs(29)), [""; 0]);
    assert_eq!(edge.left(), (0, 0, 0));
    assert!(!edge.respond(server, 200, "SIP/2.0 200 Too late\r\n"));
}

#[test]
fn a_forgotten_request_leaves_nothing() {
    let mut edge = Edge::new();
    for method in ["INVITE", "MESSAGE"] {
        let server = edge.started(&request(method, "z9hG4bK1", ""));
        assert!(edge.tables.forget(server) && !edge.tables.forget(server));
        assert_eq!(edge.left(), (0, 0, 0));
        let again = edge.started(&request(method, "z9hG4bK2", ""));
        assert!(edge.tables.forget(again), "not a merged one of what is gone");
    }
}

#[test]
fn f8_the_same_request_on_another_path_is_merged() {
    let mut edge = Edge::new();
    let first = edge.started(&request("INVITE", "z9hG4bK1", ""));
    assert_eq!(edge.request(&request("INVITE", "z9hG4bK2", "")), Arrival::Merged);
    assert_eq!(edge.request(&request("INVITE", "z9hG4bK1", "")), Arrival::Retransmission);
    assert!(matches!(edge.request(&request("INVITE", "z9hG4bK3", ";tag=b")), Arrival::New(_)));
    edge.respond(first, 486, "SIP/2.0 486 Busy\r\n");
    assert_eq!(edge.request(&request("INVITE", "z9hG4bK2", "")), Arrival::Merged);
    edge.wait(secs(33));
    assert!(matches!(edge.request(&request("INVITE", "z9hG4bK2", "")), Arrival::New(_)));
}

#[test]
fn f6_the_table_is_bounded_and_calls_can_still_be_ended() {
    let mut edge = Edge::bounded(8);
    let nth = |n: usize, method: &str, tag: &str| {
        written(method, &format!("SIP/2.0/UDP {ALICE};branch=z9hG4bK{n}"), &format!("call-{n}"), tag)
    };
    for n in 0..8 {
        assert!(matches!(edge.request(&nth(n, "INVITE", "")), Arrival::New(_)), "{n}");
    }
    assert_eq!(edge.request(&nth(8, "INVITE", "")), Arrival::Full);
    assert_eq!(edge.request(&nth(7, "INVITE", "")), Arrival::Retransmission);
    assert!(matches!(edge.request(&nth(9, "BYE", ";tag=b")), Arrival::New(_)), "an eighth is in reserve");
    assert_eq!(edge.request(&nth(7, "CANCEL", "")), Arrival::Full);
    assert!(matches!(edge.cancel_target(ALICE, &nth(7, "CANCEL", "")), CancelTarget::Pending(..)));
    assert_eq!(edge.left().0, 9);
}

#[test]
fn d2_a_peer_that_overhears_a_branch_cannot_take_its_transaction() {
    let mut edge = Edge::new();
    let bye = request("BYE", "z9hG4bK1", ";tag=b");
    assert!(matches!(edge.request_on("192.0.2.66:5060", 0, &bye), Arrival::New(_)));
    assert!(matches!(edge.request_on(BOB, 0, &bye), Arrival::New(_)), "the true one was taken for a copy");
    assert_eq!(edge.request_on("192.0.2.10:5060", 0, &bye), Arrival::Retransmission);
    let invite = request("INVITE", "z9hG4bK2", "");
    assert!(matches!(edge.request_on("192.0.2.66:5060", 0, &invite), Arrival::New(_)));
    assert!(
        matches!(edge.request_on(BOB, 0, &invite), Arrival::New(_)),
        "the true one was taken for a merged one"
    );
}

#[test]
fn d1_a_cancel_counts_only_from_the_peer_that_called() {
    let mut edge = Edge::new();
    let Arrival::New(server) = edge.request_on(BOB, 0, &request("INVITE", "z9hG4bK1", "")) else { panic!() };
    edge.tables.set_owner(server, OWNER);
    let cancel = request("CANCEL", "z9hG4bK1", "");
    for (from, means) in [
        (BOB, CancelTarget::Pending(server, OWNER)),
        ("192.0.2.9:9999", CancelTarget::Pending(server, OWNER)),
        ("192.0.2.10:5060", CancelTarget::Pending(server, OWNER)),
        ("192.0.2.66:5060", CancelTarget::Unknown),
    ] {
        assert_eq!(edge.cancel_target(from, &cancel), means, "{from}");
    }
    assert_eq!(edge.cancel_target(BOB, &request("CANCEL", "z9hG4bK2", "")), CancelTarget::Unknown);
    edge.respond(server, 200, "SIP/2.0 200 OK\r\n");
    assert_eq!(edge.cancel_target(BOB, &cancel), CancelTarget::Answered);
}

#[test]
fn d7_answers_go_where_the_request_came_from() {
    let at = |from: &str, connection: u64, via: &str| {
        let text = written("OPTIONS", via, "one", "");
        let hop = response_hop(&flow(from, connection), &message(&text).top_via());
        format!("{} {}", hop.remote, hop.connection.0)
    };
    for (what, from, connection, via, to) in [
        ("rport", "192.0.2.1:4000", 0, "SIP/2.0/UDP 192.0.2.1:5062;rport", "192.0.2.1:4000 0"),
        ("sent-by's port", "192.0.2.1:4000", 0, "SIP/2.0/UDP 192.0.2.1:5062", "192.0.2.1:5062 0"),
        ("no port", "192.0.2.1:4000", 0, "SIP/2.0/UDP 192.0.2.1", "192.0.2.1:5060 0"),
        ("inner sent-by", "192.0.2.1:4000", 0, "SIP/2.0/UDP 10.0.0.1:5062", "192.0.2.1:5062 0"),
        (
            "forged received",
            "192.0.2.1:4000",
            0,
            "SIP/2.0/UDP a.invalid;received=192.0.2.66",
            "192.0.2.1:5060 0",
        ),
        ("maddr", "192.0.2.1:4000", 0, "SIP/2.0/UDP a.invalid;maddr=192.0.2.66", "192.0.2.1:5060 0"),
        ("TCP", "192.0.2.1:4000", 7, "SIP/2.0/TCP 192.0.2.1:5062;rport", "192.0.2.1:5062 7"),
    ] {
        assert_eq!(at(from, connection, via), to, "{what}");
    }
    let mut tls = flow("192.0.2.1:4000", 7);
    tls.transport = Transport::Tls;
    let text = written("OPTIONS", "SIP/2.0/TLS a.invalid", "one", "");
    assert_eq!(response_hop(&tls, &message(&text).top_via()).remote.port(), 5061);
}

#[test]
fn a_copy_on_a_new_connection_is_answered_there() {
    let mut edge = Edge::new();
    let invite = written("INVITE", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1", "one", "");
    let Arrival::New(server) = edge.request_on("192.0.2.1:4000", 7, &invite) else { panic!() };
    edge.request_on("192.0.2.66:4001", 8, &invite);
    edge.respond(server, 180, "SIP/2.0 180 Ringing\r\n");
    edge.request_on("192.0.2.1:4002", 9, &invite);
    edge.respond(server, 200, "SIP/2.0 200 OK\r\n");
    assert_eq!(edge.told(), ["180 Ringing to 192.0.2.1:5060 on 7", "200 OK to 192.0.2.1:5060 on 9"]);
}

#[test]
fn d3_a_response_is_heard_only_from_whom_was_asked() {
    let mut edge = Edge::new();
    let invite = edge.invite();
    let ringing = response("180 Ringing", &invite, ";tag=b");
    let text = String::from_utf8_lossy(&BRANCH.text()).into_owned();
    for (what, from, connection, told) in [
        ("a stranger", "192.0.2.66:5060", 0, ringing.clone()),
        ("another transport", BOB, 4, ringing.clone()),
        ("another branch", BOB, 0, ringing.replace(&text, "z9hG4bK0123456789abcdee")),
        ("a longer branch", BOB, 0, ringing.replace(&text, &format!("{text}0"))),
        ("a branch in capitals", BOB, 0, ringing.replace(&text, "z9hG4bK0123456789ABCDEF")),
        ("another method", BOB, 0, ringing.replace("CSeq: 1 INVITE", "CSeq: 1 BYE")),
        ("a CANCEL that never went", BOB, 0, ringing.replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL")),
        ("a sent-by not ours", BOB, 0, ringing.replace("192.0.2.5", "192.0.2.6")),
        ("two Vias", BOB, 0, ringing.replace("From:", "Via: SIP/2.0/UDP a.invalid\r\nFrom:")),
    ] {
        assert_eq!(edge.hear_on(from, connection, &told), Matched::Stray, "{what}");
    }
    let mut elsewhere = flow(BOB, 0);
    elsewhere.listener = ListenerId(1);
    let heard = edge.tables.response(edge.now, elsewhere, &message(&ringing), &Known, &mut edge.out);
    assert_eq!(heard, Matched::Stray, "another listener");
    for from in [BOB, "192.0.2.9:4444", "192.0.2.10:5060"] {
        assert_eq!(edge.hear_on(from, 0, &ringing), Matched::Pass(BRANCH, OWNER), "{from}");
    }
}

#[test]
fn an_invite_of_ours_passes_every_2xx_until_timer_m() {
    let mut edge = Edge::new();
    let invite = edge.invite();
    let ok = response("200 OK", &invite, ";tag=b");
    for _ in 0..3 {
        assert_eq!(edge.hear(&ok), Matched::Pass(BRANCH, OWNER));
    }
    assert_eq!(edge.hear(&response("486 Busy Here", &invite, ";tag=c")), Matched::Absorbed);
    assert_eq!(edge.told(), ["INVITE to 192.0.2.9:5060"]);
    assert!(!edge.tables.cancel(edge.now, BRANCH, Bytes::new(), &mut edge.out), "too late");
    assert_eq!(edge.wait(secs(33)), ["client ended"]);
    assert_eq!((edge.left(), edge.hear(&ok)), ((0, 0, 0), Matched::Stray));
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_passed_once() {
    let mut edge = Edge::new();
    let invite = edge.invite();
    let busy = response("486 Busy Here", &invite, ";tag=b");
    assert_eq!(edge.hear(&busy), Matched::Pass(BRANCH, OWNER));
    assert_eq!(edge.hear(&busy), Matched::Absorbed);
    let told = edge.told();
    assert_eq!(told, ["INVITE to 192.0.2.9:5060", "ACK to 192.0.2.9:5060", "ACK to 192.0.2.9:5060"]);
    edge.wait(secs(33));
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn on_a_stream_nothing_is_sent_twice_and_nothing_lingers() {
    for (method, status, sent) in [("INVITE", "486 Busy Here", "ACK"), ("BYE", "481 None", "")] {
        let mut edge = Edge::new();
        let text = edge.send(method, 5);
        assert_eq!(edge.wait(secs(31)), [format!("{method} to 192.0.2.9:5060 on 5")]);
        let heard = edge.hear_on("192.0.2.9:5060", 5, &response(status, &text, ";tag=b"));
        assert_eq!(heard, Matched::Pass(BRANCH, OWNER));
        assert_eq!(edge.told().len(), usize::from(!sent.is_empty()));
        assert_eq!(edge.left(), (0, 0, 0), "{method}");
    }
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut edge = Edge::new();
    let invite = edge.invite();
    assert!(edge.tables.cancel(edge.now, BRANCH, Bytes::from_static(b"SIP;cause=487"), &mut edge.out));
    assert_eq!(edge.wait(Duration::from_millis(600)).len(), 2, "the INVITE and a copy of it, no CANCEL");
    assert_eq!(edge.hear(&response("100 Trying", &invite, "")), Matched::Pass(BRANCH, OWNER));
    let Some(Outcome::Send { bytes, .. }) = edge.out.last() else { panic!() };
    let cancel = String::from_utf8_lossy(bytes).into_owned();
    assert!(cancel.starts_with("CANCEL ") && cancel.contains("Reason: SIP;cause=487\r\n"), "{cancel}");
    assert_eq!(edge.hear(&response("200 OK", &cancel, ";tag=b")), Matched::Absorbed);
    assert_eq!(
        edge.hear(&response("487 Request Terminated", &invite, ";tag=b")),
        Matched::Pass(BRANCH, OWNER)
    );
    edge.wait(secs(33));
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn c8_a_cancelled_invite_without_a_final_response_ends_after_64_t1() {
    let mut edge = Edge::new();
    let invite = edge.invite();
    edge.hear(&response("180 Ringing", &invite, ";tag=b"));
    assert!(edge.tables.cancel(edge.now, BRANCH, Bytes::new(), &mut edge.out));
    assert_eq!(edge.told(), ["INVITE to 192.0.2.9:5060", "CANCEL to 192.0.2.9:5060"]);
    assert!(edge.tables.cancel(edge.now, BRANCH, Bytes::new(), &mut edge.out));
    let told = edge.wait(secs(33));
    assert_eq!(
        told.iter().filter(|line| !line.starts_with("CANCEL")).collect::<Vec<_>>(),
        ["client timed out"]
    );
    assert_eq!(edge.left(), (0, 0, 0));
}

#[test]
fn c8_a_request_without_any_response_is_given_up_after_64_t1() {
    for (method, copies) in [("INVITE", 6), ("BYE", 10)] {
        let mut edge = Edge::new();
        edge.send(method, 0);
        let told = edge.wait(secs(33));
        assert_eq!(
            (told.len(), told.last().map(String::as_str)),
            (1 + copies + 1, Some("client timed out")),
            "{method}"
        );
        assert_eq!(edge.left(), (0, 0, 0));
    }
}

#[test]
fn c8_what_cannot_be_sent_fails_at_once_and_what_was_heard_goes_on() {
    let mut edge = Edge::new();
    let out = &mut Vec::new();
    for n in 0..5 {
        let text = ours("BYE").replace("0123456789abcdef", &format!("{n:016x}"));
        let to = hop(if n == 4 { ALICE } else { BOB }, 0);
        edge.tables.start(edge.now, Branch(n), (false, false), to, Bytes::from(text), OWNER, out);
    }
    let invite = edge.invite();
    edge.hear(&response("100 Trying", &invite, ""));
    let done = ours("BYE").replace("0123456789abcdef", "0000000000000002");
    assert_eq!(edge.hear(&response("200 OK", &done, "")), Matched::Pass(Branch(2), OWNER));
    edge.told();
    edge.tables.unsendable(&hop("192.0.2.66:5060", 0), &mut edge.out);
    assert_eq!(edge.told(), [""; 0]);
    edge.tables.unsendable(&hop(BOB, 0), &mut edge.out);
    assert_eq!(edge.told(), ["client not sent"; 3]);
    assert_eq!(edge.tables.clients(), 3, "the ringing INVITE, the answered BYE, the one to somebody else");
    edge.tables.unsendable(&hop(BOB, 0), &mut edge.out);
    assert_eq!(edge.told(), [""; 0]);
}
