//! `ringfence replay` as a person at a prompt meets it: its summary, its files, its exit codes.
//!
//! Owns one office and a handful of calls. What rules say about calls is tested beside the rules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::rig::edge::binary;

const CALLS: &str = "calldate,src,dst,billsec,disposition,label\n\
    2026-12-05 02:00:00,201,+19005550100,600,ANSWERED,fraud\n\
    2026-12-05 02:00:01,201,+12125550142,60,ANSWERED,good\n\
    2026-12-05 02:00:02,202,+13125550143,60,ANSWERED,GOOD\n\
    2026-12-05 02:00:03,202,+12125550144,0,NO ANSWER,\n\
    never,202,+12125550144,60,ANSWERED,\n";

const COLUMNS: &str = "start=calldate,from=src,to=dst,duration_s=billsec,answered=disposition:ANSWERED";

/// A folder of one case, with its policies and calls.
fn folder(case: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ringfence-replay-{case}-{}", std::process::id()));
    let _gone = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder can be made");
    let policy = super::POLICY.replace("EDGE", "127.77.160.1").replace("PBX", "127.77.160.2");
    let policy = policy.replace("TRUNK", "127.77.160.3").replace("FOLDER", &folder.display().to_string());
    let rules = |prefixes: &str| {
        policy.replace(
            "#policy",
            &format!("policy:\n  outbound:\n    - blocklist: {{ prefixes: [{prefixes}] }}\n"),
        )
    };
    fs::write(folder.join("a.yaml"), rules("\"+1900\"")).expect("a policy can be written");
    fs::write(folder.join("b.yaml"), rules("\"+1900\", \"+1312\"")).expect("a policy can be written");
    fs::write(folder.join("calls.csv"), CALLS).expect("calls can be written");
    folder
}

fn replay(folder: &Path, policy: &str, more: &[&str]) -> Output {
    let calls = folder.join("calls.csv");
    let mut command = Command::new(binary());
    command.arg("replay").arg(folder.join(policy)).arg(calls).args(more);
    command.output().expect("the binary under test starts")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn a_file_of_calls_is_told_by_rule_and_money_and_the_same_twice() {
    let folder = folder("told");
    let columns = ["--columns", COLUMNS, "--zone", "Europe/Riga"];
    let out = replay(&folder, "a.yaml", &columns);
    let told = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{told}{}", text(&out.stderr));
    for words in [
        "4 calls, from 2026-12-05T00:00:00.000Z to 2026-12-05T00:00:03.000Z",
        "blocklist",
        "Not read: 1 rows",
        "line 6, start: \"never\" is no time",
        "10 min  30.00 USD",
        "0 of 2",
        "0 of 1",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(out.stderr.is_empty(), "no bar where nobody looks: {}", text(&out.stderr));
    assert_eq!(
        replay(&folder, "a.yaml", &columns).stdout,
        out.stdout,
        "the same file twice gives the same bytes"
    );
    fs::remove_dir_all(&folder).expect("the folder was made above");
}

#[test]
fn two_policies_stand_side_by_side_and_refused_good_calls_are_told() {
    let folder = folder("beside");
    let (against, verdicts) = (folder.join("b.yaml"), folder.join("verdicts.csv"));
    let (against, file) = (against.display().to_string(), verdicts.display().to_string());
    let columns = ["--columns", COLUMNS, "--zone", "UTC", "--against", &against, "--verdicts", &file];
    let out = replay(&folder, "a.yaml", &columns);
    let told = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{told}{}", text(&out.stderr));
    for words in [
        "Good calls refused or cut (B), the first of 1",
        "row 3, 2026-12-05T02:00:02.000Z: 202 to +13125550143",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let lines = fs::read_to_string(&verdicts).expect("verdicts are written");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[0].starts_with("row,verdict,code,rule,cut_after_s,against_verdict"), "{lines:?}");
    assert!(lines[1].starts_with("1,refused,3") && lines[2] == "2,admitted,,,,admitted,,,", "{lines:?}");
    assert!(lines[3].starts_with("3,admitted,,,,refused,"), "{lines:?}");
    let json = replay(&folder, "a.yaml", &[&columns[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json.pointer("/policies/1/good_refused"), Some(&Value::from(1)), "{json}");
    assert_eq!(json.pointer("/policies/0/refused/money"), Some(&Value::from("30.00")), "{json}");
    fs::remove_dir_all(&folder).expect("the folder was made above");
}

#[test]
fn what_cannot_be_played_is_told_with_its_cure_and_exit_code_2() {
    let folder = folder("refused");
    for (more, told) in [
        (&["--columns", COLUMNS][..], "--zone"),
        (&[][..], "no column \"start\""),
        (&["--columns", COLUMNS, "--zone", "Europe/Atlantis"], "is no time zone"),
        (&["--columns", COLUMNS, "--zone", "UTC", "--strict"], "line 6, start"),
        (&["--columns", COLUMNS, "--zone", "UTC", "--peer", "nobody"], "no peer of"),
    ] {
        let out = replay(&folder, "a.yaml", more);
        assert_eq!(out.status.code(), Some(2), "{more:?}: {}", text(&out.stdout));
        assert!(text(&out.stderr).contains(told), "{more:?}: {}", text(&out.stderr));
    }
    fs::write(folder.join("calls.csv"), b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00").expect("a file can be written");
    let out = replay(&folder, "a.yaml", &[]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("capture of packets"), "{}", text(&out.stderr));
    fs::remove_dir_all(&folder).expect("the folder was made above");
}
