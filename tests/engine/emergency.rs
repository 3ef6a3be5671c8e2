//! Emergency calls through the whole engine (law 3; row B12): recognised before anything may refuse them, tried at every trunk.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ringfence::config::plans::plans;
use ringfence::config::world;
use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::number::{Dialling, World};
use ringfence::policy::route::Pattern;
use ringfence::policy::rules::{Blocklist, ConcurrentCalls, Entry, MaxDuration, Rule};
use ringfence::policy::{PeerSide, Plan, Policy};

use super::edge::{Edge, OTHER, PBX, Seen, TRUNK, alter, at, from, peer, plan, settings};
use super::texts::{Request, answer, header};

/// Another trunk.
const SPARE: &str = "198.51.100.9:5060";

static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| world::built_in().unwrap());

pub fn dialling(peer: &str) -> Option<Arc<Dialling>> {
    let text = "plans:\n  us: { country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10], outside_line: \"9\" }\n";
    let plan = plans("plans.yaml", text, &WORLD).unwrap().remove("us").unwrap();
    Some(Arc::new(Dialling {
        name: "us".into(),
        path: format!("peers.{peer}.dial_plan").into(),
        plan: Arc::new(plan),
        world: Arc::clone(&WORLD),
    }))
}

/// Two trunks, a PBX with a dial plan, and every refusal that a policy can have.
fn strict(change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        plan.peers.push(Some(Arc::new(peer(3, "spare", PeerSide::Outside, 1, SPARE))));
        plan.sites[0].peers.push(ringfence::policy::PeerId(3));
        alter(plan, 0, |pbx| {
            pbx.dialling = dialling("pbx");
            pbx.requests_per_second_max = 1;
            pbx.requests_burst_max = 1;
            pbx.concurrent_calls_max = 1;
            pbx.plain_signalling = false;
        });
        for trunk in [1, 3] {
            alter(plan, trunk, |trunk| {
                trunk.concurrent_calls_max = 1;
                trunk.numbers.called = Form::E164;
                trunk.numbers.caller = Form::E164;
                trunk.pace.per_second = std::num::NonZeroU32::new(1);
                trunk.pace.queue_max = 0;
            });
        }
        plan.sites[0].channels = 1;
        plan.routes.clear();
        plan.rules.outbound = [
            Rule::Blocklist(Blocklist::new(["9"], []).unwrap()),
            Rule::ConcurrentCalls(ConcurrentCalls { calls_max: 0 }),
            Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(2) }),
        ]
        .into_iter()
        .map(|rule| Entry::enforced("policy.outbound[0]", rule))
        .collect();
        change(plan);
    })
}

fn invite(uri: &str, nth: u32) -> Request {
    Request::new("INVITE", PBX).with(|r| {
        r.uri = uri.to_owned();
        (r.call_id, r.branch) = (format!("call-{nth}@example.com"), format!("z9hG4bK-help-{nth}"));
    })
}

fn uri_to(seen: &Seen, trunk: &str) -> Vec<String> {
    let uri = |message: &ringfence::sip::Message| String::from_utf8_lossy(message.request_uri()).into_owned();
    let invites = seen.to(trunk).into_iter().filter(|message| message.method().as_bytes() == b"INVITE");
    invites.map(|message| uri(&message)).collect()
}

#[test]
fn b12_an_emergency_goes_through_whatever_the_policy_refuses() {
    let mut edge = Edge::with(strict(|_| {}), ringfence::engine::Settings { calls_max: 0, ..settings() });
    for (nth, uri) in [
        "sip:911@10.0.0.1",
        "sip:9911@10.0.0.1",
        "sip:9-1-1;cic=+1-6789@elsewhere.example",
        "tel:911;phone-context=unknown.domain",
        "sip:+1911@10.0.0.1",
        "urn:service:sos",
    ]
    .into_iter()
    .enumerate()
    {
        let seen = edge.hear(from(PBX), &invite(uri, u32::try_from(nth).unwrap()).text());
        let expected = if uri.starts_with("urn") { "urn:service:sos" } else { "sip:911@198.51.100.5:5060" };
        assert_eq!(uri_to(&seen, TRUNK), [expected], "{uri}: {:?} {:?}", seen.codes(), seen.statuses(PBX));
        // That the table of calls is full is told as well.
        let help: Vec<_> = seen.alerts.iter().filter(|alert| alert.code.number != 39403).collect();
        assert_eq!(help.iter().map(|alert| alert.code.number).collect::<Vec<_>>(), [39806], "{uri}");
        assert_eq!(help[0].peer.as_deref(), Some("pbx"));
    }
    // With digits behind it, it is no emergency.
    let other = edge.hear(from(PBX), &invite("sip:91100371@10.0.0.1", 90).text());
    assert!(other.to(TRUNK).is_empty() && !other.statuses(PBX).is_empty());
}

#[test]
fn b12_a_trunk_that_calls_such_a_number_calls_for_no_help() {
    let policy = strict(|plan| alter(plan, 1, |trunk| trunk.dialling = dialling("trunk")));
    let mut edge = Edge::under(policy);
    let knock = Request::new("INVITE", TRUNK).with(|r| r.uri = "sip:911@192.0.2.1".into());
    let seen = edge.hear(from(TRUNK), &knock.text());
    assert_eq!((seen.statuses(TRUNK), seen.codes()), (vec![404], vec![39208]));
    // And a PBX without a plan has none recognised.
    let plain = Request::new("INVITE", OTHER).with(|r| r.uri = "sip:911@10.0.0.1".into());
    assert_eq!(edge.hear(from(OTHER), &plain.text()).statuses(OTHER), [403]);
}

#[test]
fn every_trunk_is_tried_whatever_one_answers_even_after_it_rang() {
    for (said, rings) in [(403, false), (486, false), (404, true), (603, true), (503, false), (302, false)] {
        let mut edge = Edge::under(strict(|_| {}));
        let first = edge.hear(from(PBX), &invite("sip:911@10.0.0.1", 1).text()).to(TRUNK).remove(0);
        if rings {
            edge.hear(from(TRUNK), &answer(&first, 180, "b", TRUNK));
        }
        let seen = edge.hear(from(TRUNK), &answer(&first, said, "b", TRUNK));
        assert_eq!(uri_to(&seen, SPARE), ["sip:911@198.51.100.9:5060"], "{said}");
        let second = seen.to(SPARE).remove(0);
        let up = edge.hear(from(SPARE), &answer(&second, 200, "c", SPARE));
        assert_eq!(up.statuses(PBX), [200], "{said}");
        // No longest time ends it.
        assert!(
            edge.pass(Duration::from_secs(4))
                .to(SPARE)
                .iter()
                .all(|message| message.method().as_bytes() != b"BYE")
        );
    }
    // When the last one refuses, its answer is the caller's.
    let mut edge = Edge::under(strict(|_| {}));
    let first = edge.hear(from(PBX), &invite("sip:911@10.0.0.1", 1).text()).to(TRUNK).remove(0);
    let second = edge.hear(from(TRUNK), &answer(&first, 403, "b", TRUNK)).to(SPARE).remove(0);
    let refused = edge.hear(from(SPARE), &answer(&second, 486, "c", SPARE));
    assert_eq!(refused.statuses(PBX), [486]);
    let record = &refused.records[0];
    assert_eq!((&*record.to, record.legs.len()), ("911", 3));
    assert!(record.trail.iter().any(|step| &*step.rule == "peers.pbx.dial_plan"), "{:?}", record.trail);
    edge.pass(Duration::from_secs(64));
    edge.assert_empty();
}

#[test]
fn a_caller_who_gives_up_ends_it() {
    let mut edge = Edge::under(strict(|_| {}));
    let request = invite("sip:911@10.0.0.1", 1);
    let first = edge.hear(from(PBX), &request.text()).to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&first, 180, "b", TRUNK));
    let cancel =
        request.with(|r| (r.method, r.body, r.more) = ("CANCEL".into(), String::new(), String::new()));
    let seen = edge.hear(from(PBX), &cancel.text());
    assert_eq!(seen.statuses(PBX), [200, 487]);
    let after = edge.hear(from(TRUNK), &answer(&first, 487, "b", TRUNK));
    assert!(uri_to(&after, SPARE).is_empty());
}

#[test]
fn the_number_is_what_the_trunk_knows_and_the_caller_can_be_called_back() {
    let maps = |plan: &mut Plan| {
        alter(plan, 1, |trunk| {
            trunk.numbers.emergency = vec![("911".into(), "112".into()), ("sos".into(), "112".into())];
        });
    };
    #[rustfmt::skip]
    let table = [
        ("sip:911@10.0.0.1", "<sip:201@x>", None, "112", "<sip:12125550100@192.0.2.1>"),
        ("urn:service:sos.police", "<sip:+12125550142@x>", None, "112", "<sip:12125550142@192.0.2.1>"),
        ("sip:911@10.0.0.1", "<sip:anonymous@anonymous.invalid>", Some("+12125550150"), "112", "<sip:12125550150@192.0.2.1>"),
        ("sip:911@10.0.0.1", "<sip:x>", None, "112", "<sip:12125550100@192.0.2.1>"),
    ];
    for (uri, caller, stands_in, user, shown) in table {
        let policy = strict(|plan| {
            maps(plan);
            alter(plan, 1, |trunk| {
                trunk.numbers.substitute = stands_in.map(|number| Substitute::Number(number.into()));
            });
        });
        let text = invite(uri, 1)
            .text()
            .replace(&format!("From: <sip:+12125550100@{PBX}>"), &format!("From: {caller}"));
        let leaving = Edge::under(policy).hear(from(PBX), &text).to(TRUNK).remove(0);
        assert_eq!(header(&leaving, "To"), format!("<sip:{user}@198.51.100.5:5060>"), "{uri}");
        assert_eq!(header(&leaving, "From").split(";tag=").next(), Some(shown), "{uri} {caller}");
    }
}

#[test]
fn where_the_caller_is_passes_with_an_emergency_and_with_nothing_else() {
    let open = plan(|plan| alter(plan, 0, |pbx| pbx.dialling = dialling("pbx")));
    let located = |uri: &str| {
        invite(uri, 1)
            .with(|r| r.more += "Geolocation: <https://lis.example/201>\r\nGeolocation-Routing: yes\r\n")
            .text()
    };
    let help =
        Edge::under(Arc::clone(&open)).hear(from(PBX), &located("sip:911@10.0.0.1")).to(TRUNK).remove(0);
    assert_eq!(header(&help, "Geolocation"), "<https://lis.example/201>");
    assert_eq!(header(&help, "Geolocation-Routing"), "yes");
    let other = Edge::under(open).hear(from(PBX), &located("sip:+13125550199@10.0.0.1")).to(TRUNK).remove(0);
    assert_eq!(header(&other, "Geolocation"), "");
}

#[test]
fn a_channel_of_a_trunk_is_kept_for_it() {
    let policy = plan(|plan| {
        alter(plan, 0, |pbx| pbx.dialling = dialling("pbx"));
        alter(plan, 1, |trunk| trunk.concurrent_calls_max = 2);
        plan.routes[0].called = vec![Pattern::Any];
    });
    let mut edge = Edge::under(policy);
    assert_eq!(edge.hear(from(PBX), &invite("sip:+13125550199@10.0.0.1", 1).text()).to(TRUNK).len(), 1);
    let second = edge.hear(from(PBX), &invite("sip:+13125550199@10.0.0.1", 2).text());
    assert_eq!((second.statuses(PBX).last(), second.codes().last()), (Some(&480), Some(&10004)));
    assert_eq!(edge.hear(from(PBX), &invite("sip:911@10.0.0.1", 3).text()).to(TRUNK).len(), 1);
}

#[test]
fn a_trunk_that_is_down_is_tried_last_and_tried_all_the_same() {
    let mut edge = Edge::under(strict(|_| {}));
    let mut nth = 0;
    let mut help = |edge: &mut Edge| {
        nth += 1;
        edge.hear(from(PBX), &invite("sip:911@10.0.0.1", nth).text())
    };
    let first = help(&mut edge);
    assert_eq!(first.to(TRUNK).len(), 1);
    // Nothing is heard of either: both are tried, and the caller is told at last.
    let seen = edge.pass(Duration::from_secs(70));
    assert!(!uri_to(&seen, SPARE).is_empty());
    assert!(seen.statuses(PBX).iter().any(|status| *status >= 400), "{:?}", seen.statuses(PBX));
    let again = help(&mut edge);
    let rest = edge.pass(Duration::from_secs(10));
    assert!(!uri_to(&again, TRUNK).is_empty() || !uri_to(&rest, TRUNK).is_empty());
    assert!(!uri_to(&again, SPARE).is_empty() || !uri_to(&rest, SPARE).is_empty());
    let _ = at(SPARE);
}
