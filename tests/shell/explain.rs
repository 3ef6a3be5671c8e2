//! `ringfence explain` beside the running edge: asked about the same requests, they say the same.
//!
//! Owns an office that dials by a plan, and the numbers that thieves and honest people dial there.

use std::net::UdpSocket;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::rig::Net;
use super::rig::edge::{Edge, binary};
use super::{receive, request, udp};

/// The office of the shell's cases, with a dial plan and rules.
fn policy() -> String {
    let pbx = "plain_signalling: allow, plain_media: allow }\n  trunk:";
    let with_plan = "plain_signalling: allow, plain_media: allow, dial_plan: us, refusal: { unreadable: 404 } }\n  trunk:";
    let rules = "dial_plans:\n  us: { country_code: \"1\", idd: [\"011\", \"00\"], national_prefix: \"1\", nsn_lengths: [10], \
                 national_prefix_optional: true, no_prefix_lengths: [10], outside_line: \"9\", phone_contexts: [pbx.example] }\n\
                 policy:\n  outbound:\n    - blocklist: { prefixes: [\"+1312*\"] }\n    - countries: { allow: [GB] }\n";
    let policy = super::POLICY.replace(pbx, with_plan).replace("#policy", rules);
    assert!(policy.contains("dial_plan: us") && policy.contains("dial_plans:"), "{policy}");
    policy
}

fn explain(edge: &Edge, more: &[&str]) -> Output {
    let file = edge.folder().join("ringfence.yaml");
    Command::new(binary()).arg("explain").arg(file).args(more).output().expect("the binary under test starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| {
        panic!(
            "{why}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A trunk that is always busy; what came to it, line by line.
pub fn busy(socket: UdpSocket) -> Receiver<String> {
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        let (mut room, mut seen) = ([0; 65_536], std::collections::BTreeSet::new());
        // It ends with its time-out, or with the test.
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            let text = String::from_utf8_lossy(&room[..length]).into_owned();
            if !text.starts_with("INVITE ") {
                continue;
            }
            let copied = |line: &&str| {
                ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name))
            };
            let lines: String = text.lines().filter(copied).map(|line| format!("{line}\r\n")).collect();
            let to = text.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
            let answer =
                format!("SIP/2.0 486 Busy Here\r\n{lines}{to};tag=busy\r\nContent-Length: 0\r\n\r\n");
            let line = text.lines().next().unwrap_or_default().to_owned();
            // A copy is answered again, and told once.
            let is_new = seen.insert(lines.clone());
            if socket.send_to(answer.as_bytes(), from).is_err() || is_new && sender.send(line).is_err() {
                return;
            }
        }
    });
    heard
}

/// The final status of one call, by its Call-ID.
pub fn final_status(phone: &UdpSocket, call: &str) -> u64 {
    loop {
        let message = receive(phone);
        let status = message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok());
        match status {
            Some(status @ 200..) if message.contains(&format!("Call-ID: {call}\r\n")) => return status,
            _ => {}
        }
    }
}

/// A trail without the places that only `explain` knows, and without what only a running edge remembers of calls before.
fn bare(trail: &Value) -> Value {
    let mut trail = trail.clone();
    for step in trail.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let _place = step.shift_remove("place");
        if step["rule"] == "policy.outbound.dial_plan_guessing" {
            let _counted = step.shift_remove("value");
        }
    }
    trail
}

/// What is dialled, the status and the code that refuse it; 0 where nothing does.
const CASES: [(&str, u64, u64); 17] = [
    ("sip:+37127913000@EDGE", 403, 32205),
    ("sip:0037127913000@EDGE", 403, 32205),
    ("sip:%2B37127913000@EDGE", 403, 32205),
    ("sip:01137127913000@EDGE", 403, 32205),
    ("tel:+371-27-913-000;phone-context=pbx.example", 404, 32101),
    ("tel:+371-27-913-000", 403, 32205),
    ("sip:18765551234@EDGE", 403, 32205),
    ("sip:+19005551234@EDGE", 403, 32203),
    ("sip:+881612345678@EDGE", 403, 32205),
    ("sip:911@EDGE", 0, 39806),
    ("sip:112@EDGE", 0, 39806),
    ("sip:91100371277@EDGE", 404, 32101),
    ("sip:2125550142@EDGE", 0, 0),
    ("sip:+442079460123@EDGE", 0, 0),
    ("sip:+13125550142@EDGE", 403, 32203),
    ("sip:912125550142@EDGE", 0, 0),
    ("sip:*72@EDGE", 404, 32101),
];

#[test]
fn explain_says_what_the_running_edge_does() {
    let net = Net(230);
    let edge = Edge::start("explain", net, &policy());
    let (phone, heard) = (udp(&net.pbx(), 5080), busy(udp(&net.trunk(), 5090)));
    for (nth, (uri, status, code)) in CASES.into_iter().enumerate() {
        let (uri, call) = (uri.replace("EDGE", &net.edge()), format!("explain-{nth}"));
        let usual = format!("sip:{}@{}", super::NUMBER, net.edge());
        let text = request("INVITE", &net.pbx(), "UDP", &call, "");
        let text = text.replace(&usual, &uri).replace("+12125550199", "+12125550100");
        assert!(text.starts_with(&format!("INVITE {uri} ")), "{text}");
        phone.send_to(text.as_bytes(), net.inside()).expect("the edge is there");
        let answered = final_status(&phone, &call);
        let records = edge.records(nth + 1);
        let record = &records[nth];
        let captured = edge.folder().join("captured.sip");
        std::fs::write(&captured, text.replace("\r\n", "\n")).expect("the folder is writable");
        let source = format!("{}:5080", net.pbx());
        let made = [
            "--from-peer",
            "office-pbx",
            "--caller",
            "+12125550100",
            "--uri",
            &uri,
            "--over",
            "udp",
            "--json",
        ];
        let from_file = ["--source", &source, "--message", captured.to_str().expect("it is text"), "--json"];
        for question in [&made[..], &from_file] {
            let output = explain(&edge, question);
            let told = json(&output);
            let refused = code != 0 && status != 0;
            assert_eq!(told["verdict"], if refused { "refused" } else { "admitted" }, "{uri}: {told:#}");
            assert_eq!(output.status.code(), Some(i32::from(refused)), "{uri}");
            assert_eq!(
                record["disposition"],
                if refused { "refused" } else { "failed" },
                "{uri}: {record:#}"
            );
            let alert = told["alert"]["error_code"].as_u64().unwrap_or(0);
            assert_eq!(alert, code, "{uri}: {told:#}");
            assert_eq!(
                (&bare(&record["trail"]), &record["number"]),
                (&bare(&told["trail"]), &told["number"]),
                "{uri}"
            );
            if refused {
                assert_eq!((told["status"].as_u64(), answered), (Some(status), status), "{uri}: {told:#}");
                assert_eq!(record["code"].as_u64(), Some(code), "{uri}: {record:#}");
            } else {
                assert_eq!(told["status"], Value::Null, "{uri}: {told:#}");
            }
        }
        if status == 0 {
            let line = heard.recv().expect("it came to the trunk");
            let told = json(&explain(&edge, &made));
            let left = told["targets"][0]["request"].as_str().expect("it leaves").to_owned();
            assert_eq!(line, format!("{left} SIP/2.0"), "{uri}");
        } else {
            assert!(heard.try_recv().is_err(), "{uri} came to the trunk");
        }
        if code != 0 {
            // Those that are alike are folded into one.
            assert_eq!(edge.alert(code)["peer"], "office-pbx", "{uri}");
        }
    }
}

#[test]
fn an_explanation_names_the_line_that_decided_and_obeys_no_sign_from_outside() {
    let net = Net(231);
    let edge = Edge::start("explain-text", net, &policy());
    let text = |more: &[&str]| {
        let output = explain(&edge, more);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let policy = std::fs::read_to_string(edge.folder().join("ringfence.yaml")).expect("it was written");
    let line = 1 + policy.lines().position(|line| line.contains("+1312")).expect("it is there");
    let (code, blocked) =
        text(&["--from-peer", "office-pbx", "--caller", "201", "--to", "13125550142", "--at", "Sat 02:00"]);
    assert_eq!(code, Some(1), "{blocked}");
    for wanted in [
        "read as     +13125550142: a national number behind the plan's national prefix",
        "REFUSED     403 Forbidden",
        &format!("ringfence.yaml:{line}:"),
        "policy.outbound[0].blocklist.prefixes[0]",
        "Warning     399 ringfence \"32203 number_blocked",
        "alert       32203 number_blocked (warning)",
        "every cap is shown with 0 of its limit in force",
    ] {
        assert!(blocked.contains(wanted), "{wanted:?} is not in:\n{blocked}");
    }
    let (code, defaulted) = text(&["--from-peer", "office-pbx", "--to", "+19005551234"]);
    assert_eq!(code, Some(1));
    let told = "policy.outbound.number_types: built-in default; policy.outbound, with an entry number_types changes it";
    assert!(defaulted.contains(told), "{defaulted}");
    let (code, help) = text(&["--from-peer", "office-pbx", "--to", "9911"]);
    assert_eq!(code, Some(0), "{help}");
    assert!(help.contains("An emergency:") && help.contains("INVITE sip:911@"), "{help}");
    let (code, nobody) = text(&["--source", &net.stranger(), "--to", "911"]);
    assert_eq!(code, Some(1));
    assert!(nobody.contains("SILENCE") && nobody.contains("32201"), "{nobody}");
    for (more, wanted) in [
        (&["--from-peer", "ofice-pbx", "--to", "1"][..], "did you mean office-pbx?"),
        (&["--from-peer", "office-pbx", "--to", "1\u{1b}[2J"], "control character"),
        (&["--from-peer", "office-pbx", "--to", "1", "--at", "soon"], "is no time"),
        (&["--from-peer", "office-pbx"], "--to"),
        (&["--to", "1"], "--from-peer"),
        (&["--from-peer", "office-pbx", "--message", "/nowhere"], "cannot be read"),
    ] {
        let (code, said) = text(more);
        assert_eq!(code, Some(2), "{more:?}: {said}");
        assert!(said.contains(wanted) && !said.contains('\u{1b}'), "{more:?}: {said}");
    }
    let evil = "INVITE sip:+13125550142@EDGE SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\nMax-Forwards: 70\nFrom: \
                \"\u{202e}x\" <sip:%1b%5b2J@h>;tag=1\nTo: <sip:1@h>\nCall-ID: \u{9b}2J\nCSeq: 1 INVITE\nContact: <sip:a@192.0.2.7>\n\n";
    let captured = edge.folder().join("evil.sip");
    std::fs::write(&captured, evil.replace("EDGE", &net.edge())).expect("the folder is writable");
    for json in [&[][..], &["--json"]] {
        let mut question =
            vec!["--from-peer", "office-pbx", "--message", captured.to_str().expect("it is text")];
        question.extend(json);
        let (code, said) = text(&question);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.chars().all(|letter| letter == '\n' || !letter.is_control() && letter != '\u{202e}'),
            "{said:?}"
        );
    }
}
