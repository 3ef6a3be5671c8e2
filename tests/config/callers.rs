//! What is said of whom a PBX may call as, and of callers from outside who are barred.

use ringfence::policy::Peer;

use super::{BASE, read, with};

const PLANS: &str = "dial_plans:\n  office: { country_code: \"1\", national_prefix: \"1\", national_prefix_optional: true, nsn_lengths: [10], no_prefix_lengths: [10] }\npeers:";

/// The PBX of a policy that is the base with these keys added to it.
fn pbx(keys: &str, dids: &str) -> std::sync::Arc<Peer> {
    let text = with("    side: inside", &format!("    side: inside\n    {}", keys.replace("; ", "\n    ")));
    let text = text.replacen("peers:", PLANS, 1).replacen("dids: [\"+12125550100\"]", dids, 1);
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let peer = config.policy.peers.iter().flatten().find(|peer| &*peer.name == "pbx").unwrap();
    std::sync::Arc::clone(peer)
}

#[test]
fn c10_dids_are_owned_however_they_are_written_and_only_where_a_plan_reads_callers() {
    let dids = "dids: [\"2125550101\", \"+12125550100\"]";
    assert_eq!(pbx("ring_max: 2m", dids).callers, None, "no plan, no keys: nothing is judged");
    let by_dids = pbx("dial_plan: office", dids).callers.clone().unwrap();
    assert_eq!(&*by_dids.path, "sites.lab.dids");
    for (number, owned) in [("+12125550100", true), ("+12125550101", true), ("+12125550102", false)] {
        assert_eq!(by_dids.owned.holds(number), owned, "{number}");
    }
    assert!(by_dids.replaces);
    let keys = "owns: [did, \"+1646555*\", \"+4930555010-+4930555019\"]; dial_plan: office; shown_as: { \"201\": \"+12125550100\" }; caller_not_owned: refuse";
    let written = pbx(keys, dids).callers.clone().unwrap();
    assert_eq!(&*written.path, "peers.pbx.owns");
    for (number, owned) in
        [("+12125550101", true), ("+16465559999", true), ("+4930555015", true), ("+4930555020", false)]
    {
        assert_eq!(written.owned.holds(number), owned, "{number}");
    }
    assert_eq!(written.shown_for("201").map(|number| &**number), Some("+12125550100"));
    assert!(!written.replaces);
    assert!(pbx("owns: any; dial_plan: office", dids).callers.clone().unwrap().owned.is_any());
}

#[test]
fn what_cannot_be_meant_of_callers_is_told_with_its_cure() {
    let inside = |keys: &str| ("    side: inside", format!("    side: inside\n    {keys}"));
    let outside = |keys: &str| ("    side: outside", format!("    side: outside\n    {keys}"));
    let rule = |rule: &str| ("policy:\n", format!("policy:\n  inbound:\n    - {rule}\n"));
    let out = |rule: &str| ("    - blocklist: { prefixes: [\"+1900\"] }\n", format!("    - {rule}\n"));
    for ((place, written), told) in [
        (inside("owns: [\"1212*\"]"), "is not the beginning of a number"),
        (inside("owns: [\"*\"]"), "is not the beginning of a number"),
        (inside("owns: [\"+12125550109-+12125550100\"]"), "is not a range of numbers"),
        (inside("owns: [\"+1212555010-+12125550100\"]"), "is not a range of numbers"),
        (inside("owns: [\"a b\"]"), "is not a number or user name"),
        (inside("owns: [did]\n    shown_as: { \"201\": \"+37127913000\" }"), "is not one of its own numbers"),
        (inside("caller_not_owned: refuse"), "no numbers are its own"),
        (inside("caller_not_owned: pass"), "\"replace\" or \"refuse\""),
        (outside("owns: [\"+12125550100\"]"), "this peer stands outside"),
        (outside("shown_as: { \"201\": \"+12125550100\" }"), "this peer stands outside"),
        (outside("caller_not_owned: refuse"), "this peer stands outside"),
        (rule("caller_blocklist: {}"), "bars nobody"),
        (rule("caller_blocklist: { patterns: [\"+19o0xxx\"] }"), "is not a pattern of digits"),
        (rule("caller_blocklist: { ranges: [\"+37127913999-+37127913000\"] }"), "is no range"),
        (rule("caller_blocklist: { files: [none.csv] }"), "\"none.csv\" cannot be read"),
        (rule("caller_blocklist: { numbers: [spam], answer: busy }"), "\"decline\" or \"unwanted\""),
        (rule("caller_blocklist: { numbers: [spam], from: [trunc] }"), "there is no peer \"trunc\""),
        (rule("anonymous_callers: { called: [\"+1 2\"] }"), "is not a number or user name"),
        (out("caller_blocklist: { numbers: [spam] }"), "write it under inbound"),
        (out("anonymous_callers: { from: [trunk] }"), "write it under inbound"),
    ] {
        let errors = read(&with(place, &written)).expect_err(&written).to_string();
        assert!(errors.contains(told), "{written}\n{errors}");
        assert!(
            ["cure: ", "did you mean"].iter().any(|word| errors.contains(word)) || told.contains(" or "),
            "{written}\n{errors}"
        );
    }
    let many = "policy:\n  inbound:\n    - caller_blocklist: { prefixes: [\"+881\"], from: [trunk], observe: true }\n    \
                - caller_blocklist: { patterns: [\"+1900555xxxx\"], ranges: [\"+37127913000-+37127913999\"], answer: unwanted }\n    - anonymous_callers: { called: [did] }\n";
    assert!(
        read(&BASE.replacen("policy:\n", many, 1)).is_ok(),
        "rules about callers stand as often as they are meant"
    );
}
