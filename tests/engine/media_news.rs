//! What the relay tells of a call: keys that are spent, silence, strangers, sockets that there are not.

use std::net::SocketAddr;

use ringfence::engine::Input;
use ringfence::media::order::{MediaId, MediaLeg, News, Order, Protection, Spot};

use super::edge::{PBX, Seen, TRUNK};
use super::media_rig::*;
use super::texts::Request;

const PHONE: &str = "10.0.0.2";
const GATEWAY: &str = "198.51.100.5";
const A: Spot = Spot { media: MediaId(0), leg: MediaLeg::A, stream: 0 };
const B: Spot = Spot { media: MediaId(0), leg: MediaLeg::B, stream: 0 };

fn up() -> (Site, Up) {
    let mut site = Site::under(secured());
    let up = Up::begin(&mut site, tls(PBX), &hidden(PHONE, 4_000), &hidden(GATEWAY, 6_000));
    (site, up)
}

fn told(site: &mut Site, news: News) -> Seen {
    site.input(Input::Media(news))
}

fn codes(seen: &Seen) -> Vec<u32> {
    seen.alerts.iter().map(|alert| alert.code.number).collect()
}

/// The methods that an address was sent.
fn asked(seen: &Seen, address: &str) -> Vec<String> {
    let requests = seen.to(address).into_iter().filter(|message| message.status().is_none());
    requests.map(|message| String::from_utf8_lossy(message.method().as_bytes()).into_owned()).collect()
}

fn key(sdp: &str) -> String {
    sdp.lines()
        .find(|line| line.starts_with("a=crypto:"))
        .unwrap_or_else(|| panic!("no key in {sdp}"))
        .to_owned()
}

#[test]
fn a_key_that_is_spent_is_renewed_on_its_own_leg_alone() {
    let (mut site, up) = up();
    let before = key(&body(&up.invite_b));
    let seen = told(&mut site, News::Exhausted { spot: B });
    assert_eq!((asked(&seen, TRUNK), asked(&seen, PBX)), (vec!["INVITE".to_owned()], Vec::new()));
    let refresh = seen.to(TRUNK).remove(0);
    let after = key(&body(&refresh));
    assert_ne!(before, after, "the same key again");
    let seen = site.hear(up.back(), &response(&refresh, 200, TRUNK, &hidden(GATEWAY, 6_000), ""));
    let keyed = seen.media.iter().any(|order| match order {
        Order::Set { spot, terms } => *spot == B && matches!(terms.protection, Protection::Srtp { .. }),
        Order::Open { .. } | Order::Shut { .. } | Order::Close { .. } => false,
    });
    assert!(keyed && codes(&seen).is_empty(), "{seen:?}");
    let bye: Request = up.request_a("BYE", 2);
    let seen = site.hear(up.flow, &bye.text());
    assert_eq!(seen.records.len(), 1);
    site.assert_silent("a key was renewed");
}

#[test]
fn a_key_that_is_spent_before_the_answer_ends_the_call() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    assert_eq!(asked(&seen, TRUNK), ["INVITE"]);
    let seen = told(&mut site, News::Exhausted { spot: B });
    assert_eq!(codes(&seen), [39803]);
    assert_eq!(seen.to(PBX).pop().and_then(|answer| answer.status()), Some(480), "{seen:?}");
}

#[test]
fn silence_of_one_is_told_and_of_both_ends_the_call() {
    let (mut site, _up) = up();
    let seen = told(&mut site, News::Silent { spot: B, alone: true });
    assert_eq!((codes(&seen), seen.sent.len()), (vec![39505], 0));
    assert!(seen.alerts[0].text.contains("the called side"), "{}", seen.alerts[0].text);
    // It is heard again, and the other falls silent.
    assert!(codes(&told(&mut site, News::Heard { spot: B })).is_empty());
    assert_eq!(codes(&told(&mut site, News::Silent { spot: A, alone: true })), [39505]);
    let seen = told(&mut site, News::Silent { spot: B, alone: true });
    assert_eq!(codes(&seen), [32014]);
    assert_eq!((asked(&seen, PBX), asked(&seen, TRUNK)), (vec!["BYE".to_owned()], vec!["BYE".to_owned()]));
    assert_eq!((seen.records[0].code, seen.records[0].status), (Some(32014), 200));
    site.assert_silent("silence");
    // Nothing more comes of what is told of a call that is over.
    for news in [
        News::Silent { spot: A, alone: true },
        News::Exhausted { spot: A },
        News::Failed { spot: A, why: "late".into() },
        News::Report { media: A.media, streams: Vec::new() },
    ] {
        let seen = told(&mut site, news);
        assert_eq!((codes(&seen), seen.sent.len(), seen.records.len()), (Vec::new(), 0, 0));
    }
}

// Both fall silent with the same look at the time: that is no one-way call.
#[test]
fn a_call_in_which_nobody_speaks_ends_without_a_word_about_one_side() {
    let (mut site, _up) = up();
    assert_eq!(codes(&told(&mut site, News::Silent { spot: A, alone: false })), [0; 0]);
    assert_eq!(codes(&told(&mut site, News::Silent { spot: B, alone: false })), [32014]);
    site.assert_silent("silence");
}

#[test]
fn silence_before_the_answer_is_nothing() {
    let mut site = Site::under(secured());
    let seen = site.hear(tls(PBX), &invite(&hidden(PHONE, 4_000)).text());
    assert_eq!(asked(&seen, TRUNK), ["INVITE"]);
    for spot in [A, B] {
        let seen = told(&mut site, News::Silent { spot, alone: true });
        assert_eq!((codes(&seen), seen.sent.len()), (Vec::new(), 0));
    }
}

#[test]
fn e8_packets_from_elsewhere_are_those_of_a_stranger_and_from_there_those_of_a_forger() {
    let (mut site, _up) = up();
    let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
    for (spot, source, code, words) in [
        (A, at(&format!("{PHONE}:4000")), 39502, "did not authenticate"),
        (A, at("10.0.0.66:4000"), 39501, "the caller's side is not"),
        (B, at(&format!("{GATEWAY}:6000")), 39502, "did not authenticate"),
        (B, at(&format!("{GATEWAY}:6002")), 39501, "the called side is not"),
    ] {
        let seen = told(&mut site, News::Intruder { spot, source, packets: 7 });
        assert_eq!(codes(&seen), [code], "{source}");
        let text = &seen.alerts[0].text;
        assert!(text.contains(words) && text.contains('7') && text.contains(&source.to_string()), "{text}");
        assert!(seen.sent.is_empty(), "the call goes on");
    }
}

// Row E3: who does not prove to be the peer has no media, and the admin is told which of both it was.
#[test]
fn a_handshake_that_proves_nobody_ends_the_call_with_its_reason() {
    let (mut site, _up) = up();
    let seen = told(
        &mut site,
        News::Unproven { spot: A, why: "no DTLS handshake came to its end within 30 s".into() },
    );
    assert_eq!(codes(&seen), [32207]);
    assert!(seen.alerts[0].text.contains("DTLS") && seen.alerts[0].text.contains("certificate"));
    assert_eq!((asked(&seen, PBX), asked(&seen, TRUNK)), (vec!["BYE".to_owned()], vec!["BYE".to_owned()]));
    assert_eq!(seen.records[0].code, Some(32207));
}

#[test]
fn a_socket_that_there_is_not_ends_a_call_that_talks_and_no_other() {
    let (mut site, up) = up();
    let seen = told(&mut site, News::Failed { spot: Spot { media: MediaId(9), ..A }, why: "none".into() });
    assert_eq!((codes(&seen), seen.sent.len()), (Vec::new(), 0), "another's");
    let seen = told(&mut site, News::Failed { spot: A, why: "no socket on 10.0.0.1:20000".into() });
    assert_eq!(codes(&seen), [39803]);
    assert!(seen.alerts[0].text.contains("10.0.0.1:20000"));
    assert_eq!((asked(&seen, PBX), asked(&seen, TRUNK)), (vec!["BYE".to_owned()], vec!["BYE".to_owned()]));
    assert_eq!(seen.records[0].code, Some(39803));
    let seen = site.hear(up.flow, &up.request_a("BYE", 2).text());
    assert!(seen.records.is_empty(), "one record for one call");
    site.assert_silent("no socket");
}
