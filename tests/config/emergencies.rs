//! Where `check` says that emergency calls go, and what it warns of.

use ringfence::config::check::report;
use ringfence::config::{Source, changes};

use super::{BASE, TODAY, read};

/// The base policy whose PBX dials as in the United States, with more keys for its trunk.
fn dialling(trunk: &str) -> String {
    let text = BASE.replacen("    side: inside", "    side: inside\n    dial_plan: us", 1);
    let text = text.replacen("    side: outside", &format!("    side: outside\n    {trunk}"), 1);
    let plan = "country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10], emergency: [\"988\"]";
    text.replacen("peers:", &format!("dial_plans:\n  us: {{ {plan} }}\npeers:"), 1)
}

fn emergencies(text: &str) -> Vec<String> {
    let source = Source { dated: TODAY, ..Source::of_text("edge.yaml", text) };
    let report = report(source).unwrap_or_else(|errors| panic!("{errors}"));
    let mut chapters = report.chapters.into_iter();
    chapters
        .find(|(heading, _)| *heading == "Where emergency calls go")
        .map(|(_, told)| told)
        .unwrap_or_default()
}

/// What is warned of emergency calls, each with its place.
fn warned(text: &str) -> Vec<String> {
    let config = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    let about = |text: &String| text.contains("emergency") && !text.contains("has no dial plan");
    config.warnings.iter().map(ringfence::config::problem::Problem::line).filter(about).collect()
}

#[test]
fn check_says_where_emergency_calls_go() {
    assert_eq!(emergencies(BASE), Vec::<String>::new(), "nobody's are recognised");
    let spare = "  spare: { side: outside, listener: outside, sources: [127.0.0.9], targets: [\"127.0.0.9:5090\"], plain_signalling: \
                 allow, plain_media: allow }\nsites:";
    let two = dialling("number_format: unchanged")
        .replace("sites:", spare)
        .replace("[pbx, trunk]", "[pbx, trunk, spare]");
    let told = emergencies(&two);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("pbx: 988, 112"), "{told:?}");
    assert!(
        told[0].ends_with("and sos to trunk, then spare, past every rule and cap (sites.lab.peers)"),
        "{told:?}"
    );
    // A route that names a number exactly has the word.
    let route = "routes:\n  - { name: help, direction: outbound, called: [\"911\"], to: [spare] }";
    let named = emergencies(&two.replace("routes:", route));
    let of = |number: &str| named.iter().find(|told| told.contains(number)).cloned().unwrap_or_default();
    assert!(of("911").ends_with("911 to spare, past every rule and cap (routes[0] (help))"), "{named:?}");
    assert!(of("sos").contains("to trunk, then spare"), "{named:?}");
    assert_eq!(warned(&two), Vec::<String>::new());
}

#[test]
fn check_warns_where_no_trunk_can_take_an_emergency_call() {
    let text = dialling("number_format: unchanged");
    let alone = text
        .replace("    peers: [pbx, trunk]", "    peers: [pbx]")
        .replace("routes:\n", "  other:\n    peers: [trunk]\nroutes:\n")
        .replace("    to: [trunk]", "    called: [\"+*\"]\n    to: [trunk]");
    let told = warned(&alone);
    assert!(
        told.iter().any(|told| told
            .contains("edge.yaml:9:5: peers.pbx.dial_plan: no trunk can take an emergency call of pbx (988")),
        "{told:#?}"
    );
    assert!(emergencies(&alone).iter().all(|told| told.contains("NOWHERE")), "{:?}", emergencies(&alone));
}

#[test]
fn check_warns_of_emergency_numbers_that_leave_as_something_else_or_never() {
    let told = warned(&dialling(
        "emergency: { sos: \"+19005551234\", \"112\": \"911\", \"911\": \"+12125550142\", \"999\": \"911\" }",
    ));
    assert_eq!(told.len(), 3, "{told:#?}");
    let found = |words: &[&str]| told.iter().any(|told| words.iter().all(|word| told.contains(word)));
    assert!(
        found(&[
            "peers.trunk.emergency.sos: ",
            "\"+19005551234\"",
            "policy.outbound[0].blocklist refuses it"
        ]),
        "{told:#?}"
    );
    assert!(found(&["peers.trunk.emergency.911: ", "no dial plan reads as an emergency ("]), "{told:#?}");
    assert!(
        found(&["peers.trunk.emergency.999: no dial plan of an inside peer reads 999 as an emergency"]),
        "{told:#?}"
    );
    assert_eq!(
        warned(&dialling("emergency: { sos: \"911\", \"112\": sos, \"988\": \"112\" }")),
        Vec::<String>::new()
    );
}

#[test]
fn a_reload_tells_that_emergency_calls_leave_as_another_number() {
    let old = read(&dialling("emergency: { sos: \"911\", \"112\": \"911\" }")).unwrap();
    let new = read(&dialling("emergency: { sos: \"112\" }")).unwrap();
    assert_eq!(changes(&old, &old).weaker, Vec::<String>::new());
    assert_eq!(
        changes(&old, &new).weaker,
        [
            "emergency calls to sos leave to peer trunk as 112",
            "emergency calls to 112 leave to peer trunk as they are dialled"
        ]
    );
}
