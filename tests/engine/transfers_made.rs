//! Calls that the edge transfers itself (`transfers: perform`): both sides hear each other after it, and nothing is left behind.

use std::net::SocketAddr;
use std::time::Duration;

use ringfence::call::CallRecord;
use ringfence::media::order::{MediaLeg, Order};
use ringfence::policy::Plan;
use ringfence::policy::peer::Onward;
use ringfence::sip::Message;

use super::edge::{PBX, Seen, TRUNK, alter, at, from};
use super::media_rig::{Site, anchored_with, body, plain, port, response, sdp, with_body};
use super::targets::{SPARE, invites};
use super::texts::{Request, answer, header, tag};
use super::transfers::{GOOD, PREMIUM, asked, may};

pub fn under(change: impl FnOnce(&mut Plan)) -> Site {
    Site::under(anchored_with(
        |_, _| {},
        |plan| {
            may(plan, Onward::Perform);
            change(plan);
        },
    ))
}

/// Where one of them has its media.
pub fn speech(of: &str) -> String {
    plain(&at(of).ip().to_string(), 4_000)
}

/// A call that is up, as its peers know it.
pub struct Up {
    pub caller: &'static str,
    pub called: &'static str,
    pub invite: Message,
    pub ok: Message,
}

impl Up {
    pub fn begin(site: &mut Site, caller: &'static str) -> Self {
        let called = if caller == PBX { TRUNK } else { PBX };
        let invite = with_body(Request::new("INVITE", caller), &speech(caller));
        let seen = site.hear(from(caller), &invite.text());
        let invite = invites(&seen, called).remove(0);
        let seen = site.hear(from(called), &response(&invite, 200, called, &speech(called), ""));
        let ok = seen.to(caller).into_iter().find(|one| one.status() == Some(200)).unwrap();
        let up = Self { caller, called, invite, ok };
        site.hear(from(caller), &up.of(caller, "ACK", 1).text());
        up
    }

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
                (r.from_tag, r.to_tag) = ("b-1".into(), tag(self.invite.from_tag()));
            }
        })
    }

    pub fn refer(&self, who: &str, to: &str) -> Request {
        self.of(who, "REFER", 50).with(|r| r.more = format!("Refer-To: <sip:{to}@203.0.113.9>\r\n"))
    }
}

/// What the status line in a NOTIFY says, and how its subscription stands.
pub fn news(seen: &Seen, to: &str) -> Vec<(String, String)> {
    let told = asked(seen, "NOTIFY", to).into_iter().map(|notify| {
        assert!(header(&notify, "Event").starts_with("refer;id=50"));
        assert_eq!(header(&notify, "Content-Type"), "message/sipfrag;version=2.0");
        (body(&notify).trim_end().to_owned(), header(&notify, "Subscription-State"))
    });
    told.collect()
}

pub fn final_news(line: &str) -> Vec<(String, String)> {
    vec![(line.to_owned(), "terminated;reason=noresource".to_owned())]
}

/// A transfer that is under way: who asked was told, and the number is called.
fn begin(site: &mut Site, up: &Up, who: &str) -> Message {
    let seen = site.hear(from(who), &up.refer(who, GOOD).text());
    assert_eq!((seen.statuses(who), seen.codes()), (vec![202], vec![]), "{:?}", seen.alerts);
    assert_eq!(news(&seen, who), [("SIP/2.0 100 Trying".to_owned(), "active;expires=60".to_owned())]);
    let notify = asked(&seen, "NOTIFY", who).remove(0);
    site.hear(from(who), &answer(&notify, 200, "", who));
    let invite = invites(&seen, TRUNK).remove(0);
    assert_eq!(String::from_utf8_lossy(invite.request_uri()), format!("sip:{GOOD}@198.51.100.5:5060"));
    assert!(body(&invite).contains("m=audio"));
    site.hear(
        from(TRUNK),
        &answer(&invite, 180, "n", TRUNK)
            .replace("Content-Type: application/sdp\r\n", "")
            .replacen(super::texts::SDP, "", 1)
            .replace(&format!("Content-Length: {}", super::texts::SDP.len()), "Content-Length: 0"),
    );
    invite
}

/// Whoever is called answers: what follows, and the re-INVITE that whoever stays hears.
fn answered(site: &mut Site, invite: &Message, stays: &str) -> (Seen, Message) {
    let seen =
        site.hear(from(TRUNK), &response(invite, 200, TRUNK, &sdp("198.51.100.5", 4_400, "RTP/AVP", ""), ""));
    let again = invites(&seen, stays).into_iter().find(|one| one.to_tag().is_some()).unwrap();
    (seen, again)
}

/// Where the relay sends what it hears, by leg, as it was ordered last.
pub fn ways(seen: &Seen) -> Vec<(bool, Option<SocketAddr>, bool)> {
    let terms = seen.media.iter().filter_map(|order| match order {
        Order::Set { spot, terms } => {
            Some((spot.leg == MediaLeg::B, terms.remote, terms.sends && terms.receives))
        }
        Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => None,
    });
    terms.collect()
}

pub fn end(site: &mut Site) -> Vec<CallRecord> {
    let records = site.pass(Duration::from_secs(300)).records;
    site.edge.assert_empty();
    site.assert_silent("all over");
    records
}

const WAYS: [(&str, &str); 4] = [(PBX, PBX), (PBX, TRUNK), (TRUNK, PBX), (TRUNK, TRUNK)];

#[test]
fn c1_a_transfer_to_a_permitted_number_is_made_and_both_sides_hear_each_other() {
    for (caller, who) in WAYS {
        let mut site = under(|_| {});
        let up = Up::begin(&mut site, caller);
        let stays = up.other(who);
        let invite = begin(&mut site, &up, who);
        let held = site.edge.status().0.reserved;
        assert!(held.contains(&("peer pbx".to_owned(), 2)), "{held:?}");
        let (seen, again) = answered(&mut site, &invite, stays);
        assert_eq!(news(&seen, who), final_news("SIP/2.0 200 OK"), "{caller} {who}");
        assert_eq!(asked(&seen, "ACK", TRUNK).len(), 1);
        assert!(asked(&seen, "BYE", PBX).is_empty() && asked(&seen, "BYE", TRUNK).is_empty());
        let first = seen.records.into_iter().next().unwrap();
        assert_eq!(first.why, format!("transferred to {GOOD}"));
        // It is the same dialog, and a description that follows the last one.
        assert_eq!(again.call_id(), up.of(stays, "BYE", 1).call_id.as_bytes());
        let mut seen = site.hear(from(stays), &response(&again, 200, stays, &speech(stays), ""));
        assert_eq!(asked(&seen, "ACK", stays).len(), 1);
        let ways = ways(&seen);
        let there: SocketAddr = format!("{}:4000", at(stays).ip()).parse().unwrap();
        let new: SocketAddr = "198.51.100.5:4400".parse().unwrap();
        assert!(ways.contains(&(false, Some(there), true)), "{ways:?}");
        assert!(ways.contains(&(true, Some(new), true)), "{ways:?}");
        let (inner, outer) = (port(&body(&again)), port(&body(&invite)));
        let listens = [site.listens("10.0.0.1"), site.listens("192.0.2.1")].concat();
        assert_eq!((listens.contains(&inner), listens.contains(&outer), listens.len()), (true, true, 2));
        // Who asked has the time to hang up, and then is hung up on.
        seen = site.pass(Duration::from_secs(5));
        let bye = asked(&seen, "BYE", who).remove(0);
        site.hear(from(who), &answer(&bye, 200, "", who));
        let held = site.edge.status().0.reserved;
        assert!(held.contains(&("peer pbx".to_owned(), if stays == PBX { 2 } else { 1 })), "{held:?}");
        let seen = site.hear(from(stays), &up.of(stays, "BYE", 60).text());
        assert_eq!(seen.statuses(stays), [200]);
        let bye = asked(&seen, "BYE", TRUNK).remove(0);
        let mut records = seen.records;
        records.extend(site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK)).records);
        records.extend(end(&mut site));
        let [second] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((&*second.to, second.follows, second.status), (GOOD, Some(first.id), 200));
        assert_eq!((second.legs.len(), first.follows), (2, None));
        assert!(second.trail[0].rule.ends_with(".transfers"), "{:?}", second.trail[0]);
    }
}

#[test]
fn c1_who_asks_may_hang_up_at_once_and_the_transfer_goes_on() {
    for (caller, who) in WAYS {
        let mut site = under(|_| {});
        let up = Up::begin(&mut site, caller);
        let stays = up.other(who);
        let invite = begin(&mut site, &up, who);
        let seen = site.hear(from(who), &up.of(who, "BYE", 51).text());
        assert_eq!((seen.statuses(who), seen.sent.len(), seen.records.len()), (vec![200], 1, 0));
        // Meanwhile whoever stays may ask for something.
        for (method, cseq, status) in [("OPTIONS", 51, 200), ("INVITE", 52, 491), ("REFER", 53, 491)] {
            let request = up.of(stays, method, cseq).with(|r| {
                if method == "REFER" {
                    r.more = format!("Refer-To: <sip:{GOOD}@203.0.113.9>\r\n");
                }
                r.body = r.body.replace("4000", "4002");
            });
            let seen = site.hear(from(stays), &request.text());
            assert_eq!(seen.statuses(stays).last(), Some(&status), "{method}");
            if method == "INVITE" {
                site.hear(
                    from(stays),
                    &up.of(stays, "ACK", 52)
                        .with(|r| r.branch = "z9hG4bK-".to_owned() + stays + "-INVITE-52")
                        .text(),
                );
            }
        }
        let (seen, again) = answered(&mut site, &invite, stays);
        assert!(news(&seen, who).is_empty());
        let seen = site.hear(from(stays), &response(&again, 200, stays, &speech(stays), ""));
        assert_eq!((asked(&seen, "ACK", stays).len(), ways(&seen).len()), (1, 2));
        let seen = site.hear(from(TRUNK), &of_called(&invite, "BYE").text());
        let bye = asked(&seen, "BYE", stays);
        let bye = bye.first().unwrap_or_else(|| panic!("{caller} {who} {:?}", seen));
        site.hear(from(stays), &answer(bye, 200, "", stays));
        end(&mut site);
    }
}

/// A request of whoever was called for a transfer.
fn of_called(invite: &Message, method: &str) -> Request {
    Request::new(method, TRUNK).with(|r| {
        r.call_id = String::from_utf8(invite.call_id().to_vec()).unwrap();
        (r.from_tag, r.to_tag) = ("b-1".into(), tag(invite.from_tag()));
        r.cseq = 70;
        r.branch = format!("z9hG4bK-called-{method}");
    })
}

#[test]
fn c1_a_transfer_that_comes_to_nothing_leaves_the_call_as_it_was() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, TRUNK);
    let invite = begin(&mut site, &up, PBX);
    let seen = site.hear(from(TRUNK), &response(&invite, 486, TRUNK, "", ""));
    assert_eq!(news(&seen, PBX), final_news("SIP/2.0 486 Busy Here"));
    let [failed] = seen.records.as_slice() else { panic!("{:?}", seen.records) };
    assert_eq!((failed.status, failed.follows.is_some()), (486, true));
    assert!(asked(&seen, "BYE", TRUNK).is_empty() && asked(&seen, "BYE", PBX).is_empty());
    // Another one may follow.
    let again = up.refer(PBX, GOOD).with(|r| {
        r.cseq = 51;
        r.branch += "-2";
    });
    assert_eq!(site.hear(from(PBX), &again.text()).statuses(PBX), [202]);
    let seen = site.hear(from(PBX), &up.of(PBX, "BYE", 90).text());
    assert_eq!(seen.statuses(PBX), [200], "and it goes on without who asked");
    let seen = site.hear(from(TRUNK), &up.of(TRUNK, "BYE", 90).text());
    assert_eq!(seen.statuses(TRUNK), [200]);
    end(&mut site);
}

#[test]
fn c1_where_who_asked_has_gone_a_transfer_that_fails_ends_the_call() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, TRUNK);
    let invite = begin(&mut site, &up, PBX);
    site.hear(from(PBX), &up.of(PBX, "BYE", 51).text());
    let seen = site.hear(from(TRUNK), &response(&invite, 486, TRUNK, "", ""));
    let bye = asked(&seen, "BYE", TRUNK).remove(0);
    assert!(header(&bye, "Reason").contains("could not be transferred"));
    assert_eq!(seen.records.len(), 2);
    site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    end(&mut site);
}

#[test]
fn c1_who_is_transferred_may_hang_up_before_anybody_answers() {
    for leaves in [false, true] {
        let mut site = under(|_| {});
        let up = Up::begin(&mut site, TRUNK);
        let invite = begin(&mut site, &up, PBX);
        if leaves {
            site.hear(from(PBX), &up.of(PBX, "BYE", 51).text());
        }
        let seen = site.hear(from(TRUNK), &up.of(TRUNK, "BYE", 51).text());
        assert_eq!(asked(&seen, "CANCEL", TRUNK).len(), 1);
        assert_eq!(asked(&seen, "BYE", PBX).len(), usize::from(!leaves));
        assert_eq!(news(&seen, PBX).len(), usize::from(!leaves));
        if let Some(bye) = asked(&seen, "BYE", PBX).first() {
            site.hear(from(PBX), &answer(bye, 200, "", PBX));
        }
        site.hear(from(TRUNK), &response(&invite, 487, TRUNK, "", ""));
        end(&mut site);
    }
}

#[test]
fn c1_whoever_is_called_may_hang_up_at_once_and_nobody_answers_is_an_end_too() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, TRUNK);
    let invite = begin(&mut site, &up, PBX);
    let seen = site.pass(Duration::from_secs(200));
    // It rang for too long; copies come until they are answered.
    assert!(news(&seen, PBX).iter().all(|one| *one == final_news("SIP/2.0 480 Temporarily Unavailable")[0]));
    assert!(!news(&seen, PBX).is_empty() && !asked(&seen, "CANCEL", TRUNK).is_empty());
    site.hear(from(TRUNK), &response(&invite, 487, TRUNK, "", ""));
    let seen = site.hear(from(PBX), &up.of(PBX, "BYE", 90).text());
    let bye = asked(&seen, "BYE", TRUNK).remove(0);
    site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    end(&mut site);
}

#[test]
fn c1_a_transfer_goes_to_the_next_target_where_one_does_not_take_it() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, PBX);
    let seen = site.hear(from(PBX), &up.refer(PBX, GOOD).text());
    let invite = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&invite, 503, TRUNK, "", ""));
    let second = invites(&seen, SPARE).remove(0);
    let seen = site.hear(from(SPARE), &response(&second, 200, SPARE, &plain("198.51.100.6", 4_600), ""));
    assert_eq!(news(&seen, PBX), final_news("SIP/2.0 200 OK"));
}

#[test]
fn c1_who_wants_no_news_of_a_transfer_gets_none_and_is_told_so() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, PBX);
    let quiet = up.refer(PBX, GOOD).with(|r| r.more += "Refer-Sub: false\r\n");
    let seen = site.hear(from(PBX), &quiet.text());
    let ok = seen.to(PBX).remove(0);
    assert_eq!((ok.status(), header(&ok, "Refer-Sub")), (Some(200), "false".to_owned()));
    assert!(asked(&seen, "NOTIFY", PBX).is_empty());
    let (seen, _) = answered(&mut site, &invites(&seen, TRUNK).remove(0), TRUNK);
    assert!(asked(&seen, "NOTIFY", PBX).is_empty());
}

#[test]
fn c1_a_transfer_is_charged_to_who_asks_and_given_back_once() {
    let mut site = under(|plan| alter(plan, 0, |pbx| pbx.concurrent_calls_max = 1));
    let up = Up::begin(&mut site, PBX);
    let seen = site.hear(from(PBX), &up.refer(PBX, GOOD).text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32218]));
    assert!(seen.alerts[0].text.contains("10004"), "{}", seen.alerts[0].text);
    let seen = site.hear(
        from(PBX),
        &up.refer(PBX, PREMIUM)
            .with(|r| {
                r.cseq = 51;
                r.branch += "-2";
            })
            .text(),
    );
    assert_eq!(seen.codes(), [32218]);
    assert_eq!(site.edge.status().0.reserved.iter().find(|(name, _)| name == "peer pbx").unwrap().1, 1);
}

#[test]
fn c1_a_transfer_makes_no_call_longer() {
    let mut site = under(|plan| {
        use ringfence::policy::rules::{Entry, MaxDuration, Rule};
        plan.rules.outbound.push(Entry::enforced(
            "long",
            Rule::MaxDuration(MaxDuration { duration_max: Duration::from_secs(600) }),
        ));
    });
    let up = Up::begin(&mut site, PBX);
    site.pass(Duration::from_secs(400));
    let invite = begin(&mut site, &up, PBX);
    let (_, again) = answered(&mut site, &invite, TRUNK);
    site.hear(from(TRUNK), &response(&again, 200, TRUNK, &speech(TRUNK), ""));
    let seen = site.pass(Duration::from_secs(195));
    assert!(!seen.codes().contains(&32013), "{:?}", seen.codes());
    let seen = site.pass(Duration::from_secs(10));
    assert!(asked(&seen, "BYE", TRUNK).len() >= 2, "{:?}", seen.codes());
}

#[test]
fn c1_who_stays_and_takes_no_media_of_the_new_call_ends_it() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, TRUNK);
    let invite = begin(&mut site, &up, PBX);
    let (_, again) = answered(&mut site, &invite, TRUNK);
    let seen = site.hear(from(TRUNK), &response(&again, 488, TRUNK, "", ""));
    assert_eq!(asked(&seen, "BYE", TRUNK).len(), 2);
    for bye in asked(&seen, "BYE", TRUNK) {
        site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    }
    end(&mut site);
}

#[test]
fn c1_a_call_on_hold_is_freed_by_its_transfer() {
    let mut site = under(|_| {});
    let up = Up::begin(&mut site, TRUNK);
    let hold = sdp("10.0.0.2", 4_000, "RTP/AVP", "a=sendonly\r\n");
    let seen = site.hear(from(PBX), &with_body(up.of(PBX, "INVITE", 40), &hold).text());
    let invite = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(
        from(TRUNK),
        &response(&invite, 200, TRUNK, &sdp("198.51.100.5", 4_000, "RTP/AVP", "a=recvonly\r\n"), ""),
    );
    assert_eq!(seen.statuses(PBX), [200]);
    site.hear(from(PBX), &up.of(PBX, "ACK", 40).text());
    let invite = begin(&mut site, &up, PBX);
    assert!(!body(&invite).contains("only"), "{}", body(&invite));
    let (_, again) = answered(&mut site, &invite, TRUNK);
    assert!(!body(&again).contains("only"), "{}", body(&again));
}
