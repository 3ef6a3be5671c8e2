//! Numbers written as each peer wants them, through the whole engine.

use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::route::{Pattern, RouteTarget};
use ringfence::policy::{Numbers, PeerId, Policy};
use std::sync::Arc;

use super::edge::{Edge, OTHER, PBX, TRUNK, alter, from, plan};
use super::texts::{Request, answer, header};

fn national() -> Form {
    Form::National { country: "1".into(), prefix: "1".into(), international: "011".into() }
}

/// The trunk wants these numbers; short codes 112 and 1234567 are named by a route.
fn trunk_wants(numbers: Numbers) -> Arc<Policy> {
    plan(|plan| {
        let mut short = plan.routes[0].clone();
        short.called = vec![Pattern::List(["112".into(), "1234567".into(), "service".into()].into())];
        plan.routes.insert(0, short);
        alter(plan, 1, |trunk| trunk.numbers = numbers);
    })
}

/// An INVITE of the PBX: who calls whom.
fn invite(caller: &str, called: &str) -> String {
    let text = Request::new("INVITE", PBX).with(|r| r.uri = format!("sip:{called}@10.0.0.1")).text();
    text.replace(&format!("From: <sip:+12125550100@{PBX}>"), &format!("From: {caller}"))
}

#[test]
fn both_numbers_leave_as_the_trunk_wants_them() {
    let main = Some(Substitute::Number("+12125550199".into()));
    let hide = Some(Substitute::Anonymous);
    let forms = |called: Form, caller: Form, substitute: &Option<Substitute>| Numbers {
        called,
        caller,
        substitute: substitute.clone(),
        ..Numbers::default()
    };
    let tech = Form::Tech { prefix: "77#".into() };
    #[rustfmt::skip]
    let table = [
        // forms, caller, called: the user of Request-URI and To, and From
        (forms(Form::Unchanged, Form::Unchanged, &None), "<sip:150@x>", "0900", "0900", "<sip:150@192.0.2.1>"),
        (forms(Form::E164Plus, Form::E164Plus, &None), "\"Ann\" <sip:+12125550100@x>", "+13125550199", "+13125550199", "\"Ann\" <sip:+12125550100@192.0.2.1>"),
        (forms(Form::E164, Form::E164, &None), "<sip:+12125550100@x>", "+13125550199", "13125550199", "<sip:12125550100@192.0.2.1>"),
        (forms(national(), national(), &None), "<sip:+442071838750@x>", "+13125550199", "13125550199", "<sip:011442071838750@192.0.2.1>"),
        (forms(tech, Form::E164, &main), "<sip:150@x>", "+13125550199", "77%2313125550199", "<sip:12125550199@192.0.2.1>"),
        (forms(Form::E164, Form::E164, &main), "<sip:x>", "112", "112", "<sip:12125550199@192.0.2.1>"),
        (forms(Form::E164, Form::E164, &hide), "<sip:150@x>", "service", "service", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
        // An escape is read once; a parameter names nobody and goes no further.
        (forms(Form::E164, Form::E164, &None), "<sip:%2B12125550100;isub=1@x>", "%2B13125550199;npdi", "13125550199", "<sip:12125550100@192.0.2.1>"),
    ];
    for (numbers, caller, called, user, shown) in table {
        let mut edge = Edge::under(trunk_wants(numbers.clone()));
        let seen = edge.hear(from(PBX), &invite(caller, called));
        let leaving = seen.to(TRUNK).remove(0);
        let text = String::from_utf8_lossy(leaving.bytes()).into_owned();
        assert!(
            text.starts_with(&format!("INVITE sip:{user}@198.51.100.5:5060 SIP/2.0\r\n")),
            "{numbers:?}\n{text}"
        );
        assert_eq!(header(&leaving, "To"), format!("<sip:{user}@198.51.100.5:5060>"), "{numbers:?}");
        let tagged = header(&leaving, "From");
        assert_eq!(tagged.split(";tag=").next(), Some(shown), "{numbers:?}");
        // The record holds what was judged.
        let mut records = seen.records;
        records.extend(edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK)).records);
        assert_eq!(records[0].to, called.split(';').next().unwrap().replace("%2B", "+"));
    }
}

#[test]
fn what_cannot_be_written_is_refused_with_its_cause() {
    let bare = Numbers { called: Form::E164, caller: Form::E164, ..Numbers::default() };
    #[rustfmt::skip]
    let table = [
        ("<sip:+12125550100@x>", "13125550199", 484, 32101, "peers.trunk.number_format"),
        ("<sip:+12125550100@x>", "+1312555O199", 484, 32101, "peers.trunk.number_format"),
        ("<sip:+12125550100@x>", "+1312555019912345", 484, 32101, "peers.trunk.number_format"),
        ("<sip:+12125550100@x>", "+", 484, 32101, "peers.trunk.number_format"),
        ("<sip:+12125550100@x>", "911", 484, 32101, "peers.trunk.number_format"),
        ("<sip:+12125550100@x>", "1234567", 484, 32101, "peers.trunk.number_format"),
        ("<sip:150@x>", "+13125550199", 403, 32206, "peers.trunk.caller_format"),
        ("<sip:x>", "+13125550199", 403, 32206, "peers.trunk.caller_format"),
    ];
    for (caller, called, status, code, rule) in table {
        let mut edge = Edge::under(trunk_wants(bare.clone()));
        let seen = edge.hear(from(PBX), &invite(caller, called));
        assert_eq!(seen.statuses(PBX), [status], "{caller} {called}");
        assert!(seen.to(TRUNK).is_empty());
        assert_eq!(seen.codes(), [code], "{caller} {called}");
        assert_eq!(seen.alerts[0].rule.as_deref(), Some(rule));
        assert_eq!(seen.records[0].code, Some(code));
        assert_eq!(seen.records[0].trail.last().map(|step| &*step.rule), Some(rule));
        let (gauges, ..) = edge.status();
        assert!(gauges.reserved.is_empty(), "{gauges:?}");
    }
}

#[test]
fn a_target_that_cannot_take_the_number_is_passed_over() {
    let policy = plan(|plan| {
        alter(plan, 1, |trunk| trunk.numbers.called = national());
        // The second target is another trunk.
        alter(plan, 2, |other| other.side = ringfence::policy::PeerSide::Outside);
        plan.routes[0].to.push(RouteTarget { peer: PeerId(2), priority: 2, weight: 1 });
    });
    let mut edge = Edge::under(policy);
    let seen = edge.hear(from(PBX), &invite("<sip:+12125550100@x>", "13125550199"));
    assert!(seen.to(TRUNK).is_empty());
    assert_eq!(seen.to(OTHER).len(), 1);
}

#[test]
fn a_did_reaches_the_pbx_in_its_own_form_and_so_does_a_message() {
    let policy = plan(|plan| {
        alter(plan, 0, |pbx| {
            pbx.numbers = Numbers { called: national(), caller: national(), ..Numbers::default() };
        });
        alter(plan, 1, |trunk| {
            trunk.methods.message = true;
            trunk.numbers = Numbers { called: Form::E164, caller: Form::E164, ..Numbers::default() };
        });
    });
    let mut edge = Edge::under(Arc::clone(&policy));
    let seen = edge.hear(from(TRUNK), &Request::new("INVITE", TRUNK).text());
    let leaving = seen.to(PBX).remove(0);
    assert!(header(&leaving, "To").starts_with("<sip:12125550100@"), "{}", header(&leaving, "To"));
    assert!(header(&leaving, "From").starts_with("<sip:12125550100@"), "{}", header(&leaving, "From"));
    let mut edge = Edge::under(policy);
    let message = |called: &str| {
        let request = Request::new("MESSAGE", OTHER).with(|r| r.uri = format!("sip:{called}@10.0.0.1"));
        request.text()
    };
    let carried = edge.hear(from(OTHER), &message("+13125550199")).to(TRUNK).remove(0);
    assert!(header(&carried, "To").starts_with("<sip:13125550199@"), "{}", header(&carried, "To"));
    assert!(header(&carried, "From").starts_with("<sip:12125550100@"), "{}", header(&carried, "From"));
    let mut edge = Edge::under(plan(|plan| alter(plan, 1, |trunk| trunk.numbers.called = Form::E164)));
    let seen = edge.hear(from(OTHER), &message("13125550199"));
    assert_eq!((seen.statuses(OTHER), seen.codes()), (vec![484], vec![32101]));
}

#[test]
fn a_hidden_caller_is_shown_nowhere_and_known_to_the_record() {
    for (from_value, more) in [
        ("\"Ann\" <sip:+12125550100@x>", "Privacy: id\r\n"),
        ("\"Ann\" <sip:+12125550100@x>", "Privacy: user;header\r\n"),
        ("\"Ann\" <sip:+12125550100@anonymous.invalid>", ""),
        ("<sip:150@x>", "Privacy: header\r\n"),
    ] {
        let numbers = Numbers { caller: Form::E164, ..Numbers::default() };
        let mut edge = Edge::under(trunk_wants(numbers));
        let text = invite(from_value, "+13125550199").replace("CSeq:", &format!("{more}CSeq:"));
        let seen = edge.hear(from(PBX), &text);
        let leaving = seen.to(TRUNK).remove(0);
        let shown = header(&leaving, "From");
        assert!(shown.starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{shown}");
        let text = String::from_utf8_lossy(leaving.bytes()).into_owned();
        assert!(!text.contains("12125550100") && !text.contains("Ann\"") && !text.contains("150"), "{text}");
        let records = edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK)).records;
        assert!(["+12125550100", "150"].contains(&&*records[0].from), "{}", records[0].from);
    }
}
