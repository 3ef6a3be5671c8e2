//! Media of a call anchored here, from the INVITE to its end: what is offered to whom, what is refused, and that each port
//! goes back.

use std::time::Duration;

use ringfence::engine::Input;
use ringfence::media::order::Order;
use ringfence::sip::Flow;

use super::edge::{PBX, TRUNK, from};
use super::media_rig::*;
use super::targets::SPARE;
use super::texts::{Request, answer, tag};

const PHONE: &str = "10.0.0.2";
const GATEWAY: &str = "198.51.100.5";

fn by(flow: &Flow, address: &str) -> Flow {
    Flow { transport: flow.transport, connection: flow.connection, ..from(address) }
}

#[test]
fn each_side_hears_of_our_address_alone_and_the_relay_has_what_it_hears_of() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    let leaving = seen.to(TRUNK).remove(0);
    let offer = body(&leaving);
    assert!(
        offer.contains("RTP/SAVP 0\r\n") && offer.contains(&format!("c=IN IP4 {OUTSIDE_MEDIA}\r\n")),
        "{offer}"
    );
    assert_eq!(site.listens(OUTSIDE_MEDIA), [port(&offer)], "open before the trunk hears of it");
    let seen = site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    let ok = seen.to(PBX).remove(0);
    let answered = body(&ok);
    assert!(
        answered.contains("RTP/SAVP 0\r\n") && answered.contains(&format!("c=IN IP4 {INSIDE_MEDIA}\r\n"))
    );
    assert_eq!(site.listens(INSIDE_MEDIA), [port(&answered)]);
    let sets = seen.media.iter().filter(|order| matches!(order, Order::Set { .. })).count();
    assert_eq!(sets, 4, "both sides when it is answered, and when no other can answer");
    for (text, secrets) in [(&offer, ["10.0.0.", "4000", "phone"]), (&answered, ["198.51.", "6000", "phone"])]
    {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in\n{text}");
        }
        assert!(
            !text.contains("WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"),
            "the other side's key in\n{text}"
        );
    }
    assert_eq!(site.edge.engine.media_ports_out(), 4);
}

#[test]
fn e1_e2_e7_an_offer_that_is_not_taken_is_refused_before_anything_leaves() {
    let key = |line: &str| sdp(PHONE, 4_000, "RTP/SAVP", line);
    let place =
        |c: &str| sdp(PHONE, 4_000, "RTP/SAVP", KEY).replace("c=IN IP4 10.0.0.2", &format!("c=IN IP4 {c}"));
    let two = format!("{}m=audio 4002 RTP/SAVP 0\r\n{KEY}", plain(PHONE, 4_000));
    let lines = (0..500).map(|_| "m=audio 4002 RTP/SAVP 0\r\n").collect::<String>();
    let maps = (0..10_000).map(|_| "a=rtpmap:96 x/8000\r\n").collect::<String>();
    let rows = [
        ("E1 AVP", plain(PHONE, 4_000), 32208),
        ("E2 no key", key(""), 32208),
        ("E2 base64", key("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:!!!!\r\n"), 32208),
        ("E2 length", key("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z\r\n"), 32208),
        (
            "E2 suite",
            key("a=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"),
            32208,
        ),
        ("E2 two", two, 32208),
        ("E2 port 0", sdp(PHONE, 0, "RTP/SAVP", KEY), 32102),
        ("E2 best effort", sdp(PHONE, 4_000, "RTP/AVP", KEY), 32208),
        ("E5 unencrypted", key(&KEY.replace("\r\n", " UNENCRYPTED_SRTP\r\n")), 32208),
        ("E7 third party", place("203.0.113.9"), 32102),
        ("E7 metadata", place("169.254.169.254"), 32102),
        ("E7 loopback", place("127.0.0.1"), 32102),
        ("E7 multicast", place("224.0.0.1"), 32102),
        ("E7 broadcast", place("255.255.255.255"), 32102),
        ("E7 our own", place(INSIDE_MEDIA), 32102),
        ("E7 name", place("phone.example.com"), 32102),
        ("E7 of one stream", format!("{}c=IN IP4 203.0.113.9\r\n", hidden(PHONE, 4_000)), 32102),
        ("E7 lines", format!("{}{lines}", hidden(PHONE, 4_000)), 32102),
        ("E7 maps", format!("{}{maps}", hidden(PHONE, 4_000)), 32102),
    ];
    for (row, offer, code) in rows {
        let mut site = Site::under(secured());
        let seen = site.hear(tls(PBX), &invite(&offer).text());
        if seen.statuses(PBX) == [413] || seen.statuses(PBX) == [513] {
            // Larger than a message may be.
            continue;
        }
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488], vec![code]), "{row}: {seen:?}");
        assert!(seen.to(TRUNK).is_empty() && seen.to(SPARE).is_empty(), "{row}");
        assert_eq!(seen.records.len(), 1, "{row}");
        site.assert_silent(row);
    }
}

#[test]
fn e3_an_answer_in_the_clear_ends_the_call_on_both_legs() {
    for (row, early) in [("200", false), ("reliable 183", true)] {
        let mut site = Site::under(secured());
        let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
        let leaving = seen.to(TRUNK).remove(0);
        let reliable = "Require: 100rel\r\nRSeq: 1\r\n";
        let (status, more) = if early { (183, reliable) } else { (200, "") };
        let seen = site.hear(tls(TRUNK), &response(&leaving, status, TRUNK, &plain(GATEWAY, 6_000), more));
        assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488], vec![32207]), "{row}: {seen:?}");
        let told: Vec<String> = seen.to(TRUNK).iter().map(|sent| sent.method().to_string()).collect();
        assert_eq!(told, if early { vec!["CANCEL"] } else { vec!["ACK", "BYE"] }, "{row}");
        assert_eq!(seen.records.len(), 1, "{row}");
        site.assert_silent(row);
    }
}

#[test]
fn e3_early_media_in_the_clear_does_not_cross_and_the_answer_may_mend_it() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    let leaving = seen.to(TRUNK).remove(0);
    let seen = site.hear(tls(TRUNK), &response(&leaving, 183, TRUNK, &plain(GATEWAY, 6_000), ""));
    let progress = seen.to(PBX).remove(0);
    assert_eq!((progress.status(), body(&progress), seen.codes()), (Some(183), String::new(), vec![32207]));
    let seen = site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    assert!(body(&seen.to(PBX)[0]).contains("RTP/SAVP"));
}

#[test]
fn e4_keys_are_never_written_to_the_clear() {
    // On the caller's own leg: refused.
    let mut site = Site::under(anchored(|_, _| {}));
    let seen = site.hear(from(PBX), &invite(&hidden(PHONE, 4_000)).text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488], vec![32208]), "{seen:?}");
    // To a trunk in the clear that may have plain media: no key.
    let mut site = Site::under(anchored(|_, _| {}));
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    let leaving = body(&seen.to(TRUNK)[0]);
    assert!(leaving.contains("RTP/AVP 0\r\n") && !leaving.contains("crypto"), "{leaving}");
    // To one that must have SRTP: not at all, but the next one has TLS.
    let mut site = Site::under(anchored(|id, peer| {
        if id == 3 {
            secure(peer);
        }
        peer.plain_media = id == 0;
    }));
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    assert!(seen.to(TRUNK).is_empty(), "{seen:?}");
    assert!(body(&seen.to(SPARE)[0]).contains("RTP/SAVP"));
    assert_eq!(site.listens(OUTSIDE_MEDIA).len(), 1);
    // And where none has.
    let mut site = Site::under(anchored(|id, peer| peer.plain_media = id == 0));
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![488], vec![32208]), "{seen:?}");
    site.assert_silent("no target");
}

#[test]
fn e6_a_late_offer_is_judged_before_it_crosses() {
    for (row, offer, crosses) in [
        ("SRTP", hidden(GATEWAY, 6_000), true),
        ("RTP", plain(GATEWAY, 6_000), false),
        ("elsewhere", hidden("203.0.113.9", 6_000), false),
    ] {
        let mut site = Site::under(secured());
        let seen = site.hear(tls(PBX), &invite("").text());
        let leaving = seen.to(TRUNK).remove(0);
        assert_eq!(body(&leaving), "");
        let seen = site.hear(tls(TRUNK), &response(&leaving, 183, TRUNK, &offer, ""));
        assert_eq!(body(&seen.to(PBX)[0]), "", "{row}: what is not said for certain is no offer");
        let seen = site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, &offer, ""));
        if crosses {
            let ours = body(&seen.to(PBX)[0]);
            assert!(ours.contains("RTP/SAVP") && !ours.contains("198.51."), "{ours}");
            assert_eq!(site.listens(INSIDE_MEDIA), [port(&ours)]);
        } else {
            assert_eq!(seen.statuses(PBX), [488], "{row}: {seen:?}");
            assert_eq!(seen.to(TRUNK).len(), 2, "{row}: ACK and BYE");
            site.assert_silent(row);
        }
    }
}

#[test]
fn e6_of_a_multipart_body_the_description_alone_crosses() {
    let mut site = Site::under(secured());
    let parts = format!(
        "--x\r\nContent-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\nhello from 10.0.0.2\r\n\
         --x\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--x--\r\n",
        hidden(PHONE, 4_000)
    );
    let request = invite(&parts).with(|r| r.more = "Content-Type: multipart/mixed;boundary=x\r\n".into());
    let seen = site.hear(tls(PBX), &request.text());
    let leaving = seen.to(TRUNK).remove(0);
    let ours = body(&leaving);
    assert!(ours.starts_with("v=0\r\n") && ours.contains("RTP/SAVP") && !ours.contains("10.0.0.2"), "{ours}");
}

#[test]
fn every_way_a_call_can_end_gives_its_ports_back() {
    let cancel = |site: &mut Site| {
        let request = invite(&hidden(PHONE, 4_000)).with(|r| {
            (r.method, r.more, r.body) = ("CANCEL".into(), String::new(), String::new());
        });
        site.hear(tls(PBX), &request.text());
    };
    type End<'a> = (&'a str, &'a dyn Fn(&mut Site));
    let before: [End<'_>; 3] = [
        ("cancelled", &cancel),
        ("shut down", &|site| drop(site.input(Input::Stop))),
        ("nobody answers", &|site| drop(site.pass(Duration::from_secs(300)))),
    ];
    for (row, end) in before {
        let mut site = Site::under(secured());
        site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
        assert_eq!(site.edge.engine.media_ports_out(), 4, "{row}");
        end(&mut site);
        site.assert_silent(row);
    }
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    site.hear(tls(TRUNK), &answer(&leaving, 486, "b-1", TRUNK));
    site.assert_silent("refused");
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    assert_eq!(site.pass(Duration::from_secs(33)).codes(), [32022]);
    site.assert_silent("no ACK");
    for row in ["BYE of A", "BYE of B", "too long"] {
        let mut site = Site::under(secured());
        let up = Up::begin(&mut site, tls(PBX), &hidden(PHONE, 4_000), &hidden(GATEWAY, 6_000));
        assert_eq!(site.edge.engine.media_ports_out(), 4, "{row}");
        let seen = match row {
            "BYE of A" => site.hear(up.flow, &up.request_a("BYE", 2).text()),
            "BYE of B" => site.hear(up.back(), &up.request_b("BYE", 2).text()),
            _ => site.pass(Duration::from_secs(24 * 3_600)),
        };
        assert_eq!(seen.records.len(), 1, "{row}");
        site.assert_silent(row);
    }
}

#[test]
fn the_next_target_is_offered_another_port_and_another_key() {
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    let first = body(&leaving);
    let seen = site.hear(tls(TRUNK), &answer(&leaving, 503, "b-1", TRUNK));
    let again = seen.to(SPARE).remove(0);
    let second = body(&again);
    let key = |text: &str| text.split("inline:").nth(1).unwrap().to_owned();
    assert_ne!(key(&first), key(&second));
    assert_ne!(port(&first), port(&second));
    assert_eq!(site.listens(OUTSIDE_MEDIA), [port(&second)], "the first one is shut");
    assert_eq!(site.edge.engine.media_ports_out(), 4);
    let seen =
        site.hear(by(&tls(SPARE), SPARE), &response(&again, 200, SPARE, &hidden("198.51.100.6", 6_000), ""));
    assert_eq!(seen.to(PBX)[0].status(), Some(200), "{seen:?}");
}

#[test]
fn a_target_asked_again_is_offered_the_same() {
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    let small = response(&leaving, 422, TRUNK, "", "Min-SE: 3600\r\n");
    let seen = site.hear(tls(TRUNK), &small);
    let again = seen.to(TRUNK).into_iter().find(|sent| sent.method().as_bytes() == b"INVITE");
    assert_eq!(body(&again.unwrap()), body(&leaving));
    assert!(seen.media.is_empty(), "{seen:?}");
}

#[test]
fn each_fork_has_an_answer_of_its_own_and_the_winner_has_the_media() {
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    let ring = |tag: &str, status, port| {
        response(&leaving, status, TRUNK, &hidden(GATEWAY, port), "")
            .replace(";tag=b-1", &format!(";tag={tag}"))
    };
    let one = site.hear(tls(TRUNK), &ring("one", 183, 6_000)).to(PBX).remove(0);
    let two = site.hear(tls(TRUNK), &ring("two", 183, 6_100)).to(PBX).remove(0);
    assert_ne!(tag(one.to_tag()), tag(two.to_tag()));
    let seen = site.hear(tls(TRUNK), &ring("one", 200, 6_000));
    let ok = seen.to(PBX).remove(0);
    assert_eq!(tag(ok.to_tag()), tag(one.to_tag()));
    let remotes: Vec<u16> = (seen.media.iter())
        .filter_map(|order| match order {
            Order::Set { terms, .. } => terms.remote.map(|remote| remote.port()),
            Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => None,
        })
        .collect();
    assert!(remotes.ends_with(&[4_000, 6_000]), "{remotes:?}");
    site.hear(
        tls(PBX),
        &Request::new("BYE", PBX).with(|r| (r.to_tag, r.cseq) = (tag(ok.to_tag()), 2)).text(),
    );
    site.assert_silent("after all");
}

#[test]
fn an_answer_of_before_stands_in_a_200_without_one() {
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    let seen = site.hear(tls(TRUNK), &response(&leaving, 183, TRUNK, &hidden(GATEWAY, 6_000), ""));
    let early = body(&seen.to(PBX)[0]);
    let seen = site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, "", ""));
    assert_eq!(body(&seen.to(PBX)[0]), early);
    assert!(early.contains(INSIDE_MEDIA));
}

#[test]
fn a_200_that_describes_nothing_leaves_no_port_out_and_the_next_offer_begins_anew() {
    let mut site = Site::under(secured());
    let leaving = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text()).to(TRUNK).remove(0);
    let seen = site.hear(tls(TRUNK), &response(&leaving, 200, TRUNK, "", ""));
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![200], vec![32102]));
    site.assert_silent("nothing was agreed");
}

#[test]
fn where_no_port_is_left_a_call_is_refused_by_a_status_that_a_pbx_does_not_route_around() {
    let mut site = Site::under(secured());
    // Of fifty pairs one is kept for emergencies.
    for nth in 0..=49 {
        let request = invite(&hidden(PHONE, 4_000)).with(|r| {
            r.branch = format!("z9hG4bK-{nth}");
            r.call_id = format!("call-{nth}@example.com");
        });
        let seen = site.hear(tls(PBX), &request.text());
        let expected = if nth < 49 { vec![] } else { vec![480] };
        assert_eq!(seen.statuses(PBX), expected, "call {nth}: {seen:?}");
        assert_eq!(seen.codes(), if nth < 49 { vec![] } else { vec![39403] });
    }
    assert_eq!(site.edge.engine.media_ports_out(), 196);
}
