//! Rows of the attack table that the engine itself holds.

use std::time::Duration;

use ringfence::sip::{ConnectionId, Transport};

use super::calls::Talk;
use super::edge::{Edge, OTHER, PBX, PBX_TOO, STRANGER, TRUNK, alter, from, plan, settings};
use super::texts::{Request, answer, tag};
use ringfence::policy::peer::Probe;

#[test]
fn a1_a_stranger_hears_nothing_is_counted_and_is_banned() {
    let mut edge = Edge::new();
    for (nth, method) in ["OPTIONS", "REGISTER", "INVITE", "ACK", "BYE"].iter().cycle().take(50).enumerate() {
        let agent = "User-Agent: Cisco-SIPGateway/IOS-12.x\r\n";
        let text = Request::new(method, STRANGER).with(|r| {
            r.more += agent;
            r.branch = format!("z9hG4bK-{nth}");
        });
        assert!(edge.hear(from(STRANGER), &text.text()).sent.is_empty());
    }
    let seen = edge.pass(Duration::from_secs(60));
    assert!(seen.sent.is_empty());
    assert!(seen.codes().contains(&32201) && seen.codes().contains(&39201), "{:?}", seen.codes());
    assert!(seen.alerts.len() < 10, "folded: {}", seen.alerts.len());
    edge.assert_empty();
}

#[test]
fn d1_a_cancel_counts_only_from_the_same_peer_with_the_same_branch() {
    let mut edge = Edge::new();
    let invite = Request::new("INVITE", PBX);
    let seen = edge.hear(from(PBX), &invite.text());
    let leaving = seen.to(TRUNK).remove(0);
    edge.hear(from(TRUNK), &answer(&leaving, 180, "b-1", TRUNK));
    let cancel = Request::new("CANCEL", PBX);
    let seen = edge.hear(from(PBX), &cancel.clone().with(|r| r.branch = "z9hG4bK-guess".into()).text());
    assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![481], 0));
    let other = edge.hear(from(OTHER), &cancel.clone().text());
    assert!(other.sent.iter().all(|(_, bytes)| !bytes.starts_with(b"SIP/2.0 200")), "{other:?}");
    assert!(other.to(TRUNK).is_empty());
    assert!(edge.hear(from(STRANGER), &cancel.text()).sent.is_empty());
    assert_eq!(edge.status().0.calls, 1, "the call stays");

    // Another address of the peer's own list is the same peer.
    let seen = edge.hear(from(PBX_TOO), &cancel.text());
    assert!(
        seen.statuses(PBX).contains(&487)
            || seen.to(TRUNK).iter().any(|m| m.method().as_bytes() == b"CANCEL")
    );
}

#[test]
fn d2_requests_with_guessed_tags_or_of_another_peer_do_not_touch_a_call() {
    let mut edge = Edge::new();
    let talk = Talk::begin(&mut edge);
    for method in ["BYE", "INVITE", "INFO", "OPTIONS"] {
        let guessed = talk.request_a(method, 7).with(|r| r.to_tag = "0123456789abcdef".into());
        let seen = edge.hear(from(PBX), &guessed.with(|r| r.branch = "z9hG4bK-g".into()).text());
        assert!(seen.to(TRUNK).is_empty(), "{method}");
        assert!(!seen.statuses(PBX).contains(&200), "{method}");
        let foreign = talk.request_a(method, 8).with(|r| r.branch = "z9hG4bK-h".into());
        let seen = edge.hear(from(OTHER), &foreign.text());
        assert!(
            seen.to(TRUNK).is_empty() && seen.to(PBX).iter().all(|m| m.status() != Some(200)),
            "{method}"
        );
        let wrong_call = talk.request_a(method, 9).with(|r| {
            r.call_id = "another@example.com".into();
            r.branch = "z9hG4bK-i".into();
        });
        let seen = edge.hear(from(PBX), &wrong_call.text());
        assert!(seen.to(TRUNK).is_empty() && !seen.statuses(PBX).contains(&200), "{method}");
    }
    assert_eq!(edge.status().0.calls, 1, "the call stays");
    // CSeq was not advanced: the right BYE with the next number still ends it.
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!(seen.statuses(PBX), [200]);
    assert_eq!(seen.to(TRUNK)[0].method().as_bytes(), b"BYE");
}

#[test]
fn d3_a_forged_response_is_not_heard() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = seen.to(TRUNK).remove(0);
    let forged = answer(&leaving, 200, "evil", TRUNK);
    for sender in [STRANGER, OTHER, PBX] {
        let seen = edge.hear(from(sender), &forged);
        assert!(seen.sent.is_empty() && seen.records.is_empty(), "{sender}");
    }
    let branch = tag(leaving.top_via().branch);
    assert!(branch.len() >= 7 + 16, "at least 64 random bits: {branch}");
    let guessed = forged.replace(&branch, "z9hG4bK0000000000000001");
    assert!(edge.hear(from(TRUNK), &guessed).sent.is_empty());
    // RFC 3261 §8.2.6.2: a response has the CSeq of its request.
    let before = edge.count("stray_responses");
    assert!(edge.hear(from(TRUNK), &forged.replace("CSeq: 1 INVITE", "CSeq: 2 INVITE")).sent.is_empty());
    assert_eq!(edge.count("stray_responses"), before + 1);
    assert!(before >= 2);
    let seen = edge.hear(from(TRUNK), &forged);
    assert!(seen.statuses(PBX).contains(&200), "from the right peer it counts");
}

#[test]
fn d5_a_to_tag_without_a_dialog_opens_nothing() {
    for to_tag in ["1234", "0123456789abcdef", "from-1"] {
        for method in ["INVITE", "BYE", "OPTIONS"] {
            let mut edge = Edge::new();
            let seen =
                edge.hear(from(PBX), &Request::new(method, PBX).with(|r| r.to_tag = to_tag.into()).text());
            assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![481], 0), "{method} {to_tag}");
            assert_eq!(seen.codes(), [39108], "{method} {to_tag}");
        }
    }
    let text = Request::new("INVITE", PBX).with(|r| r.to_tag = "1".into()).text();
    let seen = Edge::new().hear(from(PBX), &text.replace("To:", "To\u{1}:"));
    assert_eq!(seen.statuses(PBX), [400], "a control character before the colon");
}

#[test]
fn d7_via_never_sends_an_answer_to_a_third_host() {
    let via = format!("Via: SIP/2.0/UDP {PBX};branch=z9hG4bK-test-1");
    let rows: &[(&str, String, u16, &str)] = &[
        ("forged received", format!("{via};received=203.0.113.7"), 200, PBX),
        ("sent-by of a third host", via.replace("10.0.0.2:5060", "203.0.113.7:5060"), 200, PBX),
        ("maddr", format!("{via};maddr=203.0.113.7"), 200, PBX),
        ("rport", format!("{};rport", via.replace(":5060", ":9")), 200, PBX),
        ("no cookie", via.replace("z9hG4bK-test-1", "1"), 200, PBX),
    ];
    for (name, replacement, status, to) in rows {
        let text = Request::new("OPTIONS", PBX).text().replace(&via, replacement);
        let seen = Edge::new().hear(from(PBX), &text);
        assert_eq!(seen.statuses(to), [*status], "{name}: {:?} {:?}", seen.sent, seen.alerts);
        assert_eq!(seen.sent.len(), 1, "{name}");
    }
    // Past the limit it is refused: a listed peer hears so however far behind the rest of the head stands.
    for (count, statuses) in [(70, &[400_u16][..]), (300, &[400])] {
        let many = format!("{via}\r\n{}", vec!["Via: SIP/2.0/UDP 192.0.2.9"; count].join("\r\n"));
        let seen = Edge::new().hear(from(PBX), &Request::new("OPTIONS", PBX).text().replace(&via, &many));
        assert_eq!((&seen.statuses(PBX)[..], seen.codes()), (statuses, vec![39102]), "{count}");
    }
    let bearable = format!("{via}\r\n{}", vec!["Via: SIP/2.0/UDP 192.0.2.9"; 69].join("\r\n"));
    let seen = Edge::new().hear(from(PBX), &Request::new("OPTIONS", PBX).text().replace(&via, &bearable));
    assert_eq!(seen.statuses(PBX), [200]);
}

#[test]
fn f3_sizes_are_bounded_and_the_answer_is_defined() {
    let base = || Request::new("OPTIONS", PBX);
    let rows: &[(&str, String, &[u16])] = &[
        ("10,000 headers", base().with(|r| r.more = "X: y\r\n".repeat(10_000)).text(), &[400, 413, 513]),
        (
            "a header of 20,000",
            base().with(|r| r.more = format!("X: {}\r\n", "y".repeat(20_000))).text(),
            &[400, 413, 513],
        ),
        (
            "1,000 parameters",
            base().with(|r| r.contact = format!("<sip:a@b{}>", ";p".repeat(1_000))).text(),
            &[200, 400, 413],
        ),
        (
            "1,000 folds",
            base().with(|r| r.more = format!("X: y{}\r\n", "\r\n z".repeat(10_000))).text(),
            &[400, 413, 513],
        ),
        ("64 KiB and more", base().with(|r| r.body = "x".repeat(70_000)).text(), &[400, 413, 513]),
    ];
    for (name, text, statuses) in rows {
        let mut edge = Edge::new();
        let seen = edge.hear(from(PBX), text);
        let answers = seen.statuses(PBX);
        assert!(answers.len() == 1 && statuses.contains(&answers[0]), "{name}: {answers:?}");
        edge.pass(Duration::from_secs(40));
        edge.assert_empty();
    }
}

#[test]
fn f6_a_flood_of_a_listed_address_meets_its_bucket_and_memory_returns() {
    let policy = plan(|plan| {
        alter(plan, 0, |pbx| {
            pbx.requests_per_second_max = 10;
            pbx.requests_burst_max = 10;
        });
    });
    let mut edge = Edge::under(policy);
    for nth in 0..2_000 {
        let text = Request::new("OPTIONS", PBX).with(|r| {
            r.branch = format!("z9hG4bK-{nth}");
            r.call_id = format!("{nth}@flood");
        });
        let seen = edge.hear(from(PBX), &text.text());
        assert!(seen.alerts.len() < 2);
    }
    let (gauges, ..) = edge.status();
    assert!(gauges.server_transactions <= 10, "{gauges:?}");
    let seen = edge.hear(from(OTHER), &Request::new("OPTIONS", OTHER).text());
    assert_eq!(seen.statuses(OTHER), [200], "another peer is not touched");
    let seen = edge.pass(Duration::from_secs(40));
    assert!(seen.codes().contains(&32001) && seen.alerts.len() < 5, "{:?}", seen.codes());
    edge.assert_empty();
}

#[test]
fn f6_a_full_table_is_answered_503_with_retry_after_and_calls_go_on() {
    let mut settings = settings();
    settings.transactions_max = 16;
    let mut edge = Edge::with(plan(|_| {}), settings);
    let talk = Talk::begin(&mut edge);
    let (mut full, mut told) = (0, 0);
    for nth in 0..40 {
        let text = Request::new("OPTIONS", PBX).with(|r| {
            r.branch = format!("z9hG4bK-{nth}");
            r.call_id = format!("{nth}@flood");
        });
        let seen = edge.hear(from(PBX), &text.text());
        if seen.statuses(PBX) == [503] {
            full += 1;
            told += seen.codes().iter().filter(|code| **code == 39402).count();
            assert_eq!(super::texts::header(&seen.to(PBX)[0], "Retry-After"), "5");
        }
    }
    assert!(full >= 20 && told == 1, "{full} turned away, told {told} times");
    let seen = edge.hear(from(PBX), &talk.request_a("BYE", 2).text());
    assert_eq!(seen.statuses(PBX), [200], "what lives can be ended");
}

#[test]
fn f6_calls_that_no_trunk_answers_fill_the_client_transactions_and_end_what_lives_nowhere() {
    for limit in [16, 17] {
        let mut settings = settings();
        settings.client_transactions_max = limit;
        let probing = Some(Probe { interval: Duration::from_secs(3_600) });
        let policy = plan(|plan| {
            alter(plan, 1, |trunk| (trunk.probe, trunk.concurrent_calls_max) = (probing, 1_000));
            alter(plan, 0, |pbx| pbx.concurrent_calls_max = 1_000);
        });
        let mut edge = Edge::with(policy, settings);
        // Its INVITE keeps a place until no copy of the 2xx can come.
        let talk = Talk::begin(&mut edge);
        let mut codes = Vec::new();
        for nth in 2..=40 {
            let text = Request::new("INVITE", PBX).with(|r| {
                r.branch = format!("z9hG4bK-{nth}");
                r.call_id = format!("{nth}@flood");
            });
            let seen = edge.hear(from(PBX), &text.text());
            codes.extend(seen.codes());
            let clients = edge.status().0.client_transactions;
            assert_eq!(clients, nth.min(limit), "call {nth} of {limit}");
            if nth <= limit {
                assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![100], 1), "{nth} of {limit}");
                continue;
            }
            assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![100, 480], 0), "{nth} of {limit}");
            assert_eq!(super::texts::header(&seen.to(PBX)[1], "Retry-After"), "10");
            assert_eq!(seen.records.len(), 1);
        }
        assert_eq!(codes.iter().filter(|code| **code == 39403).count(), 1, "told once: {codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == 10004).count(), 40 - limit, "{codes:?}");
        assert_eq!(codes.len(), 41 - limit, "nothing else is told, and no trunk is blamed: {codes:?}");
        assert_eq!(edge.status().2[1], ("trunk".to_owned(), Some(true)));
        assert_eq!(edge.count("client_table_full"), 40 - limit as u64);
        // What would go on within the call waits, and the call stands.
        let hold = talk.request_a("INVITE", 2);
        let hold = hold.with(|r| r.body = r.body.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\r\n");
        let hold = edge.hear(from(PBX), &hold.text());
        assert_eq!((hold.statuses(PBX), hold.to(TRUNK).len()), (vec![100, 500], 0));
        assert!(!super::texts::header(&hold.to(PBX)[1], "Retry-After").is_empty());
        let acked = talk.request_a("ACK", 2).with(|r| r.branch = "z9hG4bK-INVITE-2".into());
        edge.hear(from(PBX), &acked.text());
        // And it can be ended.
        let bye = edge.hear(from(PBX), &talk.request_a("BYE", 3).text());
        assert_eq!(bye.statuses(PBX), [200]);
        let leaving = bye.to(TRUNK);
        assert_eq!(leaving.len(), 1, "the other side hears of it");
        assert_eq!(leaving[0].method().as_bytes(), b"BYE");
        edge.pass(Duration::from_secs(300));
        edge.assert_empty();
        Talk::begin(&mut edge);
    }
}

#[test]
fn f8_copies_are_absorbed_and_a_merged_request_is_refused() {
    let mut edge = Edge::new();
    let invite = Request::new("INVITE", PBX);
    assert_eq!(edge.hear(from(PBX), &invite.text()).to(TRUNK).len(), 1);
    for _ in 0..100 {
        let seen = edge.hear(from(PBX), &invite.text());
        assert_eq!((seen.statuses(PBX), seen.to(TRUNK).len()), (vec![100], 0));
    }
    let other_body = invite.clone().with(|r| r.body = r.body.replace("4000", "4002"));
    assert_eq!(edge.hear(from(PBX), &other_body.text()).to(TRUNK).len(), 0, "same branch, other body");
    let merged = edge.hear(from(PBX), &invite.with(|r| r.branch = "z9hG4bK-test-2".into()).text());
    assert_eq!((merged.statuses(PBX), merged.to(TRUNK).len()), (vec![482], 0));
    assert_eq!(edge.count("merged"), 1);
    assert_eq!(edge.status().0.calls, 1);
}

#[test]
fn a_request_that_went_out_and_came_back_is_refused_as_a_loop() {
    let mut edge = Edge::new();
    let seen = edge.hear(from(PBX), &Request::new("INVITE", PBX).text());
    let leaving = String::from_utf8(
        seen.sent.iter().find(|(hop, _)| hop.remote.to_string() == TRUNK).unwrap().1.to_vec(),
    )
    .unwrap();
    let looped = leaving
        .replacen("Via:", &format!("Via: SIP/2.0/UDP {TRUNK};branch=z9hG4bK-proxy\r\nVia:"), 1)
        .replacen("sip:+13125550199@198.51.100.5:5060", "sip:+12125550100@192.0.2.1", 1);
    let seen = edge.hear(from(TRUNK), &looped);
    assert_eq!(seen.statuses(TRUNK), [482], "{looped}");
    assert_eq!(seen.codes(), [39104]);
}

#[test]
fn f10_what_a_sender_writes_cannot_forge_a_line() {
    let mut edge = Edge::new();
    let text = Request::new("INVITE", PBX).with(|r| {
        r.uri = "sip:%0d%0aX-Evil%3a@10.0.0.1".into();
        r.call_id = "\"{\u{1b}[31m@x".into();
    });
    let seen = edge.hear(from(PBX), &text.text());
    assert_eq!(seen.sent.len(), 1);
    let answer = String::from_utf8_lossy(&seen.sent[0].1).into_owned();
    assert!(!answer.contains("\r\nX-Evil"), "{answer}");
}

/// A peer that may use both: what its call began with under TLS stays there, whoever says otherwise.
#[test]
fn d2_an_encrypted_leg_never_turns_to_the_clear() {
    let mut edge = Edge::new();
    let mut secure = from(PBX);
    (secure.transport, secure.connection) = (Transport::Tls, ConnectionId(7));
    let invite = Request::new("INVITE", PBX);
    let leaving = edge.hear(secure, &invite.text()).to(TRUNK).remove(0);
    let heard = edge.hear(from(TRUNK), &answer(&leaving, 200, "b-1", TRUNK)).to(PBX).remove(0);
    let within = |method: &str, cseq: u32| {
        Request::new(method, PBX).with(|r| {
            r.to_tag = tag(heard.to_tag());
            r.cseq = cseq;
            r.branch = format!("z9hG4bK-{method}-{cseq}");
        })
    };
    edge.hear(secure, &within("ACK", 1).text());
    for (cseq, method) in [(2, "INVITE"), (4, "OPTIONS"), (5, "UPDATE"), (6, "BYE")] {
        let seen = edge.hear(from(PBX), &within(method, cseq).text());
        assert!(seen.statuses(PBX).ends_with(&[403]), "{method}: {seen:?}");
        assert_eq!((seen.to(TRUNK).len(), seen.codes()), (0, vec![32209]), "{method}: {seen:?}");
    }
    // The numbers were not taken, and the leg stands where it stood: on its connection.
    let seen = edge.hear(secure, &within("OPTIONS", 2).text());
    assert_eq!(seen.statuses(PBX), [200]);
    let bye = Request::new("BYE", TRUNK).with(|r| {
        r.uri = "sip:192.0.2.1".into();
        r.call_id = String::from_utf8(leaving.call_id().to_vec()).unwrap();
        (r.from_tag, r.cseq) = ("b-1".into(), 1);
        r.to_tag = String::from_utf8(leaving.from_tag().unwrap().to_vec()).unwrap();
    });
    let seen = edge.hear(from(TRUNK), &bye.text());
    let (hop, bytes) = seen.sent.iter().find(|(_, bytes)| bytes.starts_with(b"BYE ")).unwrap();
    assert_eq!((hop.transport, hop.connection), (Transport::Tls, ConnectionId(7)));
    assert!(memchr::memmem::find(bytes, b"SIP/2.0/TLS ").is_some());
}
