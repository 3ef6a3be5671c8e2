//! As whom a PBX may call outside, through the whole engine: rows A9 and C10 of the attacks.

use std::sync::Arc;

use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::identity::{CallerIn, Identity};
use ringfence::policy::owned::{Callers, Owned, Range};
use ringfence::policy::{Plan, Policy};
use ringfence::sip::Message;

use super::dial_plans::dials_by;
use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, plan};
use super::texts::{Request, answer, header};

/// What is the PBX's own: two numbers, and ten in a row.
fn callers(replaces: bool) -> Callers {
    let exact = vec!["+12125550100".into(), "+12125550101".into()];
    let ranges = vec![Range::new("+16465550110", "+16465550119").unwrap()];
    Callers {
        path: "peers.pbx.owns".into(),
        owned: Owned::new(exact, Vec::new(), ranges),
        shown_as: vec![("201".into(), "+12125550101".into())],
        replaces,
    }
}

fn office(replaces: bool, stand_in: Option<Substitute>, change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        dials_by(plan, "us_direct");
        alter(plan, 0, |pbx| pbx.callers = Some(Arc::new(callers(replaces))));
        alter(plan, 1, |trunk| {
            trunk.numbers.caller = Form::E164Plus;
            trunk.numbers.substitute = stand_in;
            trunk.identity = Identity { told: true, ..Identity::default() };
        });
        change(plan);
    })
}

fn number(text: &str) -> Option<Substitute> {
    Some(Substitute::Number(text.into()))
}

/// An INVITE whose From is this, with more headers.
fn invite(caller: &str, more: &str) -> String {
    let text = Request::new("INVITE", PBX).text();
    let text = text.replace(&format!("From: <sip:+12125550100@{PBX}>"), &format!("From: {caller}"));
    text.replace("CSeq:", &format!("{more}CSeq:"))
}

/// From, without tag, and P-Asserted-Identity of what leaves.
fn shown(message: &Message) -> [String; 2] {
    let from = header(message, "From").split(";tag=").next().unwrap_or_default().to_owned();
    [from, header(message, "P-Asserted-Identity")]
}

/// The last code told, and the status answered.
fn refused(seen: &Seen) -> (Option<u32>, Option<u16>) {
    (seen.codes().last().copied(), seen.statuses(PBX).last().copied())
}

const NOBODY: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

#[test]
fn c10_what_is_shown_is_read_by_the_dial_plan_and_owned() {
    let own = |number: &str| {
        let address = format!("<sip:{number}@192.0.2.1>");
        [address.clone(), address]
    };
    for (user, expected) in [
        ("+12125550100", "+12125550100"),
        ("12125550100", "+12125550100"),
        ("2125550100", "+12125550100"),
        ("5550100", "+12125550100"),
        ("%2B1-212-555-0100", "+12125550100"),
        ("+12125550100;isub=7", "+12125550100"),
        ("6465550119", "+16465550119"),
        ("201", "+12125550101"),
    ] {
        let mut edge = Edge::under(office(false, None, |_| {}));
        let seen = edge.hear(from(PBX), &invite(&format!("<sip:{user}@10.0.0.2>"), ""));
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{user}: {:?}", seen.alerts));
        assert_eq!(shown(&leaving), own(expected), "{user}");
        assert!(!String::from_utf8_lossy(leaving.bytes()).contains("isub"), "{user}");
    }
}

#[test]
fn c10_a_caller_that_is_not_owned_is_refused_or_another_stands_in() {
    let stood = "<sip:+12125550100@192.0.2.1>";
    #[rustfmt::skip]
    let table = [
        // From, and what becomes of it: refused; refused where nobody stands in; replaced.
        ("\"Ann\" <sip:+37127913000@x>", (32204, 403)),
        ("<sip:37127913000@x>", (32206, 403)),
        ("<sip:+16465550120@x>", (32204, 403)),
        ("<sip:2125550102@x>", (32204, 403)),
        ("\"Ann\" <sip:202@x>", (32206, 403)),
        ("<sip:ann@x>", (32206, 403)),
        ("<sip:+1212555010a@x>", (32206, 403)),
        ("<sip:+12125550100%00@x>", (32110, 400)),
        ("<sip:911@x>", (32206, 403)),
        ("<sip:10.0.0.2>", (32206, 403)),
    ];
    for (caller, (code, status)) in table {
        let text = invite(caller, "");
        for (replaces, stand_in) in [(false, number("+12125550100")), (true, None)] {
            let mut edge = Edge::under(office(replaces, stand_in, |_| {}));
            let seen = edge.hear(from(PBX), &text);
            assert_eq!(refused(&seen), (Some(code), Some(status)), "{caller} {replaces}");
            assert_eq!(seen.to(TRUNK).len(), 0, "{caller}");
            assert!(seen.alerts[0].text.len() > 20 && !seen.alerts[0].text.contains('\n'), "{caller}");
            edge.hear(from(PBX), &Request::new("ACK", PBX).with(|r| r.to_tag = "x".into()).text());
        }
        if status == 400 {
            continue;
        }
        let mut edge = Edge::under(office(true, number("+12125550100"), |_| {}));
        let seen = edge.hear(from(PBX), &text);
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{caller}: {:?}", seen.alerts));
        assert_eq!(shown(&leaving), [stood.to_owned(), stood.to_owned()], "{caller}");
        let told = if code == 32204 { vec![32204] } else { vec![] };
        assert_eq!(seen.codes(), told, "{caller}: an extension is nobody's forgery");
        assert!(seen.alerts.iter().all(|alert| alert.sip_status.is_none()));
        let end = edge.hear(from(TRUNK), &answer(&leaving, 486, "b", TRUNK));
        assert!(end.records[0].trail.iter().any(|step| &*step.rule == "peers.pbx.owns"));
    }
}

#[test]
fn c10_a_refused_caller_holds_nothing() {
    let mut edge = Edge::under(office(false, None, |plan| {
        alter(plan, 0, |pbx| pbx.concurrent_calls_max = 1);
    }));
    for at in 0..5 {
        let text = invite("<sip:+37127913000@x>", "");
        let text = text.replace("call-1@", &format!("call-{at}@")).replace("test-1", &format!("test-{at}"));
        assert_eq!(refused(&edge.hear(from(PBX), &text)), (Some(32204), Some(403)));
    }
    let good = invite("<sip:+12125550100@x>", "").replace("call-1@", "call-9@").replace("test-1", "test-9");
    assert_eq!(edge.hear(from(PBX), &good).to(TRUNK).len(), 1, "the one place is free");
}

#[test]
fn c10_a_hidden_caller_stays_hidden_and_nobody_elses_number_is_asserted() {
    let stood = "<sip:+12125550100@192.0.2.1>";
    #[rustfmt::skip]
    let table = [
        ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "", None, ""),
        ("<sip:anonymous@x>", "", number("+12125550100"), stood),
        ("<sip:+12125550100@x>", "Privacy: id\r\n", None, stood),
        ("<sip:201@x>", "Privacy: id\r\n", None, "<sip:+12125550101@192.0.2.1>"),
        ("<sip:202@x>", "Privacy: id\r\n", None, ""),
        ("<sip:+37127913000@x>", "Privacy: id\r\n", None, ""),
        ("<sip:+37127913000@x>", "Privacy: id\r\n", number("+12125550100"), stood),
    ];
    for (caller, more, stand_in, asserted) in table {
        let mut edge = Edge::under(office(true, stand_in, |_| {}));
        let seen = edge.hear(from(PBX), &invite(caller, more));
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{caller}: {:?}", seen.alerts));
        assert_eq!(shown(&leaving), [NOBODY, asserted], "{caller} {more}");
        assert!(!String::from_utf8_lossy(leaving.bytes()).contains("+371279"), "{caller}");
    }
}

#[test]
fn c10_the_header_that_counts_is_the_one_judged() {
    let from_pai = |plan: &mut Plan| {
        alter(plan, 0, |pbx| {
            pbx.identity = Identity {
                caller_in: [CallerIn::PAssertedIdentity, CallerIn::RemotePartyId, CallerIn::From]
                    .into_iter()
                    .collect(),
                believed: true,
                told: false,
            };
        });
    };
    #[rustfmt::skip]
    let table = [
        ("<sip:+37127913000@x>", "P-Asserted-Identity: <sip:+12125550101@x>\r\n", Ok("+12125550101")),
        ("<sip:+12125550101@x>", "P-Asserted-Identity: <sip:+37127913000@x>\r\n", Err((32204, 403))),
        ("<sip:+12125550101@x>", "P-Asserted-Identity: <tel:+12125550101>, <sip:+37127913000@x>\r\n", Err((32112, 400))),
        ("<sip:+12125550101@x>", "Remote-Party-ID: <sip:+37127913000@x>;party=calling\r\n", Err((32204, 403))),
        ("<sip:+37127913000@x>", "Remote-Party-ID: <sip:2125550101@x>;party=calling\r\n", Ok("+12125550101")),
        ("<sip:anonymous@x>", "P-Asserted-Identity: <tel:+1-212-555-0101>\r\nPrivacy: none\r\n", Ok("")),
    ];
    for (caller, more, expected) in table {
        let mut edge = Edge::under(office(false, None, from_pai));
        let seen = edge.hear(from(PBX), &invite(caller, more));
        match expected {
            Ok(number) => {
                let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{more}: {:?}", seen.alerts));
                let told = if number.is_empty() { "+12125550101" } else { number };
                let [from, asserted] = shown(&leaving);
                let hidden = number.is_empty();
                assert_eq!(from == NOBODY, hidden, "{more}");
                assert_eq!(asserted, format!("<sip:{told}@192.0.2.1>"), "{more}");
                assert!(!String::from_utf8_lossy(leaving.bytes()).contains("+371279"), "{more}");
            }
            Err((code, status)) => {
                assert_eq!(refused(&seen), (Some(code), Some(status)), "{more}");
                assert_eq!(seen.to(TRUNK).len(), 0, "{more}");
            }
        }
    }
}

#[test]
fn an_emergency_is_never_refused_for_its_caller() {
    for caller in ["<sip:+37127913000@x>", "<sip:201@x>", "<sip:anonymous@anonymous.invalid>", "<sip:x>"] {
        let mut edge = Edge::under(office(false, None, |_| {}));
        let text = invite(caller, "").replace("+13125550199", "911");
        let seen = edge.hear(from(PBX), &text);
        assert_eq!(seen.to(TRUNK).len(), 1, "{caller}: {:?}", seen.alerts);
    }
}

#[test]
fn nobody_is_judged_by_what_is_own_within_the_office_or_from_a_trunk() {
    let mut edge = Edge::under(office(false, None, |_| {}));
    let mut call = Request::new("INVITE", TRUNK).text();
    call = call.replace("From: <sip:+12125550100@", "From: <sip:+37127913000@");
    let seen = edge.hear(from(TRUNK), &call);
    assert_eq!(seen.to(PBX).len(), 1, "{:?}", seen.alerts);
}
