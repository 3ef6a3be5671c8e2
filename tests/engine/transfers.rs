//! Calls that a peer in them transfers (REFER): row C1 of the attacks, in every mode.

use std::sync::Arc;
use std::time::Duration;

use ringfence::policy::form::Form;
use ringfence::policy::peer::Onward;
use ringfence::policy::rules::{Blocklist, Entry, Rule};
use ringfence::policy::{Plan, Policy};
use ringfence::sip::Message;

use super::edge::{Edge, PBX, Seen, TRUNK, alter, from, plan};
use super::targets::invites;
use super::texts::{Request, answer, header, tag};

/// A number that may be called, and one that may not.
pub const GOOD: &str = "+13125550177";
pub const PREMIUM: &str = "+19005550177";

/// Both sides may transfer so; premium numbers are blocked.
pub fn may(plan: &mut Plan, mode: Onward) {
    for peer in [0, 1] {
        alter(plan, peer, |peer| peer.transfers = mode);
    }
    let premium = Blocklist::new(["+1900"], []).unwrap();
    plan.rules.outbound.push(Entry::enforced("premium", Rule::Blocklist(premium)));
}

fn under(mode: Onward, change: impl FnOnce(&mut Plan)) -> Arc<Policy> {
    plan(|plan| {
        may(plan, mode);
        change(plan);
    })
}

/// A call that is up, as its peers know it.
pub struct Up {
    pub caller: &'static str,
    pub called: &'static str,
    invite: Message,
    ok: Message,
}

impl Up {
    /// INVITE, 200 and ACK.
    pub fn begin(edge: &mut Edge, caller: &'static str) -> Self {
        let called = if caller == PBX { TRUNK } else { PBX };
        let seen = edge.hear(from(caller), &Request::new("INVITE", caller).text());
        let invite = invites(&seen, called).remove(0);
        let seen = edge.hear(from(called), &answer(&invite, 200, "b", called));
        let ok = seen.to(caller).into_iter().find(|one| one.status() == Some(200)).unwrap();
        let up = Self { caller, called, invite, ok };
        edge.hear(from(caller), &up.of(caller, "ACK", 1).text());
        up
    }

    /// Who talks to this one.
    pub fn other(&self, than: &str) -> &'static str {
        if than == self.caller { self.called } else { self.caller }
    }

    /// A request of one of them within it.
    pub fn of(&self, who: &str, method: &str, cseq: u32) -> Request {
        Request::new(method, who).with(|r| {
            r.cseq = cseq;
            r.branch = format!("z9hG4bK-{who}-{method}-{cseq}");
            if who == self.caller {
                r.to_tag = tag(self.ok.to_tag());
            } else {
                r.call_id = String::from_utf8(self.invite.call_id().to_vec()).unwrap();
                (r.from_tag, r.to_tag) = ("b".into(), tag(self.invite.from_tag()));
            }
        })
    }

    /// A REFER of one of them.
    pub fn refer(&self, who: &str, to: &str) -> Request {
        self.of(who, "REFER", 50).with(|r| r.more = format!("Refer-To: {to}\r\n"))
    }
}

fn sip(number: &str) -> String {
    format!("<sip:{number}@203.0.113.9>")
}

/// Requests of a method that were sent to an address.
pub fn asked(seen: &Seen, method: &str, of: &str) -> Vec<Message> {
    let is = |one: &Message| one.is_request() && one.method().as_bytes() == method.as_bytes();
    seen.to(of).into_iter().filter(is).collect()
}

/// The call is still up and ends as any other.
fn ends(edge: &mut Edge, up: &Up, who: &str) -> Seen {
    let mut seen = edge.hear(from(who), &up.of(who, "BYE", 90).text());
    assert_eq!(seen.statuses(who), [200]);
    let bye = asked(&seen, "BYE", up.other(who)).remove(0);
    let more = edge.hear(from(up.other(who)), &answer(&bye, 200, "b", up.other(who)));
    seen.records.extend(more.records);
    seen.records.extend(edge.pass(Duration::from_secs(300)).records);
    edge.assert_empty();
    seen
}

const ALL: [(Onward, &str, &str); 12] = [
    (Onward::Refuse, PBX, PBX),
    (Onward::Refuse, PBX, TRUNK),
    (Onward::Refuse, TRUNK, PBX),
    (Onward::Refuse, TRUNK, TRUNK),
    (Onward::JudgeAndPass, PBX, PBX),
    (Onward::JudgeAndPass, PBX, TRUNK),
    (Onward::JudgeAndPass, TRUNK, PBX),
    (Onward::JudgeAndPass, TRUNK, TRUNK),
    (Onward::Perform, PBX, PBX),
    (Onward::Perform, PBX, TRUNK),
    (Onward::Perform, TRUNK, PBX),
    (Onward::Perform, TRUNK, TRUNK),
];

#[test]
fn c1_a_transfer_to_a_premium_number_is_refused_in_every_mode_and_from_both_sides() {
    for (mode, caller, who) in ALL {
        let mut edge = Edge::under(under(mode, |_| {}));
        let up = Up::begin(&mut edge, caller);
        let seen = edge.hear(from(who), &up.refer(who, &sip(PREMIUM)).text());
        assert_eq!((seen.statuses(who), seen.codes()), (vec![403], vec![32218]), "{mode:?} {caller} {who}");
        assert_eq!(seen.sent.len(), 1, "{mode:?}: nothing but the refusal leaves");
        let call;
        if mode == Onward::Refuse {
            // Nobody reads what it asks for.
            assert!(seen.records.is_empty());
            call = ends(&mut edge, &up, who).records;
        } else {
            let [record] = seen.records.as_slice() else { panic!("{mode:?}: {:?}", seen.records) };
            assert_eq!((record.status, record.code), (403, Some(32218)));
            assert!(seen.alerts[0].text.contains("32203 number_blocked"), "{}", seen.alerts[0].text);
            assert_eq!((&*record.to, seen.alerts[0].to.as_deref()), (PREMIUM, Some(PREMIUM)));
            assert!(record.trail.iter().any(|step| &*step.rule == "premium"), "{:?}", record.trail);
            call = ends(&mut edge, &up, who).records;
            assert_eq!(record.follows, Some(call[0].id));
        }
        assert_eq!(call.len(), 1);
    }
}

#[test]
fn c1_judge_and_pass_names_the_number_at_this_edge_and_nothing_raw() {
    for (caller, who) in [(PBX, PBX), (PBX, TRUNK), (TRUNK, PBX), (TRUNK, TRUNK)] {
        let policy = under(Onward::JudgeAndPass, |plan| {
            alter(plan, 1, |trunk| trunk.numbers.called = Form::E164);
        });
        let mut edge = Edge::under(policy);
        let up = Up::begin(&mut edge, caller);
        let other = up.other(who);
        let raw = format!("\"Bob\" <sip:{GOOD}@203.0.113.9:5099;x=y?Route=%3Csip:203.0.113.9%3E&X-A=b>;z=1");
        let refer = up.refer(who, &raw).with(|r| {
            r.more += "Referred-By: <sip:secret@10.0.0.2>\r\nX-Raw: 203.0.113.9\r\n";
        });
        let seen = edge.hear(from(who), &refer.text());
        assert!(seen.codes().is_empty(), "{:?}", seen.alerts);
        let told = asked(&seen, "REFER", other).remove(0);
        let (here, number) = if other == PBX {
            ("10.0.0.1:5060", GOOD)
        } else {
            ("192.0.2.1:5060", GOOD.trim_start_matches('+'))
        };
        assert_eq!(header(&told, "Refer-To"), format!("<sip:{number}@{here}>"));
        assert!(header(&told, "Contact").contains(here));
        let text = String::from_utf8_lossy(told.bytes()).into_owned();
        assert!(
            !text.contains("203.0.113.9") && !text.contains("Referred-By") && !text.contains("Bob"),
            "{text}"
        );
        // News come before the answer, and then the answer.
        let news = |cseq, state: &str, event: &str, line: &str| {
            up.of(other, "NOTIFY", cseq).with(|r| {
                r.more = format!(
                    "Event: {event}\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
                );
                r.body = format!("{line}\r\nVia: SIP/2.0/UDP 203.0.113.9\r\n\r\n");
            })
        };
        let id = format!("refer;id={}", told.cseq().number);
        let seen = edge.hear(from(other), &news(60, "active;expires=60", &id, "SIP/2.0 100 Trying").text());
        let notify = asked(&seen, "NOTIFY", who).remove(0);
        assert_eq!(header(&notify, "Event"), "refer;id=50");
        assert_eq!(header(&notify, "Subscription-State"), "active;expires=60");
        assert_eq!(header(&notify, "Content-Type"), "message/sipfrag;version=2.0");
        assert_eq!(notify.body(), b"SIP/2.0 100 Trying\r\n");
        let seen = edge.hear(from(who), &answer(&notify, 200, "", who));
        assert_eq!(seen.statuses(other), [200]);
        let seen = edge.hear(from(other), &answer(&told, 202, "", other));
        assert_eq!(seen.statuses(who), [202]);
        let seen = edge.hear(
            from(other),
            &news(61, "terminated;reason=<x>", "refer", "SIP/2.0 486 Call 10.0.0.2").text(),
        );
        let notify = asked(&seen, "NOTIFY", who).remove(0);
        assert_eq!(header(&notify, "Event"), "refer");
        assert_eq!(header(&notify, "Subscription-State"), "terminated;reason=noresource");
        assert_eq!(notify.body(), b"SIP/2.0 486 Busy Here\r\n");
        edge.hear(from(who), &answer(&notify, 200, "", who));
        // It has ended.
        let seen = edge.hear(from(other), &news(62, "active", "refer", "SIP/2.0 100 Trying").text());
        assert_eq!((seen.statuses(other), seen.sent.len()), (vec![481], 1));
        assert_eq!(ends(&mut edge, &up, who).records.len(), 1);
    }
}

#[test]
fn c1_news_that_are_no_news_of_a_transfer_do_not_cross() {
    const KIND: &str = "Content-Type: message/sipfrag\r\n";
    #[rustfmt::skip]
    let table = [
        ("Event: presence\r\nSubscription-State: active\r\n", KIND, "SIP/2.0 100 Trying\r\n", 489),
        ("Subscription-State: active\r\n", KIND, "SIP/2.0 100 Trying\r\n", 489),
        ("Event: refer;id=77\r\nSubscription-State: active\r\n", KIND, "SIP/2.0 100 Trying\r\n", 481),
        ("Event: refer\r\n", KIND, "SIP/2.0 100 Trying\r\n", 400),
        ("Event: refer\r\nSubscription-State: maybe\r\n", KIND, "SIP/2.0 100 Trying\r\n", 400),
        ("Event: refer\r\nSubscription-State: active\r\n", "Content-Type: application/sdp\r\n", "SIP/2.0 100 Trying\r\n", 400),
        ("Event: refer\r\nSubscription-State: active\r\n", KIND, "INVITE sip:a SIP/2.0\r\n", 400),
        ("Event: refer\r\nSubscription-State: active\r\n", "", "", 400),
    ];
    let mut edge = Edge::under(under(Onward::JudgeAndPass, |_| {}));
    let up = Up::begin(&mut edge, PBX);
    let unasked = up.of(TRUNK, "NOTIFY", 59).with(|r| r.more = "Event: refer\r\n".into());
    assert_eq!(edge.hear(from(TRUNK), &unasked.text()).statuses(TRUNK), [481]);
    edge.hear(from(PBX), &up.refer(PBX, &sip(GOOD)).text());
    for (at, (lines, kind, body, status)) in (60..).zip(table) {
        let notify = up.of(TRUNK, "NOTIFY", at).with(|r| {
            r.more = format!("{lines}{kind}");
            r.body = body.into();
        });
        let seen = edge.hear(from(TRUNK), &notify.text());
        assert_eq!((seen.statuses(TRUNK), asked(&seen, "NOTIFY", PBX).len()), (vec![status], 0), "{lines}");
    }
    // Whoever asked tells nothing.
    let own = up.of(PBX, "NOTIFY", 70).with(|r| r.more = "Event: refer\r\n".into());
    assert_eq!(edge.hear(from(PBX), &own.text()).statuses(PBX), [481]);
}

#[test]
fn c1_who_wants_no_news_gets_none() {
    let mut edge = Edge::under(under(Onward::JudgeAndPass, |_| {}));
    let up = Up::begin(&mut edge, PBX);
    let quiet = up.refer(PBX, &sip(GOOD)).with(|r| r.more += "Refer-Sub: false\r\n");
    let seen = edge.hear(from(PBX), &quiet.text());
    let told = asked(&seen, "REFER", TRUNK).remove(0);
    assert_eq!(header(&told, "Refer-Sub"), "false");
    let text = answer(&told, 200, "", TRUNK).replacen("\r\n", "\r\nRefer-Sub: false\r\n", 1);
    let ok = edge.hear(from(TRUNK), &text).to(PBX).remove(0);
    assert_eq!((ok.status(), header(&ok, "Refer-Sub")), (Some(200), "false".to_owned()));
    ends(&mut edge, &up, PBX);
}

#[test]
fn b10_c1_a_refer_that_cannot_be_read_or_says_where_to_send_goes_nowhere() {
    let long = format!("<sip:{GOOD}@203.0.113.9;x={}>", "x".repeat(1_100));
    let two = format!("{}\r\nRefer-To: {}", sip(GOOD), sip(GOOD));
    let list = format!("{}, {}", sip(GOOD), sip(GOOD));
    let names = |name: &str| format!("<sip:{GOOD}@203.0.113.9?Replaces={name}>");
    #[rustfmt::skip]
    let table = [
        (format!("<sip:{GOOD}@203.0.113.9;maddr=203.0.113.9>"), 403),
        (format!("<sip:{GOOD}@203.0.113.9;ttl=1>"), 403),
        (format!("<sip:{GOOD}:secret@203.0.113.9>"), 403),
        ("<urn:service:sos>".to_owned(), 403),
        ("<http://example.com/>".to_owned(), 403),
        ("<sip:203.0.113.9>".to_owned(), 403),
        (names("a%3Bto-tag%3Db%3Bfrom-tag%3Dc"), 403),
        (names("a%3Bto-tag%3Db"), 400),
        (long, 400),
        (two, 400),
        (list, 400),
        ("nonsense".to_owned(), 400),
        ("<sip:+12125550100@203.0.113.9>".to_owned(), 482),
        ("<sip:+13125550199@203.0.113.9>".to_owned(), 482),
    ];
    for mode in [Onward::JudgeAndPass, Onward::Perform] {
        for (to, status) in &table {
            let mut edge = Edge::under(under(mode, |_| {}));
            let up = Up::begin(&mut edge, PBX);
            let seen = edge.hear(from(PBX), &up.refer(PBX, to).text());
            assert_eq!((seen.statuses(PBX), seen.sent.len()), (vec![*status], 1), "{mode:?} {to}");
            assert!(asked(&seen, "REFER", TRUNK).is_empty() && invites(&seen, TRUNK).is_empty());
            ends(&mut edge, &up, PBX);
        }
        let mut edge = Edge::under(under(mode, |_| {}));
        let up = Up::begin(&mut edge, PBX);
        let seen = edge.hear(from(PBX), &up.of(PBX, "REFER", 50).text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![400], vec![32112]));
    }
}

#[test]
fn c1_a_trunk_may_name_an_international_number_and_nothing_else() {
    for (user, status) in [(GOOD, None), ("13125550177", Some(403)), ("911", Some(403)), ("bob", Some(403))] {
        let mut edge = Edge::under(under(Onward::JudgeAndPass, |_| {}));
        let up = Up::begin(&mut edge, PBX);
        let seen = edge.hear(from(TRUNK), &up.refer(TRUNK, &sip(user)).text());
        assert_eq!(seen.statuses(TRUNK).first().copied(), status, "{user}");
        assert_eq!(asked(&seen, "REFER", PBX).len(), usize::from(status.is_none()), "{user}");
    }
}

#[test]
fn c1_outside_a_call_and_while_another_change_is_under_way_there_is_no_transfer() {
    let mut edge = Edge::under(under(Onward::JudgeAndPass, |_| {}));
    let alone = Request::new("REFER", PBX).with(|r| r.more = format!("Refer-To: {}\r\n", sip(GOOD)));
    let seen = edge.hear(from(PBX), &alone.text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32218]));
    let unknown = alone.with(|r| {
        r.to_tag = "abc".into();
        r.branch += "-2";
    });
    assert_eq!(edge.hear(from(PBX), &unknown.text()).statuses(PBX), [481]);
    let up = Up::begin(&mut edge, PBX);
    let first = edge.hear(from(PBX), &up.refer(PBX, &sip(GOOD)).text());
    let again = up.refer(PBX, &sip(GOOD)).with(|r| {
        r.cseq = 51;
        r.branch += "-2";
    });
    assert_eq!(edge.hear(from(PBX), &again.text()).statuses(PBX), [491]);
    let told = asked(&first, "REFER", TRUNK).remove(0);
    assert_eq!(edge.hear(from(TRUNK), &answer(&told, 603, "", TRUNK)).statuses(PBX), [603]);
    let moves = up.of(PBX, "INVITE", 52).with(|r| r.body = super::texts::moved(1));
    edge.hear(from(PBX), &moves.text());
    let third = again.with(|r| {
        r.cseq = 53;
        r.branch += "-3";
    });
    assert_eq!(edge.hear(from(PBX), &third.text()).statuses(PBX), [491]);
}
