//! Calls that whoever is called sends on (3xx): row C2 of the attacks, in every mode.

use std::sync::Arc;
use std::time::Duration;

use ringfence::policy::form::{Form, Substitute};
use ringfence::policy::owned::{Callers, Owned};
use ringfence::policy::peer::Onward;
use ringfence::policy::route::Pattern;
use ringfence::policy::rules::{Blocklist, Entry, Rule};
use ringfence::policy::{Direction, PeerId, Plan, Policy, Presets};
use ringfence::sip::Message;

use super::edge::{Edge, OTHER, PBX, Seen, TRUNK, alter, from, plan};
use super::targets::{invites, refusal};
use super::texts::{Request, answer, header, tag};

/// A number that may be called, and one that may not.
const GOOD: &str = "+13125550177";
const PREMIUM: &str = "+19005550177";

/// Both sides may redirect so; premium numbers are blocked.
fn may(mode: Onward, change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        for peer in [0, 1] {
            alter(plan, peer, |peer| peer.redirects = mode);
        }
        let premium = Blocklist::new(["+1900"], []).unwrap();
        plan.rules.outbound.push(Entry::enforced("premium", Rule::Blocklist(premium)));
        change(plan);
    })
}

/// A call from one side, and the INVITE that leaves to the other.
fn call(edge: &mut Edge, caller: &str, called: &str) -> Message {
    let seen = edge.hear(from(caller), &Request::new("INVITE", caller).text());
    assert_eq!(seen.statuses(caller), [100]);
    invites(&seen, called).remove(0)
}

/// Whoever was called answers with these Contacts.
fn redirects(edge: &mut Edge, invite: &Message, contacts: &str, by: &str) -> Seen {
    edge.hear(from(by), &refusal(invite, 302, &format!("Contact: {contacts}"), by))
}

fn sip(number: &str) -> String {
    format!("<sip:{number}@10.0.0.2>")
}

/// The Request-URI of a message.
fn uri(message: &Message) -> String {
    String::from_utf8_lossy(message.request_uri()).into_owned()
}

fn is_over(edge: &mut Edge) {
    edge.pass(Duration::from_secs(300));
    edge.assert_empty();
}

#[test]
fn c2_a_redirect_to_a_premium_number_is_refused_in_every_mode_and_from_both_sides() {
    for mode in [Onward::Refuse, Onward::JudgeAndPass, Onward::Perform] {
        for (caller, called) in [(TRUNK, PBX), (PBX, TRUNK)] {
            let mut edge = Edge::under(may(mode, |_| {}));
            let invite = call(&mut edge, caller, called);
            let seen = redirects(&mut edge, &invite, &sip(PREMIUM), called);
            assert_eq!((seen.statuses(caller), seen.codes()), (vec![403], vec![32219]), "{mode:?} {caller}");
            assert!(invites(&seen, TRUNK).is_empty() && invites(&seen, PBX).is_empty(), "{mode:?}");
            assert_eq!(seen.records.len(), 1);
            is_over(&mut edge);
        }
    }
}

#[test]
fn c2_the_status_of_a_refused_redirect_is_that_of_the_callers_preset() {
    let policy = may(Onward::Perform, |plan| {
        alter(plan, 0, |pbx| pbx.refusal = Presets::named("asterisk").unwrap());
    });
    let mut edge = Edge::under(policy);
    let invite = call(&mut edge, PBX, TRUNK);
    assert_eq!(redirects(&mut edge, &invite, &sip(PREMIUM), TRUNK).statuses(PBX), [486]);
}

#[test]
fn c2_a_redirect_to_a_permitted_number_is_called_and_the_caller_sees_nothing_of_it() {
    for (caller, called, rang) in
        [(TRUNK, PBX, false), (TRUNK, PBX, true), (PBX, TRUNK, false), (PBX, TRUNK, true)]
    {
        let mut edge = Edge::under(may(Onward::Perform, |_| {}));
        let invite = call(&mut edge, caller, called);
        if rang {
            let seen = edge.hear(from(called), &answer(&invite, 180, "b", called));
            assert_eq!(seen.statuses(caller), [180]);
        }
        let contact =
            format!("<sip:{GOOD}@203.0.113.9:5099;transport=tls?Route=%3Csip:203.0.113.9%3E&X-A=b>;q=0.5");
        let seen = redirects(&mut edge, &invite, &contact, called);
        assert!(seen.statuses(caller).is_empty(), "{:?}", seen.statuses(caller));
        assert!(seen.codes().is_empty(), "{:?}", seen.codes());
        let second = invites(&seen, TRUNK).remove(0);
        assert_eq!(uri(&second), format!("sip:{GOOD}@198.51.100.5:5060"));
        assert!(!second.has(ringfence::sip::HeaderName::Route) && header(&second, "X-A").is_empty());
        let seen = edge.hear(from(TRUNK), &answer(&second, 180, "c", TRUNK));
        assert_eq!(seen.statuses(caller), [180]);
        let seen = edge.hear(from(TRUNK), &answer(&second, 200, "c", TRUNK));
        let ok = seen.to(caller).into_iter().find(|one| one.status() == Some(200)).unwrap();
        let held = edge.status().0.reserved;
        // Who sent the call on holds a place for as long as it lasts; a caller holds one and no second.
        assert!(held.contains(&("peer pbx".to_owned(), 1)), "{held:?}");
        let legs = if caller == TRUNK { 2 } else { 1 };
        assert!(held.contains(&("peer trunk".to_owned(), legs)), "{held:?}");
        let within = |method: &str, cseq| {
            Request::new(method, caller).with(|r| {
                r.to_tag = tag(ok.to_tag());
                r.cseq = cseq;
                r.branch = format!("z9hG4bK-{method}");
            })
        };
        edge.hear(from(caller), &within("ACK", 1).text());
        let seen = edge.hear(from(caller), &within("BYE", 2).text());
        let bye = seen.to(TRUNK).into_iter().find(|one| one.is_request()).unwrap();
        let seen = edge.hear(from(TRUNK), &answer(&bye, 200, "c", TRUNK));
        let record = edge.pass(Duration::from_secs(300)).records.into_iter().chain(seen.records).next();
        if let Some(record) = record {
            assert_eq!((&*record.to, record.direction), (GOOD, Some(Direction::Outbound)));
            assert_eq!(record.legs.len(), 3);
        }
        is_over(&mut edge);
    }
}

#[test]
fn c2_judge_and_pass_tells_the_caller_the_number_at_this_edge_and_nothing_raw() {
    for (caller, called, here) in [(TRUNK, PBX, "192.0.2.1:5060"), (PBX, TRUNK, "10.0.0.1:5060")] {
        let mut edge = Edge::under(may(Onward::JudgeAndPass, |_| {}));
        let invite = call(&mut edge, caller, called);
        let contact = format!("\"Bob\" <sip:{GOOD}@203.0.113.9:5099;x=y?Replaces=a%3Bto-tag%3D1>;q=0.5");
        let seen = redirects(&mut edge, &invite, &contact, called);
        let told = seen.to(caller).into_iter().find(|one| one.status() == Some(302)).unwrap();
        assert_eq!(header(&told, "Contact"), format!("<sip:{GOOD}@{here}>"));
        assert!(!String::from_utf8_lossy(told.bytes()).contains("203.0.113.9"));
        assert_eq!((seen.codes(), seen.records.len()), (vec![], 1));
        assert!(invites(&seen, TRUNK).is_empty());
        is_over(&mut edge);
    }
}

#[test]
fn c2_one_hop_and_no_second() {
    let mut edge = Edge::under(may(Onward::Perform, |_| {}));
    let invite = call(&mut edge, TRUNK, PBX);
    let second = invites(&redirects(&mut edge, &invite, &sip(GOOD), PBX), TRUNK).remove(0);
    let seen = redirects(&mut edge, &second, &sip("+13125550178"), TRUNK);
    assert_eq!((seen.statuses(TRUNK), seen.codes()), (vec![403], vec![32219]));
    is_over(&mut edge);
}

#[test]
fn c2_of_a_few_contacts_the_first_that_may_be_called_is_and_of_many_none() {
    let of = |count: usize| (0..count).map(|_| sip(GOOD)).collect::<Vec<_>>().join(", ");
    let by_q = format!(
        "{};q=0.9, {};q=0.1, {};q=0.5",
        sip("+13125550171"),
        sip("+13125550172"),
        sip("+13125550173")
    );
    let passed_over = format!("{};q=0.9, {};q=0.1", sip(PREMIUM), sip(GOOD));
    #[rustfmt::skip]
    let table = [
        (of(5), Some(GOOD), vec![]),
        (of(6), None, vec![32219]),
        (of(10), None, vec![32219]),
        (by_q, Some("+13125550171"), vec![]),
        (passed_over, Some(GOOD), vec![32219]),
        ("*".to_owned(), None, vec![32219]),
    ];
    for (contacts, called, codes) in table {
        let mut edge = Edge::under(may(Onward::Perform, |_| {}));
        let invite = call(&mut edge, TRUNK, PBX);
        let seen = redirects(&mut edge, &invite, &contacts, PBX);
        let leaving: Vec<String> = invites(&seen, TRUNK).iter().map(uri).collect();
        let expected: Vec<String> =
            called.iter().map(|number| format!("sip:{number}@198.51.100.5:5060")).collect();
        assert_eq!((leaving, seen.codes()), (expected, codes), "{contacts}");
    }
}

#[test]
fn b10_c2_a_contact_that_says_where_to_send_is_refused() {
    #[rustfmt::skip]
    let table = [
        format!("<sip:{GOOD}@10.0.0.2;maddr=203.0.113.9>"),
        format!("<sip:{GOOD}@10.0.0.2;ttl=1>"),
        format!("<sip:{GOOD}:secret@10.0.0.2>"),
        "<urn:service:sos>".to_owned(),
        "<http://example.com/>".to_owned(),
        "<sip:10.0.0.2>".to_owned(),
    ];
    for contact in table {
        let mut edge = Edge::under(may(Onward::Perform, |_| {}));
        let invite = call(&mut edge, TRUNK, PBX);
        let seen = redirects(&mut edge, &invite, &contact, PBX);
        assert_eq!((seen.statuses(TRUNK).len(), invites(&seen, TRUNK).len()), (1, 0), "{contact}");
        assert!(seen.statuses(TRUNK)[0] >= 400, "{contact}");
        is_over(&mut edge);
    }
}

#[test]
fn c2_a_trunk_may_name_an_international_number_and_nothing_else() {
    for (user, goes) in [
        (GOOD, true),
        ("13125550177", false),
        ("0013125550177", false),
        ("911", false),
        ("+1", false),
        ("bob", false),
    ] {
        let mut edge = Edge::under(may(Onward::Perform, |_| {}));
        let invite = call(&mut edge, PBX, TRUNK);
        let seen = redirects(&mut edge, &invite, &sip(user), TRUNK);
        assert_eq!(invites(&seen, TRUNK).len(), usize::from(goes), "{user}");
        assert_eq!(seen.codes().len(), usize::from(!goes), "{user}");
    }
}

#[test]
fn c2_a_redirect_back_to_where_the_call_came_from_is_a_loop() {
    for (caller, called, number) in
        [(TRUNK, PBX, "+12125550100"), (PBX, TRUNK, "+13125550199"), (PBX, TRUNK, "+12125550100")]
    {
        for mode in [Onward::JudgeAndPass, Onward::Perform] {
            let mut edge = Edge::under(may(mode, |_| {}));
            let invite = call(&mut edge, caller, called);
            let seen = redirects(&mut edge, &invite, &sip(number), called);
            assert_eq!((seen.statuses(caller), seen.codes()), (vec![482], vec![39104]), "{number} {mode:?}");
            is_over(&mut edge);
        }
    }
}

#[test]
fn c2_no_other_3xx_names_a_number() {
    for status in [300, 301, 302, 305, 380, 399] {
        let mut edge = Edge::under(may(Onward::Perform, |_| {}));
        let invite = call(&mut edge, TRUNK, PBX);
        let text = refusal(&invite, status, &format!("Contact: {}", sip(GOOD)), PBX);
        let seen = edge.hear(from(PBX), &text);
        assert_eq!(invites(&seen, TRUNK).len(), usize::from(status <= 302), "{status}");
    }
}

#[test]
fn c2_a_redirect_is_made_under_the_caps_of_whoever_asked() {
    let policy = may(Onward::Perform, |plan| alter(plan, 0, |pbx| pbx.concurrent_calls_max = 2));
    let mut edge = Edge::under(policy);
    let another = |name: &str| {
        Request::new("INVITE", PBX).with(|r| {
            r.branch += name;
            r.call_id = format!("{name}@example.com");
        })
    };
    let leaving = invites(&edge.hear(from(PBX), &another("other").text()), TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "o", TRUNK));
    let invite = call(&mut edge, TRUNK, PBX);
    let seen = redirects(&mut edge, &invite, &sip(GOOD), PBX);
    // Its place as who is called was given back, and the one as who asks is held: it is full.
    assert_eq!(invites(&seen, TRUNK).len(), 1);
    let seen = edge.hear(from(PBX), &another("third").text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![480], vec![10004]));
}

#[test]
fn c2_a_redirected_call_that_fails_or_is_cancelled_gives_everything_back() {
    for how in ["refused", "cancelled", "silent", "full"] {
        let policy = may(Onward::Perform, |plan| {
            if how == "full" {
                alter(plan, 1, |trunk| trunk.concurrent_calls_max = 1);
            }
        });
        let mut edge = Edge::under(policy);
        let invite = call(&mut edge, TRUNK, PBX);
        let seen = redirects(&mut edge, &invite, &sip(GOOD), PBX);
        let statuses = match how {
            "refused" => {
                let second = invites(&seen, TRUNK).remove(0);
                edge.hear(from(TRUNK), &answer(&second, 486, "c", TRUNK)).statuses(TRUNK)
            }
            "cancelled" => {
                let second = invites(&seen, TRUNK).remove(0);
                edge.hear(from(TRUNK), &answer(&second, 180, "c", TRUNK));
                let cancel = Request::new("CANCEL", TRUNK).with(|r| r.more = String::new());
                let seen = edge.hear(from(TRUNK), &cancel.text());
                edge.hear(from(TRUNK), &answer(&second, 487, "c", TRUNK));
                seen.statuses(TRUNK)
            }
            "silent" => edge.pass(Duration::from_secs(60)).statuses(TRUNK),
            _ => seen.statuses(TRUNK),
        };
        assert!(statuses.last().is_some_and(|status| (400..500).contains(status)), "{how}: {statuses:?}");
        is_over(&mut edge);
        let held = edge.status().0.reserved;
        assert!(held.iter().all(|(_, held)| *held == 0), "{how}: {held:?}");
    }
}

#[test]
fn c2_an_inside_call_may_be_sent_out_and_is_judged_as_an_outbound_one() {
    for (number, goes) in [(GOOD, true), (PREMIUM, false)] {
        let policy = may(Onward::Perform, |plan| {
            let mut inside = plan.routes[1].clone();
            inside.direction = Some(Direction::Internal);
            inside.called = vec![Pattern::Exact("200".into())];
            inside.from = vec![PeerId(2)];
            plan.routes.insert(0, inside);
        });
        let mut edge = Edge::under(policy);
        let request = Request::new("INVITE", OTHER).with(|r| r.uri = "sip:200@10.0.0.1".into());
        let invite = invites(&edge.hear(from(OTHER), &request.text()), PBX).remove(0);
        let seen = redirects(&mut edge, &invite, &sip(number), PBX);
        assert_eq!(invites(&seen, TRUNK).len(), usize::from(goes), "{number}");
        assert_eq!(seen.codes().len(), usize::from(!goes));
    }
}

/// Whoever calls from outside is no number of the PBX's own: it is replaced as the PBX's callers are, or the call goes nowhere.
#[test]
fn c10_an_outside_caller_whom_the_pbx_sends_on_is_shown_as_the_pbx_may_be() {
    for stands_in in [true, false] {
        let policy = may(Onward::Perform, |plan| {
            let owned = Owned::new(vec!["+12125550100".into()], Vec::new(), Vec::new());
            let callers =
                Callers { path: "peers.pbx.owns".into(), owned, shown_as: Vec::new(), replaces: true };
            alter(plan, 0, |pbx| pbx.callers = Some(Arc::new(callers)));
            alter(plan, 1, |trunk| {
                trunk.numbers.caller = Form::E164Plus;
                trunk.numbers.substitute = stands_in.then(|| Substitute::Number("+12125550100".into()));
            });
        });
        let mut edge = Edge::under(policy);
        let text = Request::new("INVITE", TRUNK).text().replace("<sip:+12125550100@", "<sip:+13125550199@");
        assert!(text.contains("From: <sip:+13125550199@"), "{text}");
        let invite = invites(&edge.hear(from(TRUNK), &text), PBX).remove(0);
        let seen = redirects(&mut edge, &invite, &sip(GOOD), PBX);
        if stands_in {
            let shown = header(&invites(&seen, TRUNK).remove(0), "From");
            assert!(shown.starts_with("<sip:+12125550100@"), "{shown}");
        } else {
            assert!(invites(&seen, TRUNK).is_empty());
            assert_eq!((seen.statuses(TRUNK), seen.codes()), (vec![403], vec![32219]));
            assert!(seen.alerts[0].text.contains("caller_not_owned"), "{}", seen.alerts[0].text);
            is_over(&mut edge);
        }
    }
}
