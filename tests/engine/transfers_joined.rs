//! Two calls of one peer that it joins without itself (REFER with Replaces, `transfers: perform`).

use std::time::Duration;

use ringfence::policy::rules::{Entry, Forwarded, MaxDuration, Rule};

use super::edge::{PBX, TRUNK, alter, from};
use super::emergency::dialling;
use super::media_rig::{Site, plain, response, sdp, with_body};
use super::targets::invites;
use super::texts::{Request, answer, tag};
use super::transfers::{GOOD, asked};
use super::transfers_made::{Up, end, final_news, news, speech, under, ways};

/// Refer-To that names the dialog of the PBX in a call.
fn names(up: &Up) -> String {
    let (call_id, theirs) = if up.caller == PBX {
        ("call-1%40example.com".to_owned(), "from-1".to_owned())
    } else {
        (String::from_utf8(up.invite.call_id().to_vec()).unwrap(), "b-1".to_owned())
    };
    let ours = if up.caller == PBX { tag(up.ok.to_tag()) } else { tag(up.invite.from_tag()) };
    format!("<sip:{GOOD}@203.0.113.9?X=y&Replaces={call_id}%3Bto-tag%3D{ours}%3Bfrom-tag%3D{theirs}>")
}

fn refers_to(up: &Up, to: &str, cseq: u32) -> Request {
    up.of(PBX, "REFER", cseq).with(|r| r.more = format!("Refer-To: {to}\r\n"))
}

#[test]
fn c1_two_calls_of_one_peer_become_one_without_it() {
    for (first, second) in [(TRUNK, PBX), (PBX, TRUNK)] {
        let mut site = under(|_| {});
        let (one, two) = (Up::begin(&mut site, first), Up::begin(&mut site, second));
        let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![202], vec![]), "{:?}", seen.alerts);
        assert_eq!(news(&seen, PBX), final_news("SIP/2.0 200 OK"));
        let [ended] = seen.records.as_slice() else { panic!("{:?}", seen.records) };
        assert!(ended.why.starts_with("transferred to "), "{}", ended.why);
        // Who asked is hung up on where it is replaced.
        let bye = asked(&seen, "BYE", PBX).remove(0);
        assert_eq!(bye.call_id(), two.of(PBX, "BYE", 1).call_id.as_bytes());
        site.hear(from(PBX), &answer(&bye, 200, "", PBX));
        let notify = asked(&seen, "NOTIFY", PBX).remove(0);
        site.hear(from(PBX), &answer(&notify, 200, "", PBX));
        // Each hears where it talks to now, in its own dialog.
        let again = invites(&seen, TRUNK).remove(0);
        assert_eq!(again.call_id(), two.of(TRUNK, "BYE", 1).call_id.as_bytes());
        let more = sdp("198.51.100.5", 4_400, "RTP/AVP", "");
        let seen = site.hear(from(TRUNK), &response(&again, 200, TRUNK, &more, ""));
        assert_eq!(asked(&seen, "ACK", TRUNK).len(), 1);
        let other = invites(&seen, TRUNK).remove(0);
        assert_eq!(other.call_id(), one.of(TRUNK, "BYE", 1).call_id.as_bytes());
        let seen = site.hear(from(TRUNK), &response(&other, 200, TRUNK, &speech(TRUNK), ""));
        assert_eq!(asked(&seen, "ACK", TRUNK).len(), 1);
        let ways = ways(&seen).into_iter();
        let ports: Vec<_> = ways.filter_map(|(_, place, flows)| flows.then_some(place?.port())).collect();
        assert!(ports.contains(&4_000) && ports.contains(&4_400), "{ports:?}");
        assert_eq!(site.listens("192.0.2.1").len(), 2);
        assert!(site.listens("10.0.0.1").is_empty());
        let seen = site.pass(Duration::from_secs(5));
        let bye = asked(&seen, "BYE", PBX).remove(0);
        assert_eq!(bye.call_id(), one.of(PBX, "BYE", 1).call_id.as_bytes());
        site.hear(from(PBX), &answer(&bye, 200, "", PBX));
        let held = site.edge.status().0.reserved;
        assert!(held.contains(&("peer trunk".to_owned(), 2)), "{held:?}");
        let seen = site.hear(from(TRUNK), &one.of(TRUNK, "BYE", 60).text());
        assert_eq!(seen.statuses(TRUNK), [200]);
        let bye = asked(&seen, "BYE", TRUNK).remove(0);
        assert_eq!(bye.call_id(), two.of(TRUNK, "BYE", 1).call_id.as_bytes());
        let mut records = site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK)).records;
        records.extend(seen.records.iter().cloned());
        records.extend(end(&mut site));
        let [last] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((last.follows, ended.follows), (Some(ended.id), None));
    }
}

#[test]
fn c1_a_call_that_is_named_wrongly_or_is_another_peers_is_joined_by_nobody() {
    let mut site = under(|_| {});
    let (one, two) = (Up::begin(&mut site, TRUNK), Up::begin(&mut site, PBX));
    let right = names(&two);
    let ours = tag(two.ok.to_tag());
    let far = format!(
        "<sip:{GOOD}@a?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3Db-1>",
        String::from_utf8_lossy(two.invite.call_id()),
        tag(two.invite.from_tag())
    );
    #[rustfmt::skip]
    let table = [
        right.replace("call-1", "call-2"),
        right.replace("from-1", "from-2"),
        right.replace(&ours, "0123456789abcdef"),
        right.replace(&ours, "x"),
        // Itself, and the other side of the same call.
        names(&one),
        far,
    ];
    for (cseq, to) in (50..).zip(table) {
        let seen = site.hear(from(PBX), &refers_to(&one, &to, cseq).text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32218]), "{to}");
        assert_eq!(seen.sent.len(), 1, "{to}");
    }
    // Something is under way in it.
    let moves = with_body(two.of(PBX, "INVITE", 52), &plain("10.0.0.2", 4_010));
    site.hear(from(PBX), &moves.text());
    let seen = site.hear(from(PBX), &refers_to(&one, &right, 70).text());
    assert_eq!((seen.statuses(PBX), seen.sent.len()), (vec![491], 1));
}

#[test]
fn c1_where_the_two_find_no_words_for_each_other_the_call_ends() {
    let mut site = under(|_| {});
    let (one, two) = (Up::begin(&mut site, TRUNK), Up::begin(&mut site, PBX));
    let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
    let bye = asked(&seen, "BYE", PBX).remove(0);
    site.hear(from(PBX), &answer(&bye, 200, "", PBX));
    let again = invites(&seen, TRUNK).remove(0);
    // Both asked at once: it is asked once more.
    site.hear(from(TRUNK), &response(&again, 491, TRUNK, "", ""));
    let seen = site.pass(Duration::from_secs(4));
    let again = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&again, 488, TRUNK, "", ""));
    let byes = asked(&seen, "BYE", TRUNK);
    assert_eq!(byes.len(), 2);
    for bye in byes {
        site.hear(from(TRUNK), &answer(&bye, 200, "", TRUNK));
    }
    end(&mut site);
}

#[test]
fn c1_c4_an_outside_caller_who_is_joined_to_a_number_outside_is_sent_on_there() {
    let with = |rule: Forwarded| {
        under(|plan| plan.rules.outbound.push(Entry::enforced("forwarded", Rule::Forwarded(rule))))
    };
    // Whichever of the two calls it is asked for in.
    for (first, second) in [(TRUNK, PBX), (PBX, TRUNK)] {
        let mut site = with(Forwarded { calls_max: 0, ..Forwarded::default() });
        let (one, two) = (Up::begin(&mut site, first), Up::begin(&mut site, second));
        let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![403], vec![32218]), "{first}");
        assert!(seen.alerts[0].text.contains("39306"), "{}", seen.alerts[0].text);
        assert_eq!(seen.records[0].to, seen.alerts[0].to.clone().unwrap());
        assert!(asked(&seen, "BYE", PBX).is_empty() && invites(&seen, TRUNK).is_empty());

        let mut site = with(Forwarded { calls_max: 1, ..Forwarded::default() });
        let (one, two) = (Up::begin(&mut site, first), Up::begin(&mut site, second));
        let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
        assert_eq!(seen.statuses(PBX), [202], "{:?}", seen.alerts);
        // Whose place it holds sends no other one on meanwhile, and has it back when the two have parted.
        let again = |site: &mut Site, nth: u32| {
            let text = Request::new("INVITE", PBX)
                .with(|r| {
                    r.branch = format!("z9hG4bK-again-{nth}");
                    r.call_id = format!("again-{nth}");
                })
                .text();
            let sent_on = format!("Diversion: <sip:{}@10.0.0.2>\r\nCSeq:", "+12125550100");
            let seen = site.hear(from(PBX), &text.replace("CSeq:", &sent_on));
            seen.codes().last().copied().unwrap_or(0)
        };
        assert_eq!(again(&mut site, 1), 39306);
        end(&mut site);
        assert_eq!(again(&mut site, 2), 0);
    }
}

/// A call of the PBX to the emergency number, and one that the trunk brought.
fn with_help() -> (Site, Up, Up) {
    let mut site = under(|plan| {
        alter(plan, 0, |pbx| pbx.dialling = dialling("pbx"));
        let short = MaxDuration { duration_max: Duration::from_secs(600) };
        plan.rules.inbound.push(Entry::enforced("short", Rule::MaxDuration(short)));
    });
    let one = Up::begin(&mut site, TRUNK);
    let invite = with_body(Request::new("INVITE", PBX), &speech(PBX)).with(|r| {
        r.uri = "sip:911@10.0.0.1".into();
    });
    let seen = site.hear(from(PBX), &invite.text());
    let invite = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&invite, 200, TRUNK, &speech(TRUNK), ""));
    let ok = seen.to(PBX).into_iter().find(|one| one.status() == Some(200)).unwrap();
    let two = Up { caller: PBX, called: TRUNK, invite, ok };
    site.hear(from(PBX), &two.of(PBX, "ACK", 1).text());
    (site, one, two)
}

#[test]
fn c1_b12_an_emergency_call_that_another_is_joined_to_is_not_ended_by_the_time_of_that_one() {
    let (mut site, one, two) = with_help();
    let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
    assert_eq!(seen.statuses(PBX), [202], "{:?}", seen.alerts);
    let again = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&again, 200, TRUNK, &speech(TRUNK), ""));
    let other = invites(&seen, TRUNK).remove(0);
    site.hear(from(TRUNK), &response(&other, 200, TRUNK, &speech(TRUNK), ""));
    let seen = site.pass(Duration::from_secs(900));
    assert!(asked(&seen, "BYE", TRUNK).is_empty() && !seen.codes().contains(&32013), "{:?}", seen.codes());
}

#[test]
fn c1_b12_an_emergency_call_is_not_hung_up_on_where_it_takes_no_media_of_another_yet() {
    let (mut site, one, two) = with_help();
    let seen = site.hear(from(PBX), &refers_to(&one, &names(&two), 50).text());
    let again = invites(&seen, TRUNK).remove(0);
    let seen = site.hear(from(TRUNK), &response(&again, 488, TRUNK, "", ""));
    assert!(asked(&seen, "BYE", TRUNK).is_empty());
    let seen = site.pass(Duration::from_secs(5));
    assert!(asked(&seen, "BYE", TRUNK).is_empty());
    assert_eq!(invites(&seen, TRUNK).len(), 1, "it is asked again");
}
