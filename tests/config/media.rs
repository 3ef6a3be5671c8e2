//! Where media is received and what each peer's may, as it is written: what is refused, what is taken, what a profile sets.

use std::fmt::Write;
use std::time::Duration;

use ringfence::config::check::report;
use ringfence::config::{Config, Source, load, moved};
use ringfence::policy::{Names, Peer};

const BASE: &str = r#"listeners:
  lan: { bind: "192.168.77.1:5060" }
  wan: { bind: "10.9.9.9:5060", advertise: "198.51.100.1:5060" }
peers:
  pbx:
    side: inside
    listener: lan
    sources: [192.168.77.10]
    targets: [192.168.77.10]
    plain_signalling: allow
    media: { srtp: plain }
  trunk:
    side: outside
    listener: wan
    sources: [203.0.113.0/28]
    targets: [203.0.113.1]
    plain_signalling: allow
    media: { srtp: plain }
sites:
  office: { peers: [pbx, trunk], dids: ["+12125550100"], channels: 10 }
routes:
  - { name: out, direction: outbound, from: [pbx], to: [trunk] }
  - { name: in, direction: inbound, from: [trunk], called: [did], to: [pbx] }
media:
  inside: { address: 192.168.77.1, ports: 20000-24999 }
  outside: { address: 10.9.9.9, advertise: 198.51.100.1, ports: 20000-24999 }
"#;

const INSIDE: &str = "inside: { address: 192.168.77.1, ports: 20000-24999 }";
const OUTSIDE: &str = "outside: { address: 10.9.9.9, advertise: 198.51.100.1, ports: 20000-24999 }";
const TRUNK: &str = "    targets: [203.0.113.1]\n    plain_signalling: allow\n    media: { srtp: plain }\n";

fn with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "the base has no {from:?}");
    BASE.replacen(from, to, 1)
}

fn read(text: &str) -> Result<Config, String> {
    load(&Source::of_text("edge.yaml", text), &mut Names::default(), 1).map_err(|errors| errors.to_string())
}

fn taken(text: &str) -> Config {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn peer<'c>(config: &'c Config, name: &str) -> &'c Peer {
    config.policy.peers.iter().flatten().find(|peer| &*peer.name == name).unwrap()
}

fn trunk(keys: &str) -> String {
    with(TRUNK, &TRUNK.replace("    media: { srtp: plain }\n", keys))
}

#[test]
fn mistakes_in_media_are_told_each_with_its_place_and_cure() {
    let inside = |to: &str| with(INSIDE, &format!("inside: {to}"));
    let outside = |to: &str| with(OUTSIDE, &format!("outside: {to}"));
    let rows = [
        ("a wildcard is bound", inside("{ address: 0.0.0.0, ports: 20000-24999 }")),
        ("a wildcard is told", outside("{ address: 10.9.9.9, advertise: \"::\", ports: 20000-24999 }")),
        ("a group is bound", inside("{ address: 224.0.0.1, ports: 20000-24999 }")),
        ("a name is bound", inside("{ address: edge.local, ports: 20000-24999 }")),
        (
            "a port stands behind the address",
            inside("{ address: \"192.168.77.1:20000\", ports: 20000-24999 }"),
        ),
        ("no ports", inside("{ address: 192.168.77.1 }")),
        ("one port", inside("{ address: 192.168.77.1, ports: 20000 }")),
        ("no pair of ports", inside("{ address: 192.168.77.1, ports: 20001-20002 }")),
        ("fewer ports than channels", inside("{ address: 192.168.77.1, ports: 20000-20009 }")),
        ("ports upside down", inside("{ address: 192.168.77.1, ports: 24999-20000 }")),
        ("a port that is none", inside("{ address: 192.168.77.1, ports: 20000-70000 }")),
        ("ports of known services", inside("{ address: 192.168.77.1, ports: 500-24999 }")),
        ("the port of a listener", inside("{ address: 192.168.77.1, ports: 5000-5999 }")),
        ("ports that overlap at one address", outside("{ address: 192.168.77.1, ports: 24999-29999 }")),
        (
            "another family is told",
            outside("{ address: 10.9.9.9, advertise: \"2001:db8::1\", ports: 20000-24999 }"),
        ),
        ("another family than the peers'", outside("{ address: \"2001:db8::1\", ports: 20000-24999 }")),
        ("networks of another family", trunk("    media: { srtp: plain, networks: [\"2001:db8::/32\"] }\n")),
        ("one side alone", with(&format!("  {OUTSIDE}\n"), "")),
        ("one side on this machine", inside("{ address: 127.0.0.1, ports: 20000-24999 }")),
        (
            "no networks of a peer that roams",
            with(
                "sources: [192.168.77.10]\n    targets: [192.168.77.10]\n    plain_signalling: allow\n",
                "sources: any\n    plain_signalling: allow\n    credentials: [{ user: pbx, password: { env: PBX }, from: any }]\n",
            ),
        ),
        ("keys told in the clear", trunk("")),
        ("both words", trunk("    plain_media: allow\n    media: { srtp: plain }\n")),
        (
            "an unknown codec",
            trunk("    media: { srtp: plain, codecs: [PCMX, telephone-event, G9, PCMA, pcma] }\n"),
        ),
        ("an unknown suite", trunk("    media: { srtp: plain, suites: [AES_CM_128_HMAC_SHA1_81, NULL] }\n")),
        ("a silence that is none", trunk("    media: { srtp: plain, silence: 1s }\n")),
        ("a mark that is none", trunk("    media: { srtp: plain, dscp: 64 }\n")),
        ("a key that is none", trunk("    media: { srtp: plain, codec: [PCMA] }\n")),
    ];
    let mut out = String::new();
    for (what, text) in rows {
        let told = match read(&text) {
            Err(errors) => errors,
            Ok(config) => {
                let speech = |cause: &str| cause.contains("may run in the clear");
                let new = config.warnings.iter().filter(|warning| !speech(&warning.cause));
                let new: Vec<String> = new.map(ToString::to_string).collect();
                assert!(!new.is_empty(), "nothing is said about {what}");
                format!("(warnings)\n{}", new.join("\n"))
            }
        };
        write!(out, "=== {what}\n{told}\n\n").unwrap();
    }
    insta::assert_snapshot!("media", out);
}

#[test]
fn a_policy_without_media_says_so_and_promises_nothing() {
    let media = BASE.split_once("media:\n").map(|(_, media)| format!("media:\n{media}")).unwrap();
    let bare = BASE.replace(&media, "");
    let config = taken(&bare);
    assert_eq!(config.policy.media, None);
    assert!(config.warnings.iter().any(|warning| warning.cause.contains("media is not anchored")));
    assert!(
        report(Source::of_text("edge.yaml", &bare)).unwrap().to_string().contains("Media is NOT anchored")
    );
    let required = bare.replacen("    media: { srtp: plain }\n", "", 1);
    let told = read(&required).unwrap_err();
    assert!(told.contains("nothing sees to it that their speech is encrypted"), "{told}");
    for key in ["networks: [203.0.113.0/28]", "dscp: 0", "behind_nat: true", "video: allow", "silence: never"]
    {
        let told = read(&bare.replace("srtp: plain", &format!("srtp: plain, {key}"))).unwrap_err();
        assert!(told.contains("nothing reads it") && told.contains("edge.yaml:11"), "{key}: {told}");
    }
    // With media the same peer is taken once its keys are told in secret; here nothing in it is encrypted.
    assert!(taken(BASE).warnings.iter().all(|warning| !warning.cause.contains("anchored")));
}

#[test]
fn what_is_written_is_what_a_peers_media_may() {
    let config = taken(BASE);
    let site = config.policy.media.clone().unwrap();
    assert_eq!((site.rest, site.loopback), (Duration::from_secs(10), false));
    let told = [site.inside.advertise.to_string(), site.outside.advertise.to_string()];
    assert_eq!(
        (told, site.outside.ports),
        (["192.168.77.1", "198.51.100.1"].map(str::to_owned), 20_000..=24_999)
    );
    let usual = peer(&config, "trunk");
    assert!(usual.plain_media && usual.media.suites.is_none() && usual.media.codecs.is_none());
    assert_eq!(usual.media.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["203.0.113.0/28"]);
    assert_eq!((usual.media.dscp, usual.media.silence), (46, Some(Duration::from_secs(60))));
    let keys = "networks: [198.51.100.64/26], codecs: [pcma, OPUS], suites: [AEAD_AES_128_GCM], video: allow, \
                behind_nat: true, dscp: 0, packets_per_second: 100, silence: never";
    let config = taken(&trunk(&format!("    plain_media: allow\n    media: {{ {keys} }}\n")));
    let (trunk, media) = (peer(&config, "trunk"), &peer(&config, "trunk").media);
    assert!(trunk.plain_media, "the old word");
    assert_eq!(media.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["198.51.100.64/26"]);
    assert_eq!(media.codecs.as_deref(), Some(&[Box::from("PCMA"), Box::from("opus")][..]));
    assert_eq!(media.suites.as_deref(), Some(&[Box::from("AEAD_AES_128_GCM")][..]));
    assert!(media.video && media.behind_nat && media.silence.is_none());
    assert_eq!((media.dscp, media.packets_per_second_max), (0, 100));
}

#[test]
fn a_profile_says_where_the_media_of_a_trunk_is_and_a_key_beside_it_counts_instead() {
    let twilio = |media: &str| {
        trunk(&format!(
            "    profile: twilio\n    request_host: office.pstn.twilio.com\n    media: {{ srtp: plain{media} }}\n"
        ))
    };
    let config = taken(&twilio(""));
    let media = &peer(&config, "trunk").media;
    assert_eq!(media.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["168.86.128.0/18"]);
    assert_eq!(media.suites.as_deref(), Some(&[Box::from("AES_CM_128_HMAC_SHA1_80")][..]));
    let told = report(Source::of_text("edge.yaml", &twilio(""))).unwrap().to_string();
    assert!(told.contains("profile twilio: media.networks: [168.86.128.0/18]"), "{told}");
    let config = taken(&twilio(", networks: [203.0.113.0/28]"));
    let media = &peer(&config, "trunk").media;
    assert_eq!(media.networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["203.0.113.0/28"]);
}

#[test]
fn a_reload_moves_no_media_and_says_what_it_lets_in() {
    let old = taken(BASE);
    let bare = BASE.split_once("media:\n  inside").map(|(bare, _)| bare.to_owned()).unwrap();
    let rows = [
        (with(INSIDE, "inside: { address: 192.168.77.2, ports: 20000-24999 }"), Some("says other places")),
        (with(INSIDE, "inside: { address: 192.168.77.1, ports: 20000-25999 }"), Some("says other places")),
        (bare.clone(), Some("is left out")),
        (with("channels: 10", "channels: 11"), None),
    ];
    for (text, told) in rows {
        let source = Source::of_text("edge.yaml", &text);
        let result = moved(&old.policy, &taken(&text).policy, &source).map_err(|errors| errors.to_string());
        match (result, told) {
            (Ok(()), None) => {}
            (Err(errors), Some(told)) => {
                assert!(errors.contains(told) && errors.contains("restart the edge"), "{errors}");
            }
            (result, told) => panic!("{result:?} where {told:?} is wanted"),
        }
    }
    let result = moved(&taken(&bare).policy, &old.policy, &Source::of_text("edge.yaml", BASE));
    assert!(result.unwrap_err().to_string().contains("is new"));
    let wider = "    media: { srtp: plain, networks: [203.0.113.0/24], video: allow, behind_nat: true, silence: never }\n";
    let weaker = ringfence::policy::compare(&old.policy, &taken(&trunk(wider)).policy);
    for sentence in [
        "media of peer trunk may go to 203.0.113.0/24",
        "media of peer trunk may be pictures",
        "media of peer trunk may be elsewhere than it says",
        "media of peer trunk may be silent for longer",
    ] {
        assert!(weaker.iter().any(|told| told == sentence), "{sentence}: {weaker:?}");
    }
}
