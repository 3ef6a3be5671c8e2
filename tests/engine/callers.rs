//! As whom a PBX may call outside, through the whole engine: rows A9 and C10 of the attacks.

use std::sync::Arc;

use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::identity::{CallerIn, Identity};
use ringfence::policy::number::{CallerPrefix, Privacy};
use ringfence::policy::owned::{Callers, Owned, Range};
use ringfence::policy::peer::PassedHeader;
use ringfence::policy::rules::callers::{Answer, Scope};
use ringfence::policy::rules::{AnonymousCallers, Blocklist, CallerBlocklist, Entry, Rule};
use ringfence::policy::{Plan, Policy};
use ringfence::sip::{HeaderName, Message};

use super::dial_plans::dials_by;
use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, plan};
use super::lists::lists;
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

#[test]
fn c10_a_display_name_that_reads_as_a_number_stays_behind() {
    let number = "<sip:+12125550100@192.0.2.1>";
    for (display, expected) in [
        ("\"Ann\" ", "\"Ann\" "),
        ("Ann Smith ", "\"Ann Smith\" "),
        ("\"Room 4711\" ", "\"Room 4711\" "),
        ("\"+37127913000\" ", ""),
        ("\"Bank 0800 123456\" ", ""),
        ("\"911\" ", ""),
        ("\"A\\\"; <sip:evil@x>\" ", "\"A\\\"; <sip:evil@x>\" "),
        ("\"\u{202e}cod\" ", ""),
    ] {
        let mut edge = Edge::under(office(false, None, |_| {}));
        let seen = edge.hear(from(PBX), &invite(&format!("{display}<sip:+12125550100@x>"), ""));
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{display}: {:?}", seen.alerts));
        assert_eq!(shown(&leaving)[0], format!("{expected}{number}"), "{display}");
    }
    // The name of somebody who is replaced is not shown either.
    let mut edge = Edge::under(office(true, Some(Substitute::Number("+12125550100".into())), |_| {}));
    let seen = edge.hear(from(PBX), &invite("\"Bank\" <sip:+37127913000@x>", ""));
    assert_eq!(shown(&seen.to(TRUNK)[0])[0], number);
}

#[test]
fn c10_nobody_is_told_to_have_sent_a_call_on_who_is_not_ours() {
    let opened = |plan: &mut Plan| {
        alter(plan, 1, |trunk| {
            let headers = [HeaderName::Diversion, HeaderName::HistoryInfo];
            trunk.pass_headers = headers.into_iter().map(PassedHeader::Known).collect();
            trunk.request_host = Some("sip.carrier.example".into());
        });
    };
    let own = "<sip:+12125550101@192.0.2.1>";
    #[rustfmt::skip]
    let table = [
        ("Diversion: <sip:+12125550101@10.0.0.2>;reason=no-answer", Some(format!("{own};reason=no-answer;counter=1"))),
        ("Diversion: <sip:2125550101@10.0.0.2>", Some(format!("{own};counter=1"))),
        ("Diversion: <sip:201@10.0.0.2>", Some(format!("{own};counter=1"))),
        ("Diversion: <tel:+1-212-555-0101>", Some(format!("{own};counter=1"))),
        ("Diversion: <sip:+37127913000@10.0.0.2>", None),
        ("Diversion: <sip:202@10.0.0.2>", None),
        ("Diversion: <sip:+12125550101@sip.carrier.example>", None),
        ("Diversion: <sip:+12125550101@SIP.Carrier.example.>", None),
        ("Diversion: <sip:+12125550101@198.51.100.5>", None),
        ("Diversion: nobody", None),
        ("History-Info: <sip:+12125550101@10.0.0.2>;index=1", Some(format!("{own};index=1"))),
        ("History-Info: <sip:+37127913000@10.0.0.2>;index=1", Some("<sip:anonymous@anonymous.invalid>;index=1".to_owned())),
    ];
    for (line, expected) in table {
        let mut edge = Edge::under(office(false, None, opened));
        let seen = edge.hear(from(PBX), &invite("<sip:+12125550100@x>", &format!("{line}\r\n")));
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{line}: {:?}", seen.alerts));
        let name = line.split(':').next().unwrap();
        assert_eq!(header(&leaving, name), expected.unwrap_or_default(), "{line}");
    }
    for (line, count) in [("<sip:201@x>", 21), (&*format!("<sip:{}@x>", "1".repeat(600)), 1)] {
        let more = format!("Diversion: {}\r\n", vec![line; count].join(", "));
        let mut edge = Edge::under(office(false, None, opened));
        let seen = edge.hear(from(PBX), &invite("<sip:+12125550100@x>", &more));
        assert_eq!(refused(&seen), (Some(32112), Some(400)), "{count}");
        let emergency = invite("<sip:+12125550100@x>", &more).replace("+13125550199", "911");
        let emergency = emergency.replace("call-1@", "call-2@").replace("test-1", "test-2");
        assert_eq!(edge.hear(from(PBX), &emergency).to(TRUNK).len(), 1, "{count}");
    }
}

#[test]
fn c10_an_unowned_identity_is_not_asserted_within_a_call_either() {
    let believed = |plan: &mut Plan| {
        alter(plan, 0, |pbx| pbx.identity = Identity { believed: true, ..Identity::default() });
    };
    for (asserted, told) in [("+37127913000", ""), ("+12125550101", "<sip:+12125550101@192.0.2.1>")] {
        let mut edge = Edge::under(office(false, None, believed));
        let call = edge.hear(from(PBX), &invite("<sip:+12125550100@x>", "")).to(TRUNK).remove(0);
        let ok = edge.hear(from(TRUNK), &answer(&call, 200, "b", TRUNK)).to(PBX).pop().unwrap();
        let tag = super::texts::tag(ok.to_tag());
        let within = |method: &str, cseq: u32| {
            Request::new(method, PBX).with(|r| {
                r.to_tag.clone_from(&tag);
                r.cseq = cseq;
                r.branch = format!("z9hG4bK-{method}-{cseq}");
            })
        };
        edge.hear(from(PBX), &within("ACK", 1).text());
        let text = within("INVITE", 2).text();
        let text = text.replace("CSeq:", &format!("P-Asserted-Identity: <sip:{asserted}@x>\r\nCSeq:"));
        let seen = edge.hear(from(PBX), &text).to(TRUNK);
        let again = seen.iter().find(|message| message.method().as_bytes() == b"INVITE").unwrap();
        assert_eq!(header(again, "P-Asserted-Identity"), told, "{asserted}");
    }
}

/// A plan whose users show and hide themselves by prefixes.
fn with_prefixes(plan: &mut Plan) {
    alter(plan, 0, |pbx| {
        let mut dialling = (**pbx.dialling.as_ref().unwrap()).clone();
        let mut known = (*dialling.plan).clone();
        known.caller_prefixes = [("*67", Privacy::Hide), ("*82", Privacy::Show)]
            .map(|(keys, asks)| CallerPrefix { keys: keys.into(), asks })
            .into();
        dialling.plan = Arc::new(known);
        pbx.dialling = Some(Arc::new(dialling));
    });
}

#[test]
fn what_is_dialled_for_one_call_counts_before_what_a_phone_is_set_to() {
    let open = "<sip:+12125550100@192.0.2.1>";
    #[rustfmt::skip]
    let table = [
        // Prefix, headers, From: From, P-Asserted-Identity, Privacy.
        ("", "", open, [open, open, ""]),
        ("*67", "", open, [NOBODY, open, "id"]),
        ("*67", "Privacy: none\r\n", open, [NOBODY, open, "id"]),
        ("*82", "", open, [open, open, "none"]),
        ("*82", "Privacy: id\r\n", open, [open, open, "none"]),
        ("*82", "Privacy: user;header;id\r\n", open, [open, open, "none"]),
        ("*82", "Remote-Party-ID: <sip:+12125550100@x>;privacy=full\r\n", open, [open, open, "none"]),
        // Rather no call than one that shows: nothing lifts that.
        ("*82", "Privacy: id;critical\r\n", open, [NOBODY, open, "id;critical"]),
        // Of whom nothing is known, nobody can be shown.
        ("*82", "", NOBODY, [NOBODY, "", "id"]),
    ];
    for (prefix, more, caller, expected) in table {
        let mut edge = Edge::under(office(true, None, with_prefixes));
        let caller = caller.replace("192.0.2.1", "x");
        let text = invite(&caller, more).replace("sip:+13125550199@", &format!("sip:{prefix}13125550199@"));
        let seen = edge.hear(from(PBX), &text);
        let leaving = seen.to(TRUNK).pop().unwrap_or_else(|| panic!("{prefix} {more}: {:?}", seen.alerts));
        let [shown, asserted] = shown(&leaving);
        assert_eq!([&*shown, &asserted, &header(&leaving, "Privacy")], expected, "{prefix} {more}");
        assert!(String::from_utf8_lossy(leaving.request_uri()).starts_with("sip:+13125550199@"));
    }
}

/// A call of the trunk's whose From is this.
fn from_outside(caller: &str, more: &str) -> String {
    let text = Request::new("INVITE", TRUNK).text();
    let text = text.replace(&format!("From: <sip:+12125550100@{TRUNK}>"), &format!("From: {caller}"));
    text.replace("CSeq:", &format!("{more}CSeq:"))
}

#[test]
fn inbound_callers_on_the_list_hear_603_or_607_and_anonymous_ones_433_and_nothing_more() {
    let mut list = Blocklist::new(["+881"], ["+37127913000", "spam"]).unwrap();
    list.lists = lists(&["+371279131*", "+37127913200-+37127913299"]);
    let barred = |answer| CallerBlocklist {
        list: list.clone(),
        patterns: Vec::new(),
        answer,
        scope: Scope::default(),
    };
    let policy = |answer| {
        plan(|plan| {
            let rules =
                [Rule::CallerBlocklist(barred(answer)), Rule::AnonymousCallers(AnonymousCallers::default())];
            plan.rules.inbound = rules.map(|rule| Entry::enforced("policy.inbound", rule)).into();
        })
    };
    #[rustfmt::skip]
    let table = [
        ("<sip:+37127913000@x>", "", Answer::Decline, Some(603)),
        ("<sip:%2B37127913000@x>", "", Answer::Unwanted, Some(607)),
        ("<sip:+88161234567@x>", "", Answer::Decline, Some(603)),
        ("<sip:+37127913000;cpc=ordinary@x>", "", Answer::Decline, Some(603)),
        ("<sip:SPAM@x>", "", Answer::Decline, Some(603)),
        ("<sip:+37127913001@x>", "", Answer::Decline, None),
        ("<sip:+37127913100@x>", "", Answer::Decline, Some(603)),
        ("<sip:+371-27-913-250@x>", "", Answer::Unwanted, Some(607)),
        ("<sip:+37127913300@x>", "", Answer::Decline, None),
        ("<sip:37127913100@x>", "", Answer::Decline, Some(603)),
        ("<sip:anonymous@anonymous.invalid>", "", Answer::Decline, Some(433)),
        ("<sip:+12125550142@x>", "Privacy: id\r\n", Answer::Decline, Some(433)),
        ("<sip:unavailable@x>", "", Answer::Decline, Some(433)),
        ("<sip:198.51.100.5>", "", Answer::Decline, Some(433)),
    ];
    for (caller, more, answer, expected) in table {
        let mut edge = Edge::under(policy(answer));
        let seen = edge.hear(from(TRUNK), &from_outside(caller, more));
        let Some(status) = expected else {
            assert_eq!(seen.to(PBX).len(), 1, "{caller}");
            continue;
        };
        assert_eq!((seen.to(PBX).len(), seen.codes()), (0, vec![32216]), "{caller}");
        let said = seen.to(TRUNK).pop().unwrap();
        assert_eq!(seen.statuses(TRUNK).last(), Some(&status), "{caller}");
        for told in ["Warning", "Reason", "Server"] {
            assert_eq!(header(&said, told), "", "a trunk hears the bare status");
        }
        assert_eq!(seen.records[0].code, Some(32216));
    }
}
