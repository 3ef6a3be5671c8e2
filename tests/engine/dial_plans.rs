//! Numbers read under the dial plan of who dialled them, through the whole engine: rows B1 to B7, B10 and B13 of the attacks.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use ringfence::config::plans::plans;
use ringfence::config::world;
use ringfence::policy::number::{DialPlan, Dialling, World};
use ringfence::policy::route::Pattern;
use ringfence::policy::rules::{Blocklist, Countries, Entry, NumberTypes, Rule};
use ringfence::policy::{Plan, Policy};

use super::edge::{Edge, OTHER, PBX, Seen, TRUNK, alter, from, plan};
use super::texts::{Request, answer, header};

static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| world::built_in().unwrap());

static PLANS: LazyLock<BTreeMap<Box<str>, Arc<DialPlan>>> = LazyLock::new(|| {
    let text = std::fs::read_to_string("tests/numbers/dial_plans.yaml").unwrap();
    let plans = plans("dial_plans.yaml", &text, &WORLD).unwrap();
    plans.into_iter().map(|(name, plan)| (name, Arc::new(plan))).collect()
});

fn dialling(peer: &str, name: &str) -> Option<Arc<Dialling>> {
    Some(Arc::new(Dialling {
        name: name.into(),
        path: format!("peers.{peer}.dial_plan").into(),
        plan: Arc::clone(PLANS.get(name).unwrap()),
        world: Arc::clone(&WORLD),
    }))
}

/// Gives the PBX a dial plan; every destination is allowed.
pub fn dials_by(plan: &mut Plan, name: &str) {
    alter(plan, 0, |pbx| pbx.dialling = dialling("pbx", name));
    everywhere(plan);
}

/// Lets calls go wherever there is a country: what these tests ask is how numbers are read.
fn everywhere(plan: &mut Plan) {
    let prefixes = (1..=9).map(|digit| digit.to_string().into()).collect();
    let countries = Countries { prefixes, ..Countries::default() };
    let none = NumberTypes { refuse: Vec::new() };
    plan.rules.outbound.push(Entry::enforced("countries", Rule::Countries(countries)));
    plan.rules.outbound.push(Entry::enforced("types", Rule::NumberTypes(none)));
}

fn under(name: &str) -> Arc<Policy> {
    plan(|plan| dials_by(plan, name))
}

fn invite(uri: &str) -> String {
    Request::new("INVITE", PBX).with(|r| r.uri = uri.to_owned()).text()
}

/// What a PBX of this plan dials, and what came of it.
fn dial(policy: &Arc<Policy>, uri: &str) -> Seen {
    Edge::under(Arc::clone(policy)).hear(from(PBX), &invite(uri))
}

/// The user part that leaves towards the trunk.
fn leaving(seen: &Seen) -> Option<String> {
    let message = seen.to(TRUNK).into_iter().next()?;
    let line = String::from_utf8_lossy(message.request_uri()).into_owned();
    let user = line.strip_prefix("sip:")?.split('@').next()?.to_owned();
    assert_eq!(header(&message, "To"), format!("<sip:{user}@198.51.100.5:5060>"));
    Some(user)
}

#[test]
fn b2_b3_b4_every_way_to_dial_one_number_leaves_as_that_number() {
    #[rustfmt::skip]
    let table = [
        ("us_direct", "sip:+37127913000@10.0.0.1", "+37127913000"),
        ("us_direct", "sip:01137127913000@10.0.0.1", "+37127913000"),
        ("gb_direct", "sip:0037127913000@10.0.0.1", "+37127913000"),
        ("gb_nine", "sip:90037127913000@10.0.0.1", "+37127913000"),
        ("us_direct", "sip:%2B37127913000@10.0.0.1", "+37127913000"),
        ("us_direct", "sip:%2b371%32%37913000@10.0.0.1;user=phone", "+37127913000"),
        ("us_direct", "sip:+371-(279).13-000@10.0.0.1", "+37127913000"),
        ("us_direct", "tel:+371-279.130-00", "+37127913000"),
        ("us_direct", "tel:27913000;phone-context=+371", "+37127913000"),
        ("us_direct", "sip:27913000;phone-context=+371@10.0.0.1;user=phone", "+37127913000"),
        ("us_direct", "sip:5550100@10.0.0.1", "+12125550100"),
        ("us_tech", "sip:7788%2301137127913000@10.0.0.1", "+37127913000"),
        ("us_direct", "sip:311@10.0.0.1", "311"),
    ];
    for (name, uri, number) in table {
        let seen = dial(&under(name), uri);
        assert_eq!(leaving(&seen).as_deref(), Some(number), "{name} {uri}: {:?}", seen.codes());
        let text = String::from_utf8_lossy(seen.to(TRUNK)[0].bytes()).into_owned();
        assert!(!text.contains("phone-context") && !text.contains("user=phone"), "{text}");
    }
}

#[test]
fn b1_a_blocked_number_is_refused_however_it_is_dialled() {
    let blocks = |plan: &mut Plan| {
        let list = Blocklist::new(["+371"], []).unwrap();
        plan.rules.outbound.push(Entry::enforced("policy.outbound[0].blocklist", Rule::Blocklist(list)));
    };
    for (name, uri) in [
        ("us_direct", "sip:+37127913000@10.0.0.1"),
        ("us_direct", "sip:01137127913000@10.0.0.1"),
        ("us_direct", "sip:%2B37127913000@10.0.0.1"),
        ("us_direct", "tel:27913000;phone-context=+371"),
        ("gb_direct", "sip:00%20371%20279%2013000@10.0.0.1"),
    ] {
        let policy = plan(|plan| {
            dials_by(plan, name);
            blocks(plan);
        });
        let seen = dial(&policy, uri);
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32203]), "{uri}");
        assert_eq!(seen.records[0].to, "+37127913000");
        assert!(seen.to(TRUNK).is_empty());
    }
}

#[test]
fn b3_b5_b6_b7_b10_what_is_not_read_with_certainty_is_refused_with_its_cause() {
    #[rustfmt::skip]
    let table = [
        ("us_direct", "sip:%252B18095551234@10.0.0.1", 403, 39206, "double_encoding"),
        ("us_direct", "sip:1212555%000100@10.0.0.1", 403, 39206, "control_char"),
        ("us_direct", "sip:1212555%E2%80%8B0100@10.0.0.1", 403, 39206, "non_ascii"),
        ("us_direct", "sip:+12125550100;rn=+18095551234;npdi@10.0.0.1", 403, 39206, "routing_param"),
        ("us_direct", "tel:+12125550100;tgrp=x;trunk-context=y", 403, 39206, "routing_param"),
        ("us_direct", "sip:+12125550100;isub=1;isub=2@10.0.0.1", 403, 39206, "repeated_param"),
        ("us_direct", "sip:12125550100:secret@10.0.0.1", 403, 39206, "password"),
        ("us_direct", "sip:1900FLOWERS@10.0.0.1", 484, 32101, "letters"),
        ("us_direct", "sip:12125550100,,123@10.0.0.1", 484, 32101, "bad_char"),
        ("us_direct", "sip:*7218095551234@10.0.0.1", 484, 32101, "feature_code"),
        ("us_direct", "sip:1809@10.0.0.1", 484, 32101, "no_match"),
        ("us_direct", "sip:9112025550100@10.0.0.1", 484, 32101, "no_match"),
        ("us_direct", "sip:+1809555123499@10.0.0.1", 484, 32101, "nsn_length"),
        ("us_direct", "sip:+4420794600001234567890@10.0.0.1", 404, 32101, "too_long"),
        ("us_direct", "sip:+2105551234567@10.0.0.1", 404, 32101, "unassigned_cc"),
        ("us_direct", "tel:5550100;phone-context=evil.example", 484, 32101, "unknown_context"),
        ("gb_direct", "sip:+4402079460000@10.0.0.1", 484, 32101, "nsn_zero"),
        ("us_direct", "http://10.0.0.1/", 416, 32101, "scheme"),
        ("us_direct", "sip:10.0.0.1", 484, 32101, "no_user"),
    ];
    for (name, uri, status, code, word) in table {
        let seen = dial(&under(name), uri);
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![status], vec![code]), "{uri}");
        let alert = &seen.alerts[0];
        assert_eq!(alert.rule.as_deref(), Some("peers.pbx.dial_plan"), "{uri}");
        assert!(alert.text.contains(&format!("({word})")) && alert.text.ends_with('.'), "{}", alert.text);
        let steps: Vec<String> =
            seen.records[0].trail.iter().map(|step| format!("{} {}", step.rule, step.said.name())).collect();
        assert_eq!(steps.last().map(String::as_str), Some("peers.pbx.dial_plan refuse"), "{steps:?}");
        assert_eq!(seen.records[0].code, Some(code));
        assert!(seen.to(TRUNK).is_empty());
    }
    let policy = plan(|plan| {
        dials_by(plan, "us_direct");
        alter(plan, 0, |pbx| pbx.refusal = ringfence::policy::Presets::named("3cx").unwrap());
    });
    assert_eq!(dial(&policy, "sip:+2105551234567@10.0.0.1").statuses(PBX), [486], "as its preset says");
}

#[test]
fn b13_digits_that_come_later_are_judged_as_a_call_of_their_own() {
    let mut edge = Edge::under(under("us_direct"));
    let early = Request::new("INVITE", PBX).with(|r| r.uri = "sip:+1212@10.0.0.1".into());
    assert_eq!(edge.hear(from(PBX), &early.text()).statuses(PBX), [484]);
    let whole = Request::new("INVITE", PBX).with(|r| {
        r.uri = "sip:+12125550100@10.0.0.1".into();
        (r.call_id, r.branch) = ("call-2@example.com".into(), "z9hG4bK-test-2".into());
    });
    assert_eq!(edge.hear(from(PBX), &whole.text()).to(TRUNK).len(), 1);
}

#[test]
fn a_prefix_that_hides_the_caller_hides_it_from_the_trunk() {
    let policy = under("jp_direct");
    let seen = dial(&policy, "sip:1840312345678@10.0.0.1");
    assert_eq!(leaving(&seen).as_deref(), Some("+81312345678"));
    let message = seen.to(TRUNK).remove(0);
    assert!(header(&message, "From").starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>"));
    assert_eq!(header(&message, "Privacy"), "id");
    let open = dial(&policy, "sip:1860312345678@10.0.0.1").to(TRUNK).remove(0);
    assert!(header(&open, "From").starts_with("<sip:+12125550100@"), "{}", header(&open, "From"));
}

#[test]
fn a_message_is_read_alike_and_a_trunk_may_have_a_plan_too() {
    let policy = plan(|plan| {
        alter(plan, 2, |other| other.dialling = dialling("other", "us_direct"));
        alter(plan, 1, |trunk| trunk.dialling = dialling("trunk", "us_direct"));
        everywhere(plan);
    });
    let mut edge = Edge::under(Arc::clone(&policy));
    let text = |uri: &str| Request::new("MESSAGE", OTHER).with(|r| r.uri = uri.into()).text();
    let seen = edge.hear(from(OTHER), &text("sip:8095551234;isub=1@10.0.0.1"));
    assert_eq!(leaving(&seen).as_deref(), Some("+18095551234"));
    let refused = Edge::under(Arc::clone(&policy)).hear(from(OTHER), &text("sip:1809@10.0.0.1"));
    assert_eq!((refused.statuses(OTHER), refused.codes()), (vec![484], vec![32101]));
    // The trunk delivers the site's number without its +.
    let inbound = Request::new("INVITE", TRUNK).with(|r| r.uri = "sip:12125550100@192.0.2.1".into());
    let seen = Edge::under(policy).hear(from(TRUNK), &inbound.text());
    assert_eq!(seen.to(PBX)[0].request_uri(), b"sip:+12125550100@10.0.0.2:5060");
}

#[test]
fn a_name_that_the_plan_lists_goes_where_a_route_leads_it() {
    let policy = plan(|plan| {
        let mut own = DialPlan::clone(PLANS.get("us_direct").unwrap());
        own.names = vec!["service".into(), "201".into()];
        let read =
            Dialling { plan: Arc::new(own), ..Dialling::clone(&dialling("pbx", "us_direct").unwrap()) };
        alter(plan, 0, |pbx| pbx.dialling = Some(Arc::new(read)));
        let mut internal = plan.routes[0].clone();
        internal.called = vec![Pattern::Exact("201".into())];
        internal.direction = Some(ringfence::policy::Direction::Internal);
        internal.to[0].peer = ringfence::policy::PeerId(2);
        plan.routes.insert(0, internal);
    });
    assert_eq!(leaving(&dial(&policy, "sip:service@10.0.0.1")).as_deref(), Some("service"));
    assert_eq!(dial(&policy, "sip:201@10.0.0.1").to(OTHER).len(), 1);
    assert_eq!(dial(&policy, "sip:alice@10.0.0.1").codes(), [32101]);
}

#[test]
fn what_is_read_names_the_call_in_its_record() {
    let mut edge = Edge::under(under("us_direct"));
    let seen = edge.hear(from(PBX), &invite("sip:01137127913000@10.0.0.1"));
    let leaving = seen.to(TRUNK).remove(0);
    let records = edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK)).records;
    assert_eq!(records[0].to, "+37127913000");
}

#[test]
fn b9_the_number_that_leaves_is_judged_whatever_to_and_p_called_party_id_name() {
    const SAFE: &str = "+13125550177";
    const PREMIUM: &str = "+19005550177";
    let party = |number: &str| format!("P-Called-Party-ID: <sip:{number}@10.0.0.1>\r\n");
    #[rustfmt::skip]
    let table = [
        (SAFE, SAFE, String::new(), vec![]),
        (SAFE, PREMIUM, String::new(), vec![39205]),
        (SAFE, SAFE, party(PREMIUM), vec![39205]),
        (PREMIUM, SAFE, String::new(), vec![39205, 32203]),
        (PREMIUM, SAFE, party(SAFE), vec![39205, 32203]),
        // The same number as another machine writes it, and what is no whole number.
        (SAFE, "13125550177", party("%2B13125550177"), vec![]),
        (SAFE, "201", party("reception"), vec![]),
    ];
    for (called, to, more, codes) in table {
        let mut edge = Edge::under(plan(|plan| {
            dials_by(plan, "us_direct");
            let premium = Blocklist::new(["+1900"], []).unwrap();
            plan.rules.outbound.push(Entry::enforced("premium", Rule::Blocklist(premium)));
        }));
        let text = Request::new("INVITE", PBX).with(|r| r.uri = format!("sip:{called}@10.0.0.1")).text();
        let text = text.replace(&format!("To: <sip:{called}@"), &format!("To: <sip:{to}@"));
        let seen = edge.hear(from(PBX), &text.replace("CSeq:", &format!("{more}CSeq:")));
        assert_eq!(seen.codes(), codes, "{called} {to} {more}");
        let leaves = seen.to(TRUNK);
        assert_eq!(leaves.len(), usize::from(called == SAFE), "{called} {to} {more}");
        for invite in leaves {
            assert!(header(&invite, "To").contains(SAFE));
            assert!(!String::from_utf8_lossy(invite.bytes()).contains("1900"));
        }
    }
}
