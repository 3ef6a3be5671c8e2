//! Lines as admins' scripts read them, and hostile text that tries to leave its string.

use std::sync::Arc;

use serde_json::Value;
use smallvec::smallvec;

use super::super::json::is_obeyed;
use super::*;
use crate::call::passed::Messages;
use crate::media::order::{MediaId, Spot};
use crate::policy::code;
use crate::policy::verdict::Said;
use crate::sip::Transport;

fn wall(seconds: i64) -> Wall {
    Wall::from_micros((1_790_000_000 + seconds) * 1_000_000)
}

fn record() -> CallRecord {
    CallRecord {
        id: 0xabc,
        follows: None,
        direction: Some(Direction::Outbound),
        from: "+12125550100".into(),
        to: "+37127913000".into(),
        number: None,
        credential: None,
        forwarder: None,
        legs: vec![LegRecord {
            peer: Arc::from("office-pbx"),
            call_id: "a@b".into(),
            remote: "127.0.0.1:5080".parse().unwrap(),
            transport: Transport::Udp,
            status: Some(200),
        }],
        began: wall(0),
        rang: Some(wall(1)),
        answered: Some(wall(3)),
        ended: wall(63),
        disposition: Disposition::Answered,
        ended_by: EndedBy::Callee,
        status: 200,
        why: "bye".into(),
        code: None,
        trail: smallvec![
            Step {
                rule: Arc::from("peers.office-pbx.concurrent_calls"),
                saw: Saw::Count { value: 3, limit: 30 },
                said: Said::Pass,
            },
            Step { rule: Arc::from("routes[0]"), saw: Saw::Nothing, said: Said::Match },
        ],
        messages: Messages::default(),
        media: Vec::new(),
    }
}

fn line_of(out: &[u8]) -> Value {
    let text = std::str::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "one line: {text:?}");
    serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap()
}

#[test]
fn an_alert_has_the_keys_of_the_table_in_their_order() {
    let mut alert = Alert::new(code::NUMBER_BLOCKED, wall(5), "The number is blocked.".into());
    alert.rule = Some(Arc::from("policy.outbound[3].blocklist"));
    alert.peer = Some(Arc::from("office-pbx"));
    alert.source = Some("203.0.113.9:5060".parse().unwrap());
    alert.transport = Some(Transport::Tls);
    alert.call_id = Some("a@b".into());
    alert.from = Some("+12125550100".into());
    alert.to = Some("+37127913000".into());
    alert.sip_status = Some(403);
    alert.evidence = vec![("prefix", "+371".into())];
    let mut out = Vec::new();
    write_alert(&mut out, &alert, 7, 4, wall(2));
    let text = String::from_utf8(out).unwrap();
    insta::assert_snapshot!(text.trim_end(), @r#"{"sid":"NO00000000000000000000000000000007","error_code":32203,"name":"number_blocked","vendor":"ringfence","log_level":"warning","alert_text":"The number is blocked.","date_generated":"2026-09-21T14:13:25.000Z","rule":"policy.outbound[3].blocklist","peer":"office-pbx","source":"203.0.113.9:5060","transport":"tls","call_id":"a@b","from":"+12125550100","to":"+37127913000","sip_status":403,"count":4,"first_seen":"2026-09-21T14:13:22.000Z","evidence":{"prefix":"+371"}}"#);
}

#[test]
fn a_record_tells_the_whole_call() {
    let mut out = Vec::new();
    write_record(&mut out, &record());
    let text = String::from_utf8(out).unwrap();
    insta::assert_snapshot!(text.trim_end(), @r#"{"id":"00000000000000000000000000000abc","direction":"outbound","from":"+12125550100","to":"+37127913000","disposition":"answered","status":200,"ended_by":"callee","why":"bye","code":null,"began":"2026-09-21T14:13:20.000Z","rang":"2026-09-21T14:13:21.000Z","answered":"2026-09-21T14:13:23.000Z","ended":"2026-09-21T14:14:23.000Z","ring_delay_ms":1000,"answer_delay_ms":3000,"talk_ms":60000,"total_ms":63000,"legs":[{"peer":"office-pbx","call_id":"a@b","remote":"127.0.0.1:5080","transport":"udp","status":200}],"trail":[{"rule":"peers.office-pbx.concurrent_calls","said":"pass","value":3,"limit":30},{"rule":"routes[0]","said":"match"}]}"#);
}

#[test]
fn a_record_tells_what_came_from_each_side() {
    let stream = |leg, opinion| StreamReport {
        spot: Spot { media: MediaId(1), leg, stream: 0 },
        packets: 500,
        octets: 80_000,
        lost: 3,
        jitter: Duration::from_micros(1_250),
        late: 1,
        replayed: 2,
        unauthentic: 4,
        foreign: 5,
        refused: 6,
        events: 7,
        opinion,
    };
    let mut whole = record();
    whole.media = vec![stream(MediaLeg::A, Some(4.375)), stream(MediaLeg::B, None)];
    let mut out = Vec::new();
    write_record(&mut out, &whole);
    let text = std::str::from_utf8(&out).unwrap();
    let (_, media) = text.split_once("\"media\":").unwrap();
    insta::assert_snapshot!(media.trim_end(), @r#"[{"leg":0,"stream":0,"packets":500,"bytes":80000,"lost":3,"jitter_us":1250,"late":1,"replayed":2,"unauthenticated":4,"foreign":5,"refused":6,"dtmf":7,"mos":4.38},{"leg":0,"stream":0,"packets":500,"bytes":80000,"lost":3,"jitter_us":1250,"late":1,"replayed":2,"unauthenticated":4,"foreign":5,"refused":6,"dtmf":7,"mos":null}]}"#);
    assert_eq!(line_of(&out)["media"][0]["mos"], 4.38);
    // The called leg is the last one that was tried.
    whole.legs = vec![whole.legs[0].clone(), whole.legs[0].clone(), whole.legs[0].clone()];
    out.clear();
    write_record(&mut out, &whole);
    assert_eq!(
        (&line_of(&out)["media"][0]["leg"], &line_of(&out)["media"][1]["leg"]),
        (&0.into(), &2.into())
    );
}

#[test]
fn a_clock_set_back_gives_no_negative_length() {
    let mut odd = record();
    odd.ended = wall(-3600);
    let mut out = Vec::new();
    write_record(&mut out, &odd);
    let line = line_of(&out);
    assert_eq!((line["total_ms"].as_u64(), line["talk_ms"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn f10_hostile_text_stays_inside_its_string() {
    let hostile = [
        "x\r\n{\"sid\":\"NO0\",\"error_code\":39002}",
        "\u{1b}[2J\u{1b}[31mowned\u{7}",
        "\u{9b}31m C1 escape",
        "\"},\"count\":999,\"x\":{\"",
        "line\u{2028}separator\u{2029}\u{85}next",
        "right\u{202e}to left\u{2066}",
        "\u{0}\u{7f}",
        "\\\" \\u0022",
        "'; DROP TABLE calls; --",
        "<script>alert(1)</script>",
        "caf\u{e9} \u{1f600} \u{fffd}",
    ];
    for text in hostile {
        let mut alert = Alert::new(code::NUMBER_BLOCKED, wall(0), text.into());
        alert.from = Some(text.into());
        alert.call_id = Some(text.into());
        alert.evidence = vec![("user_agent", text.into())];
        let mut out = Vec::new();
        write_alert(&mut out, &alert, 1, 1, wall(0));
        let line = line_of(&out);
        assert_eq!(line["error_code"], 32203, "{text:?}");
        assert_eq!(line["count"], 1, "{text:?}");
        // Nothing is lost: a reader of JSON gets back exactly what was sent.
        assert_eq!(line["from"], text);
        assert_eq!(line["evidence"]["user_agent"], text);
        let printed = std::str::from_utf8(&out).unwrap().trim_end_matches('\n');
        assert!(!printed.chars().any(|c| c.is_control() || is_obeyed(c)), "{printed:?}");

        let mut odd = record();
        odd.to = text.into();
        odd.why = text.into();
        odd.legs[0].call_id = text.into();
        let mut out = Vec::new();
        write_record(&mut out, &odd);
        assert_eq!(line_of(&out)["legs"][0]["call_id"], text);
    }
}
