//! Orders that suspend something, through the whole engine (row B12): new calls are refused, live ones end as the strength says,
//! help is called all the same.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::{Input, Order, Ordered, Query, Reply, Whom};
use ringfence::policy::peer::Onward;
use ringfence::policy::rules::{Countries, Entry, NumberTypes, Rule};
use ringfence::policy::suspended::Strength;
use ringfence::policy::{Plan, Policy};
use ringfence::sip::Message;

use super::edge::{Edge, OTHER, PBX, Seen, TRUNK, alter, from, plan};
use super::emergency::dialling;
use super::targets::{invites, refusal};
use super::texts::{Request, answer, header, tag};

/// A number at home, and one where fraud goes.
const HOME: &str = "+13125550177";
const RISKY: &str = "+19005550177";

/// The PBX dials by a plan, and every destination is allowed.
pub fn under(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        alter(plan, 0, |pbx| pbx.dialling = dialling("pbx"));
        let prefixes = (1..=9).map(|digit| digit.to_string().into()).collect();
        let countries = Countries { prefixes, ..Countries::default() };
        let none = NumberTypes { refuse: Vec::new() };
        plan.rules.outbound.push(Entry::enforced("countries", Rule::Countries(countries)));
        plan.rules.outbound.push(Entry::enforced("types", Rule::NumberTypes(none)));
        change(plan);
    })
}

/// An INVITE of its own dialog.
pub fn invite(sender: &str, uri: &str, mark: &str) -> Request {
    Request::new("INVITE", sender).with(|r| {
        r.uri = uri.to_owned();
        (r.call_id, r.branch) = (format!("{mark}@example.com"), format!("z9hG4bK-{mark}"));
    })
}

pub fn dial(number: &str) -> String {
    format!("sip:{number}@10.0.0.1")
}

/// A call of the PBX that is answered; the INVITE that left.
pub fn up(edge: &mut Edge, number: &str, mark: &str) -> Message {
    let request = invite(PBX, &dial(number), mark);
    let seen = edge.hear(from(PBX), &request.text());
    let leaving = invites(&seen, TRUNK).remove(0);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 200, "b", TRUNK));
    let ok = seen.to(PBX).into_iter().find(|one| one.status() == Some(200)).unwrap();
    let ack = Request::new("ACK", PBX).with(|r| {
        (r.call_id, r.branch) = (request.call_id.clone(), format!("z9hG4bK-{mark}-ack"));
        r.to_tag = tag(ok.to_tag());
    });
    edge.hear(from(PBX), &ack.text());
    leaving
}

/// Gives an order; what came of it, and everything it brought about.
pub fn order(edge: &mut Edge, order: Order) -> (Ordered, Seen) {
    let mut seen = edge.input(Input::Query { id: 3, query: Query::Order(order) });
    match seen.replies.pop() {
        Some(Reply::Ordered(ordered)) => (ordered, seen),
        other => panic!("{other:?}"),
    }
}

pub fn suspend(edge: &mut Edge, whom: Whom, strength: Strength, lasts: Option<u64>) -> (usize, Seen) {
    let lasts = lasts.map(Duration::from_secs);
    let (ordered, seen) = order(edge, Order::Suspend { whom, strength, lasts, why: "a test".to_owned() });
    let Ordered::Suspended { calls_cut, .. } = ordered else { panic!("{ordered:?}") };
    (calls_cut, seen)
}

fn peer(name: &str) -> Whom {
    Whom::Peer(name.to_owned())
}

/// Help is called, whatever is suspended.
fn assert_help(edge: &mut Edge, mark: &str) {
    let seen = edge.hear(from(PBX), &invite(PBX, "sip:911@10.0.0.1", mark).text());
    let uris: Vec<String> = invites(&seen, TRUNK)
        .iter()
        .map(|message| String::from_utf8_lossy(message.request_uri()).into_owned())
        .collect();
    assert_eq!(uris, ["sip:911@198.51.100.5:5060"], "{mark}");
    assert!(seen.codes().contains(&39806), "{mark}");
}

/// The statuses that a new call to a number hears at once.
fn tried(edge: &mut Edge, number: &str, mark: &str) -> (Vec<u16>, Vec<u32>) {
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(number), mark).text());
    (seen.statuses(PBX), seen.codes())
}

fn byes(seen: &Seen, to: &str) -> Vec<Message> {
    seen.to(to).into_iter().filter(|message| message.method().as_bytes() == b"BYE").collect()
}

#[test]
fn b12_new_calls_are_refused_until_it_is_resumed_and_help_is_called_all_the_same() {
    for (n, whom) in [
        Whom::Site("office".into()),
        peer("pbx"),
        peer("trunk"),
        Whom::Destination("+1312".into()),
        Whom::Destination("us".into()),
        Whom::Number("+12125550100".into()),
        Whom::Number(HOME.into()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut edge = Edge::under(under(|_| {}));
        let live = up(&mut edge, HOME, &format!("live-{n}"));
        let (cut, seen) = suspend(&mut edge, whom.clone(), Strength::New, None);
        assert_eq!((cut, seen.codes()), (0, vec![39801]), "{whom:?}");
        let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "refused").text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32200]), "{whom:?}");
        let trail = &seen.records[0].trail;
        assert!(trail.iter().any(|step| &*step.rule == "suspensions"), "{whom:?}: {trail:?}");
        assert_eq!(seen.records[0].code, Some(32200));
        assert!(header(&seen.to(PBX)[0], "Reason").contains("insufficient_permissions"), "{whom:?}");
        assert_help(&mut edge, "help");
        let (resumed, seen) = order(&mut edge, Order::Resume { whom: Some(whom.clone()) });
        assert!(matches!(&resumed, Ordered::Resumed { lifted } if lifted.len() == 1), "{resumed:?}");
        assert_eq!(seen.codes(), [39802], "{whom:?}");
        assert_eq!(tried(&mut edge, HOME, "again"), (vec![100], vec![]), "{whom:?}");
        // The call that was up has gone on all the while.
        assert!(live.body().len() > 1);
        let (gauges, ..) = edge.status();
        assert_eq!(gauges.calls, 3, "{whom:?}");
    }
}

#[test]
fn what_comes_in_and_texts_and_what_is_sent_on_fall_under_it_too() {
    // In from the trunk: by the DID, by the PBX that is called, by the trunk.
    for whom in [Whom::Number("+12125550100".into()), peer("pbx"), peer("trunk")] {
        let mut edge = Edge::under(under(|_| {}));
        suspend(&mut edge, whom.clone(), Strength::New, None);
        let seen = edge.hear(from(TRUNK), &Request::new("INVITE", TRUNK).text());
        assert_eq!((seen.statuses(TRUNK), seen.codes()), (vec![403], vec![32200]), "{whom:?}");
        // A trunk hears no reason: it would carry our policy.
        assert!(!String::from_utf8_lossy(seen.to(TRUNK)[0].bytes()).contains("suspend"), "{whom:?}");
    }
    // A text.
    let mut edge = Edge::under(under(|_| {}));
    suspend(&mut edge, peer("other"), Strength::New, None);
    let seen = edge.hear(from(OTHER), &Request::new("MESSAGE", OTHER).text());
    assert_eq!((seen.statuses(OTHER), seen.codes()), (vec![403], vec![32200]));
    // A redirect to where nobody may call.
    let mut edge = Edge::under(under(|plan| {
        for peer in [0, 1] {
            alter(plan, peer, |peer| peer.redirects = Onward::Perform);
        }
    }));
    suspend(&mut edge, Whom::Destination("+1646".into()), Strength::New, None);
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "sent-on").text());
    let leaving = invites(&seen, TRUNK).remove(0);
    let moved = refusal(&leaving, 302, "Contact: <sip:+16465550177@192.0.2.1>", TRUNK);
    let seen = edge.hear(from(TRUNK), &moved);
    assert!(invites(&seen, TRUNK).is_empty());
    assert_eq!(seen.codes(), [32219]);
}

#[test]
fn b12_live_calls_of_high_risk_end_and_the_others_go_on() {
    let mut edge = Edge::under(under(|_| {}));
    up(&mut edge, HOME, "home");
    up(&mut edge, RISKY, "risky");
    assert_help(&mut edge, "help");
    let (cut, seen) = suspend(&mut edge, peer("pbx"), Strength::HighRisk, None);
    assert_eq!(cut, 1);
    assert_eq!(seen.codes(), [39801, 39803]);
    assert_eq!((byes(&seen, PBX).len(), byes(&seen, TRUNK).len()), (1, 1));
    for bye in byes(&seen, PBX).iter().chain(&byes(&seen, TRUNK)) {
        assert!(header(bye, "Reason").contains("suspended by order"), "{}", header(bye, "Reason"));
    }
    let record = &seen.records[0];
    assert_eq!((record.code, &*record.to, &*record.why), (Some(32200), RISKY, "suspended by order"));
    // Then all of them, but for the one that calls for help.
    let (cut, seen) = suspend(&mut edge, peer("pbx"), Strength::All, None);
    assert_eq!((cut, seen.records.len()), (1, 1));
    let (gauges, ..) = edge.status();
    assert!(gauges.calls >= 1);
    assert_eq!(
        suspend(&mut edge, Whom::Site("office".into()), Strength::All, None).0,
        0,
        "help is left alone"
    );
    assert_help(&mut edge, "help-2");
}

#[test]
fn a_call_that_rings_is_taken_back_and_its_caller_takes_no_other_way_out() {
    let mut edge = Edge::under(under(|plan| {
        alter(plan, 0, |pbx| pbx.refusal = ringfence::policy::Presets::named("3cx").unwrap());
    }));
    let seen = edge.hear(from(PBX), &invite(PBX, &dial(HOME), "rings").text());
    let leaving = invites(&seen, TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "b", TRUNK));
    let (cut, seen) = suspend(&mut edge, Whom::Destination("+1".into()), Strength::All, None);
    assert_eq!(cut, 1);
    assert_eq!(seen.statuses(PBX), [486]);
    assert!(seen.to(TRUNK).iter().any(|message| message.method().as_bytes() == b"CANCEL"));
    assert_eq!((seen.records[0].code, seen.records[0].status), (Some(32200), 486));
    edge.pass(Duration::from_secs(200));
    edge.assert_empty();
}

#[test]
fn an_order_ends_when_its_time_is_over_also_where_the_clock_is_set() {
    let mut edge = Edge::under(under(|_| {}));
    suspend(&mut edge, peer("pbx"), Strength::New, Some(7_200));
    assert_eq!(edge.pass(Duration::from_secs(7_190)).codes(), [] as [u32; 0]);
    assert_eq!(tried(&mut edge, HOME, "early"), (vec![403], vec![32200]));
    assert_eq!(edge.pass(Duration::from_secs(15)).codes(), [39802]);
    assert_eq!(tried(&mut edge, HOME, "late"), (vec![100], vec![]));
    // A clock that is set forward ends it within a minute, and for calls at once.
    suspend(&mut edge, peer("pbx"), Strength::New, Some(7_200));
    edge.set_clock(7_200);
    assert_eq!(tried(&mut edge, HOME, "set"), (vec![100], vec![]));
    assert!(edge.pass(Duration::from_secs(61)).codes().contains(&39802));
}

#[test]
fn what_the_policy_does_not_name_is_refused_with_what_it_does() {
    let mut edge = Edge::under(under(|_| {}));
    let asked = |whom| Order::Suspend { whom, strength: Strength::All, lasts: None, why: String::new() };
    let (ordered, seen) = order(&mut edge, asked(peer("Trunk")));
    let Ordered::Refused { why, known } = ordered else { panic!("{ordered:?}") };
    assert_eq!((known, seen.codes()), (vec!["other".to_owned(), "pbx".into(), "trunk".into()], vec![]));
    assert!(why.contains("\"Trunk\""), "{why}");
    let (ordered, _) = order(&mut edge, Order::Resume { whom: Some(peer("trunk")) });
    assert!(matches!(ordered, Ordered::Refused { .. }), "{ordered:?}");
    let (ordered, _) = order(&mut edge, Order::Resume { whom: None });
    assert_eq!(ordered, Ordered::Resumed { lifted: vec![] });
}
