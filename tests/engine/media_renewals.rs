//! Media of a call that is up, or nearly so: late offers, PRACK, UPDATE, re-INVITE, refreshes. What may not be is refused, and
//! nothing of one side is heard on the other.

use std::time::Duration;

use ringfence::media::order::Order;
use ringfence::sip::Message;

use super::edge::{PBX, Seen, TRUNK};
use super::media_rig::*;
use super::texts::{Request, tag};

const PHONE: &str = "10.0.0.2";
const GATEWAY: &str = "198.51.100.5";

fn up() -> (Site, Up) {
    let mut site = Site::under(secured());
    let up = Up::begin(&mut site, tls(PBX), &hidden(PHONE, 4_000), &hidden(GATEWAY, 6_000));
    (site, up)
}

/// The one request of a method among what an address was sent.
fn sent(seen: &Seen, address: &str, method: &str) -> Message {
    let mut found = seen.to(address);
    found.retain(|message| message.status().is_none() && message.method().as_bytes() == method.as_bytes());
    assert_eq!(found.len(), 1, "{method} to {address}: {seen:?}");
    found.remove(0)
}

fn held(sdp: &str, direction: &str) -> String {
    format!("{sdp}a={direction}\r\n").replace("o=phone 11 1", "o=phone 11 2")
}

/// Nothing of the other side, and our own address.
fn is_ours(sdp: &str, address: &str) {
    for other in ["10.0.0.2", "198.51.", "phone", "4000", "6000", "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"]
    {
        assert!(!sdp.contains(other), "{other} in\n{sdp}");
    }
    assert!(sdp.contains(&format!("c=IN IP4 {address}\r\n")), "{sdp}");
}

fn acked(site: &mut Site, up: &Up, of_a: bool, cseq: u32) -> Seen {
    if of_a {
        site.hear(up.flow, &up.request_a("ACK", cseq).with(|r| r.branch += "-ack").text())
    } else {
        site.hear(up.back(), &up.request_b("ACK", cseq).with(|r| r.branch += "-ack").text())
    }
}

#[test]
fn a_call_is_held_and_resumed_from_either_side() {
    for (of_a, cseq) in [(true, 2), (false, 1)] {
        let (mut site, up) = up();
        let (asker, answerer) = if of_a { (PBX, TRUNK) } else { (TRUNK, PBX) };
        let (own, theirs) = if of_a {
            (hidden(PHONE, 4_000), hidden(GATEWAY, 6_000))
        } else {
            (hidden(GATEWAY, 6_000), hidden(PHONE, 4_000))
        };
        let (near, far) = if of_a { (INSIDE_MEDIA, OUTSIDE_MEDIA) } else { (OUTSIDE_MEDIA, INSIDE_MEDIA) };
        let (flow, back) = if of_a { (up.flow, up.back()) } else { (up.back(), up.flow) };
        for (at, (says, answers)) in
            [("sendonly", "recvonly"), ("sendrecv", "sendrecv")].into_iter().enumerate()
        {
            let cseq = cseq + u32::try_from(at).unwrap();
            let request = if of_a { up.request_a("INVITE", cseq) } else { up.request_b("INVITE", cseq) };
            let seen = site.hear(flow, &with_body(request, &held(&own, says)).text());
            let crossed = sent(&seen, answerer, "INVITE");
            let ours = body(&crossed);
            is_ours(&ours, far);
            assert!(ours.contains(&format!("a={says}\r\n")), "{ours}");
            let seen = site.hear(back, &response(&crossed, 200, answerer, &held(&theirs, answers), ""));
            let ok = seen.to(asker).remove(0);
            is_ours(&body(&ok), near);
            assert!(body(&ok).contains(&format!("a={answers}\r\n")), "{}", body(&ok));
            let terms = seen.media.iter().filter_map(|order| match order {
                Order::Set { terms, .. } => Some(terms.sends && terms.receives),
                Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => None,
            });
            let both: Vec<bool> = terms.collect();
            assert!(both.len() >= 2 && (both.iter().all(|way| *way) == (says == "sendrecv")), "{both:?}");
            acked(&mut site, &up, of_a, cseq);
        }
        assert_eq!(site.edge.engine.media_ports_out(), 4);
    }
}

#[test]
fn e3_e5_e7_what_would_weaken_a_call_is_refused_and_the_call_goes_on() {
    let weak = format!(
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{} UNENCRYPTED_SRTP\r\n",
        "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    );
    let rows = [
        ("E3 AVP", plain(PHONE, 4_000), 39504),
        ("E3 no key", sdp(PHONE, 4_000, "RTP/SAVP", ""), 39504),
        ("E5 unencrypted", sdp(PHONE, 4_000, "RTP/SAVP", &weak), 39504),
        ("E7 third party", hidden("203.0.113.9", 4_000), 32102),
        ("E7 our own", hidden(INSIDE_MEDIA, 4_000), 32102),
        ("no description", "v=0\r\nno".into(), 32102),
    ];
    for (row, offer, code) in rows {
        for method in ["INVITE", "UPDATE"] {
            let (mut site, up) = up();
            let seen = site.hear(up.flow, &with_body(up.request_a(method, 2), &offer).text());
            assert_eq!(
                (seen.statuses(PBX), seen.codes()),
                (vec![488], vec![code]),
                "{row} {method}: {seen:?}"
            );
            assert!(
                seen.to(TRUNK).is_empty() && seen.records.is_empty() && seen.media.is_empty(),
                "{row} {method}"
            );
            acked(&mut site, &up, true, 2);
            let good = with_body(up.request_a("INVITE", 3), &held(&hidden(PHONE, 4_000), "sendonly"));
            let seen = site.hear(up.flow, &good.text());
            is_ours(&body(&sent(&seen, TRUNK, "INVITE")), OUTSIDE_MEDIA);
        }
    }
}

#[test]
fn e3_an_answer_in_the_clear_within_a_call_ends_it() {
    let (mut site, up) = up();
    let offer = held(&hidden(PHONE, 4_000), "sendonly");
    let seen = site.hear(up.flow, &with_body(up.request_a("INVITE", 2), &offer).text());
    let crossed = sent(&seen, TRUNK, "INVITE");
    let seen = site.hear(up.back(), &response(&crossed, 200, TRUNK, &plain(GATEWAY, 6_000), ""));
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488], vec![39504]), "{seen:?}");
    sent(&seen, TRUNK, "ACK");
    sent(&seen, TRUNK, "BYE");
    sent(&seen, PBX, "BYE");
    assert_eq!(seen.records.len(), 1);
    site.assert_silent("it has ended");
}

#[test]
fn e3_a_late_offer_answered_in_the_clear_ends_the_call() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite("").text());
    let invite_b = sent(&seen, TRUNK, "INVITE");
    let seen = site.hear(tls(TRUNK), &response(&invite_b, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    let ok_a = seen.to(PBX).remove(0);
    let up = Up { invite_b, ok_a, flow: tls(PBX) };
    let seen = site.hear(up.flow, &with_body(up.request_a("ACK", 1), &plain(PHONE, 4_000)).text());
    assert_eq!(seen.codes(), [39504], "{seen:?}");
    let ack = body(&sent(&seen, TRUNK, "ACK"));
    assert!(ack.contains("m=audio 0 RTP/SAVP"), "{ack}");
    sent(&seen, TRUNK, "BYE");
    sent(&seen, PBX, "BYE");
    site.assert_silent("it has ended");
}

#[test]
fn a_late_offer_and_its_answer_are_ours_on_each_side() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite("").text());
    let invite_b = sent(&seen, TRUNK, "INVITE");
    let seen = site.hear(tls(TRUNK), &response(&invite_b, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    let ok_a = seen.to(PBX).remove(0);
    is_ours(&body(&ok_a), INSIDE_MEDIA);
    let up = Up { invite_b, ok_a, flow: tls(PBX) };
    let ours = body(&up.ok_a);
    let tag: String = ours.split("a=crypto:").nth(1).unwrap().chars().take(1).collect();
    let answer = hidden(PHONE, 4_000).replace("a=crypto:1", &format!("a=crypto:{tag}"));
    let seen = site.hear(up.flow, &with_body(up.request_a("ACK", 1), &answer).text());
    is_ours(&body(&sent(&seen, TRUNK, "ACK")), OUTSIDE_MEDIA);
    assert_eq!(seen.media.iter().filter(|order| matches!(order, Order::Set { .. })).count(), 2);
    // And again within the call.
    let seen =
        site.hear(up.flow, &up.request_a("INVITE", 2).with(|r| (r.more, r.body) = Default::default()).text());
    let crossed = sent(&seen, TRUNK, "INVITE");
    assert_eq!(body(&crossed), "");
    let seen = site.hear(up.back(), &response(&crossed, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    is_ours(&body(&seen.to(PBX)[0]), INSIDE_MEDIA);
    let seen = site.hear(up.flow, &with_body(up.request_a("ACK", 2), &answer).text());
    is_ours(&body(&sent(&seen, TRUNK, "ACK")), OUTSIDE_MEDIA);
    assert_eq!(site.edge.engine.media_ports_out(), 4);
}

/// A call whose callee makes the offer in a reliable 183; that response, as the caller has it.
fn early_offer(site: &mut Site) -> (Message, Message) {
    let request = invite("").with(|r| r.more = "Supported: 100rel\r\n".into());
    let seen = site.hear(tls(PBX), &request.text());
    let invite_b = sent(&seen, TRUNK, "INVITE");
    let more = "Require: 100rel\r\nRSeq: 1\r\n";
    let seen = site.hear(tls(TRUNK), &response(&invite_b, 183, TRUNK, &hidden(GATEWAY, 6_000), more));
    let progress = seen.to(PBX).remove(0);
    (invite_b, progress)
}

fn prack(progress: &Message, body: &str) -> Request {
    let rseq = super::texts::header(progress, "RSeq");
    let request = Request::new("PRACK", PBX).with(|r| {
        (r.to_tag, r.cseq, r.branch) = (tag(progress.to_tag()), 2, "z9hG4bK-prack".into());
    });
    with_body(request, body).with(|r| r.more += &format!("RAck: {rseq} 1 INVITE\r\n"))
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_its_prack() {
    let mut site = Site::under(secured());
    let (invite_b, progress) = early_offer(&mut site);
    is_ours(&body(&progress), INSIDE_MEDIA);
    let seen = site.hear(tls(PBX), &prack(&progress, &hidden(PHONE, 4_000)).text());
    let crossed = sent(&seen, TRUNK, "PRACK");
    is_ours(&body(&crossed), OUTSIDE_MEDIA);
    let sets = seen.media.iter().filter(|order| matches!(order, Order::Set { .. })).count();
    assert_eq!(sets, 2, "{seen:?}");
    site.hear(tls(TRUNK), &response(&crossed, 200, TRUNK, "", ""));
    // Said once more in the 200, it is no offer.
    let seen = site.hear(tls(TRUNK), &response(&invite_b, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    assert_eq!((seen.to(PBX)[0].status(), body(&seen.to(PBX)[0])), (Some(200), String::new()));
    assert_eq!(site.edge.engine.media_ports_out(), 4);
}

#[test]
fn e3_a_prack_that_answers_in_the_clear_ends_the_call() {
    let mut site = Site::under(secured());
    let (_, progress) = early_offer(&mut site);
    let seen = site.hear(tls(PBX), &prack(&progress, &plain(PHONE, 4_000)).text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488, 488], vec![39504]), "{seen:?}");
    sent(&seen, TRUNK, "CANCEL");
    site.assert_silent("it has ended");
}

#[test]
fn an_update_crosses_with_what_is_ours_and_a_refusal_leaves_what_stood() {
    let (mut site, up) = up();
    let allow = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n";
    // By an UPDATE or a re-INVITE, as the trunk takes it; refused first.
    for (cseq, status) in [(2, 491), (3, 488), (4, 200)] {
        let offer = held(&hidden(PHONE, 4_000), if cseq == 4 { "sendonly" } else { "inactive" });
        let request = with_body(up.request_a("UPDATE", cseq), &offer).with(|r| r.more += allow);
        let seen = site.hear(up.flow, &request.text());
        let crossed = sent(&seen, TRUNK, "INVITE");
        is_ours(&body(&crossed), OUTSIDE_MEDIA);
        let says =
            if status == 200 { held(&hidden(GATEWAY, 6_000), "recvonly") } else { plain(GATEWAY, 6_000) };
        let seen = site.hear(up.back(), &response(&crossed, status, TRUNK, &says, ""));
        let answered = seen.to(PBX).remove(0);
        assert_eq!((answered.status(), seen.codes()), (Some(status), vec![]), "{seen:?}");
        if status == 200 {
            is_ours(&body(&answered), INSIDE_MEDIA);
        } else {
            assert_eq!(body(&answered), "", "what the trunk would take is its own affair");
        }
    }
    assert_eq!(site.edge.engine.media_ports_out(), 4);
}

#[test]
fn what_a_peer_repeats_is_answered_with_what_stands_and_does_not_cross() {
    let (mut site, up) = up();
    let again = hidden(PHONE, 4_000).replace("o=phone 11 1", "o=phone 11 9");
    let seen = site.hear(up.flow, &with_body(up.request_a("INVITE", 2), &again).text());
    assert!(seen.to(TRUNK).is_empty(), "{seen:?}");
    let ok = seen.to(PBX).remove(0);
    assert_eq!((ok.status(), body(&ok)), (Some(200), body(&up.ok_a)));
    acked(&mut site, &up, true, 2);
    let moved = again.replace("m=audio 4000", "m=audio 4004");
    let seen = site.hear(up.flow, &with_body(up.request_a("INVITE", 3), &moved).text());
    sent(&seen, TRUNK, "INVITE");
}

#[test]
fn a_refresh_of_ours_says_what_stands_there_and_its_answer_stays_there() {
    let (mut site, up) = up();
    let seen = site.pass(Duration::from_secs(905));
    let refresh = sent(&seen, TRUNK, "INVITE");
    let ours = body(&refresh);
    is_ours(&ours, OUTSIDE_MEDIA);
    assert_eq!(port(&ours), port(&body(&up.invite_b)));
    let own = sent(&seen, PBX, "INVITE");
    assert_eq!(body(&own), body(&up.ok_a), "the same with the same version");
    site.hear(up.flow, &response(&own, 200, PBX, &hidden(PHONE, 4_000), ""));
    let seen = site.hear(up.back(), &response(&refresh, 200, TRUNK, &hidden(GATEWAY, 6_100), ""));
    sent(&seen, TRUNK, "ACK");
    assert!(seen.to(PBX).is_empty(), "{seen:?}");
    let remotes = seen.media.iter().filter_map(|order| match order {
        Order::Set { terms, .. } => terms.remote.map(|remote| remote.port()),
        Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => None,
    });
    assert!(remotes.collect::<Vec<_>>().contains(&6_100), "{:?}", seen.media);
    let seen = site.pass(Duration::from_secs(905));
    let refresh = sent(&seen, TRUNK, "INVITE");
    let seen = site.hear(up.back(), &response(&refresh, 200, TRUNK, &plain(GATEWAY, 6_100), ""));
    assert_eq!(seen.codes(), [39504], "{seen:?}");
    sent(&seen, PBX, "BYE");
    site.assert_silent("it has ended");
}

#[test]
fn what_nobody_answers_in_time_leaves_what_stood() {
    let (mut site, up) = up();
    let offer = held(&hidden(PHONE, 4_000), "inactive");
    let seen = site.hear(up.flow, &with_body(up.request_a("UPDATE", 2), &offer).text());
    let crossed = sent(&seen, TRUNK, "INVITE");
    site.hear(up.back(), &super::texts::answer(&crossed, 100, "", TRUNK));
    let seen = site.pass(Duration::from_secs(20));
    assert_eq!(seen.statuses(PBX), [100, 500], "{seen:?}");
    // The trunk took it all the same: it is told what stands.
    let seen =
        site.hear(up.back(), &response(&crossed, 200, TRUNK, &held(&hidden(GATEWAY, 6_000), "inactive"), ""));
    let mut later = seen.to(TRUNK);
    later.extend(site.pass(Duration::from_secs(10)).to(TRUNK));
    let restored = later
        .iter()
        .find(|message| message.method().as_bytes() == b"INVITE")
        .unwrap_or_else(|| panic!("{later:?}"));
    let ours = body(restored);
    is_ours(&ours, OUTSIDE_MEDIA);
    assert!(ours.contains("a=sendrecv"), "{ours}");
}
