//! Requests within a call that is up: what of their answers crosses, and what stays one leg's own affair.
//!
//! Read first: RFC 3261 §13.2.2.4, §16.7; RFC 3311 §5; RFC 4028 §7.4, §9; RFC 4320 §4.2.

use std::time::Duration;

use ringfence::sip::Message;

use super::calls::Talk;
use super::edge::{Edge, PBX, Seen, TRUNK, from};
use super::texts::{Request, SDP, answer, header, moved};

/// A request of A with an offer.
fn offering(talk: &Talk, method: &str, cseq: u32, more: &str) -> Request {
    talk.request_a(method, cseq).with(|r| {
        r.more = format!("Content-Type: application/sdp\r\n{more}");
        r.body = moved(cseq);
    })
}

fn requests(seen: &Seen, method: &str) -> usize {
    seen.to(TRUNK).iter().filter(|message| message.method().as_bytes() == method.as_bytes()).count()
}

/// The same answer with other lines.
fn adding(answer: &str, lines: &str) -> String {
    answer.replacen("Content-Length", &format!("{lines}Content-Length"), 1)
}

/// A re-INVITE of A that the trunk answers with these lines besides, and its ACK.
fn reinvite(edge: &mut Edge, talk: &Talk, cseq: u32, lines: &str) {
    let leaving = edge.hear(from(PBX), &offering(talk, "INVITE", cseq, "").text()).to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &adding(&answer(&leaving, 200, "", TRUNK), lines));
    assert_eq!((seen.statuses(PBX), requests(&seen, "ACK")), (vec![200], 1));
    edge.hear(from(PBX), &talk.request_a("ACK", cseq).text());
}

#[test]
fn a_copy_of_an_older_200_is_acknowledged_again_as_long_as_few_are_newer() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    for (newer, acks) in [(1, 1), (2, 1), (3, 1), (4, 0), (5, 0)] {
        reinvite(&mut edge, &talk, 1 + newer, "");
        let seen = edge.hear(from(TRUNK), &answer(&talk.invite_b, 200, "b-1", TRUNK));
        assert_eq!((requests(&seen, "ACK"), requests(&seen, "BYE")), (acks, 0), "{newer} newer");
    }
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 9).text());
    assert_eq!((seen.statuses(PBX), requests(&seen, "BYE")), (vec![200], 1));
}

#[test]
fn an_update_whose_interval_the_far_side_finds_too_short_goes_again_with_a_longer_one() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    reinvite(&mut edge, &talk, 2, "Allow: INVITE, ACK, BYE, UPDATE\r\n");
    let seen = edge.hear(from(PBX), &offering(&talk, "UPDATE", 3, "").text());
    let update = seen.to(TRUNK).remove(0);
    let refused = adding(&answer(&update, 422, "", TRUNK), "Min-SE: 3600\r\n");
    let seen = edge.hear(from(TRUNK), &refused);
    assert_eq!(seen.statuses(PBX), [0; 0], "the caller never hears of it");
    let again = seen.to(TRUNK).remove(0);
    assert_eq!(again.method().as_bytes(), b"UPDATE");
    assert_eq!(again.cseq().number, update.cseq().number + 1);
    assert!(header(&again, "Session-Expires").starts_with("3600;"), "{}", header(&again, "Session-Expires"));
    assert_eq!(again.body(), update.body());
    assert_eq!(edge.hear(from(TRUNK), &answer(&again, 200, "", TRUNK)).statuses(PBX), [200]);
}

#[test]
fn an_interval_below_ours_is_refused_whatever_an_update_would_become() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let short = "Supported: timer\r\nSession-Expires: 60\r\n";
    // The trunk takes no UPDATE: it would leave as a re-INVITE.
    let seen = edge.hear(from(PBX), &offering(&talk, "UPDATE", 2, short).text());
    assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![422], 0));
    assert_eq!(header(&seen.to(PBX)[0], "Min-SE"), "90");
}

#[test]
fn a_final_status_crosses_as_it_may_be_said_here() {
    for (method, came, crosses) in [
        ("INVITE", 488, 488),
        ("INVITE", 503, 500),
        ("INVITE", 401, 403),
        ("INVITE", 408, 500),
        ("UPDATE", 503, 500),
        ("UPDATE", 408, 500),
        ("INVITE", 504, 500),
    ] {
        let mut edge = Edge::new();
        let talk = Talk::begin(&mut edge);
        let leaving = edge.hear(from(PBX), &offering(&talk, method, 2, "").text()).to(TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &answer(&leaving, came, "", TRUNK));
        assert_eq!(seen.statuses(PBX), [crosses], "{came} to {method}");
    }
}

/// The re-INVITE of the edge to an address, if there is one.
fn asked(seen: &Seen, address: &str) -> Option<Message> {
    seen.to(address)
        .into_iter()
        .find(|message| message.is_request() && message.method().as_bytes() == b"INVITE")
}

/// A peer answers a re-INVITE of the edge by these words.
fn says(edge: &mut Edge, address: &str, asked: &Message, sdp: &str) -> Seen {
    let [stood, length] = [SDP, sdp].map(|sdp| format!("Content-Length: {}", sdp.len()));
    edge.hear(from(address), &answer(asked, 200, "", address).replace(SDP, sdp).replace(&stood, &length))
}

#[test]
fn what_a_peer_answers_to_news_is_told_back_until_both_say_the_same() {
    let mut edge = Edge::new();
    Talk::begin(&mut edge);
    // Both legs are refreshed after 15 minutes; the PBX says nothing new, and then the trunk moves.
    let seen = edge.pass(Duration::from_secs(901));
    let (to_pbx, to_trunk) = (asked(&seen, PBX).expect("one"), asked(&seen, TRUNK).expect("one"));
    assert!(asked(&says(&mut edge, PBX, &to_pbx, SDP), TRUNK).is_none());
    let told = asked(&says(&mut edge, TRUNK, &to_trunk, &moved(1)), PBX).expect("the PBX is told");
    assert_eq!(told.body(), moved(1).as_bytes());
    // The PBX moves in turn, which the trunk hears; the trunk stays where it is, and that is the end.
    let back =
        asked(&says(&mut edge, PBX, &told, &moved(2)), TRUNK).expect("the trunk is told what that answered");
    assert_eq!(back.body(), moved(2).as_bytes());
    let seen = says(&mut edge, TRUNK, &back, &moved(1));
    assert!(asked(&seen, PBX).is_none() && requests(&seen, "ACK") == 1);
}

#[test]
fn two_peers_that_answer_each_other_by_something_new_are_left_there() {
    let mut edge = Edge::new();
    Talk::begin(&mut edge);
    let seen = edge.pass(Duration::from_secs(901));
    let to_pbx = asked(&seen, PBX).expect("one");
    says(&mut edge, PBX, &to_pbx, SDP);
    let (mut next, mut told) = (asked(&seen, TRUNK), 0);
    for turn in 1..=40 {
        let Some(asks) = next else { break };
        let (at, other) = if turn % 2 == 1 { (TRUNK, PBX) } else { (PBX, TRUNK) };
        next = asked(&says(&mut edge, at, &asks, &moved(turn)), other);
        told += usize::from(next.is_some());
    }
    assert_eq!(told, 4);
}

/// What rang may describe an announcement's media; the answer that stands is the one in the 200.
#[test]
fn a_refresh_is_answered_with_what_the_200_described_and_not_what_rang() {
    let mut edge = Edge::new();
    let invite = Request::new("INVITE", PBX);
    let leaving = edge.hear(from(PBX), &invite.text()).to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 183, "b-1", TRUNK));
    assert_eq!(String::from_utf8_lossy(seen.to(PBX)[0].body()), SDP, "it rings with the announcement's");
    let said = answer(&leaving, 200, "b-1", TRUNK)
        .replace(SDP, &moved(2))
        .replace(&format!("Content-Length: {}", SDP.len()), &format!("Content-Length: {}", moved(2).len()));
    let ok = edge.hear(from(TRUNK), &said).to(PBX).remove(0);
    assert_eq!(String::from_utf8_lossy(ok.body()), moved(2));
    let in_dialog = |method: &str, cseq: u32| {
        Request::new(method, PBX).with(|r| {
            r.to_tag = super::texts::tag(ok.to_tag());
            r.cseq = cseq;
            r.call_id = invite.call_id.clone();
            r.branch = format!("z9hG4bK-{method}-{cseq}");
        })
    };
    edge.hear(from(PBX), &in_dialog("ACK", invite.cseq).text());
    let seen = edge.hear(from(PBX), &in_dialog("INVITE", 2).text());
    assert_eq!(requests(&seen, "INVITE"), 0, "it says nothing new");
    let again = seen.to(PBX).into_iter().find(|message| message.status() == Some(200)).expect("a 200");
    let media = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).into_owned();
        text.lines().find(|line| line.starts_with("m=")).map(str::to_owned)
    };
    assert_eq!(media(again.body()), media(moved(2).as_bytes()));
}
