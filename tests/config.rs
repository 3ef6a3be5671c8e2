//! The policy file: what each mistake is told, what each shipped policy means, and what an editor is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails says so by a panic")]

#[path = "config/callers.rs"]
mod callers;
#[path = "config/certificates.rs"]
mod certificates;
#[path = "config/credentials.rs"]
mod credentials;
#[path = "config/emergencies.rs"]
mod emergencies;
#[path = "config/examples.rs"]
mod examples;
#[path = "config/files.rs"]
mod files;
#[path = "config/logins.rs"]
mod logins;
#[path = "config/media.rs"]
mod media;
#[path = "config/peers.rs"]
mod peers;

use std::path::PathBuf;

use ringfence::clock::Wall;
use ringfence::config::check::report;
use ringfence::config::problem::{Errors, Problem};
use ringfence::config::{Config, Source, changes, control_of, load, schema};
use ringfence::policy::Names;

/// 2026-11-21T00:00:00Z.
const TODAY: Wall = Wall::from_micros(1_795_219_200_000_000);

const BASE: &str = r#"listeners:
  inside: { bind: "127.0.0.1:5060" }
  outside: { bind: "127.0.0.1:5070" }
peers:
  pbx:
    side: inside
    listener: inside
    sources: [127.0.0.1]
    targets: ["127.0.0.1:5080"]
    plain_signalling: allow
    plain_media: allow
  trunk:
    side: outside
    listener: outside
    sources: [127.0.0.1]
    targets: ["127.0.0.1:5090"]
    plain_signalling: allow
    plain_media: allow
sites:
  lab:
    peers: [pbx, trunk]
    dids: ["+12125550100"]
routes:
  - name: out
    direction: outbound
    from: [pbx]
    to: [trunk]
  - name: in
    direction: inbound
    called: [did]
    to: [pbx]
policy:
  outbound:
    - blocklist: { prefixes: ["+1900"] }
"#;

fn read(text: &str) -> Result<Config, Errors> {
    let source = Source { dated: TODAY, ..Source::of_text("edge.yaml", text) };
    load(&source, &mut Names::default(), 1)
}

/// The base policy with one place changed.
fn with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "the base policy has no {from:?}");
    BASE.replacen(from, to, 1)
}

/// What is said about each change: errors, or warnings that the base does not have.
fn said(cases: &[(&str, &str, &str)]) -> String {
    let told = |config: &Config| {
        let key = |warning: &Problem| ((warning.path.clone(), warning.cause.clone()), warning.to_string());
        config.warnings.iter().map(key).collect::<Vec<_>>()
    };
    let usual = told(&read(BASE).unwrap_or_else(|errors| panic!("{errors}")));
    let mut out = String::new();
    for (what, from, to) in cases {
        let words = match read(&with(from, to)) {
            Err(errors) => errors.to_string(),
            Ok(config) => {
                let mut new = told(&config);
                new.retain(|(key, _)| !usual.iter().any(|(known, _)| known == key));
                assert!(!new.is_empty(), "nothing is said about {what}");
                let words: Vec<String> = new.into_iter().map(|(_, text)| text).collect();
                format!("(warnings)\n{}", words.join("\n"))
            }
        };
        out.push_str(&format!("=== {what}\n{words}\n\n"));
    }
    out
}

#[test]
fn mistakes_in_the_text_are_told() {
    let told = said(&[
        ("a bracket is not closed", "[127.0.0.1]", "[127.0.0.1"),
        ("a quote is not closed", "[did]", "[\"did]"),
        ("a tab indents", "    side: inside", "\tside: inside"),
        ("a line is indented too far", "    listener: inside", "     listener: inside"),
        ("a second document begins", "sites:", "---\nsites:"),
        ("nothing is written", BASE, ""),
        ("a list is written", BASE, "- a\n"),
        ("an alias has no anchor", "[did]", "*numbers"),
        ("a tag is used", "[did]", "!secret did"),
    ]);
    insta::assert_snapshot!("text", told);
}

#[test]
fn mistakes_in_keys_are_told() {
    let told = said(&[
        ("an unknown key near a known one", "    sources:", "    source:"),
        (
            "a profile that is near a known one",
            "    side: inside\n",
            "    side: inside\n    profile: Twilio\n",
        ),
        ("a profile beside no side", "    side: inside\n", "    side: internal\n    profile: asterisk\n"),
        ("an unknown key near none", "    side: inside", "    side: inside\n    colour: red"),
        ("an unknown section", "sites:", "site:"),
        ("a merge key", "    side: inside", "    <<: {}\n    side: inside"),
        ("a key twice", "    side: inside", "    side: inside\n    side: outside"),
        ("a name twice", "  trunk:\n", "  pbx:\n"),
        ("a name twice but for its case", "  trunk:\n", "  PBX:\n"),
        ("a name that is none", "  trunk:\n", "  \"trunk 1\":\n"),
        ("a route's name twice", "  - name: in\n", "  - name: Out\n"),
        ("a key is missing", "    side: inside\n", ""),
        (
            "a section is missing",
            "sites:\n  lab:\n    peers: [pbx, trunk]\n    dids: [\"+12125550100\"]\n",
            "",
        ),
        ("a key has no value", "    side: inside", "    side:"),
        ("a section has no keys", "  outside: { bind: \"127.0.0.1:5070\" }", "  outside:"),
        (
            "a word stands for a section",
            "  outside: { bind: \"127.0.0.1:5070\" }",
            "  outside: \"127.0.0.1:5070\"",
        ),
        ("a word stands for a list", "[did]", "did"),
        ("a mapping stands for a list", "[did]", "{did: 1}"),
        ("a list stands for a word", "    side: inside", "    side: [inside]"),
        ("a list is empty", "[did]", "[]"),
        (
            "two rules in one list entry",
            "    - blocklist: { prefixes: [\"+1900\"] }",
            "    - blocklist: { prefixes: [\"+1900\"] }\n      max_duration: 4h",
        ),
        ("an unknown rule", "- blocklist:", "- blacklist:"),
        (
            "a rule twice",
            "    - blocklist: { prefixes: [\"+1900\"] }",
            "    - max_duration: 4h\n    - max_duration: 2h",
        ),
    ]);
    insta::assert_snapshot!("keys", told);
}

#[test]
fn mistakes_in_values_are_told() {
    let pbx = |line: &str| format!("    side: inside\n    {line}");
    let root = |line: &str| format!("{line}\nsites:");
    let cases: Vec<(&str, &str, String)> = vec![
        ("a word that is none of the few", "side: inside", "side: insid".to_owned()),
        (
            "a network whose prefix is too long",
            "sources: [127.0.0.1]",
            "sources: [10.0.0.0/8, 10.0.0.0/33]".to_owned(),
        ),
        ("a network with bits behind its prefix", "sources: [127.0.0.1]", "sources: [10.0.0.5/8]".to_owned()),
        ("everybody", "sources: [127.0.0.1]", "sources: [0.0.0.0/0]".to_owned()),
        ("a source with a port", "sources: [127.0.0.1]", "sources: [\"127.0.0.1:5060\"]".to_owned()),
        ("a source that is a name", "sources: [127.0.0.1]", "sources: [pbx.local]".to_owned()),
        ("an IPv4 address as IPv6", "sources: [127.0.0.1]", "sources: [\"::ffff:127.0.0.1\"]".to_owned()),
        ("a bind without a port", "bind: \"127.0.0.1:5060\"", "bind: 127.0.0.1".to_owned()),
        ("a bind that is a name", "bind: \"127.0.0.1:5060\"", "bind: \"localhost:5060\"".to_owned()),
        (
            "a wildcard is advertised",
            "bind: \"127.0.0.1:5070\"",
            "bind: \"127.0.0.1:5070\", advertise: \"0.0.0.0:5060\"".to_owned(),
        ),
        ("a wildcard bind", "bind: \"127.0.0.1:5060\"", "bind: \"0.0.0.0:5060\"".to_owned()),
        (
            "an advertised name that is none",
            "bind: \"127.0.0.1:5060\"",
            "bind: \"127.0.0.1:5060\", advertise: \"a b\"".to_owned(),
        ),
        ("a target with port 0", "127.0.0.1:5080", "127.0.0.1:0".to_owned()),
        ("a transport that is none", "    side: inside", pbx("transports: [sctp]")),
        ("a transport twice", "    side: inside", pbx("transports: [udp, udp]")),
        ("a duration without a unit", "    side: inside", pbx("try_timeout: 4")),
        ("a duration out of range", "    side: inside", pbx("try_timeout: 1h")),
        ("durations out of order", "    side: inside", pbx("try_timeout: 32s")),
        ("a burst without a rate", "    side: inside", pbx("cps_burst: 2")),
        ("a rate that is none", "    side: inside", pbx("cps: 0.5")),
        ("a line that is too long", "    side: inside", pbx("cps_queue: 10001")),
        ("none beside an extension", "    side: inside", pbx("extensions: [none, update]")),
        ("a pause without end", "    side: inside", pbx("retry_after_max: 1h")),
        ("a count that is none", "    side: inside", pbx("concurrent_calls: many")),
        ("a count out of range", "    side: inside", pbx("concurrent_calls: 0")),
        ("a truth that is none", "\"+1900\"]", "\"+1900\"], observe: yes".to_owned()),
        ("a date that is none", "\"+1900\"]", "\"+1900\"], observe: {until: 5.12.2026}".to_owned()),
        ("an observation without end", "\"+1900\"]", "\"+1900\"], observe: {until: 2030-01-01}".to_owned()),
        ("a prefix that is none", "\"+1900\"", "\"+19OO\"".to_owned()),
        ("a prefix of everything", "\"+1900\"", "\"+\"".to_owned()),
        ("a blocklist that blocks nothing", "{ prefixes: [\"+1900\"] }", "{ observe: false }".to_owned()),
        ("a prefix among numbers", "{ prefixes: [\"+1900\"] }", "{ numbers: [\"+1900*\"] }".to_owned()),
        (
            "a prefix that lets + pass",
            "{ prefixes: [\"+1900\"] }",
            "{ prefixes: [\"1900\", \"0900\"] }".to_owned(),
        ),
        ("a file of prefixes that is not there", "prefixes: [\"+1900\"]", "prefixes_file: no.txt".to_owned()),
        ("a number with spaces", "+12125550100", "+1 212 555 0100".to_owned()),
        ("did as a caller", "called: [did]", "caller: [did]".to_owned()),
        ("an unknown preset", "    side: inside", pbx("refusal: asterix")),
        (
            "a status that makes a PBX go on",
            "    side: inside",
            pbx("refusal: { preset: 3cx, blocked: 503 }"),
        ),
        ("a header of the edge's own", "    side: inside", pbx("pass_headers: [Contact]")),
        ("a header's name that is none", "    side: inside", pbx("pass_headers: [\"Alert Info\"]")),
        ("a trunk's key at a PBX", "    side: inside", pbx("called_from: to")),
        ("a size without a unit", "sites:", root("limits: { message_bytes: 4096 }")),
        ("a head larger than its message", "sites:", root("limits: { message_bytes: 4kB }")),
        ("timers out of order", "sites:", root("timers: { t1: 5s }")),
        ("bans out of order", "sites:", root("strangers: { ban_first: 1d, ban_max: 1h }")),
        ("a sink that is none", "sites:", root("alerts: stdoud")),
        ("two streams in one file", "sites:", root("alerts: { file: a.log }\nrecords: { file: a.log }")),
        ("a log filter that is none", "sites:", root("log: verbose")),
        ("a path that is none", "sites:", root("control: \"a\\u001bb\"")),
        ("a socket path that is too long", "sites:", root(&format!("control: /run/{}", "x".repeat(120)))),
        ("a product with spaces", "sites:", root("product: My Edge")),
    ];
    let cases: Vec<(&str, &str, &str)> =
        cases.iter().map(|(what, from, to)| (*what, *from, to.as_str())).collect();
    insta::assert_snapshot!("values", said(&cases));
}

#[test]
fn entries_that_do_not_fit_each_other_are_told() {
    let told = said(&[
        ("an unknown listener", "listener: outside", "listener: outsid"),
        ("an unknown peer in a site", "[pbx, trunk]", "[pbx, trunc]"),
        ("an unknown peer in a route", "to: [trunk]", "to: [carrier]"),
        ("two listeners on one address", "127.0.0.1:5070", "127.0.0.1:5060"),
        ("two peers with one source", "listener: outside", "listener: inside"),
        ("a source twice", "sources: [127.0.0.1]", "sources: [127.0.0.1, 127.0.0.1]"),
        (
            "a source within another's",
            "    listener: outside\n    sources: [127.0.0.1]\n    targets: [\"127.0.0.1:5090\"]",
            "    listener: inside\n    sources: [127.0.0.0/8]\n    targets: [\"127.0.0.9:5090\"]",
        ),
        ("a target that cannot be reached", "127.0.0.1:5090", "203.0.113.1:5060"),
        ("a target of the other family", "127.0.0.1:5090", "[::1]:5060"),
        ("a target that is the edge itself", "127.0.0.1:5090", "127.0.0.1:5060"),
        (
            "a target that is another's source",
            "    listener: outside\n    sources: [127.0.0.1]\n    targets: [\"127.0.0.1:5090\"]",
            "    listener: inside\n    sources: [127.0.0.2]\n    targets: [\"127.0.0.1:5090\"]",
        ),
        (
            "a transport the listener lacks",
            "{ bind: \"127.0.0.1:5070\" }",
            "{ bind: \"127.0.0.1:5070\", transports: [udp] }",
        ),
        ("a peer of two sites", "routes:", "  branch: { peers: [trunk] }\nroutes:"),
        ("a peer of no site", "[pbx, trunk]", "[pbx]"),
        ("a number twice", "[\"+12125550100\"]", "[\"+12125550100\", \"+12125550100\"]"),
        ("a route that begins on the wrong side", "from: [pbx]", "from: [trunk]"),
        ("a route that ends on the wrong side", "to: [pbx]", "to: [trunk]"),
        ("a route to a peer without targets", "    targets: [\"127.0.0.1:5090\"]\n", ""),
        ("a target of a route twice", "to: [trunk]", "to: [trunk, {peer: trunk}]"),
        ("a number of a route twice", "[did]", "[\"1\", \"1\"]"),
        ("transit without a name", "direction: outbound\n    from: [pbx]", "direction: transit"),
        ("did without numbers", "    dids: [\"+12125550100\"]\n", ""),
        (
            "a route behind one that takes all",
            "  - name: in\n",
            "  - { name: more, direction: outbound, called: [\"+1*\"], to: [trunk], from: [pbx] }\n  - name: in\n",
        ),
        ("a listener nobody uses", "peers:\n", "  spare: { bind: \"127.0.0.1:5099\" }\npeers:\n"),
        (
            "a peer no call reaches",
            "  - name: in\n    direction: inbound\n    called: [did]\n    to: [pbx]\n",
            "",
        ),
        (
            "a peer that may not call",
            "  - name: out\n    direction: outbound\n    from: [pbx]\n    to: [trunk]\n",
            "",
        ),
        ("speech that nothing here can encrypt", "    plain_media: allow\n", ""),
        ("plain transports, and plain refused", "    plain_signalling: allow\n", ""),
    ]);
    insta::assert_snapshot!("together", told);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = BASE
        .replace("side: inside", "side: insid")
        .replace("\"+1900\"", "\"x\"")
        .replace("bind: \"127.0.0.1:5070\"", "bid: 1")
        .replace("[did]", "[]");
    insta::assert_snapshot!("at_once", read(&text).unwrap_err());
    let many =
        format!("{BASE}{}", (0..300).fold(String::new(), |text, index| text + &format!("key{index}: 1\n")));
    let errors = read(&many).unwrap_err();
    assert_eq!((errors.problems.len(), errors.untold), (100, 200));
}

#[test]
fn a_file_of_prefixes_is_checked_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.yaml");
    std::fs::write(&path, BASE.replace("prefixes: [\"+1900\"]", "prefixes_file: list.txt")).unwrap();
    std::fs::write(folder.path().join("list.txt"), "# premium\n+1900\n\n+1976  # more of it\n").unwrap();
    let config = load(&Source::read(&path).unwrap(), &mut Names::default(), 1).unwrap();
    assert_eq!(config.policy.rules.outbound[0].describe(), "calls to +1900..., +1976... are refused");
    std::fs::write(folder.path().join("list.txt"), "+1900\n  one  # word\n+1+2\n").unwrap();
    let errors = load(&Source::read(&path).unwrap(), &mut Names::default(), 1).unwrap_err().to_string();
    let errors = errors.replace(&format!("{}/", folder.path().display()), "");
    insta::assert_snapshot!("prefixes_file", errors);
    std::fs::write(folder.path().join("list.txt"), "# nothing\n").unwrap();
    let errors = load(&Source::read(&path).unwrap(), &mut Names::default(), 1).unwrap_err().to_string();
    assert!(errors.contains("list.txt\" lists nothing"), "{errors}");
}

#[test]
fn nonsense_of_any_size_is_refused_fast() {
    let began = std::time::Instant::now();
    let inputs = [
        "[".repeat(100_000),
        "{".repeat(100_000),
        "a:\n ".repeat(20_000),
        "? ".repeat(50_000),
        "&a ".repeat(30_000),
    ];
    for text in inputs {
        assert!(read(&text).is_err());
    }
    let large = format!("{BASE}# {}\n", "x".repeat(5 << 20));
    assert!(read(&large).unwrap_err().to_string().contains("larger than 4 MiB"));
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}

fn shipped() -> Vec<PathBuf> {
    let examples = std::fs::read_dir("config/examples").unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        examples.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.push(PathBuf::from("config/ringfence.yaml"));
    paths.push(PathBuf::from("config/reference.yaml"));
    paths.sort();
    assert!(paths.len() >= 7, "{paths:?}");
    paths
}

#[test]
fn every_shipped_policy_means_what_it_should() {
    for path in shipped() {
        // Whoever copies an example has set its passwords.
        let environment = |_: &str| Some("correct horse battery staple".into());
        let hold = examples::own_certificate;
        let source = Source { environment, hold, ..Source::read(&path).unwrap() };
        let report = report(source).unwrap_or_else(|errors| panic!("{errors}"));
        let name = format!("means_{}", path.file_stem().unwrap().to_string_lossy());
        // `observe: true` counts from the date of the file, which a checkout sets anew.
        let told = examples::without_date(&report.to_string());
        insta::assert_snapshot!(name, told);
        assert_eq!(report.json()["warnings"].as_array().unwrap().len(), report.warnings.len());
        assert_eq!(report.json()["in_order"], true);
    }
}

#[test]
fn left_out_means_the_rooms_own_defaults() {
    let config = read(BASE).unwrap();
    assert_eq!(config.net, ringfence::net::Settings::default());
    assert_eq!(config.dns, ringfence::net::resolve::Settings::default());
    assert_eq!(config.engine.limits, ringfence::sip::parse::Limits::default());
    assert_eq!(config.engine.timing, ringfence::transaction::Timing::default());
    assert_eq!(config.policy.sources, ringfence::policy::sources::Settings::default());
    assert_eq!(config.sinks.alerts, ringfence::sinks::Sink::Stdout);
    assert_eq!(config.admin, ringfence::admin::Settings::default());
    let hops = format!("{}\n  screen: [ {{ hop_limit: {{}} }} ]\n", BASE.trim_end());
    let (left_out, written) = (&config.policy.rules, read(&hops).unwrap());
    let hop_rule = |rules: &ringfence::policy::rules::Rules| {
        rules.screen.iter().find(|entry| entry.rule.name() == "hop_limit").map(|entry| entry.rule.clone())
    };
    assert!(hop_rule(left_out).is_some());
    assert_eq!(hop_rule(left_out), hop_rule(&written.policy.rules));
}

#[test]
fn names_keep_their_numbers_over_reloads_and_a_bad_file_changes_none() {
    let mut names = Names::default();
    let text = |text: &str| Source::of_text("edge.yaml", text);
    let first = load(&text(BASE), &mut names, 1).unwrap();
    let renamed = BASE
        .replace("pbx", "exchange")
        .replace("inside: {", "indoors: {")
        .replace("listener: inside", "listener: indoors");
    assert!(load(&text(&format!("{renamed}nonsense: 1\n")), &mut names, 2).is_err());
    assert_eq!((names.peers(), names.listeners()), (2, 2), "a refused file leaves no names behind");
    let second = load(&text(&renamed), &mut names, 2).unwrap();
    assert_eq!(second.policy.peers.len(), 3);
    assert!(second.policy.peers[0].is_none() && second.policy.listeners[0].is_none());
    assert_eq!(second.policy.peers[1].as_ref().unwrap().name, first.policy.peers[1].as_ref().unwrap().name);
    let third = load(&text(BASE), &mut names, 3).unwrap();
    assert_eq!(third.policy.peers[0].as_ref().unwrap().id, first.policy.peers[0].as_ref().unwrap().id);
    assert_eq!(third.policy.generation, 3);
}

#[test]
fn a_reload_says_what_waits_for_a_restart() {
    let old = read(BASE).unwrap();
    assert_eq!(changes(&old, &read(BASE).unwrap()).needs_restart, Vec::<String>::new());
    let text = BASE
        .replace("127.0.0.1:5070", "127.0.0.1:5071")
        .replace("peers:\n  pbx", "  third: { bind: \"127.0.0.1:5099\" }\npeers:\n  pbx")
        .replace("sites:\n", "timers: { t1: 400ms }\nlimits: { calls: 10, params: 50, relays: 2 }\nstreams: { connections: 5 }\nlog: warn\ncontrol: c.sock\ndrain: 1s\nsites:\n");
    insta::assert_snapshot!("restart", changes(&old, &read(&text).unwrap()).needs_restart.join("\n"));
    let removed =
        BASE.replace("  outside: { bind: \"127.0.0.1:5070\" }", "  elsewhere: { bind: \"127.0.0.1:5070\" }");
    let removed = removed.replace("listener: outside", "listener: elsewhere");
    insta::assert_snapshot!(
        "restart_removed",
        changes(&old, &read(&removed).unwrap()).needs_restart.join("\n")
    );
}

#[test]
fn the_schema_knows_the_keys_that_the_reader_knows() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    let top: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let errors = read("nonsense: 1\n").unwrap_err().to_string();
    let known = errors.split("its keys are ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(top.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", "), known);
    let peer = &schema["properties"]["peers"]["additionalProperties"];
    assert_eq!(peer["required"], serde_json::json!(["side", "listener"]));
    // An editor must not ask for what a profile brings, nor let it go where none does.
    let profile =
        serde_json::json!({ "required": ["profile"], "properties": { "profile": { "enum": ["twilio"] } } });
    let sources = serde_json::json!([{ "anyOf": [{ "required": ["sources"] }, profile] }]);
    assert_eq!(peer["allOf"], sources);
    assert_eq!(peer["properties"]["concurrent_calls"]["minimum"], 1);
    insta::assert_snapshot!("schema_peer", serde_json::to_string_pretty(peer).unwrap());
}

#[test]
fn a_broken_file_still_says_where_its_edge_is_asked() {
    let named = |text: &str| control_of(&Source::of_text("edge.yaml", text));
    let broken = BASE.replace("side: inside", "sied: inside");
    assert_eq!(named(&format!("{broken}\ncontrol: /run/edge.sock\n")), Some("/run/edge.sock".into()));
    assert_eq!(named(&broken), None);
    for text in ["a: [", "a:\n\tb: c\n", "\"a\n"] {
        assert_eq!(named(text), None, "{text:?}");
        assert_eq!(named(&format!("control: \"/run/edge.sock\"\n{text}")), Some("/run/edge.sock".into()));
        assert_eq!(
            named(&format!("{text}\ncontrol: /run/edge.sock # here\n")),
            Some("/run/edge.sock".into())
        );
    }
}

#[test]
fn extensions_are_closed_by_none() {
    for (words, open) in [
        ("[100rel, update]", (true, true)),
        ("[update]", (false, true)),
        ("[100rel]", (true, false)),
        ("[none]", (false, false)),
    ] {
        let text = with("    side: inside", &format!("    side: inside\n    extensions: {words}"));
        let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let pbx =
            config.policy.peers.iter().flatten().find(|peer| &*peer.name == "pbx").expect("it is named");
        assert_eq!((pbx.extensions.reliable, pbx.extensions.update), open, "{words}");
    }
}
