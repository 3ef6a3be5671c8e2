//! Records found and drawn, by table.

use std::fs;

use serde_json::json;

use super::*;

fn record(id: &str, call_id: &str) -> Value {
    json!({
        "id": id, "direction": "outbound", "from": "+12125550100", "to": "+37127913000",
        "disposition": "answered", "status": 200, "ended_by": "caller", "why": "BYE", "code": null,
        "began": "2026-09-21T14:13:20.000Z", "talk_ms": 60_000, "total_ms": 63_000, "answer_delay_ms": 3_000,
        "legs": [
            { "peer": "office-pbx", "call_id": call_id, "remote": "127.0.0.1:5080", "transport": "udp", "status": 200 },
            { "peer": "trunk", "call_id": "b1", "remote": "127.0.0.1:5090", "transport": "udp", "status": 503 },
            { "peer": "trunk", "call_id": "b2", "remote": "127.0.0.2:5090", "transport": "tcp", "status": 200 },
        ],
        "trail": [
            { "rule": "peers.office-pbx.concurrent_calls", "said": "pass", "value": 3, "limit": 30 },
            { "rule": "routes[0] (out)", "said": "match" },
        ],
        "messages": [
            "0 0> INVITE body", "0 >1 INVITE body", "20 1> 503 INVITE", "20 >2 INVITE body", "1000 2> 180 INVITE",
            "1000 >0 180 INVITE", "3000 2> 200 INVITE body", "3000 >2 ACK", "3000 >0 200 INVITE body", "3010 0> ACK",
            "63000 0> BYE", "63000 >0 200 BYE", "63000 >2 BYE", "and 3 more",
        ],
    })
}

#[test]
fn a_record_is_drawn_with_both_legs_and_the_verdict() {
    insta::assert_snapshot!(draw(&record("abc", "a1"), 80));
}

/// A call over so many targets, each of which rang and was given up but the last.
fn failed_over(targets: usize) -> Value {
    let mut record = record("abc", "a1");
    let mut legs = vec![record["legs"][0].clone()];
    let mut messages = vec!["0 0> INVITE body".to_owned()];
    for target in 1..=targets {
        let name = format!("a-trunk-with-a-long-name-{target}");
        let at = target * 6_000;
        legs.push(json!({ "peer": name, "call_id": format!("b{target}"), "remote": "127.0.0.1:5090", "transport": "udp" }));
        messages.push(format!("{at} >{target} INVITE body"));
        messages.push(format!("{} {target}> 183 INVITE body", at + 1));
        messages.push(format!("{} >0 183 INVITE body", at + 1));
    }
    // The first answers after all, when the last is being asked.
    messages.push("99000 1> 200 INVITE body".to_owned());
    messages.push("99000 >1 ACK".to_owned());
    record["legs"] = json!(legs);
    record["messages"] = json!(messages);
    record
}

#[test]
fn a_call_over_three_targets_fits_a_terminal() {
    let drawn = draw(&failed_over(3), 80);
    insta::assert_snapshot!(drawn);
    for width in [80, 81, 100, 120, 200] {
        for targets in 0..=9 {
            let drawn = draw(&failed_over(targets), width);
            // What stands below the ladder is wrapped by nobody: a Call-ID is there to be copied.
            let ladder = drawn.lines().take_while(|line| !line.starts_with('+'));
            for line in ladder {
                assert!(line.chars().count() <= width, "{targets} targets in {width}: {line}");
            }
            assert_eq!(drawn.matches("183 INVITE [body]").count(), 2 * targets, "{drawn}");
        }
    }
}

#[test]
fn an_attempt_without_messages_is_drawn_from_its_status() {
    let refused = json!({
        "id": "abd", "direction": null, "from": "x", "to": "+19005550000", "disposition": "refused", "status": 403,
        "ended_by": "edge", "why": "number_blocked", "code": 32203, "began": "2026-09-21T14:13:20.000Z",
        "total_ms": 0,
        "legs": [{ "peer": "pbx", "call_id": "a", "remote": "127.0.0.1:5080", "transport": "udp", "status": 403 }],
        "trail": [{ "rule": "policy[0] (blocklist)", "said": "refuse", "saw": "+1900" }],
    });
    insta::assert_snapshot!(draw(&refused, 80));
}

#[test]
fn f10_what_an_outsider_sent_cannot_move_the_terminal() {
    let mut hostile = record("abc", "\u{1b}[2J\u{202e}x\r\n");
    hostile["from"] = json!("\u{5d0}\u{627}+1900");
    hostile["messages"] = json!([
        "0 0> \u{1b}[31mINVITE",
        "\u{9b}31m",
        "0 999999999999> INVITE",
        "0 18446744073709551615> INVITE",
        "x y z"
    ]);
    let drawn = draw(&hostile, 80);
    // Nor a letter that is written from right to left: the numbers beside it would change places.
    let turns = |letter: char| matches!(letter, '\u{202e}' | '\u{5d0}' | '\u{627}');
    let odd = |letter: char| letter != '\n' && (letter.is_control() || turns(letter));
    assert!(!drawn.chars().any(odd), "{drawn:?}");
}

#[test]
fn a_record_is_found_by_id_by_call_id_or_as_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.jsonl");
    let line = |id: &str, call_id: &str| format!("{}\n", record(id, call_id));
    let alert = "{\"sid\":\"NO1\",\"error_code\":32203}\n";
    fs::write(folder.path().join("records.jsonl.1"), line("00aa11bb", "old \"quoted\"")).unwrap();
    let now = [&line("00cc22dd", "one"), alert, &line("00cc22ee", "two"), "{\"legs\":[],\"half"].concat();
    fs::write(&file, now).unwrap();
    let named = |name: &str| find(&file, &Wanted::Named(name.to_owned()));
    let id = |found: Result<Value, NotFound>| found.map(|record| text(&record, "id").to_owned()).ok();
    for (name, found) in [
        ("00cc22dd", Some("00cc22dd")),
        ("00cc22e", Some("00cc22ee")),
        ("one", Some("00cc22dd")),
        ("old \"quoted\"", Some("00aa11bb")),
        ("00aa1", None),
        ("00aa11", Some("00aa11bb")),
        ("on", None),
        ("", None),
    ] {
        assert_eq!(id(named(name)).as_deref(), found, "{name:?}");
    }
    assert_eq!(id(find(&file, &Wanted::Last)).as_deref(), Some("00cc22ee"));
    let NotFound::Several(fitting) = named("00cc22").unwrap_err() else { panic!("two fit") };
    assert_eq!(fitting.len(), 2);
    let missing = find(&folder.path().join("nowhere"), &Wanted::Last).unwrap_err().to_string();
    assert!(missing.contains("--file"), "{missing}");
}
