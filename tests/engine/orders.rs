//! Orders about the calls and sources of a running edge: calls listed and cut, sources banned, and what outlives a restart.

use std::sync::Arc;
use std::time::Duration;

use ringfence::engine::{CallState, Input, Order, Ordered, Query, Reply, Whom};
use ringfence::policy::peer::Onward;
use ringfence::policy::rules::{Blocklist, ConcurrentCalls, Entry, Rule};
use ringfence::policy::suspended::Strength;
use ringfence::policy::{Kept, OnReload, Plan, Policy, kept};

use super::edge::{Edge, PBX, STRANGER, TRUNK, alter, from};
use super::suspending::{dial, invite, order, suspend, under, up};
use super::targets::{invites, refusal};
use super::texts::{Request, answer};

const HOME: &str = "+13125550177";

fn calls(edge: &mut Edge) -> Vec<CallState> {
    let ordered = order(edge, Order::Calls).0;
    let Ordered::Calls { all, calls } = ordered else { panic!("{ordered:?}") };
    assert_eq!(all, calls.len());
    calls
}

/// How many calls an order ended, what it could not, and the alerts.
fn cut(edge: &mut Edge, ids: &[&str], all: bool) -> (usize, [usize; 3], Vec<u32>) {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    let (ordered, seen) = order(edge, Order::Cut { ids, all });
    let Ordered::Cut { cut, unknown, several, emergencies, .. } = ordered else { panic!("{ordered:?}") };
    assert_eq!(seen.records.len(), cut, "a record for each");
    assert!(seen.records.iter().all(|record| record.code == Some(39803)));
    (cut, [unknown.len(), several.len(), emergencies], seen.codes())
}

#[test]
fn calls_are_listed_and_those_that_are_named_end_on_both_legs() {
    let mut edge = Edge::under(under(|_| {}));
    up(&mut edge, HOME, "one");
    edge.pass(Duration::from_secs(5));
    let seen = edge.hear(from(PBX), &invite(PBX, &dial("+13125550178"), "two").text());
    let second = invites(&seen, TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&second, 180, "b", TRUNK));
    let listed = calls(&mut edge);
    let told: Vec<_> = listed
        .iter()
        .map(|call| (&*call.from, &*call.to, &*call.caller, &*call.callee, call.state, call.duration_s))
        .collect();
    assert_eq!(
        told,
        [
            ("+12125550100", HOME, "pbx", "trunk", "up", 5),
            ("+12125550100", "+13125550178", "pbx", "trunk", "ringing", 0)
        ]
    );
    let (first, second) = (&listed[0].id, &listed[1].id);
    assert_eq!(cut(&mut edge, &["abc", "zzzzzzzz"], false).1, [2, 0, 0]);
    assert_eq!(cut(&mut edge, &[first.get(..8).unwrap()], false), (1, [0; 3], vec![39803]));
    assert_eq!(calls(&mut edge).len(), 1);
    assert_eq!(cut(&mut edge, &[second, second], false).0, 1, "once");
    assert_eq!(calls(&mut edge), []);
    edge.pass(Duration::from_secs(200));
    edge.assert_empty();
}

#[test]
fn b12_a_call_for_help_ends_by_order_only_where_it_is_named_alone_and_whole() {
    let mut edge = Edge::under(under(|_| {}));
    up(&mut edge, HOME, "one");
    let seen = edge.hear(from(PBX), &invite(PBX, "sip:911@10.0.0.1", "help").text());
    let leaving = invites(&seen, TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "b", TRUNK));
    let listed = calls(&mut edge);
    let help = listed.iter().find(|call| call.emergency).unwrap().id.clone();
    let other = listed.iter().find(|call| !call.emergency).unwrap().id.clone();
    assert_eq!(cut(&mut edge, &[help.get(..8).unwrap()], false), (0, [0, 0, 1], vec![]));
    assert_eq!(cut(&mut edge, &[&help, &other], false), (1, [0, 0, 1], vec![39803]));
    assert_eq!(cut(&mut edge, &[], true), (0, [0, 0, 1], vec![]));
    assert_eq!(cut(&mut edge, &[&help], false).0, 1);
}

#[test]
fn a1_a_stranger_is_banned_by_order_and_a_listed_peer_never() {
    let mut edge = Edge::new();
    let ban =
        |network: &str| Order::Ban { network: network.parse().unwrap(), lasts: Duration::from_secs(3_600) };
    let (ordered, seen) = order(&mut edge, ban("203.0.113.0/24"));
    assert!(matches!(ordered, Ordered::Banned { .. }), "{ordered:?}");
    assert_eq!(seen.codes(), [39201]);
    let strangers = |edge: &mut Edge| edge.count("stranger_frames");
    edge.hear(from(STRANGER), &Request::new("OPTIONS", STRANGER).text());
    assert_eq!(strangers(&mut edge), 0, "nothing of it is looked at");
    assert!(!edge.meets(from(STRANGER)));
    let ordered = order(&mut edge, Order::Bans).0;
    let Ordered::Bans { all: 1, bans } = ordered else { panic!("{ordered:?}") };
    assert_eq!((&*bans[0].source, bans[0].left_s), ("203.0.113.0/24", 3_600));
    for listed in ["198.51.100.5/32", "198.51.100.0/24", "10.0.0.0/8", "0.0.0.0/0"] {
        let (ordered, seen) = order(&mut edge, ban(listed));
        let Ordered::Refused { why, known } = ordered else { panic!("{listed}: {ordered:?}") };
        assert!(why.contains("ringfence suspend --peer") && !known.is_empty(), "{why}");
        assert_eq!(seen.codes(), [] as [u32; 0]);
    }
    let unban =
        |edge: &mut Edge, network: &str| order(edge, Order::Unban { network: network.parse().unwrap() }).0;
    let within = unban(&mut edge, "203.0.113.66/32");
    assert!(matches!(&within, Ordered::Refused { known, .. } if known == &["203.0.113.0/24"]), "{within:?}");
    assert!(matches!(unban(&mut edge, "203.0.113.0/24"), Ordered::Unbanned { lifted: 1, .. }));
    edge.hear(from(STRANGER), &Request::new("OPTIONS", STRANGER).text());
    assert_eq!(strangers(&mut edge), 1);
    // It ends by itself, too.
    order(&mut edge, ban("203.0.113.66/32"));
    edge.pass(Duration::from_secs(3_601));
    assert!(matches!(unban(&mut edge, "203.0.113.66/32"), Ordered::Refused { .. }));
    // And there is an end to how many there may be.
    for n in 0..256 {
        order(&mut edge, ban(&format!("100.64.{n}.0/24")));
    }
    assert!(matches!(order(&mut edge, ban("100.65.0.0/24")).0, Ordered::Refused { .. }));
}

fn suspensions(edge: &mut Edge) -> Vec<String> {
    match edge.input(Input::Query { id: 4, query: Query::Status }).replies.pop() {
        Some(Reply::Status { suspensions, .. }) => {
            suspensions.into_iter().map(|one| format!("{} {} {}", one.kind, one.name, one.strength)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_suspended_outlives_a_restart_and_what_ended_meanwhile_does_not() {
    let mut edge = Edge::under(under(|_| {}));
    edge.input(Input::Recall(Vec::new()));
    let mut rows: Vec<Kept> = Vec::new();
    let keep = |rows: &mut Vec<Kept>, more: Vec<Kept>| {
        for row in more.into_iter().filter(|row| row.kind == kept::SUSPENSION) {
            rows.retain(|one| one.key != row.key);
            if row.value.is_some() {
                rows.push(row);
            }
        }
    };
    for (whom, lasts) in [
        (Whom::Peer("trunk".into()), None),
        (Whom::Destination("+900".into()), Some(60)),
        (Whom::Number("201".into()), Some(7_200)),
        (Whom::Site("office".into()), None),
    ] {
        keep(&mut rows, suspend(&mut edge, whom, Strength::All, lasts).1.kept);
    }
    let whom = Some(Whom::Site("office".into()));
    keep(&mut rows, order(&mut edge, Order::Resume { whom }).1.kept);
    assert!(rows.iter().all(|row| row.kind == kept::SUSPENSION));
    assert_eq!(rows.len(), 3);
    // The next process, ten minutes later.
    let mut next = Edge::under(under(|_| {}));
    next.set_clock(600);
    let seen = next.input(Input::Recall(rows.clone()));
    assert_eq!(seen.codes(), [39802], "one ended meanwhile");
    keep(&mut rows, seen.kept);
    assert_eq!(rows.len(), 2);
    assert_eq!(suspensions(&mut next), ["peer trunk all", "number 201 all"]);
    let seen = next.hear(from(PBX), &invite(PBX, &dial(HOME), "after").text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32200]));
    // What nobody can read suspends nothing, and breaks nothing.
    let odd = |key: &str, value: &str| Kept::row(kept::SUSPENSION, key, value);
    next.input(Input::Recall(vec![odd("peer", "{}"), odd("planet earth", "{}"), odd("peer pbx", "no")]));
    assert_eq!(suspensions(&mut next).len(), 2);
}

/// The same policy with a rule that no live call was judged by.
fn stricter(on_reload: OnReload, rule: Option<Rule>, change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    under(|plan| {
        plan.generation = 2;
        plan.on_reload = on_reload;
        plan.rules.outbound.extend(rule.map(|rule| Entry::enforced("policy.outbound[9]", rule)));
        change(plan);
    })
}

fn blocks(prefix: &str) -> Option<Rule> {
    Some(Rule::Blocklist(Blocklist::new([prefix], []).unwrap()))
}

#[test]
fn b12_live_calls_that_a_new_policy_forbids_end_at_once_where_it_judges_them_again() {
    for (on_reload, rule, ended) in [
        (OnReload::Keep, blocks("+1312"), vec![]),
        (OnReload::Rejudge, blocks("+1312"), vec![32203, 39803]),
        (OnReload::Rejudge, blocks("+1646"), vec![]),
        // A cap counts calls that begin: who is up is over none.
        (OnReload::Rejudge, Some(Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 1 })), vec![]),
    ] {
        let mut edge = Edge::under(under(|_| {}));
        up(&mut edge, HOME, "one");
        let help = invite(PBX, "sip:911@10.0.0.1", "help");
        edge.hear(from(PBX), &help.text());
        let seen = edge.input(Input::Reload(stricter(on_reload, rule.clone(), |_| {})));
        assert_eq!(seen.codes(), ended, "{on_reload:?} {rule:?}");
        let cut = ended.len() / 2;
        assert_eq!(seen.records.len(), cut);
        for record in &seen.records {
            assert_eq!((record.code, &*record.why), (Some(32203), "the policy forbids it now"));
        }
        for side in [PBX, TRUNK] {
            let byes = seen.to(side).into_iter().filter(|message| message.method().as_bytes() == b"BYE");
            assert_eq!(byes.count(), cut, "{side}");
        }
        let left = calls(&mut edge);
        assert_eq!(left.len(), 2 - cut);
        assert!(left.iter().any(|call| call.emergency), "help is left alone");
    }
}

#[test]
fn a_call_whose_peer_or_way_is_gone_ends_where_live_calls_are_judged_again() {
    let gone = |change: fn(&mut Plan)| {
        let mut edge = Edge::under(under(|_| {}));
        up(&mut edge, HOME, "one");
        let seen = edge.input(Input::Reload(stricter(OnReload::Rejudge, None, change)));
        (seen.codes(), calls(&mut edge).len())
    };
    assert_eq!(gone(|_| {}), (vec![], 1));
    assert_eq!(gone(|plan| plan.peers[0] = None).0, [32200, 39803]);
    assert_eq!(gone(|plan| plan.routes.clear()).0, [39208, 39803]);
    // A call that came in, and one that was sent on, are judged as they were.
    let mut edge = Edge::under(under(|_| {}));
    edge.hear(from(TRUNK), &Request::new("INVITE", TRUNK).text());
    let seen = edge.input(Input::Reload(stricter(OnReload::Rejudge, blocks("+1"), |_| {})));
    assert_eq!((seen.codes(), calls(&mut edge).len()), (vec![], 1), "an outbound rule is none of its");
    let redirects = |plan: &mut Plan| {
        for peer in [0, 1] {
            alter(plan, peer, |peer| peer.redirects = Onward::Perform);
        }
    };
    for (prefix, left) in [("+1646", 0), ("+1312", 1)] {
        let mut edge = Edge::under(under(redirects));
        let seen = edge.hear(from(TRUNK), &Request::new("INVITE", TRUNK).text());
        let leaving = invites(&seen, PBX).remove(0);
        let moved = refusal(&leaving, 302, "Contact: <sip:+16465550177@10.0.0.1>", PBX);
        let seen = edge.hear(from(PBX), &moved);
        assert_eq!(invites(&seen, TRUNK).len(), 1, "{:?}", seen.codes());
        edge.input(Input::Reload(stricter(OnReload::Rejudge, blocks(prefix), redirects)));
        assert_eq!(calls(&mut edge).len(), left, "{prefix}");
    }
}
