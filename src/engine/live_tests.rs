//! Bugs planted in calls: one call ends, the others live, nothing stays behind.

use std::time::Duration;

use super::Entry;
use crate::engine::Input;
use crate::media::order::{MediaLeg, News, Order, Spot};
use crate::policy::media::{Place, SiteMedia};

#[path = "../../tests/engine/edge.rs"]
#[allow(dead_code, reason = "shared with the tests beside the crate")]
mod edge;
#[path = "../../tests/engine/texts.rs"]
#[allow(dead_code, reason = "shared with the tests beside the crate")]
mod texts;

use edge::{Edge, PBX, TRUNK, from, plan};
use texts::{Request, answer};

fn invite(nth: u32) -> Request {
    Request::new("INVITE", PBX).with(|r| {
        r.branch = format!("z9hG4bK-{nth}");
        r.call_id = format!("call-{nth}@example.com");
    })
}

/// Plants so many panics in the call that was born last.
fn plant(edge: &mut Edge, panics: u8) {
    let key = edge.engine.calls.keys().into_iter().max_by_key(|key| key.generation).unwrap();
    let entry: &mut Entry = edge.engine.calls.at(key).unwrap();
    entry.planted = panics;
}

#[test]
fn a_bug_in_one_call_ends_that_call_on_both_legs_and_no_other() {
    let mut edge = Edge::new();
    edge.hear(from(PBX), &invite(1).text());
    let seen = edge.hear(from(PBX), &invite(2).text());
    let leaving = seen.to(TRUNK).remove(0);
    plant(&mut edge, 1);
    let seen = edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
    assert_eq!(seen.records.len(), 1, "one record");
    assert_eq!(seen.codes(), [39803]);
    assert_eq!(seen.statuses(PBX), [180, 500], "the caller is told");
    assert!(seen.to(TRUNK).iter().any(|m| m.method().as_bytes() == b"CANCEL"), "the callee is told");
    assert_eq!(edge.count("bugs"), 1);
    let cancel = seen.to(TRUNK).into_iter().find(|m| m.method().as_bytes() == b"CANCEL").unwrap();
    edge.hear(from(TRUNK), &answer(&cancel, 200, "b-1", TRUNK));
    edge.hear(from(TRUNK), &answer(&leaving, 487, "b-1", TRUNK));
    edge.pass(Duration::from_secs(1));
    assert_eq!(edge.status().0.calls, 1, "the other call lives");
    edge.pass(Duration::from_secs(600));
    edge.assert_empty();
}

#[test]
fn a_call_whose_end_has_a_bug_too_is_taken_out_with_all_it_held() {
    for panics in 2..=4 {
        let mut edge = Edge::new();
        let seen = edge.hear(from(PBX), &invite(1).text());
        let leaving = seen.to(TRUNK).remove(0);
        plant(&mut edge, panics);
        edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
        let (gauges, ..) = edge.status();
        assert_eq!((gauges.calls, gauges.dialogs, gauges.reserved.len()), (0, 0, 0), "{gauges:?}");
        edge.pass(Duration::from_secs(600));
        edge.assert_empty();
        assert_eq!(edge.hear(from(PBX), &invite(2).text()).statuses(PBX), [100], "and the edge goes on");
    }
}

fn media() -> SiteMedia {
    let place = |address: &str| {
        let address = address.parse().unwrap();
        Place { address, advertise: address, ports: 20_000..=20_003 }
    };
    SiteMedia {
        inside: place("10.0.0.1"),
        outside: place("192.0.2.1"),
        rest: Duration::ZERO,
        loopback: false,
    }
}

#[test]
fn a_call_with_a_bug_leaves_no_port_of_its_media_out() {
    let mut edge = Edge::under(plan(|plan| plan.media = Some(media())));
    edge.engine.planted = 1;
    let seen = edge.hear(from(PBX), &invite(1).text());
    assert!(seen.to(TRUNK).is_empty() && seen.media.is_empty(), "{seen:?}");
    assert_eq!((edge.count("bugs"), edge.engine.media_ports_out()), (1, 0), "before it was born");
    for panics in 1..=4 {
        let mut edge = Edge::under(plan(|plan| plan.media = Some(media())));
        let seen = edge.hear(from(PBX), &invite(1).text());
        let leaving = seen.to(TRUNK).remove(0);
        assert_eq!(edge.engine.media_ports_out(), 4);
        plant(&mut edge, panics);
        let seen = edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
        assert_eq!(edge.engine.media_ports_out(), 0, "{panics} panics");
        assert!(
            matches!(seen.media.last(), Some(crate::media::order::Order::Close { .. })),
            "{:?}",
            seen.media
        );
    }
}

#[test]
fn a_bug_that_news_of_media_wakes_ends_that_call_alone() {
    let mut edge = Edge::under(plan(|plan| plan.media = Some(media())));
    let seen = edge.hear(from(PBX), &invite(1).text());
    let opened = seen.media.iter().find_map(|order| match order {
        Order::Open { spot, .. } => Some(spot.media),
        Order::Set { .. } | Order::Shut { .. } | Order::Close { .. } => None,
    });
    let spot = Spot { media: opened.expect("it is anchored"), leg: MediaLeg::A, stream: 0 };
    plant(&mut edge, 1);
    let seen = edge.input(Input::Media(News::Exhausted { spot }));
    assert_eq!((seen.codes(), seen.records.len()), (vec![39803], 1));
    assert_eq!((edge.count("bugs"), edge.engine.media_ports_out()), (1, 0));
    edge.pass(Duration::from_secs(600));
    edge.assert_empty();
    assert_eq!(edge.hear(from(PBX), &invite(2).text()).statuses(PBX), [100], "and the edge goes on");
}
