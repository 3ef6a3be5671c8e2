//! Calls through the whole engine.

use std::time::Duration;

use ringfence::policy::Aim;
use ringfence::sip::Message;

use super::edge::{Edge, PBX, TRUNK, alter, from, plan, settings};
use super::texts::{Request, answer, moved, tag};

/// A call that is up, with what both sides know of it.
pub struct Talk {
    invite: Request,
    /// The INVITE of the edge on leg B.
    pub invite_b: Message,
    /// The tag of the edge on A's dialog.
    pub local_a: String,
}

impl Talk {
    /// INVITE, 180, 200, ACK on both legs.
    pub fn begin(edge: &mut Edge) -> Self {
        let invite = Request::new("INVITE", PBX);
        Self::begin_with(edge, invite)
    }

    /// The same with another INVITE.
    pub fn begin_with(edge: &mut Edge, invite: Request) -> Self {
        let seen = edge.hear(from(PBX), &invite.text());
        assert_eq!(seen.statuses(PBX), [100]);
        let leaving = seen.to(TRUNK).remove(0);
        let seen = edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
        assert_eq!(seen.statuses(PBX), [180]);
        let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "b-1", TRUNK));
        let ok = seen.to(PBX).remove(0);
        assert_eq!(ok.status(), Some(200));
        let local_a = tag(ok.to_tag());
        let mut talk = Self { invite, invite_b: leaving, local_a };
        let seen_ack = edge.hear(from(PBX), &talk.request_a("ACK", talk.invite.cseq).text());
        let acked = seen.to(TRUNK).into_iter().chain(seen_ack.to(TRUNK));
        assert!(acked.into_iter().any(|message| message.method().as_bytes() == b"ACK"));
        talk.invite.branch += "-done";
        talk
    }

    /// A request of A within the call.
    pub fn request_a(&self, method: &str, cseq: u32) -> Request {
        Request::new(method, PBX).with(|r| {
            r.to_tag = self.local_a.clone();
            r.cseq = cseq;
            r.call_id = self.invite.call_id.clone();
            r.branch = format!("z9hG4bK-{method}-{cseq}");
        })
    }
}

#[test]
fn a_basic_call_leaves_one_record_and_nothing_else() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let (gauges, ..) = edge.status();
    assert_eq!(gauges.calls, 1);
    assert_eq!(
        gauges.reserved.iter().filter(|(name, held)| name.starts_with("peer") && *held == 1).count(),
        2
    );
    edge.pass(Duration::from_secs(1));
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!(seen.statuses(PBX), [200]);
    let bye = seen.to(TRUNK).remove(0);
    assert_eq!(bye.method().as_bytes(), b"BYE");
    let mut records = seen.records;
    records.extend(edge.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK)).records);
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].status, records[0].legs.len()), (200, 2));
    let (gauges, ..) = edge.status();
    assert!(gauges.reserved.is_empty(), "{gauges:?}");
    let seen = edge.pass(Duration::from_secs(64));
    assert!(seen.records.is_empty() && seen.alerts.is_empty());
    edge.assert_empty();
}

#[test]
fn nothing_of_one_leg_shows_on_the_other() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = String::from_utf8(seen.to(TRUNK)[0].bytes().to_vec()).unwrap();
    for secret in ["10.0.0.2:5060", "10.0.0.1", "call-1@example.com", "from-1", "z9hG4bK-test-1"] {
        let head = leaving.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains(secret), "{secret} in\n{head}");
    }
}

#[test]
fn a_refusal_of_the_far_side_crosses_and_the_call_is_gone() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = seen.to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 486, "b-1", TRUNK));
    assert_eq!(seen.statuses(PBX), [486]);
    assert_eq!(seen.to(TRUNK)[0].method().as_bytes(), b"ACK");
    assert_eq!(seen.records.len(), 1);
    edge.pass(Duration::from_secs(70));
    edge.assert_empty();
}

#[test]
fn c8_the_cap_of_a_peer_is_exact_and_given_back() {
    let mut edge = Edge::under(plan(|plan| alter(plan, 0, |pbx| pbx.concurrent_calls_max = 2)));
    let invite = |nth: u32| {
        Request::new("INVITE", PBX).with(|r| {
            r.branch = format!("z9hG4bK-{nth}");
            r.call_id = format!("call-{nth}@example.com");
        })
    };
    for (nth, status) in [(1, 100), (2, 100), (3, 480)] {
        let seen = edge.hear(from(PBX), &invite(nth).text());
        assert_eq!(seen.statuses(PBX), [status], "call {nth}");
        if status == 480 {
            assert_eq!(seen.codes(), [10004]);
        }
    }
    let cancel = invite(1).with(|r| {
        r.method = "CANCEL".into();
        r.more = String::new();
        r.body = String::new();
    });
    edge.hear(from(PBX), &cancel.text());
    edge.pass(Duration::from_secs(1));
    let (gauges, ..) = edge.status();
    let held = gauges.reserved.iter().find(|(name, _)| name == "peer pbx").map(|(_, held)| *held);
    assert!(held <= Some(2), "{gauges:?}");
    edge.pass(Duration::from_secs(400));
    edge.assert_empty();
}

#[test]
fn the_edge_itself_takes_so_many_calls_and_no_more() {
    let mut settings = settings();
    settings.calls_max = 1;
    let mut edge = Edge::with(plan(|_| {}), settings);
    let talk = Talk::begin(&mut edge);
    let second = Request::new("INVITE", PBX).with(|r| {
        r.branch = "z9hG4bK-2".into();
        r.call_id = "second@example.com".into();
    });
    let seen = edge.hear(from(PBX), &second.text());
    assert_eq!((seen.statuses(PBX), seen.codes(), seen.records.len()), (vec![480], vec![39403, 10004], 1));
    assert_eq!(super::texts::header(&seen.to(PBX)[0], "Retry-After"), "10");
    assert_eq!(edge.hear(from(PBX), &talk.request_a("BYE", 2).text()).statuses(PBX), [200]);
}

#[test]
fn a_trunk_that_cannot_be_reached_ends_in_the_status_of_no_target() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let broken = |edge: &mut Edge, seen: &super::edge::Seen| {
        let hop = seen.sent.iter().find(|(hop, _)| hop.remote.to_string() == TRUNK).unwrap().0;
        edge.input(ringfence::engine::Input::Unsendable { hop })
    };
    let seen = broken(&mut edge, &seen);
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![], vec![32011]), "it has TCP as well");
    let seen = broken(&mut edge, &seen);
    assert_eq!(seen.statuses(PBX), [480]);
    assert!(seen.codes().contains(&32011), "{:?}", seen.codes());
    assert_eq!((seen.records.len(), seen.records[0].legs.len()), (1, 3));
    edge.pass(Duration::from_secs(70));
    edge.assert_empty();
}

fn requests(seen: &super::edge::Seen, method: &str) -> usize {
    seen.to(TRUNK).iter().filter(|message| message.method().as_bytes() == method.as_bytes()).count()
}

#[test]
fn a_late_copy_of_the_first_200_does_not_end_a_call_that_was_re_invited_since() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let again = talk.request_a("INVITE", 2).with(|r| {
        let first = Request::new("INVITE", PBX);
        (r.more, r.body) = (first.more, moved(1));
    });
    let leaving = edge.hear(from(PBX), &again.text()).to(TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "", TRUNK));
    assert_eq!(seen.statuses(PBX), [200]);
    edge.hear(from(PBX), &talk.request_a("ACK", 2).text());
    let seen = edge.hear(from(TRUNK), &answer(&talk.invite_b, 200, "b-1", TRUNK));
    assert_eq!(requests(&seen, "BYE"), 0, "{:?}", seen.sent);
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 3).text());
    assert_eq!((seen.statuses(PBX), requests(&seen, "BYE")), (vec![200], 1));
}

#[test]
fn d4_each_fork_that_answers_is_ended_once_and_a_flood_of_them_is_bounded() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    let fork = answer(&talk.invite_b, 200, "b-2", TRUNK);
    let first = edge.hear(from(TRUNK), &fork);
    assert_eq!((requests(&first, "ACK"), requests(&first, "BYE")), (1, 1));
    let copy = edge.hear(from(TRUNK), &fork);
    assert_eq!((requests(&copy, "ACK"), requests(&copy, "BYE")), (1, 0));
    let mut byes = 0;
    for nth in 0..200 {
        let flood = answer(&talk.invite_b, 200, &format!("flood-{nth}"), TRUNK);
        byes += requests(&edge.hear(from(TRUNK), &flood), "BYE");
    }
    assert_eq!(byes, 15, "sixteen with the first");
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!((seen.statuses(PBX), requests(&seen, "BYE")), (vec![200], 1), "the call itself stayed");
    edge.pass(Duration::from_secs(130));
    edge.assert_empty();
}

#[test]
fn a_target_that_was_given_up_and_never_answers_does_not_outlive_its_timer() {
    const SECOND: &str = "198.51.100.5:5062";
    let two = plan(|plan| {
        alter(plan, 1, |trunk| {
            trunk.targets.push(Aim::Address(SECOND.parse().unwrap()));
        });
    });
    let mut edge = Edge::under(two);
    edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = edge.pass(Duration::from_secs(5)).to(SECOND).remove(0);
    let seen = edge.hear(from(SECOND), &answer(&leaving, 200, "b-1", SECOND));
    let local_a = tag(seen.to(PBX)[0].to_tag());
    let within = |method: &str, cseq| {
        Request::new(method, PBX).with(|r| {
            r.to_tag = local_a.clone();
            r.cseq = cseq;
            r.branch = format!("z9hG4bK-{method}");
        })
    };
    edge.hear(from(PBX), &within("ACK", 1).text());
    edge.pass(Duration::from_secs(40));
    let bye = edge.hear(from(PBX), &within("BYE", 2).text()).to(SECOND).remove(0);
    edge.hear(from(SECOND), &answer(&bye, 200, "", SECOND));
    assert_eq!(edge.status().0.calls, 0, "the call goes with its last BYE");
}

#[test]
fn f9_a_clock_that_jumps_an_hour_changes_no_call_s_length() {
    for jump in [-3_600, 3_600] {
        let mut edge = Edge::new();
        let talk = Talk::begin(&mut edge);
        edge.set_clock(jump);
        edge.pass(Duration::from_secs(10));
        let mut seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
        let record = seen.records.remove(0);
        let micros = record.ended.micros() - record.answered.unwrap().micros();
        assert_eq!(micros, 10_000_000, "a jump of {jump} s");
    }
}
