//! What is told of a peer's numbers, trust and profile.

use super::{read, said, with};

fn snapshot(name: &str, told: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(format!("config__{name}"), told));
}

#[test]
fn numbers_that_cannot_be_written_so_are_told() {
    let trunk = |keys: &str| format!("    side: outside\n    {}", keys.replace("; ", "\n    "));
    let cases = [
        ("a form that there is not", "number_format: e165"),
        ("a caller with a tech prefix", "caller_format: tech_prefix; tech_prefix: \"1#\""),
        ("national without a country", "number_format: national"),
        ("national callers without a country", "caller_format: national; national_prefix: \"0\""),
        ("international without its prefix", "number_format: international_prefix"),
        ("a tech prefix that is missing", "number_format: tech_prefix"),
        ("a part that nothing uses", "number_format: e164; country_code: 49"),
        ("a prefix that nothing uses", "tech_prefix: \"1#\""),
        (
            "a code of no country",
            "number_format: national; country_code: 4; national_prefix: none; international_prefix: \"00\"",
        ),
        (
            "a code with a plus",
            "number_format: national; country_code: \"+49\"; national_prefix: none; international_prefix: \"00\"",
        ),
        ("a prefix that is none", "number_format: tech_prefix; tech_prefix: abc"),
        ("a caller who stands in and cannot", "caller_format: e164; default_caller: \"150\""),
        ("a caller who stands in and is none", "default_caller: \"15 0\""),
        ("codes that are too long", "short_digits: 9"),
        ("a trust that there is not", "asserted_identity: yes"),
        ("a caller in a header that is not believed", "caller_in: [p_asserted_identity, from]"),
        ("a caller in a header that is only told", "asserted_identity: out; caller_in: [diversion]"),
        ("a header twice", "asserted_identity: in; caller_in: [from, from]"),
        ("an identity that is passed without trust", "pass_headers: [P-Asserted-Identity]"),
        ("privacy that is passed without trust", "pass_headers: [Privacy]"),
        ("early media that is passed without trust", "pass_headers: [P-Early-Media]"),
        ("a wished identity that is passed", "pass_headers: [P-Preferred-Identity]"),
        ("an old identity that is passed", "pass_headers: [Remote-Party-ID]"),
    ];
    let cases: Vec<(&str, &str, String)> =
        cases.iter().map(|(what, keys)| (*what, "    side: outside", trunk(keys))).collect();
    let cases: Vec<(&str, &str, &str)> =
        cases.iter().map(|(what, from, to)| (*what, *from, to.as_str())).collect();
    snapshot("numbers", said(&cases));
}

#[test]
fn dial_plans_that_are_wrong_or_missing_are_told() {
    let plans = |keys: &str| format!("dial_plans:\n  office: {{ {keys} }}\npeers:");
    let dials = "    side: inside\n    dial_plan: ofice";
    let two = plans("country_code: \"49\", idd: [\"00\"]").replace("peers:", "  home: {}\npeers:");
    let cases = [
        ("a code that is no number", "peers:", plans("country_code: Germany")),
        ("a prefix with a letter", "peers:", plans("idd: [\"0a\"]")),
        ("a pattern that is none", "peers:", plans("emergency: [\"9-1-1\"]")),
        (
            "emergency numbers that let any number pass",
            "peers:",
            plans("emergency: [\"xxxxxxxxxxx\", \"9005550100\", \"xxx\", \"9\", \"116xxx\", \"112\"]"),
        ),
        ("lengths without a country", "peers:", plans("nsn_lengths: [10]")),
        ("a key that there is not", "peers:", plans("prefix: \"0\"")),
        ("a peer that names a plan that there is not", "    side: inside", dials.to_owned()),
        ("a trunk that names one", "    side: outside", dials.replace("inside", "outside")),
        (
            "an emergency number at a PBX",
            "    side: inside",
            "    side: inside\n    emergency: { \"112\": \"911\" }".to_owned(),
        ),
        (
            "an emergency number that is none",
            "    side: outside",
            "    side: outside\n    emergency: { nine: \"911\" }".to_owned(),
        ),
        (
            "an emergency number without another",
            "    side: outside",
            "    side: outside\n    emergency: { sos: \"9 1\" }".to_owned(),
        ),
        ("no list of plans", "peers:", "dial_plans: [office]\npeers:".to_owned()),
    ];
    let cases: Vec<(&str, &str, &str)> =
        cases.iter().map(|(what, from, to)| (*what, *from, to.as_str())).collect();
    snapshot("dial_plans", said(&cases));
    // The nearest name is told, too.
    let text = with("peers:", &two).replacen("    side: inside", dials, 1);
    let told = read(&text).expect_err("no such plan").to_string();
    assert!(told.contains("there is no dial plan \"ofice\"") && told.contains("office"), "{told}");
    let text = text.replace("ofice", "office");
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let about_plans = |text: &str| text.contains("has no dial plan");
    assert!(!config.warnings.iter().any(|warning| about_plans(&warning.to_string())));
    let without =
        read(&text.replace("    dial_plan: office\n", "")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(without.warnings.iter().filter(|warning| about_plans(&warning.to_string())).count(), 1);
}

#[test]
fn profiles_that_do_not_fit_are_told() {
    let trunk = |keys: &str| format!("    side: outside\n    {}", keys.replace("; ", "\n    "));
    let cases = [
        ("a profile that there is not", "profile: twillio"),
        ("a trunk's profile without its domain", "profile: twilio"),
        ("a PBX's profile at a trunk", "profile: asterisk"),
        ("nothing named", "profile:"),
    ];
    let cases: Vec<(&str, &str, String)> =
        cases.iter().map(|(what, keys)| (*what, "    side: outside", trunk(keys))).collect();
    let cases: Vec<(&str, &str, &str)> =
        cases.iter().map(|(what, from, to)| (*what, *from, to.as_str())).collect();
    snapshot("profiles", said(&cases));
}

/// A key written beside a profile counts, and the others are the profile's.
#[test]
fn a_key_beside_a_profile_counts() {
    let twilio = "    side: outside\n    profile: twilio\n    request_host: a.pstn.twilio.com\n    cps: 5";
    let text = with("    side: outside", twilio).replacen(
        "    sources: [127.0.0.1]\n    targets: [\"127.0.0.1:5090\"]",
        "    targets: [\"127.0.0.1:5090\"]",
        1,
    );
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let trunk = config.policy.peers.iter().flatten().find(|peer| &*peer.name == "trunk").unwrap();
    let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
    assert_eq!(
        sources,
        ["54.172.60.0/30", "54.244.51.0/30"],
        "what was read of the provider's list, and no more"
    );
    assert_eq!((trunk.numbers.called.name(), trunk.numbers.caller.name()), ("e164_plus", "e164_plus"));
    assert!(format!("{:?}", trunk.pace).contains('5'), "{:?}", trunk.pace);
    let told: Vec<String> = config.profiles.iter().flat_map(|(_, applied)| applied.told()).collect();
    assert_eq!(told.iter().filter(|line| line.contains("overridden")).count(), 1, "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn names_that_do_not_fit_are_told() {
    let target = "    targets: [\"127.0.0.1:5090\"]";
    let named = "    targets: [sip.example.com]";
    let cases = [
        ("a name that is none", target, "    targets: [\"sip..example.com\"]".to_owned()),
        ("a name with port 0", target, "    targets: [\"sip.example.com:0\"]".to_owned()),
        (
            "DNS says who may call, and no name stands there",
            "    listener: outside\n    sources: [127.0.0.1]",
            "    listener: outside\n    sources: [targets]".to_owned(),
        ),
        (
            "DNS says who may call in a PBX's place",
            "    sources: [127.0.0.1]\n    targets: [\"127.0.0.1:5080\"]",
            "    sources: [targets]\n    targets: [pbx.example.com]".to_owned(),
        ),
        (
            "DNS says who may call in a trunk's place",
            "    listener: outside\n    sources: [127.0.0.1]\n    targets: [\"127.0.0.1:5090\"]",
            format!("    listener: outside\n    sources: [127.0.0.1, targets]\n{named}"),
        ),
        ("a name server that is a name", "sites:", "dns: { servers: [ns.example.com] }\nsites:".to_owned()),
        ("guests in every place", "sites:", "streams: { connections: 100, guests: 100 }\nsites:".to_owned()),
        ("times to live out of order", "sites:", "dns: { ttl_min: 2m, ttl_max: 1m }\nsites:".to_owned()),
    ];
    let cases: Vec<(&str, &str, &str)> =
        cases.iter().map(|(what, from, to)| (*what, *from, to.as_str())).collect();
    snapshot("names", said(&cases));
}

/// Names keep their numbers over reloads, and a name is what it is however it is written.
#[test]
fn a_name_is_a_target_and_a_party() {
    let text = with(
        "targets: [\"127.0.0.1:5090\"]",
        "targets: [SIP.Example.com., \"127.0.0.1:5090\", \"sbc.example.com:5080\"]",
    );
    let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let trunk = config.policy.peers.iter().flatten().find(|peer| &*peer.name == "trunk").unwrap();
    let targets: Vec<String> = trunk.targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["sip.example.com", "127.0.0.1:5090", "sbc.example.com:5080"]);
    let mut parties: Vec<_> = trunk.domains().map(|domain| domain.party).collect();
    parties.push(trunk.party);
    parties.dedup();
    assert_eq!(parties.len(), 3, "{parties:?}");
    assert!(!trunk.calls_from_targets && trunk.request_host.is_none());
}
